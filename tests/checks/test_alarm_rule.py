"""D10: the alarm rule on histories whose noise is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.drift import alarm_rule
from readiness.checks.drift.alarm_rule import CHECK
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options

DAYS, PER_DAY = 80, 25
OPERATION = {
    "monitor_window_rows": 7 * PER_DAY,
    "windows_per_month": 4.3,
    "false_alarms_per_month": 1,
    "label_delay_days": 3,
    "retrain_every_days": 90,
}


def zero(X: pd.DataFrame) -> np.ndarray:
    """Return 0 for every row."""
    return np.zeros(len(X))


def rows_of_days(seed: int, *, days: int = DAYS, lost: float = 0.0) -> pd.DataFrame:
    """Return rows whose absolute error has mean 1 + lost and hangs together by day."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), PER_DAY)
    effect = rng.normal(0, 0.1, days)[day]
    noise = rng.uniform(-0.5, 0.5, len(day))
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        day * 24 + np.tile(np.linspace(0, 23, PER_DAY), days), unit="h"
    )
    return pd.DataFrame(
        {"x": noise, "y": 1 + lost + effect + noise, "scheduled": times}
    )


def watched_case(
    *,
    tolerated: float = 0.5,
    operation: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    **tables: pd.DataFrame,
) -> Case:
    file = CaseFile.model_validate(
        {
            "name": "watched",
            "title": "A line",
            "model": {
                "callable": "m:f",
                "task": "regression",
                "metric": "mean_absolute_error",
                "features": ["x"],
                "tolerated_loss": tolerated,
            },
            "data": {
                "reference": "r",
                "target": "y",
                "time": "scheduled",
                **(data or {}),
            },
            "operation": OPERATION if operation is None else operation,
        }
    )
    frames = tables or {"reference": rows_of_days(1)}
    return load_case(file, frames=frames, model=zero)


def measure(case: Case, **options: Any) -> Measurement:  # noqa: ANN401 (options are plain values)
    return alarm_rule.measure(
        case, Options(values={**CHECK.defaults, "paths": 2000, **options})
    )


def row(measurement: Measurement, metric: str) -> pd.Series:
    found = measurement.summary[measurement.summary["metric"] == metric]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(watched_case())


def test_false_alarms_are_no_more_than_the_level_and_the_promise(
    measured: Measurement,
) -> None:
    found = row(measured, "false_alarms_per_month")

    # Thirteen windows of 7.08 days make 3.02 months: at most 0.05 / 3.02 per month.
    assert found["ci_high"] <= 0.05 / 3.0
    assert found["ci_low"] <= found["value"] <= found["ci_high"]
    assert found["unit"] == "per month"
    assert (found["n_rows"], found["n_blocks"]) == (DAYS * PER_DAY, DAYS)


def test_repeated_tests_cry_wolf_on_the_same_paths(measured: Measurement) -> None:
    paths = measured.tables["paths"]
    at = paths[paths["window"] == 13].iloc[0]

    assert at["calm"] <= 0.05
    assert at["repeated"] > 0.1


def test_a_loss_of_many_standard_errors_is_found_in_the_first_window(
    measured: Measurement,
) -> None:
    # A day's mean error has an SD of about 0.12, and 0.5 is lost at once.
    delay, chance = row(measured, "windows_to_alarm"), row(measured, "alarm_chance")

    assert (delay["value"], delay["ci_low"], delay["ci_high"]) == (1, 1, 1)
    assert chance["ci_low"] > 0.99
    assert "within 1 windows, that is 10.1 days" in measured.notes[1]


def test_a_loss_within_the_noise_of_the_reference_is_not_found() -> None:
    measurement = measure(watched_case(tolerated=0.002))

    delay, chance = (
        row(measurement, "windows_to_alarm"),
        row(measurement, "alarm_chance"),
    )

    assert np.isnan(delay["value"])
    assert delay["censored"]
    assert delay["ci_low"] == len(measurement.tables["paths"])
    assert chance["ci_high"] < 0.1
    assert "are not found within" in measurement.notes[1]


def test_a_stricter_promise_gives_a_stricter_rule() -> None:
    strict = {**OPERATION, "false_alarms_per_month": 0.003}

    measurement = measure(watched_case(operation=strict))

    # 0.003 per month over 3.02 months is a level of 0.9 %.
    assert measurement.tables["paths"]["alpha"].iloc[0] == pytest.approx(0.00907, 1e-3)


def test_dropping_the_blocks_makes_the_noise_look_smaller() -> None:
    by_day = row(measure(watched_case(tolerated=0.05)), "alarm_chance")
    by_row = row(
        measure(watched_case(tolerated=0.05, data={"block": "x"})), "alarm_chance"
    )

    assert by_row["value"] > by_day["value"] + 0.1


def test_replay_alarms_when_production_is_worse() -> None:
    tables = {"reference": rows_of_days(1), "current": rows_of_days(2, lost=0.4)}

    measurement = measure(watched_case(**tables))

    replay = measurement.tables["replay"]
    assert replay["window"].tolist() == list(range(1, len(replay) + 1))
    assert replay["rows"].iloc[0] == 7 * PER_DAY
    assert replay["loss"].iloc[-1] == pytest.approx(0.4, abs=0.05)
    assert replay["alarms"].iloc[0]
    assert "alarms after window 1 of 11, on 2024-01-07" in " ".join(measurement.notes)


def test_replay_stays_quiet_when_nothing_is_worse() -> None:
    tables = {"reference": rows_of_days(1), "current": rows_of_days(3)}

    measurement = measure(watched_case(**tables))

    assert not measurement.tables["replay"]["alarms"].any()
    assert "stays quiet for all 11 windows" in " ".join(measurement.notes)


def test_a_case_without_a_plan_says_what_was_assumed() -> None:
    measurement = measure(watched_case(operation={}))

    said = measurement.notes[-1]
    assert said.startswith("Not declared in the case file, so assumed:")
    assert "false_alarms_per_month = 0.05" in said
    assert "retrain_every_days = 90" in said


def test_rows_without_time_and_blocks_are_drawn_one_by_one() -> None:
    rows = rows_of_days(4).drop(columns="scheduled")

    measurement = measure(
        watched_case(reference=rows, data={"time": None}, operation={})
    )

    assert row(measurement, "alarm_chance")["n_blocks"] == DAYS * PER_DAY
    assert measurement.tables["replay"].empty


def test_a_few_days_are_not_assessed() -> None:
    with pytest.raises(NotAssessedError, match="ten are") as caught:
        measure(watched_case(reference=rows_of_days(5, days=8)))

    assert caught.value.code == Reason.TOO_FEW_BLOCKS


def test_windows_within_a_day_are_looked_at_once_a_day() -> None:
    often = {**OPERATION, "monitor_window_rows": 5, "windows_per_month": 152.0}

    measurement = measure(watched_case(operation=often))

    # 152 windows of 5 rows are 30.4 days of 25 rows: one look a day, 90 before a fit.
    assert measurement.tables["paths"]["looks"].iloc[0] == pytest.approx(90, abs=1)


def test_figure_shows_the_three_curves_and_the_next_fit(measured: Measurement) -> None:
    figure = alarm_rule.draw(measured, CHECK.limits)

    axes = figure.axes[0]
    written = [one.get_text() for one in axes.texts]
    assert any("rule" in one and "tolerated" in one for one in written)
    assert "next fit" in written
    assert alarm_rule.alt(measured).startswith("Curves of the share of periods")
