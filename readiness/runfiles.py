"""Files of a run's folder that its processes share: run.json, events, results."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readiness import show
from readiness.case import Case
from readiness.checks import FoundCheck
from readiness.result import Measurement


def read_run(folder: Path | None) -> dict[str, Any]:
    """Return what ``run.json`` says about the run; empty without a folder."""
    if folder is None:
        return {}
    run: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return run


def append_event(folder: Path, notebook: str, event: str, **more: Any) -> None:  # noqa: ANN401 (plain JSON values)
    """Append one line to the run's event file; short appends do not mix."""
    line = json.dumps({"notebook": notebook, "event": event, **more}) + "\n"
    with (folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(line)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write strict JSON so that a reader sees the whole file or none."""
    text = json.dumps(values, allow_nan=False, indent=1, default=str)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, delete=False, encoding="utf-8"
    ) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    Path(stream.name).replace(path)


def write_tables(
    run_dir: Path | None, found: FoundCheck, measurement: Measurement
) -> tuple[str, ...]:
    """Write every table as CSV for the run; return the file names."""
    if run_dir is None:
        return ()
    folder = run_dir / "tables"
    folder.mkdir(exist_ok=True)
    files = {f"{found.check.code}-{n}.csv": t for n, t in measurement.tables.items()}
    for file, table in files.items():
        (folder / file).write_text(show.csv_text(table), encoding="utf-8")
    return tuple(files)


def facts(case: Case) -> dict[str, Any]:
    """Return what the report says about the case, its model and its tables."""
    return {
        "task": case.task,
        "metric": case.metric.name,
        "acceptable": case.file.model.acceptable,
        "block": case.block,
        "entity": case.file.data.entity,
        "features": list(case.features),
        "classes": [str(one) for one in case.classes],
        "model_format": case.model.format,
        "model_sha256": case.model.sha256,
        "model_trusted_by": case.model.trusted_by,
        "tables": {
            name: {"rows": one.n_rows, "sha256": one.sha256, "files": list(one.files)}
            for name, one in case.tables.items()
        },
    }
