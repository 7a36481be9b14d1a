"""A monitoring plan for tests: two numbers, one category, days of a hundred rows."""

from pathlib import Path

import numpy as np
import pandas as pd

from readiness.monitor import MonitorCase, monitor_case
from readiness.toml_text import toml_value

ROWS_PER_DAY = 100
DAY_EFFECT = 0.5  # of "wind", whose rows of one day share it
HEAD = """
kind = "monitor"
name = "tiny-monitor"
title = "Will it be late?"
tier = "high"
[origin]
case = "tiny"
run_id = "20261125T120000Z-00000000"
results_digest = "{digest}"
created_utc = "2026-11-25T12:00:00Z"
[model]
task = "binary"
metric = "roc_auc"
acceptable = 0.65
tolerated_loss = 0.02
[window]
time = "when"
block = "1d"
rows = {rows}
blocks_per_window = {days}
windows_per_block = 1
windows_per_month = 4.3
false_alarms_per_month = 0.43
late_windows = 3
reference_blocks = 60
"""
WIND = {
    "column": "wind",
    "family": "mean",
    "kind": "numeric",
    "unit": "mph",
    "reference": 10.0,
    "window_error": DAY_EFFECT / np.sqrt(7),
    "reference_error": DAY_EFFECT / np.sqrt(60),
    "alarm_move": 0.6,
    "alarm_rate": 0.05,
    "budget": 2.0,
    "budget_low": 1.6,
    "budget_high": 2.5,
    "direction": "up",
    "power": 0.99,
    "verdict": "covered",
}
CARRIER = {
    "column": "carrier",
    "family": "category",
    "category": "AA",
    "kind": "categorical",
    "unit": "share",
    "reference": 0.5,
    "window_error": 0.02,
    "reference_error": 0.006,
    "alarm_move": 0.06,
    "alarm_rate": 0.02,
}
GUST = {
    "column": "gust",
    "family": "missing",
    "kind": "numeric",
    "unit": "share",
    "reference": 0.1,
    "window_error": 0.012,
    "reference_error": 0.004,
    "alarm_move": 0.04,
    "alarm_rate": 0.02,
    "budget": 0.3,
    "budget_low": 0.2,
    "verdict": "blind",
    "power": 0.1,
}


def plan_text(*watch: dict[str, object], days: int = 7) -> str:
    """Return a plan that watches `watch`; by default all three."""
    parts = [HEAD.format(digest="0" * 64, rows=days * ROWS_PER_DAY, days=days)]
    for one in watch or (WIND, CARRIER, GUST):
        lines = [f"{key} = {toml_value(value)}" for key, value in one.items()]
        parts.append("\n".join(["[[watch]]", *lines]))
    return "\n".join(parts) + "\n"


def new_rows(
    n_days: int, seed: int, *, wind: float = 10.0, start: str = "2026-12-01"
) -> pd.DataFrame:
    """Return rows of days whose wind is off by what the whole day shares."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), ROWS_PER_DAY)
    n = len(day)
    rows = pd.DataFrame(
        {
            "when": pd.Timestamp(start)
            + pd.to_timedelta(day, "D")
            + pd.to_timedelta(rng.integers(0, 1440, n), "min"),
            "wind": wind + rng.normal(0, DAY_EFFECT, n_days)[day],
            "carrier": rng.choice(["AA", "DL"], n),
            "gust": np.where(rng.random(n) < 0.1, np.nan, 1.0),
        }
    )
    return rows.sample(frac=1, random_state=seed).reset_index(drop=True)


def monitored(
    folder: Path,
    rows: pd.DataFrame,
    *watch: dict[str, object],
    days: int = 7,
    earlier: tuple[Path, ...] = (),
) -> MonitorCase:
    """Return rows under a plan, both written to `folder`."""
    plan = folder / "plan.toml"
    plan.write_text(plan_text(*watch, days=days))
    path = folder / "new.parquet"
    rows.to_parquet(path)
    return monitor_case(plan, current=path, earlier=earlier)
