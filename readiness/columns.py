"""What is known about a column: its kind, its role, what people declared."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.config import OF_SCHEMA, CaseFile, ColumnSection
from readiness.errors import CaseError
from readiness.tables import Table

NANOSECONDS = {"h": 3_600_000_000_000, "d": 86_400_000_000_000}
NANOSECONDS["w"] = 7 * NANOSECONDS["d"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One feature: its kind, and what the case file says about it.

    Parameters
    ----------
    name : str
        Name in the tables.
    kind : str
        ``"numeric"``, ``"categorical"``, ``"boolean"`` or ``"time"``; declared, or
        inferred from the type in training (else reference).
    unit, source : str or None
        Unit of the values; the feed that fails as a whole.
    measurement_sd : float or None
        Noise of the sensor, in the unit.
    range : tuple of float or None
        Lowest and highest possible value.
    monotone : str or None
        ``"increasing"`` or ``"decreasing"``: the direction experts expect.
    role : str or None
        ``"irrelevant"`` or ``"forbidden"``.
    group, sensitive : bool
        Judge its groups separately; suppress small cells.
    """

    name: str
    kind: str
    unit: str | None = None
    source: str | None = None
    measurement_sd: float | None = None
    range: tuple[float, float] | None = None
    monotone: str | None = None
    role: str | None = None
    group: bool = False
    sensitive: bool = False


def kind_of(kind: pa.DataType) -> str | None:
    """Return the kind of an Arrow type; None for types no check can use.

    Examples
    --------
    >>> kind_of(pa.int64()), kind_of(pa.string()), kind_of(pa.list_(pa.int8()))
    ('numeric', 'categorical', None)
    """
    types = pa.types
    if types.is_dictionary(kind):
        return "categorical" if kind_of(kind.value_type) else None
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numeric"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    is_text = types.is_string(kind) or types.is_large_string(kind)
    return "categorical" if is_text or types.is_null(kind) else None


def block_span(block: str) -> int | None:
    """Return a duration such as ``"1d"`` in nanoseconds; None for a column name.

    Examples
    --------
    >>> block_span("2h"), block_span("station")
    (7200000000000, None)
    """
    if not re.fullmatch(r"[1-9][0-9]*[hdw]", block):
        return None
    return int(block[:-1]) * NANOSECONDS[block[-1]]


def find_features(
    file: CaseFile,
    of_model: tuple[str, ...] | None,
    tables: Mapping[str, Table],
    *,
    by_name: bool,
) -> tuple[str, ...]:
    """Return the features in the order the model takes them.

    Parameters
    ----------
    file : CaseFile
        May declare ``model.features``.
    of_model : tuple of str or None
        The names the model itself carries.
    tables : mapping of str to Table
        The tables of the case.
    by_name : bool
        False for a model that was fitted without names: the order must be declared.

    Raises
    ------
    CaseError
        When the declared features are not the model's, the order is not known, or
        there is no feature at all.
    """
    declared = file.model.features
    if of_model is not None:
        if declared is not None and set(declared) != set(of_model):
            differing = sorted(set(declared) ^ set(of_model))
            msg = (
                "model.features must be the features the model was fitted on; these "
                f"differ: {_listed(differing)}. Remove the key: the model knows them."
            )
            raise CaseError(msg)
        return of_model
    if declared is None and not by_name:
        msg = (
            "The model was fitted without column names, so their order is not known. "
            "List them in the order of fitting under model.features."
        )
        raise CaseError(msg)
    if declared is None:
        roles = role_columns(file)
        table = tables.get("training", tables["reference"])
        declared = [name for name in table.schema.names if name not in roles]
    if not declared or len(set(declared)) != len(declared):
        msg = (
            "The case must have at least one feature, each named once; "
            f"it has {_listed(declared)}. Correct model.features or data.ignore."
        )
        raise CaseError(msg)
    return tuple(declared)


def role_columns(file: CaseFile) -> set[str]:
    """Return the columns that are no features unless the model names them."""
    data = file.data
    named = [data.target, data.time, data.entity, data.weight, file.model.predictions]
    block = data.block if data.block and block_span(data.block) is None else None
    return {name for name in [*named, block, *data.ignore] if name is not None}


def require_known(
    file: CaseFile, tables: Mapping[str, Table], features: Iterable[str]
) -> None:
    """Raise CaseError where the case file names a column that no table has.

    The columns that steer the review must be in the reference; ignored and described
    columns may be in any table, or be features the tables lack.
    """
    data = file.data
    reference = tables["reference"].schema.names
    steering = {
        "data.target": data.target,
        "data.time": data.time,
        "data.entity": data.entity,
        "data.weight": data.weight,
        "model.predictions": file.model.predictions,
    }
    if data.block is not None and block_span(data.block) is None:
        steering["data.block"] = data.block
    for key, name in steering.items():
        if name is not None:
            _require_in(name, reference, key, "the reference table")
    known = {name for table in tables.values() for name in table.schema.names}
    for name in data.ignore:
        _require_in(name, known, "data.ignore", "any table")
    for name in file.columns:
        _require_in(name, known | set(features), f"columns.{name}", "any table")


def _require_in(name: str, known: Collection[str], key: str, where: str) -> None:
    if name not in known:
        msg = (
            f"{key} must name a column of {where}; {name!r} is none. "
            f"Known columns: {_listed(sorted(known))}."
        )
        raise CaseError(msg)


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""  # noqa: PLR2004 (as many as one line holds)
    return (shown or "none") + more


def describe_columns(
    file: CaseFile, tables: Mapping[str, Table], features: Iterable[str]
) -> Mapping[str, Column]:
    """Return the features with declared or inferred kinds, in model order.

    Raises
    ------
    CaseError
        When a declared kind does not fit the type of the column.
    """
    described = {}
    for name in features:
        section = file.columns.get(name, ColumnSection())
        found = [
            kind_of(table.schema.field(name).type)
            for table in tables.values()
            if name in table.schema.names
        ]
        inferred = next((kind for kind in found if kind), "categorical")
        kind = section.kind or inferred
        _require_fitting(name, kind, inferred, known=bool(found))
        described[name] = Column(
            name=name,
            kind=kind,
            **section.model_dump(exclude=OF_SCHEMA),
        )
    return described


def _require_fitting(name: str, kind: str, inferred: str, *, known: bool) -> None:
    fits = {
        "numeric": {"numeric", "boolean", "time"},
        "boolean": {"boolean", "numeric", "categorical"},
        "time": {"time"},
        "categorical": {"numeric", "boolean", "time", "categorical"},
    }
    if known and inferred not in fits[kind]:
        msg = (
            f"columns.{name}.kind is {kind!r}, but the values of the column are "
            f"{inferred}. Correct the kind, or the type in the file."
        )
        raise CaseError(msg)


def changed_kinds(
    known: pa.Schema, schema: pa.Schema, names: Iterable[str]
) -> Mapping[str, tuple[str, str]]:
    """Return the columns whose kind differs, with the known and the found kind.

    Numbers and booleans are not told apart; a column without any value has no kind.
    Times of different zones, or with and without one, are of different kinds.
    """
    changed = {}
    both = {*schema.names} & {*known.names}
    for name in names:
        if name not in both:
            continue
        pair = known.field(name).type, schema.field(name).type
        expected, found = map(_kind_and_zone, pair)
        alike = {expected, found} <= {"numeric", "boolean"}
        if expected != found and not alike and not any(map(pa.types.is_null, pair)):
            changed[name] = (expected, found)
    return changed


def _kind_and_zone(kind: pa.DataType) -> str:
    zone = getattr(kind, "tz", None)
    return f"{kind_of(kind) or 'unusable'}{f' in {zone}' if zone else ''}"


def require_usable(file: CaseFile, tables: Mapping[str, Table]) -> None:
    """Raise CaseError where time is no time, or weights are unusable."""
    data = file.data
    spans = data.block is not None and block_span(data.block) is not None
    if spans and data.time is None:
        msg = f"data.block is {data.block!r}, which needs data.time. Name the column."
        raise CaseError(msg)
    for table in tables.values():
        if data.time in table.schema.names:
            kind = table.schema.field(data.time).type
            if kind_of(kind) != "time":
                msg = (
                    f"data.time must hold dates or timestamps; {data.time!r} of the "
                    f"{table.name} table holds {kind}. Convert the column."
                )
                raise CaseError(msg)
        if data.weight is not None and data.weight in table.schema.names:
            _require_weights(table, data.weight)


def _require_weights(table: Table, name: str) -> None:
    kind = table.schema.field(name).type
    if kind_of(kind) not in ("numeric", "boolean"):
        msg = f"data.weight must be numeric; {name!r} holds {kind}."
        raise CaseError(msg)
    values = table.column(name).cast(pa.float64(), safe=False)
    weights = values.to_numpy().astype(float)
    n_bad = int((~np.isfinite(weights) | (weights < 0)).sum())
    if n_bad or not weights.sum() > 0:
        msg = (
            f"Weights must be finite, not negative, and not all zero; {n_bad} of "
            f"{len(weights)} in {name!r} of the {table.name} table are not. "
            "Correct them or remove data.weight."
        )
        raise CaseError(msg)
