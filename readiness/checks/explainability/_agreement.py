"""How far explanations of one model agree: two games by row, lists on average.

Feature, rank and sign agreement of the first columns, after S. Krishna et al. (2024),
"The disagreement problem in explainable machine learning", arXiv:2202.01602.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from readiness.stats import Bools, Floats, Ints

DEPTH = 5
COLUMNS = (
    "one",
    "other",
    "compared",
    "first",
    "feature_agreement",
    "rank_agreement",
    "sign_agreement",
)


def rows_agreement(one: Floats, other: Floats) -> pd.DataFrame:
    """Return how far two games agree on single rows, as a table of one line.

    Parameters
    ----------
    one, other : ndarray of shape (n, d)
        Interventional and path-dependent attributions of the same rows and columns.

    Returns
    -------
    pandas.DataFrame
        Means over rows, each 0 to 1, of the first five columns by size, or as many as
        are used: how many are first in both; how many in the same place; how many in
        both with the same sign.
    """
    used = (one != 0).any(axis=0) | (other != 0).any(axis=0)
    first = max(min(DEPTH, int(used.sum())), 1)
    order, again = _first(np.abs(one), first), _first(np.abs(other), first)
    both = _members(one, order) & _members(other, again)
    same_place = np.take_along_axis(both, order, axis=1) & (order == again)
    same_sign = both & (np.sign(one) == np.sign(other))
    shares = [
        float(hits.sum(axis=1).mean() / first) for hits in (both, same_place, same_sign)
    ]
    names = ("attribution", "path-dependent", "row by row", first)
    return pd.DataFrame([(*names, *shares)], columns=COLUMNS)


def lists_agreement(lists: Mapping[str, "pd.Series[float]"]) -> pd.DataFrame:
    """Return how far importance lists agree on their first columns, pair by pair.

    Parameters
    ----------
    lists : mapping of str to Series
        Size or worth by column, the same columns; a list with a NaN is left out.

    Returns
    -------
    pandas.DataFrame
        Sizes have no sign, so ``sign_agreement`` is NaN.
    """
    whole = {name: one for name, one in lists.items() if not one.isna().any()}
    lines = []
    for one, other in combinations(whole, 2):
        first = min(DEPTH, len(whole[one]))
        order, again = (
            _first(np.array([whole[name]], dtype=np.float64), first)[0]
            for name in (one, other)
        )
        shared = len(np.intersect1d(order, again)) / first
        in_place = float(np.mean(order == again))
        names = (one, other, "on average", first)
        lines.append((*names, shared, in_place, float("nan")))
    return pd.DataFrame(lines, columns=COLUMNS)


def _first(sizes: Floats, first: int) -> Ints:
    order: Ints = np.argsort(-sizes, axis=1, kind="stable")[:, :first]
    return order


def _members(values: Floats, order: Ints) -> Bools:
    found = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(found, order, values=True, axis=1)
    members: Bools = found & (values != 0)
    return members
