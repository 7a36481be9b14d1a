"""Counts of categories, mergeable: exact for those frozen before, capped for others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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
        labels, counts = text_counts(column)
        place = pc.index_in(labels, value_set=_as_array(self.categories))
        is_unknown = place.is_null()
        codes = place.drop_null().to_numpy()
        n_of_codes = counts[place.is_valid().to_numpy(zero_copy_only=False)]
        known = np.zeros(len(self.categories), dtype=np.int64)
        np.add.at(known, codes, n_of_codes)
        others: Counter[str] = Counter()
        if place.null_count:
            unknown = counts[is_unknown.to_numpy(zero_copy_only=False)].tolist()
            texts = labels.filter(is_unknown).to_pylist()
            for label, count in zip(texts, unknown, strict=True):
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
def _as_array(categories: tuple[str, ...]) -> pa.Array:
    return pa.array(categories, pa.large_string())


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


def text_counts(values: pa.Array) -> tuple[pa.Array, Ints]:
    """Return the values that occur as text, without null and NaN, and their counts.

    Values of one text are not merged: it may come more than once.
    """
    encoded = pc.dictionary_encode(values)
    codes = (
        encoded.indices.drop_null() if encoded.indices.null_count else encoded.indices
    )
    counts = np.bincount(codes.to_numpy(), minlength=len(encoded.dictionary))
    found = np.flatnonzero(counts)
    labels = _texts(encoded.dictionary.take(pa.array(found)))
    if labels.null_count:
        found = found[labels.is_valid().to_numpy(zero_copy_only=False)]
        labels = labels.drop_null()
    return labels, counts[found]


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return values.cast(pa.large_string())
    texts = [
        str(one) if one is not None and one == one else None  # noqa: PLR0124 (NaN is not itself)
        for one in values.to_pylist()
    ]
    return pa.array(texts, pa.large_string())
