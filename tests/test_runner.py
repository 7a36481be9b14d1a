"""A run's parts, each alone: files found, outputs cut, results gathered, progress."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import papermill
import psutil
import pytest
from nbformat.v4 import output_from_msg

from readiness import execution, processes, runner
from readiness.collect import Ended, gather, results_digest
from readiness.crew import explained, longest_first
from readiness.errors import CaseError, InputError, RunError
from readiness.execution import Job, run_notebook
from readiness.history import read_history
from readiness.manifest import outside_bounds
from readiness.notebooks import Notebook, find_notebooks, literal_path
from readiness.preflight import Options, changed_inputs, look_over
from readiness.printed import MAX_DATA_CHARS, MAX_TEXT_CHARS, capped
from readiness.processes import Family, Stopped, end, family, start, stop_on_signals
from readiness.progress import Progress, show_progress
from readiness.result import Outcome
from readiness.runner import run_review
from readiness.staging import Staging, check_writable, open_staging, sweep
from tests.tiny import PASSING_CHECK, edit_notebook, tiny_case, write_notebook

RUN_ID = "20270101T000000Z-0123abcd"
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)"
)
ORPHAN = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c',"
    "'import time; time.sleep(60)'], start_new_session=True); print(child.pid)"
)


def a_notebook(folder: Path, *checks: str, name: str = "own") -> Notebook:
    """Return a notebook that calls `checks`."""
    path = folder / f"{name}.ipynb"
    return Notebook(name=name, dimension=name, path=path, checks=checks)


def a_result(**changed: object) -> dict:
    """Return a notebook's result file with one passing check."""
    values = {
        "run_id": RUN_ID,
        "notebook": "own",
        "complete": True,
        "interactive": False,
        "checks": [PASSING_CHECK],
        "ledger": {"reference": {"read": 4, "used": 4, "left_out": {}}},
        "facts": {"metric": "roc_auc"},
    }
    return deepcopy({**values, **changed})


def gathered_from(folder: Path, text: str, *checks: str) -> Ended:
    """Return how a notebook ended whose result file holds `text`."""
    (folder / "results").mkdir()
    (folder / "results" / "own.json").write_text(text)
    ended = Ended(
        notebook=a_notebook(folder, *checks), code=None, message="", seconds=1.0
    )
    return gather(folder, RUN_ID, [ended])


def options(out: Path, **changed: object) -> Options:
    """Return what somebody asks of a run who asks for nothing special."""
    values = {
        "policy": None,
        "out": out,
        "only": ("own",),
        "profile": "quick",
        "current": None,
        "jobs": None,
        "timeout_s": 60.0,
        "cell_timeout_s": 60,
        "seed": 7,
        "cluster": "",
        "strict": False,
    }
    return Options(**{**values, **changed})


def message(text: str = "", kind: str = "stream", **content: object) -> dict:
    """Return a message of a kernel about cell 1."""
    held = {"name": "stdout", "text": text, **content}
    return {
        "header": {"msg_type": kind},
        "parent_header": {"msg_id": "1"},
        "content": held,
    }


# Result files


def test_whole_result_of_this_run_counts(tmp_path: Path) -> None:
    gathered = gathered_from(tmp_path, json.dumps(a_result()), "plumbing")

    assert gathered.verdict.outcome is Outcome.PASS
    assert [one.code for one in gathered.results] == ["U1"]
    assert gathered.facts == {"metric": "roc_auc"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (json.dumps(a_result(run_id="20200101T000000Z-00000000")), "another run"),
        (json.dumps(a_result(notebook="00_baseline")), "another run or notebook"),
        (json.dumps(a_result(complete=False)), "not complete"),
        (json.dumps(a_result(interactive=True)), "interactively"),
        (json.dumps(a_result(checks=[])), "lacks the check 'plumbing'"),
        (json.dumps(a_result(checks=[{"code": "U1"}])), "malformed"),
        (json.dumps([1]), "malformed"),
        ('{"value": NaN}', "NaN is not JSON"),
        ("{", "cannot be read"),
    ],
)
def test_result_file_that_does_not_count_gives_no_verdict(
    text: str, why: str, tmp_path: Path
) -> None:
    gathered = gathered_from(tmp_path, text, "plumbing")

    assert gathered.verdict.outcome is Outcome.ERROR
    assert gathered.verdict.reason_code == "NO_VERDICT"
    assert why in gathered.ended[0].message


def test_result_file_that_is_a_link_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text(json.dumps(a_result()))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "own.json").symlink_to(tmp_path / "elsewhere.json")
    ended = Ended(notebook=a_notebook(tmp_path), code=None, message="", seconds=1.0)

    gathered = gather(tmp_path, RUN_ID, [ended])

    assert "plain file" in gathered.ended[0].message


def test_storage_is_told_before_what_it_caused(tmp_path: Path) -> None:
    first = Ended(
        notebook=a_notebook(tmp_path, name="a"),
        code="NOTEBOOK",
        message="It broke.",
        seconds=1.0,
    )
    second = Ended(
        notebook=a_notebook(tmp_path, name="b"),
        code="STORAGE",
        message="The disk is full.",
        seconds=1.0,
    )

    gathered = gather(tmp_path, RUN_ID, [first, second])

    assert gathered.verdict.reason_code == "STORAGE"
    assert gathered.verdict.headline == "No verdict. The disk is full."


def test_digest_depends_on_findings_and_ledger_only(tmp_path: Path) -> None:
    slow = deepcopy(PASSING_CHECK) | {"seconds": 99.0, "model_calls": 3}
    worse = deepcopy(PASSING_CHECK)
    worse["findings"][0]["value"] = 0.9
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    first = gathered_from(tmp_path / "a", json.dumps(a_result()))
    second = gathered_from(tmp_path / "b", json.dumps(a_result(checks=[slow])))
    third = gathered_from(tmp_path / "c", json.dumps(a_result(checks=[worse])))

    digests = [
        results_digest(one.results, one.ledger) for one in (first, second, third)
    ]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert results_digest(first.results, {}) != digests[0]


@pytest.mark.parametrize(("metric", "unit"), [("p99_ms", "ms"), ("age_days", "days")])
def test_digest_leaves_out_what_a_clock_said(
    metric: str, unit: str, tmp_path: Path
) -> None:
    quick, slow = deepcopy(PASSING_CHECK), deepcopy(PASSING_CHECK)
    for one, value, status in ((quick, 9.5, "pass"), (slow, 70.1, "fail")):
        timed = {"metric": metric, "unit": unit, "value": value, "status": status}
        one["findings"].append({**one["findings"][0], **timed, "group": "1"})
        one["status"] = status
    worse = deepcopy(quick)
    worse["findings"][0]["value"] = 0.9
    absent = deepcopy(quick)
    absent |= {"status": "not_assessed", "reason": "NO_RESCORING"}
    digests = []
    for name, check in enumerate((quick, slow, worse, absent)):
        (tmp_path / str(name)).mkdir()
        text = json.dumps(a_result(checks=[check]))
        gathered = gathered_from(tmp_path / str(name), text)
        digests.append(results_digest(gathered.results, gathered.ledger))

    assert digests[0] == digests[1]
    assert len(set(digests[1:])) == 3


# Notebooks


def test_every_check_a_notebook_calls_is_expected(tmp_path: Path) -> None:
    cells = ['review.check("schema")', 'x = review.check("exactness", rows=5)', "%time"]
    write_notebook(tmp_path / "own.ipynb", cells)

    found = find_notebooks(tmp_path, ("own",))

    assert [one.checks for one in found] == [("schema", "exactness")]


def test_shipped_notebooks_are_found_and_chosen_by_dimension() -> None:
    everything = find_notebooks(None, ())
    chosen = find_notebooks(None, ("coverage", "drift"))

    assert [one.name for one in everything] == [
        "00_baseline",
        "10_coverage",
        "20_explainability",
        "30_drift",
        "40_stress",
        "45_load",
    ]
    assert [one.dimension for one in chosen] == ["coverage", "drift"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("index", "{}", CaseError),
        ("00_baseline", "{}", CaseError),
        (".hidden", "{}", CaseError),
        ("broken", "{", RunError),
        ("list", "[]", RunError),
    ],
)
def test_unusable_notebook_is_refused(
    name: str, content: str, error: type[Exception], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.ipynb").write_text(content)

    with pytest.raises(error):
        find_notebooks(tmp_path, ())


def test_unknown_dimension_names_the_known_ones() -> None:
    with pytest.raises(RunError, match="'weather' is none of baseline, coverage"):
        find_notebooks(None, ("weather",))


def test_empty_folder_of_notebooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="holds none"):
        find_notebooks(tmp_path, ())


def test_braces_in_a_path_stay_as_they_are() -> None:
    assert literal_path(Path("/a {b}")).format() == "/a {b}"


# Execution, in this process


def a_job(folder: Path, cells: list[str], cell_timeout_s: int = 60) -> Job:
    """Return a job for a notebook of `cells`, its folders made."""
    (folder / "private" / "cwd").mkdir(parents=True)
    write_notebook(folder / "own.ipynb", cells)
    (folder / "results").mkdir()
    (folder / "run.json").write_text(json.dumps({"run_id": RUN_ID}))
    names = ("case_file", "policy_file", "profile", "cluster")
    return Job(
        notebook="own",
        source=str(folder / "own.ipynb"),
        output=str(folder / "executed.ipynb"),
        folder=str(folder / "private" / "cwd"),
        parameters={**dict.fromkeys(names, ""), "seed": 7, "run_dir": str(folder)},
        cell_timeout_s=cell_timeout_s,
    )


@pytest.mark.parametrize(
    ("cell", "code", "says"),
    [
        ("pass", None, ""),
        ("1 / 0", "NOTEBOOK", "code cell 2: raised ZeroDivisionError"),
        ("raise MemoryError", "MEMORY", "ran out of memory"),
        ("import os; os._exit(1)", "KERNEL_DIED", "code cell 2: the kernel died"),
        ("raise SystemExit(0)", "NO_VERDICT", "left the notebook before its end"),
        ("import time; time.sleep(60)", "TIMEOUT", "ran longer than 3 s"),
    ],
)
def test_execution_says_how_the_notebook_ended(
    cell: str,
    code: str | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("READINESS_NOTEBOOK", "own")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    job = a_job(tmp_path, [cell], cell_timeout_s=3)

    ending = run_notebook(job)

    assert ending.code == code
    assert says in ending.message
    assert ending.peak_mb > 10


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("Kernel died before replying"), "KERNEL_START"),
        (OSError(28, "No space left on device"), "STORAGE"),
    ],
)
def test_error_before_the_first_cell_is_told_apart(
    error: Exception,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", broken)

    ending = run_notebook(a_job(tmp_path, []))

    assert ending.code == code


def test_error_of_jupyter_itself_after_a_cell_is_told_with_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: str, target: str, **_: object) -> None:
        notebook = json.loads(Path(source).read_text())
        for cell in notebook["cells"][:3]:
            cell["metadata"]["papermill"] = {"start_time": "2027-01-01"}
        Path(target).write_text(json.dumps(notebook))
        msg = "the connection broke"
        raise RuntimeError(msg)

    monkeypatch.setattr(papermill, "execute_notebook", broken)

    ending = run_notebook(a_job(tmp_path, []))

    assert ending.code == "NOTEBOOK"
    assert "code cell 2: could not be executed: RuntimeError" in ending.message


def test_job_file_is_answered_by_an_ending_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {
        "notebook": "own",
        "source": str(tmp_path / "none.ipynb"),
        "output": "",
        "folder": str(tmp_path),
        "parameters": {},
        "cell_timeout_s": 1,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    monkeypatch.setattr(execution, "die_with_parent", bool)
    monkeypatch.setattr(execution, "cap_outputs", bool)

    execution.main(str(tmp_path / "job.json"))

    ending = json.loads((tmp_path / "job.ending").read_text())
    assert ending["code"] == "NOTEBOOK"
    assert "cannot be read as a notebook" in ending["message"]


# Outputs


def test_text_within_bounds_is_kept() -> None:
    convert = capped(output_from_msg)

    assert convert(message("hello")).text == "hello"


def test_text_beyond_the_bound_is_cut_and_counted() -> None:
    convert = capped(output_from_msg)
    first = convert(message("a" * MAX_TEXT_CHARS))
    second = convert(message("one\ntwo\n"))
    third = convert(message("three\n"))

    assert first.text == "a" * MAX_TEXT_CHARS
    assert second.text == "\n[3 more lines (14 characters) left out]\n"
    assert third is None


def test_displayed_data_beyond_the_bound_is_replaced() -> None:
    convert = capped(output_from_msg)
    data = {"text/html": "x" * (MAX_DATA_CHARS + 1)}

    output = convert(message(kind="display_data", data=data, metadata={"a": 1}))

    assert output.data == {"text/plain": "[an output of 4,000,001 characters left out]"}
    assert output.metadata == {}


def test_long_error_text_is_cut() -> None:
    convert = capped(output_from_msg)
    long = "x" * (MAX_TEXT_CHARS + 1)

    output = convert(message(kind="error", ename="E", evalue=long, traceback=[long]))

    assert len(output.evalue) == MAX_TEXT_CHARS
    assert len(output.traceback[0]) == MAX_TEXT_CHARS


# Processes


def test_family_ends_a_stubborn_process_and_an_orphan(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with family(RUN_ID) as known:
        start(known, [sys.executable, "-c", STUBBORN], folder=tmp_path, log=log, env={})
        start(known, [sys.executable, "-c", ORPHAN], folder=tmp_path, log=log, env={})
        while len(log.read_text().split()) < 2:
            time.sleep(0.02)
        known.started[1].wait()
        orphan = next(int(w) for w in log.read_text().split() if w.isdigit())
        processes.look(known)

    assert not psutil.pid_exists(orphan)
    assert [one.poll() is not None for one in known.started] == [True, True]


def test_family_leaves_other_children_alone() -> None:
    with subprocess.Popen(SLEEP) as before:  # noqa: S603 (our own interpreter)
        with family(RUN_ID), subprocess.Popen(SLEEP) as during:  # noqa: S603 (as above)
            pass_through = during.poll()
            during.kill()
        alive = before.poll()
        before.kill()

    assert (pass_through, alive) == (None, None)


def test_what_a_killed_run_left_is_ended_by_its_mark() -> None:
    env = {**os.environ, processes.RUN_VARIABLE: RUN_ID}
    with subprocess.Popen(SLEEP, env=env) as left:  # noqa: S603 (our own interpreter)
        while not psutil.Process(left.pid).environ():  # none before the program starts
            time.sleep(0.02)
        processes.end_marked(RUN_ID)

        assert left.wait() == -signal.SIGKILL


def test_first_signal_stops_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(Stopped) as stopped, stop_on_signals(bool):
        signal.raise_signal(signal.SIGTERM)

    assert stopped.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_signal_while_held_is_put_off() -> None:
    with stop_on_signals(bool) as state, state.hold():
        signal.raise_signal(signal.SIGTERM)
        held = True

    assert held
    assert state.caught == signal.SIGTERM


def test_second_signal_ends_everything_and_leaves(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    done: list[object] = []
    monkeypatch.setattr(processes.os, "_exit", done.append)

    with stop_on_signals(lambda: done.append("ended")) as state, state.hold():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert done == ["ended", 143]
    assert capfd.readouterr().err == "error: INTERRUPTED: Stopped by SIGTERM.\n"


def test_elsewhere_than_on_linux_nothing_is_asked_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes.sys, "platform", "darwin")

    processes.die_with_parent()

    with family(RUN_ID) as known:
        assert isinstance(known, Family)


def test_child_whose_parent_died_first_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parents = iter([1, 2])
    left: list[int] = []
    monkeypatch.setattr(processes, "_prctl", lambda *_: True)
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(processes.os, "_exit", left.append)

    processes.die_with_parent()

    assert left == [1]


def test_process_that_cannot_be_killed_does_not_hang_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_alive", lambda _: [psutil.Process()])
    monkeypatch.setattr(processes, "_send", lambda *_: None)
    monkeypatch.setattr(processes, "PATIENCE_S", 0.3)
    began = time.monotonic()

    end(Family(run_id=RUN_ID), patience_s=0.0)

    assert time.monotonic() - began < 30


# Staging


def test_live_run_is_not_swept(tmp_path: Path) -> None:
    check_writable(tmp_path, "flights")

    with open_staging(tmp_path, "flights", RUN_ID) as staging:
        swept = sweep(tmp_path)
        is_there = staging.folder.is_dir()
        mode = staging.folder.stat().st_mode & 0o777

    assert swept == []
    assert is_there
    assert mode == 0o700
    assert not staging.folder.exists()


def test_left_staging_folder_is_swept_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "flights" / f".staging-{RUN_ID}").mkdir(parents=True)
    (tmp_path / "flights" / ".staging-notes-of-somebody").mkdir()

    swept = sweep(tmp_path)

    assert swept == [("flights", RUN_ID)]
    assert [path.name for path in (tmp_path / "flights").iterdir()] == [
        ".staging-notes-of-somebody"
    ]


@pytest.mark.parametrize("run_id", ["../x", "20270101T000000Z", "a" * 300, ""])
def test_run_id_that_is_a_path_is_refused(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must look like"):
        open_staging(tmp_path, "flights", run_id).__enter__()


# Before the start


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"profile": "slow"}, "--profile"),
        ({"jobs": 0}, "--jobs"),
        ({"timeout_s": 0.0}, "--timeout"),
        ({"cell_timeout_s": 0}, "--cell-timeout"),
        ({"seed": 2**40}, "--seed"),
    ],
)
def test_option_out_of_range_is_refused(
    changed: dict, says: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=says):
        look_over(tiny_case(tmp_path / "case"), options(tmp_path, **changed))


def test_every_file_of_a_run_is_hashed(tmp_path: Path) -> None:
    case = tiny_case(tmp_path / "case")
    (case.parent / "policy.toml").write_text('tier = "medium"')
    current = tmp_path / "current.parquet"
    current.write_bytes((case.parent / "reference.parquet").read_bytes())

    ready = look_over(case, options(tmp_path, current=current))

    assert set(ready.inputs) == {
        "case",
        "policy",
        "model",
        "reference",
        "current",
        "notebook own",
    }
    assert ready.hashes["current"] == ready.hashes["reference"]
    assert ready.about["tier"] == "medium"
    assert changed_inputs(ready) == []


def test_deleted_input_counts_as_changed(tmp_path: Path) -> None:
    case = tiny_case(tmp_path / "case")
    ready = look_over(case, options(tmp_path))

    (case.parent / "model.skops").unlink()

    assert changed_inputs(ready) == ["model"]


def test_own_checks_are_hashed_and_a_broken_one_is_named(tmp_path: Path) -> None:
    case = tiny_case(tmp_path / "case")
    case.write_text(case.read_text() + 'checks = "checks"\n')
    (case.parent / "checks").mkdir()
    (case.parent / "checks" / "mine.py").write_text("1 / 0")

    with pytest.raises(CaseError, match="'checks' cannot be imported: ZeroDivision"):
        look_over(case, options(tmp_path))


def test_missing_code_of_a_callable_is_named(tmp_path: Path) -> None:
    case = tiny_case(tmp_path / "case")
    text = case.read_text().replace('path = "model.skops"', 'callable = "m.py:f"')
    case.write_text(text)

    with pytest.raises(InputError, match=r"model 'm\.py'"):
        look_over(case, options(tmp_path))


def test_untested_versions_are_noted_and_refused_when_strict_f057(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tiny_case(tmp_path / "case")
    monkeypatch.setattr(
        "readiness.preflight.outside_bounds", lambda _: ["numpy 1.0 (tested: >=2)"]
    )

    noted = look_over(case, options(tmp_path)).about["environment"]["notes"]

    assert noted == ["numpy 1.0 (tested: >=2)"]
    with pytest.raises(RunError, match=r"installed is numpy 1\.0"):
        look_over(case, options(tmp_path, strict=True))


def test_version_outside_the_bounds_is_found() -> None:
    assert outside_bounds({"numpy": "1.0"}) != []
    assert outside_bounds({"numpy": "2.3.0"}) == []


def test_longest_notebook_of_the_latest_run_is_started_first(tmp_path: Path) -> None:
    names = ("00_baseline", "10_coverage", "40_stress")
    notebooks = find_notebooks(None, names)
    staging = Staging(out=tmp_path, case="c", run_id=RUN_ID, folder=tmp_path)
    first = [one.name for one in longest_first(notebooks, staging)]
    took = [
        {"name": "00_baseline", "seconds": 3.0},
        {"name": "10_coverage", "seconds": 9.0},
        {"name": "40_stress", "seconds": 1.0},
    ]
    (tmp_path / "c" / RUN_ID).mkdir(parents=True)
    (tmp_path / "c" / "latest").write_text(f"{RUN_ID}\n")
    results = tmp_path / "c" / RUN_ID / "results.json"
    results.write_text(json.dumps({"notebooks": took}))

    then = [one.name for one in longest_first(notebooks, staging)]

    assert first == ["40_stress", "10_coverage", "00_baseline"]
    assert then == ["10_coverage", "00_baseline", "40_stress"]


def test_notebook_that_runs_alone_is_last_however_long_it_took(tmp_path: Path) -> None:
    notebooks = find_notebooks(None, ("stress", "baseline"))
    staging = Staging(out=tmp_path, case="c", run_id=RUN_ID, folder=tmp_path)
    (tmp_path / "c" / RUN_ID).mkdir(parents=True)
    (tmp_path / "c" / "latest").write_text(f"{RUN_ID}\n")
    took = [{"name": "45_load", "seconds": 99.0}]
    results = tmp_path / "c" / RUN_ID / "results.json"
    results.write_text(json.dumps({"notebooks": took}))

    found = [one.name for one in longest_first(notebooks, staging)]

    assert found == ["40_stress", "00_baseline", "45_load"]


@pytest.mark.slow
def test_notebook_that_runs_alone_shares_no_moment_with_others(tmp_path: Path) -> None:
    stamp = (
        "import os, time; from pathlib import Path\n"
        "began = time.time(); time.sleep(0.3)\n"
        "log = Path(run_dir) / 'logs' / f'{os.environ[\"READINESS_NOTEBOOK\"]}.span'\n"
        "log.write_text(f'{began} {time.time()}')\n"
        "keep = Path(case_file).parent / log.name\n"
        "keep.write_text(log.read_text())"
    )
    case = tiny_case(tmp_path, {name: [stamp] for name in ("one", "timed", "two")})
    edit_notebook(tmp_path / "own" / "timed.ipynb", readiness={"alone": True})

    run_review(case, out=tmp_path / "runs", only=("one", "timed", "two"), jobs=3)

    spans = {
        path.stem: [float(one) for one in path.read_text().split()]
        for path in tmp_path.glob("*.span")
    }
    assert sorted(spans) == ["one", "timed", "two"]
    assert spans["timed"][0] > max(spans["one"][1], spans["two"][1])


# Progress


def test_progress_in_a_log_is_plain_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    events = tmp_path / "events.jsonl"
    own = a_notebook(tmp_path, "schema")

    with show_progress(stream) as shown:
        shown.follow(events)
        shown.start(own)
        events.write_text(
            '{"notebook": "own", "event": "start", "check": "C0"}\n'
            '{"notebook": "own", "event": "end", "check": "C0", "status": "pass", '
            '"seconds": 0.25}\nnot json\n[1]\n{"notebook": "own", "eve'
        )
        shown.follow(events)
        shown.end(own, None)
        shown.end(own, "TIMEOUT")

    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["own: started", "own: C0 pass (0.2 s)"]
    assert lines[2].startswith("own: done after ")
    assert lines[3].startswith("own: no result (TIMEOUT) after ")


def test_progress_says_why_nothing_runs_beside_the_notebook_of_load(
    tmp_path: Path,
) -> None:
    stream = io.StringIO()

    with show_progress(stream) as shown:
        shown.start(replace(a_notebook(tmp_path, "load"), alone=True))

    assert stream.getvalue() == (
        "own: started, alone: it measures time, so nothing else runs beside it\n"
    )


def test_progress_on_a_terminal_shows_notebook_and_check(tmp_path: Path) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True
    events = tmp_path / "events.jsonl"
    own = a_notebook(tmp_path, "schema")

    with show_progress(stream) as shown:
        shown.start(own)
        events.write_text('{"notebook": "own", "event": "start", "check": "C0"}\n')
        shown.follow(events)
        shown.live.refresh()
        shown.end(own, None)

    assert isinstance(shown, Progress)
    assert "own" in stream.getvalue()
    assert "C0" in stream.getvalue()


# The run as a whole, its notebooks played by the test


def test_run_stopped_by_a_signal_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    monkeypatch.setattr(
        runner, "run_notebooks", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
    )

    summary = run_review(case, out=out, only=["own"], run_id=RUN_ID)

    assert summary.exit_code == 143
    assert summary.reason == "INTERRUPTED"
    assert summary.message == "The run was stopped by signal 15 (SIGTERM)."
    assert [one.status for one in read_history(out)] == ["failed"]
    assert (out / "failed" / RUN_ID / "run.json").exists()


def test_killed_runs_are_listed_as_abandoned_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tiny_case(tmp_path / "case")
    out = tmp_path / "out"
    (out / "tiny" / f".staging-{RUN_ID}").mkdir(parents=True)
    monkeypatch.setattr(
        runner, "run_notebooks", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
    )

    run_review(case, out=out, only=["own"])

    assert [one.status for one in read_history(out)] == ["abandoned", "failed"]
    assert read_history(out)[0].created == "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("notebook", "code", "expected"),
    [
        ("own", "EMPTY", ("EMPTY", "No rows.")),
        ("other", "EMPTY", ("NOTEBOOK", "It broke.")),
        ("own", "MADE_UP", ("NOTEBOOK", "It broke.")),
    ],
)
def test_own_error_behind_a_broken_notebook_gives_its_code_and_words(
    notebook: str, code: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    event = {"notebook": notebook, "event": "error", "code": code}
    event["message"] = "No rows."
    (tmp_path / "events.jsonl").write_text(json.dumps(event))
    ended = Ended(
        notebook=a_notebook(tmp_path), code="NOTEBOOK", message="It broke.", seconds=1.0
    )

    found = explained(tmp_path, ended)

    assert (found.code, found.message) == expected


def test_event_file_that_cannot_be_read_explains_nothing(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("no json")
    ended = Ended(
        notebook=a_notebook(tmp_path), code="NOTEBOOK", message="It broke.", seconds=1.0
    )

    assert explained(tmp_path, ended) == ended
