"""The uncovered patterns among counted cells, and those that production meets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from readiness.checks.coverage._cells import Cells, CountCells
from readiness.patterns import (
    Axis,
    Bools,
    cells_inside,
    maximal_patterns,
    pattern_blocks,
    pattern_counts,
)
from readiness.stats import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One uncovered pattern that production meets, or that is declared to occur.

    Parameters
    ----------
    values : mapping of int to int
        Value of the axis by attribute.
    base_rows, base_blocks, rows : int
        Rows and blocks of the base table, and rows of the other. Blocks are exact
        below the number that decides, and at least that number else.
    known_rows : int or None
        Rows of the reference; None where it stands for one of the two.
    can_occur : bool
        Not declared impossible.
    """

    values: Mapping[int, int]
    base_rows: int
    base_blocks: int
    rows: int
    known_rows: int | None = None
    can_occur: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncovered:
    """What is uncovered, for rows of any table, and what matters of it.

    Parameters
    ----------
    situations : list of Situation
        Maximal uncovered patterns that the other table meets, most rows first; then
        those of declared values alone, met or not.
    inside : tuple of array of bool
        By combination: the cells inside any uncovered pattern, met or not. A share of
        rows of another table would else leave out what only those rows meet.
    alone : tuple of array of bool
        By attribute: the cells inside any uncovered pattern of this one alone.
    """

    situations: list[Situation]
    inside: tuple[Bools, ...]
    alone: tuple[Bools, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Counted:
    """The patterns of one combination: rows of three tables, blocks of one."""

    axes: Sequence[Axis]
    base: Ints
    blocks: Ints
    other: Ints
    known: Ints | None
    uncovered: Bools


def search(
    count: CountCells, base: Cells, other: Cells, known: Cells | None, min_rows: int
) -> Uncovered:
    """Return what is uncovered.

    Parameters
    ----------
    count : CountCells
    base, other, known : Cells
        Of the table that was seen, of the one held against it, and of the reference
        where it is neither.
    min_rows : int
        Fewer rows, or fewer than ``count.n_blocks`` blocks where blocks are declared,
        leave a pattern uncovered.
    """
    found: dict[tuple[tuple[int, int], ...], Situation] = {}
    inside = []
    alone: dict[int, Bools] = {}
    for number, combination in enumerate(count.combinations):
        one = _counted(count, (base, other, known), number, min_rows)
        inside.append(cells_inside(one.uncovered, one.axes))
        for at, name in enumerate(combination):
            # The last value is "any".
            only = np.moveaxis(one.uncovered, at, -1).reshape(
                -1, len(one.axes[at].parents)
            )[-1]
            alone.setdefault(name, cells_inside(only, [one.axes[at]]))
        matters = (one.other > 0) | _declared(count, combination, one.axes)
        maximal = maximal_patterns(one.uncovered, one.axes) & matters
        for place in np.argwhere(maximal):
            situation = _situation(one, combination, tuple(place.tolist()))
            found[tuple(situation.values.items())] = situation
    ordered = sorted(found.items(), key=lambda item: (-item[1].rows, item[0]))
    return Uncovered(
        situations=[one for _, one in ordered],
        inside=tuple(inside),
        alone=tuple(alone[place] for place in sorted(alone)),
    )


def _counted(
    count: CountCells,
    tables: tuple[Cells, Cells, Cells | None],
    number: int,
    min_rows: int,
) -> _Counted:
    combination = count.combinations[number]
    start, end = count.offsets()[number : number + 2]
    shape = count.shape(combination)
    axes = [count.attributes[one].axis for one in combination]
    seen, met, known = tables
    base, other = (
        pattern_counts(table.rows[start:end].reshape(shape), axes)
        for table in (seen, met)
    )
    on_known = None
    if known is not None:
        on_known = pattern_counts(known.rows[start:end].reshape(shape), axes)
    here = (seen.cells >= start) & (seen.cells < end)
    blocks = pattern_blocks(
        seen.cells[here] - start, seen.blocks[here], shape, axes, count.n_blocks
    )
    uncovered = base < min_rows
    if len(seen.blocks):
        uncovered |= blocks < count.n_blocks
    return _Counted(
        axes=axes,
        base=base,
        blocks=blocks,
        other=other,
        known=on_known,
        uncovered=uncovered,
    )


def _declared(
    count: CountCells, combination: tuple[int, ...], axes: Sequence[Axis]
) -> Bools:
    """Return the patterns whose values are all declared, but for "any"."""
    found = np.ones((), dtype=bool)
    for place, axis in zip(combination, axes, strict=True):
        values = np.arange(len(axis.parents))
        expected = values < count.attributes[place].n_declared
        found = found[..., None] & (expected | (values == values[-1]))
    found[(-1,) * len(axes)] = False  # "any" alone says nothing
    return found


def _situation(
    one: _Counted, combination: tuple[int, ...], at: tuple[int, ...]
) -> Situation:
    values = {
        place: value
        for place, value, axis in zip(combination, at, one.axes, strict=True)
        if value != len(axis.parents) - 1
    }
    return Situation(
        values=values,
        base_rows=int(one.base[at]),
        base_blocks=int(one.blocks[at]),
        rows=int(one.other[at]),
        known_rows=None if one.known is None else int(one.known[at]),
    )
