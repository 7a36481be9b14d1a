"""D1 and D2: outliers, joint directions, and losses nobody declared."""

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.drift import measurement_tilt, population_tilt
from readiness.checks.drift._base import base_of, outlying, window_codes
from readiness.checks.drift._directions import COMPONENT, HISTORY, directions
from readiness.checks.drift._sentences import default_loss_sentences
from readiness.config import CaseFile
from readiness.errors import Reason
from readiness.findings import judge
from readiness.policy import LimitInForce
from readiness.result import Check, Limit, Measurement, Options, Status
from tests.checks.test_population_tilt import line_case, rows_of_days
from tests.judging import TODAY, check_with, policy_with

RHO = 0.8
# Along the first component of two columns with correlation rho, a move of δ moves each
# by δ √((1 + rho) / 2); the line loses its tolerated loss at half an SD of x.
ALONG = 0.5 / np.sqrt((1 + RHO) / 2)
LIMIT = Limit(
    metric="mean_loss_budget",
    side="at_least",
    limit=0.5,
    required_in=("high",),
    reason="Half a standard deviation.",
    groups="each",
)


def measured(check: Check, case: Case, **options: int) -> Measurement:
    return check.measure(case, Options(values={**check.defaults, **options}))


def row(measurement: Measurement, metric: str, group: str) -> pd.Series:
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


def two_columns(seed: int, *, slope: float) -> pd.DataFrame:
    """Return y = slope x + noise, and v that hangs together with x."""
    rng = np.random.default_rng(seed)
    n = 20_000
    x = rng.standard_normal(n)
    v = RHO * x + np.sqrt(1 - RHO**2) * rng.standard_normal(n)
    y = slope * x + rng.standard_normal(n)
    return pd.DataFrame({"x": x, "v": v, "y": y, "day": np.arange(n) % 400})


@pytest.fixture(scope="module")
def joint() -> Measurement:
    # The line is off by 0.5 x: R = 1 + 0.25 (1 + δ²) when x moves by δ.
    case = line_case(two_columns(1, slope=1.0), acceptable=None)
    return measured(population_tilt.CHECK, case)


def test_population_along_the_first_component_follows_the_closed_form(
    joint: Measurement,
) -> None:
    found = row(joint, "direction_loss_budget", COMPONENT)

    assert found["ci_low"] < ALONG < found["ci_high"]
    assert found["value"] == pytest.approx(ALONG, abs=0.06)
    assert found["unit"] == "SD"


def test_readings_along_the_first_component_follow_the_closed_form() -> None:
    # R = 1 + 1.5² δ²: 0.5625 is lost at half an SD of x.
    rows = two_columns(2, slope=1.5)
    case = line_case(rows, acceptable=None)
    file = case.file.model_dump(mode="json")
    file["model"]["tolerated_loss"] = 0.5625
    case = load_case(
        CaseFile.model_validate(file),
        frames={"reference": rows},
        model=case.model.estimator,
    )

    measurement = measured(measurement_tilt.CHECK, case, rows=20_000)

    # Between two points the curve is taken as straight: the loss is found 0.01 early.
    found = row(measurement, "direction_loss_budget", COMPONENT)
    assert found["ci_low"] < ALONG < found["ci_high"] + 0.01
    assert found["value"] == pytest.approx(ALONG, abs=0.02)


def test_notes_say_what_a_direction_is_made_of(joint: Measurement) -> None:
    said = " ".join(joint.notes)

    assert f"The {COMPONENT} is mostly " in said
    assert "x up" in said
    assert "v up" in said


def test_direction_of_history_is_the_one_between_window_means() -> None:
    rng = np.random.default_rng(3)
    rows = rows_of_days(3, days=80)
    month = rows["day"] // 20
    rows["up"] = rng.standard_normal(len(rows)) + month
    rows["down"] = rng.standard_normal(len(rows)) - month
    rows["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows["day"], unit="D")
    case = line_case(rows, time="when", window="20d", ignore=["when"])
    base = base_of(case)

    found = {one.name: one for one in directions(base, window_codes(base))}

    shares = found[HISTORY].shares
    assert abs(shares["up"]) == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert shares["down"] == pytest.approx(-shares["up"], abs=0.05)
    assert abs(shares["x"]) < 0.2
    means = rows.assign(when=found[HISTORY].place[np.argsort(base.rows)])
    by_window = means.groupby(month)["when"].mean()
    expected = np.ptp(by_window) / found[HISTORY].place.std()
    assert found[HISTORY].past == pytest.approx(expected, rel=0.25)


def test_one_column_has_no_direction() -> None:
    case = line_case(rows_of_days(4, days=30))

    measurement = measured(population_tilt.CHECK, case)

    found = row(measurement, "direction_loss_budget", "")
    assert found["reason"] == Reason.NO_COLUMNS


def test_outliers_lie_beyond_the_fences_of_tukey() -> None:
    values = np.array([-10.0, *np.linspace(0, 4, 41), 10.0, np.nan])

    found = outlying(values)

    # Quartiles 1 and 3 of 0 to 4 within 0.05: fences near -2 and 6.
    assert found.tolist() == [True, *[False] * 41, True, False]
    assert not outlying(np.array([0.0, 0.0, 0.0, 0.0, 9.0])).any()
    assert not outlying(np.array([np.nan])).any()


def test_budget_of_the_share_of_outliers_follows_the_closed_form() -> None:
    # The error is 1 on ordinary rows and 2 on outliers: a share moved by s costs 3 s.
    rng = np.random.default_rng(5)
    n = 20_000
    x = rng.standard_t(2, n)
    error = np.where(outlying(x), 2.0, 1.0) * rng.choice([-1.0, 1.0], n)
    rows = pd.DataFrame({"x": x, "y": x + error, "day": np.arange(n) % 400})

    measurement = measured(population_tilt.CHECK, line_case(rows, slope=1.0))

    found = row(measurement, "outlier_loss_budget", "x")
    assert found["value"] == pytest.approx(0.0625 / 3, rel=1e-6)
    assert found["direction"] == "up"


def test_readings_far_off_follow_the_closed_form() -> None:
    # x reads ± 5 SD: the line is off by 1.5 (± 5 - x), which costs 1.5² · 26 a row.
    rows = two_columns(6, slope=1.5)[["x", "y", "day"]]
    case = line_case(rows, acceptable=None)

    measurement = measured(measurement_tilt.CHECK, case, rows=20_000)

    found = row(measurement, "outlier_loss_budget", "x")
    assert found["value"] == pytest.approx(0.0625 / (2.25 * 26), rel=0.02)


def test_a_default_loss_is_named_in_the_unit_of_the_target() -> None:
    rows = rows_of_days(7, days=30)
    case = line_case(rows)
    file = case.file.model_dump(mode="json", exclude_unset=True)
    del file["model"]["tolerated_loss"]
    undeclared = load_case(
        CaseFile.model_validate(file),
        frames={"reference": rows},
        model=case.model.estimator,
    )

    (said,) = default_loss_sentences(undeclared, 1.6)

    assert "the default of 0.02 is taken as it stands" in said
    assert "1.25 % of today's 1.6" in said
    assert "5 % of today's would be 0.08" in said
    assert default_loss_sentences(case, 1.6) == []
    notes = measured(population_tilt.CHECK, undeclared).notes
    assert any(one.startswith("The case declares no tolerated loss") for one in notes)


def level_line(seed: int, truth: float) -> Case:
    """Return a line whose readings lose the tolerated loss at a move of `truth`."""
    rng = np.random.default_rng(seed)
    days, per_day = 80, 20
    day = np.repeat(np.arange(days), per_day)
    x = rng.standard_normal(days * per_day)
    noise = rng.normal(0, np.sqrt(0.5), days)[day]
    noise += rng.normal(0, np.sqrt(0.5), days * per_day)
    rows = pd.DataFrame({"x": x, "y": 1.5 * x + noise, "day": day})
    case = line_case(rows, acceptable=None)
    file = case.file.model_dump(mode="json")
    file["model"]["tolerated_loss"] = (1.5 * truth) ** 2
    return load_case(
        CaseFile.model_validate(file),
        frames={"reference": rows},
        model=case.model.estimator,
    )


def status_at_limit(measurement: Measurement) -> Status:
    """Return what the gate says of x when half an SD is asked for."""
    summary = measurement.summary
    rows = summary[(summary["metric"] == LIMIT.metric) & (summary["group"] == "x")]
    limits = (LimitInForce(limit=LIMIT, bound=0.5, required=True, set_by="test"),)
    (found,) = judge(
        check_with(LIMIT),
        Measurement(summary=rows),
        limits,
        policy_with(),
        TODAY,
    )
    return found.status


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_interval_of_a_reading_budget_covers_the_true_one() -> None:
    found = [
        row(
            measured(measurement_tilt.CHECK, level_line(seed, 0.5)),
            "mean_loss_budget",
            "x",
        )
        for seed in range(150)
    ]

    low = np.mean([one["ci_low"] <= 0.5 for one in found])
    high = np.mean([one["ci_high"] >= 0.5 for one in found])
    both = np.mean([one["ci_low"] <= 0.5 <= one["ci_high"] for one in found])

    assert min(low, high) >= 0.92
    assert both >= 0.93


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("truth", "never", "mostly"),
    [
        (0.35, Status.PASS, Status.FAIL),
        (0.7, Status.FAIL, Status.PASS),
    ],
)
def test_gate_of_readings_is_rarely_wrong_and_decides_away_from_its_limit(
    truth: float, never: Status, mostly: Status
) -> None:
    found = [
        status_at_limit(measured(measurement_tilt.CHECK, level_line(seed, truth)))
        for seed in range(100, 160)
    ]

    assert found.count(never) == 0
    assert found.count(mostly) > 30


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("check", [population_tilt.CHECK, measurement_tilt.CHECK])
def test_gate_at_its_limit_passes_and_fails_in_one_of_twenty_at_most(
    check: Check,
) -> None:
    # The line of the population loses 0.0625 at exactly half an SD; so do the readings.
    cases = (
        level_line(seed, 0.5)
        if check.code == "D2"
        else line_case(rows_of_days(seed, days=80, per_day=20), acceptable=None)
        for seed in range(200, 320)
    )

    found = [status_at_limit(measured(check, case)) for case in cases]

    # Binomial: at most 5 % of 120, within its 99 % limit.
    assert found.count(Status.PASS) <= 12
    assert found.count(Status.FAIL) <= 12
    assert found.count(Status.INCONCLUSIVE) > 80
