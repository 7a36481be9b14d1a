"""Performance without labels, against laws, scikit-learn and a published table."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import f1_score, precision_score, recall_score

from readiness.label_free import (
    expected_error,
    expected_metric,
    fit_calibrator,
    fit_error_model,
)
from readiness.metrics import find_metric
from tests.anchors import car_loan_rows

MU = 0.8


def two_classes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and the true probability given x ~ N(+-0.8, 1)."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.5).astype(float)
    x = rng.normal(MU * (2 * label - 1), 1.0)
    return label, expit(2 * MU * x)


def test_expected_accuracy_follows_the_normal_law() -> None:
    _, probability = two_classes(200_000, 1)

    found = expected_metric(find_metric("accuracy", "binary"), probability, probability)

    # METHODS 4.3: Phi(0.8) = 0.7881.
    assert found.value == pytest.approx(norm.cdf(MU), abs=4 * 0.4 / np.sqrt(200_000))


def test_expected_area_follows_the_normal_law() -> None:
    _, probability = two_classes(100_000, 2)

    found = expected_metric(find_metric("roc_auc", "binary"), probability, probability)

    # Two unit normals 1.6 apart: Phi(1.6 / sqrt 2).
    assert found.value == pytest.approx(norm.cdf(2 * MU / np.sqrt(2)), abs=0.003)


@pytest.mark.parametrize(
    "name", ["roc_auc", "average_precision", "log_loss", "brier_score", "accuracy"]
)
def test_estimate_meets_what_is_realised_where_probabilities_are_right(
    name: str,
) -> None:
    label, probability = two_classes(100_000, 3)
    metric = find_metric(name, "binary")

    expected = expected_metric(metric, probability, probability).value

    assert expected == pytest.approx(
        metric.estimate(label, probability).value, abs=0.006
    )


def test_expected_confusion_by_hand() -> None:
    # Cut 0.5: rows 1 and 2 are called positive. Expected hits .9 + .6 = 1.5 of 2 calls
    # and of .9 + .6 + .2 + .1 = 1.8 positives.
    probability = np.array([0.9, 0.6, 0.2, 0.1])

    def of(name: str) -> float:
        return expected_metric(
            find_metric(name, "binary"), probability, probability
        ).value

    assert of("precision") == pytest.approx(1.5 / 2)
    assert of("recall") == pytest.approx(1.5 / 1.8)
    assert of("f1") == pytest.approx(2 * 1.5 / (2 + 1.8))
    assert of("accuracy") == pytest.approx((0.9 + 0.6 + 0.8 + 0.9) / 4)
    assert of("brier_score") == pytest.approx((0.09 + 0.24 + 0.16 + 0.09) / 4)


def test_certain_probabilities_give_the_metric_itself() -> None:
    rng = np.random.default_rng(4)
    label = (rng.random(500) < 0.3).astype(float)
    score = np.clip(0.3 * label + 0.7 * rng.random(500), 0, 1)
    called = score >= 0.4
    theirs = {"precision": precision_score, "recall": recall_score, "f1": f1_score}

    for name, function in theirs.items():
        ours = expected_metric(find_metric(name, "binary"), score, label, None, 0.4)
        assert ours.value == pytest.approx(function(label, called))


def test_a_new_meaning_of_the_inputs_is_not_seen() -> None:
    # The documented limit: labels flipped, scores the same, estimate the same.
    label, probability = two_classes(20_000, 5)
    metric = find_metric("roc_auc", "binary")
    curve = fit_calibrator(label[:10_000], probability[:10_000])
    later, flipped = probability[10_000:], 1 - label[10_000:]

    estimate = expected_metric(metric, later, curve.probability(later)).value

    assert estimate == pytest.approx(
        metric.estimate(1 - flipped, later).value, abs=0.02
    )
    assert metric.estimate(flipped, later).value < 0.2
    assert estimate > 0.8


def test_calibration_undoes_a_bent_score() -> None:
    label, probability = two_classes(50_000, 6)
    bent = probability**3

    curve = fit_calibrator(label, bent)

    assert np.mean(np.abs(curve.probability(bent) - probability)) < 0.01
    far = curve.probability(np.array([-1.0, 2.0]))
    assert 0 <= far[0] < far[1] <= 1


def test_several_classes_add_up_to_one_and_meet_what_is_realised() -> None:
    rng = np.random.default_rng(7)
    raw = rng.dirichlet([1.0, 1.0, 2.0], 40_000)
    label = (rng.random((40_000, 1)) > np.cumsum(raw, axis=1)).sum(axis=1)
    skewed = raw**2 / (raw**2).sum(axis=1, keepdims=True)

    probability = fit_calibrator(label, skewed).probability(skewed)

    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    for name in ("accuracy", "roc_auc_ovr", "balanced_accuracy"):
        metric = find_metric(name, "multiclass")
        expected = expected_metric(metric, skewed, probability).value
        realised = metric.estimate(label, skewed).value
        assert expected == pytest.approx(realised, abs=0.015)


def test_a_score_no_class_ever_had_is_shared_evenly() -> None:
    label = np.array([0, 1, 0, 1])
    score = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.2, 0.8]])
    curve = fit_calibrator(label, score)

    found = curve.probability(np.array([[0.0, 0.0]]))

    np.testing.assert_allclose(found, [[0.5, 0.5]])


def test_weights_count_rows_as_often() -> None:
    label, probability = two_classes(1000, 8)
    metric = find_metric("roc_auc", "binary")
    twice = np.r_[probability, probability[:500]]

    weighted = expected_metric(
        metric, probability, probability, np.r_[np.full(500, 2.0), np.ones(500)]
    )

    assert weighted.value == pytest.approx(expected_metric(metric, twice, twice).value)
    assert label.shape == (1000,)


def test_error_model_follows_the_noise_into_a_new_population() -> None:
    # |error| has mean sqrt(2 / pi) * s(x) with s = 1 + 2 * (x > 0): when x > 0 becomes
    # the rule, the mean absolute error goes from 1.6 to 2.4 and no label is needed.
    rng = np.random.default_rng(9)
    x = rng.normal(size=(20_000, 1))
    loss = np.abs(rng.normal(size=20_000)) * (1 + 2 * (x[:, 0] > 0))
    model = fit_error_model(x, loss, [False])
    metric = find_metric("mean_absolute_error", "regression")

    usual, later = (
        expected_error(metric, model.loss(one))
        for one in (x, np.abs(rng.normal(size=(20_000, 1))))
    )

    half_normal = np.sqrt(2 / np.pi)
    assert usual == pytest.approx(2 * half_normal, rel=0.02)
    assert later == pytest.approx(3 * half_normal, rel=0.03)


def test_root_of_expected_squares() -> None:
    metric = find_metric("root_mean_squared_error", "regression")

    assert expected_error(metric, np.array([9.0, 25.0]), np.array([3.0, 1.0])) == (
        pytest.approx(np.sqrt(13.0))
    )


def test_published_estimates_of_the_car_loans() -> None:
    """METHODS A3: ten chunks of 5,000 loans, mean absolute error 0.00212."""
    reference, later = car_loan_rows()
    area, right = (find_metric(one, "binary") for one in ("roc_auc", "accuracy"))
    score, label = "y_pred_proba", "repaid"
    known = reference[score].to_numpy(dtype=float)
    curve = fit_calibrator(reference[label], known)
    before = area.estimate(reference[label], known).value

    found = []
    for start in range(0, 50_000, 5000):
        chunk = later.iloc[start : start + 5000]
        own = chunk[score].to_numpy(dtype=float)
        expected = curve.probability(own)
        found.append(
            [
                expected_metric(area, own, expected).value,
                area.estimate(chunk[label], own).value,
                expected_metric(right, own, expected).value,
                right.estimate(chunk[label], own).value,
            ]
        )

    estimate, realised, share, share_realised = np.array(found).T
    published = [0.970744, 0.971011, 0.971407, 0.971091, 0.971123]
    published += [0.961090, 0.961825, 0.961073, 0.962533, 0.961316]
    np.testing.assert_allclose(estimate, published, atol=2e-4)
    assert realised[0] == pytest.approx(0.970962, abs=1e-6)
    assert np.mean(np.abs(estimate - realised)) == pytest.approx(0.002115, abs=5e-5)
    assert np.mean(np.abs(before - realised)) == pytest.approx(0.006705, abs=5e-5)
    assert np.mean(np.abs(share - share_realised)) <= 0.00311
