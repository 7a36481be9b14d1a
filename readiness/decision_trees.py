"""Decision trees as arrays, and which rows go left at their nodes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    cover : ndarray of float
        Training rows that reached the node, in the weights of the library.
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
    cover: Floats
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
            return goes_left(tree, node, values)[place]
        rank = np.searchsorted(self._thresholds[one], tree.threshold[node])
        ranks = self._ranks[one]
        below: Bools = ranks <= ranks.dtype.type(rank)
        return below | self._missing[one] if tree.missing_left[node] else below

    def _by_value(self, one: int) -> tuple[Floats, Codes]:
        if one not in self._places:
            column = self._matrix[:, one]
            self._places[one] = np.unique(column, return_inverse=True)
        return self._places[one]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leaf:
    """One leaf, and which of many rows meet the conditions on the path to it.

    Parameters
    ----------
    value : float
        Output of the leaf.
    players : tuple of int
        Raw columns that stand on the path, in the order of their first condition.
    shares : tuple of float
        Per player: the share of the training rows at its nodes that went this way.
    failed : ndarray of int, shape (n,)
        Bit k of a row's code says that it fails a condition of player k.
    """

    value: float
    players: tuple[int, ...]
    shares: tuple[float, ...]
    failed: NDArray[Any]


def leaves(tree: Tree, cells: Cells, players: Codes) -> Iterator[Leaf]:
    """Yield the leaves of a tree with the code of every row.

    Parameters
    ----------
    tree : Tree
    cells : Cells
        n rows.
    players : ndarray of int, shape (p,)
        Raw column that each encoded column belongs to.
    """
    start: NDArray[Any] = np.zeros(len(cells), dtype=np.uint8)
    waiting: list[tuple[int, tuple[int, ...], tuple[float, ...], NDArray[Any]]]
    waiting = [(0, (), (), start)]
    while waiting:
        node, on_path, shares, failed = waiting.pop()
        if tree.left[node] < 0:
            value = float(tree.value[node])
            yield Leaf(value=value, players=on_path, shares=shares, failed=failed)
            continue
        player = int(players[tree.feature[node]])
        if player not in on_path:
            on_path, shares = (*on_path, player), (*shares, 1.0)
            failed = failed.astype(_kind(len(on_path)), copy=False)
        place = on_path.index(player)
        bit = failed.dtype.type(1 << place)
        left = cells.goes_left(tree, node)
        for child, fails in ((tree.left, ~left), (tree.right, left)):
            below = int(child[node])
            share = shares[place] * _share(tree, node, below)
            narrower = (*shares[:place], share, *shares[place + 1 :])
            waiting.append((below, on_path, narrower, failed | fails * bit))


def _kind(n_players: int) -> type[np.integer[Any]]:
    for n_bits, kind in ((8, np.uint8), (16, np.uint16), (32, np.uint32)):
        if n_players <= n_bits:
            return kind
    return np.int64


def _share(tree: Tree, node: int, child: int) -> float:
    cover = float(tree.cover[node])
    return float(tree.cover[child]) / cover if cover > 0 else 0.0


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
            left = goes_left(tree, node, matrix[rows, tree.feature[node]])
            waiting.append((int(tree.left[node]), rows[left]))
            waiting.append((int(tree.right[node]), rows[~left]))
    return total


def goes_left(tree: Tree, node: int, column: Floats) -> Bools:
    """Return whether each value goes left at a node, (n,)."""
    if node in tree.left_codes:
        left = np.isin(column, tree.left_codes[node])
        elsewhere = ~left & ~np.isin(column, tree.known_codes[node])
        return left | (elsewhere & bool(tree.missing_left[node]))
    below: Bools = column <= tree.threshold[node]
    return below | np.isnan(column) if tree.missing_left[node] else below
