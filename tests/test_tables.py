"""Tables stream with the pandas types of the whole, and say what is wrong with them."""

import gzip
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness import pieces
from readiness.errors import InputError, Reason
from readiness.tables import Table, load_table, table_from_frame
from tests.column_types import COLUMN_TYPES, written

FEW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def whole(table: Table) -> pd.DataFrame:
    frames = [table.frame(batch) for batch in table.batches()]
    assert all((frame.dtypes == frames[0].dtypes).all() for frame in frames)
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("name", COLUMN_TYPES)
@FEW
@given(data=st.data())
def test_batches_have_the_types_pandas_gives_the_whole_file(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    path = written(data.draw(COLUMN_TYPES[name]), tmp_path)
    expected = pd.read_parquet(path)

    table = load_table(path.name, tmp_path, "reference")

    pd.testing.assert_frame_equal(whole(table), expected)
    backwards = table.take(np.array([4, 3, 0]))
    pd.testing.assert_frame_equal(
        backwards, expected.iloc[[4, 3, 0]].reset_index(drop=True)
    )


@pytest.mark.parametrize("name", COLUMN_TYPES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_frame_in_memory_gives_the_types_of_its_file(
    name: str, data: st.DataObject
) -> None:
    cells = data.draw(COLUMN_TYPES[name])
    is_arrow = isinstance(cells, pa.Array)
    rows = pa.table({"value": cells}) if is_arrow else pd.DataFrame({"value": cells})
    sink = pa.BufferOutputStream()
    as_arrow = rows if is_arrow else pa.Table.from_pandas(rows)
    pq.write_table(as_arrow, sink)
    expected = pd.read_parquet(pa.BufferReader(sink.getvalue()))

    table = table_from_frame(rows, "reference")

    found = table.frame(next(table.batches()))
    # Parquet has no seconds, and categories of text only; memory has both.
    if name in ("category_int", "category_time", "timestamp_s"):
        assert found["value"].isna().tolist() == expected["value"].isna().tolist()
    else:
        pd.testing.assert_frame_equal(found, expected)


def test_integers_are_floats_in_every_batch_when_a_null_is_in_one(
    tmp_path: Path,
) -> None:
    pq.write_table(
        pa.table({"n": [1, 2, None, 4], "flag": [True, False, True, None]}),
        tmp_path / "t.parquet",
        row_group_size=2,
    )

    table = load_table("t.parquet", tmp_path, "reference")

    first = table.frame(next(table.batches()))
    assert first.dtypes.astype(str).to_dict() == {"n": "float64", "flag": "object"}


def test_nulls_are_counted_when_the_file_has_no_statistics(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"n": [1, 2, None, 4]}),
        tmp_path / "t.parquet",
        row_group_size=2,
        write_statistics=False,
    )

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.with_nulls == {"n"}


def test_columns_whose_names_share_a_prefix_are_kept_apart(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a.b": [1], "a": [2], "a.c": [3]}), tmp_path / "t.parquet")

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.column("a").to_pylist() == [2]
    assert table.take(np.array([0]), ["a.c", "a"]).iloc[0].tolist() == [3, 2]


def test_stored_index_is_no_column_and_its_order_is_ignored_f075(
    tmp_path: Path,
) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=pd.Index([7, 3, 7], name="key"))
    frame.to_parquet(tmp_path / "t.parquet")

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.schema.names == ["x"]
    pd.testing.assert_frame_equal(whole(table), frame.reset_index(drop=True))


def test_glob_reads_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [3, 4]}), tmp_path / "part-2.parquet")
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "part-1.parquet")

    table = load_table("part-*.parquet", tmp_path, "current")

    assert table.column("x").to_pylist() == [1, 2, 3, 4]
    assert table.files == ("part-1.parquet", "part-2.parquet")
    assert table.n_rows == 4


def test_tasks_can_be_sent_to_another_process(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / "t.parquet", row_group_size=2)
    table = load_table("t.parquet", tmp_path, "current")

    tasks = pickle.loads(pickle.dumps(table.tasks(["x"])))  # noqa: S301 (made here)

    assert [task()[0].num_rows for task in tasks] == [2, 1]


def test_taking_no_row_keeps_the_types() -> None:
    table = table_from_frame(pd.DataFrame({"x": [1.5], "s": ["a"]}), "reference")

    frame = table.take(np.array([], dtype=np.int64))

    assert frame.dtypes.astype(str).to_dict() == {"x": "float64", "s": "str"}
    assert len(frame) == 0


def test_equal_frames_have_equal_hashes_and_others_do_not() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})

    hashes = [
        table_from_frame(one, "reference").sha256
        for one in (frame, frame.copy(), frame + 1)
    ]

    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_csv_types_come_from_every_row_and_words_for_missing_stay_text(
    tmp_path: Path,
) -> None:
    lines = ["n;word;code;when;empty", *["1;NA;007;2024-01-31 10:00:00;"] * 30_000]
    text = "\n".join([*lines, "1.5;None;008;2024-02-01 11:00:00;x"])
    (tmp_path / "t.csv").write_text(text + "\n", encoding="utf-8")

    table = load_table("t.csv", tmp_path, "reference", work=tmp_path / "work")

    frame = table.take(np.array([0, 30_000]))
    assert frame["n"].tolist() == [1.0, 1.5]
    assert frame["word"].tolist() == ["NA", "None"]
    assert frame["code"].tolist() == ["007", "008"]
    assert frame["when"].dtype == "datetime64[us]"
    assert pd.isna(frame["empty"][0])


def test_csv_is_converted_once_per_work_folder(tmp_path: Path) -> None:
    (tmp_path / "it's.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")

    first = load_table("it's.csv", tmp_path, "reference", work=tmp_path / "work")
    again = load_table("it's.csv", tmp_path, "reference", work=tmp_path / "work")

    assert first.pieces[0].path == again.pieces[0].path
    assert first.sha256 == again.sha256
    assert len(list((tmp_path / "work").iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,a\n1,2\n", "'a'"),
        ("1,2\n3,4\n", "line of column names"),
        ('a,b\n1,"x\n2,y\n3\n', "an open quote"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells instead of 2"),
        ("a;b\n1;2\n3\n", "line 3 has 1 cells instead of 2"),
        ("a,b\n" + "1,2\n" * 300 + "3,x\0\n", "line 302 is not"),
    ],
    ids=["F069", "no header", "F048-quote", "F048-long", "F048-short", "F048-nul"],
)
def test_irregular_csv_is_an_error_of_its_format(
    text: str, match: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=match) as caught:
        load_table("t.csv", tmp_path, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_text_in_another_encoding_is_an_error_with_its_line_f048(
    tmp_path: Path,
) -> None:
    lines = "a,b\n" + "1,Zug\n" * 400_000 + "2,Zürich\n"
    (tmp_path / "t.csv").write_bytes(lines.encode("latin-1"))

    with pytest.raises(InputError, match="line 400002 is not") as caught:
        load_table("t.csv", tmp_path, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_mark_of_byte_order_is_no_part_of_a_name_f048(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa;b\n1;007\n")

    table = load_table("t.csv", tmp_path, "reference", work=tmp_path / "work")

    assert table.take(np.array([0])).to_dict("list") == {"a": [1], "b": ["007"]}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_compressed_text_is_read_as_it_unpacks(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n" + b"1,x\n" * 5_000))

    table = load_table(name, tmp_path, "reference", work=tmp_path / "work")

    assert table.n_rows == 5_000
    assert table.column("b").unique().to_pylist() == ["x"]


def test_compressed_text_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,x\n" * 5_000)
    (tmp_path / "t.csv.gz").write_bytes(whole[:-12])

    with pytest.raises(InputError, match="compressed and damaged") as caught:
        load_table("t.csv.gz", tmp_path, "reference", work=tmp_path / "work")

    assert caught.value.code is Reason.INPUT_FORMAT
    assert list((tmp_path / "work").iterdir()) == []


def test_frames_of_polars_and_readers_of_arrow_are_tables() -> None:
    frame = pl.DataFrame(
        {"x": [1.5, None], "s": ["a", "b"], "c": ["u", "v"], "n": [1, 2]},
        schema_overrides={"c": pl.Categorical},
    )
    reader = pa.RecordBatchReader.from_stream(frame.select("x", "n"))

    table = table_from_frame(frame, "reference")

    found = whole(table)
    assert found["s"].tolist() == ["a", "b"]
    assert found["c"].astype(str).tolist() == ["u", "v"]
    assert found["x"].isna().tolist() == [False, True]
    streamed = table_from_frame(reader, "reference")
    pd.testing.assert_frame_equal(whole(streamed), found[["x", "n"]])
    with pytest.raises(InputError, match="'list'"):
        table_from_frame([1, 2], "reference")


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("absent.parquet", "No such file"),
        ("absent-*.parquet", "matches no file"),
        ("folder", "is a folder"),
        ("/dev/null", "regular file"),
    ],
    ids=["F045-missing", "F045-pattern", "F045-folder", "F052-device"],
)
def test_unreadable_file_is_an_input_error(
    source: str, match: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(InputError, match=match) as caught:
        load_table(source, tmp_path, "reference")

    assert caught.value.code is Reason.INPUT


def _truncated() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": np.arange(1000)}), sink)
    return sink.getvalue().to_pybytes()[:-20]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("t.parquet", b"", "is empty"),
        ("t.parquet", _truncated(), "cut short"),
        ("t.parquet", b"<!DOCTYPE html><html></html>", "a web page"),
        ("t.csv", b"\n <html><body>Log in</body></html>", "a web page"),
        ("t.csv", b"a,b\0\n", "line 1 is not"),
        ("t.json", b"{}", "must be Parquet or CSV"),
    ],
    ids=["F046-empty", "F046-cut", "F046-html", "F046-csv", "NUL", "json"],
)
def test_wrong_content_is_an_error_of_the_format(
    name: str, content: bytes, match: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputError, match=match) as caught:
        load_table(name, tmp_path, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_damage_inside_a_file_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(9000.0)}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    table = load_table("t.parquet", tmp_path, "reference")

    with pytest.raises(InputError, match="damaged in row group 0"):
        table.column("x")


def _flipped(path: Path, rows: pa.Table, *, checksum: bool) -> None:
    """Write rows and flip one bit in the middle of their numbers."""
    pq.write_table(
        rows,
        path,
        compression="none",
        use_dictionary=False,
        write_page_checksum=checksum,
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def test_flipped_bit_is_found_by_the_checksum_of_its_page_f047(tmp_path: Path) -> None:
    _flipped(tmp_path / "t.parquet", pa.table({"x": np.arange(9000.0)}), checksum=True)
    table = load_table("t.parquet", tmp_path, "reference")

    with pytest.raises(InputError, match="damaged in row group 0") as caught:
        table.column("x")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_flipped_bit_without_checksums_gives_another_hash_f047(tmp_path: Path) -> None:
    rows = pa.table({"x": np.arange(9000.0)})
    pq.write_table(rows, tmp_path / "t.parquet", compression="none")
    before = load_table("t.parquet", tmp_path, "reference").sha256
    _flipped(tmp_path / "t.parquet", rows, checksum=False)

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.sha256 != before
    assert int((table.column("x").to_numpy() != np.arange(9000.0)).sum()) == 1


LONG = """
import json
from pathlib import Path
from readiness.tables import load_table

table = load_table("t.parquet", Path("."), "current")
n_rows = total = 0
for batch in table.batches():
    n_rows += batch.num_rows
    total += int(batch.column(0).to_numpy().sum(dtype="int64"))
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(one for one in lines if one.startswith("VmHWM"))
print(json.dumps([n_rows, total, int(peak.split()[1]) / 1024]))
"""


@pytest.mark.slow
def test_every_row_of_fifty_million_is_read_in_bounded_memory_f074(
    tmp_path: Path,
) -> None:
    part = np.random.default_rng(0).integers(0, 1000, 1_000_000).astype("int32")
    rows = pa.table({"x": part, "y": part * 0.5})
    with pq.ParquetWriter(tmp_path / "t.parquet", rows.schema) as writer:
        for _ in range(50):
            writer.write_table(rows)

    ended = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", LONG],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    n_rows, total, peak_mb = json.loads(ended.stdout)
    assert (n_rows, total) == (50_000_000, 50 * int(part.sum()))
    assert peak_mb < 400  # the rows themselves take 600 MB


def test_files_that_differ_in_their_columns_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": ["1"]}), tmp_path / "b.parquet")

    with pytest.raises(InputError, match=r"'b.parquet' differs from 'a.parquet'"):
        load_table("*.parquet", tmp_path, "reference")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (pd.DataFrame({"x": []}), Reason.EMPTY),
        (pd.DataFrame(index=[0, 1]), Reason.EMPTY),
    ],
    ids=["F059", "F062-no-column"],
)
def test_table_without_rows_or_columns_is_refused(
    rows: pd.DataFrame, code: Reason
) -> None:
    with pytest.raises(InputError, match="it has none") as caught:
        table_from_frame(rows, "current")

    assert caught.value.code is code


def test_empty_file_of_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array([], pa.int64())}), tmp_path / "t.parquet")

    with pytest.raises(InputError, match="must have rows") as caught:
        load_table("t.parquet", tmp_path, "reference")

    assert caught.value.code is Reason.EMPTY


def test_repeated_names_in_a_file_are_refused(tmp_path: Path) -> None:
    """F069."""
    rows = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(rows, tmp_path / "t.parquet")

    with pytest.raises(InputError, match="'a'"):
        load_table("t.parquet", tmp_path, "reference")


def test_wide_tables_have_shorter_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """F072: a batch is bounded in cells, not in rows."""
    monkeypatch.setattr(pieces, "BATCH_CELLS", 40)
    rows = pd.DataFrame(np.zeros((9, 10)), columns=list("abcdefghij"))

    table = table_from_frame(rows, "reference")

    assert [one.num_rows for one in table.batches()] == [4, 4, 1]
    assert [one.num_rows for one in table.batches(["a"])] == [9]


MULTI = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "'1'"),
        (pd.DataFrame([[1, 2]], columns=MULTI), "Flatten them: frame.columns"),
        (pd.DataFrame({"x": [1, 2]}, index=MULTI), "reset_index"),
    ],
    ids=["F069", "F070-collision", "F071-columns", "F071-rows"],
)
def test_names_that_cannot_be_told_apart_are_refused(
    rows: pd.DataFrame, match: str
) -> None:
    with pytest.raises(InputError, match=match) as caught:
        table_from_frame(rows, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


@pytest.mark.parametrize("axis", ["columns", "rows"])
def test_several_levels_in_a_file_are_refused(axis: str, tmp_path: Path) -> None:
    frames = {
        "columns": pd.DataFrame([[1, 2]], columns=MULTI),
        "rows": pd.DataFrame({"x": [1, 2]}, index=MULTI.set_names(["k", "l"])),
    }
    frames[axis].to_parquet(tmp_path / "t.parquet")

    with pytest.raises(InputError, match=r"MultiIndex.*Flatten"):
        load_table("t.parquet", tmp_path, "reference")


@pytest.mark.parametrize("name", [1, ("a", 2), None, 1.5], ids=lambda n: f"F070-{n}")
def test_names_that_are_no_text_are_used_as_text(name: object) -> None:
    frame = pd.DataFrame([[1, 2]])
    frame.columns = pd.Index([name, "x"], dtype=object, tupleize_cols=False)

    table = table_from_frame(frame, "reference")

    assert table.schema.names == [str(name), "x"]
    assert list(table.take(np.array([0])).columns) == [str(name), "x"]


def test_whole_number_names_in_a_file_are_used_as_text(tmp_path: Path) -> None:
    pd.DataFrame([[1, 2]], columns=[10, 20]).to_parquet(tmp_path / "t.parquet")

    table = load_table("t.parquet", tmp_path, "reference")

    assert list(table.take(np.array([0])).columns) == ["10", "20"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([1, "a", None], Reason.MIXED_TYPES),
        ([1j, 2j, 3j], Reason.UNSUPPORTED_TYPE),
    ],
    ids=["F093", "complex"],
)
def test_column_that_cannot_be_typed_is_kept_as_text_with_its_reason(
    cells: list[object], reason: Reason
) -> None:
    table = table_from_frame(pd.DataFrame({"bad": cells, "x": [1, 2, 3]}), "reference")

    assert table.problems == {"bad": reason}
    assert table.column("bad").to_pylist()[1] == str(cells[1])
    assert table.column("x").to_pylist() == [1, 2, 3]
