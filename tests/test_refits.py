import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from readiness.case import load_case
from readiness.errors import ModelError, NotAssessedError, Reason
from readiness.refits import refit
from tests.cases import FEATURES, binary_case, case_file, small_case, small_frames

FIT = """
import numpy as np
def fit(frame, seed):
    rate = float(frame["late"].mean())
    return lambda rows: np.full(len(rows), rate)
"""


def _scored(case, rows: pd.DataFrame, seed: int = 0) -> np.ndarray:  # noqa: ANN001 (a case)
    return refit(case, rows, seed).predict(rows)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_clone_fitted_on_the_same_rows_scores_as_the_reviewed_model(task: str) -> None:
    case, rows = small_case(task), small_frames(task)["training"]

    again = _scored(case, rows)

    np.testing.assert_allclose(again, case.model.predict(rows), atol=1e-6)


def test_reviewed_model_is_left_as_it_was() -> None:
    case, rows = binary_case(), small_frames()["reference"]
    before = case.model.predict(rows)

    refit(case, rows.iloc[:100], 1)

    np.testing.assert_array_equal(case.model.predict(rows), before)


def test_seed_reaches_the_clone_and_repeats() -> None:
    rows = small_frames()["training"].assign(visibility=1.0, carrier=0.0)
    forest = RandomForestClassifier(5, random_state=0, max_depth=3)
    forest.fit(rows[list(FEATURES)], rows["late"])
    case = small_case(frames={"training": rows, "reference": rows}, model=forest)

    first, again, other = (_scored(case, rows, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_function_of_the_case_is_used_when_its_hash_is_named(tmp_path: Path) -> None:
    (tmp_path / "refit.py").write_text(FIT, encoding="utf-8")
    digest = hashlib.sha256(FIT.encode()).hexdigest()
    frames = small_frames()
    named = {"fit": "refit.py:fit", "fit_sha256": digest}
    case = load_case(
        case_file(model=named),
        base=tmp_path,
        frames=frames,
        model=lambda rows: np.full(len(rows), 0.5),
    )

    scored = _scored(case, frames["training"])

    assert set(scored) == {frames["training"]["late"].mean()}


def test_function_whose_hash_is_not_named_is_refused(tmp_path: Path) -> None:
    (tmp_path / "refit.py").write_text(FIT, encoding="utf-8")
    frames = small_frames()
    case = load_case(
        case_file(model={"fit": "refit.py:fit"}),
        base=tmp_path,
        frames=frames,
        model=lambda rows: np.full(len(rows), 0.5),
    )

    with pytest.raises(ModelError) as caught:
        refit(case, frames["training"], 0)

    assert caught.value.code is Reason.MODEL_UNTRUSTED


def test_plain_function_cannot_be_fitted_again() -> None:
    case = small_case(model=lambda rows: np.full(len(rows), 0.5))

    with pytest.raises(NotAssessedError, match=r"model\.fit") as caught:
        refit(case, small_frames()["training"], 0)

    assert caught.value.code is Reason.NO_REFIT


def test_fitting_that_fails_is_not_assessed() -> None:
    case, rows = binary_case(), small_frames()["training"].assign(late=1)

    with pytest.raises(NotAssessedError, match="raised ValueError"):
        refit(case, rows, 0)
