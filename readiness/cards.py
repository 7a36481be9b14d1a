"""SHOW: one check as a card: status, question, findings, reasons, options."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from readiness.markup import escape, html, join, name_html
from readiness.result import CheckResult, Finding, Status
from readiness.text import printable
from readiness.words import (
    STATUS_WORDS,
    UNDECLARED,
    block_word,
    group_words,
    interval_words,
    limit_words,
    metric_words,
    reason_words,
    remedy_words,
    rows_words,
    settle_words,
    value_words,
)

MAX_FINDINGS = 50
MAX_OPEN = 8
MAX_NOTES = 5
MAX_FIXED_CHARS = 16  # a longer value may break over lines
# Worst first; the shape says what the colour says.
SHAPES = {
    Status.FAIL: "\u2715",
    Status.INCONCLUSIVE: "?",
    Status.NOT_ASSESSED: "\u2013",
    Status.PASS: "\u2713",
    Status.INFO: "i",
}
HEADINGS = ("Measure", "Value", "90 % interval", "Limit", "Rests on", "Status")


def blocks_called(facts: Mapping[str, Any], checks: Iterable[CheckResult]) -> str:
    """Return what the blocks of a run are called, in every table of its pages.

    Parameters
    ----------
    facts : mapping
        Of results.json: ``block``, and ``entity`` where the case names one.
    checks : iterable of CheckResult
        Of the run. Where one counted by blocks that nobody declared, or rows of one
        entity may decide, only the word ``"blocks"`` is true everywhere.
    """
    notes = (note for one in checks for note in one.notes)
    if facts.get("entity") or any(UNDECLARED in note for note in notes):
        return block_word(None)
    return block_word(facts.get("block"))


def status_mark(status: Status, *, waived: bool = False) -> Markup:
    """Return a status as word and shape; colour only repeats them."""
    word = f"{STATUS_WORDS[status]}{', waived' if waived else ''}"
    return html(
        '<span class="rd-mark rd-{}"><span class="rd-shape" aria-hidden="true">{}'
        "</span>{}</span>",
        status.value,
        SHAPES[status],
        word,
    )


def status_html(
    result: CheckResult, *, blocks: str = "blocks", links: bool = False
) -> Markup:
    """Return what a check found: status, question, findings, reasons, options.

    Parameters
    ----------
    result : CheckResult
        The check as judged, alone or over the run.
    blocks : str
        What blocks of rows are called: ``"days"`` for a block of one day.
    links : bool
        Link the CSV files of the run; not where the files are out of reach.
    """
    return html(
        '<div class="rd rd-check" id="check-{}"><p class="rd-head">{} <b>{}</b> {}</p>'
        '<p class="rd-question">{}</p>{}{}{}</div>',
        result.code,
        status_mark(result.status),
        result.code,
        result.title,
        result.question,
        _remarks(_sentences(result)),
        _findings(result, blocks),
        _facts(result, links=links),
    )


def plain_text(result: CheckResult) -> str:
    """Return a check and its findings as plain lines."""
    lines = [f"{result.code} {result.title}: {STATUS_WORDS[result.status]}"]
    lines += [f"  {sentence}" for sentence in _sentences(result)]
    lines += [
        f"  {printable(one.metric)} {printable(one.group)} {value_words(one)} "
        f"({interval_words(one)}) limit {limit_words(one)}: {STATUS_WORDS[one.status]}"
        for one in worst_first(result.findings)[:MAX_FINDINGS]
    ]
    return "\n".join(lines)


def _sentences(result: CheckResult) -> list[str]:
    if result.reason is None:
        return [printable(note) for note in result.notes]
    why = [f"{reason_words(result.reason)} {printable(result.message or '')}".strip()]
    remedy = remedy_words(result.reason)
    takes = [f"What it would take: {remedy}"] if remedy else []
    return [*why, *takes, *result.notes]


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings in the order of their statuses, else as they come."""
    order = list(SHAPES)
    return sorted(findings, key=lambda one: order.index(one.status))


def _remarks(sentences: Sequence[str]) -> Markup:
    paragraphs = [html("<p>{}</p>", one) for one in sentences]
    first, rest = join(paragraphs[:MAX_NOTES]), paragraphs[MAX_NOTES:]
    if not rest:
        return first
    return first + _fold(f"{len(rest)} more remark{'s' * (len(rest) > 1)}", join(rest))


def _findings(result: CheckResult, blocks: str) -> Markup:
    if result.status is Status.NOT_ASSESSED and result.reason is not None:
        return Markup()
    ordered = worst_first(result.findings)
    passed = [one for one in ordered if one.status is Status.PASS]
    informed = [one for one in ordered if one.status is Status.INFO]
    shown = ordered[: len(ordered) - len(passed) - len(informed)]
    folded = []
    kinds = (
        (passed, "findings that hold their limit"),
        (informed, "findings without a limit"),
    )
    for many, what in kinds:
        if len(many) <= MAX_OPEN:
            shown += many
        else:
            folded.append((many, what))
    return _table(shown, f"{result.title}: findings", blocks) + join(
        _fold(f"{len(many):,} {what}", _table(many, f"{result.title}: {what}", blocks))
        for many, what in folded
    )


def _fold(summary: str, content: Markup) -> Markup:
    return html(
        '<details class="rd-fold"><summary>{}</summary>{}</details>', summary, content
    )


def _table(findings: Sequence[Finding], caption: str, blocks: str) -> Markup:
    if not findings:
        return Markup()
    left_out = len(findings) - MAX_FINDINGS
    note = f"{left_out:,} more findings are in results.json." if left_out > 0 else ""
    return html(
        '<div class="rd-scroll" role="group" aria-label="{}" tabindex="0">'
        '<table class="rd-table rd-findings"><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}",
        caption,
        caption,
        join(html('<th scope="col">{}</th>', heading) for heading in HEADINGS),
        join(_row(one, blocks) for one in findings[:MAX_FINDINGS]),
        html('<p class="rd-note">{}</p>', note) if note else "",
    )


def _row(one: Finding, blocks: str) -> Markup:
    settle = settle_words(one, blocks) if one.status is Status.INCONCLUSIVE else ""
    why = " ".join(filter(None, (reason_words(one.reason), settle)))
    value = value_words(one)
    by = f"set by {one.limit_set_by}" if one.limit is not None else ""
    return html(
        '<tr><th scope="row">{}{}</th><td{}>{}</td><td>{}</td><td>{}{}</td><td>{}</td>'
        "<td>{}{}</td></tr>",
        metric_words(one.metric),
        _small(name_html(group_words(one.group, one.metric), 120)) if one.group else "",
        html(' class="rd-fixed"') if len(value) <= MAX_FIXED_CHARS else "",
        value,
        interval_words(one) or "none",
        html('<span class="rd-fixed">{}</span>', limit_words(one)),
        _small(", ".join(filter(None, (by, "required" if one.required else "")))),
        rows_words(one, blocks),
        status_mark(one.status, waived=one.waived),
        _small(why),
    )


def _small(words: str) -> Markup:
    return html(' <span class="rd-small">{}</span>', words) if words else Markup()


def _facts(result: CheckResult, *, links: bool) -> Markup:
    options = ", ".join(f"{name} = {value}" for name, value in result.options.items())
    said = [f"Options: {options}."] if options else []
    said.append(f"{result.model_calls:,} rows given to the model.")
    files = [
        html('<a href="tables/{}">{}</a>', quote(file), file) if links else escape(file)
        for file in result.tables
    ]
    return html(
        '<p class="rd-note">{}{}</p>',
        " ".join(said),
        html(" Tables: {}.", join(files, ", ")) if files else "",
    )
