"""Every column type a table may hold: five cells of each, drawn by hypothesis.

Below them odd cells as only a frame in memory may hold them, any number of each.
"""

import datetime as dt
import decimal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
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


Rng = np.random.Generator
HALF_HOUR = dt.timezone(dt.timedelta(hours=5, minutes=30))


def _of(*some: object) -> Callable[[Rng, int], Any]:
    """Return what draws cells from a few, as the plainest column there is."""

    def draw(rng: Rng, n_rows: int) -> "pd.Series[Any]":
        cells = np.empty(len(some), dtype=object)
        cells[:] = some
        return pd.Series(cells[rng.integers(0, len(some), n_rows)], dtype=object)

    return draw


def _numbers(kind: str, scale: float) -> Callable[[Rng, int], Any]:
    return lambda rng, n_rows: (rng.random(n_rows) * scale).astype(kind)


NAIVE, AWARE = dt.datetime(2024, 5, 1, 7), dt.datetime(2024, 5, 1, 7, tzinfo=dt.UTC)  # noqa: DTZ001 (naive on purpose)
ODD_CELLS: Mapping[str, Callable[[Rng, int], Any]] = {
    "reals": lambda rng, n_rows: rng.normal(size=n_rows),
    "whole": lambda rng, n_rows: rng.integers(-5, 5, n_rows),
    "words": _of("a", "b", "", " ", "NA", None),
    "markup": _of("<odd>x</odd>", "&lt;", "$x^$", "{" * 50, "'\""),
    "controls": _of("a\0b", "\u202eab", "x\n\ty", "\U0001f600"),
    "halves": _of("a\ud800", "b", None),
    "long": _of("x" * 4000, "x" * 4000 + "y"),
    "ids": lambda rng, n_rows: [f"id{one}" for one in rng.permutation(n_rows)],
    "infinite": _of(float("inf"), -float("inf"), 1.0, float("nan")),
    "all infinite": _of(float("inf")),
    "nothing": _of(None),
    "nan": _of(float("nan")),
    "missing": _of(None, float("nan"), pd.NA, pd.NaT),
    "constant": _of(7),
    "huge": _of(1e308, -1e308, 1.7e308),
    "tiny": _of(5e-324, 0.0, -0.0),
    "int64": _of(2**63 - 1, -(2**63), 0),
    "uint64": _of(2**64 - 1, 2**63),
    "beyond": _of(2**70, 2**70 + 1, 3),
    "float32": _numbers("float32", 3.0),
    "float16": _numbers("float16", 3.0),
    "int8": _numbers("int8", 100.0),
    "mixed": _of(1, "a", None),
    "one and text one": _of(1, "1"),
    "true and one": _of(True, 1),
    "booleans": _of(True, False),
    "maybe": _of(True, False, None),
    "Int64": lambda rng, n_rows: pd.array(rng.integers(0, 9, n_rows), "Int64"),
    "category": lambda rng, n_rows: pd.Categorical.from_codes(
        rng.integers(-1, 2, n_rows), ["b", "a", "unused"]
    ),
    "ordered": lambda rng, n_rows: pd.Categorical.from_codes(
        rng.integers(0, 2, n_rows), [2, 1, 3], ordered=True
    ),
    "categories of spans": lambda rng, n_rows: pd.cut(rng.random(n_rows), 3),
    "decimals": _of(decimal.Decimal("0.10"), decimal.Decimal("12345.67"), None),
    "long decimals": _of(decimal.Decimal("0." + "1" * 30), decimal.Decimal(1)),
    "dates": _of(dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2024, 2, 29)),
    "times": lambda rng, n_rows: (
        pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D")
    ),
    "zoned": _of(AWARE, AWARE + dt.timedelta(days=40)),
    "naive and aware": _of(NAIVE, AWARE),
    "offsets": _of(AWARE, AWARE.astimezone(HALF_HOUR)),
    "dates and times": _of(dt.date(2024, 1, 1), NAIVE),
    "dates as text": _of("2024-12-31", "31/12/2024", "Dec 31, 2024"),
    "clock": _of(dt.time(7, 30)),
    "spans": _of(dt.timedelta(hours=1), dt.timedelta(days=3)),
    "periods": lambda _, n_rows: pd.period_range("2024", periods=n_rows, freq="D"),
    "intervals": lambda _, n_rows: pd.interval_range(0, n_rows, n_rows),
    "lists": _of([1], [], None),
    "records": _of({"a": 1}, {"a": None}),
    "pairs": _of(("a", 1)),
    "bytes": _of(b"\xff", b""),
    "objects": _of(object()),
    "complex": _of(1j, 2.0),
    "sparse": lambda rng, n_rows: pd.arrays.SparseArray(
        np.where(rng.random(n_rows) < 0.1, 1.0, 0.0)
    ),
}
ODD_NAMES = (
    *("odd", "", " ", "  ", "\t", "a\nb\0c", "n" * 3000, "<odd>", "<odd a='\"'>&amp;"),
    *(
        "index",
        "level_0",
        "T",
        "size",
        "class",
        "prediction",
        "score",
        "group",
        "table",
    ),
    *("__proto__", "_hidden", "$x^$", "{" * 300, "\u202etxet", "\U0001f600", "e\u0301"),
    *(
        "Plain",
        "plain ",
        "pl\u0430in",
        "=cmd()",
        "a & b=1",
        "level=1",
        "a\ud800",
        "\u200b",
    ),
)
