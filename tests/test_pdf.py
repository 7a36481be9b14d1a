"""A run is printed beside, never into itself, by a real Chromium."""

import shutil
from pathlib import Path

import pytest

from readiness import pdf
from readiness.errors import Reason, RunError
from readiness.manifest import verify, write_manifest
from tests.commands import called
from tests.meetings import FIRST, alter_run, publish_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a published run with a small report."""
    folder = publish_run(tmp_path, FIRST)
    (folder / "manifest.json").unlink()
    (folder / "report.html").write_text("<h1>Verdict</h1>", "utf-8")
    write_manifest(folder, {"run_id": FIRST})
    return folder


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is not installed"
)
def test_command_prints_the_report_and_leaves_the_run_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.pdf"

    code, stdout, stderr = called(capsys, "pdf", run, "--out", out)()

    assert (code, stdout, stderr) == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(b"%PDF-")
    assert verify(run) == []
    assert list(tmp_path.glob(".pdf-*")) == []


def test_without_chromium_it_says_what_to_do(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)

    with pytest.raises(RunError, match="apt-get install chromium"):
        pdf.write_pdf(run, tmp_path / "report.pdf")


@pytest.mark.parametrize("name", ["report.html", "RUN/report.pdf"])
def test_pdf_never_goes_into_a_run(name: str, run: Path, tmp_path: Path) -> None:
    out = run / "report.pdf" if name.startswith("RUN") else tmp_path / name

    with pytest.raises(RunError, match="outside of any run") as caught:
        pdf.write_pdf(run, out)

    assert caught.value.code is Reason.USAGE


def test_altered_run_is_not_printed(run: Path, tmp_path: Path) -> None:
    alter_run(run)

    with pytest.raises(RunError, match="not what was published"):
        pdf.write_pdf(run, tmp_path / "report.pdf")


@pytest.mark.parametrize(("user", "has_it"), [(0, True), (1000, False)])
def test_only_root_goes_without_a_sandbox(
    user: int, *, has_it: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf.os, "geteuid", lambda: user)
    echo = tmp_path / "echo"
    echo.write_text('#!/bin/sh\necho "$@" >&2\n')
    echo.chmod(0o755)
    monkeypatch.setattr(pdf, "OPTIONS", ())

    said = pdf._print(str(echo), tmp_path / "a.html", tmp_path / "b.pdf")  # noqa: SLF001 (its only door is Chromium)

    assert said.startswith("--no-sandbox") is has_it
