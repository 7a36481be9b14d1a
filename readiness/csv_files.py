"""CSV files, made Parquet once: decoded and typed as declared, or refused by line."""

import atexit
import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from readiness.config import ColumnSection
from readiness.csv_text import plain_text
from readiness.csv_types import Reading, decided_types, found_types, refuse
from readiness.errors import InputError, Reason
from readiness.source_config import FileSource
from readiness.sources import require_unique, write_stream

DELIMITERS = (",", ";", "\t", "|")
MAX_HEADER = 1_000_000


def spool_csv(
    path: Path,
    sha256: str,
    folder: Path | None,
    source: FileSource,
    columns: Mapping[str, ColumnSection],
) -> Path:
    """Write a CSV file as Parquet, streamed, once for each way of reading it.

    Parameters
    ----------
    path : pathlib.Path
        Text with a line of names, plain or compressed by gzip.
    sha256 : str
        Hash of the file.
    folder : pathlib.Path or None
        Private folder; None makes a temporary one, removed when the process ends.
    source : FileSource
        Encoding, delimiter, null words and decimal sign.
    columns : mapping of str to ColumnSection
        Declared kinds and formats; the others are found from all rows.

    Returns
    -------
    pathlib.Path
        The Parquet file, complete: it is renamed into place when written.

    Raises
    ------
    InputError
        INPUT_FORMAT naming the line when the file is no regular CSV in this encoding,
        or the row when a value is not of the declared kind; also when names repeat.

    Notes
    -----
    Whole numbers with leading zeros stay text, and so do words such as NA unless they
    are declared null words. Times are found in ISO form only: whether 01/02/2024 is in
    January or February must be declared by a format. A declared kind is a demand; only
    the format ``"text"`` turns numbers into text.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="readiness-csv-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    declared = {
        name: (one.kind, one.format)
        for name, one in columns.items()
        if one.kind or one.format
    }
    how = source.model_dump(mode="json", exclude={"path", "since", "until"})
    key = hashlib.sha256(json.dumps([sha256, how, declared]).encode()).hexdigest()
    target = folder / f"csv-{key}.parquet"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".csv-{key}-{os.getpid()}.parquet"
    with plain_text(path, source.encoding, folder) as text:
        try:
            _write(text, path, source, columns, partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    partial.replace(target)
    return target


def _write(
    text: Path,
    path: Path,
    source: FileSource,
    columns: Mapping[str, ColumnSection],
    target: Path,
) -> None:
    import duckdb  # noqa: PLC0415 (needed for CSV only)

    names, delimiter = _header(text, path, source.delimiter)
    params = {
        "path": str(text),
        "delimiter": delimiter,
        "null_words": ["", *source.null_words],
        "decimal": source.decimal,
    }
    with duckdb.connect() as connection:
        _lock_down(connection, text)
        reading = Reading(connection=connection, path=path, names=names, params=params)
        try:
            types = found_types(reading)
            types, cast = decided_types(reading, types, columns)
            shown = ", ".join(cast.get(key, key) for key in types)
            relation = reading.run(f"SELECT {shown} FROM {reading.rows(types)}")  # noqa: S608 (made of our own names)
            reader = pa.RecordBatchReader.from_stream(relation)
            write_stream(_renamed(reader, names), target)
        except (duckdb.Error, pa.ArrowException) as cause:
            refuse(reading, str(cause))


def _lock_down(connection: Any, path: Path) -> None:  # noqa: ANN401 (duckdb's stubs miss the capsule)
    allowed = str(path).replace("'", "''")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_paths = ['{allowed}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _header(text: Path, path: Path, declared: str | None) -> tuple[list[str], str]:
    """Return the names in the first line and what parts them.

    Left to itself, the reader takes ragged lines for one wide column, takes a first
    line of numbers for names, and renames repeated names, all silently.
    """
    with text.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(MAX_HEADER)
    delimiter = declared or max(DELIMITERS, key=line.count)
    names = next(csv.reader([line], delimiter=delimiter))
    if all(_is_number(name) for name in names):
        msg = f"The file {path.name!r} must start with a line of column names."
        raise InputError(msg, Reason.INPUT_FORMAT)
    require_unique(names, path.name)
    return names, delimiter


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _renamed(reader: pa.RecordBatchReader, names: list[str]) -> pa.RecordBatchReader:
    schema = pa.schema(
        [one.with_name(name) for one, name in zip(reader.schema, names, strict=True)]
    )
    batches = (
        pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader
    )
    return pa.RecordBatchReader.from_batches(schema, batches)
