"""LOAD: the case a notebook names: a case file, a plan, the demo, or one in memory."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from readiness.case import Case, load_case
from readiness.errors import ModelError
from readiness.monitor import monitor_case
from readiness.plan_config import is_plan


def opened_case(
    case_file: str | Path | Case,
    folder: Path | None,
    run: Mapping[str, Any],
    cluster: str,
) -> Case:
    """Return the case that a notebook names.

    Parameters
    ----------
    case_file : str, Path or Case
        A case file, a monitoring plan, a loaded case, or ``"demo"``.
    folder : pathlib.Path or None
        The run's folder; None in an interactive session.
    run : mapping
        What ``run.json`` says.
    cluster : str
        As `case.load_case`.

    Raises
    ------
    ModelError
        MODEL_LOAD where the run is strict and loading the model warned.
    """
    if isinstance(case_file, Case):
        return case_file
    if str(case_file) == "demo":
        from readiness.flights import demo_case  # noqa: PLC0415 (only the demo needs it)

        case_file = demo_case()
    current = Path(run["current"]) if run.get("current") else None
    if is_plan(Path(case_file)):
        return monitor_case(
            Path(case_file),
            current=current,
            work=folder / "cache" if folder else None,
            earlier=[Path(one) for one in run.get("earlier", [])],
            cluster=cluster,
        )
    case = load_case(
        Path(case_file),
        current=current,
        work=folder / "cache" if folder else None,
        cluster=cluster,
    )
    if "created_utc" in run:
        # Every notebook counts the age of rows from the same moment.
        case = replace(case, begun=dt.datetime.fromisoformat(run["created_utc"]))
    if run.get("strict") and case.model.notes:
        note = case.model.notes[0]
        msg = f"--strict wants a model that loads without a warning: {note}"
        raise ModelError(msg)
    return case
