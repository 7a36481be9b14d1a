"""PUBLISH: published runs read back, and what one rests on that another does not."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readiness.config import Waiver, read_policy
from readiness.errors import Reason, RunError
from readiness.manifest import verify
from readiness.signoffs import today_utc
from readiness.staging import RUN_ID
from readiness.text import visible

NOTHING = "none"
HASH_CHARS = 12
MAX_CHARS = 60
SHA256 = re.compile("[0-9a-f]{64}")
KINDS = {
    "case": "case file",
    "attestations": "case file",
    "policy": "policy",
    "model": "model",
    "fit": "model",
}
Differences = tuple[tuple[str, str, str, str], ...]  # kind, what, before, after


def published_results(folder: Path) -> dict[str, Any]:
    """Return the results of a published run that is what was published.

    Parameters
    ----------
    folder : pathlib.Path
        A run directory.

    Raises
    ------
    RunError
        ALTERED when a file of the run differs from its manifest; USAGE when the
        folder is no published run.
    """
    altered = verify(folder)
    if altered:
        msg = (
            f"The run {folder.name!r} is not what was published ({altered[0]}). "
            "Run the review again."
        )
        raise RunError(msg, Reason.ALTERED)
    try:
        results = json.loads((folder / "results.json").read_text("utf-8"))
        known = isinstance(results["checks"], list) and results["run_id"]
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        msg = f"{folder.name!r} must be the folder of a run with its results.json."
        raise RunError(msg, Reason.USAGE)
    return dict(results)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """Return what two runs do not have in common.

    Parameters
    ----------
    before, after : mapping
        The content of two results.json.

    Returns
    -------
    tuple of (kind, what, before, after)
        ``kind`` is ``model``, ``data``, ``current rows``, ``policy``, ``case file``,
        ``checks``, ``options`` or ``software``; hashes are shortened.
    """
    old, new = _rests_on(before), _rests_on(after)
    return tuple(
        (kind, what, _shown(old.get((kind, what))), _shown(new.get((kind, what))))
        for kind, what in dict.fromkeys([*new, *old])
        if old.get((kind, what)) != new.get((kind, what))
    )


def kinds(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kinds of `differences`, each once."""
    return tuple(dict.fromkeys(kind for kind, *_ in differences(before, after)))


def shared_tables(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the names of the tables that are the same file in both runs."""
    old, new = (one["facts"].get("tables") or {} for one in (before, after))
    return tuple(
        name
        for name in new
        if name in old and new[name]["sha256"] == old[name]["sha256"] is not None
    )


def other_seeds(
    results: Mapping[str, Any], case_folder: Path, policy: Path | None
) -> list[dict[str, Any]]:
    """Return what earlier runs came to that differ from a run in their seed alone.

    Parameters
    ----------
    results : mapping
        The content of results.json of the run.
    case_folder : pathlib.Path
        Where the published runs of its case are.
    policy : pathlib.Path or None
        The policy in force: a run before a waiver lapsed is another run.

    Returns
    -------
    list of dict
        ``seed, run_id, outcome`` of the newest run of each other seed, by seed. A run
        that was altered, or has no verdict, does not count.
    """
    found: dict[int, dict[str, Any]] = {}
    for folder in sorted(case_folder.glob("*"), reverse=True):
        if not RUN_ID.fullmatch(folder.name) or folder.name == results["run_id"]:
            continue
        try:
            read = json.loads((folder / "results.json").read_text("utf-8"))
            # Hashing all files of a run takes longer: only of those that may count.
            if read["seed"] in found or not _differ_in_seed(read, results, policy):
                continue
            other = published_results(folder)
        except (OSError, ValueError, KeyError, TypeError, RunError):
            continue  # removed, altered, or of a version without all this
        found[other["seed"]] = {
            name: other[name] for name in ("seed", "run_id", "outcome")
        }
    return [found[seed] for seed in sorted(found)]


def _differ_in_seed(
    before: Mapping[str, Any], after: Mapping[str, Any], policy: Path | None
) -> bool:
    tables = {*(before["facts"]["tables"]), *(after["facts"]["tables"])}
    what = [(kind, name) for kind, name, *_ in differences(before, after)]
    return (
        what == [("options", "seed")]
        and tables == {*shared_tables(before, after)}
        and before["complete"]
        and lapsed(policy, before["created_utc"]) is None
    )


def lapsed(policy: Path | None, since_utc: str) -> Waiver | None:
    """Return a waiver of a policy that was in force at a time and is no longer."""
    day = dt.date.fromisoformat(since_utc[:10])
    waivers = read_policy(policy).waivers if policy else []
    return next((one for one in waivers if day <= one.expires < today_utc()), None)


def _rests_on(results: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    found = {(_kind(name), name): sha for name, sha in results["inputs"].items()}
    facts, policy = results["facts"], results["policy"]
    if facts.get("model_sha256"):
        found["model", "model"] = facts["model_sha256"]
    found["model", "acceptable value"] = str(facts.get("acceptable"))
    found["policy", "tier"] = str(policy["tier"])
    found["policy", "limits set by the file"] = str(policy["limits_set"])
    found["policy", "waivers"] = str(policy["waivers"])
    for name in ("profile", "seed"):
        found["options", name] = str(results[name])
    found["options", "reviewed"] = ", ".join(results["only"]) or "everything"
    measured_with = results["environment"]
    found["software", "readiness"] = str(measured_with["readiness"])
    found["software", "code of readiness"] = str(measured_with["code_sha256"])
    found["software", "Python"] = str(measured_with["python"])
    for name, version in measured_with.get("packages", {}).items():
        found["software", name] = str(version)
    return found


def _kind(name: str) -> str:
    """Return which part of a case an input belongs to, by its name there."""
    first = name.partition(" ")[0]
    if first in {"notebook", "check"}:
        return "checks"
    if first == "current":
        return "current rows"
    return KINDS.get(name, "data")


def _shown(text: str | None) -> str:
    """Return what a run rests on in a few characters: the start of a hash."""
    if text is None:
        return NOTHING
    return text[:HASH_CHARS] if SHA256.fullmatch(text) else visible(text, MAX_CHARS)
