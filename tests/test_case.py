"""A case is validated once; what is wrong is said with the key and a way out."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression

from readiness.case import Case, load_case
from readiness.errors import CaseError, NotAssessedError, Reason
from tests.cases import FEATURES, case_file, small_case, small_frames
from tests.coverage_cases import measure

X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
NUMBERS = LogisticRegression().fit(X, [0, 0, 1, 1])
TIMES = pd.date_range("2024-01-01", periods=4)


def tiny(
    target: Any = (0, 0, 1, 1),  # noqa: ANN401 (any labels)
    *,
    model: object = NUMBERS,
    keys: dict[str, Any] | None = None,
    rows: dict[str, Any] | None = None,
    current: pd.DataFrame | None = None,
    columns: dict[str, Any] | None = None,
    **data: Any,  # noqa: ANN401 (case values)
) -> Case:
    """Load four rows of `a`, `b` and a target called `y`."""
    frame = X.assign(y=list(target), **(rows or {}))
    file = {
        "name": "tiny",
        "title": "Tiny",
        "model": {"path": "m.skops", "task": "binary", **(keys or {})},
        "data": {"reference": "r.parquet", "target": "y", **data},
        "columns": columns or {},
    }
    frames = {"reference": frame} | ({} if current is None else {"current": current})
    checked = case_file().model_validate_json(json.dumps(file))
    return load_case(checked, frames=frames, model=model)


def test_case_offers_what_checks_ask_for(binary_case: Case) -> None:
    assert binary_case.name == "small-binary"
    assert binary_case.features == FEATURES
    assert {name: one.kind for name, one in binary_case.columns.items()} == {
        "wind": "numeric",
        "distance": "numeric",
        "visibility": "numeric",
        "carrier": "categorical",
        "holiday": "boolean",
    }
    assert (binary_case.classes, binary_case.positive) == ((0, 1), 1)
    assert (binary_case.metric.name, binary_case.higher_is_better) == ("roc_auc", True)
    assert (binary_case.acceptable, binary_case.tolerated_loss) == (0.65, 0.02)
    assert binary_case.block == "1d"
    assert binary_case.labelled_tables() == ("reference", "current")
    assert binary_case.training_or_reference().name == "training"


def test_training_is_never_a_table_to_judge_by(multiclass_case: Case) -> None:
    assert multiclass_case.has_labels("training")
    assert "training" not in multiclass_case.labelled_tables()
    assert multiclass_case.classes == ("early", "late", "on time")


def test_regression_has_no_classes(regression_case: Case) -> None:
    assert (regression_case.classes, regression_case.positive) == ((), None)
    assert regression_case.higher_is_better is False


def test_absent_table_is_not_assessed() -> None:
    case = tiny()

    with pytest.raises(NotAssessedError, match=r"data\.current") as caught:
        case.table("current")

    assert caught.value.code is Reason.NO_TABLE
    assert case.has("current") is False
    assert case.training_or_reference().name == "reference"
    assert case.block is None


def test_acceptable_value_must_be_declared() -> None:
    with pytest.raises(NotAssessedError) as caught:
        _ = tiny().acceptable

    assert caught.value.code is Reason.NO_ACCEPTABLE


def test_case_file_with_paths_is_loaded_from_its_folder(tmp_path: Path) -> None:
    X.assign(y=[0, 0, 1, 1]).to_parquet(tmp_path / "r.parquet")
    X.assign(y=[1, 0, 1, 1]).to_csv(tmp_path / "c.csv", index=False)
    skops.io.dump(NUMBERS, tmp_path / "m.skops")
    path = tmp_path / "case.toml"
    path.write_text(
        'name = "tiny"\ntitle = "Tiny"\n[model]\npath = "m.skops"\ntask = "binary"\n'
        '[data]\nreference = "r.parquet"\ntarget = "y"\n'
    )

    case = load_case(str(path), current=tmp_path / "c.csv", work=tmp_path / "work")

    assert case.model.format == "skops"
    assert list(case.tables) == ["reference", "current"]
    assert case.tables["current"].files == ("c.csv",)
    assert case.work == tmp_path / "work"


def test_private_folder_goes_away_with_the_case() -> None:
    case = tiny()
    folder = case.work

    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    del case
    assert not folder.exists()


def test_case_that_cannot_be_loaded_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = tiny()  # the one folder of two loads

    with pytest.raises(CaseError):
        load_case(case_file(), frames={}, model=NUMBERS)

    assert list(tmp_path.iterdir()) == [kept.work]


@pytest.mark.parametrize(
    ("frames", "match"),
    [({}, "must hold 'reference'"), ({"reference": X, "test": X}, "'test'")],
)
def test_frames_must_be_named_like_tables(
    frames: dict[str, pd.DataFrame], match: str
) -> None:
    with pytest.raises(CaseError, match=match):
        load_case(case_file(), frames=frames, model=NUMBERS)


def test_target_absent_in_reference_is_an_error() -> None:
    """F063: nothing can be said without a label."""
    file = case_file(data={"target": "label", "time": None, "entity": None})

    with pytest.raises(CaseError, match=r"data\.target.*'label'.*Known columns: 'a'"):
        load_case(file, frames={"reference": X.assign(y=1)}, model=NUMBERS)


def test_target_absent_in_current_leaves_label_checks_unassessed() -> None:
    """F063: the rest of the review runs."""
    case = tiny(current=X)

    assert case.labelled_tables() == ("reference",)


def test_target_of_nulls_is_no_label() -> None:
    """F088: an all-null column is not usable."""
    case = tiny(current=X.assign(y=pd.array([None] * 4, dtype="Int64")))

    assert case.labelled_tables() == ("reference",)


def test_feature_that_a_table_lacks_is_told_not_raised() -> None:
    """F064: C0 fails on it; nothing is guessed."""
    case = tiny(current=X[["b"]])

    assert case.missing_features("current") == ("a",)
    assert case.missing_features("reference") == ()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2", "3", "4"], {"a": ("numeric", "categorical")}),
        (list(TIMES), {"a": ("numeric", "time")}),
        ([[1], [2], [3], [4]], {"a": ("numeric", "unusable")}),
        ([True, False, True, True], {}),
        ([None] * 4, {}),
        ([1, 2, 3, 4], {}),
    ],
    ids=["F068", "time", "F104-list", "bool", "F088", "int"],
)
def test_feature_of_another_kind_is_told_with_both_kinds(
    cells: list[object], expected: dict[str, tuple[str, str]]
) -> None:
    case = tiny(current=X.assign(a=pd.Series(cells)))

    assert case.retyped_features("current") == expected


def test_extra_columns_are_no_features() -> None:
    """F065: dropped before the model sees them, and counted."""
    case = tiny(rows={"extra": "x"})

    notes = measure("schema", case).notes

    assert case.features == ("a", "b")
    assert (
        "reference: 1 column is beyond the model's features, and not used: extra."
    ) in notes


UNNAMED = LogisticRegression().fit(X.to_numpy(), [0, 0, 1, 1])


def test_model_without_names_needs_the_order_declared() -> None:
    """F067: reordered data must not change scores silently."""
    with pytest.raises(CaseError, match=r"model\.features"):
        tiny(model=UNNAMED)


def test_declared_order_is_the_order_of_a_model_without_names() -> None:
    """F067: and no other."""
    case = tiny(model=UNNAMED, keys={"features": ["b", "a"]})

    assert case.features == ("b", "a")


def half(frame: pd.DataFrame) -> np.ndarray:
    return np.full(len(frame), 0.5)


def test_function_gets_every_column_without_a_role() -> None:
    roles = {"when": TIMES, "who": "p", "w": 1.0, "id": 1, "site": "s"}

    case = tiny(
        model=half,
        rows=roles,
        time="when",
        entity="who",
        weight="w",
        ignore=["id"],
        block="site",
    )

    assert case.features == ("a", "b")


def test_roles_never_remove_a_feature_of_the_model() -> None:
    assert tiny(entity="a").features == ("a", "b")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"time": "when"}, r"data\.time.*'when'"),
        ({"entity": "who"}, r"data\.entity.*'who'"),
        ({"weight": "w"}, r"data\.weight.*'w'"),
        ({"block": "site"}, r"data\.block.*'site'"),
        ({"block": "1d"}, r"data\.block is '1d', which needs data\.time"),
        ({"ignore": ["id"]}, r"data\.ignore.*'id'"),
        ({"columns": {"c": {}}}, r"columns\.c.*Known columns: 'a', 'b', 'y'"),
        ({"keys": {"features": ["a"]}}, r"model\.features.*'b'"),
        ({"model": half, "keys": {"features": []}}, "at least one feature"),
        ({"model": half, "keys": {"features": ["a", "a"]}}, "each named once"),
        ({"model": half, "ignore": ["a", "b"]}, "at least one feature"),
        ({"columns": {"a": {"kind": "time"}}}, r"columns\.a\.kind is 'time'"),
        ({"keys": {"metric": "accurracy"}}, "accurracy"),
        ({"time": "a"}, r"data\.time must hold dates"),
        ({"model": None, "keys": {"path": None, "predictions": "p"}}, "'p'"),
    ],
    ids=[
        "time",
        "entity",
        "weight",
        "block",
        "block without time",
        "ignore",
        "columns",
        "features of the model",
        "F062-declared",
        "twice",
        "F062-ignored",
        "kind",
        "metric",
        "time is a number",
        "predictions",
    ],
)
def test_case_that_names_what_is_not_there_is_an_error_f054(
    change: dict[str, Any], match: str
) -> None:
    with pytest.raises(CaseError, match=match):
        tiny(**change)


def test_long_list_of_known_columns_is_cut() -> None:
    wide = {f"c{place:02d}": 0 for place in range(20)}

    with pytest.raises(CaseError, match="and 11 more"):
        tiny(rows=wide, time="when")


@pytest.mark.parametrize(
    ("weights", "n_bad"),
    [
        ([1.0, -1.0, 1.0, 1.0], 1),
        ([1.0, None, 1.0, None], 2),
        ([1.0, float("inf"), 1.0, 1.0], 1),
        ([0.0, 0.0, 0.0, 0.0], 0),
    ],
    ids=["F114-negative", "F114-null", "F114-infinite", "F114-all-zero"],
)
def test_unusable_weights_are_an_error(weights: list[float], n_bad: int) -> None:
    with pytest.raises(CaseError, match=f"{n_bad} of 4 in 'w'"):
        tiny(rows={"w": weights}, weight="w")


def test_weight_of_zero_beside_others_is_allowed_f114() -> None:
    case = tiny(rows={"w": [0.0, 1.0, 2.0, 0.0]}, weight="w")

    assert case.file.data.weight == "w"


def test_weights_of_text_are_an_error() -> None:
    with pytest.raises(CaseError, match="must be numeric; 'w' holds"):
        tiny(rows={"w": "1"}, weight="w")


def test_zero_weights_are_allowed_beside_others() -> None:
    assert tiny(rows={"w": [0.0, 1.0, 0.0, 2.0]}, weight="w").file.data.weight == "w"


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ([0.0, 0.0, 1.0, 1.0], (0, 1)),
        ([False, False, True, True], (0, 1)),
        (pd.array([0, None, 1, 1], dtype="Int64"), (0, 1)),
        ([1, 1, 1, 1], (0, 1)),
    ],
    ids=["F112-float", "bool", "F109-null", "F107-one-class"],
)
def test_labels_equal_to_the_classes_of_the_model_are_taken(
    target: Any,  # noqa: ANN401 (any labels)
    classes: tuple[int, int],
) -> None:
    assert tiny(target).classes == classes


def test_labels_of_another_type_are_an_error() -> None:
    """F112: text labels for a model fitted on numbers."""
    with pytest.raises(CaseError, match=r"\[0, 1\].*\['0', '1'\]"):
        tiny(["0", "0", "1", "1"])


def test_declared_positive_comes_last_in_the_classes() -> None:
    case = tiny(keys={"positive": 0})

    assert (case.classes, case.positive, case.model.positive) == ((1, 0), 0, 0)


@pytest.mark.parametrize(
    ("target", "positive", "classes"),
    [
        ([0, 0, 1, 1], None, (0, 1)),
        ([True, False, True, False], None, (False, True)),
        (["n", "n", "y", "y"], "y", ("n", "y")),
        (["n", "n", "y", "y"], "n", ("y", "n")),
        ([1, 1, 1, 1], None, ("not 1", 1)),
        ([0, 0, 0, 0], None, (0, 1)),
        (["y"] * 4, "y", ("not y", "y")),
    ],
)
def test_function_takes_its_classes_from_the_reference(
    target: list[object], positive: object, classes: tuple[object, object]
) -> None:
    keys = {} if positive is None else {"positive": positive}

    case = tiny(target, model=half, keys=keys)

    assert case.classes == classes
    assert case.model.positive == case.positive == classes[1]


@pytest.mark.parametrize(
    ("target", "keys", "match"),
    [
        (["n", "n", "y", "y"], {}, r"model\.positive must name one label.*'n', 'y'"),
        (["n", "n", "y", "y"], {"positive": "yes"}, r"model\.positive"),
        (["a", "b", "c", "c"], {"positive": "a"}, "has 3 labels"),
        ([0, 1, 2, 2], {"positive": 1}, "Set task to 'multiclass'"),
    ],
    ids=["F112-text", "F112-positive", "three", "numbers"],
)
def test_labels_that_do_not_tell_the_positive_class_are_an_error(
    target: list[object], keys: dict[str, Any], match: str
) -> None:
    with pytest.raises(CaseError, match=match):
        tiny(target, model=half, keys=keys)


@pytest.mark.parametrize("target", [[1, 2, 3, 4], [True, False, True, True]])
def test_target_of_a_regression_may_be_any_number(target: list[object]) -> None:
    fitted = LinearRegression().fit(X, [1, 2, 3, 4])

    assert tiny(target, model=fitted, keys={"task": "regression"}).classes == ()


def test_target_of_a_regression_must_be_numeric() -> None:
    fitted = LinearRegression().fit(X, [1, 2, 3, 4])

    with pytest.raises(CaseError, match="must be numeric"):
        tiny(list("abcd"), model=fitted, keys={"task": "regression"})


STORED = {"path": None, "predictions": "p"}


@pytest.mark.parametrize(
    ("task", "target", "predictions", "outputs", "classes"),
    [
        ("binary", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "probability", (0, 1)),
        ("binary", [0, 0, 1, 1], [0, 1, 1, 1], "class", (0, 1)),
        ("multiclass", list("abca"), list("abdd"), "class", ("a", "b", "c", "d")),
        ("regression", [1.0, 2, 3, 4], [1.0, 2, 3, 5], "value", ()),
    ],
)
def test_stored_predictions_tell_by_their_type_what_they_are(
    task: str,
    target: list[object],
    predictions: list[object],
    outputs: str,
    classes: tuple[object, ...],
) -> None:
    case = tiny(
        target, model=None, keys={**STORED, "task": task}, rows={"p": predictions}
    )

    assert (case.model.outputs, case.classes) == (outputs, classes)
    assert case.features == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("categorical", [1, 2, 3, 4]),
        ("boolean", [0, 1, 0, 1]),
        ("boolean", ["Y", "N", "Y", "N"]),
        ("numeric", [True, False, True, True]),
        ("time", list(TIMES)),
    ],
)
def test_declared_kind_wins_where_it_fits(kind: str, cells: list[object]) -> None:
    case = tiny(
        model=half, rows={"c": cells}, columns={"c": {"kind": kind, "unit": "mph"}}
    )

    assert (case.columns["c"].kind, case.columns["c"].unit) == (kind, "mph")


def test_kind_of_a_feature_in_no_table_is_a_category() -> None:
    case = tiny(model=half, keys={"features": ["a", "gone"]})

    assert case.columns["gone"].kind == "categorical"


def test_replaced_table_is_used() -> None:
    frames = small_frames()
    frames["reference"] = frames["reference"].head(10)

    assert small_case(frames=frames).table("reference").n_rows == 10
