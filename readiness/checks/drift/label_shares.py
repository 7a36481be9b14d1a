"""D3: how far the share of a class may move before the model has lost too much."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import LEVEL, LOSS, Base, base_of
from readiness.checks.drift._label_history import moved_codes, past_windows, range_of
from readiness.checks.drift._label_sweep import (
    Mover,
    Sweep,
    budgets,
    curve,
    is_flat,
    mover,
    sweep,
    worst_of_past,
)
from readiness.checks.drift._label_view import alt, draw, notes_on
from readiness.checks.drift._report import base_table
from readiness.errors import Reason
from readiness.metrics import companions
from readiness.recalibration import intercept
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Estimate,
    clustered_interval,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)
from readiness.tilt import tilted
from readiness.tolerance import Budget

WORST = "historical_worst"
BESIDE = ("accuracy", "precision", "recall", "log_loss")
ENDS = ("value", "ci_low", "ci_high")
PLACES = 9  # of the other metrics along a sweep
SHARE, TARGET = "prevalence", "target"
SPENT = Budget(
    value=0.0, ci_low=0.0, ci_high=0.0, direction="", name="", censored=False
)


def measure(case: Case, options: Options) -> Measurement:
    """Measure the headline metric as the share of each class moves.

    Parameters
    ----------
    case : Case
        With labelled rows the model was not fitted on; the table with the most
        blocks is used. The model is not called.
    options : Options
        The seed steers the bands.

    Returns
    -------
    Measurement
        ``historical_worst``: the headline metric at the worst share between the lowest
        and the highest window of the past. ``prevalence_low``, ``prevalence_high``
        (share): where it misses the acceptable value; ``prevalence_loss_low``,
        ``prevalence_loss_high``: where it has lost what is tolerated. Regression:
        ``target_low`` and so on, for the mean target (target unit). Group: empty, or
        ``class=label`` of several classes. Tables ``curves``, ``windows``, ``others``
        (other metrics along the sweep), ``sweeps``, ``base``.

    Raises
    ------
    NotAssessedError
        ``NO_LABELS``, ``ONE_CLASS``, or what scoring the rows raises.

    Notes
    -----
    Rows are re-weighted by class, which is exact where P(x | y) stays: rows of a class
    stay as they are and only become more or fewer. From a third to three times the
    present share, neither the class nor the rest below a third of theirs, and wherever
    the past has been. The target of a regression is tilted, ``w ~ exp(a y)``, which is
    one of many ways to move its mean. Errors are those of rows drawn by class, summed
    by block, with a band for the whole sweep. Areas under the ROC curve, recalls and
    their means cannot notice label shares by construction; ``others`` tells what does.
    The windows' own errors widen the range of the past; those of fewer than 30 rows do
    not count. Nothing is said where fewer than 0.3 of the rows (0.5 for unbounded
    metrics) or 25 blocks would remain in effect, nor about classes of fewer than 30
    rows.

    References
    ----------
    M. Saerens, P. Latinne, C. Decaestecker (2002), doi:10.1162/089976602753284446.
    """
    base = base_of(case)
    windows = past_windows(base)
    rows: list[dict[str, Any]] = []
    sweeps: list[Sweep] = []
    others: list[tuple[Any, ...]] = []
    for code in moved_codes(case):
        moved, found = _swept(base, windows, code)
        if isinstance(found, Reason):
            rows += _empty(base, _names(case, code)[0], found)
        else:
            sweeps.append(found)
            rows += _rows(base, found, options.seed)
            others += _others(moved, found) if isinstance(moved, Mover) else []
    summary = summary_frame(rows)
    shares = dict(zip(moved_codes(case), _columns(case), strict=True))
    tables = {
        "curves": _curves(base, sweeps, options.seed),
        "windows": windows.rename(columns=shares),
        "others": pd.DataFrame(others, columns=["group", "share", "metric", *ENDS]),
        "sweeps": _sweep_table(sweeps),
        "base": base_table(base),
    }
    notes = notes_on(base, summary, tables, [is_flat(one) for one in sweeps])
    return Measurement(summary=summary, tables=tables, notes=notes)


def _swept(
    base: Base, windows: pd.DataFrame, code: int
) -> tuple[Mover | Reason, Sweep | Reason]:
    is_number = base.case.task == "regression"
    moved = mover(base, None if is_number else np.equal(base.y_true, code))
    if isinstance(moved, Reason):
        return moved, moved
    names = _names(base.case, code)
    return moved, sweep(moved, *names, range_of(windows, code))


def _names(case: Case, code: int) -> tuple[str, str]:
    """Return the group of a sweep, and what moves in it."""
    if case.task == "regression":
        return "", f"the mean of {case.target}"
    label = case.positive if case.task == "binary" else case.classes[code]
    group = "" if case.task == "binary" else f"class={label}"
    return group, f"the share of {case.target} = {label}"


def _columns(case: Case) -> list[str]:
    return [
        f"{'mean' if case.task == 'regression' else 'share'}{group and f' {group}'}"
        for group in (_names(case, code)[0] for code in moved_codes(case))
    ]


def _kind(case: Case) -> tuple[str, str]:
    return (TARGET, "target unit") if case.task == "regression" else (SHARE, "share")


def _rows(base: Base, one: Sweep, seed: int) -> list[dict[str, Any]]:
    worst = worst_of_past(base, one, seed)
    unit = base.metric.unit
    first = (
        empty_row(WORST, one.group, worst, unit, base.interval.n_rows)
        if isinstance(worst, Reason)
        else summary_row(WORST, one.group, worst, unit)
    )
    rows = [first]
    for room in (LEVEL, LOSS):
        if room in one.rooms:
            found = budgets(one, room, seed)
        elif base.no_level == "missed":
            found = [SPENT, SPENT]
        else:
            rows += _without(base, one.group, room, Reason(base.no_level))
            continue
        rows += [
            _budget_row(base, one, room, side, budget)
            for side, budget in zip((-1, 1), found, strict=True)
        ]
    return rows


def _budget_row(
    base: Base, one: Sweep, room: str, side: int, found: Budget
) -> dict[str, Any]:
    kind, unit = _kind(base.case)
    metric = f"{kind}{room}_{'low' if side < 0 else 'high'}"
    near, far = one.start + side * found.ci_low, one.start + side * found.ci_high
    outermost = (0.0, 1.0) if unit == "share" else (-np.inf, np.inf)
    low, high = sorted([near, far])
    row = {
        **summary_row(metric, one.group, no_interval(), unit),
        "value": one.start + side * found.value,
        "ci_low": max(low, outermost[0]),
        "ci_high": min(high, outermost[1]),
        "n_rows": base.interval.n_rows,
        "n_blocks": base.interval.n_blocks,
        "censored": found.censored,
    }
    return {**row, "reason": str(Reason.BEYOND_SUPPORT)} if found.censored else row


def _without(base: Base, group: str, room: str, reason: Reason) -> list[dict[str, Any]]:
    kind, unit = _kind(base.case)
    return [
        empty_row(f"{kind}{room}_{end}", group, reason, unit) for end in ("low", "high")
    ]


def _empty(base: Base, group: str, reason: Reason) -> list[dict[str, Any]]:
    first = empty_row(WORST, group, reason, base.metric.unit)
    return [
        first,
        *_without(base, group, LEVEL, reason),
        *_without(base, group, LOSS, reason),
    ]


def _curves(base: Base, sweeps: list[Sweep], seed: int) -> pd.DataFrame:
    rows = [(one.group, *line) for one in sweeps for line in curve(base, one, seed)]
    return pd.DataFrame(rows, columns=["group", "share", *ENDS])


def _sweep_table(sweeps: list[Sweep]) -> pd.DataFrame:
    rows = [(one.group, one.name, one.start, *one.past) for one in sweeps]
    columns = ["group", "name", "share", "past_low", "past_high"]
    return pd.DataFrame(rows, columns=columns)


def _others(moved: Mover, one: Sweep) -> list[tuple[Any, ...]]:
    """Return other metrics, and the calibration intercept, along the sweep."""
    base = moved.base
    case, clusters = base.case, base.scores.clusters.take(base.rows)
    can = {"class", "value", case.model.outputs}
    metrics = [
        each
        for each in companions(case.task)
        if each.name in BESIDE and each.needs in can and each.name != base.metric.name
    ]
    low, high = (one.start + arm.sign * arm.reach for arm in one.arms)
    rows = []
    for share in np.union1d(np.linspace(low, high, PLACES), [one.start]):
        found = {each.name: moved.there(share - one.start, each) for each in metrics}
        if case.task == "binary" and case.model.outputs == "probability":
            found["calibration_intercept"] = _intercept(moved, share - one.start)
        for name, estimate in found.items():
            if estimate is None:
                continue
            held = clustered_interval(estimate, clusters)
            ends_of = (held.value, held.ci_low, held.ci_high)
            rows.append((one.group, float(share), name, *ends_of))
    return rows


def _intercept(moved: Mover, move: float) -> Estimate | None:
    tilt, base = moved.tilt(move), moved.base
    if tilt is None:
        return None
    found = intercept(base.y_true, base.y_score, moved.weight(tilt))
    return tilted(found, moved.levels, tilt) if np.isfinite(found.value) else None


CHECK = Check(
    code="D3",
    title="Label shares",
    question="How far may label shares move before the model has lost too much?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=WORST,
            side="good_side",
            limit="case:acceptable",
            required_in=(),
            groups="each",
            reason=(
                "Label shares that have been there before will come back; the metric "
                "should stay acceptable at the worst of them."
            ),
        ),
    ),
    metrics=(
        "prevalence_low",
        "prevalence_high",
        "prevalence_loss_low",
        "prevalence_loss_high",
        "target_low",
        "target_high",
        "target_loss_low",
        "target_loss_high",
    ),
)
