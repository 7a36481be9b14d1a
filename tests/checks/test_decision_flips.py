from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from readiness.boosters import load_booster
from readiness.case import Case, load_case
from readiness.checks.stress._decisions import decider_of
from readiness.checks.stress._noise import flip_interval, noise_of, placed
from readiness.checks.stress._split_points import moves_of, split_points
from readiness.checks.stress.decision_flips import CHECK, alt, draw, measure
from readiness.columns import Column
from readiness.errors import CaseError, NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Measurement, Options
from readiness.scoring import count_calls
from readiness.stats import Clusters
from tests.cases import case_file, small_frames
from tests.coverage_cases import plain_case
from tests.judging import TODAY, policy_with

WEIGHTS = {"a": 2.0, "b": -1.0, "c": 0.5}
LENGTH = np.sqrt(sum(one**2 for one in WEIGHTS.values()))
TAU = 0.5
Model = Callable[[pd.DataFrame], np.ndarray]


def options(**changes: object) -> Options:
    return Options(values={**CHECK.defaults, **changes})


def linear(frame: pd.DataFrame) -> np.ndarray:
    return sum(weight * frame[name] for name, weight in WEIGHTS.items()).to_numpy()


def logistic(frame: pd.DataFrame) -> np.ndarray:
    return 1 / (1 + np.exp(-linear(frame)))


def gaussian(n_rows: int, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=[*WEIGHTS])
    return rows.assign(y=rng.integers(0, 2, n_rows))


def gaussian_case(
    rows: pd.DataFrame, *, sd: float | None = TAU, model: Model = logistic, **more: dict
) -> Case:
    columns = {} if sd is None else {name: {"measurement_sd": sd} for name in WEIGHTS}
    columns = {
        name: {**columns.get(name, {}), **more.get(name, {})} for name in WEIGHTS
    }
    return plain_case(features=[*WEIGHTS], columns=columns, model=model, reference=rows)


@pytest.fixture(scope="module")
def found() -> Measurement:
    return measure(gaussian_case(gaussian(8000)), options(rows=8000, search_rows=60))


def rows_of(measurement: Measurement) -> pd.DataFrame:
    summary = measurement.summary
    return summary[summary["metric"] == "flip_share"].set_index("group")


def flip_law(tau: float) -> float:
    """Return the share of signs of a Gaussian that noise of relative SD tau flips."""
    return float(np.arctan(tau) / np.pi)


def test_gaussian_score_flips_by_the_arctan_law(found: Measurement) -> None:
    row = rows_of(found).loc[""]

    assert flip_law(0.5) == pytest.approx(0.1476, abs=5e-5)
    assert abs(row["value"] - flip_law(TAU)) < 3 * row["se"]
    assert row["ci_low"] < flip_law(TAU) < row["ci_high"]


@pytest.mark.parametrize("place", range(4))
def test_curve_follows_the_arctan_law(place: int, found: Measurement) -> None:
    point = found.tables["curve"].iloc[place]

    truth = flip_law(TAU * float(point["noise_in_sd"]))

    assert point["flip_share"] == pytest.approx(truth, abs=0.006)


@pytest.mark.parametrize("name", WEIGHTS)
def test_one_noisy_feature_flips_by_its_part_of_the_score(
    name: str, found: Measurement
) -> None:
    row = rows_of(found).loc[name]

    assert (
        abs(row["value"] - flip_law(TAU * abs(WEIGHTS[name]) / LENGTH)) < 3 * row["se"]
    )


def test_row_flips_by_the_normal_law_of_its_margin() -> None:
    # Ten rows whose score lies m noise SDs above zero: each flips with Phi(-m).
    m = np.linspace(0.05, 2.3, 10)
    rows = pd.DataFrame({"a": m * TAU * LENGTH / WEIGHTS["a"], "b": 0.0, "c": 0.0})
    rows["y"] = np.arange(10) % 2

    nearest = measure(gaussian_case(rows), options()).tables["nearest"]

    truth = norm.cdf(-m)
    error = np.sqrt(truth * (1 - truth) / 200)
    assert nearest["row"].tolist() == list(range(10))
    assert (np.abs(nearest["flip_share"] - truth) < 3.5 * error).all()
    assert np.mean((nearest["ci_low"] < truth) & (truth < nearest["ci_high"])) >= 0.8


def test_undeclared_noise_is_assumed_said_so_and_held_against_no_limit() -> None:
    case = gaussian_case(gaussian(4000), sd=None)

    found = measure(case, options(search_rows=5))

    row = rows_of(found).loc["assumed noise"]
    assert abs(row["value"] - flip_law(0.05)) < 3 * row["se"]
    assert found.notes[0].startswith("The case file declares no measurement noise.")
    assert "5 % of its SD" in found.notes[0]
    names = declared(case.file, case.metric.name, higher_is_better=True)
    limits = limits_in_force(CHECK, policy_with(tier="high"), names)
    judged = judge(CHECK, found, limits, policy_with(tier="high"), TODAY)
    limited = [one for one in judged if one.limit is not None]
    assert [(one.status, one.value) for one in limited] == [("not_assessed", None)]


@pytest.mark.parametrize(("sd", "status"), [(0.05, "pass"), (0.5, "fail")])
def test_declared_noise_is_held_against_the_limit(sd: float, status: str) -> None:
    case = gaussian_case(gaussian(4000), sd=sd)
    found = measure(case, options(search_rows=5))
    names = declared(case.file, case.metric.name, higher_is_better=True)

    limits = limits_in_force(CHECK, policy_with(tier="high"), names)
    judged = judge(CHECK, found, limits, policy_with(tier="high"), TODAY)

    assert [one.status for one in judged if one.limit is not None] == [status]


def by_largest(frame: pd.DataFrame) -> np.ndarray:
    """Return three probabilities; the third is never the largest."""
    first = 0.9 * logistic(frame)
    return np.column_stack([first, 0.9 - first, np.full(len(frame), 0.1)])


by_largest.classes_ = np.array(["no", "other", "yes"])


def test_several_classes_flip_where_the_largest_changes() -> None:
    rows = gaussian(6000)
    rows["y"] = np.array(["no", "other", "yes"])[np.arange(6000) % 3]
    case = plain_case(
        features=[*WEIGHTS],
        task="multiclass",
        columns={name: {"measurement_sd": TAU} for name in WEIGHTS},
        model=by_largest,
        reference=rows,
    )

    row = rows_of(measure(case, options(search_rows=5))).loc[""]

    assert abs(row["value"] - flip_law(TAU)) < 3 * row["se"]


def regression(**model: object) -> Case:
    rows = gaussian(4000)
    file_model = {"features": [*WEIGHTS], **model}
    file = case_file(
        "regression",
        model=file_model,
        data={"time": None, "entity": None, "target": "y"},
        columns={name: {"measurement_sd": 0.5} for name in WEIGHTS},
    )
    return load_case(file, frames={"reference": rows.astype(float)}, model=linear)


def test_number_is_another_decision_where_it_moves_beyond_the_tolerance() -> None:
    case = regression()

    row = rows_of(measure(case, options(tolerance=1.0, search_rows=5))).loc[""]

    truth = 2 * norm.cdf(-1.0 / (0.5 * LENGTH))
    assert abs(row["value"] - truth) < 3 * row["se"]


def test_number_with_a_threshold_is_a_decision() -> None:
    row = rows_of(measure(regression(threshold=0.0), options(search_rows=5))).loc[""]

    assert abs(row["value"] - flip_law(0.5)) < 3 * row["se"]


def test_number_without_either_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError, match="as tolerance under") as raised:
        measure(regression(), options())

    assert raised.value.code is Reason.NOT_MEASURED


def test_decision_at_the_threshold_is_positive(binary_case: Case) -> None:
    decider = decider_of(binary_case, None)
    at, below = np.array([0.5]), np.array([0.5 - 1e-12])

    assert decider.flipped(at, below).tolist() == [True]
    assert decider.flipped(at, at).tolist() == [False]


def test_noise_keeps_gaps_whole_numbers_and_the_declared_range() -> None:
    column = Column(name="x", kind="numeric", range=(0.0, 10.0))
    floats = pd.Series([1.0, np.nan, 12.0, 9.0])
    whole = pd.Series([1, 2, 3, 9])

    moved = placed(floats, np.array([-3.0, 5.0, 14.0, 11.0]), column)
    rounded = placed(whole, np.array([1.4, 2.6, -2.0, 30.0]), column)

    # 12 lies outside already and may stay there, no farther.
    assert moved.tolist()[0] == 0.0
    assert np.isnan(moved[1])
    assert moved.tolist()[2:] == [12.0, 10.0]
    assert rounded.dtype == whole.dtype
    assert rounded.tolist() == [1, 3, 0, 10]


def test_only_declared_noise_is_added_where_some_is_declared() -> None:
    rows = gaussian(200)
    columns = {
        "a": Column(name="a", kind="numeric", measurement_sd=2.0),
        "b": Column(name="b", kind="numeric"),
    }

    assert noise_of(columns, rows, 0.05) == ({"a": 2.0}, True)


def test_features_taken_as_exact_are_named_or_counted() -> None:
    rows = gaussian(200)
    exact = {f"exact_{place}": rows["b"] * place for place in range(12)}
    case = plain_case(
        features=["a", *exact],
        columns={"a": {"measurement_sd": 0.1}},
        model=lambda frame: 1 / (1 + np.exp(-frame["a"])),
        reference=rows.assign(**exact),
    )

    found = measure(case, options(search_rows=5, search_columns=1))

    (told,) = [one for one in found.notes if one.startswith("Taken as exact")]
    assert told.count("exact_") == 10
    assert told.endswith("exact_9 and 2 more.")


def test_table_without_a_varying_number_is_not_assessed() -> None:
    case = gaussian_case(gaussian(50).assign(a=1.0, b=1.0, c=1.0), sd=None)

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_COLUMNS


def test_rows_of_a_day_that_flip_together_widen_the_interval() -> None:
    # All rows of a day have one score: near the threshold on some days only.
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(80), 50)
    rows = pd.DataFrame({"a": rng.normal(0, 1, 80)[day], "b": 0.0, "c": 0.0})
    rows["y"], rows["day"] = np.arange(4000) % 2, day
    case = plain_case(
        features=[*WEIGHTS],
        columns={"a": {"measurement_sd": 0.2}},
        data={"block": "day"},
        model=logistic,
        reference=rows,
    )

    row = rows_of(measure(case, options(search_rows=5))).loc[""]

    assert row["n_blocks"] == 80
    assert row["n_rows"] == 4000
    assert row["dependence_factor"] > 1.5


def test_error_of_clustered_flips_is_that_of_their_sums_by_day() -> None:
    rng = np.random.default_rng(8)
    day = rng.permutation(np.repeat(np.arange(50), 30))
    flips = rng.random((3, 1500)) < rng.beta(1, 9, 50)[day]

    share = flip_interval(flips, Clusters(block=day), None)

    sums = np.bincount(day, (flips - flips.mean()).sum(axis=0))
    assert share.value == pytest.approx(flips.mean())
    assert share.se == pytest.approx(np.sqrt(50 / 49 * np.sum(sums**2)) / 4500)
    assert (share.n_rows, share.n_blocks) == (1500, 50)
    assert share.dependence_factor > 1.5


def test_values_of_sensitive_features_are_not_listed() -> None:
    case = gaussian_case(gaussian(500), b={"sensitive": True})

    found = measure(case, options(search_rows=40, immutable=["a", "c"]))

    nearest, changes = found.tables["nearest"], found.tables["cheapest"]
    assert set(nearest["value of b"]) == {"not shown (sensitive)"}
    assert not set(nearest["value of a"]) & {"not shown (sensitive)"}
    moved = changes.loc[changes["flipped"], "change"]
    assert len(moved) > 5
    assert set(moved) == {"b: not shown (sensitive)"}


def test_feature_may_be_called_like_a_column_of_the_table() -> None:
    rows = gaussian(50).rename(columns={"a": "distance"})
    case = plain_case(
        features=["distance"],
        model=lambda frame: np.where(frame["distance"] > 0, 0.7, 0.3),
        reference=rows,
    )

    nearest = measure(case, options()).tables["nearest"]

    assert nearest["distance"].to_numpy() == pytest.approx(0.2)
    assert "value of distance" in nearest


def test_search_of_a_linear_model_finds_the_cheapest_single_feature(
    found: Measurement,
) -> None:
    rows = gaussian(8000)
    spread = rows[[*WEIGHTS]].std(ddof=0)
    score = linear(rows)

    changes = found.tables["cheapest"]
    single = changes[changes["n_features"] == 1]

    # |s| / (|w| SD), smallest over the features that may move so far.
    low, high = rows[[*WEIGHTS]].quantile(0.01), rows[[*WEIGHTS]].quantile(0.99)
    own = score[single["row"]]
    costs = []
    for name, weight in WEIGHTS.items():
        to = rows[name].to_numpy()[single["row"]] - own / weight
        cost = np.abs(own) / (abs(weight) * spread[name])
        costs.append(np.where((to > low[name]) & (to < high[name]), cost, np.inf))
    truth = np.min(costs, axis=0)
    assert len(single) > 30
    assert single["cost_in_sd"].to_numpy() == pytest.approx(truth, abs=2e-3)
    assert (single["cost_in_sd"].to_numpy() >= truth - 1e-9).all()


def test_median_has_the_interval_of_the_share_below_it(found: Measurement) -> None:
    row = found.summary.set_index("metric").loc["cheapest_flip"]
    cost = found.tables["cheapest"]["cost_in_sd"].fillna(np.inf).sort_values()

    # 60 rows: Clopper-Pearson of one half is .39 to .61, so orders 24 to 37.
    assert row["value"] == cost.iloc[29]
    assert cost.iloc[21] <= row["ci_low"] <= cost.iloc[24]
    assert cost.iloc[35] <= row["ci_high"] <= cost.iloc[38]


def both_high(frame: pd.DataFrame) -> np.ndarray:
    """Return yes where two features are high: neither does it alone."""
    return 0.1 + 0.3 * (frame["a"] > 1) + 0.3 * (frame["b"] > 1).to_numpy()


def test_search_goes_on_where_no_single_feature_flips() -> None:
    rows = pd.DataFrame({"a": np.linspace(-2, 2, 401)})
    rows["b"], rows["c"], rows["y"] = rows["a"][::-1].to_numpy(), 0.0, 0
    rows.loc[::2, "y"] = 1
    low = rows[~(rows["a"] > 1) & ~(rows["b"] > 1)]

    changes = measure(
        gaussian_case(rows, model=both_high), options(search_rows=401)
    ).tables["cheapest"]

    two = changes[changes["row"].isin(low.index)]
    assert two["flipped"].all()
    assert two["n_features"].eq(2).all()
    assert changes[~changes["row"].isin(low.index)]["n_features"].eq(1).all()


def boosted_case() -> Case:
    rows = gaussian(2500, seed=9)
    rows["y"] = (linear(rows) + np.sin(3 * rows["a"]) > 0.3).astype(int)
    model = HistGradientBoostingClassifier(max_iter=12, random_state=0)
    model.fit(rows[[*WEIGHTS]], rows["y"])
    return plain_case(features=[*WEIGHTS], model=model, reference=rows)


def test_search_of_trees_is_exhaustive_for_one_feature() -> None:
    case = boosted_case()
    rows = case.table("reference").take(np.arange(2500), [*WEIGHTS])
    spread = rows.std(ddof=0)

    changes = measure(case, options(search_rows=25, search_columns=1)).tables[
        "cheapest"
    ]

    for line in changes.to_dict("records"):
        own = rows.iloc[line["row"]]
        truth = min(
            _by_brute_force(case, own, name, rows[name]) / spread[name]
            for name in WEIGHTS
        )
        assert line["flipped"] == np.isfinite(truth)
        if line["flipped"]:
            assert line["cost_in_sd"] == pytest.approx(truth, abs=2e-3)


def _by_brute_force(
    case: Case, own: "pd.Series[float]", name: str, column: "pd.Series[float]"
) -> float:
    low, high = column.quantile([0.01, 0.99])
    grid = np.linspace(low, high, 4001)
    frame = pd.DataFrame([own] * len(grid)).assign(**{name: grid})
    score = case.model.predict(pd.concat([pd.DataFrame([own]), frame]))
    flips = (score[1:] >= 0.5) != (score[0] >= 0.5)
    return float(np.abs(grid - own[name])[flips].min(initial=np.inf))


def test_split_points_are_read_through_a_scaler_and_from_a_forest() -> None:
    rows = gaussian(800)
    rows["a"] = 200 + 50 * rows["a"]
    rows["y"] = (rows["a"] > 212).astype(int)
    steps = (StandardScaler(), RandomForestClassifier(5, max_depth=1, random_state=0))
    model = make_pipeline(*steps).fit(rows[["a"]], rows["y"])
    case = plain_case(features=["a"], model=model, reference=rows)

    splits = split_points(case, rows)["a"]

    # Each tree splits between two neighbours of its own draw of the rows.
    assert np.abs(splits - 212).max() < 1.0
    # Moves lie inside the two intervals that one split leaves.
    moves = moves_of(case, rows, ())
    assert moves[0].by_splits
    assert len(moves[0].values) == len(splits) + 1


def test_zero_is_told_as_zero_where_a_model_splits_just_above_it() -> None:
    # LightGBM's own threshold for zero; a change "to 5e-36" is not one people make.
    rows = gaussian(400).assign(a=lambda one: np.maximum(one["a"], 0.0))
    lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm")
    fitted = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    fitted.fit(rows[["a"]], rows["a"] > 0)
    text = fitted.booster_.model_to_string().encode()
    model = load_booster(text, "lightgbm")
    case = plain_case(features=["a"], model=model, reference=rows[["a", "y"]])

    (move,) = moves_of(case, rows[["a"]], ())

    assert move.by_splits
    assert 0.0 in move.values
    assert not np.any((move.values > 0) & (move.values < 1e-6))


def test_immutable_features_stay_and_unknown_ones_are_an_error() -> None:
    case = gaussian_case(gaussian(600))

    kept = measure(case, options(search_rows=20, immutable=["a", "b"]))
    none = measure(case, options(search_rows=20, immutable=[*WEIGHTS]))

    assert set(kept.tables["cheapest"]["first_feature"]) <= {"c", ""}
    cost = none.summary.set_index("metric").loc["cheapest_flip"]
    assert cost["reason"] == Reason.NO_COLUMNS
    with pytest.raises(CaseError, match="'speed' is none"):
        measure(case, options(immutable=["speed"]))


def test_decision_that_nothing_flips_is_beyond_support() -> None:
    case = gaussian_case(gaussian(300), model=lambda frame: np.full(len(frame), 0.9))

    found = measure(case, options(search_rows=40))

    row = found.summary.set_index("metric").loc["cheapest_flip"]
    assert row["censored"]
    assert np.isnan(row["value"])
    assert row["reason"] == Reason.BEYOND_SUPPORT
    assert rows_of(found).loc["", "value"] == 0.0
    assert rows_of(found).loc["", "ci_high"] > 0.0


def refuses_noise(frame: pd.DataFrame) -> np.ndarray:
    """Refuse values that are no multiples of one half."""
    if not np.all(frame["a"] % 0.5 == 0):
        msg = "a comes in halves"
        raise ValueError(msg)
    return np.where(frame["a"] > 0, 0.7, 0.3)


def test_refused_noise_is_said_and_is_no_zero() -> None:
    rows = gaussian(200)
    rows["a"] = np.round(rows["a"] * 2) / 2
    case = plain_case(
        features=["a"],
        columns={"a": {"measurement_sd": 1.0}},
        model=refuses_noise,
        reference=rows,
    )

    found = measure(case, options())

    summary = found.summary
    assert summary["value"].isna().all()
    assert summary["reason"].eq(Reason.REFUSED).all()
    assert "no usable score" in found.notes[0]
    assert found.tables["nearest"]["flip_share"].isna().all()
    assert draw(found, CHECK.limits).axes


def test_model_calls_are_counted_and_stated() -> None:
    case = gaussian_case(gaussian(1000))

    with count_calls() as spent:
        found = measure(case, options(search_rows=10))

    said = found.notes[-1]
    # Four sizes of noise and three features, four draws of 1,000 rows; ten rows of
    # 200 draws.
    assert "scored 30,000 rows for the noise" in said
    of_search = int(said.split("noise and ")[1].split(" for")[0].replace(",", ""))
    assert spent.calls == 1000 + 30_000 + of_search


def test_work_on_many_features_is_bounded_by_fewer_rows() -> None:
    case = gaussian_case(gaussian(1000))

    found = measure(case, options(search_rows=5, most_scorings=1))

    assert rows_of(found).loc[["a", "b", "c"], "n_rows"].eq(300).all()
    assert rows_of(found).loc["", "n_rows"] == 1000


def test_wide_table_is_searched_in_parts_and_on_fewer_rows() -> None:
    rng = np.random.default_rng(4)
    names = [f"x{place}" for place in range(60)]
    rows = pd.DataFrame(rng.normal(size=(3000, 60)), columns=names)
    rows["y"] = np.arange(3000) % 2
    case = plain_case(
        features=names,
        model=lambda frame: 1 / (1 + np.exp(-frame["x0"] - 0.1 * frame["x59"])),
        reference=rows,
    )
    few = {"rows": 3000, "draws": 1, "most_scorings": 60 * 21 * 50}

    with count_calls() as spent:
        changes = measure(case, options(**few)).tables["cheapest"]

    # 60 features with 21 values each: 63,000 scorings are 50 rows, in two calls.
    assert len(changes) == 50
    assert set(changes["first_feature"]) <= {"x0", "x59", ""}
    assert (changes["first_feature"] == "x0").sum() > 30
    assert spent.calls < 3000 * 5 + 2000 + 63_000 * 2 + 4 * 63_000


def test_order_of_the_file_does_not_matter() -> None:
    rows = gaussian(700)
    again = rows.sample(frac=1, random_state=2).reset_index(drop=True)

    one, other = (
        measure(gaussian_case(some), options(search_rows=20)) for some in (rows, again)
    )

    pd.testing.assert_frame_equal(one.summary, other.summary)
    pd.testing.assert_frame_equal(one.tables["curve"], other.tables["curve"])


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_RESCORING


def test_figure_shows_the_curve_and_the_limit(found: Measurement) -> None:
    axes = draw(found, CHECK.limits).axes[0]

    texts = [text.get_text() for text in axes.texts]
    curve = next(line for line in axes.get_lines() if line.get_gid() == "curve")
    assert "at most 5 % at 1 SD" in texts
    assert curve.get_xdata().tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert alt(found) == found.notes[0]


@pytest.mark.slow
def test_interval_covers_the_share_of_flips_of_clustered_rows() -> None:
    # Scores of a day share a part of variance one half; the law is that of all rows.
    misses = np.array([_miss(seed) for seed in range(200)])

    error = np.sqrt(0.05 * 0.95 / 200)
    assert misses.mean(axis=0).max() < 0.05 + 3 * error
    assert misses.sum() > 2


def _miss(seed: int) -> tuple[bool, bool]:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(100), 12)
    score = np.sqrt(0.5) * (rng.normal(size=100)[day] + rng.normal(size=1200))
    rows = pd.DataFrame({"a": score, "b": 0.0, "c": 0.0, "day": day})
    rows["y"] = np.arange(1200) % 2
    case = plain_case(
        features=[*WEIGHTS],
        columns={"a": {"measurement_sd": 0.3}},
        data={"block": "day"},
        model=logistic,
        reference=rows,
    )
    row = rows_of(measure(case, options(search_rows=0, draws=2))).loc[""]
    truth = flip_law(0.3)
    return row["ci_low"] > truth, row["ci_high"] < truth
