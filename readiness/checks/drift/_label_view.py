"""The label sweep in sentences and as curves."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, GREEN, VERMILLION, label
from readiness.checks.drift._base import Base
from readiness.errors import Reason
from readiness.figures import draw_curve, draw_limit, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible
from readiness.words import metric_words, reason_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 6
PANELS_IN_ROW = 3
PAST = "#E4E4E4"
Row = Mapping[Hashable, Any]
Rows = Mapping[tuple[Any, Any], Row]
Tables = Mapping[str, pd.DataFrame]


def notes_on(
    base: Base, summary: pd.DataFrame, tables: Tables, flat: Sequence[bool]
) -> tuple[str, ...]:
    """Return what a committee should read: the past, then budgets, then the rest."""
    rows = {(one["group"], one["metric"]): one for one in summary.to_dict("records")}
    sweeps = tables["sweeps"].to_dict("records")
    said = [
        _past_sentence(base, one, rows[one["group"], "historical_worst"], tables)
        for one in sweeps
    ]
    if base.no_level:
        said.append(_level_sentence(base))
    for one, still in zip(sweeps, flat, strict=True):
        flat_or_not = _flat_sentences if still else _budget_sentences
        said += flat_or_not(base, one, rows)
    if base.case.task == "binary":
        said += _other_sentences(base, sweeps, tables["others"])
    if not sweeps:
        said.append(reason_words(str(summary["reason"].iloc[0])))
    return tuple(said)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the metric along each sweep, the range of the past behind it."""
    base = measurement.tables["base"].iloc[0]
    sweeps = measurement.tables["sweeps"].head(MAX_PANELS).to_dict("records")
    columns = min(max(len(sweeps), 1), PANELS_IN_ROW)
    rows = max(-(-len(sweeps) // PANELS_IN_ROW), 1)
    name = label(metric_words(base["metric"]))
    figure, first = new_figure(
        f"{name} as label shares move; grey: where they have been",
        height_in=1.0 + 2.4 * rows,
        columns=columns,
        rows=rows,
    )
    for axes in figure.axes[len(sweeps) :]:
        axes.set_visible(False)
    for axes, one in zip(figure.axes, sweeps, strict=False):
        _draw_sweep(axes, measurement, one, base)
    if not sweeps:
        first.set_visible(True)
        first.text(0.5, 0.5, "no share could be moved", ha="center")
    for axes in figure.axes[::columns]:
        axes.set_ylabel(name)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return f"Curves of the metric by label share. {measurement.notes[0]}"


def _draw_sweep(
    axes: "Axes", measurement: Measurement, one: Row, base: "pd.Series[Any]"
) -> None:
    curves, others = measurement.tables["curves"], measurement.tables["others"]
    mine = curves[curves["group"] == one["group"]]
    if np.isfinite(one["past_low"]):
        axes.axvspan(one["past_low"], one["past_high"], color=PAST, linewidth=0)
    whole = measurement.tables["sweeps"]
    beside = others[others["group"] == one["group"]] if len(whole) == 1 else others[:0]
    is_share = base["metric"] in {"roc_auc", "accuracy", "precision", "recall", "f1"}
    draw_curve(
        axes,
        mine["share"].to_numpy(),
        mine["value"].to_numpy(),
        mine["ci_low"].to_numpy(),
        mine["ci_high"].to_numpy(),
        metric_words(base["metric"]) if is_share else "",
        BLUE,
    )
    for metric, color in (("precision", VERMILLION), ("recall", GREEN)):
        line = beside[beside["metric"] == metric]
        if is_share and len(line):
            x, y = line["share"].to_numpy(), line["value"].to_numpy()
            draw_curve(axes, x, y, None, None, metric, color)
    now = mine.loc[(mine["share"] - one["share"]).abs().idxmin()]
    axes.plot(now["share"], now["value"], "o", color=BLACK, markersize=5)
    if np.isfinite(base["acceptable"]):
        draw_limit(axes, base["acceptable"], "acceptable", vertical=False)
    axes.set_xlabel(label(one["name"].removeprefix("the "), 40))
    if str(one["name"]).startswith("the share"):
        axes.xaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")


def _past_sentence(base: Base, one: Row, worst: Row, tables: Tables) -> str:
    unit = _unit(base)
    windows = tables["windows"]
    name = visible(one["name"], 60)
    if worst["reason"] == Reason.NO_TIME:
        return (
            f"{_upper(name)} is {number(one['share'], unit)}; the case has no windows "
            "that would tell where it has been."
        )
    words = metric_words(base.metric.name)
    been = interval(one["past_low"], one["past_high"], unit)
    counts = (
        f"{len(windows)} past windows of {number(windows['n_rows'].min(), 'count')} to "
        f"{number(windows['n_rows'].max(), 'count')} rows"
    )
    said = f"In {counts} {name} was {been}"
    if worst["reason"] == Reason.BEYOND_SUPPORT:
        known = tables["curves"].loc[tables["curves"]["group"] == one["group"], "share"]
        far = interval(float(known.min()), float(known.max()), unit)
        return (
            f"{said}, farther than these rows can speak about ({far}); "
            f"{words} there is not known."
        )
    side = "at least" if base.sign > 0 else "at most"
    held = interval(worst["ci_low"], worst["ci_high"], base.metric.unit)
    value = number(worst["value"], base.metric.unit)
    acceptable = base.case.file.model.acceptable
    asked = (
        f"; acceptable is {number(acceptable, base.metric.unit, exact=True)}"
        if acceptable is not None
        else ""
    )
    return f"{said}: over that range {words} is {side} {value} ({held}){asked}."


def _level_sentence(base: Base) -> str:
    if base.no_level == Reason.NO_ACCEPTABLE:
        return "The case declares no acceptable value, so no share can miss it."
    said = interval(base.interval.ci_low, base.interval.ci_high, base.metric.unit)
    held = number(base.case.file.model.acceptable, base.metric.unit, exact=True)
    words = metric_words(base.metric.name)
    if base.no_level == "missed":
        return (
            f"Before anything moves {words} is {said} and misses the acceptable {held}."
        )
    return (
        f"Before anything moves {words} is {said} around the acceptable {held}: no "
        "share has a budget down to it until that is decided."
    )


def _flat_sentences(base: Base, one: Row, _: Rows) -> list[str]:
    words, name = metric_words(base.metric.name), visible(one["name"], 60)
    return [f"As it takes each class by itself, {words} cannot notice {name}."]


def _budget_sentences(base: Base, one: Row, rows: Rows) -> list[str]:
    kind = "target" if base.case.task == "regression" else "prevalence"
    words, unit = metric_words(base.metric.name), base.metric.unit
    ends = {
        "": f"misses {number(base.case.file.model.acceptable, unit, exact=True)}",
        "_loss": f"has {'lost' if base.sign > 0 else 'risen by'} "
        f"{number(base.case.tolerated_loss, exact=True)}",
    }
    said = []
    for room, end in ends.items():
        for place, verb in (("low", "fall"), ("high", "rise")):
            row = rows[one["group"], f"{kind}{room}_{place}"]
            if row["censored"] is True or not np.isfinite(row["value"]):
                continue
            said.append(_moved(base, one, row, verb, f"{words} {end}"))
    if said:
        return said
    name, at = visible(one["name"], 60), _unit(base)
    low, high = (_end(rows, one, kind, side) for side in ("low", "high"))
    lost = number(base.case.tolerated_loss, exact=True)
    far = f"As far as {name} can be moved, from {number(low, at)} to {number(high, at)}"
    verb = "loses" if base.sign > 0 else "rises by"
    return [f"{far}, {words} {verb} less than {lost}."]


def _moved(base: Base, one: Row, row: Row, verb: str, end: str) -> str:
    at, start = _unit(base), float(one["share"])
    near = row["ci_high"] if verb == "fall" else row["ci_low"]
    said = interval(row["ci_low"], row["ci_high"], at, beside=start)
    return (
        f"{_upper(visible(one['name'], 60))} may {verb} from "
        f"{number(start, at, beside=near)} to {number(row['value'], at, beside=start)} "
        f"({said}) before {end}."
    )


def _end(rows: Rows, one: Row, kind: str, side: str) -> float:
    row = rows[one["group"], f"{kind}_loss_{side}"]
    return float(row["ci_high" if side == "low" else "ci_low"])


def _other_sentences(
    base: Base, sweeps: Sequence[Row], others: pd.DataFrame
) -> list[str]:
    """Return what precision and calibration do between the ends of the past."""
    if not sweeps or base.metric.name == "precision":
        return []
    one = sweeps[0]
    ends = (one["past_low"], one["past_high"])
    x = others["share"]
    if not np.isfinite(ends).all() or ends[0] < x.min() or ends[1] > x.max():
        return []
    said = []
    for metric, text in (
        ("precision", "precision at the decision cut goes from {} to {}"),
        ("calibration_intercept", "the calibration intercept from {} to {} log-odds"),
    ):
        line = others[others["metric"] == metric]
        if len(line):
            unit = "share" if metric == "precision" else ""
            places = np.interp(ends, line["share"], line["value"])
            said.append(text.format(*(number(float(at), unit) for at in places)))
    if not said:
        return []
    low, high = (number(end, "share") for end in ends)
    return [f"Between {low} and {high} {', '.join(said)}."]


def _unit(base: Base) -> str:
    return "target unit" if base.case.task == "regression" else "share"


def _upper(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
