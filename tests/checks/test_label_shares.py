"""D3: label sweeps on cases whose answer at each share is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import norm

from readiness.case import Case
from readiness.checks.drift import label_shares
from readiness.checks.drift._base import base_of
from readiness.checks.drift._label_sweep import Mover, mover
from readiness.checks.drift.label_shares import CHECK
from readiness.errors import Reason
from readiness.result import Measurement, Status
from readiness.scoring import count_calls, scores
from tests.scored import findings, measured, row_of, rows_of, scored_case, title_of

NAME = "label_shares"
GRID = (np.arange(20_000) + 0.5) / 20_000
MU, CUT = 1.0, 0.3
RIGHT = norm.cdf(MU - CUT), norm.cdf(MU + CUT)  # of class 1, of class 0


def accuracy_at(share: float) -> float:
    return share * RIGHT[0] + (1 - share) * RIGHT[1]


def normal_classes() -> pd.DataFrame:
    """Return N(-1, 1) and N(1, 1) scores by their quantiles, half of each class."""
    y = np.repeat([0, 1], len(GRID))
    x = np.concatenate([norm.ppf(GRID) - MU, norm.ppf(GRID) + MU])
    return rows_of(y, norm.cdf(x))


def case_of(rows: pd.DataFrame, data: Any = None, **model: object) -> Case:  # noqa: ANN401 (keys of the case file)
    declared = {"metric": "accuracy", "acceptable": 0.8, "threshold": norm.cdf(CUT)}
    return scored_case(rows, model={**declared, **model}, data=data)


@pytest.fixture(scope="module")
def swept() -> Measurement:
    return measured(NAME, case_of(normal_classes()))


def test_accuracy_follows_the_shares_of_the_classes(swept: Measurement) -> None:
    curve = swept.tables["curves"]

    # METHODS 4.3: .8742 with a fifth of the rows in class 1.
    assert accuracy_at(0.2) == pytest.approx(0.8742, abs=5e-5)
    assert np.interp(0.2, curve["share"], curve["value"]) == pytest.approx(
        0.8742, abs=5e-5
    )
    assert curve["value"].to_numpy() == pytest.approx(
        accuracy_at(curve["share"].to_numpy()), abs=1e-4
    )


def test_sweep_goes_from_a_third_to_three_times(swept: Measurement) -> None:
    share = swept.tables["curves"]["share"]

    # Three times one half would leave nothing of the rest: a third of it is kept.
    assert (share.min(), share.max()) == pytest.approx((1 / 6, 5 / 6))


def test_recall_does_not_move(swept: Measurement) -> None:
    others = swept.tables["others"].query("metric == 'recall'")["value"]

    assert others.to_numpy() == pytest.approx(np.full(len(others), RIGHT[0]), abs=1e-4)


def test_a_metric_that_cannot_notice_says_so() -> None:
    measurement = measured(NAME, case_of(normal_classes(), metric="recall"))

    assert "recall cannot notice the share of y = 1." in " ".join(measurement.notes)
    assert row_of(measurement, "prevalence_loss_high")["censored"]


def test_precision_follows_bayes(swept: Measurement) -> None:
    others = swept.tables["others"].query("metric == 'precision'")
    share = others["share"].to_numpy()

    expected = share * RIGHT[0] / (share * RIGHT[0] + (1 - share) * (1 - RIGHT[1]))
    assert others["value"].to_numpy() == pytest.approx(expected, abs=1e-3)


def test_calibration_moves_by_the_log_odds_of_the_share() -> None:
    # N(-1, 1) and N(1, 1), half each: P(1 | x) = 1 / (1 + exp(-2x)) exactly.
    rows = normal_classes()
    rows["score"] = 1 / (1 + np.exp(-2 * norm.ppf(rows["score"])))

    measurement = measured(NAME, case_of(rows, threshold=0.5))

    found = measurement.tables["others"].query("metric == 'calibration_intercept'")
    assert found["value"].to_numpy() == pytest.approx(
        logit(found["share"].to_numpy()), abs=2e-3
    )


@pytest.mark.parametrize(
    ("metric", "accuracy"),
    [
        ("prevalence_high", 0.8),
        ("prevalence_loss_high", accuracy_at(0.5) - 0.02),
    ],
)
def test_budget_is_where_the_line_crosses(
    swept: Measurement, metric: str, accuracy: float
) -> None:
    truth = (RIGHT[1] - accuracy) / (RIGHT[1] - RIGHT[0])

    found = row_of(swept, metric)

    assert found["value"] == pytest.approx(truth, abs=1e-3)
    assert found["ci_low"] < truth < found["ci_high"]
    assert found["unit"] == "share"


def test_where_nothing_breaks_the_answer_is_how_far_was_looked(
    swept: Measurement,
) -> None:
    found = row_of(swept, "prevalence_low")

    assert np.isnan(found["value"])
    assert found["censored"]
    assert (found["ci_low"], found["ci_high"]) == (0.0, pytest.approx(1 / 6))


def test_error_is_that_of_rows_drawn_by_class() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(4000) < 0.3).astype(int)
    base = base_of(case_of(rows_of(y, rng.random(4000) * 0.4 + 0.4 * y)))
    moved = mover(base, base.y_true == 1)
    assert isinstance(moved, Mover)

    there = moved.there(0.6 - moved.start)

    right = (base.y_score >= base.threshold) == base.y_true
    p = [right[base.y_true == one].mean() for one in (0, 1)]
    n = [(base.y_true == one).sum() for one in (0, 1)]
    variance = 0.16 * p[0] * (1 - p[0]) / n[0] + 0.36 * p[1] * (1 - p[1]) / n[1]
    assert there is not None
    assert there.influence.std() / np.sqrt(4000) == pytest.approx(np.sqrt(variance))


def dated(share_by_week: list[float], per_week: int = 700) -> pd.DataFrame:
    """Return weeks of seven days whose share of class 1 is known exactly."""
    parts = []
    for week, share in enumerate(share_by_week):
        n_hit = round(share * per_week)
        y = np.repeat([1, 0], [n_hit, per_week - n_hit])
        grid = [(np.arange(n) + 0.5) / n for n in (n_hit, per_week - n_hit)]
        x = np.concatenate([norm.ppf(grid[0]) + MU, norm.ppf(grid[1]) - MU])
        day = np.arange(per_week) % 7 + 7 * week
        parts.append(rows_of(y, norm.cdf(x), day=day))
    rows = pd.concat(parts, ignore_index=True)
    rows["when"] = pd.Timestamp("2024-01-04") + pd.to_timedelta(rows["day"], unit="D")
    return rows.drop(columns="day")


WEEKLY = {"time": "when", "window": "7d", "ignore": ["when"]}
WEEKS = [0.3, 0.2, 0.4, 0.25, 0.35, 0.3, 0.3, 0.3]


def test_the_worst_share_of_the_past_is_held_against_the_acceptable_value() -> None:
    case = case_of(dated(WEEKS), WEEKLY, acceptable=0.8)

    measurement = measured(NAME, case)

    found = row_of(measurement, "historical_worst")
    assert found["value"] == pytest.approx(accuracy_at(0.4), abs=2e-3)
    assert measurement.tables["windows"]["share"].tolist() == pytest.approx(WEEKS)
    one = next(f for f in findings(NAME, case, measurement) if f.limit == 0.8)
    assert one.status is Status.PASS
    assert measurement.notes[0].startswith(
        "In 8 past windows of 700 to 700 rows the share of y = 1 was 20.0 to 40.0 %"
    )


def test_a_model_that_the_past_would_break_fails() -> None:
    case = case_of(dated([*WEEKS, 0.75, 0.05]), WEEKLY, acceptable=0.85)

    one = next(f for f in findings(NAME, case, measured(NAME, case)) if f.limit == 0.85)

    assert accuracy_at(0.75) < 0.80
    assert one.status is Status.FAIL


def test_a_past_beyond_the_support_is_not_assessed() -> None:
    rows = pd.concat([dated([0.02] * 12), dated([0.98], 60)], ignore_index=True)
    rows["when"] = pd.Timestamp("2024-01-04") + pd.to_timedelta(
        np.arange(len(rows)) // 100, unit="D"
    )

    measurement = measured(NAME, case_of(rows, {**WEEKLY, "window": "1d"}))

    found = row_of(measurement, "historical_worst")
    assert found["reason"] == Reason.BEYOND_SUPPORT
    assert "farther than these rows can speak about" in measurement.notes[0]


def test_without_windows_there_is_no_past(swept: Measurement) -> None:
    found = row_of(swept, "historical_worst")

    assert found["reason"] == Reason.NO_TIME
    assert "no windows" in swept.notes[0]


def test_two_labelled_tables_are_two_windows() -> None:
    rows = normal_classes()
    fewer = rows[(rows["y"] == 0) | (np.arange(len(rows)) % 4 == 0)]
    declared = {"metric": "accuracy", "acceptable": 0.8, "threshold": norm.cdf(CUT)}

    measurement = measured(NAME, scored_case(rows, fewer, model=declared))

    windows = measurement.tables["windows"]
    assert windows["share"].tolist() == pytest.approx([0.5, 0.2])
    assert np.isfinite(row_of(measurement, "historical_worst")["value"])


def test_mean_of_a_target_is_tilted() -> None:
    # y ~ N(0, 1), predicted 0: the mean squared error at a mean of d is 1 + d².
    rows = rows_of(norm.ppf(GRID), np.zeros(len(GRID)))
    model = {"metric": "mean_squared_error", "acceptable": 3.0, "tolerated_loss": 0.09}

    measurement = measured(NAME, scored_case(rows, task="regression", model=model))

    for end, sign in (("low", -1), ("high", 1)):
        found = row_of(measurement, f"target_loss_{end}")
        assert found["value"] == pytest.approx(sign * 0.3, abs=0.02)
        assert found["ci_low"] < sign * 0.3 < found["ci_high"]
    curve = measurement.tables["curves"]
    assert curve["value"].to_numpy() == pytest.approx(
        1 + curve["share"].to_numpy() ** 2, abs=6e-3
    )
    said = " ".join(measurement.notes)
    assert "The mean of y may rise from" in said
    assert "before mean squared error has risen by 0.09." in said


def test_every_class_has_its_own_sweep(multiclass_case: Case) -> None:
    measurement = measured(NAME, multiclass_case)

    groups = measurement.summary["group"].unique().tolist()
    assert groups == [f"class={one}" for one in multiclass_case.classes]
    assert list(measurement.tables["sweeps"]["group"]) == groups
    judged = findings(NAME, multiclass_case, measurement)
    assert sum(one.limit is not None for one in judged) == 3
    drawn = label_shares.draw(measurement, CHECK.limits)
    assert sum(axes.get_visible() for axes in drawn.axes) == 3


def test_a_class_of_a_few_rows_is_not_swept() -> None:
    y = np.repeat([0, 1], [2000, 20])

    measurement = measured(
        NAME, case_of(rows_of(y, np.where(y, 0.9, np.arange(2020) / 2020)))
    )

    assert set(measurement.summary["reason"]) == {Reason.TOO_FEW_ROWS}
    assert measurement.notes[-1] == "Too few rows."


@pytest.mark.parametrize(
    ("acceptable", "metric", "reason"),
    [
        (None, "prevalence_high", Reason.NO_ACCEPTABLE),
        (accuracy_at(0.5), "prevalence_high", Reason.BASE_INCONCLUSIVE),
    ],
)
def test_without_a_level_there_is_no_budget_down_to_it(
    acceptable: float | None, metric: str, reason: Reason
) -> None:
    measurement = measured(NAME, case_of(normal_classes(), acceptable=acceptable))

    assert row_of(measurement, metric)["reason"] == reason
    assert np.isfinite(row_of(measurement, "prevalence_loss_high")["value"])


def test_a_budget_already_spent_stands_where_it_is() -> None:
    measurement = measured(NAME, case_of(normal_classes(), acceptable=0.9))

    found = row_of(measurement, "prevalence_high")

    assert (found["value"], found["ci_low"], found["ci_high"]) == (0.5, 0.5, 0.5)
    assert "misses the acceptable 90 %" in " ".join(measurement.notes)


def test_a_weight_of_two_counts_as_two_rows() -> None:
    rng = np.random.default_rng(2)
    rows = normal_classes().sample(3000, random_state=1).reset_index(drop=True)
    times = rng.integers(1, 3, len(rows))

    weighted = measured(
        NAME, case_of(rows.assign(w=times.astype(float)), {"weight": "w"})
    )
    repeated = measured(NAME, case_of(rows.loc[np.repeat(rows.index, times)]))

    one, other = (
        row_of(found, "prevalence_loss_high")["value"] for found in (weighted, repeated)
    )
    assert one == pytest.approx(other, abs=1e-3)


def test_order_of_rows_does_not_matter() -> None:
    rows = dated(WEEKS)

    first, second = (
        measured(NAME, case_of(one, WEEKLY)).summary[["value", "ci_low", "ci_high"]]
        for one in (rows, rows.sample(frac=1, random_state=1))
    )

    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_no_model_call_beyond_the_scores() -> None:
    case = case_of(normal_classes())
    with count_calls() as alone:
        scores(case, "reference")

    with count_calls() as counter:
        measured(NAME, case)

    assert counter.calls == alone.calls


def test_one_class_only_cannot_be_swept() -> None:
    rows = normal_classes()
    rows["y"] = np.where(rows["y"] == 0, np.nan, 1.0)

    measurement = measured(NAME, case_of(rows, positive=1))

    assert set(measurement.summary["reason"]) == {Reason.ONE_CLASS}
    assert "no share could be moved" in {
        one.get_text() for one in label_shares.draw(measurement, ()).axes[0].texts
    }


def test_figure_shows_the_curve_and_what_else_moves(swept: Measurement) -> None:
    figure = label_shares.draw(swept, CHECK.limits)

    axes = figure.axes[0]
    assert "accuracy as label shares move" in title_of(figure)
    assert {one.get_text() for one in axes.texts} >= {"precision", "recall"}
    assert label_shares.alt(swept).startswith("Curves of the metric by label share")


def blocked(seed: int, *, blocks: bool = True) -> Measurement:
    """Measure normal classes where each day has its own share and its own errors."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(100), 20)
    y = (rng.random(2000) < rng.beta(3, 3, 100)[day]).astype(int)
    spread = np.sqrt(0.75)
    x = (2 * y - 1) * MU + rng.normal(0, 0.5, 100)[day] + rng.normal(0, spread, 2000)
    data = {"block": "day"} if blocks else None
    return measured(NAME, case_of(rows_of(y, norm.cdf(x), day=day), data))


@pytest.mark.slow
def test_budget_covers_the_true_share() -> None:
    truth = (RIGHT[1] - 0.78) / (RIGHT[1] - RIGHT[0])
    found = []
    for seed in range(200):
        curve = blocked(seed).tables["curves"]
        at = [
            np.interp(truth, curve["share"], curve[end])
            for end in ("ci_low", "ci_high")
        ]
        found.append(at)

    low, high = np.transpose(found)

    assert accuracy_at(truth) == pytest.approx(0.78)
    # The band holds for the whole sweep, so at one share it errs less than 5 %.
    assert np.mean(low <= 0.78) >= 0.93
    assert np.mean(high >= 0.78) >= 0.93


@pytest.mark.slow
def test_dropping_the_blocks_makes_the_band_too_narrow() -> None:
    ratios = []
    for seed in range(10):
        width = [
            one.tables["curves"].eval("ci_high - ci_low").iloc[-1]
            for one in (blocked(seed), blocked(seed, blocks=False))
        ]
        ratios.append(width[0] / width[1])

    # Twenty rows of a day, a quarter of their spread in common.
    assert np.median(ratios) > 1.3


@pytest.mark.slow
def test_budget_of_the_loss_covers_the_true_share() -> None:
    found = [row_of(blocked(seed), "prevalence_loss_high") for seed in range(200)]

    # The share it starts from is that of the sample: the move is what is known.
    move = 0.02 / (RIGHT[1] - RIGHT[0])
    start = [measured_start(seed) for seed in range(200)]
    low = [one["ci_low"] - at <= move for one, at in zip(found, start, strict=True)]
    high = [one["ci_high"] - at >= move for one, at in zip(found, start, strict=True)]
    assert min(np.mean(low), np.mean(high)) >= 0.92


def measured_start(seed: int) -> float:
    """Return the share of class 1 in the rows of `blocked`."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(100), 20)
    return float(np.mean(rng.random(2000) < rng.beta(3, 3, 100)[day]))


def weeks_with_weather(seed: int) -> Case:
    """Return twelve weeks of known shares; the days of each have errors in common.

    The worst share of the past is 0.6, and accuracy there is just acceptable.
    """
    rng = np.random.default_rng(seed)
    rows = dated([0.3, 0.6, 0.4, 0.5, 0.35, 0.45] * 2, per_week=210)
    day = (rows["when"] - rows["when"].min()).dt.days.to_numpy()
    x = (2 * rows["y"] - 1) * MU + rng.normal(0, 0.5, 84)[day]
    rows["score"] = norm.cdf(x + rng.normal(0, np.sqrt(0.75), len(rows)))
    return case_of(rows, WEEKLY, acceptable=float(accuracy_at(0.6)))


@pytest.mark.slow
def test_a_model_at_the_limit_rarely_passes_or_fails() -> None:
    found = []
    for seed in range(200):
        case = weeks_with_weather(seed)
        judged = findings(NAME, case, measured(NAME, case))
        found.append(next(one.status for one in judged if one.limit is not None))

    # 84 blocks and 200 trials: 5 % promised, 6 % at so few blocks, and chance.
    assert np.mean([one is Status.PASS for one in found]) <= 0.08
    assert np.mean([one is Status.FAIL for one in found]) <= 0.08
    assert np.mean([one is Status.INCONCLUSIVE for one in found]) >= 0.85
