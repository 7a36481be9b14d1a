import numpy as np
import pytest

from readiness.checks.coverage._riley import (
    binary_rows,
    highest_r2,
    number_rows,
    r2_of_area,
)
from readiness.checks.coverage.sample_size import CHECK
from readiness.errors import NotAssessedError, Reason
from readiness.result import Options, Status
from readiness.scoring import scores
from tests.cases import binary_case, multiclass_case, regression_case, small_frames
from tests.coverage_cases import (
    findings,
    measure,
    plain_case,
    reasons,
    values,
    with_target,
)

NAME = "sample_size"


def test_binary_rows_as_published() -> None:
    needed = binary_rows(24, 0.288, 0.174)

    assert (needed.shrinkage, needed.optimism, needed.intercept) == (623, 662, 221)
    assert needed.rows == 662
    assert round(needed.rows * 0.174 / 24, 1) == 4.8  # events per parameter
    assert highest_r2(0.174) == pytest.approx(0.603, abs=5e-4)


def test_area_gives_the_published_r2_and_rows() -> None:
    r2 = r2_of_area(0.89, 0.174)
    needed = binary_rows(24, r2, 0.174)

    # The published .2908 comes from a simulation of a million rows.
    assert r2 == pytest.approx(0.2908, abs=5e-4)
    assert (needed.shrinkage, needed.optimism, needed.intercept) == (615, 660, 221)


def test_area_gives_the_r2_of_a_simulation() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(400_000) < 0.3
    shift = 2**0.5 * 0.8416212335729143  # an area of 0.8
    logit = np.log(0.3 / 0.7) - shift**2 / 2 + shift * rng.normal(y * shift, 1.0)
    fitted = np.mean(-np.logaddexp(0, np.where(y, -logit, logit)))
    empty = 0.3 * np.log(0.3) + 0.7 * np.log(0.7)

    assert r2_of_area(0.8, 0.3) == pytest.approx(
        1 - np.exp(-2 * (fitted - empty)), abs=0.003
    )


def test_number_rows_as_published() -> None:
    needed = number_rows(25, 0.2, 1.9, 0.6)

    found = (needed.shrinkage, needed.optimism, needed.residual, needed.intercept)
    assert found == (918, 401, 259, 918)


def test_parameters_are_counted_from_the_columns() -> None:
    got = measure(NAME, binary_case())

    # wind, distance, visibility; carrier with three values; holiday with two.
    assert "with 6 parameters" in got.notes[0]


def test_rows_are_enough_for_few_parameters_and_missing_for_many() -> None:
    frames = small_frames()
    case = binary_case()

    assert findings(NAME, case)["missing_rows/"].status is Status.PASS
    got = measure(NAME, case, parameters=500)
    assert values(got, "missing_rows")[""] > 0
    needed = got.tables["criteria"]["rows_needed"].max()
    assert values(got, "missing_rows")[""] == needed - len(frames["training"])


def test_interval_follows_from_that_of_the_strength() -> None:
    got = measure(NAME, binary_case(), parameters=500).summary.iloc[0]

    assert got["ci_low"] < got["value"] < got["ci_high"]


def test_number_is_assessed_and_several_classes_are_not() -> None:
    number = measure(NAME, regression_case())

    # Two hundred thirty-four rows and one a parameter for the spread alone.
    assert number.tables["criteria"]["rows_needed"].iloc[3] == 234 + 6
    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, multiclass_case())

    assert caught.value.code is Reason.NOT_THIS_TASK


def test_quick_profile_says_that_the_curve_needs_the_full_one() -> None:
    got = measure(NAME, binary_case())

    assert reasons(got)[""] == Reason.NOT_IN_PROFILE
    assert "learning_curve" not in got.tables


@pytest.mark.parametrize("make", [binary_case, regression_case])
def test_learning_curve_ends_at_the_reviewed_model(make) -> None:  # noqa: ANN001 (a maker of cases)
    case = make()

    got = CHECK.measure(case, Options(values=dict(CHECK.defaults), profile="full"))

    curve = got.tables["learning_curve"]
    judged = scores(case, "reference")
    whole = case.metric.estimate(judged.y_true, judged.y_score).value
    assert curve["share"].tolist() == [0.5, 0.7, 0.85, 1.0]
    assert curve["rows"].is_monotonic_increasing
    assert curve["rows"].iloc[-1] == 1200
    assert curve["value"].iloc[-1] == pytest.approx(whole, abs=1e-6)
    first, last = curve["value"].iloc[[0, -1]]
    gain = last - first if case.higher_is_better else first - last
    assert values(got, "doubling_gain")[""] == pytest.approx(gain)


def test_without_training_it_is_not_assessed() -> None:
    rows = with_target(small_frames()["reference"])
    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, plain_case(features=["wind"], reference=rows))

    assert caught.value.code is Reason.NO_TABLE
