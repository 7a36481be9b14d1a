"""PUBLISH: one review run: a process per notebook, one verdict, one directory."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from typing import Any

from readiness.collect import Ended, Gathered, gather
from readiness.crew import run_notebooks
from readiness.errors import Reason, RunError
from readiness.history import Run, add_runs, published_runs
from readiness.inputs import load_tables
from readiness.plan_config import is_plan
from readiness.preflight import Options, Ready, changed_inputs, look_over
from readiness.processes import Interrupts, Stopped, end, family, stop_on_signals
from readiness.progress import Progress, silent
from readiness.publish import keep_remains, publish, record, results_document
from readiness.result import EXIT_CODES, Outcome, Status
from readiness.staging import (
    Staging,
    check_writable,
    created_utc,
    json_text,
    new_run_id,
    open_staging,
    sweep,
    write_text,
)

DEFAULT_TIMEOUT_S = 7200.0
DEFAULT_CELL_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run came to.

    Parameters
    ----------
    run_id : str
        The run.
    outcome : Outcome
        ``ERROR`` when there is no verdict.
    exit_code : int
        0 pass, 1 fail, 2 incomplete, 3 error, 130 and 143 when stopped.
    index_path : pathlib.Path or None
        The page to read; None when nothing was rendered.
    counts : mapping of str to int
        Checks by status.
    headline : str
        The verdict in one sentence.
    reason : str or None
        Reason code of a run without verdict, or of what went wrong after publishing.
    message : str
        What to do about `reason`.
    """

    run_id: str
    outcome: Outcome
    exit_code: int
    index_path: Path | None
    counts: Mapping[str, int]
    headline: str
    reason: str | None
    message: str


def run_review(
    case_path: str | Path,
    *,
    policy: str | Path | None = None,
    out: str | Path = "runs",
    only: Sequence[str] = (),
    profile: str = "quick",
    current: str | Path | None = None,
    jobs: int | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
    cell_timeout: int = DEFAULT_CELL_TIMEOUT_S,
    seed: int = 7,
    cluster: str = "",
    strict: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Review one case: execute its notebooks, judge, publish.

    Parameters
    ----------
    case_path : str or pathlib.Path
        The case file.
    policy : str or pathlib.Path, optional
        The policy file; default ``policy.toml`` beside the case, else the tier alone.
    out : str or pathlib.Path
        The folder of all runs.
    only : sequence of str
        Dimensions to review; all when empty.
    profile : str
        ``"quick"``, or ``"full"`` with re-fits of the model.
    current : str or pathlib.Path, optional
        A file of recent rows, in place of the one the case names.
    jobs : int, optional
        Notebooks at a time; default the number of cores.
    timeout, cell_timeout : float, int
        Seconds for the whole run, and for one cell.
    seed : int
        Seed of every random choice.
    cluster : str
        Address of a cluster; empty for this machine.
    strict : bool
        Refuse package versions that are not tested.
    run_id : str, optional
        Default a new one.
    progress : Progress, optional
        Default silence.

    Returns
    -------
    RunSummary
        Also for a run that failed or was stopped; it says why.

    Raises
    ------
    ReadinessError
        When case, policy, inputs or output cannot be used: nothing has been run, and
        nothing is kept.
    """
    options = Options(
        policy=Path(policy).absolute() if policy else None,
        out=Path(out).absolute(),
        only=tuple(only),
        profile=profile,
        current=Path(current).absolute() if current else None,
        jobs=jobs,
        timeout_s=timeout,
        cell_timeout_s=cell_timeout,
        seed=seed,
        cluster=cluster,
        strict=strict,
    )
    deadline = time.monotonic() + timeout
    ready = look_over(Path(case_path), options)
    check_writable(options.out, ready.file.name)
    _record_abandoned(options.out)
    with (
        open_staging(options.out, ready.file.name, run_id or new_run_id()) as staging,
        family(staging.run_id) as known,
        stop_on_signals(lambda: end(known, patience_s=0)) as interrupts,
    ):
        try:
            _prepare(staging, ready, options)
            with progress or silent() as shown:
                ended = run_notebooks(
                    staging, ready, options, known, shown=shown, deadline=deadline
                )
            end(known)
            return _finish(staging, ready, _refuse_changes(ready, ended), interrupts)
        except Stopped as stopped:
            end(known)
            return _stopped(staging, ready, stopped.signum)


def _record_abandoned(out: Path) -> None:
    """Clear away what killed runs left, and list them as abandoned."""
    rows = [
        Run(
            run_id=run_id,
            case_name=case,
            created=created_utc(run_id),
            outcome=Outcome.ERROR,
            reason=Reason.INTERRUPTED,
            headline="The run was killed before it ended.",
            digest=None,
            path="",
            status="abandoned",
        )
        for case, run_id in sweep(out)
    ]
    add_runs(out, rows)


def _prepare(staging: Staging, ready: Ready, options: Options) -> None:
    """Prove that the tables can be read, and tell the notebooks what to do."""
    for name in ("cache", "results", "tables", "notebooks", "logs", "private"):
        (staging.folder / name).mkdir()
    load_tables(
        ready.file,
        ready.case_path.parent,
        staging.folder / "cache",
        frames=None,
        current=options.current,
    )
    run = {
        "run_id": staging.run_id,
        "case_file": str(ready.case_path),
        "policy_file": str(ready.policy_path or ""),
        "profile": options.profile,
        "seed": options.seed,
        "partial": bool(options.only),
        "notebooks": [one.name for one in ready.notebooks],
        "current": str(options.current) if options.current else None,
        "cluster": options.cluster,
        "earlier": [
            str(folder)
            for folder in published_runs(
                options.out, ready.file.name, ready.hashes["case"]
            )
        ]
        if is_plan(ready.case_path)
        else [],
        "hashes": dict(ready.hashes),
    }
    write_text(staging.folder / "run.json", json_text(run))


def _finish(
    staging: Staging, ready: Ready, ended: Sequence[Ended], interrupts: Interrupts
) -> RunSummary:
    """Judge what the notebooks left, publish it, and list the run."""
    results, gathered = _judged(staging, ready, ended)
    try:
        folder = publish(staging, gathered, results, interrupts.hold)
    except RunError as error:
        lost = {
            **results,
            "outcome": Outcome.ERROR,
            "reason_code": error.code,
            "headline": f"No verdict. {error}",
        }
        _record_if_possible(staging, lost, keep_remains(staging))
        return _summary(lost, None, error)
    try:
        record(staging, results, folder)
    except RunError as error:
        return _summary(results, folder, error)
    return _summary(results, folder, None)


def _judged(
    staging: Staging, ready: Ready, ended: Sequence[Ended]
) -> tuple[dict[str, Any], Gathered]:
    gathered = gather(staging.folder, staging.run_id, ended)
    about = {
        "run_id": staging.run_id,
        "created_utc": created_utc(staging.run_id),
        **ready.about,
    }
    return results_document(about, gathered), gathered


def _refuse_changes(ready: Ready, ended: Sequence[Ended]) -> list[Ended]:
    """Give every notebook the reason when an input is not what it was."""
    changed = changed_inputs(ready)
    if not changed:
        return list(ended)
    message = f"The input {changed[0]!r} changed during the run. Run again."
    return [replace(one, code=Reason.INPUT_CHANGED, message=message) for one in ended]


def _stopped(staging: Staging, ready: Ready, signum: int) -> RunSummary:
    """Keep what there is, and list the run as stopped."""
    message = f"The run was stopped by signal {signum} ({Signals(signum).name})."
    ended = [
        Ended(notebook=one, code=Reason.INTERRUPTED, message=message, seconds=0.0)
        for one in ready.notebooks
    ]
    results, _ = _judged(staging, ready, ended)
    _record_if_possible(staging, results, keep_remains(staging))
    return replace(_summary(results, None, None), exit_code=128 + signum)


def _record_if_possible(
    staging: Staging, results: Mapping[str, Any], folder: Path | None
) -> None:
    with suppress(RunError):  # there is a worse error to tell
        record(staging, results, folder)


def _summary(
    results: Mapping[str, Any], folder: Path | None, problem: RunError | None
) -> RunSummary:
    outcome = Outcome(results["outcome"])
    counted = Counter(one["status"] for one in results["checks"])
    return RunSummary(
        run_id=results["run_id"],
        outcome=outcome,
        exit_code=EXIT_CODES[Outcome.ERROR if problem else outcome],
        index_path=folder / "index.html" if folder else None,
        counts={str(one): counted[one] for one in Status if counted[one]},
        headline=results["headline"],
        reason=problem.code if problem else results["reason_code"],
        message=str(problem) if problem else _why(results),
    )


def _why(results: Mapping[str, Any]) -> str:
    """Return what the deciding notebook says, else the headline."""
    return next(
        (
            str(one["message"])
            for one in results["notebooks"]
            if one["reason_code"] and one["reason_code"] == results["reason_code"]
        ),
        str(results["headline"]),
    )
