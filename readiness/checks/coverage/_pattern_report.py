"""The tables and the sentences of uncovered patterns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.coverage._attributes import Attribute, Chosen
from readiness.checks.coverage._cells import CountCells, Situation
from readiness.checks.coverage._situations import lacking, lacking_blocks
from readiness.stats import Interval
from readiness.text import interval, number, visible

SMALL_CELL = 10  # rows of a sensitive situation below which they are not told
NAMED = 3  # new values a sentence names


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One line of the shopping list.

    Parameters
    ----------
    situation : Situation
    base_rows, base_blocks : int
        Exact.
    added : int
        Rows it adds to those of the lines before it.
    share, known : Interval
        Share of the rows held against, and of the reference; the latter may be
        without a value.
    there : Interval or None
        The headline metric there; None without labels.
    """

    situation: Situation
    base_rows: int
    base_blocks: int
    added: int
    share: Interval
    known: Interval
    there: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was found: the list, the shares, what to collect.

    Parameters
    ----------
    lines : sequence of Line
    share, known : Interval
        Rows in any situation: of the table held against, and of the reference.
    collect : tuple of int
        Rows that would cover the situations, at least needed, and for how many.
    min_rows : int
    """

    lines: Sequence[Line]
    share: Interval
    known: Interval
    collect: tuple[int, int, int]
    min_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the tables and blocks are called in sentences."""

    base: str
    other: str
    blocks: str
    metric: str

    def unseen(self, min_rows: int, min_blocks: int) -> str:
        """Return when a situation is uncovered."""
        words = f"fewer than {min_rows} {self.base} rows"
        return f"{words} or {min_blocks} {self.blocks}" if min_blocks else words


def phrase(attributes: Sequence[Attribute], one: Situation) -> str:
    """Return a situation in words: ``temp above 70 °F and origin = JFK``."""
    parts = [attributes[place].phrase(value) for place, value in one.values.items()]
    return " and ".join(parts) or "any row"


def pattern_table(
    count: CountCells,
    found: Sequence[Situation],
    n_rows: int,
    min_rows: int,
    sensitive: frozenset[str],
) -> pd.DataFrame:
    """Return every uncovered pattern that is met, most traffic first.

    Columns: one per attribute (empty: any value), ``level, training_rows,
    training_blocks, traffic_share, rows_to_collect``. Blocks are exact where they are
    too few, else the number that is enough. Rows of a sensitive pattern below ten are
    absent.
    """
    rows = []
    for one in found:
        cells = {
            attribute.name: attribute.short(one.values[place])
            if place in one.values
            else ""
            for place, attribute in enumerate(count.attributes)
        }
        names = {count.attributes[place].name for place in one.values}
        hidden = bool(names & sensitive) and one.base_rows < SMALL_CELL
        rows.append(
            {
                **cells,
                "level": len(one.values),
                "training_rows": np.nan if hidden else one.base_rows,
                "training_blocks": np.nan if hidden else one.base_blocks,
                "traffic_share": one.rows / n_rows,
                "rows_to_collect": lacking(one, min_rows, count.n_blocks),
            }
        )
    named = [one.name for one in count.attributes]
    more = ["level", "training_rows", "training_blocks", "traffic_share"]
    return pd.DataFrame(rows, columns=[*named, *more, "rows_to_collect"])


def shopping_list(
    count: CountCells, lines: Sequence[Line], min_rows: int, n_rows: int, words: Words
) -> pd.DataFrame:
    """Return the list as people read it, every cell in words."""
    return pd.DataFrame(
        [
            {
                "situation": phrase(count.attributes, one.situation),
                f"{words.base} rows": f"{one.base_rows:,}",
                f"{words.base} {words.blocks}": f"{one.base_blocks:,}",
                f"share of {words.other}": _share(one.share),
                "share of reference": _share(one.known),
                "adds": number(one.added / n_rows, "share"),
                f"{words.metric} there": _there(one.there),
                "to collect": _to_collect(one.situation, count, min_rows, words),
            }
            for one in lines
        ]
    )


def _to_collect(one: Situation, count: CountCells, min_rows: int, words: Words) -> str:
    rows, blocks = lacking(one, min_rows, 0), lacking_blocks(one, count.n_blocks)
    told = [f"{rows:,} rows"] if rows else []
    unit = words.blocks.removesuffix("s") if blocks == 1 else words.blocks
    told += [f"{blocks} more {unit}"] if blocks else []
    return " on ".join(told)


def _share(one: Interval) -> str:
    if np.isnan(one.value):
        return "not known"
    limits = interval(one.ci_low, one.ci_high, "share")
    return f"{number(one.value, 'share')} ({limits})"


def _there(one: Interval | None) -> str:
    if one is None or np.isnan(one.value):
        return "not known"
    return f"{number(one.value)} ({interval(one.ci_low, one.ci_high)})"


def sentences(
    words: Words,
    count: CountCells,
    answer: Answer,
    chosen: Chosen,
) -> tuple[str, ...]:
    """Return what a committee needs, the answer first."""
    lines = answer.lines
    notes = [_answer(words, answer.share, answer.known, count, answer.min_rows)]
    if lines:
        first = lines[0]
        told = [
            f"First to collect: {phrase(count.attributes, first.situation)}, met by "
            f"{number(first.share.value, 'share')} of the {words.other} rows and by "
            f"{first.base_rows:,} {words.base} rows"
            + (f" on {first.base_blocks:,} {words.blocks}" if count.n_blocks else "")
        ]
        if first.there is not None and not np.isnan(first.there.value):
            told.append(f"; {words.metric} there is {_there(first.there)}")
        notes[0] += "".join([" ", *told, "."])
    notes += [_new(name, values, words) for name, values in chosen.new.items()]
    total, least, n_found = answer.collect
    if n_found:
        notes.append(
            f"{total:,} well chosen rows would leave none of {n_found:,} such "
            f"situations uncovered, each on {words.blocks} of its own where these are "
            f"short; no choice needs fewer than {least:,}."
        )
    names = ", ".join(visible(one.name, 40) for one in count.attributes)
    notes.append(f"Situations combine up to {count.level} of: {names} ({chosen.how}).")
    if words.base != "training":
        notes.append("There is no training table; reference rows stand in for it.")
    return tuple(notes)


def _answer(
    words: Words, share: Interval, known: Interval, count: CountCells, min_rows: int
) -> str:
    answer = (
        f"{_share(share)} of the {words.other} rows are in situations with "
        f"{words.unseen(min_rows, count.n_blocks)}"
    )
    if not np.isnan(known.value):
        answer += f"; on the reference rows it is {_share(known)}"
    return f"{answer}."


def _new(name: str, values: Sequence[str], words: Words) -> str:
    named = ", ".join(visible(one, 20) for one in values[:NAMED])
    more = f" and {len(values) - NAMED:,} more" if len(values) > NAMED else ""
    are = "is" if len(values) == 1 else "are"
    of = "value" if len(values) == 1 else "values"
    return (
        f"{len(values):,} {of} of {visible(name, 40)} {are} new to the model, which "
        f"the {words.base} table does not hold: {named}{more}."
    )
