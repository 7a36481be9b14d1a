"""Performance without labels: what the scores, or past errors, lead one to expect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from readiness.metrics import Metric
from readiness.stats import Estimate, Floats

ESTIMABLE = (  # of a regression: the others need more than the loss of each row
    "mean_absolute_error",
    "mean_squared_error",
    "root_mean_squared_error",
)
FEWEST_LEAF_ROWS = 50  # of a leaf of the error model: a mean of fewer is noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrator:
    """Scores turned into the frequencies at which each class occurred.

    Parameters
    ----------
    curves : tuple of fitted isotonic regressions
        One per class; a single one, of the positive class, where there are two.
    """

    curves: tuple[Any, ...]

    def probability(self, y_score: Floats) -> Floats:
        """Return calibrated probabilities in the shape of the scores.

        Parameters
        ----------
        y_score : numpy.ndarray of float, shape (n,) or (n, k)
            Of k classes they are made to add up to one.
        """
        if y_score.ndim == 1:
            return np.asarray(self.curves[0].predict(y_score), dtype=np.float64)
        parts = [one.predict(y_score[:, code]) for code, one in enumerate(self.curves)]
        raw = np.column_stack(parts)
        total = raw.sum(axis=1, keepdims=True)
        even = np.full_like(raw, 1 / raw.shape[1])
        return np.where(total > 0, raw / np.where(total > 0, total, 1.0), even)


def fit_calibrator(
    y_true: npt.ArrayLike, y_score: Floats, weight: Floats | None = None
) -> Calibrator:
    """Learn how often each class occurred at each score, by isotonic regression.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1, or codes into the columns of `y_score`.
    y_score : numpy.ndarray of float, shape (n,) or (n, k)
    weight : numpy.ndarray of float, shape (n,), optional
    """
    truth = np.asarray(y_true, dtype=float)
    if y_score.ndim == 1:
        return Calibrator(curves=(_isotonic(y_score, truth, weight),))
    return Calibrator(
        curves=tuple(
            _isotonic(y_score[:, code], (truth == code).astype(float), weight)
            for code in range(y_score.shape[1])
        )
    )


def expected_metric(
    metric: Metric,
    y_score: Floats,
    probability: Floats,
    weight: Floats | None = None,
    threshold: float = 0.5,
) -> Estimate:
    """Return the metric to be expected of rows whose labels are not known.

    Parameters
    ----------
    metric : Metric
        Of a binary or multiclass task.
    y_score : numpy.ndarray of float, shape (n,) or (n, k)
        As the model gave them.
    probability : numpy.ndarray of float, of the same shape
        How likely each class is, calibrated.
    weight : numpy.ndarray of float, shape (n,), optional
    threshold : float
        The decision cut of a binary case.

    Returns
    -------
    Estimate
        With influence of n rows per class, one class after the other.

    Notes
    -----
    Every row stands once per class, weighted by its probability: the weighted metric of
    these rows is that of the expected confusion matrix, and for areas that of the
    expected ranks. It is right when the probabilities are, so it cannot see that the
    relation of inputs to labels has changed.

    References
    ----------
    J. Bialek, W. Kuberski, N. Perrakis, A. Bifet (2024), arXiv 2407.08649.
    """
    n_rows = len(y_score)
    each = np.ones(n_rows) if weight is None else weight
    if y_score.ndim == 1:
        chances = np.stack([1 - probability, probability])
    else:
        chances = probability.T
    n_classes = len(chances)
    return metric.estimate(
        np.repeat(np.arange(n_classes, dtype=float), n_rows),
        np.concatenate([y_score] * n_classes),
        (chances * each).ravel(),
        threshold,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorModel:
    """The loss to be expected of a row, learnt from past losses."""

    trees: Any

    def loss(self, X: Floats) -> Floats:
        """Return the expected loss of each row, never below zero."""
        return np.maximum(np.asarray(self.trees.predict(X), dtype=np.float64), 0.0)


def fit_error_model(
    X: Floats,
    loss: Floats,
    is_category: Sequence[bool],
    weight: Floats | None = None,
    seed: int = 7,
) -> ErrorModel:
    """Learn the expected loss of a row from its inputs, by boosted trees.

    Parameters
    ----------
    X : numpy.ndarray of float, shape (n, d)
        Inputs, and the prediction itself; NaN where missing; categories as codes below
        255.
    loss : numpy.ndarray of float, shape (n,)
        Of past rows: absolute or squared errors.
    is_category : sequence of bool, length d
    weight : numpy.ndarray of float, shape (n,), optional
    seed : int

    References
    ----------
    Direct loss estimation: nannyml.readthedocs.io, "Direct Loss Estimation".
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 (heavy)
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    trees = HistGradientBoostingRegressor(
        max_iter=100,
        learning_rate=0.1,
        min_samples_leaf=FEWEST_LEAF_ROWS,
        categorical_features=np.asarray(is_category, dtype=bool),
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(limits=1):  # more threads add up in another order
        return ErrorModel(trees=trees.fit(X, loss, sample_weight=weight))


def expected_error(metric: Metric, loss: Floats, weight: Floats | None = None) -> float:
    """Return the regression metric that expected losses of rows lead to.

    Parameters
    ----------
    metric : Metric
        One of `ESTIMABLE`.
    loss : numpy.ndarray of float, shape (n,)
        Expected absolute errors, or squared ones for the two squared metrics.
    weight : numpy.ndarray of float, shape (n,), optional
    """
    mean = float(np.average(loss, weights=weight))
    return float(np.sqrt(mean)) if metric.name.startswith("root") else mean


def _isotonic(score: Floats, hit: Floats, weight: Floats | None) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 (heavy)

    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    return curve.fit(score, hit, sample_weight=weight)
