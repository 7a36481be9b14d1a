"""All labelled rows of a case in the order of time, to fit on and to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.labels import USABLE, target_codes
from readiness.row_hashes import Hashes, row_hashes
from readiness.stats import Bools, Clusters, Floats, Ints
from readiness.table_rows import (
    NULL_CODE,
    Keys,
    clusters_of,
    joined_clusters,
    keys_of,
    microseconds,
    weights_of,
)
from readiness.tables import Table

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """Labelled rows in the order of time; equal times in the order of content.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows; the columns that every table has.
    y_true : numpy.ndarray of float, shape (n,)
        As `Metric.estimate` takes it.
    weight : numpy.ndarray of float, shape (n,), or None
    day : numpy.ndarray of float, shape (n,)
        Days since the first row.
    clusters : Clusters
    tables : tuple of str
        Where the rows come from.
    n_labelled : int
        Rows with a label and a time; more than n where rows were drawn.
    fitted_days : float
        Days that the training table spans; NaN without one.
    fitted_until : str
        Day of the last row of the training table; empty without one.
    """

    frame: pd.DataFrame
    y_true: Floats
    weight: Floats | None
    day: Floats
    clusters: Clusters
    tables: tuple[str, ...]
    n_labelled: int
    fitted_days: float
    fitted_until: str

    @property
    def days(self) -> float:
        """Days from the first row to the last."""
        return float(self.day[-1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    rows: pa.RecordBatch
    y_true: Floats
    when: Ints
    hashed: Hashes
    clusters: Clusters
    weight: Floats | None


def past_rows(case: Case, most_rows: int, seed: int) -> Past:
    """Return the labelled rows of every table that holds the features.

    Parameters
    ----------
    case : Case
    most_rows : int
        More rows than this are drawn by their content; 0: all are taken.
    seed : int
        Of the draw.

    Raises
    ------
    NotAssessedError
        NO_TIME; NO_LABELS where no table has labels, times and features.
    """
    if case.file.data.time is None:
        msg = "Age needs a time column. Name one under data.time."
        raise NotAssessedError(msg, Reason.NO_TIME)
    tables = [one for one in case.tables.values() if _usable(case, one)]
    if not tables:
        msg = "No table has labels, times and all features."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    common = [
        name
        for name in tables[0].schema.names
        if all(name in one.schema.names for one in tables)
    ]
    share = most_rows / max(sum(one.n_rows for one in tables), 1) if most_rows else 1.0
    frames, parts, counts = [], [], []
    for table in tables:
        found, n_labelled = _parts(case, table, common, share, seed)
        frames += [table.frame(one.rows) for one in found]
        parts += found
        counts.append(n_labelled)
    when = np.concatenate([one.when for one in parts])
    if not len(when):
        msg = "No row has a label and a time."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    order = np.lexsort((np.concatenate([one.hashed for one in parts]), when))
    weights = [one.weight for one in parts if one.weight is not None]
    whole = len(weights) == len(parts)
    first = int(when[order[0]])
    fitted_days, fitted_until = _fitted(case)
    return Past(
        frame=_joined(frames).iloc[order].reset_index(drop=True),
        y_true=np.concatenate([one.y_true for one in parts])[order],
        weight=np.concatenate(weights)[order] if whole else None,
        day=(when[order] - first) / DAY,
        clusters=joined_clusters([one.clusters for one in parts]).take(order),
        tables=tuple(one.name for one in tables),
        n_labelled=sum(counts),
        fitted_days=fitted_days,
        fitted_until=fitted_until,
    )


def _usable(case: Case, table: Table) -> bool:
    has_time = case.file.data.time in table.schema.names
    whole = not case.missing_features(table.name)
    typed = not (case.retyped_features(table.name) or table.problems)
    return has_time and whole and typed and case.has_labels(table.name)


def _parts(
    case: Case, table: Table, columns: Sequence[str], share: float, seed: int
) -> tuple[list[_Part], int]:
    keys, found, n_labelled = keys_of(case, table), [], 0
    hashed_by = [*case.features, case.target, str(case.file.data.time)]
    for batch in table.batches(columns):
        y_true, why = target_codes(batch.column(case.target), case.classes)
        when = microseconds(batch.column(str(case.file.data.time)))
        kept = (why == USABLE) & (when != NULL_CODE)
        n_labelled += int(kept.sum())
        hashed = row_hashes(batch.select(list(dict.fromkeys(hashed_by))), seed)
        if share < 1:
            kept &= hashed < np.uint64(share * 2.0**64)
        found.append(_part(batch, y_true, when, hashed, kept, keys))
    return found, n_labelled


def _part(  # noqa: PLR0917 (one batch, column by column)
    batch: pa.RecordBatch,
    y_true: Floats,
    when: Ints,
    hashed: Hashes,
    kept: Bools,
    keys: Keys,
) -> _Part:
    rows = batch.filter(pa.array(kept))
    return _Part(
        rows=rows,
        y_true=y_true[kept],
        when=when[kept],
        hashed=hashed[kept],
        clusters=clusters_of(rows, keys),
        weight=weights_of(rows, keys),
    )


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one after the other; categories of all where they differ."""
    coded = [
        name
        for name in frames[0].columns
        if all(isinstance(one[name].dtype, pd.CategoricalDtype) for one in frames)
    ]
    shared = {
        name: pd.CategoricalDtype(
            sorted({label for one in frames for label in one[name].cat.categories})
        )
        for name in coded
    }
    return pd.concat([one.astype(shared) for one in frames], ignore_index=True)


def _fitted(case: Case) -> tuple[float, str]:
    """Return how many days the training table spans, and the last of them."""
    name = case.file.data.time
    if not case.has("training") or name not in case.table("training").schema.names:
        return float("nan"), ""
    ends = [
        (when.min(), when.max())
        for batch in case.table("training").batches([str(name)])
        for when in [microseconds(batch.column(0))]
        for when in [when[when != NULL_CODE]]
        if len(when)
    ]
    if not ends:
        return float("nan"), ""
    lows, highs = zip(*ends, strict=True)
    last = np.datetime64(int(max(highs)), "us").astype("datetime64[D]")
    return float(max(highs) - min(lows)) / DAY, str(last)
