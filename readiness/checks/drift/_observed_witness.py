"""Witnesses: functions of a column whose means differ as much as two tables do.

W1 is the largest difference of means over all functions that rise or fall by at most
one per unit; Cramér's V is one over all categories' scores of unit spread. A witness
found on all folds but one and asked on that one gains nothing by chance; the one found
on all rows and asked on the same gives the plain distance, which does.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.checks.drift._observed_folds import (
    FOLDS,
    Feature,
    FoldState,
    Labels,
    label_codes,
)
from readiness.stats import Floats, Ints
from readiness.table_rows import numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Witness:
    """One function per fold, found without that fold, and one found on all rows.

    Parameters
    ----------
    heights : numpy.ndarray of float, shape (FOLDS + 1, m)
        At the edges of a number, in SD of the reference.
    below, above : numpy.ndarray of float, shape (FOLDS + 1,)
        Slope beyond the first and the last edge: -1, 0 or 1.
    scores : mapping of str to numpy.ndarray of float, shape (FOLDS + 1,)
        Of the labels of a category.
    """

    heights: Floats
    below: Floats
    above: Floats
    scores: Labels


def witness_of(feature: Feature, reference: FoldState, current: FoldState) -> Witness:
    """Return the witness of a feature from the counts of both tables."""
    if feature.kind == "number":
        return _of_number(
            feature, reference.numbers[feature.name], current.numbers[feature.name]
        )
    nothing = np.zeros((FOLDS + 1, 0))
    flat = np.zeros(FOLDS + 1)
    scores = _of_labels(
        reference.labels[feature.name] or {}, current.labels[feature.name] or {}
    )
    return Witness(heights=nothing, below=flat, above=flat, scores=scores)


def heights_of(
    witness: Witness, feature: Feature, values: pa.Array, fold: Ints
) -> Floats:
    """Return the height of each row's value, NaN where there is none, shape (2, n).

    First that of the witness found without the row's fold, then that of all rows.
    """
    if feature.kind != "number":
        codes, names = label_codes(values, feature.kind)
        wide = FOLDS + 1
        table = np.array([witness.scores.get(one, np.zeros(wide)) for one in names])
        heights = np.append(table.reshape(-1, wide), [np.full(wide, np.nan)], axis=0)
        return np.stack([heights[codes, fold], heights[codes, FOLDS]])
    x = (numbers(values) - feature.centre) / feature.scale
    edges = (feature.edges - feature.centre) / feature.scale
    known = np.isfinite(x)
    result = np.full((2, len(x)), np.nan)
    result[1, known] = _height(witness, edges, x[known], FOLDS)
    for one in range(FOLDS):
        rows = np.flatnonzero((fold == one) & known)
        result[0, rows] = _height(witness, edges, x[rows], one)
    return result


def _height(witness: Witness, edges: Floats, x: Floats, one: int) -> Floats:
    if not len(edges):
        return np.zeros(len(x))
    height = np.interp(x, edges, witness.heights[one])
    height += witness.below[one] * np.minimum(x - edges[0], 0.0)
    height += witness.above[one] * np.maximum(x - edges[-1], 0.0)
    return np.asarray(height, dtype=np.float64)


def _of_number(feature: Feature, reference: Floats, current: Floats) -> Witness:
    rest = [_without(one) for one in (reference, current)]
    total = [one.sum(axis=1, keepdims=True) for one in rest]
    share = [one / np.where(n > 0, n, 1.0) for one, n in zip(rest, total, strict=True)]
    # The slope follows the sign of the gap between the distribution functions.
    slope = np.sign(np.round(np.cumsum(share[0] - share[1], axis=1), 12))[:, :-1]
    edges = (feature.edges - feature.centre) / feature.scale
    rises = slope[:, 1:-1] * np.diff(edges)
    flat = np.zeros((FOLDS + 1, 1))
    heights = np.concatenate([flat, np.cumsum(rises, axis=1)], axis=1)
    heights = heights[:, : len(edges)]
    # Centred, so that folds of unlike size do not add their own levels.
    at_edges = share[0][:, 1:-1]
    heights = heights - np.sum(heights * at_edges, axis=1, keepdims=True)
    return Witness(heights=heights, below=slope[:, 0], above=slope[:, -1], scores={})


def _of_labels(reference: Labels, current: Labels) -> Labels:
    names = sorted({*reference, *current})
    nothing = np.zeros(FOLDS)
    p, q = (
        np.array([one.get(name, nothing) for name in names]).reshape(-1, FOLDS).T
        for one in (reference, current)
    )
    rest = [_without(one) for one in (p, q)]
    total = [one.sum(axis=1, keepdims=True) for one in rest]
    share = [one / np.where(n > 0, n, 1.0) for one, n in zip(rest, total, strict=True)]
    both = share[0] + share[1]
    score = (share[1] - share[0]) / np.where(both > 0, both, 1.0)
    spread = np.sqrt(np.sum(score**2 * both, axis=1, keepdims=True) / 2)
    unit = score / np.where(spread > 0, spread, 1.0)
    return dict(zip(names, unit.T, strict=True))


def _without(counts: Floats) -> Floats:
    """Return the counts of all folds but each one, and then those of all."""
    total = counts.sum(axis=0)
    return np.concatenate([total - counts, total[None, :]])
