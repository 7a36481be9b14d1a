"""Scored rows of one table, some of them, and the headline metric on them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from readiness.case import Case
from readiness.outputs import Floats
from readiness.stats import Clusters, Estimate, Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Rows of one table with what the model said about them.

    Parameters
    ----------
    table : str
        Name of the table.
    row : (n,) array of int
        Positions of the rows in the table, increasing.
    y_true : (n,) array
        Binary: 0.0 or 1.0. Multiclass: int codes into ``case.classes``. Regression:
        the value. Without labels NaN, or -1 for codes.
    y_score : (n,) or (n, k) array of float
        As `models.Model.predict`.
    weight : (n,) array of float or None
        Not negative; None where the case names no weight, or the table lacks it.
    time : (n,) array of datetime64[ns] or None
        Wall-clock time; NaT where it is null.
    clusters : Clusters
        Block and entity of each row. A row without one stands for itself.
    left_out : mapping of str to int
        Rows of the table that are not here, by reason.
    """

    table: str
    row: npt.NDArray[np.int64]
    y_true: npt.NDArray[Any]
    y_score: Floats
    weight: Floats | None
    time: npt.NDArray[np.datetime64] | None
    clusters: Clusters
    left_out: Mapping[str, int]

    def take(self, rows: npt.NDArray[Any]) -> "Scores":
        """Return some of the rows, by position or by mask."""
        return replace(
            self,
            row=self.row[rows],
            y_true=self.y_true[rows],
            y_score=self.y_score[rows],
            weight=None if self.weight is None else self.weight[rows],
            time=None if self.time is None else self.time[rows],
            clusters=self.clusters.take(rows),
        )


def headline(case: Case, scored: Scores) -> Estimate:
    """Return the headline metric on scored rows, and the influence of each."""
    return case.metric.estimate(
        scored.y_true, scored.y_score, scored.weight, case.threshold
    )


def headline_interval(case: Case, scored: Scores) -> Interval:
    """Return the headline metric on scored rows with its interval."""
    return case.metric.interval(
        scored.y_true, scored.y_score, scored.clusters, scored.weight, case.threshold
    )
