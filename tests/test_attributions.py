import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from readiness import attributions as door
from readiness.attribution_units import CLASS_LOG_ODDS, in_unit
from readiness.attributions import BY_SHAP, NOT_ADDED, NOT_OPENED, SAMPLED, attributions
from readiness.case import Case, load_case
from readiness.checks.explainability.global_importance import CHECK, measure
from readiness.errors import NotAssessedError, Reason
from readiness.exact_attributions import CLOSED_FORM, EVERY_TREE
from readiness.result import Options
from readiness.scoring import count_calls
from tests.cases import case_file, small_frames
from tests.shapley_games import brute_force

COLUMNS = ["age", "wage", "size", "city"]
CATEGORIES = {"city": "category", "code": "category"}


def rows_of(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=COLUMNS[:3])
    rows["city"] = rng.choice(["rome", "oslo", "bonn"], n_rows, p=[0.5, 0.3, 0.2])
    bonus = rows["city"].map({"rome": 1.0, "oslo": 0.0, "bonn": -1.0})
    rows["late"] = rows["age"] * rows["wage"] + bonus + rng.normal(0, 0.3, n_rows)
    return rows


def case_with(final: object, task: str, encoder: object | None = None) -> Case:
    rows = rows_of(400, 1)
    if task == "binary":
        rows["late"] = (rows["late"] > 0.3).astype(int)
    if task == "multiclass":
        rows["late"] = pd.cut(rows["late"], [-9, -0.5, 0.5, 9], labels=False)
    encode = make_column_transformer(
        (encoder or OrdinalEncoder(), ["city"]), remainder="passthrough"
    )
    model = make_pipeline(encode, final).fit(rows[COLUMNS], rows["late"])
    file = case_file(task, data={"time": None, "entity": None})
    return load_case(file, frames={"reference": rows}, model=model)


def explained(case: Case, n_rows: int = 8, n_background: int = 60) -> object:
    rows, background = rows_of(n_rows, 2)[COLUMNS], rows_of(n_background, 3)[COLUMNS]
    return attributions(case, rows, background, seed=5)


def exact_values(predict: object) -> np.ndarray:
    return brute_force(predict, rows_of(8, 2)[COLUMNS], rows_of(60, 3)[COLUMNS])


def assert_adds_up(found: object, tolerance: float) -> None:
    sums = found.base + found.values.sum(axis=1).to_numpy()

    assert np.abs(sums - found.output).max() < tolerance
    assert np.abs(found.base - found.background_output).max() < tolerance


def test_linear_model_has_its_closed_form() -> None:
    case = case_with(LinearRegression(), "regression", OneHotEncoder())

    found = explained(case)

    exact = exact_values(case.model.estimator.predict)
    assert found.method == CLOSED_FORM
    assert found.unit == "target unit"
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-10
    assert list(found.values.columns) == COLUMNS
    assert_adds_up(found, 1e-10)


def test_logistic_model_is_explained_in_log_odds() -> None:
    case = case_with(LogisticRegression(), "binary", OneHotEncoder())

    found = explained(case)

    exact = exact_values(case.model.estimator.decision_function)
    assert (found.method, found.unit) == (CLOSED_FORM, "log-odds")
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-10


def test_positive_class_that_comes_first_turns_the_signs() -> None:
    second = case_with(LogisticRegression(), "binary")
    first = load_case(
        case_file("binary", data={"time": None, "entity": None}, model={"positive": 0}),
        frames={"reference": second.table("reference").take(np.arange(400))},
        model=second.model.estimator,
    )

    turned = explained(first)

    assert np.allclose(turned.values, -explained(second).values)
    assert_adds_up(turned, 1e-10)


@pytest.mark.parametrize(
    "encoder", [OrdinalEncoder(), OneHotEncoder(sparse_output=False)]
)
def test_boosted_trees_behind_an_encoder_equal_enumeration_of_raw_columns(
    encoder: object,
) -> None:
    case = case_with(HistGradientBoostingClassifier(max_iter=4), "binary", encoder)

    found = explained(case)

    exact = exact_values(case.model.estimator.decision_function)
    assert (found.method, found.unit) == (EVERY_TREE, "log-odds")
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-10
    assert_adds_up(found, 1e-10)


@pytest.mark.parametrize(
    "final", [HistGradientBoostingClassifier(max_iter=3), LogisticRegression()]
)
def test_several_classes_equal_enumeration_of_the_predicted_one(final: object) -> None:
    case = case_with(final, "multiclass")

    found = explained(case)

    say = case.model.estimator.predict_proba
    by_class = [
        exact_values(lambda frame, k=k: in_unit(say(frame), CLASS_LOG_ODDS)[:, k])
        for k in range(3)
    ]
    own = say(rows_of(8, 2)[COLUMNS]).argmax(axis=1)
    exact = np.stack(by_class)[own, np.arange(8)]
    assert found.method in {EVERY_TREE, CLOSED_FORM}
    assert found.unit == CLASS_LOG_ODDS
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-10
    assert_adds_up(found, 1e-10)


def trees_with_categories(kind: str) -> Pipeline | HistGradientBoostingClassifier:
    """Return boosted trees that split categories themselves, unfitted."""
    trees = partial(
        HistGradientBoostingClassifier, max_iter=3, min_samples_leaf=5, random_state=0
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    cities = ["city", "code"]
    encoded = make_column_transformer((codes, cities), remainder="passthrough")
    moved = make_column_transformer(("passthrough", cities), remainder="passthrough")
    kinds = {
        "from_dtype": trees(categorical_features="from_dtype"),
        "names": trees(categorical_features=cities),
        "mask": make_pipeline(
            encoded, trees(categorical_features=[True, True, False, False, False])
        ),
        "moved": make_pipeline(
            moved.set_output(transform="pandas"),
            trees(categorical_features="from_dtype"),
        ),
    }
    return kinds[kind]


def rows_with_categories(n_rows: int, seed: int, kind: str) -> pd.DataFrame:
    """Return rows of two categorical columns: one of words, one of whole numbers."""
    rows = rows_of(n_rows, seed)
    rng = np.random.default_rng([seed, 1])
    rows["code"] = rng.choice([3, 11, 200, 7], n_rows)
    step = rows["code"].map({3: 1.0, 11: -1.0, 200: 0.5, 7: 0.0})
    rows["late"] = pd.cut(
        rows["late"] + step * rows["size"], [-99, -0.7, 0.7, 99], labels=False
    )
    return rows if kind in {"mask", "names"} else rows.astype(CATEGORIES)


@pytest.mark.parametrize("kind", ["from_dtype", "names", "mask", "moved"])
def test_native_categories_of_several_classes_equal_enumeration(kind: str) -> None:
    training, reference = (rows_with_categories(600, one, kind) for one in (1, 2))
    reference["city"] = reference["city"].astype(object)
    reference.loc[[0, 30], "city"] = "lima"  # never in training
    reference.loc[[1, 31], "city"] = None
    reference = reference.astype({"city": training["city"].dtype.name})
    features = [*COLUMNS, "code"]
    model = trees_with_categories(kind).fit(training[features], training["late"])
    file = case_file("multiclass", data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": reference}, model=model)
    rows = case.table("reference").take(np.arange(34), case.features)

    found = attributions(case, rows[:4], rows[4:])

    def margin(frame: pd.DataFrame, k: int) -> np.ndarray:
        return in_unit(model.predict_proba(frame), CLASS_LOG_ODDS)[:, k]

    own = model.predict_proba(rows[:4]).argmax(axis=1)
    by_class = [brute_force(partial(margin, k=k), rows[:4], rows[4:]) for k in range(3)]
    exact = np.stack(by_class)[own, np.arange(4)]
    assert (found.method, found.unit) == (EVERY_TREE, CLASS_LOG_ODDS)
    assert np.abs(found.values[["city", "code"]].to_numpy()).max(axis=0).min() > 0.01
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-10
    assert_adds_up(found, 1e-10)


def mixed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(city=rows["city"].str[0] + rows["code"].astype(str))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            make_pipeline(FunctionTransformer(mixed), trees_with_categories("mask")),
            NOT_OPENED,
        ),
        (
            make_pipeline(
                make_column_transformer((OrdinalEncoder(), ["city", "code"])),
                RandomForestClassifier(3, random_state=0),
            ),
            "no exact route reads a RandomForestClassifier",
        ),
    ],
)
def test_page_says_why_several_classes_are_sampled(model: Pipeline, why: str) -> None:
    rows = rows_with_categories(200, 1, "mask")
    features = [*COLUMNS, "code"]
    file = case_file("multiclass", data={"time": None, "entity": None})
    fitted = model.fit(rows[features], rows["late"])
    case = load_case(file, frames={"reference": rows}, model=fitted)
    values = {**CHECK.defaults, "rows": 20, "background": 20, "evaluations": 4000}

    found = measure(case, Options(values=values))

    assert any(f"{SAMPLED}, since {why}" in note for note in found.notes)


def test_probability_is_the_unit_of_the_same_tree_known_only_as_a_function() -> None:
    """Both add up: log-odds where parts are read, probability where scores are."""
    case = case_with(HistGradientBoostingClassifier(max_iter=3), "binary")
    say = case.model.estimator.predict_proba
    rows = case.table("reference").take(np.arange(400))
    file = case_file("binary", data={"time": None, "entity": None})
    outside = load_case(
        file, frames={"reference": rows}, model=lambda frame: say(frame)[:, 1]
    )

    inside = explained(case)
    found = attributions(
        outside,
        rows_of(8, 2)[COLUMNS],
        rows_of(60, 3)[COLUMNS],
        max_evaluations=1500,
    )

    exact = exact_values(lambda frame: say(frame)[:, 1])
    assert (inside.unit, found.unit) == ("log-odds", "probability")
    assert_adds_up(inside, 1e-10)
    assert_adds_up(found, 1e-10)
    assert found.output == pytest.approx(1 / (1 + np.exp(-inside.output)))
    assert np.abs(found.values.to_numpy() - exact).max() < 6 * found.se.max()


def test_exact_routes_never_import_shap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing it takes three to six seconds; None makes an import raise."""
    monkeypatch.setitem(sys.modules, "shap", None)
    finals = [
        (HistGradientBoostingClassifier(max_iter=2), "binary"),
        (HistGradientBoostingRegressor(max_iter=2), "regression"),
        (HistGradientBoostingClassifier(max_iter=2), "multiclass"),
        (LogisticRegression(), "binary"),
        (LinearRegression(), "regression"),
    ]

    found = [explained(case_with(final, task)).method for final, task in finals]

    assert set(found) == {EVERY_TREE, CLOSED_FORM}


def test_loss_with_a_log_link_does_not_add_up_and_is_sampled() -> None:
    rows = rows_of(400, 1)
    rows["late"] = np.exp(rows["late"].clip(-2, 2))
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=2)
    model.fit(rows[COLUMNS[:3]], rows["late"])
    file = case_file("regression", data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": rows}, model=model)
    numbers = rows[COLUMNS[:3]]

    found = attributions(case, numbers[:20], numbers[50:90], max_evaluations=2000)

    assert found.method == f"{SAMPLED}, since {NOT_ADDED}"
    assert_adds_up(found, 1e-10)


def test_generalised_linear_model_is_sampled_in_the_target_unit() -> None:
    rows = rows_of(400, 1)
    rows["late"] = np.exp(rows["late"].clip(-2, 2))
    model = PoissonRegressor().fit(rows[COLUMNS[:3]], rows["late"])
    file = case_file("regression", data={"time": None, "entity": None})
    case = load_case(file, frames={"reference": rows}, model=model)
    numbers = rows[COLUMNS[:3]]

    found = attributions(case, numbers[:20], numbers[50:90], max_evaluations=2000)

    assert found.method == f"{SAMPLED}, since {NOT_ADDED}"
    assert found.unit == "target unit"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("final", "task", "unit"),
    [
        (
            RandomForestClassifier(8, max_depth=4, random_state=0),
            "binary",
            "probability",
        ),
        (
            GradientBoostingClassifier(n_estimators=8, random_state=0),
            "binary",
            "log-odds",
        ),
        (GradientBoostingRegressor(n_estimators=8), "regression", "target unit"),
    ],
)
def test_other_trees_are_explained_by_shap_like_enumeration(
    final: object, task: str, unit: str
) -> None:
    case = case_with(final, task)

    found = explained(case)

    estimator = case.model.estimator
    predict = {
        "probability": lambda frame: estimator.predict_proba(frame)[:, 1],
        "log-odds": getattr(estimator, "decision_function", None),
        "target unit": estimator.predict,
    }[unit]
    assert (found.method, found.unit) == (BY_SHAP, unit)
    assert np.abs(found.values.to_numpy() - exact_values(predict)).max() < 1e-5
    assert_adds_up(found, 1e-5)


@pytest.mark.slow
def test_shap_uses_every_background_row_not_its_first_hundred() -> None:
    case = case_with(RandomForestClassifier(8, max_depth=4, random_state=0), "binary")

    found = explained(case, n_background=180)

    # Additivity holds for a cut background too; only the start tells (METHODS 0.6).
    exact = brute_force(
        lambda frame: case.model.estimator.predict_proba(frame)[:, 1],
        rows_of(8, 2)[COLUMNS],
        rows_of(180, 3)[COLUMNS],
    )
    assert found.method == BY_SHAP
    assert found.n_background == 180
    assert_adds_up(found, 1e-6)
    assert np.abs(found.values.to_numpy() - exact).max() < 1e-6


@pytest.mark.slow
def test_one_hot_codes_are_added_up_to_their_raw_column_by_shap() -> None:
    encoder = OneHotEncoder(sparse_output=False)
    case = case_with(RandomForestClassifier(5, random_state=0), "binary", encoder)

    found = explained(case)

    assert list(found.values.columns) == COLUMNS
    assert found.values["city"].abs().mean() > 0.01
    assert_adds_up(found, 1e-5)


@pytest.mark.slow
def test_slow_forest_is_explained_on_fewer_rows_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "SHAP_WORK", 1)
    monkeypatch.setattr(door, "SHAP_MIN_ROWS", 5)
    case = case_with(RandomForestClassifier(5, random_state=0), "binary")

    found = explained(case)

    assert found.method == BY_SHAP
    assert len(found.values) == 5
    assert_adds_up(found, 1e-5)


def test_several_classes_explain_the_predicted_one(
    multiclass_case: Case,
) -> None:
    table = multiclass_case.table("reference")
    rows = table.take(np.arange(12), multiclass_case.features)
    background = table.take(np.arange(300, 400), multiclass_case.features)

    found = attributions(multiclass_case, rows, background, max_evaluations=2000)

    own = in_unit(multiclass_case.model.predict(rows), CLASS_LOG_ODDS).max(axis=1)
    assert found.unit == CLASS_LOG_ODDS
    assert found.output == pytest.approx(own)
    assert_adds_up(found, 1e-10)


class OnlyClasses:
    """Names a class, without probabilities."""

    feature_names_in_ = np.array(["wind", "distance"], dtype=object)

    def __init__(self, *labels: object) -> None:
        self.classes_ = np.array(labels)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return labels."""
        place = (frame["wind"] > 10).astype(int) + (frame["distance"] > 1500)
        return self.classes_[np.minimum(place, len(self.classes_) - 1)]


@pytest.mark.parametrize(
    ("task", "labels", "unit"),
    [
        ("binary", (0, 1), "class (0 or 1)"),
        ("multiclass", ("early", "late", "on time"), "class (0 or 1)"),
    ],
)
def test_model_that_only_names_classes_is_explained(
    task: str, labels: tuple[object, ...], unit: str
) -> None:
    case = in_memory_case(task, OnlyClasses(*labels))
    frame = case.table("reference").take(np.arange(80), case.features)

    found = attributions(case, frame[:20], frame[20:])

    assert found.unit == unit
    assert set(np.unique(found.output)) <= {0.0, 1.0}
    assert_adds_up(found, 1e-10)


def score(frame: pd.DataFrame) -> np.ndarray:
    return 1 / (1 + np.exp(-(frame["wind"] - 10) * (frame["distance"] > 1000)))


def test_function_is_sampled_and_its_calls_are_counted() -> None:
    case = function_case()
    frame = case.table("reference").take(np.arange(80), case.features)

    with count_calls() as spent:
        found = attributions(case, frame[:20], frame[20:])

    assert (found.method, found.unit) == (SAMPLED, "probability")
    assert found.n_pairs >= 10
    assert spent.calls == found.n_scored


def test_function_that_sleeps_is_not_assessed_in_its_budget() -> None:
    def sleeping(frame: pd.DataFrame) -> np.ndarray:
        time.sleep(0.003 * len(frame))
        return score(frame)

    case = in_memory_case("binary", sleeping)
    frame = case.table("reference").take(np.arange(60), case.features)
    began = time.perf_counter()

    with pytest.raises(NotAssessedError, match="an explanation may take 1 s") as raised:
        attributions(case, frame[:20], frame[20:], max_seconds=1.0)

    assert raised.value.code is Reason.NOT_MEASURED
    assert time.perf_counter() - began < 30


def in_memory_case(task: str, model: object) -> Case:
    file = case_file(task, model={"features": ["wind", "distance"]})
    frames = {"reference": small_frames(task)["reference"]}
    return load_case(file, frames=frames, model=model)


def function_case() -> Case:
    return in_memory_case("binary", score)


def test_expensive_sampling_explains_fewer_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "SAMPLER_WORK", 200)
    monkeypatch.setattr(door, "SAMPLER_MIN_ROWS", 4)
    case = function_case()
    frame = case.table("reference").take(np.arange(80), case.features)

    found = attributions(case, frame[:20], frame[20:], max_evaluations=600)

    assert len(found.values) == 10  # 200 / (2 x 10 pairs x 1 column to walk)


@pytest.mark.parametrize(
    ("allowed", "n_rows"),
    # 80 rows and the background's 60 again, 100 that tell the speed; then 21 a row.
    [(240 + 20 * 21, 20), (240 + 20 * 21 - 1, 19), (240 + 5 * 21, 5)],
)
def test_sampled_route_never_costs_more_than_it_may(allowed: int, n_rows: int) -> None:
    case = function_case()
    frame = case.table("reference").take(np.arange(80), case.features)

    with pytest.MonkeyPatch.context() as patch, count_calls() as spent:
        patch.setattr(door, "SAMPLER_MIN_ROWS", 5)
        found = attributions(case, frame[:20], frame[20:], max_evaluations=allowed)

    assert len(found.values) == n_rows
    assert found.n_pairs == 10
    assert spent.calls == found.n_scored <= allowed


def test_budget_too_small_for_its_first_rows_is_not_assessed() -> None:
    case = function_case()
    frame = case.table("reference").take(np.arange(80), case.features)

    with (
        pytest.raises(NotAssessedError, match="Raise the option evaluations") as raised,
        count_calls() as spent,
    ):
        attributions(case, frame[:20], frame[20:], max_evaluations=240 + 20 * 21 - 41)

    assert raised.value.code is Reason.NOT_MEASURED
    assert spent.calls == 80  # told before the first draw


def test_same_seed_gives_the_same_numbers() -> None:
    case = function_case()
    frame = case.table("reference").take(np.arange(80), case.features)

    first, again = (
        attributions(case, frame[:20], frame[20:], seed=3) for _ in range(2)
    )

    pd.testing.assert_frame_equal(first.values, again.values)


def test_stored_predictions_cannot_be_explained() -> None:
    rows = rows_of(60, 1)
    rows["late"] = (rows["late"] > 0).astype(int)
    rows["stored"] = 0.5
    file = case_file(
        "binary",
        model={"path": None, "predictions": "stored"},
        data={"time": None, "entity": None},
    )
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        attributions(case, rows[COLUMNS][:5], rows[COLUMNS][5:])

    assert raised.value.code is Reason.NO_RESCORING
