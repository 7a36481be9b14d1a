"""The flights case, made from a handful of invented flights."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from readiness import flights
from readiness.case import Case, load_case
from readiness.errors import InputError

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,"
    "arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,"
    "time_hour\n"
)
WEATHER_HEADER = (
    "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,"
    "pressure,visib,time_hour\n"
)
PLANES_HEADER = (
    "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n"
    "N1,1999,Jet,AIRBUS,A320,2,182,NA,Turbo-fan\n"
)


def _flight(month: int, day: int, arr_delay: object, tailnum: str = "N1") -> str:
    hour = f"2013-{month:02d}-{day:02d}T10:00:00Z"
    return (
        f"2013,{month},{day},517,515,2,830,819,{arr_delay},UA,1545,{tailnum},"
        f"EWR,IAH,227,1400,5,15,{hour}\n"
    )


def _weather(month: int, day: int, temp: float) -> str:
    hour = f"2013-{month:02d}-{day:02d}T10:00:00Z"
    return f"EWR,2013,{month},{day},5,{temp},26,59,270,10,20,0,1012,10,{hour}\n"


def _write(folder: Path, flight_lines: str, weather_lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    with ZipFile(folder / "flights.csv.zip", "w") as packed:
        packed.writestr("flights.csv", HEADER + flight_lines)
    (folder / "weather.csv").write_text(WEATHER_HEADER + weather_lines)
    (folder / "planes.csv").write_text(PLANES_HEADER)
    return folder


@pytest.fixture
def a_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give ten invented flights on every third day of 2013 instead of the real ones."""
    rng = np.random.default_rng(7)
    days = pd.date_range("2013-01-01", "2013-12-31", freq="2D")
    lines = [
        _flight(day.month, day.day, int(rng.integers(-20, 60)))
        for day in days
        for _ in range(10)
    ]
    weather = [_weather(day.month, day.day, 30.0 + day.month) for day in days]
    folder = _write(tmp_path / "data", "".join(lines), "".join(weather))
    monkeypatch.setattr(flights, "_data_folder", lambda: folder)
    return folder


def test_flight_is_late_from_sixteen_minutes_and_unknown_without_arrival(
    tmp_path: Path,
) -> None:
    lines = _flight(1, 1, 15) + _flight(1, 2, 16) + _flight(1, 3, "NA", "NA")
    data = _write(tmp_path / "data", lines, _weather(1, 2, 41.0))

    table = flights.flights_table(data)

    assert table["late"].tolist()[:2] == [0.0, 1.0]
    assert table["late"].isna().tolist() == [False, False, True]
    assert table["tailnum"].isna().tolist() == [False, False, True]


def test_flight_gets_the_weather_of_its_hour_and_its_own_plane(tmp_path: Path) -> None:
    lines = _flight(1, 1, 0) + _flight(1, 2, 0, "N2")
    data = _write(tmp_path / "data", lines, _weather(1, 2, 41.0))

    table = flights.flights_table(data)

    assert table["temp"].isna().tolist() == [True, False]
    assert table["temp"][1] == 41.0
    assert table["seats"][0] == 182
    assert table["plane_year"].isna().tolist() == [False, True]
    assert table["departure_minute"].tolist() == [315, 315]
    assert table["scheduled"][0] == pd.Timestamp("2013-01-01 05:15")
    assert table["weekday"].tolist() == ["Tue", "Wed"]


def test_nothing_known_only_after_departure_is_a_feature() -> None:
    known_later = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}

    assert known_later & set(flights.FEATURES) == set()
    assert len(flights.FEATURES) == 17


def test_held_out_days_are_whole_and_every_third() -> None:
    when = pd.date_range("2013-01-01", "2013-12-31 23:00", freq="h")

    parts = flights.split_flights(pd.DataFrame({"scheduled": when}))

    days = {name: set(rows["scheduled"].dt.date) for name, rows in parts.items()}
    assert len(days["reference"]) == 40
    assert len(days["training"]) == 80
    assert len(days["current"]) == 245
    assert days["reference"] & days["training"] == set()


@pytest.mark.usefixtures("a_year")
def test_case_is_prepared_once_and_can_be_loaded(tmp_path: Path) -> None:
    first = flights.prepare_flights(tmp_path / "cache")
    written = first.stat().st_mtime_ns

    again = flights.prepare_flights(tmp_path / "cache")
    case = load_case(again)

    assert again == first
    assert again.stat().st_mtime_ns == written
    assert case.features == flights.FEATURES
    assert case.acceptable == 0.65
    assert case.model.format == "skops"
    assert set(case.tables) == {"training", "reference", "current"}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [again.parent.name]


@pytest.mark.usefixtures("a_year")
def test_two_preparations_write_the_same_bytes(tmp_path: Path) -> None:
    first = flights.prepare_flights(tmp_path / "one").parent
    second = flights.prepare_flights(tmp_path / "two").parent

    hashes = [
        {
            one.name: hashlib.sha256(one.read_bytes()).hexdigest()
            for one in folder.iterdir()
        }
        for folder in (first, second)
    ]

    assert hashes[0] == hashes[1]
    assert set(hashes[0]) == {
        "case.toml",
        "training.parquet",
        "reference.parquet",
        "current.parquet",
        "model.skops",
    }


def test_second_of_two_processes_takes_the_case_of_the_first(tmp_path: Path) -> None:
    made, final = tmp_path / "made", tmp_path / "final"
    for folder in (made, final):
        folder.mkdir()
        (folder / "case.toml").touch()

    flights.move_into_place(made, final)

    assert (final / "case.toml").is_file()


def test_folder_that_cannot_take_the_case_is_an_error(tmp_path: Path) -> None:
    made, final = tmp_path / "made", tmp_path / "final"
    made.mkdir()
    final.mkdir()
    (final / "something else").touch()

    with pytest.raises(OSError, match="not empty"):
        flights.move_into_place(made, final)


@pytest.mark.usefixtures("a_year")
def test_demo_lives_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    case = flights.demo_case()

    assert case.parent.parent == tmp_path / "home" / "readiness"


def test_missing_data_package_is_one_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flights.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(InputError, match=r"pip install 'readiness\[demo\]'"):
        flights.prepare_flights(tmp_path)


def arrived(case: Case, name: str) -> pd.DataFrame:
    table = case.table(name)
    rows = table.take(np.arange(table.n_rows))
    return rows[rows["late"].notna()].astype({"late": int})


@pytest.mark.slow
def test_real_flights_tell_the_story_of_the_readme() -> None:
    case = load_case(flights.prepare_flights())
    held_out, later = arrived(case, "reference"), arrived(case, "current")
    spring = pd.concat([arrived(case, "training"), held_out], ignore_index=True)
    is_test = np.random.default_rng(7).random(len(spring)) < 1 / 3
    fitted = clone(case.model.estimator).fit(
        spring.loc[~is_test, list(case.features)], spring.loc[~is_test, "late"]
    )

    promised = fitted.predict_proba(spring.loc[is_test, list(case.features)])[:, 1]
    y_prob = case.model.predict(later)
    log_odds = np.log(y_prob / (1 - y_prob)).reshape(-1, 1)
    slope = LogisticRegression(C=np.inf).fit(log_odds, later["late"]).coef_[0, 0]

    assert sum(one.n_rows for one in case.tables.values()) == 336_776
    assert roc_auc_score(spring.loc[is_test, "late"], promised) == pytest.approx(
        0.77, abs=0.01
    )
    assert roc_auc_score(
        held_out["late"], case.model.predict(held_out)
    ) == pytest.approx(0.712, abs=0.01)
    assert roc_auc_score(later["late"], y_prob) == pytest.approx(0.701, abs=0.01)
    assert slope == pytest.approx(0.67, abs=0.02)
