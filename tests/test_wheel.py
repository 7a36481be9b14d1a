"""The built wheel, installed away from this checkout, reviews the demo."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from readiness.flights import user_cache

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv")

pytestmark = [pytest.mark.slow, pytest.mark.notebook, pytest.mark.timeout(900)]


def _run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603 (commands of this test)
        [str(one) for one in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    if UV:
        _run(UV, "build", "--wheel", "--out-dir", out, ROOT, cwd=out)
    else:
        pip = (sys.executable, "-m", "pip", "wheel", "--no-deps")
        _run(*pip, "--wheel-dir", out, ROOT, cwd=out)
    return next(out.glob("readiness-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an environment that borrows the dependencies of this one.

    A path in a ``.pth`` file lends packages, not the ``.pth`` files beside them, so
    the editable installation of this checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=UV is None)
    python = folder / "bin" / "python"
    if UV:
        _run(UV, "pip", "install", "--python", python, "--no-deps", wheel, cwd=folder)
    else:
        _run(python, "-m", "pip", "install", "--no-deps", wheel, cwd=folder)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_wheel_carries_notebooks_and_templates(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    shipped = {name for name in names if "/_shipped/" in name}
    assert "readiness/_shipped/notebooks/00_baseline.ipynb" in shipped
    assert "readiness/_shipped/templates/readiness/index.html.j2" in shipped
    assert "readiness/flights.toml" in names
    assert any("share/jupyter/nbconvert/templates/readiness" in one for one in names)


def test_installed_wheel_reviews_the_demo_in_an_empty_folder(
    installed: Path, tmp_path: Path
) -> None:
    borrowed = {
        "XDG_CACHE_HOME": str(user_cache().parent),
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
    }

    printed = _run(installed / "bin" / "readiness", "demo", cwd=tmp_path, **borrowed)

    last = printed.splitlines()[-1]
    index = Path(last.rpartition("; ")[2])
    place = _run(
        installed / "bin" / "python",
        "-c",
        "import readiness; print(readiness.__file__)",
        cwd=tmp_path,
    )
    assert Path(place.strip()).is_relative_to(installed)
    assert "readiness run would have returned 1." in printed
    assert last.startswith("FAIL: ")
    assert index.is_relative_to(tmp_path / "runs" / "flight-delay")
    assert (index.parent / "report.html").stat().st_size < 2_000_000
