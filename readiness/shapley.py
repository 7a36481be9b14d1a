"""Sampled Shapley values of any model, on the raw columns people know."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.errors import NotAssessedError
from readiness.stats import Floats, Ints, student_quantile

Predict = Callable[[pd.DataFrame], Floats]

MIN_PAIRS = 10  # below this, intervals from replicates are too narrow (METHODS 3.1)
PAIRS_PER_LOOK = 5
PROBE_ROWS = 100  # scored once more, to tell how long a row takes
SECONDS = 600.0  # what the draws of one explanation may take
BATCH_ROWS = 60_000  # composite rows per call to the model: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """Sampled attributions of n rows to d columns.

    Parameters
    ----------
    values, se : ndarray of shape (n, d)
        Attributions in the model's output units, and their standard errors.
    crossed : ndarray of shape (n, d)
        Sizes of the attributions judged by the sign of an independent half of the
        draws. Their mean is at most the mean size, in expectation; the mean of
        ``abs(values)`` is at least that.
    base : ndarray of shape (n,)
        Mean output over the background (of the row's class).
    n_pairs, n_evaluations : int
        Antithetic pairs per row, and rows given to the model.
    precise : bool
        Whether the draws ended because the precision was reached.
    """

    values: Floats
    se: Floats
    crossed: Floats
    base: Floats
    n_pairs: int
    n_evaluations: int
    precise: bool


def sampled_shapley(
    predict: Predict,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    rng: np.random.Generator,
    precision: float = 0.05,
    max_evaluations: int = 1_500_000,
    max_seconds: float = SECONDS,
) -> Sampled:
    """Return Shapley values of the game "columns not known come from the background".

    Parameters
    ----------
    predict : callable
        ``predict(frame)`` gives an array of shape (n,); or (n, k), of which each
        row's own largest column is explained.
    rows, background : pandas.DataFrame
        n rows to explain and m rows to draw unknown values from, same d columns and
        types.
    rng : numpy.random.Generator
    precision : float
        Draws end when, for every column, the sampling error of its mean size is
        below this share of the largest mean size.
    max_evaluations : int
        Draws end here at the latest, but never before ten pairs: the caller sees
        to it that these are within.
    max_seconds : float
        Wall time of the draws. It never decides how many there are, so the same
        inputs give the same numbers on any machine.

    Returns
    -------
    Sampled

    Raises
    ------
    NotAssessedError
        NOT_MEASURED before the first draw when ten pairs would take longer than
        `max_seconds`, and after a pair when the draws have.

    Notes
    -----
    One background row and one order of the columns per draw, each order also taken
    backwards. The output of the drawn background row serves as control variate, with
    one coefficient per column for all rows; the coefficients sum to -1, so each row's
    attributions add up exactly to its output minus the mean output over the *whole*
    background. The coefficient is estimated from the same draws: a bias of one in
    n times pairs.

    References
    ----------
    R. Mitchell et al. (2022), "Sampling permutations for Shapley value estimation".
    """
    pool = pd.concat([rows, background], ignore_index=True)
    output = np.asarray(predict(pool), dtype=float)
    n_rows, n_columns = rows.shape
    target = None if output.ndim == 1 else np.argmax(output[:n_rows], axis=1)
    game = _Game(
        predict=predict, pool=pool, n_rows=n_rows, output=output, target=target
    )
    base = _base(output, n_rows, target)
    draws: list[Floats] = []
    drawn_outputs: list[Floats] = []
    per_pair = 2 * n_rows * (n_columns - 1)
    evaluations = len(pool) + _require_time(
        predict, pool, MIN_PAIRS * per_pair, max_seconds
    )
    began = time.perf_counter()
    while True:
        picks = rng.integers(len(background), size=n_rows)
        ranks = np.argsort(rng.random((n_rows, n_columns)), axis=1)
        forward = game.walk(picks, ranks)
        backward = game.walk(picks, n_columns - 1 - ranks)
        draws.append((forward + backward) / 2)
        drawn_outputs.append(game.background_output(picks))
        evaluations += per_pair
        _require_time_left(time.perf_counter() - began, len(draws), max_seconds)
        if len(draws) < MIN_PAIRS or len(draws) % PAIRS_PER_LOOK:
            continue
        found = _summarise(np.stack(draws), np.stack(drawn_outputs), base)
        precise = bool(np.all(sampling_error(*found) <= precision * _top(found[0])))
        if precise or evaluations + PAIRS_PER_LOOK * per_pair > max_evaluations:
            break
    values, se, crossed = found
    return Sampled(
        values=values,
        se=se,
        crossed=crossed,
        base=base,
        n_pairs=len(draws),
        n_evaluations=evaluations,
        precise=precise,
    )


def affordable_rows(
    shape: tuple[int, int], max_evaluations: int, *, work: int, fewest: int
) -> int:
    """Return how many rows ten pairs of orders can be drawn for.

    Parameters
    ----------
    shape : tuple of int
        Rows to explain, and columns.
    max_evaluations : int
        Rows the model may still be given, its speed told with some of them.
    work, fewest : int
        Rows given to the model for ten pairs, at most, but for so many rows always.

    Raises
    ------
    NotAssessedError
        NOT_MEASURED when `max_evaluations` do not do for `fewest` rows.
    """
    n_rows, n_columns = shape
    per_row = 2 * MIN_PAIRS * max(n_columns - 1, 1)
    left = max_evaluations - PROBE_ROWS
    allowed = left // (per_row + 1)  # the row itself is scored once more
    if allowed < min(n_rows, fewest):
        missing = min(n_rows, fewest) * (per_row + 1) - left
        msg = (
            f"{MIN_PAIRS} pairs of orders need {missing:,} rows of the model more than "
            "they may cost. Raise the option evaluations, or lower rows and background."
        )
        raise NotAssessedError(msg)
    return min(n_rows, max(work // per_row, fewest), allowed)


def _require_time(
    predict: Predict, pool: pd.DataFrame, n_needed: int, max_seconds: float
) -> int:
    """Return the rows scored to tell that the least number of draws has time.

    The model has scored the pool before, so what it loads at first is not counted.
    """
    probe = pool.iloc[:PROBE_ROWS]
    began = time.perf_counter()
    predict(probe)
    expected = (time.perf_counter() - began) / len(probe) * n_needed
    if expected > max_seconds:
        msg = (
            f"{MIN_PAIRS} pairs of orders need {n_needed:,} more rows of the model, "
            f"about {expected:,.0f} s; an explanation may take {max_seconds:,.0f} s. "
            "Lower the option rows, or let the model score faster."
        )
        raise NotAssessedError(msg)
    return len(probe)


def _require_time_left(spent: float, n_pairs: int, max_seconds: float) -> None:
    if spent > max_seconds:
        msg = (
            f"An explanation may take {max_seconds:,.0f} s; {n_pairs} pairs of orders "
            f"took {spent:,.0f} s and were not precise yet. Lower the option "
            "evaluations, or rows."
        )
        raise NotAssessedError(msg)


def sampling_error(values: Floats, se: Floats, crossed: Floats) -> Floats:
    """Return, per column, how far the mean size may be off for want of draws.

    Parameters
    ----------
    values, se, crossed : ndarray of shape (n, d)
        As in `Sampled`.

    Returns
    -------
    ndarray of shape (d,)
        In output units: a one-sided 95 % half-width over the draws, plus the part
        of the mean size that noise alone may explain.
    """
    n_rows = len(values)
    spread = student_quantile(n_rows * (MIN_PAIRS - 1)) * np.sqrt(np.sum(se**2, axis=0))
    inflation = np.mean(np.abs(values) - crossed, axis=0)
    error: Floats = spread / n_rows + np.maximum(inflation, 0.0)
    return error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Game:
    """The rows, the background and what the model says about each of them."""

    predict: Predict
    pool: pd.DataFrame
    n_rows: int
    output: Floats
    target: Ints | None

    def walk(self, picks: Ints, ranks: Ints) -> Floats:
        """Return what each column adds when columns become known in order of rank."""
        n_columns = self.pool.shape[1]
        path = np.empty((self.n_rows, n_columns + 1))
        path[:, 0] = self.background_output(picks)
        path[:, -1] = self.of_target(self.output[: self.n_rows])
        per_call = max(1, BATCH_ROWS // self.n_rows)
        for first in range(1, n_columns, per_call):
            steps = np.arange(first, min(first + per_call, n_columns))
            scored = np.asarray(self.predict(self._mixed(picks, ranks, steps)), float)
            by_step = scored.reshape(len(steps), self.n_rows, *scored.shape[1:])
            path[:, steps] = np.stack([self.of_target(one) for one in by_step], axis=1)
        return np.take_along_axis(np.diff(path, axis=1), ranks, axis=1)

    def _mixed(self, picks: Ints, ranks: Ints, steps: Ints) -> pd.DataFrame:
        """Return rows whose columns of rank below the step are known, per step."""
        own = np.arange(self.n_rows)
        theirs = self.n_rows + picks
        columns = {}
        for place, name in enumerate(self.pool.columns):
            source = np.where(ranks[:, place] < steps[:, None], own, theirs)
            columns[name] = self.pool[name].array.take(source.ravel())
        return pd.DataFrame(columns)

    def background_output(self, picks: Ints) -> Floats:
        return self.of_target(self.output[self.n_rows + picks])

    def of_target(self, output: Floats) -> Floats:
        if self.target is None:
            return output
        chosen: Floats = output[np.arange(self.n_rows), self.target]
        return chosen


def _base(output: Floats, n_rows: int, target: Ints | None) -> Floats:
    mean = np.mean(output[n_rows:], axis=0)
    return np.full(n_rows, mean) if target is None else mean[target]


def _summarise(
    draws: Floats, drawn: Floats, base: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return values, standard errors and crossed sizes of draws (pairs, n, d)."""
    n_pairs, _, n_columns = draws.shape
    outputs = drawn - drawn.mean(axis=0)
    spread = float(np.sum(outputs**2))
    slope = np.full(n_columns, -1 / n_columns)
    if spread > 0:
        slope = np.einsum("pn,pnd->d", outputs, draws - draws.mean(axis=0)) / spread
    adjusted = draws - slope * (drawn - base)[..., None]
    values = adjusted.mean(axis=0)
    se = adjusted.std(axis=0, ddof=1) / np.sqrt(n_pairs)
    one, other = adjusted[::2].mean(axis=0), adjusted[1::2].mean(axis=0)
    crossed = (np.sign(one) * other + np.sign(other) * one) / 2
    return values, se, crossed


def _top(values: Floats) -> float:
    return float(np.max(np.mean(np.abs(values), axis=0)))
