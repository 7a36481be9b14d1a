"""Directions in which numeric columns move together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.drift._base import (
    MIN_WINDOW_ROWS,
    Base,
    largest_move,
    numbers,
)
from readiness.checks.drift._clocks import is_clock
from readiness.errors import NotAssessedError
from readiness.stats import Floats, Ints
from readiness.text import number, visible

COMPONENT, HISTORY = "first principal component", "direction of history"
FEWEST = 2  # columns that can move together, and windows between which they move
DIGITS = 6  # of a share: finer ones hang on the order of a sum
MAX_NAMED = 4  # columns that a sentence names


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Direction:
    """A direction of unit length through standardised numeric columns.

    Parameters
    ----------
    name : str
        `COMPONENT` or `HISTORY`.
    shares : mapping of str to float
        Part of the direction by column; the largest is positive.
    mean, sd : mapping of str to float
        Of each column, in its own unit.
    place : numpy.ndarray of float, shape (n,)
        Where each row stands along the direction; a missing value counts as the mean.
    spread : float
        Standard deviation of `place`.
    past : float
        Largest move between two historical windows, in `spread`; NaN when not known.
    """

    name: str
    shares: Mapping[str, float]
    mean: Mapping[str, float]
    sd: Mapping[str, float]
    place: Floats
    spread: float
    past: float


def directions(base: Base, windows: Ints | None) -> tuple[Direction, ...]:
    """Return the first principal component, and the direction in which history moved.

    Parameters
    ----------
    base : Base
        Numeric columns that vary and do not tell the time are taken.
    windows : numpy.ndarray of int, shape (n,), or None
        Historical window of each row.

    Returns
    -------
    tuple of Direction
        Empty with fewer than two such columns. History is the first principal
        component of the means of its windows, each weighted by its rows; it is left
        out with fewer than two windows.
    """
    z, mean, sd = _standardised(base)
    if len(z) < FEWEST:
        return ()
    names = list(z)
    products = np.array([[float(np.mean(z[a] * z[b])) for b in names] for a in names])
    found = [(COMPONENT, products)]
    means = None if windows is None else _window_means(z, windows)
    if means is not None:
        found.append((HISTORY, means))
    made = []
    for name, covariance in found:
        shares = dict(zip(names, _leading(covariance), strict=True))
        place = np.sum([shares[one] * z[one] for one in names], axis=0)
        spread = float(place.std())
        if spread > 0:
            made.append(
                Direction(
                    name=name,
                    shares=shares,
                    mean=mean,
                    sd=sd,
                    place=place,
                    spread=spread,
                    past=largest_move(place, windows) / spread,
                )
            )
    return tuple(made)


def direction_sentences(found: Sequence[Direction], budgets: pd.DataFrame) -> list[str]:
    """Return what each direction is made of, and how far history went along it."""
    said = []
    for one in found:
        reached = budgets.loc[budgets["column"] == one.name, "reach"]
        if reached.empty:
            continue
        order = sorted(one.shares, key=lambda name: (-abs(one.shares[name]), name))
        parts = ", ".join(
            f"{visible(name, 30)} {'up' if one.shares[name] > 0 else 'down'}"
            for name in order[:MAX_NAMED]
        )
        moved = (
            ""
            if np.isnan(one.past)
            else f"; between past windows it moved by {number(one.past, 'SD')}, and "
            f"these rows can speak about {number(float(reached.iloc[0]), 'SD')}"
        )
        said.append(f"The {one.name} is mostly {parts}{moved}.")
    return said


def _standardised(
    base: Base,
) -> tuple[dict[str, Floats], dict[str, float], dict[str, float]]:
    z, means, sds = {}, {}, {}
    for column in base.case.columns.values():
        if column.name not in base.case.features or column.kind != "numeric":
            continue
        if is_clock(column):
            continue
        try:
            values = numbers(base.values(column.name), "numeric")
        except NotAssessedError:
            continue  # listed by the column's own move
        known = np.isfinite(values)
        sd = float(values[known].std()) if known.any() else 0.0
        if sd > 0:
            mean = float(values[known].mean())
            z[column.name] = np.where(known, (values - mean) / sd, 0.0)
            means[column.name], sds[column.name] = mean, sd
    return z, means, sds


def _window_means(z: Mapping[str, Floats], windows: Ints) -> Floats | None:
    """Return the products of the windows' mean values, weighted by their rows."""
    known = windows >= 0
    rows = np.bincount(windows[known])
    enough = rows >= MIN_WINDOW_ROWS
    if enough.sum() < FEWEST:
        return None
    share = rows[enough] / rows[enough].sum()
    means = np.array(
        [
            np.bincount(windows[known], one[known])[enough] / rows[enough]
            for one in z.values()
        ]
    )
    centred = means - (means * share).sum(axis=1, keepdims=True)
    products: Floats = (centred[:, None, :] * centred[None, :, :] * share).sum(axis=2)
    return products


def _leading(covariance: Floats) -> Floats:
    """Return the first eigenvector, its largest part positive."""
    first = np.linalg.eigh(covariance)[1][:, -1]
    largest = first[np.argmax(np.round(np.abs(first), DIGITS))]
    rounded: Floats = np.round(first * np.sign(largest), DIGITS)
    return rounded
