"""Findings and checks without answer, as the lines of the verdict page."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from readiness.result import CheckResult, Finding, Status
from readiness.words import (
    group_words,
    interval_words,
    limit_words,
    metric_words,
    reason_words,
    remedy_words,
    settle_words,
    value_words,
)

MAX_ALIKE = 3
Link = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding, or one check without answer, as a line of the page.

    Parameters
    ----------
    status, waived : Status, bool
        Of the finding.
    subject, said : str
        What was measured, and what came out, in words.
    why : tuple of str
        Sentences: whose limit, for what reason, and what would settle it.
    code, title, link : str
        The check and its place.
    """

    status: Status
    waived: bool
    subject: str
    said: str
    why: tuple[str, ...]
    code: str
    title: str
    link: str


def finding_lines(
    pairs: Sequence[tuple[CheckResult, Finding]], blocks: str, link: Link
) -> tuple[Line, ...]:
    """Return one line per finding; of many alike, the first few and a count.

    Parameters
    ----------
    pairs : sequence of (CheckResult, Finding)
        In the order of the page.
    blocks : str
        What blocks of rows are called.
    link : callable
        ``link(notebook, code)``: where a check is shown.
    """
    alike = Counter((check.code, one.metric, one.status) for check, one in pairs)
    shown: Counter[tuple[str, str, Status]] = Counter()
    lines = []
    for check, one in pairs:
        key = (check.code, one.metric, one.status)
        shown[key] += 1
        if shown[key] <= MAX_ALIKE:
            lines.append(_line(check, one, blocks, link))
        elif shown[key] == alike[key]:
            lines.append(_rest(check, one, alike[key] - MAX_ALIKE, link))
    return tuple(lines)


def _line(check: CheckResult, one: Finding, blocks: str, link: Link) -> Line:
    subject = metric_words(one.metric)
    if one.group:
        subject += f", {group_words(one.group, one.metric)}"
    why = [f"{one.limit_reason}" if one.limit_reason else ""]
    if one.status is Status.INCONCLUSIVE:
        why += [reason_words(one.reason), settle_words(one, blocks)]
    interval = interval_words(one)
    said = f"{value_words(one)} ({interval})" if interval else value_words(one)
    return Line(
        status=one.status,
        waived=one.waived,
        subject=capital(subject),
        said=f"{said}; the limit is {limit_words(one)}, set by {one.limit_set_by}.",
        why=tuple(filter(None, why)),
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def _rest(check: CheckResult, one: Finding, n_more: int, link: Link) -> Line:
    return Line(
        status=one.status,
        waived=one.waived,
        subject=f"{n_more:,} more of {metric_words(one.metric)}",
        said="in the same state.",
        why=(),
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def open_lines(checks: Sequence[CheckResult], link: Link) -> tuple[Line, ...]:
    """Return a line per check without answer, and per reason of open findings."""
    lines = []
    for check in checks:
        if check.reason is not None:
            lines.append(_open(check, check.reason, check.title, link))
            continue
        open_ones = [one for one in check.findings if _is_open(one)]
        for reason, n_open in Counter(one.reason for one in open_ones).items():
            first = next(one for one in open_ones if one.reason == reason)
            subject = metric_words(first.metric)
            subject += (
                f", {group_words(first.group, first.metric)}" if first.group else ""
            )
            subject += f" and {n_open - 1:,} more" if n_open > 1 else ""
            lines.append(_open(check, reason, capital(subject), link))
    return tuple(lines)


def _is_open(one: Finding) -> bool:
    return one.status is Status.NOT_ASSESSED


def _open(check: CheckResult, reason: str | None, subject: str, link: Link) -> Line:
    message = check.message if check.reason is not None else None
    remedy = remedy_words(reason)
    takes = f"What it would take: {remedy[:1].lower()}{remedy[1:]}" if remedy else ""
    return Line(
        status=Status.NOT_ASSESSED,
        waived=False,
        subject=subject,
        said=message or reason_words(reason),
        why=tuple(filter(None, (reason_words(reason) if message else "", takes))),
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def capital(text: str) -> str:
    """Return the text with a capital at its start."""
    return text[:1].upper() + text[1:]
