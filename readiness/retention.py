"""PUBLISH: old runs removed on request, never one that a decision rests on."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from readiness.errors import Reason, RunError
from readiness.history import Run, listed, mark_removed, read_history
from readiness.meeting import refresh_page
from readiness.publish import LATEST
from readiness.sign import held
from readiness.signoffs import read_standing, today_utc
from readiness.staging import REMOVED, RUN_ID, mutex


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed of a case.

    Parameters
    ----------
    case_name : str
        The case.
    published, failed : tuple of str
        Ids of the removed runs, the oldest first.
    kept : tuple of str
        Ids of published runs beyond the number that are needed all the same.
    """

    case_name: str
    published: tuple[str, ...]
    failed: tuple[str, ...]
    kept: tuple[str, ...]


def keep_newest(out: Path, case_name: str | None, keep: int) -> list[str]:
    """Remove the old runs of one case or of all; return a line per case.

    Raises as `remove_old_runs`; USAGE when the history knows no such case.
    """
    lines = []
    for name in dict.fromkeys(one.case_name for one in listed(out, case_name)):
        removed = remove_old_runs(out, name, keep)
        lines.append(removal_line(removed))
        problem = refresh_page(out.absolute(), name) if removed.published else ""
        lines += [problem] if problem else []
    return lines


def remove_old_runs(out: Path, case_name: str, keep: int) -> Removed:
    """Remove the oldest runs of a case beyond a number; its rows of history stay.

    Each folder is renamed at once, its row is marked, and only then are its files
    deleted: whatever is interrupted in between is finished by the next call, and no
    run is ever shown in part.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.
    case_name : str
        The case.
    keep : int
        How many published runs, and how many failed ones, stay; at least 1.

    Returns
    -------
    Removed
        Of the published runs, the newest, the one that ``latest`` names, any with a
        decision in force, any with an open condition and all windows of a monitor
        stay, whatever the number.

    Raises
    ------
    RunError
        ALTERED when the sign-off record cannot be believed: nothing is removed then;
        STORAGE when a folder cannot be removed.
    """
    if keep < 1:
        msg = f"--keep must be at least 1; it is {keep}."
        raise RunError(msg, Reason.USAGE)
    out = out.absolute()
    rows = [one for one in read_history(out) if one.case_name == case_name]
    published = _beyond([one for one in rows if one.status == "published"], keep)
    failed = _beyond([one for one in rows if one.status == "failed"], keep)
    with mutex(out), held(out / case_name):
        needed = _needed(out / case_name)
        kept = [one for one in published if _is_needed(out, one, needed)]
        leaving = [one for one in (*published, *failed) if one not in kept]
        moved = [one for one in leaving if _set_aside(out / one.path)]
    mark_removed(out, _set_aside_runs(out))
    _delete(out)
    gone = {one.run_id for one in moved}
    return Removed(
        case_name=case_name,
        published=tuple(one.run_id for one in published if one.run_id in gone),
        failed=tuple(one.run_id for one in failed if one.run_id in gone),
        kept=tuple(one.run_id for one in kept),
    )


def removal_line(removed: Removed) -> str:
    """Return in one line what was removed, and what stayed in spite of its age."""
    line = (
        f"{removed.case_name}: removed {len(removed.published)} published and "
        f"{len(removed.failed)} failed runs"
    )
    if not removed.kept:
        return line
    return (
        f"{line}; {len(removed.kept)} older stay, for a decision, an open condition "
        "or a monitor"
    )


def _beyond(rows: Sequence[Run], keep: int) -> list[Run]:
    ordered = sorted(rows, key=lambda one: one.run_id)
    return [one for one in ordered[:-keep] if one.path]


def _needed(case_folder: Path) -> set[str]:
    """Return the runs of a case that a decision, a condition or ``latest`` names."""
    standing = read_standing(case_folder, today_utc())
    needed = {one.run_id for one in standing.sign_offs if not one.void}
    needed |= {one.run_id for one in standing.conditions if one.done_utc is None}
    latest = case_folder / LATEST
    if latest.is_file():
        needed.add(latest.read_text("utf-8").strip())
    return needed


def _is_needed(out: Path, row: Run, needed: set[str]) -> bool:
    """Return whether a run must stay; one whose results cannot be read must."""
    try:
        text = (out / row.path / "results.json").read_text("utf-8")
        codes = {one["code"] for one in json.loads(text)["checks"]}
    except (OSError, ValueError, LookupError, TypeError):
        return True
    is_window = any(code.startswith("M") for code in codes)
    return is_window or row.run_id in needed


def _set_aside(folder: Path) -> bool:
    """Take a run's folder out of sight; return whether it was there."""
    try:
        folder.rename(folder.with_name(f"{REMOVED}{folder.name}"))
    except FileNotFoundError:  # removed by another, at the same time
        return False
    except OSError as cause:
        raise _error(folder.name, cause) from cause
    return True


def _set_aside_runs(out: Path) -> list[str]:
    return [path.name.removeprefix(REMOVED) for path in _left(out)]


def _left(out: Path) -> list[Path]:
    """Return the folders that are on their way out, interrupted ones included."""
    found = sorted(out.glob(f"*/{REMOVED}*"))
    return [one for one in found if RUN_ID.fullmatch(one.name.removeprefix(REMOVED))]


def _delete(out: Path) -> None:
    for folder in _left(out):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:  # another is deleting it at the same time
            continue
        except OSError as cause:
            raise _error(folder.name.removeprefix(REMOVED), cause) from cause


def _error(run_id: str, cause: OSError) -> RunError:
    msg = (
        f"The run {run_id} cannot be removed: {cause.strerror}. "
        "Mend that and give the same command again."
    )
    return RunError(msg, Reason.STORAGE)
