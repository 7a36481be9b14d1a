"""Shares of rows counted in a stream: sums by block are all an interval needs."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from readiness.stats import (
    Clusters,
    Floats,
    Interval,
    Ints,
    no_interval,
    share_interval,
    student_quantile,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyedSums:
    """Sums of m columns by K integer keys, sorted by key.

    Parameters
    ----------
    keys : numpy.ndarray of int, shape (K,)
    sums : numpy.ndarray of float, shape (K, m)
    first : numpy.ndarray of int, shape (K,), or None
        The row in which each key was met first; None where nobody needs it.
    """

    keys: Ints
    sums: Floats
    first: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShareCounts:
    """What m shares of the same rows need: totals, squares, sums by cluster.

    Parameters
    ----------
    n_rows : int
        Rows counted.
    totals, squares : numpy.ndarray of float, shape (1 + m,)
        Sum of weights and of squared weights: of all rows, then of each share's hits.
    clusterings : tuple of KeyedSums
        `totals` by block, then by entity, where the case declares them, with the row
        in which each was met first.
    """

    n_rows: int
    totals: Floats
    squares: Floats
    clusterings: tuple[KeyedSums, ...]


def keyed_sums(keys: Ints, columns: Floats, first: Ints | None = None) -> KeyedSums:
    """Return the sums of `columns`, shape (n, m), by `keys`, shape (n,).

    Parameters
    ----------
    first : numpy.ndarray of int, shape (n,), optional
        Where each key was met; ascending for equal keys.
    """
    if first is None:
        found, place = np.unique(keys, return_inverse=True)
    else:
        found, at, place = np.unique(keys, return_index=True, return_inverse=True)
        first = first[at]
    sums = [np.bincount(place, one, minlength=len(found)) for one in columns.T]
    return KeyedSums(keys=found, sums=np.stack(sums, axis=1), first=first)


def merge_sums(a: KeyedSums, b: KeyedSums) -> KeyedSums:
    """Return the sums of two sets of rows together, those of `a` first."""
    first = None
    if a.first is not None and b.first is not None:
        first = np.concatenate([a.first, b.first])
    keys = np.concatenate([a.keys, b.keys])
    return keyed_sums(keys, np.concatenate([a.sums, b.sums]), first)


def share_counts(
    hits: npt.NDArray[np.bool_], clusters: Clusters, weight: Floats | None = None
) -> ShareCounts:
    """Count m shares over n rows.

    Parameters
    ----------
    hits : numpy.ndarray of bool, shape (n, m)
        Which rows count, one column per share.
    clusters : Clusters
        Codes of the same rows.
    weight : numpy.ndarray of float, shape (n,), optional
        Not negative.
    """
    w = np.ones(len(hits)) if weight is None else weight
    # Few rows hit, as a rule: counting their places takes one byte a cell.
    places = [np.arange(len(hits)), *(np.flatnonzero(one) for one in hits.T)]
    return ShareCounts(
        n_rows=len(hits),
        totals=np.array([w[rows].sum() for rows in places]),
        squares=np.array([(w[rows] ** 2).sum() for rows in places]),
        clusterings=tuple(_sums_of(one, w, places) for one in clusters.declared()),
    )


def merge_share_counts(a: ShareCounts, b: ShareCounts) -> ShareCounts:
    """Return the counts of two sets of rows together, those of `a` first."""
    later = [_after(one, a.n_rows) for one in b.clusterings]
    pairs = zip(a.clusterings, later, strict=True)
    return ShareCounts(
        n_rows=a.n_rows + b.n_rows,
        totals=a.totals + b.totals,
        squares=a.squares + b.squares,
        clusterings=tuple(merge_sums(x, y) for x, y in pairs),
    )


def share_intervals(counts: ShareCounts) -> list[Interval]:
    """Return the interval of each of m shares.

    Notes
    -----
    The same numbers as `readiness.stats.proportion_interval` gives for the rows
    themselves: Clopper-Pearson at the number of independent rows that would give the
    clustered variance.

    References
    ----------
    E. L. Korn, B. I. Graubard (1998), Survey Methodology 24(2), 193-201.
    """
    return [_interval(counts, n) for n in range(1, len(counts.totals))]


def share_difference(a: Interval, b: Interval) -> Interval:
    """Return the first share less the second, of independent rows.

    Notes
    -----
    Each limit is found from the two shares' own limits (MOVER), which keeps them
    honest near 0 and 1 where a normal approximation is not.

    References
    ----------
    G. Y. Zou, A. Donner (2008), doi:10.1002/sim.3095.
    """
    value = a.value - b.value
    below = np.hypot(a.value - a.ci_low, b.ci_high - b.value)
    above = np.hypot(a.ci_high - a.value, b.value - b.ci_low)
    return Interval(
        value=value,
        ci_low=float(value - below),
        ci_high=float(value + above),
        se=float(np.hypot(a.se, b.se)),
        n_rows=a.n_rows + b.n_rows,
        n_blocks=min(a.n_blocks, b.n_blocks),
        dependence_factor=float(np.fmax(a.dependence_factor, b.dependence_factor)),
    )


def _sums_of(codes: Ints, weight: Floats, places: list[Ints]) -> KeyedSums:
    """Return the weight of all rows, and of the rows at each of m places, by code."""
    keys, place = np.unique(codes, return_inverse=True)
    sums = [
        np.bincount(place[rows], weight[rows], minlength=len(keys)) for rows in places
    ]
    first = np.empty(len(keys), dtype=np.int64)
    first[place[::-1]] = np.arange(len(codes))[::-1]  # the last one written stays
    return KeyedSums(keys=keys, sums=np.stack(sums, axis=1), first=first)


def _after(sums: KeyedSums, n_rows: int) -> KeyedSums:
    """Return sums of rows that come after others."""
    return sums if sums.first is None else replace(sums, first=sums.first + n_rows)


def _interval(counts: ShareCounts, n: int) -> Interval:
    weight = float(counts.totals[0])
    if weight <= 0:
        return no_interval(0.0, 1.0)
    share = min(max(float(counts.totals[n]) / weight, 0.0), 1.0)
    errors = counts.squares[n] * (1 - 2 * share) + share**2 * counts.squares[0]
    by_row = _effective_rows(share, float(errors), counts.n_rows, counts)
    declared = []
    for one in counts.clusterings:
        spread = float(np.sum((one.sums[:, n] - share * one.sums[:, 0]) ** 2))
        declared.append(_effective_rows(share, spread, len(one.keys), counts))
    return share_interval(share, by_row, declared, counts.n_rows)


def _effective_rows(
    share: float, squares: float, n_blocks: int, counts: ShareCounts
) -> tuple[float, float, int]:
    """Return effective rows, standard error and blocks from squared cluster errors."""
    variance = share * (1 - share)
    if variance == 0 or n_blocks < 2 or squares <= 0:  # noqa: PLR2004 (no spread)
        return float(n_blocks), 0.0, n_blocks
    total = float(counts.totals[0])
    se = float(np.sqrt(squares * n_blocks / (n_blocks - 1))) / total
    of_rows, of_blocks = (student_quantile(n - 1) for n in (counts.n_rows, n_blocks))
    factor = (of_rows / of_blocks) ** 2
    return min(variance / se**2 * factor, float(counts.n_rows)), se, n_blocks
