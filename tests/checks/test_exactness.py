from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from readiness.attributions import Attributions
from readiness.case import Case, load_case
from readiness.checks.explainability import _explained, global_importance
from readiness.checks.explainability.exactness import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import count_calls
from tests.cases import case_file, small_case, small_frames

SMALL = Options(values={**CHECK.defaults, "rows": 60, "background": 80})


def value_of(measurement: Measurement, metric: str) -> float:
    return float(measurement.summary.set_index("metric").loc[metric, "value"])


@pytest.fixture(scope="module")
def linear() -> Measurement:
    return measure(small_case("regression"), SMALL)


def test_linear_model_is_exact(linear: Measurement) -> None:
    assert value_of(linear, "additivity_error") < 1e-12
    assert value_of(linear, "base_value_error") < 1e-12
    assert linear.summary["unit"].eq("SD of the output").all()
    assert linear.summary["n_rows"].tolist() == [60, 80]


def test_explanation_of_several_classes_adds_up(
    multiclass_case: Case,
) -> None:
    found = measure(multiclass_case, Options(values={**SMALL.values, "rows": 20}))

    assert value_of(found, "additivity_error") < 1e-12
    assert value_of(found, "base_value_error") < 1e-12


def with_errors(
    monkeypatch: pytest.MonkeyPatch, shift: float, start: float
) -> Measurement:
    """Return what is measured where one value and the start are off."""
    honest = _explained.attributions

    def wrong(*args: object, **settings: object) -> Attributions:
        found = honest(*args, **settings)
        values = found.values.copy()
        values.iloc[3, 0] += shift
        values.iloc[:, 1] -= start
        return replace(found, values=values, base=found.base + start)

    monkeypatch.setattr(_explained, "attributions", wrong)
    return measure(small_case("binary"), SMALL)


def test_one_wrong_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_errors(monkeypatch, 0.01, 0.0)

    assert value_of(found, "additivity_error") == pytest.approx(0.01)
    assert value_of(found, "base_value_error") < 1e-12


def test_rows_computed_again_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = _explained.attributions
    monkeypatch.setattr(
        _explained,
        "attributions",
        lambda *args, **settings: replace(honest(*args, **settings), n_recomputed=2),
    )

    found = measure(small_case("binary"), SMALL)

    assert "2 of them did not add up at first" in found.notes[0]


def test_start_from_other_rows_is_found_although_sums_add_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = with_errors(monkeypatch, 0.0, 0.02)

    assert value_of(found, "additivity_error") < 1e-12
    assert value_of(found, "base_value_error") == pytest.approx(0.02)


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, SMALL)

    assert raised.value.code is Reason.NO_RESCORING


def test_second_check_shares_the_explanation_and_counts_the_same_calls() -> None:
    case = small_case("binary")

    with count_calls() as first:
        measure(case, SMALL)
    with count_calls() as second:
        measure(case, SMALL)

    assert first.calls == second.calls == 1200 + 60 + 80


def test_explanation_that_is_too_dear_is_not_tried_again_by_the_next_check() -> None:
    given: list[int] = []

    def product(frame: pd.DataFrame) -> np.ndarray:
        given.append(len(frame))
        return (frame["wind"] * frame["distance"] > 10_000).to_numpy(dtype=float)

    file = case_file("binary", model={"features": ["wind", "distance"]})
    frames = {"reference": small_frames("binary")["reference"]}
    case = load_case(file, frames=frames, model=product)
    dear = Options(values={**SMALL.values, "evaluations": 1000})
    with pytest.raises(NotAssessedError, match="Raise the option evaluations"):
        measure(case, dear)
    n_calls = len(given)

    with pytest.raises(NotAssessedError, match="Raise the option evaluations") as again:
        global_importance.measure(case, dear)

    assert again.value.code is Reason.NOT_MEASURED
    assert len(given) == n_calls > 0


def test_constant_prediction_is_exact() -> None:
    file = case_file("regression", model={"features": ["wind", "distance"]})
    case = load_case(
        file,
        frames={"reference": small_frames("regression")["reference"]},
        model=lambda frame: np.full(len(frame), 3.0),
    )

    found = measure(case, SMALL)

    assert value_of(found, "additivity_error") == 0.0


def test_figure_shows_the_limit_and_the_errors(linear: Measurement) -> None:
    axes = draw(linear, CHECK.limits).axes[0]

    assert axes.get_yscale() == "log"
    assert any("at most" in text.get_text() for text in axes.texts)
    assert "SD of the output" in axes.get_ylabel()


def test_alternative_text_states_both_errors(linear: Measurement) -> None:
    assert "SD of the output" in alt(linear)


def test_table_of_errors_rises() -> None:
    errors = measure(small_case("regression"), SMALL).tables["errors"]

    assert isinstance(errors, pd.DataFrame)
    assert errors["additivity_error"].is_monotonic_increasing
