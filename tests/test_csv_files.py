"""CSV files are read as the case says they are written, or refused by line."""

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness import csv_text
from readiness.config import ColumnSection
from readiness.errors import InputError, Reason
from readiness.source_config import FileSource
from readiness.tables import Table, load_table


def read(
    folder: Path,
    text: str | bytes,
    columns: dict[str, dict[str, str]] | None = None,
    **how: Any,  # noqa: ANN401 (keys of a table source)
) -> Table:
    """Load text as the case would, with declared columns and writing."""
    content = text.encode() if isinstance(text, str) else text
    (folder / "t.csv").write_bytes(content)
    declared = {
        name: ColumnSection.model_validate(one) for name, one in (columns or {}).items()
    }
    source = FileSource.model_validate({"path": "t.csv", **how})
    work = folder / "work"
    return load_table(source, folder, "reference", work=work, columns=declared)


def cells(table: Table) -> dict[str, list[object]]:
    return pa.Table.from_batches(table.batches()).to_pydict()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
def test_text_is_decoded_as_declared_f048(encoding: str, tmp_path: Path) -> None:
    text = "town;n\nZürich;1\nSète;2\n"

    table = read(tmp_path, text.encode(encoding), encoding=encoding)

    assert cells(table) == {"town": ["Zürich", "Sète"], "n": [1, 2]}
    assert list((tmp_path / "work").glob(".*")) == []


def test_text_in_a_declared_encoding_names_its_bad_line_f048(tmp_path: Path) -> None:
    content = "a,b\n1,Zug\n2,Zürich\n".encode("latin-1")

    with pytest.raises(InputError, match="SHIFT_JIS text without NUL; line 3") as bad:
        read(tmp_path, content, encoding="shift_jis")

    assert bad.value.code is Reason.INPUT_FORMAT
    assert list((tmp_path / "work").iterdir()) == []


def test_decimal_comma_and_delimiter_as_declared_f048(tmp_path: Path) -> None:
    text = "a;b\n1,5;x,y\n-2,25;z\n"

    table = read(tmp_path, text, delimiter=";", decimal=",")

    assert cells(table) == {"a": [1.5, -2.25], "b": ["x,y", "z"]}


def test_unusual_delimiter_is_declared(tmp_path: Path) -> None:
    assert cells(read(tmp_path, "a^b\n1^2\n", delimiter="^")) == {"a": [1], "b": [2]}


WORDS = "n,w\n1,NA\nNA,None\n3,null\n"


def test_words_stay_text_unless_declared_null_f049(tmp_path: Path) -> None:
    plain = cells(read(tmp_path, WORDS))
    declared = cells(read(tmp_path, WORDS, null_words=["NA"]))

    assert plain == {"n": ["1", "NA", "3"], "w": ["NA", "None", "null"]}
    assert declared == {"n": [1, None, 3], "w": [None, "None", "null"]}


def test_leading_zeros_stay_and_declared_text_stays_text_f050_t19(
    tmp_path: Path,
) -> None:
    text = "zip,code,n\n01067,12,1\n80331,34,2\n"

    plain = cells(read(tmp_path, text))
    declared = cells(read(tmp_path, text, {"code": {"format": "text"}}))

    assert plain == {"zip": ["01067", "80331"], "code": [12, 34], "n": [1, 2]}
    assert declared["code"] == ["12", "34"]


@pytest.mark.parametrize(
    ("kind", "text", "line", "what"),
    [
        ("numeric", "1.5\n2\nmany\n4", "line 4", "no double in the column 'x'"),
        ("boolean", "true\nfalse\nperhaps", "line 4", "no boolean in the column 'x'"),
        ("time", "2024-01-31\nsoon", "row 2", "'x'"),
    ],
)
def test_value_of_another_kind_than_declared_names_its_line(
    kind: str, text: str, line: str, what: str, tmp_path: Path
) -> None:
    rows = "x,secret\n" + "".join(f"{one},hunter2\n" for one in text.split("\n"))

    with pytest.raises(InputError, match=what) as caught:
        read(tmp_path, rows, {"x": {"kind": kind}})

    assert caught.value.code is Reason.INPUT_FORMAT
    assert line in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_declared_number_takes_leading_zeros(tmp_path: Path) -> None:
    found = cells(read(tmp_path, "x,y\n007,a\n010,b\n", {"x": {"kind": "numeric"}}))

    assert found["x"] == [7.0, 10.0]


def test_date_that_could_be_read_two_ways_stays_text(tmp_path: Path) -> None:
    found = cells(read(tmp_path, "d,n\n01/02/2024,1\n13/02/2024,2\n"))

    assert found["d"] == ["01/02/2024", "13/02/2024"]


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%d/%m/%Y", "01/02/2024", dt.datetime(2024, 2, 1)),  # noqa: DTZ001 (without a zone on purpose)
        ("%m/%d/%Y", "01/02/2024", dt.datetime(2024, 1, 2)),  # noqa: DTZ001 (without a zone on purpose)
        ("%d.%m.%y %H:%M", "31.12.24 06:30", dt.datetime(2024, 12, 31, 6, 30)),  # noqa: DTZ001 (without a zone on purpose)
        ("%Y%m%d", "20241231", dt.datetime(2024, 12, 31)),  # noqa: DTZ001 (without a zone on purpose)
    ],
)
def test_times_are_read_by_their_declared_format(
    form: str, text: str, moment: dt.datetime, tmp_path: Path
) -> None:
    table = read(tmp_path, f"d,n\n{text},1\n,2\n", {"d": {"format": form}})

    assert cells(table)["d"] == [moment, None]
    assert table.schema.field("d").type == pa.timestamp("us")


def test_time_in_another_format_than_declared_names_its_row(tmp_path: Path) -> None:
    text = "d,n\n" + "31.12.2024,1\n" * 3000 + "12/31/2024,1\n"

    with pytest.raises(InputError, match=r"row 3,001 .*columns\.d\.format"):
        read(tmp_path, text, {"d": {"format": "%d.%m.%Y"}})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2024-01-31", pa.date32()),
        ("2024-01-31 06:30:00", pa.timestamp("us")),
        ("2024-01-31T06:30:00.25", pa.timestamp("us")),
        ("2024-01-31T06:30:00Z", pa.timestamp("us", "UTC")),
    ],
)
def test_times_in_iso_form_are_found(
    text: str, kind: pa.DataType, tmp_path: Path
) -> None:
    table = read(tmp_path, f"d,n\n{text},1\n")

    assert table.schema.field("d").type == kind
    assert str(table.column("d")[0].as_py()).startswith("2024-01-31")


def test_names_that_differ_by_case_alone_are_kept_apart(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,A,"b ""c"""\n1,x,2.5\n')

    assert cells(table) == {"a": [1], "A": ["x"], 'b "c"': [2.5]}


def test_name_of_a_column_is_never_run_t27(tmp_path: Path) -> None:
    name = "x'); COPY (SELECT 1) TO 'made-by-a-name.csv'; --"

    declared = {name: {"kind": "numeric"}}
    table = read(tmp_path, f"{name}|b\n1|2\n", declared, delimiter="|")

    assert cells(table) == {name: [1], "b": [2]}
    assert not list(tmp_path.rglob("made-by-a-name*"))


@pytest.mark.parametrize("name", ["a[1].csv", "a*.csv", "k=7.csv", "it's.csv"])
def test_name_of_a_file_is_no_pattern(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x,y\n1,2\n", encoding="utf-8")
    (tmp_path / "a1.csv").write_text("x,y\n9,9\n", encoding="utf-8")

    table = load_table(name, tmp_path, "reference", work=tmp_path / "work")

    assert cells(table) == {"x": [1], "y": [2]}


def test_another_way_of_reading_is_another_copy(tmp_path: Path) -> None:
    first = read(tmp_path, WORDS)
    second = read(tmp_path, WORDS, null_words=["NA"])
    again = read(tmp_path, WORDS)

    assert first.pieces[0].path == again.pieces[0].path != second.pieces[0].path


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"encoding": "rot13"}, "an encoding Python knows"),
        ({"encoding": "martian"}, "an encoding Python knows"),
        ({"delimiter": ";;"}, "pattern"),
        ({"delimiter": ",", "decimal": ","}, "must differ"),
        ({"null_word": ["NA"]}, "null_word"),
    ],
)
def test_writing_that_is_none_is_refused(keys: dict[str, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FileSource.model_validate({"path": "t.csv", **keys})


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"format": "DD.MM.YYYY"}, "the format of a time"),
        ({"format": "text", "kind": "numeric"}, "does not fit the kind 'numeric'"),
        ({"format": "%Y", "kind": "categorical"}, "does not fit the kind"),
    ],
)
def test_format_that_is_none_is_refused(keys: dict[str, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ColumnSection.model_validate(keys)


def test_long_lines_and_pieces_of_characters_survive_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "CHUNK", 3)
    rows = pd.DataFrame({"n": np.arange(50), "s": ["äöü€🛫"] * 50})

    packed = gzip.compress(rows.to_csv(index=False).encode("utf-16"))
    table = read(tmp_path, packed, encoding="utf-16")

    assert cells(table) == rows.to_dict("list")
