"""How far a row's score moves when some of its columns come from other rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from readiness.attribution_units import in_unit
from readiness.case import Case
from readiness.checks.explainability._loss_games import by_class
from readiness.scoring import score_frame
from readiness.stats import Floats, Ints

OWN, ONE_LIST = "each row's own reasons", "one list for all rows"
BEST, RANDOM = "best list found by trying", "columns drawn by lot"
Bools = NDArray[np.bool_]
BATCH_ROWS = 60_000  # rows per call to the model: bounds memory
MOST_TRIED = 20  # columns that a list found by trying is made of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Game:
    """Rows whose columns are replaced, and what they are replaced with.

    Parameters
    ----------
    case : Case
    pool : pandas.DataFrame
        The n rows, then the background.
    donors : ndarray of int, shape (n, m)
        Places in the pool of the m background rows each row draws on.
    unit : str
        Of the attributions: scores are turned into it.
    """

    case: Case
    pool: pd.DataFrame
    donors: Ints
    unit: str

    @property
    def n_rows(self) -> int:
        """Rows explained."""
        return len(self.donors)

    def said(self, frame: pd.DataFrame) -> Floats:
        """Return what the model says in the unit of the attributions."""
        return in_unit(by_class(self.case, score_frame(self.case, frame)), self.unit)

    def gaps(self, sets: Bools) -> Floats:
        """Return the mean size of the change when sets of columns are replaced.

        Parameters
        ----------
        sets : ndarray of bool, shape (n, s, d)
            Which columns each of s sets of each row replaces.

        Returns
        -------
        ndarray of shape (n, s)
            Of several classes, the change of the one predicted for the row.
        """
        own = self.said(self.pool.iloc[: self.n_rows])
        best = np.argmax(own, axis=1) if own.ndim > 1 else None
        n_sets, m = sets.shape[1], self.donors.shape[1]
        found = np.empty(sets.shape[:2])
        step = max(1, BATCH_ROWS // (n_sets * m))
        for start in range(0, self.n_rows, step):
            rows = np.arange(start, min(start + step, self.n_rows))
            said = self.said(self._replaced(rows, sets[rows]))
            before = own[rows]
            if best is not None:
                said = said[np.arange(len(said)), np.repeat(best[rows], n_sets * m)]
                before = before[np.arange(len(rows)), best[rows]]
            change = np.abs(said.reshape(len(rows), n_sets, m) - before[:, None, None])
            found[rows] = change.mean(axis=2)
        return found

    def _replaced(self, rows: Ints, sets: Bools) -> pd.DataFrame:
        shape = (*sets.shape[:2], self.donors.shape[1])
        own = np.broadcast_to(rows[:, None, None], shape)
        other = np.broadcast_to(self.donors[rows][:, None, :], shape)
        columns = {}
        for place, name in enumerate(self.pool.columns):
            source = np.where(sets[:, :, [place]], other, own).ravel()
            columns[name] = self.pool[name].array.take(source)
        return pd.DataFrame(columns)


def nested(order: Ints, depth: int) -> Bools:
    """Return the sets of the first 1, 2, ... columns of each row's order.

    Parameters
    ----------
    order : ndarray of int, shape (n, d)
        Columns, the most important first.
    depth : int

    Returns
    -------
    ndarray of bool, shape (n, depth, d)

    Examples
    --------
    >>> nested(np.array([[2, 0, 1]]), 2)[0].astype(int).tolist()
    [[0, 0, 1], [1, 0, 1]]
    """
    rank = np.argsort(order, axis=1)
    sets: Bools = rank[:, None, :] <= np.arange(depth)[:, None]
    return sets


def best_found(game: Game, depth: int, screen: Floats) -> tuple[Ints, Floats]:
    """Return each row's list found by trying: the next column moves the score most.

    Parameters
    ----------
    game : Game
    depth : int
    screen : ndarray of shape (n, d)
        `Game.gaps` of each column by itself; the 20 largest are tried further.

    Returns
    -------
    order : ndarray of int, shape (n, depth)
    gaps : ndarray of shape (n, depth)
    """
    n_rows, d = screen.shape
    tried = np.argsort(-screen, axis=1, kind="stable")[:, :MOST_TRIED]
    first = np.arange(n_rows)
    order = tried[:, :1]
    gaps = [screen[first, order[:, 0]]]
    taken = np.zeros((n_rows, d), dtype=bool)
    taken[first, order[:, 0]] = True
    for _ in range(1, min(depth, tried.shape[1])):
        sets = np.repeat(taken[:, None, :], tried.shape[1], axis=1)
        np.put_along_axis(sets, tried[:, :, None], values=True, axis=2)
        found = game.gaps(sets)
        found[np.take_along_axis(taken, tried, axis=1)] = -np.inf
        pick = np.argmax(found, axis=1)
        gaps.append(found[first, pick])
        chosen = tried[first, pick]
        taken[first, chosen] = True
        order = np.column_stack([order, chosen])
    return order, np.column_stack(gaps)


def walk(
    game: Game, sizes: Floats, depth: int, overall: Floats, seed: int
) -> dict[str, Floats]:
    """Return how far scores move along each list, (n, depth) each.

    Parameters
    ----------
    game : Game
    sizes : ndarray of shape (n, d)
        Of the explanation, row by row; the largest names the first column.
    depth : int
        Less than d.
    overall : ndarray of shape (d,)
        Of all rows.
    seed : int
        Of the columns drawn by lot.
    """
    n_rows, d = sizes.shape
    alone = np.broadcast_to(np.eye(d, dtype=bool), (n_rows, d, d))
    screen = game.gaps(alone)
    lot = np.argsort(np.random.default_rng([seed, 44]).random((n_rows, d)), axis=1)
    one_list = np.argsort(-overall, kind="stable")
    orders = {
        OWN: np.argsort(-sizes, axis=1, kind="stable"),
        ONE_LIST: np.broadcast_to(one_list, (n_rows, d)),
        RANDOM: lot,
    }
    found = {name: game.gaps(nested(one, depth)) for name, one in orders.items()}
    found[RANDOM][:, 0] = screen.mean(axis=1)  # every first column, not one by lot
    found[BEST] = best_found(game, depth, screen)[1]
    return found
