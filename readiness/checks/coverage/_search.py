"""Groups of rows on which the model does worst: found on one half of the blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from readiness.patterns import Axis, Bools, pattern_counts
from readiness.stats import Floats, Ints

WEIGHT = 0.95  # of the loss against the size, in the score
ALIKE = 0.5  # two groups with more of their rows in common are one


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that share a value of a few attributes.

    Parameters
    ----------
    values : tuple of tuple of int
        Pairs of attribute and value of its axis.
    n_rows : int
    mean_loss, score : float
    """

    values: tuple[tuple[int, int], ...]
    n_rows: int
    mean_loss: float
    score: float


def slice_score(
    n_rows: Floats | Ints,
    loss: Floats,
    n_all: int,
    mean_loss: float,
    weight: float = WEIGHT,
) -> Floats:
    """Return how much worse than the whole groups do, less what smallness costs.

    Parameters
    ----------
    n_rows, loss : (k,) array
        Rows and summed loss of each group; no rows give minus infinity.
    n_all, mean_loss : int, float
        Of all rows; the mean is above 0.
    weight : float
        Of the loss against the size; with 1 the size does not count.

    References
    ----------
    S. Sagadeeva, M. Boehm (2021), doi:10.1145/3448016.3457323, equation (1).

    Examples
    --------
    >>> slice_score(np.array([100]), np.array([30.0]), 100, 0.3).tolist()
    [0.0]
    """
    rows = np.asarray(n_rows, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        worse = np.asarray(loss) / rows / mean_loss - 1
        small = n_all / rows - 1
        found = weight * worse - (1 - weight) * small
    return np.where(rows > 0, found, -np.inf)


def worst_groups(
    codes: Ints,
    loss: Floats,
    axes: Sequence[Axis],
    *,
    level: int,
    min_rows: int,
    most: int,
    weight: float = WEIGHT,
) -> list[Group]:
    """Return the groups of highest score, every pattern up to a level looked at.

    Parameters
    ----------
    codes : (n, d) array of int
        Cells of d attributes.
    loss : (n,) array of float
        Not negative.
    axes : sequence of Axis, length d
    level : int
        Attributes combined at most.
    min_rows : int
        Smallest group.
    most : int
        Longest list; a group that shares more than half of its rows, or theirs, with a
        better one is left out.
    weight : float
        As for `slice_score`.
    """
    mean_loss = float(loss.mean()) if len(loss) else 0.0
    if not mean_loss > 0:
        return []
    found: dict[tuple[tuple[int, int], ...], Group] = {}
    for columns in combinations(range(len(axes)), min(level, len(axes))):
        for one in _of_columns(codes, loss, axes, columns, min_rows, mean_loss, weight):
            found[one.values] = one
    ordered = sorted(found.values(), key=lambda one: (-one.score, one.values))
    chosen: list[Group] = []
    rows: list[Bools] = []
    for one in ordered:
        here = members(codes, axes, one)
        if not any(_alike(here, other) for other in rows):
            chosen.append(one)
            rows.append(here)
        if len(chosen) == most:
            break
    return chosen


def members(codes: Ints, axes: Sequence[Axis], one: Group) -> Bools:
    """Return which of n rows are in a group."""
    hit = np.ones(len(codes), dtype=bool)
    for place, value in one.values:
        hit &= axes[place].members[value][codes[:, place]]
    return hit


def _of_columns(  # noqa: PLR0917 (the rows, and where to look)
    codes: Ints,
    loss: Floats,
    axes: Sequence[Axis],
    columns: tuple[int, ...],
    min_rows: int,
    mean_loss: float,
    weight: float,
) -> list[Group]:
    own = [axes[place] for place in columns]
    shape = tuple(one.members.shape[1] for one in own)
    flat = np.ravel_multi_index(tuple(codes[:, place] for place in columns), shape)
    size = int(np.prod(shape))
    rows = pattern_counts(np.bincount(flat, minlength=size).reshape(shape), own)
    sums = np.bincount(flat, loss, minlength=size).reshape(shape)
    for place, axis in enumerate(own):
        moved = np.tensordot(axis.members.astype(float), sums, axes=(1, place))
        sums = np.moveaxis(moved, 0, place)
    score = slice_score(rows, sums, len(loss), mean_loss, weight)
    groups = []
    for at in np.argwhere((score > 0) & (rows >= min_rows)):
        values = tuple(
            (place, int(value))
            for place, value, axis in zip(columns, at, own, strict=True)
            if value != len(axis.parents) - 1
        )
        n_rows = int(rows[tuple(at)])
        groups.append(
            Group(
                values=values,
                n_rows=n_rows,
                mean_loss=float(sums[tuple(at)]) / n_rows,
                score=float(score[tuple(at)]),
            )
        )
    return groups


def _alike(a: Bools, b: Bools) -> bool:
    both = int((a & b).sum())
    return both > ALIKE * min(int(a.sum()), int(b.sum()))
