"""SHOW: one finding over the runs of a case, with its limit, drawn and told.

The figures are written as SVG by hand: a page of many of them is renewed after every
run, and one takes a millisecond here and half a second with matplotlib.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup, escape

from readiness.canvas import BLACK, BLUE, FONTS, GREEN, GREY, VERMILLION
from readiness.changes import gravest
from readiness.history_series import Series, Told, alt_text, marks_of
from readiness.markup import html
from readiness.result import Status
from readiness.text import MINUS, printable, visible
from readiness.words import limit_words

LETTERS = {"model": "M", "policy": "P", "data": "D", "case file": "C"}
COLORS = {
    Status.PASS: GREEN,
    Status.FAIL: VERMILLION,
    Status.INCONCLUSIVE: BLACK,
}
WIDTH, HEIGHT = 500, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 408, 22, 152
INSET = 14  # from the frame to the first and the last run
N_TICKS, N_LABELS = 4, 5


def figure_svg(series: Series, runs: Sequence[Told]) -> str:
    """Return the figure of one finding over the runs as SVG.

    Parameters
    ----------
    series : Series
        The finding.
    runs : sequence of Told
        The oldest first, as `headline_series` was given them.
    """
    frame = _frame(series, runs)
    parts = [
        *_axes(frame, series.last.unit, runs),
        *_limits(frame, series),
        *_marks(frame, runs),
        *_points(frame, series),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="{FONTS}" font-size="11" fill="{BLACK}">{"".join(parts)}</svg>'
    )


def image_html(series: Series, runs: Sequence[Told]) -> Markup:
    """Return the figure as an image inside the page, with its alternative text."""
    return html(
        '<figure class="rd-figure"><img src="data:image/svg+xml,{}" width="{}" '
        'height="{}" alt="{}"></figure>',
        quote(figure_svg(series, runs), safe=" =:/;,()!*?@$~+"),
        WIDTH,
        HEIGHT,
        alt_text(series, runs),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers lie on the drawing: ``x`` of each run, and the span of values."""

    x: tuple[float, ...]
    low: float
    high: float

    def y(self, value: float) -> float:
        """Return the height of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _frame(series: Series, runs: Sequence[Told]) -> _Frame:
    every = [
        number_
        for many in series.findings
        for one in many
        for number_ in (one.value, one.ci_low, one.ci_high, one.limit)
        if number_ is not None and math.isfinite(number_)
    ] or [0.0]
    margin = 0.08 * (max(every) - min(every)) or 0.1 * max(abs(every[0]), 1.0)
    seconds = [run.when.timestamp() for run in runs]
    span = seconds[-1] - seconds[0]
    shares = [(one - seconds[0]) / span if span else 0.5 for one in seconds]
    width = RIGHT - LEFT - 2 * INSET
    return _Frame(
        tuple(round(LEFT + INSET + share * width, 1) for share in shares),
        min(every) - margin,
        max(every) + margin,
    )


def _axes(frame: _Frame, unit: str, runs: Sequence[Told]) -> Iterator[str]:
    step = _nice_step((frame.high - frame.low) / N_TICKS)
    tick = math.ceil(frame.low / step)
    while tick * step <= frame.high:
        y = frame.y(tick * step)
        yield _line(LEFT, y, RIGHT, y, "#E4E4E4", 0.8)
        text = f"{tick * step * (100 if unit == 'share' else 1):.6g}"
        text += " %" if unit == "share" else ""
        yield _text(LEFT - 6, y + 4, text.replace("-", MINUS), "end")
        tick += 1
    yield _line(LEFT, BOTTOM, RIGHT, BOTTOM, GREY, 1)
    first, last = runs[0].when, runs[-1].when
    days = (last - first) / dt.timedelta(days=1)
    form = "%d %b %H:%M" if days < 2 else "%d %b" if days < 300 else "%b %Y"  # noqa: PLR2004 (days)
    n_labels = min(N_LABELS, len(runs))
    for place in range(n_labels):
        share = place / (n_labels - 1) if n_labels > 1 else 0.5
        when = first + share * (last - first)
        x = frame.x[0] + share * (frame.x[-1] - frame.x[0])
        yield _line(x, BOTTOM, x, BOTTOM + 3, GREY, 1)
        yield _text(x, BOTTOM + 16, f"{when:{form}}", "middle")
    named = unit not in {"", "share", "count"}
    if named:
        yield _text(2, TOP - 10, visible(unit, 24), "start")


def _limits(frame: _Frame, series: Series) -> Iterator[str]:
    """Draw each limit where it was in force, with its last value beside it."""
    sides = dict.fromkeys(one.side for many in series.findings for one in many)
    for side in filter(None, sides):
        placed = [
            (x, one.limit, limit_words(one))
            for x, many in zip(frame.x, series.findings, strict=True)
            for one in many
            if one.side == side and one.limit is not None
        ]
        ends = [x for x, *_ in placed[1:]] + [RIGHT]
        for (x, bound, _), end in zip(placed, ends, strict=bool(placed)):
            start = LEFT if x == placed[0][0] else x
            y = frame.y(bound)
            yield _line(start, y, end, y, BLACK, 1.2, ' stroke-dasharray="5 3"')
        if placed:
            yield _text(RIGHT + 5, frame.y(placed[-1][1]) + 4, placed[-1][2], "start")


def _marks(frame: _Frame, runs: Sequence[Told]) -> Iterator[str]:
    """Mark runs without numbers at the bottom, and changes at the top."""
    for run, x, changed in zip(runs, frame.x, marks_of(runs), strict=True):
        if run.results is None:
            yield _cross(x, BOTTOM - 7, 3, GREY, 1.2)
        letters = "".join(LETTERS[kind] for kind in changed if kind in LETTERS)
        if letters:
            yield _line(x, TOP, x, BOTTOM, GREY, 0.8, ' stroke-dasharray="1 3"')
            yield _text(x, TOP - 4, letters, "middle")


def _points(frame: _Frame, series: Series) -> Iterator[str]:
    before: tuple[float, float] | None = None
    marks = []
    for x, many in zip(frame.x, series.findings, strict=True):
        one = gravest(many)
        if one is None or one.value is None:
            before = None
            if one is not None:
                marks.append(_square(x, BOTTOM - 7))
            continue
        y = frame.y(one.value)
        if before is not None:
            yield _line(*before, x, y, GREY, 0.9)
        before = x, y
        low = one.value if one.ci_low is None else one.ci_low
        high = one.value if one.ci_high is None else one.ci_high
        color = COLORS.get(one.status, BLUE)
        marks.append(_line(x, frame.y(low), x, frame.y(high), color, 1.8))
        marks.append(_point(x, y, one.status, color))
    yield from marks


def _point(x: float, y: float, status: Status, color: str) -> str:
    if status is Status.FAIL:
        return _cross(x, y, 4.5, color, 3)
    if status is Status.INCONCLUSIVE:
        corners = f"{x},{y - 5.5} {x + 5.5},{y} {x},{y + 5.5} {x - 5.5},{y}"
        shape = f'fill="#fff" stroke="{color}" stroke-width="1.6"'
        return f'<polygon points="{corners}" {shape}/>'
    return f'<circle cx="{x}" cy="{y}" r="4" fill="{color}"/>'


def _square(x: float, y: float) -> str:
    shape = f'width="6" height="6" fill="none" stroke="{GREY}"'
    return f'<rect x="{x - 3:g}" y="{y - 3:g}" {shape}/>'


def _cross(x: float, y: float, size: float, color: str, width: float) -> str:
    path = f"M{x - size:g} {y - size:g}l{2 * size} {2 * size}m0 -{2 * size}"
    style = f'stroke="{color}" stroke-width="{width}"'
    return f'<path d="{path}l-{2 * size} {2 * size}" {style}/>'


def _line(  # noqa: PLR0917 (two points and their style are one thing)
    x: float,
    y: float,
    x_end: float,
    y_end: float,
    color: str,
    width: float,
    more: str = "",
) -> str:
    ends = f'x1="{x:g}" y1="{y:g}" x2="{x_end:g}" y2="{y_end:g}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    said = escape(printable(text))
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{said}</text>'


def _nice_step(rough: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
