"""The units in which attributions add up."""

import numpy as np

from readiness.stats import Floats

LOG_ODDS = "log-odds"
CLASS_LOG_ODDS = "log-odds against the average class"
SMALLEST = 1e-15  # probabilities nearer to 0 or 1 are taken as this near


def in_unit(scores: Floats, unit: str) -> Floats:
    """Return scores in the unit of attributions, of the same shape.

    Parameters
    ----------
    scores : ndarray of shape (n,) or (n, k)
        As the model gives them; for `CLASS_LOG_ODDS` the probabilities of k classes.
    unit : str
        As of `exact_attributions.Attributions`. Probabilities nearer than 1e-15 to 0
        or 1 are taken as that near.
    """
    if unit not in {LOG_ODDS, CLASS_LOG_ODDS}:
        return scores
    inside = np.clip(scores, SMALLEST, 1 - SMALLEST)
    if unit == LOG_ODDS:
        odds: Floats = np.log(inside) - np.log1p(-inside)
        return odds
    return less_mean(np.log(inside), axis=1)


def less_mean(values: Floats, *, axis: int) -> Floats:
    """Return values less their mean over classes; as they are for one output."""
    if values.shape[axis] == 1:
        return values
    centred: Floats = values - values.mean(axis=axis, keepdims=True)
    return centred
