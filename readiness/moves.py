"""PUBLISH: how far a finding moved from one run to another, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from readiness.kept import Paired, Sums, paired
from readiness.result import Finding
from readiness.stats import Z_ONE_SIDED

ROUNDING = 1e-6  # of its limit or value: an exact number that moved by less did not


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What two findings kept of their rows by block.

    Parameters
    ----------
    before, after : tuple of Sums
        Of each run.
    shared : tuple of str
        Tables that are the same file in both runs.
    unpaired : str
        Why they are not paired whatever they kept, in a few words; else empty.
    """

    before: tuple[Sums, ...] = ()
    after: tuple[Sums, ...] = ()
    shared: tuple[str, ...] = ()
    unpaired: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """After less before, between two limits.

    Parameters
    ----------
    value, low, high : float
        In the unit of the finding, each end one-sided 95 %.
    n_blocks : int or None
        Blocks over which it was paired; None where it was not.
    unpaired : str
        Why it was not, in a few words; empty where it was, or where it is exact.
    """

    value: float
    low: float
    high: float
    n_blocks: int | None = None
    unpaired: str = ""


def move_of(
    before: Finding, after: Finding, kept: Evidence, *, sign: float = -1.0
) -> Move | None:
    """Return after less before with its limits; None without two intervals.

    Parameters
    ----------
    before, after : Finding
        Of the same metric and group.
    kept : Evidence
        What they kept by block.
    sign : float
        Of the earlier influence: 1 where `before` was mirrored.

    Returns
    -------
    Move or None
        Paired where both kept the same blocks of the same rows; else made from the
        two intervals as if the estimates were independent.

    References
    ----------
    G. Y. Zou, A. Donner (2008), doi:10.1002/sim.3095: the latter.
    """
    was, now = _ends(before), _ends(after)
    if was is None or now is None or before.unit != after.unit:
        return None
    value, low, high = now
    value_0, low_0, high_0 = was
    difference = value - value_0
    together = kept.unpaired or paired(kept.before, kept.after, kept.shared, sign=sign)
    if isinstance(together, Paired):
        return Move(
            value=difference,
            low=difference - together.below,
            high=difference + together.above,
            n_blocks=together.n_blocks,
        )
    is_exact = low == high == value and low_0 == high_0 == value_0
    return Move(
        value=difference,
        low=difference - math.hypot(value - low, high_0 - value_0),
        high=difference + math.hypot(high - value, value_0 - low_0),
        unpaired="" if is_exact else together,
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


def worsening(
    before: Finding,
    after: Finding,
    limited: Sequence[Finding],
    move: Move,
    kept: Evidence,
) -> float | None:
    """Return the move to the bad side in half-widths; None without a limit.

    Between two limits the bad side is away from the middle: a value that crossed the
    middle is first mirrored at it. An exact number has no half-width: any move of it
    counts, but for one below a millionth of its limit or value, which is rounding.
    """
    floor = next((one.limit for one in limited if one.side == "at_least"), None)
    ceiling = next((one.limit for one in limited if one.side == "at_most"), None)
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
            move = move_of(mirrored, after, kept, sign=1.0) or move
    towards_bad = move.value if up_is_bad else -move.value
    near_end = move.low if move.value > 0 else move.high  # the end facing no change
    half = abs(move.value - near_end)
    if half == 0:
        sizes = (floor, ceiling, before.value, after.value)
        rounding = ROUNDING * max(abs(one or 0.0) for one in sizes)
        is_move = abs(towards_bad) > rounding
        return math.copysign(math.inf, towards_bad) if is_move else 0.0
    return towards_bad / half if math.isfinite(half) else 0.0


def p_value(worse: float) -> float:
    """Return the one-sided p-value of a move of so many half-widths."""
    return 0.5 * math.erfc(Z_ONE_SIDED * worse / math.sqrt(2))
