"""The history is an index: never lost, never in the way, rebuilt from the runs."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from readiness import history
from readiness.errors import RunError
from readiness.history import FILE, Run, add_runs, read_history, reindex

WRITE_50_RUNS = """
import sys
from pathlib import Path
from readiness.history import Run, add_runs
out, writer = Path(sys.argv[1]), int(sys.argv[2])
for number in range(50):
    run_id = f"20270101T0000{number:02d}Z-0000000{writer}"
    add_runs(out, [Run(run_id=run_id, case_name="c", created="", outcome="PASS",
             reason=None, headline="", digest=None, path="", status="published")])
"""
KILL_WHILE_WRITING = """
import os, random, signal, sys, time
from pathlib import Path
from readiness.history import Run, add_runs
out = Path(sys.argv[1])
chance = random.Random(7)
for attempt in range(100):
    child = os.fork()
    if child == 0:
        for number in range(1000):
            run_id = f"20270101T{attempt:06d}Z-{number:08x}"
            add_runs(out, [Run(run_id=run_id, case_name="c", created="",
                     outcome="PASS", reason=None, headline="h" * 2000, digest=None,
                     path="", status="published")])
        os._exit(0)
    time.sleep(chance.uniform(0.005, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def a_run(number: int = 0, **changed: str) -> Run:
    """Return a row of the history."""
    values = {
        "run_id": f"20270101T0000{number:02d}Z-0123abcd",
        "case_name": "flights",
        "created": "2027-01-01T00:00:00Z",
        "outcome": "PASS",
        "reason": None,
        "headline": "All 3 required findings hold their limits.",
        "digest": "0" * 64,
        "path": "",
        "status": "published",
    }
    return Run(**{**values, **changed})


def published(out: Path, run_id: str, place: str = "flights") -> Path:
    """Write the part of a run directory that the history reads."""
    folder = out / place / run_id
    folder.mkdir(parents=True)
    results = {
        "case": "flights",
        "outcome": "PASS",
        "reason_code": None,
        "headline": "All 3 required findings hold their limits.",
        "results_digest": "0" * 64,
    }
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_runs_are_read_in_the_order_they_were_added(tmp_path: Path) -> None:
    add_runs(tmp_path, [a_run(2)])
    add_runs(tmp_path, [a_run(1)])

    assert read_history(tmp_path) == (a_run(2), a_run(1))


def test_no_rows_and_no_history_leave_no_file(tmp_path: Path) -> None:
    add_runs(tmp_path, [])

    assert read_history(tmp_path) == ()
    assert not (tmp_path / FILE).exists()


def test_same_run_twice_is_one_row(tmp_path: Path) -> None:
    add_runs(tmp_path, [a_run(status="abandoned")])
    add_runs(tmp_path, [a_run()])

    assert read_history(tmp_path) == (a_run(),)


def test_eight_writers_of_fifty_runs_lose_none(tmp_path: Path) -> None:
    """F032 and F033: they also create the file together."""
    command = [sys.executable, "-c", WRITE_50_RUNS, str(tmp_path)]

    writers = [subprocess.Popen([*command, str(one)]) for one in range(8)]  # noqa: S603 (our own script)
    codes = [one.wait() for one in writers]

    assert codes == [0] * 8
    assert len(read_history(tmp_path)) == 400


def test_killing_the_writer_a_hundred_times_leaves_the_history_sound(
    tmp_path: Path,
) -> None:
    """F030."""
    add_runs(tmp_path, [a_run()])

    subprocess.run(  # noqa: S603 (our own script)
        [sys.executable, "-c", KILL_WHILE_WRITING, str(tmp_path)], check=True
    )

    rows = read_history(tmp_path)
    assert history.is_intact(tmp_path)
    assert rows[0] == a_run()
    assert len(rows) > 10
    assert not (tmp_path / f"{FILE}.corrupt").exists()


def test_locked_history_says_that_the_run_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F034."""
    add_runs(tmp_path, [a_run()])
    monkeypatch.setattr(history, "BUSY_TIMEOUT_S", 0.1)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(RunError, match="--reindex") as raised:
        add_runs(tmp_path, [a_run(1)])

    other.close()
    assert raised.value.code == "HISTORY_BUSY"


def test_history_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    """F027."""
    (tmp_path / FILE).mkdir()

    with pytest.raises(RunError, match="--reindex") as raised:
        add_runs(tmp_path, [a_run(1)])

    assert raised.value.code == "STORAGE"


def test_damaged_history_is_set_aside_and_rebuilt_from_the_runs(
    tmp_path: Path,
) -> None:
    """F035."""
    folder = published(tmp_path, a_run().run_id)
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)

    rows = read_history(tmp_path)

    assert rows == (a_run(path=folder.relative_to(tmp_path).as_posix()),)
    assert (tmp_path / f"{FILE}.corrupt").read_bytes().startswith(b"this is no")


def test_history_of_a_newer_version_is_left_untouched(tmp_path: Path) -> None:
    """F036."""
    add_runs(tmp_path, [a_run()])
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / FILE).read_bytes()

    with pytest.raises(RunError, match="newer readiness") as raised:
        add_runs(tmp_path, [a_run(1)])

    assert raised.value.code == "HISTORY_NEWER"
    assert (tmp_path / FILE).read_bytes() == before


def test_reindex_adds_a_run_published_before_a_crash_once(tmp_path: Path) -> None:
    """F031."""
    add_runs(tmp_path, [a_run(0)])
    published(tmp_path, a_run(1).run_id)
    published(tmp_path, a_run(2).run_id, "failed")

    counts = [reindex(tmp_path), reindex(tmp_path)]

    assert counts == [3, 3]
    assert [one.status for one in read_history(tmp_path)] == [
        "published",
        "published",
        "failed",
    ]


def test_run_folder_deleted_by_hand_is_shown_as_missing(tmp_path: Path) -> None:
    """F042."""
    add_runs(tmp_path, [a_run(path="flights/gone")])

    reindex(tmp_path)

    assert [one.status for one in read_history(tmp_path)] == ["missing"]


def test_lost_history_is_rebuilt_when_the_next_run_is_added(tmp_path: Path) -> None:
    published(tmp_path, a_run(0).run_id)

    add_runs(tmp_path, [a_run(1)])

    assert [one.run_id for one in read_history(tmp_path)] == [
        a_run(0).run_id,
        a_run(1).run_id,
    ]


def test_folder_that_is_no_run_is_left_out(tmp_path: Path) -> None:
    published(tmp_path, "notes")
    broken = published(tmp_path, a_run().run_id)
    (broken / "results.json").write_text("{")

    assert reindex(tmp_path) == 0
