"""Shares and categories counted in pieces equal those counted at once."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness.seen import (
    MAX_CATEGORIES,
    alone,
    categories,
    highest,
    merge_categories,
    merge_extremes,
)
from readiness.shares import (
    merge_share_counts,
    share_counts,
    share_intervals,
)
from readiness.stats import Clusters, proportion_interval
from readiness.table_rows import hashed, numbers
from tests.coverage_cases import TARGET, measure, plain_case, values


def _rows(rng: np.random.Generator, n_rows: int = 600) -> tuple:
    block = np.sort(rng.integers(0, 40, n_rows))
    entity = rng.integers(0, 90, n_rows)
    hits = rng.random((n_rows, 2)) < (0.05 + 0.2 * (block % 3 == 0))[:, None]
    return hits, Clusters(block=block, entity=entity), rng.random(n_rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("declared", ["none", "block", "both"])
def test_share_from_sums_equals_share_from_rows(weighted: bool, declared: str) -> None:  # noqa: FBT001 (parametrised)
    hits, both, random_weight = _rows(np.random.default_rng(3))
    kinds = {"none": Clusters(), "block": Clusters(block=both.block), "both": both}
    clusters = kinds[declared]
    weight = random_weight if weighted else None

    got = share_intervals(share_counts(hits, clusters, weight))

    wanted = [proportion_interval(one, clusters, weight) for one in hits.T]
    numbers = [
        (x.value, x.ci_low, x.ci_high, x.se, x.n_rows, x.n_blocks, x.dependence_factor)
        for x in [*got, *wanted]
    ]
    assert numbers[0] == pytest.approx(numbers[2], rel=1e-9)
    assert numbers[1] == pytest.approx(numbers[3], rel=1e-9)


def test_share_of_no_row_and_of_every_row_equals_that_from_rows() -> None:
    hits = np.column_stack([np.zeros(50, dtype=bool), np.ones(50, dtype=bool)])
    clusters = Clusters(block=np.repeat(np.arange(10), 5))

    got = share_intervals(share_counts(hits, clusters))

    wanted = [proportion_interval(one, clusters) for one in hits.T]
    assert [one.ci_low for one in got] == [one.ci_low for one in wanted]
    assert [one.ci_high for one in got] == [one.ci_high for one in wanted]
    assert [one.n_blocks for one in got] == [10, 10]


def test_share_without_weight_is_unknown() -> None:
    got = share_intervals(share_counts(np.ones((3, 1), bool), Clusters(), np.zeros(3)))

    assert np.isnan(got[0].value)
    assert (got[0].ci_low, got[0].ci_high) == (0.0, 1.0)


def test_shares_counted_in_pieces_equal_those_counted_at_once() -> None:
    hits, clusters, weight = _rows(np.random.default_rng(4))
    first, rest = np.arange(250), np.arange(250, 600)

    merged = merge_share_counts(
        share_counts(hits[first], clusters.take(first), weight[first]),
        share_counts(hits[rest], clusters.take(rest), weight[rest]),
    )

    whole = share_counts(hits, clusters, weight)
    assert merged.n_rows == whole.n_rows
    assert merged.totals == pytest.approx(whole.totals)
    assert merged.squares == pytest.approx(whole.squares)
    assert np.array_equal(merged.clusterings[1].keys, whole.clusterings[1].keys)
    assert merged.clusterings[1].sums == pytest.approx(whole.clusterings[1].sums)
    _, first = np.unique(clusters.entity, return_index=True)
    assert merged.clusterings[1].first.tolist() == first.tolist()
    assert whole.clusterings[1].first.tolist() == first.tolist()


def test_second_highest_value_comes_from_another_block() -> None:
    values = np.array([9.0, 8.0, np.nan, 5.0, 1.0, np.inf])
    block = np.array([1, 1, 2, 2, 3, 3])

    got = highest(values, block)

    # Block 1 holds 9 and 8; without block 1 the highest is 5, of block 2.
    assert got.values.tolist() == [9.0, 5.0]
    assert got.blocks.tolist() == [1, 2]


def test_without_blocks_the_second_highest_is_the_next_row() -> None:
    assert highest(np.array([9.0, 8.0, 9.0]), None).values.tolist() == [9.0, 9.0]
    assert highest(np.array([np.nan]), None).values.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("cut", [1, 40, 111, 239])
def test_highest_values_merge_to_those_of_all_rows(cut: int) -> None:
    rng = np.random.default_rng(cut)
    values, block = rng.normal(size=240).round(1), rng.integers(0, 6, 240)

    merged = merge_extremes(
        highest(values[:cut], block[:cut]), highest(values[cut:], block[cut:])
    )

    whole = highest(values, block)
    assert merged.values.tolist() == whole.values.tolist()
    by_row = merge_extremes(highest(values[:cut], None), highest(values[cut:], None))
    assert by_row.values.tolist() == highest(values, None).values.tolist()


def test_category_that_one_block_alone_has_seen_is_found() -> None:
    values = pa.array(["a", "b", "b", "c", "a", None, "c", "c"])
    block = np.array([1, 1, 1, 1, 2, 2, 2, 3])

    got = categories(values, block)

    assert got.counts == {"a": 2, "b": 2, "c": 3}
    assert got.n_rows == 7
    assert got.blocks == {"a": {1: 1, 2: 1}, "b": {1: 2}, "c": {}}
    assert alone(got) == {"b"}
    assert alone(categories(values, None)) == set()


def test_nan_and_unused_levels_are_no_categories() -> None:
    levels = pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), ["x", "unused"])

    assert categories(pa.array([1.5, np.nan, 2.5]), None).counts == {1.5: 1, 2.5: 1}
    assert categories(levels, None).counts == {"x": 2}


@pytest.mark.parametrize("cut", [1, 77, 200])
@pytest.mark.parametrize("by_block", [True, False])
def test_categories_merge_to_those_of_all_rows(cut: int, by_block: bool) -> None:  # noqa: FBT001 (parametrised)
    rng = np.random.default_rng(cut)
    values = pa.array(rng.zipf(1.6, 240).clip(max=60).astype(str))
    block = rng.integers(0, 9, 240)
    codes = {True: block, False: None}[by_block]
    parts = {True: (block[:cut], block[cut:]), False: (None, None)}[by_block]

    merged = merge_categories(
        categories(values[:cut], parts[0]), categories(values[cut:], parts[1])
    )

    whole = categories(values, codes)
    assert merged.counts == whole.counts
    assert merged.blocks == whole.blocks
    assert alone(merged) == alone(whole)


def test_ids_are_not_kept_as_categories() -> None:
    half = MAX_CATEGORIES // 2 + 1
    first = categories(pa.array(np.arange(half)), None)
    second = categories(pa.array(np.arange(half, 2 * half)), None)

    merged = merge_categories(first, second)

    assert merged.overflow
    assert merge_categories(merged, first).overflow
    assert categories(pa.array(np.arange(MAX_CATEGORIES + 1)), None).overflow


def test_numbers_behind_codes_and_nulls_are_read() -> None:
    coded = pa.array([2.5, None, 2.5]).dictionary_encode()
    flags = pa.array([True, None, False])

    assert np.array_equal(numbers(coded), [2.5, np.nan, 2.5], equal_nan=True)
    assert np.array_equal(numbers(flags), [1.0, np.nan, 0.0], equal_nan=True)


def test_equal_values_have_equal_codes_and_nulls_stand_apart() -> None:
    first = hashed(pa.array(["a", "b", None, "a", None]))
    second = hashed(pa.array(["b", "a"]))

    assert first[0] == first[3] == second[1]
    assert first[1] == second[0]
    assert len(set(first.tolist())) == 4


def test_tables_of_several_batches_are_counted_as_one() -> None:
    rng = np.random.default_rng(8)
    n_rows = 70_000
    hours = np.sort(rng.integers(0, 24 * 90, n_rows))
    rows = pd.DataFrame(
        {
            "wind": rng.integers(0, 50, n_rows),
            "stuck": 1,
            "port": rng.choice(["A", "B"], n_rows),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h"),
            TARGET: rng.integers(0, 2, n_rows),
        }
    )
    training = rows.assign(stuck=rng.integers(0, 2, n_rows))
    current = rows.drop(columns=TARGET).assign(
        wind=rows["wind"] + 10,
        port=rows["port"].replace("B", "C"),
        when=rows["when"] + pd.Timedelta(days=60),
    )
    case = plain_case(
        features=["wind", "stuck", "port"],
        data={"time": "when"},
        training=training,
        reference=training,
        current=current,
    )

    ranges = values(measure("value_ranges", case), "outside_share")
    calendar = measure("calendar_coverage", case)
    schema = measure("schema", case)

    assert ranges["wind"] == pytest.approx((current["wind"] > 49).mean())
    assert ranges["port"] == pytest.approx((current["port"] == "C").mean())
    assert values(calendar, "events")["1"] == training[TARGET].sum()
    months = current["when"].dt.month.isin([1, 2, 3]).mean()
    assert values(calendar, "calendar_share")["month"] == pytest.approx(months)
    assert schema.tables["violations"]["rule"].tolist() == ["constant"]
