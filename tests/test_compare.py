"""Two runs side by side: worse only beyond noise, lost is never fine, and a gate."""

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readiness.changes import Change, Turn, changes
from readiness.compare import compare_runs, comparison_lines, difference_words
from readiness.compare_page import compare_page
from readiness.errors import Reason, RunError
from readiness.inert import assert_inert
from readiness.sign import sign
from tests.commands import called
from tests.meetings import (
    FIRST,
    SECOND,
    alter_run,
    finding_of,
    moved,
    passing,
    publish_run,
)
from tests.sample_pages import HOSTILE, hostile_results, sample_results

Z_95 = 1.6448536269514722


def runs(tmp_path: Path, *alter: Any) -> tuple[Path, Path]:  # noqa: ANN401 (changes of results)
    """Publish the sample run, and after it the run as altered."""
    return publish_run(tmp_path, FIRST), publish_run(tmp_path, SECOND, *alter)


def change_of(found: tuple[Change, ...], code: str, metric: str) -> Change:
    """Return the change of one finding on the whole case."""
    return next(
        one
        for one in found
        if (one.check.code, one.one.metric, one.one.group) == (code, metric, "")
    )


def one_finding(value: float, half: float, /, **more: object) -> dict[str, Any]:
    """Return results with one required finding, which must be at least 0.65."""
    results = sample_results()
    check = results["checks"][0]
    finding = finding_of(results, "P1", "roc_auc") | {
        "value": value,
        "ci_low": value - half,
        "ci_high": value + half,
        "side": "at_least",
        "limit": 0.65,
        "required": True,
        "status": "pass",
    }
    results["checks"] = [check | {"findings": [finding | more]}]
    return results


def two_limits(value: float, half: float) -> dict[str, Any]:
    """Return results with one finding that must lie between 0.8 and 1.2."""
    results = one_finding(value, half, limit=0.8)
    (low,) = results["checks"][0]["findings"]
    results["checks"][0]["findings"] = [low, low | {"side": "at_most", "limit": 1.2}]
    return results


def test_same_results_hold_no_change() -> None:
    found = changes(sample_results(), sample_results())

    assert {one.turn for one in found} == {Turn.WITHIN, Turn.NO_NUMBERS}
    assert all(one.difference in {0, None} for one in found)
    assert not any(one.limits_changed for one in found)


def test_interval_of_the_difference_squares_and_adds() -> None:
    # Half-widths 0.03 and 0.04: sqrt(0.0009 + 0.0016) = 0.05.
    (one,) = changes(one_finding(0.70, 0.03), one_finding(0.76, 0.04))

    assert one.difference == pytest.approx(0.06)
    assert (one.low, one.high) == pytest.approx((0.01, 0.11))
    assert one.turn is Turn.BETTER


def test_ends_that_face_each_other_are_the_ones_combined() -> None:
    # MOVER: the lower end from the lower end after and the upper end before.
    before = one_finding(0.70, 0, ci_low=0.60, ci_high=0.74)
    after = one_finding(0.80, 0, ci_low=0.77, ci_high=0.99)

    (one,) = changes(before, after)

    assert one.low == pytest.approx(0.10 - math.hypot(0.03, 0.04))
    assert one.high == pytest.approx(0.10 + math.hypot(0.19, 0.10))


@pytest.mark.parametrize(
    ("value", "turn"),
    [
        (0.80, Turn.BETTER),
        (0.72, Turn.WITHIN),
        (0.66, Turn.WITHIN),
        (0.649, Turn.WORSE),
        (0.50, Turn.WORSE),
    ],
)
def test_worse_means_further_than_the_interval_of_the_difference(
    value: float, turn: Turn
) -> None:
    (one,) = changes(one_finding(0.70, 0.03), one_finding(value, 0.04))

    assert one.turn is turn


def test_of_a_ceiling_higher_is_worse() -> None:
    held = {"side": "at_most", "limit": 0.9}

    (one,) = changes(one_finding(0.70, 0.03, **held), one_finding(0.76, 0.04, **held))

    assert one.turn is Turn.WORSE


@pytest.mark.parametrize(
    ("before", "after", "turn"),
    [
        (1.15, 1.00, Turn.BETTER),
        (1.00, 1.15, Turn.WORSE),
        (1.00, 0.85, Turn.WORSE),
        (0.85, 1.15, Turn.WITHIN),
        (0.98, 1.15, Turn.WORSE),
        (0.85, 1.02, Turn.BETTER),
    ],
)
def test_between_two_limits_away_from_the_middle_is_worse(
    before: float, after: float, turn: Turn
) -> None:
    (one,) = changes(two_limits(before, 0.01), two_limits(after, 0.01))

    assert one.turn is turn


def test_exact_counts_differ_without_noise() -> None:
    exact = {"side": "at_most", "limit": 0, "n_blocks": None, "unit": "count"}

    (one,) = changes(one_finding(0, 0, **exact), one_finding(1, 0, **exact))

    assert (one.turn, one.difference) == (Turn.WORSE, 1)
    assert difference_words(one) == "+1"


@pytest.mark.parametrize(
    ("value", "turn"), [(9.3e-15, Turn.WITHIN), (1e-11, Turn.WORSE), (0.0, Turn.WITHIN)]
)
def test_rounding_of_an_exact_number_is_no_move(value: float, turn: Turn) -> None:
    exact = {"side": "at_most", "limit": 1e-6, "n_blocks": None, "unit": "log-odds"}

    (one,) = changes(one_finding(8.9e-15, 0, **exact), one_finding(value, 0, **exact))

    assert one.turn is turn


def test_number_that_is_itself_a_width_has_no_interval() -> None:
    (one,) = changes(one_finding(0.7, 0), one_finding(0.5, 0))

    assert (one.turn, one.difference) == (Turn.NO_NUMBERS, None)


def test_other_unit_is_not_compared() -> None:
    (one,) = changes(one_finding(0.7, 0.01), one_finding(0.5, 0.01, unit="share"))

    assert one.difference is None


def test_end_that_is_open_leaves_the_difference_open_on_its_side() -> None:
    after = one_finding(0.5, 0.01)

    (undecided,) = changes(one_finding(0.7, 0.01, ci_low=None), after)
    (worse,) = changes(one_finding(0.7, 0.01, ci_high=None), after)

    assert (undecided.turn, undecided.high) == (Turn.WITHIN, math.inf)
    assert (worse.turn, worse.low) == (Turn.WORSE, -math.inf)


@pytest.mark.parametrize(
    "after",
    [
        one_finding(0.7, 0.1) | {"checks": []},
        one_finding(0.7, 0.1, value=None, status="not_assessed", reason="NO_LABELS"),
        one_finding(0.7, 0.1, value=None, status="inconclusive", reason="HOLM"),
    ],
)
def test_required_finding_without_a_number_now_is_lost(after: dict[str, Any]) -> None:
    (one,) = changes(one_finding(0.7, 0.01), after)

    assert one.turn is Turn.LOST


def test_finding_without_a_number_before_cannot_be_lost() -> None:
    before = one_finding(0.7, 0.1, value=None, status="not_assessed")

    (one,) = changes(before, one_finding(0.7, 0.1) | {"checks": []})

    assert one.turn is Turn.GONE


def test_status_can_get_worse_within_noise() -> None:
    (one,) = changes(
        one_finding(0.70, 0.03), one_finding(0.68, 0.04, status="inconclusive")
    )

    assert one.turn is Turn.STATUS_WORSE


def test_one_of_many_required_needs_more_than_its_own_interval() -> None:
    def many(last: float) -> dict[str, Any]:
        results = one_finding(0.70, 0.03)
        (finding,) = results["checks"][0]["findings"]
        same = [finding | {"group": f"a={k}"} for k in range(19)]
        other = finding | {"value": last, "ci_low": last - 0.03, "ci_high": last + 0.03}
        results["checks"][0]["findings"] = [*same, other]
        return results

    # Alone -0.05 is 1.18 half-widths of the difference (p = 0.026); of twenty,
    # 0.05 / 20 is needed, which -0.08 (1.89 half-widths, p = 0.001) is below.
    alone = changes(one_finding(0.70, 0.03), one_finding(0.65, 0.03))[0]
    little = change_of(changes(many(0.70), many(0.65)), "P1", "roc_auc")
    much = change_of(changes(many(0.70), many(0.62)), "P1", "roc_auc")

    assert [one.turn for one in (alone, little, much)] == [
        Turn.WORSE,
        Turn.WITHIN,
        Turn.WORSE,
    ]


def test_gate_raises_a_false_alarm_at_most_once_in_twenty_runs() -> None:
    # Two runs of the same truth, twelve required findings with independent errors.
    rng = np.random.default_rng(7)
    half = 0.02 * Z_95

    def drawn() -> dict[str, Any]:
        results = one_finding(0.7, half)
        (finding,) = results["checks"][0]["findings"]
        values = rng.normal(0.7, 0.02, 12).tolist()
        results["checks"][0]["findings"] = [
            finding
            | {"group": f"a={k}", "value": v, "ci_low": v - half, "ci_high": v + half}
            for k, v in enumerate(values)
        ]
        return results

    alarms = [
        any(one.turn is Turn.WORSE for one in changes(drawn(), drawn()))
        for _ in range(600)
    ]

    # Holm at 5 %: at most 0.05 + three standard errors of 600 trials (0.027).
    assert 0.02 < sum(alarms) / 600 < 0.077


def test_word_for_nothing_found_says_what_would_have_been_seen(tmp_path: Path) -> None:
    # Equal runs: both limits lie 0.029 below and 0.030 above 0.701.
    half = math.hypot(0.029, 0.030)

    last = comparison_lines(compare_runs(*runs(tmp_path)))[-1]

    assert f"Of AUC, a move of {half:.4f} would stand out." in last


def test_runs_without_required_findings_in_common_tell_nothing(
    tmp_path: Path,
) -> None:
    def optional(results: dict[str, Any]) -> None:
        for check in results["checks"]:
            check["findings"] = [one | {"required": False} for one in check["findings"]]

    before = publish_run(tmp_path, FIRST, optional)
    after = publish_run(tmp_path, SECOND, optional)

    comparison = compare_runs(before, after)

    assert comparison.gate == 2
    assert comparison_lines(comparison)[-1] == (
        "CANNOT TELL: No required finding has a number with an interval in both runs."
    )


def test_gravest_change_comes_first(tmp_path: Path) -> None:
    before, after = runs(
        tmp_path,
        moved("P1", "roc_auc", 0.60, 0.02, status="fail"),
        moved("P2", "gain_over_majority", 0.30, 0.02),
    )

    found = compare_runs(before, after).changes

    assert (found[0].check.code, found[0].turn) == ("P1", Turn.WORSE)
    assert found[1].turn is Turn.BETTER


@pytest.mark.parametrize(
    ("alter", "gate", "word"),
    [
        ([], 0, "NOT WORSE BEYOND NOISE"),
        ([moved("P1", "roc_auc", 0.60, 0.02)], 1, "WORSE"),
        ([moved("P1", "roc_auc", 0.68, 0.02)], 0, "NOT WORSE BEYOND NOISE"),
        ([moved("P1", "roc_auc", 0.80, 0.02)], 0, "NOT WORSE BEYOND NOISE"),
        ([lambda one: one["checks"].pop(0)], 2, "CANNOT TELL"),
    ],
)
def test_gate_leaves_with_the_code_of_what_it_found(
    alter: list[Any],
    gate: int,
    word: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, after = runs(tmp_path, *alter)

    gated = called(capsys, "compare", before, after, "--gate")()
    told = called(capsys, "compare", before, after)()

    assert (gated[0], told[0]) == (gate, 0)
    assert gated[1].splitlines()[-1].startswith(f"{word}: ")


def test_overdue_condition_fails_the_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = runs(tmp_path)
    sign(
        before,
        role="risk",
        decision="go-with-conditions",
        note="For a month.",
        conditions=["Recalibrate|modelling|2020-02-01"],
        now=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    )

    code, stdout, _ = called(capsys, "compare", before, after, "--gate")()

    assert code == 1
    assert "overdue: condition 1, due 2020-02-01, modelling: Recalibrate" in stdout


@pytest.mark.parametrize("place", [0, 1])
def test_altered_run_is_not_compared(
    place: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = runs(tmp_path)
    alter_run(both[place])

    code, _, stderr = called(capsys, "compare", *both, "--gate")()

    assert code == 3
    assert stderr.startswith("error: ALTERED: ")


def test_folder_that_is_no_run_is_a_usage_error(tmp_path: Path) -> None:
    run = publish_run(tmp_path)

    with pytest.raises(RunError) as caught:
        compare_runs(run, tmp_path)

    assert caught.value.code is Reason.USAGE


def test_changed_limits_and_inputs_are_told_t40(tmp_path: Path) -> None:
    def other(results: dict[str, Any]) -> None:
        finding_of(results, "P1", "roc_auc")["limit"] = 0.6
        results["inputs"]["model"] = results["facts"]["model_sha256"] = "ab" * 32
        results["policy"]["tier"] = "low"

    page = compare_page(compare_runs(*runs(tmp_path, other)))

    assert "<td>at least 0.65, required; set by case file</td>" in page
    assert "<td>at least 0.6, required; set by case file</td>" in page
    assert "<td>b2b2b2b2b2b2</td><td>abababababab</td>" in page
    assert "<td>tier</td><td>high</td><td>low</td>" in page


def test_page_says_that_shared_rows_are_compared_as_independent(
    tmp_path: Path,
) -> None:
    def other_rows(results: dict[str, Any]) -> None:
        for table in results["facts"]["tables"].values():
            table["sha256"] = "00" * 32

    shared = compare_page(compare_runs(*runs(tmp_path / "a")))
    apart = compare_page(compare_runs(*runs(tmp_path / "b", other_rows)))

    assert "as if their estimates were independent" in shared
    assert "as if their estimates were independent" in apart
    assert "read the same training and reference and current rows" in shared
    assert "read the same" not in apart


def test_page_is_inert_and_well_formed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = runs(tmp_path, moved("P1", "roc_auc", 0.60, 0.02, status="fail"))

    code, stdout, _ = called(
        capsys, "compare", before, after, "--out", tmp_path / "new" / "page.html"
    )()
    page = (tmp_path / "new" / "page.html").read_text("utf-8")

    assert (code, stdout.splitlines()[-1]) == (0, f"{tmp_path / 'new' / 'page.html'}")
    assert_inert(page)
    assert page.count("<h1") == page.count("<main") == 1
    assert page.count("<table") == page.count("<caption")
    assert "1 required finding got worse beyond noise: AUC, from 0.701 to 0.600" in page


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    def hostile(results: dict[str, Any]) -> None:
        kept = {name: results[name] for name in ("run_id", "created_utc", "case")}
        results |= hostile_results() | kept
        results["policy"]["tier"] = results["only"] = [" ".join(HOSTILE)]

    comparison = compare_runs(*runs(tmp_path, hostile))
    page = compare_page(comparison)

    assert_inert(page)
    assert "&lt;script&gt;" in page
    assert all("\x1b" not in one for one in comparison_lines(comparison))


def test_moved_share_is_told_in_points() -> None:
    share = {"unit": "share", "side": "at_most"}

    (one,) = changes(
        one_finding(0.10, 0.03, **share), one_finding(0.165, 0.04, **share)
    )

    assert difference_words(one) == "+6.50 points (1.50 to 11.5 points)"


@pytest.mark.parametrize("name", ["page.txt", "inside/page.html", "folder.html"])
def test_page_goes_nowhere_else_than_to_a_page_outside_of_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = runs(tmp_path)
    (tmp_path / "folder.html").mkdir()
    place = before / "page.html" if name.startswith("inside") else tmp_path / name

    code, _, stderr = called(capsys, "compare", before, after, "--out", place)()

    assert code == 3
    assert "must be a file .html outside of any run" in stderr
    assert not place.is_file()


def test_runs_of_another_case_are_compared_and_named(tmp_path: Path) -> None:
    before = publish_run(tmp_path, FIRST, passing)
    after = publish_run(tmp_path, SECOND, lambda one: one.update(case="challenger"))

    page = compare_page(compare_runs(before, after))

    assert json.loads((after / "results.json").read_text())["case"] == "challenger"
    assert "<bdi>flight-delay</bdi> and <bdi>challenger</bdi>" in page
