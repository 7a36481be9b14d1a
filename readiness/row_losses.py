"""The loss of each row that a headline metric is the mean of, or one in its place."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from readiness.case import Case
from readiness.metrics import find_metric
from readiness.scored import Scores
from readiness.stats import Estimate, Floats

ROOT = "root_mean_squared_error"
WORDS = {
    "accuracy": "share of wrong decisions",
    "log_loss": "log loss",
    "brier_score": "squared error of the probability",
    "mean_absolute_error": "absolute error",
    "mean_squared_error": "squared error",
}
BOUNDED = ("accuracy", "brier_score")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowLoss:
    """What each row costs, the larger the worse.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
    name : str
        scikit-learn's name of the metric that is its mean (one less it, for accuracy).
    own : bool
        The headline metric is a function of the mean loss alone.
    bounded : bool
        Whether one row can cost only so much.
    unit : str
        Of a mean loss, as in `readiness.text.number`.
    """

    values: Floats
    name: str
    own: bool
    bounded: bool
    unit: str

    @property
    def words(self) -> str:
        """Its name in words."""
        return WORDS[self.name]


def row_loss(case: Case, y_true: Floats, y_score: Floats) -> RowLoss:
    """Return the loss of n rows.

    Parameters
    ----------
    case : Case
    y_true, y_score
        As `Metric.estimate`.

    Notes
    -----
    The headline metric's own loss where it is a mean of one. In place of the others:
    the log loss for metrics of a probability (an area under a curve is no mean over
    rows), the share of wrong decisions for metrics of a class, the squared error for
    its root, the absolute error for R².
    """
    name = _name_of(case)
    metric = find_metric(name, case.task)
    return RowLoss(
        values=cast("Floats", metric.loss(y_true, y_score, case.threshold)),
        name=name,
        own=case.metric.name in {name, ROOT},
        bounded=name in BOUNDED,
        unit={"accuracy": "share", "mean_absolute_error": "target unit"}.get(name, ""),
    )


def loss_of_scores(case: Case, scored: Scores) -> RowLoss:
    """Return the loss of scored rows, in their order."""
    y_true = np.asarray(scored.y_true, dtype=float)
    return row_loss(case, y_true, np.asarray(scored.y_score, dtype=float))


def mean_loss_at(case: Case, value: Estimate) -> Estimate:
    """Return the mean loss at a value of a headline metric that is one of its own."""
    if case.metric.name == "accuracy":
        return Estimate(value=1 - value.value, influence=-value.influence)
    if case.metric.name == ROOT:
        return Estimate(
            value=value.value**2, influence=2 * value.value * value.influence
        )
    return value


def _name_of(case: Case) -> str:
    metric = case.metric
    if metric.per_row is not None:
        return metric.name
    if metric.name == ROOT:
        return "mean_squared_error"
    if case.task == "regression":
        return "mean_absolute_error"
    return "log_loss" if metric.needs == "probability" else "accuracy"
