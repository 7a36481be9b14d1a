"""The share of each budget that the last windows have spent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.monitor._windows import Windows
from readiness.errors import Reason
from readiness.monitor import MonitorCase
from readiness.plan_config import Watch
from readiness.stats import Z_ONE_SIDED, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One budget beside the newest rows.

    Parameters
    ----------
    watch : Watch
        The statistic; of the categories of a column the one that has spent most.
    place : int
        Its place in the plan.
    value, low, high : float
        Share of the budget with one-sided 95 % limits; NaN with a `problem`. Of a
        number without a budget the value is NaN: it has moved further than the review
        could tell the cost of.
    move : float
        In the unit of the budget, positive upwards.
    alarmed : bool
        Whether a window it rests on is further off than chance explains.
    n_windows, n_rows, n_blocks : int
        Windows it rests on, their rows, and the blocks its errors come from.
    problem : Reason or None
    """

    watch: Watch
    place: int
    value: float
    low: float
    high: float
    move: float
    alarmed: bool
    n_windows: int
    n_rows: int
    n_blocks: int
    problem: Reason | None

    @property
    def column(self) -> str:
        """Name of the column."""
        return self.watch.column

    @property
    def is_blind(self) -> bool:
        """Whether the planned window does not see this budget spent."""
        return self.watch.verdict == "blind"

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it.

        What the window is blind to goes unseen at the budget itself; a move that is
        beyond it all the same, or a lost column, is no less harmful for that. Only an
        alarm can show it, so that chance does no more often than was promised.
        """
        is_sure = self.alarmed and self.low > 1
        return not self.is_blind or self.problem is not None or is_sure

    @property
    def is_unpriced(self) -> bool:
        """Whether it moved further than the review could tell the cost of."""
        return self.problem is None and self.watch.budget is None

    @property
    def metric(self) -> str:
        """Name of the share in the results."""
        return "budget_spent" if self.decides else "blind_budget_spent"

    @property
    def group(self) -> str:
        """The column, with what is missing of it told apart."""
        is_missing = self.watch.family == "missing"
        return f"{self.column}/missing" if is_missing else self.column


def towards(watch: Watch, shift: Floats) -> Floats:
    """Return a move in the direction that spends the budget; any if none is known."""
    if watch.direction:
        return shift if watch.direction == "up" else -shift
    return np.abs(shift)


def spent_by_column(
    case: MonitorCase, windows: Windows, path: pd.DataFrame
) -> list[Spent]:
    """Return what is spent of the plan's budgets, by column.

    `path` holds the windows of this run and of those before it (`path_over_runs`): a
    budget that is seen late needs several of them, however few rows come at a time.

    A number without a budget is there only when it cannot be watched, or alarms and
    has moved for certain beyond `budget_low`: no farther does the review know that a
    move costs less than is tolerated.
    """
    found: dict[tuple[str, bool], Spent] = {}
    for place, watch in enumerate(case.plan.watch):
        one = _spent(case, windows, path, place)
        is_priced = not (one.alarmed and np.isnan(one.value))
        if watch.budget is None and one.problem is None and is_priced:
            continue
        key = (watch.column, watch.family == "missing")
        known = found.get(key)
        if known is None or known.problem is not None or one.value > known.value:
            found[key] = one
    return list(found.values())


def _spent(
    case: MonitorCase, windows: Windows, path: pd.DataFrame, place: int
) -> Spent:
    watch = case.plan.watch[place]
    needs_several = watch.verdict in ("late", "blind")
    late = case.plan.window.late_windows if needs_several else 1
    problem = windows.problems.get(watch.column)
    if problem is None and not np.isfinite(windows.value[:, place]).any():
        problem = Reason.ALL_NULL
    last = of_watch(path, watch)
    if case.plan.window.time is not None:
        last = last[last["start"] <= windows.start.max()]
    last = last.tail(late)
    move = low = high = value = float("nan")
    if problem is None:
        move = float(last["value"].mean()) - watch.reference
        error = np.hypot(watch.window_error / np.sqrt(len(last)), watch.reference_error)
        value, low, high = _shares(watch, move, Z_ONE_SIDED * float(error))
    return Spent(
        watch=watch,
        place=place,
        value=value,
        low=low,
        high=high,
        move=move,
        alarmed=bool((abs(last["value"] - watch.reference) > watch.alarm_move).any()),
        n_windows=len(last),
        n_rows=0 if problem is not None else int(last["rows"].sum()),
        n_blocks=case.plan.window.reference_blocks,
        problem=problem,
    )


def of_watch(path: pd.DataFrame, watch: Watch) -> pd.DataFrame:
    """Return the windows of a path in which a number is known, in their order."""
    return path[
        (path["column"] == watch.column)
        & (path["family"] == watch.family)
        & (path["category"].astype("str") == watch.category)
        & path["value"].notna()
    ]


def _shares(watch: Watch, move: float, margin: float) -> tuple[float, float, float]:
    """Return the share spent and its limits: worse of both, move and budget."""
    budget = watch.budget or np.inf
    smallest = watch.budget_low or budget
    largest = watch.budget_high or np.inf
    harm = float(towards(watch, np.array(move)))
    if watch.budget is None and harm - margin > smallest:
        return float("nan"), 0.0, float("inf")
    parts = (harm / budget, (harm - margin) / largest, (harm + margin) / smallest)
    value, low, high = (one if one > 0 else 0.0 for one in parts)
    return value, low, high


def most_spent(found: Sequence[Spent]) -> list[Spent]:
    """Return the budgets, the most spent first, blind and unknown ones last."""

    def rank(one: Spent) -> tuple[bool, bool, float]:
        unknown = one.problem is not None or one.is_unpriced
        return unknown, not one.decides, 0.0 if unknown else -one.value

    return sorted(found, key=rank)
