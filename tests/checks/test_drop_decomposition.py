"""D7: three parts of a change, on periods whose parts are known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from readiness.case import Case
from readiness.checks.drift import drop_decomposition
from readiness.checks.drift._shared_parts import Both, bent, parts_of, shared_weights
from readiness.checks.drift.drop_decomposition import CHECK
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement
from readiness.stats import Clusters, clustered_interval
from tests.coverage_cases import plain_case
from tests.scored import measured, row_of, rows_of, scored_case

NAME = "drop_decomposition"
PARTS = ("covariate_part", "concept_part", "current_part")
# N(0, 1) and N(1, 1) with a loss of 1 + .2 x², and .3 more: METHODS 4.2.
TRUTH = (0.015, 0.3, 0.185)


def integrated(of_loss: Callable[[float], float], density: Callable[..., Any]) -> float:
    """Return the mean of a loss under a density that need not be normed."""
    top = quad(lambda x: of_loss(x) * density(x), -12, 12)[0]
    return top / quad(density, -12, 12)[0]


def test_the_truth_of_these_tests_is_that_of_the_definition() -> None:
    p, q = norm(0, 1).pdf, norm(1, 1).pdf

    def shared(x: float) -> float:
        return p(x) * q(x) / (p(x) + q(x))

    def before(x: float) -> float:
        return 1 + 0.2 * x**2

    def after(x: float) -> float:
        return before(x) + 0.3

    found = (
        integrated(before, shared) - integrated(before, p),
        integrated(after, shared) - integrated(before, shared),
        integrated(after, q) - integrated(after, shared),
    )
    assert found == pytest.approx(TRUTH, abs=1e-4)


def known_both(seed: int, n_rows: int = 100_000) -> Both:
    """Return two periods with their true chance and true expected losses."""
    rng = np.random.default_rng(seed)
    is_current = np.arange(2 * n_rows) >= n_rows
    x = rng.normal(is_current)
    expected = 1 + 0.2 * x**2
    return Both(
        is_current=is_current,
        weight=np.ones(2 * n_rows),
        loss=expected + 0.3 * is_current + rng.normal(0, 0.5, 2 * n_rows),
        chance=1 / (1 + np.exp(0.5 - x)),
        expected=(expected, expected + 0.3),
    )


def test_three_parts_have_their_closed_form() -> None:
    found = parts_of(known_both(1))

    for name, truth in zip(PARTS, TRUTH, strict=True):
        one = clustered_interval(found[name], Clusters())
        assert abs(one.value - truth) < 4 * one.se < 0.02, name


def test_parts_add_up_to_the_change() -> None:
    both = known_both(2, 500)

    found = parts_of(both)

    change = both.loss[both.is_current].mean() - both.loss[~both.is_current].mean()
    assert found["observed_change"].value == pytest.approx(change)
    assert sum(found[one].value for one in PARTS) == pytest.approx(change)


def test_errors_of_the_chance_matter_only_to_second_order() -> None:
    both = known_both(3)
    off = np.sin(both.expected[0])

    def moved(size: float, expected: tuple[np.ndarray, np.ndarray]) -> float:
        chance = both.chance * np.exp(size * off * (1 - both.chance))
        other = replace(both, chance=chance, expected=expected)
        return parts_of(other)["covariate_part"].value

    true, none = both.expected, (np.zeros_like(off), np.zeros_like(off))

    guarded = moved(0.2, true) - moved(-0.2, true)
    plain = moved(0.2, none) - moved(-0.2, none)
    # Without the expected loss the weights' error goes straight into the part.
    assert abs(guarded) < 0.2 * abs(plain)


@pytest.mark.parametrize("name", [*PARTS, "observed_change", "shared_share"])
@pytest.mark.parametrize("row", [3, 350])
def test_influence_is_the_change_when_a_row_counts_for_more(
    name: str, row: int
) -> None:
    both = known_both(4, 300)
    step = 1e-4
    more = both.weight.copy()
    more[row] += step

    slope = (
        parts_of(replace(both, weight=more))[name].value - parts_of(both)[name].value
    ) / (step / 600)

    assert slope == pytest.approx(parts_of(both)[name].influence[row], rel=1e-3)


def test_shared_weights_make_the_two_periods_alike() -> None:
    both = known_both(5)
    x = np.log(both.chance / (1 - both.chance)) + 0.5

    means = [
        np.average(x, weights=shared_weights(both, current=one))
        for one in (False, True)
    ]

    assert means == pytest.approx([0.5, 0.5], abs=0.01)


def test_bent_odds_agree_with_logistic_regression() -> None:
    rng = np.random.default_rng(6)
    odds = rng.normal(0, 2, 2000)
    hit = (rng.random(2000) < 1 / (1 + np.exp(0.4 - 0.5 * odds))).astype(float)
    weight = rng.random(2000)

    found = bent(odds, hit, weight)

    fitted = LogisticRegression(C=1e10, tol=1e-10).fit(
        odds[:, None], hit, sample_weight=weight
    )
    assert found == pytest.approx((fitted.intercept_[0], fitted.coef_[0, 0]), abs=1e-4)


def period(
    seed: int, mean: float, more: float = 0.0, n_rows: int = 3000, days: int = 60
) -> pd.DataFrame:
    """Return rows whose absolute error is 1 + .2 x² + more, and an error of its own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, 1.0, n_rows)
    day = np.arange(n_rows) * days // n_rows
    loss = 1 + 0.2 * x**2 + more + rng.uniform(-0.5, 0.5, n_rows)
    return rows_of(x + loss, x, day=day + 1000 * seed)


def case_of(
    reference: pd.DataFrame, current: pd.DataFrame | None, **data: object
) -> Case:
    return scored_case(
        reference, current, task="regression", data={"block": "day", **data}
    )


@pytest.fixture(scope="module")
def moved() -> Measurement:
    return measured(NAME, case_of(period(1, 0.0), period(2, 1.0, 0.3)))


def test_learned_parts_hold_the_closed_form(moved: Measurement) -> None:
    for name, truth in zip(PARTS, TRUTH, strict=True):
        found = row_of(moved, name)

        assert found["ci_low"] < truth < found["ci_high"], name
        assert found["value"] == pytest.approx(truth, abs=0.05), name
        assert found["n_blocks"] == 120


def test_notes_name_the_remedies(moved: Measurement) -> None:
    assert moved.notes[0].startswith(
        "From the reference to the current rows the mean absolute error changed by +0."
    )
    assert "fit again on recent labels" in moved.notes[1]
    assert "collect labels of them" in moved.notes[1]


def test_equal_features_leave_the_middle_part_alone() -> None:
    measurement = measured(NAME, case_of(period(3, 0.0), period(4, 0.0, 0.3)))

    for name, truth in zip(PARTS, (0.0, 0.3, 0.0), strict=True):
        assert row_of(measurement, name)["value"] == pytest.approx(truth, abs=0.03)
    assert row_of(measurement, "shared_share")["value"] == pytest.approx(1.0, abs=0.03)
    assert measurement.notes[1] == (
        "What to do: the same rows turn out differently: fit again on recent labels."
    )


def test_nothing_moved_calls_for_nothing() -> None:
    measurement = measured(NAME, case_of(period(5, 0.0), period(6, 0.0)))

    assert measurement.notes[1].startswith("No part is clearly above zero")


def test_parts_that_cancel_are_named_although_nothing_is_lost() -> None:
    measurement = measured(NAME, case_of(period(22, 0.0), period(23, 1.0, -0.5)))

    assert row_of(measurement, "observed_change")["ci_high"] < 0
    assert measurement.notes[1].startswith("The loss as a whole did not clearly rise")
    assert "collect labels of them" in measurement.notes[1]


def test_another_mix_of_known_rows_is_told_apart() -> None:
    # One kind of row costs more, and both periods have both kinds: 20 and 50 %.
    rng = np.random.default_rng(7)
    tables = []
    for k, share in enumerate((0.2, 0.5)):
        hard = (rng.random(4000) < share).astype(float)
        y = hard + 0.2 + 0.8 * hard + rng.uniform(-0.1, 0.1, 4000)
        tables.append(rows_of(y, hard, day=np.arange(4000) // 50 + 1000 * k))

    measurement = measured(NAME, case_of(*tables))

    # p = (.8, .2), q = (.5, .5): s ~ (.3077, .1429), so .3171 hard, .8 dearer.
    share = (0.1 / 0.7) / (0.1 / 0.7 + 0.4 / 1.3)
    expected = (0.8 * (share - 0.2), 0.0, 0.8 * (0.5 - share))
    for name, truth in zip(PARTS, expected, strict=True):
        assert row_of(measurement, name)["value"] == pytest.approx(truth, abs=0.02)
    assert "weight the training rows by today's mix" in measurement.notes[1]


def test_periods_with_nothing_in_common_cannot_be_compared() -> None:
    measurement = measured(NAME, case_of(period(8, 0.0), period(9, 12.0)))

    assert [row_of(measurement, one)["reason"] for one in PARTS] == [
        Reason.BEYOND_SUPPORT
    ] * 3
    assert np.isfinite(row_of(measurement, "observed_change")["value"])
    assert row_of(measurement, "shared_share")["value"] < 0.02
    assert "share too few rows" in measurement.notes[0]
    assert "overlap by less than 1 %" in measurement.notes[1]
    texts = {
        one.get_text()
        for one in drop_decomposition.draw(measurement, CHECK.limits).axes[0].texts
    }
    assert "the periods share too few rows" in texts


def test_a_sliver_of_overlap_gives_no_parts() -> None:
    # Equal tiny weights look like many effective rows: the overlap is asked as well.
    rows = [period(20 + k, 0.0).assign(site=float(k)) for k in (0, 1)]
    case = scored_case(
        *rows,
        task="regression",
        model={"features": ["score", "site"]},
        data={"block": "day"},
    )

    measurement = measured(NAME, case)

    assert row_of(measurement, "concept_part")["reason"] == Reason.BEYOND_SUPPORT


def test_too_few_shared_blocks_are_too_few() -> None:
    measurement = measured(
        NAME, case_of(period(10, 0.0, days=20), period(11, 0.5, days=20))
    )

    assert row_of(measurement, "concept_part")["reason"] == Reason.BEYOND_SUPPORT


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (None, Reason.NO_TABLE),
        (period(12, 0.0).assign(y=np.nan), Reason.NO_LABELS),
        (period(12, 0.0, days=1), Reason.TOO_FEW_BLOCKS),
    ],
)
def test_what_cannot_be_compared_says_why(
    current: pd.DataFrame | None, reason: Reason
) -> None:
    with pytest.raises(NotAssessedError) as caught:
        measured(NAME, case_of(period(13, 0.0), current))

    assert caught.value.code == reason


def test_features_without_values_are_not_compared() -> None:
    tables = [period(14 + k, 0.0)[["y"]].assign(z=np.nan) for k in (0, 1)]
    case = plain_case(
        features=["z"],
        task="regression",
        columns={"z": {"kind": "numeric"}},
        reference=tables[0],
        current=tables[1],
    )

    with pytest.raises(NotAssessedError) as caught:
        measured(NAME, case)

    assert caught.value.code == Reason.NO_COLUMNS


def test_order_of_rows_does_not_matter() -> None:
    tables = period(16, 0.0), period(17, 0.7, 0.2)

    first = measured(NAME, case_of(*tables)).summary
    second = measured(
        NAME, case_of(*(one.sample(frac=1, random_state=1) for one in tables))
    ).summary

    numbers = ["value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(first[numbers], second[numbers], rtol=1e-6)


def test_fewer_rows_are_drawn_when_asked() -> None:
    measurement = measured(
        NAME, case_of(period(18, 0.0), period(19, 0.5)), most_rows=2000
    )

    assert measurement.tables["periods"]["n_rows"].tolist() == [2000, 2000]
    assert "drawn by what they hold" in measurement.notes[-1]


def test_weights_make_the_periods(moved: Measurement) -> None:
    # Rows that weigh nothing are not there.
    extra = period(2, 5.0, 9.0, days=60).assign(w=0.0)
    current = pd.concat([period(2, 1.0, 0.3).assign(w=2.0), extra], ignore_index=True)

    weighted = measured(
        NAME, case_of(period(1, 0.0).assign(w=1.0), current, weight="w")
    )

    for name in (*PARTS, "observed_change"):
        assert row_of(weighted, name)["value"] == pytest.approx(
            row_of(moved, name)["value"], abs=0.03
        )


def test_classes_are_compared_too(binary_case: Case, multiclass_case: Case) -> None:
    for case in (binary_case, multiclass_case):
        measurement = measured(NAME, case)

        assert np.isfinite(row_of(measurement, "observed_change")["value"])
        assert measurement.tables["parts"]["loss"].iloc[0] == "log loss"


def test_figure_shows_all_and_parts(moved: Measurement) -> None:
    figure = drop_decomposition.draw(moved, CHECK.limits)

    axes = figure.axes[0]
    assert axes.get_yticklabels()[-1].get_text() == "all of the change"
    assert "right is worse" in axes.get_xlabel()
    assert drop_decomposition.alt(moved) == moved.notes[0]


def blocked(seed: int) -> Measurement:
    """Measure periods whose days share a part of their loss."""
    rng = np.random.default_rng(seed)
    tables = []
    for k, more in enumerate((0.0, 0.3)):
        rows = period(2 * seed + k, float(k), more, n_rows=2500, days=50)
        day = rng.normal(0, 0.25, 50)[np.arange(2500) // 50]
        tables.append(
            rows.assign(y=rows["score"] + np.abs(rows["y"] - rows["score"] + day))
        )
    return measured(NAME, case_of(*tables))


@pytest.mark.slow
def test_intervals_cover_the_true_parts() -> None:
    found = [blocked(seed) for seed in range(1000, 1120)]

    for name, truth in zip(PARTS, TRUTH, strict=True):
        rows = [row_of(one, name) for one in found]
        low = np.mean([one["ci_low"] <= truth for one in rows])
        high = np.mean([one["ci_high"] >= truth for one in rows])
        assert min(low, high) >= 0.90, name


@pytest.mark.slow
def test_nothing_that_moved_is_rarely_called_a_part() -> None:
    called = []
    for seed in range(2000, 2060):
        tables = (period(2 * seed + k, 0.0, n_rows=2000) for k in (0, 1))
        measurement = measured(NAME, case_of(*tables))
        called.append([row_of(measurement, one)["ci_low"] > 0 for one in PARTS])

    # Each limit is one-sided 95 %.
    assert np.mean(called, axis=0).max() <= 0.10
