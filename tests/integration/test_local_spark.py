"""Spark itself, two threads of it on this machine, counts as the local scan does."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from readiness.case import load_case
from readiness.checks.coverage.uncovered_patterns import CHECK
from readiness.errors import InputError
from readiness.profiles import profile
from readiness.result import Options
from readiness.scan import scan
from readiness.scoring import scores
from readiness.spark import spark_scan
from readiness.tables import load_table
from tests.cases import case_file, small_case, small_frames
from tests.spark_rows import FILE_ROWS, N_FILES, plain, summaries_of, write_files

pytestmark = [
    pytest.mark.integration,
    # Spark warns of pandas 3, which readiness needs; no rows pass through pandas here.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]
Spark = Any  # a session; pyspark is not there when types are checked


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """Start Spark with two threads, which try a task up to three times."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 (an extra)

    folder = tmp_path_factory.mktemp("spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2,3]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.sql.files.maxPartitionBytes", "300000")
        .config("spark.sql.session.timeZone", "America/New_York")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.parametrize("n_partitions", [None, 1, 7])
def test_spark_gives_the_states_of_the_local_scan_to_the_last_bit(
    n_partitions: int | None, spark: Spark, tmp_path: Path
) -> None:
    write_files(tmp_path)
    table = load_table("part-*.parquet", tmp_path, "reference")
    summaries = summaries_of(table)
    frame = spark.read.parquet(str(tmp_path))
    frame = frame.repartition(n_partitions) if n_partitions else frame

    found = spark_scan(frame, summaries)

    assert frame.rdd.getNumPartitions() >= (n_partitions or N_FILES)
    assert plain(found) == plain(scan(table, summaries))
    assert found["whole"].n_rows == N_FILES * FILE_ROWS


@dataclass(frozen=True)
class CountAndFail:
    """Count rows; the first task to meet row 1500 fails once it has counted it."""

    marker: str

    def summarize(self, batch: pa.RecordBatch) -> dict[int, int]:
        """Count one batch."""
        rows = batch.column("row").to_pylist()
        if 1500 in rows:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os._exit(1)
        return dict.fromkeys(rows, 1)

    def merge(self, a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
        """Count two sets of rows together."""
        return {key: a.get(key, 0) + b.get(key, 0) for key in {*a, *b}}


def test_worker_that_dies_neither_loses_nor_doubles_a_row(
    spark: Spark, tmp_path: Path
) -> None:
    frame = spark.range(4000).withColumnRenamed("id", "row").repartition(5)
    marker = tmp_path / "died"

    found = spark_scan(frame, {"": CountAndFail(str(marker))}, ["row"])[""]

    assert marker.exists()
    assert found == dict.fromkeys(range(4000), 1)


def test_spark_without_rows_is_one_clear_error(spark: Spark) -> None:
    with pytest.raises(InputError, match="it has none"):
        spark_scan(spark.range(0), {"": CountAndFail("")})


def test_case_over_spark_measures_what_its_files_give(
    spark: Spark, tmp_path: Path
) -> None:
    model = small_case().model.estimator
    data = {}
    for name, rows in small_frames().items():
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
        data[name] = f"{name}.parquet"
    file = case_file(data=data)
    frames = {
        name: spark.read.parquet(str(tmp_path / path)) for name, path in data.items()
    }

    of_spark = load_case(file, frames=frames, model=model)
    of_files = load_case(file, base=tmp_path, model=model)

    for name in data:
        profiles = [plain(dict(profile(case, name))) for case in (of_spark, of_files)]
        assert profiles[0] == profiles[1]
        there, here = (scores(case, name) for case in (of_spark, of_files))
        assert plain(there) == plain(here)
    measured = [
        CHECK.measure(case, Options(values=dict(CHECK.defaults)))
        for case in (of_spark, of_files)
    ]
    pd.testing.assert_frame_equal(measured[0].summary, measured[1].summary)
    assert measured[0].notes == measured[1].notes
