"""One column tilted in every way its values allow."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from readiness.checks.drift._base import (
    Base,
    frequent_categories,
    largest_move,
    numbers,
    outlying,
)
from readiness.checks.drift._clocks import move_unit
from readiness.checks.drift._directions import Direction
from readiness.checks.drift._report import UNITS, Moved
from readiness.errors import NotAssessedError, Reason
from readiness.levels import Levels, numeric_levels, share_levels
from readiness.stats import Floats, Ints
from readiness.tilt import TILTS, Tilt, effective_blocks, support, tilted
from readiness.tolerance import Arm, Point
from readiness.tracing import trace

MIN_EFFECTIVE_BLOCKS = 25
FLOOR = {True: 0.3, False: 0.5}  # of the rows, by whether the metric is bounded
MIN_OUTLIERS = 30  # rows
QUARTERS = (0.25, 0.5, 0.75, 1.0)
GRID = {"mean": QUARTERS, "scale": QUARTERS, "direction": QUARTERS}
SHARE_GRID = (0.5, 1.0)
BISECTIONS = 2


def tilt_column(
    base: Base, name: str, windows: Ints | None, gone: dict[bytes, tuple[Arm, ...]]
) -> tuple[list[Moved], list[tuple[str, str, Reason]]]:
    """Return what moving one column gave, and which families it could not move.

    Columns of one feed go missing together: `gone` keeps their arms.
    """
    kind = base.case.columns[name].kind
    family = "mean" if kind in ("numeric", "time") else "category"
    values = base.values(name)
    missing = values.isna().to_numpy()
    if missing.all():
        return [], [(name, family, Reason.ALL_NULL)]
    try:
        moved = (
            _numeric(base, name, numbers(values, kind), windows)
            if family == "mean"
            else _categories(base, name, values, windows)
        )
    except NotAssessedError as error:
        return [], [(name, family, error.code)]
    skipped = [] if moved else [(name, family, Reason.BEYOND_SUPPORT)]
    levels = share_levels(missing, base.weight)
    if levels is not None:
        past = largest_move(missing.astype(float), windows)
        rows = np.packbits(missing).tobytes()
        if rows not in gone:
            gone[rows] = _arms(base, {"": levels}, "missing")
        moved.append(_moved(base, name, "missing", gone[rows], past=past))
    return moved, skipped


def _numeric(
    base: Base, name: str, values: Floats, windows: Ints | None
) -> list[Moved]:
    levels = numeric_levels(values, base.weight)
    if levels is None:
        return []
    families = [("mean", "mean"), ("scale", "sd")]
    if levels.known.sum() == 2:  # noqa: PLR2004 (the mean of two values gives their SD)
        families = families[:1]
    moved = [
        _moved(
            base,
            name,
            family,
            _arms(base, {"": levels}, family),
            sd=levels.sd,
            past=largest_move(values, windows, statistic) / levels.sd,
        )
        for family, statistic in families
    ]
    outside = outlying(values)
    share = share_levels(outside, base.weight)
    if share is not None and outside.sum() >= MIN_OUTLIERS:
        past = largest_move(outside.astype(float), windows)
        arms = _arms(base, {"": share}, "outlier")
        moved.append(_moved(base, name, "outlier", arms, past=past))
    return moved


def tilt_direction(base: Base, direction: Direction) -> list[Moved]:
    """Return what moving the population along a direction gave; nothing if it cannot.

    The move is in standard deviations of where the rows stand along the direction.
    """
    levels = numeric_levels(direction.place, base.weight)
    if levels is None:
        return []
    return [
        Moved(
            column=direction.name,
            family="direction",
            arms=_arms(base, {"": levels}, "direction"),
            sd=1.0,
            unit="SD",
            past=direction.past,
            n_rows=len(base.rows),
        )
    ]


def _categories(
    base: Base, name: str, values: pd.Series, windows: Ints | None
) -> list[Moved]:
    frequent = frequent_categories(values)
    hits = {
        str(one): (values == one).fillna(False).to_numpy(bool) for one in frequent.index
    }
    levels = {one: share_levels(hit, base.weight) for one, hit in hits.items()}
    usable = {one: level for one, level in levels.items() if level is not None}
    if not usable:
        return []
    past = [largest_move(hits[one].astype(float), windows) for one in usable]
    arms = _arms(base, usable, "category")
    return [_moved(base, name, "category", arms, past=float(np.max(past)))]


def _moved(
    base: Base,
    name: str,
    family: str,
    arms: tuple[Arm, ...],
    *,
    past: float,
    sd: float = 1.0,
) -> Moved:
    column = base.case.columns[name]
    unit = move_unit(column)
    return Moved(
        column=name,
        family=family,
        arms=arms,
        sd=sd,
        unit=unit if family in UNITS else "",
        past=past,
        n_rows=len(base.rows),
    )


def _arms(base: Base, levels: dict[str, Levels], family: str) -> tuple[Arm, ...]:
    """Return the traced arms of one family, both directions of every category."""
    floor = FLOOR[base.metric.bounded]
    arms = []
    for name, level in levels.items():
        enough = partial(_enough_blocks, base, level)
        for sign in (1, -1):
            reach, last = support(level, family, sign, floor, enough)
            arms.append(Arm(name=name, sign=sign, reach=reach, last=last))

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point | None]:
        return [
            _point(base, levels[arm.name], family, arm.sign * size)
            for arm, size in wanted
        ]

    grid = GRID.get(family, SHARE_GRID)
    return tuple(trace(arms, respond, tuple(base.rooms.values()), grid, BISECTIONS))


def _enough_blocks(base: Base, levels: Levels, tilt: Tilt) -> bool:
    return all(
        effective_blocks(levels, tilt, code) >= MIN_EFFECTIVE_BLOCKS
        for code in base.folds.codes
    )


def _point(base: Base, levels: Levels, family: str, move: float) -> Point | None:
    """Return the paired loss at one move, or None where the metric is undefined."""
    tilt = TILTS[family](levels, move)
    if tilt is None:
        return None
    weight = tilt.weight[levels.code]
    if base.weight is not None:
        weight = weight * base.weight
    there = base.weighted(weight)
    if not np.isfinite(there.value):
        return None
    there = tilted(there, levels, tilt)
    influence = base.sign * (base.estimate.influence - there.influence)
    return Point(
        size=abs(tilt.move),
        loss=base.sign * (base.estimate.value - there.value),
        parts=base.folds.sums(influence),
    )
