"""How many rows a model needs before its numbers can be believed: closed forms."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SHRINKAGE = 0.9  # least factor by which effects may have to be shrunk
OPTIMISM = 0.05  # most that R² may be too good
MARGIN = 0.05  # of the overall risk
MEAN_MARGIN = 1.1  # ratio of the upper limit of the mean to the mean
Z_975 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Rows needed by criterion.

    Parameters
    ----------
    shrinkage, optimism, intercept : int
        So that effects shrink by no more than a tenth; so that R² is no more than 0.05
        too good; so that the overall risk, or mean, is known.
    residual : int
        So that the residual spread is known within a tenth; 0 for classes.
    """

    shrinkage: int
    optimism: int
    intercept: int
    residual: int = 0

    @property
    def rows(self) -> int:
        """Rows that meet every criterion."""
        return max(self.shrinkage, self.optimism, self.intercept, self.residual)


def highest_r2(prevalence: float) -> float:
    """Return the largest Cox-Snell R² that an outcome of this prevalence allows.

    Examples
    --------
    >>> round(highest_r2(0.174), 3)
    0.603
    """
    rest = 1 - prevalence
    deviance = prevalence * math.log(prevalence) + rest * math.log(rest)
    return 1 - math.exp(2 * deviance)


def binary_rows(n_parameters: int, r2: float, prevalence: float) -> Needed:
    """Return the rows a model of a binary outcome needs.

    Parameters
    ----------
    n_parameters : int
        Candidate parameters, one for each column of the encoded features at least.
    r2 : float
        Expected Cox-Snell R², in (0, `highest_r2`).
    prevalence : float
        Share of positives, in (0, 1).

    References
    ----------
    R. D. Riley et al. (2019), doi:10.1002/sim.7992, criteria (i) to (iii).

    Examples
    --------
    >>> binary_rows(24, 0.288, 0.174).rows
    662
    """
    second = r2 / (r2 + OPTIMISM * highest_r2(prevalence))
    n_risk = (Z_975 / MARGIN) ** 2 * prevalence * (1 - prevalence)
    return Needed(
        shrinkage=_rows_for(n_parameters, r2, SHRINKAGE),
        optimism=_rows_for(n_parameters, r2, second),
        intercept=math.ceil(n_risk),
    )


def _rows_for(n_parameters: int, r2: float, shrinkage: float) -> int:
    return math.ceil(n_parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))


def number_rows(n_parameters: int, r2: float, mean: float, sd: float) -> Needed:
    """Return the rows a model of a number needs.

    Parameters
    ----------
    n_parameters : int
    r2 : float
        Expected adjusted R², in (0, 1).
    mean, sd : float
        Of the target; a mean of 0 asks nothing of the intercept.

    References
    ----------
    R. D. Riley et al. (2019), doi:10.1002/sim.7993, criteria (i) to (iv).

    Examples
    --------
    >>> number_rows(25, 0.2, 1.9, 0.6).rows
    918
    """
    n_shrink = _first(
        lambda n: _shrinkage(n, n_parameters, r2) >= SHRINKAGE, n_parameters + 2
    )
    n_optimism = math.ceil(1 + n_parameters * (1 - r2) / OPTIMISM)
    n_residual = 234 + n_parameters  # a constant of the paper: within a tenth
    least = max(n_shrink, n_optimism, n_residual)
    residual_sd = sd * math.sqrt(1 - r2)

    def mean_known(n: int) -> bool:
        from scipy.stats import t  # noqa: PLC0415 (heavy)

        quantile = float(t.ppf(0.975, n - n_parameters - 1))
        return abs(mean) + residual_sd / math.sqrt(n) * quantile <= MEAN_MARGIN * abs(
            mean
        )

    n_mean = _first(mean_known, least) if mean else least
    return Needed(
        shrinkage=n_shrink, optimism=n_optimism, intercept=n_mean, residual=n_residual
    )


def _shrinkage(n_rows: int, n_parameters: int, r2: float) -> float:
    apparent = (r2 * (n_rows - n_parameters - 1) + n_parameters) / (n_rows - 1)
    return 1 + (n_parameters - 2) / (n_rows * math.log(1 - apparent))


def _first(holds: Callable[[int], bool], least: int) -> int:
    """Return the smallest number from `least` on for which a rising test holds."""
    high = least
    while not holds(high):
        high *= 2
        if high > 10**12:
            return high
    low = least
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def r2_of_area(area: float, prevalence: float) -> float:
    """Return the Cox-Snell R² of a score with this area under the ROC curve.

    Parameters
    ----------
    area : float
        In (0.5, 1).
    prevalence : float
        In (0, 1).

    Notes
    -----
    The score is taken as normal with equal spread in both classes; its logistic model
    is then known, and the expected deviance is an integral, found by Gauss-Hermite
    quadrature instead of the usual simulation.

    References
    ----------
    R. D. Riley et al. (2021), doi:10.1002/sim.8806.
    """
    from scipy.special import ndtri  # noqa: PLC0415 (heavy)

    shift = math.sqrt(2) * float(ndtri(area))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    odds = math.log(prevalence / (1 - prevalence)) - shift**2 / 2

    def log_likelihood(mean: float, label: int) -> float:
        logit = odds + shift * (nodes + mean)
        return float(np.sum(weights * -np.logaddexp(0, -logit if label else logit)))

    fitted = prevalence * log_likelihood(shift, 1)
    fitted += (1 - prevalence) * log_likelihood(0.0, 0)
    empty = prevalence * math.log(prevalence)
    empty += (1 - prevalence) * math.log(1 - prevalence)
    return 1 - math.exp(-2 * (fitted - empty))
