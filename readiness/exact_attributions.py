"""Exact attributions of models whose parts can be read, in double precision."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from readiness.booster_trees import booster_trees
from readiness.boosters import Booster
from readiness.case import Case
from readiness.encoded_columns import Opened
from readiness.stats import Floats, Ints
from readiness.tree_shapley import boosted_trees, trees_shapley

CLOSED_FORM = "exact, in closed form"
EVERY_TREE = "exact, tree by tree"
SINGLE_PRECISION = 1e-6  # of a probability


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributions:
    """What each raw column adds to the output of each explained row.

    Parameters
    ----------
    values : pandas.DataFrame of shape (n, d)
        In `unit`; index and columns are those of the explained rows.
    se : ndarray of shape (n, d)
        Sampling error of each value; zero on an exact route.
    crossed : ndarray of shape (n, d)
        As in `readiness.shapley.Sampled`; sizes of the values on an exact route.
    base : ndarray of shape (n,)
        Where the sums start: the mean output over the background, as the route
        computed it.
    output : ndarray of shape (n,)
        What the model itself says about each row, in `unit`.
    background_output : ndarray of shape (n,)
        Mean of what the model itself says about the background, in `unit`; for
        several classes, the mean for the class predicted for the row.
    method, unit : str
        The route in words; ``"log-odds"``, ``"probability"`` (of the positive
        class; of the predicted class where there are several), ``"class (0 or 1)"``
        or ``"target unit"``.
    n_background, n_pairs : int
        Background rows used, and antithetic pairs per row (0 on an exact route).
    n_scored : int
        Rows given to the model through its own door.
    precise : bool
        False where the sampler ended at its budget, not at its precision.
    seconds : float
        Wall time of the route.
    """

    values: pd.DataFrame
    se: Floats
    crossed: Floats
    base: Floats
    output: Floats
    background_output: Floats
    method: str
    unit: str
    n_background: int
    n_pairs: int = 0
    n_scored: int = 0
    precise: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One model to explain: the rows, the background, and what the model says."""

    case: Case
    rows: pd.DataFrame
    background: pd.DataFrame
    said: Floats  # of rows, then of background

    def first(self, n_rows: int, n_background: int) -> tuple["Task", Ints]:
        """Return the task cut to its first rows, and where those are in `said`."""
        rows, background = self.rows[:n_rows], self.background[:n_background]
        place = np.r_[: len(rows), len(self.rows) : len(self.rows) + len(background)]
        kept = replace(self, rows=rows, background=background, said=self.said[place])
        return kept, place

    def together(self) -> pd.DataFrame:
        """Return the rows, then the background, as one frame."""
        return pd.concat([self.rows, self.background], ignore_index=True)


def add_up_codes(task: Task, opened: Opened, by_code: Floats) -> Floats:
    """Return attributions of encoded columns (n, p) added up to raw ones (n, d)."""
    by_raw: Floats = by_code @ np.eye(task.rows.shape[1])[opened.players]
    return by_raw


class Said(NamedTuple):
    """What the model says, in the units its parts add up in.

    The sign is -1 where the positive class is the estimator's first.
    """

    output: Floats
    unit: str
    sign: float


def added_output(task: Task, final: object) -> Said | None:
    """Return what the model says in the units its parts add up in.

    A regression's parts add up to its prediction, a classifier's to log-odds. None
    where the class probabilities do not follow from one margin.
    """
    if not hasattr(final, "classes_"):
        return Said(task.said, unit_of(task.case), 1.0)
    model = task.case.model
    frame = task.together()
    X = frame if model.by_name else frame.to_numpy()
    if not hasattr(model.estimator, "decision_function"):
        return None
    margin = np.asarray(model.estimator.decision_function(X))
    return _as_log_odds(task, margin, atol=1e-9)


def _as_log_odds(task: Task, margin: Floats, *, atol: float) -> Said | None:
    """Return the margin with its sign; None where it does not give what was said."""
    for sign in (1.0, -1.0):
        with np.errstate(over="ignore"):
            probability = 1 / (1 + np.exp(-sign * margin))
        if np.allclose(probability, task.said, rtol=0, atol=atol):
            return Said(sign * margin, "log-odds", sign)
    return None


def unit_of(case: Case) -> str:
    """Return the unit of what the model predicts."""
    if case.task == "regression":
        return "target unit"
    return "probability" if case.model.outputs == "probability" else "class (0 or 1)"


def exact_result(
    task: Task, values: Floats, start: float, said: Said, method: str
) -> Attributions:
    """Return attributions of the positive class from those of the model's parts.

    Parameters
    ----------
    task : Task
        n rows of d raw columns.
    values : ndarray of shape (n, d)
        Before the sign of `said` is applied, and so is `start`.
    start : float
        Mean of the sum of parts over the background, by the route.
    said : Said
        What the model itself says.
    method : str
        The route in words.
    """
    n_rows = len(task.rows)
    mean = float(np.mean(said.output[n_rows:]))
    signed = said.sign * values
    return Attributions(
        values=pd.DataFrame(signed, index=task.rows.index, columns=task.rows.columns),
        se=np.zeros_like(values),
        crossed=np.abs(values),
        base=np.full(n_rows, said.sign * start),
        output=said.output[:n_rows],
        background_output=np.full(n_rows, mean),
        method=method,
        unit=said.unit,
        n_background=len(task.background),
    )


def linear_route(task: Task, opened: Opened) -> Attributions | None:
    """Return slope times distance from the background mean; None if not linear."""
    slopes = np.ravel(getattr(opened.final, "coef_", ()))
    said = added_output(task, opened.final)
    if len(slopes) != opened.matrix.shape[1] or said is None:
        return None
    n_rows = len(task.rows)
    mean = opened.matrix[n_rows:].mean(axis=0)
    start = float(mean @ slopes + np.ravel(opened.final.intercept_)[0])
    by_code = slopes * (opened.matrix[:n_rows] - mean)
    return exact_result(
        task, add_up_codes(task, opened, by_code), start, said, CLOSED_FORM
    )


def boosted_route(task: Task, opened: Opened) -> Attributions | None:
    """Return exact attributions of HistGradientBoosting; None for other models."""
    if not type(opened.final).__name__.startswith("HistGradientBoosting"):
        return None
    said = added_output(task, opened.final)
    if said is None:
        return None
    n_rows = len(task.rows)
    trees, constant = boosted_trees(opened.final)
    rows, background = opened.matrix[:n_rows], opened.matrix[n_rows:]
    found, base = trees_shapley(trees, rows, background, opened.players)
    values = np.zeros(task.rows.shape)
    values[:, : found.shape[1]] = found
    return exact_result(task, values, base + constant, said, EVERY_TREE)


def booster_route(task: Task, booster: Booster) -> Attributions | None:
    """Return exact attributions of a native LightGBM or XGBoost model.

    None where its trees cannot be read, where they do not give the library's own
    margin on every row and background row, or where what the model says does not
    follow from one margin.
    """
    found = booster_trees(booster)
    if found is None or len(found.trees) > 1:
        return None
    frame = task.together()[list(booster.feature_names_in_)]
    matrix = found.matrix(frame)
    margin = booster.margin(frame).astype(np.float64)
    said: Said | None = Said(task.said, unit_of(task.case), 1.0)
    if task.case.task == "binary":
        said = _as_log_odds(task, margin, atol=SINGLE_PRECISION)
    if said is None or len(found.misread(matrix, margin)):
        return None
    n_rows = len(task.rows)
    places = {name: place for place, name in enumerate(task.rows.columns)}
    players = np.array([places[name] for name in booster.feature_names_in_])
    rows, background = matrix[:n_rows], matrix[n_rows:]
    added, base = trees_shapley(found.trees[0], rows, background, players)
    return exact_result(task, added, base + found.constant[0], said, EVERY_TREE)
