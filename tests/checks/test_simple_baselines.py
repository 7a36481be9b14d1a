"""P2: gains over simple models, by hand, on bad and sound models, and on odd tables."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case
from readiness.checks.baseline._simple_models import Task, fit_simple_models
from readiness.checks.baseline.simple_baselines import CHECK, alt, draw
from readiness.errors import NotAssessedError, Reason
from readiness.metrics import find_metric
from readiness.result import Status
from tests import cases
from tests.scored import (
    findings,
    measured,
    row_of,
    rows_of,
    scored_case,
    title_of,
)

GAINS = ("gain_over_constant", "gain_over_single_feature", "gain_over_linear_model")


def task_of(name: str, metric: str, n_classes: int = 2) -> Task:
    return Task(
        name=name,
        n_classes=n_classes,
        metric=find_metric(metric, name),
        threshold=0.5,
        seed=7,
    )


def noise_model(frame: pd.DataFrame) -> np.ndarray:
    """Return scores that have nothing to do with the label."""
    return (frame["distance"].to_numpy() * 7919 % 1000) / 1000


def test_sound_model_passes_against_the_constant(binary_case: Case) -> None:
    measurement = measured("simple_baselines", binary_case)

    judged = findings("simple_baselines", binary_case, measurement)

    against_constant = [one for one in judged if one.metric == GAINS[0]]
    assert {one.status for one in against_constant} == {Status.PASS}
    assert all(one.required for one in against_constant)
    assert not any(one.required for one in judged if one.metric != GAINS[0])


def test_useless_model_fails_against_simple_ones() -> None:
    case = cases.small_case("binary", model=noise_model)

    judged = findings("simple_baselines", case, measured("simple_baselines", case))

    status = {one.metric: one.status for one in judged if one.group == ""}
    assert status[GAINS[1]] is Status.FAIL
    assert status[GAINS[2]] is Status.FAIL
    assert status[GAINS[0]] is not Status.PASS


def test_gain_is_the_difference_of_both_values(binary_case: Case) -> None:
    measurement = measured("simple_baselines", binary_case)

    models = measurement.tables["models"].set_index(["table", "model"])["value"]
    expected = (
        models["reference", "reviewed model"] - models["reference", "linear model"]
    )
    assert row_of(measurement, GAINS[2])["value"] == pytest.approx(expected)


def test_smaller_error_is_a_positive_gain(regression_case: Case) -> None:
    measurement = measured("simple_baselines", regression_case)

    assert row_of(measurement, GAINS[0])["value"] > 0
    assert row_of(measurement, GAINS[0], "table=current")["value"] > 0


def test_all_three_tasks_have_all_gains(multiclass_case: Case) -> None:
    measurement = measured("simple_baselines", multiclass_case)

    known = measurement.summary.dropna(subset=["value"])
    assert set(known["metric"]) == set(GAINS)
    assert row_of(measurement, GAINS[0])["value"] > 0.2


def test_reference_teaches_itself_crosswise_without_training() -> None:
    frames = cases.small_frames("binary")
    del frames["training"]
    case = cases.small_case("binary", frames=frames)

    measurement = measured("simple_baselines", case)

    assert "each fifth of its blocks" in measurement.notes[0]
    models = measurement.tables["models"].set_index(["table", "model"])["value"]
    assert models["reference", "linear model"] > 0.8
    assert models["current", "linear model"] > 0.8


def test_training_without_labels_does_not_teach() -> None:
    frames = cases.small_frames("binary")
    frames["training"] = frames["training"].drop(columns="late")
    case = cases.small_case("binary", frames=frames)

    notes = measured("simple_baselines", case).notes

    assert "rows of reference" in notes[0]


def test_too_few_rows_to_learn_from_is_not_assessed() -> None:
    case = scored_case(rows_of([0, 1] * 10, np.linspace(0, 1, 20)))

    with pytest.raises(NotAssessedError, match="need 50 labelled rows") as caught:
        measured("simple_baselines", case)

    assert caught.value.code is Reason.TOO_FEW_ROWS


def test_one_block_cannot_teach_itself() -> None:
    rows = rows_of([0, 1] * 40, np.linspace(0, 1, 80), site=["a"] * 80)
    case = scored_case(rows, data={"block": "site"})

    with pytest.raises(NotAssessedError, match="more than one block"):
        measured("simple_baselines", case)


def test_one_class_gives_no_gain() -> None:
    case = scored_case(rows_of([1] * 80, np.linspace(0, 1, 80)), model={"positive": 1})

    row = row_of(measured("simple_baselines", case), GAINS[0])

    assert np.isnan(row["value"])
    assert row["reason"] == Reason.ONE_CLASS


def test_current_of_another_type_has_rows_with_its_reason() -> None:
    frames = cases.small_frames("binary")
    frames["current"]["wind"] = "strong"
    case = cases.small_case("binary", frames=frames)

    row = row_of(measured("simple_baselines", case), GAINS[0], "table=current")

    assert row["reason"] == Reason.SCHEMA


def test_options_limit_the_rows(binary_case: Case) -> None:
    measurement = measured("simple_baselines", binary_case, rows=500, fit_rows=300)

    assert row_of(measurement, GAINS[0])["n_rows"] == 500
    assert "learnt from 300 rows of training" in measurement.notes[0]
    names = "|".join(binary_case.features)
    told = rf"best single feature where they learnt is ({names}), then ({names})\."
    assert re.search(told, measurement.notes[1])


def test_feature_that_a_table_lacks_is_left_out() -> None:
    frames = cases.small_frames("binary")
    frames["training"] = frames["training"].drop(columns="wind")
    case = cases.small_case("binary", frames=frames)

    notes = measured("simple_baselines", case).notes

    assert "no check can read it: 1 feature." in notes[-1]


@pytest.mark.parametrize(
    ("task", "metric", "expected"),
    [
        ("binary", "roc_auc", 0.25),
        ("binary", "accuracy", 0.0),
        ("binary", "precision", 1.0),
        ("regression", "mean_absolute_error", 0.0),
        ("regression", "r2", 0.25),
    ],
)
def test_constant_suits_the_metric(task: str, metric: str, expected: float) -> None:
    # Of 0, 0, 0, 1 the mean is 1/4, the median 0, the most frequent class 0.
    n_classes = {"binary": 2, "regression": 0}[task]
    y = np.tile([0.0, 0.0, 0.0, 1.0], 20)

    fitted = fit_simple_models(
        pd.DataFrame({"x": np.arange(80.0)}), y, task_of(task, metric, n_classes)
    )

    assert float(fitted.constant) == expected


def test_single_feature_is_the_one_that_tells_most() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "noise": rng.normal(size=400),
            "telling": rng.normal(size=400),
            "when": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 90, 400), unit="D"),
        }
    )
    y = (frame["telling"] > 0).to_numpy(float)

    fitted = fit_simple_models(frame, y, task_of("binary", "roc_auc"))

    assert fitted.ranked[0] == "telling"
    answers = fitted.predict(frame)
    assert np.corrcoef(answers["single_feature"], y)[0, 1] > 0.9


def test_unseen_and_missing_values_are_answered() -> None:
    frame = pd.DataFrame(
        {"place": ["a", "b"] * 50, "miles": np.arange(100.0), "open": [True] * 100}
    )
    y = np.tile([0.0, 1.0], 50)
    fitted = fit_simple_models(frame, y, task_of("binary", "roc_auc"))
    odd = pd.DataFrame(
        {"place": ["new", None], "miles": [np.inf, np.nan], "open": [False, True]}
    )

    answers = fitted.predict(odd)

    assert all(np.isfinite(answer).all() for answer in answers.values())


def test_columns_that_tell_nothing_leave_the_constant_alone() -> None:
    frame = pd.DataFrame({"empty": np.full(60, np.nan), "same": np.ones(60)})

    fitted = fit_simple_models(
        frame, np.tile([0.0, 1.0], 30), task_of("binary", "roc_auc")
    )

    assert set(fitted.predict(frame)) == {"constant"}


def test_linear_model_answers_for_classes_it_has_not_met() -> None:
    frame = pd.DataFrame({"x": np.arange(90.0)})
    y = np.tile([0.0, 2.0], 45)

    fitted = fit_simple_models(frame, y, task_of("multiclass", "log_loss", 3))

    answer = fitted.predict(frame)["linear_model"]
    assert answer.shape == (90, 3)
    assert answer[:, 1].tolist() == [0.0] * 90


def test_class_answers_need_a_metric_of_classes(binary_case: Case) -> None:
    case = replace(binary_case, model=replace(binary_case.model, outputs="class"))

    with pytest.raises(NotAssessedError, match="classes only"):
        measured("simple_baselines", case)


def test_figure_draws_every_gain_and_its_limit(binary_case: Case) -> None:
    measurement = measured("simple_baselines", binary_case)

    figure = draw(measurement, CHECK.limits)

    axes = figure.axes[0]
    assert title_of(figure) == "Gain over simple models"
    labels = {text.get_text() for text in axes.get_yticklabels()}
    assert "reference: linear model" in labels
    assert "current: constant answer" in labels


def test_alternative_text_says_the_smallest_gain(binary_case: Case) -> None:
    assert "reference: linear model, " in alt(measured("simple_baselines", binary_case))


def test_alternative_text_of_nothing_measured() -> None:
    case = scored_case(rows_of([1] * 80, np.linspace(0, 1, 80)), model={"positive": 1})

    text = alt(measured("simple_baselines", case))

    assert text == "No gain over a simple model could be measured."
