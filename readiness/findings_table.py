"""PUBLISH: every finding of a run as one table."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from readiness.markup import csv_text
from readiness.result import Finding

FINDINGS = "tables/findings.csv"


def findings_csv(results: Mapping[str, Any]) -> str:
    """Return every finding as CSV that no spreadsheet takes for a formula.

    Parameters
    ----------
    results : mapping
        The content of results.json.

    Returns
    -------
    str
        One row per finding: ``check``, ``check_name``, then the fields of `Finding`.
        A check without any has one row with its status and reason, so that what was
        not assessed is not absent.
    """
    from pandas import DataFrame  # noqa: PLC0415 (heavy)

    rows = [
        {"check": check["code"], "check_name": check["name"], **one}
        for check in results["checks"]
        for one in check["findings"]
        or [{"status": check["status"], "reason": check["reason"]}]
    ]
    names = ["check", "check_name", *(one.name for one in fields(Finding))]
    return csv_text(DataFrame(rows, columns=names, dtype=object))
