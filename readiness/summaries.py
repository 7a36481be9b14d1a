"""Counts and sums of numbers, mergeable: exact, at edges frozen before."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from readiness.exact import (
    Floats,
    Hashes,
    exact_sum,
    exact_weighted_sum,
    merged_hashes,
    smallest_hashes,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

N_EDGES = 1024
# Whole numbers that lie this close together are counted one by one, without a sort.
WIDEST = 65_536
MOST_EXACT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberState:
    """What is known of a numeric column after some rows."""

    n_rows: int
    n_null: int
    n_nan: int
    n_inf: int
    minimum: float
    n_minimum: int
    maximum: float
    moved: int
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
        Sums are taken of ``(x - centre) / scale`` and of its square, so that they
        lose no digits.
    """

    name: str
    edges: Floats
    centre: float = 0.0
    scale: float = 1.0

    def summarize(self, batch: pa.RecordBatch) -> NumberState:
        """Return the state of one batch."""
        column = batch.column(self.name)
        few = _few_whole_numbers(column)
        if few is not None:
            return self._state(column, *few)
        x = numbers(column)
        # One sort answers for any number of edges; Arrow's own memory stays as it is.
        if not x.flags.writeable:
            x = x.copy()
        x.sort()
        low, high, n_known = (
            int(np.searchsorted(x, end, side=side))  # type: ignore[call-overload]  # a literal each
            for end, side in ((-np.inf, "right"), (np.inf, "left"), (np.inf, "right"))
        )
        n_nan, n_inf = len(x) - n_known - column.null_count, low + n_known - high
        x = x[low:high]
        start, stop = np.searchsorted(x, 0.0), np.searchsorted(x, 0.0, side="right")
        x[start:stop] = 0.0  # -0.0 becomes 0.0
        is_first = np.empty(len(x), dtype=bool)
        is_first[:1] = True
        np.not_equal(x[1:], x[:-1], out=is_first[1:])
        if 4 * np.count_nonzero(is_first) > len(x):
            return self._state(column, x, is_first=is_first, n_nan=n_nan, n_inf=n_inf)
        first = np.flatnonzero(is_first)
        counts = np.diff(first, append=len(x))
        return self._state(column, x[first], counts, n_nan=n_nan, n_inf=n_inf)

    def _state(
        self,
        column: pa.Array,
        x: Floats,
        counts: Ints | None = None,
        *,
        is_first: Bools | None = None,
        n_nan: int = 0,
        n_inf: int = 0,
    ) -> NumberState:
        """Return the state of finite values in order, each so many times or as it is.

        The values are overwritten: fresh memory would cost as much as the sums.
        """
        found = [
            np.searchsorted(x, self.edges, side="right"),
            np.searchsorted(x, self.edges[:1], side="left"),
            np.searchsorted(x, x[:1], side="right"),
            np.full(len(x[:1]), len(x)),
        ]
        if counts is not None:
            before = np.concatenate([[0], np.cumsum(counts)])
            found = [before[places] for places in found]
        ends, n_below, n_minimum, n_all = found
        extremes = (float(x[0]), float(x[-1])) if len(x) else (np.inf, -np.inf)
        # Each value once, so that the first guess of what is surely too large holds.
        once = x if is_first is None or is_first.all() else x[is_first]
        hashes = smallest_hashes(once.view(np.uint64))
        x -= self.centre
        if self.scale != 1:
            x /= self.scale
        smallest = _closest_to_zero(x)
        moved = _total(x, counts, smallest)
        with np.errstate(over="ignore"):
            squares = np.multiply(x, x, out=x)
        n_overflow = 0
        if np.isinf(squares[[0, -1][: len(x)]]).any():
            fits = np.isfinite(squares)
            n_overflow = int((~fits).sum() if counts is None else counts[~fits].sum())
            counts = None if counts is None else counts[fits]
            squares = squares[fits]
        return NumberState(
            n_rows=len(column),
            n_null=column.null_count,
            n_nan=n_nan,
            n_inf=n_inf,
            minimum=extremes[0],
            n_minimum=int(n_minimum.sum()),
            maximum=extremes[1],
            moved=moved,
            squares=_total(squares, counts, smallest * smallest or None),
            n_overflow=n_overflow,
            n_below=int(n_below.sum()),
            bin_counts=np.diff(ends, prepend=0, append=n_all.sum()).astype(np.int64),
            hashes=hashes,
        )

    def merge(self, a: NumberState, b: NumberState) -> NumberState:
        """Return the state of the rows of both."""
        minimum = min(a.minimum, b.minimum)
        return NumberState(
            n_rows=a.n_rows + b.n_rows,
            n_null=a.n_null + b.n_null,
            n_nan=a.n_nan + b.n_nan,
            n_inf=a.n_inf + b.n_inf,
            minimum=minimum,
            n_minimum=sum(one.n_minimum for one in (a, b) if one.minimum == minimum),
            maximum=max(a.maximum, b.maximum),
            moved=a.moved + b.moved,
            squares=a.squares + b.squares,
            n_overflow=a.n_overflow + b.n_overflow,
            n_below=a.n_below + b.n_below,
            bin_counts=a.bin_counts + b.bin_counts,
            hashes=merged_hashes(a.hashes, b.hashes),
        )


def _closest_to_zero(x: Floats) -> float:
    """Return how close values in order come to zero without being zero."""
    below, above = np.searchsorted(x, 0.0), np.searchsorted(x, 0.0, side="right")
    return float(np.abs([*x[:below][-1:], *x[above:][:1]]).min(initial=np.inf))


def _total(values: Floats, counts: Ints | None, smallest: float | None) -> int:
    if counts is None:
        return exact_sum(values, smallest)
    return exact_weighted_sum(values, counts)


def _few_whole_numbers(column: pa.Array) -> tuple[Floats, Ints] | None:
    """Return the values of a column of close whole numbers, and how often each is."""
    if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        return None
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    present = column.drop_null() if column.null_count else column
    x = present.to_numpy(zero_copy_only=False)
    if not len(x):
        return None
    low, high = int(x.min()), int(x.max())
    if high - low >= WIDEST or max(-low, high) >= MOST_EXACT:
        return None
    counts = np.bincount(np.subtract(x, low, dtype=np.int64))
    found = np.flatnonzero(counts)
    return (found + low).astype(np.float64), counts[found]


def numbers(values: pa.Array) -> Floats:
    """Return values as floats, nulls as NaN; times as microseconds since 1970.

    Whole numbers beyond 2**53 are rounded. A time with a zone is shown in that zone.
    """
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.local_timestamp(values)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    # Arrow fills in NaN faster than it hands out values that hold nulls.
    plain = values.cast(pa.float64(), safe=False).fill_null(np.nan)
    return np.asarray(plain, dtype=np.float64)
