"""Pieces of a table: the rows that are read together, by one thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from readiness.decoding import require_decoded
from readiness.errors import InputError, Reason
from readiness.sources import open_parquet
from readiness.spans import Span
from readiness.spools import SUFFIX, read_spool

BATCH_ROWS = 65_536
# Wide tables get shorter batches, so that a batch stays below about 130 MB.
BATCH_CELLS = 2**24
Task = Callable[[], list[pa.RecordBatch]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Rows of a table that are read together: a Parquet row group, or a slice.

    Parameters
    ----------
    n_rows : int
        Rows it gives.
    path, group : pathlib.Path or None, int
        The file and the number of the row group, or batch, in it.
    rows : pyarrow.Table or None
        Rows in memory, in place of a file.
    span : Span or None
        Only the rows inside are given; None: all of them are.
    constants : mapping of str to pyarrow.Scalar
        Columns that are not in the file but in the names of its folders.
    thin : tuple of str
        Text columns that take little room in the file and might take much here.
    """

    n_rows: int
    path: Path | None = None
    group: int = 0
    rows: pa.Table | None = None
    span: Span | None = None
    constants: Mapping[str, pa.Scalar] = field(default_factory=dict)
    thin: tuple[str, ...] = ()


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
    piece: Piece,
    schema: pa.Schema,
    dictionaries: Mapping[str, pa.Array],
    batch_rows: int = BATCH_ROWS,
) -> list[pa.RecordBatch]:
    """Return the rows of one piece as batches.

    Parameters
    ----------
    piece : Piece
        A Parquet row group, or rows in memory.
    schema : pyarrow.Schema
        The columns wanted, in order.
    dictionaries : mapping of str to pyarrow.Array
        The categories that the codes of a dictionary column must point into.
    batch_rows : int
        The most rows of a batch; fewer where the table is wide.

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
    longest = min(batch_rows, max(BATCH_CELLS // max(len(schema), 1), 1))
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
    wanted = [name for name in columns if name not in piece.constants]
    if not wanted:
        return pa.table(_constants(piece, columns, piece.n_rows))
    if piece.span is not None and piece.span.column not in wanted:
        wanted.append(piece.span.column)
    rows = read_row_group(piece, piece.path, wanted, coded)
    if piece.span is not None:
        rows = rows.filter(piece.span.mask(rows.column(piece.span.column)))
    for name, values in _constants(piece, columns, rows.num_rows).items():
        rows = rows.append_column(name, values)
    return rows


def _constants(
    piece: Piece, columns: Sequence[str], n_rows: int
) -> Mapping[str, pa.Array]:
    kept = {key: one for key, one in piece.constants.items() if key in columns}
    return {key: pa.repeat(one, n_rows) for key, one in kept.items()}


def read_row_group(
    piece: Piece, path: Path, wanted: Sequence[str], coded: Sequence[str]
) -> pa.Table:
    """Decode columns of a row group, refusing what grows out of all proportion.

    Parameters
    ----------
    piece : Piece
    path : pathlib.Path
        Its file.
    wanted : sequence of str
        Columns of the file.
    coded : sequence of str
        Texts to leave as codes.

    Raises
    ------
    InputError
        INPUT_FORMAT when it is damaged or decodes to far more than it holds.
    """
    thin = {name for name in piece.thin if name in wanted}
    try:
        if path.suffix == SUFFIX:  # only ours get this far
            return read_spool(path, piece.group, wanted, coded)
        with open_parquet(path, sorted(thin.union(coded))) as file:
            # Pieces are read side by side: more threads would only hold memory.
            rows = file.read_row_group(piece.group, columns=wanted, use_threads=False)
            require_decoded(
                rows, file.metadata.row_group(piece.group), piece.group, path
            )
    except (pa.ArrowException, OSError) as cause:
        msg = (
            f"The file {path.name!r} is damaged in row group {piece.group}. "
            "Write it again."
        )
        raise InputError(msg, Reason.INPUT_FORMAT) from cause
    # What filters and joins rows knows no views.
    plain = [
        _plain(one, thin=one.name in thin.difference(coded)) for one in rows.schema
    ]
    return rows.cast(pa.schema(plain))


def _plain(one: pa.Field, *, thin: bool) -> pa.Field:
    kind = (
        one.type.value_type if thin and pa.types.is_dictionary(one.type) else one.type
    )
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    if pa.types.is_binary_view(kind):
        kind = pa.large_binary()
    return one.with_type(kind)


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
