"""The smallest change of population that takes a mean loss to its target."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.checks.drift._base import (
    LEVEL,
    LOSS,
    MIN_WINDOW_ROWS,
    Base,
    window_codes,
)
from readiness.checks.drift._tilted import FLOOR, MIN_EFFECTIVE_BLOCKS
from readiness.divergences import (
    Losses,
    Radius,
    effective_share,
    exponential_tilt,
    farthest_rate,
    kl_radius,
    losses,
)
from readiness.errors import NotAssessedError, Reason
from readiness.row_losses import RowLoss, mean_loss_at, row_loss
from readiness.stats import Estimate, Floats, effective_sample_size

GRID = 16
CLOSE = 1e-9
BISECTIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """The losses of the labelled rows, and how far they can be tilted.

    Parameters
    ----------
    base : Base
    loss : RowLoss
        In the order of the base.
    of : Losses
    far : float
        The steepest tilt the rows can carry.
    """

    base: Base
    loss: RowLoss
    of: Losses
    far: float

    def tilted_mean(self, rate: float) -> float:
        """Return the mean loss under a tilt."""
        tilt = self.of.base * exponential_tilt(self.of, rate)
        return float(np.mean(tilt * self.loss.values))

    def fixed(self, value: float) -> Estimate:
        """Return a number without an error of its own."""
        return Estimate(value=value, influence=np.zeros(len(self.loss.values)))

    def edge(self) -> Estimate:
        """Return the largest mean loss that the rows can speak about."""
        return self.fixed(self.tilted_mean(self.far))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """The worst population at one distance.

    Parameters
    ----------
    divergence, distance : float
        In nats, and as a shift of the mean loss in SD.
    mean_loss : float
    estimate : Estimate
        The headline metric on it.
    """

    divergence: float
    distance: float
    mean_loss: float
    estimate: Estimate


def ground_of(base: Base) -> Ground:
    """Return the losses of the base.

    Raises
    ------
    NotAssessedError
        BEYOND_SUPPORT when every row has the same loss.
    """
    loss = row_loss(base.case, base.y_true, base.y_score)
    of = losses(loss.values, base.weight)
    if of is None:
        msg = f"Every row has the same {loss.words}, so no change of rows changes it."
        raise NotAssessedError(msg, Reason.BEYOND_SUPPORT)
    found = of

    def carries(tilt: Floats) -> bool:
        mass = found.base * tilt
        blocks = (
            effective_sample_size(np.bincount(code, mass)) for code in base.folds.codes
        )
        return effective_share(found, tilt) >= FLOOR[loss.bounded] and all(
            n_blocks >= MIN_EFFECTIVE_BLOCKS for n_blocks in blocks
        )

    return Ground(base=base, loss=loss, of=of, far=farthest_rate(of, carries))


def wanted(base: Base) -> dict[str, Estimate | Reason]:
    """Return the values of the headline metric to reach: acceptable, and after a loss.

    Returns
    -------
    dict
        By `LEVEL` and `LOSS`; a Reason where there is none.
    """
    after = base.estimate.value - base.sign * base.case.tolerated_loss
    of_loss = Estimate(value=after, influence=base.estimate.influence)
    acceptable = base.case.file.model.acceptable
    if acceptable is None:
        return {LEVEL: Reason.NO_ACCEPTABLE, LOSS: of_loss}
    nothing = np.zeros_like(base.estimate.influence)
    return {LEVEL: Estimate(value=acceptable, influence=nothing), LOSS: of_loss}


def mean_loss_for(ground: Ground, value: Estimate) -> Estimate | None:
    """Return the mean loss at which the headline metric has a value.

    Parameters
    ----------
    ground : Ground
    value : Estimate
        Of the headline metric.

    Returns
    -------
    Estimate or None
        Where the metric is no mean over rows: the mean loss of the first exponential
        tilt of the loss that takes the metric there. None where no tilt does that the
        rows can carry.
    """
    base = ground.base
    if ground.loss.own:
        return mean_loss_at(base.case, value)
    side = -1.0 if base.sign * (base.estimate.value - value.value) < 0 else 1.0

    def left(rate: float) -> float:
        return base.sign * (_at(ground, rate).value - value.value) * side

    rates = side * np.linspace(0.0, ground.far, GRID + 1)[1:]
    rate = _first_root(left, rates)
    return None if rate is None else _mean_there(ground, rate, value)


def curve(ground: Ground, rates: Floats) -> list[Step]:
    """Return the worst mean loss, and the metric there, by size of the change."""
    steps = []
    for rate in rates:
        tilt = exponential_tilt(ground.of, rate)
        mean = ground.tilted_mean(rate)
        radius = kl_radius(ground.of, ground.fixed(mean))
        if radius is None or not rate:
            continue
        steps.append(
            Step(
                divergence=radius.divergence,
                distance=radius.distance.value,
                mean_loss=mean,
                estimate=_at_fixed_divergence(ground, rate, tilt),
            )
        )
    return steps


def past_windows(ground: Ground) -> pd.DataFrame:
    """Return the mean loss of each historical window and its distance.

    Returns
    -------
    pandas.DataFrame
        ``window`` (number, or first day), ``n_rows``, ``mean_loss``, ``value`` (of the
        headline metric), ``distance`` (SD), ``divergence`` (nats); windows of fewer
        than 30 rows are left out.
    """
    base = ground.base
    codes = window_codes(base)
    columns = ["window", "code", "n_rows", "mean_loss", "value"]
    columns += ["distance", "divergence"]
    rows: list[dict[str, Any]] = []
    for code in [] if codes is None else np.unique(codes[codes >= 0]):
        inside = codes == code
        if inside.sum() < MIN_WINDOW_ROWS:
            continue
        mean = _mean_within(ground, inside)
        radius = kl_radius(ground.of, ground.fixed(mean.value))
        if radius is None:
            continue
        rows.append(
            {
                "window": _name(base, inside, len(rows)),
                "code": int(code),
                "n_rows": int(inside.sum()),
                "mean_loss": mean.value,
                "value": base.weighted(ground.of.base * inside).value,
                "distance": radius.distance.value,
                "divergence": radius.divergence,
            }
        )
    return pd.DataFrame(rows, columns=columns).sort_values("window", ignore_index=True)


def radius_of_window(ground: Ground, code: int) -> Radius | None:
    """Return how far one historical window was from all rows together."""
    codes = window_codes(ground.base)
    if codes is None:
        return None
    return kl_radius(ground.of, _mean_within(ground, codes == code))


def worst_window(windows: pd.DataFrame) -> Mapping[Hashable, Any]:
    """Return the window with the highest mean loss."""
    order = windows.sort_values("mean_loss", ascending=False, kind="stable")
    return order.head(1).to_dict("records")[0]


def _mean_within(ground: Ground, inside: "np.ndarray") -> Estimate:
    weight = ground.of.base * inside
    share = float(np.mean(weight))
    mean = float(np.mean(weight * ground.loss.values)) / share
    return Estimate(value=mean, influence=weight * (ground.loss.values - mean) / share)


def _name(base: Base, inside: "np.ndarray", place: int) -> str:
    time = base.scores.time
    if time is None:
        return f"{place + 1:04d}"
    return str(pd.Series(time[base.rows[inside]]).min().date())


def _at(ground: Ground, rate: float) -> Estimate:
    return ground.base.weighted(ground.of.base * exponential_tilt(ground.of, rate))


def _first_root(left: Callable[[float], float], rates: Floats) -> float | None:
    before = 0.0
    for rate in rates:
        if left(rate) <= 0:
            low, high = before, float(rate)
            break
        before = float(rate)
    else:
        return None
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > 0 else (low, middle)
        if abs(high - low) < CLOSE:
            break
    return (low + high) / 2


def _mean_there(ground: Ground, rate: float, value: Estimate) -> Estimate:
    """Return the tilted mean loss where the metric has a value, with its influence.

    The rate moves until the metric is at the value again: its influence is
    ``(IF(value) - IF(metric)) / slope``, the slope that of the metric along the tilt.
    """
    of = ground.of
    there = _at(ground, rate)
    mass = of.base * exponential_tilt(of, rate)
    centre = float(np.mean(mass * of.u))
    spread = float(np.mean(mass * (of.u - centre) ** 2))
    slope = float(np.mean(there.influence * of.u))
    of_rate = (value.influence - there.influence) / slope
    influence = of.sd * (mass * (of.u - centre) + spread * of_rate)
    return Estimate(value=of.mean + of.sd * centre, influence=influence)


def _at_fixed_divergence(ground: Ground, rate: float, tilt: Floats) -> Estimate:
    """Return the metric under the tilt of a given divergence.

    With more loss in the sample a lesser rate gives the same divergence: the influence
    on it at a fixed rate, ``rate u tilt - (tilt - 1)``, is taken back.
    """
    of = ground.of
    there = _at(ground, rate)
    mass = of.base * tilt
    centre = float(np.mean(mass * of.u))
    spread = float(np.mean(mass * (of.u - centre) ** 2))
    of_divergence = rate * mass * (of.u - centre) - (mass - of.base)
    slope = float(np.mean(there.influence * of.u))
    influence = there.influence - slope * of_divergence / (rate * spread)
    return Estimate(value=there.value, influence=influence)
