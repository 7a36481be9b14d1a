"""Measure the profile and the scores of two tables by threads, and on a Dask cluster.

The cluster is two worker processes on this machine, so that both have the same two
cores: what is left is the price of processes, and of what they send. The rows are those
of `engine.py`. The sides alternate in one process, and their results must be the same
to the last bit.
"""

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine import FILE_ROWS, kinds_of, write_rows
from page import write_section

from readiness import __version__
from readiness.case import load_case
from readiness.clusters import executor
from readiness.column_profiles import profiles_of
from readiness.config import read_case
from readiness.flights import demo_case, user_cache
from readiness.scorefile import write_scores
from readiness.tables import load_table

TITLE = "## The same work on a cluster"
SIDES = {"threads": "threads of one process", "cluster": "two worker processes of Dask"}
GOAL = 2.0
SCORED_FILES = "current-00[01].parquet"
BUSY = 0.5  # cores used by others, from which on the page says so


def profiled(folder: Path, cluster: str) -> str:
    """Return the profiles of both tables, as text that tells every bit."""
    reference, current = (
        replace(load_table(f"{one}-*.parquet", folder, one), cluster=cluster)
        for one in ("reference", "current")
    )
    kinds = kinds_of(folder / "reference-000.parquet")
    known = profiles_of(reference, kinds)
    found = [known, profiles_of(current, kinds, known)]
    plain = [asdict(one) for profiles in found for one in profiles.values()]
    return json.dumps(plain, default=lambda array: array.tolist())


def scored(folder: Path, cluster: str) -> str:
    """Return the hash of the scores of the first two files of the current table."""
    file = read_case(demo_case())
    roles = dict.fromkeys(("training", "current", "time", "entity", "block", "window"))
    case = load_case(
        file.model_copy(
            update={
                "model": file.model.model_copy(
                    update={"path": str(demo_case().with_name("model.skops"))}
                ),
                "data": file.data.model_copy(
                    update={**roles, "reference": SCORED_FILES}
                ),
            }
        ),
        base=folder,
        cluster=cluster,
    )
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "scores.arrow")
        write_scores(case, case.table("reference"), path)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def alternated(
    work: Callable[[Path, str], str], folder: Path, address: str, rounds: int
) -> dict[str, float]:
    """Return the best wall seconds of each side; their results must be equal."""
    best: dict[str, float] = {}
    results = set()
    for _ in range(rounds):
        for side in SIDES:
            started = time.perf_counter()
            results.add(work(folder, address if side == "cluster" else ""))
            seconds = time.perf_counter() - started
            print(json.dumps([work.__name__, side, seconds]), flush=True)
            best[side] = min(best.get(side, seconds), seconds)
    if len(results) > 1:
        msg = f"{work.__name__} differs between threads and cluster."
        raise SystemExit(msg)
    return best


def rows_of(n_rows: int, address: str, rounds: int) -> list[str]:
    """Measure one size, and return its lines of the table."""
    folder = user_cache() / "benchmark" / f"engine-{n_rows}"
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder, n_rows)
    n_files = -(-n_rows // 2 // FILE_ROWS)
    n_scored = min(n_rows // 2, 2 * FILE_ROWS)
    lines = []
    for work, words, n_done, files, n_rounds in (
        (profiled, "profile of both tables", n_rows, 2 * n_files, rounds),
        (scored, "scores", n_scored, min(n_files, 2), 1),
    ):
        best = alternated(work, folder, address, n_rounds)
        ratio = best["cluster"] / best["threads"]
        lines.append(
            f"| {words} | {n_done:,} | {files} | {best['threads']:.2f} s | "
            f"{best['cluster']:.2f} s | {ratio:.2f} |"
        )
    return lines


def section(sizes: list[int], rounds: int) -> str:
    """Start the cluster, measure every size, and return the section."""
    from distributed import LocalCluster  # noqa: PLC0415 (an extra)

    others = os.getloadavg()[0]
    started = time.perf_counter()
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        address = str(cluster.scheduler_address)
        workers: Any = executor(address)
        seconds = time.perf_counter() - started
        measured = [line for n in sizes for line in rows_of(n, address, rounds)]
        workers.shutdown()
    busy = (
        f" The machine was busy with other work (load {others:.1f} at the start)."
        if others > BUSY
        else ""
    )
    lines = [
        TITLE,
        "",
        (
            "The rows of the profile above, in files of a million; threads and cluster "
            f"alternate in one process, best of {rounds} rounds (scores: one). Results "
            f"are compared and were the same to the last bit.{busy}"
        ),
        (
            f"readiness {__version__}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores. Made by `python benchmarks/cluster.py --rows "
            f"{' '.join(map(str, sizes))}`."
        ),
        "",
        (
            f"| what | rows | files | {SIDES['threads']} | "
            f"{SIDES['cluster']} | cluster ÷ threads |"
        ),
        "|---|---|---|---|---|---|",
        *measured,
        "",
        (
            f"Starting the workers takes {seconds:.1f} s more. The goal for the "
            f"profile is {GOAL:.0f} times the threads at most."
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--print", action="store_true", help="leave the page alone")
    given = parser.parse_args()
    text = section(given.rows, given.rounds)
    if given.print:
        print(text)
    else:
        write_section(TITLE, text)


if __name__ == "__main__":
    main()
