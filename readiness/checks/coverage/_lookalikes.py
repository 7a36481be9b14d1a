"""Column names that a reader cannot tell apart, though a computer can."""

import unicodedata
from collections.abc import Iterable

CYRILLIC = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406"
)
GREEK = (
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u03bf\u03bd"
)
LATIN = "aeopcyxijsABEKMHOPCTXYI" + "ABEZHIKMNOPTYXov"
SAME = str.maketrans(CYRILLIC + GREEK, LATIN)
UNSEEN = ("Cf", "Cc", "Cs")  # format and control characters, halves of characters
UNSEEN_MARKS = "\u034f\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe0e\ufe0f"


def lookalikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    r"""Return groups of names that look the same, in the order met.

    Parameters
    ----------
    names : iterable of str
        Different names.

    Returns
    -------
    list of tuple of str
        Names that differ only by invisible characters, spaces, how accents are put
        together, or Cyrillic and Greek letters with a Latin twin. Case is seen.

    Examples
    --------
    >>> lookalikes(["wind", "w\u0456nd", "Wind"]) == [("wind", "w\u0456nd")]
    True
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_appearance(name), []).append(name)
    return [tuple(some) for some in alike.values() if len(some) > 1]


def _appearance(name: str) -> str:
    spaced = " ".join(name.split())
    whole = unicodedata.normalize("NFKC", spaced).translate(SAME)
    return "".join(
        c
        for c in whole
        if unicodedata.category(c) not in UNSEEN and c not in UNSEEN_MARKS
    )
