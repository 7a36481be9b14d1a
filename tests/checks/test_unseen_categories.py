from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from readiness import seen
from readiness.checks.coverage.unseen_categories import CHECK, missing_mass
from readiness.errors import NotAssessedError, Reason
from readiness.result import Status
from readiness.seen import Categories, categories
from tests.coverage_cases import (
    findings,
    measure,
    plain_case,
    reasons,
    values,
    with_target,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MASS = "missing_mass"


def _zipf(size: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, size + 1)
    return weights / weights.sum()


def _counted(counts: np.ndarray) -> Categories:
    return Categories(counts={n: int(c) for n, c in enumerate(counts) if c})


def test_categories_seen_once_over_rows_worked_out_by_hand() -> None:
    seen = Categories(counts={"a": 5, "b": 2, "c": 1, "d": 1, "e": 1})

    got = missing_mass(seen, 0)

    # n = 10, N1 = 3, N2 = 1: 3 / 10; Esty: (3 - 9 / 10 + 2) / 100 = 0.041.
    assert got.value == pytest.approx(0.3)
    assert got.se == pytest.approx(0.041**0.5)
    assert (got.n_rows, got.n_blocks) == (10, 10)
    assert got.ci_low < 0.3 < got.ci_high


def test_blocks_take_the_place_of_rows_worked_out_by_hand() -> None:
    seen = Categories(
        counts={"a": 12, "b": 3, "c": 2, "d": 1, "e": 4},
        blocks={"a": {}, "b": {1: 3}, "c": {1: 2}, "d": {2: 1}, "e": {3: 1, 4: 3}},
    )

    got = missing_mass(seen, 5)

    # Rows of categories of one block alone: 5 in block 1 and 1 in block 2, of 22.
    # Squares 25 and 1, less 36 over 5 blocks, and twice 1 times 3 for e.
    assert got.value == pytest.approx(6 / 22)
    assert got.se == pytest.approx((26 - 7.2 + 6) ** 0.5 / 22)
    assert got.n_blocks == 5


def test_zipf_truth_is_met_as_published() -> None:
    rng = np.random.default_rng(0)
    p, n, draws = _zipf(500), 300, 1500
    truth = float(np.sum(p * (1 - p) ** n))
    counts = rng.multinomial(n, p, size=draws)

    got = np.array([missing_mass(_counted(one), 0).value for one in counts])

    realised = np.array([p[one == 0].sum() for one in counts])
    assert truth == pytest.approx(0.2849, abs=5e-5)
    assert got.mean() == pytest.approx(0.2854, abs=4 * got.std() / draws**0.5)
    assert np.sqrt(np.mean((got - realised) ** 2)) == pytest.approx(0.034, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "n"),
    [
        (_zipf(500), 300),
        (_zipf(500), 2000),
        (np.full(100, 0.01), 300),
        (np.array([0.98, 0.01, 0.005, 0.005]), 300),
    ],
    ids=["zipf", "zipf, more rows", "uniform", "rare levels"],
)
def test_limits_hold_the_mass_that_is_really_missing(p: np.ndarray, n: int) -> None:
    rng = np.random.default_rng(1)
    draws = rng.multinomial(n, p, size=1500)

    limits = [missing_mass(_counted(one), 0) for one in draws]

    truth = np.array([p[one == 0].sum() for one in draws])
    low = np.array([one.ci_low for one in limits])
    high = np.array([one.ci_high for one in limits])
    # Each limit is one-sided 95 %; 1,500 draws are good to 1.7 points.
    assert np.mean(low <= truth) > 0.93
    assert np.mean(truth <= high) > 0.93


@pytest.mark.slow
def test_limits_hold_for_categories_that_come_in_days() -> None:
    rng = np.random.default_rng(2)
    p, days, per_day, draws = _zipf(300), 80, 4, 400
    day = np.repeat(np.arange(days), per_day)
    below, above, naive = [], [], []
    for pick in rng.choice(len(p), size=(draws, days, 2), p=p):
        # Each day shows two categories, one of them three times.
        drawn = pick[:, [0, 0, 0, 1]].ravel()
        got = missing_mass(categories(pa.array(drawn), day), days)
        by_row = missing_mass(categories(pa.array(drawn), None), 0)
        truth = p[np.setdiff1d(np.arange(len(p)), drawn)].sum()
        below.append(got.ci_low <= truth)
        above.append(truth <= got.ci_high)
        naive.append(truth <= by_row.ci_high)

    assert np.mean(below) > 0.91
    assert np.mean(above) > 0.91
    # Rows taken for independent see a category three times on its only day.
    assert np.mean(naive) < 0.5


@pytest.mark.slow
def test_measured_limits_hold_only_with_the_declared_days() -> None:
    rng = np.random.default_rng(4)
    p, days, per_day, draws = _zipf(300), 80, 4, 120
    day = np.repeat(np.arange(days), per_day)
    held: dict[str, list[tuple[bool, bool]]] = {"day": [], "row": []}
    for pick in rng.choice(len(p), size=(draws, days, 2), p=p):
        # Each day shows two categories, one of them three times.
        drawn = pick[:, [0, 0, 0, 1]].ravel()
        truth = p[np.setdiff1d(np.arange(len(p)), drawn)].sum()
        rows = pd.DataFrame({"port": drawn, "day": day, "row": np.arange(len(day))})
        for block, found in held.items():
            case = plain_case(
                features=["port"],
                columns={"port": {"kind": "categorical"}},
                data={"block": block},
                reference=with_target(rows),
            )
            got = measure("unseen_categories", case).summary.iloc[0]
            found.append((got["ci_low"] <= truth, truth <= got["ci_high"]))

    # Each limit is one-sided 95 %; 120 draws are good to 4 points.
    assert np.mean(held["day"], axis=0).min() > 0.91
    # Rows taken for independent see a category three times on its only day.
    assert np.mean(held["row"], axis=0)[1] < 0.5


def test_nothing_seen_once_is_not_proof_of_nothing_missing() -> None:
    got = missing_mass(Categories(counts={"a": 50, "b": 50}), 0)

    assert (got.value, got.ci_low) == (0.0, 0.0)
    assert got.ci_high == pytest.approx(1 - 0.05**0.01)


def test_no_row_is_the_widest_interval() -> None:
    got = missing_mass(Categories(), 0)

    assert np.isnan(got.value)
    assert (got.ci_low, got.ci_high) == (0.0, 1.0)


def test_every_row_its_own_category_is_all_missing() -> None:
    got = missing_mass(Categories(counts=dict.fromkeys(range(40), 1)), 0)

    assert (got.value, got.ci_high) == (1.0, 1.0)


def test_many_rare_categories_break_the_limit_and_few_common_ones_do_not() -> None:
    rows = pd.DataFrame({"plane": np.arange(400).astype(str), "port": ["A", "B"] * 200})
    case = plain_case(
        features=["plane", "port"], training=rows, reference=with_target(rows)
    )

    found = findings("unseen_categories", case)

    assert found["missing_mass/plane"].status is Status.FAIL
    assert found["missing_mass/port"].status is Status.PASS
    assert not found["missing_mass/plane"].required


def test_one_day_alone_counts_as_seen_once() -> None:
    rows = pd.DataFrame(
        {"port": ["A", "B"] * 30 + ["C"] * 6, "day": [*range(60), *[60] * 6]}
    )
    case = plain_case(
        features=["port"],
        data={"block": "day"},
        reference=with_target(rows),
    )

    measurement = measure("unseen_categories", case)

    # C has six rows, all of one day: 6 of 66 rows.
    assert values(measurement, MASS)["port"] == pytest.approx(6 / 66)
    assert measurement.summary["n_blocks"].tolist() == [61]
    assert "a single block of rows of the reference table" in measurement.notes[0]
    assert "reference rows stand in" in measurement.notes[-1]


@pytest.mark.parametrize(
    ("data", "unit"),
    [
        ({}, "a single row of"),
        ({"time": "when"}, "a single day of"),
        ({"time": "when", "block": "1w"}, "a single week of"),
        ({"block": "shop"}, "a single block of rows of"),
        ({"entity": "shop"}, "a single shop (entity) of"),
    ],
)
def test_what_hangs_together_is_called_by_its_name(
    data: dict[str, str], unit: str
) -> None:
    when = pd.date_range("2024-01-01", periods=30, freq="7D")
    rows = pd.DataFrame({"port": ["A"] * 29 + ["B"], "when": when, "shop": range(30)})
    case = plain_case(features=["port"], data=data, reference=with_target(rows))

    assert unit in measure("unseen_categories", case).notes[0]


def test_no_sign_of_new_ones_points_to_those_that_came() -> None:
    rows = pd.DataFrame({"port": ["A", "B"] * 20})
    came = with_target(pd.DataFrame({"port": ["A", "C"] * 20}))
    tables = {"training": with_target(rows), "reference": with_target(rows)}

    without = measure("unseen_categories", plain_case(features=["port"], **tables))
    case = plain_case(features=["port"], current=came, **tables)

    assert len(without.notes) == 1
    assert "new ones are rare" in without.notes[0]
    assert measure("unseen_categories", case).notes == (
        *without.notes,
        "C2 counts the new ones that current rows did bring.",
    )


def test_columns_without_categories_have_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen, "MAX_CATEGORIES", 3)
    rows = pd.DataFrame(
        {"port": ["A", "B", "A", "B", "A"], "order": list("abcde"), "empty": None}
    )
    training = rows.drop(columns="port").assign(empty=pd.array([None] * 5, "str"))
    case = plain_case(
        features=["port", "order", "empty"],
        training=training,
        reference=with_target(rows),
    )

    measurement = measure("unseen_categories", case)

    assert reasons(measurement) == {
        "port": "SCHEMA",
        "order": "UNSUPPORTED_TYPE",
        "empty": "ALL_NULL",
    }
    assert CHECK.alt(measurement) == "No categorical feature could be measured."
    assert CHECK.draw(measurement, CHECK.limits).axes


def test_model_without_categorical_features_is_not_assessed() -> None:
    rows = pd.DataFrame({"wind": [1.0, 2.0]})
    case = plain_case(features=["wind"], reference=with_target(rows))

    with pytest.raises(NotAssessedError, match="no categorical feature") as raised:
        measure("unseen_categories", case)

    assert raised.value.code is Reason.NO_COLUMNS


def test_booleans_and_declared_categories_are_measured() -> None:
    rows = pd.DataFrame({"code": [1, 2, 2, 2], "flag": [True, False, True, True]})
    case = plain_case(
        features=["code", "flag"],
        columns={"code": {"kind": "categorical"}},
        reference=with_target(rows),
    )

    mass = values(measure("unseen_categories", case), MASS)

    assert mass == {"code": 0.25, "flag": 0.25}


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        (["A", "A", "B", "B"], "None of 1 categorical features has a category"),
        (["A", "A", "B", "C"], "port is the most likely to bring"),
    ],
)
def test_alternative_text_says_what_was_found(ports: list[str], text: str) -> None:
    rows = pd.DataFrame({"port": ports})
    case = plain_case(features=["port"], reference=with_target(rows))

    assert text in CHECK.alt(measure("unseen_categories", case))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
def test_mass_agrees_with_pandas_on_hotel_bookings() -> None:
    rows = pd.read_parquet(SHARED / "hotel_bookings" / "hotel_bookings.parquet")
    names = ["country", "market_segment", "reserved_room_type", "meal"]
    wanted = {n: (rows[n].value_counts() == 1).sum() / rows[n].count() for n in names}

    case = plain_case(features=names, reference=with_target(rows[names]))

    got = values(measure("unseen_categories", case), MASS)
    assert got == pytest.approx(wanted)
