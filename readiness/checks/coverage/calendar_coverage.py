"""C7: labelled events per class, and the calendar that training has seen."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._calendar import (
    NAMES,
    calendar_table,
    covered_share,
    hours_of,
    known_hours,
    label_table,
    span_table,
)
from readiness.checks.coverage._calendar_report import (
    UNITS,
    draw_calendar,
    draw_events,
    sentences,
)
from readiness.checks.coverage._events import (
    Events,
    Outcomes,
    class_table,
    events_of,
    outcomes_of,
)
from readiness.errors import Reason
from readiness.result import Check, Limit, Measurement, Options
from readiness.shares import KeyedSums, share_intervals
from readiness.stats import empty_row, no_interval, summary_frame, summary_row
from readiness.table_rows import keys_of
from readiness.tables import Table
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVENTS, CALENDAR = "events", "calendar_share"
TABLES = ("training", "reference", "current")


def measure(case: Case, options: Options) -> Measurement:
    """Count labelled rows per class, and rows in calendar units training has seen.

    Parameters
    ----------
    case : Case
        Labels of training and reference; a time column for the calendar.
    options : Options
        ``min_days``: days that training must have of a month, weekday or hour for it
        to count as seen.

    Returns
    -------
    Measurement
        ``events`` (count) per class: the smaller of its labelled rows in training and
        in reference. Of a regression: rows in the lowest tenth, the middle and the
        highest tenth of training's target. ``calendar_share`` (share of the current
        rows) per ``month``, ``weekday`` and ``hour``. Tables ``classes``, ``calendar``,
        ``labels`` (labelled rows by calendar unit and class) and ``spans``.

    Notes
    -----
    With 100 rows of a class a share measured on it is known to about ten points.
    Counts are exact; the intervals of shares sum rows by block. A month that was seen
    in one year only says nothing about how years differ, and a unit with five days is
    seen, not known. Times are wall-clock times. Without current rows the reference is
    held against training. Times all at midnight have no hour. Times of another zone
    than training's, or with a zone where training has none, are not compared.

    References
    ----------
    E. L. Korn, B. I. Graubard (1998), Survey Methodology 24(2), 193-201.
    """
    base = case.training_or_reference()
    outcomes = outcomes_of(case, base)
    events = events_of(case, outcomes)
    counted = _hours(case, outcomes)
    calendar, rows = _calendar(case, base, counted, int(options["min_days"]))
    units = tuple(calendar["unit"].unique())
    shown = {name: counted[name] for name in calendar["table"].unique()}
    tables = {
        "classes": class_table(outcomes, events),
        "calendar": calendar,
        "labels": label_table(shown, units, outcomes.names),
        "spans": span_table(counted) if counted else pd.DataFrame(),
    }
    summary = summary_frame([*_event_rows(outcomes, events), *rows])
    unknown = {name: one.unknown for name, one in events.items()}
    return Measurement(
        summary=summary,
        tables=tables,
        notes=sentences(summary, tables, unknown, base.name),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw days and labels by month and weekday; without a time, the events."""
    calendar = measurement.tables["calendar"]
    if calendar.empty:
        return draw_events(measurement.summary, limits)
    return draw_calendar(calendar, measurement.tables["labels"])


def alt(measurement: Measurement) -> str:
    """Return what the calendar and the rarest class say in one sentence."""
    summary = measurement.summary
    shares = summary[(summary["metric"] == CALENDAR) & summary["value"].notna()]
    counts = summary[(summary["metric"] == EVENTS) & summary["value"].notna()]
    parts = [
        f"{number(one['value'], 'share')} of the rows fall in "
        f"{UNITS[one['group']]} that was seen before"
        for one in shares.to_dict("records")
    ]
    if len(counts):
        rarest = counts.iloc[int(np.argmin(counts["value"]))]
        parts.append(
            f"the rarest class, {visible(rarest['group'], 40)}, has "
            f"{number(rarest['value'], 'count')} labelled rows"
        )
    return f"{'; '.join(parts) or 'Neither labels nor times could be counted'}."


def _hours(case: Case, outcomes: Outcomes) -> dict[str, KeyedSums]:
    """Return rows and labels by hour of the tables that have times."""
    time = case.file.data.time
    found = {
        name: hours_of(case.table(name), time, outcomes)
        for name in TABLES
        if time is not None and case.has(name) and time in case.table(name).schema.names
    }
    return {name: one for name, one in found.items() if len(known_hours(one).keys)}


def _event_rows(
    outcomes: Outcomes, events: Mapping[str, Events]
) -> list[dict[str, Any]]:
    if not events:
        return [empty_row(EVENTS, "", Reason.NO_LABELS, "count")]
    rows = []
    for n, name in enumerate(outcomes.names):
        fewest = min(events.values(), key=lambda one: int(one.counts[n]))
        value = float(fewest.counts[n])
        row = summary_row(EVENTS, name, no_interval(), "count")
        exact = {"value": value, "ci_low": value, "ci_high": value, "n_blocks": np.nan}
        rows.append({**row, **exact, "n_rows": int(fewest.counts.sum())})
    return rows


def _calendar(
    case: Case, base: Table, counted: Mapping[str, KeyedSums], min_days: int
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return the calendar, and a row per unit with the share that base covers."""
    columns = ["unit", "name", "table", "days", "rows", "covered"]
    nothing = pd.DataFrame(columns=columns)
    others = [n for n in ("current", "reference") if case.has(n) and n != base.name]
    why = _why_no_calendar(case, base, counted, others)
    if why is not None:
        return nothing, [empty_row(CALENDAR, unit, why, "share") for unit in NAMES]
    other, time, zone = others[0], str(case.file.data.time), _zone(case, base.name)
    alike = [n for n in others[1:] if n in counted and _zone(case, n) == zone]
    ordered = [base.name, *alike, other]
    shown = {name: counted[name] for name in ordered}
    units = tuple(unit for unit in NAMES if unit != "hour" or _has_hours(shown))
    calendar = calendar_table(shown, units, min_days, base.name)
    table = case.table(other)
    shares = covered_share(table, time, keys_of(case, table), calendar, units)
    rows = [
        summary_row(CALENDAR, unit, share, "share")
        for unit, share in zip(units, share_intervals(shares), strict=True)
    ]
    return calendar, rows


def _why_no_calendar(
    case: Case, base: Table, counted: Mapping[str, KeyedSums], others: list[str]
) -> Reason | None:
    if case.file.data.time is None:
        return Reason.NO_TIME
    if not others:
        return Reason.NO_TABLE
    if not {base.name, others[0]} <= set(counted):
        return Reason.ALL_NULL
    is_alike = _zone(case, base.name) == _zone(case, others[0])
    return None if is_alike else Reason.SCHEMA


def _zone(case: Case, table: str) -> str | None:
    """Return the time zone of a table's times; None where they have none."""
    kind = case.table(table).schema.field(str(case.file.data.time)).type
    return getattr(kind, "tz", None)


def _has_hours(counted: Mapping[str, KeyedSums]) -> bool:
    return any(np.any(known_hours(one).keys % 24) for one in counted.values())


CHECK = Check(
    code="C7",
    title="Labels and calendar",
    question=(
        "Are there enough labelled rows of each class, and has training seen the "
        "months, weekdays and hours that production meets?"
    ),
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=(),
    limits=(
        Limit(
            metric=EVENTS,
            side="at_least",
            limit=100,
            required_in=("high",),
            groups="each",
            reason="With fewer rows a share of the class is not known to ten points.",
        ),
        Limit(
            metric=CALENDAR,
            side="at_least",
            limit=0.95,
            required_in=(),
            groups="each",
            reason="One row in twenty comes at a time of which there is no experience.",
        ),
    ),
    defaults={"min_days": 5},
)
