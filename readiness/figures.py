"""What checks draw with: limits, curves and intervals, on the canvas of the house."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from readiness.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH_IN,
    figure_png,
    figure_svg,
    label,
    new_figure,
)
from readiness.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLORS",
    "draw_curve",
    "draw_intervals",
    "draw_limit",
    "figure_png",
    "figure_svg",
    "label",
    "new_figure",
]
MAX_ROWS = 20
ROW_IN = 0.24
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":")
# A status is told by shape as well as by word; colour repeats it.
MARKS = {
    "pass": ("o", GREEN),
    "fail": ("X", VERMILLION),
    "inconclusive": ("D", BLACK),
}


def draw_limit(
    axes: "Axes",
    value: float,
    text: str,
    *,
    vertical: bool = True,
    align: str = "center",
) -> None:
    """Draw one limit as a dashed line, with its text beside the line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    value : float
        Where the limit lies, in data units.
    text : str
        Such as ``"at least 0.65"``; pass data-derived parts through `label`.
    vertical : bool
        A limit on the horizontal axis is a vertical line.
    align : str
        ``"left"``, ``"center"`` or ``"right"``: the text beside a vertical line.
    """
    line: dict[str, Any] = {"color": BLACK, "linewidth": 1.1, "linestyle": (0, (4, 2))}
    if vertical:
        axes.axvline(value, **line)
        place, frame = (value, 1.01), axes.get_xaxis_transform()
    else:
        axes.axhline(value, **line)
        place, frame = (0.995, value), axes.get_yaxis_transform()
        align = "right"
    behind = {"facecolor": "white", "alpha": 0.8, "pad": 1, "linewidth": 0}
    written = axes.text(*place, text, transform=frame, ha=align, va="bottom")
    written.set(fontsize=8, bbox=behind)


def draw_curve(  # noqa: PLR0917 (x, y and their band are one thing)
    axes: "Axes",
    x: np.ndarray,
    y: np.ndarray,
    low: np.ndarray | None,
    high: np.ndarray | None,
    name: str,
    color: str | None = None,
) -> None:
    """Draw one curve with its band, named at its right end.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : numpy.ndarray of shape (m,)
        Points of the curve; NaN breaks it.
    low, high : numpy.ndarray of shape (m,) or None
        Band around the curve.
    name : str
        Written at the last finite point; may be empty.
    color : str or None
        By default the next Okabe-Ito colour; the line style changes as well.
    """
    drawn = sum(line.get_gid() == "curve" for line in axes.get_lines())
    shade = color or COLORS[drawn % len(COLORS)]
    dash = DASHES[drawn % len(DASHES)]
    axes.plot(x, y, color=shade, linestyle=dash, linewidth=1.6, gid="curve")
    if low is not None and high is not None:
        axes.fill_between(x, low, high, color=shade, alpha=0.18, linewidth=0)
    finite = np.flatnonzero(np.isfinite(np.asarray(y, dtype=float)))
    if name and finite.size:
        axes.annotate(
            label(name, 28),
            (float(x[finite[-1]]), float(y[finite[-1]])),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )


def name_ends(
    axes: "Axes",
    x: float,
    ends: np.ndarray,
    names: Sequence[str],
    *,
    apart: float,
    reach: float,
) -> None:
    """Write names beside the ends of curves, none over another.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x : float
        Where the curves end.
    ends : numpy.ndarray of shape (m,)
        Heights of their ends.
    names : sequence of str
        Safe to draw.
    apart : float
        Least distance between two names, in the unit of the heights.
    reach : float
        How far from the ends names begin, to the left where negative. A line leads
        from an end to a name that had to move.
    """
    for end, height, name in zip(ends, spread(ends, apart), names, strict=True):
        if abs(height - end) > apart / 4:
            place = [x + 0.15 * reach, x + 0.85 * reach]
            axes.plot(place, [end, height], color=GREY, linewidth=0.6, gid="leader")
        align = "left" if reach > 0 else "right"
        text = axes.text(x + reach, height, name, ha=align, va="center")
        text.set(fontsize=8, color=GREY)


def spread(heights: np.ndarray, apart: float) -> np.ndarray:
    """Return the nearest heights, in squares, no two of which are closer than `apart`.

    Less its rank times `apart`, each height must rise: neighbours that do not share
    their mean.

    Examples
    --------
    >>> spread(np.array([5.0, 0.0, 0.0]), 1.0).tolist()
    [5.0, -0.5, 0.5]
    """
    order = np.argsort(heights, kind="stable")
    runs: list[list[float]] = []
    for rank, place in enumerate(order):
        runs.append([float(heights[place]) - rank * apart])
        while len(runs) > 1 and np.mean(runs[-2]) > np.mean(runs[-1]):
            last = runs.pop()
            runs[-1] += last
    level = np.repeat([np.mean(run) for run in runs], [len(run) for run in runs])
    placed = np.empty(len(heights))
    placed[order] = level + np.arange(len(heights)) * apart
    return placed


def draw_intervals(
    axes: "Axes",
    labels: Sequence[object],
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    limits: Sequence[Any] = (),
    n_rows: Sequence[float] | None = None,
    unit: str = "",
    statuses: Sequence[str] | None = None,
) -> None:
    """Draw values with their intervals, one row each, the worst at the top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The only axes of its figure is made as high as its rows need.
    labels : sequence
        Names of the rows; they come from data and are made safe here.
    values, lows, highs : sequence of float
        In `unit`. A row whose value is NaN is listed at the end as not measured; an
        infinite or missing end of an interval runs to the edge with an arrow.
    limits : sequence of Limit or float
        Drawn as lines with their value. The lowest decides which end is the worst:
        low values for ``at_least``, else high ones.
    n_rows : sequence of float or None
        Rows behind each value, written at the right.
    unit : str
        As in `readiness.text.number`; ``"share"`` gives a percent axis.
    statuses : sequence of str or None
        Status words; they choose the shape of the point and are written at the right.
    """
    bounds = _bounds(limits)
    value = np.asarray(values, dtype=float)
    ends = np.column_stack([np.asarray(lows, float), np.asarray(highs, float)])
    order = _worst_first(value, low_is_bad=bounds[:1] and bounds[0][0] == "at_least")
    kept = order[:MAX_ROWS]
    span = _span(value[kept], ends[kept], [bound for _, bound in bounds])
    figure = axes.get_figure(root=True)
    if figure is not None and len(figure.axes) == 1:
        figure.set_size_inches(WIDTH_IN, 1.15 + ROW_IN * max(len(kept), 2))
    beside = axes.get_yaxis_transform()
    small: dict[str, Any] = {"va": "center", "fontsize": 8, "color": GREY}
    for place, row in enumerate(kept):
        status = statuses[row] if statuses is not None else ""
        _draw_row(axes, place, value[row], _within(ends[row], span), status)
        count = f"n = {number(n_rows[row], 'count')}" if n_rows is not None else ""
        words = " · ".join(filter(None, (count, status.replace("_", " "))))
        axes.text(1.015, place, words, transform=beside, **small)
    axes.set_xlim(span)
    axes.set_ylim(max(len(kept), 2) - 0.4, -0.6)
    axes.set_yticks(range(len(kept)), [label(labels[row], 32) for row in kept])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    if unit == "share":
        axes.xaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
    _draw_bounds(axes, bounds, unit)
    if len(order) > len(kept):
        rest = f"{len(order) - len(kept):,} more are in the table"
        axes.set_xlabel(f"{axes.get_xlabel()}\n{rest}".strip())


def _bounds(limits: Sequence[Any]) -> list[tuple[str, float]]:
    pairs = {(getattr(one, "side", ""), getattr(one, "limit", one)) for one in limits}
    numbers = [(side, float(one)) for side, one in pairs if not isinstance(one, str)]
    return sorted(numbers, key=lambda pair: pair[1])


def _worst_first(value: np.ndarray, *, low_is_bad: object) -> np.ndarray:
    order = np.argsort(value if low_is_bad else -value, kind="stable")
    known = np.isfinite(value[order])
    return np.concatenate([order[known], order[~known]])


def _span(
    values: np.ndarray, ends: np.ndarray, bounds: Sequence[float]
) -> tuple[float, float]:
    every = np.concatenate([values, ends.ravel(), np.asarray(bounds, dtype=float)])
    every = every[np.isfinite(every)]
    if not every.size:
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    margin = 0.06 * (high - low) or 0.1 * max(abs(low), 1.0)
    return low - margin, high + margin


def _within(ends: np.ndarray, span: tuple[float, float]) -> list[tuple[float, str]]:
    marks = zip(ends, span, "<>", strict=True)
    return [(e, "") if math.isfinite(e) else (edge, sign) for e, edge, sign in marks]


def _draw_row(
    axes: "Axes", place: int, value: float, ends: list[tuple[float, str]], status: str
) -> None:
    if not math.isfinite(value):
        where = axes.get_yaxis_transform()
        text = axes.text(0.01, place, "not measured", va="center", transform=where)
        text.set(fontsize=8, color=GREY)
        return
    marker, color = MARKS.get(status, ("o", BLUE))
    axes.plot([end for end, _ in ends], [place, place], color=color, linewidth=1.6)
    for end, sign in ends:
        if sign:
            axes.plot(end, place, sign, color=color, markersize=5, clip_on=False)
    filled = "white" if status == "inconclusive" else color
    axes.plot(value, place, marker, color=color, markersize=6, markerfacecolor=filled)


def _draw_bounds(axes: "Axes", bounds: list[tuple[str, float]], unit: str) -> None:
    for place, (side, bound) in enumerate(bounds):
        text = f"limit: {side.replace('_', ' ')} {number(bound, unit, exact=True)}"
        align = "center" if len(bounds) == 1 else ("right", "left")[place % 2]
        draw_limit(axes, bound, text.replace("  ", " "), align=align)
