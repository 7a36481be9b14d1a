"""PUBLISH: the result files of a run's notebooks, put together and judged as one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from readiness.errors import Reason
from readiness.kept import Kept, read_kept
from readiness.notebooks import Notebook
from readiness.result import (
    CheckResult,
    Outcome,
    Verdict,
    result_from_dict,
    result_to_dict,
)
from readiness.verdict import adjust, verdict

SCHEMA_VERSION = 2
CLOCK_UNITS = frozenset({"ms", "1/s"})  # of numbers that differ from run to run
CLOCK_METRICS = frozenset({"age_days"})  # so do these, whatever their unit
MAX_RESULT_BYTES = 50_000_000
# The most telling reason first: what broke the input explains what broke later.
_PRECEDENCE = (Reason.STORAGE, Reason.MEMORY, Reason.KERNEL_DIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one notebook of the run ended, before its result file is read.

    Parameters
    ----------
    notebook : Notebook
        Which one.
    code, message : str or None, str
        Why it has no result; None when it ran to its end.
    seconds : float
        Wall time.
    peak_mb : int
        Peak memory of its kernel.
    made_by : str or None
        The failed run that executed it, when this run took its result over.
    """

    notebook: Notebook
    code: str | None
    message: str
    seconds: float
    peak_mb: int = 0
    made_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything the notebooks of a run left.

    Parameters
    ----------
    ended : tuple of Ended
        With the reason why a result file does not count filled in.
    results : tuple of CheckResult
        Of the notebooks that count, adjusted over the run.
    verdict : Verdict
        ``ERROR`` unless every notebook counts.
    ledger, facts : mapping
        What was read and used of each table; what the case is.
    kept : Kept
        What findings kept by block.
    """

    ended: tuple[Ended, ...]
    results: tuple[CheckResult, ...]
    verdict: Verdict
    ledger: Mapping[str, Any]
    facts: Mapping[str, Any]
    kept: Kept = field(default_factory=dict)


class _NotAcceptedError(Exception):
    """A result file does not count; the text says why."""


def gather(folder: Path, run_id: str, ended: Sequence[Ended]) -> Gathered:
    """Read the result files of this run, and judge them as one.

    Parameters
    ----------
    folder : pathlib.Path
        The run's private folder, with ``results/<notebook>.json``.
    run_id : str
        Files of any other run do not count, but of the failed run that an entry of
        `ended` was taken over from.
    ended : sequence of Ended
        The run's notebooks in order.

    Returns
    -------
    Gathered
        Its verdict rests on result files alone, never on what an executed notebook
        says about itself.
    """
    read, final = [], []
    for one in ended:
        try:
            if one.code is None:
                read.append(_accepted(folder, one.made_by or run_id, one.notebook))
            final.append(one)
        except _NotAcceptedError as error:
            final.append(_rejected(one, str(error)))
    results = adjust([check for checks, _ in read for check in checks])
    rests = [rest for _, rest in read]
    return Gathered(
        ended=tuple(final),
        results=results,
        verdict=_verdict(results, final),
        ledger=_ledger([rest.get("ledger", {}) for rest in rests]),
        facts=_merged([rest.get("facts", {}) for rest in rests]),
        kept=read_kept(folder / "tables", map(result_to_dict, results)),
    )


def notebook_entries(gathered: Gathered) -> list[dict[str, Any]]:
    """Return what results.json says about each notebook."""
    return [
        {
            "name": one.notebook.name,
            "dimension": one.notebook.dimension,
            "page": f"{one.notebook.name}.html",
            "complete": one.code is None,
            "reason_code": one.code,
            "message": one.message or None,
            "seconds": round(one.seconds, 2),
            "peak_mb": one.peak_mb,
            "made_by": one.made_by,
        }
        for one in gathered.ended
    ]


def results_digest(results: Sequence[CheckResult], ledger: Mapping[str, Any]) -> str:
    """Return a hash over findings and ledger: equal for equal inputs.

    Time, cost, executor, and the order in which notebooks ended do not enter; nor do
    findings in milliseconds or per second, the age of a table, and the status of a
    check that has such.
    """
    findings = sorted(
        (one.code, one.name, _status(one), one.reason or "", _canonical(one))
        for one in results
    )
    text = json.dumps([findings, ledger], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _status(result: CheckResult) -> str:
    is_timed = any(_is_timed(one.unit, one.metric) for one in result.findings)
    return "" if is_timed else result.status


def _is_timed(unit: str, metric: str) -> bool:
    return unit in CLOCK_UNITS or metric in CLOCK_METRICS


def _canonical(result: CheckResult) -> str:
    findings = result_to_dict(result)["findings"]
    kept = [one for one in findings if not _is_timed(one["unit"], one["metric"])]
    return json.dumps(kept, sort_keys=True, allow_nan=False)


def _accepted(
    folder: Path, run_id: str, notebook: Notebook
) -> tuple[list[CheckResult], Mapping[str, Any]]:
    values = _read(folder / "results" / f"{notebook.name}.json")
    if values.get("run_id") != run_id or values.get("notebook") != notebook.name:
        msg = "its result file belongs to another run or notebook"
        raise _NotAcceptedError(msg)
    if values.get("interactive") is not False:
        msg = "its result was made interactively, where cells can run in any order"
        raise _NotAcceptedError(msg)
    if values.get("complete") is not True:
        msg = "its result file is not complete"
        raise _NotAcceptedError(msg)
    try:
        results = [result_from_dict(one) for one in values["checks"]]
    except (KeyError, TypeError, ValueError) as cause:
        msg = f"its result file is malformed ({type(cause).__name__}: {cause})"
        raise _NotAcceptedError(msg) from cause
    missing = sorted(set(notebook.checks) - {one.name for one in results})
    if missing:
        msg = f"its result file lacks the check {missing[0]!r}"
        raise _NotAcceptedError(msg)
    return results, values


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.is_symlink() or path.stat().st_size > MAX_RESULT_BYTES:
            msg = "its result file is not a plain file of a plausible size"
            raise _NotAcceptedError(msg)
        values = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    except FileNotFoundError as cause:
        msg = "it left no result file; did it reach review.finish()?"
        raise _NotAcceptedError(msg) from cause
    except (OSError, ValueError) as cause:
        msg = f"its result file cannot be read ({cause})"
        raise _NotAcceptedError(msg) from cause
    if not isinstance(values, dict):
        msg = "its result file is malformed"
        raise _NotAcceptedError(msg)
    return values


def _refuse(constant: str) -> float:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


def _rejected(one: Ended, why: str) -> Ended:
    message = f"Notebook {one.notebook.name!r} gave no verdict: {why}."
    return replace(one, code=Reason.NO_VERDICT, message=message)


def _verdict(results: Sequence[CheckResult], ended: Sequence[Ended]) -> Verdict:
    broken = [one for one in ended if one.code is not None]
    if not broken:
        return verdict(results)
    first = next(
        (one for code in _PRECEDENCE for one in broken if one.code == code), broken[0]
    )
    return Verdict(
        outcome=Outcome.ERROR,
        headline=f"No verdict. {first.message}",
        reason_code=Reason(first.code or Reason.CRASH),
    )


def _ledger(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the account of each table by the notebook that used fewest rows.

    Only a notebook that scored a table knows the rows that got no score.
    """
    kept: dict[str, Any] = {}
    for part in parts:
        for name, account in part.items():
            if name not in kept or account["used"] < kept[name]["used"]:
                kept[name] = account
    return kept


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the union of what the notebooks say; the first to say a thing counts."""
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = _merged([merged[key], value])
            else:
                merged.setdefault(key, value)
    return merged
