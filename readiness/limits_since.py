"""PUBLISH: which limits are not those of the last run: none is weakened unseen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from readiness.changes import findings_by_key
from readiness.errors import RunError
from readiness.identities import published_results
from readiness.result import Finding
from readiness.staging import RUN_ID
from readiness.words import group_words, limit_words, metric_words

Held = dict[tuple[str, str], tuple[str, ...]]


def limits_since(
    results: Mapping[str, Any], case_folder: Path
) -> dict[str, Any] | None:
    """Return which limits and waivers are not those of the last run of the case.

    Parameters
    ----------
    results : mapping
        The content of results.json of the run.
    case_folder : pathlib.Path
        Where the published runs of its case are.

    Returns
    -------
    dict or None
        ``run_id`` of the newest earlier run that is what was published, and its
        ``changes``: ``check``, ``what``, ``before`` and ``after`` in words. Only
        findings of both runs count. None where there is no such run.
    """
    before = _last_run(results["run_id"], case_folder)
    if before is None:
        return None
    old, new = _held(before), _held(results)
    return {
        "run_id": before["run_id"],
        "changes": [
            {
                "check": check,
                "what": what,
                "before": "; ".join(old[check, what]),
                "after": "; ".join(held),
            }
            for (check, what), held in new.items()
            if (check, what) in old and old[check, what] != held
        ],
    }


def _last_run(run_id: str, case_folder: Path) -> dict[str, Any] | None:
    names = (path.name for path in case_folder.glob("*"))
    earlier = [one for one in names if RUN_ID.fullmatch(one) and one < run_id]
    for name in sorted(earlier, reverse=True):
        try:
            return published_results(case_folder / name)
        except RunError:
            continue  # altered: nothing it says counts
    return None


def _held(results: Mapping[str, Any]) -> Held:
    """Return what each measure is held against; each waived finding by itself."""
    limits: dict[tuple[str, str], list[str]] = {}
    waived: Held = {}
    for (code, metric, group), (_, findings) in findings_by_key(results).items():
        name = metric_words(metric)
        bound = [held_words(one) for one in findings if one.limit is not None]
        limits.setdefault((code, name), []).extend(bound)
        where = f"{name}, {group_words(group, metric)}" if group else name
        is_waived = any(one.waived for one in findings)
        waived[code, f"waiver of {where}"] = ("waived" if is_waived else "none",)
    held = {key: tuple(sorted({*words})) for key, words in limits.items()}
    return {key: words or ("no limit",) for key, words in held.items()} | waived


def held_words(one: Finding) -> str:
    """Return what a finding is held against, and whether it decides."""
    if one.limit is None:
        return "no limit"
    return f"{limit_words(one)}, {'required' if one.required else 'a caveat'}"
