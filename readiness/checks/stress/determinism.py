"""S7: whether the same rows get the same scores, however they are sent."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.errors import ModelError, Reason
from readiness.figures import draw_limit, label, new_figure
from readiness.models import load_model
from readiness.result import Check, Limit, Measurement, Options
from readiness.samples import random_order
from readiness.scoring import require_rescoring, score_frame, scores
from readiness.stats import Floats, empty_row, summary_frame
from readiness.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRIC = "max_difference"
LIMIT = 1e-9
IN_MEMORY = "object"
SMALLEST = 1e-18  # drawn in place of exactly nothing on a logarithmic axis
Send = Callable[[pd.DataFrame], Floats]


def measure(case: Case, options: Options) -> Measurement:
    """Measure the largest difference between scores of the same rows.

    Parameters
    ----------
    case : Case
        Needs a model that can score rows again.
    options : Options
        ``rows`` (500) reference rows; ``singles`` (30) of them sent one by one.

    Returns
    -------
    Measurement
        ``max_difference``: largest distance from the first answer, over rows and
        ways of sending them: again, in another order, one by one, seven at a time,
        on one thread, to the model loaded again from its file. In output units; for
        regression in standard deviations of the scores. Table ``ways``: each way.

    Raises
    ------
    NotAssessedError
        NO_RESCORING, or what scoring the reference raises.

    Notes
    -----
    A fact about these rows, not an estimate: no interval. Rounding differs between
    batch sizes and thread counts by some 1e-16; the limit leaves room for that. A
    difference that shows up in one row of a million is not found. A model in memory
    has no file to be loaded from again. If the model refuses a way that is as good
    as any other, the difference is not known and so not assessed.
    """
    require_rescoring(case)
    scored = scores(case, "reference", labelled=False)
    chosen = random_order(scored, options.seed)[: options["rows"]]
    frame = case.table("reference").take(scored.row[chosen], case.features)
    send = partial(score_frame, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file written by another version
        first = send(frame)
        unit, scale = ("output units", 1.0)
        if case.task == "regression":
            unit, scale = "SD of the score", float(np.std(first)) or 1.0
        lines = [
            {
                "way": "with the whole table",
                **_gap(first, scored.y_score[chosen]),
            }
        ]
        lines += [
            {"way": way, **_answer(other, frame.iloc[:n_rows], first[:n_rows])}
            for way, other, n_rows in _ways(case, send, options)
        ]
    table = pd.DataFrame(lines)
    table["difference"] = table["difference"] / scale
    table["unit"] = unit
    return Measurement(
        summary=summary_frame([_row(table, unit, len(frame))]),
        tables={"ways": table},
        notes=_notes(case, table),
    )


def _ways(
    case: Case, send: Send, options: Options
) -> Iterator[tuple[str, Send, int | None]]:
    """Yield ways of sending the same rows, and how many of them to send."""
    yield "again", send, None
    yield "in another order", partial(_reordered, send, options.seed), None
    yield "one by one", partial(_in_parts, send, 1), options["singles"]
    yield "seven at a time", partial(_in_parts, send, 7), 7 * options["singles"]
    yield "on one thread", partial(_on_one_thread, send), None
    if case.model.format != IN_MEMORY:
        yield "to the model loaded again", partial(_reloaded, case), None


def _reordered(send: Send, seed: int, frame: pd.DataFrame) -> Floats:
    order = np.random.default_rng(seed).permutation(len(frame))
    found = send(frame.iloc[order])
    back = np.empty_like(found)
    back[order] = found
    return back


def _in_parts(send: Send, size: int, frame: pd.DataFrame) -> Floats:
    starts = range(0, len(frame), size)
    return np.concatenate([send(frame.iloc[one : one + size]) for one in starts])


def _on_one_thread(send: Send, frame: pd.DataFrame) -> Floats:
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with sklearn, has no types)
        threadpool_limits,
    )

    with threadpool_limits(limits=1):
        return send(frame)


def _reloaded(case: Case, frame: pd.DataFrame) -> Floats:
    again = load_model(case.file.model, case.base)
    model = replace(case.model, estimator=again.estimator)
    return score_frame(replace(case, model=model), frame)


def _answer(send: Send, frame: pd.DataFrame, first: Floats) -> dict[str, Any]:
    try:
        found = send(frame)
    except ModelError as refusal:
        return {"difference": np.nan, "rows": len(frame), "said": str(refusal)}
    return _gap(found, first)


def _gap(found: Floats, first: Floats) -> dict[str, Any]:
    gap = float(np.max(np.abs(found - first)))
    return {"difference": gap, "rows": len(first), "said": ""}


def _row(table: pd.DataFrame, unit: str, n_rows: int) -> dict[str, Any]:
    if table["difference"].isna().any():
        return empty_row(METRIC, "", Reason.REFUSED, unit, n_rows)
    worst = float(table["difference"].max())
    return {
        "metric": METRIC,
        "group": "",
        "value": worst,
        "ci_low": worst,
        "ci_high": worst,
        "n_rows": n_rows,
        "unit": unit,
    }


def _notes(case: Case, table: pd.DataFrame) -> tuple[str, ...]:
    notes = [
        f"The same rows were sent {len(table) + 1} times, in {len(table)} other ways."
    ]
    notes += [
        f"Sent {row['way']}, scores differ by up to {row['difference']:.3g}."
        for row in table[table["difference"] > LIMIT].to_dict("records")
    ]
    notes += [
        f"Sent {row['way']}, the model refuses: {visible(row['said'], 120)}"
        for row in table[table["difference"].isna()].to_dict("records")
    ]
    if case.model.format == IN_MEMORY:
        notes.append("The model came in memory: it was not loaded again from a file.")
    return tuple(notes)


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw the largest difference of each way of sending the rows."""
    table = measurement.tables["ways"]
    figure, axes = new_figure(
        "Largest difference between scores of the same rows",
        xlabel=f"difference ({table['unit'].iloc[0]}, logarithmic)",
        height_in=1.3 + 0.26 * len(table),
    )
    axes.set_xscale("log")
    places = np.arange(len(table))
    axes.plot(table["difference"].clip(lower=SMALLEST), places, "o")
    for limit in limits:
        if limit.metric == METRIC and not isinstance(limit.limit, str):
            draw_limit(axes, limit.limit, f"at most {limit.limit:g}", align="right")
    axes.set_xlim(SMALLEST / 3, 10)
    axes.set_xticks(
        [SMALLEST, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1],
        ["none", "1e-15", "1e-12", "1e-9", "1e-6", "0.001", "1"],
    )
    axes.set_yticks(places, [label(one) for one in table["way"]])
    axes.invert_yaxis()
    return figure


def alt(measurement: Measurement) -> str:
    """Return the largest difference and the way it came about in one sentence."""
    table = measurement.tables["ways"]
    known = table[table["difference"].notna()]
    worst = known.nlargest(1, "difference").iloc[0]
    return (
        f"Over {len(table)} ways of sending the same rows, scores differ by at most "
        f"{worst['difference']:.1g} {worst['unit']} ({worst['way']})."
    )


CHECK = Check(
    code="S7",
    title="Determinism",
    question="Do the same rows always get the same scores?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric=METRIC,
            side="at_most",
            limit=LIMIT,
            required_in=("low", "medium", "high"),
            reason="A score nobody can reproduce cannot be defended.",
        ),
    ),
    defaults={"rows": 500, "singles": 30},
)
