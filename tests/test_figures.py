import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from readiness import canvas
from readiness.figures import (
    draw_curve,
    draw_intervals,
    draw_limit,
    figure_png,
    figure_svg,
    label,
    name_ends,
    new_figure,
    spread,
)
from readiness.result import Limit
from readiness.text import interval, number, printable, visible


def forest(n_drawn: int = 3, **options: object) -> Figure:
    figure, axes = new_figure("Share of rows", "share of rows")
    values = np.linspace(0.1, 0.3, n_drawn)
    names = [f"row {place}" for place in range(n_drawn)]
    draw_intervals(axes, names, values, values - 0.05, values + 0.05, **options)  # type: ignore[arg-type]
    return figure


def texts(figure: Figure) -> list[str]:
    root = ET.fromstring(figure_svg(figure))  # noqa: S314 (our own file)
    return [
        "".join(one.itertext()).strip()
        for one in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def test_names_are_moved_as_little_as_needed() -> None:
    # 0 and 0 must be 1 apart: half each way; 5 stays.
    assert spread(np.array([5.0, 0.0, 0.0]), 1.0).tolist() == [5.0, -0.5, 0.5]


def test_name_that_had_to_move_is_led_to_its_end() -> None:
    figure, axes = new_figure("Shares")
    axes.set_ylim(0, 10)

    name_ends(
        axes, 1.0, np.array([5.0, 5.1, 9.0]), ["a", "b", "c"], apart=0.6, reach=0.2
    )

    heights = {one.get_text(): one.get_position()[1] for one in axes.texts}
    leaders = [line for line in axes.get_lines() if line.get_gid() == "leader"]
    assert heights["b"] - heights["a"] == pytest.approx(0.6)
    assert heights["c"] == 9.0
    assert [line.get_ydata()[0] for line in leaders] == [5.0, 5.1]
    assert [line.get_ydata()[1] for line in leaders] == [heights["a"], heights["b"]]
    assert texts(figure)


def at_most(limit: float | str) -> Limit:
    return Limit(
        metric="m", side="at_most", limit=limit, required_in=(), reason="Because."
    )


def at_least(limit: float) -> Limit:
    return Limit(
        metric="m", side="at_least", limit=limit, required_in=(), reason="Because."
    )


def test_same_numbers_give_the_same_bytes() -> None:
    first, again = forest(), forest()

    assert figure_svg(first) == figure_svg(again) == figure_svg(first)
    assert figure_png(first) == figure_png(again)


def test_svg_keeps_text_and_holds_no_date_and_no_long_number() -> None:
    svg = figure_svg(forest()).decode()

    assert ">Share of rows</text>" in svg
    assert "<metadata" not in svg
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
    assert not re.search(r"\d\.\d{4,}", svg)


def test_svg_loses_the_groups_that_only_name_a_part_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(svg: bytes) -> list[tuple[str, dict[str, str], str | None]]:
        parts = ET.fromstring(svg).iter()  # noqa: S314 (our own file)
        return [
            (one.tag, dict(one.attrib), one.text)
            for one in parts
            if not (one.tag.endswith("}g") and set(one.attrib) <= {"id"})
        ]

    slim = figure_svg(forest())
    monkeypatch.setattr(canvas, "_without_bare_groups", lambda svg: svg)
    whole = figure_svg(forest())

    assert drawn(slim) == drawn(whole)
    assert len(slim) < 0.85 * len(whole)
    named = set(re.findall(rb'id="([^"]+)"', slim))
    asked = re.findall(rb'(?:url\(#|href="#)([^")]+)', slim)
    assert set(asked) <= named
    assert asked


def test_png_is_drawn_at_twice_the_size_of_a_screen() -> None:
    png = figure_png(forest())

    assert int.from_bytes(png[16:20]) == int(6.4 * 192)


def test_house_style_wins_over_what_a_notebook_set_and_leaves_it_alone() -> None:
    expected = figure_svg(forest())

    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": False}):
        styled = figure_svg(forest())
        kept = mpl.rcParams["font.size"]

    assert styled == expected
    assert kept == 30


def test_figures_do_not_import_pyplot() -> None:
    code = (
        "import sys, json; from readiness.figures import *; "
        "figure_svg(new_figure('t')[0]); "
        "print(json.dumps('matplotlib.pyplot' in sys.modules))"
    )

    done = subprocess.run(  # noqa: S603 (our own interpreter and code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) is False


@pytest.mark.parametrize(
    "name",
    [
        "$",
        "$$",
        r"$\frac{1}$",
        "$x^$",
        "{" * 2000,
        r"$\mathdefault{x}$",
        "<script>",
        "日本 😀",
        "a\x00\ufffe\ud800b",
    ],
)
def test_hostile_name_is_drawn_literally(name: str) -> None:
    figure, axes = new_figure(label(name), label(name))
    draw_intervals(axes, [name], [0.5], [0.4], [0.6])
    draw_curve(axes, np.arange(2.0), np.arange(2.0), None, None, name)

    shown = texts(figure)

    assert visible(name, 32) in shown
    assert figure_png(figure)


def test_text_that_was_not_made_safe_is_still_no_formula() -> None:
    figure, axes = new_figure("from $5 to $6")
    axes.set_xlabel(r"$\frac{1}$")

    shown = texts(figure)

    assert {"from $5 to $6", r"$\frac{1}$"} <= set(shown)


def test_log_axis_keeps_its_powers() -> None:
    figure, axes = new_figure("t")
    axes.set_xscale("log")
    axes.set_xlim(1, 1000)

    svg = figure_svg(figure).decode()

    assert "mathdefault" not in svg


def test_name_that_starts_with_an_underscore_appears_in_a_legend() -> None:
    figure, axes = new_figure("t")
    axes.plot([0, 1], [0, 1], label=label("_hidden"))
    axes.legend()

    assert any(one.endswith("_hidden") for one in texts(figure))


def test_intervals_are_sorted_with_the_highest_first_without_a_limit() -> None:
    figure = forest()

    shown = [one for one in texts(figure) if one.startswith("row")]

    assert shown == ["row 2", "row 1", "row 0"]


def test_lowest_value_comes_first_when_the_limit_is_a_floor() -> None:
    figure = forest(limits=(at_least(0.2),))

    shown = [one for one in texts(figure) if one.startswith("row")]

    assert shown == ["row 0", "row 1", "row 2"]


def test_limit_stands_with_its_value_and_rows_with_their_count() -> None:
    figure = forest(
        limits=(at_most(0.2),),
        n_rows=[10, 2000, 3],
        unit="share",
        statuses=["pass", "inconclusive", "fail"],
    )

    shown = texts(figure)

    assert "limit: at most 20 %" in shown
    assert "n = 2,000 · inconclusive" in shown


def test_limit_whose_value_is_not_declared_is_not_drawn() -> None:
    figure = forest(limits=(at_most("case:acceptable"), 0.25, at_least(0.1)))

    shown = texts(figure)

    assert sorted(one for one in shown if one.startswith("limit")) == [
        "limit: 0.25",
        "limit: at least 0.1",
    ]


def test_only_the_worst_twenty_rows_are_drawn_and_the_rest_is_counted() -> None:
    figure = forest(26)

    shown = texts(figure)

    assert sum(one.startswith("row") for one in shown) == 20
    assert "6 more are in the table" in " ".join(shown)


def test_row_without_a_value_is_last_and_said_to_be_not_measured() -> None:
    figure, axes = new_figure("t")
    draw_intervals(axes, ["none", "one"], [np.nan, 1.0], [np.nan, 0.5], [np.nan, 2.0])

    shown = texts(figure)

    assert shown.index("none") > shown.index("one")
    assert "not measured" in shown


def test_interval_without_an_end_runs_to_the_edge_with_an_arrow() -> None:
    figure, axes = new_figure("t")
    draw_intervals(axes, ["a"], [1.0], [-np.inf], [2.0])

    marks = [line.get_marker() for line in axes.get_lines()]

    assert "<" in marks
    assert figure_svg(figure)


def test_rows_without_any_value_still_give_a_figure() -> None:
    figure, axes = new_figure("t")
    draw_intervals(axes, ["a"], [np.nan], [np.nan], [np.nan])

    assert "not measured" in texts(figure)


def test_curves_differ_in_line_style_and_are_named_at_their_end() -> None:
    figure, axes = new_figure("t", columns=1)
    x = np.linspace(0, 1, 5)
    draw_curve(axes, x, x, x - 0.1, x + 0.1, "first")
    draw_curve(axes, x, np.where(x > 0.5, np.nan, x), None, None, "second")
    draw_curve(axes, x, np.full(5, np.nan), None, None, "nowhere", color="#000000")
    draw_limit(axes, 0.4, "at least 0.4", vertical=False)

    styles = [line.get_linestyle() for line in axes.get_lines()[:3]]

    assert len(set(styles)) == 3
    assert {"first", "second", "at least 0.4"} <= set(texts(figure))
    assert "nowhere" not in texts(figure)


def test_panels_share_the_vertical_axis() -> None:
    figure, first = new_figure("t", columns=2)
    first.set_ylim(0, 7)

    assert figure.axes[1].get_ylim() == (0, 7)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0512, "share", "5.12 %"),
        (-0.5, "", "\u22120.500"),
        (12345.6, "", "12,346"),
        (12345, "count", "12,345"),
        (2.5, "count", "2.50"),
        (0, "SD", "0 SD"),
        (3.1e-7, "", "3.1 \u00d7 10⁻⁷"),
        (float("inf"), "", "infinite"),
        (float("-inf"), "", "\u2212infinite"),
        (None, "", "not known"),
        (float("nan"), "", "not known"),
    ],
)
def test_numbers_are_shown_in_one_style(
    value: float | None, unit: str, shown: str
) -> None:
    assert number(value, unit) == shown


def test_interval_without_a_lower_end_says_so() -> None:
    assert interval(None, 0.2, "share") == "below 20.0 %"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "(empty)"),
        (" ", "(1 space)"),
        ("a  \t ", "a␣␣␉␣"),
        ("x" * 100, "xxxxxx…xxx"),
        ("\u202eabc", "[U+202E]abc"),
        (7, "7"),
    ],
)
def test_invisible_names_become_visible(name: object, shown: str) -> None:
    assert visible(name, 10 if name != "\u202eabc" else 0) == shown


def test_names_that_differ_only_by_spaces_stay_apart() -> None:
    shown = {visible(name) for name in ("a b", "a  b", " a b", "a b ", "a\u00a0b")}

    assert len(shown) == 5


def test_half_a_character_is_replaced() -> None:
    assert printable("a\ud800") == "a[U+D800]"
