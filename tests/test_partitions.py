"""Folders such as ``year=2024``: their values are columns, and files are left out."""

import datetime as dt
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from readiness.config import ColumnSection
from readiness.errors import InputError, Reason
from readiness.tables import Table, load_table


def whole(table: Table) -> pd.DataFrame:
    return pd.concat([table.frame(one) for one in table.batches()], ignore_index=True)


def write(folder: Path, where: str, **columns: list[object]) -> Path:
    path = folder / where
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder of three months; a hidden folder and a marker lie beside."""
    write(tmp_path, "data/year=2023/month=12/a.parquet", x=[1.0, 2.0, 3.0])
    write(tmp_path, "data/year=2024/month=1/a.parquet", x=[4.0])
    write(tmp_path, "data/year=2024/month=1/b.parquet", x=[5.0, 6.0])
    write(tmp_path, "data/_temporary/year=2024/month=2/c.parquet", x=[9.0])
    (tmp_path / "data/_SUCCESS").touch()
    return tmp_path


@pytest.mark.parametrize("source", ["data", "data/year=*/month=*/*.parquet"])
def test_values_of_folders_are_columns_with_types(data: Path, source: str) -> None:
    table = load_table(source, data, "reference")

    assert table.schema.field("year").type == pa.int64()
    pd.testing.assert_frame_equal(
        whole(table),
        pd.DataFrame(
            {
                "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                "year": [2023] * 3 + [2024] * 3,
                "month": [12] * 3 + [1] * 3,
            }
        ),
    )


def test_only_the_columns_asked_for_are_read(data: Path) -> None:
    table = load_table("data", data, "reference")

    months = pa.Table.from_batches(table.batches(["month"]))
    both = pa.Table.from_batches(table.batches(["year", "x"]))

    assert months.to_pydict() == {"month": [12, 12, 12, 1, 1, 1]}
    assert both.column_names == ["year", "x"]
    assert table.column("year").to_pylist() == [2023] * 3 + [2024] * 3
    taken = table.take(np.array([5, 0]), ["month", "x"])
    assert taken.to_dict("list") == {"month": [1, 12], "x": [6.0, 1.0]}


def test_pieces_with_values_of_folders_can_be_sent_to_another_process(
    data: Path,
) -> None:
    tasks = load_table("data", data, "reference").tasks(["month"])

    again = pickle.loads(pickle.dumps(tasks))  # noqa: S301 (made here)

    assert [one()[0].num_rows for one in again] == [2, 1, 1, 2]


@pytest.mark.parametrize(
    ("names", "kind", "values"),
    [
        (["day=2024-01-31", "day=2024-02-01"], pa.date32(), [dt.date(2024, 1, 31)]),
        (
            ["at=2024-01-31 06%3A00%3A00", "at=2024-02-01 00%3A00%3A00"],
            pa.timestamp("us"),
            [dt.datetime(2024, 1, 31, 6)],  # noqa: DTZ001 (without a zone on purpose)
        ),
        (["town=S%C3%A8te", "town=Ulm"], pa.string(), ["Sète"]),
        (["k=01", "k=2"], pa.int64(), [1]),
        (["k=01", "k=__HIVE_DEFAULT_PARTITION__"], pa.int64(), [1]),
        (["k=1", "k=x"], pa.string(), ["1"]),
    ],
    ids=["dates", "times", "escaped", "padded", "null", "mixed"],
)
def test_type_of_a_partition_fits_all_of_its_values(
    names: list[str], kind: pa.DataType, values: list[object], tmp_path: Path
) -> None:
    for name in names:
        write(tmp_path, f"t/{name}/a.parquet", x=[1])

    table = load_table("t", tmp_path, "reference")

    column = table.column(names[0].partition("=")[0])
    assert column.type == kind
    assert values[0] in column.to_pylist()


def test_absent_value_of_a_partition_makes_whole_numbers_real_ones(
    tmp_path: Path,
) -> None:
    write(tmp_path, "t/k=1/a.parquet", x=[1])
    write(tmp_path, "t/k=__HIVE_DEFAULT_PARTITION__/a.parquet", x=[2])

    frame = whole(load_table("t", tmp_path, "reference"))

    assert frame["k"].tolist()[0] == 1.0
    assert frame["k"].isna().tolist() == [False, True]


def test_leading_zeros_of_a_partition_stay_when_declared_f050(tmp_path: Path) -> None:
    write(tmp_path, "t/zip=01067/a.parquet", x=[1])

    columns = {"zip": ColumnSection(format="text")}
    table = load_table("t", tmp_path, "reference", columns=columns)

    assert table.column("zip").to_pylist() == ["01067"]


def test_column_of_the_file_wins_over_the_name_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "t/k=1/a.parquet", x=[1], k=["one"])

    table = load_table("t", tmp_path, "reference")

    assert whole(table).to_dict("list") == {"x": [1], "k": ["one"]}


def test_files_under_other_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "t/k=1/a.parquet", x=[1])
    write(tmp_path, "t/j=1/b.parquet", x=[1])

    with pytest.raises(InputError, match="folders of the same names") as caught:
        load_table("t", tmp_path, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_partitions_of_csv_files_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "t/k=7/a.csv"
    path.parent.mkdir(parents=True)
    path.write_text("x,s\n1,a\n2,b\n", encoding="utf-8")

    table = load_table("t", tmp_path, "reference", work=tmp_path / "work")

    assert whole(table).to_dict("list") == {"x": [1, 2], "s": ["a", "b"], "k": [7, 7]}
    assert table.files == ("t/k=7/a.csv",)
