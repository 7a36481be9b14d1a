"""Waiting times of a service from timed calls: arrays in, numbers out."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from readiness.stats import (
    CONFIDENCE,
    Clusters,
    Floats,
    Interval,
    Ints,
    clopper_pearson,
    clustered_interval,
    student_quantile,
    weighted_mean,
)

N_PARTS = 30  # stretches of consecutive requests that count as independent
N_HALVINGS = 40
WIDER, MIDDLE = 5, 0.5  # how many more slow requests tell of dependence, at most half
ROUNDING = 1e-9


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


def latency_quantile(latency: Floats, level: float) -> Interval:
    """Return a quantile of latencies between two order statistics.

    Parameters
    ----------
    latency : numpy.ndarray of float, shape (n,)
        At least one, in the order of the requests.
    level : float
        Between 0 and 1, such as 0.99.

    Returns
    -------
    Interval
        In the unit of `latency`. The upper limit is infinite, the lower one zero,
        where there are too few requests to have one: 299 independent ones are the
        fewest for an upper limit of the 0.99 quantile. `n_blocks` is the number of
        independent requests that would tell as much.

    Notes
    -----
    No shape of the distribution is assumed. Slow requests come together (a queue, a
    pause), so the binomial count of requests below the quantile is that of fewer
    rows: the variance of the share of slow requests over 30 stretches of consecutive
    ones, over that of independent ones, where chance alone does not explain it. A few
    runs of very slow requests say little about how they come together, so the same is
    asked of the five times as many next slowest, and the larger counts. With a queue
    that takes more than a thirtieth of the requests to empty, limits are too narrow.

    References
    ----------
    H. A. David, H. N. Nagaraja (2003), Order Statistics, section 7.1.
    """
    n_rows = len(latency)
    ordered = np.sort(latency)
    value = float(ordered[_rank(level * n_rows) - 1])
    wider = max(1 - WIDER * (1 - level), MIDDLE)
    factor = max(
        _dependence(latency > cut)
        for cut in (value, ordered[_rank(wider * n_rows) - 1])
    )
    n_effective = n_rows / factor

    def is_above(rank: int) -> bool:
        hits = rank / n_rows * n_effective
        return clopper_pearson(hits, n_effective)[0] >= level

    def is_not_below(rank: int) -> bool:
        hits = (rank - 1) / n_rows * n_effective
        return clopper_pearson(hits, n_effective)[1] > level

    high = _first(is_above, n_rows)
    low = _first(is_not_below, n_rows) - 1
    limits = np.concatenate([[0.0], ordered, [np.inf]])
    ci_low, ci_high = float(limits[low]), float(limits[high])
    return Interval(
        value=value,
        ci_low=ci_low,
        ci_high=ci_high,
        se=(ci_high - ci_low) / (2 * student_quantile(np.inf)),
        n_rows=n_rows,
        n_blocks=int(n_effective),
        dependence_factor=float(np.sqrt(factor)),
    )


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


def mean_seconds(service: Floats) -> Interval:
    """Return the mean work of a request; 30 stretches of calls count as blocks."""
    part = Clusters(block=_parts(len(service)))
    return clustered_interval(weighted_mean(service), part)


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


def _first(holds: Callable[[int], bool], n_rows: int) -> int:
    """Return the first rank from 1 at which something holds; n + 1 where none does."""
    low, high = 1, n_rows + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _rank(place: float) -> int:
    """Return the next whole rank; rounding does not make it one more."""
    return max(1, int(np.ceil(place - ROUNDING)))


def _parts(n_rows: int) -> Ints:
    """Return which of the 30 stretches each request is in."""
    return np.arange(n_rows, dtype=np.int64) * N_PARTS // n_rows


def _dependence(is_slow: np.ndarray) -> float:
    """Return how many slow requests in a row tell as much as one by itself."""
    from scipy.special import chdtri  # noqa: PLC0415 (heavy)

    n_rows = len(is_slow)
    if n_rows < N_PARTS:
        return 1.0
    share = np.bincount(_parts(n_rows), is_slow) / np.bincount(_parts(n_rows))
    alone = share.mean() * (1 - share.mean())
    if alone == 0:
        return 1.0
    found = float(n_rows / N_PARTS * share.var(ddof=1) / alone)
    by_chance = float(chdtri(N_PARTS - 1, 1 - CONFIDENCE)) / (N_PARTS - 1)
    spread_unknown = student_quantile(N_PARTS - 1) / student_quantile(np.inf)
    return found * spread_unknown**2 if found > by_chance else 1.0
