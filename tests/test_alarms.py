"""Evidence that may be looked at after every window, against laws and simulation."""

import numpy as np
import pytest

from readiness.alarms import (
    detectable_shift,
    evidence_limit,
    first_alarm,
    log_evidence,
    shift_power,
    student_log_evidence,
    tuned_prior,
)

ALPHA = 0.05
STEPS = np.arange(1, 3001)


def coin_paths(p: float, n_paths: int, seed: int) -> np.ndarray:
    """Return the running share of hits less 0.1, after each of 3,000 rows."""
    rows = np.random.default_rng(seed).random((n_paths, len(STEPS))) < p
    return np.cumsum(rows, axis=1) / STEPS - 0.1


def share_alarmed(p: float, n_paths: int, seed: int) -> float:
    # Hoeffding: a share is sub-Gaussian with the variance of a fair coin.
    variance = 0.25 / STEPS
    prior = tuned_prior(float(variance[999]), ALPHA)
    evidence = log_evidence(coin_paths(p, n_paths, seed), variance, prior)
    return float((evidence >= -np.log(ALPHA)).any(axis=1).mean())


def test_rule_keeps_its_level_at_the_boundary_while_repeated_tests_do_not() -> None:
    gone = coin_paths(0.1, 1000, seed=1)
    se = np.sqrt(np.maximum((gone + 0.1) * (0.9 - gone), 1e-12) / STEPS)

    # METHODS 4.2: one-sided 95 % tests at every row alarm in 29.5 % of paths.
    wald = (gone > 1.644854 * se)[:, 29:].any(axis=1).mean()

    assert share_alarmed(0.1, 1000, seed=1) <= ALPHA
    assert 0.25 < wald < 0.34


def test_rule_sees_half_as_much_again() -> None:
    assert share_alarmed(0.15, 300, seed=2) > 0.95


def test_limit_is_where_the_evidence_reaches_the_level() -> None:
    variance = np.array([1.0, 0.1, 0.01])

    limit = evidence_limit(variance, 0.2, ALPHA)

    reached = log_evidence(limit, variance, 0.2)
    np.testing.assert_allclose(reached, -np.log(ALPHA), atol=1e-9)


def test_evidence_is_the_mean_of_likelihood_ratios() -> None:
    # By brute force: the half-normal mixture of exp(d m / v - m² / (2 v)).
    d, v, g = 0.4, 0.09, 0.25
    m = np.linspace(0, 8, 400_001)
    density = 2 * np.exp(-(m**2) / (2 * g)) / np.sqrt(2 * np.pi * g)
    mixture = np.trapezoid(density * np.exp(d * m / v - m**2 / (2 * v)), m)

    assert log_evidence(d, v, g) == pytest.approx(np.log(mixture), rel=1e-6)


def test_evidence_with_unknown_spread_is_the_ratio_of_two_integrals() -> None:
    # Over log s: normal difference, chi-square squares; numerator over the half-normal.
    d, c, ss, nu, prior = 0.8, 0.2, 7.0, 9, 0.5
    s = np.exp(np.linspace(-4, 4, 1201))[:, None]
    m = np.linspace(0, 12, 3001)[None, :]
    squares = s**-nu * np.exp(-ss / (2 * s**2))

    def normal(x: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)

    inner = np.trapezoid(normal(d - m, c * s**2) * 2 * normal(m, prior * s**2), m)
    top = np.trapezoid(squares[:, 0] * inner, np.log(s[:, 0]))
    below = np.trapezoid(
        (squares * normal(np.float64(d), c * s**2))[:, 0], np.log(s[:, 0])
    )

    found = student_log_evidence(d, c, ss, nu, prior)
    assert found == pytest.approx(np.log(top / below), abs=1e-4)


def test_evidence_with_unknown_spread_grows_into_that_with_a_known_one() -> None:
    d, c, g = 0.3, 0.02, 0.1

    known = log_evidence(d, c, g)

    assert student_log_evidence(d, c, 1e7, 1e7, g) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize(
    ("blocks", "windows", "per_window"), [(40, 30, 7), (12, 60, 1)]
)
def test_fresh_references_do_not_break_the_level(
    blocks: int, windows: int, per_window: int
) -> None:
    rng = np.random.default_rng(3)
    reference = 5 + 2 * rng.standard_normal((2000, blocks))
    rows = 5 + 2 * rng.standard_normal((2000, windows * per_window))
    t = per_window * np.arange(1, windows + 1)
    mean = np.cumsum(rows, axis=1)[:, t - 1] / t
    around = np.cumsum(rows**2, axis=1)[:, t - 1] - t * mean**2
    squares = around + reference.var(axis=1, keepdims=True) * blocks
    difference = mean - reference.mean(axis=1, keepdims=True)

    evidence = student_log_evidence(
        difference, 1 / t + 1 / blocks, squares, t + blocks - 2, prior=0.3
    )

    assert (evidence >= -np.log(ALPHA)).any(axis=1).mean() <= ALPHA
    # A rule that takes the reference for the truth does break it.
    naive = log_evidence(difference, 4 / t, 4 * 0.3)
    assert (naive >= -np.log(ALPHA)).any(axis=1).mean() > ALPHA


def test_blocks_without_spread_alarm_at_any_loss_and_at_no_gain() -> None:
    found = student_log_evidence([0.1, 0.0, -0.1], 0.1, 0.0, 8, 1.0)

    assert found.tolist() == [np.inf, -np.inf, -np.inf]


def test_first_alarm_counts_from_one() -> None:
    paths = np.array([[False, True, True], [False, False, False], [True, False, False]])

    assert first_alarm(paths).tolist() == [2.0, np.inf, 1.0]


def test_power_of_a_shift_is_that_of_simulated_windows() -> None:
    shift, level, se = np.array([0.0, 0.1, 0.2, 0.4]), 0.25, 0.12
    drawn = np.random.default_rng(4).normal(0, se, (100_000, 1)) + shift

    simulated = (np.abs(drawn) > level).mean(axis=0)

    np.testing.assert_allclose(shift_power(shift, level, se), simulated, atol=0.02)


def test_detectable_shift_of_the_power_table() -> None:
    # METHODS 1.4: reference 10,000, window 500 -> 0.128 SD; over 20 columns 0.177 SD.
    se = np.sqrt(1 / 500 + 1 / 10_000)

    one = detectable_shift(1.959964 * se, se)
    twenty = detectable_shift(3.023341 * se, se)

    assert one == pytest.approx(0.128, abs=0.0005)
    assert twenty == pytest.approx(0.177, abs=0.0005)
