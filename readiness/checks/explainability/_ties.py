"""Which columns of the importance list no data has told apart."""

import numpy as np
import pandas as pd

from readiness.checks.explainability._explained import Explained
from readiness.checks.explainability._ranks import find_twins, rank_sets, surely_ahead
from readiness.stats import Floats, Ints


def sizes_and_noise(rows: Explained) -> tuple[Floats, Floats]:
    """Return sizes of attributions (n, d), and the most that draws added to a mean."""
    sizes: Floats = np.abs(rows.found.values.to_numpy())
    return sizes, np.maximum(np.mean(sizes - rows.found.crossed, axis=0), 0.0)


def settled_ranks(rows: Explained, frame: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the best and the worst rank that each column may have.

    Parameters
    ----------
    rows : Explained
    frame : pandas.DataFrame
        The features of the rows asked for, among which columns that hold the same are
        found.
    """
    sizes, noise = sizes_and_noise(rows)
    ahead = surely_ahead(sizes, noise, rows.clusters, rows.weight, looks=rows.n_looks)
    return rank_sets(ahead, find_twins(frame))


def brackets(best: Ints, worst: Ints) -> list[tuple[int, int]]:
    """Return the longest runs of rows in which any two columns may change places.

    Parameters
    ----------
    best, worst : ndarray of int, shape (d,)
        Ranks each column may have, the columns in the order of the list.

    Returns
    -------
    list of tuple of int
        First and last place of each run, of two columns or more; none lies within
        another.

    Examples
    --------
    >>> brackets(np.array([1, 1, 3, 3, 4]), np.array([2, 2, 4, 5, 5]))
    [(0, 1), (2, 4)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(best)):
        last = first
        while last + 1 < len(best) and _tied(best, worst, first, last + 1):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _tied(best: Ints, worst: Ints, first: int, last: int) -> bool:
    """Return whether the ranges of ranks of all places from first to last meet."""
    part = slice(first, last + 1)
    return bool(best[part].max() <= worst[part].min())
