"""Altered copies of fixed rows, and what scoring them says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.checks.drift._base import Base, numbers
from readiness.scoring import score_encoded, score_frame
from readiness.stats import Estimate, Floats, Ints
from readiness.tolerance import Point
from readiness.tree_splits import Trees, trees_of


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
    trees : Trees
        What is known of the model's trees: where they split, of which columns.
    matrix : numpy.ndarray of float, shape (k, p), or None
        The rows as the trees see them, where they can be scored like that.
    asked : dict
        What the model has said so far: by column, the keys of rows and intervals
        (rising), and their scores.
    """

    base: Base
    rows: Ints
    frame: pd.DataFrame
    order: Ints
    estimate: Estimate
    trees: Trees
    matrix: Floats | None
    asked: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)

    @property
    def y_true(self) -> Floats:
        """Labels of the rows."""
        return self.base.y_true[self.rows]

    @property
    def weight(self) -> Floats | None:
        """Row weights, or None."""
        return None if self.base.weight is None else self.base.weight[self.rows]


def fixed_rows(base: Base, n_rows: int, trees: Trees | None = None) -> Fixed:
    """Return about `n_rows` labelled rows, spread over blocks and scores.

    `trees` are those of the model where they are known already.

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
    known = trees_of(base.case, frame) if trees is None else trees
    return Fixed(
        base=base,
        rows=rows,
        frame=frame,
        order=np.lexsort((base.y_true[rows], content)),
        estimate=base.metric.estimate(
            base.y_true[rows], base.y_score[rows], weight, base.threshold
        ),
        trees=known,
        matrix=known.encoded(base.case, frame),
    )


def scores_of(
    fixed: Fixed, name: str, copies: Sequence[pd.Series]
) -> list[npt.NDArray[np.float64]]:
    """Return the scores of the rows with column `name` replaced, copy by copy.

    All copies go to the model in one call. Where the model's trees cannot tell a value
    from one it has been asked about in the same row, it is not asked again.
    """
    if name in fixed.trees.splits:
        return _scores_by_interval(fixed, name, copies)
    return scores_of_copies(fixed, [{name: values} for values in copies])


def scores_of_copies(
    fixed: Fixed, copies: Sequence[Mapping[str, pd.Series]]
) -> list[npt.NDArray[np.float64]]:
    """Return the scores of all the rows with columns replaced, copy by copy.

    Every copy replaces the same columns; all go to the model in one call.
    """
    columns = {
        name: pd.concat([one[name] for one in copies], ignore_index=True)
        for name in copies[0]
    }
    places = np.tile(np.arange(len(fixed.rows)), len(copies))
    return np.split(_scored(fixed, places, columns), len(copies))


def _scores_by_interval(
    fixed: Fixed, name: str, copies: Sequence[pd.Series]
) -> list[npt.NDArray[np.float64]]:
    splits, n_rows = fixed.trees.splits[name], len(fixed.rows)

    def keys_of(values: pd.Series) -> Ints:
        places = splits.interval(numbers(values, "numeric"))
        keys: Ints = np.arange(n_rows) * splits.n_intervals + places
        return keys

    if name not in fixed.asked:
        clean = keys_of(fixed.frame[name])
        fixed.asked[name] = (clean, fixed.base.y_score[fixed.rows])
    known, answers = fixed.asked[name]
    wanted = np.concatenate([keys_of(values) for values in copies])
    new, first = np.unique(wanted, return_index=True)
    is_new = ~np.isin(new, known, assume_unique=True)
    if is_new.any():
        new, first = new[is_new], first[is_new]
        values = pd.concat(list(copies), ignore_index=True).iloc[first]
        scored = _scored(fixed, first % n_rows, {name: values})
        order = np.argsort(np.concatenate([known, new]), kind="stable")
        known = np.concatenate([known, new])[order]
        answers = np.concatenate([answers, scored])[order]
        fixed.asked[name] = (known, answers)
    return np.split(answers[np.searchsorted(known, wanted)], len(copies))


def _scored(
    fixed: Fixed, places: Ints, columns: Mapping[str, pd.Series]
) -> npt.NDArray[np.float64]:
    """Return the scores of some rows with columns replaced; places may repeat."""
    case, trees = fixed.base.case, fixed.trees
    if fixed.matrix is None or not trees.place.keys() >= columns.keys():
        rows = fixed.frame.iloc[places].reset_index(drop=True)
        fresh = {name: one.reset_index(drop=True) for name, one in columns.items()}
        return np.asarray(score_frame(case, rows.assign(**fresh)), dtype=float)
    matrix = fixed.matrix[places]
    for name, values in columns.items():
        matrix[:, trees.place[name]] = numbers(values, "numeric")
    return np.asarray(score_encoded(case, trees.final, matrix), dtype=float)


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
