"""Measure what the fault bench costs on the flights, beside the plain loop.

The same faults of the same reference rows two ways, in one process: the plain loop
alters every row, scores the copy and computes the loss, fault by fault; the bench
scores the rows a fault changes, as many as a decision needs. Verdicts are compared cell
by cell. CPU seconds; the plain loop takes about two minutes.
"""

import os
import platform
import time
import warnings
from dataclasses import dataclass

import pandas as pd
from page import write_section

from readiness import __version__
from readiness.case import Case, load_case
from readiness.checks.stress import _looks, fault_bench
from readiness.checks.stress._bench import Bench, open_bench
from readiness.checks.stress._cells import REJECTED, UNUSABLE
from readiness.errors import ModelError
from readiness.flights import demo_case
from readiness.models import Model, ModelRaisedError
from readiness.result import Options
from readiness.scoring import count_calls, score_frame, scores
from readiness.stats import Interval

TITLE = "## The fault bench, beside scoring every row for every fault"
EVERY = 10**9


@dataclass(slots=True)
class Spent:
    """CPU seconds and rows of one way, and what it says of each cell."""

    seconds: float
    rows: int
    verdicts: "pd.Series[str]"


def reference_alone(case: Case) -> Case:
    """Return the case without its current rows: both ways use the reference."""
    data = case.file.data.model_copy(update={"current": None})
    return load_case(case.file.model_copy(update={"data": data}), base=case.base)


def plain_loop(case: Case, seed: int) -> Spent:
    """Score every altered row of every fault, and decide once."""
    started = time.process_time()
    with count_calls() as counter:
        bench = open_bench(case, EVERY, seed)
        faults = _looks.all_faults(bench)
        counter.calls = 0
        found = [_plain(bench, fault.alter(bench.rows)) for fault in faults]
    losses = [one if isinstance(one, Interval) else None for one in found]
    told = _looks.words(_looks.p_values(losses, case.tolerated_loss))
    verdicts = pd.Series(
        [
            one if isinstance(one, str) else word
            for one, word in zip(found, told, strict=True)
        ],
        index=[f"{one.column}/{one.name}" for one in faults],
    )
    return Spent(time.process_time() - started, counter.calls, verdicts)


def _plain(bench: Bench, altered: dict[str, "pd.Series[float]"]) -> Interval | str:
    frame = bench.rows.frame.assign(**altered)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model may well warn of such rows
            return bench.loss(score_frame(bench.case, frame))
    except ModelRaisedError:
        return REJECTED
    except ModelError:
        return UNUSABLE


def ours(case: Case, seed: int) -> Spent:
    """Run the check."""
    started = time.process_time()
    with count_calls() as counter:
        shared = scores(case, "reference")
        before = counter.calls
        found = fault_bench.measure(
            case, Options(values=fault_bench.CHECK.defaults, seed=seed)
        )
    cells = found.tables["cells"]
    verdicts = cells.set_index(cells["column"] + "/" + cells["fault"])["decision"]
    del shared
    return Spent(time.process_time() - started, counter.calls - before, verdicts)


def model_share(case: Case, seed: int) -> float:
    """Return the share of the CPU time of scoring that the model itself takes."""
    inside = {"model": 0.0, "scoring": 0.0}
    call, score_faults = Model._call, _looks.score_faults  # noqa: SLF001 (timed, nothing else)

    def timed(key: str, function: object) -> object:
        def run(*given: object, **named: object) -> object:
            started = time.process_time()
            found = function(*given, **named)  # type: ignore[operator]
            inside[key] += time.process_time() - started
            return found

        return run

    Model._call = timed("model", call)  # noqa: SLF001 (put back below)
    _looks.score_faults = timed("scoring", score_faults)
    try:
        ours(case, seed)
    finally:
        Model._call, _looks.score_faults = call, score_faults  # noqa: SLF001 (as it was)
    return inside["model"] / inside["scoring"]


def main() -> None:
    """Measure, and write the section of the page."""
    case = reference_alone(load_case(demo_case()))
    n_rows = len(scores(case, "reference").row)
    seed = 7
    here = ours(case, seed)
    plain = plain_loop(case, seed)
    both = pd.DataFrame({"ours": here.verdicts, "plain": plain.verdicts})
    same = both["ours"] == both["plain"]
    decided = both["ours"].isin([_looks.HARMFUL, _looks.HARMLESS])
    opposite = decided & both["plain"].isin([_looks.HARMFUL, _looks.HARMLESS]) & ~same
    scored = int((~both["ours"].isin([REJECTED, UNUSABLE])).sum())
    head = (
        f"Flights, {n_rows:,} labelled reference rows, {len(both)} faults, of which "
        f"the model answers {scored}; the same rows and faults in one process. "
        f"readiness {__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores with other work, {platform.system()} "
        f"{platform.machine()}.\n"
        "Made by `OMP_NUM_THREADS=1 python benchmarks/faults.py`.\n"
    )
    table = (
        "| how | rows given to the model | CPU | rows: ours ÷ theirs |\n"
        "|---|---|---|---|\n"
        f"| readiness | {here.rows:,} | {here.seconds:.1f} s | 1.00 |\n"
        f"| every row, fault by fault | {plain.rows:,} | {plain.seconds:.1f} s | "
        f"{here.rows / plain.rows:.3f} |\n"
    )
    told = (
        f"The plain loop scores {plain.rows / here.rows:.1f} times as many rows. "
        f"{int(same.sum())} of {len(both)} verdicts are equal, {int(opposite.sum())} "
        f"are opposite; {int((~same & decided).sum())} that the bench decides are "
        f"open with every row, {int((~same & ~decided).sum())} that it leaves open "
        "are decided with every row. The model itself takes "
        f"{100 * model_share(case, seed):.0f} % of the CPU time of scoring.\n"
    )
    text = [TITLE, "", head, table, told]
    write_section(TITLE, "\n".join(text))


if __name__ == "__main__":
    main()
