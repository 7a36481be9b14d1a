"""PUBLISH: what a run rests on, and the hash of every file it published."""

import functools
import hashlib
import importlib.metadata
import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readiness import __version__
from readiness.errors import Reason, RunError
from readiness.shipped import shipped
from readiness.staging import json_text

FILE = "manifest.json"
MANIFEST_VERSION = 1


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def environment() -> dict[str, Any]:
    """Return what the numbers were computed with: Python, machine, packages."""
    packages = {
        re.sub(r"[-_.]+", "-", one.name).lower(): one.version
        for one in importlib.metadata.distributions()
        if one.name
    }
    return {
        "readiness": __version__,
        "code_sha256": code_sha256(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": dict(sorted(packages.items())),
    }


@functools.cache
def code_sha256() -> str:
    """Return one hash over this package's code, notebooks and templates."""
    package = Path(__file__).parent
    files = [path for path in package.rglob("*") if path.suffix in (".py", ".json")]
    for folder in ("notebooks", "templates"):
        files += [path for path in shipped(folder).rglob("*") if path.is_file()]
    hashes = sorted(file_sha256(path) for path in files if "_shipped" not in path.parts)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def outside_bounds(packages: Mapping[str, str]) -> list[str]:
    """Return one line per installed package that is not a version we test with.

    Parameters
    ----------
    packages : mapping of str to str
        Installed versions by normalised name, from `environment`.
    """
    from packaging.requirements import Requirement  # noqa: PLC0415 (rarely needed)

    lines = []
    for text in importlib.metadata.requires("readiness") or ():
        wanted = Requirement(text)
        version = packages.get(re.sub(r"[-_.]+", "-", wanted.name).lower())
        needed = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if needed and version and not wanted.specifier.contains(version):
            lines.append(f"{wanted.name} {version} (tested: {wanted.specifier})")
    return lines


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: what the run rests on, and each file's size and hash.

    Parameters
    ----------
    folder : pathlib.Path
        Holds everything that will be published, and no manifest yet.
    about : mapping
        Run id, outcome, and the hashes of inputs, model, policy and code.
    """
    values = {
        "manifest_version": MANIFEST_VERSION,
        **about,
        "artefacts": {name: _entry(folder / name) for name in _names(folder)},
    }
    values["manifest_sha256"] = _own_sha256(values)
    (folder / FILE).write_text(json_text(values), encoding="utf-8")


def verify(folder: Path) -> list[str]:
    """Compare a published run with its manifest.

    Parameters
    ----------
    folder : pathlib.Path
        A run directory.

    Returns
    -------
    list of str
        One line per file that is ``changed``, ``missing`` or ``added``; empty when
        the run is what was published.

    Raises
    ------
    RunError
        When the folder has no manifest: it is no published run.
    """
    path = folder / FILE
    try:
        text = path.read_bytes()
    except OSError as cause:
        msg = (
            f"{str(folder)!r} must be the folder of a published run; its {FILE} "
            f"cannot be read: {cause.strerror}."
        )
        raise RunError(msg, Reason.USAGE) from cause
    artefacts = _artefacts(text)
    if artefacts is None:
        return [f"changed: {FILE}"]
    present = set(_names(folder)) - {FILE}
    lines = [f"missing: {name}" for name in sorted(set(artefacts) - present)]
    lines += [f"added: {name}" for name in sorted(present - set(artefacts))]
    lines += [
        f"changed: {name}"
        for name in sorted(present & set(artefacts))
        if _entry(folder / name) != artefacts[name]
    ]
    return lines


def _artefacts(text: bytes) -> Mapping[str, Any] | None:
    """Return the artefacts a manifest lists; None when any byte of it was altered."""
    try:
        values = json.loads(text)
        artefacts: Mapping[str, Any] = values["artefacts"]
        stated = values.pop("manifest_sha256")
        if stated != _own_sha256(values):
            return None
        rewritten = json_text({**values, "manifest_sha256": stated})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return artefacts if rewritten.encode() == text else None


def _own_sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(values).encode()).hexdigest()


def _names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _entry(path: Path) -> dict[str, Any]:
    if path.is_symlink() or not path.is_file():
        return {"sha256": None, "bytes": None}
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}
