"""Columns whose numbers look as if they were written in another unit."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from readiness.column_profiles import ColumnProfile
from readiness.text import number, visible

# How one unit is written in another: factor, offset, and what that is called.
CHANGES = (
    *((10.0**n, 0.0, f"{10**n:,} times as large") for n in (1, 2, 3, 6)),
    *((10.0**-n, 0.0, f"{10**n:,} times as small") for n in (1, 2, 3, 6)),
    (2.54, 0.0, "inches written as centimetres"),
    (1 / 2.54, 0.0, "centimetres written as inches"),
    (0.3048, 0.0, "feet written as metres"),
    (1 / 0.3048, 0.0, "metres written as feet"),
    (1.609344, 0.0, "miles written as kilometres"),
    (1 / 1.609344, 0.0, "kilometres written as miles"),
    (0.45359237, 0.0, "pounds written as kilograms"),
    (1 / 0.45359237, 0.0, "kilograms written as pounds"),
    (60.0, 0.0, "60 times as large, such as hours written as minutes"),
    (1 / 60.0, 0.0, "60 times as small, such as minutes written as hours"),
    (1.8, 32.0, "°C written as °F"),
    (1 / 1.8, -32 / 1.8, "°F written as °C"),
    (1.0, 273.15, "°C written as K"),
    (1.0, -273.15, "K written as °C"),
)
SPREAD_ERROR = 0.05  # of the factor
MEAN_ERROR = 0.15  # of the spread, or of the mean
FEWEST = 100  # rows with a number; fewer tell nothing about a unit
FEWEST_VALUES = 10  # distinct; a code or a flag has no unit


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """A column of one table that fits another unit better than its own."""

    column: str
    table: str
    change: str

    def sentence(self) -> str:
        """Return the warning in words."""
        name = visible(self.column, 40)
        return f"{self.table}: {name} looks like a change of unit: {self.change}."


def unit_changes(
    profiles: Mapping[str, Mapping[str, ColumnProfile]],
    base: str,
    counts: Container[str] = (),
) -> list[UnitChange]:
    """Return the columns whose mean and spread both fit a change of unit.

    Parameters
    ----------
    profiles : mapping
        By table, then by column.
    base : str
        The table whose units are right.
    counts : container of str
        Columns that count things, which only whole factors change: more rides are no
        kilometres.

    Notes
    -----
    Both must fit: the spread the factor within a twentieth, and the mean what the
    change makes of it within 0.15 of the spread; of numbers that are never below 0, of
    the mean if that is smaller. A season moves one or the other.
    """
    found = []
    for table, columns in profiles.items():
        for name, one in columns.items() if table != base else ():
            known = profiles[base].get(name)
            is_count = name in counts
            change = _change(known, one, is_count=is_count) if known else ""
            if change:
                found.append(UnitChange(column=name, table=table, change=change))
    return found


def _change(known: ColumnProfile, one: ColumnProfile, *, is_count: bool) -> str:
    if not (_has_numbers(known) and _has_numbers(one)) or _fits(known, one, 1.0, 0.0):
        return ""  # what fits unchanged has not changed: 273 is nothing beside 60,000
    for factor, offset, words in CHANGES:
        if is_count and (offset or not max(factor, 1 / factor).is_integer()):
            continue
        if _fits(known, one, factor, offset):
            means = f"mean {number(known.mean)} in the past, {number(one.mean)} here"
            return f"{words} ({means})"
    return ""


def _fits(known: ColumnProfile, one: ColumnProfile, factor: float, at: float) -> bool:
    spread, mean = factor * known.std, factor * known.mean + at
    # Where nothing is below 0 the mean has a scale of its own: a few wet days spread
    # rain as widely as another unit would.
    room = spread if known.minimum < 0 else min(spread, abs(mean))
    same_spread = abs(one.std - spread) <= SPREAD_ERROR * spread
    return bool(same_spread and abs(one.mean - mean) <= MEAN_ERROR * room)


def _has_numbers(one: ColumnProfile) -> bool:
    enough = one.n_present >= FEWEST and one.n_distinct >= FEWEST_VALUES
    usable = np.isfinite(one.mean) and np.isfinite(one.std) and one.std > 0
    return bool(one.kind == "numeric" and enough and usable)
