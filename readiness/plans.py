"""The plan of a profile: edges and categories, frozen from the reference first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.columns import kind_of
from readiness.exact import Floats
from readiness.scan import scan
from readiness.summaries import (
    N_EDGES,
    CategorySummary,
    NumberSummary,
    numbers,
    value_counts,
)
from readiness.tables import Table

SAMPLE_ROWS = 262_144
SAMPLE_VALUES = 20_000_000
MOST_CATEGORIES = 10_000
NUMBERS = ("numeric", "time")
ColumnSummary = NumberSummary | CategorySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Every so-many-th row of a column, and its exact extremes."""

    name: str
    stride: int
    is_number: bool

    def summarize(self, batch: pa.RecordBatch) -> list[Any]:
        values = batch.column(self.name)
        some = values.take(pa.array(np.arange(0, len(values), self.stride)))
        if not self.is_number:
            return [some]
        finite = numbers(values.drop_null())
        finite = finite[np.isfinite(finite)]
        extremes = [finite.min(), finite.max()] if len(finite) else []
        chosen = numbers(some.drop_null())
        return [np.concatenate([chosen[np.isfinite(chosen)], extremes])]

    def merge(self, a: list[Any], b: list[Any]) -> list[Any]:
        return a + b


def frozen_plan(known: Table, kinds: Mapping[str, str]) -> Mapping[str, ColumnSummary]:
    """Freeze edges and categories from a table.

    Parameters
    ----------
    known : Table
        Training, else reference.
    kinds : mapping of str to str
        Kind of every column wanted.

    Returns
    -------
    mapping of str to NumberSummary or CategorySummary
        One per column; a column that the table lacks gets no edges or categories.
    """
    usable = {name: kind for name, kind in kinds.items() if fits(known, name, kind)}
    n_sampled = min(SAMPLE_ROWS, SAMPLE_VALUES // max(len(usable), 1))
    stride = max(1, -(-known.n_rows // n_sampled))
    samples = {
        name: _Sample(name=name, stride=stride, is_number=kind in NUMBERS)
        for name, kind in usable.items()
    }
    found = scan(known, samples, list(usable)) if usable else {}
    return {name: _frozen(name, kind, found.get(name)) for name, kind in kinds.items()}


def _frozen(name: str, kind: str, sample: list[Any] | None) -> ColumnSummary:
    if kind in NUMBERS:
        x = np.sort(np.concatenate(sample)) if sample else np.empty(0)
        edges = np.unique(x)
        if len(edges) > N_EDGES:
            edges = _spread(x)
        centre = float(np.median(edges)) if len(edges) else 0.0
        with np.errstate(over="ignore"):  # then no scale is usable
            scale = float(np.std(edges / 2)) * 2 if len(edges) else 0.0
        usable = np.isfinite(scale) and scale > 0
        return NumberSummary(
            name=name, edges=edges, centre=centre, scale=scale if usable else 1.0
        )
    counts: dict[str, int] = {}
    for part in sample or []:
        for label, count in zip(*value_counts(part), strict=True):
            counts[label] = counts.get(label, 0) + int(count)
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    return CategorySummary(name=name, categories=tuple(ordered[:MOST_CATEGORIES]))


def _spread(x: Floats) -> Floats:
    return np.unique(x[np.linspace(0, len(x) - 1, N_EDGES).round().astype(int)])


def fits(table: Table, name: str, kind: str) -> bool:
    """Return whether a table has the column with values of that kind."""
    if name not in table.schema.names or name in table.problems:
        return False
    found = kind_of(table.schema.field(name).type)
    if pa.types.is_null(table.schema.field(name).type):
        return kind not in NUMBERS
    numeric = found in ("numeric", "boolean", "time")
    return found is not None and (numeric or kind not in NUMBERS)
