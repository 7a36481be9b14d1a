"""What the explainability page says of three real tables, against plain libraries.

Attributions against every coalition, shuffled columns against scikit-learn, broken
expectations against pandas; shares that moved against a sum by hand.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.dummy import DummyRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss, mean_absolute_error

from readiness.attributions import attributions
from readiness.case import Case
from readiness.checks import all_checks
from readiness.checks.explainability._account import BREAKS
from readiness.checks.explainability._explained import (
    background_rows,
    explained,
    explained_rows,
)
from readiness.config import ColumnSection
from readiness.measuring import Bench, measured, options_of
from readiness.result import Measurement, Options
from tests.coverage_cases import TARGET
from tests.real_coverage import DATA, real_case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real tables are not beside this checkout"
    ),
]

FEW = {"rows": 100, "background": 30, "evaluations": 45_000}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "X4": {**FEW, "draws": 2, "walked_rows": 50, "walks": 4_000},
    "X5": {"rows": 1500, "shuffles": 3, "shared_rows": 50, "background": 2},
    "X6": {**FEW, "columns": 2, "points": 30},
    "X7": {"rows": 500},
    **dict.fromkeys(("X1", "X2", "X3", "X8", "X9", "X10", "X11"), FEW),
}
# What people would expect; the model may disagree.
EXPECTED: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "hotel_bookings": {"lead_time": {"monotone": "increasing"}},
    "adult_income": {
        "education-num": {"monotone": "increasing"},
        "sex": {"role": "forbidden"},
    },
    "beijing_air_quality": {"WSPM": {"monotone": "decreasing"}},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """Every check of the explainability page on one table."""

    name: str
    case: Case
    base: Case
    tables: Mapping[str, pd.DataFrame]
    found: Mapping[str, Measurement]

    def rows(self, n_rows: int) -> pd.DataFrame:
        """Return the first reference rows that a check of so many asks for."""
        options = Options(values={**FEW, "rows": n_rows})
        return explained_rows(self.case, options)

    def said(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the model itself says."""
        found: np.ndarray = self.case.model.estimator(frame)
        return found


@pytest.fixture(scope="module", params=EXPECTED)
def page(request: pytest.FixtureRequest) -> Page:
    """Measure the whole dimension on a table once."""
    base, tables = real_case(request.param)
    expected = EXPECTED[request.param]
    columns = {name: ColumnSection(**one) for name, one in expected.items()}
    file = base.file.model_copy(update={"checks": OPTIONS, "columns": columns})
    known = {n: replace(base.columns[n], **one) for n, one in expected.items()}
    case = replace(base, file=file, columns={**base.columns, **known})
    checks = {
        key: one
        for key, one in all_checks().items()
        if one.dimension == "explainability"
    }
    bench = Bench(case=case, checks=checks, profile="quick", seed=7)
    found = {
        one.check.code: measured(bench, one, options_of(bench, one, {})).measurement
        for one in checks.values()
    }
    return Page(name=request.param, case=case, base=base, tables=tables, found=found)


def by_group(measurement: Measurement, metric: str) -> pd.DataFrame:
    summary = measurement.summary
    return summary[summary["metric"] == metric].set_index("group")


def test_page_opens_with_what_surely_breaks_an_expectation(page: Page) -> None:
    table = page.found["X7"].tables["expectations"]
    sure = table.loc[table["ci_low"] > BREAKS, "column"].tolist()
    top = page.found["X2"].tables["importance"]["column"].iloc[0]

    opening = page.found["X11"].notes[0]

    start = sure[0] if sure else f"Of all attribution the model gives {top} "
    assert start in opening.split(". ")[0]
    assert sure[:1] == ["sex"] or page.name != "adult_income"


def test_attributions_of_six_columns_equal_every_coalition(page: Page) -> None:
    # All other columns are held at one row's values, in rows and background alike.
    top = page.found["X2"].tables["importance"]["column"].head(6).tolist()
    rows, background = page.rows(5), background_rows(page.case, Options(values=FEW))
    held = [name for name in page.case.features if name not in top]
    one = rows.iloc[[0]]
    for name in held:
        rows[name] = one[name].take([0] * len(rows)).to_numpy()
        background[name] = one[name].take([0] * len(background)).to_numpy()
    background = background.head(20)

    found = attributions(page.case, rows, background, max_evaluations=60_000)

    exact = every_coalition(page, rows, background, top)
    places = [found.values.columns.get_loc(name) for name in top]
    gap = np.abs(found.values[top].to_numpy() - exact)
    assert np.mean(gap <= 3 * found.se[:, places] + 1e-9) > 0.9
    assert found.values[top].sum(axis=1).to_numpy() == pytest.approx(exact.sum(axis=1))
    largest = np.abs(exact).mean(axis=0).max()
    assert gap.mean(axis=0).max() < 0.1 * largest


def every_coalition(
    page: Page, rows: pd.DataFrame, background: pd.DataFrame, names: list[str]
) -> np.ndarray:
    """Return Shapley values by their definition, over all sets of the columns."""
    n, m, d = len(rows), len(background), len(names)
    worth = {}
    for size in range(d + 1):
        for some in itertools.combinations(names, size):
            mixed = background.iloc[np.tile(np.arange(m), n)].reset_index(drop=True)
            for name in some:
                mixed[name] = rows[name].to_numpy().repeat(m)
            worth[some] = page.said(mixed).reshape(n, m).mean(axis=1)
    values = np.zeros((n, d))
    for place, name in enumerate(names):
        for some, without in worth.items():
            if name in some:
                continue
            whole = tuple(one for one in names if one in {*some, name})
            k = len(some)
            share = factorial(k) * factorial(d - k - 1) / factorial(d)
            values[:, place] += share * (worth[whole] - without)
    return values


def test_shuffling_agrees_with_scikit_learn(page: Page) -> None:
    loss = log_loss if page.case.task == "binary" else mean_absolute_error
    reference = page.tables["reference"].sample(2000, random_state=1)
    features = list(page.case.features)

    found = permutation_importance(
        DummyRegressor(),
        reference[features],
        reference[TARGET],
        scoring=lambda _, X, y: -loss(y, page.said(X)),
        n_repeats=2,
        random_state=0,
    )

    ours = by_group(page.found["X5"], "permutation_importance").loc[features]
    theirs = pd.Series(found.importances_mean, index=features)
    top = ours["value"].nlargest(3).index
    assert theirs.idxmax() == top[0]
    half = (ours["ci_high"] - ours["ci_low"])[top]
    assert ((theirs[top] - ours.loc[top, "value"]).abs() < 1.5 * half).all()
    assert spearmanr(theirs, ours["value"]).statistic > 0.8


def test_broken_expectations_agree_with_pandas(page: Page) -> None:
    rows = page.rows(500)
    table = page.found["X7"].tables["expectations"].set_index("column")
    for name, expected in EXPECTED[page.name].items():
        share = broken_share(page, rows, name, expected)

        assert table.loc[name, "share"] == pytest.approx(share, abs=0.03)


def broken_share(
    page: Page, rows: pd.DataFrame, name: str, expected: Mapping[str, str]
) -> float:
    """Return the share of rows that break an expectation, value by value."""
    before = page.said(rows)
    if "role" in expected:
        moved = [
            np.abs(page.said(rows.assign(**{name: one})) - before) > 1e-9
            for one in rows[name].dropna().unique()
        ]
        return float(np.any(moved, axis=0).mean())
    sign = 1 if expected["monotone"] == "increasing" else -1
    least = 0.01 * (before.std() if page.case.task == "regression" else 1.0)
    known = rows[rows[name].notna()]
    grid = known[name].quantile(np.linspace(0.01, 0.99, 10)).unique()
    values = np.column_stack([*np.broadcast_arrays(*grid, known[name])])
    values = np.sort(values.astype(float), axis=1)
    path = [
        sign * page.said(known.assign(**{name: values[:, one]}))
        for one in range(values.shape[1])
    ]
    falls = np.maximum.accumulate(path, axis=0) - path
    return float((falls.max(axis=0) > least).mean())


def test_moved_attribution_agrees_with_a_sum_by_hand(page: Page) -> None:
    shares = []
    for table in ("reference", "current"):
        values = explained(page.case, Options(values=FEW), table).found.values
        sizes = values.abs().mean()
        shares.append(sizes / sizes.sum())

    moved = by_group(page.found["X8"], "attribution_shift")["value"]

    by_hand = 0.5 * (shares[0] - shares[1]).abs().sum()
    assert moved[""] == pytest.approx(by_hand, abs=1e-12)
