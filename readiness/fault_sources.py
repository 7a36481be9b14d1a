"""Faults of whole sources and whole rows: what breaks together."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from readiness.columns import Column
from readiness.faults import DAY_OLD, FILL_VALUES, STALE, Fault, FaultRows, Values

ALL_COLUMNS = "(all columns)"
# What befalls all features of a source at once.
SOURCE_FAULTS = (
    "missing",
    "stuck",
    "shuffled",
    STALE,
    DAY_OLD,
    *(f"filled with {fill}" for fill in FILL_VALUES),
)


def faults_of_sources(
    columns: Mapping[str, Column], faults: Sequence[Fault]
) -> tuple[Fault, ...]:
    """Return the faults that befall whole sources, and whole rows.

    Parameters
    ----------
    columns : mapping of str to Column
        In the order of the model. A source counts that gives two features or more.
    faults : sequence of Fault
        Those of single columns: a source has them in all of its columns at once.
    """
    by_source: dict[str, list[str]] = {}
    for column in columns.values():
        if column.source is not None:
            by_source.setdefault(column.source, []).append(column.name)
    made: list[Fault] = []
    for source, names in by_source.items():
        if len(names) > 1:
            subject, own = f"source={source}", {name: columns[name] for name in names}
            made += [*_together(subject, names, faults), *_shifted(subject, own)]
    words = "every row arrives twice"
    twice = Fault(column=ALL_COLUMNS, name="duplicated", words=words, alter=_as_it_is)
    return (*made, *_shifted(ALL_COLUMNS, columns), twice)


def _together(
    subject: str, names: Sequence[str], faults: Sequence[Fault]
) -> Iterator[Fault]:
    for name in SOURCE_FAULTS:
        parts = [one for one in faults if one.name == name and one.column in names]
        if parts:
            words = f"in all of its features, {parts[0].words}"
            alter = partial(_all_of, tuple(parts))
            yield Fault(column=subject, name=name, words=words, alter=alter)


def _all_of(parts: Sequence[Fault], rows: FaultRows) -> dict[str, Values]:
    return {name: values for one in parts for name, values in one.alter(rows).items()}


def _shifted(subject: str, columns: Mapping[str, Column]) -> Iterator[Fault]:
    """Yield the fault that moves values one column on, among columns of one kind."""
    kinds = dict.fromkeys(one.kind for one in columns.values())
    taken: dict[str, str] = {}
    for kind in kinds:
        alike = [name for name, one in columns.items() if one.kind == kind]
        if len(alike) > 1:
            taken |= dict(zip(alike, [alike[-1], *alike[:-1]], strict=True))
    if taken:
        words = "every value stands one column too far"
        alter = partial(_taken, taken)
        yield Fault(column=subject, name="shifted", words=words, alter=alter)


def _taken(taken: Mapping[str, str], rows: FaultRows) -> dict[str, Values]:
    return {name: rows.frame[other] for name, other in taken.items()}


def _as_it_is(rows: FaultRows) -> dict[str, Values]:
    name = rows.frame.columns[0]
    return {name: rows.frame[name]}
