"""What a broken feed makes of the values of one column."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Values: TypeAlias = "pd.Series[Any]"

NEVER_SEEN = "(never seen)"
RENAMED = " (renamed)"
MONTHS = 12
CLIP_AT = (0.25, 0.75)


def blank(values: Values) -> Values:
    """Return the column without any value; whole numbers become floats, as in files."""
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind in "iub":
        kind = np.dtype(np.float64)
    return pd.Series([None] * len(values), index=values.index, dtype=kind)


def unseen(values: Values) -> Values:
    """Return the column with a category no row has: a text, or the next number."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return filled(int(np.nanmax(values.astype(float))) + 1, values)
    return filled(NEVER_SEEN, values)


def renamed(values: Values) -> Values:
    """Return the column with its most common category under another name."""
    common = values.mode()
    if common.empty:
        return values
    if is_number(values):
        new = int(np.nanmax(values.astype(float))) + 1
        return values.where(~values.eq(common.iloc[0]).fillna(value=False), new)
    return mapped(values, lambda one: one + RENAMED if one == common.iloc[0] else one)


def filled(fill: object, values: Values) -> Values:
    """Return the column with one value everywhere, in the type of the column."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = values.cat.categories
        names = known if fill in known else [*known, fill]
        cells = pd.Categorical([fill] * len(values), categories=names)
        return pd.Series(cells, index=values.index)
    kind = values.dtype
    if pd.api.types.is_numeric_dtype(kind):
        kind = numbers(values).dtype
    elif not pd.api.types.is_string_dtype(kind):  # a span of time cannot hold a text
        kind = np.dtype(object)
    return pd.Series([fill] * len(values), index=values.index, dtype=kind)


def is_number(values: Values) -> bool:
    """Return whether the type of a column is numeric; booleans are not."""
    kind = values.dtype
    is_bool = pd.api.types.is_bool_dtype(kind)
    return pd.api.types.is_numeric_dtype(kind) and not is_bool


def numbers(values: Values) -> Values:
    """Return numbers wide enough to calculate with: int64, else float64."""
    whole = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu"
    return values.astype("int64" if whole else "float64")


def scaled(values: Values, slope: float, offset: float = 0.0) -> Values:
    """Return ``slope * value + offset``."""
    known = numbers(values)
    found = known * slope + offset if offset else known * slope
    return pd.Series(found, index=values.index)


def turned(values: Values, shift: float, period: float) -> Values:
    """Return ``(value + shift)`` within a period, such as the hour of a day."""
    return pd.Series((numbers(values) + shift) % period, index=values.index)


def inverted(values: Values) -> Values:
    """Return yes for no; what is missing stays missing."""
    known = values.notna()
    return values.where(~known, values[known].astype(bool).map(np.logical_not))


def stuck(values: Values) -> Values:
    """Return the column stuck at its median, or at its most common value."""
    known = values.dropna()
    if known.empty:
        return values
    if pd.api.types.is_bool_dtype(known.dtype) or not (
        pd.api.types.is_numeric_dtype(known.dtype)
    ):
        typical = known.mode().iloc[0]
    else:
        typical = known.sort_values().iloc[(len(known) - 1) // 2]
    return pd.Series([typical] * len(values), index=values.index, dtype=values.dtype)


def clipped(values: Values) -> Values:
    """Return the column cut to its middle half, as by a sensor that saturates."""
    known = numbers(values)
    if known.isna().all():
        return values
    low, high = known.quantile(list(CLIP_AT), interpolation="nearest")
    return known.clip(low, high)


def as_text(values: Values) -> Values:
    """Return the values as text, as a file without types has them."""
    codes, known = pd.factorize(values)  # each value once
    texts = [str(one) for one in np.asarray(known, dtype=object)]
    cells = np.array([*texts, None], dtype=object)[codes]
    return pd.Series(cells, index=values.index, dtype="str")


def with_decimal_comma(values: Values) -> Values:
    """Return the numbers as text with a comma, as some countries write them."""
    return as_text(values).str.replace(".", ",", regex=False)


def without_comma(values: Values) -> Values:
    """Return ``12,5`` as 125: what a reader makes of it that skips the comma."""
    codes, known = pd.factorize(values.astype("float64"))  # each value once
    found = np.array([*map(_digits, known), np.nan])[codes]
    return pd.Series(found, index=values.index, dtype="float64")


def _digits(value: float) -> float:
    text = f"{value:.10g}"
    return value if "e" in text or "n" in text else float(text.replace(".", ""))


def without_decimals(values: Values) -> Values:
    """Return the numbers cut to whole ones."""
    return pd.Series(np.trunc(values.astype("float64")), index=values.index)


def has_decimals(values: Values) -> bool:
    """Return whether any known number is not whole."""
    known = values.dropna().to_numpy(dtype=np.float64)
    known = known[np.isfinite(known)]
    return bool((known != np.trunc(known)).any())


def mapped(values: Values, change: Callable[[str], str]) -> Values:
    """Return every text changed, in the type of the column; others stay."""
    codes, known = pd.factorize(values)
    new = [change(one) if isinstance(one, str) else one for one in known]
    if isinstance(values.dtype, pd.CategoricalDtype):
        names = list(dict.fromkeys([*new, *values.cat.categories]))
        texts = pd.Categorical(np.array([*new, None], object)[codes], categories=names)
        return pd.Series(texts, index=values.index)
    cells = np.array([*new, None], dtype=object)[codes]
    return pd.Series(cells, index=values.index, dtype=values.dtype)


def other_case(values: Values) -> Values:
    """Return text with capitals for small letters, and the other way round."""
    return mapped(values, str.swapcase)


def padded(values: Values) -> Values:
    """Return text with a space behind it."""
    return mapped(values, lambda one: f"{one} ")


def truncated(values: Values) -> Values:
    """Return text cut to half the length of the longest."""
    lengths = [len(one) for one in values.dropna().unique() if isinstance(one, str)]
    kept = max(max(lengths, default=0) // 2, 1)
    return mapped(values, lambda one: one[:kept])


def later(values: Values, hours: int) -> Values:
    """Return times that many hours later, as in another time zone."""
    return values + pd.Timedelta(hours=hours)


def day_for_month(values: Values) -> Values:
    """Return times with day and month exchanged, where that gives a date."""
    zone = values.dt.tz
    local = values.dt.tz_localize(None)
    change = (local.dt.day <= MONTHS).fillna(value=False)
    some = local[change]
    parts = {"year": some.dt.year, "month": some.dt.day, "day": some.dt.month}
    swapped = pd.to_datetime(pd.DataFrame(parts)) + (some - some.dt.normalize())
    found = local.copy()
    found[change] = swapped.astype(local.dtype)
    if zone is None:
        return found
    return found.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
