"""C1: situations that production meets and the model has hardly seen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute, choose
from readiness.checks.coverage._cells import Cells, CountCells, Situation, situations
from readiness.checks.coverage._map import draw_map, map_table
from readiness.checks.coverage._pattern_report import (
    Answer,
    Line,
    Words,
    pattern_table,
    sentences,
    shopping_list,
)
from readiness.checks.coverage._rows import compared_tables, keys_of, passed
from readiness.checks.coverage._shares import share_difference, share_intervals
from readiness.checks.coverage._situations import (
    MOST_CANDIDATES,
    MOST_COLLECTED,
    CountMet,
    Met,
    collected,
    listed,
)
from readiness.checks.coverage._there import impossible_regions, metric_there
from readiness.errors import Reason
from readiness.patterns import Bools
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Interval,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)
from readiness.tables import Table
from readiness.text import number
from readiness.words import block_word, metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARE, EXCESS, PATTERNS = (
    "uncovered_traffic_share",
    "uncovered_traffic_excess",
    "uncovered_patterns",
)
LONGEST_LIST = 10
LEAST_ADDED = 0.005


def measure(case: Case, options: Options) -> Measurement:
    """Find the widest situations with hardly any training rows that production meets.

    Parameters
    ----------
    case : Case
        Current rows are held against training; without current rows the reference is,
        without training rows the reference stands in.
    options : Options
        ``attributes`` (names; empty: declared groups, then the features that move the
        score most, at most eight), ``level`` (attributes combined at a time),
        ``min_rows``, ``min_blocks`` (fewer leave a situation uncovered), ``domains``
        (values by attribute), ``impossible`` (combinations that cannot occur).

    Returns
    -------
    Measurement
        ``uncovered_traffic_share`` (share of rows in any uncovered situation; group
        ``table=reference`` for the reference), ``uncovered_traffic_excess`` (share;
        current less reference) and ``uncovered_patterns`` (count). Tables
        ``shopping_list``, ``patterns``, ``map``.

    Raises
    ------
    CaseError
        For an option that names no feature.
    NotAssessedError
        NO_TABLE when the case has a reference table alone; NO_COLUMNS when no feature
        can describe a situation.

    Notes
    -----
    A situation is a maximal uncovered pattern: it lacks rows or blocks, and every
    wider one has enough. Numeric attributes are half-lines on rounded edges, so what
    lies inside the range in a gap is seen only where another attribute shows it. All
    rows of all tables are counted. Small cells are thin on every table, so the same
    share on the reference is what to expect if nothing changed; the limit holds the
    difference. The difference takes the tables' blocks as independent.

    References
    ----------
    A. Asudeh, Z. Jin, H. V. Jagadish (2019), arXiv:1810.06742: the patterns.
    G. Y. Zou, A. Donner (2008), doi:10.1002/sim.3095: the interval of a difference.
    """
    base, other = compared_tables(case)
    chosen = choose(case, base, other, options.values, options.seed)
    count, seen, met = _counted(case, base, other, chosen.attributes, options)
    min_rows = int(options["min_rows"])
    found, inside = situations(count, seen, met, min_rows)
    impossible = impossible_regions(count.attributes, options["impossible"])
    closest = found[:MOST_COLLECTED]
    lines, share, known = _lines(case, (base, other), count, found, inside)
    answer = Answer(
        lines=lines,
        share=share,
        known=known,
        collect=(*collected(count, closest, impossible, min_rows), len(closest)),
        min_rows=min_rows,
    )
    words = Words(
        base=base.name,
        other=other.name,
        blocks=block_word(case.block),
        metric=metric_words(case.metric.name),
    )
    sensitive = frozenset(n for n, one in case.columns.items() if one.sensitive)
    return Measurement(
        summary=_summary(share, known, len(found), other),
        tables={
            "shopping_list": shopping_list(count, lines, min_rows, other.n_rows, words),
            "patterns": pattern_table(count, found, other.n_rows, min_rows, sensitive),
            "map": map_table(count, seen, met, min_rows).assign(
                rule=words.unseen(min_rows, count.n_blocks)
            ),
        },
        notes=sentences(words, count, answer, chosen),
    )


def _counted(
    case: Case,
    base: Table,
    other: Table,
    attributes: tuple[Attribute, ...],
    options: Options,
) -> tuple[CountCells, Cells, Cells]:
    """Count both tables by cell; blocks decide where the base table declares them."""
    keys = keys_of(case, base)
    by_block = keys.time or keys.block or keys.entity
    count = CountCells(
        attributes=attributes,
        level=max(1, min(int(options["level"]), len(attributes))),
        keys=keys,
        n_blocks=int(options["min_blocks"]) if by_block else 0,
    )
    met = replace(count, keys=keys_of(case, other), n_blocks=0)
    return (
        count,
        count.finish(passed(base, count, count.columns())),
        met.finish(passed(other, met, met.columns())),
    )


def _lines(
    case: Case,
    tables: tuple[Table, Table],
    count: CountCells,
    found: Sequence[Situation],
    inside: Sequence[Bools],
) -> tuple[list[Line], Interval, Interval]:
    """Return the lines of the list, and the share on the other and the reference."""
    base, other = tables
    candidates = tuple(found[:MOST_CANDIDATES])
    ask = CountMet(
        attributes=count.attributes,
        combinations=count.combinations,
        inside=tuple(inside),
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
    shares = share_intervals(on_other.shares)
    known = [no_interval(0.0, 1.0) for _ in shares]
    if other.name != "reference":
        known = share_intervals(met_by(case.table("reference")).shares)
    there = metric_there(case, other.name, on_other.lines, len(first))
    lines = [
        Line(
            situation=one,
            base_rows=one.base_rows,
            base_blocks=_blocks_met(on_base, place + 1, one.base_rows),
            added=added,
            share=shares[place + 1],
            known=known[place + 1],
            there=there[place],
        )
        for place, (one, added) in enumerate(first)
    ]
    return lines, shares[0], known[0]


def _blocks_met(met: Met, place: int, n_rows: int) -> int:
    """Return the blocks with a row in a line; its rows where none are declared."""
    if not met.shares.clusterings:
        return n_rows
    return int((met.shares.clusterings[0].sums[:, 1 + place] > 0).sum())


def _summary(
    share: Interval, known: Interval, n_found: int, other: Table
) -> pd.DataFrame:
    rows = [summary_row(SHARE, "", share, "share")]
    if other.name == "reference":
        rows.append(empty_row(EXCESS, "", Reason.NO_TABLE, "share"))
    else:
        rows.append(summary_row(SHARE, "table=reference", known, "share"))
        rows.append(summary_row(EXCESS, "", share_difference(share, known), "share"))
    exact = {"value": n_found, "ci_low": n_found, "ci_high": n_found}
    counted = summary_row(PATTERNS, "", no_interval(), "count")
    rows.append({**counted, **exact, "n_rows": other.n_rows, "n_blocks": np.nan})
    return summary_frame(rows)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the map of coverage: every attribute as a strip of production's rows."""
    cells = measurement.tables["map"]
    return draw_map(cells, str(cells["rule"].iloc[0]))


def alt(measurement: Measurement) -> str:
    """Return the share in uncovered situations, and the first of them."""
    whole = measurement.summary.iloc[0]
    text = f"{number(whole['value'], 'share')} of rows are in uncovered situations."
    first = measurement.tables["shopping_list"]
    if first.empty:
        return text
    return f"{text} The first to collect is: {first['situation'].iloc[0]}."


CHECK = Check(
    code="C1",
    title="Uncovered situations",
    question="Which situations does production meet that the model has hardly seen?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=EXCESS,
            side="at_most",
            limit=0.05,
            required_in=("high",),
            reason=(
                "More than one row in twenty, beyond what any sample misses, in "
                "situations hardly seen needs a person."
            ),
        ),
    ),
    defaults={
        "attributes": (),
        "level": 2,
        "min_rows": 30,
        "min_blocks": 5,
        "domains": {},
        "impossible": (),
    },
    metrics=(SHARE, PATTERNS),
    shown="shopping_list",
)
