"""How attributions over the values of a column are drawn and told."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, GREY, VERMILLION
from readiness.figures import label, new_figure
from readiness.result import Limit, Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP = 0.13  # of the height of a panel: the density of the training rows
MOST_CELLS = 8  # of a categorical column, the most frequent first
SHADE: dict[str, Any] = {"facecolor": "#E3E3E3", "edgecolor": "#B5B5B5", "hatch": "///"}
LOOKS: dict[str, dict[str, Any]] = {
    "reference": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "current": {
        "color": VERMILLION,
        "marker": "s",
        "linestyle": "--",
        "markerfacecolor": "white",
    },
}
KEY = (
    "blue: reference; red, dashed: current; bars: training rows; "
    "hatched: training hardly has any"
)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the mean attribution over the values of each column, on one scale."""
    del limits  # they hold shares and directions, not what is drawn
    effects = measurement.tables["effects"]
    unit = str(measurement.tables["support"]["unit"].iloc[0])
    groups = [part for _, part in effects.groupby("column", sort=False)]
    n_rows = -(-len(groups) // 2)
    figure, _ = new_figure(
        "What each value adds to the output",
        columns=min(len(groups), 2),
        rows=n_rows,
        height_in=0.8 + 1.9 * n_rows,
    )
    for axes, part in zip(figure.axes, groups, strict=False):
        _panel(axes, part)
    for axes in figure.axes[len(groups) :]:
        axes.set_visible(False)
    figure.supylabel(f"mean attribution ({unit})", fontsize=9)
    figure.supxlabel(KEY, fontsize=8, color=GREY)
    return figure


def _panel(axes: "Axes", part: pd.DataFrame) -> None:
    axes.set_title(label(part["column"].iloc[0], 34), loc="left", fontsize=9)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    of_numbers = part[part["is_numeric"] & part["lower"].notna()]
    if of_numbers.empty:
        _categories(axes, part)
    else:
        _numbers(axes, of_numbers)


def _numbers(axes: "Axes", part: pd.DataFrame) -> None:
    low, high = _span(part)
    cells = part.drop_duplicates("place").sort_values("place")
    _cells(axes, cells, cells["lower"].clip(low, high), cells["upper"].clip(low, high))
    for table, own in part.groupby("table", sort=False):
        kept = own[own["mean_attribution"].notna()]
        _points(axes, kept["at"].to_numpy(), kept, str(table))
    axes.set_xlim(low, high)


def _span(part: pd.DataFrame) -> tuple[float, float]:
    edges = part[["lower", "upper"]].to_numpy()
    every = np.concatenate([edges[np.isfinite(edges)], part["at"].dropna()])
    margin = 0.04 * float(np.ptp(every)) or 0.5
    return float(every.min()) - margin, float(every.max()) + margin


def _categories(axes: "Axes", part: pd.DataFrame) -> None:
    rows = part.groupby("place")["base_rows"].max()
    shown = rows.sort_values(ascending=False, kind="stable").index[:MOST_CELLS]
    place = {one: at for at, one in enumerate(shown)}
    kept = part[part["place"].isin(shown)]
    cells = kept.drop_duplicates("place").copy()
    at = cells["place"].map(place).astype(float)
    _cells(axes, cells, at - 0.5, at + 0.5)
    for shift, (table, own) in enumerate(kept.groupby("table", sort=False)):
        told = own[own["mean_attribution"].notna()]
        x = told["place"].map(place).to_numpy(dtype=float) + 0.16 * shift - 0.08
        _points(axes, x, told, str(table), joined=False)
    names = [
        label(one, 12) for one in cells.sort_values("place", key=_by(place))["cell"]
    ]
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_xlim(-0.6, len(names) - 0.4)


def _by(place: dict[int, int]) -> Any:  # noqa: ANN401 (a key function of pandas)
    return lambda column: column.map(place)


def _cells(
    axes: "Axes",
    cells: pd.DataFrame,
    left: "pd.Series[float]",
    right: "pd.Series[float]",
) -> None:
    """Shade what training hardly supports, and draw its rows as a strip of bars."""
    share = cells["base_rows"].fillna(0.0) / max(cells["base_rows"].max(), 1.0)
    beside = axes.get_xaxis_transform()
    for begin, end, supported in zip(left, right, cells["supported"], strict=True):
        if not supported:
            axes.axvspan(begin, end, **SHADE, linewidth=0, zorder=0)
    ends = np.column_stack([left, right]).ravel()
    heights = STRIP * share.to_numpy(dtype=np.float64).repeat(2)  # one mark, not many
    axes.fill_between(ends, 0, heights, transform=beside, color="#9A9A9A", linewidth=0)


def _points(
    axes: "Axes",
    x: "np.ndarray[Any, Any]",
    told: pd.DataFrame,
    table: str,
    *,
    joined: bool = True,
) -> None:
    look = dict(LOOKS[table])
    value = told["mean_attribution"].to_numpy()
    ends = told[["ci_low", "ci_high"]].replace([-np.inf, np.inf], np.nan).to_numpy()
    axes.vlines(x, ends[:, 0], ends[:, 1], color=look["color"], linewidth=1.2)
    look["linestyle"] = look["linestyle"] if joined else "none"
    axes.plot(x, value, markersize=4, linewidth=1.4, **look)


def alt(measurement: Measurement) -> str:
    """Return what stands highest and what is not supported, in one sentence."""
    return str(measurement.tables["support"]["finding"].iloc[0])
