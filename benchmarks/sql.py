"""Measure reading a table from a database beside `pandas.read_sql`, in fresh processes.

The flights, drawn again with replacement, as a table of SQLite and of PostgreSQL. Our
side is what a run does: the query is spooled into a private file and every row of it is
read from there as Arrow batches. pandas has nothing to keep: it returns a frame. pandas
reads PostgreSQL through SQLAlchemy and psycopg, no dependency of ours: it has an
environment of its own.
"""

import argparse
import importlib
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from operator import call
from pathlib import Path

TITLE = "## Tables from a database"
TABLE = "flights"
QUERY = f"SELECT * FROM {TABLE}"  # noqa: S608 (our own words)
VARIABLE = "BENCHMARK_DATABASE"
# A process of its own, so that pandas needs nothing of ours installed beside it.
PANDAS = """
import os, sqlite3, sys, time
import pandas as pd

url = os.environ["BENCHMARK_DATABASE"]
if url.startswith("sqlite"):
    connect = lambda: sqlite3.connect(url.removeprefix("sqlite:///"))
else:
    import sqlalchemy
    engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg"))
    connect = engine.connect
start, used = time.perf_counter(), time.process_time()
with connect() as connection:
    found = len(pd.read_sql(sys.argv[1], connection))
work_s, cpu_s = time.perf_counter() - start, time.process_time() - used
lines = open("/proc/self/status").read().splitlines()
peak = next(one for one in lines if one.startswith("VmHWM"))
print(found, work_s, cpu_s, int(peak.split()[1]) / 1024)
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One process: the rows it read, and what it cost."""

    n_rows: int
    work_s: float
    cpu_s: float
    peak_mb: float


def fill(url: str, path: Path) -> None:
    """Put the rows of a Parquet file into a database, as its types allow."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (not in the parent)

    if url.startswith("sqlite"):
        frame = pq.read_table(path).to_pandas()
        with (
            closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection,
            connection,
        ):
            frame.to_sql(TABLE, connection, index=False, chunksize=50_000)
        return
    from adbc_driver_postgresql import (  # type: ignore[import-untyped]  # noqa: PLC0415 (has no types)
        dbapi,
    )

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(TABLE, pq.read_table(path), mode="create")
        connection.commit()


def write_rows(path: Path, n_rows: int) -> None:
    """Write flights drawn with replacement."""
    import numpy as np  # noqa: PLC0415 (not in the parent)
    import pandas as pd  # noqa: PLC0415 (not in the parent)

    from readiness.flights import demo_case  # noqa: PLC0415 (not in the parent)

    folder = demo_case().parent
    names = ("training", "reference", "current")
    rows = pd.concat([pd.read_parquet(folder / f"{name}.parquet") for name in names])
    drawn = np.random.default_rng(0).integers(0, len(rows), n_rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.iloc[drawn].to_parquet(path, index=False)


def import_drivers() -> None:
    """Import what both sides need before the clock starts."""
    for name in ("adbc_driver_sqlite.dbapi", "adbc_driver_postgresql.dbapi"):
        importlib.import_module(name)
    for name in ("sql", "tables"):
        importlib.import_module(f"readiness.{name}")


def ours() -> int:
    """Spool the query, read every row of it, and return how many there are."""
    from readiness.source_config import SqlSource  # noqa: PLC0415 (measured)
    from readiness.sql import spool_sql  # noqa: PLC0415 (measured)
    from readiness.tables import load_table  # noqa: PLC0415 (measured)

    source = SqlSource(sql=QUERY, connection=f"env:{VARIABLE}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        path = spool_sql(source, work, "reference", work)
        table = load_table(str(path), work, "reference", work=work)
        with ThreadPoolExecutor() as pool:
            parts = pool.map(call, table.tasks())
            return sum(batch.num_rows for batches in parts for batch in batches)


def bare() -> int:
    """Read the query by its driver alone, and return how many rows there are."""
    from readiness.sql_readers import Question, reader_of  # noqa: PLC0415 (measured)

    url = os.environ[VARIABLE]
    question = Question(url=url, query=QUERY, folder=Path(), timeout_s=3600)
    with reader_of(url)(question) as reader:
        return sum(batch.num_rows for batch in reader)


SIDES = {"ours": ours, "bare": bare}


def measure(side: str, url: str, python: str) -> Measured:
    """Run one side in a fresh process."""
    own = [sys.executable, __file__, "--side", side]
    command = [python, "-c", PANDAS, QUERY] if side == "pandas" else own
    told = subprocess.run(  # noqa: S603 (our own words)
        command,
        env={**os.environ, VARIABLE: url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    return Measured(
        n_rows=int(told[0]),
        work_s=float(told[1]),
        cpu_s=float(told[2]),
        peak_mb=float(told[3]),
    )


def rounds(url: str, python: str, n_rounds: int) -> Mapping[str, Measured]:
    """Return the best of alternating rounds of each side."""
    done = [
        {side: measure(side, url, python) for side in ("ours", "pandas", "bare")}
        for _ in range(n_rounds)
    ]
    return {
        side: min((one[side] for one in done), key=lambda one: one.work_s)
        for side in done[0]
    }


def section(n_rows: int, n_rounds: int, python: str) -> str:
    """Measure and return the section of the page."""
    import pandas as pd  # noqa: PLC0415 (for its version)

    from readiness import __version__  # noqa: PLC0415 (for its version)
    from readiness.flights import user_cache  # noqa: PLC0415 (not in the processes)
    from tests import postgres  # noqa: PLC0415 (the tests' own server)

    rows = user_cache() / "benchmark" / f"sql-{n_rows}.parquet"
    if not rows.exists():
        write_rows(rows, n_rows)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"SQLite": f"sqlite:///{folder}/rows.db"}
        urls["PostgreSQL"] = stack.enter_context(postgres.server())
        best = {}
        for name, url in urls.items():
            fill(url, rows)
            best[name] = rounds(url, python, n_rounds)
    for name, sides in best.items():
        if len({one.n_rows for one in sides.values()} | {n_rows}) != 1:
            msg = f"{name}: the sides did not read the same rows."
            raise SystemExit(msg)
    said = {
        "ours": "readiness: spooled, hashed and read again",
        "pandas": "pandas.read_sql",
        "bare": "the same driver, nothing kept",
    }
    ratios = {
        name: sides["pandas"].work_s / sides["ours"].work_s
        for name, sides in best.items()
    }
    goal = "met" if min(ratios.values()) >= 3 else "**missed**"  # noqa: PLR2004 (the goal)
    told = ", ".join(f"{ratio:.1f} times on {name}" for name, ratio in ratios.items())
    used = ", ".join(
        f"{sides['pandas'].cpu_s / sides['ours'].cpu_s:.1f} times on {name}"
        for name, sides in best.items()
    )
    lines = [
        TITLE,
        "",
        (
            f"{n_rows:,} flights of 20 columns, drawn with replacement, every row of "
            f"`{QUERY}`. The best of {n_rounds} alternating rounds, each a fresh "
            "process; work and CPU are of connecting and reading, without imports "
            "and without the server. readiness "
            f"{__version__}, pandas {pd.__version__} with sqlite3 and with psycopg "
            f"through SQLAlchemy, {os.cpu_count()} cores shared with the server and "
            f"with other work, {platform.system()} {platform.machine()}."
        ),
        "Made by `python benchmarks/sql.py`.",
        "",
        "| database | how | work | CPU | peak | work: ours ÷ theirs |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {said[side]} | {one.work_s:.2f} s | {one.cpu_s:.2f} s | "
            f"{one.peak_mb:.0f} MB | {sides['ours'].work_s / one.work_s:.2f} |"
            for name, sides in best.items()
            for side, one in sides.items()
        ),
        "",
        (
            f"pandas takes {told} as long, and {used} as much CPU time, which other "
            f"work on the machine disturbs less. The goal of 3 times is {goal}."
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure one side, or all and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pandas-python", help="default: one of its own, made here")
    parser.add_argument("--side", choices=list(SIDES))
    given = parser.parse_args()
    from page import own_cost, write_section  # noqa: PLC0415 (beside this file)

    if given.side is None:
        from compare import make_environment  # noqa: PLC0415 (beside this file)

        python = given.pandas_python or str(make_environment("pandas"))
        text = section(given.rows, given.rounds, python)
        write_section(TITLE, text)
        print(text)
        return
    import_drivers()
    start, used = time.perf_counter(), time.process_time()
    found = SIDES[given.side]()
    work_s, cpu_s = time.perf_counter() - start, time.process_time() - used
    print(found, work_s, cpu_s, own_cost()[1])


if __name__ == "__main__":
    main()
