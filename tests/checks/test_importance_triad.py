from dataclasses import replace
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, RidgeClassifier

from readiness.case import Case, load_case
from readiness.checks.explainability._agreement import rows_agreement
from readiness.checks.explainability._loss_games import Rows, shared, shuffled
from readiness.checks.explainability._redundancy import (
    ratio_interval,
    told_by_others,
)
from readiness.checks.explainability._triad_view import _disagreement
from readiness.checks.explainability.importance_triad import CHECK, alt, draw, measure
from readiness.errors import Reason
from readiness.result import Measurement, Options, Status
from readiness.review import open_review
from readiness.stats import Clusters, Estimate, clustered_interval
from tests.cases import FEATURES, binary_case, case_file, small_case, small_frames

QUICK = Options(values={**CHECK.defaults, "shared_rows": 300, "background": 8})
FULL = replace(QUICK, profile="full")
SHUFFLED, LEFT_OUT = "permutation_importance", "drop_column_importance"
SHARED, RATIO, TOLD = "loss_shapley", "redundancy_ratio", "told_by_others"


def correlated_rows(seed: int, n_days: int = 300) -> pd.DataFrame:
    """Return ten rows a day: a and b correlated by 0.6, c alone; late = -2a + b."""
    rng = np.random.default_rng(seed)
    n_rows = 10 * n_days
    one, other, c = rng.normal(size=(3, n_rows))
    rows = pd.DataFrame({"a": one, "b": 0.6 * one + 0.8 * other, "c": c})
    rows["late"] = -2 * rows["a"] + rows["b"] + 0.1 * rng.normal(size=n_rows)
    day = np.repeat(np.arange(n_days), 10)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    return rows


def case_of(model: object, **tables: pd.DataFrame) -> Case:
    file = case_file(
        "regression",
        model={"features": ["a", "b", "c"], "metric": "mean_squared_error"},
        data={"entity": None},
    )
    return load_case(file, frames=tables, model=model)


def linear_case() -> Case:
    training = correlated_rows(1)
    model = LinearRegression().fit(training[["a", "b", "c"]], training["late"])
    return case_of(model, training=training, reference=correlated_rows(2))


def rows_of(n_days: int = 60, seed: int = 3) -> Rows:
    rows = correlated_rows(seed, n_days)
    case = case_of(lambda one: -2 * one["a"] + one["b"], reference=rows)
    frame = rows[["a", "b", "c"]]
    return Rows(
        case=case,
        frame=frame,
        y_true=rows["late"].to_numpy(),
        said=case.model.predict(frame),
        weight=None,
        clusters=Clusters(),
    )


def table_of(found: Measurement, metric: str) -> pd.DataFrame:
    rows = found.summary
    return rows[rows["metric"] == metric].set_index("group")


@pytest.fixture(scope="module")
def linear() -> Measurement:
    return measure(linear_case(), FULL)


def test_shuffling_a_linear_column_has_its_closed_form(linear: Measurement) -> None:
    # 2 b^2 s^2, whatever the correlation: 2 x 4 and 2 x 1.
    values = table_of(linear, SHUFFLED)["value"]

    assert values["a"] == pytest.approx(8.0, rel=0.07)
    assert values["b"] == pytest.approx(2.0, rel=0.07)
    assert abs(values["c"]) < 0.01


def test_fit_without_a_linear_column_has_its_closed_form(linear: Measurement) -> None:
    # b^2 s^2 (1 - R^2): 4 x 0.64 and 0.64.
    values = table_of(linear, LEFT_OUT)["value"]

    assert values["a"] == pytest.approx(2.56, rel=0.07)
    assert values["b"] == pytest.approx(0.64, rel=0.07)
    assert abs(values["c"]) < 0.01


def test_fair_share_of_a_linear_column_has_its_closed_form(linear: Measurement) -> None:
    # b cov(x, f): f = -2a + b, so cov(a, f) = -1.4 and cov(b, f) = -0.2.
    rows = table_of(linear, SHARED)

    for name, truth in (("a", 2.8), ("b", -0.2), ("c", 0.0)):
        assert abs(rows.loc[name, "value"] - truth) <= 3.5 * rows.loc[name, "se"] + 0.01


def test_ratio_is_one_over_what_others_leave(linear: Measurement) -> None:
    # 1 / (1 - 0.36) = 1.5625 for both.
    rows = table_of(linear, RATIO)

    assert rows.loc["a", "value"] == pytest.approx(1.5625, rel=0.05)
    assert rows.loc["a", "ci_low"] < 1.5625 < rows.loc["a", "ci_high"]
    assert "c" not in rows.index


def test_share_told_by_others_has_its_closed_form(linear: Measurement) -> None:
    # Ranks of a bivariate normal correlate by 6/pi arcsin(rho / 2): .5819 at .6.
    truth = (6 / np.pi * np.arcsin(0.3)) ** 2
    rows = table_of(linear, TOLD)

    assert rows.loc["a", "value"] == pytest.approx(truth, abs=0.03)
    assert rows.loc["a", "ci_low"] < truth < rows.loc["a", "ci_high"]


def test_every_shift_gives_the_mean_over_all_pairs() -> None:
    rows = rows_of(n_days=4)
    n_rows = len(rows.frame)

    found = shuffled(rows, "a", np.arange(1, n_rows))

    a, b, y = (rows.frame["a"], rows.frame["b"], rows.y_true)
    clean = (y - (-2 * a + b)) ** 2
    pairs = [
        (y[i] - (-2 * a[k] + b[i])) ** 2 - clean[i]
        for i in range(n_rows)
        for k in range(n_rows)
        if i != k
    ]
    assert found.value == pytest.approx(np.mean(pairs))


def test_shuffling_agrees_with_scikit_learn() -> None:
    # Its own shuffles of the same rows, thirty of each column, scored by log loss.
    case = binary_case()
    often = replace(QUICK, values={**QUICK.values, "shuffles": 30})
    found = table_of(measure(case, often), SHUFFLED)
    table = case.table("reference")
    rows = table.take(np.arange(table.n_rows))

    theirs = permutation_importance(
        case.model.estimator,
        rows[list(FEATURES)],
        rows["late"],
        scoring="neg_log_loss",
        n_repeats=30,
        random_state=1,
    )

    for name, value, spread in zip(
        FEATURES, theirs.importances_mean, theirs.importances_std, strict=True
    ):
        room = 4 * spread * np.sqrt(2 / 30)  # standard errors of the difference
        assert abs(found.loc[name, "value"] - value) <= room + 1e-9


def test_error_counts_the_rows_that_give_values_too() -> None:
    # The truth of the error: the spread over many samples. Rows that get values
    # alone would explain too little of it.
    values, errors = [], []
    for seed in range(150):
        rows = rows_of(n_days=20, seed=seed)
        found = shuffled(rows, "a", np.array([1, 50, 120]))
        values.append(found.value)
        errors.append(clustered_interval(found, rows.clusters).se)

    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.25)


@pytest.mark.slow
def test_interval_of_shuffling_covers_its_closed_form_on_rows_that_come_in_days() -> (
    None
):
    # 2 b² s² = 8 for a, four fifths of whose variance lie between days.
    case = case_of(lambda one: -2 * one["a"] + one["b"], reference=correlated_rows(3))
    found = [_shuffled_in_days(case, seed) for seed in range(200)]

    def missed(*, in_days: bool) -> list[float]:
        codes = [Clusters(block=day) if in_days else Clusters() for _, day in found]
        limits = [
            clustered_interval(one, code)
            for (one, _), code in zip(found, codes, strict=True)
        ]
        above = np.mean([one.ci_low > 8 for one in limits])
        return [above, np.mean([one.ci_high < 8 for one in limits])]

    # 5 % plus three standard errors of 200 draws.
    assert max(missed(in_days=True)) <= 0.096
    assert max(missed(in_days=False)) > 0.096


def _shuffled_in_days(case: Case, seed: int) -> tuple[Estimate, np.ndarray]:
    rng = np.random.default_rng(seed)
    day = rng.permutation(np.repeat(np.arange(60), 5))
    a, b, c = rng.normal(size=(3, 300))
    a = np.sqrt(0.8) * rng.normal(size=60)[day] + np.sqrt(0.2) * a
    frame = pd.DataFrame({"a": a, "b": b, "c": c})
    said = (-2 * frame["a"] + frame["b"]).to_numpy()
    rows = Rows(
        case=case,
        frame=frame,
        y_true=said + 0.1 * rng.normal(size=300),
        said=said,
        weight=None,
        clusters=Clusters(block=day),
    )
    return shuffled(rows, "a", np.array([1, 50, 120])), day


def test_fair_shares_of_a_row_add_up_to_its_gain() -> None:
    rows = rows_of()

    values = shared(rows, 40, 4, np.random.default_rng(1))

    nothing = (rows.y_true[:40] - rows.said.mean()) ** 2
    own = (rows.y_true[:40] - rows.said[:40]) ** 2
    assert values.sum(axis=1) == pytest.approx(nothing - own)


def test_fair_shares_agree_with_all_coalitions() -> None:
    # Every coalition by hand, unknown columns taken from every row together.
    rows = rows_of(n_days=20)
    X, names, n_rows = rows.frame.to_numpy(), [0, 1, 2], len(rows.frame)

    def loss(known: tuple[int, ...]) -> float:
        mean = X.mean(axis=0)
        mixed = np.where([one in known for one in names], X, mean)  # f is linear
        return float(np.mean((rows.y_true + 2 * mixed[:, 0] - mixed[:, 1]) ** 2))

    exact = [
        sum(
            (loss(tuple(s)) - loss((*s, j))) / (3 * comb(2, len(s)))
            for size in range(3)
            for s in combinations([one for one in names if one != j], size)
        )
        for j in names
    ]
    values = shared(rows, n_rows, 2, np.random.default_rng(2))

    se = values.std(axis=0) / np.sqrt(n_rows)
    assert np.all(np.abs(values.mean(axis=0) - exact) <= 3.5 * se + 1e-9)


def test_interval_of_a_ratio_inverts_the_test() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.4], [0.0, 1.0]])
    top = Estimate(value=1.0, influence=noise[:, 0] - noise[:, 0].mean())
    bottom = Estimate(value=0.3, influence=noise[:, 1] - noise[:, 1].mean())

    value, low, high = ratio_interval(top, bottom, Clusters())

    def t(r: float) -> float:
        sums = top.influence - 2 * r * bottom.influence
        return (1.0 - 2 * r * 0.3) / (np.std(sums, ddof=1) / np.sqrt(400))

    assert value == pytest.approx(1 / 0.6)
    assert t(low) == pytest.approx(1.6487, abs=0.001)  # t with 399 degrees of freedom
    assert t(high) == pytest.approx(-1.6487, abs=0.001)


@pytest.mark.parametrize(("bottom", "is_least"), [(0.01, False), (-0.9, True)])
def test_ratio_without_a_sure_bottom_has_no_upper_limit(
    bottom: float, *, is_least: bool
) -> None:
    noise = np.random.default_rng(3).normal(size=(400, 2))
    parts = noise - noise.mean(axis=0)
    top = Estimate(value=1.0, influence=parts[:, 0])

    value, low, high = ratio_interval(
        top, Estimate(value=bottom, influence=parts[:, 1]), Clusters()
    )

    assert np.isinf(high)
    assert np.isnan(value) == (bottom < 0)
    assert (low == 100.0) == is_least
    assert low > 1


def test_identical_features_are_called_replaceable() -> None:
    tables = {
        name: correlated_rows(seed).assign(c=lambda one: one["a"])
        for seed, name in enumerate(("training", "reference"))
    }
    training = tables["training"]
    model = LinearRegression().fit(training[["a", "b", "c"]], training["late"])

    found = measure(case_of(model, **tables), FULL)

    rows = table_of(found, RATIO)
    assert rows.loc["a", "ci_low"] > 1.5
    assert table_of(found, TOLD).loc["a", "value"] > 0.99
    assert any("Do not call these needed" in note for note in found.notes)


def test_category_told_by_another_is_found() -> None:
    rng = np.random.default_rng(5)
    carrier = rng.choice(["AA", "DL", "UA"], 900)
    frame = pd.DataFrame(
        {
            "wind": rng.normal(size=900),
            "carrier": carrier,
            "distance": np.where(carrier == "UA", 5.0, 1.0),
        }
    )

    found = told_by_others(
        small_case(), frame, ["carrier", "distance", "wind"], Clusters(), None
    )

    assert found["distance"].value > 0.99
    assert 0.3 < found["carrier"].value < 0.99
    assert found["wind"].value < 0.02


def test_quick_profile_fits_nothing() -> None:
    found = measure(linear_case(), QUICK)

    assert table_of(found, LEFT_OUT).empty
    row = table_of(found, RATIO).loc[""]
    assert row["reason"] == Reason.NOT_IN_PROFILE
    assert np.isnan(row["value"])
    assert "not measured" in found.notes[1]


def test_quick_profile_judges_what_the_others_tell() -> None:
    rows = correlated_rows(2, 60)
    rows["b"] = (
        0.9 * rows["a"] + 0.436 * rows["c"].sample(frac=1, random_state=1).to_numpy()
    )
    rows["late"] = rows["a"] + rows["b"]
    review = open_review(case_of(lambda one: one["a"] + one["b"], reference=rows))

    shown = review.check("importance_triad", rows=600, shared_rows=50).result

    status = {(one.metric, one.group): one.status for one in shown.findings}
    assert shown.status is Status.FAIL
    assert status[TOLD, "a"] is Status.FAIL  # R² 0.81, far above a third
    assert status[RATIO, ""] is Status.NOT_ASSESSED


def test_function_cannot_be_fitted_again() -> None:
    case = case_of(
        lambda one: -2 * one["a"] + one["b"],
        reference=correlated_rows(2),
        training=correlated_rows(1),
    )

    found = measure(case, FULL)

    assert table_of(found, RATIO).loc[""]["reason"] == Reason.NO_REFIT
    assert table_of(found, SHUFFLED).loc["a", "ci_low"] > 0


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_column_that_decides_is_first_in_every_task(task: str) -> None:
    found = measure(small_case(task), FULL)

    values = table_of(found, SHUFFLED)["value"]
    assert values.index[0] == "wind"
    assert "wind" in found.notes[0]
    assert table_of(found, LEFT_OUT).loc["wind", "ci_low"] > 0
    assert table_of(found, SHARED).loc["wind", "ci_low"] > 0


def test_model_that_names_classes_is_charged_by_wrong_ones() -> None:
    frames = small_frames("multiclass")
    columns = ["wind", "distance"]
    model = RidgeClassifier().fit(
        frames["training"][columns], frames["training"]["late"]
    )
    file = case_file("multiclass", model={"metric": "accuracy"})
    case = load_case(file, frames=frames, model=model)

    found = measure(case, QUICK)

    rows = table_of(found, SHUFFLED)
    assert rows.loc["wind", "unit"] == "share"
    assert rows.loc["wind", "ci_low"] > 0
    assert rows.loc["wind", "value"] > rows.loc["distance", "value"]


def test_ranks_of_attribution_stand_beside() -> None:
    by_path = [1.0, 2.0, 3.0, 4.0, 5.0]
    sizes = pd.DataFrame(
        {
            "column": list(FEATURES),
            "mean_abs_attribution": [5.0, 4.0, 3.0, 2.0, 1.0],
            "path_dependent": by_path,
        }
    )
    games = rows_agreement(np.array([by_path]), np.array([by_path]))
    tables = {"importance": sizes, "games": games}
    other = Measurement(summary=pd.DataFrame(), tables=tables)

    found = measure(binary_case(), replace(QUICK, needed={"X2": other}))

    table = found.tables["triad"].set_index("column")
    places = {name: place + 1 for place, name in enumerate(FEATURES)}
    assert table["rank_attribution"].to_dict() == places
    assert table["rank_path_dependent"].to_dict() == {
        name: 6 - place for name, place in places.items()
    }
    shown = found.tables[CHECK.shown]
    ways = ["attribution", "path-dependent", "shuffled", "shared fairly"]
    assert shown.columns.tolist() == ["column", *ways]
    agreed = found.tables["agreement"].set_index(["one", "other", "compared"])
    agreed = agreed.sort_index()
    own = agreed.loc[("attribution", "path-dependent")]
    assert own.loc["row by row", "sign_agreement"] == 1
    assert own.loc["on average", "rank_agreement"] == 1 / 5  # the third of five
    assert ("shuffled", "shared fairly", "on average") in agreed.index


def test_no_game_by_path_is_said() -> None:
    sizes = pd.DataFrame(
        {
            "column": list("abcdefg"),
            "rank_attribution": range(1, 8),
            "rank_path_dependent": np.nan,
            f"rank_{SHUFFLED}": range(1, 8),
            f"rank_{SHARED}": range(7, 0, -1),
        }
    )

    (note,) = _disagreement(sizes)

    assert note.startswith("Ranked by attribution, by ")
    assert "the first 5 columns have 3 in common;" in note
    assert note.endswith("attributions are not available for this model.")


def test_figure_draws_the_ways_on_one_scale(linear: Measurement) -> None:
    axes = draw(linear, CHECK.limits).axes[0]

    lines = {line.get_label(): line for line in axes.get_lines()}
    assert "left out of the fit" in lines
    halved = lines["shuffled, halved"].get_xdata()
    assert halved[0] == pytest.approx(table_of(linear, SHUFFLED)["value"]["a"] / 2)
    assert alt(linear).startswith("Shuffling these raises the squared error most: a")


def test_order_of_the_rows_does_not_matter() -> None:
    frames = small_frames("binary")
    mixed = frames["reference"].sample(frac=1, random_state=1).reset_index(drop=True)

    one, other = (
        measure(
            small_case("binary", frames={**frames, "reference": rows}), QUICK
        ).summary
        for rows in (frames["reference"], mixed)
    )

    pd.testing.assert_frame_equal(one, other)
