"""Which ranks of an importance list are settled, and how alike two lists are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.stats import (
    Clusters,
    Floats,
    Interval,
    Ints,
    block_sums,
    holm,
    relative_weights,
    student_quantile,
)

Bools = NDArray[np.bool_]
ROUNDING = 1e-9  # of the largest size: smaller differences are none
PERSISTENCE = 0.9  # weight of each further rank in the overlap of two lists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizes:
    """Sizes of attributions of rows that hang together.

    Parameters
    ----------
    values : ndarray of shape (n, d)
    clusters : Clusters
        Of the n rows.
    weight : ndarray of shape (n,) or None
    """

    values: Floats
    clusters: Clusters
    weight: Floats | None

    def means(self) -> Floats:
        """Return the mean size of each column, (d,)."""
        weights = relative_weights(len(self.values), self.weight)
        found: Floats = weights @ self.values / max(float(weights.sum()), 1e-300)
        return found

    def redrawn(self, n_draws: int, rng: np.random.Generator) -> Floats:
        """Return mean sizes over blocks drawn again with replacement, (n_draws, d)."""
        weights = relative_weights(len(self.values), self.weight)
        codes = (*self.clusters.declared(), np.arange(len(weights)))[0]
        block = pd.factorize(codes)[0]  # in the rows' own random order
        n_blocks = int(block.max()) + 1
        drawn = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), n_draws)
        by_block = np.zeros((n_blocks, self.values.shape[1] + 1))
        np.add.at(
            by_block,
            block,
            np.column_stack([self.values, np.ones(len(block))]) * weights[:, None],
        )
        sums = drawn @ by_block
        found: Floats = sums[:, :-1] / np.maximum(sums[:, -1:], 1e-300)
        return found


def surely_ahead(
    sizes: Floats,
    noise: Floats,
    clusters: Clusters,
    weight: Floats | None = None,
    *,
    looks: int = 1,
) -> Bools:
    """Return which columns are larger on average than which others.

    Parameters
    ----------
    sizes : ndarray of shape (n, d)
        Sizes of the attributions of n rows to d columns.
    noise : ndarray of shape (d,)
        The most that draws may have added to each mean.
    clusters : Clusters
        Codes of the n rows; the weaker of block and entity counts.
    weight : ndarray of shape (n,), optional
    looks : int
        How often rows may be added until this holds; shares the error out (Bonferroni).

    Returns
    -------
    ndarray of bool, shape (d, d)
        Entry (i, j): column i is ahead of column j. With a chance of at least 95 %
        all entries are right together (Holm, over all pairs and both directions).

    References
    ----------
    M. Mogstad, J. Romano, A. Shaikh, D. Wilhelm (2024), "Inference for ranks",
    doi:10.1093/restud/rdad006.
    """
    weights = relative_weights(len(sizes), weight)
    means = weights @ sizes / max(float(np.sum(weights)), 1e-300)
    influence = weights[:, None] * (sizes - means)
    gap = means[:, None] - means - noise[:, None]
    d = len(means)
    p_value = np.zeros((d, d))
    for code in clusters.declared() or (None,):
        p_value = np.maximum(p_value, _p_values(gap, influence, code))
    p_value[gap <= ROUNDING * np.max(np.abs(means), initial=0.0)] = 1.0
    first, second = np.triu_indices(d, 1)
    either = np.minimum(p_value[first, second], p_value[second, first])
    rejected = np.zeros((d, d), dtype=bool)
    rejected[first, second] = holm(np.minimum(2 * looks * either, 1.0))
    ahead: Bools = (rejected | rejected.T) & (p_value <= p_value.T) & (gap > 0)
    return ahead


def _p_values(gap: Floats, influence: Floats, code: Ints | None) -> Floats:
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    sums = block_sums(influence, code)
    n_blocks = len(sums)
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return np.ones_like(gap)
    covariance = sums.T @ sums * (n_blocks / (n_blocks - 1) / len(influence) ** 2)
    own = np.diag(covariance)
    se = np.sqrt(np.maximum(own[:, None] + own - 2 * covariance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = stdtr(n_blocks - 1, np.nan_to_num(-gap / se, nan=0.0))
    return found


def rank_sets(ahead: Bools, twins: Sequence[Sequence[int]] = ()) -> tuple[Ints, Ints]:
    """Return the best and the worst rank that each column may have.

    Parameters
    ----------
    ahead : ndarray of bool, shape (d, d)
    twins : sequence of sequence of int
        Columns that hold the same values: any of them may stand in for another, so
        each gets the ranks of all.

    Examples
    --------
    >>> low, high = rank_sets(np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=bool))
    >>> low.tolist(), high.tolist()
    ([1, 2, 2], [1, 3, 3])
    """
    best = 1 + ahead.sum(axis=0)
    worst = len(ahead) - ahead.sum(axis=1)
    for group in twins:
        places = list(group)
        best[places], worst[places] = best[places].min(), worst[places].max()
    return best, worst


def find_twins(frame: pd.DataFrame) -> list[list[int]]:
    """Return groups of columns that hold the same under other names or units.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows. Columns of at most n / 2 values are the same when they split the rows
        alike; numbers of more values when they put the rows in the same order,
        forwards or backwards. Missing values must be missing together. A constant
        column has no twin.
    """
    seen: dict[bytes, list[int]] = {}
    for place, name in enumerate(frame.columns):
        codes, found = pd.factorize(hashable_cells(frame[name]))
        if len(found) > len(frame) / 2:
            codes = _order(frame[name])
        if len(codes) and len(found) > 1:
            seen.setdefault(codes.astype(np.int64).tobytes(), []).append(place)
    return [group for group in seen.values() if len(group) > 1]


def hashable_cells(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the cells, and lists, arrays and records among them written out."""
    if values.dtype != object or values.map(pd.api.types.is_hashable).all():
        return values
    return values.map(
        lambda cell: repr(cell.tolist() if isinstance(cell, np.ndarray) else cell),
        na_action="ignore",
    )


def _order(values: "pd.Series[Any]") -> Ints:
    """Return the places of numbers by size, the first of them in the lower half."""
    if not pd.api.types.is_numeric_dtype(values):
        return np.empty(0, dtype=np.int64)
    ranks = values.rank(method="dense").to_numpy(dtype=np.float64, na_value=np.nan)
    codes = np.where(np.isnan(ranks), -1, ranks - 1).astype(np.int64)
    last = int(codes.max())
    off_middle = codes[(codes >= 0) & (2 * codes != last)]
    if 2 * off_middle[0] > last:
        codes = np.where(codes < 0, codes, last - codes)
    return codes


def overlap(one: Ints, other: Ints, depth: int) -> float:
    """Return the extrapolated rank-biased overlap of two lists, 0 to 1.

    Parameters
    ----------
    one, other : ndarray of int, shape (d,)
        The same items, the most important first.
    depth : int
        How many ranks are compared.

    References
    ----------
    W. Webber, A. Moffat, J. Zobel (2010), doi:10.1145/1852102.1852106, equation 32
    for lists of one length.

    Examples
    --------
    >>> overlap(np.array([0, 1, 2]), np.array([0, 1, 2]), 2)
    1.0
    """
    depth = min(depth, len(one))
    ranks = np.arange(1, depth + 1)
    shared = [len(np.intersect1d(one[:k], other[:k])) / k for k in ranks]
    weights = (1 - PERSISTENCE) * PERSISTENCE ** (ranks - 1)
    return float(shared[-1] * PERSISTENCE**depth + weights @ shared)


def agreement(one: Floats, other: Floats) -> float:
    """Return Kendall's tau of two importance vectors; tied pairs count nothing."""
    first, second = np.triu_indices(len(one), 1)
    if not len(first):
        return float("nan")
    signs = np.sign(one[first] - one[second]) * np.sign(other[first] - other[second])
    return float(np.mean(signs))


def alike(
    vectors: Floats, depth: int, rng: np.random.Generator, n_rows: int
) -> tuple[Interval, Interval]:
    """Return how alike importance vectors are, pair by pair.

    Parameters
    ----------
    vectors : ndarray of shape (b, d)
        One vector per re-fit or redraw, b of at least 3.
    depth : int
        Ranks compared by the overlap.
    rng : numpy.random.Generator
        Puts equal sizes in a random order: a tie is no agreement.
    n_rows : int
        Rows behind each vector.

    Returns
    -------
    tuple of Interval
        Mean overlap and mean Kendall's tau over all pairs. Pairs share vectors, so
        the interval is the jackknife over vectors, t with b - 1 degrees of freedom.
    """
    jitter = rng.random(vectors.shape) * ROUNDING * np.max(vectors, initial=0.0)
    orders = np.argsort(-(vectors + jitter), axis=1)
    n = len(vectors)
    found = np.full((2, n, n), np.nan)
    for a, b in combinations(range(n), 2):
        pair = (overlap(orders[a], orders[b], depth), agreement(vectors[a], vectors[b]))
        found[:, a, b] = found[:, b, a] = pair
    return (
        _jackknife(found[0], 0.0, n_rows),
        _jackknife(found[1], -1.0, n_rows),
    )


def _jackknife(pairs: Floats, lowest: float, n_rows: int) -> Interval:
    n = len(pairs)
    value = float(np.nanmean(pairs)) if np.isfinite(pairs).any() else float("nan")
    sums = np.nansum(pairs, axis=1)
    without = (sums.sum() - 2 * sums) / ((n - 1) * (n - 2))
    se = float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))
    half = student_quantile(n - 1) * se
    return Interval(
        value=value,
        ci_low=max(value - half, lowest),
        ci_high=min(value + half, 1.0),
        se=se,
        n_rows=n_rows,
        n_blocks=n,
        dependence_factor=float("nan"),
    )
