import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from readiness.case import Case, load_case
from readiness.checks.stress.input_contract import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from tests.cases import case_file, small_frames

OPTIONS = Options(values=CHECK.defaults)
KINDS = {
    "empty batch",
    "batch of one",
    "extra column",
    "reordered columns",
    "everything missing",
    "unseen everywhere",
    "extreme number",
    "infinity",
    "text in a number",
}


def logistic(frame: pd.DataFrame) -> np.ndarray:
    return 1 / (1 + np.exp(10 - frame["wind"].fillna(10).clip(-1000, 1000)))


def careful(frame: pd.DataFrame) -> np.ndarray:
    """Return scores in range, or refuse what is not finite."""
    if not np.isfinite(frame["wind"]).all():
        msg = "wind must be finite"
        raise ValueError(msg)
    return logistic(frame)


def swallows_infinity(frame: pd.DataFrame) -> np.ndarray:
    return logistic(frame).where(np.isfinite(frame["wind"]))


def leaves_the_range(frame: pd.DataFrame) -> np.ndarray:
    return logistic(frame) + (frame["wind"].abs() > 1e20)


def refuses_single_rows(frame: pd.DataFrame) -> np.ndarray:
    if len(frame) == 1:
        msg = "two rows at least"
        raise ValueError(msg)
    return careful(frame)


def ranks_within_the_batch(frame: pd.DataFrame) -> np.ndarray:
    return frame["wind"].rank(pct=True).fillna(0.5).to_numpy()


def answers_without_rows(frame: pd.DataFrame) -> np.ndarray:
    return np.append(logistic(frame), np.full(int(frame.empty), 0.5))


def case_of(model: object) -> Case:
    file = case_file("binary", model={"features": ["wind", "carrier"]})
    frames = {"reference": small_frames("binary")["reference"]}
    return load_case(file, frames=frames, model=model)


def violations(model: object) -> dict[str, float]:
    summary = measure(case_of(model), OPTIONS).summary
    return dict(zip(summary["group"], summary["value"], strict=True))


def test_careful_model_violates_nothing_and_every_kind_is_tried() -> None:
    found = violations(careful)

    assert set(found) == KINDS
    assert not any(found.values())


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (swallows_infinity, "infinity"),
        (leaves_the_range, "extreme number"),
        (refuses_single_rows, "batch of one"),
        (ranks_within_the_batch, "batch of one"),
        (answers_without_rows, "empty batch"),
    ],
)
def test_planted_violation_is_counted(model: object, kind: str) -> None:
    assert violations(model)[kind] == 1


class ByPosition:
    """Reads its first column whatever its name, as some libraries do."""

    classes_ = np.array([0, 1])
    feature_names_in_ = np.array(["wind", "carrier"], dtype=object)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return labels."""
        return (self.predict_proba(frame)[:, 1] > 0.5).astype(int)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Return probabilities from the first column."""
        first = np.clip(pd.to_numeric(frame.iloc[:, 0]).fillna(10), -1000, 1000)
        positive = (1 / (1 + np.exp(10 - first))).to_numpy()
        return np.column_stack([1 - positive, positive])


def test_columns_reach_a_model_by_name_so_order_does_not_matter() -> None:
    found = violations(ByPosition())

    assert found["reordered columns"] == 0
    assert found["extra column"] == 0


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_boosted_trees_keep_the_contract() -> None:
    rows = small_frames("binary")["reference"]
    model = HistGradientBoostingClassifier(max_iter=2)
    model.fit(rows[["wind", "visibility"]], rows["late"])
    file = case_file("binary")
    case = load_case(file, frames={"reference": rows}, model=model)

    found = measure(case, OPTIONS)

    assert found.summary["value"].eq(0).all()
    assert "unseen everywhere" not in set(found.summary["group"])


def test_every_task_is_measured(
    binary_case: Case, multiclass_case: Case, regression_case: Case
) -> None:
    for case in (binary_case, multiclass_case, regression_case):
        summary = measure(case, OPTIONS).summary

        assert set(summary["group"]) == KINDS
        assert summary["ci_low"].equals(summary["value"])


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, OPTIONS)

    assert raised.value.code is Reason.NO_RESCORING


@pytest.fixture(scope="module")
def broken() -> Measurement:
    return measure(case_of(swallows_infinity), OPTIONS)


def test_notes_name_input_and_column(broken: Measurement) -> None:
    assert any(
        note.startswith("Infinity in wind: the model gives") for note in broken.notes
    )


def test_figure_counts_violations_by_kind(broken: Measurement) -> None:
    axes = draw(broken, CHECK.limits).axes[0]

    texts = [text.get_text() for text in axes.texts]
    assert len(axes.get_yticklabels()) == len(KINDS)
    assert "1 of 1" in texts
    assert "at most 0" in texts


def test_alternative_text_tells_good_from_bad(broken: Measurement) -> None:
    sound = measure(case_of(careful), OPTIONS)

    assert "infinity" in alt(broken)
    assert alt(sound).startswith("None of")
