"""Labelled rows as a history: sums over blocks, and over the windows of a plan."""

from dataclasses import dataclass

import numpy as np

from readiness.alarm_levels import History, pooled
from readiness.checks.drift._base import Base
from readiness.errors import NotAssessedError, Reason
from readiness.stats import Floats, Ints

MIN_BLOCKS = 10  # fewer show no window but themselves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """The rows that windows are drawn from.

    Parameters
    ----------
    history : History
        Sums of m statistics.
    n_blocks : int
        Blocks of the rows, before many were put together.
    rows_per_block : float
        Rows of a block of `history`.
    window_rows : float
        Rows of a window that is drawn: whole blocks, or part of one.
    in_order : numpy.ndarray of float, shape (w, m), or None
        The statistics of the windows that really followed each other; None without
        time.
    blocks_per_window, windows_per_block : int
        How a window is cut: whole blocks, or a part of one. One of them is 1.
    """

    history: History
    n_blocks: int
    rows_per_block: float
    window_rows: float
    in_order: Floats | None
    blocks_per_window: int
    windows_per_block: int


def past(
    base: Base, values: Floats, window_rows: int, seed: int, *, whole: bool = False
) -> Past:
    """Return a history of columns of `values`.

    Parameters
    ----------
    base : Base
        Gives blocks, times and weights of the rows.
    values : numpy.ndarray of float, shape (n, m)
        NaN where a row says nothing about a statistic.
    window_rows : int
        Of the plan.
    seed : int
        Of putting blocks together.
    whole : bool
        A window has one block at least.

    Raises
    ------
    NotAssessedError
        ``TOO_FEW_BLOCKS`` with fewer than ten blocks.
    """
    n_rows = len(values)
    block = base.scores.clusters.block
    code = np.arange(n_rows) if block is None else block[base.rows]
    code = np.unique(code, return_inverse=True)[1].astype(np.int64)
    n_blocks = int(code.max(initial=-1)) + 1
    if n_blocks < MIN_BLOCKS:
        msg = (
            f"Windows are drawn from blocks of rows that hang together; ten are "
            f"needed, and the {base.scores.table} rows have {n_blocks}."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_BLOCKS)
    weight = np.ones(n_rows) if base.weight is None else base.weight
    total, count = _weighted(values, weight)
    order = _in_time(base, code)
    per_block = n_rows / n_blocks
    parts = 1 if whole else max(round(per_block / window_rows), 1)
    piece, owner = _pieces(code[order], parts)
    sums = [_sums(one[order], piece, len(owner)) for one in (total, count)]
    per_window = max(round(window_rows / per_block), 1)
    history = pooled(
        History(total=sums[0], count=sums[1], block=owner, per_window=per_window), seed
    )
    return Past(
        history=history,
        n_blocks=n_blocks,
        rows_per_block=n_rows / history.n_blocks,
        window_rows=per_block / parts * per_window,
        in_order=_followed(base, sums, order, piece, per_window),
        blocks_per_window=per_window,
        windows_per_block=parts,
    )


def _weighted(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(values)
    count = known * weight[:, None]
    return np.where(known, values, 0.0) * weight[:, None], count


def _in_time(base: Base, code: Ints) -> Ints:
    """Return the rows by block, and within a block by time."""
    time = base.scores.time
    within = base.rows if time is None else time[base.rows].astype(np.int64)
    return np.lexsort((base.rows, within, code))


def _pieces(code: Ints, parts: int) -> tuple[Ints, Ints]:
    """Cut the rows of each block, in their order, into parts of about equal size."""
    sizes = np.bincount(code)
    start = np.cumsum(sizes) - sizes
    place = (np.arange(len(code)) - start[code]) * parts // sizes[code]
    named, piece = np.unique(code * parts + place, return_inverse=True)
    return piece.astype(np.int64), (named // parts).astype(np.int64)


def _sums(values: Floats, code: Ints, n: int) -> Floats:
    return np.stack([np.bincount(code, one, n) for one in values.T], axis=1)


def _followed(
    base: Base, sums: list[Floats], order: Ints, piece: Ints, per_window: int
) -> Floats | None:
    time = base.scores.time
    if time is None:
        return None
    stamps = time[base.rows][order].astype(np.int64)
    first = np.full(int(piece.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, piece, stamps)
    ordered = np.argsort(first, kind="stable")
    n = len(ordered) // per_window
    ordered = ordered[: n * per_window].reshape(n, per_window)
    total, count = (one[ordered].sum(axis=1) for one in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(count > 0, total / count, np.nan)
    return found
