"""The seven real tables as cases for the coverage checks, and a count by hand.

The tables are not part of this repository; see `tests.test_real_tables`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from readiness.case import Case
from tests.coverage_cases import TARGET, plain_case

DATA = Path(__file__).parents[2] / "shared" / "data"
Split = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True, kw_only=True)
class Source:
    """How a table becomes a case: what was seen, what is later or elsewhere."""

    target: str
    is_hit: Callable[[pd.Series], pd.Series] | None
    past: Split
    current: Split
    left_out: tuple[str, ...]
    data: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The column whose values keep together when rows are held out."""
        return self.data.get("time") or self.data.get("entity", "")


def _first_half(rows: pd.DataFrame) -> pd.Series:
    return rows["encounter_id"].rank() <= len(rows) / 2


SOURCES = {
    "adult_income": Source(
        target="income",
        is_hit=lambda y: y == ">50K",
        past=lambda rows: rows["workclass"] == "Private",
        current=lambda rows: (
            rows["workclass"].notna() & (rows["workclass"] != "Private")
        ),
        left_out=("workclass", "source_split", "fnlwgt"),
    ),
    "bank_marketing": Source(
        target="y",
        is_hit=lambda y: y == "yes",
        past=lambda rows: rows["year_derived"] == 2008,
        current=lambda rows: rows["year_derived"] > 2008,
        left_out=("duration", "year_derived", "row_order"),
    ),
    "beijing_air_quality": Source(
        target="PM2.5",
        is_hit=None,
        past=lambda rows: (rows["datetime"] < "2015-03-01") & rows["PM2.5"].notna(),
        current=lambda rows: (rows["datetime"] >= "2015-03-01") & rows["PM2.5"].notna(),
        left_out=("year", "datetime"),
        data={"time": "datetime"},
    ),
    "bike_sharing_hourly": Source(
        target="cnt",
        is_hit=None,
        past=lambda rows: rows["yr"] == 0,
        current=lambda rows: rows["yr"] == 1,
        left_out=("instant", "casual", "registered", "yr", "dteday"),
        data={"time": "dteday"},
    ),
    "credit_default_taiwan": Source(
        target="default_next_month",
        is_hit=None,
        past=lambda rows: rows["LIMIT_BAL"] > 50_000,
        current=lambda rows: rows["LIMIT_BAL"] <= 50_000,
        left_out=("ID", "LIMIT_BAL"),
        columns={
            name: {"kind": "categorical"} for name in ("SEX", "EDUCATION", "MARRIAGE")
        },
    ),
    "diabetes_readmission": Source(
        target="readmitted",
        is_hit=lambda y: y == "<30",
        past=_first_half,
        current=lambda rows: ~_first_half(rows),
        left_out=("encounter_id", "patient_nbr"),
        data={"entity": "patient_nbr"},
    ),
    "hotel_bookings": Source(
        target="is_canceled",
        is_hit=None,
        past=lambda rows: rows["arrival_date"] < "2016-07-01",
        current=lambda rows: rows["arrival_date"] >= "2016-07-01",
        left_out=(
            *("reservation_status", "reservation_status_date", "arrival_date"),
            *("assigned_room_type", "booking_changes", "country"),
            *("required_car_parking_spaces", "days_in_waiting_list"),
            *("arrival_date_year", "arrival_date_week_number"),
        ),
        data={"time": "arrival_date"},
    ),
}


def real_case(
    name: str,
    **declared: Any,  # noqa: ANN401 (keys of the model's section)
) -> tuple[Case, Mapping[str, pd.DataFrame]]:
    """Return a case over a real table: a quarter of the past is the reference."""
    source = SOURCES[name]
    rows = pd.read_parquet(DATA / name / f"{name}.parquet")
    rows = rows.astype(dict.fromkeys(rows.select_dtypes("string"), "str"))
    numbers = rows.select_dtypes(["Int64", "Float64", "boolean"])
    rows = rows.astype(dict.fromkeys(numbers, "float64"))
    past, current = source.past(rows), source.current(rows)
    target = rows[source.target]
    hit = target if source.is_hit is None else source.is_hit(target)
    key = rows[source.key] if source.key else pd.Series(np.arange(len(rows)))
    held = (pd.util.hash_array(key.to_numpy()) % np.uint64(4) == 0) & past
    if source.data.get("time"):
        held = (key.dt.day_of_year % 4 == 0) & past
    is_number = hit.nunique() > 2
    kept = rows.drop(columns=[source.target])
    kept[TARGET] = hit.astype(float) if is_number else hit.astype(int)
    features = [one for one in rows if one not in (*source.left_out, source.target)]
    tables = {
        "training": kept[past & ~held],
        "reference": kept[held],
        "current": kept[current],
    }
    tables = {name: one.reset_index(drop=True) for name, one in tables.items()}
    case = plain_case(
        features=features,
        task="regression" if is_number else "binary",
        columns=source.columns,
        data=source.data,
        model=_fitted(tables["training"], features, is_number=is_number),
        declared=declared,
        **tables,
    )
    return case, tables


def _fitted(
    rows: pd.DataFrame, features: list[str], *, is_number: bool
) -> Callable[[pd.DataFrame], np.ndarray]:
    some = rows.sample(min(len(rows), 20_000), random_state=0)
    texts = [one for one in features if not pd.api.types.is_numeric_dtype(rows[one])]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    kind = (
        HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    )
    model = make_pipeline(
        make_column_transformer((encoder, texts), remainder="passthrough"),
        kind(random_state=0, max_iter=30),
    )
    model.fit(some[features], some[TARGET])
    if is_number:
        return lambda frame: model.predict(frame[features])
    return lambda frame: model.predict_proba(frame[features])[:, 1]


Masks = Mapping[str, np.ndarray]


def conditions(rows: pd.DataFrame, cells: pd.DataFrame, name: str) -> Masks:
    """Return what rows meet each condition on one attribute, from the map's cells."""
    own = cells[cells["attribute"] == name]
    x = rows[name]
    found = {"missing": x.isna().to_numpy()}
    labels = own["cell"].tolist()
    if own["is_numeric"].all():
        for edge in map(float, labels[:-2]):
            found[f"> {edge:.12g}"] = (x > edge).to_numpy()
            found[f"<= {edge:.12g}"] = (x <= edge).to_numpy()
        return found
    text = x.astype("str")
    for label in labels[:-2]:
        found[label] = (text == label).to_numpy() & ~found["missing"]
    found["(a rare value)"] = ~np.any(list(found.values()), axis=0)
    return found


def by_hand(
    tables: Mapping[str, pd.DataFrame], cells: pd.DataFrame, days: pd.Series | None
) -> Mapping[str, Mapping[str, float]]:
    """Return the shares of rows with few training rows or days, by table.

    Every condition (``level=1``) and every pair of them (empty) is counted on its own,
    nested or not, with no search for the widest: fewer than 30 rows, or 5 days.
    """
    names = list(dict.fromkeys(cells["attribute"]))
    met = {
        table: [conditions(rows, cells, name) for name in names]
        for table, rows in tables.items()
    }
    day = None if days is None else pd.factorize(days)[0]
    singles = [[(place, one)] for place in range(len(names)) for one in _of(met, place)]
    pairs = [
        [(a, one), (b, two)]
        for a, b in combinations(range(len(names)), 2)
        for one in _of(met, a)
        for two in _of(met, b)
    ]
    return {
        group: _shares(met, [one for one in some if _is_short(met, one, day)])
        for group, some in {"": [*singles, *pairs], "level=1": singles}.items()
    }


Met = Mapping[str, list[Masks]]
Pattern = list[tuple[int, str]]


def _of(met: Met, place: int) -> list[str]:
    return list(met["training"][place])


def _within(met: Met, table: str, pattern: Pattern) -> np.ndarray:
    return np.all([met[table][place][one] for place, one in pattern], axis=0)


def _is_short(met: Met, pattern: Pattern, day: np.ndarray | None) -> bool:
    hit = _within(met, "training", pattern)
    return hit.sum() < 30 or (day is not None and len(np.unique(day[hit])) < 5)


def _shares(met: Met, patterns: list[Pattern]) -> Mapping[str, float]:
    hits = {
        table: [_within(met, table, one) for one in patterns]
        for table in ("reference", "current")
    }
    return {
        table: float(np.any(each, axis=0).mean()) if each else 0.0
        for table, each in hits.items()
    }
