"""Rows that occur more than once, in one table or in two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.checks.coverage._rows import Keys, clusters_of, hashed, passed
from readiness.row_hashes import Hashes, row_hashes
from readiness.stats import Clusters, Ints
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
class Common:
    """Rows of one table that another has as well.

    Parameters
    ----------
    hit : (n,) array of bool
    clusters : Clusters
        Of the same rows.
    """

    hit: np.ndarray
    clusters: Clusters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkKnown:
    """The summary that marks rows whose hash is known; one byte a row."""

    columns: tuple[str, ...]
    known: Hashes
    keys: Keys

    def summarize(
        self, batch: pa.RecordBatch
    ) -> tuple[list[np.ndarray], list[Clusters]]:
        """Mark one batch."""
        found = row_hashes(batch.select(list(self.columns)))
        place = np.searchsorted(self.known, found).clip(max=len(self.known) - 1)
        return [self.known[place] == found], [clusters_of(batch, self.keys)]

    def merge(
        self,
        a: tuple[list[np.ndarray], list[Clusters]],
        b: tuple[list[np.ndarray], list[Clusters]],
    ) -> tuple[list[np.ndarray], list[Clusters]]:
        """Mark two sets of rows together."""
        return a[0] + b[0], a[1] + b[1]


def rows_in_common(
    table: Table, other: Table, columns: Sequence[str], keys: Keys
) -> Common:
    """Return which rows of a table occur in another, by the given columns."""
    names = tuple(columns)
    ask = RowHashes(columns=names, part=0, n_parts=1)
    known = np.unique(passed(other, ask, names))
    mark = MarkKnown(columns=names, known=known, keys=keys)
    hits, clusters = passed(table, mark, [*names, *keys.columns()])
    return Common(hit=np.concatenate(hits), clusters=_joined(clusters))


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


def entities_in_common(table: Table, other: Table, name: str) -> np.ndarray:
    """Return which rows of a table belong to an entity that another table has."""
    ask = EntityCodes(name=name)
    return np.isin(passed(table, ask, [name]), passed(other, ask, [name]))


def _joined(parts: Sequence[Clusters]) -> Clusters:
    blocks = [one.block for one in parts if one.block is not None]
    entities = [one.entity for one in parts if one.entity is not None]
    return Clusters(
        block=np.concatenate(blocks) if blocks else None,
        entity=np.concatenate(entities) if entities else None,
    )
