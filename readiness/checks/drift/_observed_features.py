"""What is measured of each feature: its shift, its missing values, its budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._clocks import move_unit
from readiness.checks.drift._observed_compare import Compared
from readiness.checks.drift._observed_folds import Feature
from readiness.checks.drift._observed_moves import (
    chance_of,
    mean_of,
    moved,
    plain_shift_of,
    share_moved,
    shift_of,
    spread_of,
)
from readiness.checks.drift._observed_spent import LIMITS, Budgets, Spent, spent_of
from readiness.checks.drift._observed_sums import FIRST, KNOWN, MISSING, WEIGHT
from readiness.columns import Column
from readiness.distances import (
    equal_bins,
    jensen_shannon_distance,
    ks_distance,
    psi,
    psi_null_quantile,
)
from readiness.errors import Reason
from readiness.stats import Floats, Interval, Ints, empty_row, summary_row

SHIFT, MISSED, SPENT = "shift", "missing_shift", "budget_spent"
UNITS = {"number": "SD", "category": "V", "flag": "V"}
N_BINS = 10
FAMILIES = ("mean", "scale")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """One feature: rows of the summary, of the features and of the budgets spent."""

    rows: list[dict[str, Any]]
    about: dict[str, Any]
    spent: list[dict[str, Any]]


def measure_feature(
    case: Case, compared: Compared, name: str, budgets: Budgets, *, by_design: bool
) -> Found:
    """Return what is measured of one feature."""
    feature, (reference, current) = compared.features[name], compared.sums
    shift = shift_of(feature, reference, current)
    unit = UNITS[feature.kind]
    if np.isfinite(shift.value):
        own = _in_unit(case.columns[name], feature, shift)
        rows = [summary_row(SHIFT, name, shift, unit, **own)]
    else:
        rows = [empty_row(SHIFT, name, Reason.ALL_NULL, unit, shift.n_rows)]
    missing = share_moved(reference, current, name, MISSING)
    if reference.of(name)[MISSING] or current.of(name)[MISSING]:
        rows.append(summary_row(MISSED, name, missing, "share"))
    spent = [] if by_design else _spent_rows(compared, name, budgets, missing)
    if spent:
        rows.append(_spent_row(name, spent, shift))
    about = {
        "column": name,
        "kind": case.columns[name].kind,
        "unit": case.columns[name].unit or "",
        "by_design": by_design,
        "shift": shift.value,
        "ci_low": shift.ci_low,
        "ci_high": shift.ci_high,
        **_described(compared, feature),
        **_distances(compared, feature, shift),
        "p_value": chance_of(feature, reference, current),
    }
    return Found(rows=rows, about=about, spent=spent)


def unmeasured(case: Case, name: str, reason: Reason) -> dict[str, Any]:
    """Return the row of a feature that cannot be compared."""
    numeric = case.columns[name].kind in ("numeric", "time")
    return empty_row(SHIFT, name, reason, "SD" if numeric else "V")


def moves_of(
    compared: Compared, name: str, families: list[tuple[str, str]]
) -> dict[tuple[str, str], Interval]:
    """Return the move of each family, in the column's own unit or as a share."""
    feature, (reference, current) = compared.features[name], compared.sums
    ends = [one.of(name) for one in (reference, current)]
    found: dict[tuple[str, str], Interval] = {}
    for family, category in families:
        if family in FAMILIES and feature.kind == "number":
            slope = mean_of if family == "mean" else spread_of
            move = moved(reference, current, name, (slope(ends[0]), slope(ends[1])))
            found[family, ""] = move
        elif family == "missing":
            found[family, ""] = share_moved(reference, current, name, MISSING)
        elif category in feature.tracked:
            place = FIRST + feature.tracked.index(category)
            found[family, category] = share_moved(reference, current, name, place)
    return found


def in_own_unit(feature: Feature, family: str) -> float:
    """Return by what to multiply a move to have it in the unit of its budget."""
    return feature.scale if family in FAMILIES else 1.0


def _spent_rows(
    compared: Compared, name: str, budgets: Budgets, missing: Interval
) -> list[dict[str, Any]]:
    feature = compared.features[name]
    families = budgets.families(name)
    moves = moves_of(compared, name, families)
    if compared.sums[1].of(name)[MISSING] and ("missing", "") not in moves:
        moves["missing", ""] = missing
    rows = []
    for (family, category), move in moves.items():
        scale = in_own_unit(feature, family)
        size = {one: getattr(move, one) * scale for one in LIMITS}
        up = budgets.rooms.get((name, family, category, 1))
        down = budgets.rooms.get((name, family, category, -1))
        if up is None or down is None or not np.isfinite(move.value):
            continue
        spent = spent_of(size, up, down)
        rows.append(_spent_about(name, family, category, size, spent))
    return rows


def _spent_about(
    name: str, family: str, category: str, size: Mapping[str, float], spent: Spent
) -> dict[str, Any]:
    return {
        "column": name,
        "family": family,
        "category": category,
        "move": size["value"],
        "move_low": size["ci_low"],
        "move_high": size["ci_high"],
        "budget": spent.budget,
        "at_most": spent.at_most,
        "beyond": spent.beyond,
        "spent": spent.value,
        "spent_low": spent.ci_low,
        "spent_high": spent.ci_high,
    }


def _spent_row(
    name: str, spent: list[dict[str, Any]], shift: Interval
) -> dict[str, Any]:
    """Return the feature's row: the family that has spent most of its budget."""
    value = [one["spent"] for one in spent if np.isfinite(one["spent"])]
    is_over = any(one["spent_low"] > 1 for one in spent)
    plain = empty_row(SPENT, name, Reason.BEYOND_SUPPORT, "share", shift.n_rows)
    limits = {
        "ci_low": max(one["spent_low"] for one in spent),
        "ci_high": max(one["spent_high"] for one in spent),
        "n_blocks": shift.n_blocks,
        "dependence_factor": shift.dependence_factor,
    }
    # One family beyond what the data can tell hides what all of them cost.
    if not value or (len(value) < len(spent) and not is_over):
        return {**plain, **limits, "censored": True}
    first = max(spent, key=_by_spent)
    direction = "up" if first["move"] >= 0 else "down"
    known = {"value": max(value), "reason": None, "direction": direction}
    return {**plain, **limits, **known}


def _by_spent(row: Mapping[str, Any]) -> float:
    return float(row["spent"]) if np.isfinite(row["spent"]) else -1.0


def _in_unit(column: Column, feature: Feature, shift: Interval) -> dict[str, object]:
    if feature.kind != "number":
        return {}
    moved = {f"{one}_in_unit": getattr(shift, one) * feature.scale for one in LIMITS}
    return {**moved, "own_unit": move_unit(column)}


def _described(compared: Compared, feature: Feature) -> dict[str, Any]:
    """Return mean, SD and share of missing rows of both tables."""
    found: dict[str, Any] = {}
    for label, sums in zip(("reference", "current"), compared.sums, strict=True):
        own = sums.of(feature.name)
        if feature.kind == "number":
            centre = mean_of(own).value * feature.scale + feature.centre
            found[f"mean_{label}"] = centre
            found[f"sd_{label}"] = spread_of(own).value * feature.scale
        share = own[MISSING] / own[WEIGHT] if own[WEIGHT] > 0 else np.nan
        found[f"missing_{label}"] = share
        found[f"known_{label}"] = int(sums.n_known[feature.name])
    if feature.kind == "number":
        return found
    before, after = compared.counts(feature.name)
    is_new = (before == 0) & (after > 0)
    known = compared.sums[1].of(feature.name)[KNOWN]
    found["new_categories"] = int(is_new.sum())
    found["new_share"] = float(after[is_new].sum() / known) if known > 0 else np.nan
    return found


def _distances(
    compared: Compared, feature: Feature, shift: Interval
) -> dict[str, float]:
    """Return the distances other tools print, with the PSI that no drift leaves."""
    before, after = compared.counts(feature.name)
    if not (before.sum() > 0 and after.sum() > 0):
        return {}
    n_rows = [float(one.n_known[feature.name]) for one in compared.sums]
    # Rows that hang together tell less: the null widens by the squared factor.
    factor = max(shift.dependence_factor, 1.0) ** 2
    if feature.kind != "number":
        coarse, ks = (before, after), float("nan")
    else:
        place = equal_bins(before, N_BINS)
        coarse = (_summed(place, before), _summed(place, after))
        ks = ks_distance(before, after)
    n_bins = len(coarse[0])
    null = psi_null_quantile(n_bins, n_rows[0] / factor, n_rows[1] / factor)
    return {
        "plain_shift": plain_shift_of(feature, *compared.sums),
        "ks": ks,
        "jensen_shannon": jensen_shannon_distance(*coarse),
        "psi": psi(*coarse),
        "psi_bins": n_bins,
        "psi_by_chance": null,
    }


def _summed(place: Ints, rows: Floats) -> Floats:
    return np.asarray(np.bincount(place, weights=rows), dtype=np.float64)


def feature_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per feature, its columns in a fixed order."""
    names = ["column", "kind", "unit", "by_design", "shift", "ci_low", "ci_high"]
    for one in ("mean", "sd", "missing", "known"):
        names += [f"{one}_reference", f"{one}_current"]
    names += ["new_categories", "new_share", "plain_shift", "ks"]
    names += ["jensen_shannon", "psi", "psi_bins", "psi_by_chance", "p_value"]
    return pd.DataFrame(found, columns=names)
