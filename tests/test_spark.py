"""One state per partition, merged in order; here without Spark itself.

`make integration` runs the same against a local Spark.
"""

import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from readiness.case import load_case
from readiness.errors import InputError, ReadinessError, Reason
from readiness.scan import scan
from readiness.scoring import scores
from readiness.spark import spark_scan
from readiness.tables import load_table
from tests.cases import case_file, small_case, small_frames
from tests.spark_rows import plain, summaries_of, write_files

TASK: list[int] = []


@dataclass(frozen=True)
class FakeContext:
    """The part of a task's context that is asked for."""

    part: int

    @classmethod
    def get(cls) -> "FakeContext":
        """Return the context of the running task."""
        return cls(TASK[-1])

    def partitionId(self) -> int:  # noqa: N802 (Spark's own name)
        """Return the number of the partition."""
        return self.part


@dataclass(frozen=True)
class FakeFrame:
    """Partitions of rows, answered in another order than theirs."""

    parts: tuple[pa.Table, ...]

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.parts[0].column_names)

    def select(self, names: list[str]) -> "FakeFrame":
        """Return some columns; names are quoted as Spark needs them."""
        wanted = [name[1:-1].replace("``", "`") for name in names]
        return FakeFrame(tuple(part.select(wanted) for part in self.parts))

    def toDF(self, *names: str) -> "FakeFrame":  # noqa: N802 (Spark's own name)
        """Return the columns under other names."""
        return FakeFrame(tuple(part.rename_columns(names) for part in self.parts))

    def mapInArrow(  # noqa: N802 (Spark's own name)
        self, work: Callable[[Any], Iterator[pa.RecordBatch]], schema: str
    ) -> "FakeFrame":
        """Run a function over the batches of each partition, 10,000 rows each."""
        assert schema == "part int, state binary"
        found = []
        for number, part in enumerate(self.parts):
            TASK.append(number)
            found += list(work(iter(part.to_batches(10_000))))
        return FakeFrame(tuple(pa.Table.from_batches([one]) for one in found))

    def collect(self) -> list[dict[str, Any]]:
        """Return all rows, the last first."""
        return [row for part in self.parts[::-1] for row in part.to_pylist()]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream the rows as Arrow."""
        return pa.concat_tables(self.parts).__arrow_c_stream__(requested_schema)


class SparkError(Exception):
    """What Spark raises."""


@pytest.fixture(autouse=True)
def _context(monkeypatch: pytest.MonkeyPatch) -> None:
    module, errors = (types.ModuleType(name) for name in ("pyspark", "pyspark.errors"))
    vars(module)["TaskContext"] = FakeContext
    vars(errors)["PySparkException"] = SparkError
    monkeypatch.setitem(sys.modules, "pyspark", module)
    monkeypatch.setitem(sys.modules, "pyspark.errors", errors)


def cut(rows: pa.Table, *sizes: int) -> FakeFrame:
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return FakeFrame(
        tuple(rows.slice(*pair) for pair in zip(starts, sizes, strict=True))
    )


class Listed:
    """List the rows: the only summary here to which their order matters."""

    def summarize(self, batch: pa.RecordBatch) -> list[int]:
        """List one batch."""
        assert batch.num_rows
        return [int(one) for one in batch.column(0).to_pylist()]

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        """List two sets of rows."""
        return a + b


def test_partitions_cut_otherwise_give_the_states_of_the_local_scan(
    tmp_path: Path,
) -> None:
    write_files(tmp_path)
    table = load_table("part-*.parquet", tmp_path, "reference")
    summaries = summaries_of(table)
    rows = pa.concat_tables(pa.Table.from_batches([batch]) for batch in table.batches())

    found = spark_scan(cut(rows, 7, 69_993, 0, 30_000), summaries)

    assert plain(found) == plain(scan(table, summaries))


def test_states_are_merged_in_the_order_of_the_partitions() -> None:
    rows = pa.table({"x": range(300_000)})
    frame = cut(rows, 100_000, 0, 65_536, 134_464)

    found = spark_scan(frame, {"": Listed()}, ["x"])[""]

    assert found == list(range(300_000))


@pytest.mark.parametrize(
    ("frame", "columns", "text", "reason"),
    [
        (cut(pa.table({"x": [1]}), 0, 0), None, "it has none", Reason.EMPTY),
        (cut(pa.table({"x": [1]}), 1), ["y"], "no column 'y'", Reason.INPUT_FORMAT),
        (
            FakeFrame((pa.table([[1], [2]], names=["x", "x"]),)),
            None,
            "occur more than once: 'x'",
            Reason.INPUT_FORMAT,
        ),
    ],
    ids=["no rows", "absent", "twice"],
)
def test_frame_that_cannot_be_counted_is_one_clear_error(
    frame: FakeFrame, columns: list[str] | None, text: str, reason: Reason
) -> None:
    with pytest.raises(InputError, match=text) as caught:
        spark_scan(frame, {"": Listed()}, columns)

    assert caught.value.code is reason


class Failing(Listed):
    """Fail as a worker without a package does."""

    def summarize(self, batch: pa.RecordBatch) -> list[int]:
        """Fail."""
        msg = (
            f"Traceback ...\nModuleNotFoundError: {batch.num_rows}\n\nJVM stacktrace: y"
        )
        raise SparkError(msg)


def test_spark_that_fails_is_one_clear_error() -> None:
    frame = cut(pa.table({"x": [1, 2]}), 2)

    with pytest.raises(ReadinessError, match="rows: ModuleNotFoundError: 2") as caught:
        spark_scan(frame, {"": Failing()})

    assert caught.value.code is Reason.CLUSTER


def test_case_takes_spark_rows_as_it_takes_their_files(tmp_path: Path) -> None:
    model = small_case().model.estimator
    frames = small_frames()
    for name, rows in frames.items():
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
    arrow = {
        name: pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()
        for name, rows in frames.items()
    }
    spark = {name: cut(rows, 500, 700) for name, rows in arrow.items()}
    file = case_file(data={name: f"{name}.parquet" for name in frames})

    of_spark = load_case(file, frames=spark, model=model)  # type: ignore[arg-type]  # not Spark itself
    of_files = load_case(file, base=tmp_path, model=model)

    for name in frames:
        there, here = (scores(case, name) for case in (of_spark, of_files))
        assert plain(replace(there, table="")) == plain(replace(here, table=""))
        assert of_spark.table(name).files == (f"spark-{name}.parquet",)


@dataclass(frozen=True)
class OldFrame:
    """A frame of a Spark that does not stream."""

    mapInArrow: None = None  # noqa: N815 (Spark's own name)


def test_spark_that_does_not_stream_is_one_clear_error(tmp_path: Path) -> None:
    frames: dict[str, Any] = {"reference": OldFrame()}

    with pytest.raises(InputError, match=r"pyspark 4\.3 or newer") as caught:
        load_case(case_file(), frames=frames, work=tmp_path)

    assert caught.value.code is Reason.INPUT_FORMAT


class Broken(FakeFrame):
    """A frame whose executor dies after the first batch."""

    def select(self, names: list[str]) -> "Broken":
        """Return this frame."""
        assert names == ["`x`"]
        return self

    def toDF(self, *names: str) -> "Broken":  # noqa: N802 (Spark's own name)
        """Return this frame."""
        assert names == ("c0",)
        return self

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream a batch, and fail."""
        reader = pa.RecordBatchReader.from_batches(self.parts[0].schema, self._rows())
        return reader.__arrow_c_stream__(requested_schema)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        yield from self.parts[0].to_batches()
        msg = "the executor is gone"
        raise pa.ArrowInvalid(msg)


def test_stream_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    frames: dict[str, Any] = {"reference": Broken((pa.table({"x": [1]}),))}

    with pytest.raises(InputError, match="the executor is gone") as caught:
        load_case(case_file(), frames=frames, work=tmp_path)

    assert caught.value.code is Reason.INPUT_FORMAT
    assert list(tmp_path.iterdir()) == []
