"""How the attribution of a column goes with its value, cell by cell of coverage."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute, choose
from readiness.checks.coverage._cells import CountCells
from readiness.checks.coverage._map import map_table
from readiness.checks.coverage._pattern_report import SMALL_CELL
from readiness.checks.explainability._explained import Explained
from readiness.profiles import profile
from readiness.stats import (
    Clusters,
    Estimate,
    Floats,
    Interval,
    Ints,
    clustered_interval,
    no_interval,
    proportion_interval,
    relative_weights,
    weighted_mean,
)
from readiness.table_rows import compared_tables, keys_of, passed

MIN_ROWS, MIN_BLOCKS = 30, 5  # of the base table, as in C1: fewer support nothing
FEWEST = 10  # explained rows of a cell whose mean is told


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """Explained rows of one table with the values of their columns.

    Parameters
    ----------
    name : str
        Of the table.
    rows : Explained
    frame : pandas.DataFrame
        The features of the same n rows.
    """

    name: str
    rows: Explained
    frame: pd.DataFrame

    def weight(self, kept: Ints) -> Floats | None:
        """Return the weights of some rows."""
        return None if self.rows.weight is None else self.rows.weight[kept]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Support:
    """Cells of a few columns, and how many rows the base table has in each.

    Parameters
    ----------
    base : str
        Name of the base table: training, else the reference.
    attributes : tuple of Attribute
        In the order asked for; columns that cannot be cut into cells are absent.
    cells : pandas.DataFrame
        As `checks.coverage._map.map_table`: ``thin`` where rows or blocks are few.
    """

    base: str
    attributes: tuple[Attribute, ...]
    cells: pd.DataFrame


def support_of(case: Case, names: list[str], seed: int) -> Support:
    """Return the cells of coverage for some columns, counted in the base table.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS where none of them can be cut into cells.
    """
    base, other = compared_tables(case)
    chosen = choose(case, base, other, {"attributes": names, "domains": {}}, seed)
    keys = keys_of(case, base)
    by_block = keys.time or keys.block or keys.entity
    count = CountCells(
        attributes=chosen.attributes,
        level=1,
        keys=keys,
        n_blocks=MIN_BLOCKS if by_block else 0,
    )
    seen = count.finish(passed(base, count, count.columns()))
    there = replace(count, keys=keys_of(case, other), n_blocks=0)
    met = there.finish(passed(other, there, there.columns()))
    sensitive = frozenset(n for n, one in case.columns.items() if one.sensitive)
    return Support(
        base=base.name,
        attributes=chosen.attributes,
        cells=map_table(count, seen, met, MIN_ROWS, sensitive),
    )


def effect_table(case: Case, support: Support, tables: list[Told]) -> pd.DataFrame:
    """Return the mean attribution in every cell of every column, by table.

    Returns
    -------
    pandas.DataFrame
        ``column``, ``is_numeric``, ``table``, ``place`` and ``cell`` (in words),
        ``lower`` and ``upper`` (edges of a cell of numbers), ``at`` (mean value of
        the rows in it), ``mean_attribution`` with ``ci_low`` and ``ci_high``,
        ``rows`` explained, ``base_rows``, ``supported``. Cells
        without any row are left out; under 10 explained rows there is no mean, and
        of a sensitive column no count either.
    """
    lines: list[dict[str, Any]] = []
    for attribute in support.attributes:
        own = support.cells[support.cells["attribute"] == attribute.name]
        is_private = case.columns[attribute.name].sensitive
        whole = None if is_private else _whole(case, attribute.name)
        for told in tables:
            part = _lines(attribute, own, told, is_private=is_private)
            lines += [{**one, "cell": _in_words(one, whole)} for one in part]
    return pd.DataFrame(lines)


def _lines(
    attribute: Attribute, own: pd.DataFrame, told: Told, *, is_private: bool
) -> list[dict[str, Any]]:
    codes = cells_of(attribute, told)
    values = told.rows.found.values[attribute.name].to_numpy()
    edges = np.concatenate([[-np.inf], attribute.edges, [np.inf]])
    found = []
    for place, cell in enumerate(own.to_dict("records")):
        kept = np.flatnonzero(codes == place)
        n_base = np.nan_to_num(cell["base_rows"])
        if not len(kept) and not n_base:
            continue
        one = _mean(values, kept, told)
        is_number = attribute.is_numeric and place < len(edges) - 1
        hidden = is_private and len(kept) < SMALL_CELL
        found.append(
            {
                "column": attribute.name,
                "is_numeric": attribute.is_numeric,
                "table": told.name,
                "place": place,
                "cell": _words(attribute, edges, place),
                "lower": edges[place] if is_number else np.nan,
                "upper": edges[place + 1] if is_number else np.nan,
                "at": _middle(told, attribute.name, kept) if is_number else np.nan,
                "mean_attribution": one.value,
                "ci_low": one.ci_low,
                "ci_high": one.ci_high,
                "rows": np.nan if hidden else float(len(kept)),
                "base_rows": cell["base_rows"],
                "supported": not cell["thin"],
            }
        )
    return found


def _whole(case: Case, name: str) -> tuple[float, float] | None:
    """Return the least and the largest value of a column of whole numbers."""
    schema = case.training_or_reference().schema
    if not pa.types.is_integer(schema.field(name).type):
        return None
    known = [profile(case, table)[name] for table in case.tables]
    return min(one.minimum for one in known), max(one.maximum for one in known)


def _in_words(line: dict[str, Any], whole: tuple[float, float] | None) -> str:
    """Return a cell in words; of whole numbers, with the values that lie in it."""
    if whole is None or not line["upper"] > line["lower"]:
        return str(line["cell"])
    low = max(np.floor(line["lower"]) + 1, whole[0])
    high = min(np.floor(line["upper"]), whole[1])
    if low > high:
        return str(line["cell"])
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def cells_of(attribute: Attribute, told: Told) -> Ints:
    """Return the cell of each explained row."""
    return attribute.codes(pa.array(told.frame[attribute.name], from_pandas=True))


def _words(attribute: Attribute, edges: Floats, place: int) -> str:
    if place == attribute.n_cells - 1:
        return "missing"
    if not attribute.is_numeric:
        known = attribute.values
        return known[place] if place < len(known) else "a rare value"
    if place == 0:
        return f"up to {edges[1]:.6g}"
    if place == len(edges) - 2:
        return f"above {edges[place]:.6g}"
    return f"{edges[place]:.6g} to {edges[place + 1]:.6g}"


def _middle(told: Told, name: str, kept: Ints) -> float:
    if not len(kept):
        return float("nan")
    return float(told.frame[name].iloc[kept].astype("float64").mean())


def _mean(values: Floats, kept: Ints, told: Told) -> Interval:
    if len(kept) < FEWEST:
        return no_interval()
    return clustered_interval(
        weighted_mean(values[kept], told.weight(kept)), told.rows.clusters.take(kept)
    )


def unsupported_share(attribute: Attribute, support: Support, told: Told) -> Interval:
    """Return the share of rows in cells of which the base table has hardly any."""
    own = support.cells[support.cells["attribute"] == attribute.name]
    thin = own["thin"].to_numpy(dtype=bool)
    every = np.arange(len(told.frame))
    return proportion_interval(
        thin[cells_of(attribute, told)], told.rows.clusters, told.weight(every)
    )


def direction_of(told: Told, name: str) -> Interval:
    """Return the rank correlation of a column of numbers with its attribution."""
    x = told.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    kept = np.flatnonzero(np.isfinite(x))
    values = told.rows.found.values[name].to_numpy()
    clusters: Clusters = told.rows.clusters.take(kept)
    weight = relative_weights(len(kept), told.weight(kept))
    found = clustered_interval(
        rank_correlation(x[kept], values[kept], weight), clusters
    )
    return replace(
        found, ci_low=max(found.ci_low, -1.0), ci_high=min(found.ci_high, 1.0)
    )


def rank_correlation(x: Floats, y: Floats, weight: Floats) -> Estimate:
    """Return Spearman's rank correlation of n pairs, with its influence values.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Finite; equal values share their middle rank.
    weight : ndarray of shape (n,)
        With mean one.

    Notes
    -----
    The influence is that of the plug-in functional: a row also moves the ranks of the
    others. NaN where all x, or all y, are equal.

    References
    ----------
    C. Croux, C. Dehon (2010), doi:10.1007/s10260-010-0142-z.
    """
    u, above_x = _ranks(x, weight)
    v, above_y = _ranks(y, weight)
    squares = [float(np.mean(weight * one**2)) for one in (u, v)]
    spread = [one - 0.25 for one in squares]
    if not len(x) or min(spread) <= 1e-12:  # noqa: PLR2004 (rounding)
        return Estimate(value=float("nan"), influence=np.full(len(x), np.nan))
    product = float(np.mean(weight * u * v))
    scale = float(np.sqrt(spread[0] * spread[1]))
    value = (product - 0.25) / scale
    of_product = u * v + above_x(v) + above_y(u) - 3 * product
    of_u = u**2 + 2 * above_x(u) - 3 * squares[0]
    of_v = v**2 + 2 * above_y(v) - 3 * squares[1]
    influence = of_product / scale - value / 2 * (of_u / spread[0] + of_v / spread[1])
    return Estimate(value=value, influence=weight * influence)


def _ranks(values: Floats, weight: Floats) -> tuple[Floats, Any]:
    """Return middle ranks in [0, 1], and the sum of something over the rows above."""
    _, place = np.unique(values, return_inverse=True)

    def summed(what: Floats) -> Floats:
        return np.bincount(place, weight * what) / max(len(values), 1)

    def above(what: Floats) -> Floats:
        own = summed(what)
        found: Floats = (own.sum() - np.cumsum(own) + own / 2)[place]
        return found

    mass = summed(np.ones(len(values)))
    ranks: Floats = (np.cumsum(mass) - mass / 2)[place]
    return ranks, above
