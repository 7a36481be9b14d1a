import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from readiness.attributions import path_attributions
from readiness.checks.explainability._agreement import (
    lists_agreement,
    rows_agreement,
)
from readiness.checks.explainability.global_importance import CHECK, measure
from readiness.result import Options
from readiness.tree_shapley import boosted_trees
from tests.cases import TARGET, regression_case, small_case, small_frames
from tests.shapley_games import path_brute_force

AGREED = ["feature_agreement", "rank_agreement", "sign_agreement"]
NUMBERS = ["wind", "distance"]
SMALL = Options(values={**CHECK.defaults, "rows": 60, "background": 30})


def test_agreement_of_rows_is_counted_by_hand() -> None:
    # First five of six: f against e differ; two of them stand elsewhere; one sign.
    one = np.array([[6.0, 5.0, 4.0, -3.0, 2.0, 1.0]])
    other = np.array([[5.0, 6.0, -4.0, -3.0, 0.5, 1.0]])

    found = rows_agreement(one, other)[AGREED].iloc[0]

    assert found.tolist() == pytest.approx([4 / 5, 2 / 5, 3 / 5])


def test_column_nobody_uses_is_not_agreed_on() -> None:
    one = np.array([[2.0, 1.0, 0.0], [3.0, 0.0, 0.0]])

    found = rows_agreement(one, one).iloc[0]

    assert found["first"] == 2
    assert found[AGREED].tolist() == pytest.approx([3 / 4, 3 / 4, 3 / 4])


def test_agreement_of_lists_leaves_out_what_is_not_known() -> None:
    names = list("abcdef")
    lists = {
        "one": pd.Series([6.0, 5, 4, 3, 2, 1], names),
        "other": pd.Series([6.0, 4, 5, 3, 1, 2], names),
        "unknown": pd.Series([np.nan, 1, 1, 1, 1, 1], names),
    }

    found = lists_agreement(lists)

    assert found[["one", "other"]].to_numpy().tolist() == [["one", "other"]]
    assert found[AGREED[:2]].to_numpy().tolist() == [[4 / 5, 2 / 5]]
    assert found["sign_agreement"].isna().all()


def test_path_dependent_sizes_stand_beside_the_interventional_ones() -> None:
    rows = small_frames("regression")["training"]
    model = HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=4)
    model.fit(rows[NUMBERS], rows[TARGET])
    case = small_case("regression", model=model)
    frame = case.table("reference").take(np.arange(20), case.features)

    by_path = path_attributions(case, frame)
    found = measure(case, SMALL)

    assert by_path is not None
    (trees,), constant = boosted_trees(model)
    exact, start = path_brute_force(trees, frame.to_numpy(dtype=float))
    assert by_path.values.to_numpy() == pytest.approx(exact, abs=1e-9)
    assert by_path.base == pytest.approx(start + constant[0])
    assert found.tables["importance"]["path_dependent"].gt(0).all()
    assert found.tables["games"]["feature_agreement"].item() == 1  # both of two
    assert found.notes[-1].startswith("Path-dependent attributions, which follow")


def test_model_without_a_path_says_so() -> None:
    found = measure(regression_case(), SMALL)

    assert found.tables["importance"]["path_dependent"].isna().all()
    assert found.tables["games"].empty
    assert found.notes[-1].endswith("are not available for this model.")
