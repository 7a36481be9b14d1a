"""Weak groups by name, as a table, and in sentences."""

from collections.abc import Sequence

import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute, Chosen
from readiness.checks.coverage._confirm import Confirmed
from readiness.checks.coverage._search import Group
from readiness.stats import Interval
from readiness.text import interval, number
from readiness.words import block_word, metric_words


def name_of(attributes: Sequence[Attribute], group: Group) -> str:
    """Return a group as results.json names it: ``origin=JFK & temp> 70``."""
    parts = []
    for place, value in group.values:
        one = attributes[place]
        is_line = one.is_numeric and value < 2 * len(one.edges)
        parts.append(f"{one.name}{'' if is_line else '='}{one.short(value)}")
    return " & ".join(parts)


def _phrase(attributes: Sequence[Attribute], group: Group) -> str:
    return " and ".join(
        attributes[place].phrase(value) for place, value in group.values
    )


def group_table(
    case: Case,
    attributes: Sequence[Attribute],
    found: Sequence[Confirmed],
    shares: Sequence[float],
) -> pd.DataFrame:
    """Return the groups as people read them, every cell in words."""
    return pd.DataFrame(
        [
            {
                "group": _phrase(attributes, one.group),
                "verdict": "confirmed" if one.is_weak else "not confirmed",
                "share of traffic": number(share, "share"),
                f"{metric_words(case.metric.name)}": number(one.there.value),
                "90 % interval": interval(one.there.ci_low, one.there.ci_high),
                "shrunken": number(one.shrunken),
                "rows": f"{one.there.n_rows:,}",
                "p-value": number(one.p_value),
            }
            for one, share in zip(found, shares, strict=True)
        ]
    )


def sentences(  # noqa: PLR0917 (what was found, in the order it is told)
    case: Case,
    chosen: Chosen,
    found: Sequence[Confirmed],
    shares: Sequence[float],
    share: Interval,
    table: str,
) -> tuple[str, ...]:
    """Return what a committee needs, the answer first."""
    weak = [n for n, one in enumerate(found) if one.is_weak]
    side = "below" if case.higher_is_better else "above"
    metric, floor = metric_words(case.metric.name), number(case.acceptable, exact=True)
    blocks = block_word(case.block)
    if weak:
        worst = max(weak, key=lambda n: shares[n])
        one = found[worst]
        limits = interval(one.there.ci_low, one.there.ci_high)
        are = "group is" if len(weak) == 1 else "groups are"
        first = (
            f"{len(weak)} {are} confirmed {side} {floor} {metric}, with "
            f"{number(share.value, 'share')} of the traffic; the largest: "
            f"{_phrase(chosen.attributes, one.group)} ({number(one.there.value)}, "
            f"{limits})."
        )
    else:
        first = f"No group is confirmed {side} {floor} {metric}."
    n_open = sum(
        not one.is_weak and case.metric.gain(case.acceptable, one.there.value) > 0
        for one in found
    )
    notes = [first]
    if n_open:
        look = "group looks" if n_open == 1 else "groups look"
        notes.append(f"{n_open} more {look} weak, and the data cannot confirm it.")
    names = ", ".join(one.name for one in chosen.attributes)
    notes.append(
        f"{len(found)} groups were found on half of the {table} {blocks} among all "
        f"patterns of {names}, and asked on the other half."
    )
    return tuple(notes)
