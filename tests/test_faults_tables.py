"""Faults of targets, groups, and reference beside current: F107 to F117, F136 to F148.

Those of them that a test of one check holds are named in docs/faults.md.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from readiness.case import Case, load_case
from readiness.collect import results_digest
from readiness.distances import psi
from readiness.errors import Reason
from readiness.result import CheckResult, Status
from readiness.review import open_review
from tests.cases import (
    TARGET,
    binary_case,
    case_file,
    multiclass_case,
    small_case,
    small_frames,
)

OF_LABELS = ("headline_metric", "calibration")
OF_ROWS = ("value_ranges", "unseen_categories", "schema")


def checked(case: Case, *names: str) -> dict[str, CheckResult]:
    """Return the judged results of checks, each shown once as its page would be."""
    review = open_review(case)
    for name in names:
        review.check(name)._repr_html_()
    return dict(review.results)


def of_metric(
    result: CheckResult, metric: str, group: str = ""
) -> Mapping[str, object]:
    """Return one finding as a mapping."""
    (found,) = [
        one for one in result.findings if (one.metric, one.group) == (metric, group)
    ]
    return {name: getattr(found, name) for name in found.__slots__}


def text_of(result: CheckResult) -> str:
    return " ".join(result.notes)


def test_ten_thousand_categories_are_bounded_with_the_rest_in_one_f073() -> None:
    frames = small_frames()
    for rows in frames.values():
        rows["port"] = [f"p{one:04}" for one in np.arange(len(rows)) % 1000]
    many = pd.concat([frames["reference"]] * 9, ignore_index=True)
    many["port"] = [f"p{one:05}" for one in np.arange(len(many)) % 10_000]
    columns = {"port": {"group": True}}
    case = small_case(frames={**frames, "reference": many}, columns=columns)
    review = open_review(case)

    page = review.check("headline_metric")._repr_html_()
    ranges = review.check("value_ranges")._repr_html_()

    result = review.results["headline_metric"]
    groups = {o.group: o.n_rows for o in result.findings if "port=" in o.group}
    assert len(groups) == 21
    assert sum(groups.values()) == len(many)
    assert groups["port=(other)"] == len(many) - 20 * 2
    assert max(len(page), len(ranges)) < 1_000_000


def test_one_class_leaves_the_ranking_unknown_f107() -> None:
    reference = small_frames()["reference"].assign(**{TARGET: 0})

    result = checked(binary_case(reference=reference), "headline_metric")

    area = of_metric(result["headline_metric"], "roc_auc")
    assert (area["value"], area["status"]) == (None, Status.NOT_ASSESSED)
    assert area["reason"] == Reason.ONE_CLASS


@pytest.mark.parametrize("positives", [2, 29])
def test_few_positives_among_thousands_decide_nothing_f108(positives: int) -> None:
    rows = small_frames()["reference"]
    many = pd.concat([rows] * 17, ignore_index=True)
    many[TARGET] = 0
    score = many["wind"] + 3 * (many["carrier"] == "UA")
    many.loc[score.argsort().to_numpy()[-positives:], TARGET] = 1  # a perfect ranking

    result = checked(binary_case(reference=many), "headline_metric")["headline_metric"]

    area = of_metric(result, "roc_auc")
    assert area["n_rows"] == 20_400
    assert 0 <= area["ci_low"] <= area["value"] <= area["ci_high"] <= 1
    assert (area["status"], area["required"]) == (Status.INCONCLUSIVE, True)
    assert area["reason"] == Reason.TOO_FEW_BLOCKS
    assert area["n_blocks"] <= positives
    assert "under 30 decide nothing" in text_of(result)


def test_class_missing_in_current_stays_in_the_macro_mean_f111() -> None:
    current = small_frames("multiclass")["current"]
    current = current[current[TARGET] != "early"].reset_index(drop=True)
    case = multiclass_case(current=current)

    result = checked(case, "headline_metric")["headline_metric"]

    classes = list(case.classes)
    said = case.model.predict(current).argmax(axis=1)
    expected = f1_score(
        current[TARGET],
        np.take(classes, said),
        labels=classes,
        average="macro",
        zero_division=0,
    )
    area = of_metric(result, "roc_auc_ovr", "table=current")
    macro = of_metric(result, "f1_macro", "table=current")
    assert (area["value"], area["reason"]) == (None, Reason.ONE_CLASS)
    assert macro["value"] == pytest.approx(expected, abs=1e-12)


def test_constant_target_of_a_regression_has_no_r2_f113() -> None:
    rows = small_frames("regression")["reference"].assign(**{TARGET: 5.0})
    section = {"metric": "r2", "acceptable": 0.2, "features": ["wind"]}
    case = load_case(
        case_file("regression", model=section),
        frames={"reference": rows},
        model=lambda frame: frame["wind"].to_numpy(),
    )

    result = checked(case, "headline_metric")["headline_metric"]

    found = of_metric(result, "r2")
    assert (found["value"], found["status"]) == (None, Status.NOT_ASSESSED)
    assert of_metric(result, "mean_absolute_error")["value"] > 0


def test_small_group_is_listed_and_never_passes_f115() -> None:
    reference = small_frames()["reference"]
    reference.loc[reference.index[:3], "carrier"] = "XX"
    frames = {**small_frames(), "reference": reference}
    columns = {"carrier": {"group": True}}
    case = small_case(frames=frames, columns=columns)

    result = checked(case, "headline_metric")["headline_metric"]

    groups = {one.group: one for one in result.findings if "carrier" in one.group}
    assert set(groups) == {f"carrier={name}" for name in ("AA", "DL", "UA", "XX")}
    small = groups["carrier=XX"]
    assert small.n_rows == 3
    assert small.status is not Status.PASS
    assert small.value is None or small.n_blocks < 30


def test_labels_that_have_not_come_yet_are_counted_f117() -> None:
    current = small_frames()["current"]
    late = current[TARGET].where(current.index < len(current) // 5)
    case = binary_case(current=current.assign(**{TARGET: late}))

    results = checked(case, *OF_LABELS, *OF_ROWS)

    area = of_metric(results["headline_metric"], "roc_auc", "table=current")
    assert area["n_rows"] == 240
    assert area["status"] is Status.INCONCLUSIVE
    assert "960 without a label" in text_of(results["headline_metric"])
    assert {str(results[name].status) for name in OF_ROWS} == {"pass"}


def test_labels_of_which_none_has_come_leave_label_checks_unassessed_f117() -> None:
    current = small_frames()["current"].drop(columns=TARGET)

    results = checked(binary_case(current=current), *OF_LABELS, *OF_ROWS)

    groups = {one.group for one in results["headline_metric"].findings}
    assert "table=current" not in groups
    assert {str(results[name].status) for name in OF_ROWS} == {"pass"}


def test_identical_tables_have_not_moved_and_are_called_so_f136_f137() -> None:
    rows = small_frames()["reference"]

    results = checked(
        binary_case(current=rows.copy()), "observed_drift", "duplicates_and_leakage"
    )

    moved = [one for one in results["observed_drift"].findings if one.metric == "shift"]
    assert [one.value for one in moved] == [0.0] * len(moved)
    assert len(moved) >= 3
    assert not [
        one for one in results["observed_drift"].findings if one.status is Status.FAIL
    ]
    said = text_of(results["duplicates_and_leakage"])
    assert "100 % of the current rows are reference rows as well." in said


def test_tables_without_any_overlap_have_finite_numbers_f138() -> None:
    far = small_frames()["current"].assign(carrier="ZZ", holiday=True)
    far["wind"] += 1e6
    far["distance"] += 10**7

    results = checked(
        binary_case(current=far), "value_ranges", "observed_drift", "separability"
    )

    outside = of_metric(results["value_ranges"], "outside_share", "wind")
    assert outside["value"] == 1.0
    assert of_metric(results["separability"], "separability")["value"] > 0.999
    for result in results.values():
        numbers = [
            number
            for one in result.findings
            for number in (one.value, one.ci_low, one.ci_high)
            if number is not None
        ]
        assert np.isfinite(numbers).all()
        assert result.reason != Reason.CRASH


def test_swapped_tables_are_asked_about_where_their_times_say_so_f140() -> None:
    frames = small_frames()
    swapped = binary_case(reference=frames["current"], current=frames["reference"])

    result = checked(swapped, "calendar_coverage")["calendar_coverage"]
    right_way = checked(binary_case(), "calendar_coverage")["calendar_coverage"]

    wanted = "The current rows are older than reference: are the tables swapped?"
    assert wanted in result.notes
    assert "swapped" not in text_of(right_way)


def test_empty_bin_on_one_side_stays_finite_f141() -> None:
    one, other = np.array([50, 50, 0]), np.array([0, 50, 50])

    assert 0 < psi(one, other) < 100
    assert psi(one, one) == 0.0
    assert psi(one, other) == pytest.approx(psi(other, one))


def test_a_table_of_fifty_beside_a_large_one_tells_sizes_first_f142() -> None:
    current = small_frames()["current"].iloc[:50].reset_index(drop=True)
    reference = pd.concat([small_frames()["reference"]] * 20, ignore_index=True)

    results = checked(
        binary_case(reference=reference, current=current), "observed_drift"
    )

    result = results["observed_drift"]
    spent = [one for one in result.findings if one.metric == "budget_spent"]
    assert not [one for one in spent if one.status is Status.FAIL]
    assert max(one.ci_high - one.ci_low for one in spent if one.ci_high) > 0.5
    assert "spent most" in result.notes[0]
    assert "information only, as on many rows any move is" in text_of(result)


def test_rows_of_one_moment_have_no_trend_f143() -> None:
    one = pd.Timestamp("2024-01-01")
    tables = {name: rows.assign(scheduled=one) for name, rows in small_frames().items()}
    file = case_file()
    case = load_case(file, frames=tables, model=small_case().model.estimator)
    review = open_review(case, profile="full")

    review.check("shelf_life")
    review.check("headline_metric")

    aged, area = review.results["shelf_life"], review.results["headline_metric"]
    assert aged.status is Status.NOT_ASSESSED
    assert aged.reason not in (None, Reason.CRASH, Reason.NOT_IN_PROFILE)
    assert of_metric(area, "roc_auc")["status"] is Status.INCONCLUSIVE


def results_of(seed: int) -> dict[str, CheckResult]:
    """Return results that rest on drawn rows, from a case of their own."""
    review = open_review(small_case(n_rows=400), seed=seed)
    for name in ("headline_metric", "decision_flips"):
        review.check(name)
    return dict(review.results)


@pytest.mark.slow
def test_same_inputs_and_seed_give_the_same_results_f145_f146() -> None:
    first, second, other = (results_of(seed) for seed in (3, 3, 4))

    assert digest(first) == digest(second)
    assert digest(first) != digest(other)


def digest(results: Mapping[str, CheckResult]) -> str:
    return results_digest(list(results.values()), {})
