"""The attributes that situations are made of: chosen, cut into cells, put in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from readiness.case import Case
from readiness.checks.coverage._edges import rounded_edges
from readiness.column_profiles import ColumnProfile
from readiness.errors import CaseError, NotAssessedError, Reason
from readiness.patterns import Axis, half_lines, plain_axis
from readiness.profiles import profile
from readiness.row_hashes import sampled
from readiness.scoring import require_rescoring, score_frame
from readiness.seen import encoded
from readiness.stats import Ints
from readiness.table_rows import numbers, readable
from readiness.tables import Table
from readiness.text import number, visible

MOST_ATTRIBUTES = 8
SMALL_CELL = 10  # rows of a sensitive category below which it is not named
MOST_VALUES = 120  # of a categorical attribute; the rarer ones are counted together
KINDS = ("numeric", "categorical", "boolean")
ASKED_ROWS = 2000
ASKED_CELLS = 120_000  # rows times features asked for their weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute, cut into cells frozen before any row is counted.

    Parameters
    ----------
    name, unit : str
    edges : tuple of float
        Of a numeric attribute: cells are "up to edge 0", ..., "above the last".
    values : tuple of str
        Of a categorical one, as text; a last cell holds all other values.
    n_declared : int
        The first so many of `values` are declared: expected, met or not.

    Notes
    -----
    The last cell of every attribute holds the rows without a value.
    """

    name: str
    unit: str = ""
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    n_declared: int = 0

    @property
    def is_numeric(self) -> bool:
        """Whether the cells are in order."""
        return bool(self.edges)

    @property
    def n_cells(self) -> int:
        """Cells, the one of missing values included."""
        return (len(self.edges) if self.is_numeric else len(self.values)) + 2

    @property
    def axis(self) -> Axis:
        """The values of this attribute over its cells."""
        if self.is_numeric:
            return half_lines(len(self.edges) + 1, 1)
        return plain_axis(self.n_cells)

    def codes(self, values: pa.Array) -> Ints:
        """Return the cell of each of n values."""
        if self.is_numeric:
            x = numbers(values)
            cells = np.searchsorted(self.edges, x, side="left")
            return np.where(np.isnan(x), self.n_cells - 1, cells)
        found, names = encoded(values)
        place = {label: code for code, label in enumerate(self.values)}
        known = [place.get(str(name), len(self.values)) for name in names]
        return np.array([*known, self.n_cells - 1], dtype=np.int64)[found]

    def phrase(self, value: int) -> str:
        """Return one value of the axis in words: ``temp above 70 °F``."""
        name = visible(self.name, 40)
        if not self.is_numeric:
            if value == self.n_cells - 1:
                return f"{name} missing"
            if value == len(self.values):
                return f"{name} a rare value"
            return f"{name} = {visible(self.values[value], 40)}"
        n_edges = len(self.edges)
        if value >= 2 * n_edges:
            return f"{name} missing"
        side = "above" if value < n_edges else "up to"
        bound = number(self.edges[value % n_edges], self.unit, exact=True)
        return f"{name} {side} {bound}"

    def short(self, value: int) -> str:
        """Return one value as a cell of a table: ``> 70``, ``JFK``, ``(missing)``."""
        n_edges = len(self.edges)
        if value == self.n_cells - 1 and not self.is_numeric:
            return "(missing)"
        if not self.is_numeric:
            is_rare = value == len(self.values)
            return "(a rare value)" if is_rare else self.values[value]
        if value >= 2 * n_edges:
            return "(missing)"
        return f"{'>' if value < n_edges else '<='} {self.edges[value % n_edges]:.12g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The attributes of a review, and how they were chosen.

    Parameters
    ----------
    attributes : tuple of Attribute
    how : str
        A sentence.
    new : mapping of str to tuple of str
        By categorical feature, most rows first: values that base never held.
    problems : mapping of str to Reason
        Features that cannot be an attribute.
    """

    attributes: tuple[Attribute, ...]
    how: str
    new: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: Mapping[str, Reason] = field(default_factory=dict)


def choose(
    case: Case, base: Table, other: Table, options: Mapping[str, Any], seed: int
) -> Chosen:
    """Choose at most eight attributes and cut them into cells.

    Parameters
    ----------
    case : Case
    base, other : Table
        What was seen, and what is held against it: edges span both.
    options : mapping
        ``attributes`` (names; empty: chosen here) and ``domains`` (values by name).
    seed : int
        Of the rows and permutations by which features are weighed.

    Raises
    ------
    CaseError
        For an attribute or a domain that is no feature.
    NotAssessedError
        NO_COLUMNS where no feature can be an attribute.
    """
    _require_features(case, [*options["attributes"], *options["domains"]])
    named = options["attributes"] or [
        name for name, one in case.columns.items() if one.kind in KINDS
    ]
    kept, problems = readable(case, other, named)
    kept, more = readable(case, base, kept)
    problems |= more
    seen, met = profile(case, base.name), profile(case, other.name)
    for name in kept:
        if not (seen[name].n_present or met[name].n_present):
            problems[name] = Reason.ALL_NULL
        elif case.columns[name].kind == "time":
            problems[name] = Reason.UNSUPPORTED_TYPE
    kept = [name for name in kept if name not in problems]
    if not kept:
        msg = f"No feature of {base.name} and {other.name} can describe a situation."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    how = "as the case file declares"
    if not options["attributes"]:
        kept, how = _weightiest(case, base, kept, seed)
    attributes = tuple(
        _cut(case, name, seen[name], met[name], options["domains"].get(name, ()))
        for name in kept[:MOST_ATTRIBUTES]
    )
    new = _new({name: (seen[name].categories, met[name].categories) for name in kept})
    return Chosen(
        attributes=attributes,
        how=how,
        new=new,
        problems=problems,
    )


def _new(
    categories: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]],
) -> dict[str, tuple[str, ...]]:
    """Return the values that were never seen, of the feature with most rows first."""
    rows = {
        name: {one: n for one, n in met.items() if one not in seen}
        for name, (seen, met) in categories.items()
    }
    ordered = sorted(rows, key=lambda name: -sum(rows[name].values()))
    return {name: tuple(rows[name]) for name in ordered if rows[name]}


def _require_features(case: Case, names: Iterable[str]) -> None:
    for name in names:
        if name not in case.columns:
            known = ", ".join(map(repr, list(case.columns)[:20]))
            msg = f"checks.C1 names {name!r}, which is no feature; known are {known}."
            raise CaseError(msg)


def _weightiest(
    case: Case, base: Table, names: Sequence[str], seed: int
) -> tuple[list[str], str]:
    """Return declared groups, then the features that move the scores most."""
    groups = [name for name in names if case.columns[name].group]
    others = [name for name in names if name not in groups]
    if len(names) <= MOST_ATTRIBUTES:
        return [*groups, *others], "all that can be one"
    try:
        require_rescoring(case)
        weight, n_rows = _moves(case, base, others, seed)
    except NotAssessedError:
        how = "declared groups, then the first features: the model cannot be asked"
        return [*groups, *others], how
    ordered = sorted(others, key=lambda name: (-weight[name], others.index(name)))
    how = (
        "declared groups, then the features whose permutation moves the score of "
        f"{n_rows:,} rows most"
    )
    return [*groups, *ordered], how


def _moves(
    case: Case, base: Table, names: Sequence[str], seed: int
) -> tuple[Mapping[str, float], int]:
    """Return how far the score moves when a feature is shuffled, on average."""
    rng = np.random.default_rng(seed)
    wanted = min(ASKED_ROWS, max(ASKED_CELLS // len(names), 50))
    frame = base.frame(sampled(base, list(case.features), wanted, seed))
    n_rows = len(frame)
    score = score_frame(case, frame)
    found = {}
    for name in names:
        shuffled = frame[name].take(rng.permutation(n_rows)).set_axis(frame.index)
        moved = score_frame(case, frame.assign(**{name: shuffled}))
        found[name] = float(np.nan_to_num(np.abs(moved - score)).mean())
    return found, n_rows


def _cut(
    case: Case,
    name: str,
    seen: ColumnProfile,
    met: ColumnProfile,
    domain: Sequence[Any],
) -> Attribute:
    column = case.columns[name]
    if column.kind == "numeric":
        whole = pa.types.is_integer(
            case.training_or_reference().schema.field(name).type
        )
        edges = rounded_edges(seen, met, whole=whole)
        return Attribute(name=name, unit=column.unit or "", edges=tuple(edges))
    total = {**met.categories}
    for label, n in seen.categories.items():
        total[label] = total.get(label, 0) + n
    if column.sensitive:  # a category of few people has no name: it is a rare one
        most = {
            label: max(met.categories.get(label, 0), seen.categories.get(label, 0))
            for label in total
        }
        total = {label: n for label, n in total.items() if most[label] >= SMALL_CELL}
    declared = [str(one) for one in domain]
    ordered = sorted(total, key=lambda label: (-total[label], label))
    values = list(dict.fromkeys([*declared, *ordered]))[:MOST_VALUES]
    n_declared = len(dict.fromkeys(declared))
    return Attribute(name=name, values=tuple(values), n_declared=n_declared)
