"""Jupyter Scheduler runs our command from a notebook, its case file a parameter."""

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_case

pytestmark = pytest.mark.integration
PATIENCE_S = 300
NOTEBOOK = Path(__file__).parents[2] / "docs" / "schedule" / "jupyter_scheduler.ipynb"
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Start JupyterLab with the extension; return how to ask it things."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, root = secrets.token_hex(16), tmp_path / "root"
    root.mkdir()
    (root / "review.ipynb").write_bytes(NOTEBOOK.read_bytes())
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    env = {**os.environ, **{one: str(tmp_path / one.lower()) for one in folders}}
    command = [
        os.environ["READINESS_JUPYTER"],
        "lab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
    ]

    def asked(path: str, values: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 (JSON)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/{path}",
            None if values is None else json.dumps(values).encode(),
            {"Authorization": f"token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (as above)
            return json.loads(answer.read())

    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(command, env=env, stdout=log, stderr=log) as server,  # noqa: S603 (as above)
    ):
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up and server.poll() is None:
            try:
                asked("api/status")
                break
            except OSError:
                time.sleep(0.5)
        yield asked
        server.terminate()


def test_job_completes_and_leaves_a_published_run(ask: Ask, tmp_path: Path) -> None:
    case, out = tiny_case(tmp_path / "case"), tmp_path / "runs"
    job = ask(
        "scheduler/jobs",
        {
            "name": "review",
            "input_uri": "review.ipynb",
            "output_formats": ["ipynb"],
            "runtime_environment_name": next(
                one["name"] for one in ask("scheduler/runtime_environments")
            ),
            # The text becomes code: a string carries its own quotes.
            "parameters": {
                "case_file": repr(str(case)),
                "out": repr(str(out)),
                "only": repr("own"),
            },
        },
    )

    state = ask(f"scheduler/jobs/{job['job_id']}")
    give_up = time.monotonic() + PATIENCE_S
    # A job is called STOPPED until its process has begun: that is no end.
    while state["status"] not in {"COMPLETED", "FAILED"}:
        assert time.monotonic() < give_up, state
        time.sleep(1)
        state = ask(f"scheduler/jobs/{job['job_id']}")

    latest = (out / "tiny" / "latest").read_text().strip()
    results = json.loads((out / "tiny" / latest / "results.json").read_text())
    assert state["status"] == "COMPLETED", state
    assert results["outcome"] == "PASS"
