"""A first case file from the data's own types, and the notebooks set to a case."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from readiness import starter
from readiness.case import load_case
from readiness.config import read_case, read_policy
from readiness.draft import ask
from readiness.errors import CaseError, InputError, Reason, RunError
from tests import cases


class Marker:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Give a folder with ``model.skops`` and three small tables."""
    frames = cases.small_frames("binary")
    for name, rows in frames.items():
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
    numbers = frames["training"][["wind", "distance"]]
    model = LogisticRegression().fit(numbers, frames["training"][cases.TARGET])
    skops.io.dump(model, tmp_path / "model.skops")
    return tmp_path


def _init(inputs: Path, **changes: object) -> str:
    given = {
        "model": str(inputs / "model.skops"),
        "reference": inputs / "reference.parquet",
        "target": cases.TARGET,
    }
    return starter.init(inputs / "review", **{**given, **changes})


def test_first_case_file_loads_unedited_and_declares_no_acceptable_value(
    inputs: Path,
) -> None:
    said = _init(inputs, current=inputs / "current.parquet")

    case = load_case(inputs / "review" / "case.toml")

    assert case.task == "binary"
    assert case.positive == 1
    assert case.file.model.acceptable is None
    assert case.file.data.time == "scheduled"
    assert set(case.tables) == {"reference", "current"}
    assert "declare model.acceptable" in said


def test_suggested_age_is_read_without_its_comment_sign(inputs: Path) -> None:
    _init(inputs)
    path = inputs / "review" / "case.toml"

    path.write_text(path.read_text().replace("# max_age", "max_age"))

    assert read_case(path).data.max_age == "2d"


def test_first_policy_changes_nothing(inputs: Path) -> None:
    _init(inputs)

    policy = read_policy(inputs / "review" / "policy.toml")

    assert policy.limits == {}
    assert policy.waivers == []


def test_every_suggestion_in_the_policy_is_valid_without_its_comment_sign(
    inputs: Path,
) -> None:
    _init(inputs)
    path = inputs / "review" / "policy.toml"
    lines = path.read_text().splitlines()
    keys = ("# [limits", "# side", "# limit", "# reason")
    path.write_text(
        "\n".join(
            line[2:] for line in lines if line.startswith(keys) and "…" not in line
        )
    )

    policy = read_policy(path)

    assert "P3" in policy.limits


def test_pickle_is_never_opened_and_its_hash_is_an_act_of_trust(inputs: Path) -> None:
    payload = inputs / "payload.pkl"
    payload.write_bytes(pickle.dumps(Marker(inputs / "opened")))

    _init(inputs, model=str(payload))

    text = (inputs / "review" / "case.toml").read_text()
    assert not (inputs / "opened").exists()
    assert read_case(inputs / "review" / "case.toml").model.sha256 is not None
    assert "act\n# of trust" in text


def test_existing_case_file_is_not_overwritten(inputs: Path) -> None:
    (inputs / "review").mkdir()
    (inputs / "review" / "policy.toml").write_text("mine")

    with pytest.raises(RunError, match="exists and is not overwritten") as raised:
        _init(inputs)

    assert raised.value.code is Reason.EXISTS
    assert (inputs / "review" / "policy.toml").read_text() == "mine"
    assert not (inputs / "review" / "case.toml").exists()


def test_relative_paths_stay_relative_to_the_case(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)

    starter.init(
        Path("deep/review"),
        model="model.skops",
        reference="*ence.parquet",
        target="late",
    )

    file = read_case(inputs / "deep" / "review" / "case.toml")
    assert file.model.path == "../../model.skops"
    assert file.data.reference == "../../*ence.parquet"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"target": "lat"}, "Did you mean 'late'"),
        ({"target": "zzz"}, "It has"),
        ({"model": "nowhere.skops"}, "none of these"),
        ({"reference": "nowhere.parquet"}, "reference table"),
        ({"training": "nowhere.parquet"}, "training table"),
    ],
)
def test_mistake_is_named_and_nothing_is_written(
    inputs: Path, change: dict[str, str], match: str
) -> None:
    with pytest.raises((CaseError, InputError), match=match):
        _init(inputs, **change)

    assert not (inputs / "review").exists()


def test_column_of_predictions_is_a_model(inputs: Path) -> None:
    _init(inputs, model="wind")

    file = read_case(inputs / "review" / "case.toml")

    assert file.model.predictions == "wind"
    assert "wind" not in file.columns


def test_function_beside_the_case_gets_its_hash(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    (inputs / "review").mkdir()
    (inputs / "review" / "score.py").write_text("def score(frame): ...")

    _init(inputs, model="review/score.py:score")

    model = read_case(inputs / "review" / "case.toml").model
    assert model.callable == "score.py:score"
    assert model.sha256 is not None


def test_function_outside_the_folder_of_the_case_is_told_where_to_go(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run would refuse it, so a case file that names it could never be reviewed.
    monkeypatch.chdir(inputs)
    (inputs / "score.py").write_text("def score(frame): ...")

    with pytest.raises(InputError, match=r"--model .*review/score\.py:score"):
        _init(inputs, model="score.py:score")

    assert not (inputs / "review").exists()


def test_function_of_a_package_needs_no_hash(inputs: Path) -> None:
    _init(inputs, model="package.module:function")

    model = read_case(inputs / "review" / "case.toml").model

    assert model.callable == "package.module:function"
    assert model.sha256 is None


def test_hostile_column_names_stay_names(inputs: Path) -> None:
    rows = pd.read_parquet(inputs / "reference.parquet")
    hostile = 'x"]\n[model]\x7f é'
    rows.assign(**{hostile: 1.0}).to_parquet(inputs / "hostile.parquet")

    _init(inputs, reference=inputs / "hostile.parquet")

    assert hostile in read_case(inputs / "review" / "case.toml").columns


@pytest.mark.parametrize(
    ("values", "task", "positive"),
    [
        ([0, 1, None], "binary", 1),
        ([True, False], "binary", True),
        (["yes", "no"], "binary", "yes"),
        ([" >50K", " <=50K"], "binary", " >50K"),
        (["b", "a"], "binary", "b"),
        (["a", "b", "c"], "multiclass", None),
        ([1, 2, 3], "multiclass", None),
        (list(range(11)), "regression", None),
        ([0.5, 1.5, 2.5, float("nan")], "regression", None),
    ],
)
def test_target_poses_its_question(
    values: list[object], task: str, positive: object
) -> None:
    question = ask("y", pa.chunked_array([pa.array(values)]))

    assert question.task == task
    assert question.positive == positive


def test_first_tolerated_loss_of_a_quantity_is_a_twentieth_of_its_spread() -> None:
    # Eleven values 0, 20, …, 200: variance 20² · (11² - 1) / 12 = 4000, spread 63.2,
    # a twentieth of it 3.16, with two digits 3.2.
    question = ask("y", pa.chunked_array([pa.array(range(0, 220, 20))]))

    assert question.tolerated == 3.2


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1, 1, None], "at least two different values; it holds 1"),
        ([None, None], "it holds none"),
        ([f"id {number}" for number in range(101)], "101 other values"),
    ],
)
def test_target_without_a_question_is_an_error(
    values: list[object], match: str
) -> None:
    with pytest.raises(CaseError, match=match):
        ask("y", pa.chunked_array([pa.array(values)]))


def test_notebooks_are_copied_beside_the_case_and_set_to_it(inputs: Path) -> None:
    _init(inputs)

    folder = starter.copy_notebooks(inputs / "review" / "case.toml", inputs)

    text = (folder / "10_coverage.ipynb").read_text()
    source = json.loads(text)["cells"][1]["source"]
    assert folder.name == "review-review-review"
    assert source[0].startswith('case_file: str = "../review/case.toml"  # ')


def test_analysts_own_work_in_the_copies_is_kept(tmp_path: Path) -> None:
    folder = starter.copy_notebooks(None, tmp_path)
    (folder / "30_drift.ipynb").write_text("mine")

    starter.copy_notebooks(None, tmp_path)

    assert (folder / "30_drift.ipynb").read_text() == "mine"


def test_demo_notebooks_differ_from_the_shipped_ones_in_nothing(tmp_path: Path) -> None:
    folder = starter.copy_notebooks(None, tmp_path)

    shipped = Path(__file__).parents[1] / "notebooks"
    assert {path.name: json.loads(path.read_text()) for path in folder.iterdir()} == {
        path.name: json.loads(path.read_text()) for path in shipped.glob("*.ipynb")
    }


def test_lab_starts_jupyterlab_of_this_interpreter_on_the_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def run(command: list[str], **options: object) -> object:
        calls.append((command, options["cwd"]))
        return subprocess.CompletedProcess(command, 5)

    monkeypatch.setattr(starter.subprocess, "run", run)
    monkeypatch.setattr(starter.importlib.util, "find_spec", lambda _: object())
    monkeypatch.chdir(tmp_path)

    code = starter.lab()

    assert code == 5
    assert calls == [([sys.executable, "-m", "jupyterlab", "review-demo"], tmp_path)]


def test_missing_jupyterlab_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starter.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(InputError, match=r"pip install jupyterlab"):
        starter.lab()


def test_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(
    inputs: Path,
) -> None:
    (inputs / "review").write_text("a file where a folder should be")

    with pytest.raises(RunError, match="cannot be written") as raised:
        _init(inputs)

    assert raised.value.code is Reason.STORAGE


def test_demo_reviews_the_flights_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "demo_case", lambda: Path("case.toml"))
    monkeypatch.setattr(starter, "run_review", lambda case, **given: (case, given))

    done = starter.demo("there", jobs=2)

    assert done == (Path("case.toml"), {"out": "there", "jobs": 2})
