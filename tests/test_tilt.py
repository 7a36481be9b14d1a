"""Tilts against closed forms: effective rows, achieved moves, errors of estimates."""

import numpy as np
import pytest

from readiness.influence import area_under_roc
from readiness.levels import MAX_LEVELS, Levels, numeric_levels, share_levels
from readiness.metrics import Metric, find_metric
from readiness.reweighted import reweighted
from readiness.stats import Estimate, weighted_mean
from readiness.tilt import (
    TILTS,
    Tilt,
    effective_blocks,
    effective_share,
    support,
    tilt_mean,
    tilt_scale,
    tilt_share,
    tilted,
)


def levels_of(values: np.ndarray, base: np.ndarray | None = None) -> Levels:
    levels = numeric_levels(values, base)
    assert levels is not None
    return levels


def share_of(hit: np.ndarray) -> Levels:
    levels = share_levels(hit)
    assert levels is not None
    return levels


def tilt_to(levels: Levels, family: str, move: float) -> Tilt:
    tilt = TILTS[family](levels, move)
    assert tilt is not None
    return tilt


@pytest.fixture(scope="module")
def normal() -> np.ndarray:
    return np.random.default_rng(1).standard_normal(100_000)


@pytest.mark.parametrize("move", [-1.0, -0.5, 0.5, 1.0])
def test_mean_tilt_of_a_normal_keeps_e_to_the_minus_move_squared_of_the_rows(
    normal: np.ndarray, move: float
) -> None:
    levels = levels_of(normal)

    share = effective_share(levels, tilt_to(levels, "mean", move))

    # Closed form exp(-move²): 0.7788 at 0.5, 0.3679 at 1.
    assert share == pytest.approx(np.exp(-(move**2)), abs=0.02)


@pytest.mark.parametrize("move", [-0.3, -0.2, 0.1, 0.2])
def test_scale_tilt_of_a_normal_keeps_s_root_two_minus_s_squared_of_the_rows(
    normal: np.ndarray, move: float
) -> None:
    levels = levels_of(normal)
    s = 1 + move

    share = effective_share(levels, tilt_to(levels, "scale", move))

    assert share == pytest.approx(s * np.sqrt(2 - s**2), abs=0.02)


def test_an_exponential_column_moves_by_the_move_asked_for() -> None:
    values = np.random.default_rng(2).exponential(size=1_500)
    levels = levels_of(values)

    weight = tilt_to(levels, "mean", 0.5).weight[levels.code]

    # exp(0.5 z) would move the mean by 0.96 SD: the curve is indexed by the move.
    moved = np.average(values, weights=weight) - values.mean()
    assert moved == pytest.approx(0.5 * values.std(), rel=1e-6)


def test_scale_tilt_holds_the_mean_of_a_skewed_column() -> None:
    values = np.random.default_rng(3).exponential(size=1_500)
    levels = levels_of(values)

    weight = tilt_to(levels, "scale", 0.2).weight[levels.code]

    mean = np.average(values, weights=weight)
    sd = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    assert mean == pytest.approx(values.mean(), rel=1e-6)
    assert sd == pytest.approx(1.2 * values.std(), rel=1e-6)


def test_missing_rows_keep_their_share_when_the_mean_moves() -> None:
    values = np.random.default_rng(4).standard_normal(4_000)
    values[:800] = np.nan
    levels = levels_of(values)

    weight = tilt_to(levels, "mean", 0.7).weight[levels.code]

    assert weight[:800] == pytest.approx(1.0)
    assert weight.mean() == pytest.approx(1.0)


def test_share_tilt_moves_a_rare_category_by_points_of_share() -> None:
    hit = np.arange(1_000) < 50
    levels = share_of(hit)

    tilt = tilt_to(levels, "category", 0.15)

    # 5 % becomes 20 %: weights 0.20/0.05 = 4 and 0.80/0.95.
    assert tilt.weight == pytest.approx([0.8 / 0.95, 4.0])
    assert tilt_share(levels, 0.96) is None
    assert tilt_share(levels, -0.06) is None


def test_many_values_share_weights_and_still_achieve_the_move(
    normal: np.ndarray,
) -> None:
    levels = levels_of(normal)

    weight = tilt_to(levels, "mean", 0.5).weight[levels.code]

    assert len(levels.z) <= MAX_LEVELS + 1
    assert np.average(normal, weights=weight) - normal.mean() == pytest.approx(
        0.5 * normal.std(), abs=1e-3
    )


def test_row_weights_count_as_repeated_rows() -> None:
    values = np.array([0.0, 1.0, 2.0, 5.0])
    repeated = levels_of(np.array([0.0, 1.0, 2.0, 2.0, 5.0, 5.0]))
    weighted = levels_of(values, np.array([1.0, 1.0, 2.0, 2.0]) * 4 / 6)

    tilt_a, tilt_b = (tilt_to(one, "mean", 0.3) for one in (repeated, weighted))

    assert weighted.mean == pytest.approx(repeated.mean)
    assert tilt_a.weight == pytest.approx(tilt_b.weight)


@pytest.mark.parametrize(
    "values", [np.ones(5), np.full(3, np.nan), np.array([1.0, np.nan]), np.empty(0)]
)
def test_a_column_with_one_value_has_no_levels(values: np.ndarray) -> None:
    assert numeric_levels(values) is None


def test_a_weightless_spread_has_no_levels() -> None:
    assert numeric_levels(np.array([1.0, 1.0, 9.0]), np.array([1.5, 1.5, 0.0])) is None


@pytest.mark.parametrize("hit", [[True, True], [False, False], []])
def test_a_share_of_all_or_none_has_no_levels(hit: list[bool]) -> None:
    assert share_levels(np.array(hit, dtype=bool)) is None


def test_no_weights_reach_a_mean_beyond_the_values() -> None:
    levels = levels_of(np.array([0.0, 1.0, 2.0]))

    assert tilt_mean(levels, 1.3) is None
    assert tilt_scale(levels, 0.9) is None


def test_support_of_a_normal_ends_where_three_rows_in_ten_are_left(
    normal: np.ndarray,
) -> None:
    reach, last = support(levels_of(normal), "mean", 1, 0.3, lambda _: True)

    # exp(-move²) = 0.3 at 1.0973.
    assert reach == pytest.approx(np.sqrt(np.log(1 / 0.3)), abs=0.03)
    assert not last


def test_support_ends_where_too_few_blocks_are_left(normal: np.ndarray) -> None:
    values, block = normal[:3_000], np.repeat(np.arange(30), 100)
    levels = levels_of(np.sort(values))

    def enough(tilt: Tilt) -> bool:
        return effective_blocks(levels, tilt, block) >= 25

    reach, _ = support(levels, "mean", 1, 0.3, enough)

    # Blocks are ordered by the column, so they go first: 30 exp(-move²) = 25 at 0.43.
    assert reach == pytest.approx(0.43, abs=0.05)


def test_no_move_is_supported_by_too_few_blocks() -> None:
    levels = levels_of(np.array([0.0, 1.0, 2.0]))

    assert support(levels, "mean", 1, 0.3, lambda _: False)[0] == 0


@pytest.mark.parametrize(
    ("family", "sign", "expected"),
    [("missing", -1, (0.1, True)), ("scale", -1, (0.9, False))],
)
def test_support_knows_the_last_move(
    family: str, sign: int, expected: tuple[float, bool]
) -> None:
    levels = (
        share_of(np.arange(100) < 10)
        if family == "missing"
        else levels_of(np.arange(101.0))
    )

    reach = support(levels, family, sign, 0.0, lambda _: True)

    assert reach == pytest.approx(expected)


def test_a_mean_cannot_fall_below_the_lowest_value() -> None:
    # 90 zeros and 10 ones: the mean is 0.1, a third of an SD above the lowest value.
    levels = levels_of(np.repeat([0.0, 1.0], [90, 10]))

    reach, last = support(levels, "mean", -1, 0.3, lambda _: True)

    assert last
    assert reach == pytest.approx(1 / 3, abs=0.01)


def estimate_at(
    rng: np.random.Generator, family: str, move: float, *, missing: bool
) -> Estimate:
    x = rng.standard_normal(800)
    loss = 1 + 0.3 * x + 0.4 * x**2 + rng.standard_normal(800)
    x[rng.random(800) < 0.3 * missing] = np.nan
    levels = levels_of(x)
    tilt = tilt_to(levels, family, move)
    return tilted(weighted_mean(loss, tilt.weight[levels.code]), levels, tilt)


@pytest.mark.parametrize(
    ("family", "move", "missing"),
    [("mean", 0.5, False), ("mean", -0.5, True), ("scale", 0.2, False)],
)
def test_standard_error_at_a_fixed_move_is_the_spread_over_samples(
    family: str, move: float, *, missing: bool
) -> None:
    drawn = [
        estimate_at(np.random.default_rng(seed), family, move, missing=missing)
        for seed in range(200)
    ]

    spread = np.std([one.value for one in drawn])
    claimed = np.mean([np.std(one.influence) / np.sqrt(800) for one in drawn])

    # 200 samples give the spread to 5 %; without the correction the claim is 15 to
    # 30 % too wide.
    assert claimed == pytest.approx(spread, rel=0.13)


def test_correction_is_none_before_anything_moves() -> None:
    x = np.random.default_rng(5).standard_normal(50)
    levels = levels_of(x, np.full(50, 1.0))
    plain = weighted_mean(x**2)

    corrected = tilted(plain, levels, tilt_to(levels, "mean", 0.0))

    assert corrected.influence == pytest.approx(plain.influence, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "task", "k"),
    [
        ("roc_auc", "binary", 1),
        ("log_loss", "binary", 1),
        ("accuracy", "binary", 1),
        ("roc_auc_ovr", "multiclass", 3),
        ("r2", "regression", 1),
    ],
)
def test_prepared_metrics_equal_the_plain_ones(name: str, task: str, k: int) -> None:
    rng = np.random.default_rng(6)
    y_true = rng.integers(0, max(k, 2), 200).astype(float)
    y_score = np.round(rng.random((200, k)), 2)
    y_score = y_score[:, 0] if k == 1 else y_score / y_score.sum(1, keepdims=True)
    weight = rng.exponential(size=200)
    metric: Metric = find_metric(name, task)

    prepared = reweighted(metric, y_true, y_score, 0.4)(weight)

    plain = metric.estimate(y_true, y_score, weight, 0.4)
    assert prepared.value == pytest.approx(plain.value)
    assert prepared.influence == pytest.approx(plain.influence)


def test_population_tilt_of_a_linear_model_that_is_off() -> None:
    # Model off by b = 0.2 per unit, noise SD 1: R = 1 + b²(1 + 1²) = 1.08 at 1 SD.
    rng = np.random.default_rng(7)
    x = rng.standard_normal(200_000)
    squared = (0.2 * x + rng.standard_normal(200_000)) ** 2
    levels = levels_of(x)

    weight = tilt_to(levels, "mean", 1.0).weight[levels.code]

    # Four theoretical standard errors: SD 1.5 over exp(-1) · 200,000 rows.
    assert weighted_mean(squared, weight).value == pytest.approx(1.08, abs=0.023)


def test_weighted_area_equals_the_area_of_the_population_it_stands_for() -> None:
    # Scores N(y, 1); the share of positives does not change the area, Φ(1/√2) = .7602.
    rng = np.random.default_rng(8)
    y = (rng.random(60_000) < 0.3).astype(float)
    score = y + rng.standard_normal(60_000)
    levels = share_of(y == 1)

    weight = tilt_to(levels, "category", 0.3).weight[levels.code]

    assert area_under_roc(y, score, weight).value == pytest.approx(0.7602, abs=0.008)
