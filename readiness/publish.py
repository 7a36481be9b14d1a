"""PUBLISH: everything a run leaves, made in private and shown by one rename."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from readiness.collect import (
    SCHEMA_VERSION,
    Gathered,
    notebook_entries,
    results_digest,
)
from readiness.errors import RunError
from readiness.findings_table import FINDINGS, findings_csv
from readiness.history import Run, add_runs
from readiness.junit import junit_xml
from readiness.manifest import write_manifest
from readiness.notebooks import Notebook, read_notebook
from readiness.result import Outcome, result_to_dict
from readiness.stability import stability
from readiness.staging import (
    Staging,
    json_text,
    require_schema,
    settle,
    storage,
    write_text,
)

LATEST = "latest"
SCHEMA = Path(__file__).with_name("results.schema.json")
KEPT_FOR_DIAGNOSIS = ("run.json", "events.jsonl", "logs")
KEPT_UNRENDERED = (*KEPT_FOR_DIAGNOSIS, "notebooks")


def results_document(about: Mapping[str, Any], gathered: Gathered) -> dict[str, Any]:
    """Return the content of results.json.

    Parameters
    ----------
    about : mapping
        What was known when the run began: ``run_id, case, title, decision, owner,
        tier, created_utc, profile, seed, partial, only, inputs, policy, environment,
        resumed``, and of the ``facts`` what the case file says.
    gathered : Gathered
        What the notebooks left.
    """
    verdict = gathered.verdict
    only = ", ".join(about["only"])
    partly = f"Only {only} was reviewed. " if about["partial"] else ""
    return {
        "schema_version": SCHEMA_VERSION,
        **{key: about[key] for key in about if key not in ("only", "facts")},
        "only": list(about["only"]),
        "outcome": str(verdict.outcome),
        "reason_code": verdict.reason_code,
        "headline": partly + verdict.headline,
        "complete": verdict.outcome is not Outcome.ERROR,
        "stability": stability(
            gathered.results, verdict.outcome, gathered.kept, about["seed"]
        ),
        "notebooks": notebook_entries(gathered),
        "checks": [result_to_dict(one) for one in gathered.results],
        "ledger": dict(gathered.ledger),
        "facts": {**about["facts"], **gathered.facts},
        "results_digest": results_digest(gathered.results, gathered.ledger),
    }


def publish(
    staging: Staging,
    gathered: Gathered,
    results: Mapping[str, Any],
    hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    *,
    resumed: Mapping[str, Any] | None = None,
    documents: Mapping[str, str] | None = None,
) -> Path:
    """Make the run directory and show it by a rename.

    Parameters
    ----------
    staging : Staging
        The run's private folder.
    gathered : Gathered
        Names the notebooks.
    results : mapping
        The content of results.json.
    hold : callable
        Gives a context in which no signal cuts the last step in two.
    resumed : mapping, optional
        What the manifest says of the failed run that this one resumed.
    documents : mapping of str to str, optional
        Further files of the run, by their place in it.

    Returns
    -------
    pathlib.Path
        The published directory; under ``failed`` for a run without a verdict.

    Raises
    ------
    RunError
        ``STORAGE``, ``EXISTS``, or ``NO_VERDICT`` when the results do not fit the
        shipped schema; nothing is published then.
    """
    require_schema(results, SCHEMA, "results.json")
    failed = results["outcome"] == Outcome.ERROR
    target = staging.failed_target if failed else staging.target
    public = staging.folder / "public"
    notebooks = [one.notebook for one in gathered.ended]
    with storage(staging.out):
        public.mkdir()
        copy_tables(staging.folder, public, results)
        write_text(public / FINDINGS, findings_csv(results))
        _write_pages(staging.folder, public, notebooks, results)
        write_text(public / "results.json", json_text(results))
        write_text(public / "junit.xml", junit_xml(results))
        for name, text in (documents or {}).items():
            write_text(public / name, text)
        if failed:
            _keep(staging.folder, public, KEPT_FOR_DIAGNOSIS)
            _keep_results(staging.folder, public)
        write_manifest(public, {**_about(results), "resumed": resumed})
        with hold():
            settle(staging, public, target)
            if not failed:
                write_text(staging.out / staging.case / LATEST, f"{staging.run_id}\n")
    return target


def keep_remains(staging: Staging, results: Mapping[str, Any]) -> Path | None:
    """Keep, unrendered, what a run left that was stopped or could not be published.

    Parameters
    ----------
    staging : Staging
        The run's private folder.
    results : mapping
        What can be said of it; kept with a manifest where there is room.
    """
    public = staging.folder / "public"
    remains = staging.folder / "remains"
    try:
        remains.mkdir()
        shutil.rmtree(public, ignore_errors=True)
        with suppress(OSError):  # a full disk keeps the rest
            copy_tables(staging.folder, remains, results)
        _clean_notebooks(staging.folder, results)
        _keep(staging.folder, remains, KEPT_UNRENDERED)
        _keep_results(staging.folder, remains)
        try:
            write_text(remains / "results.json", json_text(results))
            write_manifest(remains, {**_about(results), "resumed": None})
        except OSError:  # as above; nobody reads results that no manifest lists
            (remains / "results.json").unlink(missing_ok=True)
        settle(staging, remains, staging.failed_target)
    except (OSError, RunError):  # a full disk: nothing can be kept
        return None
    return staging.failed_target


def record(staging: Staging, results: Mapping[str, Any], folder: Path | None) -> None:
    """Add the run to the history; raises RunError as `history.add_runs`."""
    failed = results["outcome"] == Outcome.ERROR
    path = folder.relative_to(staging.out).as_posix() if folder else ""
    row = Run(
        run_id=staging.run_id,
        case_name=staging.case,
        created=results["created_utc"],
        outcome=results["outcome"],
        reason=results["reason_code"],
        headline=results["headline"],
        digest=results["results_digest"],
        path=path,
        status="failed" if failed else "published",
    )
    add_runs(staging.out, [row])


def copy_tables(folder: Path, public: Path, results: Mapping[str, Any]) -> None:
    """Copy the tables that the results name: nothing else a kernel wrote goes out."""
    tables = public / "tables"
    tables.mkdir()
    for name in {name for one in results["checks"] for name in one["tables"]}:
        source = folder / "tables" / name
        is_plain = Path(name).name == name and not source.is_symlink()
        if is_plain and source.is_file():
            shutil.copyfile(source, tables / name)


def _write_pages(
    folder: Path,
    public: Path,
    notebooks: list[Notebook],
    results: Mapping[str, Any],
) -> None:
    from readiness import pages  # noqa: PLC0415 (brings nbconvert)

    executed = public / "notebooks"
    executed.mkdir()
    nodes = {}
    for one in notebooks:
        node = _executed(folder, one)
        _write_notebook(node, executed / f"{one.name}.ipynb")
        nodes[one.name] = node
    for file, page in pages.render_pages(results, nodes).items():
        write_text(public / file, page)


def _executed(folder: Path, notebook: Notebook) -> Any:  # noqa: ANN401 (nbformat has no types)
    """Return the executed notebook; as stored, without outputs, when there is none."""
    try:
        node = read_notebook(folder / "notebooks" / f"{notebook.name}.ipynb")
    except RunError:
        node = read_notebook(notebook.path)
        for cell in node.cells:
            if cell.cell_type == "code":
                cell.outputs = []
    _forget_paths(node, notebook.name)
    return node


def _forget_paths(node: Any, name: str) -> None:  # noqa: ANN401 (nbformat has no types)
    said = node.metadata.get("papermill", {})
    if "input_path" in said:  # the paths of this machine are nobody's business
        said["input_path"] = said["output_path"] = f"{name}.ipynb"


def _clean_notebooks(folder: Path, results: Mapping[str, Any]) -> None:
    """Write the finished notebooks as a published run has them: they may be resumed.

    One that a full disk cut off is kept under a name that nobody takes for a notebook.
    """
    for one in results["notebooks"]:
        path = folder / "notebooks" / f"{one['name']}.ipynb"
        try:
            node = read_notebook(path)
        except (OSError, RunError):
            with suppress(FileNotFoundError):  # it was never begun
                path.rename(path.with_suffix(".ipynb.cut-off"))
            continue
        if one["complete"]:
            _forget_paths(node, one["name"])
            with suppress(OSError):
                _write_notebook(node, path)


def _write_notebook(node: Any, path: Path) -> None:  # noqa: ANN401 (nbformat has no types)
    import nbformat  # noqa: PLC0415 (heavy)

    write_text(path, nbformat.writes(node))  # type: ignore[no-untyped-call]  # nbformat has no types


def _keep(folder: Path, target: Path, names: tuple[str, ...]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            (folder / name).rename(target / name)


def _keep_results(folder: Path, target: Path) -> None:
    """Keep the result files of notebooks: a run that resumes this one reads them."""
    kept = target / "results"
    kept.mkdir()
    for path in sorted((folder / "results").glob("*.json")):
        if path.is_file() and not path.is_symlink():
            path.rename(kept / path.name)


def _about(results: Mapping[str, Any]) -> dict[str, Any]:
    facts = results["facts"]
    return {
        "run_id": results["run_id"],
        "case": results["case"],
        "outcome": results["outcome"],
        "results_digest": results["results_digest"],
        "inputs": results["inputs"],
        "model_sha256": facts.get("model_sha256"),
        "policy": results["policy"],
        "environment": results["environment"],
    }
