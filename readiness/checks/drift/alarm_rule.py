"""D10: how often the alarm rule cries wolf, and how soon it sees real harm."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.alarms import first_alarm
from readiness.canvas import BLUE, GREY, VERMILLION
from readiness.case import Case
from readiness.checks.drift._alarm_notes import (
    PER_MONTH,
    Found,
    Watch,
    notes,
    replay_notes,
)
from readiness.checks.drift._alarm_paths import (
    Bools,
    rule_for,
    simulated,
)
from readiness.checks.drift._alarm_replay import replayed
from readiness.checks.drift._base import base_of
from readiness.checks.drift._past import past
from readiness.checks.drift._planned import DAYS_PER_MONTH, planned
from readiness.errors import Reason
from readiness.figures import draw_limit, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Floats,
    Interval,
    clopper_pearson,
    student_quantile,
    summary_frame,
    summary_row,
)
from readiness.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOWS = "windows"
LIVES = 4  # of the model: how long the harmed paths are watched
MOST_LOOKS = 120
MOST_LENIENT = 0.3  # tuning a rule that alarms more often has no meaning
GAP = 0.16  # of the height: between two names beside the figure
CURVES = {
    "harmed": ("rule, loss as large\nas tolerated", VERMILLION, "-"),
    "repeated": ("95 % test repeated,\nnothing wrong", GREY, "--"),
    "calm": ("rule,\nnothing wrong", BLUE, "-"),
}


def measure(case: Case, options: Options) -> Measurement:
    """Apply the alarm rule to months of labelled windows drawn from the case's past.

    Parameters
    ----------
    case : Case
        With labelled rows the model was not fitted on, in ten blocks at least; the
        table with the most blocks is used. ``operation`` gives the plan.
    options : Options
        ``paths`` drawn, ``alpha``: chance that the rule ever alarms without cause
        until the model is fitted again.

    Returns
    -------
    Measurement
        ``false_alarms_per_month``; ``alarm_chance`` (share of losses found
        before the next fit), ``windows_to_alarm`` (half of the losses are
        found within), both for a loss as large as the tolerated one from the
        first window on. Tables ``paths`` and ``replay``.

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``ONE_CLASS``, ``TOO_FEW_BLOCKS``, or what scoring the rows
        raises.

    Notes
    -----
    The rule holds all labelled production rows since the start against the reference
    and alarms when the evidence of a loss reaches 1 / alpha: a normal mixture over
    losses, for blocks with an unknown spread and a reference that is itself an
    estimate. It may be looked at after every window. Each path draws a new reference
    and new production from the same blocks; the metric moves by its influence values,
    summed by block. The intervals are those of the simulation: they do not say that
    the past was too short, and that seasons the past has not seen are no false alarm.
    Below about 30 blocks the drawn paths are too much alike.

    References
    ----------
    A. Podkopaev, A. Ramdas (2022), arXiv 2110.06177; M. F. Perez-Ortiz et al. (2024),
    doi:10.1214/24-AOS2394.
    """
    base = base_of(case)
    plan = planned(base)
    worse = -base.sign * base.estimate.influence[:, None]
    drawn_from = past(base, worse, plan.window_rows, options.seed, whole=True)
    # A look needs a whole block, so windows within one block are looked at together.
    days = plan.window_days * max(drawn_from.window_rows / plan.window_rows, 1.0)
    looks = max(math.ceil(plan.retrain_every_days / days), 1)
    months = looks * days / DAYS_PER_MONTH
    alpha = min(float(options["alpha"]), plan.false_alarms_per_month * months)
    rule = rule_for(drawn_from.history, alpha, max(looks // 2, 1))
    long = max(looks, min(LIVES * looks, MOST_LOOKS))
    lenient = max(alpha, min(plan.false_alarms_per_month * months, MOST_LENIENT))
    bold = rule_for(drawn_from.history, lenient, max(looks // 2, 1))
    alarms = simulated(
        drawn_from.history,
        (rule, bold),
        (int(options["paths"]), long),
        case.tolerated_loss,
        options.seed,
    )
    rows = (len(base.rows), drawn_from.n_blocks)
    found = _found(alarms, looks, months, rows, lenient)
    replay = replayed(case, rule, drawn_from.window_rows)
    table = _path_table(alarms, days)
    return Measurement(
        summary=summary_frame(_rows(found)),
        tables={
            "paths": table.assign(alpha=alpha, looks=looks, months=months),
            "replay": replay,
        },
        notes=(
            *notes(base, plan, found, Watch(looks=looks, days=days, alpha=alpha)),
            *replay_notes(replay, base),
            *plan.assumed,
        ),
    )


def _found(
    alarms: dict[str, Bools],
    looks: int,
    months: float,
    rows: tuple[int, int],
    lenient: float,
) -> Found:
    false, repeated, chance, bold = (
        np.isfinite(first_alarm(alarms[name][:, :looks]))
        for name in ("calm", "repeated", "harmed", "bold")
    )
    low, high = clopper_pearson(int(false.sum()), len(false))
    ends = np.array([false.mean(), low, high]) / months
    return Found(
        false_alarms=_interval(ends, rows),
        chance=_interval(
            [chance.mean(), *clopper_pearson(int(chance.sum()), len(chance))], rows
        ),
        delay=_median(first_alarm(alarms["harmed"]), rows),
        watched=alarms["harmed"].shape[1],
        false_share=float(false.mean()),
        repeated_share=float(repeated.mean()),
        lenient=lenient,
        lenient_chance=float(bold.mean()),
    )


def _rows(found: Found) -> list[dict[str, Any]]:
    waiting = summary_row("windows_to_alarm", "", found.delay, WINDOWS)
    if np.isnan(found.delay.value):
        reason = str(Reason.BEYOND_SUPPORT)
        low = min(found.delay.ci_low, float(found.watched))
        waiting = {**waiting, "ci_low": low, "reason": reason, "censored": True}
    return [
        summary_row("false_alarms_per_month", "", found.false_alarms, PER_MONTH),
        summary_row("alarm_chance", "", found.chance, "share"),
        waiting,
    ]


def _interval(ends: Sequence[float] | Floats, rows: tuple[int, int]) -> Interval:
    value, low, high = (float(one) for one in ends)
    return Interval(
        value=value,
        ci_low=low,
        ci_high=high,
        se=float("nan"),
        n_rows=rows[0],
        n_blocks=rows[1],
        dependence_factor=float("nan"),
    )


def _median(delays: Floats, rows: tuple[int, int]) -> Interval:
    """Return the median with limits by order statistics; NaN where it is not seen."""
    ordered, n = np.sort(delays), len(delays)
    wide = student_quantile(np.inf) * np.sqrt(n) / 2
    places = np.clip([n / 2, n / 2 - wide, n / 2 + wide], 0, n - 1).astype(int)
    middle, low, high = ordered[places]
    return _interval([middle if np.isfinite(middle) else np.nan, low, high], rows)


def _path_table(alarms: dict[str, Bools], days: float) -> pd.DataFrame:
    """Return the share of paths that have alarmed by each window."""
    by = {
        name: np.maximum.accumulate(one, axis=1).mean(axis=0)
        for name, one in alarms.items()
    }
    window = np.arange(1, len(by["calm"]) + 1)
    return pd.DataFrame({"window": window, "days": window * days, **by})


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the share of periods with an alarm by each window."""
    table = measurement.tables["paths"]
    looks, alpha = int(table["looks"].iloc[0]), float(table["alpha"].iloc[0])
    shown = table[table["window"] <= max(2 * looks, looks + 1)]
    figure, axes = new_figure(
        "Periods in which the alarm has been raised",
        xlabel="windows since the model was fitted",
        ylabel="share of simulated periods",
    )
    ends = shown.iloc[-1]
    for name, (_, color, dash) in CURVES.items():
        axes.plot(
            shown["window"], shown[name], color=color, linestyle=dash, linewidth=1.6
        )
    _name_curves(axes, {name: float(ends[name]) for name in CURVES})
    draw_limit(axes, looks, "next fit")
    axes.axhline(alpha, color=BLUE, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, float(shown["window"].iloc[-1]))
    axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
    return figure


def _name_curves(axes: "Axes", ends: dict[str, float]) -> None:
    """Write the names of the curves right of the frame, in their order, apart."""
    lowest = 0.0
    for name in sorted(ends, key=lambda one: ends[one]):
        words, color, _ = CURVES[name]
        place = max(ends[name], lowest)
        lowest = place + GAP
        axes.text(
            1.02,
            place,
            words,
            color=color,
            fontsize=8,
            va="center",
            transform=axes.get_yaxis_transform(),
        )


def alt(measurement: Measurement) -> str:
    """Return how often the rule alarms with and without harm."""
    table = measurement.tables["paths"]
    looks = int(table["looks"].iloc[0])
    at = table[table["window"] == looks].iloc[0]
    return (
        f"Curves of the share of periods with an alarm: after {looks} windows "
        f"{number(at['calm'], 'share')} with nothing wrong, "
        f"{number(at['harmed'], 'share')} with the tolerated loss, and "
        f"{number(at['repeated'], 'share')} by repeated tests with nothing wrong."
    )


CHECK = Check(
    code="D10",
    title="Alarm rule",
    question="How often would the alarm cry wolf, and how soon would it see harm?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="false_alarms_per_month",
            side="at_most",
            limit="case:operation.false_alarms_per_month",
            required_in=(),
            reason="An alarm that cries wolf more often than promised is switched off.",
        ),
        Limit(
            metric="alarm_chance",
            side="at_least",
            limit=0.8,
            required_in=(),
            reason=(
                "A loss as large as the tolerated one should be found before the next "
                "fit in four cases of five."
            ),
        ),
    ),
    metrics=("windows_to_alarm",),
    defaults={"paths": 10_000, "alpha": 0.05},
)
