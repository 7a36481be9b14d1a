"""Rows of a table as checks read them: values, clusters, weights."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from readiness.case import Case
from readiness.columns import block_span, kind_of
from readiness.errors import NotAssessedError, Reason
from readiness.scan import scan
from readiness.seen import (
    Categories,
    Extremes,
    categories,
    encoded,
    highest,
    merge_categories,
    merge_extremes,
)
from readiness.stats import Clusters, Floats, Ints
from readiness.tables import Table

S = TypeVar("S")
RANGED = ("numeric", "time")
NULL_CODE = np.iinfo(np.int64).min


class Summary(Protocol[S]):
    """What one pass over a table computes."""

    def summarize(self, batch: pa.RecordBatch) -> S:
        """Return the state of one batch."""

    def merge(self, a: S, b: S) -> S:
        """Return the state of two sets of rows together, `a` before `b`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where a table says which rows hang together, and what they weigh.

    Parameters
    ----------
    time : str or None
        Column whose time is cut into blocks of `span`.
    span : int
        Length of a block in microseconds.
    block, entity, weight : str or None
        Columns; None where the case declares none or the table lacks it.
    """

    time: str | None
    span: int
    block: str | None
    entity: str | None
    weight: str | None

    def columns(self) -> list[str]:
        """Return the columns these keys are read from."""
        named = (self.time, self.block, self.entity, self.weight)
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What a table has seen of some columns.

    Parameters
    ----------
    n_rows : int
        Rows read.
    blocks : numpy.ndarray of int, shape (K,), or None
        Codes of the blocks; None where every row is a block of its own.
    high, low : mapping of str to Extremes
        Of ranged columns; `low` holds the negated values.
    categories : mapping of str to Categories
        Of the other columns.
    problems : mapping of str to Reason
        Columns that could not be read.
    """

    n_rows: int
    blocks: Ints | None
    high: Mapping[str, Extremes]
    low: Mapping[str, Extremes]
    categories: Mapping[str, Categories]
    problems: Mapping[str, Reason]

    @property
    def by_block(self) -> bool:
        """Whether rows come in declared blocks."""
        return self.blocks is not None

    @property
    def n_blocks(self) -> int:
        """Blocks the rows come from; every row is one where none are declared."""
        return self.n_rows if self.blocks is None else len(self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The summary that sees: one pass, merged in order."""

    keys: Keys
    kinds: tuple[tuple[str, str], ...]

    def summarize(self, batch: pa.RecordBatch) -> Seen:
        """Return what one batch shows."""
        declared = clusters_of(batch, self.keys).declared()
        block = declared[0] if declared else None
        ranged = {
            name: numbers(batch.column(name))
            for name, kind in self.kinds
            if kind in RANGED
        }
        return Seen(
            n_rows=batch.num_rows,
            blocks=None if block is None else np.unique(block),
            high={name: highest(x, block) for name, x in ranged.items()},
            low={name: highest(-x, block) for name, x in ranged.items()},
            categories={
                name: categories(batch.column(name), block)
                for name, kind in self.kinds
                if kind not in RANGED
            },
            problems={},
        )

    def merge(self, a: Seen, b: Seen) -> Seen:
        """Return what two sets of rows show together."""
        both = [one.blocks for one in (a, b) if one.blocks is not None]
        return Seen(
            n_rows=a.n_rows + b.n_rows,
            blocks=np.unique(np.concatenate(both)) if both else None,
            high={n: merge_extremes(a.high[n], b.high[n]) for n in a.high},
            low={n: merge_extremes(a.low[n], b.low[n]) for n in a.low},
            categories={
                n: merge_categories(a.categories[n], b.categories[n])
                for n in a.categories
            },
            problems={},
        )


def compared_tables(case: Case) -> tuple[Table, Table]:
    """Return the table that stands for what was seen, and the one held against it.

    Raises
    ------
    NotAssessedError
        NO_TABLE when the case has a reference table alone.
    """
    base = case.training_or_reference()
    for name in ("current", "reference"):
        if case.has(name) and name != base.name:
            return base, case.table(name)
    msg = "The case has a reference table alone; add training or current rows."
    raise NotAssessedError(msg, Reason.NO_TABLE)


def group_of(name: str) -> str:
    """Return the group of a column; an empty one stands for all columns together."""
    return name or "(empty)"


def look_at(case: Case, table: Table, names: Iterable[str]) -> Seen:
    """Return what a table has seen of some features, in one pass."""
    kept, problems = readable(case, table, names)
    keys = keys_of(case, table)
    look = Look(keys=keys, kinds=tuple((n, case.columns[n].kind) for n in kept))
    return replace(passed(table, look, [*kept, *keys.columns()]), problems=problems)


def passed(table: Table, summary: Summary[S], columns: Iterable[str]) -> S:
    """Return the result of one pass of one summary over a table."""
    wanted = list(dict.fromkeys(columns))
    if not wanted:
        wanted = table.schema.names[:1]
    state: S = scan(table, {"": summary}, wanted)[""]
    return state


def keys_of(case: Case, table: Table) -> Keys:
    """Return the keys that the case declares and the table has."""
    data, names = case.file.data, set(table.schema.names)
    span = block_span(case.block) if case.block else None
    found = {
        "time": data.time if span else None,
        "block": case.block if span is None else None,
        "entity": data.entity,
        "weight": data.weight,
    }
    kept = {key: one if one in names else None for key, one in found.items()}
    return Keys(span=(span or 1000) // 1000, **kept)


def clusters_of(batch: pa.RecordBatch, keys: Keys) -> Clusters:
    """Return the cluster codes of a batch; equal values have equal codes everywhere."""
    block = None
    if keys.time is not None:
        when = microseconds(batch.column(keys.time))
        block = _apart(when // keys.span, when == NULL_CODE)
    elif keys.block is not None:
        block = hashed(batch.column(keys.block))
    entity = None if keys.entity is None else hashed(batch.column(keys.entity))
    return Clusters(block=block, entity=entity)


def joined_clusters(parts: Sequence[Clusters]) -> Clusters:
    """Return the clusters of rows one after the other, numbered from 0 on.

    Equal codes stay equal: the same day in two tables is one block. A way in which rows
    hang together counts only where every part declares it.
    """
    return Clusters(
        block=_numbered([one.block for one in parts]),
        entity=_numbered([one.entity for one in parts]),
    )


def _numbered(codes: Sequence[Ints | None]) -> Ints | None:
    declared = [one for one in codes if one is not None]
    if not declared or len(declared) < len(codes):
        return None
    found: Ints = np.unique(np.concatenate(declared), return_inverse=True)[1]
    return found


def weights_of(batch: pa.RecordBatch, keys: Keys) -> Floats | None:
    """Return the weights of a batch, validated when the case was loaded."""
    return None if keys.weight is None else numbers(batch.column(keys.weight))


def numbers(values: pa.Array) -> Floats:
    """Return n values as floats, NaN for null; times in microseconds since 1970."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        when = microseconds(values)
        return np.where(when == NULL_CODE, np.nan, when.astype(float))
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    cast = pc.cast(values, pa.float64(), safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False), dtype=float)


def microseconds(values: pa.Array) -> Ints:
    """Return wall-clock times in microseconds since 1970, `NULL_CODE` for null.

    A time with a zone is shown in that zone. Microseconds hold the years 1 and 9999
    as well, nanoseconds do not.
    """
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = pc.local_timestamp(values)
    cast = pc.cast(values, pa.timestamp("us"), safe=False).cast(pa.int64())
    return np.asarray(cast.fill_null(NULL_CODE), dtype=np.int64)


def hashed(values: pa.Array) -> Ints:
    """Return a code per value that depends on the value alone."""
    codes, names = encoded(values)
    text = np.array([*map(str, names), ""], dtype=object)
    found = pd.util.hash_array(text, categorize=False).view(np.int64)[codes]
    return _apart(found, codes < 0)


def _apart(codes: Ints, is_null: npt.NDArray[np.bool_]) -> Ints:
    """Give rows without a value codes of their own.

    The code is the place in the batch, so that rows of different batches may share
    one: unrelated rows in one cluster cost nothing but a degree of freedom.
    """
    return np.where(is_null, NULL_CODE + np.arange(len(codes)), codes)


def readable(
    case: Case, table: Table, names: Iterable[str]
) -> tuple[list[str], dict[str, Reason]]:
    """Return the columns of a table that can be read, and why others cannot."""
    wanted = list(names)
    retyped = case.retyped_features(table.name)
    problems: dict[str, Reason] = {}
    for name in wanted:
        if name not in table.schema.names or name in retyped:
            problems[name] = Reason.SCHEMA
        elif name in table.problems:
            problems[name] = table.problems[name]
        elif kind_of(table.schema.field(name).type) is None:
            problems[name] = Reason.UNSUPPORTED_TYPE
    return [name for name in wanted if name not in problems], problems
