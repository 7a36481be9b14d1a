"""Databases, each read by the driver that is fastest for it, for reading only."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from readiness.sql_rows import read_rows

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query of one database.

    Parameters
    ----------
    url, query : str
        The address, and one SELECT.
    folder : pathlib.Path
        Private, for rows whose types are not known before the last of them.
    timeout_s : float
        Seconds the database may take; those that can be told are.
    cancels : list of callable
        Filled by the reader: called from another thread, they end the query.
    """

    url: str
    query: str
    folder: Path
    timeout_s: float
    cancels: list[Callable[[], object]] = field(default_factory=list)


Reading = Callable[[Question], AbstractContextManager[pa.RecordBatchReader]]


def reader_of(url: str) -> Reading:
    """Return what reads a database, by the scheme of its address."""
    return READERS.get(url.partition(":")[0], _other)


@contextmanager
def _postgres(question: Question) -> Iterator[pa.RecordBatchReader]:
    from adbc_driver_postgresql import (  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra, has no types)
        dbapi,
    )

    with dbapi.connect(question.url) as connection, connection.cursor() as cursor:
        question.cancels.append(cursor.adbc_cancel)
        cursor.execute("SET TRANSACTION READ ONLY")
        milliseconds = round(1000 * question.timeout_s)
        cursor.execute(f"SET statement_timeout = '{milliseconds}ms'")
        cursor.execute(question.query)
        yield cursor.fetch_record_batch()


@contextmanager
def _sqlite(question: Question) -> Iterator[pa.RecordBatchReader]:
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415 (an extra)

    query, path = question.query, Path(_path(question.url))
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
        at_once = {"adbc.sqlite.query.batch_rows": str(ROWS_AT_ONCE)}
        cursor.adbc_statement.set_options(**at_once)
        cursor.execute(query)
        yield cursor.fetch_record_batch()


@contextmanager
def read_sqlite_typed(question: Question) -> Iterator[pa.RecordBatchReader]:
    """Read columns whose first rows do not tell their type: look at all rows first."""
    query = question.query
    start = replace(question, query=f"SELECT * FROM ({query}) LIMIT 0")  # noqa: S608 (the author's own code)
    with _sqlite(start) as reader:
        names = [
            f'"{one.replace(chr(34), 2 * chr(34))}"' for one in reader.schema.names
        ]
    counts = ", ".join(
        f"total(typeof({one}) IN ('text', 'blob')), total(typeof({one}) = 'real')"
        for one in names
    )
    look = replace(question, query=f"SELECT {counts} FROM ({query})")  # noqa: S608 (names are quoted)
    with _sqlite(look) as reader:
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
    with _sqlite(replace(question, query=typed)) as reader:
        yield pa.RecordBatchReader.from_batches(reader.schema, _after_first(reader))


def _after_first(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    skipped = False
    for batch in reader:
        yield batch if skipped else batch.slice(1)
        skipped = True


@contextmanager
def _duckdb(question: Question) -> Iterator[pa.RecordBatchReader]:
    import duckdb  # noqa: PLC0415 (for databases only)

    with duckdb.connect(_path(question.url), read_only=True) as connection:
        question.cancels.append(connection.interrupt)
        connection.execute("SET TimeZone = 'UTC'")  # not this machine's
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        if len(connection.extract_statements(question.query)) != 1:
            msg = "it must be one SELECT"
            raise ValueError(msg)
        yield pa.RecordBatchReader.from_stream(connection.sql(question.query))


@contextmanager
def _other(question: Question) -> Iterator[pa.RecordBatchReader]:
    import sqlalchemy  # noqa: PLC0415 (an extra)

    engine = sqlalchemy.create_engine(question.url)
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            driver = connection.connection.driver_connection
            cancels = [getattr(driver, one, None) for one in ("interrupt", "cancel")]
            question.cancels.extend(one for one in cancels if one is not None)
            rows = connection.execute(sqlalchemy.text(question.query))
            parts = rows.partitions(ROWS_AT_ONCE)
            with read_rows(parts, list(rows.keys()), question.folder) as reader:
                yield reader
    finally:
        engine.dispose()


def _path(url: str) -> str:
    """Return the file of an address such as ``sqlite:///relative`` or four slashes."""
    return unquote(urlsplit(url).path)[1:]


READERS: dict[str, Reading] = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
}
