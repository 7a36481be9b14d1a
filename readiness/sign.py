"""PUBLISH: the sign-off of a meeting, written beside the immutable run."""

import datetime as dt
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from readiness.errors import Reason, RunError
from readiness.last_day import approved_until
from readiness.manifest import FILE as MANIFEST
from readiness.manifest import file_sha256, verify
from readiness.result import Outcome
from readiness.signoffs import (
    DECISIONS,
    FIRST,
    RECORD,
    RECORD_VERSION,
    Condition,
    conditions_of,
    read_record,
    record_line,
)
from readiness.stability_words import stability_lines
from readiness.staging import write_text

LOCK = ".signoffs.lock"
MAX_CHARS = 2000
N_PARTS = 3  # of a condition: text, owner, day


def sign(
    run: str | Path,
    *,
    role: str,
    decision: str,
    note: str,
    conditions: Sequence[str] = (),
    until: dt.date | None = None,
    now: dt.datetime | None = None,
) -> str:
    """Add one decision on a published run to the record of its case.

    Parameters
    ----------
    run : str or pathlib.Path
        Folder of a published run; nothing in it is changed.
    role, note : str
        Who decides, and why; neither may be empty.
    decision : str
        ``go``, ``go-with-conditions`` or ``no-go``.
    conditions : sequence of str
        ``"text|owner|2027-01-31"`` each: what, who, and the last day.
    until : datetime.date, optional
        The last day of the approval; a ``go`` without one takes the day that the run
        proposes, where it proposes one.
    now : datetime.datetime, optional
        Default the present moment.

    Returns
    -------
    str
        Why the approval has its last day, and how stable the outcome is, which the
        record holds as well; empty where the run does not say.

    Raises
    ------
    RunError
        ALTERED when the run is not what was published, or the record not what was
        signed; USAGE when the decision does not fit the run: a plain ``go`` needs the
        outcome PASS of a whole review and ends with the certified shelf life,
        ``go-with-conditions`` at least one condition, and only it has conditions;
        STORAGE when the record cannot be written.
    """
    now = now or dt.datetime.now(dt.UTC)
    folder = Path(run).absolute()
    results = _signable(folder)
    asked = [_condition(one, now.date()) for one in conditions]
    _require_texts(role=role, note=note)
    _require_fit(decision, results, asked)
    until, last_day = approved_until(results, decision, until, now.date())
    if until is not None and until < now.date():
        msg = f"--until must not lie in the past; it is {until.isoformat()}."
        raise RunError(msg, Reason.USAGE)
    stability = next(iter(stability_lines(results)), "")
    with held(folder.parent):  # from here on nobody removes the run
        entry = {
            "kind": "decision",
            **_bound(folder, results),
            "stability": stability,
            "role": role,
            "decision": decision,
            "note": note,
            "conditions": asked,
            "until": until.isoformat() if until else None,
            "last_day": last_day,
            "signed_utc": _moment(now),
        }
        _append(folder.parent, entry)
    return " ".join(filter(None, [last_day, stability]))


def close_condition(
    run: str | Path,
    number: int,
    *,
    role: str,
    note: str,
    now: dt.datetime | None = None,
) -> Condition:
    """Mark a condition of the case as met, and return it.

    Parameters
    ----------
    run : str or pathlib.Path
        Folder of the published run that shows it is met, or of the one signed.
    number : int
        Of the condition, as ``readiness sign RUN --list`` shows it.
    role, note : str
        Who says so, and how it was met; neither may be empty.
    now : datetime.datetime, optional
        Default the present moment.

    Raises
    ------
    RunError
        As `sign`; USAGE when there is no such condition, or it is done already.
    """
    folder = Path(run).absolute()
    results = _signable(folder)
    _require_texts(role=role, note=note)
    entry = {
        "kind": "done",
        **_bound(folder, results),
        "role": role,
        "condition": number,
        "note": note,
        "signed_utc": _moment(now or dt.datetime.now(dt.UTC)),
    }
    with held(folder.parent):
        known = conditions_of(read_record(folder.parent))
        is_open = {one.number: one.done_utc is None for one in known}
        if not is_open.get(number, False):
            numbers = ", ".join(str(one) for one, open_ in is_open.items() if open_)
            msg = (
                f"--done must be the number of an open condition; {number} is none. "
                f"Open are: {numbers or 'none'}."
            )
            raise RunError(msg, Reason.USAGE)
        _append(folder.parent, entry)
    return known[number - 1]


def _signable(folder: Path) -> Mapping[str, Any]:
    """Return the results of a published run that is what was published."""
    altered = verify(folder)
    if altered:
        msg = (
            f"The run is not what was published ({altered[0]}); it cannot be signed. "
            "Run the review again."
        )
        raise RunError(msg, Reason.ALTERED)
    try:
        results: Mapping[str, Any] = json.loads(
            (folder / "results.json").read_text("utf-8")
        )
        fits = results["run_id"] == folder.name
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        msg = (
            f"{folder.name!r} must be the folder of a published run, under its own "
            "run id, with its results.json."
        )
        raise RunError(msg, Reason.USAGE)
    return results


def _bound(folder: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ties an entry to the run as it is now."""
    return {
        "record_version": RECORD_VERSION,
        "run_id": folder.name,
        "case": results["case"],
        "outcome": results["outcome"],
        "partial": results["partial"],
        "manifest_sha256": file_sha256(folder / MANIFEST),
        "results_digest": results["results_digest"],
    }


def _require_texts(**texts: str) -> None:
    for name, text in texts.items():
        if not text.strip() or len(text) > MAX_CHARS:
            msg = (
                f"--{name} must be a text of at most {MAX_CHARS:,} characters; it has "
                f"{len(text.strip()):,}."
            )
            raise RunError(msg, Reason.USAGE)


def _require_fit(
    decision: str, results: Mapping[str, Any], asked: Sequence[Mapping[str, str]]
) -> None:
    """Raise unless the decision can be taken on a run with these results."""
    outcome = results["outcome"]
    wrong = None
    if decision not in DECISIONS:
        wrong = f"--decision must be {', '.join(DECISIONS)}; it is {decision!r}."
    elif outcome == Outcome.ERROR:
        wrong = "A run without a verdict cannot be signed. Run it again."
    elif decision == "go" and (outcome != Outcome.PASS or results["partial"]):
        part = " of a part of the review" if results["partial"] else ""
        wrong = (
            f"go needs the outcome PASS of a whole review; this is {outcome}{part}. "
            "Sign go-with-conditions or no-go."
        )
    elif bool(asked) != (decision == "go-with-conditions"):
        wrong = (
            "go-with-conditions, and no other decision, has conditions. Give each as "
            '--condition "text|owner|2027-01-31".'
        )
    if wrong:
        raise RunError(wrong, Reason.USAGE)


def _condition(text: str, today: dt.date) -> dict[str, str]:
    parts = [one.strip() for one in text.rsplit("|", N_PARTS - 1)]
    try:
        what, owner, day = parts
        due = dt.date.fromisoformat(day)
        fits = bool(what and owner) and due >= today and len(text) <= MAX_CHARS
    except ValueError:
        fits = False
    if not fits:
        msg = (
            'A condition must be "text|owner|day", the day not in the past and written '
            f"as 2027-01-31; {text[:80]!r} is not."
        )
        raise RunError(msg, Reason.USAGE)
    return {"text": what, "owner": owner, "due": due.isoformat()}


@contextmanager
def held(case_folder: Path) -> Iterator[None]:
    """Hold the lock of the case's record: one writer at a time."""
    try:
        with (case_folder / LOCK).open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
    except OSError as cause:
        msg = (
            f"The sign-off record in {case_folder.name!r} cannot be written: "
            f"{cause.strerror}. Nothing was signed."
        )
        raise RunError(msg, Reason.STORAGE) from cause


def _append(case_folder: Path, entry: Mapping[str, Any]) -> None:
    """Add one line; a reader sees the record with it or without it, never a part."""
    known = read_record(case_folder)  # an altered record is not added to
    before = known[-1]["sha256"] if known else FIRST
    lines = [record_line(_without_hash(one)) for one in known]
    lines.append(record_line({**entry, "previous": before}))
    text = b"\n".join(lines).decode("utf-8")
    write_text(case_folder / RECORD, f"{text}\n")


def _without_hash(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in entry.items() if name != "sha256"}


def _moment(now: dt.datetime) -> str:
    return f"{now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
