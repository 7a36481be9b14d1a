from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.explainability.declared_directions import (
    CHECK,
    alt,
    draw,
    measure,
)
from readiness.config import LimitOverride
from readiness.errors import NotAssessedError, Reason
from readiness.findings import not_assessed
from readiness.policy import limits_in_force
from readiness.result import Measurement, Options, Status
from readiness.stats import clopper_pearson
from tests.cases import case_file, small_case
from tests.judging import ACCURACY, findings_of, policy_with

OPTIONS = Options(values={**CHECK.defaults, "rows": 1200})
METRIC = "expectation_violation_share"


def rows_with(n_days: int = 120, seed: int = 1) -> pd.DataFrame:
    """Return ten rows a day: wind, sex and its title, dip (true in one of five)."""
    rng = np.random.default_rng(seed)
    n_rows = 10 * n_days
    sex = rng.choice(["f", "m"], n_rows)
    day = np.repeat(np.arange(n_days), 10)
    return pd.DataFrame(
        {
            "wind": rng.uniform(0, 10, n_rows),
            "sex": sex,
            "title": np.where(sex == "f", "Ms", "Mr"),
            "dip": rng.random(n_rows) < 0.2,
            "late": rng.normal(size=n_rows),
            "scheduled": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
        }
    )


def case_of(
    model: Callable[[pd.DataFrame], Any],
    columns: Mapping[str, Mapping[str, Any]],
    features: tuple[str, ...] = ("wind", "sex", "title", "dip"),
    rows: pd.DataFrame | None = None,
) -> Case:
    file = case_file(
        "regression",
        model={"features": list(features)},
        data={"entity": None},
        columns=columns,
    )
    frames = {"reference": rows_with() if rows is None else rows}
    return load_case(file, frames=frames, model=model)


def row_of(found: Measurement, column: str) -> pd.Series:
    return found.summary.set_index("group").loc[column]


def findings(found: Measurement) -> dict[str, Status]:
    rows = found.summary.to_dict("records")
    return {
        one.group: one.status
        for one in findings_of(*rows, check=CHECK, policy=policy_with("medium"))
    }


def uses_all(rows: pd.DataFrame) -> pd.Series:
    return -rows["wind"] + 3 * (rows["sex"] == "m") + rows["dip"]


EXPECTED = {
    "dip": {"role": "irrelevant"},
    "wind": {"monotone": "increasing"},
    "sex": {"role": "forbidden"},
}


def test_forbidden_column_that_is_used_is_the_first_line() -> None:
    found = measure(case_of(uses_all, EXPECTED), OPTIONS)

    assert found.summary["group"].tolist() == ["sex", "dip", "wind"]
    assert row_of(found, "sex")["value"] == 1.0
    assert findings(found)["sex"] is Status.FAIL
    assert found.notes[0].startswith("The model uses sex, declared a forbidden column")
    assert "by up to 3.00" in found.notes[0]


def test_planted_wrong_sign_is_found_on_every_row() -> None:
    columns = {"wind": {"monotone": "increasing"}}

    found = measure(case_of(uses_all, columns), OPTIONS)

    assert row_of(found, "wind")["value"] == 1.0
    assert findings(found)["wind"] is Status.FAIL
    assert found.notes[0].startswith("wind should only move the score one way")


def test_planted_dip_has_the_share_of_its_rows() -> None:
    # Up with wind, but down where dip is true: the wrong way on exactly those rows.
    rows = rows_with()
    columns = {"wind": {"monotone": "increasing"}}

    def model(one: pd.DataFrame) -> pd.Series:
        return one["wind"] * np.where(one["dip"], -1, 1)

    found = measure(case_of(model, columns, rows=rows), OPTIONS)

    row = row_of(found, "wind")
    assert row["value"] == pytest.approx(rows["dip"].mean())
    assert row["n_blocks"] == 120


def test_interval_covers_the_planted_share() -> None:
    columns = {"wind": {"monotone": "increasing"}}

    def model(one: pd.DataFrame) -> pd.Series:
        return one["wind"] * np.where(one["dip"], -1, 1)

    found = [
        row_of(
            measure(case_of(model, columns, rows=rows_with(60, seed)), OPTIONS), "wind"
        )
        for seed in range(40)
    ]

    assert np.mean([row["ci_high"] < 0.2 for row in found]) <= 0.15
    assert np.mean([row["ci_low"] > 0.2 for row in found]) <= 0.15


def test_days_that_dip_together_widen_the_interval() -> None:
    rows = rows_with()
    whole_days = rows.assign(dip=np.repeat(np.arange(120) % 5 == 0, 10))
    columns = {"wind": {"monotone": "increasing"}}

    def model(one: pd.DataFrame) -> pd.Series:
        return one["wind"] * np.where(one["dip"], -1, 1)

    alone, together = (
        row_of(measure(case_of(model, columns, rows=one), OPTIONS), "wind")
        for one in (rows, whole_days)
    )

    assert together["dependence_factor"] > 2
    assert together["ci_high"] - 0.2 > 2 * (alone["ci_high"] - alone["value"])


def test_kept_expectations_pass_on_the_rows_that_were_asked() -> None:
    columns = {
        "wind": {"monotone": "decreasing"},
        "title": {"role": "forbidden"},
    }

    found = measure(case_of(uses_all, columns), OPTIONS)

    row = row_of(found, "wind")
    assert (row["value"], row["ci_low"]) == (0.0, 0.0)
    assert row["ci_high"] == pytest.approx(clopper_pearson(0, 1200)[1])
    assert findings(found) == {"wind": Status.PASS, "title": Status.PASS}
    assert found.notes[0] == "As expected on all of 1,200 rows: title, wind."


def test_forbidden_column_may_be_told_by_others() -> None:
    columns = {"sex": {"role": "forbidden"}}
    case = case_of(lambda one: one["wind"], columns, features=("wind", "title", "dip"))

    found = measure(case, OPTIONS)

    row = row_of(found, "sex")
    assert (row["value"], row["ci_high"]) == (0.0, 0.0)
    assert findings(found)["sex"] is Status.PASS
    table = found.tables["expectations"]
    assert table.loc[0, "remark"] == "the model does not receive it"
    assert table.loc[0, "told_by_others"] > 0.99
    assert "leaving it out does not hide it" in found.notes[-1]


def test_column_without_proxies_is_not_called_told() -> None:
    columns = {"sex": {"role": "forbidden"}}
    case = case_of(lambda one: one["wind"], columns, features=("wind", "dip"))

    found = measure(case, OPTIONS)

    assert found.tables["expectations"].loc[0, "told_by_others"] < 0.05
    assert len(found.notes) == 1


def test_small_moves_are_none() -> None:
    columns = {"wind": {"monotone": "increasing"}}

    def model(one: pd.DataFrame) -> pd.Series:
        return one["wind"] - 0.02 * (one["wind"] > 5)  # SD of the scores: 2.9

    def jump(one: pd.DataFrame) -> pd.Series:
        return np.floor(one["wind"]) - 2 * (one["wind"] > 5)

    assert row_of(measure(case_of(model, columns), OPTIONS), "wind")["value"] == 0.0
    assert row_of(measure(case_of(jump, columns), OPTIONS), "wind")["value"] == 1.0


def test_rows_without_the_value_are_not_asked_for_its_direction() -> None:
    rows = rows_with()
    rows.loc[:399, "wind"] = np.nan
    columns = {"wind": {"monotone": "increasing"}}
    case = case_of(lambda one: -one["wind"].fillna(0.0), columns, rows=rows)

    found = measure(case, OPTIONS)

    assert row_of(found, "wind")["n_rows"] == 800
    assert row_of(found, "wind")["value"] == 1.0


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_forbidden_column_is_found_in_classifiers(task: str) -> None:
    columns = {"carrier": {"role": "forbidden"}, "holiday": {"role": "irrelevant"}}
    case = small_case(task, columns=columns)

    found = measure(case, OPTIONS)

    assert found.summary["group"].tolist() == ["carrier", "holiday"]
    assert row_of(found, "carrier")["value"] > 0.9


def test_binary_direction_is_asked_in_probability() -> None:
    columns = {
        "wind": {"monotone": "increasing"},
        "distance": {"monotone": "decreasing"},
    }

    found = measure(small_case(columns=columns), OPTIONS)

    assert row_of(found, "wind")["value"] == 0.0
    assert row_of(found, "distance")["value"] > 0.99
    assert found.summary["group"].tolist() == ["distance", "wind"]


def test_direction_that_cannot_be_asked_is_no_pass() -> None:
    columns = {"wind": {"monotone": "increasing"}}

    found = measure(small_case("multiclass", columns=columns), OPTIONS)

    assert row_of(found, "wind")["reason"] == Reason.NOT_THIS_TASK
    assert np.isnan(row_of(found, "wind")["value"])
    assert findings(found)["wind"] is Status.NOT_ASSESSED
    assert found.notes == ("Could not be asked: wind.",)


def test_without_expectations_nothing_is_assessed_and_nothing_is_required() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(small_case(), OPTIONS)

    override = LimitOverride(limit=0.05, required=True, reason="We demand it.")
    shipped = limits_in_force(CHECK, policy_with("high"), ACCURACY)
    demanded = limits_in_force(
        CHECK, policy_with("high", limits={"X7": {METRIC: override}}), ACCURACY
    )
    assert caught.value.code == Reason.NO_EXPECTATION
    assert shipped[0].required
    (found,) = not_assessed(shipped, caught.value.code)
    (kept,) = not_assessed(demanded, caught.value.code)
    (stored,) = not_assessed(shipped, Reason.NO_RESCORING)
    assert (found.status, found.required) == (Status.NOT_ASSESSED, False)
    assert kept.required
    assert stored.required


def test_declared_but_stored_predictions_are_not_assessed() -> None:
    rows = rows_with().assign(score=0.5)
    file = case_file(
        "regression",
        model={"path": None, "predictions": "score", "features": ["wind"]},
        data={"entity": None},
        columns={"wind": {"monotone": "increasing"}},
    )
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as caught:
        measure(case, OPTIONS)

    assert caught.value.code == Reason.NO_RESCORING


def test_order_of_the_rows_does_not_matter() -> None:
    rows = rows_with()
    columns = {"wind": {"monotone": "decreasing"}, "sex": {"role": "forbidden"}}
    mixed = rows.sample(frac=1, random_state=1).reset_index(drop=True)

    def model(one: pd.DataFrame) -> pd.Series:
        return -one["wind"] * (one["sex"] == "m") + one["dip"]

    one, other = (
        measure(case_of(model, columns, rows=each), OPTIONS).summary
        for each in (rows, mixed)
    )

    pd.testing.assert_frame_equal(one, other)


def test_figure_shows_each_expectation_with_its_limit() -> None:
    found = measure(case_of(uses_all, EXPECTED), OPTIONS)

    axes = draw(found, CHECK.limits).axes[0]

    ticks = {tick.get_text() for tick in axes.get_yticklabels()}
    assert ticks == {"sex, forbidden", "dip, irrelevant", "wind, increasing"}
    assert any("at most 1 %" in text.get_text() for text in axes.texts)
    assert alt(found) == found.notes[0]
