from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from readiness.checks.coverage import _duplicates
from readiness.checks.coverage._duplicates import count_repeated
from readiness.errors import NotAssessedError, Reason
from readiness.result import Status
from readiness.tables import table_from_frame
from tests.coverage_cases import findings, measure, plain_case, reasons, values

NAME = "duplicates_and_leakage"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
LEAKING, STRENGTH = "leaking_columns", "leak_strength"


def _rows(n_rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    y = (x + rng.normal(size=n_rows) > 0).astype("int64")
    return pd.DataFrame(
        {
            "honest": x,
            "leak": np.where(y == 1, "paid", "due"),
            "shuffled": rng.permutation(y).astype(float),
            "y": y,
        }
    )


def _case(features: list[str], **tables: pd.DataFrame):  # noqa: ANN202 (a case)
    return plain_case(features=features, **tables)


def test_planted_duplicates_are_counted_f076() -> None:
    rows = _rows(1000)
    twice = pd.concat([rows, rows.iloc[:137]], ignore_index=True)

    got = measure(NAME, _case(["honest"], reference=twice))

    assert values(got, "duplicate_share")["table=reference"] == 137 / 1137
    assert got.tables["tables"]["repeated"].tolist() == [137]


def test_counting_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"x": np.arange(5000) % 3000, "t": "a"})
    monkeypatch.setattr(_duplicates, "ROWS_AT_ONCE", 700)

    assert count_repeated(table_from_frame(rows, "training")) == 2000


def test_copy_of_the_label_is_flagged_and_its_shuffled_copy_is_not_f116() -> None:
    case = _case(["honest", "leak", "shuffled"], reference=_rows())

    got = measure(NAME, case)

    strengths = values(got, STRENGTH)
    assert strengths["leak"] == 1.0
    assert strengths["shuffled"] == pytest.approx(0.5, abs=0.05)
    assert values(got, LEAKING)[""] == 1
    assert got.notes[0].startswith("1 of 3 features alone give the target away: leak.")
    assert findings(NAME, case)[f"{LEAKING}/"].status is Status.FAIL


def test_honest_feature_passes_with_the_area_scikit_learn_gives() -> None:
    rows = _rows(20_000)
    case = _case(["honest", "shuffled"], reference=rows)

    got = measure(NAME, case)

    # Cells of a number lose a little of its order.
    expected = roc_auc_score(rows["y"], rows["honest"])
    assert values(got, STRENGTH)["honest"] == pytest.approx(expected, abs=0.01)
    assert findings(NAME, case)[f"{LEAKING}/"].status is Status.PASS


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_leaks_of_other_targets_are_found(task: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=4000) if task == "regression" else rng.integers(0, 3, 4000)
    rows = pd.DataFrame({"leak": y * 2.0 + 1.0, "noise": rng.normal(size=4000), "y": y})

    def model(frame: pd.DataFrame) -> np.ndarray:
        if task == "regression":
            return np.zeros(len(frame))
        return np.full((len(frame), 3), 1 / 3)

    if task == "multiclass":
        model.classes_ = np.array([0, 1, 2])  # type: ignore[attr-defined]
    case = plain_case(
        features=["leak", "noise"], task=task, model=model, reference=rows
    )

    got = measure(NAME, case)

    assert got.tables["features"].set_index("column")["leaks"].to_dict() == {
        "leak": True,
        "noise": False,
    }


def test_missing_values_can_give_the_target_away() -> None:
    rows = _rows()
    rows["late_entry"] = np.where(rows["y"] == 1, 5.0, np.nan)

    got = measure(NAME, _case(["honest", "late_entry"], reference=rows))

    assert values(got, STRENGTH)["late_entry"] == 1.0


def test_reference_rows_that_training_holds_are_counted_with_what_they_add() -> None:
    reference, training = _rows(2000, 1), _rows(2000, 2)
    known = pd.concat([training, reference.iloc[:500]], ignore_index=True)

    def remembers(frame: pd.DataFrame) -> np.ndarray:
        seen = frame["honest"].isin(known["honest"])
        truth = (
            frame["honest"].map(reference.set_index("honest")["y"].to_dict()).fillna(0)
        )
        return np.where(seen, truth, 0.5)

    case = plain_case(
        features=["honest"], model=remembers, reference=reference, training=known
    )

    got = measure(NAME, case)

    # By hand: inside the 500 all pairs are ordered right, elsewhere none is ordered.
    score = remembers(reference)
    whole = roc_auc_score(reference["y"], score)
    rest = roc_auc_score(reference["y"][500:], score[500:])
    assert values(got, "duplicate_share")[""] == 0.25
    assert values(got, "duplicate_gain")[""] == pytest.approx(whole - rest)
    assert rest == 0.5
    assert findings(NAME, case)["duplicate_share/"].status is Status.FAIL


def test_current_rows_that_are_reference_rows_are_stated_f139() -> None:
    reference = _rows(2000, 1)

    got = measure(
        NAME, _case(["honest"], reference=reference, current=reference.iloc[:300])
    )

    assert values(got, "duplicate_share")["current in reference"] == 1.0
    assert any("100 % of the current rows are reference rows" in n for n in got.notes)


def test_entities_of_training_are_found_in_the_reference() -> None:
    training = _rows(400, 1).assign(who=[f"p{n % 100}" for n in range(400)])
    reference = _rows(400, 2).assign(who=[f"p{50 + n % 100}" for n in range(400)])
    case = plain_case(
        features=["honest"],
        data={"entity": "who"},
        training=training,
        reference=reference,
    )

    got = measure(NAME, case)

    assert values(got, "overlap_share")["who"] == 0.5


def test_time_after_the_rows_own_is_flagged_f144() -> None:
    rows = _rows(500)
    rows["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(500), "h")
    rows["closed"] = rows["when"] + pd.Timedelta("2h")
    rows["opened"] = rows["when"] - pd.Timedelta("2h")
    case = plain_case(
        features=["closed", "opened"], data={"time": "when"}, reference=rows
    )

    got = measure(NAME, case)

    assert got.tables["features"].set_index("column")["leaks"].to_dict() == {
        "closed": True,
        "opened": False,
    }


def test_one_class_has_no_leak_strength() -> None:
    rows = _rows(200).assign(y=lambda one: one["y"].where(one["y"] == 0))
    got = measure(NAME, _case(["honest"], reference=rows))

    assert reasons(got)["honest"] == Reason.ONE_CLASS


def test_no_readable_feature_is_not_assessed() -> None:
    rows = _rows(50).assign(cells=[[1]] * 50)

    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, _case(["cells"], reference=rows))

    assert caught.value.code is Reason.NO_COLUMNS


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared tables")
def test_hotel_bookings_repeat_and_their_status_gives_the_target_away() -> None:
    rows = pd.read_parquet(next((SHARED / "hotel_bookings").glob("*.parquet")))
    case = plain_case(
        features=["reservation_status", "lead_time", "deposit_type", "adr"],
        data={"target": "is_canceled"},
        reference=rows,
    )

    got = measure(NAME, case)

    assert got.tables["tables"]["repeated"].tolist() == [31_994]
    assert values(got, LEAKING)[""] == 1
    assert values(got, STRENGTH)["reservation_status"] == 1.0
    assert "give the target away: reservation_status" in got.notes[0]
