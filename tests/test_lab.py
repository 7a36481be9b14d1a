"""The notebooks in a real JupyterLab, driven in Chromium as an analyst would."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from readiness.flights import user_cache

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "a-token-for-this-test"  # noqa: S105 (a server of this test alone)
PATIENCE_S = 240
RUN_ALL = """
async () => {
  const app = window.jupyterapp;
  await app.restored;
  let widget = app.shell.currentWidget;
  while (!(widget && widget.context && widget.sessionContext)) {
    await new Promise(done => setTimeout(done, 100));
    widget = app.shell.currentWidget;
  }
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.info;
  const ran = await app.commands.execute('notebook:run-all-cells');
  return { ran: ran, notebook: widget.content.model.toJSON() };
}
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.timeout(600),
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _configured(home: Path, port: int) -> dict[str, str]:
    """Write JupyterLab's own settings into a private home; return the environment."""
    server = {
        "ServerApp": {
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,
        },
        "IdentityProvider": {"token": TOKEN},
        "LabApp": {"expose_app_in_browser": True, "news_url": None},
    }
    news = home / "settings" / "@jupyterlab" / "apputils-extension"
    for folder in (home / "config", home / "data", home / "runtime", news):
        folder.mkdir(parents=True)
    (home / "config" / "jupyter_lab_config.json").write_text(json.dumps(server))
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (news / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(user_cache().parent),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Start ``readiness lab`` in an empty folder; give its address."""
    port = _free_port()
    work = tmp_path / "work"
    work.mkdir()
    log = (tmp_path / "lab.log").open("w")
    command = [sys.executable, "-c", "from readiness.cli import main; main(['lab'])"]
    server = subprocess.Popen(  # noqa: S603 (our own interpreter)
        command,
        cwd=work,
        env=_configured(tmp_path / "home", port),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api", server, tmp_path / "lab.log")
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
        log.close()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 (our own server)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)
        else:
            return
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


def _run_all(address: str, notebook: str) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (skipped without Chromium)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"{address}/lab/tree/{notebook}?token={TOKEN}")
        page.wait_for_function("() => window.jupyterapp !== undefined")
        done = page.evaluate(RUN_ALL)
        browser.close()
    return done


def test_run_all_of_the_demo_works_with_nothing_typed(lab: str) -> None:
    done = _run_all(lab, "00_baseline.ipynb")

    code = [one for one in done["notebook"]["cells"] if one["cell_type"] == "code"]
    shown = {one["id"]: one["outputs"] for one in code}
    kinds = {out["output_type"] for outputs in shown.values() for out in outputs}
    headline = json.dumps(shown["check-headline-metric"])
    assert done["ran"] is True
    assert "error" not in kinds
    assert all(one["execution_count"] for one in code)
    assert "text/html" in headline
    assert "roc_auc" in headline
    assert "data:image/" in headline
    assert "text/html" in json.dumps(shown["finish"])
