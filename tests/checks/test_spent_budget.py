"""M1: shares of a budget follow from window means, with the errors of the plan."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readiness.checks.monitor._windows import windows_of
from readiness.checks.monitor.spent_budget import CHECK, measure
from readiness.errors import NotAssessedError, Reason
from readiness.markup import csv_text
from readiness.result import Measurement, Options
from tests.cases import small_case
from tests.plans import DAY_EFFECT, GUST, WIND, monitored, new_rows

OPTIONS = Options(values={}, profile="quick", seed=7)
Z = 1.6448536269514722


def row(found: Measurement, metric: str, group: str) -> pd.Series:
    rows = found.summary
    return rows[(rows["metric"] == metric) & (rows["group"] == group)].iloc[0]


def test_share_is_the_move_of_the_last_window_over_the_budget(tmp_path: Path) -> None:
    rows = new_rows(21, 1, wind=11.0)
    last_week = rows[rows["when"] >= "2026-12-15"]["wind"].mean()

    found = row(measure(monitored(tmp_path, rows), OPTIONS), "budget_spent", "wind")

    move, error = last_week - 10.0, np.hypot(DAY_EFFECT / 7**0.5, DAY_EFFECT / 60**0.5)
    assert found["value"] == pytest.approx(move / 2.0)
    assert found["ci_low"] == pytest.approx((move - Z * error) / 2.5)
    assert found["ci_high"] == pytest.approx((move + Z * error) / 1.6)
    assert (found["n_rows"], found["n_blocks"]) == (700, 60)


def test_move_to_the_harmless_side_spends_nothing(tmp_path: Path) -> None:
    found = measure(monitored(tmp_path, new_rows(7, 2, wind=5.0)), OPTIONS)

    share = row(found, "budget_spent", "wind")
    assert (share["value"], share["ci_low"], share["ci_high"]) == (0.0, 0.0, 0.0)


def test_windows_are_whole_days_in_order_and_the_rest_joins_the_last(
    tmp_path: Path,
) -> None:
    rows = new_rows(17, 3)
    week = (rows["when"].dt.normalize() - pd.Timestamp("2026-12-01")).dt.days // 7
    expected = rows["wind"].groupby(week.clip(upper=1)).mean()

    windows = windows_of(monitored(tmp_path, rows, WIND))

    assert windows.rows.tolist() == [700, 1000]
    assert windows.blocks.tolist() == [7, 10]
    np.testing.assert_allclose(windows.value[:, 0], expected)


def test_fewer_days_than_a_window_are_one_window(tmp_path: Path) -> None:
    assert windows_of(monitored(tmp_path, new_rows(3, 4))).rows.tolist() == [300]


def test_blind_budget_is_shown_and_decides_nothing(tmp_path: Path) -> None:
    rows = new_rows(21, 5)
    rows.loc[rows.index[::2], "gust"] = np.nan

    found = measure(monitored(tmp_path, rows), OPTIONS)

    share = row(found, "blind_budget_spent", "gust/missing")
    # A late or blind budget is held against three windows.
    missing = rows["gust"].isna().mean()
    assert share["value"] == pytest.approx((missing - 0.1) / 0.3)
    assert CHECK.limits[0].metric == "budget_spent"
    assert "blind to: missing gust" in " ".join(found.notes)


def test_blind_budget_that_is_spent_beyond_doubt_decides(tmp_path: Path) -> None:
    rows = new_rows(21, 5)
    rows.loc[rows.index[::2], "gust"] = np.nan
    watch = {**GUST, "budget_high": 0.4}

    found = measure(monitored(tmp_path, rows, WIND, watch), OPTIONS)

    share = row(found, "budget_spent", "gust/missing")
    assert share["ci_low"] > 1
    assert found.notes[0].startswith("1 of 2 budgets that the window can see are spent")
    assert "blind to" not in " ".join(found.notes)


def test_blind_budget_decides_only_where_an_alarm_shows_it(tmp_path: Path) -> None:
    """Many small budgets would be spent by chance more often than was promised."""
    rows = new_rows(7, 20)
    rows["wind"] += 10.55 - rows["wind"].mean()
    small = {"budget": 0.1, "budget_low": 0.05, "budget_high": 0.12}
    watch = {**WIND, **small, "verdict": "blind"}

    shares = [
        measure(monitored(tmp_path, rows, {**watch, "alarm_move": level}), OPTIONS)
        for level in (0.6, 0.5)
    ]

    quiet, alarmed = (set(one.summary["metric"]) for one in shares)
    assert row(shares[0], "blind_budget_spent", "wind")["ci_low"] > 1
    assert "budget_spent" not in quiet
    assert "blind_budget_spent" not in alarmed


def test_lost_column_of_a_blind_budget_is_not_assessed(tmp_path: Path) -> None:
    rows = new_rows(21, 5).drop(columns="gust")

    found = measure(monitored(tmp_path, rows), OPTIONS)

    assert row(found, "budget_spent", "gust/missing")["reason"] == Reason.SCHEMA


def test_lost_column_without_a_budget_is_not_assessed(tmp_path: Path) -> None:
    rows = new_rows(21, 5).drop(columns="carrier")

    found = measure(monitored(tmp_path, rows), OPTIONS)

    assert row(found, "budget_spent", "carrier")["reason"] == Reason.SCHEMA
    assert "Cannot be watched in these rows: carrier." in found.notes


@pytest.mark.parametrize(("every", "is_told"), [(200, False), (20, True)])
def test_values_missing_for_the_first_time_leave_the_verdict_open(
    tmp_path: Path, every: int, *, is_told: bool
) -> None:
    rows = new_rows(7, 19).sort_values("when", ignore_index=True)
    rows.loc[::every, "wind"] = np.nan

    found = measure(monitored(tmp_path, rows), OPTIONS)

    decided = found.summary[found.summary["metric"] == "budget_spent"]
    lost = decided[decided["group"] == "wind/missing"]
    assert len(lost) == is_told
    if is_told:
        assert lost["censored"].all()
        assert "nobody knows what it costs: wind (5.00 %)." in found.notes[-1]


BOUND = {
    key: one for key, one in WIND.items() if "budget" not in key and key != "verdict"
}


@pytest.mark.parametrize(("wind", "is_told"), [(11.0, False), (14.0, True)])
def test_move_that_the_review_could_not_price_leaves_the_verdict_open(
    tmp_path: Path, wind: float, *, is_told: bool
) -> None:
    """Up to 2 mph the review knows that nothing is lost; beyond, it knows nothing."""
    bound = {**BOUND, "budget_low": 2.0, "direction": ""}
    plan = monitored(tmp_path, new_rows(7, 18, wind=wind), GUST, bound)

    found = measure(plan, OPTIONS)

    decided = found.summary[found.summary["metric"] == "budget_spent"]
    assert decided["group"].tolist() == (["wind"] if is_told else [])
    if is_told:
        share = decided.iloc[0]
        assert np.isnan(share["value"])
        assert (share["ci_low"], share["ci_high"]) == (0.0, np.inf)
        assert share["censored"]
        assert "the review could tell the cost of: mean of wind" in found.notes[1]


def test_category_is_counted_among_all_rows(tmp_path: Path) -> None:
    rows = new_rows(7, 6)
    rows.loc[rows.index[:100], "carrier"] = None

    windows = windows_of(monitored(tmp_path, rows))

    assert windows.value[0, 1] == pytest.approx((rows["carrier"] == "AA").mean())


def test_lost_column_is_not_assessed_and_named(tmp_path: Path) -> None:
    rows = new_rows(7, 7).drop(columns="wind")

    found = measure(monitored(tmp_path, rows), OPTIONS)

    share = row(found, "budget_spent", "wind")
    assert np.isnan(share["value"])
    assert share["reason"] == Reason.SCHEMA
    assert "Cannot be watched in these rows: wind." in found.notes


def test_rows_without_a_time_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = new_rows(14, 8)
    rows.loc[rows.index[:30], "when"] = pd.NaT

    found = measure(monitored(tmp_path, rows), OPTIONS)

    assert "30 rows have no time and are left out." in found.notes


def test_days_left_follow_from_a_straight_path(tmp_path: Path) -> None:
    """A rise of 0.02 a day from 10: 2 mph are reached after 100 days."""
    rows = new_rows(70, 9)
    day = (rows["when"].dt.normalize() - pd.Timestamp("2026-12-01")).dt.days
    rows["wind"] = 10.0 + 0.02 * day

    left = row(measure(monitored(tmp_path, rows, WIND), OPTIONS), "days_left", "wind")

    # The last window is that of days 63 to 69, whose mean is that of day 66.
    assert left["value"] == pytest.approx(100 - 66, abs=0.5)
    assert left["ci_low"] < left["value"] < left["ci_high"]


def test_path_that_leads_nowhere_has_no_end(tmp_path: Path) -> None:
    left = row(
        measure(monitored(tmp_path, new_rows(70, 10), WIND), OPTIONS),
        "days_left",
        "wind",
    )

    assert np.isnan(left["value"])
    assert left["reason"] == Reason.BEYOND_SUPPORT


def publish(found: Measurement, run: Path) -> Path:
    (run / "tables").mkdir(parents=True)
    text = csv_text(found.tables["windows"])
    (run / "tables" / "M1-windows.csv").write_text(text, encoding="utf-8")
    return run


def test_windows_of_earlier_runs_are_on_the_path_once(tmp_path: Path) -> None:
    first = measure(monitored(tmp_path, new_rows(14, 11)), OPTIONS)
    run = publish(first, tmp_path / "run")
    rows = new_rows(14, 12, start="2026-12-08")

    both = measure(monitored(tmp_path, rows, earlier=(run,)), OPTIONS)

    wind = both.tables["path"].query("column == 'wind'")
    assert len(wind) == 3 or wind["start"].is_unique
    assert wind["start"].is_monotonic_increasing
    assert wind["run"].tolist()[-2:] == [1, 1]


def test_budget_seen_late_is_held_against_windows_of_earlier_runs(
    tmp_path: Path,
) -> None:
    """One window comes at a time; three of them are what the plan promised to need."""
    watch = {**WIND, "verdict": "late"}
    runs, weeks = (), []
    for seed, start in enumerate(["2026-12-01", "2026-12-08", "2026-12-15"]):
        rows = new_rows(7, seed, wind=12.0, start=start)
        weeks.append(rows["wind"].mean())
        (tmp_path / start).mkdir()
        case = monitored(tmp_path / start, rows, watch, earlier=runs)
        found = measure(case, OPTIONS)
        runs = (*runs, publish(found, tmp_path / f"run {start}"))

    share = row(found, "budget_spent", "wind")

    move = np.mean(weeks) - 10.0
    error = np.hypot(DAY_EFFECT / 21**0.5, DAY_EFFECT / 60**0.5)
    assert share["value"] == pytest.approx(move / 2.0)
    assert share["ci_low"] == pytest.approx((move - Z * error) / 2.5)
    assert share["n_rows"] == 2100


def test_storm_of_last_week_does_not_leave_this_week_open(tmp_path: Path) -> None:
    bound = {**BOUND, "budget_low": 2.0, "direction": ""}
    storm = measure(
        monitored(tmp_path, new_rows(7, 21, wind=18.0), GUST, bound), OPTIONS
    )
    run = publish(storm, tmp_path / "run")
    calm = new_rows(7, 22, start="2026-12-08")

    found = measure(monitored(tmp_path, calm, GUST, bound, earlier=(run,)), OPTIONS)

    assert "budget_spent" in set(storm.summary["metric"])
    assert "budget_spent" not in set(found.summary["metric"])


def test_rows_of_last_month_are_not_judged_by_later_ones(tmp_path: Path) -> None:
    watch = {**WIND, "verdict": "late"}
    later = measure(monitored(tmp_path, new_rows(7, 1, wind=12.0), watch), OPTIONS)
    run = publish(later, tmp_path / "run")
    before = new_rows(7, 2, start="2026-11-01")

    found = measure(monitored(tmp_path, before, watch, earlier=(run,)), OPTIONS)

    share = row(found, "budget_spent", "wind")
    assert share["value"] == pytest.approx(max(before["wind"].mean() - 10.0, 0) / 2.0)


def test_column_named_like_a_formula_stays_on_its_path(tmp_path: Path) -> None:
    watch = {**WIND, "column": "-wind"}
    first = new_rows(14, 14).rename(columns={"wind": "-wind"})
    later = new_rows(14, 15, start="2026-12-15").rename(columns={"wind": "-wind"})
    run = publish(measure(monitored(tmp_path, first, watch), OPTIONS), tmp_path / "run")

    both = measure(monitored(tmp_path, later, watch, earlier=(run,)), OPTIONS)

    assert set(both.tables["path"]["column"]) == {"-wind"}
    assert len(both.tables["path"]) == 4
    left = both.summary[both.summary["metric"] == "days_left"]
    assert left["group"].tolist() == ["-wind"]


def test_earlier_run_without_windows_is_passed_over(tmp_path: Path) -> None:
    """It could not tell; the next run must not break because of that."""
    (tmp_path / "run").mkdir()

    found = measure(
        monitored(tmp_path, new_rows(14, 16), earlier=(tmp_path / "run",)), OPTIONS
    )

    assert len(found.tables["path"].query("column == 'wind'")) == 2


def test_rows_without_any_time_are_not_assessed(tmp_path: Path) -> None:
    rows = new_rows(7, 17).assign(when=pd.Series(pd.NaT, dtype="datetime64[us]"))

    with pytest.raises(NotAssessedError) as caught:
        measure(monitored(tmp_path, rows), OPTIONS)

    assert caught.value.code is Reason.EMPTY


def test_review_has_no_plan() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(small_case(), OPTIONS)

    assert caught.value.code is Reason.NO_PLAN


def test_plan_without_any_budget_has_nothing_to_hold_rows_against(
    tmp_path: Path,
) -> None:
    watch = {key: one for key, one in GUST.items() if "budget" not in key}
    del watch["verdict"]

    with pytest.raises(NotAssessedError) as caught:
        measure(monitored(tmp_path, new_rows(7, 13), watch), OPTIONS)

    assert caught.value.code is Reason.NO_COLUMNS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wind", "passes", "fails"),
    [(10.0, (0.98, 1), (0, 0)), (12.0, (0, 0.05), (0, 0.05))],
)
def test_verdicts_at_no_move_and_at_the_limit(
    tmp_path: Path,
    wind: float,
    passes: tuple[float, float],
    fails: tuple[float, float],
) -> None:
    """At the budget itself neither verdict comes more often than one in twenty."""
    shares = [
        row(
            measure(monitored(tmp_path, new_rows(7, seed, wind=wind), WIND), OPTIONS),
            "budget_spent",
            "wind",
        )
        for seed in range(200)
    ]

    passed = np.mean([one["ci_high"] < 1 for one in shares])
    failed = np.mean([one["ci_low"] > 1 for one in shares])
    assert passes[0] <= passed <= passes[1]
    assert fails[0] <= failed <= fails[1]
