"""JUDGE: what required findings would be if other rows of the same kind were drawn."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from readiness.errors import Reason
from readiness.findings import rejudged
from readiness.intervals import Floats, Ints
from readiness.kept import Kept, Sums
from readiness.result import CheckResult, Finding, Outcome, Status
from readiness.stats import Z_ONE_SIDED
from readiness.verdict import adjust, verdict

DRAWS = 1000
MOST_JUDGED = 20_000  # findings judged anew over all draws; many findings, fewer draws
MOST_CORRECTED = 100_000  # and findings that Holm's correction looks at
FEWEST_DRAWS = 200
Place = tuple[int, int]  # of a check, and of a finding in it
WHY_HELD = {
    "exact": "a count without an error",
    "no value": "no value to move",
    "other rule": "its status rests on more than its interval",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Required:
    """The required findings of a run, as judged alone, and how they may vary.

    Parameters
    ----------
    results : tuple of CheckResult
        Those with a required finding, these findings alone; no fail taken back yet.
    outcome : Outcome
        What they give.
    held : mapping of Place to str
        Why a finding stays as it is: a key of `WHY_HELD`.
    """

    results: tuple[CheckResult, ...]
    outcome: Outcome
    held: Mapping[Place, str]

    def at(self, place: Place) -> tuple[CheckResult, Finding]:
        """Return a finding and its check."""
        check = self.results[place[0]]
        return check, check.findings[place[1]]

    def places(self) -> list[Place]:
        """Return where the findings are."""
        return [
            (n, k)
            for n, one in enumerate(self.results)
            for k in range(len(one.findings))
        ]


def required_of(results: Sequence[CheckResult]) -> Required:
    """Return the required findings of a run.

    Parameters
    ----------
    results : sequence of CheckResult
        As published: Holm's correction made.
    """
    alone: list[CheckResult] = []
    held: dict[Place, str] = {}
    for result in results:
        findings = [one for one in result.findings if one.required]
        if not findings:
            continue
        again = [rejudged(one) for one in findings]
        for k, (one, new) in enumerate(zip(findings, again, strict=True)):
            why = _why_held(one, new)
            if why:
                held[len(alone), k] = why
                again[k] = one
        alone.append(replace(result, findings=tuple(again)))
    return Required(results=tuple(alone), outcome=outcome_of(alone), held=held)


def _why_held(one: Finding, again: Finding) -> str:
    if one.value is None:
        return "no value"
    taken_back = one.reason == Reason.HOLM and again.status is Status.FAIL
    if again.status is not one.status and not taken_back:
        return "other rule"
    return "exact" if one.ci_low == one.ci_high == one.value and not one.se else ""


def outcome_of(results: Sequence[CheckResult]) -> Outcome:
    """Return the outcome of findings as judged alone, by the code of every run."""
    return verdict(adjust(results)).outcome


def with_findings(
    results: Sequence[CheckResult], new: Mapping[Place, Finding]
) -> list[CheckResult]:
    """Return the results with some findings in place of others."""
    changed: dict[int, list[Finding]] = {}
    for (n, k), one in new.items():
        changed.setdefault(n, list(results[n].findings))[k] = one
    return [
        replace(one, findings=tuple(changed[n])) if n in changed else one
        for n, one in enumerate(results)
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Redrawn:
    """Outcomes of the redraws.

    Parameters
    ----------
    outcomes : tuple of Outcome
        One per draw.
    turned : mapping of Place to int
        In how many draws with another outcome a finding had another status.
    by_block, by_se : tuple of Place
        Moved by what they kept by block; by a normal variable of their own.
    """

    outcomes: tuple[Outcome, ...]
    turned: Mapping[Place, int]
    by_block: tuple[Place, ...]
    by_se: tuple[Place, ...]


def redrawn(required: Required, kept: Kept, seed: int) -> Redrawn:
    """Judge the run anew for each of many draws of its blocks.

    Parameters
    ----------
    required : Required
        From `required_of`.
    kept : Kept
        What findings kept by block.
    seed : int
        Of the draws.

    Returns
    -------
    Redrawn

    Notes
    -----
    Blocks of a table are drawn with replacement, once for all findings that rest on
    them, so findings that err together move together. A value moves by the sum of what
    the drawn blocks bring (times K / (K - 1) in variance, as in its standard error)
    and takes its interval along. A finding that kept nothing moves by a normal variable
    with its own standard error, apart from all others. Then the same code as in every
    run judges, corrects for many findings, and gives the outcome.

    References
    ----------
    B. Efron, R. Tibshirani (1986), doi:10.1214/ss/1177013815.
    """
    moving = [one for one in required.places() if one not in required.held]
    n_draws = _n_draws(len(moving), len(required.places()))
    rng = np.random.default_rng(seed)
    chosen = {one: _chosen(required, kept, one) for one in moving}
    weights = _weights([one for ones in chosen.values() for one in ones], n_draws, rng)
    shifts: dict[Place, Floats] = {}
    own: dict[tuple[str, str, str], Floats] = {}
    for place in moving:
        moved = [_moved(one, *weights[one.way]) for one in chosen[place]]
        if not moved:  # a finding held against two limits moves once
            check, one = required.at(place)
            key = (check.code, one.metric, one.group)
            if key not in own:
                own[key] = _se(one) * rng.standard_normal(n_draws)
            moved = [own[key]]
        shifts[place] = np.sum(moved, axis=0)
    turning = {
        place: found
        for place, found in shifts.items()
        if _may_turn(required, place, found)
    }
    outcomes, turned = _judged(required, turning, n_draws)
    return Redrawn(
        outcomes=tuple(outcomes),
        turned=turned,
        by_block=tuple(one for one in moving if chosen[one]),
        by_se=tuple(one for one in moving if not chosen[one]),
    )


def _n_draws(n_moving: int, n_required: int) -> int:
    affordable = (MOST_JUDGED // max(n_moving, 1), MOST_CORRECTED // max(n_required, 1))
    return max(FEWEST_DRAWS, min(DRAWS, *affordable))


def _chosen(required: Required, kept: Kept, place: Place) -> tuple[Sums, ...]:
    """Return the widest way of summing each table a finding rests on."""
    check, finding = required.at(place)
    widest: dict[str, Sums] = {}
    for one in kept.get((check.code, finding.metric, finding.group), ()):
        known = widest.get(one.table)
        if len(one.block) > 1 and (known is None or one.se > known.se):
            widest[one.table] = one
    return tuple(widest.values())


def _weights(
    ones: Iterable[Sums], n_draws: int, rng: np.random.Generator
) -> Mapping[tuple[str, str], tuple[Ints, Floats]]:
    """Return how often each block was drawn beyond once, (draws, K), by table."""
    blocks: dict[tuple[str, str], Ints] = {}
    for one in ones:
        blocks[one.way] = np.union1d(blocks.get(one.way, one.block), one.block)
    found: dict[tuple[str, str], tuple[Ints, Floats]] = {}
    for way in sorted(blocks):
        k = len(blocks[way])
        drawn = rng.multinomial(k, np.full(k, 1 / k), n_draws)
        found[way] = (blocks[way], drawn.astype(np.float64) - 1)
    return found


def _moved(one: Sums, blocks: Ints, weights: Floats) -> Floats:
    """Return how far a value moves in each draw; not by BLAS, whose digits vary."""
    own = weights[:, np.searchsorted(blocks, one.block)]
    k = len(one.block)
    moved: Floats = np.einsum("dk,k->d", own, one.influence) * np.sqrt(k / (k - 1))
    return moved


def _se(one: Finding) -> float:
    """Return the standard error, else that of an interval of this width."""
    if one.se is not None:
        return one.se
    ends = [end for end in (one.ci_low, one.ci_high) if end is not None]
    value = one.value or 0.0
    return max((abs(end - value) for end in ends), default=0.0) / Z_ONE_SIDED


def _may_turn(required: Required, place: Place, shifts: Floats) -> bool:
    """Return whether a status can be another one; it only turns one way as it moves."""
    _, finding = required.at(place)
    ends = (float(np.min(shifts)), float(np.max(shifts)))
    statuses = {rejudged(finding, shift=one).status for one in ends}
    return statuses != {finding.status} or finding.status is Status.FAIL


def _judged(
    required: Required, shifts: Mapping[Place, Floats], n_draws: int
) -> tuple[list[Outcome], Mapping[Place, int]]:
    """Return the outcome of every draw, and which findings turned with it."""
    before = _statuses(adjust(required.results), shifts)
    known: dict[tuple[Status, ...], Outcome] = {}  # it hangs on statuses alone
    outcomes: list[Outcome] = []
    turned: Counter[Place] = Counter()
    for draw in range(n_draws):
        new = {
            place: rejudged(required.at(place)[1], shift=float(moved[draw]))
            for place, moved in shifts.items()
        }
        results = adjust(with_findings(required.results, new))
        statuses = _statuses(results, shifts)
        if statuses not in known:
            known[statuses] = verdict(results).outcome
        outcomes.append(known[statuses])
        if outcomes[-1] is not required.outcome:
            pairs = zip(shifts, statuses, before, strict=True)
            turned.update(place for place, now, was in pairs if now is not was)
    return outcomes, turned


def _statuses(
    results: Sequence[CheckResult], places: Iterable[Place]
) -> tuple[Status, ...]:
    return tuple(results[n].findings[k].status for n, k in places)
