"""Rows worth telling one by one, and the reasons for what the model says of them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._decisions import CUT, LARGEST, Decider, decider_of
from readiness.columns import Column
from readiness.errors import NotAssessedError
from readiness.exact_attributions import Attributions
from readiness.row_losses import loss_of_scores
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import column, scores
from readiness.stats import Floats, Ints, student_quantile
from readiness.text import number, visible

TABLE = "reference"
HIDDEN = "not shown (sensitive)"
WORST, NEAREST, TYPICAL = "worst error", "nearest another decision", "typical of"
N_VALUES = 3  # of a declared group
COPIES = 20  # rows looked through for each that is told
ROUNDING = 1e-9  # of the largest attribution of a row: smaller ones are none
START, OTHERS, OUTPUT = "start", "all others", "output"


class Chosen(NamedTuple):
    """One row worth telling: why, and where it stands in the table."""

    why: str
    row: int


def decider(case: Case) -> Decider | None:
    """Return the rule of decision; None where no row is nearer to it than another."""
    try:
        found = decider_of(case, None)
    except NotAssessedError:
        return None
    return found if found.kind in {CUT, LARGEST} else None


def margins(case: Case, y_score: Floats) -> Floats | None:
    """Return how far each row is from another decision, or None without one."""
    rule = decider(case)
    return None if rule is None else rule.margin(y_score, y_score)


def chosen_rows(case: Case, n_each: int, seed: int) -> list[Chosen]:
    """Return rows of the reference that are worth telling, rows alike once.

    Parameters
    ----------
    case : Case
    n_each : int
        Rows with the worst errors, where there are labels, and rows nearest another
        decision, where there is one. Of each declared group that is not sensitive,
        the rows with the middle score of its most frequent values.
    seed : int
        Orders rows that are alike.
    """
    every = _ordered(scores(case, TABLE, labelled=False), seed)
    found = [*_worst(case, n_each, seed), *_nearest(case, every, n_each)]
    found += _typical(case, every)
    first: dict[int, Chosen] = {}
    for one in found:
        first.setdefault(one.row, one)
    return list(first.values())


def _ordered(scored: Scores, seed: int) -> Scores:
    return scored.take(random_order(scored, seed))


def _worst(case: Case, n_each: int, seed: int) -> Iterator[Chosen]:
    if not case.has_labels(TABLE):
        return
    rows = _ordered(scores(case, TABLE), seed)
    loss = loss_of_scores(case, rows).values
    first = rows.row[np.argsort(-loss, kind="stable")]
    yield from (Chosen(WORST, row) for row in _unlike(case, first, n_each))


def _nearest(case: Case, every: Scores, n_each: int) -> Iterator[Chosen]:
    far = margins(case, every.y_score)
    if far is None:
        return
    first = every.row[np.argsort(np.abs(far), kind="stable")]
    yield from (Chosen(NEAREST, row) for row in _unlike(case, first, n_each))


def _unlike(case: Case, rows: Ints, n_each: int) -> Iterator[int]:
    """Yield the first rows that differ in some feature: copies have one story."""
    looked = rows[: n_each * COPIES]
    frame = case.table(TABLE).take(looked, case.features)
    copied = frame.map(repr).duplicated()  # as written: a list has no hash
    kept = looked[~copied.to_numpy()]
    yield from (int(row) for row in kept[:n_each])


def _typical(case: Case, every: Scores) -> Iterator[Chosen]:
    said = every.y_score if every.y_score.ndim == 1 else every.y_score.max(axis=1)
    for name, one in case.columns.items():
        if not one.group or one.sensitive:
            continue
        values = column(case, every, name).astype("object")
        counts = values.astype(str)[values.notna().to_numpy()].value_counts()
        frequent = sorted(counts.index, key=lambda value: (-counts[value], value))
        for value in frequent[:N_VALUES]:
            places = np.flatnonzero((values.astype(str) == value).to_numpy())
            middle = np.sort(said[places])[(len(places) - 1) // 2]
            place = places[np.argmin(np.abs(said[places] - middle))]
            why = f"{TYPICAL} {visible(name, 24)}={visible(value, 24)}"
            yield Chosen(why, int(every.row[place]))


def reason_table(
    chosen: list[Chosen],
    frame: pd.DataFrame,
    found: Attributions,
    columns: Mapping[str, Column],
    n_reasons: int,
) -> pd.DataFrame:
    """Return, row by row, where the sum starts, the reasons, the rest, and the end.

    Parameters
    ----------
    chosen : list of Chosen
        n rows.
    frame : pandas.DataFrame
        Their features.
    found : Attributions
        Of the same rows, or of the first of them.
    columns : mapping of str to Column
        Values of sensitive ones are not shown.
    n_reasons : int
        Columns with the largest attributions that are told by name.

    Returns
    -------
    pandas.DataFrame
        ``why``, ``row``, ``part`` (a column, or start, all others, output),
        ``value`` (of the column, in words), ``amount`` with ``ci_low`` and
        ``ci_high`` (of the draws alone), ``unit``. The amounts before the output add
        up to it.
    """
    spread = student_quantile(max(found.n_pairs - 1, 1)) if found.n_pairs else 0.0
    names = list(found.values.columns)
    values = found.values.to_numpy()
    lines: list[dict[str, Any]] = []
    for place, row in enumerate(chosen[: len(values)]):
        top = top_reasons(values[place], n_reasons)
        rest = np.setdiff1d(np.arange(len(names)), top)
        off = [float(spread * found.se[place, one]) for one in top]
        of_rest = float(spread * np.sqrt(np.sum(found.se[place, rest] ** 2)))
        own = frame.iloc[place]
        parts = [
            (START, "", float(found.base[place]), 0.0),
            *(
                (names[one], told(columns[names[one]], own[names[one]]), amount, half)
                for one, amount, half in zip(top, values[place, top], off, strict=True)
            ),
            (OTHERS, "", float(values[place, rest].sum()), of_rest),
            (OUTPUT, "", float(found.output[place]), 0.0),
        ]
        lines += [
            {
                "why": row.why,
                "row": row.row,
                "part": part,
                "value": value,
                "amount": float(amount),
                "ci_low": float(amount) - half,
                "ci_high": float(amount) + half,
                "unit": found.unit,
            }
            for part, value, amount, half in parts
        ]
    return pd.DataFrame(lines)


def top_reasons(values: Floats, n_reasons: int) -> Ints:
    """Return the places of the largest attributions of one row, largest first.

    Columns without any effect on the row are no reasons.
    """
    sizes = np.abs(values)
    order = np.argsort(-sizes, kind="stable")[:n_reasons]
    found: Ints = order[sizes[order] > ROUNDING * sizes.max(initial=0.0)]
    return found


def told(known: Column, value: Any) -> str:  # noqa: ANN401 (a cell of any column)
    """Return a cell in words, with its unit; nothing of a sensitive column."""
    if known.sensitive:
        return HIDDEN
    if pd.isna(value):
        return "missing"
    if known.kind == "numeric":
        return number(float(value), known.unit or "")
    return visible(value, 40)


def reasons_changed(before: Floats, after: Floats, n_reasons: int) -> "np.ndarray":
    """Return which rows have other reasons, or reasons of another direction, (n,).

    Parameters
    ----------
    before, after : ndarray of shape (n, d)
        Attributions of the same rows.
    n_reasons : int
        Largest attributions compared, as a set: their order does not count.
    """
    return np.array(
        [
            _signed(one, n_reasons) != _signed(other, n_reasons)
            for one, other in zip(before, after, strict=True)
        ],
        dtype=bool,
    )


def _signed(values: Floats, n_reasons: int) -> set[tuple[int, float]]:
    top = top_reasons(values, n_reasons)
    return {(int(one), float(np.sign(values[one]))) for one in top}
