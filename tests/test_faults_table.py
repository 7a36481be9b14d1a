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
    """Return the source of each function of a test file, decorators included."""
    source = (TESTS / file).read_text("utf-8")
    return {
        node.name: "\n".join(
            source.splitlines()[
                min([node.lineno, *(one.lineno for one in node.decorator_list)])
                - 1 : node.end_lineno
            ]
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_number_has_one_row_in_order() -> None:
    assert [number for number, *_ in ROWS] == NUMBERS


@pytest.mark.parametrize(("number", "test"), [(row[0], row[3]) for row in ROWS])
def test_named_test_exists_and_its_file_knows_the_number(
    number: str, test: str
) -> None:
    file, _, name = test.partition("::")

    assert name in functions_of(file)
    assert number.lower() in (TESTS / file).read_text("utf-8").lower()


def test_page_links_decisions_that_exist() -> None:
    linked = set(re.findall(r"\]\((decisions/[^)]+)\)", PAGE))

    assert linked
    assert [one for one in linked if not (TESTS.parent / "docs" / one).exists()] == []
