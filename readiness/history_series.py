"""SHOW: the findings of a case run by run: what the history page draws and tells."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from readiness.changes import findings_by_key, gravest
from readiness.identities import kinds
from readiness.result import CheckResult, Finding, Status
from readiness.text import interval, number
from readiness.words import STATUS_WORDS, group_words, limit_words, metric_words

HEADLINE_GROUPS = ("", "table=current")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One run of the case as the page tells it.

    Parameters
    ----------
    run_id, when : str, datetime.datetime
        The run, and when it began.
    state : str
        ``published``, ``failed``, ``abandoned``, ``missing``, ``removed`` or
        ``altered``.
    results : dict or None
        Its results.json; None unless it is published and unaltered.
    """

    run_id: str
    when: dt.datetime
    state: str
    results: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One finding over all runs; an empty tuple where a run has none.

    Parameters
    ----------
    check : CheckResult
        The check as the last run that has it reports it.
    metric, group : str
        Of the finding.
    findings : tuple of tuple of Finding
        One per run, in the order of the runs; two where it has two limits.
    """

    check: CheckResult
    metric: str
    group: str
    findings: tuple[tuple[Finding, ...], ...]

    @property
    def name(self) -> str:
        """What was measured, on which rows, in words."""
        words = metric_words(self.metric)
        group = group_words(self.group, self.metric)
        return f"{words}, {group}" if group else words

    @property
    def last(self) -> Finding:
        """The finding of the last run that has it."""
        found = [gravest(many) for many in self.findings if many]
        last = found[-1]
        assert last is not None, "a series has a finding"  # noqa: S101 (never reached: made from one)
        return last


def never_changed(series: Series, runs: Sequence[Told]) -> bool:
    """Return whether a finding is exact and passed with one value in all runs read.

    A figure of it is a straight line: its number says as much.
    """
    read = [
        many
        for run, many in zip(runs, series.findings, strict=True)
        if run.results is not None
    ]
    found = [one for many in read for one in many]
    return (
        all(read)
        and all(one.status is Status.PASS and _is_exact(one) for one in found)
        and len({(one.value, one.limit) for one in found}) == len(read[-1])
    )


def _is_exact(one: Finding) -> bool:
    return one.value is not None and {one.ci_low, one.ci_high} <= {one.value, None}


def headline_series(runs: Sequence[Told]) -> tuple[Series, ...]:
    """Return every required finding of any run, and the headline metric.

    Parameters
    ----------
    runs : sequence of Told
        The oldest first.
    """
    by_run = [findings_by_key(one.results) if one.results else {} for one in runs]
    wanted: dict[tuple[str, str, str], CheckResult] = {}
    for run, found in zip(runs, by_run, strict=True):
        metric = run.results["facts"].get("metric") if run.results else None
        for key, (check, findings) in found.items():
            code, name, group = key
            is_headline = (code, name) == ("P1", metric) and group in HEADLINE_GROUPS
            if is_headline or any(one.required for one in findings):
                wanted[key] = check
    return tuple(
        Series(
            check=check,
            metric=key[1],
            group=key[2],
            findings=tuple(found[key][1] if key in found else () for found in by_run),
        )
        for key, check in wanted.items()
    )


def marks_of(runs: Sequence[Told]) -> tuple[tuple[str, ...], ...]:
    """Return per run what it rests on that the run read before it did not."""
    marks: list[tuple[str, ...]] = []
    before: dict[str, Any] | None = None
    for run in runs:
        both = before is not None and run.results is not None
        marks.append(kinds(before, run.results) if both else ())  # type: ignore[arg-type]  # neither is None
        before = run.results or before
    return tuple(marks)


def alt_text(series: Series, runs: Sequence[Told]) -> str:
    """Return in one sentence what the figure shows."""
    known = [
        (run.when, found)
        for run, many in zip(runs, series.findings, strict=True)
        if (found := gravest(many)) is not None and found.value is not None
    ]
    if not known:
        return f"{series.name}: no run has a number."
    first, last = known[0], known[-1]
    limit = limit_words(series.last)
    return (
        f"{series.name} in {len(known)} of {len(runs)} runs: "
        f"{number(first[1].value, first[1].unit)} on {first[0]:%Y-%m-%d}, "
        f"{number(last[1].value, last[1].unit)} "
        f"({interval(last[1].ci_low, last[1].ci_high, last[1].unit) or 'exact'}) on "
        f"{last[0]:%Y-%m-%d}; limit {limit}, {STATUS_WORDS[last[1].status]}."
    )
