from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case, load_case
from readiness.checks.stress._encodings import encodings
from readiness.checks.stress._relations import ALIKE, TWICE
from readiness.checks.stress.relations import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Measurement, Options
from readiness.scoring import count_calls
from tests.cases import case_file, small_frames
from tests.coverage_cases import plain_case
from tests.judging import TODAY, policy_with

FEATURES = ["wind", "seats", "carrier", "holiday", "left", "tag"]
SHARE = 0.2
Model = Callable[[pd.DataFrame], np.ndarray]


def options(**changes: float) -> Options:
    return Options(values={**CHECK.defaults, **changes})


def rows_of(n_rows: int = 1000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    carrier = pd.Series(rng.choice(["AA", "DL", "UA"], n_rows)).astype(object)
    carrier[rng.random(n_rows) < 0.1] = None
    return pd.DataFrame(
        {
            "wind": rng.normal(10, 3, n_rows),
            "seats": rng.integers(50, 300, n_rows),
            "carrier": carrier,
            "holiday": rng.random(n_rows) < 0.1,
            "left": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 9999, n_rows), unit="min"),
            "tag": rng.random(n_rows),
            "y": rng.integers(0, 2, n_rows),
        }
    )


def sound(frame: pd.DataFrame) -> np.ndarray:
    """Return a score that rises with wind and reads values only."""
    score = 0.1 * (frame["wind"].fillna(10) - 10) + 0.001 * frame["seats"]
    score += 0.1 * (frame["carrier"] == "UA") + 0.1 * frame["holiday"].astype(int)
    score += 0.1 * (frame["left"].dt.hour > 12)
    return (1 / (1 + np.exp(-score.astype(float)))).to_numpy()


def case_of(
    model: Model = sound, rows: pd.DataFrame | None = None, **columns: dict
) -> Case:
    return plain_case(
        features=FEATURES,
        columns=columns,
        model=model,
        reference=rows_of() if rows is None else rows,
    )


def shares(found: Measurement) -> dict[str, float]:
    return dict(zip(found.summary["group"], found.summary["value"], strict=True))


def test_sound_model_keeps_every_relation() -> None:
    case = case_of(
        wind={"monotone": "increasing"},
        seats={"monotone": "increasing"},
        tag={"role": "irrelevant"},
    )

    found = measure(case, options())

    assert set(shares(found)) == {
        ALIKE,
        TWICE,
        "another mark for missing text",
        "text as categories",
        "true and false as 1 and 0",
        "whole numbers as floats",
        "whole numbers in another width",
        "times in another resolution",
        "irrelevant=tag",
        "monotone=wind",
        "monotone=seats",
    }
    assert not any(shares(found).values())
    assert found.notes[0].startswith("Of 11 relations tried on up to 1,000 rows")
    assert (
        "11 held on every row and 0 failed; at most 0.299 % of its rows"
        in found.notes[0]
    )


@pytest.mark.parametrize(("n_rows", "status"), [(299, "pass"), (298, "inconclusive")])
def test_no_violation_of_299_rows_passes_and_of_298_does_not(
    n_rows: int, status: str
) -> None:
    # ln(.05) / ln(.99) = 298.1: METHODS 1.3.
    case = case_of()
    found = measure(case, options(rows=n_rows))
    names = declared(case.file, case.metric.name, higher_is_better=True)

    limits = limits_in_force(CHECK, policy_with(tier="high"), names)
    judged = judge(CHECK, found, limits, policy_with(tier="high"), TODAY)

    assert {str(one.status) for one in judged} == {status}
    assert all(one.required for one in judged)


def centred_in_its_batch(frame: pd.DataFrame) -> np.ndarray:
    wind = frame["wind"] - frame["wind"].mean()
    return (1 / (1 + np.exp(-wind))).to_numpy()


def drops_repeats(frame: pd.DataFrame) -> np.ndarray:
    return np.where(frame[["wind", "tag"]].duplicated(), 0.5, sound(frame))


def drops_the_first_of_two(frame: pd.DataFrame) -> np.ndarray:
    again = frame[["wind", "tag"]].duplicated(keep="last")
    return np.where(again, 0.5, sound(frame))


def reads_the_storage(frame: pd.DataFrame) -> np.ndarray:
    """Count a missing carrier only where it is written as None."""
    return sound(frame) * np.where([one is None for one in frame["carrier"]], 0.5, 1.0)


def reads_the_width(frame: pd.DataFrame) -> np.ndarray:
    return sound(frame) * (1.0 if frame["seats"].dtype.itemsize == 8 else 0.9)


def reads_flags_by_type(frame: pd.DataFrame) -> np.ndarray:
    return sound(frame) * (1.0 if frame["holiday"].dtype == bool else 0.9)


@pytest.mark.parametrize(
    ("model", "relation"),
    [
        (centred_in_its_batch, ALIKE),
        (drops_repeats, TWICE),
        (drops_the_first_of_two, TWICE),
        (reads_the_storage, "another mark for missing text"),
        (reads_the_width, "whole numbers in another width"),
        (reads_flags_by_type, "true and false as 1 and 0"),
    ],
)
def test_planted_violation_is_found_and_no_other(model: Model, relation: str) -> None:
    found = measure(case_of(model), options())

    share = shares(found)
    truth = float(rows_of()["carrier"].isna().mean())
    others = [value for name, value in share.items() if name != relation]
    assert share[relation] == pytest.approx(
        truth if model is reads_the_storage else 1.0
    )
    assert not any(others)
    assert found.tables["relations"]["relation"].iloc[0] == relation


def codes(frame: pd.DataFrame) -> np.ndarray:
    """Return a score from the place of a category in its list, as some do."""
    return (0.2 + 0.2 * frame["carrier"].cat.codes).to_numpy()


def test_category_codes_change_where_the_list_is_turned() -> None:
    rows = rows_of().dropna(subset="carrier").reset_index(drop=True)
    rows["carrier"] = rows["carrier"].astype("category")

    found = measure(case_of(codes, rows), options())

    # AA, DL, UA become UA, DL, AA: DL stays.
    by_group = found.summary.set_index("group")
    turned = by_group.loc["categories listed in another order", "value"]
    assert turned == pytest.approx((rows["carrier"] != "DL").mean())
    # Plain values have no codes: the model raises, which is loud and no violation.
    refused = by_group.loc["categories as plain values"]
    assert refused["reason"] == Reason.REFUSED
    assert any("no usable score for: categories as plain" in n for n in found.notes)


def falls_on_some(frame: pd.DataFrame) -> np.ndarray:
    """Rise with wind, but fall on the share of rows with a low tag."""
    sign = np.where(frame["tag"] < SHARE, -1.0, 1.0)
    return 1 / (1 + np.exp(-sign * 0.3 * (frame["wind"] - 10)))


def test_planted_wrong_direction_is_found_on_its_share_of_rows() -> None:
    rows = rows_of()
    case = case_of(falls_on_some, rows, wind={"monotone": "increasing"})

    found = measure(case, options())

    row = found.summary.set_index("group").loc["monotone=wind"]
    worst = found.tables["wrong_way"].iloc[0]
    assert row["value"] == (rows["tag"] < SHARE).mean()
    assert row["ci_low"] < SHARE < row["ci_high"]
    assert rows["tag"][worst["row"]] < SHARE
    # From the lowest to the highest of the ten values, or the row's own beyond.
    assert worst["from"] <= rows["wind"].quantile(0.01) + 1e-9
    assert worst["to"] >= rows["wind"].quantile(0.99) - 1e-9
    assert worst["score_from"] - worst["score_to"] == pytest.approx(worst["wrong_way"])
    assert "wind should only move the score one way (increasing)" in found.notes[2]


def test_opposite_declaration_breaks_on_the_other_rows() -> None:
    rows = rows_of()
    case = case_of(falls_on_some, rows, wind={"monotone": "decreasing"})

    found = shares(measure(case, options()))

    assert found["monotone=wind"] == (rows["tag"] >= SHARE).mean()


def reads_the_tag(frame: pd.DataFrame) -> np.ndarray:
    return 0.5 + 0.3 * frame["tag"].to_numpy() * (frame["seats"] < 100)


def test_irrelevant_feature_that_moves_some_scores_is_found_on_those() -> None:
    rows = rows_of()
    case = case_of(reads_the_tag, rows, tag={"role": "irrelevant"})

    found = shares(measure(case, options()))

    # A row that keeps its own value in the shuffle is not violated.
    few = (rows["seats"] < 100).mean()
    assert found["irrelevant=tag"] == pytest.approx(few, abs=0.003)


def dips(frame: pd.DataFrame) -> np.ndarray:
    """Rise with wind, except for a fall by .005 at its median."""
    wind = frame["wind"].to_numpy()
    return 0.3 + 0.01 * np.clip(wind - 10, -9, 9) - 0.2 * ((wind > 10) & (wind < 13))


def test_fall_between_values_that_are_no_neighbours_counts() -> None:
    found = measure(case_of(dips, wind={"monotone": "increasing"}), options())

    # The fall is .2 less the rise on the way: below .2, and the same for every row.
    worst = found.tables["wrong_way"]["wrong_way"].iloc[0]
    assert shares(found)["monotone=wind"] == 1.0
    assert 0.15 < worst < 0.2


def test_small_fall_is_none_unless_asked_for() -> None:
    def slightly(frame: pd.DataFrame) -> np.ndarray:
        return 0.5 - 0.0005 * np.clip(frame["wind"].to_numpy() - 10, -9, 9)

    case = case_of(slightly, wind={"monotone": "increasing"})

    assert shares(measure(case, options()))["monotone=wind"] == 0.0
    assert shares(measure(case, options(least_move=0.0)))["monotone=wind"] == 1.0


def test_row_without_a_value_is_no_violation_by_itself() -> None:
    rows = rows_of()
    rows.loc[::3, "wind"] = np.nan

    found = shares(
        measure(case_of(sound, rows, wind={"monotone": "increasing"}), options())
    )

    assert found["monotone=wind"] == 0.0


def test_sensitive_row_is_not_shown() -> None:
    column = {"monotone": "increasing", "sensitive": True}

    found = measure(case_of(falls_on_some, wind=column), options())

    worst = found.tables["wrong_way"].iloc[0]
    assert set(worst[["row", "from", "to"]]) == {"not shown (sensitive)"}
    assert not any("as it rises from" in note for note in found.notes)


def test_direction_of_a_flag_or_of_several_classes_is_not_assessed() -> None:
    flag = measure(case_of(holiday={"monotone": "increasing"}), options())
    frames = small_frames("multiclass")
    file = case_file("multiclass", columns={"wind": {"monotone": "increasing"}})

    from tests.cases import small_case  # noqa: PLC0415 (only here)

    several = measure(
        small_case("multiclass", frames=frames, columns=file.model_dump()["columns"]),
        options(),
    )

    reasons = [
        one.summary.set_index("group").loc[group, "reason"]
        for one, group in [(flag, "monotone=holiday"), (several, "monotone=wind")]
    ]
    assert reasons == [Reason.UNSUPPORTED_TYPE, Reason.NOT_THIS_TASK]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 2, 3]),
        pd.Series([1.0, 2.0, 3.0]),
        pd.Series(["a", "b", "c"]),
        pd.Series(["a", None, "c"], dtype=object),
        pd.Series(["a", "b", "a"], dtype="category"),
        pd.Series([True, False, True]),
        pd.Series(pd.date_range("2024-01-01", periods=3)),
    ],
)
def test_encodings_hold_the_same_values(values: "pd.Series") -> None:
    found = list(encodings(values))

    assert found
    for _, other in found:
        assert other.isna().tolist() == values.isna().tolist()
        known = values.notna()
        assert other[known].astype(object).tolist() == values[known].tolist()


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1.5, 2.0]),
        pd.Series([1.0, np.nan]),
        pd.Series([2.0**60, 1.0]),
        pd.Series([True, None], dtype="boolean"),
    ],
)
def test_values_without_an_equivalent_form_have_none(values: "pd.Series") -> None:
    assert list(encodings(values)) == []


def test_whole_number_too_large_for_a_float_stays_as_it_is() -> None:
    names = [name for name, _ in encodings(pd.Series([2**60 + 1, 1]))]

    assert names == []


def test_work_is_bounded_and_never_below_what_shows_one_in_a_hundred() -> None:
    case = case_of(wind={"monotone": "increasing"})

    with count_calls() as spent:
        found = measure(case, options(most_scorings=1))

    rows = found.summary.set_index("group")["n_rows"]
    assert rows["whole numbers as floats"] == 300
    assert rows["monotone=wind"] == 300
    assert rows[TWICE] == 1000
    assert found.summary["value"].eq(0).all()
    # The table, halves, twice; seven encodings of 300 rows; ten values and the own.
    assert spent.calls == 1000 + 1000 + 2000 + 7 * 300 + 11 * 300


def test_order_of_the_file_does_not_matter() -> None:
    rows = rows_of()
    again = rows.sample(frac=1, random_state=2).reset_index(drop=True)

    one, other = (
        measure(
            case_of(falls_on_some, some, wind={"monotone": "increasing"}),
            options(rows=300),
        )
        for some in (rows, again)
    )

    pd.testing.assert_frame_equal(one.summary, other.summary)


def test_every_task_is_measured(multiclass_case: Case, regression_case: Case) -> None:
    for case in (multiclass_case, regression_case):
        found = measure(case, options())

        assert found.summary["value"].eq(0).all()
        assert any("no expected direction" in note for note in found.notes)


def test_stored_predictions_are_not_assessed() -> None:
    rows = small_frames("binary")["reference"].assign(stored=0.5)
    file = case_file("binary", model={"path": None, "predictions": "stored"})
    case = load_case(file, frames={"reference": rows})

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_RESCORING


def test_figure_names_each_relation_and_the_limit() -> None:
    found = measure(case_of(falls_on_some, wind={"monotone": "increasing"}), options())

    axes = draw(found, CHECK.limits).axes[0]

    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names[0] == "monotone=wind"
    assert len(names) == len(found.summary)
    assert any("at most 1 %" in text.get_text() for text in axes.texts)
    assert alt(found) == found.notes[0]
