"""Waiting times of a service from timed calls: arrays in, numbers out."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from readiness.latency import ROUNDING, latency_quantile, mean_seconds
from readiness.stats import Floats, Interval, student_quantile

N_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """Requests on a schedule, and how long each keeps the worker busy.

    Parameters
    ----------
    service : numpy.ndarray of float, shape (n,)
        Seconds of work of each request, in the order they were timed.
    spacing : numpy.ndarray of float, shape (n,)
        Time between the intended start of each request and of the one before it, in
        units of the mean spacing; the first does not count. All ones: an even
        schedule; exponential: requests that come independently.
    rate : float
        Requests a second.
    """

    service: Floats
    spacing: Floats
    rate: float


def open_loop_latency(load: Load) -> Floats:
    """Return seconds from the intended start of each request to its answer.

    One worker answers in order. A timer that sends a request only after the answer
    to the one before (a closed loop) leaves out the requests that would have queued
    behind a slow one: coordinated omission. Here they wait.

    Returns
    -------
    numpy.ndarray of float, shape (n,)

    References
    ----------
    D. V. Lindley (1952), doi:10.1017/S0305004100027638.
    """
    work, gap = load.service, load.spacing / load.rate
    walk = np.concatenate([[0.0], np.cumsum(work[:-1] - gap[1:])])
    latency: Floats = work + (walk - np.minimum.accumulate(walk))
    return latency


def with_omitted(latency: Floats, interval: float) -> Floats:
    """Return closed-loop latencies with those of the requests left out.

    During a call of length v, further requests were due every `interval` seconds;
    with enough workers they are answered when it is, after v - interval,
    v - 2 interval and so on.

    Parameters
    ----------
    latency : numpy.ndarray of float, shape (n,)
        Seconds, each measured after the answer before.
    interval : float
        Seconds between requests on schedule.

    Returns
    -------
    numpy.ndarray of float, shape (m,)
        The n latencies, then the m - n added ones.

    References
    ----------
    G. Tene (2013), "How not to measure latency"; HdrHistogram.
    """
    n_left_out = np.floor(latency / interval + ROUNDING).astype(np.int64) - 1
    n_left_out = np.maximum(n_left_out, 0)
    before = np.repeat(np.cumsum(n_left_out) - n_left_out, n_left_out)
    step = np.arange(n_left_out.sum()) - before + 1
    added = np.repeat(latency, n_left_out) - step * interval
    return np.concatenate([latency, added])


def even_latency(service_s: float, rate: float) -> float:
    """Return the mean latency if every call took equally long: the M/D/1 law.

    Parameters
    ----------
    service_s : float
        Seconds of work of every request.
    rate : float
        Requests a second that come independently, to one worker.

    Returns
    -------
    float
        Seconds; infinite where the worker cannot keep up.

    Examples
    --------
    >>> round(even_latency(1.0, 0.7), 3)
    2.167
    """
    busy = service_s * rate
    if busy >= 1:
        return float("inf")
    return service_s * (1 + busy / (2 * (1 - busy)))


def latency_on_schedule(load: Load, level: float) -> Interval:
    """Return a quantile of the latency of one worker at a rate.

    Returns
    -------
    Interval
        Seconds. Where the worker may not keep up, no upper limit exists; where it
        certainly does not, latency grows for as long as requests come, and the
        quantile over these n requests is itself the lower limit.
    """
    busy = mean_seconds(load.service)
    found = latency_quantile(open_loop_latency(load), level)
    if load.rate * busy.ci_low > 1:
        return replace(found, ci_low=found.value, ci_high=np.inf, se=np.inf)
    if load.rate * busy.ci_high >= 1:
        alone = latency_quantile(load.service, level)
        low = min(alone.ci_low, found.value)
        return replace(found, ci_low=low, ci_high=np.inf, se=np.inf)
    return found


def sustainable_rate(
    service: Floats, spacing: Floats, level: float, bound: float | None
) -> Interval:
    """Return the highest rate that one worker sustains.

    Parameters
    ----------
    service, spacing : numpy.ndarray of float, shape (n,)
        As in `Load`.
    level : float
        Of the quantile of latency that must keep to the bound.
    bound : float or None
        Seconds. None: the queue must only not grow without end.

    Returns
    -------
    Interval
        Requests a second; never more than one over the mean work. The lower limit is
        the rate at which the upper limit of the latency reaches the bound.
    """
    work = mean_seconds(service)
    most = Interval(
        value=1 / work.value,
        ci_low=1 / work.ci_high,
        ci_high=1 / work.ci_low if work.ci_low > 0 else np.inf,
        se=work.se / work.value**2,
        n_rows=work.n_rows,
        n_blocks=work.n_blocks,
        dependence_factor=work.dependence_factor,
    )
    if bound is None:
        return most

    def highest(limit: str, cap: float) -> float:
        def holds(rate: float) -> bool:
            load = Load(service=service, spacing=spacing, rate=rate)
            found = latency_quantile(open_loop_latency(load), level)
            return bool(getattr(found, limit) <= bound)

        return _last_rate(holds, min(cap, 2 / work.value))

    value = highest("value", most.value)
    low = min(highest("ci_high", most.ci_low), value)
    high = max(highest("ci_low", most.ci_high), value)
    se = (high - low) / (2 * student_quantile(np.inf))
    return replace(most, value=value, ci_low=low, ci_high=high, se=se)


def _last_rate(holds: Callable[[float], bool], cap: float) -> float:
    """Return the highest rate up to a cap at which something still holds; or zero."""
    if holds(cap):
        return cap
    low, high = 0.0, cap
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low if low > cap * ROUNDING else 0.0
