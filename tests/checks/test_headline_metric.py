"""P1: the headline metric, by hand, on bad and sound models, and on odd tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case
from readiness.checks.baseline.headline_metric import alt, draw
from readiness.errors import NotAssessedError, Reason
from readiness.result import Limit, Status
from tests.cases import small_case
from tests.scored import (
    findings,
    measured,
    row_of,
    rows_of,
    scored_case,
    title_of,
)

N = 1200
DAY = np.repeat(np.arange(60), 20)


def late_rows(
    seed: int, signal: float, *, day_effect: float = 0.0, **columns: object
) -> pd.DataFrame:
    """Return rows whose scores carry a signal, twenty on each of sixty days."""
    rng = np.random.default_rng(seed)
    late = rng.random(N) < rng.beta(2, 4, 60)[DAY]
    raw = signal * late + rng.normal(size=N) + day_effect * rng.normal(size=60)[DAY]
    when = pd.Timestamp("2024-01-30") + pd.to_timedelta(DAY, unit="D")
    score = 1 / (1 + np.exp(-raw))
    return rows_of(late.astype(int), score, when=when, **columns)


def at_least(limit: float) -> Limit:
    return Limit(
        metric="roc_auc", side="at_least", limit=limit, required_in=(), reason="Test."
    )


def test_area_of_four_rows_by_hand() -> None:
    # Pairs: (.8,.5) 1, (.8,.2) 1, (.5,.5) half, (.5,.2) 1: 3.5 of 4.
    case = scored_case(rows_of([1, 1, 0, 0], [0.8, 0.5, 0.5, 0.2]))

    measurement = measured("headline_metric", case)

    row = row_of(measurement, "roc_auc")
    assert row["value"] == 0.875
    assert row["ci_high"] == 1.0
    assert row["n_rows"] == 4


def test_bad_model_fails() -> None:
    case = scored_case(
        late_rows(1, 0.0), model={"acceptable": 0.65}, data={"time": "when"}
    )

    judged = findings("headline_metric", case, measured("headline_metric", case))

    assert judged[0].metric == "roc_auc"
    assert judged[0].status is Status.FAIL
    assert judged[0].required


def test_sound_model_passes_on_both_tables() -> None:
    case = scored_case(
        late_rows(1, 2.5),
        late_rows(2, 2.5),
        model={"acceptable": 0.8},
        data={"time": "when"},
    )

    judged = findings("headline_metric", case, measured("headline_metric", case))

    held = {one.group: one.status for one in judged if one.limit is not None}
    assert held == {"": Status.PASS, "table=current": Status.PASS}


def test_error_metric_is_judged_from_above() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    case = scored_case(
        rows_of(y, y + rng.normal(size=400)),
        task="regression",
        model={"acceptable": 2.0, "metric": "root_mean_squared_error"},
    )

    judged = findings("headline_metric", case, measured("headline_metric", case))

    assert judged[0].side == "at_most"
    assert judged[0].status is Status.PASS


def test_without_acceptable_value_nothing_passes() -> None:
    case = scored_case(late_rows(1, 2.5), data={"time": "when"})

    measurement = measured("headline_metric", case)

    judged = findings("headline_metric", case, measurement)
    assert judged[0].status is Status.NOT_ASSESSED
    assert judged[0].reason == Reason.NO_ACCEPTABLE
    assert "model.acceptable" in measurement.notes[-1]


def test_one_class_is_unknown_not_zero() -> None:
    case = scored_case(rows_of([1, 1, 1], [0.1, 0.2, 0.3]), model={"positive": 1})

    measurement = measured("headline_metric", case)

    row = row_of(measurement, "roc_auc")
    assert np.isnan(row["value"])
    assert row["reason"] == Reason.ONE_CLASS
    assert row["n_rows"] == 3
    assert row_of(measurement, "accuracy")["value"] == 0.0
    assert alt(measurement) == "roc_auc could not be measured on any table."


def test_metric_without_a_predicted_positive_is_unknown() -> None:
    case = scored_case(
        rows_of([0, 1, 0, 1], [0.1, 0.2, 0.1, 0.3]), model={"metric": "precision"}
    )

    row = row_of(measured("headline_metric", case), "precision")

    assert np.isnan(row["value"])
    assert row["reason"] == Reason.NOT_MEASURED


def test_current_without_labels_is_left_out() -> None:
    current = late_rows(2, 1.0).drop(columns="y")
    case = scored_case(late_rows(1, 1.0), current, data={"time": "when"})

    groups = set(measured("headline_metric", case).summary["group"])

    assert "table=current" not in groups


def test_current_of_another_type_has_a_row_with_its_reason() -> None:
    current = late_rows(2, 1.0).assign(score="high")
    case = scored_case(late_rows(1, 1.0), current, data={"time": "when"})

    row = row_of(measured("headline_metric", case), "roc_auc", "table=current")

    assert np.isnan(row["value"])
    assert row["reason"] == Reason.SCHEMA


def test_rows_without_a_label_are_counted() -> None:
    rows = late_rows(1, 1.0).astype({"y": "float"})
    rows.loc[:9, "y"] = np.nan
    case = scored_case(rows, data={"time": "when"})

    measurement = measured("headline_metric", case)

    assert row_of(measurement, "roc_auc")["n_rows"] == N - 10
    assert "Rows left out of reference: 10 without a label." in measurement.notes


def test_months_of_the_newest_table_are_information() -> None:
    case = scored_case(
        late_rows(1, 1.0),
        late_rows(2, 1.0),
        model={"acceptable": 0.6},
        data={"time": "when"},
    )

    measurement = measured("headline_metric", case)

    by_month = measurement.summary[measurement.summary["group"].str.startswith("month")]
    assert by_month["group"].tolist() == [
        "month=2024-01",
        "month=2024-02",
        "month=2024-03",
    ]
    assert by_month["n_rows"].sum() == N
    judged = findings("headline_metric", case, measurement)
    assert {one.status for one in judged if "month" in one.group} == {Status.INFO}


def test_declared_groups_are_measured_on_the_reference() -> None:
    place = np.where(np.arange(N) % 3 == 0, "north", "south").astype(object)
    place[:5] = None
    case = scored_case(
        late_rows(1, 1.0, place=place),
        data={"time": "when"},
        columns={"place": {"group": True}},
    )

    summary = measured("headline_metric", case).summary

    rows = summary.set_index("group")["n_rows"]
    assert rows["place=(missing)"] == 5
    assert rows["place=north"] + rows["place=south"] == N - 5


def test_small_cells_of_a_sensitive_column_are_not_shown_alone() -> None:
    place = np.array(["big"] * (N - 7) + ["tiny"] * 4 + ["rare"] * 3)
    case = scored_case(
        late_rows(1, 1.0, place=place),
        columns={"place": {"group": True, "sensitive": True}},
    )

    groups = set(measured("headline_metric", case).summary["group"])

    assert groups == {"", "place=big"}


def test_number_with_many_values_is_cut_at_its_quartiles() -> None:
    case = scored_case(
        late_rows(1, 1.0, miles=np.arange(N)), columns={"miles": {"group": True}}
    )

    summary = measured("headline_metric", case).summary

    quarters = summary[summary["group"].str.startswith("miles=")]
    assert quarters["n_rows"].tolist() == [300, 300, 300, 300]


def test_number_with_few_values_is_written_plainly() -> None:
    case = scored_case(
        late_rows(1, 1.0, gate=np.where(np.arange(N) < 600, 1.0, 2.0)),
        columns={"gate": {"group": True}},
    )

    groups = set(measured("headline_metric", case).summary["group"])

    assert groups == {"", "gate=1", "gate=2"}


def test_undeclared_days_that_hang_together_are_used_with_a_warning() -> None:
    rows = late_rows(1, 1.0, day_effect=2.0)
    declared = scored_case(rows, data={"time": "when"})
    hidden = scored_case(rows, data={"time": "when", "block": "1h"})
    hourly = rows.assign(
        when=rows["when"] + pd.to_timedelta(np.arange(N) % 20, unit="h")
    )
    spread = scored_case(hourly, data={"time": "when", "block": "1h"})

    by_day = row_of(measured("headline_metric", declared), "roc_auc")
    same = measured("headline_metric", hidden)
    warned = measured("headline_metric", spread)

    assert row_of(same, "roc_auc")["n_blocks"] == 60
    assert row_of(warned, "roc_auc")["n_blocks"] == 60
    assert row_of(warned, "roc_auc")["se"] == pytest.approx(by_day["se"])
    assert any("same day hang together" in note for note in warned.notes)


def test_undeclared_identifier_that_hangs_together_is_used_with_a_warning() -> None:
    rows = late_rows(1, 1.0, day_effect=2.0)
    case = scored_case(rows.drop(columns="when").assign(plane=DAY.astype(str)))

    measurement = measured("headline_metric", case)

    assert row_of(measurement, "roc_auc")["n_blocks"] == 60
    assert any("same plane hang together" in note for note in measurement.notes)
    assert any("60 blocks of plane" in note for note in measurement.notes)


def test_ignored_column_is_no_candidate() -> None:
    rows = late_rows(1, 1.0, day_effect=2.0)
    case = scored_case(
        rows.drop(columns="when").assign(plane=DAY.astype(str)),
        data={"ignore": ["plane"]},
    )

    measurement = measured("headline_metric", case)

    assert row_of(measurement, "roc_auc")["n_blocks"] == N
    assert any("counts as independent" in note for note in measurement.notes)


def test_number_that_repeats_often_is_no_identifier() -> None:
    rows = late_rows(1, 1.0, day_effect=2.0).drop(columns="when")
    case = scored_case(rows.assign(delay=DAY % 40))

    measurement = measured("headline_metric", case)

    assert row_of(measurement, "roc_auc")["n_blocks"] == N


def test_rows_of_one_entity_are_named() -> None:
    rows = late_rows(1, 1.0, day_effect=2.0).drop(columns="when")
    case = scored_case(rows.assign(plane=DAY.astype(str)), data={"entity": "plane"})

    notes = measured("headline_metric", case).notes

    assert any("60 values of plane" in note for note in notes)


def test_weights_count_in_value_and_interval() -> None:
    weight = np.where(np.arange(N) < 600, 3.0, 0.0)
    rows = late_rows(1, 1.0, weight=weight)
    case = scored_case(rows, data={"time": "when", "weight": "weight"})
    half = scored_case(rows.iloc[:600], data={"time": "when"})

    weighted = row_of(measured("headline_metric", case), "roc_auc")
    plain = row_of(measured("headline_metric", half), "roc_auc")

    assert weighted["value"] == pytest.approx(plain["value"])


def test_class_answers_cannot_give_an_area(binary_case: Case) -> None:
    case = binary_case_with_classes(binary_case)

    with pytest.raises(NotAssessedError) as caught:
        measured("headline_metric", case)

    assert caught.value.code is Reason.NO_PROBABILITIES


def test_class_answers_give_metrics_of_classes(binary_case: Case) -> None:
    case = binary_case_with_classes(binary_case, metric="accuracy")

    names = set(measured("headline_metric", case).summary["metric"])

    assert "recall" in names
    assert "log_loss" not in names


def binary_case_with_classes(case: Case, metric: str | None = None) -> Case:
    """Return the case as if its model gave classes only."""
    section = case.file.model.model_copy(update={"metric": metric})
    return replace(
        case,
        file=case.file.model_copy(update={"model": section}),
        model=replace(case.model, outputs="class"),
    )


def test_figure_names_the_metric_and_its_places(binary_case: Case) -> None:
    measurement = measured("headline_metric", binary_case)

    figure = draw(measurement, (at_least(0.65), at_least(float("nan"))))

    axes = figure.axes[0]
    assert title_of(figure) == "roc_auc with its interval"
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert {"reference", "current", "month=2024-03"} <= set(labels)
    assert any("at least 0.65" in text.get_text() for text in axes.texts)


def test_alternative_text_says_the_numbers(binary_case: Case) -> None:
    measurement = measured("headline_metric", binary_case)

    text = alt(measurement)

    assert text.startswith("roc_auc is 0.8")
    assert " on current" in text
    assert "over 2 months" in text


def test_target_unit_is_shown_where_declared() -> None:
    case = scored_case(
        rows_of([1.0, 2.0, 3.0], [1.0, 2.5, 3.0]),
        task="regression",
        columns={"y": {"unit": "minutes"}},
    )

    row = row_of(measured("headline_metric", case), "mean_absolute_error")

    assert row["unit"] == "minutes"


def test_model_that_raises_on_some_rows_has_no_number() -> None:
    """F123: on one row; the metric of the other rows would flatter the model."""

    def picky(frame: pd.DataFrame) -> np.ndarray:
        if (frame["wind"] < 3.0).any():
            msg = "too calm"
            raise ValueError(msg)
        return np.full(len(frame), 0.5)

    case = small_case(model=picky)

    with pytest.raises(NotAssessedError, match="raised an error on") as caught:
        measured("headline_metric", case)

    assert caught.value.code is Reason.MODEL_SCORES
