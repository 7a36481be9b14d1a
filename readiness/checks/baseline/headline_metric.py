"""P1: the headline metric with its interval, on reference, current and groups."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.baseline._blocks import (
    MIN_CLUSTERS,
    dependence_note,
    fewest_deciding,
    widened,
)
from readiness.checks.baseline._kept import kept_of
from readiness.checks.baseline._rows import (
    Bools,
    Rows,
    declared_groups,
    labelled_rows,
    left_out_note,
    months,
    require_probabilities,
    target_unit,
    usable_metrics,
)
from readiness.errors import Reason
from readiness.evidence import influence_table
from readiness.figures import draw_intervals, new_figure
from readiness.metrics import Metric, companions
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.stats import Interval, empty_row, summary_frame, summary_row
from readiness.text import interval, number, visible
from readiness.words import UNDECLARED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TWO_CLASSES = 2
_Asked = tuple[Rows, Metric, str, Bools | None]


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Measure the headline metric and its companions where labels are.

    Parameters
    ----------
    case : Case
        Needs a labelled reference.
    options : Options
        None of its own.

    Returns
    -------
    Measurement
        The headline metric and the other metrics of the task: group empty for the
        reference, ``table=current`` where current rows have labels. The headline
        metric besides for each ``column=value`` of the columns declared with
        ``group = true`` (reference rows), and for each calendar month of the newest
        labelled table as ``month=2013-08``. The table ``influence`` holds what each
        number but those of sensitive groups keeps by block (`readiness.evidence`).

    Raises
    ------
    NotAssessedError
        NO_LABELS, NO_PROBABILITIES, or what scoring the reference raises.

    Notes
    -----
    Values are scikit-learn's. Intervals come from influence values summed by block
    and by entity, the wider wins; shares of rows get Clopper-Pearson limits at the
    effective number of rows. An undeclared day, week or identifier that widens the
    interval by half or more is used, with a warning. Do not trust an interval on
    fewer than 30 blocks or, of a ranking, on fewer than 30 that hold the rarest
    class, and no number when labels arrive late for some rows only.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson (1988), doi:10.2307/2531595.
    """
    headline = case.metric
    if headline.needs == "probability":
        require_probabilities(case)
    others = [one for one in companions(case.task) if one.name != headline.name]
    tables, problems = labelled_rows(case)
    tables = [_widened(case, rows) for rows in tables]
    metrics = (headline, *usable_metrics(case, tuple(others)))
    asked: list[_Asked] = [
        (one, metric, one.group, None) for one in tables for metric in metrics
    ]
    parts: list[_Asked] = [
        (where, headline, name, mask)
        for where, masks in (
            (tables[0], declared_groups(case, tables[0])),
            (tables[-1], months(tables[-1])),
        )
        for name, mask in masks
    ]
    empty = [
        empty_row(headline.name, group, reason, _unit(case, headline))
        for group, reason in problems.items()
    ]
    rows = [_row(case, *one) for one in asked]
    summary = summary_frame([*rows, *empty, *(_row(case, *one) for one in parts)])
    return Measurement(
        summary=summary,
        tables={INFLUENCE: influence_table(_kept(case, [*asked, *parts]))},
        notes=_notes(case, tables, summary),
    )


def _kept(case: Case, asked: Iterable[_Asked]) -> Iterator[pd.DataFrame]:
    for rows, metric, group, mask in asked:
        keep: Any = slice(None) if mask is None else mask
        scored, weight = rows.scores, rows.scores.weight
        estimate = metric.estimate(
            scored.y_true[keep],
            scored.y_score[keep],
            None if weight is None else weight[keep],
            case.threshold,
        )
        yield kept_of(case, rows, (metric.name, group), estimate, mask)


def _widened(case: Case, rows: Rows) -> Rows:
    scored = rows.scores
    estimate = case.metric.estimate(
        scored.y_true, scored.y_score, scored.weight, case.threshold
    )
    return widened(case, rows, estimate)


def _row(
    case: Case, rows: Rows, metric: Metric, group: str, mask: Bools | None = None
) -> dict[str, Any]:
    scored = rows.scores
    keep: Any = slice(None) if mask is None else mask
    y_true = scored.y_true[keep]
    measured = metric.interval(
        y_true,
        scored.y_score[keep],
        scored.clusters.take(keep),
        None if scored.weight is None else scored.weight[keep],
        case.threshold,
    )
    if np.isfinite(measured.value):
        fewest = fewest_deciding(metric, y_true, scored.clusters.take(keep))
        if fewest is not None:
            measured = replace(measured, n_blocks=fewest)
        return summary_row(metric.name, group, measured, _unit(case, metric))
    reason = _why_undefined(case, metric, y_true)
    return empty_row(metric.name, group, reason, _unit(case, metric), len(y_true))


def _unit(case: Case, metric: Metric) -> str:
    return target_unit(case) if metric.unit == "target unit" else metric.unit


def _why_undefined(case: Case, metric: Metric, y_true: np.ndarray) -> Reason:
    if not len(y_true):
        return Reason.TOO_FEW_ROWS
    n_needed = len(case.classes) if metric.name == "roc_auc_ovr" else TWO_CLASSES
    if case.task != "regression" and len(np.unique(y_true)) < n_needed:
        return Reason.ONE_CLASS
    return Reason.NOT_MEASURED


def _notes(
    case: Case, tables: Iterable[Rows], summary: pd.DataFrame
) -> tuple[str, ...]:
    notes: list[str | None] = []
    metric = case.metric
    for rows in tables:
        row = _find(summary, metric.name, rows.group)
        if not np.isfinite(row["value"]):
            continue
        notes.append(
            f"{metric.name} on {rows.name}: {_said(row, row['unit'])}, from "
            f"{number(row['n_rows'], 'count')} rows. Each limit is one-sided 95 %."
        )
        fewest = fewest_deciding(metric, rows.scores.y_true, rows.scores.clusters)
        notes.append(
            dependence_note(case, rows, _interval(row))
            if fewest is None
            else f"The rarest class of {rows.name} has {fewest} rows, or blocks where "
            f"those are fewer; under {MIN_CLUSTERS} decide nothing."
        )
        notes.append(_undeclared_note(rows) if rows.undeclared else None)
        notes.append(left_out_note(rows))
    if case.file.model.acceptable is None:
        notes.append(
            f"No acceptable value of {metric.name} is declared, so it cannot pass or "
            "fail. Set model.acceptable in the case file."
        )
    return tuple(note for note in notes if note)


def _find(summary: pd.DataFrame, metric: str, group: str) -> Mapping[Any, Any]:
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    return found.to_dict("records")[0]


def _interval(row: Mapping[Any, Any]) -> Interval:
    names = Interval.__dataclass_fields__
    return Interval(**{name: row[name] for name in names})


def _said(row: Mapping[Any, Any], unit: str) -> str:
    limits = interval(row["ci_low"], row["ci_high"], unit)
    return f"{number(row['value'], unit)} ({limits})"


def _undeclared_note(rows: Rows) -> str:
    """Return the warning about rows that hang together though nobody declared it."""
    return (
        f"Rows of {rows.name} with the same {visible(rows.undeclared, 40)} hang "
        f"together, {UNDECLARED}. The wider intervals are used here; declare it under "
        "data.block or data.entity, so that every check does."
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the headline metric of every table, group and month with its interval."""
    summary = measurement.summary
    name, unit = summary["metric"].iloc[0], summary["unit"].iloc[0]
    shown = summary[summary["metric"] == name]
    # A limit the case does not declare is NaN, and NaN is not itself.
    mine = [one for one in limits if one.metric == name and one.limit == one.limit]
    figure, axes = new_figure(f"{name} with its interval", xlabel=str(name))
    draw_intervals(
        axes,
        [_place(group) for group in shown["group"]],
        shown["value"].tolist(),
        shown["ci_low"].tolist(),
        shown["ci_high"].tolist(),
        limits=mine,
        n_rows=shown["n_rows"].tolist(),
        unit=str(unit),
    )
    return figure


def _place(group: str) -> str:
    return "reference" if group == "" else group.removeprefix("table=")


def alt(measurement: Measurement) -> str:
    """Return the headline metric of each table, and its range over months."""
    summary = measurement.summary
    name, unit = summary["metric"].iloc[0], str(summary["unit"].iloc[0])
    known = summary[(summary["metric"] == name) & summary["value"].notna()]
    if known.empty:
        return f"{name} could not be measured on any table."
    parts = [
        f"{_said(row, unit)} on {visible(_place(row['group']), 40)}"
        for row in known.to_dict("records")
        if row["group"] == "" or row["group"].startswith("table=")
    ]
    by_month = known[known["group"].str.startswith("month=")]["value"]
    if len(by_month) > 1:
        parts.append(
            f"{number(by_month.min(), unit)} to {number(by_month.max(), unit)} "
            f"over {len(by_month)} months"
        )
    return f"{name} is {', '.join(parts)}."


CHECK = Check(
    code="P1",
    title="Headline metric",
    question="Does the model reach the value we need, and how sure are we?",
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=(),
    limits=(
        Limit(
            metric="case:metric",
            side="good_side",
            limit="case:acceptable",
            required_in=("low", "medium", "high"),
            reason="The worst value the owner of the decision accepts.",
        ),
    ),
    metrics=tuple(
        sorted(
            {
                metric.name
                for task in ("binary", "multiclass", "regression")
                for metric in companions(task)
            }
        )
    ),
)
