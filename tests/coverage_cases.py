"""Cases with any features, for the coverage checks, which never ask the model."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case, load_case
from readiness.config import CaseFile
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Check, Finding, Measurement, Options
from tests.judging import TODAY, policy_with

TARGET = "y"


def half(frame: pd.DataFrame) -> np.ndarray:
    """Return one half for every row."""
    return np.full(len(frame), 0.5)


def plain_case(
    *,
    features: list[str],
    task: str = "binary",
    columns: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    model: object = half,
    declared: Mapping[str, Any] | None = None,
    **tables: Any,  # noqa: ANN401 (frames or Arrow tables)
) -> Case:
    """Return a case over these tables; a target is added where there is none."""
    file = CaseFile.model_validate(
        {
            "name": "plain",
            "title": "Which situations has it hardly seen?",
            "model": {
                "callable": "none.py:f",
                "task": task,
                "features": features,
                **(declared or {}),
            },
            "data": {
                "reference": "reference.parquet",
                "target": TARGET,
                **(data or {}),
            },
            "columns": columns or {},
        }
    )
    return load_case(file, frames=tables, model=model)


def with_target(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a target that is 0 and 1 in turn."""
    return rows.assign(**{TARGET: np.arange(len(rows)) % 2})


def _check(name: str) -> Check:
    module = importlib.import_module(f"readiness.checks.coverage.{name}")
    check: Check = module.CHECK
    return check


def measure(name: str, case: Case, **options: Any) -> Measurement:  # noqa: ANN401 (options are plain values)
    """Measure one check with its default options, or others."""
    check = _check(name)
    return check.measure(case, Options(values={**check.defaults, **options}))


def findings(name: str, case: Case, tier: str = "high") -> dict[str, Finding]:
    """Return the findings of one check by ``metric/group``."""
    check = _check(name)
    names = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )
    limits = limits_in_force(check, policy_with(tier=tier), names)
    judged = judge(check, measure(name, case), limits, policy_with(tier=tier), TODAY)
    return {f"{one.metric}/{one.group}": one for one in judged}


def values(measurement: Measurement, metric: str) -> dict[str, float]:
    """Return measured values by group."""
    summary = measurement.summary
    some = summary[summary["metric"] == metric]
    return dict(zip(some["group"], some["value"], strict=True))


def reasons(measurement: Measurement) -> dict[str, str]:
    """Return the reasons of absent values by group."""
    absent = measurement.summary[measurement.summary["value"].isna()]
    return dict(zip(absent["group"], absent["reason"].astype(str), strict=True))
