"""X1: whether attributions add up to what the model says, from the right start."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._explained import DEFAULTS, explained
from readiness.figures import draw_limit, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import Floats, summary_frame
from readiness.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADDITIVITY, BASE = "additivity_error", "base_value_error"
SMALLEST = 1e-17  # drawn in place of exactly nothing on a logarithmic axis
LIMIT = 1e-4


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far attributions miss the model's output and its mean.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows`` (10,000): the most random reference rows, of which as many are
        explained as the order of the first columns needs, against ``background``
        (1,000) others; ``evaluations``: the most rows a sampled route may score.

    Returns
    -------
    Measurement
        ``additivity_error``: the largest distance, over rows, of start plus all
        attributions from the model's own output. ``base_value_error``: the largest
        distance of the start from the mean of the model's own output over the whole
        background. In output units (log-odds or probability); for regression in
        standard deviations of the output. Table ``errors``: each row's distance, by
        rising size.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, or what scoring the reference raises.

    Notes
    -----
    Both numbers are facts about these rows, not estimates: they have no interval.
    Additivity alone proves little, it also holds for a background that was cut to
    100 rows; the start then differs from the mean over the whole background.

    References
    ----------
    S. Lundberg, S.-I. Lee (2017), arXiv:1705.07874, local accuracy.
    """
    rows = explained(case, options)
    found = rows.found
    unit, scale = found.unit, 1.0
    if case.task == "regression":
        unit, scale = "SD of the output", float(np.std(found.output)) or 1.0
    sums = found.base + found.values.sum(axis=1).to_numpy()
    errors = np.sort(np.abs(sums - found.output)) / scale
    start = float(np.max(np.abs(found.base - found.background_output))) / scale
    n_rows = len(errors)
    summary = summary_frame(
        [
            _exact_row(ADDITIVITY, float(errors[-1]), unit, n_rows),
            _exact_row(BASE, start, unit, found.n_background),
        ]
    )
    note = (
        f"{n_rows:,} rows were explained against {found.n_background:,} others "
        f"({found.method}, in {found.unit})."
    )
    if found.n_recomputed:
        note += (
            f" {found.n_recomputed:,} of them did not add up at first and were "
            "computed again, pair by pair."
        )
    return Measurement(
        summary=summary,
        tables={"errors": _quantiles(errors, unit)},
        notes=(note,),
    )


def _exact_row(metric: str, value: float, unit: str, n_rows: int) -> dict[str, object]:
    return {
        "metric": metric,
        "group": "",
        "value": value,
        "ci_low": value,
        "ci_high": value,
        "n_rows": n_rows,
        "unit": unit,
    }


def _quantiles(errors: Floats, unit: str) -> pd.DataFrame:
    share = np.linspace(0, 1, min(len(errors), 101))
    return pd.DataFrame(
        {
            "share_of_rows": share,
            "additivity_error": np.quantile(errors, share, method="lower"),
            "unit": unit,
        }
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the additivity error of the rows, by rising size, with its limit."""
    errors = measurement.tables["errors"]
    unit = str(errors["unit"].iloc[0])
    figure, axes = new_figure(
        "How far attributions miss the model's output",
        xlabel="rows, by rising error (share)",
        ylabel=f"error ({unit}, logarithmic)",
    )
    axes.set_yscale("log")
    drawn = errors["additivity_error"].clip(lower=SMALLEST)
    axes.plot(errors["share_of_rows"], drawn, marker=".", linewidth=1)
    for limit in limits:
        if limit.metric == ADDITIVITY and not isinstance(limit.limit, str):
            text = f"at most {number(limit.limit, exact=True)}"
            draw_limit(axes, limit.limit, text, vertical=False)
    return figure


def alt(measurement: Measurement) -> str:
    """Return the two largest errors in one sentence."""
    by_metric = measurement.summary.set_index("metric")
    sizes = by_metric["value"]
    return (
        f"Attributions miss the model's output by at most {sizes[ADDITIVITY]:.1g} and "
        f"start {sizes[BASE]:.1g} from its mean ({by_metric['unit'].iloc[0]})."
    )


CHECK = Check(
    code="X1",
    title="Exactness of the explanation",
    question="Do the attributions add up to what the model says?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=tuple(
        Limit(
            metric=metric,
            side="at_most",
            limit=LIMIT,
            required_in=("medium", "high"),
            reason=reason,
        )
        for metric, reason in (
            (ADDITIVITY, "An explanation that does not add up explains another model."),
            (BASE, "A start off the mean was taken from other rows than it says."),
        )
    ),
    defaults=DEFAULTS,
)
