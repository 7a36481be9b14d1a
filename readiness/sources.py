"""Files a table may come from: found, told apart by content, hashed, made Parquet."""

import codecs
import csv
import glob
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from readiness.errors import InputError, Reason

PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 2**20
SPOOL_ROWS = 131_072
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = (",", ";", "\t", "|")
MAX_HEADER = 1_000_000
# Only the types are left to the reader to find out, from every row.
CSV_QUERY = """
SELECT * FROM read_csv(
    $path, sample_size = -1, skip = 0, header = true, comment = '',
    delim = $delimiter, quote = '"', escape = '"'
)
"""


def find_files(source: str, base: Path, name: str) -> list[Path]:
    """Return the files `source` stands for, sorted by path.

    Parameters
    ----------
    source : str
        A path or a glob; relative ones start at `base`.
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
            f'Name a file, or a pattern such as "{path.name}/*.parquet".'
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


def hash_files(paths: Sequence[Path]) -> str:
    """Return the sha256 of one file, or of the hashes of several in order."""
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
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
    if head.startswith(GZIP_MAGIC):
        # A small file may unpack to more than the machine holds.
        msg = f"The file {path.name!r} is compressed. Unpack it, or write Parquet."
        raise InputError(msg, Reason.INPUT_FORMAT)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_markup = text.startswith((b"<!doctype", b"<html", b"<?xml"))
    if path.suffix.lower() in CSV_SUFFIXES and not is_markup and b"\0" not in head:
        return "csv"
    msg = (
        f"The file {path.name!r} must be Parquet or CSV (.csv, .tsv, .txt); "
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
        return pq.ParquetFile(path, read_dictionary=list(coded))
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


def spool_csv(path: Path, sha256: str, folder: Path | None) -> Path:
    """Write a CSV file as Parquet once, streamed through DuckDB.

    Types are inferred from every row of the file. Only an empty cell is null: ``NA``,
    ``None`` and ``null`` stay text.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file.
    sha256 : str
        Its content hash, which names the copy.
    folder : pathlib.Path or None
        Where the copy goes; None makes a private temporary folder.

    Returns
    -------
    pathlib.Path
        The Parquet file, complete: it is renamed into place when written.

    Raises
    ------
    InputError
        With code INPUT_FORMAT when the file is no regular CSV, or names repeat.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="readiness-csv-"))
    target = folder / f"csv-{sha256}.parquet"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".csv-{sha256}-{os.getpid()}.parquet"
    import duckdb  # noqa: PLC0415 (needed for CSV only)

    _require_text(path)
    try:
        with duckdb.connect() as connection:
            _lock_down(connection, path)
            relation = connection.sql(
                CSV_QUERY,
                params={"path": str(path), "delimiter": _csv_delimiter(path)},
            )
            write_stream(pa.RecordBatchReader.from_stream(relation), partial)
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as cause:
        partial.unlink(missing_ok=True)
        # Later lines of the message quote the record, which is private.
        what = str(cause).splitlines()[0].removesuffix(".")
        if "sniffing" in what:
            what = "a line has another number of cells than the first, or an open quote"
        msg = f"The file {path.name!r} is not a regular CSV file: {what}."
        raise InputError(msg, Reason.INPUT_FORMAT) from cause
    partial.replace(target)
    return target


def _lock_down(connection: Any, path: Path) -> None:  # noqa: ANN401 (duckdb's stubs miss the capsule)
    allowed = str(path).replace("'", "''")
    connection.execute(f"SET allowed_paths = ['{allowed}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _require_text(path: Path) -> None:
    """Raise InputError naming the first line that is not UTF-8 or holds a NUL."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as stream:
        while True:
            chunk = stream.read(CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as cause:
                _refuse_line(path, line + cause.object[: cause.start].count(b"\n"))
            if b"\0" in chunk:
                _refuse_line(path, line + chunk[: chunk.index(b"\0")].count(b"\n"))
            if not chunk:
                return
            line += chunk.count(b"\n")


def _refuse_line(path: Path, line: int) -> None:
    msg = (
        f"The file {path.name!r} must be UTF-8 text without NUL; line {line} is not. "
        "Save it as UTF-8."
    )
    raise InputError(msg, Reason.INPUT_FORMAT)


def _csv_delimiter(path: Path) -> str:
    """Return what parts the names in the first line, and check these names.

    Left to itself, the reader takes ragged lines for one wide column, takes a first
    line of numbers for names, and renames repeated names, all silently.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(MAX_HEADER)
    delimiter = max(DELIMITERS, key=line.count)
    names = next(csv.reader([line], delimiter=delimiter))
    if all(_is_number(name) for name in names):
        msg = f"The file {path.name!r} must start with a line of column names."
        raise InputError(msg, Reason.INPUT_FORMAT)
    require_unique(names, path.name)
    return delimiter


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_stream(reader: pa.RecordBatchReader, path: Path) -> None:
    """Write a stream as one Parquet file, in row groups of up to 131,072 rows."""
    pending: list[pa.RecordBatch] = []
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            pending.append(batch)
            if sum(one.num_rows for one in pending) >= SPOOL_ROWS:
                # A database may hand everything over in one batch.
                rows = pa.Table.from_batches(pending)
                writer.write_table(rows, row_group_size=SPOOL_ROWS)
                pending.clear()
        if pending:
            writer.write_table(pa.Table.from_batches(pending, reader.schema))
