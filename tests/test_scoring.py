"""Scores are computed once, in order, for the rows that can be used, and counted."""

import datetime as dt
import hashlib
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from readiness import rowscores, scan
from readiness.case import Case, load_case
from readiness.config import CaseFile
from readiness.errors import ModelError, NotAssessedError, Reason
from readiness.scoring import column, count_calls, ledger, score_frame, scores
from tests.cases import small_case, small_frames
from tests.column_types import COLUMN_TYPES, written

N = 12


def rows_of(**columns: Any) -> pd.DataFrame:  # noqa: ANN401 (any cells)
    base = {"x": np.arange(N) / N, "y": [0, 1] * (N // 2)}
    return pd.DataFrame({**base, **columns})


def share(frame: pd.DataFrame) -> np.ndarray:
    return frame["x"].to_numpy()


def case_of(
    rows: pd.DataFrame,
    *,
    model: object = share,
    keys: dict[str, Any] | None = None,
    work: Path | None = None,
    current: pd.DataFrame | None = None,
    **data: Any,  # noqa: ANN401 (case values)
) -> Case:
    file = {
        "name": "rows",
        "title": "Rows",
        "model": {"path": "m", "task": "binary", "features": ["x"], **(keys or {})},
        "data": {"reference": "r", "target": "y", **data},
    }
    frames = {"reference": rows} | ({} if current is None else {"current": current})
    return load_case(
        CaseFile.model_validate(file), frames=frames, model=model, work=work
    )


def digest_score(frame: pd.DataFrame) -> np.ndarray:
    """Return a number that differs when a value or a dtype of a row differs."""
    kind = str(frame["value"].dtype)
    texts = [f"{kind} {type(one)} {one}" for one in frame["value"]]
    return np.array([zlib.crc32(text.encode()) for text in texts]) / 2.0**32


@pytest.mark.parametrize("name", COLUMN_TYPES)
@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_streamed_scores_equal_scores_of_the_whole_file(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    path = written(data.draw(COLUMN_TYPES[name]), tmp_path)
    rows = pq.read_table(path)
    rows = rows.append_column("y", pa.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    pq.write_table(rows, path, row_group_size=2)
    file = {
        "name": "types",
        "title": "Types",
        "model": {"path": "m", "task": "regression", "features": ["value"]},
        "data": {"reference": path.name, "target": "y"},
    }
    case = load_case(CaseFile.model_validate(file), base=tmp_path, model=digest_score)

    found = scores(case, "reference")

    expected = case.model.predict(pd.read_parquet(path))
    np.testing.assert_array_equal(found.y_score, expected)
    np.testing.assert_array_equal(found.row, np.arange(5))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_scores_equal_those_of_the_estimator(task: str) -> None:
    case = small_case(task)
    X = small_frames(task)["current"][list(case.features)]
    estimator = case.model.estimator

    found = scores(case, "current")

    expected = {
        "binary": lambda: estimator.predict_proba(X)[:, 1],
        "multiclass": lambda: estimator.predict_proba(X),
        "regression": lambda: estimator.predict(X),
    }[task]()
    np.testing.assert_allclose(found.y_score, expected, rtol=1e-12)
    assert found.left_out == {}


def test_targets_are_numbers_of_the_task(
    binary_case: Case, multiclass_case: Case, regression_case: Case
) -> None:
    binary = scores(binary_case, "reference").y_true
    codes = scores(multiclass_case, "reference").y_true
    values = scores(regression_case, "reference").y_true

    assert set(binary) == {0.0, 1.0}
    words = small_frames("multiclass")["reference"]["late"]
    assert [multiclass_case.classes[code] for code in codes] == list(words)
    assert codes.dtype == np.int64
    assert values.tolist() == small_frames("regression")["reference"]["late"].tolist()


def test_columns_in_another_order_give_the_same_scores() -> None:
    """F066: matched by name."""
    frames = small_frames()
    turned = {name: rows[rows.columns[::-1]] for name, rows in frames.items()}

    found = scores(small_case(frames=turned), "reference").y_score

    np.testing.assert_array_equal(found, scores(small_case(), "reference").y_score)


def test_rows_without_a_usable_label_are_left_out_and_counted() -> None:
    """F109, F110: nothing drops silently."""
    labels = pd.array([None, 0, 1, 2, *[0, 1] * 4], dtype="Int64")
    case = case_of(rows_of(y=labels), model=LISTED, keys={"features": None})

    labelled = scores(case, "reference")
    every = scores(case, "reference", labelled=False)

    assert labelled.left_out == {"null_target": 1, "unknown_label": 1}
    assert labelled.row.tolist() == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert labelled.y_true.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert every.left_out == {}
    assert np.isnan(every.y_true).sum() == 2
    assert ledger(case)["reference"] == {
        "read": 12,
        "used": 10,
        "left_out": {"null_target": 1, "unknown_label": 1},
    }


LISTED = LogisticRegression().fit(rows_of()[["x"]], rows_of()["y"])


def test_target_that_is_not_finite_is_left_out_of_a_regression() -> None:
    target = [np.nan, np.inf, *np.arange(10.0)]
    case = case_of(rows_of(y=target), keys={"task": "regression"})

    found = scores(case, "reference")

    assert found.left_out == {"null_target": 1, "unknown_label": 1}
    assert found.y_true.tolist() == list(range(10))


def test_missing_code_of_a_class_is_minus_one_without_labels() -> None:
    frames = small_frames("multiclass")
    frames["current"] = frames["current"].drop(columns="late")
    case = small_case("multiclass", frames=frames)

    found = scores(case, "current", labelled=False)

    assert set(found.y_true) == {-1}
    assert ledger(case)["current"]["used"] == 1200


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (rows_of().drop(columns="y"), Reason.NO_LABELS),
        (rows_of(y=pd.array([None] * N, dtype="Int64")), Reason.NO_LABELS),
        (rows_of(y=7), Reason.NO_LABELS),
        (rows_of().drop(columns="x"), Reason.SCHEMA),
        (rows_of(x="a"), Reason.SCHEMA),
        (rows_of(x=[1, "a"] * 6), Reason.MIXED_TYPES),
    ],
    ids=["F063", "F088", "F110-all", "F064", "F068", "F093"],
)
def test_table_that_cannot_be_scored_is_not_assessed(
    current: pd.DataFrame, reason: Reason
) -> None:
    case = case_of(rows_of(), current=current)

    with pytest.raises(NotAssessedError) as caught:
        scores(case, "current")

    assert caught.value.code is reason


def test_mixed_feature_of_the_reference_itself_is_not_assessed() -> None:
    case = case_of(rows_of(x=[1, "a"] * 6))

    with pytest.raises(NotAssessedError, match="'x'") as caught:
        scores(case, "reference")

    assert caught.value.code is Reason.MIXED_TYPES


def test_absent_table_is_not_assessed() -> None:
    with pytest.raises(NotAssessedError) as caught:
        scores(case_of(rows_of()), "training")

    assert caught.value.code is Reason.NO_TABLE


def test_rows_of_one_day_are_one_block_and_a_null_time_stands_alone() -> None:
    time = pd.to_datetime(
        ["1969-12-31 23:59", "1970-01-01 00:00", "1970-01-01 23:59", None, None]
        + ["2024-05-01 12:00"] * 7
    )

    found = scores(case_of(rows_of(t=time), time="t"), "reference")

    assert found.clusters.block is not None
    assert found.clusters.block.tolist() == [0, 1, 1, 3, 4, 2, 2, 2, 2, 2, 2, 2]
    assert found.time is not None
    assert np.isnat(found.time).tolist() == [False] * 3 + [True] * 2 + [False] * 7


def test_days_of_a_time_with_a_zone_are_the_days_of_that_zone() -> None:
    time = pd.date_range("2024-01-01 20:00", periods=N, freq="h", tz="America/New_York")

    found = scores(case_of(rows_of(t=time), time="t"), "reference")

    assert found.clusters.block is not None
    assert found.clusters.block.tolist() == [0] * 4 + [1] * 8
    assert found.time is not None
    assert str(found.time[0]) == "2024-01-01T20:00:00.000000000"


def test_dates_and_far_years_are_times_or_null() -> None:
    """F098: the year 9999 is no crash."""
    days = [dt.date(9999, 12, 31), *[dt.date(2024, 1, 1)] * (N - 1)]

    found = scores(case_of(rows_of(t=days), time="t"), "reference")

    assert found.time is not None
    assert np.isnat(found.time).tolist() == [True] + [False] * (N - 1)


@pytest.mark.parametrize(("block", "n_blocks"), [("2h", 6), ("1w", 1), ("site", 3)])
def test_block_is_a_span_or_a_column(block: str, n_blocks: int) -> None:
    time = pd.date_range("2024-01-01", periods=N, freq="h")
    rows = rows_of(t=time, site=pd.Categorical(["a", "b", "c"] * 4))

    found = scores(case_of(rows, time="t", block=block), "reference")

    assert found.clusters.block is not None
    assert len(np.unique(found.clusters.block)) == n_blocks


def test_entities_are_told_apart_and_a_missing_one_stands_alone() -> None:
    who = [1.0, 1.0, np.nan, np.nan, *[2.0] * 8]

    found = scores(case_of(rows_of(who=who), entity="who"), "reference")

    assert found.clusters.block is None
    assert found.clusters.entity is not None
    assert len(np.unique(found.clusters.entity)) == 4


def test_entities_keep_their_codes_across_batches(
    tmp_path: Path,
) -> None:
    rows = rows_of(who=["a", "b", None] * 4)
    rows.to_parquet(tmp_path / "r.parquet", row_group_size=3)
    file = {
        "name": "rows",
        "title": "Rows",
        "model": {"path": "m", "task": "binary", "features": ["x"]},
        "data": {"reference": "r.parquet", "target": "y", "entity": "who"},
    }
    case = load_case(CaseFile.model_validate(file), base=tmp_path, model=share)

    entity = scores(case, "reference").clusters.entity

    assert entity is not None
    assert entity.tolist() == [0, 1, 2, 0, 1, 3, 0, 1, 4, 0, 1, 5]


def test_weights_come_with_the_rows() -> None:
    case = case_of(rows_of(w=np.arange(N)), weight="w")

    assert scores(case, "reference").weight.tolist() == list(range(N))


def test_column_gives_raw_values_of_the_scored_rows() -> None:
    labels = pd.array([None, *[0, 1] * 5, 1], dtype="Int64")
    case = case_of(rows_of(y=labels, word=list("abcdefghijkl")))
    found = scores(case, "reference")

    assert column(case, found, "word").tolist() == list("bcdefghijkl")
    with pytest.raises(NotAssessedError) as caught:
        column(case, found, "absent")
    assert caught.value.code is Reason.NO_COLUMNS


def picky(frame: pd.DataFrame) -> np.ndarray:
    if (frame["x"] < 0).any():
        msg = "negative"
        raise ValueError(msg)
    return frame["x"].to_numpy()


def test_row_on_which_the_model_raises_is_left_out_and_counted() -> None:
    """F123: on one row."""
    rows = rows_of()
    rows.loc[[3, 8], "x"] = -1.0

    found = scores(case_of(rows, model=picky), "reference")

    assert found.left_out == {"model_raised": 2}
    np.testing.assert_array_equal(found.y_score, rows["x"].drop([3, 8]))


def test_ledger_tells_of_rows_without_a_score_once_scores_were_asked_for() -> None:
    rows = rows_of(y=pd.array([None, *[0, 1] * 5, 1], dtype="Int64"))
    rows.loc[3, "x"] = -1.0
    case = case_of(rows, model=picky)

    before = ledger(case)["reference"]
    scores(case, "reference")
    after = ledger(case)["reference"]

    assert before["left_out"] == {"null_target": 1}
    assert after == {
        "read": 12,
        "used": 10,
        "left_out": {"null_target": 1, "model_raised": 1},
    }


@pytest.mark.parametrize(
    ("task", "shape"), [("binary", (0,)), ("multiclass", (0, 3)), ("regression", (0,))]
)
def test_no_rows_have_no_scores(task: str, shape: tuple[int, ...]) -> None:
    case = small_case(task)

    assert score_frame(case, small_frames(task)["current"].head(0)).shape == shape


def test_model_that_always_raises_is_an_error() -> None:
    """F123: raises always."""
    case = case_of(rows_of(x=-1.0), model=picky)

    with pytest.raises(ModelError, match="ValueError on 12 rows: negative") as caught:
        scores(case, "reference")

    assert caught.value.code is Reason.MODEL_SCORES
    assert list(case.work.glob("*.partial")) == []


def test_model_that_raises_on_many_rows_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rowscores, "MOST_RAISING_ROWS", 2)
    rows = rows_of(x=[1.0, 0.5, -1.0, -1.0, -1.0, *[0.5] * 7])

    with pytest.raises(ModelError, match="negative"):
        scores(case_of(rows, model=picky), "reference")


def test_unusable_scores_are_an_error_at_once() -> None:
    """F120: they are not taken for single bad rows."""
    rows = rows_of()
    rows.loc[3, "x"] = np.nan

    with pytest.raises(ModelError, match="1 of 12 are NaN"):
        scores(case_of(rows), "reference")


def stored_case(predictions: list[Any]) -> Case:
    keys = {"path": None, "predictions": "p", "features": None}
    return case_of(rows_of(p=predictions), model=None, keys=keys)


def test_stored_predictions_are_scores_and_cost_no_call() -> None:
    case = stored_case([None, *[0.25] * 11])

    with count_calls() as count:
        found = scores(case, "reference")

    assert found.y_score.tolist() == [0.25] * 11
    assert found.left_out == {"no_prediction": 1}
    assert count.calls == 0


def test_stored_labels_are_class_codes() -> None:
    keys = {"path": None, "predictions": "p", "positive": "y", "features": None}
    case = case_of(rows_of(p=["n", "y"] * 6, y=["y", "n"] * 6), model=None, keys=keys)

    assert scores(case, "reference").y_score.tolist() == [0.0, 1.0] * 6


def test_stored_label_that_is_no_class_is_an_error() -> None:
    case = stored_case([0, 1, 2] * 4)

    with pytest.raises(ModelError, match="must be labels"):
        scores(case, "reference")


def test_stored_probability_outside_its_bounds_is_an_error() -> None:
    """F121."""
    with pytest.raises(ModelError, match=r"first 1\.5"):
        scores(stored_case([1.5] * N), "reference")


def test_table_without_the_predictions_is_not_assessed() -> None:
    keys = {"path": None, "predictions": "p", "features": None}
    case = case_of(rows_of(p=0.5), current=rows_of(), model=None, keys=keys)

    with pytest.raises(NotAssessedError, match="predictions 'p'") as caught:
        scores(case, "current")

    assert caught.value.code is Reason.SCHEMA


def test_altered_rows_are_scored_again_and_counted() -> None:
    case = case_of(rows_of())
    frame = pd.DataFrame({"extra": "a", "x": np.linspace(0, 1, 70_000)})

    with count_calls() as count:
        found = score_frame(case, frame)

    np.testing.assert_array_equal(found, frame["x"])
    assert count.calls == 70_000


def test_counts_include_what_another_check_has_paid_for() -> None:
    case = case_of(rows_of(), current=rows_of())
    scores(case, "reference")

    with count_calls() as outer:
        scores(case, "reference")
        with count_calls() as inner:
            scores(case, "reference", labelled=False)
            scores(case, "reference")
            score_frame(case, rows_of().head(3))

    assert inner.calls == N + 3
    assert outer.calls == N + 3


def test_second_process_reads_the_file_of_the_first(tmp_path: Path) -> None:
    rows_of().to_parquet(tmp_path / "r.parquet")
    skops.io.dump(LISTED, tmp_path / "m.skops")
    file = CaseFile.model_validate(
        {
            "name": "rows",
            "title": "Rows",
            "model": {"path": "m.skops", "task": "binary"},
            "data": {"reference": "r.parquet", "target": "y"},
        }
    )
    first, second = (
        load_case(file, base=tmp_path, work=tmp_path / "work") for _ in range(2)
    )

    scores(first, "reference")
    before = digest(tmp_path / "work")
    scores(second, "reference")

    assert digest(tmp_path / "work") == before
    assert len(before) == 1


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*.arrow")
    }


def test_models_in_memory_never_share_scores(tmp_path: Path) -> None:
    low = case_of(rows_of(), work=tmp_path)
    high = case_of(rows_of(), model=lambda frame: 1 - frame["x"], work=tmp_path)

    both = scores(low, "reference").y_score + scores(high, "reference").y_score

    np.testing.assert_allclose(both, 1.0)


def test_number_of_cores_is_known_where_affinity_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(scan.os, "sched_getaffinity", raising=False)

    assert scan.n_cores() >= 1
