"""How settled and tied ranks are told and drawn."""

from typing import TYPE_CHECKING

import pandas as pd

from readiness.checks.explainability._fits import SEEDS
from readiness.figures import COLORS, MAX_ROWS, ROW_IN, label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_NAMED, N_OPEN = 8, 5
KEPT = "direction_kept"
REDRAWN = "reference rows drawn again"
WORDS = {
    "": "fitted again on other training rows",
    SEEDS: "fitted again with another seed",
    REDRAWN: "explained on other reference rows",
}


def notes_on(
    summary: pd.DataFrame, ranks: pd.DataFrame, depth: int, n_rows: int
) -> tuple[str, ...]:
    """Return what is settled, what is tied, and what would stay with other rows."""
    return (
        _settled(ranks, n_rows),
        *_tied(ranks),
        *_twins(ranks),
        *_overlaps(summary, depth),
        *_directions(summary),
    )


def _settled(ranks: pd.DataFrame, n_rows: int) -> str:
    used = ranks[ranks["used"]]
    settled = used[used["settled"]]
    named = [
        f"{row['rank']} {visible(row['column'], 40)}"
        for row in settled.to_dict("records")[:N_NAMED]
    ]
    if len(settled) > N_NAMED:
        named.append("others in the table")
    ending = f": {', '.join(named)}" if named else ""
    how_many = len(settled) or "none"
    ranks_of = f"{len(used)} rank{'s' * (len(used) > 1)}"
    return (
        f"Of the {ranks_of} of columns the model uses, {how_many} can be "
        f"sworn to{ending} (all at once with 95 %, from {n_rows:,} rows)."
    )


def _tied(ranks: pd.DataFrame) -> list[str]:
    """Name the columns whose rank is open, the highest first."""
    used = ranks[ranks["used"]]
    open_ones = used[~used["settled"]]
    if open_ones.empty:
        return []
    named = [
        f"{visible(row['column'], 40)} ({row['best_rank']} to {row['worst_rank']})"
        for row in open_ones.to_dict("records")[:N_OPEN]
    ]
    rest = len(open_ones) - len(named)
    ending = f" and {rest} more" if rest else ""
    return [f"Their rank is open: {', '.join(named)}{ending}."]


def _twins(ranks: pd.DataFrame) -> list[str]:
    twins = ranks[ranks["same_as"] != ""]
    if twins.empty:
        return []
    first = twins.iloc[0]
    note = (
        f"{visible(first['column'], 40)} and {visible(first['same_as'], 80)} hold the "
        "same under two names, so they are tied: which of them the model uses is an "
        f"accident of the fit. {len(twins)} columns have such a twin."
    )
    return [note]


def _overlaps(summary: pd.DataFrame, depth: int) -> list[str]:
    found = summary[summary["metric"] == "rank_overlap"]
    parts = [
        f"{number(row['value'])} ({interval(row['ci_low'], row['ci_high'])}) when "
        f"{WORDS[row['group']]}"
        for row in found[found["value"].notna()].to_dict("records")
    ]
    notes = []
    if parts:
        start = f"Agreement of the first {depth} ranks, 1 being the same list: "
        notes.append(f"{start}{'; '.join(parts)}.")
    if found.loc[found["group"] == "", "value"].isna().all():
        notes.append("Whether the list would last after another fit is not measured.")
    return notes


def _directions(summary: pd.DataFrame) -> list[str]:
    """Tell how often fits on other rows keep the direction of a column, worst first."""
    found = summary[(summary["metric"] == KEPT) & summary["value"].notna()]
    if found.empty:
        return []
    parts = [
        f"{visible(row['group'], 40)} {number(row['value'], 'share')} "
        f"({interval(row['ci_low'], row['ci_high'], 'share')})"
        for row in found.sort_values("value", kind="stable").to_dict("records")
    ]
    told = "; ".join(parts)
    return [f"Fitted again on other rows, more of it adds, or takes, as here: {told}."]


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (limits are on agreement, not on ranks)
    """Draw the ranks each column may have, the settled ones filled."""
    ranks = measurement.tables["ranks"]
    shown = ranks[ranks["used"]].head(MAX_ROWS)
    figure, axes = new_figure(
        "Ranks of the columns, and how far each may be off", xlabel="rank"
    )
    figure.set_size_inches(6.4, 1.25 + ROW_IN * max(len(shown), 2))
    for place, row in enumerate(shown.to_dict("records")):
        color = COLORS[0] if row["settled"] else COLORS[1]
        ends = [row["best_rank"], row["worst_rank"]]
        axes.plot(ends, [place, place], "|-", color=color, linewidth=1.6, markersize=8)
        filled = color if row["settled"] else "white"
        axes.plot(row["rank"], place, "o", color=color, markerfacecolor=filled)
        axes.text(
            1.015,
            place,
            "settled" if row["settled"] else f"tied, {ends[0]} to {ends[1]}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(shown)), [label(one, 32) for one in shown["column"]])
    axes.set_ylim(max(len(shown), 2) - 0.4, -0.6)
    highest = max(int(shown["worst_rank"].max()), 2)
    axes.set_xlim(0.5, highest + 0.5)
    axes.locator_params(axis="x", integer=True)
    rest = len(ranks[ranks["used"]]) - len(shown)
    if rest:
        axes.set_xlabel(f"rank\n{rest:,} more are in the table")
    return figure


def alt(measurement: Measurement) -> str:
    """Return how many ranks are settled, in one sentence."""
    return measurement.notes[0]
