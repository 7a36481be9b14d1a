"""What the stress page says of seven real tables, against pandas and scikit-learn.

The same rows are altered by hand in two cells of each page, and scored by the model
itself. The tables are not part of this
repository; see `tests.test_real_tables`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score

from readiness.case import Case
from readiness.checks.stress import fault_bench, missing_inputs
from readiness.result import Measurement, Options
from readiness.samples import random_order
from readiness.scoring import scores
from tests.coverage_cases import TARGET
from tests.real_coverage import DATA, SOURCES, real_case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real tables are not beside this checkout"
    ),
]

SEED = 7
FEW = {"first_rows": 400, "most_rows": 1000, "last_rows": 2000}
# What may be lost of the demand for bicycles, and of the fine dust, in their units.
TOLERATED = {"bike_sharing_hourly": 5.0, "beijing_air_quality": 5.0}
By = Callable[["pd.Series"], "pd.Series"]
BY_HAND: Mapping[str, By] = {
    "times 10": lambda values: values * 10,
    "sign flip": lambda values: -values,
    "renamed": lambda values: values.replace(
        values.mode()[0], f"{values.mode()[0]} (renamed)"
    ),
    "missing": lambda values: values.where(values.isna()),
}
CELLS = {
    "adult_income": [("age", "times 10"), ("marital-status", "renamed")],
    "bank_marketing": [("age", "times 10"), ("contact", "missing")],
    "beijing_air_quality": [("TEMP", "times 10"), ("wd", "renamed")],
    "bike_sharing_hourly": [("temp", "times 10"), ("hr", "sign flip")],
    "credit_default_taiwan": [("BILL_AMT1", "sign flip"), ("SEX", "missing")],
    "diabetes_readmission": [("number_inpatient", "times 10"), ("age", "renamed")],
    "hotel_bookings": [("lead_time", "times 10"), ("deposit_type", "renamed")],
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """The first checks of the stress page on one table."""

    name: str
    case: Case
    rows: pd.DataFrame
    bench: Measurement
    gaps: Measurement

    def loss(self, column: str, fault: str, n_rows: int) -> float:
        """Return what a fault costs on the first rows, by scikit-learn."""
        good = self.rows.head(n_rows)
        whole = BY_HAND[fault](self.rows[column])
        bad = good.assign(**{column: whole.head(n_rows)})
        is_class = self.case.task == "binary"
        of = roc_auc_score if is_class else mean_absolute_error
        before, after = (
            of(good[TARGET], self.case.model.estimator(one)) for one in (good, bad)
        )
        return float(before - after if is_class else after - before)


@pytest.fixture(scope="module", params=SOURCES)
def page(request: pytest.FixtureRequest) -> Page:
    """Measure S1 and S3 on a table once, on few rows."""
    name = request.param
    case, tables = real_case(name, tolerated_loss=TOLERATED.get(name, 0.02))
    bench = fault_bench.measure(
        case, Options(values={**fault_bench.CHECK.defaults, **FEW}, seed=SEED)
    )
    few = {"first_rows": 400, "most_rows": 2000}
    table = "reference" if "of the reference table" in bench.notes[-1] else "current"
    scored = scores(case, table)
    chosen = scored.row[random_order(scored, SEED)[: FEW["last_rows"]]]
    return Page(
        name=name,
        case=case,
        rows=tables[table].iloc[chosen].reset_index(drop=True),
        bench=bench,
        gaps=missing_inputs.measure(
            case, Options(values={**missing_inputs.CHECK.defaults, **few}, seed=SEED)
        ),
    )


def test_two_cells_of_each_page_are_those_of_pandas(page: Page) -> None:
    cells = page.bench.tables["cells"].set_index(["column", "fault"])
    for cell in CELLS[page.name]:
        line = cells.loc[cell]

        loss = page.loss(*cell, n_rows=line["rows"])

        assert line["loss"] == pytest.approx(loss, abs=1e-9)
        assert line["ci_low"] <= loss <= line["ci_high"]


def test_gap_is_that_of_pandas(page: Page) -> None:
    column, _ = CELLS[page.name][1]
    line = page.gaps.tables["subjects"].set_index("subject").loc[column]

    loss = page.loss(column, "missing", n_rows=line["rows"])

    assert line["loss"] == pytest.approx(loss, abs=1e-9)
    assert line["ci_low"] <= loss <= line["ci_high"]
