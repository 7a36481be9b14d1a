"""The headline metric as the share of a class, or the mean of the target, moves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from readiness.checks.drift._base import LEVEL, LOSS, MIN_CATEGORY_ROWS, Base
from readiness.checks.drift._tilted import FLOOR, MIN_EFFECTIVE_BLOCKS
from readiness.errors import Reason
from readiness.levels import Levels, numeric_levels, share_levels
from readiness.metrics import Metric
from readiness.stats import Estimate, Floats, Interval
from readiness.tilt import TILTS, Tilt, effective_blocks, support, tilted
from readiness.tolerance import Arm, Budget, Point, Room, band, crossings
from readiness.tracing import Respond, trace

TIMES = 3.0  # the share may be a third of what it is, or three times as much
GRID = (0.25, 0.5, 0.75, 1.0)
BISECTIONS = 3
SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One class, or the target of a regression, moved both ways.

    Parameters
    ----------
    group : str
        ``class=label``, or empty where there is one sweep only.
    name : str
        What moves, for readers.
    start : float
        The share, or the mean target, of the rows as they are.
    past : tuple of float
        Lowest and highest of the historical windows; NaN where not known.
    arms : tuple of Arm
        Down and up; sizes in shares, or in target units.
    rooms : mapping of str to Room
        As `Base.rooms`, at the share fixed at its present value.
    metric : Room
        The headline metric itself, larger the better.
    """

    group: str
    name: str
    start: float
    past: tuple[float, float]
    arms: tuple[Arm, ...]
    rooms: dict[str, Room]
    metric: Room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mover:
    """What re-weights the rows to another share or mean."""

    base: Base
    levels: Levels
    family: str

    @property
    def start(self) -> float:
        """Where the rows are now."""
        return self.levels.mean

    def tilt(self, move: float) -> Tilt | None:
        """Return the tilt by a move, to a place fixed beforehand.

        What `tilted` then takes out is the error of the share itself: the estimate is
        that of rows drawn by class.
        """
        found = TILTS[self.family](self.levels, move / self.levels.sd)
        if found is None:
            return None
        reached = (self.levels.share * found.weight) @ found.moments
        error = found.weight[:, None] * (found.moments - reached)
        return replace(found, error=error)

    def weight(self, tilt: Tilt) -> Floats:
        """Return the row weights of a tilt."""
        weight = tilt.weight[self.levels.code]
        return weight if self.base.weight is None else weight * self.base.weight

    def there(self, move: float, metric: Metric | None = None) -> Estimate | None:
        """Return the headline metric, or another, after a move; None if undefined."""
        tilt = self.tilt(move)
        if tilt is None:
            return None
        weight, base = self.weight(tilt), self.base
        found = (
            base.weighted(weight)
            if metric is None
            else metric.estimate(base.y_true, base.y_score, weight, base.threshold)
        )
        return tilted(found, self.levels, tilt) if np.isfinite(found.value) else None

    def reach(self, sign: int) -> tuple[float, bool]:
        """Return how far the rows can speak one way, and if that is the end."""
        floor = FLOOR[self.base.metric.bounded]
        size, last = support(self.levels, self.family, sign, floor, self._carries)
        return size * self.levels.sd, last

    def _carries(self, tilt: Tilt) -> bool:
        return all(
            effective_blocks(self.levels, tilt, code) >= MIN_EFFECTIVE_BLOCKS
            for code in self.base.folds.codes
        )


def mover(base: Base, hit: npt.NDArray[np.bool_] | None) -> Mover | Reason:
    """Return what moves the share of `hit` rows, or the mean target where None."""
    if hit is None:
        levels = numeric_levels(base.y_true, base.weight)
        if levels is None:
            return Reason.BEYOND_SUPPORT
        return Mover(base=base, levels=levels, family="mean")
    rare = min(int(hit.sum()), int((~hit).sum()))
    levels = share_levels(hit, base.weight)
    if levels is None:
        return Reason.ONE_CLASS
    if rare < MIN_CATEGORY_ROWS:
        return Reason.TOO_FEW_ROWS
    return Mover(base=base, levels=levels, family="category")


def sweep(
    moved: Mover, group: str, name: str, past: tuple[float, float]
) -> Sweep | Reason:
    """Return the metric along the sweep, with the ends of the past among its points.

    Parameters
    ----------
    moved : Mover
    group, name, past
        As for `Sweep`.
    """
    base = moved.base
    now = moved.there(0.0)
    if now is None:
        return Reason.ONE_CLASS
    parts = base.folds.sums(now.influence)
    own = tuple(base.sign * part for part in parts)
    nothing = tuple(np.zeros_like(part) for part in parts)
    rooms = {LOSS: Room(value=base.case.tolerated_loss, parts=nothing)}
    if LEVEL in base.rooms:
        rooms = {LEVEL: Room(value=base.rooms[LEVEL].value, parts=own), **rooms}

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point | None]:
        return [_point(moved, now, arm.sign * size) for arm, size in wanted]

    arms = [_arm(moved, sign, past) for sign in (-1, 1)]
    traced = trace(arms, respond, tuple(rooms.values()), GRID, BISECTIONS)
    traced = [_with_past(arm, moved.start, past, respond) for arm in traced]
    return Sweep(
        group=group,
        name=name,
        start=moved.start,
        past=past,
        arms=tuple(traced),
        rooms=rooms,
        metric=Room(value=base.sign * now.value, parts=own),
    )


def budgets(one: Sweep, room: str, seed: int) -> list[Budget]:
    """Return how far the share may fall and may rise, in that order."""
    found = []
    lines = band(one.arms, one.rooms[room], seed)
    for arm, (left, width) in zip(one.arms, lines, strict=True):
        value, low, high = crossings(arm, left, width)
        found.append(
            Budget(
                value=value if np.isfinite(value) else float("nan"),
                ci_low=min(low, arm.reach),
                ci_high=high,
                direction="down" if arm.sign < 0 else "up",
                name="",
                censored=bool(np.isinf(value)),
            )
        )
    return found


def curve(base: Base, one: Sweep, seed: int) -> list[tuple[float, float, float, float]]:
    """Return share, metric and its simultaneous band, by rising share."""
    rows = {}
    for arm, (left, width) in zip(
        one.arms, band(one.arms, one.metric, seed), strict=True
    ):
        for point, value, half in zip(arm.points, left, width, strict=True):
            ends = [base.sign * (value - half), base.sign * (value + half)]
            low, high = max(min(ends), base.metric.lowest), max(ends)
            place = one.start + arm.sign * point.size
            rows[place] = (base.sign * value, low, min(high, base.metric.highest))
    return [(place, *rows[place]) for place in sorted(rows)]


def worst_of_past(base: Base, one: Sweep, seed: int) -> Interval | Reason:
    """Return the metric where it is worst between the ends of the past.

    Its limits are those of the simultaneous band: the place was not chosen beforehand.
    """
    low, high = one.past
    if not np.isfinite(low):
        return Reason.NO_TIME
    rows = curve(base, one, seed)
    if low < rows[0][0] - SAME or high > rows[-1][0] + SAME:
        return Reason.BEYOND_SUPPORT
    inside = [row for row in rows if low - SAME <= row[0] <= high + SAME]
    worst = [base.sign * min(base.sign * row[k] for row in inside) for k in (1, 2, 3)]
    return replace(
        base.interval,
        value=worst[0],
        ci_low=worst[1],
        ci_high=worst[2],
        se=float("nan"),
        dependence_factor=float("nan"),
    )


def is_flat(one: Sweep) -> bool:
    """Return whether the metric does not depend on the share at all."""
    return all(abs(point.loss) < SAME for arm in one.arms for point in arm.points)


def _arm(moved: Mover, sign: int, past: tuple[float, float]) -> Arm:
    """Return one direction: as far as asked, no farther than the rows can speak."""
    reach, last = moved.reach(sign)
    start = moved.start
    asked = np.inf
    if moved.family == "category":
        # Neither the class nor the rest falls below a third of what it is.
        asked = (
            start * (1 - 1 / TIMES)
            if sign < 0
            else min(start * (TIMES - 1), (1 - start) * (1 - 1 / TIMES))
        )
    gone = sign * (past[sign > 0] - start)
    if np.isfinite(gone):
        asked = max(asked, gone)
    return Arm(
        name="", sign=sign, reach=float(min(reach, asked)), last=last and reach <= asked
    )


def _with_past(
    arm: Arm, start: float, past: tuple[float, float], respond: Respond
) -> Arm:
    known = [point.size for point in arm.points]
    sizes = [arm.sign * (end - start) for end in past]
    new = [
        (arm, size)
        for size in sizes
        if 0 < size <= arm.reach and np.min(np.abs(np.array(known) - size)) > SAME
    ]
    points = [*arm.points, *(one for one in respond(new) if one is not None)]
    return replace(arm, points=tuple(sorted(points, key=lambda one: one.size)))


def _point(moved: Mover, now: Estimate, move: float) -> Point | None:
    base, there = moved.base, moved.there(move)
    if there is None:
        return None
    influence = base.sign * (now.influence - there.influence)
    return Point(
        size=abs(move),
        loss=base.sign * (now.value - there.value),
        parts=base.folds.sums(influence),
    )
