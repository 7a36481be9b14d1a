"""Seeds that tests on good rows cannot tell apart: the duplicate-feature toy."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from sklearn.ensemble import RandomForestRegressor

from readiness.case import Case, load_case
from readiness.checks.stress._cells import REJECTED, SCORED
from readiness.checks.stress._seeds import _tests, spread_ratio
from readiness.checks.stress.seed_spread import CHECK, alt, draw, measure
from readiness.errors import NotAssessedError, Reason
from readiness.findings import judge
from readiness.policy import declared, limits_in_force
from readiness.result import Measurement, Options
from tests.cases import case_file
from tests.judging import TODAY, policy_with

# The fit splits the weight of two features that are one and the same in training, at
# random: nothing in the data says how.
TOY = """
import numpy as np


def fit(frame, seed):
    w = np.random.default_rng(seed).random()
    return lambda rows: (w * rows["x"] + (1 - w) * rows["copy"]).to_numpy()
"""
SHAKY = """
import numpy as np


def fit(frame, seed):
    off = np.random.default_rng(seed).normal(0, 0.3)
    return lambda rows: rows["x"].to_numpy() + off
"""
FULL = "full"


def rows_of(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    rows = pd.DataFrame({"x": x, "copy": x})
    rows["late"] = x + rng.normal(0, 0.5, n_rows)
    rows["scheduled"] = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    return rows


def reviewed(frame: pd.DataFrame) -> np.ndarray:
    return frame["x"].to_numpy()


def case_of(folder: Path, code: str, *, n_rows: int = 4000, **tables: str) -> Case:
    """Return a regression whose `fit` is this code."""
    (folder / "refit.py").write_text(code, encoding="utf-8")
    named = {
        "fit": "refit.py:fit",
        "fit_sha256": hashlib.sha256(code.encode()).hexdigest(),
        "features": ["x", "copy"],
        "metric": "mean_squared_error",
        "acceptable": 0.5,
    }
    frames = {"training": rows_of(200, 1), "reference": rows_of(n_rows, 2)}
    frames |= {name: rows_of(n_rows, 3) for name in tables}
    file = case_file("regression", model=named, data={"entity": None, **tables})
    return load_case(file, base=folder, frames=frames, model=reviewed)


def cells(*lines: tuple[str, str, float, str]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=["column", "fault", "loss", "outcome"])


N_OPENED = 10_000
COSTLY = cells(
    ("copy", "shuffled", 2.0, SCORED),
    ("copy", "missing", 1.0, SCORED),
    ("x", "missing", np.nan, REJECTED),
)


def options(table: pd.DataFrame = COSTLY, profile: str = FULL, **more: int) -> Options:
    rows = pd.DataFrame({"table": ["reference"], "rows": [N_OPENED]})
    tables = {"cells": table, "opened": rows}
    needed = {"S1": Measurement(summary=pd.DataFrame(), tables=tables)}
    values = {**CHECK.defaults, **more}
    return Options(values=values, profile=profile, needed=needed)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    case = case_of(tmp_path_factory.mktemp("toy"), TOY)
    return measure(case, options(seeds=12))


# The ratio


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_limits_are_where_sum_and_difference_just_correlate(level: float) -> None:
    rng = np.random.default_rng(1)
    good = rng.normal(size=10)
    stressed = 2 * good + rng.normal(size=10)

    ratio, low, high = spread_ratio(stressed, good, level)

    assert ratio == pytest.approx(stressed.std(ddof=1) / good.std(ddof=1))
    for limit in (low, high):
        scaled = stressed / limit
        r = np.corrcoef(scaled + good, scaled - good)[0, 1]
        assert abs(r) * math.sqrt(8 / (1 - r**2)) == pytest.approx(
            student(8).ppf(level)
        )


def test_limits_hold_as_often_as_promised() -> None:
    rng = np.random.default_rng(2)
    good = rng.normal(size=(2000, 10))
    stressed = 3 * (0.6 * good + 0.8 * rng.normal(size=(2000, 10)))

    limits = np.array(
        [spread_ratio(a, b)[1:] for a, b in zip(stressed, good, strict=True)]
    )

    assert np.mean(limits[:, 0] <= 3) == pytest.approx(0.95, abs=0.02)
    assert np.mean(limits[:, 1] >= 3) == pytest.approx(0.95, abs=0.02)


def test_metrics_that_move_together_have_a_certain_ratio() -> None:
    good = np.arange(5.0)

    assert spread_ratio(2 * good, good) == pytest.approx((2.0, 2.0, 2.0))


# The toy: on good rows the error is 1/4 whatever the seed; with the copy shuffled it is
# 1/4 + 2 (1 - w)².


def test_error_under_stress_is_that_of_the_weight_each_seed_drew(
    toy: Measurement,
) -> None:
    seeds = toy.tables["seeds"]
    under = seeds[seeds["stress"] == "copy/shuffled"]["value"].to_numpy()
    weight = np.array([np.random.default_rng(7 + k).random() for k in range(12)])

    np.testing.assert_allclose(under, 0.25 + 2 * (1 - weight) ** 2, rtol=0.1)


def test_seeds_alike_on_good_rows_part_ways_under_stress(toy: Measurement) -> None:
    stresses = toy.tables["stresses"].set_index("stress")

    assert stresses.loc["copy/shuffled", "reference_sd"] < 1e-12
    assert 0.3 < stresses.loc["copy/shuffled", "sd"] < 0.9
    assert toy.summary["ci_low"][0] > 3
    assert "without measure more" in toy.notes[0]


def test_law_of_the_toy_over_many_seeds() -> None:
    weight = np.array([np.random.default_rng(k).random() for k in range(4000)])
    error = 0.25 + 2 * (1 - weight) ** 2

    assert error.mean() == pytest.approx(0.25 + 2 / 3, abs=0.03)
    assert error.std() == pytest.approx(2 * math.sqrt(1 / 5 - 1 / 9), abs=0.02)


def test_toy_fails_its_limit(toy: Measurement, tmp_path: Path) -> None:
    case = case_of(tmp_path, TOY)
    names = declared(case.file, case.metric.name, higher_is_better=False)
    limits = limits_in_force(CHECK, policy_with(), names)

    findings = judge(CHECK, toy, limits, policy_with(), TODAY)

    assert [(one.metric, one.status) for one in findings] == [
        ("seed_spread_ratio", "fail"),
        ("worst_seed", "pass"),
    ]


def test_of_each_feature_the_worst_fault_that_the_model_answers_is_tried(
    toy: Measurement,
) -> None:
    assert toy.tables["stresses"]["stress"].tolist() == ["copy/shuffled"]


def test_labelled_production_rows_are_a_stress_as_they_are(tmp_path: Path) -> None:
    case = case_of(tmp_path, SHAKY, current="current.parquet", n_rows=1000)
    longer = rows_of(3000, 4)
    case = load_case(
        case.file,
        base=tmp_path,
        frames={
            "training": rows_of(200, 1),
            "reference": rows_of(1000, 2),
            "current": longer,
        },
        model=reviewed,
    )

    found = measure(case, options(cells(), seeds=4))

    assert found.tables["stresses"]["stress"].tolist() == ["table=current"]


def test_seeds_that_matter_everywhere_alike_pass(tmp_path: Path) -> None:
    # The error is 1/4 + off² on good rows and with the copy shuffled: it is not used.
    found = measure(case_of(tmp_path, SHAKY), options(seeds=10))

    row = found.summary.iloc[0]
    assert row["value"] == pytest.approx(1.0, abs=0.05)
    assert row["ci_high"] < 3
    assert row["n_rows"] == 10


def test_worst_seed_is_the_one_with_the_largest_error(tmp_path: Path) -> None:
    off = np.array([np.random.default_rng(7 + k).normal(0, 0.3) for k in range(6)])

    found = measure(case_of(tmp_path, SHAKY), options(seeds=6))
    row = found.summary.iloc[1]
    seeds = found.tables["seeds"]

    assert row["value"] == seeds[seeds["stress"] == "reference"]["value"].max()
    assert row["value"] == pytest.approx(0.25 + (off**2).max(), rel=0.1)
    # The side on which it would fail allows for having chosen the worst of six.
    assert row["value"] - row["ci_low"] > row["ci_high"] - row["value"]


def test_learner_without_chance_ends_after_three_fits(tmp_path: Path) -> None:
    code = "def fit(frame, seed):\n    return lambda rows: rows['x'].to_numpy()\n"

    found = measure(case_of(tmp_path, code), options())

    assert np.isnan(found.summary["value"][0])
    assert found.summary["reason"][0] == Reason.NOT_THIS_TASK
    assert found.tables["seeds"]["fit"].max() == 3
    assert found.notes[0].startswith("The seed changes nothing")
    assert "do not differ" in alt(found)


def test_stress_that_a_fit_refuses_is_named_and_left_out(tmp_path: Path) -> None:
    code = (
        "import numpy as np\n\n\ndef fit(frame, seed):\n"
        "    off = np.random.default_rng(seed).normal()\n\n"
        "    def answer(rows):\n"
        "        if not np.allclose(rows['x'], rows['copy']):\n"
        "            raise ValueError('not alike')\n"
        "        return rows['x'].to_numpy() + off\n\n    return answer\n"
    )

    found = measure(case_of(tmp_path, code), options(seeds=3))

    assert found.tables["stresses"].empty
    assert found.summary["reason"][0] == Reason.NOT_MEASURED
    assert "No stress could be tried" in found.notes[0]
    assert "copy/shuffled" in found.notes[-1]


def test_estimator_is_cloned_with_each_seed() -> None:
    training = rows_of(300, 1)
    forest = RandomForestRegressor(3, random_state=0, max_depth=3)
    forest.fit(training[["x", "copy"]], training["late"])
    file = case_file(
        "regression", model={"metric": "mean_squared_error"}, data={"entity": None}
    )
    frames = {"training": training, "reference": rows_of(1000, 2)}
    case = load_case(file, frames=frames, model=forest)

    found = measure(case, options(seeds=4))
    again = measure(case, options(seeds=4))

    values = found.tables["seeds"].query("stress == 'reference'")["value"]
    assert values.nunique() == 4
    pd.testing.assert_frame_equal(found.summary, again.summary)


# What cannot be measured, and what is shown


def test_quick_profile_leaves_it_out(tmp_path: Path) -> None:
    with pytest.raises(NotAssessedError) as raised:
        measure(case_of(tmp_path, TOY), options(profile="quick"))

    assert raised.value.code is Reason.NOT_IN_PROFILE


def test_model_that_cannot_be_fitted_again_is_not_assessed() -> None:
    file = case_file("regression", model={"features": ["x"]}, data={"entity": None})
    case = load_case(file, frames={"reference": rows_of(200, 2)}, model=reviewed)

    with pytest.raises(NotAssessedError) as raised:
        measure(case, options())

    assert raised.value.code is Reason.NO_REFIT


def test_figure_marks_every_fit(toy: Measurement) -> None:
    axes = draw(toy, ()).axes[0]

    assert [one.get_text() for one in axes.get_yticklabels()] == [
        "reference",
        "copy/shuffled",
    ]
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [12, 12]
    assert "copy/shuffled" in alt(toy)


def test_stress_is_what_the_bench_made_of_all_its_rows(tmp_path: Path) -> None:
    # Stuck is the lower median of the rows that the bench altered, not of those judged.
    case = case_of(tmp_path, TOY)
    given = options(cells(("x", "stuck", 1.0, SCORED)), rows=50)

    frame = _tests(case, given.needed["S1"], given).stressed["x/stuck"]

    x = rows_of(4000, 2)["x"]
    assert len(frame) == 50
    assert set(frame["x"]) == {x.quantile(0.5, interpolation="lower")}
