"""Scores of one batch of rows, on this machine or on a worker elsewhere."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.case import Case
from readiness.columns import block_span
from readiness.config import DataSection
from readiness.errors import ModelError, Reason
from readiness.labels import (
    MODEL_RAISED,
    NO_PREDICTION,
    UNKNOWN_LABEL,
    USABLE,
    target_codes,
)
from readiness.models import Model, ModelRaisedError
from readiness.outputs import Floats, checked_scores
from readiness.tables import Table

PROBED_ROWS = 8
MOST_RAISING_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowScorer:
    """What scoring a batch needs of a case: no rows, so that it can travel.

    Parameters
    ----------
    table : Table
        Tells the types of the rows; without its pieces.
    model : Model
        With or without its estimator.
    data : DataSection
        Which columns play a role.
    features, classes, block
        As in the case.
    """

    table: Table
    model: Model
    data: DataSection
    features: tuple[str, ...]
    classes: tuple[Any, ...]
    block: str | None

    def columns(self) -> list[str]:
        """Return the columns to read: the model's inputs, and the roles present."""
        data = self.data
        named = [data.target, data.time, data.entity, data.weight, self.block]
        present = [name for name in named if name and name in self.table.schema.names]
        inputs = [self.model.column] if self.model.column else list(self.features)
        return list(dict.fromkeys([*inputs, *present]))


def row_scorer(case: Case, table: Table) -> RowScorer:
    """Return the scorer of a table of a case."""
    return RowScorer(
        table=replace(table, pieces=(), dictionaries={}),
        model=case.model,
        data=case.file.data,
        features=case.features,
        classes=case.classes,
        block=case.block,
    )


def score_batch(scorer: RowScorer, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the scores of a batch, and what checks need beside them.

    Parameters
    ----------
    scorer : RowScorer
    batch : pyarrow.RecordBatch
        n rows with the model's inputs and those columns of the roles that exist.

    Returns
    -------
    pyarrow.RecordBatch
        n rows: ``why`` (0, or why the row has no label or score), ``y_true``,
        ``score_0`` …, and, where the batch has them, ``weight``, ``time``,
        ``entity`` and ``block``, the last two as they are.

    Raises
    ------
    ModelError
        As `predict_rows`; MODEL_SCORES for unusable stored predictions.
    """
    scores, lost = _scores_of(scorer, batch)
    data = scorer.data
    names = batch.schema.names
    y_true = np.full(batch.num_rows, np.nan)
    why = np.zeros(batch.num_rows, dtype=np.int8)
    if data.target in names:
        y_true, why = target_codes(batch.column(data.target), scorer.classes)
    why = np.where(lost == USABLE, why, lost).astype(np.int8)
    part: dict[str, Any] = {"why": pa.array(why), "y_true": pa.array(y_true)}
    for place in range(scores.shape[1]):
        part[f"score_{place}"] = pa.array(scores[:, place])
    if data.weight in names:
        weight = batch.column(data.weight).cast(pa.float64(), safe=False)
        part["weight"] = weight
    if data.time in names:
        part["time"] = wall_clock(batch.column(data.time))
    if data.entity in names:
        part["entity"] = _plain(batch.column(data.entity))
    span = block_span(scorer.block) if scorer.block else None
    if span is None and scorer.block in names:
        part["block"] = _plain(batch.column(scorer.block))
    elif span is not None and "time" in part:
        # Integer division rounds towards zero; days before 1970 need the floor.
        number = part["time"].cast(pa.int64())
        offset = pa.scalar(-(-(2**62) // span) * span, pa.int64())
        part["block"] = pc.divide(pc.add(number, offset), span)
    return pa.RecordBatch.from_pydict(part)


def _plain(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    return values


def wall_clock(values: pa.Array) -> pa.Array:
    """Return times as local wall-clock nanoseconds, without a zone.

    Days are the days people live in: a time with a zone is shown in that zone. Times
    outside the years 1678 to 2261 become null.
    """
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.local_timestamp(values)
    try:
        return values.cast(pa.timestamp("ns"))
    except pa.ArrowInvalid:
        coarse = values.cast(pa.timestamp("us"), safe=False)
        number = coarse.cast(pa.int64())
        fits = pc.less(pc.abs_checked(number), 2**63 // 1000 - 1)
        return pc.if_else(fits, coarse, None).cast(pa.timestamp("ns"))


def _scores_of(
    scorer: RowScorer, batch: pa.RecordBatch
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return (n, k) scores, NaN where there is none, and why there is none."""
    if scorer.model.column is not None:
        scores, lost = _stored_predictions(scorer, batch.column(scorer.model.column))
    else:
        frame = scorer.table.frame(batch.select(list(scorer.features)))
        scores, raised = predict_rows(scorer.model, frame)
        lost = np.where(raised, MODEL_RAISED, USABLE).astype(np.int8)
    return scores.reshape(len(scores), -1), lost


def _stored_predictions(
    scorer: RowScorer, values: pa.Array
) -> tuple[Floats, npt.NDArray[np.int8]]:
    model = scorer.model
    if model.outputs == "class":
        scores, why = target_codes(values, scorer.classes)
        if (why == UNKNOWN_LABEL).any():
            msg = (
                f"The predictions {model.column!r} must be labels of the target "
                f"{list(scorer.classes[:8])!r}; others occur. Correct the column."
            )
            raise ModelError(msg, Reason.MODEL_SCORES)
        return scores, np.where(np.isnan(scores), NO_PREDICTION, USABLE).astype(np.int8)
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = ~np.isnan(numbers.astype(float))
    scores = np.full(len(numbers), np.nan)
    scores[known] = checked_scores(
        numbers[known],
        int(known.sum()),
        outputs=model.outputs,
        task=model.task,
        classes=model.classes,
        positive=model.positive,
    )
    return scores, np.where(known, USABLE, NO_PREDICTION).astype(np.int8)


def predict_rows(
    model: Model, frame: pd.DataFrame
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return scores, and the rows on which the model raises.

    Parameters
    ----------
    model : Model
        Called once when all is well; when it raises, on halves down to single rows.
    frame : pandas.DataFrame
        n rows of its features.

    Returns
    -------
    tuple of numpy.ndarray
        Scores as `Model.predict`, NaN on rows where it raises; and those rows, (n,).

    Raises
    ------
    ModelRaisedError
        When it raises on each of a few rows spread over the batch, or on more than
        200 rows: then it is not a matter of single rows.
    """
    try:
        return model.predict(frame), np.zeros(len(frame), dtype=bool)
    except ModelRaisedError:
        spread = np.linspace(0, len(frame) - 1, PROBED_ROWS).astype(int)
        if all(_raises(model, frame.iloc[[row]]) for row in np.unique(spread)):
            raise
    raised = np.zeros(len(frame), dtype=bool)
    parts: list[tuple[int, Floats]] = []
    waiting = [(0, len(frame))]
    while waiting:
        low, high = waiting.pop()
        try:
            parts.append((low, model.predict(frame.iloc[low:high])))
        except ModelRaisedError:
            if high - low > 1:
                middle = (low + high) // 2
                waiting += [(low, middle), (middle, high)]
                continue
            raised[low] = True
            if raised.sum() > MOST_RAISING_ROWS:
                raise
    first = parts[0][1]
    scores = np.full((len(frame), *first.shape[1:]), np.nan)
    for low, part in parts:
        scores[low : low + len(part)] = part
    return scores, raised


def _raises(model: Model, frame: pd.DataFrame) -> bool:
    try:
        model.predict(frame)
    except ModelRaisedError:
        return True
    return False
