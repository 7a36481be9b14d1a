"""Cases whose model returns its only column: every score is chosen by the test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Finding, Measurement, Options
from tests.judging import TODAY, policy_with


def score_itself(frame: pd.DataFrame) -> np.ndarray:
    """Return the column ``score``."""
    return frame["score"].to_numpy(dtype=float)


def rows_of(y: object, score: object, **columns: object) -> pd.DataFrame:
    """Return a table of labels, scores and further columns."""
    return pd.DataFrame({"score": score, "y": y, **columns})


def scored_case(
    reference: pd.DataFrame,
    current: pd.DataFrame | None = None,
    *,
    task: str = "binary",
    model: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Case:
    """Return a case over tables with the columns ``score`` and ``y``.

    Parameters
    ----------
    reference, current : pandas.DataFrame
        From `rows_of`.
    task : str
        ``"binary"`` or ``"regression"``.
    model, data, columns : mapping, optional
        Further keys of the case file's sections.
    """
    sections = {
        "name": "scored",
        "title": "Scores that a test chose",
        "tier": "high",
        "model": {
            "callable": "model.py:score",
            "task": task,
            "features": ["score"],
            **(model or {}),
        },
        "data": {"reference": "r.parquet", "target": "y", **(data or {})},
        "columns": columns or {},
    }
    frames = {"reference": reference}
    if current is not None:
        frames["current"] = current
    return load_case(
        CaseFile.model_validate(sections), frames=frames, model=score_itself
    )


def measured(name: str, case: Case, **options: object) -> Measurement:
    """Return what the check called `name` measures, with its default options."""
    check = all_checks()[name].check
    values = {**check.defaults, **options}
    return check.measure(case, Options(values=values))


def findings(name: str, case: Case, measurement: Measurement) -> list[Finding]:
    """Return what the kit's own judge says under the shipped limits of tier high."""
    check = all_checks()[name].check
    facts = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )
    policy = policy_with()
    limits = limits_in_force(check, policy, facts)
    return [*judge(check, measurement, limits, policy, TODAY)]


def row_of(measurement: Measurement, metric: str, group: str = "") -> dict[str, Any]:
    """Return one row of a summary as a mapping."""
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    return found.to_dict("records")[0]


def title_of(figure: Figure) -> str:
    """Return the title of a figure, wherever the house style puts it."""
    titles = [figure.get_suptitle()]
    titles += [figure.axes[0].get_title(loc) for loc in ("left", "center", "right")]
    return "".join(titles)
