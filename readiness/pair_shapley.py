"""Exact interventional Shapley values, one row and every background row at a time.

The slow route that the fast one of `readiness.tree_shapley` is held against: no codes,
no ranks, no tables. For each leaf it compares values with thresholds as they are.
"""

from collections.abc import Iterator

import numpy as np

from readiness.decision_trees import Bools, Codes, Floats, Tree, goes_left
from readiness.tree_shapley import leaf_weights

Condition = tuple[int, int, bool]  # node, player, whether the path goes left


def pair_shapley(
    trees: tuple[Tree, ...], rows: Floats, background: Floats, players: Codes
) -> Floats:
    """Return exact interventional Shapley values of a sum of trees, (n, d).

    Parameters
    ----------
    trees, rows, background, players
        As for `readiness.tree_shapley.trees_shapley`; the cost grows with rows times
        background rows.
    """
    values = np.zeros((len(rows), int(players.max(initial=0)) + 1))
    for tree in trees:
        for leaf, path in _paths(tree, players):
            on_path = sorted({player for _, player, _ in path})
            if not on_path:
                continue
            theirs = _fails(tree, path, on_path, background)
            ours = _fails(tree, path, on_path, rows)
            for place, own in enumerate(ours):
                added = _added(own, theirs)
                values[place, on_path] += float(tree.value[leaf]) * added
    return values


def _paths(tree: Tree, players: Codes) -> Iterator[tuple[int, tuple[Condition, ...]]]:
    """Yield each leaf with the conditions on its path."""
    waiting: list[tuple[int, tuple[Condition, ...]]] = [(0, ())]
    while waiting:
        node, path = waiting.pop()
        if tree.left[node] < 0:
            yield node, path
            continue
        player = int(players[tree.feature[node]])
        waiting.append((int(tree.left[node]), (*path, (node, player, True))))
        waiting.append((int(tree.right[node]), (*path, (node, player, False))))


def _fails(
    tree: Tree, path: tuple[Condition, ...], on_path: list[int], rows: Floats
) -> Bools:
    """Return whether each player fails some condition, (n, players)."""
    fails = np.zeros((len(rows), len(on_path)), dtype=bool)
    for node, player, is_left in path:
        went = goes_left(tree, node, rows[:, tree.feature[node]])
        fails[:, on_path.index(player)] |= went != is_left
    return fails


def _added(own: Bools, theirs: Bools) -> Floats:
    """Return what each player adds to a leaf worth 1, over the background, (k,)."""
    reached = ~np.any(own & theirs, axis=1)
    n_gained, n_lost = theirs.sum(axis=1), int(own.sum())
    weight = np.where(reached, leaf_weights(len(own))[n_gained, n_lost], 0.0)
    gains = weight / np.maximum(n_gained, 1) @ theirs
    losses = float(weight[reached].sum()) / max(n_lost, 1) * own
    added: Floats = (gains - losses) / len(theirs)
    return added
