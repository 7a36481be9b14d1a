import numpy as np
import pandas as pd
import pytest

from readiness.case import load_case
from readiness.checks.coverage._attributes import Attribute
from readiness.checks.coverage._cells import level_of
from readiness.checks.coverage.uncovered_patterns import CHECK
from readiness.errors import CaseError, NotAssessedError, Reason
from readiness.flights import demo_case
from readiness.result import Measurement, Options, Status
from tests.coverage_cases import findings, measure, plain_case, values, with_target

NAME = "uncovered_patterns"
SHARE, EXCESS = "uncovered_traffic_share", "uncovered_traffic_excess"


def _rows(n_rows: int, seed: int, *, hot: float = 0.0) -> pd.DataFrame:
    """Return rows of 60 days; a share `hot` lies above every other temperature."""
    rng = np.random.default_rng(seed)
    is_hot = rng.random(n_rows) < hot
    return with_target(
        pd.DataFrame(
            {
                "temp": np.where(is_hot, 35.0, rng.uniform(0.0, 20.0, n_rows)),
                "city": rng.choice(["Ulm", "Bonn"], n_rows),
                "day": pd.Timestamp("2024-01-01")
                + pd.to_timedelta(rng.integers(0, 60, n_rows), unit="D"),
            }
        )
    )


def _case(**tables: pd.DataFrame):  # noqa: ANN202 (a case)
    return plain_case(features=["temp", "city"], data={"time": "day"}, **tables)


def _planted(hot: float = 0.3) -> Measurement:
    case = _case(
        training=_rows(4000, 1),
        reference=_rows(4000, 2),
        current=_rows(4000, 3, hot=hot),
    )
    return measure(NAME, case)


def test_planted_heat_is_the_first_line_with_its_share() -> None:
    current = _rows(4000, 3, hot=0.3)

    got = _planted()

    first = got.tables["shopping_list"].iloc[0]
    assert first["situation"] == "temp above 20"
    assert first["training rows"] == "0"
    assert first["to collect"] == "30 rows on 5 more days"
    assert values(got, SHARE)[""] == pytest.approx((current["temp"] > 20).mean())
    assert values(got, SHARE)["table=reference"] == 0.0
    assert "temp above 20" in got.notes[0]


def test_excess_fails_where_a_third_of_production_is_new_and_passes_where_none() -> (
    None
):
    tables = {"training": _rows(4000, 1), "reference": _rows(4000, 2)}

    bad = findings(NAME, _case(**tables, current=_rows(4000, 3, hot=0.3)))
    sound = findings(NAME, _case(**tables, current=_rows(4000, 4)))

    assert bad[f"{EXCESS}/"].status is Status.FAIL
    assert sound[f"{EXCESS}/"].status is Status.PASS


def test_sound_tables_leave_nothing_to_collect() -> None:
    got = _planted(hot=0.0)

    assert got.tables["shopping_list"].empty
    assert got.tables["patterns"].empty
    assert values(got, "uncovered_patterns")[""] == 0


def test_patterns_of_categories_are_those_of_a_full_count() -> None:
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        rng.integers(0, 4, (3000, 3)).astype(str), columns=["a", "b", "c"]
    )
    thin = rows[~((rows["a"] == "1") & (rows["b"] == "2"))]
    case = plain_case(
        features=["a", "b", "c"],
        training=with_target(thin),
        reference=with_target(rows),
    )

    got = measure(NAME, case).tables["patterns"]

    assert got[["a", "b", "c"]].to_numpy().tolist() == [["1", "2", ""]]
    assert got["training_rows"].tolist() == [0]
    expected = ((rows["a"] == "1") & (rows["b"] == "2")).mean()
    assert got["traffic_share"].tolist() == pytest.approx([expected])


def test_few_days_leave_a_situation_uncovered_in_spite_of_many_rows() -> None:
    training = _rows(4000, 1)
    training.loc[training["day"] < "2024-01-04", "city"] = "Kiel"

    got = measure(
        NAME, _case(training=training, reference=_rows(4000, 2), current=training)
    )

    first = got.tables["shopping_list"].iloc[0]
    assert first["situation"] == "city = Kiel"
    assert first["training days"] == "3"
    assert first["to collect"] == "2 more days"


def test_tables_count_days_only_where_these_are_too_few() -> None:
    """Of a covered situation five days are counted: no number of its days."""
    training = _rows(4000, 1)
    training.loc[training["day"] < "2024-01-04", "city"] = "Kiel"
    training.loc[training.index[-20:], "city"] = "Trier"
    n_days = training.loc[training["city"] == "Trier", "day"].nunique()

    got = measure(
        NAME, _case(training=training, reference=_rows(4000, 2), current=training)
    )

    patterns, cells = got.tables["patterns"], got.tables["map"]
    days = patterns[patterns["level"] == 1].set_index("city")["training_blocks"]
    assert n_days > 5
    assert days["Kiel"] == 3
    assert np.isnan(days["Trier"])
    of_map = cells.set_index("cell")["base_blocks"]
    assert of_map["Kiel"] == 3
    assert of_map[["Trier", "Ulm"]].isna().all()


def test_missing_values_are_a_situation_of_their_own() -> None:
    current = _rows(4000, 3)
    current.loc[::4, "temp"] = np.nan

    got = measure(
        NAME,
        _case(training=_rows(4000, 1), reference=_rows(4000, 2), current=current),
    )

    assert got.tables["shopping_list"]["situation"].tolist() == ["temp missing"]
    assert values(got, SHARE)[""] == pytest.approx(0.25)


def test_new_categories_are_named() -> None:
    current = _rows(4000, 3)
    current.loc[::10, "city"] = "Köln"

    got = measure(
        NAME,
        _case(training=_rows(4000, 1), reference=_rows(4000, 2), current=current),
    )

    assert any("1 value of city (Köln)" in note for note in got.notes)


def test_model_is_judged_inside_the_situations() -> None:
    def always_right(frame: pd.DataFrame) -> np.ndarray:
        return np.where(frame["temp"] > 20, 0.9, 0.1)

    current = _rows(4000, 3, hot=0.3)
    case = plain_case(
        features=["temp", "city"],
        data={"time": "day"},
        model=always_right,
        training=_rows(4000, 1),
        reference=_rows(4000, 2),
        current=current,
    )

    first = measure(NAME, case).tables["shopping_list"].iloc[0]

    # Inside the heat every score is 0.9: no order, an area of one half.
    assert first["AUC there"].startswith("0.500")


def test_row_order_changes_nothing() -> None:
    tables = {
        "training": _rows(3000, 1),
        "reference": _rows(3000, 2),
        "current": _rows(3000, 3, hot=0.2),
    }
    mixed = {name: one.sample(frac=1.0, random_state=0) for name, one in tables.items()}

    a, b = measure(NAME, _case(**tables)), measure(NAME, _case(**mixed))

    pd.testing.assert_frame_equal(a.tables["patterns"], b.tables["patterns"])
    pd.testing.assert_frame_equal(a.tables["shopping_list"], b.tables["shopping_list"])


def test_ten_thousand_categories_are_counted_together() -> None:
    rng = np.random.default_rng(0)
    rows = with_target(
        pd.DataFrame({"id": rng.integers(0, 10_000, 20_000).astype(str)})
    )

    got = measure(NAME, plain_case(features=["id"], training=rows, reference=rows))

    assert len(got.tables["map"]) == 122
    assert values(got, "uncovered_patterns")[""] <= 121


def test_rows_of_small_sensitive_situations_are_not_told() -> None:
    training = _rows(4000, 1)
    training.loc[:4, "city"] = "Kiel"
    case = plain_case(
        features=["temp", "city"],
        data={"time": "day"},
        columns={"city": {"sensitive": True}},
        training=training,
        reference=_rows(4000, 2),
        current=training,
    )

    got = measure(NAME, case).tables

    assert "Kiel" not in set(got["patterns"]["city"]) | set(got["map"]["cell"])


def test_small_sensitive_numbers_stand_nowhere() -> None:
    training = _rows(4000, 1)
    training.loc[:4, "city"] = "Kiel"
    case = plain_case(
        features=["temp", "city"],
        data={"time": "day"},
        columns={"city": {"sensitive": True}},
        training=training,
        reference=_rows(4000, 2),
        current=_rows(4000, 3).assign(city="Kiel"),
    )

    got = measure(NAME, case)

    first = got.tables["shopping_list"].iloc[0]
    cells = got.tables["map"].set_index("cell")
    assert first["situation"] == "city = Kiel"
    assert first["training rows"] == first["training days"] == "under 10"
    assert first["to collect"] == "up to 30 rows"
    assert "fewer than 10 training rows;" in got.notes[0]
    assert np.isnan(cells.loc["Kiel", "base_rows"])


def test_small_training_table_is_no_pass() -> None:
    few = _rows(4000, 1)
    few = few[few["day"] < "2024-01-04"]
    case = _case(training=few, reference=_rows(4000, 2), current=_rows(4000, 3))

    got = measure(NAME, case)

    assert findings(NAME, case)[f"{EXCESS}/"].status is Status.NOT_ASSESSED
    assert values(got, SHARE)[""] == 1.0
    assert any("as a whole" in note for note in got.notes)


def test_share_of_one_attribute_alone_stands_beside_the_whole() -> None:
    current = _rows(4000, 3, hot=0.3)
    current.loc[(current["temp"] < 5) & (current["city"] == "Ulm"), "temp"] = 1.0
    training = _rows(4000, 1)
    training = training[~((training["temp"] < 5) & (training["city"] == "Ulm"))]

    got = values(
        measure(
            NAME, _case(training=training, reference=_rows(4000, 2), current=current)
        ),
        SHARE,
    )

    is_hot = current["temp"] > 20
    is_cold = (current["temp"] == 1.0) & (current["city"] == "Ulm")
    assert got["level=1"] == pytest.approx(is_hot.mean())
    assert got[""] == pytest.approx((is_hot | is_cold).mean())


def _categories(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return with_target(
        pd.DataFrame(
            rng.integers(0, 3, (n_rows, 3)).astype(str), columns=["a", "b", "c"]
        )
    )


def test_categories_alone_are_combined_three_at_a_time() -> None:
    rows = _categories(6000, 1)
    is_out = (rows["a"] == "1") & (rows["b"] == "2") & (rows["c"] == "0")
    case = plain_case(features=["a", "b", "c"], training=rows[~is_out], reference=rows)

    three = measure(NAME, case).tables["patterns"]
    two = measure(NAME, case, level=2).tables["patterns"]

    assert three[["a", "b", "c"]].to_numpy().tolist() == [["1", "2", "0"]]
    assert two.empty


def test_depth_that_does_not_fit_is_said() -> None:
    wide = [Attribute(name=f"x{n}", values=tuple("ab" * 60)) for n in range(8)]

    assert level_of(wide, 0) == (2, 3)
    assert level_of(wide[:3], 0) == (3, 3)
    assert level_of([*wide[:3], Attribute(name="z", edges=(1.0,))], 0) == (2, 2)


def test_declared_values_are_asked_for_before_production_meets_them() -> None:
    rows = _categories(3000, 1)
    case = plain_case(features=["a", "b"], training=rows, reference=rows)
    domain = ["0", "1", "2", "3"]

    plain = measure(NAME, case).tables["patterns"]
    asked = measure(NAME, case, domains={"a": domain}).tables["patterns"]
    spared = measure(NAME, case, domains={"a": domain}, impossible=[{"a": "3"}]).tables[
        "patterns"
    ]

    assert plain.empty
    assert asked[["a", "traffic_share", "rows_to_collect"]].to_numpy().tolist() == [
        ["3", 0.0, 30]
    ]
    assert spared.empty


def test_nobody_is_asked_to_collect_the_impossible() -> None:
    rows = _categories(3000, 1)
    is_out = (rows["a"] == "1") & (rows["b"] == "2")
    case = plain_case(features=["a", "b"], training=rows[~is_out], reference=rows)

    got = measure(NAME, case, impossible=[{"a": "1", "b": "2"}])

    assert got.tables["shopping_list"]["to collect"].tolist() == ["declared impossible"]
    assert not any("well chosen" in note for note in got.notes)


@pytest.mark.slow
def test_nothing_is_in_excess_where_nothing_changed() -> None:
    hits, fails, n_runs = 0, 0, 100
    rng = np.random.default_rng(0)
    training = _thin(800, rng)
    for _ in range(n_runs):
        case = plain_case(
            features=["a", "b"],
            training=training,
            reference=_thin(1500, rng),
            current=_thin(1500, rng),
        )
        summary = measure(NAME, case).summary.set_index(["metric", "group"])
        excess = summary.loc[(EXCESS, "")]
        hits += excess["ci_low"] <= 0 <= excess["ci_high"]
        fails += excess["ci_low"] > 0.05

    # Nominal 90 %: at most 4 standard errors of 3 points below; no false alarm.
    assert hits >= 78
    assert fails == 0


def _thin(n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows of two attributes with many rare values."""
    rare = rng.geometric(0.2, (n_rows, 2)).clip(max=15).astype(str)
    return with_target(pd.DataFrame(rare, columns=["a", "b"]))


@pytest.mark.parametrize("option", ["attributes", "domains"])
def test_unknown_attribute_is_an_error(option: str) -> None:
    case = _case(training=_rows(100, 1), reference=_rows(100, 2))
    wrong = ["moon"] if option == "attributes" else {"moon": [1]}

    with pytest.raises(CaseError, match="'moon', which is no feature"):
        measure(NAME, case, **{option: wrong})


def test_declared_attributes_alone_are_used() -> None:
    case = _case(
        training=_rows(3000, 1),
        reference=_rows(3000, 2),
        current=_rows(3000, 3, hot=0.3),
    )

    got = measure(NAME, case, attributes=["city"])

    assert values(got, "uncovered_patterns")[""] == 0
    assert set(got.tables["map"]["attribute"]) == {"city"}


def test_reference_alone_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, _case(reference=_rows(100, 2)))

    assert caught.value.code is Reason.NO_TABLE


def test_without_current_rows_the_excess_is_not_assessed() -> None:
    case = _case(training=_rows(3000, 1), reference=_rows(3000, 2))

    assert findings(NAME, case)[f"{EXCESS}/"].status is Status.NOT_ASSESSED


@pytest.mark.slow
def test_summer_comes_first_on_the_flights() -> None:
    case = load_case(demo_case())
    folder = demo_case().parent
    days = {}
    for name in ("training", "current"):
        rows = pd.read_parquet(
            folder / f"{name}.parquet", columns=["temp", "scheduled"]
        )
        hot = rows[rows["temp"] > 70]
        days[name] = (
            len(hot),
            hot["scheduled"].dt.date.nunique(),
            len(hot) / len(rows),
        )

    got = CHECK.measure(case, Options(values=dict(CHECK.defaults)))

    first = got.tables["shopping_list"].iloc[0]
    assert first["situation"] == "temp above 70 °F"
    assert first["training rows"] == f"{days['training'][0]:,}" == "419"
    assert first["training days"] == str(days["training"][1]) == "4"
    assert first["share of current"].startswith("41.1 %")
    assert days["current"][2] == pytest.approx(0.411, abs=5e-4)
