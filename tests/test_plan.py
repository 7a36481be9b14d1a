"""A published run becomes a plan; the plan runs on new rows and keeps its promises."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from readiness.errors import CaseError, Reason, RunError
from readiness.history import read_history
from readiness.manifest import write_manifest
from readiness.plan import write_plan
from readiness.plan_config import is_plan, read_plan
from tests.commands import in_process
from tests.plans import plan_text

DAYS, ROWS = 60, 100
CASE = """
name = "windy"
title = "Will it be late?"
tier = "low"
[model]
path = "model.skops"
task = "binary"
positive = 1
metric = "accuracy"
acceptable = 0.6
tolerated_loss = 0.03
[data]
training = "reference.parquet"
reference = "reference.parquet"
target = "late"
time = "when"
[operation]
monitor_window_rows = 700
windows_per_month = 4.3
false_alarms_per_month = 0.43
label_delay_days = 14
retrain_every_days = 90
"""
MONITORS = """column,family,category,kind,budget,budget_low,budget_high,direction,\
own_unit,sd,unit,reference,alarm_move,alarm_rate,reference_error,window_error,detectable,power,\
psi_at_budget,verdict
wind,mean,,numeric,0.5,0.4,0.7,up,mph,3.0,SD,10.0,0.6,0.05,0.06,0.19,0.3,0.99,0.24,covered
carrier,category,'=AA,categorical,,0.3,inf,,,1.0,share,0.5,0.06,0.02,0.006,0.02,0.08,,,
"""
PLAN = """time,block,weight,tolerated_loss,window_rows,blocks_per_window,\
windows_per_block,windows_per_month,false_alarms_per_month,late_windows,reference_blocks
when,1d,,0.03,700,7,1,4.3,0.43,4,60
"""


def published(folder: Path, monitors: str | None = MONITORS) -> Path:
    """Return what a published run holds of what a plan needs."""
    checks = [{"code": "D8", "reason": None if monitors else "NO_LABELS"}]
    results = {
        "case": "windy",
        "title": 'Will it be "late"?',
        "decision": "",
        "owner": "",
        "tier": "low",
        "run_id": "20261125T120000Z-0123abcd",
        "results_digest": "a" * 64,
        "created_utc": "2026-11-25T12:00:00Z",
        "checks": checks,
        "facts": {
            "task": "binary",
            "metric": "accuracy",
            "acceptable": 0.6,
            "model_sha256": None,
        },
    }
    (folder / "tables").mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results))
    if monitors:
        (folder / "tables" / "D8-monitors.csv").write_text(monitors)
        (folder / "tables" / "D8-plan.csv").write_text(PLAN)
    write_manifest(folder, {"run_id": results["run_id"]})
    return folder


def test_plan_holds_amounts_in_the_unit_of_the_column(tmp_path: Path) -> None:
    plan = read_plan(write_plan(published(tmp_path / "run"), tmp_path / "plan.toml"))

    wind, carrier = plan.watch
    assert (wind.budget, wind.budget_low, wind.budget_high) == (
        pytest.approx(1.5),
        pytest.approx(1.2),
        pytest.approx(2.1),
    )
    assert (wind.unit, wind.alarm_move, wind.verdict) == ("mph", 0.6, "covered")
    assert (wind.psi_at_budget, carrier.psi_at_budget) == (0.24, None)
    usual = "an alarm at a PSI of 0.25, the usual level, would miss it"
    assert (tmp_path / "plan.toml").read_text().count(usual) == 1
    assert (carrier.category, carrier.unit, carrier.budget) == ("=AA", "share", None)
    assert (carrier.budget_low, carrier.budget_high) == (0.3, None)
    assert plan.origin.results_digest == "a" * 64
    assert plan.title == 'Will it be "late"?'


def test_plan_is_told_from_a_case(tmp_path: Path) -> None:
    plan = write_plan(published(tmp_path / "run"), tmp_path / "plan.toml")
    (tmp_path / "case.toml").write_text(CASE)

    assert is_plan(plan)
    assert not is_plan(tmp_path / "case.toml")
    assert not is_plan(tmp_path / "absent.toml")


def test_altered_run_gives_no_plan(tmp_path: Path) -> None:
    run = published(tmp_path / "run")
    (run / "tables" / "D8-monitors.csv").write_text(MONITORS.replace("0.6", "6.0"))

    with pytest.raises(RunError, match="not what was published") as caught:
        write_plan(run, tmp_path / "plan.toml")

    assert caught.value.code is Reason.ALTERED
    assert not (tmp_path / "plan.toml").exists()


def test_existing_plan_stays(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("mine")

    with pytest.raises(RunError, match="exists already"):
        write_plan(published(tmp_path / "run"), tmp_path / "plan.toml")

    assert (tmp_path / "plan.toml").read_text() == "mine"


def test_run_without_an_answer_to_plan_by_says_why(tmp_path: Path) -> None:
    run = published(tmp_path / "run", monitors=None)

    with pytest.raises(RunError, match=r"has no answer \(NO_LABELS\)") as caught:
        write_plan(run, tmp_path / "plan.toml")

    assert caught.value.code is Reason.USAGE


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("alarm_move = 0.6", "alarm_move = nan", "alarm_move"),
        ("budget_low = 1.6", "", "budget_low"),
        ('verdict = "covered"', 'verdict = "fine"', "verdict"),
        ("[window]", "[window]\nspeed = 1", "unknown key"),
    ],
)
def test_unusable_plan_names_the_key(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan_text().replace(old, new))

    with pytest.raises(CaseError, match=f"plan file.*{says}"):
        read_plan(path)


def windy_rows(n_days: int, seed: int, start: str, wind: float) -> pd.DataFrame:
    """Return rows whose label is the sign of a number, less and less so in wind."""
    rng = np.random.default_rng(seed)
    n = n_days * ROWS
    gusts = rng.normal(wind, 3.0, n)
    signal = rng.normal(size=n)
    wrong = rng.random(n) < 0.5 / (1 + np.exp(12.0 - gusts))
    return pd.DataFrame(
        {
            "when": pd.Timestamp(start)
            + pd.to_timedelta(np.repeat(np.arange(n_days), ROWS), "D"),
            "wind": gusts,
            "signal": signal,
            "late": ((signal > 0) != wrong).astype(int),
        }
    )


def monitor(folder: Path, rows: pd.DataFrame, name: str) -> tuple[int, str]:
    """Run the plan on rows by the command line; return exit code and last line."""
    rows.to_parquet(folder / name)
    process = in_process(
        "run",
        folder / "plan.toml",
        "--current",
        folder / name,
        "--out",
        folder / "runs",
    )
    printed, _ = process.communicate(timeout=300)
    return process.returncode, printed.strip().splitlines()[-1]


def reviewed(folder: Path) -> Path:
    """Review the windy case and make its plan, by the command line."""
    reference = windy_rows(DAYS, 1, "2026-01-01", 10.0)
    reference.to_parquet(folder / "reference.parquet")
    model = LogisticRegression().fit(reference[["wind", "signal"]], reference["late"])
    skops.io.dump(model, folder / "model.skops")
    (folder / "case.toml").write_text(CASE)
    out = folder / "runs"
    review = in_process("run", folder / "case.toml", "--only", "drift", "--out", out)
    review.communicate(timeout=600)
    run = out / "windy" / (out / "windy" / "latest").read_text().strip()
    in_process("plan", run, "--out", folder / "plan.toml").communicate(timeout=60)
    return out


@pytest.mark.slow
@pytest.mark.notebook
def test_round_trip_from_a_review_to_its_monitor(tmp_path: Path) -> None:
    """Within budget 0, spent 1, cannot tell 2; every run stays in the history."""
    out = reviewed(tmp_path)

    watch = next(
        one
        for one in read_plan(tmp_path / "plan.toml").watch
        if (one.column, one.family) == ("wind", "mean")
    )
    assert watch.verdict == "covered"
    assert watch.budget is not None
    over = 10.0 + 1.5 * (watch.budget_high or 2 * watch.budget)
    same = windy_rows(7, 2, "2026-03-02", 10.0)
    moved = windy_rows(7, 3, "2026-03-09", over)

    assert monitor(tmp_path, same, "same.parquet")[0] == 0
    assert monitor(tmp_path, moved, "moved.parquet")[0] == 1
    code, line = monitor(tmp_path, moved.drop(columns="wind"), "lost.parquet")
    assert code == 2
    assert line.startswith("INCOMPLETE")

    runs = [one for one in read_history(out) if one.case_name == "windy-monitor"]
    assert [one.outcome for one in runs] == ["PASS", "FAIL", "INCOMPLETE"]
    path = pd.read_csv(out / runs[1].path / "tables" / "M1-path.csv")
    wind = path[(path["column"] == "wind") & (path["family"] == "mean")]
    assert wind["start"].str[:10].tolist() == ["2026-03-02", "2026-03-09"]
    assert wind["alarm"].tolist() == [False, True]
    page = (out / runs[1].path / "index.html").read_text()
    assert "BUDGET SPENT" in page
