"""The path of each budget over the runs of a monitor, and when it will be spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import VERMILLION
from readiness.checks.monitor._spent import Spent, of_watch, towards
from readiness.checks.monitor._windows import Windows
from readiness.errors import Reason
from readiness.figures import COLORS
from readiness.markup import csv_rows
from readiness.monitor import MonitorCase
from readiness.stats import Z_ONE_SIDED, Floats, Interval, empty_row, summary_row
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOWS_TABLE = "tables/M1-windows.csv"
FEWEST = 3  # windows that show a speed
DRAWN = 5
DAY = np.timedelta64(1, "D")


def window_table(case: MonitorCase, windows: Windows) -> pd.DataFrame:
    """Return one row per window and watched number.

    Returns
    -------
    pandas.DataFrame
        ``window`` (from 1), ``start``, ``rows``, ``column``, ``family``, ``category``,
        ``value`` and ``move`` from the reference in own unit, ``alarm`` (whether it
        alone would raise one) and ``spent`` (share of the budget, NaN without one).
    """
    parts = []
    for place, one in enumerate(case.plan.watch):
        move = windows.value[:, place] - one.reference
        spent = np.maximum(towards(one, move), 0) / (one.budget or np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "window": np.arange(1, len(move) + 1),
                    "start": windows.start,
                    "rows": windows.rows,
                    "column": one.column,
                    "family": one.family,
                    "category": one.category,
                    "value": windows.value[:, place],
                    "move": move,
                    "alarm": np.abs(move) > one.alarm_move,
                    "spent": spent,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def path_over_runs(case: MonitorCase, now: pd.DataFrame) -> pd.DataFrame:
    """Return the windows of earlier runs and of this one, each once, in their order.

    A window that several runs have seen is taken from the latest.
    """
    parts = []
    for number_of_run, folder in enumerate(case.earlier):
        # A run that could not tell at all has left no windows.
        if (folder / WINDOWS_TABLE).is_file():
            earlier = _typed(csv_rows(folder / WINDOWS_TABLE))
            parts.append(earlier.assign(run=number_of_run))
    every = pd.concat([*parts, now.assign(run=len(parts))], ignore_index=True)
    if case.plan.window.time is not None:
        key = ["start", "column", "family", "category"]
        every = every.drop_duplicates(key, keep="last")
        return every.sort_values(["start"], kind="stable", ignore_index=True)
    return every


def _typed(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return published windows with the types of `window_table`."""
    every = pd.DataFrame(rows)
    numbers = ["window", "rows", "value", "move", "spent"]
    every[numbers] = every[numbers].apply(pd.to_numeric)
    every["start"] = pd.to_datetime(every["start"])
    return every.assign(alarm=every["alarm"] == "True")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a budget is being spent, in shares of it a day."""

    spent: Spent
    now: float
    per_day: float
    error: float
    n_windows: int

    def days(self, per_day: float, budget: float = 1.0) -> float:
        """Return the days until the budget is spent at a speed; or infinite."""
        left = max(budget - self.now, 0.0)
        return left / per_day if per_day > 0 else (0.0 if left == 0 else np.inf)

    def row(self) -> dict[str, Any]:
        """Return the row of ``days_left``."""
        soon = self.days(self.per_day + Z_ONE_SIDED * self.error)
        late = self.days(self.per_day - Z_ONE_SIDED * self.error)
        value = self.days(self.per_day)
        if not np.isfinite(soon):
            group = self.spent.group
            return empty_row("days_left", group, Reason.BEYOND_SUPPORT, "days")
        days = Interval(
            value=value if np.isfinite(late) else float("nan"),
            ci_low=soon,
            ci_high=late,
            se=float("nan"),
            n_rows=self.spent.n_rows,
            n_blocks=self.spent.n_blocks,
            dependence_factor=float("nan"),
        )
        endless = not np.isfinite(late)
        return summary_row(
            "days_left",
            self.spent.group,
            days,
            "days",
            censored=endless,
            reason=str(Reason.BEYOND_SUPPORT) if endless else None,
        )


def spending(case: MonitorCase, one: Spent, path: pd.DataFrame) -> Speed | None:
    """Return the straight line through the path of one budget; None without time.

    Notes
    -----
    Least squares over all windows of all runs. The error of the slope follows from
    the window's own standard error in the plan, not from the scatter around the line.
    """
    watch = one.watch
    if one.problem is not None or case.plan.window.time is None or not watch.budget:
        return None
    chosen = of_watch(path, watch)
    day = ((chosen["start"] - chosen["start"].min()) / DAY).to_numpy(dtype=float)
    if len(chosen) < FEWEST or not np.ptp(day) > 0:
        return None
    share: Floats = towards(watch, chosen["move"].to_numpy(dtype=float)) / watch.budget
    centred = day - day.mean()
    width = float((centred**2).sum())
    slope = float((centred * share).sum()) / width
    return Speed(
        spent=one,
        now=float(share.mean() + slope * centred[-1]),
        per_day=slope,
        error=watch.window_error / watch.budget / float(np.sqrt(width)),
        n_windows=len(chosen),
    )


def fastest(left: Mapping[Spent, Speed | None]) -> str:
    """Return which budget will be spent first at the observed speed."""
    known = [
        (one.days(one.per_day), one)
        for one in left.values()
        if one is not None and one.per_day - Z_ONE_SIDED * one.error > 0
    ]
    if not known:
        return ""
    days, first = min(known, key=lambda pair: pair[0])
    name = visible(first.spent.column, 40)
    if days <= 0:
        return (
            f"By the straight line through all {first.n_windows} windows the budget of "
            f"{name} is spent already."
        )
    return (
        f"By the straight line through all {first.n_windows} windows the budget of "
        f"{name} will be spent in {number(days, 'days')}."
    )


def draw_path(axes: "Axes", path: pd.DataFrame) -> None:
    """Draw the share spent of the budgets that are most spent, and the line at one."""
    known = path[path["spent"].notna()]
    key = ["column", "family", "category"]
    last = known.groupby(key, sort=False)["spent"].last()
    names = last.sort_values(ascending=False, kind="stable").index[:DRAWN]
    has_time = known["start"].notna().all()
    for colour, name in zip(COLORS, names, strict=False):
        one = known[(known[key] == list(name)).all(axis=1)]
        x = one["start"] if has_time else np.arange(1, len(one) + 1)
        column, family, category = (str(part) for part in name)
        label = {"mean": column, "missing": f"missing {column}"}.get(
            family, f"{column}: {category}"
        )
        axes.plot(
            x, one["spent"], color=colour, linewidth=1.4, label=visible(label, 30)
        )
        alarm = one["alarm"].astype(bool).to_numpy()
        axes.plot(x[alarm], one["spent"][alarm], "o", color=colour, markersize=4)
    axes.axhline(1.0, color=VERMILLION, linestyle="--", linewidth=1.2)
    axes.set_ylim(
        0, max(1.15, float(known["spent"].max()) * 1.1) if len(known) else 1.15
    )
    axes.set_xlabel("start of the window" if has_time else "window")
    axes.legend(loc="upper left", fontsize=8, ncols=2, title="dot: an alarm")
    if has_time:
        axes.tick_params(axis="x", rotation=30)
