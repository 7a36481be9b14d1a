"""PUBLISH: notebook files: found, looked over, and made ready to be executed."""

import ast
import json
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.errors import CaseError, Reason, RunError
from readiness.shipped import shipped

REFUSED_TAGS = ("raises-exception", "skip-execution")
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
NOTEBOOK_FORMAT = 4
SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
MONITOR = "50_monitor"
RESERVED = frozenset({"index", "report", MONITOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook of a review.

    Parameters
    ----------
    name : str
        File name without suffix, unique in the run.
    dimension : str
        What ``--only`` calls it: ``coverage`` for ``10_coverage``, unless its metadata
        say ``"readiness": {"dimension": "stress"}``.
    path : pathlib.Path
        Where it is stored.
    checks : tuple of str
        Names of the checks its cells call.
    alone : bool
        Started after every other notebook has ended, one at a time: what it measures
        would suffer from company. Its metadata say ``"readiness": {"alone": true}``.
    """

    name: str
    dimension: str
    path: Path
    checks: tuple[str, ...]
    alone: bool = False


def monitor_notebook() -> Notebook:
    """Return the notebook that runs on a monitoring plan."""
    return _described(shipped("notebooks") / f"{MONITOR}.ipynb")


def find_notebooks(own: Path | None, only: tuple[str, ...]) -> tuple[Notebook, ...]:
    """Return the notebooks of a review.

    Parameters
    ----------
    own : pathlib.Path or None
        A folder of the user's own notebooks.
    only : tuple of str
        Dimensions or names to keep; empty keeps all.

    Raises
    ------
    CaseError
        When the folder is missing or holds no notebook, or a name is unsafe or
        used twice.
    RunError
        When `only` names something unknown, or a file is not a notebook.
    """
    every = sorted(shipped("notebooks").glob("*.ipynb"))
    paths = [path for path in every if path.stem != MONITOR]
    if own is not None:
        paths += _own(own, {path.stem for path in paths})
    found = [_described(path) for path in paths]
    known = {one.dimension for one in found} | {one.name for one in found}
    unknown = sorted(set(only) - known)
    if unknown:
        msg = (
            f"--only must name dimensions of this review; {unknown[0]!r} is none of "
            f"{', '.join(dict.fromkeys(one.dimension for one in found))}."
        )
        raise RunError(msg, Reason.USAGE)
    return tuple(
        one for one in found if not only or {one.dimension, one.name} & set(only)
    )


def read_notebook(source: Path) -> Any:  # noqa: ANN401 (nbformat has no types)
    """Return a notebook as nbformat reads it, raising RunError when it is none."""
    import nbformat  # noqa: PLC0415 (heavy)

    try:
        return nbformat.read(source, as_version=NOTEBOOK_FORMAT)  # type: ignore[no-untyped-call]  # nbformat has no types
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as cause:
        raise _no_notebook(source, cause) from cause


def prepare(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Write the copy of a notebook that is executed, after looking it over.

    Parameters
    ----------
    source, target : pathlib.Path
        The notebook as stored, and where the copy goes: without outputs, and for the
        interpreter of this run whatever kernel the notebook names.
    parameters : mapping
        What will be injected.

    Raises
    ------
    RunError
        When a cell is tagged to allow an error or to be skipped, when a parameter's
        name is not a plain identifier (papermill pastes it as code), or when the
        notebook does not declare it (papermill would only warn).
    """
    import nbformat  # noqa: PLC0415 (heavy)

    notebook = read_notebook(source)
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(notebook.cells, start=1):
        refused = [tag for tag in cell.metadata.get("tags", []) if tag in REFUSED_TAGS]
        if refused:
            msg = (
                f"Every cell must run and hold; cell {number} of {source.name!r} is "
                f"tagged {refused[0]!r}. Remove the tag."
            )
            raise RunError(msg, Reason.NOTEBOOK)
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]  # nbformat has no types
    _check_parameters(target, source.name, parameters)


def literal_path(path: Path) -> str:
    """Return `path` so that papermill's templating leaves it as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def last_line(text: object, max_chars: int = 300) -> str:
    """Return the last line of `text` that says anything, without its full stop."""
    lines = [line for line in str(text).splitlines() if line.strip()] or [""]
    return lines[-1].strip().rstrip(".")[:max_chars]


def without_iri_checker() -> None:
    """Keep nbformat from building a format checker that no notebook needs.

    Where JupyterLab is installed, jsonschema finds a checker of international
    addresses whose grammars take a second or more to build at import.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None blocks an import


def _own(folder: Path, taken: set[str]) -> list[Path]:
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        msg = (
            f"[review] notebooks must name a folder of notebooks; {folder.name!r} "
            "holds none."
        )
        raise CaseError(msg)
    for path in paths:
        if not SAFE_NAME.fullmatch(path.stem) or path.stem in taken | RESERVED:
            msg = (
                f"The name of a notebook must be 1 to 80 of A-Z a-z 0-9 . _ - and "
                f"not be taken; {path.name!r} is not. Rename the file."
            )
            raise CaseError(msg)
    return paths


def _described(path: Path) -> Notebook:
    name = path.stem
    content = _content(path)
    said = content["metadata"].get("readiness")
    ours = said if isinstance(said, dict) else {}
    return Notebook(
        name=name,
        dimension=ours.get("dimension", re.sub(r"^\d+_", "", name)),
        path=path.resolve(),
        checks=_called_checks(content),
        alone=ours.get("alone") is True,
    )


def _content(path: Path) -> dict[str, Any]:
    """Return the metadata of a notebook and the sources of its code cells."""
    try:
        content = json.loads(path.read_text("utf-8"))
        cells = content["cells"]
        return {
            "metadata": dict(content.get("metadata", {})),
            "sources": [
                "".join(one["source"]) for one in cells if one["cell_type"] == "code"
            ],
        }
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise _no_notebook(path, cause) from cause


def _called_checks(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in every ``review.check("name", ...)`` of a notebook's cells."""
    names = [name for source in content["sources"] for name in _checks_in(source)]
    return tuple(dict.fromkeys(names))


def _checks_in(source: str) -> list[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic or a mistake: the kernel will say so
        return []
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "check"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]


def _no_notebook(path: Path, cause: Exception) -> RunError:
    msg = f"{path.name!r} cannot be read as a notebook: {last_line(cause)}."
    return RunError(msg, Reason.NOTEBOOK)


def _check_parameters(prepared: Path, name: str, parameters: Mapping[str, Any]) -> None:
    import papermill  # noqa: PLC0415 (heavy)

    for one in parameters:
        if not one.isidentifier() or keyword.iskeyword(one):
            msg = f"A parameter's name must be a plain identifier; {one!r} is not."
            raise RunError(msg, Reason.USAGE)
    declared = papermill.inspect_notebook(literal_path(prepared))
    missing = sorted(set(parameters) - set(declared))
    if missing:
        msg = (
            f"The parameters cell of {name!r} must declare {missing[0]!r}; it declares "
            f"{', '.join(sorted(declared)) or 'nothing'}. Add it to the cell tagged "
            '"parameters".'
        )
        raise RunError(msg, Reason.NOTEBOOK)
