"""JUDGE: measured numbers held against limits give findings."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from readiness.config import Waiver
from readiness.errors import Reason
from readiness.policy import LimitInForce, Policy
from readiness.result import Check, Finding, Limit, Measurement, Status
from readiness.stats import Z_ONE_SIDED

MIN_BLOCKS = 30
Z_POWER = 0.8416212335729143  # 80 %
HOPELESS_FACTOR = 10
INCONCLUSIVE_REASONS = frozenset({Reason.TOO_FEW_BLOCKS, Reason.BASE_INCONCLUSIVE})
_NUMBERS = (
    "value",
    "ci_low",
    "ci_high",
    "se",
    "dependence_factor",
    "value_in_unit",
    "ci_low_in_unit",
    "ci_high_in_unit",
    "p_value",
)
_KEPT = (
    *("metric", "group", "unit", "n_rows", "n_blocks", "direction", "censored"),
    *("reason", "own_unit", *_NUMBERS),
)


def judge(
    check: Check,
    measurement: Measurement,
    limits: Sequence[LimitInForce],
    policy: Policy,
    today: dt.date,
) -> tuple[Finding, ...]:
    """Hold every measured number against its limits.

    Parameters
    ----------
    check : Check
        The check that measured.
    measurement : Measurement
        Its numbers.
    limits : sequence of LimitInForce
        From `limits_in_force`.
    policy : Policy
        Gives the waivers.
    today : datetime.date
        A waiver counts up to and on its expiry date.

    Returns
    -------
    tuple of Finding
        One per measured row and matching limit; a row without limit is ``info``; a
        limit without a row is ``not_assessed``.
    """
    findings: list[Finding] = []
    matched: set[int] = set()
    for row in measurement.summary.to_dict("records"):
        hits = [n for n, one in enumerate(limits) if _applies(one.limit, row)]
        matched.update(hits)
        findings += [_held_against(row, limits[n]) for n in hits]
        if not hits:
            findings.append(_finding(row, None, Status.INFO, _text(row, "reason")))
    findings += [
        _not_measured(one, Reason.NOT_MEASURED)
        for n, one in enumerate(limits)
        if n not in matched
    ]
    return tuple(_waive(one, check.code, policy.waivers, today) for one in findings)


def rejudged(
    finding: Finding, *, shift: float = 0.0, bound: float | None = None
) -> Finding:
    """Judge a finding again, with its value moved, or against another bound.

    Parameters
    ----------
    finding : Finding
        Held against a limit.
    shift : float
        Added to value and interval, in the unit of the finding.
    bound : float, optional
        In place of its limit.

    Returns
    -------
    Finding
        As `judge` gives alone, before Holm's correction over the run. A waiver of its
        fail still holds; one for a finding that had not failed is not known here. Its
        own p-value, which belongs to what was measured, is left out where it is moved.
    """
    limit = finding.limit if bound is None else bound
    held = Limit(
        metric=finding.metric,
        side=finding.side or "",
        limit=math.nan if limit is None else limit,
        required_in=(),
        reason=finding.limit_reason or "",
    )
    one = LimitInForce(
        limit=held,
        bound=float(held.limit),
        required=finding.required,
        set_by=finding.limit_set_by or "",
    )
    row = {name: getattr(finding, name) for name in _KEPT}
    for name in ("value", "ci_low", "ci_high"):
        if row[name] is not None:
            row[name] += shift
    if row["value"] is not None:
        row["ci_low"] = -math.inf if row["ci_low"] is None else row["ci_low"]
        row["ci_high"] = math.inf if row["ci_high"] is None else row["ci_high"]
    if shift or bound is not None:
        row["p_value"] = None
    again = _held_against(row, one)
    is_waived = finding.waived and again.status is Status.FAIL
    return replace(again, waived=True) if is_waived else again


def not_assessed(limits: Sequence[LimitInForce], reason: str) -> tuple[Finding, ...]:
    """Return one ``not_assessed`` finding per limit of a check that could not run.

    Where nobody declared an expectation none can be broken: the shipped limit is then
    not required. One that the policy file requires stays so.
    """
    found = [_not_measured(one, reason) for one in limits]
    if reason != Reason.NO_EXPECTATION:
        return tuple(found)
    return tuple(
        replace(one, required=one.required and one.limit_set_by == "policy file")
        for one in found
    )


def _applies(limit: Limit, row: Mapping[Any, Any]) -> bool:
    whole = row["group"] == "" or str(row["group"]).startswith("table=")
    return row["metric"] == limit.metric and (limit.groups == "each" or whole)


def _held_against(row: Mapping[Any, Any], one: LimitInForce) -> Finding:
    if math.isnan(one.bound):
        is_plan = one.declared_as.startswith("operation.")
        reason = Reason.NOT_DECLARED if is_plan else Reason.NO_ACCEPTABLE
        return _finding(row, one, Status.NOT_ASSESSED, reason)
    n_blocks = _number(row, "n_blocks")
    is_known = _number(row, "value") is not None or row.get("censored") is True
    if is_known and n_blocks is not None and n_blocks < MIN_BLOCKS:
        short = _finding(row, one, Status.INCONCLUSIVE, Reason.TOO_FEW_BLOCKS)
        blocks = MIN_BLOCKS - int(n_blocks)
        rows = math.ceil(short.n_rows / max(n_blocks, 1) * blocks)
        return replace(short, rows_needed=rows, blocks_needed=blocks)
    if _number(row, "value") is None:
        return _without_value(row, one)
    status = _against(one, float(row["ci_low"]), float(row["ci_high"]))
    if one.limit.precision and status is not Status.PASS:
        wide = _finding(row, one, Status.INCONCLUSIVE, None)
        return _with_rows_needed(wide, ((wide.value or 0.0) / one.bound) ** 2)
    finding = _finding(row, one, status, None)
    if status is not Status.INCONCLUSIVE:
        return finding
    return _with_rows_needed(finding, _factor_to_decide(finding))


def _without_value(row: Mapping[Any, Any], one: LimitInForce) -> Finding:
    """Judge a row without a value: censored, inconclusive for a reason, or absent."""
    reason = _text(row, "reason") or Reason.NOT_MEASURED
    if row.get("censored") is True:
        low, high = _number(row, "ci_low"), _number(row, "ci_high")
        status = _against(
            one,
            -math.inf if low is None else low,
            math.inf if high is None else high,
        )
        kept = None if status is Status.PASS else Reason.BEYOND_SUPPORT
        return _finding(row, one, status, kept)
    if reason in INCONCLUSIVE_REASONS:
        return _finding(row, one, Status.INCONCLUSIVE, reason)
    return _finding(row, one, Status.NOT_ASSESSED, reason)


def _against(one: LimitInForce, ci_low: float, ci_high: float) -> Status:
    if one.limit.side == "at_least":
        good, bad = ci_low >= one.bound, ci_high < one.bound
    else:
        good, bad = ci_high <= one.bound, ci_low > one.bound
    if good:
        return Status.PASS
    return Status.FAIL if bad else Status.INCONCLUSIVE


def _factor_to_decide(finding: Finding) -> float:
    """Return how many times the rows give an 80 % chance of an answer.

    The half-width shrinks with the square root of the rows; METHODS §1.1 with the
    power term of §1.4.
    """
    distance = abs((finding.value or 0.0) - (finding.limit or 0.0))
    half = half_width_towards_limit(finding)
    if distance == 0 or not math.isfinite(half):
        return math.inf
    return (half / distance * (Z_ONE_SIDED + Z_POWER) / Z_ONE_SIDED) ** 2


def _with_rows_needed(finding: Finding, factor: float) -> Finding:
    """Add the further rows and blocks, or say that none will decide it."""
    if factor > HOPELESS_FACTOR:
        return replace(finding, reason=Reason.UNDECIDABLE)
    more = max(factor - 1.0, 0.0)
    blocks = None if finding.n_blocks is None else math.ceil(finding.n_blocks * more)
    return replace(
        finding,
        rows_needed=math.ceil(finding.n_rows * more),
        blocks_needed=blocks,
    )


def half_width_towards_limit(finding: Finding) -> float:
    """Return the half-width of the interval on the side that faces the limit."""
    low = -math.inf if finding.ci_low is None else finding.ci_low
    high = math.inf if finding.ci_high is None else finding.ci_high
    value = finding.value or 0.0
    return high - value if (finding.limit or 0.0) > value else value - low


def _waive(
    finding: Finding, code: str, waivers: Sequence[Waiver], today: dt.date
) -> Finding:
    key = (code, finding.metric, finding.group)
    valid = any(
        (one.check, one.metric, one.group) == key and today <= one.expires
        for one in waivers
    )
    waived = valid and finding.status is Status.FAIL
    return replace(finding, waived=True) if waived else finding


def _not_measured(one: LimitInForce, reason: str) -> Finding:
    row = {"metric": one.limit.metric, "group": "", "n_rows": 0}
    return _finding(row, one, Status.NOT_ASSESSED, reason)


def _finding(
    row: Mapping[Any, Any],
    one: LimitInForce | None,
    status: Status,
    reason: str | None,
) -> Finding:
    n_blocks = _number(row, "n_blocks")
    has_bound = one is not None and not math.isnan(one.bound)
    return Finding(
        metric=str(row["metric"]),
        group=str(row["group"]),
        unit=_text(row, "unit") or "",
        **{name: _number(row, name) for name in _NUMBERS},
        n_rows=int(_number(row, "n_rows") or 0),
        n_blocks=None if n_blocks is None else int(n_blocks),
        own_unit=_text(row, "own_unit") or "",
        direction=_text(row, "direction"),
        censored=row.get("censored") is True,
        side=one.limit.side if one else None,
        limit=one.bound if one and has_bound else None,
        limit_set_by=one.set_by if one else None,
        limit_reason=one.limit.reason if one else None,
        required=one.required if one else False,
        status=status,
        reason=None if reason is None else str(reason),
        waived=False,
        rows_needed=None,
        blocks_needed=None,
    )


def _number(row: Mapping[Any, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _text(row: Mapping[Any, Any], name: str) -> str | None:
    value = row.get(name)
    return str(value) if isinstance(value, str) and value else None
