"""Where to measure a curve: a first grid, then where it crosses a room."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from readiness.tolerance import Arm, Point, Room, band, crossings

Z_BAND = 2.3  # about where a band lies, in standard errors; steers bisection only
Respond = Callable[[Sequence[tuple[Arm, float]]], Sequence[Point | None]]


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


def sharpen(
    arms: Sequence[Arm], respond: Respond, rooms: Sequence[Room], seed: int
) -> list[Arm]:
    """Return traced arms with the points around their crossings measured again.

    Parameters
    ----------
    arms : sequence of Arm
        Traced on fewer rows; points before and after all crossings are kept.
    respond, rooms, seed
        As for `trace` and `budget`; `respond` rests on more rows of the same blocks.
    """
    sizes: list[list[float]] = [[] for _ in arms]
    for room in rooms:
        bands = band(arms, room, seed)
        for n, (arm, (left, width)) in enumerate(zip(arms, bands, strict=True)):
            crossed = crossings(arm, left, width)
            sizes[n] += [size for size in crossed if 0 < size < arm.reach]
    wanted = [(n, size) for n, one in enumerate(sizes) for size in sorted(set(one))]
    found = respond([(arms[n], size) for n, size in wanted]) if wanted else ()
    sharper = []
    for n, arm in enumerate(arms):
        near = [p for (k, _), p in zip(wanted, found, strict=True) if k == n and p]
        kept = [p for p in arm.points if not sizes[n] or _outside(p.size, sizes[n])]
        points = sorted([*kept, *near], key=lambda point: point.size)
        sharper.append(replace(arm, points=tuple(points)))
    return sharper


def _outside(size: float, sizes: Sequence[float]) -> bool:
    return size < min(sizes) or size > max(sizes)


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
