"""Sums of what is compared, by block: all that an interval of a move needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from readiness.checks.drift._observed_folds import Feature, folds_of, label_codes
from readiness.checks.drift._observed_witness import Witness, heights_of
from readiness.shares import KeyedSums, ShareCounts, merge_sums
from readiness.stats import Floats
from readiness.table_rows import Keys, clusters_of, numbers, weights_of

# Places in the sums of a feature; a number then has its values and their squares,
# a category one place for each that is tracked.
WEIGHT, KNOWN, MISSING, HEIGHT, SQUARE, PLAIN, PLAIN_SQUARE, FIRST = range(8)
VALUE, VALUE_SQUARE = FIRST, FIRST + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Sums of several features over one table.

    Parameters
    ----------
    n_rows : int
    places : mapping of str to slice
        Columns of the sums that belong to a feature.
    totals : numpy.ndarray of float, shape (M,)
    products : mapping of str to numpy.ndarray, shape (k, k)
        Sums over rows of products of a feature's columns.
    n_known : mapping of str to int
        Rows with a value.
    clusterings : tuple of KeyedSums
        `totals` by block, then by entity, where the case declares them.
    """

    n_rows: int
    places: Mapping[str, slice]
    totals: Floats
    products: Mapping[str, Floats]
    n_known: Mapping[str, int]
    clusterings: tuple[KeyedSums, ...]

    def of(self, name: str) -> Floats:
        """Return the totals of one feature."""
        return self.totals[self.places[name]]

    def shares(self, name: str, place: int) -> ShareCounts:
        """Return one place of a feature as a share of all rows."""
        start = self.places[name].start
        columns = [start, start + place]
        products = self.products[name]
        return ShareCounts(
            n_rows=self.n_rows,
            totals=self.totals[columns],
            squares=np.array([products[WEIGHT, WEIGHT], products[place, place]]),
            clusterings=tuple(
                KeyedSums(keys=one.keys, sums=one.sums[:, columns])
                for one in self.clusterings
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SumUp:
    """The summary that sums features by block and entity."""

    features: tuple[Feature, ...]
    witnesses: Mapping[str, Witness]
    keys: Keys
    seed: int

    def summarize(self, batch: pa.RecordBatch) -> Sums:
        """Sum one batch."""
        fold = folds_of(batch, self.features, self.keys, self.seed)
        weight = weights_of(batch, self.keys)
        w = np.ones(batch.num_rows) if weight is None else weight
        codes = [
            np.unique(one, return_inverse=True)
            for one in clusters_of(batch, self.keys).declared()
        ]
        parts: list[list[Floats]] = [[] for _ in codes]
        totals, products, n_known = [], {}, {}
        for one in self.features:
            values = batch.column(one.name)
            heights = heights_of(self.witnesses[one.name], one, values, fold)
            columns = _columns(one, values, heights)
            weighted = [w * column for column in columns]
            stacked = np.stack(weighted)
            totals.append(stacked.sum(axis=1))
            # Not by matrix product: the order in which that adds depends on threads.
            products[one.name] = np.einsum("ij,kj->ik", stacked, stacked)
            n_known[one.name] = int(columns[KNOWN].sum())
            for part, (found, place) in zip(parts, codes, strict=True):
                part += [
                    np.asarray(np.bincount(place, x, minlength=len(found)), float)
                    for x in weighted
                ]
        return Sums(
            n_rows=batch.num_rows,
            places=places_of(self.features),
            totals=np.concatenate(totals),
            products=products,
            n_known=n_known,
            clusterings=tuple(
                KeyedSums(keys=found, sums=np.stack(part, axis=1))
                for part, (found, _) in zip(parts, codes, strict=True)
            ),
        )

    def merge(self, a: Sums, b: Sums) -> Sums:
        """Sum two sets of rows together."""
        pairs = zip(a.clusterings, b.clusterings, strict=True)
        return Sums(
            n_rows=a.n_rows + b.n_rows,
            places=a.places,
            totals=a.totals + b.totals,
            products={n: a.products[n] + b.products[n] for n in a.products},
            n_known={n: a.n_known[n] + b.n_known[n] for n in a.n_known},
            clusterings=tuple(merge_sums(x, y) for x, y in pairs),
        )


def places_of(features: tuple[Feature, ...]) -> Mapping[str, slice]:
    """Return which columns of the sums belong to each feature."""
    found, start = {}, 0
    for one in features:
        wide = 2 if one.kind == "number" else len(one.tracked)
        found[one.name] = slice(start, start + FIRST + wide)
        start += FIRST + wide
    return found


def _columns(feature: Feature, values: pa.Array, heights: Floats) -> list[Floats]:
    known = np.isfinite(heights[0])
    height, plain = np.where(known, heights, 0.0)
    if feature.kind == "number":
        x = numbers(values)
        z = np.where(known, (x - feature.centre) / feature.scale, 0.0)
        missing, own = np.isnan(x), [z, z * z]
    else:
        codes, names = label_codes(values, feature.kind)
        missing = codes < 0
        own = []
        for label in feature.tracked:
            mine = [n for n, name in enumerate(names) if name == label]
            own.append(np.isin(codes, mine).astype(float))
    ones = np.ones(len(known))
    counted = [ones, known.astype(float), missing.astype(float)]
    return [*counted, height, height**2, plain, plain**2, *own]
