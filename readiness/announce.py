"""PUBLISH: a run, and a short summary of it for people who did not start it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from readiness import runner
from readiness.compare import compare_runs, comparison_lines
from readiness.errors import ReadinessError, Reason, RunError
from readiness.history import read_history
from readiness.identities import kinds
from readiness.markup import markdown_text
from readiness.meeting import ERROR_CODE, after_run, exit_code, unmet_words
from readiness.progress import show_progress
from readiness.result import CheckResult, Finding, Outcome, Status, result_from_dict
from readiness.run_summary import RunSummary
from readiness.staging import write_text
from readiness.verdict_page import outcome_word
from readiness.webhook import post, take_address
from readiness.words import (
    STATUS_WORDS,
    group_words,
    interval_words,
    limit_words,
    metric_words,
    reason_words,
    value_words,
)

MAX_LINES = 10
NO_VERDICT = "NO VERDICT"
BAD = (Status.FAIL, Status.INCONCLUSIVE, Status.NOT_ASSESSED)
Say = Callable[[str], None]


def reviewed(
    case: Path,
    *,
    say: Say,
    notify: Path | None = None,
    webhook: str | None = None,
    **options: Any,  # noqa: ANN401 (as of `run_review`)
) -> tuple[RunSummary, Reason | None]:
    """Review a case as `runner.run_review` does, and tell people how it ended.

    They are told last: that a condition of the approval is overdue is known by then.

    Parameters
    ----------
    case : pathlib.Path
        The case file.
    notify : pathlib.Path or None
        A Markdown file to write, replacing an earlier one.
    webhook : str or None
        ``env:NAME``: the variable with the address that a short message is posted to.
    say : callable
        Is told, each in one line, what of a sign-off needs a person and what kept
        people from being told. What is published does not depend on it.
    **options
        As of `run_review`.

    Returns
    -------
    summary : RunSummary
        As of `run_review`.
    unmet : Reason or None
        Why the command must not leave with 0, as of `meeting.after_run`.

    Raises
    ------
    ReadinessError
        As `run_review`; people are told of it first, but for a run that was refused
        because another is at work.
    """
    address = take_address(webhook) if webhook else None
    try:
        summary = runner.run_review(case, progress=show_progress(), **options)
    except ReadinessError as error:
        if error.code != Reason.OVERLAP:
            _tell(
                _unstarted(error.code, str(error)),
                _payload(None, error.code, ERROR_CODE),
                notify,
                address,
                say,
            )
        raise
    out = Path(options["out"]).absolute()
    reminders, unmet = after_run(out, summary)
    for line in reminders:
        say(line)
    code = exit_code(summary.exit_code, unmet)
    results = _results(summary)
    if results is None:
        text = _unstarted(summary.reason, summary.message, code)
    else:
        text = summary_text(results, summary, out, reminders=reminders, unmet=unmet)
    _tell(text, _payload(results, summary.reason, code, unmet), notify, address, say)
    return summary, unmet


def summary_text(
    results: Mapping[str, Any],
    summary: RunSummary,
    out: Path,
    *,
    reminders: Sequence[str] = (),
    unmet: Reason | None = None,
) -> str:
    """Return the summary of a run in Markdown, everything in it escaped.

    Parameters
    ----------
    results : mapping
        The content of its results.json.
    summary : RunSummary
        What it came to.
    out : pathlib.Path
        The folder of all runs.
    reminders : sequence of str
        What of a sign-off needs a person.
    unmet : Reason or None
        Why a run that passed does not leave with 0.
    """
    checks = [result_from_dict(one) for one in results["checks"]]
    word, _ = outcome_word(results, checks)
    word = _word(word, summary.exit_code, unmet)
    lines = [f"# {word}: {markdown_text(results['title'])}", ""]
    lines += [markdown_text(results["headline"]), ""]
    code = exit_code(summary.exit_code, unmet)
    lines += [f"Exit code {code}{f' ({unmet})' if unmet else ''}.", ""]
    if summary.reason:
        why = f"{summary.reason}: {summary.message}"
        lines += [f"Reason: {markdown_text(why)}", ""]
    run = f"{results['run_id']} of {results['case']}, begun {results['created_utc']}"
    lines += [f"Run {markdown_text(run)}.", ""]
    if results["outcome"] != Outcome.ERROR:
        lines += ["## What decides", "", *_listed(_deciding(checks)), ""]
        lines += ["## Since the last run", "", *_listed(_since(results, summary, out))]
        lines += [""]
    if reminders:
        lines += ["## What was signed", "", *_listed(list(reminders)), ""]
    page = summary.index_path
    lines += [f"Page: {markdown_text(page)}" if page else "Nothing was published."]
    return "\n".join(lines) + "\n"


def _tell(
    text: str,
    payload: Mapping[str, Any],
    notify: Path | None,
    address: str | None,
    say: Say,
) -> None:
    if notify is not None:
        try:
            write_text(notify.absolute(), text)
        except OSError as error:
            say(f"The summary {notify.name!r} was not written: {error.strerror}.")
    if address is not None:
        problem = post(address, payload)
        if problem:
            say(f"The webhook was not told: {problem}.")


def _results(summary: RunSummary) -> dict[str, Any] | None:
    if summary.index_path is None:
        return None
    try:
        text = summary.index_path.with_name("results.json").read_text("utf-8")
        return dict(json.loads(text))
    except (OSError, ValueError):
        return None


def _unstarted(reason: str | None, message: str, code: int = ERROR_CODE) -> str:
    """Return the summary of a run that left no page."""
    return (
        f"# {NO_VERDICT}\n\nReason: {markdown_text(f'{reason}: {message}')}\n\n"
        f"Exit code {code}.\n\nNothing was published.\n"
    )


def _word(word: str, found: int, unmet: Reason | None) -> str:
    """Return the word of a verdict, and what a run that passed must not hide."""
    if unmet is None or found:
        return word
    return f"{word}, but {unmet_words(unmet).removesuffix('.')}"


def _payload(
    results: Mapping[str, Any] | None,
    reason: str | None,
    code: int,
    unmet: Reason | None = None,
) -> dict[str, Any]:
    """Return what leaves the machine: no more than a headline says.

    The words of an error may quote a cell of a notebook; its code stands for them.
    """
    known = results or {"case": None, "run_id": None, "title": "", "outcome": "ERROR"}
    word, headline = NO_VERDICT, reason_words(reason)
    if results and results["outcome"] != Outcome.ERROR:
        checks = [result_from_dict(one) for one in results["checks"]]
        word, headline = outcome_word(results, checks)[0], results["headline"]
    title = f": {known['title']}" if known["title"] else ""
    passed = known["outcome"] == Outcome.PASS
    return {
        "text": f"{_word(word, int(not passed), unmet)}{title}. {headline}",
        "case": known["case"],
        "run_id": known["run_id"],
        "outcome": known["outcome"],
        "word": word,
        "exit_code": code,
        "reason_code": reason or unmet,
        "headline": headline,
    }


def _listed(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_LINES
    rest = [f"- {more} more are on the page."] if more > 0 else []
    return [f"- {markdown_text(one)}" for one in lines[:MAX_LINES]] + rest


def _deciding(checks: list[CheckResult]) -> list[str]:
    """Return the required findings that do not hold, the worst first."""
    required = [
        (check, one) for check in checks for one in check.findings if one.required
    ]
    open_ = [pair for pair in required if pair[1].status in BAD and not pair[1].waived]
    open_.sort(key=lambda pair: BAD.index(pair[1].status))
    if not open_:
        return [f"All {len(required)} required findings hold their limits."]
    return [_finding(check, one) for check, one in open_]


def _finding(check: CheckResult, one: Finding) -> str:
    group = group_words(one.group, one.metric)
    where = f", {group}" if group else ""
    if one.value is None and not one.censored:
        said = reason_words(one.reason)
    else:
        within = interval_words(one)
        said = f"{value_words(one)}{f' ({within})' if within else ''}"
    status = STATUS_WORDS[one.status]
    return (
        f"{status}: {check.code} {metric_words(one.metric)}{where}: {said}; limit "
        f"{limit_words(one)}, set by {one.limit_set_by}"
    )


def _since(results: Mapping[str, Any], summary: RunSummary, out: Path) -> list[str]:
    """Return what changed since the published run of the case before this one."""
    try:
        before = [
            one
            for one in read_history(out)
            if one.case_name == results["case"]
            and one.status == "published"
            and one.run_id != summary.run_id
        ]
        if not before:
            return ["There is no earlier published run of this case."]
        found = compare_runs(
            out / before[-1].path, out / results["case"] / summary.run_id
        )
    except RunError as error:
        return [f"It cannot be compared with the last run: {error}"]
    rests = ", ".join(kinds(found.before, found.after)) or "nothing it rests on"
    return [
        f"The last run was {before[-1].run_id}: {before[-1].outcome}.",
        f"Changed: {rests}.",
        *comparison_lines(found),
    ]
