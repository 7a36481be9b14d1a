"""C4: share of production rows far from every row that was seen."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE, VERMILLION
from readiness.case import Case
from readiness.checks.coverage._points import dimensions
from readiness.checks.coverage._support import (
    N_CELLS,
    Judged,
    JudgeSupport,
    Support,
    learned_support,
    told,
)
from readiness.errors import NotAssessedError, Reason
from readiness.evidence import influence_table, share_lines
from readiness.figures import new_figure
from readiness.profiles import profile
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.shares import share_intervals
from readiness.stats import Interval, summary_frame, summary_row
from readiness.table_rows import (
    compared_tables,
    keys_of,
    passed,
    readable,
)
from readiness.tables import Table
from readiness.text import interval, number, visible
from readiness.words import block_word

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "unsupported_share"
NAMED = 3
HASH_CHARS = 12
FEWEST = 100  # distances; below it no p-value is as small as the level


def measure(case: Case, options: Options) -> Measurement:
    """Hold every production row against its distance to the rows that were seen.

    Parameters
    ----------
    case : Case
        Current rows are held against training; without current rows the reference is,
        without training rows the reference stands in. No labels, no scores.
    options : Options
        ``rows`` (anchors at most; twice as many distances are learned), ``level``
        (p-value up to which a row is not supported).

    Returns
    -------
    Measurement
        ``unsupported_share`` (share of rows); group ``table=reference``: the same of
        the reference, which is what unseen days of the known kind give. Tables
        ``p_values``, ``drivers``.

    Raises
    ------
    NotAssessedError
        NO_TABLE when the case has a reference table alone; NO_COLUMNS when no feature
        can be compared; TOO_FEW_ROWS when the base table has too few rows or blocks.

    Notes
    -----
    Half of the blocks of the base table give the anchors, the other half show how far
    a row of an unseen block lies from its nearest anchor; a row's p-value is the share
    of these distances that are at least as large as its own. If rows were independent
    and nothing had changed, exactly the share ``floor(a (c + 1)) / (c + 1)`` of rows
    would have a p-value up to a. Rows of one block share their weather, so that the
    level holds on average over blocks only; the reference beside it shows how it does
    here. Every row of the judged table counts. A number is scaled by its quartiles, two
    different categories and a missing value are one such scale apart; what matters to
    the model plays no part. In many dimensions distances say less and less.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer (2005), doi:10.1007/b106715.
    """
    base, other = compared_tables(case)
    names, _ = readable(case, other, case.features)
    names, _ = readable(case, base, names)
    known = profile(case, base.name)
    names = [one for one in names if known[one].n_present]
    if not names:
        msg = f"No feature of the {other.name} table can be compared with {base.name}."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    support = learned_support(
        case,
        base,
        dimensions(case, base.name, names),
        n_rows=int(options["rows"]),
        level=float(options["level"]),
        seed=options.seed,
    )
    if not len(support.anchors) or len(support.distances) < FEWEST:
        msg = (
            f"Half of the {base.name} rows must give {FEWEST} distances; there are "
            f"{len(support.distances)}."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    found = _judged(case, support, other)
    share = share_intervals(found.shares)[0]
    rows = [summary_row(METRIC, "", share, "share")]
    # The anchors are drawn: how that moves the share is no part of its influence.
    given = hashlib.sha256(support.anchors.tobytes()).hexdigest()[:HASH_CHARS]
    kept = share_lines(case, other, found.shares, [(METRIC, "")], given=given)
    usual = None
    if other.name != "reference" and base.name != "reference":
        reference, group = case.table("reference"), "table=reference"
        counts = _judged(case, support, reference).shares
        usual = share_intervals(counts)[0]
        rows.append(summary_row(METRIC, group, usual, "share"))
        kept += share_lines(case, reference, counts, [(METRIC, group)], given=given)
    drivers = told(names, found.parts)
    return Measurement(
        summary=summary_frame(rows),
        tables={
            "drivers": pd.DataFrame(drivers, columns=["column", "distance_share"]),
            "p_values": pd.DataFrame(
                {
                    "up_to": np.arange(1, N_CELLS + 1) / N_CELLS,
                    "rows": found.cells,
                }
            ),
            INFLUENCE: influence_table(kept),
        },
        notes=_notes(share, usual, drivers, support, case, (base.name, other.name)),
    )


def _judged(case: Case, support: Support, table: Table) -> Judged:
    ask = JudgeSupport(support=support, keys=keys_of(case, table))
    return passed(table, ask, ask.columns())


def _notes(  # noqa: PLR0917 (what was found, in the order it is told)
    share: Interval,
    usual: Interval | None,
    drivers: list[tuple[str, float]],
    support: Support,
    case: Case,
    tables: tuple[str, str],
) -> tuple[str, ...]:
    base, other = tables
    first = (
        f"{_with_limits(share)} of the {other} rows lie farther from every {base} row "
        f"than {number(1 - support.level, 'share')} of unseen {base} rows do"
    )
    if usual is not None:
        first += f"; of the reference rows it is {_with_limits(usual)}"
    notes = [f"{first}."]
    if share.value > 0 and drivers:
        named = ", ".join(
            f"{visible(name, 40)} ({number(part, 'share')})"
            for name, part in drivers[:NAMED]
        )
        notes.append(f"Their distance comes from: {named}.")
    blocks = block_word(case.block)
    notes.append(
        f"Judged by {len(support.anchors):,} rows on {support.n_blocks[0]:,} {blocks} "
        f"as anchors and {len(support.distances):,} rows on {support.n_blocks[1]:,} "
        f"other {blocks}, drawn by content; all {other} rows were judged."
    )
    return tuple(notes)


def _with_limits(one: Interval) -> str:
    limits = interval(one.ci_low, one.ci_high, "share")
    return f"{number(one.value, 'share')} ({limits})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the histogram of p-values, level where nothing had changed."""
    cells = measurement.tables["p_values"]
    share = cells["rows"] / max(int(cells["rows"].sum()), 1)
    figure, axes = new_figure(
        "How usual production rows are, by their distance to what was seen",
        xlabel="p-value: share of unseen past rows that lie at least as far away",
        ylabel="share of rows",
    )
    colours = [VERMILLION, *[BLUE] * (len(cells) - 1)]
    left = cells["up_to"] - 1 / N_CELLS
    axes.bar(left, share, width=0.9 / N_CELLS, align="edge", color=colours)
    axes.axhline(1 / N_CELLS, color="black", linestyle="--", linewidth=1)
    axes.text(
        1.0, 1 / N_CELLS, "if nothing had changed", ha="right", va="bottom", fontsize=8
    )
    axes.set_xlim(0, 1)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the share without support."""
    return measurement.notes[0]


CHECK = Check(
    code="C4",
    title="Support",
    question="How much of production lies far from everything that was seen?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.05,
            required_in=("high",),
            reason="One row in twenty is unlike the past; one in a hundred is usual.",
        ),
    ),
    defaults={"rows": 1000, "level": 0.01},
)
