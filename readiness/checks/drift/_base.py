"""What a move is held against: the labelled rows, and how much may be lost."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.metrics import Metric
from readiness.reweighted import Weighted, reweighted
from readiness.scored import Scores
from readiness.scoring import column, scores
from readiness.stats import Estimate, Floats, Interval, Ints, relative_weights
from readiness.tolerance import Folds, Room, folds

MIN_WINDOW_ROWS = 30
BLOCKS_PER_WINDOW = 7
MIN_CATEGORY_ROWS = 30
MAX_CATEGORIES = 8
FENCE = 1.5  # interquartile ranges beyond a quartile: Tukey's outliers
MAX_DISTINCT_SHARE = 0.5  # a column with more categories per row than this is text
LEVEL, LOSS = "", "_loss"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Base:
    """Scored labelled rows before anything moves.

    Parameters
    ----------
    case, scores : Case, Scores
        The table and its scores.
    y_true, y_score : numpy.ndarray, shape (n,) or (n, k)
        In the order of `rows`.
    rows : numpy.ndarray of int, shape (n,)
        Rows of `scores` by rising score, so that no tilt sorts them again.
    weight : numpy.ndarray of float, shape (n,), or None
        Relative row weights.
    folds : Folds
        Blocks of the rows.
    estimate, interval : Estimate, Interval
        The headline metric.
    weighted : callable
        The headline metric of the rows as a function of their weights.
    rooms : mapping of str to Room
        What may be lost: `LEVEL` down to the acceptable value, `LOSS` the loss the
        case tolerates.
    no_level : str
        Why there is no level room: a Reason, ``"missed"``, or empty.
    """

    case: Case
    scores: Scores
    y_true: npt.NDArray[np.float64]
    y_score: npt.NDArray[np.float64]
    rows: Ints
    weight: Floats | None
    folds: Folds
    estimate: Estimate
    interval: Interval
    weighted: Weighted
    rooms: Mapping[str, Room]
    no_level: str

    @property
    def metric(self) -> Metric:
        """The headline metric."""
        return self.case.metric

    @property
    def threshold(self) -> float:
        """The decision cut."""
        return self.case.threshold

    @property
    def sign(self) -> int:
        """+1 where higher is better."""
        return 1 if self.metric.higher_is_better else -1

    def values(self, name: str) -> pd.Series:
        """Return one column for the rows, in their order."""
        return column(self.case, self.scores, name).iloc[self.rows]


def base_of(case: Case) -> Base:
    """Return the labelled rows that budgets are measured on.

    The labelled table with the most blocks is used: days bind, not rows.

    Raises
    ------
    NotAssessedError
        When no table but the training one is labelled, or the headline metric is
        not defined on it.
    """
    names = case.labelled_tables()
    if not names:
        msg = (
            "Budgets need labelled rows the model was not fitted on; no table has any."
        )
        raise NotAssessedError(msg, Reason.NO_LABELS)
    return _base(case, max((scores(case, name) for name in names), key=_n_blocks))


def window_codes(base: Base) -> Ints | None:
    """Return the historical window of each row, or None without time or blocks."""
    time, block = base.scores.time, base.scores.clusters.block
    if time is not None:
        stamps = pd.Series(time[base.rows])
        span = base.case.file.data.window
        periods = (
            stamps.dt.to_period("M")
            if span is None
            else stamps.dt.floor(pd.Timedelta(_in_days(span), "D"))
        )
        return np.asarray(pd.factorize(periods)[0], dtype=np.int64)
    if block is not None:
        weeks = np.unique(block[base.rows], return_inverse=True)[1] // BLOCKS_PER_WINDOW
        return np.asarray(weeks, dtype=np.int64)
    return None


def largest_move(
    values: Floats, windows: Ints | None, statistic: str = "mean"
) -> float:
    """Return the largest difference between two windows; NaN with fewer than two.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
        NaN where missing.
    windows : numpy.ndarray of int, shape (n,), or None
        Window of each row, -1 where its time is not known; windows with fewer than 30
        known rows do not count.
    statistic : str
        ``"mean"`` or ``"sd"`` of a window.
    """
    if windows is None:
        return float("nan")
    known = np.isfinite(values) & (windows >= 0)
    rows = np.bincount(windows[known])
    total = np.bincount(windows[known], values[known])
    square = np.bincount(windows[known], values[known] ** 2)
    enough = rows >= MIN_WINDOW_ROWS
    if enough.sum() < 2:  # noqa: PLR2004 (a move needs two windows)
        return float("nan")
    mean = total[enough] / rows[enough]
    if statistic == "mean":
        return float(np.ptp(mean))
    return float(
        np.ptp(np.sqrt(np.maximum(square[enough] / rows[enough] - mean**2, 0)))
    )


def numbers(values: pd.Series, kind: str) -> Floats:
    """Return a column as floats with NaN where missing; times in days.

    Raises
    ------
    NotAssessedError
        When values of a numeric column are not numbers (``MIXED_TYPES``).
    """
    if kind == "time":
        stamps = pd.to_datetime(values, utc=True, errors="coerce")
        days = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "D")
        return np.asarray(days, dtype=np.float64)
    known = pd.to_numeric(values, errors="coerce")
    if int(known.isna().sum()) > int(values.isna().sum()):
        msg = f"The column {values.name!r} is declared numeric but holds text."
        raise NotAssessedError(msg, Reason.MIXED_TYPES)
    floats = known.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(floats), floats, np.nan).astype(np.float64)


def outlying(values: Floats) -> npt.NDArray[np.bool_]:
    """Return which values lie more than 1.5 quartile ranges beyond the quartiles.

    Missing values do not; none does where the middle half of the values is one value.

    Examples
    --------
    >>> outlying(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, np.nan])).tolist()
    [False, False, False, False, False, True, False]
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return np.zeros(len(values), dtype=bool)
    low, high = np.quantile(known, [0.25, 0.75])
    far = FENCE * (high - low)
    with np.errstate(invalid="ignore"):
        outside: npt.NDArray[np.bool_] = (values < low - far) | (values > high + far)
    return outside if far > 0 else np.zeros(len(values), dtype=bool)


def frequent_categories(values: pd.Series) -> pd.Series:
    """Return the most frequent categories with their shares, at most eight.

    Raises
    ------
    NotAssessedError
        When most values differ, as in free text or a key (``UNSUPPORTED_TYPE``).
    """
    counts = values.value_counts()
    counts = counts[counts > 0]
    if len(counts) > max(MAX_DISTINCT_SHARE * counts.sum(), 2 * MAX_CATEGORIES):
        msg = f"The column {values.name!r} holds free text or keys, not categories."
        raise NotAssessedError(msg, Reason.UNSUPPORTED_TYPE)
    # Equal counts are ordered by name, so that the order of rows does not matter.
    named = counts.iloc[np.lexsort((counts.index.astype(str), -counts.to_numpy()))]
    kept = named[named >= MIN_CATEGORY_ROWS].head(MAX_CATEGORIES)
    return kept / len(values)


def _n_blocks(scored: Scores) -> int:
    counts = [len(np.unique(code)) for code in scored.clusters.declared()]
    return min([len(scored.y_true), *counts])


def _base(case: Case, scored: Scores) -> Base:
    metric, y_score = case.metric, np.asarray(scored.y_score, dtype=float)
    first = y_score if y_score.ndim == 1 else y_score[:, 0]
    rows = np.argsort(first, kind="stable")
    y_true = np.asarray(scored.y_true, dtype=float)[rows]
    weight = None
    if scored.weight is not None:
        weight = relative_weights(len(rows), np.asarray(scored.weight, float)[rows])
    y_score, clusters = y_score[rows], scored.clusters.take(rows)
    estimate = metric.estimate(y_true, y_score, weight, case.threshold)
    if not np.isfinite(estimate.value):
        msg = f"{metric.name} is not defined on the rows of {scored.table}."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    interval = metric.interval(y_true, y_score, clusters, weight, case.threshold)
    grouped = folds(clusters, len(rows))
    rooms, no_level = _rooms(case, estimate, interval, grouped)
    return Base(
        case=case,
        scores=scored,
        y_true=y_true,
        y_score=y_score,
        rows=rows,
        weight=weight,
        folds=grouped,
        estimate=estimate,
        interval=interval,
        weighted=reweighted(metric, y_true, y_score, case.threshold),
        rooms=rooms,
        no_level=no_level,
    )


def _rooms(
    case: Case, estimate: Estimate, interval: Interval, grouped: Folds
) -> tuple[dict[str, Room], str]:
    sign = 1 if case.metric.higher_is_better else -1
    parts = grouped.sums(estimate.influence)
    nothing = tuple(np.zeros_like(part) for part in parts)
    rooms = {LOSS: Room(value=case.tolerated_loss, parts=nothing)}
    try:
        acceptable = case.acceptable
    except NotAssessedError as error:
        return rooms, str(error.code)
    ends = [sign * (end - acceptable) for end in (interval.ci_low, interval.ci_high)]
    if max(ends) < 0:
        return rooms, "missed"
    if min(ends) < 0:
        return rooms, str(Reason.BASE_INCONCLUSIVE)
    of_metric = tuple(sign * part for part in parts)
    level = Room(value=sign * (estimate.value - acceptable), parts=of_metric)
    return {LEVEL: level, **rooms}, ""


def _in_days(span: str) -> float:
    return int(span[:-1]) * {"h": 1 / 24, "d": 1.0, "w": 7.0}[span[-1]]
