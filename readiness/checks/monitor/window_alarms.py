"""M2: which of the new windows alarmed, beside the false alarms that were promised."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE, VERMILLION
from readiness.case import Case
from readiness.checks.monitor._windows import Windows, windows_of
from readiness.errors import NotAssessedError, Reason
from readiness.figures import new_figure
from readiness.monitor import MonitorCase, require_plan
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Floats,
    Interval,
    clopper_pearson,
    empty_row,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 4


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Tell which windows are further from the reference than chance would explain.

    Parameters
    ----------
    case : Case
        New rows under a plan (`monitor.MonitorCase`).
    options : Options
        None.

    Returns
    -------
    Measurement
        ``alarm_share``: share of the new windows in which any watched number alarms;
        ``alarms_in_last_window`` (count of watched numbers). Table ``alarms``: one row
        per window and number that alarmed, the furthest first.

    Raises
    ------
    NotAssessedError
        NO_PLAN for a case that is none of a monitor; SCHEMA when no watched column is
        there; EMPTY when no row has a time.

    Notes
    -----
    An alarm says that something has moved, not that it costs anything: the budget says
    that. Levels stand in the plan; over windows in which nothing changed they keep the
    promised rate, seasons and trends alarm more often.
    """
    monitor = require_plan(case)
    windows = windows_of(monitor)
    far = _far(monitor, windows)
    if np.isnan(far).all():
        msg = "None of the watched columns is in the new rows."
        raise NotAssessedError(msg, Reason.SCHEMA)
    alarms = np.nan_to_num(far) > 1
    hits, of = int(alarms.any(axis=1).sum()), len(far)
    low, high = clopper_pearson(hits, of)
    last = int(alarms[-1].sum())
    blocks = monitor.plan.window.reference_blocks
    share = _plain(hits / of, (low, high), int(windows.rows.sum()), blocks)
    in_last = _plain(float(last), (last, last), int(windows.rows[-1]), blocks)
    rows = [
        summary_row("alarm_share", "", share, "share"),
        summary_row("alarms_in_last_window", "", in_last, "count"),
    ]
    rows += [
        empty_row("watched", name, reason) for name, reason in windows.problems.items()
    ]
    return Measurement(
        summary=summary_frame(rows),
        tables={
            "alarms": _table(monitor, windows, far),
            "windows": _by_window(windows, far),
        },
        notes=_notes(monitor, windows, far, (hits, low, high)),
    )


def _far(case: MonitorCase, windows: Windows) -> Floats:
    """Return how far each number is from its reference, in alarm levels, (w, m)."""
    reference = np.array([one.reference for one in case.plan.watch])
    level = np.array([one.alarm_move for one in case.plan.watch])
    moved = np.abs(windows.value - reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = moved / level
    # A number that never moved in the past alarms at any move.
    return np.where((level == 0) & (moved == 0), 0.0, far)


def _plain(
    value: float, limits: tuple[float, float], n_rows: int, n_blocks: int
) -> Interval:
    return Interval(
        value=value,
        ci_low=float(limits[0]),
        ci_high=float(limits[1]),
        se=float("nan"),
        n_rows=n_rows,
        n_blocks=n_blocks,
        dependence_factor=float("nan"),
    )


def _table(case: MonitorCase, windows: Windows, far: Floats) -> pd.DataFrame:
    window, place = np.nonzero(np.nan_to_num(far) > 1)
    watch = [case.plan.watch[one] for one in place]
    found = pd.DataFrame(
        {
            "window": window + 1,
            "start": windows.start[window],
            "column": [one.column for one in watch],
            "what": [one.family for one in watch],
            "category": [one.category for one in watch],
            "value": windows.value[window, place],
            "reference": [one.reference for one in watch],
            "unit": [one.unit for one in watch],
            "alarm_levels": far[window, place],
        }
    )
    return found.sort_values("alarm_levels", ascending=False, ignore_index=True)


def _by_window(windows: Windows, far: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "window": np.arange(1, len(far) + 1),
            "start": windows.start,
            "rows": windows.rows,
            "furthest": np.nanmax(far, axis=1, initial=0.0),
        }
    )


def _notes(
    case: MonitorCase, windows: Windows, far: Floats, counted: tuple[int, float, float]
) -> tuple[str, ...]:
    hits, low, high = counted
    cut = case.plan.window
    promised = cut.false_alarms_per_month / cut.windows_per_month
    first = (
        f"{hits} of {len(far)} windows alarmed ({interval(low, high, 'share')}); "
        f"without any change it would be {number(promised, 'share')}."
    )
    found = _table(case, windows, far)
    found = found[found["window"] == len(far)]
    last = [
        f"{_what(row)} ({number(row['value'], str(row['unit']))}, usually "
        f"{number(row['reference'], str(row['unit']))})"
        for row in found.head(NAMED).to_dict("records")
    ]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    if not last:
        nothing = "In the last window nothing has moved further than chance explains."
        return (first, nothing)
    return (first, f"In the last window moved: {'; '.join(last)}{more}.")


def _what(row: dict[object, object]) -> str:
    name = visible(str(row["column"]), 40)
    return {
        "mean": f"the mean of {name}",
        "missing": f"the share of missing {name}",
    }.get(
        str(row["what"]), f"the share of {visible(str(row['category']), 30)} in {name}"
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the furthest number of each window, in alarm levels."""
    windows = measurement.tables["windows"]
    figure, axes = new_figure(
        "The number that moved furthest, window by window",
        xlabel="window",
        ylabel="distance from the reference, in alarm levels",
    )
    colours = [VERMILLION if one > 1 else BLUE for one in windows["furthest"]]
    x = windows["start"] if windows["start"].notna().all() else windows["window"]
    if len(x) > 1 and windows["start"].notna().all():
        axes.vlines(x, 0, windows["furthest"], color=colours, linewidth=3)
        axes.set_xlabel("start of the window")
        axes.tick_params(axis="x", rotation=30)
    else:
        axes.vlines(
            windows["window"], 0, windows["furthest"], color=colours, linewidth=6
        )
    axes.axhline(1.0, color="black", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    return figure


def alt(measurement: Measurement) -> str:
    """Return how many windows alarmed."""
    return measurement.notes[0]


CHECK = Check(
    code="M2",
    title="Alarms",
    question="Which windows moved further than chance explains?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="alarms_in_last_window",
            side="at_most",
            limit=0,
            required_in=(),
            reason="Something moved. Look at it before it has spent a budget.",
        ),
    ),
    metrics=("alarm_share", "watched"),
)
