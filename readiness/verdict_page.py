"""What the verdict page says, taken from a run's results: no markup, no judging."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readiness.cards import SHAPES, blocks_called
from readiness.result import CheckResult, Finding, Outcome, Status, result_from_dict
from readiness.text import number
from readiness.verdict_lines import Line, Link, finding_lines, open_lines
from readiness.words import (
    MONITOR_WORDS,
    OUTCOME_WORDS,
    STATUS_WORDS,
    WITH_CONDITIONS,
    block_word,
    group_words,
    interval_words,
    limit_words,
    metric_words,
    page_words,
    remedy_words,
)

QUESTIONS = {
    "baseline": "How good is it, and how sure are we?",
    "coverage": "Which situations has it hardly seen?",
    "explainability": "What does it use, and can that be trusted?",
    "drift": "How far may life move before it misses its target?",
    "stress": "What happens when the data pipeline breaks?",
    "load": "How soon does it answer, and how much can it bear?",
    "monitor": "Has life moved further than the model can bear?",
}
OUTCOME_SHAPES = {
    "READY": SHAPES[Status.PASS],
    WITH_CONDITIONS: SHAPES[Status.PASS],
    "NOT READY": SHAPES[Status.FAIL],
    "INCOMPLETE": SHAPES[Status.INCONCLUSIVE],
    "NO VERDICT": SHAPES[Status.NOT_ASSESSED],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the page with its lines; empty ones are left out."""

    key: str
    heading: str
    lead: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One dimension with its key figure."""

    name: str
    question: str
    link: str
    status: Status | None
    counts: str
    figure: str
    caption: str


def view(results: Mapping[str, Any], link: Link) -> dict[str, Any]:
    """Return everything the verdict page shows.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    link : callable
        ``link(notebook, code)``: where a check is shown.

    Returns
    -------
    dict
        Names the templates use.
    """
    checks = [result_from_dict(one) for one in results["checks"]]
    found = [(check, one) for check in checks for one in check.findings]
    blocks = blocks_called(results["facts"], checks)
    sections = tuple(_sections(checks, found, blocks, link))
    word, shape = outcome_word(results, checks)
    return {
        "results": results,
        "word": word,
        "shape": shape,
        "sentence": str(results["headline"]),
        "counts": _counts(one.status for one in checks),
        "sections": [one for one in sections if one.lines],
        "cards": _cards(checks, results["notebooks"]),
        "checks": checks,
        "limits": [(check, one) for check, one in found if one.limit is not None],
        "broken": [one for one in results["notebooks"] if not one["complete"]],
        "remedy": remedy_words(results["reason_code"]),
        "declared": block_word(results["facts"].get("block")),
        "factors": _factors(found),
        "model_calls": sum(one.model_calls for one in checks),
    }


def outcome_word(
    results: Mapping[str, Any], checks: Sequence[CheckResult]
) -> tuple[str, str]:
    """Return the verdict in the word a committee reads, and the shape beside it."""
    outcome = Outcome(results["outcome"])
    word = OUTCOME_WORDS[outcome]
    findings = (one for check in checks for one in check.findings)
    if outcome is Outcome.PASS and any(_is_caveat(one) for one in findings):
        word = WITH_CONDITIONS
    shown = MONITOR_WORDS[word] if _is_monitor(results) else word
    return shown, OUTCOME_SHAPES[word]


def _is_monitor(results: Mapping[str, Any]) -> bool:
    return {one["dimension"] for one in results["notebooks"]} == {"monitor"}


def _is_caveat(one: Finding) -> bool:
    missed = one.status in (Status.FAIL, Status.INCONCLUSIVE)
    return one.waived or (missed and not one.required)


def _sections(
    checks: Sequence[CheckResult],
    found: Sequence[tuple[CheckResult, Finding]],
    blocks: str,
    link: Link,
) -> Iterable[Section]:
    def lines(chosen: Callable[[Finding], bool]) -> tuple[Line, ...]:
        pairs = [pair for pair in found if chosen(pair[1])]
        pairs.sort(key=lambda pair: list(SHAPES).index(pair[1].status))
        return finding_lines(pairs, blocks, link)

    yield Section(
        key="failed",
        heading="What failed",
        lead="Required limits that are broken beyond doubt.",
        lines=lines(
            lambda one: one.required and one.status is Status.FAIL and not one.waived
        ),
    )
    yield Section(
        key="undecided",
        heading="What the data cannot decide",
        lead="Required limits inside their interval, and what would settle them.",
        lines=lines(lambda one: one.required and one.status is Status.INCONCLUSIVE),
    )
    yield Section(
        key="open",
        heading="What was not assessed",
        lead="Nothing that was not computed reads as a pass.",
        lines=open_lines(checks, link),
    )
    yield Section(
        key="caveats",
        heading="Caveats",
        lead="Limits that inform and do not decide, and limits somebody waived.",
        lines=lines(_is_caveat),
    )


def _cards(
    checks: Sequence[CheckResult], notebooks: Sequence[Mapping[str, Any]]
) -> list[Card]:
    cards = []
    for entry in notebooks:
        own = [one for one in checks if one.notebook == entry["name"]]
        best = _key_finding(own)
        caption = ""
        if best is not None:
            group = f", {group_words(best.group, best.metric)}" if best.group else ""
            interval = interval_words(best)
            caption = f"{metric_words(best.metric)}{group}"
            caption += f"; {interval}" if interval else ""
            caption += f"; limit {limit_words(best)}" if best.limit is not None else ""
        cards.append(
            Card(
                name=page_words(entry["name"]),
                question=QUESTIONS.get(page_words(entry["name"]).lower(), ""),
                link=entry["page"],
                status=best.status if best is not None else None,
                counts=_counts(one.status for one in own),
                figure=number(best.value, best.unit)
                if best is not None
                else "no answer",
                caption=caption,
            )
        )
    return cards


def _key_finding(checks: Sequence[CheckResult]) -> Finding | None:
    """Return the worst finding with a number, required ones first; P1's own first."""
    order = list(SHAPES)
    pairs = [(check, one) for check in checks for one in check.findings]
    ranked = sorted(
        (pair for pair in pairs if pair[1].value is not None),
        key=lambda pair: (
            pair[0].code != "P1",
            not pair[1].required,
            order.index(pair[1].status),
        ),
    )
    return ranked[0][1] if ranked else None


def _factors(found: Sequence[tuple[CheckResult, Finding]]) -> list[tuple[str, float]]:
    """Return the dependence factors of required findings, by subject."""
    return [
        (
            f"{check.code} {group_words(one.group, one.metric) or 'reference rows'}",
            factor,
        )
        for check, one in found
        if one.required and (factor := one.dependence_factor) is not None
    ]


def _counts(statuses: Iterable[Status]) -> str:
    counted = Counter(statuses)
    return ", ".join(
        f"{counted[one]} {STATUS_WORDS[one]}" for one in SHAPES if counted[one]
    )
