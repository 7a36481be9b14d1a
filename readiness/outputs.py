"""What a model returns, checked once and brought into the project's form."""

from typing import Any

import numpy as np
import numpy.typing as npt

from readiness.errors import ModelError, Reason

Floats = npt.NDArray[np.float64]
Labels = tuple[Any, ...]
# Sums of probabilities and bounds may miss by the rounding of float32 models.
TOLERANCE = 1e-5


def checked_scores(
    raw: Any,  # noqa: ANN401 (whatever the model returned)
    n_rows: int,
    *,
    outputs: str,
    task: str,
    classes: Labels | None,
    positive: Any,  # noqa: ANN401 (a label)
) -> Floats:
    """Return scores in the project's form.

    Parameters
    ----------
    raw : object
        What the model returned for `n_rows` rows: an array, or what becomes one.
    n_rows : int
        Rows it was given.
    outputs : str
        ``"probability"``, ``"class"`` or ``"value"``.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    classes : tuple or None
        Labels in the order of the model's outputs.
    positive : object
        The positive label of a binary model.

    Returns
    -------
    numpy.ndarray of float
        As `models.Model.predict`.

    Raises
    ------
    ModelError
        MODEL_SCORES when the shape is another one, a score is not finite or no
        probability, a label is unknown, or nobody says whose the columns are.
    """
    values = np.asarray(raw.toarray() if hasattr(raw, "toarray") else raw)
    if values.ndim not in (1, 2) or len(values) != n_rows:
        msg = (
            f"The model must return one score per row; it returned the shape "
            f"{values.shape} for {n_rows} rows."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004 (a column of scores)
        values = values[:, 0]
    if outputs == "class":
        return class_codes(values, task=task, classes=classes or (), positive=positive)
    scores = _finite(values)
    if outputs == "value":
        return _require_shape(scores, (n_rows,))
    scores = _within_bounds(scores)
    if task == "binary" and scores.ndim == 1:
        return scores
    return _by_class(scores, task=task, classes=classes, positive=positive)


def class_codes(
    labels: npt.NDArray[Any],
    *,
    task: str,
    classes: Labels,
    positive: Any,  # noqa: ANN401 (a label)
) -> Floats:
    """Return predicted labels as codes: 1.0 the positive class, else the place.

    Raises
    ------
    ModelError
        MODEL_SCORES when a label is none of `classes`.
    """
    place = {label: float(code) for code, label in enumerate(classes)}
    if task == "binary":
        place = {label: float(label == positive) for label in classes}
    values, inverse = np.unique(labels, return_inverse=True)
    unknown = [label for label in values.tolist() if label not in place]
    if unknown:
        msg = (
            f"The model must return its classes {list(classes)!r}; it returned "
            f"{unknown[:5]!r} too."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    codes = np.array([place[label] for label in values.tolist()], dtype=float)
    return codes[inverse]


def _within_bounds(scores: Floats) -> Floats:
    outside = (scores < -TOLERANCE) | (scores > 1 + TOLERANCE)
    if outside.any():
        msg = (
            f"Probabilities must lie in [0, 1]; {int(outside.sum())} of "
            f"{scores.size} do not, first {float(scores[outside][0])!r}."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    return scores.clip(0.0, 1.0)


def _by_class(
    scores: Floats,
    *,
    task: str,
    classes: Labels | None,
    positive: Any,  # noqa: ANN401 (a label)
) -> Floats:
    if classes is None:
        msg = (
            f"The model returned the shape {scores.shape} but does not say whose "
            "probabilities these are. Give the function an attribute classes_."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    _require_shape(scores, (len(scores), len(classes)))
    n_bad = int((np.abs(scores.sum(axis=1) - 1) > TOLERANCE * len(classes)).sum())
    if n_bad:
        msg = (
            f"Probabilities must sum to 1 in every row; {n_bad} of {len(scores)} rows "
            "do not."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    return scores[:, classes.index(positive)] if task == "binary" else scores


def _finite(raw: npt.NDArray[Any]) -> Floats:
    try:
        scores = raw.astype(np.float64)
    except (TypeError, ValueError) as cause:
        msg = f"Scores must be numbers; the model returned {raw.dtype} values."
        raise ModelError(msg, Reason.MODEL_SCORES) from cause
    n_bad = int((~np.isfinite(scores)).sum())
    if n_bad:
        msg = (
            f"Scores must be finite; {n_bad} of {scores.size} are NaN or infinite. "
            "Find out which inputs cause them."
        )
        raise ModelError(msg, Reason.MODEL_SCORES)
    return scores


def _require_shape(scores: Floats, shape: tuple[int, ...]) -> Floats:
    if scores.shape != shape:
        msg = f"Scores must have the shape {shape}; the model returned {scores.shape}."
        raise ModelError(msg, Reason.MODEL_SCORES)
    return scores
