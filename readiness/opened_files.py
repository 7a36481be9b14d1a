"""One Parquet file of a table, opened: its row groups, and where they lie in time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from readiness.sources import open_parquet
from readiness.spans import Span, nanoseconds, side_of_group


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedFile:
    """What is known of a file before a row is read.

    Parameters
    ----------
    path, stored : pathlib.Path
        The file, and its Parquet copy when it is CSV; else the same.
    schema : pyarrow.Schema
        Its own columns.
    about : pyarrow.parquet.FileMetaData
        Its row groups with their statistics.
    constants : mapping of str to pyarrow.Scalar
        Columns that stand in the names of its folders.
    """

    path: Path
    stored: Path
    schema: pa.Schema
    about: pq.FileMetaData
    constants: Mapping[str, pa.Scalar]

    @property
    def groups(self) -> list[pq.RowGroupMetaData]:
        """Its row groups, in order."""
        return [self.about.row_group(n) for n in range(self.about.num_row_groups)]


def opened_file(
    path: Path, stored: Path, constants: Mapping[str, pa.Scalar]
) -> OpenedFile:
    """Open a file for its description; InputError when it is no whole Parquet file."""
    with open_parquet(stored) as file:
        return OpenedFile(
            path=path,
            stored=stored,
            schema=file.schema_arrow,
            about=file.metadata,
            constants=constants,
        )


def with_constants(file: OpenedFile, added: Sequence[pa.Field]) -> OpenedFile:
    """Return the file with those values of its folders that it does not hold itself."""
    return replace(file, constants={f.name: file.constants[f.name] for f in added})


def _places(file: OpenedFile) -> dict[str, int]:
    if not file.about.num_row_groups:
        return {}
    group = file.about.row_group(0)
    return {group.column(n).path_in_schema: n for n in range(group.num_columns)}


def reaches(file: OpenedFile, span: Span) -> bool:
    """Return whether a file may hold rows of the span."""
    if span.column in file.constants:
        value = file.constants[span.column].as_py()
        if value is None:
            return False
        return span.side(nanoseconds(value), nanoseconds(value)) != "outside"
    places = _places(file)
    return any(side_of_group(span, one, places) != "outside" for one in file.groups)


def sides_of_groups(file: OpenedFile, span: Span) -> Iterator[str]:
    """Yield where each row group of a kept file lies: see `spans.side_of_group`."""
    if span.column in file.constants:  # the file was kept: all of its rows are inside
        yield from ("inside" for _ in file.groups)
        return
    places = _places(file)
    for group in file.groups:
        yield side_of_group(span, group, places)
