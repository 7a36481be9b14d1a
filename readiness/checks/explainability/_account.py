"""What a model says about the world, in sentences that hold numbers alone."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._effects import Told
from readiness.result import Measurement
from readiness.text import interval, number, visible

HANGS, BREAKS = 0.8, 0.01  # as the limits of X9 and X7 ship
MOST = 0.8  # of all attribution, which the columns named first make up
OPENING_WORDS = 60  # of the paragraph that opens the page
N_LEANS, N_CELLS, N_ALARMS = 3, 2, 2


def account(
    case: Case,
    summary: pd.DataFrame,
    effects: pd.DataFrame,
    needed: Mapping[str, Measurement],
    tables: list[Told],
) -> tuple[str, ...]:
    """Return the paragraph that opens the page, its basis, and further sentences.

    The strongest come first; the paragraph ends before its words are too many.

    Parameters
    ----------
    case : Case
    summary, effects : pandas.DataFrame
        Of X11.
    needed : mapping of str to Measurement
        X9; X7 where it can answer.
    tables : list of Told
        Explained rows, the reference first.
    """
    expected = needed["X7"].tables["expectations"] if "X7" in needed else None
    leans = needed["X9"].tables["shares"]
    alarms, doubts = _broken(needed.get("X7"), expected)
    sentences = [
        *alarms,
        *_hangs(leans),
        _leans(leans),
        *unsupported(summary, effects, tables[-1].name),
        *doubts,
        *_kept(expected),
        *directions(summary, effects, tables[0].rows.found.unit),
        *_unused(leans),
    ]
    n_words = np.cumsum([len(re.findall(r"\S*\w\S*", one)) for one in sentences])
    n_first = max(int(np.sum(n_words <= OPENING_WORDS)), 1)
    opening = " ".join(sentences[:n_first])
    return (opening, _basis(case, tables), *sentences[n_first:])


def _broken(
    found: Measurement | None, expected: pd.DataFrame | None
) -> tuple[list[str], list[str]]:
    """Return what surely breaks an expectation, and what may: X7's own words."""
    if found is None or expected is None:
        return [], []
    broken = expected[expected["share"] > 0].reset_index(drop=True)
    sure = broken["ci_low"] > BREAKS
    sentences = dict(zip(broken.index, found.notes, strict=False))
    first = [sentences[place] for place in broken.index[sure]]
    return first[:N_ALARMS], [sentences[place] for place in broken.index[~sure]][:1]


def _hangs(leans: pd.DataFrame) -> list[str]:
    top = leans.iloc[0].to_dict()
    if not top["ci_low"] > HANGS:
        return []
    said = (
        f"It hangs on {visible(top['column'], 60)} alone, as a model does whose column "
        f"holds the answer: {_share(top)} of all attribution."
    )
    return [said]


def _leans(leans: pd.DataFrame) -> str:
    reached = leans["share"].cumsum() >= MOST - 1e-9
    n_named = min(int(reached.to_numpy().argmax()) + 1, N_LEANS)
    named = [
        f"{visible(one['column'], 40)} {_share(one)}"
        for one in leans.head(n_named).to_dict("records")
    ]
    rest = (leans["share"] > 0).sum() - n_named
    together = number(leans["share"].head(n_named).sum(), "share")
    of = f", together {together}," if n_named > 1 else ""
    ending = f"; {rest} more columns share the rest" if rest > 1 else ""
    return (
        f"Of all attribution the model gives {', '.join(named)}{of}{ending}.".replace(
            ",;", ";"
        ).replace(",.", ".")
    )


def _share(row: Mapping[Any, Any]) -> str:
    limits = interval(row["ci_low"], row["ci_high"], "share")
    return f"{number(row['share'], 'share')}{f' ({limits})' if limits else ''}"


def directions(summary: pd.DataFrame, effects: pd.DataFrame, unit: str) -> list[str]:
    """Return one sentence per column: how its attribution goes with its value.

    Only reference rows count, in cells that training supports.
    """
    known = effects[
        (effects["table"] == "reference")
        & effects["supported"]
        & effects["mean_attribution"].notna()
    ]
    of_ranks = summary[summary["metric"] == "attribution_direction"]
    ranks = {one["group"]: one for one in of_ranks.to_dict("records")}
    found = []
    for name, part in known.groupby("column", sort=False):
        if len(part) < 2:  # noqa: PLR2004 (one cell has no direction)
            continue
        if name in ranks and bool(part["is_numeric"].any()):
            numbers = part[part["at"].notna()]
            found += _of_numbers(str(name), numbers, ranks[name], unit)
        else:
            found.append(_of_categories(str(name), part, unit))
    return found


def _of_numbers(
    name: str, part: pd.DataFrame, rank: Mapping[Any, Any], unit: str
) -> list[str]:
    if len(part) < 2:  # noqa: PLR2004 (one cell has no direction)
        return []
    limits = interval(rank["ci_low"], rank["ci_high"])
    between = f", {limits}" if limits else ""
    measured = f"rank correlation {number(rank['value'])}{between}"
    sign = int(rank["ci_low"] > 0) - int(rank["ci_high"] < 0)
    both = turns(part, 1) and turns(part, -1)
    if both or sign == 0:
        words = "goes both ways" if both else "has no sure direction"
        low, high = _ends(part)
        said = f"{visible(name, 40)} {words} ({measured}): lowest {_at(low, unit)}"
        return [f"{said}, highest {_at(high, unit)}."]
    more = "more" if sign > 0 else "less"
    said = f"The larger {visible(name, 40)}, the {more} it adds ({measured})"
    first, last = part.to_dict("records")[0], part.to_dict("records")[-1]
    return [f"{said}: {_at(first, unit)}, {_at(last, unit)}."]


def _ends(part: pd.DataFrame) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return the cells with the smallest and the largest mean."""
    cells = part.sort_values("mean_attribution", kind="stable").to_dict("records")
    return cells[0], cells[-1]


def turns(part: pd.DataFrame, sign: int) -> bool:
    """Return whether some cell surely lies on the wrong side of an earlier one."""
    low = (sign * part[["ci_low", "ci_high"]]).min(axis=1)
    high = (sign * part[["ci_low", "ci_high"]]).max(axis=1)
    return bool((high < low.cummax()).any())


def _at(cell: Mapping[Any, Any], unit: str) -> str:
    amount = cell["mean_attribution"]
    sign = "+" if amount > 0 else ""
    return f"{sign}{number(amount, unit)} where it is {visible(cell['cell'], 30)}"


def _of_categories(name: str, part: pd.DataFrame, unit: str) -> str:
    low, high = _ends(part)
    return f"{visible(name, 40)} adds {_at(high, unit)}, {_at(low, unit)}."


def unsupported(summary: pd.DataFrame, effects: pd.DataFrame, table: str) -> list[str]:
    """Return where rows lie of which training hardly has any, the most rows first."""
    shares = summary[(summary["metric"] == "thin_share") & (summary["value"] > 0)]
    if shares.empty:
        return [
            f"Of its first columns, every {table} row lies where training supports it."
        ]
    own = effects[(effects["table"] == table) & ~effects["supported"]]
    named: list[str] = []
    for one in shares.sort_values("value", ascending=False).head(2).to_dict("records"):
        cells = own[(own["column"] == one["group"]) & (own["rows"] > 0)]
        most = cells.sort_values("rows", ascending=False, kind="stable")["cell"]
        words = " or ".join(visible(cell, 30) for cell in most.head(N_CELLS))
        limits = interval(one["ci_low"], one["ci_high"], "share")
        of = "" if named else f" of the {table} rows"
        named.append(
            f"{visible(one['group'], 40)}{f' {words}' if words else ''} "
            f"({number(one['value'], 'share')}{of}, {limits})"
        )
    return [f"Training hardly has rows for {' and '.join(named)}."]


def _unused(leans: pd.DataFrame) -> list[str]:
    unused = [visible(one, 40) for one in leans.loc[leans["share"] == 0, "column"]]
    if not unused:
        return []
    more = f" and {len(unused) - N_LEANS} more" if len(unused) > N_LEANS else ""
    named = f"{', '.join(unused[:N_LEANS])}{more}"
    return [f"In none of the rows explained does it use {named}."]


def _kept(expected: pd.DataFrame | None) -> list[str]:
    if expected is None:
        return [
            "No direction or role of a column was declared, so none could conflict."
        ]
    kept = expected[expected["share"] == 0]
    if kept.empty:
        return []
    n_all = len(expected)
    return [
        f"It keeps {len(kept)} of {n_all} declared expectations on every row asked."
    ]


def _basis(case: Case, tables: list[Told]) -> str:
    counts = " and ".join(f"{len(one.frame):,} {one.name}" for one in tables)
    found = tables[0].rows.found
    of = ", of the class it predicts" if case.task == "multiclass" else ""
    return (
        f"From {counts} rows, in {found.unit}{of} ({found.method}); a cell is "
        "supported by 30 training rows of 5 blocks, as on the page of coverage."
    )
