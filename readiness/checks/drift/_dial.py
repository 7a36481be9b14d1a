"""Numeric columns altered by a move that is achieved, not only asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from readiness.stats import Floats

STEEPEST = 10.0  # times the move, to achieve it in a column whose range cuts it off
HALVINGS = 25
ROUNDING = 1e-9
NEARLY_ALL = 0.999


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alteration:
    """One way to alter a numeric column, by a move in SD.

    Parameters
    ----------
    alter : callable
        ``alter(values, amount, noise) -> values``, before the range cuts it off;
        amount in the unit of the values, noise with SD 1.
    achieved : callable
        ``achieved(before, after) -> amount`` in the unit of the values.
    vanishes : bool
        A move of -1 SD leaves no spread, so none goes further down.
    """

    alter: Callable[[Floats, float, Floats], Floats]
    achieved: Callable[[Floats, Floats], float]
    vanishes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dial:
    """A numeric column of fixed rows with one alteration, set by the move achieved.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (k,)
        NaN where missing; missing values stay missing.
    sd : float
        One unit of a move.
    noise : numpy.ndarray of float, shape (k,)
        Mean 0 and SD 1 over the known rows.
    limits : tuple of float
        The declared range, else infinite.
    how : Alteration
        What is done to the values.
    """

    values: Floats
    sd: float
    noise: Floats
    limits: tuple[float, float]
    how: Alteration

    def set_to(self, move: float) -> Floats:
        """Return the values altered so that `move` is achieved, within the range."""
        return self._at(self.asked(move))

    def asked(self, move: float) -> float:
        """Return the move to ask for, so that `move` is achieved within the range."""
        if self._achieved(move) >= abs(move) - ROUNDING:
            return move
        low, high = abs(move), STEEPEST * max(abs(move), 1.0)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = self._achieved(np.sign(move) * middle) >= abs(move)
            low, high = (low, middle) if enough else (middle, high)
        return float(np.sign(move) * high)

    def reach(self, sign: int, widest: float) -> tuple[float, bool]:
        """Return the farthest move up to `widest`, and if none is farther."""
        if self.how.vanishes and sign < 0:
            return 1.0, True
        if self._achieved(sign * widest) >= widest - ROUNDING:
            return widest, False
        farthest = NEARLY_ALL * self._achieved(sign * STEEPEST * widest)
        return min(widest, farthest), farthest < widest

    def _at(self, move: float) -> Floats:
        after: Floats = np.clip(
            self.how.alter(self.values, move * self.sd, self.noise), *self.limits
        )
        return after

    def _achieved(self, move: float) -> float:
        known = np.isfinite(self.values)
        after = self._at(move)[known]
        return abs(self.how.achieved(self.values[known], after)) / self.sd


def _shift(values: Floats, amount: float, _: Floats) -> Floats:
    return values + amount


def _stretch(values: Floats, amount: float, _: Floats) -> Floats:
    known = values[np.isfinite(values)]
    centre = known.mean()
    spread: Floats = centre + (1 + amount / known.std()) * (values - centre)
    return spread


def _add_noise(values: Floats, amount: float, noise: Floats) -> Floats:
    return values + amount * noise


def _mean_move(before: Floats, after: Floats) -> float:
    return float(np.mean(after - before))


def _sd_move(before: Floats, after: Floats) -> float:
    return float(np.std(after) - np.std(before))


def _noise_move(before: Floats, after: Floats) -> float:
    return float(np.sqrt(np.mean((after - before) ** 2)))


ALTERATIONS = {
    "mean": Alteration(alter=_shift, achieved=_mean_move),
    "scale": Alteration(alter=_stretch, achieved=_sd_move, vanishes=True),
    "noise": Alteration(alter=_add_noise, achieved=_noise_move),
}
