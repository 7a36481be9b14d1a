"""The words readers meet: statuses, reasons, metrics and what would settle them."""

from readiness.errors import Reason
from readiness.result import Finding, Outcome, Status
from readiness.text import interval, number, visible

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
UNDECLARED = "which the case file does not declare"  # of rows that hang together
# Why there is no answer, and what it would take to get one.
REASONS: dict[str, tuple[str, str]] = {
    Reason.USAGE: ("The command was not understood.", "Correct the command."),
    Reason.CASE: ("The case file cannot be used.", "Correct the case file."),
    Reason.POLICY: ("The policy file cannot be used.", "Correct the policy file."),
    Reason.INPUT: ("A file is missing or cannot be read.", "Provide the file."),
    Reason.INPUT_FORMAT: (
        "A table is damaged or in a format that is not known.",
        "Write the table again as Parquet or CSV.",
    ),
    Reason.CLUSTER: (
        "The cluster cannot be used.",
        "Start it, or run on this machine.",
    ),
    Reason.SOURCE: (
        "A database did not give the table.",
        "Check its address, the rights and the query.",
    ),
    Reason.INPUT_CHANGED: (
        "An input changed while the review was running.",
        "Run again once the inputs stand still.",
    ),
    Reason.EMPTY: ("A table has no rows.", "Provide a table with rows."),
    Reason.MODEL_LOAD: ("The model could not be loaded.", "Save the model again."),
    Reason.MODEL_UNTRUSTED: (
        "The model file can run code, and the case does not name its hash.",
        "Check where the file comes from, then name its sha256 in the case file.",
    ),
    Reason.MODEL_SCORES: (
        "The model gave scores that cannot be used.",
        "Correct the model so that each row gets one finite score.",
    ),
    Reason.NOTEBOOK: (
        "A cell of a notebook ended with an error.",
        "Read the last line of the notebook's page.",
    ),
    Reason.NO_VERDICT: (
        "A notebook ended without leaving its results.",
        "Let every notebook run to its last cell.",
    ),
    Reason.KERNEL_START: (
        "The Python process of a notebook did not start.",
        "Install ipykernel where readiness is installed.",
    ),
    Reason.KERNEL_DIED: (
        "The process of a notebook was ended from outside or crashed.",
        "Look for lack of memory or a crash in native code, then run again.",
    ),
    Reason.MEMORY: (
        "A notebook needed more memory than it may use.",
        "Give it more memory, or fewer columns at once.",
    ),
    Reason.TIMEOUT: ("The time limit was reached.", "Allow more time."),
    Reason.STORAGE: (
        "The results could not be written.",
        "Free some space or choose another folder.",
    ),
    Reason.EXISTS: ("A run with this name exists.", "Run again with a new name."),
    Reason.HISTORY_BUSY: ("The history was locked.", "Rebuild the history."),
    Reason.HISTORY_NEWER: (
        "The history was written by a newer version.",
        "Use that version.",
    ),
    Reason.ALTERED: ("A file of a run was changed.", "Restore the run."),
    Reason.INTERRUPTED: ("The run was stopped by hand.", "Run again."),
    Reason.CRASH: (
        "An unexpected error ended the check.",
        "Report the error; its text is on the notebook's page.",
    ),
    Reason.NO_TABLE: (
        "The case has no table of this kind.",
        "Name the table in the case file.",
    ),
    Reason.NO_LABELS: (
        "The table has no known outcomes.",
        "Wait for the outcomes, or collect them for a sample.",
    ),
    Reason.NO_ACCEPTABLE: (
        "The case declares no acceptable value.",
        "Declare the worst acceptable value in the case file.",
    ),
    Reason.NO_PROBABILITIES: (
        "The model gives classes, not probabilities.",
        "Provide a model that gives probabilities.",
    ),
    Reason.NO_RESCORING: (
        "The case holds predictions, not a model that can score altered rows.",
        "Provide the model itself.",
    ),
    Reason.NO_REFIT: (
        "The model cannot be fitted again.",
        "Name a function under model.fit in the case file.",
    ),
    Reason.NO_COLUMNS: (
        "No column of the kind this check needs.",
        "Nothing, unless a column's kind is declared wrongly.",
    ),
    Reason.NO_TIME: (
        "The case names no time column.",
        "Name the time column in the case file.",
    ),
    Reason.NOT_THIS_TASK: ("The question does not arise for this task.", "Nothing."),
    Reason.NOT_IN_PROFILE: (
        "The quick profile leaves this out.",
        "Run with the full profile.",
    ),
    Reason.TOO_FEW_ROWS: ("Too few rows.", "Collect more rows."),
    Reason.ONE_CLASS: (
        "Only one outcome occurs, so there is nothing to tell apart.",
        "Collect rows with the other outcome.",
    ),
    Reason.ALL_NULL: ("The column has no values.", "Repair the column at its source."),
    Reason.MIXED_TYPES: (
        "The column mixes numbers and text.",
        "Give the column one type.",
    ),
    Reason.UNSUPPORTED_TYPE: (
        "The column's type is not supported.",
        "Turn it into numbers, text, true or false, or times.",
    ),
    Reason.SCHEMA: (
        "A column the model needs is missing or of another type.",
        "Repair the table; the schema check names the column.",
    ),
    Reason.BEYOND_SUPPORT: (
        "The answer lies beyond what the data can tell.",
        "Collect rows from that range.",
    ),
    Reason.REFUSED: (
        "The model refused the altered rows: loud, not silent.",
        "Nothing; make sure that somebody hears the error.",
    ),
    Reason.NOT_MEASURED: (
        "This was not measured on this case.",
        "Read the check's own page.",
    ),
    Reason.TOO_FEW_BLOCKS: (
        "Fewer than 30 blocks of rows that hang together.",
        "Collect rows from more blocks.",
    ),
    Reason.HOLM: (
        "It misses its limit, but by so little that chance alone could explain it.",
        "Collect more rows.",
    ),
    Reason.BASE_INCONCLUSIVE: (
        "The headline metric is itself undecided, so no budget below it can be.",
        "Settle the headline metric first.",
    ),
    Reason.UNDECIDABLE: (
        "It would take more than ten times the present rows to tell.",
        "More data of this kind will not decide it.",
    ),
}
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
    "mean_budget": "shift it bears",
    "scale_budget": "change of spread it bears",
    "noise_budget": "noise it bears",
    "category_budget": "share of mixed-up categories it bears",
    "missing_budget": "share of missing values it bears",
    "contract_violations": "inputs handled wrongly",
    "max_difference": "largest difference between repeated calls",
    "p50_ms": "median response time",
    "p95_ms": "95 in 100 answers within",
    "p99_ms": "99 in 100 answers within",
}


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


def group_words(group: str) -> str:
    """Return which rows a finding is about; empty for the whole case."""
    if group.startswith("table="):
        return f"{visible(group.removeprefix('table='), 40)} rows"
    return visible(group, 120) if group else ""


def reason_words(reason: str | None) -> str:
    """Return the sentence behind a reason code; unknown codes are shown as they are."""
    if reason is None:
        return ""
    return REASONS.get(reason, (f"{visible(reason)}.", ""))[0]


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
        words += f" ({number(finding.value_in_unit)} in its own unit)"
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
        words += f" in {finding.n_blocks:,} {blocks}"
    return words


def settle_words(finding: Finding, blocks: str = "blocks") -> str:
    """Return what would settle an inconclusive finding, in one sentence."""
    if finding.rows_needed is None:
        return remedy_words(finding.reason)
    words = f"{finding.rows_needed:,} more rows"
    needed = finding.blocks_needed
    if needed is not None and finding.n_blocks != finding.n_rows:
        words += f", {needed:,} more {blocks},"
    return f"{words} would probably settle it."


def block_word(block: str | None) -> str:
    """Return what the blocks of a case are called: days, weeks, hours or blocks."""
    spans = {"1h": "hours", "1d": "days", "1w": "weeks", "7d": "weeks"}
    return spans.get(block or "", "blocks")
