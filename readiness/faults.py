"""Row-wise faults of a data pipeline: what a broken feed makes of good rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.columns import Column
from readiness.fault_units import DAY_CLOCKS, unit_mistake
from readiness.fault_values import (
    NEVER_SEEN,
    Values,
    as_text,
    blank,
    clipped,
    day_for_month,
    filled,
    has_decimals,
    inverted,
    is_number,
    later,
    other_case,
    padded,
    renamed,
    scaled,
    stuck,
    truncated,
    turned,
    unseen,
    with_decimal_comma,
    without_comma,
    without_decimals,
)

__all__ = ["NEVER_SEEN", "Fault", "FaultRows", "Values", "blank", "unseen"]

UNIT_FACTORS = (10, 100, 1000)
FILL_VALUES = (0, -1, 999)
TIME_SHIFTS = (1, 8)  # hours: summer time, another continent
STALE, DAY_OLD = "stale", "day old"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Earlier:
    """An earlier row for each row, of the same entity or in time.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows of the model's columns, fresh index.
    known : ndarray of bool, shape (n,)
        False where there is no such row.
    age : ndarray of float, shape (n,)
        Hours that it is older.
    """

    frame: pd.DataFrame
    known: NDArray[np.bool_]
    age: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaultRows:
    """Good rows, and what a fault may put in their place.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows of the model's columns, fresh index.
    earlier : mapping of str to Earlier
        ``"stale"``: the row before, of the same entity or in time; ``"day old"``: the
        last one at least a day before. Empty without a time column.
    seed : int
        Seed of noise and shuffles; draws follow the order of the rows.
    """

    frame: pd.DataFrame
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    seed: int = 7


Alter = Callable[[FaultRows], dict[str, Values]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fault:
    """One fault of one column, or of all columns of a source.

    Parameters
    ----------
    column, name : str
        The column, or ``source=`` and the source. `name` is short and holds no slash:
        ``"times 10"``, ``"stale"``.
    words : str
        What happened, for a pipeline owner.
    alter : callable
        ``alter(rows)`` returns every altered column by name, n values each.
    """

    column: str
    name: str
    words: str
    alter: Alter


def faults_of(
    column: Column, columns: Mapping[str, Column], rows: FaultRows
) -> tuple[Fault, ...]:
    """Return the faults that can befall one column.

    Parameters
    ----------
    column : Column
        Its kind, unit and measurement noise decide which.
    columns : mapping of str to Column
        Every column of the model, in order: swaps need a partner of the same kind.
    rows : FaultRows
        Good rows; they tell types, and whether an earlier row is known.

    Returns
    -------
    tuple of Fault
    """
    values = rows.frame[column.name]
    made = [*_any_kind(column, rows), *_swap(column, columns)]
    is_time = pd.api.types.is_datetime64_any_dtype(values.dtype)
    if column.kind == "numeric" and not is_time:
        made += [*_units(column), *_numeric(column, values)]
    if column.kind == "categorical" and not is_time:
        made += _categorical(column, values)
    if column.kind == "boolean":
        words = "yes and no are exchanged"
        made.append(_on_column(column, "inverted", words, inverted))
    if is_time:
        made += _times(column)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        made.append(_on_column(column, "as text", "the value comes as text", as_text))
    return tuple(made)


def _any_kind(column: Column, rows: FaultRows) -> list[Fault]:
    name = column.name
    told = {
        STALE: "the value is that of the row before",
        DAY_OLD: "the value is a day old",
    }
    moved = [
        ("shuffled", "the value is that of another row", partial(_shuffle, name)),
        *(
            (lag, words, partial(_hold, name, lag))
            for lag, words in told.items()
            if lag in rows.earlier
        ),
    ]
    return [
        _on_column(column, "missing", "the value is missing", blank),
        _on_column(column, "stuck", "every row has the typical value", stuck),
        *(Fault(column=name, name=n, words=w, alter=alter) for n, w, alter in moved),
    ]


def _swap(column: Column, columns: Mapping[str, Column]) -> list[Fault]:
    alike = [one.name for one in columns.values() if one.kind == column.kind]
    if len(alike) < 2:  # noqa: PLR2004 (a swap needs two)
        return []
    partner = alike[(alike.index(column.name) + 1) % len(alike)]
    words, alter = f"exchanged with {partner}", partial(_exchange, column.name, partner)
    return [Fault(column=column.name, name="swapped", words=words, alter=alter)]


def _units(column: Column) -> Iterator[Fault]:
    for factor in UNIT_FACTORS:
        words = f"the value is {factor} times too large"
        times = partial(scaled, slope=factor)
        yield _on_column(column, f"times {factor}", words, times)
    mistake = unit_mistake(column.unit)
    if mistake is not None:
        unit, other, slope, offset = mistake
        name = f"in {other.replace('/', ' per ')}"
        words = f"the value comes in {other} instead of {unit}"
        change = partial(scaled, slope=slope, offset=offset)
        yield _on_column(column, name, words, change)
    if column.unit in DAY_CLOCKS:
        hour, day = DAY_CLOCKS[column.unit]
        for hours in TIME_SHIFTS:
            turn = partial(turned, shift=hours * hour, period=day)
            yield _on_column(column, f"{hours} h off", _late(hours), turn)


def _late(hours: int) -> str:
    return f"the clock is {hours} hour{'s' * (hours > 1)} ahead"


def _numeric(column: Column, values: Values) -> Iterator[Fault]:
    flip = partial(scaled, slope=-1)
    yield _on_column(column, "sign flip", "the sign is reversed", flip)
    for fill in FILL_VALUES:
        same = partial(filled, fill)
        yield _on_column(column, f"filled with {fill}", f"the value is {fill}", same)
    words = "the sensor saturates: the value is cut to the middle half"
    yield _on_column(column, "clipped", words, clipped)
    if is_number(values) and has_decimals(values):
        for name, words, change in (
            ("decimal comma", "12.5 comes as the text “12,5”", with_decimal_comma),
            ("comma lost", "12.5 is read as 125", without_comma),
            ("no decimals", "12.5 is cut to 12", without_decimals),
        ):
            yield _on_column(column, name, words, change)
    if column.measurement_sd is not None:
        yield Fault(
            column=column.name,
            name="noise",
            words=f"noise of SD {column.measurement_sd:g} is added",
            alter=partial(_add_noise, column.name, column.measurement_sd),
        )


def _categorical(column: Column, values: Values) -> Iterator[Fault]:
    yield _on_column(column, "unseen", "the category was never seen before", unseen)
    words = "the most common category has another name"
    yield _on_column(column, "renamed", words, renamed)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return
    for name, words, change in (
        ("empty text", "the text is empty", partial(filled, "")),
        ("other case", "capitals and small letters are exchanged", other_case),
        ("space", "a space follows the text", padded),
        ("truncated", "the text is cut short", truncated),
    ):
        yield _on_column(column, name, words, change)


def _times(column: Column) -> Iterator[Fault]:
    for hours in TIME_SHIFTS:
        change = partial(later, hours=hours)
        yield _on_column(column, f"{hours} h off", _late(hours), change)
    words = "day and month are exchanged"
    yield _on_column(column, "day for month", words, day_for_month)


def _on_column(
    column: Column,
    name: str,
    words: str,
    change: Callable[[Values], Values],
) -> Fault:
    def alter(rows: FaultRows) -> dict[str, Values]:
        return {column.name: change(rows.frame[column.name])}

    return Fault(column=column.name, name=name, words=words, alter=alter)


def _hold(column: str, lag: str, rows: FaultRows) -> dict[str, Values]:
    own, before = rows.frame[column], rows.earlier[lag]
    held = before.frame[column].set_axis(own.index)
    return {column: held.where(before.known, own)}


def _exchange(column: str, partner: str, rows: FaultRows) -> dict[str, Values]:
    return {column: rows.frame[partner], partner: rows.frame[column]}


def _shuffle(column: str, rows: FaultRows) -> dict[str, Values]:
    order = np.random.default_rng(rows.seed).permutation(len(rows.frame))
    own = rows.frame[column]
    return {column: own.take(order).set_axis(own.index)}


def _add_noise(column: str, sd: float, rows: FaultRows) -> dict[str, Values]:
    own = rows.frame[column].astype("float64")
    noise = np.random.default_rng(rows.seed).normal(0.0, sd, len(own))
    return {column: own + noise}
