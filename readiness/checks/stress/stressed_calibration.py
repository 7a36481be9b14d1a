"""S9: whether probabilities and intervals still hold when a feed is broken."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress._bench import Bench, open_bench
from readiness.checks.stress._cells import score_faults
from readiness.checks.stress._looks import all_faults
from readiness.checks.stress._strained import Part, expected_range, half_width
from readiness.checks.stress._strained_view import (
    COVERED,
    NO_FAULT,
    SLOPE,
    alt,
    draw,
    notes_on,
)
from readiness.errors import NotAssessedError, Reason
from readiness.faults import Fault
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import Floats, Interval, empty_row, summary_frame, summary_row

CLASSES = ("binary", "multiclass")
MIN_ROWS = 100


def measure(case: Case, options: Options) -> Measurement:
    """Measure calibration while a share of the rows has a fault.

    Parameters
    ----------
    case : Case
        Needs labels, and a model that can score altered rows and gives
        probabilities, unless it is a regression.
    options : Options
        ``share`` (0.2) of the rows that the fault befalls. ``first_rows`` (500) on
        which every fault is tried, and ``rows`` (8,000) others on which the one of
        each feature and source that moves calibration most is measured: ``faults``
        (12) of these, the worst.

    Returns
    -------
    Measurement
        ``calibration_slope``, or for a regression ``interval_coverage`` (share): of a
        band that holds nine in ten outcomes without a fault. Group
        ``column/fault``. Table ``faults``: besides, with every row befallen
        (``full``), and without any fault.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, NO_LABELS, NO_PROBABILITIES, ONE_CLASS, TOO_FEW_ROWS, or what
        scoring the tables raises.

    Notes
    -----
    Faults are chosen on some rows and measured on others, so that the worst is not
    bad luck. The band gets its width from the first rows, without faults. Each row
    counts as the good and as the altered copy, by how likely each is. Outcomes stay
    as they were. A fault that moves all probabilities alike leaves the slope; what it
    does to decisions is the fault bench's question. Under 200 rows of the rarer class
    a slope says little. Coverage is conditional on one band: with few first rows it
    strays from nine in ten by itself, and the table says how far (Beta-binomial).

    References
    ----------
    D. R. Cox (1958), doi:10.1093/biomet/45.3-4.562. V. Vovk (2012), Conditional
    validity of inductive conformal predictors, ACML.
    """
    if case.task != "regression" and case.model.outputs == "class":
        msg = "The model gives classes only; calibration needs its probabilities."
        raise NotAssessedError(msg, Reason.NO_PROBABILITIES)
    n_first = int(options["first_rows"])
    bench = open_bench(case, n_first + int(options["rows"]), options.seed)
    n_first = min(n_first, len(bench.truth) // 3)
    if n_first < MIN_ROWS:
        msg = f"{len(bench.truth)} labelled rows are too few to choose and to measure."
        raise NotAssessedError(msg, Reason.TOO_FEW_ROWS)
    width = np.nan
    first = Part(bench=bench, rows=slice(0, n_first))
    if case.task == "regression":
        width = half_width(np.abs(first.clean - first.truth), first.weight)
    first, rest = (
        Part(bench=bench, rows=rows, half_width=width)
        for rows in (slice(0, n_first), slice(n_first, len(bench.truth)))
    )
    share = float(options["share"])
    tried = all_faults(bench)
    chosen = _most_moved(first, tried, share)[: int(options["faults"])]
    lines = [_line(rest, None, rest.clean, share, n_first)]
    for fault, found in zip(chosen, _scored(bench, chosen, n_first), strict=True):
        lines.append(_line(rest, fault, found, share, n_first))
    table = pd.DataFrame(lines)
    metric, unit = (COVERED, "share") if case.task == "regression" else (SLOPE, "")
    return Measurement(
        summary=summary_frame([_row(one, metric, unit) for one in lines[1:]]),
        tables={"faults": table.drop(columns="interval")},
        notes=notes_on(case, table, len(tried), share),
    )


def _scored(
    bench: Bench, faults: Sequence[Fault], begin: int, end: int | None = None
) -> list[Floats | None]:
    """Return the scores of a part of the rows under each fault; None where refused."""
    n_rows = len(bench.truth) if end is None else end
    found = score_faults(
        bench.case,
        faults,
        bench.rows,
        bench.clean,
        [begin] * len(faults),
        n_rows - begin,
    )
    return [
        None if one.scores is None else one.scores[: n_rows - begin] for one in found
    ]


def _most_moved(first: Part, faults: Sequence[Fault], share: float) -> list[Fault]:
    """Return of each subject the fault that moves calibration most, the worst first.

    Faults that the model refuses are loud, and left out; so are those without effect.
    """
    clean = first.value(first.clean, share)
    moved = []
    for place, found in enumerate(_scored(first.bench, faults, 0, len(first.truth))):
        if found is None or np.array_equal(found, first.clean):
            continue
        value = first.value(found, share)
        moved.append((-abs(np.nan_to_num(value, nan=np.inf) - clean), place))
    by_subject: dict[str, Fault] = {}
    for _, place in sorted(moved):
        by_subject.setdefault(faults[place].column, faults[place])
    return list(by_subject.values())


def _line(
    rest: Part, fault: Fault | None, found: Floats | None, share: float, n_first: int
) -> dict[str, Any]:
    measured = None if found is None else rest.interval(found, share)
    low, high = _by_chance(rest, measured, n_first)
    return {
        "group": "" if fault is None else f"{fault.column}/{fault.name}",
        "what_happens": NO_FAULT if fault is None else fault.words,
        "value": measured.value if measured else np.nan,
        "ci_low": measured.ci_low if measured else np.nan,
        "ci_high": measured.ci_high if measured else np.nan,
        "full": np.nan if found is None else rest.value(found, 1.0),
        "expected_low": low,
        "expected_high": high,
        "rows": len(rest.truth),
        "interval": measured,
    }


def _by_chance(
    rest: Part, measured: Interval | None, n_first: int
) -> tuple[float, float]:
    if rest.bench.case.task != "regression" or measured is None:
        return np.nan, np.nan
    alone = measured.value * (1 - measured.value)
    n_test = alone / measured.se**2 if measured.se > 0 else measured.n_blocks
    return expected_range(n_first, min(n_test, measured.n_rows))


def _row(line: dict[str, Any], metric: str, unit: str) -> dict[str, Any]:
    found = line["interval"]
    if found is None:
        return empty_row(metric, line["group"], Reason.REFUSED, unit, line["rows"])
    if not np.isfinite(found.value):
        reason = Reason.NOT_MEASURED
        return empty_row(metric, line["group"], reason, unit, line["rows"])
    return summary_row(metric, line["group"], found, unit)


CHECK = Check(
    code="S9",
    title="Calibration under stress",
    question="Do probabilities and intervals still hold when a feed is broken?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=SLOPE,
            side="at_least",
            limit=0.8,
            required_in=(),
            groups="each",
            tasks=CLASSES,
            reason="A broken feed would make the model far too sure of itself.",
        ),
        Limit(
            metric=SLOPE,
            side="at_most",
            limit=1.25,
            required_in=(),
            groups="each",
            tasks=CLASSES,
            reason="A broken feed would make the model far too timid.",
        ),
        Limit(
            metric=COVERED,
            side="at_least",
            limit=0.85,
            required_in=(),
            groups="each",
            tasks=("regression",),
            reason="A band that promises nine outcomes in ten would mislead.",
        ),
    ),
    defaults={"share": 0.2, "first_rows": 500, "rows": 8000, "faults": 12},
)
