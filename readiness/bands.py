"""Simultaneous bands: limits that hold for a whole curve at once."""

import numpy as np

from readiness.intervals import CONFIDENCE, Clusters, Floats, Ints, block_sums

N_DRAWS = 4000  # of the multiplier bootstrap: its quantile is then good to 1 %


def simultaneous_band(
    values: Floats, influence: Floats, clusters: Clusters, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return a band that holds for m numbers at once, each side one-sided 95 %.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (m,)
    influence : numpy.ndarray of float, shape (n, m)
        Influence of the same n rows on each number.
    clusters : Clusters
        Codes of the rows; the wider of block and entity wins at each point.
    rng : numpy.random.Generator

    Returns
    -------
    low, high, sd : numpy.ndarray of float, shape (m,)
        Infinite limits with fewer than two blocks.

    Notes
    -----
    Multiplier bootstrap of the largest studentised deviation. With Gaussian
    multipliers its law given the data is normal with the covariance of the block
    sums, so it is drawn from that covariance, which costs nothing in rows; a shared
    chi-square makes it Student's t with K - 1 degrees of freedom.

    References
    ----------
    V. Chernozhukov, D. Chetverikov, K. Kato (2013), doi:10.1214/13-AOS1161.
    """
    bands = [_band(influence, code, rng) for code in (clusters.declared() or (None,))]
    width = np.max([one[0] for one in bands], axis=0)
    sd = np.max([one[1] for one in bands], axis=0)
    return values - width, values + width, sd


def _band(
    influence: Floats, codes: Ints | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    sums = block_sums(influence, codes)
    n_blocks, m = sums.shape
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return np.full(m, np.inf), np.full(m, np.nan)
    covariance = sums.T @ sums * (n_blocks / (n_blocks - 1) / len(influence) ** 2)
    sd = np.sqrt(np.diag(covariance))
    safe = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(safe, safe))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    normal = rng.standard_normal((N_DRAWS, m)) @ root
    scale = np.sqrt(rng.chisquare(n_blocks - 1, N_DRAWS) / (n_blocks - 1))
    largest = np.max(normal / scale[:, None], axis=1)
    return float(np.quantile(largest, CONFIDENCE)) * sd, sd
