"""How often a verdict is wrong, on rows that come in day blocks.

The most important test of the kit: with the truth exactly at the limit, a pass and a
fail may each happen in 5 % of all cases, within binomial error. Days share an effect,
so intervals that take rows as independent must break these tests.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import binom

from readiness.findings import judge
from readiness.metrics import find_metric
from readiness.policy import LimitInForce
from readiness.recalibration import intercept, slope
from readiness.result import Limit, Measurement, Status
from readiness.stats import (
    Clusters,
    Interval,
    clustered_interval,
    proportion_interval,
    simultaneous_band,
    summary_frame,
    summary_row,
    weighted_mean,
)
from tests.judging import TODAY, check_with, policy_with

ROWS_PER_DAY = 40
DAY_SD = 0.7  # of the scores of one day, as much as makes the factor 1.8
SIGNAL = 1.0  # by how much positive rows score higher
# Scores of rows from different days differ by noise and day, each twice.
TRUE_AUC = float(ndtr(SIGNAL / np.sqrt(2 * (1 + DAY_SD**2))))
ROC_AUC = find_metric("roc_auc", "binary")
# Influence values of 60 to 120 days know their own error only roughly; measured over
# 20,000 sets of days: 6.2 % at 60 and 5.6 % at 120 instead of 5 %.
SLACK = 0.0125
Draw = Callable[[np.random.Generator, int], Interval]


def days(rng: np.random.Generator, n_days: int) -> np.ndarray:
    """Return the day of each row; days differ in their number of rows."""
    return np.repeat(np.arange(n_days), rng.poisson(ROWS_PER_DAY, n_days) + 1)


def alike_on_one_day(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """Return uniform numbers, those of one day correlated by 0.3."""
    shared = rng.normal(size=day.max() + 1)[day]
    return ndtr(np.sqrt(0.3) * shared + np.sqrt(0.7) * rng.normal(size=len(day)))


def draw_auc(rng: np.random.Generator, n_days: int, *, by_day: bool = True) -> Interval:
    """Return the interval of the area on days with their own rate and level."""
    day = days(rng, n_days)
    late = rng.random(len(day)) < rng.beta(1.5, 4.5, n_days)[day]
    score = SIGNAL * late + rng.normal(0, DAY_SD, n_days)[day]
    score += rng.normal(size=len(day))
    clusters = Clusters(block=day) if by_day else Clusters()
    return ROC_AUC.interval(late, score, clusters)


def draw_auc_by_row(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval with the days dropped: the mutation."""
    return draw_auc(rng, n_days, by_day=False)


def draw_error(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval of a mean absolute error with a long tail; true value 1."""
    day = days(rng, n_days)
    level = rng.lognormal(-0.08, 0.4, n_days)[day]
    error = level * rng.exponential(size=len(day))
    return clustered_interval(weighted_mean(error), Clusters(block=day))


def draw_share(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval of a share whose true value is 0.9."""
    day = days(rng, n_days)
    return proportion_interval(alike_on_one_day(rng, day) < 0.9, Clusters(block=day))


def draw_slope(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval of the slope of a calibrated model: true value 1."""
    day = days(rng, n_days)
    y_prob = expit(rng.normal(-1, 0.7, n_days)[day] + rng.normal(size=len(day)))
    y_true = (alike_on_one_day(rng, day) < y_prob).astype(float)
    return clustered_interval(slope(y_true, y_prob, None), Clusters(block=day))


def draw_intercept(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval of the intercept of a calibrated model: true value 0."""
    day = days(rng, n_days)
    y_prob = expit(rng.normal(-1, 1, len(day)))
    y_true = (alike_on_one_day(rng, day) < y_prob).astype(float)
    return clustered_interval(intercept(y_true, y_prob, None), Clusters(block=day))


def statuses(intervals: list[Interval], limit: float, side: str) -> list[Status]:
    """Return what the kit's own judge says of each interval and one limit."""
    bound = Limit(
        metric="roc_auc",
        side=side,
        limit=limit,
        required_in=("high",),
        groups="each",
        reason="Test.",
    )
    in_force = LimitInForce(limit=bound, bound=limit, required=True, set_by="test")
    rows = [summary_row("roc_auc", f"set={k}", one) for k, one in enumerate(intervals)]
    measurement = Measurement(summary=summary_frame(rows))
    findings = judge(check_with(bound), measurement, [in_force], policy_with(), TODAY)
    return [one.status for one in findings]


@cache
def shares(
    draw: Draw,
    limit: float,
    *,
    n_days: int = 80,
    n_sets: int = 400,
    seed: int = 0,
) -> dict[Status, float]:
    """Return how often each status is given over many sets of days."""
    rng = np.random.default_rng(seed)
    drawn = [draw(rng, n_days) for _ in range(n_sets)]
    seen = statuses(drawn, limit, "at_least")
    return {status: seen.count(status) / n_sets for status in Status}


def at_most_5_in_100(n_sets: int, rate: float = 0.05) -> float:
    """Return the share that a true rate exceeds once in a hundred studies."""
    return float(binom.ppf(0.99, n_sets, rate)) / n_sets


def draw_null(rng: np.random.Generator, n_days: int) -> Interval:
    """Return the interval of the area where labels have nothing to do with scores."""
    day = days(rng, n_days)
    late = rng.random(len(day)) < 0.3
    score = rng.normal(0, DAY_SD, n_days)[day] + rng.normal(size=len(day))
    return ROC_AUC.interval(late, score, Clusters(block=day))


def test_model_that_knows_nothing_is_called_better_or_worse_rarely_f148() -> None:
    seen = shares(draw_null, 0.5, n_sets=200)

    assert seen[Status.PASS] <= at_most_5_in_100(200, 0.05 + SLACK)
    assert seen[Status.FAIL] <= at_most_5_in_100(200, 0.05 + SLACK)
    assert seen[Status.INCONCLUSIVE] >= 1 - 2 * at_most_5_in_100(200, 0.05 + SLACK)


def test_at_the_limit_a_pass_is_rare() -> None:
    assert shares(draw_auc, TRUE_AUC)[Status.PASS] <= at_most_5_in_100(400)


def test_at_the_limit_a_fail_is_rare() -> None:
    assert shares(draw_auc, TRUE_AUC)[Status.FAIL] <= at_most_5_in_100(400)


def test_at_the_limit_the_data_cannot_tell() -> None:
    assert shares(draw_auc, TRUE_AUC)[Status.INCONCLUSIVE] > 0.8


def test_dropping_the_blocks_passes_at_the_limit_far_too_often() -> None:
    assert shares(draw_auc_by_row, TRUE_AUC)[Status.PASS] > 0.15


def test_well_above_the_limit_the_model_passes() -> None:
    # Three and a half standard errors of about .02 above it.
    seen = shares(draw_auc, TRUE_AUC - 0.07, n_sets=100)

    assert seen[Status.PASS] > 0.9
    assert seen[Status.FAIL] == 0.0


def test_well_below_the_limit_the_model_fails() -> None:
    seen = shares(draw_auc, TRUE_AUC + 0.07, n_sets=100)

    assert seen[Status.FAIL] > 0.9
    assert seen[Status.PASS] == 0.0


def test_fewer_than_thirty_days_never_decide() -> None:
    seen = shares(draw_auc, TRUE_AUC - 0.2, n_days=29, n_sets=20)

    assert seen[Status.INCONCLUSIVE] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "truth", "n_days"),
    [
        (draw_auc, TRUE_AUC, 60),
        (draw_auc, TRUE_AUC, 120),
        (draw_error, 1.0, 60),
        (draw_error, 1.0, 120),
        (draw_share, 0.9, 60),
        (draw_slope, 1.0, 60),
        (draw_intercept, 0.0, 60),
    ],
    ids=["auc", "auc_120", "error", "error_120", "share", "slope", "intercept"],
)
def test_each_kind_of_interval_errs_as_rarely_as_promised(
    draw: Draw, truth: float, n_days: int
) -> None:
    seen = shares(draw, truth, n_days=n_days, n_sets=1000, seed=1)

    allowed = at_most_5_in_100(1000, 0.05 + SLACK)
    assert seen[Status.PASS] <= allowed
    assert seen[Status.FAIL] <= allowed


def bands_hold(n_days: int, n_sets: int) -> tuple[float, float]:
    """Return how often a whole band lies below, and above, eight true values."""
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(3, 8))
    held = []
    for _ in range(n_sets):
        day = days(rng, n_days)
        x = (rng.normal(size=(n_days, 3)) @ mixing)[day]
        x += 2 * rng.normal(size=x.shape)
        means = x.mean(axis=0)
        clusters = Clusters(block=day)
        low, high, _ = simultaneous_band(means, x - means, clusters, rng)
        held.append((np.all(low <= 0), np.all(high >= 0)))
    below, above = np.mean(held, axis=0)
    return float(below), float(above)


@pytest.mark.slow
def test_band_holds_all_points_at_once_on_each_side() -> None:
    below, above = bands_hold(n_days=60, n_sets=1000)

    allowed = at_most_5_in_100(1000, 0.05 + SLACK)
    assert 1 - below <= allowed
    assert 1 - above <= allowed
    assert min(1 - below, 1 - above) > 0.02
