"""What a stored notebook may hold (STYLE.md §2), cell by cell."""

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import papermill
import pytest

from readiness.checks import DIMENSIONS, all_checks
from readiness.notebooks import find_notebooks, monitor_notebook

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_STATEMENTS = 5
BANNED = {
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "def",
    ast.ClassDef: "class",
    ast.Lambda: "lambda",
    ast.For: "for",
    ast.While: "while",
    ast.If: "if",
    ast.IfExp: "if",
    ast.Try: "try",
    ast.With: "with",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Compare: "a comparison",
}
PARAMETERS = {
    "case_file": ("str", '"demo"'),
    "policy_file": ("str", '""'),
    "profile": ("str", '"quick"'),
    "seed": ("int", "7"),
    "cluster": ("str", '""'),
    "run_dir": ("str", '""'),
}


def problems(notebook: dict[str, Any]) -> list[str]:
    """Return every rule that a notebook's cells break, with the number of the cell."""
    found = []
    n_imports = 0
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        tree = ast.parse(source)
        if cell["outputs"] or cell["execution_count"] is not None:
            found.append(f"cell {number}: stored with outputs")
        if "parameters" in cell["metadata"].get("tags", []):
            found += [f"cell {number}: {one}" for one in _in_parameters(tree, source)]
        elif any(isinstance(one, (ast.Import, ast.ImportFrom)) for one in tree.body):
            n_imports += 1
            found += [f"cell {number}: {one}" for one in _in_imports(tree)]
        else:
            found += [f"cell {number}: {one}" for one in _in_calls(tree)]
    return found + ["more than one cell of imports"] * (n_imports > 1)


def _in_parameters(tree: ast.Module, source: str) -> list[str]:
    literal = [
        isinstance(one, ast.AnnAssign) and isinstance(one.value, ast.Constant)
        for one in tree.body
    ]
    commented = [" # " in line.replace("  # ", " # ") for line in source.splitlines()]
    wrong = ["a parameter must be an annotated literal"] * (not all(literal))
    return wrong + ["a parameter must have a comment"] * (not all(commented))


def _in_imports(tree: ast.Module) -> list[str]:
    ours = [
        isinstance(one, ast.ImportFrom) and str(one.module).startswith("readiness")
        for one in tree.body
    ]
    return [] if all(ours) else ["imports only from readiness, and nothing else"]


def _in_calls(tree: ast.Module) -> list[str]:
    nodes = list(ast.walk(tree))
    found = [
        f"{BANNED[type(one)]} is not allowed" for one in nodes if type(one) in BANNED
    ]
    values = [one.value for one in nodes if isinstance(one, ast.Constant)]
    texts = [one for one in values if isinstance(one, str)]
    found += ["a file path outside the parameters" for one in texts if "/" in one]
    if len(tree.body) > MOST_STATEMENTS:
        found.append(f"more than {MOST_STATEMENTS} statements")
    if tree.body and not _ends_well(tree.body):
        found.append("must end with review.check(...), show(...) or review.finish()")
    return found


def _ends_well(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if not isinstance(last, ast.Expr):
        return False
    text = ast.unparse(last.value)
    opening = ast.unparse(body[0]).startswith("review = open_review(")
    return (text == "review" and opening) or text.startswith(
        ("review.check(", "review.finish(", "show(")
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _with_cell(source: str, **more: object) -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    return {"cells": [{**cell, **more}]}


def test_there_is_one_notebook_for_each_dimension_and_one_that_runs_alone() -> None:
    names = {path.stem for path in NOTEBOOKS}
    alone = [one for one in find_notebooks(None, ()) if one.alone]

    assert names - {one.name for one in alone} == {
        f"{10 * n:02d}_{one}" for n, one in enumerate(DIMENSIONS)
    }
    assert [(one.name, one.dimension, one.checks) for one in alone] == [
        ("45_load", "stress", ("load",))
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook_breaks_no_rule(path: Path) -> None:
    found = problems(_read(path))

    assert found == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_have_stable_names_and_the_kernel_is_python3(path: Path) -> None:
    notebook = _read(path)
    ids = [cell["id"] for cell in notebook["cells"]]

    assert len(set(ids)) == len(ids)
    assert ids[:4] == ["question", "parameters", "imports", "open-review"]
    assert ids[-1] == "finish"
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["title"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_check_stands_under_words_that_say_how_to_read_it(path: Path) -> None:
    cells = _read(path)["cells"]
    words = [
        "".join(before["source"])
        for before, cell in pairwise(cells)
        if "review.check(" in "".join(cell["source"])
    ]

    unexplained = [
        text
        for text in words
        if "**Why it matters.**" not in text
        or "**How to read it.**" not in text
        or "**What to do next.**" not in text
    ]

    assert words != []
    assert unexplained == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_those_of_the_contract(path: Path) -> None:
    declared = papermill.inspect_notebook(str(path))

    found = {
        name: (one["inferred_type_name"], one["default"])
        for name, one in declared.items()
    }
    assert found == PARAMETERS
    assert all(one["help"] for one in declared.values())


def test_every_shipped_check_is_called_once_in_the_notebook_of_its_dimension() -> None:
    notebooks = [*find_notebooks(None, ()), monitor_notebook()]
    called = [(name, one.dimension) for one in notebooks for name in one.checks]

    assert sorted(called) == sorted(
        (one.name, one.dimension) for one in all_checks().values()
    )


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(): ...\nshow(f)", "def is not allowed"),
        ("for one in x:\n    show(one)", "for is not allowed"),
        ("show([one for one in x])", "a comprehension is not allowed"),
        ("show(x if y else z)", "if is not allowed"),
        ("show(x > 0.7)", "a comparison is not allowed"),
        ("show('/data/x.csv')", "a file path outside the parameters"),
        ("review.check('schema')\nx = 1", "must end with"),
        ("a = 1\nb = 1\nc = 1\nd = 1\ne = 1\nshow(a)", "more than 5 statements"),
        ("import pandas", "imports only from readiness"),
    ],
)
def test_impure_cell_is_named_with_its_rule(source: str, complaint: str) -> None:
    found = problems(_with_cell(source))

    assert any(one.startswith("cell 1: ") and complaint in one for one in found)


def test_parameter_that_is_computed_or_uncommented_is_named() -> None:
    notebook = _with_cell("n: int = 2 * 3", metadata={"tags": ["parameters"]})

    found = problems(notebook)

    assert found == [
        "cell 1: a parameter must be an annotated literal",
        "cell 1: a parameter must have a comment",
    ]


def test_stored_output_is_named() -> None:
    found = problems(_with_cell("show(x)", execution_count=3))

    assert found == ["cell 1: stored with outputs"]
