"""Row-wise faults of a data pipeline: what a broken feed makes of good rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.columns import Column

Values: TypeAlias = "pd.Series[Any]"

UNIT_FACTORS = (10, 100, 1000)
FILL_VALUES = (0, -1, 999)
NEVER_SEEN = "(never seen)"
# A unit as people write it -> the unit it is taken for, slope and offset.
_CONVERSIONS = {
    "°F": ("°C", 5 / 9, -160 / 9),
    "in": ("cm", 2.54, 0.0),
    "ft": ("m", 0.3048, 0.0),
    "mi": ("km", 1.609344, 0.0),
    "mph": ("km/h", 1.609344, 0.0),
    "lb": ("kg", 0.45359237, 0.0),
}
UNIT_MISTAKES = {
    **_CONVERSIONS,
    **{
        other: (unit, 1 / slope, -offset / slope)
        for unit, (other, slope, offset) in _CONVERSIONS.items()
    },
}
UNIT_NAMES = {
    "F": "°F",
    "degF": "°F",
    "C": "°C",
    "degC": "°C",
    "inch": "in",
    "inches": "in",
    "feet": "ft",
    "metres": "m",
    "meters": "m",
    "mile": "mi",
    "miles": "mi",
    "kmh": "km/h",
    "kph": "km/h",
    "pounds": "lb",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaultRows:
    """Good rows, and what a fault may put in their place.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows of the model's columns, fresh index.
    previous : pandas.DataFrame or None
        The row before each of them, of the same entity or in time; None without a
        time column.
    has_previous : ndarray of bool, shape (n,), or None
        False for the first row of an entity.
    seed : int
        Seed of noise and shuffles; draws follow the order of the rows.
    """

    frame: pd.DataFrame
    previous: pd.DataFrame | None = None
    has_previous: NDArray[np.bool_] | None = None
    seed: int = 7


Alter = Callable[[FaultRows], dict[str, Values]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fault:
    """One fault of one column.

    Parameters
    ----------
    column, name : str
        ``name`` is short and holds no slash: ``"times 10"``, ``"stale"``.
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
        Good rows; they tell whether a previous row is known.

    Returns
    -------
    tuple of Fault
    """
    made = [*_any_kind(column, rows), *_swap(column, columns)]
    if column.kind == "numeric":
        made += [*_units(column), *_numeric(column)]
    if column.kind == "categorical":
        made += _categorical(column, rows)
    if column.kind == "boolean":
        words = "yes and no are exchanged"
        made.append(_on_column(column, "inverted", words, _invert))
    return tuple(made)


def _any_kind(column: Column, rows: FaultRows) -> list[Fault]:
    name = column.name
    held = [("stale", "the value is that of the row before", partial(_hold, name))]
    moved = [
        ("shuffled", "the value is that of another row", partial(_shuffle, name)),
        *(held if rows.previous is not None else []),
    ]
    return [
        _on_column(column, "missing", "the value is missing", blank),
        _on_column(column, "stuck", "every row has the typical value", _stick),
        *(Fault(column=name, name=n, words=w, alter=alter) for n, w, alter in moved),
    ]


def _swap(column: Column, columns: Mapping[str, Column]) -> list[Fault]:
    alike = [one.name for one in columns.values() if one.kind == column.kind]
    if len(alike) < 2:  # noqa: PLR2004 (a swap needs two)
        return []
    partner = alike[(alike.index(column.name) + 1) % len(alike)]
    words, alter = f"exchanged with {partner}", partial(_exchange, column.name, partner)
    return [Fault(column=column.name, name="swapped", words=words, alter=alter)]


def _units(column: Column) -> list[Fault]:
    made = [
        _on_column(
            column,
            f"times {factor}",
            f"the value is {factor} times too large",
            partial(_scale, slope=factor),
        )
        for factor in UNIT_FACTORS
    ]
    unit = UNIT_NAMES.get(column.unit or "", column.unit or "")
    if unit in UNIT_MISTAKES:
        other, slope, offset = UNIT_MISTAKES[unit]
        made.append(
            _on_column(
                column,
                f"in {other.replace('/', ' per ')}",
                f"the value comes in {other} instead of {unit}",
                partial(_scale, slope=slope, offset=offset),
            )
        )
    return made


def _numeric(column: Column) -> list[Fault]:
    flip = partial(_scale, slope=-1)
    made = [_on_column(column, "sign flip", "the sign is reversed", flip)]
    made += [
        _on_column(
            column, f"filled with {fill}", f"the value is {fill}", partial(_fill, fill)
        )
        for fill in FILL_VALUES
    ]
    if column.measurement_sd is not None:
        made.append(
            Fault(
                column=column.name,
                name="noise",
                words=f"noise of SD {column.measurement_sd:g} is added",
                alter=partial(_add_noise, column.name, column.measurement_sd),
            )
        )
    return made


def _categorical(column: Column, rows: FaultRows) -> list[Fault]:
    made = [_on_column(column, "unseen", "the category was never seen before", unseen)]
    if not pd.api.types.is_numeric_dtype(rows.frame[column.name].dtype):
        empty = partial(_fill, "")
        made.append(_on_column(column, "empty text", "the text is empty", empty))
    return made


def _on_column(
    column: Column,
    name: str,
    words: str,
    change: Callable[[Values], Values],
) -> Fault:
    def alter(rows: FaultRows) -> dict[str, Values]:
        return {column.name: change(rows.frame[column.name])}

    return Fault(column=column.name, name=name, words=words, alter=alter)


def blank(values: Values) -> Values:
    """Return the column without any value; whole numbers become floats, as in files."""
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind in "iub":
        kind = np.dtype(np.float64)
    return pd.Series([None] * len(values), index=values.index, dtype=kind)


def unseen(values: Values) -> Values:
    """Return the column with a category no row has: a text, or the next number."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _fill(int(np.nanmax(values.astype(float))) + 1, values)
    return _fill(NEVER_SEEN, values)


def _fill(fill: object, values: Values) -> Values:
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = values.cat.categories
        names = known if fill in known else [*known, fill]
        cells = pd.Categorical([fill] * len(values), categories=names)
        return pd.Series(cells, index=values.index)
    kind = values.dtype
    if pd.api.types.is_numeric_dtype(kind):
        kind = _numbers(values).dtype
    return pd.Series([fill] * len(values), index=values.index, dtype=kind)


def _numbers(values: Values) -> Values:
    """Return numbers wide enough to calculate with: int64, else float64."""
    whole = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu"
    return values.astype("int64" if whole else "float64")


def _scale(values: Values, slope: float, offset: float = 0.0) -> Values:
    numbers = _numbers(values)
    scaled = numbers * slope + offset if offset else numbers * slope
    return pd.Series(scaled, index=values.index)


def _invert(values: Values) -> Values:
    known = values.notna()
    return values.where(~known, values[known].astype(bool).map(np.logical_not))


def _stick(values: Values) -> Values:
    """Return the column stuck at its median, or at its most common value."""
    known = values.dropna()
    if known.empty:
        return values
    if pd.api.types.is_bool_dtype(known.dtype) or not (
        pd.api.types.is_numeric_dtype(known.dtype)
    ):
        typical = known.mode().iloc[0]
    else:
        typical = known.sort_values().iloc[(len(known) - 1) // 2]
    return pd.Series([typical] * len(values), index=values.index, dtype=values.dtype)


def _hold(column: str, rows: FaultRows) -> dict[str, Values]:
    own = rows.frame[column]
    if rows.previous is None or rows.has_previous is None:
        return {column: own}
    before = rows.previous[column].set_axis(own.index)
    return {column: before.where(rows.has_previous, own)}


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
