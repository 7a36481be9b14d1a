"""PUBLISH: what findings kept by block, read back, and two findings paired by it."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from readiness.intervals import Floats, Ints, spread_of
from readiness.markup import csv_rows
from readiness.result import INFLUENCE
from readiness.text import visible

Key = tuple[str, str, str]  # check code, metric, group
COLUMNS = ("metric", "group", "table", "blocks", "block", "influence")
GIVEN = " given "  # between what a block is and what else was drawn
MAX_BYTES = 10_000_000
MAX_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """What one finding kept of one table, in one way of summing its rows.

    Parameters
    ----------
    table, blocks : str
        The table, and what a block is; the same in two runs: the same rows.
    block : numpy.ndarray of int, shape (K,)
        Which block, each once.
    influence : numpy.ndarray of float, shape (K,)
        What it brings to the error of the finding.
    """

    table: str
    blocks: str
    block: Ints
    influence: Floats

    @property
    def way(self) -> tuple[str, str]:
        """Table and blocks, whatever else was drawn: what is redrawn together."""
        return self.table, self.blocks.partition(GIVEN)[0]

    @property
    def se(self) -> float:
        """Standard error of the finding by these blocks; NaN of fewer than two."""
        return spread_of(self.influence * len(self.influence), None).se


Kept = Mapping[Key, tuple[Sums, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How far a difference on the same rows may lie below and above, and why.

    Parameters
    ----------
    below, above : float
        Each to a one-sided 95 % limit.
    n_blocks : int
        Blocks it was taken over: the fewest of several tables.
    """

    below: float
    above: float
    n_blocks: int


def read_kept(tables: Path, checks: Iterable[Mapping[str, Any]]) -> Kept:
    """Return what the findings of a run kept by block.

    Parameters
    ----------
    tables : pathlib.Path
        The folder of the run's CSV files.
    checks : iterable of mapping
        Of results.json: ``code`` and ``tables``.

    Returns
    -------
    mapping
        By check code, metric and group; nothing for a check that kept nothing. A file
        of another shape, such as a user's own table of that name, is not evidence.
    """
    found: dict[Key, tuple[Sums, ...]] = {}
    for check in checks:
        name = f"{check['code']}-{INFLUENCE}.csv"
        if name in check["tables"]:
            found |= _of_check(check["code"], _lines(tables / name))
    return found


def _lines(path: Path) -> list[dict[str, str]]:
    is_plain = path.is_file() and not path.is_symlink()
    if not is_plain or path.stat().st_size > MAX_BYTES:
        return []
    try:
        lines = csv_rows(path)
    except UnicodeDecodeError:
        return []
    return lines if lines and tuple(lines[0]) == COLUMNS else []


def _of_check(code: str, lines: Iterable[Mapping[str, str]]) -> dict[Key, Any]:
    parts: dict[tuple[str, ...], dict[int, float]] = {}
    for line in lines:
        way = tuple(line[name] for name in COLUMNS[:4])
        try:
            parts.setdefault(way, {})[int(line["block"])] = float(line["influence"])
        except (TypeError, ValueError):
            return {}
    found: dict[Key, tuple[Sums, ...]] = {}
    for (metric, group, table, blocks), sums in parts.items():
        influence = np.array(list(sums.values()))
        if not np.isfinite(influence).all():
            continue
        one = Sums(
            table=table,
            blocks=blocks,
            block=np.array(list(sums), dtype=np.int64),
            influence=influence,
        )
        key = (code, metric, group)
        found[key] = (*found.get(key, ()), one)
    return found


def paired(
    before: Sequence[Sums],
    after: Sequence[Sums],
    shared: Collection[str],
    *,
    sign: float = -1.0,
) -> Paired | str:
    """Return the spread of a difference of two findings on the same rows.

    Parameters
    ----------
    before, after : sequence of Sums
        What each kept.
    shared : collection of str
        Tables that are the same file in both runs.
    sign : float
        Of the earlier finding: 1 where it is mirrored first.

    Returns
    -------
    Paired or str
        Or why it cannot be paired, in a few words.

    Notes
    -----
    The influence of the difference is the difference of the influence values, so its
    sums by block are differences of kept sums; t with K - 1 degrees of freedom, fewer
    where they have heavy tails, as every interval here. The wider of block and entity
    wins; tables count as independent of each other.
    """
    if not (before and after):
        return "no sums by block are kept"
    other = sorted({one.table for one in (*before, *after)} - set(shared))
    if other:
        return f"the runs read other {visible(other[0], MAX_CHARS)} rows"
    old, new = (
        {(one.table, one.blocks): one for one in side} for side in (before, after)
    )
    if old.keys() != new.keys():
        return "their blocks are not the same"
    widest: dict[str, Paired] = {}
    for way, one in new.items():
        spread = _spread(old[way], one, sign)
        table = way[0]
        if table not in widest or _width(spread) > _width(widest[table]):
            widest[table] = spread
    found = widest.values()
    return Paired(
        below=math.hypot(*(one.below for one in found)),
        above=math.hypot(*(one.above for one in found)),
        n_blocks=min(one.n_blocks for one in found),
    )


def _spread(before: Sums, after: Sums, sign: float) -> Paired:
    """Return the spread by one way of summing; a block one lacks brings nothing."""
    blocks = np.union1d(before.block, after.block)
    moved = np.zeros(len(blocks))
    moved[np.searchsorted(blocks, after.block)] += after.influence
    moved[np.searchsorted(blocks, before.block)] += sign * before.influence
    spread = spread_of(moved * len(blocks), None)
    return Paired(below=spread.below, above=spread.above, n_blocks=len(blocks))


def _width(one: Paired) -> float:
    return one.below + one.above
