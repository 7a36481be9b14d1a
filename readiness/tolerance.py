"""Tolerance: how far a move may go before a metric has lost too much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from readiness.stats import Clusters, Floats, Ints, simultaneous_band

POOLS = 2000  # enough for the quantiles of a normal error
Parts = tuple[Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """The clusterings of n rows, ready to sum influence by block.

    Parameters
    ----------
    codes : tuple of numpy.ndarray of int, shape (n,)
        Block and entity codes from 0, where declared; else one code per row.
    counts : tuple of int
        Number of blocks of each clustering.
    """

    codes: tuple[Ints, ...]
    counts: tuple[int, ...]

    def sums(self, influence: Floats, rows: Ints | None = None) -> Parts:
        """Return what each block adds to the error of an estimate.

        Parameters
        ----------
        influence : numpy.ndarray of float, shape (k,)
            Of all n rows, or of the rows given.
        rows : numpy.ndarray of int, shape (k,), optional
            Positions of the rows the estimate rests on.
        """
        n_rows = len(influence)
        return tuple(
            np.bincount(code if rows is None else code[rows], influence, count) / n_rows
            for code, count in zip(self.codes, self.counts, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """One move and what it cost: positive `loss` is worse than before."""

    size: float
    loss: float
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """One direction of one family of moves, from no move to the farthest.

    Parameters
    ----------
    name : str
        The category that moves; empty for a numeric column.
    sign : int
        +1 or -1.
    reach : float
        The farthest move the data can speak about.
    last : bool
        True when no further move exists (a share at 0 or 1).
    points : tuple of Point
        Rising in size, the first at 0.
    """

    name: str
    sign: int
    reach: float
    last: bool
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """How much may be lost, and what each block adds to its error."""

    value: float
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The smallest move that uses a room up, with its interval.

    `value` is NaN and `censored` True where no arm uses it up; `ci_low` is then the
    move up to which nothing breaks. `ci_high` is infinite where the upper band never
    crosses. `direction` is ``"up"``, ``"down"``, or empty when censored.
    """

    value: float
    ci_low: float
    ci_high: float
    direction: str
    name: str
    censored: bool


def folds(clusters: Clusters, n_rows: int) -> Folds:
    """Return the clusterings of n rows; every row by itself when none is declared.

    More than twice `POOLS` blocks are pooled at random: the error estimate is the
    same and a curve of many points fits into memory.
    """
    declared = clusters.declared() or (np.arange(n_rows, dtype=np.int64),)
    dense = [_pooled(np.unique(code, return_inverse=True)[1]) for code in declared]
    return Folds(
        codes=tuple(dense),
        counts=tuple(int(code.max(initial=-1)) + 1 for code in dense),
    )


def band(arms: Sequence[Arm], room: Room, seed: int) -> list[tuple[Floats, Floats]]:
    """Return what is left of a room along each arm, and the half-width of its band.

    The band holds for all points of all arms at once, each side one-sided 95 %.

    Parameters
    ----------
    arms : sequence of Arm
        Of one column and family.
    room : Room
        Its blocks are those of the points.
    seed : int
        Of the multiplier bootstrap.
    """
    points = [point for arm in arms for point in arm.points]
    left = np.array([room.value - point.loss for point in points])
    width = np.zeros(len(points))
    for k, own in enumerate(room.parts):
        stacked = own[:, None] - np.column_stack([point.parts[k] for point in points])
        low, _, _ = simultaneous_band(
            left, stacked * len(own), Clusters(), np.random.default_rng(seed)
        )
        width = np.maximum(width, left - low)
    ends = np.cumsum([len(arm.points) for arm in arms])[:-1]
    return list(zip(np.split(left, ends), np.split(width, ends), strict=True))


def budget(arms: Sequence[Arm], room: Room, seed: int) -> Budget:
    """Return the smallest move along any arm that uses the room up.

    Parameters
    ----------
    arms, room, seed
        As for `band`.

    Notes
    -----
    The interval inverts the band: its lower limit is the first move at which the
    lower band has nothing left, its upper limit the first at which the upper has
    nothing left. An arm that ends before bounds the lower limit by its reach, unless
    no further move exists.
    """
    ends = [
        (arm, *crossings(arm, left, width))
        for arm, (left, width) in zip(arms, band(arms, room, seed), strict=True)
    ]
    value = min((v for _, v, _, _ in ends), default=np.inf)
    ci_low = min((low for _, _, low, _ in ends), default=np.inf)
    if np.isinf(ci_low):
        ci_low = max((arm.reach for arm in arms), default=0.0)
    first = next((arm for arm, v, _, _ in ends if v == value and np.isfinite(v)), None)
    return Budget(
        value=value if first else float("nan"),
        ci_low=ci_low,
        ci_high=min((high for *_, high in ends), default=np.inf),
        direction={1: "up", -1: "down", 0: ""}[first.sign if first else 0],
        name=first.name if first else "",
        censored=first is None,
    )


def worst(arms: Sequence[Arm]) -> tuple[float, Arm | None]:
    """Return the largest loss at any point, and the arm it lies on."""
    losses = [(point.loss, n) for n, arm in enumerate(arms) for point in arm.points]
    if not losses:
        return 0.0, None
    loss, n = max(losses)
    return loss, arms[n]


def first_below(sizes: Floats, line: Floats) -> float:
    """Return the first size at which a line falls below 0, by interpolation.

    Examples
    --------
    >>> first_below(np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0, -1.0]))
    1.5
    """
    below = np.flatnonzero(line < 0)
    if not below.size:
        return float("inf")
    k = int(below[0])
    if k == 0:
        return float(sizes[0])
    before, after = line[k - 1], line[k]
    if not np.isfinite(after):
        return float(sizes[k - 1])
    return float(sizes[k - 1] + (sizes[k] - sizes[k - 1]) * before / (before - after))


def _pooled(code: Ints) -> Ints:
    count = int(code.max(initial=-1)) + 1
    if count <= 2 * POOLS:
        return code
    return (np.random.default_rng(count).permutation(count) % POOLS)[code]


def crossings(arm: Arm, left: Floats, width: Floats) -> tuple[float, float, float]:
    """Return where an arm, its lower and its upper band use a room up, or infinity."""
    sizes = np.array([point.size for point in arm.points])
    low = first_below(sizes, left - width)
    if np.isinf(low) and not arm.last:
        low = arm.reach
    return first_below(sizes, left), low, first_below(sizes, left + width)
