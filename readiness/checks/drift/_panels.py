"""Small multiples of tolerance curves."""

from typing import TYPE_CHECKING

import pandas as pd

from readiness.figures import draw_curve, draw_limit, label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import number
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 6
PANELS_IN_ROW = 3
KEY = "▼ largest move between past windows     | move the limit asks for"


def chosen_panels(measurement: Measurement) -> pd.DataFrame:
    """Return the rows of ``budgets`` to draw: the worst family of each column.

    The worst column comes first; calm ones are left out unless all are calm.
    """
    budgets = measurement.tables["budgets"]
    worst = budgets.drop_duplicates("column")
    stirred = worst[~worst["calm"]]
    return (stirred if len(stirred) else worst.head(1)).head(MAX_PANELS)


def draw_panels(
    measurement: Measurement, limits: tuple[Limit, ...], title: str
) -> "Figure":
    """Draw the loss against the move, one panel per column.

    Parameters
    ----------
    measurement : Measurement
        With the tables ``curves``, ``budgets`` and ``base``.
    limits : tuple of Limit
        Drawn at the move they ask for.
    title : str
        Of the figure.
    """
    panels = chosen_panels(measurement)
    base = measurement.tables["base"].iloc[0]
    columns = min(max(len(panels), 1), PANELS_IN_ROW)
    rows = max(-(-len(panels) // PANELS_IN_ROW), 1)
    figure, first = new_figure(
        title,
        "move",
        f"{label(base['metric'])} lost",
        height_in=0.9 + 2.3 * rows,
        columns=columns,
        rows=rows,
    )
    for axes in figure.axes[len(panels) :]:
        axes.set_visible(False)
    for axes, (_, panel) in zip(figure.axes, panels.iterrows(), strict=False):
        _draw_panel(axes, measurement, panel, limits)
    if panels.empty:
        first.set_visible(True)
        first.text(0.5, 0.5, "no column could be moved", ha="center")
    for axes in figure.axes[:: PANELS_IN_ROW if rows > 1 else columns]:
        axes.set_ylabel(first.get_ylabel())
    if len(panels):
        figure.supxlabel(KEY, fontsize=8, color="#595959")
    return figure


def describe(measurement: Measurement, what: str) -> str:
    """Return one sentence for those who do not see the figure."""
    panels = chosen_panels(measurement)
    if panels.empty:
        return f"No column could be moved, so there is no curve of {what}."
    base, worst = measurement.tables["base"].iloc[0], panels.iloc[0]
    return (
        f"Curves of {what}: the largest loss of {metric_words(base['metric'])}, "
        f"{number(worst['worst_loss'])}, comes from moving {label(worst['column'])}; "
        f"{number(base['tolerated_loss'], exact=True)} is tolerated."
    )


def _draw_panel(
    axes: "Axes", measurement: Measurement, panel: pd.Series, limits: tuple[Limit, ...]
) -> None:
    curves, base = measurement.tables["curves"], measurement.tables["base"].iloc[0]
    mine = curves[
        (curves["column"] == panel["column"])
        & (curves["family"] == panel["family"])
        & (curves["category"] == panel["worst_category"])
    ]
    draw_curve(
        axes,
        mine["move_in_unit"].to_numpy(),
        mine["loss"].to_numpy(),
        mine["loss_low"].to_numpy(),
        mine["loss_high"].to_numpy(),
        "",
    )
    draw_limit(axes, base["tolerated_loss"], "tolerated", vertical=False)
    if base["room"] > 0:
        draw_limit(axes, base["room"], "acceptable", vertical=False)
    _draw_moves(axes, panel, limits)
    axes.set_title(label(panel["column"], 26), fontsize=9, loc="left")
    axes.set_xlabel(_axis(panel))


def _draw_moves(axes: "Axes", panel: pd.Series, limits: tuple[Limit, ...]) -> None:
    """Mark the largest past move by triangles, and the asked-for move by dots."""
    wanted = [
        float(one.limit)
        for one in limits
        if one.metric == f"{panel['family']}_loss_budget" and one.limit is not None
    ]
    marks = [("v", panel["past_move"]), *(("|", one) for one in wanted)]
    for marker, size in marks:
        inside = size <= panel["reach"]
        for sign in (-1, 1) if inside else ():
            axes.plot(
                sign * size * panel["sd"],
                1.0,
                marker,
                color="#1A1A1A",
                markersize=7,
                clip_on=False,
                transform=axes.get_xaxis_transform(),
            )


def _axis(panel: pd.Series) -> str:
    category = label(panel["worst_category"], 18)
    own = label(panel["own_unit"] or "own unit", 14)
    return {
        "mean": f"shift ({own})",
        "scale": f"change of SD ({own})",
        "noise": f"noise SD ({own})",
        "category": f"share of {category} moved"
        if panel["worst_category"]
        else "share of rows replaced",
        "missing": "share of missing moved",
        "outlier": "share of outliers moved",
        "direction": "move along it (SD)",
    }[panel["family"]]
