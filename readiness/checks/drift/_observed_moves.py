"""Moves between two tables with their intervals, from sums by block."""

from dataclasses import dataclass, replace

import numpy as np

from readiness.checks.drift._observed_folds import Feature
from readiness.checks.drift._observed_sums import (
    HEIGHT,
    KNOWN,
    PLAIN,
    PLAIN_SQUARE,
    SQUARE,
    VALUE,
    VALUE_SQUARE,
    Sums,
)
from readiness.shares import (
    KeyedSums,
    merge_sums,
    share_difference,
    share_intervals,
)
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    clustered_interval,
    no_interval,
    student_quantile,
)

BOTH_TAILS = 0.975
Parts = tuple[KeyedSums, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slope:
    """A number of one table, and how it changes with each of its sums."""

    value: float
    gradient: Floats


def mean_of(sums: Floats, place: int = VALUE) -> Slope:
    """Return the mean of known values, or of another sum, over the known rows."""
    gradient = np.zeros(len(sums))
    known = float(sums[KNOWN])
    if not known > 0:
        return Slope(value=float("nan"), gradient=gradient)
    value = float(sums[place]) / known
    gradient[KNOWN], gradient[place] = -value / known, 1 / known
    return Slope(value=value, gradient=gradient)


def spread_of(sums: Floats) -> Slope:
    """Return the SD of known values."""
    mean, square = mean_of(sums), mean_of(sums, VALUE_SQUARE)
    variance = square.value - mean.value**2
    if not variance > 0:
        return Slope(value=float("nan"), gradient=np.zeros(len(sums)))
    sd = float(np.sqrt(variance))
    gradient = (square.gradient - 2 * mean.value * mean.gradient) / (2 * sd)
    return Slope(value=sd, gradient=gradient)


def moved(
    reference: Sums, current: Sums, name: str, ends: tuple[Slope, Slope]
) -> Interval:
    """Return the second number less the first, each of its own table."""
    value = ends[1].value - ends[0].value
    weights = (-ends[0].gradient, ends[1].gradient)
    return _move(reference, current, name, value, weights)


def shift_of(feature: Feature, reference: Sums, current: Sums) -> Interval:
    """Return how far apart a feature's two distributions are, without chance's part.

    Parameters
    ----------
    feature : Feature
    reference, current : Sums

    Returns
    -------
    Interval
        Of a number: the Wasserstein distance W1 in SD of the reference. Of a category:
        Cramér's V, both tables weighing the same.

    Notes
    -----
    The value and the lower limit are those of witnesses found on other folds, on
    average no more than the truth and zero where nothing moved; an estimate below zero
    is zero. Folds find nearly the same witness, so that where nothing moved the
    estimate is nearly the size of a normal error: the lower limit takes the quantile of
    both tails. The upper limit is that of the plain distance, on average no less than
    the truth.
    """
    careful = _gap(feature, reference, current, (HEIGHT, SQUARE))
    plain = _gap(feature, reference, current, (PLAIN, PLAIN_SQUARE))
    highest = np.inf if feature.kind == "number" else 1.0
    df = careful.n_blocks - 1
    below = careful.value - careful.ci_low
    if df > 0 and np.isfinite(below):
        below *= student_quantile(df, BOTH_TAILS) / student_quantile(df)
    ends = (careful.value, careful.value - below, plain.ci_high)
    value, low, high = (float(np.clip(one, 0.0, highest)) for one in ends)
    return replace(careful, value=value, ci_low=low, ci_high=max(high, value))


def plain_shift_of(feature: Feature, reference: Sums, current: Sums) -> float:
    """Return W1 or V as computed from the rows as they are, chance's part included."""
    return _gap(feature, reference, current, (PLAIN, PLAIN_SQUARE)).value


def chance_of(feature: Feature, reference: Sums, current: Sums) -> float:
    """Return the chance of so large a shift, or a larger one, if nothing moved."""
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    found = _gap(feature, reference, current, (HEIGHT, SQUARE))
    if not found.se > 0:
        return float("nan") if np.isnan(found.value) or found.value else 1.0
    tail = float(stdtr(max(found.n_blocks - 1, 1), -found.value / found.se))
    return min(2 * tail, 1.0)


def _gap(
    feature: Feature, reference: Sums, current: Sums, places: tuple[int, int]
) -> Interval:
    """Return the gap between the means of a witness, in SD or as V."""
    sums = [one.of(feature.name) for one in (reference, current)]
    ends = [mean_of(one, places[0]) for one in sums]
    gap = ends[1].value - ends[0].value
    weights = (-ends[0].gradient, ends[1].gradient)
    if feature.kind == "number":
        # The SD is that of the sample: it has an error of its own.
        spread = spread_of(sums[0])
        steep = gap / spread.value if spread.value > 0 else 0.0
        weights = (weights[0] - steep * spread.gradient, weights[1])
    else:
        # V = gap / (2 s), s² the mean square of the scores over both tables.
        squares = [mean_of(one, places[1]) for one in sums]
        square = (squares[0].value + squares[1].value) / 2
        if not square > 0:
            square = float("nan") if np.isnan(gap) else 1.0
        half = 0.5 / np.sqrt(square)
        steep = gap * half / (4 * square)
        weights = (
            half * weights[0] - steep * squares[0].gradient,
            half * weights[1] - steep * squares[1].gradient,
        )
        gap *= half
    return _move(reference, current, feature.name, gap, weights)


def share_moved(reference: Sums, current: Sums, name: str, place: int) -> Interval:
    """Return by how much a share of all rows rose."""
    (before,) = share_intervals(reference.shares(name, place))
    (after,) = share_intervals(current.shares(name, place))
    return share_difference(after, before)


def part_of(sums: Sums, kept: frozenset[int]) -> Sums:
    """Return the sums of some blocks; those by entity are not known of a part."""
    block = sums.clusterings[0]
    rows = np.isin(block.keys, list(kept))
    part = KeyedSums(keys=block.keys[rows], sums=block.sums[rows])
    return replace(sums, totals=part.sums.sum(axis=0), clusterings=(part,))


def only_blocks(sums: Sums) -> Sums:
    """Return the sums by block alone."""
    return replace(sums, clusterings=sums.clusterings[:1])


def _move(
    reference: Sums,
    current: Sums,
    name: str,
    value: float,
    weights: tuple[Floats, Floats],
) -> Interval:
    by_block = []
    for a, b in zip(reference.clusterings, current.clusterings, strict=False):
        parts = [
            KeyedSums(
                keys=one.keys, sums=(one.sums[:, sums.places[name]] @ weight)[:, None]
            )
            for one, sums, weight in (
                (a, reference, weights[0]),
                (b, current, weights[1]),
            )
        ]
        by_block.append(merge_sums(*parts))
    pair = (reference, current)
    by_row = sum(
        float(weight @ one.products[name] @ weight)
        for one, weight in zip(pair, weights, strict=True)
    )
    return _interval(pair, name, value, by_row, tuple(by_block))


def _interval(
    pair: tuple[Sums, Sums], name: str, value: float, by_row: float, parts: Parts
) -> Interval:
    """Return the widest interval: by block, by entity, or by row where none is known.

    `by_row` is the variance with every row by itself.
    """
    n_rows = sum(one.n_known[name] for one in pair)
    if not np.isfinite(value):
        return replace(no_interval(), n_rows=n_rows)
    se = float(np.sqrt(max(by_row, 0.0)))
    width = student_quantile(n_rows - 2) * se if se > 0 else 0.0
    plain = Interval(
        value=value,
        ci_low=value - width,
        ci_high=value + width,
        se=se,
        n_rows=n_rows,
        n_blocks=n_rows,
        dependence_factor=1.0,
    )
    found = []
    for k, one in enumerate(parts):
        sums = one.sums[:, 0]
        wide = clustered_interval(
            Estimate(value=value, influence=sums * len(sums)), Clusters()
        )
        n_blocks = min(len(table.clusterings[k].keys) for table in pair)
        factor = (wide.ci_high - wide.ci_low) / (2 * width) if width > 0 else 1.0
        found.append(
            replace(wide, n_rows=n_rows, n_blocks=n_blocks, dependence_factor=factor)
        )
    return max(found or [plain], key=lambda one: one.ci_high - one.ci_low)
