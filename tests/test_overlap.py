"""Two runs of one case at once: side by side by default, refused where asked."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from readiness.errors import RunError
from readiness.history import read_history
from readiness.staging import check_writable, open_staging, refuse_overlap
from tests.commands import called, in_process
from tests.tiny import tiny_case

RUN_ID, OTHER = "20270101T000000Z-0123abcd", "20270101T000000Z-ffffffff"
WAIT = """
import time
from pathlib import Path
beside = Path(case_file).parent
(beside / "started").touch()
while not (beside / "go").exists():
    time.sleep(0.02)
"""


def files_of(folder: Path) -> dict[str, int]:
    """Return every path under a folder with its time of change, in nanoseconds."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if "private" not in path.parts  # the kernel at work writes there
    }


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a run that waits for the file ``go`` in a process of its own."""
    case = tiny_case(tmp_path / "case", {"own": [WAIT]})
    process = in_process("run", case, "--out", tmp_path / "out", "--only", "own")
    give_up = time.monotonic() + 60
    while not (case.parent / "started").exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    yield process
    (case.parent / "go").touch()
    process.communicate(timeout=60)


def test_run_that_allows_no_overlap_touches_nothing_and_fears_no_dead_run(
    at_work: subprocess.Popen[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, out = tmp_path / "case" / "case.toml", tmp_path / "out"
    alone = called(capsys, "run", case, "--out", out, "--only", "own", "--no-overlap")
    before = files_of(tmp_path)

    code, stdout, stderr = alone()
    after = files_of(tmp_path)
    at_work.send_signal(signal.SIGKILL)
    at_work.wait(timeout=60)
    left = list(out.glob("tiny/.staging-*.lock"))
    (case.parent / "go").touch()
    then, _, complaint = alone()

    assert (code, stdout) == (3, "")
    assert stderr.startswith("error: OVERLAP: The run 2")
    assert after == before
    assert len(left) == 1
    assert then == 0, complaint
    assert [one.status for one in read_history(out)] == ["abandoned", "published"]


def test_of_two_that_allow_no_overlap_the_second_is_refused(tmp_path: Path) -> None:
    check_writable(tmp_path, "tiny")

    with (
        open_staging(tmp_path, "tiny", RUN_ID, alone=True),
        pytest.raises(RunError, match=RUN_ID) as raised,
        open_staging(tmp_path, "tiny", OTHER, alone=True),
    ):
        pass

    assert raised.value.code == "OVERLAP"
    refuse_overlap(tmp_path, "tiny")


def test_run_of_another_case_is_no_overlap(tmp_path: Path) -> None:
    check_writable(tmp_path, "tiny")

    with open_staging(tmp_path, "tiny", RUN_ID):
        refuse_overlap(tmp_path, "huge")
