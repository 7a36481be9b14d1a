"""PUBLISH: how far a run is, on a terminal or line by line in a log."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

from readiness.notebooks import Notebook
from readiness.text import printable

ALONE = ", alone: it measures time, so nothing else runs beside it"


@dataclass(slots=True, kw_only=True, eq=False)
class Progress:
    """What has been told about a run so far; make it with `show_progress`.

    Parameters
    ----------
    stream : TextIO or None
        Where plain lines go; None for a live display or for silence.
    live : rich.progress.Progress or None
        The display on a terminal.
    tasks : dict of str to int
        The display's row of each notebook.
    read : int
        Bytes of the event file already told.
    began : dict of str to float
        When each notebook was started.
    """

    stream: TextIO | None
    live: Any = None
    tasks: dict[str, int] = field(default_factory=dict)
    read: int = 0
    began: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Open the display."""
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the display, leaving the terminal as it was."""
        if self.live is not None:
            self.live.stop()

    def start(self, notebook: Notebook) -> None:
        """Tell that a notebook was started."""
        self.began[notebook.name] = time.monotonic()
        if self.live is not None:
            row = self.live.add_task(
                notebook.name, total=max(len(notebook.checks), 1), check="starting"
            )
            self.tasks[notebook.name] = row
        self._line(f"{notebook.name}: started{ALONE if notebook.alone else ''}")

    def follow(self, events: Path) -> None:
        """Tell what the notebooks wrote to the event file since the last call."""
        try:
            with events.open("rb") as stream:
                stream.seek(self.read)
                new = stream.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            self._event(_parsed(line))

    def end(self, notebook: Notebook, problem: str | None) -> None:
        """Tell that a notebook ended, and why if it has no result."""
        seconds = time.monotonic() - self.began[notebook.name]
        said = f"no result ({problem})" if problem else "done"
        if self.live is not None:
            row = self.tasks[notebook.name]
            done = max(len(notebook.checks), 1)
            self.live.update(row, completed=done, check=said)
            self.live.stop_task(row)
        self._line(f"{notebook.name}: {said} after {seconds:.1f} s")

    def _event(self, event: Mapping[str, Any]) -> None:
        name, check = str(event.get("notebook")), printable(event.get("check", ""))
        status = printable(event.get("status", ""))
        ended = event.get("event") == "end"
        if self.live is not None and name in self.tasks:
            row = self.tasks[name]
            self.live.update(row, advance=int(ended), check=f"{check} {status}".strip())
        if ended:
            seconds = event.get("seconds", 0.0)
            self._line(f"{printable(name)}: {check} {status} ({seconds:.1f} s)")

    def _line(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(f"{text}\n")
            self.stream.flush()


def show_progress(stream: TextIO | None = None) -> Progress:
    """Return a display for a terminal, plain lines for anything else.

    Parameters
    ----------
    stream : TextIO, optional
        Default standard error.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        return Progress(stream=stream)
    from rich.console import Console  # noqa: PLC0415 (on terminals only)
    from rich.progress import (  # noqa: PLC0415 (on terminals only)
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Live  # noqa: PLC0415 (on terminals only)

    live = Live(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[check]}", markup=False),
        TimeElapsedColumn(),
        console=Console(file=stream),
        transient=True,
    )
    return Progress(stream=None, live=live)


def silent() -> Progress:
    """Return a progress that tells nothing."""
    return Progress(stream=None)


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
