"""The score file of a table: one streamed pass, written once per run."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.case import Case
from readiness.columns import block_span
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
from readiness.scan import n_cores
from readiness.tables import Table

PROBED_ROWS = 8
MOST_RAISING_ROWS = 200


@dataclass(slots=True)
class _Codes:
    """Numbers for the values of a column, in order of first appearance."""

    known: dict[Any, int] = field(default_factory=dict)
    n_used: int = 0

    def of(self, values: pa.Array) -> npt.NDArray[np.int32]:
        """Return one code per value; a null is a value of its own each time."""
        encoded = pc.dictionary_encode(values)
        labels = encoded.dictionary.to_pylist()
        for label in labels:
            if label not in self.known:
                self.known[label] = self.n_used
                self.n_used += 1
        lookup = np.array([self.known[label] for label in labels], dtype=np.int32)
        is_null = encoded.indices.is_null().to_numpy(zero_copy_only=False)
        codes = np.empty(len(values), dtype=np.int32)
        codes[~is_null] = lookup[encoded.indices.drop_null().to_numpy()]
        n_null = int(is_null.sum())
        codes[is_null] = self.n_used + np.arange(n_null, dtype=np.int32)
        self.n_used += n_null
        return codes


def write_scores(case: Case, table: Table, path: Path) -> None:
    """Score every row of a table and write what checks need beside the scores.

    Parameters
    ----------
    case : Case
        Its model is called once per row, in batches of at most 65,536 rows, on one
        thread per core; functions, which may keep state, on one.
    table : Table
        Holds every feature.
    path : pathlib.Path
        The Arrow file to write, with the columns ``row`` (position), ``why`` (0, or
        why the row has no label or score), ``y_true``, ``score_0`` …, and, where
        the case names them, ``weight``, ``time``, ``block``, ``entity``.

    Raises
    ------
    ModelError
        MODEL_SCORES when the model raises on every row, or gives unusable scores.
    """
    data = case.file.data
    named = [data.target, data.time, data.entity, data.weight, case.block]
    present = [name for name in named if name and name in table.schema.names]
    inputs = [case.model.column] if case.model.column else list(case.features)
    columns = list(dict.fromkeys([*inputs, *present]))
    codes = {"block": _Codes(), "entity": _Codes()}
    start, writer = 0, None
    try:
        for part in _in_order(
            lambda batch: _score_batch(case, table, batch), table.batches(columns), case
        ):
            n_rows = len(part["why"])
            arrays = {"row": pa.array(np.arange(start, start + n_rows)), **part}
            for name, coder in codes.items():
                if name in arrays:
                    arrays[name] = pa.array(coder.of(arrays[name]))
            batch = pa.RecordBatch.from_pydict(arrays)
            writer = writer or pa.ipc.new_file(path, batch.schema)
            writer.write_batch(batch)
            start += n_rows
    finally:
        if writer is not None:
            writer.close()


def _in_order(
    work: Callable[[pa.RecordBatch], dict[str, Any]],
    batches: Iterator[pa.RecordBatch],
    case: Case,
) -> Iterator[dict[str, Any]]:
    """Yield results in order, with few batches in memory at a time."""
    is_function = not hasattr(case.model.estimator, "predict")
    n_workers = 1 if is_function else n_cores()
    with ThreadPoolExecutor(n_workers, initializer=_one_thread_each) as pool:
        waiting: deque[Future[dict[str, Any]]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(work, batch))
                if len(waiting) > n_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _one_thread_each() -> None:
    """Keep a model from starting threads of its own inside a worker thread."""
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    threadpool_limits(limits=1, user_api="openmp")


def _score_batch(case: Case, table: Table, batch: pa.RecordBatch) -> dict[str, Any]:
    scores, lost = _scores_of(case, table, batch)
    data = case.file.data
    names = batch.schema.names
    y_true = np.full(batch.num_rows, np.nan)
    why = np.zeros(batch.num_rows, dtype=np.int8)
    if data.target in names:
        y_true, why = target_codes(batch.column(data.target), case.classes)
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
    span = block_span(case.block) if case.block else None
    if span is None and case.block in names:
        part["block"] = _plain(batch.column(case.block))
    elif span is not None and "time" in part:
        # Integer division rounds towards zero; days before 1970 need the floor.
        number = part["time"].cast(pa.int64())
        offset = pa.scalar(-(-(2**62) // span) * span, pa.int64())
        part["block"] = pc.divide(pc.add(number, offset), span)
    return part


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
    case: Case, table: Table, batch: pa.RecordBatch
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return (n, k) scores, NaN where there is none, and why there is none."""
    if case.model.column is not None:
        scores, lost = _stored_predictions(case, batch.column(case.model.column))
    else:
        frame = table.frame(batch.select(list(case.features)))
        scores, raised = predict_rows(case.model, frame)
        lost = np.where(raised, MODEL_RAISED, USABLE).astype(np.int8)
    return scores.reshape(len(scores), -1), lost


def _stored_predictions(
    case: Case, values: pa.Array
) -> tuple[Floats, npt.NDArray[np.int8]]:
    model = case.model
    if model.outputs == "class":
        scores, why = target_codes(values, case.classes)
        if (why == UNKNOWN_LABEL).any():
            msg = (
                f"The predictions {model.column!r} must be labels of the target "
                f"{list(case.classes[:8])!r}; others occur. Correct the column."
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
