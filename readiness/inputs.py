"""What a case names, loaded: its tables and its model, from files or from memory."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from readiness.config import CaseFile, DataSection
from readiness.errors import CaseError
from readiness.models import Model, load_model, wrap_model
from readiness.source_config import FileSource, SqlSource
from readiness.sparkfile import is_spark, spool_spark
from readiness.sql import spool_sql
from readiness.tables import Table, load_table, table_from_frame
from readiness.trust import Loaded

TABLES = ("training", "reference", "current")


def private_folder(work: Path | None, left: contextlib.ExitStack) -> Path:
    """Return the folder of a run as it is given, or a temporary one.

    Parameters
    ----------
    work : pathlib.Path or None
        None makes a temporary folder.
    left : contextlib.ExitStack
        Removes the temporary folder when it is closed.
    """
    if work is not None:
        return work
    folder = tempfile.TemporaryDirectory(
        prefix="readiness-", ignore_cleanup_errors=True
    )
    return Path(left.enter_context(folder))


def load_tables(
    file: CaseFile,
    base: Path,
    folder: Path,
    *,
    frames: Mapping[str, pd.DataFrame | pa.Table] | None,
    current: Path | None,
) -> Mapping[str, Table]:
    """Return the tables of a case by name, from files or from memory.

    Parameters
    ----------
    file, base, frames, current
        As `case.load_case`.
    folder : pathlib.Path
        Private folder for the Parquet copies of CSV files, queries and Spark tables.

    Raises
    ------
    CaseError
        When `frames` holds no reference, or another name than a table's.
    InputError
        As `tables.load_table`.
    """
    if frames is not None:
        unknown = set(frames) - set(TABLES)
        if unknown or "reference" not in frames:
            msg = (
                f"frames must hold 'reference' and may hold 'training' and 'current'; "
                f"it holds {sorted(frames)!r}."
            )
            raise CaseError(msg)
        return {
            name: _of_frame(frames[name], name, folder)
            for name in TABLES
            if name in frames
        }
    return {
        name: _loaded(source, base, name, folder, file)
        for name, source in sources_of(file.data, current).items()
    }


def _of_frame(frame: Any, name: str, folder: Path) -> Table:  # noqa: ANN401 (whatever speaks Arrow)
    if is_spark(frame):
        return load_table(
            str(spool_spark(frame, name, folder).absolute()), folder, name
        )
    return table_from_frame(frame, name)


def sources_of(
    data: DataSection, current: Path | None
) -> Mapping[str, FileSource | SqlSource]:
    """Return where the tables of a case come from, by name.

    Parameters
    ----------
    data : DataSection
        Of the case file.
    current : pathlib.Path or None
        A file in place of ``data.current``: of the same writing, all of its rows.
    """
    newest = data.current
    if current is not None:
        usual = newest if isinstance(newest, FileSource) else FileSource(path="-")
        path = os.path.abspath(current)  # noqa: PTH100 (resolve would follow links)
        span = {"since": None, "until": None}
        newest = usual.model_copy(update={"path": path, **span})
    named = {"training": data.training, "reference": data.reference, "current": newest}
    return {
        name: FileSource(path=source) if isinstance(source, str) else source
        for name, source in named.items()
        if source is not None
    }


def _loaded(
    source: FileSource | SqlSource,
    base: Path,
    name: str,
    folder: Path,
    file: CaseFile,
) -> Table:
    if isinstance(source, SqlSource):
        path = spool_sql(source, base, name, folder).absolute()
        table = load_table(str(path), base, name, work=folder.absolute())
        return replace(table, files=(f"query of {source.connection}",))
    return load_table(
        source, base, name, work=folder, time=file.data.time, columns=file.columns
    )


def model_of(file: CaseFile, base: Path, model: object | None) -> Model:
    """Return the model passed in memory, or the one the case names."""
    if model is None:
        return load_model(file.model, base)
    loaded = Loaded(
        found=model, format="object", sha256=None, trusted_by="passed in memory"
    )
    return wrap_model(loaded, file.model)


def outputs_of(model: Model, tables: Mapping[str, Table]) -> str:
    """Return what a model gives: stored predictions tell by their type.

    Fractions of a binary case are probabilities; anything else names a class.
    """
    if model.column is None or model.task == "regression":
        return model.outputs
    kind = tables["reference"].schema.field(model.column).type
    is_fraction = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return "probability" if is_fraction and model.task == "binary" else "class"


def model_key(model: Model, file: CaseFile) -> str:
    """Return what names the model in the cache of a run.

    An installed function keeps its name; an object in memory has none.
    """
    if model.format == "object":
        return f"object {secrets.token_hex(16)}"
    if model.sha256 is None:
        return f"{model.format} {file.model.callable or file.model.predictions}"
    return f"{model.sha256} {file.model.callable or ''}"
