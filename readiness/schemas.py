"""Column names and types of a table: cleaned once, the same for every batch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from readiness.errors import InputError, Reason
from readiness.sources import require_unique

PROBLEM = b"readiness.problem"


def clean_schema(schema: pa.Schema, name: str) -> pa.Schema:
    """Return the schema without the stored pandas index, dictionaries made uniform.

    Parameters
    ----------
    schema : pyarrow.Schema
        As read from a file or made from a frame.
    name : str
        Name of the table, for messages.

    Returns
    -------
    pyarrow.Schema
        Without index columns; the pandas metadata of the other columns is kept, so
        that nullable pandas types come back.

    Raises
    ------
    InputError
        INPUT_FORMAT when the index or the columns have several levels, or when names
        repeat.
    """
    metadata = dict(schema.metadata or {})
    described = json.loads(metadata.get(b"pandas", b"{}"))
    index = described.get("index_columns", [])
    levels = len(described.get("column_indexes", []))
    _require_flat(max(levels, 1), max(len(index), 1), name)
    stored = {one for one in index if isinstance(one, str)}
    require_unique(schema.names, name)
    fields = [_uniform(one) for one in schema if one.name not in stored]
    if described:
        described["index_columns"] = []
        described["column_indexes"] = []
        described["columns"] = [
            one for one in described["columns"] if one["field_name"] not in stored
        ]
        for one in described["columns"]:
            one["name"] = one["field_name"]
        metadata[b"pandas"] = json.dumps(described).encode()
    return pa.schema(fields, metadata)


def _require_flat(column_levels: int, index_levels: int, name: str) -> None:
    if column_levels > 1:
        msg = (
            f"The columns of the {name} table have {column_levels} levels (MultiIndex);"
            " one is needed. Flatten them: "
            'frame.columns = ["_".join(map(str, key)) for key in frame.columns].'
        )
        raise InputError(msg, Reason.INPUT_FORMAT)
    if index_levels > 1:
        msg = (
            f"The rows of the {name} table have {index_levels} index levels "
            "(MultiIndex); one is needed. Flatten them: frame.reset_index()."
        )
        raise InputError(msg, Reason.INPUT_FORMAT)


def _uniform(one: pa.Field) -> pa.Field:
    if pa.types.is_string_view(one.type) or pa.types.is_binary_view(one.type):
        # Arrow cannot take rows of views, and pandas has the same type for both.
        is_text = pa.types.is_string_view(one.type)
        kind = pa.large_string() if is_text else pa.large_binary()
        return pa.field(one.name, kind, metadata=one.metadata)
    if not pa.types.is_dictionary(one.type):
        return one
    values = one.type.value_type
    values = pa.large_string() if pa.types.is_string_view(values) else values
    kind = pa.dictionary(pa.int32(), values, one.type.ordered)
    return pa.field(one.name, kind, metadata=one.metadata)


def common_schema(
    schemas: Sequence[pa.Schema], paths: Sequence[Path], name: str
) -> pa.Schema:
    """Return the one schema of all files of a table.

    Raises
    ------
    InputError
        INPUT_FORMAT naming the first file whose columns or types differ.
    """
    first, *others = [clean_schema(schema, name) for schema in schemas]
    for path, other in zip(paths[1:], others, strict=True):
        if not first.equals(other, check_metadata=False):
            differing = sorted(set(map(str, first)) ^ set(map(str, other)))
            what = "; ".join(differing[:4]) or "the order of the columns"
            msg = (
                f"All files of the {name} table must have the same columns and types; "
                f"{path.name!r} differs from {paths[0].name!r}: {what}."
            )
            raise InputError(msg, Reason.INPUT_FORMAT)
    return first


def retyped_by_nulls(schema: pa.Schema) -> list[str]:
    """Return the columns whose pandas type depends on whether a null occurs."""
    return [
        one.name
        for one in schema
        if pa.types.is_integer(one.type) or pa.types.is_boolean(one.type)
    ]


def nulls_by_statistics(files: Sequence[pq.FileMetaData]) -> Mapping[str, int | None]:
    """Return the nulls per column from the files' statistics; None where unknown."""
    counted: dict[str, int | None] = {}
    for file in files:
        for group in range(file.num_row_groups):
            row_group = file.row_group(group)
            for place in range(row_group.num_columns):
                chunk = row_group.column(place)
                known = chunk.is_stats_set and chunk.statistics.has_null_count
                so_far = counted.get(chunk.path_in_schema, 0)
                counted[chunk.path_in_schema] = (
                    so_far + chunk.statistics.null_count
                    if known and so_far is not None
                    else None
                )
    return counted


def arrow_of_frame(frame: Any, name: str) -> pa.Table:  # noqa: ANN401 (whatever speaks Arrow)
    """Return a frame as an Arrow table, column names as text, the index ignored.

    What is no pandas frame must have ``__arrow_c_stream__`` and is taken as it is.

    A column that Arrow cannot hold becomes text, and its field says why:
    MIXED_TYPES or UNSUPPORTED_TYPE. No model is given such a column.

    Raises
    ------
    InputError
        INPUT_FORMAT when rows or columns have several levels, when two names are the
        same text, or when it is no frame.
    """
    if not isinstance(frame, pd.DataFrame):
        return _arrow_of_stream(frame, name)
    _require_flat(frame.columns.nlevels, frame.index.nlevels, name)
    texts = [str(key) for key in frame.columns]
    require_unique(texts, name)
    frame = frame.set_axis(texts, axis="columns").reset_index(drop=True)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        problems = {key: _problem(frame[key]) for key in texts}
    bad = {key: why for key, why in problems.items() if why}
    rows = pa.Table.from_pandas(
        frame.assign(**{key: _as_text(frame[key]) for key in bad}), preserve_index=False
    )
    fields = [
        one.with_metadata({PROBLEM: bad[one.name].encode()}) if one.name in bad else one
        for one in rows.schema
    ]
    return pa.Table.from_arrays(
        rows.columns, schema=pa.schema(fields, rows.schema.metadata)
    )


def _arrow_of_stream(frame: Any, name: str) -> pa.Table:  # noqa: ANN401 (whatever speaks Arrow)
    if not hasattr(frame, "__arrow_c_stream__"):
        msg = (
            f"The {name} table must be a frame of pandas, Polars or Arrow; it is "
            f"{type(frame).__name__!r}."
        )
        raise InputError(msg, Reason.INPUT_FORMAT)
    return pa.table(frame)


def hash_rows(rows: pa.Table) -> str:
    """Return the sha256 of rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _problem(values: "pd.Series[Any]") -> Reason | None:
    try:
        pa.Table.from_pandas(values.to_frame("value"), preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        is_mixed = values.dtype == object and len(set(values.dropna().map(type))) > 1
        return Reason.MIXED_TYPES if is_mixed else Reason.UNSUPPORTED_TYPE
    return None


def _as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return values.astype(object).where(values.isna(), values.map(str)).astype("str")
