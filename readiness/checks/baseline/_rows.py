"""The rows the baseline judges: labelled tables, declared groups, months."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from readiness.case import Case
from readiness.errors import NotAssessedError, Reason
from readiness.evidence import Bins
from readiness.metrics import Metric
from readiness.scored import Scores
from readiness.scoring import column, scores
from readiness.text import number

Bools = npt.NDArray[np.bool_]

MOST_GROUPS = 20
SMALL_CELL = 10  # rows of a sensitive group below which it is not shown alone
LEFT_OUT_WORDS = {
    "null_target": "without a label",
    "unknown_label": "with a label the model does not know",
    "model_raised": "on which the model failed",
    "no_prediction": "without a prediction",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Labelled and scored rows of one table.

    Parameters
    ----------
    group : str
        How the table is called in a summary: empty for the reference, else
        ``table=current``.
    scores : Scores
        Their `clusters` include what was found to hang together undeclared.
    undeclared : str
        What was found: ``"week"``, a column; empty when nothing was.
    bins : tuple of Bins
        How they are summed for later runs; from `_blocks.widened`.
    """

    group: str
    scores: Scores
    undeclared: str = ""
    bins: tuple[Bins, ...] = ()

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.scores.table


def require_probabilities(case: Case) -> None:
    """Raise NotAssessedError (NO_PROBABILITIES) when the model gives classes only."""
    if case.model.outputs == "class":
        msg = (
            "The model gives classes only; this needs its probabilities. Review a "
            "model with predict_proba, or choose a metric of classes."
        )
        raise NotAssessedError(msg, Reason.NO_PROBABILITIES)


def usable_metrics(case: Case, metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Return the metrics that this model's outputs allow."""
    if case.model.outputs != "class":
        return metrics
    return tuple(one for one in metrics if one.needs != "probability")


def target_unit(case: Case) -> str:
    """Return the unit declared for the target, or the words "target unit"."""
    declared = case.file.columns.get(case.target)
    return (declared.unit if declared else None) or "target unit"


def labelled_rows(case: Case) -> tuple[list[Rows], Mapping[str, Reason]]:
    """Return the rows to judge by table, and why a labelled table cannot be judged.

    Raises
    ------
    NotAssessedError
        When the reference cannot be judged.
    """
    rows = [Rows(group="", scores=_all_scored(case, "reference"))]
    problems: dict[str, Reason] = {}
    if case.has("current") and case.has_labels("current"):
        group = "table=current"
        try:
            rows.append(Rows(group=group, scores=_all_scored(case, "current")))
        except NotAssessedError as error:
            problems[group] = error.code
    return rows, problems


def _all_scored(case: Case, table_name: str) -> Scores:
    scored = scores(case, table_name)
    if n_raised := scored.left_out.get("model_raised", 0):
        msg = (
            f"The model raised an error on {n_raised} rows of {table_name}; a number "
            "over the other rows would flatter it. Mend the model or these rows."
        )
        raise NotAssessedError(msg, Reason.MODEL_SCORES)
    return scored


def declared_groups(case: Case, rows: Rows) -> Iterator[tuple[str, Bools]]:
    """Yield each group of the columns declared with ``group = true``, as a mask.

    Names read ``column=value``. The most frequent values of a column stand alone, the
    rest is one group; a number with many values is cut at its quartiles; groups under
    10 rows of a sensitive column are part of the rest.
    """
    for name, section in case.file.columns.items():
        if not section.group or name not in case.table(rows.name).schema.names:
            continue
        least = SMALL_CELL if section.sensitive else 1
        values = column(case, rows.scores, name)
        for value, mask in _split(values, least):
            yield f"{name}={value}", mask


def months(rows: Rows) -> Iterator[tuple[str, Bools]]:
    """Yield each calendar month as ``month=2013-08`` and a mask of its rows."""
    if rows.scores.time is None:
        return
    month = rows.scores.time.astype("datetime64[M]")
    for one in np.unique(month[~np.isnat(month)]):
        yield f"month={one}", month == one


def left_out_note(rows: Rows) -> str | None:
    """Return how many rows could not be judged and why; None when all could."""
    left = {why: n for why, n in rows.scores.left_out.items() if n}
    if not left:
        return None
    reasons = ", ".join(
        f"{number(n, 'count')} {LEFT_OUT_WORDS.get(why, why)}"
        for why, n in left.items()
    )
    return f"Rows left out of {rows.name}: {reasons}."


def _split(values: pd.Series, least: int) -> Iterator[tuple[str, Bools]]:
    missing = values.isna().to_numpy(bool)
    is_number = pd.api.types.is_numeric_dtype(values.dtype)
    if is_number and values.nunique() > MOST_GROUPS:
        cut = pd.qcut(values.astype(float), 4, duplicates="drop")
        values = cut.map(lambda one: f"{one.left:g} to {one.right:g}").astype(object)
    counts = values.value_counts()
    counts = counts.sort_index(key=lambda names: names.map(str))
    counts = counts.sort_values(ascending=False, kind="stable")
    alone = [one for one in counts.index[:MOST_GROUPS] if counts[one] >= least]
    rest = ~missing
    for one in alone:
        mask = (values == one).fillna(False).to_numpy(bool)
        rest &= ~mask
        yield _written(one), mask
    for name, mask in (("(other)", rest), ("(missing)", missing)):
        if np.sum(mask) >= least:
            yield name, mask


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def sampled(rows: Rows, most: int, seed: int) -> Rows:
    """Return at most `most` of the rows, drawn evenly and kept in order."""
    n_rows = len(rows.scores.y_true)
    if n_rows <= most:
        return rows
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.choice(n_rows, most, replace=False))
    return replace(rows, scores=rows.scores.take(kept))
