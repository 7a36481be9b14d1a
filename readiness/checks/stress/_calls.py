"""Timed calls of the model, one after another, by the number of rows sent at once."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.errors import ModelError, NotAssessedError, Reason
from readiness.samples import random_order
from readiness.scoring import require_rescoring, score_frame, scores
from readiness.stats import Floats

N_FRAMES = 200  # different requests of a size; sent in turn
WARM_UP = 20  # calls of each size that fill caches and are not counted
MB = 1e6
Clock = Callable[[], float]
Send = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """Calls of one size.

    Parameters
    ----------
    size : int
        Rows sent at once.
    service : ndarray of float, shape (n,)
        Seconds of each call, in order.
    peak_mb : float
        Most memory that Python and NumPy took during one call; libraries that
        allocate by themselves are not seen.
    """

    size: int
    service: Floats
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How long to call.

    Parameters
    ----------
    seconds : float
        At least so long, over all sizes together.
    fewest : int
        Calls of each size, however long they take.
    most_seconds : float
        Then it ends, with fewer calls if need be.
    """

    seconds: float
    fewest: int
    most_seconds: float


def timed_calls(
    case: Case, sizes: Sequence[int], span: Span, clock: Clock, seed: int
) -> list[Calls]:
    """Return the time of calls with reference rows, sizes taking turns.

    Parameters
    ----------
    case : Case
    sizes : sequence of int
        Rows sent at once.
    span : Span
    clock : callable
        ``clock()`` returns seconds; only differences count.
    seed : int
        Chooses the rows.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; MODEL_SCORES when the model fails on a request; what scoring
        the reference raises.
    """
    require_rescoring(case)
    sends = [_sender(case, size, seed) for size in sizes]
    try:
        for number in range(WARM_UP):
            for send in sends:
                send(number)
        peaks = [_peak_mb(send) for send in sends]
        seconds = _in_turn(sends, span, clock)
    except ModelError as refusal:
        msg = f"The model fails on a request: {refusal}"
        raise NotAssessedError(msg, Reason.MODEL_SCORES) from refusal
    return [
        Calls(size=size, service=service, peak_mb=peak)
        for size, service, peak in zip(sizes, seconds, peaks, strict=True)
    ]


def _sender(case: Case, size: int, seed: int) -> Send:
    """Return a function that sends the k-th request; its rows are read beforehand."""
    scored = scores(case, "reference", labelled=False)
    chosen = random_order(scored, seed)[: N_FRAMES * size]
    rows = case.table("reference").take(scored.row[chosen], case.features)
    n_frames = max(1, len(rows) // size)
    frames = [
        rows.iloc[np.arange(k * size, (k + 1) * size) % len(rows)].reset_index(
            drop=True
        )
        for k in range(n_frames)
    ]
    return partial(_send, case, frames)


def _send(case: Case, frames: Sequence[pd.DataFrame], number: int) -> Floats:
    return score_frame(case, frames[number % len(frames)])


def _peak_mb(send: Send) -> float:
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    send(0)
    _, peak = tracemalloc.get_traced_memory()
    if not was_on:
        tracemalloc.stop()
    return (peak - before) / MB


def _in_turn(sends: Sequence[Send], span: Span, clock: Clock) -> list[Floats]:
    taken: list[list[float]] = [[] for _ in sends]
    began = clock()
    for number in count():
        passed = clock() - began
        is_long = passed >= span.seconds and number >= span.fewest
        if is_long or (number and passed >= span.most_seconds):
            break
        for send, kept in zip(sends, taken, strict=True):
            start = clock()
            send(number)
            kept.append(clock() - start)
    return [np.array(kept) for kept in taken]
