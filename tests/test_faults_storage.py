"""Storage faults: a run is whole or absent, and older runs stay as they were."""

import calendar
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from readiness import history, publish, runner, staging
from readiness.errors import Reason, RunError
from readiness.history import FILE, Run, add_runs, read_history, reindex
from readiness.runner import run_review
from readiness.staging import new_run_id
from tests.commands import reviewing
from tests.invariants import observed
from tests.tiny import tiny_case

FILL = (
    "__import__('IPython').display.display({'text/plain': 'x' * 3_000_000}, raw=True)"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 3 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(  # noqa: S603 (fixed arguments)
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],  # noqa: S607 (wherever it is)
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs more rights than this user has")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 (as above)


def test_disk_full_while_the_notebook_is_written(
    small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F025."""
    case = tiny_case(tmp_path / "case", {"own": [FILL], "small": []})
    out = small_disk / "out"
    first = run_review(case, out=out, only=["small"])

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert first.exit_code == 0
    assert (ended.code, ended.reason) == (3, "STORAGE")
    assert read_history(out)[0].status == "published"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("junit_xml", id="F026"),
        pytest.param("write_manifest", id="F026-manifest"),
        pytest.param("settle", id="F026-rename"),
    ],
)
def test_disk_full_while_publishing_leaves_earlier_runs_alone(
    step: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    monkeypatch.setattr(publish, step, full)

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "STORAGE")
    assert "No space left" in ended.stderr
    assert not (out / "tiny" / "latest").exists()
    assert list(out.glob("tiny/2*")) == []


def test_history_that_cannot_be_written_does_not_lose_the_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F027 and F034: published, exit 3, mended by reindex."""

    def busy(*_: object) -> None:
        msg = "The history is busy. Mend it with: readiness history --reindex."
        raise RunError(msg, "HISTORY_BUSY")

    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    monkeypatch.setattr(publish, "add_runs", busy)

    code, stdout, stderr = reviewing(capsys, case, out)()

    assert code == 3
    assert "error: HISTORY_BUSY: " in stderr
    assert stdout.startswith("PASS: 1 pass; ")
    assert [reindex(out), reindex(out)] == [1, 1]
    assert [one.status for one in read_history(out)] == ["published"]


def test_review_repeated_after_a_busy_history_doubles_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        msg = "The history is busy."
        raise RunError(msg, "HISTORY_BUSY")

    case, out = tiny_case(tmp_path / "case"), tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(publish, "add_runs", busy)
        first = run_review(case, out=out, only=["own"])

    second = run_review(case, out=out, only=["own"])
    reindex(out)

    rows = [(one.run_id, one.status) for one in read_history(out)]
    assert first.exit_code == 3
    assert sorted(rows) == sorted(
        [(first.run_id, "published"), (second.run_id, "published")]
    )


def test_output_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F028: a file where the folder should be also stops root."""
    case = tiny_case(tmp_path / "case")
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "out"
    monkeypatch.setattr(runner, "run_notebooks", None)
    monkeypatch.setattr(runner, "load_tables", None)

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "STORAGE")
    assert "--out" in ended.stderr


def test_read_only_output_is_refused_before_anything_runs(
    small_disk: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F028 on a disk mounted read-only."""
    case = tiny_case(tmp_path / "case")
    subprocess.run(  # noqa: S603 (fixed arguments)
        ["mount", "-o", "remount,ro", str(small_disk)],  # noqa: S607 (wherever it is)
        check=True,
    )
    monkeypatch.setattr(runner, "run_notebooks", None)

    out = small_disk / "out"
    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "STORAGE")


def test_missing_parent_of_the_output_is_created(tmp_path: Path) -> None:
    """F029."""
    case = tiny_case(tmp_path / "case")

    summary = run_review(case, out=tmp_path / "a" / "b" / "c", only=["own"])

    assert summary.exit_code == 0


def test_damaged_history_does_not_stop_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F035."""
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    out.mkdir()
    (out / history.FILE).write_bytes(b"this is no database" * 100)

    code, _, _ = reviewing(capsys, case, out)()

    assert code == 0
    assert [one.status for one in read_history(out)] == ["published"]
    assert (out / f"{history.FILE}.corrupt").exists()


def row_of(run_id: str) -> Run:
    return Run(
        run_id=run_id,
        case_name="tiny",
        created=staging.created_utc(run_id),
        outcome="ERROR",
        reason="INTERRUPTED",
        headline="killed",
        digest=None,
        path="",
        status="abandoned",
    )


FIRST, LATER = "20270101T000000Z-00000001", "20270101T000100Z-00000002"
OLD_TABLE = "CREATE TABLE runs (run_id TEXT, headline TEXT)"


def old_history(out: Path) -> None:
    """Write a history as a version before the first one would have."""
    with closing(sqlite3.connect(out / FILE)) as connection:
        connection.execute(OLD_TABLE)
        connection.execute("INSERT INTO runs VALUES (?, 'old')", (FIRST,))
        connection.commit()


def test_older_history_is_kept_beside_a_new_one_f037(tmp_path: Path) -> None:
    old_history(tmp_path)

    add_runs(tmp_path, [row_of(LATER)])

    assert [one.run_id for one in read_history(tmp_path)] == [LATER]
    with closing(sqlite3.connect(tmp_path / f"{FILE}.old")) as connection:
        kept = connection.execute("SELECT * FROM runs").fetchall()
    assert kept == [(FIRST, "old")]


def test_renewal_that_dies_half_way_leaves_the_old_history_f038(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_history(tmp_path)
    before = (tmp_path / FILE).read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(history, "_TABLE", "CREATE TABLE runs (this is no SQL")
        with pytest.raises(RunError):
            add_runs(tmp_path, [row_of(LATER)])

    assert (tmp_path / f"{FILE}.old").read_bytes() == before
    add_runs(tmp_path, [row_of(LATER)])
    assert [one.run_id for one in read_history(tmp_path)] == [LATER]


def test_history_needs_nothing_that_a_network_disk_lacks_f039(tmp_path: Path) -> None:
    add_runs(tmp_path, [row_of(FIRST)])

    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == "delete"
    assert {path.name for path in tmp_path.iterdir()} <= {FILE, ".lock"}


def test_clock_set_back_changes_no_order_f040(tmp_path: Path) -> None:
    add_runs(tmp_path, [row_of(LATER)])
    add_runs(tmp_path, [row_of(FIRST)])

    assert [one.run_id for one in read_history(tmp_path)] == [LATER, FIRST]


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Pacific/Kiritimati", "Europe/Berlin"]
)
def test_run_ids_are_utc_in_any_zone_f041(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        said = staging.created_utc(new_run_id())
    finally:
        monkeypatch.undo()
        time.tzset()

    stated = time.strptime(said, "%Y-%m-%dT%H:%M:%SZ")
    assert 0 <= calendar.timegm(stated) - int(began) <= 2


def test_older_version_beside_a_newer_history_publishes_and_leaves_it_f043(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    out.mkdir()
    add_runs(out, [row_of(FIRST)])
    with closing(sqlite3.connect(out / FILE)) as connection:
        connection.execute(f"PRAGMA user_version = {history.VERSION + 1}")
        connection.commit()
    before = (out / FILE).read_bytes()

    code, stdout, stderr = reviewing(capsys, case, out)()

    assert code == 3
    assert f"error: {Reason.HISTORY_NEWER}: " in stderr
    assert stdout.startswith("PASS: 1 pass; ")
    assert len(list(out.glob("tiny/2*/results.json"))) == 1
    assert (out / FILE).read_bytes() == before


def test_output_inside_the_folder_of_the_notebooks_leaves_them_f024(
    tmp_path: Path,
) -> None:
    """F044 besides: a title may be in any script."""
    case = tiny_case(tmp_path / "case")
    title = "\u041e\u043f\u043e\u0437\u0434\u0430\u0435\u0442? \u5ef6\u8bef"
    text = case.read_text("utf-8").replace("Does the plumbing hold?", title)
    case.write_text(text, "utf-8")
    notebook = case.parent / "own" / "own.ipynb"
    before = notebook.read_bytes()

    summary = run_review(case, out=notebook.parent, only=["own"])

    assert summary.exit_code == 0
    assert notebook.read_bytes() == before
    assert title in summary.index_path.read_text("utf-8")
