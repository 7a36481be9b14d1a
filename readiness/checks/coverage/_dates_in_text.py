"""Dates that are stored as text: in one format they are texts, in several nothing."""

import re
from collections.abc import Iterable

DAY, MONTH, YEAR = r"\d{1,2}", r"[A-Za-z]{3,9}\.?", r"\d{2}(?:\d{2})?"
CLOCK = r"(?:[T ]\d{1,2}:\d{2}.*)?"
FORMATS = {
    name: re.compile(pattern + CLOCK)
    for name, pattern in {
        "2024-12-31": rf"\d{{4}}-{DAY}-{DAY}",
        "2024/12/31": rf"\d{{4}}/{DAY}/{DAY}",
        "31-12-2024": rf"{DAY}-{DAY}-{YEAR}",
        "31/12/2024": rf"{DAY}/{DAY}/{YEAR}",
        "31.12.2024": rf"{DAY}\.{DAY}\.{YEAR}",
        "31 Dec 2024": rf"{DAY}[ -]{MONTH}[ -]{YEAR}",
        "Dec 31, 2024": rf"{MONTH} {DAY},? {YEAR}",
    }.items()
}


def date_formats(values: Iterable[object]) -> tuple[str, ...]:
    """Return the formats of dates written as text; nothing unless all are dates.

    Parameters
    ----------
    values : iterable of object
        Distinct values of a column; empty texts are passed over.

    Returns
    -------
    tuple of str
        Examples of the formats, in the order met. Day and month are not told apart:
        nobody can.

    Examples
    --------
    >>> date_formats(["2024-12-31", "31/12/2024"]), date_formats(["2024-12-31", "no"])
    (('2024-12-31', '31/12/2024'), ())
    """
    found: dict[str, None] = {}
    for value in values:
        if value == "":
            continue
        is_text = isinstance(value, str)
        name = _format_of(str(value)) if is_text else None
        if name is None:
            return ()
        found[name] = None
    return tuple(found)


def has_several_formats(values: Iterable[object]) -> bool:
    """Return whether all values are dates as text, and not in one format."""
    return len(date_formats(values)) > 1


def _format_of(text: str) -> str | None:
    return next((n for n, one in FORMATS.items() if one.fullmatch(text)), None)
