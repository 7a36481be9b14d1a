"""The command line: one call per command, one line per outcome, stable exit codes."""

from pathlib import Path

import pytest

from readiness import __version__, announce, cli, starter
from readiness.cli import main
from readiness.history import FILE, Run, add_runs
from readiness.result import EXIT_CODES, Outcome
from readiness.run_summary import RunSummary
from tests.commands import called, in_process
from tests.meetings import condition_on, publish_run

SUMMARY = {
    "run_id": "20270101T000000Z-0123abcd",
    "outcome": Outcome.PASS,
    "exit_code": 0,
    "index_path": Path("runs/tiny/index.html"),
    "counts": {"pass": 3, "not_assessed": 1},
    "headline": "All 3 required findings hold their limits.",
    "reason": None,
    "message": "",
}


def summary(**changed: object) -> RunSummary:
    """Return what a run came to."""
    return RunSummary(**{**SUMMARY, **changed})


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "--version")() == (
        0,
        f"readiness, version {__version__}\n",
        "",
    )


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, stdout, _ = called(capsys, "--help")()

    assert code == 0
    for command in ("demo", "init", "run", "history", "verify", "lab"):
        assert f"\n  {command} " in stdout


def test_help_of_run_says_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    _, stdout, _ = called(capsys, "run", "--help")()

    told = " ".join(stdout.split()).rpartition("Leaves with")[2]
    for outcome, code in EXIT_CODES.items():
        assert f"{code} for" in told
        assert outcome in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["run"],
        ["run", "case.toml", "--profile", "slow"],
        ["run", "case.toml", "--jobs", "0"],
        ["run", "case.toml", "--cluster"],
        ["init", "folder"],
        ["verify"],
    ],
)
def test_usage_error_leaves_with_3_not_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, stdout, stderr = called(capsys, *arguments)()

    assert (code, stdout) == (3, "")
    assert stderr.startswith("error: USAGE: ")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    "only", [["--only", "coverage,drift"], ["--only", "coverage", "--only", "drift"]]
)
def test_every_dimension_that_is_asked_for_is_run(
    only: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def reviewed(_: Path, *, only: list[str], **__: object) -> tuple[RunSummary, None]:
        asked.extend(only)
        return summary(), None

    monkeypatch.setattr(announce, "reviewed", reviewed)

    code, _, _ = called(capsys, "run", "case.toml", *only)()

    assert (code, asked) == (0, ["coverage", "drift"])


def test_outcome_is_the_last_line_of_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = cli.tell(summary())

    printed = capsys.readouterr()
    assert code == 0
    assert printed.out == "PASS: 3 pass, 1 not assessed; runs/tiny/index.html\n"
    assert printed.err == ""


def test_run_without_verdict_says_why_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = cli.tell(
        summary(
            outcome=Outcome.ERROR,
            exit_code=3,
            index_path=None,
            counts={},
            reason="KERNEL_DIED",
            message="The kernel\ndied.",
        )
    )

    printed = capsys.readouterr()
    assert code == 3
    assert printed.out == "ERROR: no checks; nothing published\n"
    assert printed.err == "error: KERNEL_DIED: The kernel died.\n"


def test_stopped_run_ignores_further_signals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[tuple[int, object]] = []
    monkeypatch.setattr(cli.signal, "signal", lambda *pair: ignored.append(pair))

    code = cli.tell(summary(outcome=Outcome.ERROR, exit_code=130))

    assert code == 130
    assert [one for one, _ in ignored] == list(cli.SIGNALS)
    assert capsys.readouterr().out.startswith("ERROR: ")


@pytest.mark.parametrize(
    ("returned", "left"), [(0, 0), (1, 0), (2, 0), (3, 3), (130, 130)]
)
def test_demo_leaves_with_0_when_a_verdict_was_published(
    returned: int,
    left: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starter, "demo", lambda *_, **__: summary(exit_code=returned))
    monkeypatch.setattr(cli, "SIGNALS", ())

    code, stdout, _ = called(capsys, "demo")()

    assert code == left
    assert f"readiness run would have returned {returned}." in stdout
    assert stdout.splitlines()[-1].endswith("index.html")


def test_init_and_lab_are_one_call_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(starter, "init", lambda **given: calls.append(given) or "Wrote")
    monkeypatch.setattr(starter, "lab", lambda case: calls.append(case) or 0)
    named = ["--model", "m.skops", "--reference", "r.parquet", "--target", "y"]

    made = called(capsys, "init", "folder", *named)()
    opened = called(capsys, "lab", "case.toml")()

    assert made == (0, "Wrote\n", "")
    assert opened[0] == 0
    assert calls[0]["target"] == "y"
    assert calls[1] == Path("case.toml")


def test_history_lists_runs_and_can_be_rebuilt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Run(
        run_id="20270101T000000Z-0123abcd",
        case_name="flights",
        created="2027-01-01T00:00:00Z",
        outcome="ERROR",
        reason="TIMEOUT",
        headline="No verdict.",
        digest=None,
        path="",
        status="abandoned",
    )
    add_runs(tmp_path, [row])

    code, stdout, stderr = called(capsys, "history", tmp_path, "--reindex")()

    assert code == 0
    assert stdout == (
        "20270101T000000Z-0123abcd\tflights\tabandoned\tERROR TIMEOUT\tNo verdict.\n"
    )
    assert stderr == "1 runs\n"


def test_history_of_an_empty_folder_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(capsys, "history", tmp_path)() == (0, "", "")


@pytest.mark.parametrize("option", [[], ["--gate"], ["--keep", "3"]])
@pytest.mark.parametrize("slip", ["folder", "case"])
def test_history_of_what_is_not_there_is_no_answer(
    slip: str, option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_run(tmp_path)
    named = {
        "folder": ["history", tmp_path / "rums"],
        "case": ["history", tmp_path, "--case", "fligth-delay"],
    }

    code, stdout, stderr = called(capsys, *named[slip], *option)()

    assert (code, stdout) == (3, "")
    assert stderr.startswith("error: USAGE: ")
    assert ("rums" if slip == "folder" else "It has: flight-delay.") in stderr


def test_gate_on_a_folder_without_a_case_is_not_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = publish_run(tmp_path)

    code, _, stderr = called(capsys, "history", run, "--gate")()

    assert code == 3
    assert "no condition was looked at. Name the folder of all runs." in stderr


def test_gate_holds_for_a_record_whose_runs_are_not_in_the_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    condition_on(publish_run(tmp_path), "2020-02-01")
    (tmp_path / FILE).unlink()

    code, stdout, _ = called(capsys, "history", tmp_path, "--gate")()

    assert code == 1
    assert "condition 1\toverdue\t2020-02-01" in stdout


def test_verify_names_what_was_altered(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("readiness.manifest.verify", lambda _: ["changed: index.html"])
    altered = called(capsys, "verify", tmp_path)()
    monkeypatch.setattr("readiness.manifest.verify", lambda _: [])
    whole = called(capsys, "verify", tmp_path)()

    assert altered == (3, "changed: index.html\n", "error: ALTERED: 1 files differ.\n")
    assert whole == (0, "unaltered\n", "")


def test_verify_of_no_run_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, stderr = called(capsys, "verify", tmp_path)()

    assert code == 3
    assert stderr.startswith("error: USAGE: ")


def test_unexpected_error_is_one_line_and_a_traceback_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        msg = "something\nodd \x1b[31m"
        raise KeyError(msg)

    monkeypatch.setattr(starter, "demo", broken)

    code, _, stderr = called(capsys, "demo")()

    assert code == 3
    assert stderr.startswith("error: CRASH: KeyError: ")
    assert stderr.count("\n") == 1
    assert "\x1b" not in stderr
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(KeyError):
        main(["demo"])


def test_ctrl_c_at_a_prompt_leaves_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def aborted(*_: object, **__: object) -> None:
        raise cli.click.Abort

    monkeypatch.setattr(starter, "demo", aborted)

    assert called(capsys, "demo")()[0] == 130


def test_real_command_line_takes_its_arguments_from_the_shell() -> None:
    process = in_process("--version")

    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (0, "")
    assert __version__ in stdout
