"""How calibration under stress is told and drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._strained import PROMISED
from readiness.figures import draw_intervals, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOPE, COVERED = "calibration_slope", "interval_coverage"
NO_FAULT = "without any fault"
LABEL_CHARS = 32  # as many as beside an interval


def notes_on(
    case: Case, table: pd.DataFrame, n_tried: int, share: float
) -> tuple[str, ...]:
    """Return calibration without a fault and under the worst, and what was measured.

    Parameters
    ----------
    case : Case
    table : pandas.DataFrame
        The table ``faults``: first the line without any fault.
    n_tried : int
        Faults tried on the first rows.
    share : float
        Of the rows that a fault befalls.
    """
    unit = "share" if case.task == "regression" else ""
    what = (
        f"the band that should hold {number(PROMISED, 'share')} of the outcomes holds"
        if unit
        else "the calibration slope is"
    )
    clean, rest = table.iloc[0], table.iloc[1:]
    start = f"Without any fault {what} {_words(clean, unit)}"
    if rest.empty:
        return (f"{start}; the model refuses every one of {n_tried:,} faults.",)
    if not (rest["value"] - clean["value"]).notna().any():
        return (f"{start}; what a fault does to it is not known.",)
    worst = rest.loc[(rest["value"] - clean["value"]).abs().idxmax()]
    subject = worst["group"].rpartition("/")[0].replace("source=", "the source ")
    full = (
        f"in every row {number(worst['full'], unit)}"
        if np.isfinite(worst["full"])
        else "and with every row broken it does not exist"
    )
    first = (
        f"{start}; with {visible(subject, 40)} broken in {number(share, 'share')} of "
        f"the rows ({visible(worst['what_happens'], 80)}) it is "
        f"{_words(worst, unit)}, {full}."
    )
    second = (
        f"{len(rest)} faults were measured on {int(clean['rows']):,} rows: of each "
        "feature and source the one that moved calibration most, of "
        f"{n_tried:,} faults tried on other rows."
    )
    notes = [first, second]
    if unit:
        low, high = clean["expected_low"], clean["expected_high"]
        notes.append(
            "By chance alone, coverage without a fault lies in "
            f"{interval(low, high, unit)}; it "
            f"{'does' if low <= clean['value'] <= high else 'does not'}."
        )
    return tuple(notes)


def _words(line: "pd.Series[Any]", unit: str) -> str:
    within = interval(line["ci_low"], line["ci_high"], unit)
    return f"{number(line['value'], unit)} ({within})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw calibration under each fault, and without any."""
    table = measurement.tables["faults"]
    is_share = table["expected_low"].notna().any()
    metric, what = (
        (COVERED, "outcomes inside their band")
        if is_share
        else (SLOPE, "calibration slope (1: probabilities mean what they say)")
    )
    figure, axes = new_figure(
        "Calibration while a share of the rows has a fault", xlabel=what
    )
    draw_intervals(
        axes,
        [_short(one) if one else NO_FAULT for one in table["group"]],
        table["value"].tolist(),
        table["ci_low"].tolist(),
        table["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == metric],
        unit="share" if is_share else "",
    )
    return figure


def _short(group: str) -> str:
    """Return the name of a fault, whole, behind what is left of its column's.

    Examples
    --------
    >>> _short("source=sensors of the northern plant/filled with 0")
    'sensors of … plant/filled with 0'
    """
    column, _, fault = group.rpartition("/")
    most = LABEL_CHARS - len(fault) - 1
    return f"{visible(column.removeprefix('source='), most)}/{fault}"


def alt(measurement: Measurement) -> str:
    """Return calibration without a fault and under the worst in one sentence."""
    table = measurement.tables["faults"]
    clean, rest = table.iloc[0], table.iloc[1:]
    start = f"Calibration is {number(clean['value'])} without a fault"
    if not (rest["value"] - clean["value"]).notna().any():
        return f"{start}; what a fault does to it is not known."
    worst = rest.loc[(rest["value"] - clean["value"]).abs().idxmax()]
    return (
        f"{start} and {number(worst['value'])} under the worst of {len(rest)} faults, "
        f"{visible(worst['group'], 60)}."
    )
