"""docs/checks.md says what the checks say: codes, questions, metrics, limits."""

import re
from pathlib import Path

import pytest

from readiness.checks import FoundCheck, all_checks
from readiness.result import Limit

CHECKS = all_checks()
PAGE = Path(__file__).parents[1] / "docs" / "checks.md"
EVERY_CHECK = pytest.mark.parametrize("name", CHECKS)
PARTS = (
    "**Measures.**",
    "**How to read it.**",
    "**When not to trust it.**",
)
SIDES = {
    "at_least": "at least",
    "at_most": "at most",
    "good_side": "on the good side of",
}
WORDS = {
    "case:acceptable": "the acceptable value",
    "case:metric": "the headline metric",
}


def section(found: FoundCheck) -> str:
    """Return the section of one check, up to the next heading."""
    heading = f"### {found.check.code} {found.check.title} (`{found.name}`)\n"
    text = PAGE.read_text(encoding="utf-8")
    assert heading in text, f"docs/checks.md lacks the heading {heading!r}"
    return re.split(r"^##", text.split(heading)[1], maxsplit=1, flags=re.MULTILINE)[0]


def limit_line(limit: Limit) -> str:
    """Return the line of the page that states one limit."""
    metric = WORDS.get(limit.metric, f"`{limit.metric}`")
    bound = limit.limit if isinstance(limit.limit, str) else f"{limit.limit:g}"
    bound = WORDS.get(bound, bound)
    tiers = ", ".join(limit.required_in) or "no tier"
    each = ", each group" if limit.groups == "each" else ""
    return (
        f"| {metric}{each} | {SIDES[limit.side]} {bound} | {tiers} | {limit.reason} |"
    )


def test_page_has_a_section_for_every_check_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")

    listed = re.findall(r"^### (\w+) .*\(`(\w+)`\)$", text, re.MULTILINE)

    assert listed == [(one.check.code, name) for name, one in CHECKS.items()]


@EVERY_CHECK
def test_section_asks_the_question_and_says_how_to_read_the_answer(name: str) -> None:
    text = section(CHECKS[name])

    assert f"*{CHECKS[name].check.question}*" in text
    assert [part for part in PARTS if part not in text] == []


@EVERY_CHECK
def test_section_states_every_limit_as_shipped(name: str) -> None:
    text = section(CHECKS[name])

    missing = [
        line for line in map(limit_line, CHECKS[name].check.limits) if line not in text
    ]

    assert missing == []
    assert text.count("\n| ") == len(CHECKS[name].check.limits) + bool(
        CHECKS[name].check.limits
    )


@EVERY_CHECK
def test_section_names_every_option_with_its_default(name: str) -> None:
    text = " ".join(section(CHECKS[name]).split())

    shown = {
        key: f"{value:,}" if isinstance(value, int | float) else "none"
        for key, value in CHECKS[name].check.defaults.items()
    }
    missing = [
        f"`{key}` ({value})"
        for key, value in shown.items()
        if f"`{key}` ({value}" not in text
    ]

    assert missing == []


@EVERY_CHECK
def test_section_names_every_metric(name: str) -> None:
    text = section(CHECKS[name])
    check = CHECKS[name].check

    limited = [one.metric for one in check.limits if not one.metric.startswith("case:")]
    missing = [one for one in (*limited, *check.metrics) if f"`{one}`" not in text]

    assert missing == []


def test_make_benchmark_makes_every_table_of_its_page() -> None:
    page = PAGE.with_name("benchmarks.md").read_text("utf-8")
    recipe = (
        (PAGE.parents[1] / "Makefile").read_text("utf-8").partition("\nbenchmark:")[2]
    )
    run = set(re.findall(r"benchmarks/(\w+)\.py", recipe.partition("\n\n")[0]))

    assert set(re.findall(r"benchmarks/(\w+)\.py", page)) <= run
