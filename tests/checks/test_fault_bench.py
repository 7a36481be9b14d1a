import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from readiness.case import Case, load_case
from readiness.checks.stress._bench import Bench, open_bench
from readiness.checks.stress._cells import SCORED, score_faults
from readiness.checks.stress._looks import HARMFUL, HARMLESS, all_faults
from readiness.checks.stress.fault_bench import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.faults import Fault
from readiness.result import Measurement, Options
from readiness.scoring import count_calls
from tests.cases import case_file, small_frames

SLOPES = {"a": 2.0, "b": -1.0, "c": 0.5}
PHI = 0.6
NOISE_SD = 0.7
FEATURES = [*SLOPES]


def options(**changes: int) -> Options:
    return Options(values={**CHECK.defaults, **changes})


def linear(frame: pd.DataFrame) -> np.ndarray:
    """Return the perfect linear model; a missing value is filled with the mean."""
    return sum(slope * frame[name].fillna(0.0) for name, slope in SLOPES.items())


def linear_rows(n_rows: int = 12_000) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    rows = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=FEATURES)
    rows["a"] = lfilter(
        [np.sqrt(1 - PHI**2)], [1, -PHI], rows["a"]
    )  # AR(1), variance 1
    rows["c"] += 1.0
    rows["late"] = linear(rows) + rng.normal(0, 1, n_rows)
    rows["scheduled"] = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    return rows


@pytest.fixture(scope="module")
def linear_case() -> Case:
    file = case_file(
        "regression",
        model={"features": FEATURES, "metric": "mean_squared_error"},
        data={"entity": None},
        columns={"b": {"measurement_sd": NOISE_SD}},
    )
    return load_case(file, frames={"reference": linear_rows()}, model=linear)


@pytest.fixture(scope="module")
def linear_measurement(linear_case: Case) -> Measurement:
    return measure(linear_case, options(first_rows=10_000))


# What a fault costs a perfect linear model in mean squared error (METHODS 5.1), per
# share of rows; x is standard normal, but E c = 1 and a is AR(1).
CLOSED_FORMS = {
    "a/times 10": 2.0**2 * 9**2 * 1,
    "b/sign flip": 1.0**2 * 2**2 * 1,
    "c/times 10": 0.5**2 * 9**2 * 2,  # E c² = 2
    "a/swapped": (2.0 + 1.0) ** 2 * 2,  # with b: (βi - βj)² E(a - b)²
    "b/noise": 1.0**2 * NOISE_SD**2,
    "a/missing": 2.0**2 * 1,  # filled with the mean
    "b/shuffled": 2 * 1.0**2 * 1,
    "a/stale": 2 * 2.0**2 * (1 - PHI),
    "c/filled with 0": 0.5**2 * 2,
}


@pytest.mark.parametrize("dose", ["0.05", "0.20", "1.00"])
@pytest.mark.parametrize("fault", CLOSED_FORMS)
def test_loss_of_a_linear_model_has_its_closed_form(
    fault: str, dose: str, linear_measurement: Measurement
) -> None:
    by_group = linear_measurement.summary.set_index("group")

    row = by_group.loc[f"{fault}/{dose}"]

    truth = CLOSED_FORMS[fault] * float(dose)
    assert abs(row["value"] - truth) < 3 * row["se"]
    assert row["se"] < 0.1 * truth


def test_column_the_fault_does_not_change_costs_exactly_nothing() -> None:
    rows = linear_rows(800).assign(b=3.0)
    file = case_file(
        "regression",
        model={"features": FEATURES, "metric": "mean_squared_error"},
        data={"entity": None},
    )
    case = load_case(file, frames={"reference": rows}, model=linear)

    with count_calls() as spent:
        summary = measure(case, options()).summary.set_index("group")

    for dose in ("0.05", "0.20", "1.00"):
        row = summary.loc[f"b/stale/{dose}"]
        assert (row["value"], row["ci_low"], row["ci_high"]) == (0.0, 0.0, 0.0)
    n_copies = len(summary) / 3
    assert spent.calls < 800 + n_copies * 800  # unchanged rows are not scored again


def test_dose_of_an_area_is_the_mean_over_random_alterations() -> None:
    bench, bad = area_bench()
    rng = np.random.default_rng(0)
    metric = bench.case.metric

    drawn = [
        metric.estimate(
            bench.truth, np.where(rng.random(len(bad)) < 0.2, bad, bench.clean)
        ).value
        for _ in range(400)
    ]

    mixed = bench.estimate(bad, 0.2).value
    assert mixed == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 20)


def test_error_of_a_mixed_area_agrees_with_the_bootstrap() -> None:
    bench, bad = area_bench()
    rng = np.random.default_rng(1)
    n_rows = len(bad)
    metric = bench.case.metric

    losses = []
    for _ in range(300):
        again = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
        good = metric.estimate(bench.truth, bench.clean, again.astype(float)).value
        both = metric.estimate(
            np.tile(bench.truth, 2),
            np.concatenate([bench.clean, bad]),
            np.concatenate([0.8 * again, 0.2 * again]),
        ).value
        losses.append(good - both)

    assert bench.loss(bad, 0.2).se == pytest.approx(np.std(losses), rel=0.25)


def area_bench() -> tuple[Bench, np.ndarray]:
    rows = small_frames("binary")["reference"]
    file = case_file(
        "binary", model={"features": ["wind"]}, data={"time": None, "entity": None}
    )
    case = load_case(
        file,
        frames={"reference": rows},
        model=lambda frame: 1 / (1 + np.exp(10 - frame["wind"])),
    )
    bench = open_bench(case, 600, 7)
    return bench, np.random.default_rng(2).random(600)


def fussy(frame: pd.DataFrame) -> np.ndarray:
    """Return a score; refuse missing wind, and lose count of negative wind."""
    if frame["wind"].isna().any():
        msg = "wind must not be missing"
        raise ValueError(msg)
    score = 1 / (1 + np.exp(10 - frame["wind"]))
    return score.where(frame["wind"] > -1e-9)


@pytest.fixture(scope="module")
def fussy_measurement() -> Measurement:
    file = case_file("binary", model={"features": ["wind", "visibility"]})
    rows = small_frames("binary")["reference"]
    rows["wind"] = rows["wind"].clip(lower=0.1)
    case = load_case(file, frames={"reference": rows}, model=fussy)
    return measure(case, options(first_rows=600))


def test_refused_fault_is_loud_and_does_not_end_the_check(
    fussy_measurement: Measurement,
) -> None:
    summary = fussy_measurement.summary.set_index("group")
    cells = fussy_measurement.tables["cells"].set_index(["column", "fault"])

    assert summary.loc["wind/missing/1.00", "reason"] == Reason.REFUSED
    assert np.isnan(summary.loc["wind/missing/1.00", "value"])
    assert cells.loc[("wind", "missing"), "outcome"] == "rejected"
    assert cells.loc[("visibility", "missing"), "outcome"] == SCORED
    assert "the model refuses" in fussy_measurement.notes[0]


def test_scores_that_are_no_numbers_are_named_as_such(
    fussy_measurement: Measurement,
) -> None:
    summary = fussy_measurement.summary.set_index("group")
    cells = fussy_measurement.tables["cells"].set_index(["column", "fault"])

    assert summary.loc["wind/sign flip/1.00", "reason"] == Reason.MODEL_SCORES
    assert cells.loc[("wind", "sign flip"), "decision"] == "unusable scores"


def test_column_the_model_uses_is_harmful_and_one_it_ignores_is_not(
    fussy_measurement: Measurement,
) -> None:
    cells = fussy_measurement.tables["cells"].set_index(["column", "fault"])

    assert cells.loc[("wind", "shuffled"), "decision"] == HARMFUL
    assert cells.loc[("visibility", "shuffled"), "decision"] == HARMLESS
    assert cells.loc[("visibility", "shuffled"), "loss"] == 0.0
    assert "wind" in fussy_measurement.notes[1]


def test_undecided_cells_are_looked_at_again_with_more_rows(binary_case: Case) -> None:
    found = measure(binary_case, options(first_rows=300, most_rows=1000))

    cells = found.tables["cells"]
    cells = cells[cells["outcome"] == SCORED]
    assert set(cells["rows"]) == {300, 1000}
    assert cells.loc[cells["looks"] == 2, "rows"].eq(1000).all()
    assert cells.loc[cells["looks"] == 1, "rows"].eq(300).all()


def test_work_is_bounded_by_fewer_rows_per_cell(binary_case: Case) -> None:
    found = measure(binary_case, options(most_scorings=1, most_rows=1000))

    assert found.tables["cells"]["rows"].max() == 600  # 300 at each look


def test_second_look_joins_the_scores_of_both(binary_case: Case) -> None:
    bench = open_bench(binary_case, 400, 7)
    faults = all_faults(bench)[1:7]

    whole = score_faults(binary_case, faults, bench.rows, bench.clean, slice(0, 400))
    parts = [
        score_faults(binary_case, faults, bench.rows, bench.clean, part)
        for part in (slice(0, 150), slice(150, 400))
    ]

    joined = [
        np.concatenate([first.scores, second.scores])
        for first, second in zip(*parts, strict=True)
    ]
    assert all(
        np.allclose(one.scores, other, atol=1e-12)
        for one, other in zip(whole, joined, strict=True)
    )


def test_stacked_copies_score_as_single_ones(binary_case: Case) -> None:
    bench = open_bench(binary_case, 200, 7)
    faults = all_faults(bench)

    stacked = score_faults(binary_case, faults, bench.rows, bench.clean, slice(0, 200))

    for fault, one in zip(faults, stacked, strict=True):
        frame = bench.rows.frame.assign(**fault.alter(bench.rows))
        alone = binary_case.model.predict(frame) if one.scores is not None else None
        assert one.scores is None or np.allclose(one.scores, alone, atol=1e-12)


def test_every_task_is_measured(multiclass_case: Case, regression_case: Case) -> None:
    for case in (multiclass_case, regression_case):
        found = measure(case, options(first_rows=300, most_rows=300))

        assert found.summary["metric"].eq(f"{case.metric.name}_loss").all()
        assert found.summary["value"].notna().any()


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_RESCORING


class OnlyClasses:
    """Names a class, without probabilities."""

    classes_ = np.array([0, 1])
    feature_names_in_ = np.array(["wind"], dtype=object)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return labels."""
        return (frame["wind"] > 11).astype(int).to_numpy()


@pytest.mark.parametrize(
    ("metric", "reason"),
    [("roc_auc", Reason.NO_PROBABILITIES), ("accuracy", None)],
)
def test_model_of_classes_is_judged_by_metrics_of_classes(
    metric: str, reason: Reason | None
) -> None:
    file = case_file("binary", model={"features": ["wind"], "metric": metric})
    frames = {"reference": small_frames("binary")["reference"]}
    case = load_case(file, frames=frames, model=OnlyClasses())

    try:
        found = measure(case, options(first_rows=300)).summary["metric"].iloc[0]
        code = None
    except NotAssessedError as error:
        found, code = "accuracy_loss", error.code

    assert code is reason
    assert found == "accuracy_loss"


def test_rows_that_do_not_define_the_metric_are_not_assessed(binary_case: Case) -> None:
    with pytest.raises(NotAssessedError) as raised:
        measure(binary_case, options(most_rows=1))

    assert raised.value.code is Reason.ONE_CLASS


def test_few_blocks_decide_nothing() -> None:
    rows = small_frames("binary")["reference"]
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.arange(len(rows)) % 20, unit="D"
    )
    file = case_file("binary", model={"features": ["wind"]}, data={"entity": None})
    case = load_case(
        file,
        frames={"reference": rows},
        model=lambda frame: 1 / (1 + np.exp(10 - frame["wind"].fillna(10))),
    )

    found = measure(case, options(first_rows=600))

    assert found.tables["cells"]["decision"].eq("?").all()


def test_figure_shows_the_worst_columns_of_many(
    fussy_measurement: Measurement,
) -> None:
    cells = fussy_measurement.tables["cells"]
    many = pd.concat(
        [cells.assign(column=cells["column"] + f" {n}") for n in range(15)]
    )
    wide = Measurement(summary=fussy_measurement.summary, tables={"cells": many})

    axes = draw(wide, ()).axes[0]

    assert len(axes.get_xticks()) == 20
    assert "10 columns" in axes.get_xlabel()
    assert {text.get_text() for text in axes.texts} >= {"R", "x"}


def test_alternative_text_names_the_worst_cell(fussy_measurement: Measurement) -> None:
    assert "the worst is wind" in alt(fussy_measurement)


def test_alternative_text_of_a_model_that_refuses_everything(
    fussy_measurement: Measurement,
) -> None:
    cells = fussy_measurement.tables["cells"].assign(loss=np.nan, decision="rejected")
    refused = Measurement(summary=fussy_measurement.summary, tables={"cells": cells})

    assert alt(refused).endswith("refuses every one.")
    assert draw(refused, ()).axes


def test_harm_is_not_cried_at_the_tolerated_loss() -> None:
    # A fault that costs exactly the tolerated loss must rarely be called harmful or
    # harmless: at most 5 % each over both looks, for one cell.
    cried = [_decision_at_the_limit(seed) for seed in range(120)]

    assert sum(word == HARMFUL for word in cried) <= 11
    assert sum(word == HARMLESS for word in cried) <= 11


def _decision_at_the_limit(seed: int) -> str:
    from readiness.checks.stress._cells import Altered  # noqa: PLC0415 (only here)
    from readiness.checks.stress._looks import _decided  # noqa: PLC0415 (only here)

    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(60), 10)
    effect = rng.normal(0, 0.3, 60)[day]
    bench, _ = _LIMIT_BENCH
    truth = np.zeros(600)
    bad = np.abs(1 + 0.02 + effect + rng.normal(0, 0.1, 600) - 0.0)
    one = Bench(
        case=bench.case,
        table="reference",
        rows=bench.rows,
        truth=truth,
        clean=np.ones(600),
        weight=None,
        clusters=type(bench.clusters)(block=day),
    )
    fault = Fault(column="wind", name="x", words="x", alter=lambda _: {})
    altered = Altered(scores=bad, outcome=SCORED, message="", n_changed=600)
    cells = _decided(one, [fault], [altered], look=1, n_looks=1, n_cells=1)
    return cells[0].decision


def _limit_bench() -> tuple[Bench, np.ndarray]:
    rows = small_frames("regression")["reference"]
    file = case_file(
        "regression", model={"features": ["wind"]}, data={"time": None, "entity": None}
    )
    case = load_case(
        file, frames={"reference": rows}, model=lambda frame: frame["wind"]
    )
    return open_bench(case, 600, 7), np.empty(0)


_LIMIT_BENCH = _limit_bench()
