"""Headline metrics with scikit-learn's names and values, and their influence."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from readiness import influence
from readiness.errors import CaseError
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    clopper_pearson,
    clustered_interval,
    proportion_interval,
    relative_weights,
    weighted_mean,
)

Estimator = Callable[[Floats, Floats, Floats], Estimate]
Loss = Callable[[Floats, Floats], Floats]
Subset = Callable[[Floats, Floats], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A headline metric: what it is, and how to compute it with its error.

    Parameters
    ----------
    name : str
        scikit-learn's name; errors without ``neg_``.
    higher_is_better : bool
    tasks : tuple of str
        ``"binary"``, ``"multiclass"``, ``"regression"``.
    bounded : bool
        Whether one row can move it only so far.
    needs : str
        What the model must give: ``"probability"``, ``"class"`` or ``"value"``.
    unit : str
        ``"share"``, ``"target unit"``, or empty.
    lowest, highest : float
        The range of possible values; intervals stay within it.
    compute : callable
        ``compute(y_true, y_score or class, weight with mean one) -> Estimate``.
    per_row : callable, optional
        ``per_row(y_true, y_score or class) -> loss of each row``.
    counted : callable, optional
        For a share of rows: which rows it is a share of.
    """

    name: str
    higher_is_better: bool
    tasks: tuple[str, ...]
    bounded: bool
    needs: str
    compute: Estimator
    unit: str = ""
    lowest: float = 0.0
    highest: float = 1.0
    per_row: Loss | None = None
    counted: Subset | None = None

    def estimate(
        self,
        y_true: npt.ArrayLike,
        y_score: npt.ArrayLike,
        weight: Floats | None = None,
        threshold: float = 0.5,
    ) -> Estimate:
        """Return the value on these rows and the influence of each.

        Parameters
        ----------
        y_true : array_like, shape (n,)
            Binary 0 or 1; multiclass codes into the columns of `y_score`; a number.
            No missing values.
        y_score : array_like, shape (n,) or (n, k)
            Probability of the positive class; one column per class, or class codes;
            a number.
        weight : numpy.ndarray of float, shape (n,), optional
            Not negative: row weights, or the weights of a tilt.
        threshold : float
            A binary row is predicted positive at this score and above.

        Returns
        -------
        Estimate
            NaN where the rows do not define the metric.
        """
        truth, output = self._arrays(y_true, y_score, threshold)
        if not len(truth):
            return influence.undefined(0)
        return self.compute(truth, output, relative_weights(len(truth), weight))

    def interval(
        self,
        y_true: npt.ArrayLike,
        y_score: npt.ArrayLike,
        clusters: Clusters,
        weight: Floats | None = None,
        threshold: float = 0.5,
    ) -> Interval:
        """Return the value with its interval; arguments as `estimate`.

        Shares of rows get Clopper-Pearson limits at the effective number of rows,
        every other metric clustered influence. A bounded metric without any spread
        (a perfect area, say) gets the limits of a share that is always right, with
        as many rows as the smallest class has blocks.
        """
        truth, output = self._arrays(y_true, y_score, threshold)
        if self.counted is not None:
            rows = self.counted(truth, output)
            hits = truth[rows] == output[rows]
            weights = None if weight is None else weight[rows]
            return proportion_interval(hits, clusters.take(rows), weights)
        estimate = self.estimate(y_true, y_score, weight, threshold)
        interval = clustered_interval(estimate, clusters)
        if self.bounded and interval.se == 0:
            return self._without_spread(interval, truth, clusters)
        return replace(
            interval,
            ci_low=max(interval.ci_low, self.lowest),
            ci_high=min(interval.ci_high, self.highest),
        )

    def loss(
        self, y_true: npt.ArrayLike, y_score: npt.ArrayLike, threshold: float = 0.5
    ) -> Floats | None:
        """Return the loss of each row, the larger the worse; None where none exists."""
        if self.per_row is None:
            return None
        return self.per_row(*self._arrays(y_true, y_score, threshold))

    def gain(self, better: float, worse: float) -> float:
        """Return how much the first value is better than the second."""
        return better - worse if self.higher_is_better else worse - better

    def _arrays(
        self, y_true: npt.ArrayLike, y_score: npt.ArrayLike, threshold: float
    ) -> tuple[Floats, Floats]:
        truth = np.asarray(y_true, dtype=float)
        output = np.asarray(y_score, dtype=float)
        if self.needs != "class":
            return truth, output
        if output.ndim > 1:
            return truth, np.argmax(output, axis=1).astype(float)
        if self.tasks != ("binary",):
            return truth, output
        return truth, (output >= threshold).astype(float)

    def _without_spread(
        self, interval: Interval, truth: Floats, clusters: Clusters
    ) -> Interval:
        n_blocks = blocks_of_the_rarest(truth, clusters)
        low, high = clopper_pearson(interval.value * n_blocks, n_blocks)
        return replace(interval, ci_low=low, ci_high=high)


def find_metric(name: str, task: str) -> Metric:
    """Return a headline metric by scikit-learn's name.

    Parameters
    ----------
    name : str
        For example ``"roc_auc"`` or ``"mean_absolute_error"``, without ``neg_``.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.

    Raises
    ------
    CaseError
        When the task has no metric of that name; the message lists those it has.
    """
    known = {one.name: one for one in METRICS if task in one.tasks}
    if name not in known:
        msg = (
            f"The metric of a {task} model must be one of {', '.join(sorted(known))}; "
            f"the case file has {name!r} under model.metric. Choose one of these."
        )
        raise CaseError(msg)
    return known[name]


def default_metric(task: str) -> Metric:
    """Return the metric of a case that declares none."""
    return next(one for one in METRICS if task in one.tasks)


def companions(task: str) -> tuple[Metric, ...]:
    """Return every metric of a task, the default first."""
    return tuple(one for one in METRICS if task in one.tasks)


def blocks_of_the_rarest(y_true: Floats, clusters: Clusters) -> int:
    """Return how many rows the rarest class has, or blocks where those are fewer."""
    return min(
        _n_blocks(clusters.take(y_true == one), int(np.sum(y_true == one)))
        for one in np.unique(y_true)
    )


def _n_blocks(clusters: Clusters, n_rows: int) -> int:
    return min([n_rows, *(len(np.unique(code)) for code in clusters.declared())])


def _mean_of(per_row: Loss) -> Estimator:
    def compute(y_true: Floats, y_score: Floats, weight: Floats) -> Estimate:
        return weighted_mean(per_row(y_true, y_score), weight)

    return compute


def _all_rows(y_true: Floats, _: Floats) -> npt.NDArray[np.bool_]:
    return np.ones(len(y_true), dtype=bool)


def _share(
    name: str, task: str, compute: Estimator, counted: Subset | None = None
) -> Metric:
    return Metric(
        name=name,
        higher_is_better=True,
        tasks=(task,),
        bounded=True,
        needs="class",
        unit="share",
        compute=compute,
        per_row=influence.wrong if name == "accuracy" else None,
        counted=counted,
    )


def _probability_score(name: str, task: str, compute: Estimator) -> Metric:
    return Metric(
        name=name,
        higher_is_better=True,
        tasks=(task,),
        bounded=True,
        needs="probability",
        compute=compute,
    )


def _mean_loss(name: str, task: str, per_row: Loss, *, bounded: bool = False) -> Metric:
    return Metric(
        name=name,
        higher_is_better=False,
        tasks=(task,),
        bounded=bounded,
        needs="value" if task == "regression" else "probability",
        unit="target unit" if per_row is influence.absolute else "",
        highest=1.0 if bounded else float("inf"),
        compute=_mean_of(per_row),
        per_row=per_row,
    )


# The first of a task is its default.
METRICS = (
    _probability_score("roc_auc", "binary", influence.area_under_roc),
    _probability_score("average_precision", "binary", influence.average_precision),
    _mean_loss("log_loss", "binary", influence.log_loss),
    _mean_loss("brier_score", "binary", influence.squared, bounded=True),
    _share("accuracy", "binary", influence.share_right, _all_rows),
    _share("balanced_accuracy", "binary", influence.mean_recall),
    _share("precision", "binary", influence.precision_of, lambda _, pred: pred == 1),
    _share("recall", "binary", influence.recall_of, lambda truth, _: truth == 1),
    _share("f1", "binary", influence.f1_of),
    _probability_score("roc_auc_ovr", "multiclass", influence.roc_auc_ovr),
    _mean_loss("log_loss", "multiclass", influence.log_loss),
    _share("accuracy", "multiclass", influence.share_right, _all_rows),
    _share("balanced_accuracy", "multiclass", influence.mean_recall),
    _share("f1_macro", "multiclass", influence.f1_macro),
    _mean_loss("mean_absolute_error", "regression", influence.absolute),
    Metric(
        name="root_mean_squared_error",
        higher_is_better=False,
        tasks=("regression",),
        bounded=False,
        needs="value",
        unit="target unit",
        highest=float("inf"),
        compute=influence.root_mean_squared_error,
    ),
    _mean_loss("mean_squared_error", "regression", influence.squared),
    Metric(
        name="r2",
        higher_is_better=True,
        tasks=("regression",),
        bounded=False,
        needs="value",
        lowest=float("-inf"),
        compute=influence.r2,
    ),
)
