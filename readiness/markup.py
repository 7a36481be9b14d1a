"""The one escaping door: text from data, models and parameters, by the place it goes.

Pieces of HTML are `markupsafe.Markup`, whose ``format`` escapes what it is given.
"""

import csv
import io
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from readiness.figures import figure_png, figure_svg
from readiness.text import number, printable, visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_ROWS = 25
MAX_COLUMNS = 40
MAX_CELL_CHARS = 200
MAX_SVG_BYTES = 48_000  # a picture with more marks than this may be smaller as points
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")
# What starts something in Markdown, as CommonMark and GitHub read it: signs that do so
# anywhere, an underscore at the edge of a word, an entity, an address, a block.
MARKDOWN = re.compile(
    r"[\\`*\[\]{}<|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=www)\."
    r"|^>|^[-+=](?=[-+=\s]|$)|^#(?=#*(?:\s|$))|(?<=\s)#(?=#*$)",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")  # the start of a numbered list


def escape(text: object) -> Markup:
    """Return text that is only text inside HTML, whatever it holds.

    Parameters
    ----------
    text : object
        Its text form is used; pieces of HTML made here are returned as they are.

    Examples
    --------
    >>> str(escape("<b>"))
    '&lt;b&gt;'
    """
    if isinstance(text, Markup):
        return text
    return Markup("{}").format(printable(text))


def html(template: str, *pieces: object, **named: object) -> Markup:
    """Return `template`, a literal of ours, with every piece escaped into it."""
    return Markup(template).format(  # noqa: S704 (templates are literals of ours)
        *map(escape, pieces), **{name: escape(one) for name, one in named.items()}
    )


def join(pieces: Iterable[Markup], between: str = "") -> Markup:
    """Return pieces of HTML as one."""
    return escape(Markup(between)).join(pieces)  # noqa: S704 (a literal of ours)


def name_html(text: object, max_chars: int = 80) -> Markup:
    """Return a name from data: visible, shortened, unable to turn its neighbours."""
    return html("<bdi>{}</bdi>", visible(text, max_chars))


def markdown_text(text: object) -> str:
    r"""Return text that Markdown shows as it is, and that people can read unrendered.

    Examples
    --------
    >>> print(markdown_text("[x](y) is 0.5 in 00_baseline"))
    \[x\](y) is 0.5 in 00_baseline
    """
    shown = MARKDOWN.sub(r"\\\g<0>", visible(text))
    return NUMBERED.sub(r"\1\\\2", shown)


def terminal_text(text: object) -> str:
    """Return text that cannot move the cursor, colour or reverse a terminal's line."""
    return printable(text)


def csv_text(frame: "pd.DataFrame") -> str:
    """Return a table as CSV in which no text starts a formula in a spreadsheet.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index is left out. Text cells and headers that start with ``= + - @``,
        a tab, a return or NUL get a leading ``'``; numbers stay numbers in full
        precision; missing values are empty.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)  # lines end as RFC 4180 says, so a return is quoted
    writer.writerow([_csv_cell(str(name)) for name in frame.columns])
    columns = [frame.iloc[:, place].tolist() for place in range(frame.shape[1])]
    for row in zip(*columns, strict=True):
        writer.writerow([_csv_cell(cell) for cell in row])
    return stream.getvalue()


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file that `csv_text` made, the texts as they were.

    Of a file made by others, absent cells are empty, cells without a header left out.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, restval=""))
    return [
        {key: _plain_text(cell) for key, cell in row.items() if isinstance(cell, str)}
        for row in rows
    ]


def _plain_text(cell: str) -> str:
    is_marked = cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS)
    return cell[1:] if is_marked else cell


def table_html(
    frame: "pd.DataFrame", caption: str, max_rows: int = MAX_ROWS, csv_file: str = ""
) -> Markup:
    """Return a table as HTML, shortened, with a caption.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index is left out; numbers are shown with three significant digits.
    caption : str
        What the table shows.
    max_rows : int
        Rows shown; how many are left out is said below.
    csv_file : str
        Where the whole table is, relative to the page.
    """
    shown = frame.iloc[:max_rows, :MAX_COLUMNS]
    columns = [shown.iloc[:, place] for place in range(shown.shape[1])]
    numeric = [column.dtype.kind in "iufb" for column in columns]
    head = join(
        html('<th scope="col"{}>{}</th>', _aligned(right=is_number), _heading(name))
        for name, is_number in zip(shown.columns, numeric, strict=True)
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    body = join(
        html(
            "<tr>{}</tr>",
            join(
                html("<td{}>{}</td>", _aligned(right=is_number), _cell(cell))
                for cell, is_number in zip(row, numeric, strict=True)
            ),
        )
        for row in rows
    )
    return html(
        '<div class="rd-scroll" role="group" aria-label="{}" tabindex="0">'
        '<table class="rd-table"><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}",
        caption,
        caption,
        head,
        body,
        _left_out(frame, shown, csv_file),
    )


def figure_html(figure: "Figure", alt: str) -> Markup:
    """Return a figure as an image inside the page, with its alternative text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Written as SVG; as PNG when it has many marks and is smaller as points.
    alt : str
        One sentence that states what the figure shows.

    Raises
    ------
    ValueError
        When `alt` is empty.
    """
    if not alt.strip():
        msg = "alt must say in one sentence what the figure shows; it is empty."
        raise ValueError(msg)
    svg = figure_svg(figure)
    # Signs that need no escape in a quoted attribute stay as they are: a third off.
    data = f"data:image/svg+xml,{quote(svg, safe=' =:/;,()!*?@$~+')}"
    if len(svg) > MAX_SVG_BYTES:
        from base64 import b64encode  # noqa: PLC0415 (for point clouds only)

        points = f"data:image/png;base64,{b64encode(figure_png(figure)).decode()}"
        data = min(data, points, key=len)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return html(
        '<figure class="rd-figure"><img src="{}" width="{}" height="{}" alt="{}">'
        "</figure>",
        data,
        width,
        height,
        alt,
    )


def _csv_cell(cell: object) -> object:
    if isinstance(cell, str):
        text = cell.encode("utf-8", "replace").decode()
        text = f"'{text}" if text.startswith(FORMULA_STARTS) else text
        return text.replace("\0", "\u2400")
    return "" if _is_missing(cell) else cell


def _cell(cell: object) -> Markup:
    if _is_missing(cell):
        return html('<span class="rd-none">none</span>')
    if isinstance(cell, bool):
        return escape("yes" if cell else "no")
    if isinstance(cell, int):
        return escape(f"{cell:,}")
    if isinstance(cell, float):
        return escape(number(cell, "count" if cell.is_integer() else ""))
    return name_html(cell, MAX_CELL_CHARS)


def _is_missing(cell: object) -> bool:
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"}


def _heading(name: object) -> Markup:
    """Return a column's name that may be broken after each underscore, on paper."""
    return name_html(name).replace("_", Markup("_<wbr>"))


def _aligned(*, right: bool) -> Markup:
    return Markup(' class="rd-number"') if right else Markup()


def _left_out(frame: "pd.DataFrame", shown: "pd.DataFrame", csv_file: str) -> Markup:
    rows, columns = (a - b for a, b in zip(frame.shape, shown.shape, strict=True))
    said = [f"{rows:,} more rows"] if rows else []
    said += [f"{columns:,} more columns"] if columns else []
    words = escape(f"{' and '.join(said)} are not shown. " if said else "")
    if csv_file:
        where = f"tables/{quote(csv_file)}"
        words += html('<a href="{}">Whole table as CSV</a>', where)
    return html('<p class="rd-note">{}</p>', words) if words else Markup()
