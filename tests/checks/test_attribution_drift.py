import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from readiness.case import Case, load_case
from readiness.checks.explainability._explained import explained
from readiness.checks.explainability._shifted import (
    Side,
    moved,
    ndcg,
    side_of,
    total_variation,
)
from readiness.checks.explainability.attribution_drift import (
    CHECK,
    alt,
    draw,
    measure,
)
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Measurement, Options, Status
from readiness.stats import Clusters
from tests.cases import case_file, small_frames
from tests.judging import policy_with

SMALL = Options(values={**CHECK.defaults, "rows": 600, "background": 300})
FEATURES = ["x", "z", "w"]


def rows_with(
    seed: int, *, spread: float = 1.0, n_days: int = 60, per_day: int = 10
) -> pd.DataFrame:
    """Return rows of days, x with this standard deviation."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), per_day)
    own = rng.normal(size=(3, len(day)))
    start = pd.Timestamp("2024-01-01") + pd.Timedelta(400 * (seed % 2), "D")
    return pd.DataFrame(
        {
            "x": spread * (0.8 * rng.normal(size=n_days)[day] + 0.6 * own[0]),
            "z": own[1],
            "w": own[2],
            "scheduled": start + pd.to_timedelta(day, unit="D"),
            "late": own[0],
        }
    )


def linear(*slopes: float) -> LinearRegression:
    model = LinearRegression()
    model.coef_, model.intercept_ = np.array(slopes), 0.0
    model.feature_names_in_ = np.array(FEATURES, dtype=object)
    model.n_features_in_ = len(slopes)
    return model


def case_of(
    reference: pd.DataFrame, current: pd.DataFrame | None, model: object = None
) -> Case:
    file = case_file("regression", model={"features": FEATURES}, data={"entity": None})
    frames = {"reference": reference}
    if current is not None:
        frames["current"] = current
    return load_case(file, frames=frames, model=model or linear(1.0, 1.0, 1.0))


def status_of(case: Case, measurement: Measurement) -> Status:
    names = declared(
        case.file, case.metric.name, higher_is_better=case.metric.higher_is_better
    )
    limits = limits_in_force(CHECK, policy_with(), names)
    today = dt.date(2026, 1, 1)
    return judge(CHECK, measurement, limits, policy_with(), today)[0].status


def row_of(measurement: Measurement, metric: str = "attribution_shift") -> pd.Series:
    summary = measurement.summary
    return summary[summary["metric"] == metric].iloc[0]


def drawn_side(
    rng: np.random.Generator, n_blocks: int, per_block: int, shares: np.ndarray
) -> Side:
    """Return sizes whose blocks differ and whose expected shares are given."""
    block = np.repeat(np.arange(n_blocks), per_block)
    effect = rng.gamma(4.0, 0.25, (n_blocks, len(shares)))[block]
    sizes = shares * effect * rng.exponential(size=effect.shape)
    return Side(sizes=sizes, clusters=Clusters(block=block))


def test_ndcg_of_swapped_columns_has_its_published_values() -> None:
    # METHODS 3.1 and finding 7; the second: (0.35 + 0.40 / log2(3) + 0.25 / 2) over
    # (0.40 + 0.35 / log2(3) + 0.25 / 2) = 0.975.
    first = ndcg(np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.7, 0.2]))
    swapped = ndcg(np.array([0.4, 0.35, 0.25]), np.array([0.35, 0.4, 0.25]))
    ten = np.linspace(1.0, 0.1, 10)

    assert first == pytest.approx(0.6997, abs=5e-5)
    assert swapped == pytest.approx(0.975, abs=5e-4)
    assert ndcg(ten, ten[::-1]) == pytest.approx(0.668, abs=5e-4)


def test_shift_of_a_linear_model_has_its_closed_form() -> None:
    # Mean sizes 1, 1, 1 become 4, 1, 1: shares move from 1/3 to 2/3 for x.
    rows = (rows_with(2, n_days=300), rows_with(3, n_days=300, spread=4.0))
    many = Options(values={**CHECK.defaults, "rows": 3000, "background": 2000})

    found = measure(case_of(*rows), many)

    assert row_of(found)["value"] == pytest.approx(1 / 3, abs=0.03)
    columns = found.tables["columns"].set_index("column")
    assert columns.loc["x", "reference_share"] == pytest.approx(1 / 3, abs=0.02)
    assert columns.loc["x", "current_share"] == pytest.approx(2 / 3, abs=0.02)
    assert columns["beyond_chance"].all()


def test_shift_is_that_of_attributions_counted_by_hand() -> None:
    case = case_of(rows_with(2), rows_with(3, spread=2.0))

    found = measure(case, SMALL)

    sums = [
        explained(case, SMALL, name).found.values.abs().sum()
        for name in ("reference", "current")
    ]
    shares = [one / one.sum() for one in sums]
    expected = (shares[0] - shares[1]).abs().sum() / 2
    assert row_of(found)["value"] == pytest.approx(expected, rel=1e-12)


def test_large_shift_fails_and_is_named_first() -> None:
    case = case_of(rows_with(2), rows_with(3, spread=4.0))

    found = measure(case, SMALL)

    assert status_of(case, found) is Status.FAIL
    assert "more than chance does" in found.notes[0]
    assert found.notes[1].startswith("Changed by more than chance would: x (from 3")


def test_same_population_passes_and_names_no_column() -> None:
    case = case_of(rows_with(2, n_days=200), rows_with(5, n_days=200))

    found = measure(case, SMALL)

    assert status_of(case, found) is Status.PASS
    assert row_of(found)["ci_low"] == 0.0
    assert "no more than chance does" in found.notes[0]
    assert found.notes[1].startswith("No single column's share changed")


def test_same_rows_have_not_moved() -> None:
    rows = rows_with(2)

    found = measure(case_of(rows, rows), SMALL)

    assert row_of(found)["value"] == pytest.approx(0.0, abs=1e-12)
    assert row_of(found, "attribution_order")["value"] == pytest.approx(1.0)


def test_days_make_chance_larger() -> None:
    # Rows of a day share most of x, so chance moves more than it would by row.
    case = case_of(rows_with(2, n_days=40, per_day=15), rows_with(3))
    sides = [side_of(explained(case, SMALL, one)) for one in ("reference", "current")]
    alone = [Side(sizes=one.sizes, clusters=Clusters()) for one in sides]

    by_day, by_row = (
        moved(old, new, 1000, np.random.default_rng(1)).chance
        for old, new in (sides, alone)
    )

    assert by_day > 1.3 * by_row


def alarms(n_runs: int, reference: tuple[int, int], current: tuple[int, int]) -> float:
    shares = np.array([3.0, 2.0, 1.5, 1.0, 0.5, 0.2])
    found = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed)
        sides = [drawn_side(rng, *size, shares) for size in (reference, current)]
        one = moved(sides[0], sides[1], 1000, rng)
        found.append(one.shift.value > one.chance)
    return float(np.mean(found))


def test_chance_is_rarely_exceeded_where_nothing_moved() -> None:
    # 1 % promised; 4 of 100 is beyond it by three standard errors.
    assert alarms(100, (60, 8), (60, 8)) <= 0.04


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "current"), [((40, 50), (245, 8)), ((60, 10), (60, 10))]
)
def test_chance_is_exceeded_as_often_as_promised(
    reference: tuple[int, int], current: tuple[int, int]
) -> None:
    rate = alarms(2000, reference, current)

    assert 0.003 <= rate <= 0.017  # 1 % and three standard errors of 2,000 draws


@pytest.mark.slow
def test_blocks_dropped_would_alarm_too_often() -> None:
    shares = np.array([3.0, 2.0, 1.5, 1.0])
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sides = [drawn_side(rng, 40, 50, shares) for _ in range(2)]
        alone = [Side(sizes=one.sizes, clusters=Clusters()) for one in sides]
        one = moved(alone[0], alone[1], 500, rng)
        found.append(one.shift.value > one.chance)

    assert np.mean(found) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.05, 0.1, 0.2])
def test_interval_covers_a_known_shift(truth: float) -> None:
    known = np.array([0.4, 0.3, 0.2, 0.1])
    now = known + truth * np.array([-0.7, -0.3, 0.4, 0.6])
    low, high = [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        sides = drawn_side(rng, 60, 10, known), drawn_side(rng, 60, 10, now)
        shift = moved(*sides, 400, rng).shift
        low.append(shift.ci_low > truth)
        high.append(shift.ci_high < truth)

    assert total_variation(known, now) == pytest.approx(truth)
    assert np.mean(low) <= 0.083  # 5 % and three standard errors of 400 draws
    assert np.mean(high) <= 0.083


def test_weights_reach_the_shares() -> None:
    rows = [rows_with(2), rows_with(3)]
    for one in rows:
        one["weight"] = 1.0
    rows[1]["weight"] = np.where(rows[1]["x"].abs() > 1, 20.0, 1.0)
    file = case_file(
        "regression",
        model={"features": FEATURES},
        data={"entity": None, "weight": "weight"},
    )
    frames = {"reference": rows[0], "current": rows[1]}
    weighted = load_case(file, frames=frames, model=linear(1.0, 1.0, 1.0))

    heavy, plain = measure(weighted, SMALL), measure(case_of(*rows), SMALL)

    assert row_of(heavy)["value"] > row_of(plain)["value"] + 0.05


def test_every_task_and_a_plain_callable_are_measured(
    binary_case: Case, multiclass_case: Case
) -> None:
    small = Options(values={**SMALL.values, "rows": 60, "evaluations": 20_000})
    plain = case_of(
        rows_with(2), rows_with(3), lambda one: np.maximum(one["x"], one["z"])
    )

    for case in (binary_case, multiclass_case, plain):
        assert 0 <= row_of(measure(case, small))["value"] < 0.5


def test_without_current_rows_it_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as raised:
        measure(case_of(rows_with(2), None), SMALL)

    assert raised.value.code is Reason.NO_TABLE


def test_stored_predictions_are_not_assessed() -> None:
    frames = {
        name: rows.assign(stored=0.5)
        for name, rows in small_frames("binary").items()
        if name != "training"
    }
    file = case_file("binary", model={"path": None, "predictions": "stored"})

    with pytest.raises(NotAssessedError) as raised:
        measure(load_case(file, frames=frames), SMALL)

    assert raised.value.code is Reason.NO_RESCORING


def test_single_day_is_not_assessed() -> None:
    rows = rows_with(2).assign(scheduled=pd.Timestamp("2024-01-01"))

    with pytest.raises(NotAssessedError) as raised:
        measure(case_of(rows, rows_with(3)), SMALL)

    assert raised.value.code is Reason.TOO_FEW_BLOCKS


def test_model_that_ignores_its_columns_is_not_assessed() -> None:
    case = case_of(rows_with(2), rows_with(3), lambda one: np.zeros(len(one)))

    with pytest.raises(NotAssessedError) as raised:
        measure(case, SMALL)

    assert raised.value.code is Reason.NOT_MEASURED


def test_same_rows_in_another_order_give_the_same_numbers() -> None:
    rows = [rows_with(2), rows_with(3)]
    mixed = [one.sample(frac=1, random_state=0) for one in rows]

    first = measure(case_of(*rows), SMALL).summary
    again = measure(case_of(*mixed), SMALL).summary

    pd.testing.assert_frame_equal(first, again)


def test_figure_joins_both_tables() -> None:
    found = measure(case_of(rows_with(2), rows_with(3, spread=4.0)), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    ticks = [one.get_text() for one in axes.get_xticklabels()]
    assert ticks == ["reference", "current"]
    lines = [one for one in axes.get_lines() if one.get_gid() != "leader"]
    assert len(lines) == 3
    assert alt(found) == found.notes[0]
