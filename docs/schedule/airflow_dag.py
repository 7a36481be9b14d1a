"""A review every Monday: copy into the DAG folder and change the three paths.

Airflow calls the command in an environment of its own; nothing of readiness is
imported here. A verdict is never retried: the same evidence gives the same verdict.
"""

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

READINESS = os.environ.get("READINESS", "/srv/models/.venv/bin/readiness")
CASE = os.environ.get("READINESS_CASE", "/srv/models/credit/case.toml")
RUNS = os.environ.get("READINESS_RUNS", "/srv/models/runs")
OPTIONS = os.environ.get("READINESS_OPTIONS", "").split()
SAYS = {
    1: "FAIL: the model does not hold a required limit.",
    2: "INCOMPLETE: the data cannot tell; see what is missing on the page.",
}


@dag(
    schedule="0 6 * * 1",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 (Airflow takes it for UTC)
    catchup=False,
    max_active_runs=1,
)
def readiness_credit() -> None:
    """Review the credit model."""

    @task(
        retries=2,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=2),
    )
    def review() -> None:
        command = [READINESS, "run", CASE, "--out", RUNS, "--no-overlap", *OPTIONS]
        code = subprocess.run(command, cwd=Path(RUNS).parent, check=False).returncode
        if code in SAYS:
            raise AirflowFailException(SAYS[code])  # failed, and not tried again
        if code != 0:
            msg = f"No verdict, exit {code}: the log says why."
            raise AirflowException(msg)  # tried again

    review()


readiness_credit()
