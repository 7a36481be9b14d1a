"""The cheapest change of a row, feature by feature, that flips its decision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._decisions import Bools, Decider
from readiness.checks.stress._noise import Noisy, values_of
from readiness.checks.stress._split_points import Move
from readiness.scoring import score_frame
from readiness.stats import Floats, Ints

BATCH_ROWS = 50_000
N_HALVINGS = 12  # of the interval in which the decision flips


@dataclass(slots=True, kw_only=True, eq=False)
class Search:
    """Rows under search: what was changed so far, and what it cost.

    Parameters
    ----------
    case, decider : Case, Decider
    rows, before : pandas.DataFrame, ndarray
        n rows as they were, fresh index, and their scores.
    now : pandas.DataFrame
        The rows with their changes.
    spent : ndarray of shape (n,)
        Sum of the changes so far, in SDs.
    done : ndarray of bool, shape (n,)
        Whether the decision has flipped.
    changed : list of list of str
        The features changed, row by row.
    """

    case: Case
    decider: Decider
    rows: pd.DataFrame
    before: Floats
    now: pd.DataFrame
    spent: Floats
    done: Bools
    changed: list[list[str]] = field(default_factory=list)

    def scores(self, parts: Sequence["Part"]) -> Floats:
        """Return the scores of rows with other values, all parts in one call."""
        frame = self.now.iloc[np.concatenate([part.rows for part in parts])]
        frame = frame.reset_index(drop=True)
        start = 0
        for part in parts:
            end = start + len(part.rows)
            values = values_of(frame, part.move.name).copy()
            values[start:end] = part.values
            frame[part.move.name] = _typed(values, frame[part.move.name])
            start = end
        return score_frame(self.case, frame)

    def give(self, move: Move, rows: Ints, values: Floats) -> None:
        """Change one feature of some rows for good."""
        own = values_of(self.now, move.name).copy()
        self.spent[rows] += np.abs(values - own[rows]) / move.sd
        own[rows] = values
        self.now[move.name] = _typed(own, self.now[move.name])
        for row in rows:
            self.changed[row].append(move.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Rows with another value of one feature each; a row may stand there often."""

    move: Move
    rows: Ints
    values: Floats


@dataclass(slots=True, kw_only=True, eq=False)
class Best:
    """For each of n rows, the best single value so far: of which move, and which.

    `size` is what it is judged by: the cost of a flip, or the margin that remains.
    """

    size: Floats
    value: Floats
    move: Ints

    def improve(self, move: int, rows: Ints, size: Floats, value: Floats) -> None:
        """Take the values of one move for rows where they are better."""
        better = size < self.size[rows]
        self.size[rows[better]], self.value[rows[better]] = size[better], value[better]
        self.move[rows[better]] = move


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """What the values of one feature do to n rows.

    Parameters
    ----------
    hit : ndarray of int, shape (m,)
        Places of the rows that some value flips.
    part : Part
        These rows with the nearest value that does.
    holds : ndarray of shape (m,)
        A value on the way there that does not.
    margin, nearest : ndarray of shape (n,)
        The smallest margin of a row, and the value that gives it.
    """

    hit: Ints
    part: Part
    holds: Floats
    margin: Floats
    nearest: Floats


def search(
    ask: Noisy,
    rows: pd.DataFrame,
    before: Floats,
    moves: tuple[Move, ...],
    most_columns: int,
) -> Search:
    """Look for the cheapest change of each row that flips its decision.

    Parameters
    ----------
    ask : Noisy
        Gives the case and its rule of decision.
    rows, before : pandas.DataFrame, ndarray
        n rows, fresh index, and their scores.
    moves : tuple of Move
    most_columns : int
        Features that may change in one row.

    Returns
    -------
    Search
        ``spent`` is what was found, in SDs summed over features: never less than the
        cheapest there is. Rows that are not ``done`` were not flipped.

    Notes
    -----
    Coordinate search. Every value of every feature is tried by itself, the others
    fixed; the nearest that flips the decision is approached by halving. Rows without
    one get the single value that brings them nearest to another decision, and the
    remaining features are tried.
    """
    state = Search(
        case=ask.case,
        decider=ask.decider,
        rows=rows,
        before=before,
        now=rows.copy(),
        spent=np.zeros(len(rows)),
        done=np.zeros(len(rows), dtype=bool),
        changed=[[] for _ in range(len(rows))],
    )
    for _ in range(most_columns):
        left = np.flatnonzero(~state.done)
        if not len(left) or not _one_round(state, moves, left):
            break
    return state


def _one_round(state: Search, moves: tuple[Move, ...], left: Ints) -> bool:
    """Flip what one more feature can flip; else go nearer. False: nothing moved."""
    none, nobody = np.full(len(left), np.nan), np.full(len(left), -1)
    here = score_frame(state.case, state.now.iloc[left])
    margin = state.decider.margin(state.before[left], here)
    flip = Best(size=np.full(len(left), np.inf), value=none.copy(), move=nobody.copy())
    near = Best(size=margin, value=none.copy(), move=nobody.copy())
    usable = [_usable(state, move, left) for move in moves]
    first = _tried(state, moves, [left[one] for one in usable])
    found = _halved(state, [tried.part for tried in first], [t.holds for t in first])
    for place, (tried, at, value) in enumerate(zip(first, usable, found, strict=True)):
        mine = at[tried.hit]
        own = values_of(state.now.iloc[left[mine]], moves[place].name)
        flip.improve(place, mine, np.abs(value - own) / moves[place].sd, value)
        near.improve(place, at, tried.margin, tried.nearest)
    done = flip.move >= 0
    by = np.where(done, flip.move, near.move)
    to = np.where(done, flip.value, near.value)
    for place, move in enumerate(moves):
        mine = np.flatnonzero(by == place)
        state.give(move, left[mine], to[mine])
    state.done[left[done]] = True
    return bool((by >= 0).any())


def _usable(state: Search, move: Move, left: Ints) -> Ints:
    """Return the places of rows that have the feature, not changed so far."""
    free = np.array([move.name not in state.changed[row] for row in left])
    known = np.isfinite(values_of(state.now.iloc[left], move.name))
    return np.flatnonzero(free & known)


def _tried(state: Search, moves: Sequence[Move], rows: Sequence[Ints]) -> list[Tried]:
    """Try every value of every feature, each by itself."""
    parts = [
        Part(
            move=move,
            rows=np.repeat(some, len(move.values)),
            values=np.tile(move.values, len(some)),
        )
        for move, some in zip(moves, rows, strict=True)
    ]
    scores = [one for batch in _batches(parts) for one in _split(state, batch)]
    return [
        _nearest(state, move, some, found)
        for move, some, found in zip(moves, rows, scores, strict=True)
    ]


def _batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield parts to score in one call; a wide table does not fit into one."""
    waiting: list[Part] = []
    for part in parts:
        n_waiting = sum(len(one.rows) for one in waiting)
        if waiting and n_waiting + len(part.rows) > BATCH_ROWS:
            yield waiting
            waiting = []
        waiting.append(part)
    yield waiting


def _split(state: Search, parts: Sequence[Part]) -> list[Floats]:
    ends = np.cumsum([len(part.rows) for part in parts])[:-1]
    return np.split(state.scores(parts), ends)


def _nearest(state: Search, move: Move, rows: Ints, scores: Floats) -> Tried:
    k = len(move.values)
    before = np.repeat(state.before[rows], k, axis=0)
    flips = state.decider.flipped(before, scores).reshape(-1, k)
    margins = state.decider.margin(before, scores).reshape(-1, k)
    own = values_of(state.now.iloc[rows], move.name)
    hit = np.flatnonzero(flips.any(axis=1))
    away = np.where(flips, np.abs(move.values - own[:, None]), np.inf)
    first = np.argmin(away[hit], axis=1)
    nearest = np.argmin(margins, axis=1)
    return Tried(
        hit=hit,
        part=Part(move=move, rows=rows[hit], values=move.values[first]),
        holds=_before(move.values, own[hit], first),
        margin=margins[np.arange(len(rows)), nearest],
        nearest=move.values[nearest],
    )


def _before(values: Floats, own: Floats, first: Ints) -> Floats:
    """Return the last value, on the way to the nearest flip, at which none flips."""
    step = np.where(values[first] > own, -1, 1)
    neighbour = values[np.clip(first + step, 0, len(values) - 1)]
    is_between = (neighbour - own) * (values[first] - neighbour) > 0
    return np.where(is_between, neighbour, own)


def _halved(
    state: Search, parts: Sequence[Part], holds: Sequence[Floats]
) -> list[Floats]:
    """Return values that flip the decision, close to where each begins to flip."""
    flips = np.concatenate([part.values for part in parts])
    ends = np.cumsum([len(part.rows) for part in parts])[:-1]
    rows = np.concatenate([part.rows for part in parts])
    is_whole = np.concatenate([_are_whole(state, part) for part in parts])
    inner = np.concatenate(list(holds))
    for _ in range(N_HALVINGS if len(rows) else 0):
        middle = (inner + flips) / 2
        middle = np.where(is_whole, np.rint(middle), middle)
        pieces = zip(parts, np.split(middle, ends), strict=True)
        scores = state.scores([replace(part, values=one) for part, one in pieces])
        flipped = state.decider.flipped(state.before[rows], scores)
        flips = np.where(flipped, middle, flips)
        inner = np.where(flipped, inner, middle)
    return np.split(flips, ends)


def _are_whole(state: Search, part: Part) -> Bools:
    is_whole = pd.api.types.is_integer_dtype(state.now[part.move.name].dtype)
    return np.full(len(part.rows), is_whole)


def _typed(values: Floats, like: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series(values, index=like.index).astype(like.dtype)
