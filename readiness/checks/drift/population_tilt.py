"""D1: how far the population may move before the model has lost too much."""

from typing import TYPE_CHECKING

from readiness.case import Case
from readiness.checks.drift._base import base_of, window_codes
from readiness.checks.drift._directions import direction_sentences, directions
from readiness.checks.drift._panels import describe, draw_panels
from readiness.checks.drift._report import (
    Moved,
    base_table,
    budget_table,
    curve_table,
    summary_rows,
)
from readiness.checks.drift._sentences import Words, history_sentences, sentences
from readiness.checks.drift._tilted import tilt_column, tilt_direction
from readiness.errors import Reason
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import summary_frame
from readiness.text import number
from readiness.tolerance import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        up="the share of {column} may rise by {move}",
        down="the share of {column} may fall by {move}",
    ),
    "missing": Words(
        up="the share of missing {column} may rise by {move}",
        down="the share of missing {column} may fall by {move}",
    ),
    "outlier": Words(
        up="the share of outliers of {column} may rise by {move}",
        down="the share of outliers of {column} may fall by {move}",
    ),
    "direction": Words(
        up="along the {column} the population may move up by {move}",
        down="along the {column} the population may move down by {move}",
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
        ``mean_budget``, ``scale_budget``, ``direction_budget`` (SD achieved),
        ``category_budget``, ``missing_budget``, ``outlier_budget`` (share of rows
        achieved): the smallest move that misses the acceptable value; the same with
        ``_loss`` for the move that costs the tolerated loss. Tables ``curves``,
        ``budgets``, ``base``.

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``ONE_CLASS``, or what scoring the rows raises.

    Notes
    -----
    Rows are re-weighted and keep their labels: P(y | x) is assumed to stay. A numeric
    column is tilted by ``w ~ exp(a z)`` (mean) or ``exp(a z + b z²)`` at an equal mean
    (spread), a category, the missing rows or the outliers (Tukey's fences) to a new
    share, and the curve is indexed by the move achieved. Two directions move numeric
    columns together: their first principal component, and that of the means of past
    windows. The metric is the weighted one, its loss paired, its error
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
    gone: dict[bytes, tuple[Arm, ...]] = {}
    for name in case.features:
        done, problem = tilt_column(base, name, windows, gone)
        moved += done
        skipped += problem
    joint = directions(base, windows)
    for direction in joint:
        moved += tilt_direction(base, direction)
    n_rows = len(base.rows)
    rows = summary_rows(base, moved, skipped, families=tuple(WORDS), seed=options.seed)
    summary = summary_frame(rows)
    budgets = budget_table(base, moved, options.seed)
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
        notes=(
            opening,
            *sentences(base, summary, budgets, WORDS),
            *history_sentences(budgets),
            *direction_sentences(joint, budgets),
        ),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw what re-weighting costs, for the columns where it costs anything."""
    title = "Loss when the population moves and labels stay with their rows"
    return draw_panels(measurement, limits, title)


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return describe(measurement, "the loss when the population moves")


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
        "outlier_budget",
        "outlier_loss_budget",
        "direction_budget",
        "direction_loss_budget",
    ),
)
