"""C3: probability that the next row holds a category never seen."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._dates_in_text import has_several_formats
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.seen import Categories, alone
from readiness.stats import (
    Interval,
    clopper_pearson,
    empty_row,
    no_interval,
    student_quantile,
    summary_frame,
    summary_row,
)
from readiness.table_rows import keys_of, look_at
from readiness.tables import Table
from readiness.text import interval, number, visible
from readiness.words import block_word

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "missing_mass"
KINDS = ("categorical", "boolean")
NOTHING = number(0.0, "share")


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Estimate, per categorical feature, the share of rows that bring a new category.

    Parameters
    ----------
    case : Case
        Needs training rows, or reference rows to stand in; no labels, no scores.
    options : Options
        None of its own.

    Returns
    -------
    Measurement
        ``missing_mass`` (share) per feature; the table ``features`` with rows, blocks,
        categories, categories seen once and the estimate.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS when the model has no categorical feature.

    Notes
    -----
    Good and Turing: the categories seen once in the past tell how often a new one
    turns up. Where rows come in blocks (days), "once" means in one block only, and the
    answer is about a row of the next block. Null is no category. It assumes that the
    next block is like the past ones: a new market or a new supplier is outside what
    past rows can tell, and `value_ranges` counts it in the current rows. With fewer
    than 30 blocks or rows the answer is a guess.

    References
    ----------
    I. J. Good (1953), doi:10.1093/biomet/40.3-4.237.
    W. W. Esty (1983), doi:10.1214/aos/1176346256.
    """
    names = [one.name for one in case.columns.values() if one.kind in KINDS]
    if not names:
        msg = "The model has no categorical feature."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    table = case.training_or_reference()
    seen = look_at(case, table, names)
    rows, features = [], []
    for name in names:
        found = seen.categories.get(name)
        why = seen.problems[name] if found is None else _why_not(found)
        if found is None or why is not None:
            reason = why or Reason.SCHEMA
            rows.append(empty_row(METRIC, name, reason, "share", seen.n_rows))
            continue
        mass = missing_mass(found, seen.n_blocks)
        rows.append(summary_row(METRIC, name, mass, "share"))
        features.append(_feature(name, found, mass))
    summary = summary_frame(rows)
    return Measurement(
        summary=summary,
        tables={"features": pd.DataFrame(features)},
        notes=_notes(
            summary, case, table, _unit(case, table) if seen.by_block else "row"
        ),
    )


def _why_not(found: Categories) -> Reason | None:
    """Return why the categories of a column tell nothing."""
    if found.overflow:
        return Reason.UNSUPPORTED_TYPE
    if not found.n_rows:
        return Reason.ALL_NULL
    return Reason.MIXED_TYPES if has_several_formats(found.counts) else None


def missing_mass(seen: Categories, n_blocks: int) -> Interval:
    """Return the share of future rows whose category was never seen.

    Parameters
    ----------
    seen : Categories
        Counts by category, and by block where rows come in blocks.
    n_blocks : int
        Blocks the rows come from; ignored when every row is a block.

    Returns
    -------
    Interval
        ``N1 / n``: rows of categories that one block alone has seen, over rows.

    Notes
    -----
    Esty's variance ``N1 (1 - N1/n) + 2 N2`` (over n squared), with sums of rows by
    block in place of single rows. The limits are the wider of Student's t and
    Clopper-Pearson at the number of rows that would give this variance.
    """
    n_rows = seen.n_rows
    if n_rows == 0:
        return no_interval(0.0, 1.0)
    once, twice = _by_block(seen)
    n_units = n_rows if seen.blocks is None else n_blocks
    total = float(once.sum())
    spread = float(np.sum(once**2)) - total**2 / n_units + 2 * twice
    share, se = total / n_rows, float(np.sqrt(max(spread, 0.0))) / n_rows
    effective = share * (1 - share) / se**2 if share * (1 - share) * se > 0 else n_units
    low, high = clopper_pearson(share * min(effective, n_rows), min(effective, n_rows))
    width = student_quantile(n_units - 1) * se if se > 0 else 0.0
    return Interval(
        value=share,
        ci_low=max(0.0, min(low, share - width)),
        ci_high=min(1.0, max(high, share + width)),
        se=se,
        n_rows=n_rows,
        n_blocks=n_units,
        dependence_factor=1.0 if seen.blocks is None else float("nan"),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the share of each feature with its interval and the limit."""
    summary = measurement.summary
    figure, axes = new_figure(
        "Chance that the next row holds a category never seen",
        xlabel="share of rows",
    )
    draw_intervals(
        axes,
        summary["group"].tolist(),
        summary["value"].tolist(),
        summary["ci_low"].tolist(),
        summary["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == METRIC],
        n_rows=summary["n_rows"].tolist(),
        unit="share",
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return the largest chance of a new category in one sentence."""
    worst = _worst(measurement.summary)
    if worst is None:
        return "No categorical feature could be measured."
    name, share, limits = worst
    n_columns = len(measurement.summary)
    if share == NOTHING:
        return (
            f"None of {n_columns} categorical features has a category seen only once; "
            f"the chance of a new one is {share} ({limits})."
        )
    return (
        f"Among {n_columns} categorical features, {name} is the most likely to bring a "
        f"category never seen: {share} of rows ({limits})."
    )


def _by_block(seen: Categories) -> tuple[np.ndarray, float]:
    """Return rows of lone categories by block, and products of pairs of blocks."""
    if seen.blocks is None:
        counts = np.fromiter(seen.counts.values(), dtype=float)
        return np.ones(int(np.sum(counts == 1))), float(np.sum(counts == 2))  # noqa: PLR2004 (twice)
    by_block: dict[int, float] = {}
    twice = 0.0
    for where in seen.blocks.values():
        if len(where) == 1:
            block, n = next(iter(where.items()))
            by_block[block] = by_block.get(block, 0.0) + n
        elif where:
            twice += float(np.prod(list(where.values())))
    return np.fromiter(by_block.values(), dtype=float), twice


def _feature(name: str, found: Categories, mass: Interval) -> dict[str, object]:
    return {
        "column": name,
        "rows": found.n_rows,
        "blocks": mass.n_blocks,
        "categories": len(found.counts),
        "categories_seen_once": len(alone(found)),
        "missing_mass": mass.value,
        "ci_low": mass.ci_low,
        "ci_high": mass.ci_high,
    }


def _worst(summary: pd.DataFrame) -> tuple[str, str, str] | None:
    known = summary[summary["value"].notna()]
    if known.empty:
        return None
    row = known.iloc[int(np.argmax(known["value"]))]
    limits = interval(row["ci_low"], row["ci_high"], "share")
    return visible(row["group"], 40), number(row["value"], "share"), limits


def _unit(case: Case, table: Table) -> str:
    """Return what one block of a table's rows is called."""
    keys = keys_of(case, table)
    if keys.time is None and keys.block is None:
        return f"{visible(keys.entity, 40)} (entity)"
    named = {"days": "day", "weeks": "week", "hours": "hour"}
    return named.get(block_word(case.block), "block of rows")


def _notes(
    summary: pd.DataFrame, case: Case, table: Table, unit: str
) -> tuple[str, ...]:
    notes = []
    worst = _worst(summary)
    if worst is not None and worst[1] == NOTHING:
        notes.append(
            f"Every category of the {table.name} table was seen in more than one "
            f"{unit}: if the rows to come are like these, new ones are rare "
            f"({worst[2]} cannot be excluded)."
        )
    elif worst is not None:
        notes.append(
            f"{worst[0]} is the feature most likely to bring a category never seen: "
            f"{worst[1]} of the rows to come ({worst[2]}), judged by the categories "
            f"that a single {unit} of the {table.name} table has shown."
        )
    if worst is not None and "current" in case.tables:
        notes.append("C2 counts the new ones that current rows did bring.")
    if table.name != "training":
        notes.append("There is no training table; reference rows stand in for it.")
    return tuple(notes)


CHECK = Check(
    code="C3",
    title="Unseen categories",
    question="How likely is it that the next row holds a category we never saw?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.05,
            required_in=(),
            groups="each",
            reason="One row in twenty without any experience of its category.",
        ),
    ),
)
