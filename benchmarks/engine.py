"""Measure the profile of two tables beside DuckDB, Polars, pandas and mere decoding.

Flights with their weather, drawn with replacement; continuous columns are jittered, so
that no dictionary helps the reader. Half of the rows are the reference, half current.
Each measurement is a fresh process; the sizes and sides alternate within a round.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from page import own_cost, write_section

from readiness import __version__
from readiness.flights import FEATURES, demo_case, user_cache

TITLE = "## The profile of two tables, by their size"
SIDES = ("decode", "ours", "polars", "polars_quantiles", "duckdb", "pandas")
WORDS = {
    "decode": "pyarrow, decoding alone",
    "ours": "readiness: counts, moments, 1,024 edges, distinct values, categories",
    "polars": "Polars, streaming, by hand: 20 edges, approximate distinct values",
    "polars_quantiles": "the same and seven approximate quantiles, error 1/1,024",
    "duckdb": "DuckDB, SQL: 20 edges, approximate distinct values",
    "pandas": "pandas and numpy: 20 edges, seven quantiles, distinct values",
}
FILE_ROWS, GROUP_ROWS = 1_000_000, 250_000
BESIDE = ("scheduled", "tailnum", "late")
JITTERED = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "pressure", "distance")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def write_rows(folder: Path, n_rows: int) -> None:
    """Write the two tables once, in files of a million rows at most."""
    if (folder / "done").exists():
        return
    source = pq.read_table(
        demo_case().with_name("current.parquet"), columns=[*FEATURES, *BESIDE]
    )
    minute = source.schema.get_field_index("scheduled")
    source = source.set_column(
        minute, "scheduled", source.column("scheduled").cast("int64")
    )
    rng = np.random.default_rng(7)
    for name in ("reference", "current"):
        for number, start in enumerate(range(0, n_rows // 2, FILE_ROWS)):
            size = min(FILE_ROWS, n_rows // 2 - start)
            rows = source.take(pa.array(rng.integers(0, source.num_rows, size)))
            for column in JITTERED:
                place = rows.schema.get_field_index(column)
                values = rows.column(column).to_numpy().astype(float)
                moved = pa.array(values + rng.normal(0, 0.1, size), from_pandas=True)
                rows = rows.set_column(place, column, moved)
            path = folder / f"{name}-{number:03d}.parquet"
            pq.write_table(rows, path, row_group_size=GROUP_ROWS)
    (folder / "done").touch()


def kinds_of(path: Path) -> dict[str, str]:
    """Return which columns are numbers and which are categories."""
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    return {
        one.name: "categorical" if any(is_(one.type) for is_ in texts) else "numeric"
        for one in pq.read_schema(path)
    }


def decode(folder: Path) -> None:
    """Read every row group, on two threads, and drop it."""

    def read(path: Path, group: int) -> int:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group).num_rows

    paths = sorted(folder.glob("*.parquet"))
    todo = [
        (path, group)
        for path in paths
        for group in range(pq.read_metadata(path).num_row_groups)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: read(*one), todo))


def ours(folder: Path) -> None:
    """Profile the reference, and the current rows at its edges."""
    from readiness.column_profiles import profiles_of  # noqa: PLC0415 (a side of its own)
    from readiness.tables import load_table  # noqa: PLC0415

    reference, current = (
        load_table(f"{one}-*.parquet", folder, one) for one in ("reference", "current")
    )
    kinds = kinds_of(next(folder.glob("*.parquet")))
    profiles_of(current, kinds, profiles_of(reference, kinds))


def edges_of(folder: Path) -> dict[str, list[float]]:
    """Return twenty edges of every number, from a part of the reference."""
    with pq.ParquetFile(folder / "reference-000.parquet") as file:
        part = file.read_row_group(0)
    kinds = kinds_of(folder / "reference-000.parquet")
    shares = np.linspace(0.05, 0.95, 20)
    return {
        name: np.nanquantile(
            part.column(name).to_numpy().astype(float), shares
        ).tolist()
        for name, kind in kinds.items()
        if kind == "numeric"
    }


def polars(folder: Path, quantiles: Sequence[float] = ()) -> None:
    """Ask the same of Polars, written by hand and streamed."""
    import polars as pl  # noqa: PLC0415 (a side of its own)

    edges, kinds = edges_of(folder), kinds_of(folder / "reference-000.parquet")
    for table in ("reference", "current"):
        rows = pl.scan_parquet(folder / f"{table}-*.parquet")
        asked = []
        for name, cuts in edges.items():
            x = pl.col(name)
            asked += [
                x.count().alias(f"{name} n"),
                x.null_count().alias(f"{name} null"),
                x.min().alias(f"{name} min"),
                x.max().alias(f"{name} max"),
                x.mean().alias(f"{name} mean"),
                x.std().alias(f"{name} std"),
                x.approx_n_unique().alias(f"{name} distinct"),
            ]
            if quantiles:
                some = x.approx_quantile(list(quantiles), error=1 / 1024)
                asked.append(some.alias(f"{name} quantiles"))
            asked += [(x <= e).sum().alias(f"{name} {n}") for n, e in enumerate(cuts)]
        rows.select(asked).collect(engine="streaming")
        for name in (one for one, kind in kinds.items() if kind != "numeric"):
            rows.group_by(name).len().collect(engine="streaming")


def polars_quantiles(folder: Path) -> None:
    """Ask Polars for all that we answer, quantiles included."""
    polars(folder, QUANTILES)


def duckdb(folder: Path) -> None:
    """Ask the same of DuckDB, in the shape of SQL that was the fastest."""
    import duckdb as engine  # noqa: PLC0415 (a side of its own)

    edges, kinds = edges_of(folder), kinds_of(folder / "reference-000.parquet")
    for table in ("reference", "current"):
        rows = f"read_parquet('{folder}/{table}-*.parquet')"
        asked = [
            f"count({name}), min({name}), max({name}), avg({name}), stddev({name}), "
            f"approx_count_distinct({name}), histogram({name}, {cuts})"
            for name, cuts in edges.items()
        ]
        several = [f"SELECT count(*), {', '.join(asked)} FROM {rows}"]  # noqa: S608 (own names)
        several += [
            f"SELECT {name}, count(*) FROM {rows} GROUP BY {name}"  # noqa: S608 (own names)
            for name, kind in kinds.items()
            if kind != "numeric"
        ]
        for query in several:
            engine.sql(query).fetchall()


def pandas(folder: Path) -> None:
    """Ask the same of pandas, each table in memory."""
    import pandas as pd  # noqa: PLC0415 (a side of its own)

    edges = edges_of(folder)
    for table in ("reference", "current"):
        paths = sorted(folder.glob(f"{table}-*.parquet"))
        rows = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
        for name, values in rows.items():
            values.nunique()
            if name in edges:
                x = values.to_numpy(float)
                values.describe()
                values.quantile(list(QUANTILES))
                np.histogram(x[~np.isnan(x)], bins=[-np.inf, *edges[str(name)], np.inf])
            else:
                values.value_counts(dropna=False)


def measured(side: str, folder: Path) -> tuple[float, float, float]:
    """Return wall and CPU seconds and the peak memory of one fresh process."""
    started = time.perf_counter()
    told = subprocess.run(  # noqa: S603 (this file)
        [sys.executable, __file__, "--side", side, "--folder", folder],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    wall = time.perf_counter() - started
    cpu, peak = map(float, told.split())
    return wall, cpu, peak


def section(sizes: list[int], rounds: int) -> str:
    """Measure every side at every size, and return the section."""
    best: dict[tuple[int, str], tuple[float, float, float]] = {}
    for n_rows in sizes:
        folder = user_cache() / "benchmark" / f"engine-{n_rows}"
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder, n_rows)
        for _ in range(rounds):
            for side in SIDES:
                found = measured(side, folder)
                print(json.dumps([n_rows, side, *found]), flush=True)
                best[n_rows, side] = min(best.get((n_rows, side), found), found)
    lines = [
        TITLE,
        "",
        (
            "Flights drawn with replacement, 20 columns, half reference and half "
            f"current; best of {rounds} fresh processes each, imports included."
        ),
        (
            f"readiness {__version__}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores. Made by `python benchmarks/engine.py --rows "
            f"{' '.join(map(str, sizes))}`."
        ),
        "",
        "| rows | how | wall | CPU | peak | wall: ours ÷ theirs |",
        "|---|---|---|---|---|---|",
    ]
    for (n_rows, side), (wall, cpu, peak) in best.items():
        share = best[n_rows, "ours"][0] / wall
        lines.append(
            f"| {n_rows:,} | {WORDS[side]} | {wall:.2f} s | {cpu:.2f} s | "
            f"{peak:.0f} MB | {share:.2f} |"
        )
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        slope = {
            side: (best[last, side][0] - best[first, side][0]) / (last - first) * 1e6
            for side in SIDES
        }
        lines += [
            "",
            (
                f"From {first:,} to {last:,} rows, a further million takes "
                f"{slope['ours']:.3f} s; its mere decoding takes "
                f"{slope['decode']:.3f} s "
                f"({slope['ours'] / slope['decode']:.1f} times)."
            ),
        ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure one side, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side:
        globals()[given.side](given.folder)
        print(*own_cost())
        return
    write_section(TITLE, section(given.rows, given.rounds))


if __name__ == "__main__":
    main()
