"""Guards that look at many rows: drift monitors, predictions, and the support."""

from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.alarm_levels import (
    NullWindows,
    calibrated_level,
    detected_within,
    null_windows,
)
from readiness.checks.coverage._points import points_of
from readiness.checks.coverage._support import Support, nearest
from readiness.checks.drift._base import Base, numbers
from readiness.checks.drift._past import past
from readiness.checks.drift._planned import Planned
from readiness.checks.stress._bench import answers
from readiness.errors import NotAssessedError
from readiness.faults import FaultRows, Values
from readiness.stats import Floats

WINDOWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SupportGuard:
    """The support of C4, over the first rows of a bench.

    Parameters
    ----------
    support : Support
    rows : int
        How many rows are judged.
    usual : float
        Share of them without support before anything is altered.
    """

    support: Support
    rows: int
    usual: float

    def more(self, frame: pd.DataFrame, altered: Mapping[str, Values]) -> float:
        """Return how much larger the share without support is in altered rows."""
        try:
            share = unsupported(self.support, frame.iloc[: self.rows], altered)
        except (pa.ArrowInvalid, pa.ArrowTypeError, NotAssessedError):
            return 0.0  # another type: the schema is the guard
        return share - self.usual


def support_guard(rows: FaultRows, support: Support, n_rows: int) -> SupportGuard:
    """Return the support of C4 as a guard over the first rows."""
    frame = rows.frame.iloc[:n_rows]
    usual = unsupported(support, frame, {})
    return SupportGuard(support=support, rows=len(frame), usual=usual)


def unsupported(
    support: Support, frame: pd.DataFrame, altered: Mapping[str, Values]
) -> float:
    """Return the share of rows, altered in some columns, that C4 finds odd."""
    columns = {
        one.name: altered.get(one.name, frame[one.name]).iloc[: len(frame)]
        for one in support.space
    }
    batch = pa.RecordBatch.from_pandas(pd.DataFrame(columns), preserve_index=False)
    distances, _ = nearest(points_of(batch, support.space), support.anchors)
    return float((support.p_values(distances) <= support.level).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What a monitor sees of one column.

    Parameters
    ----------
    total, count : float, int
        Sum and number of the known numbers; 0 where they are no numbers.
    missing : float
        Share of missing values.
    shares : mapping of str to float
        Share of rows by category.
    """

    total: float
    count: int
    missing: float
    shares: Mapping[str, float]


def facts(values: Values, kind: str) -> Facts:
    """Return what a monitor sees of n values of a kind of column."""
    known, shares = np.empty(0), {}
    if kind in ("numeric", "time"):
        with suppress(NotAssessedError):  # text: the schema refuses it
            known = numbers(values, kind)
        known = known[np.isfinite(known)]
    else:
        counted = values.value_counts()
        shares = {str(one): n / len(values) for one, n in counted.items()}
    return Facts(
        total=float(known.sum()),
        count=len(known),
        missing=float(values.isna().mean()),
        shares=shares,
    )


def drift_power(
    monitors: pd.DataFrame,
    before: Mapping[str, Facts],
    after: Mapping[str, Facts],
    dose: float,
) -> tuple[float, str]:
    """Return the chance that one window of the plan alarms, and the column it names.

    Parameters
    ----------
    monitors : pandas.DataFrame
        The table of D8: what is watched, and where it alarms.
    before, after : mapping of str to Facts
        The altered columns as they were, and altered in every row.
    dose : float
        Share of the rows of a window that the fault befalls.

    Notes
    -----
    Each statistic moves by what the fault does to its mean; its error in a window is
    taken as normal, with the standard errors of D8. The best statistic counts.
    """
    from scipy.special import ndtr  # noqa: PLC0415 (heavy)

    best, named = 0.0, ""
    for row in monitors[monitors["column"].isin(list(after))].to_dict("records"):
        name = row["column"]
        move = _move(row, before[name], after[name], dose)
        error = float(np.hypot(row["window_error"], row["reference_error"]))
        if not np.isfinite(move) or not np.isfinite(error):
            continue
        gap = np.array([row["alarm_move"] - move, row["alarm_move"] + move])
        power = float(ndtr(-gap / error).sum()) if error > 0 else float(gap.min() < 0)
        if power > best:
            best, named = power, name
    return best, named


def _move(
    row: Mapping[Hashable, Any], before: Facts, after: Facts, dose: float
) -> float:
    if row["family"] == "missing":
        return dose * (after.missing - before.missing)
    if row["family"] == "category":
        name = row["category"]
        return dose * (after.shares.get(name, 0.0) - before.shares.get(name, 0.0))
    count = (1 - dose) * before.count + dose * after.count
    if not count or not before.count:
        return float("nan")
    mixed = ((1 - dose) * before.total + dose * after.total) / count
    return mixed - before.total / before.count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionMonitor:
    """A monitor of the mean prediction of a window, calibrated as D8 is.

    Parameters
    ----------
    null : NullWindows
        Windows in which nothing has changed.
    level : float
        In spreads; it keeps the false alarms that the plan promises, by itself.
    """

    null: NullWindows
    level: float

    def power(self, moves: Floats) -> float:
        """Return the chance that a window alarms when the mean moves, (k,)."""
        return float(detected_within(self.null, self.level, moves, 1).max())


def prediction_monitor(base: Base, plan: Planned, seed: int) -> PredictionMonitor:
    """Return the monitor of predictions for the plan; NotAssessedError as `past`."""
    watched = answers(base.case, base.y_score)
    history = past(base, watched, plan.window_rows, seed).history
    null = null_windows(history, WINDOWS, seed)
    level = calibrated_level(null, plan.false_alarm_rate)
    return PredictionMonitor(null=null, level=level)
