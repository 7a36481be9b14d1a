"""Process faults: whatever a notebook does, a run ends with the truth about it."""

import json
import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from readiness.errors import RunError
from readiness.history import read_history
from readiness.notebooks import prepare
from readiness.runner import run_review
from tests.commands import called, in_process, reviewing, stopped
from tests.invariants import SECRET, SECRET_VARIABLE, observed
from tests.tiny import FINISH, edit_notebook, tiny_case, write_notebook

KILL_KERNEL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
SEGFAULT = "import ctypes; ctypes.string_at(0)"
OUT_OF_MEMORY = (
    "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31));"
    "block = bytearray(2**33)"
)
KILL_EXECUTOR = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
STUCK_IN_NATIVE_CODE = """
import ctypes, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ctypes.PyDLL(None).sleep(600)  # holds the interpreter lock
"""
FORK_AND_SLEEP = """
import subprocess, sys, time
from pathlib import Path
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
Path({marker!r}).write_text(str(child.pid))
time.sleep(600)
"""
PRINT_200_MB = "for _ in range(200): print('x' * 1_000_000)"
WARN_OFTEN = """
import warnings
warnings.simplefilter("always")
for number in range(5000):
    warnings.warn(f"warning {number}")
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a secret that must turn up nowhere."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        pytest.param([KILL_KERNEL], [], ("KERNEL_DIED", "code cell 2"), id="F001"),
        pytest.param([SEGFAULT], [], ("KERNEL_DIED", "code cell 2"), id="F002"),
        pytest.param([OUT_OF_MEMORY], [], ("MEMORY", "Peak memory"), id="F003"),
        pytest.param([KILL_EXECUTOR], [], ("KERNEL_DIED", "exit -9"), id="F004"),
        pytest.param(
            ["1 / 0"],
            [],
            ("NOTEBOOK", "code cell 2: raised ZeroDivisionError"),
            id="F005",
        ),
        pytest.param(
            ["import sys; sys.exit(0)"], [], ("NO_VERDICT", "left"), id="F007"
        ),
        pytest.param(
            ["import sys; sys.exit(3)"], [], ("NOTEBOOK", "SystemExit"), id="F008"
        ),
        pytest.param(
            ["import os; os._exit(0)"], [], ("KERNEL_DIED", "cell 2"), id="F008b"
        ),
        pytest.param(
            ["import time; time.sleep(600)"],
            ["--cell-timeout", "3"],
            ("TIMEOUT", "code cell 2: ran longer than 3 s"),
            id="F009",
        ),
        pytest.param(
            ["import time"] + 9 * ["time.sleep(1)"],
            ["--timeout", "6", "--cell-timeout", "5"],
            ("TIMEOUT", "limit of 6 s"),
            id="F010",
        ),
        pytest.param(
            [STUCK_IN_NATIVE_CODE],
            ["--cell-timeout", "3"],
            ("TIMEOUT", "3 s"),
            id="F011",
        ),
        pytest.param(
            ["input()"], [], ("NOTEBOOK", "StdinNotImplementedError"), id="F019"
        ),
    ],
)
def test_notebook_that_breaks_gives_an_error_with_its_reason(
    cells: list[str],
    options: list[str],
    expected: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason, says = expected
    case = tiny_case(tmp_path / "case", {"own": cells})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out, *options), out, case.parent)

    assert (ended.code, ended.reason) == (3, reason)
    assert says in ended.stderr
    assert ended.folder.parent.name == "failed"
    assert ended.results["notebooks"][0]["reason_code"] == reason
    assert (ended.folder / "own.html").exists()
    assert (ended.folder / "index.html").exists()
    assert (ended.folder / "notebooks" / "own.ipynb").exists()
    assert [one.status for one in read_history(out)] == ["failed"]


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("raises-exception", id="F006"),
        pytest.param("skip-execution", id="F006b"),
    ],
)
def test_cell_tagged_to_allow_an_error_is_refused(
    tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tiny_case(tmp_path / "case", {"own": ["1 / 0"]})
    edit_notebook(case.parent / "own" / "own.ipynb", cell={"tags": [tag]})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "NOTEBOOK")
    assert f"tagged '{tag}'" in ended.stderr


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        pytest.param([signal.SIGINT], 130, id="F012"),
        pytest.param([signal.SIGINT, signal.SIGINT], 130, id="F013"),
        pytest.param([signal.SIGTERM], 143, id="F014"),
    ],
)
def test_stopped_run_leaves_no_process_and_publishes_nothing(
    signals: list[int], code: int, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    cells = [FORK_AND_SLEEP.format(marker=str(marker))]
    case = tiny_case(tmp_path / "case", {"own": cells})
    out = tmp_path / "out"
    arguments = ["run", case, "--out", out, "--only", "own"]

    ended = observed(
        stopped(arguments, marker, *signals),
        out,
        case.parent,
        leaves_at_once=len(signals) > 1,
    )

    assert ended.code == code
    assert list(out.glob("tiny/2*")) == []
    assert not psutil.pid_exists(int(marker.read_text()))  # F016


def test_child_of_a_cell_past_its_limit_is_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F016 with F009."""
    marker = tmp_path / "marker"
    cells = [FORK_AND_SLEEP.format(marker=str(marker))]
    case = tiny_case(tmp_path / "case", {"own": cells})
    out = tmp_path / "out"

    command = reviewing(capsys, case, out, "--cell-timeout", "3")
    ended = observed(command, out, case.parent)

    assert ended.reason == "TIMEOUT"
    assert not psutil.pid_exists(int(marker.read_text()))


def test_killed_run_is_swept_by_the_next_and_listed_as_abandoned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F015."""
    marker = tmp_path / "marker"
    cells = [FORK_AND_SLEEP.format(marker=str(marker))]
    case = tiny_case(tmp_path / "case", {"own": cells, "quiet": []})
    out = tmp_path / "out"
    arguments = ["run", case, "--out", out, "--only", "own"]
    killed = stopped(arguments, marker, signal.SIGKILL)()
    left = [path.name for path in out.glob("tiny/.staging-*[0-9a-f]")]

    command = called(capsys, "run", case, "--out", out, "--only", "quiet")
    ended = observed(command, out, case.parent, new_rows=2)

    assert killed[0] == -signal.SIGKILL
    assert len(left) == 1
    assert ended.code == 0
    assert not psutil.pid_exists(int(marker.read_text()))
    assert [one.status for one in read_history(out)] == ["abandoned", "published"]


def test_kernel_that_cannot_start_says_how_to_mend_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F017."""
    broken = tmp_path / "site" / "ipykernel"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('broken on purpose')")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{broken.parent}{os.pathsep}{before}")
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "KERNEL_START")
    assert "pip install ipykernel" in ended.stderr
    assert "broken on purpose" in (ended.folder / "logs" / "own.log").read_text()


@pytest.mark.slow
def test_200_mb_of_printed_text_is_cut_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F018."""
    case = tiny_case(tmp_path / "case", {"own": [PRINT_200_MB]})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    executed = (ended.folder / "notebooks" / "own.ipynb").read_text()
    assert ended.code == 0
    assert len(executed) < 300_000
    assert "characters) left out]" in executed


def test_thousands_of_warnings_are_counted_and_the_first_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F020."""
    case = tiny_case(tmp_path / "case", {"own": [WARN_OFTEN]})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    executed = (ended.folder / "notebooks" / "own.ipynb").read_text()
    assert ended.code == 0
    assert "warning 0" in executed
    assert "more lines" in executed


def test_two_runs_at_once_both_publish(tmp_path: Path) -> None:
    """F021."""
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    arguments = ["run", case, "--out", out, "--only", "own"]

    both = [in_process(*arguments), in_process(*arguments)]
    printed = [one.communicate(timeout=60) for one in both]

    assert [one.returncode for one in both] == [0, 0], printed
    published = sorted(path.name for path in out.glob("tiny/2*"))
    assert sorted(one.run_id for one in read_history(out)) == published
    assert len(published) == 2
    assert (out / "tiny" / "latest").read_text().strip() in published


def test_same_run_id_twice_is_refused_and_the_first_is_kept(tmp_path: Path) -> None:
    """F022."""
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    run_id = "20270101T000000Z-0123abcd"
    first = run_review(case, out=out, only=["own"], run_id=run_id)

    with pytest.raises(RunError, match="never overwritten") as raised:
        observed(
            lambda: run_review(case, out=out, only=["own"], run_id=run_id),
            out,
            case.parent,
        )

    assert raised.value.code == "EXISTS"
    assert first.exit_code == 0
    assert [one.run_id for one in read_history(out)] == [run_id]


def test_interactive_result_is_not_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F023."""
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    finish = f"result['interactive'] = True\n{FINISH}"
    write_notebook(case.parent / "own" / "own.ipynb", [], finish)

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "NO_VERDICT")
    assert "interactively" in ended.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("x=1;open('marker','w')", "plain identifier", id="T16"),
        pytest.param("class", "plain identifier", id="T16b"),
        pytest.param("treshold", "must declare 'treshold'", id="T18"),
    ],
)
def test_parameter_that_is_code_or_not_declared_is_refused(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case = tiny_case(tmp_path / "case")
    source = case.parent / "own" / "own.ipynb"

    with pytest.raises(RunError, match=says):
        prepare(source, tmp_path / "prepared.ipynb", {name: 1})

    assert not (tmp_path / "marker").exists()


def test_notebook_without_a_parameters_cell_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """T18."""
    case = tiny_case(tmp_path / "case")
    notebook = json.loads((case.parent / "own" / "own.ipynb").read_text())
    notebook["cells"][1]["metadata"] = {}
    (case.parent / "own" / "own.ipynb").write_text(json.dumps(notebook))
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "NOTEBOOK")
    assert "it declares nothing" in ended.stderr


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../x", id="T22-parent"),
        pytest.param("/etc/x", id="T22-absolute"),
        pytest.param("a\\u0000b", id="T22-nul"),
        pytest.param("x" * 300, id="T22-long"),
        pytest.param("con", id="T22-reserved"),
        pytest.param("failed", id="T22-ours"),
        pytest.param("{mode}", id="T21"),
        pytest.param("\u043f\u043e\u043b\u0451\u0442", id="F044"),
    ],
)
def test_case_name_cannot_leave_the_output_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tiny_case(tmp_path / "case")
    case.write_text(case.read_text().replace('"tiny"', f'"{name}"'))
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "CASE")
    assert not out.exists()


def test_unsafe_notebook_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """T22."""
    case = tiny_case(tmp_path / "case", {"own": [], "{mode}": []})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "CASE")


def test_folders_with_braces_and_spaces_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """T21."""
    case = tiny_case(tmp_path / "a {case} {}")
    out = tmp_path / "the {out} put"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert ended.code == 0


def test_files_beside_case_and_shell_do_not_shadow_libraries(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T31."""
    marker = tmp_path / "marker"
    case = tiny_case(tmp_path / "case", {"own": ["import pandas"]})
    for folder in (case.parent, case.parent / "own", tmp_path):
        (folder / "pandas.py").write_text(f"open({str(marker)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert ended.code == 0
    assert not marker.exists()


def test_foreign_kernels_are_ignored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T32: neither the notebook's kernel nor one installed as python3 counts."""
    spec = {"argv": ["false"], "display_name": "x", "language": "python"}
    kernel = tmp_path / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    case = tiny_case(tmp_path / "case")
    edit_notebook(
        case.parent / "own" / "own.ipynb",
        kernelspec={"name": "ir", "display_name": "R", "language": "R"},
        language_info={"name": "R"},
    )
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert ended.code == 0


def test_run_outside_the_main_thread_works(tmp_path: Path) -> None:
    case = tiny_case(tmp_path / "case")
    found = []
    thread = threading.Thread(
        target=lambda: found.append(
            run_review(case, out=tmp_path / "out", only=["own"])
        )
    )

    thread.start()
    thread.join()

    assert [one.exit_code for one in found] == [0]
