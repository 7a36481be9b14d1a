"""How well one feature alone tells the target."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.labels import USABLE, target_codes
from readiness.metrics import find_metric
from readiness.row_hashes import code_hashes, row_hashes, sampled
from readiness.seen import encoded
from readiness.stats import Clusters, Floats, Interval, Ints, no_interval
from readiness.table_rows import (
    NULL_CODE,
    clusters_of,
    keys_of,
    microseconds,
    numbers,
    readable,
)

MOST_ROWS = 20_000
N_FOLDS = 5
N_BINS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Labelled rows: what a single feature is held against.

    Parameters
    ----------
    task : str
    y_true : (n,) array
        Labels, class codes or values.
    fold : (n,) array of int
        Rows of one block, and equal rows, are in one fold.
    clusters : Clusters
    """

    task: str
    y_true: Floats
    fold: Ints
    clusters: Clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One feature, asked alone.

    Parameters
    ----------
    name : str
    told : Interval
        Area under the ROC curve, or R²; without a value where there is a reason.
    leaks : bool
        Whether it gives the target away.
    reason : Reason or None
        Why it could not be asked.
    """

    name: str
    told: Interval
    leaks: bool
    reason: Reason | None


def strength(codes: Ints, known: Known) -> Interval:
    """Return how well the cells of one feature tell the target, cross-fitted.

    Parameters
    ----------
    codes : (n,) array of int
        Cell of each row.
    known : Known

    Returns
    -------
    Interval
        Area under the ROC curve (several classes: that of the class told best), or
        R² of the mean by cell, each found in the other folds.
    """
    if len(np.unique(known.y_true)) < 2:  # noqa: PLR2004 (nothing to tell)
        return no_interval()
    if known.task == "regression":
        guess = _means(codes, known.y_true, known.fold)
        metric = find_metric("r2", "regression")
        return metric.interval(known.y_true, guess, known.clusters)
    metric = find_metric("roc_auc", "binary")
    classes = [1.0] if known.task == "binary" else np.unique(known.y_true)
    found = []
    for one in classes:
        is_one = (known.y_true == one).astype(float)
        guess = _means(codes, is_one, known.fold)
        found.append(metric.interval(is_one, guess, known.clusters))
    return max(found, key=lambda one: one.value)


def cells_of(values: Floats) -> Ints:
    """Return numbers in at most 64 cells of equal size; the last is "missing"."""
    known = values[np.isfinite(values)]
    edges = (
        # A quarter of the values: differences of the largest would overflow.
        np.unique(4 * np.quantile(known / 4, np.linspace(0, 1, N_BINS)[1:-1]))
        if len(known)
        else np.zeros(1)
    )
    exact = np.unique(known)
    if len(exact) <= N_BINS:
        edges = exact
    return np.where(
        np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left")
    )


def _means(codes: Ints, y: Floats, fold: Ints) -> Floats:
    """Return for each row its cell's mean in the other folds, shrunken a little."""
    n_cells = int(codes.max()) + 1
    key = codes * N_FOLDS + fold
    rows = np.bincount(key, minlength=n_cells * N_FOLDS).reshape(n_cells, N_FOLDS)
    sums = np.bincount(key, y, minlength=n_cells * N_FOLDS).reshape(n_cells, N_FOLDS)
    rest_rows = rows.sum(axis=1, keepdims=True) - rows
    rest_sums = sums.sum(axis=1, keepdims=True) - sums
    prior = (sums.sum() - sums.sum(axis=0)) / np.maximum(
        rows.sum() - rows.sum(axis=0), 1
    )
    means = (rest_sums + prior) / (rest_rows + 1.0)
    return np.asarray(means.ravel()[key])


def asked_features(case: Case, leak: float, seed: int) -> list[Asked]:
    """Return how well every feature of the reference alone tells the target.

    Parameters
    ----------
    case : Case
    leak : float
        The strength above which a feature gives the target away.
    seed : int
        Of the rows drawn.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS when no feature of the reference can be read.
    """
    table = case.table("reference")
    names, problems = readable(case, table, case.features)
    if not names:
        msg = "No feature of the reference table can be read."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    keys = keys_of(case, table)
    columns = list(dict.fromkeys([*case.features, case.target, *keys.columns()]))
    present = [one for one in columns if one in table.schema.names]
    rows = sampled(table, present, MOST_ROWS, seed)
    batch = rows.combine_chunks().to_batches(max_chunksize=MOST_ROWS)[0]
    y_true, why = target_codes(batch.column(case.target), case.classes)
    batch = batch.filter(pa.array(why == USABLE))
    known = Known(
        task=case.task,
        y_true=y_true[why == USABLE].astype(float),
        fold=_folds(batch, clusters_of(batch, keys)),
        clusters=clusters_of(batch, keys),
    )
    when = batch.column(keys.time) if keys.time else None
    found = [
        _asked(case, name, batch.column(name), known, when, leak) for name in names
    ]
    return found + [
        Asked(name=name, told=no_interval(), leaks=False, reason=reason)
        for name, reason in problems.items()
    ]


def _asked(  # noqa: PLR0917 (one feature and what it is held against)
    case: Case,
    name: str,
    values: pa.Array,
    known: Known,
    when: pa.Array | None,
    leak: float,
) -> Asked:
    kind = case.columns[name].kind
    if kind in ("numeric", "time"):
        codes = cells_of(numbers(values))
    else:
        found, labels = encoded(values)
        codes = np.where(found < 0, len(labels), found)
    told = strength(codes, known) if len(codes) else no_interval()
    leaks = bool(told.value > leak)
    if kind == "time" and when is not None:
        leaks |= _is_later(values, when)
    reason = None
    if np.isnan(told.value):
        reason = Reason.ONE_CLASS if len(codes) else Reason.NO_LABELS
    return Asked(name=name, told=told, leaks=leaks, reason=reason)


def _is_later(values: pa.Array, when: pa.Array) -> bool:
    """Return whether a feature's times lie after the row's own, beyond chance."""
    a, b = microseconds(values), microseconds(when)
    both = (a != NULL_CODE) & (b != NULL_CODE)
    return bool(both.any()) and float((a[both] > b[both]).mean()) > 0.01  # noqa: PLR2004 (one row in a hundred)


def _folds(batch: pa.RecordBatch, clusters: Clusters) -> Ints:
    codes = clusters.declared()
    key = codes[0].view(np.uint64) if codes else row_hashes(batch)
    mixed = code_hashes(key)
    return (mixed % np.uint64(N_FOLDS)).astype(np.int64)
