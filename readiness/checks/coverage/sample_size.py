"""C9: whether the model was fitted on enough rows, and what more would bring."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE
from readiness.case import Case
from readiness.checks.coverage._learning_curve import learning_curve
from readiness.checks.coverage._rows_needed import (
    Asked,
    binary_strength,
    number_strength,
)
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.labels import USABLE, target_codes
from readiness.profiles import profile
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Floats,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC, GAIN = "missing_rows", "doubling_gain"


def measure(case: Case, options: Options) -> Measurement:
    """Compare the rows the model was fitted on with the rows such a model needs.

    Parameters
    ----------
    case : Case
        With training and a labelled reference, on which the model's strength is
        measured.
    options : Options
        ``parameters`` (0: one for each number, and for each category but one).

    Returns
    -------
    Measurement
        ``missing_rows`` (count): rows needed less rows there, at least 0; its interval
        is that of the model's strength. ``doubling_gain`` (metric points, full
        profile): what the last doubling of the rows brought. Tables ``criteria``, and
        ``learning_curve`` in the full profile.

    Raises
    ------
    NotAssessedError
        NO_TABLE without training; NO_LABELS; NOT_THIS_TASK for several classes, whose
        criteria need a model for each pair; NO_PROBABILITIES.

    Notes
    -----
    The formulas are for regression models with this many parameters. Trees and
    networks need more, so the answer is a lower bound for them, and the learning curve
    is what counts. Rows that hang together carry less than their number. The gain is
    measured on one nested choice of blocks; its interval is that of the reference rows
    and leaves the luck of that choice out.

    References
    ----------
    R. D. Riley et al. (2020), doi:10.1136/bmj.m441.
    """
    if case.task == "multiclass":
        msg = "The criteria are for two classes or a number, not for several classes."
        raise NotAssessedError(msg, Reason.NOT_THIS_TASK)
    y = _training_target(case)
    parameters = int(options["parameters"]) or _parameters(case)
    asked = (
        binary_strength(case, y, parameters)
        if case.task == "binary"
        else number_strength(case, y, parameters)
    )
    rows = [_missing(asked, len(y))]
    tables = {"criteria": _criteria(asked, len(y))}
    unit = case.metric.unit or "metric points"
    gain = no_interval()
    if options.profile == "full":
        try:
            tables["learning_curve"], gain = learning_curve(case, options.seed)
            rows.append(summary_row(GAIN, "", gain, unit))
        except NotAssessedError as error:
            rows.append(empty_row(GAIN, "", error.code, unit))
    else:
        rows.append(empty_row(GAIN, "", Reason.NOT_IN_PROFILE, unit))
    summary = summary_frame(rows)
    return Measurement(
        summary=summary, tables=tables, notes=_notes(asked, len(y), summary)
    )


def _training_target(case: Case) -> Floats:
    """Return the labels the model was fitted on."""
    table = case.table("training")
    if not case.has_labels("training"):
        msg = "The training table has no labels."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    codes, why = target_codes(table.column(case.target).combine_chunks(), case.classes)
    return np.asarray(codes[why == USABLE], dtype=float)


def _parameters(case: Case) -> int:
    """Return the columns a linear model of the features would have."""
    known = profile(case, "training")
    categories = ("categorical", "boolean")
    counts = [
        max(known[name].n_distinct - 1, 1) if one.kind in categories else 1
        for name, one in case.columns.items()
    ]
    return sum(counts)


def _missing(asked: Asked, n_rows: int) -> dict[str, object]:
    row = summary_row(METRIC, "", no_interval(), "count")
    low, value, high = (
        max(one.rows - n_rows, 0) for one in (asked.fewest, asked.needed, asked.most)
    )
    return {
        **row,
        "value": value,
        "ci_low": min(low, value),
        "ci_high": max(high, value),
        "n_rows": n_rows,
        "n_blocks": asked.n_blocks,
    }


def _criteria(asked: Asked, n_rows: int) -> pd.DataFrame:
    names = {
        "shrinkage": "effects shrink by no more than a tenth",
        "optimism": "R² no more than 0.05 too good",
        "intercept": "overall risk or mean known",
        "residual": "residual spread known within a tenth",
    }
    return pd.DataFrame(
        [
            {
                "criterion": words,
                "rows_needed": getattr(asked.needed, name),
                "training_rows": n_rows,
            }
            for name, words in names.items()
            if getattr(asked.needed, name)
        ]
    )


def _notes(asked: Asked, n_rows: int, summary: pd.DataFrame) -> tuple[str, ...]:
    enough = asked.needed.rows <= n_rows
    first = (
        f"A model of this strength with {asked.parameters:,} parameters needs "
        f"{asked.needed.rows:,} labelled rows at least; it was fitted on {n_rows:,}"
    )
    missing = asked.needed.rows - n_rows
    notes = [f"{first}." if enough else f"{first}: {missing:,} are missing."]
    notes.append(
        f"Its strength on the reference is an R² of {number(asked.r2)} (two classes: "
        "Cox and Snell's). Trees and networks need more rows than this bound."
    )
    gain = summary[summary["metric"] == GAIN].iloc[0]
    if not np.isnan(gain["value"]):
        limits = interval(gain["ci_low"], gain["ci_high"])
        notes.append(
            f"The last doubling of the training rows brought {number(gain['value'])} "
            f"({limits}) of the metric; the next will hardly bring more."
        )
    return tuple(notes)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the learning curve, or else the rows each criterion needs."""
    curve = measurement.tables.get("learning_curve")
    if curve is None:
        return _draw_criteria(measurement.tables["criteria"])
    figure, axes = new_figure(
        "The headline metric by the rows fitted on",
        xlabel="training rows",
        ylabel="metric on the reference",
    )
    axes.fill_between(
        curve["rows"], curve["ci_low"], curve["ci_high"], color=BLUE, alpha=0.2
    )
    axes.plot(curve["rows"], curve["value"], "o-", color=BLUE)
    return figure


def _draw_criteria(criteria: pd.DataFrame) -> "Figure":
    figure, axes = new_figure(
        "Rows needed, by criterion",
        xlabel=f"rows (there are {int(criteria['training_rows'].iloc[0]):,})",
        height_in=2.2,
    )
    needed = criteria["rows_needed"].astype(float).tolist()
    draw_intervals(
        axes, criteria["criterion"].tolist(), needed, needed, needed, unit="count"
    )
    axes.set_xlim(left=0)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the answer in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="C9",
    title="Sample size",
    question="Was the model fitted on enough rows?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0,
            required_in=(),
            reason="Too few rows: effects are overstated, and the next data show it.",
        ),
    ),
    defaults={"parameters": 0},
    metrics=(GAIN,),
)
