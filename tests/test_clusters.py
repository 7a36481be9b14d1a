"""Workers count and score as this process does, and lose nothing when they die."""

import hashlib
import json
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from readiness import clusters
from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.errors import InputError, ModelError, ReadinessError, Reason
from readiness.profiles import profile
from readiness.result import Options
from readiness.scan import scan
from readiness.scoring import count_calls, scores
from readiness.sentmodels import SentModel, received_model, sent_model
from readiness.tables import load_table
from tests.cases import case_file, small_case, small_frames
from tests.spark_rows import plain

pytest.importorskip("distributed", reason="the extra cluster is not installed")


@contextmanager
def started(n_workers: int) -> Iterator[Any]:
    """Start worker processes of one thread each, and end them."""
    from distributed import LocalCluster  # noqa: PLC0415 (an extra)

    with LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster
        clusters.executor(str(cluster.scheduler_address)).shutdown()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Start two worker processes, and yield the address of their scheduler."""
    with started(2) as cluster:
        yield str(cluster.scheduler_address)


def _folder(tmp_path: Path) -> Path:
    frames = small_frames(n_rows=3000)
    for name, rows in frames.items():
        for part in range(3):
            some = rows.iloc[part * 1000 : (part + 1) * 1000]
            some.to_parquet(
                tmp_path / f"{name}-{part}.parquet", index=False, row_group_size=300
            )
    return tmp_path


FILES = {name: f"{name}-*.parquet" for name in ("training", "reference", "current")}


def _case(folder: Path, cluster: str) -> Case:
    return load_case(
        case_file(data=FILES),
        base=folder,
        model=small_case(n_rows=3000).model.estimator,
        cluster=cluster,
    )


def _bytes_of(case: Case) -> list[str]:
    """Return what was counted, to the last bit."""
    found = [repr(plain(dict(profile(case, name)))) for name in case.tables]
    for name in ("uncovered_patterns", "value_ranges", "conformal_support"):
        check = all_checks()[name].check
        got = check.measure(case, Options(values=dict(check.defaults)))
        found.append(got.summary.to_json(double_precision=15))
        found += [one.to_json(double_precision=15) for one in got.tables.values()]
        found.append(json.dumps(got.notes))
    return found


def test_cluster_of_two_processes_counts_the_same_to_the_last_bit(
    address: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)

    assert _bytes_of(_case(folder, address)) == _bytes_of(_case(folder, ""))


def _linear() -> LogisticRegression:
    rows = small_frames(n_rows=3000)["training"]
    return LogisticRegression().fit(rows[["wind", "distance"]], rows["late"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _as_skops(folder: Path) -> dict[str, Any]:
    skops.io.dump(_linear(), folder / "model.skops")
    return {"path": "model.skops"}


def _as_joblib(folder: Path) -> dict[str, Any]:
    path = folder / "model.joblib"
    joblib.dump(small_case(n_rows=3000).model.estimator, path)
    return {"path": path.name, "sha256": _sha256(path)}


FUNCTION = """
import os
from pathlib import Path

with Path({folder!r}, "loaded").open("a") as stream:
    stream.write(f"{{os.getpid()}}\\n")

def share(frame):
    if {raises!r} and (frame["distance"] > 100).any():
        raise ValueError("too far")
    return frame["distance"] / 2000
"""


def _as_function(folder: Path, *, raises: bool = False) -> dict[str, Any]:
    path = folder / "model.py"
    path.write_text(FUNCTION.format(folder=str(folder), raises=raises))
    return {
        "path": None,
        "callable": "model.py:share",
        "sha256": _sha256(path),
        "features": ["distance"],
    }


def _as_predictions(_: Path) -> dict[str, Any]:
    return {"path": None, "predictions": "distance", "task": "regression"}


def _scored_case(folder: Path, model: dict[str, Any], cluster: str) -> Case:
    data = {**FILES, "weight": "distance"}
    given = {"acceptable": None, **model}
    return load_case(case_file(model=given, data=data), base=folder, cluster=cluster)


def _score_file(case: Case) -> bytes:
    scores(case, "current")
    (path,) = case.work.glob("*.arrow")
    return path.read_bytes()


@pytest.mark.parametrize(
    "model", [_as_skops, _as_joblib, _as_function, _as_predictions]
)
def test_workers_score_the_same_to_the_last_bit(
    model: Callable[[Path], dict[str, Any]], address: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    here, there = (
        _scored_case(folder, model(folder), cluster) for cluster in ("", address)
    )

    with count_calls() as local:
        expected = _score_file(here)
    with count_calls() as remote:
        found = _score_file(there)

    assert found == expected
    assert remote.calls == local.calls
    assert remote.calls == (0 if model is _as_predictions else 3000)


def test_each_process_loads_the_model_once(address: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    case = _scored_case(folder, _as_function(folder), address)

    for name in FILES:
        scores(case, name)

    processes = (folder / "loaded").read_text().split()
    assert str(os.getpid()) in processes  # the case itself was loaded here
    assert len(processes) == len(set(processes))
    assert 2 <= len(processes) <= 3


def test_model_and_rows_in_memory_travel_with_the_task(address: str) -> None:
    frames = small_frames()
    offset = 0.25
    cases = [
        load_case(
            case_file(model={"features": ["distance"], "acceptable": None}),
            frames=frames,
            model=lambda frame: frame["distance"] / 4000 + offset,
            cluster=cluster,
        )
        for cluster in ("", address)
    ]

    expected, found = (_score_file(case) for case in cases)

    assert found == expected


def test_model_that_cannot_travel_is_one_clear_error(address: str) -> None:
    lock = threading.Lock()

    def locked(frame: pd.DataFrame) -> "pd.Series[float]":
        with lock:
            return frame["distance"] / 2000

    case = load_case(
        case_file(model={"features": ["distance"], "acceptable": None}),
        frames=small_frames(),
        model=locked,
        cluster=address,
    )

    with pytest.raises(ReadinessError, match="cannot be sent to the cluster") as caught:
        scores(case, "current")

    assert caught.value.code is Reason.CLUSTER


def test_model_that_raises_gives_the_same_error_there(
    address: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    model = _as_function(folder, raises=True)
    errors = []

    for cluster in ("", address):
        with pytest.raises(ModelError) as caught:
            scores(_scored_case(folder, model, cluster), "current")
        errors.append((str(caught.value), caught.value.code))

    assert errors[0] == errors[1]
    assert "ValueError on 300 rows: too far" in errors[0][0]


def _sent(folder: Path) -> SentModel:
    found = sent_model(_scored_case(folder, _as_skops(folder), ""))
    assert found is not None
    return found


def test_worker_without_the_model_file_says_where_it_must_lie(tmp_path: Path) -> None:
    sent = _sent(_folder(tmp_path))
    (tmp_path / "model.skops").unlink()

    with pytest.raises(ReadinessError, match="same path on every worker") as caught:
        received_model(sent)

    assert caught.value.code is Reason.CLUSTER


def test_worker_with_another_model_file_refuses_it(tmp_path: Path) -> None:
    sent = _sent(_folder(tmp_path))
    other = LogisticRegression(C=0.1).fit([[0.0], [1.0]], [0, 1])
    skops.io.dump(other, tmp_path / "model.skops")

    with pytest.raises(ReadinessError, match="has the sha256") as caught:
        received_model(sent)

    assert caught.value.code is Reason.CLUSTER


def test_worker_with_another_package_refuses_the_model(tmp_path: Path) -> None:
    sent = replace(_sent(_folder(tmp_path)), packages=(("sklearn", "0.1"),))

    with pytest.raises(ReadinessError, match=r"needs sklearn 0\.1") as caught:
        received_model(sent)

    assert caught.value.code is Reason.CLUSTER


def test_model_in_memory_that_cannot_be_opened_there_is_refused(tmp_path: Path) -> None:
    sent = replace(_sent(_folder(tmp_path)), format="object", content=b"x")

    with pytest.raises(ReadinessError, match="passed in memory") as caught:
        received_model(sent)

    assert caught.value.code is Reason.CLUSTER


def test_slice_of_rows_travels_without_the_rest_of_them() -> None:
    rows = pa.table({"x": np.arange(100_000.0)})
    part = rows.slice(500, 1000)

    content = clusters._packed(part)  # noqa: SLF001 (what is sent)

    assert len(content) < 10_000
    assert pickle.loads(content).equals(part)  # noqa: S301 (made here)


def test_task_that_a_worker_cannot_open_is_one_clear_error(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("only_here")
    exec("def one(x):\n    return x", module.__dict__)  # noqa: S102 (a module without a file)
    monkeypatch.setitem(sys.modules, "only_here", module)

    with pytest.raises(ReadinessError, match="No module named 'only_here'") as caught:
        list(clusters.executor(address).map(module.__dict__["one"], [1]))

    assert caught.value.code is Reason.CLUSTER


def test_task_may_take_longer_than_one_wait(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "WAIT_S", 0.2)

    found = clusters.executor(address).map(slowly, [0.7, 0.0, 0.5])

    assert list(found) == [0.7, 0.0, 0.5]


def test_task_that_runs_out_of_time_of_its_own_says_so(address: str) -> None:
    with pytest.raises(TimeoutError, match="of its own"):
        list(clusters.executor(address).map(slowly, [-1.0]))


def slowly(seconds: float) -> float:
    """Wait, and return how long."""
    if seconds < 0:
        msg = "of its own"
        raise TimeoutError(msg)
    time.sleep(seconds)
    return seconds


def test_one_task_can_be_given_to_the_workers(address: str) -> None:
    assert clusters.executor(address).submit(divmod, 7, 2).result() == (3, 1)


def test_file_that_a_worker_cannot_read_keeps_its_reason(
    address: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    table = load_table("current-*.parquet", folder, "current")
    (folder / "current-1.parquet").unlink()

    with pytest.raises(InputError, match="A worker says so") as caught:
        scan(table, {"": Count()}, ["wind"], executor=clusters.executor(address))

    assert caught.value.code is Reason.INPUT_FORMAT


class Count:
    """Count rows."""

    def summarize(self, batch: pa.RecordBatch) -> int:
        """Count one batch."""
        return int(batch.num_rows)

    def merge(self, a: int, b: int) -> int:
        """Count two sets of rows together."""
        return a + b


@dataclass(frozen=True)
class CountAndDie:
    """Count rows; the first worker to meet the second file dies at it."""

    marker: str

    def summarize(self, batch: pa.RecordBatch) -> dict[str, int]:
        """Count one batch."""
        rows = batch.column("row").to_pylist()
        if 1500 in rows:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return {str(one): 1 for one in rows}

    def merge(self, a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        """Count two sets of rows together."""
        return {key: a.get(key, 0) + b.get(key, 0) for key in {*a, *b}}


@pytest.mark.slow
def test_killed_worker_neither_loses_nor_doubles_a_row(
    address: str, tmp_path: Path
) -> None:
    for part in range(4):
        rows = pd.DataFrame({"row": range(part * 1000, (part + 1) * 1000)})
        rows.to_parquet(tmp_path / f"part-{part}.parquet", row_group_size=250)
    table = load_table("part-*.parquet", tmp_path, "reference")
    marker = tmp_path / "died"

    found: dict[str, int] = scan(
        table,
        {"": CountAndDie(str(marker))},
        ["row"],
        executor=clusters.executor(address),
    )[""]

    assert marker.exists()
    assert found == {str(one): 1 for one in range(4000)}


def dying_once(marker: Path) -> Callable[[pd.DataFrame], "pd.Series[float]"]:
    """Return a model whose first worker to meet the second file dies at it."""

    def predict(frame: pd.DataFrame) -> "pd.Series[float]":
        if (frame["x"] >= 1500).any():
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return frame["x"] / 4000

    return predict


@pytest.mark.slow
def test_worker_killed_while_it_scores_neither_loses_nor_doubles_a_row(
    address: str, tmp_path: Path
) -> None:
    for part in range(4):
        numbers = np.arange(part * 1000, (part + 1) * 1000)
        rows = pd.DataFrame({"x": numbers, "late": numbers % 2})
        rows.to_parquet(tmp_path / f"part-{part}.parquet", row_group_size=250)
    file = case_file(
        model={"features": ["x"], "acceptable": None},
        data={"reference": "part-*.parquet", "time": None, "entity": None},
    )
    marker = tmp_path / "died"
    case = load_case(file, base=tmp_path, model=dying_once(marker), cluster=address)

    with count_calls() as counted:
        found = scores(case, "reference")

    assert marker.exists()
    assert found.row.tolist() == list(range(4000))
    np.testing.assert_array_equal(found.y_score, np.arange(4000) / 4000)
    assert counted.calls == 4000


def end(_: int) -> None:
    """End this process."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_task_that_ends_every_worker_is_one_clear_error(address: str) -> None:
    with pytest.raises(ReadinessError, match="ended 4 workers") as caught:
        list(clusters.executor(address).map(end, [1]))

    assert caught.value.code is Reason.CLUSTER


@pytest.mark.slow
def test_cluster_lost_at_work_is_one_clear_error() -> None:
    with started(1) as cluster:
        workers = clusters.executor(str(cluster.scheduler_address))
        threading.Timer(1.0, cluster.close).start()

        with pytest.raises(ReadinessError, match="was lost while it worked") as caught:
            list(workers.map(time.sleep, [60]))

    assert caught.value.code is Reason.CLUSTER


@pytest.mark.slow
def test_cluster_without_workers_at_work_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "WAIT_S", 3)
    with started(1) as cluster:
        workers = clusters.executor(str(cluster.scheduler_address))
        threading.Timer(1.0, cluster.scale, [0]).start()

        with pytest.raises(ReadinessError, match="no worker for 3 s") as caught:
            list(workers.map(time.sleep, [60]))

    assert caught.value.code is Reason.CLUSTER


def test_absent_scheduler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "WAIT_S", 1)

    with pytest.raises(ReadinessError, match="does not answer") as caught:
        clusters.executor("tcp://127.0.0.1:1")

    assert caught.value.code is Reason.CLUSTER


class FakeClient:
    """A client whose workers answer what it was made with."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def run(self, *_: object, **__: object) -> dict[str, Any]:
        """Return the answers."""
        return self.answers


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({}, "no workers"),
        (
            {"tcp://w": {**clusters.versions(), "numpy": "1.0"}},
            r"has numpy 1\.0; here it is numpy",
        ),
        (
            {"tcp://w": Exception("No module named 'readiness'")},
            "cannot use readiness: No module",
        ),
    ],
)
def test_worker_that_might_count_otherwise_is_refused(
    answers: dict[str, Any], text: str
) -> None:
    with pytest.raises(ReadinessError, match=text) as caught:
        clusters._require_same(FakeClient(answers))  # noqa: SLF001 (a rule of its own)

    assert caught.value.code is Reason.CLUSTER


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)

    with pytest.raises(ReadinessError, match=r"readiness\[cluster\]"):
        clusters.executor("tcp://127.0.0.1:2")
