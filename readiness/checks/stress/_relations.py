"""Relations a model must keep: changes that may not move a score, or only one way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.case import Case
from readiness.checks.stress._encodings import encodings
from readiness.columns import Column
from readiness.errors import ModelError
from readiness.models import ModelRaisedError
from readiness.scoring import score_frame
from readiness.stats import Floats, Ints

Bools = NDArray[np.bool_]
ALIKE = "in a batch of rows alike"
TWICE = "sent twice in one batch"
IRRELEVANT = "irrelevant="
MONOTONE = "monotone="
SAME = 1e-9  # of the spread of the scores; rounding differs between batches
N_GRID = 10
PLAUSIBLE = (0.01, 0.99)  # quantiles between which a value is moved
ANSWERS, REFUSES, UNUSABLE = "answers", "refuses", "gives unusable scores"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """Rows sent in another way that may not change a score.

    Parameters
    ----------
    relation, column : str
        The relation, and the column it is about; empty for none.
    frame : pandas.DataFrame
        m rows.
    place : ndarray of int, shape (m,)
        The good row each of them stands for.
    """

    relation: str
    column: str
    frame: pd.DataFrame
    place: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """How well a relation held on some rows.

    Parameters
    ----------
    relation, column : str
    outcome : str
        ``"answers"``, ``"refuses"`` or ``"gives unusable scores"``.
    violated : ndarray of bool, shape (n,)
        Rows on which it did not hold.
    by : ndarray of shape (n,)
        How far each score moved, or moved the wrong way.
    place : ndarray of int, shape (n,)
        The good rows.
    worst : mapping of str to object
        For a direction: where the score moved the wrong way most.
    """

    relation: str
    column: str
    outcome: str
    violated: Bools
    by: Floats
    place: Ints
    worst: Mapping[str, object]


def variants(
    case: Case, good: pd.DataFrame, scores: Floats, seed: int
) -> Iterator[Variant]:
    """Yield the ways of sending good rows that may not change a score.

    Parameters
    ----------
    case : Case
    good : pandas.DataFrame
        n rows, fresh index.
    scores : ndarray of shape (n,) or (n, k)
        Rows alike are rows with low, or with high scores.
    seed : int
        Of the shuffle of irrelevant columns.
    """
    n_rows = len(good)
    every = np.arange(n_rows)
    order = np.argsort(scores.reshape(n_rows, -1)[:, -1], kind="stable")
    for half in np.array_split(order, 2):
        if len(half):
            frame = good.iloc[half]
            yield Variant(relation=ALIKE, column="", frame=frame, place=half)
    twice = np.repeat(every, 2)
    yield Variant(relation=TWICE, column="", frame=good.iloc[twice], place=twice)
    for name, column in case.columns.items():
        for relation, values in encodings(good[name]):
            frame = good.assign(**{name: values})
            yield Variant(relation=relation, column=name, frame=frame, place=every)
        if column.role == "irrelevant":
            mixed = np.random.default_rng(seed).permutation(n_rows)
            values = good[name].take(mixed).set_axis(good.index)
            frame = good.assign(**{name: values})
            relation = f"{IRRELEVANT}{name}"
            yield Variant(relation=relation, column=name, frame=frame, place=every)


def invariance(case: Case, variant: Variant, scores: Floats, scale: float) -> Kept:
    """Return on which rows a variant changes the score.

    Parameters
    ----------
    case, variant : Case, Variant
    scores : ndarray of shape (n,) or (n, k)
        Scores of the good rows.
    scale : float
        What counts as the same score is relative to it.
    """
    outcome, found = answer(case, variant.frame)
    place = np.unique(variant.place)
    by = np.zeros(len(scores))
    if found is not None:
        gap = np.abs(found - scores[variant.place]).reshape(len(found), -1).max(axis=1)
        np.maximum.at(by, variant.place, gap)
    return Kept(
        relation=variant.relation,
        column=variant.column,
        outcome=outcome,
        violated=by[place] > SAME * scale,
        by=by[place],
        place=place,
        worst={},
    )


def answer(case: Case, frame: pd.DataFrame) -> tuple[str, Floats | None]:
    """Return what the model does with rows, and their scores if it answers."""
    try:
        return ANSWERS, score_frame(case, frame)
    except ModelError as refusal:
        is_loud = isinstance(refusal, ModelRaisedError)
        return (REFUSES if is_loud else UNUSABLE), None


def direction(case: Case, column: Column, good: pd.DataFrame, least: float) -> Kept:
    """Return on which rows a score moves against the declared direction.

    Parameters
    ----------
    case : Case
        Binary or regression.
    column : Column
        Numeric, with ``monotone``.
    good : pandas.DataFrame
        n rows, fresh index. Each is scored with its own value and with ten others.
    least : float
        A move the wrong way by no more is none.

    Notes
    -----
    Of a row's scores by rising value, the wrong way is the largest fall from a
    higher one to a later lower one (for a decreasing feature: rise), adjacent or not.
    """
    grid = _grid(column, good)
    n_rows, k = len(good), len(grid)
    rows = np.repeat(np.arange(n_rows), k)
    frame = good.iloc[rows].reset_index(drop=True)
    values = pd.Series(np.tile(grid, n_rows), index=frame.index)
    frame[column.name] = values.astype(good[column.name].dtype)
    outcome, found = answer(case, pd.concat([frame, good], ignore_index=True))
    nothing = np.zeros(n_rows)
    worst: dict[str, object] = {}
    by = nothing
    if found is not None:
        by, worst = _wrong_way(column, good, grid, found)
    return Kept(
        relation=f"{MONOTONE}{column.name}",
        column=column.name,
        outcome=outcome,
        violated=by > least,
        by=by,
        place=np.arange(n_rows),
        worst=worst,
    )


def _grid(column: Column, good: pd.DataFrame) -> Floats:
    """Return values from the lowest to the highest plausible one, in even ranks."""
    x = good[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
    steps = np.nanquantile(x, np.linspace(*PLAUSIBLE, N_GRID))
    if column.range is not None:
        steps = np.clip(steps, *column.range)
    if pd.api.types.is_integer_dtype(good[column.name].dtype):
        steps = np.rint(steps)
    return np.unique(steps)


def _wrong_way(
    column: Column, good: pd.DataFrame, grid: Floats, found: Floats
) -> tuple[Floats, dict[str, object]]:
    n_rows, k = len(good), len(grid)
    own = good[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.column_stack([np.tile(grid, (n_rows, 1)), own])
    sign = 1.0 if column.monotone == "increasing" else -1.0
    scores = np.column_stack([found[: n_rows * k].reshape(n_rows, k), found[-n_rows:]])
    # A missing value has no place in the order: it stands last, as its neighbour.
    scores[np.isnan(own), -1] = scores[np.isnan(own), -2]
    order = np.argsort(values, axis=1, kind="stable")
    curve = sign * np.take_along_axis(scores, order, axis=1)
    fall = np.maximum.accumulate(curve, axis=1) - curve
    by: Floats = fall.max(axis=1)
    row = int(np.argmax(by))
    end = int(np.argmax(fall[row]))
    start = int(np.argmax(curve[row, : end + 1]))
    at = np.take_along_axis(values, order, axis=1)[row]
    worst: dict[str, object] = {
        "row": row,
        "from": float(at[start]),
        "to": float(at[end]),
        "score_from": float(sign * curve[row, start]),
        "score_to": float(sign * curve[row, end]),
    }
    return by, worst
