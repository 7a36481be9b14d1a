"""Rows that hold a value another table, or another block, has never seen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from readiness.case import Case
from readiness.seen import alone, encoded
from readiness.shares import (
    ShareCounts,
    merge_share_counts,
    share_counts,
    share_intervals,
)
from readiness.stats import Floats, Interval, Ints
from readiness.table_rows import (
    RANGED,
    Keys,
    Seen,
    clusters_of,
    keys_of,
    numbers,
    passed,
    weights_of,
)
from readiness.tables import Table

MAX_NAMED = 10_000  # new categories of one column that are counted by name
THE_REST = "(other new categories)"
ROUNDING = 1e-9  # relative; real numbers closer to a bound than this are inside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outside:
    """Counts of rows outside, for m columns and for any of them.

    Parameters
    ----------
    names : tuple of str
        The m columns.
    shares : ShareCounts
        Of each column, then of any column.
    below, above : numpy.ndarray of int, shape (m,)
        Rows under and over the range; 0 for categories.
    lowest, highest : numpy.ndarray of float, shape (m,)
        Finite extremes of the rows; infinite where there is none.
    new : mapping of str to mapping of value to int
        Rows by category never seen.
    """

    names: tuple[str, ...]
    shares: ShareCounts
    below: Ints
    above: Ints
    lowest: Floats
    highest: Floats
    new: Mapping[str, Mapping[Any, int]]

    def intervals(self) -> list[Interval]:
        """Return the share of rows outside, by column and then in any column."""
        return share_intervals(self.shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOutside:
    """The summary that counts rows outside bounds and known categories."""

    keys: Keys
    names: tuple[str, ...]
    bounds: Mapping[str, tuple[float, float]]
    known: Mapping[str, frozenset[Any]]

    def summarize(self, batch: pa.RecordBatch) -> Outside:
        """Count one batch."""
        m, n_rows = len(self.names), batch.num_rows
        hits = np.zeros((n_rows, m + 1), dtype=bool)
        below, above = np.zeros((2, m), dtype=np.int64)
        lowest, highest = np.full(m, np.inf), np.full(m, -np.inf)
        new: dict[str, Counter[Any]] = {}
        for n, name in enumerate(self.names):
            values = batch.column(name)
            if name in self.known:
                hits[:, n], new[name] = _unknown(values, self.known[name])
                continue
            x = numbers(values)
            low, high = self.bounds[name]
            under, over = x < low, x > high
            below[n], above[n] = under.sum(), over.sum()
            hits[:, n] = under | over
            finite = x[np.isfinite(x)]
            lowest[n] = finite.min(initial=np.inf)
            highest[n] = finite.max(initial=-np.inf)
        hits[:, m] = hits[:, :m].any(axis=1)
        weight = weights_of(batch, self.keys)
        return Outside(
            names=self.names,
            shares=share_counts(hits, clusters_of(batch, self.keys), weight),
            below=below,
            above=above,
            lowest=lowest,
            highest=highest,
            new=new,
        )

    def merge(self, a: Outside, b: Outside) -> Outside:
        """Count two sets of rows together."""
        return Outside(
            names=self.names,
            shares=merge_share_counts(a.shares, b.shares),
            below=a.below + b.below,
            above=a.above + b.above,
            lowest=np.minimum(a.lowest, b.lowest),
            highest=np.maximum(a.highest, b.highest),
            new={name: _summed(a.new[name], b.new[name]) for name in a.new},
        )


def count_outside(
    case: Case, table: Table, seen: Seen, names: Sequence[str]
) -> Outside:
    """Count the rows of a table that hold a value not seen elsewhere.

    Parameters
    ----------
    case, table : Case, Table
        The rows to count.
    seen : Seen
        What the other table has seen of the same columns.
    names : sequence of str
        Columns that both can read.
    """
    bounds = _bounds(case, (case.training_or_reference(), table), seen, names, 0)
    known = {
        name: frozenset(seen.categories[name].counts)
        for name in names
        if name not in bounds
    }
    return _counted(case, table, names, bounds, known)


def expected_outside(
    case: Case, table: Table, seen: Seen, names: Sequence[str]
) -> Floats:
    """Return the share of rows outside to expect of a next block like the past ones.

    Parameters
    ----------
    case, table : Case, Table
        The rows that were seen.
    seen : Seen
        What `table` has seen.
    names : sequence of str
        Its m readable columns.

    Returns
    -------
    numpy.ndarray of float, shape (m + 1,)
        By column and then in any column.

    Notes
    -----
    Rows that lie outside what all other blocks have seen, times K/(K+1): the mean
    over K + 1 exchangeable blocks of what the last one would bring. With rows for
    blocks this is 2/(n+1) for a continuous column and Robbins' N1/(n+1) for a
    categorical one.
    """
    bounds = _bounds(case, (table,), seen, names, 1)
    known = {
        name: frozenset(seen.categories[name].counts) - alone(seen.categories[name])
        for name in names
        if name not in bounds
    }
    totals = _counted(case, table, names, bounds, known).shares.totals
    shares: Floats = totals[1:] / totals[0]
    return shares * (seen.n_blocks / (seen.n_blocks + 1))


def _bounds(
    case: Case, tables: Sequence[Table], seen: Seen, names: Sequence[str], place: int
) -> Mapping[str, tuple[float, float]]:
    """Return the range of each ranged column, without its `place` outermost blocks.

    Real numbers of the tables may be off by rounding, at least that of the types they
    are stored in; whole numbers and times are exact.
    """
    found = {}
    for name in names:
        if case.columns[name].kind not in RANGED:
            continue
        kinds = [one.schema.field(name).type for one in tables]
        reals = [one for one in kinds if pa.types.is_floating(one)]
        steps = [float(np.finfo(one.to_pandas_dtype()).eps) for one in reals]
        slack = max(ROUNDING, *steps) if steps else 0.0
        low = -float(seen.low[name].values[place])
        high = float(seen.high[name].values[place])
        found[name] = low - _slack(low, slack), high + _slack(high, slack)
    return found


def _slack(bound: float, share: float) -> float:
    return share * abs(bound) if np.isfinite(bound) else 0.0


def count_beyond(
    case: Case, table: Table, name: str, bounds: tuple[float, float]
) -> int:
    """Return the rows of a table whose value in one column is out of bounds."""
    found = _counted(case, table, [name], {name: bounds}, {})
    return int(found.below[0] + found.above[0])


def _counted(
    case: Case,
    table: Table,
    names: Sequence[str],
    bounds: Mapping[str, tuple[float, float]],
    known: Mapping[str, frozenset[Any]],
) -> Outside:
    keys = keys_of(case, table)
    count = CountOutside(keys=keys, names=tuple(names), bounds=bounds, known=known)
    return passed(table, count, [*names, *keys.columns()])


def _unknown(
    values: pa.Array, known: frozenset[Any]
) -> tuple[npt.NDArray[np.bool_], Counter[Any]]:
    codes, names = encoded(values)
    is_new = np.array([*(name not in known for name in names), False], dtype=bool)
    hits = is_new[codes]
    rows = np.bincount(codes[hits], minlength=len(names))
    return hits, Counter(
        {name: int(n) for name, n in zip(names, rows, strict=True) if n}
    )


def _summed(a: Mapping[Any, int], b: Mapping[Any, int]) -> Counter[Any]:
    both = Counter(a)
    for name, n in b.items():
        both[name if name in both or len(both) < MAX_NAMED else THE_REST] += n
    return both
