"""Whether predictions and outcomes moved."""

from typing import Any

import numpy as np

from readiness.case import Case
from readiness.checks.drift._observed_compare import compare_arrays
from readiness.checks.drift._observed_moves import shift_of
from readiness.errors import ModelError, NotAssessedError, Reason
from readiness.scored import Scores
from readiness.scoring import scores
from readiness.shares import share_difference
from readiness.stats import (
    Floats,
    Interval,
    empty_row,
    proportion_interval,
    summary_row,
)

PREDICTED, LABELLED = "prediction_shift", "label_shift"


def prediction_rows(case: Case, seed: int) -> list[dict[str, Any]]:
    """Return how far the predictions moved: W1 in SD, or class shares.

    One row; with class probabilities of several classes one per class, and with
    classes alone the difference of each class's share.
    """
    try:
        pair = _scored(case, labelled=False)
    except (ModelError, NotAssessedError) as error:
        return [empty_row(PREDICTED, "", error.code, "SD")]
    first = pair[0].y_score
    if case.model.outputs == "class":
        arrays = [np.asarray(one.y_score, dtype=float) for one in pair]
        return _class_rows(case, PREDICTED, pair, (arrays[0], arrays[1]))
    if first.ndim == 1:
        return [
            _number_row(PREDICTED, "", pair, (pair[0].y_score, pair[1].y_score), seed)
        ]
    return [
        _number_row(
            PREDICTED,
            f"{case.target}={label}",
            pair,
            (pair[0].y_score[:, place], pair[1].y_score[:, place]),
            seed,
        )
        for place, label in enumerate(case.classes)
    ]


def label_rows(case: Case, seed: int) -> list[dict[str, Any]]:
    """Return how far the outcomes moved: W1 in SD, or by how much a class rose."""
    unit = "SD" if case.task == "regression" else "share"
    if not (case.has_labels("reference") and case.has_labels("current")):
        return [empty_row(LABELLED, "", Reason.NO_LABELS, unit)]
    try:
        pair = _scored(case, labelled=True)
    except (ModelError, NotAssessedError) as error:
        return [empty_row(LABELLED, "", error.code, unit)]
    y_true = tuple(np.asarray(one.y_true, dtype=float) for one in pair)
    if case.task == "regression":
        return [_number_row(LABELLED, "", pair, (y_true[0], y_true[1]), seed)]
    return _class_rows(case, LABELLED, pair, (y_true[0], y_true[1]))


def _scored(case: Case, *, labelled: bool) -> tuple[Scores, Scores]:
    return (
        scores(case, "reference", labelled=labelled),
        scores(case, "current", labelled=labelled),
    )


def _number_row(
    metric: str,
    group: str,
    pair: tuple[Scores, Scores],
    values: tuple[Floats, Floats],
    seed: int,
) -> dict[str, Any]:
    compared, feature = compare_arrays((values[0], pair[0]), (values[1], pair[1]), seed)
    found: Interval = shift_of(feature, *compared.sums)
    return summary_row(metric, group, found, "SD")


def _class_rows(
    case: Case,
    metric: str,
    pair: tuple[Scores, Scores],
    codes: tuple[Floats, Floats],
) -> list[dict[str, Any]]:
    """Return by how much the share of each class rose; of two, the positive one."""
    is_binary = case.task == "binary"
    wanted = {1: ""} if is_binary else dict(enumerate(case.classes))
    rows = []
    for code, label in wanted.items():
        before, after = (
            proportion_interval(found == code, one.clusters, one.weight)
            for found, one in zip(codes, pair, strict=True)
        )
        group = "" if is_binary else f"{case.target}={label}"
        rows.append(
            summary_row(metric, group, share_difference(after, before), "share")
        )
    return rows
