"""People are told how a run ended: by a file, and by one small allowed message."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from readiness import announce, runner, webhook
from readiness.announce import reviewed, summary_text
from readiness.errors import CaseError, RunError
from readiness.run_summary import RunSummary, summary_of
from readiness.signoffs import RECORD
from readiness.webhook import HOSTS_VARIABLE, post, take_address
from tests.commands import reviewing
from tests.meetings import (
    FIRST,
    SECOND,
    condition_on,
    moved,
    passing,
    publish_run,
)
from tests.tiny import tiny_case

HOOK = "READINESS_TEST_HOOK"
SECRET_PATH = "/s3cr3t-of-the-hook"  # noqa: S105 (planted, to be looked for)


@dataclass
class Server:
    """A web server of the test and what it was sent."""

    address: str
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    status: int = 204
    drip: bool = False
    body: int = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Start a server on 127.0.0.1, which is the only host allowed."""
    state = Server(address="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            state.got.append((self.path, json.loads(self.rfile.read(size))))
            if state.drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(1500):  # half a minute
                    self.wfile.write(b"X-Drip: 1")
                    time.sleep(0.02)
            self.send_response(state.status)
            self.send_header("Location", f"{state.address}/elsewhere")
            self.end_headers()
            for _ in range(state.body):
                self.wfile.write(b"x" * 1_000_000)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            """Answer one request."""
            with suppress(OSError):  # the client has left
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv(HOSTS_VARIABLE, "hooks.example.com, 127.0.0.1")
        yield state
        listening.shutdown()


def a_summary(folder: Path) -> RunSummary:
    """Return what the published run came to."""
    results = json.loads((folder / "results.json").read_text())
    return summary_of(results, folder, None)


# The file


def test_summary_says_what_decides_with_value_interval_and_limit(
    tmp_path: Path,
) -> None:
    publish_run(tmp_path, FIRST, passing)
    worse = moved("P1", "roc_auc", 0.5, 0.01, status="fail", required=True)
    folder = publish_run(tmp_path, SECOND, worse)
    results = json.loads((folder / "results.json").read_text())

    text = summary_text(results, a_summary(folder), tmp_path)

    lines = text.splitlines()
    assert lines[0].startswith("# NOT READY: ")
    (deciding,) = [one for one in lines if " P1 " in one and "limit" in one]
    assert "0.500" in deciding
    assert any(f"The last run was {FIRST}" in one for one in lines)
    assert lines[-1].startswith("Page: ")


def test_summary_shows_hostile_text_as_it_is(tmp_path: Path) -> None:
    def hostile(results: dict[str, Any]) -> None:
        results["title"] = "[click](javascript:alert(1)) <img src=x>\n# READY"

    folder = publish_run(tmp_path, FIRST, passing, hostile)
    results = json.loads((folder / "results.json").read_text())

    text = summary_text(results, a_summary(folder), tmp_path)

    assert "[click](" not in text
    assert "<img" not in text.replace(r"\<", "")
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1
    assert "no earlier published run" in text


def test_summary_is_written_also_where_nothing_could_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        msg = "The case file 'case.toml' lacks the key 'name'. Add it."
        raise CaseError(msg)

    monkeypatch.setattr(runner, "run_review", broken)
    file = tmp_path / "summary.md"

    with pytest.raises(CaseError):
        reviewed(Path("case.toml"), say=print, notify=file)

    assert "\nExit code 3.\n" in file.read_text()
    assert file.read_text().startswith("# NO VERDICT\n\nReason: CASE: The case file")


def test_refused_overlap_writes_no_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        msg = "at work"
        raise RunError(msg, "OVERLAP")

    monkeypatch.setattr(runner, "run_review", refused)

    with pytest.raises(RunError):
        reviewed(Path("case.toml"), say=print, notify=tmp_path / "summary.md")

    assert list(tmp_path.iterdir()) == []


# The message


def test_run_posts_its_headline_and_nothing_else_and_hides_the_address(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = f"import os\nassert {HOOK!r} not in os.environ"
    case, out = tiny_case(tmp_path / "case", {"own": [look]}), tmp_path / "out"
    monkeypatch.setenv(HOOK, server.address + SECRET_PATH)
    told = tmp_path / "summary.md"
    options = ("--webhook", f"env:{HOOK}", "--notify", told)

    code, stdout, stderr = reviewing(capsys, case, out, *options)()

    ((path, payload),) = server.got
    assert code == 0
    assert path == SECRET_PATH
    assert payload == {
        "text": f"READY: Does the plumbing hold?. {payload['headline']}",
        "case": "tiny",
        "run_id": payload["run_id"],
        "outcome": "PASS",
        "word": "READY",
        "exit_code": 0,
        "reason_code": None,
        "headline": "Only own was reviewed. All 1 required findings hold their limits.",
    }
    assert told.read_text().startswith("# READY: ")
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    texts = [*(one.read_bytes() for one in files), (stdout + stderr).encode()]
    assert not any(SECRET_PATH.encode() in one for one in texts)


@pytest.mark.parametrize(
    ("altered", "code", "why", "says"),
    [
        (False, 1, "OVERDUE", "a condition of approval is overdue"),
        (True, 3, "ALTERED", "whether a condition is overdue is not known"),
    ],
)
def test_people_are_told_that_a_passed_run_is_stopped_by_what_was_signed(
    *,
    altered: bool,
    code: int,
    why: str,
    says: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = publish_run(tmp_path, FIRST, passing)
    condition_on(folder, "2020-02-01")
    if altered:
        (folder.parent / RECORD).write_text("{}\n", "utf-8")
    monkeypatch.setattr(runner, "run_review", lambda *_, **__: a_summary(folder))
    monkeypatch.setenv(HOOK, server.address)
    told = tmp_path / "summary.md"
    options = ("--webhook", f"env:{HOOK}", "--notify", told)

    left = reviewing(capsys, Path("case.toml"), tmp_path, *options)()

    ((_, payload),) = server.got
    text = told.read_text()
    assert left[0] == payload["exit_code"] == code
    assert (payload["word"], payload["reason_code"]) == ("READY", why)
    assert payload["text"].startswith(f"READY, but {says}: ")
    assert text.startswith(f"# READY, but {says}: ")
    assert f"Exit code {code} ({why})." in text
    assert ("Recalibrate" in text) is not altered
    assert "Recalibrate" not in json.dumps(payload)


def test_message_without_a_verdict_quotes_no_cell() -> None:
    results = {"case": "c", "run_id": "r", "title": "T", "outcome": "ERROR"}
    results |= {"headline": "No verdict. raised ValueError: 'John Smith'", "checks": []}

    payload = announce._payload(results, "NOTEBOOK", 3)  # noqa: SLF001 (its only door is a run)

    assert "Smith" not in json.dumps(payload)
    assert payload["text"] == "NO VERDICT: T. A cell of a notebook ended with an error."


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (302, "it answered 302, and redirects are not followed"),
        (500, "it answered 500"),
    ],
)
def test_answer_that_is_no_success_is_said_and_nothing_is_followed(
    status: int, says: str, server: Server
) -> None:
    server.status = status

    problem = post(server.address, {"text": "x"})

    assert problem == says
    assert len(server.got) == 1


def test_answer_that_drips_is_left_after_the_limit(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_S", 0.5)
    server.drip = True
    began = time.monotonic()

    problem = post(server.address, {"text": "x"})

    assert problem == "it took longer than 0.5 s"
    assert time.monotonic() - began < 15


def test_huge_answer_is_not_read(server: Server) -> None:
    server.status, server.body = 200, 1000

    began = time.process_time()

    assert post(server.address, {"text": "x"}) == ""
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "https://"),
        ("ftp://hooks.example.com/x", "https://"),
        ("https://me:word@hooks.example.com/x", "no user and no password"),
        ("https://evil.example.com/x", f"not named in {HOSTS_VARIABLE}"),
        ("https://10.0.0.7/x", f"not named in {HOSTS_VARIABLE}"),
        ("https://hooks.example.com/x", "private address"),
        ("http://hooks.example.com/x", "private address"),
    ],
)
def test_address_that_is_not_allowed_is_refused_before_anything_is_sent(
    address: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolved(*_: object, **__: object) -> list[Any]:
        return [(None, None, None, "", ("169.254.169.254", 443))]

    def connected(*_: object, **__: object) -> None:
        pytest.fail("nothing may be sent")

    monkeypatch.setenv(HOSTS_VARIABLE, "hooks.example.com")
    monkeypatch.setattr(webhook.socket, "getaddrinfo", resolved)
    monkeypatch.setattr(webhook.socket, "create_connection", connected)

    problem = post(address, {"text": "x"})

    assert says in problem
    assert "example.com" not in problem


def test_plain_http_is_for_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, "10.0.0.7")

    assert post("http://10.0.0.7/x", {"text": "x"}) == (
        "its address must begin with https://"
    )


def test_failing_webhook_changes_neither_outcome_nor_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = a_summary(publish_run(tmp_path, FIRST, passing))
    monkeypatch.setattr(runner, "run_review", lambda *_, **__: summary)
    monkeypatch.delenv(HOOK, raising=False)
    said: list[str] = []
    file = tmp_path / "none" / "summary.md"

    found = reviewed(
        Path("case.toml"),
        say=said.append,
        notify=file,
        webhook=f"env:{HOOK}",
        out=tmp_path,
    )

    assert found == (summary, None)
    beginning = "The webhook was not told: its variable must hold an address"
    assert said == [
        "The summary 'summary.md' was not written: No such file or directory.",
        f"{beginning} that begins with https://.",
    ]


@pytest.mark.parametrize("reference", ["https://x", "env:", "file:x", "env:A B"])
def test_address_itself_is_refused_on_the_command_line(reference: str) -> None:
    with pytest.raises(RunError, match="--webhook must be env:NAME") as raised:
        take_address(reference)

    assert "x" not in str(raised.value).replace("example", "")
