"""What a windowed monitor watches: means, shares of categories and of missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.drift._base import Base, frequent_categories, numbers
from readiness.checks.drift._clocks import tells_time
from readiness.errors import NotAssessedError
from readiness.stats import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number of a window that is held against the reference.

    Parameters
    ----------
    column : str
    family : str
        ``"mean"``, ``"category"`` or ``"missing"``.
    category : str
        The value whose share is watched; empty for the other families.
    """

    column: str
    family: str
    category: str


def calendar_columns(base: Base, declared: Sequence[str]) -> list[str]:
    """Return the features whose windows move by design.

    They are declared so, or tell the time and hold one value on each day: which days a
    window has decides them, not what happens on these. A clock that varies within a
    day, such as the hour of a sale, can drift and is watched. Without a time column
    nobody can tell, and none that tells the time is watched.
    """
    time = base.scores.time
    day = None if time is None else time[base.rows].astype("datetime64[D]")
    found = []
    for name in base.case.features:
        if name in declared:
            found.append(name)
        elif tells_time(base.case.columns[name], ()):
            values = base.values(name)
            per_day = None if day is None else values.groupby(day).nunique().max()
            if per_day is None or per_day <= 1:
                found.append(name)
    return found


def watched(base: Base, left_out: Sequence[str] = ()) -> tuple[list[Statistic], Floats]:
    """Return every statistic that can be watched, and the rows' part in it.

    Parameters
    ----------
    base : Base
        The rows before anything moves.
    left_out : sequence of str
        Features that are not watched.

    Returns
    -------
    list of Statistic
        A mean per number or time that is not constant, a share per frequent category,
        a share of missing values where some are.
    numpy.ndarray of float, shape (n, m)
        The number, or 1 and 0; NaN where a missing number says nothing.
    """
    found: list[Statistic] = []
    parts: list[Floats] = []
    for name in base.case.features:
        values = base.values(name)
        missing = values.isna().to_numpy()
        if missing.all() or name in left_out:
            continue
        for statistic, part in _of_column(base, name, values):
            found.append(statistic)
            parts.append(part)
        if missing.any():
            found.append(Statistic(column=name, family="missing", category=""))
            parts.append(missing.astype(np.float64))
    if not parts:
        return [], np.empty((len(base.rows), 0))
    return found, np.column_stack(parts)


def _of_column(
    base: Base, name: str, values: pd.Series
) -> list[tuple[Statistic, Floats]]:
    """Return what is watched of the known values; nothing where they are no numbers."""
    kind = base.case.columns[name].kind
    try:
        if kind in ("numeric", "time"):
            known = numbers(values, kind)
            if not np.nanmax(known) > np.nanmin(known):
                return []
            return [(Statistic(column=name, family="mean", category=""), known)]
        frequent = frequent_categories(values)
    except NotAssessedError:
        return []  # population_tilt lists the column with its reason
    if len(frequent) <= 1:
        return []
    return [
        (
            Statistic(column=name, family="category", category=str(one)),
            (values == one).fillna(False).to_numpy(np.float64),
        )
        for one in frequent.index
    ]
