"""SHOW: the comparison of two runs as one page."""

from collections.abc import Iterable, Sequence
from typing import Any

from readiness.changes import Change, Turn
from readiness.compare import (
    WORDS,
    Comparison,
    difference_words,
    how_words,
    sentence,
    subject,
    value,
)
from readiness.identities import differences, shared_tables
from readiness.limits_since import held_words
from readiness.pages import render_page
from readiness.result import Finding, Outcome, Status
from readiness.verdict_lines import capital
from readiness.words import OUTCOME_WORDS, interval_words, limit_words

LOOKS = {0: ("is-ready", "\u2713"), 1: ("is-not-ready", "\u2715")}
UNDECIDED_LOOK = ("is-incomplete", "?")
SECTIONS = {
    Turn.WORSE: (
        "What got worse",
        "Moved to its bad side further than chance explains.",
    ),
    Turn.LOST: (
        "What is no longer answered",
        "Required before, without a number now. Nothing not computed reads as a pass.",
    ),
    Turn.STATUS_WORSE: (
        "Worse status, within noise",
        "A limit was crossed, or an answer lost, by less than chance explains.",
    ),
    Turn.BETTER: ("What got better", "Moved to its good side beyond noise."),
}


def compare_page(comparison: Comparison) -> str:
    """Return the comparison as one page in house style, which fetches nothing."""
    look, shape = LOOKS.get(comparison.found, UNDECIDED_LOOK)
    apart = differences(comparison.before, comparison.after)
    return render_page(
        "compare.html.j2",
        before=comparison.before,
        after=comparison.after,
        outcomes=[
            OUTCOME_WORDS[Outcome(one["outcome"])]
            for one in (comparison.before, comparison.after)
        ],
        word=WORDS[comparison.found],
        look=look,
        shape=shape,
        sentence=sentence(comparison),
        sections=_sections(comparison.changes),
        rest=[_row(one) for one in comparison.changes],
        counts=_counts(comparison.changes),
        policy=list(_policy_rows(comparison.changes)),
        apart=apart,
        kinds=list(dict.fromkeys(kind for kind, *_ in apart)),
        assumed=_assumed(comparison),
        overdue=comparison.overdue,
    )


def _sections(found: Sequence[Change]) -> list[dict[str, Any]]:
    sections = [
        {
            "key": turn.name.lower(),
            "heading": heading,
            "lead": lead,
            "rows": [_row(one) for one in found if one.turn is turn],
        }
        for turn, (heading, lead) in SECTIONS.items()
    ]
    return [one for one in sections if one["rows"]]


def _row(one: Change) -> dict[str, Any]:
    """Return one finding as the cells of a table."""
    return {
        "code": one.check.code,
        "subject": capital(subject(one)),
        "before": value(one.before),
        "before_interval": interval_words(one.before) if one.before else "",
        "after": value(one.after),
        "after_interval": interval_words(one.after) if one.after else "",
        "difference": difference_words(one),
        "how": how_words(one),
        "limit": limit_words(one.one),
        "statuses": [
            side.status.value if side else Status.NOT_ASSESSED.value
            for side in (one.before, one.after)
        ],
        "absent": [side is None for side in (one.before, one.after)],
        "turn": str(one.turn),
        "required": one.required,
        "limits_changed": one.limits_changed,
    }


def _counts(found: Iterable[Change]) -> str:
    turns = [one.turn for one in found]
    return ", ".join(
        f"{turns.count(turn):,} {turn}" for turn in Turn if turns.count(turn)
    )


def _policy_rows(found: Iterable[Change]) -> Iterable[tuple[str, str, str, str]]:
    """Return check, finding and what held it before and after, where that changed."""
    for one in found:
        both = one.before is not None and one.after is not None
        if both and (one.limits_changed or _waiver_moved(one)):
            yield one.check.code, subject(one), _held(one.before), _held(one.after)


def _waiver_moved(one: Change) -> bool:
    return bool(one.before and one.after and one.before.waived != one.after.waived)


def _held(one: Finding | None) -> str:
    if one is None or one.limit is None:
        return "no limit"
    waived = ", waived" if one.waived else ""
    return f"{held_words(one)}{waived}; set by {one.limit_set_by}"


def _assumed(comparison: Comparison) -> str:
    """Return how the intervals of the differences were made, and of how many each."""
    found = comparison.changes
    n_paired = sum(one.n_blocks is not None for one in found)
    n_apart = sum(bool(one.unpaired) for one in found)
    shared = shared_tables(comparison.before, comparison.after)
    text = "Each end of an interval holds with 95 % confidence."
    if shared:
        text += f" Both runs read the same {' and '.join(shared)} rows."
    if n_paired:
        text += (
            f" Paired differences: {n_paired:,}. What both findings kept by block is "
            "subtracted block by block, so that errors both runs share cancel out."
        )
    if n_apart:
        text += (
            f" Others: {n_apart:,}, with an interval made from those of the two runs "
            "as if their estimates were independent; why stands beside each. "
            "On the same rows such an interval is too wide: what is marked stands, and "
            "a smaller change may go unmarked."
        )
    return text
