"""S8: whether fits that look alike on good rows part ways under stress."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._seeds import (
    GOOD,
    SMALLEST,
    Fits,
    fitted,
    spread_ratio,
)
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_limit, label, new_figure
from readiness.refits import require_refits
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    CONFIDENCE,
    Interval,
    clustered_interval,
    empty_row,
    student_quantile,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATIO, WORST = "seed_spread_ratio", "worst_seed"
ROW_IN = 0.3


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far fits with other seeds differ, on good rows and under stress.

    Parameters
    ----------
    case : Case
        Needs a labelled training table, labels, and a model that can be fitted again.
    options : Options
        ``seeds`` (10) fits on at most ``training_rows`` (20,000) rows, each judged on
        ``rows`` (4,000) rows of the reference; and as many of the table with the most
        blocks, as they are and with the ``faults`` (6) that cost the model under
        review most. Needs the fault bench (S1).

    Returns
    -------
    Measurement
        ``seed_spread_ratio``: standard deviation of the headline metric over seeds
        under the stress where it is largest, over that on the reference; ``n_rows``
        counts fits. ``worst_seed``: the metric of the worst fit on the reference.
        Tables ``stresses`` and ``seeds``.

    Raises
    ------
    NotAssessedError
        NOT_IN_PROFILE in the quick profile; NO_REFIT, NO_TABLE, NO_LABELS, what the
        fault bench raises, or what scoring the tables raises.

    Notes
    -----
    Every fit sees the same rows, so only the seed differs. The lower limit of the
    largest ratio holds for all stresses at once (Bonferroni); its upper limit is the
    largest of theirs. Limits are exact for metrics that are normal over seeds; with
    ten fits they are a factor of about two away. A learner without chance in it gives
    the same fit every time: after three fits alike it ends, and the ratio does not
    exist. The fits are fresh ones, on fewer rows than the model under review where
    training is large: they tell of the recipe, not of this one model. The worst of
    the seeds looks worse than it is, and its upper limit allows for the choice.

    References
    ----------
    A. D'Amour et al. (2022), "Underspecification presents challenges for credibility
    in modern machine learning", JMLR 23(226).
    """
    if options.profile != "full":
        msg = "The model is fitted again several times, which the quick profile omits."
        raise NotAssessedError(msg, Reason.NOT_IN_PROFILE)
    require_refits(case)
    found = fitted(case, options.needed["S1"], options)
    stresses = _stresses(found)
    worst = _worst_seed(case, found)
    rows = [_ratio_row(stresses, found), summary_row(WORST, "", worst)]
    return Measurement(
        summary=summary_frame(rows),
        tables={"stresses": stresses, "seeds": _seeds(found)},
        notes=_notes(case, found, stresses, worst),
    )


def _stresses(found: Fits) -> pd.DataFrame:
    """Return the spread of each stress with its ratio; the level is for all at once."""
    good = found.values[GOOD]
    names = [name for name in found.values if name != GOOD]
    together = 1 - (1 - CONFIDENCE) / max(len(names), 1)
    lines = []
    for name in names:
        values = found.values[name]
        ratio, _, high = spread_ratio(values, good)
        low = spread_ratio(values, good, together)[1]
        lines.append(
            {
                "stress": name,
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "reference_sd": float(good.std(ddof=1)),
                "ratio": ratio,
                "ci_low": low,
                "ci_high": high,
            }
        )
    columns = ["stress", "mean", "sd", "reference_sd", "ratio", "ci_low", "ci_high"]
    return pd.DataFrame(lines, columns=columns)


def _ratio_row(stresses: pd.DataFrame, found: Fits) -> dict[str, Any]:
    n_fits = len(found.estimates)
    if stresses.empty:
        return empty_row(RATIO, "", Reason.NOT_MEASURED, "", n_fits)
    if _is_alike(stresses):
        return empty_row(RATIO, "", Reason.NOT_THIS_TASK, "", n_fits)
    low, high = float(stresses["ci_low"].max()), float(stresses["ci_high"].max())
    return {
        "metric": RATIO,
        "group": "",
        "value": float(stresses["ratio"].max()),
        "ci_low": low,
        "ci_high": high,
        "n_rows": n_fits,
    }


def _is_alike(stresses: pd.DataFrame) -> bool:
    return bool((stresses[["sd", "reference_sd"]] < SMALLEST).to_numpy().all())


def _worst_seed(case: Case, found: Fits) -> Interval:
    """Return the metric of the worst fit; its good side allows for having chosen it."""
    sign = 1 if case.higher_is_better else -1
    worst = min(found.estimates, key=lambda one: sign * one.value)
    limits = clustered_interval(worst, found.clusters)
    free = max(limits.n_blocks - 1, 1)
    chosen = 1 - (1 - CONFIDENCE) / len(found.estimates)
    wider = student_quantile(free, chosen) / student_quantile(free)
    low, high = limits.value - limits.ci_low, limits.ci_high - limits.value
    if sign > 0:
        high *= wider
    else:
        low *= wider
    return Interval(
        value=limits.value,
        ci_low=limits.value - low,
        ci_high=limits.value + high,
        se=limits.se,
        n_rows=limits.n_rows,
        n_blocks=limits.n_blocks,
        dependence_factor=limits.dependence_factor,
    )


def _seeds(found: Fits) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"stress": name, "fit": number + 1, "value": float(value)}
            for name, values in found.values.items()
            for number, value in enumerate(values)
        ]
    )


def _notes(
    case: Case, found: Fits, stresses: pd.DataFrame, worst: Interval
) -> tuple[str, ...]:
    n_fits, metric = len(found.estimates), case.metric.name
    within = interval(worst.ci_low, worst.ci_high)
    second = (
        f"The worst of {n_fits} fits has {metric} {number(worst.value)} ({within}) on "
        f"the reference; each was fitted on {found.n_training:,} rows."
    )
    notes = [second]
    if stresses.empty:
        notes.insert(0, "No stress could be tried: nothing to compare the seeds on.")
    elif _is_alike(stresses):
        notes.insert(
            0,
            f"The seed changes nothing: {n_fits} fits with other seeds give the same "
            "answers, so there is no spread to compare.",
        )
    else:
        notes.insert(0, _first(found, stresses, metric))
        notes.append("More fits (option seeds) would make the interval narrower.")
    if found.refused:
        names = ", ".join(visible(one, 40) for one in found.refused)
        notes.append(f"A fit refuses, so these are left out: {names}.")
    return tuple(notes)


def _first(found: Fits, stresses: pd.DataFrame, metric: str) -> str:
    worst = stresses.nlargest(1, "ratio").iloc[0]
    within = interval(stresses["ci_low"].max(), stresses["ci_high"].max())
    good = worst["reference_sd"]
    alike = f"by {number(good)}" if good >= SMALLEST else "not at all"
    times = (
        f"{number(worst['ratio'])} times as much ({within})"
        if good >= SMALLEST
        else "without measure more"
    )
    return (
        f"Over {len(found.estimates)} seeds, {metric} differs {alike} (SD) on good "
        f"rows, and by {number(worst['sd'])} under {visible(worst['stress'], 60)}: "
        f"{times}."
    )


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the metric of every fit, on good rows and under each stress."""
    table = measurement.tables["seeds"]
    names = list(dict.fromkeys(table["stress"]))
    figure, axes = new_figure(
        "Headline metric of fits that differ in their seed only",
        xlabel="headline metric, one mark per fit",
        height_in=1.3 + ROW_IN * len(names),
    )
    for place, name in enumerate(names):
        values = table.loc[table["stress"] == name, "value"].to_numpy()
        axes.plot(values, np.full(len(values), place), "|", markersize=11)
    for limit in limits:
        if limit.metric == WORST and not isinstance(limit.limit, str):
            words = f"acceptable: {number(limit.limit, exact=True)}"
            if np.isfinite(limit.limit):
                draw_limit(axes, limit.limit, words)
    axes.set_yticks(range(len(names)), [label(one, 32) for one in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    return figure


def alt(measurement: Measurement) -> str:
    """Return the spread on good rows and under the worst stress in one sentence."""
    stresses = measurement.tables["stresses"]
    n_fits = measurement.tables["seeds"]["fit"].max()
    if stresses.empty or _is_alike(stresses):
        return f"{n_fits} fits with other seeds do not differ under any stress tried."
    worst = stresses.nlargest(1, "ratio").iloc[0]
    return (
        f"Over {n_fits} fits the metric has an SD of {number(worst['reference_sd'])} "
        f"on good rows and of {number(worst['sd'])} under "
        f"{visible(worst['stress'], 60)}."
    )


CHECK = Check(
    code="S8",
    title="Seeds",
    question="Would a model fitted with another seed behave alike under stress?",
    measure=measure,
    draw=draw,
    alt=alt,
    needs=("S1",),
    limits=(
        Limit(
            metric=RATIO,
            side="at_most",
            limit=3.0,
            required_in=(),
            reason=(
                "Fits that tests cannot tell apart, but stress can, were not told by "
                "the data what to do there."
            ),
        ),
        Limit(
            metric=WORST,
            side="good_side",
            limit="case:acceptable",
            required_in=(),
            reason="The next fit may be the worst: it must be acceptable as well.",
        ),
    ),
    defaults={"seeds": 10, "rows": 4000, "faults": 6, "training_rows": 20_000},
)
