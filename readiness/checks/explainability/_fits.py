"""The model fitted again: how large attributions are, and which way they go."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from readiness.attributions import attributions
from readiness.case import Case
from readiness.checks.explainability._effects import rank_correlation
from readiness.checks.explainability._explained import TABLE
from readiness.errors import NotAssessedError, Reason
from readiness.refits import refit, require_refits
from readiness.result import Options
from readiness.scored import Scores
from readiness.scoring import scores
from readiness.stats import Clusters, Floats, Interval, Ints, proportion_interval

SEEDS = "other seeds, same rows"


class Fits(NamedTuple):
    """Mean sizes of attributions, and their directions, in b fits: each (b, d)."""

    sizes: Floats
    directions: Floats


def directions_of(frame: pd.DataFrame, values: Floats) -> Floats:
    """Return the sign of the rank correlation of each column with its attributions.

    Parameters
    ----------
    frame : pandas.DataFrame
        n rows of d columns.
    values : ndarray of shape (n, d)
        Their attributions.

    Returns
    -------
    ndarray of shape (d,)
        1, -1 or 0; NaN for a column that holds no numbers, or where the column or its
        attribution is the same in every row. Missing values are left out.
    """
    found = np.full(frame.shape[1], np.nan)
    for place, name in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            continue
        x = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        kept = np.isfinite(x)
        weight = np.ones(int(kept.sum()))
        found[place] = np.sign(
            rank_correlation(x[kept], values[kept, place], weight).value
        )
    return found


def kept_shares(own: Floats, fits: Floats, n_rows: int) -> list[Interval | None]:
    """Return in which share of fits each column has the direction of the model.

    Parameters
    ----------
    own : ndarray of shape (d,)
        Directions in the model under review; `directions_of`.
    fits : ndarray of shape (b, d)
        Directions in models fitted on training blocks drawn again. A fit that does
        not use a column does not keep its direction.
    n_rows : int
        Rows behind each direction.

    Returns
    -------
    list of Interval or None
        Clopper-Pearson over the b fits; None where the model has no direction.

    Notes
    -----
    The coefficient of a linear model that lies z standard errors from zero keeps its
    sign with probability Phi(|z|): drawn again, it is about normal around itself.
    """
    return [
        replace(proportion_interval(fits[:, place] == one, Clusters()), n_rows=n_rows)
        if np.isfinite(one) and one != 0
        else None
        for place, one in enumerate(own)
    ]


def fitted_again(
    case: Case, options: Options, frame: pd.DataFrame, scored: Scores, order: Ints
) -> tuple[dict[str, Fits], Reason | None]:
    """Return mean sizes and directions by kind of re-fit, or why there are none.

    Parameters
    ----------
    case : Case
    options : Options
        ``refits`` on training blocks drawn again (key empty) and ``seeds`` on all
        training rows, each explained on ``refit_rows``; in the full profile only.
    frame : pandas.DataFrame
        Features of the rows that may be explained.
    scored, order : Scores, ndarray of int
        Of their table, and its rows in random order; the last are the background.
    """
    if options.profile != "full":
        return {}, Reason.NOT_IN_PROFILE
    try:
        require_refits(case)
        training = scores(case, "training")
    except NotAssessedError as error:
        return {}, error.code
    rows = case.table("training").take(training.row)
    codes = (*training.clusters.declared(), np.arange(len(rows)))[0]
    members = _by_block(codes)
    rng = np.random.default_rng([options.seed, 3])
    others = scored.row[order[::-1][: options["refit_rows"]]]
    background = case.table(TABLE).take(others, case.features)
    asked = frame[: options["refit_rows"]]

    def told_by(places: Ints, seed: int) -> Floats:
        model = refit(case, rows.iloc[places].reset_index(drop=True), seed)
        found = attributions(
            replace(case, model=model),
            asked,
            background,
            seed=options.seed,
            max_evaluations=options["refit_evaluations"],
        )
        values = found.values.to_numpy()
        # A sampled route may explain fewer of the rows than asked.
        directions = directions_of(asked[: len(values)], values)
        return np.stack([np.abs(values).mean(axis=0), directions])

    drawn = []
    every = np.arange(len(rows))
    try:
        for place in range(options["refits"]):
            picks = rng.integers(len(members), size=len(members))
            places = np.sort(np.concatenate([members[one] for one in picks]))
            drawn.append(told_by(places, options.seed + place))
        seeded = [told_by(every, options.seed + one) for one in range(options["seeds"])]
    except NotAssessedError as error:  # a fit that is too dear to explain
        return {}, error.code
    found = {"": drawn, SEEDS: seeded}
    return {
        group: Fits(*np.stack(fits, axis=1)) for group, fits in found.items() if fits
    }, None


def _by_block(codes: Ints) -> list[Ints]:
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    return list(np.split(order, edges))
