"""Threats T01 to T40 that no test of a single room holds; docs/faults.md has all."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from playwright.sync_api import Browser

from readiness import notebook_page
from readiness.config import ModelSection
from readiness.errors import ReadinessError, RunError
from readiness.inert import assert_inert
from readiness.models import load_model
from readiness.notebooks import prepare
from readiness.staging import open_staging
from tests.commands import in_process, reviewing
from tests.invariants import observed
from tests.sample_pages import HOSTILE, sample_pages
from tests.test_browser import CHROMIUM, browser
from tests.test_faults_input import case as points_case
from tests.tiny import tiny_case

__all__ = ["browser", "points_case"]

RUNS_ON_LOAD = "open({marker!r}, 'w')\n"
LOADER = "loader_module: mlflow.sklearn\ncode: code\n"
# Refuses and notes every address that is not this machine; in each process of a run.
BLOCKED = """
import sys

HOME = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)

def refuse(event, values):
    if event == "socket.connect":
        address = values[1]
        outside = isinstance(address, tuple) and address[0] not in HOME
    else:
        outside = event == "socket.getaddrinfo" and values[0] not in HOME
    if outside:
        with open({log!r}, "a") as stream:
            stream.write(event + str(values[1:]))
        raise OSError("the network is blocked")

sys.addaudithook(refuse)
with open({log!r} + ".used", "a") as stream:
    stream.write("x")
"""
POLICY = r'<meta http-equiv="Content-Security-Policy"[^>]*>'
PLANTED = "Planted-Person-4711"


def load(source: str, base: Path, **more: Any) -> object:  # noqa: ANN401 (keys of a model)
    section = {"path": source, "task": "binary", "positive": 1, **more}
    return load_model(ModelSection.model_validate(section), base)


def test_folder_of_a_model_is_refused_and_its_code_is_not_run_t03(
    tmp_path: Path,
) -> None:
    code = tmp_path / "model" / "code"
    code.mkdir(parents=True)
    marker = tmp_path / "marker"
    (code / "sklearn.py").write_text(RUNS_ON_LOAD.format(marker=str(marker)))
    (code.parent / "MLmodel").write_text(LOADER)

    with pytest.raises(ReadinessError, match="is a folder; name one file"):
        load("model", tmp_path)

    assert not marker.exists()


def test_onnx_with_data_elsewhere_is_refused_t07(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    content = b"\x08\x08\x12\x07pytorch:\x10location\x12\x09../secret"
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "model.onnx").write_bytes(content)

    with pytest.raises(ReadinessError, match="refused"):
        load("model.onnx", tmp_path / "case")


def test_file_of_a_callable_that_a_link_leads_outside_is_refused_t07(
    tmp_path: Path,
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "case").mkdir()
    (tmp_path / "outside.py").write_text(RUNS_ON_LOAD.format(marker=str(marker)))
    (tmp_path / "case" / "score.py").symlink_to(tmp_path / "outside.py")
    section = {"callable": "score.py:score", "task": "binary", "positive": 1}

    with pytest.raises(ReadinessError, match="Copy the file there"):
        load_model(ModelSection.model_validate(section), tmp_path / "case")

    assert not marker.exists()


def hostile_page(*vectors: str, policy: bool) -> str:
    """Return a page that neither escaping nor the last reading has seen."""
    page = sample_pages()["index.html"]
    whole = page.replace("</main>", "".join(vectors) + "</main>")
    without, n_policies = re.subn(POLICY, "", whole)
    assert n_policies == 1
    return whole if policy else without


@pytest.mark.parametrize("vector", HOSTILE[:3], ids=["script", "handler", "svg"])
def test_page_whose_text_was_not_escaped_is_refused_t11(vector: str) -> None:
    assert_inert(hostile_page(policy=True))

    with pytest.raises(RunError, match="Nothing was published"):
        assert_inert(hostile_page(vector, policy=True))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_content_policy_alone_stops_what_got_through_t11(
    browser: Browser, tmp_path: Path
) -> None:
    titles = {}
    for policy in (True, False):
        path = tmp_path / f"{policy}.html"
        path.write_text(hostile_page(*HOSTILE, policy=policy), "utf-8")
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda one, asked=asked: asked.append(one.url))
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        titles[policy] = page.title()
        assert not [url for url in asked if url.startswith("http")]
        page.close()

    assert titles[False] in ("stolen", "1")  # the vectors work where nothing stops them
    assert titles[True] not in ("stolen", "1")


def test_picture_of_a_local_file_is_not_embedded_t13() -> None:
    shown = notebook_page.markdown_html("![x](../../etc/passwd) ![y](/etc/hostname)")

    assert "img" not in shown
    assert "[picture: x]" in shown
    assert notebook_page.make_exporter().embed_images is False


@pytest.mark.parametrize(
    "value",
    ['it"s', "it's", "a\nb", "{x}", "\\", "'); open('marker', 'w'); ('"],
    ids=["T17-quote", "T17-apostrophe", "T17-line", "T21", "T17-slash", "T17-code"],
)
def test_value_of_a_parameter_stays_a_value_t17(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case = tiny_case(tmp_path / "case")
    target = tmp_path / "prepared.ipynb"

    prepare(case.parent / "own" / "own.ipynb", target, {"case_file": value})
    node = parameterize_notebook(load_notebook_node(str(target)), {"case_file": value})

    injected = [c for c in node.cells if "injected-parameters" in c.metadata["tags"]]
    names: dict[str, object] = {}
    exec(injected[0].source, names)  # noqa: S102 (what a kernel would run)
    assert names["case_file"] == value
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/own", "https://example.org/m", "s3://bucket/m", "file:///etc"],
)
@pytest.mark.parametrize(
    ("old", "key"),
    [
        ('notebooks = "own"', 'notebooks = "{}"'),
        ('path = "model.skops"', 'path = "{}"'),
        ('reference = "reference.parquet"', 'reference = "{}"'),
    ],
    ids=["T23-notebooks", "T30-model", "T23-table"],
)
def test_address_is_no_file(
    address: str,
    old: str,
    key: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = tiny_case(tmp_path / "case")
    case.write_text(case.read_text().replace(old, key.format(address)))
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent, new_rows=0)

    assert ended.code == 3
    assert ended.reason in ("INPUT", "CASE", "USAGE")


def test_private_folder_is_its_owners_alone_and_files_are_not_for_others_t33(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    (out / "tiny").mkdir(parents=True)

    with open_staging(out, "tiny", "20270101T000000Z-00000000") as staging:
        mode = stat.S_IMODE(staging.folder.stat().st_mode)

    assert mode == 0o700


@pytest.mark.slow
def test_review_runs_with_the_network_blocked_t38(
    points_case: Path, tmp_path: Path
) -> None:
    log = tmp_path / "asked"
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKED.format(log=str(log)))
    out = tmp_path / "out"
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    def command() -> tuple[int, str, str]:
        arguments = ("run", points_case, "--out", out, "--only", "own")
        process = in_process(*arguments, PYTHONPATH=path)
        stdout, stderr = process.communicate(timeout=120)
        return process.returncode, stdout, stderr

    ended = observed(command, out, points_case.parent)

    assert (ended.code, ended.reason) == (0, None), ended.stderr
    assert not log.exists(), log.read_text()
    # The review, the notebook's process and its kernel were all watched.
    assert len(Path(f"{log}.used").read_text()) >= 3


COLUMN_CHECKS = (
    *("schema", "value_ranges", "unseen_categories", "uncovered_patterns"),
    *("calendar_coverage", "duplicates_and_leakage", "headline_metric"),
    *("weak_slices", "observed_drift"),
)
# What is certainly looked through; every other file of the run is as well.
PUBLISHED = {
    *("index.html", "own.html", "results.json", "ml_test_score.html"),
    *("model_card.md", "model_card.json", "notebooks/own.ipynb"),
}


def plant_persons(folder: Path, *, sensitive: bool) -> None:
    """Give two rows of each table a value of their own; review the column by it."""
    for name in ("training", "reference", "current"):
        rows = pd.read_parquet(folder / f"{name}.parquet")
        rows.loc[[5, 200], "carrier"] = PLANTED
        rows.to_parquet(folder / f"{name}.parquet")
    case = folder / "case.toml"
    column = f"[columns.carrier]\ngroup = true\nsensitive = {str(sensitive).lower()}\n"
    case.write_text(case.read_text() + column)
    notebook = nbformat.read(folder / "own" / "own.ipynb", as_version=4)
    # The cells of the checks: the last one finishes the review.
    notebook.cells[3:-1] = [
        nbformat.v4.new_code_cell(f'review.check("{name}")') for name in COLUMN_CHECKS
    ]
    nbformat.write(notebook, folder / "own" / "own.ipynb")


@pytest.mark.slow
@pytest.mark.parametrize("sensitive", [True, False], ids=["hidden", "plain"])
def test_person_in_a_sensitive_column_stands_in_no_published_file_t39(
    sensitive: bool,  # noqa: FBT001 (a parameter of the test)
    points_case: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant_persons(points_case.parent, sensitive=sensitive)
    out = tmp_path / "out"

    command = reviewing(capsys, points_case, out)
    ended = observed(command, out, points_case.parent, limit_s=300)

    assert ended.code in (0, 1, 2), ended.stderr
    run = ended.folder
    files = {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file()
    }
    assert set(files) >= PUBLISHED
    assert sum(name.startswith("tables/") for name in files) > 10
    assert any("influence" in name for name in files)
    told = [name for name, content in files.items() if PLANTED.encode() in content]
    assert (told == []) is sensitive, told


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "requirements-oldest.lock"]
)
def test_every_package_of_a_lock_has_its_hash_t37(lock: str) -> None:
    text = (Path(__file__).parents[1] / lock).read_text()

    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

    assert len(packages) > 50
    assert [one.split()[0] for one in packages if "--hash=sha256:" not in one] == []
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert "--require-hashes -r requirements.lock" in makefile
