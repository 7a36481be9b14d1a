"""Situations held against rows: how often they are met, and which to name first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import Combination, CountCells
from readiness.checks.coverage._uncovered import Situation
from readiness.patterns import Bools, rows_to_collect
from readiness.shares import (
    KeyedSums,
    ShareCounts,
    keyed_sums,
    merge_share_counts,
    merge_sums,
    share_counts,
)
from readiness.stats import Ints
from readiness.table_rows import Keys, clusters_of, weights_of

MOST_CANDIDATES = 62  # situations that compete for the list: one bit each
CLOSE = 0.9  # of the best gain: close enough for a simpler situation
MOST_COLLECTED = 500  # situations for which the rows to collect are worked out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Met:
    """How often rows meet situations.

    Parameters
    ----------
    shares : ShareCounts
        Of the rows in any situation, of those in any of one attribute alone, then of
        those in each line.
    together : KeyedSums
        Rows by the set of candidates they meet, as bits of the key.
    lines : tuple of array of int
        Of each batch in order, the lines each row meets, as bits; empty unless asked
        for.
    """

    shares: ShareCounts
    together: KeyedSums
    lines: tuple[Ints, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountMet:
    """The summary that holds rows against situations.

    Parameters
    ----------
    attributes : tuple of Attribute
    combinations : tuple of tuple of int
    inside : tuple of array of bool
        By combination: the cells inside any situation.
    alone : tuple of array of bool
        By attribute: the cells inside any situation of this attribute alone.
    candidates, lines : tuple of Situation
        Whose joint rows, and whose shares are counted.
    keys : Keys
    by_row : bool
        Keep the lines each row meets: one number a row, where rows are scored.
    """

    attributes: tuple[Attribute, ...]
    combinations: tuple[Combination, ...]
    inside: tuple[Bools, ...]
    alone: tuple[Bools, ...]
    candidates: tuple[Situation, ...] = ()
    lines: tuple[Situation, ...] = ()
    keys: Keys
    by_row: bool = False

    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [*(one.name for one in self.attributes), *self.keys.columns()]

    def summarize(self, batch: pa.RecordBatch) -> Met:
        """Count one batch."""
        codes = [one.codes(batch.column(one.name)) for one in self.attributes]
        hit = np.zeros(batch.num_rows, dtype=bool)
        for combination, cells in zip(self.combinations, self.inside, strict=True):
            hit |= cells[tuple(codes[n] for n in combination)]
        alone = np.zeros(batch.num_rows, dtype=bool)
        for cells, code in zip(self.alone, codes, strict=True):
            alone |= cells[code]
        lines = [_within(self.attributes, one, codes) for one in self.lines]
        bits = _bits([_within(self.attributes, one, codes) for one in self.candidates])
        return Met(
            shares=share_counts(
                np.column_stack([hit, alone, *lines]),
                clusters_of(batch, self.keys),
                weights_of(batch, self.keys),
            ),
            together=keyed_sums(bits, np.ones((batch.num_rows, 1)))
            if len(bits)
            else keyed_sums(np.zeros(0, dtype=np.int64), np.zeros((0, 1))),
            lines=(_bits(lines),) if self.by_row else (),
        )

    def merge(self, a: Met, b: Met) -> Met:
        """Count two sets of rows together."""
        return Met(
            shares=merge_share_counts(a.shares, b.shares),
            together=merge_sums(a.together, b.together),
            lines=(*a.lines, *b.lines),
        )


def listed(
    candidates: Sequence[Situation],
    together: KeyedSums,
    n_rows: int,
    *,
    most: int,
    least_share: float,
) -> list[tuple[Situation, int]]:
    """Return the situations to name first, each with the rows it adds.

    Parameters
    ----------
    candidates : sequence of Situation
    together : KeyedSums
        Rows by the set of candidates they meet.
    n_rows : int
        Rows of the table.
    most : int
        Longest list.
    least_share : float
        A situation that adds a smaller share of the rows ends the list.

    Notes
    -----
    Greedy: each next one covers most of what is left, or up to a tenth less where it
    has fewer conditions, because that is easier to say and to collect. No list of this
    length covers more than ``1 / (1 - exp(-0.9))`` times its rows.

    References
    ----------
    G. L. Nemhauser, L. A. Wolsey, M. L. Fisher (1978), doi:10.1007/BF01588971.
    """
    keys, left = together.keys.copy(), together.sums[:, 0].copy()
    bits = np.array([1 << n for n in range(len(candidates))], dtype=np.int64)
    chosen: list[tuple[Situation, int]] = []
    while len(chosen) < most and len(bits):
        gains = np.array([left[(keys & bit) != 0].sum() for bit in bits])
        close = np.flatnonzero(gains >= CLOSE * gains.max()).tolist()
        best = min(close, key=lambda n: (len(candidates[n].values), -gains[n]))
        if gains[best] < least_share * n_rows or not gains[best]:
            break
        chosen.append((candidates[best], int(gains[best])))
        left[(keys & bits[best]) != 0] = 0
    return chosen


def collected(
    count: CountCells,
    found: Sequence[Situation],
    impossible: Sequence[Bools],
    min_rows: int,
) -> tuple[int, int, int]:
    """Return the rows that would cover situations, and how many are needed at least.

    The third number counts the situations: all that can occur.

    Parameters
    ----------
    count : CountCells
        Its attributes; ``n_blocks`` blocks are needed where blocks are declared.
    found : sequence of Situation
    impossible : sequence of array of bool
        Combinations that cannot occur, as `region`.
    min_rows : int
    """
    found = [one for one in found if one.can_occur]
    if not found:
        return 0, 0, 0
    attribute = np.repeat(
        np.arange(len(count.attributes)), [one.n_cells for one in count.attributes]
    )
    regions = np.array([region(count.attributes, one.values) for one in found])
    needs = np.array([lacking(one, min_rows, count.n_blocks) for one in found])
    forbidden = np.array(impossible, dtype=bool).reshape(-1, regions.shape[1])
    total, least = rows_to_collect(regions, attribute, needs, forbidden)
    return total, least, len(found)


def expected(
    count: CountCells, found: Sequence[Situation], impossible: Sequence[Bools]
) -> list[Situation]:
    """Return situations without those that cannot occur, unless they were met."""
    kept = []
    for one in found:
        own = region(count.attributes, one.values)
        can_occur = not any(bool((~own | each).all()) for each in impossible)
        if one.rows or can_occur:
            kept.append(replace(one, can_occur=can_occur))
    return kept


def lacking(one: Situation, min_rows: int, min_blocks: int) -> int:
    """Return the rows a situation lacks: one for every block it lacks, at least."""
    return max(min_rows - one.base_rows, lacking_blocks(one, min_blocks), 0)


def lacking_blocks(one: Situation, min_blocks: int) -> int:
    """Return the blocks a situation lacks; 0 where no blocks are declared."""
    return max(min_blocks - one.base_blocks, 0) if min_blocks else 0


def region(attributes: Sequence[Attribute], values: Mapping[int, int]) -> Bools:
    """Return the cells that values allow, over the cells of all attributes."""
    parts = [
        one.axis.members[values.get(place, -1)] for place, one in enumerate(attributes)
    ]
    return np.concatenate(parts)


def _within(
    attributes: Sequence[Attribute], one: Situation, codes: Sequence[Ints]
) -> Bools:
    hit = np.ones(len(codes[0]), dtype=bool)
    for place, value in one.values.items():
        hit &= attributes[place].axis.members[value][codes[place]]
    return hit


def _bits(hits: Sequence[Bools]) -> Ints:
    if not hits:
        return np.zeros(0, dtype=np.int64)
    bits = np.zeros(len(hits[0]), dtype=np.int64)
    for place, hit in enumerate(hits):
        bits |= hit.astype(np.int64) << place
    return bits
