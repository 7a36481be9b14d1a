"""Storage faults: a run is whole or absent, and older runs stay as they were."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from readiness import history, publish, runner
from readiness.errors import RunError
from readiness.history import read_history, reindex
from readiness.runner import run_review
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
