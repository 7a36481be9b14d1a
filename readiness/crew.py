"""PUBLISH: the notebooks of a run, executed side by side within their deadlines."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from readiness.collect import Ended
from readiness.errors import Reason
from readiness.execution import Job
from readiness.notebooks import KERNELSPEC, Notebook
from readiness.preflight import Options, Ready
from readiness.processes import Family, end, look, start
from readiness.progress import Progress
from readiness.staging import Staging

NOTEBOOK_VARIABLE = "READINESS_NOTEBOOK"  # tells review.py whose results it writes
POLL_S = 0.05
LOOK_EVERY_S = 0.5
# Which notebooks to start first when no earlier run says how long they take.
USUALLY_LONGEST = ("drift", "stress", "explainability", "coverage", "baseline")
# Numbers must not depend on how many notebooks run at a time, and sums in linear
# algebra depend on the number of threads: it gets one. Tree models may use more.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
SHARED_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Running:
    notebook: Notebook
    process: subprocess.Popen[bytes]
    job_file: Path
    began: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Crew:
    """What starting a notebook needs to know."""

    staging: Staging
    ready: Ready
    options: Options
    known: Family
    shown: Progress
    env: Mapping[str, str]


def run_notebooks(
    staging: Staging,
    ready: Ready,
    options: Options,
    known: Family,
    *,
    shown: Progress,
    deadline: float,
    done: Mapping[str, Ended],
) -> list[Ended]:
    """Execute the notebooks, as many at a time as there are cores.

    Those that measure time run alone, after all others.

    Parameters
    ----------
    staging : Staging
        The run's private folder.
    ready, options : Ready, Options
        The run.
    known : Family
        Its processes.
    shown : Progress
        Is told what happens.
    deadline : float
        In seconds of `time.monotonic`; whatever still runs then is ended.
    done : mapping of str to Ended
        Notebooks by name that another run has executed.

    Returns
    -------
    list of Ended
        In the order of the notebooks.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    jobs = options.jobs or min(len(ready.notebooks), cores or 1)
    crew = _Crew(
        staging=staging,
        ready=ready,
        options=options,
        known=known,
        shown=shown,
        env=_environment(max(1, (cores or 1) // jobs)),
    )
    left = tuple(one for one in ready.notebooks if one.name not in done)
    waiting = longest_first(left, staging)
    # One worker is one thread, however many cores and jobs there are.
    alone = replace(crew, env=_environment(1))
    running: list[_Running] = []
    ended = dict(done)
    looked = 0.0
    while (waiting or running) and time.monotonic() < deadline:
        while waiting and _may_start(waiting[0], running, jobs):
            following = waiting.pop(0)
            running.append(_start(alone if following.alone else crew, following))
        time.sleep(POLL_S)
        if time.monotonic() > looked + LOOK_EVERY_S:
            look(known)
            looked = time.monotonic()
        shown.follow(staging.folder / "events.jsonl")
        for one in [one for one in running if one.process.poll() is not None]:
            running.remove(one)
            ended[one.notebook.name] = _ended(crew, one)
    if waiting or running:
        end(known)
        late = [*(one.notebook for one in running), *waiting]
        ended |= {one.name: _late(crew, one) for one in late}
    return [ended[one.name] for one in ready.notebooks]


def _may_start(notebook: Notebook, running: list[_Running], jobs: int) -> bool:
    """Return whether a core is free, and for one that runs alone, all of them."""
    return not running if notebook.alone else len(running) < jobs


def _start(crew: _Crew, notebook: Notebook) -> _Running:
    private = crew.staging.folder / "private" / notebook.name
    folder = private / "cwd"
    folder.mkdir(parents=True)
    kernel = private / "jupyter" / "kernels" / KERNELSPEC["name"]
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps(_kernelspec()), "utf-8")
    job = Job(
        notebook=notebook.name,
        source=str(notebook.path),
        output=str(crew.staging.folder / "notebooks" / f"{notebook.name}.ipynb"),
        folder=str(folder),
        parameters=_parameters(crew),
        cell_timeout_s=crew.options.cell_timeout_s,
    )
    job_file = private / "job.json"
    job_file.write_text(json.dumps(asdict(job)), "utf-8")
    crew.shown.start(notebook)
    process = start(
        crew.known,
        [sys.executable, "-m", "readiness.execution", str(job_file)],
        folder=folder,
        log=crew.staging.folder / "logs" / f"{notebook.name}.log",
        env={**crew.env, **_private(private), NOTEBOOK_VARIABLE: notebook.name},
    )
    return _Running(
        notebook=notebook, process=process, job_file=job_file, began=time.monotonic()
    )


def _parameters(crew: _Crew) -> dict[str, Any]:
    return {
        "case_file": str(crew.ready.case_path),
        "policy_file": str(crew.ready.policy_path or ""),
        "profile": crew.options.profile,
        "seed": crew.options.seed,
        "cluster": crew.options.cluster,
        "run_dir": str(crew.staging.folder),
    }


def _kernelspec() -> dict[str, Any]:
    """Return the kernel of every notebook: this interpreter, whatever is installed."""
    return {
        "argv": [sys.executable, "-m", "readiness.kernel", "-f", "{connection_file}"],
        "display_name": KERNELSPEC["display_name"],
        "language": KERNELSPEC["language"],
        "metadata": {"supported_encryption": ["curve"]},
    }


def _environment(threads: int) -> dict[str, str]:
    env = dict(os.environ)
    env |= dict.fromkeys(ONE_THREAD, "1")
    for name in SHARED_THREADS:
        env.setdefault(name, str(threads))
    env["PYTHONSAFEPATH"] = "1"  # no file in a working directory shadows a library
    return env


def _private(folder: Path) -> dict[str, str]:
    """Return where Jupyter and IPython keep their files: in the run, not in HOME."""
    return {
        "JUPYTER_PATH": str(folder / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def longest_first(notebooks: tuple[Notebook, ...], staging: Staging) -> list[Notebook]:
    """Return the notebooks, the longest of the latest run first.

    Those that run alone are last.
    """
    took = _seconds_before(staging)
    rank = {name: len(USUALLY_LONGEST) - k for k, name in enumerate(USUALLY_LONGEST)}
    return sorted(
        notebooks,
        key=lambda one: (
            one.alone,
            -took.get(one.name, 0.0),
            -rank.get(one.dimension, 0),
        ),
    )


def _seconds_before(staging: Staging) -> dict[str, float]:
    folder = staging.out / staging.case
    try:
        latest = (folder / "latest").read_text("utf-8").strip()
        results = json.loads((folder / latest / "results.json").read_text("utf-8"))
        return {one["name"]: float(one["seconds"]) for one in results["notebooks"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _ended(crew: _Crew, one: _Running) -> Ended:
    seconds = time.monotonic() - one.began
    try:
        said = json.loads(one.job_file.with_suffix(".ending").read_text("utf-8"))
    except (OSError, ValueError):
        code: str | None = Reason.KERNEL_DIED
        message = (
            f"The process that executed notebook {one.notebook.name!r} ended without "
            f"a word (exit {one.process.returncode})."
        )
        said = {"code": code, "message": message, "peak_mb": 0}
    ended = Ended(notebook=one.notebook, seconds=seconds, **said)
    if ended.code == Reason.NOTEBOOK:
        ended = explained(crew.staging.folder, ended)
    crew.shown.follow(crew.staging.folder / "events.jsonl")
    crew.shown.end(one.notebook, ended.code)
    return ended


def ended_so_far(
    staging: Staging, ready: Ready, done: Mapping[str, Ended], code: str, message: str
) -> list[Ended]:
    """Return how the notebooks of a stopped run ended; the rest for that reason."""
    ended = []
    for one in ready.notebooks:
        job = staging.folder / "private" / one.name / "job.json"
        said: dict[str, Any] = {"code": code, "message": message}
        seconds = 0.0
        with suppress(OSError, ValueError):
            said = json.loads(job.with_suffix(".ending").read_text("utf-8"))
            seconds = job.with_suffix(".ending").stat().st_mtime - job.stat().st_mtime
        ended.append(
            done.get(one.name) or Ended(notebook=one, seconds=max(seconds, 0.0), **said)
        )
    return ended


def explained(folder: Path, ended: Ended) -> Ended:
    """Give a notebook that one of our own errors ended that error's code and words."""
    try:
        lines = (folder / "events.jsonl").read_text("utf-8").splitlines()
        events = [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return ended
    own = [
        one
        for one in events
        if one.get("event") == "error" and one.get("notebook") == ended.notebook.name
    ]
    codes = set(Reason)
    if not own or own[-1].get("code") not in codes:
        return ended
    return replace(ended, code=own[-1]["code"], message=str(own[-1].get("message")))


def _late(crew: _Crew, notebook: Notebook) -> Ended:
    message = (
        f"Notebook {notebook.name!r} had not ended when the run reached its limit of "
        f"{crew.options.timeout_s:g} s. Raise --timeout."
    )
    return Ended(
        notebook=notebook,
        code=Reason.TIMEOUT,
        message=message,
        seconds=crew.options.timeout_s,
    )
