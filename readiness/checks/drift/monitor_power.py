"""D8: whether the planned monitor sees a budget spent before the damage is done."""

import math
from typing import TYPE_CHECKING

from readiness.alarm_levels import calibrated_level, null_windows
from readiness.case import Case
from readiness.checks.drift._base import base_of
from readiness.checks.drift._past import Past, past
from readiness.checks.drift._planned import planned
from readiness.checks.drift._power_notes import (
    basis_note,
    column_names,
    design_notes,
    past_notes,
    power_notes,
    usual_notes,
)
from readiness.checks.drift._power_report import (
    BLIND,
    LATE,
    Monitor,
    counts,
    judged,
    monitor_table,
    plan_table,
    summary_rows_of,
)
from readiness.checks.drift._usual_alarm import psi_at_budget
from readiness.checks.drift._watched import calendar_columns, watched
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Interval,
    clopper_pearson,
    empty_row,
    summary_frame,
    summary_row,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def measure(case: Case, options: Options) -> Measurement:
    """Hold the smallest move the planned window sees against each column's budget.

    Parameters
    ----------
    case : Case
        As for population_tilt, whose loss budgets are taken; ``operation`` gives
        the plan.
    options : Options
        ``windows`` drawn; ``late_windows`` after which an alarm is no use, or as many
        as pass until labels are known, whichever is more; ``by_design``, names of
        further features that move by design.

    Returns
    -------
    Measurement
        ``power_at_budget`` and ``missing_power_at_budget`` (share of windows that
        alarm when the budget is just spent; the interval is that of the budget),
        group: the column; ``blind_features``, ``late_features`` (count);
        ``past_alarm_share``: windows of the past, in their order, that would have
        alarmed. Tables ``monitors``, with the PSI at each budget; ``plan``: one row,
        how windows are cut.

    Raises
    ------
    NotAssessedError
        What population_tilt raises; ``NO_COLUMNS``, ``TOO_FEW_BLOCKS``.

    Notes
    -----
    The monitor watches the mean of every number, the share of every frequent category
    and of missing values, and alarms when any is further from the reference than one
    common level of its own spread. The level is calibrated on windows of whole blocks
    drawn from the past, each against a reference drawn anew, so that all statistics
    together keep the promised false alarms. What tells the time and is the same all
    day, a month or a weekday, moves with the calendar and is not watched. A move is
    added to the drawn windows; their spread is taken not to change with it. Changes of
    spread alone are not watched.
    Blocks are drawn as if days were exchangeable: a season alarms more often than
    promised, which ``past_alarm_share`` shows. Below about 30 blocks levels are rough;
    with skewed columns in windows of few blocks false alarms can exceed the promise by
    up to half.

    References
    ----------
    S. Rabanser, S. Gunnemann, Z. Lipton (2019), arXiv 1810.11953, for monitors judged
    by their power.
    """
    base = base_of(case)
    plan = planned(base)
    by_design = calendar_columns(base, options["by_design"])
    statistics, values = watched(base, by_design)
    if not statistics:
        msg = "No column has a mean or a share that a window could watch."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    drawn_from = past(base, values, plan.window_rows, options.seed)
    history = drawn_from.history
    null = null_windows(history, int(options["windows"]), options.seed)
    until_labels = math.ceil(plan.label_delay_days / plan.window_days)
    monitor = Monitor(
        statistics=statistics,
        null=null,
        level=calibrated_level(null, plan.false_alarm_rate),
        reference=history.mean,
        spread=history.spread,
        late_windows=min(
            max(int(options["late_windows"]), until_labels), null.shift.shape[1]
        ),
    )
    table = monitor_table(monitor, options.needed["D1"].tables["budgets"])
    table.insert(3, "kind", [case.columns[name].kind for name in table["column"]])
    table["psi_at_budget"] = psi_at_budget(table, values, base.weight)
    rows = (len(base.rows), drawn_from.n_blocks)
    blank = empty_row("", "", Reason.BEYOND_SUPPORT)
    found = judged(table)
    alarms = _past_alarms(drawn_from, monitor)
    summary = [
        *summary_rows_of(table, rows, blank),
        _count("blind_features", counts(found, BLIND), rows),
        _count("late_features", counts(found, LATE), rows),
        _past_row(alarms, rows),
    ]
    return Measurement(
        summary=summary_frame(summary),
        tables={
            "monitors": table,
            "plan": plan_table(case, plan, drawn_from, monitor),
        },
        notes=(
            *power_notes(found, monitor, plan),
            *usual_notes(found),
            *past_notes(alarms, plan),
            basis_note(base, drawn_from, plan, monitor),
            *design_notes(by_design),
            *plan.assumed,
        ),
    )


def _past_alarms(drawn_from: Past, monitor: Monitor) -> tuple[int, int]:
    """Return how many windows of the past alarm, and of how many."""
    windows = drawn_from.in_order
    if windows is None or not len(windows):
        return 0, 0
    far = abs(windows - monitor.reference) > monitor.level * monitor.spread
    return int(far.any(axis=1).sum()), len(far)


def _count(
    metric: str, found: tuple[int, int, int], rows: tuple[int, int]
) -> dict[str, object]:
    value, low, high = (float(one) for one in found)
    counted = Interval(
        value=value,
        ci_low=min(low, value),
        ci_high=max(high, value),
        se=float("nan"),
        n_rows=rows[0],
        n_blocks=rows[1],
        dependence_factor=float("nan"),
    )
    return summary_row(metric, "", counted, "count")


def _past_row(alarms: tuple[int, int], rows: tuple[int, int]) -> dict[str, object]:
    hits, of = alarms
    if not of:
        return empty_row("past_alarm_share", "", Reason.NO_TIME, "share")
    low, high = clopper_pearson(hits, of)
    share = Interval(
        value=hits / of,
        ci_low=low,
        ci_high=high,
        se=float("nan"),
        n_rows=rows[0],
        n_blocks=of,
        dependence_factor=float("nan"),
    )
    return summary_row("past_alarm_share", "", share, "share")


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the chance of an alarm when each budget is just spent."""
    found = judged(measurement.tables["monitors"])
    figure, axes = new_figure(
        "Chance that one window alarms when the budget is just spent",
        xlabel="share of windows that alarm (interval: that of the budget)",
    )
    if found.empty:
        axes.text(0.5, 0.5, "no watched column has a budget to spend", ha="center")
        return figure
    draw_intervals(
        axes,
        column_names(found),
        found["power"].tolist(),
        found["power_low"].tolist(),
        found["power_high"].tolist(),
        limits=[one for one in limits if one.metric == "power_at_budget"],
        unit="share",
        statuses=found["verdict"].tolist(),
    )
    axes.set_xlim(-0.03, 1.03)
    return figure


def alt(measurement: Measurement) -> str:
    """Return which budgets the window sees spent."""
    return measurement.notes[0]


CHECK = Check(
    code="D8",
    title="Monitor power",
    question="Would the planned monitor see a budget spent before the damage is done?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="power_at_budget",
            side="at_least",
            limit=0.8,
            required_in=(),
            groups="each",
            reason=(
                "A move that costs the tolerated loss should be seen in the first "
                "window in four cases of five."
            ),
        ),
        Limit(
            metric="blind_features",
            side="at_most",
            limit=0,
            required_in=(),
            reason="Nobody would notice these columns spend their budget.",
        ),
    ),
    needs=("D1",),
    defaults={"windows": 100_000, "late_windows": 4, "by_design": []},
    metrics=("missing_power_at_budget", "late_features", "past_alarm_share"),
)
