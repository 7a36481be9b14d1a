"""Values a feature may be given: between the split points of the model's trees."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.booster_trees import booster_trees, numeric_splits
from readiness.boosters import Booster
from readiness.case import Case
from readiness.checks.stress._noise import spread, values_of
from readiness.columns import Column
from readiness.encoded_columns import Opened, open_model
from readiness.stats import Floats, Ints

PLAUSIBLE = (0.01, 0.99)  # quantiles of the values a feature may be given
N_STEPS = 21  # of features whose split points are not known
LEAST = 1e-30  # LightGBM splits at 1e-35, between zero and what is above it
N_ENCODED = 500  # rows that show how a feature is encoded
AFFINE = 1e-9  # relative to the spread of the encoded column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Move:
    """Values a feature may be given.

    Parameters
    ----------
    name : str
    values : ndarray of shape (k,)
        Rising; one inside each interval between the model's split points, or steps
        through the quantiles.
    sd : float
        What a change costs one of.
    by_splits : bool
        Whether the model's own split points are known.
    """

    name: str
    values: Floats
    sd: float
    by_splits: bool


def moves_of(
    case: Case, frame: pd.DataFrame, immutable: Collection[str]
) -> tuple[Move, ...]:
    """Return the values each numeric feature may be given, within what is plausible.

    Parameters
    ----------
    case : Case
        The split points of its model are used where they can be read.
    frame : pandas.DataFrame
        Rows that say what is plausible: the middle 98 % of the values, within the
        declared range.
    immutable : collection of str
        Features that stay as they are.
    """
    splits = split_points(case, frame)
    moves = []
    for column in case.columns.values():
        if column.kind != "numeric" or column.name in immutable:
            continue
        sd = spread(frame[column.name])
        if not sd > 0:
            continue
        is_whole = pd.api.types.is_integer_dtype(frame[column.name].dtype)
        values = _candidates(frame, column, splits.get(column.name))
        values = np.unique(np.rint(values) if is_whole else values)
        known = column.name in splits
        moves.append(Move(name=column.name, values=values, sd=sd, by_splits=known))
    return tuple(moves)


def _candidates(frame: pd.DataFrame, column: Column, splits: Floats | None) -> Floats:
    x = values_of(frame, column.name)
    x = x[np.isfinite(x)]
    low, high = np.quantile(x, PLAUSIBLE)
    if column.range is not None:
        low, high = max(low, column.range[0]), min(high, column.range[1])
    if splits is None:
        steps = np.quantile(x, np.linspace(*PLAUSIBLE, N_STEPS))
        return np.clip(steps, low, high)
    inside = splits[(splits > low) & (splits < high)]
    edges = np.concatenate([[low], inside, [high]])
    middles: Floats = (edges[:-1] + edges[1:]) / 2
    middles[np.abs(middles) < LEAST] = 0.0
    return middles


def split_points(case: Case, frame: pd.DataFrame) -> dict[str, Floats]:
    """Return the values at which the trees of a model split, by numeric feature.

    Empty for other models; without features that the steps before the trees do not
    merely shift or scale. A feature that no tree splits on has no values.
    """
    if isinstance(case.model.estimator, Booster):
        trees = booster_trees(case.model.estimator)
        known = {} if trees is None else numeric_splits(trees)
        return {
            name: at
            for name, at in known.items()
            if case.columns[name].kind == "numeric"
        }
    features = frame[list(case.features)].iloc[:N_ENCODED]
    opened = open_model(case.model.estimator, features, by_name=case.model.by_name)
    pairs = [] if opened is None else list(_tree_splits(opened.final))
    if opened is None or not pairs:
        return {}
    place = np.concatenate([one for one, _ in pairs])
    at = np.concatenate([one for _, one in pairs])
    found = {}
    for player, name in enumerate(case.features):
        own = np.flatnonzero(opened.players == player)
        if case.columns[name].kind != "numeric" or len(own) != 1:
            continue
        scale = _affine(values_of(features, name), opened, int(own[0]))
        if scale is not None:
            splits = at[place == own[0]]
            found[name] = np.unique((splits - scale[1]) / scale[0])
    return found


def _tree_splits(final: Any) -> Iterable[tuple[Ints, Floats]]:  # noqa: ANN401 (any estimator)
    """Yield the encoded columns and thresholds of every scikit-learn tree."""
    for rounds in getattr(final, "_predictors", []):
        for one in rounds:
            nodes = one.nodes
            numeric = ~nodes["is_leaf"].astype(bool)
            numeric &= ~nodes["is_categorical"].astype(bool)
            yield (
                nodes["feature_idx"][numeric].astype(np.int64),
                nodes["num_threshold"][numeric].astype(np.float64),
            )
    several = np.ravel(np.asarray(getattr(final, "estimators_", [final]), dtype=object))
    for one in several:
        tree = getattr(one, "tree_", None)
        if tree is not None:
            inner = tree.children_left >= 0
            yield tree.feature[inner].astype(np.int64), tree.threshold[inner]


def _affine(x: Floats, opened: Opened, place: int) -> tuple[float, float] | None:
    """Return slope and offset of an encoded column; None where it is no line of x."""
    encoded = opened.matrix[:, place]
    known = np.isfinite(x) & np.isfinite(encoded)
    if not known.any() or np.ptp(x[known]) == 0:
        return None
    x, encoded = x[known], encoded[known]
    low, high = int(np.argmin(x)), int(np.argmax(x))
    slope = float((encoded[high] - encoded[low]) / (x[high] - x[low]))
    offset = float(encoded[low] - slope * x[low])
    gap = np.max(np.abs(encoded - slope * x - offset))
    return (slope, offset) if slope and gap <= AFFINE * np.ptp(encoded) else None
