"""Tables behind a database: one query, read once, streamed into a private file."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from readiness.cache import cached
from readiness.errors import InputError, Reason
from readiness.source_config import FileSource, SqlSource
from readiness.spools import SUFFIX, write_spool
from readiness.sql_readers import Question, read_sqlite_typed, reader_of
from readiness.sql_stream import streamed

TIMEOUT_S = 3600
MAX_ROWS = 1_000_000_000


def spool_sql(source: SqlSource, base: Path, name: str, folder: Path) -> Path:
    """Write what a query returns as an Arrow file once per run, streamed.

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
        The file, complete.

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
    After an hour the query is given up: PostgreSQL, DuckDB and what SQLAlchemy can
    interrupt are stopped; a query of SQLite is left to end with this process.
    """
    key = hashlib.sha256(f"{source.connection}\n{source.sql}".encode()).hexdigest()
    produce = partial(_produce, source, base, name)
    return cached(folder, f"sql-{key[:32]}{SUFFIX}", produce)


def _produce(source: SqlSource, base: Path, name: str, path: Path) -> None:
    url = _address(source.connection, base, name)
    question = Question(
        url=url, query=_selected(source.sql), folder=path.parent, timeout_s=TIMEOUT_S
    )
    try:
        try:
            with streamed(reader_of(url), question) as reader:
                write_spool(_plain(reader), path)
        except OSError as cause:
            if "Type mismatch" not in str(cause):
                raise
            again = replace(question, cancels=[])
            with streamed(read_sqlite_typed, again) as reader:
                write_spool(_plain(reader), path)
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


def query_hashes(
    sources: Mapping[str, FileSource | SqlSource], base: Path
) -> dict[str, str]:
    """Return the sha256 of every query's text, named by table and kind of database.

    Parameters
    ----------
    sources : mapping of str to FileSource or SqlSource
        By table.
    base : pathlib.Path
        Folder of the case file.

    Raises
    ------
    InputError
        SOURCE when an address is not there; nothing of it is in the names.
    """
    return {
        f"{name} query ({_kind(source, base, name)})": hashlib.sha256(
            source.sql.encode()
        ).hexdigest()
        for name, source in sources.items()
        if isinstance(source, SqlSource)
    }


def _kind(source: SqlSource, base: Path, name: str) -> str:
    return re.split("[:+]", _address(source.connection, base, name))[0]


def _selected(query: str) -> str:
    return f"SELECT * FROM (\n{query.rstrip().rstrip(';')}\n) AS read_rows"  # noqa: S608 (the author's own code)


def _plain(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return a reader of plain types that refuses to go beyond the cap of rows."""
    schema = pa.schema([pa.field(one.name, _plain_type(one)) for one in reader.schema])
    return pa.RecordBatchReader.from_batches(schema, _plain_batches(reader, schema))


def _plain_type(one: pa.Field) -> pa.DataType:
    if pa.types.is_dictionary(one.type):
        return one.type.value_type
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
            _stored(one).cast(kind)
            for one, kind in zip(batch.columns, schema.types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _stored(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


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
