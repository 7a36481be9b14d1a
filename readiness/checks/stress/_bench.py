"""Good rows to alter, and the loss of the headline metric on altered copies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.faults import DAY_OLD, STALE, Earlier, FaultRows
from readiness.result import Measurement
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

DAY = 86_400  # seconds
OPENED = "opened"


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
        rows = np.broadcast_to(np.asarray(share) > 0, len(bad))
        if np.array_equal(self.clean[: len(bad)][rows], bad[rows]):
            altered = good  # exactly nothing, not the rounding of two sums
        worse = difference(good, altered)
        if not self.case.metric.higher_is_better:
            worse = difference(altered, good)
        return clustered_interval(worse, self.clusters.take(np.arange(len(bad))))


def answers(case: Case, y_score: Floats) -> Floats:
    """Return what a monitor of predictions watches: (n, k), of k means or shares.

    Parameters
    ----------
    case : Case
    y_score : ndarray of shape (n,) or (n, k)
        Probabilities and values as they are; codes of classes become one column of 0
        and 1 each.
    """
    if case.task == "multiclass" and y_score.ndim == 1:
        return np.asarray(y_score[:, None] == np.arange(len(case.classes)), float)
    return y_score[:, None] if y_score.ndim == 1 else y_score


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
    bench = Bench(
        case=case,
        table=scored.table,
        rows=_fault_rows(case, scored, chosen, seed),
        truth=scored.y_true[chosen],
        clean=scored.y_score[chosen],
        weight=None if scored.weight is None else scored.weight[chosen],
        clusters=scored.clusters.take(chosen),
    )
    if not np.isfinite(bench.estimate(bench.clean).value):
        msg = f"The {scored.table} rows do not define {case.metric.name}."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    return bench


def opened(bench: Bench) -> pd.DataFrame:
    """Return the table and the number of rows of a bench: the table ``opened``."""
    return pd.DataFrame({"table": [bench.table], "rows": [len(bench.truth)]})


def open_again(case: Case, measurement: Measurement, seed: int) -> Bench:
    """Return the very rows that the fault bench altered.

    What a fault puts in place of a value, and which faults there are, depends on the
    rows; checks that ask about its cells must not choose rows of their own.

    Parameters
    ----------
    case : Case
    measurement : Measurement
        Of S1, in this run.
    seed : int
        Of this run.

    Raises
    ------
    NotAssessedError
        As `open_bench`.
    """
    return open_bench(case, int(measurement.tables[OPENED]["rows"].iloc[0]), seed)


def _most_blocks(tables: list[Scores]) -> Scores:
    def n_blocks(one: Scores) -> int:
        code = one.clusters.block
        return len(one.row) if code is None else len(np.unique(code))

    return max(tables, key=n_blocks)


def _fault_rows(case: Case, scored: Scores, chosen: Ints, seed: int) -> FaultRows:
    before = _rows_before(scored)
    donors = [np.where(one < 0, chosen, one) for one in (b[chosen] for b in before)]
    rows = scored.row[np.concatenate([chosen, *donors])]
    frame = case.table(scored.table).take(rows, case.features)
    n_rows, time = len(chosen), scored.time
    earlier = {}
    for place, (name, donor) in enumerate(zip((STALE, DAY_OLD), donors, strict=False)):
        start = (place + 1) * n_rows
        age = np.zeros(n_rows)
        if time is not None:
            age = (time[chosen] - time[donor]) / np.timedelta64(1, "h")
        earlier[name] = Earlier(
            frame=frame.iloc[start : start + n_rows].reset_index(drop=True),
            known=before[place][chosen] >= 0,
            age=np.nan_to_num(np.asarray(age, dtype=np.float64)),
        )
    return FaultRows(frame=frame.iloc[:n_rows], earlier=earlier, seed=seed)


def _rows_before(scored: Scores) -> list[Ints]:
    """Return the place of each row's predecessor, and of that a day before; else -1.

    Of its entity, or in time; nothing without times.
    """
    if scored.time is None:
        return []
    entity = scored.clusters.entity
    owner = np.zeros(len(scored.row), dtype=np.int64) if entity is None else entity
    owner = np.unique(owner, return_inverse=True)[1].astype(np.int64)
    known = np.flatnonzero(~np.isnat(scored.time))
    order = known[np.lexsort((scored.row[known], scored.time[known], owner[known]))]
    second = scored.time[order].astype("datetime64[s]").astype(np.int64)
    first = int(second.min(initial=0))
    span = int(second.max(initial=0)) - first + 2 * DAY
    key = owner[order] * span + second - first
    found = []
    ends = (
        np.arange(len(order)),
        np.searchsorted(key, key - DAY, side="right"),
    )
    for end in ends:
        place = end - 1
        is_own = (place >= 0) & (owner[order[place]] == owner[order])
        before = np.full(len(scored.row), -1, dtype=np.int64)
        before[order[is_own]] = order[place[is_own]]
        found.append(before)
    return found
