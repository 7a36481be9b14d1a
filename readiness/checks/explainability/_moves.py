"""Does the model use a column as declared: moved row by row, one column at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._loss_games import by_class
from readiness.checks.stress._relations import ANSWERS, direction
from readiness.config import ColumnSection
from readiness.errors import ModelError, Reason
from readiness.scoring import score_frame
from readiness.stats import Floats, Ints

FORBIDDEN, IRRELEVANT = "forbidden", "irrelevant"
FIRST = (FORBIDDEN, IRRELEVANT)
SAME = 1e-9  # of the spread of the scores; rounding differs between batches
PLAUSIBLE = (0.01, 0.99)  # ranks between which a value is moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What people expect of one column.

    Parameters
    ----------
    column : str
    expected : str
        ``"forbidden"``, ``"irrelevant"``, ``"increasing"`` or ``"decreasing"``.
    """

    column: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """How far scores moved against an expectation.

    Parameters
    ----------
    by : ndarray of shape (n,)
        The largest wrong move of each row, in output units.
    rows : ndarray of int, shape (n,)
        Places of the rows asked.
    least : float
        A move by no more is none.
    reason : Reason or None
        Why it could not be asked; `by` is then empty.
    """

    by: Floats
    rows: Ints
    least: float
    reason: Reason | None = None


def expectations(case: Case) -> tuple[Expectation, ...]:
    """Return what the case file declares: forbidden columns first, directions last.

    A role goes before a direction of the same column.
    """
    declared = case.file.columns
    found = [
        Expectation(column=name, expected=str(expected))
        for name, section in declared.items()
        if (expected := _expected(section)) is not None
    ]
    return tuple(
        sorted(found, key=lambda one: (*FIRST, one.expected).index(one.expected))
    )


def _expected(section: ColumnSection) -> str | None:
    return section.role or section.monotone


def ask(
    case: Case,
    expectation: Expectation,
    frame: pd.DataFrame,
    said: Floats,
    *,
    least_move: float,
    n_values: int,
) -> Answer:
    """Return how far each row's score moves against an expectation.

    Parameters
    ----------
    case : Case
    expectation : Expectation
        Of a feature.
    frame : pandas.DataFrame
        n rows of the features, fresh index.
    said : ndarray of shape (n,) or (n, k)
        What the model says about them.
    least_move : float
        A move against a declared direction by no more is none, in output units; for
        regression in standard deviations of the scores.
    n_values : int
        Values a column without a role to play is moved to.

    Notes
    -----
    A direction is asked as in S5: the score at ten values between the 1 % and the
    99 % quantile and at the row's own may not fall (rise) anywhere on the way. A
    forbidden or irrelevant column takes `n_values` values that other rows hold; the
    score may not change beyond rounding.
    """
    scale = 1.0
    if case.task == "regression":
        scale = float(np.std(said)) or 1.0
    if expectation.expected in FIRST:
        return _unmoved(case, expectation.column, frame, said, scale, n_values)
    column = case.columns[expectation.column]
    if case.task == "multiclass":
        return _cannot(Reason.NOT_THIS_TASK)
    if column.kind != "numeric":
        return _cannot(Reason.UNSUPPORTED_TYPE)
    known = np.flatnonzero(frame[column.name].notna())
    if not len(known):
        return _cannot(Reason.ALL_NULL)
    rows = frame.iloc[known].reset_index(drop=True)
    kept = direction(case, column, rows, least_move * scale)
    if kept.outcome != ANSWERS:
        return _cannot(Reason.MODEL_SCORES)
    return Answer(by=kept.by, rows=known, least=least_move * scale)


def _cannot(reason: Reason) -> Answer:
    nothing = np.empty(0)
    return Answer(by=nothing, rows=nothing.astype(np.int64), least=0.0, reason=reason)


def _unmoved(  # noqa: PLR0917 (one column of some rows, and how it is asked)
    case: Case,
    name: str,
    frame: pd.DataFrame,
    said: Floats,
    scale: float,
    n_values: int,
) -> Answer:
    n_rows = len(frame)
    by = np.zeros(n_rows)
    before = by_class(case, said)
    try:
        for place in _holders(frame[name], n_values):
            values = frame[name].array.take(np.full(n_rows, place))
            after = by_class(case, score_frame(case, frame.assign(**{name: values})))
            gap = np.abs(after - before).reshape(n_rows, -1).max(axis=1)
            by = np.maximum(by, gap)
    except ModelError:
        return _cannot(Reason.MODEL_SCORES)
    return Answer(by=by, rows=np.arange(n_rows), least=SAME * scale)


def _holders(values: "pd.Series[Any]", n_values: int) -> list[int]:
    """Return places of rows that hold the values a column is moved to."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_dtype(
        values
    ):
        known = np.flatnonzero(values.notna())
        order = known[np.argsort(values.iloc[known].to_numpy(), kind="stable")]
        ranks = np.linspace(*PLAUSIBLE, n_values) * max(len(order) - 1, 0)
        return (
            list(dict.fromkeys(order[np.rint(ranks).astype(int)])) if len(order) else []
        )
    codes, levels = pd.factorize(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    often = sorted(range(len(levels)), key=lambda one: (-counts[one], str(levels[one])))
    return [int(np.argmax(codes == one)) for one in often[:n_values]]
