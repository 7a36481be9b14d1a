"""Rows grouped once by all their attributes, to count any few of them together.

A row of small codes is packed into one integer. Equal rows are one group with a count,
and counts of fewer attributes are sums over groups: their cost follows from distinct
rows, not from rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np

from readiness.stats import Ints

MOST_GROUPS = 500_000  # beyond it groups are added up by combination and let go
PACKED = 2**62  # different rows that one integer tells apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Distinct packed rows in order, and how often each occurs."""

    keys: Ints
    counts: Ints


def no_groups() -> Groups:
    """Return the groups of no rows."""
    return Groups(keys=np.zeros(0, np.int64), counts=np.zeros(0, np.int64))


def can_pack(n_values: Sequence[int]) -> bool:
    """Return whether rows of so many values each fit into one integer."""
    return prod(n_values) <= PACKED


def group_rows(codes: Sequence[Ints], n_values: Sequence[int]) -> Groups:
    """Group n rows of d codes, ``0 <= codes[k] < n_values[k]``.

    Examples
    --------
    >>> found = group_rows(np.array([[0, 1, 0], [2, 0, 2]]), (2, 3))
    >>> found.keys.tolist(), found.counts.tolist()
    ([2, 3], [2, 1])
    """
    keys = np.zeros(len(codes[0]), dtype=np.int64)
    for code, n in zip(codes, n_values, strict=True):
        keys = keys * n + code
    return Groups(**dict(zip(("keys", "counts"), _distinct(keys), strict=True)))


def merge_groups(a: Groups, b: Groups) -> Groups:
    """Group two sets of rows together."""
    if not (len(a.keys) and len(b.keys)):
        return b if len(b.keys) else a
    keys = np.concatenate([a.keys, b.keys])
    order = np.argsort(keys, kind="stable")  # both are in order: a merge
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    counts = np.concatenate([a.counts, b.counts])[order]
    return Groups(keys=keys[order][starts], counts=np.add.reduceat(counts, starts))


def unpacked(groups: Groups, n_values: Sequence[int]) -> list[Ints]:
    """Return the d codes of each group."""
    left, codes = groups.keys, list[Ints]()
    for n in reversed(n_values):
        left, code = np.divmod(left, n)
        codes.append(code)
    return codes[::-1]


def combined_counts(
    codes: Sequence[Ints],
    counts: Ints | None,
    n_values: Sequence[int],
    level: int,
) -> Ints:
    """Count rows by every combination of `level` attributes.

    Parameters
    ----------
    codes : sequence of (n,) array of int, length d
    counts : (n,) array of int or None
        How often each row occurs; once where None.
    n_values : sequence of int, length d
    level : int

    Returns
    -------
    (c,) array of int
        Over the cells of all combinations in order, side by side.

    Examples
    --------
    >>> combined_counts(np.array([[0, 1], [1, 1], [0, 0]]), None, (2, 2, 1), 2).tolist()
    [0, 1, 0, 1, 1, 1, 0, 2]
    """
    # Whole numbers below 2**53 stay exact in floating point.
    weight = None if counts is None else counts.astype(float)
    flat: dict[tuple[int, ...], Ints] = {}
    found = []
    for one in combinations(range(len(codes)), level):
        for depth in range(1, level):
            # Only the beginnings that the next combinations share are kept.
            if one[:depth] not in flat:
                flat = {key: at for key, at in flat.items() if len(key) < depth}
                flat[one[:depth]] = _beside(flat, one[:depth], codes, n_values)
        place = _beside(flat, one, codes, n_values)
        size = prod(n_values[n] for n in one)
        found.append(np.bincount(place, weight, minlength=size).astype(np.int64))
    return np.concatenate(found)


def _beside(
    flat: dict[tuple[int, ...], Ints],
    one: tuple[int, ...],
    codes: Sequence[Ints],
    n_values: Sequence[int],
) -> Ints:
    """Return the cell of each row in one combination, from that of its beginning."""
    last = codes[one[-1]]
    return flat[one[:-1]] * n_values[one[-1]] + last if len(one) > 1 else last


def _distinct(keys: Ints) -> tuple[Ints, Ints]:
    ordered = np.sort(keys)
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[starts], np.diff(starts, append=len(ordered))
