"""Altered copies of rows, scored in few large calls."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._asked import Asked, Bools
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
        Rows whose values the fault changed, of those looked at.
    end : int
        Where the part ends that was looked at.
    """

    scores: Floats | None
    outcome: str
    message: str
    n_changed: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Copy:
    """The changed rows of one fault: their places, and the altered columns.

    Places count from the begin of the part.
    """

    number: int
    part: slice
    place: Ints
    columns: dict[str, Values]


def score_faults(  # noqa: PLR0917 (what is altered, then how much of it)
    case: Case,
    faults: Sequence[Fault],
    rows: FaultRows,
    clean: Floats,
    begin: Sequence[int],
    quota: int,
    asked: Asked | None = None,
) -> list[Altered]:
    """Return what the model says about a part of the rows under each fault.

    Parameters
    ----------
    case : Case
        Its model scores altered rows.
    faults : sequence of Fault
        Each is applied to all rows, then cut to its part.
    rows : FaultRows
        n good rows.
    clean : ndarray of shape (n,) or (n, k)
        Scores of the good rows. A row that a fault does not change keeps its score.
    begin : sequence of int
        Where the part of each fault begins.
    quota : int
        Rows given to the model for each fault: a part ends where the fault has
        changed so many of its rows, or with the last row.
    asked : Asked, optional
        What the model has said so far of these rows; it learns.

    Returns
    -------
    list of Altered
        In the order of `faults`; scores of the rows of its part.

    Notes
    -----
    Copies with the types of the good rows are stacked into calls of at most 50,000
    rows; if the model refuses such a call, its copies are scored one by one. Values
    that trees cannot tell apart are scored once for each row, whatever the fault.
    """
    done: dict[int, Altered] = {}
    for batch in _batches(faults, rows, begin, quota):
        try:
            found = _answers(case, rows.frame, batch, asked)
        except ModelError:
            for copy in batch:
                done[copy.number] = _alone(case, rows.frame, copy, clean)
            continue
        for copy, scores in zip(batch, found, strict=True):
            done[copy.number] = _scored(copy, clean, scores)
    return [done[number] for number in range(len(faults))]


def changed_rows(frame: pd.DataFrame, altered: Mapping[str, Values]) -> Bools:
    """Return which of n rows have another value in any column, (n,)."""
    changed = np.zeros(len(frame), dtype=bool)
    for name, values in altered.items():
        changed |= _differs(frame[name], values)
    return changed


def _batches(
    faults: Sequence[Fault], rows: FaultRows, begin: Sequence[int], quota: int
) -> Iterator[list[_Copy]]:
    """Yield copies to score together; copies of other types go by themselves."""
    waiting: list[_Copy] = []
    n_waiting = 0
    kinds = rows.frame.dtypes
    for number, fault in enumerate(faults):
        copy = _copy(number, fault, rows, begin[number], quota)
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


def _copy(number: int, fault: Fault, rows: FaultRows, begin: int, quota: int) -> _Copy:
    altered = fault.alter(rows)
    places = np.flatnonzero(changed_rows(rows.frame, altered)[begin:])
    end = len(rows.frame)
    if len(places) > quota:
        places = places[:quota]
        end = begin + int(places[-1]) + 1
    columns = {name: values.iloc[begin + places] for name, values in altered.items()}
    part = slice(begin, end)
    return _Copy(number=number, part=part, place=places, columns=columns)


def _differs(one: Values, other: Values) -> Bools:
    if one.dtype != other.dtype:
        one, other = one.astype(object), other.astype(object)
    missing, also = one.isna().to_numpy(), other.isna().to_numpy()
    different = (one.array != other.array) | missing | also
    return np.asarray(different, dtype=bool) & ~(missing & also)


def _answers(
    case: Case, frame: pd.DataFrame, batch: list[_Copy], asked: Asked | None
) -> list[Floats]:
    """Return the scores of each copy; what was asked before is not asked again."""
    keys = [_keys(copy, asked) for copy in batch]
    sent: dict[str, list[Ints]] = {}
    new = []
    for copy, own in zip(batch, keys, strict=True):
        if asked is None or own is None:
            new.append(copy)
            continue
        (name,) = copy.columns
        is_new = asked.is_new(name, own)
        for before in sent.get(name, []):
            is_new &= ~np.isin(own, before)
        sent.setdefault(name, []).append(own[is_new])
        new.append(_part_of(copy, is_new))
    ends = np.cumsum([len(copy.place) for copy in new])[:-1]
    found = np.split(_score(case, frame, new), ends)
    if asked is None:
        return found
    for copy, own, scores in zip(batch, keys, found, strict=True):
        if own is not None:
            (name,) = copy.columns
            asked.learn(name, sent[name].pop(0), scores)
    return [
        scores if own is None else asked.answers(next(iter(copy.columns)), own)
        for copy, own, scores in zip(batch, keys, found, strict=True)
    ]


def _keys(copy: _Copy, asked: Asked | None) -> Ints | None:
    if asked is None or len(copy.columns) != 1:
        return None
    ((name, values),) = copy.columns.items()
    return asked.keys(name, copy.part.start + copy.place, values)


def _part_of(copy: _Copy, chosen: Bools) -> _Copy:
    columns = {name: values[chosen] for name, values in copy.columns.items()}
    return replace(copy, place=copy.place[chosen], columns=columns)


def _score(case: Case, frame: pd.DataFrame, batch: list[_Copy]) -> Floats:
    place = np.concatenate([copy.part.start + copy.place for copy in batch])
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
    try:
        found = _score(case, frame, [copy])
    except ModelError as refusal:
        raised = isinstance(refusal, ModelRaisedError)
        return Altered(
            scores=None,
            outcome=REJECTED if raised else UNUSABLE,
            message=str(refusal),
            n_changed=len(copy.place),
            end=copy.part.stop,
        )
    return _scored(copy, clean, found)


def _scored(copy: _Copy, clean: Floats, found: Floats) -> Altered:
    scores = clean[copy.part].copy()
    if len(copy.place):
        scores[copy.place] = found
    n_changed = len(copy.place)
    return Altered(
        scores=scores,
        outcome=SCORED,
        message="",
        n_changed=n_changed,
        end=copy.part.stop,
    )
