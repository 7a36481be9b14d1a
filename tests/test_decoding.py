"""T06: a small file that would fill the memory ends in an error."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from readiness import csv_text, decoding, pieces
from readiness.errors import InputError, Reason
from readiness.tables import load_table

MEMORY_MB = 700  # of a process that has pandas and pyarrow, and 512 MB of rows
LOAD = """
import json, sys
from pathlib import Path
from readiness.errors import ReadinessError
from readiness.tables import load_table

said = ["", ""]
try:
    table = load_table(sys.argv[1], Path("."), "reference", work=Path("work"))
    for batch in table.batches():
        pass
except ReadinessError as error:
    said = [str(error.code), str(error)]
peak = [one for one in Path("/proc/self/status").read_text().splitlines()
        if one.startswith("VmHWM")][0]
print(json.dumps([*said, int(peak.split()[1]) / 1024]))
"""


def constant_numbers(path: Path) -> None:
    """Write 200 million zeros: 1.6 GB of numbers."""
    part = pa.table({"x": np.zeros(10_000_000)})
    with pq.ParquetWriter(path, part.schema) as writer:
        for _ in range(20):
            writer.write_table(part, row_group_size=10_000_000)


def one_row_group(path: Path) -> None:
    """Write 200 million zeros to be read at once."""
    rows = pa.table({"x": np.zeros(200_000_000)})
    pq.write_table(rows, path, row_group_size=200_000_000)


def long_text(path: Path) -> None:
    """Write one text of a megabyte 1,600 times: stored once, by a number each."""
    text = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(1600, dtype="int32")), pa.array(["x" * 1_000_000])
    )
    rows = pa.table({"s": text, "n": np.arange(1600)})
    pq.write_table(rows, path, compression="zstd", store_schema=False)


def long_texts_among_many(path: Path) -> None:
    """Write 256 texts of 4,000 letters, drawn so often that they take a byte each."""
    drawn = np.random.default_rng(0).integers(0, 256, 400_000).astype("int32")
    texts = pa.array([f"{n}{'x' * 4000}" for n in range(256)])
    rows = pa.table({"s": pa.DictionaryArray.from_arrays(pa.array(drawn), texts)})
    pq.write_table(
        rows,
        path,
        compression="zstd",
        dictionary_pagesize_limit=2**24,
        store_schema=False,
    )


def packed_pages(path: Path) -> None:
    """Write long different texts that pack a thousand times and more."""
    tail = "x" * 1_000_000
    rows = pa.table({"s": [f"{n}{tail}" for n in range(1600)]})
    pq.write_table(
        rows, path, compression="zstd", compression_level=9, use_dictionary=False
    )


def packed_lines(path: Path) -> None:
    """Write 1.6 GB of lines by gzip."""
    with gzip.open(path, "wb") as stream:
        stream.write(b"a,b\n")
        for _ in range(400):
            stream.write(b"1,2\n" * 1_000_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "name", "match"),
    [
        (constant_numbers, "t.parquet", "times the"),
        (one_row_group, "t.parquet", "times the"),
        (long_text, "t.parquet", "Row group 0 of the file"),
        (long_texts_among_many, "t.parquet", "Row group 0 of the file"),
        (packed_pages, "t.parquet", "Row group 0 of the file"),
        (packed_lines, "t.csv.gz", "unpacks to more than"),
    ],
)
def test_small_file_of_more_than_a_gigabyte_is_refused_within_memory_t06(
    write: Callable[[Path], None], name: str, match: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 2_000_000

    ended = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", LOAD, name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    code, said, peak_mb = json.loads(ended.stdout)
    assert code == "INPUT_FORMAT"
    assert match in said
    assert peak_mb < MEMORY_MB


def test_text_stored_once_is_counted_before_it_is_written_out_t06(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "FREE_BYTES", 10_000_000)
    text = pa.array(["x" * 100_000] * 400)
    rows = pa.table({"s": text.dictionary_encode(), "n": range(400)})
    pq.write_table(rows, tmp_path / "t.parquet", store_schema=False)
    table = load_table("t.parquet", tmp_path, "reference")
    before = pa.total_allocated_bytes()

    with pytest.raises(InputError, match="more than 1,000 times") as bad:
        pieces.read_piece(table.pieces[0], table.schema, {})

    assert bad.value.code is Reason.INPUT_FORMAT
    assert pa.total_allocated_bytes() - before < 5_000_000


def test_rows_that_are_few_bytes_each_are_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "FREE_BYTES", 1_000)
    monkeypatch.setattr(decoding, "FREE_IN_ALL", 1_000)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "x": rng.normal(size=20_000),
            "s": rng.choice(["AA", "DL", "a much longer name"], 20_000),
            "id": [f"id {n}" for n in range(20_000)],
            "c": 1,
        }
    )
    rows.to_parquet(tmp_path / "t.parquet")

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.pieces[0].thin == ("s", "id")
    pd.testing.assert_frame_equal(table.take(np.arange(20_000)), rows)


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()],
    ids=str,
)
def test_texts_read_as_codes_keep_their_type_and_nulls(
    kind: pa.DataType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "FREE_BYTES", 10_000)
    cells = ["a", None, "b", "a"] * 500
    values = pa.array([one and one.encode() for one in cells], pa.binary())
    pq.write_table(pa.table({"s": values.cast(kind)}), tmp_path / "t.parquet")

    table = load_table("t.parquet", tmp_path, "reference")

    assert table.pieces[0].thin == ("s",)
    found = table.column("s")
    assert found.type == table.schema.field("s").type
    assert found.cast(pa.string()).to_pylist() == cells


def test_compressed_text_is_counted_while_it_is_unpacked_t06(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "FREE_BYTES", 2_000_000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))

    with pytest.raises(InputError, match="unpacks to more than 2 MB") as caught:
        load_table("t.csv.gz", tmp_path, "reference", work=tmp_path / "work")

    assert caught.value.code is Reason.INPUT_FORMAT
    assert list((tmp_path / "work").iterdir()) == []
