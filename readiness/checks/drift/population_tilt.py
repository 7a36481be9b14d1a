"""D1: how far the population may move before the model has lost too much."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import (
    Base,
    base_of,
    frequent_categories,
    largest_move,
    numbers,
    window_codes,
)
from readiness.checks.drift._panels import describe, draw_panels
from readiness.checks.drift._report import (
    Moved,
    base_table,
    budget_table,
    curve_table,
    summary_rows,
)
from readiness.checks.drift._sentences import Words, sentences
from readiness.errors import NotAssessedError, Reason
from readiness.levels import Levels, numeric_levels, share_levels
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import Floats, Ints, summary_frame
from readiness.text import number
from readiness.tilt import TILTS, Tilt, effective_blocks, support, tilted
from readiness.tolerance import Arm, Point, trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_EFFECTIVE_BLOCKS = 25
FLOOR = {True: 0.3, False: 0.5}  # of the rows, by whether the metric is bounded
GRID = {"mean": (0.25, 0.5, 0.75, 1.0), "scale": (0.25, 0.5, 0.75, 1.0)}
SHARE_GRID = (0.5, 1.0)
BISECTIONS = 2
WORDS = {
    "mean": Words(
        up="the mean of {column} may rise by {move}",
        down="the mean of {column} may fall by {move}",
    ),
    "scale": Words(
        up="the spread of {column} may grow by {move}",
        down="the spread of {column} may shrink by {move}",
    ),
    "category": Words(
        up="the share of one category of {column} may rise by {move}",
        down="the share of one category of {column} may fall by {move}",
    ),
    "missing": Words(
        up="the share of missing {column} may rise by {move}",
        down="the share of missing {column} may fall by {move}",
    ),
}


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far each column's population may move, without any model call.

    Parameters
    ----------
    case : Case
        With labelled rows the model was not fitted on; the table with the most
        blocks is used.
    options : Options
        The seed steers the bands.

    Returns
    -------
    Measurement
        ``mean_budget``, ``scale_budget`` (SD achieved), ``category_budget``,
        ``missing_budget`` (share of rows achieved): the smallest move that misses
        the acceptable value; the same with ``_loss`` for the move that costs the
        tolerated loss. Tables ``curves``, ``budgets``, ``base``.

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``ONE_CLASS``, or what scoring the rows raises.

    Notes
    -----
    Rows are re-weighted and keep their labels: P(y | x) is assumed to stay. A numeric
    column is tilted by ``w ~ exp(a z)`` (mean) or ``exp(a z + b z²)`` at an equal mean
    (spread), a category or the missing rows to a new share, and the curve is indexed
    by the move achieved. The metric is the weighted one, its loss paired, its error
    summed by block. No move is reported that leaves an effective share of the rows
    below 0.3 (0.5 for unbounded metrics) or fewer than 25 effective blocks. Other
    columns move along as far as they hang together with the tilted one. Below about
    60 blocks the intervals are a little too narrow.

    References
    ----------
    L. Kish (1965), Survey Sampling, for the effective sample size; J.-C. Deville,
    C.-E. Sarndal (1992), doi:10.1080/01621459.1992.10475217, for the error of weights
    solved from the sample.
    """
    base = base_of(case)
    windows = window_codes(base)
    moved: list[Moved] = []
    skipped: list[tuple[str, str, Reason]] = []
    for name in case.features:
        done, problem = _column(base, name, windows)
        moved += done
        skipped += problem
    n_rows = len(base.rows)
    rows = summary_rows(base, moved, skipped, families=tuple(WORDS), seed=options.seed)
    summary = summary_frame(rows)
    budgets = budget_table(summary, moved, case.tolerated_loss)
    opening = (
        f"Measured on {number(n_rows, 'count')} labelled rows of {base.scores.table} "
        f"in {number(base.interval.n_blocks, 'count')} blocks: rows are "
        "re-weighted and keep their labels."
    )
    return Measurement(
        summary=summary,
        tables={
            "curves": curve_table(base, moved, options.seed),
            "budgets": budgets,
            "base": base_table(base),
        },
        notes=(opening, *sentences(base, summary, budgets, WORDS)),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw what re-weighting costs, for the columns where it costs anything."""
    title = "Loss when the population moves and labels stay with their rows"
    return draw_panels(measurement, limits, title)


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return describe(measurement, "the loss when the population moves")


def _column(
    base: Base, name: str, windows: Ints | None
) -> tuple[list[Moved], list[tuple[str, str, Reason]]]:
    """Return what moving one column gave, and which families it could not move."""
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
        arms = _arms(base, {"": levels}, "missing")
        moved.append(_moved(base, name, "missing", arms, past=past))
    return moved, skipped


def _numeric(
    base: Base, name: str, values: Floats, windows: Ints | None
) -> list[Moved]:
    levels = numeric_levels(values, base.weight)
    if levels is None:
        return []
    return [
        _moved(
            base,
            name,
            family,
            _arms(base, {"": levels}, family),
            sd=levels.sd,
            past=largest_move(values, windows, statistic) / levels.sd,
        )
        for family, statistic in (("mean", "mean"), ("scale", "sd"))
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
    unit = base.case.columns[name].unit or ""
    unit = "days" if base.case.columns[name].kind == "time" else unit
    return Moved(
        column=name,
        family=family,
        arms=arms,
        sd=sd,
        unit=unit,
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


CHECK = Check(
    code="D1",
    title="Population tilt",
    question="How far may the population move before the model has lost too much?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="mean_budget",
            side="at_least",
            limit=0.5,
            required_in=(),
            groups="each",
            reason=(
                "Half a standard deviation is a common move between seasons; a model "
                "that misses its target within it needs watching from the first day."
            ),
        ),
        Limit(
            metric="mean_loss_budget",
            side="at_least",
            limit=0.5,
            required_in=(),
            groups="each",
            reason=(
                "Half a standard deviation is a common move between seasons and "
                "should not cost more than the tolerated loss."
            ),
        ),
    ),
    metrics=(
        "scale_budget",
        "scale_loss_budget",
        "category_budget",
        "category_loss_budget",
        "missing_budget",
        "missing_loss_budget",
    ),
)
