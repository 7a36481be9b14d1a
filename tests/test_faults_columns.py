"""Odd columns of FAULTS.md: one of each in one table, and every coverage check."""

import datetime as dt
import decimal
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.canvas import figure_svg
from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import SUMMARY_COLUMNS, Options
from readiness.review import open_review

N = 240
IDX = np.arange(N)
DECIMALS = [decimal.Decimal(int(one)) / 7 for one in IDX]
DATES = [dt.date(2024, 1, 1) + dt.timedelta(days=int(one)) for one in IDX]
ODD: Mapping[str, Any] = {
    # Values and types.
    "F088 null": pd.Series([None] * N, dtype=object),
    "F088 nan": np.full(N, np.nan),
    "F089 constant": np.ones(N),
    "F090 infinite": np.where(IDX % 7 == 0, np.inf, IDX.astype(float)),
    "F090 all infinite": np.full(N, np.inf),
    "F091 empty text": [""] * N,
    "F092 int64": np.array([2**63 - 1 - int(one) for one in IDX], dtype="int64"),
    "F092 uint64": np.array([2**64 - 1 - int(one) for one in IDX], dtype="uint64"),
    "F092 huge": np.where(IDX % 2, 1e308, -1e308),
    "F092 denormal": 5e-324 * IDX,
    "F093 mixed": [1 if one % 2 else "a" for one in IDX],
    "F094 text numbers": [str(one % 4) for one in IDX],
    "F095 signed zero": np.where(IDX % 2, 0.0, -0.0),
    "F097 aware": pd.date_range("2024-03-30", periods=N, freq="h", tz="Europe/Berlin"),
    "F098 year 1": np.array(["0001-01-01"] * N, dtype="datetime64[us]"),
    "F098 year 9999": np.array(["9999-12-31"] * N, dtype="datetime64[us]"),
    "F099 bool": IDX % 2 == 0,
    "F099 Int64": pd.array(
        [None if one % 5 == 0 else int(one) for one in IDX], "Int64"
    ),
    "F099 boolean": pd.array([None, True, False, True] * (N // 4), "boolean"),
    "F100 category": pd.Categorical(["x", "y"] * (N // 2), ["x", "y", "unused"]),
    "F100 ordered": pd.Categorical(["lo", "hi"] * (N // 2), ["lo", "hi"], ordered=True),
    "F102 decimal": DECIMALS,
    "F102 date": DATES,
    "F103 timedelta": pd.to_timedelta(IDX, unit="h"),
    "F103 period": pd.period_range("2024-01", periods=N, freq="D"),
    "F103 interval": pd.interval_range(0, N, N),
    "F104 list": [[int(one)] for one in IDX],
    "F104 dict": [{"a": int(one)} for one in IDX],
    "F104 bytes": [b"ab"] * N,
    "F105 long text": ["x" * 5000 + str(one % 3) for one in IDX],
    "F106 sparse": pd.arrays.SparseArray(np.where(IDX % 9 == 0, 1.0, 0.0)),
    "F077 id": [f"id{one}" for one in IDX],
    # Names.
    "index": IDX * 1.0,
    "__proto__": IDX * 1.0,
    "<script>alert(1)</script>": IDX * 1.0,
    "$\\frac{1}$": IDX * 1.0,
    "_hidden": IDX * 1.0,
    "": IDX * 1.0,
    " ": IDX * 1.0,
    "two\nlines\tand\0nul": IDX * 1.0,
    "\U0001f600 \u202etxet": IDX * 1.0,
    "n" * 5000: IDX * 1.0,
    "Case": IDX * 1.0,
    "case": IDX * 1.0,
    "prediction": IDX * 1.0,
    "score": IDX * 1.0,
    "=cmd()": ["=1+1", "@x"] * (N // 2),
}
CHECKS = {
    name: one for name, one in all_checks().items() if one.dimension == "coverage"
}

SCORED = ("sample_size", "weak_slices")  # they ask the model


def _frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(IDX % 60, unit="D")
    plain = {"plain": rng.normal(size=N), "when": when, "y": rng.integers(0, 2, N)}
    return pd.DataFrame({**ODD, **plain})


@pytest.fixture(scope="session")
def odd_case() -> Case:
    """Return a case with one column of every odd kind among its features."""
    file = CaseFile.model_validate(
        {
            "name": "odd",
            "title": "What if every column is odd?",
            "model": {
                "callable": "none.py:f",
                "task": "binary",
                "acceptable": 0.4,
                "features": ["plain", *ODD],
            },
            "data": {"reference": "r.parquet", "target": "y", "time": "when"},
        }
    )
    frames = {
        name: _frame(seed)
        for seed, name in enumerate(["training", "reference", "current"])
    }
    return load_case(
        file,
        frames=frames,
        model=lambda rows: 1 / (1 + np.exp(-rows["plain"].to_numpy(float))),
    )


@pytest.mark.parametrize("name", sorted(set(CHECKS) - set(SCORED)))
def test_odd_columns_leave_the_check_standing(name: str, odd_case: Case) -> None:
    check = CHECKS[name].check

    found = check.measure(odd_case, Options(values=dict(check.defaults)))

    summary = found.summary
    absent = summary[summary["value"].isna()]
    assert set(SUMMARY_COLUMNS) <= set(summary.columns)
    assert not summary.duplicated(["metric", "group"]).any()
    assert set(absent["reason"].dropna()) <= set(Reason)
    assert np.isfinite(summary["value"].dropna()).all()
    assert figure_svg(check.draw(found, check.limits))
    assert check.alt(found)


@pytest.mark.parametrize("name", SCORED)
def test_no_row_is_scored_with_a_column_of_mixed_types(
    name: str, odd_case: Case
) -> None:
    check = CHECKS[name].check

    with pytest.raises(NotAssessedError) as caught:
        check.measure(odd_case, Options(values=dict(check.defaults)))

    assert caught.value.code is Reason.MIXED_TYPES


@pytest.mark.parametrize("name", CHECKS)
def test_odd_columns_reach_the_page_as_text(name: str, odd_case: Case) -> None:
    review = open_review(odd_case)

    html = review.check(name)._repr_html_()

    assert "<script" not in html
    assert review.results[name].reason is not Reason.CRASH


def test_unreadable_columns_are_named_with_their_reason(odd_case: Case) -> None:
    review = open_review(odd_case)
    review.check("value_ranges")

    reasons = {one.group: one.reason for one in review.results["value_ranges"].findings}

    assert reasons["F093 mixed"] == Reason.MIXED_TYPES
    assert reasons["F104 list"] == Reason.UNSUPPORTED_TYPE
    assert reasons["F104 dict"] == Reason.UNSUPPORTED_TYPE
    assert reasons["F088 nan"] == Reason.ALL_NULL
    assert reasons["F089 constant"] is None
    assert reasons["(empty)"] is None
