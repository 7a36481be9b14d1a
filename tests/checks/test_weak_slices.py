import numpy as np
import pandas as pd
import pytest

from readiness.checks.coverage import _confirm
from readiness.checks.coverage._search import slice_score, worst_groups
from readiness.errors import NotAssessedError, Reason
from readiness.patterns import pattern_counts, plain_axis
from readiness.result import Measurement, Status
from tests.anchors import compas_rows
from tests.coverage_cases import findings, measure, plain_case, values

NAME, METRIC = "weak_slices", "confirmed_slice_share"


def _rows(n_rows: int, seed: int, *, weak: float = 0.3) -> pd.DataFrame:
    """Return rows of 80 sites; the model errs at 0.1, and at `weak` where a=1 & b=2."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "a": rng.integers(0, 3, n_rows).astype(str),
            "b": rng.integers(0, 4, n_rows).astype(str),
            "c": rng.integers(0, 5, n_rows).astype(str),
            "site": rng.integers(0, 80, n_rows).astype(str),
            "guess": rng.integers(0, 2, n_rows),
        }
    )
    error = np.where((rows["a"] == "1") & (rows["b"] == "2"), weak, 0.1)
    wrong = rng.random(n_rows) < error
    return rows.assign(y=np.where(wrong, 1 - rows["guess"], rows["guess"]))


def _says(frame: pd.DataFrame) -> np.ndarray:
    return np.where(frame["guess"] == 1, 0.9, 0.1)


def _case(rows: pd.DataFrame, **model: object):  # noqa: ANN202 (a case)
    from readiness.case import load_case  # noqa: PLC0415 (one place)
    from readiness.config import CaseFile  # noqa: PLC0415 (one place)

    file = CaseFile.model_validate(
        {
            "name": "plain",
            "title": "Who is served worse?",
            "model": {
                "callable": "none.py:f",
                "task": "binary",
                "metric": "accuracy",
                "acceptable": 0.85,
                "features": ["a", "b", "c", "guess"],
                **model,
            },
            "data": {"reference": "r.parquet", "target": "y", "block": "site"},
        }
    )
    return load_case(file, frames={"reference": rows}, model=_says)


def _measured(rows: pd.DataFrame) -> Measurement:
    return measure(NAME, _case(rows), attributes=["a", "b", "c"])


def test_score_is_that_of_the_paper_worked_out_by_hand() -> None:
    # 50 of 200 rows, mean loss .4 against .2: .95 (2 - 1) - .05 (4 - 1).
    found = slice_score(np.array([50, 0]), np.array([20.0, 0.0]), 200, 0.2)

    assert found[0] == pytest.approx(0.95 - 0.15)
    assert found[1] == -np.inf


def test_best_groups_are_those_of_sliceline() -> None:
    sliceline = pytest.importorskip("sliceline", reason="a dependency of the tests")
    rng = np.random.default_rng(3)
    codes = rng.integers(0, [3, 4, 5], (4000, 3))
    loss = rng.exponential(0.2, 4000)
    loss[(codes[:, 0] == 1) & (codes[:, 1] == 2)] += 0.3
    loss[codes[:, 2] == 4] += 0.1
    axes = [plain_axis(n) for n in (3, 4, 5)]

    other = sliceline.Slicefinder(
        alpha=0.95, k=5, max_l=2, min_sup=100, verbose=False
    ).fit(codes + 1, loss)
    theirs = [
        {place: int(value) - 1 for place, value in enumerate(one) if value is not None}
        for one in other.top_slices_
    ]
    scores = [float(one["slice_score"]) for one in other.top_slices_statistics_]

    assert theirs[0] == {0: 1, 1: 2}
    for pattern, score in zip(theirs, scores, strict=True):
        rows = np.all([codes[:, k] == v for k, v in pattern.items()], axis=0)
        ours = slice_score(
            np.array([rows.sum()]), np.array([loss[rows].sum()]), 4000, loss.mean()
        )
        assert ours[0] == pytest.approx(score)
    first = worst_groups(codes, loss, axes, level=2, min_rows=100, most=1)[0]
    assert dict(first.values) == theirs[0]
    assert first.score == pytest.approx(scores[0])


def test_counts_of_compas_as_published() -> None:
    rows = compas_rows()
    said = rows["score_text"].eq("High").to_numpy()
    negative = rows["two_year_recid"].eq(0).to_numpy()
    ages = ["Less than 25", "25 - 45", "Greater than 45"]
    old = pd.Categorical(rows["age_cat"], ages).codes
    many = (rows["priors_count"] > 3).to_numpy().astype(int)
    black = rows["race"].eq("African-American").to_numpy().astype(int)
    male = rows["sex"].eq("Male").to_numpy().astype(int)
    codes = np.column_stack([old, many, black, male])
    shape, axes = (3, 2, 2, 2), [plain_axis(n) for n in (3, 2, 2, 2)]

    def counted(kept: np.ndarray) -> np.ndarray:
        flat = np.ravel_multi_index(tuple(codes[kept].T), shape)
        return pattern_counts(np.bincount(flat, minlength=24).reshape(shape), axes)

    n_rows, n_negative = counted(np.ones(len(rows), bool)), counted(negative)
    false = counted(negative & said)

    base = false[-1, -1, -1, -1] / n_negative[-1, -1, -1, -1]
    assert base == pytest.approx(0.088314, abs=5e-7)
    four, two, young = (1, 1, 1, 1), (3, 1, 1, 2), (0, 2, 2, 2)
    assert [n_rows[one] for one in (four, two, young)] == [794, 1214, 1347]
    assert [n_negative[one] for one in (four, two, young)] == [224, 383, 593]
    rates = [false[one] / n_negative[one] for one in (four, two)]
    assert rates == pytest.approx([0.308036, 0.261097], abs=5e-7)
    assert false[four] / n_negative[four] - base == pytest.approx(0.219722, abs=5e-7)
    assert false[young] / n_negative[young] - base == pytest.approx(0.08875, abs=5e-6)


def test_planted_group_is_found_first_and_confirmed() -> None:
    rows = _rows(10_000, 0)

    got = _measured(rows)

    assert got.tables["groups"]["group"].iloc[0] == "a = 1 and b = 2"
    assert got.tables["groups"]["verdict"].iloc[0] == "confirmed"
    share = ((rows["a"] == "1") & (rows["b"] == "2")).mean()
    assert values(got, METRIC)[""] == pytest.approx(share)
    assert values(got, "accuracy")["a=1 & b=2"] == pytest.approx(0.7, abs=0.06)
    assert got.notes[0].startswith("1 group is confirmed below 0.85")
    assert findings(NAME, _case(rows))[f"{METRIC}/"].status is Status.FAIL


def test_sound_model_has_no_confirmed_group() -> None:
    got = _measured(_rows(10_000, 1, weak=0.1))

    assert values(got, METRIC)[""] == 0.0
    assert got.notes[0] == "No group is confirmed below 0.85 accuracy."


def test_group_that_looks_weak_leaves_the_answer_open() -> None:
    got = _measured(_rows(1500, 4, weak=0.17)).summary.iloc[0]

    assert got["value"] == 0.0
    assert got["ci_high"] > 0.0


def test_raw_effect_is_drawn_towards_the_whole() -> None:
    table = _measured(_rows(10_000, 0)).tables["groups"].iloc[0]

    assert 0.65 < float(table["accuracy"]) <= float(table["shrunken"]) < 0.9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"acceptable": None}, Reason.NO_ACCEPTABLE)],
)
def test_without_an_acceptable_value_it_is_not_assessed(
    changes: dict[str, object], reason: Reason
) -> None:
    with pytest.raises(NotAssessedError) as caught:
        measure(NAME, _case(_rows(500, 0), **changes))

    assert caught.value.code is reason


def test_area_of_a_group_with_one_class_is_absent_not_perfect() -> None:
    rows = _rows(6000, 2)
    rows.loc[rows["a"] == "1", ["y", "guess"]] = [1, 0]

    got = measure(
        NAME, _case(rows, metric="roc_auc", acceptable=0.8), attributes=["a", "b"]
    )

    absent = got.summary[got.summary["value"].isna()]
    assert absent["group"].tolist() == ["a=1"]
    assert got.summary.iloc[0]["ci_high"] > 0.3


def test_row_order_changes_nothing() -> None:
    rows = _rows(3000, 0)

    a, b = _measured(rows), _measured(rows.sample(frac=1.0, random_state=0))

    pd.testing.assert_frame_equal(a.summary, b.summary)


def _false_alarms(n_runs: int) -> int:
    """Count runs in which any group of a model just at its target is confirmed."""
    alarms = 0
    for seed in range(n_runs):
        rows = _rows(1600, 1000 + seed, weak=0.1)
        got = measure(NAME, _case(rows, acceptable=0.9), attributes=["a", "b", "c"])
        alarms += values(got, METRIC)[""] > 0
    return alarms


@pytest.mark.slow
def test_sound_groups_are_named_in_at_most_one_run_of_twenty() -> None:
    # 200 runs at 5 %: at most 10 + 1.64 * sqrt(9.5), rounded up.
    assert _false_alarms(200) <= 16


@pytest.mark.slow
def test_confirming_on_the_half_that_found_them_names_sound_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "readiness.checks.coverage.weak_slices.half_of",
        lambda _case, scored, _: np.zeros(len(scored.row), dtype=bool),
    )
    monkeypatch.setattr(
        "readiness.checks.coverage.weak_slices.worst_groups",
        lambda _own, _loss, axes, **more: worst_groups(*_FOUND_ON, axes, **more),
    )
    found = []

    def remembering(case, scored, codes, axes, groups):  # noqa: ANN001, ANN202 (as patched)
        _FOUND_ON[:] = [codes, _confirm.losses(case, scored)]
        groups = worst_groups(*_FOUND_ON, axes, level=2, min_rows=16, most=10)
        found.append(len(groups))
        return _confirm.confirmed(case, scored, codes, axes, groups)

    _FOUND_ON[:] = [np.zeros((0, 3), dtype=np.int64), np.zeros(0)]
    monkeypatch.setattr("readiness.checks.coverage.weak_slices.confirmed", remembering)

    assert _false_alarms(60) > 12


_FOUND_ON: list[np.ndarray] = []


def test_reference_alone_with_labels_is_enough() -> None:
    rows = _rows(2000, 0)
    case = plain_case(features=["a"], reference=rows.assign(y=np.nan))

    with pytest.raises(NotAssessedError):
        measure(NAME, case)
