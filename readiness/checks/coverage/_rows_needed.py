"""The rows a model of the strength found here needs."""

from dataclasses import dataclass

import numpy as np

from readiness.case import Case
from readiness.checks.coverage._riley import (
    Needed,
    binary_rows,
    highest_r2,
    number_rows,
    r2_of_area,
)
from readiness.errors import NotAssessedError, Reason
from readiness.metrics import find_metric
from readiness.scoring import scores
from readiness.stats import Floats

SMALLEST_R2 = 0.001  # below it no number of rows makes such a model worth while


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rows the formulas need, at the best guess and at the ends of its interval.

    Parameters
    ----------
    needed, fewest, most : Needed
    r2, parameters : float, int
    n_blocks : int
        Blocks behind the guess.
    """

    needed: Needed
    fewest: Needed
    most: Needed
    r2: float
    parameters: int
    n_blocks: int


def binary_strength(case: Case, y: Floats, parameters: int) -> Asked:
    """Return the rows needed for two classes; raises NotAssessedError."""
    if case.model.outputs != "probability":
        msg = "The model gives classes only; its strength needs probabilities."
        raise NotAssessedError(msg, Reason.NO_PROBABILITIES)
    prevalence = float(y.mean())
    if not 0 < prevalence < 1:
        msg = "The training rows hold one class only."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    judged = scores(case, "reference")
    area = find_metric("roc_auc", "binary").interval(
        judged.y_true, judged.y_score, judged.clusters, judged.weight
    )
    if np.isnan(area.value):
        msg = "The reference rows hold one class only."
        raise NotAssessedError(msg, Reason.ONE_CLASS)

    def needed(one: float) -> tuple[Needed, float]:
        r2 = r2_of_area(min(max(one, 0.5), 0.999), prevalence)
        r2 = min(max(r2, SMALLEST_R2), 0.95 * highest_r2(prevalence))
        return binary_rows(parameters, r2, prevalence), r2

    return Asked(
        needed=needed(area.value)[0],
        fewest=needed(area.ci_high)[0],
        most=needed(area.ci_low)[0],
        r2=needed(area.value)[1],
        parameters=parameters,
        n_blocks=area.n_blocks,
    )


def number_strength(case: Case, y: Floats, parameters: int) -> Asked:
    """Return the rows needed for a number; raises NotAssessedError."""
    judged = scores(case, "reference")
    r2 = find_metric("r2", "regression").interval(
        judged.y_true, judged.y_score, judged.clusters, judged.weight
    )
    if np.isnan(r2.value):
        msg = "The target of the reference rows does not vary."
        raise NotAssessedError(msg, Reason.ONE_CLASS)
    mean, sd = float(y.mean()), float(y.std(ddof=1)) if len(y) > 1 else 0.0

    def needed(one: float) -> Needed:
        return number_rows(
            max(parameters, 3), min(max(one, SMALLEST_R2), 0.99), mean, sd
        )

    return Asked(
        needed=needed(r2.value),
        fewest=needed(r2.ci_high),
        most=needed(r2.ci_low),
        r2=r2.value,
        parameters=parameters,
        n_blocks=r2.n_blocks,
    )
