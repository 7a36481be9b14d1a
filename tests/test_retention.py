"""Old runs are removed on request: counted, told apart, never one that is needed."""

import json
import shutil
from pathlib import Path

import pytest

from readiness import retention
from readiness.errors import RunError
from readiness.history import add_runs, read_history, reindex
from readiness.retention import keep_newest, remove_old_runs
from readiness.sign import sign
from readiness.staging import check_writable
from tests.commands import called
from tests.meetings import CASE, passing, publish_run
from tests.test_history import a_run

IDS = [f"202611{day}T120000Z-0123abcd" for day in range(20, 25)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder with five published runs of a case, the last one the latest."""
    for one in IDS:
        publish_run(tmp_path, one, passing)
    check_writable(tmp_path, CASE)
    (tmp_path / CASE / "latest").write_text(f"{IDS[-1]}\n")
    return tmp_path


def states(out: Path) -> list[str]:
    """Return the first letter of each run's status, in the order of the history."""
    return [one.status[0] for one in read_history(out)]


def there(out: Path) -> list[str]:
    """Return the run folders that are left, hidden ones included."""
    return sorted(path.parent.name for path in (out / CASE).glob("*/manifest.json"))


def test_oldest_runs_leave_and_their_rows_stay(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = called(capsys, "history", out, "--keep", 2, "--case", CASE)

    code, stdout, stderr = command()
    again, _, second = command()

    assert (code, again) == (0, 0)
    assert stderr == f"{CASE}: removed 3 published and 0 failed runs\n"
    assert second == f"{CASE}: removed 0 published and 0 failed runs\n"
    assert [line.split("\t")[2] for line in stdout.splitlines()] == [
        *["removed"] * 3,
        *["published"] * 2,
    ]
    assert there(out) == IDS[3:]
    assert "REMOVED" in (out / CASE / "history.html").read_text()


def test_run_that_a_decision_or_an_open_condition_names_stays(out: Path) -> None:
    first, second = (out / CASE / one for one in IDS[:2])
    for one in IDS[2:]:  # the decisions are on the newest run of their time
        shutil.move(out / CASE / one, out / one)
    shutil.move(second, out / "later")
    condition = "watch the wind|network operations|2099-01-31"
    sign(
        first,
        role="chair",
        decision="go-with-conditions",
        note="so",
        conditions=[condition],
    )
    shutil.move(out / "later", second)
    for one in IDS[2:]:
        shutil.move(out / one, out / CASE / one)

    removed = remove_old_runs(out, CASE, 1)

    assert removed.kept == (IDS[0],)
    assert removed.published == tuple(IDS[1:4])
    assert there(out) == [IDS[0], IDS[4]]


def test_run_that_latest_names_stays(out: Path) -> None:
    (out / CASE / "latest").write_text(f"{IDS[1]}\n")

    removed = remove_old_runs(out, CASE, 1)

    assert removed.kept == (IDS[1],)
    assert there(out) == [IDS[1], IDS[4]]


def test_windows_of_a_monitor_and_runs_that_cannot_be_read_stay(out: Path) -> None:
    window = out / CASE / IDS[0] / "results.json"
    results = json.loads(window.read_text())
    results["checks"][0]["code"] = "M2"
    window.write_text(json.dumps(results))
    (out / CASE / IDS[1] / "results.json").write_text("{")

    removed = remove_old_runs(out, CASE, 1)

    assert removed.kept == (IDS[0], IDS[1])


def test_failed_runs_are_bounded_by_the_same_number(out: Path) -> None:
    for number in range(3):
        folder = out / "failed" / f"20261201T00000{number}Z-0123abcd"
        folder.mkdir(parents=True)
        path = f"failed/{folder.name}"
        row = a_run(case_name=CASE, run_id=folder.name, status="failed", path=path)
        add_runs(out, [row])

    removed = remove_old_runs(out, CASE, 2)

    assert removed.failed == ("20261201T000000Z-0123abcd",)
    assert len(list((out / "failed").iterdir())) == 2
    assert states(out) == list("rrrpprff")


def test_record_that_cannot_be_believed_lets_nothing_be_removed(out: Path) -> None:
    (out / CASE / "signoffs.jsonl").write_text('{"kind": "decision"}\n')

    with pytest.raises(RunError, match="altered at line 1"):
        remove_old_runs(out, CASE, 1)

    assert there(out) == IDS


@pytest.mark.parametrize("step", ["mark_removed", "_delete"])
def test_removal_that_is_cut_short_is_finished_by_the_next(
    step: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, step, killed)
        with pytest.raises(KeyboardInterrupt):
            remove_old_runs(out, CASE, 2)
    between = states(out)
    visible = sorted(path.name for path in (out / CASE).glob("2*"))

    remove_old_runs(out, CASE, 2)

    assert between == list("rrrpp")
    assert visible == IDS[3:]
    assert states(out) == list("rrrpp")
    assert there(out) == IDS[3:]


def test_folder_that_cannot_be_deleted_is_a_storage_error(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(retention.shutil, "rmtree", refuse)

    with pytest.raises(RunError, match="cannot be removed: Permission") as raised:
        remove_old_runs(out, CASE, 4)

    assert raised.value.code == "STORAGE"


def test_removed_is_not_missing_and_survives_a_new_index(out: Path) -> None:
    remove_old_runs(out, CASE, 4)
    shutil.move(out / CASE / IDS[1], out / "elsewhere")
    reindex(out)
    between = states(out)
    shutil.move(out / "elsewhere", out / CASE / IDS[1])

    reindex(out)

    assert between == list("rmppp")
    assert states(out) == list("rpppp")


@pytest.mark.parametrize(("case", "keep"), [("flihgts", 2), (CASE, 0)])
def test_unknown_case_or_no_run_to_keep_is_refused(
    case: str, keep: int, out: Path
) -> None:
    with pytest.raises(RunError) as raised:
        keep_newest(out, case, keep)

    assert raised.value.code == "USAGE"
    assert there(out) == IDS
