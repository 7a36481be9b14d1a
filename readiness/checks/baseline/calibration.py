"""P3: whether predictions come true as often, or as closely, as they say."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.baseline._blocks import widened
from readiness.checks.baseline._calibration_view import (
    BIAS,
    COVERED,
    INTERCEPT,
    SLOPE,
    alt,
    draw,
    notes_on,
)
from readiness.checks.baseline._kept import kept_of
from readiness.checks.baseline._reliability import (
    coverage,
    crossed_bands,
    equal_bins,
    half_band,
    inside_band,
    reliability,
    share_in,
)
from readiness.checks.baseline._rows import (
    Bools,
    Rows,
    declared_groups,
    labelled_rows,
    require_probabilities,
    target_unit,
)
from readiness.errors import Reason
from readiness.evidence import influence_table
from readiness.recalibration import intercept, slope
from readiness.result import INFLUENCE, Check, Limit, Measurement, Options
from readiness.stats import (
    Estimate,
    clustered_interval,
    empty_row,
    summary_frame,
    summary_row,
    weighted_mean,
)

LOG_ODDS = "log-odds"
CLASSES = ("binary", "multiclass")
_Found = tuple[dict[str, Any], pd.DataFrame]  # a row of the summary, what it keeps


def measure(case: Case, options: Options) -> Measurement:
    """Measure calibration: slope and intercept, or bias and residual coverage.

    Parameters
    ----------
    case : Case
        Needs a labelled reference, and probabilities unless it is a regression.
    options : Options
        Only the seed, which halves the blocks of a regression.

    Returns
    -------
    Measurement
        Binary: ``calibration_slope`` and ``calibration_intercept`` (log-odds).
        Multiclass: the slope; the intercept of each class against the rest as
        ``class=label``. Regression: ``bias`` (target unit, prediction minus truth)
        and ``residual_coverage`` (share). Group empty for the reference,
        ``table=current``, and ``column=value`` of declared groups; for coverage also
        ``decile=1`` (lowest predictions) to ``decile=10``. The table ``reliability``
        holds the bins of the figure, ``influence`` what each number keeps by block.

    Raises
    ------
    NotAssessedError
        NO_LABELS, NO_PROBABILITIES, or what scoring the reference raises.

    Notes
    -----
    The slope is that of logistic recalibration; below one the model is too sure. The
    intercept is calibration-in-the-large, with the slope kept at one: negative where
    predictions are too high. Both from influence values summed by block. Coverage: a
    band of one width around every prediction that should hold nine truths in ten;
    its width is learnt on the other half of the blocks, for current rows on the whole
    reference. A slope is worth little under 200 rows of the rarer class, and says
    nothing about bends that a straight line misses: look at the figure.

    References
    ----------
    D. R. Cox (1958), doi:10.1093/biomet/45.3-4.562.
    """
    if case.task != "regression":
        require_probabilities(case)
    tables, problems = labelled_rows(case)
    tables = [_widened(case, one) for one in tables]
    if case.task == "regression":
        found, bins = _regression(case, tables, options.seed)
        names = {BIAS: target_unit(case), COVERED: "share"}
    else:
        found = [row for one in tables for row in _classes(case, one)]
        bins = pd.concat([reliability(one) for one in tables], ignore_index=True)
        names = {SLOPE: ""}
    rows = [row for row, _ in found]
    rows += [
        empty_row(name, group, reason, unit)
        for group, reason in problems.items()
        for name, unit in names.items()
    ]
    summary = summary_frame(rows)
    kept = influence_table(lines for _, lines in found)
    return Measurement(
        summary=summary,
        tables={"reliability": bins, INFLUENCE: kept},
        notes=notes_on(summary),
    )


def _widened(case: Case, rows: Rows) -> Rows:
    scored = rows.scores
    estimate = case.metric.estimate(
        scored.y_true, scored.y_score, scored.weight, case.threshold
    )
    return widened(case, rows, estimate)


def _classes(case: Case, rows: Rows) -> Iterable[_Found]:
    everything = np.ones(len(rows.scores.y_true), dtype=bool)
    parts = [(rows.group, everything)]
    if rows.group == "":
        parts += declared_groups(case, rows)
    for group, mask in parts:
        truth, said, weight = _taken(rows, mask)
        estimate = slope(truth, said, weight)
        yield _row(case, (SLOPE, group), rows, mask, estimate, unit="")
        if case.task == "binary":
            estimate = intercept(truth, said, weight)
            yield _row(case, (INTERCEPT, group), rows, mask, estimate, unit=LOG_ODDS)
    if case.task == "multiclass" and rows.group == "":
        for code, label in enumerate(case.classes):
            truth, said, weight = _taken(rows, everything)
            estimate = intercept((truth == code).astype(float), said[:, code], weight)
            group = f"class={label}"
            yield _row(
                case, (INTERCEPT, group), rows, everything, estimate, unit=LOG_ODDS
            )


def _taken(rows: Rows, mask: Bools) -> tuple[Any, Any, Any]:
    scored = rows.scores
    weight = None if scored.weight is None else scored.weight[mask]
    return scored.y_true[mask], scored.y_score[mask], weight


def _row(
    case: Case,
    finding: tuple[str, str],
    rows: Rows,
    mask: Bools,
    estimate: Estimate,
    *,
    unit: str,
) -> _Found:
    kept = kept_of(case, rows, finding, estimate, mask)
    if np.isfinite(estimate.value):
        measured = clustered_interval(estimate, rows.scores.clusters.take(mask))
        return summary_row(*finding, measured, unit), kept
    one_class = len(np.unique(rows.scores.y_true[mask])) == 1
    reason = Reason.ONE_CLASS if one_class else Reason.NOT_MEASURED
    return empty_row(*finding, reason, unit, int(mask.sum())), kept


def _regression(
    case: Case, tables: list[Rows], seed: int
) -> tuple[list[_Found], pd.DataFrame]:
    found: list[_Found] = []
    bins: list[pd.DataFrame] = []
    for one in tables:
        own = one.group == ""
        width = crossed_bands(one, seed) if own else half_band(tables[0])
        inside = inside_band(one, width)
        everything = np.ones(len(inside), dtype=bool)
        parts = [(one.group, everything)]
        parts += declared_groups(case, one) if own else []
        for group, mask in parts:
            truth, said, weight = _taken(one, mask)
            off = weighted_mean(said - truth, weight)
            unit = target_unit(case)
            found.append(_row(case, (BIAS, group), one, mask, off, unit=unit))
            found.append(_covered(case, one, group, inside, mask))
        bins.append(coverage(one, inside))
        if own:
            decile = equal_bins(one.scores.y_score)
            found += [
                _covered(case, one, f"decile={place + 1}", inside, decile == place)
                for place in np.unique(decile)
            ]
    return found, pd.concat(bins, ignore_index=True)


def _covered(case: Case, rows: Rows, group: str, inside: Bools, mask: Bools) -> _Found:
    share = share_in(rows, inside, mask)
    weight = rows.scores.weight
    of_rows = weighted_mean(inside[mask], None if weight is None else weight[mask])
    kept = kept_of(case, rows, (COVERED, group), of_rows, mask)
    return summary_row(COVERED, group, share, "share"), kept


CHECK = Check(
    code="P3",
    title="Calibration",
    question="Do predictions come true as often, or as closely, as they say?",
    measure=measure,
    draw=draw,
    alt=alt,
    seeded_in=("regression",),
    limits=(
        Limit(
            metric=SLOPE,
            side="at_least",
            limit=0.8,
            required_in=("medium", "high"),
            tasks=CLASSES,
            reason=(
                "Below 0.8 high probabilities are too high and low ones too low: a "
                "decision taken at a stated probability is taken at another one."
            ),
        ),
        Limit(
            metric=SLOPE,
            side="at_most",
            limit=1.25,
            required_in=("medium", "high"),
            tasks=CLASSES,
            reason=(
                "Above 1.25 the model knows more than its probabilities say, and "
                "decisions come too late."
            ),
        ),
        Limit(
            metric=COVERED,
            side="at_least",
            limit=0.85,
            required_in=("medium", "high"),
            tasks=("regression",),
            reason=(
                "A band that promises nine truths in ten and holds fewer than 85 in "
                "100 misleads whoever plans with it."
            ),
        ),
    ),
    metrics=(INTERCEPT, BIAS),
)
