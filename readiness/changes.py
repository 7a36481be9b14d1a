"""PUBLISH: two sets of findings held against each other, the worst change first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from readiness.identities import shared_tables
from readiness.kept import Kept, Key
from readiness.moves import Evidence, move_of, p_value, worsening
from readiness.result import CheckResult, Finding, Status, result_from_dict
from readiness.stats import holm

NOTHING_KEPT: tuple[Kept, Kept] = ({}, {})
OTHER_SEEDS = "it may depend on the seed, which is another one"
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
    n_blocks : int or None
        Blocks over which the difference was paired; None where it was not.
    unpaired : str
        Why it was taken as independent, in a few words; else empty.
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
    n_blocks: int | None = None
    unpaired: str = ""

    @property
    def one(self) -> Finding:
        """The finding after, or before where it is gone."""
        found = self.after or self.before
        assert found is not None, "a change has a finding on one side"  # noqa: S101 (never reached: `changes` makes no other)
        return found


def changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    kept: tuple[Kept, Kept] = NOTHING_KEPT,
) -> tuple[Change, ...]:
    """Return what became of every finding, the gravest first.

    Parameters
    ----------
    before, after : mapping
        The content of results.json of two runs.
    kept : tuple of Kept
        What the findings of each kept by block.

    Returns
    -------
    tuple of Change
        Findings are matched by check code, metric and group; of one with a limit on
        each side, both limits count. Among required findings "worse beyond noise" is
        decided with Holm's correction at 5 % over all of them.

    Notes
    -----
    A difference is paired where both runs kept influence by the same blocks of the
    same rows. Else its interval is made from the two intervals as if the estimates
    were independent; where the runs share rows their errors mostly go together, and
    it is wider than a paired one and tells less, not more. What a check draws with the
    seed is no part of its influence, so with other seeds it is not paired either.
    """
    old, new = findings_by_key(before), findings_by_key(after)
    shared = shared_tables(before, after)
    seeds = [one.get("seed") for one in (before, after)]
    found = []
    for key in [*new, *(old.keys() - new)]:
        was, now = (one.get(key, ()) for one in kept)
        pairs = [one for one in (old.get(key), new.get(key)) if one is not None]
        drew = seeds[0] != seeds[1] and any(check.seeded for check, _ in pairs)
        evidence = Evidence(
            before=was, after=now, shared=shared, unpaired=OTHER_SEEDS if drew else ""
        )
        found.append(_change(old.get(key), new.get(key), evidence))
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


def _change(old: Pair | None, new: Pair | None, kept: Evidence) -> Change:
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
    move = move_of(before, after, kept)
    if move is None:
        return replace(change, turn=_turn_of_status(before, after))
    worse = worsening(before, after, [*afters, *befores], move, kept)
    change = replace(
        change,
        difference=move.value,
        low=move.low,
        high=move.high,
        worse=worse or 0.0,
        n_blocks=move.n_blocks,
        unpaired=move.unpaired,
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
    rejects = holm([p_value(found[k].worse) for k in tested])
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
