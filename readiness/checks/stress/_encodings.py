"""The same values of a column in another form that stands for the same."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd

from readiness.faults import Values

LARGEST_WHOLE = 2**53  # floats hold every whole number up to here


def encodings(values: Values) -> Iterator[tuple[str, Values]]:
    """Yield equivalent encodings of a column, each with its name.

    Parameters
    ----------
    values : pandas.Series
        As the model is used to them.

    Yields
    ------
    tuple of str and pandas.Series
        Every value compares equal to the one it stands for, and gaps are gaps.
    """
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        yield from _of_categories(values, kind)
    elif pd.api.types.is_bool_dtype(kind):
        if not values.isna().any():
            yield "true and false as 1 and 0", values.astype("int64")
    elif pd.api.types.is_numeric_dtype(kind):
        yield from _of_numbers(values)
    elif isinstance(kind, np.dtype) and kind.kind == "M":
        yield from _of_times(values)
    elif _is_text(values):
        yield from _of_text(values)


def _of_categories(
    values: Values, kind: pd.CategoricalDtype
) -> Iterator[tuple[str, Values]]:
    yield "categories as plain values", values.astype(object)
    if not kind.ordered and len(kind.categories) > 1:
        turned = values.cat.reorder_categories(list(kind.categories)[::-1])
        yield "categories listed in another order", turned


def _of_text(values: Values) -> Iterator[tuple[str, Values]]:
    yield "text as categories", values.astype("category")
    known = values.notna()
    plain = values.astype(object)
    if known.all():
        fresh = pd.Series(list(plain), index=values.index, dtype="str")
        is_plain = values.dtype == object
        yield "text in another storage", fresh if is_plain else plain
        return
    for gap in (None, float("nan")):
        cells = [cell if ok else gap for cell, ok in zip(plain, known, strict=True)]
        marked = pd.Series(cells, index=values.index, dtype=object)
        yield "another mark for missing text", marked


def _of_numbers(values: Values) -> Iterator[tuple[str, Values]]:
    if values.isna().any():
        return
    exact = values.to_numpy()
    if pd.api.types.is_integer_dtype(values.dtype):
        if np.abs(exact.astype(float)).max(initial=0.0) < LARGEST_WHOLE:
            yield "whole numbers as floats", values.astype("float64")
        other: Literal["int32", "int64"]
        other = "int32" if values.dtype != "int32" else "int64"
        if (values.astype(other) == values).all():
            yield "whole numbers in another width", values.astype(other)
        return
    floats = exact.astype(np.float64)
    small = np.abs(floats).max(initial=0.0) < LARGEST_WHOLE
    if small and np.array_equal(floats, np.rint(floats)):
        yield "floats as whole numbers", values.astype("int64")


def _of_times(values: Values) -> Iterator[tuple[str, Values]]:
    other: Literal["us", "ns"] = "us" if values.dt.unit != "us" else "ns"
    moved = values.dt.as_unit(other)
    if ((moved == values) | values.isna()).all():
        yield "times in another resolution", moved


def _is_text(values: Values) -> bool:
    return bool(values.dropna().map(lambda cell: isinstance(cell, str)).all())
