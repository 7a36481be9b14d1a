"""PUBLISH: what the commands of the review meeting do and say, line by line."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from readiness.errors import ReadinessError, Reason, RunError
from readiness.history import read_history
from readiness.markup import terminal_text
from readiness.run_summary import RunSummary
from readiness.sign import close_condition, sign
from readiness.signoffs import (
    RECORD,
    Condition,
    SignOff,
    Standing,
    read_standing,
    today_utc,
)

OVERDUE_CODE = 1
ERROR_CODE = 3
SIGNAL_CODE = 128  # plus the number of the signal
NO_HISTORY = (Reason.HISTORY_BUSY, Reason.HISTORY_NEWER, Reason.STORAGE)


def decide(
    run: Path,
    *,
    role: str | None,
    decision: str | None,
    note: str | None,
    conditions: Sequence[str],
    until: dt.date | None,
    done: int | None,
) -> str:
    """Sign a run, or mark a condition as done; return what was written, in one line.

    Raises
    ------
    RunError
        As `sign.sign` and `sign.close_condition`; USAGE when an option is missing.
    """
    if role is None or note is None or (decision is None) == (done is None):
        msg = (
            "Give --role, --note, and one of --decision and --done. "
            "To read what was signed: readiness sign RUN --list."
        )
        raise RunError(msg, Reason.USAGE)
    if done is not None:
        if conditions or until is not None:
            msg = "--condition and --until belong to a decision, not to --done."
            raise RunError(msg, Reason.USAGE)
        closed = close_condition(run, done, role=role, note=note)
        said = terminal_text(f"done: condition {closed.number}, {closed.text}")
    else:
        more = sign(
            run,
            role=role,
            decision=str(decision),
            note=note,
            conditions=conditions,
            until=until,
        )
        said = f"signed: {decision} by {role} on {run.absolute().name}"
        sentences = " ".join(filter(None, [_void_at_once(run), more]))
        said = terminal_text(f"{said}. {sentences}" if sentences else said)
    folder = run.absolute().parent
    problem = refresh_page(folder.parent, folder.name)
    return f"{said}; {problem}" if problem else said


def _void_at_once(run: Path) -> str:
    """Return why the decision just made on a run does not hold; else nothing."""
    folder = run.absolute()
    made = read_standing(folder.parent, today_utc()).sign_offs[-1]
    return f"It does not hold: {' '.join(made.void)}" if made.void else ""


def standing_lines(
    case_folder: Path, today: dt.date | None = None
) -> tuple[list[str], int]:
    """Return what was signed on a case, and 1 when a condition is overdue, else 0."""
    today = today or today_utc()
    standing = read_standing(case_folder.absolute(), today)
    lines = [
        "\t".join(
            terminal_text(part)
            for part in (
                one.signed_utc,
                one.run_id,
                one.decision,
                one.role,
                f"void: {' '.join(one.void)}" if one.void else "holds",
                one.note,
                *filter(None, [_end(one), one.last_day, one.stability]),
            )
        )
        for one in standing.sign_offs
    ]
    lines += [_condition_line(one, today) for one in standing.conditions]
    return lines, OVERDUE_CODE if standing.overdue(today) else 0


def _end(one: SignOff) -> str:
    return f"until {one.until.isoformat()}" if one.until else ""


def overdue_lines(out: Path, case_name: str | None = None) -> list[str]:
    """Return one line per overdue condition of a case, or of all cases.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.
    case_name : str, optional
        Default every case of the history, and every other that has a record.

    Raises
    ------
    RunError
        USAGE when there is no case to look at: a gate on nothing is never open. Else
        as `read_history` and `read_standing`.
    """
    known = {one.case_name for one in read_history(out)}
    known |= {path.parent.name for path in out.glob(f"*/{RECORD}")}
    names = sorted(known if case_name is None else known & {case_name})
    if not names:
        what = "a run" if case_name is None else f"a run of {case_name!r}"
        msg = (
            f"{out.name!r} does not hold {what}, so no condition was looked at. "
            "Name the folder of all runs. "
            f"Cases there: {', '.join(sorted(known)) or 'none'}."
        )
        raise RunError(msg, Reason.USAGE)
    today = today_utc()
    return [
        f"{terminal_text(name)}\t{_condition_line(one, today)}"
        for name in names
        for one in read_standing(out.absolute() / name, today).overdue(today)
    ]


def after_run(out: Path, summary: RunSummary) -> tuple[list[str], Reason | None]:
    """Renew the history page of the case just run; return what people should know.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.
    summary : RunSummary
        The run that just ended. One that is not in the history changes nothing, one
        that was stopped or met a history out of reach does not ask it again.

    Returns
    -------
    lines : list of str
        Overdue conditions, approvals that no longer hold, and what kept the page from
        being written. Nothing is raised: the run is published already.
    why : Reason or None
        Why the command must not leave with 0, whatever the run found: OVERDUE, or
        what kept the conditions from being read.
    """
    if summary.exit_code >= SIGNAL_CODE or summary.reason in NO_HISTORY:
        return [], None
    try:
        runs = [one for one in read_history(out) if one.run_id == summary.run_id]
        if not runs:
            return [], None
        standing = read_standing(out.absolute() / runs[0].case_name, today_utc())
    except ReadinessError as error:
        return [terminal_text(error)], error.code
    problem = refresh_page(out.absolute(), runs[0].case_name)
    lines = [*_reminders(standing), *([problem] if problem else [])]
    return lines, Reason.OVERDUE if standing.overdue(today_utc()) else None


def exit_code(found: int, unmet: Reason | None) -> int:
    """Return what ``readiness run`` leaves with.

    Parameters
    ----------
    found : int
        What the run itself came to.
    unmet : Reason or None
        From `after_run`: a run that passed does not leave with 0 beside it.
    """
    if found or unmet is None:
        return found
    return OVERDUE_CODE if unmet is Reason.OVERDUE else ERROR_CODE


def unmet_words(unmet: Reason) -> str:
    """Return why a run that passed does not leave with 0, as the end of a sentence."""
    if unmet is Reason.OVERDUE:
        return "a condition of approval is overdue."
    return "whether a condition is overdue is not known."


def _reminders(standing: Standing) -> list[str]:
    today = today_utc()
    lines = [
        f"Condition {one.number} is overdue since {one.due}, owner "
        f"{terminal_text(one.owner)}: {terminal_text(one.text)}"
        for one in standing.overdue(today)
    ]
    if standing.sign_offs and all(one.void for one in standing.sign_offs):
        last = standing.sign_offs[-1]
        lines.append(
            terminal_text(
                f"No decision holds. The last was {last.decision} by {last.role}: "
                f"{' '.join(last.void)}"
            )
        )
    return lines


def refresh_page(out: Path, case_name: str) -> str:
    """Write the history page of a case; return what kept it from being written."""
    try:
        from readiness.history_page import refresh  # noqa: PLC0415 (brings nbconvert)

        refresh(out, case_name)
    except Exception as error:  # noqa: BLE001 (the run stands, whatever its page meets)
        said = terminal_text(f"{type(error).__name__}: {error}")
        return f"The history page could not be written: {said}"
    return ""


def _condition_line(one: Condition, today: dt.date) -> str:
    fields = (
        f"condition {one.number}",
        one.state(today),
        one.due.isoformat(),
        one.owner,
        one.text,
    )
    return "\t".join(terminal_text(part) for part in fields)
