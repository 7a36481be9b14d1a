"""X3: which ranks of the importance list are settled, and whether they would last."""

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
from readiness.checks.explainability._fits import (
    Fits,
    directions_of,
    fitted_again,
    kept_shares,
)
from readiness.checks.explainability._rank_view import (
    KEPT,
    REDRAWN,
    alt,
    draw,
    notes_on,
)
from readiness.checks.explainability._ranks import (
    Sizes,
    alike,
    find_twins,
)
from readiness.checks.explainability._ties import settled_ranks, sizes_and_noise
from readiness.errors import NotAssessedError, Reason
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import scores
from readiness.stats import (
    Clusters,
    Floats,
    Interval,
    Ints,
    empty_row,
    summary_frame,
    summary_row,
)

RANKS, OVERLAP, TAU = "separated_ranks", "rank_overlap", "rank_correlation"
FEWEST = 3  # vectors to compare


def measure(case: Case, options: Options) -> Measurement:
    """Measure which ranks of the mean sizes of attributions are settled.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows; the full profile needs labelled
        training rows and a model that can be fitted again.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance; ``depth`` (5):
        ranks compared; ``draws`` (60) of the reference blocks; in the full profile
        ``refits`` (20) on training blocks drawn again and ``seeds`` (5) on all
        training rows, each explained on ``refit_rows`` (500).

    Returns
    -------
    Measurement
        ``separated_ranks`` (count): columns that every other column is surely above
        or surely below; a fact about these rows, without an interval.
        ``rank_overlap`` (RBO, 0 to 1) of the first ranks and ``rank_correlation``
        (Kendall's tau of all columns): mean over pairs of re-fits, group empty; of
        fits that differ in the seed alone; of redraws of the reference blocks (no
        fit). ``direction_kept`` (share) of the re-fits on other training rows, by
        column of numbers among the first `depth`: its attribution goes with its
        value as in the model under review (sign of the rank correlation). Tables
        ``ranks``: each column with its best and worst rank; ``fits``: mean sizes in
        each re-fit, where there are any.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NOT_MEASURED where no column ever changes the output.

    Notes
    -----
    Every two columns are compared on the same rows, clustered by block, and all
    comparisons hold together with 95 % (Holm), so all ranks called settled do. Only
    ranks are tested, not sizes; columns not told apart may still differ. Columns
    that hold the same under two names or units are tied whatever the model does
    with them: which one it uses is an accident of the fit. Noise of sampled
    attributions counts against the column that leads. The direction of a linear
    coefficient z standard errors from zero is kept with probability Phi(|z|). A
    re-fit sees training blocks drawn with replacement and another seed; pairs of
    re-fits share fits, so the interval is a jackknife over fits. Equal sizes are put
    in random order. Under 30 blocks nothing is settled.

    References
    ----------
    M. Mogstad et al. (2024), doi:10.1093/restud/rdad006.
    W. Webber et al. (2010), doi:10.1145/1852102.1852106.
    """
    rows = explained(case, options)
    names = list(rows.found.values.columns)
    values, _ = sizes_and_noise(rows)
    sizes = Sizes(values=values, clusters=rows.clusters, weight=rows.weight)
    means = sizes.means()
    if not means.max() > 0:
        msg = "No column ever changes the model's output, so nothing can be ranked."
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)
    frame = case.table(TABLE).take(scored.row[order[: options["rows"]]], case.features)
    best, worst = settled_ranks(rows, frame)
    ranks = _table(names, means, best, worst, find_twins(frame))
    rng = np.random.default_rng(options.seed)
    redrawn = sizes.redrawn(options["draws"], rng)
    summary = [
        _settled_row(ranks, rows.clusters, len(values)),
        *_alike_rows(REDRAWN, redrawn, options, rng, len(values)),
    ]
    found, reason = fitted_again(case, options, frame, scored, order)
    for group, (vectors, _) in found.items():
        summary += _alike_rows(group, vectors, options, rng, options["refit_rows"])
    if "" in found:
        summary += _direction_rows(rows, frame, ranks, found[""].directions, options)
    if reason is not None:
        asked = (OVERLAP, TAU, KEPT)
        summary += [empty_row(one, "", reason, _unit(one)) for one in asked]
    table, tables = summary_frame(summary), {"ranks": ranks}
    if found:
        tables["fits"] = _fit_table(names, found)
    return Measurement(
        summary=table,
        tables=tables,
        notes=notes_on(table, ranks, int(options["depth"]), len(values)),
    )


def _table(
    names: list[str], means: Floats, best: Ints, worst: Ints, twins: list[list[int]]
) -> pd.DataFrame:
    same = {
        place: ", ".join(names[other] for other in group if other != place)
        for group in twins
        for place in group
    }
    order = np.argsort(-means, kind="stable")
    return pd.DataFrame(
        {
            "column": [names[place] for place in order],
            "rank": np.arange(1, len(names) + 1),
            "best_rank": best[order],
            "worst_rank": worst[order],
            "settled": (best == worst)[order] & (means > 0)[order],
            "used": (means > 0)[order],
            "mean_abs_attribution": means[order],
            "same_as": [same.get(int(place), "") for place in order],
        }
    )


def _settled_row(ranks: pd.DataFrame, clusters: Clusters, n: int) -> dict[str, Any]:
    count = float(ranks["settled"].sum())
    counts = [len(np.unique(code)) for code in clusters.declared()]
    fact = Interval(
        value=count,
        ci_low=count,
        ci_high=count,
        se=float("nan"),
        n_rows=n,
        n_blocks=min([n, *counts]),
        dependence_factor=float("nan"),
    )
    return summary_row(RANKS, "", fact, "count")


def _fit_table(names: list[str], found: dict[str, Fits]) -> pd.DataFrame:
    parts = []
    for group, (vectors, _) in found.items():
        part = pd.DataFrame(vectors, columns=names)
        part.insert(
            0, "fitted on", group or "other training rows", allow_duplicates=True
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _unit(metric: str) -> str:
    return {OVERLAP: "RBO", KEPT: "share"}.get(metric, "")


def _direction_rows(
    rows: Explained,
    frame: pd.DataFrame,
    ranks: pd.DataFrame,
    fits: Floats,
    options: Options,
) -> list[dict[str, Any]]:
    values = rows.found.values.to_numpy()[: options["refit_rows"]]
    asked = frame[: len(values)]
    kept = dict(
        zip(
            rows.found.values.columns,
            kept_shares(directions_of(asked, values), fits, len(values)),
            strict=True,
        )
    )
    first = ranks["column"][: options["depth"]]
    # The interval is over fits, as above.
    return [
        summary_row(KEPT, name, one, _unit(KEPT), n_blocks=float("nan"))
        for name in first
        if (one := kept[name]) is not None
    ]


def _alike_rows(
    group: str, vectors: Floats, options: Options, rng: np.random.Generator, n: int
) -> list[dict[str, Any]]:
    if len(vectors) < FEWEST:
        return []
    found = alike(vectors, int(options["depth"]), rng, n)
    # The interval is over fits, not over blocks, so no blocks are told.
    return [
        summary_row(metric, group, one, _unit(metric), n_blocks=float("nan"))
        if np.isfinite(one.value)
        else empty_row(metric, group, Reason.NO_COLUMNS, _unit(metric))
        for metric, one in zip((OVERLAP, TAU), found, strict=True)
    ]


CHECK = Check(
    code="X3",
    title="Settled ranks",
    question="Which ranks of the importance list can we swear to?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=OVERLAP,
            side="at_least",
            limit=0.8,
            required_in=(),
            groups="each",
            reason="Reasons that change with other rows or the next fit are none.",
        ),
        Limit(
            metric=TAU,
            side="at_least",
            limit=0.6,
            required_in=(),
            groups="each",
            reason="Below this, two lists order one pair of columns in five apart.",
        ),
    ),
    defaults={
        **DEFAULTS,
        "depth": 5,
        "draws": 60,
        "refits": 20,
        "seeds": 5,
        "refit_rows": 500,
        "refit_evaluations": 150_000,
    },
    metrics=(RANKS, KEPT),
)
