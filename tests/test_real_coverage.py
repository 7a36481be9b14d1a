"""What C1 says of real public tables equals a count of every pair by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from readiness.result import Measurement
from tests.coverage_cases import measure, values
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


@pytest.fixture(scope="module", params=SOURCES)
def measured(request: pytest.FixtureRequest) -> tuple[str, Measurement, Any]:
    """Measure a table once; give its name, the measurement, its rows."""
    case, tables = real_case(request.param)
    options = OPTIONS.get(request.param, {})
    return request.param, measure("uncovered_patterns", case, **options), tables


def test_shares_equal_a_count_of_every_pair_by_hand(
    measured: tuple[str, Measurement, Any],
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
    measured: tuple[str, Measurement, Any],
) -> None:
    name, measurement, _ = measured
    share = values(measurement, "uncovered_traffic_share")[""]

    assert measurement.notes[0].startswith(f"{100 * share:.3g} % (")
    assert FIRST.get(name, "First to collect") in measurement.notes[0]
