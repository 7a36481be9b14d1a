import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from readiness.case import Case, load_case
from readiness.checks.stress import fault_bench
from readiness.checks.stress._missing import likely_missing
from readiness.checks.stress.missing_inputs import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import count_calls
from tests.cases import case_file, small_frames

SLOPES = {"a": 2.0, "b": -1.0, "c": 0.5}
FEATURES = [*SLOPES]


def options(**changes: int) -> Options:
    return Options(values={**CHECK.defaults, **changes})


def linear(frame: pd.DataFrame) -> np.ndarray:
    """Return the perfect linear model; a missing value is filled with the mean."""
    return sum(slope * frame[name].fillna(0.0) for name, slope in SLOPES.items())


def linear_case(n_rows: int = 12_000, seed: int = 5, effect_sd: float = 0.0) -> Case:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, max(n_rows // 20, 60), n_rows))
    rows = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=FEATURES)
    # Values of one day hang together; the variance of a column stays 1.
    shared = rng.normal(0, effect_sd, (day.max() + 1, 3))[day]
    rows = rows * np.sqrt(1 - effect_sd**2) + shared
    rows["late"] = linear(rows) + rng.normal(0, 1, n_rows)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    file = case_file(
        "regression",
        model={"features": FEATURES, "metric": "mean_squared_error"},
        data={"entity": None},
        columns={
            "a": {"source": "station", "unit": "mph"},
            "b": {"source": "station"},
            "c": {"source": "register", "sensitive": True},
        },
    )
    return load_case(file, frames={"reference": rows}, model=linear)


@pytest.fixture(scope="module")
def found() -> Measurement:
    return measure(linear_case(), options(first_rows=10_000))


def tail(dose: float) -> float:
    """Return E[z² where z is above its 1 - dose quantile], METHODS 5.1."""
    t = norm.ppf(1 - dose)
    return 1 - norm.cdf(t) + t * norm.pdf(t)


# The loss of mean squared error: slope² E[x² where x is missing], mean imputed.
CLOSED_FORMS = {
    "a": 4.0,
    "b/at random/0.05": 0.05,
    "a/at random/0.20": 0.8,
    "c/at random/0.50": 0.125,
    "a/highest/0.05": 4 * tail(0.05),
    "a/lowest/0.20": 4 * tail(0.2),
    "b/highest/0.50": tail(0.5),
    "source=station": 4.0 + 1.0,
    "source=station/at random/0.20": 0.2 * 5.0,
    "source=station/highest a/0.20": 4 * tail(0.2) + 0.2 * 1.0,
}


@pytest.mark.parametrize("group", CLOSED_FORMS)
def test_loss_of_a_linear_model_has_its_closed_form(
    group: str, found: Measurement
) -> None:
    row = found.summary.set_index("group").loc[group]

    assert abs(row["value"] - CLOSED_FORMS[group]) < 3 * row["se"]
    assert row["se"] < 0.1 * CLOSED_FORMS[group]


def test_first_look_takes_the_gaps_of_its_own_rows() -> None:
    found = measure(linear_case(), options(first_rows=2500))

    row = found.summary.set_index("group").loc["a/highest/0.20"]

    assert 2400 < row["n_rows"] < 2600
    assert abs(row["value"] - 4 * tail(0.2)) < 3 * row["se"]


def test_tail_law_agrees_with_the_number_in_methods() -> None:
    # Missing where z > 1: 1 - Phi(1) + phi(1) = .4006.
    assert tail(1 - norm.cdf(1.0)) == pytest.approx(0.4006, abs=5e-5)


def test_source_is_scored_once_for_all_shares_and_patterns(found: Measurement) -> None:
    case = linear_case(900)

    with count_calls() as spent:
        measured = measure(case, options())

    assert spent.calls == 900 + 4 * 900  # the table; one source and three features
    assert len(measured.summary) == (4 + 2 * 6) + 3 * (4 + 6)
    assert set(found.tables["subjects"]["subject"]) == {"source=station", *FEATURES}


def test_gap_at_random_is_that_of_the_fault_bench(binary_case: Case) -> None:
    looks = {"first_rows": 1000, "most_rows": 1000}
    own = measure(binary_case, options(**looks)).summary.set_index("group")
    values = {**fault_bench.CHECK.defaults, **looks, "last_rows": 1000}

    bench = fault_bench.measure(binary_case, Options(values=values)).summary
    other = bench.set_index("group").loc["visibility/missing/0.20"]

    assert own.loc["visibility/at random/0.20", "value"] == other["value"]
    assert own.loc["visibility/at random/0.20", "ci_high"] == other["ci_high"]


@pytest.mark.parametrize("side", ["highest", "lowest"])
@pytest.mark.parametrize("dose", [0.05, 0.2, 0.5])
def test_ties_and_gaps_make_up_the_share_exactly(dose: float, side: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 6, 997).astype(float)
    values[rng.random(997) < 0.1] = np.nan
    known = np.isfinite(values)

    share, edge = likely_missing(values, dose, side)

    beyond = values > edge if side == "highest" else values < edge
    assert share.sum() == pytest.approx(dose * known.sum())
    assert (share[beyond] == 1).all()
    assert (share[~beyond & (values != edge)] == 0).all()


def test_column_without_a_value_has_no_highest() -> None:
    share, edge = likely_missing(np.full(3, np.nan), 0.2, "highest")

    assert np.isnan(edge)
    assert not share.any()


def fussy(frame: pd.DataFrame) -> np.ndarray:
    """Return a score; refuse missing wind."""
    if frame["wind"].isna().any():
        msg = "wind must not be missing"
        raise ValueError(msg)
    return (1 / (1 + np.exp(10 - frame["wind"]))).to_numpy()


@pytest.fixture(scope="module")
def refused() -> Measurement:
    file = case_file("binary", model={"features": ["wind", "visibility", "carrier"]})
    frames = {"reference": small_frames("binary")["reference"]}
    return measure(load_case(file, frames=frames, model=fussy), options())


def test_refused_gap_is_loud_and_an_unused_feature_costs_exactly_nothing(
    refused: Measurement,
) -> None:
    by_group = refused.summary.set_index("group")

    wind = by_group[by_group.index.str.startswith("wind")]
    assert wind["reason"].eq(Reason.REFUSED).all()
    assert wind["value"].isna().all()
    rest = by_group[~by_group.index.str.startswith("wind")]
    assert rest[["value", "ci_low", "ci_high"]].eq(0.0).all().all()


def test_text_goes_missing_at_random_only(refused: Measurement) -> None:
    curves = refused.tables["curves"]

    how = curves[curves["subject"] == "carrier"]["how"]

    assert set(how) == {"at random"}


def test_notes_say_what_is_worst_and_that_no_source_is_declared(
    found: Measurement, refused: Measurement
) -> None:
    assert "the source “station” (2 features)" in found.notes[0]
    assert "0.02 is tolerated" in found.notes[0]
    assert "Of 1 source that may be missing altogether, 1 cost more" in found.notes[1]
    assert "of the values of a are missing (from 0.8" in found.notes[3]
    assert any("declares no source" in note for note in refused.notes)


def test_open_table_has_the_worst_gap_first_and_refused_ones_last(
    found: Measurement, refused: Measurement
) -> None:
    gaps, loud = found.tables["gaps"], refused.tables["gaps"]

    assert list(gaps["input"]) == ["the source “station” (2 features)", "a", "b", "c"]
    assert list(gaps["loss"]) == sorted(gaps["loss"], reverse=True)
    assert list(loud["input"]) == ["visibility", "carrier", "wind"]
    assert loud["decision"].iloc[-1] == "rejected"


def test_edge_of_few_rows_of_a_sensitive_feature_is_not_shown() -> None:
    curves = measure(linear_case(150), options()).tables["curves"]

    shown = curves.set_index(["subject", "how", "share_missing"])["values_missing"]

    assert shown["c", "highest", 0.05] == "not shown (sensitive)"
    assert shown["a", "highest", 0.05].startswith("from ")
    assert shown["a", "highest", 0.05].endswith(" mph up")


def test_every_task_is_measured(multiclass_case: Case, regression_case: Case) -> None:
    for case in (multiclass_case, regression_case):
        summary = measure(case, options(first_rows=300, most_rows=300)).summary

        assert summary["metric"].eq(f"{case.metric.name}_loss").all()
        assert summary["value"].notna().any()


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_RESCORING


def test_figure_draws_the_worst_and_names_the_tolerated_loss(
    found: Measurement,
) -> None:
    axes = draw(found, ()).axes[0]

    names = [text.get_text() for text in axes.texts]
    curves = [line for line in axes.get_lines() if line.get_gid() == "curve"]
    assert names[-4:] == ["station", "a", "b", "c"]
    assert len(curves) == 4
    assert curves[0].get_ydata()[0] == 0
    assert "the tolerated 0.02" in axes.get_xlabel()


def test_alternative_text_names_the_worst_gap(found: Measurement) -> None:
    assert "the worst is the source “station”" in alt(found)


def test_model_that_refuses_every_gap_is_told_and_drawn(refused: Measurement) -> None:
    subjects = refused.tables["subjects"].assign(loss=np.nan, decision="rejected")
    loud = Measurement(
        summary=refused.summary, tables={**refused.tables, "subjects": subjects}
    )

    assert alt(loud).endswith("refuses rows without any of them.")
    assert draw(loud, ()).axes


@pytest.mark.slow
def test_interval_of_an_uneven_gap_covers_the_truth_on_clustered_rows() -> None:
    truth = 4 * tail(0.2)

    rows = [
        measure(linear_case(1200, seed, 0.7), options())
        .summary.set_index("group")
        .loc["a/highest/0.20"]
        for seed in range(200)
    ]

    above = np.mean([row["ci_low"] > truth for row in rows])
    below = np.mean([row["ci_high"] < truth for row in rows])
    # The edge moves with the sample, and the interval with it: it errs less often.
    assert above <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / 200)
    assert below <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / 200)
    assert above + below > 0
