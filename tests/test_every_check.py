"""Contracts that every check keeps, whatever it measures."""

import copy
import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks import FoundCheck, all_checks
from readiness.collect import CLOCK_UNITS
from readiness.errors import NotAssessedError, Reason
from readiness.measuring import Bench, measured, options_of
from readiness.policy import declared, limits_in_force
from readiness.result import SUMMARY_COLUMNS, Measurement
from tests.cases import binary_case, multiclass_case, regression_case
from tests.judging import policy_with

CHECKS = all_checks()
CASES = {
    "binary": binary_case,
    "multiclass": multiclass_case,
    "regression": regression_case,
}
EVERY_CHECK = pytest.mark.parametrize("name", CHECKS)
EVERY_TASK = pytest.mark.parametrize("task", CASES)


@cache
def case_of(task: str) -> Case:
    """Return a case that every test shares."""
    return CASES[task]()


def bench(case: Case) -> Bench:
    return Bench(case=case, checks=CHECKS, profile="quick", seed=7)


def tried(case: Case, found: FoundCheck) -> Measurement | NotAssessedError:
    """Measure anew."""
    options = options_of(bench(case), found, {})
    try:
        return measured(bench(case), found, options).measurement
    except NotAssessedError as error:
        return error


@cache
def tried_once(name: str, task: str) -> Measurement | NotAssessedError:
    return tried(case_of(task), CHECKS[name])


def answered(given: Measurement | NotAssessedError) -> Measurement:
    """Return a measurement, or skip where the check says why it cannot answer."""
    if isinstance(given, NotAssessedError):
        pytest.skip(f"not assessed on this case: {given.code}")
    return given


def measurement(name: str, task: str = "binary") -> Measurement:
    """Return what a check measures; the tests that only look share one answer."""
    return answered(tried_once(name, task))


def untimed(measurement: Measurement) -> pd.DataFrame:
    """Return the summary without what a clock said."""
    summary = measurement.summary
    if "unit" not in summary:
        return summary
    return summary[~summary["unit"].isin(CLOCK_UNITS)]


def test_codes_are_unique() -> None:
    codes = [one.check.code for one in CHECKS.values()]

    assert len(codes) == len(set(codes))


@EVERY_CHECK
def test_check_has_its_own_test_file(name: str) -> None:
    assert (Path(__file__).parent / "checks" / f"test_{name}.py").is_file()


@EVERY_CHECK
def test_check_asks_a_question_and_gives_each_limit_a_reason(name: str) -> None:
    check = CHECKS[name].check

    assert check.question.endswith("?")
    assert all(limit.reason.endswith(".") for limit in check.limits)


@EVERY_CHECK
def test_measure_says_when_not_to_trust_it(name: str) -> None:
    doc = CHECKS[name].check.measure.__doc__ or ""

    assert "Notes\n" in doc


@EVERY_CHECK
def test_needed_checks_exist(name: str) -> None:
    codes = {one.check.code for one in CHECKS.values()}

    assert set(CHECKS[name].check.needs) <= codes


@EVERY_TASK
@EVERY_CHECK
def test_summary_is_tidy(name: str, task: str) -> None:
    summary = measurement(name, task).summary

    assert set(SUMMARY_COLUMNS) <= set(summary.columns)
    assert not summary.duplicated(["metric", "group"]).any()
    assert summary["n_rows"].ge(0).all()
    assert summary["group"].map(type).eq(str).all()


@EVERY_TASK
@EVERY_CHECK
def test_open_table_is_as_wide_as_a_printed_page(name: str, task: str) -> None:
    tables = measurement(name, task).tables
    shown = tables.get(CHECKS[name].check.shown, pd.DataFrame())

    assert len(shown.columns) <= 10  # a wider one makes the whole print small


@EVERY_TASK
@EVERY_CHECK
def test_interval_holds_its_value(name: str, task: str) -> None:
    summary = measurement(name, task).summary
    known = summary.dropna(subset=["value", "ci_low", "ci_high"])

    assert (known["ci_low"] <= known["value"] + 1e-9).all()
    assert (known["value"] <= known["ci_high"] + 1e-9).all()


@EVERY_TASK
@EVERY_CHECK
def test_missing_value_gives_a_known_reason(name: str, task: str) -> None:
    summary = measurement(name, task).summary
    absent = summary[summary["value"].isna()]

    assert set(absent.get("reason", pd.Series(dtype=str))) <= set(Reason)


@EVERY_TASK
@EVERY_CHECK
def test_each_limit_names_a_measured_metric(name: str, task: str) -> None:
    case, found = case_of(task), CHECKS[name]
    metrics = measurement(name, task).summary["metric"]
    names = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )

    limits = limits_in_force(found.check, policy_with(), names)

    limited = {one.limit.metric for one in limits}
    assert not limits or limited & set(metrics)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        (name, task)
        for name, found in CHECKS.items()
        for task in CASES
        if task not in found.check.seeded_in and found.dimension != "monitor"
    ],
)
def test_check_that_says_it_needs_no_seed_measures_without_one(
    name: str, task: str
) -> None:
    found, case = CHECKS[name], case_of(task)
    options = options_of(bench(case), found, {})
    no_seed: Any = object()  # nothing can be drawn with it, nor anything computed

    measured_without = found.check.measure(case, replace(options, seed=no_seed))

    pd.testing.assert_frame_equal(
        untimed(measured_without), untimed(measurement(name, task))
    )


@EVERY_TASK
@EVERY_CHECK
def test_same_case_gives_the_same_numbers(name: str, task: str) -> None:
    first = measurement(name, task)
    again = answered(tried(CASES[task](), CHECKS[name]))

    pd.testing.assert_frame_equal(untimed(first), untimed(again))


@EVERY_CHECK
def test_figure_has_a_title_and_an_alternative_text(name: str) -> None:
    found, shown = CHECKS[name], measurement(name)

    figure = found.check.draw(shown, ())

    titles = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")]
    assert any(titles) or figure.get_suptitle()
    assert len(found.check.alt(shown)) > 20


@EVERY_CHECK
def test_measuring_leaves_the_tables_untouched(name: str) -> None:
    frame = cases_frame()
    before = frame.copy(deep=True)
    case = binary_case(reference=frame)

    answered(tried(case, CHECKS[name]))

    pd.testing.assert_frame_equal(frame, before)


def cases_frame() -> pd.DataFrame:
    case = binary_case()
    table = case.table("reference")
    return table.take(np.arange(table.n_rows))


def test_copied_case_file_is_unchanged_by_a_review() -> None:
    case = binary_case()
    before = copy.deepcopy(case.file)

    answered(tried(case, CHECKS["headline_metric"]))

    assert case.file == before


@EVERY_CHECK
def test_module_says_its_code_first(name: str) -> None:
    found = CHECKS[name]
    module = importlib.import_module(f"readiness.checks.{found.dimension}.{found.name}")

    assert (module.__doc__ or "").startswith(f"{found.check.code}: ")


def test_case_is_loaded_from_frames_alone() -> None:
    case = binary_case()

    again = load_case(
        case.file,
        base=case.base,
        frames={
            name: one.take(np.arange(one.n_rows)) for name, one in case.tables.items()
        },
        model=case.model.estimator,
    )

    assert again.features == case.features
