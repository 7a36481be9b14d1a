"""What observed moves have spent of the budgets that population tilts gave."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.checks.drift._observed_folds import label_text
from readiness.result import Measurement
from readiness.tolerance import first_below

LIMITS = ("value", "ci_low", "ci_high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How far one thing may move in one direction before the loss is not tolerated.

    Parameters
    ----------
    value, low, high : float
        The move, and its limits; infinite where the curve, or its band, never uses
        the tolerated loss up.
    far : float
        The farthest move the data can speak about.
    """

    value: float
    low: float
    high: float
    far: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Budgets:
    """Budgets by column, family, category and direction (1 or -1).

    Parameters
    ----------
    rooms : mapping
        Moves in the column's own unit, or as shares of the rows.
    metric, table : str
        The headline metric and the table the budgets were measured on; empty
        without budgets.
    tolerated : float
        Loss of the metric.
    """

    rooms: Mapping[tuple[str, str, str, int], Room]
    metric: str = ""
    table: str = ""
    tolerated: float = math.nan

    def families(self, column: str) -> list[tuple[str, str]]:
        """Return the families, and their categories, a column has budgets for."""
        found = [(key[1], key[2]) for key in self.rooms if key[0] == column]
        return list(dict.fromkeys(found))

    def categories(self, column: str) -> tuple[str, ...]:
        """Return the categories of a column that have budgets."""
        return tuple(c for family, c in self.families(column) if family == "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A share of a budget.

    `value` is NaN where the move lies beyond what the data can tell. With `at_most`
    the curve never uses the loss up, and the share is of the farthest move known;
    with `beyond` the whole interval of the move lies farther than that.
    """

    value: float
    ci_low: float
    ci_high: float
    budget: float
    at_most: bool
    beyond: bool = False


def budgets_of(measurement: Measurement | None) -> Budgets:
    """Return the loss budgets of both directions from a measured D1, if there is one.

    Parameters
    ----------
    measurement : Measurement or None
        Of `population_tilt`; its tables ``curves``, ``budgets``, ``base``.
    """
    if measurement is None:
        return Budgets(rooms={})
    base = measurement.tables["base"].iloc[0]
    room = float(base["tolerated_loss"])
    rooms: dict[tuple[str, str, str, int], Room] = {}
    curves = measurement.tables["curves"]
    for (column, family, category), one in curves.groupby(
        ["column", "family", "category"], sort=False
    ):
        for sign in (1, -1):
            arm = one[one["move"] * sign >= 0]
            arm = arm.iloc[np.argsort(arm["move"].abs().to_numpy(), kind="stable")]
            rooms[str(column), str(family), _text(category), sign] = _room(arm, room)
    return Budgets(
        rooms=rooms,
        metric=str(base["metric"]),
        table=str(base["table"]),
        tolerated=room,
    )


def spent_of(move: Mapping[str, float], up: Room, down: Room) -> Spent:
    """Return what a move has spent of the budget of its direction.

    Parameters
    ----------
    move : mapping
        ``value``, ``ci_low`` and ``ci_high``: signed, in the unit of the rooms.
    up, down : Room
        Of moves up and down.

    Notes
    -----
    Each limit takes the worst of both uncertain parts, so it errs less often than one
    limit alone would. A move whose interval holds zero may have spent nothing.

    Examples
    --------
    >>> room = Room(value=2.0, low=1.0, high=4.0, far=5.0)
    >>> spent_of({"value": 1.0, "ci_low": 0.5, "ci_high": 1.5}, room, room)
    Spent(value=0.5, ci_low=0.125, ci_high=1.5, budget=2.0, at_most=False, beyond=False)
    """
    value, low, high = (float(move[name]) for name in LIMITS)
    room = up if value >= 0 else down
    parts = [(max(high, 0.0), up), (max(-low, 0.0), down)]
    nearest = low if value >= 0 else -high
    ci_low = _ratio(max(nearest, 0.0), room.high)
    ci_high = max(_most(size, one) for size, one in parts)
    at_most = not math.isfinite(room.value)
    budget = room.far if at_most else room.value
    share = _ratio(abs(value), budget)
    if at_most and abs(value) > room.far:
        share, ci_high = math.nan, math.inf
    if math.isfinite(share):
        ci_low, ci_high = min(ci_low, share), max(ci_high, share)
    return Spent(
        value=share,
        ci_low=ci_low,
        ci_high=ci_high,
        budget=budget,
        at_most=at_most,
        beyond=at_most and nearest > max(room.far, 0.0),
    )


def _room(arm: pd.DataFrame, room: float) -> Room:
    # In the column's own unit: its SD may be another one in another table.
    sizes = arm["move_in_unit"].abs().to_numpy(dtype=float)
    left = room - arm["loss"].to_numpy(dtype=float)
    width = (arm["loss_high"] - arm["loss"]).to_numpy(dtype=float)
    return Room(
        value=first_below(sizes, left),
        low=first_below(sizes, left - width),
        high=first_below(sizes, left + width),
        far=float(sizes[-1]) if len(sizes) else 0.0,
    )


def _most(size: float, room: Room) -> float:
    """Return the most that a move of this size may have spent."""
    if size == 0:
        return 0.0
    if math.isfinite(room.low):
        return _ratio(size, room.low)
    return _ratio(size, room.far) if size <= room.far else math.inf


def _ratio(size: float, budget: float) -> float:
    if size == 0 or math.isinf(budget):
        return 0.0
    return size / budget if budget > 0 else math.inf


def _text(category: Any) -> str:  # noqa: ANN401 (a cell of a table)
    """Return a category's name as the counts of the tables write it."""
    shown = str(category)
    if shown.endswith(".0") and shown.removesuffix(".0").lstrip("-").isdigit():
        return label_text(float(shown))
    return shown
