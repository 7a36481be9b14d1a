"""C0: do the tables still have the columns, types and values of training."""

from typing import TYPE_CHECKING, Any

import numpy as np

from readiness.case import Case
from readiness.checks.coverage._freshness import METRIC as AGE
from readiness.checks.coverage._freshness import age_of_current
from readiness.checks.coverage._schema_report import (
    draw_columns,
    integrity_table,
    ledger_table,
    sentences,
    violation_table,
)
from readiness.checks.coverage._violations import find_violations
from readiness.profiles import profile
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import no_interval, summary_frame, summary_row
from readiness.table_rows import group_of
from readiness.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "schema_violations"
NAMED = 10  # columns a sentence names


def measure(case: Case, options: Options) -> Measurement:
    """Count the rules that each feature breaks, over all tables.

    Parameters
    ----------
    case : Case
        Every table is held against training, or against the reference where there is
        no training table. No labels, no scores.
    options : Options
        ``new_null_share``: share of missing values that breaks a column which had
        none in training.

    Returns
    -------
    Measurement
        ``schema_violations`` (count) per feature and, as group ``""``, of all; where
        the case declares ``data.max_age``, ``age_days`` (days): how long before the
        run began the newest current row was. Tables
        ``violations``; ``integrity``: every column of every table with its type,
        nulls and NaN apart, infinite and distinct values, extremes; ``ledger``: rows
        read, used and left out.

    Notes
    -----
    A violation is a rule broken by a column in one table: it is missing, of another
    kind (whole and other numbers and booleans are one kind), of mixed or unusable
    type, without any value, missing values or infinite values where training had
    none, constant where training was not, outside the declared range or kind. Counts
    are exact. A column that became constant is no violation where chance explains it
    (less than one in a thousand), nor where it never changed within a block of
    training, as a month does not change within a day. What the model itself declared
    when it was fitted is not read: training stands for it. A change of unit keeps the
    schema; see `value_ranges`. More than 1,024 distinct values are estimated, with a
    standard error of 3 %.

    The age counts to the newest row that is not in the future; times without a zone
    are taken for UTC, a date for its midnight. It differs from run to run and stays
    out of the digest of results.

    References
    ----------
    E. Breck et al. (2019), "Data validation for machine learning", MLSys.
    """
    profiles = {name: profile(case, name) for name in case.tables}
    share = float(options["new_null_share"])
    violations = find_violations(case, profiles, share)
    counted = dict.fromkeys(case.features, 0)
    for one in violations:
        counted[one.column] += 1
    n_rows = sum(table.n_rows for table in case.tables.values())
    by_column = [(group_of(name), n) for name, n in counted.items()]
    pairs = [("", len(violations)), *by_column]
    rows, said = age_of_current(case)
    return Measurement(
        summary=summary_frame([*(_row(name, n, n_rows) for name, n in pairs), *rows]),
        tables={
            "violations": violation_table(violations),
            "integrity": integrity_table(case, profiles, violations),
            "ledger": ledger_table(case),
        },
        notes=(*said, *sentences(case, profiles, violations)),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (any violation is one too many)
    """Draw the missing values of each column by table, and name what is broken."""
    return draw_columns(
        measurement.tables["integrity"], measurement.tables["violations"]
    )


def alt(measurement: Measurement) -> str:
    """Return how many rules are broken and by which columns."""
    violations = measurement.tables["violations"]
    n_columns = int((measurement.summary["group"] != "").sum())
    if violations.empty:
        return f"None of the {n_columns:,} features breaks the schema in any table."
    names = list(violations["column"].unique())
    listed = ", ".join(visible(name, 40) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"{len(violations):,} schema violations in {len(names):,} of {n_columns:,} "
        f"features: {listed}{more}."
    )


def _row(group: str, n_violations: int, n_rows: int) -> dict[str, Any]:
    row = summary_row(METRIC, group, no_interval(), "count")
    exact = dict.fromkeys(("value", "ci_low", "ci_high"), float(n_violations))
    return {**row, **exact, "n_rows": n_rows, "n_blocks": np.nan}


CHECK = Check(
    code="C0",
    title="Schema and integrity",
    question=(
        "Does every table still have the columns, types and values that the model was "
        "fitted on?"
    ),
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=(),
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0,
            required_in=("low", "medium", "high"),
            groups="each",
            reason="A model given other columns than it was fitted on answers blindly.",
        ),
        Limit(
            metric=AGE,
            side="at_most",
            limit="case:data.max_age",
            required_in=("low", "medium", "high"),
            reason="A verdict on rows of another time says nothing about today.",
        ),
    ),
    defaults={"new_null_share": 0.01},
)
