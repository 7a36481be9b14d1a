"""What goes missing: one feature, or every feature of one source; and in which rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from readiness.columns import Column
from readiness.faults import Fault, FaultRows, Values, blank
from readiness.stats import Floats
from readiness.text import number, visible

RANDOM, HIGHEST, LOWEST = "at random", "highest", "lowest"
DOSES = (0.05, 0.2, 0.5, 1.0)
COLUMN, SOURCE = "feature", "source"
SMALL_CELL = 10  # fewer rows of a sensitive column do not tell their values


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is missing as a whole.

    Parameters
    ----------
    name : str
        As findings name it: the feature, or ``source=`` and the source.
    words : str
        For the reader: the name, and how many features a source gives.
    kind : str
        ``"feature"`` or ``"source"``.
    columns : tuple of str
        The features that are missing together.
    """

    name: str
    words: str
    kind: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """In which rows the values are missing.

    Parameters
    ----------
    how : str
        ``"at random"``; or ``"highest"`` or ``"lowest"``, followed by the driving
        feature where the values of a source are missing.
    dose : float
        Share of rows; not at random, of the rows that have the driving value.
    share : float or ndarray of shape (n,)
        How likely the values of each row are missing.
    beyond : str
        The values that are missing, such as ``"above 24.0 mph"``; may be empty.
    """

    how: str
    dose: float
    share: float | Floats
    beyond: str = ""


def subjects(columns: Mapping[str, Column]) -> tuple[Subject, ...]:
    """Return every feature, and every source that gives two features or more."""
    single = [
        Subject(name=name, words=visible(name, 40), kind=COLUMN, columns=(name,))
        for name in columns
    ]
    by_source: dict[str, list[str]] = {}
    for column in columns.values():
        if column.source is not None:
            by_source.setdefault(column.source, []).append(column.name)
    whole = [
        Subject(
            name=f"source={source}",
            words=f"the source “{visible(source, 40)}” ({len(names)} features)",
            kind=SOURCE,
            columns=tuple(names),
        )
        for source, names in by_source.items()
        if len(names) > 1
    ]
    return (*whole, *single)


def missing(subject: Subject) -> Fault:
    """Return the fault that leaves out all values of a subject."""
    return Fault(
        column=subject.name,
        name="missing",
        words="the value is missing",
        alter=partial(_blanked, subject.columns),
    )


def _blanked(names: tuple[str, ...], rows: FaultRows) -> dict[str, Values]:
    return {name: blank(rows.frame[name]) for name in names}


def patterns(
    subject: Subject, columns: Mapping[str, Column], rows: FaultRows
) -> Iterator[Pattern]:
    """Yield the ways in which a subject goes missing, at each dose.

    Parameters
    ----------
    subject : Subject
    columns : mapping of str to Column
        Only numeric features drive what is missing by its size.
    rows : FaultRows
        n rows; their values say which are the highest.
    """
    for dose in DOSES:
        yield Pattern(how=RANDOM, dose=dose, share=dose)
    for name in subject.columns:
        if columns[name].kind != "numeric":
            continue
        values = rows.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        of = f" {name}" if subject.kind == SOURCE else ""
        for side in (HIGHEST, LOWEST):
            for dose in DOSES[:-1]:
                share, cut = likely_missing(values, dose, side)
                if np.isfinite(cut):
                    beyond = _beyond(columns[name], share, cut, side)
                    yield Pattern(
                        how=f"{side}{of}", dose=dose, share=share, beyond=beyond
                    )


def likely_missing(values: Floats, dose: float, side: str) -> tuple[Floats, float]:
    """Return how likely each value is missing when a share of the known ones is.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where not known; never missing once more.
    dose : float
        In (0, 1): share of the known values.
    side : str
        ``"highest"`` or ``"lowest"``: which of them go first.

    Returns
    -------
    tuple of ndarray of shape (n,) and float
        Probabilities, and the value at the edge: beyond it all are missing, at it as
        many as make up the share. NaN without a known value.

    Examples
    --------
    >>> share, edge = likely_missing(np.array([1.0, 2.0, 2.0, 3.0]), 0.5, "highest")
    >>> share.tolist(), edge
    ([0.0, 0.5, 0.5, 1.0], 2.0)
    """
    sign = 1.0 if side == HIGHEST else -1.0
    known = np.isfinite(values)
    n_missing = dose * known.sum()
    if not known.any():
        return np.zeros(len(values)), float("nan")
    sized = np.where(known, sign * values, -np.inf)
    edge = -np.sort(-sized)[max(int(np.ceil(n_missing)) - 1, 0)]
    beyond, at = sized > edge, sized == edge
    part = (n_missing - beyond.sum()) / at.sum()
    return np.where(beyond, 1.0, np.where(at, part, 0.0)), float(sign * edge)


def _beyond(column: Column, share: Floats, cut: float, side: str) -> str:
    if column.sensitive and share.sum() < SMALL_CELL:
        return "not shown (sensitive)"
    word = "from" if side == HIGHEST else "up to"
    tail = "up" if side == HIGHEST else ""
    return f"{word} {number(cut, column.unit or '')} {tail}".strip()
