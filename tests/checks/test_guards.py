import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.checks.coverage import schema
from readiness.checks.stress import fault_bench
from readiness.checks.stress._bench import open_bench
from readiness.checks.stress._guards import (
    DRIFT,
    FEED,
    MODEL,
    PREDICTION,
    SCHEMA,
    SUPPORT,
    guards_of,
)
from readiness.checks.stress._looks import HARMFUL, HARMLESS, UNDECIDED, all_faults
from readiness.checks.stress._monitors import drift_power, facts
from readiness.checks.stress._schema_guard import broken_rules
from readiness.checks.stress._suggest import (
    Suggestion,
    merged,
    section_head,
    toml,
    usual_range,
)
from readiness.checks.stress.guards import CHECK, alt, draw, measure
from readiness.errors import CaseError
from readiness.measuring import Bench, measured, options_of
from readiness.result import Measurement, Options
from tests.cases import binary_case, case_file, small_frames

Model = Callable[[pd.DataFrame], Any]


def options(case: Case, **needed: Measurement) -> Options:
    given = case.file.checks.get("S2", {})
    return Options(values={**CHECK.defaults, **given}, needed=needed)


def cells_of(case: Case) -> Measurement:
    return fault_bench.measure(case, Options(values=fault_bench.CHECK.defaults))


def answered(case: Case) -> Measurement:
    return measure(case, options(case, S1=cells_of(case)))


def only(found: Measurement, *names: str) -> Measurement:
    """Return the bench with some faults alone."""
    cells = found.tables["cells"]
    kept = cells[cells["fault"].isin(names)]
    return replace(found, tables={**found.tables, "cells": kept})


def values(found: Measurement) -> dict[str, list[float]]:
    by_metric = found.summary.set_index("metric")
    return {
        metric: by_metric.loc[metric, ["value", "ci_low", "ci_high"]].tolist()
        for metric in by_metric.index
    }


def written(file: Mapping[str, Any], name: str = "") -> list[str]:
    """Return the lines of a case file as its owner would have written them."""
    sections = {key: one for key, one in file.items() if isinstance(one, dict)}
    own = [f"{key} = {toml(one)}" for key, one in file.items() if key not in sections]
    lines = [f"[{name}]", *own] if name and own else own
    for key, one in sections.items():
        lines += written(one, f"{name}.{key}" if name else key)
    return lines


def pasted(case: Case, line: Mapping[str, Any], model: Model, folder: Path) -> Case:
    """Return the case with a suggested line pasted into the text of its case file.

    Below the head of its section, where there is one; the file is then read as any.
    """
    lines = written(
        case.file.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    )
    lines += [] if line["section"] in lines else [line["section"]]
    lines = [one for one in lines if one != line.get("replaces")]
    lines.insert(lines.index(line["section"]) + 1, line["paste"])
    path = folder / "case.toml"
    path.write_text("\n".join(lines), "utf-8")
    frames = {
        name: one.take(np.arange(one.n_rows)) for name, one in case.tables.items()
    }
    return load_case(path, frames=frames, model=model)


def noticed(found: Measurement, column: str, fault: str) -> Mapping[str, Any]:
    table = found.tables["guards"].set_index(["column", "fault"])
    row: Mapping[str, Any] = table.loc[(column, fault)].to_dict()
    return row


# --- three planted faults ------------------------------------------------------------


def plant(
    rows: pd.DataFrame,
    model: Model,
    features: list[str],
    columns: Mapping[str, Any] | None = None,
    **more: Mapping[str, Any],
) -> Case:
    file = case_file(
        "regression",
        model={
            "features": features,
            "metric": more.get("metric", "mean_absolute_error"),
            "tolerated_loss": 1.0,
        },
        data={"entity": None},
        columns=columns or {},
        # A small window: its monitors see a dead feed, not one row in twenty.
        operation={
            "monitor_window_rows": 20,
            "windows_per_month": 100,
            "false_alarms_per_month": 1,
        },
        checks=more.get("checks", {}),
    )
    return load_case(file, frames={"reference": rows}, model=model)


def hourly(n_rows: int, step: str = "3h") -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=n_rows, freq=step)


def careful_thermometer(frame: pd.DataFrame) -> pd.Series:
    """Return twice the temperature; refuse what no weather gives in °F."""
    temp = frame["temp"]
    if not temp.between(1, 130).all():
        msg = "temp must lie in 1 to 130 °F"
        raise ValueError(msg)
    return 2 * temp


def unit_error_case() -> Case:
    rng = np.random.default_rng(3)
    temp = np.clip(rng.normal(65, 8, 4000), 40, 95)
    rows = pd.DataFrame({"temp": temp, "scheduled": hourly(4000)})
    rows["late"] = 2 * temp + rng.normal(0, 1, 4000)
    return plant(rows, careful_thermometer, ["temp"], {"temp": {"unit": "°F"}})


def mapping_to_other(frame: pd.DataFrame) -> pd.Series:
    """Return 100 for AA; a name it does not know, of two capitals, is another one."""
    names = frame["carrier"].fillna("XX").str.strip()
    if not names.str.match("^[A-Z]{2}").all():
        msg = "a carrier begins with two capitals"
        raise ValueError(msg)
    return 100.0 * (names == "AA")


def renamed_case(**checks: Mapping[str, int]) -> Case:
    rng = np.random.default_rng(4)
    carrier = rng.choice(["AA", "DL", "UA"], 4000, p=[0.6, 0.2, 0.2])
    rows = pd.DataFrame({"carrier": carrier, "scheduled": hourly(4000)})
    rows["late"] = 100.0 * (carrier == "AA") + rng.normal(0, 1, 4000)
    return plant(rows, mapping_to_other, ["carrier"], checks=checks)


def adding(frame: pd.DataFrame) -> pd.Series:
    return frame["gust"].fillna(0) + frame["rain"].fillna(0)


def stale_case() -> Case:
    rng = np.random.default_rng(5)
    made = {
        name: lfilter([3 * np.sqrt(1 - 0.9**2)], [1, 0.9], rng.normal(size=6000))
        for name in ("gust", "rain")
    }
    rows = pd.DataFrame({**made, "scheduled": hourly(6000)})
    rows["late"] = adding(rows) + rng.normal(0, 1, 6000)
    feed = {"source": "weather feed", "range": [-15.0, 15.0]}
    columns = {"gust": feed, "rain": feed}
    return plant(rows, adding, ["gust", "rain"], columns, metric="mean_squared_error")


PLANTED: dict[str, tuple[Callable[[], Case], Model, tuple[str, str], str]] = {
    "unit": (unit_error_case, careful_thermometer, ("temp", "in °C"), "°C instead"),
    "renamed": (renamed_case, mapping_to_other, ("carrier", "renamed"), "another name"),
    "stale": (
        stale_case,
        adding,
        ("source=weather feed", "stale"),
        "“weather feed”: in all of its features, the value is that of the row before",
    ),
}
LINES = {
    "unit": ("[columns.temp]", "range = "),
    "renamed": ("[columns.carrier]", 'categories = ["AA", "DL", "UA"]'),
    "stale": ("[checks.S2]", 'max_age = { "weather feed" = "1h" }'),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_the_first_line_and_its_guard_notices_it(
    name: str, tmp_path: Path
) -> None:
    make, model, cell, words = PLANTED[name]
    case = make()

    before = answered(case)

    worst = before.tables["silent_killers"].iloc[0]
    assert (worst["column"], worst["fault"]) == cell
    assert words in before.notes[0]
    assert worst["section"] == LINES[name][0]
    assert worst["paste"].startswith(LINES[name][1])
    assert worst["paste"] in before.notes[0]

    after = answered(pasted(case, worst, model, tmp_path))

    assert noticed(before, *cell)["silent"]
    assert not noticed(after, *cell)["silent"]
    assert noticed(after, *cell)["guard"] in (SCHEMA, FEED)
    assert values(after)["silent_killers"][0] < values(before)["silent_killers"][0]


def test_planted_fault_is_noticed_by_c0_once_the_line_is_pasted(
    tmp_path: Path,
) -> None:
    case = unit_error_case()
    worst = answered(case).tables["silent_killers"].iloc[0]
    table = case.table("reference")
    rows = table.take(np.arange(table.n_rows))
    wrong = rows.assign(temp=(rows["temp"] - 32) * 5 / 9)
    again = pasted(case, worst, careful_thermometer, tmp_path)

    broken = load_case(
        again.file,
        frames={"reference": rows, "current": wrong},
        model=careful_thermometer,
    )

    rules = schema.measure(broken, Options(values=schema.CHECK.defaults)).tables
    assert "out of range" in set(rules["violations"]["rule"])


# --- counts --------------------------------------------------------------------------


def wary(frame: pd.DataFrame) -> pd.Series:
    """Return a probability; refuse text and missing values."""
    wind = frame["wind"]
    if wind.isna().any() or not pd.api.types.is_numeric_dtype(wind.dtype):
        msg = "wind must be a number"
        raise ValueError(msg)
    return 1 / (1 + np.exp(10 - wind))


@pytest.fixture(scope="module")
def wary_case() -> Case:
    file = case_file("binary", model={"features": ["wind"]})
    frames = {"reference": small_frames("binary")["reference"]}
    return load_case(file, frames=frames, model=wary)


@pytest.fixture(scope="module")
def wary_cells(wary_case: Case) -> Measurement:
    return cells_of(wary_case)


def test_model_that_refuses_what_is_missing_or_text_guards_itself(
    wary_case: Case, wary_cells: Measurement
) -> None:
    bench = only(wary_cells, "missing", "as text", "decimal comma")

    found = measure(wary_case, options(wary_case, S1=bench))

    assert values(found)["guarded_share"] == [1.0, 1.0, 1.0]
    assert values(found)["silent_killers"] == [0.0, 0.0, 0.0]
    assert set(found.tables["guards"]["guard"]) == {MODEL}
    assert "Some guard notices each of the 3" in found.notes[0]


def test_model_that_swallows_what_nobody_can_see_is_not_guarded(
    wary_case: Case, wary_cells: Measurement
) -> None:
    found = measure(wary_case, options(wary_case, S1=only(wary_cells, "shuffled")))

    assert values(found)["guarded_share"] == [0.0, 0.0, 0.0]
    assert values(found)["silent_killers"] == [1.0, 1.0, 1.0]
    required = {one.metric: one.required_in for one in CHECK.limits}
    assert required == {
        "silent_killers": ("high",),
        "guarded_share": ("medium", "high"),
    }


def test_undecided_faults_widen_the_counts(
    wary_case: Case, wary_cells: Measurement
) -> None:
    cells = only(wary_cells, "shuffled", "stale", "day old", "times 10", "sign flip")
    table = cells.tables["cells"].set_index("fault")
    table.loc[["stale", "times 10"], "decision"] = UNDECIDED
    table.loc[["day old"], "decision"] = HARMLESS
    table.loc[["shuffled", "sign flip"], "decision"] = HARMFUL
    table[["decision_0.05", "decision_0.20"]] = HARMLESS
    bench = replace(cells, tables={**cells.tables, "cells": table.reset_index()})

    found = measure(wary_case, options(wary_case, S1=bench))

    # shuffled: silent; sign flip: noticed; stale: perhaps silent; times 10: perhaps
    # harmful, but noticed.
    assert values(found)["silent_killers"] == [1.0, 1.0, 2.0]
    assert values(found)["guarded_share"] == [1 - 1 / 2, 1 - 2 / 3, 1 - 1 / 3]


def test_case_without_a_harmful_fault_needs_no_guard() -> None:
    file = case_file("binary", model={"features": ["wind"]})
    frames = {"reference": small_frames("binary")["reference"]}
    case = load_case(file, frames=frames, model=lambda one: np.full(len(one), 0.3))

    found = answered(case)

    assert values(found)["guarded_share"] == [1.0, 1.0, 1.0]
    assert values(found)["silent_killers"] == [0.0, 0.0, 0.0]
    assert found.tables["silent_killers"].empty
    assert "none needs a guard" in found.notes[0]
    assert draw(found, ()).axes


# --- each guard ----------------------------------------------------------------------


def test_schema_guard_breaks_the_rules_that_c0_breaks() -> None:
    columns = {
        "wind": {"range": [-10.0, 40.0]},
        "carrier": {"categories": ["AA", "DL", "UA"]},
        "visibility": {"max_missing": 0.2},
    }
    case = binary_case_with(columns)
    bench = open_bench(case, 1200, 7)
    guards = guards_of(bench, options(case))
    known = replace(guards.known, window_rows=1200, window_blocks=60)
    order = bench.rows.frame
    wrong = []
    for fault in all_faults(bench):
        altered = fault.alter(bench.rows)
        current = rows_in_time(case).assign(
            **{name: one.to_numpy() for name, one in order.assign(**altered).items()}
        )
        rules = c0_rules(case, current, list(altered))
        mine = broken_rules(known, altered, 1.0, guards.declared)
        if bool(mine) != bool(rules):
            wrong.append((fault.column, fault.name, mine, rules))

    assert wrong == []


def binary_case_with(columns: Mapping[str, Any]) -> Case:
    file = case_file("binary", columns=columns)
    return load_case(
        file, frames=small_frames("binary"), model=binary_case().model.estimator
    )


def rows_in_time(case: Case) -> pd.DataFrame:
    table = case.table("reference")
    return table.take(np.arange(table.n_rows))


def c0_rules(case: Case, current: pd.DataFrame, columns: list[str]) -> set[str]:
    frames = {**small_frames("binary"), "current": current}
    other = load_case(case.file, frames=frames, model=case.model.estimator)
    found = schema.measure(other, Options(values=schema.CHECK.defaults))
    table = found.tables["violations"]
    mine = (table["table"] == "current") & table["column"].isin(columns)
    return set(table.loc[mine, "rule"])


def test_range_notices_one_row_of_a_window_four_times_in_five() -> None:
    case = binary_case_with({"wind": {"range": [-20.0, 40.0]}})
    guards = guards_of(open_bench(case, 1200, 7), options(case))
    clean = guards.known.rows.frame["wind"]
    one_row = clean.where(np.arange(len(clean)) > 0, 99.0)  # of 1,200

    rules = {
        n_rows: broken_rules(
            replace(guards.known, window_rows=n_rows),
            {"wind": one_row},
            1.0,
            guards.declared,
        )
        for n_rows in (500, 1931, 1932)
    }

    # 1 - exp(-n / 1200) passes 0.8 at n = 1,931.3.
    assert rules == {500: "", 1931: "", 1932: "out of range"}


def test_rule_that_good_rows_break_is_no_guard() -> None:
    case = binary_case_with({"wind": {"range": [5.0, 40.0]}})
    guards = guards_of(open_bench(case, 1200, 7), options(case))
    clean = guards.known.rows.frame["wind"]

    assert broken_rules(guards.known, {"wind": clean * 10}, 1.0, guards.declared) == ""


def test_drift_guard_has_the_power_of_a_normal_window() -> None:
    monitors = pd.DataFrame(
        {
            "column": ["x", "x"],
            "family": ["mean", "missing"],
            "category": ["", ""],
            "alarm_move": [3.0, 0.5],
            "window_error": [0.8, 0.1],
            "reference_error": [0.6, 0.0],
        }
    )
    good, bad = pd.Series([0.0, 2.0]), pd.Series([8.0, 10.0])
    before, after = {"x": facts(good, "numeric")}, {"x": facts(bad, "numeric")}

    power, name = drift_power(monitors, before, after, 0.5)

    # The mean moves by 0.5 * 8 with a standard error of 1; nothing goes missing.
    assert power == pytest.approx(norm.cdf(4 - 3) + norm.cdf(-4 - 3))
    assert name == "x"


def test_drift_guard_sees_categories_and_missing_values_move() -> None:
    values = pd.Series(["a", "a", "b", "b"])
    before = {"x": facts(values, "categorical")}
    after = {"x": facts(pd.Series(["a", None, "b", "b"]), "categorical")}
    monitors = pd.DataFrame(
        {
            "column": ["x", "x"],
            "family": ["category", "missing"],
            "category": ["a", ""],
            "alarm_move": [0.25, 0.2],
            "window_error": [0.05, 0.05],
            "reference_error": [0.0, 0.0],
        }
    )

    alone = [drift_power(monitors.iloc[[one]], before, after, 1.0)[0] for one in (0, 1)]

    assert alone[0] == pytest.approx(0.5)
    assert alone[1] == pytest.approx(norm.cdf(1.0))
    assert drift_power(monitors, before, after, 1.0)[0] == max(alone)


@pytest.fixture(scope="module")
def planned() -> Measurement:
    """Return S2 as a run asks it, with the plan of D8."""
    file = case_file(
        "binary",
        operation={
            "monitor_window_rows": 400,
            "false_alarms_per_month": 1,
            "windows_per_month": 30,
        },
    )
    case = load_case(
        file, frames=small_frames("binary"), model=binary_case().model.estimator
    )
    bench = Bench(case=case, checks=all_checks(), profile="quick", seed=7)
    found = bench.checks["guards"]
    return measured(bench, found, options_of(bench, found, {})).measurement


def test_plan_of_d8_notices_a_mean_that_moved(planned: Measurement) -> None:
    table = planned.tables["guards"].set_index(["column", "fault"])

    assert table.loc[("wind", "filled with 999"), "guard"] in (DRIFT, SCHEMA)
    assert DRIFT in set(table["guard"])
    assert "windows of 400 rows" in " ".join(planned.notes)


def test_silent_killers_come_first_and_worst_first(planned: Measurement) -> None:
    table = planned.tables["guards"]
    killers = planned.tables["silent_killers"]

    assert table["silent"].is_monotonic_decreasing
    assert killers["loss"].is_monotonic_decreasing
    assert len(killers) == values(planned)["silent_killers"][0]
    assert planned.notes[0].startswith(f"{len(killers)} of ")


def test_prediction_monitor_notices_what_the_columns_do_not_show() -> None:
    case = binary_case_with({})
    bench = open_bench(case, 1200, 7)
    guards = guards_of(bench, options(case))
    clean = {"distance": bench.rows.frame["distance"]}

    still = guards.hit("x", clean, np.array([0.0]))
    moved = guards.hit("x", clean, np.array([0.4]))

    assert guards.first(still, 1.0) == ("", "")
    assert guards.first(moved, 1.0)[0] == PREDICTION
    assert guards.first(moved, 0.02) == ("", "")


def test_support_notices_rows_that_never_were() -> None:
    case = binary_case_with({})
    bench = open_bench(case, 1200, 7)
    guards = replace(guards_of(bench, options(case)), prediction=None)
    frame = bench.rows.frame
    far = {name: frame[name] * 0 + 60.0 for name in ("wind", "visibility")}
    far["wind"] = far["wind"] + frame["wind"]  # not constant

    hit = guards.hit("x", {"wind": far["wind"]}, np.array([0.0]))

    assert guards.first(hit, 1.0)[0] == SUPPORT
    assert guards.first(hit, 0.01) == ("", "")


@pytest.mark.parametrize(
    ("declared", "fault", "found"),
    [
        ({"keys": ["weather feed"]}, "shuffled", True),
        ({"keys": ["gust"]}, "shuffled", False),  # rain comes without a key
        ({"keys": ["gust", "rain"]}, "stale", True),
        ({"max_age": {"weather feed": "2h"}}, "stale", True),  # it is three hours old
        ({"max_age": {"weather feed": "3h"}}, "stale", False),
        ({"max_age": {"weather feed": "1d"}}, "day old", False),
        ({"max_age": {"weather feed": "23h"}}, "day old", True),
        ({"max_age": {"weather feed": "1h"}}, "shuffled", False),
        ({"contracts": ["weather feed"]}, "shifted", True),
        ({"contracts": ["weather feed"]}, "stuck", False),
    ],
)
def test_declared_feed_checks_find_what_they_can_find(
    declared: Mapping[str, Any], fault: str, *, found: bool
) -> None:
    case = stale_case()
    bench = open_bench(case, 500, 7)
    given = Options(values={**CHECK.defaults, **declared})
    feed = guards_of(bench, given).feed

    assert feed.finds(case, fault, ["gust", "rain"], bench.rows) is found


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"keys": ["snow"]}, "'snow' is neither"),
        ({"max_age": {"gust": "soon"}}, "such as"),
        ({"max_age": {"gust": 3}}, "it is 3"),
    ],
)
def test_feed_check_nobody_can_mean_is_an_error(
    declared: Mapping[str, Any], words: str
) -> None:
    case = stale_case()
    bench = open_bench(case, 500, 7)

    with pytest.raises(CaseError, match=words):
        guards_of(bench, Options(values={**CHECK.defaults, **declared}))


def test_guards_that_cannot_answer_are_named() -> None:
    rows = small_frames("binary")["reference"].head(150)
    file = case_file("binary", model={"features": ["wind"]}, data={"block": "8w"})
    case = load_case(file, frames={"reference": rows}, model=wary)

    found = answered(case)

    assert "drift monitor, prediction monitor, support" in " ".join(found.notes)


# --- the page ------------------------------------------------------------------------


def test_lines_to_paste_are_toml() -> None:
    text = f"{section_head('columns.wind gust')}\nrange = {toml([-0.5, 1e6])}\n"

    assert tomllib.loads(text) == {"columns": {"wind gust": {"range": [-0.5, 1e6]}}}


def test_lines_of_one_key_are_merged_into_one() -> None:
    case = stale_case()

    found = answered(case).tables

    lines = found["declarations"].set_index("line")
    pasted_alone = found["silent_killers"]["paste"]
    assert lines.loc['max_age = { "weather feed" = "1h" }', "faults_noticed"] >= 2
    assert lines["faults_noticed"].sum() == (pasted_alone != "").sum()
    both = [("gust", {"gust": "24h"}), ("rain", {"gust": "12h", "rain": "2h"})]
    guards = guards_of(open_bench(case, 500, 7), options(case))
    made = [
        Suggestion(section="checks.S2", key="max_age", value=ages, guards=guards)
        for _, ages in both
    ]
    assert merged(made)["line"].tolist() == ['max_age = { gust = "12h", rain = "2h" }']


def test_line_that_is_there_already_is_said_to_be_replaced(tmp_path: Path) -> None:
    case = unit_error_case()
    file = case.file.model_dump(mode="json", exclude_unset=True)
    file["columns"]["temp"]["range"] = [-40.0, 130.0]  # holds for °C as well
    wide = load_case(
        type(case.file).model_validate(file),
        frames={"reference": rows_in_time(case)},
        model=careful_thermometer,
    )

    before = answered(wide)

    worst = before.tables["silent_killers"].iloc[0]
    assert worst["replaces"] == "range = [-40.0, 130.0]"
    assert (
        f"in [columns.temp] replace the line range = [-40.0, 130.0] by: "
        f"{worst['paste']}" in before.notes[0]
    )
    assert "range = [-40.0, 130.0]" in set(before.tables["declarations"]["replaces"])
    after = answered(pasted(wide, worst, careful_thermometer, tmp_path))
    assert noticed(after, "temp", "in °C")["guard"] == SCHEMA


@pytest.mark.parametrize("n_rows", [300, 2500])
def test_guards_are_asked_about_the_rows_that_the_bench_altered(n_rows: int) -> None:
    case = renamed_case(S1={"last_rows": 1000})
    bench = Bench(case=case, checks=all_checks(), profile="quick", seed=7)
    given = {"first_rows": n_rows, "last_rows": n_rows}
    bench.given["S1"] = given  # as a notebook gives it, to this check alone
    bench_cells, guards = bench.checks["fault_bench"], bench.checks["guards"]

    cells = measured(bench, bench_cells, options_of(bench, bench_cells, given))
    found = measured(bench, guards, options_of(bench, guards, {})).measurement

    asked = found.tables["guards"].set_index(["column", "fault"])["loss"]
    altered = cells.measurement.tables["cells"].set_index(["column", "fault"])["loss"]
    assert set(found.summary["n_rows"]) == {n_rows}
    assert len(asked)
    assert asked.equals(altered[asked.index])


def test_sensitive_column_shows_neither_extremes_nor_categories() -> None:
    case = unit_error_case()
    secret = {"columns": {"temp": {"unit": "°F", "sensitive": True}}}
    file = case.file.model_dump(mode="json", exclude_unset=True) | secret
    again = load_case(
        type(case.file).model_validate(file),
        frames={"reference": rows_in_time(case)},
        model=careful_thermometer,
    )

    killers = answered(again).tables["silent_killers"]

    assert not killers["paste"].str.startswith("range").any()


def test_suggested_range_holds_all_tables() -> None:
    case = binary_case_with({})
    guards = guards_of(open_bench(case, 1200, 7), options(case))

    low, high = usual_range(guards, "wind")

    winds = pd.concat([one["wind"] for one in small_frames("binary").values()])
    assert low <= winds.min() < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < winds.max() <= high


def test_silent_cells_are_hatched_and_named_by_guard(planned: Measurement) -> None:
    axes = draw(planned, CHECK.limits).axes[0]

    table = planned.tables["guards"]
    hatched = [one for one in axes.patches if one.get_hatch()]
    assert len(hatched) == int(table["silent"].sum())
    assert {"D"} <= {text.get_text() for text in axes.texts}
    assert alt(planned) == planned.notes[0]


def test_many_columns_draw_the_silent_ones_and_list_the_rest() -> None:
    n_columns = 500
    table = pd.DataFrame(
        {
            "column": [f"c{n}" for n in range(n_columns)],
            "fault": "stale",
            "loss": np.linspace(0.1, 0.9, n_columns),
            "guard": np.where(np.arange(n_columns) < 5, "nobody", SCHEMA),
            "harmful": True,
            "silent": np.arange(n_columns) < 5,
        }
    )
    found = Measurement(summary=pd.DataFrame(), tables={"guards": table})

    axes = draw(found, ()).axes[0]

    names = [one.get_text() for one in axes.get_xticklabels()]
    assert len(names) == 24
    assert {f"c{n}" for n in range(5)} <= set(names)
    assert "476 more columns" in axes.get_xlabel()


def test_columns_that_are_only_refused_leave_their_room_where_there_are_many() -> None:
    n_columns = 40
    table = pd.DataFrame(
        {
            "column": [f"c{n}" for n in range(n_columns)],
            "fault": "decimal comma",
            "loss": np.where(np.arange(n_columns) < 36, np.nan, 0.3),
            "guard": np.where(np.arange(n_columns) < 36, MODEL, SCHEMA),
            "harmful": True,
            "silent": False,
        }
    )
    found = Measurement(summary=pd.DataFrame(), tables={"guards": table})

    axes = draw(found, ()).axes[0]

    names = [one.get_text() for one in axes.get_xticklabels()]
    assert names == ["c36", "c37", "c38", "c39"]
    assert "36 more columns, with smaller losses or refused" in axes.get_xlabel()
