"""P2: what the model gains over simple models, on the same rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.baseline._blocks import widened
from readiness.checks.baseline._kept import kept_of
from readiness.checks.baseline._learning import (
    Fitting,
    answers_of,
    frame_of,
    usable_features,
    where_to_fit,
)
from readiness.checks.baseline._rows import (
    Rows,
    labelled_rows,
    require_probabilities,
    sampled,
)
from readiness.checks.baseline._simple_models import (
    CONSTANT,
    LINEAR,
    SINGLE,
    SimpleModels,
    Task,
    fit_simple_models,
)
from readiness.errors import Reason
from readiness.evidence import influence_table
from readiness.figures import draw_intervals, new_figure
from readiness.metrics import Metric
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.stats import (
    Estimate,
    Floats,
    clustered_interval,
    difference,
    empty_row,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASELINES = (CONSTANT, SINGLE, LINEAR)
WORDS = {
    CONSTANT: "constant answer",
    SINGLE: "single feature",
    LINEAR: "linear model",
}
UNIT = "metric points"


def measure(case: Case, options: Options) -> Measurement:
    """Measure how much better the model is than three simple ones.

    Parameters
    ----------
    case : Case
        Needs a labelled reference. The simple models learn from the training table;
        without labels there, from the reference, cross-fitted over its blocks.
    options : Options
        ``fit_rows``: most rows the simple models learn from; ``rows``: most rows per
        table on which all models are compared.

    Returns
    -------
    Measurement
        ``gain_over_constant``, ``gain_over_single_feature``,
        ``gain_over_linear_model`` (metric points, positive where the reviewed model
        is better, whichever way the metric runs), for the reference and for
        ``table=current``; the table ``models`` with each model's own value, and
        ``influence`` with what each gain keeps by block.

    Raises
    ------
    NotAssessedError
        NO_LABELS, NO_PROBABILITIES, TOO_FEW_ROWS under 50 rows to learn from.

    Notes
    -----
    Paired: both models on the same rows, their influence values subtracted, summed by
    block. The simple models are: the prior (for a metric of classes the most frequent
    class, for absolute error the median); the mean target in eight bins of one
    feature, or its 20 most frequent values, whichever feature does best where it
    learnt: which one that was is not part of the interval, and another seed may choose
    another; a ridge or logistic regression on all features. A linear model with better
    features would do better: a gain here is no proof that complexity pays.
    """
    metric = case.metric
    if metric.needs == "probability":
        require_probabilities(case)
    tables, problems = labelled_rows(case)
    task = Task(
        name=case.task,
        n_classes=len(case.classes),
        metric=metric,
        threshold=case.threshold,
        seed=options.seed,
    )
    tables = [sampled(one, int(options["rows"]), options.seed) for one in tables]
    fitting = where_to_fit(case, tables[0], int(options["fit_rows"]), options.seed)
    names = usable_features(case, [fitting.table, *(one.name for one in tables)])
    fitted = fit_simple_models(frame_of(case, fitting, names), fitting.y, task)
    rows: list[dict[str, Any]] = []
    values: list[dict[str, Any]] = []
    kept: list[pd.DataFrame] = []
    for one in tables:
        answers = answers_of(case, one, fitting, fitted, names)
        found, own, lines = _compare(case, one, answers)
        rows += found
        values += own
        kept += lines
    rows += [
        empty_row(f"gain_over_{name}", group, reason, UNIT)
        for group, reason in problems.items()
        for name in BASELINES
    ]
    return Measurement(
        summary=summary_frame(rows),
        tables={"models": pd.DataFrame(values), INFLUENCE: influence_table(kept)},
        notes=_notes(case, fitting, fitted, len(names)),
    )


def _compare(
    case: Case, rows: Rows, answers: Mapping[str, Floats]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[pd.DataFrame]]:
    metric, scored = case.metric, rows.scores
    own = _estimate(case, rows, scored.y_score)
    rows = widened(case, rows, own)
    n_rows = len(scored.y_true)
    found, values, kept = [], [_value(metric, rows, "reviewed model", own)], []
    for name in BASELINES:
        title = f"gain_over_{name}"
        if name not in answers:
            reason = Reason.NO_COLUMNS
            found.append(empty_row(title, rows.group, reason, UNIT, n_rows))
            continue
        other = _estimate(case, rows, answers[name])
        values.append(_value(metric, rows, WORDS[name], other))
        better = (own, other) if metric.higher_is_better else (other, own)
        gain = difference(*better)
        kept.append(kept_of(case, rows, (title, rows.group), gain))
        if np.isfinite(gain.value):
            measured = clustered_interval(gain, rows.scores.clusters)
            found.append(summary_row(title, rows.group, measured, UNIT))
        else:
            reason = _why_undefined(case, scored.y_true)
            found.append(empty_row(title, rows.group, reason, UNIT, n_rows))
    return found, values, kept


def _estimate(case: Case, rows: Rows, y_score: Floats) -> Estimate:
    scored = rows.scores
    return case.metric.estimate(scored.y_true, y_score, scored.weight, case.threshold)


def _why_undefined(case: Case, y_true: Floats) -> Reason:
    short = case.task != "regression" and len(np.unique(y_true)) < len(case.classes)
    return Reason.ONE_CLASS if short else Reason.NOT_MEASURED


def _value(
    metric: Metric, rows: Rows, model: str, estimate: Estimate
) -> dict[str, Any]:
    return {
        "table": rows.name,
        "model": model,
        "metric": metric.name,
        "value": estimate.value,
        "n_rows": len(estimate.influence),
    }


def _notes(
    case: Case, fitting: Fitting, fitted: SimpleModels, n_features: int
) -> tuple[str, ...]:
    n_rows = number(len(fitting.row), "count")
    where = f"The simple models learnt from {n_rows} rows of {fitting.table}"
    if fitting.table == "reference":
        where += (
            ", each fifth of its blocks judged by models that learnt from the other "
            "four, because there are no labelled training rows"
        )
    notes = [f"{where}. A positive gain in {case.metric.name} is the model's."]
    if fitted.ranked:
        best, *others = (visible(name, 40) for name in fitted.ranked[:2])
        note = f"The best single feature where they learnt is {best}"
        notes.append(f"{note}, then {others[0]}." if others else f"{note}.")
    if n_features < len(case.features):
        left = len(case.features) - n_features
        subject = "1 feature" if left == 1 else f"{left} features"
        notes.append(f"Left out, a table lacks it or no check can read it: {subject}.")
    return tuple(notes)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the gain over each simple model on each table, with its interval."""
    summary = measurement.summary
    figure, axes = new_figure("Gain over simple models", xlabel="gain, metric points")
    names = {limit.metric for limit in limits} & set(summary["metric"])
    draw_intervals(
        axes,
        [_place(row) for row in summary.to_dict("records")],
        summary["value"].tolist(),
        summary["ci_low"].tolist(),
        summary["ci_high"].tolist(),
        limits=[limit for limit in limits if limit.metric in names],
        n_rows=summary["n_rows"].tolist(),
        unit=UNIT,
    )
    return figure


def _place(row: Mapping[Any, Any]) -> str:
    table = "reference" if row["group"] == "" else row["group"].removeprefix("table=")
    return f"{table}: {WORDS[row['metric'].removeprefix('gain_over_')]}"


def alt(measurement: Measurement) -> str:
    """Return the smallest gain on each table in one sentence."""
    known = measurement.summary[measurement.summary["value"].notna()]
    if known.empty:
        return "No gain over a simple model could be measured."
    parts = []
    for _, rows in known.groupby("group", sort=True):
        row = rows.sort_values("value", kind="stable").to_dict("records")[0]
        limits = interval(row["ci_low"], row["ci_high"], UNIT)
        parts.append(f"{_place(row)}, {number(row['value'], UNIT)} ({limits})")
    return f"The smallest gains of the model are over {'; '.join(parts)}."


CHECK = Check(
    code="P2",
    title="Simple baselines",
    question="Is the model better than a simple one?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=f"gain_over_{CONSTANT}",
            side="at_least",
            limit=0.0,
            required_in=("medium", "high"),
            reason="A model no better than always the same answer has learnt nothing.",
        ),
        Limit(
            metric=f"gain_over_{SINGLE}",
            side="at_least",
            limit=0.0,
            required_in=(),
            reason="One feature in eight bins can be explained to anybody; prefer it.",
        ),
        Limit(
            metric=f"gain_over_{LINEAR}",
            side="at_least",
            limit=0.0,
            required_in=(),
            reason="A linear model that does as well is easier to check and to keep.",
        ),
    ),
    defaults={"rows": 50_000, "fit_rows": 20_000},
)
