"""What hangs together among the rows the baseline judges, and how few blocks decide."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.checks.baseline._rows import Rows
from readiness.columns import role_columns
from readiness.evidence import bins_of
from readiness.metrics import Metric, blocks_of_the_rarest
from readiness.scored import Scores
from readiness.scoring import column
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clustered_interval,
)
from readiness.text import number, visible

MIN_CLUSTERS = 30
MOST_ROWS_PER_ID = 20  # a whole number that repeats more often is no identifier
UNDECLARED_FACTOR = 1.5  # wider than declared by this much: rows hang together
SPANS = {"1h": "hour", "24h": "day", "1d": "day", "7d": "week", "1w": "week"}


def widened(case: Case, rows: Rows, estimate: Estimate) -> Rows:
    """Return the rows with the widest undeclared block added to their clusters.

    Parameters
    ----------
    case : Case
        Names the columns with a role.
    rows : Rows
        n labelled rows.
    estimate : Estimate
        The headline metric on these rows.

    Returns
    -------
    Rows
        With their bins; else unchanged unless a day, a week or an identifier that
        nobody declared makes the interval more than `UNDECLARED_FACTOR` times as wide
        as declared.
    """
    found = _widest(case, rows, estimate)
    return replace(found, bins=bins_of(case, found.scores, found.undeclared))


def fewest_deciding(metric: Metric, y_true: Floats, clusters: Clusters) -> int | None:
    """Return how few blocks hold the rarest class, where that decides; else None.

    A rate within one class rests on that class, however many rows the others have.
    """
    if metric.needs == "value" or metric.per_row is not None:
        return None
    fewest = blocks_of_the_rarest(y_true, clusters)
    return fewest if fewest < MIN_CLUSTERS else None


def dependence_note(case: Case, rows: Rows, interval: Interval) -> str:
    """Return one sentence on what hangs together and what that does to intervals."""
    factor = interval.dependence_factor
    if not np.isfinite(factor) or interval.n_blocks == interval.n_rows:
        return (
            f"Every row of {rows.name} counts as independent. If rows of one day or "
            "one customer belong together, declare data.block or data.entity."
        )
    counts = f"{interval.n_blocks:,} {_bound_by(case, rows, interval)}"
    return (
        f"The {interval.n_rows:,} rows of {rows.name} come in {counts}. Counted by "
        f"these, the interval is {number(factor)} times as wide as one that takes "
        "every row as independent (the dependence factor)."
    )


def _widest(case: Case, rows: Rows, estimate: Estimate) -> Rows:
    declared = _width(clustered_interval(estimate, rows.scores.clusters))
    widest, found = declared * UNDECLARED_FACTOR, rows
    if not np.isfinite(widest):
        return rows
    for name, codes in _candidates(case, rows.scores):
        clusters = Clusters(block=codes, entity=rows.scores.clusters.entity)
        width = _width(clustered_interval(estimate, clusters))
        if width > widest:
            widest = width
            scored = replace(rows.scores, clusters=clusters)
            found = replace(rows, scores=scored, undeclared=name)
    return found


def _width(interval: Interval) -> float:
    return interval.ci_high - interval.ci_low


def _candidates(case: Case, scored: Scores) -> Iterator[tuple[str, Ints]]:
    if scored.time is not None and not np.any(np.isnat(scored.time)):
        day = scored.time.astype("datetime64[D]").astype(np.int64)
        for name, codes in (("day", day), ("week", (day + 3) // 7)):
            if len(np.unique(codes)) >= MIN_CLUSTERS:
                yield name, codes
    for name in _identifiers(case, scored.table):
        values = column(case, scored, name)
        codes, known = pd.factorize(values, use_na_sentinel=False)
        is_number = pd.api.types.is_numeric_dtype(values.dtype)
        most = MOST_ROWS_PER_ID if is_number else np.inf
        if len(known) >= MIN_CLUSTERS and 2 <= len(codes) / len(known) <= most:  # noqa: PLR2004 (values must repeat)
            yield name, codes.astype(np.int64)


def _identifiers(case: Case, table: str) -> list[str]:
    taken = {*case.features, *role_columns(case.file)}
    return [
        field.name
        for field in case.table(table).schema
        if field.name not in taken and _may_identify(field.type)
    ]


def _may_identify(kind: pa.DataType) -> bool:
    of_values = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    return any(test(of_values) for test in tests)


def _bound_by(case: Case, rows: Rows, interval: Interval) -> str:
    """Return what the winning blocks are: days, rows of one entity, an undeclared."""
    entity = rows.scores.clusters.entity
    if entity is not None and len(np.unique(entity)) == interval.n_blocks:
        return f"values of {visible(case.file.data.entity or 'entity', 40)}"
    name = rows.undeclared or SPANS.get(case.block or "", "")
    if name in ("hour", "day", "week"):
        return f"{name}s"
    return f"blocks of {visible(name or case.block or 'rows', 40)}"
