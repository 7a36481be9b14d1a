"""The heat map and the sentences of the calendar, from its tables alone."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.canvas import BLACK, VERMILLION
from readiness.checks.coverage._calendar import MONTHS, WEEKDAYS
from readiness.figures import draw_intervals, label, new_figure
from readiness.result import Limit
from readiness.stats import Floats
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = {"month": "a month", "weekday": "a weekday", "hour": "an hour of the day"}
NAMED = 12  # calendar units a sentence names
NEARLY_ALL = 0.999  # beyond it a count says more than a share
DRAWN = 3  # classes the heat map shows


def draw_calendar(calendar: pd.DataFrame, labels: pd.DataFrame) -> "Figure":
    """Return a heat map of days and of labelled rows: months and weekdays by table.

    Parameters
    ----------
    calendar, labels : pandas.DataFrame
        As measured. Of more than three classes the rarest two of the first table are
        drawn, and all labels together.
    """
    names = [*MONTHS, *WEEKDAYS]
    tables = list(calendar["table"].unique())
    heads, grid, framed = _heat_rows(calendar, labels, names)
    figure, axes = new_figure(
        "Days with rows and labelled rows, by month and by weekday",
        xlabel=f"framed: {tables[-1]} meets it, {tables[0]} has hardly seen it",
        height_in=1.3 + 0.3 * len(heads),
    )
    places = np.arange(len(names)) + 0.5 * (np.arange(len(names)) >= len(MONTHS))
    # Months and weekdays apart: a weekday has more rows than a month.
    halves = (slice(len(MONTHS)), slice(len(MONTHS), None))
    shade = np.concatenate(
        [
            grid[:, half] / np.maximum(grid[:, half].max(axis=1, keepdims=True), 1.0)
            for half in halves
        ],
        axis=1,
    )
    for row, n in np.ndindex(*grid.shape):
        place = (float(places[n]), float(row))
        count, part = float(grid[row, n]), float(shade[row, n])
        _draw_cell(axes, place, count, part, framed=bool(framed[row, n]))
    axes.set_xlim(-0.6, places[-1] + 0.6)
    axes.set_ylim(len(heads) - 0.4, -0.6)
    axes.set_xticks(places, names)
    axes.set_yticks(range(len(heads)), [label(one, 34) for one in heads])
    axes.tick_params(length=0, labelsize=8)
    axes.grid(visible=False)
    return figure


def _heat_rows(
    calendar: pd.DataFrame, labels: pd.DataFrame, names: list[str]
) -> tuple[list[str], Floats, npt.NDArray[np.bool_]]:
    """Return the head, the counts and the frames of each row of the heat map."""
    tables = list(calendar["table"].unique())
    days = calendar.pivot_table(
        index="table", columns="name", values="days", sort=False
    )[names]
    is_met = days.loc[tables[-1]].to_numpy() > 0
    covered = calendar.groupby("name")["covered"].first()[names].to_numpy(dtype=bool)
    known = labels[labels["table"] == tables[0]]
    shown = _classes_drawn(known if len(known) else labels)
    heads, grid, framed = [], [], []
    for table in tables:
        is_last = table == tables[-1]
        heads.append(f"{table}: days")
        grid.append(days.loc[table].to_numpy(dtype=float))
        framed.append(is_met & ~covered & is_last)
        own = labels[labels["table"] == table]
        for head, classes in shown.items() if len(own) else ():
            rows = own[own["class"].isin(classes)].groupby("name")["events"].sum()
            events = rows[names].to_numpy(dtype=float)
            heads.append(f"{table}: {head}")
            grid.append(events)
            is_blind = is_met & covered & (events == 0)
            framed.append(is_blind & (table == tables[0]))
    return heads, np.array(grid), np.array(framed)


def _classes_drawn(labels: pd.DataFrame) -> dict[str, list[str]]:
    """Return the classes of each row of labels, by the row's head."""
    counts = labels[labels["unit"] == "month"].groupby("class", sort=False)["events"]
    rarest = counts.sum().sort_values(kind="stable")
    names = list(labels["class"].unique())
    if len(names) <= DRAWN:
        return {f"labelled {one}": [one] for one in names}
    few = {f"labelled {one}": [one] for one in rarest.index[: DRAWN - 1]}
    return {"labelled": names, **few}


def _draw_cell(
    axes: "Axes",
    place: tuple[float, float],
    count: float,
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
    text = axes.text(*place, _short(count), ha="center", va="center", fontsize=7)
    text.set_color(BLACK)


def _short(count: float) -> str:
    """Return a count in at most four characters, thousands as k, millions as M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            digits = 1 if count < 9.95 * size else 0
            return f"{count / size:.{digits}f}{letter}"
    return f"{count:.0f}"


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
    tables: Mapping[str, pd.DataFrame],
    unknown: Mapping[str, int],
    base: str,
) -> tuple[str, ...]:
    """Return what a reader needs to know.

    Parameters
    ----------
    summary : pandas.DataFrame
        As measured.
    tables : mapping of str to pandas.DataFrame
        The tables ``calendar``, ``labels`` and ``spans``, as measured.
    unknown : mapping of str to int
        By table, rows with a label that is no class of the model.
    base : str
        The table that stands for what the model has seen.
    """
    calendar, spans = tables["calendar"], tables["spans"]
    shares = summary[(summary["metric"] == "calendar_share") & summary["value"].notna()]
    notes = [_covered(one, calendar, base) for one in shares.to_dict("records")]
    notes += _unlabelled(calendar, tables["labels"], base)
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


def _unlabelled(calendar: pd.DataFrame, labels: pd.DataFrame, base: str) -> list[str]:
    """Return when base has rows, but none with some label."""
    own = calendar[(calendar["table"] == base) & calendar["covered"].astype(bool)]
    counts = labels[labels["table"] == base]
    absent = counts[(counts["events"] == 0) & counts["name"].isin(own["name"])]
    return [
        f"{base} has rows but none labelled {visible(name, 40)} in: {_listed(part)}."
        for name, part in absent.groupby("class", sort=False)["name"]
    ][:NAMED]


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(found[:NAMED])}{more}"


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
    part = f"{number(row['value'], 'share')} ({limits}) of the {last} rows"
    n_rows, n_known = (int(one["rows"].sum()) for one in (here, here[here["covered"]]))
    if n_known < n_rows and row["value"] > NEARLY_ALL:
        part = f"All but {n_rows - n_known:,} of the {n_rows:,} {last} rows"
    text = f"{part} fall in {UNITS[unit]} that the {base} table has seen"
    if not gaps:
        return f"{text}."
    return f"{text}; hardly seen: {_listed(gaps)}."


def _order(spans: pd.DataFrame, base: str) -> list[str]:
    """Return warnings where the tables do not follow each other in time."""
    found = {one["table"]: one for one in spans.to_dict("records")}
    if base not in found or "current" not in found:
        return []
    first, last = str(found["current"]["first"]), str(found["current"]["last"])
    for name in dict.fromkeys((base, "reference")):
        if name in found and last < str(found[name]["first"]):
            return [f"The current rows are older than {name}: are the tables swapped?"]
    if first <= str(found[base]["last"]):
        return [
            f"The current rows begin before {base} ends: the tables overlap in time."
        ]
    return []
