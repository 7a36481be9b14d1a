"""Mergeable summaries of columns: exact counts and sums at edges frozen before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.exact import N_KEPT, Floats, Hashes, exact_sum, smallest_hashes

Ints = npt.NDArray[np.int64]

N_EDGES = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberState:
    """What is known of a numeric column after some rows."""

    n_rows: int
    n_null: int
    n_nan: int
    n_inf: int
    minimum: float
    maximum: float
    total: int
    shifted: int
    squares: int
    n_overflow: int
    n_below: int
    bin_counts: Ints
    hashes: Hashes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberSummary:
    """Count a numeric, boolean or time column at frozen edges.

    Parameters
    ----------
    name : str
        The column.
    edges : (m,) array of float
        Increasing; bin i holds values above edge i - 1 up to edge i.
    centre, scale : float
        Squares are taken of ``(x - centre) / scale``, so that they lose no digits.
    """

    name: str
    edges: Floats
    centre: float = 0.0
    scale: float = 1.0

    def summarize(self, batch: pa.RecordBatch) -> NumberState:
        """Return the state of one batch."""
        column = batch.column(self.name)
        present = numbers(column.drop_null())
        known = present[~np.isnan(present)]
        x = np.sort(known[np.isfinite(known)]) + 0.0  # -0.0 becomes 0.0
        moved = (x - self.centre) / self.scale
        with np.errstate(over="ignore"):
            squares = moved * moved
        fits = np.isfinite(squares)
        is_new = np.ones(len(x), dtype=bool)
        is_new[1:] = x[1:] != x[:-1]
        ends = np.searchsorted(x, self.edges, side="right")
        below = np.searchsorted(x, self.edges[:1], side="left")
        return NumberState(
            n_rows=len(column),
            n_null=column.null_count,
            n_nan=len(present) - len(known),
            n_inf=len(known) - len(x),
            minimum=float(x[0]) if len(x) else np.inf,
            maximum=float(x[-1]) if len(x) else -np.inf,
            total=exact_sum(x),
            shifted=exact_sum(moved[fits]),
            squares=exact_sum(squares[fits]),
            n_overflow=int((~fits).sum()),
            n_below=int(below.sum()),
            bin_counts=np.diff(ends, prepend=0, append=len(x)).astype(np.int64),
            hashes=smallest_hashes(x[is_new].view(np.uint64)),
        )

    def merge(self, a: NumberState, b: NumberState) -> NumberState:
        """Return the state of the rows of both."""
        return NumberState(
            n_rows=a.n_rows + b.n_rows,
            n_null=a.n_null + b.n_null,
            n_nan=a.n_nan + b.n_nan,
            n_inf=a.n_inf + b.n_inf,
            minimum=min(a.minimum, b.minimum),
            maximum=max(a.maximum, b.maximum),
            total=a.total + b.total,
            shifted=a.shifted + b.shifted,
            squares=a.squares + b.squares,
            n_overflow=a.n_overflow + b.n_overflow,
            n_below=a.n_below + b.n_below,
            bin_counts=a.bin_counts + b.bin_counts,
            hashes=np.union1d(a.hashes, b.hashes)[:N_KEPT],
        )


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
    categories : sequence of str
        As text; each is counted exactly. Of other values, the 1,024 with the
        smallest hash are kept by name, also counted exactly, and the rest in one sum.
    """

    name: str
    categories: Sequence[str]

    def summarize(self, batch: pa.RecordBatch) -> CategoryState:
        """Return the state of one batch."""
        column = batch.column(self.name)
        labels, counts = value_counts(column)
        place = {label: code for code, label in enumerate(self.categories)}
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
            hashes=np.union1d(a.hashes, b.hashes)[:N_KEPT],
        )


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


def numbers(values: pa.Array) -> Floats:
    """Return values without nulls as floats; times as microseconds since 1970.

    Whole numbers beyond 2**53 are rounded. A time with a zone is shown in that zone.
    """
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.local_timestamp(values)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    plain = values.cast(pa.float64(), safe=False)
    return np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.float64)


def value_counts(values: pa.Array) -> tuple[list[str], Ints]:
    """Return the distinct values as text, without null and NaN, and their counts."""
    encoded = pc.dictionary_encode(values)
    codes = encoded.indices.drop_null().to_numpy()
    counts = np.bincount(codes, minlength=len(encoded.dictionary)).astype(np.int64)
    pairs = [
        (str(label), count)
        for label, count in zip(encoded.dictionary.to_pylist(), counts, strict=True)
        if count and label is not None and label == label  # noqa: PLR0124 (NaN is not itself)
    ]
    merged: dict[str, Any] = {}
    for label, count in pairs:
        merged[label] = merged.get(label, 0) + count
    return list(merged), np.array(list(merged.values()), dtype=np.int64)
