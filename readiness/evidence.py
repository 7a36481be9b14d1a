"""What findings keep of their rows: influence summed by block, for later runs to pair.

Two runs on the same rows can be compared row by row only if something of the rows is
published. Influence summed by block is enough: the error of a difference is the
difference of the sums. No value of a row and no label of a block is kept: blocks of
time have their number since 1970, others their place in order of first appearance.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.columns import block_span
from readiness.kept import GIVEN
from readiness.scored import Scores
from readiness.shares import ShareCounts
from readiness.stats import Estimate, Floats, Ints
from readiness.table_rows import NULL_CODE, keys_of
from readiness.tables import Table

COLUMNS = ("metric", "group", "table", "blocks", "block", "influence")
MOST_TIMES = 400  # blocks of time of one finding; a year of days fits
MOST_DRAWN = 200  # bins of other blocks drawn together
MOST_LINES = 20_000  # of one check: about 1 MB
DIGITS = 9  # significant ones of each sum
LEAST_ROWS = 10  # on average in a bin: none stands for a single row
LEAST_VALUES = 10  # of a sensitive column in a bin
SPREAD_OUT = 64  # bins for rows without a time
SPANS = ("day", "week")  # of blocks that nobody declared
MIXER = np.uint64(0x9E3779B97F4A7C15)  # of splitmix64 (G. L. Steele et al., 2014)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bins:
    """One way in which the rows of a table are summed.

    Parameters
    ----------
    table : str
        Name of the table.
    called : str
        What a bin is; the same table, called the same, has the same bins in any run.
    bin : numpy.ndarray of int, shape (n,)
        Of each of n rows, or of each of n blocks of them.
    """

    table: str
    called: str
    bin: Ints


def bins_of(case: Case, scored: Scores, undeclared: str = "") -> tuple[Bins, ...]:
    """Return the ways in which scored rows are summed: by block, then by entity.

    Parameters
    ----------
    case : Case
        Declares block and entity.
    scored : Scores
        n rows with their clusters.
    undeclared : str
        What the blocks are where nobody declared them: ``"day"``, ``"week"``, or a
        column; else empty.

    Returns
    -------
    tuple of Bins
        Blocks of time beyond `MOST_TIMES` are joined with their neighbours, others
        beyond `MOST_DRAWN` drawn together by a fixed hash of their place; also where
        a bin would hold fewer than ten rows, or ten values of a sensitive column, on
        average. Sums of whole blocks are as independent as the blocks. With neither
        block nor entity, rows are drawn together.
    """
    clusters, data = scored.clusters, case.file.data
    found = []
    if clusters.block is not None:
        name = undeclared or case.block or ""
        found.append(_bins_by_block(case, scored, name, undeclared, clusters.block))
    if clusters.entity is not None:
        name = data.entity or "entity"
        codes = clusters.entity
        found.append(_drawn_together(case, scored.table, name, codes, len(codes)))
    if not found:
        codes = scored.row
        found.append(_drawn_together(case, scored.table, "rows", codes, len(codes)))
    return tuple(found)


def influence_lines(
    metric: str,
    group: str,
    estimate: Estimate,
    bins: Iterable[Bins],
    rows: npt.NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Return what one finding keeps: a line per bin with the sum of its influence.

    Parameters
    ----------
    metric, group : str
        Of the finding.
    estimate : Estimate
        Its value, and the influence of each of its m rows.
    bins : iterable of Bins
        Of the n rows of the table.
    rows : numpy.ndarray of bool, shape (n,), optional
        Which m of the n rows the finding rests on; default all.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; ``influence`` is the part of the error of the value that the bin
        brings, in its unit: they sum to nothing, and their squares to the variance.
        Empty where the rows do not define the value.
    """
    parts = []
    for one in bins if np.isfinite(estimate.value) else ():
        of_row = one.bin if rows is None else one.bin[rows]
        found, place = np.unique(of_row, return_inverse=True)
        sums = np.bincount(place, estimate.influence, len(found)) / len(of_row)
        parts.append(kept_lines((metric, group), one.table, one.called, found, sums))
    return pd.concat(parts, ignore_index=True) if parts else _empty()


def kept_lines(
    finding: tuple[str, str], table: str, called: str, bins: Ints, sums: Floats
) -> pd.DataFrame:
    """Return the sums of one finding, called (metric, group), in one table."""
    rounded = [float(f"{one:.{DIGITS}g}") for one in sums]
    values = (*finding, table, called, bins, rounded)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def share_lines(
    case: Case,
    table: Table,
    counts: ShareCounts,
    findings: Sequence[tuple[str, str]],
    *,
    sign: float = 1.0,
    given: str = "",
) -> list[pd.DataFrame]:
    """Return what shares counted in a stream keep: as `influence_lines`, of sums alone.

    Parameters
    ----------
    case, table : Case, Table
        Declare block and entity.
    counts : ShareCounts
        Of the table; m shares.
    findings : sequence of (str, str)
        Metric and group of the first shares, in order.
    sign : float
        -1 for what a difference takes off.
    given : str
        What the shares rest on that was drawn, in a few characters: a later run has to
        have drawn the same to be paired.

    Returns
    -------
    list of pandas.DataFrame
        One per finding. The part of the error that a bin brings is its hits less the
        share of its rows, over all rows. Empty where nothing is counted, and where
        the table has neither block nor entity: no row's place is kept then.
    """
    total = float(counts.totals[0])
    bins = _bins_of_sums(case, table, counts) if total > 0 else ()
    lines = []
    for n, finding in enumerate(findings, start=1):
        share = float(counts.totals[n]) / total if total > 0 else 0.0
        parts = [_empty()]
        for one, keyed in zip(bins, counts.clusterings, strict=False):
            known, place = np.unique(one.bin, return_inverse=True)
            error = sign * (keyed.sums[:, n] - share * keyed.sums[:, 0]) / total
            sums: Floats = np.bincount(place, error, len(known)).astype(float)
            called = f"{one.called}{GIVEN}{given}" if given else one.called
            parts.append(kept_lines(finding, one.table, called, known, sums))
        lines.append(pd.concat(parts, ignore_index=True))
    return lines


def _bins_of_sums(case: Case, table: Table, counts: ShareCounts) -> tuple[Bins, ...]:
    """Return the bin of each block, then of each entity, that rows were summed by."""
    keys, n_rows = keys_of(case, table), counts.n_rows
    named: list[str] = []
    if keys.time or keys.block:
        named.append(case.block or "")
    if keys.entity:
        named.append(keys.entity)
    found: list[Bins] = []
    for name, keyed in zip(named, counts.clusterings, strict=True):
        if keys.time and not found:
            without = keyed.keys < NULL_CODE // 2
            codes = np.where(
                without, -1 - (keyed.keys - NULL_CODE) % SPREAD_OUT, keyed.keys
            )
            found.append(_neighbours_joined(table.name, name, codes, n_rows))
        else:
            assert keyed.first is not None, "`share_counts` knows it"  # noqa: S101 (never reached: nothing else counts shares by entity)
            # The place in order of appearance: a hash would tell whose it is.
            first = np.argsort(np.argsort(keyed.first))
            found.append(_drawn_together(case, table.name, name, first, n_rows))
    return tuple(found)


def influence_table(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return what a check keeps: whole findings, `MOST_LINES` lines at most.

    A finding that no longer fits is left out whole, and so is not paired later.
    """
    return pd.concat([_empty(), *_fitting(parts)], ignore_index=True)


def _fitting(parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    left = MOST_LINES
    for one in parts:
        if 0 < len(one) <= left:
            left -= len(one)
            yield one


def _empty() -> pd.DataFrame:
    kinds = dict.fromkeys(COLUMNS, object) | {"block": "int64"}
    return pd.DataFrame(columns=list(COLUMNS)).astype(kinds | {"influence": "float64"})


def _bins_by_block(
    case: Case, scored: Scores, name: str, undeclared: str, codes: Ints
) -> Bins:
    table, n_rows = scored.table, len(codes)
    if undeclared in SPANS:
        return _neighbours_joined(table, name, codes, n_rows)
    if undeclared:  # numbered among these rows, so only with these rows the same
        rows = np.ascontiguousarray(scored.row).tobytes()
        same = f"{name} of rows {hashlib.sha256(rows).hexdigest()[:12]}"
        return _drawn_together(case, table, name, codes, n_rows, called=same)
    span = block_span(name)
    if span is None or scored.time is None:
        return _drawn_together(case, table, name, codes, n_rows)
    when = scored.time.astype("datetime64[ns]").astype(np.int64) // span
    without = np.isnat(scored.time)
    when = np.where(without, -1 - codes % SPREAD_OUT, when)
    return _neighbours_joined(table, name, when, n_rows)


def _neighbours_joined(table: str, name: str, codes: Ints, n_rows: int) -> Bins:
    """Return blocks of time, joined by powers of two until they are few enough."""
    bins, width = joined(codes, n_rows)
    called = name if width == 1 else f"{width} x {name}"
    return Bins(table=table, called=called, bin=bins)


def joined(codes: Ints, n_rows: int) -> tuple[Ints, int]:
    """Return numbers of blocks of time joined until few enough, and how many in one."""
    most, width = max(min(MOST_TIMES, n_rows // LEAST_ROWS), 1), 1
    while len(np.unique(codes // width)) > most and width < np.ptp(codes):
        width *= 2
    return codes // width, width


def _drawn_together(
    case: Case, table: str, name: str, codes: Ints, n_rows: int, *, called: str = ""
) -> Bins:
    n_values = len(np.unique(codes))
    section = case.file.columns.get(name)
    least = LEAST_VALUES if section is not None and section.sensitive else 1
    most = max(min(MOST_DRAWN, n_rows // LEAST_ROWS, n_values // least), 1)
    if n_values <= most:
        return Bins(table=table, called=called or name, bin=codes)
    called = f"{called or name} in {most}"
    mixed = _mixed(codes) % np.uint64(most)
    return Bins(table=table, called=called, bin=mixed.astype(np.int64))


def _mixed(codes: Ints) -> npt.NDArray[np.uint64]:
    """Return numbers that look drawn at random, the same for the same code."""
    x = codes.astype(np.uint64) * MIXER
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
