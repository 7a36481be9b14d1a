"""Profiles of the columns of one table, counted in one pass at frozen edges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import numpy as np
import pyarrow as pa

from readiness.category_counts import CategoryState, CategorySummary
from readiness.columns import kind_of
from readiness.errors import Reason
from readiness.exact import N_KEPT, Floats, as_float, distinct_count, exact_spread
from readiness.plans import (
    NUMBERS,
    ColumnSummary,
    fits,
    number_summary,
    sampled_plan,
)
from readiness.scan import scan
from readiness.summaries import Ints, NumberState, NumberSummary
from readiness.tables import Table

COLUMNS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnProfile:
    """Counts of one column of one table.

    Parameters
    ----------
    name, kind : str
        The column; ``"numeric"`` and ``"time"`` have numbers, ``"categorical"`` and
        ``"boolean"`` have categories. Times are in microseconds since 1970.
    n_rows : int
        Rows of the table.
    n_null, n_nan, n_inf : int
        Null and NaN are both missing, and counted apart; infinite values are counted
        and left out of what follows.
    minimum, maximum, mean, std : float
        Of finite values; NaN where there are none (std: fewer than two).
    edges : (m,) array of float
        Frozen from training, else reference: at most 1,024 of its values in order.
        With fewer distinct values, these values themselves.
    bin_counts : (m + 1,) array of int
        Rows above the edge before, up to this edge; the last: above all edges.
    n_below : int
        Rows below the first edge; part of the first bin.
    n_minimum : int
        Rows that hold the smallest value.
    categories : mapping of str to int
        Rows by value as text, most frequent first; empty for numbers.
    n_other : int
        Rows of values that are not in `categories`, beyond what is kept by name.
    n_distinct : int
        Distinct values; exact where `distinct_is_exact`, else s.e. 3 %.
    reason : Reason or None
        Why there are no numbers: SCHEMA (absent or of another kind than known),
        MIXED_TYPES, UNSUPPORTED_TYPE, ALL_NULL.
    """

    name: str
    kind: str
    n_rows: int
    n_null: int = 0
    n_nan: int = 0
    n_inf: int = 0
    minimum: float = float("nan")
    maximum: float = float("nan")
    mean: float = float("nan")
    std: float = float("nan")
    edges: Floats
    bin_counts: Ints
    n_below: int = 0
    n_minimum: int = 0
    categories: Mapping[str, int]
    n_other: int = 0
    n_distinct: int = 0
    distinct_is_exact: bool = True
    reason: Reason | None = None

    @property
    def n_missing(self) -> int:
        """Rows that are null or NaN."""
        return self.n_null + self.n_nan

    @property
    def n_present(self) -> int:
        """Rows with a finite value or a category."""
        return self.n_rows - self.n_missing - self.n_inf

    @property
    def is_constant(self) -> bool:
        """Whether every present row holds the same value."""
        return self.n_distinct == 1

    def quantile(self, q: float) -> float:
        """Return the smallest edge up to which at least a share `q` of rows lie.

        Parameters
        ----------
        q : float
            In [0, 1].

        Returns
        -------
        float
            A value of the table the edges come from, never interpolated, or the
            extreme where no edge reaches; NaN without rows. Its rank is off by at
            most `rank_error`.
        """
        n_rows = int(self.bin_counts.sum())
        if not n_rows:
            return float("nan")
        cumulated = np.cumsum(self.bin_counts)
        place = int(np.searchsorted(cumulated, max(q * n_rows, 1)))
        edge = self.edges[place] if place < len(self.edges) else self.maximum
        return float(np.clip(edge, self.minimum, self.maximum))

    def rank_error(self, q: float) -> float:
        """Return the share of rows in the bin of `quantile`: its largest rank error."""
        n_rows = int(self.bin_counts.sum())
        if not n_rows:
            return float("nan")
        place = np.searchsorted(np.cumsum(self.bin_counts), max(q * n_rows, 1))
        return float(self.bin_counts[place] / n_rows)


def profiles_of(
    table: Table,
    kinds: Mapping[str, str],
    known: Mapping[str, ColumnProfile] | None = None,
) -> Mapping[str, ColumnProfile]:
    """Count the columns of a table, all its rows, by name.

    Parameters
    ----------
    table : Table
    kinds : mapping of str to str
        Kind of every column wanted.
    known : mapping of str to ColumnProfile, optional
        Of the table whose edges and categories hold; None for that table itself.
    """
    found: dict[str, ColumnProfile] = {}
    names = iter(kinds)
    while some := {name: kinds[name] for name in islice(names, COLUMNS_AT_ONCE)}:
        plan = sampled_plan(table, some) if known is None else _plan_of(known, some)
        parts = dict(_profiles(table, some, plan))
        found |= parts if known else {key: _reaching(one) for key, one in parts.items()}
    return found


def _plan_of(
    known: Mapping[str, ColumnProfile], kinds: Mapping[str, str]
) -> Mapping[str, ColumnSummary]:
    return {
        name: number_summary(name, known[name].edges)
        if kind in NUMBERS
        else CategorySummary(name=name, categories=tuple(known[name].categories))
        for name, kind in kinds.items()
    }


def _reaching(one: ColumnProfile) -> ColumnProfile:
    """Return the profile with the extremes of all its rows among its edges."""
    if one.kind not in NUMBERS or one.reason is not None:
        return one
    edges, counts = one.edges, one.bin_counts
    if not len(edges) or one.maximum > edges[-1]:
        edges, counts = np.append(edges, one.maximum), np.append(counts, 0)
    if one.minimum < edges[0]:
        edges = np.insert(edges, 0, one.minimum)
        counts = np.insert(counts, 0, one.n_minimum)
        counts[1] -= one.n_minimum
    return replace(one, edges=edges, bin_counts=counts, n_below=0)


def _profiles(
    table: Table, kinds: Mapping[str, str], plan: Mapping[str, ColumnSummary]
) -> Iterator[tuple[str, ColumnProfile]]:
    usable = {
        name: plan[name] for name, kind in kinds.items() if fits(table, name, kind)
    }
    states = scan(table.coded(), usable, list(usable)) if usable else {}
    for name, kind in kinds.items():
        empty = ColumnProfile(
            name=name,
            kind=kind,
            n_rows=table.n_rows,
            edges=np.empty(0),
            bin_counts=np.zeros(0, dtype=np.int64),
            categories={},
        )
        if name in states:
            yield name, _filled(empty, plan[name], states[name])
        else:
            reason = _why_not(table, name)
            n_null = table.n_rows if reason is Reason.ALL_NULL else 0
            yield name, replace(empty, reason=reason, n_null=n_null)


def _why_not(table: Table, name: str) -> Reason:
    if name in table.problems:
        return table.problems[name]
    if name not in table.schema.names:
        return Reason.SCHEMA
    kind = table.schema.field(name).type
    if pa.types.is_null(kind):
        return Reason.ALL_NULL
    return Reason.SCHEMA if kind_of(kind) else Reason.UNSUPPORTED_TYPE


def _filled(
    empty: ColumnProfile, summary: ColumnSummary, state: NumberState | CategoryState
) -> ColumnProfile:
    if isinstance(summary, NumberSummary):
        return _of_numbers(empty, summary, cast("NumberState", state))
    return _of_categories(empty, summary, cast("CategoryState", state))


def _of_numbers(
    empty: ColumnProfile, summary: NumberSummary, state: NumberState
) -> ColumnProfile:
    n_rows = int(state.bin_counts.sum())
    return replace(
        empty,
        n_null=state.n_null,
        n_nan=state.n_nan,
        n_inf=state.n_inf,
        minimum=state.minimum if n_rows else float("nan"),
        maximum=state.maximum if n_rows else float("nan"),
        n_minimum=state.n_minimum,
        mean=_mean(summary, state, n_rows),
        std=_spread(summary, state, n_rows),
        edges=summary.edges,
        bin_counts=state.bin_counts,
        n_below=state.n_below,
        n_distinct=distinct_count(state.hashes),
        distinct_is_exact=len(state.hashes) < N_KEPT,
        reason=None if n_rows else Reason.ALL_NULL,
    )


def _mean(summary: NumberSummary, state: NumberState, n_rows: int) -> float:
    return as_float(state.moved, n_rows) * summary.scale + summary.centre


def _spread(summary: NumberSummary, state: NumberState, n_rows: int) -> float:
    if state.n_overflow:
        return float("nan")
    if state.minimum == state.maximum and n_rows > 1:
        return 0.0  # to the last digit, which rounded squares would not give
    return exact_spread(state.moved, state.squares, n_rows) * summary.scale


def _of_categories(
    empty: ColumnProfile, summary: CategorySummary, state: CategoryState
) -> ColumnProfile:
    counts = dict(zip(summary.categories, state.known.tolist(), strict=True))
    counts = {label: n for label, n in (counts | dict(state.others)).items() if n}
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    n_known = int((state.known > 0).sum())
    n_present = int(state.known.sum()) + state.n_unknown
    return replace(
        empty,
        n_null=state.n_null,
        n_nan=state.n_nan,
        categories={label: counts[label] for label in ordered},
        n_other=state.n_unknown - sum(state.others.values()),
        n_distinct=n_known + distinct_count(state.hashes),
        distinct_is_exact=len(state.hashes) < N_KEPT,
        reason=None if n_present else Reason.ALL_NULL,
    )
