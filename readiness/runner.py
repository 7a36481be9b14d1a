"""PUBLISH: one review run: a process per notebook, one verdict, one directory."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

from readiness.collect import Ended, Gathered, gather
from readiness.crew import ended_so_far, run_notebooks
from readiness.documents import documented
from readiness.errors import Reason, RunError
from readiness.history import Run, add_runs, published_runs
from readiness.inputs import load_tables
from readiness.plan_config import is_plan
from readiness.preflight import Options, Ready, case_name, changed_inputs, look_over
from readiness.processes import Interrupts, Stopped, end, family, stop_on_signals
from readiness.progress import Progress, silent
from readiness.publish import keep_remains, publish, record, results_document
from readiness.result import Outcome
from readiness.resume import Resumed, finished, take_over
from readiness.run_summary import RunSummary, summary_of
from readiness.staging import (
    Staging,
    check_writable,
    created_utc,
    json_text,
    new_run_id,
    open_staging,
    refuse_overlap,
    storage,
    sweep,
    write_text,
)

DEFAULT_TIMEOUT_S = 7200.0
DEFAULT_CELL_TIMEOUT_S = 1800


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
    no_overlap: bool = False,
    resume: str | Path | None = None,
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
    no_overlap : bool
        Leave at once, touching nothing, when another run of the case is at work.
    resume : str or pathlib.Path, optional
        Folder of a failed run: what it had finished is not run again.
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
    if no_overlap:
        refuse_overlap(options.out, case_name(Path(case_path)))
    ready = look_over(Path(case_path), options)
    resumed = finished(Path(resume), ready) if resume else None
    check_writable(options.out, ready.file.name)
    _record_abandoned(options.out)
    with (
        open_staging(
            options.out, ready.file.name, run_id or new_run_id(), alone=no_overlap
        ) as staging,
        family(staging.run_id) as known,
        stop_on_signals(lambda: end(known, patience_s=0)) as interrupts,
    ):
        try:
            with storage(options.out):
                _prepare(staging, ready, options, resumed)
            with progress or silent() as shown:
                ended = run_notebooks(
                    staging,
                    ready,
                    options,
                    known,
                    shown=shown,
                    deadline=deadline,
                    done=resumed.ended if resumed else {},
                )
            end(known)
            ended = _refuse_changes(ready, ended)
            return _finish(staging, ready, ended, interrupts, resumed)
        except Stopped as stopped:
            end(known)
            return _stopped(staging, ready, stopped.signum, resumed)


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


def _prepare(
    staging: Staging, ready: Ready, options: Options, resumed: Resumed | None
) -> None:
    """Prove that the tables can be read, and tell the notebooks what to do."""
    for name in ("cache", "results", "tables", "notebooks", "logs", "private"):
        (staging.folder / name).mkdir()
    tables = load_tables(
        ready.file,
        ready.case_path.parent,
        staging.folder / "cache",
        frames=None,
        current=options.current,
    )
    if resumed:
        take_over(resumed, staging, tables)
    run = {
        "run_id": staging.run_id,
        "created_utc": created_utc(staging.run_id),
        "case_file": str(ready.case_path),
        "policy_file": str(ready.policy_path or ""),
        "profile": options.profile,
        "seed": options.seed,
        "partial": bool(options.only),
        "notebooks": [one.name for one in ready.notebooks],
        "current": str(options.current) if options.current else None,
        "cluster": options.cluster,
        "strict": options.strict,
        "earlier": _earlier(ready, options) if is_plan(ready.case_path) else [],
        "hashes": dict(ready.hashes),
        "resumed": list(resumed.run_ids) if resumed else [],
    }
    write_text(staging.folder / "run.json", json_text(run))


def _earlier(ready: Ready, options: Options) -> list[str]:
    found = published_runs(options.out, ready.file.name, ready.hashes["case"])
    return [str(one) for one in found]


def _finish(
    staging: Staging,
    ready: Ready,
    ended: Sequence[Ended],
    interrupts: Interrupts,
    resumed: Resumed | None,
) -> RunSummary:
    """Judge what the notebooks left, publish it, and list the run."""
    results, gathered = _judged(staging, ready, ended, resumed)
    about = resumed.about if resumed else None
    try:
        results, more = documented(results, ready, staging)
        hold = interrupts.hold
        folder = publish(
            staging, gathered, results, hold, resumed=about, documents=more
        )
    except RunError as error:
        if error.code == Reason.STORAGE and staging.target.is_dir():
            # It is published; only what names the newest run could not be written.
            _record_if_possible(staging, results, staging.target)
            return summary_of(results, staging.target, error)
        lost = results | _no_verdict(error.code, str(error))
        _record_if_possible(staging, lost, keep_remains(staging, lost))
        return summary_of(lost, None, error)
    try:
        record(staging, results, folder)
    except RunError as error:
        return summary_of(results, folder, error)
    return summary_of(results, folder, None)


def _judged(
    staging: Staging, ready: Ready, ended: Sequence[Ended], resumed: Resumed | None
) -> tuple[dict[str, Any], Gathered]:
    gathered = gather(staging.folder, staging.run_id, ended)
    about = {
        "run_id": staging.run_id,
        "created_utc": created_utc(staging.run_id),
        **ready.about,
        "resumed": list(resumed.run_ids) if resumed else [],
    }
    return results_document(about, gathered), gathered


def _refuse_changes(ready: Ready, ended: Sequence[Ended]) -> list[Ended]:
    """Give every notebook the reason when an input is not what it was."""
    changed = changed_inputs(ready)
    if not changed:
        return list(ended)
    message = f"The input {changed[0]!r} changed during the run. Run again."
    return [replace(one, code=Reason.INPUT_CHANGED, message=message) for one in ended]


def _stopped(
    staging: Staging, ready: Ready, signum: int, resumed: Resumed | None
) -> RunSummary:
    """Keep what there is, and list the run as stopped."""
    message = f"The run was stopped by signal {signum} ({Signals(signum).name})."
    done = resumed.ended if resumed else {}
    ended = ended_so_far(staging, ready, done, Reason.INTERRUPTED, message)
    results, _ = _judged(staging, ready, ended, resumed)
    results |= _no_verdict(Reason.INTERRUPTED, message)
    _record_if_possible(staging, results, keep_remains(staging, results))
    return replace(
        summary_of(results, None, None), exit_code=128 + signum, message=message
    )


def _no_verdict(code: str, message: str) -> dict[str, Any]:
    return {
        "outcome": Outcome.ERROR,
        "reason_code": code,
        "headline": f"No verdict. {message}",
        "complete": False,
    }


def _record_if_possible(
    staging: Staging, results: Mapping[str, Any], folder: Path | None
) -> None:
    with suppress(RunError):  # there is a worse error to tell
        record(staging, results, folder)
