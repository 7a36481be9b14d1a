"""C6: groups of rows on which the model misses its target, found and confirmed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._attributes import choose
from readiness.checks.coverage._confirm import (
    Confirmed,
    codes_of,
    confirmed,
    half_of,
    losses,
    most_blocks,
)
from readiness.checks.coverage._group_report import (
    group_table,
    name_of,
    sentences,
)
from readiness.checks.coverage._search import members, worst_groups
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.patterns import Axis
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Interval,
    Ints,
    empty_row,
    proportion_interval,
    summary_frame,
    summary_row,
)
from readiness.table_rows import clusters_of, joined_clusters, keys_of
from readiness.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "confirmed_slice_share"
SMALLEST_SHARE = 0.01


def measure(case: Case, options: Options) -> Measurement:
    """Search half of the labelled blocks for weak groups, and confirm on the rest.

    Parameters
    ----------
    case : Case
        With an acceptable value and labels; the labelled table with the most blocks is
        used, and the shares are those of the current rows where there are any.
    options : Options
        ``attributes`` (names; empty: declared groups, then the features that move the
        score most, at most eight), ``level`` (attributes combined at a time),
        ``carried`` (groups asked again).

    Returns
    -------
    Measurement
        ``confirmed_slice_share`` (share of rows in a group confirmed to miss the
        acceptable value); its upper limit counts the groups as well that look weak and
        could not be confirmed. The headline metric for each group carried forward.
        Table ``groups``.

    Raises
    ------
    NotAssessedError
        NO_ACCEPTABLE, NO_LABELS, NO_COLUMNS, or what scoring the rows raises.

    Notes
    -----
    Every pattern of the attributes up to the level is looked at on one half of the
    blocks, ranked by SliceLine's score of the metric's loss (log loss where a row has
    none). Groups below a hundredth of the rows are left out, and those that are mostly
    a better one. The others are asked on the second half: a t-test of the metric by
    block against the acceptable value, and Holm over all of them, so that naming any
    sound group has a chance of at most 5 %. Half of the data finds, so a group needs to
    be clearly weak or large. Fewer than 30 blocks in a group confirm nothing.

    References
    ----------
    S. Sagadeeva, M. Boehm (2021), doi:10.1145/3448016.3457323: the search.
    S. Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    """
    _ = case.acceptable
    if not case.labelled_tables():
        msg = "No table that the model was not fitted on has labels."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    scored = most_blocks(case)
    table = case.table(scored.table)
    chosen = choose(
        case,
        table,
        table,
        {"attributes": options["attributes"], "domains": {}},
        options.seed,
    )
    axes = [one.axis for one in chosen.attributes]
    codes = codes_of(table, chosen.attributes)
    own = codes[scored.row]
    first = half_of(case, scored, options.seed)
    groups = worst_groups(
        own[first],
        losses(case, scored)[first],
        axes,
        level=int(options["level"]),
        min_rows=max(int(SMALLEST_SHARE * first.sum()), 2),
        most=int(options["carried"]),
    )
    found = confirmed(case, scored.take(~first), own[~first], axes, groups)
    traffic = case.table("current") if case.has("current") else table
    met = codes if traffic is table else codes_of(traffic, chosen.attributes)
    share, shares = _shares(case, traffic, met, axes, found)
    summary = [summary_row(METRIC, "", share, "share")]
    unit = case.metric.unit
    for one in found:
        group = name_of(chosen.attributes, one.group)
        if np.isnan(one.there.value):
            rows = one.there.n_rows
            row = empty_row(case.metric.name, group, Reason.TOO_FEW_ROWS, unit, rows)
        else:
            row = summary_row(case.metric.name, group, one.there, unit)
        summary.append(row)
    return Measurement(
        summary=summary_frame(summary),
        tables={
            "groups": group_table(case, chosen.attributes, found, shares),
            "target": pd.DataFrame(
                {
                    "side": ["at_least" if case.higher_is_better else "at_most"],
                    "acceptable": [case.acceptable],
                }
            ),
        },
        notes=sentences(case, chosen, found, shares, share, scored.table),
    )


def _shares(
    case: Case,
    traffic: Table,
    codes: Ints,
    axes: Sequence[Axis],
    found: Sequence[Confirmed],
) -> tuple[Interval, list[float]]:
    """Return the share of rows in confirmed groups, and in each group."""
    keys = keys_of(case, traffic)
    clusters = joined_clusters(
        [clusters_of(one, keys) for one in traffic.batches(keys.columns())]
    )
    hits = [members(codes, axes, one.group) for one in found]
    nothing = np.zeros(len(codes), dtype=bool)
    weak, open_ = nothing.copy(), nothing.copy()
    for one, hit in zip(found, hits, strict=True):
        short = case.metric.gain(case.acceptable, one.there.value)
        if one.is_weak:
            weak |= hit
        elif not short <= 0:  # also where it has no value
            open_ |= hit
    certain = proportion_interval(weak, clusters)
    possible = proportion_interval(weak | open_, clusters)
    exact = not weak.any()
    share = Interval(
        value=certain.value,
        ci_low=0.0 if exact else certain.ci_low,
        ci_high=0.0 if exact and not open_.any() else possible.ci_high,
        se=certain.se,
        n_rows=certain.n_rows,
        n_blocks=certain.n_blocks,
        dependence_factor=certain.dependence_factor,
    )
    return share, [float(hit.mean()) for hit in hits]


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the metric of each group on the half it was not found on."""
    table = measurement.tables["groups"]
    groups = measurement.summary.iloc[1:]
    figure, axes = new_figure(
        "Groups the model finds hardest, on rows they were not found on",
        xlabel="headline metric (fail: confirmed to miss the acceptable value)",
    )
    if groups.empty:
        axes.text(0.5, 0.5, "no group does worse than the whole", ha="center")
        axes.set_axis_off()
        return figure
    floor = measurement.tables["target"].iloc[0]
    is_weak = table["verdict"].eq("confirmed")
    misses = groups["value"] < floor["acceptable"]
    if floor["side"] == "at_most":
        misses = groups["value"] > floor["acceptable"]
    draw_intervals(
        axes,
        groups["group"].tolist(),
        groups["value"].tolist(),
        groups["ci_low"].tolist(),
        groups["ci_high"].tolist(),
        limits=[
            Limit(
                metric=METRIC,
                side=floor["side"],
                limit=float(floor["acceptable"]),
                required_in=(),
                reason="The acceptable value of the case.",
            )
        ],
        n_rows=groups["n_rows"].tolist(),
        statuses=[
            "fail" if weak else "inconclusive" if miss else "pass"
            for weak, miss in zip(is_weak, misses, strict=True)
        ],
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return the answer in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="C6",
    title="Weak groups",
    question="Are there groups of rows on which the model misses its target?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.01,
            required_in=(),
            reason="Who belongs to such a group is served worse than was promised.",
        ),
    ),
    defaults={"attributes": (), "level": 2, "carried": 10},
    shown="groups",
)
