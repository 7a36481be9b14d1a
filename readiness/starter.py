"""What gets a person started: demo, first case file, notebooks in JupyterLab."""

import difflib
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from readiness.config import read_case
from readiness.draft import ask, case_text, policy_text
from readiness.errors import CaseError, InputError, Reason, RunError
from readiness.flights import demo_case
from readiness.run_summary import RunSummary
from readiness.runner import run_review
from readiness.shipped import shipped
from readiness.tables import Table, load_table

CASE_LINE = re.compile(r'^case_file: str = "demo"(?=\s|$)', re.MULTILINE)
NO_JUPYTERLAB = (
    "JupyterLab is not installed beside readiness. Install it with: "
    "pip install jupyterlab"
)


def demo(out: str | Path = "runs", **options: Any) -> RunSummary:  # noqa: ANN401 (options of run_review)
    """Prepare the flights case, review it, and publish the verdict.

    Parameters
    ----------
    out : str or pathlib.Path
        The folder of all runs.
    **options
        Further keywords of `runner.run_review`.

    Returns
    -------
    RunSummary
        Its exit code is what ``readiness run`` would have returned.
    """
    return run_review(demo_case(), out=out, **options)


def init(
    folder: Path,
    *,
    model: str,
    reference: str | Path,
    target: str,
    training: str | Path | None = None,
    current: str | Path | None = None,
) -> str:
    """Write a case file and a policy with comments, from the data's own types.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``case.toml`` and ``policy.toml`` go; made when missing.
    model : str
        A model file, ``file.py:function``, ``package.module:function``, or the column
        of the reference that holds predictions. Nothing is loaded: the file's sha256
        is written down, and the file says that this is an act of trust.
    reference, training, current : str or pathlib.Path
        Tables: a file or a pattern of files; relative ones start here.
    target : str
        The label column of the reference.

    Returns
    -------
    str
        What was written and what to do next.

    Raises
    ------
    RunError
        EXISTS when one of the two files exists; STORAGE when they cannot be written.
    InputError
        When a table or the model file cannot be read.
    CaseError
        When the target is no column, or no question can be read from it.
    """
    given = {"training": training, "reference": reference, "current": current}
    sources = {name: str(one) for name, one in given.items() if one is not None}
    targets = (folder / "case.toml", folder / "policy.toml")
    for path in targets:
        if path.exists():
            msg = f"{path} exists and is not overwritten. Choose another folder."
            raise RunError(msg, Reason.EXISTS)
    with tempfile.TemporaryDirectory() as work:
        table = _described_tables(sources, Path(work))
        _require_target(target, table)
        question = ask(target, table.column(target))
    data = {name: _from(folder, one) for name, one in sources.items()}
    text = case_text(
        _case_name(folder),
        _model_section(model, folder, table),
        {**data, "target": target},
        question,
        table,
    )
    _write_new(dict(zip(targets, (text, policy_text()), strict=True)))
    return (
        f"Wrote {targets[0]} and {targets[1]}: {question.task}, the target "
        f"{question.found}.\n"
        "Next: read both, declare model.acceptable, then: "
        f"readiness run {targets[0]}"
    )


def lab(case: Path | None = None, *, beside: Path | None = None) -> int:
    """Open the notebooks on a case in JupyterLab, ready for "Run All".

    Parameters
    ----------
    case : pathlib.Path, optional
        The case file; the flights case without one.
    beside : pathlib.Path, optional
        Where the folder of notebooks is made; default the working directory.

    Returns
    -------
    int
        Exit code of JupyterLab.

    Raises
    ------
    InputError
        When JupyterLab is not installed.
    CaseError
        When the case file cannot be used.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError(NO_JUPYTERLAB)
    folder = copy_notebooks(case, beside or Path.cwd())
    command = [sys.executable, "-m", "jupyterlab", folder.name]
    return subprocess.run(command, cwd=folder.parent, check=False).returncode  # noqa: S603 (our own interpreter)


def copy_notebooks(case: Path | None, beside: Path) -> Path:
    """Copy the notebooks into a folder of their own, set to a case.

    Parameters
    ----------
    case : pathlib.Path or None
        The case file; None for the flights case.
    beside : pathlib.Path
        Where the folder ``review-<case name>`` is made. Notebooks that are there
        already are left as they are: they may hold an analyst's work.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    name = "demo" if case is None else read_case(case).name
    folder = beside / f"review-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    value = "demo" if case is None else _from(folder, case.absolute(), within=beside)
    for source in sorted(shipped("notebooks").glob("*.ipynb")):
        copy = folder / source.name
        if not copy.exists():
            notebook = json.loads(source.read_text(encoding="utf-8"))
            _set_case(notebook, value)
            text = json.dumps(notebook, indent=1, ensure_ascii=False)
            copy.write_text(text + "\n", encoding="utf-8")
    return folder


def _set_case(notebook: dict[str, Any], value: str) -> None:
    line = f"case_file: str = {json.dumps(value, ensure_ascii=False)}"
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            text = CASE_LINE.sub(lambda _: line, "".join(cell["source"]))
            cell["source"] = text.splitlines(keepends=True)


def _from(folder: Path, source: str | Path, *, within: Path | None = None) -> str:
    """Return a path as seen from `folder`: absolute where it was given absolute.

    With `within`, an absolute path below that folder becomes a relative one too.
    """
    path = Path(source)
    near = within is not None and path.is_relative_to(within.absolute())
    if path.is_absolute() and not near:
        return str(path)
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _described_tables(sources: dict[str, str], work: Path) -> Table:
    """Return the reference, after opening every table so that a bad one is named."""
    tables = {
        name: load_table(one, Path.cwd(), name, work=work)
        for name, one in sources.items()
    }
    return tables["reference"]


def _require_target(target: str, table: Table) -> None:
    names = table.schema.names
    if target not in names:
        close = difflib.get_close_matches(target, names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"It has {names[:12]!r}."
        msg = f"--target must be a column of the reference; {target!r} is none. {hint}"
        raise CaseError(msg)


def _model_section(model: str, folder: Path, table: Table) -> dict[str, str]:
    path = Path(model)
    if path.is_file():
        return {"path": _from(folder, path), "sha256": _sha256(path)}
    if model in table.schema.names:
        return {"predictions": model}
    source, colon, _ = model.rpartition(":")
    if colon and not source.endswith(".py"):
        return {"callable": model}
    if colon and Path(source).is_file():
        near = Path(source).resolve()
        if not near.is_relative_to(folder.resolve()):
            msg = (
                f"The file of a function must lie in the folder of the case; "
                f"{source!r} does not. Copy it to {str(folder / near.name)!r} and "
                f"pass --model {folder / near.name}{model[len(source) :]}."
            )
            raise InputError(msg)
        name = near.relative_to(folder.resolve()).as_posix() + model[len(source) :]
        return {"callable": name, "sha256": _sha256(near)}
    msg = (
        f"--model must be a file, file.py:function, package.module:function, or a "
        f"column of predictions; {model!r} is none of these. Correct the path."
    )
    raise InputError(msg)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as cause:
        msg = f"The model {str(path)!r} cannot be read: {cause.strerror}."
        raise InputError(msg) from cause


def _case_name(folder: Path) -> str:
    """Return a safe name made from the name of the folder."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.absolute().name.lower()).strip("-")
    return f"{name or 'model'}-review"[-80:].lstrip("-")


def _write_new(files: dict[Path, str]) -> None:
    """Write files that must not exist; leave none behind when one fails."""
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                written.append(path)
                stream.write(text)
    except OSError as cause:
        for path in written:
            path.unlink(missing_ok=True)
        msg = f"{cause.filename!r} cannot be written: {cause.strerror}."
        raise RunError(msg, Reason.STORAGE) from cause
