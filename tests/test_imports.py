"""Who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "readiness"
# DESIGN.md §2, with the rooms added since; a room reaches only rooms before it.
ROOMS = (
    "errors",
    "config",
    "result",
    "cache",
    "tables",
    "models",
    "stats",
    "metrics",
    "case",
    "summaries",
    "scan",
    "scoring",
    "attributions",
    "figures",
    "checks",
    "policy",
    "show",
    "review",
    "pages",
    "publish",
    "runner",
    "starter",
    "cli",
)
HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "shap", "matplotlib")
NOTEBOOK_TOOLS = ("papermill", "nbconvert", "nbformat", "IPython", "duckdb", "rich")
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
DRAWN_OR_FITTED = ("scipy.stats", "sklearn", "shap", "matplotlib", *NOTEBOOK_TOOLS)


def _room(module: str) -> str:
    return "checks" if module.startswith("checks") else module


def _own_imports(path: Path) -> set[str]:
    """Return the rooms and modules of this package that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        else:
            continue
        own = [one.removeprefix("readiness.") for one in names]
        found |= {_room(one) for one in own if one in MODULES or one == "checks"}
    return found


@cache
def _graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        room = _room(module)
        graph.setdefault(room, set()).update(_own_imports(path) - {room})
    return graph


def _reached(room: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [room]
    while todo:
        new = graph.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    printed = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return set(printed.split())


def test_every_room_of_the_design_exists() -> None:
    present = {_room(module) for module in MODULES}

    assert set(ROOMS) <= present


@pytest.mark.parametrize("room", ROOMS)
def test_room_reaches_only_the_rooms_before_it(room: str) -> None:
    later = set(ROOMS[ROOMS.index(room) + 1 :])

    reached = _reached(room, _graph())

    assert reached & later == set()


def test_no_module_reaches_itself() -> None:
    graph = _graph()

    in_circles = [module for module in graph if module in _reached(module, graph)]

    assert in_circles == []


def test_only_the_attributions_open_the_door_to_shap() -> None:
    mentions = {
        module
        for module, path in MODULES.items()
        if "import shap" in path.read_text("utf-8")
    }

    assert mentions <= {"attributions"}


def test_import_of_the_package_loads_no_library_at_all() -> None:
    loaded = _loaded_by("import readiness")

    assert loaded & {*HEAVY, *NOTEBOOK_TOOLS, "pydantic", "click"} == set()


def test_import_of_the_command_line_loads_nothing_heavy() -> None:
    loaded = _loaded_by("import readiness.cli")

    assert loaded & {*HEAVY, *NOTEBOOK_TOOLS} == set()


def test_listing_the_checks_loads_nothing_that_only_measuring_needs() -> None:
    loaded = _loaded_by("from readiness.checks import all_checks; all_checks()")

    assert loaded & set(DRAWN_OR_FITTED) == set()
