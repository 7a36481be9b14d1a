import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from readiness.case import load_case
from readiness.config import CaseFile
from readiness.errors import CaseError, InputError, Reason
from readiness.source_config import SqlSource
from readiness.sql import masked, spool_sql
from readiness.tables import load_table
from tests import postgres
from tests.coverage_cases import half

ROWS = pd.DataFrame(
    {
        "x": [1.5, None, -2.0],
        "n": [1, 2, 3],
        "name": ["Ulm", "O'Hare; --", None],
        "y": [0, 1, 1],
    }
)
QUERY = "SELECT x, n, name, y FROM flights ORDER BY n"


def _sqlite(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "store.db")) as connection, connection:
        ROWS.to_sql("flights", connection, index=False)
    return f"sqlite:///{folder / 'store.db'}"


def _duckdb(folder: Path) -> str:
    with duckdb.connect(str(folder / "store.duckdb")) as connection:
        connection.register("rows", pa.Table.from_pandas(ROWS))
        connection.execute("CREATE TABLE flights AS SELECT * FROM rows")
    return f"duckdb:///{folder / 'store.duckdb'}"


def _other(folder: Path) -> str:
    return _sqlite(folder).replace("sqlite:", "sqlite+pysqlite:")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres.server() as url:
        from adbc_driver_postgresql import (  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra, has no types)
            dbapi as driver,
        )

        with driver.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE flights (x float8, n bigint, name text, y bigint)"
            )
            cursor.execute(
                "INSERT INTO flights VALUES (1.5, 1, 'Ulm', 0),"
                " (NULL, 2, 'O''Hare; --', 1), (-2.0, 3, NULL, 1)"
            )
            connection.commit()
        yield url


def _spooled(url: str, folder: Path, query: str = QUERY) -> Path:
    os.environ["TEST_WAREHOUSE"] = url
    source = SqlSource(sql=query, connection="env:TEST_WAREHOUSE")
    return spool_sql(source, folder, "reference", folder / "work")


def _read(path: Path) -> pd.DataFrame:
    table = load_table(str(path), path.parent, "reference", work=path.parent)
    return pd.concat([table.frame(one) for one in table.batches()], ignore_index=True)


@pytest.mark.parametrize("make", [_sqlite, _duckdb, _other])
def test_query_gives_the_rows_of_the_database(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    found = _read(_spooled(make(tmp_path), tmp_path))

    pd.testing.assert_frame_equal(found, ROWS, check_dtype=False)


def test_postgresql_gives_the_same_rows(server: str, tmp_path: Path) -> None:
    found = _read(_spooled(server, tmp_path))

    pd.testing.assert_frame_equal(found, ROWS, check_dtype=False)


def test_query_is_run_once_per_run(tmp_path: Path) -> None:
    url = _sqlite(tmp_path)
    first = _spooled(url, tmp_path)
    (tmp_path / "store.db").unlink()

    assert _spooled(url, tmp_path) == first


def test_long_answers_stream_in_pieces(tmp_path: Path) -> None:
    url = _duckdb(tmp_path)

    path = _spooled(url, tmp_path, "SELECT range AS n FROM range(400000)")

    table = load_table(str(path), tmp_path, "reference", work=path.parent)
    assert table.n_rows == 400_000
    assert len(table.pieces) >= 3


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM flights",
        "INSERT INTO flights VALUES (1, 2, 'x', 0)",
        "DROP TABLE flights",
    ],
)
@pytest.mark.parametrize("make", [_sqlite, _duckdb])
def test_writing_is_refused_t29(
    make: Callable[[Path], str], query: str, tmp_path: Path
) -> None:
    url = make(tmp_path)

    with pytest.raises(InputError) as caught:
        _spooled(url, tmp_path, query)

    assert caught.value.code is Reason.SOURCE
    assert len(_read(_spooled(url, tmp_path))) == 3


def test_postgresql_refuses_to_write_t29(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _spooled(server, tmp_path, "DELETE FROM flights")

    assert caught.value.code is Reason.SOURCE
    assert len(_read(_spooled(server, tmp_path))) == 3


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "ATTACH '{folder}/other.duckdb'",
        "INSTALL httpfs",
        "COPY flights TO '{folder}/out.csv'",
    ],
)
def test_duckdb_reaches_nothing_but_its_file_t28(query: str, tmp_path: Path) -> None:
    url = _duckdb(tmp_path)
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")

    with pytest.raises(InputError) as caught:
        _spooled(url, tmp_path, query.format(folder=tmp_path))

    assert caught.value.code is Reason.SOURCE
    assert not (tmp_path / "out.csv").exists()


def test_superuser_cannot_run_programs_through_copy_t29(
    server: str, tmp_path: Path
) -> None:
    query = f"COPY (SELECT 1) TO PROGRAM 'touch {tempfile.gettempdir()}/ran-by-copy'"

    with pytest.raises(InputError) as caught:
        _spooled(server, tmp_path, query)

    assert caught.value.code is Reason.SOURCE
    assert not (Path(tempfile.gettempdir()) / "ran-by-copy").exists()


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE flights",
        "SELECT 1) AS a; DROP TABLE flights; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM flights RETURNING n) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', true)::int",
    ],
)
def test_postgresql_runs_one_reading_statement_t29(
    server: str, query: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        _spooled(server, tmp_path, query)

    assert caught.value.code is Reason.SOURCE
    assert len(_read(_spooled(server, tmp_path))) == 3


@pytest.mark.parametrize("start", ["", "SELECT 1) AS a; ", "SELECT 1; "])
@pytest.mark.parametrize("make", [_sqlite, _duckdb])
def test_no_other_file_is_attached_t28(
    make: Callable[[Path], str], start: str, tmp_path: Path
) -> None:
    url = make(tmp_path)
    query = f"{start}ATTACH '{tmp_path}/other.db' AS other"

    with pytest.raises(InputError) as caught:
        _spooled(url, tmp_path, query)

    assert caught.value.code is Reason.SOURCE
    assert not (tmp_path / "other.db").exists()


def test_sqlite_types_come_from_all_rows(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "late text": [None] * 3000 + ["007"] * 10,
            'real "x"': [1] * 3000 + [0.25] * 10,
            "n": range(3010, 0, -1),
        }
    )
    with closing(sqlite3.connect(tmp_path / "late.db")) as connection, connection:
        connection.execute('CREATE TABLE t ("late text", "real ""x""", n)')
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)",
            [(None, 1, 3010 - i) for i in range(3000)]
            + [("007", 0.25, 10 - i) for i in range(10)],
        )

    found = _read(
        _spooled(f"sqlite:///{tmp_path}/late.db", tmp_path, "SELECT * FROM t;")
    )

    pd.testing.assert_frame_equal(found, rows, check_dtype=False)
    assert found['real "x"'].dtype == "float64"


def test_times_of_duckdb_do_not_depend_on_the_zone_of_the_machine(
    tmp_path: Path,
) -> None:
    query = "SELECT TIMESTAMPTZ '2026-02-03 04:05:00+01' AS at"

    path = _spooled(_duckdb(tmp_path), tmp_path, query)

    assert pa.ipc.open_file(path).schema.field("at").type == pa.timestamp("us", "UTC")
    assert _read(path)["at"].tolist() == [pd.Timestamp("2026-02-03 03:05", tz="UTC")]


HOSTILE = 'x"; DROP TABLE flights; --'


def test_name_of_a_column_is_quoted_and_never_run_t27(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        ROWS.to_sql("flights", connection, index=False)
        quoted = '"' + HOSTILE.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE t ({quoted})")
        # The types differ after the first rows: names are put into a query of ours.
        late = [(1,)] * 70_000 + [("007",)]
        connection.executemany("INSERT INTO t VALUES (?)", late)
    url = f"sqlite:///{tmp_path / 'store.db'}"

    found = _read(_spooled(url, tmp_path, "SELECT * FROM t"))

    assert list(found.columns) == [HOSTILE]
    assert found[HOSTILE].iloc[[0, -1]].tolist() == ["1", "007"]
    assert len(_read(_spooled(url, tmp_path))) == 3


def test_postgresql_numeric_is_a_number_and_times_keep_their_type(
    server: str, tmp_path: Path
) -> None:
    query = (
        "SELECT 12.50::numeric AS price, DATE '2026-02-03' AS day, true AS open,"
        " TIMESTAMP '2026-02-03 04:05' AS at, '{}'::json AS j -- the end"
    )

    found = _read(_spooled(server, tmp_path, query))

    assert found["price"].tolist() == [12.5]
    assert found["at"].tolist() == [pd.Timestamp("2026-02-03 04:05")]
    assert found["open"].tolist() == [True]
    assert found["j"].tolist() == ["{}"]


def _rows(folder: Path, first: object, last: object) -> str:
    """Keep a column whose values may change their type after the first part."""
    with closing(sqlite3.connect(folder / "late.db")) as connection, connection:
        connection.execute("CREATE TABLE t (n, v)")
        rows = [(n, last if n >= 65_536 else first) for n in range(65_541)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    return f"sqlite+pysqlite:///{folder / 'late.db'}"


@pytest.mark.parametrize(
    ("first", "last", "dtype"),
    [
        (1, 0.25, "float64"),
        (None, 0.25, "float64"),
        (None, "007", "str"),
        (1, 2, "int64"),
    ],
)
def test_types_of_other_databases_come_from_all_rows(
    first: object, last: object, dtype: str, tmp_path: Path
) -> None:
    url = _rows(tmp_path, first, last)

    found = _read(_spooled(url, tmp_path, "SELECT n, v FROM t ORDER BY n"))

    assert len(found) == 65_541
    assert found["v"].dtype == dtype
    assert found["v"].iloc[-1] == last
    assert found["v"].iloc[0] == first or (first is None and pd.isna(found["v"][0]))
    assert found["n"].tolist() == list(range(65_541))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (1, "hunter2", r"holds int64 at first, and string in rows after 65,536"),
        ("hunter2", 1, r"'v' holds string at first, and int64"),
        (2**53 + 1, 0.5, r"'v' holds int64 that double cannot hold in rows after 0"),
    ],
)
def test_value_that_fits_no_type_is_an_error_and_not_lost(
    first: object, last: object, said: str, tmp_path: Path
) -> None:
    url = _rows(tmp_path, first, last)

    with pytest.raises(InputError, match=said) as caught:
        _spooled(url, tmp_path, "SELECT n, v FROM t ORDER BY n")

    assert caught.value.code is Reason.SOURCE
    assert "hunter2" not in str(caught.value)
    assert not list((tmp_path / "work").glob("sql-*"))


def test_types_mixed_within_the_first_rows_are_told_without_a_value(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(tmp_path / "mixed.db")) as connection, connection:
        connection.execute("CREATE TABLE t (v)")
        rows = [(1,), ("hunter2",), (None,)]
        connection.executemany("INSERT INTO t VALUES (?)", rows)
    url = f"sqlite+pysqlite:///{tmp_path / 'mixed.db'}"

    with pytest.raises(InputError, match="int and str in rows 1 to 3") as caught:
        _spooled(url, tmp_path, "SELECT v FROM t")

    assert "hunter2" not in str(caught.value)


def test_query_of_another_database_without_rows_is_empty(tmp_path: Path) -> None:
    path = _spooled(_other(tmp_path), tmp_path, "SELECT x, n FROM flights WHERE n > 9")

    with pytest.raises(InputError, match="must have rows") as caught:
        load_table(str(path), tmp_path, "reference", work=path.parent)

    assert caught.value.code is Reason.EMPTY


SLOW = {
    "sqlite": (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE "
        "x < 2000000000) SELECT max(x) AS x FROM c"
    ),
    "duckdb": (
        "SELECT count(*) AS x FROM range(1000000000) t(a), range(1000) u(b) "
        "WHERE a * b % 7 = 3"
    ),
    "postgresql": "SELECT 1 AS x FROM pg_sleep(60)",
}


@pytest.mark.parametrize("make", [_sqlite, _other, _duckdb])
def test_query_that_takes_too_long_is_given_up_t29(
    make: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readiness.sql.TIMEOUT_S", 0.4)
    url = make(tmp_path)
    slow = SLOW["duckdb" if url.startswith("duckdb") else "sqlite"]
    started = time.monotonic()

    with pytest.raises(InputError, match=r"it took longer than 0\.4 s") as caught:
        _spooled(url, tmp_path, slow)

    assert caught.value.code is Reason.SOURCE
    assert time.monotonic() - started < 30
    assert not list((tmp_path / "work").glob("sql-*"))


def test_postgresql_ends_a_query_that_takes_too_long_t29(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readiness.sql.TIMEOUT_S", 0.5)
    started = time.monotonic()

    with pytest.raises(InputError, match=r"timeout|longer than 0\.5 s"):
        _spooled(server, tmp_path, SLOW["postgresql"])

    assert time.monotonic() - started < 30
    monkeypatch.undo()
    busy = (
        "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
    )
    found = _read(_spooled(server, tmp_path, f"{busy} AND pid <> pg_backend_pid()"))
    assert found["n"].tolist() == [0]


def test_types_of_postgresql_do_not_depend_on_the_first_rows(
    server: str, tmp_path: Path
) -> None:
    query = (
        "SELECT i, CASE WHEN i > 100000 THEN 0.25::float8 END AS v, "
        "CASE WHEN i > 100000 THEN 'late' END AS s FROM generate_series(1, 100001) AS i"
    )

    found = _read(_spooled(server, tmp_path, query))

    assert found["v"].dropna().tolist() == [0.25]
    assert found["s"].dropna().tolist() == ["late"]
    assert len(found) == 100_001


def test_rows_beyond_the_cap_are_refused_t29(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readiness.sql.MAX_ROWS", 2)

    with pytest.raises(InputError, match="more than 2 rows") as caught:
        _spooled(_sqlite(tmp_path), tmp_path)

    assert caught.value.code is Reason.SOURCE


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cr3t@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=ann&password=s3cr3t",
        "sqlite:////nowhere/s3cr3t.db",
    ],
)
def test_absent_database_is_told_without_its_secrets_f056_t26(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="env:TEST_WAREHOUSE") as caught:
        _spooled(url, tmp_path)

    assert caught.value.code is Reason.SOURCE
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not list((tmp_path / "work").glob("sql-*"))


def test_wrong_password_is_not_repeated_t25(server: str, tmp_path: Path) -> None:
    wrong = server.replace("pw%2F%C3%A4%401", "not%2Fit")

    with pytest.raises(InputError) as caught:
        _spooled(wrong, tmp_path)

    assert "not/it" not in str(caught.value)
    assert "not%2Fit" not in str(caught.value)


def test_query_that_fails_half_way_leaves_nothing_f056(
    server: str, tmp_path: Path
) -> None:
    query = "SELECT 1 / (100000 - i) AS x FROM generate_series(1, 200000) AS i"

    with pytest.raises(InputError, match="division by zero") as caught:
        _spooled(server, tmp_path, query)

    assert caught.value.code is Reason.SOURCE
    assert not list((tmp_path / "work").glob("sql-*"))


@pytest.mark.parametrize("text", ["", "not an address"])
def test_empty_connection_says_what_it_must_hold(text: str, tmp_path: Path) -> None:
    (tmp_path / "where").write_text(text, encoding="utf-8")
    source = SqlSource(sql=QUERY, connection="file:where")

    with pytest.raises(InputError, match="must hold the address") as caught:
        spool_sql(source, tmp_path, "reference", tmp_path)

    assert caught.value.code is Reason.SOURCE


def test_address_may_be_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "where").write_text(_sqlite(tmp_path) + "\n", encoding="utf-8")
    source = SqlSource(sql=QUERY, connection="file:where")

    path = spool_sql(source, tmp_path, "reference", tmp_path / "work")

    assert len(_read(path)) == 3


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("for ann: s3", "postgresql://ann:s3@h/d", "for ***: ***"),
        ("key s4 and a b", "x://h/d?password=s4&k=a%20b", "key *** and ***"),
        ("all x://h/d", "x://h/d", "all ***"),
    ],
)
def test_masked_text_holds_no_secret_t26(text: str, url: str, shown: str) -> None:
    assert masked(text, url) == shown


def _case_file(reference: Mapping[str, str]) -> dict[str, object]:
    return {
        "name": "plain",
        "title": "From a warehouse",
        "model": {"callable": "none.py:f", "task": "binary", "features": ["x", "name"]},
        "data": {"reference": reference, "target": "y"},
    }


def test_case_reads_its_table_from_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE", _sqlite(tmp_path))
    file = CaseFile.model_validate(
        _case_file({"sql": QUERY, "connection": "env:WAREHOUSE"})
    )

    case = load_case(file, base=tmp_path, model=half)

    assert case.table("reference").n_rows == 3
    assert case.features == ("x", "name")


@pytest.mark.parametrize(
    "connection", ["postgresql://ann:s3cr3t@host/db", "env:", "WAREHOUSE", "env:A B"]
)
def test_literal_address_is_refused_t24(connection: str, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(
        'name = "plain"\ntitle = "t"\n[model]\npath = "m.skops"\ntask = "binary"\n'
        f'[data]\nreference = {{sql = "SELECT 1", connection = "{connection}"}}\n'
        'target = "y"\n',
        encoding="utf-8",
    )

    with pytest.raises(CaseError, match="env:NAME") as caught:
        load_case(path)

    assert "s3cr3t" not in str(caught.value)
