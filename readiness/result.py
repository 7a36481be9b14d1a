"""Nouns of a review: measurement, limit, finding, check, result, verdict."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pandas as pd

from readiness.errors import Reason

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMMARY_COLUMNS = ("metric", "group", "value", "ci_low", "ci_high", "n_rows")
INFLUENCE = "influence"  # the table of what findings keep by block for later runs
EXTRA_COLUMNS = (
    "unit",  # of value and its interval: "share", "count", "SD", "metric points" …
    "se",
    "n_blocks",  # NaN where the number is exact, not an estimate from rows
    "dependence_factor",
    "value_in_unit",  # a budget in the feature's own unit
    "ci_low_in_unit",
    "ci_high_in_unit",
    "own_unit",  # that unit, as declared; empty where it is not
    "direction",  # which direction a budget was spent in: "up" or "down"
    "censored",  # True: beyond what the data can tell; value is then NaN
    "reason",  # a Reason where value is NaN
    "p_value",  # of the finding's own test, when there is one
)


class Status(StrEnum):
    """What a finding or a check says about its limit."""

    PASS = "pass"  # noqa: S105 (a status, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_ASSESSED = "not_assessed"
    INFO = "info"


class Outcome(StrEnum):
    """What a run says about its case."""

    PASS = "PASS"  # noqa: S105 (an outcome, not a password)
    FAIL = "FAIL"
    INCOMPLETE = "INCOMPLETE"
    ERROR = "ERROR"


EXIT_CODES = {
    Outcome.PASS: 0,
    Outcome.FAIL: 1,
    Outcome.INCOMPLETE: 2,
    Outcome.ERROR: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One bound on one metric, with the reason somebody chose it.

    Parameters
    ----------
    metric : str
        Name of a measured metric; ``"case:metric"`` is the case's headline metric.
    side : str
        ``"at_least"``, ``"at_most"``, or ``"good_side"``: the side on which the
        headline metric is good.
    limit : float or str
        A number, or ``"case:acceptable"``, ``"case:tolerated_loss"``,
        ``"case:operation.p99_ms"``: a value the case file declares. One of
        ``"case:data.…"`` is in force only where it is declared.
    required_in : tuple of str
        Tiers in which breaking this limit fails the run.
    groups : str
        ``"whole"``: the whole case, which includes ``table=current``;
        ``"each"``: every measured group by itself.
    reason : str
        One sentence a committee understands.
    tasks : tuple of str
        Tasks the metric exists for; in the others there is nothing to limit.
    precision : bool
        The metric is itself a half-width. Beyond the limit the data cannot tell
        (``inconclusive``, never ``fail``), and more rows would mend it.
    """

    metric: str
    side: str
    limit: float | str
    required_in: tuple[str, ...]
    reason: str
    groups: str = "whole"
    tasks: tuple[str, ...] = ("binary", "multiclass", "regression")
    precision: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """What a check computed; it knows no limit.

    Parameters
    ----------
    summary : pandas.DataFrame
        One row per metric and group; `SUMMARY_COLUMNS`, and any of
        `EXTRA_COLUMNS`. `ci_low` and `ci_high` are each a one-sided 95 % limit.
    tables : mapping of str to pandas.DataFrame
        What the figure and the page need, by name; published as CSV.
    notes : tuple of str
        Sentences for the reader, made from the numbers.
    """

    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What steers a measurement: the check's own options, and the run's.

    Parameters
    ----------
    values : mapping
        The check's options by name, defaults filled in.
    profile : str
        ``"quick"`` or ``"full"``.
    seed : int
        Seed of every random choice.
    needed : mapping of str to Measurement
        Measurements of the checks named in ``Check.needs``, by code; of those in
        ``Check.helped_by`` the ones that can answer on this case.
    precision : mapping of str to float
        By metric, the half-width that its limit needs; it steers row counts only.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "quick"
    seed: int = 7
    needed: Mapping[str, Measurement] = field(default_factory=dict)
    precision: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (options are plain values)
        """Return the option called `name`."""
        return self.values[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question, and the functions that answer and draw it.

    Parameters
    ----------
    code, title, question : str
        The code of METHODS.md, a short title, and the question in plain words.
    measure : callable
        ``measure(case, options) -> Measurement``; raises NotAssessedError.
    draw : callable
        ``draw(measurement, limits) -> Figure``; the limits are those in force.
    alt : callable
        ``alt(measurement) -> str``: one sentence stating the finding of the figure.
    limits : tuple of Limit
        Shipped limits; the policy file replaces them by code and metric.
    needs : tuple of str
        Codes of checks whose measurements arrive in ``options.needed``; where one
        cannot answer, this check cannot either.
    helped_by : tuple of str
        Codes of checks whose measurements arrive as well, where they can answer.
    defaults : mapping
        Options by name with their default values.
    metrics : tuple of str
        Further measured metrics, without a shipped limit, that a policy may limit.
    shown : str
        The table that readers see without unfolding it; empty: none.
    seeded_in : tuple of str
        Tasks in which a number may depend on the seed of the run.
    """

    code: str
    title: str
    question: str
    measure: Callable[..., Measurement]
    draw: Callable[[Measurement, tuple[Limit, ...]], "Figure"]
    alt: Callable[[Measurement], str]
    limits: tuple[Limit, ...] = ()
    needs: tuple[str, ...] = ()
    helped_by: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    shown: str = ""
    seeded_in: tuple[str, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number held against one limit; numbers are None where there is none."""

    metric: str
    group: str
    unit: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    se: float | None
    n_rows: int
    n_blocks: int | None
    dependence_factor: float | None
    value_in_unit: float | None
    ci_low_in_unit: float | None
    ci_high_in_unit: float | None
    direction: str | None
    censored: bool
    p_value: float | None
    side: str | None
    limit: float | None
    limit_set_by: str | None
    limit_reason: str | None
    required: bool
    status: Status
    reason: str | None
    waived: bool
    rows_needed: int | None
    blocks_needed: int | None
    own_unit: str = ""  # runs of older versions have none


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check as it is reported: identity, status, findings, cost.

    `seeded` is False where no number can depend on the seed of the run.
    """

    code: str
    name: str
    dimension: str
    notebook: str
    title: str
    question: str
    status: Status
    reason: str | None
    message: str | None
    required: bool
    seconds: float
    model_calls: int
    options: Mapping[str, Any]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    tables: tuple[str, ...]
    seeded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run says about its case, and the sentence that says why."""

    outcome: Outcome
    headline: str
    reason_code: Reason | None = None


def result_to_dict(result: CheckResult) -> dict[str, Any]:
    """Return `result` as plain values that strict JSON can hold."""
    return asdict(result)


def result_from_dict(values: Mapping[str, Any]) -> CheckResult:
    """Return the CheckResult that `result_to_dict` wrote."""
    findings = tuple(
        Finding(**{**one, "status": Status(one["status"])})
        for one in values["findings"]
    )
    rest = {**values, "status": Status(values["status"]), "findings": findings}
    for name in ("notes", "tables"):
        rest[name] = tuple(values[name])
    return CheckResult(**rest)
