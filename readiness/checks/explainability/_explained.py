"""Attributions of a sample of reference rows, made once for every check on them."""

import hashlib
import json
import pickle
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from readiness.attributions import EVALUATIONS, attributions
from readiness.cache import cached
from readiness.case import Case
from readiness.checks.explainability._growth import Asked, joined, why_stop
from readiness.errors import NotAssessedError
from readiness.exact_attributions import Attributions
from readiness.result import Options
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import charge, require_rescoring, scores
from readiness.stats import Clusters, Floats, Ints

TABLE = "reference"
DEFAULTS = {"rows": 10_000, "background": 1000, "evaluations": EVALUATIONS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Explained rows of one table.

    Parameters
    ----------
    found : Attributions
        Of n rows.
    clusters : Clusters
        Which of the n rows hang together.
    weight : ndarray of shape (n,) or None
        Row weights, where the case names them.
    n_wanted, n_table : int
        Rows asked for, and rows of the table the model has scored.
    n_looks : int
        How often, at most, the ranks decide whether more rows are explained.
    stopped : str
        Why there are no more rows, in a sentence; empty where the route decides.
    """

    found: Attributions
    clusters: Clusters
    weight: Floats | None
    n_wanted: int
    n_table: int
    n_looks: int
    stopped: str


class Grown(NamedTuple):
    """Attributions, and how they came to be of so many rows; as in `Explained`."""

    found: Attributions
    n_wanted: int
    n_looks: int
    stopped: str


def explained(case: Case, options: Options, name: str = TABLE) -> Explained:
    """Return attributions of random rows of a table; computed once per run.

    Parameters
    ----------
    case : Case
    options : Options
        ``rows`` to explain at most, rows of ``background``, and the most
        ``evaluations`` of the model a sampled route may cost.
    name : str
        Table of the rows; the background is always of the reference.

    Raises
    ------
    NotAssessedError
        NO_RESCORING for a column of predictions, NOT_MEASURED where a sampled route
        has too little of `evaluations` or time, or what scoring the table raises.

    Notes
    -----
    Exact routes start with 2,000 rows and go on to 5,000 and to all ``rows`` until the
    ranks that matter are told apart or more rows would not help (`_growth`). Other
    routes explain as many of the first 2,000 as they can afford.
    """
    require_rescoring(case)
    scored, chosen = _chosen(case, options, name)
    made: list[Grown] = []

    def produce(path: Path) -> None:
        found: Grown | NotAssessedError
        try:
            found = _grown(case, options, name)
            made.append(found)
        except NotAssessedError as reason:  # as dear: no other check tries again
            found = reason
        path.write_bytes(pickle.dumps(found))

    path = cached(case.work, _key(case, options, name), produce)
    grown = pickle.loads(path.read_bytes())  # noqa: S301 (written by this run into its own private folder)
    if isinstance(grown, NotAssessedError):
        raise grown
    kept = chosen[: len(grown.found.values)]
    if not made:
        charge(path.name, grown.found.n_scored)
    return Explained(
        found=grown.found,
        clusters=scored.clusters.take(kept),
        weight=None if scored.weight is None else scored.weight[kept],
        n_wanted=grown.n_wanted,
        n_table=len(scored.row),
        n_looks=grown.n_looks,
        stopped=grown.stopped,
    )


def _grown(case: Case, options: Options, name: str) -> Grown:
    """Explain rows, on an exact route until the ranks that matter are told apart."""
    scored, chosen = _chosen(case, options, name)
    asked = Asked(
        frame=explained_rows(case, options, name),
        clusters=scored.clusters.take(chosen),
        weight=None if scored.weight is None else scored.weight[chosen],
    )
    explain = partial(
        attributions,
        case,
        background=background_rows(case, options),
        seed=options.seed,
        max_evaluations=options["evaluations"],
    )
    first, *later = asked.looks()
    found = explain(asked.frame[:first])
    if found.n_pairs or len(found.values) < first:
        return Grown(found, first, 1, "")
    for look in later:
        if why_stop(asked, found.values.to_numpy()):
            break
        more = explain(asked.frame[len(found.values) : look])
        if more.method != found.method or len(more.values) + len(found.values) < look:
            stopped = "Further rows have no exact explanation, or a slow one."
            return Grown(found, first, 1 + len(later), stopped)
        found = joined(found, more)
    stopped = why_stop(asked, found.values.to_numpy())
    return Grown(found, len(found.values), 1 + len(later), stopped)


def explained_rows(case: Case, options: Options, name: str = TABLE) -> pd.DataFrame:
    """Return the features of the rows `explained` may ask for, in its order."""
    scored, chosen = _chosen(case, options, name)
    return case.table(name).take(scored.row[chosen], case.features)


def background_rows(case: Case, options: Options) -> pd.DataFrame:
    """Return the features of the reference rows that stand for "not known"."""
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)
    others = order[::-1][: options["background"]]
    return case.table(TABLE).take(scored.row[others], case.features)


def _chosen(case: Case, options: Options, name: str) -> tuple[Scores, Ints]:
    scored = scores(case, name, labelled=False)
    return scored, random_order(scored, options.seed)[: options["rows"]]


def _key(case: Case, options: Options, name: str) -> str:
    parts = [
        "attributions",
        case.model_key,
        name,
        case.table(name).sha256,
        case.table(TABLE).sha256,
        list(case.features),
        options.seed,
        [options[name] for name in sorted(DEFAULTS)],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
