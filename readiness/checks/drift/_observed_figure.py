"""The figure of observed moves: who spent most, and when."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import GREY
from readiness.checks.drift._observed_features import SHIFT, SPENT
from readiness.checks.drift._observed_report import worst_spent
from readiness.figures import COLORS, draw_intervals, draw_limit, label, new_figure
from readiness.result import Limit, Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN = 15
LINES = 3
ROW_IN, HEAD_IN, WINDOWS_IN = 0.24, 1.3, 2.6
WIDEST = 4.0  # budgets: what spent more is drawn at the edge
MARKS = ("o", "s", "D")


def draw_moves(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw features by budget spent, or by shift, and the windows of the worst."""
    summary = measurement.summary
    spent = summary[summary["metric"] == SPENT]
    has_budgets = bool(spent["value"].notna().any())
    shown = spent if has_budgets else summary[summary["metric"] == SHIFT]
    shown = _drawn(shown)
    windows = _windows(measurement, has_budgets=has_budgets)
    n_rows = max(len(shown), 2)
    title = (
        "Share of its budget that each feature has spent since the reference"
        if has_budgets
        else "How far each feature has moved since the reference"
    )
    high = HEAD_IN + ROW_IN * n_rows
    below = WINDOWS_IN if len(windows) else 0.0
    figure, axes = new_figure(
        title,
        height_in=high + below,
        rows=2 if below else 1,
        heights=(high, below) if below else (),
    )
    if below:
        _draw_windows(figure.axes[1], windows, has_budgets=has_budgets)
    _draw_ranking(axes, shown, limits, has_budgets=has_budgets)
    return figure


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    order = (
        rows["value"]
        .astype(float)
        .sort_values(ascending=False, kind="stable", na_position="last")
    )
    return rows.loc[order.index].head(DRAWN)


def _draw_ranking(
    axes: "Axes", shown: pd.DataFrame, limits: tuple[Limit, ...], *, has_budgets: bool
) -> None:
    metric = SPENT if has_budgets else SHIFT
    draw_intervals(
        axes,
        shown["group"].tolist(),
        shown["value"].tolist(),
        shown["ci_low"].tolist(),
        shown["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == metric],
        n_rows=shown["n_rows"].tolist(),
        unit="share" if has_budgets else "",
    )
    for text in axes.texts:
        if has_budgets and text.get_text() == "not measured":
            text.set_text("further than the data can tell")
    axes.set_xlabel(
        "share of the move that costs the tolerated loss"
        if has_budgets
        else "shift (standard deviations; V of categories)"
    )


def _windows(measurement: Measurement, *, has_budgets: bool) -> pd.DataFrame:
    """Return the windows of the features to draw as lines."""
    windows = measurement.tables["windows"]
    if has_budgets:
        best = worst_spent(measurement.tables["spent"])["column"]
        windows = windows[windows["alert"] != ""]
    else:
        best = measurement.tables["features"].sort_values(
            "shift", ascending=False, kind="stable"
        )["column"]
        windows = windows[windows["move"].notna()]
    present = [one for one in best if one in set(windows["column"])]
    return windows[windows["column"].isin(present[:LINES])]


def _draw_windows(axes: "Axes", windows: pd.DataFrame, *, has_budgets: bool) -> None:
    value = "spent" if has_budgets else "move"
    sizes = windows[value].to_numpy(dtype=float)
    top = float(np.nanmax(np.minimum(sizes, WIDEST), initial=1.0)) * 1.15
    for place, name in enumerate(dict.fromkeys(windows["column"])):
        mine = windows[windows["column"] == name].sort_values("window", kind="stable")
        _draw_line(axes, mine, value, place, top)
    _draw_start(axes, windows)
    key = "start of the window"
    if has_budgets:
        draw_limit(axes, 1.0, "", vertical=False)
        axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
        axes.set_ylabel("budget spent")
        axes.set_ylim(-0.04 * top, 1.04 * top)
        key += (
            "\nfilled: certainly over the budget     ^ further than the data can tell"
        )
    else:
        axes.set_ylabel("move of the mean (own unit)")
    axes.set_xlabel(key)
    axes.margins(x=0.12)


def _draw_line(
    axes: "Axes", mine: pd.DataFrame, value: str, place: int, top: float
) -> None:
    """Draw one feature; the line breaks where the data cannot tell."""
    color, mark = COLORS[place % len(COLORS)], MARKS[place % len(MARKS)]
    when = mine["window"].to_numpy()
    size = mine[value].to_numpy(dtype=float)
    if value == "spent":
        size = np.minimum(size, WIDEST)
    alert = mine["alert"].to_numpy()
    sure, far = alert == "over", alert == "cannot tell"
    plain = ~(sure | far)
    axes.plot(when, size, color=color, linewidth=1.2)
    axes.plot(when[sure], size[sure], mark, color=color, markersize=6)
    axes.plot(
        when[plain], size[plain], mark, color=color, markersize=4, markerfacecolor="w"
    )
    height = np.full(int(far.sum()), top * (1 - 0.045 * place))
    axes.plot(when[far], height, "^", color=color, markersize=5)
    known = np.flatnonzero(np.isfinite(size))
    if known.size:
        end = int(known[-1])
        axes.annotate(
            label(f"{mark_word(mark)} {mine['column'].iloc[0]}", 24),
            (when[end], size[end]),
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=8,
            color=color,
            va="center",
        )


def mark_word(mark: str) -> str:
    """Return the sign that stands for a marker in text."""
    return {"o": "○", "s": "□", "D": "◇"}[mark]


def _draw_start(axes: "Axes", windows: pd.DataFrame) -> None:
    """Mark where the current rows begin."""
    current = windows.loc[windows["table"] == "current", "window"]
    if current.empty:
        return
    axes.axvline(current.min(), color=GREY, linewidth=0.9, linestyle=":")
    axes.text(
        current.min(),
        1.0,
        " current rows",
        transform=axes.get_xaxis_transform(),
        fontsize=8,
        color=GREY,
        va="bottom",
    )
