"""Observed moves as sentences a committee reads."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from readiness.checks.drift._observed_answers import LABELLED, PREDICTED
from readiness.checks.drift._observed_features import MISSED, SHIFT, SPENT
from readiness.checks.drift._observed_spent import Budgets
from readiness.checks.drift._sentences import named
from readiness.text import interval, number, visible
from readiness.words import metric_words

MAX_NAMED = 3
MANY = 10  # budgets: beyond it a percentage is hard to read
LARGE = 0.05  # false among those named, where only chance moved anything
MEANS = {"mean": "its mean", "scale": "its spread", "missing": "its share of missing"}


def sentences(
    summary: pd.DataFrame, tables: Mapping[str, pd.DataFrame], budgets: Budgets
) -> tuple[str, ...]:
    """Return what a committee should read, the most important first."""
    features = tables["features"]
    said = [
        _first_sentence(summary, tables, budgets),
        *_beyond_sentences(summary, tables),
        *_missing_sentences(summary, features),
        *_new_sentences(features),
        *_answer_sentences(summary),
        *_window_sentences(tables["windows"]),
        *_design_sentences(features),
        *_problem_sentences(summary),
        _chance_sentence(features),
    ]
    if budgets.rooms:
        said.append(
            f"Budgets are those of D1: the move that costs {_tolerated(budgets)}, "
            f"measured on the {budgets.table} rows by giving some of them more weight."
        )
    said.append(
        "Whether rows can be told apart by several features at once is C5's question."
    )
    return tuple(one for one in said if one)


def move_words(row: Mapping[Any, Any], units: Mapping[Any, Any]) -> str:
    """Return a move in words, such as ``its mean rose by 3.10 mph``."""
    family = str(row["family"])
    what = MEANS.get(family, f"the share of {visible(row['category'], 24)} in it")
    verb = "rose" if row["move"] >= 0 else "fell"
    own = str(units.get(row["column"], ""))
    unit = own if family in ("mean", "scale") else "points"
    low, high = sorted([row["move_low"], row["move_high"]], key=abs)
    size = number(abs(row["move"]), unit)
    if row["move_low"] * row["move_high"] <= 0:
        return f"{what} {verb} by {size}, or not at all"
    return f"{what} {verb} by {size} ({interval(abs(low), abs(high), unit)})"


def worst_spent(spent: pd.DataFrame) -> pd.DataFrame:
    """Return the family of each feature that spent most, the worst feature first."""
    order = spent.sort_values(
        "spent", ascending=False, kind="stable", na_position="last"
    )
    return order.drop_duplicates("column")


def _first_sentence(
    summary: pd.DataFrame, tables: Mapping[str, pd.DataFrame], budgets: Budgets
) -> str:
    rows = summary[summary["metric"] == SPENT]
    known = tables["spent"].dropna(subset=["spent"])
    if known.empty:
        return _without_budgets(summary, budgets)
    over = rows.loc[rows["ci_low"] > 1, "group"]
    beyond = [one for one in _beyond(tables["spent"]) if one not in set(over)]
    count = f"{len(over)} of {len(rows)} features" if len(over) else "No feature"
    verb = "has" if len(over) < 2 else "have"  # noqa: PLR2004 (one is no plural)
    who = f" ({_few(over)})" if len(over) else ""
    first = (
        f"{count}{who} {verb} certainly moved further since the reference than the "
        "model bears"
    )
    if beyond:
        verb = "has" if len(beyond) == 1 else "have"
        first += (
            f"; {_few(beyond)} {verb} moved further than the labelled rows can tell "
            "the cost of"
        )
    return f"{first}. {_top_sentence(known, tables['features'], budgets)}"


def _top_sentence(known: pd.DataFrame, features: pd.DataFrame, budgets: Budgets) -> str:
    """Return what the feature that spent most of a known budget did, and the next."""
    units = features.set_index("column")["unit"].to_dict()
    top, *others = worst_spent(known).to_dict("records")[:MAX_NAMED]
    at_most = "at most " if top["at_most"] else ""
    then = " and ".join(
        f"{visible(one['column'], 40)} with {'at most ' if one['at_most'] else ''}"
        f"{number(one['spent'], 'share' if one['spent'] <= MANY else 'times')}"
        for one in others
        if one["spent"] > 0
    )
    return (
        f"Of the budgets that are known {visible(top['column'], 40)} has spent most: "
        f"{move_words(top, units)}, {at_most}{_share_words(top)} the move that costs "
        f"{_tolerated(budgets)}{f'; then {then}' if then else ''}."
    )


def _share_words(row: Mapping[Any, Any]) -> str:
    """Return a share of a budget, in times of it where it is many."""
    low, high = row["spent_low"], row["spent_high"]
    if row["spent"] > MANY:
        return f"{number(row['spent'])} times ({interval(low, high)})"
    share = number(row["spent"], "share")
    return f"{share} ({interval(low, high, 'share')}) of"


def _beyond(spent: pd.DataFrame) -> list[str]:
    """Return the features that moved farther than the data can tell, for certain."""
    names = spent.loc[spent["beyond"].astype(bool), "column"]
    return list(dict.fromkeys(names.astype(str)))


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(visible(one, 40) for one in listed[:MAX_NAMED])
    more = len(listed) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _without_budgets(summary: pd.DataFrame, budgets: Budgets) -> str:
    why = (
        "no move so far lies where the data can tell what it costs"
        if budgets.rooms
        else "there are no budgets (D1) to hold the moves against"
    )
    moved = summary[(summary["metric"] == SHIFT) & summary["value"].notna()]
    if moved.empty:
        return f"No feature could be compared with the reference, and {why}."
    top = moved.iloc[int(np.argmax(moved["value"]))]
    limits = interval(top["ci_low"], top["ci_high"], top["unit"])
    return (
        f"{visible(top['group'], 40)} has moved furthest since the reference, by "
        f"{number(top['value'], top['unit'])} ({limits}); {why}, so no move is called "
        "harmful or harmless."
    )


def _tolerated(budgets: Budgets) -> str:
    return f"{number(budgets.tolerated, exact=True)} of {metric_words(budgets.metric)}"


def _beyond_sentences(
    summary: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> list[str]:
    rows = summary[summary["metric"] == SPENT]
    features, spent = tables["features"], tables["spent"]
    beyond = _beyond(spent)
    open_ended = rows.loc[np.isinf(rows["ci_high"]), "group"]
    perhaps = [one for one in open_ended if one not in set(beyond)]
    shifts = features.set_index("column")["shift"]
    # Those that moved farthest first; a dead feed has no distance and comes last.
    order = sorted(beyond, key=lambda name: -np.nan_to_num(shifts[name]))
    units = features.set_index("column")["unit"].to_dict()
    rows_of = spent[spent["beyond"].astype(bool)].drop_duplicates("column")
    moves = {one["column"]: one for one in rows_of.to_dict("records")}
    parts = [
        f"{visible(name, 40)} ({move_words(moves[name], units)})"
        for name in order[:MAX_NAMED]
    ]
    said = []
    if parts:
        listed = ", ".join(parts)
        n_more = len(beyond) - MAX_NAMED
        more = f" and {n_more} more" if n_more > 0 else ""
        said.append(
            f"Too far to tell the cost: {listed}{more}; C1 says which situations are "
            "missing, P1 what the metric is on current rows where those are labelled."
        )
    if perhaps:
        said.append(
            f"{named(perhaps)} may have moved that far: the interval of the move "
            "reaches beyond what the labelled rows can tell."
        )
    return said


def _missing_sentences(summary: pd.DataFrame, features: pd.DataFrame) -> list[str]:
    rows = summary[summary["metric"] == MISSED]
    sure = rows[(rows["ci_low"] > 0) | (rows["ci_high"] < 0)]
    order = sure["value"].abs().sort_values(ascending=False, kind="stable").index
    shares = features.set_index("column")
    parts = [
        f"{visible(name, 40)} from "
        f"{number(shares['missing_reference'][name], 'share')} to "
        f"{number(shares['missing_current'][name], 'share')} of the rows"
        for name in sure.loc[order, "group"].head(MAX_NAMED)
    ]
    more = f"; {len(sure) - MAX_NAMED} more moved" if len(sure) > MAX_NAMED else ""
    return [f"Missing values: {', '.join(parts)}{more}."] if parts else []


def _new_sentences(features: pd.DataFrame) -> list[str]:
    found = features[features["new_categories"] > 0]
    order = found["new_share"].sort_values(ascending=False, kind="stable").index
    parts = [
        f"{visible(row['column'], 40)} ({number(row['new_categories'], 'count')}, in "
        f"{number(row['new_share'], 'share')} of its rows)"
        for row in found.loc[order].head(MAX_NAMED).to_dict("records")
    ]
    if not parts:
        return []
    listed = ", ".join(parts)
    return [f"Categories the reference never had: {listed}; C2 compares with training."]


def _answer_sentences(summary: pd.DataFrame) -> list[str]:
    said = []
    for metric, what in ((PREDICTED, "predictions"), (LABELLED, "outcomes")):
        rows = summary[(summary["metric"] == metric) & summary["value"].notna()]
        if rows.empty:
            why = "the current rows have none yet" if metric == LABELLED else ""
            said += [f"Whether {what} moved is not known: {why}."] if why else []
            continue
        top = rows.iloc[int(np.argmax(np.abs(rows["value"])))]
        limits = interval(top["ci_low"], top["ci_high"], top["unit"])
        which = f" of {visible(top['group'], 60)}" if top["group"] else ""
        if top["unit"] == "share":
            known = which or " that are positive"
            limits = interval(top["ci_low"], top["ci_high"], "points")
            size = number(top["value"], "points")
            said.append(f"The share of {what}{known} changed by {size} ({limits}).")
        else:
            size = number(top["value"], top["unit"])
            said.append(f"The {what}{which} moved by {size} ({limits}).")
    return said


def _window_sentences(windows: pd.DataFrame) -> list[str]:
    over = windows[windows["alert"] == "over"]
    held = windows[windows["alert"].isin(["over", "perhaps", "within"])]
    if held.empty:
        return []
    n_windows = windows["window"].nunique()
    if over.empty:
        return [f"In none of {n_windows} windows a budget is certainly exceeded."]
    counts = over["column"].value_counts(sort=False)
    order = counts.iloc[np.lexsort((counts.index.astype(str), -counts.to_numpy()))]
    first = over["window"].min()
    parts = [f"{visible(name, 40)} in {n}" for name, n in order.head(MAX_NAMED).items()]
    said = (
        f"Window by window ({n_windows} in all), a budget is certainly exceeded by "
        f"{', '.join(parts)}; the first such window begins on {first:%Y-%m-%d}."
    )
    return [said]


def _design_sentences(features: pd.DataFrame) -> list[str]:
    names = features.loc[features["by_design"].astype(bool), "column"]
    if names.empty:
        return []
    verb = "tells" if len(names) == 1 else "tell"
    moves = "moves" if len(names) == 1 else "move"
    return [
        f"{named(names)} {verb} the time and {moves} by design: no alarm is raised."
    ]


def _problem_sentences(summary: pd.DataFrame) -> list[str]:
    absent = summary[(summary["metric"] == SHIFT) & summary["value"].isna()]
    if absent.empty:
        return []
    return [
        f"Not compared, each with its reason in the table: {named(absent['group'])}."
    ]


def _chance_sentence(features: pd.DataFrame) -> str:
    known = features["p_adjusted"].notna()
    n_known, n_moved = int(known.sum()), int((features["p_adjusted"] < LARGE).sum())
    if not n_known:
        return ""
    return (
        f"Chance alone does not explain the moves of {n_moved} of {n_known} features "
        "(Benjamini-Hochberg at 5 %): information only, as on many rows any move is."
    )
