"""How the reasons for single rows are told and drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, GREY, VERMILLION
from readiness.checks.explainability._traces import OTHERS, OUTPUT, START
from readiness.figures import ROW_IN, label, new_figure
from readiness.result import Limit, Measurement
from readiness.text import MINUS, interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DRAWN = 12
_AROUND = ("why", "row", START, OTHERS, OUTPUT)


def notes_on(
    lines: list[dict[str, Any]], n_reasons: int, sentence: str
) -> tuple[str, ...]:
    """Return how often noise changes the reasons, and what the noise was."""
    whole = lines[0]
    if not np.isfinite(whole["value"]):
        return (f"Whether noise changes the reasons is not measured. {sentence}",)
    told = [
        f"{number(one['value'], 'share')} "
        f"({interval(one['ci_low'], one['ci_high'], 'share')}) of "
        f"{'all rows' if not one['group'] else 'the tenth nearest another decision'}"
        for one in lines
    ]
    return (
        (
            f"Measured once more, with the noise of the inputs, {' and '.join(told)} "
            f"would be told other reasons (the {n_reasons} largest, in any order)."
        ),
        sentence,
    )


def traces(table: pd.DataFrame) -> tuple[str, ...]:
    """Return one sentence for the first row of each kind."""
    first: dict[str, str] = {}
    for row, part in table.groupby("row", sort=False):
        why = str(part["why"].iloc[0])
        sentence = f"Row {row:,} ({why}): {_sum(part)}."
        first.setdefault(why.split("=", maxsplit=1)[0], sentence)
    return tuple(first.values())


def lists(table: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each row: start, reasons in words, the rest, output."""
    lines = []
    for row, part in table.groupby("row", sort=False):
        first, *reasons, others, last = part.to_dict("records")
        line = {"why": first["why"], "row": row, START: number(first["amount"])}
        for place, one in enumerate(reasons, 1):
            name = visible(one["part"], 40)
            line[f"reason {place}"] = f"{_amount(one)} by {name} = {one['value']}"
        line[OTHERS] = _amount(others)
        line[OUTPUT] = number(last["amount"], last["unit"])
        lines.append(line)
    most = max((len(line) for line in lines), default=0) - len(_AROUND)
    names = [f"reason {place}" for place in range(1, most + 1)]
    found = pd.DataFrame(lines, columns=[*_AROUND[:3], *names, *_AROUND[3:]])
    return found.fillna("")


def _amount(one: dict[Any, Any]) -> str:
    sign = "" if one["amount"] < 0 else "+"
    return f"{sign}{number(one['amount'])}{_drawn(one)}"


def _sum(part: pd.DataFrame) -> str:
    words = []
    for one in part.to_dict("records"):
        if one["part"] == START:
            words.append(f"starts at {number(one['amount'])}")
        elif one["part"] == OUTPUT:
            words.append(f"ends at {number(one['amount'], one['unit'])}")
        elif one["part"] == OTHERS:
            words.append(f"{_amount(one)} by all others")
        else:
            name = visible(one["part"], 40)
            words.append(f"{_amount(one)} by {name} = {one['value']}")
    exact = part["ci_low"].equals(part["ci_high"])
    return ", ".join(words) + (" (exact)" if exact else "")


def _drawn(one: dict[Any, Any]) -> str:
    """Return the interval of a sampled amount; nothing for an exact one."""
    if one["ci_low"] == one["ci_high"]:
        return ""
    return f" ({interval(one['ci_low'], one['ci_high'])})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the way of each chosen row from the start to what the model says."""
    del limits  # there are none
    table = measurement.tables["reasons"]
    groups = list(table.groupby("row", sort=False))[:MOST_DRAWN]
    unit = str(table["unit"].iloc[0])
    figure, axes = new_figure(
        "From the mean to what the model says of single rows",
        xlabel=f"output ({unit}); open circle: start, dot: output, grey: all others",
    )
    figure.set_size_inches(6.4, 1.3 + 2 * ROW_IN * max(len(groups), 2))
    names = []
    for place, (row, part) in enumerate(groups):
        at = float(part["amount"].iloc[0])
        axes.plot(at, place - 0.25, "o", color=GREY, markerfacecolor="white")
        reasons = part.iloc[1:-1]
        step = 0.5 / len(reasons)
        for down, one in enumerate(reasons.to_dict("records")):
            color = VERMILLION if one["amount"] > 0 else BLUE
            shade = GREY if one["part"] == OTHERS else color
            level = place - 0.25 + (down + 0.5) * step
            axes.barh(level, one["amount"], left=at, height=step, color=shade)
            at += one["amount"]
        axes.plot(part["amount"].iloc[-1], place + 0.25, "o", color=BLACK)
        told = [
            f"{label(one['part'], 16)} {'+' if one['amount'] > 0 else MINUS}"
            for one in reasons.iloc[:-1].to_dict("records")
        ]
        axes.text(
            0.0,
            place - 0.42,
            ", ".join(told),
            transform=axes.get_yaxis_transform(),
            fontsize=7.5,
            color=GREY,
        )
        names.append(label(f"{part['why'].iloc[0]}: row {row:,}", 36))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.grid(visible=False, axis="y")
    return figure


def alt(measurement: Measurement) -> str:
    """Return how often noise changes the reasons, in one sentence."""
    return measurement.notes[0]
