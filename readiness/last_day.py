"""PUBLISH: the last day of an approval, from shelf life, label delay and plan."""

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readiness.config import OperationSection
from readiness.errors import Reason, RunError
from readiness.markup import csv_rows

CHECK, METRIC, TABLE = "D6", "shelf_life", "D6-base.csv"
UNDECLARED = (
    "No last day is proposed: declare operation.retrain_every_days, or let D6 answer "
    "(full profile, an acceptable value, training rows with times)."
)


def approval_entry(
    results: Mapping[str, Any], operation: OperationSection, tables: Path
) -> dict[str, Any]:
    """Return what results.json says of the last day of an approval.

    Parameters
    ----------
    results : mapping
        The content of results.json, without it.
    operation : OperationSection
        With ``label_delay_days`` and ``retrain_every_days`` where they are declared.
    tables : pathlib.Path
        Folder with the tables that the checks wrote.

    Returns
    -------
    dict
        Days as texts, None where they are not known: ``fitted_until`` (of the last
        row fitted on, from D6), ``certified_until`` (that day and the lower limit of
        the shelf life), ``proposed_until`` (the earlier of ``certified_until`` less
        the label delay, and the day on which the model is to be fitted again), and
        ``because``, the reason of the last; empty without it.
    """
    fitted, life = _shelf_life(results, tables)
    certified, offers = None, []
    if fitted and life is not None:
        certified = _moved(fitted, math.floor(life))
        delay = operation.label_delay_days or 0
        because = f"D6 shows that the model holds its target until {certified}"
        if delay:
            because += f", and outcomes are known after {delay:g} days"
        offers.append((_moved(certified, -math.ceil(delay)), because))
    planned = operation.retrain_every_days
    if planned is not None:
        run_day = dt.date.fromisoformat(results["created_utc"][:10])
        since = "the last row it was fitted on" if fitted else "the day of the run"
        because = f"it is to be fitted again {planned:g} days after {since}"
        offers.append((_moved(fitted or run_day, math.floor(planned)), because))
    proposed, because = min(offers, key=lambda one: one[0], default=(None, ""))
    return {
        "fitted_until": _text(fitted),
        "certified_until": _text(certified),
        "proposed_until": _text(proposed),
        "because": because,
    }


def last_day_words(results: Mapping[str, Any]) -> str:
    """Return the proposal as a sentence; empty for results that say nothing of it."""
    found = results.get("approval")
    if found is None:
        return ""
    if found["proposed_until"] is None:
        return UNDECLARED
    return f"Proposed last day: {found['proposed_until']}, because {found['because']}."


def approved_until(
    results: Mapping[str, Any], decision: str, until: dt.date | None, today: dt.date
) -> tuple[dt.date | None, str]:
    """Return the last day of an approval, and why it is that day, as a sentence.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    decision : str
        ``go``, ``go-with-conditions`` or ``no-go``.
    until : datetime.date or None
        The day that was asked for; a ``go`` without one takes the proposal.
    today : datetime.date

    Raises
    ------
    RunError
        USAGE for a ``go`` beyond the end of the certified shelf life, or without a day
        when the proposed one has passed.
    """
    found = results.get("approval")
    if found is None or decision == "no-go":
        return until, ""
    certified, proposed = _day(found["certified_until"]), _day(found["proposed_until"])
    if decision != "go":
        beyond = certified and (until is None or until > certified)
        said = f"It goes beyond {certified}, the end of the certified shelf life (D6)."
        return until, said if beyond else ""
    _require_certified(certified, until or today)
    if until is not None:
        return until, ""
    if proposed is not None and proposed < today:
        msg = (
            f"The proposed last day, {proposed}, has passed, because "
            f"{found['because']}. Fit the model again, or give --until."
        )
        raise RunError(msg, Reason.USAGE)
    return proposed, last_day_words(results)


def _require_certified(certified: dt.date | None, day: dt.date) -> None:
    if certified is not None and day > certified:
        msg = (
            f"go cannot be signed for {day}: the certified shelf life of the model "
            f"ends on {certified} (D6). Fit it again, give an earlier --until, or sign "
            "go-with-conditions."
        )
        raise RunError(msg, Reason.USAGE)


def _shelf_life(
    results: Mapping[str, Any], tables: Path
) -> tuple[dt.date | None, float | None]:
    """Return the day of the last row fitted on, and the certified life in days."""
    for check in results["checks"]:
        if check["code"] == CHECK and TABLE in check["tables"]:
            (base,) = csv_rows(tables / TABLE)
            lives = [
                one["ci_low"] for one in check["findings"] if one["metric"] == METRIC
            ]
            return _day(base["fitted_until"]), next(iter(lives), None)
    return None, None


def _moved(day: dt.date, days: int) -> dt.date:
    """Return the day so many days later, within the days that can be written."""
    least, most = (dt.date.min - day).days, (dt.date.max - day).days
    return day + dt.timedelta(days=min(max(days, least), most))


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _text(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
