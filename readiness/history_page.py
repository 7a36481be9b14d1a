"""SHOW: the runs of one case over time, and its sign-offs, as one page."""

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from readiness.cards import SHAPES
from readiness.changes import gravest
from readiness.compare import write_page
from readiness.errors import Reason, RunError
from readiness.history import Run, listed, read_history
from readiness.history_figures import LETTERS, image_html
from readiness.history_series import (
    Series,
    Told,
    headline_series,
    marks_of,
    never_changed,
)
from readiness.identities import published_results
from readiness.pages import render_page
from readiness.result import Finding, Status, result_from_dict
from readiness.signoffs import Standing, read_standing, today_utc
from readiness.staging import write_text
from readiness.verdict_lines import capital
from readiness.verdict_page import outcome_word
from readiness.words import (
    STATUS_WORDS,
    interval_words,
    limit_words,
    reason_words,
    value_words,
)

PAGE = "history.html"
MAX_RUNS = 100
STATE_WORDS = {
    "failed": "NO VERDICT",
    "abandoned": "STOPPED",
    "missing": "MISSING",
    "removed": "REMOVED",
    "altered": "ALTERED",
}
STATE_NOTES = {
    "missing": "The folder of this run is gone.",
    "removed": "Removed on request, to keep the newest runs only.",
    "altered": "Its files are not what was published: nothing of it is shown.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """The standing of a case; `problem` says why there is none to be believed."""

    standing: Standing
    problem: str


def history_page(
    out: Path, case_name: str, place: Path, today: dt.date | None = None
) -> str:
    """Return the page of one case over its runs.

    Parameters
    ----------
    out : pathlib.Path
        The folder of all runs.
    case_name : str
        The case.
    place : pathlib.Path
        The file the page will be: its links to the runs are relative to it.
    today : datetime.date, optional
        The day that tells what is overdue; default the present one.

    Raises
    ------
    RunError
        USAGE when the history has no run of that case; else as `read_history`.

    Notes
    -----
    Every file of every run shown is verified; the numbers of an altered run are left
    out. The newest 100 runs are shown, and how many are older is said. A sign-off
    record that was altered is told as such, and no decision of it is shown.
    """
    today = today or today_utc()
    rows = sorted(listed(out, case_name), key=lambda one: (one.created, one.run_id))
    kept = rows[-MAX_RUNS:]
    runs = [_told(out, one) for one in kept]
    readable = [place for place, one in enumerate(runs) if one.results]
    newest_place = readable[-1] if readable else -1
    series = sorted(headline_series(runs), key=lambda one: _weight(one, newest_place))
    steady = [one for one in series if never_changed(one, runs)]
    decided = _decided(out / case_name, today)
    newest = runs[newest_place].results
    word, shape = _word(runs[-1])
    return render_page(
        "history.html.j2",
        case=case_name,
        title=newest["title"] if newest else case_name,
        word=word,
        shape=shape,
        sentence=kept[-1].headline,
        created=kept[-1].created,
        rows=_rows(out, place, kept, runs, decided.standing),
        n_older=len(rows) - len(kept),
        figures=[
            _figure(one, runs) | {"gone": not one.findings[newest_place]}
            for one in series
            if one not in steady
        ],
        steady=steady,
        n_read=len(readable),
        letters=LETTERS,
        problem=decided.problem,
        approval=_approval(decided),
        signed=decided.standing.sign_offs,
        conditions=[(one, one.state(today)) for one in decided.standing.conditions],
    )


def case_names(out: Path) -> tuple[str, ...]:
    """Return the names of the cases in a history, in alphabetical order."""
    return tuple(sorted({one.case_name for one in read_history(out)}))


def write_history(out: Path, place: Path, case_name: str | None = None) -> None:
    """Write the page of one case to a file outside of any run.

    Parameters
    ----------
    out, place : pathlib.Path
        The folder of all runs, and the file.
    case_name : str, optional
        Default the only case of the history.

    Raises
    ------
    RunError
        USAGE when there are several cases and none is named; else as `history_page`
        and `write_page`.
    """
    names = case_names(out)
    if case_name is None and len(names) != 1:
        msg = (
            f"Name one case with --case. The history has: {', '.join(names) or 'none'}."
        )
        raise RunError(msg, Reason.USAGE)
    write_page(place, history_page(out, case_name or names[0], place))


def refresh(out: Path, case_name: str) -> Path:
    """Write ``history.html`` beside the runs of a case; raises as `history_page`."""
    place = out.absolute() / case_name / PAGE
    write_text(place, history_page(out.absolute(), case_name, place))
    return place


def _told(out: Path, row: Run) -> Told:
    """Return a run with its results, unless it has none that can be believed."""
    results = None
    state = row.status
    if state == "published":
        try:
            results = published_results(out / row.path)
        except RunError:
            state = "altered"
    when = dt.datetime.fromisoformat(row.created)
    return Told(run_id=row.run_id, when=when, state=state, results=results)


def _word(run: Told) -> tuple[str, str]:
    if run.results is None:
        return STATE_WORDS.get(run.state, "NO VERDICT"), SHAPES[Status.NOT_ASSESSED]
    checks = [result_from_dict(one) for one in run.results["checks"]]
    return outcome_word(run.results, checks)


def _decided(case_folder: Path, today: dt.date) -> _Decided:
    try:
        return _Decided(standing=read_standing(case_folder, today), problem="")
    except RunError as error:
        return _Decided(standing=Standing(), problem=str(error))


def _approval(decided: _Decided) -> str:
    """Return in one sentence whether a decision holds now."""
    if decided.problem:
        return "The sign-off record cannot be believed; no decision of it counts."
    signed = decided.standing.sign_offs
    if not signed:
        return "No run of this case was signed."
    holding = [one for one in signed if not one.void]
    if not holding:
        return f"No decision holds. {signed[-1].void[0]}"
    words = [f"{one.decision} by {one.role}" for one in holding]
    return f"What holds: {', '.join(words)}."


def _weight(series: Series, newest: int) -> tuple[bool, bool, int, str, str, str]:
    """Return what sorts a series: those of the newest run, required, worst status."""
    last = series.last
    gone = not series.findings[newest]
    names = (series.check.code, series.metric, series.group)
    return (gone, not last.required, list(SHAPES).index(last.status), *names)


def _rows(
    out: Path,
    place: Path,
    rows: Sequence[Run],
    runs: Sequence[Told],
    standing: Standing,
) -> list[dict[str, Any]]:
    """Return one line per run, the newest first."""
    lines = []
    for row, run, changed in zip(rows, runs, marks_of(runs), strict=True):
        word, shape = _word(run)
        page = out / row.path / "index.html"
        is_there = run.state in {"published", "failed"} and page.is_file()
        signed = [one for one in standing.sign_offs if one.run_id == row.run_id]
        lines.append(
            {
                "run_id": row.run_id,
                "created": row.created,
                "word": word,
                "shape": shape,
                "headline": STATE_NOTES.get(run.state, row.headline),
                "changed": ", ".join(changed),
                "link": _relative(page, place) if is_there else "",
                "signed": [
                    f"{one.decision} by {one.role}{' (void)' if one.void else ''}"
                    for one in signed
                ],
            }
        )
    return lines[::-1]


def _relative(page: Path, place: Path) -> str:
    return quote(os.path.relpath(page.absolute(), place.absolute().parent))


def _figure(series: Series, runs: Sequence[Told]) -> dict[str, Any]:
    return {
        "code": series.check.code,
        "name": capital(series.name),
        "status": series.last.status.value,
        "waived": series.last.waived,
        "required": series.last.required,
        "image": image_html(series, runs),
        "rows": [
            _number(run, gravest(many))
            for run, many in zip(runs, series.findings, strict=True)
        ][::-1],
    }


def _number(run: Told, one: Finding | None) -> Mapping[str, Any]:
    """Return one line of the numbers below a figure."""
    line = {"when": f"{run.when:%Y-%m-%dT%H:%M:%SZ}", "limit": "", "status": ""}
    if one is None:
        said = "not in this run" if run.results else STATE_WORDS.get(run.state, "")
        return line | {"value": said.lower(), "interval": ""}
    absent = one.value is None and not one.censored
    status = "waived" if one.waived else STATUS_WORDS[one.status]
    return line | {
        "value": reason_words(one.reason) if absent else value_words(one),
        "interval": interval_words(one),
        "limit": limit_words(one),
        "status": status,
    }
