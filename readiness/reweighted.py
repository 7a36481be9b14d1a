"""A metric of the same rows under many weights, with what can be prepared once."""

from collections.abc import Callable

import numpy as np

from readiness import influence
from readiness.metrics import Metric
from readiness.stats import Estimate, Floats, relative_weights, weighted_mean

Weighted = Callable[[Floats], Estimate]


def reweighted(
    metric: Metric, y_true: Floats, y_score: Floats, threshold: float
) -> Weighted:
    """Return ``metric.estimate`` of these rows as a function of their weights.

    Parameters
    ----------
    metric : Metric
        Ranks and losses are prepared once where it has them.
    y_true, y_score, threshold
        As for `Metric.estimate`.

    Returns
    -------
    callable
        ``estimate(weight) -> Estimate``; weights (n,), not negative.
    """
    n_rows = len(y_true)
    compute = _prepared(metric, y_true, y_score)
    if compute is not None:
        ready = compute
        return lambda weight: ready(relative_weights(n_rows, weight))
    loss = metric.loss(y_true, y_score, threshold)
    if loss is not None and metric.needs != "class":
        losses = loss
        return lambda weight: weighted_mean(losses, weight)
    return lambda weight: metric.estimate(y_true, y_score, weight, threshold)


def _prepared(metric: Metric, y_true: Floats, y_score: Floats) -> Weighted | None:
    if metric.compute is influence.area_under_roc:
        return influence.ranked_area(y_true, y_score)
    if metric.compute is influence.roc_auc_ovr:
        areas = [
            influence.ranked_area((y_true == code).astype(float), y_score[:, code])
            for code in range(np.shape(y_score)[1])
        ]
        return lambda weight: influence.mean_of([area(weight) for area in areas])
    return None
