"""Measure what altered readings of the flights cost, beside scoring them plainly.

The same rows, columns and moves three ways in turn, in one process: the plain loop
copies the frame and runs the pipeline for each point; the trees alone score every
altered row already encoded; and readiness. Scores must be equal to the last bit. CPU
seconds, the best of several rounds.

With ``--every-row`` the whole check runs a second time on every labelled row, and its
verdicts are compared; that is slow.
"""

import argparse
import datetime as dt
import os
import platform
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from page import write_section

from readiness import __version__
from readiness.case import Case, load_case
from readiness.checks.drift import measurement_tilt
from readiness.checks.drift._altered import (
    Fixed,
    altered_point,
    fixed_rows,
    scores_of,
)
from readiness.checks.drift._base import Base, base_of
from readiness.findings import judge
from readiness.flights import WEATHER, demo_case
from readiness.policy import declared, limits_in_force, load_policy
from readiness.result import Measurement, Options
from readiness.scoring import count_calls

TITLE = "## Altered readings: what a tilt costs"
COLUMNS = (*WEATHER, "distance", "plane_year", "seats")
MOVES = (0.25, 0.5, 1.0, 3.0, -0.25, -0.5, -1.0, -3.0)  # SD
STRETCHES = (2.0, 4.0, 0.5, 0.001)
NOISES = (0.5, 1.0, 3.0)
Scored = dict[str, list[np.ndarray]]
Copies = dict[str, list[pd.Series]]


def altered_copies(fixed: Fixed) -> Copies:
    """Return 15 altered copies of each column: shifts, stretches and noise."""
    rng = np.random.default_rng(7)
    copies: Copies = {}
    for name in COLUMNS:
        values = fixed.frame[name].astype(float)
        mean, sd = float(values.mean()), float(values.std())
        noise = rng.standard_normal(len(values)) * sd
        copies[name] = [
            *(values + move * sd for move in MOVES),
            *(mean + stretch * (values - mean) for stretch in STRETCHES),
            *(values + size * noise for size in NOISES),
        ]
    return copies


def plain_loop(fixed: Fixed, copies: Copies) -> Scored:
    """Copy the frame, run the pipeline and compute the metric, point by point."""
    model = fixed.base.case.model
    found: Scored = {}
    for name, several in copies.items():
        found[name] = []
        for values in several:
            frame = fixed.frame.copy()
            frame[name] = values
            found[name].append(model.estimator.predict_proba(frame)[:, 1])
            altered_point(fixed, 1.0, found[name][-1])
    return found


def ours(fixed: Fixed, copies: Copies) -> Scored:
    """Score all copies of a column together, and compute the metric of each."""
    fixed.asked.clear()
    found: Scored = {}
    for name, several in copies.items():
        found[name] = scores_of(fixed, name, several)
        for y_score in found[name]:
            altered_point(fixed, 1.0, y_score)
    return found


def trees_alone(encoded: Sequence[np.ndarray], trees: object) -> int:
    """Score rows that are encoded already; return how many."""
    for matrix in encoded:
        trees.predict_proba(matrix)  # type: ignore[attr-defined]
    return sum(len(one) for one in encoded)


def encoded_copies(fixed: Fixed, copies: Copies) -> list[np.ndarray]:
    """Return every altered copy as the trees see it, column by column."""
    encode = fixed.base.case.model.estimator[:-1]
    return [
        np.concatenate(
            [encode.transform(fixed.frame.assign(**{name: one})) for one in several]
        )
        for name, several in copies.items()
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def same_scores(one: Scored, other: Scored) -> bool:
    """Return whether two sides gave the same scores to the last bit."""
    return all(
        np.array_equal(a, b)
        for name in one
        for a, b in zip(one[name], other[name], strict=True)
    )


def statuses(case: Case, measurement: Measurement) -> dict[str, str]:
    """Return the status of every budget that has a limit."""
    check = measurement_tilt.CHECK
    policy = load_policy(None, case.file, (), case.metric.name)
    better_high = case.metric.higher_is_better
    facts = declared(case.file, case.metric.name, higher_is_better=better_high)
    limits = limits_in_force(check, policy, facts)
    today = dt.date(2026, 1, 1)
    limited = {one.limit.metric for one in limits}
    return {
        f"{one.metric} of {one.group}": str(one.status)
        for one in judge(check, measurement, limits, policy, today)
        if one.metric in limited
    }


def whole_check(
    base: Base, rows: int, most_rows: int
) -> tuple[Measurement, int, float]:
    """Return the measurement, the altered rows scored for it, and its CPU seconds."""
    case = base.case
    began = time.process_time()
    with count_calls() as shared:
        base_of(case)
    with count_calls() as counter:
        options = Options(values={"rows": rows, "most_rows": most_rows})
        found = measurement_tilt.measure(case, options)
    return found, counter.calls - shared.calls, time.process_time() - began


def equal_rows(base: Base, rounds: int) -> list[str]:
    """Return lines about the three ways at equal rows."""
    fixed = fixed_rows(base, 5000)
    copies = altered_copies(fixed)
    encoded = encoded_copies(fixed, copies)
    trees = base.case.model.estimator[-1]
    if not same_scores(plain_loop(fixed, copies), ours(fixed, copies)):
        msg = "The scores of the two sides differ."
        raise SystemExit(msg)
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain_loop(fixed, copies),
        "trees": lambda: trees_alone(encoded, trees),
        "ours": lambda: ours(fixed, copies),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for way, work in ways.items():
            best[way] = min(best[way], seconds(work))
    n_points = sum(map(len, copies.values()))
    n_scored = sum(len(keys) for keys, _ in fixed.asked.values())
    n_scored -= len(fixed.rows) * len(fixed.asked)
    n_rows = n_points * len(fixed.rows)
    about = (
        f"{n_points} points ({len(copies)} columns, each shifted, stretched and made "
        f"noisy in 15 ways) on the same {len(fixed.rows):,} flights; all scores are "
        f"equal to the last bit. Of {n_rows:,} altered rows {n_scored:,} reach the "
        "model: the others lie between the same two splits as a value it has seen."
    )
    plain = f"{best['plain']:.2f} s | {best['ours'] / best['plain']:.2f}"
    alone = f"{best['trees']:.2f} s | {best['ours'] / best['trees']:.2f}"
    goals = (
        f"The plain loop takes {best['plain'] / best['ours']:.2f} times as long (goal: "
        f"at least 1.4); readiness takes {best['ours'] / best['trees']:.2f} times the "
        "trees' own time (goal: at most 1.3)."
    )
    return [
        about,
        "",
        "| how | CPU | ours ÷ theirs |",
        "|---|---|---|",
        f"| copy the frame, run the pipeline, per point | {plain} |",
        f"| the trees alone, on all rows encoded before | {alone} |",
        f"| readiness | {best['ours']:.2f} s | 1.00 |",
        "",
        goals,
    ]


def row_scorings(base: Base, *, every_row: bool) -> list[str]:
    """Return lines about the rows that the whole check scores."""
    defaults = measurement_tilt.CHECK.defaults
    found, scored, cpu_s = whole_check(base, defaults["rows"], defaults["most_rows"])
    n_all, n_points = len(base.rows), len(found.tables["curves"])
    said = (
        f"The whole check D2 (without the shared scores) gives the model {scored:,} "
        f"altered rows for {n_points} points, in {cpu_s:.1f} CPU-seconds. Every one of "
        f"the {n_all:,} labelled rows at every point would be "
        f"{n_all * n_points / scored:,.0f} times as many (goal: at least 5)."
    )
    if not every_row:
        return [said]
    wide, scored_all, all_s = whole_check(base, n_all, n_all)
    here, there = (statuses(base.case, one) for one in (found, wide))
    changed = [f"{name} ({here[name]}, then {there[name]})" for name in here]
    changed = [
        one
        for one, name in zip(changed, here, strict=True)
        if here[name] != there[name]
    ]
    listed = "; ".join(changed) or "none"
    again = (
        f"On every labelled row it gives the model {scored_all:,} rows, "
        f"{scored_all / scored:.1f} times as many, in {all_s:.0f} CPU-seconds; of "
        f"{len(here)} verdicts on budgets {len(changed)} change: {listed}."
    )
    return [said, "", again]


def main() -> None:
    """Measure, and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every-row", action="store_true")
    asked = parser.parse_args()
    base = base_of(load_case(demo_case()))
    text = equal_rows(base, asked.rounds)
    text += ["", *row_scorings(base, every_row=asked.every_row)]
    made = (
        f"Flights, {len(base.rows):,} labelled rows, 200 boosted trees in a pipeline "
        f"with an ordinal encoder; CPU-seconds, the best of {asked.rounds} alternating "
        f"rounds in one process. readiness {__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores with other work, "
        f"{platform.system()} {platform.machine()}.\n"
        "Made by `OMP_NUM_THREADS=1 python benchmarks/tilts.py`.\n"
    )
    write_section(TITLE, "\n".join([TITLE, "", made, *text, ""]))


if __name__ == "__main__":
    main()
