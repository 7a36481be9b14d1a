"""Attributions of a sample of reference rows, made once for every check on them."""

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from readiness.attributions import EVALUATIONS, attributions
from readiness.cache import cached
from readiness.case import Case
from readiness.exact_attributions import Attributions
from readiness.result import Options
from readiness.samples import random_order
from readiness.scored import Scores
from readiness.scoring import charge, require_rescoring, scores
from readiness.stats import Clusters, Floats, Ints

TABLE = "reference"
DEFAULTS = {"rows": 2000, "background": 1000, "evaluations": EVALUATIONS}


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
    """

    found: Attributions
    clusters: Clusters
    weight: Floats | None
    n_wanted: int
    n_table: int


def explained(case: Case, options: Options, name: str = TABLE) -> Explained:
    """Return attributions of random rows of a table; computed once per run.

    Parameters
    ----------
    case : Case
    options : Options
        ``rows`` to explain, rows of ``background``, and the most ``evaluations`` of
        the model a sampled route may cost.
    name : str
        Table of the rows; the background is always of the reference.

    Raises
    ------
    NotAssessedError
        NO_RESCORING for a column of predictions, or what scoring the table raises.
    """
    require_rescoring(case)
    scored, chosen = _chosen(case, options, name)
    made: list[Attributions] = []

    def produce(path: Path) -> None:
        found = attributions(
            case,
            case.table(name).take(scored.row[chosen], case.features),
            background_rows(case, options),
            seed=options.seed,
            max_evaluations=options["evaluations"],
        )
        made.append(found)
        path.write_bytes(pickle.dumps(found))

    path = cached(case.work, _key(case, options, name), produce)
    found = pickle.loads(path.read_bytes())  # noqa: S301 (written by this run into its own private folder)
    kept = chosen[: len(found.values)]
    if not made:
        charge(path.name, found.n_scored)
    return Explained(
        found=found,
        clusters=scored.clusters.take(kept),
        weight=None if scored.weight is None else scored.weight[kept],
        n_wanted=len(chosen),
        n_table=len(scored.row),
    )


def explained_rows(case: Case, options: Options, name: str = TABLE) -> pd.DataFrame:
    """Return the features of the rows that `explained` asks for, in its order."""
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
