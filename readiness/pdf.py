"""SHOW: a published run as PDF, printed by Chromium; the run is not touched."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from readiness.errors import Reason, RunError
from readiness.identities import published_results
from readiness.manifest import FILE as MANIFEST

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_S = 180
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def write_pdf(run: Path, out: Path) -> Path:
    """Print ``report.html`` of a published run to a PDF file, and return the file.

    Parameters
    ----------
    run : pathlib.Path
        Folder of a published run that is what was published.
    out : pathlib.Path
        The file, outside of any run; an earlier one of that name is replaced.

    Raises
    ------
    RunError
        ALTERED or USAGE as `published_results`; USAGE when `out` is no such file, or
        Chromium is not installed; STORAGE when it left no PDF.
    """
    published_results(run)
    out = out.absolute()
    inside = any((one / MANIFEST).exists() for one in out.parents)
    if out.suffix != ".pdf" or out.is_dir() or inside:
        msg = f"--out must be a file .pdf outside of any run; {out.name!r} is not."
        raise RunError(msg, Reason.USAGE)
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        msg = (
            "A PDF is printed by Chromium, which is not installed. Install it (Debian: "
            "apt-get install chromium), or print report.html from any browser."
        )
        raise RunError(msg, Reason.USAGE)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".pdf-") as folder:
            printed = Path(folder) / "report.pdf"
            said = _print(browser, run.absolute() / "report.html", printed)
            if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF-"):
                msg = f"Chromium printed no PDF. It said: {said or 'nothing'}."
                raise RunError(msg, Reason.STORAGE)
            printed.replace(out)
    except OSError as cause:
        msg = f"The PDF {out.name!r} cannot be written: {cause.strerror}."
        raise RunError(msg, Reason.STORAGE) from cause
    return out


def _print(browser: str, page: Path, printed: Path) -> str:
    """Let the browser print a page; return the last line it said."""
    # Chromium refuses to start as root with its sandbox; others keep the sandbox.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    profile = f"--user-data-dir={printed.parent / 'profile'}"
    target = f"--print-to-pdf={printed}"
    command = [browser, *OPTIONS, *sandbox, profile, target, page.as_uri()]
    try:
        ended = subprocess.run(  # noqa: S603 (a browser found on the path, our own page)
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {TIMEOUT_S} s"
    return (ended.stderr.strip().splitlines() or [""])[-1][:300]
