"""Headline metrics against scikit-learn, and their influence against differences."""

import numpy as np
import pytest
from sklearn import metrics as sk

from readiness.errors import CaseError
from readiness.metrics import METRICS, Metric, companions, default_metric, find_metric
from readiness.stats import Clusters

RNG = np.random.default_rng(11)
N = 240
Y_BINARY = RNG.integers(0, 2, N).astype(float)
# Rounded scores have ties.
P_BINARY = np.round(np.clip(0.5 * RNG.random(N) + 0.3 * Y_BINARY, 0, 1), 2)
CLASS_BINARY = (P_BINARY >= 0.5).astype(float)
Y_CLASSES = RNG.integers(0, 3, N)
P_CLASSES = RNG.dirichlet([1.0, 2.0, 3.0], N)
CLASS_CLASSES = P_CLASSES.argmax(axis=1)
Y_NUMBER = RNG.normal(size=N)
P_NUMBER = 0.5 * Y_NUMBER + RNG.normal(size=N)
WEIGHT = RNG.random(N)

ROWS = {
    "binary": (Y_BINARY, P_BINARY),
    "multiclass": (Y_CLASSES, P_CLASSES),
    "regression": (Y_NUMBER, P_NUMBER),
}
EXPECTED = {
    ("roc_auc", "binary"): lambda w: sk.roc_auc_score(
        Y_BINARY, P_BINARY, sample_weight=w
    ),
    ("average_precision", "binary"): lambda w: sk.average_precision_score(
        Y_BINARY, P_BINARY, sample_weight=w
    ),
    ("log_loss", "binary"): lambda w: sk.log_loss(Y_BINARY, P_BINARY, sample_weight=w),
    ("brier_score", "binary"): lambda w: sk.brier_score_loss(
        Y_BINARY, P_BINARY, sample_weight=w
    ),
    ("accuracy", "binary"): lambda w: sk.accuracy_score(
        Y_BINARY, CLASS_BINARY, sample_weight=w
    ),
    ("balanced_accuracy", "binary"): lambda w: sk.balanced_accuracy_score(
        Y_BINARY, CLASS_BINARY, sample_weight=w
    ),
    ("precision", "binary"): lambda w: sk.precision_score(
        Y_BINARY, CLASS_BINARY, sample_weight=w
    ),
    ("recall", "binary"): lambda w: sk.recall_score(
        Y_BINARY, CLASS_BINARY, sample_weight=w
    ),
    ("f1", "binary"): lambda w: sk.f1_score(Y_BINARY, CLASS_BINARY, sample_weight=w),
    ("roc_auc_ovr", "multiclass"): lambda w: sk.roc_auc_score(
        Y_CLASSES, P_CLASSES, sample_weight=w, multi_class="ovr"
    ),
    ("log_loss", "multiclass"): lambda w: sk.log_loss(
        Y_CLASSES, P_CLASSES, sample_weight=w
    ),
    ("accuracy", "multiclass"): lambda w: sk.accuracy_score(
        Y_CLASSES, CLASS_CLASSES, sample_weight=w
    ),
    ("balanced_accuracy", "multiclass"): lambda w: sk.balanced_accuracy_score(
        Y_CLASSES, CLASS_CLASSES, sample_weight=w
    ),
    ("f1_macro", "multiclass"): lambda w: sk.f1_score(
        Y_CLASSES, CLASS_CLASSES, sample_weight=w, average="macro"
    ),
    ("mean_absolute_error", "regression"): lambda w: sk.mean_absolute_error(
        Y_NUMBER, P_NUMBER, sample_weight=w
    ),
    ("root_mean_squared_error", "regression"): lambda w: sk.root_mean_squared_error(
        Y_NUMBER, P_NUMBER, sample_weight=w
    ),
    ("mean_squared_error", "regression"): lambda w: sk.mean_squared_error(
        Y_NUMBER, P_NUMBER, sample_weight=w
    ),
    ("r2", "regression"): lambda w: sk.r2_score(Y_NUMBER, P_NUMBER, sample_weight=w),
}
EVERY_METRIC = pytest.mark.parametrize(
    "metric", METRICS, ids=lambda one: f"{one.name}-{one.tasks[0]}"
)
EVERY_WEIGHT = pytest.mark.parametrize(
    "weight", [None, WEIGHT], ids=["plain", "weight"]
)


@EVERY_METRIC
@EVERY_WEIGHT
def test_value_equals_scikit_learns(metric: Metric, weight: np.ndarray | None) -> None:
    estimate = metric.estimate(*ROWS[metric.tasks[0]], weight)

    expected = EXPECTED[metric.name, metric.tasks[0]](weight)
    assert estimate.value == pytest.approx(expected, abs=1e-12)


@EVERY_METRIC
@EVERY_WEIGHT
def test_influence_is_the_derivative_by_row_weight(
    metric: Metric, weight: np.ndarray | None
) -> None:
    # dT/dw_i = IF_i / sum(w), and influence_i = w_i / mean(w) * IF_i.
    base = np.ones(N) if weight is None else weight
    y_true, y_score = ROWS[metric.tasks[0]]
    step = 1e-5
    rows = np.arange(0, N, 12)

    influence = metric.estimate(y_true, y_score, weight).influence

    def value(row: int, change: float) -> float:
        return metric.estimate(
            y_true, y_score, base + change * (np.arange(N) == row)
        ).value

    slopes = [(value(row, step) - value(row, -step)) / (2 * step) for row in rows]
    expected = np.array(slopes) * base.sum() * base[rows] / base.mean()
    np.testing.assert_allclose(influence[rows], expected, atol=1e-6)
    assert influence.mean() == pytest.approx(0.0, abs=1e-12)


@EVERY_METRIC
def test_influence_gives_the_jackknife_error(metric: Metric) -> None:
    y_true, y_score = ROWS[metric.tasks[0]]
    without = [
        metric.estimate(np.delete(y_true, row), np.delete(y_score, row, axis=0)).value
        for row in range(N)
    ]

    interval = metric.interval(y_true, y_score, Clusters())

    jackknife = np.sqrt((N - 1) / N * np.sum((without - np.mean(without)) ** 2))
    assert interval.se == pytest.approx(jackknife, rel=0.03)


@EVERY_METRIC
def test_interval_holds_the_value_and_stays_in_range(metric: Metric) -> None:
    interval = metric.interval(
        *ROWS[metric.tasks[0]], Clusters(block=np.arange(N) // 6)
    )

    assert metric.lowest <= interval.ci_low <= interval.value
    assert interval.value <= interval.ci_high <= metric.highest


def test_area_is_the_mann_whitney_statistic_with_ties() -> None:
    # Pairs (positive, negative): (.8,.5) 1, (.8,.2) 1, (.5,.5) half, (.5,.2) 1: 3.5/4.
    auc = find_metric("roc_auc", "binary")

    assert auc.estimate([1, 1, 0, 0], [0.8, 0.5, 0.5, 0.2]).value == 0.875


def test_area_se_is_delongs() -> None:
    # DeLong: var = S10 / m + S01 / n with sample variances of the components.
    auc = find_metric("roc_auc", "binary")
    positive, negative = P_BINARY[Y_BINARY == 1], P_BINARY[Y_BINARY == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = np.var(wins.mean(axis=1), ddof=1) / len(positive)
    variance += np.var(wins.mean(axis=0), ddof=1) / len(negative)

    interval = auc.interval(Y_BINARY, P_BINARY, Clusters())

    assert interval.se == pytest.approx(np.sqrt(variance), rel=0.01)


def test_perfect_area_is_not_certain() -> None:
    # No spread: like 12 of 12 rows, lower limit 0.05 ** (1 / 12).
    auc = find_metric("roc_auc", "binary")
    y_true = np.repeat([0.0, 1.0], [30, 12])

    interval = auc.interval(y_true, y_true, Clusters())

    assert interval.value == 1.0
    assert interval.ci_low == pytest.approx(0.05 ** (1 / 12))
    assert interval.ci_high == 1.0


def test_perfect_area_counts_blocks_of_the_rarer_class() -> None:
    auc = find_metric("roc_auc", "binary")
    y_true = np.repeat([0.0, 1.0], [30, 12])
    clusters = Clusters(block=np.repeat(np.arange(14), 3))

    interval = auc.interval(y_true, y_true, clusters)

    assert interval.ci_low == pytest.approx(0.05 ** (1 / 4))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "recall"])
def test_metric_of_positives_is_unknown_without_one(name: str) -> None:
    metric = find_metric(name, "binary")

    estimate = metric.estimate([0.0, 0.0], [0.1, 0.9])

    assert np.isnan(estimate.value)
    assert len(estimate.influence) == 2


def test_area_over_classes_is_unknown_when_a_class_is_absent() -> None:
    metric = find_metric("roc_auc_ovr", "multiclass")

    assert np.isnan(metric.estimate([0, 1, 1], np.full((3, 3), 1 / 3)).value)


def test_explained_variance_of_a_constant_is_unknown() -> None:
    assert np.isnan(find_metric("r2", "regression").estimate([1, 1], [1, 2]).value)


def test_error_of_a_perfect_regression_is_zero() -> None:
    metric = find_metric("root_mean_squared_error", "regression")

    interval = metric.interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], Clusters())

    assert (interval.value, interval.se) == (0.0, 0.0)


@EVERY_METRIC
def test_no_rows_give_no_value(metric: Metric) -> None:
    assert np.isnan(metric.estimate(np.array([]), np.array([])).value)


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1_macro"])
def test_no_weight_gives_no_value(name: str) -> None:
    metric = find_metric(name, "multiclass")

    assert np.isnan(metric.estimate([0, 1], [0, 1], np.zeros(2)).value)


def test_threshold_decides_the_predicted_class() -> None:
    recall = find_metric("recall", "binary")

    assert recall.estimate([1, 1], [0.4, 0.9], threshold=0.35).value == 1.0
    assert recall.estimate([1, 1], [0.4, 0.9]).value == 0.5


def test_class_codes_are_taken_as_predictions() -> None:
    accuracy = find_metric("accuracy", "multiclass")

    assert accuracy.estimate([0, 1, 2], np.array([0.0, 1.0, 1.0])).value == 2 / 3


def test_share_of_rows_gets_exact_limits() -> None:
    # Recall: 12 of 12 positive rows found; rows without label 1 do not count.
    recall = find_metric("recall", "binary")
    y_true = np.repeat([0.0, 1.0], [30, 12])

    interval = recall.interval(y_true, y_true, Clusters())

    assert interval.n_rows == 12
    assert interval.ci_low == pytest.approx(0.05 ** (1 / 12))


@EVERY_WEIGHT
def test_precision_counts_predicted_rows(weight: np.ndarray | None) -> None:
    precision = find_metric("precision", "binary")

    interval = precision.interval(Y_BINARY, P_BINARY, Clusters(), weight)

    expected = EXPECTED["precision", "binary"](weight)
    assert interval.value == pytest.approx(expected, abs=1e-12)
    assert interval.n_rows == CLASS_BINARY.sum()


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("log_loss", "binary"),
        ("brier_score", "binary"),
        ("log_loss", "multiclass"),
        ("mean_absolute_error", "regression"),
    ],
)
def test_mean_of_the_row_losses_is_the_metric(name: str, task: str) -> None:
    metric = find_metric(name, task)

    loss = metric.loss(*ROWS[task])

    assert loss is not None
    assert loss.mean() == pytest.approx(metric.estimate(*ROWS[task]).value)


def test_loss_of_a_class_is_one_where_it_is_wrong() -> None:
    accuracy = find_metric("accuracy", "binary")

    assert accuracy.loss([1, 0], [0.9, 0.8]).tolist() == [0.0, 1.0]
    assert find_metric("roc_auc", "binary").loss([1, 0], [0.9, 0.8]) is None


def test_gain_is_positive_when_the_first_value_is_better() -> None:
    assert find_metric("roc_auc", "binary").gain(0.8, 0.7) > 0
    assert find_metric("log_loss", "binary").gain(0.3, 0.4) > 0


def test_unknown_metric_lists_those_of_the_task() -> None:
    with pytest.raises(CaseError, match="must be one of accuracy, average_precision"):
        find_metric("neg_log_loss", "binary")


def test_each_task_has_a_default_and_companions() -> None:
    names = [default_metric(task).name for task in ROWS]

    assert names == ["roc_auc", "roc_auc_ovr", "mean_absolute_error"]
    assert {one.name for one in companions("regression")} >= {"r2"}
