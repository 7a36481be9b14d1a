"""Patterns of a few attributes: which are uncovered, and what would cover them.

A pattern fixes some attributes to a value and leaves the others free. Values of one
attribute may contain each other ("above 60" contains "above 70"): each has the next
wider one as its parent, and the widest have "any".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from readiness.stats import Ints

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Axis:
    """The values of one attribute, over the cells in which its rows are counted.

    Parameters
    ----------
    members : (v, n) array of bool
        Which of n cells each of v values holds; the last value is "any".
    parents : (v,) array of int
        The next wider value of each; "any" is its own.
    """

    members: Bools
    parents: Ints


def plain_axis(n_values: int) -> Axis:
    """Return the axis of an attribute whose values do not contain each other.

    Examples
    --------
    >>> plain_axis(2).members.astype(int).tolist()
    [[1, 0], [0, 1], [1, 1]]
    """
    members = np.vstack([np.eye(n_values, dtype=bool), np.ones((1, n_values), bool)])
    return Axis(members=members, parents=np.full(n_values + 1, n_values))


def half_lines(n_bins: int, n_apart: int = 0) -> Axis:
    """Return the axis of ordered bins: "above" each edge, "up to" each edge.

    Parameters
    ----------
    n_bins : int
        Bins in order; there are ``n_bins - 1`` edges between them.
    n_apart : int
        Cells after the bins that belong to no half-line, such as missing values.

    Returns
    -------
    Axis
        Values: above edge 0, 1, ...; up to edge 0, 1, ...; the cells apart; any.
    """
    n_edges, n_cells = n_bins - 1, n_bins + n_apart
    cells, edges = np.arange(n_cells), np.arange(n_edges)
    inside = cells < n_bins
    above = (cells > edges[:, None]) & inside
    up_to = (cells <= edges[:, None]) & inside
    apart = cells == np.arange(n_bins, n_cells)[:, None]
    members = np.vstack([above, up_to, apart, np.ones((1, n_cells), bool)])
    last = len(members) - 1
    parents = np.full(len(members), last)
    parents[1:n_edges] = edges[:-1]
    parents[n_edges : 2 * n_edges - 1] = n_edges + edges[1:]
    return Axis(members=members, parents=parents)


def pattern_counts(counts: npt.NDArray[np.int64], axes: Sequence[Axis]) -> Ints:
    """Return the rows of every pattern from the rows of every cell.

    Parameters
    ----------
    counts : (n1, ..., nd) array of int
        Rows by the cells of d attributes.
    axes : sequence of Axis, length d

    Returns
    -------
    (v1, ..., vd) array of int
        Rows by the values of d attributes, "any" included.
    """
    return _along(counts, [axis.members for axis in axes])


def cells_inside(patterns: Bools, axes: Sequence[Axis]) -> Bools:
    """Return the (n1, ..., nd) cells that lie in any of the patterns given as true."""
    inside: Bools = _along(patterns, [axis.members.T for axis in axes]) > 0
    return inside


def _along(values: npt.NDArray[Any], matrices: Sequence[Bools]) -> Ints:
    """Return d-dimensional values multiplied by a matrix along each dimension."""
    found = values.astype(float)
    for place, matrix in enumerate(matrices):
        # Whole numbers below 2**53 stay exact in floating point.
        moved = np.tensordot(matrix.astype(float), found, axes=(1, place))
        found = np.moveaxis(moved, 0, place)
    rounded: Ints = np.rint(found).astype(np.int64)
    return rounded


def pattern_blocks(
    cells: Ints, blocks: Ints, shape: Sequence[int], axes: Sequence[Axis], most: int
) -> Ints:
    """Return the different blocks of every pattern, counted up to `most`.

    Parameters
    ----------
    cells, blocks : (m,) array of int
        Pairs that occur; cells are flat indices into `shape`. Of each cell the `most`
        smallest blocks are enough.
    shape : sequence of int, length d
    axes : sequence of Axis, length d
    most : int

    Returns
    -------
    (v1, ..., vd) array of int
    """
    sizes = list(shape)
    for place, axis in enumerate(axes):
        at = list(np.unravel_index(cells, sizes))
        value, cell = np.nonzero(axis.members)
        value = value[np.argsort(cell, kind="stable")]
        ends = np.cumsum(axis.members.sum(axis=0))
        n_values = np.diff(ends, prepend=0)[at[place]]
        row = np.repeat(np.arange(len(cells)), n_values)
        back = np.cumsum(n_values)[row] - np.arange(len(row))
        at = [one[row] for one in at]
        at[place] = value[ends[at[place]] - back]
        sizes[place] = len(axis.parents)
        flat = np.ravel_multi_index(tuple(at), tuple(sizes)).astype(np.int64)
        cells, blocks = first_blocks(flat, blocks[row], most)
    counts: Ints = np.bincount(cells, minlength=int(np.prod(sizes))).reshape(sizes)
    return counts


def first_blocks(cells: Ints, blocks: Ints, most: int) -> tuple[Ints, Ints]:
    """Return distinct pairs, of every cell those of its `most` smallest blocks.

    Examples
    --------
    >>> [one.tolist() for one in first_blocks(*np.array([[0, 0, 0], [7, 7, 8]]), 1)]
    [[0], [7]]
    """
    order = np.lexsort((blocks, cells))
    c, b = cells[order], blocks[order]
    new = np.ones(len(c), dtype=bool)
    new[1:] = (c[1:] != c[:-1]) | (b[1:] != b[:-1])
    c, b = c[new], b[new]
    rank = np.arange(len(c)) - np.searchsorted(c, c, side="left")
    return c[rank < most], b[rank < most]


def maximal_patterns(uncovered: Bools, axes: Sequence[Axis]) -> Bools:
    """Return the uncovered patterns all of whose next wider ones are covered.

    Parameters
    ----------
    uncovered : (v1, ..., vd) array of bool
        By the values of d attributes; a pattern inside an uncovered one is uncovered.
    axes : sequence of Axis, length d

    References
    ----------
    A. Asudeh, Z. Jin, H. V. Jagadish (2019), arXiv:1810.06742.
    """
    found = uncovered.copy()
    for place, axis in enumerate(axes):
        is_any = np.arange(len(axis.parents)) == len(axis.parents) - 1
        open_above = uncovered.take(axis.parents, axis=place)
        shape = [1] * uncovered.ndim
        shape[place] = -1
        found &= ~open_above | is_any.reshape(shape)
    return found


def maximal_uncovered(
    codes: Ints, n_values: Sequence[int], min_rows: int
) -> list[tuple[tuple[int | None, ...], int]]:
    """Return the maximal uncovered patterns of categorical rows, at every level.

    Parameters
    ----------
    codes : (n, d) array of int
        Values of d attributes, ``0 <= codes[:, k] < n_values[k]``; values that never
        occur count as well.
    n_values : sequence of int, length d
    min_rows : int
        A pattern with fewer rows is uncovered.

    Returns
    -------
    list of tuple
        Pattern, with None for "any", and its rows, in the order of the values.

    Notes
    -----
    Dense: the memory is that of all ``prod(n + 1)`` patterns.

    Examples
    --------
    >>> maximal_uncovered(np.array([[0, 0], [0, 1], [1, 0]]), (2, 2), 1)
    [((1, 1), 0)]
    """
    axes = [plain_axis(n) for n in n_values]
    flat = np.ravel_multi_index(tuple(codes.T), tuple(n_values))
    counts = np.bincount(flat, minlength=int(np.prod(n_values))).reshape(n_values)
    rows = pattern_counts(counts, axes)
    places = np.argwhere(maximal_patterns(rows < min_rows, axes))
    return [
        (
            tuple(
                None if at == n else int(at)
                for at, n in zip(place, n_values, strict=True)
            ),
            int(rows[tuple(place)]),
        )
        for place in places
    ]


def rows_to_collect(
    regions: Bools, attribute: Ints, needs: Ints, forbidden: Bools
) -> tuple[int, int]:
    """Return how many new rows cover p patterns, and how many are needed at least.

    Parameters
    ----------
    regions : (p, c) array of bool
        The cells each pattern allows, over the cells of all attributes side by side.
    attribute : (c,) array of int
        The attribute of each cell, in order from 0.
    needs : (p,) array of int
        Rows each pattern lacks.
    forbidden : (q, c) array of bool
        Combinations that cannot occur, as regions; none may hold a new row.

    Returns
    -------
    tuple of int
        Rows of a greedy choice, in which one row serves every pattern it lies in; and
        a lower bound: the rows of patterns of which no two can share a row.

    References
    ----------
    A. Asudeh, Z. Jin, H. V. Jagadish (2019), arXiv:1810.06742: the hitting set.
    """
    starts = np.flatnonzero(np.diff(attribute, prepend=-1))
    left = np.asarray(needs, dtype=np.int64).copy()
    apart: list[int] = []
    for one in np.argsort(-left, kind="stable"):
        if left[one] and not _meet(regions[apart], regions[one], starts).any():
            apart.append(int(one))
    least, total = int(left[apart].sum()), 0
    while left.any():
        chosen = _served_together(regions, left, starts, forbidden)
        step = int(left[chosen].min())
        left[chosen] -= step
        total += step
    return total, least


def _meet(regions: Bools, region: Bools, starts: Ints) -> Bools:
    """Return which regions share a row with another: a cell of every attribute."""
    per_attribute = np.logical_or.reduceat(regions & region, starts, axis=-1)
    return np.asarray(per_attribute.all(axis=-1))


def _served_together(
    regions: Bools, left: Ints, starts: Ints, forbidden: Bools
) -> list[int]:
    """Return patterns that one row can serve, from the most lacking one on."""
    order = [int(one) for one in np.argsort(-left, kind="stable") if left[one]]
    chosen, region = [order[0]], regions[order[0]]
    able = _meet(regions, region, starts)
    for one in order[1:]:
        narrower = region & regions[one]
        if able[one] and not (~narrower | forbidden).all(axis=-1).any():
            chosen.append(one)
            region = narrower
            able &= _meet(regions, region, starts)
    return chosen
