"""Budgets as sentences a committee reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import LOSS, Base
from readiness.checks.drift._report import UNITS
from readiness.errors import Reason
from readiness.text import interval, number, visible
from readiness.words import metric_words

MAX_SENTENCES = 5
MAX_NAMES = 12
PROPOSED = 0.05  # of today's metric: the loss a note proposes to declare


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How a check speaks of a family: `up` and `down` take ``{column}``, ``{move}``."""

    up: str
    down: str


def sentences(
    base: Base, summary: pd.DataFrame, budgets: pd.DataFrame, words: Mapping[str, Words]
) -> list[str]:
    """Return what a committee should read: the tightest budgets, then the calm rest."""
    said = [_level_sentence(base)] if base.no_level else []
    said += default_loss_sentences(base.case, base.estimate.value)
    known = summary[summary["value"].notna() & (summary["group"] != "")]
    for name in base.rooms:
        metrics = [f"{family}{name}_budget" for family in words]
        tight = known[known["metric"].isin(metrics)]
        # A share of one and one SD are both large moves: comparable enough to sort by.
        order = tight["value"].astype(float).sort_values(kind="stable").index
        said += [
            _budget_sentence(base, row, words, name, budgets)
            for row in tight.loc[order].head(MAX_SENTENCES).to_dict("records")
        ]
    said += _calm_sentences(base, budgets)
    return said


def default_loss_sentences(case: Case, today: float) -> list[str]:
    """Return what the default tolerated loss means for a metric without a scale.

    Empty where the case declares its own, or the metric is a share or probability.

    Parameters
    ----------
    case : Case
        A loss of 0.02 is the default, whatever the unit of its target.
    today : float
        The headline metric before anything moves.
    """
    is_own = "tolerated_loss" in case.file.model.model_fields_set
    if is_own or case.task != "regression" or np.isfinite(case.metric.highest):
        return []
    name, unit = metric_words(case.metric.name), visible(case.target, 40)
    loss = number(case.tolerated_loss, exact=True)
    said = (
        f"The case declares no tolerated loss, so the default of {loss} is taken as it "
        f"stands, in the unit in which {name} counts {unit}: "
        f"{number(case.tolerated_loss / today, 'share')} of today's {number(today)}. "
        f"Declare model.tolerated_loss; {number(PROPOSED, 'share', exact=True)} of "
        f"today's would be {number(PROPOSED * today)}."
    )
    return [said]


def history_sentences(budgets: pd.DataFrame) -> list[str]:
    """Return which columns moved further between past windows than they may."""
    moves = budgets[~budgets["family"].isin(["scale", "direction"])]
    spent = moves.loc[moves["past"] == "beyond", "column"].drop_duplicates()
    far = moves.loc[moves["past"] == "beyond_support", "column"].drop_duplicates()
    said = []
    if len(spent):
        said.append(f"Between past windows {named(spent)} moved further than that.")
    if len(far):
        said.append(
            f"Between past windows {named(far)} moved further than these rows can "
            "speak about; C1 says which situations are missing."
        )
    return said


def _level_sentence(base: Base) -> str:
    metric, case = metric_words(base.metric.name), base.case
    if base.no_level == Reason.NO_ACCEPTABLE:
        return "The case declares no acceptable value, so no move can miss it."
    said = interval(base.interval.ci_low, base.interval.ci_high)
    held = number(case.file.model.acceptable, exact=True)
    if base.no_level == "missed":
        return (
            f"Before anything moves {metric} is {said} and misses the acceptable "
            f"{held}: the budget is spent already."
        )
    return (
        f"Before anything moves {metric} is {said} around the acceptable {held}: "
        "no column can have a budget down to it until that is decided."
    )


def _budget_sentence(
    base: Base,
    row: Mapping[Any, Any],
    words: Mapping[str, Words],
    name: str,
    budgets: pd.DataFrame,
) -> str:
    family = str(row["metric"]).removesuffix(f"{name}_budget")
    same = (budgets["column"] == row["group"]) & (budgets["family"] == family)
    about = budgets[same].iloc[0]
    shown = visible(row["group"], 40)
    move = _amount(row, family, str(about["own_unit"]))
    category = about["loss_category" if name == LOSS else "level_category"]
    if category:
        shown = f"{visible(category, 24)} in {shown}"
    template = words[family].up if row["direction"] == "up" else words[family].down
    if name == LOSS:
        lost = number(base.rooms[LOSS].value, exact=True)
        end = f"it has cost {lost} of {metric_words(base.metric.name)}"
    else:
        held = number(base.case.file.model.acceptable, exact=True)
        end = f"{metric_words(base.metric.name)} misses {held}"
    said = template.format(column=shown, move=move)
    if not template.startswith("{column}"):  # a name keeps its case
        said = f"{said[0].upper()}{said[1:]}"
    return f"{said} before {end}."


def _amount(row: Mapping[Any, Any], family: str, unit: str) -> str:
    if family not in UNITS:
        said = interval(row["ci_low"], row["ci_high"], "share")
        return f"{number(row['value'], 'share')} of the rows ({said})"
    if family == "direction":
        said = interval(row["ci_low"], row["ci_high"], "SD")
        return f"{number(row['value'], 'SD')} ({said})"
    said = interval(row["ci_low_in_unit"], row["ci_high_in_unit"], unit)
    own = number(row["value_in_unit"], unit)
    return f"{own} ({said}; {number(row['value'], 'SD')})"


def _calm_sentences(base: Base, budgets: pd.DataFrame) -> list[str]:
    stirred = set(budgets.loc[~budgets["calm"], "column"])
    calm = budgets[~budgets["column"].isin(stirred)]
    if calm.empty:
        return []
    most = number(float(np.max([calm["worst_loss"].max(), 0.0])))
    said = (
        f"As far as the data can tell, moving {named(calm['column'].unique())} costs "
        f"at most {most} of {metric_words(base.metric.name)}; they are not drawn."
    )
    return [said]


def named(columns: Iterable[object]) -> str:
    """Return names for a sentence, the first dozen of them."""
    shown = [visible(one, 40) for one in columns]
    more = len(shown) - MAX_NAMES
    listed = ", ".join(shown[:MAX_NAMES])
    return f"{listed} and {more} more" if more > 0 else listed
