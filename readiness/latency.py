"""How long requests take: quantiles and the mean of those that come together."""

from collections.abc import Callable

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
WIDER, MIDDLE = 5, 0.5  # how many more slow requests tell of dependence, at most half
ROUNDING = 1e-9


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


def mean_seconds(service: Floats) -> Interval:
    """Return the mean work of a request; 30 stretches of calls count as blocks."""
    part = Clusters(block=_parts(len(service)))
    return clustered_interval(weighted_mean(service), part)


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
