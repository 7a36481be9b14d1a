"""A sign-off stands beside its run and holds as long as the run does."""

import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from readiness.errors import Reason, RunError
from readiness.manifest import FILE as MANIFEST
from readiness.manifest import file_sha256, verify, write_manifest
from readiness.sign import close_condition, sign
from readiness.signoffs import DECISIONS, RECORD, read_standing
from readiness.stability_words import stability_lines
from tests.commands import called
from tests.meetings import CASE, FIRST, SECOND, alter_run, passing, publish_run
from tests.sample_pages import sample_results

NOW = dt.datetime(2026, 11, 25, 18, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
CONDITION = "Collect labels for hot days|data platform|2026-12-31"
SIGN_20_TIMES = """
import datetime as dt, sys
from readiness.sign import sign
for number in range(20):
    sign(sys.argv[1], role=f"writer {sys.argv[2]}", decision="no-go",
         note=str(number), now=dt.datetime(2026, 11, 25, tzinfo=dt.UTC))
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a published run whose outcome is PASS."""
    return publish_run(tmp_path, FIRST, passing)


def signed(run: Path, **changed: Any) -> None:  # noqa: ANN401 (options of all kinds)
    """Sign a run with ``go``, or as changed."""
    options = {"role": "head of operations", "decision": "go", "note": "It holds."}
    sign(run, **{**options, "now": NOW, **changed})


def conditional(run: Path, *conditions: str, **changed: Any) -> None:  # noqa: ANN401 (options of all kinds)
    """Sign a run with conditions."""
    signed(run, decision="go-with-conditions", conditions=conditions, **changed)


def record_of(run: Path) -> Path:
    return run.parent / RECORD


def test_signature_leaves_the_run_as_it_was(run: Path) -> None:
    signed(run)

    assert verify(run) == []
    assert sorted(path.name for path in run.iterdir()) == [
        "index.html",
        "manifest.json",
        "results.json",
    ]


def test_entry_is_bound_to_the_manifest_and_names_the_line_before(run: Path) -> None:
    signed(run)
    signed(run, role="model owner")

    first, second = map(json.loads, record_of(run).read_bytes().splitlines())
    stated = first.pop("sha256")
    assert first["manifest_sha256"] == file_sha256(run / MANIFEST)
    assert first["previous"] == "0" * 64
    assert stated == hashlib.sha256(json.dumps(first).encode()).hexdigest()
    assert second["previous"] == stated


def test_decision_holds_while_nothing_changed(run: Path) -> None:
    signed(run)

    (one,) = read_standing(run.parent, TODAY).sign_offs
    assert (one.decision, one.outcome, one.void) == ("go", "PASS", ())


def test_altered_run_cannot_be_signed(run: Path) -> None:
    alter_run(run)

    with pytest.raises(
        RunError, match=r"changed: results\.json.*cannot be signed"
    ) as e:
        signed(run)

    assert e.value.code is Reason.ALTERED
    assert not record_of(run).exists()


def test_alteration_after_signing_voids_it(run: Path) -> None:
    signed(run)
    alter_run(run)

    (one,) = read_standing(run.parent, TODAY).sign_offs
    assert one.void == (
        "The run is not what was signed: it was altered or removed since.",
    )


def test_altered_run_with_a_fresh_manifest_is_void_too(run: Path) -> None:
    signed(run)
    alter_run(run)
    (run / MANIFEST).unlink()
    write_manifest(run, {"run_id": run.name})

    (one,) = read_standing(run.parent, TODAY).sign_offs
    assert verify(run) == []
    assert one.void[0].startswith("The run is not what was signed")


def test_removed_run_voids_its_signature(run: Path) -> None:
    signed(run)
    shutil.rmtree(run)

    (one,) = read_standing(run.parent, TODAY).sign_offs
    assert one.void[0].startswith("The run is not what was signed")


def test_newer_run_voids_it_and_an_older_one_does_not(run: Path) -> None:
    newer = publish_run(run.parent.parent, SECOND, passing)
    signed(run)
    signed(newer)

    first, second = read_standing(run.parent, TODAY).sign_offs
    assert first.void == (f"A newer run was published: {SECOND}.",)
    assert second.void == ()


def test_later_decision_of_a_role_replaces_only_its_own(run: Path) -> None:
    signed(run)
    signed(run, role="model owner")
    signed(run, decision="no-go")

    void = [bool(one.void) for one in read_standing(run.parent, TODAY).sign_offs]
    assert void == [True, False, False]


def test_approval_lapses_after_its_last_day(run: Path) -> None:
    last = TODAY + dt.timedelta(days=30)
    signed(run, until=last)

    on_the_day = read_standing(run.parent, last).sign_offs[0]
    the_day_after = read_standing(run.parent, last + dt.timedelta(days=1)).sign_offs[0]
    assert on_the_day.void == ()
    assert the_day_after.void == ("It lapsed: it held until 2026-12-25.",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"no-go"', b'"go"'),
        (b"model owner", b"model 0wner"),
        (b"the last says so", b"the last say so"),
        (b'"role": "risk"', b'"role":  "risk"'),
        (b'"decision": "go"', b'"decision": "no-go"'),
        (b'"record_version": 1', b'"record_version": 2'),
        (b'{"kind"', b'"kind"'),
        (b'{"kind": "decision"', b'{"kind": "other"'),
        (b"\n{", b"\n\n{"),
    ],
)
def test_altered_record_is_refused_and_not_added_to(
    old: bytes, new: bytes, run: Path
) -> None:
    signed(run, decision="no-go")
    signed(run, role="model owner")
    signed(run, role="risk", note="the last says so")
    altered = record_of(run).read_bytes().replace(old, new, 1)
    record_of(run).write_bytes(altered)

    with pytest.raises(RunError, match="was altered at line") as caught:
        signed(run, role="late")

    assert caught.value.code is Reason.ALTERED
    assert record_of(run).read_bytes() == altered


def test_line_taken_out_of_the_middle_is_noticed(run: Path) -> None:
    for role in ("a", "b", "c"):
        signed(run, role=role)
    first, _, third = record_of(run).read_bytes().splitlines()
    record_of(run).write_bytes(first + b"\n" + third + b"\n")

    with pytest.raises(RunError, match="altered at line 2"):
        read_standing(run.parent, TODAY)


@pytest.mark.slow
def test_many_sign_at_once_and_no_line_is_lost(run: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", SIGN_20_TIMES, str(run), str(number)])  # noqa: S603 (our own interpreter)
        for number in range(3)
    ]

    codes = [one.wait() for one in writers]

    signs = read_standing(run.parent, TODAY).sign_offs
    assert codes == [0, 0, 0]
    assert len(signs) == 60
    assert {(one.role, one.note) for one in signs} == {
        (f"writer {number}", str(note)) for number in range(3) for note in range(20)
    }


@pytest.mark.parametrize(
    ("about", "decision", "conditions", "said"),
    [
        ({"outcome": "FAIL"}, "go", [], "go needs the outcome PASS of a whole review"),
        ({"outcome": "INCOMPLETE"}, "go", [], "this is INCOMPLETE"),
        (
            {"outcome": "PASS", "partial": True},
            "go",
            [],
            "PASS of a part of the review",
        ),
        ({"outcome": "PASS"}, "go-with-conditions", [], "and no other decision"),
        ({"outcome": "PASS"}, "go", [CONDITION], "and no other decision"),
        ({"outcome": "FAIL"}, "no-go", [CONDITION], "and no other decision"),
        ({"outcome": "ERROR"}, "no-go", [], "without a verdict cannot be signed"),
        ({"outcome": "PASS"}, "maybe", [], "must be go, go-with-conditions, no-go"),
    ],
)
def test_decision_must_fit_the_run(
    about: dict[str, Any],
    decision: str,
    conditions: list[str],
    said: str,
    tmp_path: Path,
) -> None:
    run = publish_run(tmp_path, FIRST, lambda one: one.update(about))

    with pytest.raises(RunError, match=said) as caught:
        signed(run, decision=decision, conditions=conditions)

    assert caught.value.code is Reason.USAGE
    assert not record_of(run).exists()


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "text",
        "text|owner",
        "text|owner|soon",
        "text||2027-01-31",
        "|a|2027-01-31",
        "text|owner|2026-11-24",
        "text|owner|2027-02-30",
    ],
)
def test_condition_needs_text_owner_and_a_day_to_come(
    condition: str, run: Path
) -> None:
    with pytest.raises(RunError, match="A condition must be"):
        conditional(run, condition)


@pytest.mark.parametrize("option", ["role", "note"])
@pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
def test_role_and_note_must_say_something(option: str, text: str, run: Path) -> None:
    with pytest.raises(RunError, match=f"--{option} must be a text"):
        signed(run, **{option: text})


def test_condition_may_hold_the_separator_in_its_text(run: Path) -> None:
    conditional(run, "P(late|hot) <= 0.2|data|2026-12-31")

    (one,) = read_standing(run.parent, TODAY).conditions
    assert (one.text, one.owner) == ("P(late|hot) <= 0.2", "data")


def test_condition_is_overdue_from_the_day_after_until_it_is_done(run: Path) -> None:
    conditional(run, CONDITION, "Recalibrate|modelling|2027-06-01")
    due, after = dt.date(2026, 12, 31), dt.date(2027, 1, 1)

    open_then = read_standing(run.parent, due)
    late = read_standing(run.parent, after)
    close_condition(run, 1, role="data platform", note="30 hot days labelled.", now=NOW)
    done = read_standing(run.parent, after)

    assert [one.state(due) for one in open_then.conditions] == ["open", "open"]
    assert [one.number for one in late.overdue(after)] == [1]
    assert [one.state(after) for one in done.conditions] == ["done", "open"]
    assert done.conditions[0].done_note == "30 hot days labelled."


def test_condition_stays_open_when_a_newer_run_voids_its_decision(run: Path) -> None:
    conditional(run, CONDITION)
    publish_run(run.parent.parent, SECOND, passing)

    standing = read_standing(run.parent, dt.date(2027, 1, 1))
    assert standing.sign_offs[0].void
    assert len(standing.overdue(dt.date(2027, 1, 1))) == 1


def test_condition_can_be_done_once(run: Path) -> None:
    conditional(run, CONDITION)
    close_condition(run, 1, role="data", note="Done.", now=NOW)

    with pytest.raises(RunError, match=r"1 is none\. Open are: none"):
        close_condition(run, 1, role="data", note="Again.", now=NOW)


def test_command_offers_the_decisions_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, stdout, _ = called(capsys, "sign", "--help")()

    assert f"[{'|'.join(DECISIONS)}]" in stdout


def test_command_signs_lists_and_renews_the_page(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--role", "operations", "--decision", "go", "--note", "It holds."]

    code, stdout, stderr = called(capsys, "sign", run, *options)()
    listed = called(capsys, "sign", run, "--list")()

    stability = stability_lines(sample_results())[0]
    said = f"signed: go by operations on {FIRST}. {stability}\n"
    assert (code, stdout, stderr) == (0, said, "")
    assert listed[0] == 0
    assert f"\t{FIRST}\tgo\toperations\tholds\tIt holds.\t{stability}\n" in listed[1]
    assert "go by operations" in (run.parent / "history.html").read_text("utf-8")


def test_command_says_that_a_decision_on_an_older_run_is_void_at_once(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_run(run.parents[1], SECOND, passing)
    options = ["--role", "operations", "--decision", "go", "--note", "It holds."]

    code, stdout, _ = called(capsys, "sign", run, *options)()

    void = f"It does not hold: A newer run was published: {SECOND}."
    assert code == 0
    assert stdout.startswith(f"signed: go by operations on {FIRST}. {void} ")


def test_list_leaves_with_1_when_a_condition_is_overdue(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    conditional(run, "Recalibrate|modelling|2020-02-01", now=long_ago)

    listed = called(capsys, "sign", run, "--list")()
    gated = called(capsys, "history", run.parent.parent, "--gate")()
    closed = called(
        capsys, "sign", run, "--done", 1, "--role", "x", "--note", "Recalibrated."
    )()
    after = called(capsys, "history", run.parent.parent, "--gate")()

    line = "condition 1\toverdue\t2020-02-01\tmodelling\tRecalibrate\n"
    assert (listed[0], gated[0]) == (1, 1)
    assert line in listed[1]
    assert f"{CASE}\t{line}" in gated[1]
    assert closed[:2] == (0, "done: condition 1, Recalibrate\n")
    assert after[0] == 0


def test_gate_on_an_altered_record_has_no_answer(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed(run)
    record_of(run).write_text("{}\n", "utf-8")

    code, _, stderr = called(capsys, "history", run.parent.parent, "--gate")()

    assert code == 3
    assert stderr.startswith("error: ALTERED: ")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--role", "a", "--note", "b"],
        ["--role", "a", "--decision", "go"],
        ["--role", "a", "--note", "b", "--decision", "go", "--done", "1"],
        ["--role", "a", "--note", "b", "--done", "1", "--until", "2030-01-01"],
        ["--role", "a", "--note", "b", "--decision", "go", "--until", "2020-01-01"],
    ],
)
def test_command_with_half_a_decision_is_a_usage_error(
    options: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, stderr = called(capsys, "sign", run, *options)()

    assert code == 3
    assert stderr.startswith("error: USAGE: ")
    assert not record_of(run).exists()


def test_run_under_another_name_cannot_be_signed(run: Path) -> None:
    renamed = run.rename(run.with_name("mine"))

    with pytest.raises(RunError, match="under its own run id"):
        signed(renamed)


def test_record_that_cannot_be_written_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("readiness.sign.write_text", full)

    with pytest.raises(RunError, match=r"No space left on device\. Nothing") as caught:
        signed(run)

    assert caught.value.code is Reason.STORAGE
