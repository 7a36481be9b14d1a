"""One pass over a table for many summaries, merged in order."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial, reduce
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa

from readiness.clusters import executor as cluster_executor
from readiness.pieces import BATCH_ROWS, Task, pieces_by_file
from readiness.tables import Table

# Threads hand the interpreter over at every batch and column. With pieces enough for
# any number of threads, longer batches make that a quarter.
MANY_PIECES = 16
LONG_BATCH_ROWS = 4 * BATCH_ROWS


def n_cores() -> int:
    """Return the cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class Summary(Protocol):
    """What can be computed in pieces: any object with these two methods.

    The state must not grow with the rows, and merging must not lose anything: then
    the result is the same for any number of threads. It must be picklable, to be
    sent to other processes.
    """

    def summarize(self, batch: pa.RecordBatch) -> Any:  # noqa: ANN401 (its own state)
        """Return the state of one batch, which may be empty."""

    def merge(self, a: Any, b: Any) -> Any:  # noqa: ANN401 (its own state)
        """Return the state of the rows of `a` followed by those of `b`."""


def scan(
    table: Table,
    summaries: Mapping[str, Summary],
    columns: Sequence[str] | None = None,
    executor: Executor | None = None,
) -> Mapping[str, Any]:
    """Compute many summaries of a table in one pass.

    Parameters
    ----------
    table : Table
        Streams as record batches; never held as a whole.
    summaries : mapping of str to Summary
        By any name.
    columns : sequence of str, optional
        The columns the summaries look at; all when None.
    executor : concurrent.futures.Executor, optional
        Gets one task per file of the table; by default the workers of the table's
        cluster, else one thread per core.

    Returns
    -------
    mapping of str to object
        The merged state of each summary. Batches are merged within their piece,
        pieces within their file, then files in order, whatever the executor.

    Notes
    -----
    The design and its measured cost: one sort of a cache-sized piece answers counts
    at any number of edges; see `summaries`.
    """
    batch_rows = LONG_BATCH_ROWS if len(table.pieces) >= MANY_PIECES else BATCH_ROWS
    tasks = iter(table.tasks(columns, batch_rows))
    merge = partial(_merge, summaries)
    sizes = pieces_by_file(table.pieces)
    if executor is None and table.cluster:
        executor = cluster_executor(table.cluster)
    if executor is not None:
        files = [list(islice(tasks, size)) for size in sizes]
        work = partial(_summarize_file, summaries=summaries)
        return reduce(merge, executor.map(work, files))
    with ThreadPoolExecutor(n_cores()) as pool:
        states = _by_threads(pool, list(tasks), summaries)
        return reduce(merge, (reduce(merge, islice(states, size)) for size in sizes))


def _summarize_file(
    tasks: Sequence[Task], summaries: Mapping[str, Summary]
) -> Mapping[str, Any]:
    merge = partial(_merge, summaries)
    pieces = (
        reduce(merge, (_summarize(batch, summaries) for batch in task()))
        for task in tasks
    )
    return reduce(merge, pieces)


def _summarize(
    batch: pa.RecordBatch, summaries: Mapping[str, Summary]
) -> Mapping[str, Any]:
    return {name: one.summarize(batch) for name, one in summaries.items()}


def _merge(
    summaries: Mapping[str, Summary], a: Mapping[str, Any], b: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {name: one.merge(a[name], b[name]) for name, one in summaries.items()}


def _by_threads(
    pool: ThreadPoolExecutor, tasks: Sequence[Task], summaries: Mapping[str, Summary]
) -> Iterator[Mapping[str, Any]]:
    """Yield the state of each piece: a thread reads and counts one, or its batches."""
    if len(tasks) >= n_cores():
        yield from pool.map(lambda task: _summarize_file([task], summaries), tasks)
        return
    for task in tasks:
        states = pool.map(partial(_summarize, summaries=summaries), task())
        yield reduce(partial(_merge, summaries), states)
