"""One executed notebook as a page: its own results first, nothing that runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from readiness.cards import blocks_called
from readiness.contents import with_contents
from readiness.inert import content_policy, problem_of, table_script
from readiness.markup import escape, html, join
from readiness.result import CheckResult
from readiness.shipped import shipped
from readiness.show import status_html, summary_html
from readiness.words import reason_words

MAX_TEXT_CHARS = 20_000
MAX_TRACE_LINES = 60
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
PLACE = re.compile(r'<div data-rd="(\d+)"></div>')
TABLE_LINK = re.compile(r'<a href="tables/[^"]*">([^<]*)</a>')
PAPERMILL_BANNER = "papermill-error-cell-tag"
NOT_FINISHED = (
    "This notebook did not finish. What it shows is kept for diagnosis and is no part "
    "of a verdict."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A notebook as a page of its own, and as a part of the report in one file."""

    page: str
    part: Markup


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What the pages of one run share.

    Parameters
    ----------
    results : mapping
        The content of results.json.
    checks : mapping of str to CheckResult
        The run's final results, by code.
    """

    results: Mapping[str, Any]
    checks: Mapping[str, CheckResult]


def make_exporter() -> Any:  # noqa: ANN401 (nbconvert has no types)
    """Return the exporter with our template; one serves every notebook of a run."""
    import nbconvert  # noqa: PLC0415 (half a second)

    make: Any = nbconvert.HTMLExporter
    exporter = make(
        template_name="readiness",
        extra_template_basedirs=[str(shipped("templates"))],
        exclude_input=True,
        embed_images=False,
    )
    exporter.register_filter("markdown2html", markdown_html)
    return exporter


def render(
    exporter: Any,  # noqa: ANN401 (nbconvert has no types)
    notebook: Any,  # noqa: ANN401 (nbformat has no types)
    run: Run,
    name: str,
    navigation: Markup,
) -> Rendered:
    """Return an executed notebook as a page and as a part of the report.

    Parameters
    ----------
    exporter : nbconvert.HTMLExporter
        From `make_exporter`.
    notebook : nbformat.NotebookNode
        As executed; not changed.
    run : Run
        Its results.
    name : str
        File name of the notebook without suffix.
    navigation : Markup
        Links to the other pages.

    Notes
    -----
    What a check printed about its status is replaced by the final result. Outputs of
    others are shown as text or not at all. The exporter sees short marks in place of
    outputs, because it reads every page a second time with a slow parser.
    """
    slim, pieces = _slim(notebook, run, name)
    resources = {
        "metadata": {"name": name},
        "navigation": navigation,
        "csp": content_policy(),
        "script": table_script(),
    }
    page, _ = exporter.from_notebook_node(slim, resources=resources)
    head, opening, rest = page.partition("<main")
    tag, _, body = rest.partition(">")
    body, closing, tail = body.rpartition("</main>")
    body = PLACE.sub(lambda found: pieces[int(found[1])], body)
    body = with_contents(body, name, _banner(run.results, name), run.checks)
    whole = f"{head}{opening}{tag}>{body}{closing}{tail}"
    return Rendered(page=whole, part=_as_part(body))


def markdown_html(source: str) -> str:
    """Return Markdown as HTML: raw HTML as text, no outside link, no image.

    Parameters
    ----------
    source : str
        A Markdown cell.
    """
    import mistune  # noqa: PLC0415 (with nbconvert)

    renderer = mistune.HTMLRenderer(escape=True)
    renderer.link = _link  # type: ignore[method-assign]  # an own rule for one element
    renderer.image = _image  # type: ignore[method-assign]  # an own rule for one element
    plugins = ["table", "strikethrough"]
    return str(mistune.Markdown(renderer, plugins=_plugins(plugins))(source))


def _plugins(names: list[str]) -> Any:  # noqa: ANN401 (mistune's own type)
    from mistune.plugins import import_plugin  # noqa: PLC0415 (with nbconvert)

    return [import_plugin(name) for name in names]


def _link(text: str, url: str, title: str | None = None) -> str:
    del title
    if url.startswith("#") or re.fullmatch(r"[\w.-]+\.(html|csv|json)(#[\w-]*)?", url):
        return f'<a href="{escape(url)}">{text}</a>'
    return f"{text} ({escape(url)})"


def _image(text: str, url: str, title: str | None = None) -> str:
    del url, title
    return f"[picture: {text}]"


def _slim(
    notebook: Any,  # noqa: ANN401 (nbformat has no types)
    run: Run,
    name: str,
) -> tuple[Any, list[str]]:
    import nbformat  # noqa: PLC0415 (with nbconvert)

    pieces: list[str] = []
    cells = []
    for cell in notebook.cells:
        tags = list(cell.metadata.get("tags", []))
        kept = {"cell_type": cell.cell_type, "source": "", "metadata": {"tags": tags}}
        if cell.cell_type == "code":
            shown = (_piece(one, run, name) for one in cell.outputs)
            first = len(pieces)
            pieces += [_inert(piece) for piece in shown if piece]
            marks = [_mark(number) for number in range(first, len(pieces))]
            kept |= {"outputs": marks, "execution_count": None}
        elif PAPERMILL_BANNER not in tags:
            kept["source"] = cell.source
        cells.append(kept)
    title = str(notebook.metadata.get("title", name))
    slim = {"cells": cells, "metadata": {"title": title}}
    return nbformat.from_dict({**slim, "nbformat": 4, "nbformat_minor": 4}), pieces  # type: ignore[no-untyped-call]  # nbformat has no types


def _mark(number: int) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {"text/html": f'<div data-rd="{number}"></div>'},
        "metadata": {"readiness": {}},
    }


def _inert(piece: str) -> str:
    """Return a piece of ours as it is; as text when it is not what ours are."""
    return str(_text(piece)) if problem_of(piece) else piece


def _piece(
    output: Any,  # noqa: ANN401 (nbformat has no types)
    run: Run,
    name: str,
) -> str:
    mark = output.get("metadata", {}).get("readiness")
    if isinstance(mark, dict) and "text/html" in output.get("data", {}):
        return _own_piece(output, mark, run, name)
    if output.output_type == "stream":
        summary = f"Printed by this cell ({output.name})"
        return html(
            "<details><summary>{}</summary>{}</details>", summary, _text(output.text)
        )
    if output.output_type == "error":
        trace = "\n".join(output.traceback).splitlines()[-MAX_TRACE_LINES:]
        return _text("\n".join(trace) or f"{output.ename}: {output.evalue}")
    data = output.get("data", {})
    if re.fullmatch(r"[A-Za-z0-9+/=\s]+", str(data.get("image/png", ""))):
        return html(
            '<figure class="rd-figure"><img src="data:image/png;base64,{}" alt="{}">'
            "</figure>",
            "".join(str(data["image/png"]).split()),
            "Picture made by a cell of this notebook, without a description.",
        )
    return _text(data["text/plain"]) if "text/plain" in data else ""


def _own_piece(
    output: Any,  # noqa: ANN401 (nbformat has no types)
    mark: Mapping[str, Any],
    run: Run,
    name: str,
) -> str:
    part, code = mark.get("part"), str(mark.get("code"))
    if part == "review":
        return ""
    if part == "status" and code in run.checks:
        blocks = blocks_called(run.results["facts"], run.checks.values())
        return status_html(run.checks[code], blocks=blocks, links=True)
    own = [one for one in run.checks.values() if one.notebook == name]
    if part == "summary" and own:
        return summary_html(own, interactive=False)
    return str(output.data["text/html"])


def _text(text: object) -> Markup:
    plain = ANSI.sub("", str(text))
    left_out = len(plain) - MAX_TEXT_CHARS
    lines = join(map(escape, plain[:MAX_TEXT_CHARS].splitlines()), "\n")
    note = f"{left_out:,} more characters are in the executed notebook."
    more = html('<p class="rd-note">{}</p>', note) if left_out > 0 else ""
    return html("<pre>{}</pre>{}", lines, more)


def _banner(results: Mapping[str, Any], name: str) -> Markup:
    entries = [one for one in results["notebooks"] if one["name"] == name]
    if not entries or entries[0]["complete"]:
        return Markup()
    entry = entries[0]
    why = entry["message"] or reason_words(entry["reason_code"])
    return html(
        '<div class="banner" role="note"><p><b>{}</b></p><p>{}</p></div>',
        NOT_FINISHED,
        why,
    )


def _as_part(body: str) -> Markup:
    """Return the body for the report: headings one level down, no link to a file."""
    lower = re.sub(r"<(/?)h([1-5])", lambda m: f"<{m[1]}h{int(m[2]) + 1}", body)
    return Markup(TABLE_LINK.sub(r"\1", lower))  # noqa: S704 (made of escaped pieces)
