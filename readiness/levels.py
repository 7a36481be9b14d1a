"""A column as a few levels, so that a tilt is one weight per level."""

from dataclasses import dataclass

import numpy as np

from readiness.stats import Floats, Ints

MAX_LEVELS = 2000  # a finer weight function moves no budget in its third digit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """A column as a few levels, so that a tilt is one weight per level.

    Parameters
    ----------
    code : numpy.ndarray of int, shape (n,)
        Level of each row.
    z : numpy.ndarray of float, shape (L,)
        Standardised value of a level, or 1 and 0 for a share; 0 where missing.
    known : numpy.ndarray of float, shape (L,)
        1 for a value, 0 for the level of missing values, which no tilt of the
        known values moves.
    share : numpy.ndarray of float, shape (L,)
        Weighted share of the rows; sums to one.
    squares : numpy.ndarray of float, shape (L,)
        Sum of squared relative base weights over n: 1 / effective share when tilted.
    base : numpy.ndarray of float, shape (n,), or None
        Relative base weights with mean one; None where all are one.
    mean, sd : float
        Of the known values, in the column's unit.
    """

    code: Ints
    z: Floats
    known: Floats
    share: Floats
    squares: Floats
    base: Floats | None
    mean: float
    sd: float


def numeric_levels(values: Floats, base: Floats | None = None) -> Levels | None:
    """Return a numeric column as levels.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
        NaN where missing. Above `MAX_LEVELS` distinct values, values of nearly equal
        rank share one weight; the move achieved is that of their means.
    base : numpy.ndarray of float, shape (n,), optional
        Relative row weights with mean one.

    Returns
    -------
    Levels or None
        None when fewer than two distinct values are known.
    """
    known = np.isfinite(values)
    rows = values[known]
    distinct, inverse = np.unique(rows, return_inverse=True)
    if len(distinct) > MAX_LEVELS:
        rank = np.cumsum(np.bincount(inverse)) - 1
        group = rank * MAX_LEVELS // len(rows)
        group = np.unique(group, return_inverse=True)[1]
        inverse = group[inverse]
    if len(distinct) < 2:  # noqa: PLR2004 (one value cannot be tilted)
        return None
    weight = np.ones(len(rows)) if base is None else base[known]
    total = np.bincount(inverse, weight)
    level = np.bincount(inverse, weight * rows) / np.where(total > 0, total, 1.0)
    mean = float(np.average(level, weights=total))
    sd = float(np.sqrt(np.average((level - mean) ** 2, weights=total)))
    if not sd > 0:
        return None
    code = np.full(len(values), len(level), dtype=np.int64)
    code[known] = inverse
    z = np.append((level - mean) / sd, 0.0)
    known_level = np.append(np.ones(len(level)), 0.0)
    return _levels(code, z, known_level, base=base, mean=mean, sd=sd)


def share_levels(hit: np.ndarray, base: Floats | None = None) -> Levels | None:
    """Return the share of rows where `hit` as two levels; None if none or all are."""
    if hit.all() or not hit.any():
        return None
    code = hit.astype(np.int64)
    mean = float(np.average(code, weights=base))
    z = np.array([0.0, 1.0])
    return _levels(code, z, np.ones(2), base=base, mean=mean, sd=1.0)


def _levels(
    code: Ints,
    z: Floats,
    known: Floats,
    *,
    base: Floats | None,
    mean: float,
    sd: float,
) -> Levels:
    n_rows = len(code)
    squared = None if base is None else base**2
    return Levels(
        code=code,
        z=z,
        known=known,
        share=np.bincount(code, base, len(z)) / n_rows,
        squares=np.bincount(code, squared, len(z)) / n_rows,
        base=base,
        mean=mean,
        sd=sd,
    )
