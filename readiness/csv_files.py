"""CSV files, made Parquet once: decoded and typed as declared, or refused by line."""

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from readiness.config import ColumnSection
from readiness.csv_text import plain_text
from readiness.errors import InputError, Reason
from readiness.source_config import FileSource
from readiness.sources import require_unique, write_stream

DELIMITERS = (",", ";", "\t", "|")
MAX_HEADER = 1_000_000
TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE")
# The names are ours: those of the file may differ by case alone.
READ = """read_csv(
    $path, skip = 0, header = true, comment = '', delim = $delimiter, quote = '"',
    escape = '"', nullstr = $null_words, decimal_separator = $decimal,
    hive_partitioning = false, {how}
)"""
SAID = re.compile(
    r"CSV Error on Line: (?P<line>\d+)"
    r"|Expected Number of Columns: (?P<wanted>\d+) Found: (?P<found>\d+)"
    r"|(?P<quote>unterminated quote|quote should be followed)"
    r"|(?P<long>Maximum line size)"
    r'|converting column "c(?P<column>\d+)".*?to \'(?P<kind>[A-Z ]+)\''
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reading:
    """One CSV file as text, open in a database that reaches nothing else."""

    connection: Any
    path: Path  # of the file, for messages
    names: list[str]
    params: Mapping[str, Any]

    def rows(self, types: Mapping[str, str] | None) -> str:
        """Return what stands after FROM: typed, or with types left to be found."""
        named = [f"c{n}" for n in range(len(self.names))]
        if types is None:
            how = f"names = {named!r}, sample_size = -1"
        else:
            pairs = {key: types.get(key, "VARCHAR") for key in named}
            how = f"auto_detect = false, columns = {pairs!r}"
        return READ.format(how=how)

    def run(self, query: str) -> Any:  # noqa: ANN401 (duckdb's relation)
        return self.connection.sql(query, params=dict(self.params))


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
        Private folder; None makes a temporary one.
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
    folder = folder or Path(tempfile.mkdtemp(prefix="readiness-csv-"))
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
        reading = _Reading(connection=connection, path=path, names=names, params=params)
        try:
            types = _found_types(reading)
            types, cast = _decided(reading, types, columns)
            shown = ", ".join(cast.get(key, key) for key in types)
            relation = reading.run(f"SELECT {shown} FROM {reading.rows(types)}")  # noqa: S608 (made of our own names)
            reader = pa.RecordBatchReader.from_stream(relation)
            write_stream(_renamed(reader, names), target)
        except (duckdb.Error, pa.ArrowException) as cause:
            _refuse(reading, str(cause))


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


def _found_types(reading: _Reading) -> dict[str, str]:
    """Return the types that all values of each column have."""
    import duckdb  # noqa: PLC0415 (needed for CSV only)

    try:
        found = reading.run(f"SELECT * FROM {reading.rows(None)}")  # noqa: S608 (made of our own names)
        types = dict(zip(found.columns, map(str, found.types), strict=True))
    except duckdb.Error:
        types = {}
    if len(types) != len(reading.names) or list(types)[-1] != f"c{len(types) - 1}":
        # What is wrong is told with its line when nothing has to be found out.
        reading.run(f"SELECT count(*) FROM {reading.rows({})}").fetchall()  # noqa: S608 (made of our own names)
        return dict.fromkeys((f"c{n}" for n in range(len(reading.names))), "VARCHAR")
    return types


def _decided(
    reading: _Reading, found: Mapping[str, str], columns: Mapping[str, ColumnSection]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the type each column is read with, and how texts become times."""
    types, casts, demanded = {}, {}, set()
    for (key, kind), name in zip(found.items(), reading.names, strict=True):
        section = columns.get(name, ColumnSection())
        types[key] = _wanted(kind, section)
        cast = _time_cast(key, kind, section)
        if cast is not None:
            types[key], casts[key] = "VARCHAR", cast
        if cast is not None and (section.kind == "time" or section.format):
            demanded.add(key)
    for key in _unfit(reading, types, casts):
        if key in demanded:
            _refuse_time(reading, types, key, casts[key])
        del casts[key]
    sure = {key: one.replace("try_", "", 1) for key, one in casts.items()}
    return types, sure


def _wanted(found: str, section: ColumnSection) -> str:
    if section.format == "text":
        return "VARCHAR"
    if section.kind == "numeric" and found not in (*NUMBERS, "BOOLEAN"):
        return "DOUBLE"
    if section.kind == "boolean" and found not in (*NUMBERS, "BOOLEAN"):
        return "BOOLEAN"
    return found


def _time_cast(key: str, found: str, section: ColumnSection) -> str | None:
    """Return how a column of texts becomes times; None when it is none."""
    if section.format == "text":
        return None
    if section.format is not None:
        written = section.format.replace("'", "''")
        return f"try_strptime({key}, '{written}')"
    if found in TIMES:
        return f"try_cast({key} AS {found})"
    return f"try_cast({key} AS TIMESTAMP)" if section.kind == "time" else None


def _unfit(
    reading: _Reading, types: Mapping[str, str], casts: Mapping[str, str]
) -> list[str]:
    """Return the columns of times that hold a value which is none."""
    if not casts:
        return []
    counts = ", ".join(f"count({key}) - count({one})" for key, one in casts.items())
    rows = reading.rows({**types, **dict.fromkeys(casts, "VARCHAR")})
    (found,) = reading.run(f"SELECT {counts} FROM {rows}").fetchall()  # noqa: S608 (made of our own names)
    return [key for key, n_bad in zip(casts, found, strict=True) if n_bad]


def _refuse_time(
    reading: _Reading, types: Mapping[str, str], key: str, cast: str
) -> NoReturn:
    rows = f"SELECT row_number() OVER () AS n, {key} FROM {reading.rows(types)}"  # noqa: S608 (made of our own names)
    bad = f"{key} IS NOT NULL AND {cast} IS NULL"
    query = f"SELECT min(n) FROM ({rows}) WHERE {bad}"  # noqa: S608 (made of our own names)
    ((number,),) = reading.run(query).fetchall()
    name = reading.names[int(key[1:])]
    msg = (
        f"The column {name!r} of {reading.path.name!r} must hold times as declared; "
        f"row {number:,} below the names does not. Correct columns.{name}.format, or "
        "the file."
    )
    raise InputError(msg, Reason.INPUT_FORMAT)


def _refuse(reading: _Reading, said: str) -> NoReturn:
    """Raise what the reader said, without the record it quotes."""
    found: dict[str, str] = {}
    for match in SAID.finditer(said):
        found |= {key: one for key, one in match.groupdict().items() if one}
    where = f"line {found['line']}" if "line" in found else "a line"
    what = "cannot be read"
    if "wanted" in found:
        what = f"has {found['found']} cells instead of {found['wanted']}"
    elif "quote" in found:
        what = "has an open quote"
    elif "long" in found:
        what = "is too long"
    elif "column" in found:
        name = reading.names[int(found["column"])]
        what = f"has no {found['kind'].lower()} in the column {name!r}, as declared"
    msg = (
        f"The file {reading.path.name!r} is not a regular CSV file: {where} {what}. "
        "Correct the file, or how the case says it is written."
    )
    raise InputError(msg, Reason.INPUT_FORMAT) from None


def _renamed(reader: pa.RecordBatchReader, names: list[str]) -> pa.RecordBatchReader:
    schema = pa.schema(
        [one.with_name(name) for one, name in zip(reader.schema, names, strict=True)]
    )
    batches = (
        pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader
    )
    return pa.RecordBatchReader.from_batches(schema, batches)
