"""X6: which columns act together, so that neither bar can be read alone."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._explained import (
    DEFAULTS,
    TABLE,
    Explained,
    explained,
)
from readiness.checks.explainability._interplay import (
    Grid,
    Together,
    by_class,
    together,
)
from readiness.checks.explainability._pair_view import JOIN, alt, draw, notes_on
from readiness.errors import NotAssessedError, Reason
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import score_frame, scores
from readiness.stats import (
    Clusters,
    Floats,
    Ints,
    empty_row,
    holm,
    relative_weights,
    summary_frame,
    summary_row,
)

METRIC = "interaction"
UNUSED = 1e-9  # of the largest mean size


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far pairs of columns act together.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance, which chooses
        the ``columns`` (8) with the largest attributions. Of each pair,
        ``points`` (150) rows are crossed with as many others.

    Returns
    -------
    Measurement
        ``interaction`` (H²) of each pair, whose names a multiplication sign joins: the
        part of the variance of what both columns do that neither does alone; 0 where
        their effects add up, 1 where there is no effect but the common one. Table
        ``pairs``: the same with its size in units of the output and its p-value.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NO_COLUMNS where the model uses fewer than two columns.

    Notes
    -----
    In the unit of the attributions: what adds up in log-odds does not in
    probabilities. H² is found with columns that are not known taken from other rows,
    so it puts columns together as they need not occur. Noise of these rows makes
    squares too large and is taken off. The lower limit is 0 unless chance would make
    the pair, among all pairs, this large in at most 5 of 100 cases (Holm). It tells of
    the fitted model: a boosted model fitted to effects that add up has some interaction
    of its own. A large H² of two columns with little effect matters little: see the
    size. Pairs outside the chosen columns, and three columns at once, are not looked
    at. The interval covers both samples of rows; under 30 blocks nothing is decided.

    References
    ----------
    J. H. Friedman, B. E. Popescu (2008), doi:10.1214/07-AOAS148.
    """
    rows = explained(case, options)
    names = _chosen(rows, int(options["columns"]))
    grid = _grid(case, options, rows.found.unit)
    found = _pairs(grid, names, np.random.default_rng([options.seed, 6]))
    surely = holm([one.p_value for one in found.values()])
    kept = {
        pair: one if sure else replace(one, share=replace(one.share, ci_low=0.0))
        for (pair, one), sure in zip(found.items(), surely, strict=True)
    }
    table = _table(kept, surely, rows.found.unit)
    order = zip(table["first"], table["second"], strict=True)
    summary = summary_frame([_row(pair, kept[pair]) for pair in order])
    return Measurement(
        summary=summary,
        tables={"pairs": table},
        notes=notes_on(table, grid, len(names), len(rows.found.values.columns)),
    )


def _chosen(rows: Explained, most: int) -> list[str]:
    sizes = rows.found.values.abs().mean()
    used = sizes[sizes > UNUSED * max(sizes.max(), 1e-300)]
    names = used.sort_values(ascending=False, kind="stable").index[:most]
    if len(names) < 2:  # noqa: PLR2004 (a pair)
        msg = f"The model uses {len(used)} column(s); it takes two to act together."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    return [str(name) for name in names]


def _grid(case: Case, options: Options, unit: str) -> Grid:
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)
    most = max(min(int(options["points"]), len(order) // 2), 1)
    own, other = order[:most], order[::-1][:most]
    table = case.table(TABLE)
    rows = table.take(scored.row[own], case.features)
    said = by_class(case, score_frame(case, rows))
    both = scored.clusters.take(np.concatenate([own, other]))
    return Grid(
        case=case,
        rows=rows,
        others=table.take(scored.row[other], case.features),
        clusters=Clusters(block=both.block, entity=both.entity),
        weight=_weight(scored, own),
        other_weight=_weight(scored, other),
        unit=unit,
        target=np.argmax(said, axis=1) if said.ndim > 1 else None,
    )


def _weight(scored: Scores, places: Ints) -> Floats:
    some = None if scored.weight is None else scored.weight[places]
    return relative_weights(len(places), some)


def _pairs(
    grid: Grid, names: list[str], rng: np.random.Generator
) -> dict[tuple[str, str], Together]:
    start = grid.unknown()
    alone = {name: grid.known([name]) for name in names}
    return {
        (one, other): together(
            grid, (alone[one], alone[other]), grid.known([one, other]), start, rng
        )
        for one, other in combinations(names, 2)
    }


def _row(pair: tuple[str, str], found: Together) -> dict[str, Any]:
    group, share = JOIN.join(pair), found.share
    if np.isfinite(share.value):
        return summary_row(METRIC, group, share, "H²")
    return empty_row(METRIC, group, Reason.NOT_MEASURED, "H²", share.n_rows)


def _table(
    found: dict[tuple[str, str], Together], surely: "np.ndarray", unit: str
) -> pd.DataFrame:
    lines: list[dict[str, Any]] = [
        {
            "first": pair[0],
            "second": pair[1],
            "interaction": one.share.value,
            "ci_low": one.share.ci_low,
            "ci_high": one.share.ci_high,
            "size": one.size,
            "unit": unit,
            "p_value": one.p_value,
            "above_chance": bool(sure),
        }
        for (pair, one), sure in zip(found.items(), surely, strict=True)
    ]
    table = pd.DataFrame(lines)
    order = np.lexsort((-table["interaction"].fillna(-1), ~table["above_chance"]))
    return table.iloc[order].reset_index(drop=True)


CHECK = Check(
    code="X6",
    title="Interactions",
    question="Which columns act together, so that none can be read alone?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.1,
            required_in=(),
            groups="each",
            reason="Beyond a tenth, one column's effect must be told with the other's.",
        ),
    ),
    defaults={**DEFAULTS, "columns": 8, "points": 150},
)
