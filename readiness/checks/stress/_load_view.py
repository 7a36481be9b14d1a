"""What measured load looks like, and what it says in words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from readiness.figures import draw_curve, draw_limit, new_figure
from readiness.result import Limit, Measurement
from readiness.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN_VIEWS = ("one after another", "on schedule")
TICKS = {0.5: "half", 0.9: "1 in 10", 0.99: "1 in 100", 0.999: "1 in 1,000"}
ROUND_MS = [step * 10.0**k for k in range(-3, 7) for step in (1, 2, 5)]
LATE = 2.0  # times the closed loop's: worth a sentence


def notes_on(
    summary: pd.DataFrame, tables: Mapping[str, pd.DataFrame], p99_ms: float | None
) -> tuple[str, ...]:
    """Return what a committee needs to hear, first the latency, then the rate."""
    sizes, queue = tables["sizes"], tables["queue"]
    notes = [_latency(summary, one) for one in queue.to_dict("records")]
    notes += [
        _rate(summary, int(size), p99_ms) for size in sizes["rows_in_request"][:1]
    ]
    notes += _left_out(tables["curve"])
    unknown = summary[(summary["metric"] == "p99_ms") & np.isinf(summary["ci_high"])]
    if len(unknown):
        notes.append(
            "An upper limit of the slowest hundredth needs 299 requests that do not "
            "come slow together, and a worker that certainly keeps up."
        )
    if p99_ms is None and queue["requests_per_second"].isna().all():
        notes.append(
            "The case declares neither operation.p99_ms nor "
            "operation.requests_per_second: a short measurement, for information."
        )
    notes.append(
        f"Timed for {number(sizes['seconds'].sum())} s on this machine, inside the "
        "process, without network. The largest request takes up to "
        f"{number(sizes['peak_mb'].max())} MB more memory."
    )
    return tuple(notes)


def _latency(summary: pd.DataFrame, queue: Mapping[Any, Any]) -> str:
    rows = int(queue["rows_in_request"])
    found = _finding(summary, "p99_ms", rows)
    rate = queue["requests_per_second"]
    how = (
        "sent one after another"
        if np.isnan(rate)
        else f"at {number(rate)} requests a second to one worker"
    )
    what = "one row" if rows == 1 else f"{rows:,} rows"
    return (
        f"Requests of {what}, {how}: 99 in 100 are answered within "
        f"{_ms(found['value'])} ({_limits(found, _ms)}), half within "
        f"{_ms(_finding(summary, 'p50_ms', rows)['value'])}; "
        f"{int(found['n_rows']):,} requests."
    )


def _rate(summary: pd.DataFrame, rows: int, p99_ms: float | None) -> str:
    found = _finding(summary, "sustainable_rate", rows)
    until = (
        "the queue grows without end"
        if p99_ms is None
        else f"more than 1 in 100 takes longer than {_ms(p99_ms)}"
    )
    return (
        f"One worker bears {number(found['value'])} requests a second "
        f"({_limits(found, number)}) before {until}."
    )


def _left_out(curve: pd.DataFrame) -> list[str]:
    at = curve[(curve["level"] == 0.99) & (curve["rows_in_request"] == 1)]  # noqa: PLR2004 (the percentile of the limit)
    known = at.set_index("view")["latency_ms"]
    if not set(DRAWN_VIEWS) <= set(known.index):
        return []
    alone, waiting = (known[view] for view in DRAWN_VIEWS)
    if waiting < LATE * alone:
        return []
    sentence = (
        f"A timer that waits for each answer before it asks again would have said "
        f"{_ms(alone)} instead of {_ms(waiting)}: it leaves out the requests that "
        f"queue. With enough workers it would be {_ms(known['enough workers'])}."
    )
    return [sentence]


def _finding(summary: pd.DataFrame, metric: str, rows: int) -> Mapping[Any, Any]:
    is_it = (summary["metric"] == metric) & (summary["group"] == str(rows))
    return summary[is_it].to_dict("records")[0]


def _ms(value: float) -> str:
    return number(value, "ms")


def _limits(found: Mapping[Any, Any], words: Any) -> str:  # noqa: ANN401 (a function of a number)
    low = words(found["ci_low"])
    if np.isinf(found["ci_high"]):
        return f"at least {low}, no upper limit known"
    return f"{low} to {words(found['ci_high'])}"


def draw(measurement: Measurement, limits: tuple[Limit, ...]) -> "Figure":
    """Draw how long the slowest requests take, one after another and on schedule."""
    curve = measurement.tables["curve"]
    figure, axes = new_figure(
        "Time to an answer, by how many requests take longer",
        xlabel="requests that take longer",
        ylabel="time to the answer (ms, logarithmic)",
        height_in=3.6,
    )
    axes.set_yscale("log")
    for size, view in _lines(curve):
        is_it = (curve["rows_in_request"] == size) & (curve["view"] == view)
        part = curve[is_it]
        x = -np.log10(1 - part["level"].to_numpy())
        name = f"{size:,} row{'s' * (size > 1)}, {view}"
        draw_curve(axes, x, part["latency_ms"].to_numpy(), None, None, name)
    for limit in limits:
        if limit.metric == "p99_ms" and not isinstance(limit.limit, str):
            words = f"1 in 100 at most {number(limit.limit, 'ms', exact=True)}"
            if np.isfinite(limit.limit):
                draw_limit(axes, limit.limit, words, vertical=False)
    places = [-np.log10(1 - level) for level in TICKS]
    axes.set_xticks(places, list(TICKS.values()))
    axes.set_xlim(0.2, 1.45 * -np.log10(1 - curve["level"].max()))
    low, high = axes.get_ylim()
    shown = [one for one in ROUND_MS if low <= one <= high]
    axes.set_yticks(shown, [f"{one:g}" for one in shown])
    axes.tick_params(axis="y", which="minor", left=False, labelleft=False)
    return figure


def _lines(curve: pd.DataFrame) -> list[tuple[int, str]]:
    """Return sizes and views to draw: of large requests only what counts."""
    sizes = [int(one) for one in curve["rows_in_request"].unique()]
    views = [one for one in DRAWN_VIEWS if one in set(curve["view"])]
    return [*((sizes[0], one) for one in views), *((n, views[-1]) for n in sizes[1:])]


def alt(measurement: Measurement) -> str:
    """Return the slowest hundredth and the rate in one sentence."""
    summary = measurement.summary
    slow = _finding(summary, "p99_ms", 1)
    rate = _finding(summary, "sustainable_rate", 1)
    return (
        f"99 in 100 requests of one row are answered within {_ms(slow['value'])}; one "
        f"worker bears {number(rate['value'])} requests a second."
    )
