"""A few odd frames through every check of a review: an answer or a reason, no crash.

`tests.test_odd_frames` sends many more through the checks of coverage alone.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from readiness.case import load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.errors import Reason
from readiness.result import Finding, Status
from readiness.review import open_review
from tests.column_types import ODD_CELLS, ODD_NAMES

N = 210  # the fewest rows with which most checks answer
TABLES = ("training", "reference", "current")
# Without the load, which a clock decides, and the plan's, which need earlier runs.
CHECKS = [
    name
    for name, one in all_checks().items()
    if one.dimension != "monitor" and name != "load"
]
REASONS = set(Reason) - {Reason.CRASH}


def drawn_columns(seed: int, *, moves: bool) -> Mapping[str, tuple[str, str]]:
    """Return four odd columns by name: past and current cells, alike or not."""
    rng = np.random.default_rng(seed)
    names = rng.choice([one for one in ODD_NAMES if "\ud800" not in one], 4, False)
    cells = rng.choice(sorted(ODD_CELLS), (4, 2))
    return {
        str(name): (str(past), str(now if moves else past))
        for name, (past, now) in zip(names, cells, strict=True)
    }


def frame(odd: Mapping[str, tuple[str, str]], place: int, seed: int) -> pd.DataFrame:
    """Return N labelled rows of 42 days, the odd columns first."""
    rng = np.random.default_rng([seed, place])
    plain = rng.normal(size=N)
    columns = [ODD_CELLS[cells[place == 2]](rng, N) for cells in odd.values()]
    rows = pd.DataFrame(
        {
            **dict(enumerate(columns)),
            "plain": plain,
            "when": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(np.arange(N) // 5 + 42 * place, unit="D"),
            "y": (plain + rng.normal(size=N) > 0).astype("int64"),
        }
    )
    rows.columns = pd.Index([*odd, "plain", "when", "y"], dtype=object)
    return rows


def model(rows: pd.DataFrame) -> np.ndarray:
    """Return a probability from the plain column alone."""
    score: np.ndarray = 1 / (1 + np.exp(-rows["plain"].to_numpy(float)))
    return score


def is_sound(one: Finding) -> bool:
    if one.value is None:  # a censored one lies beyond what was looked at
        return one.censored or one.reason in REASONS
    return bool(np.isfinite(one.value))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "moves"), [(1, False), (3, True)], ids=["scored", "of mixed types"]
)
def test_odd_frame_crashes_no_check_of_a_review(
    seed: int,
    moves: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    odd = drawn_columns(seed, moves=moves)
    file = {
        "name": "odd",
        "title": "Does an odd column break any check?",
        "model": {"callable": "none.py:f", "task": "binary", "acceptable": 0.4}
        | {"features": [*odd, "plain"]},
        "data": {"reference": "r.parquet", "target": "y", "time": "when"},
    }
    tables = {name: frame(odd, place, seed) for place, name in enumerate(TABLES)}
    case = load_case(CaseFile.model_validate(file), frames=tables, model=model)
    review = open_review(case)

    pages = {name: review.check(name)._repr_html_() for name in CHECKS}

    results = review.results
    assert set(results) == set(CHECKS)
    for name, result in results.items():
        assert result.status in set(Status), name
        assert result.reason is None or result.reason in REASONS, (
            name,
            result.message,
        )
        assert [one for one in result.findings if not is_sound(one)] == [], name
        assert "<odd" not in pages[name]
        assert "<script>" not in pages[name]
