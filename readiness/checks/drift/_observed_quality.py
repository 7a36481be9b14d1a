"""Whether the model still keeps its promise on current rows, in two sentences."""

import math

import numpy as np

from readiness.case import Case
from readiness.checks.drift._sentences import default_loss_sentences
from readiness.errors import ModelError, NotAssessedError
from readiness.scored import Scores, headline_interval
from readiness.scoring import scores
from readiness.shares import share_difference
from readiness.stats import Interval, clustered_interval, weighted_mean
from readiness.text import interval, number, visible
from readiness.words import metric_words


def quality_sentences(case: Case) -> list[str]:
    """Return what the metric did, and whether outcomes came as the model expects.

    Empty where one of the tables has no labels or cannot be scored.

    Notes
    -----
    The two tables are taken as independent; the limits of a difference are found from
    those of its two parts (G. Y. Zou, A. Donner 2008, doi:10.1002/sim.3095).
    """
    try:
        reference, current = scores(case, "reference"), scores(case, "current")
    except (ModelError, NotAssessedError):
        return []
    before, after = (headline_interval(case, one) for one in (reference, current))
    if not math.isfinite(before.value) or not math.isfinite(after.value):
        return []
    return [
        _metric_sentence(case, before, after),
        *_expected_sentence(case, current),
        *default_loss_sentences(case, after.value),
    ]


def _metric_sentence(case: Case, before: Interval, after: Interval) -> str:
    name = metric_words(case.metric.name)
    pair = (before, after) if case.metric.higher_is_better else (after, before)
    loss = share_difference(*pair)
    now = f"{number(after.value)} ({interval(after.ci_low, after.ci_high)})"
    said = (
        f"{name[:1].upper()}{name[1:]} was {number(before.value)} on the reference and "
        f"is {now} on the current rows"
    )
    tolerated = number(case.tolerated_loss, exact=True)
    size = f"{number(loss.value)} ({interval(loss.ci_low, loss.ci_high)})"
    if loss.ci_high < 0:
        return f"{said}: it has lost nothing."
    if loss.ci_low > case.tolerated_loss:
        return (
            f"{said}: a loss of {size}, certainly more than the tolerated {tolerated}."
        )
    if loss.ci_high <= case.tolerated_loss:
        return f"{said}: a loss of {size}, at most the tolerated {tolerated}."
    return f"{said}: a loss of {size}, where {tolerated} is tolerated."


def _expected_sentence(case: Case, current: Scores) -> list[str]:
    """Return how the mean outcome compares with the mean prediction."""
    is_share = case.task == "binary" and case.model.outputs == "probability"
    if not is_share and case.task != "regression":
        return []
    y_true = np.asarray(current.y_true, dtype=float)
    came, expected, gap = (
        weighted_mean(one, current.weight)
        for one in (y_true, current.y_score, y_true - current.y_score)
    )
    found = clustered_interval(gap, current.clusters)
    unit = "share" if is_share else ""
    target = visible(case.target, 40)
    low, high = sorted([abs(found.ci_low), abs(found.ci_high)])
    gap_unit = "points" if is_share else ""
    limits = interval(low, high, gap_unit)
    gap_words = f"{number(abs(found.value), gap_unit)} ({limits})"
    if found.ci_low <= 0 <= found.ci_high:
        gap_words = "no more and no less than chance explains"
    else:
        gap_words += " more" if found.value > 0 else " less"
    what = f"The mean {target} of the current rows is {number(came.value)}"
    if is_share:
        positive = visible(case.positive, 24)
        what = f"Of the current rows {number(came.value, unit)} have {target} = "
        what += positive
    wanted = number(expected.value, unit)
    return [f"{what}, where the model expects {wanted}: {gap_words}."]
