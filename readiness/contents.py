"""The head of a notebook's page: what it found, and its list of contents."""

import re
from collections.abc import Mapping

from markupsafe import Markup

from readiness.cards import status_mark
from readiness.markup import html, join
from readiness.result import CheckResult, Status
from readiness.text import printable

# Beside how far life has moved stands whether anybody would notice.
ALSO_OPENING = frozenset({"D8"})
HEADING = re.compile(r"<(h[1-6])>(.*?)</\1>", re.DOTALL)


def with_contents(
    body: str, name: str, banner: Markup, checks: Mapping[str, CheckResult]
) -> str:
    """Give headings their anchors, and the page its answer and list of contents.

    Parameters
    ----------
    body : str
        The page's content as HTML.
    name : str
        File name of the notebook without suffix.
    banner : Markup
        What stands above everything else; may be empty.
    checks : mapping of str to CheckResult
        The run's final results, by code.
    """
    entries: list[tuple[str, str, int]] = []

    def anchored(found: re.Match[str]) -> str:
        anchor = f"{name}-{len(entries)}"
        entries.append((anchor, found[2], int(found[1][1])))
        return f'<{found[1]} id="{anchor}">{found[2]}</{found[1]}>'

    body = HEADING.sub(anchored, body)
    items = join(
        html(
            '<li><a href="#{}">{}</a> {}</li>',
            anchor,
            Markup(text),  # noqa: S704 (rendered from Markdown by our own rules)
            _status_after(body, anchor, checks),
        )
        for anchor, text, level in entries
        if level == 2  # noqa: PLR2004 (the questions of a notebook)
    )
    contents = html(
        '<nav class="contents" aria-label="Contents of {}"><ol>{}</ol></nav>',
        name,
        items,
    )
    start = body.find("</h1>") + len("</h1>") if "</h1>" in body else 0
    opening = banner + _answer(body, checks) + (contents if items else Markup())
    return f"{body[:start]}{opening}{body[start:]}"


def _answer(body: str, checks: Mapping[str, CheckResult]) -> Markup:
    """Return what the first check of the page found, in its own words."""
    codes = re.findall(r'id="check-([^"]+)"', body)
    found = [checks[code] for code in codes if code in checks]
    opening = found[:1] + [one for one in found[1:] if one.code in ALSO_OPENING]
    return join(
        html('<p class="answer">{}</p>', printable(one.notes[0]))
        for one in opening
        if one.notes and one.reason is None
    )


def _status_after(body: str, anchor: str, checks: Mapping[str, CheckResult]) -> Markup:
    """Return the mark of the first check between a heading and the next one."""
    after = body.partition(f'id="{anchor}"')[2]
    own = re.split(r"<h[12] id=", after, maxsplit=1)[0]
    found = re.search(r'id="check-([^"]+)"', own)
    if found is None or found[1] not in checks:
        return Markup()
    status: Status = checks[found[1]].status
    return html("<small>{}</small>", status_mark(status))
