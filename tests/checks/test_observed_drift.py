"""D0: moves between two tables of which the truth is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, wasserstein_distance

from readiness.case import Case, load_case
from readiness.checks import FoundCheck
from readiness.checks.drift import observed_drift, population_tilt
from readiness.checks.drift._observed_compare import compare_arrays
from readiness.checks.drift._observed_moves import shift_of
from readiness.checks.drift._observed_report import move_words
from readiness.checks.drift._observed_spent import Room, budgets_of, spent_of
from readiness.checks.drift.observed_drift import CHECK
from readiness.config import CaseFile
from readiness.distances import cramers_v
from readiness.errors import NotAssessedError, Reason
from readiness.measuring import Bench, measured, options_of
from readiness.result import Limit, Measurement, Options
from readiness.scored import Scores
from readiness.stats import Clusters
from tests.cases import binary_case, multiclass_case, regression_case, small_frames

DAYS, PER_DAY = 80, 25
NO_ALARM = Limit(
    metric="budget_spent", side="at_most", limit=1.0, required_in=(), reason="A."
)


def of_x(X: pd.DataFrame) -> np.ndarray:
    """Return 1.5 x, and 0 where it is missing: off by half of x."""
    return 1.5 * pd.to_numeric(X["x"]).fillna(0.0).to_numpy()


def rows_of_days(
    seed: int, *, shift: float = 0.0, days: int = DAYS, start: str = "2024-01-01"
) -> pd.DataFrame:
    """Return y = x + noise; half of the variance of x hangs together by day."""
    rng = np.random.default_rng(seed)
    n, day = days * PER_DAY, np.repeat(np.arange(days), PER_DAY)
    half = np.sqrt(0.5)
    x = rng.normal(0, half, days)[day] + rng.normal(0, half, n) + shift
    when = pd.Timestamp(start) + pd.to_timedelta(day, unit="D")
    rows = pd.DataFrame({"x": x, "y": x + rng.normal(0, 1, n), "when": when})
    rows["kind"] = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    return rows


def line_case(
    reference: pd.DataFrame,
    current: pd.DataFrame | None,
    columns: Mapping[str, Any] | None = None,
    **data: Any,  # noqa: ANN401 (keys of the case file)
) -> Case:
    ignored = {"y", "when", "w"}
    features = [name for name in reference.columns if name not in ignored]
    file = CaseFile.model_validate(
        {
            "name": "line",
            "title": "A line",
            "model": {
                "callable": "m:f",
                "task": "regression",
                "metric": "mean_squared_error",
                # b² = 0.25: the loss is 0.25 · move², so 0.0625 is lost at half an SD.
                "tolerated_loss": 0.0625,
                "features": features,
            },
            "data": {
                "reference": "r",
                "target": "y",
                "time": "when",
                "window": "7d",
                **data,
            },
            "columns": columns or {},
        }
    )
    frames = {"reference": reference}
    if current is not None:
        frames["current"] = current
    return load_case(file, frames=frames, model=of_x)


def measure(case: Case, **options: Any) -> Measurement:  # noqa: ANN401 (plain values)
    found = FoundCheck(name="observed_drift", dimension="drift", check=CHECK)
    tilt = FoundCheck(
        name="population_tilt", dimension="drift", check=population_tilt.CHECK
    )
    checks = {one.name: one for one in (found, tilt)}
    bench = Bench(case=case, checks=checks, profile="quick", seed=7)
    return measured(bench, found, options_of(bench, found, options)).measurement


def alone(case: Case) -> Measurement:
    """Measure without any budget."""
    return observed_drift.measure(case, Options(values=CHECK.defaults))


def row(measurement: Measurement, metric: str, group: str) -> pd.Series:
    summary = measurement.summary
    found = summary[(summary["metric"] == metric) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


def groups(measurement: Measurement, metric: str) -> set[str]:
    summary = measurement.summary
    return set(summary.loc[summary["metric"] == metric, "group"])


@pytest.fixture(scope="module")
def calm() -> Measurement:
    current = rows_of_days(2, start="2024-04-01")
    return measure(line_case(rows_of_days(1), current))


@pytest.fixture(scope="module")
def shifted() -> Measurement:
    reference = rows_of_days(1, days=160)
    current = rows_of_days(3, shift=0.4, start="2024-07-01")
    unit = {"x": {"unit": "mm"}}
    return measure(line_case(reference, current, unit))


def test_where_nothing_moved_intervals_hold_zero_and_nothing_alarms(
    calm: Measurement,
) -> None:
    for name in ("x", "kind"):
        assert row(calm, "shift", name)["ci_low"] == 0
        assert row(calm, "budget_spent", name)["ci_low"] == 0
    assert calm.notes[0].startswith("No feature has certainly moved further")
    assert not (calm.tables["windows"]["alert"] == "over").any()
    assert (calm.tables["features"]["p_adjusted"] > 0.05).all()


def test_a_planted_shift_is_found_with_its_size(shifted: Measurement) -> None:
    found = row(shifted, "shift", "x")

    # W1 of a shifted normal is the shift; the day effects leave an error of about .14.
    assert found["ci_low"] < 0.4 < found["ci_high"]
    assert found["ci_low"] > 0
    assert found["unit"] == "SD"
    sd = shifted.tables["features"].set_index("column")["sd_reference"]["x"]
    assert found["value_in_unit"] == pytest.approx(found["value"] * sd, rel=1e-3)
    assert (found["n_rows"], found["n_blocks"]) == (6000, 80)
    assert found["dependence_factor"] > 2


def test_the_share_spent_is_the_move_over_the_budget_of_its_direction(
    shifted: Measurement,
) -> None:
    spent = shifted.tables["spent"].query("column == 'x' and family == 'mean'")

    # The loss is 0.25 (mean + move)² - ..., spent at half an SD from zero.
    assert spent["move"].item() == pytest.approx(0.4, abs=0.3)
    assert spent["spent"].item() == pytest.approx(
        spent["move"].item() / spent["budget"].item()
    )
    found = row(shifted, "budget_spent", "x")
    assert found["direction"] == "up"
    assert found["value"] >= spent["spent"].item()


def test_the_first_note_names_who_spent_most_in_its_own_unit(
    shifted: Measurement,
) -> None:
    assert "Of the budgets that are known x has spent most" in shifted.notes[0]
    assert "mm" in shifted.notes[0]
    assert "0.0625 of mean squared error; then kind with at most" in shifted.notes[0]
    assert CHECK.alt(shifted) == shifted.notes[0]


def test_flag_that_stays_where_it_was_is_within_its_budget() -> None:
    """Two values have no spread beside their mean, so none can be beyond the data."""
    rows = [
        one.assign(flag=(np.random.default_rng(n).random(len(one)) < 0.3).astype(float))
        for n, one in enumerate([rows_of_days(31), rows_of_days(32)])
    ]

    found = row(measure(line_case(*rows)), "budget_spent", "flag")

    assert found["ci_high"] < 1


def test_change_of_a_share_is_told_in_points() -> None:
    moved = {"family": "category", "category": "b", "column": "kind", "move": -0.05}

    said = move_words({**moved, "move_low": -0.08, "move_high": -0.02}, {})

    assert said == "the share of b in it fell by 5.00 points (2.00 to 8.00 points)"


def test_plain_distance_is_that_of_scipy() -> None:
    reference, current = rows_of_days(4), rows_of_days(5, shift=0.3)
    found = alone(line_case(reference, current)).tables["features"]
    plain = found.set_index("column")["plain_shift"]

    sd = reference["x"].std(ddof=0)
    expected = wasserstein_distance(reference["x"], current["x"]) / sd
    counts = [one["kind"].value_counts().sort_index() for one in (reference, current)]

    assert plain["x"] == pytest.approx(expected, rel=2e-3)
    assert plain["kind"] == pytest.approx(cramers_v(*counts))


def test_psi_is_printed_with_what_chance_leaves_of_it(calm: Measurement) -> None:
    found = calm.tables["features"].set_index("column").loc["x"]

    # Nothing moved, yet days that hang together leave more than 0.1 of it: the row
    # counts alone promise 16.9 · 2/2000 = .017.
    assert found["psi_bins"] == 10
    assert 0.0169 < found["psi"] < found["psi_by_chance"]


def test_without_budgets_every_move_is_information() -> None:
    case = line_case(rows_of_days(6), rows_of_days(7, shift=1.0))

    measurement = alone(case)

    assert groups(measurement, "budget_spent") == set()
    assert measurement.notes[0].startswith("x has moved furthest")
    assert "there are no budgets (D1)" in measurement.notes[0]
    figure = CHECK.draw(measurement, ())
    assert "SD" in figure.axes[0].get_xlabel() or "V" in figure.axes[0].get_xlabel()


def test_a_reference_without_labels_still_tells_what_moved() -> None:
    reference = rows_of_days(8).assign(y=np.nan)
    case = line_case(reference, rows_of_days(9, shift=1.0).assign(y=np.nan))

    measurement = measure(case)

    assert row(measurement, "shift", "x")["ci_low"] > 0
    assert row(measurement, "label_shift", "")["reason"] == Reason.NO_LABELS


def test_no_current_rows_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError, match="no current table") as caught:
        alone(line_case(rows_of_days(10), None))

    assert caught.value.code == Reason.NO_TABLE


def test_missing_values_are_a_number_of_their_own() -> None:
    rng = np.random.default_rng(11)
    reference, current = rows_of_days(11), rows_of_days(12)
    current["x"] = current["x"].mask(rng.random(len(current)) < 0.3)
    reference["gone"], current["gone"] = 1.0 * np.arange(len(reference)), np.nan

    measurement = alone(line_case(reference, current))

    missing = row(measurement, "missing_shift", "x")
    assert missing["value"] == pytest.approx(current["x"].isna().mean())
    assert missing["ci_low"] < 0.3 < missing["ci_high"]
    assert row(measurement, "shift", "x")["ci_low"] == 0
    # A dead feed: no distribution to compare, and all of its rows missing.
    assert row(measurement, "shift", "gone")["reason"] == Reason.ALL_NULL
    assert row(measurement, "missing_shift", "gone")["value"] == 1
    assert "Missing values: gone from 0 % to 100 % of the rows" in " ".join(
        measurement.notes
    )


def test_new_categories_are_named_and_counted() -> None:
    reference, current = rows_of_days(13), rows_of_days(14)
    current.loc[current.index[::4], "kind"] = "z"

    measurement = alone(line_case(reference, current))

    about = measurement.tables["features"].set_index("column").loc["kind"]
    assert (about["new_categories"], about["new_share"]) == (1, 0.25)
    counts = [one["kind"].value_counts() for one in (reference, current)]
    both = pd.concat(counts, axis=1).fillna(0).to_numpy()
    found = row(measurement, "shift", "kind")
    assert found["ci_low"] < cramers_v(*both.T) < found["ci_high"]
    assert "kind (1, in 25.0 % of its rows)" in " ".join(measurement.notes)


def test_columns_that_tell_the_time_move_by_design() -> None:
    reference, current = rows_of_days(15), rows_of_days(16, start="2024-08-01")
    for one in (reference, current):
        one["month"] = one["when"].dt.month
        one["weekday"] = one["when"].dt.day_name()
        one["season_code"] = one["when"].dt.month // 4
    case = line_case(reference, current)

    measurement = measure(case, by_design=["season_code"])

    assert groups(measurement, "budget_spent") == {"x", "kind"}
    assert row(measurement, "shift", "month")["value"] > 1
    said = "month, weekday, season_code tell the time and move by design"
    assert said in " ".join(measurement.notes)
    assert set(measurement.tables["windows"]["column"]) == {"x", "kind"}


def test_windows_that_exceed_the_budget_are_alert_points() -> None:
    reference = rows_of_days(17, days=160)
    current = rows_of_days(18, start="2024-07-01")
    # From the sixth week on, x is far above.
    current.loc[current["when"] >= "2024-08-05", "x"] += 1.2
    current["y"] += 0.0

    measurement = measure(line_case(reference, current))

    windows = measurement.tables["windows"].query("column == 'x'")
    late = windows[windows["window"] >= "2024-08-08"]
    early = windows[windows["window"] < "2024-08-01"]
    assert not early["alert"].eq("over").any()
    assert late["alert"].isin(["over", "perhaps", "cannot tell"]).mean() > 0.8
    # By hand: the mean of a window less that of the reference.
    one = late.iloc[0]
    start = one["window"]
    inside = current["when"].between(start, start + pd.Timedelta("6D"))
    move = current.loc[inside, "x"].mean() - reference["x"].mean()
    assert one["move"] == pytest.approx(move)
    assert one["n_rows"] == inside.sum()


def test_no_time_means_no_windows() -> None:
    rows = [rows_of_days(k).drop(columns="when") for k in (19, 20)]

    measurement = alone(line_case(*rows, time=None, window=None))

    assert measurement.tables["windows"].empty
    assert row(measurement, "shift", "x")["n_blocks"] == 4000


@pytest.mark.parametrize("make", [binary_case, multiclass_case, regression_case])
def test_predictions_and_outcomes_of_every_task_stay_where_nothing_moved(
    make: Any,  # noqa: ANN401 (a function that makes a case)
) -> None:
    measurement = alone(make())
    summary = measurement.summary

    predicted = summary[summary["metric"] == "prediction_shift"]
    labelled = summary[summary["metric"] == "label_shift"]
    n_groups = 3 if make is multiclass_case else 1
    assert len(predicted) == len(labelled) == n_groups
    assert (predicted["ci_low"] == 0).all()
    assert (
        (labelled["ci_low"] <= 0) & (labelled["ci_high"] >= 0)
    ).sum() >= n_groups - 1


def test_moved_outcomes_and_predictions_are_found() -> None:
    frames = small_frames("binary")
    current = frames["current"]
    current["wind"] += 3.0
    current["late"] = np.where(np.arange(len(current)) % 2 == 0, 1, current["late"])
    expected = current["late"].mean() - frames["reference"]["late"].mean()

    measurement = alone(binary_case(current=current))

    assert row(measurement, "prediction_shift", "")["ci_low"] > 0.2
    assert row(measurement, "label_shift", "")["value"] == pytest.approx(expected)
    assert row(measurement, "label_shift", "")["ci_low"] > 0


def test_texts_and_retyped_columns_say_why_they_are_not_compared() -> None:
    reference, current = rows_of_days(21), rows_of_days(22)
    for one in (reference, current):
        one["text"] = [f"note {k}" for k in range(len(one))]
        one["flag"] = one["x"] > 0
    current["kind"] = 1.0

    measurement = alone(line_case(reference, current))

    assert row(measurement, "shift", "text")["reason"] == Reason.UNSUPPORTED_TYPE
    assert row(measurement, "shift", "kind")["reason"] == Reason.SCHEMA
    assert row(measurement, "shift", "flag")["unit"] == "V"
    assert "Not compared" in " ".join(measurement.notes)


def test_order_of_rows_does_not_matter() -> None:
    reference, current = rows_of_days(23), rows_of_days(24, shift=0.2)

    first = alone(line_case(reference, current)).summary
    again = alone(
        line_case(
            reference.sample(frac=1, random_state=1),
            current.sample(frac=1, random_state=2),
        )
    ).summary

    numbers = ["value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(first[numbers], again[numbers], rtol=1e-6)


def test_equal_rows_without_blocks_are_dealt_to_every_fold() -> None:
    rng = np.random.default_rng(25)
    rows = [
        pd.DataFrame({"kind": rng.choice(["a", "b"], 3000, p=[p, 1 - p]), "x": 0.0})
        for p in (0.5, 0.6)
    ]
    frames = [one.assign(y=np.arange(3000.0)) for one in rows]

    measurement = alone(line_case(*frames, time=None, window=None))

    found = row(measurement, "shift", "kind")
    # Shares .5 and .6: V = 0.1 / sqrt(4 · .55 · .45).
    assert found["ci_low"] < 0.1 / np.sqrt(0.99) < found["ci_high"]
    assert found["ci_low"] > 0.05


def test_weights_count() -> None:
    reference, current = rows_of_days(26), rows_of_days(27)
    reference["w"], current["w"] = 1.0, 1.0 + (current["x"] > 0)

    measurement = alone(line_case(reference, current, weight="w"))

    about = measurement.tables["features"].set_index("column")["mean_current"]["x"]
    assert about == pytest.approx(np.average(current["x"], weights=current["w"]))


ROOM = Room(value=2.0, low=1.0, high=4.0, far=5.0)
CALM = Room(value=np.inf, low=np.inf, high=np.inf, far=5.0)


@pytest.mark.parametrize(
    ("move", "room", "expected"),
    [
        ((1.0, 0.5, 1.5), ROOM, (0.5, 0.125, 1.5)),
        ((-1.0, -1.5, -0.5), ROOM, (0.5, 0.125, 1.5)),
        ((0.5, -0.5, 1.5), ROOM, (0.25, 0.0, 1.5)),
        # The curve never uses the loss up: a share of the farthest move known.
        ((1.0, 0.5, 1.5), CALM, (0.2, 0.0, 0.3)),
        ((4.0, 3.0, 6.0), CALM, (0.8, 0.0, np.inf)),
        ((6.0, 5.5, 6.5), CALM, (np.nan, 0.0, np.inf)),
        ((0.0, 0.0, 0.0), CALM, (0.0, 0.0, 0.0)),
    ],
)
def test_a_move_spends_a_share_of_its_budget(
    move: tuple[float, float, float],
    room: Room,
    expected: tuple[float, float, float],
) -> None:
    named = dict(zip(("value", "ci_low", "ci_high"), move, strict=True))

    found = spent_of(named, room, room)

    assert (found.value, found.ci_low, found.ci_high) == pytest.approx(
        expected, nan_ok=True
    )


def test_only_a_move_that_is_all_beyond_the_data_is_said_to_be() -> None:
    certain = {"value": 6.0, "ci_low": 5.5, "ci_high": 6.5}
    perhaps = {"value": 6.0, "ci_low": 4.5, "ci_high": 7.5}
    nothing = {"value": 0.1, "ci_low": -0.1, "ci_high": 0.3}
    unknown = Room(value=np.inf, low=np.inf, high=np.inf, far=0.0)

    assert spent_of(certain, CALM, CALM).beyond
    assert not spent_of(perhaps, CALM, CALM).beyond
    assert not spent_of(certain, ROOM, ROOM).beyond
    assert not spent_of(nothing, unknown, unknown).beyond


def test_a_move_no_labelled_row_can_speak_about_is_said_in_the_first_note() -> None:
    reference = rows_of_days(29, days=120)
    current = rows_of_days(30, shift=4.0, days=60, start="2024-07-01")

    measurement = measure(line_case(reference, current.assign(y=np.nan)))

    found = row(measurement, "budget_spent", "x")
    assert found["censored"] or found["ci_low"] > 1
    assert "x" in measurement.notes[0]
    assert "further" in measurement.notes[0]


def test_budgets_of_both_directions_are_those_of_the_tilt() -> None:
    case = line_case(rows_of_days(28, days=160), None)
    tilt = population_tilt.measure(case, Options(values={}))

    budgets = budgets_of(tilt)

    found = tilt.tables["budgets"].query("column == 'x' and family == 'mean'").iloc[0]
    sign = 1 if found["direction"] == "up" else -1
    room = budgets.rooms["x", "mean", "", sign]
    assert room.value == pytest.approx(found["loss_budget"] * found["sd"])
    assert room.low >= found["ci_low"] * found["sd"] - 1e-9
    assert budgets.categories("kind") == ("a", "b", "c")
    assert budgets_of(None).rooms == {}


def test_figure_shows_ranking_limit_and_windows(shifted: Measurement) -> None:
    figure = CHECK.draw(shifted, (NO_ALARM,))

    ranking, windows = figure.axes
    assert [one.get_text() for one in ranking.get_yticklabels()] == ["x", "kind"]
    assert any("at most 100 %" in one.get_text() for one in ranking.texts)
    assert windows.get_ylabel() == "budget spent"
    assert "start of the window" in windows.get_xlabel()


def scored_days(
    rng: np.random.Generator, days: int, shift: float, scale: float
) -> tuple[np.ndarray, Scores]:
    day = np.repeat(np.arange(days), PER_DAY)
    n = len(day)
    x = np.sqrt(0.3) * rng.normal(size=days)[day] + np.sqrt(0.7) * rng.normal(size=n)
    nothing = np.zeros(n)
    scores = Scores(
        table="t",
        row=np.arange(n),
        y_true=nothing,
        y_score=nothing,
        weight=None,
        time=None,
        clusters=Clusters(block=day),
        left_out={},
    )
    return shift + scale * x, scores


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "scale"), [(0, 1), (0.1, 1), (0.3, 1), (1.0, 1), (0, 1.3), (0.1, 0.8)]
)
def test_each_limit_errs_about_as_often_as_promised(shift: float, scale: float) -> None:
    z = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    truth = np.mean(np.abs(shift + (scale - 1) * z))
    missed = np.zeros(2)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        compared, feature = compare_arrays(
            scored_days(rng, 60, 0.0, 1.0), scored_days(rng, 120, shift, scale), 7
        )
        found = shift_of(feature, *compared.sums)
        missed += [found.ci_low > truth, found.ci_high < truth]

    # 5 % of 300, and three standard errors: 15 + 3 · 3.8.
    assert (missed <= 27).all()
