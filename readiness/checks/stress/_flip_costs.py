"""What the cheapest changes that flip decisions cost, row by row and in the middle."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.checks.stress._flip_search import Search, search
from readiness.checks.stress._noise import Noisy
from readiness.checks.stress._split_points import moves_of
from readiness.errors import ModelError, Reason
from readiness.models import ModelRaisedError
from readiness.result import Options
from readiness.scored import Scores
from readiness.stats import (
    Floats,
    Interval,
    empty_row,
    proportion_interval,
    summary_row,
)
from readiness.text import number, visible

COST = "cheapest_flip"
HIDDEN = "not shown (sensitive)"
FEWEST = 10  # rows that are searched however many values there are to try
COLUMNS = ("row", "flipped", "cost_in_sd", "n_features", "first_feature", "change")


def cheapest(
    ask: Noisy, rows: Scores, options: Options
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the cheapest change found for the first rows, and the median cost.

    Parameters
    ----------
    ask : Noisy
        Its frame holds the rows.
    rows : Scores
        The same rows.
    options : Options
        ``search_rows``, ``search_columns``, ``immutable``, and ``most_scorings``: a
        round gives no more rows to the model, unless that leaves fewer than ten.
    """
    moves = moves_of(ask.case, ask.frame, options["immutable"] or ())
    n_values = sum(len(move.values) for move in moves)
    most = max(options["most_scorings"] // max(n_values, 1), FEWEST)
    n_rows = min(options["search_rows"], len(rows.row), most) if moves else 0
    if not n_rows:
        return pd.DataFrame(columns=COLUMNS), empty_row(
            COST, "", Reason.NO_COLUMNS, "SD"
        )
    some, frame = rows.take(np.arange(n_rows)), ask.frame.iloc[:n_rows]
    frame = frame.reset_index(drop=True)
    try:
        found = search(ask, frame, some.y_score, moves, options["search_columns"])
    except ModelError as refusal:
        is_loud = isinstance(refusal, ModelRaisedError)
        reason = Reason.REFUSED if is_loud else Reason.MODEL_SCORES
        return pd.DataFrame(columns=COLUMNS), empty_row(COST, "", reason, "SD", n_rows)
    cost = np.where(found.done, found.spent, np.inf)
    median = float(np.quantile(cost, 0.5, method="inverted_cdf"))
    below = proportion_interval(cost <= median, some.clusters)
    return _lines(some, found), _median_row(cost, median, below)


def _median_row(cost: Floats, median: float, below: Interval) -> dict[str, Any]:
    low, high = (
        float(np.quantile(cost, share, method="inverted_cdf"))
        for share in (min(below.ci_low, 0.5), max(below.ci_high, 0.5))
    )
    known = np.isfinite(median)
    return {
        **summary_row(COST, "", below, "SD"),
        "value": median if known else np.nan,
        "ci_low": low,
        "ci_high": high,
        "se": np.nan,
        "censored": not known,
        "reason": None if known else str(Reason.BEYOND_SUPPORT),
    }


def _lines(rows: Scores, found: Search) -> pd.DataFrame:
    lines = []
    for place, names in enumerate(found.changed):
        is_done = bool(found.done[place])
        told = names if is_done else []
        lines.append(
            {
                "row": int(rows.row[place]),
                "flipped": is_done,
                "cost_in_sd": found.spent[place] if is_done else np.nan,
                "n_features": len(told),
                "first_feature": told[0] if told else "",
                "change": _words(found, place, told),
            }
        )
    return pd.DataFrame(lines, columns=COLUMNS)


def _words(found: Search, place: int, names: list[str]) -> str:
    return "; ".join(_change(found, place, name) for name in names)


def _change(found: Search, place: int, name: str) -> str:
    column = found.case.columns[name]
    if column.sensitive:
        return f"{visible(name, 40)}: {HIDDEN}"
    old, new = (
        number(float(frame[name].iloc[place]), column.unit or "")
        for frame in (found.rows, found.now)
    )
    return f"{visible(name, 40)}: {old} to {new}"
