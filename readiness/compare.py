"""PUBLISH: two published runs side by side: what got worse, and what else changed."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.changes import Change, Turn, changes
from readiness.errors import Reason, RunError
from readiness.identities import (
    published_results,
)
from readiness.kept import read_kept
from readiness.manifest import FILE as MANIFEST
from readiness.result import Finding
from readiness.signoffs import Condition, read_standing, today_utc
from readiness.staging import write_text
from readiness.text import interval, number
from readiness.words import (
    STATUS_WORDS,
    group_words,
    metric_words,
    reason_words,
    value_words,
)

HEADLINE = "P1"
WORDS = {0: "NOT WORSE BEYOND NOISE", 1: "WORSE", 2: "CANNOT TELL"}
TOLD = (Turn.WORSE, Turn.LOST, Turn.STATUS_WORSE, Turn.BETTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, and what became of every finding.

    Parameters
    ----------
    before, after : mapping
        The content of their results.json.
    changes : tuple of Change
        The gravest first.
    overdue : tuple of Condition
        Open conditions of the later run's case whose day has passed.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changes: tuple[Change, ...]
    overdue: tuple[Condition, ...]

    @property
    def worse(self) -> tuple[Change, ...]:
        """The required findings that got worse beyond noise."""
        return self._required(Turn.WORSE)

    @property
    def lost(self) -> tuple[Change, ...]:
        """The required findings that are no longer answered."""
        return self._required(Turn.LOST)

    @property
    def found(self) -> int:
        """1: a required finding got worse; 2: one was lost, or none is compared."""
        if self.worse:
            return 1
        return 2 if self.lost or not self.compared else 0

    @property
    def compared(self) -> int:
        """How many required findings have a number with an interval in both runs."""
        return sum(one.required and one.difference is not None for one in self.changes)

    @property
    def gate(self) -> int:
        """The exit code of a gate: as `found`, and 1 for an overdue condition."""
        return 1 if self.overdue else self.found

    def _required(self, turn: Turn) -> tuple[Change, ...]:
        return tuple(one for one in self.changes if one.required and one.turn is turn)


def compare_runs(
    before: str | Path, after: str | Path, today: dt.date | None = None
) -> Comparison:
    """Hold two published runs against each other.

    Parameters
    ----------
    before, after : str or pathlib.Path
        Folders of published runs: champion and candidate, or last month and this one.
    today : datetime.date, optional
        The day that tells which conditions are overdue; default the present one.

    Raises
    ------
    RunError
        ALTERED when a run, or the sign-off record beside the later one, is not what
        was written; USAGE when a folder is no published run.
    """
    folders = [Path(one).absolute() for one in (before, after)]
    old, new = (published_results(one) for one in folders)
    was, now = (
        read_kept(folder / "tables", one["checks"])
        for folder, one in zip(folders, (old, new), strict=True)
    )
    standing = read_standing(folders[1].parent, today or today_utc())
    return Comparison(
        before=old,
        after=new,
        changes=changes(old, new, (was, now)),
        overdue=standing.overdue(today or today_utc()),
    )


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return what a terminal shows: findings by what became of them, then the word."""
    lines = [
        f"{one.turn}{', required' if one.required else ''}: {one.check.code} "
        f"{subject(one)}: {value(one.before)} to {value(one.after)}"
        f"{_difference_after(one)}{_how_after(one)}"
        for one in comparison.changes
        if one.turn in TOLD and (one.required or one.turn is Turn.WORSE)
    ]
    lines += [
        f"overdue: condition {one.number}, due {one.due}, {one.owner}: {one.text}"
        for one in comparison.overdue
    ]
    return [*lines, f"{WORDS[comparison.found]}: {sentence(comparison)}"]


def sentence(comparison: Comparison) -> str:
    """Return in one sentence what a committee needs to know first."""
    worse, lost = comparison.worse, comparison.lost
    if worse:
        one = worse[0]
        many = len(worse) > 1
        return (
            f"{len(worse)} required finding{'s' * many} got worse beyond noise"
            f"{', first' if many else ':'} {subject(one)}, from {value(one.before)} to "
            f"{value(one.after)}{_difference_after(one)}."
        )
    if lost:
        return (
            f"{len(lost)} required finding{'s' * (len(lost) > 1)} had an answer before "
            f"and none now, first {subject(lost[0])}."
        )
    if not comparison.compared:
        return "No required finding has a number with an interval in both runs."
    return (
        "No required finding got worse beyond noise; with a number in both runs: "
        f"{comparison.compared:,}.{_would_show(comparison.changes)}"
    )


def _would_show(found: Iterable[Change]) -> str:
    """Return how far the headline metric would have to move to stand out."""
    for one in found:
        if one.check.code == HEADLINE and one.difference is not None:
            half = ((one.high or 0.0) - (one.low or 0.0)) / 2
            if math.isfinite(half) and half > 0:
                return f" Of {subject(one)}, a move of {number(half)} would stand out."
    return ""


def write_page(path: Path, page: str) -> None:
    """Write a page that is no part of a run; an earlier page of that name is replaced.

    Raises
    ------
    RunError
        USAGE when the name is not that of a page, or lies inside a published run,
        which is never changed; STORAGE when it cannot be written.
    """
    path = path.absolute()
    inside = any((one / MANIFEST).exists() for one in path.parents)
    if path.suffix != ".html" or path.is_dir() or inside:
        msg = f"The page must be a file .html outside of any run; {path.name!r} is not."
        raise RunError(msg, Reason.USAGE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, page)
    except OSError as cause:
        msg = f"The page {path.name!r} cannot be written: {cause.strerror}."
        raise RunError(msg, Reason.STORAGE) from cause


def subject(one: Change) -> str:
    """Return what was measured, on which rows, in words."""
    words = metric_words(one.one.metric)
    group = group_words(one.one.group, one.one.metric)
    return f"{words}, {group}" if group else words


def difference_words(one: Change) -> str:
    """Return after less before with its interval; of shares, in points of percent."""
    if one.difference is None:
        return ""
    unit = "points" if one.one.unit == "share" else one.one.unit
    sign = "+" if one.difference > 0 else ""
    words = f"{sign}{number(one.difference, unit)}"
    if one.low == one.high:
        return words
    within = interval(one.low, one.high, unit)
    return f"{words} ({within})" if within else words


def _difference_after(one: Change) -> str:
    words = difference_words(one)
    return f", difference {words}" if words else ""


def how_words(one: Change) -> str:
    """Return how the interval of a difference was made; empty where it has none."""
    if one.n_blocks is not None:
        return f"paired over {one.n_blocks:,} blocks"
    return f"as independent: {one.unpaired}" if one.unpaired else ""


def _how_after(one: Change) -> str:
    words = how_words(one)
    return f", {words}" if words else ""


def value(one: Finding | None) -> str:
    """Return the value of one side in words, or why it has none."""
    if one is None:
        return "not in this run"
    if one.value is None and not one.censored:
        why = reason_words(one.reason)
        return f"{STATUS_WORDS[one.status]}. {why}" if why else STATUS_WORDS[one.status]
    return value_words(one)
