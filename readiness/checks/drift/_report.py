"""Budgets as rows of a summary and as tables."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from readiness.checks.drift._base import LEVEL, LOSS, Base
from readiness.errors import Reason
from readiness.stats import empty_row, no_interval, summary_row
from readiness.tolerance import Arm, Budget, band, budget, worst

# The others are shares.
UNITS = {"mean": "SD", "scale": "SD", "noise": "SD", "direction": "SD"}
CALM = 0.5  # of the loss that is tolerated: columns below are named, not drawn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """One column moved along one family.

    Parameters
    ----------
    column, family : str
        The family is ``"mean"``, ``"scale"``, ``"noise"``, ``"category"``,
        ``"missing"``, ``"outlier"``, or ``"direction"`` of several columns, whose
        name then stands for the column.
    arms : tuple of Arm
        Both directions, of each category where there are several.
    sd : float
        Of the column in its own unit; 1 for a share.
    unit : str
        The column's unit as declared; may be empty.
    past : float
        Largest move between two historical windows, in SD or as a share; NaN when
        not known.
    n_rows : int
        Rows the curve rests on.
    """

    column: str
    family: str
    arms: tuple[Arm, ...]
    sd: float
    unit: str
    past: float
    n_rows: int

    @property
    def reach(self) -> float:
        """The farthest move the data can speak about in any direction."""
        return max((arm.reach for arm in self.arms), default=0.0)


def summary_rows(
    base: Base,
    moved: Sequence[Moved],
    skipped: Iterable[tuple[str, str, Reason]],
    *,
    families: Sequence[str],
    seed: int,
) -> list[dict[str, Any]]:
    """Return the rows of the summary: both budgets of each column and family.

    Parameters
    ----------
    base : Base
        The rows before anything moves.
    moved : sequence of Moved
        What was measured.
    skipped : iterable of (column, family, Reason)
        What was not, and why.
    families : sequence of str
        Every family of the check: each gets a row, if only to say there is none.
    seed : int
        Of the bands.
    """
    rows = []
    for one in moved:
        for name, room in base.rooms.items():
            found = budget(one.arms, room, seed)
            rows.append(_row(base, one, name, found))
    for column, family, reason in skipped:
        unit = UNITS.get(family, "share")
        rows += [
            empty_row(f"{family}{name}_budget", column, reason, unit)
            for name in base.rooms
        ]
    named = {row["metric"] for row in rows}
    for family in families:
        for name in (LEVEL, LOSS):
            metric, unit = f"{family}{name}_budget", UNITS.get(family, "share")
            if name not in base.rooms:
                rows.append(_once(base, metric, unit))
            elif metric not in named:
                rows.append(empty_row(metric, "", Reason.NO_COLUMNS, unit))
    return rows


def curve_table(base: Base, moved: Sequence[Moved], seed: int) -> pd.DataFrame:
    """Return the tolerance curves: one row per point.

    Returns
    -------
    pandas.DataFrame
        ``column, family, category, move`` (signed; SD or share), ``move_in_unit``,
        ``loss`` (metric points, positive is worse) and its band ``loss_low,
        loss_high``, and the metric itself as ``value``.
    """
    rows = []
    room = base.rooms[LOSS]
    for one in moved:
        bands = band(one.arms, room, seed)
        for arm, (left, width) in zip(one.arms, bands, strict=True):
            for k, point in enumerate(arm.points):
                loss = room.value - left[k]
                rows.append(
                    {
                        "column": one.column,
                        "family": one.family,
                        "category": arm.name,
                        "move": arm.sign * point.size,
                        "move_in_unit": arm.sign * point.size * one.sd,
                        "loss": loss,
                        "loss_low": loss - width[k],
                        "loss_high": loss + width[k],
                        "value": base.estimate.value - base.sign * loss,
                    }
                )
    columns = ["column", "family", "category", "move", "move_in_unit"]
    columns += ["loss", "loss_low", "loss_high", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    by = ["column", "family", "category", "move"]
    return frame.drop_duplicates(by).sort_values(by, ignore_index=True)


def budget_table(base: Base, moved: Sequence[Moved], seed: int) -> pd.DataFrame:
    """Return one row per column and family: loss budget, worst loss, past move.

    Returns
    -------
    pandas.DataFrame
        ``loss_category`` and ``level_category``: the category that costs the tolerated
        loss, or misses the acceptable value, first; empty for other families.
        ``past_move`` (SD or share) is the largest move between two historical windows
        and ``past`` compares it with the loss budget: ``within``, ``beyond``,
        ``undecided``, ``beyond_support``, or empty when no history is known.
    """
    room = base.rooms[LOSS]
    rows = []
    for one in moved:
        found = budget(one.arms, room, seed)
        loss, arm = worst(one.arms)
        rows.append(
            {
                "column": one.column,
                "family": one.family,
                "unit": UNITS.get(one.family, "share"),
                "own_unit": one.unit,
                "sd": one.sd,
                "loss_budget": found.value,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "direction": found.direction,
                "loss_category": found.name,
                "level_category": _level_category(base, one, seed),
                "worst_loss": loss,
                "worst_category": arm.name if arm else "",
                "calm": bool(loss <= CALM * room.value),
                "reach": one.reach,
                "past_move": one.past,
                "past": _past(one, found),
            }
        )
    names = ["column", "family", "unit", "own_unit", "sd", "loss_budget", "ci_low"]
    names += [
        "ci_high",
        "direction",
        "loss_category",
        "level_category",
        "worst_loss",
        "worst_category",
        "calm",
        "reach",
    ]
    frame = pd.DataFrame(rows, columns=[*names, "past_move", "past"])
    order = frame["worst_loss"].sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def base_table(base: Base) -> pd.DataFrame:
    """Return the headline metric before anything moves, and what it is held against."""
    acceptable = base.case.file.model.acceptable
    return pd.DataFrame(
        [
            {
                "table": base.scores.table,
                "metric": base.metric.name,
                "value": base.interval.value,
                "ci_low": base.interval.ci_low,
                "ci_high": base.interval.ci_high,
                "n_rows": base.interval.n_rows,
                "n_blocks": base.interval.n_blocks,
                "acceptable": math.nan if acceptable is None else acceptable,
                "tolerated_loss": base.rooms[LOSS].value,
                "room": base.rooms[LEVEL].value if LEVEL in base.rooms else math.nan,
            }
        ]
    )


def _row(base: Base, one: Moved, name: str, found: Budget) -> dict[str, Any]:
    # A joint direction has no unit but the SD.
    has_unit = one.family in UNITS and one.family != "direction"
    in_unit = one.sd if has_unit else math.nan
    filled = {
        **empty_row(
            f"{one.family}{name}_budget",
            one.column,
            Reason.BEYOND_SUPPORT,
            UNITS.get(one.family, "share"),
            one.n_rows,
        ),
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_blocks": min(base.interval.n_blocks, one.n_rows),
        "dependence_factor": base.interval.dependence_factor,
        "value_in_unit": found.value * in_unit,
        "ci_low_in_unit": found.ci_low * in_unit,
        "ci_high_in_unit": found.ci_high * in_unit,
        "own_unit": one.unit if has_unit else "",
        "direction": found.direction or None,
        "censored": found.censored,
    }
    return filled if found.censored else {**filled, "reason": None}


def _level_category(base: Base, one: Moved, seed: int) -> str:
    """Return the category whose share misses the acceptable value first; or empty."""
    if one.family != "category" or LEVEL not in base.rooms:
        return ""
    return budget(one.arms, base.rooms[LEVEL], seed).name


def _once(base: Base, metric: str, unit: str) -> dict[str, Any]:
    """Return the one row of a level budget that no column can have."""
    if base.no_level != "missed":
        return empty_row(metric, "", Reason(base.no_level), unit)
    spent = summary_row(metric, "", no_interval(), unit)
    return {
        **spent,
        "value": 0.0,
        "ci_low": 0.0,
        "ci_high": 0.0,
        "n_rows": base.interval.n_rows,
        "n_blocks": base.interval.n_blocks,
    }


def _past(one: Moved, found: Budget) -> str:
    if math.isnan(one.past):
        return ""
    if one.past <= found.ci_low:
        return "within"
    if one.past > found.ci_high:
        return "beyond"
    unbounded = all(arm.last for arm in one.arms)
    return "beyond_support" if one.past > one.reach and not unbounded else "undecided"
