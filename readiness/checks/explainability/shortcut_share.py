"""X9: whether the model hangs on one column, as it does when that column leaks."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._explained import (
    DEFAULTS,
    Explained,
    explained,
    explained_rows,
)
from readiness.checks.explainability._ranks import find_twins
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_intervals, new_figure
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Estimate,
    Floats,
    Interval,
    clustered_interval,
    relative_weights,
    summary_frame,
    summary_row,
)
from readiness.text import interval, number, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "top_share"
MOST = 0.8  # of all attribution: how many columns make it up
JOIN = " + "


def measure(case: Case, options: Options) -> Measurement:
    """Measure the largest share of all attribution that one column has.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance.

    Returns
    -------
    Measurement
        ``top_share``: mean size of the attributions of the column with the largest
        one, over the sum of all columns' mean sizes; the group is the column. Table
        ``shares``: every column's share with its interval, and `decides_alone`: the
        share of rows in which it outweighs all other columns together.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NOT_MEASURED where no column ever changes the output.

    Notes
    -----
    A leak takes most of the attribution, but not everything that does is a leak: the
    number asks for a reason, it proves nothing. Columns that hold the same under two
    names or units split their attribution by an accident of the fit, so they count
    as one; a leak spread over columns that are merely alike passes. The interval is
    that of a ratio of means, clustered; on a sampled route it is widened by the most
    that noise of the draws may have added to any column. Of a model with one column
    the share is 1. Under 30 blocks nothing is decided.

    References
    ----------
    R. Geirhos et al. (2020), "Shortcut learning in deep neural networks",
    doi:10.1038/s42256-020-00257-z.
    """
    rows = explained(case, options)
    names, sizes, crossed = _joined(case, options, rows)
    if not sizes.sum() > 0:
        msg = "No column ever changes the model's output, so nothing has a share."
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    shares = _shares(rows, sizes, crossed)
    alone = _alone(rows, sizes)
    order = sorted(range(len(names)), key=lambda place: -shares[place].value)
    table = pd.DataFrame(
        [_line(names[place], shares[place], alone[place]) for place in order]
    )
    top = order[0]
    summary = summary_frame([summary_row(METRIC, names[top], shares[top], "share")])
    return Measurement(
        summary=summary, tables={"shares": table}, notes=_notes(rows, table)
    )


def _joined(
    case: Case, options: Options, rows: Explained
) -> tuple[list[str], Floats, Floats]:
    """Return names, sizes (n, g) and noise-free sizes, equal columns as one.

    The attributions of equal columns are added up before their size is taken.
    """
    names = list(rows.found.values.columns)
    values, crossed = rows.found.values.to_numpy(), rows.found.crossed
    twins = find_twins(explained_rows(case, options))
    first = {group[0]: group for group in twins}
    later = {place for group in twins for place in group[1:]}
    groups = [
        first.get(place, [place]) for place in range(len(names)) if place not in later
    ]
    sizes = np.abs(np.column_stack([values[:, one].sum(axis=1) for one in groups]))
    lost = [(np.abs(values) - crossed)[:, one].sum(axis=1) for one in groups]
    joined = [JOIN.join(names[place] for place in one) for one in groups]
    return joined, sizes, sizes - np.column_stack(lost)


def _shares(rows: Explained, sizes: Floats, crossed: Floats) -> list[Interval]:
    weights = relative_weights(len(sizes), rows.weight)
    means = np.mean(weights[:, None] * sizes, axis=0)
    noise = np.maximum(np.mean(weights[:, None] * (sizes - crossed), axis=0), 0.0)
    total, all_noise = float(means.sum()), float(noise.sum())
    found = []
    for place, mean in enumerate(means):
        share = float(mean / total)
        influence = weights * (sizes[:, place] - share * sizes.sum(axis=1)) / total
        one = clustered_interval(
            Estimate(value=share, influence=influence), rows.clusters
        )
        own = float(noise[place])
        least = max(mean - own, 0.0) / max(total - own, 1e-300)
        most = mean / max(total - (all_noise - own), mean)
        found.append(
            replace(
                one,
                ci_low=max(one.ci_low - (share - least), 0.0),
                ci_high=min(one.ci_high + (most - share), 1.0),
            )
        )
    return found


def _alone(rows: Explained, sizes: Floats) -> Floats:
    weights = relative_weights(len(sizes), rows.weight)
    outweighs = 2 * sizes > sizes.sum(axis=1, keepdims=True)
    found: Floats = np.mean(weights[:, None] * outweighs, axis=0)
    return found


def _line(name: str, share: Interval, alone: float) -> dict[str, Any]:
    return {
        "column": name,
        "share": share.value,
        "ci_low": share.ci_low,
        "ci_high": share.ci_high,
        "decides_alone": float(alone),
        "rows": share.n_rows,
        "blocks": share.n_blocks,
    }


def _notes(rows: Explained, table: pd.DataFrame) -> tuple[str, ...]:
    top = table.iloc[0]
    name = visible(top["column"], 60)
    limits = interval(top["ci_low"], top["ci_high"], "share")
    between = f" ({limits})" if limits else ""
    n_needed = int(np.searchsorted(np.cumsum(table["share"]), MOST - 1e-9)) + 1
    most = number(MOST, "share", exact=True)
    together = (
        f"it takes {n_needed} of {len(table)} columns to make up {most}"
        if n_needed > 1
        else f"no other of the {len(table)} columns is needed to make up {most}"
    )
    share, alone = (number(top[one], "share") for one in ("share", "decides_alone"))
    first = (
        f"{name} has {share}{between} of all attribution, the largest share; "
        f"{together}."
    )
    notes = [first, f"In {alone} of rows it outweighs all other columns together."]
    if JOIN in top["column"]:
        notes.append("Columns joined by + hold the same and count as one.")
    notes.append(
        f"From {len(rows.found.values):,} of {rows.n_table:,} reference rows "
        f"({rows.found.method}, in {rows.found.unit})."
    )
    return tuple(notes)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw each column's share of all attribution with its interval."""
    table = measurement.tables["shares"]
    figure, axes = new_figure(
        "How much of all attribution each column has", xlabel="share of all attribution"
    )
    draw_intervals(
        axes,
        table["column"].tolist(),
        table["share"].tolist(),
        table["ci_low"].tolist(),
        table["ci_high"].tolist(),
        limits=limits,
        n_rows=table["rows"].tolist(),
        unit="share",
    )
    return figure


def alt(measurement: Measurement) -> str:
    """Return the largest share in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="X9",
    title="Shortcuts",
    question="Does the model hang on a single column?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.8,
            required_in=(),
            groups="each",
            reason="What hangs on one column is often a leak, and falls with it.",
        ),
    ),
    defaults=DEFAULTS,
)
