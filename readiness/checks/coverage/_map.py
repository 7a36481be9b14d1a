"""The map of coverage: every attribute as a strip of the rows production brings."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, GREY, VERMILLION, label
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import Cells, CountCells
from readiness.checks.coverage._pattern_report import SMALL_CELL
from readiness.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def map_table(
    count: CountCells,
    base: Cells,
    other: Cells,
    min_rows: int,
    sensitive: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """Return rows of both tables by single cells, for the map.

    Columns: ``attribute, unit, cell, is_numeric, base_rows, base_blocks, rows, thin``.
    Blocks are absent where they are enough: no more of them are counted. Of a sensitive
    attribute, numbers below ten are absent.
    """
    parts = []
    for place, one in enumerate(count.attributes):
        at = next(n for n, names in enumerate(count.combinations) if place in names)
        start, end = count.offsets()[at : at + 2]
        shape = count.shape(count.combinations[at])
        axis = count.combinations[at].index(place)
        rest = tuple(n for n in range(len(shape)) if n != axis)
        here = (base.cells >= start) & (base.cells < end)
        cell = np.unravel_index(base.cells[here] - start, shape)[axis]
        pairs = np.unique(np.column_stack([cell, base.blocks[here]]), axis=0)
        blocks = np.bincount(pairs[:, 0], minlength=one.n_cells)
        rows = [
            table.rows[start:end].reshape(shape).sum(axis=rest)
            for table in (base, other)
        ]
        thin = rows[0] < min_rows
        if count.n_blocks:
            thin |= blocks < count.n_blocks
        part = {
            "attribute": one.name,
            "unit": one.unit,
            "cell": [_cell_name(one, n) for n in range(one.n_cells)],
            "is_numeric": one.is_numeric,
            "base_rows": rows[0],
            "base_blocks": np.where(blocks < count.n_blocks, blocks, np.nan),
            "rows": rows[1],
            "thin": thin,
        }
        frame = pd.DataFrame(part)
        if one.name in sensitive:
            few = frame[["base_rows", "rows"]] < SMALL_CELL
            frame[["base_rows", "rows"]] = frame[["base_rows", "rows"]].mask(few)
            frame["base_blocks"] = frame["base_blocks"].mask(few["base_rows"])
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _cell_name(one: Attribute, place: int) -> str:
    if place == one.n_cells - 1:
        return "missing"
    if one.is_numeric:
        if place == len(one.edges):
            return f"> {one.edges[-1]:.6g}"
        return f"{one.edges[place]:.6g}"
    return one.values[place] if place < len(one.values) else "rare"


def draw_map(cells: pd.DataFrame, words: str) -> "Figure":
    """Return the map of coverage: each attribute a strip, its cells by their traffic.

    Parameters
    ----------
    cells : pandas.DataFrame
        As `map_table`.
    words : str
        When a cell is uncovered.
    """
    names = list(dict.fromkeys(cells["attribute"]))
    figure, axes = new_figure(
        "Where production goes, and where experience is thin",
        xlabel=(
            "share of production rows; a number is the upper edge of its cell;\n"
            f"darker: more rows of the past; hatched:\n{words}"
        ),
        height_in=1.2 + 0.45 * len(names),
    )
    labels = []
    for row, name in enumerate(names):
        own = cells[cells["attribute"] == name].fillna({"base_rows": 0, "rows": 0})
        unit = str(own["unit"].iloc[0])
        labels.append(
            f"{label(name, 24)} ({label(unit, 8)})" if unit else label(name, 24)
        )
        _draw_strip(axes, row, own)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), labels)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return figure


def _draw_strip(axes: "Axes", row: int, own: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 (only when drawn)

    total = max(int(own["rows"].sum()), 1)
    density = own["base_rows"] / max(int(own["base_rows"].max()), 1)
    order = own.index
    if not own["is_numeric"].any():
        order = own["rows"].sort_values(ascending=False, kind="stable").index
    start = 0.0
    for place in order:
        width = int(own.loc[place, "rows"]) / total
        if not width:
            continue
        shade = float(density[place]) ** 0.5
        blue = tuple(1 - shade * (1 - part) for part in (0.42, 0.68, 0.86))
        is_thin = bool(own.loc[place, "thin"])
        axes.add_patch(
            Rectangle(
                (start, row - 0.3),
                width,
                0.6,
                facecolor="white" if is_thin else blue,
                edgecolor=VERMILLION if is_thin else GREY,
                hatch="////" if is_thin else None,
                linewidth=0.8,
            )
        )
        text = label(own.loc[place, "cell"], 12)
        if width > 0.012 * len(text) + 0.008:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(
                start + width / 2,
                row,
                text,
                ha="center",
                va="center",
                fontsize=7,
                color=BLACK,
                bbox=box if is_thin else None,
            )
        start += width
