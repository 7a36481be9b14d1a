import hashlib
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from readiness.case import Case, load_case
from readiness.checks.stress.determinism import CHECK, LIMIT, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import limits_in_force
from readiness.result import Measurement, Options, Status
from tests.cases import case_file, small_frames
from tests.judging import ACCURACY, TODAY, policy_with

OPTIONS = Options(values={**CHECK.defaults, "rows": 100, "singles": 10})


def logistic(frame: pd.DataFrame) -> np.ndarray:
    return (1 / (1 + np.exp(10 - frame["wind"]))).to_numpy()


class Noisy:
    """Adds noise from a generator that goes on between calls."""

    def __init__(self, size: float) -> None:
        self.rng = np.random.default_rng(0)
        self.size = size

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        """Return noisy probabilities."""
        noise = self.rng.normal(0, self.size, len(frame))
        return np.clip(logistic(frame) + noise, 0, 1)


def centred_on_the_batch(frame: pd.DataFrame) -> np.ndarray:
    return (1 / (1 + np.exp(frame["wind"].mean() - frame["wind"]))).to_numpy()


def by_place_in_the_batch(frame: pd.DataFrame) -> np.ndarray:
    return logistic(frame) * (1 - 1e-6 * np.arange(len(frame)) / 1e4)


class WarmsUp:
    """Answers otherwise after its first calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities, and remember having done so."""
        self.calls += 1
        return logistic(frame) * (0.9 if self.calls > 2 else 1.0)


def case_of(model: object, task: str = "binary") -> Case:
    file = case_file(task, model={"features": ["wind"]})
    frames = {"reference": small_frames(task)["reference"]}
    return load_case(file, frames=frames, model=model)


def difference(model: object, task: str = "binary") -> float:
    return float(measure(case_of(model, task), OPTIONS).summary["value"].iloc[0])


def test_sound_model_differs_by_nothing() -> None:
    assert difference(logistic) == 0.0


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(Noisy(0.01), id="F126"),
        pytest.param(centred_on_the_batch, id="F127-batch"),
        pytest.param(by_place_in_the_batch, id="F127-order"),
        pytest.param(WarmsUp(), id="F133"),
    ],
)
def test_model_that_changes_its_mind_fails(model: object) -> None:
    found = measure(case_of(model), OPTIONS)

    limits = limits_in_force(CHECK, policy_with(), ACCURACY)
    (finding,) = judge(CHECK, found, limits, policy_with(), TODAY)
    assert finding.value > LIMIT
    assert (finding.status, finding.required) == (Status.FAIL, True)


def test_noise_below_the_limit_is_let_through() -> None:
    assert 0 < difference(Noisy(1e-13)) < LIMIT


def test_regression_is_measured_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)

    def noisy(frame: pd.DataFrame) -> np.ndarray:
        return 1e6 * (frame["wind"] + rng.normal(0, 1e-13, len(frame)))

    found = measure(case_of(noisy, "regression"), OPTIONS)

    assert found.summary["unit"].iloc[0] == "SD of the score"
    assert found.summary["value"].iloc[0] < LIMIT


def test_ways_are_listed_and_the_missing_file_is_stated() -> None:
    found = measure(case_of(logistic), OPTIONS)

    ways = found.tables["ways"]
    assert ways["way"].tolist() == [
        "with the whole table",
        "again",
        "in another order",
        "one by one",
        "seven at a time",
        "on one thread",
    ]
    assert ways["rows"].tolist() == [100, 100, 100, 10, 70, 100]
    assert "The model came in memory" in found.notes[-1]


def test_model_from_a_file_is_loaded_again(tmp_path: Path) -> None:
    rows = small_frames("binary")["reference"]
    model = LogisticRegression().fit(rows[["wind"]], rows["late"])
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    file = case_file("binary", model={"path": "model.pkl", "sha256": sha256})
    case = load_case(file, base=tmp_path, frames={"reference": rows})

    found = measure(case, OPTIONS)

    assert found.tables["ways"]["way"].iloc[-1] == "to the model loaded again"
    assert found.summary["value"].iloc[0] < LIMIT


def refuses_single_rows(frame: pd.DataFrame) -> np.ndarray:
    if len(frame) == 1:
        msg = "two rows at least"
        raise ValueError(msg)
    return logistic(frame)


def test_refused_way_is_not_assessed_and_never_a_pass() -> None:
    found = measure(case_of(refuses_single_rows), OPTIONS)

    assert np.isnan(found.summary["value"].iloc[0])
    assert found.summary["reason"].iloc[0] == Reason.REFUSED
    assert any("one by one, the model refuses" in note for note in found.notes)


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, OPTIONS)

    assert raised.value.code is Reason.NO_RESCORING


def test_several_classes_are_compared_class_by_class(multiclass_case: Case) -> None:
    assert measure(multiclass_case, OPTIONS).summary["value"].iloc[0] < LIMIT


@pytest.fixture(scope="module")
def noisy() -> Measurement:
    return measure(case_of(Noisy(0.01)), OPTIONS)


def test_figure_shows_each_way_against_the_limit(noisy: Measurement) -> None:
    axes = draw(noisy, CHECK.limits).axes[0]

    assert axes.get_xscale() == "log"
    assert len(axes.get_yticklabels()) == 6
    assert any("at most 1e-09" in text.get_text() for text in axes.texts)


def test_text_names_the_worst_way(noisy: Measurement) -> None:
    assert "output units" in alt(noisy)
    assert any("scores differ by up to" in note for note in noisy.notes)
