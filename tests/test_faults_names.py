"""Odd column names of FAULTS.md: what each of them must come to."""

import html
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.canvas import figure_svg
from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.errors import InputError, Reason
from readiness.result import result_to_dict
from readiness.review import open_review
from readiness.tables import table_from_frame
from tests.coverage_cases import TARGET, measure, values

N = 300
CHECKS = sorted(n for n, one in all_checks().items() if one.dimension == "coverage")
# A name, and how a page and a figure must show it.
SHOWN = {
    "F079-proto": ("__proto__", "__proto__"),
    "F079-constructor": ("constructor", "constructor"),
    "F079-script": ("<script>x()</script>", "<script>x()</script>"),
    "F080-dollar": ("$", "$"),
    "F080-dollars": ("$$", "$$"),
    "F080-fraction": ("$\\frac{1}$", "$\\frac{1}$"),
    "F080-power": ("$x^$", "$x^$"),
    "F080-braces": ("{" * 2000, "{" * 26 + "…" + "{" * 13),
    "F081": ("_hidden", "_hidden"),
    "F082-empty": ("", "(empty)"),
    "F082-space": (" ", "(1 space)"),
    "F082-controls": ("a\nb\tc\0d", "a␊b␉c␀d"),
    "F083-emoji": ("\U0001f600", "\U0001f600"),
    "F083-direction": ("\u202etxet", "[U+202E]txet"),
    "F083-combining": ("e\u0301", "e\u0301"),
    "F083-zero-width": ("wi\u200bnd", "wi[U+200B]nd"),
    "F085": ("n" * 5000, "n" * 26 + "…" + "n" * 13),
}
TOOLS = ("index", "level_0", "T", "size", "class")  # F078
OWN = (  # F087
    *("prediction", "score", "label", "group", "metric", "value", "n_rows", "table"),
    *("column", "day", "block", "weight", "row", "reason", "unit", "", "attribute"),
)


def _named(*names: str, seed: int = 0) -> pd.DataFrame:
    """Return N labelled rows over 60 days; the columns are the same by any name."""
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.choice(list("abc"), N) if place % 2 else rng.normal(size=N) + seed
        for place, name in enumerate(names)
    }
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N) % 60, unit="D")
    return pd.DataFrame({**drawn, "when": when, TARGET: rng.integers(0, 2, N)})


def _first_decides(rows: pd.DataFrame) -> np.ndarray:
    first: np.ndarray = rows.iloc[:, 0].to_numpy(float)
    return 1 / (1 + np.exp(-first))


def _case(*names: str, **more: Any) -> Case:  # noqa: ANN401 (tables)
    tables = {
        name: _named(*names, seed=seed)
        for seed, name in enumerate(("training", "reference", "current"))
    }
    file = {
        "name": "names",
        "title": "What is in a name?",
        "model": {"callable": "none.py:f", "task": "binary", "acceptable": 0.4}
        | {"features": list(names)},
        "data": {"reference": "r.parquet", "target": TARGET, "time": "when"},
    }
    return load_case(
        CaseFile.model_validate(file), frames={**tables, **more}, model=_first_decides
    )


@pytest.fixture(scope="module")
def neutral() -> Case:
    """Return a case whose columns have the plainest names."""
    return _case(*(f"x{place:02d}" for place in range(len(TOOLS + OWN))))


@pytest.fixture(scope="module")
def named() -> Case:
    """Return the same case with the names of tools and of the kit itself."""
    return _case(*TOOLS, *OWN)


@pytest.mark.parametrize("check", CHECKS)
def test_name_changes_no_number(check: str, neutral: Case, named: Case) -> None:
    """F078, F087."""
    wanted, found = (_numbers(check, case) for case in (neutral, named))

    pd.testing.assert_frame_equal(found, wanted)


def _numbers(check: str, case: Case) -> pd.DataFrame:
    names = ["metric", "value", "ci_low", "ci_high", "n_rows"]
    summary = measure(check, case).summary[names]
    return summary.sort_values(names).reset_index(drop=True)


def _text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "\n", page))


@pytest.mark.parametrize(("name", "shown"), SHOWN.values(), ids=SHOWN)
def test_name_is_shown_as_it_is(name: str, shown: str) -> None:
    """T14."""
    case = _case(name, "plain")
    check = all_checks()["value_ranges"].check

    page = open_review(case).check("value_ranges")._repr_html_()
    figure = figure_svg(check.draw(measure("value_ranges", case), check.limits))

    drawn = [text.strip("\u200b") for text in ET.fromstring(figure).itertext()]  # noqa: S314 (our own figure)
    start, _, end = shown.partition("…")  # a figure has less room
    assert any(one.startswith(start[:9]) and one.endswith(end[-9:]) for one in drawn)
    assert shown in drawn or "…" in shown
    assert shown in _text_of(page)
    assert "<script" not in page


def test_id_like_column_is_flagged() -> None:
    """F077."""
    ids = [f"id{place}" for place in range(N)]
    case = _case("wind", "port", training=_named("wind", "port").assign(port=ids))

    measurement = measure("schema", case)

    integrity = measurement.tables["integrity"].set_index(["column", "table"])
    assert integrity["id_like"][integrity["id_like"]].index.tolist() == [
        ("port", "training")
    ]
    assert "training: 1 column is like an id: port." in measurement.notes


@pytest.mark.parametrize(
    "twin",
    ["w\u0456nd", "wi\u200bnd", "wind ", " wind", "w\u00adind", "\uff57ind"],
    ids=["cyrillic", "zero width", "space", "space before", "soft hyphen", "wide"],
)
def test_names_that_look_alike_are_told_apart_in_words(twin: str) -> None:
    """F083."""
    current = _named("wind", seed=2).rename(columns={"wind": twin})
    case = _case("wind", current=current)

    notes = measure("schema", case).notes

    wanted = f"Different columns have names that look alike: 'wind', {twin!a}."
    assert wanted in [one.replace("␣", " ") for one in notes]
    assert not [one for one in measure("schema", _case("wind")).notes if "alike" in one]


def test_half_a_character_is_replaced_and_noted() -> None:
    """F084."""
    rows = _named("wind", "port")
    halves = rows["port"].astype(object).where(rows.index >= 3, "a\ud800")
    training = rows.assign(port=halves).set_axis(
        pd.Index(["wind", "port", "when\udc00", TARGET], dtype=object), axis="columns"
    )
    case = _case("wind", "port", training=training)

    mass = measure("unseen_categories", case)
    schema = measure("schema", case)

    assert case.table("training").schema.names == ["wind", "port", "when\ufffd", TARGET]
    assert values(mass, "missing_mass")["port"] == 0.0
    assert mass.tables["features"]["categories"].tolist() == [4]
    assert (
        "training: 3 cells of port held half a character, now shown as \ufffd."
    ) in schema.notes
    assert "\ud800" not in open_review(case).check("value_ranges")._repr_html_()


def test_halves_that_become_one_name_are_refused() -> None:
    rows = pd.DataFrame([[1, 2]])
    rows.columns = pd.Index(["x\ud800", "x\ud801"], dtype=object)

    with pytest.raises(InputError, match="x\ufffd") as caught:
        table_from_frame(rows, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT


def test_long_name_is_short_on_the_page_and_whole_in_json(tmp_path: Path) -> None:
    """F085."""
    name = "n" * 5000
    review = open_review(_case(name))

    page = review.check("value_ranges")._repr_html_()
    target = tmp_path / "result.json"
    target.write_text(json.dumps(result_to_dict(review.results["value_ranges"])))

    assert "n" * 200 not in page
    groups = {one["group"] for one in json.loads(target.read_text())["findings"]}
    assert name in groups


def test_names_that_differ_by_case_or_spaces_stay_apart() -> None:
    """F086."""
    names = ("Wind", "wind", "wind ", "win d", "win  d", "WIND")
    current = _named(*names, seed=2)
    current["wind "] = "new"
    current.loc[:29, "wind"] = "other"
    kinds = {"wind": ["a", "b"], "wind ": ["a", "b"]}
    training = _named(*names).assign(
        **{key: np.resize(some, N) for key, some in kinds.items()}
    )
    case = _case(*names, training=training, current=current)

    found = values(measure("value_ranges", case), "outside_share")

    assert set(names) < set(found)
    assert found["wind "] == 1.0
    assert found["wind"] == pytest.approx(0.1 + np.mean(current["wind"] == "c"))
