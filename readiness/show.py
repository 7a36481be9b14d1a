"""SHOW: one check, or a notebook's results, as a person reads them.

The escaping itself is in `readiness.markup`; its functions are offered here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from readiness.cards import plain_text, status_html, status_mark
from readiness.config import CaseFile
from readiness.markup import (
    csv_text,
    escape,
    figure_html,
    html,
    join,
    markdown_text,
    table_html,
    terminal_text,
)
from readiness.result import INFLUENCE, CheckResult, Measurement
from readiness.shipped import shipped
from readiness.text import visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "CheckDisplay",
    "ReviewSummary",
    "check_display",
    "csv_text",
    "escape",
    "figure_html",
    "markdown_text",
    "review_html",
    "status_html",
    "status_mark",
    "summary_html",
    "table_html",
    "terminal_text",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckDisplay:
    """One check, ready to be shown by JupyterLab and kept by the run.

    Parameters
    ----------
    result : CheckResult
        The check as judged alone; over a run, `readiness.pages` writes it anew.
    parts : mapping of str to Markup
        ``status``, ``figure``, ``table`` and ``details``, in this order.
    """

    result: CheckResult
    parts: dict[str, Markup]

    def _ipython_display_(self) -> None:
        for part, markup in self.parts.items():
            plain = plain_text(self.result) if part == "status" else f"<{part}>"
            emit(markup, plain, part, self.result.code)

    def _repr_html_(self) -> str:
        return join(self.parts.values())

    def __repr__(self) -> str:
        return plain_text(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSummary:
    """The checks of one notebook in one table."""

    results: tuple[CheckResult, ...]
    interactive: bool

    def _ipython_display_(self) -> None:
        emit(Markup(self._repr_html_()), repr(self), "summary", "")  # noqa: S704 (ours)

    def _repr_html_(self) -> str:
        return summary_html(self.results, interactive=self.interactive)

    def __repr__(self) -> str:
        return "\n".join(plain_text(one) for one in self.results)


def emit(markup: Markup, plain: str, part: str, code: str) -> None:
    """Show one piece in the notebook, marked as made by this package."""
    from IPython import display  # noqa: PLC0415 (in notebooks only)

    publish: Any = display.publish_display_data  # it has no types
    publish(
        {"text/html": str(markup), "text/plain": plain},
        metadata={"readiness": {"code": code, "part": part}},
    )


def check_display(
    result: CheckResult,
    measurement: Measurement | None,
    figure: "Figure | None",
    alt: str,
    shown: str = "",
) -> CheckDisplay:
    """Return a check ready to be displayed.

    Parameters
    ----------
    result : CheckResult
        The check as judged.
    measurement : Measurement or None
        Its tables are shown, shortened, but for what is kept for later runs; None
        when it could not run.
    figure : matplotlib.figure.Figure or None
    alt : str
        One sentence stating what the figure shows; required with a figure.
    shown : str
        Name of the table that is open, below the figure; the others are folded.
    """
    parts = {"status": status_html(result)}
    if figure is not None:
        parts["figure"] = figure_html(figure, alt)
    tables = dict(measurement.tables) if measurement is not None else {}
    tables.pop(INFLUENCE, None)  # for later runs to compare with, not for readers
    if len(tables.get(shown, ())):
        parts["table"] = html(
            '<div class="rd rd-open">{}</div>', _table(result, shown, tables.pop(shown))
        )
    folded = [
        html(
            '<details class="rd rd-fold"><summary>Table: {} ({} rows)</summary>{}'
            "</details>",
            visible(name.replace("_", " ")),
            f"{len(table):,}",
            _table(result, name, table),
        )
        for name, table in tables.items()
    ]
    if folded:
        parts["details"] = join(folded)
    return CheckDisplay(result=result, parts=parts)


def _table(result: CheckResult, name: str, table: "pd.DataFrame") -> Markup:
    return table_html(table, f"{result.title}: {name.replace('_', ' ')}")


def summary_html(results: Sequence[CheckResult], *, interactive: bool) -> Markup:
    """Return the checks of one notebook as a table of statuses."""
    rows = join(
        html(
            '<tr><td>{}</td><th scope="row"><a href="#check-{}">{}</a></th><td>{}</td>'
            "</tr>",
            one.code,
            one.code,
            one.title,
            status_mark(one.status),
        )
        for one in results
    )
    note = "An interactive session: nothing is recorded, and no gate accepts it."
    return html(
        '<div class="rd"><table class="rd-table"><caption>Checks of this notebook'
        '</caption><thead><tr><th scope="col">Code</th><th scope="col">Check</th>'
        '<th scope="col">Status</th></tr></thead><tbody>{}</tbody></table>{}</div>',
        rows,
        html('<p class="rd-note">{}</p>', note) if interactive else "",
    )


def review_html(case_file: CaseFile, tier: str, profile: str) -> Markup:
    """Return the head of a review in a notebook, with the style of what follows."""
    return html(
        '<style>{}</style><div class="rd"><p class="rd-head"><b>{}</b></p>'
        "<p>{}</p><p class='rd-note'>Case {}, tier {}, {} profile.</p></div>",
        cell_style(),
        case_file.title,
        case_file.decision and f"Decision at stake: {case_file.decision}",
        case_file.name,
        tier,
        profile,
    )


@cache
def cell_style() -> Markup:
    """Return the style sheet of the pieces shown in notebooks and on pages."""
    path = shipped("templates") / "readiness" / "static" / "cell.css"
    return Markup(path.read_text("utf-8"))  # noqa: S704 (a file of ours)
