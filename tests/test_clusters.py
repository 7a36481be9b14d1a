import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from readiness import clusters
from readiness.case import Case, load_case
from readiness.checks import all_checks
from readiness.errors import ReadinessError, Reason
from readiness.profiles import profile
from readiness.result import Options
from readiness.scan import scan
from readiness.tables import load_table
from tests.cases import case_file, small_case, small_frames

pytest.importorskip("distributed", reason="the extra cluster is not installed")


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Start two worker processes, and yield the address of their scheduler."""
    from distributed import LocalCluster  # noqa: PLC0415 (an extra)

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
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


def _case(folder: Path, cluster: str) -> Case:
    data = {name: f"{name}-*.parquet" for name in ("training", "reference", "current")}
    return load_case(
        case_file(data=data),
        base=folder,
        model=small_case(n_rows=3000).model.estimator,
        cluster=cluster,
    )


def _bytes_of(case: Case) -> list[str]:
    """Return what was counted, to the last bit."""
    found = []
    for name in case.tables:
        found += [repr(one) for one in profile(case, name).values()]
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


def test_absent_scheduler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "WAIT_S", 1)

    with pytest.raises(ReadinessError, match="does not answer") as caught:
        clusters.executor("tcp://127.0.0.1:1")

    assert caught.value.code is Reason.CLUSTER


def test_worker_with_other_versions_is_refused() -> None:
    other: dict[str, Any] = {**clusters.versions(), "numpy": "1.0"}

    with pytest.raises(ReadinessError, match=r"has numpy 1\.0; here it is numpy"):
        clusters._require_same({"tcp://w": other})  # noqa: SLF001 (a rule of its own)


def test_cluster_without_workers_is_refused() -> None:
    with pytest.raises(ReadinessError, match="no workers"):
        clusters._require_same({})  # noqa: SLF001 (a rule of its own)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)

    with pytest.raises(ReadinessError, match=r"readiness\[cluster\]"):
        clusters.executor("tcp://127.0.0.1:2")
