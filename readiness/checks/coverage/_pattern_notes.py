"""The sentences of uncovered patterns, for a committee."""

from dataclasses import dataclass

import numpy as np

from readiness.checks.coverage._attributes import Chosen
from readiness.checks.coverage._cells import CountCells
from readiness.checks.coverage._held import Held
from readiness.checks.coverage._pattern_report import (
    SMALL_CELL,
    Words,
    is_sensitive,
    phrase,
    told_share,
    told_there,
)
from readiness.reasons import REASONS
from readiness.shares import share_difference
from readiness.stats import Interval
from readiness.text import interval, number, visible

NAMED = 3  # new values a sentence names


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was found: the list, the shares, what to collect.

    Parameters
    ----------
    held : Held
    collect : tuple of int
        Rows that would cover the situations, at least needed, and for how many.
    n_found : int
        Situations found.
    min_rows, wanted_level : int
    sensitive : frozenset of str
        Columns of which small numbers are not told.
    """

    held: Held
    collect: tuple[int, int, int]
    n_found: int
    min_rows: int
    wanted_level: int
    sensitive: frozenset[str]

    @property
    def is_everything(self) -> bool:
        """Whether the base table as a whole is too small to cover anything."""
        lines = self.held.lines
        return bool(lines) and not lines[0].situation.values


def sentences(
    words: Words, count: CountCells, answer: Answer, chosen: Chosen
) -> tuple[str, ...]:
    """Return what a committee needs, the answer first."""
    notes = [_answer(words, count, answer)]
    if answer.is_everything:
        notes.append(
            f"The {words.base} table as a whole has "
            f"{words.unseen(answer.min_rows, count.n_blocks)}, so that it covers "
            "nothing."
        )
    if chosen.new:
        notes.append(_new(words, answer, chosen))
    total, least, n_served = answer.collect
    if n_served:
        all_of = (
            f"none of the {n_served:,} situations"
            if n_served == answer.n_found
            else f"none of the {n_served:,} most met of {answer.n_found:,} situations"
        )
        on = f", each on {words.blocks} of its own where these are short"
        notes.append(
            f"{total:,} well chosen {words.base} rows more would leave {all_of} "
            f"uncovered{on if count.n_blocks else ''}; no choice needs fewer than "
            f"{least:,}."
        )
    names = ", ".join(visible(one.name, 40) for one in count.attributes)
    notes.append(f"Situations combine up to {count.level} of: {names} ({chosen.how}).")
    if count.level < answer.wanted_level:
        notes.append(
            f"{answer.wanted_level} at a time would take more counts than are kept; "
            "name fewer attributes to go deeper."
        )
    if chosen.problems:
        left_out = " ".join(
            f"{visible(name, 40)}: {REASONS[reason][0]}"
            for name, reason in chosen.problems.items()
        )
        notes.append(f"Left out are features that describe no situation. {left_out}")
    if words.base != "training":
        notes.append("There is no training table; reference rows stand in for it.")
    return tuple(notes)


def _answer(words: Words, count: CountCells, answer: Answer) -> str:
    """Return the share in situations hardly seen, what is new in it, the first."""
    held = answer.held
    told = (
        f"{told_share(held.share)} of the {words.other} rows are in situations with "
        f"{words.unseen(answer.min_rows, count.n_blocks)}"
    )
    if not np.isnan(held.known.value):
        more = share_difference(held.share, held.known)
        told += (
            f"; on the reference rows it is {told_share(held.known)}, a difference "
            f"of {_points(more)}"
        )
    told += "."
    is_mixed = held.alone.value not in (0.0, held.share.value)
    if is_mixed and not answer.is_everything:
        told += f" By one attribute alone it is {told_share(held.alone)}"
        if not np.isnan(held.known_alone.value):
            told += f", on the reference rows {told_share(held.known_alone)}"
        told += "."
    if held.lines and not answer.is_everything:
        told += f" {_first(words, count, answer)}"
    return told


def _points(more: Interval) -> str:
    limits = interval(more.ci_low, more.ci_high, "points")
    return f"{number(more.value, 'points')} ({limits})"


def _first(words: Words, count: CountCells, answer: Answer) -> str:
    first = answer.held.lines[0]
    is_private = is_sensitive(count.attributes, first.situation, answer.sensitive)
    few = f"fewer than {SMALL_CELL}"
    if is_private and first.base_rows < SMALL_CELL:
        seen = f"{few} {words.base} rows"
    else:
        seen = f"{first.base_rows:,} {words.base} rows"
        seen += f" on {first.base_blocks:,} {words.blocks}" if count.n_blocks else ""
    told = f"First to collect: {phrase(count.attributes, first.situation)}, met by "
    if is_private and first.rows < SMALL_CELL:
        return f"{told}{few} {words.other} rows and by {seen}."
    told += f"{number(first.share.value, 'share')} of the {words.other} rows and by "
    told += seen
    if first.there is not None and not np.isnan(first.there.value):
        told += f"; {words.metric} there is {told_there(first.there)}"
    return f"{told}."


def _new(words: Words, answer: Answer, chosen: Chosen) -> str:
    """Return which features hold values the model has not seen, most rows first."""
    told = []
    for name, values in list(chosen.new.items())[:NAMED]:
        n_more = len(values) - NAMED
        named = ", ".join(visible(one, 20) for one in values[:NAMED])
        named = f" ({named} and {n_more:,} more)" if n_more > 0 else f" ({named})"
        if name in answer.sensitive:
            named = ""
        of = "value" if len(values) == 1 else "values"
        told.append(f"{len(values):,} {of} of {visible(name, 40)}{named}")
    n_more = len(chosen.new) - NAMED
    told += [f"values of {n_more:,} more features"] if n_more > 0 else []
    return f"New, not in any {words.base} row: {'; '.join(told)}."
