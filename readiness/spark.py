"""The same summaries over a Spark DataFrame, which stays where it is."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import Any

import pyarrow as pa

from readiness.errors import InputError, ReadinessError, Reason
from readiness.pieces import BATCH_ROWS
from readiness.scan import Summary
from readiness.sources import require_unique
from readiness.sparkfile import numbered

STATE = "part int, state binary"
States = Mapping[str, Any]
Merge = Callable[[States, States], States]


def spark_scan(
    dataframe: Any,  # noqa: ANN401 (pyspark is optional)
    summaries: Mapping[str, Summary],
    columns: Sequence[str] | None = None,
) -> Mapping[str, Any]:
    """Compute many summaries of a Spark DataFrame in one pass.

    Parameters
    ----------
    dataframe : pyspark.sql.DataFrame
        Its partitions are read by its own executors, which need readiness.
    summaries : mapping of str to Summary
        By any name; as for `scan.scan`.
    columns : sequence of str, optional
        The columns the summaries look at; all when None.

    Returns
    -------
    mapping of str to object
        The merged state of each summary. Each partition sends one state, and these
        are merged in the order of the partitions. A summary whose state does not
        depend on how rows are cut gives what `scan.scan` gives for the same rows.

    Raises
    ------
    InputError
        INPUT_FORMAT when names repeat or a column is absent; EMPTY without a row.
    ReadinessError
        CLUSTER when Spark fails, as it does where its workers lack readiness.
    """
    names = list(dataframe.columns) if columns is None else list(columns)
    require_unique(dataframe.columns, "Spark")
    absent = [name for name in names if name not in dataframe.columns]
    if absent:
        msg = f"The Spark table has no column {absent[0]!r}. Correct the name."
        raise InputError(msg, Reason.INPUT_FORMAT)
    found = _collected(dataframe, names, summaries)
    if not found:
        msg = "The Spark table must have rows; it has none."
        raise InputError(msg, Reason.EMPTY)
    # Written by our own code on the executors of this very job.
    states: list[States] = [
        pickle.loads(bytes(row["state"]))  # noqa: S301 (see above)
        for row in sorted(found, key=lambda row: int(row["part"]))
    ]
    merge: Merge = partial(_merged, summaries)
    return reduce(merge, states)


def _collected(
    dataframe: Any,  # noqa: ANN401 (pyspark is optional)
    names: Sequence[str],
    summaries: Mapping[str, Summary],
) -> Any:  # noqa: ANN401 (rows of Spark)
    from pyspark.errors import PySparkException  # noqa: PLC0415 (an extra)

    work = partial(_summarize_partition, names=names, summaries=dict(summaries))
    try:
        return numbered(dataframe, names).mapInArrow(work, STATE).collect()
    except PySparkException as cause:
        told = str(cause).split("JVM stacktrace")[0].strip().splitlines() or ["?"]
        msg = (
            f"Spark could not count the rows: {told[-1][:200]}. "
            "Its workers need readiness in the same version."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause


def _summarize_partition(
    batches: Iterable[pa.RecordBatch],
    names: Sequence[str],
    summaries: Mapping[str, Summary],
) -> Iterator[pa.RecordBatch]:
    """Yield the state of one partition; nothing for one without rows."""
    states: Iterator[States] = (
        {name: one.summarize(batch) for name, one in summaries.items()}
        for batch in _gathered(one.rename_columns(list(names)) for one in batches)
    )
    first = next(states, None)
    if first is not None:
        merge: Merge = partial(_merged, summaries)
        state = pickle.dumps(reduce(merge, states, first))
        yield pa.record_batch(
            {"part": pa.array([_place()], pa.int32()), "state": pa.array([state])}
        )


def _place() -> int:
    from pyspark import TaskContext  # noqa: PLC0415 (an extra)

    context = TaskContext.get()
    return context.partitionId() if context else 0


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches of up to 65,536 rows from Spark's, which hold 10,000."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if sum(one.num_rows for one in waiting) + batch.num_rows > BATCH_ROWS:
            yield from _together(waiting)
            waiting = []
        waiting.append(batch)
    yield from _together(waiting)


def _together(batches: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    kept = [one for one in batches if one.num_rows]
    if kept:
        yield from pa.Table.from_batches(kept).combine_chunks().to_batches(BATCH_ROWS)


def _merged(
    summaries: Mapping[str, Summary], a: Mapping[str, Any], b: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {name: one.merge(a[name], b[name]) for name, one in summaries.items()}
