"""Fixed rows pushed along a direction: several columns read wrong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.drift._altered import Fixed, altered_point, scores_of_copies
from readiness.checks.drift._base import numbers
from readiness.checks.drift._dial import Alteration, Dial
from readiness.checks.drift._directions import Direction
from readiness.checks.drift._report import Moved
from readiness.errors import ModelError, Reason
from readiness.stats import Floats
from readiness.tolerance import Arm, Point
from readiness.tracing import trace

WIDEST = 3.0  # SD: "no break up to" this
GRID = (1 / 12, 1 / 6, 1 / 3, 1.0)  # shares of the farthest move
BISECTIONS = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Push:
    """Columns of fixed rows that move together.

    Parameters
    ----------
    fixed : Fixed
        The rows.
    direction : Direction
        Every column of it moves by its part.
    before : mapping of str to numpy.ndarray of float, shape (k,)
        The columns as they are; NaN where missing.
    """

    fixed: Fixed
    direction: Direction
    before: Mapping[str, Floats]

    def after(self, amount: float) -> dict[str, Floats]:
        """Return the columns moved, each within its declared range.

        `amount` is the move along the direction, were nothing missing or cut off.
        """
        moved = {}
        for name, values in self.before.items():
            step = amount * self.direction.shares[name] * self.direction.sd[name]
            limits = self.fixed.base.case.columns[name].range or (-np.inf, np.inf)
            moved[name] = np.clip(values + step, *limits)
        return moved

    def place(self, values: Mapping[str, Floats]) -> Floats:
        """Return where the rows stand along the direction, missing ones at the mean."""
        one = self.direction
        parts = [
            one.shares[name] * np.nan_to_num((x - one.mean[name]) / one.sd[name])
            for name, x in values.items()
        ]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def push_along(
    fixed: Fixed, direction: Direction
) -> tuple[list[Moved], list[tuple[str, str, Reason]]]:
    """Return what reading several columns wrong together gave, or why it gave nothing.

    The move is the one achieved along the direction, in standard deviations of where
    the rows stand along it; missing values stay missing.
    """
    push = Push(
        fixed=fixed,
        direction=direction,
        before={
            name: numbers(fixed.frame[name], "numeric")
            for name, share in direction.shares.items()
            if share
        },
    )
    dial = Dial(
        values=push.place(push.before),
        sd=direction.spread,
        noise=np.zeros(len(fixed.rows)),
        limits=(-np.inf, np.inf),
        how=Alteration(
            alter=lambda _, amount, __: push.place(push.after(amount)),
            achieved=lambda before, after: float(np.mean(after - before)),
        ),
    )
    try:
        arms = [_traced(push, dial, sign) for sign in (1, -1)]
    except ModelError as error:
        return [], [(direction.name, "direction", error.code)]
    moved = Moved(
        column=direction.name,
        family="direction",
        arms=tuple(arms),
        sd=1.0,
        unit="SD",
        past=direction.past,
        n_rows=len(fixed.rows),
    )
    return [moved], []


def _traced(push: Push, dial: Dial, sign: int) -> Arm:
    fixed = push.fixed

    def respond(wanted: Sequence[tuple[Arm, float]]) -> list[Point | None]:
        amounts = [dial.asked(sign * size) * dial.sd for _, size in wanted]
        copies = [
            {name: pd.Series(one) for name, one in push.after(amount).items()}
            for amount in amounts
        ]
        return [
            altered_point(fixed, size, y_score)
            for (_, size), y_score in zip(
                wanted, scores_of_copies(fixed, copies), strict=True
            )
        ]

    reach, last = dial.reach(sign, WIDEST)
    arm = Arm(name="", sign=sign, reach=reach, last=last)
    (traced,) = trace(
        [arm], respond, tuple(fixed.base.rooms.values()), GRID, BISECTIONS
    )
    return traced
