"""Every kind of page through axe-core in Chromium, and its tables by keyboard."""

from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from readiness.compare import compare_runs
from readiness.compare_page import compare_page
from readiness.documents import PAGE, documents
from readiness.history_page import history_page
from readiness.inert import content_policy, table_script
from readiness.sign import sign
from tests.meetings import CASE, FIRST, SECOND, moved, publish_run
from tests.sample_pages import hostile_pages, sample_pages, sample_results
from tests.test_browser import CHROMIUM, WIDE, browser, page
from tests.test_documents import case_file, with_evidence

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
# Every rule that axe-core has on by default, best practices too.
BROKEN = """async rules => {
  const options = {resultTypes: ['violations']};
  if (rules) options.runOnly = rules;
  return (await axe.run(document, options)).violations.flatMap(one => one.nodes.map(
    node => `${one.id}: ${node.html.slice(0, 120)} ${node.failureSummary}`));
}"""
PAGE_NAMES = [
    "00_baseline.html",
    "10_coverage.html",
    "20_explainability.html",
    "30_drift.html",
    "40_stress.html",
    "compare.html",
    "history.html",
    "hostile.html",
    "index.html",
    "ml_test_score.html",
    "report.html",
]
TABLE = """<!DOCTYPE html><html lang="en"><head><meta
http-equiv="Content-Security-Policy" content="{policy}"><title>x</title></head><body>
<table class="rd-table"><caption>Numbers</caption><thead><tr><th scope="col">Name</th>
<th scope="col">Value</th></tr></thead><tbody>{rows}</tbody></table>
<script>{script}</script></body></html>"""
# As the pages print them, in the order of their values; what has none is last.
NUMBERS = (
    "\u22122,300 SD",
    "\u22120.05",
    "3.1 \u00d7 10\u207b\u2077",
    "5.12 %",
    "0.0600 to 0.0700",
    "at least 0.65",
    "0.800 log-odds",
    "1,234 rows in 7 days",
    "12,000",
    "1.0 \u00d7 10\u00b9\u2076",
    "none",
    "beyond what the data can tell",
)
SHUFFLED = (5, 10, 2, 8, 0, 7, 11, 1, 9, 4, 3, 6)

__all__ = ["browser", "page"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one page of every kind, and one of hostile data; return their folder."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in sample_pages().items():
        (folder / name).write_text(text, "utf-8")
    (folder / "hostile.html").write_text(hostile_pages()["00_baseline.html"], "utf-8")
    results = sample_results()
    with_evidence(results)
    (folder / PAGE).write_text(documents(results, case_file())[PAGE], "utf-8")
    out = folder / "runs"
    first = publish_run(out, FIRST)
    second = publish_run(out, SECOND, moved("P1", "roc_auc", 0.6, 0.02))
    sign(
        second,
        role="lending",
        decision="go-with-conditions",
        note="For a month.",
        conditions=["Collect outcomes|data platform|2030-01-01"],
    )
    place = folder / "history.html"
    place.write_text(history_page(out, CASE, place), "utf-8")
    comparison = compare_page(compare_runs(first, second))
    (folder / "compare.html").write_text(comparison, "utf-8")
    return folder


@pytest.fixture(scope="module")
def table_file(site: Path) -> Path:
    """Write a table of numbers as the pages print them, beside hostile names."""
    rows = "".join(
        f"<tr><th scope='row'>&lt;img src=x onerror=document.title={place}&gt;</th>"
        f"<td>{NUMBERS[place]}</td></tr>"
        for place in SHUFFLED
    )
    path = site / "numbers.html"
    policy = content_policy()
    text = TABLE.format(policy=policy, rows=rows, script=table_script())
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_axe_finds_nothing_in_light_and_dark(
    browser: Browser, site: Path, name: str
) -> None:
    opened = browser.new_page(bypass_csp=True, viewport=WIDE, color_scheme="light")
    opened.set_default_timeout(120_000)
    opened.goto((site / name).as_uri())
    opened.evaluate(
        "() => document.querySelectorAll('details').forEach(d => d.open = 1)"
    )
    opened.evaluate(AXE)  # by the debugger: the page's own policy would refuse it

    light = opened.evaluate(BROKEN)
    opened.emulate_media(color_scheme="dark")
    dark = opened.evaluate(BROKEN, ["color-contrast", "link-in-text-block"])
    opened.close()

    assert light == []
    assert dark == []


def test_axe_finds_what_is_wrong(browser: Browser) -> None:
    opened = browser.new_page(bypass_csp=True)
    opened.set_content("<h1 style='color: #ddd'>Pale</h1><img src='x.png'>")
    opened.evaluate(AXE)

    found = opened.evaluate(BROKEN)
    opened.close()

    assert {"color-contrast", "image-alt"} <= {one.partition(":")[0] for one in found}


def cells(page: Page) -> list[str]:
    """Return the second column of the rows that can be seen."""
    return page.locator("tbody tr:visible td").all_inner_texts()


def test_heading_sorts_numbers_as_the_pages_print_them(
    page: Page, table_file: Path
) -> None:
    page.goto(table_file.as_uri())
    heading = page.get_by_role("columnheader", name="Value")

    page.get_by_role("button", name="Value").focus()
    page.keyboard.press("Enter")
    rising = cells(page), heading.get_attribute("aria-sort")
    page.keyboard.press("Enter")
    falling = cells(page), heading.get_attribute("aria-sort")
    page.keyboard.press("Enter")
    as_given = cells(page), heading.get_attribute("aria-sort")

    given = [NUMBERS[place] for place in SHUFFLED]
    absent = [one for one in given if one in NUMBERS[-2:]]
    assert rising == ([*NUMBERS[:-2], *absent], "ascending")
    assert falling == ([*NUMBERS[-3::-1], *absent], "descending")
    assert as_given == (given, None)


def test_filter_is_labelled_and_tells_how_many_rows_are_left(
    page: Page, table_file: Path
) -> None:
    page.goto(table_file.as_uri())
    field = page.get_by_label("Filter rows of Numbers")

    field.fill("SD")
    left = cells(page), page.get_by_role("status").inner_text()
    field.fill("")

    assert left == ([NUMBERS[0]], "1 of the 12 rows on this page")
    assert len(cells(page)) == len(NUMBERS)


def test_filtered_rows_are_still_printed(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    all_rows = page.locator("[aria-labelledby=checks] tbody tr:visible").count()
    page.get_by_label("Filter rows of Every check of this run").fill("no such check")
    on_screen = page.locator("[aria-labelledby=checks] tbody tr:visible").count()

    page.emulate_media(media="print")

    assert on_screen == 0
    assert page.locator("[aria-labelledby=checks] tbody tr:visible").count() == all_rows


def test_hostile_cells_stay_text_when_sorted_and_filtered(
    page: Page, table_file: Path
) -> None:
    page.goto(table_file.as_uri())

    page.get_by_role("button", name="Name").click()
    page.get_by_label("Filter rows of Numbers").fill("onerror=document.title=3")

    assert page.title() == "x"
    assert page.locator("img").count() == 0
    assert cells(page) == [NUMBERS[3]]


def test_pages_are_whole_without_the_script(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    opened = context.new_page()
    opened.goto((site / "index.html").as_uri())

    controls = opened.locator("button, input").count()
    rows = opened.locator("[aria-labelledby=checks] tbody tr:visible").count()
    context.close()

    assert controls == 0
    assert rows == 15


def test_first_screen_holds_the_decision_record(page: Page, site: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((site / "index.html").as_uri())

    boxes = [one.bounding_box() for one in page.locator(".record > *").all()]

    assert len(boxes) == 7
    assert all(box is not None and box["y"] + box["height"] <= 800 for box in boxes)
