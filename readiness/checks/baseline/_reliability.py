"""What predictions promise and what happens, in bins of equal numbers of rows."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.checks.baseline._rows import Rows
from readiness.stats import Clusters, Floats, Interval, Ints, proportion_interval

N_BINS = 10
PROMISED = 0.9  # of the truths lie within the band around a prediction
FEWEST_TO_CALIBRATE = 10  # under it no band of rows can promise nine in ten

Bools = npt.NDArray[np.bool_]


def reliability(rows: Rows) -> pd.DataFrame:
    """Return predicted and observed shares in ten bins of equal numbers of rows.

    Parameters
    ----------
    rows : Rows
        Of a classifier. With more than two classes: the probability of the predicted
        class, and whether it was right.

    Returns
    -------
    pandas.DataFrame
        ``table, bin, predicted, observed, ci_low, ci_high, n_rows``; shares. Equal
        predictions share a bin, so there may be fewer than ten.
    """
    scored = rows.scores
    said, came_true = scored.y_score, scored.y_true == 1
    if said.ndim > 1:
        came_true = np.argmax(said, axis=1) == scored.y_true
        said = said.max(axis=1)
    bins = equal_bins(said)
    return _by_bin(rows, bins, said, came_true, "observed")


def coverage(rows: Rows, inside: Bools) -> pd.DataFrame:
    """Return the share of truths inside the band, in ten bins of the prediction.

    Parameters
    ----------
    rows : Rows
        Of a regression.
    inside : numpy.ndarray of bool, shape (n,)
        From `inside_band`.

    Returns
    -------
    pandas.DataFrame
        ``table, bin, predicted, covered, ci_low, ci_high, n_rows``.
    """
    bins = equal_bins(rows.scores.y_score)
    return _by_bin(rows, bins, rows.scores.y_score, inside, "covered")


def equal_bins(values: Floats) -> Ints:
    """Return a bin for each value, 0 upwards, with equal numbers of rows in each."""
    edges = np.unique(np.quantile(values, np.arange(1, N_BINS) / N_BINS))
    return np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)[
        1
    ].astype(np.int64)


def share_in(rows: Rows, hits: Bools, mask: Bools | None = None) -> Interval:
    """Return the share of hits among some rows, with its interval."""
    scored = rows.scores
    keep = np.ones(len(hits), dtype=bool) if mask is None else mask
    weight = None if scored.weight is None else scored.weight[keep]
    return proportion_interval(hits[keep], scored.clusters.take(keep), weight)


def half_band(rows: Rows, keep: Bools | None = None) -> float:
    """Return the half-width of the band that holds nine in ten truths.

    The split-conformal quantile of absolute errors: the smallest that
    0.9 (1 + 1/n) of the weight lies within; infinite with fewer than ten rows.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer (2005), Algorithmic Learning in a Random World.
    """
    scored = rows.scores
    error = np.abs(scored.y_score - scored.y_true)
    weight = np.ones(len(error)) if scored.weight is None else scored.weight
    if keep is not None:
        error, weight = error[keep], weight[keep]
    if len(error) < FEWEST_TO_CALIBRATE:
        return float("inf")
    order = np.argsort(error, kind="stable")
    below = np.cumsum(weight[order]) / np.sum(weight)
    # The allowance is for rounding: a whole number of rows must stay whole.
    place = int(np.searchsorted(below, PROMISED * (1 + 1 / len(error)) - 1e-12))
    return float(error[order[min(place, len(error) - 1)]])


def inside_band(rows: Rows, half_width: float | Floats) -> Bools:
    """Return which truths lie within a band around their prediction."""
    error = np.abs(rows.scores.y_score - rows.scores.y_true)
    inside: Bools = error <= half_width
    return inside


def crossed_bands(rows: Rows, seed: int) -> Floats:
    """Return each row's half-width, learnt on the half of the blocks without it."""
    half = _halves(rows.scores.clusters, len(rows.scores.y_true), seed)
    return np.where(half, half_band(rows, ~half), half_band(rows, half))


def _halves(clusters: Clusters, n_rows: int, seed: int) -> Bools:
    codes = clusters.declared()
    block = codes[0] if codes else np.arange(n_rows)
    known, place = np.unique(block, return_inverse=True)
    side = np.random.default_rng(seed).permutation(len(known)) % 2 == 0
    half: Bools = side[place]
    return half


def _by_bin(
    rows: Rows, bins: Ints, predicted: Floats, hits: Bools, name: str
) -> pd.DataFrame:
    return pd.DataFrame(
        list(_bin_rows(rows, bins, predicted, hits, name)),
        columns=["table", "bin", "predicted", name, "ci_low", "ci_high", "n_rows"],
    )


def _bin_rows(
    rows: Rows, bins: Ints, predicted: Floats, hits: Bools, name: str
) -> Iterator[dict[str, object]]:
    weight = rows.scores.weight
    for one in np.unique(bins):
        mask = bins == one
        part = None if weight is None or not weight[mask].sum() else weight[mask]
        share = share_in(rows, hits, mask)
        yield {
            "table": rows.name,
            "bin": int(one) + 1,
            "predicted": float(np.average(predicted[mask], weights=part)),
            name: share.value,
            "ci_low": share.ci_low,
            "ci_high": share.ci_high,
            "n_rows": share.n_rows,
        }
