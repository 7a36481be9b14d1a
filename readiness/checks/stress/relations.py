"""S5: changes that may not move a score, or move it in one direction only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._relations import (
    ANSWERS,
    MONOTONE,
    N_GRID,
    REFUSES,
    Kept,
    direction,
    invariance,
    variants,
)
from readiness.checks.stress._relations_view import METRIC, alt, draw, notes_on
from readiness.errors import Reason
from readiness.fault_sources import ALL_COLUMNS
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import require_rescoring, scores
from readiness.stats import (
    Clusters,
    Floats,
    Ints,
    empty_row,
    proportion_interval,
    summary_frame,
    summary_row,
)

FEWEST_ROWS = 300  # none violated of these shows a share below one in a hundred
HIDDEN = "not shown (sensitive)"


def measure(case: Case, options: Options) -> Measurement:
    """Measure on how many rows the model breaks a relation it must keep.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows`` (2,000) of the reference; ``most_scorings`` (300,000), beyond which
        relations of single columns get fewer rows, never below 300; ``least_move``
        (0.01): a move against the declared direction by no more is none, in output
        units, for regression in standard deviations of the scores.

    Returns
    -------
    Measurement
        ``relation_violation_share`` (share of rows) by relation: the same rows in a
        batch of rows alike, sent twice in one batch, in an equivalent encoding (its
        name), with the values of a column declared irrelevant exchanged
        (``irrelevant=column``): the score may not change. ``monotone=column``: it
        may not move against the declared direction. Tables ``relations`` (each
        relation and column, the worst first) and ``wrong_way`` (the worst row of each
        direction).

    Raises
    ------
    NotAssessedError
        NO_RESCORING, or what scoring the reference raises.

    Notes
    -----
    The rows are a random sample of the table, and the interval, Clopper-Pearson, is
    about the rows of this table: whether a relation holds is a property of the model,
    not of the days, so blocks are not asked. Moving a value: ten values between its
    1 % and 99 % quantile, within the declared range, and the row's own; a dip
    narrower than a tenth of the values can be missed, and so can one in a row of a
    thousand. A refused encoding is loud: it is listed, and not assessed. Directions
    are those the case file declares (``monotone``), for binary models and
    regressions. The order of rows and the size of batches are asked by S7, the order
    of columns and single rows by S6; they are not sent again here.

    References
    ----------
    M. T. Ribeiro et al. (2020), "Beyond accuracy: behavioral testing of NLP models
    with CheckList", ACL.
    """
    require_rescoring(case)
    scored = scores(case, "reference", labelled=False)
    chosen = random_order(scored, options.seed)[: options["rows"]]
    good = case.table("reference").take(scored.row[chosen], case.features)
    good, clean = good.reset_index(drop=True), scored.y_score[chosen]
    scale = 1.0
    if case.task == "regression":
        scale = float(np.std(scored.y_score)) or 1.0
    kept = [
        *_invariances(case, good, clean, scale, options),
        *_directions(case, good, scale, options),
    ]
    rows = [_row(name, own) for name, own in _by_relation(kept).items()]
    rows += [
        empty_row(METRIC, f"{MONOTONE}{name}", reason, "share")
        for name, reason in _undirected(case).items()
    ]
    table = pd.DataFrame([_line(one) for one in kept]).sort_values(
        ["violations", "largest_move"],
        ascending=False,
        kind="stable",
        ignore_index=True,
    )
    wrong_way = [_worst(case, one, scored.row[chosen]) for one in kept if one.worst]
    columns = ["column", "row", "from", "to", "score_from", "score_to", "wrong_way"]
    summary = summary_frame(rows)
    return Measurement(
        summary=summary,
        tables={
            "relations": table,
            "wrong_way": pd.DataFrame(wrong_way, columns=columns),
        },
        notes=notes_on(case, summary, table, wrong_way),
    )


def _invariances(
    case: Case, good: pd.DataFrame, clean: Floats, scale: float, options: Options
) -> list[Kept]:
    """Return how well each relation of invariance holds; columns get their share."""
    sent = list(variants(case, good, clean, options.seed))
    of_columns = sum(bool(one.column) for one in sent)
    most = _affordable(options, of_columns)
    some = [
        replace(one, frame=one.frame.iloc[:most], place=one.place[:most])
        if one.column
        else one
        for one in sent
    ]
    return [invariance(case, one, clean, scale) for one in some]


def _affordable(options: Options, n_parts: int) -> int:
    return max(int(options["most_scorings"]) // max(n_parts, 1), FEWEST_ROWS)


def _directions(
    case: Case, good: pd.DataFrame, scale: float, options: Options
) -> list[Kept]:
    unfit = _undirected(case)
    asked = [
        one for one in case.columns.values() if one.monotone and one.name not in unfit
    ]
    rows = good.iloc[: _affordable(options, len(asked) * (N_GRID + 1))]
    least = options["least_move"] * scale
    return [direction(case, column, rows, least) for column in asked]


def _undirected(case: Case) -> dict[str, Reason]:
    """Return columns with a direction that cannot be asked, and why."""
    declared = [one for one in case.columns.values() if one.monotone]
    if case.task == "multiclass":
        return {one.name: Reason.NOT_THIS_TASK for one in declared}
    return {
        one.name: Reason.UNSUPPORTED_TYPE for one in declared if one.kind != "numeric"
    }


def _by_relation(kept: Sequence[Kept]) -> dict[str, list[Kept]]:
    found: dict[str, list[Kept]] = {}
    for one in kept:
        found.setdefault(one.relation, []).append(one)
    return found


def _row(relation: str, parts: Sequence[Kept]) -> dict[str, Any]:
    """Return the share of rows that any part of a relation is broken on."""
    answered = [one for one in parts if one.outcome == ANSWERS]
    if not answered:
        is_loud = all(one.outcome == REFUSES for one in parts)
        reason = Reason.REFUSED if is_loud else Reason.MODEL_SCORES
        return empty_row(METRIC, relation, reason, "share")
    place = np.concatenate([one.place for one in answered])
    violated = np.concatenate([one.violated for one in answered])
    hits = np.zeros(int(place.max()) + 1, dtype=bool)
    hits[place[violated]] = True
    share = proportion_interval(hits[np.unique(place)], Clusters())
    return summary_row(METRIC, relation, share, "share")


def _line(one: Kept) -> dict[str, Any]:
    is_known = one.outcome == ANSWERS
    return {
        "relation": one.relation,
        "column": one.column or ALL_COLUMNS,
        "model": one.outcome,
        "rows": len(one.place) if is_known else 0,
        "violations": int(one.violated.sum()) if is_known else 0,
        "largest_move": float(one.by.max(initial=0.0)) if is_known else np.nan,
    }


def _worst(case: Case, one: Kept, rows: Ints) -> dict[str, Any]:
    """Return the row whose score goes the wrong way most."""
    line: dict[str, Any] = {"column": one.column, **one.worst}
    line["row"] = int(rows[line["row"]])
    line["wrong_way"] = float(one.by.max())
    if case.columns[one.column].sensitive:
        line |= {"row": HIDDEN, "from": HIDDEN, "to": HIDDEN}
    return line


CHECK = Check(
    code="S5",
    title="Relations",
    question="Do scores stay when nothing changes, and move only the way they should?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.01,
            required_in=("high",),
            groups="each",
            reason="A score that hangs on how a row is sent cannot be explained.",
        ),
    ),
    defaults={"rows": 2000, "most_scorings": 300_000, "least_move": 0.01},
    shown="relations",
)
