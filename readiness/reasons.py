"""Why there is no answer, in words, and what it would take to get one."""

from readiness.errors import Reason

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
    Reason.OVERLAP: (
        "Another run of the case is at work.",
        "Wait for it; nothing was started.",
    ),
    Reason.OVERDUE: (
        "A condition of the approval is overdue.",
        "Meet it, and mark it as done: readiness sign RUN --done.",
    ),
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
    Reason.NOT_DECLARED: (
        "The case does not declare what this number is held against.",
        "Declare it under [operation] in the case file.",
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
    Reason.NO_PLAN: (
        "This is a review, not a monitor: there is no monitoring plan.",
        "Make a plan of a published run with readiness plan, and run that.",
    ),
    Reason.NO_TIME: (
        "The case names no time column.",
        "Name the time column in the case file.",
    ),
    Reason.NO_EXPECTATION: (
        "The case file declares no expectation that could be broken.",
        "Declare what experts expect: monotone, or role, of a column.",
    ),
    Reason.NOT_THIS_TASK: ("The question does not arise for this case.", ""),
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
        "The column mixes numbers and text, or times of several kinds.",
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
        "It misses its limit, but with so many limits, chance alone could explain it.",
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
