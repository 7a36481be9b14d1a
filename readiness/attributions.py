"""Attributions of the raw columns people know; the only door to shap.

Every route plays the same game: a column that is not known takes the value of a
background row, and each background row is as likely as any other.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from readiness.boosters import Booster
from readiness.case import Case
from readiness.encoded_columns import REFUSALS, Opened, open_model
from readiness.exact_attributions import (
    Attributions,
    NoExactRouteError,
    Parts,
    Task,
    added_output,
    boosted_route,
    booster_route,
    exact_result,
    linear_route,
    plainly_said,
    unit_of,
)
from readiness.scoring import score_frame
from readiness.shapley import SECONDS, Sampled, affordable_rows, sampled_shapley
from readiness.stats import Floats

SHAP_MODELS = (
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
)
BY_SHAP = "exact, by shap"
SAMPLED = "sampled on the raw columns"
NOT_ADDED = "its exact attributions do not add up to what it says"
NOT_OPENED = "a step before its last mixes columns or refuses the rows"
SHAP_BACKGROUND = 200
SHAP_WORK = 15_000_000  # trees x rows x background rows: about five seconds
SHAP_MIN_ROWS = 100
EVALUATIONS = 1_500_000  # rows given to the model by the sampler
SAMPLER_WORK = 700_000  # of these, what ten pairs per row may take
SAMPLER_MIN_ROWS = 50
EXACT_TOLERANCE = 1e-4  # of the spread of the output: shap adds in single precision


def attributions(
    case: Case,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int = 7,
    max_evaluations: int = EVALUATIONS,
    max_seconds: float = SECONDS,
) -> Attributions:
    """Return attributions of the model's raw columns.

    Parameters
    ----------
    case : Case
        Its model must be able to score altered rows.
    rows, background : pandas.DataFrame
        Rows to explain, in random order, and rows that stand for "not known"; the
        model's columns, same types. A slow route explains only the first rows and
        uses only the first background rows; `Attributions` says how many.
    seed : int
        Seed of the sampler.
    max_evaluations : int
        Most rows a sampled route gives to the model, these rows included; an exact
        one has no such limit.
    max_seconds : float
        Longest time of its draws.

    Returns
    -------
    Attributions

    Raises
    ------
    NotAssessedError
        With reason NO_RESCORING where the model is a column of predictions,
        NOT_MEASURED where the sampler would not end in `max_seconds`, or where
        `max_evaluations` do not do for its first rows.

    Notes
    -----
    Exact routes: linear models in closed form; HistGradientBoosting and native
    LightGBM and XGBoost models, with native categories and several classes too, by
    `readiness.tree_shapley`; other scikit-learn trees with one output by
    ``shap.TreeExplainer`` with the whole background. Encoded columns are added up
    to raw ones. Rows of trees that do not add up to the model's own output are
    computed again pair by pair and counted; a route that still does not is discarded.
    Everything else is sampled on the raw columns, and `Attributions.method` says why.
    Exact routes of classifiers are in log-odds, in which their parts add up; shap's
    of forests, and sampled ones, are in the unit of the scores.
    """
    started = time.perf_counter()
    task = Task(case=case, rows=rows, background=background, said=np.empty(0))
    said = _by_class(case, score_frame(case, task.together()))
    task = replace(task, said=said)
    found = _exact(task)
    if isinstance(found, str):
        draw = partial(
            sampled_shapley,
            rng=np.random.default_rng(seed),
            max_evaluations=max_evaluations - len(said),
            max_seconds=max_seconds,
        )
        spent = len(said) + len(background)
        n_rows = affordable_rows(
            rows.shape,
            max_evaluations - spent,
            work=SAMPLER_WORK,
            fewest=SAMPLER_MIN_ROWS,
        )
        kept, _ = task.first(n_rows, len(background))
        found = _sampled(kept, draw, found)
    return replace(
        found,
        n_scored=found.n_scored + len(said),
        seconds=time.perf_counter() - started,
    )


def path_attributions(case: Case, rows: pd.DataFrame) -> Attributions | None:
    """Return path-dependent attributions of boosted trees; None for other models.

    Parameters
    ----------
    case : Case
        Its model must be able to score altered rows.
    rows : pandas.DataFrame
        Rows to explain, the model's columns.

    Returns
    -------
    Attributions or None
        In the unit of `attributions`; the start is the mean over training rows, so
        `Attributions.background_output` says nothing.

    Notes
    -----
    The game of ``shap.TreeExplainer`` without a background: see
    `readiness.path_shapley`.
    """
    nobody = rows.iloc[:1]
    task = Task(case=case, rows=rows, background=nobody, said=np.empty(0), by_path=True)
    said = _by_class(case, score_frame(case, task.together()))
    found = _exact(replace(task, said=said))
    return None if isinstance(found, str) else found


def _by_class(case: Case, scores: Floats) -> Floats:
    """Return scores with one column per class where a model only names classes."""
    if case.task != "multiclass" or scores.ndim > 1:
        return scores
    one_column_each: Floats = np.eye(len(case.classes))[scores.astype(np.int64)]
    return one_column_each


def _exact(task: Task) -> Attributions | str:
    """Return what an exact route finds, where one applies; else why none does."""
    model = task.case.model
    routes: list[Callable[[], Attributions | None]] = []
    why = NOT_OPENED if hasattr(model.estimator, "get_params") else ""
    if isinstance(model.estimator, Booster):
        routes = [partial(booster_route, task, model.estimator)]
    elif opened := open_model(model.estimator, task.together(), by_name=model.by_name):
        known = [linear_route, boosted_route, _shap_trees]
        if task.by_path:
            known = [boosted_route]
        routes = [partial(route, task, opened) for route in known]
        why = f"no exact route reads a {type(opened.final).__name__}"
    for route in routes:
        try:
            found = route()
        except NoExactRouteError as reason:
            why = str(reason)
            continue
        except REFUSALS:
            continue
        if found is not None and _adds_up(found):
            return found
        why = why if found is None else NOT_ADDED
    return why


def _adds_up(found: Attributions) -> bool:
    error = np.abs(found.base + found.values.sum(axis=1).to_numpy() - found.output)
    size = max(float(np.std(found.output)), float(np.max(np.abs(found.output))) / 1e3)
    return bool(np.max(error) <= EXACT_TOLERANCE * size)


def _shap_trees(task: Task, opened: Opened) -> Attributions | None:
    if type(opened.final).__name__ not in SHAP_MODELS or task.said.ndim > 1:
        return None
    n_trees = len(np.ravel(getattr(opened.final, "estimators_", [0])))
    affordable = SHAP_WORK // (n_trees * SHAP_BACKGROUND)
    kept, place = task.first(max(affordable, SHAP_MIN_ROWS), SHAP_BACKGROUND)
    n_rows = len(kept.rows)
    matrix = opened.matrix[place]
    values, base = shap_values(opened.final, matrix[:n_rows], matrix[n_rows:])
    said = plainly_said(kept)
    if values.ndim == 3:  # noqa: PLR2004 (rows, columns, and the two classes)
        sums = base + values.sum(axis=1)
        gap = np.abs(sums - kept.said[:n_rows, None]).mean(axis=0)
        positive = int(np.argmin(gap))
        values, base = values[..., positive], base[[positive]]
    elif hasattr(opened.final, "classes_"):
        said = added_output(kept, opened.final)
    by_raw = values @ np.eye(task.rows.shape[1])[opened.players]
    return exact_result(kept, Parts(by_raw[None], base[:1]), said, BY_SHAP)


def shap_values(
    final: object, rows: Floats, background: Floats
) -> tuple[Floats, Floats]:
    """Return interventional TreeSHAP values of encoded columns.

    Parameters
    ----------
    final : object
        A fitted tree model that shap knows.
    rows, background : ndarray of shapes (n, p) and (m, p)
        Every background row is used.

    Returns
    -------
    values : ndarray of shape (n, p) or (n, p, k)
        In the model's raw output: the probability of each class for forests.
    base : ndarray of shape (1,) or (k,)
        Mean output over the background.

    Notes
    -----
    An array as background would silently be cut to 100 rows (shap issue 3680); the
    masker is told not to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shap's own imports
        import shap  # noqa: PLC0415 (three to six seconds)

    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(final, masker, feature_perturbation="interventional")
    values = explainer.shap_values(rows, check_additivity=False)
    return np.asarray(values), np.ravel(explainer.expected_value)


def _sampled(kept: Task, draw: Callable[..., Sampled], why: str) -> Attributions:
    found = draw(
        lambda frame: _by_class(kept.case, score_frame(kept.case, frame)),
        kept.rows,
        kept.background,
    )
    n_rows = len(kept.rows)
    output, others = kept.said[:n_rows], kept.said[n_rows:].mean(axis=0)
    if output.ndim > 1:
        own = np.argmax(output, axis=1)
        output, others = output[np.arange(n_rows), own], others[own]
    return Attributions(
        values=pd.DataFrame(
            found.values, index=kept.rows.index, columns=kept.rows.columns
        ),
        se=found.se,
        crossed=found.crossed,
        base=found.base,
        output=output,
        background_output=np.broadcast_to(others, n_rows),
        method=f"{SAMPLED}, since {why}" if why else SAMPLED,
        unit=unit_of(kept.case),
        n_background=len(kept.background),
        n_pairs=found.n_pairs,
        n_scored=found.n_evaluations,
        precise=found.precise,
    )
