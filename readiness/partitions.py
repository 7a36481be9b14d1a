"""Values that stand in the names of folders: ``year=2024/month=3/part.parquet``."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from readiness.errors import InputError, Reason

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
FOLDER = re.compile(r"([^=]+)=(.*)")
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def partition_of(path: Path) -> dict[str, str | None]:
    """Return the values in the names of the folders right above a file.

    Examples
    --------
    >>> partition_of(Path("run=1/data/year=2024/town=S%C3%A8te/part.parquet"))
    {'year': '2024', 'town': 'Sète'}
    """
    found: dict[str, str | None] = {}
    for folder in path.parents:
        match = FOLDER.fullmatch(folder.name)
        if match is None:
            break
        name, value = (unquote(one) for one in match.groups())
        found[name] = None if value == NO_VALUE else value
    return dict(reversed(found.items()))


def is_partitioned(folder: Path) -> bool:
    """Return whether a folder holds folders such as ``year=2024``."""
    return any(FOLDER.fullmatch(one.name) for one in folder.iterdir() if one.is_dir())


def files_below(folder: Path) -> list[Path]:
    """Return the files of a partitioned folder, sorted; ``_`` and ``.`` hide some."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    shown = (path for path in found if not any(one[0] in "._" for one in path.parts))
    return [folder / path for path in sorted(shown) if not (folder / path).is_dir()]


def partition_columns(
    paths: Sequence[Path], texts: frozenset[str], name: str
) -> tuple[pa.Schema, Sequence[Mapping[str, pa.Scalar]]]:
    """Return the columns that stand in the names of folders, and each file's values.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        All files of the table.
    texts : frozenset of str
        Columns declared to be text.
    name : str
        Name of the table, for messages.

    Returns
    -------
    schema : pyarrow.Schema
        A column is int64 when all its values are whole numbers, date32 or
        timestamp[us] when all are ISO dates or times, else text.
    values : sequence of mapping of str to pyarrow.Scalar
        By file; null for Hive's default partition.

    Raises
    ------
    InputError
        INPUT_FORMAT when the files do not lie under the same names.
    """
    found = [partition_of(path) for path in paths]
    for path, one in zip(paths, found, strict=True):
        if list(one) != list(found[0]):
            msg = (
                f"All files of the {name} table must lie in folders of the same names; "
                f"{path.name!r} has {list(one)!r}, {paths[0].name!r} has "
                f"{list(found[0])!r}. Name them by one pattern each."
            )
            raise InputError(msg, Reason.INPUT_FORMAT)
    columns = {
        key: _typed([one[key] for one in found], is_text=key in texts)
        for key in found[0]
    }
    schema = pa.schema([pa.field(key, one.type) for key, one in columns.items()])
    values = [
        {key: one[place] for key, one in columns.items()} for place in range(len(paths))
    ]
    return schema, values


def _typed(values: Sequence[str | None], *, is_text: bool) -> pa.Array:
    texts = pa.array(values, pa.string())
    present = [one for one in values if one is not None]
    if is_text or not present:
        return texts
    if all(WHOLE.fullmatch(one) for one in present):
        return texts.cast(pa.int64())
    for kind in (pa.date32(), pa.timestamp("us")):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    return texts
