"""Labelled rows with their loss, their attributes and their blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from readiness import influence
from readiness.case import Case
from readiness.checks.coverage._attributes import Attribute, choose
from readiness.checks.coverage._confirm import most_blocks
from readiness.checks.drift._base import numbers
from readiness.checks.drift._expected_loss import Costs
from readiness.errors import CaseError, NotAssessedError, Reason
from readiness.scored import Scores
from readiness.scoring import column
from readiness.stats import Floats, Ints
from readiness.table_rows import clusters_of, keys_of
from readiness.tables import Table
from readiness.text import number

OWN, WRONG, LOG, ABSOLUTE = "own", "wrong", "log_loss", "absolute"
LOSSES = (WRONG, LOG, ABSOLUTE)
MOST_CODES = 200  # categories told apart; rarer ones share a code


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lossy:
    """Labelled rows, and what the model's answer costs on each.

    Parameters
    ----------
    scored : Scores
    table : Table
        Holds the rows.
    attributes : tuple of Attribute
        What groups are made of.
    how : str
        How the attributes were chosen.
    costs : Costs
        The same rows for the models of expected loss.
    words, why, unit : str
        What the loss is called, why it was taken, and its unit.
    highest : float
        What no loss exceeds.
    bound : float
        The acceptable mean loss; NaN where nothing declares one.
    """

    scored: Scores
    table: Table
    attributes: tuple[Attribute, ...]
    how: str
    costs: Costs
    words: str
    why: str
    unit: str
    highest: float
    bound: float

    @property
    def is_share(self) -> bool:
        """Whether every loss is 0 or 1."""
        return self.unit == "share"

    def amount(self, value: float) -> str:
        """Return a mean loss in words: ``12 % wrong decisions``."""
        told = number(value, self.unit)
        if self.is_share:
            return f"{told} {self.words}"
        return f"a mean {self.words} of {told}"


def lossy_rows(case: Case, options: Mapping[str, Any], seed: int) -> Lossy:
    """Return the labelled rows of the table with the most blocks.

    Parameters
    ----------
    case : Case
    options : mapping
        ``attributes``, ``loss`` and ``acceptable_loss``.
    seed : int
        Of the choice of attributes.

    Raises
    ------
    CaseError
        For an unknown loss or attribute.
    NotAssessedError
        NO_LABELS; NO_COLUMNS; NOT_THIS_TASK or NO_PROBABILITIES for a loss that the
        model's answers do not have.
    """
    if not case.labelled_tables():
        msg = "No table that the model was not fitted on has labels."
        raise NotAssessedError(msg, Reason.NO_LABELS)
    scored = most_blocks(case)
    table = case.table(scored.table)
    asked = {"attributes": options["attributes"], "domains": {}}
    chosen = choose(case, table, table, asked, seed)
    name, why = _which(case, str(options["loss"]))
    values = _losses(case, scored, name)
    names = [one.name for one in chosen.attributes]
    kinds = [case.columns[one].kind for one in names]
    is_share = name == WRONG or (name == OWN and case.metric.name == "accuracy")
    return Lossy(
        scored=scored,
        table=table,
        attributes=chosen.attributes,
        how=chosen.how,
        costs=Costs(
            X=np.column_stack(
                [
                    _as_numbers(column(case, scored, one), kind)
                    for one, kind in zip(names, kinds, strict=True)
                ]
            ),
            is_category=tuple(kind != "numeric" for kind in kinds),
            loss=values,
            weight=scored.weight,
            key=_keys(case, table, scored),
        ),
        words=_words(case, name),
        why=why,
        unit="share" if is_share else _unit(case, name),
        highest=1.0 if is_share else _highest(case, name),
        bound=_bound(case, name, float(options["acceptable_loss"])),
    )


def _which(case: Case, asked: str) -> tuple[str, str]:
    if asked:
        if asked not in LOSSES:
            known = ", ".join(LOSSES)
            msg = f"checks.D4 loss must be one of {known}; it is {asked!r}. Correct it."
            raise CaseError(msg)
        if (asked == ABSOLUTE) != (case.task == "regression"):
            msg = f"The loss {asked!r} does not exist for a {case.task} model."
            raise NotAssessedError(msg, Reason.NOT_THIS_TASK)
        if asked == LOG and case.model.outputs == "class":
            msg = "The log loss needs probabilities; the model gives classes."
            raise NotAssessedError(msg, Reason.NO_PROBABILITIES)
        return asked, "it was asked for"
    if case.metric.per_row is not None:
        return OWN, "the headline metric is its mean"
    if case.task == "regression":
        return ABSOLUTE, "the headline metric has no loss of a single row"
    declared = case.file.model.threshold is not None
    if declared or case.task == "multiclass" or case.model.outputs == "class":
        return WRONG, "the headline metric has no loss of a single row, a decision has"
    return LOG, "the case declares no decision threshold"


def _losses(case: Case, scored: Scores, name: str) -> Floats:
    y_true, y_score = scored.y_true, scored.y_score
    own = case.metric.loss(y_true, y_score, case.threshold) if name == OWN else None
    if own is not None:
        return own
    if name == ABSOLUTE:
        return influence.absolute(y_true, y_score)
    if name == LOG:
        return influence.log_loss(y_true, y_score)
    if y_score.ndim > 1:
        return influence.wrong(y_true, np.argmax(y_score, axis=1).astype(float))
    if case.task == "multiclass" or case.model.outputs == "class":
        return influence.wrong(y_true, y_score)
    return influence.wrong(y_true, (y_score >= case.threshold).astype(float))


def _words(case: Case, name: str) -> str:
    known = {WRONG: "wrong decisions", LOG: "log loss", ABSOLUTE: "absolute error"}
    of_metric = {
        "accuracy": "wrong decisions",
        "log_loss": "log loss",
        "brier_score": "squared error of the probability",
        "mean_absolute_error": "absolute error",
        "mean_squared_error": "squared error",
    }
    return known[name] if name in known else of_metric[case.metric.name]


def _unit(case: Case, name: str) -> str:
    is_absolute = name == ABSOLUTE or case.metric.name == "mean_absolute_error"
    return "target unit" if case.task == "regression" and is_absolute else ""


def _highest(case: Case, name: str) -> float:
    return 1.0 if name == OWN and case.metric.bounded else float("inf")


def _bound(case: Case, name: str, asked: float) -> float:
    """Return the acceptable loss: asked for, or that of the headline metric."""
    declared = case.file.model.acceptable
    if asked > 0:
        return asked
    if declared is None or name != OWN:
        return float("nan")
    return 1 - declared if case.higher_is_better else declared


def _as_numbers(values: "pd.Series[Any]", kind: str) -> Floats:
    """Return numbers, or codes of categories by frequency and name; NaN for none."""
    if kind == "numeric":
        return numbers(values, kind)
    text = values.astype(object).where(values.notna()).map(str, na_action="ignore")
    counts = text.value_counts()
    ordered = sorted(counts.index, key=lambda one: (-counts[one], one))
    place = {one: float(min(n, MOST_CODES)) for n, one in enumerate(ordered)}
    return np.asarray(text.map(place), dtype=np.float64)


def _keys(case: Case, table: Table, scored: Scores) -> Ints | None:
    """Return the block of each row as its content says it, not its place."""
    keys = keys_of(case, table)
    if not (keys.time or keys.block or keys.entity):
        return None
    parts = [clusters_of(one, keys).declared() for one in table.batches(keys.columns())]
    found: Ints = np.concatenate([one[0] for one in parts])[scored.row]
    return found
