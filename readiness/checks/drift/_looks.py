"""One column of fixed rows, altered in every way that can be read wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from readiness.checks.drift._altered import (
    Fixed,
    altered_point,
    drawn_noise,
    mixed_point,
    other_category,
    scores_of,
    share_more_rows_remove,
)
from readiness.checks.drift._base import (
    Base,
    frequent_categories,
    largest_move,
    numbers,
    outlying,
)
from readiness.checks.drift._clocks import is_clock
from readiness.checks.drift._dial import ALTERATIONS, Dial
from readiness.checks.drift._report import CALM, Moved
from readiness.errors import ModelError, NotAssessedError, Reason
from readiness.stats import Floats, Ints
from readiness.tolerance import Arm, Point, worst
from readiness.tracing import sharpen, trace

WIDEST = 3.0  # SD: "no break up to" this
GRIDS = {  # by family and direction, as shares of the farthest move
    ("mean", 1): (1 / 12, 1 / 6, 1 / 3, 1.0),
    ("mean", -1): (1 / 12, 1 / 6, 1 / 3, 1.0),
    ("scale", 1): (1 / 3, 1.0),
    ("scale", -1): (1 / 2, 1.0),
    ("noise", 1): (1 / 6, 1 / 3, 1.0),
}
OFF = 5  # SD from the mean: a gross error
FLAG = 2  # distinct values: a shift means nothing, the other value does
SHARE_GRID = (0.05, 0.1, 0.2, 0.5, 1.0)  # mixed from one copy, so they cost nothing
BISECTIONS = 1  # the second look is spent at the crossings
ENOUGH_BETWEEN = 0.8  # of the variance: more rows of the same blocks then say little
UNSEEN = "a category never seen"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What every column of one look at the data shares.

    Parameters
    ----------
    fixed : Fixed
        The rows that are altered.
    windows : numpy.ndarray of int, or None
        Historical window of each row of the base.
    seed : int
        Of what is drawn.
    column : callable
        Gives the values of a column for all rows of the base.
    """

    fixed: Fixed
    windows: Ints | None
    seed: int
    column: Callable[[str], pd.Series]

    @property
    def base(self) -> Base:
        """The rows before anything is altered."""
        return self.fixed.base


def alter_column(
    first: Look, second: Callable[[], Look], name: str
) -> tuple[list[Moved], list[tuple[str, str, Reason]]]:
    """Return what altering one column gave, and why for what it did not.

    Parameters
    ----------
    first : Look
        Every column is looked at with its rows.
    second : callable
        Gives the look with more rows, for columns that cost much and where more rows
        of the same blocks still help; they are spent near the crossings.
    name : str
        The column.
    """
    base = first.base
    moved, problems = _look(first, name, ())
    loss = max((worst(one.arms)[0] for one in moved), default=0.0)
    is_calm = loss <= CALM * base.case.tolerated_loss
    if is_calm or len(first.fixed.rows) >= len(base.rows):
        return moved, problems
    if _more_rows_help(first, name):
        return _look(second(), name, moved)
    return moved, problems


def _more_rows_help(look: Look, name: str) -> bool:
    """Return whether blocks are not yet most of the variance of a column's loss."""
    fixed = look.fixed
    values = fixed.frame[name]
    shuffled = values.copy()
    shuffled.iloc[fixed.order] = values.iloc[fixed.order[::-1]].to_numpy()
    (y_score,) = scores_of(fixed, name, [shuffled])
    return share_more_rows_remove(fixed, y_score) > 1 - ENOUGH_BETWEEN


def _look(
    look: Look, name: str, before: Sequence[Moved]
) -> tuple[list[Moved], list[tuple[str, str, Reason]]]:
    column, values = look.base.case.columns[name], look.fixed.frame[name]
    family = "mean" if column.kind in ("numeric", "time") else "category"
    if values.isna().all():
        return [], [(name, family, Reason.ALL_NULL)]
    if is_clock(column):
        return [], []  # nothing to measure; a note names it
    is_flag = family == "category" or values.nunique() == FLAG
    step = _category if is_flag else partial(_numeric, before=before)
    moved, skipped = _tried(look, name, step)
    if not moved:
        why = skipped or Reason.BEYOND_SUPPORT
        return [], [(name, family, why)]
    gone, problem = _tried(look, name, _missing)
    return [*moved, *gone], [(name, "missing", problem)] if problem else []


def _tried(
    look: Look, name: str, step: Callable[[Look, str], list[Moved]]
) -> tuple[list[Moved], Reason | None]:
    """Return what a step measured, or why the model or the column does not allow it."""
    try:
        return step(look, name), None
    except (ModelError, NotAssessedError) as error:
        if error.code == Reason.NO_RESCORING:
            raise
        return [], error.code


def _numeric(look: Look, name: str, before: Sequence[Moved]) -> list[Moved]:
    """Return shift, stretch and noise of a numeric column; nothing if constant."""
    earlier = {one.family: one.arms for one in before}
    base, fixed = look.base, look.fixed
    everything = numbers(look.column(name), "numeric")
    sd = float(np.nanstd(everything))
    values = everything[fixed.rows]
    known = np.isfinite(values)
    if not sd > 0 or not float(np.std(values[known])) > 0:
        return []
    column = base.case.columns[name]
    seed = [look.seed, base.case.features.index(name)]
    moved = []
    for family, statistic in (("mean", "mean"), ("scale", "sd"), ("noise", "")):
        dial = Dial(
            values=values,
            sd=sd,
            noise=drawn_noise(fixed, known, seed),
            limits=column.range or (-np.inf, np.inf),
            how=ALTERATIONS[family],
        )
        past = np.nan
        if statistic:
            past = largest_move(everything, look.windows, statistic) / sd
        moved.append(
            Moved(
                column=name,
                family=family,
                arms=_dialled(look, name, dial, family, earlier.get(family)),
                sd=sd,
                unit=column.unit or "",
                past=past,
                n_rows=len(fixed.rows),
            )
        )
    return [*moved, _outlier(look, name, everything, sd)]


def _outlier(look: Look, name: str, everything: Floats, sd: float) -> Moved:
    """Return the share of rows that may read far off, on either side at random."""
    fixed = look.fixed
    column, values = look.base.case.columns[name], fixed.frame[name]
    sides = drawn_noise(fixed, np.ones(len(values), dtype=bool), [look.seed, OFF])
    far = np.nanmean(everything) + np.where(sides > 0, OFF, -OFF) * sd
    low, high = column.range or (-np.inf, np.inf)
    altered = pd.Series(np.clip(far, low, high), index=values.index)
    altered = altered.mask(values.isna().to_numpy())
    past = largest_move(outlying(everything).astype(float), look.windows)
    return _mixed(look, name, "outlier", altered, past)


def _dialled(
    look: Look, name: str, dial: Dial, family: str, before: tuple[Arm, ...] | None
) -> tuple[Arm, ...]:
    """Return the arms of one family: traced, or made sharper where they cross."""
    fixed, rooms = look.fixed, tuple(look.base.rooms.values())

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point | None]:
        copies = [
            pd.Series(dial.set_to(arm.sign * size), index=fixed.frame.index)
            for arm, size in wanted
        ]
        scored = scores_of(fixed, name, copies)
        return [
            altered_point(fixed, size, y_score)
            for (_, size), y_score in zip(wanted, scored, strict=True)
        ]

    if before is not None:
        return tuple(sharpen(before, respond, rooms, look.seed))
    arms: list[Arm] = []
    for (_, sign), grid in ((key, g) for key, g in GRIDS.items() if key[0] == family):
        reach, last = dial.reach(sign, WIDEST)
        arm = Arm(name="", sign=sign, reach=reach, last=last)
        arms += trace([arm], respond, rooms, grid, BISECTIONS)
    return tuple(arms)


def _category(look: Look, name: str) -> list[Moved]:
    fixed, values = look.fixed, look.fixed.frame[name]
    everything = look.column(name)
    if frequent_categories(everything).empty or len(values.dropna().unique()) == 1:
        return []
    seed = [look.seed, look.base.case.features.index(name)]
    altered = other_category(fixed, values, seed)
    past = np.nan
    return [_mixed(look, name, "category", altered, past)]


def _missing(look: Look, name: str) -> list[Moved]:
    values = look.fixed.frame[name]
    altered = values.mask(np.ones(len(values), dtype=bool))
    missing = look.column(name).isna().to_numpy().astype(float)
    past = largest_move(missing, look.windows)
    return [_mixed(look, name, "missing", altered, past)]


def _mixed(
    look: Look, name: str, family: str, altered: pd.Series, past: float
) -> Moved:
    fixed = look.fixed
    (y_score,) = scores_of(fixed, name, [altered])
    known = float(fixed.frame[name].notna().mean())

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point | None]:
        return [
            mixed_point(fixed, size, min(size / known, 1.0), y_score)
            for _, size in wanted
        ]

    arm = Arm(name="", sign=1, reach=known, last=True)
    arms = trace(
        [arm], respond, tuple(look.base.rooms.values()), SHARE_GRID, BISECTIONS
    )
    return Moved(
        column=name,
        family=family,
        arms=tuple(arms),
        sd=1.0,
        unit="",
        past=past,
        n_rows=len(fixed.rows),
    )


def loss_of_unseen(look: Look, name: str) -> list[dict[str, object]]:
    """Return what a category never seen costs in every row; empty for other columns."""
    fixed, values = look.fixed, look.fixed.frame[name]
    is_text = not pd.api.types.is_numeric_dtype(values.dtype)
    if look.base.case.columns[name].kind != "categorical" or not is_text:
        return []
    unseen = pd.Series(UNSEEN, index=values.index, dtype=object)
    if isinstance(values.dtype, pd.StringDtype):
        unseen = unseen.astype(values.dtype)
    try:
        point = altered_point(fixed, 1.0, scores_of(fixed, name, [unseen])[0])
    except ModelError as error:
        return [{"column": name, "loss": np.nan, "reason": str(error.code)}]
    loss = np.nan if point is None else point.loss
    return [{"column": name, "loss": loss, "reason": ""}]
