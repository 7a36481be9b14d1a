"""Who the worst rows are, in plain words."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._confirm import codes_of, half_of
from readiness.checks.coverage._group_report import name_of
from readiness.checks.coverage._search import members, worst_groups
from readiness.checks.drift._worst_rows import Lossy
from readiness.checks.drift._worst_share import Worst
from readiness.scoring import column
from readiness.stats import (
    Floats,
    Interval,
    clustered_interval,
    proportion_interval,
    relative_weights,
    weighted_mean,
)
from readiness.text import interval, number, visible
from readiness.words import block_word

MOST_NAMED = 3
PLAIN_DIFFERENCE = 0.2  # standard deviations
CONDITIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Described:
    """A group in two conditions or fewer, and its loss where it was not looked for.

    Parameters
    ----------
    name, phrase : str
        As ``a=1 & b> 2``, and in words.
    share : float
        Of the rows it was not found on.
    there, rest : Interval
        Mean loss of the group, and of all the rows it was not found on.
    """

    name: str
    phrase: str
    share: float
    there: Interval
    rest: Interval


def described(case: Case, rows: Lossy, share: float, seed: int) -> Described | None:
    """Return the worst group of at least `share` that two conditions describe.

    Every pattern of the attributes is looked at on half of the blocks; its loss is
    that on the other half. None where no pattern of that size costs more than the
    whole.
    """
    codes = codes_of(rows.table, rows.attributes)[rows.scored.row]
    axes = [one.axis for one in rows.attributes]
    first = half_of(case, rows.scored, seed)
    found = worst_groups(
        codes[first],
        rows.costs.loss[first],
        axes,
        level=CONDITIONS,
        min_rows=max(int(share * first.sum()), 2),
        most=1,
        weight=1.0,
    )
    if not found or first.all():
        return None
    hit = members(codes, axes, found[0]) & ~first
    if not hit.any():
        return None
    weight = relative_weights(int((~first).sum()), _some(rows.costs.weight, ~first))
    return Described(
        name=name_of(rows.attributes, found[0]),
        phrase=" and ".join(
            rows.attributes[place].phrase(value) for place, value in found[0].values
        ),
        share=float(np.average(hit[~first], weights=weight)),
        there=_mean_loss(rows, hit),
        rest=_mean_loss(rows, ~first),
    )


def differences(case: Case, rows: Lossy, worst: Worst) -> pd.DataFrame:
    """Return by what the worst rows differ from the others, most different first.

    Returns
    -------
    pandas.DataFrame
        ``attribute, difference`` (standard deviations, signed), ``what`` (mean of, or
        the category that is more frequent), ``worst, others`` (mean, or share).
    """
    weight = relative_weights(len(worst.member), rows.costs.weight)
    inside, outside = weight * worst.member, weight * (1 - worst.member)
    lines = []
    for place, one in enumerate(rows.attributes):
        values = rows.costs.X[:, place]
        what, unit = "mean", one.unit
        if rows.costs.is_category[place]:
            codes = np.unique(values[np.isfinite(values)])
            hits = [(values == code).astype(float) for code in codes]
            gains = [_mean(hit, inside) - _mean(hit, outside) for hit in hits]
            if not gains:
                continue
            best = int(np.argmax(gains))
            raw = column(case, rows.scored, one.name)
            what, unit = str(raw[hits[best] == 1].iloc[0]), "share"
            values = hits[best]
        known = np.isfinite(values)
        spread = float(np.sqrt(_mean(_squares(values, weight), weight * known)))
        ends = [_mean(values, mass * known) for mass in (inside, outside)]
        if not spread > 0 or not np.isfinite(ends).all():
            continue
        lines.append(
            {
                "attribute": one.name,
                "difference": (ends[0] - ends[1]) / spread,
                "what": what,
                "worst": ends[0],
                "others": ends[1],
                "unit": unit,
            }
        )
    columns = ["attribute", "difference", "what", "worst", "others", "unit"]
    found = pd.DataFrame(lines, columns=columns)
    order = np.argsort(-found["difference"].abs().to_numpy(dtype=float), kind="stable")
    return found.iloc[order].reset_index(drop=True)


def group_sentence(case: Case, rows: Lossy, one: Described | None, share: float) -> str:
    """Return who is hit, and whether rows it was not found on agree."""
    size = number(share, "share", exact=True)
    if one is None:
        return (
            f"No group of at least {size} of the rows that one or two conditions "
            "describe costs more than the whole."
        )
    unit = rows.unit
    limits = interval(one.there.ci_low, one.there.ci_high, unit)
    is_worse = one.there.ci_low > one.rest.value
    return (
        f"The worst group of at least {size} of the rows that two conditions "
        f"describe: {one.phrase}. On {block_word(case.block)} it was not found on it "
        f"is {number(one.share, 'share')} of the rows, with "
        f"{rows.amount(one.there.value)} ({limits}) against "
        f"{number(one.rest.value, unit)} overall: it is "
        f"{'confirmed' if is_worse else 'not confirmed'} as worse."
    )


def difference_sentence(found: pd.DataFrame, share: float) -> str:
    """Return by what the worst rows differ most; empty where they hardly do."""
    plain = found[found["difference"].abs() >= PLAIN_DIFFERENCE].head(MOST_NAMED)
    if plain.empty:
        return ""
    parts = [
        f"{visible(one['attribute'], 40)}"
        f"{'' if one['what'] == 'mean' else ' = ' + visible(one['what'], 40)}"
        f" ({number(one['worst'], one['unit'])} against "
        f"{number(one['others'], one['unit'])})"
        for one in plain.to_dict("records")
    ]
    size = number(share, "share", exact=True)
    return f"The worst {size} differ from the other rows most by {', '.join(parts)}."


def _mean_loss(rows: Lossy, hit: np.ndarray) -> Interval:
    loss, clusters = rows.costs.loss[hit], rows.scored.clusters.take(hit)
    weight = _some(rows.costs.weight, hit)
    if rows.is_share:
        return proportion_interval(loss, clusters, weight)
    return clustered_interval(weighted_mean(loss, weight), clusters)


def _some(weight: Floats | None, hit: np.ndarray) -> Floats | None:
    return None if weight is None else weight[hit]


def _mean(values: Floats, weight: Floats) -> float:
    total = float(np.sum(weight))
    return (
        float(np.sum(np.nan_to_num(values) * weight)) / total if total > 0 else np.nan
    )


def _squares(values: Floats, weight: Floats) -> Floats:
    known = np.isfinite(values)
    centre = _mean(values, weight * known)
    return np.where(known, (np.nan_to_num(values) - centre) ** 2, 0.0)
