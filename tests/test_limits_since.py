"""A policy that was weakened is told on the verdict page of the next run (T40)."""

import json
from pathlib import Path
from typing import Any

import pytest

from readiness.limits_since import limits_since
from readiness.pages import render_index
from tests.commands import called
from tests.meetings import (
    CASE,
    FIRST,
    SECOND,
    THIRD,
    alter_run,
    finding_of,
    publish_run,
)
from tests.sample_pages import sample_results
from tests.test_faults_input import case as points_case
from tests.test_pages import plain

__all__ = ["points_case"]


def of_run(run_id: str = SECOND) -> dict[str, Any]:
    return sample_results() | {"run_id": run_id}


def weaker(results: dict[str, Any]) -> dict[str, Any]:
    """Lower a limit, make another a caveat, and waive a finding."""
    finding_of(results, "P1", "roc_auc")["limit"] = 0.6
    finding_of(results, "P1", "roc_auc", "table=current")["limit"] = 0.6
    for one in results["checks"]:
        for finding in one["findings"]:
            if one["code"] == "C2":
                finding["required"] = False
    finding_of(results, "P3", "calibration_slope", "table=current")["waived"] = True
    return results


def test_first_run_has_nothing_to_differ_from(tmp_path: Path) -> None:
    assert limits_since(of_run(), tmp_path / CASE) is None


def test_same_limits_are_no_change(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)

    assert limits_since(of_run(), tmp_path / CASE) == {"run_id": FIRST, "changes": []}


def test_lower_limit_lost_requirement_and_waiver_are_told_t40(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    results = weaker(of_run())

    since = limits_since(results, tmp_path / CASE)

    assert since is not None
    told = {one["what"]: (one["before"], one["after"]) for one in since["changes"]}
    assert told["AUC"] == ("at least 0.65, required", "at least 0.6, required")
    assert told["rows outside what training saw"][1].endswith("a caveat")
    waiver = "waiver of calibration slope, current rows"
    assert told[waiver] == ("none", "waived")
    assert len(told) == 3


def test_verdict_page_says_so_on_its_first_screen_t40(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    results = weaker(of_run())
    results["policy"]["since"] = limits_since(results, tmp_path / CASE)

    page = render_index(results)
    record = page[page.index('class="record"') : page.index('class="signature"')]

    assert '<a href="#limits-since">3 not as in the last run</a>' in record
    assert 'id="limits-since"' in page
    assert "P1 AUC at least 0.65, required at least 0.6, required" in plain(page)


def test_altered_and_later_runs_are_not_the_last(tmp_path: Path) -> None:
    publish_run(tmp_path, FIRST)
    alter_run(publish_run(tmp_path, SECOND))
    publish_run(tmp_path, THIRD)
    now = of_run(f"{SECOND[:-8]}ffffffff")

    since = limits_since(now, tmp_path / CASE)

    assert since is not None
    assert since["run_id"] == FIRST


@pytest.mark.slow
def test_second_review_with_a_weaker_policy_says_so_t40(
    points_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", points_case, "--out", tmp_path / "out", "--only", "own"]
    called(capsys, *run)()
    text = points_case.read_text().replace("acceptable = 0.6", "acceptable = 0.5")
    points_case.write_text(text)

    code, stdout, _ = called(capsys, *run)()

    results = Path(stdout.rsplit("; ", 1)[1].strip()).with_name("results.json")
    (change,) = json.loads(results.read_text())["policy"]["since"]["changes"]
    assert code == 0
    assert change == {
        "check": "P1",
        "what": "AUC",
        "before": "at least 0.6, required",
        "after": "at least 0.5, required",
    }
