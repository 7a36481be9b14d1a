"""Reference and labelled current rows side by side, and what tells them apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import numbers
from readiness.checks.drift._shared_parts import Both, bent
from readiness.errors import NotAssessedError, Reason
from readiness.row_hashes import code_hashes
from readiness.row_losses import RowLoss, loss_of_scores
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import scores
from readiness.stats import Clusters, Floats, Ints, relative_weights
from readiness.table_rows import (
    clusters_of,
    joined_clusters,
    keys_of,
    readable,
)

N_FOLDS = 5
MOST_CODES = 200  # categories told apart; rarer ones share a code
LIKE_CERTAIN = 1e-6  # chances nearer to 0 or 1 are taken as this near


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Periods:
    """Scored rows of the reference, then of the current table.

    Parameters
    ----------
    scored : tuple of Scores
    loss : tuple of RowLoss
    X : (n, d) array of float
        Features of both; NaN where missing.
    is_category : tuple of bool
    weight : (n,) array of float
        With mean one within each period.
    weighted : bool
        Whether weights differ: fits then take four times as long.
    clusters : Clusters
        Equal blocks of both periods are one block.
    key : (n,) array of uint64
        A number per row that does not depend on the order of the tables.
    fold : (n,) array of int
        Rows of one block are in one fold.
    """

    scored: tuple[Scores, Scores]
    loss: tuple[RowLoss, RowLoss]
    X: Floats
    is_category: tuple[bool, ...]
    weight: Floats
    weighted: bool
    clusters: Clusters
    key: "np.ndarray"
    fold: Ints

    @property
    def is_current(self) -> "np.ndarray":
        """Which rows are of the current table."""
        return np.arange(len(self.X)) >= len(self.scored[0].row)

    @property
    def losses(self) -> Floats:
        """Loss of every row."""
        return np.concatenate([one.values for one in self.loss])


def two_periods(case: Case, most: int, seed: int) -> Periods:
    """Return labelled rows of the reference and of the current table.

    Parameters
    ----------
    case : Case
    most : int
        Rows of each table at most, drawn by what they hold.
    seed : int

    Raises
    ------
    NotAssessedError
        NO_TABLE, NO_LABELS or what scoring raises; NO_COLUMNS when no feature can be
        read in both tables.
    """
    case.table("current")
    scored = (
        _drawn(case, "reference", most, seed),
        _drawn(case, "current", most, seed),
    )
    names = list(case.features)
    for one in scored:
        names, _ = readable(case, case.table(one.table), names)
    frames = [case.table(one.table).take(one.row, names) for one in scored]
    kept = [
        _coded([one[name] for one in frames], case.columns[name].kind) for name in names
    ]
    pairs = [
        (x, name) for x, name in zip(kept, names, strict=True) if np.isfinite(x).any()
    ]
    if not pairs:
        msg = "No feature can be read in both the reference and the current table."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    X = np.column_stack([x for x, _ in pairs])
    loss = tuple(loss_of_scores(case, one) for one in scored)
    clusters = _clusters(case, scored)
    key = _row_keys(X, np.concatenate([one.values for one in loss]), seed)
    declared = clusters.declared()
    mixed = code_hashes(declared[0], seed) if declared else key
    return Periods(
        scored=scored,
        loss=(loss[0], loss[1]),
        X=X,
        is_category=tuple(
            case.columns[name].kind in {"categorical", "boolean"} for _, name in pairs
        ),
        weight=np.concatenate(
            [relative_weights(len(one.row), _weight(one, scored)) for one in scored]
        ),
        weighted=_weight(scored[0], scored) is not None,
        clusters=clusters,
        key=key,
        fold=(mixed % np.uint64(N_FOLDS)).astype(np.int64),
    )


def learned(periods: Periods, most: int, seed: int) -> Both:
    """Return the rows with their chance of being current and their expected loss.

    Parameters
    ----------
    periods : Periods
    most : int
        Rows of each period that a fit rests on at most; every row is asked about.
    seed : int

    Raises
    ------
    NotAssessedError
        TOO_FEW_BLOCKS when the blocks of a period do not reach into two folds.
    """
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    for rows in (periods.is_current, ~periods.is_current):
        if len(np.unique(periods.fold[rows])) < 2:  # noqa: PLR2004 (one to learn from)
            msg = "The blocks of a period are too few to hold some of them out."
            raise NotAssessedError(msg, Reason.TOO_FEW_BLOCKS)
    with threadpool_limits(limits=1):  # more threads add up in another order
        return _learned(periods, most, seed)


def _learned(periods: Periods, most: int, seed: int) -> Both:
    n_rows, current, loss = len(periods.X), periods.is_current, periods.losses
    odds = np.zeros(n_rows)
    expected = (np.zeros(n_rows), np.zeros(n_rows))
    for fold in range(N_FOLDS):
        here, rest = periods.fold == fold, periods.fold != fold
        if not here.any():
            continue
        rows = [_chosen(periods, rest & own, most) for own in (~current, current)]
        both = np.concatenate(rows)
        telling = _boosted("Classifier", periods, seed)
        weight = periods.weight[both] if periods.weighted else None
        telling.fit(periods.X[both], current[both], sample_weight=weight)
        p = telling.predict_proba(periods.X[here])[:, 1]
        p = np.clip(p, LIKE_CERTAIN, 1 - LIKE_CERTAIN)
        odds[here] = np.log(p / (1 - p))
        for own, into in zip(rows, expected, strict=True):
            model = _boosted("Regressor", periods, seed)
            model.fit(periods.X[own], loss[own])
            into[here] = model.predict(periods.X[here])
    return Both(
        is_current=current,
        weight=periods.weight,
        loss=loss,
        chance=_calibrated(odds, periods),
        expected=expected,
    )


def _calibrated(odds: Floats, periods: Periods) -> Floats:
    """Return log-odds as chances, each fold bent as the other folds need it."""
    chance = np.zeros(len(odds))
    for fold in range(N_FOLDS):
        here, rest = periods.fold == fold, np.flatnonzero(periods.fold != fold)
        if here.any():
            rows = [rest[~periods.is_current[rest]], rest[periods.is_current[rest]]]
            both = np.concatenate(rows)
            a, b = bent(
                odds[both],
                periods.is_current[both].astype(float),
                _balanced(periods, rows),
            )
            chance[here] = 1 / (1 + np.exp(-(a + b * odds[here])))
    return chance


def _chosen(periods: Periods, rows: "np.ndarray", most: int) -> Ints:
    """Return up to `most` of some rows, drawn and ordered by what they hold."""
    places = np.flatnonzero(rows)
    return places[np.argsort(periods.key[places], kind="stable")[:most]]


def _balanced(periods: Periods, rows: Sequence[Ints]) -> Floats:
    """Return weights under which both periods count the same."""
    return np.concatenate(
        [periods.weight[one] / periods.weight[one].sum() for one in rows]
    )


def _boosted(kind: str, periods: Periods, seed: int) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn import ensemble  # noqa: PLC0415 (heavy)

    return getattr(ensemble, f"HistGradientBoosting{kind}")(
        max_iter=50,
        max_leaf_nodes=15,
        learning_rate=0.1,
        early_stopping=False,
        categorical_features=list(periods.is_category),
        random_state=seed,
    )


def _clusters(case: Case, scored: Sequence[Scores]) -> Clusters:
    parts, rows, start = [], [], 0
    for one in scored:
        table = case.table(one.table)
        keys = keys_of(case, table)
        columns = keys.columns() or table.schema.names[:1]
        parts += [clusters_of(batch, keys) for batch in table.batches(columns)]
        rows.append(start + one.row)
        start += table.n_rows
    return joined_clusters(parts).take(np.concatenate(rows))


def _weight(one: Scores, scored: Sequence[Scores]) -> Floats | None:
    has = all(each.weight is not None for each in scored)
    return one.weight if has else None


def _drawn(case: Case, name: str, most: int, seed: int) -> Scores:
    scored = scores(case, name)
    return scored.take(np.sort(random_order(scored, seed)[:most]))


def _coded(values: "Sequence[pd.Series[Any]]", kind: str) -> Floats:
    """Return a feature of both tables as numbers, or as codes of its categories."""
    if kind in {"numeric", "time"}:
        return np.concatenate([numbers(one, kind) for one in values])
    found = pd.concat([one.astype("object") for one in values], ignore_index=True)
    text = found.astype("str").where(found.notna())
    counts = text.value_counts()
    ordered = sorted(counts.index, key=lambda label: (-counts[label], label))
    place = {label: float(min(n, MOST_CODES)) for n, label in enumerate(ordered)}
    return np.asarray(text.map(place), dtype=float)


def _row_keys(X: Floats, loss: Floats, seed: int) -> "np.ndarray":
    mixed = np.full(len(X), seed, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in (*X.T, loss):
            mixed = pd.util.hash_array(
                mixed * np.uint64(31) + pd.util.hash_array(np.ascontiguousarray(part))
            )
    return mixed
