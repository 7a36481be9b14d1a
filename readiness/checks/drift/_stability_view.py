"""The stability radius in sentences and as a curve."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, label
from readiness.checks.drift._base import LEVEL, LOSS, Base
from readiness.checks.drift._stability import Ground, worst_window
from readiness.errors import Reason
from readiness.figures import draw_curve, draw_limit, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number
from readiness.words import metric_words, reason_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAR = {LEVEL: "stability_radius", LOSS: "stability_loss_radius"}


def notes_on(
    base: Base, ground: Ground, summary: pd.DataFrame, windows: pd.DataFrame
) -> tuple[str, ...]:
    """Return what a committee should read: the radii, the past, then the caveat."""
    rows = by_metric(summary)
    words, loss = metric_words(base.metric.name), ground.loss.words
    ends = _ends(base, words)
    said = [_radius_sentence(rows[FAR[room]], ends[room], loss) for room in FAR]
    if rows[FAR[LEVEL]]["reason"] == Reason.NO_ACCEPTABLE:
        said.reverse()
    said.append(_past_sentence(rows, windows, words))
    said.append(
        f"This singles out the rows with the highest {loss}, whatever they have in "
        "common; life rarely can, so read it beside the worst group."
    )
    if not ground.loss.own:
        said.append(
            f"As {words} is no mean over rows, rows were re-weighted along their "
            f"{loss} until it was there itself."
        )
    return tuple(said)


def by_metric(summary: pd.DataFrame) -> dict[str, Mapping[Hashable, Any]]:
    """Return the rows of a summary by metric."""
    return {str(row["metric"]): row for row in summary.to_dict("records")}


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the metric on the worst population by how far away that is."""
    base = measurement.tables["base"].iloc[0]
    curve = measurement.tables["curve"]
    name = label(metric_words(base["metric"]))
    figure, axes = new_figure(
        f"{name} on the worst population at each distance",
        f"distance from the present rows (mean shift of the {base['loss']}, SD)",
        name,
        height_in=3.4,
    )
    x, y = curve["distance"].to_numpy(), curve["value"].to_numpy()
    draw_curve(
        axes, x, y, curve["ci_low"].to_numpy(), curve["ci_high"].to_numpy(), "", BLUE
    )
    after = base["value"] - _sign(curve) * base["tolerated_loss"]
    draw_limit(axes, after, "tolerated loss", vertical=False)
    if np.isfinite(base["acceptable"]):
        draw_limit(axes, base["acceptable"], "acceptable", vertical=False)
    rows = by_metric(measurement.summary)
    for metric, level in ((FAR[LEVEL], base["acceptable"]), (FAR[LOSS], after)):
        ends = [_in_sd(rows[metric][end]) for end in ("ci_low", "value", "ci_high")]
        if np.isfinite(ends).all():
            axes.plot(ends[::2], [level, level], color=BLACK, linewidth=2.2)
            axes.plot(ends[1], level, "o", color=BLACK, markersize=5)
    past = _in_sd(rows["past_radius"]["value"])
    axes.set_xlim(0, float(x.max()) or 1.0)
    if past <= axes.get_xlim()[1]:
        foot: dict[str, Any] = {"transform": axes.get_xaxis_transform()}
        axes.plot(past, 0, "^", color=BLACK, markersize=8, clip_on=False, **foot)
        side = "right" if past > axes.get_xlim()[1] / 2 else "left"
        axes.text(past, 0.05, " worst past window ", ha=side, fontsize=8, **foot)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return f"Curve of the worst population by its distance. {measurement.notes[0]}"


def _ends(base: Base, words: str) -> dict[str, str]:
    acceptable = number(base.case.file.model.acceptable, exact=True)
    loss = number(base.case.tolerated_loss, exact=True)
    after = number(base.estimate.value - base.sign * base.case.tolerated_loss)
    costs = f"costs {loss} of {words}" if base.sign > 0 else f"adds {loss} to {words}"
    return {
        LEVEL: f"takes {words} to {acceptable}",
        LOSS: f"{costs} (so that it is {after})",
    }


def _radius_sentence(row: Mapping[Hashable, Any], end: str, loss: str) -> str:
    if row["reason"] == Reason.BEYOND_SUPPORT:
        far = number(_in_sd(row["ci_low"]), "SD")
        return (
            f"No change of population up to a shift of the {loss} by {far} {end}; "
            "beyond it these rows cannot tell."
        )
    if isinstance(row["reason"], str):
        return reason_words(row["reason"])
    if row["value"] == 0:
        return f"Already now the model is beyond what {end}: no change is needed."
    said = interval(row["ci_low"], row["ci_high"], "nats")
    return (
        f"The smallest change of population that {end} lies "
        f"{number(row['value'], 'nats')} away ({said}): as far as a shift of the "
        f"{loss} by {number(_in_sd(row['value']), 'SD')}."
    )


def _past_sentence(
    rows: Mapping[str, Mapping[Hashable, Any]], windows: pd.DataFrame, words: str
) -> str:
    past = float(rows["past_radius"]["value"])
    if not np.isfinite(past):
        return "No history is known to hold this against: the case has no windows."
    worst = worst_window(windows)
    said = (
        f"The worst of {len(windows)} past windows ({worst['window']}, {words} "
        f"{number(worst['value'])}) was {number(past, 'nats')} away, a shift by "
        f"{number(_in_sd(past), 'SD')}"
    )
    found = [rows[metric] for metric in FAR.values()]
    if any(past >= one["value"] for one in found):
        return f"{said}: a change of that size is enough, if it hits those rows."
    if any(past < one["ci_low"] for one in found):
        return f"{said}: less than it takes."
    return f"{said}."


def _in_sd(nats: float) -> float:
    return float(np.sqrt(2 * np.clip(nats, 0, None)))


def _sign(curve: pd.DataFrame) -> int:
    """Return +1 where the metric falls along the curve."""
    return 1 if curve["value"].iloc[-1] <= curve["value"].iloc[0] else -1
