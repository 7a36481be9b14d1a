"""Findings and checks without answer, as the lines of the verdict page."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from readiness.result import CheckResult, Finding, Status
from readiness.text import number
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
MARGIN = 0.12  # of a scale's length, left and right of what is on it
Link = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where value, interval and limit lie on a line, each as a share of its length."""

    value: float
    low: float
    high: float
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding, or one check without answer, as a line of the page.

    Parameters
    ----------
    status, waived : Status, bool
        Of the finding.
    subject, value, interval, limit : str
        What was measured, what came out, and what it is held against, in words.
    said : str
        Instead of a value: why there is none, or what stands for many lines.
    set_by, why : str
        Whose limit it is, and for what reason.
    settle : str
        What would settle it, or what an answer would take; may be empty.
    scale : Scale or None
        The same numbers as a picture.
    code, title, link : str
        The check and its place.
    """

    status: Status
    subject: str
    code: str
    title: str
    link: str
    waived: bool = False
    value: str = ""
    interval: str = ""
    limit: str = ""
    said: str = ""
    set_by: str = ""
    why: str = ""
    settle: str = ""
    scale: Scale | None = None


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
    alike: dict[tuple[str, str, Status], list[Finding]] = {}
    lines = []
    last = {(check.code, one.metric, one.status): one for check, one in pairs}
    for check, one in pairs:
        key = (check.code, one.metric, one.status)
        many = alike.setdefault(key, [])
        many.append(one)
        if len(many) <= MAX_ALIKE:
            lines.append(_line(check, one, blocks, link))
        elif one is last[key]:
            lines.append(_rest(check, many[MAX_ALIKE:], link))
    return tuple(lines)


def scale_of(one: Finding) -> Scale | None:
    """Return where a finding's numbers lie on a line; None without a length.

    A limit is part of the line, so its distance from the interval can be seen.
    """
    if one.value is None or one.censored:
        return None
    low = one.value if one.ci_low is None else one.ci_low
    high = one.value if one.ci_high is None else one.ci_high
    marks = [low, high, one.value, *([one.limit] if one.limit is not None else [])]
    length = max(marks) - min(marks)
    if not 0 < length < float("inf"):
        return None

    def place(mark: float) -> float:
        return MARGIN + (1 - 2 * MARGIN) * (mark - min(marks)) / length

    limit = None if one.limit is None else place(one.limit)
    return Scale(value=place(one.value), low=place(low), high=place(high), limit=limit)


def _line(check: CheckResult, one: Finding, blocks: str, link: Link) -> Line:
    settle = ""
    if one.status is Status.INCONCLUSIVE:
        settle = f"{reason_words(one.reason)} {settle_words(one, blocks)}".strip()
    elif one.status is Status.NOT_ASSESSED:
        settle = f"{reason_words(one.reason)} {takes_words(one.reason)}".strip()
    return Line(
        status=one.status,
        waived=one.waived,
        subject=subject_of(one),
        value=value_words(one),
        interval=interval_words(one),
        limit=limit_words(one),
        set_by=one.limit_set_by or "",
        why=one.limit_reason or "",
        settle=settle,
        scale=scale_of(one),
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def _rest(check: CheckResult, many: Sequence[Finding], link: Link) -> Line:
    """Return the line that stands for the rest of many alike: their span, and where."""
    one = many[-1]
    known = [
        each.value for each in many if each.value is not None and not each.censored
    ]
    ends = (min(known), max(known)) if known else ()
    span = dict.fromkeys(number(end, one.unit) for end in ends)
    limits = {limit_words(each) for each in many}
    return Line(
        status=one.status,
        waived=all(each.waived for each in many),
        subject=f"{len(many):,} more of {metric_words(one.metric)}",
        value=" to ".join(span) or value_words(one),
        limit=limits.pop() if len(limits) == 1 else "a limit each",
        said=f"Each stands under {check.code}.",
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def open_lines(checks: Sequence[CheckResult], link: Link) -> tuple[Line, ...]:
    """Return a line per check without answer, and per reason of open findings."""
    lines = []
    for check in checks:
        if check.reason is not None:
            lines.append(_open(check, check.reason, capital(check.title), link))
            continue
        open_ones = [one for one in check.findings if _is_open(one)]
        for reason, n_open in Counter(one.reason for one in open_ones).items():
            first = next(one for one in open_ones if one.reason == reason)
            more = f" and {n_open - 1:,} more" if n_open > 1 else ""
            lines.append(_open(check, reason, f"{subject_of(first)}{more}", link))
    return tuple(lines)


def _is_open(one: Finding) -> bool:
    return one.status is Status.NOT_ASSESSED


def _open(check: CheckResult, reason: str | None, subject: str, link: Link) -> Line:
    message = check.message if check.reason is not None else None
    return Line(
        status=Status.NOT_ASSESSED,
        subject=subject,
        said=message or reason_words(reason),
        why=reason_words(reason) if message else "",
        settle=takes_words(reason),
        code=check.code,
        title=check.title,
        link=link(check.notebook, check.code),
    )


def takes_words(reason: str | None) -> str:
    """Return what an answer would take, as a sentence; empty where nothing would."""
    remedy = remedy_words(reason)
    return f"What it would take: {remedy[:1].lower()}{remedy[1:]}" if remedy else ""


def subject_of(one: Finding) -> str:
    """Return what a finding measured, and on which rows."""
    subject = metric_words(one.metric)
    if one.group:
        subject += f", {group_words(one.group, one.metric)}"
    return capital(subject)


def capital(text: str) -> str:
    """Return the text with a capital at its start."""
    return text[:1].upper() + text[1:]
