"""What the coverage page says of real public tables equals a count by hand.

C1 is held against every pair of conditions; C2, C3 and C7 against plain pandas.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement
from tests.coverage_cases import TARGET, measure, reasons, values
from tests.real_coverage import DATA, SOURCES, by_hand, real_case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real tables are not beside this checkout"
    ),
]

# Every pair is counted by hand: few attributes where there are many values.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "diabetes_readmission": {
        "attributes": ["number_inpatient", "age", "medical_specialty"],
        "level": 2,
    }
}
FIRST = {
    "adult_income": "education-num above 11 and occupation = Protective-serv",
    "bank_marketing": "euribor3m up to 4",
    "beijing_air_quality": "month above 5 and day above 30",
    "bike_sharing_hourly": "atemp above 0.4 and mnth up to 1",
    "hotel_bookings": "lead_time above 400 and market_segment = Groups",
}


Tables = Mapping[str, pd.DataFrame]


@pytest.fixture(scope="module", params=SOURCES)
def loaded(request: pytest.FixtureRequest) -> tuple[str, Case, Tables]:
    """Load a table once; give its name, its case, its rows."""
    case, tables = real_case(request.param)
    return request.param, case, tables


@pytest.fixture(scope="module")
def measured(loaded: tuple[str, Case, Tables]) -> tuple[str, Measurement, Tables]:
    """Measure the situations of a table once."""
    name, case, tables = loaded
    options = OPTIONS.get(name, {})
    return name, measure("uncovered_patterns", case, **options), tables


def test_shares_equal_a_count_of_every_pair_by_hand(
    measured: tuple[str, Measurement, Tables],
) -> None:
    name, measurement, tables = measured
    key = SOURCES[name].key
    days = tables["training"][key] if key else None
    if SOURCES[name].data.get("time"):
        days = days.dt.date

    expected = by_hand(tables, measurement.tables["map"], days)
    found = values(measurement, "uncovered_traffic_share")

    assert found == {
        "": pytest.approx(expected[""]["current"], abs=1e-12),
        "level=1": pytest.approx(expected["level=1"]["current"], abs=1e-12),
        "table=reference": pytest.approx(expected[""]["reference"], abs=1e-12),
        "level=1 & table=reference": pytest.approx(
            expected["level=1"]["reference"], abs=1e-12
        ),
    }


def test_first_sentence_holds_these_numbers(
    measured: tuple[str, Measurement, Tables],
) -> None:
    name, measurement, _ = measured
    share = values(measurement, "uncovered_traffic_share")[""]

    assert measurement.notes[0].startswith(f"{100 * share:.3g} % (")
    assert FIRST.get(name, "First to collect") in measurement.notes[0]


# The first sentences of C2 and C3, with the numbers that pandas finds.
RANGES = {
    "adult_income": ("0.124 %", "occupation: 0.124 %"),
    "bank_marketing": ("100 %", "emp.var.rate: 100 %"),
    "beijing_air_quality": ("0.250 %", "PRES: 0.186 %"),
    "bike_sharing_hourly": ("0.0229 %", "temp: 0.0229 %"),
    "credit_default_taiwan": ("0.912 %", "AGE: 0.860 %"),
    "diabetes_readmission": ("2.85 %", "diag_2: 1.05 %"),
    "hotel_bookings": ("1.82 %", "agent: 1.15 %"),
}
NEW = {
    "adult_income": "native-country is the feature most likely",
    "bank_marketing": "Every category of the training table was seen in more",
    "beijing_air_quality": "Every category of the training table was seen in more",
    "credit_default_taiwan": "Every category of the training table was seen in more",
    "diabetes_readmission": "diag_2 is the feature most likely",
    "hotel_bookings": "reserved_room_type is the feature most likely",
}


def _is_text(case: Case, rows: pd.DataFrame, name: str) -> bool:
    declared = case.file.columns.get(name)
    is_code = declared is not None and declared.kind == "categorical"
    return is_code or not pd.api.types.is_numeric_dtype(rows[name])


def _blocks(case: Case, rows: pd.DataFrame) -> pd.Series:
    """Return what hangs together: a day, an entity, else each row by itself."""
    data = case.file.data
    if data.time:
        return rows[data.time].dt.floor("D")
    return rows[data.entity] if data.entity else pd.Series(np.arange(len(rows)))


def _alone(values_of: pd.Series, blocks: pd.Series) -> pd.Series:
    """Return the rows whose category no other block has."""
    pairs = pd.DataFrame({"value": values_of, "block": blocks}).dropna(subset="value")
    n_blocks = pairs.groupby("value", observed=True)["block"].nunique()
    return values_of.isin(n_blocks[n_blocks == 1].index) & values_of.notna()


def _beyond_others(x: pd.Series, blocks: pd.Series) -> pd.Series:
    """Return the rows above what all other blocks have."""
    top = x.groupby(blocks).max().nlargest(2)
    others = np.where(blocks == top.index[0], top.iloc[1], top.iloc[0])
    return x > others


def test_rows_outside_agree_with_pandas(loaded: tuple[str, Case, Tables]) -> None:
    name, case, tables = loaded
    training, current = tables["training"], tables["current"]
    blocks = _blocks(case, training)
    outside, expected = {}, {}
    for one in case.features:
        x, met = training[one], current[one]
        if _is_text(case, training, one):
            outside[one] = ~met.isin(x.dropna().unique()) & met.notna()
            expected[one] = _alone(x, blocks)
        else:
            outside[one] = (met < x.min()) | (met > x.max())
            expected[one] = _beyond_others(x, blocks) | _beyond_others(-x, blocks)
    wanted = pd.DataFrame(outside)
    shares = wanted.mean().to_dict() | {"": wanted.any(axis=1).mean()}
    left_out = pd.DataFrame(expected)
    share = blocks.nunique() / (blocks.nunique() + 1)
    levels = left_out.mean().to_dict() | {"": left_out.any(axis=1).mean()}

    found = measure("value_ranges", case)

    assert values(found, "outside_share") == pytest.approx(shares, abs=1e-12)
    assert values(found, "expected_outside_share") == pytest.approx(
        {key: share * one for key, one in levels.items()}, abs=1e-12
    )
    first, worst = RANGES[name]
    assert found.notes[0].startswith(f"{first} (")
    assert found.notes[1].startswith(worst)
    assert f"{100 * shares['']:#.3g}".rstrip(".") == first.removesuffix(" %")


def test_chance_of_a_new_category_agrees_with_pandas(
    loaded: tuple[str, Case, Tables],
) -> None:
    name, case, tables = loaded
    rows = tables["training"]
    blocks = _blocks(case, rows)
    texts = [one for one in case.features if _is_text(case, rows, one)]
    if not texts:
        with pytest.raises(NotAssessedError) as caught:
            measure("unseen_categories", case)
        assert caught.value.code is Reason.NO_COLUMNS
        return
    wanted = {one: _alone(rows[one], blocks).sum() / rows[one].count() for one in texts}

    found = measure("unseen_categories", case)

    assert values(found, "missing_mass") == pytest.approx(wanted, abs=1e-12)
    assert found.notes[0].startswith(NEW[name])
    worst = max(wanted, key=lambda one: wanted[one])
    assert wanted[worst] == 0 or found.notes[0].startswith(f"{worst} is")


def test_labels_and_calendar_agree_with_pandas(
    loaded: tuple[str, Case, Tables],
) -> None:
    _, case, tables = loaded
    time = case.file.data.time
    both = {
        one: _classes(tables[one][TARGET], tables) for one in ("training", "reference")
    }
    fewest = pd.DataFrame(
        {one: found.value_counts() for one, found in both.items()}
    ).min(axis=1)

    found = measure("calendar_coverage", case)

    assert values(found, "events") == pytest.approx(
        {str(label): n for label, n in fewest.items()}
    )
    if time is None:
        assert set(reasons(found).values()) == {"NO_TIME"}
        return
    known, met = tables["training"][time].dt, tables["current"][time].dt
    days = known.date.groupby(known.month).nunique()
    share = met.month.isin(days[days >= 5].index).mean()
    assert values(found, "calendar_share")["month"] == pytest.approx(share)
    assert found.notes[0].startswith(f"{100 * share:.3g} % (")
    labels = found.tables["labels"]
    own = labels[(labels["table"] == "training") & (labels["unit"] == "month")]
    counted = own.pivot_table(
        index="class", columns="name", values="events", sort=False
    )
    wanted = pd.crosstab(both["training"].astype("str"), known.strftime("%b"))
    pd.testing.assert_frame_equal(
        counted.sort_index().sort_index(axis=1).astype(int),
        wanted.sort_index().sort_index(axis=1),
        check_names=False,
        check_dtype=False,
        check_column_type=False,
    )
    said = [one for one in found.notes if "none labelled" in one]
    assert said == [
        f"training has rows but none labelled {label} in: {', '.join(months)}."
        for label, months in _unlabelled(wanted)
    ]


def _unlabelled(counts: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return the classes that some months lack, with these months in order."""
    months = pd.date_range("2024-01-01", periods=12, freq="MS").strftime("%b")
    ordered = counts[[one for one in months if one in counts]]
    return [
        (str(label), list(row.index[row == 0]))
        for label, row in ordered.iterrows()
        if (row == 0).any()
    ]


def _classes(target: pd.Series, tables: Tables) -> pd.Series:
    """Return the class of each row; of a number, its tenth in training."""
    if tables["training"][TARGET].nunique() == 2:
        return target
    low, high = tables["training"][TARGET].quantile([0.1, 0.9])
    names = ["lowest tenth", "highest tenth"]
    return pd.Series(
        np.select([target <= low, target >= high], names, "middle"), index=target.index
    )
