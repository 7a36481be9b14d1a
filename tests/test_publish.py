"""What a run leaves: whole, verified, in the formats machines read."""

import json
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from readiness.errors import RunError
from readiness.junit import junit_xml
from readiness.manifest import environment, verify, write_manifest
from readiness.publish import copy_tables, keep_remains, publish
from readiness.runner import run_review
from readiness.staging import (
    Staging,
    check_writable,
    json_text,
    open_staging,
    settle,
    write_text,
)
from tests.invariants import SCHEMA
from tests.sample_pages import sample_results
from tests.tiny import PASSING_CHECK, tiny_case

RUN_ID = "20270101T000000Z-0123abcd"
WRITE_TABLE = """
import json, os
from pathlib import Path
tables = Path(run_dir) / "tables"
(tables / "U1-rows.csv").write_text("a,b\\n1,2\\n")
(tables / "stray.csv").write_text("not named by a result")
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of one published run. Do not alter it."""
    folder = tmp_path_factory.mktemp("published")
    case = tiny_case(folder / "case", {"own": [WRITE_TABLE]})
    notebook = case.parent / "own" / "own.ipynb"
    named = notebook.read_text().replace("'tables': []", "'tables': ['U1-rows.csv']")
    notebook.write_text(named)
    return run_review(case, out=folder / "out", only=["own"]).index_path.parent


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """Return a copy of the published run that may be altered."""
    for path in published.rglob("*"):
        target = tmp_path / "run" / path.relative_to(published)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            target.write_bytes(path.read_bytes())
    return tmp_path / "run"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """Return the private folder of a run."""
    check_writable(tmp_path, "tiny")
    with open_staging(tmp_path, "tiny", RUN_ID) as opened:
        yield opened


def results_with(status: str, **finding: object) -> dict:
    """Return results with one check whose finding is changed."""
    check = deepcopy(PASSING_CHECK) | {"status": status}
    check["findings"][0] |= {"status": status, **finding}
    notebook = {
        "name": "own",
        "complete": True,
        "reason_code": None,
        "message": None,
    }
    return {"case": "tiny", "notebooks": [notebook], "checks": [check]}


def test_run_directory_holds_what_the_design_lists(published: Path) -> None:
    names = {path.relative_to(published).as_posix() for path in published.rglob("*")}

    assert names == {
        "index.html",
        "report.html",
        "own.html",
        "notebooks",
        "notebooks/own.ipynb",
        "tables",
        "tables/U1-rows.csv",
        "tables/findings.csv",
        "tables/ml_test_score.csv",
        "ml_test_score.html",
        "model_card.json",
        "model_card.md",
        "results.json",
        "junit.xml",
        "manifest.json",
    }


def test_results_fit_the_shipped_schema(published: Path) -> None:
    results = json.loads((published / "results.json").read_text())

    jsonschema.validate(results, json.loads(SCHEMA.read_text()))
    assert results["outcome"] == "PASS"


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"outcome": "GREEN"},
        {"run_id": "../x"},
        {"outcome": "ERROR"},
        {"results_digest": None},
    ],
)
def test_schema_refuses_what_it_does_not_know(change: dict, published: Path) -> None:
    results = json.loads((published / "results.json").read_text()) | change

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(results, json.loads(SCHEMA.read_text()))


def test_results_that_do_not_fit_the_schema_are_not_published(
    staging: Staging,
) -> None:
    with pytest.raises(RunError, match="must contain") as raised:
        publish(staging, None, {})

    assert raised.value.code == "NO_VERDICT"


def test_schema_wants_a_reason_for_a_missing_number(published: Path) -> None:
    results = json.loads((published / "results.json").read_text())
    results["checks"][0]["findings"][0]["value"] = None

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(results, json.loads(SCHEMA.read_text()))


def test_manifest_names_inputs_model_policy_code_and_environment(
    published: Path,
) -> None:
    manifest = json.loads((published / "manifest.json").read_text())

    assert set(manifest["inputs"]) == {"case", "model", "reference", "notebook own"}
    assert manifest["model_sha256"] == manifest["inputs"]["model"]
    assert manifest["policy"]["tier"] == "low"
    assert len(manifest["environment"]["code_sha256"]) == 64
    assert "numpy" in manifest["environment"]["packages"]
    assert "index.html" in manifest["artefacts"]


def test_executed_notebook_does_not_name_folders_of_this_machine(
    published: Path,
) -> None:
    text = (published / "notebooks" / "own.ipynb").read_text()

    papermill = json.loads(text)["metadata"]["papermill"]
    assert papermill["input_path"] == papermill["output_path"] == "own.ipynb"


def test_untouched_run_verifies(published: Path) -> None:
    assert verify(published) == []


@pytest.mark.parametrize(
    "name",
    ["index.html", "notebooks/own.ipynb", "tables/U1-rows.csv", "results.json"],
)
def test_flipped_byte_is_named_t34(name: str, copy: Path) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)

    assert verify(copy) == [f"changed: {name}"]


@pytest.mark.parametrize("position", [0, 200, -1])
def test_any_flipped_byte_of_the_manifest_is_noticed(position: int, copy: Path) -> None:
    content = bytearray((copy / "manifest.json").read_bytes())
    content[position] ^= 1
    (copy / "manifest.json").write_bytes(content)

    assert verify(copy) == ["changed: manifest.json"]


def test_missing_and_added_files_are_named(copy: Path) -> None:
    (copy / "junit.xml").unlink()
    (copy / "extra.html").write_text("x")
    (copy / "link.html").symlink_to("/etc/passwd")

    assert verify(copy) == [
        "missing: junit.xml",
        "added: extra.html",
        "added: link.html",
    ]


def test_file_replaced_by_a_link_is_named(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "same.xml").write_bytes((copy / "junit.xml").read_bytes())
    (copy / "junit.xml").unlink()
    (copy / "junit.xml").symlink_to(tmp_path / "same.xml")

    assert verify(copy) == ["changed: junit.xml"]


def test_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must be the folder of a published run"):
        verify(tmp_path)


def test_code_hash_is_the_same_twice() -> None:
    assert environment()["code_sha256"] == environment()["code_sha256"]


def test_finished_folder_never_replaces_a_run(staging: Staging) -> None:
    made = staging.folder / "public"
    made.mkdir()
    staging.target.mkdir()

    with pytest.raises(RunError, match="It is kept"):
        settle(staging, made, staging.target)


def test_link_in_a_finished_folder_is_refused(staging: Staging) -> None:
    made = staging.folder / "public"
    made.mkdir()
    (made / "passwords").symlink_to("/etc/passwd")

    with pytest.raises(RunError, match="must be a plain file"):
        settle(staging, made, staging.target)


def test_table_that_is_a_link_is_not_published(staging: Staging) -> None:
    for name in ("tables", "public"):
        (staging.folder / name).mkdir()
    (staging.folder / "tables" / "U1-a.csv").symlink_to("/etc/passwd")
    results = {"checks": [{"tables": ["U1-a.csv", "../../../../etc/passwd"]}]}

    copy_tables(staging.folder, staging.folder / "public", results)

    assert list((staging.folder / "public" / "tables").iterdir()) == []


def test_remains_of_a_stopped_run_are_kept_unrendered(staging: Staging) -> None:
    (staging.folder / "notebooks").mkdir()
    (staging.folder / "notebooks" / "own.ipynb").write_text("{}")
    (staging.folder / "run.json").write_text("{}")

    results = sample_results()

    kept = keep_remains(staging, results)

    assert kept == staging.failed_target
    assert verify(kept) == []
    assert json.loads((kept / "results.json").read_text()) == results
    assert sorted(path.name for path in kept.iterdir()) == [
        "manifest.json",
        "notebooks",
        "results",
        "results.json",
        "run.json",
        "tables",
    ]


def test_remains_that_cannot_be_kept_are_given_up(staging: Staging) -> None:
    staging.failed_target.mkdir()

    assert keep_remains(staging, sample_results()) is None


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("old")

    write_text(tmp_path / "latest", "new")

    assert (tmp_path / "latest").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_json_is_strict_and_half_characters_are_replaced() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"value": float("nan")})

    assert json_text({"a": "\ud800"}) == '{\n "a": "?"\n}\n'


def test_manifest_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")

    write_manifest(tmp_path, {"run_id": RUN_ID})

    artefacts = json.loads((tmp_path / "manifest.json").read_text())["artefacts"]
    # sha256 of nothing, FIPS 180-4
    assert artefacts["a.txt"] == {
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "bytes": 0,
    }


@pytest.mark.parametrize(
    ("status", "finding", "tag"),
    [
        ("pass", {}, None),
        ("info", {}, None),
        ("fail", {}, "failure"),
        ("fail", {"waived": True}, "system-out"),
        ("fail", {"required": False}, "system-out"),
        ("inconclusive", {}, "error"),
        ("not_assessed", {"required": False}, "skipped"),
    ],
)
def test_junit_says_what_a_ci_server_should_show(
    status: str, finding: dict, tag: str | None
) -> None:
    suites = ET.fromstring(junit_xml(results_with(status, **finding)))  # noqa: S314 (our own)

    case = suites.find("testsuite/testcase")
    assert [one.tag for one in case] == ([tag] if tag else [])
    assert suites.get("tests") == "1"


def test_junit_of_a_notebook_without_a_result_is_an_error() -> None:
    results = results_with("pass")
    results["notebooks"][0] |= {
        "complete": False,
        "reason_code": "KERNEL_DIED",
        "message": "The kernel died.",
    }

    suites = ET.fromstring(junit_xml(results))  # noqa: S314 (our own)

    assert suites.find("testsuite/testcase/error").get("type") == "KERNEL_DIED"
    assert suites.get("errors") == "1"


def test_junit_survives_names_that_xml_cannot_hold() -> None:
    results = results_with("fail", group='<a> & "b" \x00\x1b \ud800')

    suites = ET.fromstring(junit_xml(results))  # noqa: S314 (our own)

    shown = suites.find("testsuite/testcase/failure").get("message")
    assert '<a> & "b"' in shown
