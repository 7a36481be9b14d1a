"""The comparison and the history in a real browser, hostile data included."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from readiness.compare import compare_runs
from readiness.compare_page import compare_page
from readiness.history_page import history_page
from readiness.sign import sign
from tests.meetings import CASE, FIRST, SECOND, list_run, moved, publish_run
from tests.sample_pages import HOSTILE, hostile_results
from tests.test_browser import (
    A4_PX,
    CHROMIUM,
    CONTRAST,
    OVERFLOW,
    PHONE,
    browser,
    page,
)

PAGES = [
    f"{folder}/{name}.html"
    for folder in ("plain", "hostile")
    for name in ("compare", "history")
]
UNNAMED = """() => [...document.querySelectorAll('[role=region], nav, section')]
  .filter(e => !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby'))
  .map(e => e.outerHTML.slice(0, 60))"""
DANGLING = """() => [...document.querySelectorAll('[aria-labelledby], a[href^="#"]')]
  .map(e => e.getAttribute('aria-labelledby') || e.getAttribute('href').slice(1))
  .filter(id => !document.getElementById(id))"""
HEADINGS = """() => [...document.querySelectorAll('h1, h2, h3, h4')]
  .map(e => +e.tagName[1]).filter((n, i, all) => i && n > all[i - 1] + 1)"""

__all__ = ["browser", "page"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write both pages, of plain and of hostile data, and return their folder."""
    folder = tmp_path_factory.mktemp("site")
    for kind, text in (("plain", "For a month."), ("hostile", " ".join(HOSTILE))):
        out = folder / "runs" / kind
        change = _hostile if kind == "hostile" else moved("P1", "roc_auc", 0.6, 0.02)
        first, second = publish_run(out, FIRST), publish_run(out, SECOND, change)
        list_run(out, "20261123T120000Z-0123abcd", status="failed")
        sign(
            second,
            role=text,
            decision="go-with-conditions",
            note=text,
            conditions=[f"{text}|{text}|2030-01-01"],
        )
        (folder / kind).mkdir()
        place = folder / kind / "history.html"
        place.write_text(history_page(out, CASE, place), "utf-8")
        comparison = compare_page(compare_runs(first, second))
        (folder / kind / "compare.html").write_text(comparison, "utf-8")
    return folder


def _hostile(results: dict[str, object]) -> None:
    kept = {name: results[name] for name in ("run_id", "created_utc", "case")}
    results |= hostile_results() | kept


@pytest.fixture
def opened(page: Page, site: Path, request: pytest.FixtureRequest) -> Page:
    """Open a page with everything on it unfolded."""
    page.goto((site / request.param).as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = 1)")
    return page


@pytest.mark.parametrize("opened", PAGES, indirect=True)
def test_nothing_acts_and_every_figure_is_drawn(opened: Page) -> None:
    assert opened.locator("iframe, object, embed, svg").count() == 0
    assert opened.locator("script").count() == 1
    assert (
        opened.evaluate(
            "() => [...document.images].filter(i => !i.naturalWidth || !i.alt).length"
        )
        == 0
    )
    assert "stolen" not in opened.title().partition(":")[0]


@pytest.mark.parametrize("opened", PAGES, indirect=True)
def test_nothing_overflows_a_screen_or_paper(opened: Page) -> None:
    screen = opened.evaluate(OVERFLOW)

    opened.set_viewport_size(A4_PX)
    opened.emulate_media(media="print")

    assert screen == []
    assert opened.evaluate(OVERFLOW) == []


@pytest.mark.parametrize("opened", PAGES, indirect=True)
def test_a_phone_reads_the_page_without_moving_it_sideways(opened: Page) -> None:
    opened.set_viewport_size(PHONE)

    width = opened.evaluate("() => document.documentElement.scrollWidth")

    assert width <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", PAGES, indirect=True)
def test_text_has_enough_contrast(opened: Page, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in the stubs

    assert opened.evaluate(CONTRAST) == []


@pytest.mark.parametrize("opened", PAGES, indirect=True)
def test_landmarks_are_named_and_headings_skip_no_level(opened: Page) -> None:
    assert opened.evaluate(UNNAMED) == []
    assert opened.evaluate(DANGLING) == []
    assert opened.evaluate(HEADINGS) == []
    assert opened.locator("main, h1").count() == 2


@pytest.mark.parametrize("name", PAGES)
def test_page_asks_for_nothing(page: Page, site: Path, name: str) -> None:
    asked: list[str] = []
    logged: list[str] = []
    page.on("request", lambda request: asked.append(request.url[:80]))
    page.on("console", lambda message: logged.append(message.text))
    address = (site / name).as_uri()

    page.goto(address)
    page.wait_for_load_state("networkidle")

    assert [one for one in asked if not one.startswith("data:image/")] == [address[:80]]
    assert logged == []
