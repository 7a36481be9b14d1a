"""Scores of rows: computed once per run, shared by every check and process."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.cache import cached
from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.labels import LEFT_OUT, MODEL_RAISED, USABLE, target_codes
from readiness.models import Model
from readiness.outputs import Floats
from readiness.pieces import BATCH_ROWS
from readiness.scored import Scores
from readiness.scorefile import write_scores
from readiness.stats import Clusters

FORMAT = 1


@dataclass(slots=True)
class CallCount:
    """Rows given to the model since counting began."""

    calls: int = 0
    files: set[str] = field(default_factory=set)


_COUNTS: ContextVar[tuple[CallCount, ...]] = ContextVar("counts", default=())


@contextmanager
def count_calls() -> Iterator[CallCount]:
    """Count the rows a check gives to the model, as if it ran alone.

    Its ``calls`` include, once per table, the rows of a score file that another check
    or process has paid for.
    """
    count = CallCount()
    token = _COUNTS.set((*_COUNTS.get(), count))
    try:
        yield count
    finally:
        _COUNTS.reset(token)


def scores(case: Case, table_name: str, *, labelled: bool = True) -> Scores:
    """Return the scores of a table; the model is called in the first process only.

    Parameters
    ----------
    case : Case
    table_name : str
        ``"training"``, ``"reference"`` or ``"current"``.
    labelled : bool
        Only rows with a usable label. False: every row the model scored, labels or
        not.

    Returns
    -------
    Scores
        In the order of the table.

    Raises
    ------
    NotAssessedError
        NO_TABLE; NO_LABELS when labels are asked for and there are none; SCHEMA
        when a feature is missing or of another kind than in training; MIXED_TYPES
        or UNSUPPORTED_TYPE when a feature holds values no table can type.
    ModelError
        MODEL_SCORES when the model raises or gives unusable scores.
    """
    table = case.table(table_name)
    if labelled and not case.has_labels(table_name):
        msg = f"The {table_name} table has no values in the target {case.target!r}."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    _require_features(case, table_name)
    path = _score_file(case, table_name)
    case.scored.add(table_name)
    if case.model.column is None:
        charge(path.name, table.n_rows)
    found = _read(case, table_name, path, labelled=labelled)
    if not len(found.row):
        msg = f"No row of the {table_name} table can be used: {dict(found.left_out)}."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    return found


def charge(name: str, n_rows: int) -> None:
    """Count rows given to the model for a shared file, once per `count_calls`."""
    for count in _COUNTS.get():
        if name not in count.files:
            count.files.add(name)
            count.calls += n_rows


def _require_features(case: Case, table_name: str) -> None:
    problems = case.table(table_name).problems
    if case.model.column is not None:
        if case.model.column not in case.table(table_name).schema.names:
            msg = f"The {table_name} table lacks the predictions {case.model.column!r}."
            raise NotAssessedError(msg, Reason.SCHEMA)
        return
    missing = case.missing_features(table_name)
    if missing:
        msg = (
            f"The {table_name} table lacks {len(missing)} features of the model: "
            f"{', '.join(map(repr, missing[:5]))}."
        )
        raise NotAssessedError(msg, Reason.SCHEMA)
    for name, (expected, found) in case.retyped_features(table_name).items():
        if name not in problems:
            msg = (
                f"The feature {name!r} of the {table_name} table is {found}; "
                f"it was {expected} in {case.training_or_reference().name}."
            )
            raise NotAssessedError(msg, Reason.SCHEMA)
    for name in case.features:
        if name in problems:
            msg = f"The feature {name!r} of the {table_name} table cannot be typed."
            raise NotAssessedError(msg, problems[name])


def _score_file(case: Case, table_name: str) -> Path:
    table, data = case.table(table_name), case.file.data
    named = [
        FORMAT,
        table.sha256,
        case.model_key,
        case.model.outputs,
        list(case.features),
        [repr(label) for label in case.classes],
        [data.target, data.time, case.block, data.entity, data.weight],
    ]
    key = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return cached(case.work, f"{key}.arrow", partial(write_scores, case, table))


def _read(case: Case, table_name: str, path: Path, *, labelled: bool) -> Scores:
    with pa.memory_map(str(path)) as source:
        stored = pa.ipc.open_file(source).read_all()
    why = stored.column("why").to_numpy()
    keep = why == USABLE if labelled else why < MODEL_RAISED
    rows = stored if keep.all() else stored.filter(pa.array(keep))

    def array(name: str) -> Any:  # noqa: ANN401 (an array of the column's type)
        return rows.column(name).to_numpy() if name in rows.schema.names else None

    k = sum(name.startswith("score_") for name in rows.schema.names)
    score = np.column_stack([array(f"score_{place}") for place in range(k)])
    y_true = array("y_true")
    if case.task == "multiclass":
        y_true = np.nan_to_num(y_true, nan=-1.0).astype(np.int64)
    counted = {
        reason: int((why[~keep] == code).sum()) for code, reason in LEFT_OUT.items()
    }
    return Scores(
        table=table_name,
        row=array("row"),
        y_true=y_true,
        y_score=score[:, 0] if k == 1 else score,
        weight=array("weight"),
        time=array("time"),
        clusters=Clusters(block=array("block"), entity=array("entity")),
        left_out={reason: n for reason, n in counted.items() if n},
    )


def column(case: Case, scored: Scores, name: str) -> "pd.Series[Any]":
    """Return the raw values of one column for the scored rows, (n,), in their order.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS when the table lacks the column.
    """
    table = case.table(scored.table)
    if name not in table.schema.names:
        msg = f"The {scored.table} table has no column {name!r}."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    return table.take(scored.row, [name])[name]


def require_rescoring(case: Case) -> None:
    """Raise NotAssessedError (NO_RESCORING) where only predictions are stored."""
    if case.model.column is not None:
        case.model.predict(pd.DataFrame())


def score_frame(case: Case, frame: pd.DataFrame) -> Floats:
    """Return the scores of altered rows; the model gets a copy.

    Parameters
    ----------
    case : Case
    frame : pandas.DataFrame
        n rows with every feature, in any order of columns.

    Returns
    -------
    numpy.ndarray of float
        As `models.Model.predict`.

    Raises
    ------
    NotAssessedError
        NO_RESCORING with stored predictions; SCHEMA when a feature is missing.
    ModelError
        MODEL_SCORES when the model raises or gives unusable scores.
    """
    return _scored(case, case.model, frame)


def score_encoded(case: Case, final: object, matrix: Floats) -> Floats:
    """Return the scores of rows as the last step of the case's model sees them.

    Parameters
    ----------
    case : Case
    final : object
        The last step of its pipeline, fitted without column names.
    matrix : numpy.ndarray of float, shape (n, p)
        Rows after every earlier step.

    Raises
    ------
    ModelError
        As `score_frame`.
    """
    inner = replace(case.model, estimator=final, features=None, by_name=False)
    return _scored(case, inner, pd.DataFrame(matrix, copy=False))


def _scored(case: Case, model: Model, frame: pd.DataFrame) -> Floats:
    if model.column is None and not len(frame):
        is_wide = case.task == "multiclass" and case.model.outputs == "probability"
        return np.empty((0, len(case.classes)) if is_wide else 0)
    parts = [
        model.predict(frame.iloc[start : start + BATCH_ROWS])
        for start in range(0, max(len(frame), 1), BATCH_ROWS)
    ]
    for count in _COUNTS.get():
        count.calls += len(frame)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def ledger(case: Case) -> Mapping[str, Mapping[str, Any]]:
    """Return what became of the rows of every table.

    Returns
    -------
    mapping
        By table: ``read``, ``used`` and ``left_out``, rows by reason. A row without
        a label is counted as left out; one without a score, where this process
        asked for the scores of the table; and the rows outside a span of time, which
        are no rows of the table.
    """
    return {name: _account(case, name) for name in case.tables}


def _account(case: Case, table_name: str) -> Mapping[str, Any]:
    table = case.table(table_name)
    if table_name in case.scored:
        path = _score_file(case, table_name)
        left_out = _read(case, table_name, path, labelled=True).left_out
    else:
        left_out = _without_label(case, table_name)
    used = table.n_rows - sum(left_out.values())
    left_out = {**table.left_out, **left_out}
    return {"read": used + sum(left_out.values()), "used": used, "left_out": left_out}


def _without_label(case: Case, table_name: str) -> Mapping[str, int]:
    n_out = dict.fromkeys(LEFT_OUT, 0)
    if case.target not in case.table(table_name).schema.names:
        return {}
    for batch in case.table(table_name).batches([case.target]):
        _, why = target_codes(batch.column(0), case.classes)
        for code in n_out:
            n_out[code] += int((why == code).sum())
    return {LEFT_OUT[code]: n for code, n in n_out.items() if n}
