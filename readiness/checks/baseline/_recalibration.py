"""Recalibration: how a model's probabilities would have to be bent to come true."""

import numpy as np

from readiness.stats import Estimate, Floats, Ints, relative_weights

CLIPPED = 1e-6  # probabilities nearer to 0 or 1 are taken as this near
MOST_STEPS = 50
CLOSE = 1e-10
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
    log_p = np.log(np.clip(every, CLIPPED, 1 - CLIPPED))
    code = y_true.astype(np.int64)
    k = every.shape[1]
    w = relative_weights(len(code), weight)
    seen = np.bincount(code, w, k) > 0
    undefined = Estimate(value=float("nan"), influence=np.full(len(code), np.nan))
    if not seen.all():
        return undefined
    theta = _fit(log_p, code, w)
    if theta is None:
        return undefined
    score, information = _derivatives(theta, log_p, code, w)
    influence: Floats = np.linalg.solve(information, score.T)[0]
    return Estimate(value=float(theta[0]), influence=influence)


def _fit(log_p: Floats, code: Ints, weight: Floats) -> Floats | None:
    """Return the likeliest slope and intercepts by Newton's method, or None."""
    theta = np.zeros(log_p.shape[1])
    theta[0] = 1.0
    for _ in range(MOST_STEPS):
        score, information = _derivatives(theta, log_p, code, weight)
        if np.linalg.cond(information) > 1 / CLOSE:
            return None
        step = np.linalg.solve(information, score.mean(axis=0))
        theta = theta + step
        if abs(theta[0]) > STEEPEST:
            return None
        if np.max(np.abs(step)) < CLOSE:
            return theta
    return None


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
    # The mean prediction rises with the shift, so bisection always ends.
    low, high = -STEEPEST, STEEPEST
    for _ in range(MOST_STEPS):
        middle = (low + high) / 2
        too_low = np.mean(w * _share(log_odds + middle)) < share
        low, high = (middle, high) if too_low else (low, middle)
    value = (low + high) / 2
    mu = _share(log_odds + value)
    information = float(np.mean(w * mu * (1 - mu)))
    return Estimate(value=value, influence=w * (y_true - mu) / information)


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return share


def _derivatives(
    theta: Floats, log_p: Floats, code: Ints, weight: Floats
) -> tuple[Floats, Floats]:
    """Return each row's score, (n, k), and the mean information, (k, k).

    Parameters are the slope and the intercepts of all classes but the first.
    """
    n, k = log_p.shape
    linear = theta[0] * log_p + np.concatenate([[0.0], theta[1:]])
    mu = np.exp(linear - linear.max(axis=1, keepdims=True))
    mu /= mu.sum(axis=1, keepdims=True)
    mean = np.sum(mu * log_p, axis=1)
    score = np.empty((n, k))
    score[:, 0] = log_p[np.arange(n), code] - mean
    score[:, 1:] = (code[:, None] == np.arange(1, k)) - mu[:, 1:]
    rest, weighted = mu[:, 1:], weight[:, None] * mu[:, 1:]
    information = np.empty((k, k))
    information[0, 0] = np.mean(weight * (np.sum(mu * log_p**2, axis=1) - mean**2))
    across = np.mean(weighted * (log_p[:, 1:] - mean[:, None]), axis=0)
    information[0, 1:] = information[1:, 0] = across
    information[1:, 1:] = np.diag(weighted.mean(axis=0)) - weighted.T @ rest / n
    return weight[:, None] * score, information
