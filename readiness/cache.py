"""What is computed once per run: one process makes it, the others wait for it."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path


def cached(folder: Path, key: str, produce: Callable[[Path], None]) -> Path:
    """Return the file `folder/key`, made by exactly one process.

    Parameters
    ----------
    folder : pathlib.Path
        Private folder of the run; made when it is missing.
    key : str
        Name of the content: a sha256 in hexadecimal, with a suffix if need be.
    produce : callable
        ``produce(path)`` writes a file or makes a folder at `path`.

    Returns
    -------
    pathlib.Path
        Complete: it is renamed into place after `produce` returned.

    Notes
    -----
    The lock is the kernel's own (flock): a process that is killed releases it, and
    the next one cleans up and starts again.
    """
    if not re.fullmatch(r"[0-9a-z._-]+", key) or key.startswith("."):
        msg = f"A cache key must be made of 0-9 a-z . _ -; it is {key!r}."
        raise ValueError(msg)
    target = folder / key
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f".{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for stale in folder.glob(f".{key}.*.partial"):
                _remove(stale)
            partial = folder / f".{key}.{os.getpid()}.partial"
            try:
                produce(partial)
                partial.replace(target)
            finally:
                _remove(partial)
    return target


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
