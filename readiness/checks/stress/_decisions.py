"""What a model decides, and how near it is to deciding otherwise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.stats import Floats

Bools = NDArray[np.bool_]
CUT, LARGEST, CLASS, CHANGE = "cut", "largest", "class", "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """The rule that turns scores into decisions.

    Parameters
    ----------
    kind : str
        ``"cut"``: at the threshold and above; ``"largest"``: the class with the
        largest probability; ``"class"``: the class the model names; ``"change"``: a
        prediction that moves by more than `at` counts as another decision.
    at : float
        The threshold, or the largest change that is none.
    """

    kind: str
    at: float = 0.0

    def margin(self, before: Floats, scores: Floats) -> Floats:
        """Return how far scores are from another decision than the one before.

        Parameters
        ----------
        before, scores : ndarray of shape (n,) or (n, k)
            Scores of the good rows, and of the same rows altered.

        Returns
        -------
        ndarray of shape (n,)
            In output units; not positive where the decision is another one, except
            exactly at a threshold.
        """
        if self.kind == CLASS:
            return np.where(before == scores, 1.0, -1.0)
        if self.kind == CHANGE:
            change: Floats = self.at - np.abs(scores - before)
            return change
        if self.kind == CUT:
            above: Floats = np.where(before >= self.at, 1.0, -1.0) * (scores - self.at)
            return above
        own = np.argmax(before, axis=1)[:, None]
        others = scores.copy()
        np.put_along_axis(others, own, -np.inf, axis=1)
        held = np.take_along_axis(scores, own, axis=1)[:, 0]
        ahead: Floats = held - others.max(axis=1)
        return ahead

    def flipped(self, before: Floats, scores: Floats) -> Bools:
        """Return whether each decision is another one, (n,)."""
        other: Bools = self.margin(before, scores) < 0
        if self.kind == CUT:
            other = (before >= self.at) != (scores >= self.at)
        if self.kind == LARGEST:
            other = np.argmax(before, axis=1) != np.argmax(scores, axis=1)
        return other

    def words(self) -> str:
        """Return the rule in words."""
        return {
            CUT: f"at the threshold {self.at:g}",
            LARGEST: "by the largest probability",
            CLASS: "by the class the model names",
            CHANGE: f"where a change by more than {self.at:g} counts as another one",
        }[self.kind]


def decider_of(case: Case, tolerance: float | None) -> Decider:
    """Return the rule of a case.

    Parameters
    ----------
    case : Case
    tolerance : float or None
        Regression: the largest change of a prediction that changes no decision, in
        the unit of the target. A declared threshold goes first.

    Raises
    ------
    NotAssessedError
        NOT_MEASURED for a regression with neither.
    """
    if case.model.outputs == "class":
        return Decider(kind=CLASS)
    if case.task == "multiclass":
        return Decider(kind=LARGEST)
    if case.task == "binary" or case.file.model.threshold is not None:
        return Decider(kind=CUT, at=case.threshold)
    if tolerance is None:
        msg = (
            "A number is no decision. Declare model.threshold, or the change of a "
            "prediction that matters as tolerance under checks.S4."
        )
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    return Decider(kind=CHANGE, at=float(tolerance))
