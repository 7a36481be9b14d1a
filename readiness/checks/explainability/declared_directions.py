"""X7: whether the model uses each column the way people said it should."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._moves import (
    FIRST,
    FORBIDDEN,
    Answer,
    Expectation,
    ask,
    expectations,
)
from readiness.checks.explainability._redundancy import told_by_others
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import require_rescoring, scores
from readiness.stats import (
    Clusters,
    Interval,
    empty_row,
    proportion_interval,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC, TABLE = "expectation_violation_share", "reference"
NOT_USED = "the model does not receive it"
HIGH_SHARE = 0.5  # of a forbidden column, told by the features that stay


def measure(case: Case, options: Options) -> Measurement:
    """Measure on how many rows the model breaks what people expect of a column.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows, and columns with ``monotone`` or a
        ``role`` in the case file.
    options : Options
        ``rows`` (2,000) random reference rows; ``least_move`` (0.01): a move against
        a declared direction by no more is none, in output units, for regression in
        standard deviations of the scores; ``values`` (10) that a forbidden or
        irrelevant column is moved to.

    Returns
    -------
    Measurement
        By column ``expectation_violation_share`` (share of rows): rows whose score
        changes when only this column does (role ``forbidden`` or ``irrelevant``), or
        moves the wrong way (``monotone``). Table ``expectations``: the same with the
        median and the largest wrong move (output units), and for a forbidden column
        the share of it that the other features tell.

    Raises
    ------
    NotAssessedError
        NO_EXPECTATION where the case file declares none; NO_RESCORING, or what
        scoring the reference raises.

    Notes
    -----
    Real rows, one column moved at a time between values that occur; what moves
    together in life is torn apart here. A dip narrower than a tenth of the values can
    be missed. Intervals are clustered by block; where no row breaks the expectation,
    or every row does, days tell nothing and rows are counted. A role goes before a
    direction of the same column. A forbidden column that is no feature is not used,
    which is a fact; others may still tell it. Directions are asked of binary models
    and regressions and of numeric columns, with the moves of S5.

    References
    ----------
    M. T. Ribeiro et al. (2020), "Beyond accuracy: behavioral testing of NLP models
    with CheckList", ACL.
    """
    asked = expectations(case)
    if not asked:
        msg = (
            "No column has an expected direction or role. Declare monotone, or role "
            'as "irrelevant" or "forbidden", under columns in the case file.'
        )
        raise NotAssessedError(msg, Reason.NO_EXPECTATION)
    require_rescoring(case)
    scored = scores(case, TABLE, labelled=False)
    rows = scored.take(random_order(scored, options.seed)[: options["rows"]])
    frame = case.table(TABLE).take(rows.row, case.features)
    answers = {
        one: ask(
            case,
            one,
            frame,
            rows.y_score,
            least_move=options["least_move"],
            n_values=options["values"],
        )
        for one in asked
        if one.column in case.columns
    }
    summary = [_row(one, answers.get(one), rows) for one in asked]
    proxies = _proxies(case, asked, frame, rows)
    lines = [
        _line(one, answers.get(one), row, proxies)
        for one, row in zip(asked, summary, strict=True)
    ]
    table = pd.DataFrame(lines).sort_values(
        ["kind", "share"], ascending=[True, False], kind="stable"
    )
    table = table.drop(columns="kind").reset_index(drop=True)
    place = {name: order for order, name in enumerate(table["column"])}
    summary.sort(key=lambda row: place[row["group"]])
    return Measurement(
        summary=summary_frame(summary),
        tables={"expectations": table},
        notes=_notes(case, table, len(frame)),
    )


def _row(one: Expectation, answer: Answer | None, rows: Scores) -> dict[str, Any]:
    if answer is None:  # no feature of the model
        n_rows = len(rows.row)
        fact = Interval(
            value=0.0,
            ci_low=0.0,
            ci_high=0.0,
            se=float("nan"),
            n_rows=n_rows,
            n_blocks=n_rows,
            dependence_factor=float("nan"),
        )
        return summary_row(METRIC, one.column, fact, "share", n_blocks=float("nan"))
    if answer.reason is not None:
        return empty_row(METRIC, one.column, answer.reason, "share")
    hits = answer.by > answer.least
    clusters = rows.clusters.take(answer.rows)
    if hits.all() or not hits.any():
        clusters = Clusters()
    weight = None if rows.weight is None else rows.weight[answer.rows]
    share = proportion_interval(hits, clusters, weight)
    return summary_row(METRIC, one.column, share, "share")


def _proxies(
    case: Case, asked: Sequence[Expectation], frame: pd.DataFrame, rows: Scores
) -> dict[str, Interval]:
    """Return how much of each forbidden column the other features tell."""
    forbidden = [one.column for one in asked if one.expected == FORBIDDEN]
    known = case.table(TABLE).schema.names
    found: dict[str, Interval] = {}
    for name in forbidden:
        if name not in known or name == case.target:
            continue
        kept = frame.drop(columns=[one for one in forbidden if one in frame])
        whole = kept.assign(**{name: case.table(TABLE).take(rows.row, [name])[name]})
        found |= told_by_others(case, whole, [name], rows.clusters, rows.weight)
    return found


def _line(
    one: Expectation,
    answer: Answer | None,
    row: dict[str, Any],
    proxies: dict[str, Interval],
) -> dict[str, Any]:
    wrong = np.empty(0) if answer is None else answer.by[answer.by > answer.least]
    is_known = answer is None or answer.reason is None
    told = proxies.get(one.column)
    return {
        "kind": [*FIRST, "monotone"].index(
            one.expected if one.expected in FIRST else "monotone"
        ),
        "column": one.column,
        "expected": one.expected,
        "share": row["value"],
        "ci_low": row["ci_low"],
        "ci_high": row["ci_high"],
        "median_wrong_move": float(np.median(wrong)) if len(wrong) else np.nan,
        "largest_wrong_move": float(wrong.max(initial=0.0)) if is_known else np.nan,
        "rows": row["n_rows"],
        "told_by_others": told.value if told else np.nan,
        "remark": NOT_USED if answer is None else str(answer.reason or ""),
    }


def _notes(case: Case, table: pd.DataFrame, n_rows: int) -> tuple[str, ...]:
    broken = table[table["share"] > 0]
    kept = table[table["share"] == 0]
    open_ones = table[table["share"].isna()]
    notes = [_broken(line, case) for line in broken.to_dict("records")]
    if not kept.empty:
        names = ", ".join(visible(one, 40) for one in kept["column"])
        notes.append(f"As expected on all of {n_rows:,} rows: {names}.")
    if not open_ones.empty:
        names = ", ".join(visible(one, 40) for one in open_ones["column"])
        notes.append(f"Could not be asked: {names}.")
    told = table[table["told_by_others"] > HIGH_SHARE].to_dict("records")
    hidden = [
        f"The other features tell {number(line['told_by_others'], 'share')} of "
        f"{visible(line['column'], 40)}: leaving it out does not hide it."
        for line in told
    ]
    return (*notes, *hidden)


def _broken(line: dict[Any, Any], case: Case) -> str:
    name = visible(line["column"], 40)
    limits = interval(line["ci_low"], line["ci_high"], "share")
    share = f"{number(line['share'], 'share')} of the rows ({limits})"
    unit = "target unit" if case.task == "regression" else ""
    most = f"by up to {number(line['largest_wrong_move'], unit)}"
    if line["expected"] in FIRST:
        word = "a forbidden" if line["expected"] == FORBIDDEN else "an irrelevant"
        return (
            f"The model uses {name}, declared {word} column: changing it alone changes "
            f"the score of {share}, {most}."
        )
    return (
        f"{name} should only move the score one way ({line['expected']}); on {share} "
        f"it moves the other way, {most}."
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the share of rows that break each expectation."""
    figure, axes = new_figure(
        "Rows on which the model breaks an expectation", xlabel="share of rows"
    )
    table = measurement.tables["expectations"]
    words = [
        f"{visible(row['column'], 20)}, {row['expected']}"
        for row in table.to_dict("records")
    ]
    draw_intervals(
        axes,
        words,
        table["share"].tolist(),
        table["ci_low"].tolist(),
        table["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == METRIC],
        n_rows=table["rows"].tolist(),
        unit="share",
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return the first finding in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="X7",
    title="Declared directions",
    question="Does the model use each column the way people said it should?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.01,
            required_in=("medium", "high"),
            groups="each",
            reason="What experts ruled out happens to more than one row in a hundred.",
        ),
    ),
    defaults={"rows": 2000, "least_move": 0.01, "values": 10},
    shown="expectations",
)
