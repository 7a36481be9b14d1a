"""The span of time a table is cut to: what lies outside is not read at all."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from readiness.errors import CaseError

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (times are counted in UTC, without a zone)
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
DAY = 86_400 * 10**9
BEYOND = 2**63 - 1
Side = Literal["inside", "outside", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rows whose time is at least `since` and before `until`.

    Parameters
    ----------
    column : str
        The time column.
    since, until : int or None
        Nanoseconds since 1970, UTC; as the column says when it has no zone.
    """

    column: str
    since: int | None
    until: int | None

    def mask(self, times: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return which times lie inside; null where there is no time."""
        unit = _unit(times.type)
        whole = pa.int32() if pa.types.is_date32(times.type) else pa.int64()
        numbers = times.cast(whole).cast(pa.int64())
        # Both bounds are rounded up to whole units: t >= b and t < b stay exact.
        low = -BEYOND if self.since is None else -(-self.since // unit)
        inside = pc.greater_equal(numbers, _within_64_bits(low))
        if self.until is None:
            return inside
        high = _within_64_bits(-(-self.until // unit))
        return pc.and_(inside, pc.less(numbers, high))

    def side(self, lowest: int, highest: int) -> Side:
        """Return where all times from `lowest` to `highest` nanoseconds lie."""
        low = -(2**200) if self.since is None else self.since
        high = 2**200 if self.until is None else self.until
        if highest < low or lowest >= high:
            return "outside"
        return "inside" if lowest >= low and highest < high else "unknown"


def span_of(
    since: dt.datetime | None, until: dt.datetime | None, field: pa.Field, name: str
) -> Span:
    """Return the span in the terms of a time column.

    Parameters
    ----------
    since, until : datetime or None
        Without a zone: in the zone of the column.
    field : pyarrow.Field
        The time column.
    name : str
        Name of the table, for messages.

    Raises
    ------
    CaseError
        When the column holds no times, or has no zone where the bounds have one.
    """
    kind = field.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        msg = (
            f"data.time must hold dates or timestamps to cut the {name} table by since "
            f"and until; {field.name!r} holds {kind}. Convert the column, or declare "
            "its format."
        )
        raise CaseError(msg)
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    bounds = [_nanoseconds(one, zone, field.name) for one in (since, until)]
    return Span(column=field.name, since=bounds[0], until=bounds[1])


def _nanoseconds(moment: dt.datetime | None, zone: str | None, name: str) -> int | None:
    if moment is None:
        return None
    if zone is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=pa.lib.string_to_tzinfo(zone))
    elif zone is None and moment.tzinfo is not None:
        msg = (
            f"since and until have a zone, the column {name!r} has none. Write them "
            "without one."
        )
        raise CaseError(msg)
    return nanoseconds(moment)


def nanoseconds(moment: dt.date) -> int:
    """Return a date or time as nanoseconds since 1970, in UTC when it has a zone.

    Examples
    --------
    >>> nanoseconds(dt.date(1970, 1, 2)) == 86_400 * 10**9
    True
    """
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 (see EPOCH)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    since = moment - EPOCH
    finer = int(getattr(moment, "nanosecond", 0))  # pandas goes beyond microseconds
    whole = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 10**3
    return int(whole) + finer


def side_of_group(
    span: Span, group: pq.RowGroupMetaData, places: Mapping[str, int]
) -> Side:
    """Return where the rows of a row group lie, by the statistics of the file.

    Parameters
    ----------
    span : Span
    group : pyarrow.parquet.RowGroupMetaData
    places : mapping of str to int
        Where each column stands in the row group.

    Notes
    -----
    Rows without a time are left out: a group is inside only when it has none.
    """
    column = group.column(places[span.column])
    if not column.is_stats_set or not column.statistics.has_min_max:
        return "unknown"
    found: Any = column.statistics
    bounds = found.min, found.max
    if not all(isinstance(one, dt.date) for one in bounds):
        return "unknown"
    side = span.side(*map(nanoseconds, bounds))
    if side == "inside" and (not found.has_null_count or found.null_count):
        return "unknown"
    return side


def _unit(kind: pa.DataType) -> int:
    if pa.types.is_timestamp(kind):
        return NANOSECONDS[kind.unit]
    return DAY if pa.types.is_date32(kind) else NANOSECONDS["ms"]


def _within_64_bits(number: int) -> pa.Scalar:
    return pa.scalar(max(-BEYOND, min(BEYOND, number)), pa.int64())
