"""M2: windows alarm beyond the level of the plan, and what moved is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readiness.checks.monitor.window_alarms import measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Options
from tests.cases import small_case
from tests.plans import DAY_EFFECT, WIND, monitored, new_rows

OPTIONS = Options(values={}, profile="quick", seed=7)


def test_alarms_are_the_windows_beyond_the_level(tmp_path: Path) -> None:
    rows = new_rows(70, 1)
    rows.loc[rows["when"] >= "2027-02-01", "wind"] += 3.0
    week = (rows["when"].dt.normalize() - pd.Timestamp("2026-12-01")).dt.days // 7
    expected = (rows["wind"].groupby(week).mean() - 10.0).abs() > WIND["alarm_move"]

    found = measure(monitored(tmp_path, rows, WIND), OPTIONS)

    share = found.summary.set_index("metric").loc["alarm_share", "value"]
    assert share == pytest.approx(expected.mean())
    assert found.tables["alarms"]["window"].sort_values().tolist() == [
        place + 1 for place, one in enumerate(expected) if one
    ]
    assert "In the last window moved: the mean of wind" in found.notes[1]


def test_quiet_window_says_so(tmp_path: Path) -> None:
    rows = new_rows(7, 2).assign(wind=10.0)

    found = measure(monitored(tmp_path, rows, WIND), OPTIONS)

    assert found.summary.set_index("metric").loc["alarms_in_last_window", "value"] == 0
    assert found.notes[1].startswith("In the last window nothing has moved")


def test_lost_columns_are_listed(tmp_path: Path) -> None:
    found = measure(monitored(tmp_path, new_rows(7, 3).drop(columns="gust")), OPTIONS)

    lost = found.summary[found.summary["metric"] == "watched"]
    assert lost[["group", "reason"]].values.tolist() == [["gust", Reason.SCHEMA]]


def test_rows_without_any_watched_column_are_not_assessed(tmp_path: Path) -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(monitored(tmp_path, new_rows(7, 4).drop(columns="wind"), WIND), OPTIONS)

    assert caught.value.code is Reason.SCHEMA


def test_review_has_no_plan() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(small_case(), OPTIONS)

    assert caught.value.code is Reason.NO_PLAN


def test_false_alarms_come_as_often_as_the_level_says(tmp_path: Path) -> None:
    """The level at 1.96 errors of a window: one window in twenty, not more."""
    level = {**WIND, "alarm_move": 1.96 * DAY_EFFECT / 7**0.5, "reference": 10.0}
    rows = new_rows(7 * 800, 5)

    found = measure(monitored(tmp_path, rows, level), OPTIONS)

    share = found.summary.set_index("metric").loc["alarm_share"]
    assert share["value"] == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 800))
    assert share["ci_low"] < 0.05 < share["ci_high"]
