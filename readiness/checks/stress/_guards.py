"""Which guard notices a fault: the model, the schema, monitors, support, the feed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import pandas as pd

from readiness.case import Case
from readiness.checks.coverage import conformal_support, schema
from readiness.checks.coverage._points import dimensions
from readiness.checks.coverage._support import learned_support
from readiness.checks.drift._base import base_of
from readiness.checks.drift._planned import planned
from readiness.checks.stress._bench import Bench
from readiness.checks.stress._feed_checks import FeedChecks, feed_checks
from readiness.checks.stress._monitors import (
    Facts,
    PredictionMonitor,
    SupportGuard,
    drift_power,
    facts,
    prediction_monitor,
    support_guard,
)
from readiness.checks.stress._schema_guard import SURE, Known, broken_rules
from readiness.config import ColumnSection
from readiness.errors import NotAssessedError
from readiness.faults import Values
from readiness.profiles import profile
from readiness.result import Options
from readiness.stats import Floats

UNUSUAL = 0.05  # share of rows without support beyond the usual, as the limit of C4
FEWEST_DISTANCES = 100  # as C4: below it no p-value is as small as the level
DEFAULT_WINDOW = 1000  # rows, where no monitoring is planned
# In the order of what they cost.
MODEL, SCHEMA, DRIFT = "the model refuses", "schema and range", "drift monitor"
PREDICTION, SUPPORT, FEED = "prediction monitor", "support", "declared feed check"
GUARDS = (MODEL, SCHEMA, DRIFT, PREDICTION, SUPPORT, FEED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hit:
    """A fault as guards see it, befalling every row.

    Parameters
    ----------
    fault : str
        Its name.
    altered : mapping of str to pandas.Series
        Altered columns, n values each.
    moves : numpy.ndarray of float, shape (k,)
        What it does to the mean prediction.
    before, after : mapping of str to Facts
        Of the altered columns.
    unusual : callable
        ``unusual()``: how much larger the share of rows without support is. Dear, so
        it is only asked where no guard before it has noticed the fault, and once.
    """

    fault: str
    altered: Mapping[str, Values]
    moves: Floats
    before: Mapping[str, Facts]
    after: Mapping[str, Facts]
    unusual: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guards:
    """Every guard of a case.

    Parameters
    ----------
    known : Known
        What the schema is held against.
    declared : mapping of str to ColumnSection
        What the case file says of columns.
    feed : FeedChecks
    monitors : pandas.DataFrame or None
        The table of D8.
    prediction : PredictionMonitor or None
    support : SupportGuard or None
        None where there is no such guard.
    """

    known: Known
    declared: Mapping[str, ColumnSection]
    feed: FeedChecks
    monitors: pd.DataFrame | None
    prediction: PredictionMonitor | None
    support: SupportGuard | None

    def hit(self, fault: str, altered: Mapping[str, Values], moves: Floats) -> Hit:
        """Return what the guards get to see of a fault; arguments as of `Hit`."""
        case, frame = self.known.case, self.known.rows.frame
        kinds = {name: case.columns[name].kind for name in altered}
        unusual = (
            partial(self.support.more, frame, altered) if self.support else lambda: 0.0
        )
        return Hit(
            fault=fault,
            altered=altered,
            moves=moves,
            before={name: facts(frame[name], kind) for name, kind in kinds.items()},
            after={name: facts(altered[name], kind) for name, kind in kinds.items()},
            unusual=cache(unusual),
        )

    def first(self, hit: Hit, dose: float) -> tuple[str, str]:
        """Return the cheapest guard that notices a fault, and how; empty where none.

        Parameters
        ----------
        hit : Hit
        dose : float
            Share of the rows of a window that the fault befalls.
        """
        rule = broken_rules(self.known, hit.altered, dose, self.declared)
        if rule:
            return SCHEMA, rule
        if self.monitors is not None:
            power, name = drift_power(self.monitors, hit.before, hit.after, dose)
            if power >= SURE:
                return DRIFT, name
        moves = dose * hit.moves
        if self.prediction is not None and self.prediction.power(moves) >= SURE:
            return PREDICTION, "mean prediction"
        if dose * hit.unusual() > UNUSUAL:
            return SUPPORT, "unusual rows"
        rows, names = self.known.rows, list(hit.altered)
        if self.feed.finds(self.known.case, hit.fault, names, rows):
            return FEED, "as the case file says"
        return "", ""


def guards_of(bench: Bench, options: Options) -> Guards:
    """Return the guards of a case; what cannot answer is not there.

    Parameters
    ----------
    bench : Bench
    options : Options
        Of S2; with D8 among the needed where it can answer.
    """
    case = bench.case
    needed = options.needed.get("D8")
    plan = None if needed is None else needed.tables["plan"].iloc[0]
    window_rows = case.file.operation.monitor_window_rows or DEFAULT_WINDOW
    given = {**schema.CHECK.defaults, **case.file.checks.get("C0", {})}
    known = Known(
        case=case,
        rows=bench.rows,
        block=bench.clusters.block,
        profiles=profile(case, case.training_or_reference().name),
        window_rows=window_rows if plan is None else int(plan["window_rows"]),
        window_blocks=1 if plan is None else int(plan["blocks_per_window"]),
        new_null_share=float(given["new_null_share"]),
    )
    return Guards(
        known=known,
        declared=case.file.columns,
        feed=feed_checks(case, options.values),
        monitors=None if needed is None else needed.tables["monitors"],
        prediction=_prediction(case, options.seed),
        support=_support(bench, int(options["support_rows"]), options.seed),
    )


def _prediction(case: Case, seed: int) -> PredictionMonitor | None:
    try:
        base = base_of(case)
        return prediction_monitor(base, planned(base), seed)
    except NotAssessedError:
        return None


def _support(bench: Bench, n_rows: int, seed: int) -> SupportGuard | None:
    case = bench.case
    given = {**conformal_support.CHECK.defaults, **case.file.checks.get("C4", {})}
    base = case.training_or_reference()
    known = profile(case, base.name)
    names = [name for name in case.features if known[name].n_present]
    if not names:
        return None
    support = learned_support(
        case,
        base,
        dimensions(case, base.name, names),
        n_rows=int(given["rows"]),
        level=float(given["level"]),
        seed=seed,
    )
    if not len(support.anchors) or len(support.distances) < FEWEST_DISTANCES:
        return None
    return support_guard(bench.rows, support, n_rows)
