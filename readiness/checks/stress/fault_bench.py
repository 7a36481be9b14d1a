"""S1: what each pipeline fault of each column costs, and which are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._bench import OPENED, Bench, answers, open_bench, opened
from readiness.checks.stress._cells import REJECTED, SCORED
from readiness.checks.stress._fault_view import (
    MAX_COLUMNS,
    alt,
    draw,
    measured_on,
    subject,
)
from readiness.checks.stress._looks import (
    HARMFUL,
    HARMLESS,
    UNDECIDED,
    Cell,
    all_faults,
    p_values,
    run_bench,
    words,
)
from readiness.checks.stress._missing import HIGHEST, LOWEST, likely_missing
from readiness.errors import Reason
from readiness.fault_values import is_number
from readiness.metrics import METRICS
from readiness.result import Check, Measurement, Options
from readiness.stats import (
    Floats,
    Interval,
    empty_row,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible
from readiness.words import metric_words

PARTIAL = {"0.05": 0.05, "0.20": 0.20}
WHOLE = "1.00"
DOSES = (*PARTIAL, WHOLE)
UNIT = "metric points"
N_WORST = 3
MOVE = "prediction_move"


def measure(case: Case, options: Options) -> Measurement:
    """Measure the paired loss of the headline metric under each fault.

    Parameters
    ----------
    case : Case
        Needs labels, and a model that can score altered rows.
    options : Options
        ``first_rows`` (2,500): altered rows scored at the first look; ``most_rows``
        (10,000) after the second; ``last_rows`` (35,000) of the table that the third
        is at; ``most_scorings`` (1,500,000): rows one look may give to the model.

    Returns
    -------
    Measurement
        ``<headline metric>_loss`` (metric points, positive is worse) by
        ``column/fault/dose``; the dose is the share of rows the fault befalls:
        ``0.05``, ``0.20``, ``1.00``. NaN with reason REFUSED where the model raised:
        a loud failure. The column is ``source=`` and its name where all features of
        a source are hit, ``(all columns)`` where whole rows are. ``missing highest``
        and ``missing lowest``: the values go missing from one end, not at random.
        Table ``cells``: one line per column and fault; ``opened``: of how many rows.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, NO_LABELS, NO_PROBABILITIES, ONE_CLASS, or what scoring the
        tables raises.

    Notes
    -----
    Each copy is altered in every row and scored once. A dose weights the good copy
    of a row by one minus the dose and the altered copy by the dose: the metric of a
    mixture, so no dose adds noise of its own, and metrics that are not means of rows
    (an AUC compares pairs of rows) need nothing special. The interval comes from
    paired influence values, summed by block. The faults are missing, stuck, clipped,
    stale (the row before, or a day before, of its entity or in time), shuffled,
    swapped and shifted values, default fills, tenfold to thousandfold values, wrong
    units where one is declared, signs, decimals, text for numbers, clocks that are
    off, renamed, unseen and mangled categories, noise of the declared size. Labels
    stay as they were.

    Decisions "harmful" and "harmless" hold together over all cells, at each dose:
    with 95 % confidence none of either word is wrong. They are taken after
    ``first_rows`` altered rows where these decide, else after ``most_rows`` or after
    ``last_rows`` if those have a fair chance to decide; each of the three looks spends
    a third of the 5 %. Intervals are those of single cells. A row that a fault leaves
    as it is is not scored again, nor is one whose value trees cannot tell from one
    they have been asked about. Do not read a cell as safe because its dose of 0.05
    costs little: a dead feed is dose 1.00.

    References
    ----------
    S. Schelter, T. Rukat, F. Biessmann (2021), "JENGA: A framework to study the
    impact of data errors on the predictions of machine learning models", EDBT.
    """
    bench = open_bench(case, options["last_rows"], options.seed)
    cells = run_bench(
        bench,
        all_faults(bench),
        (options["first_rows"], options["most_rows"]),
        options["most_scorings"],
    )
    metric = f"{case.metric.name}_loss"
    costs = [_costs(bench, cell) for cell in cells]
    rows = [row for one in costs for row in _rows(one, metric)]
    table = _table(bench, costs)
    return Measurement(
        summary=summary_frame(rows),
        tables={"cells": table, OPENED: opened(bench)},
        notes=_notes(bench, table),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Costs:
    """What one cell costs at each dose."""

    cell: Cell
    losses: Mapping[str, Interval]
    at_ends: Mapping[str, Interval]


def _costs(bench: Bench, cell: Cell) -> _Costs:
    scores = cell.altered.scores
    losses: dict[str, Interval] = {}
    at_ends: dict[str, Interval] = {}
    if scores is not None and cell.loss is not None:
        losses = {dose: bench.loss(scores, share) for dose, share in PARTIAL.items()}
        losses[WHOLE] = cell.loss
        at_ends = _not_at_random(bench, cell, scores)
    return _Costs(cell=cell, losses=losses, at_ends=at_ends)


def _not_at_random(bench: Bench, cell: Cell, scores: Floats) -> dict[str, Interval]:
    """Return losses where the highest or the lowest values go missing first."""
    name = cell.fault.column
    column = bench.case.columns.get(name)
    if cell.fault.name != "missing" or column is None or column.kind != "numeric":
        return {}
    frame = bench.rows.frame[name]
    if not is_number(frame):
        return {}
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    found = {}
    for side in (HIGHEST, LOWEST):
        for dose, part in PARTIAL.items():
            share, edge = likely_missing(values, part, side)
            if np.isfinite(edge):
                group = f"{name}/missing {side}/{dose}"
                found[group] = bench.loss(scores, share[: len(scores)])
    return found


def _rows(costs: _Costs, metric: str) -> list[dict[str, Any]]:
    cell = costs.cell
    start = f"{cell.fault.column}/{cell.fault.name}"
    if not costs.losses:
        is_loud = cell.altered.outcome == REJECTED
        reason = Reason.REFUSED if is_loud else Reason.MODEL_SCORES
        return [empty_row(metric, f"{start}/{dose}", reason, UNIT) for dose in DOSES]
    known = {f"{start}/{dose}": costs.losses[dose] for dose in DOSES}
    known.update(costs.at_ends)
    rows = []
    for group, loss in known.items():
        if np.isfinite(loss.value):
            rows.append(summary_row(metric, group, loss, UNIT))
        else:
            rows.append(empty_row(metric, group, Reason.ONE_CLASS, UNIT, loss.n_rows))
    return rows


def _table(bench: Bench, costs: Sequence[_Costs]) -> pd.DataFrame:
    """Return one line per cell; words about parts of the rows hold at 95 % each."""
    table = pd.DataFrame([_line(bench, one) for one in costs])
    for dose in PARTIAL:
        losses = [one.losses.get(dose) for one in costs]
        n_looks = np.array([[one.cell.n_looks] for one in costs])
        told = words(p_values(losses, bench.case.tolerated_loss) * n_looks)
        scored = table["outcome"] == SCORED
        table[f"decision_{dose}"] = np.where(scored, told, table["decision"])
    if table["column"].nunique() > MAX_COLUMNS:  # a list to read, not a matrix
        return table.sort_values("loss", ascending=False, ignore_index=True)
    return table


def _line(bench: Bench, costs: _Costs) -> dict[str, Any]:
    cell = costs.cell
    loss, scores = cell.loss, cell.altered.scores
    line = {
        "column": cell.fault.column,
        "fault": cell.fault.name,
        "what_happens": cell.fault.words,
        "outcome": cell.altered.outcome,
        "decision": cell.decision,
        "loss": loss.value if loss else np.nan,
        "ci_low": loss.ci_low if loss else np.nan,
        "ci_high": loss.ci_high if loss else np.nan,
        "rows": 0 if scores is None else len(scores),
        "rows_changed": cell.altered.n_changed,
        "blocks": loss.n_blocks if loss else 0,
        "looks": cell.look,
    }
    clean = bench.clean[: cell.altered.end]
    moves = np.full(answers(bench.case, clean[:1]).shape[1], np.nan)
    if scores is not None:
        both = (answers(bench.case, one).mean(axis=0) for one in (scores, clean))
        moves = np.subtract(*both)
    for place, move in enumerate(moves):
        line[f"prediction_move_{place}" if place else MOVE] = float(move)
    return line


def _notes(bench: Bench, table: pd.DataFrame) -> tuple[str, ...]:
    metric = metric_words(bench.case.metric.name)
    tolerated = number(bench.case.tolerated_loss, exact=True)
    counts = table["decision"].value_counts()
    rejected = int((table["outcome"] != SCORED).sum())
    notes = [
        (
            f"Of {len(table):,} faults that befall every row, "
            f"{counts.get(HARMFUL, 0):,} cost more than {tolerated} of {metric} and "
            "the model answers as if nothing had happened, "
            f"{counts.get(HARMLESS, 0):,} cost less, {counts.get(UNDECIDED, 0):,} "
            f"cannot be told, and the model refuses {rejected:,}."
        )
    ]
    worst = table[table["loss"] > 0].nlargest(N_WORST, "loss")
    notes += [
        f"{subject(row['column'])}: {visible(row['what_happens'], 80)}. This costs "
        f"{number(row['loss'])} of {metric} "
        f"({interval(row['ci_low'], row['ci_high'])})."
        for row in worst.to_dict("records")
    ]
    notes.append(measured_on(table["rows"], bench.table))
    return tuple(notes)


CHECK = Check(
    code="S1",
    title="Pipeline faults",
    question="Which broken feed would the model swallow, and what would it cost?",
    measure=measure,
    draw=draw,
    alt=alt,
    defaults={
        "first_rows": 2500,
        "most_rows": 10_000,
        "last_rows": 35_000,
        "most_scorings": 1_500_000,
    },
    metrics=tuple(sorted({f"{metric.name}_loss" for metric in METRICS})),
)
