"""A PostgreSQL server of the tests' own, from Debian's packages."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path:
    """Return where the server's programs are; skip, or fail under CI, without them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        message = "PostgreSQL is not installed; `make database` installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found[-1].parent


@contextmanager
def server() -> Iterator[str]:
    """Start a server on 127.0.0.1 with a password, and yield its address."""
    bin_ = programs()
    # The server refuses to run as root; the package brings a user of its own.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="readiness-postgres-"))
    (folder / "password").write_text("pw/ä@1", encoding="utf-8")
    if user:
        for one in (folder, folder / "password"):
            shutil.chown(one, user, user)
    data = folder / "data"
    make = ["--auth=scram-sha-256", "--username=tester", f"--pwfile={folder}/password"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    control = [str(bin_ / "pg_ctl"), "-D", str(data), "-w"]

    def run(*command: str) -> None:
        subprocess.run(  # noqa: S603 (our own commands)
            command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL
        )

    try:
        run(str(bin_ / "initdb"), "-D", str(data), "-E", "UTF8", *make)
        run(*control, "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://tester:pw%2F%C3%A4%401@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            run(*control, "-m", "immediate", "stop")
        time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)
