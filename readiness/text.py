"""Text a person reads: names made visible, numbers in one style."""

import math

MAX_DIGITS = 6
N_DIGITS = 3
MINUS, TIMES = "\u2212", "\u00d7"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNITLESS = ("", "metric points", "AUC", "V", "RBO", "H²", "output units", "target unit")


def printable(text: object) -> str:
    r"""Return text in which no character is invisible or changes its surroundings.

    Parameters
    ----------
    text : object
        Anything; its text form is used.

    Returns
    -------
    str
        Control characters become their pictures (``␀``), other invisible ones,
        direction marks and halves of a character become ``[U+202E]``.

    Examples
    --------
    >>> printable("a\tb")
    'a␉b'
    """
    raw = text if isinstance(text, str) else str(text)
    if raw.isprintable():
        return raw
    return "".join(c if c.isprintable() else _picture(c) for c in raw)


def visible(text: object, max_chars: int = 0) -> str:
    """Return a name as a person can see and tell it apart from its neighbours.

    Parameters
    ----------
    text : object
        A name or value that comes from data, a model or a parameter.
    max_chars : int
        Longest result, in characters; the middle is left out. 0: any length.

    Returns
    -------
    str
        As `printable`; besides, an empty text and one of spaces alone are named, and
        spaces at the ends or in a row are shown as ``␣``.

    Examples
    --------
    >>> visible(""), visible("  "), visible(" a  b")
    ('(empty)', '(2 spaces)', '␣a␣␣b')
    """
    shown = printable(text)
    if not shown:
        return "(empty)"
    if shown.isspace():
        return f"({len(shown)} space{'s' if len(shown) > 1 else ''})"
    shown = shown.replace("  ", "␣␣").replace("␣ ", "␣␣")
    inner = shown.strip(" ")
    start = len(shown) - len(shown.lstrip(" "))
    end = len(shown) - start - len(inner)
    shown = "␣" * start + inner + "␣" * end
    if 0 < max_chars < len(shown):
        tail = max_chars // 3
        shown = f"{shown[: max_chars - tail - 1]}…{shown[len(shown) - tail :]}"
    return shown


def number(
    value: float | None,
    unit: str = "",
    *,
    exact: bool = False,
    beside: float | None = None,
) -> str:
    """Return a number with its unit: three significant digits, shares as percent.

    Parameters
    ----------
    value : float or None
        The number; None and NaN read ``not known``.
    unit : str
        ``"share"`` is shown in percent, ``"points"``, a difference of two shares, in
        points of percent, ``"count"`` as a whole number; units without
        a name of their own (``"metric points"``) are left out; others follow.
    exact : bool
        Show the number as it was written, for limits.
    beside : float, optional
        Another number, such as a limit: as many more digits as tell the two apart.

    Examples
    --------
    >>> number(0.0512, "share"), number(0.65, exact=True), number(1.5, "mph")
    ('5.12 %', '0.65', '1.50 mph')
    >>> number(0.0512, "points")
    '5.12 points'
    >>> number(0.79953), number(0.79953, beside=0.8)
    ('0.800', '0.7995')
    >>> number(1 / 3, "share", exact=True), number(1234567.0, exact=True)
    ('33.3333 %', '1,234,567')
    """
    if value is None or math.isnan(value):
        return "not known"
    scale = 100.0 if unit in ("share", "points") else 1.0
    n_digits = _digits_beside(value, beside)
    digits = _digits(
        value * scale, exact=exact, whole=unit == "count", n_digits=n_digits
    )
    if unit == "share":
        return f"{digits} %"
    return digits if unit in (*UNITLESS, "count") else f"{digits} {visible(unit, 40)}"


def interval(
    low: float | None,
    high: float | None,
    unit: str = "",
    *,
    beside: float | None = None,
) -> str:
    """Return an interval in words, open where an end is not known.

    `beside` is a limit that the ends must be told apart from.

    Examples
    --------
    >>> interval(0.61, 0.7), interval(1.0, None, "SD"), interval(None, None)
    ('0.610 to 0.700', 'above 1.00 SD', '')
    """
    if _absent(low) and _absent(high):
        return ""
    if _absent(high):
        return f"above {number(low, unit, beside=beside)}"
    if _absent(low):
        return f"below {number(high, unit, beside=beside)}"
    plain = number(low, unit, beside=beside)
    joined = number(high, unit, beside=beside)
    suffix = joined[joined.index(" ") :] if " " in joined else ""
    return f"{plain.removesuffix(suffix)} to {joined}"


def _absent(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _digits_beside(value: float, other: float | None) -> int:
    """Return how many significant digits tell a number from another one."""
    if other is None or value == other:
        return N_DIGITS
    wanted = range(N_DIGITS, MAX_DIGITS)
    return next((n for n in wanted if f"{value:.{n}g}" != f"{other:.{n}g}"), N_DIGITS)


def _digits(value: float, *, exact: bool, whole: bool, n_digits: int = N_DIGITS) -> str:
    if math.isinf(value):
        return "infinite" if value > 0 else f"{MINUS}infinite"
    if exact:
        # A third of something is no number that a person wrote down.
        shown = f"{value:,.{10 if value == round(value) else MAX_DIGITS}g}"
    elif whole and value == round(value):
        shown = f"{value:,.0f}"
    elif value == 0:
        shown = "0"
    else:
        places = n_digits - 1 - math.floor(math.log10(abs(value)))
        tiny, huge = places > MAX_DIGITS, abs(value) >= 10.0**15
        shown = f"{value:,.{max(places, 0)}f}"
        shown = _power(value) if tiny or huge else shown
    return shown.replace("-", MINUS) if shown.startswith("-") else shown


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} {TIMES} 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:  # noqa: PLR2004 (the control characters of ASCII)
        return chr(0x2400 + code)
    return f"[U+{code:04X}]"
