"""S1: what each pipeline fault of each column costs, and which are refused."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._bench import Bench, open_bench
from readiness.checks.stress._cells import REJECTED, SCORED
from readiness.checks.stress._looks import (
    HARMFUL,
    HARMLESS,
    UNDECIDED,
    Cell,
    all_faults,
    run_bench,
)
from readiness.errors import Reason
from readiness.figures import label, new_figure
from readiness.metrics import METRICS
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import empty_row, summary_frame, summary_row
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOSES = {"0.05": 0.05, "0.20": 0.20, "1.00": 1.0}
UNIT = "metric points"
N_WORST = 3
MAX_COLUMNS = 20
SHORT = {REJECTED: "R", HARMFUL: "!", UNDECIDED: "?", HARMLESS: ""}
ROW_IN, COLUMN_IN = 0.24, 0.2


def measure(case: Case, options: Options) -> Measurement:
    """Measure the paired loss of the headline metric under each fault.

    Parameters
    ----------
    case : Case
        Needs labels, and a model that can score altered rows.
    options : Options
        ``first_rows`` (2,500) of the first look, ``most_rows`` (10,000) of the
        second, ``most_scorings`` (1,500,000): rows one look may give to the model.

    Returns
    -------
    Measurement
        ``<headline metric>_loss`` (metric points, positive is worse) by
        ``column/fault/dose``; the dose is the share of rows the fault befalls:
        ``0.05``, ``0.20``, ``1.00``. NaN with reason REFUSED where the model raised:
        a loud failure. Table ``cells``: one line per column and fault.

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
    paired influence values, summed by block. Numeric columns get ten-, hundred- and
    thousandfold values, the wrong unit where one is declared, a reversed sign and
    default fills; every column may be missing, stuck at its typical value, shuffled,
    swapped with its neighbour, or stale by one row (of its entity, or in time).
    Labels stay as they were. Decisions "harmful" and "harmless" hold together over
    all cells; intervals are those of single cells. Do not read a cell as safe
    because its dose of 0.05 costs little: a dead feed is dose 1.00.

    References
    ----------
    S. Schelter, T. Rukat, F. Biessmann (2021), "JENGA: A framework to study the
    impact of data errors on the predictions of machine learning models", EDBT.
    """
    bench = open_bench(case, options["most_rows"], options.seed)
    cells = run_bench(
        bench, all_faults(bench), options["first_rows"], options["most_scorings"]
    )
    metric = f"{case.metric.name}_loss"
    rows = [row for cell in cells for row in _rows(bench, cell, metric)]
    table = pd.DataFrame([_line(cell) for cell in cells])
    return Measurement(
        summary=summary_frame(rows),
        tables={"cells": table},
        notes=_notes(bench, table),
    )


def _rows(bench: Bench, cell: Cell, metric: str) -> list[dict[str, Any]]:
    start = f"{cell.fault.column}/{cell.fault.name}"
    scores = cell.altered.scores
    if scores is None:
        reason = Reason.MODEL_SCORES
        if cell.altered.outcome == REJECTED:
            reason = Reason.REFUSED
        return [empty_row(metric, f"{start}/{dose}", reason, UNIT) for dose in DOSES]
    rows = []
    for dose, share in DOSES.items():
        loss = cell.loss if share == 1 and cell.loss else bench.loss(scores, share)
        group = f"{start}/{dose}"
        if np.isfinite(loss.value):
            rows.append(summary_row(metric, group, loss, UNIT))
        else:
            rows.append(empty_row(metric, group, Reason.ONE_CLASS, UNIT, loss.n_rows))
    return rows


def _line(cell: Cell) -> dict[str, Any]:
    loss = cell.loss
    n_rows = 0 if cell.altered.scores is None else len(cell.altered.scores)
    return {
        "column": cell.fault.column,
        "fault": cell.fault.name,
        "what_happens": cell.fault.words,
        "outcome": cell.altered.outcome,
        "decision": cell.decision,
        "loss": loss.value if loss else np.nan,
        "ci_low": loss.ci_low if loss else np.nan,
        "ci_high": loss.ci_high if loss else np.nan,
        "rows": n_rows,
        "rows_changed": cell.altered.n_changed,
        "blocks": loss.n_blocks if loss else 0,
        "looks": cell.look,
    }


def _notes(bench: Bench, table: pd.DataFrame) -> tuple[str, ...]:
    metric = bench.case.metric.name
    tolerated = number(bench.case.tolerated_loss, exact=True)
    counts = table["decision"].value_counts()
    rejected = int((table["outcome"] != SCORED).sum())
    notes = [
        (
            f"Of {len(table)} faults that befall every row, "
            f"{counts.get(HARMFUL, 0)} cost more than {tolerated} of {metric} and the "
            f"model answers as if nothing had happened, {counts.get(HARMLESS, 0)} cost "
            f"less, {counts.get(UNDECIDED, 0)} cannot be told, and the model refuses "
            f"{rejected}."
        )
    ]
    worst = table[table["loss"] > 0].nlargest(N_WORST, "loss")
    notes += [
        f"{visible(row['column'], 40)}: {visible(row['what_happens'], 80)}. This costs "
        f"{number(row['loss'])} of {metric} "
        f"({interval(row['ci_low'], row['ci_high'])})."
        for row in worst.to_dict("records")
    ]
    n_rows = table["rows"]
    notes.append(
        f"Measured on {int(n_rows[n_rows > 0].min() if (n_rows > 0).any() else 0):,} "
        f"to {int(n_rows.max()):,} rows of the {bench.table} table."
    )
    return tuple(notes)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the loss of every fault of every column when it befalls all rows."""
    del limits  # the cells are information
    table = measurement.tables["cells"]
    shown = _worst_columns(table)
    faults = list(dict.fromkeys(table["fault"]))
    figure, axes = new_figure(
        "Loss of the headline metric when a fault befalls every row",
        xlabel=_key(table, shown),
        height_in=1.9 + ROW_IN * len(faults),
    )
    losses = np.full((len(faults), len(shown)), np.nan)
    places = table[table["column"].isin(shown)].to_dict("records")
    for row in places:
        losses[faults.index(row["fault"]), shown.index(row["column"])] = row["loss"]
    top = max(float(np.nanmax(losses, initial=0.0)), 1e-9)
    axes.pcolormesh(losses, cmap="OrRd", vmin=0, vmax=top, edgecolors="white")
    for row in places:
        y, x = faults.index(row["fault"]), shown.index(row["column"])
        dark = np.nan_to_num(row["loss"]) > 0.6 * top
        text = axes.text(x + 0.5, y + 0.5, _cell_text(row), ha="center", va="center")
        text.set(fontsize=6, color="white" if dark else "black")
    axes.set_xticks(np.arange(len(shown)) + 0.5, [label(one, 18) for one in shown])
    axes.tick_params(axis="x", labelrotation=90, length=0)
    axes.set_yticks(np.arange(len(faults)) + 0.5, [label(one, 24) for one in faults])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    return figure


def _worst_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns to draw, in the order of the model."""
    order = list(dict.fromkeys(table["column"]))
    worst = table.groupby("column")["loss"].max().fillna(-np.inf)
    kept = set(worst.nlargest(MAX_COLUMNS).index)
    return [name for name in order if name in kept]


def _key(table: pd.DataFrame, shown: Sequence[str]) -> str:
    rest = table["column"].nunique() - len(shown)
    more = f"\n{rest} columns with smaller losses are in the table" if rest else ""
    return (
        "numbers: loss;  !: harmful;  ?: the data cannot tell;  "
        f"R: the model refuses{more}"
    )


def _cell_text(row: dict[Any, Any]) -> str:
    mark = SHORT.get(row["decision"], "x")
    if not np.isfinite(row["loss"]):
        return mark
    loss = row["loss"]
    size = f"{loss:.2f}".replace("0.", ".", 1) if abs(loss) < 1 else f"{loss:.3g}"
    return f"{size}{mark}" if row["decision"] != HARMLESS else ""


def alt(measurement: Measurement) -> str:
    """Return the size of the matrix and its worst cell in one sentence."""
    table = measurement.tables["cells"]
    n_columns, n_faults = table["column"].nunique(), table["fault"].nunique()
    start = f"Matrix of {n_columns} columns and {n_faults} faults: "
    known = table[table["loss"].notna()]
    if known.empty:
        return f"{start}the model refuses every one."
    worst = known.nlargest(1, "loss").iloc[0]
    return (
        f"{start}{(table['decision'] == HARMFUL).sum()} cells are harmful, the worst "
        f"is {visible(worst['column'], 40)} {worst['fault']} with a loss of "
        f"{number(worst['loss'])}."
    )


CHECK = Check(
    code="S1",
    title="Pipeline faults",
    question="Which broken feed would the model swallow, and what would it cost?",
    measure=measure,
    draw=draw,
    alt=alt,
    defaults={"first_rows": 2500, "most_rows": 10_000, "most_scorings": 1_500_000},
    metrics=tuple(sorted({f"{metric.name}_loss" for metric in METRICS})),
)
