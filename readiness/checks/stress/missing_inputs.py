"""S3: what it costs when a feature, or a whole source, does not arrive."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._bench import Bench, open_bench
from readiness.checks.stress._cells import REJECTED
from readiness.checks.stress._looks import Cell, run_bench
from readiness.checks.stress._missing import (
    Pattern,
    Subject,
    missing,
    patterns,
    subjects,
)
from readiness.checks.stress._missing_view import alt, draw, notes_on
from readiness.errors import Reason
from readiness.metrics import METRICS
from readiness.result import Check, Measurement, Options
from readiness.stats import empty_row, summary_frame, summary_row

UNIT = "metric points"
_GAP = ["words", "decision", "loss", "ci_low", "ci_high", "rows"]


def measure(case: Case, options: Options) -> Measurement:
    """Measure the paired loss of the headline metric without a feature or a source.

    Parameters
    ----------
    case : Case
        Needs labels, and a model that can score altered rows.
    options : Options
        ``first_rows`` (2,500) of the first look, ``most_rows`` (10,000) of the
        second, ``most_scorings`` (400,000): rows one look may give to the model.

    Returns
    -------
    Measurement
        ``<headline metric>_loss`` (metric points, positive is worse). Group: the
        feature, or ``source=`` and the source, missing in every row; and
        ``subject/how/dose``: missing in a share of rows (``0.05``, ``0.20``,
        ``0.50``), ``at random``, or where the value is ``highest`` or ``lowest``.
        For a source, each of its numeric features says once which rows those are.
        NaN with reason REFUSED where the model raised: a loud failure. Tables
        ``gaps`` (what is missing altogether, the worst first), ``subjects`` (the same
        in full, in the order of the model) and ``curves``.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, NO_LABELS, NO_PROBABILITIES, ONE_CLASS, or what scoring the
        tables raises.

    Notes
    -----
    Each subject is left out of every row and scored once. Each row then counts as
    the good copy and as the copy with the gap, weighted by how likely the gap is: no
    draw adds noise, and all shares and patterns come from one scoring. Rows whose
    value is missing anyway keep their score. Which values are the highest is taken
    from the same rows and treated as given; ties at the edge are missing in part.
    Decisions "harmful" and "harmless" hold for a complete gap and together over all
    subjects (Holm); intervals are those of single numbers. Labels stay as they were,
    so a gap that comes with other outcomes (a storm that breaks the feed) is worse
    or better than this says. Sources are those the case file declares.

    References
    ----------
    S. Schelter, T. Rukat, F. Biessmann (2021), "JENGA: A framework to study the
    impact of data errors on the predictions of machine learning models", EDBT.
    """
    bench = open_bench(case, options["most_rows"], options.seed)
    known = subjects(case.columns)
    cells = run_bench(
        bench,
        [missing(one) for one in known],
        (options["first_rows"],),
        options["most_scorings"],
    )
    curves = [
        line
        for subject, cell in zip(known, cells, strict=True)
        for line in _curve(bench, subject, cell)
    ]
    rows = [line.pop("row") for line in curves]
    table = pd.DataFrame(
        [
            _line(one, cell, case.tolerated_loss)
            for one, cell in zip(known, cells, strict=True)
        ]
    )
    drawn = pd.DataFrame(curves)
    gaps = table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)
    return Measurement(
        summary=summary_frame(rows),
        tables={
            "gaps": gaps[_GAP].rename(columns={"words": "input"}),
            "subjects": table,
            "curves": drawn,
        },
        notes=notes_on(bench, table, drawn),
    )


def _curve(bench: Bench, subject: Subject, cell: Cell) -> list[dict[str, Any]]:
    scores = cell.altered.scores
    lines = []
    for pattern in patterns(subject, bench.case.columns, bench.rows):
        row = _row(bench, subject, cell, pattern)
        lines.append(
            {
                "subject": subject.name,
                "kind": subject.kind,
                "how": pattern.how,
                "share_missing": pattern.dose,
                "values_missing": pattern.beyond,
                "loss": row["value"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "rows": 0 if scores is None else len(scores),
                "row": row,
            }
        )
    return lines


def _row(
    bench: Bench, subject: Subject, cell: Cell, pattern: Pattern
) -> dict[str, Any]:
    metric = f"{bench.case.metric.name}_loss"
    group = f"{subject.name}/{pattern.how}/{pattern.dose:.2f}"
    if pattern.dose == 1:
        group = subject.name
    scores = cell.altered.scores
    if scores is None:
        is_loud = cell.altered.outcome == REJECTED
        reason = Reason.REFUSED if is_loud else Reason.MODEL_SCORES
        return empty_row(metric, group, reason, UNIT)
    share = pattern.share
    if isinstance(share, np.ndarray):
        share = share[: len(scores)]
    loss = bench.loss(scores, share)
    if not np.isfinite(loss.value):
        return empty_row(metric, group, Reason.ONE_CLASS, UNIT, loss.n_rows)
    return summary_row(metric, group, loss, UNIT)


def _line(subject: Subject, cell: Cell, tolerated: float) -> dict[str, Any]:
    loss = cell.loss
    return {
        "subject": subject.name,
        "words": subject.words,
        "kind": subject.kind,
        "features": ", ".join(subject.columns),
        "outcome": cell.altered.outcome,
        "tolerated": tolerated,
        "decision": cell.decision,
        "loss": loss.value if loss else np.nan,
        "ci_low": loss.ci_low if loss else np.nan,
        "ci_high": loss.ci_high if loss else np.nan,
        "rows": 0 if cell.altered.scores is None else len(cell.altered.scores),
        "rows_changed": cell.altered.n_changed,
        "blocks": loss.n_blocks if loss else 0,
    }


CHECK = Check(
    code="S3",
    title="Missing inputs",
    question="What does it cost when a feature or a whole source does not arrive?",
    measure=measure,
    draw=draw,
    alt=alt,
    defaults={"first_rows": 2500, "most_rows": 10_000, "most_scorings": 400_000},
    metrics=tuple(sorted({f"{metric.name}_loss" for metric in METRICS})),
    shown="gaps",
)
