"""A label-free estimate learnt on some rows, and read off others."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.influence import absolute, squared
from readiness.label_free import (
    ESTIMABLE,
    expected_error,
    expected_metric,
    fit_calibrator,
    fit_error_model,
)
from readiness.scored import Scores
from readiness.scoring import column
from readiness.stats import Floats

MOST_CODES = 200  # categories told apart; rarer ones share a code
Estimator = Callable[[Scores], float]


def estimator_of(case: Case, learned: Scores, seed: int) -> Estimator:
    """Return what gives the expected headline metric of rows, labels unseen.

    Parameters
    ----------
    case : Case
    learned : Scores
        Labelled rows.
    seed : int
        Of the trees that learn the errors of a regression.

    Raises
    ------
    NotAssessedError
        ``NO_PROBABILITIES`` where the model gives classes only; ``NOT_THIS_TASK`` for
        a metric that is no mean of row losses.
    """
    if case.task == "regression":
        return _by_losses(case, learned, seed)
    if case.model.outputs == "class":
        msg = "An estimate without labels needs probabilities; the model gives classes."
        raise NotAssessedError(msg, Reason.NO_PROBABILITIES)
    curve = fit_calibrator(learned.y_true, learned.y_score, learned.weight)

    def estimate(rows: Scores) -> float:
        probability = curve.probability(rows.y_score)
        return expected_metric(
            case.metric, rows.y_score, probability, rows.weight, case.threshold
        ).value

    return estimate


def _by_losses(case: Case, learned: Scores, seed: int) -> Estimator:
    metric = case.metric
    if metric.name not in ESTIMABLE:
        msg = (
            f"{metric.name} cannot be estimated without labels; "
            f"{', '.join(ESTIMABLE)} can."
        )
        raise NotAssessedError(msg, Reason.NOT_THIS_TASK)
    per_row = absolute if "absolute" in metric.name else squared
    frames = [column(case, learned, name) for name in case.features]
    is_category = [
        case.columns[name].kind in ("categorical", "boolean") for name in case.features
    ]
    known = [
        _frequent(one) if coded else None
        for one, coded in zip(frames, is_category, strict=True)
    ]

    def encoded(rows: Scores) -> Floats:
        parts = [
            _encoded(column(case, rows, name), codes)
            for name, codes in zip(case.features, known, strict=True)
        ]
        return np.column_stack([*parts, rows.y_score])

    model = fit_error_model(
        encoded(learned),
        per_row(learned.y_true, learned.y_score),
        [*is_category, False],
        learned.weight,
        seed,
    )

    def estimate(rows: Scores) -> float:
        return expected_error(metric, model.loss(encoded(rows)), rows.weight)

    return estimate


def _frequent(values: pd.Series) -> dict[str, int]:
    counts = values.dropna().astype(str).value_counts()
    named = sorted(counts.index, key=lambda one: (-counts[one], one))
    return {one: code for code, one in enumerate(named[:MOST_CODES])}


def _encoded(values: pd.Series, codes: dict[str, int] | None) -> Floats:
    """Return a column as numbers or codes; what cannot be read is missing."""
    if codes is not None:
        known = values.astype(str).map(codes).fillna(len(codes))
        return np.where(values.isna(), np.nan, known.to_numpy(dtype=float))
    if pd.api.types.is_datetime64_any_dtype(values):
        stamps = pd.to_datetime(values, utc=True)
        days = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "D")
        return np.asarray(days, dtype=np.float64)
    found = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan).astype(np.float64)
