"""The plan of a profile: where its counts are cut, frozen before rows are counted."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.category_counts import CategorySummary, text_counts
from readiness.columns import kind_of
from readiness.exact import Floats
from readiness.scan import scan
from readiness.summaries import N_EDGES, NumberSummary, numbers
from readiness.tables import Table

SAMPLE_ROWS = 262_144
SAMPLE_PIECES = 8
SAMPLE_VALUES = 20_000_000
MOST_CATEGORIES = 10_000
NUMBERS = ("numeric", "time")
LARGEST_CENTRE = 2.0**900
USUAL_BITS = 300
ColumnSummary = NumberSummary | CategorySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Every so-many-th row of a column."""

    name: str
    stride: int
    is_number: bool

    def summarize(self, batch: pa.RecordBatch) -> list[Any]:
        values = batch.column(self.name)
        if self.is_number:
            return [numbers(values)[:: self.stride].copy()]
        return [values.take(pa.array(np.arange(0, len(values), self.stride)))]

    def merge(self, a: list[Any], b: list[Any]) -> list[Any]:
        return a + b


def sampled_plan(known: Table, kinds: Mapping[str, str]) -> Mapping[str, ColumnSummary]:
    """Choose edges and categories from a sample of a table.

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

    Notes
    -----
    The sample decides only where the counts are cut: at most 262,144 rows, evenly
    spaced within at most 8 evenly spaced pieces of the table.
    """
    usable = {name: kind for name, kind in kinds.items() if fits(known, name, kind)}
    some = _few_pieces(known).coded()
    n_sampled = min(SAMPLE_ROWS, SAMPLE_VALUES // max(len(usable), 1))
    stride = max(1, -(-some.n_rows // n_sampled))
    samples = {
        name: _Sample(name=name, stride=stride, is_number=kind in NUMBERS)
        for name, kind in usable.items()
    }
    found = scan(some, samples, list(usable)) if usable else {}
    return {
        name: number_summary(name, _edges(found.get(name, [])))
        if kind in NUMBERS
        else CategorySummary(name=name, categories=_categories(found.get(name, [])))
        for name, kind in kinds.items()
    }


def _few_pieces(table: Table) -> Table:
    n_pieces = len(table.pieces)
    chosen = np.unique(np.linspace(0, n_pieces - 1, SAMPLE_PIECES).round().astype(int))
    pieces = tuple(table.pieces[place] for place in chosen)
    return replace(
        table, pieces=pieces, n_rows=sum(one.n_rows for one in pieces), cluster=""
    )


def _edges(sample: list[Any]) -> Floats:
    x = np.concatenate(sample) if sample else np.empty(0)
    x = np.sort(x[np.isfinite(x)])
    edges = np.unique(x)
    if len(edges) > N_EDGES:
        # Two are left for the extremes, which are known once every row is counted.
        places = np.linspace(0, len(x) - 1, N_EDGES - 2)
        edges = np.unique(x[places.round().astype(int)])
    return edges + 0.0  # -0.0 becomes 0.0


def _categories(sample: list[Any]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for part in sample:
        labels, found = text_counts(part)
        for label, count in zip(labels.to_pylist(), found.tolist(), strict=True):
            counts[label] = counts.get(label, 0) + count
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    return tuple(ordered[:MOST_CATEGORIES])


def number_summary(name: str, edges: Floats) -> NumberSummary:
    """Return the summary of a numeric column, its sums taken near its middle."""
    centre = float(edges[len(edges) // 2]) if len(edges) else 0.0
    if abs(centre) > LARGEST_CENTRE:
        centre = 0.0  # else a difference to it could overflow
    spread = float(np.ptp(edges / 2)) if len(edges) else 0.0
    power = min(math.frexp(spread)[1], sys.float_info.max_exp - 1)
    # Squares of usual values neither overflow nor vanish as they are.
    scale = 2.0**power if abs(power) > USUAL_BITS and spread else 1.0
    return NumberSummary(name=name, edges=edges, centre=centre, scale=scale)


def fits(table: Table, name: str, kind: str) -> bool:
    """Return whether a table has the column with values of that kind."""
    if name not in table.schema.names or name in table.problems:
        return False
    found = kind_of(table.schema.field(name).type)
    if pa.types.is_null(table.schema.field(name).type):
        return kind not in NUMBERS
    numeric = found in ("numeric", "boolean", "time")
    return found is not None and (numeric or kind not in NUMBERS)
