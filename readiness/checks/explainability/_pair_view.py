"""How pairs of columns that act together are told and drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK
from readiness.checks.explainability._interplay import ROUNDING, Grid
from readiness.figures import label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import TIMES, interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_NAMED = 3
LEAST_DARK = 0.3  # H² of the darkest field, where none is larger
JOIN = f" {TIMES} "


def notes_on(
    table: pd.DataFrame, grid: Grid, n_chosen: int, n_columns: int
) -> tuple[str, ...]:
    """Return which pairs act together, how much it matters, and what was not asked."""
    above = table[table["above_chance"]]
    pairs = f"{len(table)} pair{'s' * (len(table) > 1)}"
    if above.empty:
        first = (
            f"None of the {pairs} of the {n_chosen} most used columns acts together "
            f"beyond chance: {_undecided(table)}."
        )
    else:
        named = [_told(row) for row in above.head(N_NAMED).to_dict("records")]
        first = (
            f"Of the {pairs} of the {n_chosen} most used columns, {len(above)} "
            f"act{'s' * (len(above) == 1)} together beyond chance, most of all "
            f"{'; '.join(named)}."
        )
    notes = [first]
    if not above.empty:
        largest = above.sort_values("size", kind="stable").iloc[-1]
        notes.append(
            f"Largest in the output: {_pair(largest)}, typically "
            f"{number(largest['size'], largest['unit'])} beyond what each does alone."
        )
    if n_chosen < n_columns:
        notes.append(
            f"Pairs with any of the {n_columns - n_chosen} less used columns were not "
            f"looked at."
        )
    notes.append(
        f"From {len(grid.rows):,} reference rows, each crossed with "
        f"{len(grid.others):,} others, in {grid.unit}."
    )
    return tuple(notes)


def _undecided(table: pd.DataFrame) -> str:
    known = table[table["interaction"].notna()]
    if known.empty or not known["interaction"].max() > ROUNDING:
        return "their effects add up"
    return f"the largest is {_told(known.head(1).to_dict('records')[0])}"


def _told(row: dict[Any, Any]) -> str:
    limits = interval(row["ci_low"], row["ci_high"])
    value = number(row["interaction"])
    return f"{_pair(row)} (H² {value}, {limits})"


def _pair(row: Any) -> str:  # noqa: ANN401 (a line of the table, as mapping or series)
    return JOIN.join(visible(row[one], 40) for one in ("first", "second"))


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw H² of every pair as a map; pairs within chance stay white."""
    del limits  # one number has no place on a map
    table = measurement.tables["pairs"]
    ends = list(zip(table["first"], table["second"], strict=True))
    names = _names(ends)
    shown = np.full((len(names), len(names)), np.nan)
    darkest = max(LEAST_DARK, float(table["interaction"].max()))
    figure, axes = new_figure(
        "How much of what two columns do, they only do together (H²)",
        height_in=1.6 + 0.36 * len(names),
    )
    for (one, other), row in zip(ends, table.to_dict("records"), strict=True):
        low, high = sorted((names.index(one), names.index(other)))
        value = row["interaction"]
        if not np.isfinite(value):
            continue
        shown[high, low] = value if row["above_chance"] else 0.0
        text = f"{value:.2f}" if row["above_chance"] else "chance"
        dark = row["above_chance"] and value > 0.7 * darkest
        axes.text(
            low,
            high,
            text,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else BLACK,
        )
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=darkest, aspect="auto")
    labels = [label(name, 18) for name in names]
    axes.set_xticks(range(len(names) - 1), labels[:-1], rotation=35, ha="right")
    axes.set_yticks(range(1, len(names)), labels[1:])
    axes.set_xlim(-0.5, len(names) - 1.5)
    axes.set_ylim(len(names) - 0.5, 0.5)
    axes.grid(visible=False)
    axes.set_xlabel("chance: no more than chance would show")
    return figure


def _names(ends: list[tuple[str, str]]) -> list[str]:
    """Return the columns in the order of their use: each pair names the first first."""
    every = list(dict.fromkeys(name for pair in ends for name in pair))
    before = {name: sum(pair[1] == name for pair in ends) for name in every}
    return sorted(every, key=lambda name: before[name])


def alt(measurement: Measurement) -> str:
    """Return which columns act together in one sentence."""
    return measurement.notes[0]
