"""What a table has seen, and how much of it rests on one block alone.

A value that only one block of rows (one day, say) ever showed would have been new to
a model fitted without that block. The share of such rows is what the next block will
bring that is new, if nothing changes: Good and Turing's argument with blocks for rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from readiness.stats import Floats, Ints

MAX_CATEGORIES = 100_000  # beyond it a column is an id, not a category
FEW_BLOCKS = 2  # categories in more blocks than this do not enter the formulas


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extremes:
    """The two highest values of a column that come from different blocks.

    Parameters
    ----------
    values, blocks : numpy.ndarray, shape (2,)
        Highest first; ``-inf`` where there is none.
    by_block : bool
        False: every row is a block of its own, and block codes mean nothing.
    """

    values: Floats
    blocks: Ints
    by_block: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Categories:
    """Rows by category, and the blocks of those that few blocks have seen.

    Parameters
    ----------
    counts : mapping of value to int
        Rows of each category; nulls are not counted.
    blocks : mapping of value to mapping of int to int, or None
        Rows by block of a category; an empty mapping when more than two blocks have
        seen it. None: every row is a block of its own.
    overflow : bool
        More than `MAX_CATEGORIES`; nothing else is kept.
    """

    counts: Mapping[Any, int] = field(default_factory=dict)
    blocks: Mapping[Any, Mapping[int, int]] | None = None
    overflow: bool = False

    @property
    def n_rows(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())


def highest(values: Floats, block: Ints | None) -> Extremes:
    """Return the two highest of n values from different blocks; NaN is left out."""
    by_block = block is not None
    kept = np.isfinite(values)
    x = values[kept]
    codes = np.arange(len(x)) if block is None else block[kept]
    if by_block and len(x):
        order = np.argsort(codes, kind="stable")
        codes, starts = np.unique(codes[order], return_index=True)
        x = np.maximum.reduceat(x[order], starts)
    return _two_highest(x, codes, by_block=by_block)


def merge_extremes(a: Extremes, b: Extremes) -> Extremes:
    """Return the extremes of two sets of rows together."""
    values = np.concatenate([a.values, b.values])
    blocks = np.concatenate([a.blocks, b.blocks])
    first = int(np.argmax(values))
    # The second must come from another block than the first.
    own = (blocks == blocks[first]) & a.by_block
    own[first] = False
    return _two_highest(np.where(own, -np.inf, values), blocks, by_block=a.by_block)


def categories(values: pa.Array, block: Ints | None) -> Categories:
    """Count the categories of n values and the blocks that saw them.

    Parameters
    ----------
    values : pyarrow.Array, shape (n,)
        Of any scalar type; null and NaN are left out.
    block : numpy.ndarray of int, shape (n,), or None
        Block of each row; None: every row is a block of its own.
    """
    codes, names = encoded(values)
    if len(names) > MAX_CATEGORIES:
        return Categories(overflow=True)
    kept = codes >= 0
    counts = np.bincount(codes[kept], minlength=len(names))
    of_name = {name: int(n) for name, n in zip(names, counts, strict=True) if n}
    if block is None:
        return Categories(counts=of_name)
    found, place = np.unique(block[kept], return_inverse=True)
    pairs, rows = np.unique(codes[kept] * len(found) + place, return_counts=True)
    where: dict[Any, dict[int, int]] = {name: {} for name in of_name}
    code_of_pair, block_of_pair = np.divmod(pairs, max(len(found), 1))
    few = np.bincount(code_of_pair, minlength=len(names)) <= FEW_BLOCKS
    for code, at, n in zip(code_of_pair, block_of_pair, rows, strict=True):
        if few[code]:
            where[names[code]][int(found[at])] = int(n)
    return Categories(counts=of_name, blocks=where)


def merge_categories(a: Categories, b: Categories) -> Categories:
    """Return the categories of two sets of rows together."""
    if a.overflow or b.overflow:
        return Categories(overflow=True)
    counts = dict(a.counts)
    for name, n in b.counts.items():
        counts[name] = counts.get(name, 0) + n
    if len(counts) > MAX_CATEGORIES:
        return Categories(overflow=True)
    if a.blocks is None or b.blocks is None:
        return Categories(counts=counts)
    blocks = dict(a.blocks)
    for name, where in b.blocks.items():
        blocks[name] = _merged(blocks[name], where) if name in blocks else where
    return Categories(counts=counts, blocks=blocks)


def encoded(values: pa.Array) -> tuple[Ints, list[Any]]:
    """Return a code per value, -1 for null and NaN, and the values by code."""
    if pa.types.is_floating(values.type):
        values = pc.add(values.cast(pa.float64()), 0.0)  # 0 and minus 0 are one value
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    names = values.dictionary.to_pylist()
    codes = np.asarray(values.indices.fill_null(-1)).astype(np.int64)
    unusable = [n for n, name in enumerate(names) if name is None or name != name]  # noqa: PLR0124 (NaN)
    codes[np.isin(codes, unusable)] = -1
    return codes, names


def alone(seen: Categories) -> set[Any]:
    """Return the categories that exactly one block has seen."""
    if seen.blocks is None:
        return {name for name, n in seen.counts.items() if n == 1}
    return {name for name, where in seen.blocks.items() if len(where) == 1}


def _two_highest(values: Floats, blocks: Ints, *, by_block: bool) -> Extremes:
    order = np.argsort(-values, kind="stable")[:2]
    top = np.full(2, -np.inf)
    codes = np.full(2, -1, dtype=np.int64)
    top[: len(order)] = values[order]
    codes[: len(order)] = blocks[order]
    return Extremes(values=top, blocks=codes, by_block=by_block)


def _merged(a: Mapping[int, int], b: Mapping[int, int]) -> Mapping[int, int]:
    """Return rows by block of two sets of rows; empty when blocks are many."""
    if not a or not b:
        return {}
    both = dict(a)
    for block, n in b.items():
        both[block] = both.get(block, 0) + n
    return both if len(both) <= FEW_BLOCKS else {}
