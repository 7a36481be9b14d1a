"""Groups found on one half of the blocks, asked again on the other half."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._search import Group, members
from readiness.influence import absolute, log_loss, wrong
from readiness.patterns import Axis, Bools
from readiness.row_hashes import code_hashes
from readiness.samples import random_order
from readiness.scored import Scores, headline_interval
from readiness.scoring import scores
from readiness.stats import Floats, Interval, Ints, holm
from readiness.table_rows import clusters_of, keys_of, passed
from readiness.tables import Table

FEWEST_BLOCKS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """One group on the half it was not found on.

    Parameters
    ----------
    group : Group
    there : Interval
        The headline metric; without a value where the rows do not define it.
    p_value : float
        Of the metric being acceptable there; 1 where it cannot be told.
    is_weak : bool
        Whether Holm's procedure rejects that, over all groups carried forward.
    shrunken : float
        The metric drawn towards that of all rows by as much as the groups' own errors
        call for.
    """

    group: Group
    there: Interval
    p_value: float
    is_weak: bool
    shrunken: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRows:
    """The summary that lists the cells of every row: one number an attribute."""

    attributes: tuple[Attribute, ...]

    def summarize(self, batch: pa.RecordBatch) -> list[Ints]:
        """List one batch."""
        codes = [one.codes(batch.column(one.name)) for one in self.attributes]
        return [np.column_stack(codes).astype(np.int16)]

    def merge(self, a: list[Ints], b: list[Ints]) -> list[Ints]:
        """List two sets of rows together."""
        return a + b


def codes_of(table: Table, attributes: tuple[Attribute, ...]) -> Ints:
    """Return the cells of every row, (n, d)."""
    ask = CodeRows(attributes=attributes)
    found = passed(table, ask, [one.name for one in attributes])
    return np.concatenate(found).astype(np.int64)


def most_blocks(case: Case) -> Scores:
    """Return the scored rows of the labelled table with the most blocks."""
    tables = [scores(case, name) for name in case.labelled_tables()]
    return max(tables, key=_n_blocks)


def half_of(case: Case, scored: Scores, seed: int) -> Bools:
    """Return which rows are for finding: those of half of the blocks, else half."""
    table = case.table(scored.table)
    keys = keys_of(case, table)
    if not (keys.time or keys.block or keys.entity):
        order = random_order(scored, seed)
        half = np.zeros(len(order), dtype=bool)
        half[order[: len(order) // 2]] = True
        return half
    # Codes that depend on the block alone, not on the order in which blocks occur.
    parts = [clusters_of(one, keys).declared() for one in table.batches(keys.columns())]
    block = np.concatenate([one[0] for one in parts])[scored.row]
    known = np.unique(block)
    mixed = code_hashes(known, seed)
    chosen = known[np.argsort(mixed, kind="stable")][: len(known) // 2]
    return np.isin(block, chosen)


def losses(case: Case, scored: Scores) -> Floats:
    """Return each row's loss: the metric's own, else log loss or absolute error."""
    own = case.metric.loss(scored.y_true, scored.y_score, case.threshold)
    if own is not None:
        return own
    if case.task == "regression":
        return absolute(scored.y_true, scored.y_score)
    if case.model.outputs == "class":
        return wrong(scored.y_true, scored.y_score)
    return log_loss(scored.y_true, scored.y_score)


def confirmed(
    case: Case,
    scored: Scores,
    codes: Ints,
    axes: Sequence[Axis],
    groups: Sequence[Group],
) -> list[Confirmed]:
    """Ask groups again on rows they were not found on.

    Parameters
    ----------
    case : Case
        With an acceptable value.
    scored : Scores
        n rows of the other half.
    codes : (n, d) array of int
    axes, groups : sequence
    """
    everywhere = headline_interval(case, scored)
    there = [
        headline_interval(case, scored.take(members(codes, axes, one)))
        for one in groups
    ]
    p_values = np.array([_p_value(case, one) for one in there])
    weak = holm(p_values) if len(p_values) else np.zeros(0, dtype=bool)
    shrunken = _shrunken([*there], everywhere.value)
    return [
        Confirmed(
            group=group,
            there=interval,
            p_value=float(p),
            is_weak=bool(is_weak),
            shrunken=float(value),
        )
        for group, interval, p, is_weak, value in zip(
            groups, there, p_values, weak, shrunken, strict=True
        )
    ]


def _p_value(case: Case, one: Interval) -> float:
    """Return the chance of a value this bad where the acceptable one is true."""
    from scipy.special import stdtr  # noqa: PLC0415 (heavy)

    if np.isnan(one.value) or not one.se > 0 or one.n_blocks < FEWEST_BLOCKS:
        return 1.0
    short = case.metric.gain(case.acceptable, one.value)
    end = one.ci_high if case.higher_is_better else one.ci_low
    # The limit knows of skewed sums; the wider of it and the plain error counts.
    width = max(abs(end - one.value) / 1.6449, one.se)
    return float(stdtr(one.n_blocks - 1, -short / width))


def _shrunken(there: Sequence[Interval], whole: float) -> Floats:
    values = np.array([one.value for one in there], dtype=float)
    errors = np.array([one.se for one in there], dtype=float) ** 2
    known = np.isfinite(values) & np.isfinite(errors)
    if not known.any():
        return values
    between = max(
        float(np.mean((values[known] - whole) ** 2) - np.mean(errors[known])), 0.0
    )
    weight = between / (between + errors) if between > 0 else np.zeros(len(values))
    return np.asarray(whole + weight * (values - whole))


def _n_blocks(scored: Scores) -> int:
    declared = scored.clusters.declared()
    return len(np.unique(declared[0])) if declared else len(scored.row)
