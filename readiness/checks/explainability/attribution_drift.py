"""X8: whether production makes the model lean on other columns than it did."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE, VERMILLION
from readiness.case import Case
from readiness.checks.explainability._explained import DEFAULTS, Explained, explained
from readiness.checks.explainability._shifted import (
    Moved,
    Side,
    column_table,
    moved,
    side_of,
)
from readiness.errors import NotAssessedError, Reason
from readiness.figures import label, name_ends, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import summary_frame, summary_row
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHIFT, ORDER = "attribution_shift", "attribution_order"
CURRENT = "current"
N_NAMED, N_DRAWN = 4, 10
APART = 0.05  # of the height of the figure: names that lie closer are spread


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far attribution moved from the reference to the current rows.

    Parameters
    ----------
    case : Case
        Needs current rows, no labels, and a model that can score altered rows.
    options : Options
        ``rows`` of each table, ``background`` of the reference for both,
        ``evaluations`` for each; ``draws`` (2,000) of blocks for what chance does.

    Returns
    -------
    Measurement
        ``attribution_shift`` (share): the total variation between the columns' shares
        of all attribution in both tables, which is the attribution that moved to
        other columns. ``attribution_order`` (NDCG, 1 for the same order): what the
        order of current keeps of the reference's importance. Tables ``columns``: the
        shares in both; ``chance``: both numbers beside what they exceed in 1 of 100
        cases where nothing moved.

    Raises
    ------
    NotAssessedError
        NO_TABLE without current rows; NO_RESCORING; TOO_FEW_BLOCKS; NOT_MEASURED
        where a table has no attribution, or both cannot be explained in one unit.

    Notes
    -----
    The model is the same for both, so only the rows can have moved: this tells where
    a move of the inputs meets the model, not that the model got worse. A shift found
    in rows is never 0. Its lower limit is 0 unless it is larger than chance would
    make it in 99 of 100 cases: blocks of each table are drawn again around a common
    mean, scaled as Student's t. The NDCG hardly moves when two large columns change
    places (0.975 for shares of 0.40 and 0.35), and not at all when shares move and
    the order stays, so it is told and not limited. Columns are named where chance
    would move any of them as far in 5 of 100 cases. Blocks are taken as unrelated: a
    season or a warm week moves attribution as well. Noise of a sampled route is the
    same in both and draws shares together. Under 30 blocks nothing is decided.

    References
    ----------
    K. Jarvelin, J. Kekalainen (2002), doi:10.1145/582415.582418.
    G. Y. Zou, A. Donner (2008), doi:10.1002/sim.3095.
    """
    case.table(CURRENT)
    old = explained(case, options)
    new = explained(case, options, CURRENT)
    sides = (side_of(old), side_of(new))
    _require_comparable(old, new, sides)
    rng = np.random.default_rng([options.seed, 8])
    found = moved(*sides, int(options["draws"]), rng)
    table = column_table(list(old.found.values.columns), *sides, found)
    summary = summary_frame(
        [
            summary_row(SHIFT, "", found.shift, "share"),
            summary_row(ORDER, "", found.order, "NDCG"),
        ]
    )
    return Measurement(
        summary=summary,
        tables={"columns": table, "chance": _chance(found)},
        notes=_notes(found, table, old, new),
    )


def _require_comparable(
    old: Explained, new: Explained, sides: tuple[Side, Side]
) -> None:
    if old.found.unit != new.found.unit:
        msg = (
            f"Reference rows are explained in {old.found.unit}, current rows in "
            f"{new.found.unit}: their attributions cannot be compared."
        )
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    if not all(side.sizes.sum() > 0 for side in sides):
        msg = "No column changes the model's output in one of the tables."
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    if min(side.n_blocks() for side in sides) < 2:  # noqa: PLR2004 (one block has no spread)
        msg = "A table of a single block does not tell how attribution varies."
        raise NotAssessedError(msg, Reason.TOO_FEW_BLOCKS)


def _chance(found: Moved) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "metric": [SHIFT, ORDER],
            "value": [found.shift.value, found.order.value],
            "in_1_of_100_by_chance": [found.chance, found.least_order],
            "beyond_chance": [
                found.shift.value > found.chance,
                found.order.value < found.least_order,
            ],
        }
    )


def _notes(
    found: Moved, table: pd.DataFrame, old: Explained, new: Explained
) -> tuple[str, ...]:
    shift = found.shift
    limits = interval(shift.ci_low, shift.ci_high, "share")
    verdict = "more than" if shift.value > found.chance else "no more than"
    notes = [
        (
            f"{number(shift.value, 'share')} ({limits}) of all attribution moved to "
            f"other columns, {verdict} chance does: without any change up to "
            f"{number(found.chance, 'share')} would in 99 of 100 cases."
        ),
        _named(table),
        (
            f"The order of importance kept {number(found.order.value)} of 1 (NDCG); "
            f"without any change it keeps {number(found.least_order)} or more in 99 of "
            f"100 cases."
        ),
    ]
    sizes = [table[name].sum() for name in ("reference_size", "current_size")]
    notes.append(
        f"All columns together add or take {number(sizes[1])} {new.found.unit} in a "
        f"current row, {number(sizes[0])} in a reference row."
    )
    notes.append(
        f"From {len(old.found.values):,} reference and {len(new.found.values):,} "
        f"current rows, all explained against the same {old.found.n_background:,} "
        f"reference rows ({new.found.method})."
    )
    return tuple(notes)


def _named(table: pd.DataFrame) -> str:
    beyond = table[table["beyond_chance"]]
    if beyond.empty:
        return "No single column's share changed by more than chance would."
    named = [
        f"{visible(row['column'], 40)} (from {number(row['reference_share'], 'share')} "
        f"to {number(row['current_share'], 'share')})"
        for row in beyond.head(N_NAMED).to_dict("records")
    ]
    rest = len(beyond) - len(named)
    ending = f" and {rest} more" if rest else ""
    return f"Changed by more than chance would: {', '.join(named)}{ending}."


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw each column's share of attribution in the reference and in current."""
    del limits  # they hold the sum of the changes, which has no place on this scale
    table = measurement.tables["columns"]
    largest = table[["reference_share", "current_share"]].max(axis=1)
    shown = table.iloc[np.argsort(-largest.to_numpy(), kind="stable")[:N_DRAWN]]
    figure, axes = new_figure(
        "Where attribution lies in the reference and in production",
        ylabel="share of all attribution",
        height_in=4.4,
    )
    rest = len(table) - len(shown)
    more = f"\n{rest:,} smaller ones are in the table" if rest else ""
    axes.set_xlabel(f"red, solid: changed by more than chance would{more}")
    ends = shown["reference_share"].to_numpy(), shown["current_share"].to_numpy()
    top = max(float(end.max()) for end in ends)
    for row in shown.to_dict("records"):
        color = VERMILLION if row["beyond_chance"] else BLUE
        dash = "-" if row["beyond_chance"] else "--"
        pair = [row["reference_share"], row["current_share"]]
        axes.plot([0, 1], pair, dash, color=color, marker="o", markersize=4)
    axes.set_xticks([0, 1], ["reference", CURRENT])
    axes.set_xlim(-1.1, 2.1)
    for x, end in enumerate(ends):
        names = [
            f"{label(name, 24)} {number(share, 'share')}"
            for name, share in zip(shown["column"], end, strict=True)
        ]
        name_ends(axes, x, end, names, apart=APART * top, reach=(x - 0.5) * 0.2)
    written = [text.get_position()[1] for text in axes.texts]
    every = np.concatenate([*ends, written])
    axes.set_ylim(every.min() - APART * top, every.max() + APART * top)
    axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.4g} %")
    return figure


def alt(measurement: Measurement) -> str:
    """Return how much attribution moved in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="X8",
    title="Attribution drift",
    question="Does production make the model lean on other columns?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=SHIFT,
            side="at_most",
            limit=0.1,
            required_in=(),
            reason="A tenth of the reasons changed: the review explained other rows.",
        ),
    ),
    defaults={**DEFAULTS, "draws": 2000},
    metrics=(ORDER,),
)
