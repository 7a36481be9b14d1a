"""The decision record: what decides, what approval takes, what is not known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from readiness.result import CheckResult, Finding, Outcome, Status
from readiness.verdict_lines import Line, Link, finding_lines, open_lines, subject_of
from readiness.words import limit_words, settle_words

MAX_DECIDING = 4
MAX_ITEMS = 3
Pairs = Sequence[tuple[CheckResult, Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The first screen, and the first sheet of paper.

    Parameters
    ----------
    deciding : tuple of Line
        What decided, gravest first; or, where nothing is against it, what is nearest
        to its limit.
    lead : str
        What `deciding` is.
    n_deciding : int
        Of how many these are the first.
    approval : str
        What can be signed on this run, as a sentence.
    conditions : tuple of str
        What has to hold first, or what can be made a condition; the first few.
    n_conditions : int
        How many there are.
    unknown : tuple of (tuple of Line, str)
        What was not assessed, together where the same would give an answer; the
        first few, and what that is.
    n_unknown : int
        How many lines there are in all.
    """

    deciding: tuple[Line, ...]
    lead: str
    n_deciding: int
    approval: str
    conditions: tuple[str, ...]
    n_conditions: int
    unknown: tuple[tuple[tuple[Line, ...], str], ...]
    n_unknown: int

    @property
    def all_deciding(self) -> bool:
        """Whether every finding against the case is in `deciding`."""
        return self.n_deciding <= len(self.deciding)

    @property
    def all_unknown(self) -> bool:
        """Whether all that was not assessed is in `unknown`."""
        return self.n_unknown <= sum(len(lines) for lines, _ in self.unknown)


def record_of(
    results: Mapping[str, Any], checks: Sequence[CheckResult], blocks: str, link: Link
) -> Record:
    """Return the decision record of a run.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    checks : sequence of CheckResult
        Its checks.
    blocks : str
        What blocks of rows are called.
    link : callable
        ``link(notebook, code)``: where a check is shown.
    """
    against = _against(checks, blocks, link)
    near = () if against else _nearest(checks, blocks, link)
    unknown = open_lines(checks, link)
    approval, conditions = _approval(results, checks, blocks)
    return Record(
        deciding=_without_repeats((against or near)[:MAX_DECIDING]),
        lead="Required limits that are broken, or not shown to hold."
        if against
        else "Every required limit holds; these are the nearest to theirs.",
        n_deciding=len(against),
        approval=approval,
        conditions=tuple(conditions[:MAX_ITEMS]),
        n_conditions=len(conditions),
        unknown=_by_remedy(unknown)[:MAX_ITEMS],
        n_unknown=len(unknown),
    )


def is_caveat(one: Finding) -> bool:
    """Return whether a finding informs the decision without deciding it."""
    missed = one.status in (Status.FAIL, Status.INCONCLUSIVE)
    return one.waived or (missed and not one.required)


def pairs_of(checks: Iterable[CheckResult]) -> Pairs:
    """Return every finding with its check."""
    return [(check, one) for check in checks for one in check.findings]


def is_broken(one: Finding) -> bool:
    """Return whether a finding decides against the case."""
    return one.required and one.status is Status.FAIL and not one.waived


def is_undecided(one: Finding) -> bool:
    """Return whether a required limit lies inside its interval."""
    return one.required and one.status is Status.INCONCLUSIVE


def _without_repeats(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines, each reason said once: the screen is small."""
    told: dict[str, int] = {}
    shown = []
    for row, one in enumerate(lines, start=1):
        first = told.setdefault(one.why, row) if one.why else row
        shown.append(replace(one, why=f"As in row {first}.") if first < row else one)
    return tuple(shown)


def _by_remedy(
    unknown: Sequence[Line],
) -> tuple[tuple[tuple[Line, ...], str], ...]:
    together: dict[str, list[Line]] = {}
    for one in unknown:
        together.setdefault(one.settle or one.said, []).append(one)
    return tuple((tuple(lines), words) for words, lines in together.items())


def _against(
    checks: Sequence[CheckResult], blocks: str, link: Link
) -> tuple[Line, ...]:
    found = pairs_of(checks)
    broken = [pair for pair in found if is_broken(pair[1])]
    undecided = [pair for pair in found if is_undecided(pair[1])]
    required = [
        replace(one, findings=tuple(each for each in one.findings if each.required))
        for one in checks
        if one.required
    ]
    return (
        *finding_lines([*broken, *undecided], blocks, link),
        *open_lines(required, link),
    )


def _nearest(
    checks: Sequence[CheckResult], blocks: str, link: Link
) -> tuple[Line, ...]:
    """Return required findings that hold: the headline, then by distance to the limit.

    The distance is counted in half-widths of the interval; exact numbers come last.
    """
    held = [
        pair
        for pair in pairs_of(checks)
        if pair[1].required and pair[1].value is not None and pair[1].limit is not None
    ]
    held.sort(key=lambda pair: (pair[0].code != "P1", _distance(pair[1])))
    return finding_lines(held[:MAX_DECIDING], blocks, link)


def _distance(one: Finding) -> float:
    if one.value is None or one.limit is None:
        return float("inf")
    low = one.value if one.ci_low is None else one.ci_low
    high = one.value if one.ci_high is None else one.ci_high
    return abs(one.value - one.limit) / (high - low) if high > low else float("inf")


def _approval(
    results: Mapping[str, Any], checks: Sequence[CheckResult], blocks: str
) -> tuple[str, list[str]]:
    """Return what can be signed, and its conditions or what has to hold first."""
    outcome, found = Outcome(results["outcome"]), [one for _, one in pairs_of(checks)]
    caveats = [_caveat_words(one) for one in found if is_caveat(one)]
    if outcome is Outcome.ERROR:
        return "Nothing can be signed without a verdict.", []
    if outcome is not Outcome.PASS:
        first = [
            f"{subject_of(one)}: must be {limit_words(one)}."
            for one in found
            if is_broken(one)
        ]
        first += [
            f"{subject_of(one)}: {_lower(settle_words(one, blocks))}"
            for one in found
            if is_undecided(one)
        ]
        first += [
            f"{one.title}: needs an answer."
            for one in checks
            if one.required and one.status is Status.NOT_ASSESSED
        ]
        lead = "A go cannot be signed on this run. Before it can:"
        if len(first) > MAX_ITEMS:
            first = [
                *first[: MAX_ITEMS - 1],
                f"{len(first) - MAX_ITEMS + 1:,} more, below.",
            ]
        return lead, first
    if results["partial"]:
        return "No go can be signed: only a part of the review was run.", caveats
    if caveats:
        lead = "A go can be signed. Each caveat can be its condition, with an owner:"
        return lead, caveats
    return "A go can be signed, without conditions: nothing is left as a caveat.", []


def _caveat_words(one: Finding) -> str:
    held = "waived by the policy" if one.waived else f"limit {limit_words(one)}"
    return f"{subject_of(one)}, {held}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
