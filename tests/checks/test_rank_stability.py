from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, Ridge

from readiness.case import Case, load_case
from readiness.checks.explainability._fits import directions_of, kept_shares
from readiness.checks.explainability._rank_view import REDRAWN
from readiness.checks.explainability._ranks import (
    agreement,
    alike,
    find_twins,
    overlap,
    rank_sets,
    surely_ahead,
)
from readiness.checks.explainability.rank_stability import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options, Status
from readiness.review import open_review
from readiness.stats import Clusters
from tests.cases import case_file

SMALL = Options(
    values={
        **CHECK.defaults,
        "rows": 400,
        "background": 200,
        "draws": 20,
        "refits": 6,
        "seeds": 3,
        "refit_rows": 100,
    }
)
FULL = replace(SMALL, profile="full")


def frame_of(seed: int = 1, n_days: int = 60, **columns: float) -> pd.DataFrame:
    """Return ten rows a day of independent normal columns and their weighted sum."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({name: rng.normal(size=10 * n_days) for name in columns})
    rows["late"] = sum(rows[name] * slope for name, slope in columns.items())
    rows["late"] += rng.normal(size=len(rows))
    day = np.repeat(np.arange(n_days), 10)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    return rows


def case_of(
    rows: pd.DataFrame, model: object, features: list[str], **tables: pd.DataFrame
) -> Case:
    file = case_file("regression", model={"features": features}, data={"entity": None})
    return load_case(file, frames={"reference": rows, **tables}, model=model)


def linear_case(**columns: float) -> Case:
    training, reference = frame_of(1, **columns), frame_of(2, **columns)
    model = LinearRegression().fit(training[list(columns)], training["late"])
    return case_of(reference, model, list(columns), training=training)


def ranks_of(found: Measurement) -> pd.DataFrame:
    return found.tables["ranks"].set_index("column")


def value_of(found: Measurement, metric: str, group: str = "") -> pd.Series:
    rows = found.summary
    return rows[(rows["metric"] == metric) & (rows["group"] == group)].iloc[0]


def test_ranks_far_apart_are_settled() -> None:
    found = measure(linear_case(a=4.0, b=2.0, c=1.0), SMALL)

    assert value_of(found, "separated_ranks")["value"] == 3
    assert ranks_of(found)["best_rank"].tolist() == [1, 2, 3]
    assert ranks_of(found)["worst_rank"].tolist() == [1, 2, 3]
    assert "3 can be sworn to: 1 a, 2 b, 3 c" in found.notes[0]


def test_equal_columns_are_tied() -> None:
    found = measure(linear_case(a=4.0, b=1.0, c=1.0), SMALL)

    ranks = ranks_of(found)
    assert ranks.loc["a", "settled"]
    assert not ranks.loc[["b", "c"], "settled"].any()
    assert ranks.loc["b", ["best_rank", "worst_rank"]].tolist() == [2, 3]
    assert value_of(found, "separated_ranks")["value"] == 1


def test_no_settled_rank_is_called_none() -> None:
    found = measure(linear_case(b=1.0, c=1.0), SMALL)

    assert value_of(found, "separated_ranks")["value"] == 0
    assert "none can be sworn to (all" in found.notes[0]


def test_identical_features_are_tied_when_the_model_splits_them() -> None:
    rows = frame_of(a=3.0, c=1.0).assign(b=lambda one: one["a"])
    model = Ridge().fit(rows[["a", "b", "c"]], rows["late"])

    found = measure(case_of(rows, model, ["a", "b", "c"]), SMALL)

    ranks = ranks_of(found)
    assert ranks.loc["a", ["best_rank", "worst_rank"]].tolist() == [1, 2]
    assert ranks.loc["b", ["best_rank", "worst_rank"]].tolist() == [1, 2]
    assert ranks.loc["c", "settled"]


def test_identical_features_are_tied_when_the_model_uses_only_one() -> None:
    rows = frame_of(celsius=3.0, c=1.0)
    rows["fahrenheit"] = 32 - 1.8 * rows["celsius"]
    features = ["celsius", "c", "fahrenheit"]
    case = case_of(rows, lambda one: 3 * one["celsius"] + one["c"], features)

    found = measure(case, SMALL)

    ranks = ranks_of(found)
    assert ranks.loc["celsius", "same_as"] == "fahrenheit"
    assert ranks.loc["celsius", ["best_rank", "worst_rank"]].tolist() == [1, 3]
    assert ranks.loc["fahrenheit", ["best_rank", "worst_rank"]].tolist() == [1, 3]
    assert not ranks.loc["celsius", "settled"]
    assert any("hold the same under two names" in note for note in found.notes)


def test_twins_are_found_by_what_they_hold() -> None:
    up = np.array([3.0, 1.0, np.nan, 2.0, 5.0, 4.0])
    rows = pd.DataFrame(
        {
            "up": up,
            "down": 32 - 1.8 * up,
            "filled": np.nan_to_num(up),
            "word": ["x", "y", "x", "y", "y", "z"],
            "number": [7.0, 2.0, 7.0, 2.0, 2.0, 3.0],
            "coarser": ["x", "y", "x", "y", "y", "y"],
            "key": list("abcdef"),
            "name": list("uvwxyz"),
            "one": 1.0,
            "same": 2.0,
            "pair": [np.array([one, 1]) for one in "xyxyyz"],
        }
    )

    groups = [[rows.columns[one] for one in group] for group in find_twins(rows)]

    assert groups == [["up", "down"], ["word", "number", "pair"]]


def test_days_that_hang_together_are_not_taken_for_rows() -> None:
    # Two columns of equal mean size that hang together by day: at most one set of
    # rows in twenty may call them apart. Told that rows are independent, far more do.
    apart = {"days": 0, "rows": 0}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(60), 10)
        sizes = np.exp(rng.normal(size=(60, 2)))[day] + rng.random((600, 2))
        by_day = surely_ahead(sizes, np.zeros(2), Clusters(block=day))
        by_row = surely_ahead(sizes, np.zeros(2), Clusters())
        apart["days"] += int(by_day.any())
        apart["rows"] += int(by_row.any())

    assert apart["days"] <= 13  # 5 % of 120, plus three standard errors
    assert apart["rows"] > 40


def test_noise_of_draws_counts_against_the_leader() -> None:
    sizes = np.random.default_rng(1).random((500, 2)) + np.array([0.3, 0.0])

    certain = surely_ahead(sizes, np.zeros(2), Clusters())
    noisy = surely_ahead(sizes, np.array([0.3, 0.0]), Clusters())

    assert certain.tolist() == [[False, True], [False, False]]
    assert not noisy.any()


def test_ranks_follow_from_who_is_ahead() -> None:
    # 0 before 1, 2 and 3; 1 before 3; nothing else is known.
    ahead = np.zeros((4, 4), dtype=bool)
    ahead[0, 1:], ahead[1, 3] = True, True

    best, worst = rank_sets(ahead)

    assert best.tolist() == [1, 2, 2, 3]
    assert worst.tolist() == [1, 3, 4, 4]


def test_overlap_by_hand() -> None:
    # Shared at depth 1, 2, 3: 0, 2/2, 3/3. 0.9^3 + 0.1 (0 + 0.9 + 0.81) = 0.9.
    found = overlap(np.array([0, 1, 2, 3]), np.array([1, 0, 2, 3]), 3)

    assert found == pytest.approx(0.9)
    assert overlap(np.arange(4), np.array([3, 2, 1, 0]), 2) == 0.0
    assert overlap(np.arange(4), np.arange(4), 10) == pytest.approx(1.0)


def test_agreement_of_correlated_importances_has_its_closed_form() -> None:
    # Kendall's tau of a bivariate normal is 2/pi arcsin(rho): .5903 at .8.
    rng = np.random.default_rng(4)
    one = rng.normal(size=2000)
    other = 0.8 * one + 0.6 * rng.normal(size=2000)

    expected = 2 / np.pi * np.arcsin(0.8)
    assert agreement(one, other) == pytest.approx(expected, abs=0.03)


def test_interval_over_fits_is_the_jackknife() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.random((7, 6))

    _, tau = alike(vectors, 5, rng, 100)

    def mean_tau(rows: np.ndarray) -> float:
        n = len(rows)
        pairs = [agreement(rows[a], rows[b]) for a in range(n) for b in range(a)]
        return float(np.mean(pairs))

    left = [mean_tau(np.delete(vectors, one, axis=0)) for one in range(7)]
    se = np.sqrt(6 / 7 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert tau.value == pytest.approx(mean_tau(vectors))
    assert tau.se == pytest.approx(se)


def _fits(rng: np.random.Generator, n_fits: int) -> np.ndarray:
    return np.linspace(1.0, 0.3, 8) + rng.normal(0, 0.12, (n_fits, 8))


@pytest.mark.slow
def test_interval_over_fits_covers_the_mean_agreement_of_any_two() -> None:
    rng = np.random.default_rng(0)
    pairs = [_fits(rng, 2) for _ in range(8000)]
    orders = [np.argsort(-one, axis=1) for one in pairs]
    truth = (
        np.mean([overlap(one[0], one[1], 5) for one in orders]),
        np.mean([agreement(one[0], one[1]) for one in pairs]),
    )

    missed = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = alike(_fits(rng, 20), 5, rng, 100)
        missed.append(
            [
                (one.ci_low > true, one.ci_high < true)
                for one, true in zip(found, truth, strict=True)
            ]
        )

    # 5 % plus three standard errors of 200 draws; an interval never misses none.
    rates = np.mean(missed, axis=0)
    assert rates.max() <= 0.096
    assert rates.sum(axis=1).min() > 0.01


def test_equal_sizes_do_not_agree_by_their_place_in_the_table() -> None:
    found, tau = alike(np.ones((10, 12)), 3, np.random.default_rng(1), 100)

    assert found.value < 0.6
    assert tau.value == 0


def test_refits_of_a_clear_model_agree() -> None:
    found = measure(linear_case(a=4.0, b=2.0, c=1.0), FULL)

    for metric in ("rank_overlap", "rank_correlation"):
        assert value_of(found, metric)["value"] == pytest.approx(1.0)
        assert value_of(found, metric, "other seeds, same rows")["value"] == 1.0
    assert len(found.tables["fits"]) == 9
    assert any("fitted again on other training rows" in one for one in found.notes)


def coin_tosses(z: tuple[float, ...]) -> Case:
    """Return a linear model whose coefficients lie z standard errors from zero."""
    names = [f"x{place}" for place in range(len(z))]
    rows = frame_of(3, n_days=80, **dict.fromkeys(names, 0.0))
    X = np.column_stack([np.ones(len(rows)), rows[names]])
    late = rows["late"].to_numpy()
    noise = late - X @ np.linalg.lstsq(X, late)[0]  # fits to nothing
    freedom = len(rows) - X.shape[1]
    inverse = np.linalg.inv(X.T @ X)
    se = np.sqrt(np.diag(inverse)[1:] * (noise @ noise) / freedom)
    rows["late"] = noise + X[:, 1:] @ (se * z)
    model = LinearRegression().fit(rows[names], rows["late"])
    return case_of(rows, model, names, training=rows)


@pytest.mark.slow
def test_direction_of_a_coefficient_is_kept_as_its_distance_from_zero_says() -> None:
    # A coefficient z standard errors from zero keeps its sign with chance Phi(|z|).
    # The days are of independent rows, so drawing days is drawing rows.
    z, n_fits = (0.2, -0.5, 0.8, -1.2, 1.6), 200
    values = {**FULL.values, "refits": n_fits, "refit_rows": 50}

    found = measure(coin_tosses(z), replace(FULL, values=values))

    kept = [value_of(found, "direction_kept", f"x{one}") for one in range(len(z))]
    expected = norm.cdf(np.abs(z))
    error = np.sqrt(expected * (1 - expected) / n_fits)
    away = ([one["value"] for one in kept] - expected) / error
    assert np.abs(away).max() < 3
    assert abs(away.mean()) < 3 / np.sqrt(len(z))
    assert all(
        one["ci_low"] < at < one["ci_high"]
        for one, at in zip(kept, expected, strict=True)
    )


def test_direction_of_words_and_of_unused_columns_is_none() -> None:
    x = np.arange(6.0)
    rows = pd.DataFrame({"up": x, "word": list("abcabc"), "gone": x, "holes": x})
    rows.loc[2, "holes"] = np.nan
    values = np.column_stack([2 * x, x, 0 * x, -x])

    own = directions_of(rows, values)
    kept = kept_shares(own, np.array([[1.0, 1, 1, -1], [-1, 1, 1, np.nan]]), 6)

    assert own[[0, 3]].tolist() == [1, -1]
    assert np.isnan(own[[1, 2]]).all()
    assert [None if one is None else one.value for one in kept] == [
        0.5,
        None,
        None,
        0.5,
    ]


def test_refits_of_a_model_that_learnt_noise_disagree() -> None:
    found = measure(linear_case(**dict.fromkeys("abcdefgh", 0.0)), FULL)

    row = value_of(found, "rank_correlation")
    assert row["ci_high"] < 0.6
    assert value_of(found, "rank_overlap")["ci_low"] < 0.8


def test_quick_profile_says_that_fits_were_not_compared() -> None:
    found = measure(linear_case(a=4.0, b=2.0), SMALL)

    row = value_of(found, "rank_overlap")
    assert row["reason"] == Reason.NOT_IN_PROFILE
    assert np.isnan(row["value"])
    assert "not measured" in found.notes[-1]


def test_quick_profile_judges_what_other_rows_would_rank() -> None:
    review = open_review(linear_case(a=4.0, b=2.0))

    shown = review.check("rank_stability", rows=300, background=100).result

    by_group = {(one.metric, one.group): one for one in shown.findings}
    assert shown.status is Status.PASS
    assert by_group["rank_overlap", REDRAWN].status is Status.PASS
    assert by_group["rank_overlap", ""].reason == Reason.NOT_IN_PROFILE
    assert by_group["rank_overlap", ""].status is Status.NOT_ASSESSED


def test_function_cannot_be_fitted_again() -> None:
    rows = frame_of(a=3.0, c=1.0)
    case = case_of(rows, lambda one: 3 * one["a"] + one["c"], ["a", "c"])

    found = measure(case, FULL)

    assert value_of(found, "rank_overlap")["reason"] == Reason.NO_REFIT
    assert value_of(found, "separated_ranks")["value"] == 2


def test_constant_model_has_no_ranks() -> None:
    rows = frame_of(a=3.0, c=1.0)
    case = case_of(rows, lambda one: np.zeros(len(one)), ["a", "c"])

    with pytest.raises(NotAssessedError) as caught:
        measure(case, SMALL)

    assert caught.value.code == Reason.NOT_MEASURED


def test_unused_column_is_no_rank() -> None:
    rows = frame_of(a=3.0, c=1.0)
    case = case_of(rows, lambda one: 3 * one["a"], ["a", "c"])

    found = measure(case, SMALL)

    assert not ranks_of(found).loc["c", "used"]
    assert value_of(found, "separated_ranks")["value"] == 1
    assert "Of the 1 ranks" not in found.notes[0]


def test_figure_writes_settled_and_tied() -> None:
    found = measure(linear_case(a=4.0, b=1.0, c=1.0), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    words = {text.get_text() for text in axes.texts}
    assert words == {"settled", "tied, 2 to 3"}
    assert "can be sworn to" in alt(found)


def test_order_of_the_rows_does_not_matter() -> None:
    rows = frame_of(1, a=1.0, b=1.0, c=0.9, d=0.9, e=1.1, f=1.0)
    mixed = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    features = list("abcdef")

    one, other = (
        measure(case_of(each, lambda one: one.sum(axis=1), features), SMALL).summary
        for each in (rows, mixed)
    )

    assert one.loc[1, "value"] < 0.9  # redrawn rows tell the blocks apart
    pd.testing.assert_frame_equal(one, other)
