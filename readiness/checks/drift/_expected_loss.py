"""What rows like this one cost on average, told by models that have not seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.row_hashes import code_hashes, row_hashes
from readiness.stats import Bools, Floats, Ints, relative_weights

N_FOLDS = 5
MOST_TREES = 100
LEAVES = 8
LEARNING_RATE = 0.1
FEWEST_IN_LEAF = 20
QUANTILES = np.linspace(0.0, 1.0, 9)
RIDGES = (10.0, 100.0, 1000.0)  # rows' worth of belief that a curve is straight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """Rows as attributes, and what each costs.

    Parameters
    ----------
    X : numpy.ndarray of float, shape (n, d)
        Numbers, or codes of categories; NaN where there is no value.
    is_category : tuple of bool
    loss : numpy.ndarray of float, shape (n,)
    weight : numpy.ndarray of float, shape (n,), or None
    key : numpy.ndarray of int, shape (n,), or None
        Block of each row by its content; None: every row by itself.
    """

    X: Floats
    is_category: tuple[bool, ...]
    loss: Floats
    weight: Floats | None
    key: Ints | None


def expected_losses(
    rows: Costs, most_rows: int, seed: int
) -> tuple[Floats, Ints, Ints]:
    """Return the expected loss of each row, cross-fitted by block.

    Parameters
    ----------
    rows : Costs
    most_rows : int
        Each model is fitted on so many rows at most, drawn by their content.
    seed : int
        Of the folds and of the draw.

    Returns
    -------
    expected : numpy.ndarray of float, shape (n,)
    fold : numpy.ndarray of int, shape (n,)
        Blocks are dealt to five folds by their content.
    trees : numpy.ndarray of int, shape (5,)
        Trees of each model; none: the mean of the other folds.

    Notes
    -----
    Boosted trees with squared error. One of the other folds says how many trees are
    worth having, if any, and how far their differences must be shrunk; then the model
    is fitted again on all four. On one thread, in an order that rows do not choose:
    the numbers depend neither on the machine nor on the order of the file.
    """
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    hashed = _hashes(rows, seed)
    order = np.argsort(hashed, kind="stable")
    fold = dealt(hashed.view(np.int64) if rows.key is None else rows.key, seed)
    expected = np.full(len(fold), np.nan)
    trees = np.zeros(N_FOLDS, dtype=np.int64)
    with threadpool_limits(limits=1):
        for one in range(N_FOLDS):
            judge = (one + 1) % N_FOLDS
            rest = _first(order[~np.isin(fold[order], (one, judge))], most_rows)
            both = _first(order[fold[order] != one], most_rows)
            here = np.flatnonzero(fold == one)
            expected[here] = _mean(rows, both)
            worth = _worth(rows, rest, np.flatnonzero(fold == judge), seed)
            trees[one] = worth.n_trees
            if len(here):
                expected[here] += _told(rows, both, here, worth, seed)
    return expected, fold, trees


def dealt(key: Ints, seed: int) -> Ints:
    """Return the fold of each row: blocks in the order of their hashes, in turn."""
    known, place = np.unique(key, return_inverse=True)
    rank = np.empty(len(known), dtype=np.int64)
    rank[np.argsort(code_hashes(known, seed), kind="stable")] = np.arange(len(known))
    return np.asarray(rank[place] % N_FOLDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worth:
    """Trees worth having, and how much each of two models counts: curves, trees."""

    n_trees: int = 0
    ridge: float = RIDGES[0]
    counts: tuple[float, float] = (0.0, 0.0)


def _worth(rows: Costs, rest: Ints, judge: Ints, seed: int) -> _Worth:
    """Return what helps on a fold that the models have not seen."""
    from scipy.optimize import nnls  # noqa: PLC0415 (heavy)

    if not len(rest) or not len(judge) or np.ptp(rows.loss[rest]) == 0:
        return _Worth()
    weight = relative_weights(len(judge), _weight(rows, judge))
    truth = rows.loss[judge] - _mean(rows, rest)
    trees = _trees(rows, MOST_TREES, len(rest), seed)
    trees.fit(rows.X[rest], rows.loss[rest], _weight(rows, rest))
    stages = [one - _mean(rows, rest) for one in trees.staged_predict(rows.X[judge])]
    errors = [float(np.mean(weight * (truth - one) ** 2)) for one in stages]
    best = int(np.argmin(errors))
    curves = [_Curves.fitted(rows, rest, r).predict(rows.X[judge]) for r in RIDGES]
    smooth = int(np.argmin([np.mean(weight * (truth - one) ** 2) for one in curves]))
    told = np.column_stack([curves[smooth], stages[best]])
    root = np.sqrt(weight)
    counts, _ = nnls(root[:, None] * told, root * truth)
    counts = counts / max(float(counts.sum()), 1.0)
    return _Worth(
        n_trees=best + 1,
        ridge=RIDGES[smooth],
        counts=(float(counts[0]), float(counts[1])),
    )


def _told(rows: Costs, some: Ints, here: Ints, worth: _Worth, seed: int) -> Floats:
    """Return how much more than the mean rows `here` cost, told from `some`."""
    of_curves, of_trees = worth.counts
    found = np.zeros(len(here))
    if of_curves:
        found += of_curves * _Curves.fitted(rows, some, worth.ridge).predict(
            rows.X[here]
        )
    if of_trees:
        trees = _trees(rows, worth.n_trees, len(some), seed)
        trees.fit(rows.X[some], rows.loss[some], _weight(rows, some))
        found += of_trees * (trees.predict(rows.X[here]) - _mean(rows, some))
    return found


def _trees(rows: Costs, n_trees: int, n_rows: int, seed: int) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 (heavy)

    return HistGradientBoostingRegressor(
        max_iter=n_trees,
        max_leaf_nodes=LEAVES,
        learning_rate=LEARNING_RATE,
        min_samples_leaf=max(FEWEST_IN_LEAF, n_rows // 200),
        early_stopping=False,
        categorical_features=list(rows.is_category),
        random_state=seed,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curves:
    """A sum of one curve per attribute: straight between quantiles, ridge-fitted."""

    knots: tuple[Floats, ...]
    is_category: tuple[bool, ...]
    centre: Floats
    slopes: Floats

    @classmethod
    def fitted(cls, rows: Costs, some: Ints, ridge: float) -> "_Curves":
        """Return the curves of the loss, less its mean, over some rows."""
        X, is_category = rows.X[some], rows.is_category
        knots = tuple(map(_knots, X.T, is_category))
        weight = relative_weights(len(some), _weight(rows, some))
        basis = _basis(X, knots, is_category)
        centre = np.mean(weight[:, None] * basis, axis=0)
        basis = basis - centre
        squares = (basis * weight[:, None]).T @ basis
        spread = np.maximum(np.diag(squares) / len(some), 1e-9)
        is_straight = _is_straight(knots, is_category)
        kept = np.where(is_straight, min(ridge, RIDGES[0]), ridge) * spread
        answer = (basis * weight[:, None]).T @ (rows.loss[some] - _mean(rows, some))
        slopes = np.linalg.solve(squares + np.diag(kept), answer)
        return cls(knots=knots, is_category=is_category, centre=centre, slopes=slopes)

    def predict(self, X: Floats) -> Floats:
        """Return the sum of the curves, its mean over the fitted rows taken off."""
        basis = _basis(X, self.knots, self.is_category)
        return np.asarray((basis - self.centre) @ self.slopes)


def _knots(x: Floats, is_category: bool) -> Floats:  # noqa: FBT001 (mapped)
    """Return the codes of a category, else quantiles and the span of the rest."""
    known = x[np.isfinite(x)]
    if is_category or not len(known):
        return np.unique(known)
    return np.unique(np.quantile(known, QUANTILES))


def _basis(X: Floats, knots: Sequence[Floats], is_category: Sequence[bool]) -> Floats:
    columns = [np.zeros(len(X))]
    for x, own, coded in zip(X.T, knots, is_category, strict=True):
        columns.append(np.isnan(x).astype(float))
        if coded:
            columns += [(x == one).astype(float) for one in own]
        elif len(own) > 1:
            held = np.clip(np.where(np.isnan(x), own[0], x), own[0], own[-1])
            columns.append(held / np.ptp(own))
            columns += [np.interp(held, own, row) for row in np.eye(len(own))[1:]]
    return np.column_stack(columns)


def _is_straight(knots: Sequence[Floats], is_category: Sequence[bool]) -> Bools:
    found = [False]
    for own, coded in zip(knots, is_category, strict=True):
        found.append(False)
        if coded:
            found += [False] * len(own)
        elif len(own) > 1:
            found += [True, *[False] * (len(own) - 1)]
    return np.array(found)


def _hashes(rows: Costs, seed: int) -> np.ndarray:
    columns = [*rows.X.T, rows.loss]
    columns += [] if rows.weight is None else [rows.weight]
    columns += [] if rows.key is None else [rows.key]
    arrays = {str(n): pa.array(one) for n, one in enumerate(columns)}
    return row_hashes(pa.record_batch(arrays), seed)


def _first(order: Ints, most: int) -> Ints:
    return order[:most] if 0 < most < len(order) else order


def _weight(rows: Costs, some: Ints) -> Floats | None:
    return None if rows.weight is None else rows.weight[some]


def _mean(rows: Costs, some: Ints) -> float:
    if not len(some):
        return 0.0
    return float(np.average(rows.loss[some], weights=_weight(rows, some)))
