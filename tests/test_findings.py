import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.config import LimitOverride, Waiver
from readiness.errors import Reason
from readiness.findings import not_assessed
from readiness.policy import Declared, limits_in_force
from readiness.result import Limit, Status
from tests.judging import (
    ACCURACY,
    AT_LEAST,
    check_with,
    findings_of,
    policy_with,
    row,
)

AT_MOST = Limit(
    metric="accuracy",
    side="at_most",
    limit=0.1,
    required_in=(),
    reason="A bound from above.",
)
SEVERITY = (Status.FAIL, Status.INCONCLUSIVE, Status.PASS)


@pytest.mark.parametrize(
    ("ci_low", "ci_high", "status"),
    [
        (0.87, 0.90, Status.PASS),
        (0.80, 0.8699, Status.FAIL),
        (0.86, 0.88, Status.INCONCLUSIVE),
        (0.86, 0.87, Status.INCONCLUSIVE),
    ],
)
def test_whole_interval_on_one_side_decides(
    ci_low: float, ci_high: float, status: Status
) -> None:
    finding = findings_of(row((ci_low + ci_high) / 2, ci_low, ci_high))[0]

    assert finding.status is status


@pytest.mark.parametrize(
    ("ci_low", "ci_high", "status"),
    [
        (0.05, 0.1, Status.PASS),
        (0.11, 0.2, Status.FAIL),
        (0.1, 0.2, Status.INCONCLUSIVE),
    ],
)
def test_upper_limit_mirrors_the_lower_one(
    ci_low: float, ci_high: float, status: Status
) -> None:
    finding = findings_of(row(0.1, ci_low, ci_high), check=check_with(AT_MOST))[0]

    assert finding.status is status


def test_rows_needed_follow_the_half_width_that_faces_the_limit() -> None:
    # value .90, limit .87: distance .03; half-width facing it .06 = .90 - .84.
    # factor = (.06/.03 * (1.644854+.841621)/1.644854)^2 = (2*1.511669)^2 = 9.140574
    # 700 rows * 8.140574 = 5698.4 -> 5699 more rows; 60 blocks * 8.14 -> 489.
    finding = findings_of(row(0.90, 0.84, 0.92, n_blocks=60))[0]

    assert finding.status is Status.INCONCLUSIVE
    assert finding.rows_needed == 5699
    assert finding.blocks_needed == 489


def test_rows_needed_look_up_when_the_value_is_on_the_bad_side() -> None:
    # value .84, limit .87: distance .03, half-width facing it .04 = .88 - .84.
    # factor = (4/3*1.511669)^2 = 4.062478; 700*3.062478 = 2143.7
    finding = findings_of(row(0.84, 0.60, 0.88))[0]

    assert finding.rows_needed == 2144


@pytest.mark.parametrize("value", [0.87, 0.871])
def test_no_rows_are_promised_when_ten_times_the_data_would_not_decide(
    value: float,
) -> None:
    finding = findings_of(row(value, 0.83, 0.91))[0]

    assert finding.status is Status.INCONCLUSIVE
    assert finding.rows_needed is None
    assert finding.reason == Reason.UNDECIDABLE


def test_few_blocks_are_inconclusive_however_clear_the_interval() -> None:
    """F061: fewer than the minimum, with what is missing."""
    finding = findings_of(row(0.95, 0.94, 0.96, n_blocks=20))[0]

    assert finding.status is Status.INCONCLUSIVE
    assert finding.reason == Reason.TOO_FEW_BLOCKS
    assert finding.blocks_needed == 10
    assert finding.rows_needed == 350


def test_censored_value_on_few_blocks_is_no_pass() -> None:
    beyond = row(math.nan, 0.9, math.nan, censored=True, n_blocks=20)

    finding = findings_of(beyond)[0]

    assert finding.status is Status.INCONCLUSIVE
    assert finding.reason == Reason.TOO_FEW_BLOCKS


def test_half_width_beyond_its_limit_asks_for_rows_and_never_fails() -> None:
    # Half-width .10, limit .05: (.10/.05)^2 = 4 times the rows, 3 * 700 = 2100 more.
    limit = Limit(
        metric="accuracy",
        side="at_most",
        limit=0.05,
        required_in=(),
        reason="Precise enough to rank.",
        precision=True,
    )

    finding = findings_of(row(0.10, 0.10, 0.10, n_blocks=60), check=check_with(limit))[
        0
    ]

    assert finding.status is Status.INCONCLUSIVE
    assert finding.rows_needed == 2100
    assert finding.blocks_needed == 180


def test_exact_count_without_blocks_is_judged() -> None:
    finding = findings_of(row(0.95, 0.95, 0.95, n_blocks=math.nan))[0]

    assert finding.status is Status.PASS
    assert finding.n_blocks is None


def test_missing_value_is_not_assessed_with_its_reason() -> None:
    finding = findings_of(row(math.nan, math.nan, math.nan, reason="ONE_CLASS"))[0]

    assert finding.status is Status.NOT_ASSESSED
    assert finding.reason == "ONE_CLASS"
    assert finding.value is None


def test_missing_value_without_reason_is_still_not_a_pass() -> None:
    finding = findings_of(row(math.nan, 0.0, 1.0))[0]

    assert finding.status is Status.NOT_ASSESSED
    assert finding.reason == Reason.NOT_MEASURED


def test_value_blocked_by_an_undecided_base_is_inconclusive() -> None:
    unknown = row(math.nan, math.nan, math.nan, reason="BASE_INCONCLUSIVE")

    finding = findings_of(unknown)[0]

    assert finding.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("ci_low", "status", "reason"),
    [
        (0.9, Status.PASS, None),
        (0.5, Status.INCONCLUSIVE, "BEYOND_SUPPORT"),
        (math.nan, Status.INCONCLUSIVE, "BEYOND_SUPPORT"),
    ],
)
def test_censored_value_is_judged_by_its_lower_limit(
    ci_low: float, status: Status, reason: str | None
) -> None:
    finding = findings_of(row(math.nan, ci_low, math.nan, censored=True))[0]

    assert finding.censored
    assert finding.status is status
    assert finding.reason == reason


def test_row_without_limit_is_information() -> None:
    other = {**row(0.5, 0.4, 0.6), "metric": "recall"}

    findings = findings_of(row(0.95, 0.94, 0.96), other)

    assert [one.status for one in findings] == [Status.PASS, Status.INFO]
    assert findings[1].limit is None


def test_limit_without_a_row_is_not_assessed() -> None:
    other = {**row(0.5, 0.4, 0.6), "metric": "recall"}

    findings = findings_of(other)

    assert findings[1].metric == "accuracy"
    assert findings[1].status is Status.NOT_ASSESSED
    assert findings[1].required


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("whole", [Status.PASS, Status.FAIL, Status.INFO]),
        ("each", [Status.PASS, Status.FAIL, Status.FAIL]),
    ],
)
def test_limit_covers_the_whole_case_or_each_group(
    groups: str, expected: list[Status]
) -> None:
    limit = Limit(
        metric="accuracy",
        side="at_least",
        limit=0.87,
        required_in=(),
        reason="A bound.",
        groups=groups,
    )

    findings = findings_of(
        row(0.95, 0.94, 0.96),
        row(0.5, 0.4, 0.6, group="table=current"),
        row(0.5, 0.4, 0.6, group="sex=F"),
        check=check_with(limit),
    )

    assert [one.status for one in findings] == expected


def test_undeclared_acceptable_value_is_not_assessed() -> None:
    limit = Limit(
        metric="case:metric",
        side="good_side",
        limit="case:acceptable",
        required_in=("low",),
        reason="The owner's bound.",
    )
    undeclared = Declared(
        metric="accuracy", higher_is_better=True, values={"acceptable": None}
    )

    finding = findings_of(
        row(0.95, 0.94, 0.96), check=check_with(limit), declared=undeclared
    )[0]

    assert finding.status is Status.NOT_ASSESSED
    assert finding.reason == Reason.NO_ACCEPTABLE
    assert finding.limit is None


def test_undeclared_plan_is_no_undeclared_acceptable_value() -> None:
    limit = Limit(
        metric="false_alarms",
        side="at_most",
        limit="case:operation.false_alarms_per_month",
        required_in=(),
        reason="As promised.",
    )
    undeclared = Declared(metric="accuracy", higher_is_better=True, values={})
    measured = {**row(0.95, 0.94, 0.96), "metric": "false_alarms"}

    found = findings_of(measured, check=check_with(limit), declared=undeclared)[0]

    assert found.status is Status.NOT_ASSESSED
    assert found.reason == Reason.NOT_DECLARED


@pytest.mark.parametrize(
    ("higher_is_better", "side", "status"),
    [(True, "at_least", Status.PASS), (False, "at_most", Status.FAIL)],
)
def test_acceptable_value_is_a_floor_for_scores_and_a_ceiling_for_errors(
    higher_is_better: bool,  # noqa: FBT001 (a parametrised case)
    side: str,
    status: Status,
) -> None:
    limit = Limit(
        metric="case:metric",
        side="good_side",
        limit="case:acceptable",
        required_in=(),
        reason="The owner's bound.",
    )
    case = Declared(
        metric="accuracy", higher_is_better=higher_is_better, values={"acceptable": 0.9}
    )

    finding = findings_of(
        row(0.95, 0.94, 0.96), check=check_with(limit), declared=case
    )[0]

    assert finding.side == side
    assert finding.limit == pytest.approx(0.9)
    assert finding.limit_set_by == "case file"
    assert finding.status is status


@pytest.mark.parametrize(
    ("expires", "waived"),
    [
        (dt.date(2026, 11, 22), False),
        (dt.date(2026, 11, 23), True),
        (dt.date(2027, 1, 1), True),
    ],
)
def test_waiver_counts_up_to_its_expiry_date(
    expires: dt.date,
    waived: bool,  # noqa: FBT001 (a parametrised case)
) -> None:
    waiver = Waiver(
        check="P1",
        metric="accuracy",
        owner="risk",
        reason="Known and accepted.",
        expires=expires,
    )

    finding = findings_of(row(0.5, 0.4, 0.6), policy=policy_with(waivers=(waiver,)))[0]

    assert finding.status is Status.FAIL
    assert finding.waived is waived


def test_waiver_does_not_touch_a_pass() -> None:
    waiver = Waiver(
        check="P1",
        metric="accuracy",
        owner="risk",
        reason="Known and accepted.",
        expires=dt.date(2027, 1, 1),
    )

    finding = findings_of(row(0.95, 0.94, 0.96), policy=policy_with(waivers=(waiver,)))[
        0
    ]

    assert not finding.waived


def test_policy_file_replaces_the_shipped_limit_and_says_who_set_it() -> None:
    override = LimitOverride(limit=0.99, required=True, reason="The board's bound.")

    finding = findings_of(
        row(0.95, 0.94, 0.96), policy=policy_with(limits={"P1": {"accuracy": override}})
    )[0]

    assert finding.status is Status.FAIL
    assert finding.limit_set_by == "policy file"
    assert finding.limit_reason == "The board's bound."


def test_check_that_could_not_run_lists_every_limit_as_not_assessed() -> None:
    check = check_with(AT_LEAST, AT_MOST)
    limits = limits_in_force(check, policy_with(), ACCURACY)

    findings = not_assessed(limits, Reason.NO_TABLE)

    assert [one.status for one in findings] == [Status.NOT_ASSESSED] * 2
    assert [one.required for one in findings] == [True, False]


@given(
    value=st.floats(0, 1),
    half=st.floats(0, 0.5),
    worse_by=st.floats(0, 1),
)
def test_worse_interval_never_earns_a_better_status(
    value: float, half: float, worse_by: float
) -> None:
    better = findings_of(row(value, value - half, value + half))[0]
    worse_value = value - worse_by
    worse = findings_of(row(worse_value, worse_value - half, worse_value + half))[0]

    assert SEVERITY.index(worse.status) <= SEVERITY.index(better.status)


@pytest.mark.parametrize(("theta", "low", "high"), [(0.87, 0.0, 0.065)])
def test_proportion_at_the_limit_passes_and_fails_rarely(
    theta: float, low: float, high: float
) -> None:
    # 2,000 replicates of n = 700 at the limit; Clopper-Pearson keeps both at <= 5 %,
    # so the observed shares stay below .05 + 3 * sqrt(.05 * .95 / 2000) = .0646.
    from readiness.stats import clopper_pearson  # noqa: PLC0415 (loads scipy)

    rng = np.random.default_rng(7)
    hits = rng.binomial(700, theta, size=2000)
    rows = [row(k / 700, *clopper_pearson(int(k), 700)) for k in hits]

    statuses = [one.status for one in findings_of(*rows)]

    assert low <= statuses.count(Status.PASS) / 2000 <= high
    assert low <= statuses.count(Status.FAIL) / 2000 <= high
