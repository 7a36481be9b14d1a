"""How old the newest current row was when the run began."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from readiness.case import Case
from readiness.errors import Reason
from readiness.spans import nanoseconds
from readiness.stats import empty_row, no_interval, summary_row
from readiness.tables import Table

METRIC = "age_days"
US_PER_DAY = 86_400_000_000


def age_of_current(case: Case) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the row of the summary and the sentence; nothing where none is asked for.

    Without current rows or a time column the row says so; a time of day that lies in
    the future makes no table fresh, and is counted.
    """
    if case.file.data.max_age is None:
        return [], []
    time = case.file.data.time
    if not case.has("current"):
        return [empty_row(METRIC, "", Reason.NO_TABLE, "days")], []
    table = case.table("current")
    if time is None or not _has_times(table, time):
        return [empty_row(METRIC, "", Reason.NO_TIME, "days")], []
    begun = nanoseconds(case.begun) // 1000
    newest, n_future, n_rows = _newest(table, time, begun)
    later = f" {n_future:,} rows lie in the future and do not count." * bool(n_future)
    if newest is None:
        return [empty_row(METRIC, "", Reason.ALL_NULL, "days")], [later] * bool(later)
    age = (begun - newest) / US_PER_DAY
    exact = {"value": age, "ci_low": age, "ci_high": age, "n_blocks": np.nan}
    row = summary_row(METRIC, "", no_interval(), "days")
    when = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=newest)
    said = f"The newest current row is of {when:%Y-%m-%d %H:%M} UTC, {age:.1f} days old"
    return [{**row, **exact, "n_rows": n_rows}], [f"{said} at the start.{later}"]


def _has_times(table: Table, time: str) -> bool:
    if time not in table.schema.names:
        return False
    kind = table.schema.field(time).type
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _newest(table: Table, time: str, begun: int) -> tuple[int | None, int, int]:
    """Return the newest time up to `begun` in microseconds, rows after it, and rows."""
    newest, n_future, n_rows = None, 0, 0
    for batch in table.batches([time]):
        values = batch.column(0)
        zone = getattr(values.type, "tz", None)
        cast = pc.cast(values, pa.timestamp("us", zone), safe=False).cast(pa.int64())
        times = cast.drop_null().to_numpy(zero_copy_only=False)
        past = times[times <= begun]
        n_future += len(times) - len(past)
        n_rows += len(past)
        if len(past):
            newest = max(int(past.max()), newest if newest is not None else -(2**62))
    return newest, n_future, n_rows
