"""X5: what a column is worth in loss, three ways, and which columns others replace."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from readiness.case import Case
from readiness.checks.explainability._loss_games import (
    Rows,
    by_class,
    left_out,
    shared,
    shuffled,
)
from readiness.checks.explainability._redundancy import ratio_interval, told_by_others
from readiness.checks.explainability._triad_view import (
    HIGH_SHARE,
    LEFT_OUT,
    RATIO,
    SHARED,
    SHUFFLED,
    TOLD,
    agreement_table,
    alt,
    draw,
    notes_on,
    ranks_table,
    triad_table,
)
from readiness.errors import NotAssessedError, Reason
from readiness.refits import require_refits
from readiness.result import Check, Limit, Measurement, Options
from readiness.row_losses import WORDS, row_loss
from readiness.samples import random_order
from readiness.scoring import require_rescoring, scores
from readiness.stats import (
    Estimate,
    empty_row,
    summary_frame,
    summary_row,
    weighted_mean,
)

TABLE = "reference"
FEWEST_SHARED = 50
MOST_TOLD = 30
Found = dict[str, Estimate]


def measure(case: Case, options: Options) -> Measurement:
    """Measure what each column is worth in loss: shuffled, left out, and shared.

    Parameters
    ----------
    case : Case
        Needs labels and a model that can score altered rows; the full profile needs
        labelled training rows and a model that can be fitted again.
    options : Options
        ``rows`` (3,000) random reference rows; ``shuffles`` (3) of each column;
        ``shared_rows`` (400) and ``background`` (16, even) of the Shapley values, of
        which ``evaluations`` (250,000) is the most, but never fewer than 50 rows.

    Returns
    -------
    Measurement
        By column, in the unit of the loss: ``permutation_importance``, its rise when
        the column comes from other rows; ``drop_column_importance``, its rise when
        the model is fitted without the column (full profile); ``loss_shapley``, the
        column's fair share of what the model gains over its mean score.
        ``redundancy_ratio``: the first over twice the second, where the first is
        surely above zero; censored where the second is not above zero.
        ``told_by_others`` (share): R² of the column by the others, an own small fit.
        Table ``triad``: all of them; table ``ranks``: the ranks they give, beside those
        of X2's attributions in both games. Table ``agreement``: how far any two of
        these agree on the first five columns, 0 to 1 (a caveat, no limit).

    Raises
    ------
    NotAssessedError
        NO_RESCORING, NO_LABELS, or what scoring the reference raises.

    Notes
    -----
    For a linear model and squared errors: 2 b² s² when shuffled, whatever the
    correlation; b² s² (1 - R²) when left out; b times the covariance of the column
    with the prediction when shared. So the ratio is 1 / (1 - R²): 1 for a column that
    nothing replaces. Other losses and curved models keep the order, not the factor.
    Shuffling also asks about rows that cannot exist. The loss is the headline
    metric's where that is a mean over rows, else the log loss (probabilities), the
    share of wrong decisions or the absolute error. Intervals cover the choice of
    rows, clustered; the luck of one re-fit is not in them.

    References
    ----------
    L. Breiman (2001), doi:10.1023/A:1010933404324. J. Lei et al. (2018),
    doi:10.1080/01621459.2017.1307116. I. Covert et al. (2020), arXiv:2004.00668.
    S. Krishna et al. (2024), arXiv:2202.01602, for the agreement.
    """
    require_rescoring(case)
    rows = _rows(case, options)
    rng = np.random.default_rng([options.seed, 5])
    n_rows = len(rows.frame)
    shifts = 1 + rng.choice(
        max(n_rows - 1, 1), min(options["shuffles"], n_rows - 1), replace=False
    )
    fitted, reason = _left_out(rows, options)
    found = {
        SHUFFLED: {name: shuffled(rows, name, shifts) for name in case.features},
        LEFT_OUT: fitted,
        SHARED: _shared(rows, options, rng),
    }
    order = sorted(case.features, key=lambda one: -found[SHUFFLED][one].value)
    matters = [
        name for name in order if rows.interval(found[SHUFFLED][name]).ci_low > 0
    ]
    told = told_by_others(
        case, rows.frame, matters[:MOST_TOLD], rows.clusters, rows.weight
    )
    unit = row_loss(case, rows.y_true, rows.said).unit
    summary = _summary(rows, found, order, unit)
    summary += [summary_row(TOLD, name, one, "share") for name, one in told.items()]
    summary += _ratios(rows, found, matters, reason)
    frame = summary_frame(summary)
    table = triad_table(frame, order, options.needed)
    words = WORDS[row_loss(case, rows.y_true, rows.said).name]
    return Measurement(
        summary=frame,
        tables={
            "ranks": ranks_table(table),
            "agreement": agreement_table(table, options.needed),
            "triad": table,
        },
        notes=notes_on(frame, table, words, n_rows),
    )


def _rows(case: Case, options: Options) -> Rows:
    scored = scores(case, TABLE)
    scored = scored.take(random_order(scored, options.seed)[: options["rows"]])
    return Rows(
        case=case,
        frame=case.table(TABLE).take(scored.row, case.features),
        y_true=np.asarray(scored.y_true, dtype=np.float64),
        said=by_class(case, scored.y_score),
        weight=scored.weight,
        clusters=scored.clusters,
    )


def _shared(rows: Rows, options: Options, rng: np.random.Generator) -> Found:
    m = options["background"]
    per_row = 2 * m * max(rows.frame.shape[1] - 1, 1)
    affordable = max(options["evaluations"] // per_row, FEWEST_SHARED)
    n_rows = min(options["shared_rows"], affordable, len(rows.frame))
    values = shared(rows, n_rows, m, rng)
    weight = None if rows.weight is None else rows.weight[:n_rows]
    return {
        name: weighted_mean(values[:, place], weight)
        for place, name in enumerate(rows.frame.columns)
    }


def _left_out(rows: Rows, options: Options) -> tuple[Found, Reason | None]:
    """Return the rise without each column, or the reason there is none."""
    if options.profile != "full":
        return {}, Reason.NOT_IN_PROFILE
    case = rows.case
    try:
        require_refits(case)
        training = case.table("training").take(scores(case, "training").row)
        found = left_out(rows, training, case.features, options.seed)
    except NotAssessedError as error:
        return {}, error.code
    return {n: e for n, e in found.items() if isinstance(e, Estimate)}, None


def _summary(
    rows: Rows, found: Mapping[str, Found], order: list[str], unit: str
) -> list[dict[str, Any]]:
    lines = []
    for metric, known in found.items():
        for name in order if known else []:
            if name in known:
                one = rows.interval(known[name])
                lines.append(summary_row(metric, name, one, unit))
            else:
                lines.append(empty_row(metric, name, Reason.MODEL_SCORES, unit))
    return lines


def _ratios(
    rows: Rows, found: Mapping[str, Found], names: list[str], reason: Reason | None
) -> list[dict[str, Any]]:
    if reason is not None:
        return [empty_row(RATIO, "", reason)]
    if not names:
        return [empty_row(RATIO, "", Reason.NOT_MEASURED)]
    lines = []
    for name in names:
        if name not in found[LEFT_OUT]:
            lines.append(empty_row(RATIO, name, Reason.MODEL_SCORES))
            continue
        top, bottom = found[SHUFFLED][name], found[LEFT_OUT][name]
        value, low, high = ratio_interval(top, bottom, rows.clusters)
        beyond = not np.isfinite(value)
        one = replace(rows.interval(bottom), value=value, ci_low=low, ci_high=high)
        lines.append(
            summary_row(
                RATIO,
                name,
                replace(one, se=float("nan"), dependence_factor=float("nan")),
                censored=beyond,
                reason=str(Reason.BEYOND_SUPPORT) if beyond else None,
            )
        )
    return lines


CHECK = Check(
    code="X5",
    title="Worth in loss, three ways",
    question="What is each column worth, and which can the others replace?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=RATIO,
            side="at_most",
            limit=1.5,
            required_in=(),
            groups="each",
            reason="Others tell a third of the column, so shuffling it overstates it.",
        ),
        Limit(
            metric=TOLD,
            side="at_most",
            limit=HIGH_SHARE,
            required_in=(),
            groups="each",
            reason="The ratio of a linear model is then 1.5, without a new fit.",
        ),
    ),
    helped_by=("X2",),
    defaults={
        "rows": 3000,
        "shuffles": 3,
        "shared_rows": 400,
        "background": 16,
        "evaluations": 250_000,
    },
    metrics=(SHUFFLED, LEFT_OUT, SHARED),
    shown="ranks",
)
