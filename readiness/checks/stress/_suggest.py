"""The cheapest declaration that would let a guard notice a fault."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from readiness.checks.stress._feed_checks import FeedChecks
from readiness.checks.stress._guards import Guards, Hit
from readiness.config import ColumnSection
from readiness.profiles import profile
from readiness.toml_text import toml_key, toml_value

MOST_CATEGORIES = 50  # a longer list is not kept by hand
ROOM = 0.05  # more missing values than usual, as share of all rows
AGE = 0.5  # of the age that a stale value has: older values are refused
OF_S2 = "checks.S2"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suggestion:
    """A declaration that would make a fault noticed.

    Parameters
    ----------
    section, key : str
        Where it goes in the case file: ``"columns.temp"`` and ``"range"``.
    value : object
        A list, a number, or a mapping of texts.
    guards : Guards
        With the declaration in force.
    """

    section: str
    key: str
    value: object
    guards: Guards

    @property
    def line(self) -> str:
        """The line to paste below the head of the section."""
        return f"{self.key} = {toml(self.value)}"

    @property
    def replaces(self) -> str:
        """The line with this key that the case file has already; empty: none."""
        file, (kind, _, name) = self.guards.known.case.file, self.section.partition(".")
        if kind == "columns":
            present = getattr(file.columns.get(name), self.key, None)
        else:
            present = file.checks.get(name, {}).get(self.key)
        return "" if present is None else f"{self.key} = {toml(present)}"


def suggestion(guards: Guards, hit: Hit, doses: Sequence[float]) -> Suggestion | None:
    """Return the cheapest declaration with which a fault is noticed at all doses.

    Parameters
    ----------
    guards : Guards
        As they are.
    hit : Hit
    doses : sequence of float
        At which it is harmful.

    Returns
    -------
    Suggestion or None
        None where no declaration helps. A range costs one line; categories a list; a
        check of a feed is work for the people who run it.
    """
    for one in _candidates(guards, hit):
        if all(one.guards.first(hit, dose)[0] for dose in doses):
            return one
    return None


def section_head(section: str) -> str:
    """Return the head of a section as TOML.

    Examples
    --------
    >>> section_head("columns.wind gust")
    '[columns."wind gust"]'
    """
    first, _, name = section.partition(".")
    return f"[{first}.{toml_key(name)}]"


def toml(value: object) -> str:
    """Return a list, a mapping or a single value as TOML on one line.

    Examples
    --------
    >>> toml({"weather feed": "2h"}), toml([0.0, 1.5])
    ('{ "weather feed" = "2h" }', '[0.0, 1.5]')
    """
    if isinstance(value, Mapping):
        pairs = (f"{toml_key(str(name))} = {toml(one)}" for name, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return toml_value(value)


def _candidates(guards: Guards, hit: Hit) -> Iterator[Suggestion]:
    columns = guards.known.case.columns
    for name in hit.altered:
        if not columns[name].sensitive:  # its extremes and categories stay unsaid
            yield from _of_column(guards, name)
    subjects = list(dict.fromkeys(columns[name].source or name for name in hit.altered))
    feed = guards.feed
    if hit.fault in guards.known.rows.earlier:
        age = guards.known.rows.earlier[hit.fault].age
        hours = int(AGE * np.median(age[age > 0])) if (age > 0).any() else 0
        if hours:
            text = dict.fromkeys(subjects, f"{hours}h")
            older = {**feed.max_age, **dict.fromkeys(subjects, float(hours))}
            told = {name: f"{int(one)}h" for name, one in feed.max_age.items()} | text
            yield _of_feed(guards, replace(feed, max_age=older), "max_age", told)
    keys = tuple(dict.fromkeys([*feed.keys, *subjects]))
    yield _of_feed(guards, replace(feed, keys=keys), "keys", list(keys))
    contracts = tuple(dict.fromkeys([*feed.contracts, *subjects]))
    changed = replace(feed, contracts=contracts)
    yield _of_feed(guards, changed, "contracts", list(contracts))


def _of_feed(guards: Guards, feed: FeedChecks, key: str, value: object) -> Suggestion:
    return Suggestion(
        section=OF_S2, key=key, value=value, guards=replace(guards, feed=feed)
    )


def _of_column(guards: Guards, name: str) -> Iterator[Suggestion]:
    case = guards.known.case
    kind = case.columns[name].kind
    for key, value in (
        ("range", usual_range(guards, name) if kind == "numeric" else None),
        ("categories", _categories(guards, name) if kind == "categorical" else None),
        ("max_missing", _most_missing(guards, name)),
    ):
        if value is not None:
            known = guards.declared.get(name, ColumnSection())
            given = (
                tuple(value) if key == "range" and isinstance(value, list) else value
            )
            declared = {**guards.declared, name: known.model_copy(update={key: given})}
            yield Suggestion(
                section=f"columns.{name}",
                key=key,
                value=value,
                guards=replace(guards, declared=declared),
            )


def usual_range(guards: Guards, name: str) -> list[float] | None:
    """Return the range that all tables keep, with its ends rounded outwards."""
    case = guards.known.case
    found = [profile(case, table)[name] for table in case.tables]
    low = min((one.minimum for one in found if one.n_present), default=math.nan)
    high = max((one.maximum for one in found if one.n_present), default=math.nan)
    if not high > low:
        return None
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    ends = math.floor(low / step) * step, math.ceil(high / step) * step
    return [float(f"{end:.10g}") for end in ends]


def _categories(guards: Guards, name: str) -> list[str] | None:
    case = guards.known.case
    found: dict[str, int] = {}
    for table in case.tables:
        one = profile(case, table)[name]
        if one.n_other:
            return None
        found |= {category: n for category, n in one.categories.items() if n}
    return sorted(found) if 0 < len(found) <= MOST_CATEGORIES else None


def _most_missing(guards: Guards, name: str) -> float | None:
    case = guards.known.case
    found = [profile(case, table)[name] for table in case.tables]
    usual = max(one.n_missing / one.n_rows for one in found if one.n_rows)
    limit = math.ceil(100 * (usual + ROOM)) / 100
    return limit if limit < 1 else None


def merged(found: Sequence[Suggestion]) -> pd.DataFrame:
    """Return all suggestions as lines to paste: one per section and key."""
    lines: dict[tuple[str, str], object] = {}
    counts: dict[tuple[str, str], int] = {}
    present: dict[tuple[str, str], str] = {}
    for one in found:
        place = (one.section, one.key)
        known = lines.get(place)
        lines[place] = _both(known, one.value) if place[0] == OF_S2 else one.value
        counts[place] = counts.get(place, 0) + 1
        present[place] = one.replaces
    rows = [
        (section_head(place[0]), f"{place[1]} = {toml(value)}", present[place], n)
        for (place, value), n in zip(lines.items(), counts.values(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["section", "line", "replaces", "faults_noticed"])


def _both(one: object, other: object) -> object:
    """Return two lists as one, or two mappings of ages with the smaller ages."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        hours = {
            name: min(
                int(str(age)[:-1]) for age in (one.get(name), other.get(name)) if age
            )
            for name in {**one, **other}
        }
        return {name: f"{age}h" for name, age in hours.items()}
    if isinstance(one, list) and isinstance(other, list):
        return list(dict.fromkeys([*one, *other]))
    return other
