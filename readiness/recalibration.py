"""Recalibration: how a model's probabilities would have to be bent to come true."""

import numpy as np

from readiness.stats import Estimate, Floats, Ints, relative_weights

CLIPPED = 1e-6  # probabilities nearer to 0 or 1 are taken as this near
MOST_STEPS = 50
CLOSE = 1e-10
ROUNDING = 1e-12  # of a log-likelihood
STEEPEST = 50.0  # beyond this slope the classes are separated and no slope exists


def slope(y_true: Floats | Ints, y_prob: Floats, weight: Floats | None) -> Estimate:
    """Return the calibration slope: one where probabilities mean what they say.

    Parameters
    ----------
    y_true : numpy.ndarray, shape (n,)
        0 or 1, or codes of k classes.
    y_prob : numpy.ndarray of float, shape (n,) or (n, k)
        Probability of class 1, or of every class.
    weight : numpy.ndarray of float, shape (n,), optional
        Not negative.

    Returns
    -------
    Estimate
        NaN where there is no finite slope: one class only, one probability only, or
        classes that the probabilities separate without error.

    Notes
    -----
    Maximum likelihood of P(class c) ~ exp(a_c + b log p_c), with one slope b and free
    class intercepts. With two classes this is D. R. Cox's logistic recalibration.

    References
    ----------
    D. R. Cox (1958), doi:10.1093/biomet/45.3-4.562.
    """
    every = np.column_stack([1 - y_prob, y_prob]) if y_prob.ndim == 1 else y_prob
    code = y_true.astype(np.int64)
    w = relative_weights(len(code), weight)
    undefined = Estimate(value=float("nan"), influence=np.full(len(code), np.nan))
    if not (np.bincount(code, w, every.shape[1]) > 0).all():
        return undefined
    log_p = np.log(np.clip(every, CLIPPED, 1 - CLIPPED))
    odds = log_p[:, 1:] - log_p[:, :1]
    theta = _fit(odds, code, w)
    if theta is None:
        return undefined
    score, information = _derivatives(theta, odds, code, w)
    influence: Floats = score @ np.linalg.inv(information)[0]
    return Estimate(value=float(theta[0]), influence=influence)


def intercept(y_true: Floats, y_prob: Floats, weight: Floats | None) -> Estimate:
    """Return calibration-in-the-large: the shift of all log-odds that fits best.

    Parameters
    ----------
    y_true, y_prob, weight
        As `slope`, for two classes.

    Returns
    -------
    Estimate
        Zero where predictions are right on average, negative where they are too
        high. NaN with one class only.
    """
    w = relative_weights(len(y_true), weight)
    undefined = Estimate(value=float("nan"), influence=np.full(len(y_true), np.nan))
    share = float(np.mean(w * y_true)) if len(y_true) else 0.0
    if not 0 < share < 1:
        return undefined
    p = np.clip(y_prob, CLIPPED, 1 - CLIPPED)
    log_odds = np.log(p / (1 - p))
    # Newton's steps, kept between bounds that close in: the mean prediction rises
    # with the shift.
    low, high, value = -STEEPEST, STEEPEST, 0.0
    for _ in range(MOST_STEPS):
        mu = _share(log_odds + value)
        gap = share - float(np.mean(w * mu))
        low, high = (value, high) if gap > 0 else (low, value)
        new = value + gap / float(np.mean(w * mu * (1 - mu)))
        new = new if low <= new <= high else (low + high) / 2
        done, value = abs(new - value) < CLOSE, new
        if done:
            break
    mu = _share(log_odds + value)
    information = float(np.mean(w * mu * (1 - mu)))
    return Estimate(value=value, influence=w * (y_true - mu) / information)


def _fit(odds: Floats, code: Ints, weight: Floats) -> Floats | None:
    """Return the likeliest slope and intercepts by Newton's method, or None."""
    theta = np.zeros(odds.shape[1] + 1)
    theta[0] = 1.0
    for _ in range(MOST_STEPS):
        score, information = _derivatives(theta, odds, code, weight)
        if np.linalg.cond(information) > 1 / CLOSE:
            return None
        step = np.linalg.solve(information, score.mean(axis=0))
        step = _shortened(step, theta, odds, code, weight)
        theta = theta + step
        if abs(theta[0]) > STEEPEST:
            return None
        if np.max(np.abs(step)) < CLOSE:
            return theta
    return None


def _shortened(
    step: Floats, theta: Floats, odds: Floats, code: Ints, weight: Floats
) -> Floats:
    """Return Newton's step, halved until it does not make the outcomes less likely.

    The likelihood has one top, but from probabilities near 0 and 1 a whole step
    goes far beyond it.
    """
    least = _log_likelihood(theta, odds, code, weight) - ROUNDING
    for _ in range(MOST_STEPS):
        if _log_likelihood(theta + step, odds, code, weight) >= least:
            break
        step = step / 2
    return step


def _log_likelihood(theta: Floats, odds: Floats, code: Ints, weight: Floats) -> float:
    linear = np.column_stack([np.zeros(len(odds)), theta[0] * odds + theta[1:]])
    top = linear.max(axis=1)
    total = top + np.log(np.exp(linear - top[:, None]).sum(axis=1))
    return float(np.mean(weight * (linear[np.arange(len(code)), code] - total)))


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1 / (1 + np.exp(-log_odds))
    return share


def _derivatives(
    theta: Floats, odds: Floats, code: Ints, weight: Floats
) -> tuple[Floats, Floats]:
    """Return each row's score, (n, k), and the mean information, (k, k).

    Parameters are the slope and the intercepts of all classes but the first; `odds`
    are log-odds of these classes against the first, (n, k - 1).
    """
    n, k = odds.shape[0], odds.shape[1] + 1
    linear = theta[0] * odds + theta[1:]
    top = np.maximum(linear.max(axis=1, keepdims=True), 0.0)
    mu = np.exp(linear - top)
    mu /= mu.sum(axis=1, keepdims=True) + np.exp(-top)
    score = np.empty((n, k))
    score[:, 1:] = (code[:, None] == np.arange(1, k)) - mu
    score[:, 0] = np.einsum("ij,ij->i", score[:, 1:], odds)
    mean = np.einsum("ij,ij->i", mu, odds)
    weighted = weight[:, None] * mu
    information = np.empty((k, k))
    squares = np.einsum("ij,ij,ij->", weighted, odds, odds)
    information[0, 0] = (squares - np.dot(weight, mean**2)) / n
    across = np.einsum("ij,ij->j", weighted, odds) - weighted.T @ mean
    information[0, 1:] = information[1:, 0] = across / n
    information[1:, 1:] = np.diag(weighted.mean(axis=0)) - weighted.T @ mu / n
    return weight[:, None] * score, information
