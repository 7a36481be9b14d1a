"""S10: how long requests take, and how many a second can be borne."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._calls import Calls, Clock, Span, timed_calls
from readiness.checks.stress._load_view import alt, draw, notes_on
from readiness.latency import latency_quantile, mean_seconds
from readiness.queueing import (
    Load,
    even_latency,
    latency_on_schedule,
    open_loop_latency,
    sustainable_rate,
    with_omitted,
)
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import Floats, Interval, summary_frame, summary_row

LEVELS = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
RATE = "sustainable_rate"
MS = 1000.0
DRAWN = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
CLOSED, ONE_WORKER, ENOUGH = "one after another", "on schedule", "enough workers"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Size:
    """Calls of one size, and the schedule they are held against."""

    calls: Calls
    spacing: Floats
    rate: float | None
    bound_s: float | None

    @property
    def load(self) -> Load | None:
        """The requests on schedule; None where no rate is declared."""
        if self.rate is None:
            return None
        return Load(service=self.calls.service, spacing=self.spacing, rate=self.rate)


def measure(case: Case, options: Options) -> Measurement:
    """Measure the latency of requests, and the highest rate one worker sustains.

    Parameters
    ----------
    case : Case
        Needs a model that can score rows again. ``operation.requests_per_second``
        and ``operation.p99_ms`` tell what it must bear.
    options : Options
        ``batch`` (100) rows of a large request, beside requests of one row.
        ``seconds`` (60) and ``calls`` (299) of each size, whichever takes longer,
        and at most ``most_seconds`` (300). Where neither is declared,
        ``short_seconds`` (1) and at least 30 calls. ``workers`` (1) that share the
        declared rate.

    Returns
    -------
    Measurement
        ``p50_ms``, ``p95_ms``, ``p99_ms`` (ms) and ``sustainable_rate`` (1/s) of one
        worker, by rows in a request: ``1``, ``100``. Latency counts from the intended
        start at the declared rate; without a rate it is that of calls one after
        another. Tables ``sizes``: work and memory of a call; ``queue``: utilisation
        and mean latency at the declared rate; ``curve``: quantiles by view.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, MODEL_SCORES, or what scoring the reference raises.

    Notes
    -----
    Calls are timed one after another, then put on a schedule of requests that come
    independently (Poisson) to one worker that answers in order: nothing is left out
    because the timer waited. Large requests come so much more rarely that the rows a
    second are the same. Limits are order statistics, widened where slow requests come
    together. In a full run the worker has one thread, unless OMP_NUM_THREADS says
    otherwise. The model is called in this process: network, decoding and other
    services come on top, and another machine gives other numbers. Do not trust it
    when other programs were busy; a full run therefore measures it last and alone.
    The numbers differ from run to run and do not enter the digest of results.

    References
    ----------
    G. Tene (2013), "How not to measure latency". D. V. Lindley (1952),
    doi:10.1017/S0305004100027638.
    """
    return measure_by(case, options, time.perf_counter)


def measure_by(case: Case, options: Options, clock: Clock) -> Measurement:
    """Measure as `measure`, by another clock."""
    operation = case.file.operation
    p99_ms, rate = operation.p99_ms, operation.requests_per_second
    is_short = p99_ms is None and rate is None
    sizes = list(dict.fromkeys((1, int(options["batch"]))))
    done = timed_calls(case, sizes, _span(options, short=is_short), clock, options.seed)
    rng = np.random.default_rng(options.seed)
    most = max(len(one.service) for one in done)
    spacing = rng.exponential(1.0, most)
    found = [
        _Size(
            calls=one,
            spacing=spacing[: len(one.service)],
            rate=None if rate is None else rate / options["workers"] / one.size,
            bound_s=None if p99_ms is None else p99_ms / MS,
        )
        for one in done
    ]
    tables = {
        "sizes": pd.DataFrame([_line(one) for one in found]),
        "queue": pd.DataFrame([_queue(one) for one in found]),
        "curve": pd.DataFrame([point for one in found for point in _curve(one)]),
    }
    summary = summary_frame([row for one in found for row in _rows(one)])
    return Measurement(
        summary=summary, tables=tables, notes=notes_on(summary, tables, p99_ms)
    )


def _span(options: Options, *, short: bool) -> Span:
    return Span(
        seconds=options["short_seconds" if short else "seconds"],
        fewest=30 if short else options["calls"],
        most_seconds=options["most_seconds"],
    )


def _rows(one: _Size) -> list[dict[str, Any]]:
    group, load = str(one.calls.size), one.load
    rows = []
    for metric, level in LEVELS.items():
        if load is None:
            found = latency_quantile(one.calls.service, level)
        else:
            found = latency_on_schedule(load, level)
        rows.append(summary_row(metric, group, _in_ms(found), "ms"))
    rate = sustainable_rate(
        one.calls.service, one.spacing, LEVELS["p99_ms"], one.bound_s
    )
    return [*rows, summary_row(RATE, group, rate, "1/s")]


def _in_ms(found: Interval) -> Interval:
    return replace(
        found,
        value=found.value * MS,
        ci_low=found.ci_low * MS,
        ci_high=found.ci_high * MS,
        se=found.se * MS,
    )


def _line(one: _Size) -> dict[str, Any]:
    service = one.calls.service
    work = mean_seconds(service)
    return {
        "rows_in_request": one.calls.size,
        "requests": len(service),
        "seconds": float(service.sum()),
        "work_ms": work.value * MS,
        "work_ms_low": max(work.ci_low, 0.0) * MS,
        "work_ms_high": work.ci_high * MS,
        "rows_per_second": one.calls.size / work.value,
        "peak_mb": one.calls.peak_mb,
    }


def _queue(one: _Size) -> dict[str, Any]:
    work, load = mean_seconds(one.calls.service).value, one.load
    line = dict.fromkeys(("utilisation", "mean_ms", "mean_ms_if_even"), np.nan)
    if load is not None:
        line = {
            "utilisation": work * load.rate,
            "mean_ms": float(open_loop_latency(load).mean()) * MS,
            "mean_ms_if_even": even_latency(work, load.rate) * MS,
        }
    rate = np.nan if one.rate is None else one.rate
    return {
        "rows_in_request": one.calls.size,
        "requests_per_second": rate,
        **line,
    }


def _curve(one: _Size) -> list[dict[str, Any]]:
    views: Mapping[str, Floats] = {CLOSED: one.calls.service}
    if one.load is not None and one.rate is not None:
        views = {
            **views,
            ENOUGH: with_omitted(one.calls.service, 1 / one.rate),
            ONE_WORKER: open_loop_latency(one.load),
        }
    return [
        {
            "rows_in_request": one.calls.size,
            "view": view,
            "level": level,
            "latency_ms": latency_quantile(latency, level).value * MS,
        }
        for view, latency in views.items()
        for level in DRAWN
        if len(latency) * (1 - level) >= 1
    ]


CHECK = Check(
    code="S10",
    title="Load",
    question="How long do answers take at the expected load, and where does it end?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="p99_ms",
            side="at_most",
            limit="case:operation.p99_ms",
            required_in=(),
            groups="each",
            reason="An answer that comes after the caller has given up is no answer.",
        ),
    ),
    defaults={
        "batch": 100,
        "seconds": 60,
        "calls": 299,
        "most_seconds": 300,
        "short_seconds": 1,
        "workers": 1,
    },
    metrics=("p50_ms", "p95_ms", RATE),
    shown="sizes",
)
