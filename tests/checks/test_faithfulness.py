from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from readiness.case import Case, load_case
from readiness.checks.explainability._deletion import (
    BEST,
    ONE_LIST,
    OWN,
    RANDOM,
    Game,
    best_found,
    nested,
    walk,
)
from readiness.checks.explainability.faithfulness import (
    CHECK,
    Walked,
    alt,
    draw,
    judged,
    measure,
)
from readiness.checks.explainability.local_reasons import CHECK as LOCAL
from readiness.errors import NotAssessedError, Reason
from readiness.result import Measurement, Options, Status
from readiness.stats import Clusters, Floats
from readiness.text import number
from tests.cases import case_file, small_case, small_frames
from tests.judging import findings_of

COLUMNS = ("a", "b", "c", "d", "e", "f")
SMALL = Options(
    values={**CHECK.defaults, "rows": 300, "background": 300, "walked_rows": 150}
)


def normal_rows(n_days: int = 60, seed: int = 1) -> pd.DataFrame:
    """Return ten rows a day of independent standard normal columns."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(10 * n_days, len(COLUMNS))), columns=COLUMNS)
    day = np.repeat(np.arange(n_days), 10)
    rows["scheduled"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    return rows.assign(late=0.0 + np.arange(len(rows)))


def case_of(model: Callable[[pd.DataFrame], Any], *features: str) -> Case:
    names = list(features or COLUMNS)
    file = case_file("regression", model={"features": names}, data={"entity": None})
    return load_case(file, frames={"reference": normal_rows()}, model=model)


def weighted(rows: pd.DataFrame) -> pd.Series:
    """Score rows by slopes 4, 2, 1, 0, 0, 0."""
    return 4 * rows["a"] + 2 * rows["b"] + rows["c"]


def alike(rows: pd.DataFrame) -> pd.Series:
    """Score rows by slopes of one."""
    return rows[list(COLUMNS)].sum(axis=1)


def game_of(
    model: Callable[[pd.DataFrame], Any], n_rows: int = 200, n_draws: int = 40
) -> Game:
    rows = normal_rows(n_days=200)
    donors = np.random.default_rng(2).integers(
        n_rows, len(rows), size=(n_rows, n_draws)
    )
    pool = rows[list(COLUMNS)]
    return Game(case=case_of(model), pool=pool, donors=donors, unit="target unit")


def value_of(game: Game, sizes: Floats, depth: int = 2) -> Mapping[str, Any]:
    gaps = walk(game, sizes, depth, sizes.mean(axis=0), seed=7)
    return judged(Walked(gaps=gaps, clusters=Clusters(), weight=None), OWN)


def row_of(found: Measurement, group: str = "") -> pd.Series:
    return found.summary.set_index("group").loc[group]


def test_change_of_a_linear_model_has_its_closed_form() -> None:
    # x - b is normal with variance 2, so E|slopes (x - b)| = 2 |slopes| / sqrt(pi).
    game = game_of(weighted, n_rows=1500, n_draws=20)
    sets = np.zeros((1500, 3, 6), dtype=bool)
    sets[:, 0, 0], sets[:, 1, [0, 1]], sets[:, 2, 3:] = True, True, True

    found = game.gaps(sets).mean(axis=0)

    assert found[0] == pytest.approx(2 * 4 / np.sqrt(np.pi), rel=0.05)
    assert found[1] == pytest.approx(2 * np.sqrt(20) / np.sqrt(np.pi), rel=0.05)
    assert found[2] == 0


def test_attributions_of_equal_slopes_name_the_best_first_column() -> None:
    # E|x - B| grows with |x|, so the largest attribution |x| is the best column: 1.
    game = game_of(alike, n_draws=400)
    sizes = np.abs(game.pool.iloc[:200].to_numpy())

    found = value_of(game, sizes, depth=1)

    assert found["value"] == pytest.approx(1.0, abs=0.02)


def test_columns_drawn_by_lot_are_worth_nothing() -> None:
    values = [
        value_of(game_of(weighted), np.random.default_rng(seed).random((200, 6)))
        for seed in range(20)
    ]

    mean = np.mean([one["value"] for one in values])
    assert abs(mean) < 0.05
    assert np.mean([one["ci_low"] > 0 for one in values]) <= 0.2


def test_the_best_list_is_worth_one() -> None:
    game = game_of(weighted)
    every = np.broadcast_to(np.eye(6, dtype=bool), (200, 6, 6))
    order, _ = best_found(game, 2, game.gaps(every))
    sizes = np.zeros((200, 6))
    np.put_along_axis(sizes, order, [[2.0, 1.0]], axis=1)

    found = value_of(game, sizes)

    assert found["value"] == pytest.approx(1.0)


def test_reasons_in_reverse_are_worse_than_by_lot() -> None:
    game = game_of(weighted)

    found = value_of(game, np.broadcast_to(np.arange(6.0), (200, 6)))

    assert found["ci_high"] < 0


def test_best_list_is_the_best_of_all_pairs_after_its_first() -> None:
    # By hand: the first column moves most alone; the second most beside it.
    game = game_of(alike, n_rows=20, n_draws=6)
    every = np.broadcast_to(np.eye(6, dtype=bool), (20, 6, 6))
    pool, donors = game.pool.to_numpy(), game.donors

    order, gaps = best_found(game, 2, game.gaps(every))

    for row in range(20):
        moves = pool[row] - pool[donors[row]]  # of each column, per draw
        first = int(np.argmax(np.abs(moves).mean(axis=0)))
        pairs = np.abs(moves + moves[:, [first]]).mean(axis=0)
        pairs[first] = -1
        assert order[row].tolist() == [first, int(np.argmax(pairs))]
        assert gaps[row, 1] == pytest.approx(pairs.max())


def test_sets_grow_by_one_column() -> None:
    sets = nested(np.array([[1, 2, 0], [0, 1, 2]]), 2)

    assert sets.astype(int).tolist() == [
        [[0, 1, 0], [0, 1, 1]],
        [[1, 0, 0], [1, 1, 0]],
    ]


def test_ratio_is_between_lot_and_best_by_hand() -> None:
    # By row: own - lot is 1 and 2, best - lot is 2 and 4: 3 / 6.
    gaps = {
        OWN: np.array([[2.0], [4.0]]),
        ONE_LIST: np.array([[1.0], [2.0]]),
        RANDOM: np.array([[1.0], [2.0]]),
        BEST: np.array([[3.0], [6.0]]),
    }
    walked = Walked(gaps=gaps, clusters=Clusters(), weight=None)

    assert judged(walked, OWN)["value"] == pytest.approx(0.5)
    assert judged(walked, ONE_LIST)["value"] == 0


def test_rows_of_one_day_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    by_day = np.repeat(rng.random(40), 10)[:, None]
    gaps = {
        OWN: by_day,
        ONE_LIST: by_day,
        RANDOM: np.zeros((400, 1)),
        BEST: np.ones((400, 1)),
    }
    day = np.repeat(np.arange(40), 10)

    found = judged(Walked(gaps=gaps, clusters=Clusters(block=day), weight=None), OWN)

    assert found["n_blocks"] == 40
    assert found["dependence_factor"] > 2.5


@pytest.mark.slow
def test_interval_covers_a_known_faithfulness_on_rows_that_come_in_days() -> None:
    # Own reasons reach 0.8 of the way on average, more on some days than on others.
    by_day = [_known(seed, in_days=True) for seed in range(400)]
    by_row = [_known(seed, in_days=False) for seed in range(400)]

    def missed(found: list[dict[str, float]]) -> list[float]:
        above = np.mean([one["ci_low"] > 0.8 for one in found])
        return [above, np.mean([one["ci_high"] < 0.8 for one in found])]

    # 5 % plus three standard errors of 400 draws.
    assert max(missed(by_day)) <= 0.083
    assert min(missed(by_row)) > 0.083


def _known(seed: int, *, in_days: bool) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(60), 5)
    lot = rng.normal(0.5, 0.1, 300)
    way = rng.lognormal(0, 0.4, 300)
    share = 0.8 + rng.normal(0, 0.15, 60)[day] + rng.normal(0, 0.1, 300)
    gaps = {
        OWN: lot + share * way,
        ONE_LIST: lot,
        RANDOM: lot,
        BEST: lot + way,
    }
    return judged(
        Walked(
            gaps={name: one[:, None] for name, one in gaps.items()},
            clusters=Clusters(block=day) if in_days else Clusters(),
            weight=None,
        ),
        OWN,
    )


def test_own_reasons_beat_one_list_where_rows_differ() -> None:
    def model(rows: pd.DataFrame) -> pd.Series:
        return np.where(rows["a"] > 0, rows["b"], rows["c"]) + 0.0

    found = measure(case_of(model), SMALL)

    assert row_of(found)["ci_low"] > row_of(found, ONE_LIST)["ci_high"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_attributions_are_faithful_in_every_task(task: str) -> None:
    found = measure(small_case(task), SMALL)

    row = row_of(found)
    assert row["ci_low"] > 0.5
    rows = found.summary.to_dict("records")
    first = findings_of(*rows, check=CHECK)[0]
    assert first.status is Status.PASS
    assert f"reach {row['value']:.3f}" in found.notes[0]


def test_change_is_told_in_the_unit_of_the_attributions() -> None:
    found = measure(small_case("binary"), SMALL)

    assert set(found.tables["curves"]["unit"]) == {"log-odds"}
    assert "log-odds" in draw(found, CHECK.limits).axes[0].get_ylabel()


def test_deeper_lists_read_lower_so_depth_does_not_follow_the_columns() -> None:
    # Slopes of one: reasons of opposite sign cancel when they are replaced together.
    model = LinearRegression().fit(normal_rows()[list(COLUMNS)], alike(normal_rows()))
    deep = replace(SMALL, values={**SMALL.values, "depth": 5})

    found = measure(case_of(model), deep)

    by_depth = found.tables["by_depth"]["value"]
    assert by_depth.is_monotonic_decreasing
    assert by_depth.iloc[0] > by_depth.iloc[-1] + 0.1
    assert by_depth.iloc[-1] == row_of(found)["value"]
    assert f"Stopping earlier it is {number(by_depth.iloc[0])} (" in found.notes[-1]
    assert CHECK.defaults["depth"] == LOCAL.defaults["reasons"]


def test_single_feature_has_no_order_f134() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(case_of(lambda one: one["a"], "a"), SMALL)

    assert caught.value.code == Reason.NO_COLUMNS


def test_constant_model_is_not_measured() -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(case_of(lambda one: np.zeros(len(one))), SMALL)

    assert caught.value.code == Reason.NOT_MEASURED


def test_figure_draws_every_list() -> None:
    found = measure(case_of(weighted), SMALL)

    axes = draw(found, CHECK.limits).axes[0]

    curves = [line for line in axes.get_lines() if line.get_gid() == "curve"]
    assert len(curves) == 4
    assert {text.get_text() for text in axes.texts} == {
        "best list found by trying",
        "each row's own reasons",
        "one list for all rows",
        "columns drawn by lot",
    }
    assert alt(found) == found.notes[0]


def test_order_of_the_rows_does_not_matter() -> None:
    frames = small_frames("binary")
    mixed = frames["reference"].sample(frac=1, random_state=1).reset_index(drop=True)

    one, other = (
        measure(
            small_case("binary", frames={**frames, "reference": rows}), SMALL
        ).summary
        for rows in (frames["reference"], mixed)
    )

    pd.testing.assert_frame_equal(one, other)
