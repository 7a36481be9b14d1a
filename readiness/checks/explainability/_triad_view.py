"""How the worth of columns in loss is told, tabled and drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.explainability._agreement import lists_agreement
from readiness.figures import COLORS, MAX_ROWS, ROW_IN, label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATIO, TOLD = "redundancy_ratio", "told_by_others"
SHUFFLED, LEFT_OUT = "permutation_importance", "drop_column_importance"
SHARED = "loss_shapley"
ATTRIBUTIONS = {
    "attribution": "mean_abs_attribution",
    "path_dependent": "path_dependent",
}
LISTS = {SHUFFLED: "shuffled", LEFT_OUT: "left out of the fit", SHARED: "shared fairly"}
WAYS = (
    (SHUFFLED, 0.5, "o", "shuffled, halved"),
    (LEFT_OUT, 1.0, "s", "left out of the fit"),
    (SHARED, 1.0, "^", "shared fairly"),
)
N_NAMED, N_TOP = 3, 5
HIGH_SHARE = 0.33  # told by others: the ratio of a linear model is then 1.5


def triad_table(
    summary: pd.DataFrame, order: list[str], needed: Mapping[str, Measurement]
) -> pd.DataFrame:
    """Return one line per column: its worth in every way, and the rank that gives.

    Parameters
    ----------
    summary : pandas.DataFrame
    order : list of str
        The columns, the most important first.
    needed : mapping of str to Measurement
        X2, where it can answer: its ranks, in both games, stand beside the others.
    """
    table = pd.DataFrame({"column": order}).set_index("column")
    for metric in (SHUFFLED, LEFT_OUT, SHARED, RATIO, TOLD):
        rows = summary[(summary["metric"] == metric) & (summary["group"] != "")]
        if rows.empty:
            continue
        by_column = rows.set_index("group").reindex(order)
        table[metric] = by_column["value"]
        table[f"{metric}_low"] = by_column["ci_low"]
        table[f"{metric}_high"] = by_column["ci_high"]
        if metric in (SHUFFLED, LEFT_OUT, SHARED):
            table[f"rank_{metric}"] = _ranks(by_column["value"])
    if "X2" in needed:
        sizes = needed["X2"].tables["importance"].set_index("column")
        for name, metric in ATTRIBUTIONS.items():
            table[f"rank_{name}"] = _ranks(sizes[metric].reindex(order))
    return table.reset_index()


def ranks_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each column by every way that is known, side by side."""
    words = {**{name: name.replace("_", "-") for name in ATTRIBUTIONS}, **LISTS}
    known = {
        f"rank_{name}": said for name, said in words.items() if f"rank_{name}" in table
    }
    return table[["column", *known]].rename(columns=known).dropna(axis=1, how="all")


def agreement_table(
    table: pd.DataFrame, needed: Mapping[str, Measurement]
) -> pd.DataFrame:
    """Return how far all ways agree on the first columns, pair by pair.

    Parameters
    ----------
    table : pandas.DataFrame
        As `triad_table`.
    needed : mapping of str to Measurement
        X2, where it can answer: attributions in both games, and row by row.
    """
    by_column = table.set_index("column")
    lists = {words: by_column[way] for way, words in LISTS.items() if way in by_column}
    if "X2" not in needed:
        return lists_agreement(lists)
    tables = needed["X2"].tables
    sizes = tables["importance"].set_index("column").reindex(by_column.index)
    known = {name.replace("_", "-"): sizes[one] for name, one in ATTRIBUTIONS.items()}
    found = lists_agreement({**known, **lists})
    return found if tables["games"].empty else pd.concat([tables["games"], found])


def _ranks(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.rank(ascending=False, method="first")


def notes_on(
    summary: pd.DataFrame, table: pd.DataFrame, words: str, n_rows: int
) -> tuple[str, ...]:
    """Return what costs most, what others replace, and where the ways disagree."""
    by_metric = dict(tuple(summary.groupby("metric")))
    return (
        _most(by_metric[SHUFFLED], words, n_rows),
        *_replaced(by_metric.get(RATIO)),
        *_told(by_metric.get(TOLD)),
        *_disagreement(table),
        *_costless(by_metric[SHUFFLED]),
    )


def _most(shuffled: pd.DataFrame, words: str, n_rows: int) -> str:
    sure = shuffled[shuffled["ci_low"] > 0]
    if sure.empty:
        start = f"Shuffling no column surely raises the {words}"
        return f"{start} ({n_rows:,} reference rows)."
    named = [
        f"{visible(row['group'], 40)} {number(row['value'])} "
        f"({interval(row['ci_low'], row['ci_high'])})"
        for row in sure.to_dict("records")[:N_NAMED]
    ]
    return (
        f"Shuffling these raises the {words} most: {', '.join(named)}, on "
        f"{n_rows:,} reference rows."
    )


def _replaced(ratios: pd.DataFrame | None) -> list[str]:
    known = ratios[ratios["group"] != ""] if ratios is not None else None
    if known is None or known.empty:
        note = (
            "What a fit without the column would cost was not measured here, so "
            "columns that say the same cannot be told from ones that are needed."
        )
        return [note]
    sure = known[known["ci_low"] > 1.5]  # noqa: PLR2004 (as the limit ships)
    if sure.empty:
        return ["No column is surely replaced by the others in a new fit."]
    named = [
        f"{visible(row['group'], 40)} (ratio {_ratio(row)})"
        for row in sure.to_dict("records")[:N_NAMED]
    ]
    more = f" and {len(sure) - N_NAMED} more" if len(sure) > N_NAMED else ""
    note = (
        f"A new fit without them loses far less than shuffling says, because others "
        f"stand in: {', '.join(named)}{more}. Do not call these needed."
    )
    return [note]


def _ratio(row: Mapping[Any, Any]) -> str:
    if np.isnan(row["value"]):
        return f"above {number(row['ci_low'])}"
    high = row["ci_high"] if np.isfinite(row["ci_high"]) else None
    return f"{number(row['value'])}, {interval(row['ci_low'], high)}"


def _told(told: pd.DataFrame | None) -> list[str]:
    if told is None:
        return []
    high = told[told["ci_low"] > HIGH_SHARE].sort_values("value", ascending=False)
    if high.empty:
        return ["No column that matters is told to a third or more by the others."]
    named = [
        f"{visible(row['group'], 40)} ({number(row['value'], 'share')})"
        for row in high.to_dict("records")[:N_TOP]
    ]
    more = f" and {len(high) - N_TOP} more" if len(high) > N_TOP else ""
    note = (
        f"The other columns tell much of {', '.join(named)}{more}: their importance is "
        "shared, and shuffling them makes rows that cannot exist."
    )
    return [note]


def _disagreement(table: pd.DataFrame) -> list[str]:
    if "rank_attribution" not in table or len(table) <= N_TOP:
        return []
    ways = {
        "attribution": "by attribution",
        "path_dependent": "by path-dependent attribution",
        SHUFFLED: "by shuffling",
        LEFT_OUT: "by leaving out",
        SHARED: "by fair shares of the loss",
    }
    tops = {
        words: set(table.loc[table[f"rank_{name}"] <= N_TOP, "column"])
        for name, words in ways.items()
        if f"rank_{name}" in table and table[f"rank_{name}"].notna().all()
    }
    common = len(set.intersection(*tops.values()))
    *most, last = tops
    note = (
        f"Ranked {', '.join(most)} and {last}, the first {N_TOP} columns have {common} "
        "in common; the tables show all ranks, and how far any two ways agree."
    )
    if table["rank_path_dependent"].isna().all():
        note += " Path-dependent attributions are not available for this model."
    return [note]


def _costless(shuffled: pd.DataFrame) -> list[str]:
    harmful = shuffled[shuffled["ci_high"] < 0]
    if harmful.empty:
        return []
    names = ", ".join(visible(one, 40) for one in harmful["group"].head(N_TOP))
    return [f"On these rows the model would do better with {names} shuffled."]


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (the limit is on a ratio, which is in the table)
    """Draw the worth of each column in every way, on one scale."""
    table = measurement.tables["triad"].head(MAX_ROWS)
    unit = str(measurement.summary["unit"].iloc[0])
    named = f" ({unit})" if unit else ""
    figure, axes = new_figure(
        "What each column is worth in loss", xlabel=f"mean loss{named}"
    )
    figure.set_size_inches(6.4, 1.5 + ROW_IN * 1.4 * max(len(table), 2))
    drawn = [one for one in WAYS if one[0] in table]
    for place, (metric, scale, marker, words) in enumerate(drawn):
        at = np.arange(len(table)) + 0.22 * (place - (len(drawn) - 1) / 2)
        ends = table[[f"{metric}_low", f"{metric}_high"]].to_numpy(dtype=np.float64)
        color = COLORS[place]
        axes.hlines(at, scale * ends[:, 0], scale * ends[:, 1], color=color)
        axes.plot(
            scale * table[metric], at, marker, color=color, markersize=4, label=words
        )
    axes.axvline(0, color="#1A1A1A", linewidth=0.8)
    axes.set_yticks(range(len(table)), [label(one, 32) for one in table["column"]])
    axes.set_ylim(max(len(table), 2) - 0.4, -0.6)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    rest = len(measurement.tables["triad"]) - len(table)
    if rest:
        axes.set_xlabel(f"mean loss{named}\n{rest:,} more are in the table")
    return figure


def alt(measurement: Measurement) -> str:
    """Return which columns cost most, in one sentence."""
    return measurement.notes[0]
