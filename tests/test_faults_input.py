"""Input faults: one plain line that says what, where and how to mend it."""

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import nbformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import (  # type: ignore[import-untyped]  # has no types
    dbapi,
)

from readiness.checks import all_checks
from readiness.review import open_review
from tests import postgres
from tests.commands import called, reviewing
from tests.coverage_cases import measure, plain_case
from tests.invariants import observed
from tests.tiny import PARAMETERS, tiny_case

SCORE = """
import numpy as np

def score(frame):
    return 1.0 / (1.0 + np.exp(-frame["x"].to_numpy() / {scale}))
"""
CASE = """
name = "points"
title = "Is the point above the line?"
tier = "low"

[model]
callable = "score.py:score"
sha256 = "{sha256}"
task = "binary"
positive = 1
acceptable = 0.6
features = ["x", "carrier"]

[data]
training = "training.parquet"
reference = "reference.parquet"
current = "current.parquet"
target = "y"
time = "day"

[review]
notebooks = "own"
"""
CELLS = [
    "from readiness.review import open_review",
    "review = open_review(case_file, policy_file=policy_file, run_dir=run_dir)",
    'review.check("schema")',
    'review.check("headline_metric")',
    "review.finish()",
]
Change = Callable[[Path], None]


def points(n_rows: int, seed: int) -> pd.DataFrame:
    """Return 60 days of points, most of them on the right side of the line."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 2.0, n_rows)
    return pd.DataFrame(
        {
            "x": x,
            "carrier": rng.choice(["AA", "DL"], n_rows),
            "day": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(np.arange(n_rows) % 60, unit="D"),
            "y": (x + rng.normal(0.0, 1.0, n_rows) > 0).astype("int64"),
        }
    )


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Return a sound case on disk that passes its two checks."""
    folder = tmp_path / "case"
    (folder / "own").mkdir(parents=True)
    for seed, name in enumerate(("training", "reference", "current")):
        points(600, seed).to_parquet(folder / f"{name}.parquet")
    set_model(folder, SCORE.format(scale=1.0))
    cells = [nbformat.v4.new_code_cell(one) for one in (PARAMETERS, *CELLS)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, folder / "own" / "own.ipynb")
    return folder / "case.toml"


def set_model(folder: Path, source: str) -> None:
    """Make `source` the model, and trust it."""
    (folder / "score.py").write_text(source)
    digest = hashlib.sha256(source.encode()).hexdigest()
    (folder / "case.toml").write_text(CASE.format(sha256=digest))


def altered(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """Return what rewrites a table of the case."""

    def rewrite(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path)

    return rewrite


def edited(old: str, new: str) -> Change:
    """Return what edits the case file."""

    def rewrite(folder: Path) -> None:
        text = (folder / "case.toml").read_text()
        (folder / "case.toml").write_text(text.replace(old, new))

    return rewrite


def policy(text: str) -> Change:
    """Return what writes a policy beside the case."""
    return lambda folder: (folder / "policy.toml").write_text(text) and None


def replaced(name: str, content: bytes) -> Change:
    """Return what replaces a file of the case."""
    return lambda folder: (folder / name).write_bytes(content) and None


def truncated(folder: Path) -> None:
    """Cut a table in half."""
    path = folder / "reference.parquet"
    path.write_bytes(path.read_bytes()[:2000])


def doubled(folder: Path) -> None:
    """Give the reference two columns of one name."""
    table = pq.read_table(folder / "reference.parquet")
    twice = pa.table([*table.columns, table.column("x")], [*table.column_names, "x"])
    pq.write_table(twice, folder / "reference.parquet")


def stacked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with two levels of column names."""
    return pd.concat({"left": frame}, axis=1)


NOT_REQUIRED = 'limit = 0\nrequired = false\nreason = "r"\n'
LIMIT = '[limits.P1.roc_auc]\nlimit = {limit}\nrequired = {required}\nreason = "r"\n'


def test_sound_case_passes(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (0, None)
    assert ended.stdout.startswith("PASS: 2 pass; ")
    assert ended.stdout.strip().endswith("index.html")


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        pytest.param(
            lambda folder: (folder / "reference.parquet").unlink(),
            "INPUT",
            "reference.parquet",
            id="F045-missing",
        ),
        pytest.param(
            edited('"reference.parquet"', '"own"'), "INPUT", "folder", id="F045-folder"
        ),
        pytest.param(truncated, "INPUT_FORMAT", "cut short", id="F046-truncated"),
        pytest.param(
            replaced("reference.parquet", b""), "INPUT_FORMAT", "empty", id="F046-empty"
        ),
        pytest.param(
            replaced("reference.parquet", b"<html>"),
            "INPUT_FORMAT",
            "web page",
            id="F046-html",
        ),
        pytest.param(policy(""), "POLICY", "must hold 1 to", id="F053-empty"),
        pytest.param(
            policy('teir = "high"'), "POLICY", "'teir' (line 1)", id="F053-key"
        ),
        pytest.param(policy("tier = 3"), "POLICY", "'tier'", id="F053-type"),
        pytest.param(
            policy(LIMIT.format(limit="nan", required="true")),
            "POLICY",
            "finite",
            id="F053-nan",
        ),
        pytest.param(
            policy('tier = "low"\ntier = "high"\n'), "POLICY", "line 2", id="T20"
        ),
        pytest.param(
            edited("[data]", "colour = 3\n[data]"), "CASE", "'model.colour'", id="key"
        ),
        pytest.param(
            altered("reference", lambda frame: frame.iloc[:0]),
            "EMPTY",
            "reference",
            id="F059-reference",
        ),
        pytest.param(
            altered("current", lambda frame: frame.iloc[:0]),
            "EMPTY",
            "current",
            id="F059-current",
        ),
        pytest.param(doubled, "INPUT_FORMAT", "'x'", id="F069"),
        pytest.param(
            altered("reference", stacked), "INPUT_FORMAT", "latten", id="F071"
        ),
        pytest.param(
            lambda folder: (folder / "score.py").unlink(),
            "INPUT",
            "score.py",
            id="model-missing",
        ),
    ],
)
def test_bad_input_is_told_in_one_line_before_anything_runs(
    change: Change,
    reason: str,
    says: str,
    case: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(case.parent)
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent, new_rows=0)

    assert (ended.code, ended.reason) == (3, reason), ended.stderr
    assert says in ended.stderr
    assert ended.run_id is None
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        pytest.param("case", "INPUT", id="F045-case"),
        pytest.param("--policy", "POLICY", id="F053-missing"),
        pytest.param("--current", "INPUT", id="F045-current"),
    ],
)
def test_missing_file_named_on_the_command_line(
    option: str, reason: str, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = case.parents[1] / "out"
    absent = case.parent / "no-such-file"
    named = [absent] if option == "case" else [case, option, absent]

    command = called(capsys, "run", *named, "--out", out)
    ended = observed(command, out, case.parent, new_rows=0)

    assert (ended.code, ended.reason) == (3, reason)
    assert "no-such-file" in ended.stderr
    assert not out.exists()


@pytest.mark.timeout(60)  # a pipe that is opened waits for ever
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        pytest.param("case.toml", "INPUT", id="F052-case"),
        pytest.param("policy.toml", "POLICY", id="F052-policy"),
        pytest.param("score.py", "INPUT", id="F052-model"),
        pytest.param("reference.parquet", "INPUT", id="F052-table"),
    ],
)
def test_pipe_in_place_of_a_file_is_refused_at_once(
    file: str, reason: str, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = case.parents[1] / "out"
    (case.parent / file).unlink(missing_ok=True)
    os.mkfifo(case.parent / file)

    code, stdout, stderr = reviewing(capsys, case, out)()

    assert (code, stdout) == (3, "")
    assert stderr.startswith(f"error: {reason}: ")
    assert file in stderr
    assert not out.exists()


def test_policy_that_leads_nowhere_is_not_skipped(
    case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F053: limits would be weakened unseen."""
    (case.parent / "policy.toml").symlink_to(case.parent / "moved-away.toml")

    code, _, stderr = reviewing(capsys, case, case.parents[1] / "out")()

    assert code == 3
    assert stderr.startswith("error: POLICY: The policy file 'policy.toml' cannot be")


@pytest.mark.parametrize("option", ["case", "--policy"])
def test_folder_in_place_of_a_file_says_to_name_the_file(
    option: str, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F045."""
    named = [case.parent] if option == "case" else [case, option, case.parent]

    code, _, stderr = called(capsys, "run", *named)()

    assert code == 3
    assert "is a folder; name the file itself." in stderr


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        pytest.param(
            altered("reference", lambda frame: frame.drop(columns="y")),
            "CASE",
            "'y'",
            id="F063",
        ),
        pytest.param(edited('["x", "carrier"]', "[]"), "CASE", "feature", id="F062"),
        pytest.param(
            lambda folder: set_model(folder, "def score(frame):\n    return 1 / 0"),
            "MODEL_SCORES",
            "ZeroDivisionError",
            id="F123",
        ),
        pytest.param(
            lambda folder: set_model(folder, SCORE.format(scale="np.nan")),
            "MODEL_SCORES",
            "600 of 600 are NaN",
            id="F120",
        ),
        pytest.param(
            replaced("score.py", b"raise SystemExit('not trusted, not run')"),
            "MODEL_UNTRUSTED",
            "sha256",
            id="T01",
        ),
    ],
)
def test_input_that_only_a_notebook_can_find_wrong_is_told_the_same_way(
    change: Change,
    reason: str,
    says: str,
    case: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(case.parent)
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, reason), ended.stderr
    assert says in ended.stderr


@pytest.mark.parametrize(
    ("change", "code", "finding"),
    [
        pytest.param(
            altered("current", lambda frame: frame.drop(columns="y")),
            0,
            ("schema_violations", "pass"),
            id="F063-current",
        ),
        pytest.param(
            altered("current", lambda frame: frame.drop(columns="carrier")),
            1,
            ("schema_violations", "fail"),
            id="F064",
        ),
        pytest.param(
            altered("current", lambda frame: frame.assign(x=frame["x"].astype(str))),
            1,
            ("schema_violations", "fail"),
            id="F068",
        ),
        pytest.param(
            altered("reference", lambda frame: frame.iloc[:1]),
            2,
            ("roc_auc", "not_assessed"),
            id="F060",
        ),
    ],
)
def test_verdict_says_what_the_data_can_tell(
    change: Change,
    code: int,
    finding: tuple[str, str],
    case: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(case.parent)
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    checks = ended.results["checks"]
    found = {(f["metric"], f["status"]) for one in checks for f in one["findings"]}
    assert ended.code == code, ended.stdout
    assert finding in found


@pytest.mark.slow
def test_five_thousand_columns_make_a_bounded_page_and_a_full_table_f072() -> None:
    names = [f"c{n:04}" for n in range(5_000)]
    values = np.random.default_rng(0).normal(size=(100, len(names)))
    rows = pd.DataFrame(values, columns=names).assign(y=np.arange(100) % 2)
    case = plain_case(features=names, reference=rows, current=rows)

    display = open_review(case).check("schema")

    assert str(display.result.status) == "pass"
    assert len(display._repr_html_()) < 1_000_000  # the page may take ten times as much
    full = measure("schema", case).tables["integrity"]
    assert len(full) == 2 * (len(names) + 1)  # and the target


def test_policy_that_requires_nothing_is_an_error(
    case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F055: it could not fail."""
    limits = [
        (one.check.code, limit.metric.replace("case:metric", "roc_auc"))
        for one in all_checks().values()
        for limit in one.check.limits
        if "low" in limit.required_in
    ]
    tables = [f"[limits.{code}.{metric}]\n{NOT_REQUIRED}" for code, metric in limits]
    policy("".join(tables))(case.parent)
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (3, "POLICY")


def test_chosen_part_without_a_required_limit_is_incomplete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F055 with --only."""
    case = tiny_case(tmp_path / "case", {"own": ["ADD_NOTHING = True"]})
    notebook = case.parent / "own" / "own.ipynb"
    notebook.write_text(notebook.read_text().replace("result['checks'] = ", "_ = "))
    out = tmp_path / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert ended.code == 2
    assert ended.results["partial"] is True
    assert "Only own was reviewed." in ended.results["headline"]
    assert ended.folder.parent.name == "tiny"


QUERY = "SELECT x, carrier, day, y FROM points"


def from_database(query: str) -> Change:
    """Return what reads the reference from a database instead of a file."""
    source = f'{{sql = "{query}", connection = "env:WAREHOUSE"}}'
    return edited('"reference.parquet"', source)


def test_manifest_holds_the_hash_of_the_query_and_nothing_of_the_address(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_database(QUERY)(case.parent)
    store = case.parent / "hidden-away.duckdb"
    with duckdb.connect(str(store)) as connection:
        rows = pq.read_table(case.parent / "reference.parquet")
        connection.register("rows", rows)
        connection.execute("CREATE TABLE points AS SELECT * FROM rows")
    monkeypatch.setenv("WAREHOUSE", f"duckdb:///{store}")
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent)

    assert (ended.code, ended.reason) == (0, None), ended.stderr
    manifest = json.loads((ended.folder / "manifest.json").read_text())
    digest = hashlib.sha256(QUERY.encode()).hexdigest()
    assert manifest["inputs"]["reference query (duckdb)"] == digest
    assert ended.results["facts"]["tables"]["reference"]["rows"] == 600
    files = [one for one in ended.folder.rglob("*") if one.is_file()]
    assert not [one for one in files if b"hidden-away" in one.read_bytes()]


def test_missing_address_is_told_before_anything_runs_f056(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_database(QUERY)(case.parent)
    monkeypatch.delenv("WAREHOUSE", raising=False)
    out = case.parents[1] / "out"

    ended = observed(reviewing(capsys, case, out), out, case.parent, new_rows=0)

    assert (ended.code, ended.reason) == (3, "SOURCE")
    assert "'WAREHOUSE'" in ended.stderr


def kill_when_reading(url: str, out: Path) -> None:
    """End a database server as soon as some of its rows have been written down."""
    give_up = time.monotonic() + 60
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_read_file('postmaster.pid') AS text")
        (text,) = cursor.fetchone()
    while time.monotonic() < give_up:
        if any(one.stat().st_size > 4 for one in out.rglob(".sql-*.partial")):
            break
        time.sleep(0.02)
    os.kill(int(text.split()[0]), signal.SIGQUIT)


def test_database_killed_while_it_is_read_gives_no_verdict_f056(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = (
        "SELECT i::float8 AS x, 'AA' AS carrier, TIMESTAMP '2026-01-01' AS day, i % 2 "
        "AS y FROM (SELECT generate_series(1, 2000000000::bigint) AS i) AS numbers"
    )
    from_database(endless)(case.parent)
    out = case.parents[1] / "out"
    with postgres.server() as url:
        monkeypatch.setenv("WAREHOUSE", url)
        killer = threading.Thread(target=kill_when_reading, args=(url, out))
        killer.start()

        ended = observed(reviewing(capsys, case, out), out, case.parent, new_rows=0)
        killer.join()

    assert (ended.code, ended.reason) == (3, "SOURCE"), ended.stderr
    assert "env:WAREHOUSE" in ended.stderr
    assert "pw" not in ended.stderr
    assert not [one for one in out.rglob("*") if one.suffix in (".json", ".partial")]


def test_input_that_changes_during_the_run_gives_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F051."""
    table = tmp_path / "case" / "reference.parquet"
    change = f"open({str(table)!r}, 'ab').write(b'more')"
    case = tiny_case(tmp_path / "case", {"own": [change]})
    out = tmp_path / "out"

    code, _, stderr = reviewing(capsys, case, out)()

    assert code == 3
    assert "error: INPUT_CHANGED: The input 'reference' changed" in stderr
