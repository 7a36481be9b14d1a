"""The mean loss of the worst share of rows, debiased, with what it may hide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clopper_pearson,
    clustered_interval,
    no_interval,
    relative_weights,
    student_quantile,
)
from readiness.tolerance import first_below


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """Rows with what they cost, and what they were expected to cost.

    Parameters
    ----------
    loss : numpy.ndarray of float, shape (n,)
        The larger the worse.
    expected : numpy.ndarray of float, shape (n,)
        Mean loss of rows like this one, told by a model that has not seen its fold.
    fold : numpy.ndarray of int, shape (n,)
        Losses are ranked within a fold: one model said all of them.
    weight : numpy.ndarray of float, shape (n,), or None
    clusters : Clusters
    is_share : bool
        Every loss is 0 or 1.
    highest : float
        What no mean loss exceeds; none falls below 0 where this is finite.
    """

    loss: Floats
    expected: Floats
    fold: Ints
    weight: Floats | None
    clusters: Clusters
    is_share: bool = False
    highest: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worst:
    """The worst share of the rows.

    Parameters
    ----------
    share : float
        Above 0, at most 1.
    estimate : Estimate
        Mean loss there, on rows that did not help to find them.
    told : float
        What the ranking model expected there.
    member : numpy.ndarray of float, shape (n,)
        1 for rows of it, 0 for others; between them for rows tied at its edge.
    """

    share: float
    estimate: Estimate
    told: float
    member: Floats

    @property
    def allowance(self) -> float:
        """How far the ranking model is off there."""
        return abs(self.told - self.estimate.value)


def worst_share(rows: Ranked, share: float) -> Worst:
    """Return the worst share of the rows by expected loss, and what it costs.

    Parameters
    ----------
    rows : Ranked
        At least one row in each fold.
    share : float
        Of the weight of each fold, above 0, at most 1.

    Notes
    -----
    The debiased estimate is the mean of ``e + (m - e)+ / a + 1{m >= e}(l - m) / a``
    with m the expected loss, l the loss, a the share and e the quantile of m that
    leaves the share a above it. That equals ``e + g (l - e) / a`` with g the
    membership, which is split evenly over rows tied at e so that its mean is a.

    References
    ----------
    S. Jeong, H. Namkoong (2020), arXiv:2007.13982; H. Li, S. Mittal, H. Namkoong,
    E. Xia (2024), arXiv:2407.01316.
    """
    weight = relative_weights(len(rows.loss), rows.weight)
    member, edge = np.zeros(len(weight)), np.zeros(len(weight))
    for one in np.unique(rows.fold):
        here = np.flatnonzero(rows.fold == one)
        member[here], edge[here] = _members(rows.expected[here], weight[here], share)
    scored = edge + member * (rows.loss - edge) / share
    value = float(np.mean(weight * scored))
    told = edge + member * (rows.expected - edge) / share
    return Worst(
        share=share,
        estimate=Estimate(value=value, influence=weight * (scored - value)),
        told=float(np.mean(weight * told)),
        member=member,
    )


def worst_interval(rows: Ranked, worst: Worst) -> Interval:
    """Return the mean loss of the worst share with its interval, without allowance.

    Notes
    -----
    Influence summed by block. A share of wrong rows gets Clopper-Pearson limits at
    the number of independent rows that would give that error; where all of the rows,
    or none, are wrong, each block counts as one row.
    """
    found = clustered_interval(worst.estimate, rows.clusters)
    if not rows.is_share:
        lowest = 0.0 if np.isfinite(rows.highest) else -np.inf
        return replace(
            found,
            ci_low=max(found.ci_low, lowest),
            ci_high=min(found.ci_high, rows.highest),
        )
    value = min(max(found.value, 0.0), 1.0)
    n_effective = worst.share * found.n_blocks
    if found.se > 0 and 0 < value < 1:
        most = worst.share * found.n_rows
        t_ratio = student_quantile(found.n_rows - 1) / student_quantile(
            found.n_blocks - 1
        )
        n_effective = min(value * (1 - value) / found.se**2 * t_ratio**2, most)
    low, high = clopper_pearson(value * n_effective, n_effective)
    return replace(found, value=value, ci_low=low, ci_high=high)


def allowed(found: Interval, worst: Worst, highest: float) -> Interval:
    """Return an interval whose upper limit allows for a poor ranking of the rows.

    The group that was found is one of its size, so its loss bounds that of the worst
    one from below. How far the ranking model is off in it tells how much worse the
    worst group may be.
    """
    high = min(found.ci_high + worst.allowance, max(highest, found.ci_high))
    return replace(found, ci_high=high)


def smallest_safe(
    shares: Sequence[float], intervals: Sequence[Interval], bound: float
) -> Interval:
    """Return the smallest share whose worst rows stay within a mean loss.

    Parameters
    ----------
    shares : sequence of float
        Falling from 1.
    intervals : sequence of Interval
        Mean loss of each worst share.
    bound : float
        The acceptable mean loss.

    Returns
    -------
    Interval
        NaN value where all rows together cost more (limits up to infinity), or where
        even the smallest share costs less (limits from 0).

    Notes
    -----
    The upper limit is the share at which the upper limit of the loss first exceeds
    the bound, coming from all rows; the lower limit follows from the lower one.
    """
    sizes = 1 - np.asarray(shares, dtype=float)
    lines = np.array([[one.value, one.ci_low, one.ci_high] for one in intervals])
    value, low, high = (1 - first_below(sizes, bound - line) for line in lines.T)
    missed = bool(lines[0, 0] > bound)
    never = bool(np.isinf(value))
    whole = replace(no_interval(), n_rows=intervals[0].n_rows)
    return replace(
        whole,
        value=float("nan") if missed or never else float(value),
        ci_low=float(max(low, 0.0)),
        ci_high=float("inf") if lines[0, 2] > bound else float(max(high, shares[-1])),
        n_blocks=intervals[0].n_blocks,
    )


def _members(expected: Floats, weight: Floats, share: float) -> tuple[Floats, float]:
    """Return the membership of each row, and the expected loss at the edge."""
    levels, level = np.unique(-expected, return_inverse=True)
    mass = np.bincount(level, weight, len(levels))
    wanted = share * float(mass.sum())
    before = np.cumsum(mass) - mass
    taken = np.clip((wanted - before) / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
    edge = int(np.flatnonzero(before < wanted)[-1]) if wanted > 0 else 0
    return np.asarray(taken[level]), float(-levels[edge])
