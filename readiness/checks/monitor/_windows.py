"""New rows cut into windows, and the planned statistics of each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from readiness.columns import kind_of
from readiness.errors import NotAssessedError, Reason
from readiness.monitor import MonitorCase
from readiness.plan_config import Watch
from readiness.seen import encoded
from readiness.stats import Floats, Ints
from readiness.table_rows import (
    NULL_CODE,
    clusters_of,
    keys_of,
    microseconds,
    numbers,
    weights_of,
)

US_PER_DAY = 86_400e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """The statistics of w windows in the order of time.

    Parameters
    ----------
    start : numpy.ndarray of datetime64[us], shape (w,)
        Time of the first row; NaT without a time column.
    rows, blocks : numpy.ndarray of int, shape (w,)
    value : numpy.ndarray of float, shape (w, m)
        One column per watched number; NaN where a window holds no value of it, or
        the rows lack the column.
    problems : mapping of str to Reason
        Watched columns that the rows lack, or hold in another kind.
    gone : mapping of str to float
        Of watched columns without any missing value in the review: the share missing
        in the last window.
    without_time : int
        Rows that no window holds, because their time is missing.
    """

    start: npt.NDArray[np.datetime64]
    rows: Ints
    blocks: Ints
    value: Floats
    problems: dict[str, Reason]
    gone: dict[str, float]
    without_time: int


def windows_of(case: MonitorCase) -> Windows:
    """Cut the new rows as the plan was calibrated, and measure each window.

    Whole blocks in the order of time, so many to a window, or each block into so many
    windows. Blocks at the end that make no whole window belong to the last one; fewer
    blocks than a window needs are one window.

    Raises
    ------
    NotAssessedError
        SCHEMA when the rows lack the plan's time column; EMPTY when none has a time.
    """
    table, cut, watch = case.table("current"), case.plan.window, case.plan.watch
    problems = _problems(case)
    when, block, weight = _keys(case)
    kept = when != NULL_CODE if cut.time else np.ones(len(when), dtype=bool)
    if not kept.any():
        msg = "No new row has a time, so that there is no window."
        raise NotAssessedError(msg, Reason.EMPTY)
    window, n_blocks = _windows(
        block[kept], when[kept], cut.blocks_per_window, cut.windows_per_block
    )
    n = len(n_blocks)
    value = np.full((n, len(watch)), np.nan)
    for place, one in enumerate(watch):
        if one.column in problems:
            continue
        column = table.column(one.column).combine_chunks()
        part = _part(one, column)[kept]
        known = np.isfinite(part) * weight[kept]
        count = np.bincount(window, known, n)
        total = np.bincount(window, np.nan_to_num(part) * known, n)
        with np.errstate(invalid="ignore", divide="ignore"):
            value[:, place] = np.where(count > 0, total / count, np.nan)
    in_last = weight[kept] * (window == n - 1)
    whole = {one.column for one in watch if one.family == "missing"} | set(problems)
    gone = {
        one: float(np.average(_is_missing(table.column(one))[kept], weights=in_last))
        for one in dict.fromkeys(one.column for one in watch)
        if one not in whole
    }
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, window, when[kept])
    return Windows(
        start=(first if cut.time else np.full(n, NULL_CODE)).view("datetime64[us]"),
        rows=np.bincount(window, minlength=n),
        blocks=n_blocks,
        value=value,
        problems=problems,
        gone=gone,
        without_time=int((~kept).sum()),
    )


def _keys(case: MonitorCase) -> tuple[Ints, Ints, Floats]:
    """Return time, block and weight of each row."""
    table, time = case.table("current"), case.plan.window.time
    keys = keys_of(case, table)
    if time is not None and time not in table.schema.names:
        msg = f"The new rows lack the time column {time!r}, by which windows are cut."
        raise NotAssessedError(msg, Reason.SCHEMA)
    columns = dict.fromkeys([*keys.columns(), *([time] if time else [])])
    if not columns:
        n = table.n_rows
        return np.full(n, NULL_CODE), np.arange(n), np.ones(n)
    whens, blocks, weights = [], [], []
    for batch in table.batches(list(columns)):
        n = batch.num_rows
        whens.append(microseconds(batch.column(time)) if time else np.zeros(n, int))
        found = clusters_of(batch, keys).block
        blocks.append(np.full(n, NULL_CODE) if found is None else found)
        each = weights_of(batch, keys)
        weights.append(np.ones(n) if each is None else each)
    block = np.concatenate(blocks)
    if keys.time is None and keys.block is None:
        block = np.arange(len(block))  # every row is a block of its own
    return np.concatenate(whens), block, np.concatenate(weights)


def _problems(case: MonitorCase) -> dict[str, Reason]:
    table, found = case.table("current"), {}
    for one in case.plan.watch:
        if one.column not in table.schema.names:
            found[one.column] = Reason.SCHEMA
        elif one.column in table.problems:
            found[one.column] = table.problems[one.column]
        elif one.family == "mean":
            kind = kind_of(table.schema.field(one.column).type)
            is_empty = pa.types.is_null(table.schema.field(one.column).type)
            if not is_empty and kind not in ("numeric", "time", "boolean"):
                found[one.column] = Reason.SCHEMA
    return found


def _part(watch: Watch, values: pa.Array) -> Floats:
    """Return what each row adds to a statistic; NaN where it says nothing."""
    if watch.family == "mean":
        found = numbers(values) / (US_PER_DAY if watch.kind == "time" else 1.0)
        found[~np.isfinite(found)] = np.nan
        return found
    is_missing = _is_missing(values)
    if watch.family == "missing":
        return is_missing.astype(np.float64)
    codes, names = encoded(values)
    same = np.array([*(str(one) == watch.category for one in names), False])
    part: Floats = (same[codes] & ~is_missing).astype(np.float64)
    return part


def _is_missing(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(values.is_null(nan_is_null=True))


def _windows(
    block: Ints, when: Ints, per_window: int, per_block: int
) -> tuple[Ints, Ints]:
    """Return the window of each row, and the blocks that each window touches."""
    code = np.unique(block, return_inverse=True)[1]
    n = int(code.max(initial=-1)) + 1
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, code, when)
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(n)
    if per_block > 1:
        order = np.lexsort((when, rank[code]))
        sizes = np.bincount(rank[code], minlength=n)
        start = np.cumsum(sizes) - sizes
        place = np.empty(len(code), dtype=np.int64)
        ranks = rank[code[order]]
        place[order] = (np.arange(len(code)) - start[ranks]) * per_block // sizes[ranks]
        found = np.unique(rank[code] * per_block + place, return_inverse=True)[1]
        return found, np.ones(int(found.max(initial=-1)) + 1, dtype=np.int64)
    n_windows = max(n // per_window, 1)
    of_block = np.minimum(np.arange(n) // per_window, n_windows - 1)
    return of_block[rank[code]], np.bincount(of_block, minlength=n_windows)
