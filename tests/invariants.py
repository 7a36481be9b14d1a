"""What holds after every run, however it ended: FAULTS I1 to I10."""

import base64
import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import psutil

from readiness.history import FILE, read_history
from readiness.manifest import verify
from readiness.processes import RUN_VARIABLE
from readiness.staging import sweep

SECRET = "s3cr3t-of-the-tests"  # noqa: S105 (planted, to be looked for)
SECRET_VARIABLE = "READINESS_TEST_PASSWORD"  # noqa: S105 (its name)
SCHEMA = Path(__file__).parents[1] / "readiness" / "results.schema.json"
SCRIPT = (
    Path(__file__).parents[1] / "templates" / "readiness" / "static" / "tables.js"
).read_text("utf-8")
SCRIPT_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
SCRIPT_SOURCE = f"'sha256-{SCRIPT_HASH}'"
EXITS = {"PASS": 0, "FAIL": 1, "INCOMPLETE": 2, "ERROR": 3}
SLACK_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code, stdout, stderr, seconds : int, str, str, float
        Exit code, what it printed, and how long it took.
    run_id : str or None
        The run it made, if it kept any.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    run_id: str | None
    folder: Path | None

    @property
    def reason(self) -> str | None:
        """The reason code on standard error."""
        found = re.search(r"^error: ([A-Z_]+): ", self.stderr, re.MULTILINE)
        return found[1] if found else None

    @property
    def results(self) -> dict:
        """The content of the run's results.json."""
        return json.loads((self.folder / "results.json").read_text("utf-8"))


def observed(
    command: Callable[[], tuple[int, str, str]],
    out: Path,
    inputs: Path,
    *,
    limit_s: float = 60.0,
    new_rows: int = 1,
    leaves_at_once: bool = False,
) -> Ended:
    """Run `command` and assert I1 to I10 on what it did to `out`; here I8 and I9.

    Parameters
    ----------
    command : callable
        Returns exit code, standard output and standard error.
    out, inputs : pathlib.Path
        The folder of all runs, and the folder of the case.
    limit_s : float
        The run limit of I9.
    new_rows : int
        How many rows the history may gain.
    leaves_at_once : bool
        Its private folder may be left for the next run to sweep.
    """
    runs_before = _runs(out)
    inputs_before = tree(inputs)
    rows_before = _rows(out)
    began = time.monotonic()

    code, stdout, stderr = command()

    seconds = time.monotonic() - began
    new = sorted(set(_runs(out)) - set(runs_before))
    folder = new[0] if new else None
    ended = Ended(
        code=code,
        stdout=stdout,
        stderr=stderr,
        seconds=seconds,
        run_id=folder.name if folder else None,
        folder=folder,
    )
    assert len(new) <= 1
    _assert_verdict(ended)
    for path, before in runs_before.items():
        assert tree(path) == before, f"I3: {path.name} changed"
    _assert_history(out, rows_before, new_rows)
    _assert_one_line(ended)
    if leaves_at_once:
        sweep(out)  # as the next run does
    _assert_nobody_left(out, new)
    _assert_files(out, folder)
    assert tree(inputs) == inputs_before, "I8: inputs changed"
    assert seconds <= limit_s + SLACK_S, "I9: too long"
    _assert_no_secret(out, stdout + stderr)
    return ended


def _assert_verdict(ended: Ended) -> None:
    """I1, I2: exit 0 needs a published, schema-valid PASS of this very, whole run."""
    if ended.folder is None or not (ended.folder / "results.json").exists():
        assert ended.code in (3, 130, 143), "I1: no results, yet an outcome"
        return
    results = ended.results
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(results)
    assert results["run_id"] == ended.run_id
    is_stopped = results["reason_code"] == "INTERRUPTED" and ended.code in (130, 143)
    told = EXITS[results["outcome"]]
    assert told == ended.code or is_stopped, "I1: exit code is not the outcome"
    is_published = ended.folder.parent.name != "failed"
    assert is_published == (results["outcome"] != "ERROR")
    assert verify(ended.folder) == [], "I2: the manifest does not verify"


def _assert_history(out: Path, rows_before: int, new_rows: int) -> None:
    """I3: the history is sound and gained no more than it may."""
    if (out / FILE).exists():
        with closing(sqlite3.connect(out / FILE)) as connection, connection:
            answer = connection.execute("PRAGMA integrity_check").fetchall()
        connection.close()
        assert answer == [("ok",)]
    assert _rows(out) - rows_before <= new_rows


def _assert_one_line(ended: Ended) -> None:
    """I4: what went wrong is one plain line on standard error."""
    lines = [one for one in ended.stderr.splitlines() if one.startswith("error: ")]
    assert len(lines) == int(ended.code >= 3), ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def _assert_nobody_left(out: Path, new: list[Path]) -> None:
    """I5: no process of the run is alive, no private folder is left."""
    runs = {path.name for path in new}
    alive = [one for one in psutil.process_iter() if _run_of(one) in runs]
    assert alive == []
    assert list(out.glob("*/.staging-*")) == []


def _run_of(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(RUN_VARIABLE)
    except psutil.Error:
        return None


def _assert_files(out: Path, folder: Path | None) -> None:
    """I6 and I7: strict JSON; HTML without handlers, outside addresses, other scripts.

    The kit's own script is allowed once, where the policy that stands first in the
    head pins it by its hash and allows no other.
    """
    if folder is None:
        return
    for path in [*folder.rglob("*.json"), *folder.rglob("*.ipynb")]:
        json.loads(path.read_bytes().decode("utf-8"), parse_constant=_not_json)
    for path in folder.rglob("*.html"):
        parser = _Active()
        parser.feed(path.read_text("utf-8"))
        assert parser.found == [], f"I7: {path.name}"
        assert parser.scripts in ([], [SCRIPT]), f"I7: {path.name}"
        assert parser.tags[:3] == ["html", "head", "meta"], f"I7: {path.name}"
        assert _allowed(parser.policy) == SCRIPT_SOURCE, f"I7: {path.name}"
    modes = {path.stat().st_mode & 0o027 for path in folder.rglob("*")}
    assert modes <= {0}, "T33: others may read or alter the run"
    assert out.is_dir()


def _allowed(policy: str) -> str:
    parts = (one.split() for one in policy.split(";"))
    rules = {name: " ".join(sources) for name, *sources in parts}
    assert rules["default-src"] == "'none'"
    return rules["script-src"]


def _not_json(constant: str) -> float:
    msg = f"I6: {constant}"
    raise AssertionError(msg)


class _Active(HTMLParser):
    """Collects what a page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("iframe", "object", "embed", "base", "form"):
            self.found.append(tag)
        if tag == "script":
            self.scripts.append("")
            self.found += [f"script {name}" for name, _ in attrs]
        if tag == "meta" and not self.policy:
            assert dict(attrs)["http-equiv"] == "Content-Security-Policy"
            self.policy = dict(attrs)["content"] or ""
        self.tags.append(tag)
        for name, value in attrs:
            loads = name in ("src", "srcset", "data", "action", "poster")
            is_link = tag == "link" and name == "href"
            outside = re.match(
                r"\s*(https?:|//|javascript:|file:)", value or "", re.IGNORECASE
            )
            if name.startswith("on") or ((loads or is_link) and outside):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and not data.isspace():
            self.scripts[-1] += data


def _assert_no_secret(out: Path, printed: str) -> None:
    """I10: a secret in the environment is in no file and no line."""
    assert SECRET not in printed
    for path in out.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def _runs(out: Path) -> dict[Path, dict[str, str]]:
    folders = [path for path in out.glob("*/*-????????") if path.is_dir()]
    return {path: tree(path) for path in folders if not path.name.startswith(".")}


def tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file in a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _rows(out: Path) -> int:
    return len(read_history(out)) if (out / FILE).exists() else 0
