"""Small cases that tests share, made from generated tables."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from readiness.case import Case, load_case
from readiness.config import CaseFile

TARGET = "late"
FEATURES = ("wind", "distance", "visibility", "carrier", "holiday")


def generated_rows(
    n_rows: int, seed: int, *, days: int = 60, start: str = "2024-01-01"
) -> pd.DataFrame:
    """Return features, a day effect shared by the rows of a day, and what they mean.

    Columns: ``wind``, ``distance``, ``visibility`` (float, some missing), ``carrier``
    (text), ``holiday`` (bool), ``scheduled`` (time), ``plane`` (text) and ``signal``,
    from which a target is made.
    """
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, n_rows))
    effect = rng.normal(0.0, 0.5, days)[day]
    minute = rng.integers(0, 24 * 60, n_rows)
    rows = pd.DataFrame(
        {
            "wind": rng.normal(10.0, 3.0, n_rows),
            "distance": rng.integers(100, 2000, n_rows),
            "visibility": rng.uniform(0.0, 10.0, n_rows),
            "carrier": rng.choice(["AA", "DL", "UA"], n_rows, p=[0.5, 0.3, 0.2]),
            "holiday": rng.random(n_rows) < 0.1,
            "scheduled": pd.Timestamp(start)
            + pd.to_timedelta(day, unit="D")
            + pd.to_timedelta(minute, unit="min"),
            "plane": rng.integers(0, 200, n_rows).astype(str),
        }
    )
    rows["signal"] = (
        0.4 * (rows["wind"] - 10.0)
        + 0.001 * (rows["distance"] - 1000)
        + 0.8 * (rows["carrier"] == "UA")
        + effect
        + rng.normal(0.0, 1.0, n_rows)
    )
    rows.loc[rng.random(n_rows) < 0.05, "visibility"] = np.nan
    return rows


def binary_target(rows: pd.DataFrame) -> pd.Series:
    """Return 1 for late rows, about 35 in 100."""
    return (rows["signal"] > 0.6).astype("int64")


def class_target(rows: pd.DataFrame) -> pd.Series:
    """Return one of ``early``, ``late``, ``on time``."""
    cut = pd.cut(rows["signal"], [-np.inf, -0.7, 0.7, np.inf])
    return cut.cat.rename_categories(["early", "on time", "late"]).astype("str")


def number_target(rows: pd.DataFrame) -> pd.Series:
    """Return minutes of delay."""
    return 5.0 + 10.0 * rows["signal"]


TARGETS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "binary": binary_target,
    "multiclass": class_target,
    "regression": number_target,
}


def _impute(X: pd.DataFrame) -> pd.DataFrame:
    return X.fillna({"visibility": 5.0})


def fitted_model(task: str, rows: pd.DataFrame) -> Pipeline:
    """Return a linear model of the five features, fitted on `rows`."""
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        (StandardScaler(), ["wind", "distance", "visibility"]),
        remainder="passthrough",
    )
    final = LinearRegression() if task == "regression" else LogisticRegression()
    model = make_pipeline(FunctionTransformer(_impute), encode, final)
    return model.fit(rows[list(FEATURES)], TARGETS[task](rows))


def case_file(task: str = "binary", **changes: Mapping[str, Any]) -> CaseFile:
    """Return a case file; `changes` update its sections by name."""
    acceptable = {"binary": 0.65, "multiclass": 0.65, "regression": 15.0}[task]
    sections: dict[str, Any] = {
        "name": f"small-{task}",
        "title": "Will this flight be late?",
        "model": {"path": "model.skops", "task": task, "acceptable": acceptable},
        "data": {
            "reference": "reference.parquet",
            "target": TARGET,
            "time": "scheduled",
            "entity": "plane",
        },
    }
    for name, change in changes.items():
        known = sections.get(name)
        sections[name] = {**known, **change} if isinstance(known, dict) else change
    return CaseFile.model_validate(sections)


@cache
def _tables(task: str, n_rows: int) -> tuple[Mapping[str, pd.DataFrame], Pipeline]:
    tables = {
        "training": generated_rows(n_rows, 1),
        "reference": generated_rows(n_rows, 2),
        "current": generated_rows(n_rows, 3, start="2024-03-01"),
    }
    model = fitted_model(task, tables["training"])
    for rows in tables.values():
        rows[TARGET] = TARGETS[task](rows)
    return {name: rows.drop(columns="signal") for name, rows in tables.items()}, model


def small_frames(task: str = "binary", n_rows: int = 1200) -> dict[str, pd.DataFrame]:
    """Return fresh copies of the three generated tables of a task."""
    return {name: rows.copy() for name, rows in _tables(task, n_rows)[0].items()}


def small_case(
    task: str = "binary",
    *,
    n_rows: int = 1200,
    frames: Mapping[str, pd.DataFrame] | None = None,
    model: object | None = None,
    work: Path | None = None,
    **changes: Mapping[str, Any],
) -> Case:
    """Return a loaded case over generated tables in memory.

    Parameters
    ----------
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    n_rows : int
        Rows of each of training, reference and current; 60 days each.
    frames : mapping, optional
        Other tables; the features and the target are those of this module.
    model : object, optional
        Another estimator or function.
    work : pathlib.Path, optional
        Folder of the run.
    **changes : mapping
        Updates of the case file's sections, such as ``model={"acceptable": 0.9}``.
    """
    tables, fitted = _tables(task, n_rows)
    return load_case(
        case_file(task, **changes),
        frames=tables if frames is None else frames,
        model=fitted if model is None else model,
        work=work,
    )


def binary_case(**tables: pd.DataFrame) -> Case:
    """Return the small binary case, some of its tables replaced by name."""
    return small_case("binary", frames={**small_frames("binary"), **tables})


def multiclass_case(**tables: pd.DataFrame) -> Case:
    """Return the small case of three classes, some of its tables replaced."""
    return small_case("multiclass", frames={**small_frames("multiclass"), **tables})


def regression_case(**tables: pd.DataFrame) -> Case:
    """Return the small regression case, some of its tables replaced."""
    return small_case("regression", frames={**small_frames("regression"), **tables})
