"""S6: what the model does with empty, odd and impossible input."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._answers import (
    ANSWERS,
    REFUSES,
    VIOLATIONS,
    outcome,
    trials,
)
from readiness.figures import draw_limit, label, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import require_rescoring, scores
from readiness.stats import summary_frame
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "contract_violations"
N_NAMED = 3
COLOURS = {"fine": "#0072B2", "violations": "#D55E00"}


def measure(case: Case, options: Options) -> Measurement:
    """Count inputs on which the model answers nonsense instead of refusing.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows`` (20) good rows the odd inputs are made from.

    Returns
    -------
    Measurement
        ``contract_violations`` (count of inputs) by kind of input: empty batch,
        batch of one, extra column, reordered columns, everything missing, unseen
        categories everywhere; and, column by column, numbers of ±1e30, infinities
        and text in a number. Table ``answers``: what the model does with each.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, or what scoring the reference raises.

    Notes
    -----
    A clear error is a good answer to odd input: nobody acts on it unknowingly. A
    violation is a score that is not finite, out of range or one too few, another
    score for the same rows, or an error on a good row by itself. Columns reach the
    model by name, as this project's adapter passes them; a service that passes them
    by position needs a test of its own. Counts are facts and have no interval. A
    score in range for an impossible row is no violation here: its cost is the fault
    bench's business (S1).
    """
    require_rescoring(case)
    scored = scores(case, "reference", labelled=False)
    chosen = random_order(scored, options.seed)[: options["rows"]]
    good = case.table("reference").take(scored.row[chosen], case.features)
    spread = float(np.std(scored.y_score)) if case.task == "regression" else 1.0
    lines = []
    for trial in trials(case, good, scored.y_score[chosen]):
        word, said = outcome(case, trial, spread)
        lines.append(
            {
                "input": trial.kind,
                "column": trial.column,
                "model": word,
                "said": said,
                "violation": word in VIOLATIONS,
                "rows": len(trial.frame),
            }
        )
    table = pd.DataFrame(lines)
    by_kind = table.groupby("input", sort=False)
    summary = summary_frame([_row(str(kind), part) for kind, part in by_kind])
    return Measurement(
        summary=summary, tables={"answers": table}, notes=_notes(table, len(good))
    )


def _row(kind: str, part: pd.DataFrame) -> dict[str, Any]:
    count = float(part["violation"].sum())
    return {
        "metric": METRIC,
        "group": kind,
        "value": count,
        "ci_low": count,
        "ci_high": count,
        "n_rows": int(part["rows"].sum()),
        "unit": "count",
    }


def _notes(table: pd.DataFrame, n_rows: int) -> tuple[str, ...]:
    words = table["model"].value_counts()
    first = (
        f"Of {len(table):,} odd inputs made from {n_rows} good rows, the model answers "
        f"{words.get(ANSWERS, 0):,} with scores in range, refuses "
        f"{words.get(REFUSES, 0):,} with an error, and violates its contract on "
        f"{table['violation'].sum():,}."
    )
    bad = table[table["violation"]].head(N_NAMED)
    return (first, *(_sentence(row) for row in bad.to_dict("records")))


def _sentence(row: dict[Any, Any]) -> str:
    where = f" in {visible(row['column'], 40)}" if row["column"] else ""
    said = f" ({visible(row['said'], 120)})" if row["said"] else ""
    return f"{row['input'].capitalize()}{where}: the model {row['model']}{said}."


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw, per kind of input, how many were answered or refused, and violations."""
    table = measurement.tables["answers"]
    kinds = list(dict.fromkeys(table["input"]))
    bad = [int(table.loc[table["input"] == one, "violation"].sum()) for one in kinds]
    tried = [int((table["input"] == one).sum()) for one in kinds]
    figure, axes = new_figure(
        "Odd inputs: violations of the input contract",
        xlabel="inputs that violate the contract (count)",
        height_in=1.2 + 0.26 * len(kinds),
    )
    places = np.arange(len(kinds))
    axes.barh(places, bad, height=0.6, color=COLOURS["violations"])
    for place, (count, total) in enumerate(zip(bad, tried, strict=True)):
        words = f"{count} of {total}"
        axes.annotate(
            words,
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    for limit in limits:
        if limit.metric == METRIC and not isinstance(limit.limit, str):
            draw_limit(
                axes,
                limit.limit,
                f"at most {number(limit.limit, 'count', exact=True)}",
                align="left",
            )
    axes.set_yticks(places, [label(one) for one in kinds])
    axes.set_xlim(0, max(*bad, 1) * 1.3)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure


def alt(measurement: Measurement) -> str:
    """Return the number of violations in one sentence."""
    table = measurement.tables["answers"]
    bad = table[table["violation"]]
    if bad.empty:
        return f"None of {len(table)} odd inputs makes the model answer nonsense."
    kinds = ", ".join(dict.fromkeys(bad["input"]))
    return f"{len(bad)} of {len(table)} odd inputs violate the contract: {kinds}."


CHECK = Check(
    code="S6",
    title="Input contract",
    question="Does the model answer sensibly, or refuse clearly, whatever it is given?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.0,
            required_in=("low", "medium", "high"),
            groups="each",
            reason="A score that is not a number, or changes unseen, is acted upon.",
        ),
    ),
    defaults={"rows": 20},
)
