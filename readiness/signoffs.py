"""PUBLISH: what meetings decided on the runs of a case, read from its record.

The record is one JSON line per decision in the case's folder, beside the immutable
runs. Each line holds its own hash and that of the line before it, so a line altered by
hand or taken out of the middle is noticed. Taking away the last lines is not, and
neither is a record made anew with new hashes: whoever must exclude that keeps a copy.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from readiness.errors import Reason, RunError
from readiness.manifest import FILE as MANIFEST
from readiness.manifest import file_sha256, verify
from readiness.staging import RUN_ID

RECORD = "signoffs.jsonl"
RECORD_VERSION = 1
DECISIONS = ("go", "go-with-conditions", "no-go")
FIRST = "0" * 64  # what the first line names as the line before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an approval asks for, by whom and when.

    Parameters
    ----------
    number : int
        Counted over the record of the case, from 1.
    text, owner, due : str, str, datetime.date
        What, who, and the last day on which it is not overdue.
    run_id : str
        The run whose sign-off asked for it.
    done_utc, done_role, done_note : str or None, str, str
        When it was met, who said so, and how; None while it is open.
    """

    number: int
    text: str
    owner: str
    due: dt.date
    run_id: str
    done_utc: str | None = None
    done_role: str = ""
    done_note: str = ""

    def state(self, today: dt.date) -> str:
        """Return ``done``, ``overdue`` or ``open``."""
        if self.done_utc is not None:
            return "done"
        return "overdue" if today > self.due else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """One decision on one run.

    Parameters
    ----------
    run_id, manifest_sha256, outcome : str
        The run as it was when it was signed.
    role, decision, note, signed_utc : str
        Who decided what, why and when.
    until : datetime.date or None
        The last day of the approval; None for no end.
    last_day : str
        Why that day, or that it lies beyond the certified shelf life; empty where
        nothing was said.
    stability : str
        How stable the outcome was said to be; empty where nothing was.
    void : tuple of str
        Sentences that say why it no longer holds; empty while it holds.
    """

    run_id: str
    manifest_sha256: str
    outcome: str
    role: str
    decision: str
    note: str
    signed_utc: str
    until: dt.date | None
    last_day: str = ""
    stability: str = ""
    void: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All decisions on a case and all conditions, in the order they were made."""

    sign_offs: tuple[SignOff, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def overdue(self, today: dt.date) -> tuple[Condition, ...]:
        """Return the open conditions whose day has passed."""
        return tuple(one for one in self.conditions if one.state(today) == "overdue")


def today_utc() -> dt.date:
    """Return the day it is, in UTC, as everywhere in a run."""
    return dt.datetime.now(dt.UTC).date()


def read_standing(case_folder: Path, today: dt.date) -> Standing:
    """Return what was decided on the runs of a case, and what of it still holds.

    Parameters
    ----------
    case_folder : pathlib.Path
        Holds the runs and, if anything was signed, the record.
    today : datetime.date
        An approval with an end holds up to and on that day.

    Returns
    -------
    Standing
        Empty when nothing was signed. A sign-off is void when its run was altered or
        removed, when a newer run of the case was published, when the same role
        decided again on the same run, or when its last day has passed. A condition
        stays open until it is marked as done, whatever becomes of its sign-off.

    Raises
    ------
    RunError
        ALTERED when the record was changed by anything but `sign`.
    """
    entries = read_record(case_folder)
    signed = [_sign_off(one) for one in entries if one["kind"] == "decision"]
    manifests = {one.run_id: _manifest_now(case_folder / one.run_id) for one in signed}
    newest = _newest_run(case_folder)
    void = [
        tuple(_void(one, signed[place + 1 :], newest, manifests[one.run_id], today))
        for place, one in enumerate(signed)
    ]
    return Standing(
        sign_offs=tuple(
            replace(one, void=why) for one, why in zip(signed, void, strict=True)
        ),
        conditions=conditions_of(entries),
    )


def read_record(case_folder: Path) -> list[dict[str, Any]]:
    """Return the entries of a case's record, oldest first; as `read_standing`."""
    try:
        lines = (case_folder / RECORD).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as cause:
        msg = f"The sign-off record cannot be read: {cause.strerror}."
        raise RunError(msg, Reason.STORAGE) from cause
    entries: list[dict[str, Any]] = []
    before = FIRST
    for place, line in enumerate(lines, start=1):
        entry = _entry(line, before, entries)
        if entry is None:
            msg = (
                f"The sign-off record {RECORD!r} was altered at line {place}. "
                "Nothing in it counts; restore it from a copy."
            )
            raise RunError(msg, Reason.ALTERED)
        entries.append(entry)
        before = entry["sha256"]
    return entries


def record_line(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as a line of the record, its own hash at the end."""
    sha256 = hashlib.sha256(json.dumps(entry, allow_nan=False).encode()).hexdigest()
    return json.dumps({**entry, "sha256": sha256}, allow_nan=False).encode()


def conditions_of(entries: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Return every condition of a record, the met ones marked as done."""
    found: list[Condition] = []
    for entry in entries:
        if entry["kind"] == "done":
            place = entry["condition"] - 1
            found[place] = replace(
                found[place],
                done_utc=entry["signed_utc"],
                done_role=entry["role"],
                done_note=entry["note"],
            )
        for one in entry.get("conditions", ()):
            found.append(
                Condition(
                    number=len(found) + 1,
                    text=one["text"],
                    owner=one["owner"],
                    due=dt.date.fromisoformat(one["due"]),
                    run_id=entry["run_id"],
                )
            )
    return tuple(found)


def _entry(
    line: bytes, before: str, earlier: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return one line of the record; None when it is not one that `sign` wrote."""
    try:
        entry: dict[str, Any] = json.loads(line)
        hashed = {name: one for name, one in entry.items() if name != "sha256"}
        fits = (entry["record_version"], entry["previous"]) == (RECORD_VERSION, before)
        fits = fits and record_line(hashed) == line
        if entry["kind"] == "decision":
            _sign_off(entry)
        conditions_of([*earlier, entry])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return entry if fits and entry["kind"] in {"decision", "done"} else None


def _sign_off(entry: Mapping[str, Any]) -> SignOff:
    until = entry["until"]
    names = (
        "run_id",
        "manifest_sha256",
        "outcome",
        "role",
        "decision",
        "note",
        "signed_utc",
    )
    return SignOff(
        **{name: entry[name] for name in names},
        until=dt.date.fromisoformat(until) if until else None,
        last_day=str(entry.get("last_day", "")),
        stability=str(entry.get("stability", "")),
    )


def _manifest_now(folder: Path) -> str | None:
    """Return the hash of a run's manifest; None when the run is altered or gone."""
    try:
        return None if verify(folder) else file_sha256(folder / MANIFEST)
    except (RunError, OSError):
        return None


def _newest_run(case_folder: Path) -> str:
    ids = (
        path.parent.name
        for path in case_folder.glob(f"*/{MANIFEST}")
        if RUN_ID.fullmatch(path.parent.name)
    )
    return max(ids, default="")


def _void(
    one: SignOff,
    later: Sequence[SignOff],
    newest: str,
    manifest_now: str | None,
    today: dt.date,
) -> Iterable[str]:
    if manifest_now != one.manifest_sha256:
        yield "The run is not what was signed: it was altered or removed since."
    if newest > one.run_id:
        yield f"A newer run was published: {newest}."
    if any((two.run_id, two.role) == (one.run_id, one.role) for two in later):
        yield "The same role decided again on this run."
    if one.until is not None and today > one.until:
        yield f"It lapsed: it held until {one.until.isoformat()}."
