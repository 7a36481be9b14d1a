"""Files a table may come from: found, told apart by content, hashed, made Parquet."""

import glob
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from readiness.errors import InputError, Reason
from readiness.partitions import files_below, is_partitioned

PARQUET_MAGIC = b"PAR1"
CHUNK = 2**20
SPOOL_ROWS = 131_072
CSV_SUFFIXES = (".csv", ".tsv", ".txt")


def find_files(source: str, base: Path, name: str) -> list[Path]:
    """Return the files `source` stands for, sorted by path.

    Parameters
    ----------
    source : str
        A path, a glob or a partitioned folder; relative ones start at `base`.
    base : pathlib.Path
        Folder of the case file.
    name : str
        Name of the table, for messages.

    Raises
    ------
    InputError
        When nothing matches, or a match is no readable regular file.
    """
    pattern = str(base / source)
    if Path(pattern).exists() or not glob.has_magic(source):
        paths = [Path(pattern)]
    else:
        paths = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207 (the pattern may be absolute, which Path.glob refuses)
    if len(paths) == 1 and paths[0].is_dir() and is_partitioned(paths[0]):
        paths = files_below(paths[0])
    if not paths:
        msg = f"The {name} table {source!r} matches no file. Correct the pattern."
        raise InputError(msg)
    for path in paths:
        _require_file(path, name)
    return paths


def _require_file(path: Path, name: str) -> None:
    if path.is_dir():
        msg = (
            f"The {name} table {path.name!r} is a folder. "
            f'Name a file, or a pattern such as "{path.name}/*.parquet"; only a '
            'folder of partitions such as "year=2024" is read whole.'
        )
        raise InputError(msg)
    try:
        is_regular = path.is_file() or not path.exists()
        with path.open("rb") if is_regular else _refuse_device(path, name):
            pass
    except OSError as cause:
        msg = f"The {name} table {path.name!r} cannot be read: {cause.strerror}."
        raise InputError(msg) from cause


def _refuse_device(path: Path, name: str) -> Any:  # noqa: ANN401 (always raises)
    msg = f"The {name} table {path.name!r} must be a regular file, not a device."
    raise InputError(msg)


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """Return the sha256 of one file, or of the hashes of several in order."""
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_hash_file, paths))
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def file_format(path: Path) -> str:
    """Return ``"parquet"`` or ``"csv"``, told by the content of the file.

    Raises
    ------
    InputError
        With code INPUT_FORMAT when the file is empty or is neither.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        msg = f"The file {path.name!r} is empty. Write it again."
        raise InputError(msg, Reason.INPUT_FORMAT)
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_markup = text.startswith((b"<!doctype", b"<html", b"<?xml"))
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    # A NUL inside is told with its line when the text is read; UTF-16 has many.
    if suffix.lower() in CSV_SUFFIXES and not is_markup:
        return "csv"
    msg = (
        f"The file {path.name!r} must be Parquet or CSV (.csv, .tsv, .txt, .csv.gz); "
        f"its content is {'a web page' if is_markup else 'neither'}."
    )
    raise InputError(msg, Reason.INPUT_FORMAT)


def open_parquet(path: Path, coded: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file; an unreadable one is an InputError (INPUT_FORMAT).

    Parameters
    ----------
    path : pathlib.Path
    coded : sequence of str
        Columns whose texts are read as codes with a dictionary: cheaper than texts.
    """
    try:
        return pq.ParquetFile(
            path, read_dictionary=list(coded), page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as cause:
        msg = (
            f"The file {path.name!r} is not a whole Parquet file; it may be cut short. "
            "Write it again."
        )
        raise InputError(msg, Reason.INPUT_FORMAT) from cause


def require_unique(columns: Iterable[str], name: str) -> None:
    """Raise InputError listing the column names that occur more than once."""
    twice = sorted(key for key, n in Counter(columns).items() if n > 1)
    if twice:
        msg = (
            f"Column names of the {name} table must be unique as text; "
            f"these occur more than once: {', '.join(map(repr, twice[:10]))}. "
            "Rename them."
        )
        raise InputError(msg, Reason.INPUT_FORMAT)


def write_stream(reader: pa.RecordBatchReader, path: Path) -> None:
    """Write a stream as one Parquet file, in row groups of up to 131,072 rows.

    Packed lightly and without statistics of texts: the file is private, read a few
    times, and gone with the run, so what counts is the time it costs.
    """
    pending: list[pa.RecordBatch] = []
    n_rows = 0
    measured = [one.name for one in reader.schema if not _is_text(one.type)]
    with pq.ParquetWriter(
        path, reader.schema, compression="lz4", write_statistics=measured
    ) as writer:
        for batch in reader:
            pending.append(batch)
            n_rows += batch.num_rows
            if n_rows >= SPOOL_ROWS:
                # A database may hand everything over in one batch.
                rows = pa.Table.from_batches(pending)
                writer.write_table(rows, row_group_size=SPOOL_ROWS)
                pending.clear()
                n_rows = 0
        if pending:
            writer.write_table(pa.Table.from_batches(pending, reader.schema))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )
