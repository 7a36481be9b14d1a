"""D2: how wrong the inputs may be read before the model has lost too much."""

from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

import pandas as pd

from readiness.case import Case
from readiness.checks.drift._altered import fixed_rows
from readiness.checks.drift._base import base_of, window_codes
from readiness.checks.drift._clocks import is_clock
from readiness.checks.drift._directions import direction_sentences, directions
from readiness.checks.drift._looks import Look, alter_column, loss_of_unseen
from readiness.checks.drift._panels import describe, draw_panels
from readiness.checks.drift._pushed import push_along
from readiness.checks.drift._report import (
    Moved,
    base_table,
    budget_table,
    curve_table,
    summary_rows,
)
from readiness.checks.drift._sentences import Words, named, sentences
from readiness.errors import Reason
from readiness.result import Check, Limit, Measurement, Options
from readiness.scoring import count_calls
from readiness.stats import summary_frame
from readiness.text import number
from readiness.tree_splits import Trees

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = {
    "mean": Words(
        up="{column} may read {move} too high",
        down="{column} may read {move} too low",
    ),
    "scale": Words(
        up="the spread of {column} may read {move} too large",
        down="the spread of {column} may read {move} too small",
    ),
    "noise": Words(
        up="noise of {move} may come on top of {column}",
        down="noise of {move} may come on top of {column}",
    ),
    "category": Words(
        up="{column} may hold another category in {move}",
        down="{column} may hold another category in {move}",
    ),
    "missing": Words(
        up="{column} may go missing in {move}",
        down="{column} may go missing in {move}",
    ),
    "outlier": Words(
        up="{column} may read 5 SD off in {move}",
        down="{column} may read 5 SD off in {move}",
    ),
    "direction": Words(
        up="along the {column} the inputs may read {move} too high",
        down="along the {column} the inputs may read {move} too low",
    ),
}


def measure(case: Case, options: Options) -> Measurement:
    """Measure how wrong each column may be read, by scoring altered copies of rows.

    Parameters
    ----------
    case : Case
        With a model that can score, and labelled rows it was not fitted on.
    options : Options
        ``rows``: rows of the first look; ``most_rows``: of the second, which a column
        gets when more rows would help. The seed steers noise and bands.

    Returns
    -------
    Measurement
        ``mean_budget``, ``scale_budget``, ``noise_budget``, ``direction_budget`` (SD
        moved), ``category_budget``, ``missing_budget``, ``outlier_budget`` (share of
        rows altered): the smallest error that misses the acceptable value; the same
        with ``_loss`` for the error that costs the tolerated loss. Tables ``curves``,
        ``budgets``, ``base``,
        ``unseen`` (the loss when a category never seen stands in every row).

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``ONE_CLASS``, ``NO_RESCORING`` for stored predictions.

    Notes
    -----
    Inputs move, labels stay as they were: a broken sensor, unit or feed, not another
    population. The same rows are scored clean and altered, so the loss is paired.
    Shifts, stretches and noise stay within a declared range, and the move reported is
    the one achieved. Wrong, missing and outlying values (5 SD from the mean, on either
    side) are mixed from one altered copy, without
    a draw of rows. Rows are added only while they remove more than a fifth of the
    variance; blocks cannot be added. Columns that tell the time are left out. The
    smallest useful sample is 30 blocks; moves beyond 3 SD are not tried.
    """
    with count_calls() as counter:
        base = base_of(case)
        windows = window_codes(base)

        column = lru_cache(maxsize=1)(base.values)

        def look_at(n_rows: int, trees: Trees | None = None) -> Look:
            fixed = fixed_rows(base, n_rows, trees)
            return Look(fixed=fixed, windows=windows, seed=options.seed, column=column)

        first = look_at(options["rows"])
        trees = first.fixed.trees
        second = cache(partial(look_at, options["most_rows"], trees))
        moved: list[Moved] = []
        skipped: list[tuple[str, str, Reason]] = []
        unseen: list[dict[str, object]] = []
        for name in case.features:
            done, problems = alter_column(first, second, name)
            moved += done
            skipped += problems
            unseen += loss_of_unseen(first, name)
        joint = directions(base, windows)
        for direction in joint:
            done, problems = push_along(first.fixed, direction)
            moved += done
            skipped += problems
    rows = summary_rows(base, moved, skipped, families=tuple(WORDS), seed=options.seed)
    summary = summary_frame(rows)
    budgets = budget_table(base, moved, options.seed)
    n_blocks = min(base.interval.n_blocks, len(first.fixed.rows))
    opening = (
        f"Measured on {number(len(first.fixed.rows), 'count')} labelled rows of "
        f"{base.scores.table} in {number(n_blocks, 'count')} blocks; "
        f"the model scored {number(counter.calls, 'count')} rows. Inputs are altered "
        "and labels stay."
    )
    return Measurement(
        summary=summary,
        tables={
            "curves": curve_table(base, moved, options.seed),
            "budgets": budgets,
            "base": base_table(base),
            "unseen": pd.DataFrame(unseen, columns=["column", "loss", "reason"]),
        },
        notes=(
            opening,
            *sentences(base, summary, budgets, WORDS),
            *direction_sentences(joint, budgets),
            *_clock_sentence(case),
        ),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw what wrong inputs cost, for the columns where they cost anything."""
    return draw_panels(measurement, limits, "Loss when inputs are read wrong")


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return describe(measurement, "the loss when inputs are read wrong")


def _clock_sentence(case: Case) -> list[str]:
    clocks = [one.name for one in case.columns.values() if is_clock(one)]
    if not clocks:
        return []
    said = (
        f"{named(clocks)}: left out, because no sensor reads the time wrong by a part "
        "of its spread."
    )
    return [said]


CHECK = Check(
    code="D2",
    title="Measurement tilt",
    question="How wrong may the inputs be read before the model has lost too much?",
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
                "A sensor half a standard deviation off is a fault people overlook; "
                "the model should not miss its target before they see it."
            ),
        ),
        Limit(
            metric="mean_loss_budget",
            side="at_least",
            limit=0.5,
            required_in=(),
            groups="each",
            reason=(
                "A sensor half a standard deviation off is a fault people overlook; "
                "it should not cost more than the tolerated loss."
            ),
        ),
    ),
    defaults={"rows": 5000, "most_rows": 10000},
    metrics=(
        "scale_budget",
        "scale_loss_budget",
        "noise_budget",
        "noise_loss_budget",
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
