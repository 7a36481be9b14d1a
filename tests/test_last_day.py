"""The last day of an approval, counted by hand; the table of every finding."""

import copy
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from readiness.config import OperationSection
from readiness.errors import Reason, RunError
from readiness.findings_table import findings_csv
from readiness.last_day import (
    TABLE,
    UNDECLARED,
    approval_entry,
    approved_until,
    last_day_words,
)
from readiness.markup import csv_rows
from readiness.meeting import standing_lines
from readiness.pages import render_index
from readiness.publish import SCHEMA
from readiness.sign import sign
from readiness.staging import require_schema
from tests.commands import called
from tests.meetings import FIRST, passing, publish_run
from tests.sample_pages import sample_results

FITTED = "2026-06-30"
TODAY = dt.date(2026, 7, 1)


def results_with(life: float | None) -> dict[str, Any]:
    """Return results of 20 November in which D6 gives this certified life."""
    results = sample_results() | {"created_utc": "2026-11-20T12:00:00Z"}
    check = copy.deepcopy(results["checks"][0]) | {"code": "D6", "tables": [TABLE]}
    check["findings"] = [
        check["findings"][0] | {"metric": "shelf_life", "ci_low": life}
    ]
    results["checks"] = [*results["checks"], check]
    return results


def entry(
    folder: Path, life: float | None = 87.7, fitted: str = FITTED, **operation: float
) -> dict[str, Any]:
    """Return the entry of such results."""
    (folder / TABLE).write_text(f"metric,fitted_until\nx,{fitted}\n", "utf-8")
    declared = OperationSection.model_validate(operation)
    return approval_entry(results_with(life), declared, folder)


def test_certified_end_less_the_label_delay_is_proposed(tmp_path: Path) -> None:
    found = entry(tmp_path, label_delay_days=6.5, retrain_every_days=90)

    # 30 June and 87 days is 25 September; 7 days before that; 28 September is later.
    assert found["fitted_until"] == FITTED
    assert found["certified_until"] == "2026-09-25"
    assert found["proposed_until"] == "2026-09-18"
    assert found["because"] == (
        "D6 shows that the model holds its target until 2026-09-25, and outcomes are "
        "known after 6.5 days"
    )


def test_plan_that_ends_sooner_is_proposed(tmp_path: Path) -> None:
    found = entry(tmp_path, label_delay_days=7, retrain_every_days=30)

    assert found["proposed_until"] == "2026-07-30"
    assert found["because"].endswith("30 days after the last row it was fitted on")


@pytest.mark.parametrize(("life", "fitted"), [(None, ""), (87.7, "")])
def test_without_a_day_the_plan_counts_from_the_run(
    tmp_path: Path, life: float | None, fitted: str
) -> None:
    found = entry(tmp_path, life, fitted, retrain_every_days=90)

    assert found["certified_until"] is None
    assert found["proposed_until"] == "2027-02-18"
    assert (
        found["because"] == "it is to be fitted again 90 days after the day of the run"
    )


def test_life_and_plan_without_an_answer_propose_nothing(tmp_path: Path) -> None:
    found = entry(tmp_path, None, label_delay_days=7)

    said = last_day_words({"approval": found})
    assert found["proposed_until"] is None
    assert said == UNDECLARED
    assert last_day_words({}) == ""


def test_model_that_misses_already_is_certified_to_the_day_it_was_fitted(
    tmp_path: Path,
) -> None:
    assert entry(tmp_path, 0.0)["certified_until"] == FITTED


def test_plan_beyond_the_calendar_ends_with_it(tmp_path: Path) -> None:
    found = entry(tmp_path, None, retrain_every_days=1e9)

    assert found["proposed_until"] == "9999-12-31"


def test_go_ends_with_the_certified_life_and_conditions_may_go_beyond(
    tmp_path: Path,
) -> None:
    results = {"approval": entry(tmp_path, label_delay_days=7)}
    last, beyond = dt.date(2026, 9, 25), dt.date(2026, 9, 26)

    with pytest.raises(RunError, match="ends on 2026-09-25") as caught:
        approved_until(results, "go", beyond, TODAY)

    assert caught.value.code is Reason.USAGE
    assert approved_until(results, "go", last, TODAY) == (last, "")
    until, said = approved_until(results, "go-with-conditions", beyond, TODAY)
    assert until == beyond
    assert (
        said == "It goes beyond 2026-09-25, the end of the certified shelf life (D6)."
    )
    assert approved_until(results, "go-with-conditions", last, TODAY) == (last, "")
    assert approved_until(results, "no-go", None, TODAY) == (None, "")


def test_go_without_a_day_needs_a_proposal_that_has_not_passed(tmp_path: Path) -> None:
    results = {"approval": entry(tmp_path, retrain_every_days=30)}
    over, later = dt.date(2026, 7, 31), dt.date(2026, 9, 26)

    with pytest.raises(RunError, match="proposed last day, 2026-07-30, has passed"):
        approved_until(results, "go", None, over)
    with pytest.raises(RunError, match="certified shelf life of the model ends"):
        approved_until(results, "go", None, later)

    given = dt.date(2026, 8, 31)
    assert approved_until(results, "go", given, over) == (given, "")


def test_go_takes_the_proposal_and_the_list_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    because = "it is to be fitted again 90 days after the day of the run"
    found = {"fitted_until": None, "certified_until": None, "because": because}
    approval = found | {"proposed_until": "2999-02-18"}
    run = publish_run(
        tmp_path, FIRST, passing, lambda one: one.update(approval=approval)
    )
    said = f"Proposed last day: 2999-02-18, because {because}."

    code, stdout, _ = called(
        capsys, "sign", run, "--role", "x", "--decision", "go", "--note", "y"
    )()

    (line,), _ = standing_lines(run.parent)
    assert code == 0
    assert said in stdout
    assert f"until 2999-02-18\t{said}" in line
    assert said in (run.parent / "history.html").read_text("utf-8")


def test_run_that_says_nothing_of_it_is_signed_without_an_end(tmp_path: Path) -> None:
    run = publish_run(tmp_path, FIRST, passing)

    said = sign(run, role="x", decision="go", note="y")

    assert "last day" not in said


def test_page_shows_the_proposal_where_a_go_can_be_signed(tmp_path: Path) -> None:
    approval = entry(tmp_path, label_delay_days=7)
    failed = sample_results() | {"approval": approval}
    passed = failed | {"outcome": "PASS"}
    said = "Proposed last day: 2026-09-18, because D6 shows"

    require_schema(failed, SCHEMA, "results.json")

    assert said in render_index(passed)
    assert said not in render_index(failed)


def test_table_of_findings_holds_each_with_all_its_fields(tmp_path: Path) -> None:
    results = sample_results()
    finding = results["checks"][0]["findings"][0]
    finding["group"] = "=HYPERLINK(A1)"
    results["checks"][1] |= {"findings": [], "status": "not_assessed"}
    path = tmp_path / "findings.csv"

    path.write_text(findings_csv(results), "utf-8", newline="")

    rows, first = csv_rows(path), results["checks"][0]
    expected = sum(len(one["findings"]) or 1 for one in results["checks"])
    assert len(rows) == expected
    # The stored run is older than `own_unit`.
    assert list(rows[0]) == ["check", "check_name", *finding, "own_unit"]
    assert (rows[0]["check"], rows[0]["check_name"]) == (first["code"], first["name"])
    assert float(rows[0]["value"]) == finding["value"]
    assert ",'=HYPERLINK(A1)," in path.read_text("utf-8")
    bare = next(one for one in rows if one["check"] == results["checks"][1]["code"])
    assert (bare["status"], bare["value"]) == ("not_assessed", "")
