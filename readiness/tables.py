"""Tables as streams of Arrow batches whose pandas types stay the same."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from operator import call
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from readiness.config import ColumnSection
from readiness.errors import InputError, Reason
from readiness.pieces import BATCH_ROWS, Piece, Task, categories, read_piece
from readiness.schemas import (
    PROBLEM,
    arrow_of_frame,
    clean_schema,
    hash_rows,
    retyped_by_nulls,
)
from readiness.source_config import FileSource
from readiness.table_files import find_table_files


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows that stream as Arrow record batches, in file order.

    Parameters
    ----------
    name : str
        ``"training"``, ``"reference"`` or ``"current"``.
    schema : pyarrow.Schema
        Columns without any stored pandas index; dictionary columns share one
        dictionary in all batches.
    n_rows : int
        At least 1.
    sha256 : str
        Hash of the file, of the hashes of several files, or of the Arrow bytes.
    files : tuple of str
        Names of the files, relative to the case.
    pieces : tuple of Piece
        What is read together.
    dictionaries : mapping of str to pyarrow.Array
        The categories of every dictionary column of a file.
    cluster : str
        Address of the cluster that counts its pieces; empty: this process.
    with_nulls : frozenset of str
        Integer and boolean columns that hold a null in any row: pandas keeps
        these as float64 and object, so every batch must.
    left_out : mapping of str to int
        Rows of the files that are no rows of the table, by reason; not in `n_rows`.
    """

    name: str
    schema: pa.Schema
    n_rows: int
    sha256: str
    files: tuple[str, ...]
    pieces: tuple[Piece, ...]
    dictionaries: Mapping[str, pa.Array] = field(default_factory=dict)
    with_nulls: frozenset[str] = frozenset()
    cluster: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def problems(self) -> Mapping[str, Reason]:
        """Columns no model or summary can use, with the reason."""
        return {
            one.name: Reason(one.metadata[PROBLEM].decode())
            for one in self.schema
            if one.metadata and PROBLEM in one.metadata
        }

    def coded(self) -> "Table":
        """Return the table with its texts as codes, each batch with a dictionary."""
        schema = self.schema
        for place, one in enumerate(schema):
            if pa.types.is_string(one.type):
                kind = pa.dictionary(pa.int32(), pa.string())
                schema = schema.set(place, one.with_type(kind))
        return replace(self, schema=schema)

    def tasks(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
    ) -> list[Task]:
        """Return one picklable reader per piece, in file order.

        Parameters
        ----------
        columns : sequence of str, optional
            Names in the order wanted; all columns when None.
        batch_rows : int
            The most rows of a batch.

        Returns
        -------
        list of callable
            Each returns record batches.
        """
        names = self.schema.names if columns is None else list(columns)
        schema = self._part(names)
        wanted = {key: one for key, one in self.dictionaries.items() if key in names}
        read = partial(
            read_piece, schema=schema, dictionaries=wanted, batch_rows=batch_rows
        )
        return [partial(read, piece) for piece in self.pieces]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows as record batches of at most 65,536 rows, in file order."""
        for task in self.tasks(columns):
            yield from task()

    def frame(self, rows: pa.RecordBatch | pa.Table) -> pd.DataFrame:
        """Return rows of this table with the dtypes pandas gives the whole table.

        Parameters
        ----------
        rows : pyarrow.RecordBatch or pyarrow.Table
            Any rows and columns of this table.

        Returns
        -------
        pandas.DataFrame
            With a fresh index; dtypes as `pandas.read_parquet` of the whole file.
        """
        if isinstance(rows, pa.RecordBatch):
            rows = pa.Table.from_batches([rows])
        rows = rows.replace_schema_metadata(self.schema.metadata)
        frame: pd.DataFrame = rows.to_pandas()
        for name in self.with_nulls.intersection(frame.columns):
            dtype = frame[name].dtype
            if isinstance(dtype, np.dtype) and dtype.kind in "iu":
                frame[name] = frame[name].astype("float64")
            elif dtype == np.dtype(bool):
                frame[name] = frame[name].astype(object)
        return frame

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column; raises KeyError for an unknown name."""
        with ThreadPoolExecutor() as pool:
            parts = list(pool.map(call, self.tasks([name])))
        chunks = [batch.column(0) for batches in parts for batch in batches]
        return pa.chunked_array(chunks, type=self.schema.field(name).type)

    def take(
        self, rows: npt.NDArray[np.int64], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return chosen rows as a frame, in the order asked for.

        Parameters
        ----------
        rows : (n,) array of int
            Positions, 0 ≤ row < n_rows; repeats are allowed.
        columns : sequence of str, optional
            Names in the order wanted; all columns when None.

        Returns
        -------
        pandas.DataFrame
            n rows with the dtypes of the whole table and a fresh index.
        """
        names = self.schema.names if columns is None else list(columns)
        rows = np.asarray(rows, dtype=np.int64)
        starts = np.cumsum([0, *(piece.n_rows for piece in self.pieces)])
        owner = np.searchsorted(starts, rows, side="right") - 1
        parts, order = [], []
        tasks = self.tasks(names)
        for index in np.unique(owner):
            here = np.flatnonzero(owner == index)
            piece = pa.Table.from_batches(tasks[index]())
            parts.append(piece.take(pa.array(rows[here] - starts[index])))
            order.append(here)
        if not parts:
            return self.frame(self._part(names).empty_table())
        back = np.argsort(np.concatenate(order), kind="stable")
        return self.frame(pa.concat_tables(parts).take(pa.array(back)))

    def _part(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in names])


def load_table(
    source: str | FileSource,
    base: Path,
    name: str,
    *,
    work: Path | None = None,
    time: str | None = None,
    columns: Mapping[str, ColumnSection] | None = None,
) -> Table:
    """Open a table for streaming; only its description is read.

    Parameters
    ----------
    source : str or FileSource
        A path, a glob or a partitioned folder of Parquet or CSV files, relative to
        `base`; or these with a span of time and with how CSV is written.
    base : pathlib.Path
        Folder of the case file.
    name : str
        Name of the table.
    work : pathlib.Path, optional
        Private folder for the Parquet copy of a CSV file.
    time, columns : str, mapping of str to ColumnSection, optional
        The time column, for a span; declared kinds and formats, for CSV.

    Raises
    ------
    CaseError
        When a span is asked for and the time column is absent or no time.
    InputError
        INPUT when a file cannot be read; INPUT_FORMAT when it is no whole Parquet or
        CSV file, decodes to far more than it holds, differs from the others in its
        columns, or repeats a name; EMPTY when there is no row.
    """
    if isinstance(source, str):
        source = FileSource(path=source)
    found = find_table_files(
        source, base, name, work=work, time=time, columns=columns or {}
    )
    n_rows = sum(piece.n_rows for piece in found.pieces)
    if not n_rows and found.left_out:
        msg = (
            f"The {name} table must have rows from {source.since or 'the beginning'} "
            f"until {source.until or 'the end'}; none of its "
            f"{sum(found.left_out.values()):,} rows lies there. Correct the span."
        )
        raise InputError(msg, Reason.EMPTY)
    return _finish(
        Table(
            name=name,
            schema=found.schema,
            n_rows=n_rows,
            sha256=found.sha256,
            files=tuple(_display(path, base) for path in found.paths),
            pieces=found.pieces,
            left_out=found.left_out,
        ),
        found.nulls,
    )


def _display(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else path.name


def table_from_frame(frame: Any, name: str) -> Table:  # noqa: ANN401 (whatever speaks Arrow)
    """Return a table over rows in memory.

    Parameters
    ----------
    frame : pandas.DataFrame, pyarrow.Table or whatever streams as Arrow
        Column names are used as text; the index is ignored.
    name : str
        Name of the table.

    Raises
    ------
    InputError
        INPUT_FORMAT for several levels or repeated names; EMPTY without a row.
    """
    rows = arrow_of_frame(frame, name)
    schema = clean_schema(rows.schema, name)
    rows = rows.select(schema.names).unify_dictionaries().cast(schema)
    rows = rows.combine_chunks()
    pieces = tuple(
        Piece(n_rows=part.num_rows, rows=part)
        for start in range(0, rows.num_rows, BATCH_ROWS)
        for part in [rows.slice(start, BATCH_ROWS)]
    )
    table = Table(
        name=name,
        schema=schema,
        n_rows=rows.num_rows,
        sha256=hash_rows(rows),
        files=("(in memory)",),
        pieces=pieces,
    )
    return _finish(table, {key: rows.column(key).null_count for key in schema.names})


def _finish(table: Table, nulls: Mapping[str, int | None]) -> Table:
    """Freeze what the pandas types of a batch must not find out for themselves."""
    for what, there in (("rows", table.n_rows), ("columns", table.schema.names)):
        if not there:
            msg = f"The {table.name} table must have {what}; it has none."
            raise InputError(msg, Reason.EMPTY)
    with_nulls = set()
    for name in retyped_by_nulls(table.schema):
        n_nulls = nulls.get(name)
        if n_nulls is None:
            n_nulls = table.column(name).null_count
        if n_nulls:
            with_nulls.add(name)
    dictionaries = {
        one.name: categories(table.pieces, one)
        for one in table.schema
        if pa.types.is_dictionary(one.type) and table.pieces[0].path
    }
    return replace(table, with_nulls=frozenset(with_nulls), dictionaries=dictionaries)
