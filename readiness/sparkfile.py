"""A Spark DataFrame as a table of a case: streamed once into a Parquet file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from readiness.errors import InputError, Reason
from readiness.sources import require_unique, write_stream


def is_spark(frame: object) -> bool:
    """Return whether rows in memory are in truth rows of Spark."""
    return hasattr(frame, "mapInArrow")


def numbered(dataframe: Any, names: Sequence[str]) -> Any:  # noqa: ANN401 (pyspark is optional)
    """Return some columns of a Spark DataFrame under plain names, in order.

    Spark's own way from rows to Arrow fails at a name with a dot or a backtick.
    """
    quoted = ["`" + name.replace("`", "``") + "`" for name in names]
    return dataframe.select(quoted).toDF(*(f"c{place}" for place in range(len(names))))


def spool_spark(dataframe: Any, name: str, folder: Path) -> Path:  # noqa: ANN401 (pyspark is optional)
    """Write a Spark DataFrame as one Parquet file, a partition at a time.

    Parameters
    ----------
    dataframe : pyspark.sql.DataFrame
        Of pyspark 4.3 or newer, which streams as Arrow.
    name : str
        Name of the table.
    folder : pathlib.Path
        Private folder of the run.

    Returns
    -------
    pathlib.Path
        The file, with the rows in the order of the partitions.

    Raises
    ------
    InputError
        INPUT_FORMAT when Spark is too old to stream, names repeat, Spark fails, or a
        column has a type that Arrow or Parquet lacks.
    """
    if not hasattr(dataframe, "__arrow_c_stream__"):
        msg = f"The {name} table needs pyspark 4.3 or newer, which streams as Arrow."
        raise InputError(msg, Reason.INPUT_FORMAT)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"spark-{name}.parquet"
    partial = folder / f".spark-{name}-{os.getpid()}.parquet"
    try:
        names = list(dataframe.columns)
        require_unique(names, name)
        reader = pa.RecordBatchReader.from_stream(numbered(dataframe, names))
        fields = [
            one.with_name(key) for one, key in zip(reader.schema, names, strict=True)
        ]
        batches = (one.rename_columns(names) for one in reader)
        write_stream(
            pa.RecordBatchReader.from_batches(pa.schema(fields), batches), partial
        )
        partial.replace(path)
    except pa.ArrowException as cause:
        what = str(cause).splitlines()[0].removesuffix(".")
        msg = f"The {name} table cannot be taken from Spark: {what[:200]}."
        raise InputError(msg, Reason.INPUT_FORMAT) from cause
    finally:
        partial.unlink(missing_ok=True)
    return path
