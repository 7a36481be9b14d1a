"""Hashes of whole rows: equal rows have equal ones, wherever they stand."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.scan import scan
from readiness.summaries import numbers
from readiness.tables import Table

Hashes = npt.NDArray[np.uint64]
ABSENT = np.uint64(0x5BD1E9955BD1E995)  # null and NaN are the same: no value
ODD = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(batch: pa.RecordBatch, seed: int = 0) -> Hashes:
    """Return a hash for each row of a batch, in 64 bits.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        n rows; the order of its columns matters, their names do not.
    seed : int
        Another seed gives unrelated hashes.

    Returns
    -------
    numpy.ndarray of uint64, shape (n,)
        Equal for equal rows: null equals NaN, and -0.0 equals 0.0. Different rows
        share one with probability 2**-64 a pair: among 50 million rows some pair does
        with probability 0.00007.
    """
    mixed = np.full(batch.num_rows, seed, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in batch.columns:
            mixed = _mixed(mixed * ODD + _hashes_of(column))
    return mixed


def code_hashes(codes: npt.NDArray[Any], seed: int = 0) -> Hashes:
    """Return a hash of each of n whole numbers, such as the codes of blocks."""
    return row_hashes(pa.record_batch({"code": pa.array(codes)}), seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallestRows:
    """The summary that keeps the rows of smallest hash: a sample without order.

    Parameters
    ----------
    n_rows : int
        How many are kept.
    seed : int
    """

    n_rows: int
    seed: int

    def summarize(self, batch: pa.RecordBatch) -> tuple[Hashes, pa.Table]:
        """Return the kept rows of one batch."""
        return self._kept(row_hashes(batch, self.seed), pa.Table.from_batches([batch]))

    def merge(
        self, a: tuple[Hashes, pa.Table], b: tuple[Hashes, pa.Table]
    ) -> tuple[Hashes, pa.Table]:
        """Return the kept rows of both."""
        hashes = np.concatenate([a[0], b[0]])
        return self._kept(hashes, pa.concat_tables([a[1], b[1]]))

    def _kept(self, hashes: Hashes, rows: pa.Table) -> tuple[Hashes, pa.Table]:
        first = np.argsort(hashes, kind="stable")[: self.n_rows]
        return hashes[first], rows.take(pa.array(first))


def sampled(table: Table, columns: Sequence[str], n_rows: int, seed: int) -> pa.Table:
    """Return rows drawn by their content, the same whatever order they come in.

    Parameters
    ----------
    table : Table
    columns : sequence of str
        What is read; only rows that differ in these are told apart.
    n_rows : int
        All rows when the table has no more.
    seed : int
        Another seed draws other rows.
    """
    summary = SmallestRows(n_rows=n_rows, seed=seed)
    _, rows = scan(table, {"": summary}, list(columns))[""]
    kept: pa.Table = rows
    return kept


def _hashes_of(values: pa.Array) -> Hashes:
    kind = values.type
    if pa.types.is_decimal(kind) and kind.precision <= sys.float_info.dig:
        return _of_numbers(values.cast(pa.float64()))
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _of_numbers(values)
    if not pa.types.is_dictionary(kind):
        try:
            values = pc.dictionary_encode(values)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            texts = pa.array(
                [None if one is None else str(one) for one in values.to_pylist()]
            )
            values = pc.dictionary_encode(texts)
    labels = [str(one) for one in values.dictionary.to_pylist()]
    array = np.array([*labels, ""], dtype=object)
    hashed = pd.util.hash_array(array, categorize=False).astype(np.uint64)
    hashed[-1] = ABSENT
    for place, one in enumerate(values.dictionary.to_pylist()):
        if one is None or one != one:  # noqa: PLR0124 (NaN is not itself)
            hashed[place] = ABSENT
    codes = values.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False)
    return np.asarray(hashed[codes.astype(np.int64)])


def _of_numbers(values: pa.Array) -> Hashes:
    is_whole = pa.types.is_integer(values.type)
    plain = values.fill_null(0) if is_whole else values
    if is_whole:
        # Exact where a float is not: beyond 2**53.
        x = plain.to_numpy(zero_copy_only=False).astype(np.uint64, copy=False)
        bits = np.where(
            np.abs(x.astype(np.int64)) <= 2**53,
            x.astype(np.int64).astype(np.float64).view(np.uint64),
            x,
        )
    else:
        bits = (numbers(plain.fill_null(np.nan)) + 0.0).view(np.uint64)
    missing = np.asarray(pc.is_null(values, nan_is_null=True))
    hashed = _mixed(bits)
    hashed[missing] = ABSENT
    return hashed


def _mixed(bits: Hashes) -> Hashes:
    """Return bits stirred so that none can be told from another (splitmix64)."""
    with np.errstate(over="ignore"):
        bits = bits + ODD
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Hashes = bits ^ (bits >> np.uint64(31))
    return mixed
