"""Native LightGBM and XGBoost files score as the libraries do, by column name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.errors import CaseError, ModelError, Reason
from readiness.models import Model, load_model
from readiness.runner import run_review
from readiness.trust import load_file
from tests.test_models import section, sha256

lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm")
xgboost = pytest.importorskip("xgboost", reason="the extra xgboost")

RNG = np.random.default_rng(9)
N = 600
ROWS = pd.DataFrame(
    {
        "delay": RNG.normal(size=N),
        "carrier": RNG.choice(["AA", "DL", "UA"], N),
        "seats": RNG.integers(50, 300, N).astype(float),
        "origin": RNG.choice(["EWR", "JFK"], N),
    }
)
ROWS.loc[::7, "seats"] = np.nan
SCORE = ROWS["delay"] + (ROWS["carrier"] == "AA") - (ROWS["origin"] == "JFK")
TARGETS = {
    "binary": (SCORE > 0).astype(int),
    "multiclass": pd.cut(SCORE, [-9, -0.7, 0.7, 9], labels=False),
    "regression": SCORE,
}
KINDS = ("lightgbm", "xgboost")
FILES = {"lightgbm": "model.txt", "xgboost": "model.json"}


def categorical(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({"carrier": "category", "origin": "category"})


def fitted(kind: str, task: str) -> Any:  # noqa: ANN401 (an extra's estimator)
    makers = {
        ("lightgbm", False): lightgbm.LGBMClassifier,
        ("lightgbm", True): lightgbm.LGBMRegressor,
        ("xgboost", False): xgboost.XGBClassifier,
        ("xgboost", True): xgboost.XGBRegressor,
    }
    options = (
        {"verbose": -1, "num_threads": 1}
        if kind == "lightgbm"
        else {"enable_categorical": True, "n_jobs": 1}
    )
    maker = makers[kind, task == "regression"]
    return maker(n_estimators=20, **options).fit(categorical(ROWS), TARGETS[task])


def save(found: Any, kind: str, folder: Path) -> Path:  # noqa: ANN401 (an extra's estimator)
    path = folder / FILES[kind]
    if kind == "lightgbm":
        found.booster_.save_model(path)
    else:
        found.save_model(path)
    return path


def loaded(path: Path, task: str) -> Model:
    keys: dict[str, Any] = {"positive": 1} if task == "binary" else {}
    written = section(task, path=path.name, sha256=sha256(path), **keys)
    return load_model(written, path.parent)


def answer(found: Any, task: str) -> Any:  # noqa: ANN401 (an array)
    rows = categorical(ROWS)
    if task == "regression":
        return found.predict(rows)
    scores = found.predict_proba(rows)
    return scores[:, 1] if task == "binary" else scores


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_library(kind: str, task: str, tmp_path: Path) -> None:
    found = fitted(kind, task)

    model = loaded(save(found, kind, tmp_path), task)

    assert (model.format, model.trusted_by) == (kind, "sha256 in the case file")
    np.testing.assert_array_equal(model.predict(ROWS), answer(found, task))


@pytest.mark.parametrize("kind", KINDS)
def test_other_order_of_columns_or_categories_scores_the_same(
    kind: str, tmp_path: Path
) -> None:
    """LightGBM alone would take the columns by place, silently."""
    model = loaded(save(fitted(kind, "binary"), kind, tmp_path), "binary")
    turned = ROWS[["origin", "seats", "carrier", "delay"]]
    coded = turned.assign(
        carrier=pd.Categorical(turned["carrier"], ["UA", "new", "AA", "DL"])
    )

    np.testing.assert_array_equal(model.predict(turned), model.predict(ROWS))
    np.testing.assert_array_equal(model.predict(coded), model.predict(ROWS))


@pytest.mark.parametrize("kind", KINDS)
def test_unseen_category_counts_as_missing(kind: str, tmp_path: Path) -> None:
    model = loaded(save(fitted(kind, "binary"), kind, tmp_path), "binary")

    unseen = model.predict(ROWS.assign(carrier="ZZ"))
    missing = model.predict(ROWS.assign(carrier=None))

    np.testing.assert_array_equal(unseen, missing)


@pytest.mark.parametrize("kind", KINDS)
def test_file_of_code_s_rank_needs_its_hash(kind: str, tmp_path: Path) -> None:
    """T05: trusted like code."""
    path = save(fitted(kind, "binary"), kind, tmp_path)

    with pytest.raises(ModelError, match="can run code") as caught:
        load_file(path.name, None, tmp_path)

    assert caught.value.code is Reason.MODEL_UNTRUSTED


def test_file_cut_short_is_no_model(tmp_path: Path) -> None:
    path = save(fitted("xgboost", "binary"), "xgboost", tmp_path)
    path.write_bytes(path.read_bytes()[:300])

    with pytest.raises(ModelError, match="no whole file"):
        loaded(path, "binary")


def test_model_without_column_names_is_refused(tmp_path: Path) -> None:
    """F067: an array has no names, and a reordered table would go unnoticed."""
    X = ROWS[["delay", "seats"]].to_numpy()
    found = xgboost.XGBClassifier(n_estimators=2).fit(X, TARGETS["binary"])

    with pytest.raises(ModelError, match="names no columns"):
        loaded(save(found, "xgboost", tmp_path), "binary")


def test_model_that_gives_raw_margins_is_refused(tmp_path: Path) -> None:
    found = xgboost.XGBClassifier(n_estimators=2, objective="binary:logitraw")
    found.fit(ROWS[["delay", "seats"]], TARGETS["binary"])

    with pytest.raises(ModelError, match="neither probabilities nor values"):
        loaded(save(found, "xgboost", tmp_path), "binary")


def test_early_stopping_keeps_the_best_round(tmp_path: Path) -> None:
    X, y = ROWS[["delay", "seats"]], RNG.integers(0, 2, N)
    found = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3)
    found.fit(X[:400], y[:400], eval_set=[(X[400:], y[400:])], verbose=False)
    assert found.best_iteration < 30

    model = loaded(save(found, "xgboost", tmp_path), "binary")

    np.testing.assert_array_equal(model.predict(X), found.predict_proba(X)[:, 1])


def test_multiclass_function_of_codes_fits_a_task_of_two_classes_only_if_binary(
    tmp_path: Path,
) -> None:
    path = save(fitted("lightgbm", "multiclass"), "lightgbm", tmp_path)

    with pytest.raises(CaseError, match="has 3 classes"):
        loaded(path, "binary")


def written_case(folder: Path, kind: str) -> Path:
    path = save(fitted(kind, "binary"), kind, folder)
    rows = ROWS.assign(
        late=TARGETS["binary"],
        day=pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(N) // 12, "D"),
    )
    for name, part in {"reference": rows[:400], "current": rows[400:]}.items():
        part.to_parquet(folder / f"{name}.parquet")
    case = folder / "case.toml"
    case.write_text(f"""
name = "native"
title = "Will it be late?"
tier = "low"
[model]
path = {json.dumps(path.name)}
sha256 = "{sha256(path)}"
task = "binary"
positive = 1
acceptable = 0.6
[data]
reference = "reference.parquet"
current = "current.parquet"
target = "late"
time = "day"
""")
    return case


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize("kind", KINDS)
def test_native_model_is_reviewed_from_end_to_end(kind: str, tmp_path: Path) -> None:
    summary = run_review(written_case(tmp_path, kind), out=tmp_path / "runs")

    assert summary.reason is None
    assert summary.index_path is not None
    results = json.loads(summary.index_path.with_name("results.json").read_text())
    assert results["facts"]["model_format"] == kind
    crashed = [one["code"] for one in results["checks"] if one["reason"] == "CRASH"]
    assert crashed == []
    headline = next(one for one in results["checks"] if one["code"] == "P1")
    assert headline["findings"][0]["value"] > 0.9


def child_missing(text: str) -> str:
    """Point the first tree at a node that is not there."""
    line = next(one for one in text.splitlines() if one.startswith("left_child="))
    return text.replace(line, f"left_child=99999999{line[line.index(' ') :]}")


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    "craft", [child_missing, lambda text: text[:300]], ids=["index", "cut short"]
)
def test_crafted_file_ends_its_own_process_only(
    craft: Callable[[str], str], tmp_path: Path
) -> None:
    """T05: LightGBM reads beyond its memory; the parent says so and goes on."""
    case = written_case(tmp_path, "lightgbm")
    path = tmp_path / FILES["lightgbm"]
    before = sha256(path)
    path.write_text(craft(path.read_text()))
    case.write_text(case.read_text().replace(before, sha256(path)))

    summary = run_review(case, out=tmp_path / "runs", only=["baseline"])

    assert (summary.exit_code, summary.reason) == (3, "KERNEL_DIED")
