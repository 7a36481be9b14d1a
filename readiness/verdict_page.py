"""What the verdict page says, taken from a run's results: no markup, no judging."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readiness.cards import SHAPES, blocks_called
from readiness.last_day import last_day_words
from readiness.record import (
    Record,
    is_broken,
    is_caveat,
    is_undecided,
    pairs_of,
    record_of,
)
from readiness.result import CheckResult, Finding, Outcome, Status, result_from_dict
from readiness.stability_words import stability_lines
from readiness.text import number
from readiness.verdict_lines import (
    Line,
    Link,
    Scale,
    finding_lines,
    open_lines,
    scale_of,
    subject_of,
)
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
    """One dimension with its key figure.

    Parameters
    ----------
    status : Status or None
        Of the key figure.
    besides : tuple of (Status, str)
        Another required limit that is broken, or else not shown to hold: the first
        one, so that no dimension looks better than what decides; or nothing.
    state : Status or None
        The worse of both; the colour of the card.
    """

    name: str
    question: str
    link: str
    status: Status | None
    besides: tuple[Status, str] | None
    state: Status | None
    counts: str
    figure: str
    caption: str
    interval: str
    limit: str
    scale: Scale | None


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
    found = pairs_of(checks)
    blocks = blocks_called(results["facts"], checks)
    record = record_of(results, checks, blocks, link)
    sections = tuple(_sections(checks, found, blocks, link))
    word, shape = outcome_word(results, checks)
    return {
        "results": results,
        "word": word,
        "shape": shape,
        "sentence": str(results["headline"]),
        "stability": stability_lines(results),
        "counts": _counts(one.status for one in checks),
        "record": record,
        "last_day": last_day_words(results),
        "n_caveats": sum(is_caveat(one) for _, one in found),
        "is_monitor": _is_monitor(results),
        "sections": [
            one for one in sections if one.lines and not _is_told(one, record)
        ],
        "cards": _cards(checks, results["notebooks"]),
        "checks": checks,
        "limits": [(check, one) for check, one in found if one.limit is not None],
        "broken": [one for one in results["notebooks"] if not one["complete"]],
        "remedy": remedy_words(results["reason_code"]),
        "declared": block_word(results["facts"].get("block")),
        "factors": _factors(found),
        "model_calls": sum(one.model_calls for one in checks),
    }


def _is_told(one: Section, record: Record) -> bool:
    """Return whether the record already holds all that a section would say."""
    told = {"failed": record.all_deciding, "undecided": record.all_deciding}
    return told.get(one.key, False)


def outcome_word(
    results: Mapping[str, Any], checks: Sequence[CheckResult]
) -> tuple[str, str]:
    """Return the verdict in the word a committee reads, and the shape beside it."""
    outcome = Outcome(results["outcome"])
    word = OUTCOME_WORDS[outcome]
    findings = (one for check in checks for one in check.findings)
    if outcome is Outcome.PASS and any(is_caveat(one) for one in findings):
        word = WITH_CONDITIONS
    shown = MONITOR_WORDS[word] if _is_monitor(results) else word
    return shown, OUTCOME_SHAPES[word]


def _is_monitor(results: Mapping[str, Any]) -> bool:
    return {one["dimension"] for one in results["notebooks"]} == {"monitor"}


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
        lines=lines(is_broken),
    )
    yield Section(
        key="undecided",
        heading="What the data cannot decide",
        lead="Required limits inside their interval, and what would settle them.",
        lines=lines(is_undecided),
    )
    yield Section(
        key="open",
        heading="Not assessed, one by one",
        lead="Nothing that was not computed reads as a pass.",
        lines=open_lines(checks, link),
    )
    yield Section(
        key="caveats",
        heading="Caveats",
        lead="Limits that inform and do not decide, and limits somebody waived.",
        lines=lines(is_caveat),
    )


def _cards(
    checks: Sequence[CheckResult], notebooks: Sequence[Mapping[str, Any]]
) -> list[Card]:
    cards = []
    for entry in notebooks:
        own = [one for one in checks if one.notebook == entry["name"]]
        best = _key_finding(own)
        besides = _besides(own, best)
        has_limit = best is not None and best.limit is not None
        cards.append(
            Card(
                name=page_words(entry["name"]),
                question=QUESTIONS.get(page_words(entry["name"]).lower(), ""),
                link=entry["page"],
                status=best.status if best else None,
                besides=besides,
                state=besides[0] if besides else (best.status if best else None),
                counts=_counts(one.status for one in own),
                figure=number(best.value, best.unit) if best else "no answer",
                caption=subject_of(best) if best else "",
                interval=interval_words(best) if best else "",
                limit=limit_words(best) if best and has_limit else "",
                scale=scale_of(best) if best else None,
            )
        )
    return cards


def _key_finding(checks: Sequence[CheckResult]) -> Finding | None:
    """Return P1's own number, else what decides, else the worst of the rest."""
    order = list(SHAPES)
    ranked = sorted(
        (pair for pair in pairs_of(checks) if pair[1].value is not None),
        key=lambda pair: (
            pair[0].code != "P1",
            not (is_broken(pair[1]) or is_undecided(pair[1])),
            order.index(pair[1].status),
            not pair[1].required,
        ),
    )
    return ranked[0][1] if ranked else None


def _besides(
    checks: Sequence[CheckResult], key: Finding | None
) -> tuple[Status, str] | None:
    """Return the first required finding that weighs more than the key figure."""
    found = [one for _, one in pairs_of(checks)]
    against = [one for one in found if is_broken(one)]
    against += [one for one in found if is_undecided(one)]
    if not against or (key is not None and key in against):
        return None
    return against[0].status, subject_of(against[0])


def _factors(found: Sequence[tuple[CheckResult, Finding]]) -> list[tuple[str, float]]:
    """Return the largest dependence factor of the required findings on some rows."""
    factors: dict[str, float] = {}
    for check, one in found:
        if one.required and (factor := one.dependence_factor) is not None:
            # In the baseline no group means the reference; elsewhere it may not.
            of_all = metric_words(one.metric)
            of_all = "reference rows" if check.code.startswith("P") else of_all
            name = f"{check.code} {group_words(one.group, one.metric) or of_all}"
            factors[name] = max(factor, factors.get(name, factor))
    return list(factors.items())


def _counts(statuses: Iterable[Status]) -> str:
    counted = Counter(statuses)
    return ", ".join(
        f"{counted[one]} {STATUS_WORDS[one]}" for one in SHAPES if counted[one]
    )
