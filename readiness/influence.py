"""Metrics as estimates: the number, and what each row contributes to its error.

Every function takes n true values, n scores and n weights with mean one, and returns
an `Estimate` whose value equals scikit-learn's and is NaN where the rows do not
define it (no rows, one class only). Influence values are those of the plug-in
functional under the weighted empirical law, so tilt weights need nothing more.
"""

from collections.abc import Callable

import numpy as np

from readiness.stats import Estimate, Floats, Ints, weighted_mean

SMALLEST = float(np.finfo(np.float64).eps)  # probabilities are clipped here for logs


def undefined(n_rows: int) -> Estimate:
    """Return the estimate of rows that do not define a metric."""
    return Estimate(value=float("nan"), influence=np.full(n_rows, np.nan))


def ratio_of_sums(top: Floats, bottom: Floats, weight: Floats) -> Estimate:
    """Return sum(w top) / sum(w bottom), by linearisation."""
    total = float(np.sum(weight * bottom))
    if not total > 0:
        return undefined(len(top))
    value = float(np.sum(weight * top)) / total
    influence = weight * (top - value * bottom) * (len(top) / total)
    return Estimate(value=value, influence=influence)


def area_under_roc(y_true: Floats, y_score: Floats, weight: Floats) -> Estimate:
    """Return the area under the ROC curve with DeLong's components as influence.

    Parameters
    ----------
    y_true : numpy.ndarray of float, shape (n,)
        1 for positive rows, 0 for the others.
    y_score, weight : numpy.ndarray of float, shape (n,)
        With unequal weights this is the weighted Mann-Whitney statistic.

    Notes
    -----
    One sort; tied scores count one half.

    References
    ----------
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson (1988), doi:10.2307/2531595.
    """
    return ranked_area(y_true, y_score)(weight)


def ranked_area(y_true: Floats, y_score: Floats) -> Callable[[Floats], Estimate]:
    """Return the area under the ROC curve of these rows as a function of weights.

    The rows are ranked once; tilts then weight the same rows hundreds of times.
    """
    order = np.argsort(y_score, kind="stable")
    rows = [order[y_true[order] == 1], order[y_true[order] != 1]]
    score = [y_score[one] for one in rows]
    # How many rows of the other class score lower, and lower or the same.
    places = [
        [np.searchsorted(score[1 - k], score[k], side) for side in ("left", "right")]
        for k in (0, 1)
    ]

    def area(weight: Floats) -> Estimate:
        mass = [weight[one] for one in rows]
        up_to = [np.concatenate([[0.0], np.cumsum(one)]) for one in mass]
        total = [float(one[-1]) for one in up_to]
        if not min(total) > 0:
            return undefined(len(weight))
        below, rest = (
            (up_to[1 - k][places[k][0]] + up_to[1 - k][places[k][1]])
            / (2 * total[1 - k])
            for k in (0, 1)
        )
        value = float(mass[0] @ below) / total[0]
        influence = np.empty(len(weight))
        influence[rows[0]] = mass[0] * (below - value) * (len(weight) / total[0])
        influence[rows[1]] = mass[1] * (1 - rest - value) * (len(weight) / total[1])
        return Estimate(value=value, influence=influence)

    return area


def average_precision(y_true: Floats, y_score: Floats, weight: Floats) -> Estimate:
    """Return the average precision, with the influence of its step-wise sum.

    Notes
    -----
    With P(s) the precision and b(s) the weight at scores of at least s, and A the
    average precision, a row with score s and label y contributes
    y (P(s) - A + G(s)) - H(s) over the share of positives; G and H sum y / b and
    y P / b over the scores up to s.
    """
    positive = weight * y_true
    n_positive = float(np.sum(positive))
    if not n_positive > 0:
        return undefined(len(y_true))
    levels, level = np.unique(y_score, return_inverse=True)
    n_levels = len(levels)
    positive_at = np.bincount(level, positive, n_levels)
    weight_at = np.bincount(level, weight, n_levels)
    found = np.cumsum(positive_at[::-1])[::-1]
    flagged = np.cumsum(weight_at[::-1])[::-1]
    safe = np.where(flagged > 0, flagged, 1.0)
    precision_at = found / safe
    value = float(np.sum(positive_at * precision_at) / n_positive)
    gain = np.cumsum(positive_at / safe)[level]
    cost = np.cumsum(positive_at * precision_at / safe)[level]
    own = y_true * (precision_at[level] - value + gain) - cost
    return Estimate(value=value, influence=weight * own * (len(y_true) / n_positive))


def mean_of(estimates: list[Estimate]) -> Estimate:
    """Return the plain mean of estimates from the same rows, as macro metrics are."""
    return Estimate(
        value=float(np.mean([one.value for one in estimates])),
        influence=np.mean([one.influence for one in estimates], axis=0),
    )


def share_right(
    y_true: Floats | Ints, y_pred: Floats | Ints, weight: Floats
) -> Estimate:
    """Return accuracy."""
    return weighted_mean(y_true == y_pred, weight)


def mean_recall(
    y_true: Floats | Ints, y_pred: Floats | Ints, weight: Floats
) -> Estimate:
    """Return balanced accuracy: the mean recall of the classes that occur."""
    right = (y_true == y_pred).astype(float)
    recalls = [
        ratio_of_sums(right * (y_true == one), (y_true == one).astype(float), weight)
        for one in np.unique(y_true[weight > 0])
    ]
    return mean_of(recalls) if recalls else undefined(len(y_true))


def precision_of(y_true: Floats, y_pred: Floats, weight: Floats) -> Estimate:
    """Return precision; NaN where nothing is predicted positive."""
    return ratio_of_sums(y_true * y_pred, y_pred, weight)


def recall_of(y_true: Floats, y_pred: Floats, weight: Floats) -> Estimate:
    """Return recall; NaN where nothing is positive."""
    return ratio_of_sums(y_true * y_pred, y_true, weight)


def f1_of(y_true: Floats, y_pred: Floats, weight: Floats) -> Estimate:
    """Return F1 = 2 hits / (predicted + true positives)."""
    return ratio_of_sums(2 * y_true * y_pred, y_true + y_pred, weight)


def f1_macro(y_true: Floats | Ints, y_pred: Floats | Ints, weight: Floats) -> Estimate:
    """Return the mean F1 of the classes that occur as truth or prediction."""
    classes = np.union1d(y_true[weight > 0], y_pred[weight > 0])
    scores = [
        f1_of((y_true == one).astype(float), (y_pred == one).astype(float), weight)
        for one in classes
    ]
    return mean_of(scores) if scores else undefined(len(y_true))


def roc_auc_ovr(y_true: Floats | Ints, y_score: Floats, weight: Floats) -> Estimate:
    """Return the mean one-versus-rest area of k classes; NaN where a class is absent.

    Parameters
    ----------
    y_true : numpy.ndarray of int, shape (n,)
        Codes into the columns of `y_score`.
    y_score : numpy.ndarray of float, shape (n, k)
    weight : numpy.ndarray of float, shape (n,)
    """
    return mean_of(
        [
            area_under_roc((y_true == code).astype(float), y_score[:, code], weight)
            for code in range(y_score.shape[1])
        ]
    )


def r2(y_true: Floats, y_score: Floats, weight: Floats) -> Estimate:
    """Return the share of variance explained; NaN where the target is constant."""
    centre = weighted_mean(y_true, weight).value
    squared, around = (y_true - y_score) ** 2, (y_true - centre) ** 2
    unexplained = ratio_of_sums(squared, around, weight)
    return Estimate(value=1 - unexplained.value, influence=-unexplained.influence)


def root_mean_squared_error(
    y_true: Floats, y_score: Floats, weight: Floats
) -> Estimate:
    """Return the root of the mean squared error, in target units."""
    squared = weighted_mean((y_true - y_score) ** 2, weight)
    if not squared.value > 0:
        return squared
    root = float(np.sqrt(squared.value))
    return Estimate(value=root, influence=squared.influence / (2 * root))


def wrong(y_true: Floats, y_pred: Floats) -> Floats:
    """Return 1 for each row whose class is wrong, else 0."""
    loss: Floats = (y_true != y_pred).astype(np.float64)
    return loss


def log_loss(y_true: Floats, y_prob: Floats) -> Floats:
    """Return minus the log of each row's probability of its own class."""
    if y_prob.ndim == 1:
        of_label = np.where(y_true == 1, y_prob, 1 - y_prob)
    else:
        of_label = y_prob[np.arange(len(y_true)), y_true.astype(np.int64)]
    loss: Floats = -np.log(np.clip(of_label, SMALLEST, 1 - SMALLEST))
    return loss


def squared(y_true: Floats, y_score: Floats) -> Floats:
    """Return the squared error of each row."""
    loss: Floats = (y_true - y_score) ** 2
    return loss


def absolute(y_true: Floats, y_score: Floats) -> Floats:
    """Return the absolute error of each row."""
    loss: Floats = np.abs(y_true - y_score)
    return loss
