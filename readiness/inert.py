"""Whether a page is inert: it runs nothing and fetches nothing."""

import re
from html.parser import HTMLParser

from readiness.errors import RunError

CSP = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
BANNED = re.compile(
    "script|iframe|frame|object|embed|applet|link|base|form|input|button|svg|math|"
    "audio|video|source|track|portal|template|noscript"
)
ADDRESSES = re.compile(
    "href|src|srcset|action|formaction|background|cite|data|longdesc|manifest|ping|"
    "poster|profile|usemap|xlink:href"
)
N_FIRST_TAGS = 3
SAFE_IMAGE = re.compile(r"data:image/(svg\+xml|png|jpeg)[;,]")
WITH_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*:|//|\\)", re.IGNORECASE)
FETCHING_STYLE = re.compile(r"url\s*\(|@import|expression\s*\(|\\", re.IGNORECASE)


class _Reader(HTMLParser):
    """Notes the first thing in a page that could run, fetch, or is not described."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problem = ""
        self.style = False
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.style = tag == "style"
        if len(self.tags) < N_FIRST_TAGS:
            self.tags.append((tag, dict(attrs)))
        if not self.problem:
            self.problem = _tag_problem(tag, dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.style and not self.problem and FETCHING_STYLE.search(data):
            self.problem = "a style sheet that fetches"


def problem_of(html: str) -> str:
    """Return the first thing in `html` that is not inert; empty when all is well."""
    return _read(html).problem


def assert_inert(html: str) -> None:
    """Raise unless a whole page runs nothing, fetches nothing and says so first.

    Raises
    ------
    RunError
        When the page holds a script, an event handler, an outside address or an
        image without description, or the content policy is not first in its head.
    """
    reader = _read(html)
    problem = reader.problem
    policy = {"http-equiv": "Content-Security-Policy", "content": CSP}
    if not problem and reader.tags[1:] != [("head", {}), ("meta", policy)]:
        problem = "no content policy at its start"
    if problem:
        msg = f"A page must be inert, but one holds {problem}. Nothing was published."
        raise RunError(msg)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _tag_problem(tag: str, attributes: dict[str, str | None]) -> str:
    if BANNED.fullmatch(tag):
        return f"a {tag} element"
    if tag == "img" and not (attributes.get("alt") or "").strip():
        return "an image without description"
    if tag == "meta" and attributes.get("http-equiv", "") == "refresh":
        return "a redirection"
    found = (_attribute_problem(tag, *pair) for pair in attributes.items())
    return next(filter(None, found), "")


def _attribute_problem(tag: str, name: str, value: str | None) -> str:
    value = value or ""
    if name.startswith("on"):
        return f"an event handler ({name})"
    if name == "style" and FETCHING_STYLE.search(value):
        return "a style that fetches"
    if ADDRESSES.fullmatch(name) and WITH_SCHEME.match(value):
        if tag == "img" and name == "src" and SAFE_IMAGE.match(value):
            return ""
        return f"an outside address ({name})"
    return ""
