"""Labels: which classes a case has, and targets as numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from readiness.columns import kind_of
from readiness.errors import CaseError
from readiness.models import Model
from readiness.tables import Table

# Why a row has no usable label; the number is stored beside the row.
USABLE, NULL_TARGET, UNKNOWN_LABEL, MODEL_RAISED, NO_PREDICTION = range(5)
LEFT_OUT = {
    NULL_TARGET: "null_target",
    UNKNOWN_LABEL: "unknown_label",
    MODEL_RAISED: "model_raised",
    NO_PREDICTION: "no_prediction",
}
TWO = 2
SHOWN = 8


def distinct_labels(table: Table, column: str) -> list[Any]:
    """Return the distinct values of a column, without null and NaN, sorted."""
    found: set[Any] = set()
    for batch in table.batches([column]):
        found.update(pc.unique(_plain(batch.column(0))).to_pylist())
    kept = [one for one in found if one is not None and one == one]  # noqa: PLR0124 (NaN is not itself)
    return sorted(kept, key=lambda one: (isinstance(one, str), one))


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def find_classes(
    model: Model, reference: Table, target: str
) -> tuple[tuple[Any, ...], Any]:
    """Return the classes of a case and its positive label.

    Parameters
    ----------
    model : Model
        Its own classes win; a function or stored predictions may have none.
    reference : Table
        Must hold labels of these classes.
    target : str
        The label column.

    Returns
    -------
    tuple
        Classes, ``(negative, positive)`` for a binary case and ``()`` for
        regression; and the positive label, None unless binary.

    Raises
    ------
    CaseError
        When the target does not fit the task, no label is one of the model's
        classes, or the positive label is not known.
    """
    if model.task == "regression":
        kind = kind_of(reference.schema.field(target).type)
        if kind not in ("numeric", "boolean"):
            msg = (
                f"The target {target!r} of a regression must be numeric; the reference "
                f"holds {kind or 'unusable'} values. Correct data.target or model.task."
            )
            raise CaseError(msg)
        return (), None
    labels = distinct_labels(reference, target)
    if model.classes is not None:
        if labels and not set(labels) & set(model.classes):
            msg = (
                f"The target {target!r} must hold the model's classes "
                f"{list(model.classes[:SHOWN])!r}; the reference has "
                f"{labels[:SHOWN]!r}. Give the labels the type they were fitted with."
            )
            raise CaseError(msg)
        return _ordered(model.classes, model.positive), model.positive
    if model.task == "multiclass":
        if model.column is not None:
            predicted = distinct_labels(reference, model.column)
            labels = sorted(
                {*labels, *predicted}, key=lambda one: (str(type(one)), one)
            )
        return tuple(labels), None
    return _two_classes(labels, model.positive, target)


def _ordered(classes: tuple[Any, ...], positive: Any) -> tuple[Any, ...]:  # noqa: ANN401 (a label)
    if positive is None:
        return classes
    return (*(label for label in classes if label != positive), positive)


def _two_classes(
    labels: list[Any],
    positive: Any,  # noqa: ANN401 (a label)
    target: str,
) -> tuple[tuple[Any, ...], Any]:
    if positive is None and set(labels) <= {0, 1}:
        positive = next((label for label in labels if label == 1), 1)
    if positive is None or (len(labels) >= TWO and positive not in labels):
        msg = (
            f"model.positive must name one label of the target {target!r}; its labels "
            f"are {labels[:SHOWN]!r}. Add it to the case file."
        )
        raise CaseError(msg)
    others = [label for label in labels if label != positive]
    if len(others) > 1:
        msg = (
            f"model.task is 'binary', but the target {target!r} has "
            f"{len(labels)} labels: {labels[:SHOWN]!r}. Set task to 'multiclass'."
        )
        raise CaseError(msg)
    negative = others[0] if others else f"not {positive}"
    return (negative, positive), positive


def target_codes(
    values: pa.Array, classes: tuple[Any, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Return targets as numbers, and why a row has none.

    Parameters
    ----------
    values : pyarrow.Array
        n targets.
    classes : tuple
        Labels; a label's place is its code, so 1 is the positive class of a binary
        case. ``()`` for regression: the values themselves.

    Returns
    -------
    tuple of numpy.ndarray
        (n,) codes or values, NaN where there is none; and (n,) reasons, 0 for a
        usable row, else a key of `LEFT_OUT`. A NaN target counts as null.
    """
    if not classes:
        plain = _plain(values).cast(pa.float64(), safe=False)
        numbers = plain.to_numpy(zero_copy_only=False).astype(np.float64)
        why = np.where(np.isfinite(numbers), USABLE, UNKNOWN_LABEL)
        why[np.isnan(numbers)] = NULL_TARGET
        return np.where(why == USABLE, numbers, np.nan), why.astype(np.int8)
    place: Mapping[Any, int] = {label: code for code, label in enumerate(classes)}
    encoded = pc.dictionary_encode(_plain(values), null_encoding="encode")
    codes, reasons = [], []
    for label in encoded.dictionary.to_pylist():
        is_null = label is None or label != label  # noqa: PLR0124 (NaN is not itself)
        codes.append(np.nan if is_null else place.get(label, np.nan))
        known = USABLE if label in place else UNKNOWN_LABEL
        reasons.append(NULL_TARGET if is_null else known)
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    return (
        np.array(codes, dtype=np.float64)[indices],
        np.array(reasons, dtype=np.int8)[indices],
    )
