"""Shapley values by enumeration, to hold fast routes against."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from readiness.decision_trees import Tree

Floats = np.ndarray


def brute_force(
    predict: Callable[[pd.DataFrame], Floats],
    rows: pd.DataFrame,
    background: pd.DataFrame,
) -> Floats:
    """Return exact interventional Shapley values, (n, d), from every coalition."""
    names = list(rows.columns)
    d = len(names)
    worth: dict[tuple[bool, ...], Floats] = {}
    for known in itertools.product([False, True], repeat=d):
        frames = [background.copy() for _ in range(len(rows))]
        for place, frame in enumerate(frames):
            for name in itertools.compress(names, known):
                own = rows[name].array.take(np.full(len(background), place))
                frame[name] = own
        together = pd.concat(frames, ignore_index=True)
        worth[known] = predict(together).reshape(len(rows), -1).mean(axis=1)
    return shapley_of(worth, d)


def path_brute_force(trees: Sequence[Tree], rows: Floats) -> tuple[Floats, float]:
    """Return exact path-dependent Shapley values, (n, d), and the start."""
    d = rows.shape[1]
    worth = {
        known: np.array([sum(_worth(t, 0, row, known) for t in trees) for row in rows])
        for known in itertools.product([False, True], repeat=d)
    }
    return shapley_of(worth, d), float(worth[(False,) * d][0])


def _worth(tree: Tree, node: int, row: Floats, known: tuple[bool, ...]) -> float:
    """Algorithm 1 of Lundberg et al. (2020), literally."""
    left, right = int(tree.left[node]), int(tree.right[node])
    if left < 0:
        return float(tree.value[node])
    value = row[tree.feature[node]]
    if known[tree.feature[node]]:
        is_missing = np.isnan(value)
        goes_left = tree.missing_left[node] if is_missing else True
        goes_left = goes_left and (is_missing or value <= tree.threshold[node])
        return _worth(tree, left if goes_left else right, row, known)
    both = [
        tree.cover[child] * _worth(tree, child, row, known) for child in (left, right)
    ]
    return float(sum(both) / tree.cover[node])


def shapley_of(worth: Mapping[tuple[bool, ...], Floats], d: int) -> Floats:
    """Return Shapley values, (n, d), of n games given by what coalitions are worth."""
    values = np.zeros((len(worth[(False,) * d]), d))
    for place in range(d):
        for known, without in worth.items():
            if known[place]:
                continue
            size = sum(known)
            share = math.factorial(size) * math.factorial(d - size - 1)
            joined = (*known[:place], True, *known[place + 1 :])
            gain = worth[joined] - without
            values[:, place] += share / math.factorial(d) * gain
    return values
