"""The curve of what the worst share of the rows costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from readiness.canvas import BLUE, VERMILLION
from readiness.figures import draw_limit, label, new_figure
from readiness.result import Measurement
from readiness.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIDDLE_SHARE = 0.2  # of the logarithmic axis


def draw_worst(
    measurement: Measurement, bounds: Sequence[float | str], safe: float
) -> "Figure":
    """Draw the mean loss of the worst share against the share.

    Parameters
    ----------
    measurement : Measurement
        With the tables ``curve`` and ``target``.
    bounds : sequence of float or str
        Limits on the mean loss; text stands for a value that nobody declares.
    safe : float
        Smallest share that stays within the acceptable loss, or NaN.
    """
    curve, target = measurement.tables["curve"], measurement.tables["target"].iloc[0]
    unit = target["unit"]
    scale = 100.0 if unit == "share" else 1.0
    suffix = ", % of rows" if unit == "share" else ", mean"
    figure, axes = new_figure(
        "What the worst share of the rows costs",
        xlabel="the worst … % of the rows, by their attributes",
        ylabel=f"{label(target['loss'])}{suffix}",
    )
    share = 100 * curve["share"].to_numpy()
    risk, low, high, wide = (
        scale * curve[name].to_numpy()
        for name in ("risk", "ci_low", "ci_high", "ci_high_allowed")
    )
    axes.fill_between(share, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(share, wide, ":", color=BLUE, linewidth=1.2)
    axes.plot(share, risk, "o-", color=BLUE, linewidth=1.6, markersize=4)
    axes.set_xscale("log")
    axes.set_xticks(share, [f"{one:g}" for one in share])
    axes.minorticks_off()
    _name(axes, "upper limit with allowance", float(share[-1]), float(wide[-1]))
    lines = [("acceptable", target["acceptable"]), *(("limit", one) for one in bounds)]
    for word, bound in lines:
        if not isinstance(bound, str) and np.isfinite(bound):
            words = number(float(bound), unit, exact=True)
            draw_limit(axes, scale * float(bound), f"{word} {words}", vertical=False)
    if np.isfinite(safe):
        axes.axvline(100 * safe, color=VERMILLION, linewidth=1.1)
        words = f"larger groups are within it: above {number(safe, 'share')}"
        text = axes.text(
            100 * safe, 1.01, words, transform=axes.get_xaxis_transform(), fontsize=8
        )
        text.set_horizontalalignment("right" if safe > MIDDLE_SHARE else "left")
    return figure


def _name(axes: "Axes", words: str, x: float, y: float) -> None:
    axes.annotate(words, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
