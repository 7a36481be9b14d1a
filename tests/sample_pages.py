"""Sample results and executed notebooks for the tests of pages."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
from markupsafe import Markup
from nbformat import NotebookNode

from readiness import figures, show
from readiness.pages import render_pages
from readiness.result import CheckResult, Measurement, result_from_dict
from readiness.shipped import shipped

HOSTILE = (
    "<script>document.title='stolen'</script>",
    "<img src=x onerror=\"document.title='stolen'\">",
    '"><svg onload="document.title=1">',
    "[x](javascript:document.title='stolen')",
    "![x](https://example.org/x.png)",
    "=HYPERLINK(A1)",
    "$\\frac{1}$",
    "{{ 7 * 7 }}{% raw %}",
    "__proto__",
    "\u202ereversed\u0000\n\ttext",
)


def sample_results() -> dict[str, Any]:
    """Return the results of a made-up run on flights, as in results.json."""
    path = Path(__file__).parent / "data" / "flights_results.json"
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return results


def failed_results() -> dict[str, Any]:
    """Return the results of a run whose drift notebook was killed."""
    message = "The kernel of '30_drift' was ended by signal 9."
    results = sample_results()
    results["outcome"], results["reason_code"] = "ERROR", "KERNEL_DIED"
    results["headline"] = f"No verdict. {message}"
    results["complete"] = False
    results["checks"] = [
        one for one in results["checks"] if one["notebook"] != "30_drift"
    ]
    results["notebooks"][3] |= {
        "complete": False,
        "reason_code": "KERNEL_DIED",
        "message": message,
    }
    return results


def hostile_results() -> dict[str, Any]:
    """Return results in which every text that comes from people is hostile."""
    results = sample_results()
    nasty = " ".join(HOSTILE)
    for name in ("title", "decision", "owner", "headline"):
        results[name] = nasty
    for check in results["checks"]:
        check |= {"title": nasty, "question": nasty, "notes": [nasty]}
        check["options"] = {nasty: nasty}
        for one in check["findings"]:
            one |= {"metric": nasty, "group": nasty, "unit": nasty}
            one |= {"limit_reason": nasty, "limit_set_by": nasty, "reason": nasty}
    results["facts"]["tables"]["current"]["files"] = [nasty]
    results["ledger"]["current"]["left_out"] = {nasty: 3}
    results["environment"]["notes"] = [nasty]
    return results


def check_of(results: Mapping[str, Any], code: str) -> CheckResult:
    """Return one check of the results."""
    return next(
        result_from_dict(one) for one in results["checks"] if one["code"] == code
    )


def display_of(result: CheckResult, text: str = "a") -> show.CheckDisplay:
    """Return a check as its notebook shows it, with one figure and one table."""
    parts = {"status": show.status_html(result), **drawn_parts(text)}
    return show.CheckDisplay(result=result, parts=parts)


@cache
def drawn_parts(text: str) -> Mapping[str, Markup]:
    """Return the figure and the table of a check that measured `text`."""
    figure, axes = figures.new_figure(text, figures.label(text))
    figures.draw_intervals(axes, [text, "b"], [0.5, 0.7], [0.4, np.nan], [0.6, 0.8])
    table = pd.DataFrame({text: [text, "plain"], "share": [0.25, np.nan]})
    measurement = Measurement(summary=table, tables={"rows": table})
    result = check_of(sample_results(), "P1")
    parts = show.check_display(result, measurement, figure, f"About {text}.").parts
    return {part: parts[part] for part in ("figure", "details")}


def output_of(part: str, markup: Markup, code: str) -> NotebookNode:
    """Return the output that `show.emit` leaves in a notebook."""
    return nbformat.v4.new_output(
        "display_data",
        data={"text/html": str(markup), "text/plain": "plain"},
        metadata={"readiness": {"code": code, "part": part}},
    )


def executed(results: Mapping[str, Any], name: str, text: str = "a") -> NotebookNode:
    """Return a shipped notebook as if executed: one check per call."""
    notebook = nbformat.read(shipped("notebooks") / f"{name}.ipynb", 4)
    checks = [one for one in results["checks"] if one["notebook"] == name]
    calls = [cell for cell in notebook.cells if "review.check" in cell.source]
    more = [nbformat.v4.new_code_cell("") for _ in checks[len(calls) :]]
    notebook.cells += more
    for cell, values in zip([*calls, *more], checks, strict=False):
        result = result_from_dict(values)
        parts = display_of(result, text).parts
        cell.outputs = [output_of(*pair, result.code) for pair in parts.items()]
    return notebook


@cache
def sample_pages() -> Mapping[str, str]:
    """Return every page of the sample run, by file name."""
    results = sample_results()
    names = [one["name"] for one in results["notebooks"]]
    return render_pages(results, {name: executed(results, name) for name in names})


@cache
def hostile_pages() -> Mapping[str, str]:
    """Return the pages of a run in which all data is hostile."""
    results = hostile_results()
    text = " ".join(HOSTILE)
    notebook = executed(results, "00_baseline", text)
    notebook.cells += [nbformat.v4.new_markdown_cell(one) for one in HOSTILE]
    cell = nbformat.v4.new_code_cell("shown", outputs=foreign_outputs())
    notebook.cells.append(cell)
    return render_pages(results, {"00_baseline": notebook})


def foreign_outputs() -> list[NotebookNode]:
    """Return outputs that this package did not make, each trying to run."""
    script = HOSTILE[0]
    new = nbformat.v4.new_output
    kinds = {
        "text/html": script + HOSTILE[1],
        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{script}</svg>",
        "application/javascript": "document.title='stolen'",
        "text/vnd.mermaid": f"graph TD; a[{HOSTILE[1]}]",
        "text/markdown": HOSTILE[3] + script,
        "text/latex": script,
        "application/vnd.jupyter.widget-view+json": {"model_id": script},
        "image/png": f'x" onerror="{script}',
    }
    outputs = [new("display_data", data={kind: one}) for kind, one in kinds.items()]
    outputs.append(new("display_data", data={**kinds, "text/plain": script}))
    outputs.append(new("stream", name="stdout", text=f"\x1b[31m{script}\x1b[0m"))
    outputs.append(new("stream", name="stderr", text=script))
    trace = [f"\x1b[0;31mError\x1b[0m {script}"]
    outputs.append(new("error", ename=script, evalue=script, traceback=trace))
    forged = Markup(script)  # noqa: S704 (forged on purpose)
    outputs.append(output_of("details", forged, "P1"))
    return outputs
