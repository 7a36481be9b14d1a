"""Splits of trees: rows that a model cannot tell apart are not scored twice."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from readiness.case import Case, load_case
from readiness.checks.drift._altered import fixed_rows, scores_of, scores_of_copies
from readiness.checks.drift._base import base_of
from readiness.config import CaseFile
from readiness.scoring import count_calls, score_frame
from readiness.tree_splits import Splits, trees_of

NUMBERS = ["a", "b", "whole"]
ROWS = 600


def rows_of(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "text": rng.choice(["x", "y", "z"], ROWS),
            "a": rng.standard_normal(ROWS),
            "b": np.where(rng.random(ROWS) < 0.3, np.nan, rng.exponential(5, ROWS)),
            "whole": rng.integers(0, 9, ROWS),
        }
    )
    signal = rows["a"] + rows["b"].fillna(2.0) / 5 + (rows["text"] == "x")
    rows["y"] = (signal + rng.standard_normal(ROWS) > 1.5).astype(int)
    return rows


def encoder() -> Pipeline:
    return make_column_transformer(
        (OrdinalEncoder(), ["text"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )


def boosted() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=8, random_state=0)


def clipped(X: np.ndarray) -> np.ndarray:
    return np.clip(X, -20, 40)


MODELS: dict[str, Callable[[], object]] = {
    "boosted in a pipeline": lambda: make_pipeline(encoder(), boosted()),
    "a forest": lambda: make_pipeline(
        encoder(), RandomForestClassifier(n_estimators=5, max_depth=6, random_state=0)
    ),
    "one tree": lambda: make_pipeline(
        encoder(), DecisionTreeClassifier(max_depth=5, random_state=0)
    ),
}
OTHERS: dict[str, Callable[[], object]] = {
    "no trees": lambda: make_pipeline(
        encoder(), FunctionTransformer(np.nan_to_num), LogisticRegression()
    ),
    "scaled before": lambda: make_pipeline(encoder(), StandardScaler(), boosted()),
    "cut off before": lambda: make_pipeline(
        encoder(), FunctionTransformer(clipped), boosted()
    ),
    "filled before": lambda: make_pipeline(
        encoder(),
        FunctionTransformer(lambda X: np.nan_to_num(X, nan=-1.0)),
        GradientBoostingClassifier(n_estimators=5, init="zero", random_state=0),
    ),
}


def made_case(make: Callable[[], object], seed: int = 1) -> Case:
    rows = rows_of(seed)
    features = ["text", *NUMBERS]
    model = make().fit(rows[features], rows["y"])  # type: ignore[attr-defined]
    file = CaseFile.model_validate(
        {
            "name": "trees",
            "title": "Trees",
            "model": {"path": "m.skops", "task": "binary", "features": features},
            "data": {"reference": "r", "target": "y"},
        }
    )
    return load_case(file, frames={"reference": rows}, model=model)


def test_a_value_at_a_split_goes_left() -> None:
    splits = Splits(at=np.array([1.0, 2.0]), read_as=np.float64)

    values = np.array([-np.inf, 1.0, np.nextafter(1.0, 2), 2.0, np.inf, np.nan])

    assert splits.interval(values).tolist() == [0, 0, 1, 1, 2, 3]


def test_forests_read_values_in_single_precision() -> None:
    splits = Splits(at=np.array([1.0]), read_as=np.float32)

    assert splits.interval(np.array([1.0 + 1e-12, 1e300])).tolist() == [0, 3]


@pytest.mark.parametrize("name", MODELS)
def test_splits_are_those_of_numeric_columns_that_pass_unchanged(name: str) -> None:
    case = made_case(MODELS[name])

    trees = trees_of(case, rows_of(1))

    assert set(trees.splits) == set(NUMBERS)
    assert trees.final is not None
    assert len(trees.splits["a"].at) > 3


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_known_of_other_models(name: str) -> None:
    case = made_case(OTHERS[name])

    trees = trees_of(case, rows_of(1))

    # What is cut off, scaled or filled on its way must not count as unchanged.
    assert not trees.splits.keys() & {"a", "b"}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("column", NUMBERS)
def test_scores_equal_those_of_the_whole_model_to_the_last_bit(
    name: str, column: str
) -> None:
    case = made_case(MODELS[name])
    fixed = fixed_rows(base_of(case), ROWS)
    values, rng = fixed.frame[column].astype(float), np.random.default_rng(2)
    copies = [
        *(values + move for move in (-30.0, -1.0, -0.1, 0.0, 0.1, 1.0, 30.0)),
        values + rng.standard_normal(ROWS),
        values.mask(np.ones(ROWS, dtype=bool)),
        values * 1e30,
    ]

    found = scores_of(fixed, column, copies)

    for one, y_score in zip(copies, found, strict=True):
        plain = score_frame(case, fixed.frame.assign(**{column: one}))
        assert np.array_equal(y_score, plain)


def test_a_row_is_scored_once_for_each_interval() -> None:
    case = made_case(MODELS["boosted in a pipeline"])
    fixed = fixed_rows(base_of(case), ROWS)
    values = fixed.frame["b"]
    known = int(values.notna().sum())

    with count_calls() as first:
        scores_of(fixed, "b", [values, values + 1000.0])
    with count_calls() as second:
        scores_of(fixed, "b", [values + 2000.0, values + 3000.0])

    # Rows without a value cannot move; beyond the last split all values are one.
    assert 0 < first.calls <= known
    assert second.calls == 0


def test_several_columns_move_together() -> None:
    case = made_case(MODELS["boosted in a pipeline"])
    fixed = fixed_rows(base_of(case), ROWS)
    moved = {"a": fixed.frame["a"] + 1, "b": fixed.frame["b"] - 1}

    (found,) = scores_of_copies(fixed, [moved])

    assert np.array_equal(found, score_frame(case, fixed.frame.assign(**moved)))


def test_a_model_outside_a_pipeline_gets_its_own_frame() -> None:
    rows = rows_of(3)
    model = HistGradientBoostingRegressor(max_iter=5).fit(rows[NUMBERS], rows["y"])
    file = CaseFile.model_validate(
        {
            "name": "alone",
            "title": "Alone",
            "model": {"path": "m.skops", "task": "regression"},
            "data": {"reference": "r", "target": "y"},
        }
    )
    case = load_case(file, frames={"reference": rows[[*NUMBERS, "y"]]}, model=model)
    fixed = fixed_rows(base_of(case), ROWS)
    moved = fixed.frame["a"] + 0.5

    (found,) = scores_of(fixed, "a", [moved])

    assert fixed.trees.final is None
    assert fixed.trees.splits.keys() == set(NUMBERS)
    assert np.array_equal(found, score_frame(case, fixed.frame.assign(a=moved)))
