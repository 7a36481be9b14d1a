"""The text of a CSV file: unpacked, decoded, and checked line by line."""

import codecs
import glob
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

from readiness.errors import InputError, Reason

CHUNK = 2**20
GZIP_MAGIC = b"\x1f\x8b"
FREE_BYTES = 2**29  # a compressed file may unpack to this whatever its size
TIMES = 200  # beyond, to so many times its size: real tables stay below 50


@contextmanager
def plain_text(path: Path, encoding: str, folder: Path) -> Iterator[Path]:
    """Give a file of UTF-8 text: the file itself, or a private copy while it is read.

    Parameters
    ----------
    path : pathlib.Path
        Text, plain or compressed by gzip.
    encoding : str
        As Python names it; a mark of byte order is no part of the text.
    folder : pathlib.Path
        For the copy, which is removed afterwards.

    Raises
    ------
    InputError
        INPUT_FORMAT naming the first line that is no text in this encoding or holds a
        NUL; or when a compressed file is damaged or unpacks to more than 512 MiB and
        200 times its size, counted while it is unpacked.
    """
    with path.open("rb") as stream:
        is_packed = stream.read(2) == GZIP_MAGIC
    # What reads it would take a name such as a[1].csv for a pattern.
    is_pattern = glob.has_magic(str(path))
    if encoding == "utf-8" and not is_packed and not is_pattern:
        for _ in _texts(path, encoding, is_packed=False):
            pass
        yield path
        return
    where = None if glob.has_magic(str(folder)) else folder
    handle, name = tempfile.mkstemp(prefix=".csv-", suffix=".txt", dir=where)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as copy:
            copy.writelines(_texts(path, encoding, is_packed=is_packed))
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _texts(path: Path, encoding: str, *, is_packed: bool) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line, first = 1, True
    with path.open("rb") as stream:
        for chunk in _chunks(path, stream, is_packed=is_packed):
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as cause:
                before = cause.object[: cause.start].decode(encoding, errors="replace")
                _refuse_line(path, encoding, line + before.count("\n"))
            if "\0" in text:
                _refuse_line(
                    path, encoding, line + text[: text.index("\0")].count("\n")
                )
            yield text.removeprefix("\ufeff") if first else text
            line, first = line + text.count("\n"), first and not text


def _chunks(path: Path, stream: IO[bytes], *, is_packed: bool) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked and counted, and an empty end."""
    unpacked: IO[bytes] = (
        gzip.GzipFile(fileobj=stream) if is_packed else stream  # type: ignore[assignment]  # GzipFile reads as IO does
    )
    most = max(FREE_BYTES, TIMES * path.stat().st_size)
    n_bytes = 0
    while True:
        try:
            chunk = unpacked.read(CHUNK)
        except (EOFError, gzip.BadGzipFile, zlib.error) as cause:
            msg = (
                f"The file {path.name!r} is compressed and damaged; it may be cut "
                "short. Write it again."
            )
            raise InputError(msg, Reason.INPUT_FORMAT) from cause
        n_bytes += len(chunk)
        if is_packed and n_bytes > most:
            msg = (
                f"The file {path.name!r} unpacks to more than {most / 1e6:,.0f} MB, "
                f"far more than its {path.stat().st_size / 1e6:.2f} MB. Check where it "
                "comes from, or unpack it yourself."
            )
            raise InputError(msg, Reason.INPUT_FORMAT)
        yield chunk
        if not chunk:
            return


def _refuse_line(path: Path, encoding: str, line: int) -> NoReturn:
    msg = (
        f"The file {path.name!r} must be {encoding.upper()} text without NUL; line "
        f"{line} is not. Save it as UTF-8, or declare its encoding."
    )
    raise InputError(msg, Reason.INPUT_FORMAT)
