import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness.checks.coverage.schema import CHECK
from readiness.result import Measurement, Status
from tests.coverage_cases import (
    TARGET,
    findings,
    measure,
    plain_case,
    values,
    with_target,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
COUNT = "schema_violations"
FEATURES = ["wind", "port", "flag"]


def _rows(n_rows: int = 200, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return with_target(
        pd.DataFrame(
            {
                "wind": rng.normal(10.0, 3.0, n_rows).round(1),
                "port": rng.choice(["A", "B", "C"], n_rows),
                "flag": rng.random(n_rows) < 0.5,
            }
        )
    )


def _measured(current: Any, **more: Any) -> Measurement:  # noqa: ANN401 (frame or Arrow table)
    case = plain_case(
        features=more.pop("features", FEATURES),
        training=_rows(),
        reference=_rows(seed=2),
        current=current,
        **more,
    )
    return measure("schema", case)


def _rules(measurement: Measurement) -> list[tuple[str, str, str]]:
    found = measurement.tables["violations"]
    return list(found[["column", "table", "rule"]].itertuples(index=False, name=None))


def test_sound_tables_break_no_rule() -> None:
    case = plain_case(
        features=FEATURES,
        training=_rows(),
        reference=_rows(seed=2),
        current=_rows(seed=3),
    )

    found = findings("schema", case, tier="low")

    assert found["schema_violations/"].status is Status.PASS
    assert found["schema_violations/"].required
    assert [one.value for one in found.values()] == [0.0] * 4
    assert CHECK.alt(measure("schema", case)) == (
        "None of the 3 features breaks the schema in any table."
    )


def test_missing_and_retyped_columns_fail_and_the_rest_is_still_checked() -> None:
    current = _rows(seed=3).drop(columns="port")
    current["wind"] = current["wind"].astype("str")
    case = plain_case(
        features=FEATURES, training=_rows(), reference=_rows(seed=2), current=current
    )

    found = findings("schema", case)

    assert found["schema_violations/"].value == 2.0
    assert found["schema_violations/port"].status is Status.FAIL
    assert found["schema_violations/wind"].status is Status.FAIL
    assert found["schema_violations/flag"].status is Status.PASS
    measurement = measure("schema", case)
    assert _rules(measurement) == [
        ("wind", "current", "other type"),
        ("port", "current", "missing column"),
    ]
    assert "wind in current: other type (numeric expected, categorical found)." in (
        measurement.notes
    )


def test_feature_missing_in_training_is_a_violation_too() -> None:
    rows = _rows()
    case = plain_case(
        features=FEATURES, training=rows.drop(columns="flag"), reference=rows
    )

    assert ("flag", "training", "missing column") in _rules(measure("schema", case))


def _with(**columns: Any) -> pd.DataFrame:  # noqa: ANN401 (values of a column)
    return _rows(seed=3).assign(**columns)


MIXED = [1, "a"] * 100
NULLS = [None, None, *["A", "B"] * 99]
RULES = [
    (_with(wind=np.nan), "wind", "no value"),
    (_with(port=NULLS[:1] * 200), "port", "no value"),
    (_with(wind=[*[np.nan] * 3, *np.arange(197.0)]), "wind", "new nulls"),
    (_with(wind=[np.inf, *np.arange(199.0)]), "wind", "infinite"),
    (_with(wind=7.0), "wind", "constant"),
    (_with(port="A"), "port", "constant"),
    (_with(port=MIXED), "port", "mixed types"),
    (_with(port=[[1]] * 200), "port", "other type"),
    (_with(flag=["yes", "no"] * 100), "flag", "other type"),
]


@pytest.mark.parametrize(
    ("current", "column", "rule"), RULES, ids=[f"{c} {r}" for _, c, r in RULES]
)
def test_each_broken_rule_is_counted_once(
    current: pd.DataFrame, column: str, rule: str
) -> None:
    measurement = _measured(current)

    assert _rules(measurement) == [(column, "current", rule)]
    assert values(measurement, COUNT)[column] == 1.0


@pytest.mark.parametrize(
    "current",
    [
        _with(wind=np.arange(200) % 21),
        _with(flag=np.arange(200) % 2),
        _with(wind=[np.nan, np.nan, *np.arange(198.0)]),
        _with(extra=1.0),
    ],
    ids=["whole numbers", "numbers for booleans", "one in a hundred null", "extra"],
)
def test_what_a_model_can_take_breaks_no_rule(current: pd.DataFrame) -> None:
    assert _rules(_measured(current)) == []


def test_types_no_model_takes_are_a_violation_in_every_table() -> None:
    lists = pa.table({"x": pa.array([[1], [2]]), "y": pa.array([0, 1])})
    case = plain_case(features=["x"], reference=lists, current=lists)

    measurement = measure("schema", case)

    assert _rules(measurement) == [
        ("x", "reference", "unusable type"),
        ("x", "current", "unusable type"),
    ]


def test_values_where_training_had_none_are_a_violation() -> None:
    training = _rows().assign(wind=np.nan)
    case = plain_case(
        features=["wind"], training=training, reference=training, current=_rows()
    )

    assert _rules(measure("schema", case)) == [("wind", "current", "new values")]


def test_column_without_values_on_both_sides_breaks_no_rule() -> None:
    rows = _rows().assign(wind=np.nan)
    case = plain_case(features=["wind"], training=rows, reference=rows, current=rows)

    measurement = measure("schema", case)

    assert _rules(measurement) == []
    integrity = measurement.tables["integrity"]
    assert (integrity[integrity["column"] == "wind"]["nulls"] == 200).all()


def test_declared_range_and_kind_are_held_in_every_table() -> None:
    columns = {
        "wind": {"range": [0.0, 18.0]},
        "code": {"kind": "boolean"},
        "age": {"range": [0.0, 120.0], "sensitive": True},
    }
    sound = pd.DataFrame({"wind": [1.0, 2.0], "code": [0, 1], "age": [20.0, 30.0]})
    current = pd.DataFrame(
        {"wind": [-1.0, 1.0, 30.0], "code": [0, 1, 2], "age": [20.0, 777.0, 30.0]}
    )
    case = plain_case(
        features=["wind", "code", "age"],
        columns=columns,
        training=sound,
        reference=with_target(sound),
        current=current,
    )

    measurement = measure("schema", case)

    assert _rules(measurement) == [
        ("wind", "current", "out of range"),
        ("code", "current", "not boolean"),
        ("age", "current", "out of range"),
    ]
    found = measurement.tables["violations"].set_index("column")
    assert found["rows"].to_dict() == {"wind": 2, "code": 3, "age": 1}
    assert found.loc["wind", "detail"] == "0 to 18 declared, -1 to 30 found"
    shown = " ".join(
        [*measurement.notes, *(one.to_csv() for one in measurement.tables.values())]
    )
    assert "777" not in shown


def test_declared_categories_and_missing_values_are_held_in_every_table() -> None:
    columns = {
        "city": {"categories": ["rome", "oslo"]},
        "name": {"categories": ["ann"], "sensitive": True},
        "wind": {"max_missing": 0.25},
    }
    sound = pd.DataFrame(
        {
            "city": ["rome", "oslo", "rome", "rome"],
            "name": ["ann"] * 4,
            "wind": [1.0, 2.0, 3.0, np.nan],
        }
    )
    current = pd.DataFrame(
        {
            "city": ["rome", "bonn", "bonn", None],
            "name": ["ann", "eve", "ann", "ann"],
            "wind": [1.0, np.nan, np.nan, 3.0],
        }
    )
    case = plain_case(
        features=["city", "name", "wind"],
        columns=columns,
        training=sound,
        reference=with_target(sound),
        current=current,
    )

    measurement = measure("schema", case)

    found = measurement.tables["violations"]
    told = found[found["rule"].isin(["undeclared category", "too many missing"])]
    assert list(zip(told["column"], told["table"], told["rows"], strict=True)) == [
        ("city", "current", 2),
        ("name", "current", 1),
        ("wind", "current", 2),
    ]
    assert "bonn" in told.iloc[0]["detail"]
    assert "eve" not in told.iloc[1]["detail"]
    assert told.iloc[2]["detail"] == "25.0 % allowed, 50.0 % missing"


def _with_days(start: str, n_days: int) -> pd.DataFrame:
    when = pd.DatetimeIndex(np.repeat(pd.date_range(start, periods=n_days), 10))
    return with_target(
        pd.DataFrame(
            {
                "when": when,
                "month": when.month,
                "wind": np.arange(len(when)) % 7,
                "holiday": np.where(np.arange(len(when)) % 10 == 3, None, "no"),
            }
        )
    )


def test_month_may_be_constant_and_a_stuck_sensor_may_not() -> None:
    training = _with_days("2024-01-01", 90)
    training.loc[10:20, "holiday"] = "yes"
    current = _with_days("2024-05-01", 30).assign(wind=3)
    case = plain_case(
        features=["month", "wind", "holiday"],
        data={"time": "when"},
        training=training,
        reference=training,
        current=current,
    )

    # Every day of training holds one month; almost every day holds one holiday value.
    assert _rules(measure("schema", case)) == [("wind", "current", "constant")]


def test_small_table_may_be_constant_by_chance() -> None:
    training = _rows().assign(port=["A"] * 190 + ["B"] * 10)
    current = _rows(50).assign(port="A", flag=[True, False] * 25)
    case = plain_case(
        features=["port"], training=training, reference=training, current=current
    )

    # 0.95^50 is 8 in a hundred.
    assert _rules(measure("schema", case)) == []


def test_reference_stands_in_for_training() -> None:
    case = plain_case(
        features=FEATURES, reference=_rows(), current=_rows().drop(columns="wind")
    )

    measurement = measure("schema", case)

    assert _rules(measurement) == [("wind", "current", "missing column")]
    assert "reference rows stand in" in measurement.notes[-1]


def test_integrity_counts_nulls_and_nan_apart() -> None:
    wind = pa.array([1.0, None, float("nan"), float("inf"), 2.0, 2.0])
    rows = pa.table({"wind": wind, "y": pa.array([0, 1, 0, 1, 0, 1])})
    case = plain_case(features=["wind"], reference=rows)

    row = measure("schema", case).tables["integrity"].iloc[0]

    assert row[["rows", "nulls", "nans", "infinite", "distinct"]].tolist() == [
        *(6, 1, 1, 1, 2)
    ]
    assert (row["lowest"], row["highest"], row["type"]) == ("1", "2", "double")


def test_constants_ids_and_extra_columns_are_named_without_being_violations() -> None:
    rows = _rows().assign(
        port="A", order=np.arange(200).astype(str), more=1.0, when="x"
    )
    rows["when"] = pd.Timestamp("2024-01-01")
    case = plain_case(features=["port", "order"], data={"time": "when"}, reference=rows)

    measurement = measure("schema", case)

    notes = " ".join(measurement.notes)
    assert "1 column is constant: port" in notes
    assert "1 column is like an id: order" in notes
    assert "not used: flag, more, wind" in notes
    integrity = measurement.tables["integrity"].set_index("column")
    assert integrity.loc["when", "lowest"] == "2024-01-01T00:00:00"
    assert _rules(measurement) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda x: x * 1000, "1,000 times as large"),
        (lambda x: x / 100, "100 times as small"),
        (lambda x: x * 2.54, "inches written as centimetres"),
        (lambda x: x * 1.8 + 32, "°C written as °F"),
        (lambda x: x + 273.15, "°C written as K"),
    ],
)
def test_change_of_unit_is_named(changed: Any, words: str) -> None:  # noqa: ANN401 (a function)
    rng = np.random.default_rng(0)
    rows = [
        with_target(pd.DataFrame({"x": rng.normal(15.0, 8.0, 2000)})) for _ in range(3)
    ]
    rows[2]["x"] = changed(rows[2]["x"])
    case = plain_case(
        features=["x"], training=rows[0], reference=rows[1], current=rows[2]
    )

    notes = measure("schema", case).notes

    said = [one for one in notes if "change of unit" in one]
    assert len(said) == 1
    assert said[0].startswith(f"current: x looks like a change of unit: {words}")


@pytest.mark.parametrize(("factor", "is_said"), [(1.609344, False), (10, True)])
def test_more_of_what_the_target_counts_is_no_change_of_unit(
    factor: float,
    is_said: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    rng = np.random.default_rng(3)
    rides = rng.poisson(150, 2000)
    rows = pd.DataFrame({"x": rng.normal(size=2000), TARGET: rides})
    more = rows.assign(**{TARGET: np.rint(factor * rides).astype(int)})
    case = plain_case(
        features=["x"], task="regression", training=rows, reference=rows, current=more
    )

    notes = measure("schema", case).notes

    assert any("change of unit" in one for one in notes) == is_said


@pytest.mark.parametrize("shift", [0.0, 4.0, 12.0])
def test_season_is_no_change_of_unit(shift: float) -> None:
    rng = np.random.default_rng(1)
    known = with_target(pd.DataFrame({"x": rng.normal(15.0, 8.0, 2000)}))
    warm = with_target(pd.DataFrame({"x": rng.normal(15.0 + shift, 10.0, 2000)}))
    case = plain_case(features=["x"], training=known, reference=known, current=warm)

    notes = measure("schema", case).notes

    assert not any("change of unit" in one for one in notes)


def test_bills_of_the_same_kind_are_no_change_of_unit() -> None:
    """A few hundred more are within the spread of bills: nothing says Kelvin."""
    rng = np.random.default_rng(4)
    known, later = (
        with_target(pd.DataFrame({"bill": rng.normal(61_000, 70_000, 2000)}))
        for _ in range(2)
    )
    case = plain_case(features=["bill"], training=known, reference=later, current=later)

    notes = measure("schema", case).notes

    assert not any("change of unit" in one for one in notes)


def test_wetter_weather_is_no_change_of_unit() -> None:
    rng = np.random.default_rng(2)
    past, now = (
        rng.exponential(size=4000) * (rng.random(4000) < p) for p in (0.05, 0.03)
    )
    # A spread exactly 2.54 times as large; fewer wet hours, so the mean is not.
    now *= 2.54 * past.std() / now.std()
    known, wet = (with_target(pd.DataFrame({"x": one})) for one in (past, now))
    case = plain_case(features=["x"], training=known, reference=known, current=wet)

    notes = measure("schema", case).notes

    assert now.mean() < 2.54 * 0.85 * past.mean()
    assert abs(now.mean() - 2.54 * past.mean()) < 0.15 * now.std()
    assert not any("change of unit" in one for one in notes)


def test_ledger_says_what_became_of_the_rows() -> None:
    rows = _rows()
    rows[TARGET] = rows[TARGET].astype(float)
    rows.loc[:9, TARGET] = np.nan
    case = plain_case(features=FEATURES, reference=rows)

    measurement = measure("schema", case)

    ledger = measurement.tables["ledger"].iloc[0]
    assert ledger[["read", "used", "null_target"]].tolist() == [200, 190, 10]
    assert "left out where labels are needed: 10 null target" in measurement.notes[-2]


def test_hundreds_of_broken_columns_stay_readable() -> None:
    names = [f"c{n:03d}" for n in range(60)]
    rows = with_target(
        pd.DataFrame(np.random.default_rng(0).random((20, 60)), columns=names)
    )
    case = plain_case(
        features=names, training=rows, reference=rows, current=rows[["y"]]
    )
    measurement = measure("schema", case)

    axes = CHECK.draw(measurement, CHECK.limits).axes[0]

    assert values(measurement, COUNT)[""] == 60.0
    assert len(axes.get_yticklabels()) == 20
    assert "40 more are in the table" in axes.get_xlabel()
    assert "50 more violations are in the table." in measurement.notes
    assert CHECK.alt(measurement).endswith("c009 and 50 more.")


def test_figure_names_what_is_broken() -> None:
    current = _rows(seed=3).drop(columns="port").assign(wind=np.nan, flag=None)
    measurement = _measured(current)

    figure = CHECK.draw(measurement, CHECK.limits)

    words = {text.get_text() for text in figure.axes[0].texts}
    assert words == {"current: no value", "current: missing column"}
    assert CHECK.alt(measurement).startswith("3 schema violations in 3 of 3 features")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
def test_integrity_agrees_with_pandas_on_adult_income() -> None:
    rows = pd.read_parquet(SHARED / "adult_income" / "adult_income.parquet")
    names = [n for n in rows.columns if n not in ("income", "source_split")]
    case = plain_case(
        features=names, data={"target": "income"}, model=_incomes, reference=rows
    )

    integrity = measure("schema", case).tables["integrity"].set_index("column")

    wanted = rows[names]
    assert integrity.loc[names, "nulls"].tolist() == wanted.isna().sum().tolist()
    exact = integrity.loc[names, "distinct_is_exact"]
    distinct = integrity.loc[names, "distinct"]
    truth = wanted.nunique()
    assert distinct[exact].tolist() == truth[exact].tolist()
    assert distinct.tolist() == pytest.approx(truth.tolist(), rel=0.1)


def _incomes(frame: pd.DataFrame) -> np.ndarray:
    return np.full((len(frame), 2), 0.5)


_incomes.classes_ = np.array(["<=50K", ">50K"])


# Freshness

BEGUN = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
MAX_AGE = {"max_age": "2d", "time": "seen"}


def _aged(newest: Any, data: dict[str, str] | None = None) -> Any:  # noqa: ANN401 (a time, or an Arrow array of them)
    """Return a case begun at noon whose current rows end at `newest`."""
    days = pd.date_range("2026-01-01", periods=200, freq="h")
    old = _rows().assign(seen=days)
    current = _rows(seed=3).assign(seen=[*days[:-1], newest])
    case = plain_case(
        features=FEATURES,
        data=MAX_AGE if data is None else data,
        training=old,
        reference=old,
        current=current,
    )
    return replace(case, begun=BEGUN)


@pytest.mark.parametrize(
    ("newest", "age", "status"),
    [
        (pd.Timestamp("2026-11-28 12:00"), 1.0, "pass"),
        (pd.Timestamp("2026-11-27 12:00"), 2.0, "pass"),
        (pd.Timestamp("2026-11-27 11:00"), 2.0 + 1 / 24, "fail"),
    ],
)
def test_newest_current_row_may_be_as_old_as_the_case_allows(
    newest: pd.Timestamp, age: float, status: str
) -> None:
    found = findings("schema", _aged(newest), tier="low")["age_days/"]

    assert found.value == found.ci_low == found.ci_high == pytest.approx(age, abs=1e-9)
    assert (found.limit, found.side, found.required) == (2.0, "at_most", True)
    assert (found.status, found.limit_set_by) == (status, "case file")


def test_age_counts_instants_whatever_their_zone() -> None:
    newest = pd.date_range("2026-11-28 22:00", periods=200, freq="s", tz="+10:00")
    rows = _rows().assign(seen=newest)
    case = plain_case(
        features=FEATURES, data=MAX_AGE, reference=rows, training=rows, current=rows
    )

    found = findings("schema", replace(case, begun=BEGUN))["age_days/"]

    assert found.value == pytest.approx(1.0 - 199 / 86_400, abs=1e-9)


def test_row_in_the_future_makes_no_table_fresh() -> None:
    case = _aged(pd.Timestamp("2027-01-01"))

    found = findings("schema", case)["age_days/"]

    assert found.status is Status.FAIL
    assert found.value == pytest.approx(
        (BEGUN - dt.datetime(2026, 1, 9, 6, tzinfo=dt.UTC)).total_seconds() / 86_400
    )
    assert "1 rows lie in the future" in measure("schema", case).notes[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"max_age": "2d"}, "NO_TIME"), ({"max_age": "2d", "time": "seen"}, "NO_TABLE")],
)
def test_age_that_cannot_be_told_is_not_assessed(data: dict, reason: str) -> None:
    rows = _rows().assign(seen=pd.Timestamp("2026-11-28"))
    tables = {"reference": rows, "training": rows}
    tables |= {"current": rows} if reason == "NO_TIME" else {}
    case = plain_case(features=FEATURES, data=data, **tables)

    found = findings("schema", case)["age_days/"]

    assert (found.status, found.reason) == (Status.NOT_ASSESSED, reason)
    assert found.required


def test_only_a_case_that_asks_for_it_has_an_age() -> None:
    case = _aged(pd.Timestamp("2026-11-28"), {"time": "seen"})

    assert "age_days/" not in findings("schema", case)
