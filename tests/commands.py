"""Commands of the command line, called here or in a process of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from readiness.cli import main
from tests.invariants import SECRET, SECRET_VARIABLE

Command = Callable[[], tuple[int, str, str]]


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> Command:
    """Return a command that calls the command line in this process."""

    def command() -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return command


def reviewing(
    capsys: pytest.CaptureFixture[str], case: Path, out: Path, *more: object
) -> Command:
    """Return ``readiness run`` of the case's own notebook, in this process."""
    return called(capsys, "run", case, "--out", out, "--only", "own", *more)


def in_process(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    return subprocess.Popen(  # noqa: S603 (our own command line)
        [
            sys.executable,
            "-c",
            "from readiness.cli import main; main()",
            *map(str, arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, SECRET_VARIABLE: SECRET, **environment},
        # A shell that runs us in the background has Ctrl-C ignored, and we inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no threads here)
    )


def stopped(
    arguments: list[object], reached: Path, *signals: int, pause_s: float = 0.3
) -> Command:
    """Return a command that is sent `signals` once the file `reached` exists."""

    def command() -> tuple[int, str, str]:
        process = in_process(*arguments)
        give_up = time.monotonic() + 60
        while not reached.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        for one in signals:
            process.send_signal(one)
            time.sleep(pause_s)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    return command
