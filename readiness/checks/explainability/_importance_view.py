"""How the importance of columns is drawn: intervals, ties, and row by row."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, GREY, VERMILLION, label
from readiness.case import Case
from readiness.checks.explainability._explained import Explained
from readiness.checks.explainability._ties import brackets
from readiness.figures import MAX_ROWS, ROW_IN, draw_intervals, new_figure
from readiness.result import Limit, Measurement
from readiness.stats import Floats
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

SWARM_ROWS, SWARM_COLUMNS = 150, 10
SPREAD, N_BINS = 0.38, 60  # of half a row, and bins over which points are stacked
MIDDLE = 0.5  # of the ranks of values: low below, high from here
COUNT_PT = 60.0  # what the number of rows beside an interval takes
DPI = 100  # of the points, which are a picture inside the drawing
KEY = "blue dot: low value, red cross: high, grey square: no order"


def swarm_table(
    case: Case, frame: pd.DataFrame, rows: Explained, order: list[str]
) -> pd.DataFrame:
    """Return attributions of some rows to the first columns, without their values.

    Parameters
    ----------
    case : Case
    frame : pandas.DataFrame
        The features of the explained rows.
    rows : Explained
    order : list of str
        All columns, the most important first.

    Returns
    -------
    pandas.DataFrame
        ``column``, ``attribution`` and ``rank_of_value`` (0 to 1; NaN for categories,
        missing values and sensitive columns), of at most 150 rows and ten columns.
    """
    kept = frame[: min(SWARM_ROWS, len(rows.found.values))]
    parts = []
    for name in order[:SWARM_COLUMNS]:
        column = case.columns[name]
        ranks = np.full(len(kept), np.nan)
        if column.kind == "numeric" and not column.sensitive:
            ranks = kept[name].rank(pct=True).to_numpy(dtype=np.float64)
        values = rows.found.values[name].to_numpy()[: len(kept)]
        part = {"column": name, "attribution": values, "rank_of_value": ranks}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw each column's mean size with its interval and ties, then row by row."""
    del limits  # they hold the half-width, not the size that is drawn
    table, swarm = (measurement.tables[one] for one in ("importance", "swarm"))
    unit = str(table["unit"].iloc[0])
    n_shown, n_swarm = min(len(table), MAX_ROWS), swarm["column"].nunique()
    heights = (max(n_shown, 2) + 1.0, max(n_swarm, 2) + 1.0)
    figure, axes = new_figure(
        "What the model leans on, on average and row by row",
        rows=2,
        heights=heights,
        height_in=1.6 + 1.15 * ROW_IN * sum(heights),
    )
    axes.set_xlabel(f"mean size of the attribution ({unit})")
    draw_intervals(
        axes,
        table["column"].tolist(),
        table["mean_abs_attribution"].tolist(),
        table["ci_low"].tolist(),
        table["ci_high"].tolist(),
        n_rows=table["rows"].tolist(),
    )
    _draw_ties(axes, table.head(n_shown))
    below = figure.axes[1]
    n_rows = len(swarm) // n_swarm
    of = f", first {n_swarm} columns" if n_swarm < len(table) else ""
    below.set_xlabel(f"attribution of {n_rows:,} random rows{of} ({unit})\n{KEY}")
    _draw_swarm(below, swarm)
    figure.set_dpi(DPI)
    return figure


def _draw_ties(axes: "Axes", table: pd.DataFrame) -> None:
    """Draw a bracket beside the columns that no data has told apart."""
    from matplotlib.markers import TICKLEFT  # noqa: PLC0415 (heavy)
    from matplotlib.transforms import offset_copy  # noqa: PLC0415 (heavy)

    best, worst = (table[one].to_numpy() for one in ("best_rank", "worst_rank"))
    found = brackets(best, worst)
    lanes = _lanes(found)
    step = min(7.0, 21.0 / max(lanes, default=1)) if any(lanes) else 0.0
    look: dict[str, Any] = {"color": BLACK, "linewidth": 1.1, "clip_on": False}
    look |= {"marker": TICKLEFT, "markersize": 4, "gid": "tie"}

    def beside(points: float) -> "Transform":
        """Right of the axes, however wide the names at their left leave them."""
        edge, figure = axes.get_yaxis_transform(), axes.get_figure(root=True)
        return offset_copy(edge, figure, x=points, units="points")

    for (first, last), lane in zip(found, lanes, strict=True):
        where = beside(COUNT_PT + step * lane)
        axes.plot([1, 1], [first - 0.3, last + 0.3], transform=where, **look)
    if found:
        look = {"fontsize": 8, "color": GREY, "ha": "right", "va": "bottom"}
        # The layout makes room for text, not for lines: it ends where they do.
        where = beside(COUNT_PT + step * max(lanes) + 2)
        axes.text(1, found[0][0] - 0.38, "tied", transform=where, **look)


def _lanes(found: list[tuple[int, int]]) -> list[int]:
    """Return the lane of each bracket, so that none touches another in its lane."""
    lowest: list[int] = []
    lanes = []
    for first, last in found:
        free = [lane for lane, end in enumerate(lowest) if end < first]
        lane = free[0] if free else len(lowest)
        lowest[lane : lane + 1] = [last]
        lanes.append(lane)
    return lanes


def _draw_swarm(axes: "Axes", swarm: pd.DataFrame) -> None:
    names = list(dict.fromkeys(swarm["column"]))
    span = float(np.ptp(swarm["attribution"])) or 1.0
    for place, name in enumerate(names):
        part = swarm[swarm["column"] == name]
        x = part["attribution"].to_numpy()
        rank = part["rank_of_value"].to_numpy()
        y = place + _stacked(x, span)
        looks = (  # shape says what colour says
            (rank < MIDDLE, "o", 4, 0.0, BLUE),
            (rank >= MIDDLE, "+", 10, 0.8, VERMILLION),
            (np.isnan(rank), "s", 4, 0.0, GREY),
        )
        for kept, marker, size, width, color in looks:
            if kept.any():
                axes.scatter(
                    x[kept],
                    y[kept],
                    s=size,
                    color=color,
                    marker=marker,
                    linewidths=width,
                    rasterized=True,
                )
    axes.axvline(0, color=BLACK, linewidth=0.8)
    axes.set_yticks(range(len(names)), [label(one, 32) for one in names])
    axes.set_ylim(max(len(names), 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _stacked(x: Floats, span: float) -> Floats:
    """Return how far each point is moved up or down, so that points alike part."""
    bins = np.floor((x - x.min()) / span * N_BINS).astype(np.int64)
    counts = np.bincount(bins)
    place = np.empty(len(x))
    for one in np.unique(bins):
        here = np.flatnonzero(bins == one)
        place[here] = np.arange(len(here)) - (len(here) - 1) / 2
    offsets: Floats = place * (2 * SPREAD / max(int(counts.max()), 12))
    return offsets


def alt(measurement: Measurement) -> str:
    """Return what the model leans on most, and what is tied, in one sentence."""
    table = measurement.tables["importance"]
    top, last = table.iloc[0], table.iloc[-1]
    tied = brackets(table["best_rank"].to_numpy(), table["worst_rank"].to_numpy())
    n_tied = len({place for first, end in tied for place in range(first, end + 1)})
    ending = f"; {n_tied} of them are tied with a neighbour" if n_tied else ""
    return (
        f"Of {len(table)} columns the model leans most on "
        f"{visible(top['column'], 40)} ({number(top['mean_abs_attribution'])} "
        f"{top['unit']}) and least on {visible(last['column'], 40)} "
        f"({number(last['mean_abs_attribution'])}){ending}."
    )
