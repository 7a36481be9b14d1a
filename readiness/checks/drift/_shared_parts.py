"""A change of mean loss in three parts, through the rows both periods could have."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from readiness.stats import Estimate, Floats, difference

CHANGE, COVARIATE, CONCEPT, CURRENT = (
    "observed_change",
    "covariate_part",
    "concept_part",
    "current_part",
)
SHARED = "shared_share"
MOST_STEPS = 50
CLOSE = 1e-10
RIDGE = 1e-6  # keeps a perfect separation from having no end


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Both:
    """Rows of two periods, mixed, with what was learned about them elsewhere.

    Parameters
    ----------
    is_current : numpy.ndarray of bool, shape (n,)
    weight : numpy.ndarray of float, shape (n,)
        Row weights; their mean is one within each period.
    loss : numpy.ndarray of float, shape (n,)
    chance : numpy.ndarray of float, shape (n,)
        Probability that a row with these features is of the current period, were
        both periods of equal size; calibrated, and learned without the row's block.
    expected : tuple of numpy.ndarray of float, shape (n,)
        Loss of a row with these features in the reference and in the current period,
        learned without the row's block. Any numbers leave the parts unbiased where
        the chance is right; good ones make them precise, and robust where it is not.
    """

    is_current: npt.NDArray[np.bool_]
    weight: Floats
    loss: Floats
    chance: Floats
    expected: tuple[Floats, Floats]


def parts_of(both: Both) -> Mapping[str, Estimate]:
    """Return the change of the mean loss and its three parts, each with influence.

    Returns
    -------
    mapping of str to Estimate
        ``observed_change`` = ``covariate_part`` + ``concept_part`` + ``current_part``,
        and ``shared_share``: the overlap of the two periods, 1 where they have the
        same features and 0 where they have none in common.

    Notes
    -----
    With densities p and q of the features, the shared rows have the density
    s ~ pq / (p + q). The parts are E_s R_p - E_p R_p, E_s (R_q - R_p) and
    E_q R_q - E_s R_q, where R is the expected loss in a period. E_s R_p is estimated by
    the reference rows weighted by the chance, with the first-order effect of errors
    of the chance taken out through the expected loss (Neyman-orthogonal).

    References
    ----------
    T. T. Cai, H. Namkoong, S. Yadlowsky (2023), arXiv:2303.02011.
    """
    pi = both.chance
    of_reference, of_current = both.expected
    size = _sum(both, pi**2, (1 - pi) ** 2)
    before = _sum(both, both.loss, 0.0 * pi)
    after = _sum(both, 0.0 * pi, both.loss)
    shared_before = _ratio(
        _sum(
            both,
            pi * (both.loss - of_reference) + pi**2 * of_reference,
            (1 - pi) ** 2 * of_reference,
        ),
        size,
    )
    shared_after = _ratio(
        _sum(
            both,
            pi**2 * of_current,
            (1 - pi) * (both.loss - of_current) + (1 - pi) ** 2 * of_current,
        ),
        size,
    )
    return {
        CHANGE: difference(after, before),
        COVARIATE: difference(shared_before, before),
        CONCEPT: difference(shared_after, shared_before),
        CURRENT: difference(after, shared_after),
        SHARED: Estimate(value=2 * size.value, influence=2 * size.influence),
    }


def shared_weights(both: Both, *, current: bool) -> Floats:
    """Return the weights that make the rows of one period those of both."""
    own = both.is_current if current else ~both.is_current
    toward = 1 - both.chance if current else both.chance
    return np.where(own, both.weight * toward, 0.0)


def bent(odds: Floats, hit: Floats, weight: Floats) -> tuple[float, float]:
    """Return intercept and slope that make log-odds come true, by likelihood.

    Parameters
    ----------
    odds, hit, weight : numpy.ndarray of float, shape (n,)
        Log-odds, 0 or 1, and weights.

    References
    ----------
    J. Platt (1999), in Advances in Large Margin Classifiers, 61-74.
    """
    X = np.column_stack([np.ones(len(odds)), odds])
    theta, share = np.array([0.0, 1.0]), weight / weight.sum()
    for _ in range(MOST_STEPS):
        p = 1 / (1 + np.exp(-(X @ theta)))
        pull = RIDGE * (theta - [0.0, 1.0])
        gradient = X.T @ (share * (hit - p)) - pull
        curvature = X.T @ (X * (share * p * (1 - p))[:, None]) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        theta = theta + step / max(1.0, float(np.max(np.abs(step))))
        if np.max(np.abs(step)) < CLOSE:
            break
    return float(theta[0]), float(theta[1])


def _sum(both: Both, reference: Floats, current: Floats) -> Estimate:
    """Return a mean over the reference rows plus one over the current rows."""
    n_rows, value = len(both.loss), 0.0
    influence = np.zeros(n_rows)
    for rows, values in ((~both.is_current, reference), (both.is_current, current)):
        mean = float(np.average(values[rows], weights=both.weight[rows]))
        value += mean
        influence[rows] = both.weight[rows] * (values[rows] - mean)
        influence[rows] *= n_rows / rows.sum()
    return Estimate(value=value, influence=influence)


def _ratio(top: Estimate, bottom: Estimate) -> Estimate:
    value = top.value / bottom.value
    influence = (top.influence - value * bottom.influence) / bottom.value
    return Estimate(value=value, influence=influence)
