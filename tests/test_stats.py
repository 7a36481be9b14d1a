"""Intervals for rows that hang together, against formulas and independent code."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from readiness.errors import Reason
from readiness.result import EXTRA_COLUMNS, SUMMARY_COLUMNS
from readiness.stats import (
    Clusters,
    Estimate,
    block_sums,
    clopper_pearson,
    clustered_interval,
    difference,
    effective_sample_size,
    empty_row,
    holm,
    no_interval,
    proportion_interval,
    relative_weights,
    simultaneous_band,
    student_quantile,
    summary_frame,
    summary_row,
    weighted_mean,
    wilson_interval,
)


def two_values(n_pairs: int) -> Estimate:
    """Return the mean of n_pairs minus ones and n_pairs ones: no skew, light tails."""
    return weighted_mean(np.tile([-1.0, 1.0], n_pairs))


def test_rows_are_blocks_when_none_are_declared() -> None:
    # 100 values of -1 and 1: sd = sqrt(100/99), se = sd/10, t(99) = 1.6604.
    interval = clustered_interval(two_values(50), Clusters())

    se = np.sqrt(100 / 99) / 10
    assert interval.se == pytest.approx(se)
    assert interval.ci_high == pytest.approx(1.66039 * se, abs=1e-5)
    assert interval.ci_low == pytest.approx(-1.66039 * se, abs=1e-5)
    assert interval.n_blocks == interval.n_rows == 100
    assert interval.dependence_factor == 1.0


def test_influence_is_summed_by_block() -> None:
    # Four rows of one sign per block: 25 blocks, sums of -4 or 4 (12 + 13).
    x = np.repeat(np.tile([-1.0, 1.0], 13)[:25], 4)
    block = np.repeat(np.arange(25), 4)

    interval = clustered_interval(weighted_mean(x), Clusters(block=block))

    sums = (x - x.mean()).reshape(25, 4).sum(axis=1)
    assert interval.se == pytest.approx(np.sqrt(25 / 24 * np.sum(sums**2)) / 100)
    assert interval.n_blocks == 25
    assert interval.dependence_factor > 1.9


def test_wider_of_block_and_entity_wins() -> None:
    rng = np.random.default_rng(3)
    entity = np.repeat(np.arange(40), 25)
    block = np.tile(np.arange(25), 40)
    x = rng.normal(size=40)[entity] + rng.normal(size=1000)

    both = clustered_interval(weighted_mean(x), Clusters(block=block, entity=entity))
    alone = clustered_interval(weighted_mean(x), Clusters(entity=entity))

    assert both == alone
    assert both.n_blocks == 40


def test_one_block_has_infinite_limits() -> None:
    interval = clustered_interval(two_values(5), Clusters(block=np.zeros(10, int)))

    assert interval.ci_low == -np.inf
    assert interval.ci_high == np.inf
    assert interval.n_blocks == 1


def test_few_blocks_get_plain_student_limits() -> None:
    # Under ten blocks shape cannot be estimated: 8 sums of -1 or 1, t(7) = 1.89458.
    interval = clustered_interval(two_values(4), Clusters())

    assert interval.ci_high == pytest.approx(1.89458 * interval.se, abs=1e-4)


def test_no_spread_gives_a_point() -> None:
    interval = clustered_interval(weighted_mean(np.ones(50)), Clusters())

    assert interval.ci_low == interval.value == interval.ci_high == 1.0
    assert interval.dependence_factor == 1.0


def test_unknown_value_has_the_widest_limits() -> None:
    unknown = Estimate(value=float("nan"), influence=np.full(6, np.nan))

    interval = clustered_interval(unknown, Clusters(block=np.array([1, 1, 2, 2, 3, 3])))

    assert np.isnan(interval.value)
    assert (interval.ci_low, interval.ci_high) == (-np.inf, np.inf)
    assert (interval.n_rows, interval.n_blocks) == (6, 3)


def test_skew_moves_the_limits_towards_the_long_tail() -> None:
    x = np.random.default_rng(1).exponential(size=200)

    interval = clustered_interval(weighted_mean(x), Clusters())

    assert interval.ci_high - interval.value > interval.value - interval.ci_low


def test_difference_of_two_estimates_is_paired() -> None:
    rng = np.random.default_rng(2)
    common = rng.normal(size=500)
    a = weighted_mean(common + 1.0)
    b = weighted_mean(common)

    interval = clustered_interval(difference(a, b), Clusters())

    assert interval.value == pytest.approx(1.0)
    assert interval.se == pytest.approx(0.0, abs=1e-12)


def test_weighted_mean_counts_a_row_of_weight_two_twice() -> None:
    weighted = weighted_mean([1.0, 5.0], np.array([2.0, 1.0]))

    assert weighted.value == pytest.approx(7 / 3)
    assert np.sum(weighted.influence) == pytest.approx(0.0)


def test_weights_that_sum_to_nothing_give_no_mean() -> None:
    assert np.isnan(weighted_mean([1.0, 2.0], np.zeros(2)).value)
    assert np.isnan(weighted_mean([]).value)
    assert relative_weights(2, np.zeros(2)).tolist() == [0.0, 0.0]


@given(st.integers(1, 50), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_scaling_weights_changes_nothing(n_rows: int, factor: float) -> None:
    weight = np.linspace(1, 2, n_rows)
    x = np.sin(np.arange(n_rows))

    one, other = weighted_mean(x, weight), weighted_mean(x, factor * weight)

    np.testing.assert_allclose(one.influence, other.influence, atol=1e-12)


def test_block_codes_may_be_sparse_and_negative() -> None:
    influence = np.array([1.0, 2.0, 3.0, 4.0])

    near = block_sums(influence, np.array([7, 7, -2, 5]))
    far = block_sums(influence, np.array([10**12, 10**12, -5, 3]))

    assert near.tolist() == [3.0, 4.0, 3.0]
    assert far.tolist() == [3.0, 4.0, 3.0]


def test_taking_rows_keeps_their_clusters() -> None:
    clusters = Clusters(block=np.array([1, 2, 3]), entity=np.array([4, 5, 6]))

    taken = clusters.take(np.array([True, False, True]))

    assert [code.tolist() for code in taken.declared()] == [[1, 3], [4, 6]]
    assert Clusters().take(np.array([0])).declared() == ()


@pytest.mark.parametrize(("hits", "rows"), [(0, 20), (3, 20), (20, 20), (41, 700)])
def test_clopper_pearson_agrees_with_scipy(hits: int, rows: int) -> None:
    exact = scipy_stats.binomtest(hits, rows).proportion_ci(0.90, method="exact")

    low, high = clopper_pearson(hits, rows)

    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-12)


@pytest.mark.parametrize(("hits", "rows"), [(0, 20), (3, 20), (20, 20), (41, 700)])
def test_wilson_agrees_with_scipy(hits: int, rows: int) -> None:
    wilson = scipy_stats.binomtest(hits, rows).proportion_ci(0.90, method="wilson")

    assert wilson_interval(hits, rows) == pytest.approx(
        (wilson.low, wilson.high), abs=1e-12
    )


def test_no_rows_say_nothing_about_a_share() -> None:
    interval = proportion_interval([], Clusters())

    assert np.isnan(interval.value)
    assert (interval.ci_low, interval.ci_high) == (0.0, 1.0)
    assert interval.n_rows == 0


def test_share_of_independent_rows_is_clopper_pearson() -> None:
    # The clustered variance p(1-p)/(n-1) gives n - 1 effective rows.
    hits = np.arange(200) < 30

    interval = proportion_interval(hits, Clusters())

    low, high = clopper_pearson(0.15 * 199, 199)
    assert (interval.ci_low, interval.ci_high) == pytest.approx((low, high))
    assert interval.dependence_factor == pytest.approx(1.0)


def test_share_counts_whole_blocks_when_rows_of_a_block_agree() -> None:
    # 40 blocks of 10 equal rows are 40 rows, not 400.
    hits = np.repeat(np.arange(40) < 10, 10)
    block = np.repeat(np.arange(40), 10)

    clustered = proportion_interval(hits, Clusters(block=block))
    alone = proportion_interval(np.arange(40) < 10, Clusters())

    assert clustered.ci_high == pytest.approx(alone.ci_high, abs=0.01)
    assert clustered.dependence_factor == pytest.approx(np.sqrt(10), rel=0.1)


def test_no_hit_at_all_counts_each_block_once() -> None:
    # Upper limit with 0 of 50: 1 - 0.05 ** (1 / 50).
    hits = np.zeros(500, dtype=bool)

    interval = proportion_interval(hits, Clusters(block=np.repeat(np.arange(50), 10)))

    assert interval.ci_high == pytest.approx(1 - 0.05 ** (1 / 50))
    assert interval.ci_low == 0.0
    assert np.isnan(interval.dependence_factor)


def test_weights_take_part_in_a_share() -> None:
    interval = proportion_interval(
        [True, False, False], Clusters(), np.array([2.0, 1.0, 1.0])
    )

    assert interval.value == 0.5


def test_band_of_one_number_is_its_student_interval() -> None:
    x = np.tile([-1.0, 1.0], 50)
    rng = np.random.default_rng(0)

    low, high, sd = simultaneous_band(np.zeros(1), x[:, None], Clusters(), rng)

    assert high[0] / sd[0] == pytest.approx(student_quantile(99), rel=0.03)
    assert low[0] == -high[0]


def test_band_of_independent_numbers_is_as_wide_as_their_largest() -> None:
    # The largest of 5 independent normals exceeds q with 5 %: Phi(q) = .95 ** (1/5).
    influence = np.random.default_rng(5).normal(size=(4000, 5))

    _, high, sd = simultaneous_band(
        np.zeros(5), influence, Clusters(), np.random.default_rng(0)
    )

    expected = scipy_stats.norm.ppf(0.95 ** (1 / 5))
    assert high / sd == pytest.approx(np.full(5, expected), rel=0.03)


def test_band_takes_the_wider_clustering_at_each_point() -> None:
    rng = np.random.default_rng(0)
    block, entity = np.repeat(np.arange(40), 5), np.tile(np.arange(40), 5)
    shared = np.column_stack([rng.normal(size=40)[block], rng.normal(size=40)[entity]])

    _, high, _ = simultaneous_band(
        np.zeros(2), shared, Clusters(block=block, entity=entity), rng
    )
    _, by_block, _ = simultaneous_band(np.zeros(2), shared, Clusters(block=block), rng)

    assert high[0] == pytest.approx(by_block[0], rel=0.1)
    assert high[1] > 1.5 * by_block[1]


def test_band_of_one_block_is_infinite() -> None:
    clusters = Clusters(block=np.zeros(10, dtype=int))

    low, high, _ = simultaneous_band(
        np.zeros(2), np.ones((10, 2)), clusters, np.random.default_rng(0)
    )

    assert np.all(np.isinf(low))
    assert np.all(np.isinf(high))


def test_band_keeps_a_number_without_error_as_it_is() -> None:
    influence = np.column_stack([np.zeros(100), np.tile([-1.0, 1.0], 50)])

    low, high, _ = simultaneous_band(
        np.array([2.0, 0.0]), influence, Clusters(), np.random.default_rng(0)
    )

    assert low[0] == high[0] == 2.0


def test_no_degree_of_freedom_means_no_limit() -> None:
    assert student_quantile(0) == np.inf
    assert student_quantile(np.inf) == pytest.approx(1.6448536)


def test_effective_sample_size_of_unequal_weights() -> None:
    # (3 + 1)^2 / (9 + 1) = 1.6
    assert effective_sample_size([3.0, 1.0]) == pytest.approx(1.6)
    assert effective_sample_size([0.0]) == 0.0


def test_holm_stops_at_the_first_kept_hypothesis() -> None:
    # Sorted .001 <= .05/4, .02 > .05/3: only the first falls.
    assert holm([0.02, 0.001, 0.04, 0.03]).tolist() == [False, True, False, False]
    assert holm([]).tolist() == []


def test_summary_holds_the_columns_of_the_contract() -> None:
    rows = [
        summary_row("auc", "", clustered_interval(two_values(20), Clusters()), "AUC"),
        empty_row("auc", "a=1", Reason.ONE_CLASS, n_rows=7),
    ]

    summary = summary_frame(rows)

    assert list(summary.columns) == [*SUMMARY_COLUMNS, *EXTRA_COLUMNS]
    assert summary["n_rows"].tolist() == [40, 7]
    assert summary["reason"].iloc[1] == "ONE_CLASS"
    assert pd.isna(summary["value"].iloc[1])


def test_nothing_is_known_without_rows() -> None:
    interval = no_interval()

    assert (interval.ci_low, interval.ci_high, interval.n_rows) == (-np.inf, np.inf, 0)
