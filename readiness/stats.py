"""Statistics every check shares: arrays in, numbers out; rows of a summary."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.bands import simultaneous_band
from readiness.errors import Reason
from readiness.intervals import (
    CONFIDENCE,
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    block_sums,
    clustered_interval,
    difference,
    no_interval,
    ratio,
    relative_weights,
    spread_of,
    student_quantile,
    weighted_mean,
)
from readiness.result import EXTRA_COLUMNS, SUMMARY_COLUMNS

__all__ = [
    "CONFIDENCE",
    "Z_ONE_SIDED",
    "Clusters",
    "Estimate",
    "Floats",
    "Interval",
    "Ints",
    "block_sums",
    "clopper_pearson",
    "clustered_interval",
    "difference",
    "effective_sample_size",
    "empty_row",
    "holm",
    "no_interval",
    "proportion_interval",
    "relative_weights",
    "share_interval",
    "simultaneous_band",
    "student_quantile",
    "summary_frame",
    "summary_row",
    "weighted_mean",
    "wilson_interval",
]

Bools = npt.NDArray[np.bool_]
Z_ONE_SIDED = 1.6448536269514722  # 95 % of a normal variable lie below


def clopper_pearson(n_hits: float, n_rows: float) -> tuple[float, float]:
    """Return the exact interval of a proportion, each limit one-sided 95 %.

    Parameters
    ----------
    n_hits, n_rows : float
        Hits and rows, ``0 <= n_hits <= n_rows``; effective numbers need not be whole.

    Returns
    -------
    tuple of float
        Lower and upper limit in [0, 1]; ``(0.0, 1.0)`` when `n_rows` is 0.

    References
    ----------
    C. J. Clopper, E. S. Pearson (1934), doi:10.1093/biomet/26.4.404.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 299)
    >>> low, round(high, 4)
    (0.0, 0.01)
    """
    from scipy.special import betaincinv  # noqa: PLC0415 (heavy)

    misses = n_rows - n_hits
    tail = 1 - CONFIDENCE
    low = float(betaincinv(n_hits, misses + 1, tail)) if n_hits > 0 else 0.0
    high = float(betaincinv(n_hits + 1, misses, CONFIDENCE)) if misses > 0 else 1.0
    return low, high


def wilson_interval(n_hits: float, n_rows: float) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, each limit one-sided 95 %.

    For drawing only: proportions gate by `clopper_pearson`.

    Parameters
    ----------
    n_hits, n_rows : float
        Hits and rows, ``0 <= n_hits <= n_rows``.

    Returns
    -------
    tuple of float
        Lower and upper limit in [0, 1]; ``(0.0, 1.0)`` when `n_rows` is 0.

    References
    ----------
    E. B. Wilson (1927), doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> wilson_interval(0, 0)
    (0.0, 1.0)
    """
    if n_rows == 0:
        return 0.0, 1.0
    z2 = student_quantile(np.inf) ** 2
    middle = (n_hits + z2 / 2) / (n_rows + z2)
    spread = np.sqrt(n_hits * (n_rows - n_hits) / n_rows * z2 + z2**2 / 4)
    half_width = float(spread / (n_rows + z2))
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


def proportion_interval(
    hits: npt.ArrayLike, clusters: Clusters, weight: Floats | None = None
) -> Interval:
    """Return the interval of a share of rows that hang together.

    Parameters
    ----------
    hits : array_like of bool, shape (n,)
        Which rows count.
    clusters : Clusters
        Codes of the same rows; the fewer effective rows win.
    weight : numpy.ndarray of float, shape (n,), optional
        Not negative.

    Returns
    -------
    Interval
        NaN value and limits 0 and 1 when there are no rows.

    Notes
    -----
    Clopper-Pearson at the number of independent rows that would give the clustered
    variance. Where every row, or none, is a hit, dependence cannot be estimated and
    each block counts as one row.

    References
    ----------
    E. L. Korn, B. I. Graubard (1998), Survey Methodology 24(2), 193-201.
    """
    estimate = weighted_mean(hits, weight)
    if not np.isfinite(estimate.value):
        return no_interval(0.0, 1.0)
    share = min(max(estimate.value, 0.0), 1.0)
    by_row = _effective_rows(share, estimate.influence, None)
    declared = [
        _effective_rows(share, estimate.influence, code) for code in clusters.declared()
    ]
    return share_interval(share, by_row, declared, len(estimate.influence))


def share_interval(
    share: float,
    by_row: tuple[float, float, int],
    declared: Sequence[tuple[float, float, int]],
    n_rows: int,
) -> Interval:
    """Return Clopper-Pearson limits at the fewest effective rows.

    Parameters
    ----------
    share : float
        In [0, 1].
    by_row : tuple
        Effective rows, standard error and blocks with every row by itself.
    declared : sequence of tuple
        The same for each declared way in which rows hang together.
    n_rows : int
    """
    n_effective, se, n_blocks = min(declared or [by_row], key=lambda one: one[0])
    low, high = clopper_pearson(share * n_effective, n_effective)
    row_low, row_high = clopper_pearson(share * by_row[0], by_row[0])
    return Interval(
        value=share,
        ci_low=low,
        ci_high=high,
        se=se,
        n_rows=n_rows,
        n_blocks=n_blocks,
        # Without any spread the factor cannot be estimated either.
        dependence_factor=ratio(high - low, row_high - row_low)
        if se > 0
        else float("nan"),
    )


def effective_sample_size(weights: npt.ArrayLike) -> float:
    """Return how many equally weighted rows carry as much: (sum w)^2 / sum w^2.

    Examples
    --------
    >>> effective_sample_size([1.0, 1.0, 0.0])
    2.0
    """
    w = np.asarray(weights, dtype=float)
    squares = float(np.sum(w**2))
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0


def holm(p_values: npt.ArrayLike, alpha: float = 1 - CONFIDENCE) -> Bools:
    """Return which of m hypotheses Holm's step-down procedure rejects.

    Parameters
    ----------
    p_values : array_like of float, shape (m,)
    alpha : float
        The chance of one or more false rejections among all.

    References
    ----------
    S. Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [True, False, False]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    small = p[order] <= alpha / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order] = np.logical_and.accumulate(small)
    return rejected


def summary_row(
    metric: str,
    group: str,
    interval: Interval,
    unit: str = "",
    **extra: Any,  # noqa: ANN401 (any of EXTRA_COLUMNS)
) -> dict[str, Any]:
    """Return one row of `Measurement.summary` made from an interval."""
    return {
        "metric": metric,
        "group": group,
        "value": interval.value,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "n_rows": interval.n_rows,
        "unit": unit,
        "se": interval.se,
        "n_blocks": interval.n_blocks,
        "dependence_factor": interval.dependence_factor,
        **extra,
    }


def empty_row(
    metric: str, group: str, reason: Reason, unit: str = "", n_rows: int = 0
) -> dict[str, Any]:
    """Return the row of a number that could not be measured, with its reason."""
    row = summary_row(metric, group, no_interval(), unit, reason=str(reason))
    return {**row, "n_rows": n_rows}


def summary_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as `Measurement.summary`: the columns of the contract, in order."""
    return pd.DataFrame(list(rows), columns=[*SUMMARY_COLUMNS, *EXTRA_COLUMNS])


def _effective_rows(
    share: float, influence: Floats, codes: Ints | None
) -> tuple[float, float, int]:
    n_rows = len(influence)
    spread = spread_of(influence, codes)
    se, n_blocks = spread.se, spread.n_blocks
    variance = share * (1 - share)
    if variance == 0 or not se > 0:
        return float(n_blocks), 0.0, n_blocks
    t_ratio = student_quantile(n_rows - 1) / student_quantile(n_blocks - 1)
    return min(variance / se**2 * t_ratio**2, float(n_rows)), se, n_blocks
