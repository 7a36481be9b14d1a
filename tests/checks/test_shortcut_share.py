import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

from readiness.case import Case, load_case
from readiness.checks.explainability.shortcut_share import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Finding, Measurement, Options, Status
from tests.cases import case_file, small_frames
from tests.judging import policy_with

SMALL = Options(values={**CHECK.defaults, "rows": 600, "background": 300})
FEATURES = ["x", "z", "w"]


def rows_with(seed: int = 1, n_days: int = 60, per_day: int = 10) -> pd.DataFrame:
    """Return rows of days; x hangs together by day, z and w do not."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), per_day)
    own = rng.normal(size=(3, len(day)))
    return pd.DataFrame(
        {
            "x": 0.8 * rng.normal(size=n_days)[day] + 0.6 * own[0],
            "z": own[1],
            "w": own[2],
            "scheduled": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
            "late": own[0],
        }
    )


def case_of(
    rows: pd.DataFrame, model: object, features: list[str] | None = None
) -> Case:
    file = case_file(
        "regression", model={"features": features or FEATURES}, data={"entity": None}
    )
    return load_case(file, frames={"reference": rows}, model=model)


def linear(slopes: list[float]) -> LinearRegression:
    model = LinearRegression()
    model.coef_, model.intercept_ = np.array(slopes), 0.0
    model.feature_names_in_ = np.array(FEATURES[: len(slopes)], dtype=object)
    model.n_features_in_ = len(slopes)
    return model


def found_of(case: Case, measurement: Measurement) -> Finding:
    names = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )
    limits = limits_in_force(CHECK, policy_with(), names)
    today = dt.date(2026, 1, 1)
    return judge(CHECK, measurement, limits, policy_with(), today)[0]


def test_linear_model_has_its_closed_form() -> None:
    # E|b x| = b sqrt(2/pi) for a standard normal: shares are those of the slopes.
    case = case_of(rows_with(n_days=300), linear([3.0, 2.0, 1.0]))
    many = Options(values={**CHECK.defaults, "rows": 3000, "background": 2000})

    found = measure(case, many)

    shares = found.tables["shares"].set_index("column")["share"]
    assert shares["x"] == pytest.approx(3 / 6, abs=0.02)
    assert shares["z"] == pytest.approx(2 / 6, abs=0.02)
    assert shares.sum() == pytest.approx(1.0)
    assert found.summary["group"].tolist() == ["x"]


def test_share_of_two_columns_decides_alone_with_its_closed_form() -> None:
    # |3 x| > |z| with chance (2/pi) arctan(3) for independent standard normals.
    rows = rows_with(n_days=300)
    case = case_of(rows, linear([3.0, 1.0]), ["x", "z"])
    many = Options(values={**CHECK.defaults, "rows": 3000, "background": 2000})

    shares = measure(case, many).tables["shares"].set_index("column")

    truth = 2 / np.pi * np.arctan(3)
    assert shares.loc["x", "decides_alone"] == pytest.approx(truth, abs=0.03)
    assert shares["decides_alone"].sum() == pytest.approx(1.0)


def test_planted_leak_is_the_first_line_and_breaks_the_limit() -> None:
    frames = small_frames("binary")
    rng = np.random.default_rng(5)
    for rows in frames.values():
        rows["refund"] = rows["late"] + rng.normal(0.0, 0.05, len(rows))
    names = ["wind", "distance", "refund"]
    training = frames["training"]
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    model.fit(training[names], training["late"])
    file = case_file("binary", model={"features": names})
    case = load_case(file, frames=frames, model=model)

    found = measure(case, SMALL)

    assert found.notes[0].startswith("refund has 9")
    assert "no other of the 3 columns is needed" in found.notes[0]
    assert found_of(case, found).status is Status.FAIL


def test_leak_under_two_names_counts_as_one() -> None:
    rows = rows_with().assign(copy=lambda one: 60 * one["x"])
    case = case_of(
        rows,
        lambda one: 2 * one["x"] + one["copy"] / 30 + 0.1 * one["z"],
        ["x", "z", "copy"],
    )

    found = measure(case, SMALL)

    assert found.summary["group"].tolist() == ["x + copy"]
    assert found.summary["value"].item() > 0.9
    assert any("count as one" in note for note in found.notes)


def test_many_columns_share_and_pass() -> None:
    case = case_of(rows_with(), linear([1.0, 1.0, 1.0]))

    found = measure(case, SMALL)

    assert found_of(case, found).status is Status.PASS
    assert "it takes 3 of 3 columns" in found.notes[0]


def test_rows_of_one_day_widen_the_interval() -> None:
    case = case_of(rows_with(), linear([1.0, 0.5, 0.0]))

    row = measure(case, SMALL).summary.iloc[0]

    assert row["group"] == "x"
    assert row["n_blocks"] == 60
    assert row["dependence_factor"] > 1.3


def test_interval_covers_the_share_on_rows_that_come_in_days() -> None:
    few = Options(values={**CHECK.defaults, "rows": 600, "background": 100})
    rows = [
        measure(case_of(rows_with(seed), linear([3.0, 2.0, 1.0])), few)
        .tables["shares"]
        .iloc[0]
        for seed in range(60)
    ]

    # 5 % plus three standard errors of 60 draws.
    assert np.mean([row["ci_high"] < 0.5 for row in rows]) <= 0.14
    assert np.mean([row["ci_low"] > 0.5 for row in rows]) <= 0.14


def test_noise_of_draws_widens_the_interval_upwards() -> None:
    # Noise makes the sizes of useless columns larger, so the top share smaller.
    case = case_of(rows_with(), lambda one: one["x"] * one["z"] + one["w"])
    short = Options(values={**SMALL.values, "rows": 100, "evaluations": 6000})

    row = measure(case, short).tables["shares"].iloc[0]

    assert row["ci_high"] - row["share"] > row["share"] - row["ci_low"]


def test_weights_reach_the_share() -> None:
    rows = rows_with()
    rows["weight"] = np.where(rows["x"].abs() > 1, 10.0, 1.0)
    file = case_file(
        "regression",
        model={"features": FEATURES},
        data={"entity": None, "weight": "weight"},
    )
    model = linear([1.0, 1.0, 1.0])
    weighted = load_case(file, frames={"reference": rows}, model=model)

    heavy = measure(weighted, SMALL).tables["shares"].set_index("column")["share"]

    plain = measure(case_of(rows, model), SMALL).tables["shares"]
    assert heavy["x"] > 1.2 * plain.set_index("column")["share"]["x"]


def test_single_day_decides_nothing() -> None:
    rows = rows_with().assign(scheduled=pd.Timestamp("2024-01-01"))
    case = case_of(rows, linear([9.0, 0.1, 0.1]))

    found = measure(case, SMALL)

    assert found_of(case, found).status is Status.INCONCLUSIVE


def test_constant_model_is_not_assessed() -> None:
    case = case_of(rows_with(), lambda one: np.zeros(len(one)))

    with pytest.raises(NotAssessedError) as raised:
        measure(case, SMALL)

    assert raised.value.code is Reason.NOT_MEASURED


def test_every_task_is_measured(binary_case: Case, multiclass_case: Case) -> None:
    small = Options(values={**SMALL.values, "rows": 40, "evaluations": 20_000})

    for case in (binary_case, multiclass_case):
        shares = measure(case, small).tables["shares"]["share"]
        assert shares.sum() == pytest.approx(1.0)
        assert len(shares) == 5


def test_same_rows_in_another_order_give_the_same_numbers() -> None:
    rows, model = rows_with(), linear([3.0, 2.0, 1.0])

    first = measure(case_of(rows, model), SMALL)
    again = measure(case_of(rows.sample(frac=1, random_state=0), model), SMALL)

    pd.testing.assert_frame_equal(first.summary, again.summary)
    assert first.notes == again.notes


def test_figure_shows_every_column_and_the_limit() -> None:
    found = measure(case_of(rows_with(), linear([3.0, 2.0, 1.0])), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    assert [one.get_text() for one in axes.get_yticklabels()] == FEATURES
    assert any("80 %" in text.get_text() for text in axes.texts)
    assert alt(found).startswith("x has ")
