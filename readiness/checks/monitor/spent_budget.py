"""M1: how much of each drift budget the newest rows have spent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from readiness.case import Case
from readiness.checks.monitor._path import (
    draw_path,
    fastest,
    path_over_runs,
    spending,
    window_table,
)
from readiness.checks.monitor._spent import Spent, most_spent, spent_by_column
from readiness.checks.monitor._windows import Windows, windows_of
from readiness.errors import NotAssessedError, Reason
from readiness.figures import new_figure
from readiness.monitor import MonitorCase, require_plan
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Interval,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 3
NEW_NULLS = 0.01  # share of a column that had none, as in C0


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Hold the newest windows against the budgets of the plan.

    Parameters
    ----------
    case : Case
        New rows under a plan (`monitor.MonitorCase`).
    options : Options
        None.

    Returns
    -------
    Measurement
        ``budget_spent`` (share of the budget; group: the column, ``column/missing``
        for its missing values) of budgets that the window can see spent, or that are
        spent for certain all the same; without a value where a number moved further
        than the review could tell the cost of, or more than one value in a hundred is
        missing of a column that had all; ``blind_budget_spent`` of the others;
        ``days_left`` (days until the budget is spent at the speed seen over all runs
        of this plan; without an end ``censored``, with a lower limit where there is
        one). Tables ``windows``, ``budgets``.

    Raises
    ------
    NotAssessedError
        NO_PLAN for a case that is none of a monitor; NO_COLUMNS when the plan has no
        budget; EMPTY when no row has a time.

    Notes
    -----
    What the window is blind to (D8) is inconclusive nearly always, so it decides only
    where it is spent for certain. A window differs from the reference by chance; its
    standard error and that of the reference stand in the plan, from windows drawn by
    block out of the rows the plan was made of. The interval of a share takes the worse
    limit of move and budget at each end, so that it is wider than its level. A budget
    that one window sees is held against the last window, one that is seen late against
    the last few, of earlier runs too.
    """
    monitor = require_plan(case)
    if not any(one.budget for one in monitor.plan.watch):
        msg = "The plan has no budget to hold rows against; its alarms are below."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    windows = windows_of(monitor)
    now = window_table(monitor, windows)
    path = path_over_runs(monitor, now)
    found = most_spent(spent_by_column(monitor, windows, path))
    gone = {one: n for one, n in windows.gone.items() if n > NEW_NULLS}
    rows = [_row(one) for one in found]
    rows += [_lost_row(f"{one}/missing", monitor, windows) for one in gone]
    left = {one: spending(monitor, one, path) for one in found}
    rows += [speed.row() for speed in left.values() if speed is not None]
    return Measurement(
        summary=summary_frame(rows),
        tables={"windows": now, "budgets": _table(found), "path": path},
        notes=(
            *_notes(monitor, found, windows, fastest(left)),
            *_gone_notes(gone),
        ),
    )


def _row(one: Spent) -> dict[str, object]:
    if one.problem is not None:
        return empty_row(one.metric, one.group, one.problem, "share")
    reason = str(Reason.BEYOND_SUPPORT) if one.is_unpriced else None
    share = Interval(
        value=one.value,
        ci_low=one.low,
        ci_high=one.high,
        se=float("nan"),
        n_rows=one.n_rows,
        n_blocks=one.n_blocks,
        dependence_factor=float("nan"),
    )
    return summary_row(
        one.metric,
        one.group,
        share,
        "share",
        direction="up" if one.move > 0 else "down",
        censored=one.is_unpriced,
        reason=reason,
    )


def _lost_row(group: str, case: MonitorCase, windows: Windows) -> dict[str, object]:
    """Return the row of values that are missing for the first time: cost unknown."""
    unknown = replace(
        no_interval(0.0, float("inf")),
        n_rows=int(windows.rows[-1]),
        n_blocks=case.plan.window.reference_blocks,
    )
    reason = str(Reason.BEYOND_SUPPORT)
    return summary_row(
        "budget_spent", group, unknown, "share", censored=True, reason=reason
    )


def _gone_notes(gone: Mapping[str, float]) -> tuple[str, ...]:
    if not gone:
        return ()
    said = [f"{visible(one, 40)} ({number(n, 'share')})" for one, n in gone.items()]
    why = "never in the review, so that nobody knows what it costs"
    return (f"Missing in the last window, and {why}: {_few(said)}.",)


def _table(found: list[Spent]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "column": one.column,
                "what": one.watch.family,
                "category": one.watch.category,
                "seen": one.watch.verdict,
                "move": one.move,
                "budget": one.watch.budget,
                "unit": one.watch.unit,
                "spent": one.value,
                "spent_low": one.low,
                "spent_high": one.high,
                "windows": one.n_windows,
            }
            for one in found
        ]
    )


def _notes(
    case: MonitorCase, found: list[Spent], windows: Windows, first_to_end: str
) -> tuple[str, ...]:
    """Return what is spent; `found` comes with the most spent first."""
    known = [one for one in found if one.problem is None and not one.is_unpriced]
    seen = [one for one in known if one.decides]
    said = "; ".join(
        f"{_what(one)}: {number(one.value, 'share')} "
        f"({interval(one.low, one.high, 'share')}) of "
        f"{number(one.watch.budget or 0.0, _unit(one))}"
        for one in seen[:NAMED]
    )
    n_over = sum(one.value >= 1 for one in seen)
    lead = (
        f"{n_over} of {len(seen)} budgets that the window can see are spent"
        if n_over
        else f"No budget of the {len(seen)} that the window can see is spent"
    )
    notes = [f"{lead}; most of all {said}." if said else f"{lead}."]
    beyond = [_moved(one) for one in found if one.is_unpriced]
    if beyond:
        notes.append(
            f"Moved further than the review could tell the cost of: {_few(beyond)}."
        )
    if first_to_end:
        notes.append(first_to_end)
    blind = [_what(one) for one in known if not one.decides]
    if blind:
        notes.append(
            f"This window is blind to: {', '.join(blind)}. Their shares are shown and "
            "decide only once a budget is spent beyond doubt."
        )
    lost = [visible(one.column, 40) for one in found if one.problem is not None]
    if lost:
        notes.append(f"Cannot be watched in these rows: {', '.join(lost)}.")
    origin, rows = case.plan.origin, int(windows.rows.sum())
    notes.append(
        f"{rows:,} new rows in {len(windows.rows):,} "
        f"window{'s' * (len(windows.rows) != 1)} of about "
        f"{case.plan.window.rows:,} rows; the plan comes from run {origin.run_id} of "
        f"{origin.case}, its errors from {case.plan.window.reference_blocks:,} blocks."
    )
    if windows.without_time:
        notes.append(f"{windows.without_time:,} rows have no time and are left out.")
    return tuple(notes)


def _moved(one: Spent) -> str:
    unit = _unit(one)
    verb = "up" if one.move > 0 else "down"
    size, bound = number(abs(one.move), unit), number(one.watch.budget_low, unit)
    return f"{_what(one)} ({verb} by {size}; known up to {bound})"


def _unit(one: Spent) -> str:
    """Return the unit of a move; that of a share is points of percent."""
    return one.watch.unit if one.watch.family == "mean" else "points"


def _few(said: list[str]) -> str:
    more = len(said) - NAMED
    return "; ".join(said[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _what(one: Spent) -> str:
    name = visible(one.column, 40)
    if one.watch.family == "missing":
        return f"missing {name}"
    if one.watch.family == "category":
        return f"share of {visible(one.watch.category, 40)} in {name}"
    return f"mean of {name}"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the share of each budget spent, window by window, over all runs."""
    figure, axes = new_figure(
        "Budget spent, window by window",
        ylabel="share of the budget",
        height_in=3.6,
    )
    draw_path(axes, measurement.tables["path"])
    return figure


def alt(measurement: Measurement) -> str:
    """Return which budgets are spent."""
    return measurement.notes[0]


CHECK = Check(
    code="M1",
    title="Budget spent",
    question="How much of each drift budget have the newest rows spent?",
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=(),
    limits=(
        Limit(
            metric="budget_spent",
            side="at_most",
            limit=1.0,
            required_in=("low", "medium", "high"),
            groups="each",
            reason="A spent budget costs the loss that the case tolerates.",
        ),
    ),
    metrics=("blind_budget_spent", "days_left"),
    shown="budgets",
)
