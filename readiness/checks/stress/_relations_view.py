"""How relations that hold or not are told and drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from readiness.case import Case
from readiness.checks.stress._relations import ANSWERS
from readiness.figures import draw_intervals, new_figure
from readiness.result import Limit, Measurement
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "relation_violation_share"
N_NAMED = 4


def notes_on(
    case: Case,
    summary: pd.DataFrame,
    table: pd.DataFrame,
    wrong_way: Sequence[dict[str, Any]],
) -> tuple[str, ...]:
    """Return how many relations hold, which do not, and what was refused."""
    known = summary[summary["value"].notna()]
    broken = known[known["value"] > 0].sort_values(
        ["value", "group"], ascending=[False, True]
    )
    n_held = len(known) - len(broken)
    first = (
        f"Of {len(known)} relations tried on up to {int(known['n_rows'].max()):,} rows "
        f"of the reference table, {n_held} held on every row and {len(broken)} failed"
    )
    if n_held:
        most = known.loc[known["value"] == 0, "ci_high"].max()
        first += f"; at most {number(most, 'share')} of its rows break one that held"
    notes = [f"{first}."]
    notes += [_broken(row, table) for row in broken.head(N_NAMED).to_dict("records")]
    shown = [one for one in wrong_way if one["wrong_way"] > 0]
    notes += [_told(case, one) for one in shown]
    refused = table[table["model"] != ANSWERS]
    if len(refused):
        names = ", ".join(dict.fromkeys(refused["relation"].map(visible)))
        notes.append(
            f"The model gives no usable score for: {names}. That is loud, and no "
            "violation."
        )
    if not any(one.monotone for one in case.columns.values()):
        notes.append(
            "The case file declares no expected direction (monotone), so none was "
            "tried."
        )
    return tuple(notes)


def _broken(row: dict[Any, Any], table: pd.DataFrame) -> str:
    own = table[(table["relation"] == row["group"]) & (table["violations"] > 0)]
    worst = own.nlargest(1, "largest_move").iloc[0]
    where = f", first of all {visible(worst['column'], 40)}" if len(own) > 1 else ""
    limits = interval(row["ci_low"], row["ci_high"], "share")
    return (
        f"“{visible(row['group'], 60)}” does not hold on "
        f"{number(row['value'], 'share')} of the rows ({limits}){where}; the score "
        f"moves by up to {number(worst['largest_move'])}."
    )


def _told(case: Case, one: dict[str, Any]) -> str:
    column = case.columns[one["column"]]
    name = visible(column.name, 40)
    start = f"{name} should only move the score one way ({column.monotone}); the worst"
    if column.sensitive:
        return f"{start} row goes the other way by {number(one['wrong_way'])}."
    unit = column.unit or ""
    return (
        f"{start} row {one['row']:,} goes from {number(one['score_from'])} to "
        f"{number(one['score_to'])} as it rises from {number(one['from'], unit)} to "
        f"{number(one['to'], unit)}."
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the share of rows that break each relation, with its interval."""
    rows = measurement.summary
    figure, axes = new_figure(
        "Rows on which a relation does not hold", xlabel="share of rows"
    )
    draw_intervals(
        axes,
        list(rows["group"]),
        list(rows["value"]),
        list(rows["ci_low"]),
        list(rows["ci_high"]),
        limits=[one for one in limits if one.metric == METRIC],
        n_rows=list(rows["n_rows"]),
        unit="share",
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return how many relations hold, in one sentence."""
    return measurement.notes[0]
