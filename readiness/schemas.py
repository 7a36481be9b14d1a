"""Column names and types of a table: cleaned once, the same for every batch."""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from readiness.errors import InputError, Reason
from readiness.sources import require_unique

PROBLEM = b"readiness.problem"
REPLACED = b"readiness.replaced"  # cells that held half a character
HALVES, WHOLE = re.compile("[\ud800-\udfff]"), "\ufffd"
DENSE_CELLS = 2**28  # 2 GB of numbers


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


def nulls_by_statistics(
    groups: Iterable[pq.RowGroupMetaData],
) -> Mapping[str, int | None]:
    """Return the nulls per column from the files' statistics; None where unknown."""
    counted: dict[str, int | None] = {}
    for row_group in groups:
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

    A column that Arrow cannot hold, or only by a guess, becomes text, and its field
    says why: MIXED_TYPES (also dates among times, and times of several zones) or
    UNSUPPORTED_TYPE. No model is given such a column. Halves of characters (lone
    surrogates), which no file can hold, become U+FFFD; the field counts the cells.
    Sparse columns are spelled out.

    Raises
    ------
    InputError
        INPUT_FORMAT when rows or columns have several levels, when two names are the
        same text, when it is no frame, or when sparse columns are too large to be
        spelled out.
    """
    if not isinstance(frame, pd.DataFrame):
        return _arrow_of_stream(frame, name)
    _require_flat(frame.columns.nlevels, frame.index.nlevels, name)
    texts = [HALVES.sub(WHOLE, str(key)) for key in frame.columns]
    require_unique(texts, name)
    frame = _dense(frame.set_axis(texts, axis="columns"), name).reset_index(drop=True)
    bad = {key: Reason.MIXED_TYPES for key in texts if _holds_several_times(frame[key])}
    spans = [key for key in texts if _has_spans_for_levels(frame[key].dtype)]
    bad |= dict.fromkeys(spans, Reason.UNSUPPORTED_TYPE)
    replaced: dict[str, int] = {}
    try:
        rows = pa.Table.from_pandas(_with_texts(frame, bad), preserve_index=False)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        frame, replaced = _whole_characters(frame)
        found = {key: _problem(frame[key]) for key in texts if key not in bad}
        bad |= {key: why for key, why in found.items() if why}
        rows = pa.Table.from_pandas(_with_texts(frame, bad), preserve_index=False)
    said = {key: {PROBLEM: why.encode()} for key, why in bad.items()}
    for key, n in replaced.items():
        said[key] = said.get(key, {}) | {REPLACED: str(n).encode()}
    fields = [
        one.with_metadata(said[one.name]) if one.name in said else one
        for one in rows.schema
    ]
    return pa.Table.from_arrays(
        rows.columns, schema=pa.schema(fields, rows.schema.metadata)
    )


def _dense(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Spell out sparse columns, unless they would not fit in memory."""
    sparse = [
        place
        for place, kind in enumerate(frame.dtypes)
        if isinstance(kind, pd.SparseDtype)
    ]
    if len(sparse) * len(frame) > DENSE_CELLS:
        msg = (
            f"The sparse columns of the {name} table must hold at most "
            f"{DENSE_CELLS:,} cells; they hold {len(sparse) * len(frame):,}. "
            "Write the table as Parquet, or leave columns out."
        )
        raise InputError(msg, Reason.INPUT_FORMAT)
    names = [frame.columns[place] for place in sparse]
    return frame.assign(**{key: frame[key].to_numpy() for key in names})


def _holds_several_times(values: "pd.Series[Any]") -> bool:
    """Return whether cells are dates and times, or times of several zones."""
    if values.dtype != object:
        return False
    present = values.dropna()
    if not len(present) or not isinstance(present.iloc[0], dt.date):
        return False
    return len({_zone(one) for one in present}) > 1


def _has_spans_for_levels(kind: object) -> bool:
    """Return whether a categorical's levels come back from Arrow as records."""
    levels = kind.categories if isinstance(kind, pd.CategoricalDtype) else None
    return isinstance(levels, (pd.IntervalIndex, pd.PeriodIndex))


def _zone(value: object) -> str:
    if not isinstance(value, dt.datetime):
        return type(value).__name__
    return f"time in {value.tzinfo}"


def _whole_characters(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Replace halves of characters in text cells; return how many, by column."""
    replaced: dict[str, int] = {}
    repaired: dict[str, pd.Series[Any]] = {}
    is_object = [pd.api.types.is_object_dtype(kind) for kind in frame.dtypes]
    for key in map(str, frame.columns[is_object]):
        n_broken = int(frame[key].map(_is_broken).sum())
        if n_broken:
            replaced[key] = n_broken
            repaired[key] = frame[key].map(_whole)
    return frame.assign(**repaired), replaced


def _whole(value: object) -> object:
    return HALVES.sub(WHOLE, value) if isinstance(value, str) else value


def _is_broken(value: object) -> bool:
    return isinstance(value, str) and HALVES.search(value) is not None


def _with_texts(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    return frame.assign(**{key: _as_text(frame[key]) for key in names})


def _arrow_of_stream(frame: Any, name: str) -> pa.Table:  # noqa: ANN401 (whatever speaks Arrow)
    if not hasattr(frame, "__arrow_c_stream__"):
        msg = (
            f"The {name} table must be a frame of pandas, Polars or Arrow; it is "
            f"{type(frame).__name__!r}."
        )
        raise InputError(msg, Reason.INPUT_FORMAT)
    return pa.table(frame)


def replaced_cells(schema: pa.Schema) -> Mapping[str, int]:
    """Return the cells whose halves of characters were replaced, by column."""
    return {
        one.name: int(one.metadata[REPLACED])
        for one in schema
        if one.metadata and REPLACED in one.metadata
    }


def hash_rows(rows: pa.Table) -> str:
    """Return the sha256 of rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _problem(values: "pd.Series[Any]") -> Reason | None:
    try:
        pa.Table.from_pandas(values.to_frame("value"), preserve_index=False)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        is_mixed = values.dtype == object and len(set(values.dropna().map(type))) > 1
        return Reason.MIXED_TYPES if is_mixed else Reason.UNSUPPORTED_TYPE
    return None


def _as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    texts = values.map(lambda one: HALVES.sub(WHOLE, str(one)))
    return values.astype(object).where(values.isna(), texts).astype("str")
