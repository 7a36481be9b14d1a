"""How the loss from missing values is told and drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.checks.stress._bench import Bench
from readiness.checks.stress._cells import SCORED
from readiness.checks.stress._fault_view import measured_on
from readiness.checks.stress._looks import HARMFUL, HARMLESS, UNDECIDED
from readiness.checks.stress._missing import COLUMN, HIGHEST, LOWEST, RANDOM, SOURCE
from readiness.figures import (
    COLORS,
    draw_curve,
    draw_limit,
    label,
    name_ends,
    new_figure,
)
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_DRAWN = 5
NAME_SHARE = 0.055  # of the height that a name takes
TOLD_DOSE = 0.2  # of the sentence about values that do not go missing at random
MARKS = {HIGHEST: "^", LOWEST: "v"}


def notes_on(
    bench: Bench, table: pd.DataFrame, curves: pd.DataFrame
) -> tuple[str, ...]:
    """Return the worst gap, how many cost too much, and on what that rests."""
    metric = metric_words(bench.case.metric.name)
    tolerated = number(bench.case.tolerated_loss, exact=True)
    notes = []
    scored = table[table["loss"].notna()]
    if len(scored):
        worst = scored.nlargest(1, "loss").iloc[0]
        notes.append(
            f"The worst gap is {worst['words']}: when it is missing in every row, the "
            "model answers as if nothing had happened, at a cost of "
            f"{_sized(worst)} in {metric}; {tolerated} is tolerated."
        )
    notes += [_counted(table, kind, tolerated) for kind in (SOURCE, COLUMN)]
    notes += _not_at_random(curves)
    if not (table["kind"] == SOURCE).any():
        notes.append(
            "The case file declares no source with two features or more, so only "
            "single features were left out."
        )
    if len(scored):
        notes.append(measured_on(scored["rows"], bench.table))
    return tuple(filter(None, notes))


def _counted(table: pd.DataFrame, kind: str, tolerated: str) -> str:
    own = table[table["kind"] == kind]
    if own.empty:
        return ""
    count = own["decision"].value_counts()
    return (
        f"Of {len(own)} {kind}{'s' * (len(own) > 1)} that may be missing altogether, "
        f"{count.get(HARMFUL, 0)} cost more than {tolerated}, "
        f"{count.get(HARMLESS, 0)} cost less, {count.get(UNDECIDED, 0)} cannot be "
        f"told, and in {(own['outcome'] != SCORED).sum()} cases the model gives no "
        "usable score."
    )


def _not_at_random(curves: pd.DataFrame) -> list[str]:
    """Return how much worse the worst gap is that depends on the value."""
    told = curves[
        (curves["share_missing"] == TOLD_DOSE) & (curves["kind"] == COLUMN)
    ].dropna(subset="loss")
    uneven = told[told["how"] != RANDOM]
    if uneven.empty or not uneven["loss"].max() > 0:
        return []
    worst = uneven.nlargest(1, "loss").iloc[0]
    even = told[(told["subject"] == worst["subject"]) & (told["how"] == RANDOM)]
    share = number(TOLD_DOSE, "share", exact=True)
    sentence = (
        f"If the {worst['how']} {share} of the values of "
        f"{visible(worst['subject'], 40)} are missing ({worst['values_missing']}), it "
        f"costs {_sized(worst)}; if as many are missing at random, "
        f"{_sized(even.iloc[0])}."
    )
    return [sentence]


def _sized(row: "pd.Series[Any]") -> str:
    return f"{number(row['loss'])} ({interval(row['ci_low'], row['ci_high'])})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the loss against the share of rows without the value, for the worst."""
    table, curves = measurement.tables["subjects"], measurement.tables["curves"]
    figure, axes = new_figure(
        "Loss of the headline metric where values are missing",
        xlabel=_key(table),
        ylabel="loss (metric points)",
        height_in=3.8,
    )
    drawn = _drawn(table)
    for subject, colour in zip(drawn, COLORS, strict=False):
        own = curves[curves["subject"] == subject]
        even = own[own["how"] == RANDOM].sort_values("share_missing")
        share, loss, low, high = (
            np.concatenate([[0.0], even[name]])
            for name in ("share_missing", "loss", "ci_low", "ci_high")
        )
        draw_curve(axes, share, loss, low, high, "", colour)
        for side, mark in MARKS.items():
            uneven = own[own["how"] == side]
            places = uneven["share_missing"], uneven["loss"]
            axes.plot(*places, mark, color=colour, markersize=5)
    draw_limit(axes, float(table["tolerated"].iloc[0]), "", vertical=False)
    for limit in limits:
        if not isinstance(limit.limit, str):
            words = f"{limit.side.replace('_', ' ')} {limit.limit:g}"
            draw_limit(axes, limit.limit, words, vertical=False)
    loss_at_end = table.set_index("subject")["loss"].loc[list(drawn)]
    bottom, top = axes.get_ylim()
    names = [label(str(one).removeprefix("source="), 24) for one in loss_at_end.index]
    apart = NAME_SHARE * (top - bottom)
    name_ends(axes, 1.0, loss_at_end.to_numpy(), names, apart=apart, reach=0.05)
    axes.set_xlim(0, 1.35)
    axes.set_xticks([0, 0.05, 0.2, 0.5, 1], ["0", "5 %", "20 %", "50 %", "100 %"])
    return figure


def _drawn(table: pd.DataFrame) -> Sequence[str]:
    known = table[table["loss"].notna()]
    return list(known.nlargest(N_DRAWN, "loss")["subject"])


def _key(table: pd.DataFrame) -> str:
    rest = len(table) - len(_drawn(table))
    more = f"\n{rest} with smaller losses, or refused, are in the table" * (rest > 0)
    return (
        "share of rows without the value\nlines: at random, with 90 % interval;  "
        "▲ the highest values are missing, ▼ the lowest\n"
        f"dashed: the tolerated {number(table['tolerated'].iloc[0], exact=True)}{more}"
    )


def alt(measurement: Measurement) -> str:
    """Return the worst gap in one sentence."""
    table = measurement.tables["subjects"]
    known = table[table["loss"].notna()]
    start = (
        f"Curves of loss against missing values for {len(table)} features or sources"
    )
    if known.empty:
        return f"{start}: the model refuses rows without any of them."
    worst = known.nlargest(1, "loss").iloc[0]
    return f"{start}: the worst is {worst['words']} with a loss of {_sized(worst)}."
