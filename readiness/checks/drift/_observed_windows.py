"""Moves over time: window by window against the whole reference."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._observed_compare import Compared
from readiness.checks.drift._observed_features import in_own_unit
from readiness.checks.drift._observed_moves import (
    Slope,
    mean_of,
    moved,
    only_blocks,
    part_of,
    spread_of,
)
from readiness.checks.drift._observed_spent import LIMITS, Budgets, spent_of
from readiness.checks.drift._observed_sums import FIRST, MISSING, WEIGHT, Sums
from readiness.columns import block_span
from readiness.stats import Floats, Ints
from readiness.table_rows import keys_of

COLUMNS = ("window", "table", "column", "family", "category", "n_rows", "n_blocks")
MOVES = ("move", "move_low", "move_high", "spent", "spent_low", "spent_high", "alert")
MIN_ROWS = 30


def window_rows(
    case: Case,
    compared: Compared,
    spent: Sequence[dict[str, Any]],
    budgets: Budgets,
    left_out: Collection[str],
) -> list[dict[str, Any]]:
    """Return one row per window, feature and the family that spent most.

    Parameters
    ----------
    case : Case
        Without blocks of time there are no windows.
    compared : Compared
    spent : sequence of dict
        What the features spent over all current rows.
    budgets : Budgets
    left_out : collection of str
        Features that move by design.
    """
    span = _span(case)
    if span is None or not compared.features or not compared.sums[0].clusterings:
        return []
    rows = []
    chosen = [one for one in _chosen(compared, spent) if one[0] not in left_out]
    reference = only_blocks(compared.sums[0])
    for table, sums in zip(("reference", "current"), compared.sums, strict=True):
        for start, kept in windows_of(case, sums.clusterings[0].keys, span):
            part = part_of(sums, kept)
            if part.totals[WEIGHT] < MIN_ROWS:
                continue
            about = {"window": start, "table": table}
            rows += [
                {**about, **_row(compared, reference, part, one, budgets)}
                for one in chosen
            ]
    return rows


def windows_of(
    case: Case, keys: Ints, span: int
) -> Iterable[tuple[pd.Timestamp, frozenset[int]]]:
    """Yield the start of each window and the blocks it holds, in order of time.

    A window is the span the case declares, else a calendar month; never shorter than
    a block. Blocks without a time are in none.
    """
    starts = pd.Series(
        pd.to_datetime([int(one) * span for one in keys if _is_time(one)], unit="us")
    )
    blocks = [int(one) for one in keys if _is_time(one)]
    declared = case.file.data.window
    if declared is None:
        windows = starts.dt.to_period("M").dt.start_time
    else:
        length = max((block_span(declared) or 0) // 1000, span)
        windows = pd.Series(
            pd.to_datetime([one * span // length * length for one in blocks], unit="us")
        )
    for start, places in windows.groupby(windows).groups.items():
        yield pd.Timestamp(str(start)), frozenset(blocks[place] for place in places)


def window_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the windows in order of feature and time."""
    frame = pd.DataFrame(rows, columns=[*COLUMNS, *MOVES])
    order = ["column", "family", "category", "window", "table"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _span(case: Case) -> int | None:
    keys = [keys_of(case, case.table(name)) for name in ("reference", "current")]
    return keys[0].span if all(one.time is not None for one in keys) else None


def _is_time(key: int) -> bool:
    """Return whether a block key is a time: rows without one have keys of their own."""
    return abs(int(key)) < 1 << 56


def _chosen(
    compared: Compared, spent: Sequence[dict[str, Any]]
) -> list[tuple[str, str, str]]:
    """Return the family of each feature that spent most; its mean without budgets."""
    best: dict[str, dict[str, Any]] = {}
    for one in spent:
        known = one["spent"] if np.isfinite(one["spent"]) else np.inf
        held = best.get(one["column"])
        if held is None or known > held["size"]:
            best[one["column"]] = {**one, "size": known}
    chosen = [(c, one["family"], one["category"]) for c, one in best.items()]
    return chosen + [
        (name, "mean", "")
        for name, one in compared.features.items()
        if name not in best and one.kind == "number"
    ]


def _row(
    compared: Compared,
    reference: Sums,
    part: Sums,
    chosen: tuple[str, str, str],
    budgets: Budgets,
) -> dict[str, Any]:
    name, family, category = chosen
    feature = compared.features[name]
    place = FIRST + feature.tracked.index(category) if family == "category" else MISSING
    slopes = [_slope(one.of(name), family, place) for one in (reference, part)]
    found = moved(reference, part, name, (slopes[0], slopes[1]))
    scale = in_own_unit(feature, family)
    move = {one: getattr(found, one) * scale for one in LIMITS}
    rows = {
        "column": name,
        "family": family,
        "category": category,
        "n_rows": float(part.of(name)[WEIGHT]),
        "n_blocks": len(part.clusterings[0].keys),
        "move": move["value"],
        "move_low": move["ci_low"],
        "move_high": move["ci_high"],
        "alert": "",
    }
    sides = [budgets.rooms.get((name, family, category, sign)) for sign in (1, -1)]
    up, down = sides
    if up is None or down is None or not np.isfinite(found.value):
        return rows
    spent = spent_of(move, up, down)
    limits = {
        "spent": spent.value,
        "spent_low": spent.ci_low,
        "spent_high": spent.ci_high,
    }
    return {**rows, **limits, "alert": _alert(spent.value, spent.ci_low)}


def _alert(spent: float, at_least: float) -> str:
    """Return whether a window exceeds its budget: for certain, perhaps, or not."""
    if np.isnan(spent):
        return "cannot tell"
    if at_least > 1:
        return "over"
    return "perhaps" if spent > 1 else "within"


def _slope(sums: Floats, family: str, place: int) -> Slope:
    if family == "mean":
        return mean_of(sums)
    if family == "scale":
        return spread_of(sums)
    gradient = np.zeros(len(sums))
    total = float(sums[WEIGHT])
    if not total > 0:
        return Slope(value=float("nan"), gradient=gradient)
    share = float(sums[place]) / total
    gradient[WEIGHT], gradient[place] = -share / total, 1 / total
    return Slope(value=share, gradient=gradient)
