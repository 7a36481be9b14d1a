"""What the age of a model costs, in sentences."""

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.drift._base import LEVEL, LOSS
from readiness.checks.drift._shelf_curve import Aged
from readiness.checks.drift._shelf_rows import Past
from readiness.text import interval, number
from readiness.tolerance import Budget
from readiness.words import block_word, metric_words


def sentences(
    case: Case,
    past: Past,
    found: Aged,
    budgets: dict[str, Budget],
    curve: pd.DataFrame,
) -> tuple[str, ...]:
    """Return what a committee needs, the answer first."""
    metric = metric_words(case.metric.name)
    lost = number(case.tolerated_loss, exact=True)
    notes = [_answer(budgets[LOSS], metric, f"lost {lost}")]
    if LEVEL in budgets:
        floor = number(case.file.model.acceptable, exact=True)
        notes.append(_answer(budgets[LEVEL], metric, f"missed {floor}"))
        notes.append(_seasons(case, found))
    planned = case.file.operation.retrain_every_days
    if planned is not None:
        notes.append(_planned(found, curve, metric, planned))
    plan = found.plan
    notes.append(
        f"The model was fitted {plan.n_windows} times, each time on "
        f"{number(plan.fit_days, 'days')} of the {number(past.days, 'days')} of "
        f"labelled rows ({', '.join(past.tables)}), and judged in windows of "
        f"{number(plan.window_days, 'days')}, old and fresh models on the same rows."
    )
    if plan.fit_days < past.fitted_days - plan.window_days:
        notes.append(
            f"The model under review saw {number(past.fitted_days, 'days')}, more than "
            "these fits: the history leaves no more to fit on."
        )
    if len(past.day) < past.n_labelled:
        notes.append(
            f"{len(past.day):,} of {past.n_labelled:,} labelled rows were drawn by "
            "their content."
        )
    notes.append(
        f"The interval is that of the {block_word(case.block)} judged; another stretch "
        "of history may age a model faster or slower."
    )
    return tuple(one for one in notes if one)


def _answer(found: Budget, metric: str, event: str) -> str:
    if found.value == 0:
        return (
            f"{metric} has {event} with models fitted just before: at no age is it "
            "good enough."
        )
    if not found.censored:
        limits = interval(found.ci_low, found.ci_high, "days")
        age = number(found.value, "days")
        return f"At an age of {age} ({limits}) {metric} has {event}."
    if found.ci_low > 0:
        return (
            f"Up to an age of {number(found.ci_low, 'days')} {metric} has not {event}; "
            "beyond that the history cannot tell."
        )
    return f"The history cannot tell up to which age {metric} has not {event}."


def _seasons(case: Case, found: Aged) -> str:
    """Return how often a fresh model misses the acceptable value by itself."""
    fits = found.judged
    fresh = fits[fits["fit"] == fits["window"]]["value"].dropna()
    acceptable, sign = case.acceptable, 1 if case.higher_is_better else -1
    n_missed = int((sign * (fresh - acceptable) < 0).sum())
    if not n_missed:
        return ""
    return (
        f"That is the mean over the windows: in {n_missed} of {len(fresh)} even a "
        f"fresh model has missed {number(acceptable, exact=True)} "
        f"({interval(fresh.min(), fresh.max())} between windows), and no fitting "
        "mends that."
    )


def _planned(found: Aged, curve: pd.DataFrame, metric: str, planned: float) -> str:
    if planned > found.arm.reach:
        needed = np.ceil(found.plan.days_for(planned))
        return (
            f"It is to be fitted again every {number(planned, 'days', exact=True)}; to "
            f"tell of that age takes about {needed:,.0f} days of labelled rows."
        )
    loss, low, high = (
        float(np.interp(planned, curve["age_days"], curve[name]))
        for name in ("loss", "loss_low", "loss_high")
    )
    return (
        f"It is to be fitted again every {number(planned, 'days', exact=True)}: at "
        f"that age {metric} is {number(loss)} worse than fresh ({interval(low, high)})."
    )
