import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness.row_hashes import row_hashes, sampled
from readiness.tables import table_from_frame


def _hashes(**columns: object) -> list[int]:
    batch = pa.RecordBatch.from_pydict({n: pa.array(v) for n, v in columns.items()})
    return row_hashes(batch).tolist()


def test_equal_rows_have_equal_hashes_and_others_do_not() -> None:
    found = _hashes(a=[1, 1, 2, 1], b=["x", "x", "x", "y"])

    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_values_that_are_equal_in_other_clothes_have_equal_hashes() -> None:
    numbers = [
        pa.array([1.0, -0.0, np.nan]),
        pa.array([1.0, 0.0, None]),
        pa.array([1, 0, None], pa.int32()),
    ]
    texts = [pa.array(["a", None]), pa.array(["a", None]).dictionary_encode()]

    by_number = [row_hashes(pa.record_batch({"x": one})).tolist() for one in numbers]
    by_text = [row_hashes(pa.record_batch({"x": one})).tolist() for one in texts]

    assert by_number[0] == by_number[1] == by_number[2]
    assert by_text[0] == by_text[1]


def test_values_swapped_between_columns_are_another_row() -> None:
    found = _hashes(a=[1.0, 2.0], b=[2.0, 1.0])

    assert found[0] != found[1]


@pytest.mark.parametrize("big", [2**53 + 1, 2**62, -(2**62)])
def test_whole_numbers_beyond_floats_are_told_apart(big: int) -> None:
    found = _hashes(a=[big, big - 1, big + 1])

    assert len(set(found)) == 3


def test_a_million_rows_have_a_million_hashes() -> None:
    found = row_hashes(pa.record_batch({"x": pa.array(np.arange(1_000_000))}))

    assert len(np.unique(found)) == 1_000_000
    # Bits stirred well: the mean of uniform hashes, within four standard errors.
    mean = float((found / 2.0**64).mean())
    assert mean == pytest.approx(0.5, abs=4 * (1 / 12) ** 0.5 / 1000)


def test_sample_does_not_depend_on_the_order_of_rows() -> None:
    rows = pd.DataFrame({"x": np.arange(200_000), "y": "a"})
    mixed = rows.sample(frac=1.0, random_state=1)

    a = sampled(table_from_frame(rows, "training"), ["x", "y"], 500, 7)
    b = sampled(table_from_frame(mixed, "training"), ["x", "y"], 500, 7)
    other = sampled(table_from_frame(rows, "training"), ["x", "y"], 500, 8)

    assert a.equals(b)
    assert a.num_rows == 500
    assert set(a["x"].to_pylist()) != set(other["x"].to_pylist())
    assert np.mean(a["x"]) == pytest.approx(1e5, abs=4 * 2e5 / (12 * 500) ** 0.5)


def test_sample_of_a_short_table_is_all_of_it() -> None:
    table = table_from_frame(pd.DataFrame({"x": [3.0, 1.0, 2.0]}), "training")

    assert sorted(sampled(table, ["x"], 10, 0)["x"].to_pylist()) == [1.0, 2.0, 3.0]
