"""PUBLISH: the documents of a run: model card and ML Test Score, as files by name."""

from collections.abc import Mapping
from typing import Any

from readiness.attestations import ml_tests
from readiness.config import CaseFile
from readiness.identities import other_seeds
from readiness.last_day import approval_entry
from readiness.limits_since import limits_since
from readiness.markup import csv_text
from readiness.ml_test_score import (
    MEANINGS,
    earlier_evidence,
    meaning,
    score_entry,
    scored_tests,
)
from readiness.model_card import SCHEMA, model_card
from readiness.model_card_text import card_markdown
from readiness.plan_config import is_plan
from readiness.preflight import Ready
from readiness.result import Outcome
from readiness.stability import with_other_seeds
from readiness.staging import Staging, json_text, require_schema

PAGE = "ml_test_score.html"
TABLE = "tables/ml_test_score.csv"


def documented(
    results: dict[str, Any], ready: Ready, staging: Staging
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return results with what the case's other runs add to them, and the documents.

    Added are the ML Test Score, the last day of an approval, what other seeds came to,
    as part of the stability, and which limits are not those of the last run, as part of
    the policy.

    Parameters
    ----------
    results : mapping
        The content of results.json, without these.
    ready : Ready
        The run: its case, its policy, and what people attest.
    staging : Staging
        Its tables, and where the earlier runs of the case are.

    Returns
    -------
    results : dict
        Unchanged for a run without a verdict, and for a monitor: it looks at rows
        alone, and the model's card is that of the review.
    documents : dict
        As `documents`; empty where there is no score.
    """
    if results["outcome"] == Outcome.ERROR or is_plan(ready.case_path):
        return results, {}
    case_folder = staging.target.parent
    earlier = earlier_evidence(case_folder, results["run_id"])
    tests = scored_tests(results, ready.file, ready.attested, earlier)
    others = other_seeds(results, case_folder, ready.policy_path)
    tables = staging.folder / "tables"
    results = results | {
        "stability": with_other_seeds(results["stability"], results["outcome"], others),
        "policy": results["policy"] | {"since": limits_since(results, case_folder)},
        "ml_test_score": score_entry(tests),
        "approval": approval_entry(results, ready.file.operation, tables),
    }
    return results, documents(results, ready.file)


def documents(results: Mapping[str, Any], file: CaseFile) -> dict[str, str]:
    """Return the documents of a review by their place in the run.

    Parameters
    ----------
    results : mapping
        The content of results.json, with its ``ml_test_score``.
    file : CaseFile
        The case.

    Raises
    ------
    RunError
        NO_VERDICT when the model card does not fit its schema.
    """
    from pandas import DataFrame  # noqa: PLC0415 (heavy)

    from readiness.pages import render_page  # noqa: PLC0415 (brings nbconvert)

    card = model_card(results, file)
    require_schema(card, SCHEMA, "model_card.json")
    entry = results["ml_test_score"]
    rows = score_rows(entry)
    page = render_page(
        "ml_test_score.html.j2",
        results=results,
        entry=entry,
        meaning=meaning(entry["score"]),
        meanings=MEANINGS,
        rows=rows,
        table=TABLE,
    )
    return {
        "model_card.json": json_text(card),
        "model_card.md": card_markdown(card),
        PAGE: page,
        TABLE: csv_text(DataFrame(rows)),
    }


def score_rows(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per test: what it asks, its points, and what they rest on."""
    points = {one["id"]: one for one in entry["tests"]}
    return [
        {
            "test": one.id,
            "section": one.section,
            "asks": one.title,
            "points": points[one.id]["points"],
            "source": points[one.id]["source"],
            "failed": points[one.id]["failed"],
            "rests_on": points[one.id]["said"],
            "why": one.why,
        }
        for one in ml_tests()
    ]
