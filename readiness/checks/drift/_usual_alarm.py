"""What the usual alarm, a fixed PSI, says when a budget has just been spent."""

import numpy as np
import pandas as pd

from readiness.distances import equal_bins, psi_of_shares
from readiness.levels import numeric_levels
from readiness.stats import Floats
from readiness.tilt import tilt_mean

N_BINS = 10


def psi_at_budget(
    table: pd.DataFrame, values: Floats, base: Floats | None = None
) -> Floats:
    """Return the population stability index at the budget of every statistic.

    Parameters
    ----------
    table : pandas.DataFrame
        From `monitor_table`: ``family, budget, direction, reference``, m rows.
    values : numpy.ndarray of float, shape (n, m)
        What each row adds to a statistic; NaN where it says nothing.
    base : numpy.ndarray of float, shape (n,), optional
        Relative row weights with mean one.

    Returns
    -------
    numpy.ndarray of float, shape (m,)
        Of the rows against the same rows with the weights of the budget: ten bins of
        equal counts for a number, the share and the rest otherwise; without what chance
        adds. NaN without a budget.

    Notes
    -----
    Where the categories outside a share keep their proportions, their index and that of
    the share alone are equal. Of a normal number moved by d SD the index of infinitely
    many bins is d².
    """
    found = []
    for place, one in enumerate(table.to_dict("records")):
        move = one["budget"] * (-1 if one["direction"] == "down" else 1)
        if not np.isfinite(move):
            found.append(np.nan)
        elif one["family"] == "mean":
            found.append(_of_number(values[:, place], move, base))
        else:
            before, after = one["reference"], one["reference"] + move
            found.append(
                psi_of_shares(
                    np.array([before, 1 - before]), np.array([after, 1 - after])
                )
            )
    return np.array(found, dtype=float)


def _of_number(values: Floats, move: float, base: Floats | None) -> float:
    levels = numeric_levels(values, base)
    tilt = None if levels is None else tilt_mean(levels, move)
    if levels is None or tilt is None:
        return float("nan")
    known = levels.known > 0
    share, weight = levels.share[known], tilt.weight[known]
    bins = equal_bins(share, N_BINS)
    before, after = np.bincount(bins, share), np.bincount(bins, share * weight)
    return psi_of_shares(before / before.sum(), after / after.sum())
