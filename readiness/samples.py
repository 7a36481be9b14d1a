"""Random rows of a scored table that do not depend on the order of the file."""

import numpy as np
import pandas as pd

from readiness.scored import Scores
from readiness.stats import Ints


def random_order(scores: Scores, seed: int) -> Ints:
    """Return the scored rows in an order drawn from what they hold.

    The first n of it are a simple random sample of n rows. The same rows in another
    file order come in the same order, except rows alike in label, score, time and
    weight.

    Parameters
    ----------
    scores : Scores
        n rows.
    seed : int
        Seed of the order.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Places in `scores`.
    """
    parts = [np.asarray(scores.y_true, dtype=np.float64)]
    parts += list(scores.y_score.reshape(len(scores.row), -1).T)
    if scores.time is not None:
        parts.append(scores.time.astype(np.int64).astype(np.float64))
    if scores.weight is not None:
        parts.append(scores.weight)
    mixed = np.full(len(scores.row), seed, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            mixed = pd.util.hash_array(mixed * np.uint64(31) + pd.util.hash_array(part))
    return np.argsort(mixed, kind="stable")
