"""Attributions of a sample of reference rows, made once for every check on them."""

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

from readiness.attributions import EVALUATIONS, attributions
from readiness.cache import cached
from readiness.case import Case
from readiness.exact_attributions import Attributions
from readiness.result import Options
from readiness.samples import random_order
from readiness.scoring import charge, require_rescoring, scores
from readiness.stats import Clusters, Floats

TABLE = "reference"
DEFAULTS = {"rows": 2000, "background": 1000, "evaluations": EVALUATIONS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Explained rows of the reference.

    Parameters
    ----------
    found : Attributions
        Of n rows.
    clusters : Clusters
        Which of the n rows hang together.
    weight : ndarray of shape (n,) or None
        Row weights, where the case names them.
    n_wanted, n_table : int
        Rows asked for, and rows of the reference the model has scored.
    """

    found: Attributions
    clusters: Clusters
    weight: Floats | None
    n_wanted: int
    n_table: int


def explained(case: Case, options: Options) -> Explained:
    """Return attributions of random reference rows; computed once per run.

    Parameters
    ----------
    case : Case
    options : Options
        ``rows`` to explain, rows of ``background``, and the most ``evaluations`` of
        the model a sampled route may cost.

    Raises
    ------
    NotAssessedError
        NO_RESCORING for a column of predictions, or what scoring the reference
        raises.
    """
    require_rescoring(case)
    scored = scores(case, TABLE, labelled=False)
    order = random_order(scored, options.seed)
    chosen = order[: options["rows"]]
    others = order[::-1][: options["background"]]
    made: list[Attributions] = []

    def produce(path: Path) -> None:
        table = case.table(TABLE)
        found = attributions(
            case,
            table.take(scored.row[chosen], case.features),
            table.take(scored.row[others], case.features),
            seed=options.seed,
            max_evaluations=options["evaluations"],
        )
        made.append(found)
        path.write_bytes(pickle.dumps(found))

    path = cached(case.work, _key(case, options), produce)
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


def _key(case: Case, options: Options) -> str:
    parts = [
        "attributions",
        case.model_key,
        case.table(TABLE).sha256,
        list(case.features),
        options.seed,
        [options[name] for name in sorted(DEFAULTS)],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
