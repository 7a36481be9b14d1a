"""How far rows lie from the rows that were seen, and how odd that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.checks.coverage._points import Dimension, Points, owners, points_of
from readiness.row_hashes import code_hashes, sampled
from readiness.shares import (
    ShareCounts,
    merge_share_counts,
    share_counts,
)
from readiness.stats import Clusters, Floats, Ints
from readiness.table_rows import Keys, clusters_of, keys_of, weights_of
from readiness.tables import Table

N_CELLS = 100  # of the histogram of p-values
ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Support:
    """What p-values are read from.

    Parameters
    ----------
    space : tuple of Dimension
    anchors : (m, w) array of float
        Points of one half of the blocks.
    distances : (c,) array of float
        From points of the other half to their nearest anchor, in order.
    level : float
        A row with a p-value up to here is not supported.
    n_blocks : tuple of int
        Blocks behind the anchors, and behind the distances.
    """

    space: tuple[Dimension, ...]
    anchors: Points
    distances: Floats
    level: float
    n_blocks: tuple[int, int]

    def p_values(self, distances: Floats) -> Floats:
        """Return (1 + the number of distances at least as large) / (c + 1)."""
        smaller = np.searchsorted(self.distances, distances, side="left")
        n_known = len(self.distances)
        return np.asarray((1 + n_known - smaller) / (n_known + 1))


def learned_support(
    case: Case,
    base: Table,
    space: tuple[Dimension, ...],
    *,
    n_rows: int,
    level: float,
    seed: int,
) -> Support:
    """Split the blocks of a table in two: anchors, and what is far from them.

    Parameters
    ----------
    case : Case
    base : Table
    space : tuple of Dimension
    n_rows : int
        Anchors at most; twice as many distances.
    level, seed : float, int
    """
    keys = keys_of(case, base)
    columns = list(dict.fromkeys([*(one.name for one in space), *keys.columns()]))
    # More are drawn than used, because the halves are drawn by block.
    rows = sampled(base, columns, 6 * n_rows, seed).combine_chunks()
    batch = rows.to_batches(max_chunksize=max(rows.num_rows, 1))[0]
    clusters = clusters_of(batch, keys)
    first = _first_half(clusters, batch.num_rows, seed)
    points = points_of(batch, space)
    anchors, others = points[first][:n_rows], points[~first][: 2 * n_rows]
    distances, _ = nearest(others, anchors)
    return Support(
        space=space,
        anchors=anchors,
        distances=np.sort(distances),
        level=level,
        n_blocks=(_blocks(clusters, first), _blocks(clusters, ~first)),
    )


def nearest(points: Points, anchors: Points) -> tuple[Floats, Ints]:
    """Return the distance of n points to the nearest anchor, and which it is."""
    found = np.empty(len(points))
    which = np.empty(len(points), dtype=np.int64)
    own = np.einsum("ij,ij->i", anchors, anchors) / 2
    for start in range(0, len(points), ROWS_AT_ONCE):
        some = points[start : start + ROWS_AT_ONCE]
        # Half the squared distance, less what is the same for every anchor.
        near = own - some @ anchors.T
        at = np.argmin(near, axis=1)
        gap = some - anchors[at]
        found[start : start + len(some)] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
        which[start : start + len(some)] = at
    return found, which


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """How many rows are supported, and what drives those that are not.

    Parameters
    ----------
    shares : ShareCounts
        Of the rows without support.
    cells : (100,) array of int
        Rows by p-value.
    parts : (d,) array of float
        Squared distance of the rows without support, by dimension.
    """

    shares: ShareCounts
    cells: Ints
    parts: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgeSupport:
    """The summary that holds every row of a table against the support."""

    support: Support
    keys: Keys

    def columns(self) -> list[str]:
        """Return the columns that are read."""
        return [*(one.name for one in self.support.space), *self.keys.columns()]

    def summarize(self, batch: pa.RecordBatch) -> Judged:
        """Judge one batch."""
        support = self.support
        points = points_of(batch, support.space)
        distances, which = nearest(points, support.anchors)
        p = support.p_values(distances)
        odd = p <= support.level
        gap = (points[odd] - support.anchors[which[odd]]) ** 2
        by_coordinate = gap.sum(axis=0, dtype=float)
        cells = np.minimum((p * N_CELLS).astype(np.int64), N_CELLS - 1)
        return Judged(
            shares=share_counts(
                odd[:, None],
                clusters_of(batch, self.keys),
                weights_of(batch, self.keys),
            ),
            cells=np.bincount(cells, minlength=N_CELLS),
            parts=np.bincount(
                owners(support.space), by_coordinate, minlength=len(support.space)
            ).astype(float),
        )

    def merge(self, a: Judged, b: Judged) -> Judged:
        """Judge two sets of rows together."""
        return Judged(
            shares=merge_share_counts(a.shares, b.shares),
            cells=a.cells + b.cells,
            parts=a.parts + b.parts,
        )


def _first_half(clusters: Clusters, n_rows: int, seed: int) -> np.ndarray:
    """Return which rows are anchors: those of half of the blocks."""
    codes = clusters.declared()
    key = codes[0] if codes else np.arange(n_rows)
    known = np.unique(key)
    mixed = code_hashes(known, seed)
    half = known[np.argsort(mixed, kind="stable")][: max(len(known) // 2, 1)]
    return np.isin(key, half)


def _blocks(clusters: Clusters, rows: np.ndarray) -> int:
    codes = clusters.take(rows).declared()
    return len(np.unique(codes[0])) if codes else int(rows.sum())


def told(names: Sequence[str], parts: Floats) -> list[tuple[str, float]]:
    """Return features with their share of the squared distance, largest first."""
    total = float(parts.sum())
    shares = parts / total if total > 0 else parts
    order = np.argsort(-shares, kind="stable")
    return [(names[n], float(shares[n])) for n in order]
