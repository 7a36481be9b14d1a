"""Tables behind a database: one query, read once, streamed into a private file."""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from readiness.cache import cached
from readiness.errors import InputError, Reason
from readiness.source_config import SqlSource
from readiness.sources import write_stream

ROWS_AT_ONCE = 65_536
TIMEOUT_S = 3600
MAX_ROWS = 1_000_000_000


def spool_sql(source: SqlSource, base: Path, name: str, folder: Path) -> Path:
    """Write what a query returns as Parquet once per run, streamed.

    Parameters
    ----------
    source : SqlSource
        The query, which is code of the case's author and is run as it stands; and
        where the address of the database is kept, never the address itself.
    base : pathlib.Path
        Folder of the case file.
    name : str
        Name of the table, for messages.
    folder : pathlib.Path
        Private folder of the run; other processes of the run wait for the file.

    Returns
    -------
    pathlib.Path
        The Parquet file, complete.

    Raises
    ------
    InputError
        SOURCE when the address is not there, the driver is not installed, or the
        database refuses, fails or goes away; no part of the address is in the message.

    Notes
    -----
    PostgreSQL and SQLite are read through ADBC, DuckDB by itself, other databases
    through SQLAlchemy. The first three are opened for reading only, and DuckDB can
    reach no other file; for the others give the user of the address no right to write.
    The query stands inside ``SELECT * FROM (…)``, so that it can be nothing else: a
    superuser's COPY runs programs even when only reading, and ATTACH makes files.
    """
    key = hashlib.sha256(f"{source.connection}\n{source.sql}".encode()).hexdigest()
    produce = partial(_produce, source, base, name)
    return cached(folder, f"sql-{key[:32]}.parquet", produce)


def _produce(source: SqlSource, base: Path, name: str, path: Path) -> None:
    url = _address(source.connection, base, name)
    reading = READERS.get(url.partition(":")[0], _other)
    try:
        try:
            with reading(url, _selected(source.sql)) as reader:
                write_stream(_plain(reader), path)
        except OSError as cause:
            if "Type mismatch" not in str(cause):
                raise
            with _sqlite_typed(url, _selected(source.sql)) as reader:
                write_stream(_plain(reader), path)
    except ImportError as cause:
        msg = (
            f"The {name} table comes from a database, whose driver {cause.name!r} is "
            "not installed. Install readiness[sql]."
        )
        raise InputError(msg, Reason.SOURCE) from None
    except Exception as cause:  # noqa: BLE001 (drivers raise anything; what they say is masked)
        path.unlink(missing_ok=True)
        text = str(cause).strip() or type(cause).__name__
        said = masked(text.splitlines()[0][:300], url)
        msg = (
            f"The database of the {name} table ({source.connection}) did not answer "
            f"the query: {said}. Check the address, the rights and the query."
        )
        # The cause would show the address in a traceback.
        raise InputError(msg, Reason.SOURCE) from None


def _selected(query: str) -> str:
    return f"SELECT * FROM (\n{query.rstrip().rstrip(';')}\n) AS read_rows"  # noqa: S608 (the author's own code)


def _plain(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return a reader of plain types that refuses to go beyond the cap of rows."""
    schema = pa.schema([pa.field(one.name, _plain_type(one)) for one in reader.schema])
    return pa.RecordBatchReader.from_batches(schema, _plain_batches(reader, schema))


def _plain_type(one: pa.Field) -> pa.DataType:
    if not isinstance(one.type, pa.BaseExtensionType):
        return one.type
    # PostgreSQL's numeric comes as text, because it has no bounds.
    is_numeric = getattr(one.type, "type_name", "") == "numeric"
    return pa.float64() if is_numeric else one.type.storage_type


def _plain_batches(
    reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    n_rows = 0
    for batch in reader:
        n_rows += batch.num_rows
        if n_rows > MAX_ROWS:
            msg = f"it has more than {MAX_ROWS} rows"
            raise ValueError(msg)
        arrays = [
            one.storage.cast(kind) if isinstance(one, pa.ExtensionArray) else one
            for one, kind in zip(batch.columns, schema.types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def masked(text: str, url: str) -> str:
    """Return text without the address, its password, user or any of its parameters.

    Parameters
    ----------
    text : str
        What a driver said.
    url : str
        The address.

    Examples
    --------
    >>> masked("no user ann at ***", "postgresql://ann:s3@host/db?password=s4")
    'no user *** at ***'
    """
    parts = urlsplit(url)
    secret = [url, parts.password or "", parts.username or ""]
    secret += [value for _, value in parse_qsl(parts.query)]
    secret += [unquote(one) for one in secret]
    for one in sorted(set(filter(None, secret)), key=len, reverse=True):
        text = text.replace(one, "***")
    return text


def _address(reference: str, base: Path, name: str) -> str:
    kind, _, where = reference.partition(":")
    if kind == "env":
        found = os.environ.get(where, "")
    else:
        path = base / where
        found = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if not re.match(r"[a-z0-9+]+:", found):
        what = "environment variable" if kind == "env" else "file"
        msg = (
            f"The {what} {where!r}, the connection of the {name} table, must hold the "
            'address of a database, such as "postgresql://host/name".'
        )
        raise InputError(msg, Reason.SOURCE)
    return found


@contextmanager
def _postgres(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    from adbc_driver_postgresql import (  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra, has no types)
        dbapi,
    )

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SET statement_timeout = '{TIMEOUT_S}s'")
        cursor.execute(query)
        yield cursor.fetch_record_batch()


@contextmanager
def _sqlite(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415 (an extra)

    path = Path(_path(url))
    if not path.is_file():
        msg = "there is no such file"
        raise FileNotFoundError(msg)
    ends = [at + 1 for at, sign in enumerate(query) if sign == ";"]
    if any(sqlite3.complete_statement(query[:end]) for end in ends):
        msg = "it must be one SELECT"
        raise ValueError(msg)
    with (
        dbapi.connect(f"file:{path}?mode=ro") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        yield cursor.fetch_record_batch()


@contextmanager
def _sqlite_typed(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    """Read columns whose first rows do not tell their type: look at all rows first."""
    with _sqlite(url, f"SELECT * FROM ({query}) LIMIT 0") as reader:  # noqa: S608 (names are quoted)
        names = [
            f'"{one.replace(chr(34), 2 * chr(34))}"' for one in reader.schema.names
        ]
    counts = ", ".join(
        f"total(typeof({one}) IN ('text', 'blob')), total(typeof({one}) = 'real')"
        for one in names
    )
    with _sqlite(url, f"SELECT {counts} FROM ({query})") as reader:  # noqa: S608 (names are quoted)
        found = [one[0].as_py() for one in reader.read_all().columns]
    kinds = [
        ("TEXT", "''") if texts else ("REAL", "0.5") if reals else ("INTEGER", "0")
        for texts, reals in zip(found[::2], found[1::2], strict=True)
    ]
    pairs = list(zip(names, kinds, strict=True))
    # A first row of the right types, left out again, tells the driver the types.
    first = ", ".join(f"{value} AS {name}" for name, (_, value) in pairs)
    rest = ", ".join(f"CAST({name} AS {kind})" for name, (kind, _) in pairs)
    typed = f"SELECT {first} UNION ALL SELECT {rest} FROM ({query})"  # noqa: S608 (names are quoted)
    with _sqlite(url, typed) as reader:
        yield pa.RecordBatchReader.from_batches(reader.schema, _after_first(reader))


def _after_first(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    skipped = False
    for batch in reader:
        yield batch if skipped else batch.slice(1)
        skipped = True


@contextmanager
def _duckdb(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    import duckdb  # noqa: PLC0415 (for databases only)

    with duckdb.connect(_path(url), read_only=True) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        if len(connection.extract_statements(query)) != 1:
            msg = "it must be one SELECT"
            raise ValueError(msg)
        yield pa.RecordBatchReader.from_stream(connection.sql(query))


@contextmanager
def _other(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    import sqlalchemy  # noqa: PLC0415 (an extra)

    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            rows = connection.execute(sqlalchemy.text(query))
            names = list(rows.keys())
            parts = rows.partitions(ROWS_AT_ONCE)
            first = _batch(next(parts, []), names, None)
            yield pa.RecordBatchReader.from_batches(
                first.schema, _batches(first, parts, names)
            )
    finally:
        engine.dispose()


def _batches(
    first: pa.RecordBatch, parts: Iterator[Any], names: list[str]
) -> Iterator[pa.RecordBatch]:
    yield first
    for part in parts:
        yield _batch(part, names, first.schema)


def _batch(rows: Any, names: list[str], schema: pa.Schema | None) -> pa.RecordBatch:  # noqa: ANN401 (rows of any driver)
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    kinds = [None] * len(names) if schema is None else schema.types
    arrays = [
        pa.array(column, type=kind) for column, kind in zip(columns, kinds, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _path(url: str) -> str:
    """Return the file of an address such as ``sqlite:///relative`` or four slashes."""
    return unquote(urlsplit(url).path)[1:]


READERS = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
}
