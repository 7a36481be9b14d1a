import numpy as np
import pandas as pd
import pytest

from readiness.checks.coverage._points import Dimension
from readiness.checks.coverage._support import Support, nearest
from readiness.errors import NotAssessedError, Reason
from readiness.result import Status
from tests.coverage_cases import findings, measure, plain_case, values, with_target

NAME, METRIC = "conformal_support", "unsupported_share"
FEATURES = ["x", "y2", "city"]


def _rows(n_rows: int, seed: int, *, far: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    is_far = rng.random(n_rows) < far
    x = rng.normal(size=n_rows) + 40.0 * is_far
    return with_target(
        pd.DataFrame(
            {
                "x": x,
                "y2": rng.normal(size=n_rows),
                "city": rng.choice(["Ulm", "Bonn"], n_rows),
                "day": pd.Timestamp("2024-01-01")
                + pd.to_timedelta(rng.integers(0, 90, n_rows), unit="D"),
            }
        )
    )


def _case(**tables: pd.DataFrame):  # noqa: ANN202 (a case)
    return plain_case(features=FEATURES, data={"time": "day"}, **tables)


def test_p_values_worked_out_by_hand() -> None:
    support = Support(
        space=(),
        anchors=np.zeros((1, 1), dtype=np.float32),
        distances=np.array([1.0, 2.0, 2.0, 5.0]),
        level=0.01,
        n_blocks=(1, 1),
    )

    # Farther than all four: 1 of 5; as far as the twos: those and the five, 4 of 5.
    got = support.p_values(np.array([6.0, 2.0, 0.5]))

    assert got.tolist() == [0.2, 0.8, 1.0]


def test_level_is_exact_where_rows_are_independent() -> None:
    rng = np.random.default_rng(0)
    n_known, n_new, level = 299, 200, 0.05
    hits = []
    for _ in range(400):
        support = Support(
            space=(),
            anchors=np.zeros((1, 1), dtype=np.float32),
            distances=np.sort(rng.exponential(size=n_known)),
            level=level,
            n_blocks=(1, 1),
        )
        hits.append((support.p_values(rng.exponential(size=n_new)) <= level).mean())

    # floor(.05 * 300) / 300; the level of one draw of distances varies as a Beta.
    exact = np.floor(level * (n_known + 1)) / (n_known + 1)
    spread = np.sqrt(exact * (1 - exact) * (1 / n_known + 1 / n_new) / 400)
    assert exact == 0.05
    assert np.mean(hits) == pytest.approx(exact, abs=4 * spread)


def test_nearest_anchor_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 6)).astype(np.float32)
    anchors = rng.normal(size=(60, 6)).astype(np.float32)

    distances, which = nearest(points, anchors)

    pairs = np.linalg.norm(points[:, None] - anchors[None], axis=2)
    np.testing.assert_allclose(distances, pairs.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(which, pairs.argmin(axis=1))


def test_two_categories_and_a_missing_value_are_one_scale_apart() -> None:
    import pyarrow as pa  # noqa: PLC0415 (one test)

    city = Dimension(name="city", values=("Ulm", "Bonn"))
    number = Dimension(name="x", centre=10.0, scale=2.0)

    places = city.points(pa.array(["Ulm", "Bonn", "Kiel", None]))
    numbers = number.points(pa.array([10.0, 12.0, None, 1e9]))

    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.testing.assert_allclose(apart, 1 - np.eye(4), atol=1e-6)
    assert numbers.tolist() == [[0, 0], [1, 0], [0, 1], [8, 0]]


def test_planted_cluster_adds_its_share() -> None:
    case = _case(
        training=_rows(9000, 1),
        reference=_rows(9000, 2),
        current=_rows(9000, 3, far=0.2),
    )

    got = measure(NAME, case)

    # q + .01 (1 - q), but for the luck of two thousand distances.
    expected = 0.2 + 0.01 * 0.8
    assert values(got, METRIC)[""] == pytest.approx(expected, abs=0.02)
    assert values(got, METRIC)["table=reference"] == pytest.approx(0.01, abs=0.012)
    assert got.tables["drivers"]["column"].iloc[0] == "x"
    assert findings(NAME, case)[f"{METRIC}/"].status is Status.FAIL


def test_unchanged_rows_pass() -> None:
    case = _case(
        training=_rows(9000, 1), reference=_rows(9000, 2), current=_rows(9000, 3)
    )

    assert findings(NAME, case)[f"{METRIC}/"].status is Status.PASS
    assert measure(NAME, case).tables["p_values"]["rows"].sum() == 9000


def test_new_category_alone_is_a_step_away_not_an_alarm_of_its_own() -> None:
    current = _rows(4000, 3).assign(city="Kiel")
    case = _case(training=_rows(9000, 1), reference=_rows(4000, 2), current=current)

    share = values(measure(NAME, case), METRIC)

    assert share[""] > share["table=reference"]


def test_row_order_changes_nothing() -> None:
    tables = {"training": _rows(3000, 1), "reference": _rows(3000, 2, far=0.1)}
    mixed = {name: one.sample(frac=1.0, random_state=0) for name, one in tables.items()}

    a, b = measure(NAME, _case(**tables)), measure(NAME, _case(**mixed))

    pd.testing.assert_frame_equal(a.summary, b.summary)


def test_columns_without_any_value_and_infinite_values_are_borne() -> None:
    tables = {
        name: _rows(2000, seed).assign(y2=np.nan)
        for seed, name in enumerate(["training", "reference", "current"])
    }
    tables["current"].loc[0, "x"] = np.inf

    got = measure(NAME, _case(**tables))

    assert np.isfinite(got.summary["value"]).all()


def test_few_rows_are_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, _case(training=_rows(60, 1), reference=_rows(60, 2)))

    assert caught.value.code is Reason.TOO_FEW_ROWS
