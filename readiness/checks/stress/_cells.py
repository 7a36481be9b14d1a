"""Altered copies of rows, scored in few large calls."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.errors import ModelError
from readiness.faults import Fault, FaultRows, Values
from readiness.models import ModelRaisedError
from readiness.scoring import score_frame
from readiness.stats import Floats, Ints

BATCH_ROWS = 50_000

SCORED, REJECTED, UNUSABLE = "scored", "rejected", "unusable scores"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Altered:
    """What the model says about rows with one fault.

    Parameters
    ----------
    scores : ndarray of shape (n,) or (n, k), or None
        None where the model refused the rows, or gave unusable scores.
    outcome : str
        ``"scored"``, ``"rejected"`` (the model raised) or ``"unusable scores"``.
    message : str
        What the model said when it refused.
    n_changed : int
        Rows whose values the fault changed.
    """

    scores: Floats | None
    outcome: str
    message: str
    n_changed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Copy:
    """The changed rows of one fault: their places, and the altered columns."""

    number: int
    place: Ints
    columns: dict[str, Values]


def score_faults(
    case: Case, faults: Sequence[Fault], rows: FaultRows, clean: Floats, part: slice
) -> list[Altered]:
    """Return what the model says about a part of the rows under each fault.

    Parameters
    ----------
    case : Case
        Its model scores altered rows.
    faults : sequence of Fault
        Each is applied to all rows, then cut to the part.
    rows : FaultRows
        n good rows.
    clean : ndarray of shape (n,) or (n, k)
        Scores of the good rows. A row that a fault does not change keeps its score.
    part : slice
        The rows to score.

    Returns
    -------
    list of Altered
        In the order of `faults`; scores of the rows of the part.

    Notes
    -----
    Copies with the types of the good rows are stacked into calls of at most 50,000
    rows; if the model refuses such a call, its copies are scored one by one.
    """
    done: dict[int, Altered] = {}
    frame, clean = rows.frame.iloc[part], clean[part]
    for batch in _batches(faults, rows, part):
        try:
            found = _score(case, frame, batch)
        except ModelError:
            for copy in batch:
                done[copy.number] = _alone(case, frame, copy, clean)
            continue
        start = 0
        for copy in batch:
            end = start + len(copy.place)
            done[copy.number] = _scored(copy, clean, found[start:end])
            start = end
    return [done[number] for number in range(len(faults))]


def _batches(
    faults: Sequence[Fault], rows: FaultRows, part: slice
) -> Iterator[list[_Copy]]:
    """Yield copies to score together; copies of other types go by themselves."""
    waiting: list[_Copy] = []
    n_waiting = 0
    for number, fault in enumerate(faults):
        copy = _copy(number, fault, rows, part)
        kinds = rows.frame.dtypes
        if any(values.dtype != kinds[name] for name, values in copy.columns.items()):
            yield [copy]
            continue
        if waiting and n_waiting + len(copy.place) > BATCH_ROWS:
            yield waiting
            waiting, n_waiting = [], 0
        waiting.append(copy)
        n_waiting += len(copy.place)
    if waiting:
        yield waiting


def _copy(number: int, fault: Fault, rows: FaultRows, part: slice) -> _Copy:
    altered = {name: one.iloc[part] for name, one in fault.alter(rows).items()}
    changed = np.zeros(len(rows.frame.iloc[part]), dtype=bool)
    for name, values in altered.items():
        changed |= _differs(rows.frame[name].iloc[part], values)
    place = np.flatnonzero(changed)
    columns = {name: values.iloc[place] for name, values in altered.items()}
    return _Copy(number=number, place=place, columns=columns)


def _differs(one: Values, other: Values) -> np.ndarray:
    if one.dtype != other.dtype:
        one, other = one.astype(object), other.astype(object)
    missing, also = one.isna().to_numpy(), other.isna().to_numpy()
    different = (one.array != other.array) | missing | also
    return np.asarray(different, dtype=bool) & ~(missing & also)


def _score(case: Case, frame: pd.DataFrame, batch: list[_Copy]) -> Floats:
    place = np.concatenate([copy.place for copy in batch])
    columns = {name: frame[name].array.take(place) for name in frame.columns}
    start = 0
    for copy in batch:
        end = start + len(copy.place)
        for name, values in copy.columns.items():
            if len(batch) == 1:
                columns[name] = values.array
            else:
                columns[name][start:end] = values.array
        start = end
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model may well warn of such rows
        return score_frame(case, pd.DataFrame(columns)) if start else np.empty(0)


def _alone(case: Case, frame: pd.DataFrame, copy: _Copy, clean: Floats) -> Altered:
    n_changed = len(copy.place)
    try:
        found = _score(case, frame, [copy])
    except ModelError as refusal:
        raised = isinstance(refusal, ModelRaisedError)
        outcome = REJECTED if raised else UNUSABLE
        return Altered(
            scores=None, outcome=outcome, message=str(refusal), n_changed=n_changed
        )
    return _scored(copy, clean, found)


def _scored(copy: _Copy, clean: Floats, found: Floats) -> Altered:
    scores = clean.copy()
    if len(copy.place):
        scores[copy.place] = found
    return Altered(scores=scores, outcome=SCORED, message="", n_changed=len(copy.place))
