"""The two files people write, as pydantic models: the case and the policy."""

import datetime as dt
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from readiness.errors import CaseError, PolicyError, ReadinessError, Reason
from readiness.source_config import Strict, TableSource, Text

MAX_FILE_BYTES = 1_000_000
# Keys of a column that its tables are held against, and nothing else.
OF_SCHEMA = {"kind", "format", "categories", "max_missing"}
RESERVED_NAMES = {"con", "prn", "aux", "nul", "failed", "latest"}
Tier = Literal["low", "medium", "high"]
Task = Literal["binary", "multiclass", "regression"]
Kind = Literal["numeric", "categorical", "boolean", "time"]


def _safe_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-][a-z0-9._-]{0,79}", name) or name in RESERVED_NAMES:
        msg = "must be 1 to 80 of a-z 0-9 . _ -, not start with a dot, not be reserved"
        raise ValueError(msg)
    return name


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = "must be a finite number"
        raise ValueError(msg)
    return number


def _duration(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[hdw]", text):
        msg = 'must be a whole number of hours, days or weeks, such as "7d"'
        raise ValueError(msg)
    return text


def _format(text: str) -> str:
    if text != "text" and "%" not in text:
        msg = 'must be "text", or the format of a time such as "%d.%m.%Y"'
        raise ValueError(msg)
    return text


Name = Annotated[str, AfterValidator(_safe_name)]
Number = Annotated[float, AfterValidator(_finite)]
Duration = Annotated[str, AfterValidator(_duration)]
M = TypeVar("M", bound=BaseModel)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelSection(Strict):
    """The model under review: a file, a callable, or a column of predictions."""

    path: Text | None = None
    callable: Text | None = None
    predictions: Text | None = None
    sha256: Sha256 | None = None
    task: Task
    positive: str | int | bool | float | None = None
    threshold: Number | None = None
    metric: Text | None = None
    acceptable: Number | None = None
    tolerated_loss: Annotated[Number, Field(gt=0)] = 0.02
    features: list[str] | None = None
    fit: Text | None = None
    fit_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _exactly_one_source(self) -> "ModelSection":
        named = [self.path, self.callable, self.predictions]
        if sum(source is not None for source in named) != 1:
            msg = "needs exactly one of path, callable, predictions"
            raise ValueError(msg)
        return self


class DataSection(Strict):
    """The tables, and the columns that are not features."""

    training: TableSource | None = None
    reference: TableSource
    current: TableSource | None = None
    target: Text
    time: Text | None = None
    entity: Text | None = None
    weight: Text | None = None
    block: Text | None = None
    ignore: list[str] = Field(default_factory=list)
    window: Duration | None = None
    max_age: Duration | None = None


class ColumnSection(Strict):
    """What people know about one column; `format` is of CSV files."""

    kind: Kind | None = None
    format: Annotated[Text, AfterValidator(_format)] | None = None
    unit: Text | None = None
    source: Text | None = None
    measurement_sd: Annotated[Number, Field(gt=0)] | None = None
    range: tuple[Number, Number] | None = Field(default=None, strict=False)
    categories: list[str] | None = None
    max_missing: Annotated[Number, Field(ge=0, lt=1)] | None = None
    monotone: Literal["increasing", "decreasing"] | None = None
    role: Literal["irrelevant", "forbidden"] | None = None
    group: bool = False
    sensitive: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> "ColumnSection":
        if self.range is not None and self.range[0] >= self.range[1]:
            msg = "range must be [lowest, highest]"
            raise ValueError(msg)
        is_time = self.format is not None and self.format != "text"
        if is_time and self.kind not in (None, "time"):
            msg = f"a format of times does not fit the kind {self.kind!r}"
            raise ValueError(msg)
        if self.format == "text" and self.kind not in (None, "categorical"):
            msg = f'the format "text" does not fit the kind {self.kind!r}'
            raise ValueError(msg)
        return self


class OperationSection(Strict):
    """How the model is run and watched."""

    monitor_window_rows: Annotated[int, Field(ge=1)] | None = None
    windows_per_month: Annotated[Number, Field(gt=0)] | None = None
    false_alarms_per_month: Annotated[Number, Field(gt=0)] | None = None
    label_delay_days: Annotated[Number, Field(ge=0)] | None = None
    retrain_every_days: Annotated[Number, Field(gt=0)] | None = None
    p99_ms: Annotated[Number, Field(gt=0)] | None = None
    requests_per_second: Annotated[Number, Field(gt=0)] | None = None


class ReviewSection(Strict):
    """Notebooks, checks and attestations of the user's own, beside the case."""

    notebooks: Text | None = None
    checks: Text | None = None
    attestations: Text | None = None


class CaseFile(Strict):
    """One model under review with its data."""

    name: Name
    title: Text
    decision: str = ""
    owner: str = ""
    tier: Tier = "medium"
    model: ModelSection
    data: DataSection
    columns: dict[str, ColumnSection] = Field(default_factory=dict)
    operation: OperationSection = OperationSection()
    checks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    review: ReviewSection = ReviewSection()


class LimitOverride(Strict):
    """One limit as an organisation sets it."""

    side: Literal["at_least", "at_most"] | None = None
    limit: Number
    required: bool = True
    groups: Literal["whole", "each"] | None = None
    reason: Text


class Waiver(Strict):
    """Somebody's signed acceptance of one failing finding, until a date."""

    check: Text
    metric: Text
    group: str = ""
    owner: Text
    reason: Text
    expires: dt.date


class PolicyFile(Strict):
    """Limits and waivers that replace what the checks ship."""

    tier: Tier | None = None
    limits: dict[str, dict[str, LimitOverride]] = Field(default_factory=dict)
    waivers: list[Waiver] = Field(default_factory=list)


def days_of(duration: str) -> float:
    """Return a duration in days.

    Examples
    --------
    >>> days_of("36h"), days_of("2w")
    (1.5, 14.0)
    """
    return int(duration[:-1]) * {"h": 1 / 24, "d": 1.0, "w": 7.0}[duration[-1]]


def read_case(path: Path) -> CaseFile:
    """Read a case file.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file of at most 1 MB.

    Raises
    ------
    CaseError
        When the file is missing, is not TOML, or a key is unknown, missing,
        doubled or of the wrong type; the message names key and line.
    """
    return read_toml(path, CaseFile, CaseError, "case file")


def read_policy(path: Path) -> PolicyFile:
    """Read a policy file; as `read_case`, raising PolicyError."""
    return read_toml(path, PolicyFile, PolicyError, "policy file")


def no_file(path: Path) -> str:
    """Return what stands at a path instead of a file; nothing where that is in order.

    Reading from a pipe waits for whoever writes: a schedule would wait for ever.
    """
    if path.is_dir():
        return "a folder"
    return "" if path.is_file() or not path.exists() else "a pipe or a device"


def read_toml(path: Path, model: type[M], error: type[ReadinessError], kind: str) -> M:
    """Return a TOML file as a model, raising `error` as `read_case` does.

    The messages call the file by `kind`.
    """
    reason = Reason.INPUT if error is CaseError else None
    wrong = no_file(path)
    if wrong:
        msg = f"The {kind} {path.name!r} is {wrong}; name the file itself."
        raise error(msg, reason)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as cause:
        msg = (
            f"The {kind} {path.name!r} cannot be read: {cause.strerror}. Correct the "
            "path."
        )
        raise error(msg, reason) from cause
    if len(raw) > MAX_FILE_BYTES or not raw.strip():
        msg = f"The {kind} {path.name!r} must hold 1 to {MAX_FILE_BYTES} bytes."
        raise error(msg)
    try:
        text = raw.decode()
        return model.model_validate(tomllib.loads(text))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        msg = f"The {kind} {path.name!r} is not TOML: {cause}."
        raise error(msg) from cause
    except ValidationError as cause:
        msg = f"The {kind} {path.name!r} {_first_problem(cause, text)}"
        raise error(msg) from cause


def _first_problem(cause: ValidationError, text: str) -> str:
    problems = cause.errors()
    unknown = [one for one in problems if one["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]  # a misspelt key is also a missing one
    key = ".".join(str(part) for part in problem["loc"]) or "(file)"
    leaf = next((p for p in reversed(problem["loc"]) if isinstance(p, str)), "")
    pattern = rf"^\s*\[*\s*[\w.\"'-]*{re.escape(leaf)}[\"']?\s*(=|\])"
    found = re.search(pattern, text, re.MULTILINE) if leaf else None
    line = f" (line {text.count(chr(10), 0, found.end()) + 1})" if found else ""
    if problem["type"] == "extra_forbidden":
        return f"has an unknown key {key!r}{line}. Remove it or correct its name."
    if problem["type"] == "missing":
        return f"lacks the key {key!r}. Add it."
    what = problem["msg"].removeprefix("Value error, ")
    return f"has an unusable value for {key!r}{line}: {what}."
