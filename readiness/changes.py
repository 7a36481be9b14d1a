"""PUBLISH: two sets of findings held against each other, the worst change first."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from readiness.result import CheckResult, Finding, Status, result_from_dict
from readiness.stats import Z_ONE_SIDED, holm

Key = tuple[str, str, str]  # check code, metric, group
BADNESS = (
    Status.PASS,
    Status.INFO,
    Status.INCONCLUSIVE,
    Status.NOT_ASSESSED,
    Status.FAIL,
)


class Turn(StrEnum):
    """What became of a finding from one run to another, the gravest first."""

    WORSE = "worse beyond noise"
    LOST = "no longer answered"
    STATUS_WORSE = "worse status, within noise"
    BETTER = "better beyond noise"
    WITHIN = "within noise"
    MOVED = "moved, no limit says which way is worse"
    NEW = "new"
    GONE = "gone"
    NO_NUMBERS = "not comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One finding before and after.

    Parameters
    ----------
    check : CheckResult
        The check after, or before where it is gone.
    before, after : Finding or None
        None where the run has no such finding.
    required : bool
        Either run requires its limit.
    difference, low, high : float or None
        After less before, in the unit of the finding, each end one-sided 95 %; None
        where either run has no number with an interval.
    worse : float
        How far it moved to its bad side, in half-widths of the difference; 0 where no
        limit says which side that is.
    turn : Turn
        What became of it.
    limits_changed : bool
        The limit, its side, or whether it is required is another one.
    """

    check: CheckResult
    before: Finding | None
    after: Finding | None
    required: bool
    difference: float | None
    low: float | None
    high: float | None
    worse: float
    turn: Turn
    limits_changed: bool

    @property
    def one(self) -> Finding:
        """The finding after, or before where it is gone."""
        found = self.after or self.before
        assert found is not None, "a change has a finding on one side"  # noqa: S101 (never reached: `changes` makes no other)
        return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what became of every finding, the gravest first.

    Parameters
    ----------
    before, after : mapping
        The content of results.json of two runs.

    Returns
    -------
    tuple of Change
        Findings are matched by check code, metric and group; of one with a limit on
        each side, both limits count. Among required findings "worse beyond noise" is
        decided with Holm's correction at 5 % over all of them.

    Notes
    -----
    The interval of a difference is made from the two intervals as if the estimates
    were independent (MOVER: G. Y. Zou and A. Donner, 2008, doi:10.1002/sim.3095).
    Where the runs share rows, their errors mostly go together; the interval is then
    wider than a paired one and tells less, not more.
    """
    old, new = findings_by_key(before), findings_by_key(after)
    found = [_change(old.get(key), new.get(key)) for key in [*new, *(old.keys() - new)]]
    found = list(_held_to_holm(found))
    order = list(Turn)
    return tuple(
        sorted(
            found,
            key=lambda one: (
                not (one.required and one.turn in (Turn.WORSE, Turn.LOST)),
                order.index(one.turn),
                not one.required,
                -abs(one.worse),
                (one.check.code, one.one.metric, one.one.group),
            ),
        )
    )


Pair = tuple[CheckResult, tuple[Finding, ...]]


def findings_by_key(results: Mapping[str, Any]) -> dict[Key, Pair]:
    """Return the findings of a run by check, metric and group, and their check."""
    found: dict[Key, Pair] = {}
    for values in results["checks"]:
        check = result_from_dict(values)
        for one in check.findings:
            key = (check.code, one.metric, one.group)
            _, others = found.get(key, (check, ()))
            found[key] = (check, (*others, one))
    return found


def _change(old: Pair | None, new: Pair | None) -> Change:
    check = (new or old)[0]  # type: ignore[index]  # one of the two is there
    befores = old[1] if old else ()
    afters = new[1] if new else ()
    before, after = gravest(befores), gravest(afters)
    change = Change(
        check=check,
        before=before,
        after=after,
        required=any(one.required for one in (*befores, *afters)),
        difference=None,
        low=None,
        high=None,
        worse=0.0,
        turn=Turn.NO_NUMBERS,
        limits_changed=_limits(befores) != _limits(afters),
    )
    if before is None or after is None:
        lost = any(one.required and _has_answer(one) for one in befores)
        turn = Turn.LOST if lost else Turn.GONE if before is not None else Turn.NEW
        return replace(change, turn=turn)
    numbers = _difference(before, after)
    if numbers is None:
        return replace(change, turn=_turn_of_status(before, after))
    difference, low, high = numbers
    worse = _worse(before, after, [*afters, *befores], numbers)
    change = replace(
        change, difference=difference, low=low, high=high, worse=worse or 0.0
    )
    return replace(change, turn=_turn(change, before, after, known=worse is not None))


def gravest(findings: Sequence[Finding]) -> Finding | None:
    """Return the finding with the worst status, a required one first; None of none."""
    return max(
        findings,
        key=lambda one: (BADNESS.index(one.status), one.required),
        default=None,
    )


def _limits(findings: Iterable[Finding]) -> set[tuple[str | None, float | None, bool]]:
    return {(one.side, one.limit, one.required) for one in findings}


def _difference(before: Finding, after: Finding) -> tuple[float, float, float] | None:
    """Return after less before with its limits; None without two intervals."""
    was, now = _ends(before), _ends(after)
    if was is None or now is None or before.unit != after.unit:
        return None
    value, low, high = now
    value_0, low_0, high_0 = was
    difference = value - value_0
    return (
        difference,
        difference - math.hypot(value - low, high_0 - value_0),
        difference + math.hypot(high - value, value_0 - low_0),
    )


def _ends(one: Finding) -> tuple[float, float, float] | None:
    """Return value and limits; of an exact count the limits are the value."""
    if one.value is None:
        return None
    if one.ci_low == one.ci_high == one.value and one.n_blocks is not None:
        return None  # itself a width: it has no interval
    low = -math.inf if one.ci_low is None else one.ci_low
    high = math.inf if one.ci_high is None else one.ci_high
    if math.isinf(low) and math.isinf(high):
        return None
    return one.value, min(low, one.value), max(high, one.value)


def _worse(
    before: Finding,
    after: Finding,
    limited: Sequence[Finding],
    numbers: tuple[float, float, float],
) -> float | None:
    """Return the move to the bad side in half-widths; None without a limit.

    Between two limits the bad side is away from the middle: a value that crossed the
    middle is first mirrored at it.
    """
    floor = next((one.limit for one in limited if one.side == "at_least"), None)
    ceiling = next((one.limit for one in limited if one.side == "at_most"), None)
    difference, low, high = numbers
    if floor is None and ceiling is None:
        return None
    up_is_bad = floor is None
    if floor is not None and ceiling is not None:
        middle = (floor + ceiling) / 2
        value, value_0 = after.value or 0.0, before.value or 0.0
        up_is_bad = value >= middle
        if (value_0 >= middle) != up_is_bad:
            mirrored = replace(
                before,
                value=2 * middle - value_0,
                ci_low=None if before.ci_high is None else 2 * middle - before.ci_high,
                ci_high=None if before.ci_low is None else 2 * middle - before.ci_low,
            )
            difference, low, high = _difference(mirrored, after) or numbers
    towards_bad = difference if up_is_bad else -difference
    near_end = low if (difference > 0) else high  # the end that faces no change
    half = abs(difference - near_end)
    if half == 0:
        return math.copysign(math.inf, towards_bad) if towards_bad else 0.0
    return towards_bad / half if math.isfinite(half) else 0.0


def _turn(change: Change, before: Finding, after: Finding, *, known: bool) -> Turn:
    low, high = change.low or 0.0, change.high or 0.0
    if not known:
        return Turn.MOVED if low > 0 or high < 0 else Turn.WITHIN
    if change.worse > 1:
        return Turn.WORSE
    if _is_worse_status(before, after):
        return Turn.STATUS_WORSE
    return Turn.BETTER if change.worse < -1 else Turn.WITHIN


def _turn_of_status(before: Finding, after: Finding) -> Turn:
    """Return what became of a finding of which a number or an interval is absent."""
    if _has_answer(before) and not _has_answer(after):
        return Turn.LOST if before.required or after.required else Turn.GONE
    if _is_worse_status(before, after):
        return Turn.STATUS_WORSE
    return Turn.NO_NUMBERS


def _has_answer(one: Finding) -> bool:
    return one.value is not None or one.censored


def _held_to_holm(found: Sequence[Change]) -> Iterable[Change]:
    """Take back what chance explains among the required findings that got worse."""
    tested = [k for k, one in enumerate(found) if one.required and _has_numbers(one)]
    rejects = holm([_p_value(found[k].worse) for k in tested])
    supported = {k for k, is_so in zip(tested, rejects, strict=True) if is_so}
    for k, one in enumerate(found):
        if one.turn is not Turn.WORSE or not one.required or k in supported:
            yield one
        else:
            is_worse = _is_worse_status(one.before, one.after)
            yield replace(one, turn=Turn.STATUS_WORSE if is_worse else Turn.WITHIN)


def _has_numbers(one: Change) -> bool:
    return one.difference is not None


def _is_worse_status(before: Finding | None, after: Finding | None) -> bool:
    if before is None or after is None:
        return False
    return BADNESS.index(after.status) > BADNESS.index(before.status)


def _p_value(worse: float) -> float:
    """Return the one-sided p-value of a move of so many half-widths."""
    return 0.5 * math.erfc(Z_ONE_SIDED * worse / math.sqrt(2))
