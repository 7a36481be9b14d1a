"""JUDGE: the limits and waivers in force, from the checks, the case and the policy."""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from readiness.checks import FoundCheck
from readiness.config import (
    CaseFile,
    LimitOverride,
    PolicyFile,
    Waiver,
    days_of,
    read_policy,
)
from readiness.errors import PolicyError
from readiness.result import Check, Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits and waivers in force for one case.

    Parameters
    ----------
    tier : str
        Which shipped limits are required.
    limits : mapping of str to mapping of str to LimitOverride
        What the policy file sets, by check code and metric.
    waivers : tuple of Waiver
        All waivers, expired ones too.
    sha256 : str or None
        Hash of the policy file; None when there is none.
    """

    tier: str
    limits: Mapping[str, Mapping[str, LimitOverride]]
    waivers: tuple[Waiver, ...]
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the case declares that a limit may refer to.

    Parameters
    ----------
    metric : str
        The headline metric.
    higher_is_better : bool
        Its good side.
    values : mapping of str to float or None
        ``acceptable``, ``tolerated_loss``, ``operation.*`` and ``data.*`` as declared.
    task : str
        Limits of other tasks are not in force; empty: all are.
    """

    metric: str
    higher_is_better: bool
    values: Mapping[str, float | None]
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitInForce:
    """One limit with its number resolved; NaN when the case declares none.

    ``declared_as`` is the key of the case file that gives the number, or empty.
    """

    limit: Limit
    bound: float
    required: bool
    set_by: str
    declared_as: str = ""


def declared(case_file: CaseFile, metric: str, *, higher_is_better: bool) -> Declared:
    """Return what `case_file` declares for limits to refer to."""
    operation = case_file.operation.model_dump()
    values = {f"operation.{name}": value for name, value in operation.items()}
    values["acceptable"] = case_file.model.acceptable
    values["tolerated_loss"] = case_file.model.tolerated_loss
    max_age = case_file.data.max_age
    values["data.max_age"] = None if max_age is None else days_of(max_age)
    return Declared(
        metric=metric,
        higher_is_better=higher_is_better,
        values=values,
        task=case_file.model.task,
    )


def find_policy(base: Path, policy_file: str | Path) -> Path | None:
    """Return the policy's path: the one named, the one beside the case, or None.

    Whatever stands beside the case under that name is the policy, a link that leads
    nowhere too: reading it says what is wrong, where skipping it would weaken limits.
    """
    if policy_file:
        return Path(policy_file)
    beside = base / "policy.toml"
    return beside if os.path.lexists(beside) else None


def load_policy(
    path: Path | None, case_file: CaseFile, checks: Iterable[FoundCheck], metric: str
) -> Policy:
    """Read the policy, or make the one of the case's tier alone.

    Parameters
    ----------
    path : pathlib.Path or None
        The policy file.
    case_file : CaseFile
        Gives the tier when the policy names none.
    checks : iterable of FoundCheck
        The checks a policy may set limits for.
    metric : str
        The headline metric, whose name a policy may use.

    Raises
    ------
    PolicyError
        When the file is unusable, or names an unknown check or metric.
    """
    if path is None:
        return Policy(tier=case_file.tier, limits={}, waivers=(), sha256=None)
    file = read_policy(path)
    known = {one.check.code: _metric_names(one.check, metric) for one in checks}
    _refuse_unknown(file, known, path.name)
    return Policy(
        tier=file.tier or case_file.tier,
        limits=file.limits,
        waivers=tuple(file.waivers),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def limits_in_force(
    check: Check, policy: Policy, case: Declared
) -> tuple[LimitInForce, ...]:
    """Return the limits of `check` under `policy`, numbers resolved.

    A policy's limit replaces every shipped limit on the same metric and side; one
    on the other side stands beside it.
    """
    overrides = policy.limits.get(check.code, {})
    shipped = [
        _resolve(limit, policy.tier, case)
        for limit in check.limits
        if case.task in ("", *limit.tasks) and _asked_for(limit, case)
    ]
    set_here = [
        _override(metric, override, shipped) for metric, override in overrides.items()
    ]
    replaced = {(one.limit.metric, one.limit.side) for one in set_here}
    kept = [
        one for one in shipped if (one.limit.metric, one.limit.side) not in replaced
    ]
    return (*kept, *set_here)


def require_a_required_limit(limits: Iterable[LimitInForce]) -> None:
    """Raise PolicyError when no limit is required: such a policy cannot fail."""
    if not any(one.required for one in limits):
        msg = (
            "The policy must require at least one limit; it requires none, so every "
            "model would pass. Set required = true on a limit."
        )
        raise PolicyError(msg)


def _metric_names(check: Check, metric: str) -> set[str]:
    names = {limit.metric for limit in check.limits} | set(check.metrics)
    return {name.replace("case:metric", metric) for name in names}


def _refuse_unknown(
    file: PolicyFile, known: Mapping[str, set[str]], where: str
) -> None:
    named = [(code, metric) for code, ones in file.limits.items() for metric in ones]
    named += [(one.check, one.metric) for one in file.waivers]
    for code, metric in named:
        if code not in known:
            msg = (
                f"{where!r} names the check {code!r}; known are {', '.join(known)}. "
                "Correct the code."
            )
            raise PolicyError(msg)
        if metric not in known[code]:
            msg = (
                f"{where!r} names the metric {metric!r} of {code}; known are "
                f"{', '.join(sorted(known[code]))}. Correct the name."
            )
            raise PolicyError(msg)


def _resolve(limit: Limit, tier: str, case: Declared) -> LimitInForce:
    good = "at_least" if case.higher_is_better else "at_most"
    side = good if limit.side == "good_side" else limit.side
    if isinstance(limit.limit, str):
        declared_value = case.values.get(limit.limit.removeprefix("case:"))
        bound = math.nan if declared_value is None else float(declared_value)
        set_by = "case file"
    else:
        bound, set_by = float(limit.limit), "readiness"
    is_declared = isinstance(limit.limit, str)
    metric = limit.metric.replace("case:metric", case.metric)
    return LimitInForce(
        limit=replace(limit, metric=metric, side=side, limit=bound),
        bound=bound,
        required=tier in limit.required_in,
        set_by=set_by,
        declared_as=str(limit.limit).removeprefix("case:") if is_declared else "",
    )


def _asked_for(limit: Limit, case: Declared) -> bool:
    """Return whether a limit is in force: one on data is a promise few cases make."""
    name = str(limit.limit).removeprefix("case:")
    return not name.startswith("data.") or case.values.get(name) is not None


def _override(
    metric: str, override: LimitOverride, shipped: Sequence[LimitInForce]
) -> LimitInForce:
    same = [one.limit for one in shipped if one.limit.metric == metric]
    side = override.side or (same[0].side if len({s.side for s in same}) == 1 else None)
    if side is None:
        msg = f"The limit on {metric!r} needs side = at_least or at_most. Add it."
        raise PolicyError(msg)
    groups = override.groups or (same[0].groups if same else "whole")
    limit = Limit(
        metric=metric,
        side=side,
        limit=override.limit,
        required_in=(),
        reason=override.reason,
        groups=groups,
    )
    return LimitInForce(
        limit=limit,
        bound=override.limit,
        required=override.required,
        set_by="policy file",
    )
