import numpy as np
import pandas as pd
import pytest

from readiness.columns import Column
from readiness.faults import NEVER_SEEN, FaultRows, blank, faults_of, unseen

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
    return FaultRows(frame=frame, previous=previous, has_previous=known, seed=1)


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


def test_stale_needs_a_row_before(rows: FaultRows) -> None:
    alone = FaultRows(frame=rows.frame)

    names = {one.name for one in faults_of(COLUMNS["temp"], COLUMNS, alone)}

    assert "stale" not in names
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
