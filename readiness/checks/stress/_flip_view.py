"""How decisions that flip are told and drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.stress._noise import Noisy
from readiness.figures import draw_curve, draw_limit, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "flip_share"
N_NAMED = 3
N_EXACT = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What the sentences are about.

    Parameters
    ----------
    whole, cost : mapping
        Summary rows: all noise at once, and the median of the cheapest changes.
    is_declared : bool
        Whether the case file declares the noise.
    table : str
        Where the rows come from.
    calls : tuple of int
        Rows given to the model for the noise, and for the search.
    """

    whole: Mapping[str, Any]
    cost: Mapping[str, Any]
    is_declared: bool
    table: str
    calls: tuple[int, int]


def notes_on(
    ask: Noisy, found: Found, tables: Mapping[str, pd.DataFrame], assumed: float
) -> tuple[str, ...]:
    """Return the share of flips, where they come from, and what the search found."""
    effort = (
        f"Measured on {found.whole['n_rows']:,} rows of the {found.table} table; the "
        f"model scored {found.calls[0]:,} rows for the noise and {found.calls[1]:,} "
        "for the search."
    )
    return (
        _first(ask, found, assumed),
        *_sources(ask, tables["features"], is_declared=found.is_declared),
        *_larger(tables["curve"]),
        *_search(found, tables["cheapest"]),
        effort,
    )


def _first(ask: Noisy, found: Found, assumed: float) -> str:
    n_noisy = len(ask.sds)
    features = f"{n_noisy} feature{'s' * (n_noisy > 1)}"
    if not np.isfinite(found.whole["value"]):
        return f"The model gives no usable score for rows with noise on {features}."
    share = _share(found.whole)
    if found.is_declared:
        return (
            f"Measured once more, with the noise the case file declares for "
            f"{features}, {share} of the decisions {ask.decider.words()} would "
            "flip."
        )
    return (
        f"The case file declares no measurement noise. If every numeric feature had "
        f"noise of {number(assumed, 'share', exact=True)} of its SD ({features}), "
        f"{share} of the decisions {ask.decider.words()} would flip; this assumption "
        "is held against no limit. Declare measurement_sd."
    )


def _sources(ask: Noisy, table: pd.DataFrame, *, is_declared: bool) -> list[str]:
    known = table[table[METRIC] > 0].head(N_NAMED)
    if known.empty:
        return []
    columns = ask.case.columns
    named = ", ".join(
        f"{visible(row['feature'], 40)} {number(row[METRIC], 'share')} (SD "
        f"{number(row['noise_sd'], columns[row['feature']].unit or '')})"
        for row in known.to_dict("records")
    )
    notes = [f"Of single features, the noise of these flips most: {named}."]
    exact = [
        one.name
        for one in columns.values()
        if one.kind == "numeric" and one.name not in ask.sds
    ]
    if is_declared and exact:
        names = ", ".join(visible(one, 40) for one in exact[:N_EXACT])
        rest = len(exact) - N_EXACT
        ending = f" and {rest} more" if rest > 0 else ""
        notes.append(f"Taken as exact, for want of a declared noise: {names}{ending}.")
    return notes


def _larger(curve: pd.DataFrame) -> list[str]:
    last = curve.iloc[-1]
    if not np.isfinite(last[METRIC]):
        return []
    return [f"With {last['noise_in_sd']} times the noise it would be {_share(last)}."]


def _search(found: Found, changes: pd.DataFrame) -> list[str]:
    if changes.empty:
        return ["No cheapest change was searched for: no feature could be moved."]
    flipped = changes[changes["flipped"]]
    single = flipped[flipped["n_features"] == 1]
    cost = found.cost
    start = f"Of {len(changes)} random rows, {len(flipped)} can be flipped"
    if np.isfinite(cost["value"]):
        limits = interval(cost["ci_low"], cost["ci_high"], "SD")
        start += (
            f", half of all by moving numeric features by {number(cost['value'])} SD "
            f"in sum ({limits}) or less"
        )
    often = flipped["first_feature"].value_counts()
    often = often.iloc[np.lexsort((often.index.astype(str), -often.to_numpy()))]
    named = ", ".join(
        f"{visible(name, 40)} ({count})" for name, count in often[:N_NAMED].items()
    )
    moved = f" Moved most often: {named}." if named else ""
    end = f"{start}; {len(single)} by one feature alone.{moved}"
    return [f"{end} The search gives upper bounds, for information."]


def _share(row: "Mapping[Any, Any] | pd.Series[Any]") -> str:
    value = row[METRIC] if METRIC in row else row["value"]
    limits = interval(row["ci_low"], row["ci_high"], "share")
    return f"{number(value, 'share')} ({limits})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the share of decisions that flip against the size of the noise."""
    curve = measurement.tables["curve"]
    known = curve[curve[METRIC].notna()]
    figure, axes = new_figure(
        "Decisions that flip when the inputs are measured once more",
        xlabel="noise of every feature at once, in its measurement SD",
        ylabel="share of decisions",
    )
    x, share, low, high = (
        np.concatenate([[0.0], known[name].to_numpy(dtype=np.float64)])
        for name in ("noise_in_sd", METRIC, "ci_low", "ci_high")
    )
    draw_curve(axes, x, share, low, high, "")
    axes.plot(x[1:], share[1:], "o", markersize=5)
    for limit in limits:
        if limit.metric == METRIC and not isinstance(limit.limit, str):
            words = f"at most {number(limit.limit, 'share', exact=True)} at 1 SD"
            draw_limit(axes, limit.limit, words, vertical=False)
    axes.set_xlim(0, 3.15)
    axes.set_xticks([0, *x[1:]], ["0", *(f"{one:g}" for one in x[1:])])
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
    return figure


def alt(measurement: Measurement) -> str:
    """Return the share of decisions that flip in one sentence."""
    return measurement.notes[0]
