"""D5: the smallest change of population that would spend what may be lost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import LEVEL, Base, base_of
from readiness.checks.drift._report import base_table
from readiness.checks.drift._stability import (
    Ground,
    curve,
    ground_of,
    mean_loss_for,
    past_windows,
    radius_of_window,
    wanted,
    worst_window,
)
from readiness.checks.drift._stability_view import alt, draw, notes_on
from readiness.divergences import Radius, chi2_radius, kl_radius
from readiness.errors import Reason
from readiness.result import Check, Measurement, Options
from readiness.stats import (
    Clusters,
    Estimate,
    Interval,
    clustered_interval,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)

NATS = "nats"
POINTS = 12
BEYOND = 1.3  # of the farthest move that is asked about: how far the curve is drawn


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Measure how near the nearest population is on which the model fails.

    Parameters
    ----------
    case : Case
        With labelled rows the model was not fitted on; the table with the most
        blocks is used. The model is not called.
    options : Options
        None of its own.

    Returns
    -------
    Measurement
        ``stability_radius`` (nats): the smallest Kullback-Leibler divergence of a
        population that misses the acceptable value; ``stability_loss_radius``: that
        costs the tolerated loss. ``chi2_radius``, ``chi2_loss_radius``: the same as a
        chi-square divergence. ``past_radius`` (nats): how far the worst window of the
        past was. Tables ``curve``, ``windows``, ``base``.

    Raises
    ------
    NotAssessedError
        As `base_of`; BEYOND_SUPPORT when every row has the same loss.

    Notes
    -----
    Rows are re-weighted, whatever they have in common, towards those with a high loss:
    no rule says that life can single these out, so the true robustness is at least
    this. ``sqrt(2 nats)`` is the move in SD that would give a normal loss the same
    divergence. The loss is that of each row: the headline metric's own where it is a
    mean over rows (the answer is then the exact minimum). For any other metric the
    rows are tilted along the log loss, the 0/1 loss or the absolute error until the
    metric itself is there, which bounds its own radius from above. Intervals: influence
    on the root of the divergence (on its inverse for a loss from here), summed by
    block. No number where fewer than 0.3 of the rows (0.5 for unbounded losses) or 25
    blocks would remain in effect. The worst of many small windows is far by chance as
    well.

    References
    ----------
    S. Gupta, D. Rothenhaeusler (2023), arXiv:2105.03067. J. Duchi, H. Namkoong (2021),
    doi:10.1214/20-AOS2004.
    """
    base = base_of(case)
    ground = ground_of(base)
    clusters = base.scores.clusters.take(base.rows)
    rows: list[dict[str, Any]] = []
    for room, value in wanted(base).items():
        rows += _rows(ground, room, value, clusters)
    windows = past_windows(ground)
    rows.append(_past_row(ground, windows, clusters))
    summary = summary_frame(rows)
    tables = {
        "curve": _curve(ground, summary, clusters),
        "windows": windows.drop(columns="code"),
        "base": base_table(base).assign(loss=ground.loss.words, own=ground.loss.own),
    }
    notes = notes_on(base, ground, summary, windows)
    return Measurement(summary=summary, tables=tables, notes=notes)


def _rows(
    ground: Ground, room: str, value: Estimate | Reason, clusters: Clusters
) -> list[dict[str, Any]]:
    kinds = (
        (f"stability{room}_radius", NATS, kl_radius, 2.0),
        (f"chi2{room}_radius", "", chi2_radius, 1.0),
    )
    if isinstance(value, Reason):
        return [empty_row(name, "", value, unit) for name, unit, _, _ in kinds]
    if room == LEVEL and ground.base.no_level == "missed":
        return [_spent(ground.base, name, unit) for name, unit, _, _ in kinds]
    target = mean_loss_for(ground, value)
    edge = ground.edge()
    within = target is not None and target.value <= edge.value
    rows = []
    for name, unit, radius_of, scale in kinds:
        radius = radius_of(ground.of, target if within and target else edge)
        if radius is None:
            rows.append(empty_row(name, "", Reason.BEYOND_SUPPORT, unit))
            continue
        interval_of = divergence_interval if room == LEVEL else far_interval
        measured = interval_of(radius, scale, clusters)
        row = summary_row(name, "", measured, unit)
        rows.append(row if within else _censored(row))
    return rows


def divergence_interval(radius: Radius, scale: float, clusters: Clusters) -> Interval:
    """Return the interval of a divergence: that of its root, squared.

    Parameters
    ----------
    radius : Radius
    scale : float
        The squared distance over the divergence.
    clusters : Clusters
        Of the rows.
    """
    root = clustered_interval(radius.distance, clusters)
    low, value, high = (
        max(end, 0.0) ** 2 / scale for end in (root.ci_low, root.value, root.ci_high)
    )
    return Interval(
        value=value,
        ci_low=low,
        ci_high=high,
        se=2 * abs(root.value) * root.se / scale,
        n_rows=root.n_rows,
        n_blocks=root.n_blocks,
        dependence_factor=root.dependence_factor,
    )


def far_interval(radius: Radius, scale: float, clusters: Clusters) -> Interval:
    """Return the interval of the divergence of a fixed rise: that of its inverse.

    To first order the divergence is the squared rise over the variance of the loss, so
    its inverse is near linear in what is averaged.

    Parameters
    ----------
    radius, scale, clusters
        As for `divergence_interval`; the distance is positive.
    """
    distance = radius.distance
    inverse = Estimate(
        value=scale / distance.value**2,
        influence=-2 * scale / distance.value**3 * distance.influence,
    )
    found = clustered_interval(inverse, clusters)
    return replace(
        found,
        value=1 / found.value,
        ci_low=1 / found.ci_high,
        ci_high=1 / found.ci_low if found.ci_low > 0 else np.inf,
        se=found.se / found.value**2,
    )


def _censored(row: dict[str, Any]) -> dict[str, Any]:
    nothing = {"value": np.nan, "ci_high": np.inf, "se": np.nan, "censored": True}
    return {**row, **nothing, "reason": str(Reason.BEYOND_SUPPORT)}


def _spent(base: Base, name: str, unit: str) -> dict[str, Any]:
    """Return the row of a model that misses its target before anything moves."""
    row = summary_row(name, "", no_interval(), unit)
    counts = {"n_rows": base.interval.n_rows, "n_blocks": base.interval.n_blocks}
    return {**row, "value": 0.0, "ci_low": 0.0, "ci_high": 0.0, **counts}


def _past_row(
    ground: Ground, windows: pd.DataFrame, clusters: Clusters
) -> dict[str, Any]:
    if len(windows) < 2:  # noqa: PLR2004 (one window is no history)
        return empty_row("past_radius", "", Reason.NO_TIME, NATS)
    worst = worst_window(windows)
    radius = radius_of_window(ground, int(worst["code"]))
    if radius is None:
        return empty_row("past_radius", "", Reason.BEYOND_SUPPORT, NATS)
    measured = divergence_interval(radius, 2.0, clusters)
    return {
        **summary_row("past_radius", "", measured, NATS),
        "n_rows": int(worst["n_rows"]),
    }


def _curve(ground: Ground, summary: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    """Return the curve as far as anything is asked about, within the support."""
    nats = summary.loc[summary["unit"] == NATS, "value"].astype(float)
    asked = BEYOND * float(np.sqrt(2 * nats.max())) if nats.notna().any() else np.inf
    # Near the present rows one unit of rate moves the loss by one SD.
    end = min(ground.far, asked) if asked > 0 else ground.far
    rows = []
    for one in curve(ground, np.linspace(0.0, end, POINTS + 1)):
        measured = clustered_interval(one.estimate, clusters)
        place = (one.divergence, one.distance, one.mean_loss)
        rows.append((*place, measured.value, measured.ci_low, measured.ci_high))
    now = ground.base.interval
    start = (0.0, 0.0, ground.of.mean, now.value, now.ci_low, now.ci_high)
    names = ["divergence", "distance", "mean_loss", "value", "ci_low", "ci_high"]
    return pd.DataFrame([start, *rows], columns=names)


CHECK = Check(
    code="D5",
    title="Stability radius",
    question="How near is the nearest population on which the model fails?",
    measure=measure,
    draw=draw,
    alt=alt,
    metrics=(
        "stability_radius",
        "stability_loss_radius",
        "chi2_radius",
        "chi2_loss_radius",
        "past_radius",
    ),
)
