"""The types of a CSV file's columns: found from all rows, or demanded by the case."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from readiness.config import ColumnSection
from readiness.errors import InputError, Reason

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
class Reading:
    """One CSV file as text, open in a database that reaches nothing else.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : pathlib.Path
        The file, for messages.
    names : list of str
        Of its columns; in queries they are called ``c0``, ``c1`` and so on.
    params : mapping
        How it is written, for the reader.
    """

    connection: Any
    path: Path
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
        """Return a query's relation, which is not run yet."""
        return self.connection.sql(query, params=dict(self.params))


def found_types(reading: Reading) -> dict[str, str]:
    """Return the types that all values of each column have, by our names.

    Raises
    ------
    duckdb.Error
        Naming the line, when the file is no regular CSV.
    """
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


def decided_types(
    reading: Reading, found: Mapping[str, str], columns: Mapping[str, ColumnSection]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the type each column is read with, and how texts become times.

    Parameters
    ----------
    reading : Reading
    found : mapping of str to str
        From `found_types`.
    columns : mapping of str to ColumnSection
        What the case declares, by the file's names.

    Raises
    ------
    InputError
        INPUT_FORMAT naming the first row whose time is not as declared.
    """
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
    reading: Reading, types: Mapping[str, str], casts: Mapping[str, str]
) -> list[str]:
    """Return the columns of times that hold a value which is none."""
    if not casts:
        return []
    counts = ", ".join(f"count({key}) - count({one})" for key, one in casts.items())
    rows = reading.rows({**types, **dict.fromkeys(casts, "VARCHAR")})
    (found,) = reading.run(f"SELECT {counts} FROM {rows}").fetchall()  # noqa: S608 (made of our own names)
    return [key for key, n_bad in zip(casts, found, strict=True) if n_bad]


def _refuse_time(
    reading: Reading, types: Mapping[str, str], key: str, cast: str
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


def refuse(reading: Reading, said: str) -> NoReturn:
    """Raise InputError with what the reader said, without the record it quotes."""
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
