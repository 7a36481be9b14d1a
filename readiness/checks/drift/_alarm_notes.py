"""What the alarm rule would do, in sentences."""

import math
from dataclasses import dataclass

import pandas as pd

from readiness.checks.drift._base import Base
from readiness.checks.drift._planned import Planned
from readiness.stats import Interval
from readiness.text import interval, number
from readiness.words import metric_words

PER_MONTH = "per month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the drawn paths say.

    Parameters
    ----------
    false_alarms : Interval
        Per month, nothing wrong.
    chance : Interval
        Share of harmed paths that alarm before the next fit.
    delay : Interval
        Windows until half of the harmed paths have alarmed; NaN where they have not.
    watched : int
        Windows that the harmed paths were watched for.
    false_share, repeated_share : float
        Share of paths with a false alarm before the next fit: by the rule, and by a
        95 % test at every window.
    lenient, lenient_chance : float
        The level that the promise would bear, and `chance` at that level.
    """

    false_alarms: Interval
    chance: Interval
    delay: Interval
    watched: int
    false_share: float
    repeated_share: float
    lenient: float
    lenient_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks before the next fit, days between two looks, and the level of the rule."""

    looks: int
    days: float
    alpha: float


def notes(base: Base, plan: Planned, found: Found, watch: Watch) -> tuple[str, ...]:
    """Return false alarms, the delay, what repeated tests would do, and the basis."""
    metric = metric_words(base.metric.name)
    lost = number(base.case.tolerated_loss, exact=True)
    span = f"{number(watch.looks * watch.days)} days"
    first = (
        f"With nothing wrong the rule raises {_told(found.false_alarms)} false alarms "
        f"per month, {number(plan.false_alarms_per_month, exact=True)} promised: it "
        f"alarms in {number(found.false_share, 'share')} of simulated periods of "
        f"{span} between two fits, by design in at most {number(watch.alpha, 'share')}."
    )
    second = (
        f"When {metric} has lost {lost} from the first window on, the rule finds it "
        f"within {watch.looks} windows ({span}) in {_told(found.chance, 'share')} of "
        f"periods; {_delay(found, watch.days, plan)}."
    )
    third = (
        f"A 95 % test repeated at every window would raise a false alarm in "
        f"{number(found.repeated_share, 'share')} of these periods."
    )
    if found.lenient > watch.alpha:
        third += (
            f" The promised false alarms would bear a rule with a level of "
            f"{number(found.lenient, 'share')} (option alpha); it would find the loss "
            f"in {number(found.lenient_chance, 'share')} of periods."
        )
    n_blocks = number(base.interval.n_blocks, "count")
    basis = (
        f"Simulated from {number(len(base.rows), 'count')} labelled rows of "
        f"{base.scores.table} in {n_blocks} blocks, drawn by block, a window "
        f"of {number(plan.window_rows, 'count')} rows planned every "
        f"{number(plan.window_days)} days; the intervals are those of the simulation."
    )
    return first, second, third, basis


def replay_notes(replay: pd.DataFrame, base: Base) -> tuple[str, ...]:
    """Return what the rule would have said about the current rows as they came."""
    if replay.empty:
        return ()
    metric = metric_words(base.metric.name)
    alarmed, last = replay[replay["alarms"]], float(replay["loss"].iloc[-1])
    over_all = (
        f"has lost {number(last)} against the reference"
        if last > 0
        else f"is no worse than on the reference (better by {number(-last)})"
    )
    shown = "On the current rows, in the order they came, the rule"
    if alarmed.empty:
        quiet = (
            f"{shown} stays quiet for all {len(replay)} windows; over all of them "
            f"{metric} {over_all}."
        )
        return (quiet,)
    first = alarmed.iloc[0]
    rung = (
        f"{shown} alarms after window {first['window']} of {len(replay)}, on "
        f"{first['until']}, when {metric} had lost {number(first['loss'])}; over all "
        f"of them it {over_all}."
    )
    return (rung,)


def _told(one: Interval, unit: str = "") -> str:
    return f"{number(one.value, unit)} ({interval(one.ci_low, one.ci_high, unit)})"


def _delay(found: Found, days: float, plan: Planned) -> str:
    value = found.delay.value
    if math.isnan(value):
        return (
            f"half of the losses are not found within {number(found.watched, 'count')} "
            "windows"
        )
    waited = value * days + plan.label_delay_days
    return (
        f"half of the losses are found within {number(value, 'count')} windows, that "
        f"is {number(waited)} days with the delay of the labels"
    )
