"""Tables and sentences of the value ranges, from counts alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._outside import Outside
from readiness.columns import Column
from readiness.table_rows import RANGED, Seen, group_of
from readiness.text import interval, number, visible

METRIC, EXPECTED = "outside_share", "expected_outside_share"
SMALL_CELL = 10  # fewer rows of a sensitive column are not named
NAMED = 3  # columns a sentence names
NEW_NAMED = 5  # new categories a sentence names


def by_share(summary: pd.DataFrame) -> pd.DataFrame:
    """Return one row per column, the highest share first, with what is expected."""
    shares = summary[summary["metric"] == METRIC]
    levels = summary[summary["metric"] == EXPECTED].set_index("group")["value"]
    wide = shares.assign(expected=shares["group"].map(levels))
    return wide.sort_values("value", ascending=False, kind="stable")


def columns_table(
    case: Case, seen: Seen, outside: Outside, summary: pd.DataFrame
) -> pd.DataFrame:
    """Return one row per compared column: what was seen, what was met, and shares."""
    wide = by_share(summary)
    name_of = {group_of(name): name for name in outside.names}
    known = wide[wide["group"].isin(name_of)]
    rows = []
    for one in known.to_dict("records"):
        column = case.columns[name_of[str(one["group"])]]
        rows.append(
            {"column": column.name, "kind": column.kind, "unit": column.unit or ""}
            | _extent(column, seen, outside)
            | {"rows": one["n_rows"], "outside_share": one["value"]}
            | {"ci_low": one["ci_low"], "ci_high": one["ci_high"]}
            | {"expected_outside_share": one["expected"]}
        )
    return pd.DataFrame(rows)


def _extent(column: Column, seen: Seen, outside: Outside) -> dict[str, Any]:
    """Return what was seen of a column, and how far the rows go beyond it."""
    n = outside.names.index(column.name)
    if column.kind not in RANGED:
        return {
            "seen": _categories(len(seen.categories[column.name].counts)),
            "met": _categories(len(outside.new[column.name]), "new "),
            "rows_below": 0,
            "rows_above": 0,
        }
    low, high = (
        -float(seen.low[column.name].values[0]),
        float(seen.high[column.name].values[0]),
    )
    return {
        "seen": _range(column, low, high),
        "met": _range(column, float(outside.lowest[n]), float(outside.highest[n])),
        "rows_below": int(outside.below[n]),
        "rows_above": int(outside.above[n]),
    }


def _categories(n: int, which: str = "") -> str:
    return f"{n:,} {which}{'category' if n == 1 else 'categories'}"


def _range(column: Column, low: float, high: float) -> str:
    if column.sensitive:
        return "not shown (sensitive)"
    if not np.isfinite([low, high]).all():
        return "no value"
    return f"{_value(column, low)} to {_value(column, high)}"


def _value(column: Column, value: float) -> str:
    if column.kind == "time":
        return str(np.datetime64(int(value), "us").astype("datetime64[m]"))
    return f"{value:,.6g}"


def new_categories(case: Case, outside: Outside) -> pd.DataFrame:
    """Return rows by new category; small cells of sensitive columns as one."""
    n_rows = outside.shares.n_rows
    rows = [
        {"column": name, "category": visible(value), "rows": n, "share": n / n_rows}
        for name in outside.names
        for value, n in _named(outside.new.get(name, {}), case.columns[name])
    ]
    return pd.DataFrame(rows, columns=["column", "category", "rows", "share"])


def _named(new: Mapping[Any, int], column: Column) -> list[tuple[object, int]]:
    """Return new categories by falling rows."""
    ordered = sorted(new.items(), key=lambda pair: (-pair[1], str(pair[0])))
    if not column.sensitive:
        return ordered
    shown = [(value, n) for value, n in ordered if n >= SMALL_CELL]
    rest = sum(n for _, n in ordered if n < SMALL_CELL)
    small = [(f"other (fewer than {SMALL_CELL} rows each)", rest)] if rest else []
    return [*shown, *small]


def sentences(
    case: Case,
    seen: Seen,
    outside: Outside,
    summary: pd.DataFrame,
    names: tuple[str, str],
) -> tuple[str, ...]:
    """Return what a reader needs to know; `names` are the tables seen and held."""
    base, other = names
    wide = by_share(summary)
    whole = wide[wide["group"] == ""].iloc[0]
    limits = interval(whole["ci_low"], whole["ci_high"], "share")
    share, level = (number(whole[key], "share") for key in ("value", "expected"))
    first = (
        f"{share} ({limits}) of the {other} rows hold a value that the {base} table "
        f"never showed; {level} would be expected if nothing had changed."
    )
    notes = [first]
    name_of = {group_of(name): name for name in outside.names}
    hit = wide[wide["group"].isin(name_of) & (wide["value"] > 0)]
    notes += [
        _sentence(case.columns[name_of[str(name)]], seen, outside, value)
        for name, value in hit[["group", "value"]].head(NAMED).itertuples(index=False)
    ]
    left_out = wide[wide["value"].isna()]
    if len(left_out):
        listed = ", ".join(visible(one, 40) for one in left_out["group"].head(10))
        notes.append(f"Not compared ({len(left_out)} of all features): {listed}.")
    if base != "training":
        notes.append("There is no training table; reference rows stand in for it.")
    if other != "current":
        notes.append("There is no current table; reference rows are held against it.")
    return tuple(notes)


def _sentence(column: Column, seen: Seen, outside: Outside, share: float) -> str:
    name, part = visible(column.name, 40), number(share, "share")
    if column.kind in RANGED:
        one = _extent(column, seen, outside)
        unit = f" {visible(column.unit, 24)}" if column.unit else ""
        return (
            f"{name}: {part} of the rows lie outside {one['seen']}{unit}; "
            f"the rows go from {one['met']}."
        )
    new = _named(outside.new[column.name], column)
    listed = ", ".join(
        f"{visible(value, 40)} ({n:,} row{'s' * (n > 1)})"
        for value, n in new[:NEW_NAMED]
    )
    more = f" and {len(new) - NEW_NAMED} more" if len(new) > NEW_NAMED else ""
    return f"{name}: {part} of the rows hold a new category: {listed}{more}."
