"""The checks, found by listing the folders; no list is edited to add one."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from readiness.errors import CaseError
from readiness.result import Check

DIMENSIONS = (
    "baseline",
    "coverage",
    "explainability",
    "drift",
    "stress",
    "monitor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCheck:
    """A check with the name of its file and the dimension it was found in."""

    name: str
    dimension: str
    check: Check


@cache
def all_checks() -> Mapping[str, FoundCheck]:
    """Return every shipped check by name, in the order of dimensions and codes."""
    found = [
        _found(importlib.import_module(f"{__name__}.{folder}.{path.stem}"), folder)
        for folder in DIMENSIONS
        for path in sorted((Path(__file__).parent / folder).glob("[a-z]*.py"))
    ]
    found.sort(
        key=lambda one: (
            DIMENSIONS.index(one.dimension),
            len(one.check.code),  # D10 comes after D9
            one.check.code,
        )
    )
    return {one.name: one for one in found}


def user_checks(folder: Path) -> Mapping[str, FoundCheck]:
    """Return the checks of a user's own folder by name.

    Parameters
    ----------
    folder : pathlib.Path
        Holds one Python file per check; their codes start with ``U``.

    Raises
    ------
    CaseError
        When the folder is missing, a file has no ``CHECK``, a code does not start
        with ``U`` or is used twice, or a name is one of the shipped checks.
    """
    if not folder.is_dir():
        msg = f"[review] checks must name a folder; {folder.name!r} is none."
        raise CaseError(msg)
    found: dict[str, FoundCheck] = {}
    for path in sorted(folder.glob("[a-z]*.py")):
        one = _found(_load_file(path), "user")
        codes = {other.check.code for other in found.values()}
        if not one.check.code.startswith("U") or one.check.code in codes:
            msg = (
                f"The code of a user's check must be U and a number, used once; "
                f"{path.name!r} has {one.check.code!r}."
            )
            raise CaseError(msg)
        if one.name in all_checks():
            msg = f"{path.name!r} is the name of a shipped check. Rename the file."
            raise CaseError(msg)
        found[one.name] = one
    return found


def _load_file(path: Path) -> ModuleType:
    name = f"readiness_user_checks.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path.name!r} is not a Python file."
        raise CaseError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _found(module: ModuleType, dimension: str) -> FoundCheck:
    check = getattr(module, "CHECK", None)
    name = module.__name__.rpartition(".")[2]
    if not isinstance(check, Check):
        msg = f"{name}.py must define CHECK = Check(...)."
        raise CaseError(msg)
    return FoundCheck(name=name, dimension=dimension, check=check)


def checks_with(base: Path, own: str | None) -> Mapping[str, FoundCheck]:
    """Return the shipped checks, and those of a case's own folder, by name."""
    return {**all_checks(), **(user_checks(base / own) if own else {})}
