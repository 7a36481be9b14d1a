"""The files of a table: found, cut to a span of time, and taken apart into pieces."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from readiness.config import ColumnSection
from readiness.csv_files import spool_csv
from readiness.decoding import require_plausible, thin_texts
from readiness.errors import CaseError
from readiness.opened_files import (
    OpenedFile,
    opened_file,
    reaches,
    sides_of_groups,
    with_constants,
)
from readiness.partitions import partition_columns
from readiness.pieces import Piece, read_piece
from readiness.schemas import clean_schema, common_schema, nulls_by_statistics
from readiness.source_config import FileSource
from readiness.sources import file_format, find_files, hash_files
from readiness.spans import Span, span_of
from readiness.spools import describe_spool, is_spool

OUTSIDE, NO_TIME = "outside_span", "no_time"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFiles:
    """What the files of a table hold, before a row is read.

    Parameters
    ----------
    paths : tuple of pathlib.Path
        The files that reach into the span asked for.
    sha256 : str
        Of these files.
    schema : pyarrow.Schema
        Columns of the files, then those in the names of folders.
    pieces : tuple of Piece
        In file order; each has rows.
    nulls : mapping of str to int or None
        Nulls per column; None where they must be counted.
    left_out : mapping of str to int
        Rows outside the span, and rows without a time where a span is asked for.
    """

    paths: tuple[Path, ...]
    sha256: str
    schema: pa.Schema
    pieces: tuple[Piece, ...]
    nulls: Mapping[str, int | None]
    left_out: Mapping[str, int]


def files_in_span(
    source: FileSource, base: Path, name: str, time: str | None
) -> list[Path]:
    """Return the files a table rests on: without those wholly outside its span.

    Parameters
    ----------
    source : FileSource
    base : pathlib.Path
        Folder of the case file.
    name : str
        Name of the table, for messages.
    time : str or None
        Name of the time column.

    Raises
    ------
    CaseError, InputError
        As `find_table_files`.
    """
    paths = find_files(source.path, base, name)
    if source.since is None and source.until is None:
        return paths
    extra, values = partition_columns(paths, frozenset(), name)
    kept = []
    for path, constants in zip(paths, values, strict=True):
        if file_format(path) == "parquet":
            file = opened_file(path, path, constants)
            added = [one for one in extra if one.name not in file.schema.names]
            file = with_constants(file, added)
            fields = pa.schema([*file.schema, *added])
            if not reaches(file, _span(source, time, fields, name)):
                continue
        kept.append(path)
    return kept


def find_table_files(
    source: FileSource,
    base: Path,
    name: str,
    *,
    work: Path | None,
    time: str | None,
    columns: Mapping[str, ColumnSection],
) -> FoundFiles:
    """Find the files of a table and take them apart into pieces.

    Parameters
    ----------
    source, base, name, time
        As `files_in_span`.
    work : pathlib.Path or None
        Private folder for the Parquet copies of CSV files.
    columns : mapping of str to ColumnSection
        What the case declares; only kinds and formats matter.

    Raises
    ------
    CaseError
        When a span is asked for and the time column is not named, absent or no time.
    InputError
        As `tables.load_table`.
    """
    paths = find_files(source.path, base, name)
    if len(paths) == 1 and is_spool(paths[0], work):
        return _spooled(paths[0], name)
    texts = {n for n, one in columns.items() if one.format == "text"}
    extra, values = partition_columns(paths, frozenset(texts), name)
    files = [
        opened_file(path, _stored(path, source, work, columns), constants)
        for path, constants in zip(paths, values, strict=True)
    ]
    for file in files:
        own = work is not None and file.stored.is_relative_to(work)
        if not own:  # what we wrote ourselves was counted as it was written
            require_plausible(file.about, file.stored)
    schema = common_schema([file.schema for file in files], paths, name)
    added = [one for one in extra if one.name not in schema.names]
    files = [with_constants(one, added) for one in files]
    schema = pa.schema([*schema, *added], schema.metadata)
    asked = source.since is not None or source.until is not None
    span = _span(source, time, schema, name) if asked else None
    if span is not None:
        reached = [one for one in files if reaches(one, span)]
        skipped = sum(one.about.num_rows for one in files)
        skipped -= sum(one.about.num_rows for one in reached)
        files = reached
    pieces, left_out = _cut(files, schema, span)
    if span is not None:
        left_out[OUTSIDE] += skipped
    kept = tuple(one.path for one in files)
    return FoundFiles(
        paths=kept,
        sha256=hash_files(kept) if kept else "",
        schema=schema,
        pieces=tuple(one for one in pieces if one.n_rows),
        nulls=_nulls(files, pieces),
        left_out={key: n for key, n in left_out.items() if n},
    )


def _spooled(path: Path, name: str) -> FoundFiles:
    """Return what a database gave, as `spools.write_spool` kept it."""
    schema, n_rows, nulls = describe_spool(path)
    pieces = [Piece(n_rows=n, path=path, group=at) for at, n in enumerate(n_rows)]
    return FoundFiles(
        paths=(path,),
        sha256=hash_files([path]),
        schema=clean_schema(schema, name),
        pieces=tuple(one for one in pieces if one.n_rows),
        nulls=nulls,
        left_out={},
    )


def _stored(
    path: Path,
    source: FileSource,
    work: Path | None,
    columns: Mapping[str, ColumnSection],
) -> Path:
    if file_format(path) == "parquet":
        return path
    return spool_csv(path, hash_files([path]), work, source, columns)


def _span(source: FileSource, time: str | None, schema: pa.Schema, name: str) -> Span:
    if time is None or time not in schema.names:
        what = "names no column" if time is None else f"names {time!r}, no column of it"
        msg = (
            f"The {name} table is cut by since and until, which needs data.time; it "
            f"{what}. Name the column of the times."
        )
        raise CaseError(msg)
    return span_of(source.since, source.until, schema.field(time), name)


def _cut(
    files: Sequence[OpenedFile], schema: pa.Schema, span: Span | None
) -> tuple[list[Piece], Counter[str]]:
    """Return the row groups that hold rows of the span, and the rows left out."""
    whole = [piece for file in files for piece in _pieces(file)]
    if span is None:
        return whole, Counter()
    sides = [side for file in files for side in sides_of_groups(file, span)]
    field = pa.schema([schema.field(span.column)])
    unsure = [n for n, side in enumerate(sides) if side == "unknown"]
    counted = partial(_counted, span=span, field=field)
    with ThreadPoolExecutor() as pool:
        counts = dict(
            zip(unsure, pool.map(counted, [whole[n] for n in unsure]), strict=True)
        )
    pieces: list[Piece] = []
    left_out: Counter[str] = Counter()
    for place, (piece, side) in enumerate(zip(whole, sides, strict=True)):
        inside, without = counts.get(place, (piece.n_rows * (side == "inside"), 0))
        left_out[OUTSIDE] += piece.n_rows - inside - without
        left_out[NO_TIME] += without
        cut = span if 0 < inside < piece.n_rows else None
        pieces.append(replace(piece, n_rows=inside, span=cut))
    return pieces, left_out


def _counted(piece: Piece, span: Span, field: pa.Schema) -> tuple[int, int]:
    """Return how many rows of a piece lie inside, and how many have no time."""
    batches = read_piece(piece, field, {})
    times = pa.chunked_array([one.column(0) for one in batches], field.field(0).type)
    return int(pc.sum(span.mask(times)).as_py() or 0), times.null_count


def _pieces(file: OpenedFile) -> Iterator[Piece]:
    texts = [
        n
        for n in range(file.about.num_columns)
        if file.about.schema.column(n).physical_type == "BYTE_ARRAY"
    ]
    flat = {one.name for one in file.schema if not pa.types.is_nested(one.type)}
    for number, group in enumerate(file.groups):
        yield Piece(
            n_rows=group.num_rows,
            path=file.stored,
            group=number,
            constants=file.constants,
            thin=tuple(one for one in thin_texts(group, texts) if one in flat),
        )


def _nulls(
    files: Sequence[OpenedFile], pieces: Sequence[Piece]
) -> dict[str, int | None]:
    """Return what the statistics tell; nothing of a column that a cut may change."""
    groups = [group for file in files for group in file.groups]
    read = [group for group, one in zip(groups, pieces, strict=True) if one.n_rows]
    found = dict(nulls_by_statistics(read))
    if any(one.span is not None for one in pieces):
        found = {name: None if n else n for name, n in found.items()}
    for one in files[:1]:
        for name in one.constants:
            found[name] = sum(not file.constants[name].is_valid for file in files)
    return found
