"""How calibration is said and drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.baseline._reliability import PROMISED
from readiness.figures import COLORS, draw_limit, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLOPE, INTERCEPT = "calibration_slope", "calibration_intercept"
BIAS, COVERED = "bias", "residual_coverage"
MARKS, SHAPES = ("o", "s"), ("●", "■")
BAND = f"{number(PROMISED, 'share', exact=True)} band"
RIGHT = {SLOPE: 1.0, INTERCEPT: 0.0, BIAS: 0.0, COVERED: PROMISED}
# What it means to be below and above the right value.
MEANING = {
    SLOPE: (
        "high predictions are too high and low ones too low",
        "high predictions are too low and low ones too high",
    ),
    INTERCEPT: ("predictions are too high overall", "predictions are too low overall"),
    BIAS: ("predictions are too low on average", "predictions are too high on average"),
    COVERED: ("the band is too narrow", "the band is wider than it needs to be"),
}
WORDS = {
    SLOPE: "the calibration slope is",
    INTERCEPT: "the calibration intercept is",
    BIAS: "the mean error is",
    COVERED: f"the {BAND} around predictions holds",
}


def notes_on(summary: pd.DataFrame) -> tuple[str, ...]:
    """Return one sentence per number of a whole table, and what it means."""
    notes = []
    for row in summary.to_dict("records"):
        whole = row["group"] == "" or row["group"].startswith("table=")
        if not whole or not np.isfinite(row["value"]):
            continue
        notes.append(_sentence(row))
    return tuple(notes)


def _sentence(row: Mapping[Any, Any]) -> str:
    name, right = row["metric"], RIGHT[row["metric"]]
    value = f"{number(row['value'])} ({_limits(row)})"
    if row["unit"] == "share":
        value = f"{number(row['value'], 'share')} ({_limits(row)}) of truths"
    if row["ci_low"] <= right <= row["ci_high"]:
        unit = row["unit"] if row["unit"] == "share" else ""
        what = f"the right value, {number(right, unit, exact=True)}, is within"
    else:
        what = MEANING[name][int(row["value"] > right)]
    return f"On {_place(row['group'])} {WORDS[name]} {value}: {what}."


def _limits(row: Mapping[Any, Any]) -> str:
    return interval(row["ci_low"], row["ci_high"], row["unit"])


def _place(group: str) -> str:
    return "reference" if group == "" else group.removeprefix("table=")


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw what happened against what was predicted, or coverage by decile."""
    bins = measurement.tables["reliability"]
    if "covered" in bins:
        figure, axes = new_figure(
            f"Share of truths within the {BAND}, by prediction",
            xlabel="mean prediction of the bin",
            ylabel="share within the band",
        )
        _draw_bins(axes, bins, "covered")
        axes.margins(x=0.14)  # the texts of both lines stand at the right end
        draw_limit(axes, PROMISED, "promised", vertical=False)
        for limit in limits:
            if limit.metric == COVERED and not isinstance(limit.limit, str):
                draw_limit(axes, limit.limit, f"limit {limit.limit:g}", vertical=False)
        return figure
    figure, axes = new_figure(
        "Predicted and observed share, bins of equal numbers of rows",
        xlabel="mean predicted probability of the bin",
        ylabel="observed share",
    )
    ends = [bins["predicted"].min(), bins["predicted"].max()]
    axes.plot(ends, ends, color="0.35", linewidth=1.0, linestyle=(0, (4, 2)))
    axes.text(
        0.72,
        1.02,
        "- - as predicted",
        transform=axes.transAxes,
        fontsize=8,
        color="0.35",
    )
    _draw_bins(axes, bins, "observed")
    return figure


def _draw_bins(axes: "Axes", bins: pd.DataFrame, name: str) -> None:
    for place, (table, part) in enumerate(bins.groupby("table", sort=False)):
        color, mark = COLORS[place % len(COLORS)], MARKS[place % len(MARKS)]
        x, y = part["predicted"].to_numpy(), part[name].to_numpy()
        low, high = part["ci_low"].to_numpy(), part["ci_high"].to_numpy()
        axes.vlines(x, low, high, color=color, linewidth=1.4)
        axes.plot(x, y, mark, color=color, markersize=5, linestyle="-", linewidth=0.8)
        # Curves cross and end together, so their names stand in one line above.
        start = f"{SHAPES[place % len(MARKS)]} {table} (n = "
        axes.text(
            0.36 * place,
            1.02,
            f"{start}{number(part['n_rows'].sum(), 'count')})",
            transform=axes.transAxes,
            fontsize=8,
            color=color,
        )


def alt(measurement: Measurement) -> str:
    """Return slope, or coverage, of each table in one sentence."""
    summary = measurement.summary
    name = COVERED if COVERED in set(summary["metric"]) else SLOPE
    whole = summary["group"].eq("") | summary["group"].str.startswith("table=")
    known = summary[summary["metric"].eq(name) & whole & summary["value"].notna()]
    if known.empty:
        return "The calibration of the model could not be measured on any table."
    parts = [
        f"{number(row['value'], row['unit'])} ({_limits(row)}) "
        f"on {_place(row['group'])}"
        for row in known.to_dict("records")
    ]
    said = WORDS[name]
    return f"{said[0].upper()}{said[1:]} {', '.join(parts)}."
