"""Faults of the model, F118 to F135, that no test of a single check holds.

The others are named in docs/faults.md.
"""

import logging
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.ensemble import RandomForestClassifier

from readiness import attributions
from readiness.attributions import SAMPLED
from readiness.case import Case, load_case
from readiness.result import Status
from readiness.review import open_review
from tests.cases import TARGET, case_file, small_frames
from tests.commands import reviewing
from tests.invariants import observed
from tests.tiny import tiny_case

START_A_CHILD = """
import subprocess, sys
from pathlib import Path
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
Path({marker!r}).write_text(str(child.pid))
"""
FEATURES = ["wind", "distance"]


def logistic(frame: pd.DataFrame) -> np.ndarray:
    score: np.ndarray = (1 / (1 + np.exp(10 - frame["wind"]))).to_numpy()
    return score


def case_of(model: Any, **section: Any) -> Case:  # noqa: ANN401 (any model, any key)
    file = case_file(model={"features": FEATURES, **section})
    frames = {"reference": small_frames()["reference"].iloc[:400]}
    return load_case(file, frames=frames, model=model)


def numbers(case: Case, *names: str) -> list[tuple[object, ...]]:
    """Return every number that some checks find."""
    review = open_review(case)
    for name in names:
        review.check(name)._repr_html_()
    return [
        (one.metric, one.group, one.value, one.ci_low, one.ci_high, one.status)
        for result in review.results.values()
        for one in result.findings
    ]


def refuses_missing(frame: pd.DataFrame) -> np.ndarray:
    if frame.isna().any(axis=None):
        msg = "no missing values, please"
        raise ValueError(msg)
    return logistic(frame)


def test_model_that_raises_on_stressed_rows_only_is_loud_there_f124() -> None:
    review = open_review(case_of(refuses_missing))

    review.check("fault_bench")
    review.check("headline_metric")

    cells = review.results["fault_bench"]
    refused = [one for one in cells.findings if one.reason == "REFUSED"]
    assert refused
    assert {one.value for one in refused} == {None}
    assert cells.status is not Status.PASS
    area = review.results["headline_metric"].findings[0]
    assert area.metric == "roc_auc"
    assert area.value is not None


@pytest.mark.slow
def test_finished_cells_of_a_run_past_its_limit_are_kept_f125(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ["'finished ' * 2", "import time; time.sleep(600)"]
    case = tiny_case(tmp_path / "case", {"own": cells})
    out = tmp_path / "out"

    command = reviewing(capsys, case, out, "--cell-timeout", "3")
    ended = observed(command, out, case.parent)

    assert (ended.code, ended.reason) == (3, "TIMEOUT")
    assert ended.folder.parent.name == "failed"
    assert "finished finished" in (ended.folder / "own.html").read_text()


class Noisy:
    """Scores soundly, and leaves a mess behind with every call."""

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        """Return sound probabilities."""
        print("scoring", len(frame))  # noqa: T201 (what the test is about)
        warnings.warn("of the model", UserWarning, stacklevel=1)
        logging.getLogger("model").critical("logged by the model")
        np.random.seed(0)  # noqa: NPY002, TID251 (the same)
        random.seed(0)
        pd.set_option("display.max_rows", 3)
        np.seterr(all="ignore")
        return logistic(frame)


@pytest.mark.filterwarnings("ignore:of the model")
def test_model_that_prints_seeds_and_sets_options_changes_no_number_f129(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("headline_metric", "determinism", "decision_flips", "global_importance")
    sober = numbers(case_of(logistic), *names)

    with np.errstate(), pd.option_context("display.max_rows", 60):
        found = numbers(case_of(Noisy()), *names)

    assert found == sober
    assert "scoring 400" in capsys.readouterr().out


def test_child_of_a_finished_notebook_is_ended_f130(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "marker"
    cell = START_A_CHILD.format(marker=str(marker))
    case = tiny_case(tmp_path / "case", {"own": [cell]})
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert ended.code == 0
    assert not psutil.pid_exists(int(marker.read_text()))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        pytest.param(lambda frame: np.full(len(frame), 0.5), None, id="F134-constant"),
        pytest.param(lambda frame: logistic(frame), "wind", id="F134-one-that-counts"),  # noqa: PLW0108 (a fresh model)
    ],
)
def test_explanation_of_next_to_nothing_says_so(model: Any, says: str | None) -> None:  # noqa: ANN401 (any model)
    review = open_review(case_of(model))

    review.check("faithfulness")
    review.check("global_importance")

    importance = review.results["global_importance"]
    if says is None:
        assert importance.status is Status.NOT_ASSESSED
        assert importance.reason == "NOT_MEASURED"
        assert importance.message
    else:
        assert says in importance.notes[0]


@pytest.mark.parametrize("trouble", [ValueError, None], ids=["F135-fails", "F135-lies"])
def test_explainer_that_fails_is_replaced_by_a_named_one(
    trouble: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = small_frames()["reference"].iloc[:400]
    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0)
    case = case_of(forest.fit(rows[FEATURES], rows[TARGET]))
    some = rows[FEATURES].iloc[:60]

    def explain(_: object, matrix: np.ndarray, __: object) -> tuple[Any, Any]:
        if trouble is not None:
            raise trouble
        return np.ones((*matrix.shape, 2)), np.zeros(2)

    monkeypatch.setattr(attributions, "shap_values", explain)

    found = attributions.attributions(case, some, some, max_evaluations=20_000)

    assert found.method.startswith(SAMPLED)
    total = found.base + found.values.sum(axis=1).to_numpy()
    assert total == pytest.approx(found.output, abs=1e-9)
