"""D8: budgets beside what a window can see, where both are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from readiness.alarms import shift_power
from readiness.case import Case, load_case
from readiness.checks.drift import monitor_power, population_tilt
from readiness.checks.drift._base import base_of
from readiness.checks.drift._past import past
from readiness.checks.drift._usual_alarm import psi_at_budget
from readiness.checks.drift._watched import watched
from readiness.checks.drift.monitor_power import CHECK
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options

DAYS, PER_DAY = 120, 20
OPERATION = {
    "monitor_window_rows": 7 * PER_DAY,
    "windows_per_month": 4.3,
    "false_alarms_per_month": 0.43,
    "label_delay_days": 7,
}


def line(X: pd.DataFrame) -> np.ndarray:
    """Return a line that is off by half of x."""
    return 1.5 * X["x"].fillna(0.0).to_numpy()


def rows_of_days(seed: int, *, days: int = DAYS, by_day: float = 0.5) -> pd.DataFrame:
    """Return y = x + noise; a share of the variance of both hangs together by day."""
    rng = np.random.default_rng(seed)
    n, day = days * PER_DAY, np.repeat(np.arange(days), PER_DAY)
    shared, own = np.sqrt(by_day), np.sqrt(1 - by_day)
    x = rng.normal(0, shared, days)[day] + rng.normal(0, own, n)
    noise = rng.normal(0, shared, days)[day] + rng.normal(0, own, n)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        day * 24 + np.tile(np.arange(PER_DAY), days), unit="h"
    )
    return pd.DataFrame({"x": x, "y": x + noise, "scheduled": when})


def line_case(
    rows: pd.DataFrame,
    *,
    operation: Mapping[str, Any] | None = None,
    tolerated: float = 0.0625,
    data: Mapping[str, Any] | None = None,
) -> Case:
    features = [one for one in rows.columns if one not in ("y", "scheduled")]
    file = CaseFile.model_validate(
        {
            "name": "line",
            "title": "A line",
            "model": {
                "callable": "m:f",
                "task": "regression",
                "metric": "mean_squared_error",
                "features": features,
                # b² = 0.25: 0.0625 is lost at half an SD of x.
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
    return load_case(file, frames={"reference": rows}, model=line)


def measure(case: Case, **options: Any) -> Measurement:  # noqa: ANN401 (options are plain values)
    tilted = population_tilt.measure(
        case, Options(values=population_tilt.CHECK.defaults)
    )
    values = {**CHECK.defaults, "windows": 20_000, **options}
    return monitor_power.measure(case, Options(values=values, needed={"D1": tilted}))


def row(measurement: Measurement, metric: str, group: str = "") -> pd.Series:
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(line_case(rows_of_days(1)))


def test_power_is_that_of_the_formula_for_days_that_hang_together(
    measured: Measurement,
) -> None:
    found = measured.tables["monitors"].iloc[0]
    rows = rows_of_days(1)

    # A week's mean against 120 days: the variance of day means (1/7 + 1/120).
    days = rows.groupby(rows["scheduled"].dt.date)["x"].mean()
    se = np.sqrt(days.var() * (1 / 7 + 1 / DAYS))
    expected = shift_power(found["budget"] * found["sd"], found["alarm_move"], se)

    assert found["power"] == pytest.approx(float(expected), abs=0.02)
    # One false alarm in ten windows: 1.645 SE, a little wider for what is not known.
    assert found["alarm_move"] == pytest.approx(1.645 * se, rel=0.1)


def test_usual_alarm_is_held_against_the_budget_of_a_normal_number(
    measured: Measurement,
) -> None:
    """Ten bins of equal counts, filled by the normal law moved to the budget."""
    found = measured.tables["monitors"].iloc[0]
    edges = norm.ppf(np.arange(11) / 10)
    moved = np.diff(norm.cdf(edges - found["budget"]))

    expected = float(np.sum((moved - 0.1) * np.log(moved / 0.1)))

    assert found["psi_at_budget"] == pytest.approx(expected, rel=0.1)
    assert f"x (PSI {found['psi_at_budget']:.3g}" in " ".join(measured.notes)


def test_usual_alarm_of_a_share_is_that_of_all_categories() -> None:
    table = pd.DataFrame(
        {
            "family": ["category", "missing", "category"],
            "budget": [0.2, 0.1, np.nan],
            "direction": ["up", "down", ""],
            "reference": [0.3, 0.4, 0.5],
        }
    )

    found = psi_at_budget(table, np.empty((0, 3)))

    # The rest is shared 5 : 2, before and after.
    before = np.array([0.3, 0.5, 0.2])
    after = np.array([0.5, 0.5 * 5 / 7, 0.5 * 2 / 7])
    assert found[0] == pytest.approx(np.sum((after - before) * np.log(after / before)))
    assert found[1] == pytest.approx(-0.1 * np.log(0.3 * 0.6 / (0.4 * 0.7)))
    assert np.isnan(found[2])


def test_budget_smaller_than_what_a_week_shows_is_not_covered(
    measured: Measurement,
) -> None:
    # Days have an SD of .72: a week is off by .28, and half an SD is 1.8 of that.
    found = row(measured, "power_at_budget", "x")

    assert found["value"] < 0.8
    assert found["ci_low"] <= found["value"] <= found["ci_high"]
    assert found["direction"] in ("up", "down")
    assert (found["n_rows"], found["n_blocks"]) == (DAYS * PER_DAY, DAYS)
    blind, late = (
        row(measured, name)["value"] for name in ("blind_features", "late_features")
    )
    assert blind + late == 1


def test_rows_on_their_own_would_be_covered() -> None:
    # Without days, 140 rows are off by .085: half an SD is six times as much.
    measurement = measure(line_case(rows_of_days(2, by_day=0.0)))

    found = row(measurement, "power_at_budget", "x")

    assert found["ci_low"] > 0.99
    assert row(measurement, "blind_features")["value"] == 0
    assert measurement.tables["monitors"]["verdict"].tolist() == ["covered"]
    assert "sees 1 spent in the first window" in measurement.notes[0]


def test_dropping_the_blocks_promises_too_much_power(measured: Measurement) -> None:
    by_row = measure(line_case(rows_of_days(1), data={"block": "x"}))

    promised = row(by_row, "power_at_budget", "x")["value"]

    assert promised > row(measured, "power_at_budget", "x")["value"] + 0.2


def test_patience_turns_blind_into_late() -> None:
    case = line_case(rows_of_days(1))

    impatient, patient = (
        measure(case, windows=40_000, late_windows=n).tables["monitors"].iloc[0]
        for n in (1, 8)
    )

    assert impatient["verdict"] == "blind"
    assert patient["verdict"] == "late"
    assert patient["power_late"] > impatient["power_late"]


def test_a_budget_beyond_the_data_is_a_bound_not_a_blind_spot() -> None:
    measurement = measure(line_case(rows_of_days(3), tolerated=5.0))

    found = row(measurement, "power_at_budget", "x")

    assert np.isnan(found["value"])
    assert found["censored"]
    assert found["reason"] == Reason.BEYOND_SUPPORT
    assert found["ci_high"] == 1
    assert row(measurement, "blind_features")["value"] == 0
    assert measurement.notes[0].startswith("No watched column has a budget")
    assert monitor_power.draw(measurement, CHECK.limits).axes


def test_a_season_alarms_more_often_than_promised(measured: Measurement) -> None:
    rows = rows_of_days(4)
    swing = 2 * np.sin(np.arange(len(rows)) / len(rows) * 2 * np.pi)
    seasonal = measure(line_case(rows.assign(x=rows["x"] + swing)))

    calm, busy = (row(one, "past_alarm_share") for one in (measured, seasonal))

    assert calm["n_blocks"] == busy["n_blocks"] == 17
    assert calm["ci_low"] < 0.1
    assert busy["value"] > 0.5
    assert "seasons and trends alarm" in " ".join(seasonal.notes)


def mixed_rows() -> pd.DataFrame:
    rows = rows_of_days(5)
    rng = np.random.default_rng(5)
    n = len(rows)
    return rows.assign(
        x=rows["x"].mask(rng.random(n) < 0.1),
        kind=rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        one=1.0,
        gone=np.nan,
        same="s",
        text=[f"note {k}" for k in range(n)],
    )


def test_everything_that_can_move_is_watched() -> None:
    table = measure(line_case(mixed_rows())).tables["monitors"]

    named = set(zip(table["column"], table["family"], table["category"], strict=True))

    assert named == {
        ("x", "mean", ""),
        ("x", "missing", ""),
        ("kind", "category", "a"),
        ("kind", "category", "b"),
        ("kind", "category", "c"),
    }
    share = table[table["category"] == "a"].iloc[0]
    assert share["reference"] == pytest.approx(0.6, abs=0.03)
    assert share["unit"] == "share"


def test_what_the_calendar_decides_is_not_watched_and_the_hour_is() -> None:
    """A month moves in every window of a month; the hour of a sale may drift."""
    rows = rows_of_days(9)
    when = rows["scheduled"]
    rows = rows.assign(
        month=when.dt.month.astype(float), weekday=when.dt.day_name(), hour=when.dt.hour
    )

    measurement = measure(line_case(rows))

    table = measurement.tables["monitors"]
    assert list(dict.fromkeys(table["column"])) == ["x", "hour"]
    assert "month, weekday move by design" in " ".join(measurement.notes)
    assert row(measurement, "past_alarm_share")["ci_low"] < 0.1


def test_what_is_declared_to_move_by_design_is_not_watched() -> None:
    table = measure(line_case(mixed_rows()), by_design=["kind"]).tables["monitors"]

    assert set(table["column"]) == {"x"}


def test_windows_shorter_than_a_day_are_parts_of_one() -> None:
    base = base_of(line_case(rows_of_days(6)))
    _, values = watched(base)

    found = past(base, values, 5, seed=1)

    assert len(found.history.block) == 4 * DAYS
    assert found.history.per_window == 1
    assert found.history.n_blocks == DAYS
    assert found.window_rows == pytest.approx(5)
    assert found.in_order is not None
    assert len(found.in_order) == 4 * DAYS


def test_past_windows_follow_each_other_in_time() -> None:
    rows = rows_of_days(7).assign(x=np.arange(DAYS * PER_DAY, dtype=float))
    base = base_of(line_case(rows.sample(frac=1.0, random_state=1)))
    _, values = watched(base)

    found = past(base, values, 7 * PER_DAY, seed=1)

    assert found.in_order is not None
    width = 7 * PER_DAY
    expected = np.arange(DAYS // 7) * width + (width - 1) / 2
    np.testing.assert_allclose(found.in_order[:, 0], expected)


def test_without_anything_to_watch_there_is_no_answer() -> None:
    case = line_case(rows_of_days(8).assign(x=1.0))

    with pytest.raises(NotAssessedError) as caught:
        measure(case)

    assert caught.value.code == Reason.NO_COLUMNS


def test_figure_names_the_verdict_beside_each_column(measured: Measurement) -> None:
    figure = monitor_power.draw(measured, CHECK.limits)

    axes = figure.axes[0]
    written = " ".join(one.get_text() for one in axes.texts)
    assert [one.get_text() for one in axes.get_yticklabels()] == ["x"]
    assert "blind" in written or "late" in written
    assert "at least 80 %" in written
    assert monitor_power.alt(measured) == measured.notes[0]
