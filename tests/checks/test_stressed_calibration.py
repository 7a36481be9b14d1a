"""Calibration under faults against closed forms of linear models."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom, norm

from readiness.case import Case, load_case
from readiness.checks.stress import stressed_calibration
from readiness.checks.stress._bench import open_bench
from readiness.checks.stress._strained import Part, expected_range, half_width
from readiness.checks.stress.stressed_calibration import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.recalibration import slope
from readiness.result import Measurement, Options
from tests.cases import case_file

NOISE_SD = 1.5


def options(**changes: float) -> Options:
    return Options(values={**CHECK.defaults, **changes})


def chance(frame: pd.DataFrame) -> np.ndarray:
    return (1 / (1 + np.exp(-frame["x"].fillna(0.0)))).to_numpy()


def value(frame: pd.DataFrame) -> np.ndarray:
    return (2.0 * frame["x"].fillna(0.0)).to_numpy()


def rows_of(task: str, n_rows: int, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"x": rng.normal(size=n_rows)})
    if task == "binary":
        rows["late"] = (rng.random(n_rows) < chance(rows)).astype("int64")
    else:
        rows["late"] = value(rows) + rng.normal(size=n_rows)
    rows["scheduled"] = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    return rows


def case_of(task: str, n_rows: int = 9000, model: object | None = None) -> Case:
    file = case_file(
        task,
        model={"features": ["x"]},
        data={"entity": None},
        columns={"x": {"measurement_sd": NOISE_SD}},
    )
    known = {"binary": chance, "regression": value}[task]
    return load_case(
        file, frames={"reference": rows_of(task, n_rows)}, model=model or known
    )


@pytest.fixture(scope="module")
def chances() -> Part:
    """Return 20,000 rows of a model whose probabilities are exactly right."""
    bench = open_bench(case_of("binary", 20_000), 20_000, 7)
    return Part(bench=bench, rows=slice(0, 20_000))


@pytest.fixture(scope="module")
def values() -> Part:
    """Return 20,000 rows of a regression, and the band of standard normal errors."""
    bench = open_bench(case_of("regression", 20_000), 20_000, 7)
    return Part(bench=bench, rows=slice(0, 20_000), half_width=norm.ppf(0.95))


# Slopes: if the model says f times the log-odds, the slope is 1 / f.


@pytest.mark.parametrize("factor", [-1.0, 0.1, 0.5, 1.0, 4.0])
def test_slope_of_a_unit_error_is_one_over_its_factor(
    factor: float, chances: Part
) -> None:
    log_odds = np.log(chances.clean / (1 - chances.clean))
    said = 1 / (1 + np.exp(-np.clip(factor * log_odds, -13, 13)))

    found = chances.interval(said, 1.0)

    assert found.value == pytest.approx(1 / factor, rel=0.08)
    assert abs(found.value - 1 / factor) < 4 * found.se + 0.03 * abs(1 / factor)


def test_probabilities_all_moved_alike_keep_their_slope(chances: Part) -> None:
    log_odds = np.log(chances.clean / (1 - chances.clean))
    moved = 1 / (1 + np.exp(-(log_odds - 1.386)))

    assert chances.interval(moved, 1.0).value == pytest.approx(
        chances.interval(chances.clean, 1.0).value, abs=0.01
    )


def test_share_of_rows_weighs_good_and_altered_copies(chances: Part) -> None:
    said = 1 - chances.clean
    truth = np.tile(chances.truth, 2)
    copies = np.concatenate([chances.clean, said])
    weight = np.repeat([0.8, 0.2], len(said))

    found = chances.slope(said, 0.2)

    assert found.value == slope(truth, copies, weight).value
    # Repeating rows in proportion is the same thing.
    again = slope(
        np.tile(chances.truth, 5),
        np.concatenate([np.tile(chances.clean, 4), said]),
        None,
    )
    assert found.value == pytest.approx(again.value, abs=1e-6)


def test_fault_that_changes_nothing_moves_nothing(chances: Part) -> None:
    clean = chances.interval(chances.clean, 1.0)

    same = chances.interval(chances.clean.copy(), 0.2)

    assert same.value == pytest.approx(clean.value, abs=1e-9)
    assert same.ci_low == pytest.approx(clean.ci_low, abs=1e-9)
    assert same.ci_high == pytest.approx(clean.ci_high, abs=1e-9)


# Coverage


@pytest.mark.parametrize(
    ("shift", "scale", "expected"),
    [(0.5, 1.0, 0.858), (1.0, 1.0, 0.736), (0.0, 1.5, 0.727), (0.0, 1.0, 0.9)],
)
def test_coverage_follows_the_law_of_shifted_and_scaled_residuals(
    shift: float, scale: float, expected: float, values: Part
) -> None:
    residual = values.truth - values.clean
    said = values.truth - scale * residual - shift

    found = values.interval(said, 1.0)

    q = norm.ppf(0.95)
    law = norm.cdf((q - shift) / scale) - norm.cdf((-q - shift) / scale)
    assert law == pytest.approx(expected, abs=6e-4)
    assert found.value == pytest.approx(law, abs=4 * math.sqrt(0.25 / 20_000))


def test_share_of_rows_mixes_coverages(values: Part) -> None:
    nowhere = values.truth + 100.0
    clean = values.value(values.clean, 1.0)

    assert values.value(nowhere, 1.0) == 0.0
    assert values.value(nowhere, 0.2) == pytest.approx(0.8 * clean)


def test_coverage_of_the_band_follows_the_beta_law() -> None:
    rng = np.random.default_rng(3)
    errors = np.abs(rng.normal(size=(4000, 100)))
    widths = np.array([half_width(one, np.ones(100)) for one in errors])
    coverage = 2 * norm.cdf(widths) - 1

    # The 91st of 100: Beta(91, 10).
    assert coverage.mean() == pytest.approx(0.90099, abs=4 * 0.02957 / math.sqrt(4000))
    assert coverage.std() == pytest.approx(0.02957, rel=0.05)
    assert beta(91, 10).std() == pytest.approx(0.02957, abs=1e-5)


def test_band_of_too_few_rows_is_endless() -> None:
    assert half_width(np.arange(8.0), np.ones(8)) == math.inf
    assert half_width(np.arange(9.0), np.ones(9)) == 8.0


def test_band_of_weighted_rows_is_that_of_repeated_ones() -> None:
    error = np.arange(1.0, 201.0)
    weight = np.where(error > 100, 3.0, 1.0)

    found = half_width(error, weight)

    # 400 rows' worth: 0.9 (1 + 1/200) of it is 361.8, reached 261.8 / 3 past 100.
    assert found == 100 + math.ceil(261.8 / 3)


def test_expected_range_holds_95_in_100_coverages() -> None:
    rng = np.random.default_rng(4)
    coverage = rng.beta(91, 10, 100_000)
    counted = rng.binomial(300, coverage) / 300

    low, high = expected_range(100, 300)

    inside = np.mean((counted >= low) & (counted <= high))
    naive = binom(300, 0.9).ppf([0.025, 0.975]) / 300
    assert inside == pytest.approx(0.95, abs=0.015)
    assert high - low > 1.3 * (naive[1] - naive[0])


# The check


@pytest.fixture(scope="module")
def binary() -> Measurement:
    return measure(case_of("binary"), options())


@pytest.fixture(scope="module")
def regression() -> Measurement:
    return measure(case_of("regression"), options())


def test_worst_fault_of_a_feature_is_chosen(binary: Measurement) -> None:
    table = binary.tables["faults"]

    assert table["group"].tolist()[0] == ""
    assert len(table) == 2
    assert abs(table["value"][0] - 1) < 0.15
    assert abs(table["value"][1] - 1) > 0.3
    assert binary.summary["metric"].tolist() == ["calibration_slope"]


def test_coverage_under_the_worst_fault_has_its_closed_form(
    regression: Measurement,
) -> None:
    # Wrong by a factor of 1000 or more, no outcome but those near zero is covered.
    row = regression.summary.iloc[0]
    clean = regression.tables["faults"].iloc[0]

    assert row["metric"] == "interval_coverage"
    assert row["value"] == pytest.approx(0.8 * clean["value"], abs=0.01)
    assert clean["expected_low"] < clean["value"] < clean["expected_high"]
    assert any("By chance alone" in one for one in regression.notes)


def test_faults_are_measured_on_rows_that_did_not_choose_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    real = stressed_calibration.score_faults

    def watched(case: Case, faults: list, rows: object, clean: object, *part: object):  # noqa: ANN202 (as the real one)
        asked.append((len(faults), *part))
        return real(case, faults, rows, clean, *part)

    monkeypatch.setattr(stressed_calibration, "score_faults", watched)

    measure(case_of("binary", 3000), options(first_rows=400, rows=2000))

    (n_tried, first, quota), (n_chosen, begin, _) = asked
    assert set(first) == {0}
    assert quota == 400
    assert n_chosen == 1 < n_tried
    assert set(begin) == {400}


@pytest.mark.slow
def test_interval_of_the_slope_holds_as_often_as_promised() -> None:
    hits = []
    for seed in range(150):
        rows = rows_of("binary", 1500, seed)
        file = case_file("binary", model={"features": ["x"]}, data={"entity": None})
        case = load_case(file, frames={"reference": rows}, model=chance)
        bench = open_bench(case, 1500, 7)
        part = Part(bench=bench, rows=slice(0, 1500))
        log_odds = np.log(part.clean / (1 - part.clean))
        found = part.interval(1 / (1 + np.exp(-2 * log_odds)), 1.0)
        hits.append((found.ci_low <= 0.5, found.ci_high >= 0.5))

    low, high = np.mean(hits, axis=0)
    assert low >= 0.9
    assert high >= 0.9


def refuses_odd_rows(frame: pd.DataFrame) -> np.ndarray:
    if not frame["x"].isin(rows_of("binary", 3000)["x"]).all():
        msg = "never seen"
        raise ValueError(msg)
    return chance(frame)


def test_faults_that_the_model_refuses_are_loud_and_left_out() -> None:
    found = measure(case_of("binary", 3000, refuses_odd_rows), options())

    names = {one.partition("/")[2] for one in found.tables["faults"]["group"][1:]}
    assert names <= {"shuffled", "stale", "day old", "stuck", "clipped"}


def test_model_of_classes_is_not_assessed() -> None:
    class Classes:
        classes_ = (0, 1)
        feature_names_in_ = ("x",)

        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            return (frame["x"] > 0).astype(int).to_numpy()

    file = case_file(
        "binary",
        model={"metric": "accuracy", "acceptable": 0.5},
        data={"entity": None},
    )
    case = load_case(
        file, frames={"reference": rows_of("binary", 500)}, model=Classes()
    )

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_PROBABILITIES


def test_few_rows_are_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as raised:
        measure(case_of("binary", 200), options())

    assert raised.value.code is Reason.TOO_FEW_ROWS


def test_figure_shows_calibration_with_and_without_a_fault(
    binary: Measurement, regression: Measurement
) -> None:
    for found, word in ((binary, "slope"), (regression, "band")):
        axes = draw(found, CHECK.limits).axes[0]

        names = [one.get_text() for one in axes.get_yticklabels()]
        assert "without any fault" in names
        assert word in axes.get_xlabel()
        assert any("limit" in one.get_text() for one in axes.texts)


def test_text_names_the_worst_fault(binary: Measurement) -> None:
    assert "under the worst of 1 faults, x/" in alt(binary)
    assert binary.notes[0].startswith("Without any fault the calibration slope is")
