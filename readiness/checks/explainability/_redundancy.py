"""How far the other columns can stand in for one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.checks.explainability._ranks import hashable_cells
from readiness.columns import kind_of
from readiness.influence import ratio_of_sums
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    block_sums,
    clustered_interval,
    relative_weights,
    student_quantile,
)

N_FOLDS = 5
MOST_LEVELS = 20  # of a categorical column; the rarer ones are told together
RIDGE = 1e-4  # of the rows: keeps columns that say the same solvable
LARGEST = 100.0  # a ratio of more is told as this


def ratio_interval(
    top: Estimate, bottom: Estimate, clusters: Clusters
) -> tuple[float, float, float]:
    """Return top / (2 bottom) with its limits: Fieller's interval.

    Parameters
    ----------
    top : Estimate
        Surely above zero.
    bottom : Estimate
        From the same rows.
    clusters : Clusters
        Codes of the rows; the wider of block and entity wins.

    Returns
    -------
    tuple of float
        Value, NaN where the bottom is not above zero; lower limit, at most 100; upper
        limit, infinite where the bottom may be zero. Each limit one-sided 95 %.

    References
    ----------
    E. C. Fieller (1954), Journal of the Royal Statistical Society B 16(2), 175-185.
    """
    value = top.value / (2 * bottom.value) if bottom.value > 0 else float("nan")
    found = [_fieller(top, bottom, code) for code in clusters.declared() or (None,)]
    return value, min(one[0] for one in found), max(one[1] for one in found)


def _fieller(top: Estimate, bottom: Estimate, code: Ints | None) -> tuple[float, float]:
    """Return the roots of (p - r q)^2 = t^2 var(p - r q), as a r^2 - 2 b r + c."""
    sums = block_sums(np.column_stack([top.influence, 2 * bottom.influence]), code)
    n_blocks = len(sums)
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return 0.0, float("inf")
    covariance = sums.T @ sums * (n_blocks / (n_blocks - 1) / len(top.influence) ** 2)
    v = student_quantile(n_blocks - 1) ** 2 * covariance
    p, q = top.value, 2 * bottom.value
    a, b, c = q * q - v[1, 1], p * q - v[0, 1], p * p - v[0, 0]
    root = float(np.sqrt(max(b * b - a * c, 0.0)))
    if not b + root > 0:  # the bottom is surely below zero
        return LARGEST, float("inf")
    low = max(min(float(c) / (float(b) + root), LARGEST), 0.0)
    return low, float((b + root) / a) if a > 0 else float("inf")


def told_by_others(
    case: Case,
    frame: pd.DataFrame,
    names: Sequence[str],
    clusters: Clusters,
    weight: Floats | None,
) -> dict[str, Interval]:
    """Return the share of each column that the other columns tell, cross-fitted.

    Parameters
    ----------
    case : Case
        Gives the kinds of its columns; others go by their type.
    frame : pandas.DataFrame
        n rows of the features, and perhaps of other columns, in random order.
    names : sequence of str
        Columns to tell.
    clusters : Clusters
        Rows of one block are in one fold.
    weight : ndarray of shape (n,) or None

    Returns
    -------
    dict
        By name: R², at least 0, of a linear regression of the column's ranks (of its
        levels, for a categorical one) on the ranks and levels of all others. Curved
        ties between columns can make the truth larger, never smaller.
    """
    in_order = {name: _in_order(case, frame[name]) for name in frame.columns}
    parts = {
        name: _encoded(frame[name], in_order=in_order[name]) for name in frame.columns
    }
    owner = np.concatenate(
        [np.full(one.shape[1], place) for place, one in enumerate(parts.values())]
    )
    X = np.column_stack([np.ones(len(frame)), *parts.values()])
    owner = np.concatenate([[-1], owner])
    codes = (*clusters.declared(), np.arange(len(frame)))[0]
    fold = pd.factorize(codes)[0] % N_FOLDS  # in the rows' own random order
    weights = relative_weights(len(frame), weight)
    found = {}
    for name in names:
        place = list(frame.columns).index(name)
        target, known = parts[name], np.ones(len(frame), dtype=bool)
        if in_order[name]:
            target, known = target[:, :1], frame[name].notna().to_numpy(dtype=bool)
        if not np.any(target.std(axis=0) > 0):
            continue
        others = X[:, owner != place]
        guess = _cross_fitted(others[known], target[known], fold[known])
        missed = np.sum((target[known] - guess) ** 2, axis=1)
        around = np.sum(target[known] ** 2, axis=1)
        rest = ratio_of_sums(missed, around, weights[known])
        told = Estimate(value=1 - rest.value, influence=-rest.influence)
        found[name] = _within(clustered_interval(told, clusters.take(known)))
    return found


def _cross_fitted(X: Floats, y: Floats, fold: Ints) -> Floats:
    whole, moments = X.T @ X, X.T @ y
    guess = np.empty_like(y)
    for one in range(N_FOLDS):
        own = fold == one
        gram = whole - X[own].T @ X[own]
        gram[np.diag_indices_from(gram)] += RIDGE * max(int((~own).sum()), 1)
        slopes = np.linalg.solve(gram, moments - X[own].T @ y[own])
        guess[own] = X[own] @ slopes
    return guess


def _in_order(case: Case, values: "pd.Series[Any]") -> bool:
    column = case.columns.get(str(values.name))
    kind = column.kind if column else kind_of(pa.array(values).type)
    return kind in ("numeric", "time")


def _within(one: Interval) -> Interval:
    """Return an interval of a share: a fit worse than the mean tells nothing."""
    ends = {
        name: min(max(getattr(one, name), 0.0), 1.0)
        for name in ("value", "ci_low", "ci_high")
    }
    return replace(one, **ends)


def _encoded(values: "pd.Series[Any]", *, in_order: bool) -> Floats:
    """Return centred ranks and "missing", or one column per level: (n, p)."""
    if in_order:
        ranks = values.rank(pct=True).to_numpy(dtype=np.float64, na_value=np.nan)
        gone = np.isnan(ranks)
        middle = float(np.mean(ranks[~gone])) if not gone.all() else 0.0
        raw = np.column_stack([np.where(gone, middle, ranks), gone.astype(float)])
    else:
        values = hashable_cells(values)
        often = values.value_counts()
        levels = sorted(often.index, key=lambda one: (-often[one], str(one)))
        raw = np.column_stack(
            [
                (values == one).to_numpy(dtype=float, na_value=0.0)
                for one in levels[:MOST_LEVELS]
            ]
            or [np.zeros(len(values))]
        )
    found: Floats = raw - raw.mean(axis=0)
    return found
