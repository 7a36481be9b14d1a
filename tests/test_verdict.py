from dataclasses import replace

import pytest

from readiness.errors import Reason
from readiness.result import (
    EXIT_CODES,
    CheckResult,
    Finding,
    Outcome,
    Status,
    result_from_dict,
    result_to_dict,
)
from readiness.verdict import adjust, check_status, verdict
from tests.judging import findings_of, result_of, row

PASSES = findings_of(row(0.95, 0.94, 0.96))
FAILS = findings_of(row(0.50, 0.40, 0.60))
OPEN = findings_of(row(0.87, 0.86, 0.88))
ABSENT = findings_of(row(float("nan"), 0.0, 1.0))


def caveat(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(replace(one, required=False) for one in findings)


@pytest.mark.parametrize(
    ("results", "outcome", "exit_code"),
    [
        ([PASSES], Outcome.PASS, 0),
        ([PASSES, FAILS], Outcome.FAIL, 1),
        ([PASSES, OPEN], Outcome.INCOMPLETE, 2),
        ([PASSES, ABSENT], Outcome.INCOMPLETE, 2),
        ([OPEN, FAILS, ABSENT], Outcome.FAIL, 1),
        ([PASSES, caveat(FAILS)], Outcome.PASS, 0),
        ([caveat(PASSES)], Outcome.INCOMPLETE, 2),
        ([], Outcome.INCOMPLETE, 2),
    ],
)
def test_required_findings_decide_the_outcome(
    results: list[tuple[Finding, ...]], outcome: Outcome, exit_code: int
) -> None:
    given = verdict([result_of(one) for one in results])

    assert given.outcome is outcome
    assert EXIT_CODES[given.outcome] == exit_code


def test_crash_outranks_a_fail() -> None:
    crashed = result_of(ABSENT, code="D1", reason=Reason.CRASH)

    given = verdict([result_of(FAILS), crashed])

    assert given.outcome is Outcome.ERROR
    assert given.reason_code is Reason.CRASH
    assert "D1" in given.headline


def test_waived_fail_does_not_fail_the_run() -> None:
    waived = tuple(replace(one, waived=True) for one in FAILS)

    given = verdict([result_of(waived), result_of(PASSES)])

    assert given.outcome is Outcome.PASS


def test_headline_names_value_interval_and_limit() -> None:
    given = verdict([result_of(FAILS)])

    assert given.headline == (
        "Accuracy is 0.500 (0.400 to 0.600) and must be at least 0.87."
    )


def test_headline_of_an_undecided_limit_says_so() -> None:
    given = verdict([result_of(OPEN)])

    assert given.headline == (
        "Accuracy is 0.870 (0.860 to 0.880): the data cannot tell whether it is at "
        "least 0.87."
    )


def test_headline_of_a_number_without_limit_says_that_it_is_not_assessed() -> None:
    open_one = replace(
        OPEN[0], status=Status.NOT_ASSESSED, reason=Reason.NO_ACCEPTABLE, limit=None
    )

    given = verdict([result_of((open_one,))])

    assert given.headline == (
        "Accuracy is 0.870 (0.860 to 0.880), not assessed. The case declares no "
        "acceptable value."
    )


def test_headline_counts_what_else_is_broken() -> None:
    given = verdict([result_of(FAILS), result_of(FAILS), result_of(FAILS)])

    assert given.headline.endswith(" Two more required limits are broken.")


def test_headline_of_an_unassessed_requirement_says_why() -> None:
    given = verdict([result_of(ABSENT), result_of(OPEN)])

    assert given.headline.startswith("Headline metric: not assessed.")
    assert given.headline.endswith("One more required limit is open.")


def borderline(n_required: int) -> list[CheckResult]:
    """Return one fail at p = .0192 among `n_required` required findings."""
    # distance .0207 at half-width .0164 (95 %): z = 1.6449 * .0207/.0164 = 2.0758;
    # one-sided p = .0190.
    fail = findings_of(row(0.8493, 0.8329, 0.8657))
    return [result_of(fail), *[result_of(PASSES)] * (n_required - 1)]


@pytest.mark.parametrize(
    ("n_required", "status"), [(1, Status.FAIL), (2, Status.FAIL), (3, "inconclusive")]
)
def test_holm_takes_back_a_fail_that_many_questions_explain(
    n_required: int, status: Status
) -> None:
    # .0190 <= .05/2 = .025, but > .05/3 = .0167.
    adjusted = adjust(borderline(n_required))

    assert adjusted[0].findings[0].status == status
    assert adjusted[0].status == status


def test_fail_taken_back_says_holm() -> None:
    adjusted = adjust(borderline(5))

    assert adjusted[0].findings[0].reason == Reason.HOLM


def test_holm_steps_down_after_a_clear_fail() -> None:
    # Three required findings: the clear fail is rejected at .05/3, the borderline one
    # (p = .0190) then meets .05/2.
    clear, (borderline_one, passing) = result_of(FAILS), borderline(2)

    adjusted = adjust([clear, borderline_one, passing])

    assert [one.status for one in adjusted] == [Status.FAIL, Status.FAIL, Status.PASS]


def test_caveats_are_not_counted_by_holm() -> None:
    many_caveats = [result_of(caveat(PASSES))] * 50

    adjusted = adjust([*borderline(1), *many_caveats])

    assert adjusted[0].status is Status.FAIL


def test_exact_count_beyond_its_limit_survives_any_number_of_questions() -> None:
    exact = findings_of(row(0.5, 0.5, 0.5))

    adjusted = adjust([result_of(exact), *[result_of(PASSES)] * 999])

    assert adjusted[0].status is Status.FAIL


def test_own_test_outranks_the_interval_in_holm() -> None:
    weak = tuple(replace(one, p_value=0.04) for one in FAILS)

    adjusted = adjust([result_of(weak), result_of(PASSES)])

    assert adjusted[0].status is Status.INCONCLUSIVE


def test_check_takes_the_worst_status_of_its_findings() -> None:
    assert check_status((*PASSES, *ABSENT)) is Status.NOT_ASSESSED
    assert check_status((*PASSES, *ABSENT, *OPEN)) is Status.INCONCLUSIVE
    assert check_status((*PASSES, *OPEN, *FAILS)) is Status.FAIL
    assert check_status(()) is Status.INFO


def left_for_the_full_profile(*, required: bool) -> tuple[Finding, ...]:
    return tuple(
        replace(one, reason=Reason.NOT_IN_PROFILE, required=required) for one in ABSENT
    )


def test_part_of_the_full_profile_does_not_turn_what_was_assessed() -> None:
    later = left_for_the_full_profile(required=False)

    assert check_status((*PASSES, *later)) is Status.PASS
    assert check_status((*FAILS, *later)) is Status.FAIL
    assert check_status(later) is Status.NOT_ASSESSED
    assert check_status((*PASSES, *caveat(ABSENT))) is Status.NOT_ASSESSED


def test_required_part_of_the_full_profile_never_passes() -> None:
    later = (*PASSES, *left_for_the_full_profile(required=True))

    given = verdict([result_of(later)])

    assert check_status(later) is Status.NOT_ASSESSED
    assert given.outcome is Outcome.INCOMPLETE


def test_result_survives_the_round_trip_through_plain_values() -> None:
    result = result_of((*PASSES, *ABSENT))

    assert result_from_dict(result_to_dict(result)) == result
