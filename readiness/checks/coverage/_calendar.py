"""When the rows of a table were made, counted by hour, month and class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.checks.coverage._events import Outcomes
from readiness.labels import USABLE
from readiness.shares import (
    KeyedSums,
    ShareCounts,
    keyed_sums,
    merge_share_counts,
    merge_sums,
    share_counts,
)
from readiness.stats import Ints
from readiness.table_rows import (
    NULL_CODE,
    Keys,
    clusters_of,
    microseconds,
    passed,
    weights_of,
)
from readiness.tables import Table

HOUR_US = 3_600_000_000
HOURS_PER_DAY = 24
MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = tuple(f"{hour:02d} h" for hour in range(HOURS_PER_DAY))
NAMES: Mapping[str, tuple[str, ...]] = {
    "month": MONTHS,
    "weekday": WEEKDAYS,
    "hour": HOURS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountHours:
    """The summary that counts rows, labelled rows and classes by hour since 1970.

    Parameters
    ----------
    time : str
        The time column.
    outcomes : Outcomes or None
        What the labels are told apart by; None: the table has no target.
    """

    time: str
    outcomes: Outcomes | None

    def summarize(self, batch: pa.RecordBatch) -> KeyedSums:
        """Count one batch; rows without a time have the lowest key."""
        when = microseconds(batch.column(self.time))
        hours = np.where(when == NULL_CODE, when, when // HOUR_US)
        rows = np.ones((len(hours), 1))
        if self.outcomes is None:
            return keyed_sums(hours, np.hstack([rows, 0 * rows]))
        values = batch.column(self.outcomes.target)
        absent = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
        place, why = self.outcomes.places(values)
        classes = np.zeros((len(hours), len(self.outcomes.names)))
        classes[np.flatnonzero(why == USABLE), place] = 1.0
        return keyed_sums(hours, np.hstack([rows, 1.0 - absent[:, None], classes]))

    def merge(self, a: KeyedSums, b: KeyedSums) -> KeyedSums:
        """Count two sets of rows together."""
        return merge_sums(a, b)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCovered:
    """The summary that counts rows in calendar units that were covered."""

    time: str
    keys: Keys
    covered: tuple[tuple[str, frozenset[int]], ...]

    def summarize(self, batch: pa.RecordBatch) -> ShareCounts:
        """Count one batch; rows without a time are left out."""
        when = microseconds(batch.column(self.time))
        known = when != NULL_CODE
        hours = when[known] // HOUR_US
        hits = [
            np.isin(unit_codes(unit, hours), list(codes))
            for unit, codes in self.covered
        ]
        weight = weights_of(batch, self.keys)
        return share_counts(
            np.column_stack(hits),
            clusters_of(batch, self.keys).take(known),
            None if weight is None else weight[known],
        )

    def merge(self, a: ShareCounts, b: ShareCounts) -> ShareCounts:
        """Count two sets of rows together."""
        return merge_share_counts(a, b)


def unit_codes(unit: str, hours: Ints) -> Ints:
    """Return the calendar unit of each hour since 1970, from 0.

    Examples
    --------
    >>> int(unit_codes("weekday", np.array([0]))[0])  # 1970 began on a Thursday
    3
    """
    if unit == "hour":
        return hours % HOURS_PER_DAY
    days = hours // HOURS_PER_DAY
    if unit == "weekday":
        return (days + 3) % 7
    months: Ints = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months % 12


def hours_of(table: Table, time: str, outcomes: Outcomes) -> KeyedSums:
    """Return rows, labelled rows and rows of each class, by hour since 1970."""
    known = outcomes if outcomes.target in table.schema.names else None
    columns = [time] if known is None else [time, known.target]
    return passed(table, CountHours(time=time, outcomes=known), columns)


def known_hours(counted: KeyedSums) -> KeyedSums:
    """Return the counts of rows that have a time."""
    known = counted.keys != NULL_CODE
    return KeyedSums(keys=counted.keys[known], sums=counted.sums[known])


def days_by_unit(unit: str, counted: KeyedSums) -> Ints:
    """Return the number of different days with rows, by calendar unit."""
    hours = known_hours(counted).keys
    pairs = np.column_stack([unit_codes(unit, hours), hours // HOURS_PER_DAY])
    distinct = np.unique(pairs, axis=0)
    return np.bincount(distinct[:, 0], minlength=len(NAMES[unit]))


def sums_by_unit(unit: str, counted: KeyedSums) -> Ints:
    """Return rows, labelled rows and rows of each class, by calendar unit."""
    found = known_hours(counted)
    codes, n = unit_codes(unit, found.keys), len(NAMES[unit])
    sums = [np.bincount(codes, one, minlength=n) for one in found.sums.T]
    return np.stack(sums, axis=1).astype(np.int64)


def calendar_table(
    counted: Mapping[str, KeyedSums], units: tuple[str, ...], min_days: int, base: str
) -> pd.DataFrame:
    """Return days and rows by unit, its value and table, and whether base covers it.

    Columns: ``unit, name, table, days, rows, covered``.
    """
    rows = []
    for unit in units:
        covered = days_by_unit(unit, counted[base]) >= min_days
        for table, one in counted.items():
            found = pd.DataFrame({"unit": unit, "name": NAMES[unit], "table": table})
            found["days"] = days_by_unit(unit, one)
            found["rows"] = sums_by_unit(unit, one)[:, 0]
            found["covered"] = covered
            rows.append(found)
    return pd.concat(rows, ignore_index=True)


def label_table(
    counted: Mapping[str, KeyedSums], units: tuple[str, ...], names: tuple[str, ...]
) -> pd.DataFrame:
    """Return labelled rows by unit, its value, table and class.

    Columns: ``unit, name, table, class, events``; tables without labels are left out.
    """
    rows = []
    for unit in units:
        for table, one in counted.items():
            sums = sums_by_unit(unit, one)
            for n, label in enumerate(names if sums[:, 1].any() else ()):
                found = pd.DataFrame(
                    {"unit": unit, "name": NAMES[unit], "table": table, "class": label}
                )
                found["events"] = sums[:, 2 + n]
                rows.append(found)
    columns = ["unit", "name", "table", "class", "events"]
    nothing = pd.DataFrame(columns=columns)
    return pd.concat(rows, ignore_index=True) if rows else nothing


def span_table(counted: Mapping[str, KeyedSums]) -> pd.DataFrame:
    """Return when the rows of each table begin and end, and their longest gap.

    Columns: ``table, first, last, days_with_rows, longest_gap_days, gap_after,
    last_label, rows_without_time``; a gap is a run of days without any row.
    """
    return pd.DataFrame([{"table": n, **_span(one)} for n, one in counted.items()])


def _span(counted: KeyedSums) -> dict[str, object]:
    found = known_hours(counted)
    without = counted.sums[:, 0].sum() - found.sums[:, 0].sum()
    days = np.unique(found.keys // HOURS_PER_DAY)
    labelled = found.keys[found.sums[:, 1] > 0] // HOURS_PER_DAY
    gaps = np.diff(days) - 1
    place = int(np.argmax(gaps)) if len(gaps) else 0
    return {
        "first": _day(days[:1]),
        "last": _day(days[-1:]),
        "days_with_rows": len(days),
        "longest_gap_days": int(gaps[place]) if len(gaps) else 0,
        "gap_after": _day(days[place : place + 1]) if len(gaps) else "",
        "last_label": _day(labelled[-1:]),
        "rows_without_time": int(without),
    }


def _day(days: Ints) -> str:
    return str(days[0].astype("datetime64[D]")) if len(days) else ""


def covered_share(
    table: Table, time: str, keys: Keys, calendar: pd.DataFrame, units: tuple[str, ...]
) -> ShareCounts:
    """Count the rows of a table whose calendar unit the base covers, by unit."""
    covered = []
    for unit in units:
        names = calendar[(calendar["unit"] == unit) & calendar["covered"]]["name"]
        codes = frozenset(NAMES[unit].index(name) for name in names)
        covered.append((unit, codes))
    count = CountCovered(time=time, keys=keys, covered=tuple(covered))
    return passed(table, count, [time, *keys.columns()])
