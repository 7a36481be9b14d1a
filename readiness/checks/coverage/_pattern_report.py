"""The tables of uncovered patterns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import CountCells
from readiness.checks.coverage._situations import lacking, lacking_blocks
from readiness.checks.coverage._uncovered import Situation
from readiness.stats import Interval
from readiness.text import interval, number

SMALL_CELL = 10  # rows of a sensitive situation below which they are not told


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

    @property
    def rows(self) -> int:
        """Rows of the table held against, weights aside."""
        return self.situation.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the tables and blocks are called in sentences."""

    base: str
    other: str
    blocks: str
    metric: str

    def counted(self, n: int) -> str:
        """Return the word for n blocks."""
        if n > 1:
            return self.blocks
        return {"entities": "entity"}.get(self.blocks, self.blocks.removesuffix("s"))

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
    n_rows: tuple[int, int],
    min_rows: int,
    sensitive: frozenset[str],
) -> pd.DataFrame:
    """Return every uncovered pattern that is met, most traffic first.

    Columns: one per attribute (empty: any value), ``level, training_rows,
    training_blocks, traffic_share, reference_share, rows_to_collect``. Blocks are
    counted only as far as it takes to be enough, and absent where they are. `n_rows`
    counts the table held against and the reference. Of a sensitive pattern, numbers
    that tell of less than ten rows are absent.
    """
    rows = []
    for one in found:
        cells = {
            attribute.name: attribute.short(one.values[place])
            if place in one.values
            else ""
            for place, attribute in enumerate(count.attributes)
        }
        is_private = is_sensitive(count.attributes, one, sensitive)
        hidden = is_private and one.base_rows < SMALL_CELL
        to_collect = lacking(one, min_rows, count.n_blocks)
        rows.append(
            {
                **cells,
                "level": len(one.values),
                "training_rows": np.nan if hidden else one.base_rows,
                "training_blocks": one.base_blocks
                if one.base_blocks < count.n_blocks and not hidden
                else np.nan,
                "traffic_share": _told(one.rows, n_rows[0], is_private=is_private),
                "reference_share": _told(
                    one.known_rows, n_rows[1], is_private=is_private
                ),
                "rows_to_collect": to_collect
                if one.can_occur and not hidden
                else np.nan,
            }
        )
    named = [one.name for one in count.attributes]
    more = ["level", "training_rows", "training_blocks", "traffic_share"]
    more += ["reference_share", "rows_to_collect"]
    return pd.DataFrame(rows, columns=[*named, *more])


def is_sensitive(
    attributes: Sequence[Attribute], one: Situation, sensitive: frozenset[str]
) -> bool:
    """Return whether a situation names a column declared sensitive."""
    return any(attributes[place].name in sensitive for place in one.values)


def _told(n: int | None, n_rows: int, *, is_private: bool) -> float:
    """Return a share, not a number where it is not known or tells of a few people."""
    if n is None or (is_private and n < SMALL_CELL):
        return float("nan")
    return n / n_rows


def shopping_list(
    count: CountCells,
    lines: Sequence[Line],
    words: Words,
    *,
    n_rows: int,
    min_rows: int,
    sensitive: frozenset[str],
) -> pd.DataFrame:
    """Return the list as people read it, every cell in words."""
    few = f"under {SMALL_CELL}"
    rows = []
    for one in lines:
        row = {
            "situation": phrase(count.attributes, one.situation),
            f"{words.base} rows": f"{one.base_rows:,}",
            **_blocks_of(one, count, words),
            f"share of {words.other}": told_share(one.share),
            "share of reference": told_share(one.known),
            "adds": number(one.added / n_rows, "share"),
            f"{words.metric} there": told_there(one.there),
            "to collect": _to_collect(one.situation, count, min_rows, words),
        }
        if is_sensitive(count.attributes, one.situation, sensitive):
            if one.base_rows < SMALL_CELL:
                row[f"{words.base} rows"] = few
                row |= dict.fromkeys(_blocks_of(one, count, words), few)
                row["to collect"] = f"up to {min_rows} rows"
            if one.rows < SMALL_CELL:
                row |= dict.fromkeys([f"share of {words.other}", "adds"], f"{few} rows")
                row[f"{words.metric} there"] = "not told"
            if (one.situation.known_rows or 0) < SMALL_CELL:
                row["share of reference"] = f"{few} rows"
        rows.append(row)
    return pd.DataFrame(rows)


def _blocks_of(one: Line, count: CountCells, words: Words) -> dict[str, str]:
    """Return the column of blocks, where they are declared."""
    if not count.n_blocks:
        return {}
    return {f"{words.base} {words.blocks}": f"{one.base_blocks:,}"}


def _to_collect(one: Situation, count: CountCells, min_rows: int, words: Words) -> str:
    if not one.can_occur:
        return "declared impossible"
    rows, blocks = lacking(one, min_rows, 0), lacking_blocks(one, count.n_blocks)
    told = [f"{rows:,} row{'s' if rows > 1 else ''}"] if rows else []
    told += [f"{blocks} more {words.counted(blocks)}"] if blocks else []
    return " on ".join(told)


def told_share(one: Interval) -> str:
    """Return a share with its interval, or that it is not known."""
    if np.isnan(one.value):
        return "not known"
    limits = interval(one.ci_low, one.ci_high, "share")
    return f"{number(one.value, 'share')} ({limits})"


def told_there(one: Interval | None) -> str:
    """Return a metric with its interval, or that it is not known."""
    if one is None or np.isnan(one.value):
        return "not known"
    return f"{number(one.value)} ({interval(one.ci_low, one.ci_high)})"
