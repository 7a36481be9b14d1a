"""S2: which guard notices each harmful fault, and which faults nobody notices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from readiness.case import Case
from readiness.checks.stress import fault_bench
from readiness.checks.stress._bench import Bench, open_again
from readiness.checks.stress._cells import SCORED
from readiness.checks.stress._guard_view import SILENT, alt, draw, notes_on
from readiness.checks.stress._guards import MODEL, Guards, guards_of
from readiness.checks.stress._looks import HARMFUL, UNDECIDED, all_faults
from readiness.checks.stress._suggest import (
    Suggestion,
    merged,
    section_head,
    suggestion,
)
from readiness.faults import Fault
from readiness.result import Check, Limit, Measurement, Options
from readiness.stats import Floats, no_interval, summary_frame, summary_row

DOSES = {"0.05": 0.05, "0.20": 0.20, "1.00": 1.0}
OPEN = (HARMFUL, UNDECIDED)
_CELL = ("column", "fault", "what_happens", "loss", "ci_low", "ci_high")
_WHO = ("harmful_at", "guard", "how", "harmful", "silent", "silent_at", "silent_maybe")
_LINE = [*_CELL, *_WHO]
_PASTE = ["section", "paste", "replaces"]
_KILLER = [*_CELL[:3], *_PASTE, *_CELL[3:], "silent_at"]


def measure(case: Case, options: Options) -> Measurement:
    """Ask every guard about every harmful fault.

    Parameters
    ----------
    case : Case
        As for fault_bench, whose harmful cells are taken. Ranges, categories and
        shares of missing values that the case file declares are guards.
    options : Options
        ``support_rows`` (2,000) that are held against the support. What the pipeline
        checks by itself: ``max_age`` (hours by feature or source, such as
        ``{"weather feed" = "2h"}``), ``keys`` and ``contracts`` (features or sources
        whose values carry the key of their row, or whose names and units are held
        against a contract).

    Returns
    -------
    Measurement
        ``silent_killers`` (count): faults that cost more than is tolerated, that the
        model answers, and that no guard notices; ``guarded_share`` (share) of the
        harmful faults that are refused or noticed. Tables ``silent_killers``: worst
        first, each with the cheapest declaration that would have it noticed;
        ``declarations``: all of these, to paste; ``guards``: every fault that is or
        may be harmful, and who notices it.

    Raises
    ------
    NotAssessedError
        What fault_bench raises.

    Notes
    -----
    A fault must be noticed at each dose at which it is harmful: a dead feed, one row
    in five, one row in twenty. Guards, cheapest first: the model refuses the rows;
    the rules of C0 with what the case file declares; the drift monitor of D8 at its
    level and window; a monitor of the mean prediction, calibrated alike; the support
    of C4, five rows in a hundred more than usual; checks of feeds that the case file
    says there are. A monitor notices what it alarms at in four windows of five; all
    rows of a window are taken to have the fault with the same chance. A rule that a
    single row breaks must be broken within a window, or 1,000 rows. Rules that good
    rows break as well notice nothing. The interval is no sampling error: its one end
    counts the faults known to be harmful, its other end those too of which the data
    cannot tell. Faults nobody thought of are not on the bench.

    References
    ----------
    S. Schelter, T. Rukat, F. Biessmann (2021), "JENGA: A framework to study the
    impact of data errors on the predictions of machine learning models", EDBT.
    """
    cells = options.needed["S1"].tables["cells"]
    bench = open_again(case, options.needed["S1"], options.seed)
    guards = guards_of(bench, options)
    faults = {(one.column, one.name): one for one in all_faults(bench)}
    lines, found = [], []
    for cell in cells.to_dict("records"):
        line, told = _asked(guards, faults[cell["column"], cell["fault"]], cell)
        lines.append(line)
        found += [] if told is None else [told]
    every = pd.DataFrame(lines, columns=[*_LINE, *_PASTE])
    every = every[every["harmful"] | (every["guard"] != "")]
    table = every.sort_values(
        ["silent", "harmful", "loss"], ascending=False, ignore_index=True
    )
    killers = table[table["silent"]].reset_index(drop=True)
    shown = [one for one in _KILLER if one != "replaces" or killers[one].any()]
    return Measurement(
        summary=summary_frame(_summary(table, bench, cells)),
        tables={
            "silent_killers": killers[shown],
            "declarations": merged(found),
            "guards": table[_LINE],
        },
        notes=notes_on(bench, table, killers, guards),
    )


def _asked(
    guards: Guards, fault: Fault, cell: Mapping[Any, Any]
) -> tuple[dict[str, Any], Suggestion | None]:
    """Return who notices a fault, and what would have it noticed."""
    words = {
        dose: str(cell.get(f"decision_{dose}", cell["decision"])) for dose in DOSES
    }
    harmful = [dose for dose in DOSES if words[dose] == HARMFUL]
    refused = cell["outcome"] != SCORED
    line: dict[str, Any] = {
        **{name: cell[name] for name in _CELL},
        "harmful_at": "refused" if refused else ", ".join(harmful),
        "guard": MODEL if refused else "",
        "how": cell["outcome"] if refused else "",
        "harmful": bool(harmful) or refused,
        "silent": False,
        "silent_at": "",
        "silent_maybe": False,
        **dict.fromkeys(_PASTE, ""),
    }
    asked = [dose for dose in DOSES if words[dose] in OPEN]
    if not asked:
        return line, None
    hit = guards.hit(fault.name, fault.alter(guards.known.rows), _moves(cell))
    who = {dose: guards.first(hit, DOSES[dose]) for dose in asked}
    silent = [dose for dose in harmful if not who[dose][0]]
    # The smallest dose is the hardest to notice: who notices it is named.
    guard, how = who[(silent or harmful or asked)[0]]
    line |= {
        "guard": guard or SILENT,
        "how": how,
        "silent": bool(silent),
        "silent_at": ", ".join(silent),
        "silent_maybe": any(not one for one, _ in who.values()),
    }
    if not silent:
        return line, None
    told = suggestion(guards, hit, [DOSES[one] for one in harmful])
    if told is not None:
        line["section"], line["paste"] = section_head(told.section), told.line
        line["replaces"] = told.replaces
    return line, told


def _moves(cell: Mapping[Any, Any]) -> Floats:
    names = [one for one in cell if str(one).startswith(fault_bench.MOVE)]
    return np.array([cell[one] for one in names], dtype=np.float64)


def _summary(
    table: pd.DataFrame, bench: Bench, cells: pd.DataFrame
) -> list[dict[str, Any]]:
    harmful, silent = table["harmful"], table["silent"]
    unheard = table["silent_maybe"]
    n_harmful, n_silent = int(harmful.sum()), int(silent.sum())
    n_unheard = int(unheard.sum())
    # At worst every fault that may be harmful and is not noticed is; at best every
    # one that is noticed.
    at_worst = n_harmful + int((unheard & ~harmful).sum())
    at_best = n_harmful + int((~unheard & ~harmful).sum())
    found = {
        "guarded_share": (
            "share",
            _guarded(n_silent, n_harmful),
            _guarded(n_unheard, at_worst),
            _guarded(n_silent, at_best),
        ),
        "silent_killers": ("count", float(n_silent), float(n_silent), float(n_unheard)),
    }
    rows = []
    for metric, (unit, value, low, high) in found.items():
        row = summary_row(metric, "", no_interval(), unit)
        limits = {
            "value": value,
            "ci_low": min(low, value),
            "ci_high": max(high, value),
        }
        size = {"n_rows": len(bench.truth), "n_blocks": int(cells["blocks"].max())}
        rows.append({**row, **limits, **size})
    return rows


def _guarded(n_silent: int, n_harmful: int) -> float:
    """Return the share that is noticed; where nothing is harmful, all of it."""
    return 1 - n_silent / n_harmful if n_harmful else 1.0


CHECK = Check(
    code="S2",
    title="Guards",
    question="Which broken feed would nobody notice before it does harm?",
    measure=measure,
    draw=draw,
    alt=alt,
    limits=(
        Limit(
            metric="silent_killers",
            side="at_most",
            limit=0,
            required_in=("high",),
            reason="A fault that does harm and that nobody notices goes on doing it.",
        ),
        Limit(
            metric="guarded_share",
            side="at_least",
            limit=0.9,
            required_in=("medium", "high"),
            reason="Nine in ten of the faults that do harm should be noticed at once.",
        ),
    ),
    needs=("S1",),
    helped_by=("D8",),
    defaults={"support_rows": 2000, "max_age": {}, "keys": [], "contracts": []},
    shown="silent_killers",
)
