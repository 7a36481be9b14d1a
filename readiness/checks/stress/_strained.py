"""Calibration of scores of which a share comes from rows with a fault."""

import math
from dataclasses import dataclass

import numpy as np

from readiness.checks.stress._bench import Bench
from readiness.recalibration import slope
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    clustered_interval,
    proportion_interval,
)

PROMISED = 0.9  # of the outcomes lie within the band around a prediction
BY_CHANCE = 0.95  # of the coverages that chance alone makes lie in the expected range
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A stretch of the bench's rows, and the band they are held to.

    Parameters
    ----------
    bench : Bench
    rows : slice
        n of its rows.
    half_width : float
        Of the band around every prediction of a regression; NaN otherwise.
    """

    bench: Bench
    rows: slice
    half_width: float = math.nan

    @property
    def truth(self) -> Floats:
        """Outcomes of the n rows."""
        return self.bench.truth[self.rows]

    @property
    def clean(self) -> Floats:
        """Scores of the n good rows."""
        return self.bench.clean[self.rows]

    @property
    def weight(self) -> Floats:
        """Weights of the n rows."""
        known = self.bench.weight
        return np.ones(len(self.truth)) if known is None else known[self.rows]

    @property
    def clusters(self) -> Clusters:
        """Which of the n rows hang together."""
        return self.bench.clusters.take(np.arange(len(self.bench.truth))[self.rows])

    def slope(self, y_score: Floats, share: float) -> Estimate:
        """Return the calibration slope where a share of the rows has other scores.

        Parameters
        ----------
        y_score : ndarray of shape (n,) or (n, k)
            Scores of the altered rows.
        share : float
            Each row counts as good and as altered, by how likely each is.
        """
        truth, weight = self.truth, self.weight
        both = slope(
            np.concatenate([truth, truth]),
            np.concatenate([self.clean, y_score]),
            np.concatenate([(1 - share) * weight, share * weight]),
        )
        one, other = np.split(both.influence, 2)
        return Estimate(value=both.value, influence=(one + other) / 2)

    def covered(self, y_score: Floats, share: float) -> Floats:
        """Return how much of each row lies in its band: between 0 and 1, (n,)."""
        good = np.abs(self.clean - self.truth) <= self.half_width
        altered = np.abs(y_score - self.truth) <= self.half_width
        return (1 - share) * good + share * altered

    def interval(self, y_score: Floats, share: float) -> Interval:
        """Return the slope, or for a regression the coverage, with its interval."""
        if self.bench.case.task != "regression":
            return clustered_interval(self.slope(y_score, share), self.clusters)
        return proportion_interval(
            self.covered(y_score, share), self.clusters, self.weight
        )

    def value(self, y_score: Floats, share: float) -> float:
        """Return the slope, or for a regression the coverage, without interval."""
        if self.bench.case.task != "regression":
            return self.slope(y_score, share).value
        hits = self.covered(y_score, share)
        return float(np.average(hits, weights=self.weight))


def half_width(error: Floats, weight: Floats) -> float:
    """Return the half-width of the band that holds nine in ten outcomes.

    Parameters
    ----------
    error : ndarray of shape (n,)
        Absolute errors of rows kept for it alone.
    weight : ndarray of shape (n,)

    Returns
    -------
    float
        The split-conformal quantile: the smallest error that 0.9 (1 + 1/n) of the
        weight lies within; infinite where n is too small for one.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer (2005), Algorithmic Learning in a Random World.
    """
    order = np.argsort(error, kind="stable")
    below = np.cumsum(weight[order]) / np.sum(weight)
    place = int(np.searchsorted(below, PROMISED * (1 + 1 / len(error)) - ROUNDING))
    return float(error[order[place]]) if place < len(error) else math.inf


def expected_range(n_calibration: int, n_test: float) -> tuple[float, float]:
    """Return where chance alone puts the coverage of a band that keeps its promise.

    Parameters
    ----------
    n_calibration : int
        Rows that gave the band its width.
    n_test : float
        Independent rows the coverage is counted on.

    Returns
    -------
    tuple of float
        Limits that 95 in 100 coverages lie between: the coverage of one band is
        Beta distributed, the count binomial given it.

    Examples
    --------
    >>> [round(one, 3) for one in expected_range(100, 1e6)]
    [0.836, 0.951]
    """
    from scipy.stats import betabinom  # noqa: PLC0415 (heavy)

    k = math.ceil(PROMISED * (n_calibration + 1) - ROUNDING)
    tests = max(round(n_test), 1)
    law = betabinom(tests, k, n_calibration + 1 - k)
    low, high = law.ppf([(1 - BY_CHANCE) / 2, (1 + BY_CHANCE) / 2])
    return float(low) / tests, float(high) / tests
