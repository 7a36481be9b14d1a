import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import jsonschema
import nbformat
import pytest
from markupsafe import Markup

import readiness
from readiness.cards import blocks_called
from readiness.contents import with_contents
from readiness.errors import RunError
from readiness.inert import assert_inert, content_policy, problem_of, table_script
from readiness.notebook_page import MAX_TEXT_CHARS, markdown_html
from readiness.pages import (
    render_index,
    render_notebook,
    render_pages,
)
from readiness.result import Status
from readiness.shipped import shipped
from readiness.verdict_page import view
from readiness.words import UNDECLARED
from tests.sample_pages import (
    check_of,
    display_of,
    executed,
    failed_results,
    foreign_outputs,
    hostile_pages,
    output_of,
    sample_pages,
    sample_results,
)

PAGE = '<!DOCTYPE html><html lang="en"><head>{}</head><body>{}</body></html>'.format
POLICY = f'<meta http-equiv="Content-Security-Policy" content="{content_policy()}">'


def plain(html: str) -> str:
    html = html[html.index("<body") :].partition("<script>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def with_statuses(outcome: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON values)
    """Return sample results in which every finding has the same changes."""
    results = sample_results()
    results["outcome"] = outcome
    for check in results["checks"]:
        check |= {"reason": None, "message": None}
        check["findings"] = [one | changes for one in check["findings"]]
    return results


def notebook_with(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("secret_code()", outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[cell])


def test_sample_results_follow_the_shipped_schema() -> None:
    path = next(iter(readiness.__path__))
    with open(f"{path}/results.schema.json", encoding="utf-8") as stream:  # noqa: PTH123 (short)
        schema = json.load(stream)

    jsonschema.validate(sample_results(), schema)


def test_every_page_is_rendered_and_small() -> None:
    pages = sample_pages()

    assert sorted(pages) == [
        "00_baseline.html",
        "10_coverage.html",
        "20_explainability.html",
        "30_drift.html",
        "40_stress.html",
        "index.html",
        "report.html",
    ]
    assert len(pages["report.html"]) < 500_000


def test_same_results_give_the_same_bytes() -> None:
    results = sample_results()
    names = [one["name"] for one in results["notebooks"]]

    again = render_pages(results, {name: executed(results, name) for name in names})

    assert again == sample_pages()


@pytest.mark.parametrize("page", ["index.html", "report.html", "00_baseline.html"])
def test_page_is_inert_and_well_formed_t36(page: str) -> None:
    html = sample_pages()[page]

    ids = re.findall(r'\sid="([^"]+)"', html)

    assert_inert(html)
    assert len(ids) == len(set(ids))
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html
    assert html.count("<main") == 1
    assert 'class="skip"' in html


@pytest.mark.parametrize("page", ["index.html", "report.html", "30_drift.html"])
def test_links_inside_a_page_lead_somewhere(page: str) -> None:
    html = sample_pages()[page]

    wanted = set(re.findall(r'href="#([^"]+)"', html))

    assert wanted <= set(re.findall(r'\sid="([^"]+)"', html))


def test_links_between_pages_lead_to_the_check() -> None:
    pages = sample_pages()

    links = re.findall(r'href="(\w+\.html)#([^"]+)"', pages["index.html"])

    assert len(links) > 15
    assert all(f'id="{anchor}"' in pages[page] for page, anchor in links)


def test_report_in_one_file_links_nothing_outside_itself() -> None:
    assert (
        set(re.findall(r'href="([^#"][^"]*)"', sample_pages()["report.html"])) == set()
    )


def test_verdict_page_leads_with_the_verdict_and_its_reason() -> None:
    shown = plain(sample_pages()["index.html"])

    order = [
        "Will this flight land more than 15 minutes late?",
        "NOT READY",
        "Calibration slope, current rows, is 0.660 (0.600 to 0.720) and must be at",
        "least 0.8. One more required limit is broken.",
        "What decides",
        "Calibration slope, current rows P3 Calibration 0.660 0.600 to 0.720",
        "at least 0.8 readiness A slope below 0.8",
        "74,000 more rows, 49 more days, would probably settle it.",
        "Conditions of approval A go cannot be signed on this run.",
        "Rows outside what training saw: must be at most 5 %.",
        "What was not assessed",
        "What it would take: run with the full profile.",
        "Model and data Model skops b2b2b2b2b2b2",
        "Decision of the meeting",
        "The dimensions at a glance",
        "Caveats",
        "All checks",
        "What this rests on",
        "1,911 null target",
        "Rows of the same day hang together",
    ]
    places = [shown.index(one) for one in order]
    assert places == sorted(places)


def test_pass_without_caveats_is_ready() -> None:
    results = with_statuses("PASS", status="pass") | {"stability": None}

    html = render_index(results)

    assert "READY WITH" not in html
    assert "NOT READY" not in html
    assert ">READY</h2>" in html


def test_pass_with_a_waived_fail_is_ready_with_conditions() -> None:
    results = with_statuses("PASS", status="pass")
    results["checks"][0]["findings"][0] |= {"status": "fail", "waived": True}

    html = render_index(results)

    assert "READY WITH CONDITIONS" in html
    assert "fail, waived" in html


def test_incomplete_run_names_what_cannot_be_decided() -> None:
    results = with_statuses("INCOMPLETE", status="pass")
    results["checks"][0]["findings"][0] |= {"status": "inconclusive", "group": ""}
    results["headline"] = "AUC is 0.701 and must be at least 0.72."

    shown = plain(render_index(results))

    assert "INCOMPLETE" in shown
    assert "AUC is 0.701 and must be at least 0.72." in shown
    assert "A go cannot be signed on this run." in shown


def test_partial_run_says_which_part() -> None:
    results = sample_results() | {"partial": True, "only": ["drift"]}

    assert "Only a part of the review was run: drift." in plain(render_index(results))


def test_run_without_verdict_names_the_notebook_and_links_its_page() -> None:
    results = failed_results()

    shown = render_index(results)

    assert "NO VERDICT" in shown
    assert "The process of a notebook was ended from outside or crashed." in shown
    assert "ended by signal 9" in shown
    assert '<a href="30_drift.html">Open 30_drift</a>' in shown


def test_run_without_any_result_still_has_its_page() -> None:
    results = failed_results() | {"checks": [], "facts": {}, "ledger": {}}

    shown = plain(render_index(results))

    assert "Checks 0: none finished" in shown
    assert "No table was read." in shown


def test_notebook_that_failed_says_so_and_shows_its_error_as_text() -> None:
    error = nbformat.v4.new_output(
        "error", ename="ValueError", evalue="bad", traceback=["\x1b[31m<b>bad</b>"]
    )

    html = render_notebook(notebook_with(error), failed_results(), "30_drift")

    assert "This notebook did not finish." in html
    assert "<pre>&lt;b&gt;bad&lt;/b&gt;</pre>" in html


def test_error_without_traceback_shows_its_message() -> None:
    error = nbformat.v4.new_output("error", ename="E", evalue="bad", traceback=[])

    html = render_notebook(notebook_with(error), sample_results(), "00_baseline")

    assert "<pre>E: bad</pre>" in html


def test_banner_without_message_gives_the_reason() -> None:
    results = failed_results()
    results["notebooks"][3]["message"] = None

    html = render_notebook(notebook_with(), results, "30_drift")

    assert "ended from outside or crashed" in html


def test_page_shows_the_final_status_not_the_one_of_the_cell() -> None:
    results = sample_results()
    notebook = executed(results, "00_baseline")
    results["checks"][2]["status"] = "inconclusive"
    results["checks"][2]["findings"][1] |= {"status": "inconclusive", "reason": "HOLM"}

    html = render_notebook(notebook, results, "00_baseline")

    assert "chance alone could explain it" in html
    assert 'class="rd-mark rd-fail"' not in html


def test_status_of_a_notebook_that_does_not_count_is_shown_as_stored() -> None:
    results = sample_results()
    notebook = executed(results, "30_drift")

    html = render_notebook(notebook, failed_results(), "30_drift")

    assert 'id="check-D1"' in html


def test_parameters_and_code_are_hidden() -> None:
    html = sample_pages()["00_baseline.html"]

    assert "case_file" not in html
    assert "open_review" not in html
    assert "review.check" not in html


def test_contents_carry_the_status_of_each_question() -> None:
    html = sample_pages()["00_baseline.html"]

    contents = html.partition('<nav class="contents"')[2].partition("</nav>")[0]

    assert contents.count("<li>") == 4
    assert contents.count("rd-mark") == 3


def test_page_opens_with_what_its_first_check_found() -> None:
    html = sample_pages()["00_baseline.html"]
    note = check_of(sample_results(), "P1").notes[0]

    opening = html.partition("</h1>")[2].partition('<nav class="contents"')[0]

    assert opening == f'<p class="answer">{note}</p>'


def test_drift_page_says_first_as_well_whom_the_monitor_is_blind_to() -> None:
    first = check_of(sample_results(), "P1")
    said = {"D0": "x has moved.", "D1": "x may move.", "D8": "Blind: x."}
    checks = {
        code: replace(first, code=code, notes=(note,)) for code, note in said.items()
    }
    body = "<h1>T</h1>" + "".join(f'<p id="check-{code}"></p>' for code in checks)

    page = with_contents(body, "30_drift", Markup(), checks)

    opening = page.partition("</h1>")[2].partition('<p id="check-')[0]
    assert (
        opening == '<p class="answer">x has moved.</p><p class="answer">Blind: x.</p>'
    )


def test_review_head_is_left_out_and_summary_is_the_final_one() -> None:
    results = sample_results()
    outputs = [
        output_of("review", display_of(check_of(results, "P1")).parts["status"], ""),
        output_of("summary", display_of(check_of(results, "P1")).parts["figure"], ""),
    ]

    html = render_notebook(notebook_with(*outputs), results, "00_baseline")

    assert "Checks of this notebook" in html
    assert "data:image" not in html
    assert 'id="check-P1"' not in html


def test_summary_of_a_notebook_without_results_is_shown_as_stored() -> None:
    results = failed_results()
    stored = display_of(check_of(results, "P1")).parts["figure"]

    html = render_notebook(
        notebook_with(output_of("summary", stored, "")), results, "30_drift"
    )

    assert "data:image" in html


@pytest.mark.parametrize("place", range(8))
def test_rich_output_of_others_is_dropped_t10(place: int) -> None:
    output = foreign_outputs()[place]

    html = render_notebook(notebook_with(output), sample_results(), "00_baseline")

    assert "stolen" not in html


def test_output_of_others_with_a_text_form_is_shown_as_text() -> None:
    html = render_notebook(
        notebook_with(*foreign_outputs()), sample_results(), "00_baseline"
    )

    assert "&lt;script&gt;document.title" in html
    assert html.count("<script") == 1
    assert "Printed by this cell (stderr)" in html


def test_picture_of_others_is_kept_with_a_description() -> None:
    output = nbformat.v4.new_output("display_data", data={"image/png": "iVBO\nRw0K"})

    html = render_notebook(notebook_with(output), sample_results(), "00_baseline")

    assert 'src="data:image/png;base64,iVBORw0K"' in html
    assert "without a description" in html


def test_long_text_is_cut_and_counted() -> None:
    output = nbformat.v4.new_output(
        "stream", name="stdout", text="x" * (MAX_TEXT_CHARS + 5)
    )

    html = render_notebook(notebook_with(output), sample_results(), "00_baseline")

    assert "5 more characters are in the executed notebook." in html


def test_banner_of_the_executor_is_left_out() -> None:
    cell = nbformat.v4.new_markdown_cell("<span>An Exception was encountered</span>")
    cell.metadata["tags"] = ["papermill-error-cell-tag"]
    notebook = nbformat.v4.new_notebook(cells=[cell])

    html = render_notebook(notebook, sample_results(), "unknown")

    assert "An Exception" not in html


def test_hostile_data_leaves_every_page_inert() -> None:
    for page in hostile_pages().values():
        assert_inert(page)
        assert page.count("<script") == 1
        assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("[x](javascript:alert(1))", "x (javascript:alert(1))"),
        ("[x](https://example.org)", "x (https://example.org)"),
        ("[x](#part)", '<a href="#part">x</a>'),
        ("[x](10_coverage.html#check-C1)", '<a href="10_coverage.html#check-C1">x</a>'),
        ("![x](../../etc/passwd)", "[picture: x]"),
        ("<script>1</script>", "&lt;script&gt;1&lt;/script&gt;"),
        ("a <b onclick=x>", "&lt;b onclick=x&gt;"),
        ("<javascript:alert(1)>", "javascript:alert(1) (javascript:alert(1))"),
        ("costs $5 and $6", "costs $5 and $6"),
        ("|a|\n|-|\n|b|", "<td>b</td>"),
        ("~~a~~ **b**", "<del>a</del> <strong>b</strong>"),
    ],
)
def test_markdown_is_text_without_outside_links(source: str, html: str) -> None:
    rendered = markdown_html(source)

    assert html in rendered
    assert problem_of(rendered) == ""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<script>1</script>", "a script element"),
        ("<SCRIPT src=x>", "a script element"),
        ("<p onclick='x'>", "an event handler"),
        ("<a href='https://example.org'>", "an outside address"),
        ("<a href='//example.org'>", "an outside address"),
        ("<a href=' javascript:x'>", "an outside address"),
        ("<a href='&#106;avascript:x'>", "an outside address"),
        ("<img alt=x src='http://example.org/x.png'>", "an outside address"),
        ("<img alt=x src='data:text/html,x'>", "an outside address"),
        ("<a href='data:image/png;base64,x'>", "an outside address"),
        ("<img src='data:image/png;base64,x'>", "an image without description"),
        ("<p style='background:url(x)'>", "a style that fetches"),
        ("<style>@import 'x'</style>", "a style sheet that fetches"),
        ("<meta http-equiv='refresh' content='0'>", "a redirection"),
        ("<svg></svg>", "a svg element"),
        ("<iframe>", "a iframe element"),
        ("<p onclick='x'><script>", "an event handler"),
    ],
)
def test_page_that_could_act_is_refused_t12(body: str, problem: str) -> None:
    with pytest.raises(RunError, match=f"one holds {problem}"):
        assert_inert(PAGE(POLICY, body))


@pytest.mark.parametrize(
    "body",
    [
        f"<script>{table_script()} </script>",
        f"<script>{table_script()[:-1]}</script>",
        f"<script async>{table_script()}</script>",
        f"<script>{table_script()}</script>" * 2,
        f"<script>{table_script()}</script><script></script>",
    ],
)
def test_page_with_another_script_than_ours_is_refused(body: str) -> None:
    with pytest.raises(RunError, match="one holds a script element"):
        assert_inert(PAGE(POLICY, body))


def test_piece_of_a_notebook_may_not_even_hold_our_script() -> None:
    assert problem_of(f"<script>{table_script()}</script>") == "a script element"


@pytest.mark.parametrize("page", ["index.html", "report.html", "00_baseline.html"])
def test_policy_pins_the_one_script_by_its_hash(page: str) -> None:
    html = sample_pages()[page]

    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert html.count("<script") == 1
    assert 0 < len(script.encode()) < 4_000
    assert f"script-src &#39;sha256-{digest}&#39;" in html.replace("'", "&#39;")


def test_page_without_the_policy_first_is_refused() -> None:
    with pytest.raises(RunError, match="no content policy at its start"):
        assert_inert(PAGE('<meta charset="utf-8">' + POLICY, ""))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<img alt='x' src='data:image/png;base64,x'>",
        "<a href='10_coverage.html#x'>",
        "<p>http://example.org onclick=x</p>",
        f"<script>{table_script()}</script>",
    ],
)
def test_harmless_page_is_accepted(body: str) -> None:
    assert_inert(PAGE(POLICY, body))


def test_template_works_with_the_converter_alone() -> None:
    from nbconvert import HTMLExporter  # noqa: PLC0415 (heavy)

    exporter = HTMLExporter(
        template_name="readiness", extra_template_basedirs=[str(shipped("templates"))]
    )
    notebook = executed(sample_results(), "00_baseline")
    shown = nbformat.v4.new_code_cell("1 + 1", outputs=foreign_outputs()[:-1])
    notebook.cells.append(shown)

    html, _ = exporter.from_notebook_node(notebook)

    assert "<script" not in html.replace("&lt;script", "")
    assert "1 + 1" in html
    assert "case_file" not in html


@pytest.mark.parametrize(
    ("block", "entity", "said"),
    [
        ("store", None, "Rows with the same store hang together"),
        (None, None, "rows are taken as independent of each other"),
        (None, "plane", "Rows with the same plane hang together"),
        ("1d", "plane", "Rows of the same day, and rows with the same plane hang"),
    ],
)
def test_page_says_what_the_intervals_assume(
    block: str | None, entity: str | None, said: str
) -> None:
    results = sample_results()
    results["facts"] |= {"block": block, "entity": entity}

    assert said in plain(render_index(results))


@pytest.mark.parametrize(
    ("entity", "note", "word"),
    [
        (None, "Nothing.", "days"),
        ("plane", "Nothing.", "blocks"),
        (None, f"Rows with the same week hang together, {UNDECLARED}.", "blocks"),
    ],
)
def test_blocks_are_called_days_only_where_every_block_is_one(
    entity: str | None, note: str, word: str
) -> None:
    checks = [replace(check_of(sample_results(), "P1"), notes=(note,))]

    assert blocks_called({"block": "1d", "entity": entity}, checks) == word


def test_single_findings_not_assessed_are_told_by_reason() -> None:
    results = with_statuses("INCOMPLETE", status="not_assessed", reason="ALL_NULL")

    shown = plain(render_index(results))

    assert "AUC and 7 more. The column has no values." in shown


def test_many_alike_findings_are_counted_on_the_verdict_page() -> None:
    results = with_statuses("FAIL", status="fail", required=True, metric="m")
    p1 = results["checks"][0]["findings"]
    for place, one in enumerate(p1):
        one |= {"value": place / 100, "unit": "", "limit": 0.9, "side": "at_least"}

    shown = plain(render_index(results))

    rest = "5 more of m P1 Headline metric 0.0300 to 0.0700 at least 0.9 Each stands"
    assert f"{rest} under P1." in shown


def test_card_of_a_dimension_is_no_better_than_what_decides_in_it() -> None:
    results = sample_results()
    first = next(iter(view(results, lambda *_: "").get("cards")))

    page = render_index(results)
    card = re.search(r'<div class="card (.*?)<p class="tally">', page, re.DOTALL)

    assert first.caption == "AUC"
    assert first.status is Status.PASS
    assert first.state is Status.FAIL
    assert card is not None
    assert card[1].startswith("rd-fail")
    assert "</span>fail</span> Calibration slope, current rows</p>" in card[1]


def test_factors_name_their_rows_and_the_largest_of_one_kind() -> None:
    results = sample_results()
    for code, factor in (("P1", 9.5), ("C2", 27.6)):
        (check,) = [one for one in results["checks"] if one["code"] == code]
        first = check["findings"][0] | {"group": "", "required": True}
        check["findings"].append(first | {"dependence_factor": factor})

    factors = dict(view(results, lambda *_: "")["factors"])

    assert factors["P1 reference rows"] == 9.5
    assert factors["C2 rows outside what training saw"] == 27.6


def test_policy_file_is_named_with_its_hash() -> None:
    results = sample_results()
    results["policy"] |= {"file": "policy.toml", "sha256": "ab" * 32, "limits_set": 2}
    results["environment"]["notes"] = ["numpy 9 is newer than tested."]

    shown = plain(render_index(results))

    assert "policy.toml ( abababababab ) sets 2 limits" in shown
    assert "numpy 9 is newer than tested." in shown
