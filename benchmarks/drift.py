"""Measure observed drift beside Evidently's and NannyML's drift reports.

The same flights with the same finished scores; each side is a fresh process from
start to saved page, and rounds alternate between the sides.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

from compare import PEERS, Measured, make_environment, measure, write_tables
from page import write_section

from readiness import __version__
from readiness.flights import user_cache

TITLE = "## Observed drift"
WORDS = {
    "readiness": "effect sizes with intervals by day, windows of a week, outcomes",
    "readiness, with budgets": "the same, and D1: what each feature's move costs",
    "evidently": "one distance per column, 18 columns",
    "nannyml": "four distances, per column and window, 18 columns",
}
CASE = """
name = "drift"
title = "Will this flight land more than 15 minutes late?"
[model]
predictions = "score"
task = "binary"
positive = 1
acceptable = 0.65
features = {features}
[data]
reference = "reference_drift.parquet"
current = "current_drift.parquet"
target = "late"
time = "scheduled"
"""


def write_case(folder: Path) -> None:
    """Write the flights with the model's scores and their times, once."""
    import pandas as pd  # noqa: PLC0415 (not measured)

    from readiness.case import load_case  # noqa: PLC0415 (not measured)
    from readiness.flights import FEATURES, demo_case  # noqa: PLC0415 (not measured)

    write_tables(folder)
    case = load_case(demo_case())
    for name in ("reference", "current"):
        rows = pd.read_parquet(demo_case().with_name(f"{name}.parquet"))
        rows = rows[rows["late"].notna()]
        rows = rows.assign(score=case.model.predict(rows))
        rows.to_parquet(folder / f"{name}_drift.parquet", index=False)
    text = CASE.format(features=json.dumps([*FEATURES]))
    (folder / "drift.toml").write_text(text, encoding="utf-8")


def ours(folder: Path, *, budgets: bool) -> None:
    """Measure D0 and save its card with figure and tables."""
    from readiness.review import open_review  # noqa: PLC0415 (a side of its own)

    review = open_review(folder / "drift.toml")
    found = review.bench.checks["observed_drift"]
    if not budgets:
        alone = replace(found, check=replace(found.check, helped_by=()))
        bench = replace(
            review.bench, checks={**review.bench.checks, "observed_drift": alone}
        )
        review.bench = bench
    shown = review.check("observed_drift")
    (folder / "readiness_drift.html").write_text(shown._repr_html_(), encoding="utf-8")


def text(best: dict[str, Measured], rounds: int) -> str:
    """Return the section with the table of ratios."""
    own = best["readiness"]
    lines = [
        TITLE,
        "",
        (
            f"258,000 labelled flights, reference against current, finished scores; "
            f"best of {rounds} alternating rounds, each a fresh process from start to "
            "saved page, imports included."
        ),
        (
            f"readiness {__version__}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores. Made by `python benchmarks/drift.py`."
        ),
        "",
        "| side | what it gives | wall | CPU | largest process | wall: ours ÷ theirs |",
        "|---|---|---|---|---|---|",
        *(
            f"| {side} | {WORDS[side]} | {one.wall_s:.1f} s | {one.cpu_s:.1f} s | "
            f"{one.peak_mb:.0f} MB | {own.wall_s / one.wall_s:.2f} |"
            for side, one in best.items()
        ),
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure every side and write the section, or be one side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=["alone", "budgets"])
    given = parser.parse_args()
    folder = user_cache() / "benchmark"
    if given.side:
        ours(folder, budgets=given.side == "budgets")
        return
    os.environ.update(DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1")
    write_case(folder)
    commands: dict[str, tuple[object, ...]] = {
        "readiness": (sys.executable, __file__, "--side", "alone"),
        "readiness, with budgets": (sys.executable, __file__, "--side", "budgets"),
    }
    for peer in ("evidently", "nannyml"):
        commands[peer] = (make_environment(peer), PEERS / f"{peer}_drift.py", folder)
    done: dict[str, list[Measured]] = {side: [] for side in commands}
    for number in range(given.rounds):
        for side, command in commands.items():
            done[side].append(measure(*command))
            print(f"round {number + 1}: {side} {done[side][-1]}", flush=True)
    best = {side: min(all_, key=lambda one: one.wall_s) for side, all_ in done.items()}
    write_section(TITLE, text(best, given.rounds))


if __name__ == "__main__":
    main()
