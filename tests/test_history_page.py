"""The history page shows every run, good or not, and stands in nobody's way."""

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from readiness import history_page, meeting
from readiness.errors import Reason, RunError
from readiness.history import FILE
from readiness.history_figures import figure_svg
from readiness.history_series import Told, alt_text, headline_series, marks_of
from readiness.inert import assert_inert
from readiness.result import Outcome
from readiness.sign import sign
from readiness.signoffs import RECORD
from tests.commands import called
from tests.meetings import (
    CASE,
    FIRST,
    SECOND,
    THIRD,
    alter_run,
    condition_on,
    finding_of,
    list_run,
    moved,
    passing,
    publish_run,
)
from tests.sample_pages import HOSTILE, hostile_results, sample_results
from tests.test_cli import summary
from tests.tiny import tiny_case

NASTY = " ".join(HOSTILE)
TODAY = dt.date(2026, 11, 25)


def page_of(out: Path) -> str:
    """Return the page of the sample case."""
    return history_page.history_page(out, CASE, out / CASE / "history.html", TODAY)


def plain(html: str) -> str:
    html = html[html.index("<body") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def told(*runs: dict[str, Any] | None) -> list[Told]:
    """Return runs a day apart; None is a run without results."""
    start = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    return [
        Told(
            run_id=str(day),
            when=start + dt.timedelta(days=day),
            state="published" if results else "failed",
            results=results,
        )
        for day, results in enumerate(runs)
    ]


def with_value(value: float | None, **more: object) -> dict[str, Any]:
    """Return the sample results with another AUC, all within 0.01."""
    results = sample_results()
    ends = {} if value is None else {"ci_low": value - 0.01, "ci_high": value + 0.01}
    finding_of(results, "P1", "roc_auc").update({"value": value, **ends, **more})
    return results


def drawn(*runs: dict[str, Any] | None) -> ET.Element:
    """Return the figure of the AUC of the whole case."""
    shown = told(*runs)
    series = next(
        one
        for one in headline_series(shown)
        if (one.check.code, one.metric, one.group) == ("P1", "roc_auc", "")
    )
    return ET.fromstring(figure_svg(series, shown))  # noqa: S314 (our own text)


def all_of(figure: ET.Element, tag: str) -> list[ET.Element]:
    return figure.findall(f"{{http://www.w3.org/2000/svg}}{tag}")


def texts_of(figure: ET.Element) -> list[str]:
    return [one.text or "" for one in all_of(figure, "text")]


def dashed(figure: ET.Element) -> list[ET.Element]:
    return [
        one for one in all_of(figure, "line") if one.get("stroke-dasharray") == "5 3"
    ]


def test_page_shows_failed_missing_and_altered_runs(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    list_run(tmp_path, SECOND, status="failed")
    list_run(tmp_path, "20261121T130000Z-0123abcd", status="abandoned")
    gone = publish_run(tmp_path, THIRD)
    altered = publish_run(tmp_path, "20261123T120000Z-0123abcd")
    shutil.rmtree(gone)
    alter_run(altered)

    page = plain(page_of(tmp_path))

    for word in ("NOT READY", "NO VERDICT", "STOPPED", "MISSING", "ALTERED"):
        assert f" {word} " in page
    assert "Its files are not what was published: nothing of it is shown." in page


def test_altered_numbers_are_not_drawn(tmp_path: Path) -> None:
    run = publish_run(tmp_path, FIRST, moved("P1", "roc_auc", 0.777, 0.01))
    assert "0.777" in page_of(tmp_path)

    alter_run(run)

    assert "0.777" not in page_of(tmp_path)


def test_every_required_finding_is_a_figure_with_its_numbers(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    publish_run(tmp_path, SECOND)
    required = {
        (check["code"], one["metric"], one["group"])
        for check in sample_results()["checks"]
        for one in check["findings"]
        if one["required"]
    }

    page = page_of(tmp_path)

    n_steady = page[page.index("What never changed") :].count("<tr>") - 1
    assert page.count("<figure") == len(required) - n_steady == 13 - n_steady
    assert 0 < n_steady < len(required)
    assert page.count("Numbers of ") == page.count("<figure")


def test_exact_numbers_that_never_changed_are_a_table(tmp_path: Path) -> None:
    exact = {"value": 0.0, "ci_low": None, "ci_high": None, "status": "pass"}

    def steady(results: dict[str, Any]) -> None:
        for metric in ("additivity_error", "base_value_error"):
            finding_of(results, "X1", metric).update(exact, required=True)

    def moving(results: dict[str, Any]) -> None:
        steady(results)
        finding_of(results, "X1", "base_value_error")["value"] = 1e-9

    publish_run(tmp_path, FIRST, steady)
    publish_run(tmp_path, SECOND, moving)

    page = page_of(tmp_path)
    figures, table = plain(page).split("What never changed")

    assert "X1 gap between the parts and the prediction 0" in table
    assert "base value" not in table
    assert "Numbers of X1 Gap between base value" in figures
    assert "X1 Gap between the parts" not in figures


def test_finding_that_the_newest_run_lacks_comes_last_and_says_so(
    tmp_path: Path,
) -> None:
    publish_run(tmp_path, FIRST)
    publish_run(tmp_path, SECOND, lambda one: one["checks"].pop(0))

    page = plain(page_of(tmp_path))

    shown = page[page.index("Headline findings over time") :]
    assert shown.count("not in the newest run") == 2
    assert shown.index("P1 AUC not in the newest run") > shown.index("P2 Gain over")


def test_headline_metric_is_shown_where_nothing_requires_it() -> None:
    results = sample_results()
    for check in results["checks"]:
        check["findings"] = [one | {"required": False} for one in check["findings"]]

    series = headline_series(told(results))

    assert [(one.check.code, one.metric, one.group) for one in series] == [
        ("P1", "roc_auc", ""),
        ("P1", "roc_auc", "table=current"),
    ]


def test_changes_are_told_from_one_readable_run_to_the_next() -> None:
    other = sample_results()
    other["inputs"] |= {"current": "00" * 32, "policy": "11" * 32}
    renewed = sample_results()
    renewed["inputs"] = dict(other["inputs"])
    renewed["facts"]["model_sha256"] = renewed["inputs"]["model"] = "22" * 32

    marks = marks_of(told(sample_results(), None, other, renewed))

    assert [set(one) for one in marks] == [
        set(),
        set(),
        {"current rows", "policy"},
        {"model"},
    ]


def test_figure_marks_the_model_and_not_new_current_rows() -> None:
    other = sample_results()
    other["inputs"]["current"] = "00" * 32
    renewed = sample_results()
    renewed["inputs"] |= {"current": "00" * 32, "model": "22" * 32}
    renewed["facts"]["model_sha256"] = "22" * 32

    assert "M" not in texts_of(drawn(sample_results(), other))
    assert texts_of(drawn(sample_results(), other, renewed)).count("M") == 1


def test_points_are_as_far_apart_as_the_runs_and_as_the_values() -> None:
    # Values a, b, c in equal steps: the middle one lies in the middle, in x and y.
    figure = drawn(with_value(0.70), with_value(0.72), with_value(0.74))

    circles = [
        (float(one.get("cx", "")), float(one.get("cy", "")))
        for one in all_of(figure, "circle")
    ]
    (left, low), (middle, half), (right, high) = circles
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert half == pytest.approx((low + high) / 2, abs=0.1)
    assert high < low


def test_status_is_a_shape_of_its_own() -> None:
    figure = drawn(
        with_value(0.7),
        with_value(0.6, status="fail"),
        with_value(0.65, status="inconclusive"),
        with_value(None, status="not_assessed", reason="NO_LABELS"),
        None,
    )

    shapes = {tag: len(all_of(figure, tag)) for tag in ("circle", "polygon", "rect")}
    assert shapes == {"circle": 1, "polygon": 1, "rect": 1}
    assert len(all_of(figure, "path")) == 2  # the fail, and the run without verdict


def test_path_is_broken_where_a_run_has_no_number() -> None:
    whole = drawn(with_value(0.70), with_value(0.72), with_value(0.74))
    broken = drawn(with_value(0.70), None, with_value(0.74))

    def joins(figure: ET.Element) -> int:
        lines = all_of(figure, "line")
        return sum(one.get("stroke-width") == "0.9" for one in lines)

    assert (joins(whole), joins(broken)) == (2, 0)


def test_limit_that_was_raised_is_drawn_as_a_step() -> None:
    figure = drawn(with_value(0.7), with_value(0.7, limit=0.68))

    heights = [float(one.get("y1", "")) for one in dashed(figure)]
    assert len(heights) == 2
    assert heights[1] < heights[0]
    assert "at least 0.68" in texts_of(figure)


def test_figure_of_one_run_and_of_equal_values_is_drawn() -> None:
    one = drawn(with_value(0.65, ci_low=0.65, ci_high=0.65))

    assert len(all_of(one, "circle")) == 1


def test_hostile_unit_and_limit_stay_text_in_the_figure() -> None:
    figure = drawn(with_value(0.7, unit=NASTY))

    assert {one.tag.rpartition("}")[2] for one in figure.iter()} <= {
        "svg",
        "line",
        "text",
        "circle",
        "path",
        "polygon",
        "rect",
    }
    assert any("<script>" in one for one in texts_of(figure))


def test_alternative_text_says_what_the_figure_shows() -> None:
    runs = told(with_value(0.70), None, with_value(0.66, status="inconclusive"))
    series = headline_series(runs)[0]

    assert alt_text(series, runs) == (
        "AUC in 2 of 3 runs: 0.700 on 2026-11-20, 0.660 (0.650 to 0.670) on "
        "2026-11-22; limit at least 0.65, inconclusive."
    )


def test_sign_offs_and_conditions_are_shown_with_what_voids_them(
    tmp_path: Path,
) -> None:
    run = publish_run(tmp_path, FIRST)
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    conditions = ["Recalibrate|modelling|2026-11-24", "Collect|data|2026-11-25"]
    options = {"decision": "go-with-conditions", "note": "For a month."}
    sign(run, role="risk", conditions=conditions, now=now, **options)

    holds = plain(page_of(tmp_path))
    publish_run(tmp_path, SECOND)
    void = plain(page_of(tmp_path))

    assert "What holds: go-with-conditions by risk." in holds
    assert "1 Recalibrate modelling 2026-11-24 overdue" in holds
    assert "2 Collect data 2026-11-25 open" in holds
    assert f"No decision holds. A newer run was published: {SECOND}." in void
    assert "1 Recalibrate modelling 2026-11-24 overdue" in void


def test_altered_record_is_told_and_none_of_it_shown(tmp_path: Path) -> None:
    run = publish_run(tmp_path, FIRST)
    sign(run, role="risk", decision="no-go", note="Too early.")
    record = run.parent / RECORD
    record.write_text(record.read_text("utf-8").replace("no-go", "go"), "utf-8")

    page = plain(page_of(tmp_path))

    assert "No run of this case was signed" not in page
    assert "The sign-off record cannot be believed" in page
    assert "Too early." not in page


def test_hostile_text_leaves_the_page_inert(tmp_path: Path) -> None:
    def hostile(results: dict[str, Any]) -> None:
        kept = {name: results[name] for name in ("run_id", "created_utc", "case")}
        results |= hostile_results() | kept

    run = publish_run(tmp_path, FIRST, hostile)
    sign(
        run,
        role=NASTY,
        decision="go-with-conditions",
        note=NASTY,
        conditions=[f"{NASTY}|{NASTY}|2030-01-01"],
    )

    page = page_of(tmp_path)

    assert_inert(page)
    assert "&lt;script&gt;document" in page
    assert "{{ 7 * 7 }}" in page


def test_page_is_well_formed_and_links_to_its_runs(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    publish_run(tmp_path, SECOND)

    page = page_of(tmp_path)
    ids = re.findall(r'\sid="([^"]+)"', page)

    assert_inert(page)
    assert len(ids) == len(set(ids))
    assert page.count("<h1") == page.count("<main") == 1
    assert page.count("<table") == page.count("<caption")
    links = re.findall(r'href="([^#"]+)"', page)
    assert links == [f"{SECOND}/index.html", f"{FIRST}/index.html"]
    assert all((tmp_path / CASE / unquote(one)).is_file() for one in links)


def test_same_history_gives_the_same_bytes(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)

    assert page_of(tmp_path) == page_of(tmp_path)


def test_older_runs_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_page, "MAX_RUNS", 2)
    for run_id in (FIRST, SECOND, THIRD):
        publish_run(tmp_path, run_id)

    page = plain(page_of(tmp_path))

    assert "1 older runs are not on this page" in page
    assert FIRST not in page


def test_command_writes_the_page_of_the_only_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_run(tmp_path, FIRST)

    code, _, stderr = called(
        capsys, "history", tmp_path, "--html", tmp_path / "p.html"
    )()

    assert (code, stderr) == (0, "")
    assert f'href="{CASE}/{FIRST}/index.html"' in (tmp_path / "p.html").read_text()


def test_command_asks_which_of_several_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_run(tmp_path, FIRST)
    publish_run(tmp_path, SECOND, lambda one: one.update(case="other"))
    html = ["--html", tmp_path / "p.html"]

    code, _, stderr = called(capsys, "history", tmp_path, *html)()
    named = called(capsys, "history", tmp_path, *html, "--case", "other")()

    assert code == 3
    assert "Name one case with --case. The history has: flight-delay, other." in stderr
    assert (named[0], FIRST in named[1], SECOND in named[1]) == (0, False, True)


def test_unknown_case_is_a_usage_error(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)

    with pytest.raises(RunError, match="no run of 'other'") as caught:
        history_page.write_history(tmp_path, tmp_path / "p.html", "other")

    assert caught.value.code is Reason.USAGE


@pytest.mark.slow
def test_run_renews_the_page_and_reminds_of_what_is_overdue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, out = tiny_case(tmp_path / "case"), tmp_path / "out"
    arguments = ["run", case, "--out", out, "--only", "own"]
    called(capsys, *arguments)()
    first = out / "tiny" / (out / "tiny" / "latest").read_text().strip()
    sign(
        first,
        role="risk",
        decision="go-with-conditions",
        note="A part only.",
        conditions=["Review the rest|modelling|2020-02-01"],
        now=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    )

    code, stdout, stderr = called(capsys, *arguments)()

    assert code == 1
    assert stdout.startswith("PASS: ")
    assert "error: OVERDUE: The run passed; a condition of approval is over" in stderr
    assert "note: Condition 1 is overdue since 2020-02-01, owner modelling" in stderr
    assert "note: No decision holds. The last was go-with-conditions by risk" in stderr
    assert first.name in (out / "tiny" / "history.html").read_text("utf-8")


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError("x"), MemoryError()])
def test_page_that_cannot_be_made_changes_nothing_for_the_run(
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise error

    publish_run(tmp_path, FIRST, passing)
    monkeypatch.setattr(history_page, "history_page", broken)
    ended = summary(run_id=FIRST, outcome=Outcome.PASS, exit_code=0)
    monkeypatch.setattr("readiness.runner.run_review", lambda *_, **__: ended)

    code, stdout, stderr = called(capsys, "run", "case.toml", "--out", tmp_path)()

    assert code == 0
    assert stdout.startswith("PASS: ")
    assert "note: The history page could not be written: " in stderr
    assert "error:" not in stderr


def test_run_that_met_a_busy_history_does_not_wait_for_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "read_history", lambda _: pytest.fail("asked again"))
    busy = summary(reason=Reason.HISTORY_BUSY, exit_code=3)

    assert meeting.after_run(tmp_path, busy) == ([], None)
    assert meeting.after_run(tmp_path, summary(exit_code=143)) == ([], None)


def test_run_outside_of_the_history_changes_nothing(tmp_path: Path) -> None:
    assert meeting.after_run(tmp_path, summary(run_id=FIRST)) == ([], None)
    assert not (tmp_path / FILE).exists()


def test_altered_record_is_told_after_a_run(tmp_path: Path) -> None:
    run = publish_run(tmp_path, FIRST)
    (run.parent / RECORD).write_text("{}\n", "utf-8")

    (line,), why = meeting.after_run(tmp_path, summary(run_id=FIRST))

    assert "was altered at line 1" in line
    assert why is Reason.ALTERED


@pytest.fixture
def passed(tmp_path: Path) -> Path:
    """Return a published run that passed."""
    return publish_run(tmp_path, FIRST, passing)


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return ``readiness run`` that ends at once, as if it had published that run."""

    def command(outcome: Outcome, exit_code: int) -> tuple[int, str, str]:
        ended = summary(run_id=FIRST, outcome=outcome, exit_code=exit_code)
        monkeypatch.setattr("readiness.runner.run_review", lambda *_, **__: ended)
        return called(capsys, "run", "case.toml", "--out", tmp_path)()

    return command


@pytest.mark.parametrize(
    ("due", "ended", "left_with"),
    [
        ("2020-02-01", (Outcome.PASS, 0), 1),
        ("2020-02-01", (Outcome.FAIL, 1), 1),
        ("2020-02-01", (Outcome.INCOMPLETE, 2), 2),
        ("2020-02-01", (Outcome.ERROR, 3), 3),
        ("2999-01-01", (Outcome.PASS, 0), 0),
        ("2999-01-01", (Outcome.FAIL, 1), 1),
    ],
)
def test_overdue_condition_fails_a_run_that_passed_and_no_other_changes(
    due: str,
    ended: tuple[Outcome, int],
    left_with: int,
    passed: Path,
    run_here: Callable[..., tuple[int, str, str]],
) -> None:
    condition_on(passed, due)

    code, stdout, stderr = run_here(*ended)

    assert code == left_with
    assert stdout.startswith(f"{ended[0]}: ")
    assert ("error: OVERDUE" in stderr) is (left_with != ended[1])


@pytest.mark.parametrize(
    "command",
    [["sign", "RUN", "--list"], ["history", "OUT", "--gate"], ["compare", "--gate"]],
)
@pytest.mark.parametrize(("due", "left_with"), [("2020-02-01", 1), ("2999-01-01", 0)])
def test_every_gate_fails_for_an_overdue_condition_and_only_then(
    command: list[str],
    due: str,
    left_with: int,
    passed: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    condition_on(passed, due)
    places = {"RUN": passed, "OUT": passed.parents[1]}
    named = [places.get(one, one) for one in command]
    runs = [passed, passed] if "compare" in command else []

    code, _, _ = called(capsys, *named, *runs)()

    assert code == left_with


def test_passed_run_beside_an_altered_record_leaves_with_3(
    passed: Path, run_here: Callable[..., tuple[int, str, str]]
) -> None:
    (passed.parent / RECORD).write_text("{}\n", "utf-8")

    code, _, stderr = run_here(Outcome.PASS, 0)

    assert code == 3
    assert "error: ALTERED: The run passed; whether a condition" in stderr


def test_lapsed_approval_is_told_after_a_run(tmp_path: Path) -> None:
    run = publish_run(tmp_path, FIRST, passing)
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    until = dt.date(2020, 3, 1)
    sign(run, role="risk", decision="go", note="Holds.", until=until, now=long_ago)

    lines, why = meeting.after_run(tmp_path, summary(run_id=FIRST))

    assert "It lapsed: it held until 2020-03-01." in lines[0]
    assert why is None
