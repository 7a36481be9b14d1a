"""The pages in a real browser: Debian's Chromium, headless, without network."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.sample_pages import hostile_pages, sample_pages

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = ("index.html", "report.html", "00_baseline.html")
A4_PX = {"width": 680, "height": 1000}
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 800}
OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .map(e => [e, e.getBoundingClientRect().right - document.body.clientWidth])
  .filter(([e, over]) => over > 1 && !e.closest('.skip, .rd-scroll, caption'))
  .map(([e]) => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 60))"""
CONTRAST = """() => {
  const light = c => {
    const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
  };
  const behind = e => {
    for (let n = e; n; n = n.parentElement) {
      const c = getComputedStyle(n).backgroundColor;
      if (!/, 0\\)$/.test(c)) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('p, td, th, a, dd, dt, h1, h2, .rd-mark, small')]
    .filter(e => e.getClientRects().length)
    .map(e => [light(getComputedStyle(e).color), light(behind(e)), e.className])
    .map(([a, b, n]) => [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), n])
    .filter(([ratio]) => ratio < 4.5);
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sample pages and the hostile ones, and return their folder."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "hostile").mkdir()
    for name, page in sample_pages().items():
        (folder / name).write_text(page, "utf-8")
    for name, page in hostile_pages().items():
        (folder / "hostile" / name).write_text(page, "utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, headless=True
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    fresh = browser.new_page(viewport=WIDE)
    fresh.set_default_timeout(60_000)
    yield fresh
    fresh.close()


@pytest.mark.parametrize("name", [*PAGES, *(f"hostile/{one}" for one in PAGES)])
def test_page_asks_for_nothing_and_logs_nothing_t12(
    page: Page, site: Path, name: str
) -> None:
    asked: list[str] = []
    logged: list[str] = []
    page.on("request", lambda request: asked.append(request.url[:80]))
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    address = (site / name).as_uri()

    page.goto(address)
    page.wait_for_load_state("networkidle")

    assert [one for one in asked if not one.startswith("data:image/")] == [address[:80]]
    assert logged == []


@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_and_values_do_nothing_t08(
    page: Page, site: Path, name: str
) -> None:
    page.goto((site / "hostile" / name).as_uri())

    for fold in page.locator("details > summary").all():
        fold.click()

    assert "stolen" not in page.evaluate("() => [document.title.split(':')[0]]")[0]
    assert page.locator("iframe, object, embed, svg").count() == 0
    assert page.locator("script").count() == 1
    assert page.locator("a[href^='javascript'], a[href^='http']").count() == 0
    assert page.evaluate(
        "() => [...document.querySelectorAll('*')].every(e => "
        "[...e.attributes].every(a => !a.name.startsWith('on')))"
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_drawn_and_described(page: Page, site: Path, name: str) -> None:
    page.goto((site / name).as_uri())

    broken = page.evaluate(
        "() => [...document.images].filter(i => !i.naturalWidth || !i.alt).length"
    )

    assert broken == 0


@pytest.mark.parametrize("folder", [".", "hostile"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows_a_screen(
    page: Page, site: Path, name: str, folder: str
) -> None:
    page.goto((site / folder / name).as_uri())

    assert page.evaluate(OVERFLOW) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("folder", [".", "hostile"])
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_reads_the_page_without_moving_it_sideways(
    page: Page, site: Path, name: str, folder: str
) -> None:
    page.set_viewport_size(PHONE)
    page.goto((site / folder / name).as_uri())

    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_words_of_the_verdict_page_stay_whole_on_a_phone(
    page: Page, site: Path
) -> None:
    page.set_viewport_size(PHONE)
    page.goto((site / "index.html").as_uri())

    narrow = page.evaluate(
        "() => [...document.querySelectorAll('table.stacks :is(caption, td, th)')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().width < 300)"
        ".filter(e => !e.closest('thead, .rd-unseen')).map(e => e.textContent)"
    )

    assert page.locator("table.stacks td:visible").count() > 20
    assert narrow == []


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is missing")
def test_head_of_a_printed_table_stands_on_each_sheet(
    page: Page, site: Path, tmp_path: Path
) -> None:
    page.goto((site / "index.html").as_uri())
    page.evaluate(
        "() => { const rows = document.querySelector('#checks').closest('section')"
        ".querySelector('tbody'); for (let n = 0; n < 4; n++)"
        " rows.append(...[...rows.rows].map(one => one.cloneNode(true))); }"
    )
    page.pdf(path=tmp_path / "p.pdf", format="A4")

    text = subprocess.run(  # noqa: S603 (fixed arguments)
        ["pdftotext", "-layout", tmp_path / "p.pdf", "-"],  # noqa: S607 (wherever it is)
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sheets = [one for one in text.split("\f") if one.count("P1 Headline metric") > 1]
    assert len(sheets) > 2
    assert [one for one in sheets if not re.search("Check +Question", one)] == []


def test_printed_heads_hold_no_button(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.emulate_media(media="print")

    shown = page.evaluate(
        "() => [...document.querySelectorAll('.rd-sort')]"
        ".map(e => getComputedStyle(e).display)"
    )

    # Chromium repeats a head on each sheet only where nothing in it is one block.
    assert set(shown) == {"contents"}


@pytest.mark.parametrize("folder", [".", "hostile"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows_paper(
    page: Page, site: Path, name: str, folder: str
) -> None:
    page.set_viewport_size(A4_PX)
    page.emulate_media(media="print")
    page.goto((site / folder / name).as_uri())

    assert page.evaluate(OVERFLOW) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "00_baseline.html"])
def test_text_has_enough_contrast(
    page: Page, site: Path, name: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in the stubs
    page.goto((site / name).as_uri())

    assert page.evaluate(CONTRAST) == []


def test_dark_scheme_changes_the_paper(page: Page, site: Path) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto((site / "index.html").as_uri())

    color = page.evaluate("() => getComputedStyle(document.body).backgroundColor")

    assert color == "rgb(22, 23, 26)"


def test_first_tab_leads_to_the_verdict(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())

    page.keyboard.press("Tab")
    shown = page.locator(".skip").first.bounding_box()
    page.keyboard.press("Enter")

    assert shown is not None
    assert shown["x"] >= 0
    assert page.evaluate("() => document.activeElement.id") == "main"


def test_a_finding_opens_at_its_check(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())

    page.locator(".deciding tbody a").first.click()

    assert page.url.endswith("00_baseline.html#check-P3")
    assert page.locator("#check-P3").is_visible()


def test_decision_record_fits_the_first_sheet(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.set_viewport_size(A4_PX)
    page.emulate_media(media="print")

    box = page.locator(".signature").bounding_box()

    assert box is not None
    assert box["y"] + box["height"] <= 1000
