"""Rows that occur more than once, in one table or in two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.patterns import Bools
from readiness.row_hashes import Hashes, row_hashes
from readiness.stats import Ints
from readiness.table_rows import hashed, passed
from readiness.tables import Table

ROWS_AT_ONCE = 8_000_000  # hashes held at a time: 64 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHashes:
    """The summary that collects the hashes of one of several parts of all rows."""

    columns: tuple[str, ...]
    part: int
    n_parts: int

    def summarize(self, batch: pa.RecordBatch) -> Hashes:
        """Return the hashes of one batch that belong to this part."""
        found = row_hashes(batch.select(list(self.columns)))
        own = found % np.uint64(self.n_parts) == np.uint64(self.part)
        return np.asarray(found[own])

    def merge(self, a: Hashes, b: Hashes) -> Hashes:
        """Return the hashes of both."""
        return np.concatenate([a, b])


def count_repeated(table: Table) -> int:
    """Return the rows that equal an earlier row in every column.

    Notes
    -----
    Exact but for hashes that two different rows share. Long tables are passed once
    for every eight million rows, so that the memory stays the same.
    """
    columns = tuple(table.schema.names)
    n_parts = -(-table.n_rows // ROWS_AT_ONCE)
    repeated = 0
    for part in range(n_parts):
        ask = RowHashes(columns=columns, part=part, n_parts=n_parts)
        found = passed(table, ask, columns)
        repeated += len(found) - len(np.unique(found))
    return repeated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkKnown:
    """The summary that marks rows whose hash is known; one byte a row."""

    columns: tuple[str, ...]
    known: Hashes

    def summarize(self, batch: pa.RecordBatch) -> Bools:
        """Mark one batch."""
        found = row_hashes(batch.select(list(self.columns)))
        place = np.searchsorted(self.known, found).clip(max=len(self.known) - 1)
        return np.asarray(self.known[place] == found)

    def merge(self, a: Bools, b: Bools) -> Bools:
        """Mark two sets of rows together."""
        return np.concatenate([a, b])


def rows_in_common(table: Table, other: Table, columns: Sequence[str]) -> Bools:
    """Return which rows of a table occur in another, by the given columns, (n,)."""
    names = tuple(columns)
    known = np.unique(passed(other, RowHashes(columns=names, part=0, n_parts=1), names))
    return passed(table, MarkKnown(columns=names, known=known), names)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCodes:
    """The summary that lists the entities of a table, in the order of its rows."""

    name: str

    def summarize(self, batch: pa.RecordBatch) -> Ints:
        """List one batch."""
        return hashed(batch.column(self.name))

    def merge(self, a: Ints, b: Ints) -> Ints:
        """List two sets of rows together."""
        return np.concatenate([a, b])


def entities_in_common(table: Table, other: Table, name: str) -> Bools:
    """Return which rows of a table belong to an entity that another table has."""
    ask = EntityCodes(name=name)
    return np.isin(passed(table, ask, [name]), passed(other, ask, [name]))
