"""What a run came to, for whoever started it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readiness.errors import RunError
from readiness.result import EXIT_CODES, Outcome, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run came to.

    Parameters
    ----------
    run_id : str
        The run.
    outcome : Outcome
        ``ERROR`` when there is no verdict.
    exit_code : int
        0 pass, 1 fail, 2 incomplete, 3 error, 130 and 143 when stopped.
    index_path : pathlib.Path or None
        The page to read; None when nothing was rendered.
    counts : mapping of str to int
        Checks by status.
    headline : str
        The verdict in one sentence.
    reason : str or None
        Reason code of a run without verdict, or of what went wrong after publishing.
    message : str
        What to do about `reason`.
    """

    run_id: str
    outcome: Outcome
    exit_code: int
    index_path: Path | None
    counts: Mapping[str, int]
    headline: str
    reason: str | None
    message: str


def summary_of(
    results: Mapping[str, Any], folder: Path | None, problem: RunError | None
) -> RunSummary:
    """Return what a run came to, from its results, its folder and what went wrong."""
    outcome = Outcome(results["outcome"])
    counted = Counter(one["status"] for one in results["checks"])
    return RunSummary(
        run_id=results["run_id"],
        outcome=outcome,
        exit_code=EXIT_CODES[Outcome.ERROR if problem else outcome],
        index_path=folder / "index.html" if folder else None,
        counts={str(one): counted[one] for one in Status if counted[one]},
        headline=results["headline"],
        reason=problem.code if problem else results["reason_code"],
        message=str(problem) if problem else _why(results),
    )


def _why(results: Mapping[str, Any]) -> str:
    """Return what the deciding notebook says, else the headline."""
    return next(
        (
            str(one["message"])
            for one in results["notebooks"]
            if one["reason_code"] and one["reason_code"] == results["reason_code"]
        ),
        str(results["headline"]),
    )
