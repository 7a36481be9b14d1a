"""PUBLISH: the processes of a run, and the end of every one of them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

RUN_VARIABLE = "READINESS_RUN"  # marks every process of a run, by inheritance
PATIENCE_S = 2.0
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' prctl
_SET_REAPER = 36  # PR_SET_CHILD_SUBREAPER
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked the run to stop, by Ctrl-C or a signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@dataclass(slots=True, kw_only=True, eq=False)
class Family:
    """Every process that belongs to one run, as far as it has been seen.

    Parameters
    ----------
    run_id : str
        The mark that members carry in their environment.
    strangers : set of psutil.Process
        Descendants of this process that are none of the run's.
    members : dict of psutil.Process to int
        The run's processes with their session.
    started : list of subprocess.Popen
        Those this process started itself.
    """

    run_id: str
    strangers: set[psutil.Process] = field(default_factory=set)
    members: dict[psutil.Process, int] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Interrupts:
    """What `stop_on_signals` has caught, and whether to act at once."""

    caught: int | None = None
    held: bool = False

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Put off a first signal until the block has ended: it must not be cut."""
        self.held = True
        try:
            yield
        finally:
            self.held = False


@contextlib.contextmanager
def stop_on_signals(end_now: Callable[[], None]) -> Iterator[Interrupts]:
    """Turn the first signal to stop into `Stopped`; obey the second at once.

    Parameters
    ----------
    end_now : callable
        Called on the second signal, before this process leaves on the spot.

    Yields
    ------
    Interrupts
        Its ``hold()`` guards a block that must not be cut in two. Outside the main
        thread no signal arrives and nothing is installed. A signal that this process
        ignores (nohup) stays ignored.
    """
    state = Interrupts()

    def handle(signum: int, _frame: FrameType | None) -> None:
        if state.caught is not None:
            end_now()
            leave(signum)
        state.caught = signum
        if not state.held:
            raise Stopped(signum)

    before: dict[int, object] = {}
    if threading.current_thread() is threading.main_thread():
        before = {one: signal.getsignal(one) for one in _SIGNALS}
    ours = [one for one, old in before.items() if old is not signal.SIG_IGN]
    for one in ours:
        signal.signal(one, handle)
    try:
        yield state
    finally:
        for one in ours:
            signal.signal(one, before[one])  # type: ignore[arg-type]  # what getsignal gave


def leave(signum: int) -> NoReturn:
    """Say so in one line and leave on the spot, with the exit code of a shell."""
    line = f"error: INTERRUPTED: Stopped by {signal.Signals(signum).name}.\n"
    os.write(2, line.encode())
    os._exit(128 + signum)


@contextlib.contextmanager
def family(run_id: str) -> Iterator[Family]:
    """Look after the processes of a run; none of them outlives the block.

    On Linux this process becomes the reaper: a grandchild that loses its parent, as
    a kernel in its own session does, comes back to us and can be ended.

    Parameters
    ----------
    run_id : str
        Carried by every process of the run in ``READINESS_RUN``.
    """
    was_reaper = _prctl(_SET_REAPER, 1)
    known = Family(run_id=run_id, strangers=_descendants())
    try:
        yield known
    finally:
        end(known)
        if was_reaper:
            _prctl(_SET_REAPER, 0)


def start(
    known: Family,
    command: Sequence[str],
    *,
    folder: Path,
    log: Path,
    env: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a process of the run in a session of its own, without a terminal.

    Parameters
    ----------
    known : Family
        The run's processes; the new one joins them.
    command : sequence of str
        Program and arguments.
    folder, log : pathlib.Path
        Working directory, and the file that takes what it prints.
    env : mapping of str to str
        Its environment; the run's mark is added.
    """
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**env, RUN_VARIABLE: known.run_id},
            start_new_session=True,
        )
    known.started.append(process)
    look(known)
    return process


def look(known: Family) -> None:
    """Take notice of processes of the run that appeared since the last look.

    A process belongs to the run when its parent does, when it shares a session with
    one that does, or when it carries the run's mark. Looking often is what finds a
    child that left its parent, its session and its environment behind.
    """
    pids = {one.pid for one in known.members} | {one.pid for one in known.started}
    sessions = set(known.members.values())
    for one in psutil.Process().children(recursive=True):
        if one in known.strangers or one in known.members:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            session = os.getsid(one.pid)
            related = one.ppid() in pids or session in sessions
            if related or one.environ().get(RUN_VARIABLE) == known.run_id:
                known.members[one] = session
                pids.add(one.pid)
                sessions.add(session)


def end(known: Family, patience_s: float = PATIENCE_S) -> None:
    """End every process of the run: ask, wait, then kill until none is left.

    Parameters
    ----------
    known : Family
        The run's processes.
    patience_s : float
        Seconds between asking and killing; 0 kills at once.
    """
    look(known)
    if patience_s > 0 and _alive(known):
        _send(known, signal.SIGTERM)
        _wait(known, patience_s)
    give_up = time.monotonic() + PATIENCE_S + patience_s
    while time.monotonic() < give_up:
        look(known)
        if not _alive(known):
            break
        _send(known, signal.SIGKILL)
        _wait(known, 0.2)
    for process in known.started:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)


def end_marked(run_id: str) -> None:
    """Kill what an earlier run left behind when it was killed itself.

    Parameters
    ----------
    run_id : str
        The abandoned run; only this user's processes that carry its mark are ended.
    """
    # Twice: a child may be born while we look, and a process that is just being started
    # shows no environment for a moment.
    for pause_s in (0.0, 0.1):
        time.sleep(pause_s)
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if one.environ().get(RUN_VARIABLE) == run_id:
                    one.kill()


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere do nothing."""
    parent = os.getppid()
    if _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL) and os.getppid() != parent:
        os._exit(1)  # the parent died before the request was in place


def _prctl(option: int, value: int) -> bool:
    """Call Linux' prctl; return whether it was there and did as told."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _alive(known: Family) -> list[psutil.Process]:
    """Return members that still run; collect those that have ended."""
    started = {process.pid for process in known.started}
    for process in known.started:
        process.poll()
    alive = []
    for one in known.members:
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if one.is_running() and one.pid not in started:
                # An orphan that came back to us stays a zombie until collected.
                os.waitpid(one.pid, os.WNOHANG)
        with contextlib.suppress(psutil.Error):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                alive.append(one)
    return alive


def _send(known: Family, signum: int) -> None:
    for one in _alive(known):
        with contextlib.suppress(psutil.Error):
            one.send_signal(signum)


def _wait(known: Family, seconds: float) -> None:
    until = time.monotonic() + seconds
    while _alive(known) and time.monotonic() < until:
        time.sleep(0.02)
