from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.checks.coverage._calendar_report import _short
from readiness.checks.coverage.calendar_coverage import CHECK
from readiness.result import Status
from tests.coverage_cases import (
    TARGET,
    findings,
    measure,
    plain_case,
    reasons,
    values,
    with_target,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EVENTS, CALENDAR = "events", "calendar_share"
UNITS = {"month", "weekday", "hour"}


def _days(start: str, n_days: int, *, hours: tuple[int, ...] = (6, 18)) -> pd.DataFrame:
    """Return one row per day and hour, with a target that is 0 and 1 in turn."""
    days = pd.date_range(start, periods=n_days)
    when = pd.DatetimeIndex(np.repeat(days, len(hours))) + pd.to_timedelta(
        np.tile(hours, n_days), unit="h"
    )
    return with_target(pd.DataFrame({"x": 1.0, "when": when}))


def _case(**tables: pd.DataFrame) -> object:
    return plain_case(features=["x"], data={"time": "when"}, **tables)


def test_events_are_counted_per_class_in_the_poorer_table() -> None:
    training = pd.DataFrame({"x": 1.0, TARGET: [0] * 300 + [1] * 150 + [None] * 50})
    reference = pd.DataFrame({"x": 1.0, TARGET: [0] * 120 + [1] * 160})
    case = plain_case(features=["x"], training=training, reference=reference)

    measurement = measure("calendar_coverage", case)

    assert values(measurement, EVENTS) == {"0": 120.0, "1": 150.0}
    rows = measurement.summary.set_index(["metric", "group"])["n_rows"]
    assert rows[EVENTS, "0"] == 280
    assert rows[EVENTS, "1"] == 450
    classes = measurement.tables["classes"].set_index(["table", "class"])
    assert classes["events"].to_dict() == {
        ("training", "0"): 300,
        ("training", "1"): 150,
        ("reference", "0"): 120,
        ("reference", "1"): 160,
    }
    assert classes.loc[("reference", "0"), "share"] == pytest.approx(120 / 280)
    assert classes.loc[("reference", "0"), "ci_low"] < 120 / 280


def test_rare_class_fails_and_enough_events_pass() -> None:
    rows = pd.DataFrame({"x": 1.0, TARGET: [0] * 500 + [1] * 99})
    case = plain_case(features=["x"], reference=rows)

    found = findings("calendar_coverage", case)

    assert found["events/0"].status is Status.PASS
    assert found["events/1"].status is Status.FAIL
    assert found["events/1"].required
    assert found["calendar_share/month"].status is Status.NOT_ASSESSED


def test_class_without_a_row_has_no_event() -> None:
    def three(frame: pd.DataFrame) -> np.ndarray:
        return np.full((len(frame), 3), 1 / 3)

    three.classes_ = np.array(["early", "late", "lost"])
    rows = pd.DataFrame({"x": 1.0, TARGET: ["early", "late", "late", "odd"]})
    case = plain_case(features=["x"], task="multiclass", model=three, reference=rows)

    measurement = measure("calendar_coverage", case)

    assert values(measurement, EVENTS) == {"early": 1.0, "late": 2.0, "lost": 0.0}
    assert "1 rows of reference hold a label that is no class" in measurement.notes[0]
    assert "the rarest class, lost, has 0 labelled rows" in CHECK.alt(measurement)


def test_many_classes_are_counted_without_intervals() -> None:
    labels = [f"c{n:02d}" for n in range(60)]

    def many(frame: pd.DataFrame) -> np.ndarray:
        return np.full((len(frame), 60), 1 / 60)

    many.classes_ = np.array(labels)
    rows = pd.DataFrame({"x": 1.0, TARGET: labels * 2})
    case = plain_case(features=["x"], task="multiclass", model=many, reference=rows)

    measurement = measure("calendar_coverage", case)

    assert set(values(measurement, EVENTS).values()) == {2.0}
    assert measurement.tables["classes"]["ci_low"].isna().all()


def test_numbers_are_counted_in_the_tenths_of_training() -> None:
    training = pd.DataFrame({"x": 1.0, TARGET: np.arange(101.0)})
    reference = pd.DataFrame({"x": 1.0, TARGET: [5.0, 10.0, 50.0, 95.0, np.nan]})
    case = plain_case(
        features=["x"], task="regression", training=training, reference=reference
    )

    measurement = measure("calendar_coverage", case)

    # Training's tenths end at 10 and begin at 90.
    assert values(measurement, EVENTS) == {
        "lowest tenth": 2.0,
        "middle": 1.0,
        "highest tenth": 1.0,
    }


def test_labels_are_taken_where_they_are() -> None:
    reference = pd.DataFrame({"x": 1.0, TARGET: [0.0, 1.0, 2.0, 10.0]})
    case = plain_case(
        features=["x"],
        task="regression",
        training=reference.drop(columns=TARGET),
        reference=reference,
    )

    measurement = measure("calendar_coverage", case)

    assert sum(values(measurement, EVENTS).values()) == 4


def test_no_label_at_all_has_a_reason() -> None:
    reference = pd.DataFrame({"x": 1.0, TARGET: [np.nan, np.nan]})
    case = plain_case(features=["x"], model=_two_classes, reference=reference)

    measurement = measure("calendar_coverage", case)

    assert reasons(measurement)[""] == "NO_LABELS"
    assert CHECK.alt(measurement) == "Neither labels nor times could be counted."


def _two_classes(frame: pd.DataFrame) -> np.ndarray:
    return np.full((len(frame), 2), 0.5)


_two_classes.classes_ = np.array([0, 1])


def test_single_class_leaves_the_other_without_events() -> None:
    reference = pd.DataFrame({"x": 1.0, TARGET: [1] * 150})
    case = plain_case(features=["x"], model=_two_classes, reference=reference)

    found = findings("calendar_coverage", case)

    assert found["events/1"].status is Status.PASS
    assert found["events/0"].status is Status.FAIL


def test_months_never_seen_are_found_exactly() -> None:
    training = _days("2024-01-01", 91)  # January to March
    current = _days("2024-03-22", 20)  # ten days of March, ten of April
    case = _case(training=training, reference=training, current=current)

    measurement = measure("calendar_coverage", case)

    assert values(measurement, CALENDAR) == {"month": 0.5, "weekday": 1.0, "hour": 1.0}
    assert "hardly seen: Apr" in measurement.notes[0]
    calendar = measurement.tables["calendar"]
    april = calendar[(calendar["name"] == "Apr") & (calendar["table"] == "current")]
    assert april[["days", "rows"]].to_numpy().tolist() == [[10, 20]]
    assert not april["covered"].item()
    summary = measurement.summary.set_index("group")
    assert summary.loc["month", "n_blocks"] == 20


@pytest.mark.parametrize(("min_days", "share"), [(3, 1.0), (4, 0.0)])
def test_month_counts_as_seen_from_the_days_asked_for(
    min_days: int, share: float
) -> None:
    training = _days("2024-01-29", 3)
    case = _case(training=training, reference=training, current=_days("2024-01-10", 10))

    measurement = measure("calendar_coverage", case, min_days=min_days)

    assert values(measurement, CALENDAR)["month"] == share


def test_hours_and_weekdays_never_seen_are_found_exactly() -> None:
    weekdays = _days("2024-01-01", 70)
    training = weekdays[weekdays["when"].dt.day_of_week < 5]
    current = _days("2024-03-11", 14, hours=(6, 7, 18))
    case = _case(training=training, reference=training, current=current)

    measurement = measure("calendar_coverage", case)

    # Two of seven days are a weekend; one of three hours is new.
    shares = values(measurement, CALENDAR)
    assert shares["weekday"] == pytest.approx(5 / 7)
    assert shares["hour"] == pytest.approx(2 / 3)


def test_sound_calendar_passes_and_a_season_never_seen_fails() -> None:
    year = _days("2023-01-01", 365)
    sound = _case(training=year, reference=year, current=_days("2024-01-01", 180))
    winter = _case(
        training=_days("2023-01-01", 90),
        reference=_days("2023-01-01", 90),
        current=_days("2023-05-01", 180),
    )

    assert findings("calendar_coverage", sound)["calendar_share/month"].status == "pass"
    assert (
        findings("calendar_coverage", winter)["calendar_share/month"].status == "fail"
    )


def test_days_without_hours_have_no_hour_group() -> None:
    rows = _days("2024-01-01", 40, hours=(0,))
    case = _case(training=rows, reference=rows, current=rows)

    assert set(values(measure("calendar_coverage", case), CALENDAR)) == {
        "month",
        "weekday",
    }


@pytest.mark.parametrize(
    ("data", "drop", "reason"),
    [
        ({}, "current", "NO_TIME"),
        ({"time": "when"}, "current", "NO_TABLE"),
        ({"time": "when"}, "when", "ALL_NULL"),
    ],
)
def test_calendar_that_cannot_be_compared_has_a_reason(
    data: dict[str, str], drop: str, reason: str
) -> None:
    rows = _days("2024-01-01", 20)
    tables = {"reference": rows, "current": rows.drop(columns="when")}
    tables.pop(drop, None)
    case = plain_case(features=["x"], data=data, **tables)

    found = reasons(measure("calendar_coverage", case))

    assert {unit: found[unit] for unit in UNITS} == dict.fromkeys(UNITS, reason)


def test_rows_without_a_time_are_counted_and_left_out() -> None:
    rows = _days("2024-01-01", 30)
    current = rows.assign(when=rows["when"].where(rows.index >= 10), w=1.0)
    case = plain_case(
        features=["x"],
        data={"time": "when", "weight": "w"},
        training=rows.assign(w=1.0),
        reference=rows.assign(w=1.0),
        current=current,
    )

    measurement = measure("calendar_coverage", case)

    spans = measurement.tables["spans"].set_index("table")
    assert spans.loc["current", "rows_without_time"] == 10
    assert measurement.summary.set_index("group").loc["month", "n_rows"] == 50


def test_longest_gap_and_last_label_are_found() -> None:
    rows = pd.concat([_days("2024-01-01", 5), _days("2024-01-16", 5)])
    rows.loc[rows["when"] >= "2024-01-18", TARGET] = np.nan
    case = _case(training=rows, reference=rows, current=_days("2024-02-01", 5))

    measurement = measure("calendar_coverage", case)

    span = measurement.tables["spans"].set_index("table").loc["training"]
    # The days from the 6th to the 15th have no row.
    assert (span["longest_gap_days"], span["gap_after"]) == (10, "2024-01-05")
    assert (span["first"], span["last"]) == ("2024-01-01", "2024-01-20")
    assert span["last_label"] == "2024-01-17"
    assert any("longest gap 10 days after 2024-01-05" in n for n in measurement.notes)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("2024-01-20", "overlap in time"),
        ("2023-06-01", "are the tables swapped?"),
        ("2024-03-01", "longest"),
    ],
)
def test_tables_out_of_order_are_named(start: str, text: str) -> None:
    """F140, F144."""
    rows = pd.concat([_days("2024-01-01", 20), _days("2024-01-25", 6)])
    case = _case(training=rows, reference=rows, current=_days(start, 10))

    notes = " ".join(measure("calendar_coverage", case).notes)

    assert text in notes
    assert ("swapped" in notes) == (start == "2023-06-01")


def test_reference_is_held_against_training_without_current_rows() -> None:
    case = _case(training=_days("2024-01-01", 60), reference=_days("2024-02-20", 20))

    measurement = measure("calendar_coverage", case)

    # Ten days of February, ten of March.
    assert values(measurement, CALENDAR)["month"] == 0.5


def test_reference_stands_in_for_training() -> None:
    case = _case(reference=_days("2024-01-01", 31), current=_days("2024-02-01", 10))

    measurement = measure("calendar_coverage", case)

    assert values(measurement, CALENDAR)["month"] == 0.0
    assert "reference rows stand in" in measurement.notes[-1]


def _heat_map(case: Any) -> tuple[list[str], dict[tuple[str, str], str], set[Any]]:  # noqa: ANN401 (a case)
    """Return the rows of the heat map, its texts by row and column, framed places."""
    axes = CHECK.draw(measure("calendar_coverage", case), CHECK.limits).axes[0]
    rows = [one.get_text() for one in axes.get_yticklabels()]
    columns = dict(
        zip(
            axes.get_xticks(),
            [x.get_text() for x in axes.get_xticklabels()],
            strict=True,
        )
    )
    texts = {
        (
            rows[int(one.get_position()[1])],
            columns[one.get_position()[0]],
        ): one.get_text()
        for one in axes.texts
    }
    framed = {
        (rows[round(one.get_y() + 0.42)], columns[round(2 * one.get_x() + 0.92) / 2])
        for one in axes.patches
        if one.get_linewidth() > 1
    }
    return rows, texts, framed


def test_heat_map_frames_what_production_meets_and_training_lacks() -> None:
    case = _case(
        training=_days("2024-01-01", 60),
        reference=_days("2024-01-01", 60),
        current=_days("2024-04-01", 30).drop(columns=TARGET),
    )

    rows, texts, framed = _heat_map(case)

    assert framed == {("current: days", "Apr")}
    assert rows == [
        *("training: days", "training: labelled 0", "training: labelled 1"),
        *("reference: days", "reference: labelled 0", "reference: labelled 1"),
        "current: days",
    ]
    # 31 days of January, two rows a day, every other one labelled 1.
    assert texts["training: days", "Jan"] == "31"
    assert texts["training: labelled 1", "Jan"] == "31"
    assert texts["current: days", "Apr"] == "30"
    alt = CHECK.alt(measure("calendar_coverage", case))
    assert "0 % of the rows fall in a month" in alt


def test_labels_are_counted_by_month_weekday_and_hour() -> None:
    rows = _days("2024-01-01", 91)
    month, hour = rows["when"].dt.month, rows["when"].dt.hour
    is_hit = ((month == 2) & (hour == 18)).astype("Int64")
    rows[TARGET] = is_hit.mask(month == 3)
    case = _case(training=rows, reference=rows, current=rows)

    measurement = measure("calendar_coverage", case)

    labels = measurement.tables["labels"]
    own = labels[(labels["table"] == "training") & (labels["events"] > 0)]
    found = own.set_index(["name", "class"])["events"]
    # 2024-02 has 29 days: one row of each two is a 1; March has no label.
    months = found[["Jan", "Feb"]]
    assert months.to_dict() == {("Jan", "0"): 62, ("Feb", "0"): 29, ("Feb", "1"): 29}
    assert found[["06 h", "18 h"]].to_dict() == {
        ("06 h", "0"): 60,
        ("18 h", "0"): 31,
        ("18 h", "1"): 29,
    }
    weekdays = own[own["unit"] == "weekday"].groupby("class")["events"].sum()
    assert weekdays.to_dict() == {"0": 91, "1": 29}
    assert "training has rows but none labelled 0 in: Mar." in measurement.notes
    assert "training has rows but none labelled 1 in: Jan, Mar, 06 h." in (
        measurement.notes
    )


def test_heat_map_frames_the_month_in_which_a_class_was_never_labelled() -> None:
    rows = _days("2024-01-01", 60)
    rows[TARGET] = (rows["when"].dt.month == 2).astype(int)
    case = _case(training=rows, reference=rows, current=_days("2024-01-01", 60))

    _, texts, framed = _heat_map(case)

    assert framed == {
        ("training: labelled 1", "Jan"),
        ("training: labelled 0", "Feb"),
    }
    assert texts["training: labelled 1", "Feb"] == "58"


def test_heat_map_of_many_classes_shows_the_rarest_and_all_together() -> None:
    def four(frame: pd.DataFrame) -> np.ndarray:
        return np.full((len(frame), 4), 0.25)

    four.classes_ = np.array(list("abcd"))
    rows = _days("2024-01-01", 50).assign(
        **{TARGET: list("aaaabbbccd") * 10, "when": pd.Timestamp("2024-01-05")}
    )
    case = plain_case(
        features=["x"],
        task="multiclass",
        model=four,
        data={"time": "when"},
        training=rows,
        reference=rows,
        current=rows,
    )

    heads, texts, _ = _heat_map(case)

    own = [one.removeprefix("training: ") for one in heads if "training" in one]
    assert own == ["days", "labelled", "labelled d", "labelled c"]
    assert texts["training: labelled", "Jan"] == "100"
    assert texts["training: labelled d", "Jan"] == "10"


def test_heat_map_of_a_regression_shows_where_the_extremes_are() -> None:
    rows = _days("2024-01-01", 50).assign(**{TARGET: np.arange(100.0)})
    case = plain_case(
        features=["x"],
        task="regression",
        data={"time": "when"},
        training=rows,
        reference=rows,
        current=rows,
    )

    _, texts, _ = _heat_map(case)

    # Ten rows lie below the lowest tenth: the first five days.
    assert texts["training: labelled lowest tenth", "Jan"] == "10"
    assert texts["training: labelled lowest tenth", "Feb"] == "0"
    assert texts["training: labelled highest tenth", "Feb"] == "10"


def test_counts_are_short_enough_for_their_cell() -> None:
    shown = [_short(n) for n in (0, 999, 1000, 9949, 9950, 123456, 1e6, 2.5e8)]

    assert shown == ["0", "999", "1.0k", "9.9k", "10k", "123k", "1.0M", "250M"]


def test_nearly_all_rows_are_told_by_a_count() -> None:
    rows = pd.concat([_days("2024-01-01", 5000), _days("2024-01-01", 1, hours=(3,))])
    case = _case(
        training=_days("2023-01-01", 60),
        reference=_days("2023-01-01", 60),
        current=rows,
    )

    notes = measure("calendar_coverage", case).notes

    said = "All but 1 of the 10,001 current rows fall in an hour of the day that the "
    assert f"{said}training table has seen; hardly seen: 03 h." in notes


def test_hundred_events_give_a_half_width_of_ten_points() -> None:
    limit = next(one.limit for one in CHECK.limits if one.metric == EVENTS)

    # Wilson's half-width at one half, two-sided 95 %: z / (2 sqrt(n + z^2)).
    half_width = 1.96 / (2 * np.sqrt(np.array([limit, 90]) + 1.96**2))
    assert half_width[0] <= 0.1 < half_width[1]


@pytest.mark.slow
def test_limits_hold_for_days_that_hang_together() -> None:
    rng = np.random.default_rng(11)
    n_days, per_day, draws, truth = 70, 12, 120, 0.8
    known = _days("2023-01-01", 20, hours=(6,))
    when = pd.date_range("2024-01-01", periods=n_days).repeat(per_day)
    covered: dict[str, list[list[bool]]] = {"1d": [], "row": []}
    for night in rng.beta(0.5, 2.0, (draws, n_days)):
        late = rng.random(len(when)) < night.repeat(per_day)
        spread = rng.integers(0, 60, len(when))
        rows = pd.DataFrame({"x": 1.0, TARGET: late.astype(int)})
        rows["row"] = np.arange(len(rows))
        rows["when"] = when + pd.to_timedelta(np.where(late, 23, 6) * 60 + spread, "m")
        for block, hits in covered.items():
            case = plain_case(
                features=["x"],
                data={"time": "when", "block": block},
                training=known.assign(row=0),
                reference=rows,
                current=rows,
            )
            found = measure("calendar_coverage", case)
            hour = found.summary.set_index("group").loc["hour"]
            label = found.tables["classes"].set_index(["table", "class"])
            late_share = label.loc[("reference", "1")]
            hits.append(
                [
                    hour["ci_low"] <= truth,
                    truth <= hour["ci_high"],
                    late_share["ci_low"] <= 1 - truth,
                    1 - truth <= late_share["ci_high"],
                ]
            )

    # Each limit is one-sided 95 %; 120 draws are good to 4 points.
    assert np.mean(covered["1d"], axis=0).min() > 0.91
    # With rows for blocks the limits do not hold.
    assert np.mean(covered["row"], axis=0).max() < 0.91


def test_without_times_the_events_are_drawn() -> None:
    rows = pd.DataFrame({"x": 1.0, TARGET: [0] * 50 + [1] * 10})
    case = plain_case(features=["x"], reference=rows)

    figure = CHECK.draw(measure("calendar_coverage", case), CHECK.limits)

    assert figure.get_suptitle() == "Labelled rows per class"
    labels = [one.get_text() for one in figure.axes[0].get_yticklabels()]
    assert labels == ["1", "0"]


def test_times_far_from_now_are_counted() -> None:
    when = pd.Series(np.array(["0001-05-01", "9999-12-31"], dtype="datetime64[s]"))
    rows = with_target(pd.DataFrame({"x": 1.0, "when": when}))
    case = _case(training=rows, reference=rows, current=rows)

    measurement = measure("calendar_coverage", case, min_days=1)

    assert values(measurement, CALENDAR)["month"] == 1.0
    assert measurement.tables["spans"]["first"].iloc[0] == "0001-05-01"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
def test_shares_agree_with_pandas_on_bike_sharing() -> None:
    rows = pd.read_parquet(SHARED / "bike_sharing_hourly/bike_sharing_hourly.parquet")
    rows["when"] = rows["dteday"] + pd.to_timedelta(rows["hr"], unit="h")
    past, future = rows[rows["when"] < "2011-05-20"], rows[rows["yr"] == 1]
    units = {"month": "month", "weekday": "day_of_week", "hour": "hour"}
    wanted = {}
    for unit, name in units.items():
        known, met = getattr(past["when"].dt, name), getattr(future["when"].dt, name)
        days = past["when"].dt.date.groupby(known).nunique()
        wanted[unit] = met.isin(days[days >= 5].index).mean()

    case = plain_case(
        features=["temp"],
        task="regression",
        data={"time": "when", "target": "cnt"},
        training=past,
        reference=past,
        current=future,
    )

    assert values(measure("calendar_coverage", case), CALENDAR) == pytest.approx(wanted)
