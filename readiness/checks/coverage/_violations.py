"""Where a table breaks what training declared by its types and values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.checks.coverage._outside import count_beyond
from readiness.column_profiles import ColumnProfile
from readiness.columns import Column, kind_of
from readiness.config import ColumnSection
from readiness.errors import Reason
from readiness.seen import encoded
from readiness.stats import Ints
from readiness.table_rows import Keys, clusters_of, hashed, keys_of, passed
from readiness.tables import Table
from readiness.text import number, visible

BY_CHANCE = 0.001  # a column may be constant by chance in a small table
TWO = 2
Profiles = Mapping[str, Mapping[str, ColumnProfile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that one column of one table breaks.

    Parameters
    ----------
    column, table : str
        Where.
    rule : str
        Its name in two or three words.
    detail : str
        What was expected and what came.
    rows : int
        Rows concerned.
    """

    column: str
    table: str
    rule: str
    detail: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockValues:
    """Lowest and highest code of each block, sorted by block, for m columns."""

    blocks: Ints
    low: Ints
    high: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class LookWithinBlocks:
    """The summary that tells whether columns vary within a block."""

    keys: Keys
    names: tuple[str, ...]

    def summarize(self, batch: pa.RecordBatch) -> BlockValues:
        """Return what one batch shows; missing values are left out."""
        block = clusters_of(batch, self.keys).declared()[0]
        columns = [batch.column(name) for name in self.names]
        codes = np.column_stack([hashed(one) for one in columns])
        absent = np.column_stack([encoded(one)[0] < 0 for one in columns])
        limits = np.iinfo(np.int64)
        return _by_block(
            block,
            np.where(absent, limits.max, codes),
            np.where(absent, limits.min, codes),
        )

    def merge(self, a: BlockValues, b: BlockValues) -> BlockValues:
        """Return what two sets of rows show together."""
        return _by_block(
            np.concatenate([a.blocks, b.blocks]),
            np.concatenate([a.low, b.low]),
            np.concatenate([a.high, b.high]),
        )


def find_violations(
    case: Case, profiles: Profiles, new_null_share: float
) -> list[Violation]:
    """Return every rule that a feature breaks in a table, column by column.

    Parameters
    ----------
    case : Case
        The case.
    profiles : mapping of str to mapping of str to ColumnProfile
        By table, then column.
    new_null_share : float
        Share of missing values that breaks a column which had none before.
    """
    base = case.training_or_reference().name
    retyped = {table: case.retyped_features(table) for table in profiles}
    found: list[Violation] = []
    for column in case.columns.values():
        for table in profiles:
            known, met = profiles[base][column.name], profiles[table][column.name]
            found += _unreadable(case.table(table), column.name, retyped[table])
            if met.reason not in (None, Reason.ALL_NULL):
                continue
            found += _own(case, table, column, met)
            if table != base and known.reason in (None, Reason.ALL_NULL):
                found += _against(table, known, met, new_null_share)
    stuck = _stuck(case, profiles, base)
    order = {name: place for place, name in enumerate(case.features)}
    return sorted([*found, *stuck], key=lambda one: order[one.column])


def _unreadable(
    here: Table, name: str, retyped: Mapping[str, tuple[str, str]]
) -> Iterator[Violation]:
    table, n_rows = here.name, here.n_rows
    if name not in here.schema.names:
        yield _violation(name, table, "missing column", "the model needs it", n_rows)
    elif name in here.problems:
        words = {Reason.MIXED_TYPES: "mixed types"}
        rule = words.get(here.problems[name], "unusable type")
        yield _violation(name, table, rule, "numbers, text or times expected", n_rows)
    elif name in retyped:
        expected, met = retyped[name]
        detail = f"{expected} expected, {met} found"
        yield _violation(name, table, "other type", detail, n_rows)
    elif _is_unusable(here, name):
        detail = f"no model takes {here.schema.field(name).type}"
        yield _violation(name, table, "unusable type", detail, n_rows)


def _is_unusable(table: Table, name: str) -> bool:
    return kind_of(table.schema.field(name).type) is None


def _own(
    case: Case, table: str, column: Column, met: ColumnProfile
) -> Iterator[Violation]:
    """Yield what a column breaks of the case file's own declarations."""
    declared = case.file.columns.get(column.name)
    if declared is not None and declared.kind == "boolean" and met.n_distinct > TWO:
        detail = f"two values declared, {met.n_distinct:,} found"
        yield _violation(column.name, table, "not boolean", detail, met.n_present)
    if declared is not None:
        yield from _shares(table, declared, met, sensitive=column.sensitive)
    if column.range is None or column.kind != "numeric" or not met.n_present:
        return
    low, high = column.range
    if met.minimum < low or met.maximum > high or met.n_inf:
        n_rows = count_beyond(case, case.table(table), column.name, column.range)
        detail = (
            f"{number(low, exact=True)} to {number(high, exact=True)} declared, "
            f"{met.minimum:,.6g} to {met.maximum:,.6g} found"
        )
        if column.sensitive:
            detail = "outside the declared range"
        yield _violation(column.name, table, "out of range", detail, n_rows)


def _shares(
    table: str, declared: ColumnSection, met: ColumnProfile, *, sensitive: bool
) -> Iterator[Violation]:
    """Yield categories nobody declared, and more missing values than allowed."""
    if declared.categories is not None:
        allowed = set(declared.categories)
        met_rows = met.categories.items()
        others = {one: n for one, n in met_rows if n and one not in allowed}
        n_rows = sum(others.values()) + met.n_other
        if n_rows:
            first = visible(next(iter(others), "others"), 40)
            detail = f"{len(allowed)} declared, {len(others)} others found"
            detail += "" if sensitive else f", such as {first}"
            yield _violation(met.name, table, "undeclared category", detail, n_rows)
    limit = declared.max_missing
    if limit is not None and met.n_missing > limit * met.n_rows:
        allowed_share, share = number(limit, "share"), met.n_missing / met.n_rows
        detail = f"{allowed_share} allowed, {number(share, 'share')} missing"
        yield _violation(met.name, table, "too many missing", detail, met.n_missing)


def _against(
    table: str, known: ColumnProfile, met: ColumnProfile, new_null_share: float
) -> Iterator[Violation]:
    """Yield what a column breaks of what training showed."""
    name = met.name
    if not met.n_present and known.n_present:
        yield _violation(name, table, "no value", "values expected", met.n_rows)
    elif met.n_present and not known.n_present:
        detail = "training had no value of it"
        yield _violation(name, table, "new values", detail, met.n_present)
    elif not known.n_missing and met.n_missing > new_null_share * met.n_rows:
        share = number(met.n_missing / met.n_rows, "share")
        detail = f"{share} missing, none before"
        yield _violation(name, table, "new nulls", detail, met.n_missing)
    if met.n_inf and not known.n_inf:
        detail = "infinite values, none before"
        yield _violation(name, table, "infinite", detail, met.n_inf)


def _stuck(case: Case, profiles: Profiles, base: str) -> Iterator[Violation]:
    """Yield columns that became constant, unless time or chance explains it."""
    suspects: dict[str, list[str]] = {}
    for table, found in profiles.items():
        suspects[table] = [
            name
            for name in case.features
            if found[name].is_constant and profiles[base][name].n_distinct > 1
        ]
    for table, names in suspects.items():
        if not names:
            continue
        chances = _chances(case, profiles, (base, table), names)
        for name, chance in zip(names, chances, strict=True):
            if chance < BY_CHANCE:
                met = profiles[table][name]
                detail = "one value only, several before"
                yield _violation(name, table, "constant", detail, met.n_present)


def _chances(
    case: Case, profiles: Profiles, tables: tuple[str, str], names: Sequence[str]
) -> Sequence[float]:
    """Return the chance that each column is constant in a table by accident.

    The share of blocks of training that hold one value of the column, to the power
    of the table's blocks: a month never changes within a day, a wind does. Where
    rows do not come in blocks, the share of the commonest value, to the power of
    the rows.
    """
    base, table = tables
    keys = [keys_of(case, case.table(name)) for name in tables]
    if not all(one.time or one.block or one.entity for one in keys):
        return [
            _commonest(profiles[base][name]) ** profiles[table][name].n_present
            for name in names
        ]
    known, met = (
        passed(
            case.table(name),
            LookWithinBlocks(keys=key, names=tuple(names)),
            [*names, *key.columns()],
        )
        for name, key in zip(tables, keys, strict=True)
    )
    n_constant = (known.low >= known.high).sum(axis=0)
    shares = (n_constant + 1) / (len(known.blocks) + 2)
    chances: Sequence[float] = (shares ** len(met.blocks)).tolist()
    return chances


def _commonest(known: ColumnProfile) -> float:
    counts = [*known.categories.values(), *known.bin_counts.tolist()]
    return float(max(counts) / known.n_present)


def _by_block(block: Ints, low: Ints, high: Ints) -> BlockValues:
    order = np.argsort(block, kind="stable")
    blocks, starts = np.unique(block[order], return_index=True)
    if not len(blocks):
        return BlockValues(blocks=blocks, low=low, high=high)
    return BlockValues(
        blocks=blocks,
        low=np.minimum.reduceat(low[order], starts, axis=0),
        high=np.maximum.reduceat(high[order], starts, axis=0),
    )


def _violation(column: str, table: str, rule: str, detail: str, rows: int) -> Violation:
    return Violation(
        column=column, table=table, rule=rule, detail=visible(detail), rows=rows
    )
