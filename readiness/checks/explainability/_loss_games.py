"""What each column is worth in loss: shuffled, left out of the fit, shared fairly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.errors import ModelError, NotAssessedError
from readiness.models import Model
from readiness.refits import refit
from readiness.row_losses import row_loss
from readiness.scoring import charge, score_frame
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clustered_interval,
    relative_weights,
    weighted_mean,
)

BATCH_ROWS = 60_000  # rows per call to the model: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Labelled rows in random order, and what the model says about them.

    Parameters
    ----------
    case : Case
    frame : pandas.DataFrame of shape (n, d)
        The features.
    y_true, weight : ndarray of shape (n,); the weight may be None
    said : ndarray of shape (n,) or (n, k)
    clusters : Clusters
    """

    case: Case
    frame: pd.DataFrame
    y_true: Floats
    said: Floats
    weight: Floats | None
    clusters: Clusters

    def loss(self, said: Floats, rows: Ints | None = None) -> Floats:
        """Return the loss of scores of all rows, or of some (repeats allowed)."""
        y_true = self.y_true if rows is None else self.y_true[rows]
        return row_loss(self.case, y_true, said).values

    def score(self, frame: pd.DataFrame) -> Floats:
        """Return scores; one column per class where a model only names classes."""
        return by_class(self.case, score_frame(self.case, frame))

    def interval(self, estimate: Estimate) -> Interval:
        """Return the clustered interval of an estimate from the first of these rows."""
        first = np.arange(len(estimate.influence))
        return clustered_interval(estimate, self.clusters.take(first))


def by_class(case: Case, scores: Floats) -> Floats:
    """Return scores that can be averaged: classes named become columns of 0 and 1."""
    if case.task != "multiclass" or scores.ndim > 1:
        return scores
    one_column_each: Floats = np.eye(len(case.classes))[scores.astype(np.int64)]
    return one_column_each


def shuffled(rows: Rows, name: str, shifts: Ints) -> Estimate:
    """Return the rise of the mean loss when a column comes from other rows.

    Parameters
    ----------
    rows : Rows
        In random order.
    name : str
    shifts : ndarray of int
        Each row gets the value of the row so many places before it, once per shift.

    Returns
    -------
    Estimate
        Its influence counts each row twice, as the one that gets a value and as the
        one that gives it.
    """
    n_rows = len(rows.frame)
    weights = relative_weights(n_rows, rows.weight)
    clean = rows.loss(rows.said)
    gets, gives = np.zeros(n_rows), np.zeros(n_rows)
    for shift in shifts:
        donor = np.roll(np.arange(n_rows), shift)
        altered = rows.frame.assign(**{name: rows.frame[name].array.take(donor)})
        rise = weights * (rows.loss(rows.score(altered)) - clean)
        gets += rise / len(shifts)
        gives[donor] += rise / len(shifts)
    value = float(np.mean(gets))
    influence = gets - weights * value + gives - value
    return Estimate(value=value, influence=influence)


def left_out(
    rows: Rows, training: pd.DataFrame, names: Sequence[str], seed: int
) -> dict[str, Estimate | NotAssessedError | ModelError]:
    """Return the rise of the mean loss when the model is fitted without a column.

    Parameters
    ----------
    rows : Rows
        To judge on.
    training : pandas.DataFrame
        Labelled rows to fit on, all columns of the table.
    names : sequence of str
    seed : int
        Of every fit.

    Returns
    -------
    dict
        By name: the estimate, paired by row, or what the fit raised.

    Notes
    -----
    A column is taken out by holding it at one of its own values, in every row of
    training and reference: it then tells a model nothing, and no model needs to be
    built for fewer columns.
    """
    whole = _losses(rows, refit(rows.case, training, seed), rows.frame)
    found: dict[str, Estimate | NotAssessedError | ModelError] = {}
    for name in names:
        typical = training[name].iloc[[_typical(training[name])]]
        fixed = training.assign(**{name: _repeated(typical, len(training))})
        judged = rows.frame.assign(**{name: _repeated(typical, len(rows.frame))})
        try:
            model = refit(rows.case, fixed, seed)
            without = _losses(rows, model, judged)
        except (NotAssessedError, ModelError) as error:
            found[name] = error
            continue
        found[name] = weighted_mean(without - whole, rows.weight)
    return found


def _losses(rows: Rows, model: Model, frame: pd.DataFrame) -> Floats:
    charge(f"fit {id(model)}", len(frame))
    return rows.loss(by_class(rows.case, model.predict(frame)))


def _typical(values: "pd.Series[Any]") -> int:
    """Return where the most frequent known value stands first; the smallest of ties."""
    known = values.dropna()
    if known.empty:
        return 0
    counts = known.value_counts()
    often = min(counts.index[counts == counts.max()], key=str)
    return int(np.argmax((values == often).to_numpy(dtype=bool, na_value=False)))


def _repeated(one: "pd.Series[Any]", n_rows: int) -> Any:  # noqa: ANN401 (an array of the column's type)
    return one.array.take(np.zeros(n_rows, dtype=np.int64))


def shared(
    rows: Rows, n_rows: int, n_background: int, rng: np.random.Generator
) -> Floats:
    """Return each row's loss explained by each column: loss-based Shapley values.

    Parameters
    ----------
    rows : Rows
        In random order; the first `n_rows` are explained.
    n_background : int
        Even; rows that unknown values are taken from, drawn for each row.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_rows, d)
        Per row they add up to the loss of the mean score less the loss of the row's
        own. Their means are the global values.

    Notes
    -----
    One order of the columns per row, taken forwards and backwards. The mean of few
    background scores has too large a loss on average; halving the background shows by
    how much, and that is taken off (exactly so for squared errors).

    References
    ----------
    I. Covert, S. Lundberg, S.-I. Lee (2020), arXiv:2004.00668 (SAGE).
    """
    n_columns = rows.frame.shape[1]
    ranks = np.argsort(rng.random((n_rows, n_columns)), axis=1)
    donors = rng.integers(len(rows.frame), size=(n_rows, n_background))
    first = np.arange(n_rows)
    nothing = np.broadcast_to(rows.said.mean(axis=0), rows.said[:n_rows].shape)
    ends = (rows.loss(nothing, first), rows.loss(rows.said[:n_rows], first))
    per_call = max(1, BATCH_ROWS // (n_background * max(n_columns - 1, 1)))
    values = np.empty((n_rows, n_columns))
    for start in range(0, n_rows, per_call):
        chunk = first[start : start + per_call]
        both = [
            _walk(rows, chunk, donors[chunk], one[chunk], ends)
            for one in (ranks, n_columns - 1 - ranks)
        ]
        values[chunk] = (both[0] + both[1]) / 2
    return values


def _walk(
    rows: Rows, chunk: Ints, donors: Ints, ranks: Ints, ends: tuple[Floats, Floats]
) -> Floats:
    """Return how much the loss falls as columns become known in order of rank."""
    n_rows, n_columns = ranks.shape
    m, steps = donors.shape[1], np.arange(1, n_columns)
    path = np.empty((n_rows, n_columns + 1))
    path[:, 0], path[:, -1] = ends[0][chunk], ends[1][chunk]
    if len(steps):
        own = np.broadcast_to(chunk[:, None, None], (n_rows, len(steps), m))
        other = np.broadcast_to(donors[:, None, :], own.shape)
        columns = {}
        for place, name in enumerate(rows.frame.columns):
            is_known = (ranks[:, [place]] < steps)[:, :, None]
            source = np.where(is_known, own, other).ravel()
            columns[name] = rows.frame[name].array.take(source)
        said = rows.score(pd.DataFrame(columns))
        by_draw = said.reshape(n_rows * len(steps), m, *said.shape[1:])
        path[:, 1:-1] = _debiased(rows, by_draw, np.repeat(chunk, len(steps))).reshape(
            n_rows, len(steps)
        )
    return np.take_along_axis(-np.diff(path, axis=1), ranks, axis=1)


def _debiased(rows: Rows, by_draw: Floats, of: Ints) -> Floats:
    half = by_draw.shape[1] // 2
    parts = [by_draw[:, :half].mean(axis=1), by_draw[:, half:].mean(axis=1)]
    whole = rows.loss((parts[0] + parts[1]) / 2, of)
    return 2 * whole - (rows.loss(parts[0], of) + rows.loss(parts[1], of)) / 2
