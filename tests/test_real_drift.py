"""What the drift page says of four real tables, against plain pandas.

Bicycles: another demand on calm inputs. Bank: everything breaks. Patients: strong drift
of the inputs that hardly matters. Credit: too low a risk where limits are low.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

from readiness.case import Case
from readiness.checks import FoundCheck, drift
from readiness.errors import NotAssessedError, Reason
from readiness.measuring import Bench, measured, options_of
from readiness.result import Measurement
from readiness.text import number
from tests.coverage_cases import TARGET
from tests.real_coverage import DATA, real_case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real tables are not beside this checkout"
    ),
]

# The demand for bicycles is counted in rides: 0.02 of them is no loss to speak of.
DECLARED: Mapping[str, Mapping[str, Any]] = {
    "bike_sharing_hourly": {"tolerated_loss": 5.0, "acceptable": 40.0},
    "bank_marketing": {},
    "diabetes_readmission": {},
    "credit_default_taiwan": {},
}
OPENINGS = {
    "bike_sharing_hourly": "No feature has certainly moved further",
    "bank_marketing": "1 of 17 features (euribor3m) has certainly moved further",
    "diabetes_readmission": "No feature has certainly moved further",
    "credit_default_taiwan": "No feature has certainly moved further",
}
WITHOUT_TIME = {"label_free_estimate": Reason.NO_TIME}


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """Every check of the drift page on one table."""

    name: str
    case: Case
    tables: Mapping[str, pd.DataFrame]
    found: Mapping[str, Measurement]
    refused: Mapping[str, Reason]

    @property
    def first(self) -> str:
        """The page's first paragraph."""
        return self.found["observed_drift"].notes[0]

    def scores(self, table: str) -> np.ndarray:
        """Return what the model itself says."""
        return self.case.model.estimator(self.tables[table])

    def metric(self, table: str, weight: np.ndarray | None = None) -> float:
        """Return the headline metric by scikit-learn."""
        of = roc_auc_score if self.case.task == "binary" else mean_absolute_error
        truth = self.tables[table][TARGET]
        return float(of(truth, self.scores(table), sample_weight=weight))


def drift_checks() -> dict[str, FoundCheck]:
    """Return the checks of the dimension alone."""
    modules = {
        path.stem: importlib.import_module(f"{drift.__name__}.{path.stem}")
        for path in Path(drift.__file__).parent.glob("[a-z]*.py")
    }
    return {
        name: FoundCheck(name=name, dimension="drift", check=one.CHECK)
        for name, one in modules.items()
    }


@pytest.fixture(scope="module", params=DECLARED)
def page(request: pytest.FixtureRequest) -> Page:
    """Measure the whole dimension on a table once."""
    case, tables = real_case(request.param, **DECLARED[request.param])
    bench = Bench(case=case, checks=drift_checks(), profile="quick", seed=7)
    found, refused = {}, {}
    for name, one in bench.checks.items():
        try:
            done = measured(bench, one, options_of(bench, one, {}))
            found[name] = done.measurement
        except NotAssessedError as error:
            refused[name] = error.code
    return Page(
        name=request.param, case=case, tables=tables, found=found, refused=refused
    )


def row(measurement: Measurement, metric: str, group: str = "") -> pd.Series:
    summary = measurement.summary
    (found,) = summary[
        (summary["metric"] == metric) & (summary["group"] == group)
    ].to_dict("records")
    return pd.Series(found)


def test_every_check_answers_or_says_why(page: Page) -> None:
    has_time = page.case.file.data.time is not None

    expected = {"shelf_life": Reason.NOT_IN_PROFILE}
    assert page.refused == expected | ({} if has_time else WITHOUT_TIME)
    assert all(one.notes for one in page.found.values())


def test_first_paragraph_says_whether_inputs_outcomes_or_both_moved(
    page: Page,
) -> None:
    before, after = (page.metric(table) for table in ("reference", "current"))
    truth, scores = page.tables["current"][TARGET], page.scores("current")
    unit = "share" if page.case.task == "binary" else ""

    said = page.first

    assert said.startswith(OPENINGS[page.name])
    assert f"was {number(before)} on the reference and is {number(after)} (" in said
    assert f"a loss of {number(abs(before - after))} (" in said
    assert f"the model expects {number(scores.mean(), unit)}: " in said
    gap = truth.mean() - scores.mean()
    assert f"{number(abs(gap), 'points' if unit else '')} (" in said
    assert said.endswith("more." if gap > 0 else "less.")


def test_bicycles_are_wanted_more_on_inputs_that_hardly_moved(page: Page) -> None:
    if page.name != "bike_sharing_hourly":
        pytest.skip("another table")
    training, current = page.tables["reference"], page.tables["current"]
    moved = current["hum"].mean() - training["hum"].mean()

    assert f"hum has spent most: its mean fell by {number(-moved)} (" in page.first
    assert "certainly more than the tolerated 5." in page.first
    assert (
        "other outcomes of the same rows" in page.found["drop_decomposition"].notes[0]
    )
    concept = row(page.found["drop_decomposition"], "concept_part")
    assert concept["ci_low"] > 0.9 * (page.metric("current") - page.metric("reference"))


def test_bank_breaks_in_inputs_and_outcomes(page: Page) -> None:
    if page.name != "bank_marketing":
        pytest.skip("another table")
    reference, current = page.tables["reference"], page.tables["current"]
    fell = reference["euribor3m"].mean() - current["euribor3m"].mean()
    new = ~current["month"].isin(reference["month"].unique())

    assert (
        "have moved further than the labelled rows can tell the cost of" in page.first
    )
    assert f"its mean fell by {number(fell)} (" in page.first
    said = " ".join(page.found["observed_drift"].notes)
    assert f"month ({current.loc[new, 'month'].nunique()}, in " in said
    assert f"{number(new.mean(), 'share')} of its rows" in said
    assert "too few rows to say" in page.found["drop_decomposition"].notes[0]


def test_drift_of_patients_hardly_matters(page: Page) -> None:
    if page.name != "diabetes_readmission":
        pytest.skip("another table")
    tables = [page.tables[one] for one in ("reference", "current")]
    shares = [number(one["payer_code"].isna().mean(), "share") for one in tables]

    said = " ".join(page.found["observed_drift"].notes)

    assert f"payer_code from {shares[0]} to {shares[1]} of the rows" in said
    assert "where 0.02 is tolerated" in page.first
    assert page.metric("reference") - page.metric("current") < 0.02
    assert row(page.found["drop_decomposition"], "observed_change")["ci_high"] < 0.02


def test_risk_is_stated_too_low_where_limits_are_low(page: Page) -> None:
    if page.name != "credit_default_taiwan":
        pytest.skip("another table")
    truth, scores = page.tables["current"][TARGET], page.scores("current")

    assert truth.mean() - scores.mean() > 0.03
    assert f"{number(truth.mean(), 'share')} have y = 1" in page.first
    assert page.first.endswith(" more.")
    assert page.metric("current") > 0.74


def test_change_of_the_mean_loss_is_that_of_pandas(page: Page) -> None:
    of = log_loss if page.case.task == "binary" else mean_absolute_error
    before, after = (
        of(page.tables[table][TARGET], page.scores(table))
        for table in ("reference", "current")
    )

    change = row(page.found["drop_decomposition"], "observed_change")

    assert change["value"] == pytest.approx(after - before, rel=1e-6)
    assert change["ci_low"] < after - before < change["ci_high"]


def test_a_share_moved_to_its_budget_costs_the_tolerated_loss(page: Page) -> None:
    budgets = page.found["population_tilt"].tables["budgets"]
    shares = budgets[(budgets["family"] == "category") & budgets["loss_budget"].notna()]
    for one in shares.to_dict("records"):
        values = page.tables["current"][one["column"]]
        hit = (values.astype("str") == one["loss_category"]).to_numpy()
        sign = 1 if one["direction"] == "up" else -1
        wanted = hit.mean() + sign * one["loss_budget"]
        weight = np.where(hit, wanted / hit.mean(), (1 - wanted) / (1 - hit.mean()))

        moved = page.metric("current", weight)

        loss = abs(moved - page.metric("current"))
        assert loss == pytest.approx(page.case.tolerated_loss, rel=0.1)


def test_readings_moved_to_the_end_cost_what_all_rows_lose(page: Page) -> None:
    curves = page.found["measurement_tilt"].tables["curves"]
    ends = curves[(curves["family"] == "mean") & (curves["move"].abs() > 1)]
    worst = ends.loc[ends["loss"].idxmax()]
    rows = page.tables["current"].copy()
    rows[worst["column"]] = rows[worst["column"]] + worst["move_in_unit"]

    of = roc_auc_score if page.case.task == "binary" else mean_absolute_error
    moved = of(rows[TARGET], page.case.model.estimator(rows))

    loss = abs(moved - page.metric("current"))
    assert worst["loss"] == pytest.approx(loss, rel=0.15)
    assert worst["loss_low"] < loss < worst["loss_high"]
