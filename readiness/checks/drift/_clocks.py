"""Which columns tell the time: no sensor reads it wrong by a part of its spread."""

import re
from collections.abc import Sequence

from readiness.columns import Column

CLOCK_UNIT = re.compile(r"(hour|minute|second|day|week|month)s? (of|after|since)\b")
CLOCK_NAME = re.compile(
    r"(.*[_ ])?(hour|hr|minute|month|mnth|week_?day|day_?of_?week|dow|day_?of_?month|"
    r"day_?of_?year|doy|week_?of_?year|week_?number|year|yr|quarter|season)|day|week",
    re.IGNORECASE,
)


def is_clock(column: Column) -> bool:
    """Return whether a column tells the time: by its kind, its unit, else its name.

    Examples
    --------
    >>> is_clock(Column(name="sched_hour", kind="numeric"))
    True
    >>> is_clock(Column(name="plane_year", kind="numeric", unit="year built"))
    False
    """
    if column.kind in ("categorical", "boolean"):
        return False
    if column.kind == "time" or column.unit is None:
        return column.kind == "time" or CLOCK_NAME.fullmatch(column.name) is not None
    return CLOCK_UNIT.match(column.unit) is not None


def tells_time(column: Column, declared: Sequence[str]) -> bool:
    """Return whether a column moves by design: it tells the time, or is declared so."""
    named = CLOCK_NAME.fullmatch(column.name) is not None
    is_text = column.kind == "categorical"
    return is_clock(column) or (is_text and named) or column.name in declared


def move_unit(column: Column) -> str:
    """Return the unit of a move of a column; empty where none is declared.

    Examples
    --------
    >>> move_unit(Column(name="start", kind="numeric", unit="minutes after midnight"))
    'minutes'
    >>> move_unit(Column(name="wind", kind="numeric", unit="mph"))
    'mph'
    """
    if column.kind == "time":
        return "days"
    unit = column.unit or ""
    return unit.split(" ")[0] if CLOCK_UNIT.match(unit) else unit
