"""What a database gave, in a private Arrow file that is cheap to write and read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

SUFFIX = ".arrow"
SPOOL_ROWS = 65_536


def is_spool(path: Path, work: Path | None) -> bool:
    """Return whether a file is ours: it lies in the private folder of the run."""
    return work is not None and path.suffix == SUFFIX and path.is_relative_to(work)


def write_spool(reader: pa.RecordBatchReader, path: Path) -> None:
    """Write a stream as one lightly packed Arrow file, in batches of 65,536 rows.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        Of plain types: codes of one batch would not be those of the next.
    path : pathlib.Path
        The file to be made.
    """
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(path, reader.schema, options=options) as writer:
        for batch in _even(reader):
            writer.write_batch(batch)


def _even(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches that are neither tiny nor huge, in order."""
    pending: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in reader:
        pending.append(batch)
        n_rows += batch.num_rows
        if n_rows >= SPOOL_ROWS // 2:
            yield from _cut(pending, reader.schema)
            pending.clear()
            n_rows = 0
    yield from _cut(pending, reader.schema)


def _cut(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    rows = pa.Table.from_batches(batches, schema)
    joined = rows if len(batches) == 1 else rows.combine_chunks()
    found: list[pa.RecordBatch] = joined.to_batches(max_chunksize=SPOOL_ROWS)
    return found


def read_spool(
    path: Path, place: int, columns: Sequence[str], coded: Sequence[str] = ()
) -> pa.Table:
    """Return columns of one batch; of `coded`, the texts as codes."""
    with pa.memory_map(str(path)) as stream:
        names = pa.ipc.open_file(stream).schema.names
        batch = _only(stream, [names.index(name) for name in columns]).get_batch(place)
    rows = pa.Table.from_batches([batch])
    for name in set(coded).intersection(rows.column_names):
        at = rows.column_names.index(name)
        if not pa.types.is_dictionary(rows.schema.field(at).type):
            rows = rows.set_column(at, name, rows.column(at).dictionary_encode())
    return rows


def describe_spool(path: Path) -> tuple[pa.Schema, list[int], Mapping[str, int]]:
    """Return the schema, the rows of each batch, and the nulls of numbers and flags."""
    with pa.memory_map(str(path)) as stream:
        schema = pa.ipc.open_file(stream).schema
        looked_at = [
            place
            for place, one in enumerate(schema)
            if pa.types.is_integer(one.type) or pa.types.is_boolean(one.type)
        ]
        reader = _only(stream, looked_at or [0])
        batches = [reader.get_batch(n) for n in range(reader.num_record_batches)]
        nulls = {
            schema.field(place).name: sum(
                batch.column(at).null_count for batch in batches
            )
            for at, place in enumerate(looked_at)
        }
        return schema, [batch.num_rows for batch in batches], nulls


def _only(stream: pa.MemoryMappedFile, places: list[int]) -> pa.RecordBatchFileReader:
    options = pa.ipc.IpcReadOptions(included_fields=places)
    return pa.ipc.open_file(stream, options=options)
