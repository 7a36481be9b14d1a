import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness import seen
from readiness.checks.coverage._outside import THE_REST, CountOutside, _summed
from readiness.checks.coverage.value_ranges import CHECK
from readiness.errors import NotAssessedError, Reason
from readiness.result import Status
from readiness.shares import share_counts, share_intervals
from readiness.stats import Clusters
from readiness.table_rows import Keys, Look
from tests.coverage_cases import (
    findings,
    measure,
    plain_case,
    reasons,
    values,
    with_target,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NO_KEYS = Keys(time=None, span=1, block=None, entity=None, weight=None)
SHARE, EXPECTED = "outside_share", "expected_outside_share"


def _small() -> dict[str, pd.DataFrame]:
    training = pd.DataFrame(
        {"wind": [3.0, 10.0, 5.0, np.nan], "port": ["A", "B", "A", "B"]}
    )
    current = pd.DataFrame(
        {
            "wind": [2.0, 3.0, 10.0, 10.5, np.inf, np.nan, 4.0, 4.0, 4.0, 4.0],
            "port": ["A", "C", "C", "C", "A", None, "B", "B", "B", "D"],
        }
    )
    return {
        "training": training,
        "reference": with_target(training),
        "current": current,
    }


def test_planted_shares_are_found_exactly() -> None:
    case = plain_case(features=["wind", "port"], **_small())

    measurement = measure("value_ranges", case)

    # wind: 2.0, 10.5 and inf of ten rows; port: C three times, D once; either: rows
    # 0, 1, 2, 3, 4 and 9.
    shares = values(measurement, SHARE)
    assert shares == pytest.approx({"wind": 0.3, "port": 0.4, "": 0.6})
    wind = measurement.tables["columns"].set_index("column").loc["wind"]
    assert (wind["rows_below"], wind["rows_above"]) == (1, 2)
    assert (wind["seen"], wind["met"]) == ("3 to 10", "2 to 10.5")
    new = measurement.tables["new_categories"]
    assert new["category"].tolist() == ["C", "D"]
    assert new["rows"].tolist() == [3, 1]
    assert "C (3 rows), D (1 row)" in " ".join(measurement.notes)


def test_identical_tables_have_no_row_outside() -> None:
    rows = pd.DataFrame({"wind": np.tile(np.arange(10.0), 60)})
    case = plain_case(
        features=["wind"], training=rows, reference=with_target(rows), current=rows
    )

    found = findings("value_ranges", case)

    assert found["outside_share/"].value == 0.0
    assert found["outside_share/"].status is Status.PASS


def test_planted_gap_fails_the_limit() -> None:
    rows = pd.DataFrame({"wind": np.tile(np.arange(10.0), 60)})
    current = rows.assign(wind=rows["wind"] + 5.0)
    case = plain_case(
        features=["wind"], training=rows, reference=with_target(rows), current=current
    )

    found = findings("value_ranges", case)

    assert found["outside_share/"].value == pytest.approx(0.5)
    assert found["outside_share/"].status is Status.FAIL
    assert found["outside_share/wind"].status is Status.INFO


@pytest.mark.parametrize(("d", "law"), [(1, 0.0392), (3, 0.1131)])
def test_next_rows_leave_the_range_as_often_as_the_law_says(d: int, law: float) -> None:
    rng = np.random.default_rng(d)
    names = tuple(f"x{n}" for n in range(d))
    look = Look(keys=NO_KEYS, kinds=tuple((name, "numeric") for name in names))
    n, m, draws = 50, 40, 400
    shares = []
    for values_drawn in rng.normal(size=(draws, n + m, d)):
        before, after = (
            pa.RecordBatch.from_arrays(list(part.T), names=list(names))
            for part in (values_drawn[:n], values_drawn[n:])
        )
        seen = look.summarize(before)
        bounds = {
            name: (-seen.low[name].values[0], seen.high[name].values[0])
            for name in names
        }
        count = CountOutside(keys=NO_KEYS, names=names, bounds=bounds, known={})
        shares.append(count.summarize(after).intervals()[-1].value)

    # 1 - ((n - 1) / (n + 1))^d, which is 2 / (n + 1) for one feature
    error = np.std(shares) / np.sqrt(draws)
    assert 1 - ((n - 1) / (n + 1)) ** d == pytest.approx(law, abs=1e-4)
    assert np.mean(shares) == pytest.approx(law, abs=4 * error)


def test_expected_share_of_independent_rows_is_the_law() -> None:
    rng = np.random.default_rng(5)
    names = ["a", "b", "c"]
    rows = pd.DataFrame(rng.normal(size=(400, 3)), columns=names)
    case = plain_case(
        features=names, training=rows, reference=with_target(rows), current=rows
    )

    expected = values(measure("value_ranges", case), EXPECTED)

    assert expected["a"] == pytest.approx(2 / 401)
    # No row holds two extremes here, so that shares add; the law would multiply.
    assert expected[""] == pytest.approx(6 / 401)
    assert expected[""] == pytest.approx(1 - (399 / 401) ** 3, rel=0.01)


def test_expected_share_of_new_categories_is_that_of_robbins() -> None:
    ports = ["A"] * 6 + ["B"] * 2 + ["C", "D"]
    rows = pd.DataFrame({"port": ports})
    case = plain_case(
        features=["port"], training=rows, reference=with_target(rows), current=rows
    )

    expected = values(measure("value_ranges", case), EXPECTED)

    # Two categories seen once in ten rows: N1 / (n + 1) = 2 / 11.
    assert expected["port"] == pytest.approx(2 / 11)


@pytest.mark.slow
def test_expected_share_holds_for_days_that_hang_together() -> None:
    rng = np.random.default_rng(6)
    n_days, per_day, draws = 40, 25, 30
    day = np.repeat(np.arange(n_days + 1), per_day)
    level = rng.normal(size=(draws, n_days + 1)).repeat(per_day, axis=1)
    drawn = level + rng.normal(0.0, 0.3, (draws, len(day)))
    expected, gaps = [], []
    for wind in drawn:
        rows = pd.DataFrame({"wind": wind, "day": day})
        past, future = rows[day < n_days], rows[day == n_days]
        case = plain_case(
            features=["wind"],
            data={"block": "day"},
            training=past,
            reference=with_target(past),
            current=future,
        )
        measurement = measure("value_ranges", case)
        expected.append(values(measurement, EXPECTED)[""])
        gaps.append(expected[-1] - values(measurement, SHARE)[""])

    # Leaving days out foresees the next day; the law of independent rows says 0.2 %.
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(draws)
    assert np.mean(expected) > 5 * 2 / (n_days * per_day + 1)


def test_limits_hold_for_days_that_hang_together() -> None:
    rng = np.random.default_rng(7)
    n_days, per_day, truth, draws = 120, 20, 0.2, 300
    day = Clusters(block=np.repeat(np.arange(n_days), per_day))
    below, above, naive = [], [], []
    for share in rng.beta(1.0, 4.0, (draws, n_days)):
        hits = rng.random((n_days * per_day, 1)) < share.repeat(per_day)[:, None]
        got = share_intervals(share_counts(hits, day))[0]
        by_row = share_intervals(share_counts(hits, Clusters()))[0]
        below.append(got.ci_low <= truth)
        above.append(truth <= got.ci_high)
        naive.append(truth <= by_row.ci_high)

    # Each limit is one-sided 95 %; 300 draws are good to 4 points.
    assert np.mean(below) > 0.91
    assert np.mean(above) > 0.91
    # Without the days the limits do not hold.
    assert np.mean(naive) < 0.91


@pytest.mark.slow
def test_measured_limits_hold_only_with_the_declared_days() -> None:
    rng = np.random.default_rng(8)
    n_days, per_day, truth, draws = 70, 12, 0.2, 120
    day = np.repeat(np.arange(n_days), per_day)
    training = pd.DataFrame({"wind": np.tile([0.0, 1.0], 30), "day": 0, "row": 0})
    held: dict[str, list[tuple[bool, bool]]] = {"day": [], "row": []}
    for share in rng.beta(0.5, 2.0, (draws, n_days)):
        wind = np.where(rng.random(len(day)) < share.repeat(per_day), 9.0, 0.5)
        rows = {"wind": wind, "day": day, "row": np.arange(len(day))}
        for block, found in held.items():
            case = plain_case(
                features=["wind"],
                data={"block": block},
                training=training,
                reference=with_target(training),
                current=pd.DataFrame(rows),
            )
            got = measure("value_ranges", case).summary
            wide = got[(got["metric"] == SHARE) & (got["group"] == "")].iloc[0]
            found.append((wide["ci_low"] <= truth, truth <= wide["ci_high"]))

    # Each limit is one-sided 95 %; 120 draws are good to 4 points.
    assert np.mean(held["day"], axis=0).min() > 0.91
    assert np.mean(held["row"], axis=0).max() < 0.91


def test_reference_is_held_against_training_without_current_rows() -> None:
    tables = _small()
    reference = with_target(tables["current"])
    case = plain_case(
        features=["wind", "port"], training=tables["training"], reference=reference
    )

    measurement = measure("value_ranges", case)

    assert values(measurement, SHARE)[""] == pytest.approx(0.6)
    assert "reference rows are held against it" in measurement.notes[-1]


def test_reference_stands_in_for_training() -> None:
    tables = _small()
    case = plain_case(
        features=["wind", "port"],
        reference=with_target(tables["training"]),
        current=tables["current"],
    )

    measurement = measure("value_ranges", case)

    assert values(measurement, SHARE)[""] == pytest.approx(0.6)
    assert "reference rows stand in" in measurement.notes[-1]


def test_reference_alone_cannot_be_assessed() -> None:
    case = plain_case(features=["wind"], reference=with_target(_small()["training"]))

    with pytest.raises(NotAssessedError, match="reference table alone") as raised:
        measure("value_ranges", case)

    assert raised.value.code is Reason.NO_TABLE


def test_columns_that_cannot_be_compared_are_listed_and_the_rest_is_measured() -> None:
    tables = _small()
    training = tables["training"].assign(
        gone=1.0, text=["1", "2", "3", "4"], empty=np.nan, level=pd.NA
    )
    training["level"] = training["level"].astype("str")
    training.loc[:, "level"] = None
    current = tables["current"].assign(text=1.0, empty=2.0, level="x")
    names = ["wind", "gone", "text", "empty", "level"]
    case = plain_case(
        features=names,
        training=training,
        reference=with_target(training),
        current=current,
    )

    measurement = measure("value_ranges", case)

    assert reasons(measurement) == {
        "gone": "SCHEMA",
        "text": "SCHEMA",
        "empty": "ALL_NULL",
        "level": "ALL_NULL",
    }
    assert values(measurement, SHARE)[""] == pytest.approx(0.3)
    assert any("Not compared (4 of all" in note for note in measurement.notes)


def test_no_comparable_column_is_not_assessed() -> None:
    training = pd.DataFrame({"wind": [1.0, 2.0]})
    case = plain_case(
        features=["wind"],
        training=training,
        reference=with_target(training),
        current=pd.DataFrame({"other": [1.0]}),
    )

    with pytest.raises(NotAssessedError, match="No feature of the current") as raised:
        measure("value_ranges", case)

    assert raised.value.code is Reason.NO_COLUMNS


def test_columns_no_table_can_type_are_listed() -> None:
    training = pd.DataFrame({"wind": [1.0, 2.0], "bag": [[1], [2]]})
    mixed = training.assign(bag=["a", "b"])
    current = pd.DataFrame({"wind": [1.0, np.nan], "bag": [1, "a"]})
    lists = plain_case(
        features=["wind", "bag"],
        training=training,
        reference=with_target(training),
        current=training,
    )
    both = plain_case(
        features=["wind", "bag"],
        training=mixed,
        reference=with_target(mixed),
        current=current,
    )

    assert reasons(measure("value_ranges", lists)) == {"bag": "UNSUPPORTED_TYPE"}
    assert reasons(measure("value_ranges", both)) == {"bag": "MIXED_TYPES"}


def test_column_that_lost_its_values_has_none_outside() -> None:
    training = pd.DataFrame({"wind": [1.0, 2.0]})
    case = plain_case(
        features=["wind"],
        training=training,
        reference=with_target(training),
        current=training.assign(wind=np.nan),
    )

    measurement = measure("value_ranges", case)

    assert values(measurement, SHARE)["wind"] == 0.0
    assert measurement.tables["columns"]["met"].tolist() == ["no value"]


def test_ids_are_no_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MAX_CATEGORIES", 3)
    rows = pd.DataFrame({"wind": np.arange(5.0), "order": list("abcde")})
    case = plain_case(
        features=["wind", "order"],
        training=rows,
        reference=with_target(rows),
        current=rows,
    )

    measurement = measure("value_ranges", case)

    assert reasons(measurement) == {"order": "UNSUPPORTED_TYPE"}


def test_small_cells_and_ranges_of_sensitive_columns_are_not_shown() -> None:
    training = pd.DataFrame({"age": [20.0, 60.0] * 20, "faith": ["x", "y"] * 20})
    current = pd.DataFrame(
        {"age": [97.0] * 40, "faith": ["z"] * 12 + ["rare1"] * 9 + ["rare2"] * 19}
    )
    case = plain_case(
        features=["age", "faith"],
        columns={"age": {"sensitive": True}, "faith": {"sensitive": True}},
        training=training,
        reference=with_target(training),
        current=current,
    )

    measurement = measure("value_ranges", case)

    shown = " ".join(
        [*measurement.notes, *(one.to_csv() for one in measurement.tables.values())]
    )
    assert "rare1" not in shown
    assert "97" not in shown
    assert "other (fewer than 10 rows each)" in shown
    assert "rare2" in shown


def test_times_are_ranges_too() -> None:
    days = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=4)})
    later = days.assign(when=days["when"] + pd.Timedelta(days=2))
    case = plain_case(
        features=["when"], training=days, reference=with_target(days), current=later
    )

    measurement = measure("value_ranges", case)

    assert values(measurement, SHARE)["when"] == pytest.approx(0.5)
    seen = measurement.tables["columns"]["seen"].iloc[0]
    assert seen == "2024-01-01T00:00 to 2024-01-04T00:00"


def test_shares_are_weighted_where_the_case_has_weights() -> None:
    training = pd.DataFrame({"wind": [1.0, 2.0], "w": [1.0, 1.0]})
    current = pd.DataFrame({"wind": [1.0, 9.0], "w": [3.0, 1.0]})
    case = plain_case(
        features=["wind"],
        data={"weight": "w"},
        training=training,
        reference=with_target(training),
        current=current,
    )

    assert values(measure("value_ranges", case), SHARE)["wind"] == pytest.approx(0.25)


def test_rows_without_time_or_entity_stand_for_themselves() -> None:
    when = pd.to_datetime(["2024-01-01", None, "2024-01-01", None])
    rows = pd.DataFrame(
        {"wind": [1.0, 2.0, 3.0, 4.0], "when": when, "plane": ["p", None, None, "p"]}
    )
    case = plain_case(
        features=["wind"],
        data={"time": "when", "entity": "plane"},
        training=rows,
        reference=with_target(rows),
        current=rows.assign(wind=[9.0, 1.0, 1.0, 1.0]),
    )

    summary = measure("value_ranges", case).summary

    # One day and two rows without a time: three blocks; one plane and two rows: three.
    assert summary["n_blocks"].dropna().unique().tolist() == [3]


def test_new_categories_beyond_the_cap_are_one_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("readiness.checks.coverage._outside.MAX_NAMED", 2)

    assert _summed({"a": 1, "b": 2}, {"b": 1, "c": 5, "d": 1}) == {
        "a": 1,
        "b": 3,
        THE_REST: 6,
    }


def test_zoned_times_fall_into_the_days_people_live_in() -> None:
    when = pd.DatetimeIndex(
        [
            dt.datetime(2024, 1, 1, 23, tzinfo=dt.UTC),
            dt.datetime(2024, 1, 2, 1, tzinfo=dt.UTC),
        ]
    ).tz_convert("Europe/Paris")
    rows = pd.DataFrame({"wind": [1.0, 2.0], "when": when})
    case = plain_case(
        features=["wind"],
        data={"time": "when"},
        training=rows,
        reference=with_target(rows),
        current=rows,
    )

    summary = measure("value_ranges", case).summary

    assert summary["n_blocks"].dropna().unique().tolist() == [1]


def test_figure_names_the_worst_and_shows_what_is_expected() -> None:
    case = plain_case(features=["wind", "port"], **_small())
    measurement = measure("value_ranges", case)

    figure = CHECK.draw(measurement, CHECK.limits)

    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["any feature", "port", "wind"]
    assert CHECK.alt(measurement).startswith("60.0 % of rows hold a value never seen")
    assert "Most are in port: 40.0 %" in CHECK.alt(measurement)


def test_alternative_text_without_a_row_outside_stops_there() -> None:
    rows = pd.DataFrame({"wind": [1.0, 2.0]})
    case = plain_case(
        features=["wind"], training=rows, reference=with_target(rows), current=rows
    )

    assert CHECK.alt(measure("value_ranges", case)).endswith("is expected.")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
@pytest.mark.parametrize(
    ("folder", "time", "n_past"),
    [("adult_income", None, 30_000), ("bike_sharing_hourly", "dteday", 8_645)],
)
def test_shares_agree_with_pandas_on_real_tables(
    folder: str, time: str | None, n_past: int
) -> None:
    rows = pd.read_parquet(SHARED / folder / f"{folder}.parquet")
    past, future = rows.iloc[:n_past], rows.iloc[n_past:]
    numeric = [n for n in past.select_dtypes("number") if n != time]
    text = list(past.select_dtypes("str"))
    outside = pd.DataFrame(
        {n: (future[n] < past[n].min()) | (future[n] > past[n].max()) for n in numeric}
        | {n: ~future[n].isin(past[n].unique()) & future[n].notna() for n in text}
    )
    wanted = outside.mean().to_dict() | {"": outside.any(axis=1).mean()}

    case = plain_case(
        features=[*numeric, *text],
        data={"time": time} if time else None,
        training=past,
        reference=with_target(past),
        current=future,
    )

    assert values(measure("value_ranges", case), SHARE) == pytest.approx(wanted)
