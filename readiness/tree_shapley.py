"""Exact interventional Shapley values of boosted trees, for whole tables at once.

A leaf's output is worth its value where every condition on the path to it holds.
For one leaf, a row to explain and a background row only matter through which of
the path's players (columns) meet their conditions: a short bit code each. The
codes of all background rows are counted once, so the cost grows with rows plus
background rows, not with their product. Same game as `shap.TreeExplainer` with
``feature_perturbation="interventional"``, in double precision.
"""

from dataclasses import dataclass, field
from functools import cache
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]

SMALL_PATH = 6  # players per leaf up to which the full table of codes is kept


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


def boosted_trees(estimator: Any) -> tuple[tuple[Tree, ...], float]:  # noqa: ANN401 (any scikit-learn estimator)
    """Return the trees and the constant of a HistGradientBoosting estimator.

    Parameters
    ----------
    estimator : object
        Fitted, with one tree per iteration (binary or regression).

    Returns
    -------
    tuple of (tuple of Tree, float)
        Their sum plus the constant is the raw margin.
    """
    known, position = estimator._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001 (no public way to the trees)
    trees = [
        _boosted_tree(rounds[0].nodes, rounds[0].raw_left_cat_bitsets, known, position)
        for rounds in estimator._predictors  # noqa: SLF001 (no public way to the trees)
    ]
    return tuple(trees), float(np.ravel(estimator._baseline_prediction)[0])  # noqa: SLF001 (no public way to it)


def _boosted_tree(nodes: Any, bitsets: Any, known: Any, position: Any) -> Tree:  # noqa: ANN401 (NumPy records)
    leaf = nodes["is_leaf"].astype(bool)
    by_category = np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64),
        left_codes={
            int(i): _codes_in(bitsets[nodes["bitset_idx"][i]]) for i in by_category
        },
        known_codes={
            int(i): _codes_in(known[position[nodes["feature_idx"][i]]])
            for i in by_category
        },
    )


def _codes_in(bitset: NDArray[np.uint32]) -> Codes:
    bits = (bitset[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.flatnonzero(bits.ravel())


def trees_shapley(
    trees: tuple[Tree, ...],
    rows: Floats,
    background: Floats,
    players: Codes,
) -> tuple[Floats, float]:
    """Return exact interventional Shapley values of a sum of trees.

    Parameters
    ----------
    trees : tuple of Tree
        Their outputs are added.
    rows : ndarray of shape (n, p)
        Encoded rows to explain; NaN is a missing value.
    background : ndarray of shape (m, p)
        Encoded rows that stand for "value not known"; every one of them is used.
    players : ndarray of int, shape (p,)
        Raw column that each encoded column belongs to. Encoded columns of one raw
        column move together, so the game is played by raw columns.

    Returns
    -------
    values : ndarray of shape (n, max(players) + 1)
        In the units of the sum of trees.
    base : float
        Mean output of the sum of trees over the background.

    References
    ----------
    S. Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
    """
    n_rows = len(rows)
    cells = np.vstack([rows, background])
    values = np.zeros((n_rows, int(players.max(initial=0)) + 1))
    base = 0.0
    for tree in trees:
        base += _add_tree(tree, cells, players, values)
    return values, base


def _add_tree(tree: Tree, cells: Floats, players: Codes, values: Floats) -> float:
    """Add one tree's attributions to `values`; return its mean over the background."""
    n_rows = len(values)
    base = 0.0
    start = np.full(len(cells), -1, dtype=np.int64)  # every bit set: nothing failed yet
    waiting: list[tuple[int, Codes, tuple[int, ...]]] = [(0, start, ())]
    while waiting:
        node, codes, path = waiting.pop()
        if tree.left[node] < 0:
            base += _add_leaf(float(tree.value[node]), codes, n_rows, path, values)
            continue
        player = int(players[tree.feature[node]])
        if player not in path:
            path = (*path, player)
        bit = 1 << path.index(player)
        goes_left = _goes_left(tree, node, cells[:, tree.feature[node]])
        kept = codes & ~bit
        waiting.append((int(tree.left[node]), np.where(goes_left, codes, kept), path))
        waiting.append((int(tree.right[node]), np.where(goes_left, kept, codes), path))
    return base


def sum_of_trees(trees: tuple[Tree, ...], cells: Floats) -> Floats:
    """Return the sum of the trees' outputs on encoded rows, (n, p) to (n,)."""
    total = np.zeros(len(cells))
    for tree in trees:
        waiting = [(0, np.arange(len(cells)))]
        while waiting:
            node, rows = waiting.pop()
            if tree.left[node] < 0:
                total[rows] += tree.value[node]
                continue
            goes_left = _goes_left(tree, node, cells[rows, tree.feature[node]])
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


def _add_leaf(
    value: float, codes: Codes, n_rows: int, path: tuple[int, ...], values: Floats
) -> float:
    n_players = len(path)
    everything = (1 << n_players) - 1
    codes = codes & everything
    row_codes, background = codes[:n_rows], codes[n_rows:]
    if not n_players:
        return value
    if n_players <= SMALL_PATH:
        share = np.bincount(background, minlength=everything + 1) / len(background)
        ours = theirs = np.arange(everything + 1)
        weights = _all_pair_weights(n_players)
        place = row_codes
    else:
        theirs, counts = np.unique(background, return_counts=True)
        ours, place = np.unique(row_codes, return_inverse=True)
        share = counts / len(background)
        weights = pair_weights(ours, theirs, n_players)
    our_bits, their_bits = _bits(ours, n_players), _bits(theirs, n_players)
    up = weights[0] @ (share[:, None] * (1 - their_bits))
    down = weights[1] @ (share[:, None] * their_bits)
    table = our_bits * up - (1 - our_bits) * down
    values[:, path] += value * table[place]
    return value * float(np.mean(background == everything))


def _bits(codes: Codes, n_players: int) -> Codes:
    return (codes[:, None] >> np.arange(n_players)) & 1


@cache
def _all_pair_weights(n_players: int) -> tuple[Floats, Floats]:
    codes = np.arange(1 << n_players)
    return pair_weights(codes, codes, n_players)


def pair_weights(ours: Codes, theirs: Codes, n_players: int) -> tuple[Floats, Floats]:
    """Return the Shapley weights of one leaf for every pair of bit codes.

    Parameters
    ----------
    ours, theirs : ndarray of int, shapes (a,) and (b,)
        Which players meet their conditions, in the explained row and in the
        background row; bit k belongs to player k.
    n_players : int
        Players on the path to the leaf.

    Returns
    -------
    gains, losses : ndarray of shape (a, b)
        What a player gains that only the explained row satisfies, and what one
        loses that only the background row satisfies; zero where neither satisfies
        some player, for then no coalition reaches the leaf.
    """
    everything = (1 << n_players) - 1
    reached = (ours[:, None] | theirs) == everything
    n_ours = np.bitwise_count(ours[:, None] & ~theirs & everything)
    n_theirs = np.bitwise_count(theirs & ~ours[:, None] & everything)
    gain, loss = _weights(n_players)
    return gain[n_ours, n_theirs] * reached, loss[n_ours, n_theirs] * reached


@cache
def _weights(n_players: int) -> tuple[Floats, Floats]:
    gain = np.zeros((n_players + 1, n_players + 1))
    loss = np.zeros_like(gain)
    for a in range(n_players + 1):
        for b in range(n_players + 1 - a):
            if a:
                gain[a, b] = factorial(a - 1) * factorial(b) / factorial(a + b)
            if b:
                loss[a, b] = factorial(a) * factorial(b - 1) / factorial(a + b)
    return gain, loss
