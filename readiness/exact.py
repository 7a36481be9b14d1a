"""Sums that lose nothing, and distinct counts, the same for any cut of the rows."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

N_KEPT = 1024
# Sums are whole multiples of 2**-UNIT_BITS, smaller than the smallest float.
UNIT_BITS = 1130
HUGE_BITS = 900
PART_ROWS = 32_768
UPPER_HALF = np.uint64(2**64 - 2**27)


def exact_sum(values: Floats, smallest: float | None = None) -> int:
    """Return the exact sum of finite values, in units of ``2**-1130``.

    A whole number: adding such sums loses nothing, so that a total does not depend
    on how the rows were cut into pieces.

    Parameters
    ----------
    values : (n,) array of float
        Finite, n < 2**26.
    smallest : float, optional
        No value but zero is closer to zero; found when None.

    Examples
    --------
    >>> as_float(exact_sum(np.array([1e100, 1.0, -1e100])))
    1.0

    References
    ----------
    S. M. Rump, T. Ogita, S. Oishi (2008), doi:10.1137/050645671: the cut.
    """
    if smallest is None:
        sizes = np.abs(values)
        smallest = float(sizes.min(where=sizes > 0, initial=np.inf))
    if not 0 < smallest < np.inf:
        return 0
    # All values are whole multiples of the last bit of the smallest.
    unit = max(math.frexp(smallest)[1] - 53, -1074)
    # Short parts stay in the processor's cache: four times as fast.
    parts = range(0, len(values), PART_ROWS)
    return sum(_sum_of(values[start : start + PART_ROWS], unit) for start in parts)


def _sum_of(values: Floats, unit: int) -> int:
    top = max(-float(values.min()), float(values.max()))
    if top <= 2.0**HUGE_BITS:
        return _sum_of_parts(values, top, unit)
    is_huge = np.abs(values) > 2.0**HUGE_BITS
    huge = values[is_huge] * 2.0**-HUGE_BITS
    total = _sum_of_parts(huge, top * 2.0**-HUGE_BITS, -53) << HUGE_BITS
    return total + _sum_of_parts(values[~is_huge], 2.0**HUGE_BITS, unit)


def _sum_of_parts(values: Floats, top: float, unit: int) -> int:
    """Take the leading bits of all values off, sum these exactly, and go on.

    Values below 2**power that are multiples of 2**unit add up without rounding where
    n of them have less than 53 bits in between; else they are cut so high that the
    bits above have, and the bits below are left for the next round.
    """
    n_bits = len(values).bit_length()
    power = math.frexp(top)[1]
    total, leading, rest = 0, np.empty_like(values), np.empty_like(values)
    while power + n_bits - unit > 53:  # noqa: PLR2004 (the bits of a float)
        power += n_bits + 1
        np.add(values, 2.0**power, out=leading)
        leading -= 2.0**power
        total += _whole(leading)
        values = np.subtract(values, leading, out=rest)
        power -= 53  # what is left is smaller than the bits taken off
    return total + _whole(values)


def _whole(values: Floats) -> int:
    mantissa, exponent = math.frexp(float(values.sum()))
    return int(mantissa * 2.0**53) << (exponent - 53 + UNIT_BITS)


def exact_weighted_sum(values: Floats, counts: npt.NDArray[np.int64]) -> int:
    """Return the exact sum of values that occur so many times each.

    Parameters
    ----------
    values : (n,) array of float
        Finite, n < 2**26.
    counts : (n,) array of int
        From 0 to 2**26.

    Returns
    -------
    int
        In units of ``2**-1130``: as `exact_sum` of all occurrences.
    """
    if not len(values):
        return 0
    if max(-float(values.min()), float(values.max())) > 2.0**HUGE_BITS:
        return exact_sum(np.repeat(values, counts))
    # Half of the bits of a value times a count is still a float.
    upper = (values.view(np.uint64) & UPPER_HALF).view(np.float64)
    return exact_sum(upper * counts) + exact_sum((values - upper) * counts)


def as_float(total: int, divisor: float = 1.0) -> float:
    """Return an exact sum over a divisor, rounded once; NaN where the divisor is 0."""
    if not divisor:
        return float("nan")
    try:
        return float(Fraction(total, 2**UNIT_BITS) / Fraction(divisor))
    except OverflowError:
        return float("nan")


def exact_spread(total: int, squares: int, n_rows: int) -> float:
    """Return the standard deviation (n - 1) from exact sums of x and x².

    NaN for fewer than two values.
    """
    if n_rows < 2:  # noqa: PLR2004 (one value has no spread)
        return float("nan")
    # Whole numbers throughout: no digit is lost before the root.
    scaled = n_rows * (squares << UNIT_BITS) - total**2
    variance = Fraction(scaled, 4**UNIT_BITS * n_rows * (n_rows - 1))
    # Each square was rounded before it was added: equal values can fall below zero.
    return math.sqrt(max(variance, Fraction(0)))


def smallest_hashes(bits: Hashes) -> Hashes:
    """Return the 1,024 smallest hashes of values given by their bits, each once.

    Different values never share a hash: the mixing function can be undone.

    References
    ----------
    Z. Bar-Yossef et al. (2002), doi:10.1007/3-540-45726-7_1; the mixing function is
    splitmix64 of S. Vigna.
    """
    # Sorting is dear: among many, first leave out what is surely too large.
    wanted = N_KEPT + 6 * math.isqrt(N_KEPT)
    limit = np.uint64(min(2**64 * wanted // max(len(bits), 1), 2**64 - 1))
    parts = [
        _stirred(bits[start : start + PART_ROWS], limit)
        for start in range(0, len(bits), PART_ROWS)
    ]
    found = _once(np.concatenate(parts)) if parts else bits
    if len(found) < N_KEPT and len(bits) > wanted:
        found = _once(_stirred(bits, np.uint64(2**64 - 1)))
    return found[:N_KEPT]


def merged_hashes(a: Hashes, b: Hashes) -> Hashes:
    """Return the 1,024 smallest of two sets of hashes, each once."""
    return _once(np.concatenate([a, b]))[:N_KEPT]


def _once(hashes: Hashes) -> Hashes:
    hashes = np.sort(hashes)
    is_first = np.ones(len(hashes), dtype=bool)
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    return hashes[is_first]


def _stirred(bits: Hashes, limit: np.uint64) -> Hashes:
    """Return the hashes up to about a limit."""
    with np.errstate(over="ignore"):
        mixed = bits + np.uint64(0x9E3779B97F4A7C15)
        shifted = mixed >> np.uint64(30)
        mixed ^= shifted
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        np.right_shift(mixed, np.uint64(27), out=shifted)
        mixed ^= shifted
        mixed *= np.uint64(0x94D049BB133111EB)
    # The last step leaves the upper bits alone, and with them the order.
    some = mixed[mixed <= (limit | np.uint64(2**33 - 1))]
    hashes: Hashes = some ^ (some >> np.uint64(31))
    return hashes


def distinct_count(hashes: Hashes) -> int:
    """Return the distinct values behind the smallest hashes.

    Exact below 1,024; above, an estimate with a standard error of 3.1 %.
    """
    if len(hashes) < N_KEPT:
        return len(hashes)
    return round((N_KEPT - 1) / (float(hashes[-1]) / 2.0**64))
