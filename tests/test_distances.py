"""Distances against closed forms and independent implementations."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from readiness.distances import (
    benjamini_hochberg,
    cramers_v,
    equal_bins,
    jensen_shannon_distance,
    ks_distance,
    psi,
    psi_null_quantile,
    shares,
    wasserstein_of_counts,
    wasserstein_of_sorted,
)

MANY = 1e12  # rows: then the half row that PSI adds to a bin is nothing
FINE = np.linspace(-9, 10, 4001)


def gaussian_shares(edges: np.ndarray, shift: float = 0.0) -> np.ndarray:
    return np.diff(norm.cdf(edges, loc=shift))


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0])
def test_shift_of_a_gaussian_follows_its_closed_forms(shift: float) -> None:
    p, q = gaussian_shares(FINE), gaussian_shares(FINE, shift)

    assert wasserstein_of_counts(FINE, p, q) == pytest.approx(shift, rel=1e-4)
    assert ks_distance(p, q) == pytest.approx(2 * norm.cdf(shift / 2) - 1, rel=1e-4)
    # The index of infinitely many bins is the sum of both divergences, δ²/2 each.
    assert psi(MANY * p, MANY * q) == pytest.approx(shift**2, rel=1e-3)


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.1, 0.0096), (0.2, 0.0383), (0.5, 0.2377), (1.0, 0.9261)]
)
def test_psi_in_ten_bins_loses_a_little_of_the_shift(
    shift: float, expected: float
) -> None:
    deciles = norm.ppf(np.linspace(0, 1, 11))

    found = psi(MANY * gaussian_shares(deciles), MANY * gaussian_shares(deciles, shift))

    assert round(found, 4) == expected


def test_psi_without_drift_stays_below_its_null_quantile() -> None:
    rng = np.random.default_rng(1)
    rows = rng.multinomial(200, np.full(10, 0.1), size=(4000, 2))
    found = np.array([psi(p, q) for p, q in rows])

    # METHODS: theory .0900 / .1692, simulated .0920 / .1753.
    assert found.mean() == pytest.approx(9 * (1 / 200 + 1 / 200), rel=0.05)
    assert psi_null_quantile(10, 200, 200) == pytest.approx(0.1692, abs=1e-4)
    assert np.quantile(found, 0.95) == pytest.approx(0.1692, rel=0.05)


def test_null_quantile_is_that_of_chi_squared() -> None:
    expected = stats.chi2.ppf(0.99, 4) * (1 / 50 + 1 / 70)

    assert psi_null_quantile(5, 50, 70, level=0.99) == pytest.approx(expected)
    assert psi_null_quantile(1, 50, 70) == 0
    assert np.isnan(psi_null_quantile(5, 0, 70))


def test_wasserstein_of_samples_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    x, y = np.sort(rng.normal(size=301)), np.sort(rng.exponential(size=97).round(1))

    found = wasserstein_of_sorted(x, y)

    assert found == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)


def test_wasserstein_of_counts_is_that_of_scipy_within_a_bin() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=5000), 1.3 * rng.normal(size=4000) + 0.2
    edges = np.linspace(-8, 8, 801)
    p, q = np.histogram(x, edges)[0], np.histogram(y, edges)[0]

    found = wasserstein_of_counts(edges, p, q)

    assert found == pytest.approx(stats.wasserstein_distance(x, y), abs=0.02 / 4)


def test_area_between_lines_that_cross_is_two_triangles() -> None:
    # Gaps 0, +0.5, -0.5, 0: 0.25, then 2 · 0.125, then 0.25.
    found = wasserstein_of_counts(np.arange(4.0), [0.5, 0.0, 0.5], [0.0, 1.0, 0.0])

    assert found == pytest.approx(0.75)


def test_ks_is_that_of_scipy() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=200), rng.normal(0.3, 2, size=150)
    both = np.sort(np.concatenate([x, y]))
    edges = np.concatenate([[-np.inf], both])
    p, q = (np.diff(np.searchsorted(np.sort(v), edges, "right")) for v in (x, y))

    assert ks_distance(p, q) == pytest.approx(stats.ks_2samp(x, y).statistic)


def test_jensen_shannon_is_that_of_scipy() -> None:
    p, q = np.array([5.0, 0.0, 3.0, 2.0]), np.array([1.0, 4.0, 0.0, 5.0])

    found = jensen_shannon_distance(p, q)

    assert found == pytest.approx(jensenshannon(p, q, base=2))


def test_cramers_v_of_equal_tables_is_the_usual_one() -> None:
    p, q = np.array([30.0, 50.0, 20.0]), np.array([10.0, 60.0, 30.0])
    usual = stats.contingency.association(
        np.array([p, q]).astype(int), method="cramer", correction=False
    )

    assert cramers_v(p, q) == pytest.approx(usual)
    assert cramers_v(p, 1000 * q) == pytest.approx(usual)


@pytest.mark.parametrize("distance", [cramers_v, jensen_shannon_distance, ks_distance])
def test_distances_are_one_between_strangers_and_none_between_equals(
    distance: object,
) -> None:
    assert distance([3, 0], [0, 7]) == pytest.approx(1.0)
    assert distance([3, 4], [6, 8]) == pytest.approx(0.0, abs=1e-7)
    assert np.isnan(distance([0, 0], [6, 8]))


def test_nothing_has_no_distance() -> None:
    assert np.isnan(shares([0, 0])).all()
    assert np.isnan(psi([0, 0], [1, 2]))
    assert np.isnan(wasserstein_of_sorted(np.empty(0), np.ones(3)))
    assert np.isnan(wasserstein_of_counts(np.arange(3.0), [0, 0], [1, 2]))


def test_coarse_bins_hold_equal_parts_and_never_split_a_value() -> None:
    assert equal_bins(np.ones(100), 10).tolist() == [n // 10 for n in range(100)]
    # One value with most of the rows is a bin; what has no rows joins a neighbour.
    assert equal_bins([0, 90, 0, 5, 5], 10).tolist() == [0, 0, 0, 1, 1]
    assert equal_bins([0, 0], 10).tolist() == [0, 0]


def test_adjusted_p_values_are_those_of_scipy() -> None:
    p = np.array([0.04, 0.001, np.nan, 0.03, 0.5])

    found = benjamini_hochberg(p)

    known = np.isfinite(p)
    assert found[known] == pytest.approx(stats.false_discovery_control(p[known]))
    assert np.isnan(found[2])
