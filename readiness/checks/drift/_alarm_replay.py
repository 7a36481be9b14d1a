"""The alarm rule on windows that really followed each other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.alarms import student_log_evidence
from readiness.case import Case
from readiness.checks.drift._alarm_paths import Rule, block_sums_of
from readiness.scored import Scores, headline
from readiness.scoring import scores
from readiness.stats import Estimate, Floats, Ints

COLUMNS = ("window", "until", "rows", "value", "loss", "evidence", "alarms")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """Blocks of rows on one side of a comparison, as sums of influence."""

    value: float
    total: Floats
    count: Floats


def replayed(case: Case, rule: Rule, window_rows: float) -> pd.DataFrame:
    """Return what the rule would have said about current rows as they came.

    Parameters
    ----------
    case : Case
        With labels in reference and current, and a time column; else no rows.
    rule : Rule
        Its evidence is weighed against the reference table.
    window_rows : float
        Rows of a window; windows are of whole blocks.

    Returns
    -------
    pandas.DataFrame
        One row per window: ``window`` from 1, ``until`` (date of its last row), and of
        all rows so far: ``rows``, ``value`` of the headline metric, ``loss`` against
        the reference (positive is worse), ``evidence`` (natural log), ``alarms``.
    """
    empty = pd.DataFrame(columns=list(COLUMNS))
    if set(case.labelled_tables()) != {"reference", "current"}:
        return empty
    reference, current = scores(case, "reference"), scores(case, "current")
    if current.time is None or current.clusters.block is None:
        return empty
    known = _side(headline(case, reference), reference.clusters.block)
    sign = 1 if case.higher_is_better else -1
    rows = []
    for number, so_far in enumerate(_growing(current, window_rows), start=1):
        now = _side(headline(case, so_far), so_far.clusters.block)
        loss = sign * (known.value - now.value)
        evidence = _evidence(known, now, loss, rule)
        until = pd.Series(so_far.time).max()
        rows.append(
            (
                number,
                until.date().isoformat(),
                len(so_far.row),
                now.value,
                loss,
                evidence,
                bool(evidence >= -np.log(rule.alpha)),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _growing(current: Scores, window_rows: float) -> Iterator[Scores]:
    """Yield all rows up to the end of each window of whole blocks."""
    time, block = current.time, current.clusters.block
    if time is None or block is None:
        return
    usable = np.flatnonzero(~np.isnat(time))
    order = usable[np.argsort(time[usable], kind="stable")]
    _, first, code = np.unique(block[order], return_index=True, return_inverse=True)
    turn = np.argsort(np.argsort(first))[code]
    order, turn = order[np.argsort(turn, kind="stable")], np.sort(turn)
    ends = np.cumsum(np.bincount(turn))
    n_windows = int(len(order) // window_rows)
    places = np.searchsorted(ends, window_rows * np.arange(1, n_windows + 1) - 0.5)
    for end in np.unique(ends[np.minimum(places, len(ends) - 1)]):
        yield current.take(order[:end])


def _side(estimate: Estimate, block: Ints | None) -> Side:
    influence = estimate.influence
    code = np.arange(len(influence)) if block is None else block
    code = np.unique(code, return_inverse=True)[1]
    return Side(
        value=estimate.value,
        total=np.bincount(code, influence).astype(np.float64),
        count=np.bincount(code).astype(np.float64),
    )


def _evidence(known: Side, now: Side, loss: float, rule: Rule) -> float:
    usual = float(known.count.mean())
    sides = [block_sums_of(one.total, one.count) for one in (known, now)]
    squares = sum(float(one.deviations(usual)) for one in sides)
    n, m = len(now.count), len(known.count)
    if not np.isfinite(loss) or n + m < 3:  # noqa: PLR2004 (no degree of freedom)
        return float("-inf")
    relative = 1 / n + 1 / m
    return float(student_log_evidence(loss, relative, squares, n + m - 2, rule.prior))
