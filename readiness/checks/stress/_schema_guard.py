"""Which rule of the schema a window breaks when a fault befalls it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.column_profiles import ColumnProfile
from readiness.columns import changed_kinds, kind_of
from readiness.config import ColumnSection
from readiness.faults import FaultRows, Values
from readiness.stats import Ints

FEWEST_ROWS = 1000
SURE = 0.8  # a guard fires where it does in four windows of five
BY_CHANCE = 0.001  # as C0: a column may be constant in a window by accident


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What guards know of good rows.

    Parameters
    ----------
    case : Case
    rows : FaultRows
        n good rows.
    block : ndarray of int, shape (n,), or None
        Their blocks.
    profiles : mapping of str to ColumnProfile
        Of training, else reference.
    window_rows, window_blocks : int
        Of a window of the plan.
    new_null_share : float
        Option of C0.
    """

    case: Case
    rows: FaultRows
    block: Ints | None
    profiles: Mapping[str, ColumnProfile]
    window_rows: int
    window_blocks: int
    new_null_share: float

    @property
    def any_row(self) -> float:
        """The share of rows of which a window holds one, four times of five.

        A single row breaks such a rule, whatever the window, so windows of less than
        1,000 rows are looked at together.
        """
        return -float(np.log(1 - SURE)) / max(self.window_rows, FEWEST_ROWS)


def broken_rules(
    known: Known,
    altered: Mapping[str, Values],
    dose: float,
    declared: Mapping[str, ColumnSection],
) -> str:
    """Return the rule of C0 that a window breaks; empty where none.

    Parameters
    ----------
    known : Known
    altered : mapping of str to pandas.Series
        Altered columns, n values each.
    dose : float
        Share of the rows of a window that the fault befalls.
    declared : mapping of str to ColumnSection
        What the case file says of columns.

    Notes
    -----
    The rules of C0 held against training. A rule that good rows break as well is no
    guard.
    """
    for name, values in altered.items():
        clean = known.rows.frame[name]
        rule = (
            _retyped(known, name, values)
            or _out_of_declared(known, clean, values, dose, declared.get(name))
            or _unlike_training(known, clean, values, dose)
        )
        if rule:
            return rule
    return ""


def _retyped(known: Known, name: str, values: Values) -> str:
    try:
        found = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return "mixed types"
    schema = known.case.training_or_reference().schema
    if name not in schema.names:
        return ""
    if changed_kinds(schema, pa.schema([(name, found.type)]), [name]):
        return "other type"
    return "" if kind_of(found.type) else "unusable type"


def _out_of_declared(
    known: Known,
    clean: Values,
    values: Values,
    dose: float,
    declared: ColumnSection | None,
) -> str:
    if declared is None:
        return ""
    if declared.range is not None and pd.api.types.is_numeric_dtype(values.dtype):
        before, after = (_outside(one, declared.range) for one in (clean, values))
        if not before and dose * after >= known.any_row:
            return "out of range"
    if declared.categories is not None:
        before, after = (
            _undeclared(one, declared.categories) for one in (clean, values)
        )
        if not before and dose * after >= known.any_row:
            return "undeclared category"
    if declared.max_missing is not None:
        before, after = (float(one.isna().mean()) for one in (clean, values))
        mixed = (1 - dose) * before + dose * after
        if before <= declared.max_missing < mixed:
            return "too many missing"
    return ""


def _outside(values: Values, limits: tuple[float, float]) -> float:
    x = values.to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        return float(((x < limits[0]) | (x > limits[1])).mean())


def _undeclared(values: Values, categories: Sequence[str]) -> float:
    present = values.dropna()
    texts = present.astype(str)
    return float((~texts.isin(list(categories))).sum() / max(len(values), 1))


def _unlike_training(known: Known, clean: Values, values: Values, dose: float) -> str:
    seen = known.profiles[str(clean.name)]
    missing = float(values.isna().mean())
    if dose == 1 and missing == 1 and seen.n_present:
        return "no value"
    n_missing = seen.n_null + seen.n_nan
    if not n_missing and seen.n_present and dose * missing > known.new_null_share:
        return "new nulls"
    if dose == 1 and _becomes_constant(known, clean, values, seen):
        return "constant"
    return ""


def _becomes_constant(
    known: Known, clean: Values, values: Values, seen: ColumnProfile
) -> bool:
    present = values.dropna()
    is_constant = len(present) and (present == present.iloc[0]).all()
    if not is_constant or seen.n_distinct <= 1:
        return False
    if known.block is None:
        share = float(clean.value_counts(normalize=True).iloc[0])
        return share**known.window_rows < BY_CHANCE
    per_block = clean.groupby(known.block).nunique()
    share = (int((per_block <= 1).sum()) + 1) / (len(per_block) + 2)
    return bool(share**known.window_blocks < BY_CHANCE)
