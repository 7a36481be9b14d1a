"""Labelled rows by class, or by part of the target's range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.labels import UNKNOWN_LABEL, USABLE, target_codes
from readiness.shares import (
    ShareCounts,
    merge_share_counts,
    share_counts,
    share_intervals,
)
from readiness.stats import Floats, Ints
from readiness.table_rows import Keys, clusters_of, keys_of, numbers, passed
from readiness.tables import Table

TENTH = 0.1
PARTS = ("lowest tenth", "middle", "highest tenth")
MAX_INTERVALS = 50  # classes whose share gets an interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Labelled rows of one table.

    Parameters
    ----------
    counts : numpy.ndarray of int, shape (k,)
        By class, or by part of the range.
    unknown : int
        Rows with a label that is no class of the model.
    shares : ShareCounts or None
        Of each class among labelled rows; None for more than 50 classes.
    """

    counts: Ints
    unknown: int
    shares: ShareCounts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What labelled rows are told apart by.

    Parameters
    ----------
    target : str
        The label column.
    classes : tuple
        Labels of the model; empty for a regression.
    cuts : tuple of float
        Upper bound of the lowest tenth, lower bound of the highest.
    """

    target: str
    classes: tuple[Any, ...]
    cuts: tuple[float, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The groups that events are counted in."""
        return tuple(str(label) for label in self.classes) or PARTS

    def places(self, values: pa.Array) -> tuple[Ints, npt.NDArray[np.int8]]:
        """Return, of n labels, the group of each usable one, and why others are not.

        Returns
        -------
        tuple of numpy.ndarray of int
            Groups by their place in `names`, shape (n usable,); `USABLE` or another
            reason of `readiness.labels`, shape (n,).
        """
        codes, why = target_codes(values, self.classes)
        place: Floats = codes[why == USABLE]
        if not self.classes:
            # The extremes first: a value on both cuts is in the lowest tenth.
            place = 1.0 + (place >= self.cuts[1]) - 2.0 * (place <= self.cuts[0])
            place = np.clip(place, 0, 2)
        return place.astype(np.int64), why


@dataclass(frozen=True, slots=True, kw_only=True)
class CountEvents:
    """The summary that counts labelled rows by class."""

    outcomes: Outcomes
    keys: Keys

    def summarize(self, batch: pa.RecordBatch) -> Events:
        """Count one batch."""
        found, why = self.outcomes.places(batch.column(self.outcomes.target))
        k = len(self.outcomes.names)
        shares = None
        if k <= MAX_INTERVALS:
            hits: npt.NDArray[np.bool_] = found[:, None] == np.arange(k)
            clusters = clusters_of(batch, self.keys).take(why == USABLE)
            shares = share_counts(hits, clusters)
        return Events(
            counts=np.bincount(found, minlength=k),
            unknown=int(np.sum(why == UNKNOWN_LABEL)),
            shares=shares,
        )

    def merge(self, a: Events, b: Events) -> Events:
        """Count two sets of rows together."""
        shares = None
        if a.shares is not None and b.shares is not None:
            shares = merge_share_counts(a.shares, b.shares)
        return Events(
            counts=a.counts + b.counts,
            unknown=a.unknown + b.unknown,
            shares=shares,
        )


def outcomes_of(case: Case, base: Table) -> Outcomes:
    """Return what the labels of a case are told apart by.

    Parameters
    ----------
    case : Case
        The case.
    base : Table
        Training, or the reference standing in: its target gives the parts of the
        range of a regression.
    """
    tables = _labelled(case)
    cuts = (np.nan, np.nan)
    if not case.classes and tables:
        cuts = _cuts(base if base in tables else tables[0], case.target)
    return Outcomes(target=case.target, classes=case.classes, cuts=cuts)


def events_of(case: Case, outcomes: Outcomes) -> Mapping[str, Events]:
    """Return the labelled rows of training and reference, where they have labels."""
    found = {}
    for table in _labelled(case):
        keys = keys_of(case, table)
        count = CountEvents(outcomes=outcomes, keys=keys)
        found[table.name] = passed(table, count, [case.target, *keys.columns()])
    return found


def _labelled(case: Case) -> list[Table]:
    return [
        case.table(name)
        for name in ("training", "reference")
        if case.has(name) and case.has_labels(name)
    ]


def class_table(outcomes: Outcomes, events: Mapping[str, Events]) -> pd.DataFrame:
    """Return labelled rows by class and table, with the share and its interval.

    Columns: ``class, table, events, share, ci_low, ci_high``.
    """
    rows = []
    for table, one in events.items():
        total = max(int(one.counts.sum()), 1)
        limits = share_intervals(one.shares) if one.shares is not None else []
        for n, name in enumerate(outcomes.names):
            rows.append(
                {
                    "class": name,
                    "table": table,
                    "events": int(one.counts[n]),
                    "share": one.counts[n] / total,
                    "ci_low": limits[n].ci_low if limits else np.nan,
                    "ci_high": limits[n].ci_high if limits else np.nan,
                }
            )
    columns = ["class", "table", "events", "share", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def _cuts(table: Table, target: str) -> tuple[float, float]:
    values = np.concatenate([numbers(b.column(0)) for b in table.batches([target])])
    low, high = np.quantile(values[np.isfinite(values)], [TENTH, 1 - TENTH])
    return float(low), float(high)
