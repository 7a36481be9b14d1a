"""How likely the outcome is to be another one: closed forms, and what is said of it."""

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readiness import identities
from readiness.errors import Reason
from readiness.findings import judge, rejudged
from readiness.identities import other_seeds
from readiness.kept import Kept, Sums
from readiness.publish import SCHEMA
from readiness.redraws import outcome_of, redrawn, required_of
from readiness.result import (
    CheckResult,
    Measurement,
    Outcome,
    Status,
    result_from_dict,
)
from readiness.runner import run_review
from readiness.sign import sign
from readiness.signoffs import read_standing, today_utc
from readiness.stability import stability, with_other_seeds
from readiness.stability_words import stability_lines
from readiness.staging import require_schema
from readiness.stats import summary_frame
from readiness.verdict import adjust
from tests.judging import (
    ACCURACY,
    AT_LEAST,
    TODAY,
    check_with,
    limits_in_force,
    policy_with,
    row,
)
from tests.meetings import FIRST, SECOND, THIRD, alter_run, publish_run
from tests.sample_pages import sample_pages, sample_results
from tests.tiny import FINISH, tiny_case, write_notebook

SE = 0.01
Z_95 = 1.6448536269514722
KEY = ("P1", "roc_auc", "")


def result_with(*findings: dict[str, Any], code: str = "P1") -> CheckResult:
    """Return a check with required findings, each `SE` wide and at least 0.65."""
    check = sample_results()["checks"][0]
    base = check["findings"][0] | {
        "unit": "",
        "se": SE,
        "n_blocks": 200,
        "side": "at_least",
        "limit": 0.65,
        "required": True,
        "status": "pass",
    }
    ones = [base | ends(0.7) | one for one in findings]
    judged = result_from_dict(check | {"code": code, "findings": ones})
    return adjust([replace(judged, findings=tuple(map(rejudged, judged.findings)))])[0]


def ends(value: float) -> dict[str, float]:
    half = Z_95 * SE
    return {"value": value, "ci_low": value - half, "ci_high": value + half}


def sums_of(k: int = 200, seed: int = 3, blocks: str = "1d") -> Sums:
    """Return sums by block of a finding with the standard error `SE`."""
    x = np.random.default_rng(seed).normal(size=k)
    x -= x.mean()
    x *= SE / np.sqrt((x**2).sum() * k / (k - 1))
    return Sums(table="reference", blocks=blocks, block=np.arange(k), influence=x)


def stable(results: list[CheckResult], kept: Kept, seed: int = 7) -> dict[str, Any]:
    found = stability(results, outcome_of(results), kept, seed)
    assert found is not None
    return found


def tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))


def share_turned(results: list[CheckResult], kept: Kept) -> float:
    return 1 - stable(results, kept)["resampling"]["same_share"]


@pytest.mark.parametrize("by_block", [True, False])
@pytest.mark.parametrize("z", [0.0, 0.5, 1.0, 2.0, 6.0])
def test_chance_of_another_outcome_is_a_normal_tail(z: float, by_block: bool) -> None:  # noqa: FBT001 (a parameter)
    # It passes while the lower limit is at or above 0.65; that is z errors above it.
    results = [result_with(ends(0.65 + (Z_95 + z) * SE + 1e-12))]

    turned = share_turned(results, {KEY: (sums_of(),)} if by_block else {})

    # Three standard errors of a share of 1,000 draws, and 1 % for the 200 blocks.
    p = tail(z)
    assert turned == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / 1000) + 0.01)


def test_fail_at_its_boundary_turns_every_other_time() -> None:
    results = [result_with(ends(0.65 - Z_95 * SE - 1e-12))]

    assert outcome_of(results) is Outcome.FAIL
    assert share_turned(results, {KEY: (sums_of(),)}) == pytest.approx(0.5, abs=0.06)


def test_findings_on_the_same_blocks_move_together() -> None:
    # Alike: one chance in two. Apart: both hold one time in four.
    at_boundary = ends(0.65 + Z_95 * SE + 1e-12)
    results = [result_with(at_boundary, at_boundary | {"group": "a=1"})]
    same = sums_of()

    together = share_turned(results, {KEY: (same,), (*KEY[:2], "a=1"): (same,)})
    apart = share_turned(results, {})

    assert together == pytest.approx(0.5, abs=0.06)
    assert apart == pytest.approx(0.75, abs=0.06)


def test_finding_held_against_two_limits_moves_once() -> None:
    # Between 0.65 and 0.65 + 4 Z SE, in the middle: out on each side one time in
    # twenty at most; moved twice, apart, it could break both limits at once.
    middle = ends(0.65 + 2 * Z_95 * SE)
    upper = {"side": "at_most", "limit": 0.65 + 4 * Z_95 * SE}
    required = required_of([result_with(middle, middle | upper)])

    found = redrawn(required, {}, 7)

    n_open = sum(one is Outcome.INCOMPLETE for one in found.outcomes)
    assert n_open / len(found.outcomes) == pytest.approx(0.10, abs=0.03)


def test_wider_of_two_ways_of_summing_moves_the_finding() -> None:
    narrow, wide = sums_of(), sums_of(blocks="tailnum")
    wide.influence[:] *= 3
    results = [result_with(ends(0.65 + (Z_95 + 3) * SE))]

    turned = share_turned(results, {KEY: (narrow, wide)})

    assert turned == pytest.approx(tail(1.0), abs=0.045)


def test_same_seed_draws_the_same_and_another_does_not() -> None:
    results = [result_with(ends(0.65 + (Z_95 + 1) * SE))]
    kept = {KEY: (sums_of(),)}

    first, again, other = (stable(results, kept, seed) for seed in (7, 7, 8))

    assert first == again
    assert first["resampling"]["outcomes"] != other["resampling"]["outcomes"]


def test_what_cannot_be_moved_is_held_and_named() -> None:
    exact = {"metric": "violations", "value": 0, "ci_low": 0, "ci_high": 0, "se": None}
    exact |= {"n_blocks": None, "side": "at_most", "limit": 0}
    absent = {"metric": "lost", "value": None, "reason": "NO_LABELS"}
    results = [result_with({}, exact, absent)]

    found = stable(results, {KEY: (sums_of(),)})["resampling"]

    assert [(one["metric"], one["why"]) for one in found["held"]] == [
        ("violations", "a count without an error"),
        ("lost", "no value to move"),
    ]
    assert (found["by_block"], found["by_se"]) == (1, [])


def test_finding_that_turns_the_outcome_is_named() -> None:
    sure = ends(0.9) | {"group": "a=1"}
    near = ends(0.65 + (Z_95 + 1) * SE)

    found = stable([result_with(sure, near)], {})["resampling"]

    assert found["hangs_on"] == {"check": "P1", "metric": "roc_auc", "group": ""}


def test_fail_that_holm_took_back_is_judged_again_with_the_others() -> None:
    # p = 0.04 fails alone and not among two at 5 % / 2.
    weak = ends(0.65 - 1.75 * SE)
    results = adjust([result_with(weak), result_with({}, code="P2")])
    assert results[0].findings[0].reason == Reason.HOLM

    required = required_of(results)

    assert required.results[0].findings[0].status is Status.FAIL
    assert required.outcome is Outcome.INCOMPLETE


def test_limit_that_turns_the_outcome_first_is_found_to_a_tenth_of_a_percent() -> None:
    # The lower limit is 0.70 - Z SE = 0.68355: 5.16 % above 0.65, where it is open.
    found = stable([result_with({})], {})["limits"]

    low = 0.70 - Z_95 * SE
    assert found["nearest"]["move"] == pytest.approx(low / 0.65 - 1, abs=3e-4)
    assert found["nearest"]["at"] == pytest.approx(low, abs=3e-4)
    assert found["nearest"]["outcome"] == "INCOMPLETE"
    assert (found["stricter"], found["looser"]) == ("INCOMPLETE", "PASS")


def test_ceiling_gets_stricter_downwards() -> None:
    # At most 0.8; the upper limit is 0.71645: 10.4 % below it.
    found = stable([result_with({"side": "at_most", "limit": 0.8})], {})["limits"]

    assert found["nearest"]["move"] == pytest.approx(
        1 - (0.7 + Z_95 * SE) / 0.8, abs=3e-4
    )
    assert (found["stricter"], found["looser"]) == ("PASS", "PASS")


def test_limit_of_nothing_does_not_move() -> None:
    found = stable([result_with({"limit": 0.0})], {})["limits"]

    assert (found["at_zero"], found["nearest"], found["together"]) == (1, None, None)


def test_where_no_limit_turns_it_alone_the_common_move_is_given() -> None:
    # Two fails: no longer a fail where both upper limits reach the limit.
    low = ends(0.60)
    found = stable([result_with(low), result_with(low, code="P2")], {})["limits"]

    assert found["nearest"] is None
    assert found["together"]["outcome"] == "INCOMPLETE"
    # The upper limit 0.61645 lies 5.2 % below 0.65; Holm takes the fails back before.
    assert -0.0517 < found["together"]["move"] < -0.03


def test_limit_that_holds_several_findings_moves_for_all() -> None:
    found = stable([result_with({}, {"group": "table=current"} | ends(0.8))], {})

    assert found["limits"]["nearest"]["metric"] == "roc_auc"
    assert found["limits"]["together"] is None


@pytest.mark.parametrize("value", [0.80, 0.87, 0.90])
@pytest.mark.parametrize("n_blocks", [20, 60])
def test_judging_again_is_judging(value: float, n_blocks: int) -> None:
    check, policy = check_with(AT_LEAST), policy_with()
    measured = row(value, value - 0.02, value + 0.02, n_blocks=n_blocks, n_rows=600)
    limits = limits_in_force(check, policy, ACCURACY)
    measurement = Measurement(summary=summary_frame([measured]))

    (one,) = judge(check, measurement, limits, policy, TODAY)

    assert rejudged(one) == one


def test_moved_finding_is_judged_as_if_measured_there() -> None:
    (one,) = result_with({}).findings

    moved, same = rejudged(one, shift=-0.1), rejudged(one, bound=0.75)

    assert (moved.status, moved.value) == (Status.FAIL, pytest.approx(0.6))
    assert (same.status, same.limit) == (Status.FAIL, 0.75)


def test_run_without_a_verdict_says_nothing_of_its_stability() -> None:
    results = [result_with({})]

    assert stability(results, Outcome.ERROR, {}, 7) is None
    assert stability([], Outcome.INCOMPLETE, {}, 7) is None
    assert stability_lines({"outcome": "ERROR", "stability": None}) == ()
    assert "not computed" in stability_lines({"outcome": "PASS"})[0]


def told(**resampling: object) -> tuple[str, ...]:
    results = sample_results()
    results["stability"]["resampling"] |= resampling
    return stability_lines(results)


@pytest.mark.parametrize(
    ("share", "outcomes", "words"),
    [
        (0.978, {"FAIL": 978, "PASS": 22}, "the same in 98 of 100 draws."),
        (0.999, {"FAIL": 999, "PASS": 1}, "the same in more than 99 of 100 draws."),
        (1.0, {"FAIL": 1000}, "the same in each of 1,000 draws."),
    ],
)
def test_committee_reads_how_often_the_outcome_would_be_the_same(
    share: float, outcomes: dict[str, int], words: str
) -> None:
    hangs_on = {"check": "P3", "metric": "calibration_slope", "group": "table=current"}

    first, *_ = told(same_share=share, outcomes=outcomes, hangs_on=hangs_on)

    assert first == (
        "If other days of the same kind had been drawn, the outcome would be "
        f"{words} It hangs on P3 calibration slope, current rows."
    )


def test_results_with_stability_fit_the_schema_and_stand_on_the_page() -> None:
    results = sample_results()
    first, limits, *rest = stability_lines(results)

    require_schema(results, SCHEMA, "results.json")

    for page in (sample_pages()["index.html"], sample_pages()["report.html"]):
        assert all(f'<p class="stable">{one}</p>' in page for one in (first, limits))
        assert all(f"<li>{one}</li>" in page for one in rest)
    assert [one for one in rest if one.startswith("No other seed was tried")]
    assert rest[-1].endswith("C0, C2, P1, P3 cannot.")


def test_signature_holds_what_was_said_of_the_stability(tmp_path: Path) -> None:
    run = publish_run(tmp_path)

    said = sign(run, role="risk", decision="no-go", note="Not calibrated.")

    (one,) = read_standing(run.parent, today_utc()).sign_offs
    assert one.stability == said == stability_lines(sample_results())[0]


FAILS_ON_NINE = f"""
if seed == 9:
    low = {{"value": 0.3, "ci_low": 0.2, "ci_high": 0.4, "status": "fail"}}
    result["checks"][0]["findings"][0].update(low)
    result["checks"][0]["status"] = "fail"
if (Path(case_file).parent / "broken").exists():
    raise RuntimeError("The feed was down.")
{FINISH}
"""


def seeds_of(case: Path, seed: int) -> dict[str, Any]:
    """Run a case with a seed; return what its results say."""
    summary = run_review(case, out=case.parents[1] / "out", only=["own"], seed=seed)
    if summary.index_path is None:
        return {}
    text = (summary.index_path.parent / "results.json").read_text("utf-8")
    results: dict[str, Any] = json.loads(text)
    return results


def tried(results: dict[str, Any]) -> list[tuple[int, str]]:
    others = results["stability"]["seed"]["others"]
    return [(one["seed"], one["outcome"]) for one in others]


def test_runs_that_differ_in_the_seed_alone_tell_how_likely_a_flip_is(
    tmp_path: Path,
) -> None:
    case = tiny_case(tmp_path / "case")
    write_notebook(case.parent / "own" / "own.ipynb", [], FAILS_ON_NINE)

    first, second, again, third = (seeds_of(case, seed) for seed in (7, 8, 8, 9))
    (case.parent / "broken").touch()
    failed = seeds_of(case, 10)
    (case.parent / "broken").unlink()
    last = seeds_of(case, 7)
    with (case.parent / "case.toml").open("a") as file:
        file.write("# changed\n")
    changed = seeds_of(case, 7)

    assert tried(first) == []
    assert tried(second) == tried(again) == [(7, "PASS")]
    assert tried(third) == [(7, "PASS"), (8, "PASS")]
    assert third["stability"]["seed"]["others"][1]["run_id"] == again["run_id"]
    assert failed["stability"] is None
    assert tried(last) == [(8, "PASS"), (9, "FAIL")]
    assert tried(changed) == []
    assert last["results_digest"] == first["results_digest"]
    # Of two seeds none flips: (1 - p)^2 = 5 %; of two one does: (1 - p)^2 + ... .
    of_one, of_two = (one["stability"]["seed"]["flip_high"] for one in (second, last))
    assert of_one == pytest.approx(0.95)
    assert of_two**2 == pytest.approx(0.95)
    beside = stability_lines(last)[1]
    assert "Of 2 other seeds 1 gave NOT READY (run " in beside
    assert "is at most 97" in " ".join(stability_lines(last)[2:])
    require_schema(last, SCHEMA, "results.json")


@pytest.mark.parametrize(
    "alter",
    [
        lambda one: one.update(profile="full"),
        lambda one: one.update(only=["drift"], partial=True),
        lambda one: one["facts"]["tables"]["reference"].update(sha256="00" * 32),
        lambda one: one["facts"].update(model_sha256="00" * 32),
        lambda one: one["policy"].update(tier="low"),
        lambda one: one["environment"].update(code_sha256="00" * 32),
        lambda one: one.update(complete=False, outcome="ERROR"),
        lambda one: one.pop("facts"),
    ],
    ids=["profile", "only", "rows", "model", "tier", "code", "error", "old"],
)
def test_run_that_differs_in_more_than_its_seed_does_not_count(
    tmp_path: Path,
    alter: Any,  # noqa: ANN401 (a change of results)
) -> None:
    now = sample_results() | {"run_id": THIRD}
    publish_run(tmp_path, FIRST, lambda one: one.update(seed=8))
    folder = publish_run(tmp_path, SECOND, lambda one: one.update(seed=9), alter).parent

    assert [one["seed"] for one in other_seeds(now, folder, None)] == [8]


def test_altered_run_and_one_before_a_waiver_lapsed_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = sample_results() | {"run_id": THIRD}
    alter_run(publish_run(tmp_path, FIRST, lambda one: one.update(seed=8)))
    folder = publish_run(tmp_path, SECOND, lambda one: one.update(seed=9)).parent
    policy = tmp_path / "policy.toml"
    waiver = '[[waivers]]\ncheck = "P1"\nmetric = "roc_auc"\nowner = "me"\n'
    policy.write_text(f'{waiver}reason = "so"\nexpires = 2026-11-22\n', "utf-8")

    found = []
    for day in (22, 23):
        today = dt.date(2026, 11, day)
        monkeypatch.setattr(identities, "today_utc", lambda today=today: today)
        found.append(len(other_seeds(now, folder, policy)))

    assert found == [1, 0]


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([], "No other seed was tried: the same run with another --seed does."),
        (["FAIL"], "1 other seed gave the same outcome (run r0). The chance that a "),
        (["FAIL"] * 5, "5 other seeds gave the same outcome (runs r0, r1, r2 and 2 m"),
        (["PASS", "FAIL"], "Of 2 other seeds 1 gave READY (run r0), 1 the same outco"),
        (["PASS"], "Of 1 other seed 1 gave READY (run r0)."),
    ],
)
def test_committee_reads_what_other_seeds_gave(outcomes: list[str], words: str) -> None:
    results = sample_results()
    others = [
        {"seed": n, "run_id": f"r{n}", "outcome": one} for n, one in enumerate(outcomes)
    ]
    results["stability"] = with_other_seeds(results["stability"], "FAIL", others)

    _, limits, *rest = stability_lines(results)

    assert words in (limits if "PASS" in outcomes else " ".join(rest))
    assert results["stability"]["seed"]["tried"] == 1 + len(others)
