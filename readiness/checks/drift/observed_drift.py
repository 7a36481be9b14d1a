"""D0: how far production has moved since the reference, and what that has spent."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from readiness.case import Case
from readiness.checks.drift._clocks import tells_time
from readiness.checks.drift._observed_answers import (
    LABELLED,
    PREDICTED,
    label_rows,
    prediction_rows,
)
from readiness.checks.drift._observed_compare import compare_tables
from readiness.checks.drift._observed_features import (
    MISSED,
    SHIFT,
    SPENT,
    feature_table,
    measure_feature,
    unmeasured,
)
from readiness.checks.drift._observed_figure import draw_moves
from readiness.checks.drift._observed_quality import quality_sentences
from readiness.checks.drift._observed_report import sentences
from readiness.checks.drift._observed_spent import budgets_of
from readiness.checks.drift._observed_windows import window_rows, window_table
from readiness.distances import benjamini_hochberg
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import summary_frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPENT_COLUMNS = ("column", "family", "category", "move", "move_low", "move_high")
OF_BUDGET = ("budget", "at_most", "beyond", "spent", "spent_low", "spent_high")


def measure(case: Case, options: Options) -> Measurement:
    """Hold every feature, the predictions and the outcomes against the reference.

    Parameters
    ----------
    case : Case
        With current rows; labels only for the outcomes. All rows count.
    options : Options
        ``by_design`` (names of features that move by design, besides those that tell
        the time); ``needed["D1"]``: the budgets, where they could be measured.

    Returns
    -------
    Measurement
        ``shift`` per feature: the Wasserstein distance W1 in SD of the reference, or
        Cramér's V of a category (both tables weighing the same); ``missing_shift``:
        by how much the share of missing values rose; ``budget_spent``: the largest
        share, over mean, spread, category shares and missing share, of the move that
        costs the tolerated loss; ``prediction_shift`` and ``label_shift``. Tables
        ``features`` (also PSI with what chance leaves of it, JS, KS, p-values),
        ``spent`` and ``windows``.

    Raises
    ------
    NotAssessedError
        NO_TABLE without current rows.

    Notes
    -----
    Distances are never negative, so on samples they lie above the truth even where
    nothing moved. Here the function that tells the tables apart is found on four
    fifths of the blocks and asked on the last: chance adds nothing, and the estimate
    is a little below the truth where the move is small. Intervals sum rows by block
    and entity. PSI is printed with its 95 % quantile under no drift, its rows divided
    by the squared dependence factor. A budget assumes that nothing else moves and that
    P(y | x) stays; where its curve never uses the loss up, the share is at most that
    of the farthest move known. Moves of the joint distribution that leave every single
    feature as it was are not seen here: `separability` looks for them.

    References
    ----------
    S. S. Vallender (1974), doi:10.1137/1118101, for W1; B. Yurdakul, J. Naranjo
    (2020), doi:10.21314/JRMV.2020.227, for the PSI; Y. Benjamini, Y. Hochberg (1995),
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    case.table("current")
    budgets = budgets_of(options.needed.get("D1"))
    tracked = {name: budgets.categories(name) for name in case.features}
    rows: list[dict[str, Any]] = []
    about: list[dict[str, Any]] = []
    spent: list[dict[str, Any]] = []
    windows: list[dict[str, Any]] = []
    for compared in compare_tables(case, tracked, options.seed):
        rows += [unmeasured(case, n, why) for n, why in compared.problems.items()]
        own: list[dict[str, Any]] = []
        by_design = {
            name
            for name in compared.features
            if tells_time(case.columns[name], options["by_design"])
        }
        for name in compared.features:
            found = measure_feature(
                case, compared, name, budgets, by_design=name in by_design
            )
            rows += found.rows
            about.append(found.about)
            own += found.spent
        windows += window_rows(case, compared, own, budgets, by_design)
        spent += own
    rows += prediction_rows(case, options.seed)
    rows += label_rows(case, options.seed)
    features = feature_table(about)
    features["p_adjusted"] = benjamini_hochberg(features["p_value"].astype(float))
    tables = {
        "features": features,
        "spent": pd.DataFrame(spent, columns=[*SPENT_COLUMNS, *OF_BUDGET]),
        "windows": window_table(windows),
    }
    summary = summary_frame(rows)
    first, *others = sentences(summary, tables, budgets)
    opening = " ".join([first, *quality_sentences(case)])
    return Measurement(summary=summary, tables=tables, notes=(opening, *others))


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw features by budget spent, and the worst of them over time."""
    return draw_moves(measurement, limits)


def alt(measurement: Measurement) -> str:
    """Return who spent most of its budget, in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="D0",
    title="Observed drift",
    question="How far has production moved, and how much of the budget has that spent?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=SPENT,
            side="at_most",
            limit=1.0,
            required_in=(),
            groups="each",
            reason=(
                "A feature that has moved further than its budget costs more than the "
                "tolerated loss, unless something else makes up for it."
            ),
        ),
    ),
    helped_by=("D1",),
    defaults={"by_design": []},
    metrics=(SHIFT, MISSED, PREDICTED, LABELLED),
)
