from pathlib import Path

import pytest

from readiness.checks import FoundCheck
from readiness.config import CaseFile
from readiness.errors import PolicyError
from readiness.policy import (
    declared,
    find_policy,
    limits_in_force,
    load_policy,
    require_a_required_limit,
)
from readiness.result import Limit
from tests.judging import ACCURACY, AT_LEAST, check_with, policy_with

CASE = CaseFile.model_validate(
    {
        "name": "small",
        "title": "A small case",
        "tier": "high",
        "model": {"path": "m.skops", "task": "binary", "acceptable": 0.7},
        "data": {"reference": "r.parquet", "target": "y"},
        "operation": {"p99_ms": 50.0},
    }
)
SLOPE_LOW = Limit(
    metric="slope", side="at_least", limit=0.8, required_in=(), reason="Not too flat."
)
SLOPE_HIGH = Limit(
    metric="slope", side="at_most", limit=1.25, required_in=(), reason="Not too steep."
)
FOUND = FoundCheck(
    name="headline_metric",
    dimension="baseline",
    check=check_with(AT_LEAST, SLOPE_LOW, SLOPE_HIGH, metrics=("case:metric_loss",)),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_tier_of_the_case_holds() -> None:
    policy = load_policy(None, CASE, [FOUND], "accuracy")

    assert policy.tier == "high"
    assert policy.sha256 is None


def test_tier_of_the_policy_wins(tmp_path: Path) -> None:
    path = write(tmp_path, 'tier = "low"\n')

    policy = load_policy(path, CASE, [FOUND], "accuracy")

    assert policy.tier == "low"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold 1 to"),
        ("tier = ", "not TOML"),
        ('teir = "low"\n', r"unknown key 'teir' \(line 1\)"),
        ('tier = "extreme"\n', "unusable value for 'tier'"),
        (
            '[limits.P1.accuracy]\nlimit = nan\nreason = "x"\n',
            r"'limits.P1.accuracy.limit' \(line 2\): must be a finite number",
        ),
        (
            '[limits.P1.accuracy]\nlimit = "0.5"\nreason = "x"\n',
            "valid number",
        ),
        ("[limits.P1.accuracy]\nlimit = 0.5\n", "lacks the key"),
        ('[limits.Z9.accuracy]\nlimit = 0.5\nreason = "x"\n', "known are P1"),
        (
            '[limits.P1.precision]\nlimit = 0.5\nreason = "x"\n',
            "known are accuracy, accuracy_loss, slope",
        ),
        ('tier = "low"\ntier = "high"\n', "not TOML"),
    ],
    ids=[
        "F053-empty",
        "F053-syntax",
        "F053-unknown-key",
        "F053-wrong-tier",
        "F053-nan",
        "F053-wrong-type",
        "F053-missing-reason",
        "F053-unknown-check",
        "F053-unknown-metric",
        "T20-duplicate-key",
    ],
)
def test_unusable_policy_is_refused_with_the_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(PolicyError, match=message):
        load_policy(path, CASE, [FOUND], "accuracy")


def test_missing_policy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "absent.toml", CASE, [FOUND], "accuracy")


def test_waiver_of_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    text = (
        '[[waivers]]\ncheck = "P1"\nmetric = "precision"\nowner = "risk"\n'
        'reason = "x"\nexpires = 2027-01-31\n'
    )

    with pytest.raises(PolicyError, match="names the metric 'precision'"):
        load_policy(write(tmp_path, text), CASE, [FOUND], "accuracy")


def test_policy_may_limit_a_measured_metric_without_shipped_limit(
    tmp_path: Path,
) -> None:
    text = (
        '[limits.P1.accuracy_loss]\nside = "at_most"\nlimit = 0.1\n'
        'groups = "each"\nreason = "x"\n'
    )
    policy = load_policy(write(tmp_path, text), CASE, [FOUND], "accuracy")

    limits = limits_in_force(FOUND.check, policy, ACCURACY)

    assert limits[-1].limit.metric == "accuracy_loss"
    assert limits[-1].limit.groups == "each"
    assert limits[-1].required


def test_override_of_a_two_sided_metric_needs_its_side(tmp_path: Path) -> None:
    text = '[limits.P1.slope]\nlimit = 0.9\nreason = "x"\n'
    policy = load_policy(write(tmp_path, text), CASE, [FOUND], "accuracy")

    with pytest.raises(PolicyError, match="needs side"):
        limits_in_force(FOUND.check, policy, ACCURACY)


def test_override_of_one_side_keeps_the_other(tmp_path: Path) -> None:
    text = '[limits.P1.slope]\nside = "at_least"\nlimit = 0.9\nreason = "x"\n'
    policy = load_policy(write(tmp_path, text), CASE, [FOUND], "accuracy")

    limits = limits_in_force(FOUND.check, policy, ACCURACY)

    bounds = {(one.limit.metric, one.limit.side): one.bound for one in limits}
    assert bounds[("slope", "at_least")] == pytest.approx(0.9)
    assert bounds[("slope", "at_most")] == pytest.approx(1.25)


@pytest.mark.parametrize(("tier", "required"), [("high", True), ("low", False)])
def test_tier_decides_what_is_required(
    tier: str,
    required: bool,  # noqa: FBT001 (a parametrised case)
) -> None:
    limits = limits_in_force(check_with(AT_LEAST), policy_with(tier), ACCURACY)

    assert limits[0].required is required


def test_policy_that_requires_nothing_is_refused() -> None:
    limits = limits_in_force(check_with(SLOPE_LOW), policy_with(), ACCURACY)

    with pytest.raises(PolicyError, match="requires none"):
        require_a_required_limit(limits)


def test_policy_that_requires_one_limit_is_accepted() -> None:
    limits = limits_in_force(check_with(AT_LEAST), policy_with(), ACCURACY)

    assert require_a_required_limit(limits) is None


def test_case_declares_what_limits_refer_to() -> None:
    case = declared(CASE, "accuracy", higher_is_better=True)

    assert case.values["acceptable"] == pytest.approx(0.7)
    assert case.values["tolerated_loss"] == pytest.approx(0.02)
    assert case.values["operation.p99_ms"] == pytest.approx(50.0)


def test_policy_beside_the_case_is_found_unless_one_is_named(tmp_path: Path) -> None:
    assert find_policy(tmp_path, "") is None
    assert find_policy(tmp_path, "other.toml") == Path("other.toml")

    beside = write(tmp_path, 'tier = "low"\n')

    assert find_policy(tmp_path, "") == beside
