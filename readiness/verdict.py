"""JUDGE: findings over the whole run give the verdict."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from readiness.errors import Reason
from readiness.findings import half_width_towards_limit
from readiness.result import CheckResult, Finding, Outcome, Status, Verdict
from readiness.stats import Z_ONE_SIDED, holm
from readiness.words import (
    group_words,
    interval_words,
    limit_words,
    metric_words,
    reason_words,
    value_words,
)

SEVERITY = (
    Status.FAIL,
    Status.INCONCLUSIVE,
    Status.NOT_ASSESSED,
    Status.PASS,
    Status.INFO,
)


def check_status(findings: Iterable[Finding]) -> Status:
    """Return the worst status of the findings; a waived fail counts as a pass.

    What the quick profile leaves to the full one is listed as not assessed. Where it
    is not required, it decides only a check of which nothing else was found.
    """
    every = tuple(findings)
    decisive = [one for one in every if not _is_left_for_later(one)] or every
    seen = {Status.PASS if one.waived else one.status for one in decisive}
    return next((status for status in SEVERITY if status in seen), Status.INFO)


def _is_left_for_later(one: Finding) -> bool:
    is_left = one.status is Status.NOT_ASSESSED and one.reason == Reason.NOT_IN_PROFILE
    return is_left and not one.required


def adjust(results: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Take back the fails that Holm's correction over the run does not support.

    A fail of a required finding that the step-down procedure (S. Holm, 1979) over
    all required findings of the run does not reject at 5 % becomes
    ``inconclusive`` with reason ``HOLM``.

    Returns
    -------
    tuple of CheckResult
        The results with findings and statuses replaced where they changed.
    """
    tested = [
        (n, k, _p_value(finding))
        for n, result in enumerate(results)
        for k, finding in enumerate(result.findings)
        if finding.required and finding.value is not None
    ]
    rejects = holm([p_value for _, _, p_value in tested])
    rejected = [one[:2] for one, is_so in zip(tested, rejects, strict=True) if is_so]
    return tuple(
        _without_unsupported_fails(result, {k for m, k in rejected if m == n})
        for n, result in enumerate(results)
    )


def verdict(results: Sequence[CheckResult]) -> Verdict:
    """Return the outcome over required findings, and the sentence that says why.

    Parameters
    ----------
    results : sequence of CheckResult
        Adjusted results of every check of the run.
    """
    crashed = [one for one in results if one.reason == Reason.CRASH]
    if crashed:
        names = ", ".join(one.code for one in crashed)
        headline = f"No verdict: an unexpected error ended {names}."
        return Verdict(
            outcome=Outcome.ERROR, headline=headline, reason_code=Reason.CRASH
        )
    required = [(one, f) for one in results for f in one.findings if f.required]
    failed = [(one, f) for one, f in required if _counts_as_fail(f)]
    open_ones = [
        (one, f)
        for one, f in required
        if f.status in (Status.INCONCLUSIVE, Status.NOT_ASSESSED)
    ]
    if failed:
        return Verdict(outcome=Outcome.FAIL, headline=_why("broken", failed))
    if open_ones:
        return Verdict(outcome=Outcome.INCOMPLETE, headline=_why("open", open_ones))
    if not required:
        headline = "Undecided: none of the checks that ran has a required limit."
        return Verdict(outcome=Outcome.INCOMPLETE, headline=headline)
    headline = f"All {len(required)} required findings hold their limits."
    return Verdict(outcome=Outcome.PASS, headline=headline)


def _p_value(finding: Finding) -> float:
    """Return the p-value of a kept limit, from the own test or the interval."""
    if finding.p_value is not None:
        return finding.p_value
    if finding.status is not Status.FAIL:
        return 1.0
    distance = abs((finding.value or 0.0) - (finding.limit or 0.0))
    half = half_width_towards_limit(finding)
    if half <= 0:
        return 0.0
    return 0.5 * math.erfc(Z_ONE_SIDED * distance / half / math.sqrt(2))


def _without_unsupported_fails(result: CheckResult, supported: set[int]) -> CheckResult:
    findings = tuple(
        replace(one, status=Status.INCONCLUSIVE, reason=Reason.HOLM)
        if one.required and one.status is Status.FAIL and k not in supported
        else one
        for k, one in enumerate(result.findings)
    )
    if findings == result.findings:
        return result
    return replace(result, findings=findings, status=check_status(findings))


def _counts_as_fail(finding: Finding) -> bool:
    return finding.status is Status.FAIL and not finding.waived


def _how_many(n_more: int) -> str:
    """Return how a sentence begins with a number."""
    words = ("", "One more", "Two more", "Three more", "Four more", "Five more")
    return words[n_more] if n_more < len(words) else f"Another {n_more}"


def _why(state: str, decisive: Sequence[tuple[CheckResult, Finding]]) -> str:
    """Return what decided, in one sentence a committee reads."""
    result, one = decisive[0]
    where = f", {group_words(one.group, one.metric)}," if one.group else ""
    subject = f"{metric_words(one.metric)}{where}"
    subject = subject[:1].upper() + subject[1:]
    n_more = len(decisive) - 1
    are = "limit is" if n_more == 1 else "limits are"
    more = f" {_how_many(n_more)} required {are} {state}." if n_more else ""
    if one.value is None and not one.censored:
        return f"{result.title}: not assessed. {reason_words(one.reason)}{more}"
    interval = interval_words(one)
    within = f" ({interval})" if interval else ""
    found, limit = f"{subject} is {value_words(one)}{within}", limit_words(one)
    if one.status is Status.NOT_ASSESSED:
        return f"{found}, not assessed. {reason_words(one.reason)}{more}"
    if one.status is Status.INCONCLUSIVE:
        return f"{found}: the data cannot tell whether it is {limit}.{more}"
    return f"{found} and must be {limit}.{more}"
