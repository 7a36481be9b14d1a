"""Pieces of a table: the rows that are read together, by one thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from readiness.errors import InputError, Reason
from readiness.sources import open_parquet

BATCH_ROWS = 65_536
# Wide tables get shorter batches, so that a batch stays below about 130 MB.
BATCH_CELLS = 2**24
Task = Callable[[], list[pa.RecordBatch]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Rows of a table that are read together: a Parquet row group, or a slice."""

    n_rows: int
    path: Path | None = None
    group: int = 0
    rows: pa.Table | None = None


def pieces_by_file(pieces: Sequence[Piece]) -> list[int]:
    """Return how many pieces each file has, in order; rows in memory are one each."""
    sizes: list[int] = []
    last: Path | None = None
    for one in pieces:
        if one.path is None or one.path != last:
            sizes.append(0)
        sizes[-1] += 1
        last = one.path
    return sizes


def read_piece(
    piece: Piece, schema: pa.Schema, dictionaries: Mapping[str, pa.Array]
) -> list[pa.RecordBatch]:
    """Return the rows of one piece as batches of at most 65,536 rows.

    Parameters
    ----------
    piece : Piece
        A Parquet row group, or rows in memory.
    schema : pyarrow.Schema
        The columns wanted, in order.
    dictionaries : mapping of str to pyarrow.Array
        The categories that the codes of a dictionary column must point into.

    Raises
    ------
    InputError
        INPUT_FORMAT when the row group cannot be decoded.
    """
    coded = [one.name for one in schema if pa.types.is_dictionary(one.type)]
    # A column "a" also selects "a.b" from Parquet: select again, by exact name.
    rows = _stored(piece, schema.names, coded).select(schema.names)
    for name, dictionary in dictionaries.items():
        place = schema.get_field_index(name)
        shared = _recode(rows.column(place), dictionary, schema.field(name).type)
        rows = rows.set_column(place, schema.field(name), shared)
    rows = rows.replace_schema_metadata(None).cast(schema).combine_chunks()
    longest = min(BATCH_ROWS, max(BATCH_CELLS // max(len(schema), 1), 1))
    batches: list[pa.RecordBatch] = rows.to_batches(max_chunksize=longest)
    return batches


def _recode(
    values: pa.ChunkedArray, dictionary: pa.Array, kind: pa.DataType
) -> pa.ChunkedArray:
    chunks = []
    for chunk in values.chunks:
        codes = pc.index_in(chunk.dictionary, dictionary)
        chunks.append(
            pa.DictionaryArray.from_arrays(
                codes.take(chunk.indices), dictionary, ordered=kind.ordered
            )
        )
    return pa.chunked_array(chunks, type=kind)


def _stored(
    piece: Piece, columns: Sequence[str], coded: Sequence[str] = ()
) -> pa.Table:
    if piece.path is None:
        return piece.rows
    try:
        with open_parquet(piece.path, coded) as file:
            return file.read_row_group(piece.group, columns=columns)
    except (pa.ArrowException, OSError) as cause:
        msg = (
            f"The file {piece.path.name!r} is damaged in row group {piece.group}. "
            "Write it again."
        )
        raise InputError(msg, Reason.INPUT_FORMAT) from cause


def categories(pieces: Sequence[Piece], column: pa.Field) -> pa.Array:
    """Return the categories of all pieces, in the order in which they first occur."""
    known = pa.array([], column.type.value_type)
    for piece in pieces:
        for chunk in _stored(piece, [column.name]).column(column.name).chunks:
            pair = [_codeless(known), _codeless(chunk.dictionary)]
            known = pa.chunked_array(pair).unify_dictionaries().chunk(0).dictionary
    return known


def _codeless(dictionary: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), dictionary)
