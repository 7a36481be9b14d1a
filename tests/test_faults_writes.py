"""Fail the n-th write of a run, n = 1, 2, …, until a run succeeds: I1 to I3 after each.

A run is reviewed in this process, from the case file to the history. Only its
notebooks are not executed: what they leave is put in place, and the pages are of one
line. Counted as a write is each file opened for writing, each write to it, ``fsync``,
``mkdir``, ``rename``, ``replace``, ``chmod``, and each statement of a history that is
written. Not covered: writes within a kernel (F025), writes by libraries in C that open
files themselves (Arrow's, SQLite's own), a process that is killed (F015, F030), and a
disk that reports success and loses the bytes.
"""

import builtins
import io
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

from readiness import pages, publish, runner
from readiness.collect import Ended
from readiness.errors import RunError
from readiness.history import FILE, read_history, reindex
from readiness.manifest import verify
from readiness.preflight import Ready
from readiness.runner import run_review
from readiness.staging import Staging
from tests.invariants import tree
from tests.tiny import PASSING_CHECK, tiny_case

MOST_WRITES = 2000
PAGE = "<!doctype html><title>p</title>"


class Disk:
    """Counts writes, and fails the n-th one, or all from it on.

    Parameters
    ----------
    fails_at : int
        The write that fails, from 1.
    stays_full : bool
        Whether all later writes fail too.
    """

    def __init__(self, fails_at: int, *, stays_full: bool) -> None:
        self.fails_at, self.stays_full = fails_at, stays_full
        self.count = 0
        self.failed = ""

    def is_full(self, what: str) -> bool:
        """Count one write; return whether it fails."""
        self.count += 1
        fails = self.count == self.fails_at
        fails = fails or (self.stays_full and self.count > self.fails_at)
        if fails and not self.failed:
            self.failed = what
        return fails

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` so that a call of it is one write."""

        def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 (any system call)
            is_there = function.__name__ == "mkdir" and Path(given[0]).is_dir()
            if not is_there and self.is_full(f"{function.__name__} {given[:1]}"):
                raise OSError(28, os.strerror(28))
            return function(*given, **named)

        return counted

    def open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return `open` whose files, opened for writing, count and may fail.

        A write that fails has written the first half.
        """

        def opened(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:  # noqa: ANN401 (as open)
            if not set("wax+") & set(mode):
                return real(file, mode, *given, **named)
            # tempfile tries a file without a name first: a failure asks for another.
            if "opener" not in named and self.is_full(f"open {file}"):
                raise OSError(28, os.strerror(28))
            stream = real(file, mode, *given, **named)
            write = stream.write

            def halved(content: Any) -> int:  # noqa: ANN401 (text or bytes)
                if self.is_full(f"write {file}"):
                    write(content[: len(content) // 2])
                    raise OSError(28, os.strerror(28))
                return int(write(content))

            stream.write = halved
            return stream

        return opened

    def connect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return `sqlite3.connect` whose statements that write may fail."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 (as sqlite3)
                disk.statement(sql)
                return super().execute(sql, *given)

            def executemany(self, sql: str, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 (as sqlite3)
                disk.statement(sql)
                return super().executemany(sql, *given)

        return lambda *given, **named: real(*given, factory=Connection, **named)

    def statement(self, sql: str) -> None:
        """Count a statement that writes; raise where the disk is full."""
        text = sql.lstrip().upper()
        reads = text.startswith(("SELECT", "PRAGMA QUICK")) or (
            text.startswith("PRAGMA USER_VERSION") and "=" not in text
        )
        if not reads and self.is_full(f"sqlite {sql[:30]}"):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """Let the writes of this process go through `disk`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "mkdir", "rename", "replace", "chmod"):
            patch.setattr(os, name, disk.call(getattr(os, name)))
        patch.setattr(sqlite3, "connect", disk.connect(sqlite3.connect))
        opened = disk.open(io.open)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        yield


def put(path: Path, text: str) -> None:
    """Write a file as a kernel does: in another process, which counts for nothing."""
    number = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(number, text.encode())
    os.close(number)


def left_by_a_notebook(
    staging: Staging, ready: Ready, *_: object, **__: object
) -> list[Ended]:
    """Put in place what the case's own notebook leaves."""
    result = {
        "schema_version": 1,
        "run_id": staging.run_id,
        "notebook": "own",
        "complete": True,
        "interactive": False,
        "checks": [{**PASSING_CHECK, "tables": ["U1-all.csv"]}],
        "ledger": {},
        "facts": {},
    }
    put(staging.folder / "results" / "own.json", json.dumps(result))
    put(staging.folder / "tables" / "U1-all.csv", "a\n1\n")
    executed = nbformat.writes(nbformat.v4.new_notebook())
    put(staging.folder / "notebooks" / "own.ipynb", executed)
    (notebook,) = ready.notebooks
    return [Ended(notebook=notebook, code=None, message="", seconds=0.1)]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a case reviewed without a kernel, with one run in ``out``."""
    monkeypatch.setattr(runner, "run_notebooks", left_by_a_notebook)
    files = ("index.html", "report.html", "own.html")
    monkeypatch.setattr(pages, "render_pages", lambda *_: dict.fromkeys(files, PAGE))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # it is asked, and takes no time
    monkeypatch.setattr(runner, "look_over", cache(runner.look_over))  # reads only
    monkeypatch.setattr(runner, "family", nullcontext)  # there are no processes
    monkeypatch.setattr(runner, "end", lambda *_, **__: None)
    monkeypatch.setattr(publish, "require_schema", lambda *_: None)  # has its own test
    found = tiny_case(tmp_path / "case")
    assert run_review(found, out=tmp_path / "out", only=["own"]).exit_code == 0
    return found


def ended(case: Path, out: Path, run_id: str, disk: Disk) -> int:
    """Return the exit code of a run on `disk`; an unnamed error is raised."""
    with failing(disk):
        try:
            return run_review(case, out=out, only=["own"], run_id=run_id).exit_code
        except RunError as error:
            return 3 if error.code == "STORAGE" else 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "stays_full",
    [
        pytest.param(False, id="F025-F026-F027-one-write"),
        pytest.param(True, id="F025-F026-F027-from-then-on"),
    ],
)
def test_run_whose_nth_write_fails_leaves_no_half_run(
    stays_full: bool,  # noqa: FBT001 (a parameter)
    case: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    (first,) = out.glob("tiny/2*")
    before = tree(first)
    codes = []

    for n in range(1, MOST_WRITES):
        run_id = f"20270101T000000Z-{n:08x}"
        rows = len(read_history(out))
        disk = Disk(n, stays_full=stays_full)

        code = ended(case, out, run_id, disk)

        codes.append(code)
        published = out / "tiny" / run_id
        where = f"write {n}: {disk.failed}"
        assert (code == 0) <= published.is_dir(), f"I1 at {where}"
        assert code == (3 if disk.failed else 0), where
        assert not published.exists() or verify(published) == [], f"I2 at {where}"
        assert tree(first) == before, f"I3 at {where}"
        assert_sound_history(out, rows, run_id, where)
        assert list(out.glob("*/.staging-*")) == [], f"I5 at {where}"
        if not disk.failed:
            break

    assert codes[-1] == 0
    assert codes.count(3) > 30
    reindex(out)
    last = {one.run_id: one.status for one in read_history(out)}
    whole = {path.name for path in out.glob("tiny/2*")}
    assert {name for name, status in last.items() if status == "published"} == whole


def assert_sound_history(out: Path, rows: int, run_id: str, where: str) -> None:
    """I3: the history is sound and gained no more than this run."""
    with closing(sqlite3.connect(out / FILE)) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchall()
    assert answer == [("ok",)], f"I3 at {where}"
    history = read_history(out)
    assert len(history) - rows <= 1, f"I3 at {where}"
    mine = [one for one in history if one.run_id == run_id]
    folder = out / "tiny" / run_id
    assert [one.status for one in mine if folder.exists()] in ([], ["published"]), where
