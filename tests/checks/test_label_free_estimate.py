"""D9: the label-free estimate back-tested where its truth is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from readiness.case import Case, load_case
from readiness.checks.drift import label_free_estimate
from readiness.checks.drift._expected_errors import _encoded
from readiness.checks.drift.label_free_estimate import CHECK
from readiness.config import CaseFile
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options

DAYS, PER_DAY = 60, 50
WINDOW = 5 * PER_DAY


class Told:
    """A model that gives the true probability, or the true mean."""

    classes_ = (0, 1)

    def __init__(self, features: tuple[str, ...] = ("x",)) -> None:
        self.feature_names_in_ = np.array(features, dtype=object)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the likelier class."""
        return (X["x"].to_numpy() >= 0).astype(int)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the chance of 1 given x ~ N(+-1, 1)."""
        p = expit(2 * X["x"].to_numpy())
        return np.column_stack([1 - p, p])


def rows_of_days(
    seed: int, *, spread: float = 0.0, flipped: bool = False, start: str = "2024-01-01"
) -> pd.DataFrame:
    """Return labels with P(y | x) = expit(2 x), x wide or narrow in turn by window."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    wide = np.exp(spread * np.sin(day // 5))
    x = wide * rng.normal(0, 1, len(day))
    y = (rng.random(len(day)) < expit(2 * x)).astype(int)
    when = pd.Timestamp(start) + pd.to_timedelta(
        24 * 60 * day + np.tile(np.arange(PER_DAY), DAYS), unit="min"
    )
    return pd.DataFrame({"x": x, "y": 1 - y if flipped else y, "scheduled": when})


def told_case(
    *,
    metric: str = "accuracy",
    task: str = "binary",
    model: object | None = None,
    data: Mapping[str, Any] | None = None,
    operation: Mapping[str, Any] | None = None,
    **tables: pd.DataFrame,
) -> Case:
    features = [
        one for one in tables["reference"].columns if one not in ("y", "scheduled")
    ]
    file = CaseFile.model_validate(
        {
            "name": "told",
            "title": "Told",
            "model": {
                "callable": "m:f",
                "task": task,
                "metric": metric,
                "features": features,
            },
            "data": {
                "reference": "r",
                "target": "y",
                "time": "scheduled",
                **(data or {}),
            },
            "operation": {"monitor_window_rows": WINDOW}
            if operation is None
            else operation,
        }
    )
    return load_case(
        file, frames=tables, model=Told(tuple(features)) if model is None else model
    )


def measure(case: Case) -> Measurement:
    return label_free_estimate.measure(case, Options(values=CHECK.defaults))


def value(measurement: Measurement, metric: str) -> pd.Series:
    found = measurement.summary[measurement.summary["metric"] == metric]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def moving() -> Measurement:
    tables = {
        "reference": rows_of_days(1),
        "current": rows_of_days(2, spread=1.5, start="2024-06-01"),
    }
    return measure(told_case(**tables))


def test_estimate_follows_a_population_that_moves(moving: Measurement) -> None:
    windows = moving.tables["windows"]

    error, usual, ratio = (
        value(moving, one)
        for one in ("estimate_error", "baseline_error", "error_ratio")
    )

    assert len(windows) == 12
    assert windows["rows"].eq(WINDOW).all()
    assert error["value"] == pytest.approx(
        (windows["estimate"] - windows["realised"]).abs().mean()
    )
    assert usual["value"] == pytest.approx(
        (windows["baseline"] - windows["realised"]).abs().mean()
    )
    assert ratio["value"] == pytest.approx(error["value"] / usual["value"])
    assert ratio["ci_high"] < 0.5
    assert (error["n_blocks"], error["n_rows"]) == (12, 12 * WINDOW)


def test_estimate_is_the_law_of_the_window(moving: Measurement) -> None:
    # E max(p, 1 - p) over x ~ N(0, s²), by quadrature.
    nodes, share = np.polynomial.hermite_e.hermegauss(81)
    share = share / share.sum()
    windows = moving.tables["windows"]
    s = np.exp(1.5 * np.sin(np.arange(12)))

    p = expit(2 * s[:, None] * nodes)

    expected = np.maximum(p, 1 - p) @ share
    np.testing.assert_allclose(windows["estimate"], expected, atol=0.035)
    assert norm.cdf(0.8) == pytest.approx(0.7881, abs=1e-4)


def test_a_new_meaning_of_the_inputs_leaves_the_estimate_where_it_was() -> None:
    tables = {"reference": rows_of_days(1), "current": rows_of_days(2, flipped=True)}

    measurement = measure(told_case(**tables))

    windows = measurement.tables["windows"]
    assert (windows["estimate"] > 0.7).all()
    assert (windows["realised"] < 0.3).all()
    assert value(measurement, "estimate_bias")["ci_low"] > 0.4
    assert value(measurement, "error_ratio")["value"] == pytest.approx(1.0, abs=0.05)
    assert "cannot see a change in what the inputs mean" in measurement.notes[2]


def test_one_table_is_learnt_from_its_earlier_half() -> None:
    measurement = measure(told_case(reference=rows_of_days(3, spread=1.0)))

    windows = measurement.tables["windows"]
    assert len(windows) == 6
    assert windows["until"].iloc[0] == "2024-02-04"
    assert "the earlier half of reference" in measurement.notes[3]


def number_rows(seed: int, *, noisy_share: float) -> pd.DataFrame:
    """Return y = noise, three times as wide for kind b."""
    rng = np.random.default_rng(seed)
    rows = rows_of_days(seed)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    share = noisy_share * (1 + np.sin(day // 5)) / 2 + 0.1
    kind = np.where(rng.random(len(rows)) < share, "b", "a")
    noise = rng.normal(0, np.where(kind == "b", 3.0, 1.0))
    return rows.assign(kind=kind, y=noise, x=rng.normal(size=len(rows)))


def zero(X: pd.DataFrame) -> np.ndarray:
    """Return 0 for every row."""
    return np.zeros(len(X))


@pytest.mark.parametrize("metric", ["mean_absolute_error", "root_mean_squared_error"])
def test_errors_of_a_regression_follow_the_kind_of_rows(metric: str) -> None:
    tables = {
        "reference": number_rows(4, noisy_share=0.5),
        "current": number_rows(5, noisy_share=0.9),
    }

    measurement = measure(
        told_case(task="regression", metric=metric, model=zero, **tables)
    )

    windows = measurement.tables["windows"]
    assert np.corrcoef(windows["estimate"], windows["realised"])[0, 1] > 0.9
    assert value(measurement, "error_ratio")["value"] < 0.5


def test_explained_variance_cannot_be_estimated() -> None:
    with pytest.raises(NotAssessedError, match="r2 cannot be estimated") as caught:
        measure(
            told_case(
                task="regression",
                metric="r2",
                model=zero,
                reference=number_rows(6, noisy_share=0.5),
            )
        )

    assert caught.value.code == Reason.NOT_THIS_TASK


def test_without_time_there_is_no_back_test() -> None:
    rows = rows_of_days(7).drop(columns="scheduled")

    with pytest.raises(NotAssessedError) as caught:
        measure(told_case(reference=rows, data={"time": None}))

    assert caught.value.code == Reason.NO_TIME


def test_too_few_windows_are_not_assessed() -> None:
    with pytest.raises(NotAssessedError, match="5 windows of 1000") as caught:
        measure(
            told_case(
                reference=rows_of_days(8), operation={"monitor_window_rows": 1000}
            )
        )

    assert caught.value.code == Reason.TOO_FEW_ROWS


def test_windows_with_one_class_are_left_out_and_named() -> None:
    current = rows_of_days(9)
    current.loc[: WINDOW - 1, "y"] = 0
    case = told_case(metric="roc_auc", reference=rows_of_days(10), current=current)

    measurement = measure(case)

    assert measurement.tables["windows"]["window"].tolist() == list(range(2, 13))
    assert measurement.notes[-1] == "AUC is not defined in 1 windows."


def test_columns_become_numbers_or_codes() -> None:
    text = pd.Series(["a", None, "b", "z"])
    when = pd.Series(pd.to_datetime(["1970-01-02", None]))
    mixed = pd.Series(["1.5", "x", np.inf])

    np.testing.assert_array_equal(_encoded(text, {"a": 0, "b": 1}), [0, np.nan, 1, 2])
    np.testing.assert_array_equal(_encoded(when, None), [1, np.nan])
    np.testing.assert_array_equal(_encoded(mixed, None), [1.5, np.nan, np.nan])


def test_figure_draws_estimate_and_truth(moving: Measurement) -> None:
    figure = label_free_estimate.draw(moving, CHECK.limits)

    axes = figure.axes[0]
    assert axes.get_ylabel() == "accuracy"
    named = [one.get_text() for one in figure.legends[0].get_texts()]
    assert "estimate without labels" in named
    assert label_free_estimate.alt(moving) == moving.notes[0]


@pytest.mark.slow
def test_limits_hold_the_mean_error_of_windows_that_did_not_change() -> None:
    """Given x the accuracy of n rows has variance E p (1 - p) / n; E|d| follows."""
    found = []
    for seed in range(200):
        tables = {
            "reference": rows_of_days(2 * seed + 1),
            "current": rows_of_days(2 * seed + 2, start="2024-06-01"),
        }
        found.append(value(measure(told_case(**tables)), "estimate_error"))
    nodes, share = np.polynomial.hermite_e.hermegauss(81)
    p = expit(2 * nodes)
    variance = (share / share.sum()) @ (p * (1 - p)) / WINDOW
    least = np.sqrt(2 / np.pi * variance)

    truth = np.mean([one["value"] for one in found])

    # What calibration had to learn from 3,000 rows comes on top of it.
    assert least < truth < 1.15 * least
    # Twelve windows: from 30 on a limit decides.
    assert np.mean([one["ci_low"] <= truth for one in found]) >= 0.91
    assert np.mean([one["ci_high"] >= truth for one in found]) >= 0.88
