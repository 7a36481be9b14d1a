"""C2: share of production rows outside the values the model was fitted on."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, GREY
from readiness.case import Case
from readiness.checks.coverage._dates_in_text import has_several_formats
from readiness.checks.coverage._outside import (
    Outside,
    count_outside,
    expected_outside,
)
from readiness.checks.coverage._range_report import (
    EXPECTED,
    METRIC,
    by_share,
    columns_table,
    new_categories,
    sentences,
)
from readiness.errors import NotAssessedError, Reason
from readiness.evidence import influence_table, share_lines
from readiness.figures import draw_intervals, new_figure
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.stats import empty_row, no_interval, summary_frame, summary_row
from readiness.table_rows import (
    Seen,
    compared_tables,
    group_of,
    look_at,
    readable,
)
from readiness.tables import Table
from readiness.text import number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = 20


def measure(case: Case, options: Options) -> Measurement:  # noqa: ARG001 (one signature for all checks)
    """Count the rows that hold a number out of range or a category never seen.

    Parameters
    ----------
    case : Case
        Current rows are held against training; without current rows the reference is,
        without training rows the reference stands in. No labels, no scores.
    options : Options
        None of its own.

    Returns
    -------
    Measurement
        ``outside_share`` (share of rows) per feature and, as group ``""``, in any
        feature; ``expected_outside_share``: the share to expect if nothing changed.
        Tables ``columns`` and ``new_categories``.

    Raises
    ------
    NotAssessedError
        NO_TABLE when the case has a reference table alone; NO_COLUMNS when no feature
        can be compared.

    Notes
    -----
    Even if nothing changes some rows fall outside: with n independent training rows,
    2/(n+1) of the next ones leave the range of a continuous column, and about N1/n
    bring a category (N1: categories seen once). Here every training block (day) is
    left out in turn and its rows are held against the others, so days that hang
    together are counted as such; the limit holds the measured share, unreduced.
    Missing values are not outside: `schema` counts them. A value inside the range may
    still lie in a gap no row has filled. One wild training value hides the whole range.
    A real number beyond the range by less than a billionth of the bound, or than the
    coarser of the stored types resolves, is inside: it differs by rounding alone. Texts
    that are dates in several formats are not compared.

    References
    ----------
    H. E. Robbins (1968), doi:10.1214/aoms/1177698526.
    """
    base, other = compared_tables(case)
    kept, problems = readable(case, other, case.features)
    seen = look_at(case, base, kept)
    problems |= seen.problems
    problems |= _blind(seen)
    names = [name for name in kept if name not in problems]
    if not names:
        msg = f"No feature of the {other.name} table can be compared with {base.name}."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    outside = count_outside(case, other, seen, names)
    levels = expected_outside(case, base, seen, names)
    rows = [
        empty_row(METRIC, group_of(name), reason, "share", other.n_rows)
        for name, reason in problems.items()
    ]
    for name, share, level in zip(
        [*map(group_of, names), ""], outside.intervals(), levels, strict=True
    ):
        rows.append(summary_row(METRIC, name, share, "share"))
        rows.append(_expected_row(name, float(level), base.n_rows))
    summary = summary_frame(rows)
    return Measurement(
        summary=summary,
        tables={
            "columns": columns_table(case, seen, outside, summary),
            "new_categories": new_categories(case, outside),
            INFLUENCE: _kept(case, other, outside),
        },
        notes=sentences(case, seen, outside, summary, (base.name, other.name)),
    )


def _kept(case: Case, table: Table, outside: Outside) -> pd.DataFrame:
    """Return the sums by block: of any column first, then by share; none sensitive."""
    findings = [(METRIC, group_of(name)) for name in outside.names]
    *lines, whole = share_lines(case, table, outside.shares, [*findings, (METRIC, "")])
    order = np.argsort(-outside.shares.totals[1:-1], kind="stable")
    shown = [n for n in order if not case.columns[outside.names[n]].sensitive]
    return influence_table([whole, *(lines[n] for n in shown)])


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the share outside of each column, and the share to expect."""
    wide = by_share(measurement.summary).head(DRAWN)
    figure, axes = new_figure(
        "Rows with a value never seen in training",
        xlabel="share of rows   ( | expected if nothing had changed )",
    )
    draw_intervals(
        axes,
        [name or "any feature" for name in wide["group"]],
        wide["value"].tolist(),
        wide["ci_low"].tolist(),
        wide["ci_high"].tolist(),
        limits=[one for one in limits if one.metric == METRIC],
        n_rows=wide["n_rows"].tolist(),
        unit="share",
    )
    for place, (value, expected) in enumerate(
        zip(wide["value"], wide["expected"], strict=True)
    ):
        axes.plot([0, value], [place, place], color=GREY, linewidth=0.8, zorder=1)
        axes.plot(expected, place, "|", color=BLACK, markersize=9)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the share of rows outside in any feature, and the worst feature."""
    wide = by_share(measurement.summary)
    whole = wide[wide["group"] == ""].iloc[0]
    share = number(whole["value"], "share")
    level = number(whole["expected"], "share")
    first = f"{share} of rows hold a value never seen in training; {level} is expected."
    single = wide[(wide["group"] != "") & (wide["value"] > 0)]
    if single.empty:
        return first
    worst = single.iloc[0]
    name = visible(worst["group"], 40)
    return f"{first} Most are in {name}: {number(worst['value'], 'share')}."


def _expected_row(group: str, level: float, n_rows: int) -> dict[str, Any]:
    row = summary_row(EXPECTED, group, no_interval(), "share")
    exact = {"value": level, "ci_low": level, "ci_high": level, "n_blocks": np.nan}
    return {**row, **exact, "n_rows": n_rows}


def _blind(seen: Seen) -> dict[str, Reason]:
    """Return the columns of which nothing, or too much, was seen."""
    empty = [name for name, one in seen.high.items() if np.isinf(one.values[0])]
    empty += [
        name
        for name, one in seen.categories.items()
        if not one.counts and not one.overflow
    ]
    ids = [name for name, one in seen.categories.items() if one.overflow]
    dates = [n for n, one in seen.categories.items() if has_several_formats(one.counts)]
    found = dict.fromkeys(empty, Reason.ALL_NULL)
    found |= dict.fromkeys(ids, Reason.UNSUPPORTED_TYPE)
    return found | dict.fromkeys(dates, Reason.MIXED_TYPES)


CHECK = Check(
    code="C2",
    title="Ranges and new categories",
    question="How often does production bring a value the model was never fitted on?",
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=(),
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.01,
            required_in=("high",),
            reason="One row in a hundred is scored on a value no past row vouches for.",
        ),
    ),
    metrics=(EXPECTED,),
)
