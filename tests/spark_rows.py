"""Rows of every type that Spark and Parquet share, and summaries of all kinds."""

import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import CountCells
from readiness.plans import sampled_plan
from readiness.row_hashes import SmallestRows
from readiness.scan import Summary
from readiness.table_rows import Keys
from readiness.tables import Table

KINDS = {
    "whole": "numeric",
    "number": "numeric",
    "price": "numeric",
    "when": "time",
    "day": "time",
    "word": "categorical",
    "a `b`.c": "categorical",
    "flag": "boolean",
}
N_FILES, FILE_ROWS = 4, 25_000


def odd_rows(seed: int, n_rows: int) -> pa.Table:
    """Return rows with nulls, NaN, infinities, both zeros, and text of every sort."""
    rng = np.random.default_rng(seed)
    number = rng.normal(0.0, 1e3, n_rows) ** 3
    number[rng.random(n_rows) < 0.02] = np.nan
    number[:5] = [np.inf, -np.inf, -0.0, 0.0, 5e-324]
    start = dt.datetime(1969, 12, 1)  # noqa: DTZ001 (a wall clock)
    minutes = rng.integers(0, 100_000, n_rows).tolist()
    words = np.array(["", " ", "ä", "NaN", "null", "a,b", "x" * 50], dtype=object)
    return pa.table(
        {
            "whole": pa.array(
                rng.integers(-(2**60), 2**60, n_rows), mask=rng.random(n_rows) < 0.1
            ),
            "number": pa.array(number, mask=rng.random(n_rows) < 0.1),
            "price": pa.array(
                [Decimal(int(one)) / 100 for one in rng.integers(0, 10**6, n_rows)],
                pa.decimal128(12, 2),
            ),
            "when": pa.array(
                [start + dt.timedelta(minutes=one) for one in minutes],
                pa.timestamp("us"),
            ),
            "day": pa.array([start.date() + dt.timedelta(one % 90) for one in minutes]),
            "word": pa.array(rng.choice(words, n_rows), mask=rng.random(n_rows) < 0.1),
            "a `b`.c": pa.array(
                [f"key {one}" for one in rng.integers(0, 5000, n_rows)]
            ),
            "flag": pa.array(rng.random(n_rows) < 0.3, mask=rng.random(n_rows) < 0.1),
        }
    )


def write_files(folder: Path) -> None:
    """Write four files of several row groups each."""
    for part in range(N_FILES):
        path = folder / f"part-{part}.parquet"
        pq.write_table(odd_rows(part, FILE_ROWS), path, row_group_size=4000)


def summaries_of(table: Table) -> dict[str, Summary]:
    """Return what profiles, pattern tables and samples are made of."""
    attributes = (
        Attribute(name="word", values=("", "ä")),
        Attribute(name="number", edges=(-1e6, 0.0, 1e6)),
        Attribute(name="flag", values=("True", "False")),
    )
    keys = Keys(time="when", span=86_400_000_000, block=None, entity=None, weight=None)
    return {
        **sampled_plan(table, KINDS),
        "patterns": CountCells(attributes=attributes, level=2, keys=keys, n_blocks=30),
        "rows": SmallestRows(n_rows=200, seed=3),
    }


def plain(state: Any) -> Any:  # noqa: ANN401 (any state)
    """Return a state as values that compare to the last bit."""
    if is_dataclass(state):
        return {one.name: plain(getattr(state, one.name)) for one in fields(state)}
    if isinstance(state, dict):
        return {key: plain(one) for key, one in sorted(state.items())}
    if isinstance(state, list | tuple):
        return [plain(one) for one in state]
    if isinstance(state, np.ndarray):
        return state.dtype.str, state.shape, state.tobytes()
    return repr(state.to_pylist()) if isinstance(state, pa.Table) else repr(state)
