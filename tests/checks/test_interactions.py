import datetime as dt
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from readiness.attribution_units import CLASS_LOG_ODDS
from readiness.case import Case, load_case
from readiness.checks.explainability._interplay import Grid, together
from readiness.checks.explainability._pair_view import alt, draw
from readiness.checks.explainability.interactions import CHECK, measure
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Finding, Measurement, Options
from readiness.scoring import count_calls
from readiness.stats import Clusters
from tests.cases import case_file
from tests.judging import policy_with

SMALL = Options(
    values={
        **CHECK.defaults,
        "rows": 200,
        "background": 200,
        "evaluations": 20_000,
        "points": 150,
    }
)
FEATURES = ["x", "z", "w"]


def rows_with(seed: int = 1, n_days: int = 60, per_day: int = 20) -> pd.DataFrame:
    """Return independent standard normals x, z and w."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), per_day)
    rows = pd.DataFrame(rng.normal(size=(len(day), 3)), columns=FEATURES)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    rows["late"] = rng.normal(size=len(day))
    return rows


def case_of(model: object, rows: pd.DataFrame | None = None) -> Case:
    file = case_file("regression", model={"features": FEATURES}, data={"entity": None})
    return load_case(
        file, frames={"reference": rows_with() if rows is None else rows}, model=model
    )


def product(gamma: float) -> Callable[[pd.DataFrame], object]:
    return lambda one: one["x"] + one["z"] + gamma * one["x"] * one["z"]


def pairs_of(measurement: Measurement) -> pd.DataFrame:
    return measurement.tables["pairs"].set_index(["first", "second"])


def pair_of(measurement: Measurement, *names: str) -> pd.Series:
    table = measurement.tables["pairs"]
    hit = table["first"].isin(names) & table["second"].isin(names)
    found: pd.Series = table[hit].iloc[0]
    return found


def findings_of(case: Case, measurement: Measurement) -> list[Finding]:
    names = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )
    limits = limits_in_force(CHECK, policy_with(), names)
    today = dt.date(2026, 1, 1)
    return list(judge(CHECK, measurement, limits, policy_with(), today))


def test_product_has_its_closed_form() -> None:
    # x + z + g x z of independent standard normals: H2 = g^2 / (2 + g^2).
    many = Options(values={**SMALL.values, "points": 600})

    found = pair_of(measure(case_of(product(0.7)), many), "x", "z")

    assert found["interaction"] == pytest.approx(0.49 / 2.49, abs=0.05)
    assert found["size"] == pytest.approx(0.7, abs=0.1)
    assert found["ci_low"] < 0.49 / 2.49 < found["ci_high"]


def test_pure_product_has_no_effect_but_the_common_one() -> None:
    # With both means zero, each column alone does nothing: H2 = 1.
    found = measure(case_of(lambda one: one["x"] * one["z"]), SMALL)

    pair = pair_of(found, "x", "z")
    assert pair["interaction"] == pytest.approx(1.0, abs=0.05)
    assert pair["above_chance"]


def test_and_tree_has_its_closed_form() -> None:
    # f = a b with P(a) = p, P(b) = q independent. The joint effect is a b, its
    # common part (a - p)(b - q): H2 = p(1-p) q(1-q) / (p q (1 - p q)).
    rows = rows_with()
    rng = np.random.default_rng(4)
    rows["x"], rows["z"] = rng.random((2, len(rows))) < [[0.6], [0.5]]
    rows[["x", "z"]] = rows[["x", "z"]].astype(float)
    many = Options(values={**SMALL.values, "points": 600})

    found = measure(case_of(lambda one: one["x"] * one["z"], rows), many)

    p, q = rows["x"].mean(), rows["z"].mean()
    truth = (1 - p) * (1 - q) / (1 - p * q)
    assert pair_of(found, "x", "z")["interaction"] == pytest.approx(truth, abs=0.05)


def test_h2_is_that_of_partial_dependence_counted_by_hand() -> None:
    def model(one: pd.DataFrame) -> np.ndarray:
        x, z, w = (one[name].to_numpy() for name in FEATURES)
        found: np.ndarray = np.maximum(x, z) + w * x + w
        return found

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=FEATURES)
    rows, others = frame[:40], frame[40:].reset_index(drop=True)
    grid = Grid(
        case=case_of(model),
        rows=rows,
        others=others,
        clusters=Clusters(),
        weight=np.ones(40),
        other_weight=np.ones(20),
        unit="target unit",
    )
    start = grid.unknown()

    found = together(
        grid, (grid.known(["x"]), grid.known(["z"])), grid.known(["x", "z"]), start, rng
    )

    def partial(names: list[str]) -> np.ndarray:
        effects = [
            model(others.assign(**rows.iloc[place][names])).mean()
            for place in range(40)
        ]
        centred: np.ndarray = np.array(effects) - np.mean(effects)
        return centred

    excess = partial(["x", "z"]) - partial(["x"]) - partial(["z"])
    # The size is that of the plain sum of squares, less the noise of 20 others.
    plain = np.mean(excess**2)
    assert found.size**2 <= plain
    assert found.size**2 == pytest.approx(plain, rel=0.3)


def test_additive_model_has_nothing_together() -> None:
    case = case_of(lambda one: 3 * one["x"] + np.sin(one["z"]) + one["w"] ** 2)

    found = measure(case, SMALL)

    assert found.summary["value"].abs().max() < 1e-9
    assert found.summary["ci_low"].eq(0).all()
    assert not found.tables["pairs"]["above_chance"].any()
    assert found.notes[0].startswith("None of the 3 pairs of the 3 most used columns")
    assert found.notes[0].endswith("beyond chance: their effects add up.")
    assert {one.status for one in findings_of(case, found)} == {"pass"}


def test_logistic_model_adds_up_in_its_own_unit(binary_case: Case) -> None:
    found = measure(binary_case, Options(values={**SMALL.values, "points": 60}))

    assert found.tables["pairs"]["unit"].eq("log-odds").all()
    assert found.summary["value"].abs().max() < 1e-9


def test_weak_pair_that_few_rows_cannot_tell_is_not_called_additive() -> None:
    few = Options(values={**SMALL.values, "points": 12})
    case = case_of(lambda one: one["x"] + one["z"] + 9 * one["x"] * one["w"] * one["z"])

    found = measure(case, few)

    assert not found.tables["pairs"]["above_chance"].any()
    assert "beyond chance: the largest is " in found.notes[0]
    assert "(H² " in found.notes[0]


def test_pair_that_shares_a_third_column_alone_is_within_chance() -> None:
    # x w and z w: x and z never meet, whatever w is.
    case = case_of(lambda one: one["x"] * one["w"] + one["z"] * one["w"] + one["x"])

    found = measure(case, SMALL)

    assert pair_of(found, "x", "z")["interaction"] < 1e-9
    assert pair_of(found, "x", "w")["above_chance"]


def test_three_columns_at_once_leave_pairs_within_chance() -> None:
    # x z w: every pair's common part is x z times the mean of w, which is 0. The
    # plain H2 would be near 1 for all of them.
    found = [
        measure(
            case_of(lambda one: one["x"] * one["z"] * one["w"], rows_with(seed)), SMALL
        )
        for seed in range(12)
    ]

    any_pair = [one.tables["pairs"]["above_chance"].any() for one in found]
    assert np.mean(any_pair) <= 0.25  # 5 % and three standard errors of 12 draws


@pytest.mark.slow
def test_chance_is_exceeded_as_rarely_as_promised() -> None:
    few = Options(values={**SMALL.values, "points": 100})
    found = [
        measure(
            case_of(lambda one: one["x"] * one["z"] * one["w"], rows_with(seed)), few
        )
        for seed in range(300)
    ]

    any_pair = [one.tables["pairs"]["above_chance"].any() for one in found]
    assert np.mean(any_pair) <= 0.088  # 5 % and three standard errors of 300 draws


@pytest.mark.slow
def test_interval_covers_the_truth() -> None:
    truth = 0.49 / 2.49
    found = [
        pair_of(measure(case_of(product(0.7), rows_with(seed)), SMALL), "x", "z")
        for seed in range(200)
    ]

    # 5 % and three standard errors of 200 draws, on each side.
    assert np.mean([one["ci_low"] > truth for one in found]) <= 0.1
    assert np.mean([one["ci_high"] < truth for one in found]) <= 0.1


def test_strong_interaction_breaks_the_limit_and_is_the_first_line() -> None:
    case = case_of(lambda one: 2 * one["x"] * one["z"] + one["w"] + one["x"])

    found = measure(case, SMALL)

    failed = [one.group for one in findings_of(case, found) if one.status == "fail"]
    assert failed == ["x × z"]  # noqa: RUF001 (the sign that joins two columns)
    assert "most of all x × z (H² 0." in found.notes[0]  # noqa: RUF001 (the same)


def test_every_pair_of_the_most_used_columns_is_asked() -> None:
    case = case_of(lambda one: one["x"] + 2 * one["z"] + 0.1 * one["w"])
    two = Options(values={**SMALL.values, "columns": 2})

    found = measure(case, two)

    assert found.tables["pairs"][["first", "second"]].to_numpy().tolist() == [
        ["z", "x"]
    ]
    assert "any of the 1 less used" in found.notes[1]


def test_cost_is_bounded_by_pairs_and_points() -> None:
    case = case_of(lambda one: one["x"] + one["z"] * one["w"])
    some = Options(values={**SMALL.values, "points": 50})
    with count_calls() as before:
        measure(case, Options(values={**SMALL.values, "points": 1}))

    with count_calls() as counted:
        measure(case, some)

    n_grids = 3 + len(list(combinations(FEATURES, 2)))
    assert counted.calls - before.calls == n_grids * (50**2 - 1) + 2 * (50 - 1)


def test_unused_columns_are_left_out_and_one_column_is_no_pair() -> None:
    with pytest.raises(NotAssessedError) as raised:
        measure(case_of(lambda one: 2 * one["x"]), SMALL)

    assert raised.value.code is Reason.NO_COLUMNS


def test_boosted_trees_and_forests_are_measured() -> None:
    rows = rows_with()
    rows["late"] = rows["x"] * rows["z"] + rows["w"]
    boosted = HistGradientBoostingRegressor(max_iter=60, random_state=0)
    case = case_of(boosted.fit(rows[FEATURES], rows["late"]), rows)

    assert pair_of(measure(case, SMALL), "x", "z")["ci_low"] > 0.5

    rows["late"] = (rows["x"] * rows["z"] > 0).astype(int)
    forest = RandomForestClassifier(n_estimators=20, max_depth=6, random_state=0)
    file = case_file("binary", model={"features": FEATURES}, data={"entity": None})
    forest.fit(rows[FEATURES], rows["late"])
    case = load_case(file, frames={"reference": rows}, model=forest)
    small = Options(values={**SMALL.values, "rows": 60, "points": 80})
    assert pair_of(measure(case, small), "x", "z")["unit"] == "probability"
    assert pair_of(measure(case, small), "x", "z")["ci_low"] > 0.3


def test_several_classes_are_measured(multiclass_case: Case) -> None:
    small = Options(values={**SMALL.values, "rows": 40, "points": 40})

    found = measure(multiclass_case, small)

    assert found.tables["pairs"]["unit"].eq(CLASS_LOG_ODDS).all()
    assert found.summary["value"].between(0, 1).all()


def test_categories_and_missing_values_are_crossed() -> None:
    rows = rows_with()
    rng = np.random.default_rng(2)
    rows["z"] = pd.Categorical(rng.choice(["a", "b"], len(rows)))
    rows.loc[::7, "x"] = np.nan
    case = case_of(lambda one: one["x"].fillna(0) * (one["z"] == "a") + one["w"], rows)

    found = measure(case, SMALL)

    assert pair_of(found, "x", "z")["ci_low"] > 0.2
    assert pair_of(found, "x", "w")["interaction"] < 1e-9


def test_weights_reach_the_number() -> None:
    rows = rows_with().assign(weight=1.0)
    rows.loc[rows["x"] < 0, "weight"] = 0.0
    file = case_file(
        "regression",
        model={"features": FEATURES},
        data={"entity": None, "weight": "weight"},
    )
    # Together only where x is negative, and those rows weigh nothing.
    model = lambda one: one["x"] + one["z"] + 3 * one["z"] * (one["x"] < -0.5)  # noqa: E731 (a model)
    weighted = load_case(file, frames={"reference": rows}, model=model)

    light = pair_of(measure(weighted, SMALL), "x", "z")["interaction"]

    plain = pair_of(measure(case_of(model), SMALL), "x", "z")["interaction"]
    assert light < 1e-9
    assert plain > 0.2


def test_same_rows_in_another_order_give_the_same_numbers() -> None:
    mixed = rows_with().sample(frac=1, random_state=0)

    first = measure(case_of(product(0.7)), SMALL).summary
    again = measure(case_of(product(0.7), mixed), SMALL).summary

    pd.testing.assert_frame_equal(first, again)


def test_figure_is_a_map_of_pairs() -> None:
    found = measure(case_of(product(1.0)), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    texts = {text.get_text() for text in axes.texts}
    assert f"{pair_of(found, 'x', 'z')['interaction']:.2f}" in texts
    assert len(axes.images) == 1
    assert alt(found) == found.notes[0]
