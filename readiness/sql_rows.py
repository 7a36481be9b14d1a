"""Rows of any Python driver, whose types are known when all of them are read."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa


@contextmanager
def read_rows(
    parts: Iterable[Sequence[Any]], names: Sequence[str], folder: Path
) -> Iterator[pa.RecordBatchReader]:
    """Yield rows as record batches of one schema that fits every one of them.

    Parameters
    ----------
    parts : iterable of sequence of tuple
        Rows as the driver gives them.
    names : sequence of str
        The columns.
    folder : pathlib.Path
        Private: the rows are kept here until the last one has told its types.

    Yields
    ------
    pyarrow.RecordBatchReader
        Whole numbers become real ones where others follow, dates become times, and
        what had no value yet takes the type of the first; decimals are real numbers.

    Raises
    ------
    ValueError
        Naming the column and the rows, where types do not fit together.
    """
    kinds = [pa.null() for _ in names]
    n_rows = 0
    with tempfile.TemporaryFile(dir=folder) as kept:
        for part in parts:
            batch = _batch(part, names, n_rows)
            kinds = [
                _common(old, new, name, n_rows)
                for old, new, name in zip(kinds, batch.schema.types, names, strict=True)
            ]
            with pa.ipc.new_stream(kept, batch.schema) as writer:
                writer.write_batch(batch)
            n_rows += batch.num_rows
        kept.seek(0)
        schema = pa.schema(list(zip(names, kinds, strict=True)))
        yield pa.RecordBatchReader.from_batches(schema, _fitted(kept, schema))


def _batch(rows: Sequence[Any], names: Sequence[str], start: int) -> pa.RecordBatch:
    arrays = [
        _array(cells, name, start)
        for cells, name in zip(zip(*rows, strict=True), names, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(cells: Sequence[Any], name: str, start: int) -> pa.Array:
    try:
        found = pa.array(cells)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        # What Arrow says quotes a cell.
        kinds = sorted({type(one).__name__ for one in cells if one is not None})
        msg = (
            f"the column {name!r} holds {' and '.join(kinds)} in rows {start + 1:,} to "
            f"{start + len(cells):,}, which is no one type; cast it in the query"
        )
        raise ValueError(msg) from None
    return found.cast(pa.float64()) if pa.types.is_decimal(found.type) else found


def _common(old: pa.DataType, new: pa.DataType, name: str, start: int) -> pa.DataType:
    """Return the type that holds the values of both."""
    if old == new or pa.types.is_null(new):
        return old
    if pa.types.is_null(old):
        return new
    for narrow, wide in ((pa.int64(), pa.float64()), (pa.date32(), pa.timestamp("us"))):
        if {old, new} == {narrow, wide}:
            return wide
    msg = (
        f"the column {name!r} holds {old} at first, and {new} in rows after "
        f"{start:,}; cast it in the query"
    )
    raise ValueError(msg)


def _fitted(kept: IO[bytes], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    end = kept.seek(0, 2)
    kept.seek(0)
    n_rows = 0
    while kept.tell() < end:
        with pa.ipc.open_stream(kept) as reader:
            for batch in reader:
                arrays = [
                    _cast(array, one, n_rows)
                    for array, one in zip(batch.columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                n_rows += batch.num_rows


def _cast(array: pa.Array, one: pa.Field, start: int) -> pa.Array:
    try:
        return array.cast(one.type)
    except pa.ArrowInvalid:  # whole numbers beyond 2**53, once real ones follow
        msg = (
            f"the column {one.name!r} holds {array.type} that {one.type} cannot hold "
            f"in rows after {start:,}; cast it in the query"
        )
        raise ValueError(msg) from None
