"""D5: the radius on cases whose losses have a known law."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from readiness.case import Case
from readiness.checks.drift import stability_radius
from readiness.checks.drift._base import base_of
from readiness.checks.drift._stability import ground_of, mean_loss_for, wanted
from readiness.checks.drift.stability_radius import CHECK
from readiness.divergences import exponential_tilt, kl_radius
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement
from tests.scored import measured, row_of, rows_of, scored_case

NAME = "stability_radius"
# 0.10 to 0.15 of the decisions wrong: METHODS 4.2.
BERNOULLI = 0.15 * np.log(1.5) + 0.85 * np.log(0.85 / 0.9)


def wrong_in_ten(n_rows: int = 2000, **columns: object) -> pd.DataFrame:
    """Return rows of which every tenth is decided wrongly."""
    y = np.arange(n_rows) % 2
    is_wrong = np.arange(n_rows) // 2 % 10 == 0
    return rows_of(y, np.where(is_wrong, 1 - y, y) * 0.6 + 0.2, **columns)


def accuracy_case(
    rows: pd.DataFrame, data: Mapping[str, Any] | None = None, **model: object
) -> Case:
    declared = {"metric": "accuracy", "acceptable": 0.85, "tolerated_loss": 0.05}
    return scored_case(rows, model={**declared, **model}, data=data)


@pytest.fixture(scope="module")
def share() -> Measurement:
    return measured(NAME, accuracy_case(wrong_in_ten()))


@pytest.mark.parametrize("metric", ["stability_radius", "stability_loss_radius"])
def test_radius_of_wrong_decisions(share: Measurement, metric: str) -> None:
    found = row_of(share, metric)

    assert found["value"] == pytest.approx(BERNOULLI, rel=1e-6)
    assert found["ci_low"] < BERNOULLI < found["ci_high"]
    assert (found["unit"], found["n_rows"]) == ("nats", 2000)


def test_standard_error_is_that_of_the_delta_method(share: Measurement) -> None:
    assert row_of(share, "stability_radius")["se"] == pytest.approx(0.00373, abs=2e-5)


def test_a_loss_from_here_is_known_better_than_a_level(share: Measurement) -> None:
    # The error of the share itself falls out: r moves with p.
    level, loss = (row_of(share, f"stability{one}_radius") for one in ("", "_loss"))

    assert loss["se"] < level["se"] / 3


def test_chi_square_radius_is_quadratic(share: Measurement) -> None:
    found = row_of(share, "chi2_radius")

    assert found["value"] == pytest.approx(0.05**2 / 0.09, rel=1e-6)


def test_notes_say_it_as_a_shift_of_the_loss(share: Measurement) -> None:
    assert share.notes[0] == (
        "The smallest change of population that takes accuracy to 0.85 lies 0.0122 "
        "nats away (0.00668 to 0.0189 nats): as far as a shift of the share of wrong "
        "decisions by 0.156 SD."
    )
    assert "the case has no windows" in share.notes[2]


def test_absolute_errors_with_an_exponential_law() -> None:
    # Exp(1) to a mean of 1.3: 0.3 - ln 1.3.
    error = -np.log(1 - (np.arange(20_000) + 0.5) / 20_000)
    rows = rows_of(np.zeros(20_000), error)

    found = row_of(
        measured(NAME, scored_case(rows, task="regression", model={"acceptable": 1.3})),
        "stability_radius",
    )

    assert found["value"] == pytest.approx(0.3 - np.log(1.3), rel=2e-3)


def test_squared_errors_answer_for_their_root() -> None:
    rows = rows_of(np.zeros(1000), np.repeat([1.0, 2.0], 500))
    declared = {"metric": "root_mean_squared_error", "acceptable": 2.5**0.5 * 1.1}
    squared = {"metric": "mean_squared_error", "acceptable": 2.5 * 1.21}

    root, plain = (
        row_of(
            measured(NAME, scored_case(rows, task="regression", model=one)),
            "stability_radius",
        )
        for one in (declared, squared)
    )

    assert root["value"] == pytest.approx(plain["value"])
    assert root["ci_low"] == pytest.approx(plain["ci_low"])


def scores_of_two_classes(seed: int, n_rows: int, days: int = 0) -> pd.DataFrame:
    """Return calibrated scores of normal classes; days shift what they are worth."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < 0.3).astype(int)
    day = np.arange(n_rows) * days // n_rows
    gap = 1.2 + (rng.normal(0, 0.5, days)[day] if days else 0.0)
    x = rng.normal(gap * y)
    score = 1 / (1 + np.exp(-(1.2 * x - 0.72 + np.log(0.3 / 0.7))))
    return rows_of(y, score, **({"day": day} if days else {}))


def area_case(rows: pd.DataFrame, **data: object) -> Case:
    return scored_case(rows, model={"metric": "roc_auc", "acceptable": 0.75}, data=data)


def test_area_is_tilted_along_the_log_loss_until_it_is_there() -> None:
    case = area_case(scores_of_two_classes(1, 4000))
    ground = ground_of(base_of(case))

    measurement = measured(NAME, case)

    # Solved again from the outside: the area under each tilt, by trapezoids.
    def area(rate: float) -> float:
        tilt = exponential_tilt(ground.of, rate)
        curve = np.cumsum(
            [(1 - ground.base.y_true) * tilt, ground.base.y_true * tilt], 1
        )
        below = curve / curve[:, -1:]
        return float(1 - np.trapezoid(below[1], below[0]))

    rate = brentq(lambda one: area(one) - 0.75, 0.0, 2.0)
    tilt = exponential_tilt(ground.of, rate)
    nats = np.mean(tilt * np.log(tilt))
    found = row_of(measurement, "stability_radius")
    assert found["value"] == pytest.approx(nats, rel=0.02)
    assert "As AUC is no mean over rows" in measurement.notes[-1]


def test_influence_through_the_metric_agrees_with_counting_a_row_twice() -> None:
    rows = scores_of_two_classes(2, 600)
    weight = np.ones(600)
    case = area_case(rows.assign(w=weight), weight="w")
    weight[5] = 1.05
    other = area_case(rows.assign(w=weight), weight="w")

    before, after = (
        row_of(measured(NAME, one), "stability_radius")["value"]
        for one in (case, other)
    )

    base = base_of(case)
    place = int(np.flatnonzero(base.rows == 5)[0])
    influence = influence_of(case)[place]
    assert (after - before) / 0.05 * 600 == pytest.approx(influence, rel=0.05)


def influence_of(case: Case) -> np.ndarray:
    """Return the influence of the rows of the base on the radius in nats."""
    ground = ground_of(base_of(case))
    target = mean_loss_for(ground, wanted(ground.base)[""])
    radius = kl_radius(ground.of, target)
    return radius.distance.influence * radius.distance.value


def test_beyond_what_the_rows_carry_there_is_no_number() -> None:
    found = row_of(
        measured(NAME, accuracy_case(wrong_in_ten(), acceptable=0.05)),
        "stability_radius",
    )

    assert np.isnan(found["value"])
    assert found["censored"]
    assert found["reason"] == Reason.BEYOND_SUPPORT
    # A fifth of the rows wrong is still well within what they carry.
    assert found["ci_low"] > 0.2 * np.log(2) + 0.8 * np.log(0.8 / 0.9)


def test_a_model_that_misses_its_target_needs_no_change() -> None:
    measurement = measured(NAME, accuracy_case(wrong_in_ten(), acceptable=0.95))

    found = row_of(measurement, "stability_radius")

    assert (found["value"], found["ci_high"]) == (0.0, 0.0)
    assert measurement.notes[0].startswith("Already now the model")


def test_an_undecided_model_may_have_no_radius_at_all() -> None:
    measurement = measured(NAME, accuracy_case(wrong_in_ten(), acceptable=0.902))

    found = row_of(measurement, "stability_radius")

    assert found["ci_low"] == 0.0
    assert found["value"] == 0.0 < found["ci_high"]


def test_without_acceptable_value_the_loss_speaks_first() -> None:
    measurement = measured(NAME, accuracy_case(wrong_in_ten(), acceptable=None))

    assert row_of(measurement, "stability_radius")["reason"] == Reason.NO_ACCEPTABLE
    assert measurement.notes[0].startswith("The smallest change of population that co")
    drawn = stability_radius.draw(measurement, CHECK.limits).axes[0]
    assert "acceptable" not in {one.get_text() for one in drawn.texts}


def test_the_worst_window_of_the_past_stands_beside_it() -> None:
    rows = wrong_in_ten(6000)
    rows["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.arange(6000) // 100, unit="D"
    )
    late = rows.index >= 5300  # the last seven days: wrong in every fifth row
    rows.loc[late, "score"] = np.where(
        rows.index[late] // 2 % 5 == 0,
        0.8 - 0.6 * rows["y"][late],
        0.2 + 0.6 * rows["y"][late],
    )
    data = {"time": "when", "window": "7d", "ignore": ["when"]}

    measurement = measured(NAME, accuracy_case(rows, data))

    windows = measurement.tables["windows"]
    mean = 1 - np.mean((rows["score"] >= 0.5) == rows["y"])
    worst = windows["mean_loss"].max()
    nats = worst * np.log(worst / mean) + (1 - worst) * np.log((1 - worst) / (1 - mean))
    assert row_of(measurement, "past_radius")["value"] == pytest.approx(nats)
    assert "is enough, if it hits those rows" in measurement.notes[2]
    assert windows["n_rows"].sum() == 6000


def test_equal_losses_are_not_assessed() -> None:
    rows = rows_of(np.zeros(60), np.ones(60))

    with pytest.raises(NotAssessedError, match="same absolute error") as caught:
        measured(NAME, scored_case(rows, task="regression"))

    assert caught.value.code == Reason.BEYOND_SUPPORT


def test_order_of_rows_does_not_matter() -> None:
    rows = scores_of_two_classes(4, 3000, days=60)

    first, second = (
        measured(NAME, area_case(one, block="day")).summary
        for one in (rows, rows.sample(frac=1, random_state=1))
    )

    numbers = ["value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(
        first.iloc[:4][numbers], second.iloc[:4][numbers], rtol=1e-6
    )


def test_every_task_has_a_radius(
    binary_case: Case, multiclass_case: Case, regression_case: Case
) -> None:
    for case in (binary_case, multiclass_case, regression_case):
        found = row_of(measured(NAME, case), "stability_loss_radius")

        assert found["ci_low"] < found["value"] < found["ci_high"]


def test_figure_marks_radii_on_the_curve(share: Measurement) -> None:
    figure = stability_radius.draw(share, CHECK.limits)

    axes = figure.axes[0]
    points = [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "o"]
    assert [float(np.ravel(one)[0]) for one in points] == pytest.approx(
        [np.sqrt(2 * BERNOULLI)] * 2
    )
    assert "SD" in axes.get_xlabel()
    assert stability_radius.alt(share).startswith("Curve of the worst population")


def blocked(seed: int, *, blocks: bool = True) -> Measurement:
    """Measure accuracy where the days differ in how many decisions are wrong."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(80), 25)
    share = norm.cdf(rng.normal(norm.ppf(0.1) * np.sqrt(1.16), 0.4, 80))[day]
    y = rng.integers(0, 2, 2000)
    is_wrong = rng.random(2000) < share
    rows = rows_of(y, np.where(is_wrong, 1 - y, y) * 0.6 + 0.2, day=day)
    return measured(NAME, accuracy_case(rows, {"block": "day"} if blocks else None))


@pytest.mark.slow
def test_interval_covers_the_true_radius_of_wrong_decisions() -> None:
    found = [blocked(seed) for seed in range(300)]

    for metric in ("stability_radius", "stability_loss_radius"):
        rows = [row_of(one, metric) for one in found]
        low = np.mean([one["ci_low"] <= BERNOULLI for one in rows])
        high = np.mean([one["ci_high"] >= BERNOULLI for one in rows])
        assert min(low, high) >= 0.92, metric


@pytest.mark.slow
def test_dropping_the_blocks_breaks_the_coverage() -> None:
    found = [blocked(seed, blocks=False) for seed in range(100)]

    rows = [row_of(one, "stability_radius") for one in found]
    both = np.mean([one["ci_low"] <= BERNOULLI <= one["ci_high"] for one in rows])
    assert both < 0.85


@pytest.mark.slow
def test_interval_covers_the_true_radius_of_an_area() -> None:
    truth = row_of(
        measured(NAME, area_case(scores_of_two_classes(99, 400_000, days=4000))),
        "stability_radius",
    )["value"]
    found = [
        row_of(
            measured(
                NAME,
                area_case(scores_of_two_classes(seed, 3000, days=100), block="day"),
            ),
            "stability_radius",
        )
        for seed in range(200)
    ]

    assert np.mean([one["ci_low"] <= truth for one in found]) >= 0.92
    assert np.mean([one["ci_high"] >= truth for one in found]) >= 0.92
