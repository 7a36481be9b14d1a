"""The list of situations to name first, held against the rows of every table."""

from dataclasses import dataclass, replace

from readiness.case import Case
from readiness.checks.coverage._cells import CountCells
from readiness.checks.coverage._pattern_report import Line
from readiness.checks.coverage._situations import (
    MOST_CANDIDATES,
    CountMet,
    Met,
    listed,
)
from readiness.checks.coverage._there import metric_there
from readiness.checks.coverage._uncovered import Uncovered
from readiness.shares import ShareCounts, share_intervals
from readiness.stats import Interval, no_interval
from readiness.table_rows import keys_of, passed
from readiness.tables import Table

LONGEST_LIST = 10
LEAST_ADDED = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Situations held against rows.

    Parameters
    ----------
    lines : list of Line
    share, known : Interval
        Rows in any situation: of the table held against, and of the reference, which
        is without a value where it is the other table itself.
    alone, known_alone : Interval
        The same of situations of one attribute alone.
    counts, known_counts : ShareCounts, ShareCounts or None
        What these are made of: of any situation, then of those of one attribute.
    """

    lines: list[Line]
    share: Interval
    known: Interval
    alone: Interval
    known_alone: Interval
    counts: ShareCounts
    known_counts: ShareCounts | None


def held_against(
    case: Case,
    tables: tuple[Table, Table],
    count: CountCells,
    found: Uncovered,
) -> Held:
    """Return the lines of the list, and the shares of rows in any situation.

    Parameters
    ----------
    case : Case
    tables : tuple of Table
        What was seen, and what is held against it.
    count : CountCells
    found : Uncovered
    """
    base, other = tables
    candidates = tuple(found.situations[:MOST_CANDIDATES])
    ask = CountMet(
        attributes=count.attributes,
        combinations=count.combinations,
        inside=found.inside,
        alone=found.alone,
        candidates=candidates,
        keys=keys_of(case, other),
    )
    together = passed(other, ask, ask.columns()).together
    first = listed(
        candidates, together, other.n_rows, most=LONGEST_LIST, least_share=LEAST_ADDED
    )
    ask = replace(ask, candidates=(), lines=tuple(one for one, _ in first))

    def met_by(table: Table, *, by_row: bool = False) -> Met:
        own = replace(ask, keys=keys_of(case, table), by_row=by_row)
        return passed(table, own, own.columns())

    labelled = case.has_labels(other.name)
    on_other, on_base = met_by(other, by_row=labelled), met_by(base)
    share, alone, *shares = share_intervals(on_other.shares)
    unknown = no_interval(0.0, 1.0)
    known, known_alone, *each = [unknown, unknown, *(unknown for _ in shares)]
    on_reference = None
    if other.name != "reference":
        on_reference = met_by(case.table("reference")).shares
        known, known_alone, *each = share_intervals(on_reference)
    there = metric_there(case, other.name, on_other.lines, len(first))
    lines = [
        Line(
            situation=one,
            base_rows=one.base_rows,
            base_blocks=_blocks_met(on_base, place, one.base_rows),
            added=added,
            share=shares[place],
            known=each[place],
            there=there[place],
        )
        for place, (one, added) in enumerate(first)
    ]
    return Held(
        lines=lines,
        share=share,
        known=known,
        alone=alone,
        known_alone=known_alone,
        counts=on_other.shares,
        known_counts=on_reference,
    )


def _blocks_met(met: Met, place: int, n_rows: int) -> int:
    """Return the blocks with a row in a line; its rows where none are declared."""
    if not met.shares.clusterings:
        return n_rows
    return int((met.shares.clusterings[0].sums[:, 3 + place] > 0).sum())
