"""Alarms: evidence of harm that may be looked at after every window."""

import numpy as np
import numpy.typing as npt

from readiness.stats import Floats

HALVINGS = 60  # of a limit: it is then as exact as a float
WIDEST = 40.0  # standard errors: no limit of use lies beyond
SMALLEST = 1e-300  # a chance below it has no logarithm to speak of


def log_evidence(
    difference: npt.ArrayLike,
    variance: npt.ArrayLike,
    prior_variance: npt.ArrayLike,
) -> Floats:
    """Return the log evidence that a true difference is above zero, variance known.

    Parameters
    ----------
    difference : array_like of float
        Estimates of one difference from more and more rows; positive is worse.
    variance : array_like of float
        Of the same estimates, positive. Of t windows against a known value it is
        ``sd² / t``; against a reference of m windows ``sd² (1 / t + 1 / m)``.
    prior_variance : array_like of float
        Of the half-normal mixture over true differences.

    Returns
    -------
    numpy.ndarray of float
        Natural log. If there is no difference, or one below zero, the chance that it
        ever reaches ``log(1 / alpha)`` is at most alpha, however often one looks.

    Notes
    -----
    Estimates from a growing number of rows have independent increments in their
    information ``1 / variance``, also when all are held against one fixed reference
    (C. Jennison, B. W. Turnbull 2000, chapter 11). The mixture of likelihood ratios
    is therefore a martingale, and Ville's inequality holds for its maximum.

    References
    ----------
    H. Robbins (1970), doi:10.1214/aoms/1177696786; S. R. Howard, A. Ramdas,
    J. McAuliffe, J. Sekhon (2021), doi:10.1214/20-AOS1991.
    """
    from scipy.special import log_ndtr  # noqa: PLC0415 (heavy)

    d, v, g = (np.asarray(one, float) for one in (difference, variance, prior_variance))
    exponent = d**2 * g / (2 * v * (v + g))
    tail = log_ndtr(d * np.sqrt(g / (v * (v + g))))
    found: Floats = np.log(2) + 0.5 * np.log(v / (v + g)) + exponent + tail
    return found


def evidence_limit(
    variance: npt.ArrayLike, prior_variance: npt.ArrayLike, alpha: float
) -> Floats:
    """Return the smallest difference whose `log_evidence` is an alarm.

    The estimate less this number is a lower confidence sequence for the difference:
    at every look at once it lies above the truth with a chance of at most `alpha`.

    Parameters
    ----------
    variance, prior_variance : array_like of float
        As in `log_evidence`.
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> float(evidence_limit(1 / 100, 0.1, 0.05).round(3))
    0.278
    """
    v, g = np.broadcast_arrays(
        np.asarray(variance, float), np.asarray(prior_variance, float)
    )
    low, high = np.zeros(v.shape), WIDEST * np.sqrt(v)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        alarms = log_evidence(middle, v, g) >= -np.log(alpha)
        low, high = np.where(alarms, low, middle), np.where(alarms, middle, high)
    return np.asarray(high, dtype=np.float64)


def tuned_prior(variance: float, alpha: float) -> float:
    """Return the prior variance that alarms soonest at estimates of this variance.

    Parameters
    ----------
    variance : float
        Of the estimate at the look that matters most.
    alpha : float
        In (0, 1/2).

    References
    ----------
    I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas (2024),
    doi:10.1214/24-AOS2408, for twice the level because one side alone alarms.
    """
    depth = -2 * np.log(2 * alpha)
    return float(variance * (depth + np.log(depth + 1)))


def student_log_evidence(
    difference: npt.ArrayLike,
    relative_variance: npt.ArrayLike,
    squares: npt.ArrayLike,
    df: npt.ArrayLike,
    prior: float,
) -> Floats:
    """Return the log evidence that a true difference is above zero, variance unknown.

    Parameters
    ----------
    difference : array_like of float
        Mean of the blocks so far less that of the reference; positive is worse.
    relative_variance : array_like of float
        Its variance over that of one block: ``1 / t + 1 / m`` for t and m blocks.
    squares : array_like of float
        Squared deviations of all blocks from the mean of their own side, summed.
    df : array_like of float
        Degrees of freedom of `squares`: ``t + m - 2``.
    prior : float
        Prior variance of the difference over the variance of one block.

    Returns
    -------
    numpy.ndarray of float
        As `log_evidence`, for blocks that are normal with one unknown variance, and a
        reference value that is itself an estimate.

    Notes
    -----
    The right-Haar prior on the common mean and spread makes the ratio a martingale
    whatever both are.

    References
    ----------
    M. F. Perez-Ortiz, T. Lardy, R. de Heide, P. D. Grunwald (2024),
    doi:10.1214/24-AOS2394.
    """
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    d, c, ss, nu = (
        np.asarray(one, float) for one in (difference, relative_variance, squares, df)
    )
    wide = c + prior
    with np.errstate(divide="ignore", invalid="ignore"):
        far, near = d**2 / (c * ss), d**2 / (wide * ss)
        ratio = 0.5 * np.log(c / wide) + (nu + 1) / 2 * (np.log1p(far) - np.log1p(near))
        scale = np.sqrt(c * prior / wide * (ss + d**2 / wide) / (nu + 1))
        above = stdtr(nu + 1, d * prior / wide / scale)
    found: Floats = np.log(2) + ratio + np.log(np.maximum(above, SMALLEST))
    # Blocks without any spread cannot tell a difference from their own noise.
    return np.where(ss > 0, found, np.where(d > 0, np.inf, -np.inf))


def first_alarm(alarms: npt.NDArray[np.bool_]) -> Floats:
    """Return the look at which each path first alarms, from 1; infinite for never.

    Parameters
    ----------
    alarms : numpy.ndarray of bool, shape (n, looks)
    """
    looks = np.argmax(alarms, axis=1) + 1.0
    found: Floats = np.where(alarms.any(axis=1), looks, np.inf)
    return found


def shift_power(
    shift: npt.ArrayLike, level: npt.ArrayLike, se: npt.ArrayLike
) -> Floats:
    """Return the chance that a normal statistic off by `shift` passes plus or minus c.

    Parameters
    ----------
    shift : array_like of float
        True move of the statistic.
    level : array_like of float
        The move c from which it alarms, in the same unit.
    se : array_like of float
        Its standard error in one window.

    Examples
    --------
    >>> float(shift_power(0.0, 1.959964, 1.0).round(3))
    0.05
    """
    from scipy.special import ndtr  # noqa: PLC0415 (heavy)

    d, c, s = (np.asarray(one, float) for one in (shift, level, se))
    power: Floats = ndtr((d - c) / s) + ndtr((-d - c) / s)
    return power


def detectable_shift(level: float, se: float, power: float = 0.8) -> float:
    """Return the smallest move that a normal statistic alarms at with this chance."""
    low, high = 0.0, level + WIDEST * se
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = float(shift_power(middle, level, se)) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high
