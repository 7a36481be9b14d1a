"""Duplicates and leaks in sentences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from readiness.checks.coverage._leaks import Asked
from readiness.text import interval, number, visible

SHARE, GAIN = "duplicate_share", "duplicate_gain"


def sentences(
    summary: pd.DataFrame, features: Sequence[Asked], tables: pd.DataFrame
) -> tuple[str, ...]:
    """Return what a committee needs, the answer first."""
    strong = [one for one in features if one.leaks]
    known = [one for one in features if not np.isnan(one.told.value)]
    notes = []
    if strong:
        names = ", ".join(visible(one.name, 40) for one in strong)
        notes.append(
            f"{len(strong)} of {len(features)} features alone give the target away: "
            f"{names}. Check where they come from before anything else."
        )
    elif known:
        best = max(known, key=lambda one: one.told.value)
        notes.append(
            f"No feature alone gives the target away; the strongest, "
            f"{visible(best.name, 40)}, reaches "
            f"{number(best.told.value)} (area under the ROC curve, or R²)."
        )
    else:
        notes.append("No feature could be held against the target.")
    notes += _duplicate_notes(summary)
    told = [
        f"{one['repeated']:,} of {one['rows']:,} {one['table']} rows"
        for one in tables.to_dict("records")
        if one["repeated"]
    ]
    if told:
        notes.append(f"Equal to an earlier row in every column: {', '.join(told)}.")
    return tuple(notes)


def _duplicate_notes(summary: pd.DataFrame) -> list[str]:
    by = {(one["metric"], one["group"]): one for one in summary.to_dict("records")}
    notes = []
    known, gain = by.get((SHARE, "")), by.get((GAIN, ""))
    if known is not None and known["value"] > 0 and gain is not None:
        text = (
            f"{number(known['value'], 'share')} of the reference rows are training "
            "rows as well"
        )
        if not np.isnan(gain["value"]):
            limits = interval(gain["ci_low"], gain["ci_high"])
            text += f"; they add {number(gain['value'])} ({limits}) to the metric"
        notes.append(f"{text}.")
    again = by.get((SHARE, "current in reference"))
    if again is not None and again["value"] > 0:
        share = number(again["value"], "share")
        notes.append(f"{share} of the current rows are reference rows as well.")
    return notes
