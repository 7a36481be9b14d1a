"""PUBLISH: what a failed run had finished, taken over by the run that resumes it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.collect import CLOCK_METRICS, Ended
from readiness.errors import Reason, RunError
from readiness.identities import differences, lapsed, published_results
from readiness.manifest import FILE as MANIFEST
from readiness.manifest import file_sha256
from readiness.notebooks import Notebook
from readiness.plan_config import is_plan
from readiness.preflight import Ready
from readiness.result import Outcome
from readiness.staging import Staging
from readiness.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What is taken over from a failed run, which is never changed.

    Parameters
    ----------
    folder : pathlib.Path
        The failed run.
    run_ids : tuple of str
        The failed run, after those it was itself resumed from.
    ended : mapping of str to Ended
        The finished notebooks by name, each with the run that executed it.
    files : mapping of str to str
        The files they left, and their sha256 in the failed run's manifest.
    results : mapping
        The content of the failed run's results.json.
    """

    folder: Path
    run_ids: tuple[str, ...]
    ended: Mapping[str, Ended]
    files: Mapping[str, str]
    results: Mapping[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"run_ids": list(self.run_ids), "files": dict(self.files)}


def finished(folder: Path, ready: Ready) -> Resumed:
    """Return what of a failed run counts for a run on the same inputs.

    A notebook counts when it ran to its end and left its result. One in which a check
    crashed does not, nor one that told how old a table is: that was true then.

    Parameters
    ----------
    folder : pathlib.Path
        Of a run under ``failed``.
    ready : Ready
        The run that may start.

    Raises
    ------
    RunError
        USAGE when the folder is no failed run of this case, or the case is a plan;
        ALTERED when it is not what was kept; INPUT_CHANGED, naming the first
        difference, when the runs do not rest on the same things.
    """
    folder = folder.absolute()
    results = published_results(folder)
    _require_failed(results, ready)
    _require_same(results, ready)
    text = (folder / MANIFEST).read_text("utf-8")
    hashes = {
        name: one["sha256"] for name, one in json.loads(text)["artefacts"].items()
    }
    entries = {one["name"]: one for one in results["notebooks"]}
    ended: dict[str, Ended] = {}
    files: dict[str, str] = {}
    for notebook in ready.notebooks:
        names = _files(notebook, results)
        is_whole = entries[notebook.name]["complete"] and set(names) <= set(hashes)
        if is_whole and _lasts(notebook, results):
            ended[notebook.name] = _ended(notebook, entries[notebook.name], results)
            files |= {name: hashes[name] for name in names}
    return Resumed(
        folder=folder,
        run_ids=(*results.get("resumed", ()), results["run_id"]),
        ended=ended,
        files=files,
        results=results,
    )


def take_over(resumed: Resumed, staging: Staging, tables: Mapping[str, Table]) -> None:
    """Copy what the finished notebooks left into the private folder of a run.

    Raises
    ------
    RunError
        INPUT_CHANGED when a table does not hold what the failed run read; ALTERED when
        a file is not the one that its manifest lists.
    """
    read = resumed.results["facts"].get("tables") or {}
    for name, table in tables.items():
        if name in read and read[name]["sha256"] != table.sha256:
            _refuse(f"the rows of the {name} table")
    for name, sha256 in resumed.files.items():
        target = staging.folder / name
        try:
            shutil.copyfile(resumed.folder / name, target)
        except OSError as cause:
            msg = f"{name!r} of the failed run cannot be copied: {cause.strerror}."
            raise RunError(msg, Reason.STORAGE) from cause
        if file_sha256(target) != sha256:
            msg = f"{name!r} of the run {resumed.folder.name} is not what was kept."
            raise RunError(msg, Reason.ALTERED)


def _require_failed(results: Mapping[str, Any], ready: Ready) -> None:
    wrong = ""
    if is_plan(ready.case_path):
        wrong = "A monitor has one notebook and nothing to resume."
    elif results["case"] != ready.file.name:
        wrong = f"--resume names a run of the case {results['case']!r}."
    elif results["outcome"] != Outcome.ERROR:
        wrong = "--resume names a run with a verdict; nothing of it is missing."
    if wrong:
        msg = f"{wrong} Run without --resume."
        raise RunError(msg, Reason.USAGE)


def _require_same(results: Mapping[str, Any], ready: Ready) -> None:
    """Refuse anything that is not what the failed run rested on."""
    now = {**ready.about, "facts": {}}
    for kind, what, before, after in differences({**results, "facts": {}}, now):
        name = kind if kind == what else f"{kind}, {what}"
        _refuse(f"{name} ({before} then, {after} now)")
    if results["environment"]["platform"] != now["environment"]["platform"]:
        _refuse("the machine's platform")
    names = [one["name"] for one in results["notebooks"]]
    if names != [one.name for one in ready.notebooks]:
        _refuse("the choice of notebooks")
    gone = lapsed(ready.policy_path, results["created_utc"])
    if gone:
        _refuse(f"the waiver of {gone.check} {gone.metric}, which has expired")


def _refuse(what: str) -> None:
    msg = (
        f"A run is resumed on what it began with; changed since: {what}. "
        "Run without --resume."
    )
    raise RunError(msg, Reason.INPUT_CHANGED)


def _files(notebook: Notebook, results: Mapping[str, Any]) -> list[str]:
    """Return the files that a finished notebook left in the failed run."""
    tables = [name for one in _checks(notebook, results) for name in one["tables"]]
    return [
        f"results/{notebook.name}.json",
        f"notebooks/{notebook.name}.ipynb",
        *(f"tables/{name}" for name in tables),
    ]


def _lasts(notebook: Notebook, results: Mapping[str, Any]) -> bool:
    checks = _checks(notebook, results)
    metrics = {one["metric"] for check in checks for one in check["findings"]}
    crashed = any(one["reason"] == Reason.CRASH for one in checks)
    return not crashed and not metrics & CLOCK_METRICS


def _checks(notebook: Notebook, results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in results["checks"] if one["notebook"] == notebook.name]


def _ended(
    notebook: Notebook, entry: Mapping[str, Any], results: Mapping[str, Any]
) -> Ended:
    return Ended(
        notebook=notebook,
        code=None,
        message="",
        seconds=entry["seconds"],
        peak_mb=entry["peak_mb"],
        made_by=entry.get("made_by") or results["run_id"],
    )
