"""D6: how old the model may grow before it must be fitted again."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE
from readiness.case import Case
from readiness.checks.drift._base import LEVEL, LOSS
from readiness.checks.drift._shelf_curve import Aged, aged, plan_of
from readiness.checks.drift._shelf_rows import Past, past_rows
from readiness.checks.drift._shelf_words import sentences
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_limit, label, new_figure
from readiness.refits import require_refits
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import empty_row, summary_frame
from readiness.text import number
from readiness.tolerance import Budget, Room, band, budget
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC, LOST = "shelf_life", "loss_shelf_life"
FEWEST_ORIGINS = 4


def measure(case: Case, options: Options) -> Measurement:
    """Measure how many days the model bears before it has lost too much.

    Parameters
    ----------
    case : Case
        With a time column and a model that can be fitted again. Training, reference
        and, where labelled, current rows are taken together in the order of time.
    options : Options
        ``fit_days`` (rows of so many days are fitted on; 0: as many days as the
        training table spans, at most half of the history), ``windows`` (times at
        which the model is fitted again, at least 4), ``rows`` (more labelled rows
        than this are drawn by their content; 0: all are taken).

    Returns
    -------
    Measurement
        ``shelf_life`` (days): the age at which the headline metric misses the
        acceptable value; ``loss_shelf_life`` (days): at which it has lost the
        tolerated loss. Age is counted from the last row fitted on. Tables ``curve``,
        ``fits``, ``base``.

    Raises
    ------
    NotAssessedError
        NOT_IN_PROFILE in the quick profile; NO_REFIT, NO_TIME, NO_LABELS;
        TOO_FEW_ROWS with the length needed where the history is too short.

    Notes
    -----
    The history after the first fit is cut into equal windows. A model is fitted just
    before each of them, always on the same number of days, and judged in every window
    from there on. What age costs is the difference, on the same rows, between the
    model fitted just before a window and an older one: a hard season is hard for both
    and does not count as age. The metric at an age is the mean of the fresh models
    less that cost. The cost at an age is the mean over the windows that have a model
    of that age, at least three; beyond that age nothing is said. The band of the curve
    holds for all ages at once and is clustered by block; the luck of one stretch of
    history, and of a fit, is not in it. A fresh model is half a window old on average,
    and its cost is counted as none. Between two ages the curve is taken as straight:
    where the cost grows ever faster, the life told is a little too short.

    References
    ----------
    With a linear rule whose slope moves by g a day, mean squared error grows by
    g² age² Var x: the closed form the tests hold this to.
    """
    if options.profile != "full":
        msg = "The model is fitted again several times, which the quick profile omits."
        raise NotAssessedError(msg, Reason.NOT_IN_PROFILE)
    require_refits(case)
    past = past_rows(case, int(options["rows"]), options.seed)
    n_windows = max(int(options["windows"]), FEWEST_ORIGINS)
    plan = plan_of(past, float(options["fit_days"]), n_windows)
    found = aged(case, past, plan, options.seed)
    rooms = _rooms(case, found)
    budgets = {
        name: budget((found.arm,), room, options.seed) for name, room in rooms.items()
    }
    rows = [_row(METRIC, budgets.get(LEVEL), found), _row(LOST, budgets[LOSS], found)]
    curve = _curve(case, found, rooms, options.seed)
    return Measurement(
        summary=summary_frame(rows),
        tables={
            "curve": curve,
            "fits": found.judged,
            "base": _base(case, past, found, rooms),
        },
        notes=sentences(case, past, found, budgets, curve),
    )


def _rooms(case: Case, found: Aged) -> dict[str, Room]:
    nothing = tuple(np.zeros_like(part) for part in found.arm.points[0].parts)
    rooms = {LOSS: Room(value=case.tolerated_loss, parts=nothing)}
    acceptable = case.file.model.acceptable
    if acceptable is None:
        return rooms
    sign = 1 if case.higher_is_better else -1
    level = Room(
        value=sign * (found.fresh.value - acceptable),
        parts=found.folds.sums(sign * found.fresh.influence),
    )
    return {LEVEL: level, **rooms}


def _row(metric: str, found: Budget | None, whole: Aged) -> dict[str, object]:
    if found is None:
        return empty_row(metric, "", Reason.NO_ACCEPTABLE, "days")
    reason = Reason.BEYOND_SUPPORT
    row = empty_row(metric, "", reason, "days", len(whole.fresh.influence))
    return {
        **row,
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_blocks": min(whole.folds.counts),
        "censored": found.censored,
        "reason": str(reason) if found.censored else None,
    }


def _curve(case: Case, found: Aged, rooms: dict[str, Room], seed: int) -> pd.DataFrame:
    """Return the curve: one row per age, with its band."""
    room = rooms[LOSS]
    ((left, width),) = band((found.arm,), room, seed)
    loss = room.value - left
    sign = 1 if case.higher_is_better else -1
    return pd.DataFrame(
        {
            "age_days": [one.size for one in found.arm.points],
            "loss": loss,
            "loss_low": loss - width,
            "loss_high": loss + width,
            "value": found.fresh.value - sign * loss,
            "windows": [found.n_windows[0], *found.n_windows],
        }
    )


def _base(case: Case, past: Past, found: Aged, rooms: dict[str, Room]) -> pd.DataFrame:
    planned = case.file.operation.retrain_every_days
    return pd.DataFrame(
        {
            "metric": [metric_words(case.metric.name)],
            "fresh": [found.fresh.value],
            "acceptable": [case.file.model.acceptable],
            "room": [rooms[LEVEL].value if LEVEL in rooms else np.nan],
            "tolerated_loss": [case.tolerated_loss],
            "planned_days": [np.nan if planned is None else planned],
            "fitted_until": [past.fitted_until],
            "fit_days": [found.plan.fit_days],
            "window_days": [found.plan.window_days],
        }
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw what age costs of the headline metric."""
    curve, base = measurement.tables["curve"], measurement.tables["base"].iloc[0]
    figure, axes = new_figure(
        "What the model loses as it ages",
        xlabel="age of the model: days since the last row it was fitted on",
        ylabel=f"{label(base['metric'])} worse than a fresh model",
    )
    age = curve["age_days"].to_numpy()
    axes.fill_between(
        age, curve["loss_low"], curve["loss_high"], color=BLUE, alpha=0.2, linewidth=0
    )
    axes.plot(age, curve["loss"], "o-", color=BLUE, linewidth=1.6, markersize=4)
    costs = number(float(base["tolerated_loss"]), exact=True)
    draw_limit(axes, base["tolerated_loss"], f"tolerated loss {costs}", vertical=False)
    if np.isfinite(base["room"]):
        floor = number(float(base["acceptable"]), exact=True)
        draw_limit(axes, base["room"], f"misses {floor}", vertical=False)
    bounds = {one.limit for one in limits if not isinstance(one.limit, str)}
    if np.isfinite(base["planned_days"]):
        bounds.add(float(base["planned_days"]))
    for bound in sorted(bounds):
        draw_limit(axes, bound, f"fitted again every {bound:g} days")
    axes.set_xlim(left=0)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the answer in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="D6",
    title="Shelf life",
    question="How old may the model grow before it must be fitted again?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_least",
            limit="case:operation.retrain_every_days",
            required_in=(),
            reason=(
                "A model that misses its target before it is fitted again serves the "
                "rest of that time below what was promised."
            ),
        ),
        Limit(
            metric=LOST,
            side="at_least",
            limit="case:operation.retrain_every_days",
            required_in=(),
            reason=(
                "A model that loses more than is tolerated before it is fitted again "
                "is fitted too seldom."
            ),
        ),
    ),
    defaults={"fit_days": 0, "windows": 8, "rows": 500_000},
)
