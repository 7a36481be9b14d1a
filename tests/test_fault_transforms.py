from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from readiness.columns import Column
from readiness.fault_sources import ALL_COLUMNS, SOURCE_FAULTS, faults_of_sources
from readiness.fault_units import DAY_CLOCKS, unit_mistake
from readiness.fault_values import day_for_month, later, turned, without_comma
from readiness.faults import (
    DAY_OLD,
    NEVER_SEEN,
    STALE,
    Earlier,
    FaultRows,
    blank,
    faults_of,
    unseen,
)

COLUMNS = {
    "temp": Column(name="temp", kind="numeric", unit="°F", measurement_sd=0.5),
    "seats": Column(name="seats", kind="numeric"),
    "city": Column(name="city", kind="categorical"),
    "class": Column(name="class", kind="categorical"),
    "rain": Column(name="rain", kind="boolean"),
    "start": Column(name="start", kind="time"),
}


@pytest.fixture
def rows() -> FaultRows:
    frame = pd.DataFrame(
        {
            "temp": [50.0, np.nan, 68.0, 32.0],
            "seats": pd.Series([2, 4, 100, 4], dtype="int16"),
            "city": ["rome", "oslo", "oslo", "bonn"],
            "class": pd.Categorical(["a", "b", "a", "a"]),
            "rain": [True, False, False, True],
            "start": pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-03"]),
        }
    )
    previous = frame.iloc[[3, 0, 1, 2]].reset_index(drop=True)
    known = np.array([False, True, True, True])
    before = Earlier(frame=previous, known=known, age=np.full(4, 2.0))
    older = Earlier(
        frame=frame.iloc[[0, 0, 0, 1]].reset_index(drop=True),
        known=np.array([False, False, True, True]),
        age=np.full(4, 30.0),
    )
    return FaultRows(frame=frame, earlier={STALE: before, DAY_OLD: older}, seed=1)


def altered(rows: FaultRows, column: str, fault: str) -> dict[str, list[object]]:
    found = faults_of(COLUMNS[column], COLUMNS, rows)
    made = next(one for one in found if one.name == fault).alter(rows)
    return {name: values.tolist() for name, values in made.items()}


@pytest.mark.parametrize(
    ("column", "fault", "expected"),
    [
        ("seats", "times 10", [20, 40, 1000, 40]),
        ("seats", "times 1000", [2000, 4000, 100_000, 4000]),
        ("seats", "sign flip", [-2, -4, -100, -4]),
        ("seats", "filled with -1", [-1, -1, -1, -1]),
        ("seats", "filled with 999", [999, 999, 999, 999]),
        ("seats", "stuck", [4, 4, 4, 4]),
        ("seats", "stale", [2, 2, 4, 100]),
        ("temp", "stuck", [50.0, 50.0, 50.0, 50.0]),
        ("city", "unseen", [NEVER_SEEN] * 4),
        ("city", "empty text", [""] * 4),
        ("city", "stuck", ["oslo"] * 4),
        ("city", "stale", ["rome", "rome", "oslo", "oslo"]),
        ("class", "unseen", [NEVER_SEEN] * 4),
        ("class", "empty text", [""] * 4),
        ("class", "stuck", ["a"] * 4),
        ("seats", "day old", [2, 4, 2, 4]),
        ("seats", "as text", ["2", "4", "100", "4"]),
        ("seats", "clipped", [4, 4, 4, 4]),
        ("city", "renamed", ["rome", *["oslo (renamed)"] * 2, "bonn"]),
        ("city", "other case", ["ROME", "OSLO", "OSLO", "BONN"]),
        ("city", "space", ["rome ", "oslo ", "oslo ", "bonn "]),
        ("city", "truncated", ["ro", "os", "os", "bo"]),
        ("class", "renamed", ["a (renamed)", "b", *["a (renamed)"] * 2]),
        ("class", "other case", ["A", "B", "A", "A"]),
        ("class", "space", ["a ", "b ", "a ", "a "]),
        ("rain", "as text", ["True", "False", "False", "True"]),
        ("rain", "inverted", [False, True, True, False]),
        ("rain", "stuck", [False] * 4),
    ],
)
def test_fault_does_what_its_name_says(
    rows: FaultRows, column: str, fault: str, expected: list[object]
) -> None:
    assert altered(rows, column, fault) == {column: expected}


def test_fahrenheit_arrives_as_celsius(rows: FaultRows) -> None:
    found = altered(rows, "temp", "in °C")["temp"]

    assert found[0] == pytest.approx(10.0)
    assert np.isnan(found[1])
    assert found[2:] == pytest.approx([20.0, 0.0])


def test_swap_takes_the_next_column_of_its_kind(rows: FaultRows) -> None:
    found = altered(rows, "seats", "swapped")

    assert found["temp"] == [2, 4, 100, 4]
    assert found["seats"][0] == 50.0


def test_shuffle_keeps_the_values(rows: FaultRows) -> None:
    found = altered(rows, "city", "shuffled")["city"]

    assert sorted(found) == ["bonn", "oslo", "oslo", "rome"]


def test_noise_has_the_declared_size() -> None:
    frame = pd.DataFrame({"temp": np.zeros(4000), "seats": 1})
    rows = FaultRows(frame=frame, seed=3)

    found = np.array(altered(rows, "temp", "noise")["temp"])

    assert found.std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("column", COLUMNS)
def test_missing_leaves_no_value_in_any_type(rows: FaultRows, column: str) -> None:
    found = blank(rows.frame[column])

    assert found.isna().all()
    assert len(found) == 4


@pytest.mark.parametrize("kind", ["Int64", "boolean", "object", "str"])
def test_missing_keeps_types_that_know_missing_values(kind: str) -> None:
    values = pd.Series([True, False]).astype(kind)

    assert blank(values).dtype == values.dtype


def test_number_that_is_a_category_gets_the_next_number() -> None:
    assert unseen(pd.Series([3, 7])).tolist() == [8, 8]
    spans = pd.Series(pd.to_timedelta([1, 2], unit="h"))
    assert unseen(spans).tolist() == [NEVER_SEEN] * 2


def test_stale_needs_a_row_before(rows: FaultRows) -> None:
    alone = FaultRows(frame=rows.frame)

    names = {one.name for one in faults_of(COLUMNS["temp"], COLUMNS, alone)}

    assert not {"stale", "day old"} & names
    assert {"missing", "stuck", "shuffled", "times 100", "noise"} <= names


def test_column_without_a_partner_is_not_swapped(rows: FaultRows) -> None:
    names = {one.name for one in faults_of(COLUMNS["rain"], COLUMNS, rows)}

    assert "swapped" not in names


def test_column_without_any_value_stays_as_it_is() -> None:
    frame = pd.DataFrame({"temp": [np.nan, np.nan], "seats": [1, 2]})

    found = altered(FaultRows(frame=frame), "temp", "stuck")

    assert np.isnan(found["temp"]).all()


def test_inverting_leaves_missing_answers_missing() -> None:
    frame = pd.DataFrame({"rain": pd.Series([True, None, False], dtype=object)})

    found = altered(FaultRows(frame=frame), "rain", "inverted")

    assert found["rain"] == [False, None, True]


def test_no_fault_name_holds_a_slash(rows: FaultRows) -> None:
    speed = Column(name="temp", kind="numeric", unit="mph")

    names = [one.name for one in faults_of(speed, COLUMNS, rows)]

    assert "in km per h" in names
    assert not any("/" in name for name in names)


DECIMALS = pd.Series([12.5, -0.25, np.nan, 3.0])


def of_decimals(fault: str) -> list[object]:
    column = Column(name="x", kind="numeric")
    rows = FaultRows(frame=pd.DataFrame({"x": DECIMALS}))
    found = {one.name: one for one in faults_of(column, {"x": column}, rows)}
    return found[fault].alter(rows)["x"].astype(object).tolist()


def test_decimal_comma_comes_as_text() -> None:
    found = of_decimals("decimal comma")

    assert found[:2] == ["12,5", "-0,25"]
    assert pd.isna(found[2])


def test_lost_comma_makes_a_number_larger() -> None:
    found = of_decimals("comma lost")

    assert found[:2] == [125.0, -25.0]
    assert found[3] == 3.0
    assert np.isnan(found[2])
    assert without_comma(pd.Series([1e-12, np.inf])).tolist() == [1e-12, np.inf]


def test_decimals_are_cut_towards_zero() -> None:
    assert of_decimals("no decimals")[:2] == [12.0, 0.0]


def test_whole_numbers_have_no_comma_to_lose(rows: FaultRows) -> None:
    names = {one.name for one in faults_of(COLUMNS["seats"], COLUMNS, rows)}

    assert not {"decimal comma", "comma lost", "no decimals"} & names


@pytest.mark.parametrize("zone", [None, "Europe/Rome"])
def test_day_and_month_change_places_where_that_is_a_date(zone: str | None) -> None:
    stamps = ["2024-03-02 10:30", "2024-03-13 08:00", None]
    values = pd.Series(pd.to_datetime(stamps)).dt.tz_localize(zone)

    found = day_for_month(values)

    expected = pd.Series(pd.to_datetime(["2024-02-03 10:30", *stamps[1:]]))
    pd.testing.assert_series_equal(found, expected.dt.tz_localize(zone))


def test_clock_in_another_zone_is_hours_ahead(rows: FaultRows) -> None:
    found = later(rows.frame["start"], 8)

    assert found[0] == pd.Timestamp("2024-01-01 08:00")
    assert altered(rows, "start", "8 h off")["start"][0] == found[0]


@pytest.mark.parametrize("unit", DAY_CLOCKS)
def test_time_of_day_goes_round_midnight(unit: str) -> None:
    hour, day = DAY_CLOCKS[unit]

    found = turned(pd.Series([23 * hour, 0.0]), shift=8 * hour, period=day)

    assert found.tolist() == [7 * hour, 8 * hour]
    assert day == 24 * hour


@pytest.mark.parametrize(
    ("unit", "value", "taken_for"),
    [("inches", 2.0, 5.08), ("°C", 100.0, 212.0), ("mbar", 68.9475729, 1.0)],
)
def test_unit_is_taken_for_its_neighbour(
    unit: str, value: float, taken_for: float
) -> None:
    found = unit_mistake(unit)

    assert found is not None
    _, _, slope, offset = found
    assert value * slope + offset == pytest.approx(taken_for)


def of_sources(rows: FaultRows) -> dict[tuple[str, str], dict[str, list[object]]]:
    columns = {
        name: replace(one, source="feed" if name in ("temp", "seats", "city") else None)
        for name, one in COLUMNS.items()
    }
    single = [one for c in columns.values() for one in faults_of(c, columns, rows)]
    return {
        (one.column, one.name): {
            name: values.tolist() for name, values in one.alter(rows).items()
        }
        for one in faults_of_sources(columns, single)
    }


def test_source_breaks_in_all_of_its_columns_at_once(rows: FaultRows) -> None:
    found = of_sources(rows)

    assert {name for column, name in found if column == "source=feed"} == {
        *SOURCE_FAULTS,
        "shifted",
    }
    assert set(found["source=feed", "stale"]) == {"temp", "seats", "city"}
    assert found["source=feed", "stale"]["seats"] == [2, 2, 4, 100]
    assert set(found["source=feed", "filled with -1"]) == {"temp", "seats"}


def test_wrong_join_takes_all_values_of_a_source_from_one_row(rows: FaultRows) -> None:
    found = of_sources(rows)["source=feed", "shuffled"]

    taken = set(zip(found["seats"], found["city"], strict=True))
    assert taken == {(2, "rome"), (4, "oslo"), (100, "oslo"), (4, "bonn")}


def test_shifted_columns_hold_their_neighbours_values(rows: FaultRows) -> None:
    found = of_sources(rows)

    assert found["source=feed", "shifted"]["temp"] == [2, 4, 100, 4]
    assert found["source=feed", "shifted"]["seats"][0] == 50.0
    assert found[ALL_COLUMNS, "shifted"]["class"] == ["rome", "oslo", "oslo", "bonn"]


def test_row_that_arrives_twice_is_the_row_it_was(rows: FaultRows) -> None:
    found = of_sources(rows)[ALL_COLUMNS, "duplicated"]

    assert all(
        rows.frame[name].equals(pd.Series(one)) or np.isnan(one[1])
        for name, one in found.items()
    )


def test_declared_kind_over_a_time_gets_the_faults_of_times() -> None:
    frame = pd.DataFrame({"start": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    for kind in ("numeric", "categorical", "time"):
        column = Column(name="start", kind=kind)

        found = faults_of(column, {"start": column}, FaultRows(frame=frame))

        assert all(
            len(one.alter(FaultRows(frame=frame))["start"]) == 2 for one in found
        )
        assert "day for month" in {one.name for one in found}
