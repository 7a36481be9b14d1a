"""C8: rows that occur twice, and features that give the target away."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.coverage._duplicate_report import GAIN, SHARE, sentences
from readiness.checks.coverage._duplicates import (
    count_repeated,
    entities_in_common,
    rows_in_common,
)
from readiness.checks.coverage._leaks import Asked, asked_features
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.patterns import Bools
from readiness.result import Check, Limit, Measurement, Options
from readiness.scored import headline
from readiness.scoring import scores
from readiness.stats import (
    Estimate,
    clustered_interval,
    difference,
    empty_row,
    no_interval,
    summary_frame,
    summary_row,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERLAP, LEAKING, STRENGTH = "overlap_share", "leaking_columns", "leak_strength"
DRAWN = 20
Row = dict[str, Any]


def measure(case: Case, options: Options) -> Measurement:
    """Count repeated rows, and ask of every feature alone how well it tells the target.

    Parameters
    ----------
    case : Case
        Training is held against reference where there is one; scores are asked for
        only when rows of the reference are training rows.
    options : Options
        ``leak`` (area or R² of one feature above which it gives the target away).

    Returns
    -------
    Measurement
        ``duplicate_share`` (share): empty group, reference rows that training holds;
        ``table=...``, rows that equal an earlier one; ``current in reference``.
        ``duplicate_gain`` (metric points): what such rows add to the headline metric.
        ``overlap_share`` (share): reference rows of an entity that training has.
        ``leaking_columns`` (count), ``leak_strength`` (AUC or R²) per feature. Tables
        ``features``, ``tables``.

    Raises
    ------
    NotAssessedError
        NO_COLUMNS when no feature of the reference can be read.

    Notes
    -----
    Shares are of the tables at hand and exact. Rows within a table are equal when all
    its columns are; rows of two tables when
    all features and the target are, so that tables of few coarse columns agree by
    chance. Null equals null. A feature is asked on at most 20,000 labelled reference
    rows, drawn by content: the mean of the target in its cells (at most 64 for a
    number) is found in four fifths of the blocks and held against the last. A strong
    honest feature can pass the mark, and a leak of several columns together cannot be
    seen by any one of them.

    References
    ----------
    S. Kapoor, A. Narayanan (2023), doi:10.1016/j.patter.2023.100804: kinds of leaks.
    """
    tables = _repeated(case)
    rows = [
        _exact(
            SHARE,
            f"table={one['table']}",
            one["repeated"] / one["rows"],
            "share",
            one["rows"],
        )
        for one in tables.to_dict("records")
    ]
    rows += _known_rows(case)
    features = asked_features(case, float(options["leak"]), options.seed)
    rows += [_strength_row(one) for one in features]
    strong = [one for one in features if one.leaks]
    n_rows = max(one.told.n_rows for one in features)
    if n_rows:
        rows.append(_exact(LEAKING, "", len(strong), "count", n_rows))
    else:
        rows.append(empty_row(LEAKING, "", Reason.NO_LABELS, "count"))
    summary = summary_frame(rows)
    told = pd.DataFrame(
        [
            {"column": one.name, "strength": one.told.value, "leaks": one.leaks}
            for one in features
        ]
    )
    return Measurement(
        summary=summary,
        tables={
            "features": told.sort_values("strength", ascending=False, kind="stable"),
            "tables": tables,
        },
        notes=sentences(summary, features, tables),
    )


def _strength_row(one: Asked) -> Row:
    if one.reason is not None:
        return empty_row(STRENGTH, one.name, one.reason)
    return summary_row(STRENGTH, one.name, one.told)


def _repeated(case: Case) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"table": name, "rows": one.n_rows, "repeated": count_repeated(one)}
            for name, one in case.tables.items()
        ]
    )


def _exact(metric: str, group: str, value: float, unit: str, n_rows: int) -> Row:
    """Return the row of a number that was counted, not estimated."""
    row = summary_row(metric, group, no_interval(), unit)
    exact = {"value": value, "ci_low": value, "ci_high": value}
    return {**row, **exact, "n_rows": n_rows, "n_blocks": np.nan}


def _known_rows(case: Case) -> list[Row]:
    """Return what reference and current rows the model, or the review, knew before."""
    rows = []
    if case.has("training"):
        common = _common(case, "reference", "training")
        rows += [_share_row(SHARE, "", common), _gain(case, common)]
        entity = case.file.data.entity
        reference, training = case.table("reference"), case.table("training")
        names = set(reference.schema.names) & set(training.schema.names)
        if entity is not None and entity in names:
            met = entities_in_common(reference, training, entity)
            rows.append(_share_row(OVERLAP, entity, met))
    else:
        rows.append(empty_row(SHARE, "", Reason.NO_TABLE, "share"))
    if case.has("current"):
        again = _common(case, "current", "reference")
        rows.append(_share_row(SHARE, "current in reference", again))
    return rows


def _common(case: Case, name: str, other: str) -> Bools:
    table, base = case.table(name), case.table(other)
    both = set(table.schema.names) & set(base.schema.names)
    wanted = dict.fromkeys([*case.features, case.target])
    return rows_in_common(table, base, [one for one in wanted if one in both])


def _share_row(metric: str, group: str, hit: Bools) -> Row:
    """Return a share of this table's own rows: every one was compared."""
    return _exact(metric, group, float(hit.mean()), "share", len(hit))


def _gain(case: Case, common: Bools) -> Row:
    """Return what known rows add to the headline metric on the reference."""
    unit = case.metric.unit or "metric points"
    if not common.any():
        return _exact(GAIN, "", 0.0, unit, len(common))
    try:
        scored = scores(case, "reference")
    except NotAssessedError as error:
        return empty_row(GAIN, "", error.code, unit)
    new = ~common[scored.row]
    whole, part = headline(case, scored), headline(case, scored.take(new))
    influence = np.zeros(len(new))
    influence[new] = part.influence * (len(new) / max(int(new.sum()), 1))
    rest = Estimate(value=part.value, influence=influence)
    gain = clustered_interval(difference(whole, rest), scored.clusters)
    if np.isnan(gain.value):
        return empty_row(GAIN, "", Reason.TOO_FEW_ROWS, unit, len(new))
    return summary_row(GAIN, "", gain, unit)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (one signature for all checks)
    """Draw how well each feature alone tells the target, strongest first."""
    asked = measurement.summary[measurement.summary["metric"] == STRENGTH]
    shown = asked.sort_values("value", ascending=False, kind="stable").head(DRAWN)
    figure, axes = new_figure(
        "How well one feature alone tells the target",
        xlabel="area under the ROC curve (numbers: R²), on rows not fitted on",
    )
    draw_intervals(
        axes,
        shown["group"].tolist(),
        shown["value"].tolist(),
        shown["ci_low"].tolist(),
        shown["ci_high"].tolist(),
        n_rows=shown["n_rows"].tolist(),
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return the strongest feature."""
    return measurement.notes[0]


CHECK = Check(
    code="C8",
    title="Duplicates and leaks",
    question="Do rows occur twice, or do features know the answer?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=LEAKING,
            side="at_most",
            limit=0,
            required_in=("medium", "high"),
            reason="A feature that knows the answer is not there when it is needed.",
        ),
        Limit(
            metric=SHARE,
            side="at_most",
            limit=0.01,
            required_in=(),
            reason="Rows the model was fitted on flatter every number of the review.",
        ),
    ),
    defaults={"leak": 0.98},
    metrics=(STRENGTH, OVERLAP, GAIN),
)
