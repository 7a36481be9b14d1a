"""Shapley values by enumeration, to hold fast routes against."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

Floats = np.ndarray


def brute_force(
    predict: Callable[[pd.DataFrame], Floats],
    rows: pd.DataFrame,
    background: pd.DataFrame,
) -> Floats:
    """Return exact interventional Shapley values, (n, d), from every coalition."""
    names = list(rows.columns)
    d = len(names)
    worth = {}
    for known in itertools.product([False, True], repeat=d):
        frames = [background.copy() for _ in range(len(rows))]
        for place, frame in enumerate(frames):
            for name in itertools.compress(names, known):
                own = rows[name].array.take(np.full(len(background), place))
                frame[name] = own
        together = pd.concat(frames, ignore_index=True)
        worth[known] = predict(together).reshape(len(rows), -1).mean(axis=1)
    values = np.zeros((len(rows), d))
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
