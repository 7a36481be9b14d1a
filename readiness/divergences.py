"""How far a population must move before a mean loss reaches a value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readiness.stats import Estimate, Floats, effective_sample_size, relative_weights

MAX_STEPS = 200
TOLERANCE = 1e-12
NO_MOVE = 1e-4  # SD; nearer to the present mean the first order is exact enough
STEEPEST = 1e6  # of a tilt in standardised losses: all weight on the largest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Radius:
    """The smallest change of population under which the mean loss has a value.

    Parameters
    ----------
    divergence : float
        Of the changed population from the present one; never negative.
    distance : Estimate
        The root of it (of twice it, for Kullback-Leibler): for normal losses the
        move of their mean in SD. Negative where the value lies below the mean.
    tilt : numpy.ndarray of float, shape (n,)
        Likelihood ratio of the changed population at each row; its mean is one.
    """

    divergence: float
    distance: Estimate
    tilt: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """Losses of n rows, standardised once.

    Parameters
    ----------
    u : numpy.ndarray of float, shape (n,)
        Loss less its mean, in SD.
    base : numpy.ndarray of float, shape (n,)
        Relative row weights with mean one.
    mean, sd : float
        Of the loss.
    """

    u: Floats
    base: Floats
    mean: float
    sd: float


def losses(values: Floats, weight: Floats | None = None) -> Losses | None:
    """Return losses ready to be tilted; None where they do not vary.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
        Finite.
    weight : numpy.ndarray of float, shape (n,), optional
        Not negative.
    """
    base = relative_weights(len(values), weight)
    mean = float(np.mean(base * values))
    sd = float(np.sqrt(np.mean(base * (values - mean) ** 2)))
    if not sd > 0:
        return None
    return Losses(u=(values - mean) / sd, base=base, mean=mean, sd=sd)


def exponential_tilt(of: Losses, rate: float) -> Floats:
    """Return the likelihood ratio ``exp(rate u)``, scaled to mean one."""
    exponent = rate * of.u
    mass = np.exp(exponent - exponent[of.base > 0].max())
    tilt: Floats = np.where(of.base > 0, mass, 0.0)
    return tilt / float(np.mean(of.base * tilt))


def kl_radius(of: Losses, target: Estimate) -> Radius | None:
    """Return the smallest Kullback-Leibler divergence that moves the mean loss.

    Parameters
    ----------
    of : Losses
        n rows.
    target : Estimate
        The mean loss to reach, and the influence of each row on it (zeros where it
        was fixed beforehand).

    Returns
    -------
    Radius or None
        In nats; None when no re-weighting of these rows has that mean.

    Notes
    -----
    ``sup_a {a r - log E exp(a loss)}``; by the envelope theorem a row's influence is
    ``a IF(r) - (tilt - 1)``.

    References
    ----------
    S. Gupta, D. Rothenhaeusler (2023), arXiv:2105.03067.
    """
    goal = (target.value - of.mean) / of.sd
    rate = _rate(of, goal)
    if rate is None:
        return None
    tilt = exponential_tilt(of, rate)
    top = float((rate * of.u[of.base > 0]).max())
    mass = float(
        np.mean(of.base * np.exp(np.where(of.base > 0, rate * of.u, top) - top))
    )
    divergence = max(rate * goal - top - float(np.log(mass)), 0.0)
    influence = rate / of.sd * target.influence - of.base * (tilt - 1)
    found = _distance(of, target, 2 * divergence, 2 * influence)
    return Radius(divergence=divergence, distance=found, tilt=tilt)


def chi2_radius(of: Losses, target: Estimate) -> Radius | None:
    """Return the smallest chi-square divergence that moves the mean loss.

    Parameters
    ----------
    of, target
        As `kl_radius`.

    Returns
    -------
    Radius or None
        ``E[tilt²] - 1``; None when no re-weighting of these rows has that mean.

    Notes
    -----
    The tilt is linear in the loss, ``1 + (r - m)(loss - m) / s²``, and the divergence
    ``(r - m)² / s²``, until some row would have a negative weight; from there on it is
    the positive part of a line, whose foot is found by bisection.

    References
    ----------
    J. Duchi, H. Namkoong (2021), doi:10.1214/20-AOS2004.
    """
    goal = (target.value - of.mean) / of.sd
    sign = 1.0 if goal >= 0 else -1.0
    u = sign * of.u
    foot_and_slope = _line(u, of.base, sign * goal)
    if foot_and_slope is None:
        return None
    foot, slope = foot_and_slope
    tilt = 1 + slope * u if foot is None else slope * np.maximum(u - foot, 0.0)
    square = float(np.mean(of.base * tilt**2))
    rate = 2 * sign * slope / of.sd
    influence = rate * target.influence - of.base * (tilt**2 - square)
    divergence = max(square - 1, 0.0)
    found = _distance(of, target, divergence, influence)
    return Radius(divergence=divergence, distance=found, tilt=tilt)


def effective_share(of: Losses, tilt: Floats) -> float:
    """Return the effective sample size under a tilt as a share of the rows."""
    return effective_sample_size(of.base * tilt) / len(tilt)


def farthest_rate(of: Losses, carries: Callable[[Floats], bool]) -> float:
    """Return the steepest exponential tilt towards larger losses that rows can carry.

    Parameters
    ----------
    of : Losses
    carries : callable
        Whether the rows can speak about a tilt; once false, false for all steeper.
    """
    low, high = 0.0, 1.0 / 64
    while high < STEEPEST and carries(exponential_tilt(of, high)):
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        if carries(exponential_tilt(of, middle)):
            low = middle
        else:
            high = middle
    return low


def _distance(
    of: Losses, target: Estimate, square: float, influence: Floats
) -> Estimate:
    """Return the signed root of a squared distance, near linear in the target."""
    goal = (target.value - of.mean) / of.sd
    root = float(np.sign(goal) * np.sqrt(square))
    if abs(goal) < NO_MOVE or root == 0:
        first_order = target.influence / of.sd - of.base * of.u
        return Estimate(value=goal, influence=first_order)
    return Estimate(value=root, influence=influence / (2 * root))


def _rate(of: Losses, goal: float) -> float | None:
    """Return the rate at which the tilted mean of u is `goal`, or None.

    Newton's method within a bracket: the tilted mean rises with the rate.
    """
    known = of.u[of.base > 0]
    if not known.min() < goal < known.max():
        return None
    low, high = -1.0, 1.0
    while _tilted(of, high)[0] < goal and high < STEEPEST:
        low, high = high, 2 * high
    while _tilted(of, low)[0] > goal and low > -STEEPEST:
        low, high = 2 * low, low
    rate = min(max(goal, low), high)
    for _ in range(MAX_STEPS):
        mean, variance = _tilted(of, rate)
        if abs(mean - goal) < TOLERANCE:
            break
        low, high = (rate, high) if mean < goal else (low, rate)
        step = rate + (goal - mean) / variance if variance > 0 else np.inf
        new = step if low < step < high else (low + high) / 2
        if new == rate:
            break
        rate = new
    return float(rate)


def _tilted(of: Losses, rate: float) -> tuple[float, float]:
    tilt = of.base * exponential_tilt(of, rate)
    mean = float(np.mean(tilt * of.u))
    return mean, float(np.mean(tilt * (of.u - mean) ** 2))


def _line(u: Floats, base: Floats, goal: float) -> tuple[float | None, float] | None:
    """Return foot and slope of the tilt with mean `goal`; no foot where none cuts."""
    lowest, highest = float(u[base > 0].min()), float(u[base > 0].max())
    if not goal < highest:
        return None
    if 1 + goal * lowest >= 0:
        return None, goal
    low, high = lowest, highest
    for _ in range(MAX_STEPS):
        foot = (low + high) / 2
        part = base * np.maximum(u - foot, 0.0)
        if high - low < TOLERANCE * (highest - lowest):
            break
        if float(np.sum(part * u)) < goal * float(np.sum(part)):
            low = foot
        else:
            high = foot
    return foot, 1 / float(np.mean(part))
