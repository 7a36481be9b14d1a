"""Tolerance: how far a move may go before a metric has lost too much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from readiness.stats import Clusters, Floats, Ints, simultaneous_band

POOLS = 2000  # enough for the quantiles of a normal error
Z_BAND = 2.3  # about where a band lies, in standard errors; steers bisection only
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


Respond = Callable[[Sequence[tuple[Arm, float]]], Sequence[Point | None]]


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


def trace(
    arms: Sequence[Arm],
    respond: Respond,
    rooms: Sequence[Room],
    shares: Sequence[float],
    rounds: int,
) -> list[Arm]:
    """Return the arms with their points: a first grid, then bisection at crossings.

    Parameters
    ----------
    arms : sequence of Arm
        Without points.
    respond : callable
        Gives the point of each (arm, size), or None where the metric is undefined:
        the arm then ends before it.
    rooms : sequence of Room
        What may be lost; the first move where one is used up is bisected, and that
        of the band around it.
    shares : sequence of float
        The first grid, as rising shares of each arm's reach, ending at 1.
    rounds : int
        Bisections.
    """
    nothing = tuple(np.zeros_like(part) for part in rooms[0].parts)
    start = Point(size=0.0, loss=0.0, parts=nothing)
    traced = [replace(arm, points=(start,)) for arm in arms]
    wanted = [
        (n, arm.reach * s) for n, arm in enumerate(arms) if arm.reach for s in shares
    ]
    for step in range(rounds + 1):
        if not wanted:
            break
        found = respond([(traced[n], size) for n, size in wanted])
        traced = [
            _with_points(
                arm,
                [(s, p) for (k, s), p in zip(wanted, found, strict=True) if k == n],
            )
            for n, arm in enumerate(traced)
        ]
        if step < rounds:
            wanted = [
                (n, size) for n, a in enumerate(traced) for size in _open(a, rooms)
            ]
    return traced


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
        (arm, *_crossings(arm, left, width))
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


def _crossings(arm: Arm, left: Floats, width: Floats) -> tuple[float, float, float]:
    sizes = np.array([point.size for point in arm.points])
    low = first_below(sizes, left - width)
    if np.isinf(low) and not arm.last:
        low = arm.reach
    return first_below(sizes, left), low, first_below(sizes, left + width)


def _with_points(arm: Arm, found: Sequence[tuple[float, Point | None]]) -> Arm:
    failed = [size for size, point in found if point is None]
    end = min(failed, default=np.inf)
    points = [*arm.points, *(p for _, p in found if p is not None and p.size < end)]
    points.sort(key=lambda point: point.size)
    if not failed:
        return replace(arm, points=tuple(points))
    return replace(arm, points=tuple(points), reach=points[-1].size, last=False)


def _open(arm: Arm, rooms: Sequence[Room]) -> list[float]:
    """Return the middles of the segments in which a room, or its band, is used up."""
    sizes = np.array([point.size for point in arm.points])
    middles: set[float] = set()
    for room in rooms:
        left = np.array([room.value - point.loss for point in arm.points])
        error = np.array([_rough_error(point, room) for point in arm.points])
        for line in (left, left - Z_BAND * error, left + Z_BAND * error):
            below = np.flatnonzero(line < 0)
            if below.size and below[0] > 0:
                k = below[0]
                middles.add(float(sizes[k - 1] + sizes[k]) / 2)
    return sorted(middles)


def _rough_error(point: Point, room: Room) -> float:
    pairs = zip(room.parts, point.parts, strict=True)
    return max(float(np.sqrt(np.sum((own - part) ** 2))) for own, part in pairs)
