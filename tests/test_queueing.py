"""Waiting times against queueing laws and the freeze example, without any clock."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from readiness.latency import latency_quantile, mean_seconds
from readiness.queueing import (
    Load,
    even_latency,
    latency_on_schedule,
    open_loop_latency,
    sustainable_rate,
    with_omitted,
)


def independent(n_rows: int, rate: float, seed: int, *, even: bool = False) -> Load:
    """Return requests that come independently, of mean work one second."""
    rng = np.random.default_rng(seed)
    work = np.ones(n_rows) if even else rng.exponential(1.0, n_rows)
    return Load(service=work, spacing=rng.exponential(1.0, n_rows), rate=rate)


def quantile(sample: np.ndarray, level: float) -> float:
    return float(np.sort(sample)[math.ceil(level * len(sample) - 1e-9) - 1])


def spread_evenly(n_rows: int) -> np.ndarray:
    """Return 1 to n in an order in which large ones never come together."""
    golden = (np.arange(n_rows) * 0.6180339887498949) % 1
    return np.argsort(np.argsort(golden)) + 1.0


# Quantiles


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n_rows", [20, 299, 1000])
def test_limits_are_the_order_statistics_of_the_binomial(
    n_rows: int, level: float
) -> None:
    sample = spread_evenly(n_rows)
    below = binom(n_rows, level)
    # Rank r lies above the quantile when fewer than r values lie below it.
    above = [r for r in range(1, n_rows + 1) if below.cdf(r - 1) >= 0.95]
    under = [r for r in range(1, n_rows + 1) if below.sf(r - 1) >= 0.95]

    found = latency_quantile(sample, level)

    assert found.n_blocks == n_rows
    assert found.ci_high == (above[0] if above else math.inf)
    assert found.ci_low == (under[-1] if under else 0.0)
    assert found.value == math.ceil(level * n_rows - 1e-9)


@pytest.mark.parametrize(
    ("level", "n_queries"), [(0.9, 23_886), (0.95, 50_425), (0.99, 262_742)]
)
def test_query_counts_of_mlperf_give_its_margin(level: float, n_queries: int) -> None:
    # MLPerf asks for a margin of a twentieth of 1 - level with 99 % on both sides; our
    # limits have 95 % on one, so they reach 1.645 / 2.576 of it (METHODS 7, A7).
    margin, z = (1 - level) / 20, norm.ppf(0.995)
    assert round(z**2 * level * (1 - level) / margin**2) == n_queries

    found = latency_quantile(spread_evenly(n_queries), level)

    reach = margin * norm.ppf(0.95) / z * n_queries
    assert found.ci_high - found.value == pytest.approx(reach, abs=3)
    assert found.value - found.ci_low == pytest.approx(reach, abs=3)


def test_upper_limit_of_the_99th_percentile_needs_299_requests() -> None:
    sample = spread_evenly(299)

    assert latency_quantile(sample, 0.99).ci_high == sample.max()
    assert latency_quantile(spread_evenly(298), 0.99).ci_high == math.inf


def test_slow_requests_in_a_row_count_as_fewer() -> None:
    alone = np.random.default_rng(3).exponential(1.0, 3000)
    together = np.repeat(alone[:300], 10)

    found = latency_quantile(together, 0.9)

    assert latency_quantile(alone, 0.9).n_blocks == 3000
    assert 150 < found.n_blocks < 600
    assert found.dependence_factor == pytest.approx(
        math.sqrt(3000 / found.n_blocks), rel=0.01
    )


def test_equal_latencies_have_no_width() -> None:
    found = latency_quantile(np.full(500, 0.2), 0.99)

    assert (found.value, found.ci_low, found.ci_high) == (0.2, 0.2, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.4, 0.7, 0.85])
def test_limits_of_a_queue_hold_as_often_as_promised(rate: float) -> None:
    truth = -math.log(0.01) / (1 - rate)  # M/M/1 with work of mean one
    found = [
        latency_on_schedule(independent(8000, rate, seed), 0.99) for seed in range(400)
    ]

    above = np.mean([one.ci_high >= truth for one in found])
    below = np.mean([one.ci_low <= truth for one in found])
    naive = np.mean(
        [_row_wise_upper(one.n_rows, rate, k) >= truth for k, one in enumerate(found)]
    )

    assert above >= 0.93
    assert below >= 0.93
    assert naive < 0.85


def _row_wise_upper(n_rows: int, rate: float, seed: int) -> float:
    """Return the upper limit that takes every request as independent."""
    latency = np.sort(open_loop_latency(independent(n_rows, rate, seed)))
    rank = int(binom(n_rows, 0.99).ppf(0.95)) + 1
    return float(latency[rank - 1])


# Queues


def test_latency_of_even_work_follows_the_m_d_1_law() -> None:
    load = independent(400_000, 0.7, 4, even=True)

    latency = open_loop_latency(load)

    assert even_latency(1.0, 0.7) == pytest.approx(1 + 0.7 / 0.6)
    assert latency[1000:].mean() == pytest.approx(2.167, rel=0.02)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_latency_of_exponential_work_follows_the_m_m_1_law(level: float) -> None:
    load = independent(400_000, 0.7, 5)

    found = latency_on_schedule(load, level)

    assert found.value == pytest.approx(-math.log(1 - level) / 0.3, rel=0.05)


def test_even_schedule_with_even_work_never_waits() -> None:
    load = Load(service=np.full(100, 0.5), spacing=np.ones(100), rate=1.9)

    np.testing.assert_allclose(open_loop_latency(load), 0.5)


def test_one_slow_call_delays_those_behind_it() -> None:
    # Every second a request of 0.1 s; the second takes 3 s, so the next three start
    # 2.0, 1.1 and 0.2 s late.
    work = np.array([0.1, 3.0, 0.1, 0.1, 0.1, 0.1])
    load = Load(service=work, spacing=np.ones(6), rate=1.0)

    latency = open_loop_latency(load)

    np.testing.assert_allclose(latency, [0.1, 3.0, 2.1, 1.2, 0.3, 0.1])


def test_overload_has_no_upper_limit_and_is_certainly_slow() -> None:
    found = latency_on_schedule(independent(5000, 1.3, 6), 0.99)

    assert found.ci_high == math.inf
    assert found.ci_low == found.value > 100


def test_load_near_what_one_worker_bears_cannot_be_told() -> None:
    found = latency_on_schedule(independent(2000, 1.0, 7), 0.99)

    assert found.ci_high == math.inf
    assert found.ci_low < 10


def test_a_worker_that_cannot_keep_up_has_no_mean_latency() -> None:
    assert even_latency(1.0, 1.0) == math.inf


# Coordinated omission


def test_freeze_example_shows_what_a_closed_loop_leaves_out() -> None:
    # 100 requests a second at 1 ms for 100 s, then a freeze of 100 s.
    naive = np.concatenate([np.full(10_000, 0.001), [100.0]])

    corrected = with_omitted(naive, 0.01)

    assert naive.mean() * 1000 == pytest.approx(11.0, abs=0.05)
    assert [quantile(naive, one) for one in (0.99, 0.9999)] == [0.001, 0.001]
    assert len(corrected) == 20_000
    assert corrected.mean() == pytest.approx(25.0, abs=0.01)
    assert quantile(corrected, 0.75) == pytest.approx(50.0, abs=0.02)
    assert quantile(corrected, 0.99) == pytest.approx(98.0, abs=0.02)
    assert quantile(corrected, 0.9999) == pytest.approx(100.0, abs=0.02)


def test_freeze_with_one_worker_is_worse_than_with_enough() -> None:
    # After the freeze one worker has 10,000 requests to catch up with, 1 ms each:
    # the wait falls from 100 s by 9 ms a request.
    work = np.concatenate([np.full(10_000, 0.001), [100.0], np.full(9_999, 0.001)])
    load = Load(service=work, spacing=np.ones(20_000), rate=100.0)

    latency = open_loop_latency(load)

    fallen = 100 - 0.009 * np.arange(10_000)
    np.testing.assert_allclose(latency[10_001:], fallen[1:], atol=1e-6)
    assert latency.mean() > with_omitted(work[:10_001], 0.01).mean()


def test_calls_faster_than_the_schedule_leave_nothing_out() -> None:
    latency = np.array([0.004, 0.009, 0.0099])

    np.testing.assert_array_equal(with_omitted(latency, 0.01), latency)


# Sustainable rate


def test_rate_with_a_bound_follows_the_m_m_1_law() -> None:
    # P(latency > t) = exp(-(1 - rate) t): the rate at which 1 in 100 takes longer
    # than 10 s is 1 - ln(100) / 10.
    load = independent(300_000, 1.0, 8)
    truth = 1 - math.log(100) / 10

    found = sustainable_rate(load.service, load.spacing, 0.99, 10.0)

    assert found.value == pytest.approx(truth, rel=0.03)
    assert found.ci_low < truth < found.ci_high


def test_rate_without_a_bound_is_what_keeps_the_worker_busy() -> None:
    load = independent(5000, 1.0, 9)

    found = sustainable_rate(load.service, load.spacing, 0.99, None)

    assert found.value == pytest.approx(1 / load.service.mean())
    assert found.ci_low == pytest.approx(1 / mean_seconds(load.service).ci_high)


def test_wide_bound_never_lets_the_queue_grow() -> None:
    load = independent(1000, 1.0, 10)

    found = sustainable_rate(load.service, load.spacing, 0.99, 1e6)

    assert found.value == pytest.approx(1 / load.service.mean())


def test_bound_below_the_work_itself_sustains_nothing() -> None:
    load = independent(1000, 1.0, 11, even=True)

    found = sustainable_rate(load.service, load.spacing, 0.99, 0.5)

    assert (found.value, found.ci_low, found.ci_high) == (0.0, 0.0, 0.0)


def test_too_few_calls_promise_no_rate() -> None:
    load = independent(200, 1.0, 12)

    found = sustainable_rate(load.service, load.spacing, 0.99, 20.0)

    assert found.ci_low == 0.0
    assert found.value > 0
