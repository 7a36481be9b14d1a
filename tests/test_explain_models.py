"""Every check of explainability answers in the quick profile, whatever the model."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from readiness.attributions import attributions
from readiness.case import load_case
from readiness.checks import all_checks
from readiness.errors import Reason
from readiness.measuring import measured, options_of
from readiness.review import open_review
from tests.cases import FEATURES, TARGET, case_file, small_case, small_frames
from tests.test_booster_trees import of_model

CHECKS = [one for one in all_checks().values() if one.dimension == "explainability"]
FEW = {"rows": 60, "background": 20, "evaluations": 20_000}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "X1": FEW,
    "X2": FEW,
    "X3": {**FEW, "draws": 5},
    "X4": {**FEW, "draws": 2, "walked_rows": 50, "walks": 2_000},
    "X5": {"rows": 200, "shuffles": 1, "shared_rows": 50, "background": 2},
    "X6": {**FEW, "columns": 2, "points": 20},
    "X7": {"rows": 60},
    "X8": {**FEW, "draws": 200},
    "X9": FEW,
    "X10": {**FEW, "noise_rows": 20},
    "X11": FEW,
}
COLUMNS = {
    "wind": {"monotone": "increasing", "measurement_sd": 0.5},
    "holiday": {"role": "irrelevant"},
}
TASKS = ("binary", "multiclass", "regression")
CODES = {"early": 0, "late": 1, "on time": 2}


def frames_of(task: str) -> dict[str, pd.DataFrame]:
    """Return small tables, classes as the codes that boosters know."""
    frames = small_frames(task, 400)
    if task != "multiclass":
        return frames
    return {
        name: rows.assign(**{TARGET: rows[TARGET].map(CODES)})
        for name, rows in frames.items()
    }


def behind(encoder: object, task: str, rows: pd.DataFrame) -> Any:  # noqa: ANN401 (a fitted pipeline)
    """Return boosted trees behind an encoder of the carrier."""
    regression = task == "regression"
    kind = (
        HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    )
    model = make_pipeline(
        make_column_transformer((encoder, ["carrier"]), remainder="passthrough"),
        kind(max_iter=5, random_state=0),
    )
    return model.fit(rows[list(FEATURES)], rows[TARGET])


def one_hot(task: str, rows: pd.DataFrame) -> object:
    return behind(OneHotEncoder(sparse_output=False), task, rows)


def target_encoded(task: str, rows: pd.DataFrame) -> object:
    return behind(TargetEncoder(), task, rows)


def native(kind: Any, rows: pd.DataFrame, **options: Any) -> object:  # noqa: ANN401 (an extra's estimator)
    model = kind(n_estimators=5, n_jobs=1, **options)
    X = rows[list(FEATURES)].astype({"carrier": "category"})
    return of_model(model.fit(X, rows[TARGET]))


def lightgbm(task: str, rows: pd.DataFrame) -> object:
    library = pytest.importorskip("lightgbm", reason="the extra lightgbm")
    regression = task == "regression"
    kind = library.LGBMRegressor if regression else library.LGBMClassifier
    return native(kind, rows, verbose=-1)


def xgboost(task: str, rows: pd.DataFrame) -> object:
    library = pytest.importorskip("xgboost", reason="the extra xgboost")
    kind = library.XGBRegressor if task == "regression" else library.XGBClassifier
    return native(kind, rows, enable_categorical=True)


def plain_callable(task: str, rows: pd.DataFrame) -> object:
    model, features = one_hot(task, rows), list(FEATURES)
    if task == "regression":
        return lambda frame: model.predict(frame[features])
    if task == "binary":
        return lambda frame: model.predict_proba(frame[features])[:, 1]

    def by_class(frame: pd.DataFrame) -> Any:  # noqa: ANN401 (an array)
        return model.predict_proba(frame[features])

    by_class.classes_ = [0, 1, 2]
    return by_class


KINDS = {
    one.__name__: one
    for one in (one_hot, target_encoded, lightgbm, xgboost, plain_callable)
}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_check_answers(kind: str, task: str) -> None:
    frames = frames_of(task)
    file = case_file(
        task,
        model={"features": list(FEATURES)} if kind == "plain_callable" else {},
        columns=COLUMNS,
        checks=OPTIONS,
    )
    model = KINDS[kind](task, frames["training"])
    case = load_case(file, frames=frames, model=model)
    bench = open_review(case).bench

    found = {
        one.check.code: measured(bench, one, options_of(bench, one, {})).measurement
        for one in CHECKS
    }

    assert all(one.notes for one in found.values())
    sizes = found["X2"].tables["importance"]
    assert set(sizes["column"]) == set(FEATURES)  # raw ones, never their codes
    assert found["X1"].summary["value"].max() < 1e-4
    by_path = found["X2"].tables["importance"]["path_dependent"].notna()
    is_exact = kind != "plain_callable"
    assert ("(exact, tree by tree" in found["X2"].notes[1]) is is_exact
    assert by_path.all() if is_exact else not by_path.any()
    missing = found["X3"].summary.query("value != value")
    assert set(missing["reason"]) == {Reason.NOT_IN_PROFILE}


@pytest.mark.parametrize("encode", [one_hot, target_encoded])
def test_codes_of_a_column_are_added_up_to_the_column(
    encode: Callable[[str, pd.DataFrame], Any],
) -> None:
    # All columns but the carrier are held: what is left is the carrier's alone.
    frames = frames_of("regression")
    model = encode("regression", frames["training"])
    case = small_case("regression", frames=frames, model=model)
    rows = frames["reference"][list(FEATURES)].head(40)
    background = rows.assign(carrier="DL")

    found = attributions(case, rows.iloc[:1], background.iloc[:1])

    own = model.predict(rows.iloc[:1]) - model.predict(background.iloc[:1])
    assert found.values["carrier"].to_numpy() == pytest.approx(own, abs=1e-9)
    assert found.values.drop(columns="carrier").abs().max(axis=None) < 1e-9
