"""The heat map and the sentences of the calendar, from its tables alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, VERMILLION
from readiness.checks.coverage._calendar import MONTHS, WEEKDAYS
from readiness.figures import draw_intervals, new_figure
from readiness.result import Limit
from readiness.text import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = {"month": "a month", "weekday": "a weekday", "hour": "an hour of the day"}
NAMED = 12  # calendar units a sentence names


def draw_calendar(calendar: pd.DataFrame) -> "Figure":
    """Return a heat map of days with rows: tables by months and weekdays."""
    tables = list(calendar["table"].unique())
    names = [*MONTHS, *WEEKDAYS]
    days = calendar.pivot_table(
        index="table", columns="name", values="days", sort=False
    )
    grid = days.loc[tables, names].to_numpy(dtype=float)
    covered = calendar.groupby("name")["covered"].first()[names].to_numpy(dtype=bool)
    figure, axes = new_figure(
        "Days with rows, by month and by weekday",
        xlabel="framed: met by the last table, hardly seen by the first",
        height_in=1.3 + 0.34 * len(tables),
    )
    places = np.arange(len(names)) + 0.5 * (np.arange(len(names)) >= len(MONTHS))
    shade = grid / np.maximum(grid.max(axis=1, keepdims=True), 1.0)
    for row, n in np.ndindex(*grid.shape):
        place = (float(places[n]), float(row))
        is_gap = row == len(tables) - 1 and grid[row, n] > 0 and not covered[n]
        _draw_cell(
            axes, place, float(grid[row, n]), float(shade[row, n]), framed=bool(is_gap)
        )
    axes.set_xlim(-0.6, places[-1] + 0.6)
    axes.set_ylim(len(tables) - 0.4, -0.6)
    axes.set_xticks(places, names)
    axes.set_yticks(range(len(tables)), tables)
    axes.tick_params(length=0, labelsize=8)
    axes.grid(visible=False)
    return figure


def _draw_cell(
    axes: "Axes",
    place: tuple[float, float],
    days: float,
    shade: float,
    *,
    framed: bool,
) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 (only when drawn)

    corner = (place[0] - 0.46, place[1] - 0.42)
    blue = tuple(1 - shade * (1 - part) for part in (0.42, 0.68, 0.86))
    edge, width = (VERMILLION, 1.8) if framed else ("#C8C8C8", 0.6)
    axes.add_patch(
        Rectangle(corner, 0.92, 0.84, facecolor=blue, edgecolor=edge, linewidth=width)
    )
    text = axes.text(*place, f"{days:.0f}", ha="center", va="center", fontsize=8)
    text.set_color(BLACK)


def draw_events(summary: pd.DataFrame, limits: tuple[Limit, ...]) -> "Figure":
    """Return labelled rows per class with the limit."""
    counts = summary[summary["metric"] == "events"]
    figure, axes = new_figure("Labelled rows per class", xlabel="labelled rows")
    draw_intervals(
        axes,
        counts["group"].tolist(),
        counts["value"].tolist(),
        counts["ci_low"].tolist(),
        counts["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == "events"],
        unit="count",
    )
    return figure


def sentences(
    summary: pd.DataFrame,
    calendar: pd.DataFrame,
    spans: pd.DataFrame,
    unknown: Mapping[str, int],
    base: str,
) -> tuple[str, ...]:
    """Return what a reader needs to know.

    Parameters
    ----------
    summary, calendar, spans : pandas.DataFrame
        As measured.
    unknown : mapping of str to int
        By table, rows with a label that is no class of the model.
    base : str
        The table that stands for what the model has seen.
    """
    shares = summary[(summary["metric"] == "calendar_share") & summary["value"].notna()]
    notes = [_covered(one, calendar, base) for one in shares.to_dict("records")]
    notes += [
        f"{n:,} rows of {name} hold a label that is no class of the model."
        for name, n in unknown.items()
        if n
    ]
    notes += [_span(one) for one in spans.to_dict("records")]
    notes += _order(spans, base)
    if base != "training":
        notes.append("There is no training table; reference rows stand in for it.")
    return tuple(notes)


def _span(one: Mapping[Any, Any]) -> str:
    text = (
        f"{one['table']}: {one['first']} to {one['last']}, rows on "
        f"{one['days_with_rows']:,} days"
    )
    if one["longest_gap_days"]:
        n_days = one["longest_gap_days"]
        days = "1 day" if n_days == 1 else f"{n_days:,} days"
        text += f"; longest gap {days} after {one['gap_after']}"
    return f"{text}; last label {one['last_label'] or 'none'}."


def _covered(row: Mapping[Any, Any], calendar: pd.DataFrame, base: str) -> str:
    unit = str(row["group"])
    last = calendar["table"].iloc[-1]
    here = calendar[(calendar["unit"] == unit) & (calendar["table"] == last)]
    gaps = here[~here["covered"].astype(bool) & (here["rows"] > 0)]["name"].tolist()
    limits = interval(row["ci_low"], row["ci_high"], "share")
    text = (
        f"{number(row['value'], 'share')} ({limits}) of the {last} rows fall in "
        f"{UNITS[unit]} that the {base} table has seen"
    )
    if not gaps:
        return f"{text}."
    more = f" and {len(gaps) - NAMED} more" if len(gaps) > NAMED else ""
    return f"{text}; hardly seen: {', '.join(gaps[:NAMED])}{more}."


def _order(spans: pd.DataFrame, base: str) -> list[str]:
    """Return warnings where the tables do not follow each other in time."""
    found = {one["table"]: one for one in spans.to_dict("records")}
    if base not in found or "current" not in found:
        return []
    first, last = str(found["current"]["first"]), str(found["current"]["last"])
    if last < str(found[base]["first"]):
        return [f"The current rows are older than {base}: are the tables swapped?"]
    if first <= str(found[base]["last"]):
        return [
            f"The current rows begin before {base} ends: the tables overlap in time."
        ]
    return []
