"""The documents of a run: the ML Test Score counts, the model card invents nothing."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import mistune
import pytest

from readiness.attestations import (
    N_TESTS,
    SECTIONS,
    Attestation,
    attested_beside,
    ml_tests,
    read_attestations,
)
from readiness.checks import all_checks
from readiness.collect import results_digest
from readiness.config import CaseFile
from readiness.documents import documents, score_rows
from readiness.errors import CaseError
from readiness.markup import csv_rows
from readiness.ml_test_score import (
    Scored,
    earlier_evidence,
    meaning,
    score_entry,
    scored_tests,
    section_scores,
)
from readiness.model_card import SCHEMA, SUPPRESSED, model_card
from readiness.model_card_text import card_markdown
from readiness.pages import render_index
from readiness.result import result_from_dict
from tests.meetings import CASE, FIRST, alter_run, finding_of, publish_run
from tests.sample_pages import HOSTILE, hostile_results, sample_results

TODAY = dt.date(2026, 11, 25)
LATER = "20261125T120000Z-0123abcd"
VALID = """
[[attestations]]
test = "data-5"
owner = "privacy office"
date = 2026-11-01
link = "DPIA 12"
"""


def case_file(**columns: dict[str, Any]) -> CaseFile:
    """Return the case of the sample results."""
    return CaseFile.model_validate(
        {
            "name": "flight-delay",
            "title": "Late?",
            "model": {"path": "m.skops", "task": "binary", "acceptable": 0.65},
            "data": {"reference": "r.parquet", "target": "late"},
            "columns": columns,
        }
    )


def word(test: str, **more: object) -> dict[str, Attestation]:
    """Return one attestation."""
    date = dt.date(2026, 11, 1)
    one = Attestation(test=test, owner="risk", date=date, link="R-1", **more)
    return {test: one}


def points_of(
    results: dict[str, Any],
    test: str,
    attested: dict[str, Attestation] | None = None,
    earlier: dict[str, str] | None = None,
    file: CaseFile | None = None,
) -> Scored:
    """Return one test with its points."""
    tests = scored_tests(results, file or case_file(), attested or {}, earlier or {})
    return next(one for one in tests if one.id == test)


def test_table_has_seven_tests_of_each_section() -> None:
    ids = [one.id for one in ml_tests()]

    assert ids == [f"{name}-{place}" for name in SECTIONS for place in range(1, 8)]
    assert len(ids) == N_TESTS


def test_evidence_names_checks_there_are() -> None:
    codes = {one.check.code for one in all_checks().values()}

    named = {one.check for test in ml_tests() for one in test.evidence}

    assert named <= codes


def test_nothing_done_is_zero_and_everything_repeated_is_seven() -> None:
    nothing = sample_results() | {"checks": []}
    all_words = {
        name: one
        for test in ml_tests()
        for name, one in word(test.id, automated=True, repeated="nightly").items()
    }

    none = score_entry(scored_tests(nothing, case_file(), {}, {}))
    full = score_entry(scored_tests(nothing, case_file(), all_words, {}))

    assert (none["score"], set(none["sections"].values())) == (0.0, {0.0})
    assert (full["score"], set(full["sections"].values())) == (7.0, {7.0})


def test_total_is_the_least_section_not_the_sum() -> None:
    # data: 2 x 0.5 + 1 = 2; model: 0.5; infrastructure: 1; monitoring: 0.5.
    attested = word("data-2") | word("data-3") | word("model-1")
    attested |= word("data-5", automated=True, repeated="weekly")
    attested |= word("infrastructure-6", automated=True, repeated="each release")
    attested |= word("monitoring-1")
    nothing = sample_results() | {"checks": []}

    entry = score_entry(scored_tests(nothing, case_file(), attested, {}))

    assert list(entry["sections"].values()) == [2.0, 0.5, 1.0, 0.5]
    assert entry["score"] == 0.5
    assert sum(one["points"] for one in entry["tests"]) == 4.0


def test_finding_gives_half_a_point_and_one_when_an_earlier_run_gave_it_too() -> None:
    once = points_of(sample_results(), "model-5")
    again = points_of(sample_results(), "model-5", earlier={"model-5": FIRST})

    assert (once.points, once.source, once.evidenced) == (0.5, "evidence", True)
    assert (again.points, again.said) == (
        1.0,
        f"P2: done; repeated: run {FIRST} answered it too.",
    )


@pytest.mark.parametrize("status", ["inconclusive", "not_assessed"])
def test_finding_without_an_answer_is_no_evidence(status: str) -> None:
    results = sample_results()
    finding_of(results, "P1", "roc_auc")["status"] = status

    found = points_of(results, "infrastructure-4")

    assert (found.points, found.evidenced) == (0.0, False)
    assert found.said == "Nobody attests it; P1 gave no answer for all it needs."


def test_failed_finding_shows_that_it_was_done_and_says_that_it_failed() -> None:
    results = sample_results()
    finding_of(results, "P1", "roc_auc")["status"] = "fail"

    found = points_of(results, "infrastructure-4")

    assert (found.points, found.failed) == (0.5, True)
    assert found.said == "P1: done, and it failed; not repeated."


def test_schema_counts_only_where_every_feature_is_declared() -> None:
    results = sample_results()
    features = results["facts"]["features"]
    declared = {name: {"kind": "numeric"} for name in features}
    all_but_one = {name: declared[name] for name in features[1:]}

    whole = points_of(results, "data-1", file=case_file(**declared))
    part = points_of(results, "data-1", file=case_file(**all_but_one))

    assert (whole.points, part.points) == (0.5, 0.0)
    assert part.said == "Nobody attests it; C0 would need features declared."


def test_attestation_of_a_machine_beats_evidence_of_one_run() -> None:
    attested = word("model-5", automated=True, repeated="in CI")

    found = points_of(sample_results(), "model-5", attested)

    assert (found.points, found.source) == (1.0, "attestation")
    assert found.said == "Attested by risk on 2026-11-01, repeated in CI: R-1"


@pytest.mark.parametrize(
    ("score", "starts"),
    [
        (0.0, "At least one"),
        (0.5, "Something"),
        (1.0, "Something"),
        (1.5, "A first"),
        (2.5, "Tested reasonably"),
        (5.0, "Tested and watched by machines to a degree"),
        (5.5, "Tested and watched by machines to an exceptional"),
    ],
)
def test_meaning_follows_the_bounds_of_the_paper(score: float, starts: str) -> None:
    assert meaning(score).startswith(starts)


def with_evidence(results: dict[str, Any]) -> None:
    """Give a run the score that says what it answered."""
    tests = scored_tests(results, case_file(), {}, {})
    results["ml_test_score"] = score_entry(tests)


@pytest.mark.parametrize(
    ("run_id", "counts"),
    [
        ("20261124T120000Z-0123abcd", True),
        ("20260901T120000Z-0123abcd", True),
        ("20261125T110000Z-0123abcd", False),  # the same day
        ("20260801T120000Z-0123abcd", False),  # beyond a quarter
        ("20261126T120000Z-0123abcd", False),  # later
    ],
)
def test_repetition_takes_a_run_of_an_earlier_day_of_the_quarter(
    run_id: str, *, counts: bool, tmp_path: Path
) -> None:
    publish_run(tmp_path, run_id, with_evidence)

    found = earlier_evidence(tmp_path / CASE, LATER)

    assert found.get("model-5") == (run_id if counts else None)


def test_altered_run_is_no_repetition(tmp_path: Path) -> None:
    alter_run(publish_run(tmp_path, FIRST, with_evidence))

    assert earlier_evidence(tmp_path / CASE, LATER) == {}


def test_score_of_the_history_stays_out_of_the_digest() -> None:
    results = sample_results()
    checks = [result_from_dict(one) for one in results["checks"]]
    before = results_digest(checks, results["ledger"])

    with_evidence(results)

    checks = [result_from_dict(one) for one in results["checks"]]
    assert results_digest(checks, results["ledger"]) == before


def test_sections_add_up() -> None:
    tests = scored_tests(sample_results(), case_file(), {}, {})

    assert sum(section_scores(tests).values()) == sum(one.points for one in tests)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("data-5", "data-8", r"attestations\.0\.test must be one of data-1"),
        (
            "2026-11-01",
            "2026-11-26",
            r"0\.date must not lie in the future",
        ),
        ('owner = "privacy office"\n', "", r"lacks the key 'attestations\.0\.owner'"),
        ('owner = "privacy office"', 'owner = ""', r"'attestations\.0\.owner'"),
        ("link", "url", r"unknown key 'attestations\.0\.url'"),
        ('"DPIA 12"', '"DPIA 12"\nautomated = true', "needs repeated"),
        ('"DPIA 12"', f'"DPIA 12"{VALID}', "'data-5' is attested twice"),
    ],
)
def test_unusable_attestation_is_an_error_that_names_the_key(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "attestations.toml"
    path.write_text(VALID.replace(old, new, 1), "utf-8")

    with pytest.raises(CaseError, match=said):
        read_attestations(path, TODAY)


def test_attestations_are_found_beside_the_case_and_are_an_input(
    tmp_path: Path,
) -> None:
    path = tmp_path / "attestations.toml"
    path.write_text(VALID, "utf-8")

    inputs, found = attested_beside(tmp_path, case_file())

    assert inputs == {"attestations": path}
    assert found["data-5"].owner == "privacy office"


def test_named_attestations_must_be_there(tmp_path: Path) -> None:
    file = case_file().model_copy(
        update={"review": case_file().review.model_copy(update={"attestations": "a"})}
    )

    with pytest.raises(CaseError, match="there is no such file"):
        attested_beside(tmp_path, file)


def test_page_table_and_index_show_every_test(tmp_path: Path) -> None:
    results = sample_results()
    with_evidence(results)
    found = documents(results, case_file())
    (tmp_path / "score.csv").write_text(found["tables/ml_test_score.csv"], "utf-8")

    rows = csv_rows(tmp_path / "score.csv")

    assert [one["test"] for one in rows] == [one.id for one in ml_tests()]
    assert all(f">{one.id}<" in found["ml_test_score.html"] for one in ml_tests())
    assert 'href="ml_test_score.html"' in render_index(results)
    assert 'href="model_card.md"' in render_index(results)
    assert "ml_test_score.html" not in render_index(sample_results())
    assert score_rows(results["ml_test_score"])[0]["points"] == 0.0


def test_card_fits_its_schema_and_the_schema_refuses_the_rest() -> None:
    card = model_card(sample_results(), case_file())
    schema = json.loads(SCHEMA.read_text("utf-8"))

    jsonschema.validate(card, schema)
    silent = card | {
        "metrics": card["metrics"]
        | {"findings": [card["metrics"]["findings"][0] | {"value": None, "why": None}]}
    }
    for wrong in (card | {"more": 1}, silent):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_card_says_of_everything_unknown_why_it_is_unknown() -> None:
    card = model_card(sample_results() | {"owner": ""}, case_file())

    empty = [
        f"{section}.{name}"
        for section, values in card.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if value is None
    ]
    text = card_markdown(card)

    assert "intended_use.owner" in empty
    assert set(empty) <= set(card["unknown"])
    assert "- owner: unknown. Neither the case file nor the results say." in text


def test_card_keeps_numbers_limits_and_the_ledger_as_published() -> None:
    results = sample_results()
    published = finding_of(results, "P1", "roc_auc")

    card = model_card(results, case_file())

    told = card["metrics"]["findings"][0]
    names = ("value", "ci_low", "ci_high", "n_rows", "limit", "limit_set_by")
    assert [told[one] for one in names] == [published[one] for one in names]
    assert card["training_data"]["tables"][0]["used"] == 80123
    assert card["training_data"]["tables"][0]["left_out"] == {"null_target": 1911}
    assert card["model_details"]["sha256"] == results["facts"]["model_sha256"]


@pytest.mark.parametrize(("n_rows", "is_told"), [(9, False), (10, True)])
def test_small_cell_of_a_sensitive_column_is_not_told(
    n_rows: int, *, is_told: bool
) -> None:
    results = sample_results()
    finding_of(results, "P1", "roc_auc", "month=2013-08")["n_rows"] = n_rows
    file = case_file(month={"group": True, "sensitive": True})

    card = model_card(results, file)

    (one,) = [
        one
        for one in card["quantitative_analyses"]
        if (one["metric"], one["group"]) == ("roc_auc", "month=2013-08")
    ]
    assert (one["value"] is not None) is is_told
    assert (one["why"] == SUPPRESSED) is not is_told
    jsonschema.validate(card, json.loads(SCHEMA.read_text("utf-8")))


def test_hostile_names_stay_text_in_card_and_page() -> None:
    results = hostile_results()
    with_evidence(results)

    found = documents(results, case_file())

    assert HOSTILE[0] not in found["model_card.md"]
    shown = str(
        mistune.create_markdown(plugins=["table", "url"])(found["model_card.md"])
    )
    assert "<table" in shown
    assert not re.findall("<(?:a|img|script|code|em|strong|del)[ >]", shown)
    assert HOSTILE[0] not in found["ml_test_score.html"]
