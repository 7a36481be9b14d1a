"""The model inside situations, and combinations people declared impossible."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._situations import region
from readiness.errors import CaseError, NotAssessedError
from readiness.patterns import Bools
from readiness.scored import headline_interval
from readiness.scoring import scores
from readiness.stats import Interval, Ints


def metric_there(
    case: Case, table: str, bits: Sequence[Ints], n_lines: int
) -> list[Interval | None]:
    """Return the headline metric on the rows of each line; None where there is none.

    Parameters
    ----------
    case : Case
    table : str
        With labels.
    bits : sequence of array of int
        Of every row of the table in order, the lines it meets.
    n_lines : int
    """
    needs_probability = case.metric.needs == "probability"
    is_mute = needs_probability and case.model.outputs == "class"
    if not n_lines or not bits or is_mute:
        return [None] * n_lines
    try:
        scored = scores(case, table)
    except NotAssessedError:
        return [None] * n_lines
    met = np.concatenate(bits)[scored.row]
    return [
        headline_interval(case, scored.take((met >> place) & 1 == 1))
        for place in range(n_lines)
    ]


def impossible_regions(
    attributes: Sequence[Attribute], declared: Sequence[Mapping[str, Any]]
) -> list[Bools]:
    """Return declared impossible combinations as regions of cells.

    A combination with a column that is no attribute here forbids nothing.

    Raises
    ------
    CaseError
        For a numeric column: only values of categories can be declared impossible.
    """
    places = {one.name: place for place, one in enumerate(attributes)}
    found = []
    for combination in declared:
        numeric = [
            name
            for name in combination
            if name in places and attributes[places[name]].is_numeric
        ]
        if numeric:
            msg = (
                f"checks.C1.impossible names {numeric[0]!r}, which is numeric; only "
                "values of categories can be declared impossible."
            )
            raise CaseError(msg)
        known = {
            places[name]: attributes[places[name]].values.index(str(value))
            for name, value in combination.items()
            if name in places and str(value) in attributes[places[name]].values
        }
        if len(known) == len(combination):
            found.append(region(attributes, known))
    return found
