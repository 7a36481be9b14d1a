"""D7: whether a change of quality came with other rows or with other outcomes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.canvas import BLACK, BLUE, GREY
from readiness.case import Case
from readiness.checks.drift._shared_parts import (
    CHANGE,
    CONCEPT,
    COVARIATE,
    CURRENT,
    SHARED,
    Both,
    parts_of,
    shared_weights,
)
from readiness.checks.drift._two_periods import Periods, learned, two_periods
from readiness.errors import Reason
from readiness.figures import new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.scored import headline
from readiness.stats import (
    Estimate,
    clustered_interval,
    effective_sample_size,
    empty_row,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_ROWS = {True: 300, False: 500}  # effective, by whether the loss is bounded
MIN_BLOCKS = 25  # effective
SLIVER = 0.01  # of the periods: no digits are worth reading
MIN_OVERLAP = 0.05  # below it the chances that weigh the rows are guesses
POINTS = "metric points"
PARTS = {
    COVARIATE: "another mix of known rows",
    CONCEPT: "other outcomes of the same rows",
    CURRENT: "rows the reference hardly has",
}
REMEDIES = {
    COVARIATE: (
        "rows known before come in another mix: weight the training rows by today's "
        "mix; no new labels are needed"
    ),
    CONCEPT: "the same rows turn out differently: fit again on recent labels",
    CURRENT: "rows are of a new kind: collect labels of them and add them to training",
}


def measure(case: Case, options: Options) -> Measurement:
    """Split the change of the mean loss from the reference to the current rows.

    Parameters
    ----------
    case : Case
        With labels in the reference and in the current table.
    options : Options
        ``rows`` (of each table that a learner is fitted on at most), ``most_rows``
        (of each table that are looked at; both drawn by what the rows hold).

    Returns
    -------
    Measurement
        ``observed_change`` (metric points of the loss, positive is worse) and its
        parts: ``covariate_part`` (rows both periods have, in another mix),
        ``concept_part`` (the same rows, other outcomes), ``current_part`` (rows the
        reference hardly has); ``shared_share``: the overlap of the two periods. Tables
        ``parts`` and ``periods``.

    Raises
    ------
    NotAssessedError
        NO_TABLE, NO_LABELS, NO_COLUMNS; TOO_FEW_BLOCKS when the blocks of a period are
        too few to hold some of them out.

    Notes
    -----
    The parts go through the rows that both periods could have, of density pq / (p + q).
    The loss is the headline metric's own, or the one D5 names in its place. Weights:
    boosted trees tell the periods apart, fitted without the row's block, their
    log-odds bent by a straight line until they come true on other blocks. The expected
    loss of a row, learned the same way, takes the first-order error of the weights out.
    Intervals: influence, summed by block over both tables; what remains of the
    learners' error is not in them. No parts where fewer than 300 effective rows (500 of
    an unbounded loss), 25 effective blocks or a twentieth of the periods are shared.
    What the features do not hold counts as concept: a cause nobody recorded looks like
    another rule.

    References
    ----------
    T. T. Cai, H. Namkoong, S. Yadlowsky (2023), arXiv:2303.02011. V. Chernozhukov et
    al. (2018), doi:10.1111/ectj.12097.
    """
    periods = two_periods(case, int(options["most_rows"]), options.seed)
    both = learned(periods, int(options["rows"]), options.seed)
    found = parts_of(both)
    is_shared = found[SHARED].value >= MIN_OVERLAP and _carried(periods, both)
    rows = [
        _row(name, one, periods, known=is_shared or name not in PARTS)
        for name, one in found.items()
    ]
    summary = summary_frame(rows)
    parts = summary[["metric", "value", "ci_low", "ci_high"]].assign(
        words=summary["metric"].map({CHANGE: "all of the change", **PARTS})
    )
    return Measurement(
        summary=summary,
        tables={
            "parts": parts[parts["metric"] != SHARED].assign(
                loss=periods.loss[0].words
            ),
            "periods": _table(case, periods, both),
        },
        notes=_notes(case, periods, summary, int(options["most_rows"])),
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the change and its parts with their intervals."""
    parts = measurement.tables["parts"].iloc[::-1]
    loss = parts["loss"].iloc[0]
    figure, axes = new_figure(
        f"Where the change of the {loss} came from",
        f"change of the mean {loss} (right is worse)",
        height_in=2.6,
    )
    places = np.arange(len(parts))
    known = parts["value"].notna().to_numpy()
    is_whole = (parts["metric"] == CHANGE).to_numpy()
    for rows, color in ((known & ~is_whole, BLUE), (known & is_whole, BLACK)):
        some = parts[rows]
        axes.hlines(
            places[rows], some["ci_low"], some["ci_high"], color=color, linewidth=1.6
        )
        axes.plot(some["value"], places[rows], "o", color=color, markersize=6)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    for place in places[~known]:
        axes.text(0.01, place, "the periods share too few rows", fontsize=8, **beside)
    axes.axvline(0, color=GREY, linewidth=1.0)
    axes.set_yticks(places, parts["words"])
    axes.set_ylim(-0.6, len(parts) - 0.4)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the finding of the figure as one sentence."""
    return measurement.notes[0]


def _carried(periods: Periods, both: Both) -> bool:
    """Return whether enough rows and blocks of each period are shared."""
    for current in (False, True):
        weight = shared_weights(both, current=current)
        blocks = [
            effective_sample_size(np.bincount(code, weight))
            for code in periods.clusters.declared()
        ]
        if effective_sample_size(weight) < MIN_ROWS[periods.loss[0].bounded]:
            return False
        if any(count < MIN_BLOCKS for count in blocks):
            return False
    return True


def _row(name: str, one: Estimate, periods: Periods, *, known: bool) -> dict[str, Any]:
    unit = "share" if name == SHARED else POINTS
    if not known:
        return empty_row(name, "", Reason.BEYOND_SUPPORT, unit, len(periods.X))
    measured = clustered_interval(one, periods.clusters)
    row = summary_row(name, "", measured, unit)
    if name == SHARED:
        value, low, high = (
            float(np.clip(row[end], 0.0, 1.0)) for end in ("value", "ci_low", "ci_high")
        )
        row |= {"value": value, "ci_low": low, "ci_high": high}
    return row


def _table(case: Case, periods: Periods, both: Both) -> pd.DataFrame:
    """Return the mean loss and the headline metric of both periods."""
    rows = []
    for current, one in enumerate(periods.scored):
        weight = shared_weights(both, current=bool(current))
        rows.append(
            {
                "table": one.table,
                "n_rows": len(one.row),
                "mean_loss": np.average(
                    periods.loss[current].values, weights=one.weight
                ),
                case.metric.name: headline(case, one).value,
                "effective_shared_rows": effective_sample_size(weight),
            }
        )
    return pd.DataFrame(rows)


def _notes(
    case: Case, periods: Periods, summary: pd.DataFrame, most: int
) -> tuple[str, ...]:
    rows = {str(one["metric"]): one for one in summary.to_dict("records")}
    loss, change = periods.loss[0].words, rows[CHANGE]
    said = (
        f"From the reference to the current rows the mean {loss} changed by "
        f"{_signed(change)}"
    )
    overlap = rows[SHARED]
    shared = interval(overlap["ci_low"], overlap["ci_high"], "share")
    much = f"{number(overlap['value'], 'share')} ({shared})"
    if overlap["value"] < SLIVER:
        much = f"less than {number(SLIVER, 'share', exact=True)}"
    basis = f"The two periods overlap by {much}. Judged on {_counts(periods, most)}."
    if rows[COVARIATE]["reason"] == Reason.BEYOND_SUPPORT:
        return (
            f"{said}. The two periods share too few rows to say where that came from.",
            basis,
        )
    parts = "; ".join(f"{_signed(rows[one])} from {PARTS[one]}" for one in PARTS)
    before, after = (headline(case, one).value for one in periods.scored)
    metric = (
        f"On the reference rows {metric_words(case.metric.name)} was {number(before)}, "
        f"on the current ones it is {number(after)}."
    )
    return f"{said}. Of this: {parts}.", _remedy(rows), metric, basis


def _signed(row: Mapping[Any, Any]) -> str:
    held = interval(row["ci_low"], row["ci_high"])
    plus = "+" if row["value"] > 0 else ""
    return f"{plus}{number(row['value'])} ({held})"


def _counts(periods: Periods, most: int) -> str:
    counts = " and ".join(
        f"{number(len(one.row), 'count')} labelled rows of {one.table}"
        for one in periods.scored
    )
    drawn = any(len(one.row) == most for one in periods.scored)
    return f"{counts}, drawn by what they hold" if drawn else counts


def _remedy(rows: Mapping[str, Mapping[Any, Any]]) -> str:
    """Return what to do about the parts that are clearly above zero."""
    clear = [one for one in PARTS if rows[one]["ci_low"] > 0]
    clear.sort(key=lambda one: -rows[one]["value"])
    remedies = "; ".join(REMEDIES[one] for one in clear)
    if clear and rows[CHANGE]["ci_low"] > 0:
        return f"What to do: {remedies}."
    if clear:
        return (
            "The loss as a whole did not clearly rise; for the parts that did: "
            f"{remedies}."
        )
    if rows[CHANGE]["ci_low"] > 0:
        return (
            "The loss clearly rose, but no part of it is clearly above zero: more "
            "blocks of labelled rows would tell them apart."
        )
    return "No part is clearly above zero, so none calls for a remedy."


CHECK = Check(
    code="D7",
    title="Where a drop came from",
    question="Did quality change because other rows came, or because the rule changed?",
    measure=measure,
    draw=draw,
    alt=alt,
    defaults={"rows": 20_000, "most_rows": 500_000},
    metrics=(CHANGE, COVARIATE, CONCEPT, CURRENT, SHARED),
)
