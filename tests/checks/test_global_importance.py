from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from readiness.attribution_units import CLASS_LOG_ODDS
from readiness.case import Case, load_case
from readiness.checks.explainability import rank_stability
from readiness.checks.explainability._explained import explained
from readiness.checks.explainability._importance_view import _lanes
from readiness.checks.explainability.global_importance import (
    CHECK,
    alt,
    draw,
    measure,
)
from readiness.errors import NotAssessedError, Reason
from readiness.figures import figure_svg
from readiness.markup import MAX_SVG_BYTES
from readiness.result import Measurement, Options
from tests.cases import case_file

SMALL = Options(values={**CHECK.defaults, "rows": 300, "background": 200})
SIZE, WIDTH = "mean_abs_attribution", "attribution_half_width"


def rows_with(day_effect: float, seed: int = 1, n_days: int = 60) -> pd.DataFrame:
    """Return ten rows a day; x hangs together by day, z does not, w is not used."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(n_days), 10)
    shared = rng.normal(size=n_days)[day]
    own = rng.normal(size=len(day))
    rows = pd.DataFrame(
        {
            "x": day_effect * shared + np.sqrt(1 - day_effect**2) * own,
            "z": rng.normal(size=len(day)),
            "w": rng.normal(size=len(day)),
            "scheduled": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
        }
    )
    rows["late"] = 3 * rows["x"] + rows["z"]
    return rows


def case_of(rows: pd.DataFrame, model: object) -> Case:
    file = case_file(
        "regression", model={"features": ["x", "z", "w"]}, data={"entity": None}
    )
    return load_case(file, frames={"reference": rows}, model=model)


def linear_case(day_effect: float, seed: int = 1, n_days: int = 60) -> Case:
    rows = rows_with(day_effect, seed, n_days)
    model = LinearRegression().fit(rows[["x", "z", "w"]], rows["late"])
    return case_of(rows, model)


def table_of(measurement: Measurement, metric: str) -> pd.DataFrame:
    summary = measurement.summary
    return summary[summary["metric"] == metric].set_index("group")


def test_linear_model_has_its_closed_form() -> None:
    case = linear_case(0.0)
    every = Options(values={**CHECK.defaults, "rows": 600, "background": 600})

    sizes = table_of(measure(case, every), SIZE)["value"]

    x = case.table("reference").take(np.arange(600))["x"]
    assert sizes["x"] == pytest.approx(3 * (x - x.mean()).abs().mean(), rel=1e-9)
    assert sizes["w"] < 1e-9


def test_rows_of_one_day_widen_the_interval() -> None:
    alone = table_of(measure(linear_case(0.0), SMALL), SIZE).loc["x"]
    together = table_of(measure(linear_case(0.95), SMALL), SIZE).loc["x"]

    assert together["dependence_factor"] > 1.5
    assert together["se"] > 1.5 * alone["se"]


def test_interval_covers_the_truth_on_rows_that_come_in_days() -> None:
    # E|3x| = 3 sqrt(2/pi) for a standard normal x, also when days share 60 % of it.
    truth = 3 * np.sqrt(2 / np.pi)
    rows = [
        table_of(measure(linear_case(0.77, seed), SMALL), SIZE).loc["x"]
        for seed in range(40)
    ]

    too_low = np.mean([row["ci_high"] < truth for row in rows])
    too_high = np.mean([row["ci_low"] > truth for row in rows])
    assert too_low <= 0.15  # 5 % plus three standard errors of 40 draws
    assert too_high <= 0.15


def test_half_width_is_a_share_of_the_largest_mean() -> None:
    found = measure(linear_case(0.5), SMALL)

    widths, sizes = table_of(found, WIDTH), table_of(found, SIZE)
    above = sizes["ci_high"] - sizes["value"]
    below = sizes["value"] - sizes["ci_low"]
    expected = np.maximum(above, below) / sizes["value"].max()
    assert np.allclose(widths["value"], expected)
    assert widths["ci_low"].equals(widths["value"])
    assert widths["ci_high"].equals(widths["value"])


def test_single_day_gives_no_half_width() -> None:
    rows = rows_with(0.0).assign(scheduled=pd.Timestamp("2024-01-01"))
    model = LinearRegression().fit(rows[["x", "z", "w"]], rows["late"])

    widths = table_of(measure(case_of(rows, model), SMALL), WIDTH)

    assert widths["value"].isna().all()
    assert widths["reason"].eq(Reason.TOO_FEW_BLOCKS).all()


def test_plain_sentence_names_what_the_model_leans_on() -> None:
    found = measure(linear_case(0.0), SMALL)

    assert found.notes[0].startswith("The model leans most on x (")
    assert "300 of 600 reference rows" in found.notes[1]


def test_unused_column_is_named() -> None:
    rows = rows_with(0.0)
    model = LinearRegression().fit(rows[["x", "z", "w"]], rows["late"])
    model.coef_[2] = 0.0

    found = measure(case_of(rows, model), SMALL)

    assert "In none of these rows does it use w." in found.notes


def test_sampled_route_says_what_it_cost_and_widens_the_interval_downwards_f135() -> (
    None
):
    options = Options(values={**SMALL.values, "evaluations": 14_000})
    case = case_of(rows_with(0.0), lambda frame: frame["x"] * frame["z"])

    found = measure(case, options)

    assert any("pairs of column orders" in note for note in found.notes)
    assert any("short of its aim" in note for note in found.notes)
    assert found.tables["importance"]["noise_of_draws"].gt(0).any()


def test_fewer_rows_than_wanted_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readiness.attributions.SAMPLER_WORK", 2000)
    case = case_of(rows_with(0.0), lambda frame: frame["x"] * frame["z"])

    found = measure(case, SMALL)

    assert any("50 rows were explained instead of 300" in one for one in found.notes)


def test_constant_model_cannot_be_explained() -> None:
    case = case_of(rows_with(0.0), lambda frame: np.full(len(frame), 1.0))

    with pytest.raises(NotAssessedError) as raised:
        measure(case, SMALL)

    assert raised.value.code is Reason.NOT_MEASURED


def test_weights_reach_the_mean() -> None:
    rows = rows_with(0.0)
    rows["weight"] = np.where(rows["x"].abs() > 1, 10.0, 1.0)
    model = LinearRegression().fit(rows[["x", "z", "w"]], rows["late"])
    file = case_file(
        "regression",
        model={"features": ["x", "z", "w"]},
        data={"entity": None, "weight": "weight"},
    )
    weighted = load_case(file, frames={"reference": rows}, model=model)

    heavy = table_of(measure(weighted, SMALL), SIZE).loc["x", "value"]

    plain = table_of(measure(case_of(rows, model), SMALL), SIZE).loc["x", "value"]
    assert heavy > 1.3 * plain


def test_every_task_is_measured(binary_case: Case, multiclass_case: Case) -> None:
    small = Options(values={**SMALL.values, "rows": 40, "evaluations": 20_000})

    units = {
        measure(case, small).summary["unit"].iloc[0]
        for case in (binary_case, multiclass_case)
    }

    assert units == {"log-odds", CLASS_LOG_ODDS}


def test_same_rows_in_another_order_give_the_same_numbers() -> None:
    rows = rows_with(0.5)
    model = LinearRegression().fit(rows[["x", "z", "w"]], rows["late"])

    first = measure(case_of(rows, model), SMALL).summary
    again = measure(case_of(rows.sample(frac=1, random_state=0), model), SMALL).summary

    pd.testing.assert_frame_equal(first, again)


def test_explained_rows_keep_their_clusters() -> None:
    found = explained(linear_case(0.0), SMALL)

    assert found.clusters.block is not None
    assert len(found.clusters.block) == len(found.found.values) == 300


def test_figure_has_one_interval_per_column() -> None:
    found = measure(linear_case(0.0), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["x", "z", "w"]
    assert "target unit" in axes.get_xlabel()


def tied_measurement() -> Measurement:
    """Return the importance of x, then z and w, which no row can tell apart."""
    rows = rows_with(0.0)
    return measure(case_of(rows, lambda one: 3 * one["x"] + one["z"] - one["w"]), SMALL)


def test_columns_that_are_not_told_apart_share_a_bracket() -> None:
    found = tied_measurement()

    figure = draw(found, CHECK.limits)

    ties = [one for one in figure.axes[0].get_lines() if one.get_gid() == "tie"]
    assert [one.get_ydata() for one in ties] == [pytest.approx([0.7, 2.3])]
    assert "2 of them are tied with a neighbour" in alt(found)


@pytest.mark.parametrize("n_letters", [1, 32])
def test_bracket_stands_beside_the_counts_and_inside_the_picture(
    n_letters: int,
) -> None:
    # Long names leave the axes narrow; what stands beside them needs its room.
    found = tied_measurement()
    table = found.tables["importance"].assign(rows=10_000)
    table["column"] = [name * n_letters for name in table["column"]]
    tables = {**found.tables, "importance": table}

    figure = draw(replace(found, tables=tables), CHECK.limits)
    figure.draw_without_rendering()

    texts = {one.get_text(): one.get_window_extent() for one in figure.axes[0].texts}
    (tie,) = [one for one in figure.axes[0].get_lines() if one.get_gid() == "tie"]
    assert tie.get_window_extent().x0 > texts["n = 10,000"].x1
    assert texts["tied"].x1 <= figure.bbox.x1
    assert tie.get_window_extent().x1 <= figure.bbox.x1


def test_brackets_that_overlap_stand_side_by_side() -> None:
    assert _lanes([(1, 2), (3, 11), (4, 13), (7, 14), (12, 16)]) == [0, 0, 1, 2, 0]


def test_settled_columns_have_no_bracket() -> None:
    figure = draw(measure(linear_case(0.0), SMALL), CHECK.limits)

    lines = figure.axes[0].get_lines()
    assert not [one for one in lines if one.get_gid() == "tie"]


def test_ties_are_those_of_the_settled_ranks() -> None:
    rows = rows_with(0.0)
    case = case_of(rows, lambda one: 3 * one["x"] + one["z"] - one["w"])
    ranks = rank_stability.measure(
        case, replace(SMALL, values={**rank_stability.CHECK.defaults, **SMALL.values})
    ).tables["ranks"]

    table = measure(case, SMALL).tables["importance"]

    kept = ["column", "best_rank", "worst_rank"]
    pd.testing.assert_frame_equal(
        table[kept].sort_values("column", ignore_index=True),
        ranks[kept].sort_values("column", ignore_index=True),
    )


def test_rows_are_drawn_as_a_picture_and_the_rest_as_lines() -> None:
    found = tied_measurement()

    figure = draw(found, CHECK.limits)

    below = figure.axes[1]
    assert sum(len(one.get_offsets()) for one in below.collections) == 3 * 150
    assert below.get_xlabel().startswith("attribution of 150 random rows (target unit)")
    assert all(one.get_rasterized() for one in below.collections)
    svg = figure_svg(figure)
    assert svg.count(b"data:image/png;base64") == 1
    assert len(svg) < MAX_SVG_BYTES


def test_shape_says_what_colour_says() -> None:
    found = tied_measurement()
    swarm = found.tables["swarm"]
    swarm.loc[swarm["column"] == "w", "rank_of_value"] = np.nan

    below = draw(found, CHECK.limits).axes[1]

    shapes = {
        tuple(one.get_facecolor()[0]): len(one.get_paths()[0].vertices)
        for one in below.collections
    }
    assert len(shapes) == len(set(shapes.values())) == 3


def test_swarm_holds_no_value_of_a_row() -> None:
    swarm = tied_measurement().tables["swarm"]

    assert list(swarm.columns) == ["column", "attribution", "rank_of_value"]
    assert swarm["rank_of_value"].between(0, 1).all()


def test_alternative_text_names_first_and_last() -> None:
    found = measure(linear_case(0.0), SMALL)

    assert "leans most on x" in alt(found)
    assert "least on w" in alt(found)


def test_only_column_is_named_alone() -> None:
    rows = rows_with(0.0)
    file = case_file("regression", model={"features": ["x"]}, data={"entity": None})
    case = load_case(file, frames={"reference": rows}, model=lambda one: one["x"])

    found = measure(case, replace(SMALL, seed=3))

    assert found.notes[0] == "The model leans most on x (100 % of all attribution)."
