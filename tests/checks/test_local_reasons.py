from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from readiness.case import Case, load_case
from readiness.checks.explainability._explained import explained
from readiness.checks.explainability._reason_view import alt, draw, lists
from readiness.checks.explainability._traces import (
    NEAREST,
    TYPICAL,
    WORST,
    _unlike,
    chosen_rows,
    reasons_changed,
    top_reasons,
)
from readiness.checks.explainability.local_reasons import CHECK, NEAR, measure
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options
from readiness.scoring import scores
from readiness.text import MINUS, interval
from tests.cases import case_file, small_case, small_frames

SMALL = Options(values={**CHECK.defaults, "rows": 400, "background": 200})
FEATURES = ["x", "z", "w", "v"]


def rows_with(seed: int = 1, n_days: int = 60, per_day: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), per_day)
    rows = pd.DataFrame(rng.normal(size=(len(day), 4)), columns=FEATURES)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    rows["late"] = rows["x"] + rng.normal(size=len(day))
    return rows


def linear(*slopes: float) -> LinearRegression:
    model = LinearRegression()
    model.coef_, model.intercept_ = np.array(slopes), 0.0
    model.feature_names_in_ = np.array(FEATURES, dtype=object)
    model.n_features_in_ = len(slopes)
    return model


def case_of(model: object, noise: Mapping[str, float], n_days: int = 60) -> Case:
    file = case_file(
        "regression",
        model={"features": FEATURES},
        data={"entity": None},
        columns={name: {"measurement_sd": sd} for name, sd in noise.items()},
    )
    rows = rows_with(n_days=n_days)
    return load_case(file, frames={"reference": rows}, model=model)


def shares_of(measurement: Measurement) -> dict[str, float]:
    summary = measurement.summary
    return dict(zip(summary["group"], summary["value"], strict=True))


@pytest.fixture(scope="module")
def binary() -> tuple[Case, Measurement]:
    case = small_case("binary", columns={"carrier": {"group": True}})
    return case, measure(case, SMALL)


def test_every_list_adds_up_to_what_the_model_says(
    binary: tuple[Case, Measurement],
) -> None:
    case, found = binary
    table = found.tables["reasons"]
    said = scores(case, "reference").y_score

    for row, part in table.groupby("row"):
        amounts = part["amount"].to_numpy()
        assert part["part"].iloc[[0, -2, -1]].tolist() == [
            "start",
            "all others",
            "output",
        ]
        assert amounts[:-1].sum() == pytest.approx(amounts[-1], abs=1e-9)
        # The output is the model's own score of that row of the table, in log-odds.
        assert 1 / (1 + np.exp(-amounts[-1])) == pytest.approx(said[int(str(row))])


def test_reasons_of_a_linear_model_are_slopes_times_distances() -> None:
    case = case_of(linear(3.0, 2.0, 1.0, 0.0), {"x": 0.1})
    every = Options(values={**SMALL.values, "background": 600})

    found = measure(case, every)

    table, frame = found.tables["reasons"], rows_with()
    assert found.notes[2].endswith("(exact).")
    first = table[table["row"] == table["row"].iloc[0]].set_index("part")
    row = int(first["row"].iloc[0])
    for name, slope in {"x": 3.0, "z": 2.0, "w": 1.0}.items():
        own = frame[name].to_numpy()
        expected = slope * (own[row] - own.mean())
        assert first.loc[name, "amount"] == pytest.approx(expected)
    assert first.loc["all others", "amount"] == pytest.approx(0.0, abs=1e-12)


def test_each_row_is_one_line_of_reasons_in_words() -> None:
    table = pd.DataFrame(
        [
            ("worst error", 7, "start", "", 0.25, 0.25, 0.25),
            ("worst error", 7, "wind", "12.0 mph", -0.5, -0.6, -0.4),
            ("worst error", 7, "carrier", "AA", 0.125, 0.125, 0.125),
            ("worst error", 7, "all others", "", 0.0, 0.0, 0.0),
            ("worst error", 7, "output", "", -0.125, -0.125, -0.125),
            ("typical of x=1", 9, "start", "", 0.25, 0.25, 0.25),
            ("typical of x=1", 9, "all others", "", 0.0, 0.0, 0.0),
            ("typical of x=1", 9, "output", "", 0.25, 0.25, 0.25),
        ],
        columns=["why", "row", "part", "value", "amount", "ci_low", "ci_high"],
    ).assign(unit="log-odds")

    found = lists(table)

    assert found.columns.tolist() == [
        *("why", "row", "start", "reason 1", "reason 2", "all others", "output")
    ]
    assert found["reason 1"].tolist() == [
        f"{MINUS}0.500 ({MINUS}0.600 to {MINUS}0.400) by wind = 12.0 mph",
        "",
    ]
    assert found["reason 2"].tolist() == ["+0.125 by carrier = AA", ""]
    assert found["output"].tolist() == [f"{MINUS}0.125 log-odds", "0.250 log-odds"]


def test_worst_errors_are_the_largest_of_the_whole_table() -> None:
    case = case_of(linear(1.0, 0.0, 0.0, 0.0), {"x": 0.1})

    table = measure(case, SMALL).tables["reasons"]

    rows = rows_with()
    errors = (rows["late"] - rows["x"]).abs()
    worst = table.loc[table["why"] == WORST, "row"].unique().tolist()
    assert worst == errors.sort_values(ascending=False).index[:3].tolist()


def test_copies_of_a_row_are_told_once() -> None:
    # The same booking entered six times is one error to explain, not six.
    rows = rows_with()
    errors = (rows["late"] - rows["x"]).abs().sort_values(ascending=False)
    copies = rows.loc[[errors.index[0]] * 5]
    file = case_file("regression", model={"features": FEATURES}, data={"entity": None})
    case = load_case(
        file,
        frames={"reference": pd.concat([rows, copies], ignore_index=True)},
        model=linear(1.0, 0.0, 0.0, 0.0),
    )

    found = chosen_rows(case, 3, seed=7)

    worst = [one.row for one in found if one.why == WORST]
    assert worst[1:] == errors.index[1:3].tolist()
    assert worst[0] in {errors.index[0], *range(len(rows), len(rows) + 5)}


def test_copies_are_known_by_values_without_a_hash_too() -> None:
    rows = rows_with().assign(parts=[[one] for one in range(len(rows_with()))])
    rows.loc[1] = rows.loc[0]
    file = case_file("regression", model={"features": FEATURES}, data={"entity": None})
    case = load_case(file, frames={"reference": rows}, model=linear(1.0, 0.0, 0.0, 0.0))
    asked = replace(case, columns={**case.columns, "parts": case.columns["x"]})

    assert list(_unlike(asked, np.arange(4), 3)) == [0, 2, 3]


def test_nearest_and_typical_rows_are_told(binary: tuple[Case, Measurement]) -> None:
    case, found = binary
    table, scored = found.tables["reasons"], scores(case, "reference")
    far = np.abs(scored.y_score - case.threshold)

    nearest = table.loc[table["why"] == NEAREST, "row"].unique()
    assert sorted(far[nearest]) == pytest.approx(sorted(far)[:3])
    carrier = case.table("reference").take(scored.row)["carrier"]
    for value in ("AA", "DL", "UA"):
        own = table[table["why"] == f"{TYPICAL} carrier={value}"]
        said = scored.y_score[(carrier == value).to_numpy()]
        middle = np.sort(said)[(len(said) - 1) // 2]
        assert scored.y_score[own["row"].iloc[0]] == pytest.approx(middle)


def test_share_of_changed_reasons_is_that_of_fresh_draws() -> None:
    # The one reason is the larger of |x| and |z|, with its sign, independent standard
    # normals with noise on x. Beside it: the same rule on a million fresh draws.
    noise = 0.5
    x, z, e = np.random.default_rng(0).normal(size=(3, 1_000_000))
    before = np.where(np.abs(x) > np.abs(z), np.sign(x), 2 * np.sign(z))
    y = x + noise * e
    after = np.where(np.abs(y) > np.abs(z), np.sign(y), 2 * np.sign(z))
    truth = float(np.mean(before != after))
    case = case_of(linear(1.0, 1.0, 0.0, 0.0), {"x": noise}, n_days=300)
    sizes = dict.fromkeys(("rows", "background", "noise_rows"), 3000)

    found = measure(case, Options(values={**SMALL.values, **sizes, "reasons": 1}))

    # Three standard errors of 3,000 rows.
    assert shares_of(found)[""] == pytest.approx(truth, abs=0.022)


def test_order_of_reasons_does_not_count_and_direction_does() -> None:
    before = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    after = np.array([[2.0, 3.0, 1.0], [-3.0, 2.0, 1.0], [3.0, 1.0, 2.0]])

    assert reasons_changed(before, after, 2).tolist() == [False, True, True]


def test_columns_without_effect_are_no_reasons() -> None:
    assert top_reasons(np.array([0.0, -2.0, 1e-17, 1.0]), 3).tolist() == [1, 3]


def test_tiny_noise_changes_nothing_and_large_noise_does() -> None:
    model = linear(1.0, 1.0, 1.0, 1.0)

    calm, wild = (
        shares_of(measure(case_of(model, dict.fromkeys(FEATURES, sd)), SMALL))[""]
        for sd in (1e-9, 5.0)
    )

    assert calm == 0.0
    assert wild > 0.8


def test_rows_near_the_decision_are_a_group_of_their_own(
    binary: tuple[Case, Measurement],
) -> None:
    _, found = binary

    assert set(shares_of(found)) == {"", NEAR}
    sizes = found.summary.set_index("group")["n_rows"]
    assert sizes.to_dict() == {"": 300, NEAR: 40}
    assert "nearest another decision" in found.notes[0]


def test_regression_without_a_threshold_has_no_nearest_rows() -> None:
    found = measure(case_of(linear(1.0, 1.0, 0.5, 0.0), {"x": 0.1}), SMALL)

    assert set(shares_of(found)) == {""}
    assert not found.tables["reasons"]["why"].eq(NEAREST).any()


def test_sensitive_columns_show_no_values_and_no_rows() -> None:
    columns = {
        "carrier": {"group": True, "sensitive": True},
        "wind": {"sensitive": True},
    }

    found = measure(small_case("binary", columns=columns), SMALL)

    table = found.tables["reasons"]
    assert not table["why"].str.startswith(TYPICAL).any()
    hidden = table.loc[table["part"].isin(columns), "value"]
    assert len(hidden) > 0
    assert hidden.eq("not shown (sensitive)").all()
    assert not any("wind = 1" in note for note in found.notes)


def test_without_labels_there_are_no_worst_errors() -> None:
    frames = small_frames("binary")
    frames["reference"]["late"] = np.nan

    table = measure(small_case("binary", frames=frames), SMALL).tables["reasons"]

    assert set(table["why"]) == {NEAREST}


def test_sampled_reasons_have_intervals_and_no_share_of_changes() -> None:
    case = case_of(lambda one: one["x"] * one["z"], {"x": 0.1})
    small = Options(values={**SMALL.values, "rows": 40, "evaluations": 20_000})

    found = measure(case, small)

    assert found.summary["reason"].tolist() == [Reason.NOT_MEASURED]
    reasons = found.tables["reasons"]
    told = reasons[~reasons["part"].isin(["start", "output"])]
    assert (told["ci_low"] < told["ci_high"]).any()
    assert (told["ci_low"] <= told["amount"]).all()
    one = told[told["ci_low"] < told["ci_high"]].iloc[0]
    assert f"({interval(one['ci_low'], one['ci_high'])}) by " in found.notes[1]
    for _, part in reasons.groupby("row"):
        amounts = part["amount"].to_numpy()
        assert amounts[:-1].sum() == pytest.approx(amounts[-1], abs=1e-9)


def test_plain_callable_is_told() -> None:
    case = case_of(lambda one: one["x"] * one["z"], {"x": 0.1})
    small = Options(values={**SMALL.values, "rows": 40, "evaluations": 20_000})

    found = measure(case, small)

    assert found.notes[0].startswith("Whether noise changes the reasons is not")
    assert any(note.startswith("Row ") for note in found.notes)


def test_model_of_categories_alone_has_nothing_to_give_noise() -> None:
    rows = rows_with().assign(x=lambda one: np.where(one["x"] > 0, "a", "b"))
    file = case_file("regression", model={"features": ["x"]}, data={"entity": None})
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 (used once)
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415 (used once)

    model = make_pipeline(OrdinalEncoder(), LinearRegression())
    model.fit(rows[["x"]], rows["late"])

    found = measure(load_case(file, frames={"reference": rows}, model=model), SMALL)

    assert found.summary["reason"].tolist() == [Reason.NO_COLUMNS]


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})

    with pytest.raises(NotAssessedError) as raised:
        measure(load_case(file, frames={"reference": rows}), SMALL)

    assert raised.value.code is Reason.NO_RESCORING


def test_first_explanation_is_that_of_the_other_checks(
    binary: tuple[Case, Measurement],
) -> None:
    case, found = binary

    values = explained(case, SMALL).found

    start = found.tables["reasons"]["amount"].iloc[0]
    assert start == pytest.approx(values.base[0])


def test_same_rows_in_another_order_give_the_same_shares() -> None:
    frames = small_frames("binary")
    frames["reference"] = frames["reference"].sample(frac=1, random_state=0)

    first = measure(small_case("binary"), SMALL).summary
    again = measure(small_case("binary", frames=frames), SMALL).summary

    pd.testing.assert_frame_equal(first, again)


def test_figure_has_one_way_per_row(binary: tuple[Case, Measurement]) -> None:
    _, found = binary

    axes = draw(found, ()).axes[0]

    assert len(axes.get_yticks()) == found.tables["reasons"]["row"].nunique()
    assert "log-odds" in axes.get_xlabel()
    assert alt(found) == found.notes[0]
