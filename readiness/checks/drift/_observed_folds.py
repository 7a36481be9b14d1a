"""Counts of two tables at shared edges, apart for each fold of blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.row_hashes import code_hashes, row_hashes
from readiness.seen import MAX_CATEGORIES, encoded
from readiness.stats import Floats, Ints
from readiness.table_rows import Keys, clusters_of, numbers, weights_of

FOLDS = 5
FLAGS = ("False", "True")
Labels = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """One column as it is compared.

    Parameters
    ----------
    name : str
    kind : str
        ``"number"``, ``"category"``, or ``"flag"``: true and false, also as 1 and 0.
    edges : numpy.ndarray of float, shape (m,)
        Of a number, rising, in its unit.
    centre, scale : float
        Mean and SD of a number in the reference; the scale is positive.
    tracked : tuple of str
        Categories whose share is counted by block.
    """

    name: str
    kind: str
    edges: Floats
    centre: float = 0.0
    scale: float = 1.0
    tracked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldState:
    """Weight of the rows by fold: at edges, or by label.

    `numbers` holds arrays of shape (FOLDS, m + 2): below the first edge, then up to
    and with each edge, then above the last. `labels` holds (FOLDS,) by label, or None
    where there are too many of them to be categories.
    """

    numbers: Mapping[str, Floats]
    labels: Mapping[str, Labels | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldCounts:
    """The summary that counts features by fold of blocks."""

    features: tuple[Feature, ...]
    keys: Keys
    seed: int

    def summarize(self, batch: pa.RecordBatch) -> FoldState:
        """Count one batch."""
        fold = folds_of(batch, self.features, self.keys, self.seed)
        weight = weights_of(batch, self.keys)
        w = np.ones(batch.num_rows) if weight is None else weight
        found: dict[str, Floats] = {}
        labels: dict[str, Labels | None] = {}
        for one in self.features:
            values = batch.column(one.name)
            if one.kind == "number":
                x = numbers(values)
                known = np.isfinite(x)
                found[one.name] = _by_fold(
                    place_of(x[known], one.edges), fold[known], w[known], one.edges
                )
            else:
                labels[one.name] = _by_label(values, one.kind, fold, w)
        return FoldState(numbers=found, labels=labels)

    def merge(self, a: FoldState, b: FoldState) -> FoldState:
        """Count two sets of rows together."""
        return FoldState(
            numbers={name: a.numbers[name] + b.numbers[name] for name in a.numbers},
            labels={name: _joined(a.labels[name], b.labels[name]) for name in a.labels},
        )


def folds_of(
    batch: pa.RecordBatch, features: tuple[Feature, ...], keys: Keys, seed: int
) -> Ints:
    """Return the fold of each row: that of its block, else drawn by its content.

    Equal rows without a block are dealt out in turn, so that a fold is not a value.
    """
    declared = clusters_of(batch, keys).declared()
    if declared:
        return (code_hashes(declared[0], seed) % np.uint64(FOLDS)).astype(np.int64)
    hashes = row_hashes(batch.select([one.name for one in features]), seed)
    order = np.argsort(hashes, kind="stable")
    starts = np.unique(hashes[order], return_index=True)[1]
    turn = np.empty(len(hashes), dtype=np.int64)
    sizes = np.diff(np.append(starts, len(hashes)))
    turn[order] = np.arange(len(hashes)) - np.repeat(starts, sizes)
    first = (hashes % np.uint64(FOLDS)).astype(np.int64)
    return (first + turn) % FOLDS


def place_of(x: Floats, edges: Floats) -> Ints:
    """Return the bin of each value: 0 below all edges, m + 1 above them."""
    place = np.searchsorted(edges, x, side="left") + 1
    return np.where(x < edges[0], 0, place) if len(edges) else np.ones(len(x), int)


def label_codes(values: pa.Array, kind: str) -> tuple[Ints, list[str]]:
    """Return a code per value, -1 where missing, and the labels as text by code."""
    if kind == "flag":
        x = numbers(values)
        codes = np.where(np.isnan(x), -1, (x != 0).astype(np.int64))
        return codes.astype(np.int64), list(FLAGS)
    codes, names = encoded(values)
    return codes, [label_text(one) for one in names]


def label_text(value: Any) -> str:  # noqa: ANN401 (any scalar a column may hold)
    """Return a category as text; 1.0 is 1, as a column with nulls writes it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _by_fold(place: Ints, fold: Ints, weight: Floats, edges: Floats) -> Floats:
    n_bins = len(edges) + 2
    flat = np.bincount(fold * n_bins + place, weight, minlength=FOLDS * n_bins)
    return np.asarray(flat, dtype=np.float64).reshape(FOLDS, n_bins)


def _by_label(values: pa.Array, kind: str, fold: Ints, weight: Floats) -> Labels | None:
    codes, names = label_codes(values, kind)
    if len(names) > MAX_CATEGORIES:
        return None
    kept = codes >= 0
    cell = codes[kept] * FOLDS + fold[kept]
    flat = np.bincount(cell, weight[kept], minlength=max(len(names), 1) * FOLDS)
    found: dict[str, Floats] = {}
    for name, rows in zip(names, flat.reshape(-1, FOLDS), strict=False):
        if rows.any():
            found[name] = found.get(name, np.zeros(FOLDS)) + rows
    return found


def _joined(a: Labels | None, b: Labels | None) -> Labels | None:
    if a is None or b is None:
        return None
    both = dict(a)
    for name, rows in b.items():
        both[name] = both[name] + rows if name in both else rows
    return both if len(both) <= MAX_CATEGORIES else None
