"""Any odd frame through every coverage check: an answer or a reason, never a crash.

The rest of the page stays as it is without the odd columns.
"""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.errors import Reason
from readiness.result import CheckResult, Finding
from readiness.review import Review, open_review
from tests.column_types import ODD_CELLS, ODD_NAMES

N = 90
TABLES = ("training", "reference", "current")
CHECKS = sorted(n for n, one in all_checks().items() if one.dimension == "coverage")
BY_COLUMN = ("schema", "value_ranges", "unseen_categories")  # they ask each by itself
NO_CRASH = set(Reason) - {Reason.CRASH}
CELLS = sorted(ODD_CELLS)


class _Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (the parser's signature)
        self.names.add(tag)


def _review(odd: Mapping[str, tuple[str, str]], seed: int) -> Review:
    """Return a review of plain columns, and odd ones by name: past and current cells.

    A name with half a character is looked for as it is shown.
    """
    file = {
        "name": "odd",
        "title": "Does one odd column spoil the page?",
        "model": {"callable": "none.py:f", "task": "binary", "acceptable": 0.4}
        | {"features": ["plain", "port", *(_whole(name) for name in odd)]},
        "data": {"reference": "r.parquet", "target": "y", "time": "when"},
    }
    frames = {
        table: _frame(odd, place, seed * len(TABLES) + place)
        for place, table in enumerate(TABLES)
    }
    case: Case = load_case(CaseFile.model_validate(file), frames=frames, model=_model)
    return open_review(case)


def _whole(name: str) -> str:
    return name.replace("\ud800", "\ufffd")


def _model(rows: pd.DataFrame) -> np.ndarray:
    score: np.ndarray = 1 / (1 + np.exp(-rows["plain"].to_numpy(float)))
    return score


def _frame(odd: Mapping[str, tuple[str, str]], place: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed % len(TABLES))  # the plain columns stay the same
    days = pd.to_timedelta(np.arange(N) % 45, unit="D")
    plain = {
        "plain": rng.normal(size=N),
        "port": rng.choice(list("abc"), N),
        "when": pd.Timestamp("2024-01-01") + days,
        "y": rng.integers(0, 2, N),
    }
    oddly = np.random.default_rng(seed)
    drawn = [ODD_CELLS[cells[place == 2]](oddly, N) for cells in odd.values()]
    frame = pd.DataFrame({**plain, **dict(enumerate(drawn))})
    frame.columns = pd.Index([*plain, *odd], dtype=object)
    return frame


def _rest(result: CheckResult) -> list[tuple[Any, ...]]:
    """Return the findings about the plain columns."""
    return [
        (one.metric, one.group, one.value, one.ci_low, one.ci_high, one.status)
        for one in result.findings
        if one.group in ("plain", "port") or result.name == "calendar_coverage"
    ]


@pytest.fixture(scope="module")
def rest_alone() -> Mapping[str, list[tuple[Any, ...]]]:
    """Return what is found of the plain columns where there is no odd one."""
    review = _review({}, 0)
    return {name: _rest(_checked(review, name)[0]) for name in CHECKS}


def _checked(review: Review, name: str) -> tuple[CheckResult, str]:
    page = review.check(name)._repr_html_()
    return review.results[name], page


def _is_sound(one: Finding) -> bool:
    if one.value is None:
        return one.reason in NO_CRASH
    return bool(np.isfinite(one.value))


COLUMNS = st.dictionaries(
    st.sampled_from(ODD_NAMES) | st.text(min_size=1, max_size=8),
    st.sampled_from(CELLS).map(lambda one: (one, one))
    | st.tuples(st.sampled_from(CELLS), st.sampled_from(CELLS)),
    min_size=1,
    max_size=4,
).filter(
    lambda odd: (
        not {"plain", "port", "when", "y"}.intersection(odd)
        and len({_whole(name) for name in odd}) == len(odd)
    )
)


@pytest.mark.slow
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes and tells little
    suppress_health_check=[HealthCheck.too_slow],
)
@given(odd=COLUMNS, seed=st.integers(0, 99))
def test_odd_frame_ends_in_findings_or_a_reason(
    odd: Mapping[str, tuple[str, str]],
    seed: int,
    rest_alone: Mapping[str, list[tuple[Any, ...]]],
) -> None:
    review = _review(odd, seed)

    found = {name: _checked(review, name) for name in CHECKS}

    for name, (result, page) in found.items():
        assert result.reason is None or result.reason in NO_CRASH, (
            name,
            result.message,
        )
        assert [one for one in result.findings if not _is_sound(one)] == []
        assert "odd" not in _Tags(page).names
        assert "x" * 500 not in page
        if name in (*BY_COLUMN, "calendar_coverage"):
            assert _rest(result) == rest_alone[name]
