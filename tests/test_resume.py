"""A failed run resumed: what it had finished counts, as long as nothing changed."""

import datetime as dt
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from readiness import runner
from readiness.crew import run_notebooks
from readiness.errors import RunError
from readiness.history import read_history
from readiness.manifest import verify
from readiness.preflight import look_over
from readiness.resume import finished, take_over
from readiness.runner import run_review
from readiness.staging import Staging
from readiness.tables import table_from_frame
from tests.test_runner import options
from tests.tiny import tiny_case

FAIL_ONCE = """
from pathlib import Path
if (Path(case_file).parent / "broken").exists():
    raise RuntimeError("The feed was down.")
"""
COUNT = """
from pathlib import Path
with (Path(case_file).parent / "executed.txt").open("a") as log:
    log.write("x")
(Path(run_dir) / "tables" / "U1-rows.csv").write_text("a\\n1\\n")
"""
NAMED = ("'tables': []", "'tables': ['U1-rows.csv']")
ONLY = ["one", "two"]


def two_notebooks(folder: Path) -> Path:
    """Write a case whose first notebook counts its runs and whose second may fail."""
    case = tiny_case(folder, {"one": [COUNT], "two": [FAIL_ONCE]})
    first = folder / "own" / "one.ipynb"
    text = first.read_text().replace(*NAMED)
    first.write_text(text.replace("'notebook': 'own'", "'notebook': 'one'"))
    return case


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of every artefact of a run by name."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return {name: one["sha256"] for name, one in manifest["artefacts"].items()}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the case file of a case with one failed run. Do not alter it."""
    folder = tmp_path_factory.mktemp("failed")
    case = two_notebooks(folder / "case")
    (case.parent / "broken").touch()
    run_review(case, out=folder / "out", only=ONLY)
    (case.parent / "broken").unlink()
    return case


@pytest.fixture
def case(failed: Path, tmp_path: Path) -> Path:
    """Return a copy of the case and its failed run that may be altered."""
    shutil.copytree(failed.parents[1], tmp_path, dirs_exist_ok=True)
    return tmp_path / "case" / "case.toml"


def failed_run(case: Path) -> Path:
    """Return the folder of the only failed run."""
    (folder,) = (case.parents[1] / "out" / "failed").iterdir()
    return folder


def test_resumed_run_repeats_only_what_failed_and_comes_to_the_same(
    case: Path,
) -> None:
    out, before = case.parents[1] / "out", failed_run(case)
    kept = hashes_of(before)

    resumed = run_review(case, out=out, only=ONLY, resume=before)
    executed = (case.parent / "executed.txt").read_text()
    undisturbed = run_review(case, out=out, only=ONLY)

    folder, other = resumed.index_path.parent, undisturbed.index_path.parent
    results = json.loads((folder / "results.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    reused = manifest["resumed"]["files"]
    assert executed == "x"  # by the failed run
    assert resumed.exit_code == 0
    assert results["run_id"] not in {before.name, other.name}
    assert results["resumed"] == manifest["resumed"]["run_ids"] == [before.name]
    assert [one["made_by"] for one in results["notebooks"]] == [before.name, None]
    said = (
        f"Taken over</dt><dd>from the failed run <code>{before.name}</code>: one</dd>"
    )
    for page in ("index.html", "report.html"):
        assert (folder / page).read_text("utf-8").count(said) == 1
        assert "Taken over" not in (other / page).read_text("utf-8")
    assert (
        results["results_digest"]
        == json.loads((other / "results.json").read_text())["results_digest"]
    )
    assert set(reused) == {
        "results/one.json",
        "notebooks/one.ipynb",
        "tables/U1-rows.csv",
    }
    published = hashes_of(folder)
    assert reused.items() <= kept.items()
    assert {n: published[n] for n in reused if n in published} == {
        n: reused[n] for n in ("notebooks/one.ipynb", "tables/U1-rows.csv")
    }
    assert [verify(one) for one in (before, folder, other)] == [[], [], []]
    assert hashes_of(before) == kept
    states = [one.status for one in read_history(out)]
    assert states == ["failed", "published", "published"]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("case/case.toml", "case file"),
        ("case/model.skops", "model"),
        ("case/reference.parquet", "data, reference"),
        ("case/own/two.ipynb", "checks, notebook two"),
        ("case/policy.toml", "policy"),
    ],
)
def test_run_is_not_resumed_on_other_inputs(file: str, says: str, case: Path) -> None:
    path = case.parents[1] / file
    if path.suffix == ".parquet":
        pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}).to_parquet(path)
    elif path.name == "policy.toml":
        path.write_text('tier = "medium"\n')
    else:
        path.write_bytes(path.read_bytes() + b"\n")

    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))
    with pytest.raises(RunError, match=says) as raised:
        finished(failed_run(case), ready)

    assert raised.value.code == "INPUT_CHANGED"
    assert "Run without --resume." in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": 8}, r"options, seed \(7 then, 8 now\)"),
        ({"only": ("one",)}, "options, reviewed"),
        ({"profile": "full"}, "options, profile"),
    ],
)
def test_run_is_not_resumed_with_other_options(
    changed: dict, says: str, case: Path
) -> None:
    out = case.parents[1] / "out"
    ready = look_over(case, options(out, **{"only": tuple(ONLY), **changed}))

    with pytest.raises(RunError, match=says):
        finished(failed_run(case), ready)


def test_run_is_not_resumed_with_other_code_or_packages(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))
    monkeypatch.setitem(ready.about["environment"], "code_sha256", "0" * 64)

    with pytest.raises(RunError, match="software, code of readiness"):
        finished(failed_run(case), ready)


def test_altered_failed_run_is_not_resumed(case: Path) -> None:
    path = failed_run(case) / "results" / "one.json"
    path.write_text(path.read_text().replace('"value": 1.0', '"value": 0.9'))
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))

    with pytest.raises(RunError, match=r"results/one\.json") as raised:
        finished(failed_run(case), ready)

    assert raised.value.code == "ALTERED"


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ({"outcome": "PASS"}, "with a verdict"),
        ({"case": "other"}, "a run of the case 'other'"),
    ],
)
def test_only_a_failed_run_of_the_case_is_resumed(
    results: dict, says: str, case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = failed_run(case)
    values = json.loads((folder / "results.json").read_text()) | results
    monkeypatch.setattr("readiness.resume.published_results", lambda _: values)
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))

    with pytest.raises(RunError, match=says) as raised:
        finished(folder, ready)

    assert raised.value.code == "USAGE"


def test_waiver_that_expired_since_is_a_change(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiver = '[[waivers]]\ncheck = "P1"\nmetric = "roc_auc"\nowner = "me"\n'
    policy = case.parent / "policy.toml"
    policy.write_text(f'{waiver}reason = "so"\nexpires = 2027-01-31\n')
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))
    then = {**ready.about, "created_utc": "2027-01-31T23:50:00Z", "resumed": []}
    then |= {"outcome": "ERROR", "run_id": "", "checks": [], "facts": {}}
    then["notebooks"] = [{"name": one, "complete": False} for one in ONLY]
    monkeypatch.setattr("readiness.resume.published_results", lambda _: then)
    monkeypatch.setattr("readiness.identities.today_utc", lambda: dt.date(2027, 1, 31))
    same_day = finished(failed_run(case), ready)
    monkeypatch.setattr("readiness.identities.today_utc", lambda: dt.date(2027, 2, 1))

    with pytest.raises(RunError, match="the waiver of P1 roc_auc, which has expired"):
        finished(failed_run(case), ready)

    assert same_day.ended == {}


def test_table_whose_rows_changed_behind_its_query_is_a_change(
    case: Path, tmp_path: Path
) -> None:
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))
    found = finished(failed_run(case), ready)
    read = {"tables": {"current": {"sha256": "0" * 64}}}
    found = replace(found, results={**found.results, "facts": read})
    rows = table_from_frame(pd.DataFrame({"x": [1.0]}), "current")
    staging = Staging(out=tmp_path, case="tiny", run_id="", folder=tmp_path)

    with pytest.raises(RunError, match="the rows of the current table"):
        take_over(found, staging, {"current": rows})


def test_stopped_run_keeps_its_finished_notebooks_to_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, out = two_notebooks(tmp_path / "case"), tmp_path / "out"

    def until_stopped(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 (passed on)
        run_notebooks(*arguments, **named)
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(runner, "run_notebooks", until_stopped)
        stopped = run_review(case, out=out, only=ONLY)
    before = out / "failed" / stopped.run_id
    kept = hashes_of(before)

    resumed = run_review(case, out=out, only=ONLY, resume=before)

    folder = resumed.index_path.parent
    results = json.loads((folder / "results.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (stopped.exit_code, stopped.reason) == (143, "INTERRUPTED")
    assert resumed.exit_code == 0
    assert (case.parent / "executed.txt").read_text() == "x"
    assert [one["made_by"] for one in results["notebooks"]] == [before.name] * 2
    assert manifest["resumed"]["files"].items() <= kept.items()
    reused = manifest["resumed"]["files"].items()
    assert hashes_of(folder)["notebooks/one.ipynb"] in dict(reused).values()


@pytest.mark.parametrize("odd", [{"reason": "CRASH"}, {"metric": "age_days"}])
def test_crashed_check_or_age_of_a_table_is_measured_again(
    odd: dict, case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = failed_run(case)
    values = json.loads((folder / "results.json").read_text())
    (check,) = values["checks"]
    check |= {key: one for key, one in odd.items() if key == "reason"}
    check["findings"][0] |= {key: one for key, one in odd.items() if key == "metric"}
    monkeypatch.setattr("readiness.resume.published_results", lambda _: values)
    ready = look_over(case, options(case.parents[1] / "out", only=tuple(ONLY)))

    found = finished(folder, ready)

    assert (found.ended, found.files) == ({}, {})
