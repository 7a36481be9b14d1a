"""Measure the demo beside two other tools, on the same tables in the same run.

Each tool has an environment of its own, made here from pinned requirements with
bytecode compiled, and each measurement is a fresh process from start to saved page.
Rounds alternate between the tools, so that a busy moment hits all of them.
"""

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from readiness import __version__
from readiness.case import load_case
from readiness.flights import FEATURES, demo_case, user_cache

HERE = Path(__file__).parent
PEERS = HERE / "peers"
REPORT = HERE.parent / "docs" / "benchmarks.md"
NOTES = "\n## Where the time goes\n"
MB = 1024  # ru_maxrss counts in kilobytes
LOG = user_cache() / "benchmark" / "last.log"
QUIET = {"DO_NOT_TRACK": "1", "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "true"}
TOOLS = {
    "readiness": "six notebooks, 45 checks, intervals, a minute of load, one report",
    "evidently": "data drift, data summary and classification in one report",
    "deepchecks": "the full suite with the model",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process from start to end."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def write_tables(folder: Path) -> None:
    """Write the labelled flights with the model's scores, once."""
    folder.mkdir(parents=True, exist_ok=True)
    case = load_case(demo_case())
    for name in case.tables:
        rows = pd.read_parquet(demo_case().with_name(f"{name}.parquet"))
        rows = rows.loc[rows["late"].notna(), [*FEATURES, "late"]]
        scored = rows.assign(
            late=rows["late"].astype("int64"), score=case.model.predict(rows)
        )
        scored.to_parquet(folder / f"{name}.parquet", index=False)


def make_environment(peer: str) -> Path:
    """Make a peer's environment when it is missing; return its interpreter."""
    home = HERE.parent / f".venv-{peer}"
    python = home / "bin" / "python"
    requirements = PEERS / f"requirements-{peer}.txt"
    wanted = requirements.read_text(encoding="utf-8")
    ready = home / "ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    uv = shutil.which("uv")
    if uv:
        _call(uv, "venv", "--quiet", "--clear", "--python", sys.executable, home)
        install = [uv, "pip", "install", "--quiet", "--python", python]
        _call(*install, "--compile-bytecode", "-r", requirements)
    else:
        _call(sys.executable, "-m", "venv", "--clear", home)
        _call(python, "-m", "pip", "install", "--quiet", "-r", requirements)
    ready.write_text(wanted, encoding="utf-8")
    return python


def _call(*command: object) -> None:
    subprocess.run([str(one) for one in command], check=True)  # noqa: S603 (our own commands)


def measure(*command: object) -> Measured:
    """Run a command and return its wall time, CPU time and largest process."""
    # A child of its own, so that the usage of its children is its alone.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        started = time.perf_counter()
        with LOG.open("w") as log:
            code = subprocess.call(  # noqa: S603 (our own commands)
                [str(one) for one in command], stdout=log, stderr=log
            )
        wall = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
        os.write(writer, f"{code} {wall} {cpu} {used.ru_maxrss / MB}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        code, wall, cpu, peak = answer.read().split()
    os.waitpid(child, 0)
    if code != "0":
        msg = f"{' '.join(map(str, command))} left with {code}: see {LOG}."
        raise RuntimeError(msg)
    return Measured(wall_s=float(wall), cpu_s=float(cpu), peak_mb=float(peak))


def text(best: dict[str, Measured], rounds: int) -> str:
    """Return the page with the table of ratios."""
    ours = best["readiness"]
    lines = [
        "# How long the demo takes, and how much memory",
        "",
        (
            f"The best of {rounds} alternating rounds, each a fresh process from "
            "start to saved page."
        ),
        (
            f"readiness {__version__}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}."
        ),
        "Made by `make benchmark`.",
        "",
        "| tool | what it does | wall | CPU | largest process | wall: ours ÷ theirs |",
        "|---|---|---|---|---|---|",
        *(
            f"| {tool} | {TOOLS[tool]} | {one.wall_s:.1f} s | {one.cpu_s:.1f} s | "
            f"{one.peak_mb:.0f} MB | {ours.wall_s / one.wall_s:.2f} |"
            for tool, one in best.items()
        ),
        "",
        (
            "All read the same flights. The others get only the rows with a label, "
            "and evidently gets finished scores; readiness scores the rows itself, "
            "and many of them again with altered inputs. deepchecks gets a model of "
            "the same kind, fitted before the measurement with its own scikit-learn."
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write ``docs/benchmarks.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], choices=list(TOOLS)[1:])
    given = parser.parse_args()
    os.environ.update(QUIET)
    folder = user_cache() / "benchmark"
    write_tables(folder)
    ours = Path(sys.executable).with_name("readiness")
    commands: dict[str, tuple[object, ...]] = {
        "readiness": (ours, "demo", "--out", folder / "runs")
    }
    scripts = {"evidently": "evidently_report.py", "deepchecks": "deepchecks_suite.py"}
    for peer in (one for one in scripts if one not in given.without):
        python = make_environment(peer)
        commands[peer] = (python, PEERS / scripts[peer], folder)
    if "deepchecks" in commands:
        _call(*commands["deepchecks"], "prepare")
    done: dict[str, list[Measured]] = {tool: [] for tool in commands}
    for number in range(given.rounds):
        for tool, command in commands.items():
            done[tool].append(measure(*command))
            print(f"round {number + 1}: {tool} {done[tool][-1]}", flush=True)
    best = {tool: min(all_, key=lambda one: one.wall_s) for tool, all_ in done.items()}
    page = text(best, given.rounds)
    notes = REPORT.read_text(encoding="utf-8").partition(NOTES)[2]  # written by hand
    REPORT.write_text(f"{page}{NOTES}{notes}", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
