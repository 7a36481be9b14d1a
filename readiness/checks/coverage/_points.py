"""Rows as points: numbers on one scale, categories and missing as indicators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from readiness.case import Case
from readiness.column_profiles import ColumnProfile
from readiness.profiles import profile
from readiness.seen import encoded
from readiness.table_rows import numbers

Points = npt.NDArray[np.float32]
MOST_VALUES = 20  # of a category that get an indicator; the others share one
FARTHEST = 8.0  # scales: beyond it a number is as far as it can be
NORMAL_IQR = 1.349  # quartile distance of a normal distribution with unit spread
APART = np.float32(2**-0.5)  # two different categories are one scale apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One feature as coordinates.

    Parameters
    ----------
    name : str
    centre, scale : float
        Of a number: its median and its spread, from the quartiles.
    values : tuple of str or None
        Of a category: its most frequent values; None for a number.
    """

    name: str
    centre: float = 0.0
    scale: float = 1.0
    values: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """Coordinates: value and "missing"; or each value, "other", "missing"."""
        return 2 if self.values is None else len(self.values) + 2

    def points(self, column: pa.Array) -> Points:
        """Return the coordinates of n values, (n, width)."""
        n_rows = len(column)
        if self.values is None:
            x = numbers(column)
            missing = np.isnan(x)
            with np.errstate(over="ignore"):  # farther than far is far
                z = np.clip((x - self.centre) / self.scale, -FARTHEST, FARTHEST)
            found = np.column_stack([np.where(missing, 0.0, z), missing])
            return found.astype(np.float32)
        codes, names = encoded(column)
        place = {label: code for code, label in enumerate(self.values)}
        known = [place.get(str(name), len(self.values)) for name in names]
        cells = np.array([*known, len(self.values) + 1])[codes]
        points = np.zeros((n_rows, self.width), dtype=np.float32)
        points[np.arange(n_rows), cells] = APART
        return points


def dimensions(case: Case, base: str, names: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the features as dimensions, scaled by what the base table holds."""
    known = profile(case, base)
    return tuple(_dimension(case, known[name]) for name in names)


def points_of(batch: pa.RecordBatch, space: Sequence[Dimension]) -> Points:
    """Return n rows as points, (n, sum of widths)."""
    return np.concatenate(
        [one.points(batch.column(one.name)) for one in space], axis=1, dtype=np.float32
    )


def owners(space: Sequence[Dimension]) -> npt.NDArray[np.int64]:
    """Return the dimension that each coordinate belongs to."""
    return np.repeat(np.arange(len(space)), [one.width for one in space])


def _dimension(case: Case, known: ColumnProfile) -> Dimension:
    if case.columns[known.name].kind in ("numeric", "time"):
        low, centre, high = (known.quantile(q) for q in (0.25, 0.5, 0.75))
        scale = (high - low) / NORMAL_IQR or known.std
        usable = np.isfinite(scale) and scale > 0
        return Dimension(
            name=known.name,
            centre=centre if np.isfinite(centre) else 0.0,
            scale=float(scale) if usable else 1.0,
        )
    values = tuple(list(known.categories)[:MOST_VALUES])
    return Dimension(name=known.name, values=values)
