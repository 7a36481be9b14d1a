"""X11: what the model says about the world, and where nothing supports it."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._account import (
    account,
    directions,
    unsupported,
)
from readiness.checks.explainability._effect_view import alt, draw
from readiness.checks.explainability._effects import (
    MIN_BLOCKS,
    MIN_ROWS,
    Support,
    Told,
    direction_of,
    effect_table,
    support_of,
    unsupported_share,
)
from readiness.checks.explainability._explained import (
    DEFAULTS,
    TABLE,
    explained,
    explained_rows,
)
from readiness.errors import NotAssessedError, Reason
from readiness.result import Check, Measurement, Options
from readiness.stats import empty_row, summary_frame, summary_row

DIRECTION, UNSUPPORTED = "attribution_direction", "thin_share"
CURRENT = "current"
N_DRAWN = 2  # columns told in the alternative text


def measure(case: Case, options: Options) -> Measurement:
    """Measure how attributions go with values, and where training hardly has rows.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance, which chooses
        the ``columns`` (6) with the largest attributions.

    Returns
    -------
    Measurement
        By column of numbers ``attribution_direction`` (rank correlation, -1 to 1) of
        its values with its attributions over the reference rows; by column
        ``thin_share`` (share) of the current rows, else the reference rows,
        in cells of which training has under 30 rows or 5 blocks. Table ``effects``:
        the mean attribution in each cell, reference beside current rows.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, what X9 raises, or NO_COLUMNS where no column the model uses
        can be cut into cells.

    Notes
    -----
    Cells and their support are those of C1. Attributions hang on the other columns
    too, so a cell's mean is not what changing this column alone would do; noise of a
    sampled route draws a rank correlation towards 0. Columns that hold the same share
    an attribution by an accident of the fit. The sentences are put together from
    numbers of this check, of X7 and of X9: what breaks an expectation, or hangs on
    one column, comes first. They tell of the model, not of causes. Under 30 blocks
    directions are not known.

    References
    ----------
    S. Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
    """
    tables = [_told(case, options, TABLE)]
    current, why = _current(case, options)
    tables += [] if current is None else [current]
    sizes = tables[0].rows.found.values.abs().mean().sort_values(ascending=False)
    top = [str(name) for name in sizes[sizes > 0].index[: options["columns"]]]
    support = support_of(case, top, options.seed)
    effects = effect_table(case, support, tables)
    summary = summary_frame(_rows(support, tables))
    unit = tables[0].rows.found.unit
    told = directions(summary, effects, unit)[:N_DRAWN]
    finding = " ".join([*told, *unsupported(summary, effects, tables[-1].name)])
    rule = _rule(support, tables).assign(unit=unit, finding=finding)
    opening, basis, *others = account(case, summary, effects, options.needed, tables)
    left_out = [f"Current rows are not in it: {why}"] if why else []
    return Measurement(
        summary=summary,
        tables={"effects": effects, "support": rule},
        notes=(opening, basis, *left_out, *others),
    )


def _told(case: Case, options: Options, name: str) -> Told:
    rows = explained(case, options, name)
    frame = explained_rows(case, options, name)[: len(rows.found.values)]
    return Told(name=name, rows=rows, frame=frame.reset_index(drop=True))


def _current(case: Case, options: Options) -> tuple[Told | None, str]:
    """Return the current rows, or the reason they cannot be explained."""
    try:
        return _told(case, options, CURRENT), ""
    except NotAssessedError as error:
        return None, str(error)


def _rows(support: Support, tables: list[Told]) -> list[dict[str, Any]]:
    lines = []
    for one in support.attributes:
        share = unsupported_share(one, support, tables[-1])
        lines.append(summary_row(UNSUPPORTED, one.name, share, "share"))
        if not one.is_numeric:
            continue
        found = direction_of(tables[0], one.name)
        is_known = np.isfinite(found.value)
        lines.append(
            summary_row(DIRECTION, one.name, found)
            if is_known
            else empty_row(DIRECTION, one.name, Reason.NOT_MEASURED)
        )
    return lines


def _rule(support: Support, tables: list[Told]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "counted_in": [support.base],
            "fewest_rows": [MIN_ROWS],
            "fewest_blocks": [MIN_BLOCKS],
            "explained": [", ".join(one.name for one in tables)],
        }
    )


CHECK = Check(
    code="X11",
    title="What this model says about the world",
    question="How does its output go with each column, and does anything support that?",
    measure=measure,
    draw=draw,
    alt=alt,
    needs=("X9",),
    helped_by=("X7",),
    defaults={**DEFAULTS, "columns": 6},
    metrics=(DIRECTION, UNSUPPORTED),
)
