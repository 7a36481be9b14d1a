"""Distances between two distributions, and what chance alone makes of them.

Counts are rows by bin or category, in the same order for both sets of rows; they need
not be whole. Where one side has no rows a distance is NaN.
"""

import numpy as np
import numpy.typing as npt

from readiness.stats import CONFIDENCE, Floats, Ints

USUAL_PSI = 0.25  # the level at which most monitors alarm, whatever it costs
HALF_A_ROW = 0.5  # added to every bin, so that an empty one has a logarithm


def shares(counts: npt.ArrayLike) -> Floats:
    """Return counts as shares of their total; NaN when there are none."""
    rows = np.asarray(counts, dtype=float)
    total = float(rows.sum())
    return rows / total if total > 0 else np.full(len(rows), np.nan)


def wasserstein_of_sorted(x: Floats, y: Floats) -> float:
    """Return the Wasserstein distance W1 of two samples, in their unit.

    Parameters
    ----------
    x, y : numpy.ndarray of float, shape (n,) and (m,)
        Each sorted; no missing values.

    Returns
    -------
    float
        The area between the two distribution functions; NaN without rows.

    References
    ----------
    S. S. Vallender (1974), doi:10.1137/1118101.

    Examples
    --------
    >>> wasserstein_of_sorted(np.array([0.0, 1.0]), np.array([5.0, 6.0]))
    5.0
    """
    if not (len(x) and len(y)):
        return float("nan")
    both = np.sort(np.concatenate([x, y]), kind="stable")
    gap = np.searchsorted(x, both[:-1], "right") / len(x)
    gap = gap - np.searchsorted(y, both[:-1], "right") / len(y)
    return float(np.sum(np.abs(gap) * np.diff(both)))


def wasserstein_of_counts(edges: Floats, p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return the Wasserstein distance W1 of counts at shared edges.

    Parameters
    ----------
    edges : numpy.ndarray of float, shape (b + 1,)
        Rising; bin i lies between edge i and edge i + 1.
    p, q : array_like of float, shape (b,)
        Rows by bin, spread evenly within it.

    Returns
    -------
    float
        In the unit of the edges. Off by at most the widest bin; exact where all rows
        of a bin stand at its upper edge on both sides.
    """
    gap = np.concatenate([[0.0], np.cumsum(shares(p) - shares(q))])
    left, right, width = np.abs(gap[:-1]), np.abs(gap[1:]), np.diff(edges)
    total = left + right
    crosses = gap[:-1] * gap[1:] < 0
    with np.errstate(invalid="ignore", divide="ignore"):
        height = np.where(crosses, (left**2 + right**2) / total, total) / 2
    return float(np.sum(height * width))


def ks_distance(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return the largest gap between two distribution functions, seen at bin ends.

    Examples
    --------
    >>> ks_distance([1, 1, 0], [0, 1, 1])
    0.5
    """
    return float(np.max(np.abs(np.cumsum(shares(p) - shares(q)))))


def jensen_shannon_distance(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return the square root of the Jensen-Shannon divergence in bits, in [0, 1].

    References
    ----------
    D. M. Endres, J. E. Schindelin (2003), doi:10.1109/TIT.2003.813506.

    Examples
    --------
    >>> jensen_shannon_distance([1, 0], [0, 1])
    1.0
    """
    one, other = shares(p), shares(q)
    middle = (one + other) / 2
    return float(
        np.sqrt(max((_bits(one, middle) + _bits(other, middle)) / 2, 0.0))
        if np.isfinite(middle).all()
        else np.nan
    )


def cramers_v(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return Cramér's V of table by category, both tables weighing the same.

    Returns
    -------
    float
        In [0, 1]: 1 when no category is in both. Of equal tables in size it is the
        usual V; unlike that, it does not shrink as one table outgrows the other.

    Examples
    --------
    >>> round(cramers_v([60, 40], [40, 60]), 4)
    0.2
    """
    one, other = shares(p), shares(q)
    both = one + other
    if not np.isfinite(both).all():
        return float("nan")
    seen = both > 0
    return float(np.sqrt(np.sum((one - other)[seen] ** 2 / both[seen]) / 2))


def psi(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Return the population stability index of two sets of counts.

    Half a row is added to every bin. Without drift it is not zero: hold it against
    `psi_null_quantile`, never against a fixed number.
    """
    one, other = (shares(np.asarray(c, dtype=float) + HALF_A_ROW) for c in (p, q))
    if not (np.sum(p) > 0 and np.sum(q) > 0):
        return float("nan")
    return psi_of_shares(one, other)


def psi_of_shares(one: Floats, other: Floats) -> float:
    """Return the population stability index of shares as they are, chance left out.

    It is infinite where one of them is nothing and the other is not.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sum((other - one) * np.log(other / one)))


def psi_null_quantile(
    n_bins: int, n_rows: float, n_other: float, level: float = CONFIDENCE
) -> float:
    """Return the PSI that no drift at all stays below with probability `level`.

    Parameters
    ----------
    n_bins : int
        Bins or categories.
    n_rows, n_other : float
        Independent rows of each side; effective numbers where rows hang together.
    level : float

    Returns
    -------
    float
        The chi-squared quantile with ``n_bins - 1`` degrees of freedom times
        ``1/n_rows + 1/n_other``; 0 with one bin, NaN without rows.

    References
    ----------
    B. Yurdakul, J. Naranjo (2020), doi:10.21314/JRMV.2020.227.

    Examples
    --------
    >>> round(psi_null_quantile(10, 200, 200), 4)
    0.1692
    """
    from scipy.special import chdtri  # noqa: PLC0415 (heavy)

    if not (n_rows > 0 and n_other > 0):
        return float("nan")
    if n_bins < 2:  # noqa: PLR2004 (one bin cannot differ)
        return 0.0
    return float(chdtri(n_bins - 1, 1 - level) * (1 / n_rows + 1 / n_other))


def equal_bins(counts: npt.ArrayLike, n_bins: int) -> Ints:
    """Return the coarse bin of each fine one, so that each holds about as many rows.

    Parameters
    ----------
    counts : array_like of float, shape (b,)
        Rows by fine bin, of the set of rows that decides.
    n_bins : int
        Coarse bins at most; fewer where one value holds more than its part.

    Returns
    -------
    numpy.ndarray of int, shape (b,)
        From 0, without gaps, never falling.

    Examples
    --------
    >>> equal_bins([1, 1, 1, 1], 2).tolist()
    [0, 0, 1, 1]
    """
    up_to = np.cumsum(shares(counts))
    if not np.isfinite(up_to).all():
        return np.zeros(len(up_to), dtype=np.int64)
    wanted = np.ceil(up_to * n_bins - 1e-9).clip(1, n_bins)
    # Fine bins without rows join a neighbour: none of their own would be empty.
    has_rows = np.asarray(counts) > 0
    last = np.maximum.accumulate(np.where(has_rows, wanted, 0))
    last = np.where(last == 0, wanted[np.argmax(has_rows)], last)
    found: Ints = np.unique(last, return_inverse=True)[1].astype(np.int64)
    return found


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Return p-values adjusted so that those below a share q hold q false ones.

    Parameters
    ----------
    p_values : array_like of float, shape (m,)
        NaN stays NaN and is not counted.

    References
    ----------
    Y. Benjamini, Y. Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.02, 0.9]).round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return adjusted


def _bits(p: Floats, middle: Floats) -> float:
    seen = p > 0
    return float(np.sum(p[seen] * np.log2(p[seen] / middle[seen])))
