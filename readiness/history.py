"""PUBLISH: an index of runs in SQLite, which the run folders can always rebuild."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from readiness.errors import Reason, RunError
from readiness.staging import FAILED, REMOVED, RUN_ID, created_utc, mutex

VERSION = 1
BUSY_TIMEOUT_S = 15.0
FILE = "history.sqlite"
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    case_name TEXT NOT NULL,
    created TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    headline TEXT NOT NULL,
    digest TEXT,
    path TEXT NOT NULL,
    status TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of the history.

    Parameters
    ----------
    run_id, case_name, created : str
        The run, its case, and when it began (UTC).
    outcome, reason, headline : str, str or None, str
        The verdict, the reason code of a run without one, and the sentence.
    digest : str or None
        Equal for equal findings.
    path : str
        The run's folder, relative to the folder of the history; empty for none.
    status : str
        ``published``, ``failed``, ``abandoned``, ``removed`` on request, or ``missing``
        when its folder is gone by other hands.
    """

    run_id: str
    case_name: str
    created: str
    outcome: str
    reason: str | None
    headline: str
    digest: str | None
    path: str
    status: str


_COLUMNS = tuple(field.name for field in fields(Run))
_INSERT = (
    f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) "  # noqa: S608 (our own column names)
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def published_runs(out: Path, case_name: str, case_sha256: str) -> list[Path]:
    """Return the folders of the published runs of one case file, oldest first."""
    folders = [
        out / row.path
        for row in read_history(out)
        if row.status == "published" and row.case_name == case_name
    ]
    return [one for one in folders if _case_sha256(one) == case_sha256]


def _case_sha256(folder: Path) -> str | None:
    try:
        results = json.loads((folder / "results.json").read_text("utf-8"))
        found: str | None = results["inputs"].get("case")
    except (OSError, ValueError, KeyError):  # removed or altered by hand since
        return None
    return found


def add_runs(out: Path, runs: Iterable[Run]) -> None:
    """Add runs to the history in one transaction, making the file when needed.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.
    runs : iterable of Run
        Rows; one with a known ``run_id`` replaces the old one.

    Raises
    ------
    RunError
        ``HISTORY_BUSY`` when others kept it locked for 15 s, ``HISTORY_NEWER`` when a
        newer version wrote it, ``STORAGE`` when it cannot be written. The run
        directories are not touched by any of these.
    """
    rows = [astuple(one) for one in runs]
    if not rows:
        return
    if not is_intact(out):
        reindex(out)
    with _connected(out) as connection:
        connection.executemany(_INSERT, rows)


def read_history(out: Path) -> tuple[Run, ...]:
    """Return all runs in the order they were added.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs; without a history there are no runs.

    Returns
    -------
    tuple of Run
        A published or failed run whose folder is gone has status ``missing``.

    Raises
    ------
    RunError
        As `add_runs`.
    """
    if not (out / FILE).exists():
        return ()
    if not _is_sound(out):
        reindex(out)
    with _connected(out, write=False) as connection:
        query = f"SELECT {', '.join(_COLUMNS)} FROM runs ORDER BY sequence"  # noqa: S608 (our own column names)
        rows = connection.execute(query).fetchall()
    runs = [Run(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
    return tuple(_as_found(out, one) for one in runs)


def listed(out: Path, case_name: str | None = None) -> tuple[Run, ...]:
    """Return the runs of a case, or of all cases, as `read_history`.

    Raises
    ------
    RunError
        USAGE when there is no such folder, or no run of the case that is named: a
        slip of the pen is not an empty history. Else as `read_history`.
    """
    if not out.is_dir():
        msg = f"{str(out)!r} is no folder; name the folder of all runs."
        raise RunError(msg, Reason.USAGE)
    runs = read_history(out)
    if case_name is None:
        return runs
    known = dict.fromkeys(one.case_name for one in runs)
    if case_name not in known:
        msg = (
            f"The history has no run of {case_name!r}. "
            f"It has: {', '.join(known) or 'none'}."
        )
        raise RunError(msg, Reason.USAGE)
    return tuple(one for one in runs if one.case_name == case_name)


def reindex(out: Path) -> int:
    """Rebuild the history from the run directories; return the number of its runs.

    Runs without a folder (abandoned ones) are kept when the old file can still be
    read. A file that cannot is set aside as ``history.sqlite.corrupt``, one of an
    older format as ``history.sqlite.old``.
    """
    found = [*_published(out), *_failed(out)]
    with mutex(out):
        condition = _condition(out)
        if condition != "sound":
            (out / FILE).replace(out / f"{FILE}.{condition}")
            (out / f"{FILE}-journal").unlink(missing_ok=True)
    with _connected(out) as connection:
        known = [one.run_id for one in found]
        old = connection.execute("SELECT run_id FROM runs WHERE path != ''").fetchall()
        gone = [(run_id,) for (run_id,) in old if run_id not in known]
        connection.executemany(
            "UPDATE runs SET status = 'missing' WHERE run_id = ? AND status != ?",
            [(*one, "removed") for one in gone],
        )
        connection.executemany(
            "UPDATE runs SET status = ? WHERE run_id = ?"
            " AND status IN ('missing', 'removed')",
            [(one.status, one.run_id) for one in found],
        )
        have = {run_id for (run_id,) in old}
        ordered = sorted(found, key=lambda one: (one.created, one.run_id))
        new = [astuple(one) for one in ordered if one.run_id not in have]
        connection.executemany(_INSERT, new)
        (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    return int(count)


def mark_removed(out: Path, run_ids: Iterable[str]) -> None:
    """Say of runs that they were removed on request; raises as `add_runs`."""
    with _connected(out) as connection:
        connection.executemany(
            "UPDATE runs SET status = 'removed' WHERE run_id = ?",
            [(one,) for one in run_ids],
        )


def is_intact(out: Path) -> bool:
    """Return whether there is a history and SQLite finds no damage in it."""
    return (out / FILE).exists() and _is_sound(out)


@contextlib.contextmanager
def _connected(out: Path, *, write: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the history for one transaction; a writer holds its lock throughout."""
    try:
        connection = sqlite3.connect(
            out / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        with contextlib.closing(connection):
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            _prepare(connection)
            yield connection
            connection.execute("COMMIT")
    except sqlite3.OperationalError as cause:
        raise _error(cause) from cause


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        msg = (
            f"{FILE!r} was written by a newer readiness (format {version}, this one "
            f"knows {VERSION}). Update readiness; the file was left untouched."
        )
        raise RunError(msg, Reason.HISTORY_NEWER)
    if version < VERSION:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _error(cause: sqlite3.OperationalError) -> RunError:
    if cause.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        msg = (
            f"{FILE!r} stayed locked for {BUSY_TIMEOUT_S:.0f} s. The run is on disk; "
            "add it with: readiness history --reindex."
        )
        return RunError(msg, Reason.HISTORY_BUSY)
    msg = (
        f"{FILE!r} cannot be written: {cause}. The run is on disk; when there is room, "
        "add it with: readiness history --reindex."
    )
    return RunError(msg, Reason.STORAGE)


def _is_sound(out: Path) -> bool:
    """Return whether the history can be read; a missing one is sound."""
    return _condition(out) == "sound"


def _condition(out: Path) -> str:
    """Return ``sound``, ``corrupt``, or ``old`` for runs in an earlier format."""
    if not (out / FILE).exists():
        return "sound"
    try:
        connection = sqlite3.connect(out / FILE, timeout=BUSY_TIMEOUT_S)
        with contextlib.closing(connection):
            rows = connection.execute("PRAGMA quick_check").fetchall()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        return "sound"  # locked or unreadable: not a sign of damage
    except sqlite3.DatabaseError:
        return "corrupt"
    if rows != [("ok",)]:
        return "corrupt"
    return "old" if version < VERSION and ("runs",) in tables else "sound"


def _as_found(out: Path, run: Run) -> Run:
    folder = out / run.path
    if not run.path or folder.is_dir() or run.status == "removed":
        return run
    is_leaving = folder.with_name(f"{REMOVED}{folder.name}").exists()
    return replace(run, status="removed" if is_leaving else "missing")


def _published(out: Path) -> Iterator[Run]:
    for path in sorted(out.glob("*/*/results.json")):
        if path.parent.parent.name != FAILED and RUN_ID.fullmatch(path.parent.name):
            yield from _from_results(out, path, "published")


def _failed(out: Path) -> Iterator[Run]:
    for path in sorted(out.glob(f"{FAILED}/*/results.json")):
        yield from _from_results(out, path, "failed")


def _from_results(out: Path, path: Path, status: str) -> Iterator[Run]:
    """Yield the row of one run directory, or nothing when it cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        results = json.loads(path.read_text("utf-8"))
        yield Run(
            run_id=path.parent.name,
            case_name=results["case"],
            created=created_utc(path.parent.name),
            outcome=results["outcome"],
            reason=results["reason_code"],
            headline=results["headline"],
            digest=results["results_digest"],
            path=path.parent.relative_to(out).as_posix(),
            status=status,
        )
