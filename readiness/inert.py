"""Whether a page is inert: it fetches nothing, and runs our one script at most."""

import base64
import hashlib
import re
from functools import cache
from html.parser import HTMLParser

from readiness.errors import RunError
from readiness.shipped import shipped

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
        self.inside = ""
        self.scripts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        if tag == "script" and not attrs:
            self.scripts.append("")
            return
        if len(self.tags) < N_FIRST_TAGS:
            self.tags.append((tag, dict(attrs)))
        if not self.problem:
            self.problem = _tag_problem(tag, dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.inside == "script" and self.scripts:
            self.scripts[-1] += data
        if self.inside == "style" and not self.problem and FETCHING_STYLE.search(data):
            self.problem = "a style sheet that fetches"

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.inside = ""


@cache
def table_script() -> str:
    """Return the one script of the pages: it sorts and filters their tables."""
    path = shipped("templates") / "readiness" / "static" / "tables.js"
    return path.read_text("utf-8")


@cache
def content_policy() -> str:
    """Return the policy of every page: our script by its hash, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(table_script().encode()).digest())
    return (
        f"default-src 'none'; script-src 'sha256-{digest.decode()}'; img-src data:; "
        "style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def problem_of(html: str) -> str:
    """Return the first thing in a piece that is not inert; empty when all is well."""
    reader = _read(html)
    return reader.problem or ("a script element" if reader.scripts else "")


def assert_inert(html: str) -> None:
    """Raise unless a whole page fetches nothing, runs only ours and says so first.

    Raises
    ------
    RunError
        When the page holds a script besides ours (or ours twice), an event handler,
        an outside address or an image without description, or the content policy is
        not first in its head.
    """
    reader = _read(html)
    problem = reader.problem
    if not problem and reader.scripts not in ([], [table_script()]):
        problem = "a script element"
    policy = {"http-equiv": "Content-Security-Policy", "content": content_policy()}
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
