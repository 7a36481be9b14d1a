"""C1: situations that production meets and the model has hardly seen."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute, choose
from readiness.checks.coverage._cells import Cells, CountCells, level_of
from readiness.checks.coverage._held import Held, held_against
from readiness.checks.coverage._map import draw_map, map_table
from readiness.checks.coverage._pattern_notes import Answer, sentences
from readiness.checks.coverage._pattern_report import (
    Words,
    pattern_table,
    shopping_list,
)
from readiness.checks.coverage._situations import (
    MOST_COLLECTED,
    collected,
    expected,
)
from readiness.checks.coverage._there import impossible_regions
from readiness.checks.coverage._uncovered import search
from readiness.errors import Reason
from readiness.evidence import influence_table, share_lines
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.shares import share_difference
from readiness.stats import empty_row, no_interval, summary_frame, summary_row
from readiness.table_rows import compared_tables, keys_of, passed
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


def measure(case: Case, options: Options) -> Measurement:
    """Find the widest situations with hardly any training rows that production meets.

    Parameters
    ----------
    case : Case
        Current rows are held against training; without current rows the reference is,
        without training rows the reference stands in.
    options : Options
        ``attributes`` (names; empty: declared groups, then the features that move the
        score most, at most eight), ``level`` (attributes combined at a time; 0: two,
        or three where none is numeric),
        ``min_rows``, ``min_blocks`` (fewer leave a situation uncovered), ``domains``
        (values by attribute), ``impossible`` (combinations that cannot occur).

    Returns
    -------
    Measurement
        ``uncovered_traffic_share`` (share of rows in any uncovered situation; group
        ``table=reference`` for the reference, ``level=1`` for situations of one
        attribute alone), ``uncovered_traffic_excess`` (share; current less reference)
        and ``uncovered_patterns`` (count). Tables ``shopping_list``, ``patterns``,
        ``map``.

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
    impossible = impossible_regions(chosen.attributes, options["impossible"])
    min_rows = int(options["min_rows"])
    level, wanted = level_of(chosen.attributes, int(options["level"]))
    count = _counter(case, base, chosen.attributes, level, int(options["min_blocks"]))
    seen, met = _counted(case, count, base), _counted(case, count, other)
    known = None
    if other.name != "reference":
        known = _counted(case, count, case.table("reference"))
    uncovered = search(count, seen, met, known, min_rows)
    found = expected(count, uncovered.situations, impossible)
    held = held_against(
        case, (base, other), count, replace(uncovered, situations=found)
    )
    sensitive = frozenset(n for n, one in case.columns.items() if one.sensitive)
    answer = Answer(
        held=held,
        collect=collected(count, found[:MOST_COLLECTED], impossible, min_rows),
        n_found=len(found),
        min_rows=min_rows,
        wanted_level=wanted,
        sensitive=sensitive,
    )
    words = Words(
        base=base.name,
        other=other.name,
        blocks=_blocks(case, count),
        metric=metric_words(case.metric.name),
    )
    n_rows = (other.n_rows, 0 if known is None else known.n_rows)
    return Measurement(
        summary=_summary(held, seen, other, answer),
        tables={
            "shopping_list": shopping_list(
                count,
                held.lines,
                words,
                n_rows=other.n_rows,
                min_rows=min_rows,
                sensitive=sensitive,
            ),
            "patterns": pattern_table(count, found, n_rows, min_rows, sensitive),
            INFLUENCE: _kept(case, other, held),
            "map": map_table(count, seen, met, min_rows, sensitive).assign(
                rule=words.unseen(min_rows, count.n_blocks)
            ),
        },
        notes=sentences(words, count, answer, chosen),
    )


def _blocks(case: Case, count: CountCells) -> str:
    is_entity = count.keys.entity and not (count.keys.time or count.keys.block)
    return "entities" if is_entity else block_word(case.block)


def _counter(
    case: Case,
    base: Table,
    attributes: tuple[Attribute, ...],
    level: int,
    min_blocks: int,
) -> CountCells:
    """Return how the base table is counted; blocks decide where it declares them."""
    keys = keys_of(case, base)
    by_block = keys.time or keys.block or keys.entity
    return CountCells(
        attributes=attributes,
        level=level,
        keys=keys,
        n_blocks=min_blocks if by_block else 0,
    )


def _counted(case: Case, count: CountCells, table: Table) -> Cells:
    """Count a table by cell; blocks of the base table alone are of interest."""
    keys = keys_of(case, table)
    is_base = table.name == case.training_or_reference().name
    own = count if is_base else replace(count, keys=keys, n_blocks=0)
    return own.finish(passed(table, own, own.columns()))


def _summary(held: Held, seen: Cells, other: Table, answer: Answer) -> pd.DataFrame:
    rows = [
        summary_row(SHARE, "", held.share, "share"),
        summary_row(SHARE, "level=1", held.alone, "share"),
    ]
    if other.name != "reference":
        rows += [
            summary_row(SHARE, "table=reference", held.known, "share"),
            summary_row(SHARE, "level=1 & table=reference", held.known_alone, "share"),
        ]
    if other.name == "reference":
        rows.append(empty_row(EXCESS, "", Reason.NO_TABLE, "share"))
    elif answer.is_everything:
        rows.append(
            empty_row(EXCESS, "", Reason.TOO_FEW_ROWS, "share", n_rows=seen.n_rows)
        )
    else:
        more = share_difference(held.share, held.known)
        rows.append(summary_row(EXCESS, "", more, "share"))
    n = answer.n_found
    counted = summary_row(PATTERNS, "", no_interval(), "count")
    exact = {"value": n, "ci_low": n, "ci_high": n, "n_rows": other.n_rows}
    rows.append({**counted, **exact, "n_blocks": np.nan})
    return summary_frame(rows)


def _kept(case: Case, other: Table, held: Held) -> pd.DataFrame:
    """Return the sums by block, of both tables for the difference."""
    kept = share_lines(case, other, held.counts, [(SHARE, ""), (SHARE, "level=1")])
    if held.known_counts is not None:
        reference, known = case.table("reference"), held.known_counts
        more = share_lines(case, other, held.counts, [(EXCESS, "")])
        less = share_lines(case, reference, known, [(EXCESS, "")], sign=-1.0)
        groups = ("table=reference", "level=1 & table=reference")
        kept = [
            pd.concat([*more, *less], ignore_index=True),
            *kept,
            *share_lines(case, reference, known, [(SHARE, one) for one in groups]),
        ]
    return influence_table(kept)


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
        "level": 0,
        "min_rows": 30,
        "min_blocks": 5,
        "domains": {},
        "impossible": (),
    },
    metrics=(SHARE, PATTERNS),
    shown="shopping_list",
)
