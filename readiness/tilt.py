"""Tilts: rows re-weighted so that one column's mean, spread or shares move."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readiness.levels import Levels
from readiness.stats import Estimate, Floats, Ints, effective_sample_size

MAX_STEPS = 60
HALVINGS = 14  # of the widest move: the edge of the support is good to 0.0002 SD
TOLERANCE = 1e-9
ROUNDING = 1e-14
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.01, 0.001)  # of a Newton step, the longest that helps
WIDEST = 3.0  # SD; further moves are another world
NEARLY_ALL = 0.999  # of the way to the outermost value, where all weight is on it
FLATTEST = 0.9  # a spread shrunk by more than this is a constant


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tilt:
    """One re-weighting: the move it achieves and what that move is made of.

    Parameters
    ----------
    move : float
        Achieved: change of mean or SD in SD, or change of a share.
    weight : numpy.ndarray of float, shape (L,)
        Relative weight of each level; its mean over the rows is one.
    moments : numpy.ndarray of float, shape (L, p)
        What the tilt holds or moves.
    error : numpy.ndarray of float, shape (L, p)
        Influence of a row on the tilted moments, less that on their target.
    """

    move: float
    weight: Floats
    moments: Floats
    error: Floats


def tilt_mean(levels: Levels, move: float) -> Tilt | None:
    """Return the tilt ``w ~ exp(a z)`` whose mean is `move` SD off.

    Returns
    -------
    Tilt or None
        None when no weights on these values reach the move.
    """
    z = levels.z[:, None]
    weight = _solve(levels, z, np.array([move]))
    if weight is None:
        return None
    k, excess = levels.known, levels.known - levels.share @ levels.known
    target = excess * move + k * (levels.z + move * (levels.z**2 - 1) / 2)
    return _tilt(levels, weight, move, (k, k * levels.z), (excess, target))


def tilt_scale(levels: Levels, move: float) -> Tilt | None:
    """Return the tilt ``w ~ exp(a z + b z²)`` with equal mean and SD ``1 + move``."""
    spread = (1 + move) ** 2
    square = levels.z**2
    moments = np.column_stack([levels.z, square])
    weight = _solve(levels, moments, np.array([0.0, spread]))
    if weight is None:
        return None
    k, excess = levels.known, levels.known - levels.share @ levels.known
    target = excess * spread + k * spread * (square - 1)
    parts = (k, k * levels.z, k * square)
    return _tilt(levels, weight, move, parts, (excess, k * levels.z, target))


def tilt_share(levels: Levels, move: float) -> Tilt | None:
    """Return the weights under which the share of hits is `move` higher."""
    after = levels.mean + move
    if not -TOLERANCE <= after <= 1 + TOLERANCE:
        return None
    after = min(max(after, 0.0), 1.0)
    weight = np.array([(1 - after) / (1 - levels.mean), after / levels.mean])
    target = levels.z - levels.mean
    return _tilt(levels, weight, after - levels.mean, (levels.z,), (target,))


TILTS: dict[str, Callable[[Levels, float], Tilt | None]] = {
    "mean": tilt_mean,
    "direction": tilt_mean,
    "scale": tilt_scale,
    "category": tilt_share,
    "missing": tilt_share,
    "outlier": tilt_share,
}


def effective_share(levels: Levels, tilt: Tilt) -> float:
    """Return the effective sample size under `tilt` as a share of the rows."""
    return float(1 / np.sum(levels.squares * tilt.weight**2))


def effective_blocks(levels: Levels, tilt: Tilt, codes: Ints) -> float:
    """Return how many equally weighted blocks carry as much as the tilted ones."""
    weight = tilt.weight[levels.code]
    if levels.base is not None:
        weight = weight * levels.base
    return effective_sample_size(np.bincount(codes, weight))


def support(
    levels: Levels,
    family: str,
    sign: int,
    floor: float,
    enough_blocks: Callable[[Tilt], bool],
) -> tuple[float, bool]:
    """Return the largest move these rows can speak about, and if it is the last one.

    Parameters
    ----------
    levels : Levels
        Of one column.
    family : str
        A key of `TILTS`.
    sign : int
        +1 or -1: the direction.
    floor : float
        Smallest effective share of the rows.
    enough_blocks : callable
        Whether a tilt leaves enough effective blocks.

    Returns
    -------
    float
        Size of the move, 0 when the data support none.
    bool
        True when no further move exists: a share at 0 or 1, a mean at the outermost
        value.
    """
    tilt_to = TILTS[family]

    def rows_carry(size: float) -> bool:
        tilt = tilt_to(levels, sign * size)
        return tilt is not None and effective_share(levels, tilt) >= floor

    def all_carry(size: float) -> bool:
        tilt = tilt_to(levels, sign * size)
        return tilt is not None and enough_blocks(tilt)

    widest, last = _widest(levels, family, sign)
    size = _largest(all_carry, _largest(rows_carry, widest))
    return size, last and size == widest


def tilted(estimate: Estimate, levels: Levels, tilt: Tilt) -> Estimate:
    """Return an estimate under a tilt as an estimate at a fixed move.

    Parameters
    ----------
    estimate : Estimate
        Of n rows under the weights of `tilt`, its influence for known weights.
    levels, tilt : Levels, Tilt
        The same n rows.

    Notes
    -----
    The tilt is solved from the sample, so its target (so many sample SD above the
    sample mean) has an error of its own. The first-order correction is the slope of
    the estimate along the tilt times that error, as for calibration weights.

    References
    ----------
    J.-C. Deville, C.-E. Sarndal (1992), doi:10.1080/01621459.1992.10475217.
    """
    n_rows, n_levels = len(levels.code), len(levels.z)
    by_level = np.bincount(levels.code, estimate.influence, n_levels) / n_rows
    probability = levels.share * tilt.weight
    centred = tilt.moments - probability @ tilt.moments
    spread = centred.T @ (centred * probability[:, None])
    slope = np.linalg.pinv(spread, rcond=TOLERANCE) @ (by_level @ tilt.moments)
    correction = (tilt.error @ slope)[levels.code]
    if levels.base is not None:
        correction = correction * levels.base
    return Estimate(value=estimate.value, influence=estimate.influence - correction)


def _tilt(
    levels: Levels,
    weight: Floats,
    move: float,
    moments: tuple[Floats, ...],
    targets: tuple[Floats, ...],
) -> Tilt:
    stacked = np.column_stack(moments)
    reached = (levels.share * weight) @ stacked
    error = weight[:, None] * (stacked - reached) - np.column_stack(targets)
    return Tilt(move=float(move), weight=weight, moments=stacked, error=error)


def _solve(levels: Levels, moments: Floats, target: Floats) -> Floats | None:
    """Return level weights of an exponential family with the target moments.

    Newton's method on the convex dual ``log E exp(a'(m - t))``, over known levels.
    None where no weights reach the target.
    """
    kept = (levels.known > 0) & (levels.share > 0)
    prior = levels.share[kept] / levels.share[kept].sum()
    off = moments[kept] - target
    tilt = np.zeros(len(target))
    tilted_prior, height = _tilted_prior(prior, off @ tilt)
    for _ in range(MAX_STEPS):
        gap = tilted_prior @ off
        if np.max(np.abs(gap)) < TOLERANCE:
            weight = 1.0 - levels.known
            weight[kept] = tilted_prior / prior
            return weight
        centred = off - gap
        curvature = centred.T @ (centred * tilted_prior[:, None])
        step = _newton_step(curvature, gap)
        needed = 1e-4 * float(gap @ step)
        for length in LENGTHS:
            tilted_prior, lower = _tilted_prior(prior, off @ (tilt - length * step))
            if lower <= height - length * needed + ROUNDING:
                break
        tilt, height = tilt - length * step, lower
    return None


def _newton_step(curvature: Floats, gap: Floats) -> Floats:
    """Return curvature^-1 gap; a vanishing curvature gives no step to speak of."""
    with np.errstate(all="ignore"):
        if len(gap) == 1:
            step = gap / curvature[0]
        else:
            (a, b), (_, d) = curvature
            step = np.array([d, a]) * gap - b * gap[::-1]
            step /= a * d - b * b
    return np.where(np.isfinite(step), step, 0.0)


def _tilted_prior(prior: Floats, exponent: Floats) -> tuple[Floats, float]:
    top = float(exponent.max())
    mass = prior * np.exp(exponent - top)
    total = float(mass.sum())
    return mass / total, top + float(np.log(total))


def _widest(levels: Levels, family: str, sign: int) -> tuple[float, bool]:
    """Return the widest move to try, and whether none wider exists."""
    if family == "scale":
        return (FLATTEST if sign < 0 else WIDEST), False
    if TILTS[family] is tilt_mean:
        # No mean lies beyond the outermost value.
        outermost = float(np.max(sign * levels.z)) * NEARLY_ALL
        return min(WIDEST, outermost), outermost <= WIDEST
    return (1 - levels.mean if sign > 0 else levels.mean), True


def _largest(carries: Callable[[float], bool], widest: float) -> float:
    if carries(widest):
        return widest
    low, high = 0.0, widest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if carries(middle) else (low, middle)
    return low
