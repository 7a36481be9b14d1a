"""What a small file may become: caps on the decoded size, counted while reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from readiness.errors import InputError, Reason

FREE_BYTES = 2**29  # a row group may decode to this whatever its size
FREE_IN_ALL = 2**30  # and a whole file to this
TIMES = 1000  # beyond, to so many times what is stored: real tables stay below 100
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
OFFSET = 4  # bytes of a text beside its characters


def require_plausible(about: pq.FileMetaData, path: Path) -> None:
    """Raise InputError where a file says that it decodes to far more than it holds.

    Parameters
    ----------
    about : pyarrow.parquet.FileMetaData
        Its counts of values are believed as a lower bound: every number takes its
        width in memory, however it is stored.
    path : pathlib.Path
        The file.

    Raises
    ------
    InputError
        INPUT_FORMAT when a row group would take more than 512 MiB and a thousand
        times its stored size, or the file more than 1 GiB and a thousand times its.
    """
    in_all = 0
    for place in range(about.num_row_groups):
        group = about.row_group(place)
        claimed = max(
            group.total_byte_size, group.num_rows * group.num_columns * WIDTHS["INT64"]
        )
        if claimed > FREE_BYTES:
            claimed, stored = _claims(about, group)
            if claimed > max(FREE_BYTES, TIMES * stored):
                _refuse(path, f"row group {place} of", claimed, stored)
        in_all += claimed
    size = path.stat().st_size
    if in_all > max(FREE_IN_ALL, TIMES * size):
        _refuse(path, "", in_all, size)


def _claims(about: pq.FileMetaData, group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Return the least bytes a row group decodes to, and those it is stored in."""
    claimed = stored = 0
    for place in range(group.num_columns):
        column = group.column(place)
        width = WIDTHS.get(column.physical_type)
        if width is None:
            width = about.schema.column(place).length or OFFSET
        claimed += max(column.total_uncompressed_size, column.num_values * width)
        stored += column.total_compressed_size
    return claimed, stored


def thin_texts(group: pq.RowGroupMetaData, texts: Sequence[int]) -> tuple[str, ...]:
    """Return the text columns of a row group that could take far more room in memory.

    A text that is stored once can stand in every row. Such columns are read as codes,
    counted, and only then written out as text.

    Parameters
    ----------
    group : pyarrow.parquet.RowGroupMetaData
    texts : sequence of int
        The places of the text columns.
    """
    columns = [group.column(place) for place in texts]
    return tuple(one.path_in_schema for one in columns if _could_grow(one))


def _could_grow(column: pq.ColumnChunkMetaData) -> bool:
    is_coded = any("DICTIONARY" in one for one in column.encodings)
    most = column.num_values * column.total_uncompressed_size
    return bool(is_coded and most > FREE_BYTES // 16)


def require_decoded(
    rows: pa.Table, group: pq.RowGroupMetaData, place: int, path: Path
) -> None:
    """Raise InputError where a row group has decoded, or would, to far too much.

    Parameters
    ----------
    rows : pyarrow.Table
        As read: texts that are stored as codes are still codes.
    group : pyarrow.parquet.RowGroupMetaData
        What they were read from.
    place : int
        Its number.
    path : pathlib.Path
        The file.

    Raises
    ------
    InputError
        INPUT_FORMAT beyond 512 MiB and a thousand times what is stored.
    """
    decoded = sum(_decoded(column) for column in rows.columns)
    if decoded <= FREE_BYTES:
        return
    names = set(rows.column_names)
    columns = [group.column(at) for at in range(group.num_columns)]
    stored = sum(
        one.total_compressed_size for one in columns if one.path_in_schema in names
    )
    if decoded > TIMES * stored:
        _refuse(path, f"row group {place} of", decoded, stored)


def _decoded(column: pa.ChunkedArray) -> int:
    """Return the bytes of a column with its codes written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    return sum(_written_out(chunk) for chunk in column.chunks)


def _written_out(codes: pa.DictionaryArray) -> int:
    kind = codes.dictionary.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        return int(codes.nbytes)
    lengths: Any = pc.binary_length(codes.dictionary).fill_null(0).to_numpy()
    longest = int(lengths.max(initial=0))
    if longest * len(codes) <= FREE_BYTES // 16:
        return (longest + OFFSET) * len(codes)
    used = codes.indices.drop_null().to_numpy()
    counts = np.bincount(used, minlength=len(lengths))
    return int(counts @ lengths.astype(np.int64)) + OFFSET * len(codes)


def _refuse(path: Path, what: str, decoded: int, stored: int) -> None:
    whole = f"{what} the file" if what else "the file"
    msg = (
        f"{whole[0].upper()}{whole[1:]} {path.name!r} decodes to {decoded / 1e9:.1f} "
        f"GB, more than {TIMES:,} times the {stored / 1e6:.2f} MB it is stored in. "
        "Check where it comes from; a true table of this kind needs smaller row groups."
    )
    raise InputError(msg, Reason.INPUT_FORMAT)
