"""Hand-made checks, measurements and policies for the tests of judging."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from readiness.config import LimitOverride, Waiver
from readiness.findings import judge
from readiness.policy import Declared, Policy, limits_in_force
from readiness.result import Check, CheckResult, Finding, Limit, Measurement
from readiness.verdict import check_status

TODAY = dt.date(2026, 11, 23)
ACCURACY = Declared(
    metric="accuracy",
    higher_is_better=True,
    values={"acceptable": 0.87, "tolerated_loss": 0.02},
)
AT_LEAST = Limit(
    metric="accuracy",
    side="at_least",
    limit=0.87,
    required_in=("high",),
    reason="Fewer wrong decisions than the clerks make today.",
)


def no_measure(*_: object) -> Measurement:
    raise NotImplementedError


def no_draw(*_: object) -> Figure:
    raise NotImplementedError


def check_with(
    *limits: Limit, code: str = "P1", metrics: tuple[str, ...] = ()
) -> Check:
    return Check(
        code=code,
        title="Headline metric",
        question="How good is it?",
        measure=no_measure,
        draw=no_draw,
        alt=str,
        limits=limits,
        metrics=metrics,
    )


def row(value: float, ci_low: float, ci_high: float, **more: object) -> dict[str, Any]:
    return {
        "metric": "accuracy",
        "group": "",
        "value": value,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "n_rows": 700,
        **more,
    }


def policy_with(
    tier: str = "high",
    limits: Mapping[str, Mapping[str, LimitOverride]] | None = None,
    waivers: tuple[Waiver, ...] = (),
) -> Policy:
    return Policy(tier=tier, limits=limits or {}, waivers=waivers, sha256=None)


def findings_of(
    *rows: dict[str, Any],
    check: Check | None = None,
    policy: Policy | None = None,
    declared: Declared = ACCURACY,
    today: dt.date = TODAY,
) -> tuple[Finding, ...]:
    check = check or check_with(AT_LEAST)
    policy = policy or policy_with()
    limits = limits_in_force(check, policy, declared)
    measurement = Measurement(summary=pd.DataFrame(rows))
    return judge(check, measurement, limits, policy, today)


def result_of(
    findings: tuple[Finding, ...], *, code: str = "P1", reason: str | None = None
) -> CheckResult:
    return CheckResult(
        code=code,
        name="headline_metric",
        dimension="baseline",
        notebook="00_baseline",
        title="Headline metric",
        question="How good is it?",
        status=check_status(findings),
        reason=reason,
        message=None,
        required=True,
        seconds=0.1,
        model_calls=0,
        options={},
        findings=findings,
        notes=(),
        tables=(),
    )
