"""Measure pattern tables beside pandas, and C1 on Adult, in fresh processes.

Twelve attributes of the flights, drawn again with replacement: how many rows lie in
each combination of two (66 pairs) and of three (220 triples). Both sides read the same
Parquet file and must agree on the number of combinations that occur.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from page import own_cost, write_section

from readiness import __version__
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import CountCells
from readiness.flights import demo_case, user_cache
from readiness.patterns import maximal_uncovered, pattern_counts
from readiness.table_rows import Keys, passed
from readiness.tables import load_table

TITLE = "## Pattern tables"
TEXT = ("carrier", "origin", "dest", "weekday")
CUT = {
    "departure_minute": 8,
    "temp": 6,
    "humid": 4,
    "wind_speed": 4,
    "visib": 3,
    "pressure": 4,
    "plane_year": 4,
    "seats": 4,
}
NO_KEYS = Keys(time=None, span=1000, block=None, entity=None, weight=None)
SEVEN = [
    *("sex", "race", "marital-status", "workclass", "relationship"),
    *("education", "occupation"),
]


def write_rows(path: Path, n_rows: int) -> None:
    """Write flights cut into values, drawn with replacement."""
    folder = demo_case().parent
    names = ("training", "reference", "current")
    rows = pd.concat(
        [
            pd.read_parquet(folder / f"{name}.parquet", columns=[*TEXT, *CUT])
            for name in names
        ]
    )
    for name, n_bins in CUT.items():
        bins = pd.qcut(rows[name], n_bins, labels=False, duplicates="drop")
        rows[name] = bins.map("{:.0f}".format)
    drawn = np.random.default_rng(0).integers(0, len(rows), n_rows)
    rows.astype("category").iloc[drawn].to_parquet(path, index=False)


def ours(path: Path) -> int:
    """Return how many pairs and triples of values occur."""
    table = load_table(str(path), path.parent, "current")
    attributes = tuple(
        Attribute(name=name, values=tuple(table.dictionaries[name].to_pylist()))
        for name in (*TEXT, *CUT)
    )
    count = CountCells(attributes=attributes, level=3, keys=NO_KEYS, n_blocks=0)
    cells = count.finish(passed(table, count, count.columns()))
    found, pairs = 0, set()
    starts = count.offsets()
    for start, end, one in zip(starts, starts[1:], count.combinations, strict=False):
        axes = [attributes[place].axis for place in one]
        rows = pattern_counts(cells.rows[start:end].reshape(count.shape(one)), axes)
        found += int((rows[:-1, :-1, :-1] > 0).sum())
        for without in range(3):
            kept = (*one[:without], *one[without + 1 :])
            if kept not in pairs:
                pairs.add(kept)
                both = rows.take(-1, axis=without)
                found += int((both[:-1, :-1] > 0).sum())
    return found


def pandas_group_bys(path: Path) -> int:
    """Return the same number by 286 group-bys."""
    rows = pd.read_parquet(path)
    return sum(
        len(rows.groupby(list(names), observed=True).size())
        for level in (2, 3)
        for names in combinations(rows.columns, level)
    )


def uncovered_on_adult(path: Path) -> int:
    """Return the maximal uncovered patterns of seven attributes, counting included."""
    rows = pd.read_parquet(path, columns=SEVEN).astype(object).fillna("missing")
    codes = np.column_stack([pd.factorize(rows[one])[0] for one in SEVEN])
    n_values = [rows[one].nunique() for one in SEVEN]
    return len(maximal_uncovered(codes, n_values, 30))


SIDES = {"ours": ours, "pandas": pandas_group_bys, "adult": uncovered_on_adult}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process: what it found, and what it cost from start to end."""

    found: int
    work_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(side: str, path: Path) -> Measured:
    """Run one side in a fresh process."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--side", side, "--file", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own words)
        told, _ = process.communicate()
    wall_s = time.perf_counter() - start
    if process.returncode:
        msg = f"{side} ended with exit code {process.returncode}."
        raise SystemExit(msg)
    found, work_s, cpu_s, peak_mb = told.split()
    return Measured(
        found=int(found),
        work_s=float(work_s),
        wall_s=wall_s,
        cpu_s=float(cpu_s),
        peak_mb=float(peak_mb),
    )


def section(n_rows: int, rounds: int, adult: Path | None) -> str:
    """Measure and return the section of the page."""
    path = user_cache() / "benchmark" / f"patterns-{n_rows}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, n_rows)
    done = [
        {side: measure(side, path) for side in ("ours", "pandas")}
        for _ in range(rounds)
    ]
    best = {
        side: min((one[side] for one in done), key=lambda one: one.work_s)
        for side in ("ours", "pandas")
    }
    mine, theirs = best["ours"], best["pandas"]
    if mine.found != theirs.found:
        msg = f"{mine.found} combinations are not {theirs.found}."
        raise SystemExit(msg)
    names = {"ours": "readiness, grouped once", "pandas": "pandas, 286 group-bys"}
    lines = [
        TITLE,
        "",
        (
            f"Twelve attributes of the flights, {n_rows:,} rows drawn with "
            f"replacement: all 66 pairs and 220 triples, {mine.found:,} combinations "
            f"that occur, the same on both sides. The best of {rounds} alternating "
            "rounds, each a fresh process; work is reading and counting, without the "
            f"imports. readiness {__version__}, pandas {pd.__version__}, "
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}."
        ),
        "Made by `python benchmarks/patterns.py --adult FILE`.",
        "",
        "| how | work | whole process | CPU | peak | work: ours ÷ theirs |",
        "|---|---|---|---|---|---|",
        *(
            f"| {names[side]} | {one.work_s:.2f} s | {one.wall_s:.2f} s | "
            f"{one.cpu_s:.2f} s | {one.peak_mb:.0f} MB | "
            f"{mine.work_s / one.work_s:.2f} |"
            for side, one in best.items()
        ),
        "",
        f"pandas takes {theirs.work_s / mine.work_s:.1f} times as long.",
    ]
    if adult is not None:
        one = min((measure("adult", adult) for _ in range(rounds)), key=_work)
        lines += [
            "",
            (
                f"All {one.found:,} maximal uncovered patterns of seven Adult "
                "attributes, every level, fewer than 30 rows: "
                f"{one.work_s:.2f} s with reading."
            ),
        ]
    return "\n".join(lines) + "\n"


def _work(one: Measured) -> float:
    return one.work_s


def main() -> None:
    """Measure one side, or both and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--adult", type=Path, help="the Parquet file of Adult")
    parser.add_argument("--side", choices=list(SIDES))
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.side is None:
        text = section(given.rows, given.rounds, given.adult)
        write_section(TITLE, text)
        print(text)
        return
    start = time.perf_counter()
    found = SIDES[given.side](given.file)
    work_s = time.perf_counter() - start
    print(found, work_s, *own_cost())


if __name__ == "__main__":
    main()
