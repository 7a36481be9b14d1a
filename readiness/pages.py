"""SHOW: the pages of a run: the verdict, one page per notebook, all in one file."""

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from markupsafe import Markup

from readiness import __version__
from readiness.inert import assert_inert, content_policy, table_script
from readiness.notebook_page import Rendered, Run, make_exporter, render
from readiness.result import CheckResult, Finding, Status, result_from_dict
from readiness.shipped import shipped
from readiness.show import status_mark
from readiness.text import number, printable
from readiness.verdict_lines import Link
from readiness.verdict_page import Card, view
from readiness.words import (
    limit_words,
    metric_words,
    page_words,
    reason_words,
    trust_words,
    value_words,
)

__all__ = [
    "assert_inert",
    "render_index",
    "render_notebook",
    "render_page",
    "render_pages",
]
SHOWN_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "shap", "pyarrow")


def render_pages(
    results: Mapping[str, Any], notebooks: Mapping[str, Any]
) -> dict[str, str]:
    """Return every page of a run by file name.

    Parameters
    ----------
    results : mapping
        The content of results.json; of a run without verdict too.
    notebooks : mapping of str to nbformat.NotebookNode
        As executed, by name.

    Raises
    ------
    RunError
        When a page would not be inert (`inert.assert_inert`).
    """
    rendered = _rendered(results, notebooks)
    pages = {f"{name}.html": one.page for name, one in rendered.items()}
    pages["index.html"] = render_index(results)
    pages["report.html"] = _report(results, rendered)
    for page in pages.values():
        assert_inert(page)
    return pages


def render_index(results: Mapping[str, Any]) -> str:
    """Return the verdict page; as `render_pages`."""
    return _page("index.html.j2", results, lambda nb, code: f"{nb}.html#check-{code}")


def render_notebook(
    notebook: Any,  # noqa: ANN401 (nbformat has no types)
    results: Mapping[str, Any],
    name: str,
) -> str:
    """Return the page of one executed notebook; as `render_pages`."""
    return _rendered(results, {name: notebook})[name].page


def render_page(template: str, **names: Any) -> str:  # noqa: ANN401 (what templates use)
    """Return a page about several runs, from one of our templates.

    Raises
    ------
    RunError
        When it would not be inert.
    """
    page = _environment().get_template(template)
    text = str(page.render(**_shell(), readiness=__version__, **names))
    assert_inert(text)
    return text


def _rendered(
    results: Mapping[str, Any], notebooks: Mapping[str, Any]
) -> dict[str, Rendered]:
    exporter = make_exporter()
    checks = {one["code"]: result_from_dict(one) for one in results["checks"]}
    run = Run(results=results, checks=checks)
    return {
        name: render(exporter, notebook, run, name, _navigation(results, name))
        for name, notebook in notebooks.items()
    }


def _report(results: Mapping[str, Any], rendered: Mapping[str, Rendered]) -> str:
    bodies = {name: one.part for name, one in rendered.items()}
    return _page(
        "report.html.j2", results, lambda _, code: f"#check-{code}", bodies=bodies
    )


def _page(template: str, results: Mapping[str, Any], link: Link, **more: Any) -> str:  # noqa: ANN401 (what templates use)
    inside = "bodies" in more

    def place(one: CheckResult | Card | Mapping[str, Any]) -> str:
        if isinstance(one, CheckResult):
            return link(one.notebook, one.code)
        page = one.link if isinstance(one, Card) else str(one["page"])
        return f"#{page.removesuffix('.html')}" if inside else page

    environment = _environment()
    environment.filters["place"] = place
    return str(
        environment.get_template(template).render(
            **view(results, link), **_shell(), linked=not inside, **more
        )
    )


def _navigation(results: Mapping[str, Any], name: str) -> Markup:
    macros: Any = _environment().get_template("macros.html.j2").module
    return Markup(macros.navigation(results, name))  # noqa: S704 (a template of ours)


def _shell() -> dict[str, object]:
    """Return what stands once in every page: policy, style and script."""
    script = Markup(table_script())  # noqa: S704 (a file of ours)
    return {"csp": content_policy(), "style": _style(), "script": script}


@cache
def _style() -> Markup:
    folder = shipped("templates") / "readiness" / "static"
    sheets = [(folder / name).read_text("utf-8") for name in ("cell.css", "report.css")]
    return Markup("\n".join(sheets))  # noqa: S704 (files of ours)


@cache
def _environment() -> Any:  # noqa: ANN401 (jinja2's own type hides its filters)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(shipped("templates") / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "left_out": _left_out,
        "limit": limit_words,
        "metric": metric_words,
        "moment": _moment,
        "number": number,
        "one_per_limit": _one_per_limit,
        "percent": _percent,
        "plain": printable,
        "reason": reason_words,
        "short_hash": _short_hash,
        "software": _software,
        "status_mark": _mark,
        "taken_over": _taken_over,
        "thousands": _thousands,
        "trust": trust_words,
        "value": value_words,
        "page_name": page_words,
    }
    return environment


def _mark(status: str, word: str = "", waived: bool = False) -> Markup:  # noqa: FBT001, FBT002 (a template filter)
    mark = status_mark(Status(status), waived=waived)
    return mark.replace("not assessed", word) if word else mark


def _taken_over(notebooks: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the names of the notebooks that earlier runs executed, by run."""
    found: dict[str, list[str]] = {}
    for one in notebooks:
        if one.get("made_by"):
            found.setdefault(one["made_by"], []).append(one["name"])
    return found


def _moment(text: str) -> str:
    moment = dt.datetime.fromisoformat(text)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _thousands(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"


def _short_hash(text: str | None) -> str:
    return printable(text or "no hash")[:12]


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _left_out(reasons: Mapping[str, int]) -> str:
    said = (
        f"{count:,} {printable(reason).replace('_', ' ')}"
        for reason, count in reasons.items()
        if count
    )
    return ", ".join(said) or "none"


def _software(environment: Mapping[str, Any]) -> str:
    packages = environment.get("packages", {})
    named = [f"{name} {packages[name]}" for name in SHOWN_PACKAGES if name in packages]
    own = f"readiness {environment['readiness']}, Python {environment['python']}"
    return ", ".join([own, *named])


def _one_per_limit(
    pairs: Iterable[tuple[CheckResult, Finding]],
) -> list[tuple[CheckResult, Finding]]:
    """Return one finding per limit; a limit on each group has many."""
    first = {
        (check.code, one.metric, one.side, one.limit): (check, one)
        for check, one in pairs
    }
    return list(first.values())
