"""The plan file: what a monitor watches, at which levels, against which budgets."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from readiness.config import (
    Kind,
    Name,
    Number,
    Sha256,
    Task,
    Tier,
    no_file,
    read_toml,
)
from readiness.errors import CaseError
from readiness.source_config import Strict, TableSource, Text

Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Verdict = Literal["covered", "late", "blind", ""]


class Watch(Strict):
    """One number of a window; all amounts are in its own unit, or shares.

    ``reference`` is its value where nothing had changed, ``window_error`` and
    ``reference_error`` the standard errors of a window and of that value. A window
    alarms when it is further than ``alarm_move`` from the reference. ``budget_low``
    without ``budget`` is how far it may move for all the review could tell.
    ``psi_at_budget`` is what a monitor of the PSI would read there.
    """

    column: Text
    family: Literal["mean", "category", "missing"]
    category: str = ""
    kind: Kind
    unit: str = ""
    reference: Number
    window_error: NotNegative
    reference_error: NotNegative
    alarm_move: NotNegative
    alarm_rate: NotNegative
    budget: Positive | None = None
    budget_low: Positive | None = None
    budget_high: Positive | None = None
    psi_at_budget: NotNegative | None = None
    direction: Literal["up", "down", ""] = ""
    power: NotNegative | None = None
    verdict: Verdict = ""

    @model_validator(mode="after")
    def _whole_budget(self) -> "Watch":
        if self.verdict and (self.budget is None or self.budget_low is None):
            msg = "with a verdict needs budget and budget_low"
            raise ValueError(msg)
        return self


class WindowSection(Strict):
    """How rows are cut into windows, and what was promised of them."""

    time: Text | None = None
    block: Text | None = None
    weight: Text | None = None
    rows: Annotated[int, Field(ge=1)]
    blocks_per_window: Annotated[int, Field(ge=1)]
    windows_per_block: Annotated[int, Field(ge=1)]
    windows_per_month: Positive
    false_alarms_per_month: Positive
    late_windows: Annotated[int, Field(ge=1)]
    reference_blocks: Annotated[int, Field(ge=1)]


class ModelFacts(Strict):
    """Of the model whose inputs are watched; it is not loaded."""

    task: Task
    metric: Text
    acceptable: Number | None = None
    tolerated_loss: Positive
    sha256: Sha256 | None = None


class Origin(Strict):
    """The published run that the plan comes from."""

    case: Name
    run_id: Text
    results_digest: Sha256
    created_utc: Text


class PlanFile(Strict):
    """A monitoring plan, complete in itself."""

    kind: Literal["monitor"]
    name: Name
    title: Text
    decision: str = ""
    owner: str = ""
    tier: Tier = "medium"
    current: TableSource | None = None
    origin: Origin
    model: ModelFacts
    window: WindowSection
    watch: Annotated[list[Watch], Field(min_length=1)]


def is_plan(path: Path) -> bool:
    """Return whether a TOML file says that it is a monitoring plan."""
    if no_file(path):
        return False
    try:
        with path.open(encoding="utf-8") as stream:
            return any(line.strip() == 'kind = "monitor"' for line in stream)
    except (OSError, UnicodeDecodeError):  # reading it will say what is wrong
        return False


def read_plan(path: Path) -> PlanFile:
    """Read a monitoring plan; as `config.read_case`, raising CaseError."""
    return read_toml(path, PlanFile, CaseError, "plan file")
