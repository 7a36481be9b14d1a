"""What the planned window would see, in sentences."""

from collections.abc import Sequence

import pandas as pd

from readiness.alarm_levels import HIGHEST_RATE
from readiness.checks.drift._base import Base
from readiness.checks.drift._past import Past
from readiness.checks.drift._planned import Planned
from readiness.checks.drift._power_report import BLIND, COVERED, LATE, Monitor
from readiness.checks.drift._sentences import named
from readiness.distances import USUAL_PSI
from readiness.stats import clopper_pearson
from readiness.text import interval, number, visible

NAMED = 4
WHAT = {
    "mean": "the mean of {column}",
    "category": "the share of {category} in {column}",
    "missing": "the share of missing {column}",
}


def power_notes(
    found: pd.DataFrame, monitor: Monitor, plan: Planned
) -> tuple[str, ...]:
    """Return what the window sees in time, and how far off the others are."""
    if found.empty:
        none = (
            "No watched column has a budget that its moves could spend, as far as the "
            "data can tell; the table says from which move on each would alarm."
        )
        return (none,)
    parts = {
        word: column_names(found[found["verdict"] == word])
        for word in (COVERED, LATE, BLIND)
    }
    said = "; ".join(
        f"{word}: {_listed(names)}" for word, names in parts.items() if names
    )
    first = (
        f"Of {len(found)} budgets the planned window of "
        f"{number(plan.window_rows, 'count')} rows sees {len(parts[COVERED])} spent in "
        f"the first window in four cases of five ({said}). Late means within "
        f"{monitor.late_windows} windows, blind not even then."
    )
    worst = [_compared(one) for _, one in found[found["verdict"] != COVERED].iterrows()]
    return (first, *worst[:NAMED])


def column_names(found: pd.DataFrame) -> list[str]:
    """Return what is watched, in the words of a figure or a sentence."""
    return [
        f"missing {one}" if family == "missing" else str(one)
        for one, family in zip(found["column"], found["family"], strict=True)
    ]


def _listed(names: list[str]) -> str:
    return _first_few([visible(name, 40) for name in names])


def _first_few(said: list[str]) -> str:
    rest = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
    return ", ".join(said[:NAMED]) + rest


def _compared(one: pd.Series) -> str:
    what = WHAT[one["family"]].format(
        column=visible(one["column"], 40), category=visible(one["category"], 40)
    )
    verb = "fall" if one["direction"] == "down" else "rise"
    moves = [one[name] * one["sd"] for name in ("detectable", "budget")]
    unit = one["own_unit"] if one["family"] == "mean" else "points"
    seen, allowed = (number(move, unit or "") for move in moves)
    return (
        f"{one['verdict'].capitalize()}: {what} must {verb} by {seen} to be seen in "
        f"four windows of five; the tolerated loss is spent at {allowed}, where "
        f"{number(one['power'], 'share')} of windows alarm."
    )


def usual_notes(found: pd.DataFrame) -> tuple[str, ...]:
    """Return whose spent budget the usual alarm, a fixed PSI, would miss."""
    missed = found[found["psi_at_budget"] < USUAL_PSI].sort_values("psi_at_budget")
    if missed.empty:
        return ()
    names = column_names(missed)
    said = [
        f"{visible(name, 40)} (PSI {number(size)})"
        for name, size in zip(names, missed["psi_at_budget"], strict=True)
    ]
    whom = _first_few(said)
    return (f"An alarm at a PSI of {USUAL_PSI} would miss spent budgets: {whom}.",)


def past_notes(alarms: tuple[int, int], plan: Planned) -> tuple[str, ...]:
    """Return how many windows of the past would have alarmed."""
    hits, of = alarms
    if not of:
        return ()
    low, high = clopper_pearson(hits, of)
    promised = min(plan.false_alarm_rate, HIGHEST_RATE)
    said = (
        f"Of {of} windows of the past, in the order they came, {hits} would have "
        f"alarmed ({interval(low, high, 'share')}; {number(promised, 'share')} would "
        "keep the promise)"
    )
    if low > promised:
        said += (
            ": seasons and trends alarm far more often than chance. Hold a window "
            "against its season, or expect these alarms"
        )
    return (f"{said}.",)


def design_notes(names: Sequence[str]) -> tuple[str, ...]:
    """Return which features are not watched because they move by design."""
    if not names:
        return ()
    verb = "moves" if len(names) == 1 else "move"
    return (f"{named(names)} {verb} by design and cannot alarm: not watched.",)


def basis_note(base: Base, drawn_from: Past, plan: Planned, monitor: Monitor) -> str:
    """Return what the level was calibrated on."""
    promised = plan.false_alarms_per_month
    n_refs, per_reference, _ = monitor.null.shift.shape
    drawn = number(n_refs * per_reference, "count")
    alarms = f"{number(promised, exact=True)} false alarm{'s' * (promised != 1)}"
    return (
        f"The level keeps {alarms} per month over all "
        f"{len(monitor.statistics)} watched numbers together, on {drawn} windows of "
        f"about {number(round(drawn_from.window_rows), 'count')} rows drawn by block "
        f"from {number(len(base.rows), 'count')} rows of {base.scores.table} in "
        f"{number(drawn_from.n_blocks, 'count')} blocks."
    )
