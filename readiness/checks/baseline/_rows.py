"""The rows the baseline judges: tables, declared groups, what hangs together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.columns import role_columns
from readiness.errors import NotAssessedError, Reason
from readiness.evidence import Bins, bins_of
from readiness.metrics import Metric
from readiness.scored import Scores
from readiness.scoring import column, scores
from readiness.stats import Clusters, Estimate, Interval, Ints, clustered_interval
from readiness.text import number, visible

Bools = npt.NDArray[np.bool_]

MOST_GROUPS = 20
SMALL_CELL = 10  # rows of a sensitive group below which it is not shown alone
MIN_CLUSTERS = 30
MOST_ROWS_PER_ID = 20  # a whole number that repeats more often is no identifier
UNDECLARED_FACTOR = 1.5  # wider than declared by this much: rows hang together
LEFT_OUT_WORDS = {
    "null_target": "without a label",
    "unknown_label": "with a label the model does not know",
    "model_raised": "on which the model failed",
    "no_prediction": "without a prediction",
}
SPANS = {"1h": "hour", "24h": "day", "1d": "day", "7d": "week", "1w": "week"}


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
        How they are summed for later runs; from `widened`.
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


def widened(case: Case, rows: Rows, estimate: Estimate) -> Rows:
    """Return the rows with the widest undeclared block added to their clusters.

    Parameters
    ----------
    case : Case
        Names the columns with a role.
    rows : Rows
        n labelled rows.
    estimate : Estimate
        The headline metric on these rows.

    Returns
    -------
    Rows
        With their bins; else unchanged unless a day, a week or an identifier that
        nobody declared makes the interval more than `UNDECLARED_FACTOR` times as wide
        as declared.
    """
    found = _widest(case, rows, estimate)
    return replace(found, bins=bins_of(case, found.scores, found.undeclared))


def _widest(case: Case, rows: Rows, estimate: Estimate) -> Rows:
    declared = _width(clustered_interval(estimate, rows.scores.clusters))
    widest, found = declared * UNDECLARED_FACTOR, rows
    if not np.isfinite(widest):
        return rows
    for name, codes in _candidates(case, rows.scores):
        clusters = Clusters(block=codes, entity=rows.scores.clusters.entity)
        width = _width(clustered_interval(estimate, clusters))
        if width > widest:
            widest = width
            scored = replace(rows.scores, clusters=clusters)
            found = replace(rows, scores=scored, undeclared=name)
    return found


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


def dependence_note(case: Case, rows: Rows, interval: Interval) -> str:
    """Return one sentence on what hangs together and what that does to intervals."""
    factor = interval.dependence_factor
    if not np.isfinite(factor) or interval.n_blocks == interval.n_rows:
        return (
            f"Every row of {rows.name} counts as independent. If rows of one day or "
            "one customer belong together, declare data.block or data.entity."
        )
    counts = f"{interval.n_blocks:,} {_bound_by(case, rows, interval)}"
    return (
        f"The {interval.n_rows:,} rows of {rows.name} come in {counts}. Counted by "
        f"these, the interval is {number(factor)} times as wide as one that takes "
        "every row as independent (the dependence factor)."
    )


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


def _width(interval: Interval) -> float:
    return interval.ci_high - interval.ci_low


def _candidates(case: Case, scored: Scores) -> Iterator[tuple[str, Ints]]:
    if scored.time is not None and not np.any(np.isnat(scored.time)):
        day = scored.time.astype("datetime64[D]").astype(np.int64)
        for name, codes in (("day", day), ("week", (day + 3) // 7)):
            if len(np.unique(codes)) >= MIN_CLUSTERS:
                yield name, codes
    for name in _identifiers(case, scored.table):
        values = column(case, scored, name)
        codes, known = pd.factorize(values, use_na_sentinel=False)
        is_number = pd.api.types.is_numeric_dtype(values.dtype)
        most = MOST_ROWS_PER_ID if is_number else np.inf
        if len(known) >= MIN_CLUSTERS and 2 <= len(codes) / len(known) <= most:  # noqa: PLR2004 (values must repeat)
            yield name, codes.astype(np.int64)


def _identifiers(case: Case, table: str) -> list[str]:
    taken = {*case.features, *role_columns(case.file)}
    return [
        field.name
        for field in case.table(table).schema
        if field.name not in taken and _may_identify(field.type)
    ]


def _may_identify(kind: pa.DataType) -> bool:
    of_values = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    return any(test(of_values) for test in tests)


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


def _bound_by(case: Case, rows: Rows, interval: Interval) -> str:
    """Return what the winning blocks are: days, rows of one entity, an undeclared."""
    entity = rows.scores.clusters.entity
    if entity is not None and len(np.unique(entity)) == interval.n_blocks:
        return f"values of {visible(case.file.data.entity or 'entity', 40)}"
    name = rows.undeclared or SPANS.get(case.block or "", "")
    if name in ("hour", "day", "week"):
        return f"{name}s"
    return f"blocks of {visible(name or case.block or 'rows', 40)}"


def sampled(rows: Rows, most: int, seed: int) -> Rows:
    """Return at most `most` of the rows, drawn evenly and kept in order."""
    n_rows = len(rows.scores.y_true)
    if n_rows <= most:
        return rows
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.choice(n_rows, most, replace=False))
    return replace(rows, scores=rows.scores.take(kept))
