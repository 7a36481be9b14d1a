"""Label shares of the past, window by window, in every labelled table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import MIN_WINDOW_ROWS, Base, window_codes
from readiness.errors import NotAssessedError
from readiness.scored import Scores
from readiness.scoring import scores
from readiness.stats import Floats

COLUMNS = ["table", "window", "n_rows"]


def past_windows(base: Base) -> pd.DataFrame:
    """Return one row per window with the share of each class, or the mean target.

    Returns
    -------
    pandas.DataFrame
        ``table``, ``window`` (first day, or number), ``n_rows``, and one column per
        class code (``1`` alone for two classes, ``0`` for the mean of a regression).
        Windows of fewer than 30 rows are left out; a table without time or blocks is
        one window.
    """
    frames = []
    for name in base.case.labelled_tables():
        try:
            scored = (
                base.scores if name == base.scores.table else scores(base.case, name)
            )
        except NotAssessedError:
            continue  # C0 names what keeps this table from being scored
        frames.append(_of_table(base, scored))
    return pd.concat(frames, ignore_index=True)


def moved_codes(case: Case) -> tuple[int, ...]:
    """Return the classes that are swept: the positive one, all, or 0 for a target."""
    if case.task == "regression":
        return (0,)
    return (1,) if case.task == "binary" else tuple(range(len(case.classes)))


def range_of(windows: pd.DataFrame, code: int) -> tuple[float, float]:
    """Return the lowest and the highest window; NaN with fewer than two windows."""
    if len(windows) < 2:  # noqa: PLR2004 (a range needs two windows)
        return float("nan"), float("nan")
    return float(windows[code].min()), float(windows[code].max())


def _of_table(base: Base, scored: Scores) -> pd.DataFrame:
    n_rows = len(scored.y_true)
    rows = np.arange(n_rows)
    found = window_codes(replace(base, scores=scored, rows=rows))
    codes = np.zeros(n_rows, dtype=np.int64) if found is None else found
    y_true = np.asarray(scored.y_true, dtype=float)
    weight = np.ones(n_rows) if scored.weight is None else scored.weight
    lines: list[dict[Any, Any]] = []
    for code in np.unique(codes[codes >= 0]):
        inside = codes == code
        if inside.sum() < MIN_WINDOW_ROWS or not weight[inside].sum() > 0:
            continue
        means = _means(base.case, y_true[inside], weight[inside])
        named = (scored.table, _name(scored, inside, len(lines)), int(inside.sum()))
        lines.append({**dict(zip(COLUMNS, named, strict=True)), **means})
    frame = pd.DataFrame(lines, columns=[*COLUMNS, *moved_codes(base.case)])
    return frame.sort_values("window", kind="stable")


def _means(case: Case, y_true: Floats, weight: Floats) -> dict[int, float]:
    if case.task == "regression":
        return {0: float(np.average(y_true, weights=weight))}
    return {
        code: float(np.average(y_true == code, weights=weight))
        for code in moved_codes(case)
    }


def _name(scored: Scores, inside: "np.ndarray", place: int) -> str:
    if scored.time is None:
        return f"{place + 1:04d}"
    return str(pd.Series(scored.time[inside]).min().date())
