"""The score file of a table: one streamed pass, written once per run."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from readiness.case import Case
from readiness.clusters import executor
from readiness.errors import ReadinessError
from readiness.models import Model
from readiness.pieces import Task, pieces_by_file
from readiness.rowscores import RowScorer, row_scorer, score_batch
from readiness.scan import n_cores
from readiness.sentmodels import SentModel, received_model, sent_model
from readiness.tables import Table

_FUNCTION = Lock()


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
        thread per core; functions, which may keep state, on one. Where the table has
        a cluster, its workers call the model, one task per file.
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
    ReadinessError
        CLUSTER when the workers cannot be used, or cannot have the model.
    """
    scorer = row_scorer(case, table)
    codes = {"block": _Codes(), "entity": _Codes()}
    parts = _by_workers(case, table, scorer) if table.cluster else _here(table, scorer)
    start, writer = 0, None
    try:
        for part in parts:
            rows = np.arange(start, start + part.num_rows)
            arrays = {"row": pa.array(rows)}
            for name, values in zip(part.schema.names, part.columns, strict=True):
                coder = codes.get(name)
                arrays[name] = pa.array(coder.of(values)) if coder else values
            batch = pa.RecordBatch.from_pydict(arrays)
            writer = writer or pa.ipc.new_file(path, batch.schema)
            writer.write_batch(batch)
            start += part.num_rows
    finally:
        if writer is not None:
            writer.close()


def _here(table: Table, scorer: RowScorer) -> Iterator[pa.RecordBatch]:
    """Yield scored batches in order, with few of them in memory at a time."""
    n_workers = 1 if _is_function(scorer.model) else n_cores()
    with ThreadPoolExecutor(n_workers, initializer=_one_thread_each) as pool:
        waiting: deque[Future[pa.RecordBatch]] = deque()
        try:
            for batch in table.batches(scorer.columns()):
                waiting.append(pool.submit(score_batch, scorer, batch))
                if len(waiting) > n_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _by_workers(
    case: Case, table: Table, scorer: RowScorer
) -> Iterator[pa.RecordBatch]:
    """Yield the batches that workers scored, in the order of the files."""
    tasks = iter(table.tasks(scorer.columns()))
    files = [list(islice(tasks, size)) for size in pieces_by_file(table.pieces)]
    bare = replace(scorer, model=replace(scorer.model, estimator=None))
    work = partial(score_file, scorer=bare, sent=sent_model(case))
    for found in executor(table.cluster).map(work, files):
        if isinstance(found, ReadinessError):
            raise found
        with pa.ipc.open_stream(found) as batches:
            yield from batches


def score_file(
    tasks: Sequence[Task], scorer: RowScorer, sent: SentModel | None
) -> pa.Buffer | ReadinessError:
    """Score the pieces of one file, on a worker.

    Parameters
    ----------
    tasks : sequence of callable
        Readers of the pieces, in order.
    scorer : RowScorer
        Without the estimator.
    sent : SentModel or None
        Where the estimator is; None for stored predictions.

    Returns
    -------
    pyarrow.Buffer or ReadinessError
        The batches as an Arrow stream: all rows, or none. An error of the model comes
        back as a value, since trying once more would not help.
    """
    try:
        estimator = None if sent is None else received_model(sent)
        ready = replace(scorer, model=replace(scorer.model, estimator=estimator))
        _one_thread_each()
        with _FUNCTION if sent and _is_function(ready.model) else nullcontext():
            parts = [score_batch(ready, one) for task in tasks for one in task()]
    except ReadinessError as error:
        return error
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, parts[0].schema) as writer:
        for part in parts:
            writer.write_batch(part)
    return sink.getvalue()


def _is_function(model: Model) -> bool:
    return not hasattr(model.estimator, "predict")


def _one_thread_each() -> None:
    """Keep a model from starting threads of its own inside a worker thread."""
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    threadpool_limits(limits=1, user_api="openmp")
