"""Path-dependent Shapley values of boosted trees, for whole tables at once.

The other game than `readiness.tree_shapley`: a column that is not known splits the
row among both branches in the shares of the training rows that went there. Same game
as `shap.TreeExplainer` with ``feature_perturbation="tree_path_dependent"`` and as the
libraries' own contributions. It needs no background, and bends with the dependence
of the columns: it tells what the columns say, not only what the model uses.
"""

from functools import cache

import numpy as np

from readiness.decision_trees import Cells, Codes, Floats, Leaf, Tree, leaves
from readiness.tree_shapley import add_table, used_codes

SMALL_PATH = 8  # players per leaf up to which the full table of codes is made


def path_shapley(
    trees: tuple[Tree, ...], rows: Floats, players: Codes
) -> tuple[Floats, float]:
    """Return path-dependent Shapley values of a sum of trees.

    Parameters
    ----------
    trees : tuple of Tree
        Their outputs are added; `Tree.cover` makes the game.
    rows : ndarray of shape (n, p)
        Encoded rows to explain; NaN is a missing value.
    players : ndarray of int, shape (p,)
        Raw column that each encoded column belongs to; encoded columns of one raw
        column are known together or not at all.

    Returns
    -------
    values : ndarray of shape (n, max(players) + 1)
        In the units of the sum of trees.
    base : float
        Output of the sum of trees for a row of which nothing is known.

    Notes
    -----
    For one leaf a row only matters through the bit code of the players that fail
    their conditions. The worth of a coalition is a product over the path's players,
    so its Shapley sum is the integral of a polynomial on [0, 1], which Gauss-Legendre
    points give exactly.

    References
    ----------
    S. Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
    G. Owen (1972), doi:10.1287/mnsc.18.5.64, for the integral.
    """
    values = np.zeros((int(players.max(initial=0)) + 1, len(rows)))
    cells = Cells(trees, rows)
    base = 0.0
    for tree in trees:
        for leaf in leaves(tree, cells, players):
            base += _add_leaf(leaf, values)
    return np.ascontiguousarray(values.T), base


def _add_leaf(leaf: Leaf, values: Floats) -> float:
    """Add one leaf's attributions to `values`; return its worth of nothing known."""
    n_players = len(leaf.players)
    if not n_players:
        return leaf.value
    if n_players <= SMALL_PATH:
        codes, place = np.arange(1 << n_players), leaf.failed
    else:
        codes, _, rank = used_codes(leaf.failed, n_players)
        place = rank()
    shares = np.array(leaf.shares)
    fails = (codes[:, None] >> np.arange(n_players)) & 1
    add_table(leaf, leaf.value * _of_codes(fails, shares), place, values)
    return float(leaf.value * shares.prod())


def _of_codes(fails: Codes, shares: Floats) -> Floats:
    """Return what each player adds to a leaf worth 1, by code, (c, k)."""
    at, weight = _points(fails.shape[1])
    # Known players count where they meet their conditions, unknown ones by share.
    factors = (1 - at)[:, None] * shares + at[:, None] * (1 - fails)[:, None]
    product = factors.prod(axis=2, keepdims=True) * weight[:, None]
    others = np.divide(product, factors, out=np.zeros_like(factors), where=factors > 0)
    added: Floats = others.sum(axis=1) * (1 - fails - shares)
    return added


@cache
def _points(n_players: int) -> tuple[Floats, Floats]:
    """Return points and weights exact for polynomials of degree k - 1 on [0, 1]."""
    at, weight = np.polynomial.legendre.leggauss((n_players + 1) // 2)
    return (at + 1) / 2, weight / 2
