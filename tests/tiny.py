"""A case whose model nobody loads, with notebooks that behave as a test wants."""

import json
from pathlib import Path

import nbformat
import pandas as pd

CASE = """
name = "tiny"
title = "Does the plumbing hold?"
tier = "low"

[model]
path = "model.skops"
task = "binary"
positive = 1
acceptable = 0.6

[data]
reference = "reference.parquet"
target = "y"

[review]
notebooks = "own"
"""
PARAMETERS = """
case_file: str = ""  # path of the case file
policy_file: str = ""  # path of the policy
profile: str = "quick"  # quick or full
seed: int = 7  # seed
cluster: str = ""  # address of a cluster
run_dir: str = ""  # the run's folder
"""
WRITE_RESULT = """
import json, os
from pathlib import Path

folder = Path(run_dir)
name = os.environ["READINESS_NOTEBOOK"]
result = {
    "schema_version": 1,
    "run_id": json.loads((folder / "run.json").read_text())["run_id"],
    "notebook": name,
    "complete": True,
    "interactive": False,
    "checks": [],
    "ledger": {},
    "facts": {},
}
"""
FINISH = "(folder / 'results' / f'{name}.json').write_text(json.dumps(result))"
PASSING_CHECK = {
    "code": "U1",
    "name": "plumbing",
    "dimension": "user",
    "notebook": "own",
    "title": "Plumbing",
    "question": "Does it hold?",
    "status": "pass",
    "reason": None,
    "message": None,
    "required": True,
    "seconds": 0.1,
    "model_calls": 0,
    "options": {},
    "notes": [],
    "tables": [],
    "findings": [
        {
            "metric": "holds",
            "group": "",
            "unit": "share",
            "value": 1.0,
            "ci_low": 0.9,
            "ci_high": 1.0,
            "se": 0.01,
            "n_rows": 100,
            "n_blocks": 40,
            "dependence_factor": 1.0,
            "value_in_unit": None,
            "ci_low_in_unit": None,
            "ci_high_in_unit": None,
            "direction": None,
            "censored": False,
            "p_value": None,
            "side": "at_least",
            "limit": 0.5,
            "limit_set_by": "policy file",
            "limit_reason": "It must hold.",
            "required": True,
            "status": "pass",
            "reason": None,
            "waived": False,
            "rows_needed": None,
            "blocks_needed": None,
        }
    ],
}
ADD_PASS = f"result['checks'] = [{PASSING_CHECK!r}]"


def tiny_case(folder: Path, notebooks: dict[str, list[str]] | None = None) -> Path:
    """Write the case and its notebooks; return the case file.

    Each notebook is the parameters cell, the cells given, then the two cells that
    write a result with one passing, required finding.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]})
    frame.to_parquet(folder / "reference.parquet")
    (folder / "model.skops").write_bytes(b"never loaded")
    (folder / "case.toml").write_text(CASE)
    (folder / "own").mkdir()
    for name, cells in (notebooks or {"own": []}).items():
        write_notebook(folder / "own" / f"{name}.ipynb", cells)
    return folder / "case.toml"


def write_notebook(path: Path, cells: list[str], finish: str = FINISH) -> None:
    """Write a notebook that runs `cells` and then writes its result."""
    tagged = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    rest = [*cells, WRITE_RESULT, ADD_PASS, finish]
    code = [nbformat.v4.new_code_cell(source) for source in rest]
    title = nbformat.v4.new_markdown_cell("# A notebook of the tests")
    notebook = nbformat.v4.new_notebook(cells=[title, tagged, *code])
    nbformat.write(notebook, path)


def edit_notebook(path: Path, **metadata: object) -> None:
    """Change the metadata of a notebook, or of its cell 3 under ``cell``."""
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][2]["metadata"] |= metadata.pop("cell", {})
    notebook["metadata"] |= metadata
    path.write_text(json.dumps(notebook), "utf-8")
