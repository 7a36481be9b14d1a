"""Every column type a table may hold: five cells of each, drawn by hypothesis."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

WORDS = ["", "a", "b", "zz", "Ünï", "NA"]
TIMES = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1))  # noqa: DTZ001 (naive on purpose)
LONG = 2**40


def arrow(values: st.SearchStrategy[Any], kind: pa.DataType) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | values, min_size=5, max_size=5).map(
        lambda cells: pa.array(cells, kind)
    )


def categories(levels: list[Any], *, ordered: bool) -> st.SearchStrategy[Any]:
    """Return categorical cells; ``levels`` that do not occur stay unused."""
    return st.lists(st.none() | st.sampled_from(levels), min_size=5, max_size=5).map(
        lambda cells: pd.Categorical(cells, categories=levels, ordered=ordered)
    )


def pandas(values: st.SearchStrategy[Any], kind: str) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | values, min_size=5, max_size=5).map(
        lambda cells: pd.array(cells, dtype=kind)
    )


FLOATS = st.floats(allow_infinity=True, allow_nan=True, width=32)
COLUMN_TYPES = {
    "int8": arrow(st.integers(-100, 100), pa.int8()),
    "int64": arrow(st.integers(-LONG, LONG), pa.int64()),
    "uint64": arrow(st.integers(0, LONG), pa.uint64()),
    "float32": arrow(FLOATS, pa.float32()),
    "float64": arrow(FLOATS, pa.float64()),
    "bool": arrow(st.booleans(), pa.bool_()),
    "string": arrow(st.sampled_from(WORDS), pa.string()),
    "large_string": arrow(st.sampled_from(WORDS), pa.large_string()),
    "string_view": arrow(st.sampled_from(WORDS), pa.string_view()),
    "null": st.just(pa.nulls(5)),
    "timestamp_s": arrow(TIMES, pa.timestamp("s")),
    "timestamp_ns": arrow(TIMES, pa.timestamp("ns")),
    "timestamp_aware": arrow(TIMES, pa.timestamp("us", "Europe/Berlin")),
    "date32": arrow(st.dates(dt.date(1990, 1, 1)), pa.date32()),
    "date64": arrow(st.dates(dt.date(1990, 1, 1)), pa.date64()),
    "time": arrow(st.times(), pa.time64("us")),
    "duration": arrow(st.integers(-LONG, LONG), pa.duration("us")),
    "decimal": arrow(
        st.decimals(-100, 100, places=2).map(decimal.Decimal), pa.decimal128(9, 2)
    ),
    "Int64": pandas(st.integers(-LONG, LONG), "Int64"),
    "boolean": pandas(st.booleans(), "boolean"),
    "Float64": pandas(st.floats(-1e6, 1e6), "Float64"),
    "pandas_string": pandas(st.sampled_from(WORDS), "string"),
    "category": categories(["b", "unused", "a"], ordered=False),
    "ordered": categories(["low", "middle", "high"], ordered=True),
    "category_int": categories([3, 1, 2], ordered=False),
    "category_time": categories(
        list(pd.to_datetime(["2024-01-02", "2024-01-01"])), ordered=False
    ),
}


def written(cells: pa.Array | pd.api.extensions.ExtensionArray, folder: Path) -> Path:
    """Write one column of five rows in row groups of two, as pandas would."""
    path = folder / "table.parquet"
    if isinstance(cells, pa.Array):
        rows = pa.table({"value": cells})
    else:
        rows = pa.Table.from_pandas(pd.DataFrame({"value": cells}))
    pq.write_table(rows, path, row_group_size=2)
    return path
