"""X2: which columns the model leans on, and how sure that is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from readiness.attributions import path_attributions
from readiness.case import Case
from readiness.checks.explainability._agreement import COLUMNS, rows_agreement
from readiness.checks.explainability._explained import (
    DEFAULTS,
    Explained,
    explained,
    explained_rows,
)
from readiness.checks.explainability._importance_view import alt, draw, swarm_table
from readiness.checks.explainability._ties import settled_ranks, sizes_and_noise
from readiness.errors import NotAssessedError, Reason
from readiness.exact_attributions import EVERY_TREE
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import (
    Floats,
    Interval,
    clustered_interval,
    empty_row,
    relative_weights,
    summary_frame,
    summary_row,
    weighted_mean,
)
from readiness.text import number, visible

SIZE, HALF_WIDTH = "mean_abs_attribution", "attribution_half_width"
N_NAMED = 3


def measure(case: Case, options: Options) -> Measurement:
    """Measure the mean size of each raw column's attributions, with its error.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows`` (10,000): the most random reference rows, of which as many are
        explained as the order of the first columns needs, against ``background``
        (1,000) others; ``evaluations``: the most rows a sampled route may score.

    Returns
    -------
    Measurement
        Per column ``mean_abs_attribution`` (unit of the output: log-odds,
        probability or target unit) and ``attribution_half_width``: the larger half
        of its interval as a share of the largest mean. Table ``importance``: the
        same beside the mean signed attribution and the part of the interval that is
        due to sampling the explanation, the best and worst rank as in X3, and the mean
        size in the path-dependent game (NaN where it is not available). Table
        ``games``: how far both games agree row by row, as in X5. Table ``swarm``:
        attributions of some rows to the first columns.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NOT_MEASURED where no column ever changes the output.

    Notes
    -----
    Interventional Shapley values of the raw columns: what the *model* uses, not what
    moves the world. Several classes: the probability of the class predicted for the
    row. The interval covers the choice of rows (clustered) and, on the sampled
    route, the draws; noise inflates a mean size, so its lower limit is moved down by
    the most that noise may have added. A half-width above its limit asks for more
    rows and never fails. Limits are not widened for stopping early: of two close
    columns told apart early, the leader's lower limit misses in up to 10 % of cases.
    Under 30 blocks nothing is decided.

    References
    ----------
    S. Lundberg, S.-I. Lee (2017), arXiv:1705.07874.
    """
    rows = explained(case, options)
    sizes, noise = sizes_and_noise(rows)
    intervals = {
        name: _interval(rows, sizes[:, place], float(noise[place]))
        for place, name in enumerate(rows.found.values.columns)
    }
    top = max(one.value for one in intervals.values())
    if not top > 0:
        msg = "No column ever changes the model's output, so nothing can be explained."
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    ordered = sorted(intervals, key=lambda name: -intervals[name].value)
    summary = summary_frame(
        [
            row
            for name in ordered
            for row in _rows(name, intervals[name], top, rows.found.unit)
        ]
    )
    frame = explained_rows(case, options)
    best, worst = settled_ranks(rows, frame)
    places = [list(intervals).index(name) for name in ordered]
    table = _table(rows, intervals, ordered, noise).assign(
        best_rank=best[places], worst_rank=worst[places]
    )
    games = _other_game(case, frame, rows, table)
    swarm = swarm_table(case, frame, rows, ordered)
    return Measurement(
        summary=summary,
        tables={"importance": table, "games": games, "swarm": swarm},
        notes=(*_notes(rows, table), _note_on(games)),
    )


def _other_game(
    case: Case, frame: pd.DataFrame, rows: Explained, table: pd.DataFrame
) -> pd.DataFrame:
    """Add mean sizes of the path-dependent game; return how far both games agree."""
    table["path_dependent"] = float("nan")
    is_read = rows.found.method == EVERY_TREE
    found = (
        path_attributions(case, frame[: len(rows.found.values)]) if is_read else None
    )
    if found is None:
        return pd.DataFrame(columns=COLUMNS)
    weights = relative_weights(len(found.values), rows.weight)
    sizes = weights @ found.values.abs().to_numpy() / max(float(weights.sum()), 1e-300)
    by_name = pd.Series(sizes, index=found.values.columns)
    table["path_dependent"] = by_name[table["column"]].to_numpy()
    return rows_agreement(rows.found.values.to_numpy(), found.values.to_numpy())


def _note_on(games: pd.DataFrame) -> str:
    if games.empty:
        return "Path-dependent attributions are not available for this model."
    one = games.iloc[0]
    return (
        "Path-dependent attributions, which follow the training rows where a column "
        f"is not known, name {number(one['feature_agreement'], 'share')} of the same "
        f"first {one['first']} columns, row by row, "
        f"{number(one['sign_agreement'], 'share')} with the same sign."
    )


def _interval(rows: Explained, sizes: Floats, noise: float) -> Interval:
    found = clustered_interval(weighted_mean(sizes, rows.weight), rows.clusters)
    return replace(found, ci_low=max(found.ci_low - noise, 0.0))


def _half_width(one: Interval) -> float:
    return max(one.value - one.ci_low, one.ci_high - one.value)


def _rows(name: str, one: Interval, top: float, unit: str) -> list[dict[str, Any]]:
    size = summary_row(SIZE, name, one, unit)
    share = _half_width(one) / top
    if not np.isfinite(share):
        reason = Reason.TOO_FEW_BLOCKS
        return [size, empty_row(HALF_WIDTH, name, reason, "share", one.n_rows)]
    width = replace(one, value=share, ci_low=share, ci_high=share, se=float("nan"))
    return [size, summary_row(HALF_WIDTH, name, width, "share")]


def _table(
    rows: Explained,
    intervals: dict[str, Interval],
    ordered: list[str],
    noise: Floats,
) -> pd.DataFrame:
    signed = rows.found.values.mean()
    inflation = dict(zip(intervals, noise, strict=True))
    return pd.DataFrame(
        [
            {
                "column": name,
                "mean_abs_attribution": intervals[name].value,
                "ci_low": intervals[name].ci_low,
                "ci_high": intervals[name].ci_high,
                "mean_attribution": signed[name],
                "noise_of_draws": inflation[name],
                "rows": intervals[name].n_rows,
                "blocks": intervals[name].n_blocks,
                "unit": rows.found.unit,
            }
            for name in ordered
        ]
    )


def _notes(rows: Explained, table: pd.DataFrame) -> tuple[str, ...]:
    found = rows.found
    total = float(table["mean_abs_attribution"].sum())
    named = [
        f"{visible(row['column'], 40)} "
        f"({number(row['mean_abs_attribution'] / total, 'share')} of all attribution)"
        for row in table.head(N_NAMED).to_dict("records")
    ]
    notes = [
        f"The model leans most on {_listed(named)}.",
        (
            f"From {len(found.values):,} of {rows.n_table:,} reference rows, each "
            f"explained against {found.n_background:,} others ({found.method}, in "
            f"{found.unit})."
        ),
    ]
    if len(found.values) < rows.n_wanted:
        notes.append(
            f"Explaining this model is slow, so {len(found.values):,} rows were "
            f"explained instead of {rows.n_wanted:,}."
        )
    if rows.stopped:
        notes.append(rows.stopped)
    if found.n_pairs:
        ending = "" if found.precise else ", the most it may cost, short of its aim"
        notes.append(
            f"The draws were {found.n_pairs} pairs of column orders per row, "
            f"{found.n_scored:,} rows given to the model{ending}."
        )
    unused = table.loc[table["mean_abs_attribution"] == 0, "column"]
    if len(unused):
        names = _listed([visible(name, 40) for name in unused])
        notes.append(f"In none of these rows does it use {names}.")
    return tuple(notes)


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


CHECK = Check(
    code="X2",
    title="What the model leans on",
    question="Which columns does the model use most, and how sure is that?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=HALF_WIDTH,
            side="at_most",
            limit=0.05,
            required_in=(),
            groups="each",
            precision=True,
            reason="An error above a twentieth of the largest can change the order.",
        ),
    ),
    defaults=DEFAULTS,
    metrics=(SIZE,),
)
