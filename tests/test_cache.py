"""The cache of a run: one producer, the others wait, nothing half-made."""

import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from readiness.cache import cached

SPAWN = multiprocessing.get_context("spawn")
KEY = "0f" * 32


def note_and_write(folder: Path, path: Path) -> None:
    """Leave one note per call, then take a while to write."""
    (folder / f"called-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.2)
    path.write_text("done")


def ask(folder: Path) -> str:
    return cached(folder / "cache", KEY, partial(note_and_write, folder)).read_text()


def write_half_and_stop(path: Path) -> None:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def ask_and_die(folder: Path) -> None:
    cached(folder / "cache", KEY, write_half_and_stop)


def fail(path: Path) -> None:
    path.mkdir()
    (path / "half").touch()
    msg = "no space"
    raise OSError(msg)


@pytest.mark.slow
def test_five_processes_produce_once(tmp_path: Path) -> None:
    with SPAWN.Pool(5) as pool:
        answers = pool.map(ask, [tmp_path] * 5)

    assert answers == ["done"] * 5
    assert len(list(tmp_path.glob("called-*"))) == 1


@pytest.mark.slow
def test_next_process_starts_again_after_a_producer_was_killed(tmp_path: Path) -> None:
    process = SPAWN.Process(target=ask_and_die, args=(tmp_path,))
    process.start()
    process.join()

    answer = ask(tmp_path)

    assert process.exitcode == -signal.SIGKILL
    assert answer == "done"
    assert list((tmp_path / "cache").glob("*.partial")) == []


def test_failed_producer_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space"):
        cached(tmp_path, KEY, fail)

    assert [path.name for path in tmp_path.iterdir()] == [f".{KEY}.lock"]


def test_kept_content_is_not_made_again(tmp_path: Path) -> None:
    first = cached(tmp_path, KEY, lambda path: path.mkdir())

    again = cached(tmp_path, KEY, fail)

    assert first == again
    assert again.is_dir()


@pytest.mark.parametrize("key", ["../x", "", ".hidden", "A"])
def test_key_must_be_a_plain_name(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache key"):
        cached(tmp_path, key, fail)
