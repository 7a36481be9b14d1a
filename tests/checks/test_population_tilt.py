"""D1: population tilts on cases whose tolerance is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.drift import _base, measurement_tilt, population_tilt
from readiness.checks.drift._base import base_of, largest_move, window_codes
from readiness.checks.drift._tilted import tilt_column
from readiness.checks.drift.population_tilt import CHECK, WORDS
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import count_calls, scores
from readiness.tolerance import Budget, budget

DAYS = 80


class Line:
    """A fitted line, off by as much as its slope says."""

    def __init__(self, slope: float, features: Sequence[str] = ("x",)) -> None:
        self.slope = slope
        self.feature_names_in_ = np.array(features, dtype=object)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return slope times x, 0 where x is missing."""
        return self.slope * X["x"].fillna(0.0).to_numpy()


def rows_of_days(seed: int, *, days: int = DAYS, per_day: int = 25) -> pd.DataFrame:
    """Return y = x + noise; half of the variance of both hangs together by day."""
    rng = np.random.default_rng(seed)
    n, day = days * per_day, np.repeat(np.arange(days), per_day)
    half = np.sqrt(0.5)
    x = rng.normal(0, half, days)[day] + rng.normal(0, half, n)
    noise = rng.normal(0, half, days)[day] + rng.normal(0, half, n)
    return pd.DataFrame({"x": x, "y": x + noise, "day": day})


def line_case(
    rows: pd.DataFrame,
    slope: float = 1.5,
    *,
    acceptable: float | None = 2.0,
    columns: Mapping[str, Any] | None = None,
    **data: Any,  # noqa: ANN401 (keys of the case file)
) -> Case:
    ignored = {"y", "day", "w", *data.get("ignore", ())}
    features = [name for name in rows.columns if name not in ignored]
    model = {
        "callable": "m:f",
        "task": "regression",
        "metric": "mean_squared_error",
        "acceptable": acceptable,
        # b² = 0.25: the loss is 0.25 · move², so 0.0625 is lost at half an SD.
        "tolerated_loss": 0.0625,
    }
    file = CaseFile.model_validate(
        {
            "name": "line",
            "title": "A line",
            "model": model,
            "data": {"reference": "r", "target": "y", "block": "day", **data},
            "columns": columns or {},
        }
    )
    return load_case(file, frames={"reference": rows}, model=Line(slope, features))


def measure(case: Case) -> Measurement:
    return population_tilt.measure(case, Options(values=CHECK.defaults))


def row(measurement: Measurement, metric: str, group: str) -> pd.Series:
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def measured() -> Measurement:
    rows = rows_of_days(1, days=250, per_day=20)
    return measure(line_case(rows, columns={"x": {"unit": "mm"}}))


def test_loss_budget_of_a_line_that_is_off(measured: Measurement) -> None:
    found = row(measured, "mean_loss_budget", "x")

    # R = σ² + b²(1 + δ²) loses 0.0625 at δ = 0.5.
    assert found["ci_low"] < 0.5 < found["ci_high"]
    assert 0.25 < found["value"] < 0.6
    assert found["unit"] == "SD"
    assert found["value_in_unit"] == pytest.approx(found["value"], rel=0.15)
    assert found["own_unit"] == "mm"
    assert (found["n_rows"], found["n_blocks"]) == (5000, 250)


def test_curve_follows_the_closed_form(measured: Measurement) -> None:
    curve = measured.tables["curves"].query("column == 'x' and family == 'mean'")
    far = curve[curve["move"].abs() > 0.3]

    expected = 0.25 * far["move"] ** 2

    assert (far["loss_low"] <= expected).all()
    assert (expected <= far["loss_high"]).all()


def test_level_budget_misses_the_acceptable_value(measured: Measurement) -> None:
    # 1 + 0.25(1 + δ²) = 2 at 1.73 SD, beyond what half of the rows can carry.
    found = row(measured, "mean_budget", "x")

    assert np.isnan(found["value"])
    assert found["censored"]
    assert 0.3 < found["ci_low"] < 0.9


def test_notes_speak_in_the_unit_of_the_column(measured: Measurement) -> None:
    said = " ".join(measured.notes)

    assert "The mean of x may" in said
    assert "mm" in said
    assert "before it has cost 0.0625 of mean squared error." in said


def test_no_model_call_beyond_the_scores() -> None:
    case = line_case(rows_of_days(2, days=40))
    with count_calls() as alone:
        scores(case, "reference")

    with count_calls() as counter:
        measure(case)

    assert counter.calls == alone.calls


def test_only_measurement_drift_harms_a_true_line() -> None:
    # METHODS 0.2: slope 2, noise 1, shift 1 SD: MSE stays 1 when rows are
    # re-weighted, and becomes 1 + 2² = 5 when the input is read 1 SD too high.
    rng = np.random.default_rng(3)
    x = rng.standard_normal(20_000)
    rows = pd.DataFrame(
        {"x": x, "y": 2 * x + rng.standard_normal(20_000), "day": np.arange(20_000)}
    )
    case = line_case(rows, slope=2.0, acceptable=None)
    options = Options(values=measurement_tilt.CHECK.defaults)

    curves = [
        one.tables["curves"].query("family == 'mean'")
        for one in (measure(case), measurement_tilt.measure(case, options))
    ]

    population, reading = (
        np.interp(1.0, one["move"], one["value"]) if k else one["value"].iloc[-1]
        for k, one in enumerate(curves)
    )
    assert population == pytest.approx(1.0, abs=0.06)
    assert reading == pytest.approx(5.0, abs=0.15)


def test_a_case_without_acceptable_value_says_so_once_per_budget() -> None:
    measurement = measure(line_case(rows_of_days(4), acceptable=None))

    found = row(measurement, "mean_budget", "")

    assert found["reason"] == Reason.NO_ACCEPTABLE
    assert measurement.notes[1].startswith("The case declares no acceptable value")
    assert not row(measurement, "mean_loss_budget", "x").empty


def test_an_undecided_base_is_said_once() -> None:
    measurement = measure(line_case(rows_of_days(5), acceptable=1.25))

    found = row(measurement, "mean_budget", "")

    assert found["reason"] == Reason.BASE_INCONCLUSIVE
    assert "until that is decided" in measurement.notes[1]


def test_a_model_that_misses_before_anything_moves_has_no_budget_left() -> None:
    measurement = measure(line_case(rows_of_days(6), acceptable=0.5))

    found = row(measurement, "mean_budget", "")

    assert (found["value"], found["ci_low"], found["ci_high"]) == (0, 0, 0)
    assert "spent already" in measurement.notes[1]


def mixed_rows() -> pd.DataFrame:
    rows = rows_of_days(7)
    n = len(rows)
    rng = np.random.default_rng(7)
    rows["x"] = rows["x"].mask(rng.random(n) < 0.1)
    rows["y"] = rows["y"].fillna(0.0)
    rows["kind"] = rng.choice(["a", "b", "c", None], n, p=[0.6, 0.3, 0.05, 0.05])
    rows["flag"] = rng.random(n) < 0.2
    rows["one"] = 1.0
    rows["gone"] = np.nan
    rows["text"] = [f"note {k}" for k in range(n)]
    rows["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows["day"], unit="D")
    return rows


@pytest.fixture(scope="module")
def mixed() -> Measurement:
    case = line_case(mixed_rows(), columns={"gone": {"kind": "numeric"}})
    return measure(case)


@pytest.mark.parametrize(
    ("metric", "column"),
    [
        ("mean_loss_budget", "x"),
        ("missing_loss_budget", "x"),
        ("category_loss_budget", "kind"),
        ("missing_loss_budget", "kind"),
        ("category_loss_budget", "flag"),
        ("scale_loss_budget", "when"),
    ],
)
def test_every_kind_of_column_is_moved(
    mixed: Measurement, metric: str, column: str
) -> None:
    found = row(mixed, metric, column)

    assert found["ci_low"] > 0
    assert found["ci_high"] >= found["ci_low"]


@pytest.mark.parametrize(
    ("metric", "column", "reason"),
    [
        ("mean_loss_budget", "one", Reason.BEYOND_SUPPORT),
        ("mean_loss_budget", "gone", Reason.ALL_NULL),
        ("category_loss_budget", "text", Reason.UNSUPPORTED_TYPE),
    ],
)
def test_a_column_that_cannot_move_is_a_row_with_its_reason(
    mixed: Measurement, metric: str, column: str, reason: Reason
) -> None:
    found = row(mixed, metric, column)

    assert np.isnan(found["value"])
    assert found["reason"] == reason


def test_a_flag_has_no_spread_of_its_own() -> None:
    """Of two values the mean gives the spread, which no weights move alone."""
    rows = rows_of_days(9, days=100)
    flag = (np.random.default_rng(9).random(len(rows)) < 0.3).astype(float)

    budgets = measure(line_case(rows.assign(flag=flag))).tables["budgets"]

    of_flag = budgets[budgets["column"] == "flag"]
    assert of_flag["family"].tolist() == ["mean"]
    assert of_flag["reach"].gt(0.5).all()


def test_sentence_names_the_category_that_misses_the_acceptable_value() -> None:
    rows = rows_of_days(10, days=200)
    names, shares = ["good", "fair", "bad"], [0.5, 0.3, 0.2]
    kind = np.random.default_rng(10).choice(names, len(rows), p=shares)
    rows = rows.assign(kind=kind, y=rows["y"] + 2.0 * (kind == "bad"))

    # 1.25 + 4 p: 2.05 at p = 0.2, and 2.45 at p = 0.3.
    said = " ".join(measure(line_case(rows, acceptable=2.45)).notes)

    assert "The share of bad in kind may rise by" in said
    assert "before mean squared error misses 2.45." in said
    assert "one category" not in said


def test_categories_of_one_level_cannot_move() -> None:
    rows = rows_of_days(8, days=30).assign(only="a")

    found = row(measure(line_case(rows)), "category_loss_budget", "only")

    assert found["reason"] == Reason.BEYOND_SUPPORT


def test_too_few_blocks_support_no_move() -> None:
    found = row(measure(line_case(rows_of_days(9, days=20))), "mean_loss_budget", "x")

    # Twenty blocks are never 25 effective ones: nothing is promised.
    assert np.isnan(found["value"])
    assert found["ci_low"] == 0


def test_weights_and_multiclass_scores_work(multiclass_case: Case) -> None:
    rows = rows_of_days(10, days=40).assign(w=lambda one: 1.0 + (one["x"] > 0))

    weighted = measure(line_case(rows, weight="w"))
    classes = measure(multiclass_case)

    assert row(weighted, "mean_loss_budget", "x")["n_blocks"] == 40
    assert row(classes, "mean_loss_budget", "wind")["ci_low"] > 0


def test_order_of_rows_does_not_matter() -> None:
    rows = rows_of_days(11, days=40)

    first = measure(line_case(rows)).summary
    second = measure(line_case(rows.sample(frac=1, random_state=1))).summary

    numbers = ["value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(first[numbers], second[numbers], rtol=1e-6)


def test_history_is_compared_with_the_budget() -> None:
    rows = rows_of_days(12)
    rows["x"] += np.where(rows["day"] < DAYS / 2, 0.0, 6.0)
    rows["y"] = rows["x"] * 1.5
    rows["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows["day"], unit="D")
    case = line_case(rows, time="when", window="7d", ignore=["when"])

    measurement = measure(case)

    budgets = measurement.tables["budgets"].query("column == 'x' and family == 'mean'")
    assert budgets["past_move"].item() == pytest.approx(2.0, abs=0.3)
    assert budgets["past"].item() == "beyond_support"
    assert "C1 says which situations are missing" in " ".join(measurement.notes)


def test_windows_come_from_time_else_from_blocks() -> None:
    rows = rows_of_days(13, days=30)
    rows["when"] = pd.Timestamp("2024-01-20") + pd.to_timedelta(rows["day"], unit="D")
    timed = line_case(rows, time="when", ignore=["when"])
    free = line_case(rows[["x", "y"]], block=None)

    months = window_codes(base_of(timed))
    weeks = window_codes(base_of(line_case(rows[["x", "y", "day"]])))

    assert months is not None
    assert weeks is not None
    assert len(np.unique(months)) == 2
    assert len(np.unique(weeks)) == 5
    assert window_codes(base_of(free)) is None


def test_a_move_needs_two_windows_of_thirty_rows() -> None:
    values, windows = np.repeat([0.0, 1.0], [40, 20]), np.repeat([0, 1], [40, 20])

    assert np.isnan(largest_move(values, windows))
    assert np.isnan(largest_move(values, None))
    assert largest_move(np.r_[values, values], np.r_[windows, windows]) == 1.0
    assert largest_move(np.arange(80.0), np.repeat([0, 1], 40), "sd") == 0.0


def test_numbers_declared_of_text_are_refused() -> None:
    with pytest.raises(NotAssessedError, match="declared numeric but holds text"):
        _base.numbers(pd.Series(["1", "x"], name="x"), "numeric")


def test_a_case_without_labels_is_not_assessed() -> None:
    rows = rows_of_days(14, days=30)
    case = load_case(
        line_case(rows).file,
        frames={"reference": rows.assign(y=np.nan)},
        model=Line(1.0),
    )

    with pytest.raises(NotAssessedError, match="labelled rows") as caught:
        measure(case)

    assert caught.value.code == Reason.NO_LABELS


def test_one_class_only_is_not_assessed(binary_case: Case) -> None:
    rows = binary_case.table("reference").frame(
        next(iter(binary_case.table("reference").batches(None)))
    )
    case = load_case(
        binary_case.file,
        frames={
            "training": rows,
            "reference": rows[rows["late"] == 1],
        },
        model=binary_case.model.estimator,
    )

    with pytest.raises(NotAssessedError) as caught:
        measure(case)

    assert caught.value.code in {Reason.ONE_CLASS, Reason.NO_LABELS}


def test_figure_draws_the_columns_that_cost_something(measured: Measurement) -> None:
    figure = population_tilt.draw(measured, CHECK.limits)

    drawn = [one for one in figure.axes if one.get_visible()]
    assert [one.get_title(loc="left") for one in drawn] == ["x"]
    assert drawn[0].get_ylabel() == "mean_squared_error lost"
    assert "mm" in drawn[0].get_xlabel()
    assert population_tilt.alt(measured).startswith("Curves of the loss")


def test_figure_without_any_curve_says_so() -> None:
    rows = rows_of_days(15, days=30).assign(x=0.0)

    measurement = measure(line_case(rows, slope=0.0))

    assert population_tilt.draw(measurement, CHECK.limits).axes
    assert population_tilt.alt(measurement).startswith("No column could be moved")


def coverage_budget(seed: int, *, blocks: bool) -> Budget:
    case = line_case(rows_of_days(seed, days=DAYS, per_day=20), acceptable=None)
    if not blocks:
        rows = rows_of_days(seed, days=DAYS, per_day=20).drop(columns="day")
        case = line_case(rows, acceptable=None, block=None)
    base = base_of(case)
    moved, _ = tilt_column(base, "x", None, {})
    return budget(moved[0].arms, base.rooms[_base.LOSS], seed=1)


@pytest.mark.slow
def test_interval_of_the_budget_covers_the_true_one() -> None:
    found = [coverage_budget(seed, blocks=True) for seed in range(150)]

    low = np.mean([one.ci_low <= 0.5 for one in found])
    high = np.mean([one.ci_high >= 0.5 for one in found])
    both = np.mean([one.ci_low <= 0.5 <= one.ci_high for one in found])

    # Squared loss is unbounded: METHODS asks one-sided 92 %, two-sided 93 %.
    assert min(low, high) >= 0.92
    assert both >= 0.93


@pytest.mark.slow
def test_dropping_the_blocks_breaks_the_coverage() -> None:
    found = [coverage_budget(seed, blocks=False) for seed in range(40)]

    both = np.mean([one.ci_low <= 0.5 <= one.ci_high for one in found])

    assert both < 0.85


def test_words_exist_for_every_measured_family() -> None:
    named = {limit.metric for limit in CHECK.limits} | set(CHECK.metrics)

    assert {f"{family}_loss_budget" for family in WORDS} <= named
