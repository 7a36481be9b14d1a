"""Rounded edges of a numeric attribute, in its own unit."""

import numpy as np

from readiness.column_profiles import ColumnProfile
from readiness.stats import Floats

CELLS_WANTED = 8  # over what the base table spans
STEPS = np.array([1.0, 2.0, 2.5, 5.0, 10.0])


def rounded_edges(
    seen: ColumnProfile, met: ColumnProfile, *, whole: bool = False
) -> Floats:
    """Return rounded edges that span what one table held and the other meets.

    Parameters
    ----------
    seen, met : ColumnProfile
        Of a numeric column; the step follows from what `seen` spans, and doubles
        beyond it, so that a wild value does not hide the rest.
    whole : bool
        The column holds whole numbers only.

    Returns
    -------
    (m,) array of float
        Increasing, at least one.
    """
    spans = [(one.quantile(0.01), one.quantile(0.99)) for one in (seen, met)]
    known = [one for one in spans if np.isfinite(one).all()]
    low, high = known[0]
    low_met, high_met = known[-1]
    # Divided before it is subtracted: the span itself may be too large a number.
    parts = [(one[1] / CELLS_WANTED, one[0] / CELLS_WANTED) for one in known]
    widths = [above - below for above, below in parts]
    step = _nice(widths[0] or widths[-1] or abs(low) / CELLS_WANTED or 1.0)
    step = max(step, 1.0) if whole else step
    inner = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    with np.errstate(over="ignore"):
        steps = step * np.cumsum(2.0 ** np.arange(6))
        above = inner[-1] + steps[inner[-1] + steps < high_met]
        below = inner[0] - steps[inner[0] - steps > low_met]
    edges = np.unique(np.round(np.concatenate([below, inner, above]) / step) * step)
    # Edges beyond both tables part nothing from nothing.
    lowest = np.nanmin([seen.minimum, met.minimum])
    highest = np.nanmax([seen.maximum, met.maximum])
    useful = edges[(edges >= lowest) & (edges < highest)]
    kept = useful if len(useful) else edges[:1]
    return np.array([float(f"{one:.12g}") for one in kept])


def _nice(width: float) -> float:
    power = 10.0 ** np.floor(np.log10(width))
    return float(STEPS[np.argmin(np.abs(STEPS - width / power))] * power)
