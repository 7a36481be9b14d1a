"""JUDGE: how likely the outcome is to be another one, and what it hangs on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from readiness.findings import rejudged
from readiness.kept import Kept
from readiness.redraws import (
    WHY_HELD,
    Place,
    Redrawn,
    Required,
    outcome_of,
    redrawn,
    required_of,
    with_findings,
)
from readiness.result import CheckResult, Finding, Outcome
from readiness.stats import clopper_pearson

MOVE = 0.1  # of its own size, the limits move
FARTHEST = 1.0
HALVINGS = 12
Bound = tuple[str, str, str, float]  # check code, metric, side, limit


def stability(
    results: Sequence[CheckResult], outcome: Outcome, kept: Kept, seed: int
) -> dict[str, Any] | None:
    """Return how stable the outcome of a run is, as results.json says it.

    Parameters
    ----------
    results : sequence of CheckResult
        Of the run, adjusted.
    outcome : Outcome
        Its outcome.
    kept : Kept
        What its findings kept by block.
    seed : int
        Of the draws.

    Returns
    -------
    dict or None
        ``resampling``: how many draws gave which outcome, and the finding that turned
        most often with it; which findings moved by block, which by their own standard
        error, which not at all and why. ``limits``: the outcome with every required
        limit a tenth stricter and a tenth looser, the limit that changes it first by
        itself, and the common move that does where none does alone. ``seed``: which
        checks cannot depend on it; `with_other_seeds` adds what other seeds gave. None
        for a run without a verdict or a required finding, and where a check with a
        rule of its own keeps the findings, judged anew, from giving the outcome of the
        run.

    Notes
    -----
    A limit moves by a share of its own size: 0.65 to 0.715, a slope of 1.25 to 1.125;
    a limit of nothing stays. What was measured with a limit in view, such as a budget
    up to the acceptable value, is not measured anew.
    """
    required = required_of(results)
    if not required.results or required.outcome is not outcome:
        return None
    return {
        "resampling": _resampling(required, redrawn(required, kept, seed)),
        "limits": _limits(required),
        "seed": _seed(required),
    }


def _resampling(required: Required, found: Redrawn) -> dict[str, Any]:
    counts = Counter(found.outcomes)
    hangs_on = max(
        found.turned, key=lambda place: (found.turned[place], -place[0]), default=None
    )
    return {
        "draws": len(found.outcomes),
        "outcomes": {str(one): counts[one] for one in Outcome if counts[one]},
        "same_share": counts[required.outcome] / len(found.outcomes),
        "hangs_on": None if hangs_on is None else _named(required, hangs_on),
        "by_block": len(found.by_block),
        "by_se": [_named(required, one) for one in found.by_se],
        "held": [
            {**_named(required, place), "why": WHY_HELD[why]}
            for place, why in required.held.items()
        ],
    }


def _named(required: Required, place: Place) -> dict[str, Any]:
    check, one = required.at(place)
    return {"check": check.code, "metric": one.metric, "group": one.group}


def _limits(required: Required) -> dict[str, Any]:
    bounds = _bounds(required)
    moving = [one for one in bounds if one[3]]
    stricter, looser = (
        _outcome_at(required, bounds, moving, move) for move in (MOVE, -MOVE)
    )
    alone = [
        found
        for one in moving
        if (found := _first_turn(required, bounds, [one])) is not None
    ]
    nearest = min(alone, key=lambda one: abs(one["move"]), default=None)
    together = None if alone else _first_turn(required, bounds, moving)
    return {
        "moved_by": MOVE,
        "stricter": str(stricter),
        "looser": str(looser),
        "nearest": nearest,
        "together": together,
        "at_zero": len(bounds) - len(moving),
    }


def _bounds(required: Required) -> dict[Bound, list[Place]]:
    """Return the required limits with the findings that each holds."""
    found: dict[Bound, list[Place]] = {}
    for place in required.places():
        check, one = required.at(place)
        if one.limit is not None:
            key = (check.code, one.metric, one.side or "", one.limit)
            found.setdefault(key, []).append(place)
    return found


def _moved(bound: Bound, move: float) -> float:
    """Return a limit made stricter by a share of its size; looser where negative."""
    *_, side, limit = bound
    return limit + move * abs(limit) * (1 if side == "at_least" else -1)


def _outcome_at(
    required: Required,
    bounds: Mapping[Bound, Sequence[Place]],
    moving: Iterable[Bound],
    move: float,
) -> Outcome:
    new = {
        place: rejudged(required.at(place)[1], bound=_moved(bound, move))
        for bound in moving
        for place in bounds[bound]
        if _is_free(required, place)
    }
    return outcome_of(with_findings(required.results, new))


def _is_free(required: Required, place: Place) -> bool:
    return required.held.get(place, "exact") == "exact"


def _first_turn(
    required: Required, bounds: Mapping[Bound, Sequence[Place]], moving: list[Bound]
) -> dict[str, Any] | None:
    """Return the smallest move of these limits that changes the outcome, by halving.

    The outcome only gets worse as limits get stricter, so there is one turn a side.
    """
    found = []
    for sign in (1.0, -1.0):
        low, high = 0.0, FARTHEST
        if _outcome_at(required, bounds, moving, sign * high) is required.outcome:
            continue
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            at_middle = _outcome_at(required, bounds, moving, sign * middle)
            low, high = (
                (low, middle) if at_middle is not required.outcome else (middle, high)
            )
        found.append((high, sign))
    if not found:
        return None
    high, sign = min(found)
    turned = {
        "move": sign * high,
        "outcome": str(_outcome_at(required, bounds, moving, sign * high)),
    }
    if len(moving) > 1:
        return turned
    code, metric, side, limit = moving[0]
    return {
        "check": code,
        "metric": metric,
        "side": side,
        "limit": limit,
        "at": _moved(moving[0], sign * high),
        "unit": required.at(bounds[moving[0]][0])[1].unit,
        **turned,
    }


def _seed(required: Required) -> dict[str, Any]:
    """Return which checks with required findings cannot depend on the seed."""
    return {
        "tried": 1,
        "unseeded": sorted({one.code for one in required.results if not one.seeded}),
        "seeded": sorted({one.code for one in required.results if one.seeded}),
    }


def with_other_seeds(
    found: Mapping[str, Any] | None, outcome: str, others: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return the stability of a run with what its other seeds came to.

    Parameters
    ----------
    found : mapping or None
        From `stability`.
    outcome : str
        Of the run.
    others : sequence of mapping
        ``seed, run_id, outcome`` of runs that differ in the seed alone, one a seed.

    Returns
    -------
    dict or None
        Its ``seed`` also holds ``others`` and ``flip_high``: the exact one-sided 95 %
        upper limit of the chance that another seed gives another outcome, in [0, 1];
        1 where none was tried.
    """
    if found is None:
        return None
    n_flips = sum(one["outcome"] != outcome for one in others)
    seed = {
        "tried": 1 + len(others),
        "others": [dict(one) for one in others],
        "flip_high": clopper_pearson(n_flips, len(others))[1],
    }
    return {**found, "seed": {**found["seed"], **seed}}


def finding_named(
    checks: Iterable[CheckResult], named: Mapping[str, Any]
) -> Finding | None:
    """Return the required finding that ``hangs_on`` or ``by_se`` names."""
    key = (named["check"], named["metric"], named["group"])
    return next(
        (
            one
            for check in checks
            for one in check.findings
            if one.required and (check.code, one.metric, one.group) == key
        ),
        None,
    )
