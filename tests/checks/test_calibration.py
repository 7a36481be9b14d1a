"""P3: calibration, by hand, on bad and sound models, and on odd tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from readiness.case import Case
from readiness.checks.baseline.calibration import CHECK, alt, draw
from readiness.errors import NotAssessedError, Reason
from readiness.recalibration import intercept, slope
from readiness.result import Limit, Status
from tests.scored import (
    findings,
    measured,
    row_of,
    rows_of,
    scored_case,
    title_of,
)

N = 4000
BLOCK = np.repeat(np.arange(80), 50)


def late_rows(seed: int, true_slope: float, shift: float = 0.0) -> pd.DataFrame:
    """Return rows of a model whose log-odds need this slope and shift to be right."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.5, N)
    late = rng.random(N) < expit(shift + true_slope * odds)
    return rows_of(late.astype(int), expit(odds), site=BLOCK)


def delay_rows(seed: int, off: float = 0.0, noise: float = 1.0) -> pd.DataFrame:
    """Return rows of a regression that predicts too high by `off`."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(10, 3, N)
    return rows_of(truth, truth + off + noise * rng.normal(size=N), site=BLOCK)


def sited_case(*tables: pd.DataFrame, task: str = "binary") -> Case:
    return scored_case(*tables, task=task, data={"block": "site"})


def test_slope_is_that_of_logistic_regression_on_the_log_odds() -> None:
    rows = late_rows(1, 0.7, 0.3)
    odds = logit(rows[["score"]].to_numpy())
    fitted = LogisticRegression(C=1e12, tol=1e-10).fit(odds, rows["y"])

    estimate = slope(rows["y"].to_numpy(), rows["score"].to_numpy(), None)

    assert estimate.value == pytest.approx(fitted.coef_[0, 0], abs=1e-5)


def test_slope_of_two_groups_by_hand() -> None:
    # At 0.2 one in ten comes true, at 0.8 nine in ten: slope log 9 / log 4.
    score = np.repeat([0.2, 0.8], 100)
    y = np.concatenate([np.arange(100) < 10, np.arange(100) < 90]).astype(int)

    row = row_of(
        measured("calibration", scored_case(rows_of(y, score))), "calibration_slope"
    )

    assert row["value"] == pytest.approx(np.log(9) / np.log(4))


def test_intercept_of_one_probability_by_hand() -> None:
    # 0.5 is said, 0.2 comes true: the log-odds are too high by log 4.
    score, y = np.full(100, 0.5), (np.arange(100) < 20).astype(int)

    measurement = measured("calibration", scored_case(rows_of(y, score)))

    assert row_of(measurement, "calibration_intercept")["value"] == pytest.approx(
        -np.log(4)
    )
    without_slope = row_of(measurement, "calibration_slope")
    assert np.isnan(without_slope["value"])
    assert without_slope["reason"] == Reason.NOT_MEASURED


def test_shift_of_labels_moves_the_intercept_by_log_odds_and_leaves_the_slope() -> None:
    # Each score with both outcomes, weighted by its chance: calibrated without error.
    score = np.linspace(0.05, 0.95, 19)
    y, p = np.repeat([0.0, 1.0], 19), np.concatenate([score, score])
    chance = np.where(y == 1, p, 1 - p)  # half of the rows are positive
    before = slope(y, p, chance).value, intercept(y, p, chance).value

    rarer = chance * np.where(y == 1, 0.2 / 0.5, 0.8 / 0.5)  # now one in five

    after = slope(y, p, rarer).value, intercept(y, p, rarer).value
    assert before == pytest.approx((1.0, 0.0), abs=1e-6)
    assert after == pytest.approx((1.0, np.log(0.2 / 0.8) - np.log(1.0)), abs=1e-6)


@pytest.mark.parametrize("estimator", [slope, intercept])
def test_influence_is_the_derivative_by_row_weight(estimator: object) -> None:
    rows = late_rows(1, 0.7).iloc[:500]
    y, p = rows["y"].to_numpy(float), rows["score"].to_numpy()
    weight = np.random.default_rng(0).random(500) + 0.5
    more, less = weight.copy(), weight.copy()
    more[3] += 1e-4
    less[3] -= 1e-4

    found = estimator(y, p, weight).influence[3]

    change = (estimator(y, p, more).value - estimator(y, p, less).value) / 2e-4
    assert found == pytest.approx(
        change * weight.sum() * weight[3] / weight.mean(), rel=1e-4
    )


def test_slope_of_classes_finds_the_temperature() -> None:
    # Probabilities raised to 1 / 0.6 and normalised need the slope 0.6.
    rng = np.random.default_rng(3)
    right = rng.dirichlet([1.0, 2.0, 3.0], 20_000)
    code = (rng.random((20_000, 1)) > right.cumsum(axis=1)).sum(axis=1)
    sharp = right ** (1 / 0.6)

    estimate = slope(code, sharp / sharp.sum(axis=1, keepdims=True), None)

    assert estimate.value == pytest.approx(0.6, abs=0.03)


def test_slope_of_two_classes_is_the_same_either_way() -> None:
    rows = late_rows(1, 0.7)
    y, p = rows["y"].to_numpy(), rows["score"].to_numpy()

    one = slope(y, p, None)
    two = slope(y, np.column_stack([1 - p, p]), None)

    assert one.value == pytest.approx(two.value, abs=1e-12)


def test_overconfident_model_fails() -> None:
    case = sited_case(late_rows(1, 0.5))

    judged = findings("calibration", case, measured("calibration", case))

    status = {one.side: one.status for one in judged if one.limit is not None}
    assert status == {"at_least": Status.FAIL, "at_most": Status.PASS}
    assert all(one.required for one in judged if one.limit is not None)


def test_calibrated_model_passes_on_both_tables() -> None:
    case = sited_case(late_rows(1, 1.0), late_rows(2, 1.0))

    judged = findings("calibration", case, measured("calibration", case))

    held = [one for one in judged if one.limit is not None]
    assert len(held) == 4
    assert {one.status for one in held} == {Status.PASS}


def test_separated_classes_have_no_slope() -> None:
    case = scored_case(rows_of([0, 0, 1, 1] * 20, [0.1, 0.2, 0.8, 0.9] * 20))

    row = row_of(measured("calibration", case), "calibration_slope")

    assert np.isnan(row["value"])
    assert row["reason"] == Reason.NOT_MEASURED


def test_one_class_is_unknown_not_calibrated() -> None:
    case = scored_case(
        rows_of([1] * 30, np.linspace(0.1, 0.9, 30)), model={"positive": 1}
    )

    measurement = measured("calibration", case)

    assert set(measurement.summary["reason"]) == {Reason.ONE_CLASS}
    assert alt(measurement).startswith("The calibration of the model could not")


def test_probabilities_of_zero_and_one_are_clipped() -> None:
    rows = late_rows(1, 1.0)
    rows.loc[:9, "score"] = [0.0] * 5 + [1.0] * 5

    row = row_of(measured("calibration", sited_case(rows)), "calibration_slope")

    assert 0 < row["value"] < 1


def test_class_answers_are_not_assessed(binary_case: Case) -> None:
    """F118."""
    case = replace(binary_case, model=replace(binary_case.model, outputs="class"))

    with pytest.raises(NotAssessedError) as caught:
        measured("calibration", case)

    assert caught.value.code is Reason.NO_PROBABILITIES


def test_declared_groups_have_their_own_slope() -> None:
    rows = late_rows(1, 1.0).assign(place=np.where(BLOCK < 40, "north", "south"))
    case = scored_case(rows, data={"block": "site"}, columns={"place": {"group": True}})

    measurement = measured("calibration", case)

    assert row_of(measurement, "calibration_slope", "place=north")["n_rows"] == N / 2


def test_reliability_bins_hold_equal_numbers_of_rows() -> None:
    bins = measured("calibration", sited_case(late_rows(1, 1.0))).tables["reliability"]

    assert bins["n_rows"].tolist() == [N // 10] * 10
    assert (bins["ci_low"] <= bins["observed"]).all()
    assert (bins["observed"] <= bins["ci_high"]).all()
    assert (abs(bins["predicted"] - bins["observed"]) < 0.1).all()


def test_equal_predictions_share_a_bin() -> None:
    case = scored_case(rows_of([0, 1] * 50, [0.2, 0.8] * 50))

    bins = measured("calibration", case).tables["reliability"]

    assert bins["n_rows"].tolist() == [50, 50]


def test_weights_count_in_slope_and_bins() -> None:
    rows = late_rows(1, 1.0).assign(weight=np.where(np.arange(N) < N // 2, 1.0, 0.0))
    case = scored_case(rows, data={"block": "site", "weight": "weight"})
    half = scored_case(rows.iloc[: N // 2], data={"block": "site"})

    weighted = row_of(measured("calibration", case), "calibration_slope")
    plain = row_of(measured("calibration", half), "calibration_slope")

    assert weighted["value"] == pytest.approx(plain["value"])


def test_classes_have_a_pooled_slope_and_an_intercept_each(
    multiclass_case: Case,
) -> None:
    measurement = measured("calibration", multiclass_case)

    assert 0.8 < row_of(measurement, "calibration_slope")["value"] < 1.3
    groups = set(measurement.summary["group"])
    assert groups == {"", "table=current", "class=early", "class=late", "class=on time"}


def test_bias_of_a_regression_by_hand() -> None:
    # Predictions are too high by 1, 2, 3: on average by 2.
    case = scored_case(rows_of([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]), task="regression")

    row = row_of(measured("calibration", case), "bias")

    assert row["value"] == 2.0
    assert row["unit"] == "target unit"


def test_band_holds_nine_in_ten_of_a_sound_regression() -> None:
    case = sited_case(delay_rows(1), delay_rows(2), task="regression")

    measurement = measured("calibration", case)

    assert row_of(measurement, "residual_coverage")["value"] == pytest.approx(
        0.9, abs=0.02
    )
    judged = findings("calibration", case, measurement)
    held = [one for one in judged if one.limit is not None]
    assert {one.metric for one in held} == {"residual_coverage"}
    assert {one.status for one in held} == {Status.PASS}


def test_band_that_became_too_narrow_fails() -> None:
    case = sited_case(delay_rows(1), delay_rows(2, noise=2.0), task="regression")

    judged = findings("calibration", case, measured("calibration", case))

    status = {one.group: one.status for one in judged if one.limit is not None}
    assert status == {"": Status.PASS, "table=current": Status.FAIL}


def test_deciles_of_the_prediction_are_information() -> None:
    case = sited_case(delay_rows(1), task="regression")

    summary = measured("calibration", case).summary

    deciles = summary[summary["group"].str.startswith("decile=")]
    assert deciles["group"].tolist() == [f"decile={place}" for place in range(1, 11)]
    assert deciles["n_rows"].sum() == N


def test_band_learnt_from_too_few_rows_is_infinite() -> None:
    case = scored_case(rows_of(np.arange(12.0), np.arange(12.0) + 1), task="regression")

    assert row_of(measured("calibration", case), "residual_coverage")["value"] == 1.0


def test_weighted_band_counts_weights() -> None:
    rows = delay_rows(1).assign(weight=np.where(np.arange(N) < N // 2, 1.0, 1e-9))
    case = scored_case(
        rows, task="regression", data={"block": "site", "weight": "weight"}
    )

    row = row_of(measured("calibration", case), "residual_coverage")

    assert row["value"] == pytest.approx(0.9, abs=0.03)


def test_current_of_another_type_has_a_row_with_its_reason() -> None:
    current = late_rows(2, 1.0).assign(score="high")
    case = sited_case(late_rows(1, 1.0), current)

    row = row_of(measured("calibration", case), "calibration_slope", "table=current")

    assert row["reason"] == Reason.SCHEMA


def test_notes_say_what_a_slope_means() -> None:
    case = sited_case(late_rows(1, 0.5, -0.8), late_rows(2, 2.0, 0.8))

    notes = " ".join(measured("calibration", case).notes)

    assert "high predictions are too high and low ones too low" in notes
    assert "high predictions are too low and low ones too high" in notes
    assert "predictions are too high overall" in notes
    assert "predictions are too low overall" in notes


def test_notes_say_that_the_right_value_is_within() -> None:
    case = sited_case(
        delay_rows(1), delay_rows(2, off=1.0, noise=0.5), task="regression"
    )

    notes = " ".join(measured("calibration", case).notes)

    assert "the right value, 0, is within" in notes
    assert "predictions are too high on average" in notes
    assert "the right value, 90 %, is within" in notes


def test_figure_shows_what_was_said_and_what_came_true(binary_case: Case) -> None:
    figure = draw(measured("calibration", binary_case), CHECK.limits)

    axes = figure.axes[0]
    assert title_of(figure).startswith("Predicted and observed share")
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    texts = " ".join(text.get_text() for text in axes.texts)
    assert "reference (n = 1,200)" in texts
    assert "current (n = 1,200)" in texts


def test_figure_of_a_regression_shows_the_promise(regression_case: Case) -> None:
    text_limit = Limit(
        metric="residual_coverage",
        side="at_least",
        limit="case:acceptable",
        required_in=(),
        reason="Test.",
    )

    figure = draw(measured("calibration", regression_case), (*CHECK.limits, text_limit))

    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "promised" in texts
    assert "limit 0.85" in texts


def test_alternative_text_says_the_numbers(regression_case: Case) -> None:
    text = alt(measured("calibration", regression_case))

    assert text.startswith("The 90 % band around predictions holds 9")
    assert "on current" in text
