"""A table cut to a span of time: exactly, and without reading what lies outside."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness import pieces
from readiness.case import load_case
from readiness.checks.coverage import schema
from readiness.config import CaseFile
from readiness.errors import CaseError, InputError, Reason
from readiness.preflight import Options, look_over
from readiness.scoring import ledger
from readiness.source_config import FileSource
from readiness.tables import Table, load_table
from tests.coverage_cases import half

DAYS = pd.date_range("2024-01-01", periods=120)


def cut(folder: Path, since: str | None, until: str | None, path: str = "t") -> Table:
    source = FileSource.model_validate({"path": path, "since": since, "until": until})
    return load_table(source, folder, "reference", work=folder / "w", time="day")


def days(table: Table) -> list[pd.Timestamp]:
    frames = [table.frame(one) for one in table.batches(["day"])]
    return pd.to_datetime(pd.concat(frames)["day"]).tolist()


@pytest.fixture
def months(tmp_path: Path) -> Path:
    """Return one file per month, each of row groups of ten days."""
    for month, part in pd.Series(DAYS).groupby(DAYS.month):
        rows = pa.table({"day": part.to_numpy(), "n": np.arange(len(part))})
        path = tmp_path / f"t/month={month}/a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(rows, path, row_group_size=10)
    return tmp_path


def test_span_gives_its_rows_and_counts_the_others(months: Path) -> None:
    table = cut(months, "2024-02-05", "2024-03-15T12:00")

    asked = DAYS[(DAYS >= "2024-02-05") & (DAYS < "2024-03-15T12:00")]
    assert days(table) == asked.tolist()
    assert table.n_rows == len(asked) == 40
    assert table.left_out == {"outside_span": 80}
    assert table.files == ("t/month=2/a.parquet", "t/month=3/a.parquet")
    assert table.column("month").to_pylist() == asked.month.tolist()
    frame = table.take(np.array([39, 0]))
    assert frame["day"].tolist() == [asked[39], asked[0]]


def test_what_lies_outside_is_not_read(
    months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int, list[str]]] = []
    before = pieces.read_row_group

    def seen(
        piece: pieces.Piece, path: Path, wanted: list[str], coded: list[str]
    ) -> pa.Table:
        read.append((path.parent.name, piece.group, list(wanted)))
        return before(piece, path, wanted, coded)

    monkeypatch.setattr(pieces, "read_row_group", seen)
    table = cut(months, "2024-02-05", "2024-03-11")
    at_loading = list(read)
    read.clear()
    list(table.batches(["n"]))

    # Only the row group that holds both 4 and 5 February must be looked into.
    assert at_loading == [("month=2", 0, ["day"])]
    assert read == [
        ("month=2", 0, ["n", "day"]),
        ("month=2", 1, ["n"]),
        ("month=2", 2, ["n"]),
        ("month=3", 0, ["n"]),
    ]


def test_file_outside_the_span_may_be_damaged_where_its_rows_are(months: Path) -> None:
    path = months / "t/month=1/a.parquet"
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)

    table = cut(months, "2024-02-01", None)

    assert len(days(table)) == 89
    with pytest.raises(InputError, match="damaged"):
        days(cut(months, None, "2024-02-01"))


def test_day_that_is_the_name_of_a_folder_leaves_out_whole_files(
    tmp_path: Path,
) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        path = tmp_path / f"t/day={day}/a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"n": [1, 2]}), path)

    table = cut(tmp_path, "2024-01-02", "2024-01-03")

    assert table.files == ("t/day=2024-01-02/a.parquet",)
    assert table.column("day").to_pylist() == [dt.date(2024, 1, 2)] * 2
    assert table.left_out == {"outside_span": 4}


KINDS = {
    "s": pa.timestamp("s"),
    "ms": pa.timestamp("ms"),
    "us": pa.timestamp("us"),
    "ns": pa.timestamp("ns"),
    "zone": pa.timestamp("us", "Europe/Berlin"),
    "date32": pa.date32(),
    "date64": pa.date64(),
}
TIMES = st.datetimes(dt.datetime(1930, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 (naive on purpose)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("statistics", [True, False])
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    times=st.lists(st.none() | TIMES, min_size=1, max_size=12),
    bounds=st.lists(TIMES, min_size=2, max_size=2, unique=True).map(sorted),
)
def test_span_is_exact_for_every_type_of_time(
    name: str,
    statistics: bool,  # noqa: FBT001 (a parameter of the test)
    times: list[dt.datetime | None],
    bounds: list[dt.datetime],
    tmp_path: Path,
) -> None:
    kind = KINDS[name]
    values = pd.Series(times, dtype="datetime64[us]")
    if pa.types.is_date(kind):
        values = values.dt.floor("D")
    column = pa.array(values)
    if name == "zone":
        column = column.cast(pa.timestamp("us", "UTC"))
    column = column.cast(kind, safe=False)
    pq.write_table(
        pa.table({"day": column, "n": np.arange(len(times))}),
        tmp_path / "t.parquet",
        row_group_size=3,
        write_statistics=statistics,
    )
    # Independently: pandas compares what it reads itself.
    read = pd.read_parquet(tmp_path / "t.parquet")
    found = pd.to_datetime(read["day"])
    since, until = (pd.Timestamp(one) for one in bounds)
    if name == "zone":
        since, until = (
            one.tz_localize(
                "Europe/Berlin", ambiguous=True, nonexistent="shift_forward"
            )
            for one in (since, until)
        )
    inside = (found >= since) & (found < until)
    source = FileSource(path="t.parquet", since=bounds[0], until=bounds[1])

    if not inside.any():
        with pytest.raises(InputError) as caught:
            load_table(source, tmp_path, "reference", time="day")
        assert caught.value.code is Reason.EMPTY
        return
    table = load_table(source, tmp_path, "reference", time="day")

    assert table.column("n").to_pylist() == read["n"][inside].tolist()
    assert sum(table.left_out.values()) == int((~inside).sum())


def test_rows_without_a_time_are_counted_apart(tmp_path: Path) -> None:
    times = [DAYS[0], None, DAYS[1], DAYS[2]]
    pq.write_table(
        pa.table({"day": times, "n": [1, 2, None, 4]}), tmp_path / "t.parquet"
    )

    table = cut(tmp_path, "2024-01-01", "2024-01-03", "t.parquet")

    assert table.left_out == {"outside_span": 1, "no_time": 1}
    assert table.take(np.array([0, 1]))["n"].isna().tolist() == [False, True]


def test_nulls_outside_the_span_change_no_type(tmp_path: Path) -> None:
    rows = pa.table({"day": DAYS[:4], "n": [1, 2, None, None]})
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=4)

    table = cut(tmp_path, None, "2024-01-03", "t.parquet")

    assert table.with_nulls == frozenset()
    assert table.take(np.array([1]))["n"].dtype == "int64"


def test_bounds_without_a_zone_are_in_the_zone_of_the_column(tmp_path: Path) -> None:
    times = pd.date_range("2024-06-30 20:00", periods=6, freq="h", tz="UTC")
    times = times.tz_convert("Europe/Berlin")
    pq.write_table(pa.table({"day": times}), tmp_path / "t.parquet")

    local = cut(tmp_path, "2024-07-01", None, "t.parquet")
    universal = cut(tmp_path, "2024-07-01T00:00:00+00:00", None, "t.parquet")

    # Midnight of Berlin is 22:00 of UTC in summer.
    assert days(local) == times[2:].tolist()
    assert days(universal) == times[4:].tolist()


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"since": "yesterday"}, "must be a date or a time"),
        ({"since": "2024-02-01", "until": "2024-02-01"}, "before until"),
        ({"since": "2024-02-01", "until": "2024-03-01T00:00Z"}, "both have a zone"),
    ],
)
def test_span_that_is_none_is_refused(keys: dict[str, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FileSource.model_validate({"path": "t.parquet", **keys})


@pytest.mark.parametrize(
    ("time", "since", "match"),
    [
        (None, "2024-01-02", "names no column"),
        ("hour", "2024-01-02", "names 'hour', no column of it"),
        ("n", "2024-01-02", "must hold dates or timestamps"),
        ("day", "2024-01-02T00:00Z", "Write them without one"),
    ],
)
def test_span_needs_a_column_of_times(
    time: str | None, since: str, match: str, months: Path
) -> None:
    source = FileSource.model_validate({"path": "t", "since": since})

    with pytest.raises(CaseError, match=match):
        load_table(source, months, "reference", time=time)


def test_span_without_rows_says_so(months: Path) -> None:
    with pytest.raises(InputError, match="none of its 120 rows lies there") as caught:
        cut(months, "2030-01-01", None)

    assert caught.value.code is Reason.EMPTY


def test_span_of_csv_is_cut_from_its_copy(tmp_path: Path) -> None:
    rows = pd.DataFrame({"day": DAYS, "n": np.arange(len(DAYS))})
    rows.to_csv(tmp_path / "t.csv", index=False)

    table = cut(tmp_path, "2024-04-01", None, "t.csv")

    assert table.column("n").to_pylist() == list(range(91, 120))
    assert table.left_out == {"outside_span": 91}


CASE = """
name = "cut"
title = "Cut"
[model]
callable = "none.py:f"
task = "binary"
features = ["n"]
[data]
training = {{path = "t", until = 2024-02-01}}
reference = {{path = "t", since = 2024-02-01, until = "2024-03-01"}}
current = {{path = "t", since = "2024-03-01"}}
target = "y"
time = "day"
"""


def test_ledger_and_schema_tell_what_the_span_left_out(tmp_path: Path) -> None:
    rows = pa.table({"day": DAYS, "n": np.arange(120.0), "y": np.arange(120) % 2})
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=30)
    data = {
        "reference": {"path": "t.parquet", "since": "2024-02-01"},
        "target": "y",
        "time": "day",
    }
    model = {"callable": "none.py:f", "task": "binary", "features": ["n"]}
    file = CaseFile.model_validate(
        {"name": "cut", "title": "Cut", "model": model, "data": data}
    )

    case = load_case(file, base=tmp_path, model=half)

    account = ledger(case)["reference"]
    assert account == {"read": 120, "used": 89, "left_out": {"outside_span": 31}}
    notes = schema.sentences(case, {}, [])
    assert "reference: 89 rows of 120 in the files (31 outside span) read." in notes


def test_run_hashes_the_files_that_reach_into_the_span(months: Path) -> None:
    (months / "case.toml").write_text(CASE.format(), encoding="utf-8")
    (months / "none.py").write_text("def f(frame):\n    return frame['n']\n")
    options = Options(
        policy=None,
        out=months / "out",
        only=(),
        profile="quick",
        current=None,
        jobs=None,
        timeout_s=10.0,
        cell_timeout_s=10,
        seed=1,
        cluster="",
        strict=False,
    )

    ready = look_over(months / "case.toml", options)

    named = {name: path.parent.name for name, path in ready.inputs.items()}
    assert named["training"] == "month=1"
    assert named["reference"] == "month=2"
    assert (named["current 1"], named["current 2"]) == ("month=3", "month=4")
    assert json.dumps(ready.about["inputs"])
