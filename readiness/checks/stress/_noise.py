"""Noise on the inputs of a model, as sensors have it, and the decisions it flips."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._decisions import Bools, Decider
from readiness.columns import Column
from readiness.errors import NotAssessedError, Reason
from readiness.scoring import score_frame
from readiness.stats import Clusters, Floats, Interval, proportion_interval


def noise_of(
    columns: Mapping[str, Column], frame: pd.DataFrame, assumed_share: float
) -> tuple[dict[str, float], bool]:
    """Return the SD of the noise of each noisy column, and whether it is declared.

    Parameters
    ----------
    columns : mapping of str to Column
    frame : pandas.DataFrame
        Rows whose spread the assumed noise is a share of.
    assumed_share : float
        Where no column declares its noise, every numeric one is given this share of
        its SD.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS without a numeric column that varies.
    """
    numeric = [one for one in columns.values() if one.kind == "numeric"]
    declared = {
        one.name: one.measurement_sd
        for one in numeric
        if one.measurement_sd is not None
    }
    if declared:
        return declared, True
    spreads = {one.name: assumed_share * spread(frame[one.name]) for one in numeric}
    assumed = {name: sd for name, sd in spreads.items() if sd > 0}
    if not assumed:
        msg = "No feature is a number that varies, so none can be measured with noise."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    return assumed, False


def spread(values: "pd.Series[float]") -> float:
    """Return the SD of the known values; zero without two of them."""
    x = values.to_numpy(dtype=np.float64, na_value=np.nan)
    x = x[np.isfinite(x)]
    return float(np.std(x)) if len(x) else 0.0


def with_noise(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    sds: Mapping[str, float],
    z: Mapping[str, Floats],
) -> pd.DataFrame:
    """Return rows with noise on some columns.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows.
    columns : mapping of str to Column
        Noise leads no value out of its declared range.
    sds : mapping of str to float
        SD of the noise of each noisy column.
    z : mapping of str to ndarray of shape (n,)
        Standard normal draws of each.

    Returns
    -------
    pandas.DataFrame
        Missing values stay missing, and whole numbers whole.
    """
    noisy = {
        name: placed(frame[name], values_of(frame, name) + sd * z[name], columns[name])
        for name, sd in sds.items()
    }
    return frame.assign(**noisy)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noisy:
    """Rows to be measured once more, with the noise they get.

    Parameters
    ----------
    case, decider : Case, Decider
    frame, before : pandas.DataFrame, ndarray
        n rows and their scores.
    sds : mapping of str to float
        SD of the noise of each noisy column.
    draws : mapping of str to ndarray of shape (draws, n)
        Standard normal draws of each.
    """

    case: Case
    decider: Decider
    frame: pd.DataFrame
    before: Floats
    sds: Mapping[str, float]
    draws: Mapping[str, Floats]

    def flips(
        self, names: Iterable[str], multiple: float = 1.0, n_rows: int | None = None
    ) -> Bools:
        """Return which decisions flip, (draws, n), with noise on some columns.

        Raises
        ------
        ModelError
            When the model refuses the rows.
        """
        sds = {name: multiple * self.sds[name] for name in names}
        frame, before = self.frame.iloc[:n_rows], self.before[:n_rows]
        z = {name: self.draws[name][:, : len(frame)] for name in sds}
        n_draws = len(next(iter(z.values())))
        copies = [
            with_noise(frame, self.case.columns, sds, {k: v[one] for k, v in z.items()})
            for one in range(n_draws)
        ]
        scores = score_frame(self.case, pd.concat(copies, ignore_index=True))
        tiled = np.concatenate([before] * n_draws)
        return self.decider.flipped(tiled, scores).reshape(n_draws, len(frame))


def noisy(
    case: Case,
    decider: Decider,
    frame: pd.DataFrame,
    before: Floats,
    sds: Mapping[str, float],
    *,
    seed: int,
    n_draws: int,
) -> Noisy:
    """Return rows with draws of noise that do not depend on the other columns."""
    places = {name: place for place, name in enumerate(case.columns)}
    draws = {
        name: np.random.default_rng([seed, places[name]]).standard_normal(
            (n_draws, len(frame))
        )
        for name in sds
    }
    return Noisy(
        case=case, decider=decider, frame=frame, before=before, sds=sds, draws=draws
    )


def values_of(frame: pd.DataFrame, name: str) -> Floats:
    """Return a numeric column as floats, NaN where missing."""
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def placed(
    own: "pd.Series[float]", values: Floats, column: Column
) -> "pd.Series[float]":
    """Return new values of a column, in its range and type; gaps stay gaps."""
    before = own.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.range is not None:
        low = np.fmin(before, column.range[0])
        values = np.clip(values, low, np.fmax(before, column.range[1]))
    if pd.api.types.is_integer_dtype(own.dtype):
        values = np.rint(values)
    kept = np.where(np.isfinite(before), values, np.nan)
    return pd.Series(kept, index=own.index).astype(own.dtype)


def flip_interval(flips: Bools, clusters: Clusters, weight: Floats | None) -> Interval:
    """Return the share of decisions that flip, draws of one row hanging together.

    Parameters
    ----------
    flips : ndarray of bool, shape (draws, n)
    clusters : Clusters
        Codes of the n rows.
    weight : ndarray of shape (n,) or None
    """
    n_draws, n_rows = flips.shape
    hits = flips.ravel()
    weights = None if weight is None else np.tile(weight, n_draws)
    own = Clusters(block=np.tile(np.arange(n_rows, dtype=np.int64), n_draws))
    by_row = replace(proportion_interval(hits, own, weights), n_rows=n_rows)
    if not clusters.declared():
        return replace(by_row, dependence_factor=1.0)
    tiled = Clusters(
        block=None if clusters.block is None else np.tile(clusters.block, n_draws),
        entity=None if clusters.entity is None else np.tile(clusters.entity, n_draws),
    )
    found = proportion_interval(hits, tiled, weights)
    width = by_row.ci_high - by_row.ci_low
    return replace(
        found,
        n_rows=n_rows,
        dependence_factor=(found.ci_high - found.ci_low) / width if width else 1.0,
    )
