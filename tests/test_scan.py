"""One pass gives the same result for any number of threads and any executor."""

import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from readiness import scan as scan_module
from readiness.category_counts import CategorySummary
from readiness.scan import scan
from readiness.summaries import NumberState, NumberSummary
from readiness.tables import Table, load_table

EDGES = np.linspace(-3, 3, 50)
SUMMARIES = {
    "x": NumberSummary(name="x", edges=EDGES, centre=0.1, scale=1.7),
    "word": CategorySummary(name="word", categories=("a", "b")),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    rng = np.random.default_rng(4)
    x = rng.normal(size=5000) * 10.0 ** rng.integers(-9, 9, 5000)
    word = rng.choice(list("abcd"), 5000)
    folder = tmp_path_factory.mktemp("scan")
    pq.write_table(
        pa.table({"x": x, "word": word}), folder / "t.parquet", row_group_size=700
    )
    return load_table("t.parquet", folder, "reference")


def assert_same(a: NumberState, b: NumberState) -> None:
    for name in a.__slots__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("n_cores", [1, 2, 7])
def test_result_does_not_depend_on_threads_f147(
    n_cores: int, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scan(table, SUMMARIES)
    monkeypatch.setattr(scan_module, "n_cores", lambda: n_cores)

    found = scan(table, SUMMARIES, ["word", "x"])

    assert_same(found["x"], expected["x"])
    assert found["word"].others == expected["word"].others


def test_result_is_that_of_one_pass_over_all_rows(table: Table) -> None:
    x = table.column("x").to_numpy()

    found = scan(table, SUMMARIES)["x"]

    assert_same(found, SUMMARIES["x"].summarize(pa.record_batch({"x": x})))


@pytest.mark.slow
@pytest.mark.parametrize(
    "executor",
    [ThreadPoolExecutor(3), ProcessPoolExecutor(1)],
    ids=["threads", "processes"],
)
def test_any_executor_gives_the_same(executor: Executor, table: Table) -> None:
    with executor:
        found = scan(table, SUMMARIES, executor=executor)

    assert_same(found["x"], scan(table, SUMMARIES)["x"])


@dataclass(frozen=True)
class Order:
    """A summary whose merge would show a wrong order."""

    def summarize(self, batch: pa.RecordBatch) -> list[float]:
        """Return the first value of the batch."""
        first = batch.column("x")[0].as_py()
        time.sleep(0.002 if first > 0 else 0.0)
        return [first]

    def merge(self, a: list[float], b: list[float]) -> list[float]:
        """Return both in order."""
        return a + b


def test_states_are_merged_in_the_order_of_the_file(table: Table) -> None:
    found = scan(table, {"order": Order()}, ["x"])["order"]

    assert found == table.column("x").to_numpy()[::700].tolist()


class Failing:
    """A summary that raises."""

    def summarize(self, batch: pa.RecordBatch) -> int:
        """Raise, naming the rows."""
        msg = f"{batch.num_rows} rows"
        raise LookupError(msg)

    def merge(self, a: int, b: int) -> int:
        """Return the sum."""
        return a + b


def test_error_of_a_summary_reaches_the_caller(table: Table) -> None:
    with pytest.raises(LookupError, match="700 rows"):
        scan(table, {"bad": Failing()})


def test_files_of_several_parts_are_one_table(tmp_path: Path) -> None:
    for part in range(3):
        pq.write_table(
            pa.table({"x": [part, part + 0.5]}), tmp_path / f"{part}.parquet"
        )
    several = load_table("*.parquet", tmp_path, "current")

    found = scan(several, {"x": NumberSummary(name="x", edges=np.array([1.0]))})["x"]

    assert (found.n_rows, found.bin_counts.tolist()) == (6, [3, 3])
