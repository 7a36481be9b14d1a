"""Where simple models learn, and what they answer on the rows that judge."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.baseline._rows import Rows
from readiness.checks.baseline._simple_models import (
    SimpleModels,
    Task,
    fit_simple_models,
)
from readiness.columns import kind_of
from readiness.errors import NotAssessedError, Reason
from readiness.labels import USABLE, target_codes
from readiness.stats import Floats, Ints
from readiness.tables import Table

FEWEST_ROWS = 50
N_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitting:
    """Where the simple models learn: labelled rows of one table."""

    table: str
    row: Ints
    y: Floats


def where_to_fit(case: Case, reference: Rows, most: int, seed: int) -> Fitting:
    """Return the rows the simple models learn from: training, else the reference."""
    scored = reference.scores
    found = Fitting(table="reference", row=scored.row, y=scored.y_true)
    if case.has("training") and case.has_labels("training"):
        table = case.table("training")
        targets = table.column(case.target).combine_chunks()
        codes, why = target_codes(targets, case.classes)
        row = np.flatnonzero(why == USABLE).astype(np.int64)
        if len(row) > most:
            chosen = np.random.default_rng(seed).choice(len(row), most, replace=False)
            row = row[np.sort(chosen)]
        found = Fitting(table="training", row=row, y=codes[row])
    if len(found.row) < FEWEST_ROWS:
        msg = (
            f"The simple models need {FEWEST_ROWS} labelled rows of {found.table} to "
            f"learn from; there are {len(found.row)}."
        )
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    return found


def usable_features(case: Case, tables: list[str]) -> list[str]:
    """Return the features every one of the tables has in a readable type."""
    return [
        name
        for name in case.features
        if all(_is_readable(case.table(table), name) for table in tables)
    ]


def _is_readable(table: Table, name: str) -> bool:
    known = name in table.schema.names and name not in table.problems
    return known and kind_of(table.schema.field(name).type) is not None


def frame_of(case: Case, fitting: Fitting, names: list[str]) -> pd.DataFrame:
    """Return the features of the rows to learn from."""
    return case.table(fitting.table).take(fitting.row, names)


def answers_of(
    case: Case, rows: Rows, fitting: Fitting, fitted: SimpleModels, names: list[str]
) -> Mapping[str, Floats]:
    """Return what each simple model says about rows it did not learn from."""
    frame = case.table(rows.name).take(rows.scores.row, names)
    if fitting.table != rows.name:
        return fitted.predict(frame)
    return _cross_fitted(rows, frame, fitted.task)


def _cross_fitted(rows: Rows, frame: pd.DataFrame, task: Task) -> Mapping[str, Floats]:
    """Return answers on each fifth of the blocks, learnt from the other four."""
    scored = rows.scores
    codes = scored.clusters.declared()
    block = codes[0] if codes else np.arange(len(frame))
    known, place = np.unique(block, return_inverse=True)
    order = np.random.default_rng(task.seed).permutation(len(known))
    fold = order[place] % N_FOLDS
    answers: dict[str, Floats] = {}
    for one in np.unique(fold):
        out = fold == one
        if out.all():
            msg = "The simple models need more than one block of rows to learn from."
            raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
        fitted = fit_simple_models(frame[~out], scored.y_true[~out], task)
        for name, part in fitted.predict(frame[out]).items():
            whole = np.zeros((len(frame), *part.shape[1:]))
            answers.setdefault(name, whole)[out] = part
    return answers
