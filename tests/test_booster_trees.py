"""Trees read from LightGBM and XGBoost give the libraries' own margins."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.attribution_units import CLASS_LOG_ODDS, in_unit
from readiness.attributions import NOT_ADDED, SAMPLED, attributions, shap_values
from readiness.booster_trees import booster_trees
from readiness.boosters import Booster, load_booster
from readiness.case import Case, load_case
from readiness.checks.stress._split_points import split_points
from readiness.exact_attributions import EVERY_TREE
from readiness.path_shapley import path_shapley
from readiness.tree_shapley import trees_shapley
from tests.cases import case_file
from tests.shapley_games import brute_force

lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm")
xgboost = pytest.importorskip("xgboost", reason="the extra xgboost")

KINDS = ("lightgbm", "xgboost")
TASKS = ("binary", "multiclass", "regression")
FEATURES = ["delay", "carrier", "seats", "wind", "origin"]
CARRIERS = [f"carrier {i}" for i in range(14)]
N = 1200
# Without a dropped tree, dart is a plain sum.
DART = {"booster": "dart", "rate_drop": 0.5, "one_drop": True}


def rows_of(n_rows: int, seed: int, *, seats: type = float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "delay": rng.normal(size=n_rows),
            "carrier": rng.choice(CARRIERS, n_rows),
            "seats": rng.integers(-3, 20, n_rows).astype(seats),
            "wind": rng.normal(size=n_rows).astype(np.float32),
            "origin": rng.choice(["EWR", "JFK"], n_rows),
        }
    )
    for name in ("delay", "wind", "carrier"):
        rows.loc[rng.random(n_rows) < 0.1, name] = None
    return rows


def targets_of(rows: pd.DataFrame, task: str) -> "pd.Series[Any]":
    place = rows["carrier"].map(dict(zip(CARRIERS, np.arange(14) % 3, strict=True)))
    raw = rows["delay"].fillna(0.7) * place.fillna(1) + rows["seats"].fillna(0) / 10
    raw = raw - (rows["origin"] == "JFK") * rows["wind"].fillna(-1)
    if task == "binary":
        return (raw > 0.4).astype(int)
    if task == "multiclass":
        return pd.cut(raw, [-99, -0.5, 1.0, 99], labels=False)
    return raw + 50


def categorical(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({"carrier": "category", "origin": "category"})


def fitted(kind: str, task: str, rows: pd.DataFrame, **options: Any) -> Booster:  # noqa: ANN401 (of the library)
    options = {"n_estimators": 25} | options
    model = maker_of(kind, task)(**options)
    return of_model(model.fit(categorical(rows), targets_of(rows, task)))


def maker_of(kind: str, task: str) -> Callable[..., Any]:
    makers = {
        ("lightgbm", False): lightgbm.LGBMClassifier,
        ("lightgbm", True): lightgbm.LGBMRegressor,
        ("xgboost", False): xgboost.XGBClassifier,
        ("xgboost", True): xgboost.XGBRegressor,
    }
    quiet = {"verbose": -1} if kind == "lightgbm" else {"enable_categorical": True}
    maker = makers[kind, task == "regression"]
    return partial(maker, n_jobs=1, random_state=0, **quiet)


def of_model(model: Any) -> Booster:  # noqa: ANN401 (an extra's estimator)
    if isinstance(model, lightgbm.LGBMModel):
        return load_booster(model.booster_.model_to_string().encode(), "lightgbm")
    return load_booster(bytes(model.get_booster().save_raw("json")), "xgboost")


def new_rows() -> pd.DataFrame:
    """Rows with what training never held, and values next to zero."""
    rows = rows_of(700, 2)
    rows.loc[:20, "carrier"] = "never seen"
    rows.loc[21:40, "delay"] = [0.0, -0.0, 1e-36, -1e-36, np.nan] * 4
    rows.loc[41:45, "seats"] = np.nan
    rows.loc[46:49, "delay"] = [1e9, -1e9, 1e-9, -1e-9]
    return rows


def assert_margins(booster: Booster, rows: pd.DataFrame, tolerance: float) -> None:
    found = booster_trees(booster)
    assert found is not None
    matrix, said = found.matrix(rows), booster.margin(rows)

    assert len(found.misread(matrix, said)) == 0
    gap = found.margins(matrix) - said.reshape(len(rows), -1)
    assert np.abs(gap).max() <= tolerance * max(1.0, np.abs(said).max())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_margins_are_the_library_s_own(kind: str, task: str) -> None:
    booster = fitted(kind, task, rows_of(N, 1))

    assert_margins(booster, new_rows(), 1e-12 if kind == "lightgbm" else 1e-6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("lightgbm", {"use_missing": False}),
        ("lightgbm", {"zero_as_missing": True}),
        ("lightgbm", {"max_cat_to_onehot": 20}),
        ("lightgbm", {"min_data_per_group": 1, "cat_smooth": 0, "cat_l2": 0}),
        ("lightgbm", {"min_child_samples": 5000}),
        ("lightgbm", {"extra_trees": True, "boosting_type": "dart"}),
        ("xgboost", {"max_cat_to_onehot": 1}),
        ("xgboost", {"max_cat_to_onehot": 20}),
        ("xgboost", {"grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}),
        ("xgboost", {"gamma": 1e9}),
        ("xgboost", {"num_parallel_tree": 3, "subsample": 0.5}),
        ("xgboost", {"base_score": 0.123}),
    ],
)
def test_options_that_change_how_trees_read_rows(
    kind: str, options: dict[str, Any]
) -> None:
    booster = fitted(kind, "binary", rows_of(N, 1), **options)

    assert_margins(booster, new_rows(), 1e-12 if kind == "lightgbm" else 1e-6)


def test_whole_numbers_as_codes_of_categories() -> None:
    rows = rows_of(N, 1)[["seats", "delay"]].fillna(0).astype({"seats": int})
    data = lightgbm.Dataset(
        rows, targets_of(rows_of(N, 1), "regression"), categorical_feature=["seats"]
    )
    found = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 10)
    booster = load_booster(found.model_to_string().encode(), "lightgbm")
    trees = booster_trees(booster)
    assert trees is not None
    odd = pd.DataFrame({"seats": [3.0, 3.9, -0.5, -1.0, 99, np.nan], "delay": 0.5})

    assert trees.as_codes == {0}
    assert_margins(booster, rows, 1e-12)
    assert_margins(booster, odd, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_uses_the_best_round_only(kind: str) -> None:
    rows, y = rows_of(N, 1)[["delay", "wind"]], np.tile([0, 1], N // 2)
    options = {"n_estimators": 60, "early_stopping_rounds": 3, "n_jobs": 1}
    maker = {"lightgbm": lightgbm.LGBMClassifier, "xgboost": xgboost.XGBClassifier}
    quiet = {"verbose": -1} if kind == "lightgbm" else {}
    new = (rows[800:], y[800:])
    held_out = {"eval_X": new[0], "eval_y": new[1]}
    held_out = held_out if kind == "lightgbm" else {"eval_set": [new]}
    model = maker[kind](**options, **quiet).fit(rows[:800], y[:800], **held_out)

    booster = of_model(model)

    found = booster_trees(booster)
    assert found is not None
    assert len(found.trees[0]) < 60
    assert_margins(booster, rows, 1e-6)


def test_thresholds_are_compared_in_single_precision() -> None:
    """A double just below a threshold is rounded up to it, and goes right."""
    booster = fitted("xgboost", "binary", rows_of(N, 1))
    found = booster_trees(booster)
    assert found is not None
    tree = found.trees[0][0]
    assert FEATURES[tree.feature[0]] == "delay"
    at = np.nextafter(np.float32(tree.threshold[0]), np.float32(np.inf))
    near = [float(at), float(at) - 1e-12, float(at) - 1e-6, float(at) + 1e-12]
    rows = new_rows()[:4].assign(delay=near)

    assert found.matrix(rows)[:2, 0].tolist() == [at, at]
    assert_margins(booster, rows, 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_score_is_flat_between_two_split_points(kind: str) -> None:
    booster = fitted(kind, "binary", rows_of(N, 1))
    rows = rows_of(30, 5)
    listed = booster.found.trees_to_dataframe()
    columns = ["Feature", "Split"] if kind == "xgboost" else None
    names, at = listed[columns or ["split_feature", "threshold"]].to_numpy().T

    found = split_points(case_with(booster, "binary"), rows)

    assert sorted(found) == ["delay", "seats", "wind"]
    for name, splits in found.items():
        own = np.unique(at[names == name].astype(float))
        assert splits == pytest.approx(own, rel=1e-6, abs=1e-30)
        low, high = splits[-2:]
        for value in (0.9 * low + 0.1 * high, 0.1 * low + 0.9 * high):
            moved, edge = rows.assign(**{name: value}), rows.assign(**{name: high})
            np.testing.assert_array_equal(booster(moved), booster(edge))


def test_row_whose_margin_differs_is_found() -> None:
    booster = fitted("lightgbm", "multiclass", rows_of(N, 1))
    found = booster_trees(booster)
    assert found is not None
    rows = new_rows()
    said = booster.margin(rows).copy()
    said[[3, 50], [1, 2]] += 1e-4
    said[70, 0] = np.nan

    assert found.misread(found.matrix(rows), said).tolist() == [3, 50, 70]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("lightgbm", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
        ("lightgbm", {"linear_tree": True}),
        ("xgboost", DART),
    ],
)
@pytest.mark.filterwarnings("ignore:.*booster=dart. is deprecated")
def test_what_is_no_plain_sum_of_trees_is_left_to_the_sampler(
    kind: str, options: dict[str, Any]
) -> None:
    assert booster_trees(fitted(kind, "regression", rows_of(N, 1), **options)) is None


def case_with(booster: Booster, task: str) -> Case:
    rows = rows_of(400, 1)
    frame = rows.assign(late=targets_of(rows, task))
    file = case_file(task, data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": frame}, model=booster)
    assert list(case.features) == FEATURES
    return case


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("kind", KINDS)
def test_attributions_equal_enumeration(kind: str, task: str) -> None:
    small = {"n_estimators": 6, "max_depth": 4}
    booster = fitted(kind, task, rows_of(N, 1), **small)
    rows, background = new_rows()[17:25], rows_of(40, 3)

    found = attributions(case_with(booster, task), rows, background)

    exact = brute_force(
        lambda frame: booster.margin(frame).astype(float), rows, background
    )
    unit = "log-odds" if task == "binary" else "target unit"
    assert (found.method, found.unit, found.n_background) == (EVERY_TREE, unit, 40)
    size = max(1.0, float(np.abs(found.output).max()))
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-6 * size
    assert np.abs(found.base - found.background_output).max() < 1e-6 * size


@pytest.mark.parametrize("kind", KINDS)
def test_several_classes_equal_enumeration_of_the_predicted_one(kind: str) -> None:
    booster = fitted(kind, "multiclass", rows_of(N, 1), n_estimators=3)
    rows, background = new_rows()[17:25], rows_of(40, 3)

    found = attributions(case_with(booster, "multiclass"), rows, background)

    own = booster(rows).argmax(axis=1)
    by_class = [
        brute_force(
            lambda frame, k=k: in_unit(booster(frame), CLASS_LOG_ODDS)[:, k],
            rows,
            background,
        )
        for k in range(3)
    ]
    exact = np.stack(by_class)[own, np.arange(len(rows))]
    assert (found.method, found.unit) == (EVERY_TREE, CLASS_LOG_ODDS)
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-6
    assert np.abs(found.base - found.background_output).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("lightgbm", {"linear_tree": True}, "its leaves are linear models"),
        ("xgboost", DART, "its booster dart is no plain sum of trees"),
        ("xgboost", {"booster": "gblinear"}, "its booster gblinear is no plain sum"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*booster=.* is deprecated")
def test_model_without_an_exact_route_is_sampled_and_says_why(
    kind: str, options: dict[str, Any], why: str
) -> None:
    rows = rows_of(N, 1)[["delay", "seats"]].fillna(0)
    y = targets_of(rows_of(N, 1), "regression")
    frame = rows.assign(late=y)
    maker = maker_of(kind, "regression")
    booster = of_model(maker(n_estimators=2, **options).fit(rows, y))
    file = case_file("regression", data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": frame}, model=booster)

    found = attributions(case, rows[:6], rows[20:60], max_evaluations=6000)

    assert found.method.startswith(f"{SAMPLED}, since ")
    assert why in found.method


def test_planted_wrong_row_is_computed_again_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booster = fitted("xgboost", "binary", rows_of(N, 1), n_estimators=3)
    rows, background = new_rows()[17:57], rows_of(40, 3)
    right = attributions(case_with(booster, "binary"), rows, background)

    def wrong_in_one(*given: Any) -> tuple[np.ndarray, float]:  # noqa: ANN401 (as it came)
        values, base = trees_shapley(*given)
        values[7, 2] += 0.01
        return values, base

    monkeypatch.setattr("readiness.exact_attributions.trees_shapley", wrong_in_one)

    found = attributions(case_with(booster, "binary"), rows, background)

    assert (right.n_recomputed, found.n_recomputed) == (0, 1)
    assert np.abs(found.values - right.values).to_numpy().max() < 1e-12


def test_wrong_values_on_many_rows_end_the_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booster = fitted("xgboost", "binary", rows_of(N, 1), n_estimators=3)
    rows, background = new_rows()[17:57], rows_of(40, 3)

    def wrong(*given: Any) -> tuple[np.ndarray, float]:  # noqa: ANN401 (as it came)
        values, base = trees_shapley(*given)
        return values + 0.01, base

    monkeypatch.setattr("readiness.exact_attributions.trees_shapley", wrong)

    found = attributions(
        case_with(booster, "binary"), rows, background, max_evaluations=6000
    )

    assert found.method == f"{SAMPLED}, since {NOT_ADDED}"
    assert found.n_recomputed == 0


def test_trees_that_give_another_margin_are_not_used() -> None:
    """A library that reads rows in another way is explained from outside."""
    booster = fitted("lightgbm", "binary", rows_of(N, 1), n_estimators=3)

    def shifted(found: object, frame: pd.DataFrame, *, margin: bool) -> np.ndarray:
        raw = booster.score(found, frame, margin=True) + 1e-3 * (frame["seats"] > 15)
        return np.asarray(raw if margin else 1 / (1 + np.exp(-raw)))

    rows = rows_of(60, 3)
    case = case_with(replace(booster, score=shifted), "binary")

    found = attributions(case, rows[:6], rows[20:], max_evaluations=6000)

    assert found.method.startswith(f"{SAMPLED}, since its trees give another")


def test_log_link_is_not_said_to_add_up_to_the_target() -> None:
    booster = fitted(
        "xgboost",
        "regression",
        rows_of(N, 1),
        objective="count:poisson",
        n_estimators=3,
    )
    rows = rows_of(60, 3)

    assert_margins(booster, rows, 1e-6)
    found = attributions(
        case_with(booster, "regression"), rows[:6], rows[20:], max_evaluations=6000
    )

    assert found.method == f"{SAMPLED}, since {NOT_ADDED}"
    assert found.unit == "target unit"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_by_path_equal_the_library_s_own(kind: str, task: str) -> None:
    """Both libraries give path-dependent values, with the start behind them."""
    booster = fitted(kind, task, rows_of(N, 1), n_estimators=6)
    found = booster_trees(booster)
    assert found is not None
    rows = new_rows()[:200]

    by_path = [path_shapley(t, found.matrix(rows), np.arange(5)) for t in found.trees]

    library = own_contributions(booster, rows).reshape(len(rows), -1, 6)
    for k, (values, base) in enumerate(by_path):
        assert np.abs(values - library[:, k, :5]).max() < 1e-5
        assert np.abs(base + found.constant[k] - library[:, k, 5]).max() < 1e-4


def own_contributions(booster: Booster, rows: pd.DataFrame) -> np.ndarray:
    coded = booster.coded(rows)
    if isinstance(booster.found, lightgbm.Booster):
        return booster.found.predict(coded, pred_contrib=True)
    data = xgboost.DMatrix(coded, enable_categorical=True)
    return booster.found.predict(data, pred_contribs=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_attributions_equal_shap_with_the_whole_background(kind: str) -> None:
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(900, 4)), columns=list("abcd"))
    y = (X["a"] * X["b"] + X["c"] > 0.2).astype(int)
    maker = {"lightgbm": lightgbm.LGBMClassifier, "xgboost": xgboost.XGBClassifier}
    quiet = {"verbose": -1} if kind == "lightgbm" else {}
    model = maker[kind](n_estimators=20, max_depth=5, n_jobs=1, **quiet).fit(X, y)
    booster = of_model(model)
    file = case_file("binary", data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": X.assign(late=y)}, model=booster)

    found = attributions(case, X[:50], X[300:550])

    values, base = shap_values(model, X[:50].to_numpy(), X[300:550].to_numpy())
    assert found.method == EVERY_TREE
    assert np.abs(found.values.to_numpy() - values).max() < 1e-5
    assert np.abs(found.base - base).max() < 1e-5
