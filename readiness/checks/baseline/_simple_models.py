"""Simple models to compare with: a constant, one feature in bins, a linear model.

All learn from the same encoded rows: numbers filled and standardised, categories
counted, missing values marked. They are small on purpose; a reviewed model that
cannot beat them is not worth its upkeep.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.metrics import Metric
from readiness.stats import Floats, Ints

N_BINS = 8  # of a number: what a tree of depth three can tell apart
N_CATEGORIES = 20  # the most frequent ones; the rest is one
PRIOR_ROWS = 10.0  # a bin is pulled towards the mean as if by this many rows
CONSTANT, SINGLE, LINEAR = "constant", "single_feature", "linear_model"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What is predicted, and by which metric it is judged.

    Parameters
    ----------
    name : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    n_classes : int
        2 or more; 0 for regression.
    metric : Metric
        The headline metric.
    threshold : float
        The decision cut of a binary case.
    seed : int
    """

    name: str
    n_classes: int
    metric: Metric
    threshold: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """How one column becomes bins and numbers; learnt on the fitting rows.

    Parameters
    ----------
    categories : dict of str to int, or None
        Place of each frequent category; None for a number.
    edges : numpy.ndarray of float
        Inner bin edges of a number.
    middle, scale : float
        Median and standard deviation of a number.
    """

    categories: Mapping[str, int] | None
    edges: Floats
    middle: float
    scale: float

    @property
    def n_bins(self) -> int:
        """Bins, the last one for missing values."""
        if self.categories is not None:
            return len(self.categories) + 2
        return len(self.edges) + 2

    def bins(self, values: pd.Series) -> Ints:
        """Return the bin of each row, 0 … n_bins - 1."""
        if self.categories is not None:
            codes, names = pd.factorize(values)
            other = len(self.categories)
            places = [self.categories.get(str(name), other) for name in names]
            # The last place is taken by the code of a missing value, -1.
            return np.array([*places, self.n_bins - 1], dtype=np.int64)[codes]
        numbers = _as_number(values)
        found = np.searchsorted(self.edges, numbers, side="right")
        return np.where(np.isnan(numbers), self.n_bins - 1, found).astype(np.int64)

    def numbers(self, values: pd.Series) -> Floats:
        """Return the columns a linear model takes: (n, 2) or one per category."""
        if self.categories is not None:
            return np.eye(self.n_bins)[self.bins(values)]
        numbers = _as_number(values)
        missing = np.isnan(numbers)
        filled = np.where(missing, self.middle, numbers)
        # Far beyond the fitting rows a linear model would only shout.
        z = np.clip((filled - self.middle) / self.scale, -10, 10)
        return np.column_stack([z, missing])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimpleModels:
    """The three simple models, fitted.

    Parameters
    ----------
    encodings : mapping of str to Encoding
        Of the features.
    ranked : tuple of str
        The features, the best single one where they learnt first; that one is the
        single-feature model.
    constant : numpy.ndarray of float
        What the constant model says: shape () or (k,).
    by_bin : numpy.ndarray of float
        What the single-feature model says in each bin: (n_bins,) or (n_bins, k).
    linear : object or None
        A fitted scikit-learn model; None without features.
    """

    task: Task
    encodings: Mapping[str, Encoding]
    ranked: tuple[str, ...]
    constant: Floats
    by_bin: Floats
    linear: Any

    def predict(self, frame: pd.DataFrame) -> Mapping[str, Floats]:
        """Return the scores of each simple model on n rows, by name of the model."""
        n_rows = len(frame)
        answers = {CONSTANT: np.repeat(self.constant[None], n_rows, axis=0)}
        if self.linear is None:
            return answers
        best = self.ranked[0]
        bins = self.encodings[best].bins(frame[best])
        answers[SINGLE] = self.by_bin[bins]
        X = design(self.encodings, frame)
        if self.task.name == "regression":
            answers[LINEAR] = self.linear.predict(X)
        else:
            answers[LINEAR] = _spread_out(self.linear, X, self.task)
        return answers


def fit_simple_models(frame: pd.DataFrame, y: Floats, task: Task) -> SimpleModels:
    """Fit the simple models.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows of features.
    y : numpy.ndarray of float, shape (n,)
        0 or 1, class codes, or numbers; no missing values.
    task : Task
    """
    encodings = {str(name): _learn(frame[name]) for name in frame.columns}
    usable = {name: one for name, one in encodings.items() if one.n_bins > 2}  # noqa: PLR2004 (one bin and the missing)
    constant = _constant(y, task)
    answers = {
        name: _by_bin(one.bins(frame[name]), one.n_bins, y, task)
        for name, one in usable.items()
    }
    quality = {
        name: _quality(task, y, by_bin[usable[name].bins(frame[name])])
        for name, by_bin in answers.items()
    }
    ranked = sorted(quality, key=lambda name: -quality[name])
    return SimpleModels(
        task=task,
        encodings=usable,
        ranked=tuple(ranked),
        constant=constant,
        by_bin=answers[ranked[0]] if ranked else constant,
        linear=_linear(design(usable, frame), y, task) if usable else None,
    )


def design(encodings: Mapping[str, Encoding], frame: pd.DataFrame) -> Floats:
    """Return the numbers of all columns side by side."""
    return np.hstack([one.numbers(frame[name]) for name, one in encodings.items()])


def _learn(values: pd.Series) -> Encoding:
    none = np.array([])
    if pd.api.types.is_numeric_dtype(values.dtype) or _is_time(values):
        numbers = _as_number(values)
        finite = numbers[np.isfinite(numbers)]
        if not len(finite):
            return Encoding(categories=None, edges=none, middle=0.0, scale=1.0)
        cuts = np.quantile(finite, np.arange(1, N_BINS) / N_BINS)
        edges = np.unique(cuts[cuts > finite.min()])
        middle, scale = float(np.median(finite)), float(np.std(finite))
        return Encoding(categories=None, edges=edges, middle=middle, scale=scale or 1.0)
    counts = values.value_counts()
    ordered = sorted((-count, str(name)) for name, count in counts.items() if count)
    places = {name: place for place, (_, name) in enumerate(ordered[:N_CATEGORIES])}
    return Encoding(categories=places, edges=none, middle=0.0, scale=1.0)


def _is_time(values: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(values.dtype)


def _as_number(values: pd.Series) -> Floats:
    if _is_time(values):
        values = (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(days=1)
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    finite: Floats = np.where(np.isinf(numbers), np.nan, numbers)
    return finite


def _constant(y: Floats, task: Task) -> Floats:
    """Return the constant that suits the metric: median, mean, prior or majority."""
    if task.name == "regression":
        absolute = task.metric.name == "mean_absolute_error"
        return np.asarray(np.median(y) if absolute else np.mean(y))
    shares = np.bincount(y.astype(np.int64), minlength=task.n_classes) / len(y)
    if task.metric.needs == "class":
        # Nothing predicted positive would leave precision undefined.
        sure = 1 if task.metric.name == "precision" else int(np.argmax(shares))
        shares = np.eye(task.n_classes)[sure]
    return np.asarray(shares[1] if task.name == "binary" else shares)


def _by_bin(bins: Ints, n_bins: int, y: Floats, task: Task) -> Floats:
    counts = np.bincount(bins, minlength=n_bins)
    if task.name == "multiclass":
        targets = np.eye(task.n_classes)[y.astype(np.int64)]
    else:
        targets = y[:, None]
    sums = np.stack([np.bincount(bins, one, n_bins) for one in targets.T], axis=1)
    prior = targets.mean(axis=0)
    means = (sums + PRIOR_ROWS * prior) / (counts + PRIOR_ROWS)[:, None]
    by_bin: Floats = means if task.name == "multiclass" else means[:, 0]
    return by_bin


def _quality(task: Task, y: Floats, answers: Floats) -> float:
    value = task.metric.estimate(y, answers, None, task.threshold).value
    if not np.isfinite(value):
        return -np.inf
    return value if task.metric.higher_is_better else -value


def _linear(X: Floats, y: Floats, task: Task) -> Any:  # noqa: ANN401 (a scikit-learn model)
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415 (heavy)

    if task.name == "regression":
        return Ridge(alpha=1.0).fit(X, y)
    if len(np.unique(y)) == 1:
        return None
    model = LogisticRegression(solver="newton-cholesky", max_iter=50)
    with warnings.catch_warnings():
        # A baseline a little short of its optimum is still the baseline.
        warnings.simplefilter("ignore")
        return model.fit(X, y.astype(np.int64))


def _spread_out(model: Any, X: Floats, task: Task) -> Floats:  # noqa: ANN401 (a scikit-learn model)
    """Return probabilities for every class of the case, also those not fitted."""
    every = np.zeros((len(X), task.n_classes))
    every[:, model.classes_] = model.predict_proba(X)
    return every[:, 1] if task.name == "binary" else every
