"""Counts of categories, mergeable: exact for those frozen before, capped for others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.exact import N_KEPT, Hashes, merged_hashes

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CategoryState:
    """What is known of a categorical column after some rows."""

    n_rows: int
    n_null: int
    n_nan: int
    known: Ints
    n_unknown: int
    others: Mapping[str, int]
    hashes: Hashes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CategorySummary:
    """Count the values of a column: the frozen categories, and others.

    Parameters
    ----------
    name : str
        The column.
    categories : tuple of str
        As text; each is counted exactly. Of other values, the 1,024 with the
        smallest hash are kept by name, also counted exactly, and the rest in one sum.
    """

    name: str
    categories: tuple[str, ...]

    def summarize(self, batch: pa.RecordBatch) -> CategoryState:
        """Return the state of one batch."""
        column = batch.column(self.name)
        labels, counts = value_counts(column)
        place = _places(self.categories)
        known = np.zeros(len(self.categories), dtype=np.int64)
        others: Counter[str] = Counter()
        for label, count in zip(labels, counts.tolist(), strict=True):
            if label in place:
                known[place[label]] += count
            else:
                others[label] += count
        return CategoryState(
            n_rows=len(column),
            n_null=column.null_count,
            n_nan=len(column) - column.null_count - int(counts.sum()),
            known=known,
            n_unknown=others.total(),
            others=_kept(others),
            hashes=np.sort(_hash_text(list(others)))[:N_KEPT],
        )

    def merge(self, a: CategoryState, b: CategoryState) -> CategoryState:
        """Return the state of the rows of both."""
        return CategoryState(
            n_rows=a.n_rows + b.n_rows,
            n_null=a.n_null + b.n_null,
            n_nan=a.n_nan + b.n_nan,
            known=a.known + b.known,
            n_unknown=a.n_unknown + b.n_unknown,
            others=_kept(Counter(a.others) + Counter(b.others)),
            hashes=merged_hashes(a.hashes, b.hashes),
        )


@lru_cache(maxsize=256)
def _places(categories: tuple[str, ...]) -> Mapping[str, int]:
    return {label: code for code, label in enumerate(categories)}


def _kept(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Keep the labels of smallest hash: what survives has survived everywhere."""
    if len(counts) <= N_KEPT:
        return counts
    labels = sorted(counts)
    order = np.argsort(_hash_text(labels), kind="stable")[:N_KEPT]
    return {labels[place]: counts[labels[place]] for place in order}


def _hash_text(labels: list[str]) -> Hashes:
    array = np.array([*labels, ""], dtype=object)[: len(labels)]
    hashed: Hashes = pd.util.hash_array(array, categorize=False)
    return hashed


def value_counts(values: pa.Array) -> tuple[list[str], Ints]:
    """Return the distinct values as text, without null and NaN, and their counts."""
    encoded = pc.dictionary_encode(values)
    codes = (
        encoded.indices.drop_null() if encoded.indices.null_count else encoded.indices
    )
    counts = np.bincount(codes.to_numpy(), minlength=len(encoded.dictionary))
    found = np.flatnonzero(counts)
    merged: dict[str, Any] = {}
    labels = encoded.dictionary.take(pa.array(found)).to_pylist()
    for label, count in zip(labels, counts[found].tolist(), strict=True):
        if label is not None and label == label:  # noqa: PLR0124 (NaN is not itself)
            merged[str(label)] = merged.get(str(label), 0) + count
    return list(merged), np.array(list(merged.values()), dtype=np.int64)
