"""Rows of a database, read by one thread while another writes them down."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from typing import Any

import pyarrow as pa

from readiness.sql_readers import Question, Reading

AHEAD = 2  # batches that may wait to be written
PATIENCE_S = 2.0  # for a query that was told to end
TICK_S = 0.1


@contextmanager
def streamed(reading: Reading, question: Question) -> Iterator[pa.RecordBatchReader]:
    """Read a query in a thread of its own and give what it returns as it comes.

    Parameters
    ----------
    reading : callable
        Opens the database and yields its rows.
    question : Question
        Says how long that may take in all.

    Yields
    ------
    pyarrow.RecordBatchReader
        Raises what the driver raised, and TimeoutError when the time is up. Where the
        driver cannot be stopped, its thread is left to end with this process.
    """
    given: Queue[Any] = Queue(AHEAD)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_fill, args=(reading, question, given, stopped), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + question.timeout_s
    try:
        schema = _next(given, question, deadline)
        batches = _batches(given, question, deadline)
        yield pa.RecordBatchReader.from_batches(schema, batches)
    finally:
        stopped.set()
        if thread.is_alive():
            for cancel in question.cancels:
                with suppress(Exception):  # there is a worse error to tell
                    cancel()
        thread.join(PATIENCE_S)


def _fill(
    reading: Reading,
    question: Question,
    given: "Queue[Any]",
    stopped: threading.Event,
) -> None:
    try:
        with reading(question) as reader:
            _put(given, reader.schema, stopped)
            for batch in reader:
                if not _put(given, batch, stopped):
                    return
        _put(given, None, stopped)
    except Exception as cause:  # noqa: BLE001 (raised again by the thread that waits)
        _put(given, cause, stopped)


def _put(given: "Queue[Any]", one: object, stopped: threading.Event) -> bool:
    """Hand one thing over; False when nobody waits for it any more."""
    while not stopped.is_set():
        try:
            given.put(one, timeout=TICK_S)
        except Full:
            continue
        return True
    return False


def _next(given: "Queue[Any]", question: Question, deadline: float) -> Any:  # noqa: ANN401 (a schema or a batch)
    try:
        one = given.get(timeout=max(deadline - time.monotonic(), 0.0))
    except Empty:
        msg = f"it took longer than {question.timeout_s:,.4g} s"
        raise TimeoutError(msg) from None
    if isinstance(one, Exception):
        raise one
    return one


def _batches(
    given: "Queue[Any]", question: Question, deadline: float
) -> Iterator[pa.RecordBatch]:
    while True:
        batch = _next(given, question, deadline)
        if batch is None:
            return
        yield batch
