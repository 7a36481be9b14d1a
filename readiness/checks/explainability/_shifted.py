"""How far attribution moved between two tables, and how far it would by chance."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from readiness.checks.explainability._explained import Explained
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    block_sums,
    clustered_interval,
    relative_weights,
)

LEVEL = 0.01  # chance of an alarm where nothing moved
ROUNDING = 1e-12  # a smaller shift is none
ALL_COLUMNS = 0.05  # the same of naming any column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """Sizes of attributions of the rows of one table.

    Parameters
    ----------
    sizes : ndarray of shape (n, d)
        Times the row's relative weight.
    clusters : Clusters
        Codes of the n rows.
    """

    sizes: Floats
    clusters: Clusters

    @property
    def shares(self) -> Floats:
        """Share of all attribution of each column, (d,)."""
        sums = self.sizes.sum(axis=0)
        found: Floats = sums / sums.sum()
        return found

    def influence(self) -> Floats:
        """Return the influence of each row on each share, (n, d)."""
        total = self.sizes.sum(axis=1, keepdims=True)
        found: Floats = (self.sizes - self.shares * total) / total.mean()
        return found

    def deviations(self, n_draws: int, rng: np.random.Generator) -> Floats:
        """Return by how much shares would be off by chance, (n_draws, d).

        Blocks drawn with replacement; scaled as Student's t, for few blocks do not
        know their own spread.
        """
        widest = self._widest()
        # Numbered as they come, so that the order of the file does not matter.
        codes = None if widest is None else pd.factorize(widest)[0]
        by_block = block_sums(self.sizes, codes)
        n_blocks = len(by_block)
        equal = np.full(n_blocks, 1 / n_blocks)
        sums = rng.multinomial(n_blocks, equal, n_draws) @ by_block
        drawn = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-300)
        scale = np.sqrt(n_blocks / np.maximum(rng.chisquare(n_blocks - 1, n_draws), 1))
        found: Floats = (drawn - self.shares) * scale[:, None]
        return found

    def _widest(self) -> Ints | None:
        """Return the codes, of block and entity, under which shares vary most."""
        influence = self.influence()
        codes = self.clusters.declared() or (None,)
        return max(
            codes, key=lambda one: float(np.sum(block_sums(influence, one) ** 2))
        )

    def n_blocks(self) -> int:
        """Return the fewest blocks that any declared code gives."""
        counts = [len(np.unique(code)) for code in self.clusters.declared()]
        return min([len(self.sizes), *counts])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """What moved between reference and current.

    Parameters
    ----------
    shift : Interval
        Total variation of the shares; `ci_low` is 0 unless `shift` is beyond
        `chance`.
    chance : float
        What the shift exceeds in 1 of 100 cases where nothing moved.
    order : Interval
        NDCG of the reference's importance in the order of current.
    least_order : float
        What the NDCG falls below in 1 of 100 cases where nothing moved.
    surprise : ndarray of shape (d,)
        Adjusted p-value of each column's change, over all columns.
    """

    shift: Interval
    chance: float
    order: Interval
    least_order: float
    surprise: Floats


def side_of(rows: Explained) -> Side:
    """Return the weighted sizes of the attributions of explained rows."""
    sizes = np.abs(rows.found.values.to_numpy())
    weights = relative_weights(len(sizes), rows.weight)
    return Side(sizes=sizes * weights[:, None], clusters=rows.clusters)


def total_variation(one: Floats, other: Floats) -> Floats:
    """Return half the sum of absolute differences, over the last axis.

    Examples
    --------
    >>> float(total_variation(np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.7, 0.2])))
    0.6
    """
    found: Floats = 0.5 * np.abs(one - other).sum(axis=-1)
    return found


def ndcg(known: Floats, now: Floats) -> Floats:
    """Return what the order of `now` keeps of the importance `known`, 0 to 1.

    Parameters
    ----------
    known, now : ndarray of shape (..., d)
        Importance of the same d columns, not negative.

    References
    ----------
    K. Jarvelin, J. Kekalainen (2002), doi:10.1145/582415.582418.

    Examples
    --------
    >>> known, now = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.7, 0.2])
    >>> round(float(ndcg(known, now)), 4)
    0.6997
    """
    order = np.argsort(-now, axis=-1, kind="stable")
    discount = 1 / np.log2(np.arange(known.shape[-1]) + 2)
    gained = np.take_along_axis(known, order, axis=-1) @ discount
    found: Floats = gained / (-np.sort(-known, axis=-1) @ discount)
    return found


def moved(
    reference: Side, current: Side, n_draws: int, rng: np.random.Generator
) -> Moved:
    """Return how far attribution moved, held against what chance alone would do.

    Parameters
    ----------
    reference, current : Side
        Independent of each other; each of at least two blocks.
    n_draws : int
    rng : numpy.random.Generator
    """
    known, now = reference.shares, current.shares
    own = reference.deviations(n_draws, rng)
    other = current.deviations(n_draws, rng)
    apart = other - own
    by_chance = total_variation(apart, np.zeros_like(apart))
    chance = float(np.quantile(by_chance, 1 - LEVEL, method="higher"))
    redrawn = total_variation(known + own, now + other)
    shift = _interval(reference, current, redrawn)
    if shift.value <= chance:
        shift = replace(shift, ci_low=0.0)
    usual = ndcg(np.maximum(known + own, 0.0), np.maximum(known + other, 0.0))
    again = ndcg(np.maximum(known + own, 0.0), np.maximum(now + other, 0.0))
    value = float(ndcg(known, now))
    low, high = np.quantile(again, [0.05, 0.95])
    order = replace(
        shift,
        value=value,
        ci_low=min(float(low), value),
        ci_high=max(float(high), value),
        se=float("nan"),
        dependence_factor=float("nan"),
    )
    return Moved(
        shift=shift,
        chance=chance,
        order=order,
        least_order=float(np.quantile(usual, LEVEL, method="lower")),
        surprise=_surprise(now - known, apart),
    )


def _interval(reference: Side, current: Side, redrawn: Floats) -> Interval:
    """Return the total variation between limits for two independent samples.

    The sides of two intervals are added as squares (Zou, Donner 2008,
    doi:10.1002/sim.3095). Signs chosen by the data make the value too large, by what
    drawing again makes it larger still.
    """
    signs = np.sign(current.shares - reference.shares) / 2
    old, new = (
        clustered_interval(
            Estimate(
                value=float(side.shares @ signs), influence=side.influence() @ signs
            ),
            side.clusters,
        )
        for side in (reference, current)
    )
    value = new.value - old.value
    value = value if value > ROUNDING else 0.0
    bias = max(float(np.mean(redrawn)) - value, 0.0)
    below = np.hypot(new.value - new.ci_low, old.ci_high - old.value)
    above = np.hypot(new.ci_high - new.value, old.value - old.ci_low)
    return Interval(
        value=value,
        ci_low=max(value - bias - float(below), 0.0),
        ci_high=min(value + float(above), 1.0),
        se=float(np.hypot(old.se, new.se)),
        n_rows=old.n_rows + new.n_rows,
        n_blocks=min(reference.n_blocks(), current.n_blocks()),
        dependence_factor=max(old.dependence_factor, new.dependence_factor),
    )


def _surprise(change: Floats, apart: Floats) -> Floats:
    """Return how often chance moves any column as many SD as each one moved."""
    spread = apart.std(axis=0)
    safe = np.where(spread > 0, spread, np.inf)
    largest = np.max(np.abs(apart) / safe, axis=1)
    found: Floats = np.mean(largest[:, None] >= np.abs(change) / safe - 1e-12, axis=0)
    return np.where(spread > 0, found, 1.0)


def column_table(
    names: list[str], reference: Side, current: Side, found: Moved
) -> pd.DataFrame:
    """Return each column's shares in both tables, the largest change first."""
    known, now = reference.shares, current.shares
    table = pd.DataFrame(
        {
            "column": names,
            "reference_share": known,
            "current_share": now,
            "change": now - known,
            "p_adjusted": found.surprise,
            "beyond_chance": found.surprise < ALL_COLUMNS,
            "reference_size": reference.sizes.mean(axis=0),
            "current_size": current.sizes.mean(axis=0),
        }
    )
    order = np.argsort(-np.abs(table["change"].to_numpy()), kind="stable")
    return table.iloc[order].reset_index(drop=True)
