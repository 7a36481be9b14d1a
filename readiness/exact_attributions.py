"""Exact attributions of models whose parts can be read, in double precision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax

from readiness.attribution_units import CLASS_LOG_ODDS, LOG_ODDS, less_mean
from readiness.booster_trees import read_trees
from readiness.boosters import Booster
from readiness.case import Case
from readiness.decision_trees import Tree, sum_of_trees
from readiness.encoded_columns import Opened
from readiness.pair_shapley import pair_shapley
from readiness.path_shapley import path_shapley
from readiness.stats import Floats, Ints
from readiness.tree_shapley import boosted_trees, trees_shapley

CLOSED_FORM = "exact, in closed form"
EVERY_TREE = "exact, tree by tree"
SINGLE_PRECISION = 1e-6  # of a probability
NO_SUM = "what it says does not follow from one sum per class"
ROUNDING = 1e-9  # of the largest margin: what adding trees in another order may cost
MOST_RECOMPUTED = 0.05  # of the rows; more than that is no slip but another model


class NoExactRouteError(Exception):
    """A model has no exact route, for the reason in words."""


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
        The route in words, with the reason where a model could not be read; and
        `LOG_ODDS`, `CLASS_LOG_ODDS` (of the predicted class: its log probability less
        the mean over classes), ``"probability"`` (of the positive class; of the
        predicted class where there are several), ``"class (0 or 1)"`` or
        ``"target unit"``.
    n_background, n_pairs : int
        Background rows used, and antithetic pairs per row (0 on an exact route).
    n_scored : int
        Rows given to the model through its own door.
    n_recomputed : int
        Rows whose fast attributions did not add up and that the slow exact route
        computed again.
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
    n_recomputed: int = 0
    precise: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One model to explain: the rows, the background, and what the model says.

    With `by_path`, unknown columns follow the training rows, not the background.
    """

    case: Case
    rows: pd.DataFrame
    background: pd.DataFrame
    said: Floats  # of rows, then of background
    by_path: bool = False

    def first(self, n_rows: int, n_background: int) -> tuple["Task", Ints]:
        """Return the task cut to its first rows, and where those are in `said`."""
        rows, background = self.rows[:n_rows], self.background[:n_background]
        place = np.r_[: len(rows), len(self.rows) : len(self.rows) + len(background)]
        kept = replace(self, rows=rows, background=background, said=self.said[place])
        return kept, place

    def together(self) -> pd.DataFrame:
        """Return the rows, then the background, as one frame."""
        return pd.concat([self.rows, self.background], ignore_index=True)


class Said(NamedTuple):
    """What the model says, (n, k), in the units its parts add up in.

    The sign is -1 where the positive class is the estimator's first.
    """

    output: Floats
    unit: str
    sign: float


class Parts(NamedTuple):
    """Attributions by output, (k, n, d), and where their sums start, (k,)."""

    values: Floats
    starts: Floats
    n_recomputed: int = 0


def added_output(task: Task, final: object) -> Said:
    """Return what the model says in the units its parts add up in.

    A regression's parts add up to its prediction, a classifier's to log-odds.

    Raises
    ------
    NoExactRouteError
        Where the class probabilities do not follow from one margin per class.
    """
    if not hasattr(final, "classes_"):
        return plainly_said(task)
    model = task.case.model
    frame = task.together()
    X = frame if model.by_name else frame.to_numpy()
    if not hasattr(model.estimator, "decision_function"):
        raise NoExactRouteError(NO_SUM)
    margin = np.asarray(model.estimator.decision_function(X))
    return _as_log_odds(task, margin, atol=1e-9)


def plainly_said(task: Task) -> Said:
    """Return the scores as they are, in their own unit."""
    return Said(task.said[:, None], unit_of(task.case), 1.0)


def _as_log_odds(task: Task, margin: Floats, *, atol: float) -> Said:
    """Return the margins, with the sign of one; they must give what was said."""
    if task.said.ndim > 1:
        by_margin = margin.shape == task.said.shape and softmax(margin, axis=1)
        if np.allclose(by_margin, task.said, rtol=0, atol=atol):
            return Said(margin, CLASS_LOG_ODDS, 1.0)
        raise NoExactRouteError(NO_SUM)
    for sign in (1.0, -1.0):
        with np.errstate(over="ignore"):
            probability = 1 / (1 + np.exp(-sign * margin))
        if np.allclose(probability, task.said, rtol=0, atol=atol):
            return Said(sign * margin[:, None], LOG_ODDS, sign)
    raise NoExactRouteError(NO_SUM)


def unit_of(case: Case) -> str:
    """Return the unit of what the model predicts."""
    if case.task == "regression":
        return "target unit"
    return "probability" if case.model.outputs == "probability" else "class (0 or 1)"


def exact_result(task: Task, parts: Parts, said: Said, method: str) -> Attributions:
    """Return attributions of the positive or predicted class from those of the parts.

    Parameters
    ----------
    task : Task
        n rows of d raw columns.
    parts : Parts
        Before the sign of `said` is applied.
    said : Said
        What the model itself says.
    method : str
        The route in words.

    Notes
    -----
    A constant added to the margins of all classes changes no probability; so the
    margin of a class is taken less the mean over classes.
    """
    n_rows = len(task.rows)
    output = less_mean(said.output, axis=1)
    own, each = np.argmax(output[:n_rows], axis=1), np.arange(n_rows)
    values = said.sign * less_mean(parts.values, axis=0)[own, each]
    return Attributions(
        values=pd.DataFrame(values, index=task.rows.index, columns=task.rows.columns),
        se=np.zeros_like(values),
        crossed=np.abs(values),
        base=said.sign * less_mean(parts.starts, axis=0)[own],
        output=output[each, own],
        background_output=output[n_rows:].mean(axis=0)[own],
        method=method,
        unit=said.unit,
        n_background=len(task.background),
        n_recomputed=parts.n_recomputed,
    )


def linear_route(task: Task, opened: Opened) -> Attributions | None:
    """Return slope times distance from the background mean; None if not linear."""
    slopes = np.atleast_2d(getattr(opened.final, "coef_", ()))
    if slopes.shape[1] != opened.matrix.shape[1]:
        return None
    said = added_output(task, opened.final)
    if said.output.shape[1] != len(slopes):
        return None
    n_rows = len(task.rows)
    mean = opened.matrix[n_rows:].mean(axis=0)
    starts = slopes @ mean + np.ravel(opened.final.intercept_)
    by_code = slopes[:, None] * (opened.matrix[:n_rows] - mean)
    by_raw = by_code @ np.eye(task.rows.shape[1])[opened.players]
    return exact_result(task, Parts(by_raw, starts), said, CLOSED_FORM)


def boosted_route(task: Task, opened: Opened) -> Attributions | None:
    """Return exact attributions of HistGradientBoosting; None for other models."""
    if not type(opened.final).__name__.startswith("HistGradientBoosting"):
        return None
    said = added_output(task, opened.final)
    trees, constant = boosted_trees(opened.final)
    parts = _of_trees(task, trees, constant, opened.matrix, opened.players)
    return exact_result(task, parts, said, EVERY_TREE)


def booster_route(task: Task, booster: Booster) -> Attributions:
    """Return exact attributions of a native LightGBM or XGBoost model.

    Raises
    ------
    NoExactRouteError
        Where its trees cannot be read, where they do not give the library's own
        margin on every row and background row, or where what the model says does not
        follow from one margin per class.
    """
    found = read_trees(booster)
    if isinstance(found, str):
        raise NoExactRouteError(found)
    frame = task.together()[list(booster.feature_names_in_)]
    matrix = found.matrix(frame)
    margin = booster.margin(frame).astype(np.float64)
    said = plainly_said(task)
    if task.case.task != "regression":
        said = _as_log_odds(task, margin, atol=SINGLE_PRECISION)
    n_misread = len(found.misread(matrix, margin))
    if n_misread:
        msg = f"its trees give another margin than the library on {n_misread:,} rows"
        raise NoExactRouteError(msg)
    places = {name: place for place, name in enumerate(task.rows.columns)}
    players = np.array([places[name] for name in booster.feature_names_in_])
    parts = _of_trees(task, found.trees, found.constant, matrix, players)
    return exact_result(task, parts, said, EVERY_TREE)


def _of_trees(
    task: Task,
    outputs: Sequence[tuple[Tree, ...]],
    constant: Floats,
    matrix: Floats,
    players: Ints,
) -> Parts:
    """Return the attributions of each output's trees; every row must add up."""
    n_rows = len(task.rows)
    values = np.zeros((len(outputs), *task.rows.shape))
    starts, wrong = np.array(constant), np.zeros(n_rows, dtype=bool)
    rows, background = matrix[:n_rows], matrix[n_rows:]
    for k, trees in enumerate(outputs):
        found, base = (
            path_shapley(trees, rows, players)
            if task.by_path
            else trees_shapley(trees, rows, background, players)
        )
        starts[k] += base
        said = sum_of_trees(trees, rows)
        size = max(1.0, float(np.max(np.abs(said), initial=0.0)))
        off = ~(np.abs(base + found.sum(axis=1) - said) <= ROUNDING * size)
        if 0 < np.mean(off) <= MOST_RECOMPUTED and not task.by_path:
            found[off] = pair_shapley(trees, rows[off], background, players)
            wrong |= off
        values[k, :, : found.shape[1]] = found
    return Parts(values, starts, int(wrong.sum()))
