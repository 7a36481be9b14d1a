"""Odd cells of FAULTS.md: what each must come to, and all of them in one table.

Names are in `tests.test_faults_names`; random frames in `tests.test_odd_frames`.
"""

import datetime as dt
import decimal
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness import schemas
from readiness.canvas import figure_svg
from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.config import CaseFile
from readiness.errors import CaseError, InputError, NotAssessedError, Reason
from readiness.profiles import profile
from readiness.result import SUMMARY_COLUMNS, Options, Status
from readiness.review import open_review
from readiness.seen import categories
from readiness.tables import table_from_frame
from tests.coverage_cases import TARGET, findings, measure, plain_case, reasons, values

N = 240
IDX = np.arange(N)
SHARE = "outside_share"
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


# One odd column beside plain ones, in the tables where it is odd.


def _rows(seed: int = 0, **odd: Any) -> pd.DataFrame:  # noqa: ANN401 (cells of any type)
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(IDX % 60, unit="D")
    plain = {"plain": rng.normal(size=N), "when": when, TARGET: IDX % 2}
    return pd.DataFrame({**odd, **plain})


def _case(
    training: object, current: object, *, data: Mapping[str, Any] | None = None
) -> Case:
    return plain_case(
        features=["odd", "plain"],
        data=data,
        training=_rows(0, odd=training),
        reference=_rows(1, odd=training),
        current=_rows(2, odd=current),
    )


def _violations(case: Case) -> list[tuple[str, str, str]]:
    found = measure("schema", case).tables["violations"]
    return list(found[["column", "table", "rule"]].itertuples(index=False, name=None))


def _integrity(case: Case, table: str) -> "pd.Series[Any]":
    rows = measure("schema", case).tables["integrity"].set_index(["column", "table"])
    found: pd.Series[Any] = rows.loc[("odd", table)]
    return found


NULLS = np.full(N, np.nan)
WHOLE = IDX.astype(float)


@pytest.mark.parametrize(
    ("training", "current", "rule"),
    [
        (NULLS, NULLS, []),
        (WHOLE, NULLS, [("odd", "current", "no value")]),
        (NULLS, WHOLE, [("odd", "current", "new values")]),
    ],
    ids=["both", "current", "training"],
)
def test_column_without_values_is_not_assessed_but_counted(
    training: np.ndarray, current: np.ndarray, rule: list[tuple[str, str, str]]
) -> None:
    """F088."""
    case = _case(training, current)

    ranges = measure("value_ranges", case)

    no_range = {"odd": "ALL_NULL"} if np.isnan(training).all() else {}
    assert reasons(ranges) == no_range
    assert _violations(case) == rule
    n_nulls = [_integrity(case, name)["nulls"] for name in ("training", "current")]
    assert n_nulls == [int(np.isnan(one).sum()) for one in (training, current)]


def test_constant_column_is_no_drift_until_it_became_one() -> None:
    """F089."""
    ones = np.ones(N)

    both, became = _case(ones, ones), _case(WHOLE, ones)

    assert _violations(both) == []
    assert values(measure("value_ranges", both), SHARE)["odd"] == 0.0
    assert _violations(became) == [("odd", "current", "constant")]


def test_infinite_values_are_counted_and_left_out() -> None:
    """F090."""
    current = np.where(IDX < 3, [np.inf, -np.inf, np.inf] * (N // 3), WHOLE)
    case = _case(WHOLE, current)

    found = findings("schema", case)["schema_violations/odd"]

    row = _integrity(case, "current")
    assert (row["infinite"], row["lowest"], row["highest"]) == (3, "3", "239")
    assert _violations(case) == [("odd", "current", "infinite")]
    assert found.status is Status.FAIL  # by the policy's limit of none


def test_absent_values_are_counted_apart_and_empty_text_stays() -> None:
    """F091."""
    cells = [None, np.nan, pd.NA, "", "a", "b"] * (N // 6)
    numbers = pa.array([None, float("nan"), 1.0, 2.0] * (N // 4))
    texts = _case(pd.Series(cells, dtype=object), ["a", "b"] * (N // 2))
    rows = pa.table({"odd": numbers, TARGET: pa.array(IDX % 2)})
    reals = plain_case(features=["odd"], training=rows, reference=rows)

    text, real = _integrity(texts, "training"), _integrity(reals, "training")

    assert (text["nulls"], text["nans"], text["distinct"]) == (N // 2, 0, 3)
    assert (real["nulls"], real["nans"], real["distinct"]) == (N // 4, N // 4, 2)
    mass = measure("unseen_categories", texts).tables["features"]
    assert mass["categories"].tolist() == [3]


@pytest.mark.parametrize(
    ("training", "current", "share"),
    [
        (np.array(IDX, "uint64"), np.array(2**64 - 1 - IDX.astype("uint64")), 1.0),
        (np.where(IDX % 2, 1e308, -1e308), np.full(N, 1.7e308), 1.0),
        (5e-324 * IDX, 5e-324 * (IDX + 1), 1 / N),
        ([2**70 + int(one) for one in IDX], [2**70] * N, None),
        ([2**63 + int(one) for one in IDX], [2**62] * N, 1.0),
    ],
    ids=["uint64", "1e308", "denormal", "2**70", "2**63"],
)
def test_huge_and_tiny_numbers_are_measured_or_not_assessed(
    training: object, current: object, share: float | None
) -> None:
    """F092."""
    measurement = measure("value_ranges", _case(training, current))

    found = values(measurement, SHARE)
    known = {} if share is None else {"odd": pytest.approx(share)}
    assert {k: v for k, v in found.items() if k == "odd" and v == v} == known  # noqa: PLR0124 (NaN)
    assert reasons(measurement) == ({} if known else {"odd": "UNSUPPORTED_TYPE"})


OFFSETS = [dt.timezone(dt.timedelta(hours=one % 3)) for one in range(N)]
UNUSABLE = {
    "F093": ([1 if one % 2 else "a" for one in IDX], "MIXED_TYPES"),
    "F097-naive-and-aware": (
        [dt.datetime(2024, 1, 1, tzinfo=(None, dt.UTC)[one % 2]) for one in IDX],
        "MIXED_TYPES",
    ),
    "F097-offsets": (
        [dt.datetime(2024, 1, 1, tzinfo=one) for one in OFFSETS],
        "MIXED_TYPES",
    ),
    "F097-dates-and-times": (
        [(dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 5))[one % 2] for one in IDX],  # noqa: DTZ001 (naive on purpose)
        "MIXED_TYPES",
    ),
    "F103-timedelta": (pd.to_timedelta(IDX, unit="h"), "UNSUPPORTED_TYPE"),
    "F103-period": (pd.period_range("2024", periods=N, freq="D"), "UNSUPPORTED_TYPE"),
    "F103-interval": (pd.interval_range(0, N, N), "UNSUPPORTED_TYPE"),
    "F103-cut": (pd.cut(IDX, 3), "UNSUPPORTED_TYPE"),
    "F104-list": ([[int(one)] for one in IDX], "UNSUPPORTED_TYPE"),
    "F104-dict": ([{"a": int(one)} for one in IDX], "UNSUPPORTED_TYPE"),
    "F104-bytes": ([b"\xff"] * N, "UNSUPPORTED_TYPE"),
    "F104-object": ([object() for _ in IDX], "UNSUPPORTED_TYPE"),
    "complex": ([1j] * N, "UNSUPPORTED_TYPE"),
}


@pytest.mark.parametrize(("cells", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_cells_are_not_assessed_and_named(cells: object, reason: str) -> None:
    case = _case(cells, cells)
    alone = plain_case(
        features=["plain"], **{n: _rows(s) for s, n in enumerate(case.tables)}
    )

    ranges = measure("value_ranges", case)

    assert reasons(ranges) == {"odd": reason}
    assert (
        values(ranges, SHARE)["plain"]
        == values(measure("value_ranges", alone), SHARE)["plain"]
    )
    rule = "mixed types" if reason == "MIXED_TYPES" else "unusable type"
    assert ("odd", "training", rule) in _violations(case)


def test_text_numbers_are_no_numbers() -> None:
    """F094."""
    texts = [str(one % 4) for one in IDX]

    retyped = _case(IDX % 4, texts)

    assert _violations(retyped) == [("odd", "current", "other type")]
    assert reasons(measure("value_ranges", retyped)) == {"odd": "SCHEMA"}
    assert reasons(measure("value_ranges", _case([1, "1"] * (N // 2), texts))) == {
        "odd": "MIXED_TYPES"
    }


@pytest.mark.parametrize(
    ("training", "current", "n_outside"),
    [
        (np.full(N, 0.3), np.full(N, 0.1 + 0.2), 0),
        (np.full(N, 0.0), np.full(N, -0.0), 0),
        (np.full(N, 0.1), np.full(N, 0.1, "float32"), 0),
        (np.full(N, 0.3), np.full(N, 0.300001), N),
        (np.full(N, 10**15), np.full(N, 10**15 + 1), N),
    ],
    ids=["0.1+0.2", "minus zero", "float32", "real", "whole numbers"],
)
def test_numbers_that_differ_by_rounding_are_equal(
    training: np.ndarray, current: np.ndarray, n_outside: int
) -> None:
    """F095."""
    ranges = measure("value_ranges", _case(training, current))

    assert values(ranges, SHARE)["odd"] == n_outside / N


def test_zero_and_minus_zero_are_one_category() -> None:
    seen = categories(pa.array([0.0, -0.0, 1.0]), None)

    assert seen.counts == {0.0: 2, 1.0: 1}


def test_dates_in_several_formats_are_not_assessed() -> None:
    """F096."""
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=int(one)) for one in IDX]
    formats = ("%Y-%m-%d", "%d/%m/%Y", "%b %d, %Y", "%d.%m.%y %H:%M")
    several = [one.strftime(formats[n % 4]) for n, one in enumerate(days)]
    one_format = [one.strftime(formats[1]) for one in days]
    case = _case(several, several)

    assert reasons(measure("value_ranges", case)) == {"odd": "MIXED_TYPES"}
    assert reasons(measure("unseen_categories", case)) == {"odd": "MIXED_TYPES"}
    assert (
        "training: 1 column holds dates written in several formats, and is taken for "
        "text: "
        "odd."
    ) in measure("schema", case).notes
    assert reasons(measure("value_ranges", _case(one_format, one_format))) == {}
    with pytest.raises(CaseError, match=r"columns\.odd\.kind is 'time'"):
        plain_case(
            features=["odd"],
            columns={"odd": {"kind": "time"}},
            reference=_rows(odd=several),
        )


@pytest.mark.parametrize(
    ("known", "found"),
    [(None, "UTC"), ("UTC", None), ("Europe/Berlin", "UTC")],
    ids=["became aware", "became naive", "moved"],
)
def test_times_of_other_zones_are_not_compared(
    known: str | None, found: str | None
) -> None:
    """F097."""
    training, current = (
        pd.date_range("2024-01-01", periods=N, freq="h", tz=one)
        for one in (known, found)
    )
    case = _case(training, current, data={"time": "odd"})

    assert reasons(measure("value_ranges", case)) == {"odd": "SCHEMA"}
    assert _violations(case) == [("odd", "current", "other type")]
    calendar = measure("calendar_coverage", case)
    assert set(reasons(calendar).values()) == {"SCHEMA"}
    assert values(calendar, "events") == {"0": N / 2, "1": N / 2}


@pytest.mark.parametrize(("year", "share"), [("0001", 1.0), ("9999", 1.0)])
def test_years_far_from_now_are_ranges(year: str, share: float) -> None:
    """F098."""
    near = np.array(["2024-01-01"] * N, "datetime64[us]")
    far = np.array([f"{year}-06-01"] * N, "datetime64[us]")

    ranges = measure("value_ranges", _case(near, far))

    assert values(ranges, SHARE)["odd"] == share
    met = ranges.tables["columns"].set_index("column").loc["odd", "met"]
    assert met == f"{year}-06-01T00:00 to {year}-06-01T00:00"


WORDS = ["a", "b", "c"] * (N // 3)
FLAGS = [True, False, False] * (N // 3)
LEVELS = ["c", "a", "b", "unused"]
PLAIN: Mapping[str, Any] = {
    "flags": FLAGS,
    "whole": IDX,
    "small": IDX % 90,
    "reals": WHOLE,
    "words": WORDS,
    "marked": IDX % 9 == 0.0,
    "few": IDX % 9 * 1.0,
}
SAME = {
    "F099-bool": ("flags", np.array(FLAGS, object)),
    "F099-boolean": ("flags", pd.array(FLAGS, "boolean")),
    "F099-Int64": ("whole", pd.array(IDX, "Int64")),
    "F099-Float64": ("reals", pd.array(WHOLE, "Float64")),
    "F099-int8": ("small", (IDX % 90).astype("int8")),
    "F100-string": ("words", pd.array(WORDS, "string")),
    "F100-arrow": ("words", pd.array(WORDS, pd.ArrowDtype(pa.string()))),
    "F100-object": ("words", np.array(WORDS, object)),
    "F100-category": ("words", pd.Categorical(WORDS)),
    "F100-unused": ("words", pd.Categorical(WORDS, LEVELS)),
    "F100-ordered": ("words", pd.Categorical(WORDS, LEVELS, ordered=True)),
    "F102-decimal": ("reals", [decimal.Decimal(int(one)) for one in IDX]),
    "F106-sparse": ("marked", pd.arrays.SparseArray(IDX % 9 == 0.0)),
    "F106-sparse-zero": (
        "few",
        pd.arrays.SparseArray(IDX % 9 * 1.0, fill_value=0.0),
    ),
}


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"sample_size"}))
@pytest.mark.parametrize(("plain", "odd"), SAME.values(), ids=SAME)
def test_type_changes_no_number(name: str, plain: str, odd: object) -> None:
    assert _outcome(name, _case(odd, odd)) == _plain_outcome(name, plain)


@cache
def _plain_outcome(name: str, plain: str) -> str:
    return _outcome(name, _case(PLAIN[plain], PLAIN[plain]))


def _outcome(name: str, case: Case) -> str:
    try:
        return measure(name, case).summary.to_csv()
    except NotAssessedError as error:
        return str(error.code)


def test_category_sets_that_differ_are_joined_and_unseen_counted() -> None:
    """F101."""
    training = pd.Categorical(["a", "b"] * (N // 2), ["a", "b", "never"])
    current = pd.Categorical(
        ["d", "a", "never", "b"] * (N // 4), ["never", "d", "b", "a"]
    )
    case = _case(training, current)

    ranges = measure("value_ranges", case)

    # "never" was a level of training, but no row had it: unseen like d.
    assert values(ranges, SHARE)["odd"] == 0.5
    new = ranges.tables["new_categories"]
    assert dict(zip(new["category"], new["rows"], strict=True)) == {
        "d": N // 4,
        "never": N // 4,
    }
    assert _violations(case) == []
    tables = profile(case, "training")["odd"], profile(case, "current")["odd"]
    joined = {one for found in tables for one in found.categories}
    assert joined >= {"a", "b", "d", "never"}


@pytest.mark.parametrize(
    ("cells", "is_noted"),
    [
        ([decimal.Decimal(f"0.{one:030d}") for one in IDX], True),
        ([decimal.Decimal(f"0.{one:010d}") for one in IDX], False),
        ([2**53 + 1 + int(one) for one in IDX], True),
        ([2**53 - int(one) for one in IDX], False),
    ],
    ids=["long decimals", "short decimals", "whole numbers", "smaller whole numbers"],
)
def test_loss_of_digits_is_noted(cells: list[object], is_noted: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """F102."""
    notes = measure("schema", _case(cells, cells)).notes

    held = "1 column holds numbers of more than 15 digits, and is rounded"
    wanted = f"training: {held}: odd."
    assert (wanted in notes) is is_noted


def test_long_text_is_shortened_on_the_page() -> None:
    """F105."""
    training, current = (
        ["x" * 5000 + one for one in "ab"] * (N // 2),
        ["y" * 5000] * N,
    )
    review = open_review(_case(training, current))

    pages = [review.check(name)._repr_html_() for name in CHECKS]

    assert not [one for one in pages if "x" * 500 in one or "y" * 500 in one]


def test_sparse_columns_beyond_the_cap_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F106."""
    monkeypatch.setattr(schemas, "DENSE_CELLS", N - 1)
    sparse = pd.DataFrame({"odd": pd.arrays.SparseArray(IDX % 9 == 0)})

    with pytest.raises(InputError, match="at most 239 cells; they hold 240") as caught:
        table_from_frame(sparse, "reference")

    assert caught.value.code is Reason.INPUT_FORMAT
