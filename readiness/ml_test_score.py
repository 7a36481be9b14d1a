"""PUBLISH: the ML Test Score of a run: what was tested, by whom, and how often.

References
----------
E. Breck, S. Cai, E. Nielsen, M. Salib, D. Sculley (2017), The ML Test Score: A Rubric
for ML Production Readiness and Technical Debt Reduction, IEEE Big Data 2017.
"""

import datetime as dt
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from readiness.attestations import SECTIONS, Attestation, Evidence, MlTest, ml_tests
from readiness.config import CaseFile
from readiness.errors import ReadinessError
from readiness.identities import published_results
from readiness.manifest import FILE as MANIFEST
from readiness.staging import RUN_ID, created_utc

SPAN_DAYS = 92  # one quarter: what is repeated less often than that is done by hand
MANUAL, REPEATED = 0.5, 1.0
ANSWERED = ("pass", "fail", "info")
MEANINGS = (
    (0.0, "At least one of the four sections is untested: a piece of research."),
    (1.0, "Something is tested everywhere; serious gaps in reliability are likely."),
    (2.0, "A first round of hardening is done; more is worth its cost."),
    (3.0, "Tested reasonably; more of it could run by itself."),
    (5.0, "Tested and watched by machines to a degree that critical systems need."),
    (7.0, "Tested and watched by machines to an exceptional degree."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One test with its points.

    Parameters
    ----------
    id : str
        Of the test.
    points : float
        0, 0.5 when done and documented, 1 when it is repeated automatically.
    source : str
        ``evidence``, ``attestation`` or ``none``: what the points rest on.
    evidenced, failed : bool
        Whether findings of this run answer it, and whether one of them failed.
    said : str
        Where the points come from, or why there are none, in a sentence.
    """

    id: str
    points: float
    source: str
    evidenced: bool
    failed: bool
    said: str


def scored_tests(
    results: Mapping[str, Any],
    file: CaseFile,
    attested: Mapping[str, Attestation],
    earlier: Mapping[str, str],
) -> tuple[Scored, ...]:
    """Return the 28 tests with their points.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    file : CaseFile
        What the case declares.
    attested : mapping of str to Attestation
        By test.
    earlier : mapping of str to str
        The newest earlier run that answered a test, by test; from `earlier_evidence`.

    Notes
    -----
    A finding that is inconclusive or not assessed answers nothing. One that failed
    shows that the test was done, and is said to have failed.
    """
    return tuple(
        _scored(test, results, file, attested.get(test.id), earlier.get(test.id))
        for test in ml_tests()
    )


def section_scores(tests: Iterable[Scored]) -> dict[str, float]:
    """Return the sum of points per section."""
    sums = dict.fromkeys(SECTIONS, 0.0)
    for one in tests:
        sums[one.id.rpartition("-")[0]] += one.points
    return sums


def meaning(score: float) -> str:
    """Return what a total says, in a sentence.

    Examples
    --------
    >>> meaning(0.0) == MEANINGS[0][1], meaning(0.5) == MEANINGS[1][1]
    (True, True)
    """
    return next(words for bound, words in MEANINGS if score <= bound)


def score_entry(tests: Sequence[Scored]) -> dict[str, Any]:
    """Return what results.json says: the minimum of the sections, and every test."""
    sections = section_scores(tests)
    entry = {"score": min(sections.values()), "sections": sections}
    return entry | {"tests": [asdict(one) for one in tests]}


def earlier_evidence(case_folder: Path, run_id: str) -> dict[str, str]:
    """Return the newest run of an earlier day of the quarter that answered each test.

    Runs of the same day do not count, since pressing a button twice is no routine;
    nor do runs that were altered, or that were made before the score existed.
    """
    now = dt.datetime.fromisoformat(created_utc(run_id))
    found: dict[str, str] = {}
    for folder in sorted(case_folder.glob("*"), reverse=True):
        name = folder.name
        if not RUN_ID.fullmatch(name) or not (folder / MANIFEST).is_file():
            continue
        then = dt.datetime.fromisoformat(created_utc(name))
        is_earlier = then.date() < now.date()
        if not is_earlier or now - then > dt.timedelta(days=SPAN_DAYS):
            continue
        for test in _answered_in(folder):
            found.setdefault(test, name)
    return found


def _answered_in(folder: Path) -> list[str]:
    try:
        entry = published_results(folder).get("ml_test_score") or {}
    except ReadinessError:
        return []
    return [one["id"] for one in entry.get("tests", ()) if one["evidenced"]]


def _scored(
    test: MlTest,
    results: Mapping[str, Any],
    file: CaseFile,
    word: Attestation | None,
    before: str | None,
) -> Scored:
    codes, failed, why = _answer(test, results, file)
    evidence = (REPEATED if before else MANUAL) if codes else 0.0
    attested = (REPEATED if word.automated else MANUAL) if word else 0.0
    state = "done, and it failed" if failed else "done"
    if codes and evidence >= attested:
        again = f"repeated: run {before} answered it too" if before else "not repeated"
        said, source = f"{codes}: {state}; {again}.", "evidence"
    elif word:
        again = f", repeated {word.repeated}" if word.automated else ""
        said = f"Attested by {word.owner} on {word.date.isoformat()}{again}: "
        said, source = f"{said}{word.link}", "attestation"
    else:
        said, source = why, "none"
    return Scored(
        id=test.id,
        points=max(evidence, attested),
        source=source,
        evidenced=bool(codes),
        failed=failed,
        said=said,
    )


def _answer(
    test: MlTest, results: Mapping[str, Any], file: CaseFile
) -> tuple[str, bool, str]:
    """Return the check that answers a test, whether it failed, or why none does."""
    why = "No check answers it, and nobody attests it."
    for one in test.evidence:
        if one.needs and not _declared(file, results)[one.needs]:
            why = f"Nobody attests it; {one.check} would need {one.needs}."
            continue
        found = _findings(one, results, file)
        if found and all(_is_answered(finding) for finding in found):
            return one.check, any(finding["status"] == "fail" for finding in found), ""
        gave = "gave no answer for all it needs" if found else "measured nothing of it"
        why = f"Nobody attests it; {one.check} {gave}."
    return "", False, why


def _is_answered(finding: Mapping[str, Any]) -> bool:
    known = finding["value"] is not None or finding["ci_low"] is not None
    return finding["status"] in ANSWERED and known


def _findings(
    one: Evidence, results: Mapping[str, Any], file: CaseFile
) -> list[Mapping[str, Any]]:
    metric = results["facts"]["metric"] if one.metric == "case:metric" else one.metric
    columns = _columns(file)
    return [
        finding
        for check in results["checks"]
        if check["code"] == one.check
        for finding in check["findings"]
        if fnmatch.fnmatchcase(finding["metric"], metric)
        and _is_about(finding["group"], one.rows, columns)
    ]


def _is_about(group: str, rows: str, columns: Mapping[str, Sequence[str]]) -> bool:
    if rows in columns:
        return group.partition("=")[0] in columns[rows]
    return {"any": True, "whole": group == "", "current": group == "table=current"}[
        rows
    ]


def _columns(file: CaseFile) -> dict[str, list[str]]:
    declared = file.columns.items()
    return {
        "declared": [name for name, one in declared if one.group],
        "sensitive": [name for name, one in declared if one.group and one.sensitive],
        "forbidden": [name for name, one in declared if one.role == "forbidden"],
    }


def _declared(file: CaseFile, results: Mapping[str, Any]) -> dict[str, bool]:
    columns, features = _columns(file), results["facts"]["features"]
    expected = {name for name, one in file.columns.items() if one.kind or one.range}
    return {
        "features declared": bool(features) and set(features) <= expected,
        "a column declared forbidden": bool(columns["forbidden"]),
        "a column judged by group": bool(columns["declared"]),
        "a sensitive column judged by group": bool(columns["sensitive"]),
        "an acceptable value": file.model.acceptable is not None,
        "a current table": "current" in results["facts"]["tables"],
    }
