import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from readiness import show
from readiness.case import Case, load_case
from readiness.checks import FoundCheck, checks_with
from readiness.errors import CaseError, ModelError, NotAssessedError, Reason
from readiness.figures import new_figure
from readiness.measuring import Bench, measured, options_of
from readiness.result import Check, Limit, Measurement, Options, Status
from readiness.review import NOTEBOOK_VARIABLE, Review, open_review
from tests.cases import case_file, small_case, small_frames
from tests.judging import policy_with

LIMIT = Limit(
    metric="answer",
    side="at_least",
    limit=40.0,
    required_in=("low", "medium", "high"),
    reason="Less is no answer.",
)


def answer(case: Case, options: Options) -> Measurement:
    """Return the number of reference rows, and what was asked for."""
    rows = case.table("reference").n_rows
    value = options.values.get("value", 42.0)
    row = {"metric": "answer", "group": "", "value": value, "n_rows": rows}
    summary = pd.DataFrame([{**row, "ci_low": value, "ci_high": value}])
    table = pd.DataFrame({"column": ["=1+1"], "value": [value]})
    return Measurement(summary=summary, tables={"all": table}, notes=("So it is.",))


def needing(_case: Case, options: Options) -> Measurement:
    return options.needed["U1"]


def absent(_case: Case, _options: Options) -> Measurement:
    msg = "There is no current table. Name one under [data]."
    raise NotAssessedError(msg, Reason.NO_TABLE)


def crashing(_case: Case, _options: Options) -> Measurement:
    msg = "nobody expected this"
    raise ZeroDivisionError(msg)


def refused(_case: Case, _options: Options) -> Measurement:
    msg = "The model gave 3 scores for 4 rows."
    raise ModelError(msg, Reason.MODEL_SCORES)


def draw(_measurement: Measurement, _limits: tuple[Limit, ...]) -> Any:  # noqa: ANN401 (a Figure)
    figure, _ = new_figure("Answers")
    return figure


def found(
    name: str, code: str, measure: Callable[..., Measurement], **more: object
) -> FoundCheck:
    check = Check(
        code=code,
        title=name,
        question="What is the answer?",
        measure=measure,
        draw=draw,
        alt=lambda _: "The answer is drawn as a single point.",
        limits=(LIMIT,),
        **more,  # type: ignore[arg-type]
    )
    return FoundCheck(name=name, dimension="user", check=check)


CHECKS = {
    one.name: one
    for one in (
        found("answer", "U1", answer, defaults={"value": 42.0}),
        found("needing", "U2", needing, needs=("U1",)),
        found("absent", "U3", absent),
        found("needing_absent", "U4", needing, needs=("U3",)),
        found("helped", "U7", needing, helped_by=("U1",)),
        found("crashing", "U5", crashing),
        found("refused", "U6", refused),
    )
}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return small_case(work=tmp_path / "cache")


def review_of(case: Case, run_dir: Path | None = None) -> Review:
    return Review(
        bench=Bench(case=case, checks=CHECKS, profile="quick", seed=7),
        policy=policy_with(),
        run_dir=run_dir,
        run_id="20260101T000000Z-abcd",
        notebook="00_baseline",
    )


def test_check_is_measured_judged_and_recorded(case: Case) -> None:
    review = review_of(case)

    review.check("answer")

    result = review.results["answer"]
    assert result.status is Status.PASS
    assert result.findings[0].value == pytest.approx(42.0)
    assert result.notes == ("So it is.",)


def test_option_given_in_the_notebook_is_used_and_recorded(case: Case) -> None:
    review = review_of(case)

    review.check("answer", value=1.0)

    assert review.results["answer"].status is Status.FAIL
    assert review.results["answer"].options == {"value": 1.0}


def test_option_of_the_case_file_is_used(tmp_path: Path) -> None:
    case = small_case(work=tmp_path, checks={"U1": {"value": 41.0}})

    options = options_of(review_of(case).bench, CHECKS["answer"], {})

    assert options["value"] == pytest.approx(41.0)


def test_unknown_option_is_refused_with_the_known_ones(case: Case) -> None:
    with pytest.raises(CaseError, match="no option 'min_rows'; its options are: value"):
        review_of(case).check("answer", min_rows=50)


def test_unknown_check_is_refused_with_the_known_ones(case: Case) -> None:
    with pytest.raises(CaseError, match="No check is called 'anwser'; known are"):
        review_of(case).check("anwser")


def test_needed_measurement_arrives(case: Case) -> None:
    review = review_of(case)

    review.check("needing")

    assert review.results["needing"].findings[0].value == pytest.approx(42.0)


@pytest.mark.parametrize("name", ["needing", "helped"])
def test_options_a_notebook_gives_hold_for_the_checks_that_need_its_measurement(
    case: Case, name: str
) -> None:
    review = review_of(case)
    said = []

    for value in (None, 1.0, 41.0, None):  # the same cells, run again and again
        review.check("answer", **({} if value is None else {"value": value}))
        review.check(name)
        said.append(review.results[name].findings[0].value)

    assert said == [42.0, 1.0, 41.0, 42.0]
    assert review.results[name].options == {}


def test_option_that_was_refused_is_not_given_to_others(case: Case) -> None:
    review = review_of(case)
    review.check("answer", value=1.0)

    with pytest.raises(CaseError, match="no option 'valeu'"):
        review.check("answer", valeu=2.0)
    review.check("needing")

    assert review.results["needing"].findings[0].value == pytest.approx(1.0)


def test_options_of_one_notebook_are_not_given_in_another(case: Case) -> None:
    review_of(case).check("answer", value=1.0)
    other = review_of(case)

    other.check("needing")

    assert other.results["needing"].findings[0].value == pytest.approx(42.0)


@pytest.mark.parametrize("name", ["absent", "needing_absent"])
def test_check_that_cannot_answer_is_listed_with_its_reason(
    case: Case, name: str
) -> None:
    review = review_of(case)

    review.check(name)

    result = review.results[name]
    assert result.status is Status.NOT_ASSESSED
    assert result.reason == Reason.NO_TABLE
    assert "no current table" in (result.message or "")
    assert result.findings[0].status is Status.NOT_ASSESSED


def test_crash_is_listed_with_its_traceback_and_the_notebook_goes_on(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    review = review_of(case)

    review.check("crashing")
    review.check("answer")

    assert review.results["crashing"].reason == Reason.CRASH
    assert "ZeroDivisionError" in (review.results["crashing"].message or "")
    assert "nobody expected this" in capsys.readouterr().err
    assert review.results["answer"].status is Status.PASS


def test_unusable_model_ends_the_notebook_and_leaves_an_event(
    case: Case, tmp_path: Path
) -> None:
    review = review_of(case, tmp_path)

    with pytest.raises(ModelError):
        review.check("refused")

    lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    last = json.loads(lines[-1])
    assert last["event"] == "error"
    assert last["code"] == "MODEL_SCORES"
    assert last["message"] == "The model gave 3 scores for 4 rows."


def test_finish_writes_strict_json_with_the_run_id(case: Case, tmp_path: Path) -> None:
    review = review_of(case, tmp_path)
    review.check("answer")

    review.finish()

    written = json.loads((tmp_path / "results" / "00_baseline.json").read_text("utf-8"))
    assert written["run_id"] == "20260101T000000Z-abcd"
    assert written["complete"] is True
    assert written["interactive"] is False
    assert [one["code"] for one in written["checks"]] == ["U1"]
    assert written["facts"]["metric"] == case.metric.name


def test_tables_are_written_as_csv_without_formulas(case: Case, tmp_path: Path) -> None:
    review = review_of(case, tmp_path)

    review.check("answer")

    assert review.results["answer"].tables == ("U1-all.csv",)
    text = (tmp_path / "tables" / "U1-all.csv").read_text("utf-8")
    assert "'=1+1" in text


def test_interactive_session_writes_nothing_and_says_so(case: Case) -> None:
    review = review_of(case)
    review.check("answer")

    summary = review.finish()

    assert summary.interactive


def test_measurement_is_made_once_and_shared(case: Case) -> None:
    calls = []

    def counted(case: Case, options: Options) -> Measurement:
        calls.append(1)
        return answer(case, options)

    one = found("answer", "U1", counted, defaults={"value": 42.0})
    bench = Bench(case=case, checks={"answer": one}, profile="quick", seed=7)

    first = measured(bench, one, options_of(bench, one, {}))
    again = measured(bench, one, options_of(bench, one, {}))

    assert len(calls) == 1
    assert again.seconds == first.seconds


def test_head_of_the_review_names_the_case(case: Case) -> None:
    html = show.review_html(case.file, "high", "quick")

    assert case.file.title in html
    assert "tier high" in html


def test_open_review_reads_the_run_and_the_notebook_name(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "10_coverage")
    (tmp_path / "run.json").write_text('{"run_id": "r1"}', "utf-8")

    review = open_review(case, run_dir=tmp_path)

    assert (review.run_id, review.notebook) == ("r1", "10_coverage")


def test_open_review_of_a_missing_case_leaves_an_event(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run_id": "r1"}', "utf-8")

    with pytest.raises(CaseError, match="cannot be read"):
        open_review(tmp_path / "absent.toml", run_dir=tmp_path)

    event = json.loads((tmp_path / "events.jsonl").read_text("utf-8"))
    assert event["code"] == "INPUT"


def test_own_checks_of_the_case_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    folder = tmp_path / "my_checks"
    folder.mkdir()
    (folder / "own.py").write_text(
        "from tests.test_review import CHECKS\nCHECK = CHECKS['answer'].check\n",
        "utf-8",
    )
    case = load_case(
        case_file(review={"checks": "my_checks"}),
        base=tmp_path,
        frames=small_frames(),
        model=small_case().model.estimator,
    )

    checks = checks_with(case.base, case.file.review.checks)

    assert checks["own"].check.code == "U1"
    assert "headline_metric" in checks
