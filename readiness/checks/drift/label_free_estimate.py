"""D9: whether performance can be estimated before the labels arrive."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.canvas import BLUE, GREY, VERMILLION
from readiness.case import Case
from readiness.checks.drift._backtest_rows import Trial, trial_of
from readiness.checks.drift._base import base_of
from readiness.checks.drift._expected_errors import Estimator, estimator_of
from readiness.checks.drift._planned import planned
from readiness.errors import NotAssessedError, Reason
from readiness.figures import label, new_figure
from readiness.influence import ratio_of_sums
from readiness.result import Check, Limit, Measurement, Options
from readiness.scored import Scores, headline, headline_interval
from readiness.stats import (
    Clusters,
    Estimate,
    clustered_interval,
    summary_frame,
    summary_row,
    weighted_mean,
)
from readiness.text import interval, number
from readiness.words import metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = "metric points"
COLUMNS = ("window", "until", "rows", "realised", "se", "estimate", "baseline")


def measure(case: Case, options: Options) -> Measurement:
    """Estimate each past window without its labels, then compare with them.

    Parameters
    ----------
    case : Case
        With a time column. Learns from the labelled reference and is tried on windows
        of labelled current rows; with one labelled table, from its earlier half and on
        its later half. ``operation.monitor_window_rows`` gives the windows.
    options : Options
        The seed steers the error model of a regression.

    Returns
    -------
    Measurement
        ``estimate_error``: mean absolute difference between the estimate and what
        the labels then said; ``baseline_error``: the same of assuming that nothing
        changed (both metric points); ``error_ratio`` of the two; ``estimate_bias``:
        mean of estimate less realised. Table ``windows``.

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``NO_TIME``, ``TOO_FEW_ROWS``, ``NO_PROBABILITIES``,
        ``NOT_THIS_TASK``, or what scoring the rows raises.

    Notes
    -----
    Classes: scores are calibrated by isotonic regression and the metric is that of the
    expected confusion (CBPE). Numbers: boosted trees learn the loss of a row (DLE).
    Both see only the inputs. When the relation of inputs to labels changes, the
    estimate stays where it was: no label-free estimate can see concept drift. What is
    realised in a window has an error of its own, so that even a perfect estimate would
    be off; the note says by how much. Windows are taken as independent. Under 30
    windows there is no verdict.

    References
    ----------
    J. Bialek, W. Kuberski, N. Perrakis, A. Bifet (2024), arXiv 2407.08649;
    nannyml.readthedocs.io for direct loss estimation.
    """
    base = base_of(case)
    trial = trial_of(case, base, planned(base))
    estimator = estimator_of(case, trial.learned, options.seed)
    windows = _windows(case, trial, estimator)
    if len(windows) < 2:  # noqa: PLR2004 (one window has no spread)
        msg = f"{case.metric.name} is not defined in the windows of the past."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    return Measurement(
        summary=summary_frame(_summary(windows)),
        tables={"windows": windows.assign(metric=metric_words(case.metric.name))},
        notes=_notes(case, windows, trial),
    )


def _windows(case: Case, trial: Trial, estimator: Estimator) -> pd.DataFrame:
    before = headline(case, trial.learned).value
    rows = [
        (place, *_compared(case, one, estimator), before)
        for place, one in enumerate(trial.windows, start=1)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.dropna(subset=["realised", "estimate"]).reset_index(drop=True)


def _compared(
    case: Case, rows: Scores, estimator: Estimator
) -> tuple[str, int, float, float, float]:
    realised = headline_interval(case, rows)
    until = pd.Series(rows.time).max().date().isoformat()
    return until, len(rows.row), realised.value, realised.se, estimator(rows)


def _summary(windows: pd.DataFrame) -> list[dict[str, object]]:
    off = windows["estimate"] - windows["realised"]
    error = off.abs().to_numpy(dtype=float)
    usual = (windows["baseline"] - windows["realised"]).abs().to_numpy(dtype=float)
    n_rows = int(windows["rows"].sum())

    def row(metric: str, estimate: Estimate, unit: str = POINTS) -> dict[str, object]:
        found = clustered_interval(estimate, Clusters())
        low = found.ci_low if metric == "estimate_bias" else max(found.ci_low, 0.0)
        return summary_row(metric, "", replace(found, ci_low=low, n_rows=n_rows), unit)

    ones = np.ones(len(windows))
    return [
        row("estimate_error", weighted_mean(error)),
        row("baseline_error", weighted_mean(usual)),
        row("error_ratio", ratio_of_sums(error, usual, ones), ""),
        row("estimate_bias", weighted_mean(off)),
    ]


def _notes(case: Case, windows: pd.DataFrame, trial: Trial) -> tuple[str, ...]:
    found = {str(row["metric"]): row for row in _summary(windows)}
    metric = metric_words(case.metric.name)
    first = (
        f"Over {len(windows)} past windows the estimate without labels was off by "
        f"{_told(found['estimate_error'])} of {metric} on average, and assuming that "
        f"nothing changed by {_told(found['baseline_error'])}: "
        f"{_told(found['error_ratio'])} times as much."
    )
    noise = float(np.sqrt(2 / np.pi) * windows["se"].mean())
    second = (
        f"The labels of one window tell {metric} to within {number(noise)} on average, "
        "so that no estimate can look better than that."
    )
    bias = float(str(found["estimate_bias"]["value"]))
    side = "above" if bias > 0 else "below"
    third = (
        f"It lay {number(abs(bias))} {side} what came on average. It cannot see a "
        "change in what the inputs mean."
    )
    learned = trial.learned
    where = (
        f"the earlier half of {learned.table}, tried on the later"
        if trial.one_table
        else f"{learned.table}, tried on {trial.windows[0].table}"
    )
    basis = (
        f"Learnt from {number(len(learned.row), 'count')} labelled rows of {where} in "
        f"windows of about {number(round(windows['rows'].mean()), 'count')} rows."
    )
    left = len(trial.windows) - len(windows)
    extra = (f"{metric} is not defined in {left} windows.",) if left else ()
    return (first, second, third, basis, *extra)


def _told(row: dict[str, object]) -> str:
    value, low, high = (float(str(row[key])) for key in ("value", "ci_low", "ci_high"))
    return f"{number(value)} ({interval(low, high)})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw the estimate beside what the labels then said, window by window."""
    windows = measurement.tables["windows"]
    figure, axes = new_figure(
        "Estimate without labels, and what the labels then said",
        xlabel="last day of the window",
        ylabel=str(windows["metric"].iloc[0]),
    )
    place = windows["window"].to_numpy(dtype=float)
    spread = 1.645 * windows["se"].to_numpy(dtype=float)
    axes.errorbar(
        place,
        windows["realised"],
        yerr=np.where(np.isfinite(spread), spread, 0.0),
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        elinewidth=0.8,
        markersize=4,
        label="realised, with its 90 % interval",
    )
    axes.plot(
        place, windows["estimate"], color=VERMILLION, label="estimate without labels"
    )
    before = float(windows["baseline"].iloc[0])
    axes.axhline(before, color=GREY, linestyle="--", label="nothing has changed")
    shown = _ticks(len(windows))
    axes.set_xticks(
        place[shown], [label(windows["until"].iloc[one], 12) for one in shown]
    )
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _ticks(count: int) -> Sequence[int]:
    return range(0, count, max(-(-count // 6), 1))


def alt(measurement: Measurement) -> str:
    """Return how far off the estimate was."""
    return measurement.notes[0]


CHECK = Check(
    code="D9",
    title="Label-free estimate",
    question="Can performance be told before the labels arrive?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="error_ratio",
            side="at_most",
            limit=0.5,
            required_in=(),
            reason=(
                "An estimate that errs more than half as much as assuming no change "
                "is not worth watching."
            ),
        ),
        Limit(
            metric="estimate_error",
            side="at_most",
            limit="case:tolerated_loss",
            required_in=(),
            reason="It must tell a loss as small as the tolerated one from none.",
        ),
    ),
    metrics=("baseline_error", "estimate_bias"),
)
