import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from typing import Any, NamedTuple

import mistune
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from markdown_it import MarkdownIt

from readiness.config import CaseFile
from readiness.errors import Reason
from readiness.figures import new_figure
from readiness.inert import problem_of
from readiness.result import CheckResult, Finding, Measurement, Status
from readiness.shipped import shipped
from readiness.show import (
    ReviewSummary,
    check_display,
    csv_text,
    escape,
    figure_html,
    markdown_text,
    review_html,
    status_html,
    status_mark,
    summary_html,
    table_html,
    terminal_text,
)
from readiness.text import visible
from readiness.words import (
    REASONS,
    block_word,
    group_words,
    metric_words,
    reason_words,
    remedy_words,
    settle_words,
)
from tests.sample_pages import HOSTILE, check_of, display_of, sample_results

RESULTS = sample_results()
CALIBRATION = check_of(RESULTS, "P3")


class Shown(NamedTuple):
    """One output of a cell."""

    data: Mapping[str, str]
    metadata: Mapping[str, Any]


def plain(html: str) -> str:
    """Return the text of a page as a reader sees it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def with_finding(**changes: object) -> CheckResult:
    finding = replace(CALIBRATION.findings[0], **changes)  # type: ignore[arg-type]
    return replace(CALIBRATION, findings=(finding,))


def many(n_findings: int, status: Status) -> CheckResult:
    first = CALIBRATION.findings[0]
    findings = tuple(
        replace(first, group=f"g{place}", status=status) for place in range(n_findings)
    )
    return replace(CALIBRATION, findings=findings)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_in_every_sink(text: str) -> None:
    frame = pd.DataFrame({text: [text, "b"]})
    figure, _ = new_figure(text)

    shown = [
        escape(text),
        table_html(frame, text),
        figure_html(figure, text),
        status_html(replace(CALIBRATION, title=text, notes=(text,))),
        display_of(CALIBRATION, text)._repr_html_(),
    ]

    assert [problem_of(one) for one in shown] == [""] * 5


def test_table_escapes_headers_and_cells_literally_t08() -> None:
    frame = pd.DataFrame({"<b>&\"'": ["<i>"]})

    html = table_html(frame, "A caption")

    assert "&lt;b&gt;&amp;&#34;&#39;" in html
    assert "&lt;i&gt;" in html
    assert "<caption>A caption</caption>" in html
    assert '<th scope="col"' in html


def test_table_is_cut_at_twenty_five_rows_and_forty_columns_and_says_so() -> None:
    frame = pd.DataFrame(np.zeros((60, 45))).rename(columns=str)

    html = table_html(frame, "Big", csv_file="C1-a b.csv")

    assert html.count("<tr>") == 26
    assert "35 more rows and 5 more columns are not shown." in html
    assert 'href="tables/C1-a%20b.csv"' in html


def test_five_thousand_columns_stay_a_small_page() -> None:
    frame = pd.DataFrame([["x" * 5000] * 5000])

    assert len(table_html(frame, "Wide")) < 100_000


def test_cells_are_shown_by_their_kind() -> None:
    frame = pd.DataFrame(
        {
            "whole": [1234567],
            "float": [0.123456],
            "round": [3.0],
            "bool": [True],
            "none": [None],
            "missing": [pd.NA],
            "time": [pd.NaT],
            "infinite": [np.inf],
            "text": [""],
        }
    )

    html = plain(table_html(frame, "Kinds"))

    assert "1,234,567 0.123 3 yes none none none infinite (empty)" in re.sub(
        r" +", " ", html
    )


def test_csv_cells_that_start_a_formula_are_quoted_and_numbers_are_not_t15() -> None:
    starts = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\0x", "ok", None]
    frame = pd.DataFrame({"=name": starts, "number": np.arange(9) - 4.5})

    rows = list(csv.reader(io.StringIO(csv_text(frame))))

    assert [row[0][:1] for row in rows] == ["'"] * 8 + ["o", ""]
    assert [float(row[1]) for row in rows[1:]] == [n - 4.5 for n in range(9)]


MARKDOWN_TRICKS = (
    "https://example.org/x",
    "see www.example.org",
    "1. one",
    "12) two",
    "# head",
    "head #",
    "- item",
    "---",
    "===",
    "> said",
    "&lt;b&gt; &#33;",
    "__init__ and _x_ and snake_case_name",
    "![x](y)",
    "[x]: y",
    "~~gone~~",
    "<script>x()</script>",
    "a | b",
)


def test_markdown_keeps_links_and_code_as_text_t09() -> None:
    shown = markdown_text("[x](javascript:1) `a|b`\n# h")

    assert shown == r"\[x\](javascript:1) \`a\|b\`␊# h"


@pytest.mark.parametrize(
    "text",
    [
        "AUC is 0.893 (0.881 to 0.905), not assessed. One more is open.",
        "/srv/models/runs/credit/20261129T060000Z-1a2b3c4d/index.html",
        "Notebook '00_baseline' reached its limit of 6 s. Raise --timeout.",
        "-0.084 at most 5 %",
    ],
)
def test_markdown_of_plain_words_can_be_read_and_copied_as_it_stands(text: str) -> None:
    assert markdown_text(text) == text


@given(
    st.text(st.sampled_from("\\`*_[]()<>#+-=.!|~&$:/@;0 aw'\"\n"), max_size=12)
    | st.sampled_from(MARKDOWN_TRICKS)
)
def test_markdown_shows_any_text_as_it_is_t09(text: str) -> None:
    source = markdown_text(text)
    expected = visible(text)

    for form in ("{}", "- {}", "# Word: {}", "- said: {}; more"):
        page = mistune.create_markdown(
            escape=False, plugins=["strikethrough", "url", "table"]
        )(form.format(source))
        common = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        for shown in (str(page), common.render(form.format(source))):
            words = unescape(re.sub(r"</?(?:p|ul|li|h1)>", "", shown)).strip()
            plain_form = form.removeprefix("- ").removeprefix("# ")
            assert words == plain_form.format(expected).strip(), (form, source)


def test_terminal_text_holds_no_escape_and_no_new_line_t35() -> None:
    assert terminal_text("a\x1b[2J\n\u202e") == "a␛[2J␊[U+202E]"


@pytest.mark.parametrize("alt", ["", "  "])
def test_figure_without_alternative_text_is_refused(alt: str) -> None:
    figure, _ = new_figure("t")

    with pytest.raises(ValueError, match="alt must say in one sentence"):
        figure_html(figure, alt)


def test_figure_is_an_image_inside_the_page() -> None:
    figure, _ = new_figure("t")

    html = figure_html(figure, 'What "it" shows')

    assert html.startswith('<figure class="rd-figure"><img src="data:image/svg+xml,')
    assert 'alt="What &#34;it&#34; shows"' in html


def test_cloud_of_points_becomes_a_png() -> None:
    figure, axes = new_figure("t")
    axes.scatter(np.linspace(0, 1, 3000), np.linspace(0, 1, 3000) ** 2)

    assert 'src="data:image/png;base64,' in figure_html(figure, "A cloud.")


@pytest.mark.parametrize("status", list(Status))
def test_status_is_a_word_and_a_shape(status: Status) -> None:
    mark = status_mark(status)

    assert re.search(r'aria-hidden="true">.</span>[a-z]', mark)


def test_waived_status_says_so() -> None:
    assert "fail, waived" in status_mark(Status.FAIL, waived=True)


def test_card_names_value_interval_limit_setter_and_rows() -> None:
    shown = plain(status_html(CALIBRATION, blocks="days"))

    assert "0.660" in shown
    assert "0.600 to 0.720" in shown
    assert "at least 0.8 set by readiness, required" in shown
    assert "224,330 rows in 245 days" in shown
    assert "74,000 more rows, 49 more days, would probably settle it." in shown


def test_worst_finding_comes_first() -> None:
    shown = plain(status_html(CALIBRATION))

    assert shown.index("0.660") < shown.index("0.830")


def test_check_that_could_not_run_says_why_and_what_it_takes() -> None:
    shown = plain(status_html(check_of(RESULTS, "S8")))

    assert "The quick profile leaves this out. This check fits the model again" in shown
    assert "What it would take: Run with the full profile." in shown


@pytest.mark.parametrize(("n_info", "folded"), [(8, False), (9, True)])
def test_many_findings_without_a_limit_are_folded(n_info: int, *, folded: bool) -> None:
    html = status_html(many(n_info, Status.INFO))

    assert ("findings without a limit</summary>" in html) is folded


def test_many_findings_that_hold_their_limit_are_folded() -> None:
    html = status_html(many(9, Status.PASS))

    assert "<summary>9 findings that hold their limit</summary>" in html


def test_many_remarks_are_folded() -> None:
    html = status_html(replace(CALIBRATION, notes=tuple("abcdefg")))

    assert "<summary>2 more remarks</summary>" in html


def test_more_than_fifty_findings_are_counted() -> None:
    assert "20 more findings are in results.json." in status_html(many(70, Status.FAIL))


def test_censored_value_is_beyond_what_the_data_can_tell() -> None:
    shown = plain(
        status_html(
            with_finding(value=None, ci_low=1.0, ci_high=None, censored=True, unit="SD")
        )
    )

    assert "beyond what the data can tell above 1.00 SD" in shown


def test_windows_of_the_past_are_not_called_days() -> None:
    """Each window is one observation of a back-test, however many days it has."""
    one = with_finding(metric="error_ratio", n_rows=6000, n_blocks=12)

    assert "6,000 rows in 12 windows" in plain(status_html(one, blocks="days"))


def test_budget_is_shown_in_its_own_unit_with_its_direction() -> None:
    moved = {"unit": "SD", "value_in_unit": 6.2, "direction": "up"}

    shown = plain(status_html(with_finding(**moved, own_unit="°F")))
    undeclared = plain(status_html(with_finding(**moved)))

    assert "0.830 SD (6.20 °F), up" in shown
    assert "0.830 SD (6.20 in its own unit), up" in undeclared


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reason": "UNDECIDABLE", "rows_needed": None}, "will not decide it"),
        (
            {"reason": None, "rows_needed": 640, "blocks_needed": None},
            "640 more rows w",
        ),
        ({"reason": None, "rows_needed": 9, "n_blocks": 60112}, "9 more rows would"),
        ({"reason": "HOLM", "rows_needed": None}, "Collect more rows."),
    ],
)
def test_inconclusive_finding_says_what_would_settle_it(
    changes: dict[str, object], expected: str
) -> None:
    finding: Finding = with_finding(**changes).findings[0]

    assert expected in settle_words(finding)


def test_number_without_value_or_limit_is_said_in_words() -> None:
    shown = plain(
        status_html(
            with_finding(
                value=None,
                ci_low=None,
                ci_high=None,
                limit=None,
                side=None,
                required=False,
                n_rows=0,
                status=Status.NOT_ASSESSED,
                reason="ALL_NULL",
            )
        )
    )

    assert "none none no rows" in re.sub(r" +", " ", shown)
    assert "The column has no values." in shown


def test_options_and_cost_are_stated_and_tables_linked() -> None:
    result = replace(CALIBRATION, options={"min_rows": 50}, tables=("P3-a b.csv",))

    html = status_html(result, links=True)

    assert "Options: min_rows = 50. 60,112 rows given to the model." in html
    assert '<a href="tables/P3-a%20b.csv">P3-a b.csv</a>' in html


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """Collect what is shown in a notebook."""
    collected: list[Shown] = []
    monkeypatch.setattr(
        "IPython.display.publish_display_data",
        lambda data, metadata: collected.append(Shown(data, metadata)),
    )
    return collected


def test_display_emits_marked_parts_in_order(shown: list[Shown]) -> None:
    display_of(CALIBRATION)._ipython_display_()

    assert [one.metadata["readiness"] for one in shown] == [
        {"code": "P3", "part": "status"},
        {"code": "P3", "part": "figure"},
        {"code": "P3", "part": "details"},
    ]
    assert "Calibration: fail" in shown[0].data["text/plain"]


def test_display_without_measurement_has_a_status_alone() -> None:
    display = check_display(check_of(RESULTS, "S8"), None, None, "")

    assert list(display.parts) == ["status"]
    assert repr(display).startswith("S8 Spread over seeds: not assessed")


def test_one_table_may_be_open_and_the_others_are_folded() -> None:
    table = pd.DataFrame({"name": ["plain"]})
    measurement = Measurement(summary=table, tables={"list": table, "rest": table})

    parts = check_display(CALIBRATION, measurement, None, "", "list").parts

    assert list(parts) == ["status", "table", "details"]
    assert "<details" not in parts["table"]
    assert parts["details"].count("<details") == 1


def test_jupyter_prefers_the_marked_parts(shown: list[Shown]) -> None:
    data, _ = DisplayFormatter().format(display_of(CALIBRATION))

    assert data == {}
    assert len(shown) == 3


def test_summary_lists_checks_and_says_when_it_is_interactive(
    shown: list[Shown],
) -> None:
    summary = ReviewSummary(results=(CALIBRATION,), interactive=True)

    summary._ipython_display_()

    html = shown[0].data["text/html"]
    assert 'href="#check-P3"' in html
    assert "no gate accepts it" in html
    assert "no gate accepts it" not in summary_html([CALIBRATION], interactive=False)
    assert repr(summary).startswith("P3 Calibration: fail")


def test_review_head_brings_the_style_and_the_decision() -> None:
    file = CaseFile.model_validate(
        {
            "name": "a",
            "title": "Is <it> late?",
            "decision": "Rebook",
            "model": {"path": "m.skops", "task": "binary"},
            "data": {"reference": "r.parquet", "target": "y"},
        }
    )

    html = review_html(file, "high", "quick")

    assert "<style>" in html
    assert "Is &lt;it&gt; late?" in html
    assert "Decision at stake: Rebook" in html


def test_every_reason_has_a_sentence_for_readers() -> None:
    assert set(Reason) == set(REASONS)
    assert all(why.endswith(".") for why, _ in REASONS.values())
    no_cure = [key for key, (_, cure) in REASONS.items() if not cure.endswith(".")]
    assert no_cure == [Reason.NOT_THIS_TASK]
    assert remedy_words(Reason.NOT_THIS_TASK) == ""


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("roc_auc", "AUC"),
        ("roc_auc_loss", "AUC lost"),
        (
            "mean_loss_budget",
            "shift it bears before the tolerated loss",
        ),
        ("gain_over_linear_model", "gain over linear model"),
    ],
)
def test_metrics_have_names_a_committee_reads(metric: str, words: str) -> None:
    assert metric_words(metric) == words


def test_unknown_words_are_shown_as_they_are() -> None:
    assert reason_words("SOMETHING") == "SOMETHING."
    assert reason_words(None) == remedy_words(None) == ""
    assert [block_word(one) for one in ("1d", "7d", "store", None)] == [
        "days",
        "weeks",
        "blocks",
        "blocks",
    ]
    assert group_words("table=current") == "current rows"


@pytest.mark.parametrize(
    ("metric", "group", "words"),
    [
        ("uncovered_traffic_share", "level=1", "situations of one condition"),
        (
            "uncovered_traffic_share",
            "level=1 & table=reference",
            "situations of one condition, reference rows",
        ),
        ("uncovered_patterns", "table=reference", "reference rows"),
        ("roc_auc", "level=1", "level=1"),  # a column may have this name
        ("calendar_share", "hour", "hour of the day"),
        ("outside_share", "hour", "hour"),
        ("events", "late", "labelled late"),
        ("events", "", ""),
    ],
)
def test_groups_have_names_a_committee_reads(
    metric: str, group: str, words: str
) -> None:
    assert group_words(group, metric) == words


def test_templates_and_notebooks_are_found() -> None:
    assert (shipped("templates") / "readiness" / "conf.json").is_file()
    with pytest.raises(FileNotFoundError, match="is missing from this installation"):
        shipped("nothing")
