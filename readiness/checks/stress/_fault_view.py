"""How the matrix of faults and columns is drawn."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.stress._cells import REJECTED
from readiness.checks.stress._looks import HARMFUL, HARMLESS, UNDECIDED
from readiness.figures import label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COLUMNS = 24  # a screen and a printed page hold so many
SHORT = {REJECTED: "R", HARMFUL: "!", UNDECIDED: "?", HARMLESS: ""}
ROW_IN = 0.2
MOST_ROWS_IN = 7.4  # what a printed page has left
DARK = 0.6  # of the largest loss: text on it is white


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the loss of every fault of every column when it befalls all rows."""
    del limits  # the cells are information
    table = measurement.tables["cells"]
    shown = worst_columns(table)
    return matrix(
        table[table["column"].isin(shown)],
        "Loss of the headline metric when a fault befalls every row",
        "numbers: loss;  !: harmful;  ?: the data cannot tell;  "
        f"R: the model refuses{not_drawn(table, shown)}",
        _cell_text,
    )


def matrix(
    table: pd.DataFrame,
    title: str,
    key: str,
    cell_text: Callable[[Mapping[Any, Any]], str],
    hatched: str = "",
) -> "Figure":
    """Return a matrix of faults (rows) and columns, coloured by loss.

    Parameters
    ----------
    table : pandas.DataFrame
        One line per cell: ``column``, ``fault``, ``loss``.
    title, key : str
    cell_text : callable
        What a line's cell says.
    hatched : str
        A column of booleans of the table: cells to hatch.
    """
    columns = list(dict.fromkeys(table["column"]))
    faults = list(dict.fromkeys(table["fault"]))
    height = min(ROW_IN * len(faults), MOST_ROWS_IN)
    figure, axes = new_figure(title, xlabel=key, height_in=1.9 + height)
    losses = np.full((max(len(faults), 1), max(len(columns), 1)), np.nan)
    lines = table.to_dict("records")
    for row in lines:
        losses[faults.index(row["fault"]), columns.index(row["column"])] = row["loss"]
    top = max(float(np.nanmax(losses, initial=0.0)), 1e-9)
    axes.pcolormesh(losses, cmap="OrRd", vmin=0, vmax=top, edgecolors="white")
    for row in lines:
        y, x = faults.index(row["fault"]), columns.index(row["column"])
        dark = np.nan_to_num(row["loss"]) > DARK * top
        text = axes.text(x + 0.5, y + 0.5, cell_text(row), ha="center", va="center")
        text.set(fontsize=6, color="white" if dark else "black")
        if hatched and row[hatched]:
            _hatch(axes, x, y)
            text.set_color("black")
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})
    _name_axes(axes, columns, faults)
    return figure


def _hatch(axes: "Axes", x: int, y: int) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 (heavy)

    box = Rectangle((x, y), 1, 1, fill=False, hatch="////", linewidth=1.2, zorder=1.5)
    axes.add_patch(box)


def _name_axes(axes: "Axes", columns: Sequence[str], faults: Sequence[str]) -> None:
    names = [label(one.removeprefix("source="), 18) for one in columns]
    axes.set_xticks(np.arange(len(columns)) + 0.5, names)
    axes.tick_params(axis="x", labelrotation=90, length=0)
    axes.set_yticks(np.arange(len(faults)) + 0.5, [label(one, 24) for one in faults])
    axes.tick_params(axis="y", length=0, labelsize=7)
    axes.invert_yaxis()
    axes.grid(visible=False)


def not_drawn(table: pd.DataFrame, shown: list[str]) -> str:
    """Return a line for below a matrix that says how many columns it leaves out."""
    rest = table["column"].nunique() - len(shown)
    if not rest:
        return ""
    return f"\n{rest} more columns, with smaller losses or refused, are in the table"


def worst_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns to draw, in the order of the table.

    Where there are too many, those without any known loss (the model refuses every
    fault) leave their room to others.
    """
    order = list(dict.fromkeys(table["column"]))
    worst = table.groupby("column")["loss"].max()
    if len(order) > MAX_COLUMNS and worst.notna().any():
        worst = worst.dropna()
    kept = set(worst.fillna(-np.inf).nlargest(MAX_COLUMNS).index)
    return [name for name in order if name in kept]


def subject(column: str) -> str:
    """Return what a fault befalls, in words.

    Examples
    --------
    >>> subject("temp"), subject("source=weather feed")
    ('temp', 'the source “weather feed”')
    """
    kind, found, name = column.partition("source=")
    return (
        f"the source “{visible(name, 40)}”"
        if found and not kind
        else visible(column, 40)
    )


def measured_on(n_rows: "pd.Series[int]", table: str) -> str:
    """Return on how many rows of a table cells were measured, in one sentence.

    Parameters
    ----------
    n_rows : pandas.Series of int
        Rows of each cell; 0 where there is no score.
    table : str

    Examples
    --------
    >>> measured_on(pd.Series([0, 300, 2500]), "current")
    'Measured on 300 to 2,500 rows of the current table.'
    """
    known = n_rows[n_rows > 0]
    ends = dict.fromkeys((min(known, default=0), max(known, default=0)))
    rows = " to ".join(f"{one:,}" for one in ends)
    return f"Measured on {rows} rows of the {table} table."


def _cell_text(row: Mapping[Any, Any]) -> str:
    mark = SHORT.get(row["decision"], "x")
    if not np.isfinite(row["loss"]):
        return mark
    return f"{short(row['loss'])}{mark}" if row["decision"] != HARMLESS else ""


def short(loss: float) -> str:
    """Return a loss in as few characters as a cell has room for."""
    return f"{loss:.2f}".replace("0.", ".", 1) if abs(loss) < 1 else f"{loss:.3g}"


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
