"""PUBLISH: the private folder a run works in, and the rename that publishes it."""

import contextlib
import datetime as dt
import fcntl
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.errors import Reason, RunError
from readiness.processes import end_marked

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
FAILED = "failed"
REMOVED = ".removed-"  # what the folder of a run is called while it is deleted
FILE_MODE = 0o640
FOLDER_MODE = 0o750


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A run's private folder.

    Parameters
    ----------
    out, case, run_id : pathlib.Path, str, str
        The folder of all runs, the case's name, the run.
    folder : pathlib.Path
        Private; kernels, cache and results live here while the run lasts.
    """

    out: Path
    case: str
    run_id: str
    folder: Path

    @property
    def target(self) -> Path:
        """Where the run is published."""
        return self.out / self.case / self.run_id

    @property
    def failed_target(self) -> Path:
        """Where the run is kept when it has no verdict."""
        return self.out / FAILED / self.run_id


def new_run_id() -> str:
    """Return a run id: UTC time and eight random hex digits."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def created_utc(run_id: str) -> str:
    """Return the time in a run id in ISO form.

    Examples
    --------
    >>> created_utc("20261123T034500Z-1a2b3c4d")
    '2026-11-23T03:45:00Z'
    """
    time = dt.datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def check_writable(out: Path, case: str) -> None:
    """Make the output folders and prove that they can be written.

    Raises
    ------
    RunError
        With code ``STORAGE``, when they cannot.
    """
    with storage(out):
        for folder in (out / case, out / FAILED):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as stream:
                stream.write(b"writable")


@contextlib.contextmanager
def storage(out: Path) -> Iterator[None]:
    """Turn what the system says of a write into RunError with code ``STORAGE``."""
    try:
        yield
    except OSError as cause:
        msg = (
            f"The output folder {str(out)!r} must be writable: {cause.strerror}. "
            "Earlier runs are untouched. Make room, or choose another with --out."
        )
        raise RunError(msg, Reason.STORAGE) from cause


@contextlib.contextmanager
def mutex(out: Path) -> Iterator[None]:
    """Hold the lock of the output folder: short steps that others must not see."""
    with storage(out), (out / ".lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def refuse_overlap(out: Path, case: str) -> None:
    """Raise RunError (``OVERLAP``) when a run of the case is at work.

    A run holds a lock on a file beside its private folder, which the system takes
    from it when it dies: what killed runs left stops nobody.
    """
    for path in sorted((out / case).glob(".staging-*.lock")):
        try:
            with path.open() as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:  # that run has just ended
            continue
        except BlockingIOError:
            run_id = path.name.removeprefix(".staging-").removesuffix(".lock")
            msg = (
                f"The run {run_id} of {case!r} is at work, and --no-overlap allows no "
                "second one. Nothing was started."
            )
            raise RunError(msg, Reason.OVERLAP) from None


@contextlib.contextmanager
def open_staging(
    out: Path, case: str, run_id: str, *, alone: bool = False
) -> Iterator[Staging]:
    """Make the private folder of a run, and remove what is left of it at the end.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs; it must be writable.
    case, run_id : str
        The case's name and the run's id.
    alone : bool
        Refuse to begin while another run of the case is at work.

    Raises
    ------
    RunError
        With code ``EXISTS`` when the run exists, being made, published or failed, and
        ``OVERLAP`` as `refuse_overlap`.
    """
    if not RUN_ID.fullmatch(run_id):
        msg = f"A run id must look like 20261123T034500Z-1a2b3c4d; {run_id!r} does not."
        raise RunError(msg, Reason.USAGE)
    folder = out / case / f".staging-{run_id}"
    staging = Staging(out=out, case=case, run_id=run_id, folder=folder)
    lock = _lock_file(folder)
    with contextlib.ExitStack() as stack:
        with mutex(out):
            if alone:
                refuse_overlap(out, case)
            taken = (folder, lock, staging.target, staging.failed_target)
            if any(os.path.lexists(path) for path in taken):
                msg = (
                    f"The run {run_id} of {case!r} exists. A run is never overwritten."
                )
                raise RunError(msg, Reason.EXISTS)
            stream = stack.enter_context(lock.open("w"))
            stack.callback(_remove, folder, lock)  # while the lock is held
            fcntl.flock(stream, fcntl.LOCK_EX)
            folder.mkdir(mode=0o700)
        yield staging


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)


def sweep(out: Path) -> list[tuple[str, str]]:
    """Remove what killed runs left behind, processes included.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.

    Returns
    -------
    list of (case, run_id)
        The abandoned runs. A run that is still being made holds a lock, which the
        system takes from it when it dies, and is left alone.
    """
    abandoned = []
    with mutex(out):
        for folder in sorted(out.glob("*/.staging-*[0-9a-f]")):
            run_id = folder.name.removeprefix(".staging-")
            if not RUN_ID.fullmatch(run_id):
                continue
            lock = _lock_file(folder)
            with lock.open("a") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                end_marked(run_id)
                _remove(folder, lock)
                abandoned.append((folder.parent.name, run_id))
    return abandoned


def settle(staging: Staging, folder: Path, target: Path) -> None:
    """Move a finished folder to its final name, whole and for good.

    Parameters
    ----------
    staging : Staging
        The run.
    folder, target : pathlib.Path
        The folder to move, on the same file system, and its final name.

    Raises
    ------
    RunError
        With code ``EXISTS`` when the name is taken.
    """
    for path, is_folder in _walk(folder):
        path.chmod((FOLDER_MODE if is_folder else FILE_MODE) & ~_umask())
        _fsync(path)
    with mutex(staging.out):
        if os.path.lexists(target):
            msg = f"{target.name!r} exists in {target.parent.name!r}. It is kept."
            raise RunError(msg, Reason.EXISTS)
        folder.rename(target)
        _fsync(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, never a part."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.chmod(FILE_MODE & ~_umask())
    part.replace(path)


def json_text(values: Mapping[str, Any]) -> str:
    """Return strict JSON: no NaN, no half characters, one final newline."""
    text = json.dumps(values, allow_nan=False, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode() + "\n"


def require_schema(values: Mapping[str, Any], schema: Path, name: str) -> None:
    """Raise RunError (NO_VERDICT) when `values` does not fit the JSON Schema in a file.

    Parameters
    ----------
    values : mapping
        What is to be written.
    schema : pathlib.Path
        The schema that is shipped with the package.
    name : str
        The file that `values` will be, for the message.
    """
    # fastjsonschema: a thousand findings take a tenth of a second, not a whole one.
    import fastjsonschema  # noqa: PLC0415 (heavy)

    fits = fastjsonschema.compile(json.loads(schema.read_text("utf-8")))
    try:
        fits(values)
    except fastjsonschema.JsonSchemaValueException as cause:
        msg = f"{name} must fit its schema: {cause.message[:300]}."
        raise RunError(msg, Reason.NO_VERDICT) from cause


def _walk(folder: Path) -> list[tuple[Path, bool]]:
    """Return everything under `folder` and itself, deepest first; no symlinks."""
    found = [(path, path.is_dir()) for path in sorted(folder.rglob("*"), reverse=True)]
    for path, is_folder in found:
        if path.is_symlink() or not (is_folder or path.is_file()):
            msg = f"{path.name!r} in the run's folder must be a plain file."
            raise RunError(msg, Reason.STORAGE)
    return [*found, (folder, True)]


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
