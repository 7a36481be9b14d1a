"""Models pass a trust gate, get columns by name, and must return usable scores."""

import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from readiness import opening
from readiness.config import ModelSection
from readiness.errors import CaseError, InputError, ModelError, NotAssessedError, Reason
from readiness.models import Model, ModelRaisedError, load_model, wrap_model
from readiness.opening import opened_case
from readiness.trust import Loaded
from tests.cases import small_case

RNG = np.random.default_rng(5)
X = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.normal(size=80)})
Y = (X["a"] - X["b"] > 0).astype(int)
WORDS = Y.map({0: "no", 1: "yes"})
THREE = pd.cut(X["a"], [-9, -0.5, 0.5, 9], labels=["x", "y", "z"]).astype(str)
PROBABILITIES = np.full(80, 0.25)


class Payload:
    """Touches a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


def section(task: str = "binary", **keys: Any) -> ModelSection:  # noqa: ANN401 (case values)
    if not {"path", "callable", "predictions"} & set(keys):
        keys["path"] = "model.skops"
    return ModelSection.model_validate({"task": task, **keys})


def in_memory(found: object, task: str = "binary", **keys: Any) -> Model:  # noqa: ANN401 (case values)
    loaded = Loaded(found=found, format="object", sha256=None, trusted_by="memory")
    return wrap_model(loaded, section(task, **keys))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(n_estimators=3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
        make_pipeline(SimpleImputer(), KNeighborsClassifier()),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
    ],
    ids=lambda one: type(one).__name__,
)
def test_skops_model_loads_without_a_hash(
    estimator: Any,  # noqa: ANN401 (any classifier)
    tmp_path: Path,
) -> None:
    skops.io.dump(estimator.fit(X, Y), tmp_path / "model.skops")

    model = load_model(section(), tmp_path)

    assert (model.format, model.trusted_by) == ("skops", "types")
    assert model.sha256 == sha256(tmp_path / "model.skops")
    np.testing.assert_array_equal(model.predict(X), estimator.predict_proba(X)[:, 1])


def test_skops_model_of_another_hash_is_refused(tmp_path: Path) -> None:
    skops.io.dump(LogisticRegression().fit(X, Y), tmp_path / "model.skops")

    with pytest.raises(ModelError, match="Find out who changed it") as caught:
        load_model(section(sha256="0" * 64), tmp_path)

    assert caught.value.code is Reason.MODEL_UNTRUSTED


def test_unknown_type_in_a_skops_file_is_named_and_refused(tmp_path: Path) -> None:
    """T04: the file's own list of types is never passed back."""
    estimator = FunctionTransformer(os.path.exists)
    skops.io.dump(estimator, tmp_path / "model.skops")

    with pytest.raises(ModelError, match=r"genericpath\.exists") as caught:
        load_model(section(), tmp_path)

    assert caught.value.code is Reason.MODEL_UNTRUSTED


@pytest.mark.parametrize(
    "name",
    ["model.pkl", "model.joblib", "model.skops", "model.json"],
    ids=["T01-pickle", "T01-joblib", "T02-skops", "T02-json"],
)
def test_pickle_is_refused_under_any_name_and_runs_nothing(
    name: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / name).write_bytes(pickle.dumps(Payload(marker)))

    with pytest.raises(ModelError, match="can run code") as caught:
        load_model(section(path=name), tmp_path)

    assert caught.value.code is Reason.MODEL_UNTRUSTED
    assert not marker.exists()


def test_pickle_of_another_hash_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Payload(marker)))

    with pytest.raises(ModelError, match="the case file names"):
        load_model(section(path="model.pkl", sha256="a" * 64), tmp_path)

    assert not marker.exists()


def test_zip_that_is_no_skops_file_counts_as_code(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("payload.pkl", b"")

    with pytest.raises(ModelError, match="can run code"):
        load_model(section(), tmp_path)


@pytest.mark.parametrize("suffix", ["joblib", "pkl"])
def test_pickle_loads_when_the_case_names_its_hash(suffix: str, tmp_path: Path) -> None:
    estimator = LogisticRegression().fit(X, Y)
    path = tmp_path / f"model.{suffix}"
    joblib.dump(estimator, path, compress=3)

    model = load_model(section(path=path.name, sha256=sha256(path)), tmp_path)

    assert model.format == {"joblib": "joblib", "pkl": "pickle"}[suffix]
    assert model.trusted_by == "sha256 in the case file"
    np.testing.assert_array_equal(model.predict(X), estimator.predict_proba(X)[:, 1])


def test_warning_at_loading_becomes_a_note(tmp_path: Path) -> None:
    """F058: a model saved by another library version."""
    estimator = LogisticRegression().fit(X, Y)
    state = estimator.__getstate__()
    content = pickle.dumps(estimator).replace(
        state["_sklearn_version"].encode(), b"1.0.0"[: len(state["_sklearn_version"])]
    )
    (tmp_path / "model.pkl").write_bytes(content)
    trusted = section(path="model.pkl", sha256=sha256(tmp_path / "model.pkl"))

    model = load_model(trusted, tmp_path)

    assert "LogisticRegression from version 1.0.0" in model.notes[0]


def test_strict_run_refuses_a_model_that_warns_f058(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = small_case()
    noted = replace(sound, model=replace(sound.model, notes=("of version 1.0.0",)))
    monkeypatch.setattr(opening, "load_case", lambda *_, **__: noted)
    file = tmp_path / "case.toml"
    file.write_text("")

    with pytest.raises(ModelError, match="without a warning: of version"):
        opened_case(file, None, {"strict": True}, "")

    assert opened_case(file, None, {"strict": False}, "") is noted


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"no model", "cannot be loaded"), (b"", "cannot be loaded")],
    ids=["text", "empty"],
)
def test_content_that_is_no_model_is_an_error(
    content: bytes, match: str, tmp_path: Path
) -> None:
    (tmp_path / "m.pkl").write_bytes(content)

    with pytest.raises(ModelError, match=match) as caught:
        load_model(section(path="m.pkl", sha256=sha256(tmp_path / "m.pkl")), tmp_path)

    assert caught.value.code is Reason.MODEL_LOAD


def test_broken_skops_file_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{")

    with pytest.raises(ModelError, match="no whole skops file"):
        load_model(section(), tmp_path)


def test_missing_package_is_named(tmp_path: Path) -> None:
    """F131: the model needs an import that is not there."""
    stream = io.BytesIO()
    stream.write(b"cabsent_package\nModel\n.")
    (tmp_path / "m.pkl").write_bytes(stream.getvalue())

    with pytest.raises(ModelError, match="'absent_package'"):
        load_model(section(path="m.pkl", sha256=sha256(tmp_path / "m.pkl")), tmp_path)


@pytest.mark.parametrize(
    ("path", "match"),
    [("absent.skops", "No such file"), (".", "is a folder")],
    ids=["F045-missing", "F045-folder"],
)
def test_unreadable_model_is_an_input_error(
    path: str, match: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load_model(section(path=path), tmp_path)

    assert caught.value.code is Reason.INPUT


CODE = """
from dataclasses import dataclass

@dataclass
class Answer:
    value: float

def score(frame):
    return frame["a"] * 0 + Answer(0.5).value
"""


def test_function_beside_the_case_needs_its_hash(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "m.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")

    with pytest.raises(ModelError, match="can run code"):
        load_model(section(callable="m.py:score"), tmp_path)

    assert not marker.exists()


def test_function_beside_the_case_is_called(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(CODE)
    digest = sha256(tmp_path / "m.py")

    model = load_model(section(callable="m.py:score", sha256=digest), tmp_path)

    assert (model.format, model.sha256) == ("callable", digest)
    assert model.predict(X[:3]).tolist() == [0.5, 0.5, 0.5]


def test_function_of_a_package_is_called() -> None:
    model = load_model(section(callable="numpy:nanmax", task="regression"), Path())

    assert model.trusted_by == "installed package"
    assert model.estimator is np.nanmax


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("function", CaseError, "package.module:function"),
        ("../m.py:score", CaseError, "Copy the file there"),
        ("absent.module:score", ModelError, "cannot be imported"),
        ("numpy:absent", ModelError, "no function 'absent'"),
        ("absent.py:score", InputError, "No such file"),
    ],
)
def test_callable_that_does_not_exist_is_an_error(
    name: str, error: type[Exception], match: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=match):
        load_model(section(callable=name, sha256="0" * 64), tmp_path)


def test_stored_predictions_cannot_score_again() -> None:
    model = load_model(section(predictions="p"), Path())

    with pytest.raises(NotAssessedError) as caught:
        model.predict(X)

    assert caught.value.code is Reason.NO_RESCORING


def test_columns_go_to_the_model_by_name_in_its_order() -> None:
    """F065, F066: reordered columns and one too many change nothing."""
    estimator = LogisticRegression().fit(X, Y)

    scores = in_memory(estimator).predict(X[["b", "a"]].assign(extra="x"))

    np.testing.assert_array_equal(scores, estimator.predict_proba(X)[:, 1])


def test_model_without_names_gets_an_array() -> None:
    estimator = LogisticRegression().fit(X.to_numpy(), Y)

    model = in_memory(estimator)

    assert model.features is None
    np.testing.assert_array_equal(
        model.predict(X), estimator.predict_proba(X.to_numpy())[:, 1]
    )


def test_missing_feature_is_not_assessed() -> None:
    """F064: no prediction is guessed."""
    model = in_memory(LogisticRegression().fit(X, Y))

    with pytest.raises(NotAssessedError, match="'b'") as caught:
        model.predict(X[["a"]])

    assert caught.value.code is Reason.SCHEMA


def test_model_that_alters_its_input_alters_a_copy_f128() -> None:
    frame = X.copy()

    def score(rows: pd.DataFrame) -> pd.Series:
        rows["a"] = 0.0
        return rows["a"]

    in_memory(score).predict(frame)

    pd.testing.assert_frame_equal(frame, X)


def test_positive_class_is_found_in_the_class_list_not_by_its_place() -> None:
    """F122: class order unlike labels."""
    estimator = LogisticRegression().fit(X, WORDS)

    default, declared = in_memory(estimator), in_memory(estimator, positive="no")

    assert (default.positive, declared.positive) == ("yes", "no")
    np.testing.assert_allclose(default.predict(X) + declared.predict(X), 1.0)


def test_multiclass_scores_are_in_the_order_of_the_classes() -> None:
    estimator = LogisticRegression().fit(X, THREE)

    model = in_memory(estimator, "multiclass")

    assert model.classes == ("x", "y", "z")
    np.testing.assert_array_equal(model.predict(X), estimator.predict_proba(X))


@pytest.mark.parametrize(
    ("labels", "task", "expected"),
    [(WORDS, "binary", {0.0, 1.0}), (THREE, "multiclass", {0.0, 1.0, 2.0})],
    ids=["F118-binary", "F118-multiclass"],
)
def test_model_without_probabilities_gives_class_codes(
    labels: pd.Series, task: str, expected: set[float]
) -> None:
    model = in_memory(RidgeClassifier().fit(X, labels), task)

    codes = model.predict(X)

    assert model.outputs == "class"
    assert set(codes) <= expected
    assert np.mean(codes == pd.Categorical(labels).codes) > 0.8


@pytest.mark.parametrize(
    ("scores", "task"),
    [
        (PROBABILITIES, "binary"),
        (PROBABILITIES[:, None], "binary"),
        (sparse.csr_array(PROBABILITIES[:, None]), "binary"),
        (PROBABILITIES.tolist(), "regression"),
        (PROBABILITIES[:, None], "regression"),
    ],
    ids=["F119-n", "F119-n1", "F132-sparse", "list", "F119-regression"],
)
def test_scores_of_the_contract_are_taken(scores: object, task: str) -> None:
    model = in_memory(lambda _: scores, task)

    assert model.predict(X).tolist() == PROBABILITIES.tolist()


def with_classes(scores: object, classes: list[Any]) -> Callable[..., object]:
    def score(_: pd.DataFrame) -> object:
        return scores

    score.classes_ = classes  # type: ignore[attr-defined]  # a function may say so
    return score


def test_function_that_lists_its_classes_may_return_one_column_each() -> None:
    two = np.column_stack([PROBABILITIES, 1 - PROBABILITIES])

    model = in_memory(with_classes(two, ["yes", "no"]), positive="yes")

    assert model.predict(X).tolist() == PROBABILITIES.tolist()


TWO_SUMS = np.column_stack([PROBABILITIES, PROBABILITIES])


@pytest.mark.parametrize(
    ("function", "task", "match"),
    [
        (lambda _: PROBABILITIES[:-1], "binary", r"shape \(79,\) for 80 rows"),
        (lambda _: 0.5, "binary", r"one score per row"),
        (lambda _: TWO_SUMS, "regression", r"shape \(80,\)"),
        (lambda _: TWO_SUMS, "binary", "attribute classes_"),
        (with_classes(TWO_SUMS, ["a", "b", "c"]), "multiclass", r"\(80, 3\)"),
        (lambda _: PROBABILITIES * np.nan, "binary", "80 of 80 are NaN"),
        (lambda _: PROBABILITIES / 0.0, "regression", "80 of 80 are NaN or inf"),
        (lambda _: PROBABILITIES + 1, "binary", r"80 of 80 do not, first 1\.25"),
        (lambda _: PROBABILITIES - 1, "binary", r"first -0\.75"),
        (with_classes(TWO_SUMS, [0, 1]), "binary", "sum to 1 in every row; 80 of 80"),
        (lambda _: ["high"] * 80, "regression", "must be numbers"),
    ],
    ids=[
        "F119-short",
        "F119-scalar",
        "F119-columns",
        "F122-no-class-list",
        "F119-classes",
        "F120-nan",
        "F120-inf",
        "F121-above",
        "F121-below",
        "F121-sum",
        "F132-text",
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_unusable_scores_are_a_model_error(
    function: Callable[..., object], task: str, match: str
) -> None:
    model = in_memory(function, task)

    with pytest.raises(ModelError, match=match) as caught:
        model.predict(X)

    assert caught.value.code is Reason.MODEL_SCORES


def test_label_outside_the_class_list_is_a_model_error() -> None:
    class Odd(RidgeClassifier):
        def predict(self, X: pd.DataFrame) -> Any:  # noqa: ANN401 (labels)
            return np.array(["maybe"] * len(X))

    model = in_memory(Odd().fit(X, WORDS))

    with pytest.raises(ModelError, match="'maybe'"):
        model.predict(X)


def test_model_that_raises_is_told_apart_from_unusable_scores() -> None:
    """F123: what it raised is named."""

    def score(_: pd.DataFrame) -> None:
        msg = "no route\nsecond line"
        raise LookupError(msg)

    with pytest.raises(ModelRaisedError, match=r"LookupError on 80 rows: no route$"):
        in_memory(score).predict(X)


@pytest.mark.parametrize(
    ("found", "keys", "error", "match"),
    [
        (3, {}, ModelError, "its type is 'int'"),
        (LinearRegression(), {}, ModelError, "must list them in classes_"),
        (lambda _: 0, {"task": "multiclass"}, ModelError, "classes_"),
        (
            LogisticRegression().fit(X, Y),
            {"task": "regression"},
            CaseError,
            "predicts classes",
        ),
        (LogisticRegression().fit(X, THREE), {}, CaseError, "has 3 classes"),
        (
            LogisticRegression().fit(X, WORDS),
            {"positive": "maybe"},
            CaseError,
            r"\['no', 'yes'\].*'maybe'",
        ),
    ],
    ids=["object", "F122-absent", "F122-function", "regression", "binary", "F112"],
)
def test_model_that_does_not_fit_the_task_is_refused(
    found: object, keys: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        in_memory(found, **keys)
