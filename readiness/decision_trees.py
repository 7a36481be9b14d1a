"""Decision trees as arrays, and which rows go left at their nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """One decision tree as arrays over its nodes; children are node numbers.

    Parameters
    ----------
    left, right : ndarray of int
        Children; equal to -1 at a leaf.
    feature : ndarray of int
        Column of the encoded matrix tested at the node.
    threshold : ndarray of float
        Rows with a value of at most `threshold` go left.
    missing_left : ndarray of bool
        Whether rows with NaN go left.
    value : ndarray of float
        Output of a leaf, in the units of the sum of trees.
    left_codes, known_codes : dict of int to ndarray
        For a node that splits on categories: the codes that go left, and the codes
        known in training; any other code goes where NaN goes.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing_left: Bools
    value: Floats
    left_codes: dict[int, Codes] = field(default_factory=dict)
    known_codes: dict[int, Codes] = field(default_factory=dict)


class Cells:
    """Encoded rows, prepared to be sent down many trees.

    Each value is replaced by its rank among all thresholds of its column, in as few
    bytes as that takes: comparing ranks is exact, and several times faster.

    Parameters
    ----------
    trees : sequence of Tree
    matrix : ndarray of shape (n, p)
        NaN is a missing value.
    """

    __slots__ = ("_matrix", "_missing", "_places", "_ranks", "_thresholds")

    def __init__(self, trees: Sequence[Tree], matrix: Floats) -> None:
        self._matrix = np.asfortranarray(matrix)
        self._thresholds: dict[int, Floats] = {}
        self._ranks: dict[int, NDArray[np.unsignedinteger]] = {}
        self._missing: dict[int, Bools] = {}
        self._places: dict[int, tuple[Floats, Codes]] = {}
        feature = np.concatenate([tree.feature[tree.left >= 0] for tree in trees])
        at = np.concatenate([tree.threshold[tree.left >= 0] for tree in trees])
        for one in np.unique(feature).tolist():
            column, known = self._matrix[:, one], np.unique(at[feature == one])
            ranks = np.searchsorted(known, column, side="left")
            self._thresholds[one] = known
            self._ranks[one] = ranks.astype(np.min_scalar_type(len(known)))
            self._missing[one] = np.isnan(column)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._matrix)

    def goes_left(self, tree: Tree, node: int) -> Bools:
        """Return whether each row goes left at a node, (n,)."""
        one = int(tree.feature[node])
        if node in tree.left_codes:
            values, place = self._by_value(one)
            return _goes_left(tree, node, values)[place]
        rank = np.searchsorted(self._thresholds[one], tree.threshold[node])
        ranks = self._ranks[one]
        below: Bools = ranks <= ranks.dtype.type(rank)
        return below | self._missing[one] if tree.missing_left[node] else below

    def _by_value(self, one: int) -> tuple[Floats, Codes]:
        if one not in self._places:
            column = self._matrix[:, one]
            self._places[one] = np.unique(column, return_inverse=True)
        return self._places[one]


def sum_of_trees(trees: Sequence[Tree], matrix: Floats) -> Floats:
    """Return the sum of the trees' outputs on encoded rows, (n, p) to (n,)."""
    total = np.zeros(len(matrix))
    for tree in trees:
        waiting = [(0, np.arange(len(matrix)))]
        while waiting:
            node, rows = waiting.pop()
            if tree.left[node] < 0:
                total[rows] += tree.value[node]
                continue
            goes_left = _goes_left(tree, node, matrix[rows, tree.feature[node]])
            waiting.append((int(tree.left[node]), rows[goes_left]))
            waiting.append((int(tree.right[node]), rows[~goes_left]))
    return total


def _goes_left(tree: Tree, node: int, column: Floats) -> Bools:
    if node in tree.left_codes:
        left = np.isin(column, tree.left_codes[node])
        elsewhere = ~left & ~np.isin(column, tree.known_codes[node])
        return left | (elsewhere & bool(tree.missing_left[node]))
    below: Bools = column <= tree.threshold[node]
    return below | np.isnan(column) if tree.missing_left[node] else below
