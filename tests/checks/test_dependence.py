import json

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

from readiness.case import Case, load_case
from readiness.checks.explainability._account import turns
from readiness.checks.explainability._effects import _in_words, rank_correlation
from readiness.checks.explainability.dependence import CHECK
from readiness.contents import with_contents
from readiness.errors import NotAssessedError, Reason
from readiness.figures import figure_svg
from readiness.intervals import clustered_interval
from readiness.measuring import measured, options_of
from readiness.result import Measurement
from readiness.review import open_review
from readiness.shipped import shipped
from readiness.stats import Clusters
from tests.cases import case_file, small_case

SMALL = {"rows": 300, "background": 100, "evaluations": 60_000}
OPTIONS = {"X7": {"rows": 300}, "X9": SMALL, "X11": SMALL}
DIRECTION, UNSUPPORTED = "attribution_direction", "thin_share"


def rows_of(seed: int, n_days: int = 60) -> pd.DataFrame:
    """Return twenty rows a day of independent columns, late = 2 a - b + 0 c."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), 20)
    rows = pd.DataFrame(
        {
            "a": rng.uniform(0.0, 10.0, len(day)),
            "b": rng.normal(size=len(day)),
            "c": rng.normal(size=len(day)),
            "kind": rng.choice(["one", "two"], len(day), p=[0.7, 0.3]),
            "scheduled": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
        }
    )
    rows["late"] = 2 * rows["a"] - rows["b"] + 3 * (rows["kind"] == "two")
    return rows


def said(rows: pd.DataFrame) -> np.ndarray:
    return (2 * rows["a"] - rows["b"] + 3 * (rows["kind"] == "two")).to_numpy()


def case_of(model: object = said, **changes: object) -> Case:
    tables = {"training": rows_of(1), "reference": rows_of(2), "current": rows_of(3)}
    tables |= changes.pop("tables", {})
    features = changes.pop("features", ["a", "b", "c", "kind"])
    file = case_file(
        "regression",
        model={"features": features},
        data={"entity": None},
        checks=OPTIONS,
        **changes,
    )
    return load_case(file, frames=tables, model=model)


def found_of(case: Case, **options: object) -> Measurement:
    bench = open_review(case).bench
    check = bench.checks["dependence"]
    return measured(bench, check, options_of(bench, check, options)).measurement


@pytest.fixture(scope="module")
def linear() -> Measurement:
    return found_of(case_of())


def value(found: Measurement, metric: str, group: str) -> pd.Series:
    rows = found.summary
    return rows[(rows["metric"] == metric) & (rows["group"] == group)].iloc[0]


def test_rank_correlation_equals_that_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, 300).astype(float)
    y = x + rng.normal(size=300)

    found = rank_correlation(x, y, np.ones(300))

    assert found.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert found.influence.mean() == pytest.approx(0.0, abs=1e-12)


def test_weights_of_a_rank_correlation_stand_for_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 80))
    times = rng.integers(1, 4, 80)

    found = rank_correlation(x, y, times / times.mean())

    again = spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic
    assert found.value == pytest.approx(again, abs=1e-12)


def test_constant_values_have_no_rank_correlation() -> None:
    found = rank_correlation(np.ones(10), np.arange(10.0), np.ones(10))

    assert np.isnan(found.value)


def test_interval_of_a_rank_correlation_covers_its_closed_form() -> None:
    # Spearman's correlation of a bivariate normal pair is 6/pi arcsin(rho/2). Rows of
    # one day share their pair's noise, so days count, not rows.
    truth = 6 / np.pi * np.arcsin(0.6 / 2)
    block = np.repeat(np.arange(100), 5)
    misses = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        day, own = rng.normal(size=(2, 100))[:, block], rng.normal(size=(2, 500))
        x, z = np.sqrt(0.7) * day + np.sqrt(0.3) * own
        found = rank_correlation(x, 0.6 * x + 0.8 * z, np.ones(500))
        one = clustered_interval(found, Clusters(block=block))
        misses.append((one.ci_high < truth, one.ci_low > truth))

    too_low, too_high = np.mean(misses, axis=0)
    assert 0.02 <= too_low <= 0.09  # 5 % and three standard errors of 300 draws
    assert 0.02 <= too_high <= 0.09


def test_mean_attribution_of_a_linear_column_has_its_closed_form() -> None:
    rows = rows_of(2)[["a", "b"]]
    model = LinearRegression().fit(rows, 2 * rows["a"] - rows["b"])
    case = case_of(model, features=["a", "b"])

    found = found_of(case, rows=1200, background=1200)

    effects = found.tables["effects"]
    one = effects[(effects["column"] == "a") & (effects["table"] == "reference")]
    # slope times (mean in the cell less mean of all): every reference row is both
    assert one["mean_attribution"].to_numpy() == pytest.approx(
        2 * (one["at"] - rows["a"].mean()).to_numpy(), abs=1e-9
    )
    assert one["rows"].sum() == 1200


def test_rising_and_falling_columns_are_told_with_their_numbers(
    linear: Measurement,
) -> None:
    rising, falling = (value(linear, DIRECTION, one) for one in "ab")

    assert rising["ci_low"] > 0.95
    assert falling["ci_high"] < -0.9
    told = " ".join(linear.notes)
    assert "The larger a, the more it adds (rank correlation " in told
    assert "The larger b, the less it adds (rank correlation " in told
    assert "kind adds +" in told
    assert "In none of the rows explained does it use c." in told


def test_cells_of_whole_numbers_are_told_by_the_values_in_them() -> None:
    # Half-open cells of 0 and 1 would read "up to 0" and "above 0.9".
    tables = {
        name: rows_of(seed).assign(flag=lambda one: (one["b"] > 0).astype(int))
        for seed, name in enumerate(("training", "reference", "current"), 1)
    }
    case = case_of(
        lambda one: 2 * one["flag"] + one["a"], tables=tables, features=["flag", "a"]
    )

    found = found_of(case)

    effects = found.tables["effects"]
    cells = effects.loc[effects["column"] == "flag", "cell"]
    assert sorted(set(cells)) == ["0", "1"]
    assert " where it is 1." in " ".join(found.notes)
    assert any("up to" in one for one in effects.loc[effects["column"] == "a", "cell"])


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (-np.inf, 0.0, "0"),
        (0.0, 2.5, "1 to 2"),
        (2.5, 5.0, "3 to 5"),
        (5.0, np.inf, "6 to 23"),
        (22.5, np.inf, "23"),
        (np.nan, np.nan, "missing"),
    ],
)
def test_cell_of_whole_numbers_in_words(lower: float, upper: float, words: str) -> None:
    line = {"lower": lower, "upper": upper, "cell": "missing"}

    assert _in_words(line, (0.0, 23.0)) == words


def test_column_that_turns_is_not_called_rising() -> None:
    case = case_of(lambda rows: (rows["a"] - 5) ** 2, features=["a", "b"])

    found = found_of(case)

    assert abs(value(found, DIRECTION, "a")["value"]) < 0.3
    told = " ".join(found.notes)
    assert "a goes both ways (rank correlation" in told
    assert "The larger a" not in told


@pytest.mark.parametrize(
    ("ends", "falls"), [([(0, 1), (2, 3)], False), ([(2, 3), (0, 1)], True)]
)
def test_turn_is_a_cell_surely_below_an_earlier_one(
    ends: list[tuple[float, float]], *, falls: bool
) -> None:
    part = pd.DataFrame(ends, columns=["ci_low", "ci_high"])

    assert turns(part, 1) is falls
    assert turns(part, -1) is not falls


def test_rows_where_training_has_none_are_counted_and_named() -> None:
    current = rows_of(3)
    current.loc[current.index % 4 == 0, "a"] += 10.0
    tables = {"current": current}

    found = found_of(case_of(tables=tables), rows=1200)

    share = value(found, UNSUPPORTED, "a")
    assert share["value"] == pytest.approx(0.25, abs=0.02)
    assert share["ci_low"] < 0.25 < share["ci_high"]
    said = next(one for one in found.notes if "Training hardly has rows for a " in one)
    assert said.count("of the current rows") == 1
    effects = found.tables["effects"]
    cells = effects[(effects["column"] == "a") & (effects["lower"] >= 10)]
    assert len(cells) > 0
    assert not cells["supported"].any()


def test_support_is_that_of_coverage() -> None:
    found = found_of(case_of())

    training = rows_of(1)
    cells = found.tables["effects"].query("column == 'a' and table == 'reference'")
    for cell in cells.to_dict("records"):
        inside = training[training["a"].between(cell["lower"], cell["upper"], "right")]
        assert cell["base_rows"] == len(inside)
        assert cell["supported"] == (len(inside) >= 30)


def test_small_cells_of_a_sensitive_column_are_not_told() -> None:
    rows = rows_of(2)
    rows.loc[:4, "kind"] = "rare"
    training = rows_of(1)
    training.loc[:4, "kind"] = "rare"
    case = case_of(
        tables={"training": training, "reference": rows},
        columns={"kind": {"sensitive": True}},
    )

    effects = found_of(case, rows=1200).tables["effects"]

    rare = effects[(effects["cell"] == "rare") & (effects["table"] == "reference")]
    assert rare[["rows", "base_rows", "mean_attribution"]].isna().all(axis=None)


def test_without_current_rows_the_reference_is_told_alone() -> None:
    frames = {"training": rows_of(1), "reference": rows_of(2)}
    file = case_file(
        "regression",
        model={"features": ["a", "b"]},
        data={"entity": None},
        checks=OPTIONS,
    )
    case = load_case(file, frames=frames, model=lambda rows: rows["a"] + rows["b"])

    found = found_of(case)

    assert set(found.tables["effects"]["table"]) == {"reference"}
    assert found.notes[2].startswith("Current rows are not in it: The case has no")


def test_model_that_uses_nothing_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as caught:
        found_of(case_of(lambda rows: np.ones(len(rows))))

    assert caught.value.code is Reason.NOT_MEASURED


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classifiers_are_told_in_their_unit(task: str) -> None:
    several = "log-odds against the average class"
    unit = {"binary": "log-odds", "multiclass": several}[task]

    found = found_of(small_case(task, n_rows=400, checks=OPTIONS))

    assert f"{unit} where it is" in " ".join(found.notes)
    assert f"in {unit}" in found.notes[1]


def test_figure_has_a_panel_per_column_and_hatches_what_is_not_supported() -> None:
    current = rows_of(3)
    current.loc[::4, "a"] += 10.0
    found = found_of(case_of(tables={"current": current}))

    figure = CHECK.draw(found, ())

    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["a", "kind", "b"]
    hatched = [one for one in figure.axes[0].patches if one.get_hatch()]
    assert hatched
    assert figure_svg(figure).startswith(b"<svg")
    assert CHECK.alt(found).startswith("The larger a, the more it adds")
    assert "Training hardly has rows for a " in CHECK.alt(found)


# What opens the page of explainability.


def opening(case: Case) -> str:
    """Return the first paragraph of the page: its first check, as a page is made."""
    cells = json.loads((shipped("notebooks") / "20_explainability.ipynb").read_text())
    calls = ["".join(one["source"]) for one in cells["cells"]]
    first = next(one for one in calls if "review.check(" in one).split('"')[1]
    review = open_review(case)
    display = review.check(first)
    body = f"<h1>Title</h1>{display._repr_html_()}"
    checks = {display.result.code: display.result}
    page = with_contents(body, "20_explainability", Markup(), checks)
    assert page.startswith('<h1 id="20_explainability-0">Title</h1><p class="answer">')
    return page.partition('<p class="answer">')[2].partition("</p>")[0]


def test_paragraph_is_short_and_says_no_sentence_twice(linear: Measurement) -> None:
    opening, *others = linear.notes

    words = [one for one in opening.split() if one != "%"]
    assert 20 < len(words) <= 60
    assert opening.startswith("Of all attribution the model gives a ")
    assert any(one.startswith("In none of the rows") for one in others)
    assert len({opening, *others}) == len(linear.notes)
    assert not any(one in opening for one in others)


def test_rows_without_support_are_told_before_any_direction() -> None:
    current = rows_of(3)
    current.loc[::4, "a"] += 10.0

    told = " ".join(found_of(case_of(tables={"current": current})).notes)

    thin = told.index("Training hardly has rows for a ")
    assert told.index("Of all attribution") < thin < told.index("The larger a")


def test_planted_leak_is_the_first_line_of_the_page() -> None:
    case = case_of(lambda rows: 40 * rows["a"] + rows["b"])

    assert opening(case).startswith("It hangs on a alone, as a model does whose column")


def test_planted_wrong_sign_is_the_first_line_of_the_page() -> None:
    case = case_of(columns={"b": {"monotone": "increasing"}})

    assert opening(case).startswith(
        "b should only move the score one way (increasing); on 100 % of the rows ("
    )


def test_forbidden_column_is_the_first_line_of_the_page() -> None:
    columns = {"kind": {"role": "forbidden"}, "a": {"monotone": "decreasing"}}

    said_first = opening(case_of(columns=columns))

    assert said_first.startswith("The model uses kind, declared a forbidden column: ")
    assert "a should only move the score one way (decreasing)" in said_first


def test_sound_model_opens_with_what_it_leans_on() -> None:
    case = case_of(columns={"a": {"monotone": "increasing"}})

    said_first = opening(case)

    assert said_first.startswith("Of all attribution the model gives a ")
    assert said_first.endswith(
        "It keeps 1 of 1 declared expectations on every row asked."
    )
