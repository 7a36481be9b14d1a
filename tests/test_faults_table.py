"""docs/faults.md names a test for every number, and every test it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "faults.md").read_text("utf-8")
ROWS = re.findall(r"^\|([FTI]\d+)\|(.+)\|(.+)\|`([^`]+)`\|$", PAGE, re.MULTILINE)
NUMBERS = [
    *(f"I{n}" for n in range(1, 11)),
    *(f"T{n:02}" for n in range(1, 41)),
    *(f"F{n:03}" for n in range(1, 149)),
]


@cache
def functions_of(file: str) -> dict[str, str]:
    """Return what says the numbers of each function of a test file.

    Its name, its decorators with the constants of the module that they name, and its
    docstring; of `invariants.py`, whose functions are no tests, the same.
    """
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    constants = {
        name.id: ast.unparse(one)
        for one in tree.body
        if isinstance(one, ast.Assign | ast.AnnAssign)
        for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    return {
        one.name: " ".join(
            [
                one.name,
                ast.get_docstring(one) or "",
                *(_with_constants(part, constants) for part in one.decorator_list),
            ]
        )
        for one in tree.body
        if isinstance(one, ast.FunctionDef)
    }


def _with_constants(decorator: ast.expr, constants: dict[str, str]) -> str:
    named = [one.id for one in ast.walk(decorator) if isinstance(one, ast.Name)]
    return " ".join(
        [ast.unparse(decorator), *(constants.get(one, "") for one in named)]
    )


def test_every_number_has_one_row_in_order() -> None:
    assert [number for number, *_ in ROWS] == NUMBERS


@pytest.mark.parametrize(("number", "test"), [(row[0], row[3]) for row in ROWS])
def test_named_test_exists_and_says_the_number(number: str, test: str) -> None:
    file, _, name = test.partition("::")

    said = functions_of(file)[name]

    assert re.search(rf"(?<![a-z0-9]){number.lower()}(?![0-9])", said.lower())


def test_page_links_decisions_that_exist() -> None:
    linked = set(re.findall(r"\]\((decisions/[^)]+)\)", PAGE))

    assert linked
    assert [one for one in linked if not (TESTS.parent / "docs" / one).exists()] == []
