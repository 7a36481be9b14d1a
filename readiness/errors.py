"""Errors people meet, and the stable reason codes they carry."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a run has no verdict, or why a check or finding was not assessed."""

    # A run without a verdict.
    USAGE = "USAGE"
    CASE = "CASE"
    POLICY = "POLICY"
    INPUT = "INPUT"
    INPUT_FORMAT = "INPUT_FORMAT"
    INPUT_CHANGED = "INPUT_CHANGED"
    SOURCE = "SOURCE"
    EMPTY = "EMPTY"
    MODEL_LOAD = "MODEL_LOAD"
    MODEL_UNTRUSTED = "MODEL_UNTRUSTED"
    MODEL_SCORES = "MODEL_SCORES"
    NOTEBOOK = "NOTEBOOK"
    NO_VERDICT = "NO_VERDICT"
    KERNEL_START = "KERNEL_START"
    KERNEL_DIED = "KERNEL_DIED"
    MEMORY = "MEMORY"
    CLUSTER = "CLUSTER"
    TIMEOUT = "TIMEOUT"
    STORAGE = "STORAGE"
    EXISTS = "EXISTS"
    OVERLAP = "OVERLAP"
    HISTORY_BUSY = "HISTORY_BUSY"
    HISTORY_NEWER = "HISTORY_NEWER"
    ALTERED = "ALTERED"
    OVERDUE = "OVERDUE"
    INTERRUPTED = "INTERRUPTED"
    CRASH = "CRASH"

    # A check or a finding that was not assessed.
    NO_TABLE = "NO_TABLE"
    NO_LABELS = "NO_LABELS"
    NO_ACCEPTABLE = "NO_ACCEPTABLE"
    NOT_DECLARED = "NOT_DECLARED"
    NO_PROBABILITIES = "NO_PROBABILITIES"
    NO_RESCORING = "NO_RESCORING"
    NO_REFIT = "NO_REFIT"
    REFUSED = "REFUSED"
    NO_COLUMNS = "NO_COLUMNS"
    NO_PLAN = "NO_PLAN"
    NO_TIME = "NO_TIME"
    NO_EXPECTATION = "NO_EXPECTATION"
    NOT_THIS_TASK = "NOT_THIS_TASK"
    NOT_IN_PROFILE = "NOT_IN_PROFILE"
    TOO_FEW_ROWS = "TOO_FEW_ROWS"
    ONE_CLASS = "ONE_CLASS"
    ALL_NULL = "ALL_NULL"
    MIXED_TYPES = "MIXED_TYPES"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    SCHEMA = "SCHEMA"
    BEYOND_SUPPORT = "BEYOND_SUPPORT"
    NOT_MEASURED = "NOT_MEASURED"

    # A finding that is inconclusive for another reason than its interval.
    TOO_FEW_BLOCKS = "TOO_FEW_BLOCKS"
    BASE_INCONCLUSIVE = "BASE_INCONCLUSIVE"
    UNDECIDABLE = "UNDECIDABLE"
    HOLM = "HOLM"


class ReadinessError(Exception):
    """Say what must hold, what came, where, and what to do.

    Parameters
    ----------
    message : str
        At most three sentences; no record of the data, no secret.
    code : Reason
        The stable reason code written to stderr, the history and JSON.
    """

    default_code = Reason.CRASH

    def __init__(self, message: str, code: Reason | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class CaseError(ReadinessError):
    """The case file cannot be used as it stands."""

    default_code = Reason.CASE


class PolicyError(ReadinessError):
    """The policy file cannot be used as it stands."""

    default_code = Reason.POLICY


class InputError(ReadinessError):
    """A table or a file cannot be read as it stands."""

    default_code = Reason.INPUT


class ModelError(ReadinessError):
    """The model cannot be loaded, is not trusted, or gave unusable scores."""

    default_code = Reason.MODEL_LOAD


class RunError(ReadinessError):
    """A review run, its storage or its history failed."""

    default_code = Reason.NO_VERDICT


class NotAssessedError(ReadinessError):
    """A check cannot answer on this case; it is listed with this reason."""

    default_code = Reason.NOT_MEASURED
