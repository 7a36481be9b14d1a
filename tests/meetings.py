"""Published runs for the tests of sign-offs, comparisons and history pages."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from readiness.history import Run, add_runs
from readiness.manifest import write_manifest
from readiness.sign import sign
from readiness.staging import created_utc, json_text
from tests.sample_pages import sample_results

CASE = "flight-delay"
FIRST, SECOND, THIRD = (f"202611{day}T120000Z-0123abcd" for day in (20, 21, 22))
Change = Callable[[dict[str, Any]], None]


def finding_of(
    results: Mapping[str, Any], code: str, metric: str, group: str = ""
) -> dict[str, Any]:
    """Return the first such finding, to be changed in place."""
    return next(
        one
        for check in results["checks"]
        if check["code"] == code
        for one in check["findings"]
        if (one["metric"], one["group"]) == (metric, group)
    )


def moved(code: str, metric: str, value: float, half: float, **more: object) -> Change:
    """Return a change that gives a finding of the whole case another value."""

    def change(results: dict[str, Any]) -> None:
        ends = {"value": value, "ci_low": value - half, "ci_high": value + half}
        finding_of(results, code, metric).update(ends, **more)

    return change


def passing(results: dict[str, Any]) -> None:
    """Make every finding pass."""
    results |= {"outcome": "PASS", "headline": "All required findings hold."}
    for check in results["checks"]:
        check["findings"] = [one | {"status": "pass"} for one in check["findings"]]


def publish_run(out: Path, run_id: str = FIRST, *alter: Change) -> Path:
    """Publish the sample results, altered, as a run; return its folder."""
    results = sample_results()
    results |= {"run_id": run_id, "created_utc": created_utc(run_id)}
    for one in alter:
        one(results)
    folder = out / results["case"] / run_id
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json_text(results), "utf-8")
    (folder / "index.html").write_text("<p>the verdict</p>", "utf-8")
    write_manifest(folder, {"run_id": run_id})
    list_run(out, run_id, results)
    return folder


def condition_on(run: Path, due: str) -> None:
    """Sign a run with a condition, years ago."""
    sign(
        run,
        role="risk",
        decision="go-with-conditions",
        note="For now.",
        conditions=[f"Recalibrate|modelling|{due}"],
        now=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    )


def list_run(
    out: Path,
    run_id: str,
    results: Mapping[str, Any] | None = None,
    status: str = "published",
) -> None:
    """Add a run to the history."""
    results = results or sample_results()
    path = f"{results['case']}/{run_id}" if status == "published" else ""
    row = Run(
        run_id=run_id,
        case_name=results["case"],
        created=created_utc(run_id),
        outcome=results["outcome"] if status == "published" else "ERROR",
        reason=None if status == "published" else "KERNEL_DIED",
        headline=results["headline"],
        digest=results["results_digest"],
        path=path,
        status=status,
    )
    add_runs(out, [row])


def alter_run(folder: Path) -> None:
    """Change one number of a published run, as somebody might by hand."""
    path = folder / "results.json"
    results = json.loads(path.read_text("utf-8"))
    results["outcome"] = "PASS"
    path.write_text(json.dumps(results), "utf-8")
