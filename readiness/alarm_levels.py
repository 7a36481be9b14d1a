"""Alarm levels: windows resampled by block, so that a promised rate is kept."""

from dataclasses import dataclass

import numpy as np

from readiness.stats import Floats, Ints

REFERENCES = 2000  # drawn anew: an alarm compares two samples, and both have errors
AIM = 0.95  # of the promised rate: within a tenth of it, and below it on new data
HIGHEST_RATE = 0.5  # of windows with a false alarm; more is no monitoring
FEW_DRAWS = 64  # blocks per window drawn one by one; more by their numbers
MOST_NUMBERS = 20_000_000  # windows times statistics: what memory bears
FEWEST_WINDOWS = 10_000
POOLED_BLOCKS = 200  # blocks at random put together leave at least so many
POOLED_PER_WINDOW = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Sums of m statistics over blocks of rows, and over the pieces of a window.

    Parameters
    ----------
    total, count : numpy.ndarray of float, shape (P, m)
        Sums of values and of weights over pieces. A piece is a block, or a part of
        one where a window is shorter than a block.
    block : numpy.ndarray of int, shape (P,)
        Block of each piece, from 0 to K - 1; each occurs.
    per_window : int
        Pieces that make a window.
    """

    total: Floats
    count: Floats
    block: Ints
    per_window: int

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return int(self.block.max(initial=-1)) + 1

    @property
    def mean(self) -> Floats:
        """Value of each statistic over the whole history, (m,)."""
        return _ratio(self.total.sum(axis=0), self.count.sum(axis=0))

    @property
    def spread(self) -> Floats:
        """Standard deviation of a piece's error, (m,)."""
        weights = np.ones((1, self.n_blocks))
        return np.asarray(_mean_and_spread(self, weights)[1][0], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NullWindows:
    """Windows in which nothing has changed, each beside a reference drawn anew.

    Parameters
    ----------
    shift : numpy.ndarray of float, shape (R, W, m)
        Window less reference: W windows for each of R references.
    spread : numpy.ndarray of float, shape (R, 1, m)
        `History.spread` of each reference.
    n_windows : float
        Different windows that the history can make: of one block each as many as it
        has blocks, of several blocks many more.
    """

    shift: Floats
    spread: Floats
    n_windows: float

    def alarms(self, level: float, moved: Floats | float = 0.0) -> Floats:
        """Return the share of windows in which each statistic alarms, (m,)."""
        far = np.abs(self.shift + moved) > level * self.spread
        return np.asarray(far.mean(axis=(0, 1)), dtype=np.float64)


def pooled(history: History, seed: int) -> History:
    """Return a history of fewer, larger blocks where there are very many.

    Blocks are put together at random, which leaves the error of a mean as it is. Only
    blocks of one piece each are put together.
    """
    n_blocks, k = history.n_blocks, history.per_window
    factor = min(n_blocks // POOLED_BLOCKS, k // POOLED_PER_WINDOW)
    if factor < 2 or len(history.block) != n_blocks:  # noqa: PLR2004 (one: as it is)
        return history
    count = n_blocks // factor
    place = np.random.default_rng(seed).permutation(n_blocks) % count
    code = place[history.block]
    return History(
        total=_summed(history.total, code, count),
        count=_summed(history.count, code, count),
        block=np.arange(count, dtype=np.int64),
        per_window=max(round(k / factor), 1),
    )


def null_windows(history: History, n_windows: int, seed: int) -> NullWindows:
    """Draw windows and references from one history, each as if it were new.

    Parameters
    ----------
    history : History
        Of rows in which nothing is wrong.
    n_windows : int
        Rounded up to whole windows per reference; fewer, but at least 10,000, where
        there are more than 200 statistics.
    seed : int

    Notes
    -----
    A window is held against an estimate, so that its move has the error of both. Blocks
    are drawn with replacement; windows shorter than a block are pieces of one.
    """
    rng = np.random.default_rng(seed)
    bearable = max(MOST_NUMBERS // history.total.shape[1], FEWEST_WINDOWS)
    n_windows = min(n_windows, bearable)
    n_refs = min(REFERENCES, n_windows)
    per_reference = -(-n_windows // n_refs)
    k = history.n_blocks
    weights = rng.multinomial(k, np.full(k, 1 / k), size=n_refs).astype(float)
    mean, spread = _mean_and_spread(history, weights)
    drawn = _windows(history, n_refs * per_reference, rng)
    shape = (n_refs, per_reference, history.total.shape[1])
    # A sample of k blocks has (k - 1) / k of the spread it was drawn from.
    wider = np.sqrt(k / max(k - 1, 1))
    shift = (drawn.reshape(shape) - mean[:, None, :]) * wider
    return NullWindows(
        shift=shift,
        spread=spread[:, None, :],
        n_windows=float(k) ** min(history.per_window, FEW_DRAWS),
    )


def calibrated_level(null: NullWindows, rate: float) -> float:
    """Return the level at which any of the statistics alarms at a promised rate.

    Parameters
    ----------
    null : NullWindows
    rate : float
        Promised share of windows with a false alarm, over all statistics together; at
        most one half counts.

    Returns
    -------
    float
        In spreads of one piece (`History.spread`): a window alarms when any statistic
        is further than this from its reference.

    Notes
    -----
    The quantile of the largest move, each in the spread of its own reference, as in
    the bootstrap-t. It aims at 95 % of the rate: a level learnt from few blocks errs,
    and it should err on the promised side. Where a window is a single block, K blocks
    show no event rarer than one in K + 1, and the quantile is the conformal one.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer (2005), doi:10.1007/b106715.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(null.spread > 0, np.abs(null.shift) / null.spread, 0.0)
    promised = min(rate, HIGHEST_RATE)
    # Beyond the largest of n windows lies one in n + 1 of those to come.
    unseen = (1 - promised) / null.n_windows
    aim = max(min(AIM * promised, promised - unseen), 0.0)
    return float(np.quantile(far.max(axis=2), 1 - aim, method="higher"))


def detected_within(null: NullWindows, level: float, moved: Floats, n: int) -> Floats:
    """Return the chance that each statistic alarms in one of n windows, (m,).

    Parameters
    ----------
    moved : numpy.ndarray of float, shape (m,)
        True move of each statistic, in every window.
    n : int
        Windows held against the same reference; at most W.
    """
    far = np.abs(null.shift + moved) > level * null.spread
    n_refs, per_reference, m = far.shape
    sets = per_reference // n
    share: Floats = (
        far[:, : sets * n].reshape(n_refs, sets, n, m).any(axis=2).mean(axis=(0, 1))
    )
    return share


def smallest_detected(
    null: NullWindows, level: float, sign: int, power: float
) -> Floats:
    """Return the smallest move seen in one window with chance `power`, (m,).

    Parameters
    ----------
    sign : int
        +1 for a rise, -1 for a fall.
    """
    needed = level * null.spread - sign * null.shift
    flat = needed.reshape(-1, needed.shape[2])
    found: Floats = np.maximum(np.quantile(flat, power, axis=0), 0.0)
    return found


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(bottom > 0, top / bottom, np.nan)
    return found


def _summed(values: Floats, code: Ints, count: int) -> Floats:
    return np.stack([np.bincount(code, one, count) for one in values.T], axis=1)


def _mean_and_spread(history: History, weights: Floats) -> tuple[Floats, Floats]:
    """Return mean and spread of a piece under block weights (R, K), each (R, m)."""
    t, c, k = history.total, history.count, history.n_blocks
    by_block = [_summed(one, history.block, k) for one in (t, c, t * t, t * c, c * c)]
    total, count, tt, tc, cc = (weights @ one for one in by_block)
    pieces = weights @ np.bincount(history.block, minlength=k).astype(float)
    mean = _ratio(total, count)
    squares = np.maximum(tt - 2 * mean * tc + mean**2 * cc, 0.0)
    usual = count / pieces[:, None]
    return mean, _ratio(np.sqrt(squares / pieces[:, None]), usual)


def _windows(history: History, n: int, rng: np.random.Generator) -> Floats:
    """Return the statistics of n drawn windows, (n, m)."""
    pieces, k = len(history.block), history.per_window
    if k <= FEW_DRAWS:
        shape = (n, history.total.shape[1])
        total, count = np.zeros(shape), np.zeros(shape)
        for _ in range(k):
            drawn = rng.integers(0, pieces, n)
            total += history.total[drawn]
            count += history.count[drawn]
        found = _ratio(total, count)
    else:
        weights = rng.multinomial(k, np.full(pieces, 1 / pieces), size=n).astype(float)
        found = _ratio(weights @ history.total, weights @ history.count)
    # A window without any value of a column says nothing about its move.
    return np.where(np.isfinite(found), found, history.mean)
