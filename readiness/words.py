"""The words readers meet: statuses, reasons, metrics and what would settle them."""

import re

from readiness.reasons import REASONS
from readiness.result import Finding, Outcome, Status
from readiness.text import interval, number, printable, visible

STATUS_WORDS = {
    Status.PASS: "pass",
    Status.FAIL: "fail",
    Status.INCONCLUSIVE: "inconclusive",
    Status.NOT_ASSESSED: "not assessed",
    Status.INFO: "no limit",
}
OUTCOME_WORDS = {
    Outcome.PASS: "READY",
    Outcome.FAIL: "NOT READY",
    Outcome.INCOMPLETE: "INCOMPLETE",
    Outcome.ERROR: "NO VERDICT",
}
WITH_CONDITIONS = "READY WITH CONDITIONS"
MONITOR_WORDS = {
    "READY": "WITHIN BUDGET",
    WITH_CONDITIONS: "WITHIN BUDGET, WITH ALARMS",
    "NOT READY": "BUDGET SPENT",
    "INCOMPLETE": "CANNOT TELL",
    "NO VERDICT": "NO VERDICT",
}
UNDECLARED = "which the case file does not declare"  # of rows that hang together
METRICS = {
    "roc_auc": "AUC",
    "roc_auc_ovr": "AUC of one class against the rest",
    "f1": "F1",
    "f1_macro": "F1, mean over the classes",
    "average_precision": "average precision",
    "neg_log_loss": "log loss",
    "r2": "R²",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "residual_coverage": "outcomes inside their prediction interval",
    "schema_violations": "columns missing or retyped",
    "age_days": "age of the newest current row",
    "uncovered_traffic_share": "traffic in situations hardly seen",
    "uncovered_traffic_excess": "traffic hardly seen, beyond that of the reference",
    "uncovered_patterns": "situations hardly seen",
    "outside_share": "rows outside what training saw",
    "missing_mass": "chance that the next row holds an unseen category",
    "unsupported_share": "rows far from any training row",
    "duplicate_share": "rows that occur twice",
    "overlap_share": "rows of an entity that training has",
    "leaking_columns": "features that give the target away",
    "leak_strength": "how well the feature alone tells the target",
    "duplicate_gain": "what rows known before add to the metric",
    "missing_rows": "training rows missing",
    "doubling_gain": "what the last doubling of rows brought",
    "separability": "how well production can be told from training",
    "confirmed_slice_share": "traffic in groups confirmed weak",
    "events": "outcomes of this kind",
    "calendar_share": "rows at a time that training has seen",
    "additivity_error": "gap between the parts and the prediction",
    "base_value_error": "gap between base value and mean prediction",
    "attribution_half_width": "half-width of the importance",
    "separated_ranks": "ranks that can be told apart",
    "rank_overlap": "agreement of the first ranks",
    "rank_correlation": "agreement of all ranks",
    "direction_kept": "fits that keep the direction of the column",
    "faithfulness": "share of the best possible explanation",
    "permutation_importance": "loss added when the column is shuffled",
    "drop_column_importance": "loss added when the model is fitted without it",
    "loss_shapley": "fair share of what the model gains",
    "redundancy_ratio": "price of shuffling over that of a fit without it",
    "told_by_others": "how much the other columns tell of it",
    "expectation_violation_share": "rows that break what experts expect",
    "top_share": "largest share of all attribution",
    "attribution_direction": "rank correlation of value and attribution",
    "thin_share": "rows where training hardly has any",
    "attribution_shift": "attribution that moved to other columns",
    "attribution_order": "old importance in the new order (NDCG)",
    "interaction": "interaction (H²)",
    "reason_change_share": "rows whose reasons measurement noise changes",
    "shift": "distance from the reference",
    "missing_shift": "rise of missing values",
    "budget_spent": "budget spent",
    "prediction_shift": "distance of the predictions from the reference",
    "label_shift": "change of the outcomes",
    "mean_budget": "shift it bears",
    "scale_budget": "change of spread it bears",
    "noise_budget": "noise it bears",
    "category_budget": "share of mixed-up categories it bears",
    "missing_budget": "share of missing values it bears",
    "outlier_budget": "share of outliers it bears",
    "direction_budget": "move of several columns together it bears",
    "worst_group_risk": "mean loss of the worst-served rows",
    "smallest_safe_share": "smallest group that stays within the acceptable loss",
    "shelf_life": "age at which it misses the acceptable value",
    "loss_shelf_life": "age at which it has lost the tolerated loss",
    "historical_worst": "metric at the worst label share of the past",
    "prevalence_low": "lowest label share it bears",
    "prevalence_high": "highest label share it bears",
    "prevalence_loss_low": "lowest label share before the tolerated loss",
    "prevalence_loss_high": "highest label share before the tolerated loss",
    "target_low": "lowest mean target it bears",
    "target_high": "highest mean target it bears",
    "target_loss_low": "lowest mean target before the tolerated loss",
    "target_loss_high": "highest mean target before the tolerated loss",
    "stability_radius": "distance of the nearest population that misses the target",
    "stability_loss_radius": (
        "distance of the nearest population that costs the tolerated loss"
    ),
    "chi2_radius": "the same distance as a chi-square divergence",
    "chi2_loss_radius": "distance to the tolerated loss as a chi-square divergence",
    "past_radius": "distance of the worst window of the past",
    "observed_change": "change of the mean loss from reference to current",
    "covariate_part": "part from another mix of known rows",
    "concept_part": "part from other outcomes of the same rows",
    "current_part": "part from rows the reference hardly has",
    "shared_share": "how much the two periods overlap",
    "power_at_budget": "windows that alarm when the budget is spent",
    "missing_power_at_budget": "windows that alarm when the missing budget is spent",
    "blind_features": "columns whose spent budget nobody would see",
    "late_features": "columns whose spent budget is seen late",
    "past_alarm_share": "past windows that would have alarmed",
    "estimate_error": "error of the estimate without labels",
    "baseline_error": "error of assuming that nothing changed",
    "error_ratio": "error of the estimate over that of assuming no change",
    "estimate_bias": "estimate without labels, less what came",
    "false_alarms_per_month": "false alarms per month",
    "alarm_chance": "tolerated losses found before the next fit",
    "windows_to_alarm": "windows until half of such losses are found",
    "blind_budget_spent": "budget spent, which this window sees poorly",
    "days_left": "days until the budget is spent",
    "alarm_share": "windows that alarmed",
    "alarms_in_last_window": "watched numbers that alarm in the last window",
    "watched": "columns that cannot be watched",
    "contract_violations": "inputs handled wrongly",
    "flip_share": "decisions that measurement noise flips",
    "cheapest_flip": "change that flips half of the decisions",
    "relation_violation_share": "rows on which the relation does not hold",
    "max_difference": "largest difference between repeated calls",
    "p50_ms": "median response time",
    "p95_ms": "95 in 100 answers within",
    "p99_ms": "99 in 100 answers within",
    "sustainable_rate": "requests that one worker bears",
    "seed_spread_ratio": "how much more seeds differ under stress",
    "worst_seed": "metric of the worst seed",
    "interval_coverage": "outcomes inside their prediction interval",
}

# Each window of the past is one observation of these.
BY_WINDOW = frozenset(
    {
        "past_alarm_share",
        "estimate_error",
        "baseline_error",
        "error_ratio",
        "estimate_bias",
    }
)

_REQUESTS = {"1": "requests of one row", "100": "requests of 100 rows"}
# What a group stands for, by the first word of its metric.
GROUPS = {
    "p50": _REQUESTS,
    "p95": _REQUESTS,
    "p99": _REQUESTS,
    "sustainable": _REQUESTS,
    "uncovered": {"level=1": "situations of one condition"},
    "calendar": {
        "month": "month of the year",
        "weekday": "day of the week",
        "hour": "hour of the day",
    },
}


def page_words(notebook: str) -> str:
    """Return what the page of a notebook is called: ``Load`` for ``45_load``."""
    plain = re.sub(r"^\d+_", "", notebook).replace("_", " ")
    return printable(plain).capitalize()


def metric_words(metric: str) -> str:
    """Return a metric's name in words a committee reads."""
    if metric in METRICS:
        return METRICS[metric]
    if metric.endswith("_loss_budget"):
        inner = metric_words(f"{metric.removesuffix('_loss_budget')}_budget")
        return f"{inner} before the tolerated loss"
    if metric.endswith("_loss") and metric.removesuffix("_loss") in METRICS:
        return f"{METRICS[metric.removesuffix('_loss')]} lost"
    return visible(metric.replace("_", " "), 80)


def group_words(group: str, metric: str = "") -> str:
    """Return which rows a finding is about; empty for the whole case.

    Parameters
    ----------
    group : str
        As in results.json; an unknown one is shown as it is.
    metric : str
        The metric's name: some groups have a meaning for it alone.

    Examples
    --------
    >>> group_words("level=1 & table=reference", "uncovered_traffic_share")
    'situations of one condition, reference rows'
    >>> group_words("level=1", "roc_auc"), group_words("weekday", "calendar_share")
    ('level=1', 'day of the week')
    """
    named = GROUPS.get(metric.partition("_")[0], {})
    if group in named:
        return named[group]
    first, _, table = group.partition(" & table=")
    if first in named and table:
        return f"{named[first]}, {visible(table, 40)} rows"
    if group.startswith("table="):
        return f"{visible(group.removeprefix('table='), 40)} rows"
    if group and metric == "events":
        return f"labelled {visible(group, 120)}"
    return visible(group, 120) if group else ""


def reason_words(reason: str | None) -> str:
    """Return the sentence behind a reason code; unknown codes are shown as they are."""
    if reason is None:
        return ""
    return REASONS.get(reason, (f"{visible(reason)}.", ""))[0]


def trust_words(trusted_by: str) -> str:
    """Return why a model file was loaded, in words of a reader."""
    if trusted_by == "types":
        return "its types: all of them are on the kit's own list, none runs code"
    return visible(trusted_by, 120)


def remedy_words(reason: str | None) -> str:
    """Return what it would take to get an answer, or nothing."""
    return REASONS.get(reason or "", ("", ""))[1]


def value_words(finding: Finding) -> str:
    """Return the value with its unit, and in the feature's own unit where known."""
    if finding.censored:
        return "beyond what the data can tell"
    if finding.value is None:
        return "none"
    words = number(finding.value, finding.unit, beside=finding.limit)
    if finding.value_in_unit is not None:
        own = number(finding.value_in_unit, finding.own_unit)
        words += f" ({own})" if finding.own_unit else f" ({own} in its own unit)"
    return f"{words}, {visible(finding.direction)}" if finding.direction else words


def interval_words(finding: Finding) -> str:
    """Return the interval in words; empty for a number that is itself a width."""
    if finding.ci_low == finding.ci_high == finding.value:
        is_count = finding.value is not None and finding.n_blocks is None
        return "exact" if is_count else ""
    return interval(finding.ci_low, finding.ci_high, finding.unit, beside=finding.limit)


def limit_words(finding: Finding) -> str:
    """Return the limit, such as ``at least 0.65``, or that there is none."""
    if finding.limit is None:
        return "not declared" if finding.side else "none"
    side = (finding.side or "").replace("_", " ")
    return f"{side} {number(finding.limit, finding.unit, exact=True)}".strip()


def rows_words(finding: Finding, blocks: str = "blocks") -> str:
    """Return how many rows, and how many blocks of them, a finding rests on."""
    if not finding.n_rows:
        return "no rows"
    words = f"{finding.n_rows:,} row{'s' * (finding.n_rows > 1)}"
    if finding.n_blocks is not None and finding.n_blocks != finding.n_rows:
        words += f" in {finding.n_blocks:,} {_counted(finding, blocks)}"
    return words


def settle_words(finding: Finding, blocks: str = "blocks") -> str:
    """Return what would settle an inconclusive finding, in one sentence."""
    if finding.rows_needed is None:
        return remedy_words(finding.reason)
    words = f"{finding.rows_needed:,} more rows"
    needed = finding.blocks_needed
    if needed is not None and finding.n_blocks != finding.n_rows:
        words += f", {needed:,} more {_counted(finding, blocks)},"
    return f"{words} would probably settle it."


def _counted(finding: Finding, blocks: str) -> str:
    """Return what a finding counts: windows of time, or the blocks of the case."""
    return "windows" if finding.metric in BY_WINDOW else blocks


def block_word(block: str | None) -> str:
    """Return what the blocks of a case are called: days, weeks, hours or blocks."""
    spans = {"1h": "hours", "1d": "days", "1w": "weeks", "7d": "weeks"}
    return spans.get(block or "", "blocks")
