"""Good rows to alter, and the loss of the headline metric on altered copies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.faults import FaultRows
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import require_rescoring, scores
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clustered_interval,
    difference,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Good labelled rows in random order, and what the model says about them.

    Parameters
    ----------
    case : Case
    table : str
        The labelled table with the most blocks.
    rows : FaultRows
        n rows.
    truth, clean : ndarray of shape (n,), and (n,) or (n, k)
        Labels, and scores of the good rows.
    weight : ndarray of shape (n,) or None
    clusters : Clusters
    """

    case: Case
    table: str
    rows: FaultRows
    truth: npt.NDArray[np.float64]
    clean: Floats
    weight: Floats | None
    clusters: Clusters

    def estimate(self, y_score: Floats, share: float | Floats = 1.0) -> Estimate:
        """Return the headline metric where a share of the rows has other scores.

        Parameters
        ----------
        y_score : ndarray of shape (m,) or (m, k)
            Scores of the first m rows, altered.
        share : float or ndarray of shape (m,)
            Every row is altered with this probability, or with its own,
            independently. The good and the altered copy of a row are weighted by how
            likely each is, so all shares come from one scoring, without noise of the
            draw.

        Returns
        -------
        Estimate
            Influence of the m rows: half the sum of their two copies'.
        """
        n_rows = len(y_score)
        truth = self.truth[:n_rows]
        weight = np.ones(n_rows) if self.weight is None else self.weight[:n_rows]
        metric, cut = self.case.metric, self.case.threshold
        if np.all(share == 1):
            return metric.estimate(truth, y_score, weight, cut)
        both = metric.estimate(
            np.concatenate([truth, truth]),
            np.concatenate([self.clean[:n_rows], y_score]),
            np.concatenate([(1 - share) * weight, share * weight]),
            cut,
        )
        one, other = both.influence[:n_rows], both.influence[n_rows:]
        return Estimate(value=both.value, influence=(one + other) / 2)

    def loss(self, y_score: Floats, share: float | Floats = 1.0) -> Interval:
        """Return the paired loss of the headline metric; positive is worse."""
        good, bad = self.estimate(self.clean[: len(y_score)]), y_score
        altered = self.estimate(bad, share)
        if np.array_equal(self.clean[: len(bad)], bad):
            altered = good  # exactly nothing, not the rounding of two sums
        worse = difference(good, altered)
        if not self.case.metric.higher_is_better:
            worse = difference(altered, good)
        return clustered_interval(worse, self.clusters.take(np.arange(len(bad))))


def open_bench(case: Case, n_rows: int, seed: int) -> Bench:
    """Return random rows of the labelled table with the most blocks.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NO_PROBABILITIES; ONE_CLASS where the rows do not define the
        headline metric; or what scoring the tables raises.
    """
    require_rescoring(case)
    if case.metric.needs == "probability" and case.model.outputs == "class":
        msg = f"{case.metric.name} needs probabilities; the model gives classes only."
        raise NotAssessedError(msg, Reason.NO_PROBABILITIES)
    scored = _most_blocks([scores(case, name) for name in case.labelled_tables()])
    chosen = random_order(scored, seed)[:n_rows]
    before = _row_before(scored)
    known = None if before is None else before[chosen]
    picked = [chosen] if known is None else [chosen, np.where(known < 0, chosen, known)]
    table = case.table(scored.table)
    frame = table.take(scored.row[np.concatenate(picked)], case.features)
    previous = None if known is None else frame.iloc[len(chosen) :]
    bench = Bench(
        case=case,
        table=scored.table,
        rows=FaultRows(
            frame=frame.iloc[: len(chosen)],
            previous=None if previous is None else previous.reset_index(drop=True),
            has_previous=None if known is None else known >= 0,
            seed=seed,
        ),
        truth=scored.y_true[chosen],
        clean=scored.y_score[chosen],
        weight=None if scored.weight is None else scored.weight[chosen],
        clusters=scored.clusters.take(chosen),
    )
    if not np.isfinite(bench.estimate(bench.clean).value):
        msg = f"The {scored.table} rows do not define {case.metric.name}."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    return bench


def _most_blocks(tables: list[Scores]) -> Scores:
    def n_blocks(one: Scores) -> int:
        code = one.clusters.block
        return len(one.row) if code is None else len(np.unique(code))

    return max(tables, key=n_blocks)


def _row_before(scored: Scores) -> Ints | None:
    """Return the place of each row's predecessor, of its entity or in time; else -1."""
    if scored.time is None:
        return None
    entity = scored.clusters.entity
    owner = np.zeros(len(scored.row), dtype=np.int64) if entity is None else entity
    order = np.lexsort((scored.row, scored.time, owner))
    same = owner[order[1:]] == owner[order[:-1]]
    known = ~np.isnat(scored.time[order])
    before = np.full(len(order), -1, dtype=np.int64)
    linked = same & known[1:] & known[:-1]
    before[order[1:][linked]] = order[:-1][linked]
    return before
