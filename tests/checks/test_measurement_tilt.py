"""D2: measurement tilts on cases whose tolerance is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from readiness.case import Case, load_case
from readiness.checks.drift import measurement_tilt
from readiness.checks.drift._altered import (
    drawn_noise,
    fixed_rows,
    other_category,
    share_more_rows_remove,
)
from readiness.checks.drift._base import base_of
from readiness.checks.drift._dial import ALTERATIONS, Dial
from readiness.checks.drift.measurement_tilt import CHECK, WORDS
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import count_calls

DAYS = 60


class Judge:
    """A model made of a function of the frame."""

    def __init__(self, features: Sequence[str], kind: str) -> None:
        self.feature_names_in_ = np.array(features, dtype=object)
        self.kind = kind
        if kind == "probability":
            self.classes_ = np.array([0, 1])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return 2 x, plus 1 in category b; refuse missing x when strict."""
        x = X["x"].to_numpy(dtype=float)
        if self.kind == "strict" and np.isnan(x).any():
            msg = "x is missing"
            raise ValueError(msg)
        extra = (X["kind"] == "b").to_numpy(dtype=float) if "kind" in X else 0.0
        return 2.0 * np.nan_to_num(x) + extra

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return a rising function of x as probability of class 1."""
        p = norm.cdf(X["x"].to_numpy(dtype=float))
        return np.column_stack([1 - p, p])


def rows_of_days(seed: int, n: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    y = 2 * x + rng.standard_normal(n)
    return pd.DataFrame({"x": x, "y": y, "day": np.arange(n) % DAYS})


def made_case(
    rows: pd.DataFrame,
    *,
    kind: str = "value",
    model: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    block: str | None = "day",
) -> Case:
    features = [name for name in rows.columns if name not in {"y", "day"}]
    section = {
        "callable": "m:f",
        "task": "regression",
        "metric": "mean_squared_error",
        # β = 2: R = 1 + 4 δ² loses 1 at half an SD and misses 5 at one SD.
        "acceptable": 5.0,
        "tolerated_loss": 1.0,
        **(model or {}),
    }
    file = CaseFile.model_validate(
        {
            "name": "made",
            "title": "A made case",
            "model": section,
            "data": {"reference": "r", "target": "y", "block": block},
            "columns": columns or {},
        }
    )
    return load_case(file, frames={"reference": rows}, model=Judge(features, kind))


def measure(case: Case, **options: int) -> Measurement:
    values = {**CHECK.defaults, **options}
    return measurement_tilt.measure(case, Options(values=values))


def row(measurement: Measurement, metric: str, group: str) -> pd.Series:
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def measured() -> Measurement:
    case = made_case(rows_of_days(1), columns={"x": {"unit": "mm"}})
    return measure(case, rows=3000, most_rows=5000)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # Shift and noise: R = σ² + β²δ². Stretch: R = σ² + β²δ² as well.
        ("mean_loss_budget", 0.5),
        ("mean_budget", 1.0),
        ("scale_loss_budget", 0.5),
        ("noise_loss_budget", 0.5),
        ("noise_budget", 1.0),
        # A missing x is read as 0 and costs 4 in such a row.
        ("missing_loss_budget", 0.25),
        ("missing_budget", 1.0),
    ],
)
def test_budgets_of_a_line_follow_the_closed_form(
    measured: Measurement, metric: str, expected: float
) -> None:
    found = row(measured, metric, "x")

    near = found["value"] if np.isfinite(found["value"]) else found["ci_low"]
    assert near == pytest.approx(expected, abs=0.06)
    assert found["ci_low"] <= expected + 0.01
    assert found["ci_high"] >= expected - 0.01


def test_more_rows_are_spent_where_the_column_matters(measured: Measurement) -> None:
    found = row(measured, "mean_loss_budget", "x")

    assert found["n_rows"] == 60 * round(5000 / 60)
    assert found["n_blocks"] == DAYS


def test_curve_of_noise_follows_the_closed_form(measured: Measurement) -> None:
    curve = measured.tables["curves"].query("family == 'noise'")

    expected = 4 * curve["move"] ** 2

    assert np.allclose(curve["loss"], expected, rtol=0.12, atol=0.05)


def test_area_under_noise_follows_the_closed_form() -> None:
    # Scores N(0, 1) and N(d', 1) with d' = √2: A(τ) = Φ(d'/√(2(1 + τ²))), τ in units
    # of the noise-free spread within a class.
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 20_000)
    x = np.sqrt(2) * y + rng.standard_normal(20_000)
    rows = pd.DataFrame({"x": x, "y": y, "day": np.arange(20_000) % 200})
    target = 0.75
    model = {"task": "binary", "metric": "roc_auc", "positive": 1}
    case = made_case(
        rows,
        kind="probability",
        model={**model, "acceptable": target, "tolerated_loss": 0.02},
    )

    measurement = measure(case, rows=20_000)

    curve = measurement.tables["curves"].query("family == 'noise'")
    tau = curve["move"] * x.std()
    theory = norm.cdf(np.sqrt(2) / np.sqrt(2 * (1 + tau**2)))
    assert np.allclose(curve["value"], theory, atol=0.012)
    # τ* = √((d'/(√2 Φ⁻¹(A*)))² - 1) = 1.094 for A* = 0.75.
    found = row(measurement, "noise_budget", "x")
    tau_star = np.sqrt((1 / norm.ppf(target)) ** 2 - 1)
    assert found["value"] * x.std() == pytest.approx(tau_star, rel=0.06)
    assert found["ci_low"] * x.std() < tau_star < found["ci_high"] * x.std()


def many_kinds() -> pd.DataFrame:
    rows = rows_of_days(3, 2_000)
    rng = np.random.default_rng(3)
    rows["kind"] = rng.choice(["a", "b", "c", None], 2_000, p=[0.5, 0.3, 0.1, 0.1])
    rows["y"] += rows["kind"] == "b"
    rows["flag"] = (rng.random(2_000) < 0.3).astype(int)
    rows["hour"] = rng.integers(0, 24, 2_000)
    rows["one"] = 1.0
    rows["gone"] = np.nan
    rows["text"] = [f"note {k}" for k in range(2_000)]
    rows["holes"] = np.where(rng.random(2_000) < 0.4, np.nan, rows["x"])
    return rows


@pytest.fixture(scope="module")
def mixed() -> Measurement:
    case = made_case(
        many_kinds(),
        model={"tolerated_loss": 0.2},
        columns={"gone": {"kind": "numeric"}},
    )
    return measure(case)


def test_another_category_in_a_share_of_rows(mixed: Measurement) -> None:
    found = row(mixed, "category_loss_budget", "kind")
    curve = mixed.tables["curves"].query("column == 'kind' and family == 'category'")

    # Replacing all known rows: b becomes another (30 %), and a or c become b at
    # 0.5·0.75 + 0.1·0.375 = 41 % of the rows; each such row costs 1.
    assert curve["loss"].iloc[-1] == pytest.approx(0.71, abs=0.08)
    assert found["value"] == pytest.approx(0.9 * 0.2 / 0.71, abs=0.05)
    assert curve["move"].iloc[-1] == pytest.approx(0.9, abs=0.02)


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


def test_a_flag_takes_its_other_value(mixed: Measurement) -> None:
    found = row(mixed, "category_loss_budget", "flag")

    assert found["censored"]
    assert found["ci_low"] == 1.0


def test_missing_values_stay_missing_and_bound_the_share(mixed: Measurement) -> None:
    found = row(mixed, "missing_loss_budget", "holes")

    assert found["ci_low"] == pytest.approx(0.6, abs=0.03)


def test_notes_name_calm_columns_clocks_and_the_price(mixed: Measurement) -> None:
    said = " ".join(mixed.notes)

    assert "the model scored" in said
    assert "As far as the data can tell, moving" in said
    assert "x may go missing in" in said  # a name keeps its case
    assert "hour: left out, because no sensor reads the time wrong" in said
    assert "hour" not in set(mixed.summary["group"])


def test_an_unseen_category_is_information(mixed: Measurement) -> None:
    unseen = mixed.tables["unseen"].set_index("column")

    # Without b in any row, 30 % of the rows lose 1.
    assert unseen.loc["kind", "loss"] == pytest.approx(0.3, abs=0.1)


def test_shifts_stay_inside_the_declared_range() -> None:
    case = made_case(rows_of_days(4, 2_000), columns={"x": {"range": [-4.0, 1.0]}})

    curve = measure(case).tables["curves"].query("family == 'mean'")

    # The mean of x clipped at 1 cannot rise above 1.
    assert curve["move"].max() <= 1.1
    assert curve["move"].min() == pytest.approx(-3.0, abs=0.2)


@pytest.mark.parametrize("move", [0.1, 0.6])
def test_a_dial_achieves_its_move_within_the_range(move: float) -> None:
    values = np.r_[np.linspace(0, 1, 200), np.nan]
    noise = np.random.default_rng(5).standard_normal(201)
    dial = Dial(
        values=values,
        sd=0.29,
        noise=noise,
        limits=(0.0, 1.0),
        how=ALTERATIONS["mean"],
    )

    after = dial.set_to(move)

    assert np.nanmean(after - values) == pytest.approx(move * 0.29, rel=1e-3)
    assert np.nanmax(after) <= 1.0
    assert np.isnan(after[-1])


def test_a_spread_can_shrink_to_nothing_and_no_further() -> None:
    values = np.linspace(0, 1, 200)
    dial = Dial(
        values=values,
        sd=float(values.std()),
        noise=values,
        limits=(0.0, 1.0),
        how=ALTERATIONS["scale"],
    )

    assert dial.reach(-1, 3.0) == (1.0, True)
    assert np.ptp(dial.set_to(-1.0)) == pytest.approx(0, abs=1e-9)
    assert dial.reach(1, 3.0)[1]


def test_a_model_that_refuses_missing_values_is_told_apart() -> None:
    case = made_case(rows_of_days(6, 1_000), kind="strict")

    found = row(measure(case), "missing_loss_budget", "x")

    assert np.isnan(found["value"])
    assert found["reason"] == Reason.MODEL_SCORES


def test_stored_predictions_cannot_be_scored_again() -> None:
    rows = rows_of_days(7, 500).assign(score=0.5)
    file = CaseFile.model_validate(
        {
            "name": "stored",
            "title": "Stored",
            "model": {"predictions": "score", "task": "regression", "features": ["x"]},
            "data": {"reference": "r", "target": "y"},
        }
    )
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as caught:
        measure(case)

    assert caught.value.code == Reason.NO_RESCORING


def test_rows_are_spread_over_all_blocks() -> None:
    base = base_of(made_case(rows_of_days(8)))

    fixed = fixed_rows(base, 600)
    everything = fixed_rows(base, 10_000)
    days = np.bincount(base.folds.codes[0][fixed.rows])

    assert days.tolist() == [10] * DAYS
    assert len(everything.rows) == 6_000


def test_rows_without_blocks_are_spread_over_scores() -> None:
    rows = rows_of_days(9, 1_000).drop(columns="day")
    base = base_of(made_case(rows, block=None))

    fixed = fixed_rows(base, 100)

    assert fixed.rows.tolist() == list(range(5, 1_000, 10))
    assert share_more_rows_remove(fixed, base.y_score[fixed.rows]) == 1.0


def test_days_bind_when_a_loss_hangs_together_by_day() -> None:
    base = base_of(made_case(rows_of_days(10)))
    fixed = fixed_rows(base, 1_200)
    by_day = base.folds.codes[0][fixed.rows] / 10.0

    bound = share_more_rows_remove(fixed, base.y_true[fixed.rows] + by_day)
    free = share_more_rows_remove(fixed, base.y_true[fixed.rows] + fixed.order / 200)

    assert bound < 0.2
    assert free > 0.5


def test_nothing_is_known_of_the_rows_inside_blocks_of_one() -> None:
    rows = rows_of_days(11, 300).assign(day=np.arange(300))
    base = base_of(made_case(rows))
    fixed = fixed_rows(base, 300)

    assert share_more_rows_remove(fixed, base.y_score[fixed.rows] + 1) == 1.0


def test_noise_has_exactly_the_spread_it_says() -> None:
    base = base_of(made_case(rows_of_days(12, 500)))
    fixed = fixed_rows(base, 500)
    known = np.arange(500) > 100

    noise = drawn_noise(fixed, known, [7, 0])

    assert noise[known].mean() == pytest.approx(0, abs=1e-12)
    assert noise[known].std() == pytest.approx(1)


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_every_row_gets_another_category(dtype: str) -> None:
    rows = many_kinds()[["x", "y", "day", "kind"]]
    fixed = fixed_rows(base_of(made_case(rows)), 2_000)
    values = fixed.frame["kind"].astype(dtype)

    other = other_category(fixed, values, [7, 1])

    known = values.notna().to_numpy()
    same = (other.astype(object) == values.astype(object)).to_numpy()
    assert not same[known].any()
    assert other.isna().to_numpy().tolist() == values.isna().to_numpy().tolist()
    assert set(other.dropna()) == {"a", "b", "c"}


def test_order_of_rows_does_not_matter() -> None:
    rows = rows_of_days(13, 1_000)

    first = measure(made_case(rows)).summary
    second = measure(made_case(rows.sample(frac=1, random_state=1))).summary

    numbers = ["value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(first[numbers], second[numbers], rtol=1e-6)


def test_classes_work_and_calls_are_counted(multiclass_case: Case) -> None:
    with count_calls() as counter:
        measurement = measure(multiclass_case)

    said = measurement.notes[0].replace(",", "")
    assert f"the model scored {counter.calls} rows" in said
    assert row(measurement, "mean_loss_budget", "wind")["ci_low"] > 0


def test_figure_draws_the_columns_that_cost_something(mixed: Measurement) -> None:
    figure = measurement_tilt.draw(mixed, CHECK.limits)

    drawn = [one.get_title(loc="left") for one in figure.axes if one.get_visible()]
    assert "x" in drawn
    assert "kind" in drawn
    assert "one" not in drawn
    assert "comes from moving x" in measurement_tilt.alt(mixed)


def limits_of_the_budget(n_sets: int, *, block: str | None) -> np.ndarray:
    """Return both limits of the loss budget of x, by set of days that share errors."""
    half, day = np.sqrt(0.5), np.repeat(np.arange(DAYS), 40)
    limits = []
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        x, own = rng.standard_normal((2, len(day)))
        noise = half * (rng.standard_normal(DAYS)[day] + own)
        rows = pd.DataFrame({"x": x, "y": 2 * x + noise, "day": day})
        measured = measure(made_case(rows, block=block), rows=1500, most_rows=2400)
        found = row(measured, "mean_loss_budget", "x")
        limits.append((found["ci_low_in_unit"], found["ci_high_in_unit"]))
    return np.array(limits, dtype=float)


@pytest.mark.slow
def test_interval_of_the_budget_covers_the_true_one() -> None:
    """R = 1 + 4 δ² has lost 1 at δ = 0.5; a reading wrong by that much costs it."""
    low, high = limits_of_the_budget(120, block="day").T

    # METHODS asks one-sided 92 %, two-sided 93 %.
    assert min((low <= 0.5).mean(), (high >= 0.5).mean()) >= 0.92
    assert ((low <= 0.5) & (high >= 0.5)).mean() >= 0.93


@pytest.mark.slow
def test_dropping_the_blocks_breaks_the_coverage() -> None:
    low, high = limits_of_the_budget(30, block=None).T

    assert ((low <= 0.5) & (high >= 0.5)).mean() < 0.7


def test_words_exist_for_every_measured_family() -> None:
    named = {limit.metric for limit in CHECK.limits} | set(CHECK.metrics)

    assert {f"{family}_loss_budget" for family in WORDS} <= named
