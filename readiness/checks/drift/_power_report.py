"""Budgets beside what the planned window can see: covered, late or blind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.alarm_levels import (
    NullWindows,
    detected_within,
    smallest_detected,
)
from readiness.case import Case
from readiness.checks.drift._past import Past
from readiness.checks.drift._planned import Planned
from readiness.checks.drift._watched import Statistic
from readiness.stats import Floats

POWER = 0.8
COVERED, LATE, BLIND, UNKNOWN = "covered", "late", "blind", ""
KEY = ["column", "family", "category"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Monitor:
    """A calibrated monitor of m statistics.

    Parameters
    ----------
    statistics : sequence of Statistic
    null : NullWindows
        Windows in which nothing has changed.
    level : float
        In spreads.
    reference, spread : numpy.ndarray of float, shape (m,)
        Value of each statistic in the history, and spread of a piece.
    late_windows : int
        Windows until a detection is no use any more.
    """

    statistics: Sequence[Statistic]
    null: NullWindows
    level: float
    reference: Floats
    spread: Floats
    late_windows: int


def monitor_table(monitor: Monitor, budgets: pd.DataFrame) -> pd.DataFrame:
    """Return one row per statistic: where it alarms, and whether that is in time.

    Parameters
    ----------
    monitor : Monitor
    budgets : pandas.DataFrame
        The table ``budgets`` of population_tilt.

    Returns
    -------
    pandas.DataFrame
        ``column, family, category``; ``unit`` and ``sd``: of moves and budgets;
        ``own_unit``; ``reference`` and ``alarm_move`` in own unit (or share);
        ``alarm_rate``: share of windows with a false alarm of this statistic;
        ``window_error`` and ``reference_error``: standard errors in own unit of one
        window, and of the reference it is held against;
        ``detectable``: the move seen in one window in four cases of five, in the
        harmful direction where one is known, else in the worse; ``budget``,
        ``budget_low``, ``budget_high``, ``direction``; ``power`` with ``power_low``
        and ``power_high`` at the three, ``power_late`` within the windows that are
        of use; ``verdict``, ``verdict_low``, ``verdict_high``: covered, late, blind
        or, without a budget, empty.
    """
    frame = pd.DataFrame(
        [(one.column, one.family, one.category) for one in monitor.statistics],
        columns=KEY,
    )
    frame = frame.merge(_budgets(budgets, frame), on=KEY, how="left", sort=False)
    frame["direction"] = frame["direction"].fillna("")
    frame["own_unit"] = frame["own_unit"].fillna("")
    sd = np.where(frame["family"] == "mean", frame["sd"].fillna(1.0), 1.0)
    frame["sd"] = sd
    frame["unit"] = np.where(frame["family"] == "mean", "SD", "share")
    frame["reference"] = monitor.reference
    frame["alarm_move"] = monitor.level * monitor.spread
    frame["alarm_rate"] = monitor.null.alarms(monitor.level)
    means = monitor.null.shift.mean(axis=1)
    frame["reference_error"] = means.std(axis=0)
    frame["window_error"] = (monitor.null.shift - means[:, None]).std(axis=(0, 1))
    frame["detectable"] = _detectable(monitor, frame["direction"]) / sd
    for end in ("", "_low", "_high"):
        moves = frame[f"budget{end}"].to_numpy(dtype=float) * sd
        at_once = _power(monitor, frame["direction"], moves, 1)
        later = _power(monitor, frame["direction"], moves, monitor.late_windows)
        frame[f"power{end}"] = at_once
        frame[f"verdict{end}"] = _verdicts(at_once, later)
        if not end:
            frame["power_late"] = later
    return frame


def plan_table(
    case: Case, plan: Planned, drawn_from: Past, monitor: Monitor
) -> pd.DataFrame:
    """Return in one row how windows are cut, and what was promised of them."""
    return pd.DataFrame(
        {
            "time": [case.file.data.time or ""],
            "block": [case.block or ""],
            "weight": [case.file.data.weight or ""],
            "tolerated_loss": [case.tolerated_loss],
            "window_rows": [plan.window_rows],
            "blocks_per_window": [drawn_from.blocks_per_window],
            "windows_per_block": [drawn_from.windows_per_block],
            "windows_per_month": [plan.windows_per_month],
            "false_alarms_per_month": [plan.false_alarms_per_month],
            "late_windows": [monitor.late_windows],
            "reference_blocks": [drawn_from.n_blocks],
        }
    )


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics with a budget, the most blind first."""
    found = table[table["budget"].notna()]
    return found.sort_values(["power", *KEY], kind="stable", ignore_index=True)


def counts(found: pd.DataFrame, verdict: str) -> tuple[int, int, int]:
    """Return how many columns get a verdict: at the budget, surely, and perhaps."""

    def columns(rows: pd.Series) -> int:
        return int(found.loc[rows, "column"].nunique())

    both = [found[f"verdict{end}"] == verdict for end in ("", "_low", "_high")]
    surely = both[1] & both[2]
    return columns(both[0]), columns(surely), columns(both[0] | both[1] | both[2])


def _budgets(budgets: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """Return budgets by statistic; that of a category is its column's.

    A column of categories has one budget, that of the category which spends it
    first; where none does, each category has its bound.
    """
    names = {"loss_budget": "budget", "ci_low": "budget_low", "ci_high": "budget_high"}
    known = budgets.rename(columns={**names, "loss_category": "category"})
    known = known[known["family"].isin(["mean", "category", "missing"])]
    anywhere = known[(known["family"] == "category") & (known["category"] == "")]
    every = wanted[wanted["family"] == "category"].merge(
        anywhere.drop(columns="category"), on=["column", "family"]
    )
    found = pd.concat([known.drop(anywhere.index), every], ignore_index=True)
    kept = [*KEY, "budget", "budget_low", "budget_high", "direction", "own_unit", "sd"]
    return found[kept]


def _signs(directions: pd.Series) -> list[tuple[int, Floats]]:
    """Return +1 and -1, each with 1 where it is the direction, or none is known."""
    return [
        (sign, np.where(directions.eq(other), 0.0, 1.0))
        for sign, other in ((1, "down"), (-1, "up"))
    ]


def _power(
    monitor: Monitor, directions: pd.Series, moves: Floats, windows: int
) -> Floats:
    """Return the chance of an alarm, in the direction less seen where none is known."""
    known = np.nan_to_num(moves, nan=0.0, posinf=0.0)
    found = np.ones(len(moves))
    for sign, applies in _signs(directions):
        seen = detected_within(monitor.null, monitor.level, sign * known, windows)
        found = np.where(applies > 0, np.minimum(found, seen), found)
    found = np.where(np.isposinf(moves), 1.0, found)
    return np.where(np.isnan(moves), np.nan, found)


def _detectable(monitor: Monitor, directions: pd.Series) -> Floats:
    found = np.zeros(len(directions))
    for sign, applies in _signs(directions):
        seen = smallest_detected(monitor.null, monitor.level, sign, POWER)
        found = np.where(applies > 0, np.maximum(found, seen), found)
    return found


def _verdicts(at_once: Floats, later: Floats) -> list[str]:
    words: list[str] = []
    for now, then in zip(at_once, later, strict=True):
        if np.isnan(now):
            words.append(UNKNOWN)
        else:
            words.append(COVERED if now >= POWER else LATE if then >= POWER else BLIND)
    return words


def summary_rows_of(
    table: pd.DataFrame, rows: tuple[int, int], blank: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the power of each column, and what stands beside a bound alone.

    Parameters
    ----------
    table : pandas.DataFrame
        From `monitor_table`.
    rows : tuple of int
        Rows and blocks of the history.
    blank : dict
        A row of the summary without numbers.
    """
    found = []
    bounded = table[table["budget_low"].notna()]
    order = bounded.sort_values(["power", "power_low"], kind="stable")
    for _, one in order.drop_duplicates(["column", "family"]).iterrows():
        name = "missing_power" if one["family"] == "missing" else "power"
        unseen = bool(np.isnan(one["budget"]))
        found.append(
            {
                **blank,
                "metric": f"{name}_at_budget",
                "group": one["column"],
                "value": one["power"],
                "ci_low": one["power_low"],
                "ci_high": 1.0 if unseen else max(one["power_high"], one["power"]),
                "n_rows": rows[0],
                "n_blocks": rows[1],
                "unit": "share",
                "censored": unseen,
                "direction": one["direction"] or None,
                "reason": blank["reason"] if unseen else None,
            }
        )
    return found
