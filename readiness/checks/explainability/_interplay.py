"""Friedman's H² of pairs of columns, with what chance alone would leave of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from readiness.attribution_units import in_unit
from readiness.case import Case
from readiness.scoring import score_frame
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    block_sums,
    clustered_interval,
)

ROUNDING = 1e-12  # H² up to which the parts differ by rounding alone
N_DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Rows to stand at, crossed with rows that fill in what is not known.

    Parameters
    ----------
    case : Case
    rows, others : pandas.DataFrame
        n rows and m rows of the model's columns.
    clusters : Clusters
        Codes of the n rows, then of the m others.
    weight, other_weight : ndarray of shapes (n,) and (m,)
        Of the rows and of the others, each with mean one.
    unit : str
        Of the attributions: scores are turned into it.
    target : ndarray of int, shape (n,), or None
        Class that the model predicts for each row, where there are several.
    """

    case: Case
    rows: pd.DataFrame
    others: pd.DataFrame
    clusters: Clusters
    weight: Floats
    other_weight: Floats
    unit: str
    target: "np.ndarray | None" = None

    def known(self, names: Sequence[str]) -> Floats:
        """Return the output with some columns of the rows, the rest of the others.

        Returns
        -------
        ndarray of shape (n, m)
        """
        n, m = len(self.rows), len(self.others)
        own, other = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
        columns = {
            name: self.rows[name].array.take(own)
            if name in names
            else self.others[name].array.take(other)
            for name in self.rows.columns
        }
        said = self._said(pd.DataFrame(columns))
        if self.target is not None:
            said = said[np.arange(n * m), np.repeat(self.target, m)]
        return said.reshape(n, m)

    def unknown(self) -> Floats:
        """Return the output of the others alone, (1, m) or (n, m) by class."""
        said = self._said(self.others)
        return said[None] if self.target is None else said[:, self.target].T

    def _said(self, frame: pd.DataFrame) -> Floats:
        return in_unit(by_class(self.case, score_frame(self.case, frame)), self.unit)


def by_class(case: Case, said: Floats) -> Floats:
    """Return scores with one column per class where a model only names classes."""
    if case.task != "multiclass" or said.ndim > 1:
        return said
    one_column_each: Floats = np.eye(len(case.classes))[said.astype(np.int64)]
    return one_column_each


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One part of the output over the grid: its mean over the others, by row.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        With weighted mean zero.
    sums : ndarray of shape (K, n)
        Deviations of the others from it, summed by their blocks and divided by m:
        their sum over blocks is the noise of `mean`.
    by_other : ndarray of shape (n, m)
        The deviations themselves, times the weight of the other.
    """

    mean: Floats
    sums: Floats
    by_other: Floats

    def square(self, weight: Floats) -> float:
        """Return the mean square over the rows."""
        return float(np.mean(weight * self.mean**2))

    def noise(self, weight: Floats) -> float:
        """Return what noise of the others adds to the mean square, on average."""
        return float(np.mean(weight * np.sum(self.sums**2, axis=0)))


def part_of(grid: Grid, values: Floats) -> Part:
    """Return values over the grid (n, m) as a part; the wider clustering wins."""
    weight = grid.weight / max(float(grid.weight.sum()), 1e-300)
    # Not a matrix product, whose last digits may hang on threads.
    centred = values - np.sum(weight[:, None] * values, axis=0)
    mean = np.mean(centred * grid.other_weight, axis=1)
    by_other = (centred - mean[:, None]) * grid.other_weight
    n, m = values.shape
    found = []
    for code in grid.clusters.declared() or (None,):
        sums = block_sums(by_other.T / m, None if code is None else code[n:])
        n_blocks = len(sums)
        found.append(sums * np.sqrt(n_blocks / max(n_blocks - 1, 1)))
    widest = max(found, key=lambda one: float(np.sum(one**2)))
    return Part(mean=mean, sums=widest, by_other=by_other)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Together:
    """What two columns do together, beyond what each does alone.

    Parameters
    ----------
    share : Interval
        H²; NaN where both columns together have no effect beyond noise.
    size : float
        Root mean square of what they do together, in units of the output.
    p_value : float
        How often the others alone would make it as large, if it were nothing.
    """

    share: Interval
    size: float
    p_value: float


def together(
    grid: Grid,
    alone: tuple[Floats, Floats],
    both: Floats,
    start: Floats,
    rng: np.random.Generator,
) -> Together:
    """Return what two columns do together.

    Parameters
    ----------
    grid : Grid
    alone : tuple of ndarray of shape (n, m)
        Output with one of the two columns known.
    both : ndarray of shape (n, m)
        Output with both known.
    start : ndarray of shape (1, m) or (n, m)
        Output with none known.
    rng : numpy.random.Generator

    Notes
    -----
    The same others stand behind all four outputs, so a model that adds up has parts
    of exactly nothing. Squares of noisy means are too large; the noise is taken off
    both sums of H². Its law under "nothing together" is drawn with normal multipliers
    per block of the others, scaled as Student's t.

    References
    ----------
    J. H. Friedman, B. E. Popescu (2008), doi:10.1214/07-AOAS148, equation 44.
    """
    excess = part_of(grid, both - alone[0] - alone[1] + start)
    joint = part_of(grid, both - start)
    square, whole = (one.square(grid.weight) for one in (excess, joint))
    net = max(square - excess.noise(grid.weight), 0.0)
    net_whole = whole - joint.noise(grid.weight)
    if square <= ROUNDING * whole:
        square = net = 0.0
    value = net / net_whole if net_whole > ROUNDING * whole else float("nan")
    return Together(
        share=_interval(grid, excess, joint, value, whole),
        size=float(np.sqrt(net)),
        p_value=_p_value(grid, excess, square, rng) if square > 0 else 1.0,
    )


def _interval(
    grid: Grid, excess: Part, joint: Part, value: float, whole: float
) -> Interval:
    """Return the interval of a ratio whose rows and others are both a sample."""
    n, m = joint.by_other.shape
    weight = grid.weight
    of_rows = weight * (excess.mean**2 - value * joint.mean**2)
    of_others = np.mean(
        2
        * weight[:, None]
        * (
            excess.mean[:, None] * excess.by_other
            - value * joint.mean[:, None] * joint.by_other
        ),
        axis=0,
    )
    both = np.concatenate([of_rows / n, of_others / m]) * (n + m) / max(whole, 1e-300)
    influence = both - both.mean()
    found = clustered_interval(
        Estimate(value=value, influence=influence), grid.clusters
    )
    return replace(found, ci_low=max(found.ci_low, 0.0), n_rows=n)


def _p_value(
    grid: Grid, excess: Part, square: float, rng: np.random.Generator
) -> float:
    n_blocks = len(excess.sums)
    if n_blocks < 2:  # noqa: PLR2004 (one block has no spread)
        return 1.0
    drawn = rng.standard_normal((N_DRAWS, n_blocks)) @ excess.sums
    scale = (n_blocks - 1) / rng.chisquare(n_blocks - 1, N_DRAWS)
    by_chance = np.mean(grid.weight * drawn**2, axis=1) * scale
    return float((1 + np.sum(by_chance >= square)) / (N_DRAWS + 1))
