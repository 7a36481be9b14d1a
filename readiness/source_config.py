"""Where a table comes from, as a case file says it: files, or a query."""

import codecs
import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)


class Strict(BaseModel):
    """Unknown keys are errors; a value is never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _reference(text: str) -> str:
    if not re.fullmatch(r"(env|file):\S+", text):
        msg = (
            'must be "env:NAME" or "file:PATH", naming where the address of the '
            "database is kept; an address itself may hold a password"
        )
        raise ValueError(msg)
    return text


def _moment(value: object) -> dt.datetime:
    """Return text, a date or a time of TOML as a time; a date begins at midnight."""
    if isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        msg = 'must be a date or a time such as "2024-01-31" or "2024-01-31T06:00"'
        raise ValueError(msg) from None


def _encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses codecs that make no bytes of text, such as rot13
        return codecs.lookup(name).name
    except LookupError:
        msg = 'must be an encoding Python knows, such as "utf-8" or "latin-1"'
        raise ValueError(msg) from None


Text = Annotated[str, Field(min_length=1, max_length=2000)]
Moment = Annotated[dt.datetime, BeforeValidator(_moment)]
Sign = Annotated[str, Field(pattern=r'^[^"\r\n]$')]


class FileSource(Strict):
    """Files of a table: where they lie, which span of time, how CSV is written.

    Parameters
    ----------
    path : str
        A file, a pattern, or a folder of partitions such as ``year=2024``.
    since, until : datetime, optional
        First moment wanted, and the first no longer wanted, in ``data.time``. Without
        a zone they are in the zone of the column.
    encoding, delimiter, null_words, decimal
        Of CSV files: the encoding of the text, what parts the cells (found in the
        first line unless given), words that stand for a missing value beside the
        empty cell, and the decimal sign.
    """

    path: Text
    since: Moment | None = None
    until: Moment | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    delimiter: Sign | None = None
    null_words: list[str] = []
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _is_consistent(self) -> "FileSource":
        if self.delimiter == self.decimal:
            msg = "delimiter and decimal must differ"
            raise ValueError(msg)
        if self.since and self.until:
            if (self.since.tzinfo is None) != (self.until.tzinfo is None):
                msg = "since and until must both have a zone, or both have none"
                raise ValueError(msg)
            if self.since >= self.until:
                msg = "since must come before until"
                raise ValueError(msg)
        return self


class SqlSource(Strict):
    """A table behind a database: a query, and where the address is kept."""

    sql: Annotated[str, Field(min_length=1, max_length=20_000)]
    connection: Annotated[str, AfterValidator(_reference)]


def _kind_of_source(value: object) -> str:
    if isinstance(value, str):
        return "file"
    is_query = isinstance(value, SqlSource) or (
        isinstance(value, dict) and not {"sql", "connection"}.isdisjoint(value)
    )
    return "query" if is_query else "files"


TableSource = Annotated[
    Annotated[Text, Tag("file")]
    | Annotated[FileSource, Tag("files")]
    | Annotated[SqlSource, Tag("query")],
    Discriminator(_kind_of_source),
]
