"""Summaries lose nothing when merged, and agree with numpy and pandas on the whole."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness import category_counts, plans
from readiness.category_counts import CategorySummary, text_counts
from readiness.column_profiles import ColumnProfile
from readiness.errors import NotAssessedError, Reason
from readiness.exact import (
    N_KEPT,
    UNIT_BITS,
    as_float,
    distinct_count,
    exact_spread,
    exact_sum,
    exact_weighted_sum,
    smallest_hashes,
)
from readiness.profiles import profile
from readiness.summaries import NumberSummary, numbers
from tests.cases import case_file, small_case, small_frames

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SETTINGS = settings(max_examples=60, deadline=None)


@SETTINGS
@given(values=st.lists(FINITE, max_size=50))
def test_sum_is_exact_and_rounded_once(values: list[float]) -> None:
    total = exact_sum(np.array(values, dtype=float))

    assert Fraction(total, 2**UNIT_BITS) == sum(map(Fraction, values))


@SETTINGS
@given(
    pairs=st.lists(st.tuples(FINITE, st.integers(0, 100_000)), max_size=20).filter(
        lambda pairs: sum(count for _, count in pairs) < 200_000
    )
)
def test_weighted_sum_is_that_of_all_occurrences(
    pairs: list[tuple[float, int]],
) -> None:
    values = np.array([value for value, _ in pairs], dtype=float)
    counts = np.array([count for _, count in pairs], dtype=np.int64)

    total = exact_weighted_sum(values, counts)

    expected = sum(Fraction(value) * count for value, count in pairs)
    assert Fraction(total, 2**UNIT_BITS) == expected


@pytest.mark.parametrize("n_values", [50_000, 3_000])
def test_hashes_are_the_smallest_of_all_each_once(n_values: int) -> None:
    """The values surely too large are left out unsorted, and none is missed."""
    bits = np.random.default_rng(1).integers(0, 2**63, n_values).astype(np.uint64)
    twice = np.concatenate([bits, bits[: n_values // 2]])
    one_by_one = [
        int(smallest_hashes(bits[place : place + 1])[0]) for place in range(n_values)
    ]

    assert smallest_hashes(twice).tolist() == sorted(set(one_by_one))[:N_KEPT]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, None, -5, 3, 70_000 - 5_001], pa.int64()),
        pa.array([-128, 127, None, 127], pa.int8()),
        pa.array([True, None, False, True]),
        pa.array([2**63 + 5, 2**63 + 7], pa.uint64()),
        pa.array([0, 10**6, None, 5], pa.int32()),
    ],
    ids=str,
)
def test_whole_numbers_are_counted_as_their_floats_are(values: pa.Array) -> None:
    summary = NumberSummary(name="x", edges=np.array([-5.0, 1.0, 127.0]), centre=0.3)

    whole = summary.summarize(pa.record_batch({"x": values}))
    floats = summary.summarize(
        pa.record_batch({"x": values.cast(pa.float64(), safe=False)})
    )

    for name in whole.__slots__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(floats, name))


@SETTINGS
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_spread_is_that_of_the_exact_fractions(values: list[float]) -> None:
    x = np.array(values)
    squares = x * x
    mean = sum(map(Fraction, values)) / len(values)
    expected = sum((Fraction(one) - mean) ** 2 for one in values) / (len(values) - 1)

    found = exact_spread(exact_sum(x), exact_sum(squares), len(x))

    # Squares are rounded once each: an error of 2**-53 of the largest square.
    assert found**2 == pytest.approx(float(expected), abs=1e-3)


def test_division_by_nothing_is_no_number() -> None:
    assert math.isnan(as_float(exact_sum(np.array([1.0])), 0))
    assert math.isnan(as_float(exact_sum(np.full(99, 1.7e308)), 1))
    assert math.isnan(exact_spread(0, 0, 1))


def test_distinct_values_are_exact_when_few_and_close_when_many() -> None:
    few = smallest_hashes(np.arange(700, dtype=np.uint64))
    many = smallest_hashes(np.arange(50_000, dtype=np.uint64))

    assert distinct_count(few) == 700
    # A standard error of 3.1 %: four of them.
    assert distinct_count(many) == pytest.approx(50_000, rel=0.125)
    assert len(many) == N_KEPT


def batch_of(cells: list[object], kind: pa.DataType) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(cells, kind)})


@SETTINGS
@given(
    cells=st.lists(
        st.none() | st.floats(allow_nan=True, width=32) | st.just(-0.0), max_size=40
    ),
    cut=st.integers(0, 40),
)
def test_number_state_does_not_depend_on_the_cut(
    cells: list[float | None], cut: int
) -> None:
    summary = NumberSummary(name="x", edges=np.array([-1.0, 0.0, 2.0]), centre=0.3)
    whole = batch_of(list(cells), pa.float64())

    once = summary.summarize(whole)
    parts = summary.merge(
        summary.summarize(whole.slice(0, cut)), summary.summarize(whole.slice(cut))
    )

    for name in once.__slots__:
        np.testing.assert_array_equal(getattr(once, name), getattr(parts, name))


@SETTINGS
@given(
    cells=st.lists(st.none() | st.sampled_from("abcdefghij"), max_size=40),
    cut=st.integers(0, 40),
)
def test_category_state_does_not_depend_on_the_cut(
    cells: list[str | None], cut: int
) -> None:
    summary = CategorySummary(name="x", categories=("b", "a"))
    whole = batch_of(list(cells), pa.string())

    once = summary.summarize(whole)
    parts = summary.merge(
        summary.summarize(whole.slice(0, cut)), summary.summarize(whole.slice(cut))
    )

    assert dict(once.others) == dict(parts.others)
    np.testing.assert_array_equal(once.known, parts.known)
    np.testing.assert_array_equal(once.hashes, parts.hashes)
    assert (once.n_null, once.n_unknown) == (parts.n_null, parts.n_unknown)


def test_values_are_counted_up_to_each_edge_and_missing_ones_apart() -> None:
    # Edges 1, 2: bins are x <= 1, 1 < x <= 2, x > 2; 0 lies below the first edge.
    cells = [0.0, 1.0, 1.5, 2.0, 3.0, None, float("nan"), float("inf")]

    state = NumberSummary(name="x", edges=np.array([1.0, 2.0])).summarize(
        batch_of(cells, pa.float64())
    )

    assert state.bin_counts.tolist() == [2, 2, 1]
    assert (state.n_below, state.n_null, state.n_nan, state.n_inf) == (1, 1, 1, 1)
    assert (state.minimum, state.maximum) == (0.0, 3.0)


def test_labels_of_smallest_hash_keep_exact_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(category_counts, "N_KEPT", 5)
    rng = np.random.default_rng(3)
    words = [f"w{code}" for code in rng.integers(0, 30, 400)]
    summary = CategorySummary(name="x", categories=())

    state = summary.merge(
        summary.summarize(batch_of(words[:150], pa.string())),
        summary.summarize(batch_of(words[150:], pa.string())),
    )

    assert len(state.others) == 5
    assert all(words.count(label) == count for label, count in state.others.items())
    assert state.n_unknown == 400


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([3, 1]).dictionary_encode(), [3.0, 1.0]),
        (pa.array([1_500_000], pa.timestamp("us", "Asia/Tokyo")), [32401.5e6]),
        (pa.array([1], pa.date32()), [86400e6]),
        (pa.array([2**60], pa.int64()), [2.0**60]),
    ],
)
def test_values_of_any_ordered_type_are_numbers(
    values: pa.Array, expected: list[float]
) -> None:
    assert numbers(values).tolist() == expected


def test_values_are_counted_as_text() -> None:
    labels, counts = text_counts(pa.array([1.5, None, float("nan"), 1.5, 2.0]))

    found = dict(zip(labels.to_pylist(), counts.tolist(), strict=True))
    assert found == {"1.5": 2, "2.0": 1}


def test_codes_of_the_same_text_are_added_up() -> None:
    codes = pa.array([0, 1, 2, 1, 3, None], pa.int32())
    batch = pa.record_batch(
        {"word": pa.DictionaryArray.from_arrays(codes, ["a", "b", "a", None])}
    )

    state = CategorySummary(name="word", categories=("a",)).summarize(batch)

    assert state.known.tolist() == [2]
    assert (dict(state.others), state.n_unknown) == ({"b": 2}, 2)
    assert (state.n_null, state.n_nan) == (1, 1)


def test_distinct_values_of_a_batch_with_many_repeats_are_estimated() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 30_000, 65_536) + 0.5
    batch = pa.record_batch({"x": pa.array(x)})

    state = NumberSummary(name="x", edges=np.array([0.5])).summarize(batch)

    assert len(state.hashes) == N_KEPT
    expected = np.sort(smallest_hashes(np.unique(x).view(np.uint64)))
    assert state.hashes.tolist() == expected.tolist()


def test_profile_agrees_with_pandas() -> None:
    case = small_case()
    frame = small_frames()["reference"]

    wind = profile(case, "reference")["wind"]

    assert wind.minimum == frame["wind"].min()
    assert wind.maximum == frame["wind"].max()
    assert wind.mean == pytest.approx(frame["wind"].mean(), rel=1e-14)
    assert wind.std == pytest.approx(frame["wind"].std(), rel=1e-13)
    assert wind.bin_counts.sum() == wind.n_present == 1200
    assert wind.n_distinct == pytest.approx(frame["wind"].nunique(), rel=0.125)
    assert (wind.distinct_is_exact, wind.is_constant) == (False, False)


@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_quantile_is_a_known_value_within_its_rank_error(q: float) -> None:
    case = small_case()
    current = np.sort(small_frames()["current"]["wind"])

    found = profile(case, "current")["wind"]

    rank = np.searchsorted(current, found.quantile(q), side="right") / len(current)
    assert q - 1e-9 <= rank <= q + found.rank_error(q) + 1 / len(current)


def test_discrete_columns_have_their_values_as_edges() -> None:
    distance = profile(small_case(), "training")["distance"]
    frame = small_frames()["training"]["distance"]

    assert distance.edges.tolist() == sorted(frame.unique())
    assert distance.n_distinct == frame.nunique()
    assert distance.quantile(0.5) == np.sort(frame)[599]


def test_edges_are_frozen_from_training_and_reach_its_extremes() -> None:
    case = small_case()

    current, training = (
        profile(case, name)["wind"] for name in ("current", "training")
    )

    np.testing.assert_array_equal(current.edges, training.edges)
    assert (training.edges[0], training.edges[-1]) == (
        training.minimum,
        training.maximum,
    )
    outside = (small_frames()["current"]["wind"] < training.minimum).sum()
    assert current.n_below == outside


def test_edges_of_a_sample_still_reach_the_extremes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "SAMPLE_ROWS", 100)

    wind = profile(small_case(), "training")["wind"]

    assert len(wind.edges) <= 102
    assert (wind.edges[0], wind.edges[-1]) == (wind.minimum, wind.maximum)


def test_categories_come_most_frequent_first() -> None:
    profiles = profile(small_case(), "reference")
    frame = small_frames()["reference"]

    assert profiles["carrier"].categories == frame["carrier"].value_counts().to_dict()
    assert list(profiles["carrier"].categories) == ["AA", "DL", "UA"]
    assert profiles["holiday"].categories["True"] == frame["holiday"].sum()
    assert profiles["late"].kind == "categorical"
    assert profiles["scheduled"].kind == "time"


def test_rare_categories_beyond_the_cap_are_one_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F073: bounded, with an "other" count."""
    monkeypatch.setattr(plans, "MOST_CATEGORIES", 1)
    monkeypatch.setattr(category_counts, "N_KEPT", 1)

    carrier = profile(small_case(), "training")["carrier"]

    assert len(carrier.categories) == 2
    assert sum(carrier.categories.values()) + carrier.n_other == 1200
    assert carrier.n_other > 0


def unusual(**columns: object) -> dict[str, ColumnProfile]:
    frames = small_frames()
    frames["current"] = frames["current"].head(12).assign(**columns)
    return dict(profile(small_case(frames=frames), "current"))


@pytest.mark.parametrize(
    ("cells", "reason", "n_null"),
    [
        ([None] * 12, Reason.ALL_NULL, 12),
        (np.full(12, np.nan), Reason.ALL_NULL, 12),
        (list("abcdefghijkl"), Reason.SCHEMA, 0),
        ([1, "a"] * 6, Reason.MIXED_TYPES, 0),
        ([[1]] * 12, Reason.UNSUPPORTED_TYPE, 0),
    ],
    ids=["F088-none", "F088-nan", "F068", "F093", "F104"],
)
def test_column_that_cannot_be_counted_has_a_reason(
    cells: object, reason: Reason, n_null: int
) -> None:
    wind = unusual(wind=cells)["wind"]

    assert (wind.reason, wind.n_null, wind.n_rows) == (reason, n_null, 12)
    assert math.isnan(wind.quantile(0.5))
    assert math.isnan(wind.rank_error(0.5))


def test_absent_column_has_a_reason() -> None:
    frames = small_frames()
    frames["current"] = frames["current"].drop(columns=["wind", "late"])

    profiles = profile(small_case(frames=frames), "current")

    assert profiles["wind"].reason is Reason.SCHEMA
    assert profiles["late"].reason is Reason.SCHEMA
    assert profiles["carrier"].reason is None


def test_category_of_nulls_only_has_a_reason() -> None:
    cells = pd.array([None] * 12, dtype="str")

    carrier = unusual(carrier=cells)["carrier"]

    assert (carrier.reason, carrier.n_null) == (Reason.ALL_NULL, 12)


def test_column_absent_from_training_is_still_counted() -> None:
    frames = small_frames()
    frames["training"] = frames["training"].drop(columns=["wind", "carrier"])

    profiles = profile(small_case(frames=frames), "reference")

    assert len(profiles["wind"].edges) == 0
    assert profiles["wind"].bin_counts.tolist() == [1200]
    assert profiles["wind"].quantile(0.5) == profiles["wind"].maximum
    assert sum(profiles["carrier"].categories.values()) == 1200


def test_values_too_large_to_square_have_no_spread() -> None:
    """F092: no overflow, else not assessed."""
    wind = unusual(wind=[1e308, -1e308] * 6)["wind"]

    assert math.isnan(wind.std)
    # Centred at what training holds, so that the mean is right to its last digits.
    assert abs(wind.mean) < 1e-15 * wind.maximum
    assert wind.maximum == 1e308


def test_constant_column_is_told() -> None:
    """F089."""
    wind = unusual(wind=3.0)["wind"]

    assert (wind.is_constant, wind.std, wind.mean) == (True, 0.0, 3.0)


def test_case_without_time_profiles_features_and_target() -> None:
    file = case_file(data={"time": None})
    case = small_case(data=file.data.model_dump(exclude_defaults=True) | {"time": None})

    assert list(profile(case, "reference"))[-1] == "late"


def test_target_of_a_regression_has_numbers() -> None:
    target = profile(small_case("regression"), "reference")["late"]

    frame = small_frames("regression")["reference"]["late"]
    assert target.mean == pytest.approx(frame.mean(), rel=1e-12)


def test_profile_is_computed_once_and_read_back_the_same() -> None:
    case = small_case()

    first, again = profile(case, "reference"), profile(case, "reference")

    # One file of training, whose edges hold, and one of the reference.
    assert len(list(case.work.glob("*.json"))) == 2
    np.testing.assert_array_equal(first["wind"].bin_counts, again["wind"].bin_counts)
    assert first["wind"].mean == again["wind"].mean


def test_profile_of_an_absent_table_is_not_assessed() -> None:
    frames = {"reference": small_frames()["reference"]}

    with pytest.raises(NotAssessedError):
        profile(small_case(frames=frames), "current")
