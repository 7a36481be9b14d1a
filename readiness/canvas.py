"""The empty figure in house style, and its bytes: equal ones for equal numbers.

Figures are made without pyplot, so no global state is read or changed.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from readiness.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 6.4
N_COLOURS = 128
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, BLACK, GREY = "#56B4E9", "#CC79A7", "#1A1A1A", "#595959"
STYLE: Any = {
    "font.size": 9.0,
    "font.family": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "svg.hashsalt": "readiness",
}
# Widths are measured with the font that ships with matplotlib, the widest of these.
FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"


def label(text: object, max_chars: int = 40) -> str:
    r"""Return data-derived text that is safe and legible inside a figure.

    Parameters
    ----------
    text : object
        A name or value; its text form is used.
    max_chars : int
        Longest result; the middle of a longer text is left out.

    Returns
    -------
    str
        Text without control characters, in which ``$`` does not start a formula and
        a leading ``_`` does not hide a line from the legend.

    Examples
    --------
    >>> print(label("$x$"))
    \$x\$
    """
    shown = visible(text, max_chars).replace("$", r"\$")
    # Matplotlib leaves labels out that start with "_"; a zero-width space keeps them.
    return f"\u200b{shown}" if shown.startswith("_") else shown


def new_figure(
    title: str,
    xlabel: str = "",
    ylabel: str = "",
    *,
    height_in: float = 3.2,
    columns: int = 1,
    rows: int = 1,
    heights: Sequence[float] = (),
) -> tuple["Figure", "Axes"]:
    """Return an empty figure in house style and its first axes.

    Parameters
    ----------
    title : str
        Names the quantity; the verdict stands in the heading above the figure.
    xlabel, ylabel : str
        With units.
    height_in : float
        Height in inches; the width is 6.4 in.
    columns, rows : int
        Axes side by side and below each other, sharing the vertical axis; all are in
        ``figure.axes``.
    heights : sequence of float
        Relative heights of the rows, which then share no axis.

    Returns
    -------
    tuple of matplotlib.figure.Figure and matplotlib.axes.Axes
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415 (0.2 s, only when drawn)

    with _house_style():
        size = (WIDTH_IN, height_in)
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        share = rows * columns > 1 and not heights
        grid = figure.subplots(
            rows, columns, squeeze=False, sharey=share, height_ratios=heights or None
        )
        for axes in grid.flat:
            _dress(axes)
            axes.set_xlabel(xlabel, color=BLACK)
        first: Axes = grid.flat[0]
        first.set_ylabel(ylabel, color=BLACK)
        # At the left edge of the figure, so that long names of rows do not push it out.
        title = "\n".join(textwrap.wrap(title, 72))
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure, first


def figure_svg(figure: "Figure") -> bytes:
    """Return the figure as SVG: text kept as text, equal bytes for equal numbers."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415

    stream = io.BytesIO()
    nameless = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _ready_to_draw(figure):
        # The canvas itself: `savefig` draws everything a first time for nothing.
        canvas: Any = FigureCanvasSVG(figure)  # print_svg has no types
        canvas.print_svg(stream, metadata=nameless)
    return _compact(stream.getvalue().decode()).encode()


def figure_png(figure: "Figure") -> bytes:
    """Return the figure as PNG at twice the size of a screen, for point clouds.

    In at most 128 colours: a third of the size, and nobody sees the difference.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415 (comes with matplotlib)

    stream = io.BytesIO()
    with _ready_to_draw(figure):
        figure.dpi = 192
        canvas: Any = FigureCanvasAgg(figure)  # its buffer has no types
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    drawn = image.quantize(N_COLOURS, dither=Image.Dither.NONE)
    drawn.save(stream, format="png", optimize=True)
    return stream.getvalue()


@contextmanager
def _ready_to_draw(figure: "Figure") -> Iterator[None]:
    from matplotlib.text import Text  # noqa: PLC0415 (0.2 s, only when drawn)

    canvas, dpi = figure.canvas, figure.dpi
    for text in cast("list[Text]", figure.findobj(Text)):
        # A formula is only drawn where matplotlib itself writes one, on log axes.
        if "$" in text.get_text().replace(r"\$", ""):
            text.set_parse_math(text.get_text().startswith("$\\mathdefault{"))
    with _house_style(), warnings.catch_warnings():
        # Signs the font lacks are drawn by the reader's own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ")
        engine = figure.get_layout_engine()
        if engine is not None:
            # The layout is found step by step: once, so that every file shows the same.
            engine.execute(figure)
            figure.set_layout_engine("none")
        yield
    figure.set_canvas(canvas)
    figure.dpi = dpi


@contextmanager
def _house_style() -> Iterator[None]:
    import matplotlib as mpl  # noqa: PLC0415 (0.2 s, only when drawn)

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def _dress(axes: "Axes") -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=BLACK, labelsize=8.5, length=3, color=GREY)
    axes.grid(visible=True, color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)


def _compact(svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[a-z][^>]*>", lambda tag: _compact_tag(tag[0]), svg)
    svg = _without_bare_groups(re.sub(r">\s*\n\s*<", "><", svg))
    return svg.replace("<svg ", f'<svg style="font-family:{FONTS}" ', 1)


def _without_bare_groups(svg: str) -> str:
    """Return the picture without groups that only name a part: nothing asks for them.

    They are a fifth of its bytes.
    """
    kept: list[str] = []
    is_kept: list[bool] = []  # of the groups that are open
    for piece in re.split(r"(<g(?: [^>]*)?>|</g>)", svg):
        if piece == "</g>":
            kept += [piece] * is_kept.pop()
        elif re.fullmatch(r'<g(?: id="[^"]*")?/?>', piece):
            is_kept += [False] * (not piece.endswith("/>"))
        else:
            is_kept += [True] * bool(re.fullmatch(r"<g [^>]*[^/]>", piece))
            kept.append(piece)
    return "".join(kept)


def _compact_tag(tag: str) -> str:
    tag = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r"-?\d+\.\d{2,}(?![\w.])", lambda n: f"{round(float(n[0]), 2):g}", tag)
    return re.sub(r"\s*\n\s*", " ", tag)
