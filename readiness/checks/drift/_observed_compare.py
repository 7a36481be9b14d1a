"""Two tables, or two arrays of numbers, compared column by column in two passes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.checks.drift._observed_folds import (
    FLAGS,
    Feature,
    FoldCounts,
    FoldState,
)
from readiness.checks.drift._observed_sums import Sums, SumUp
from readiness.checks.drift._observed_witness import witness_of
from readiness.column_profiles import ColumnProfile
from readiness.errors import Reason
from readiness.profiles import profile
from readiness.row_hashes import row_hashes
from readiness.scored import Scores
from readiness.stats import Floats, Ints
from readiness.summaries import N_EDGES
from readiness.table_rows import Keys, Summary, keys_of, passed, readable

COLUMNS_AT_ONCE = 64
MAX_DISTINCT_SHARE = 0.5  # more categories per row than this are text or keys
FEW_CATEGORIES = 16
KINDS = {"numeric": "number", "time": "number", "boolean": "flag"}
Pass = Callable[[Summary[Any], Sequence[str]], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """Some features of two tables.

    Parameters
    ----------
    features : mapping of str to Feature
    folds, sums : tuple
        Of the reference and of the current rows.
    problems : mapping of str to Reason
        Columns that could not be compared.
    """

    features: Mapping[str, Feature]
    folds: tuple[FoldState, FoldState]
    sums: tuple[Sums, Sums]
    problems: Mapping[str, Reason]

    def counts(self, name: str) -> tuple[Floats, Floats]:
        """Return the rows of both tables by bin, or by label in their order."""
        if self.features[name].kind == "number":
            number = [one.numbers[name].sum(axis=0) for one in self.folds]
            return number[0], number[1]
        labels = self.labels(name)
        nothing = np.zeros(1)
        return tuple(  # type: ignore[return-value]  # two tables, so two arrays
            np.array([(one.labels[name] or {}).get(k, nothing).sum() for k in labels])
            for one in self.folds
        )

    def labels(self, name: str) -> list[str]:
        """Return the labels of a category in both tables, sorted."""
        return sorted(set().union(*(one.labels[name] or {} for one in self.folds)))


def compare_tables(
    case: Case, tracked: Mapping[str, tuple[str, ...]], seed: int
) -> Iterator[Compared]:
    """Compare the current rows with the reference, some features at a time.

    Parameters
    ----------
    case : Case
        With current rows.
    tracked : mapping of str to tuple of str
        By categorical column: the categories whose shares are wanted by block.
    seed : int
        Of the folds.
    """
    tables = (case.table("reference"), case.table("current"))
    seen = [profile(case, one.name) for one in tables]
    keys = _common(*(keys_of(case, one) for one in tables))
    runs = [_over(one) for one in tables]
    waiting = iter(case.features)
    while names := tuple(islice(waiting, COLUMNS_AT_ONCE)):
        problems: dict[str, Reason] = {}
        for table in tables:
            problems |= readable(case, table, names)[1]
        features = [
            _feature(
                case.columns[one].kind, seen[0][one], seen[1][one], tracked.get(one, ())
            )
            for one in names
            if one not in problems
        ]
        if features:
            yield _compared(runs, keys, features, seed, problems)
        elif problems:
            yield _nothing(problems)


def compare_arrays(
    reference: tuple[Floats, Scores], current: tuple[Floats, Scores], seed: int
) -> tuple[Compared, Feature]:
    """Compare two arrays of numbers that belong to scored rows.

    Blocks and entities of the two are taken to be different ones.
    """
    edges = np.unique(reference[0][np.isfinite(reference[0])])
    if len(edges) > N_EDGES:
        edges = np.unique(np.quantile(reference[0], np.linspace(0, 1, N_EDGES)))
    known = reference[0][np.isfinite(reference[0])]
    sd = float(np.std(known)) if len(known) else 0.0
    feature = Feature(
        name="value",
        kind="number",
        edges=edges,
        centre=float(np.mean(known)) if len(known) else 0.0,
        scale=sd if sd > 0 else 1.0,
    )
    batches = [_batch(*one, sign) for one, sign in ((reference, 1), (current, -1))]
    runs = [_once(one) for one in batches]
    held = {name for name in batches[0].schema.names if name in batches[1].schema.names}
    keys = Keys(
        time=None,
        span=1,
        block="block" if "block" in held else None,
        entity="entity" if "entity" in held else None,
        weight="weight" if "weight" in held else None,
    )
    return _compared(runs, keys, [feature], seed, {}), feature


def _over(table: Any) -> Pass:  # noqa: ANN401 (a Table, bound early)
    return lambda summary, columns: passed(table, summary, columns)


def _once(batch: pa.RecordBatch) -> Pass:
    return lambda summary, _: summary.summarize(batch)


def _compared(
    runs: Sequence[Pass],
    keys: Keys,
    features: Sequence[Feature],
    seed: int,
    problems: Mapping[str, Reason],
) -> Compared:
    count = FoldCounts(features=tuple(features), keys=keys, seed=seed)
    columns = [*(one.name for one in features), *keys.columns()]
    states = [run(count, columns) for run in runs]
    problems = {**problems, **_texts(states)}
    kept = tuple(one for one in features if one.name not in problems)
    if not kept:
        return _nothing(problems)
    witnesses = {one.name: witness_of(one, *states) for one in kept}
    sum_up = SumUp(features=kept, witnesses=witnesses, keys=keys, seed=seed)
    columns = [*(one.name for one in kept), *keys.columns()]
    sums = [run(sum_up, columns) for run in runs]
    return Compared(
        features={one.name: one for one in kept},
        folds=(states[0], states[1]),
        sums=(sums[0], sums[1]),
        problems=problems,
    )


def _texts(states: Sequence[FoldState]) -> Mapping[str, Reason]:
    """Return the columns whose values are no categories but texts or keys."""
    found = {}
    for state in states:
        for name, labels in state.labels.items():
            if labels is None:
                found[name] = Reason.UNSUPPORTED_TYPE
                continue
            rows = sum(float(one.sum()) for one in labels.values())
            if len(labels) > max(MAX_DISTINCT_SHARE * rows, FEW_CATEGORIES):
                found[name] = Reason.UNSUPPORTED_TYPE
    return found


def _nothing(problems: Mapping[str, Reason]) -> Compared:
    folds = FoldState(numbers={}, labels={})
    sums = Sums(
        n_rows=0, places={}, totals=np.zeros(0), products={}, n_known={}, clusterings=()
    )
    return Compared(
        features={}, folds=(folds, folds), sums=(sums, sums), problems=problems
    )


def _common(a: Keys, b: Keys) -> Keys:
    """Return the keys that both tables have; each may have weights of its own."""
    return replace(
        a,
        time=a.time if b.time else None,
        block=a.block if b.block else None,
        entity=a.entity if b.entity else None,
        weight=a.weight if b.weight else None,
    )


def _feature(
    kind: str, seen: ColumnProfile, met: ColumnProfile, tracked: tuple[str, ...]
) -> Feature:
    plain = Feature(
        name=seen.name,
        kind=KINDS.get(kind, "category"),
        edges=seen.edges,
        tracked=tracked,
    )
    if plain.kind == "flag":
        return replace(plain, tracked=tracked or FLAGS)
    if plain.kind == "category":
        return plain
    centre = seen.mean if np.isfinite(seen.mean) else 0.0
    return replace(plain, centre=centre, scale=_scale(seen, met), tracked=())


def _scale(seen: ColumnProfile, met: ColumnProfile) -> float:
    """Return the SD of the reference; of both tables where it is constant there."""
    if seen.std > 0:
        return seen.std
    spread = np.nan_to_num(met.std) ** 2 / 2 + (met.mean - seen.mean) ** 2 / 4
    return float(np.sqrt(spread)) if spread > 0 else 1.0


def _batch(values: Floats, scores: Scores, sign: int) -> pa.RecordBatch:
    columns = {"value": pa.array(values)}
    clusters = scores.clusters
    for name, codes in (("block", clusters.block), ("entity", clusters.entity)):
        if codes is not None:
            columns[name] = pa.array(sign * _numbered_by_content(codes, values))
    if scores.weight is not None:
        columns["weight"] = pa.array(scores.weight)
    return pa.record_batch(columns)


def _numbered_by_content(codes: Ints, values: Floats) -> Ints:
    """Return a number from 1 per block that does not depend on the order of rows."""
    found, place = np.unique(codes, return_inverse=True)
    mixed = np.zeros(len(found), dtype=np.uint64)
    np.add.at(mixed, place, row_hashes(pa.record_batch({"": pa.array(values)})))
    rank = np.empty(len(found), dtype=np.int64)
    rank[np.argsort(mixed, kind="stable")] = np.arange(1, len(found) + 1)
    return rank[place]
