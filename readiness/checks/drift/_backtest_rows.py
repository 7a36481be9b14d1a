"""Labelled rows a label-free estimate learns from, and windows it is tried on."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from readiness.case import Case
from readiness.checks.drift._base import Base
from readiness.checks.drift._planned import Planned
from readiness.errors import NotAssessedError, Reason
from readiness.scored import Scores
from readiness.scoring import scores
from readiness.stats import Ints

FEWEST_WINDOWS = 5
USUAL_WINDOWS = 12  # where the case declares no window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """What is learned from, and the windows after it.

    Parameters
    ----------
    learned : Scores
        Labelled rows, in time order.
    windows : tuple of Scores
        Labelled rows of whole blocks, each after the one before.
    one_table : bool
        Both come from one table, the earlier blocks and the later ones.
    """

    learned: Scores
    windows: tuple[Scores, ...]
    one_table: bool


def trial_of(case: Case, base: Base, plan: Planned) -> Trial:
    """Return reference rows and the windows of current ones, or halves of one table.

    Raises
    ------
    NotAssessedError
        ``NO_TIME`` without a time column; ``TOO_FEW_ROWS`` with fewer than five
        windows.
    """
    named = case.labelled_tables()
    one_table = len(named) == 1
    ordered = [_in_time(scores(case, name)) for name in named]
    if one_table:
        (whole, turn), n_blocks = ordered[0], int(ordered[0][1][-1]) + 1
        half = int(np.searchsorted(turn, n_blocks // 2))
        n_rows = len(whole.row)
        learned = whole.take(np.arange(half))
        later, turn = whole.take(np.arange(half, n_rows)), turn[half:] - n_blocks // 2
    else:
        (learned, _), (later, turn) = ordered
    declared = base.case.file.operation.monitor_window_rows is not None
    rows = plan.window_rows if declared else max(len(later.row) // USUAL_WINDOWS, 1)
    windows = tuple(
        later.take(np.arange(start, end)) for start, end in _cuts(turn, rows)
    )
    if len(windows) < FEWEST_WINDOWS or not len(learned.row):
        msg = (
            f"A back-test needs {FEWEST_WINDOWS} windows of {rows} labelled rows after "
            f"those it learns from; {later.table} gives {len(windows)}."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    return Trial(learned=learned, windows=windows, one_table=one_table)


def _in_time(scored: Scores) -> tuple[Scores, Ints]:
    """Return the rows block by block in time order, and the turn of each row's block.

    Rows without a time are left out.
    """
    if scored.time is None:
        msg = "A back-test follows windows through time; the case names no time column."
        raise NotAssessedError(msg, Reason.NO_TIME)
    known = scored.take(np.flatnonzero(~np.isnat(scored.time)))
    stamps = np.asarray(known.time).astype(np.int64)
    block = known.clusters.block
    code = stamps if block is None else block
    code = np.unique(code, return_inverse=True)[1]
    first = np.full(int(code.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, code, stamps)
    turn = np.argsort(np.argsort(first, kind="stable"), kind="stable")[code]
    order = np.lexsort((known.row, stamps, turn))
    return known.take(order), turn[order].astype(np.int64)


def _cuts(turn: Ints, rows: int) -> list[tuple[int, int]]:
    """Return where windows of about so many rows start and end, at ends of blocks."""
    ends = np.cumsum(np.bincount(turn))
    blocks = max(round(rows / (len(turn) / len(ends))), 1)
    kept = [0, *ends[blocks - 1 :: blocks].tolist()]
    return list(pairwise(kept))
