"""How silent killers are told and drawn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.stress._bench import Bench
from readiness.checks.stress._fault_view import (
    matrix,
    not_drawn,
    short,
    subject,
    worst_columns,
)
from readiness.checks.stress._guards import (
    DRIFT,
    FEED,
    GUARDS,
    MODEL,
    PREDICTION,
    SCHEMA,
    SUPPORT,
    Guards,
)
from readiness.figures import new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_WORST = 3
BEFORE = 1e12  # columns with a silent fault are drawn before any other
SILENT = "nobody"
PARTS = {"0.05": "one row in twenty", "0.20": "one row in five", "1.00": "every row"}
MEANS = {
    "range": "It would be noticed with a range",
    "categories": "It would be noticed with a list of categories",
    "max_missing": "It would be noticed with a limit on missing values",
    "max_age": "It would be noticed if the pipeline refused older values; then declare",
    "keys": (
        "It would be noticed if values came with the key of their row, and the "
        "pipeline compared it; then declare"
    ),
    "contracts": (
        "It would be noticed if the pipeline held names, units and time zones against "
        "a contract; then declare"
    ),
}
LETTERS = {
    MODEL: "R",
    SCHEMA: "S",
    DRIFT: "D",
    PREDICTION: "P",
    SUPPORT: "U",
    FEED: "F",
    SILENT: "silent",
}


def notes_on(
    bench: Bench,
    table: pd.DataFrame,
    killers: pd.DataFrame,
    guards: Guards,
) -> tuple[str, ...]:
    """Return the worst silent fault, how many there are, and what guards there were.

    Parameters
    ----------
    bench : Bench
    table : pandas.DataFrame
        The table ``guards``.
    killers : pandas.DataFrame
        The table ``silent_killers``, worst first.
    guards : Guards
    """
    n_harmful = int(table["harmful"].sum())
    n_open = int((table["silent_maybe"] & ~table["silent"]).sum())
    notes = [_first(bench, killers, n_harmful)]
    notes += [_sentence(bench, row) for row in _records(killers)[1:N_WORST]]
    seen = table[table["harmful"]]["guard"].value_counts()
    told = ", ".join(f"{one} {seen[one]}" for one in GUARDS if one in seen)
    if told:
        notes.append(f"Who notices the others first, cheapest guard first: {told}.")
    if n_open:
        notes.append(
            f"Of {n_open} more faults that no guard notices the data cannot tell "
            "whether they are harmful."
        )
    return (*notes, *_on_guards(guards))


def _first(bench: Bench, killers: pd.DataFrame, n_harmful: int) -> str:
    if not n_harmful:
        return "No fault on the bench is known to be harmful, so none needs a guard."
    if killers.empty:
        return f"Some guard notices each of the {n_harmful} harmful faults."
    start = f"{len(killers)} of {n_harmful} harmful faults go unnoticed"
    worst, *others = _records(killers)[:N_WORST]
    if not others:
        return f"{start}: {_sentence(bench, worst)}"
    also = "; ".join(
        f"{subject(one['column'])}, where {visible(one['what_happens'], 80)} "
        f"({number(one['loss'])})"
        for one in others
    )
    remedy = _remedy(worst).replace("It would", "The worst would", 1)
    return f"{start}; the worst: {_harm(bench, worst)}. Next: {also}. {remedy}"


def _records(table: pd.DataFrame) -> Sequence[Mapping[Any, Any]]:
    return table.to_dict("records")


def _sentence(bench: Bench, row: Mapping[Any, Any]) -> str:
    return f"{_harm(bench, row)}. {_remedy(row)}"


def _harm(bench: Bench, row: Mapping[Any, Any]) -> str:
    metric = metric_words(bench.case.metric.name)
    sizes = interval(row["ci_low"], row["ci_high"])
    where = " and in ".join(PARTS[one] for one in str(row["silent_at"]).split(", "))
    return (
        f"{subject(row['column'])}: {visible(row['what_happens'], 80)}. This costs "
        f"{number(row['loss'])} of {metric} ({sizes}) when it befalls every row. It "
        f"goes unnoticed in {where}"
    )


def _remedy(row: Mapping[Any, Any]) -> str:
    if not row["paste"]:
        return "It would be noticed by no declaration of the case file."
    key = str(row["paste"]).partition(" = ")[0]
    if row["replaces"]:
        return (
            f"{MEANS[key]}; in {row['section']} replace the line {row['replaces']} by: "
            f"{row['paste']}"
        )
    return f"{MEANS[key]}: {row['section']} {row['paste']}"


def _on_guards(guards: Guards) -> list[str]:
    absent = [
        name
        for name, one in (
            (DRIFT, guards.monitors),
            (PREDICTION, guards.prediction),
            (SUPPORT, guards.support),
        )
        if one is None
    ]
    notes = [
        (
            f"A monitor sees windows of {guards.known.window_rows:,} rows and must "
            "alarm in four of five."
        )
    ]
    if absent:
        notes.append(f"Not there, so it noticed nothing: {', '.join(absent)}.")
    feed = guards.feed
    if feed.max_age or feed.keys or feed.contracts:
        notes.append(
            "Checks of feeds are taken from the case file; they are not tested."
        )
    return notes


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw which guard notices each harmful fault of each column first."""
    del limits  # the number of silent cells is in the sentence above
    title = "Which guard notices a harmful fault first; hatched: nobody does"
    table = measurement.tables["guards"]
    table = table[table["harmful"]]
    if table.empty:
        figure, axes = new_figure(title)
        axes.text(0.5, 0.5, "no fault is known to be harmful", ha="center")
        axes.set_axis_off()
        return figure
    worth = table["loss"].fillna(0) + BEFORE * table["silent"]
    kept = worst_columns(table.assign(loss=worth.where(table["guard"] != MODEL)))
    drawn = table[table["column"].isin(kept)]
    key = (
        "colour: loss.  S: schema and range;  D: drift monitor;  P: prediction monitor;"
        f"\nU: unusual rows (support);  F: declared feed check;  R: refused"
        f"{not_drawn(table, kept)}"
    )
    return matrix(drawn, title, key, _cell_text, hatched="silent")


def _cell_text(row: Mapping[Any, Any]) -> str:
    if row["silent"]:
        return short(row["loss"]) if np.isfinite(row["loss"]) else ""
    return LETTERS[row["guard"]]


def alt(measurement: Measurement) -> str:
    """Return how many harmful faults go unnoticed, and the worst."""
    return measurement.notes[0]
