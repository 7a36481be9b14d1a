"""How many rows are explained: until the ranks that matter are told apart."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from readiness.checks.explainability._ranks import find_twins, surely_ahead
from readiness.exact_attributions import Attributions
from readiness.stats import Clusters, Floats, Ints, block_sums, relative_weights
from readiness.text import number, visible

FIRST_LOOKS = (2000, 5000)
N_TOP = 5  # columns whose order matters, and which of them come before the sixth
FIXED_SHARE = 0.8  # of the variance; where more lies between blocks, rows do not help
ROUNDING = 1e-9  # of the largest mean: columns nearer than this are equal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """The rows that may be explained, in random order.

    Parameters
    ----------
    frame : pandas.DataFrame
        Features of n rows.
    clusters : Clusters
        Of the n rows.
    weight : ndarray of shape (n,) or None
    """

    frame: pd.DataFrame
    clusters: Clusters
    weight: Floats | None

    def looks(self) -> tuple[int, ...]:
        """Return after how many rows the ranks are looked at."""
        n_rows = len(self.frame)
        return (*(one for one in FIRST_LOOKS if one < n_rows), n_rows)


def why_stop(asked: Asked, values: Floats) -> str:
    """Return why no more rows are explained; empty where more rows may help.

    Parameters
    ----------
    asked : Asked
    values : ndarray of shape (n, d)
        Exact attributions of the first n rows asked for.

    Notes
    -----
    Adjacent columns are compared, down to the fifth and the sixth; columns that hold
    the same are not, nor columns nobody uses. They are told apart as in X3, all looks
    together. Rows of blocks that were met before only make the part of the variance
    within blocks smaller; new blocks the part between them too.
    """
    n_rows = len(values)
    kept = asked.clusters.take(np.arange(n_rows))
    weight = None if asked.weight is None else asked.weight[:n_rows]
    sizes = np.abs(values)
    weights = relative_weights(n_rows, weight)
    means = weights @ sizes / max(float(weights.sum()), 1e-300)
    pairs = _pairs_that_matter(means, find_twins(asked.frame))
    noise = np.zeros(len(means))
    ahead = surely_ahead(sizes, noise, kept, weight, looks=len(asked.looks()))
    unsure = [(a, b) for a, b in pairs if not ahead[a, b]]
    if not unsure:
        return (
            f"No more rows were needed: among the first {N_TOP} columns each is surely "
            "ahead of the next."
        )
    names = [visible(name, 40) for name in asked.frame.columns]
    told = ", ".join(f"{names[a]} and {names[b]}" for a, b in unsure)
    shares = [
        _fixed_share(weights * (gap - weights @ gap / weights.sum()), kept, asked)
        for gap in (sizes[:, a] - sizes[:, b] for a, b in unsure)
    ]
    if min(shares) > FIXED_SHARE:
        return (
            f"More rows would not tell apart {told}: {number(min(shares), 'share')} or "
            "more of what is unsure there differs between blocks, not between rows."
        )
    if n_rows == len(asked.frame):
        return f"With the most rows that may be explained, {told} are not told apart."
    return ""


def _pairs_that_matter(means: Floats, twins: list[list[int]]) -> list[tuple[int, int]]:
    order = np.argsort(-means, kind="stable")[: N_TOP + 1].tolist()
    return [
        (a, b)
        for a, b in pairwise(order)
        if means[a] > 0 and not any(a in group and b in group for group in twins)
    ]


def _fixed_share(influence: Floats, clusters: Clusters, asked: Asked) -> float:
    """Return the part of a mean's variance that all rows asked for would leave."""
    found = [(0.0, 0.0)]
    codes = zip(clusters.declared(), asked.clusters.declared(), strict=True)
    for code, every in codes:
        variance, within = _variances(influence, code)
        met = len(np.unique(code)) / len(np.unique(every))
        share = met * (1 - within / variance) if variance > 0 else 1.0
        found.append((variance, share))
    return max(found)[1]


def _variances(influence: Floats, code: Ints) -> tuple[float, float]:
    """Return the variance of a sum over blocks, and the part within blocks."""
    n_rows, sums = len(influence), block_sums(influence, code)
    counts, n_blocks = block_sums(np.ones(n_rows), code), len(sums)
    if n_blocks in {1, n_rows}:
        return float(np.sum(influence**2)), float(np.sum(influence**2))
    variance = float(np.sum(sums**2)) * n_blocks / (n_blocks - 1)
    squares = float(np.sum(influence**2) - np.sum(sums**2 / counts))
    return variance, n_rows * squares / (n_rows - n_blocks)


def joined(one: Attributions, more: Attributions) -> Attributions:
    """Return attributions of one batch of rows, then of another by the same route."""
    by_row: dict[str, Any] = {
        field.name: np.concatenate(
            [getattr(one, field.name), getattr(more, field.name)]
        )
        for field in fields(one)
        if isinstance(getattr(one, field.name), np.ndarray)
    }
    return replace(
        one,
        **by_row,
        values=pd.concat([one.values, more.values]),
        n_scored=one.n_scored + more.n_scored,
        n_recomputed=one.n_recomputed + more.n_recomputed,
        seconds=one.seconds + more.seconds,
    )
