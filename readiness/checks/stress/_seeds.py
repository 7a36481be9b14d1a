"""The model fitted with several seeds, judged on good rows and under stress."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from readiness.case import Case
from readiness.checks.stress._bench import Bench, open_again
from readiness.checks.stress._cells import SCORED
from readiness.checks.stress._looks import all_faults
from readiness.errors import ModelError
from readiness.faults import Fault
from readiness.labels import USABLE, target_codes
from readiness.models import Model
from readiness.refits import refit
from readiness.result import Measurement, Options
from readiness.samples import random_order
from readiness.scored import Scores, headline
from readiness.scoring import charge, scores
from readiness.stats import CONFIDENCE, Clusters, Estimate, Floats, student_quantile

GOOD = "reference"
ENOUGH_ALIKE = 3  # fits that say the very same; then the seed changes nothing
SMALLEST = 1e-9  # metrics that differ by less are the same: the rounding of sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fits:
    """What S fits of the model with different seeds came to.

    Parameters
    ----------
    values : mapping of str to ndarray of float, shape (S,)
        The headline metric on good rows (``"reference"``), and under each stress:
        ``table=current``, ``column/fault``.
    estimates : tuple of Estimate
        The metric of each fit on the reference rows.
    clusters : Clusters
        Of these rows.
    refused : tuple of str
        Stresses that a fit refused.
    n_training : int
        Rows each fit was made on.
    """

    values: Mapping[str, Floats]
    estimates: tuple[Estimate, ...]
    clusters: Clusters
    refused: tuple[str, ...]
    n_training: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tests:
    """Rows on which every fit is judged."""

    case: Case
    judged: Scores
    good: pd.DataFrame
    bench: Bench
    stressed: Mapping[str, pd.DataFrame]


def fitted(case: Case, costs: Measurement, options: Options) -> Fits:
    """Fit the model with several seeds and judge every fit on the same rows.

    Parameters
    ----------
    case : Case
        With a labelled training table.
    costs : Measurement
        What each fault costs the model under review: of the fault bench.
    options : Options
        ``seeds``: fits; ``rows`` to judge on, of the reference and for stress;
        ``faults``, of each feature and source the worst; ``training_rows`` to fit
        on. Its seed chooses the rows; the fits get that seed and those after it.

    Raises
    ------
    NotAssessedError
        NO_REFIT, NO_TABLE, NO_LABELS, or what scoring the tables raises.
    """
    seed = options.seed
    rows = _training(case, int(options["training_rows"]), seed)
    tests = _tests(case, costs, options)
    values: dict[str, list[float]] = {}
    estimates: list[Estimate] = []
    answers: list[Floats] = []
    for number in range(max(int(options["seeds"]), ENOUGH_ALIKE)):
        model = refit(case, rows, seed + number)
        found = model.predict(tests.good)
        charge(f"seed {number}", len(tests.good))
        answers.append(found)
        estimates.append(headline(case, replace(tests.judged, y_score=found)))
        values.setdefault(GOOD, []).append(estimates[-1].value)
        for name, frame in tests.stressed.items():
            charge(f"seed {number} {name}", len(frame))
            values.setdefault(name, []).append(_under(tests.bench, model, frame))
        if len(answers) == ENOUGH_ALIKE and _all_alike(answers):
            break
    known = {name: np.array(ones) for name, ones in values.items()}
    return Fits(
        values={name: ones for name, ones in known.items() if np.isfinite(ones).all()},
        estimates=tuple(estimates),
        clusters=tests.judged.clusters,
        refused=tuple(
            name for name, ones in known.items() if not np.isfinite(ones).all()
        ),
        n_training=len(rows),
    )


def _training(case: Case, most: int, seed: int) -> pd.DataFrame:
    table = case.table("training")
    frames = []
    for batch in table.batches():
        _, why = target_codes(batch.column(case.target), case.classes)
        frames.append(table.frame(batch.filter(pa.array(why == USABLE))))
    rows = pd.concat(frames, ignore_index=True)
    if len(rows) <= most:
        return rows
    kept = np.random.default_rng(seed).choice(len(rows), most, replace=False)
    return rows.iloc[np.sort(kept)].reset_index(drop=True)


def _tests(case: Case, costs: Measurement, options: Options) -> _Tests:
    known, n_rows = scores(case, GOOD), int(options["rows"])
    judged = known.take(np.sort(random_order(known, options.seed)[:n_rows]))
    bench = open_again(case, costs, options.seed)
    frame = bench.rows.frame.iloc[:n_rows]
    stressed = {} if bench.table == GOOD else {f"table={bench.table}": frame}
    worst = _worst(all_faults(bench), costs.tables["cells"])
    for fault in worst[: int(options["faults"])]:
        name = f"{fault.column}/{fault.name}"
        altered = fault.alter(bench.rows)
        stressed[name] = bench.rows.frame.assign(**altered).iloc[:n_rows]
    return _Tests(
        case=case,
        judged=judged,
        good=case.table(GOOD).take(judged.row, case.features),
        bench=bench,
        stressed=stressed,
    )


def _worst(faults: Sequence[Fault], cells: pd.DataFrame) -> list[Fault]:
    """Return of each feature and source the fault that costs most, the worst first."""
    costly = cells[(cells["outcome"] == SCORED) & (cells["loss"] > 0)]
    order = costly.sort_values("loss", ascending=False, kind="stable")
    by_name = {(one.column, one.name): one for one in faults}
    named = order.drop_duplicates("column")[["column", "fault"]]
    pairs = [tuple(pair) for pair in named.itertuples(index=False)]
    return [by_name[pair] for pair in pairs]


def _under(bench: Bench, model: Model, frame: pd.DataFrame) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model may well warn of such rows
        try:
            return bench.estimate(model.predict(frame)).value
        except ModelError:
            return float("nan")


def _all_alike(answers: Sequence[Floats]) -> bool:
    return all(np.array_equal(answers[0], one) for one in answers[1:])


def spread_ratio(
    stressed: Floats, good: Floats, level: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return the ratio of two standard deviations over the same fits.

    Parameters
    ----------
    stressed, good : ndarray of float, shape (S,)
        The metric of each fit under stress, and on good rows; S at least 3.
    level : float
        Of each limit by itself.

    Returns
    -------
    tuple of float
        Ratio, lower and upper limit. A spread below 1e-9 counts as 1e-9.

    Notes
    -----
    Exact for metrics that are jointly normal over seeds: the limits are the ratios at
    which the sum and the difference of the scaled values just correlate.

    References
    ----------
    E. J. G. Pitman (1939), doi:10.1093/biomet/31.1-2.9.
    """
    a, b = (max(float(np.std(one, ddof=1)), SMALLEST) for one in (stressed, good))
    moved = (stressed - stressed.mean()) * (good - good.mean())
    r = float(np.clip(moved.sum() / (len(good) - 1) / (a * b), -1, 1))
    free = len(good) - 2
    k = 1 + 2 * (1 - r**2) * student_quantile(free, level) ** 2 / free
    wide = float(np.sqrt(k + np.sqrt(k**2 - 1)))
    return a / b, a / b / wide, a / b * wide
