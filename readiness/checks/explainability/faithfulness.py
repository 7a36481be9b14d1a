"""X4: whether the columns an explanation names first are those that move the score."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.explainability._deletion import (
    BEST,
    MOST_TRIED,
    ONE_LIST,
    OWN,
    RANDOM,
    Game,
    walk,
)
from readiness.checks.explainability._explained import DEFAULTS, TABLE, explained
from readiness.errors import NotAssessedError, Reason
from readiness.figures import draw_curve, name_ends, new_figure
from readiness.influence import ratio_of_sums
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import scores
from readiness.stats import (
    Clusters,
    Floats,
    clustered_interval,
    empty_row,
    relative_weights,
    summary_frame,
    summary_row,
    weighted_mean,
)
from readiness.text import interval, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "faithfulness"
NAME_SHARE = 0.055  # of the height that a name takes
GROUPS = {OWN: "", ONE_LIST: ONE_LIST}
FEWEST_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walked:
    """How far scores move along each list, for rows that hang together.

    Parameters
    ----------
    gaps : mapping of str to ndarray of shape (n, depth)
        By list: mean change once its first 1, 2, ... columns are replaced.
    clusters : Clusters
        Of the n rows.
    weight : ndarray of shape (n,) or None
    """

    gaps: Mapping[str, Floats]
    clusters: Clusters
    weight: Floats | None


def measure(case: Case, options: Options) -> Measurement:
    """Measure how far scores move when the columns named first are replaced.

    Parameters
    ----------
    case : Case
        Needs a model that can score altered rows, and two features or more.
    options : Options
        ``rows``, ``background``, ``evaluations`` as global_importance; ``depth`` (3)
        columns are replaced one after another, each by ``draws`` (20) background
        rows, on at most ``walked_rows`` (300) rows, fewer where this would take more
        than ``walks`` (400,000) rows of the model, but never fewer than 50.

    Returns
    -------
    Measurement
        ``faithfulness``: 0 where replacing the columns named first moves the score no
        more than columns drawn by lot, 1 where it moves it as much as the best list
        found by trying, negative where less than by lot. Group empty: the row's own
        attributions, largest first; ``one list for all rows``: the columns by mean
        size. Tables ``curves``: mean change after each column, by list; ``by_depth``:
        the number with fewer columns replaced.

    Raises
    ------
    NotAssessedError
        NO_RESCORING; NO_COLUMNS with a single feature; NOT_MEASURED where no list
        moves the score further than another.

    Notes
    -----
    The change is the mean size of f(x) - f(x'), x' taking the named columns from a
    background row, in the unit of the attributions; it is summed over the first
    columns, then (own - lot) / (best - lot), a ratio of means with clustered
    influence. The depth is the number of reasons told (X10), and does not grow with
    the features: opposite signs cancel when replaced together, so exact attributions
    read lower the deeper one goes, and with all replaced the lists are one. All use
    the same background rows. The best list adds, row by row, the column that moves
    the score most on those very rows: no explanation can know them, so it errs
    downwards, by a few hundredths at 20 draws. Replaced rows may be ones that cannot
    exist. It says that the reasons named move this model's score, not the world.

    References
    ----------
    C. Agarwal et al. (2022), "OpenXAI", arXiv:2206.11104 (prediction gap on
    important features).
    """
    if len(case.features) < 2:  # noqa: PLR2004 (one column has no order)
        msg = "The model has a single feature, so there is no order to be right about."
        raise NotAssessedError(msg, Reason.NO_COLUMNS)
    rows = explained(case, options)
    values = np.abs(rows.found.values.to_numpy())
    depth = min(int(options["depth"]), values.shape[1] - 1, MOST_TRIED)
    n_rows = _affordable(options, values, depth)
    kept = np.arange(n_rows)
    game = _game(case, options, n_rows, rows.found.unit)
    walked = Walked(
        gaps=walk(game, values[:n_rows], depth, values.mean(axis=0), options.seed),
        clusters=rows.clusters.take(kept),
        weight=None if rows.weight is None else rows.weight[:n_rows],
    )
    summary = [judged(walked, name) for name in GROUPS]
    if not np.isfinite(summary[0]["value"]):
        msg = "No list of columns moves the score further than columns drawn by lot."
        raise NotAssessedError(msg, Reason.NOT_MEASURED)
    curves = _curves(walked, rows.found.unit)
    by_depth = _by_depth(walked, depth)
    return Measurement(
        summary=summary_frame(summary),
        tables={"curves": curves, "by_depth": by_depth},
        notes=(*_notes(summary, curves, n_rows, depth), *_depths(by_depth)),
    )


def _affordable(options: Options, values: Floats, depth: int) -> int:
    n_rows, d = values.shape
    tried = min(d, MOST_TRIED)
    per_row = int(options["draws"]) * (d + tried * (depth - 1) + 3 * depth)
    affordable = max(int(options["walks"]) // per_row, FEWEST_ROWS)
    fewest: int = min(n_rows, int(options["walked_rows"]), affordable)
    return fewest


def _game(case: Case, options: Options, n_rows: int, unit: str) -> Game:
    """Return the first explained rows and the background they were explained with."""
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)
    others = order[::-1][: options["background"]]
    places = scored.row[np.concatenate([order[:n_rows], others])]
    rng = np.random.default_rng([options.seed, 4])
    donors = n_rows + rng.integers(len(others), size=(n_rows, options["draws"]))
    pool = case.table(TABLE).take(places, case.features)
    return Game(case=case, pool=pool, donors=donors, unit=unit)


def judged(walked: Walked, name: str) -> dict[str, Any]:
    """Return the summary row of one list: 0 as good as by lot, 1 as the best found."""
    gaps = {one: values.sum(axis=1) for one, values in walked.gaps.items()}
    lot = gaps[RANDOM]
    weights = relative_weights(len(lot), walked.weight)
    top, bottom = gaps[name] - lot, gaps[BEST] - lot
    estimate = ratio_of_sums(top, bottom, weights)
    if not np.isfinite(estimate.value):
        return empty_row(METRIC, GROUPS[name], Reason.NOT_MEASURED)
    found = clustered_interval(estimate, walked.clusters)
    # Nothing is better than the best list, unless trying step by step missed it.
    best = max(min(found.ci_high, 1.0), found.value)
    return summary_row(METRIC, GROUPS[name], replace(found, ci_high=best))


def _by_depth(walked: Walked, depth: int) -> pd.DataFrame:
    """Return how faithful the rows' own lists are with fewer columns replaced."""
    found = []
    for n_replaced in range(1, depth + 1):
        gaps = {name: one[:, :n_replaced] for name, one in walked.gaps.items()}
        row = judged(replace(walked, gaps=gaps), OWN)
        kept = {name: row[name] for name in ("value", "ci_low", "ci_high")}
        found.append({"columns_replaced": n_replaced, **kept})
    return pd.DataFrame(found)


def _depths(by_depth: pd.DataFrame) -> tuple[str, ...]:
    """Return what fewer columns would have said, where there are fewer."""
    told = [
        f"{_faithful(one)} with {one['columns_replaced']}"
        for one in by_depth.to_dict("records")[:-1]
    ]
    return (f"Stopping earlier it is {', '.join(told)} replaced.",) if told else ()


def _curves(walked: Walked, unit: str) -> pd.DataFrame:
    found = {
        (name, place + 1): clustered_interval(
            weighted_mean(gaps[:, place], walked.weight), walked.clusters
        )
        for name, gaps in walked.gaps.items()
        for place in range(gaps.shape[1])
    }
    return pd.DataFrame(
        [
            {
                "list": name,
                "columns_replaced": n_replaced,
                "mean_change": one.value,
                "ci_low": one.ci_low,
                "ci_high": one.ci_high,
                "rows": one.n_rows,
                "unit": unit,
            }
            for (name, n_replaced), one in found.items()
        ]
    )


def _notes(
    summary: list[dict[str, Any]], curves: pd.DataFrame, n_rows: int, depth: int
) -> tuple[str, ...]:
    own, one_list = summary
    last = curves[curves["columns_replaced"] == depth].set_index("list")
    unit = str(curves["unit"].iloc[0])
    sizes = last["mean_change"]
    first = (
        f"The {depth} columns named first for each row reach {_faithful(own)} on the "
        "way from columns drawn by lot (0) to the best list that trying finds (1)."
    )
    second = (
        f"Replacing them moves a score by {number(sizes[OWN], unit)} on average; as "
        f"many by lot {number(sizes[RANDOM], unit)}, the best found "
        f"{number(sizes[BEST], unit)} ({n_rows:,} reference rows)."
    )
    ending = "the rest is what explaining each row by itself adds"
    if one_list["value"] >= own["value"]:
        ending = "for this model a single list serves as well"
    third = f"One list for all rows reaches {_faithful(one_list)}; {ending}."
    return first, second, third


def _faithful(row: Mapping[Any, Any]) -> str:
    limits = interval(row["ci_low"], row["ci_high"])
    return f"{number(row['value'])} ({limits})"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":  # noqa: ARG001 (the limit is on a ratio of these curves)
    """Draw how far scores move as columns are replaced, by list."""
    curves = measurement.tables["curves"]
    unit = str(curves["unit"].iloc[0])
    figure, axes = new_figure(
        "How far a score moves when the columns named first are replaced",
        xlabel="columns replaced",
        ylabel=f"mean change ({unit})",
    )
    depth = int(curves["columns_replaced"].max())
    names = [BEST, OWN, ONE_LIST, RANDOM]
    for name in names:
        part = curves[curves["list"] == name]
        ends = [
            np.concatenate([[0.0], part[one].to_numpy(dtype=np.float64)])
            for one in ("columns_replaced", "mean_change", "ci_low", "ci_high")
        ]
        band = ends[2:] if name in (OWN, RANDOM) else [None, None]
        draw_curve(axes, ends[0], ends[1], band[0], band[1], "")
    axes.set_xlim(0, depth * 1.5)
    axes.set_xticks(range(depth + 1))
    axes.set_ylim(0, None)
    last = curves[curves["columns_replaced"] == depth].set_index("list")
    heights, top = last.loc[names, "mean_change"].to_numpy(), axes.get_ylim()[1]
    name_ends(axes, depth, heights, names, apart=NAME_SHARE * top, reach=0.2)
    return figure


def alt(measurement: Measurement) -> str:
    """Return how faithful the reasons are, in one sentence."""
    return measurement.notes[0]


CHECK = Check(
    code="X4",
    title="Faithfulness of the reasons",
    question="Are the columns an explanation names first those that move the score?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_least",
            limit=0.5,
            required_in=(),
            reason="Reasons nearer to chance than to the best list mislead people.",
        ),
    ),
    defaults={
        **DEFAULTS,
        "depth": 3,
        "draws": 20,
        "walked_rows": 300,
        "walks": 400_000,
    },
)
