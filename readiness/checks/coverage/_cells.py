"""Rows and blocks counted by the cells of a few attributes, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import prod

import numpy as np
import pyarrow as pa

from readiness.checks.coverage._attributes import Attribute
from readiness.pattern_groups import (
    MOST_GROUPS,
    Groups,
    can_pack,
    combined_counts,
    group_rows,
    merge_groups,
    no_groups,
    unpacked,
)
from readiness.patterns import first_blocks
from readiness.stats import Ints
from readiness.table_rows import Keys, clusters_of

Combination = tuple[int, ...]
MOST_CELLS = 2_000_000  # of all combinations together
DENSE = 2_000_000  # cells times blocks of one batch that are counted in an array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Rows by cell, and the first blocks of each cell.

    Parameters
    ----------
    n_rows : int
    rows : (c,) array of int
        Over the cells of all combinations, side by side.
    cells, blocks : (m,) array of int
        Pairs that occur: of every cell, the blocks of smallest code, up to the number
        that decides. Empty where no blocks are declared.
    groups : Groups
        Rows not yet in `rows`: none once `CountCells.finish` has added them.
    """

    n_rows: int
    rows: Ints
    cells: Ints
    blocks: Ints
    groups: Groups = field(default_factory=no_groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCells:
    """The summary that counts rows and blocks by cell.

    Parameters
    ----------
    attributes : tuple of Attribute
    level : int
        Attributes that are combined at a time.
    keys : Keys
    n_blocks : int
        Blocks kept of each cell.
    """

    attributes: tuple[Attribute, ...]
    level: int
    keys: Keys
    n_blocks: int

    @property
    def combinations(self) -> tuple[Combination, ...]:
        """Which attributes are counted together."""
        return tuple(combinations(range(len(self.attributes)), self.level))

    def shape(self, combination: Combination) -> tuple[int, ...]:
        """Return the cells of each attribute of a combination."""
        return tuple(self.attributes[one].n_cells for one in combination)

    def offsets(self) -> Ints:
        """Return where the cells of each combination begin, and where all end."""
        sizes = [int(np.prod(self.shape(one))) for one in self.combinations]
        return np.cumsum([0, *sizes])

    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [*(one.name for one in self.attributes), *self.keys.columns()]

    def sizes(self) -> tuple[int, ...]:
        """Return the cells of each attribute."""
        return self.shape(tuple(range(len(self.attributes))))

    def summarize(self, batch: pa.RecordBatch) -> Cells:
        """Count one batch."""
        codes = [one.codes(batch.column(one.name)) for one in self.attributes]
        declared = clusters_of(batch, self.keys).declared()
        if declared and self.n_blocks:
            return self._by_block(codes, declared[0])
        groups = no_groups()
        if can_pack(self.sizes()):
            groups = group_rows(codes, self.sizes())
        nothing = np.empty(0, dtype=np.int64)
        found = Cells(
            n_rows=batch.num_rows,
            rows=np.zeros(self.offsets()[-1], dtype=np.int64),
            cells=nothing,
            blocks=nothing,
            groups=groups,
        )
        if 2 * len(groups.keys) > batch.num_rows or not len(groups.keys):
            # Few rows are alike: grouping saves nothing.
            rows = combined_counts(codes, None, self.sizes(), self.level)
            return replace(found, rows=rows, groups=no_groups())
        return found

    def merge(self, a: Cells, b: Cells) -> Cells:
        """Count two sets of rows together."""
        cells, blocks = first_blocks(
            np.concatenate([a.cells, b.cells]),
            np.concatenate([a.blocks, b.blocks]),
            self.n_blocks,
        )
        both = Cells(
            n_rows=a.n_rows + b.n_rows,
            rows=a.rows + b.rows,
            cells=cells,
            blocks=blocks,
            groups=merge_groups(a.groups, b.groups),
        )
        return self.finish(both) if len(both.groups.keys) > MOST_GROUPS else both

    def finish(self, cells: Cells) -> Cells:
        """Add the rows that are still grouped."""
        codes = unpacked(cells.groups, self.sizes())
        rows = combined_counts(codes, cells.groups.counts, self.sizes(), self.level)
        return replace(cells, rows=cells.rows + rows, groups=no_groups())

    def _by_block(self, codes: list[Ints], block: Ints) -> Cells:
        known, place = np.unique(block, return_inverse=True)
        rows, cells, blocks = [], [], []
        for start, combination in zip(self.offsets(), self.combinations, strict=False):
            shape = self.shape(combination)
            flat = np.ravel_multi_index(tuple(codes[n] for n in combination), shape)
            size = int(np.prod(shape))
            pair, n_pair = _counted(flat * len(known) + place, size * len(known))
            cell, at = np.divmod(pair, max(len(known), 1))
            rows.append(np.bincount(cell, n_pair, minlength=size).astype(np.int64))
            cells.append(cell + start)
            blocks.append(known[at])
        kept = first_blocks(
            np.concatenate(cells), np.concatenate(blocks), self.n_blocks
        )
        return Cells(
            n_rows=len(block),
            rows=np.concatenate(rows),
            cells=kept[0],
            blocks=kept[1],
        )


def level_of(attributes: Sequence[Attribute], wanted: int) -> tuple[int, int]:
    """Return how many attributes are combined at a time, and how many are wanted.

    Two, or three where no attribute is numeric, unless `wanted` says otherwise; fewer
    where the counts would not fit.
    """
    if not wanted:
        wanted = 2 if any(one.is_numeric for one in attributes) else 3
    wanted = max(1, min(wanted, len(attributes)))
    sizes = [one.n_cells for one in attributes]
    fits = [
        level
        for level in range(1, wanted + 1)
        if sum(prod(some) for some in combinations(sizes, level)) <= MOST_CELLS
    ]
    return max(fits, default=1), wanted


def _counted(keys: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the distinct keys and how often each occurs."""
    if size <= DENSE:
        counts = np.bincount(keys, minlength=size)
        found = np.flatnonzero(counts)
        return found, counts[found]
    distinct, counts = np.unique(keys, return_counts=True)
    return distinct, counts
