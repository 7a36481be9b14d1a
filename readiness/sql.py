"""Tables behind a database: one query, read once, streamed into a private file."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from readiness.cache import cached
from readiness.config import SqlSource
from readiness.errors import InputError, Reason
from readiness.sources import write_stream

ROWS_AT_ONCE = 65_536
TIMEOUT_S = 3600


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
    """
    key = hashlib.sha256(f"{source.connection}\n{source.sql}".encode()).hexdigest()
    produce = partial(_produce, source, base, name)
    return cached(folder, f"sql-{key[:32]}.parquet", produce)


def _produce(source: SqlSource, base: Path, name: str, path: Path) -> None:
    url = _address(source.connection, base, name)
    reading = READERS.get(url.partition(":")[0], _other)
    try:
        with reading(url, source.sql) as reader:
            write_stream(reader, path)
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
    with (
        dbapi.connect(f"file:{path}?mode=ro") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        yield cursor.fetch_record_batch()


@contextmanager
def _duckdb(url: str, query: str) -> Iterator[pa.RecordBatchReader]:
    import duckdb  # noqa: PLC0415 (for databases only)

    with duckdb.connect(_path(url), read_only=True) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
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
