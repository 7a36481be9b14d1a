"""Reviews of three real public tables, from ``init`` to the published verdict.

The tables are not part of this repository. They are looked for beside the checkout,
under ``shared/data``; without them the tests are skipped.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import jsonschema
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tests.invariants import SCHEMA

DATA = Path(__file__).parents[2] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.notebook,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real tables are not beside this checkout"
    ),
]

NUMBERS = [
    "time_in_hospital",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
]
CODES = ["age", "payer_code", "medical_specialty", "discharge_disposition_id"]


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """A model, its tables, and the two runs of its case."""

    model: Any
    tables: Mapping[str, pd.DataFrame]
    target: str
    first_code: int
    first: Mapping[str, Any]
    code: int
    run: Path
    results: Mapping[str, Any]

    def scores(self, table: str) -> np.ndarray:
        """Return what the model itself says, without the package."""
        rows = self.tables[table]
        inputs = rows[list(self.model.feature_names_in_)]
        asked = getattr(self.model, "predict_proba", self.model.predict)
        return asked(inputs)

    def truth(self, table: str) -> pd.Series:
        """Return the outcomes of a table."""
        return self.tables[table][self.target]

    def finding(self, code: str, metric: str, group: str = "") -> Mapping[str, Any]:
        """Return one finding of the second run, the first where it has two limits."""
        return found(self.results, code, metric, group)


def found(
    results: Mapping[str, Any], code: str, metric: str, group: str = ""
) -> Mapping[str, Any]:
    """Return one finding of a check."""
    check = next(one for one in results["checks"] if one["code"] == code)
    return next(
        one
        for one in check["findings"]
        if (one["metric"], one["group"]) == (metric, group)
    )


def _readiness(folder: Path, *arguments: str) -> int:
    done = subprocess.run(  # noqa: S603 (our own command line)
        [sys.executable, "-c", "from readiness.cli import main; main()", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode < 3, done.stderr[-3000:]
    return done.returncode


def _published(runs: Path) -> Path:
    (latest,) = runs.glob("*/latest")
    return latest.parent / latest.read_text().strip()


def _results(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text())


def _reviewed(
    folder: Path,
    *,
    model: Any,  # noqa: ANN401 (an estimator)
    tables: Mapping[str, pd.DataFrame],
    target: str,
    name: str,
    dump: Callable[[Any, Path], object],
    edits: Mapping[str, str],
    policy: str = "",
) -> Reviewed:
    """Write the files, make a case, run it unedited and then as its owner edits it.

    The unedited run is of the baseline notebook alone: the headline check is there.
    """
    dump(model, folder / name)
    sources = []
    for table, rows in tables.items():
        rows.to_parquet(folder / f"{table}.parquet", index=False)
        sources += [f"--{table}", f"{table}.parquet"]
    case = folder / "review" / "case.toml"
    _readiness(folder, "init", "review", "--model", name, "--target", target, *sources)
    first_code = _readiness(
        folder, "run", str(case), "--out", "first", "--only", "baseline"
    )
    text = case.read_text()
    for before, after in edits.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    case.write_text(text)
    with (folder / "review" / "policy.toml").open("a") as stream:
        stream.write(policy)
    code = _readiness(folder, "run", str(case), "--out", "second")
    run = _published(folder / "second")
    return Reviewed(
        model=model,
        tables=tables,
        target=target,
        first_code=first_code,
        first=_results(_published(folder / "first")),
        code=code,
        run=run,
        results=_results(run),
    )


def _kind(column: str, kind: str) -> str:
    return f'[columns.{column}]\nkind = "{kind}"'


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """Review a model of 2011 on 2012; every fourth day of 2011 is held out.

    ``casual`` and ``registered`` add up to the target, ``instant`` and ``yr`` name the
    year: all four are left out.
    """
    rows = pd.read_parquet(DATA / "bike_sharing_hourly" / "bike_sharing_hourly.parquet")
    past = rows["yr"] == 0
    held_out = rows["dteday"].dt.day_of_year % 4 == 0
    rows = rows.drop(columns=["instant", "casual", "registered", "yr"])
    tables = {
        "training": rows[past & ~held_out],
        "reference": rows[past & held_out],
        "current": rows[~past],
    }
    inputs = tables["training"].drop(columns=["dteday", "cnt"])
    model = HistGradientBoostingRegressor(random_state=0)
    model.fit(inputs, tables["training"]["cnt"])
    return _reviewed(
        tmp_path_factory.mktemp("bikes"),
        model=model,
        tables=tables,
        target="cnt",
        name="model.skops",
        dump=skops.io.dump,
        edits={"# acceptable = …": "acceptable = 40.0"},
    )


@pytest.fixture(scope="module")
def credit(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """Review a model of high credit limits on low ones; a quarter is held out.

    ``LIMIT_BAL`` makes the split and ``ID`` is a key: both are left out. The owner
    lends at stated probabilities, so the policy limits their level as well.
    """
    rows = pd.read_parquet(
        DATA / "credit_default_taiwan" / "credit_default_taiwan.parquet"
    )
    is_low = rows["LIMIT_BAL"] <= 50_000
    held_out = np.random.default_rng(0).random(len(rows)) < 0.25
    rows = rows.drop(columns=["ID", "LIMIT_BAL"])
    tables = {
        "training": rows[~is_low & ~held_out],
        "reference": rows[~is_low & held_out],
        "current": rows[is_low],
    }
    codes = ["SEX", "EDUCATION", "MARRIAGE"]
    model = HistGradientBoostingClassifier(random_state=0, categorical_features=codes)
    target = "default_next_month"
    model.fit(tables["training"].drop(columns=target), tables["training"][target])
    return _reviewed(
        tmp_path_factory.mktemp("credit"),
        model=model,
        tables=tables,
        target=target,
        name="model.joblib",
        dump=joblib.dump,
        edits={
            "# acceptable = …": "acceptable = 0.70",
            **{_kind(name, "numeric"): _kind(name, "categorical") for name in codes},
        },
        policy="[limits.P3.calibration_intercept]\n"
        'side = "at_most"\n'
        "limit = 0.15\n"
        'reason = "Losses are provided for at the stated probabilities."\n',
    )


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """Review a model of the first half of encounters on the second, in three classes.

    A quarter of the patients of the first half is held out. ``encounter_id`` orders
    the rows and is left out; ``patient_nbr`` stays, and is no feature. To be quick:
    10 of the 47 features, and 40 rounds of boosting.
    """
    rows = pd.read_parquet(
        DATA / "diabetes_readmission" / "diabetes_readmission.parquet"
    )
    rows = rows.sort_values("encounter_id")[
        [*NUMBERS, *CODES, "patient_nbr", "readmitted"]
    ]
    rows = rows.astype(dict.fromkeys(rows.select_dtypes("string"), "str"))
    first = np.arange(len(rows)) < len(rows) // 2
    held_out = rows["patient_nbr"] % 4 == 0
    tables = {
        "training": rows[first & ~held_out],
        "reference": rows[first & held_out],
        "current": rows[~first],
    }
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    model = make_pipeline(
        make_column_transformer((encoder, CODES), remainder="passthrough"),
        HistGradientBoostingClassifier(
            random_state=0, max_iter=40, categorical_features=list(range(len(CODES)))
        ),
    )
    model.fit(tables["training"][[*NUMBERS, *CODES]], tables["training"]["readmitted"])
    return _reviewed(
        tmp_path_factory.mktemp("patients"),
        model=model,
        tables=tables,
        target="readmitted",
        name="model.joblib",
        dump=joblib.dump,
        edits={
            "# acceptable = …": "acceptable = 0.60",
            '# entity = "…"': 'entity = "patient_nbr"',
            _kind(CODES[-1], "numeric"): _kind(CODES[-1], "categorical"),
        },
        policy="[limits.P3.calibration_slope]\n"
        'side = "at_least"\n'
        "limit = 0.6\n"
        'reason = "Only the order of the patients is used."\n',
    )


@pytest.fixture(params=["bikes", "credit", "patients"])
def reviewed(request: pytest.FixtureRequest) -> Reviewed:
    """Give each of the three reviews."""
    return request.getfixturevalue(request.param)


def _within(finding: Mapping[str, Any], expected: float) -> None:
    """Assert the independent value, and that the interval holds it."""
    assert finding["value"] == pytest.approx(expected, rel=1e-9)
    assert finding["ci_low"] < expected < finding["ci_high"]


def test_unedited_case_is_accepted_and_asks_for_the_acceptable_value(
    reviewed: Reviewed,
) -> None:
    headline = reviewed.first["checks"][0]

    assert headline["status"] == "not_assessed"
    assert {one["reason"] for one in headline["findings"] if one["required"]} == {
        "NO_ACCEPTABLE"
    }


@pytest.mark.parametrize("name", ["credit", "patients"])
def test_unedited_case_is_incomplete_for_that_reason(
    name: str, request: pytest.FixtureRequest
) -> None:
    reviewed = request.getfixturevalue(name)

    assert reviewed.first_code == 2
    assert reviewed.first["outcome"] == "INCOMPLETE"
    assert "declares no acceptable value" in reviewed.first["headline"]


def test_unedited_case_that_breaks_another_required_limit_fails(
    bikes: Reviewed,
) -> None:
    assert bikes.first_code == 1
    assert "Outcomes inside their prediction interval" in bikes.first["headline"]


def test_results_are_valid_against_the_shipped_schema(reviewed: Reviewed) -> None:
    jsonschema.validate(reviewed.results, json.loads(SCHEMA.read_text()))

    assert reviewed.results["complete"]
    assert not any(one["reason"] == "CRASH" for one in reviewed.results["checks"])


def test_every_row_is_used(reviewed: Reviewed) -> None:
    used = {name: one["used"] for name, one in reviewed.results["ledger"].items()}

    assert used == {name: len(rows) for name, rows in reviewed.tables.items()}


def test_every_page_is_there(reviewed: Reviewed) -> None:
    pages = {path.name for path in reviewed.run.glob("*.html")}

    assert pages == {
        "index.html",
        "report.html",
        "00_baseline.html",
        "10_coverage.html",
        "20_explainability.html",
        "30_drift.html",
        "40_stress.html",
        "45_load.html",
        "ml_test_score.html",
    }


def test_bike_model_misses_its_target_a_year_later(bikes: Reviewed) -> None:
    group = "table=current"

    held = bikes.finding("P1", "mean_absolute_error")
    later = bikes.finding("P1", "mean_absolute_error", group)

    _within(
        held, mean_absolute_error(bikes.truth("reference"), bikes.scores("reference"))
    )
    _within(later, mean_absolute_error(bikes.truth("current"), bikes.scores("current")))
    assert (held["status"], later["status"]) == ("pass", "fail")
    assert later["value"] > 3 * held["value"]
    assert (bikes.code, bikes.results["outcome"]) == (1, "FAIL")
    assert bikes.results["headline"].startswith("Mean absolute error, current rows,")


def test_bike_model_predicts_too_little_on_inputs_that_hardly_moved(
    bikes: Reviewed,
) -> None:
    group = "table=current"
    truth, scores = bikes.truth("current"), bikes.scores("current")

    bias = bikes.finding("P3", "bias", group)

    _within(bias, float(np.mean(scores - truth)))
    _within(bikes.finding("P1", "r2", group), r2_score(truth, scores))
    assert bias["ci_high"] < -50
    assert bikes.finding("C2", "outside_share")["status"] == "pass"


def test_credit_model_still_ranks_where_limits_are_low(credit: Reviewed) -> None:
    held = credit.finding("P1", "roc_auc")
    low = credit.finding("P1", "roc_auc", "table=current")

    _within(
        held, roc_auc_score(credit.truth("reference"), credit.scores("reference")[:, 1])
    )
    _within(low, roc_auc_score(credit.truth("current"), credit.scores("current")[:, 1]))
    assert (held["status"], low["status"]) == ("pass", "pass")


def test_credit_model_states_too_low_a_risk_where_limits_are_low(
    credit: Reviewed,
) -> None:
    p = credit.scores("current")[:, 1]
    log_odds = np.log(p / (1 - p))[:, np.newaxis]
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds, credit.truth("current"))

    slope = credit.finding("P3", "calibration_slope", "table=current")
    held = credit.finding("P3", "calibration_intercept")
    low = credit.finding("P3", "calibration_intercept", "table=current")

    assert slope["value"] == pytest.approx(fit.coef_[0, 0], abs=1e-4)
    assert (held["status"], low["status"]) == ("pass", "fail")
    assert credit.truth("current").mean() - p.mean() > 0.03
    assert (credit.code, credit.results["outcome"]) == (1, "FAIL")
    assert credit.results["headline"].startswith("Calibration intercept, current rows,")


def test_patients_are_ranked_well_enough_and_drift_costs_little(
    patients: Reviewed,
) -> None:
    def area(table: str) -> float:
        return roc_auc_score(
            patients.truth(table), patients.scores(table), multi_class="ovr"
        )

    held = patients.finding("P1", "roc_auc_ovr")
    later = patients.finding("P1", "roc_auc_ovr", "table=current")

    _within(held, area("reference"))
    _within(later, area("current"))
    assert (held["status"], later["status"]) == ("pass", "pass")
    assert later["value"] > held["value"] - 0.05


def test_only_the_guards_of_the_patients_pipeline_are_in_doubt(
    patients: Reviewed,
) -> None:
    doubtful = [
        (check["code"], one["metric"], one["status"])
        for check in patients.results["checks"]
        for one in check["findings"]
        if one["required"] and one["status"] != "pass"
    ]
    guarded = patients.finding("S2", "guarded_share")

    assert doubtful == [("S2", "guarded_share", "inconclusive")]
    assert guarded["ci_low"] < guarded["limit"] < guarded["ci_high"]
    assert (patients.code, patients.results["outcome"]) == (2, "INCOMPLETE")
    assert patients.results["headline"].startswith("Guarded share is ")


def test_rows_of_one_patient_count_as_one_block(patients: Reviewed) -> None:
    held = patients.finding("P1", "roc_auc_ovr")

    assert held["n_blocks"] == patients.tables["reference"]["patient_nbr"].nunique()
    assert held["dependence_factor"] > 1


def test_missing_payer_codes_become_far_fewer_and_the_model_does_not_mind(
    patients: Reviewed,
) -> None:
    before, after = (
        patients.tables[name]["payer_code"].isna().mean()
        for name in ("training", "current")
    )
    fault = patients.finding("S1", "roc_auc_ovr_loss", "payer_code/missing/1.00")

    assert before - after > 0.3
    assert fault["ci_high"] < 0.02  # the tolerated loss
