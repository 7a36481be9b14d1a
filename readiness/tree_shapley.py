"""Exact interventional Shapley values of boosted trees, for whole tables at once.

A leaf's output is worth its value where every condition on the path to it holds.
For one leaf, a row to explain and a background row only matter through which of
the path's players (columns) meet their conditions: a short bit code each. The
codes of all background rows are counted once, so the cost grows with rows plus
background rows, not with their product. Same game as `shap.TreeExplainer` with
``feature_perturbation="interventional"``, in double precision.
"""

from collections.abc import Callable
from functools import cache
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from readiness.decision_trees import Cells, Codes, Floats, Leaf, Tree, leaves

SMALL_PATH = 6  # players per leaf up to which the full table of codes is kept
COUNTED_PATH = 16  # players per leaf up to which codes are counted, not sorted
BLOCK = 8192  # rows whose places and sums stay in the cache of one core
Failed = NDArray[Any]  # integers of as few bytes as the path needs


def boosted_trees(
    estimator: Any,  # noqa: ANN401 (any scikit-learn estimator)
) -> tuple[tuple[tuple[Tree, ...], ...], Floats]:
    """Return the trees and the constants of a HistGradientBoosting estimator.

    Parameters
    ----------
    estimator : object
        Fitted, with k trees per iteration: one, or one for each of several classes.

    Returns
    -------
    tuple of (tuple of tuple of Tree, ndarray of shape (k,))
        The sum of each output's trees plus its constant is its raw margin.
    """
    known, position = estimator._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001 (no public way to the trees)
    constant = np.ravel(estimator._baseline_prediction).astype(np.float64)  # noqa: SLF001 (no public way to it)
    trees = tuple(
        tuple(
            _boosted_tree(
                rounds[k].nodes, rounds[k].raw_left_cat_bitsets, known, position
            )
            for rounds in estimator._predictors  # noqa: SLF001 (no public way to the trees)
        )
        for k in range(len(constant))
    )
    return trees, constant


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
        cover=nodes["count"].astype(np.float64),
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
    values = np.zeros((int(players.max(initial=0)) + 1, len(rows)))
    cells = Cells(trees, np.vstack([rows, background]))
    base = 0.0
    for tree in trees:
        for leaf in leaves(tree, cells, players):
            base += _add_leaf(leaf, values)
    return np.ascontiguousarray(values.T), base


def _add_leaf(leaf: Leaf, values: Floats) -> float:
    """Add one leaf's attributions to `values`; return its mean over the background."""
    n_players, n_rows = len(leaf.players), values.shape[1]
    if not n_players:
        return leaf.value
    of_rows, of_background = leaf.failed[:n_rows], leaf.failed[n_rows:]
    if n_players <= SMALL_PATH:
        counts = np.bincount(of_background, minlength=1 << n_players)
        ours = theirs = _every_code(n_players)
        weights, place = _all_pair_weights(n_players), of_rows
    else:
        used, counts, _ = used_codes(of_background, n_players)
        own, _, rank = used_codes(of_rows, n_players)
        ours, theirs = _failing(own, n_players), _failing(used, n_players)
        kind = leaf.failed.dtype
        weights = pair_weights(own.astype(kind), used.astype(kind), n_players)
        place = rank()
    share = counts / len(of_background)
    moved = weights @ (share[:, None] * theirs.moves)
    up, down = moved[:, :n_players], moved[:, n_players:]
    table = leaf.value * ((1 - ours.failed) * up - ours.losses * down)
    add_table(leaf, table, place, values)
    return leaf.value * float(share[theirs.n_failed == 0].sum())


def add_table(leaf: Leaf, table: Floats, place: Failed, values: Floats) -> None:
    """Add a leaf's attributions by code, (c, k), to those of n rows, (d, n)."""
    by_player = table.T.copy()
    for start in range(0, len(place), BLOCK):
        block = slice(start, start + BLOCK)
        here = place[block].astype(np.intp, copy=False)
        for player, of_code in zip(leaf.players, by_player, strict=True):
            values[player, block] += of_code.take(here)


class _Failing(NamedTuple):
    """What pairs of codes need to know of each side, for c codes of k players."""

    failed: Codes
    n_failed: Codes
    losses: Floats
    moves: Floats


def _failing(codes: Codes, n_players: int) -> _Failing:
    failed = (codes[:, None] >> np.arange(n_players)) & 1
    n_failed = failed.sum(axis=1)
    per_player = failed / np.maximum(n_failed, 1)[:, None]
    moves = np.concatenate([per_player, 1 - failed], axis=1)
    return _Failing(failed, n_failed, per_player, moves)


@cache
def _every_code(n_players: int) -> _Failing:
    return _failing(np.arange(1 << n_players), n_players)


def used_codes(
    failed: Failed, n_players: int
) -> tuple[Codes, Codes, Callable[[], NDArray[np.intp]]]:
    """Return the codes that occur, how often, and a way to get each row's place."""
    if n_players > COUNTED_PATH:
        used, place, counts = np.unique(failed, return_inverse=True, return_counts=True)
        return used.astype(np.int64), counts, lambda: place
    counts = np.bincount(failed)
    used = np.flatnonzero(counts)
    return used, counts[used], lambda: (np.cumsum(counts > 0) - 1).take(failed)


@cache
def _all_pair_weights(n_players: int) -> Floats:
    codes = np.arange(1 << n_players)
    return pair_weights(codes, codes, n_players)


def pair_weights(ours: Failed, theirs: Failed, n_players: int) -> Floats:
    """Return the Shapley weights of one leaf for every pair of bit codes.

    Parameters
    ----------
    ours, theirs : ndarray of int, shapes (a,) and (b,)
        Which players fail their conditions, in the explained row and in the
        background row; bit k belongs to player k.
    n_players : int
        Players on the path to the leaf.

    Returns
    -------
    ndarray of shape (a, b)
        i! j! / (i + j)! where j players fail in the explained row and i in the
        background row; zero where some player fails in both, for then no coalition
        reaches the leaf. A player that fails only in the background row gains this
        divided by i; one that fails only in the explained row loses this divided by j.
    """
    table = leaf_weights(n_players)[np.bitwise_count(theirs)].T.copy()
    reached: Floats = ((ours[:, None] & theirs) == 0).astype(np.float64)
    return table.take(np.bitwise_count(ours), axis=0) * reached


@cache
def leaf_weights(n_players: int) -> Floats:
    """Return i! j! / (i + j)!, (k + 1, k + 1); zero where i + j exceeds k."""
    weights = np.zeros((n_players + 1, n_players + 1))
    for i in range(n_players + 1):
        for j in range(n_players + 1 - i):
            weights[i, j] = factorial(i) * factorial(j) / factorial(i + j)
    return weights
