"""Airflow itself runs the shipped DAG: a verdict that fails is not tried again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import tiny_case

pytestmark = pytest.mark.integration
DAG = Path(__file__).parents[2] / "docs" / "schedule" / "airflow_dag.py"


def airflow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call Airflow with SQLite in `folder`, its DAG reviewing the case there."""
    settings = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "READINESS": str(Path(sys.executable).with_name("readiness")),
        "READINESS_CASE": str(folder / "case" / "case.toml"),
        "READINESS_RUNS": str(folder / "runs"),
        "READINESS_OPTIONS": "--only own",
    }
    return subprocess.run(  # noqa: S603 (the program that make installed)
        [os.environ["READINESS_AIRFLOW"], *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("status", "says", "state"),
    [
        ("pass", "PASS: 1 pass", "state=success"),
        ("fail", "FAIL: the model does not hold a required limit.", "state=failed"),
    ],
)
def test_dag_maps_the_exit_code_of_a_review(
    status: str, says: str, state: str, tmp_path: Path
) -> None:
    case = tiny_case(tmp_path / "case")
    own = case.parent / "own" / "own.ipynb"
    worse = own.read_text().replace("'status': 'pass'", f"'status': {status!r}")
    own.write_text(worse.replace("'p_value': None", "'p_value': 0.0001"))
    (tmp_path / "dags").mkdir()
    shutil.copy(DAG, tmp_path / "dags")
    made = airflow(tmp_path, "db", "migrate")

    done = airflow(tmp_path, "dags", "test", "readiness_credit")

    told = done.stdout + done.stderr
    assert made.returncode == 0, made.stderr
    assert says in told
    assert state in told.replace(" ", "")
