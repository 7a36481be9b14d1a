"""Intervals from influence values, for rows that hang together."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CONFIDENCE = 0.95  # of each limit by itself, so both together make a 90 % interval
N_DRAWS = 4000  # of the multiplier bootstrap: its quantile is then good to 1 %
SPARSE_CODES = 20  # codes beyond this many per row are renumbered before counting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """Which rows hang together, by time block and by entity.

    Parameters
    ----------
    block, entity : numpy.ndarray of int, shape (n,), or None
        A code per row; None where the case declares none. With neither, every row
        is a block of its own.
    """

    block: Ints | None = None
    entity: Ints | None = None

    def take(self, rows: npt.NDArray[Any]) -> "Clusters":
        """Return the clusters of some rows, by position or by mask."""
        return Clusters(
            block=None if self.block is None else self.block[rows],
            entity=None if self.entity is None else self.entity[rows],
        )

    def declared(self) -> tuple[Ints, ...]:
        """Return the codes that exist, block first."""
        return tuple(code for code in (self.block, self.entity) if code is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """A number and what each row contributes to its error.

    Parameters
    ----------
    value : float
        NaN where the rows do not define it (one class only, no rows).
    influence : numpy.ndarray of float, shape (n,)
        Mean zero; the error of `value` is the mean influence of the sampled rows.
    """

    value: float
    influence: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number between two limits, each a one-sided 95 % limit."""

    value: float
    ci_low: float
    ci_high: float
    se: float
    n_rows: int
    n_blocks: int
    dependence_factor: float


def clustered_interval(estimate: Estimate, clusters: Clusters) -> Interval:
    """Return the interval of an estimate whose rows hang together.

    Parameters
    ----------
    estimate : Estimate
        Influence values of n rows.
    clusters : Clusters
        Codes of the same n rows. The wider of block and entity wins.

    Returns
    -------
    Interval
        Limits are infinite with fewer than two blocks, or where the value is NaN.
        `dependence_factor` is the clustered half-width over the row-wise one.

    Notes
    -----
    Influence is summed by block, then t with K - 1 degrees of freedom. With fewer
    than 60 blocks the limits err slightly more often than promised.

    References
    ----------
    K.-Y. Liang, S. L. Zeger (1986), doi:10.1093/biomet/73.1.13.
    """
    n_rows = len(estimate.influence)
    if not np.isfinite(estimate.value):
        n_blocks = min([n_rows, *map(_n_distinct, clusters.declared())])
        return replace(no_interval(), n_rows=n_rows, n_blocks=n_blocks)
    by_row = half_width(estimate.influence, None)
    declared = [half_width(estimate.influence, code) for code in clusters.declared()]
    width, se, n_blocks = max(declared or [by_row], key=lambda one: one[0])
    return Interval(
        value=float(estimate.value),
        ci_low=float(estimate.value - width),
        ci_high=float(estimate.value + width),
        se=se,
        n_rows=n_rows,
        n_blocks=n_blocks,
        dependence_factor=ratio(width, by_row[0]),
    )


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Return a minus b, both estimated from the same rows in the same order."""
    return Estimate(value=a.value - b.value, influence=a.influence - b.influence)


def weighted_mean(values: npt.ArrayLike, weight: Floats | None = None) -> Estimate:
    """Return the mean of n values, weighted by Hajek's ratio where weights are given.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        No missing values.
    weight : numpy.ndarray of float, shape (n,), optional
        Not negative; only ratios matter.
    """
    x = np.asarray(values, dtype=float)
    weights = relative_weights(len(x), weight)
    total = float(np.mean(weights)) if len(x) else 0.0
    value = float(np.mean(weights * x)) if total > 0 else float("nan")
    return Estimate(value=value, influence=weights * (x - value))


def relative_weights(n_rows: int, weight: Floats | None) -> Floats:
    """Return weights with mean one; all zero when they sum to nothing."""
    if weight is None:
        return np.ones(n_rows)
    total = float(np.sum(weight))
    return weight * (n_rows / total) if total > 0 else np.zeros(n_rows)


def simultaneous_band(
    values: Floats, influence: Floats, clusters: Clusters, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return a band that holds for m numbers at once, each side one-sided 95 %.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (m,)
    influence : numpy.ndarray of float, shape (n, m)
        Influence of the same n rows on each number.
    clusters : Clusters
        Codes of the rows; the wider of block and entity wins at each point.
    rng : numpy.random.Generator

    Returns
    -------
    low, high, sd : numpy.ndarray of float, shape (m,)
        Infinite limits with fewer than two blocks.

    Notes
    -----
    Multiplier bootstrap of the largest studentised deviation. With Gaussian
    multipliers its law given the data is normal with the covariance of the block
    sums, so it is drawn from that covariance, which costs nothing in rows; a shared
    chi-square makes it Student's t with K - 1 degrees of freedom.

    References
    ----------
    V. Chernozhukov, D. Chetverikov, K. Kato (2013), doi:10.1214/13-AOS1161.
    """
    bands = [_band(influence, code, rng) for code in (clusters.declared() or (None,))]
    width = np.max([one[0] for one in bands], axis=0)
    sd = np.max([one[1] for one in bands], axis=0)
    return values - width, values + width, sd


def student_quantile(df: float, level: float = CONFIDENCE) -> float:
    """Return the quantile of Student's t; infinite without a degree of freedom."""
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 (heavy)

    if df <= 0:
        return float("inf")
    return float(ndtri(level) if np.isinf(df) else stdtrit(df, level))


def block_sums(influence: Floats, codes: Ints | None) -> Floats:
    """Return influence summed by block.

    Parameters
    ----------
    influence : numpy.ndarray of float, shape (n,) or (n, m)
    codes : numpy.ndarray of int, shape (n,), or None
        None: every row is a block.

    Returns
    -------
    numpy.ndarray of float, shape (K,) or (K, m)
        In the order of the codes; codes without rows are left out.
    """
    if codes is None or len(codes) == 0:
        return influence
    dense = codes - codes.min()
    if dense.max() > SPARSE_CODES * len(dense):
        dense = np.unique(dense, return_inverse=True)[1]
    present = np.bincount(dense) > 0
    columns = influence.reshape(len(influence), -1).T
    sums: Floats = np.stack([np.bincount(dense, one)[present] for one in columns])
    return sums[0] if influence.ndim == 1 else sums.T


def no_interval(lowest: float = -np.inf, highest: float = np.inf) -> Interval:
    """Return what no rows say: NaN between the widest limits."""
    nan = float("nan")
    return Interval(
        value=nan,
        ci_low=float(lowest),
        ci_high=float(highest),
        se=nan,
        n_rows=0,
        n_blocks=0,
        dependence_factor=nan,
    )


def half_width(influence: Floats, codes: Ints | None) -> tuple[float, float, int]:
    """Return half-width, standard error and number of blocks of one clustering."""
    sums = block_sums(influence, codes)
    n_blocks = len(sums)
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return float("inf"), float("nan"), n_blocks
    spread = np.sum(sums**2) * n_blocks / (n_blocks - 1)
    se = float(np.sqrt(spread)) / len(influence)
    return student_quantile(n_blocks - 1) * se, se, n_blocks


def _band(
    influence: Floats, codes: Ints | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    sums = block_sums(influence, codes)
    n_blocks, m = sums.shape
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return np.full(m, np.inf), np.full(m, np.nan)
    covariance = sums.T @ sums * (n_blocks / (n_blocks - 1) / len(influence) ** 2)
    sd = np.sqrt(np.diag(covariance))
    safe = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(safe, safe))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    normal = rng.standard_normal((N_DRAWS, m)) @ root
    scale = np.sqrt(rng.chisquare(n_blocks - 1, N_DRAWS) / (n_blocks - 1))
    largest = np.max(normal / scale[:, None], axis=1)
    return float(np.quantile(largest, CONFIDENCE)) * sd, sd


def ratio(clustered: float, by_row: float) -> float:
    """Return the dependence factor; 1 where the row-wise width says nothing."""
    return float(clustered / by_row) if 0 < by_row < np.inf else 1.0


def _n_distinct(codes: Ints) -> int:
    return len(np.unique(codes))
