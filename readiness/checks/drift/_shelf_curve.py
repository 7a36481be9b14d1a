"""What a model loses as it ages: fitted again at several times, judged later."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._shelf_rows import Past
from readiness.errors import NotAssessedError, Reason
from readiness.refits import refit
from readiness.scoring import charge
from readiness.stats import Estimate, Floats, Ints
from readiness.tolerance import Arm, Folds, Point, folds

FEWEST_WINDOWS = 3
FEWEST_ROWS = 30
FEWEST_BLOCKS = 30  # to judge by
FEWEST_FITTED = 5  # blocks to fit on
Judged = Mapping[tuple[int, int], Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When a model is fitted again, and when it is judged.

    Parameters
    ----------
    fit_days : float
        Every fit sees the rows of so many days.
    window_days : float
        Length of a window, and the time from one fit to the next.
    n_windows : int
        As many fits as windows: the first ends where the first window starts.
    """

    fit_days: float
    window_days: float
    n_windows: int

    def age(self, lag: int) -> float:
        """Return the mean age in days of a model in its window number `lag`."""
        return (lag + 0.5) * self.window_days

    @property
    def reach(self) -> float:
        """The greatest age that enough windows can tell of."""
        return self.age(self.n_windows - FEWEST_WINDOWS)

    def days_for(self, age: float) -> float:
        """Return the days of history that reach an age with as many windows."""
        share = (self.n_windows - FEWEST_WINDOWS + 0.5) / self.n_windows
        return self.fit_days + age / share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aged:
    """The headline metric of fresh models, and what age costs of it.

    Parameters
    ----------
    plan : Plan
    fresh : Estimate
        Mean over the windows, each judged by the model fitted just before it;
        influence of the N rows of the windows.
    arm : Arm
        Loss by age in days, from 0 on; the first window's own age costs nothing.
    folds : Folds
        Blocks of the N rows.
    n_windows : tuple of int
        Windows behind each point but the first.
    judged : pandas.DataFrame
        ``fit, window, age_days, value, n_rows``: every model in every window.
    """

    plan: Plan
    fresh: Estimate
    arm: Arm
    folds: Folds
    n_windows: tuple[int, ...]
    judged: pd.DataFrame


def plan_of(past: Past, fit_days: float, n_windows: int) -> Plan:
    """Return the fits and windows that a history has room for.

    Parameters
    ----------
    past : Past
    fit_days : float
        0: as many as the training table spans, at most half of the history.
    n_windows : int
        At least 4.

    Raises
    ------
    NotAssessedError
        TOO_FEW_ROWS with the length needed, where there are fewer than 30 blocks to
        judge by, or 5 to fit on.
    """
    half = past.days / 2
    spanned = half if np.isnan(past.fitted_days) else min(past.fitted_days, half)
    asked = fit_days or spanned
    plan = Plan(
        fit_days=asked,
        window_days=(past.days - asked) / n_windows,
        n_windows=n_windows,
    )
    counts = _n_blocks(past, past.day < asked), _n_blocks(past, past.day >= asked)
    if counts[0] < FEWEST_FITTED or counts[1] < FEWEST_BLOCKS:
        per_block = past.days / max(sum(counts), 1)
        needed = max(asked, FEWEST_FITTED * per_block) + FEWEST_BLOCKS * per_block
        msg = (
            f"The labelled history spans {past.days:,.0f} days: {counts[0]} blocks to "
            f"fit on, where {FEWEST_FITTED} are needed, and {counts[1]} to judge by, "
            f"where {FEWEST_BLOCKS} are. At this pace that takes "
            f"{np.ceil(needed):,.0f} days."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    return plan


def aged(case: Case, past: Past, plan: Plan, seed: int) -> Aged:
    """Fit the model at several times and judge each fit in the windows after it.

    Raises
    ------
    NotAssessedError
        TOO_FEW_ROWS where fewer than three windows define the metric; NO_REFIT,
        MODEL_SCORES as `refits.refit`.
    """
    window = np.floor((past.day - plan.fit_days) / plan.window_days).astype(np.int64)
    window = np.minimum(window, plan.n_windows - 1)
    later = np.flatnonzero(window >= 0)
    judged, lines = _judged(case, past, plan, window, seed)
    grouped = folds(past.clusters.take(later), len(later))
    place = {one: np.flatnonzero(window[later] == one) for one in range(plan.n_windows)}
    fresh = {key[0]: one for key, one in judged.items() if key[1] == 0}
    if len(fresh) < FEWEST_WINDOWS:
        msg = (
            f"Only {len(fresh)} of {plan.n_windows} windows have enough rows of every "
            f"kind for {case.metric.name}; {FEWEST_WINDOWS} are needed."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    points, behind = [_start(grouped, len(later))], [len(fresh)]
    for lag in range(plan.n_windows):
        pairs = {
            one: _lost(case, fresh[one], judged[one, lag])
            for one in fresh
            if (one, lag) in judged
        }
        if len(pairs) < FEWEST_WINDOWS:
            break
        loss = _pooled(pairs, place, len(later))
        points.append(
            Point(
                size=plan.age(lag), loss=loss.value, parts=grouped.sums(loss.influence)
            )
        )
        behind.append(len(pairs))
    return Aged(
        plan=plan,
        fresh=_pooled(fresh, place, len(later)),
        arm=Arm(
            name="", sign=1, reach=points[-1].size, last=False, points=tuple(points)
        ),
        folds=grouped,
        n_windows=tuple(behind[1:]),
        judged=lines,
    )


def _judged(
    case: Case, past: Past, plan: Plan, window: Ints, seed: int
) -> tuple[Judged, pd.DataFrame]:
    """Return the metric by window and lag, where it is defined, and all as a table."""
    found: dict[tuple[int, int], Estimate] = {}
    lines = []
    for fit in range(plan.n_windows):
        end = plan.fit_days + fit * plan.window_days
        seen = (past.day < end) & (past.day >= end - plan.fit_days)
        model = refit(case, past.frame[seen].reset_index(drop=True), seed)
        farthest = plan.n_windows - 1
        here = np.flatnonzero((window >= fit) & (window <= farthest))
        charge(f"shelf life {fit}", len(here))
        score = model.predict(past.frame.iloc[here].reset_index(drop=True))
        for one in range(fit, plan.n_windows):
            some = window[here] == one
            estimate = _estimate(case, past, here[some], score[some])
            if np.isfinite(estimate.value):
                found[one, one - fit] = estimate
            lines.append(
                {
                    "fit": fit,
                    "fitted_until_day": end,
                    "window": one,
                    "age_days": plan.age(one - fit),
                    "value": estimate.value,
                    "n_rows": int(some.sum()),
                }
            )
    return found, pd.DataFrame(lines)


def _estimate(case: Case, past: Past, rows: Ints, score: Floats) -> Estimate:
    if len(rows) < FEWEST_ROWS:
        return Estimate(value=float("nan"), influence=np.full(len(rows), np.nan))
    weight = None if past.weight is None else past.weight[rows]
    return case.metric.estimate(past.y_true[rows], score, weight, case.threshold)


def _lost(case: Case, fresh: Estimate, old: Estimate) -> Estimate:
    """Return what age costs in one window, on the same rows; positive is worse."""
    sign = 1 if case.higher_is_better else -1
    return Estimate(
        value=sign * (fresh.value - old.value),
        influence=sign * (fresh.influence - old.influence),
    )


def _pooled(
    parts: Mapping[int, Estimate], place: Mapping[int, Ints], n_rows: int
) -> Estimate:
    """Return the mean over windows, by their rows; influence of all n rows."""
    total = sum(len(place[one]) for one in parts)
    influence = np.zeros(n_rows)
    for one, part in parts.items():
        influence[place[one]] = part.influence * (n_rows / total)
    value = sum(len(place[one]) * part.value for one, part in parts.items()) / total
    return Estimate(value=float(value), influence=influence)


def _start(grouped: Folds, n_rows: int) -> Point:
    return Point(size=0.0, loss=0.0, parts=grouped.sums(np.zeros(n_rows)))


def _n_blocks(past: Past, some: np.ndarray) -> int:
    declared = past.clusters.take(some).declared()
    return len(np.unique(declared[0])) if declared else int(some.sum())
