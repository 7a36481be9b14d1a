"""Altered copies of fixed rows, and what scoring them says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.checks.drift._base import Base
from readiness.scoring import score_frame
from readiness.stats import Estimate, Floats, Ints
from readiness.tolerance import Point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fixed:
    """Rows that are scored again and again, each time with one column altered.

    Parameters
    ----------
    base : Base
        What they are taken from.
    rows : numpy.ndarray of int, shape (k,)
        Their places in the arrays of `base`.
    frame : pandas.DataFrame, shape (k, d)
        Their features.
    order : numpy.ndarray of int, shape (k,)
        The rows ordered by content, so that what is drawn for a row does not depend
        on where it stands in its file.
    estimate : Estimate
        The headline metric of these rows before anything is altered.
    """

    base: Base
    rows: Ints
    frame: pd.DataFrame
    order: Ints
    estimate: Estimate

    @property
    def y_true(self) -> Floats:
        """Labels of the rows."""
        return self.base.y_true[self.rows]

    @property
    def weight(self) -> Floats | None:
        """Row weights, or None."""
        return None if self.base.weight is None else self.base.weight[self.rows]


def fixed_rows(base: Base, n_rows: int) -> Fixed:
    """Return about `n_rows` labelled rows, spread over blocks and scores.

    Each block gives its share of the rows, at least one, evenly spaced by score; all
    rows are returned when there are no more.
    """
    rows = _spread(base, n_rows)
    names = list(base.case.features)
    table = base.case.table(base.scores.table)
    frame = table.take(base.scores.row[base.rows[rows]], names)
    frame = frame[names].reset_index(drop=True)
    content = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    weight = None if base.weight is None else base.weight[rows]
    return Fixed(
        base=base,
        rows=rows,
        frame=frame,
        order=np.lexsort((base.y_true[rows], content)),
        estimate=base.metric.estimate(
            base.y_true[rows], base.y_score[rows], weight, base.threshold
        ),
    )


def scores_of(
    fixed: Fixed, name: str, copies: Sequence[pd.Series]
) -> list[npt.NDArray[np.float64]]:
    """Return the scores of the rows with column `name` replaced, copy by copy.

    All copies go to the model in one call.
    """
    stacked = pd.concat(
        [fixed.frame.assign(**{name: values}) for values in copies], ignore_index=True
    )
    scored = np.asarray(score_frame(fixed.base.case, stacked), dtype=float)
    return np.split(scored, len(copies))


def altered_point(
    fixed: Fixed, size: float, y_score: npt.NDArray[np.float64]
) -> Point | None:
    """Return the paired loss of rows scored `y_score`; None where undefined."""
    base = fixed.base
    there = base.metric.estimate(fixed.y_true, y_score, fixed.weight, base.threshold)
    return _paired(fixed, size, there)


def mixed_point(
    fixed: Fixed, size: float, share: float, y_score: npt.NDArray[np.float64]
) -> Point | None:
    """Return the loss when a share of the rows, drawn at random, is altered.

    Both scores of every row are weighted by how likely each is, so that all shares
    come from one copy and no draw adds noise.
    """
    base = fixed.base
    weight = np.ones(len(fixed.rows)) if fixed.weight is None else fixed.weight
    both = base.metric.estimate(
        np.tile(fixed.y_true, 2),
        np.concatenate([base.y_score[fixed.rows], y_score]),
        np.concatenate([(1 - share) * weight, share * weight]),
        base.threshold,
    )
    clean, altered = np.split(both.influence, 2)
    there = Estimate(value=both.value, influence=(clean + altered) / 2)
    return _paired(fixed, size, there)


def share_more_rows_remove(fixed: Fixed, y_score: npt.NDArray[np.float64]) -> float:
    """Return the share of a loss's variance that lies between rows of one block.

    More rows of the same blocks remove this part and no other; 1 where no rows hang
    together.
    """
    if not fixed.base.scores.clusters.declared():
        return 1.0
    base = fixed.base
    there = base.metric.estimate(fixed.y_true, y_score, fixed.weight, base.threshold)
    influence = fixed.estimate.influence - there.influence
    code = base.folds.codes[0][fixed.rows]
    rows = np.bincount(code)
    sums = np.bincount(code, influence)
    several = rows > 1
    inside = np.bincount(code, influence**2) - sums**2 / np.maximum(rows, 1)
    n_inside = np.sum(rows[several] - 1)
    if n_inside == 0 or not np.sum(sums**2) > 0:
        return 1.0
    within = np.sum(inside[several]) / n_inside * len(influence)
    return float(min(within / np.sum(sums**2), 1.0))


def drawn_noise(
    fixed: Fixed, known: npt.NDArray[np.bool_], seed: Sequence[int]
) -> Floats:
    """Return standard normal noise for the rows: mean 0, SD 1 over the known ones."""
    noise = np.empty(len(fixed.rows))
    noise[fixed.order] = np.random.default_rng(seed).standard_normal(len(noise))
    inside = noise[known]
    centred: Floats = (noise - inside.mean()) / inside.std()
    return centred


def other_category(fixed: Fixed, values: pd.Series, seed: Sequence[int]) -> pd.Series:
    """Return another known category for every row, as often as the others occur."""
    counts = values.value_counts()
    counts = counts[counts > 0]
    counts = counts.iloc[np.lexsort((counts.index.astype(str), -counts.to_numpy()))]
    uniform = np.empty(len(values))
    uniform[fixed.order] = np.random.default_rng(seed).random(len(values))
    place = counts.index.get_indexer(pd.Index(values))
    picked = place.copy()
    for own in range(len(counts)):
        mine = place == own
        others = counts.to_numpy(dtype=float).copy()
        others[own] = 0.0
        steps = np.cumsum(others) / others.sum()
        picked[mine] = np.searchsorted(steps, uniform[mine], side="right")
    replaced = values.copy()
    known = place >= 0
    replaced[known] = counts.index.to_numpy()[picked[known]]
    return replaced


def _paired(fixed: Fixed, size: float, there: Estimate) -> Point | None:
    if not np.isfinite(there.value):
        return None
    sign = fixed.base.sign
    influence = sign * (fixed.estimate.influence - there.influence)
    return Point(
        size=size,
        loss=sign * (fixed.estimate.value - there.value),
        parts=fixed.base.folds.sums(influence, fixed.rows),
    )


def _spread(base: Base, n_rows: int) -> Ints:
    n_all = len(base.rows)
    if n_rows >= n_all:
        return np.arange(n_all, dtype=np.int64)
    block = base.scores.clusters.block
    code = np.zeros(n_all, dtype=np.int64) if block is None else base.folds.codes[0]
    kept = []
    # Rows come by rising score, so even steps through a block spread over its scores.
    by_block = np.argsort(code, kind="stable")
    for places in np.split(by_block, np.cumsum(np.bincount(code))[:-1]):
        n_kept = max(1, round(n_rows * len(places) / n_all)) if len(places) else 0
        steps = (np.arange(n_kept) + 0.5) * len(places) / max(n_kept, 1)
        kept.append(places[steps.astype(np.int64)])
    return np.sort(np.concatenate(kept))
