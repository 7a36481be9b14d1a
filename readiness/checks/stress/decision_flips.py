"""S4: how many decisions flip when inputs are measured with noise."""

from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._decisions import decider_of
from readiness.checks.stress._flip_costs import COST, HIDDEN, cheapest
from readiness.checks.stress._flip_view import METRIC, Found, alt, draw, notes_on
from readiness.checks.stress._noise import Noisy, flip_interval, noise_of, noisy
from readiness.errors import CaseError, ModelError, Reason
from readiness.models import ModelRaisedError
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import count_calls, require_rescoring, scores
from readiness.stats import (
    clopper_pearson,
    empty_row,
    summary_frame,
    summary_row,
)

ASSUMED = "assumed noise"
MULTIPLES = (0.5, 1.0, 2.0, 3.0)
AT_ONE = MULTIPLES.index(1.0)
FEWEST_ROWS = 300
N_NEAREST, N_DRAWS_NEAREST = 10, 200


def measure(case: Case, options: Options) -> Measurement:
    """Measure the share of decisions that flip when inputs get their sensors' noise.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows, and a decision.
    options : Options
        ``rows`` (5,000) and ``draws`` (4) of noise for each; ``assumed_share``
        (0.05): SD of the noise, as a share of each feature's SD, where no feature
        declares its own; ``tolerance`` (none): regression without a threshold needs
        the change of a prediction that matters; ``most_scorings`` (400,000) over
        features by themselves, and in one round of the search; ``search_rows``
        (100), ``search_columns`` (3) and ``immutable`` (none), a list of features,
        for the search.

    Returns
    -------
    Measurement
        ``flip_share`` (share): of all decisions, with noise of every declared
        ``measurement_sd`` at once; by feature: with that noise alone. Where none is
        declared the whole is in the group ``assumed noise``, held against no limit.
        ``cheapest_flip`` (SD): the median over rows of the smallest change found
        that flips the decision. Tables ``features``, ``curve`` (noise of half to
        three times the SD), ``nearest`` (rows nearest another decision) and
        ``cheapest`` (the search, row by row).

    Raises
    ------
    NotAssessedError
        NO_RESCORING, NO_COLUMNS, NOT_MEASURED for a regression without a threshold
        or tolerance, or what scoring the table raises.

    Notes
    -----
    Rows are a random sample of the reference or current table, whichever has more
    blocks; labels are not needed. Noise is normal, independent between features,
    rows and draws, never leads out of a declared range, and leaves whole numbers
    whole; the draws are the same for every size of noise. Draws of one row, and rows
    of one block, hang together in the interval. What the table holds is noisy
    already: this is the noise of measuring once more. The search bounds the cheapest
    change from above: it moves numeric features one at a time, within the middle
    98 % of their values and the declared range; its median has the interval of the
    share of rows below it. It informs, and says nothing about causes.

    References
    ----------
    J. M. Woodruff (1952), doi:10.1080/01621459.1952.10483443 (interval of a median).
    """
    require_rescoring(case)
    decider = decider_of(case, options["tolerance"])
    _require_features(case, options["immutable"] or ())
    scored = _most_blocks(case)
    rows = scored.take(random_order(scored, options.seed)[: options["rows"]])
    frame = case.table(rows.table).take(rows.row, case.features)
    sds, is_declared = noise_of(case.columns, frame, options["assumed_share"])
    ask = noisy(
        case,
        decider,
        frame,
        rows.y_score,
        sds,
        seed=options.seed,
        n_draws=options["draws"],
    )
    with count_calls() as of_noise:
        curve = [_point(ask, rows, one) for one in MULTIPLES]
        features = [_of_feature(ask, rows, name, options) for name in sds]
        nearest = _nearest(ask, scored, options.seed)
    with count_calls() as of_search:
        changes, cost = cheapest(ask, rows, options)
    summary = [{**curve[AT_ONE], "group": "" if is_declared else ASSUMED}]
    summary += sorted(features, key=lambda one: -np.nan_to_num(one["value"]))
    found = Found(
        whole=summary[0],
        cost=cost,
        is_declared=is_declared,
        table=rows.table,
        calls=(of_noise.calls, of_search.calls),
    )
    tables = {
        "features": _plain(summary[1:], {"feature": "group", "noise_sd": sds}),
        "curve": _plain(curve, {"noise_in_sd": "group"}),
        "nearest": nearest,
        "cheapest": changes,
    }
    return Measurement(
        summary=summary_frame([*summary, cost]),
        tables=tables,
        notes=notes_on(ask, found, tables, options["assumed_share"]),
    )


def _require_features(case: Case, names: Any) -> None:  # noqa: ANN401 (what the case file says)
    unknown = sorted(set(names) - set(case.features))
    if unknown:
        msg = (
            f"immutable under checks.S4 must name features; {unknown[0]!r} is none. "
            f"The features are: {', '.join(case.features[:10])}."
        )
        raise CaseError(msg)


def _most_blocks(case: Case) -> Scores:
    names = [name for name in ("reference", "current") if case.has(name)]
    tables = [scores(case, name, labelled=False) for name in names]

    def n_blocks(one: Scores) -> int:
        code = one.clusters.block
        return len(one.row) if code is None else len(np.unique(code))

    return max(tables, key=n_blocks)


def _point(ask: Noisy, rows: Scores, multiple: float) -> dict[str, Any]:
    return _row(ask, rows, f"{multiple:g}", list(ask.sds), multiple, len(rows.row))


def _of_feature(
    ask: Noisy, rows: Scores, name: str, options: Options
) -> dict[str, Any]:
    most = options["most_scorings"] // (len(ask.sds) * options["draws"])
    n_rows = min(len(rows.row), max(most, FEWEST_ROWS))
    return _row(ask, rows, name, [name], 1.0, n_rows)


def _row(  # noqa: PLR0917 (whose noise, how much, and on which rows)
    ask: Noisy,
    rows: Scores,
    group: str,
    names: list[str],
    multiple: float,
    n_rows: int,
) -> dict[str, Any]:
    some = rows.take(np.arange(n_rows))
    try:
        flips = ask.flips(names, multiple, n_rows)
    except ModelError as refusal:
        is_loud = isinstance(refusal, ModelRaisedError)
        reason = Reason.REFUSED if is_loud else Reason.MODEL_SCORES
        return empty_row(METRIC, group, reason, "share", n_rows)
    share = flip_interval(flips, some.clusters, some.weight)
    return summary_row(METRIC, group, share, "share")


def _plain(rows: list[dict[str, Any]], names: dict[str, Any]) -> pd.DataFrame:
    """Return summary rows as a table, the group under another name."""
    lines = []
    for row in rows:
        first = {
            name: row["group"] if of == "group" else of[row["group"]]
            for name, of in names.items()
        }
        kept = ("value", "ci_low", "ci_high", "n_rows")
        lines.append({**first, **{name: row[name] for name in kept}})
    return pd.DataFrame(lines).rename(columns={"value": METRIC, "n_rows": "rows"})


def _nearest(ask: Noisy, scored: Scores, seed: int) -> pd.DataFrame:
    """Return the rows nearest another decision, and how often noise flips them."""
    case, decider = ask.case, ask.decider
    margin = np.abs(decider.margin(scored.y_score, scored.y_score))
    first = np.lexsort((scored.row, margin))[:N_NEAREST]
    frame = case.table(scored.table).take(scored.row[first], case.features)
    again = noisy(
        case,
        decider,
        frame,
        scored.y_score[first],
        ask.sds,
        seed=seed,
        n_draws=N_DRAWS_NEAREST,
    )
    try:
        hits = again.flips(ask.sds).sum(axis=0)
    except ModelError:
        hits = np.full(len(first), np.nan)
    limits = [clopper_pearson(float(one), N_DRAWS_NEAREST) for one in hits]
    hidden = [name for name in ask.sds if case.columns[name].sensitive]
    shown = frame[list(ask.sds)].reset_index(drop=True)
    return pd.DataFrame(
        {
            "row": scored.row[first],
            "distance": margin[first],
            METRIC: hits / N_DRAWS_NEAREST,
            "ci_low": [low for low, _ in limits],
            "ci_high": [high for _, high in limits],
        }
    ).join(
        # A feature may be called like one of the columns above.
        shown.astype(object)
        .assign(**dict.fromkeys(hidden, HIDDEN))
        .add_prefix("value of ")
    )


CHECK = Check(
    code="S4",
    title="Decision flips",
    question="How many decisions would flip if the inputs were measured once more?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=0.05,
            required_in=(),
            reason="More than one decision in twenty would hang on the sensor's noise.",
        ),
    ),
    defaults={
        "rows": 5000,
        "draws": 4,
        "assumed_share": 0.05,
        "tolerance": None,
        "most_scorings": 400_000,
        "search_rows": 100,
        "search_columns": 3,
        "immutable": None,
    },
    metrics=(COST,),
    shown="features",
)
