"""A classifier that tells two tables apart, and what it goes by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.influence import area_under_roc
from readiness.row_hashes import code_hashes, sampled
from readiness.seen import encoded
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clustered_interval,
    no_interval,
)
from readiness.table_rows import (
    clusters_of,
    joined_clusters,
    keys_of,
    numbers,
)
from readiness.tables import Table

N_FOLDS = 5
LARGEST = np.finfo(float).max / 2
MOST_CODES = 200  # categories told apart; rarer ones share a code


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Rows of two tables, mixed.

    Parameters
    ----------
    X : (n, d) array of float
        Numbers, or codes of categories; NaN where there is no value.
    is_category : tuple of bool
    is_other : (n,) array of float
        1 for rows of the second table.
    fold : (n,) array of int
        Rows of one block are in one fold.
    clusters : Clusters
    """

    X: Floats
    is_category: tuple[bool, ...]
    is_other: Floats
    fold: Ints
    clusters: Clusters


def paired(
    case: Case, tables: Sequence[Table], names: Sequence[str], most: int, seed: int
) -> Pair:
    """Return up to `most` rows of each of two tables, drawn by content."""
    batches, clusters = [], []
    for table in tables:
        keys = keys_of(case, table)
        columns = list(dict.fromkeys([*names, *keys.columns()]))
        rows = sampled(table, columns, most, seed).combine_chunks()
        batch = rows.to_batches(max_chunksize=max(rows.num_rows, 1))[0]
        batches.append(batch)
        clusters.append(clusters_of(batch, keys))
    both = joined_clusters(clusters)
    n_rows = sum(one.num_rows for one in batches)
    # The rows stand in the order of their hashes: their place depends on them alone.
    key = both.declared()[0] if both.declared() else np.arange(n_rows)
    mixed = code_hashes(key, seed)
    is_category = tuple(
        case.columns[name].kind in ("categorical", "boolean") for name in names
    )
    return Pair(
        X=np.column_stack(
            [
                _coded([batch.column(name) for batch in batches], is_category=coded)
                for name, coded in zip(names, is_category, strict=True)
            ]
        ),
        is_category=is_category,
        is_other=np.repeat([0.0, 1.0], [one.num_rows for one in batches]),
        fold=(mixed % np.uint64(N_FOLDS)).astype(np.int64),
        clusters=both,
    )


def told_apart(pair: Pair, seed: int) -> tuple[Interval, Floats]:
    """Return the cross-fitted area, and what shuffling each feature costs of it.

    Returns
    -------
    Interval
        Area under the ROC curve: the mean over folds, each scored by a classifier
        fitted on the others. Scores of two folds are never compared: they come from
        two classifiers, and the pooled area leans below one half. Without a value
        where no fold holds rows of both tables.
    (d,) array of float
        Area lost when a feature is shuffled within its fold.
    """
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    with threadpool_limits(limits=1):  # more threads add up in another order
        return _told_apart(pair, seed)


def _told_apart(pair: Pair, seed: int) -> tuple[Interval, Floats]:
    rng = np.random.default_rng(seed)
    rows, areas, costs = [], [], []
    for fold in range(N_FOLDS):
        here = np.flatnonzero(pair.fold == fold)
        own, rest = pair.is_other[here], pair.is_other[pair.fold != fold]
        if not (_both(own) and _both(rest)):
            continue
        model = _classifier(pair, seed)
        model.fit(pair.X[pair.fold != fold], rest)
        area = _area(model, pair.X[here], own)
        rows.append(here)
        areas.append(area)
        costs.append(_costs(model, pair.X[here], own, area.value, rng))
    if not rows:
        return no_interval(0.0, 1.0), np.full(pair.X.shape[1], np.nan)
    sizes = [len(one) for one in rows]
    whole = Estimate(
        value=float(np.average([one.value for one in areas], weights=sizes)),
        influence=np.concatenate([one.influence for one in areas]),
    )
    found = clustered_interval(whole, pair.clusters.take(np.concatenate(rows)))
    low, high = max(found.ci_low, 0.0), min(found.ci_high, 1.0)
    lost = np.average(costs, axis=0, weights=sizes)
    return replace(found, ci_low=low, ci_high=high), lost


def _costs(
    model: Any,  # noqa: ANN401 (scikit-learn has no types)
    X: Floats,
    labels: Floats,
    area: float,
    rng: np.random.Generator,
) -> Floats:
    lost = []
    for place in range(X.shape[1]):
        moved = X.copy()
        moved[:, place] = rng.permutation(moved[:, place])
        lost.append(area - _area(model, moved, labels).value)
    return np.array(lost)


def _both(labels: Floats) -> bool:
    return bool(labels.min() < labels.max()) if len(labels) else False


def _area(model: Any, X: Floats, labels: Floats) -> Estimate:  # noqa: ANN401 (scikit-learn has no types)
    score = model.predict_proba(X)[:, 1]
    return area_under_roc(labels, score, np.ones(len(labels)))


def _classifier(pair: Pair, seed: int) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 (heavy)

    return HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=15,
        learning_rate=0.2,
        early_stopping=False,
        categorical_features=list(pair.is_category),
        random_state=seed,
    )


def _coded(columns: Sequence[pa.Array], *, is_category: bool) -> Floats:
    if not is_category:
        x = np.concatenate([numbers(one) for one in columns])
        # The classifier adds two values up: half of the largest is the most.
        return np.clip(np.where(np.isfinite(x), x, np.nan), -LARGEST, LARGEST)
    parts = []
    for one in columns:
        codes, names = encoded(one)
        labels = np.array([*map(str, names), ""], dtype=object)[codes]
        parts.append(pd.Series(labels).where(codes >= 0))
    found = pd.concat(parts, ignore_index=True)
    counts = found.value_counts()
    ordered = sorted(counts.index, key=lambda label: (-counts[label], label))
    place = {label: float(min(n, MOST_CODES)) for n, label in enumerate(ordered)}
    return np.asarray(found.map(place), dtype=float)
