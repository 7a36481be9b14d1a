"""PUBLISH: the model card of a run, from its results and its case file alone.

References
----------
M. Mitchell et al. (2019), Model Cards for Model Reporting, doi:10.1145/3287560.3287596.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from readiness.config import CaseFile
from readiness.result import result_from_dict
from readiness.verdict_page import outcome_word
from readiness.words import reason_words

CARD_VERSION = 1
SCHEMA = Path(__file__).with_name("model_card.schema.json")
SMALL_CELL = 10  # rows of a sensitive group below which its numbers are not told
SUPPRESSED = "Fewer than 10 rows of a sensitive group: not told."
QUALITY = ("P1", "P3", "C6")  # the checks that judge groups by the model's quality
NUMBERS = ("value", "ci_low", "ci_high")
KEPT = (
    "metric", "group", "unit", *NUMBERS, "n_rows", "n_blocks", "side", "limit",
    "limit_set_by", "limit_reason", "required", "status", "waived",
)  # fmt: skip
UNKNOWN = {
    "model_details.version": "The case file has none; the hash tells models apart.",
    "model_details.date": "Neither case file nor results say when it was made.",
    "model_details.licence": "The case file does not say.",
    "model_details.contact": "The case file names an owner and no contact.",
    "intended_use.out_of_scope": "The case file does not say.",
    "factors.instruments": "The kit sees tables, not how they were recorded.",
    "training_data.collection": "The kit sees tables, not how they were collected.",
    "ethical_considerations": "The kit measures; it does not judge who may be harmed.",
}


def model_card(results: Mapping[str, Any], file: CaseFile) -> dict[str, Any]:
    """Return the model card of a run as plain values for strict JSON.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    file : CaseFile
        The case.

    Returns
    -------
    dict
        As ``model_card.schema.json`` says. What is not known is null, and ``unknown``
        says why, by the place in the card. Numbers of a group of a sensitive column
        with fewer than ten rows are null, with the reason beside them.
    """
    card = {
        "card_version": CARD_VERSION,
        "run_id": results["run_id"],
        "created_utc": results["created_utc"],
        "verdict": _verdict(results),
        "model_details": _details(results, file),
        "intended_use": {
            "case": results["title"],
            "decision": results["decision"] or None,
            "owner": results["owner"] or None,
            "out_of_scope": None,
        },
        "factors": _factors(results, file),
        "metrics": _metrics(results, file),
        "evaluation_data": _tables(results, ("reference", "current")),
        "training_data": {
            "tables": _tables(results, ("training",)),
            "collection": None,
        },
        "quantitative_analyses": _by_group(results, file),
        "ethical_considerations": None,
        "caveats": _caveats(results),
        "conditions_of_use": _conditions(results, file),
    }
    return card | {"unknown": dict(_unknown(card))}


def _unknown(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from UNKNOWN.items()
    for section, values in card.items():
        if not isinstance(values, dict):
            continue
        for name, value in values.items():
            place = f"{section}.{name}"
            if value is None and place not in UNKNOWN:
                yield place, "Neither the case file nor the results say."
    if not card["training_data"]["tables"]:
        yield "training_data.tables", "The case names no training table."


def _verdict(results: Mapping[str, Any]) -> dict[str, Any]:
    checks = [result_from_dict(one) for one in results["checks"]]
    return {
        "word": outcome_word(results, checks)[0],
        "outcome": results["outcome"],
        "headline": results["headline"],
        "partial": results["partial"],
        "profile": results["profile"],
        "results_digest": results["results_digest"],
    }


def _details(results: Mapping[str, Any], file: CaseFile) -> dict[str, Any]:
    facts, model = results["facts"], file.model
    return {
        "name": results["case"],
        "source": model.path or model.callable or model.predictions,
        "format": facts["model_format"],
        "sha256": facts["model_sha256"],
        "trusted_by": facts["model_trusted_by"],
        "task": facts["task"],
        "classes": facts["classes"],
        "features": facts["features"],
        "threshold": model.threshold,
        "inputs": dict(results["inputs"]),
        "reviewed_with": f"readiness {results['environment']['readiness']}",
        "code_sha256": results["environment"]["code_sha256"],
        "version": None,
        "date": None,
        "licence": None,
        "contact": None,
    }


def _factors(results: Mapping[str, Any], file: CaseFile) -> dict[str, Any]:
    columns = file.columns.items()
    judged = {
        one["group"].partition("=")[0]
        for check in results["checks"]
        if check["code"] == "P1"
        for one in check["findings"]
        if one["group"] and not one["group"].startswith("table=")
    }
    return {
        "declared_groups": [name for name, one in columns if one.group],
        "judged_by": sorted(judged),
        "sensitive_columns": [name for name, one in columns if one.sensitive],
        "block": results["facts"]["block"],
        "entity": file.data.entity,
        "instruments": None,
    }


def _metrics(results: Mapping[str, Any], file: CaseFile) -> dict[str, Any]:
    whole = [
        {"check": check["code"]} | _kept(one, ())
        for check in results["checks"]
        for one in check["findings"]
        if one["required"] or (check["code"] in QUALITY and not _is_part(one["group"]))
    ]
    sensitive = _sensitive(file)
    return {
        "headline": results["facts"]["metric"],
        "acceptable": results["facts"]["acceptable"],
        "tolerated_loss": file.model.tolerated_loss,
        "interval": "each end is a one-sided 95 % limit; together a 90 % interval",
        "findings": [_hidden(one, sensitive) for one in whole],
    }


def _by_group(results: Mapping[str, Any], file: CaseFile) -> list[dict[str, Any]]:
    return [
        {"check": check["code"]} | _kept(one, _sensitive(file))
        for check in results["checks"]
        if check["code"] in QUALITY
        for one in check["findings"]
        if _is_part(one["group"])
    ]


def _is_part(group: str) -> bool:
    return bool(group) and not group.startswith("table=")


def _sensitive(file: CaseFile) -> tuple[str, ...]:
    return tuple(name for name, one in file.columns.items() if one.sensitive)


def _kept(one: Mapping[str, Any], sensitive: Sequence[str]) -> dict[str, Any]:
    why = None
    if one["value"] is None:
        why = reason_words(one["reason"]) or "Beyond what the data can tell."
    return _hidden({name: one[name] for name in KEPT} | {"why": why}, sensitive)


def _hidden(one: dict[str, Any], sensitive: Sequence[str]) -> dict[str, Any]:
    parts = one["group"].split(" & ")
    names = any(part.startswith(name) for part in parts for name in sensitive)
    if not names or one["n_rows"] >= SMALL_CELL:
        return one
    return (
        one | dict.fromkeys((*NUMBERS, "n_blocks")) | {"n_rows": 0, "why": SUPPRESSED}
    )


def _tables(results: Mapping[str, Any], names: Iterable[str]) -> list[dict[str, Any]]:
    facts, ledger = results["facts"]["tables"], results["ledger"]
    return [
        {
            "table": name,
            "files": facts[name]["files"],
            "sha256": facts[name]["sha256"],
            "rows": facts[name]["rows"],
            "used": ledger.get(name, {}).get("used"),
            "left_out": ledger.get(name, {}).get("left_out", {}),
        }
        for name in names
        if name in facts
    ]


def _caveats(results: Mapping[str, Any]) -> dict[str, Any]:
    found = [(check, one) for check in results["checks"] for one in check["findings"]]

    def told(*statuses: str) -> list[str]:
        return list(
            dict.fromkeys(
                f"{check['code']} {check['title']}: {one['metric']}"
                f"{', required' if one['required'] else ''}"
                f"{', waived' if one['waived'] else ''}"
                for check, one in found
                if one["status"] in statuses
            )
        )

    return {
        "failed": told("fail"),
        "undecided": told("inconclusive"),
        "not_assessed": [
            {
                "check": f"{one['code']} {one['title']}",
                "why": one["message"] or reason_words(one["reason"]),
            }
            for one in results["checks"]
            if one["reason"] is not None
        ],
    }


def _conditions(results: Mapping[str, Any], file: CaseFile) -> dict[str, Any]:
    operation = file.operation
    return {
        "tier": results["tier"],
        "policy_sha256": results["policy"]["sha256"],
        "limits_set_by_policy": results["policy"]["limits_set"],
        "waivers": results["policy"]["waivers"],
        "retrain_every_days": operation.retrain_every_days,
        "label_delay_days": operation.label_delay_days,
        "monitor_window_rows": operation.monitor_window_rows,
        "decisions": "Decisions and conditions stand beside the run: signoffs.jsonl.",
    }
