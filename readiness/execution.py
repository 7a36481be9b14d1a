"""PUBLISH: one notebook, executed by papermill in a process of its own."""

import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from readiness.errors import ReadinessError, Reason, RunError
from readiness.notebooks import (
    KERNELSPEC,
    last_line,
    literal_path,
    prepare,
    read_notebook,
    without_iri_checker,
)
from readiness.printed import cap_outputs
from readiness.processes import die_with_parent

START_TIMEOUT_S = 180
IOPUB_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One notebook to execute.

    Parameters
    ----------
    notebook : str
        Its name, without suffix.
    source, output : str
        Absolute paths of the notebook as stored and as executed.
    folder : str
        The private folder the kernel starts in; its parent takes other private files.
    parameters : mapping
        Values for the ``parameters`` cell: str, int, float, bool, None, list, dict.
    cell_timeout_s : int
        What one cell may take.
    """

    notebook: str
    source: str
    output: str
    folder: str
    parameters: Mapping[str, Any]
    cell_timeout_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the execution of a notebook ended; `code` is None when all cells ran."""

    code: str | None = None
    message: str = ""
    peak_mb: int = 0


def run_notebook(job: Job) -> Ending:
    """Execute one notebook and say how it ended.

    Parameters
    ----------
    job : Job
        What to execute. A kernel that dies before the first cell is tried once more:
        kernels that start side by side can race for a port.
    """
    prepared = Path(job.folder).parent / f"{job.notebook}.ipynb"
    try:
        prepare(Path(job.source), prepared, job.parameters)
        ending = _execute(job, prepared)
        if ending.code == Reason.KERNEL_START:
            ending = _execute(job, prepared)
    except ReadinessError as error:
        return Ending(code=error.code, message=str(error))
    return ending


def _execute(job: Job, prepared: Path) -> Ending:
    import papermill  # noqa: PLC0415 (heavy)
    from nbclient.exceptions import (  # noqa: PLC0415 (heavy)
        CellTimeoutError,
        DeadKernelError,
    )
    from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415 (heavy)
    from traitlets.config import Config  # noqa: PLC0415 (heavy)

    config = Config()
    config.KernelManager.transport_encryption = "required"
    try:
        papermill.execute_notebook(
            literal_path(prepared),
            literal_path(Path(job.output)),
            parameters=dict(job.parameters),
            kernel_name=KERNELSPEC["name"],
            language="python",
            progress_bar=False,
            start_timeout=START_TIMEOUT_S,
            execution_timeout=job.cell_timeout_s,
            iopub_timeout=IOPUB_TIMEOUT_S,
            shutdown_kernel="immediate",  # the result file is written; saves 0.4 s
            config=config,
        )
    except PapermillExecutionError as error:
        return _raised(job, error)
    except DeadKernelError:
        return _ended(Reason.KERNEL_DIED, job, "the kernel died")
    except CellTimeoutError:
        said = f"ran longer than {job.cell_timeout_s} s. Raise --cell-timeout"
        return _ended(Reason.TIMEOUT, job, said)
    except Exception as error:  # noqa: BLE001 (whatever papermill and Jupyter raise becomes a reason)
        return _broken(job, error)
    return _whole(job)


def _raised(job: Job, error: Any) -> Ending:  # noqa: ANN401 (papermill has no types)
    if error.ename == "MemoryError":
        return _ended(Reason.MEMORY, job, "ran out of memory")
    line = f"{error.ename}: {last_line(error.evalue)}"
    return _ended(Reason.NOTEBOOK, job, f"raised {line}")


def _broken(job: Job, error: Exception) -> Ending:
    if isinstance(error, OSError) and not _cell_reached(job):
        message = f"Notebook {job.notebook!r} cannot be written: {error.strerror}."
        return Ending(code=Reason.STORAGE, message=message)
    if _cell_reached(job):
        said = f"could not be executed: {type(error).__name__}: {last_line(error)}"
        code = Reason.STORAGE if isinstance(error, OSError) else Reason.NOTEBOOK
        return _ended(code, job, said)
    message = (
        f"The kernel of {job.notebook!r} did not start: {last_line(error)}. See the "
        "log in the run's folder, and check that ipykernel is installed for "
        "this Python (python -m pip install ipykernel)."
    )
    return Ending(code=Reason.KERNEL_START, message=message)


def _whole(job: Job) -> Ending:
    """Tell a notebook that ran to its end from one that left early without error."""
    cells = [one for one in _executed(job) if one.cell_type == "code"]
    left = any(
        output.output_type == "error" for cell in cells for output in cell.outputs
    )
    skipped = [one for one in cells if one.source.strip() and not one.execution_count]
    if left or skipped:
        return _ended(Reason.NO_VERDICT, job, "left the notebook before its end")
    return Ending(peak_mb=_peak_mb())


def _ended(code: Reason, job: Job, said: str) -> Ending:
    peak = _peak_mb()
    memory = (
        f" Peak memory {peak} MB."
        if code in (Reason.MEMORY, Reason.KERNEL_DIED)
        else ""
    )
    message = (
        f"Notebook {job.notebook!r}, code cell {_cell_reached(job)}: {said}.{memory}"
    )
    return Ending(code=code, message=message, peak_mb=peak)


def _cell_reached(job: Job) -> int:
    """Return the ordinal of the last code cell that was started; 0 for none.

    The cells' states cannot be believed: papermill marks cells that never ran as
    completed after a dead kernel. Their start times can.
    """
    number = reached = 0
    for cell in _executed(job):
        own = "injected-parameters" not in cell.metadata.get("tags", [])
        number += cell.cell_type == "code" and own
        if cell.metadata.get("papermill", {}).get("start_time"):
            reached = number
    return reached


def _executed(job: Job) -> list[Any]:
    try:
        cells: list[Any] = read_notebook(Path(job.output)).cells
    except RunError:
        return []
    return cells


def _peak_mb() -> int:
    """Return the peak resident memory of the kernel, in MB."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak // (1024 if sys.platform.startswith("linux") else 1024**2)


def main(job_file: str) -> None:
    """Execute the job described in `job_file`; write how it ended beside it."""
    die_with_parent()
    without_iri_checker()
    cap_outputs()
    job = Job(**json.loads(Path(job_file).read_text("utf-8")))
    ending = run_notebook(job)
    temporary = Path(f"{job_file}.part")
    temporary.write_text(json.dumps(asdict(ending)), "utf-8")
    temporary.replace(Path(job_file).with_suffix(".ending"))


if __name__ == "__main__":
    main(sys.argv[1])
