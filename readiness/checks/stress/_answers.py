"""What a model does with input nobody planned for, in words."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.columns import Column
from readiness.errors import ModelError
from readiness.faults import Values, blank, unseen
from readiness.models import ModelRaisedError
from readiness.scoring import score_frame
from readiness.stats import Floats

ANSWERS, REFUSES = "answers", "refuses"
NONSENSE, DIFFERS, REFUSES_GOOD = "gives unusable scores", "answers otherwise", "fails"
VIOLATIONS = (NONSENSE, DIFFERS, REFUSES_GOOD)
SAME = 1e-9  # of the spread of the scores
TEXT = "not a number"
EXTRA = "(a column the model does not know)"
BIGGEST = 1e30  # no unit error goes further, and sums of it do not overflow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One odd input.

    Parameters
    ----------
    kind, column : str
        The kind of input, and the column it is about; empty for all of them.
    frame : pandas.DataFrame
        The input.
    expected : ndarray or None
        Scores it must give if the model answers; None where any score in range will
        do.
    must_answer : bool
        True for rows that are as good as any: refusing them is a violation.
    """

    kind: str
    column: str
    frame: pd.DataFrame
    expected: Floats | None = None
    must_answer: bool = False


def trials(case: Case, good: pd.DataFrame, scores: Floats) -> Iterator[Trial]:
    """Yield odd inputs made from good rows.

    Parameters
    ----------
    case : Case
    good : pandas.DataFrame
        A few rows the model answers.
    scores : ndarray
        What it answers.
    """
    yield Trial(kind="empty batch", column="", frame=good.iloc[:0])
    yield Trial(
        kind="batch of one",
        column="",
        frame=good.iloc[:1],
        expected=scores[:1],
        must_answer=True,
    )
    yield Trial(
        kind="extra column", column="", frame=good.assign(**{EXTRA: 1}), expected=scores
    )
    backwards = good[list(good.columns)[::-1]]
    yield Trial(kind="reordered columns", column="", frame=backwards, expected=scores)
    columns = {name: blank(good[name]) for name in good.columns}
    yield Trial(kind="everything missing", column="", frame=pd.DataFrame(columns))
    odd = {
        name: unseen(good[name])
        for name, column in case.columns.items()
        if column.kind == "categorical" and good[name].notna().any()
    }
    if odd:
        yield Trial(kind="unseen everywhere", column="", frame=good.assign(**odd))
    for column in case.columns.values():
        yield from _of_column(column, good)


def _of_column(column: Column, good: pd.DataFrame) -> Iterator[Trial]:
    if column.kind != "numeric" or not _is_number(good[column.name]):
        return
    for kind, size in (("extreme number", BIGGEST), ("infinity", np.inf)):
        ends = np.where(np.arange(len(good)) % 2 == 0, size, -size)
        frame = good.assign(**{column.name: ends})
        yield Trial(kind=kind, column=column.name, frame=frame)
    text = pd.Series([TEXT] * len(good), index=good.index)
    frame = good.assign(**{column.name: text})
    yield Trial(kind="text in a number", column=column.name, frame=frame)


def _is_number(values: Values) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype)


def outcome(case: Case, trial: Trial, spread: float) -> tuple[str, str]:
    """Return what the model does with one input, and what it says.

    Parameters
    ----------
    case : Case
    trial : Trial
    spread : float
        Of the scores of good rows: what counts as the same score is relative to it.

    Returns
    -------
    tuple of str
        ``"answers"`` or ``"refuses"``: both are fine; ``"gives unusable scores"``
        (not finite, out of range, of another shape), ``"answers otherwise"`` (the
        same rows, other scores) or ``"fails"`` (on good rows): violations. And the
        kind of error, or nothing.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a model may well warn of such rows
        try:
            # The shared scoring never shows a model an empty batch; production may.
            empty = trial.frame.empty
            send = case.model.predict if empty else partial(score_frame, case)
            scores = send(trial.frame)
        except ModelRaisedError as refusal:
            word = REFUSES_GOOD if trial.must_answer else REFUSES
            return word, type(refusal.__cause__).__name__
        except ModelError as refusal:
            return NONSENSE, str(refusal)
    if trial.expected is None or not len(scores):
        return ANSWERS, ""
    gap = float(np.max(np.abs(scores - trial.expected)))
    return (DIFFERS, f"by up to {gap:.3g}") if gap > SAME * spread else (ANSWERS, "")
