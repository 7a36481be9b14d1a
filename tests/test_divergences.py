"""Radii of divergence against closed forms and against a general optimiser."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import expon, norm

from readiness.divergences import (
    Radius,
    chi2_radius,
    effective_share,
    exponential_tilt,
    farthest_rate,
    kl_radius,
    losses,
)
from readiness.stats import Estimate

BOTH = pytest.mark.parametrize("radius_of", [kl_radius, chi2_radius])
GRID = (np.arange(200_000) + 0.5) / 200_000


def fixed(value: float, n_rows: int) -> Estimate:
    return Estimate(value=value, influence=np.zeros(n_rows))


def radius(
    radius_of: Callable[..., Radius | None],
    values: np.ndarray,
    target: float,
    weight: np.ndarray | None = None,
) -> Radius:
    of = losses(values, weight)
    assert of is not None
    found = radius_of(of, fixed(target, len(values)))
    assert found is not None
    return found


def test_normal_losses() -> None:
    # N(m, s²) to mean r: (r - m)² / 2 s².
    found = radius(kl_radius, 1 + 2 * norm.ppf(GRID), 2.0)

    assert found.divergence == pytest.approx(0.125, rel=1e-3)
    assert found.distance.value == pytest.approx(0.5, rel=1e-3)


def test_losses_of_zero_and_one() -> None:
    # r ln(r/p) + (1 - r) ln((1 - r)/(1 - p)), 0.10 to 0.15: METHODS 4.2.
    found = radius(kl_radius, np.repeat([1.0, 0.0], [1, 9]), 0.15)

    assert found.divergence == pytest.approx(0.012235, abs=1e-6)
    assert found.tilt == pytest.approx(np.repeat([1.5, 0.85 / 0.9], [1, 9]))


def test_exponential_losses() -> None:
    # Exp(1) to mean r: r - 1 - ln r.
    found = radius(kl_radius, expon.ppf(GRID), 1.5)

    assert found.divergence == pytest.approx(0.5 - np.log(1.5), rel=1e-3)


def test_chi_square_is_quadratic_while_no_weight_is_negative() -> None:
    values = expon.ppf(GRID)

    found = radius(chi2_radius, values, 1.8)

    assert found.divergence == pytest.approx(
        (1.8 - values.mean()) ** 2 / values.var(), rel=1e-9
    )
    assert found.tilt.min() > 0


def test_chi_square_beyond_that_agrees_with_a_general_optimiser() -> None:
    values = np.array([0.0, 0.1, 0.4, 1.0, 1.2, 3.0])
    target, n = 2.4, len(values)
    solved = minimize(
        lambda w: np.mean(w**2) - 1,
        np.ones(n),
        jac=lambda w: 2 * w / n,
        bounds=[(0, None)] * n,
        constraints=[
            {"type": "eq", "fun": lambda w: np.mean(w) - 1},
            {"type": "eq", "fun": lambda w: np.mean(w * values) - target},
        ],
        tol=1e-12,
    )

    found = radius(chi2_radius, values, target)

    assert found.divergence == pytest.approx(solved.fun, rel=1e-5)
    assert found.tilt.min() == 0
    assert np.mean(found.tilt * values) == pytest.approx(target)


def test_kl_agrees_with_a_general_optimiser() -> None:
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, size=300)
    target = values.mean() + 0.8
    solved = minimize(
        lambda a: np.log(np.mean(np.exp(a[0] * values))) - a[0] * target, [0.1]
    )

    assert radius(kl_radius, values, target).divergence == pytest.approx(
        -solved.fun, rel=1e-6
    )


@BOTH
def test_a_smaller_mean_lies_in_the_other_direction(
    radius_of: Callable[..., Radius | None],
) -> None:
    values = norm.ppf(GRID)

    up, down = (radius(radius_of, values, target) for target in (0.3, -0.3))

    assert down.divergence == pytest.approx(up.divergence)
    assert down.distance.value == pytest.approx(-up.distance.value)


@BOTH
def test_a_weight_of_three_counts_as_three_rows(
    radius_of: Callable[..., Radius | None],
) -> None:
    rng = np.random.default_rng(2)
    values, times = rng.gamma(2.0, size=200), rng.integers(0, 4, 200)

    weighted = radius(radius_of, values, 3.0, times.astype(float))
    repeated = radius(radius_of, np.repeat(values, times), 3.0)

    assert weighted.divergence == pytest.approx(repeated.divergence, rel=1e-9)


@BOTH
@pytest.mark.parametrize("rise", [0.0, 0.4, 1.5])
def test_influence_is_the_change_when_a_row_counts_for_more(
    radius_of: Callable[..., Radius | None], rise: float
) -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, size=400)

    def at(weight: np.ndarray) -> Radius:
        of = losses(values, weight)
        assert of is not None
        # The target is the present mean and something: it moves with the rows.
        target = Estimate(value=of.mean + rise, influence=of.base * (values - of.mean))
        found = radius_of(of, target)
        assert found is not None
        return found

    now, step = at(np.ones(400)), 1e-3
    more = np.ones(400)
    more[7] += step
    slope = (at(more).distance.value - now.distance.value) / step * 400

    assert slope == pytest.approx(now.distance.influence[7], rel=0.02, abs=1e-4)


def test_standard_error_of_a_share_agrees_with_the_delta_method() -> None:
    # |-r/p + (1 - r)/(1 - p)| sqrt(p(1 - p)/n) = 0.00373 at n = 2000: METHODS 4.2.
    found = radius(kl_radius, np.repeat([1.0, 0.0], [200, 1800]), 0.15)

    of_divergence = found.distance.influence * found.distance.value
    assert of_divergence.std() / np.sqrt(2000) == pytest.approx(0.00373, abs=1e-5)


@BOTH
def test_no_population_of_these_rows_is_worse_than_the_worst_row(
    radius_of: Callable[..., Radius | None],
) -> None:
    of = losses(np.array([0.0, 1.0, 2.0]))
    assert of is not None

    assert radius_of(of, fixed(2.0, 3)) is None
    assert radius_of(of, fixed(1.9, 3)) is not None


def test_equal_losses_cannot_be_tilted() -> None:
    assert losses(np.ones(5)) is None


def test_farthest_rate_leaves_the_effective_rows_asked_for() -> None:
    # N(0, 1) to N(d, 1): the effective share is exp(-d²).
    of = losses(norm.ppf(GRID))
    assert of is not None

    rate = farthest_rate(of, lambda tilt: effective_share(of, tilt) >= 0.5)

    assert rate == pytest.approx(np.sqrt(np.log(2)), rel=1e-3)
    tilt = exponential_tilt(of, rate)
    assert np.mean(tilt * of.u) == pytest.approx(rate, rel=1e-3)
